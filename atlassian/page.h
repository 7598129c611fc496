/*
 * Pages: one iterator over the dialects in which Atlassian's lists go on.
 *
 * `links.next` is a cursor, sent back where the dialect wants it; one that begins with "http"
 * is a URL, followed only on the host (and scheme, port) of base_url. It is never parsed. The
 * same cursor twice ends the list with a fault, as do too many empty pages: a list that turns
 * in circles is not complete. The next page is asked for while its caller reads the one before;
 * no more than these two are held.
 */
#ifndef ATLASSIAN_PAGE_H
#define ATLASSIAN_PAGE_H

#include "atlassian/client.h"
#include "atlassian/kept.h"

enum atl_dialect {
	ATL_PAGES_BODY,       /* POST; cursor beside the other members */
	ATL_PAGES_BODY_ALONE, /* POST; with a cursor nothing else may be there */
	ATL_PAGES_QUERY,      /* GET; ?cursor= in place of every other parameter */
};

struct atl_pages {
	struct atl_client *client;
	enum atl_dialect dialect;
	enum atl_family family;
	const char *what; /* "users of directory d-1": for sentences; borrowed */
	struct buf path;  /* of the list, without query */
	struct buf query; /* of the first page, without '?' */
	json_t *body;     /* of the first page; owned */
	struct buf next;  /* cursor or URL of the next page */
	struct atl_seen *seen;
	struct atl_sent sent; /* the page that was asked for ahead */
	bool ahead, circle;
	bool urgent; /* may be set after init: goes before other reads */
	/* may be set after init: pages are taken from there, and kept there (of their rows
	 * these members; NULL: all) */
	struct atl_kept *kept;
	const char *const *members;
	uint64_t key;          /* of the page that was asked for ahead */
	bool replay, replayed; /* that one was kept; the one handed out last was */
	unsigned page;         /* of the newest page, from 1 */
	unsigned empty;        /* empty pages in a row */
	uint64_t rows;         /* handed out */
	int64_t total;         /* meta.total of the newest page; -1: not told */
	bool over;
};

/* path is copied; body (may be NULL) is stolen, also on a fault. */
int atl_pages_init(struct atl_pages *p, struct atl_client *client, enum atl_dialect dialect,
		   enum atl_family family, struct str path, const char *query, json_t *body,
		   const char *what, struct err *err) MUST_USE;
void atl_pages_done(struct atl_pages *p);

/* Sends the request for the first page already, so that its answer comes while something else
 * is done. Optional. */
int atl_pages_start(struct atl_pages *p, struct err *err) MUST_USE;

enum { ATL_END = 1, ATL_STALE = 6 };
/*
 * The next page: *ret is its document (the caller's), *rows its `data`, an array (borrowed from
 * *ret). Answers: ATL_END; ATL_STALE with *err: Atlassian does not take the cursor that a kept
 * page told, so the list goes on nowhere. Fault: as atl_call(); INCOMPLETE where the list does
 * not go on as it should. The sentence begins "page 7 of users of directory d-1: ".
 */
int atl_pages_next(struct atl_pages *p, json_t **ret, json_t **rows, struct err *err) MUST_USE;

/* Whether the list has any row: no page with one, and only its end says that it has none. *ret
 * is written on success alone. Fault: as above. */
int atl_pages_any(struct atl_pages *p, bool *ret, struct err *err) MUST_USE;

/* A set of texts, kept as 64-bit digests: has this been here before? */
struct atl_seen;
int atl_seen_new(struct atl_seen **ret, struct err *err) MUST_USE;
void atl_seen_free(struct atl_seen *s);
OWNED(struct atl_seen, atl_seen_free)
enum { ATL_SEEN = 1 };
/* 0: new, and now in the set. ATL_SEEN: was there. */
int atl_seen_add(struct atl_seen *s, struct str text, struct err *err) MUST_USE;
size_t atl_seen_count(const struct atl_seen *s);

#endif
