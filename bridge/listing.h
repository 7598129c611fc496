/*
 * Lists of accounts and seats as last collected, narrowed by a policy filter: the verbs
 * accounts, seats and orphans. Pages are short read transactions; nothing is held between them.
 */
#ifndef BRIDGE_LISTING_H
#define BRIDGE_LISTING_H

#include "bridge/verb.h"

#define LISTING_LIMIT 100 /* rows, where the request does not say */

int listing_accounts(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err);
int listing_orphans(struct app *app, const struct who *who, const json_t *in, json_t *out,
		    struct err *err);
/* Orphans, and accounts of other domains that nobody is linked to: "managed" tells them apart.
 */
int listing_unlinked(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err);
int listing_seats(struct app *app, const struct who *who, const json_t *in, json_t *out,
		  struct err *err);

/*
 * The same rows, page by page: from *place on, which goes on behind the last account that was
 * looked at; place->org is the number of organisations once all were. in: org, filter. seats:
 * rows are seats. fn may say that it has enough with an answer above zero: the walk ends after
 * the page. Rows have what the verbs answer and more: bridge/verbs_export.c says what it uses.
 */
struct listing_place {
	size_t org; /* place of the organisation in the configuration */
	int64_t after;
	int64_t until_ms; /* monotonic: the walk ends behind the page that reaches it; 0: not */
};
typedef int (*listing_fn)(void *ctx, const json_t *row, struct err *err);
int listing_walk(struct app *app, const json_t *in, bool seats, struct listing_place *place,
		 listing_fn fn, void *ctx, struct err *err) MUST_USE;

/* Rows that a request may have: its "limit", LISTING_LIMIT without one, SIZE_MAX for 0. */
size_t listing_limit(const json_t *in);

#endif
