/*
 * Searches, message by message: a page at most is under way, one entry at most in memory.
 *
 * A search is over only when every page ended with success, carried the paged results control
 * (RFC 2696), and the last cookie was empty. Anything else is a fault whose sentence names the
 * page and the base.
 */
#ifndef LDAP_SEARCH_H
#define LDAP_SEARCH_H

#include "ldap/conn.h"
#include "ldap/entry.h"

enum dir_scope { DIR_SCOPE_BASE, DIR_SCOPE_SUB };

struct dir_query {
	const char *base;
	enum dir_scope scope;
	const char *filter;
	char *const *attrs;  /* NULL-terminated */
	int64_t page_size;   /* 0: not paged */
	int64_t max_entries; /* more are a fault (LIMIT); 0: the settings' */
	bool steady_cookie;  /* see struct dir_trait */
	bool domain_scope;   /* ask AD not to send referrals */
	bool show_deleted;
};

struct dir_found {
	uint64_t entries, pages, referrals /* ignored ones */;
};

/* Called for each entry, which is valid until it returns. Below zero ends the search with that
 * fault; DIR_SEEN_BEFORE says that this entry was there in an earlier page. */
enum { DIR_SEEN_BEFORE = 1 };
typedef int (*dir_entry_fn)(void *ctx, const struct dir_entry *e, struct err *err);

/* *found counts also what came before a fault. fn may be NULL. */
int dir_search(struct dir_conn *c, const struct dir_query *q, dir_entry_fn fn, void *ctx,
	       struct dir_found *found, struct err *err) MUST_USE;

/* The root DSE, read over c. *ret is the caller's to dir_rootdse_done(). */
struct dir_rootdse;
int dir_search_rootdse(struct dir_conn *c, struct dir_rootdse *ret, struct err *err) MUST_USE;

#endif
