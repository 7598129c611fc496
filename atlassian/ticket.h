/*
 * Issues that leaverd opens at Jira to tell of something: found by a label of their own, made,
 * commented, moved through the project's workflow.
 *
 * POST /issue is not idempotent and has no key: whoever cannot know whether one arrived asks
 * atl_ticket_find() first, once Jira's search shows what is ATL_TICKET_LAG_MS old. Comments are
 * read without that lag.
 *
 * Faults as atl_site_ask(); *problem tells more about them. Blocks as long as a request does.
 */
#ifndef ATLASSIAN_TICKET_H
#define ATLASSIAN_TICKET_H

#include "atlassian/site.h"

/* Search is told of issues some time after they were made; nobody says how long. */
#define ATL_TICKET_LAG_MS (5 * 60000LL)
#define ATL_TICKET_SUMMARY_MAX 255 /* characters; Jira refuses longer ones */
#define ATL_TICKET_NAME_BYTES 80

enum { ATL_TICKET_NONE = 1 }; /* there is none, or no way there */

struct atl_ticket {
	const char *project, *type; /* a key; a name */
	const char *label;          /* its own for ever: letters, digits, - */
	const char *const *labels;  /* further ones */
	size_t label_count;
	struct str summary; /* one line; cut where it is too long */
	struct str text;    /* lines; an empty one ends a paragraph */
};

/* *ret: the key ("OPS-12") of the oldest issue of that project with that label. NONE. */
int atl_ticket_find(struct atl_site *s, const struct atl_ticket *t,
		    char ret[ATL_TICKET_NAME_BYTES], struct atl_problem *problem,
		    struct err *err) MUST_USE;
/* Makes it. Sent once: after a fault it may be there all the same. */
int atl_ticket_open(struct atl_site *s, const struct atl_ticket *t,
		    char ret[ATL_TICKET_NAME_BYTES], struct atl_problem *problem,
		    struct err *err) MUST_USE;
/* Whether one of its newest hundred comments holds that mark: 0, or NONE. */
int atl_ticket_said(struct atl_site *s, const char *name, const char *mark,
		    struct atl_problem *problem, struct err *err) MUST_USE;
/* Adds a comment. Sent once. */
int atl_ticket_say(struct atl_site *s, const char *name, struct str text,
		   struct atl_problem *problem, struct err *err) MUST_USE;
/* Moves it to the status of that name, by the transition that leads there or is called so. 0
 * also where it has the status. NONE: no transition leads there from where it is. */
int atl_ticket_move(struct atl_site *s, const char *name, const char *status,
		    struct atl_problem *problem, struct err *err) MUST_USE;

#endif
