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
int listing_seats(struct app *app, const struct who *who, const json_t *in, json_t *out,
		  struct err *err);

/* Rows that a request may have: its "limit", LISTING_LIMIT without one, SIZE_MAX for 0. */
size_t listing_limit(const json_t *in);

#endif
