/*
 * What people made on the sites of the rehearsal organisation: projects, components, issues,
 * filters, dashboards, spaces, automation rules. One document, empty at first, filled by
 * POST /_rehearsal/works, changed by Jira's endpoints, shown by GET /_rehearsal/works:
 *
 *   {"projects":   [{"site":"acme","id":"10001","key":"OPS","name":"Operations","lead":ACCOUNT,
 *                    "closed":[ACCOUNT]}],           closed: may not be assigned issues of it
 *    "components": [{"site","id","name","project":"OPS","lead"}],
 *                    "types":["Task"]               of issues; Task and Bug where it has none
 *    "issues":     [{"site","id","key","summary","project","assignee","reporter","open":true}],
 *                   those made through Jira have "labels", "status", "comments", "description"
 *                   and "made_ms", too
 *    "filters":    [{"site","id","name","owner"}],
 *    "dashboards": [{"site","id","name","owner"}],
 *    "rules":      [{"site","uuid","name","author","actor","state":"ENABLED"}],
 *    "spaces":     [{"site","id","key","name","owner"}],
 *    "customers":  [{"site","desk":"1","account"}],
 *    "denied":     ["BULK_CHANGE"]}                 global permissions that the token lacks
 *
 * An ACCOUNT is given as an address or an id and shown as an id.
 */
#ifndef REHEARSAL_WORKS_H
#define REHEARSAL_WORKS_H

#include "tests/rehearsal/rehearsal.h"

/* The site that the cloud id in segment n names; 404 else. */
int works_site(struct call *c, unsigned n, unsigned *ret);
/* Borrowed rows of one kind; an empty list where there is none. */
json_t *works_of(const struct call *c, const char *kind);
/* Whether a row is of that site. */
bool works_at(const struct call *c, const json_t *row, unsigned site);
/* The row with that member; NULL. */
json_t *works_find(const struct call *c, const char *kind, unsigned site, const char *key,
		   struct str value);

/* Sends the document (stolen) with that status. */
int works_send(struct call *c, int status, json_t *document);
/* {"errorMessages":[...],"errors":{}} */
int works_refuse(struct call *c, int status, const char *message);
/* An account as Jira shows it; NULL where there is none of that id. */
json_t *works_user(const struct call *c, unsigned site, const char *id);
/* A query value as a number. */
size_t works_number(const struct call *c, const char *name, size_t preset);
/* Rows from *at on as a page of Jira: startAt, maxResults, isLast, total, values (stolen). */
int works_page(struct call *c, json_t *rows, size_t most);
/* Whether the account is active there, and holds a seat of one of these resources (bits). */
bool works_active(const struct call *c, uint32_t account);
/* Active members of a group, in order. */
bool works_member(const struct call *c, uint32_t account, uint32_t group);

#endif
