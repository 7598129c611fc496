/*
 * The settings of one Atlassian Cloud organisation, as a key table. The caller reads the rows
 * with base/conf, calls atl_options_check(), sets name; from then on the struct never changes.
 */
#ifndef ATLASSIAN_OPTIONS_H
#define ATLASSIAN_OPTIONS_H

#include "base/conf.h"

/* Whose direct roles are read one by one: what users/search tells of groups and products does
 * not say whether a role was given directly. */
enum atl_roles {
	ATL_ROLES_NEEDED, /* accounts whose access no group explains, administrators, and idle
			     seats */
	ATL_ROLES_ALL,    /* every account: a request each */
};

struct atl_options {
	struct conf_mark mark;
	const char *name; /* the organisation's name for sentences; set by the caller, borrowed
			   */
	char *org_id;
	char *key;         /* name of a secret: an organisation API key */
	char *standby_key; /* name of a second one, tried when the first is refused; NULL: none
			    */
	char *base_url;
	struct conf_list directories; /* ids; empty: all that the key may manage */
	struct conf_list sites;       /* hosts such as acme.atlassian.net; empty: all */
	struct conf_list own;         /* account ids or addresses whose key we use: never
					 subjects */
	int roles;                    /* enum atl_roles */
	int64_t idle_after_ms;        /* a seat unused for so long is idle */
	bool tokens;                  /* read when API tokens were last used */
	bool events;                  /* read who changed what: the audit events */
	struct conf_list key_ids;     /* our keys as audit events name them; empty: found out */
	int64_t events_keep_ms;       /* events of others are kept so long */
	int64_t resume_within_ms; /* a read that was stopped goes on if it began not longer ago
				   */
	int64_t page_size;
	int64_t per_second; /* requests a second until Atlassian's headers say otherwise */
	int64_t at_once;
	char *message; /* shown to people whose account is deactivated; NULL: Atlassian's own */
	char *proxy;
	char *proxy_login; /* name of a secret, "user:password" */
	char *ca_file;
	int64_t tries;       /* of one request */
	int64_t backoff_ms;  /* before the second try, where Atlassian names no time */
	int64_t timeout_ms;  /* one try of one request */
	int64_t deadline_ms; /* one request with all its tries and waits */
	int64_t minimum;     /* fewer accounts make a collection implausible */
	int64_t drop_count;  /* so many accounts fewer than last time, ... */
	double drop_share;   /* ... and this share of them, make it implausible */
};

/* Rows of an organisation's `cloud:` section; end with a NULL name. */
extern const struct conf_key atl_option_keys[];

/* What rows cannot say: the form of base_url, ids, sites. Adds faults to *faults (may be
 * NULL); 0 without one, else -ERR_CONFIG with the first in *err. */
int atl_options_check(const struct atl_options *o, struct conf_faults *faults, struct err *err)
	MUST_USE;

#endif
