/*
 * One site of an organisation: its own settings, credential and clients, and how its products'
 * APIs are asked. Jira (with Jira Service Management), Confluence and Automation stand at
 * addresses of their own and have budgets of their own; each is an atl_client with the site's
 * credential: an e-mail address with an API token (Basic), or a token alone (Bearer: OAuth 2.0,
 * service accounts).
 *
 * Faults as atl_call(). Safe on every thread.
 */
#ifndef ATLASSIAN_SITE_H
#define ATLASSIAN_SITE_H

#include "atlassian/client.h"

struct atl_site_options {
	struct conf_mark mark;
	char *host;           /* "acme.atlassian.net" */
	char *login;          /* e-mail address that the token is of; NULL: Bearer */
	char *token;          /* name of a secret */
	char *cloud_id;       /* of the site; NULL: automation rules are not read */
	char *jira_url;       /* NULL: https://HOST */
	char *confluence_url; /* NULL: https://HOST */
	char *automation_url; /* NULL: made of cloud_id */
	bool jira, confluence;
	bool members; /* read who is in the groups that give a product */
	char *queue;  /* account id or address that gets what nobody else can have */
	int64_t per_second;
	int64_t most;      /* objects of one account that are listed */
	int64_t within_ms; /* reading what one account owns takes no longer */
};

/* Rows of an item of `sites:`; end with a NULL name. */
extern const struct conf_key atl_site_keys[];
/* What rows cannot say. Adds faults to *faults. */
void atl_site_check(const struct atl_site_options *o, struct conf_faults *faults);

enum atl_api { ATL_API_JIRA, ATL_API_CONFLUENCE, ATL_API_AUTOMATION, ATL_API_COUNT };

struct atl_site;
/* options and org (proxy, tries, time limits) outlive it; token and proxy_login (may be NULL)
 * are copied. Writes are refused until atl_site_writes(). */
int atl_site_new(struct atl_site **ret, const struct atl_site_options *options,
		 const struct atl_options *org, const struct secret *token,
		 const struct secret *proxy_login, struct httpc *http, struct err *err)
	MUST_USE;
/* No call may be under way; before httpc_free(). */
void atl_site_free(struct atl_site *s);
OWNED(struct atl_site, atl_site_free)

/* Whether changes may be sent there: not until this said so. */
void atl_site_writes(struct atl_site *s, bool allowed);
bool atl_site_may_write(const struct atl_site *s);
const struct atl_site_options *atl_site_options(const struct atl_site *s);
/* Whether the settings say that it has that API. */
bool atl_site_has(const struct atl_site *s, enum atl_api api);
/* Calls sent to all of its APIs. */
uint64_t atl_site_calls(const struct atl_site *s);

struct atl_ask {
	enum atl_api api;
	const char *method;
	const char *path;       /* template of atl_path(), query included */
	const struct str *args; /* for its "{}" */
	size_t arg_count;
	const json_t *body; /* NULL: none */
	bool write;
	bool once; /* must not be done twice: sent again only where it cannot have arrived */
};
static inline struct atl_ask atl_get(enum atl_api api, const char *path, const struct str *args,
				     size_t arg_count)
{
	return (struct atl_ask){
		.api = api, .method = "GET", .path = path, .args = args, .arg_count = arg_count
	};
}
/* *ret (may be NULL) is the answer's document, the caller's; NULL where there is none. */
int atl_site_ask(struct atl_site *s, const struct atl_ask *ask, json_t **ret,
		 struct atl_problem *problem, struct err *err) MUST_USE;

/* How much of a list may be read; shared by lists that belong together. */
struct atl_bound {
	int64_t until_ms; /* monotonic; 0: no end */
	uint64_t rows;    /* that may still come */
	bool cut;         /* out: the list was longer */
};

/* How a site's lists go on; pages are asked for one after the other. */
enum atl_site_list {
	ATL_LIST_VALUES,  /* Jira: startAt, maxResults; values, isLast */
	ATL_LIST_DESK,    /* JSM: start, limit; values, isLastPage */
	ATL_LIST_RESULTS, /* Confluence v1: start, limit; results, _links.next there or not */
	ATL_LIST_TOKEN,   /* Jira search, a POST: nextPageToken in the body; issues */
	ATL_LIST_LINK,    /* Confluence v2 (results, _links.next) and Automation (data,
			     links.next): next is a query, a path or a URL */
};
/* row is borrowed. < 0 ends the list with that fault. */
typedef int (*atl_site_row_fn)(void *ctx, const json_t *row, struct err *err);
/*
 * Each row of a list, up to *bound (NULL: all). page: rows asked for in one page. Fault:
 * PROTOCOL where an answer is not the page that it should be or a list does not go on. A list
 * that was cut at its bound is no fault: bound->cut.
 */
int atl_site_each(struct atl_site *s, enum atl_site_list list, const struct atl_ask *ask,
		  unsigned page, struct atl_bound *bound, atl_site_row_fn fn, void *ctx,
		  struct err *err) MUST_USE;

/* accountId of a user object, of the member `key` (NULL: of j itself). Empty if none. */
struct str atl_user_id(const json_t *j, const char *key);

#endif
