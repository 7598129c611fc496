/*
 * What a site's credential may do there, found out by reads that change nothing.
 */
#ifndef ATLASSIAN_SITE_RIGHTS_H
#define ATLASSIAN_SITE_RIGHTS_H

#include "atlassian/site.h"

/* Whose credential it is, as Jira says. */
struct atl_site_self {
	char account[132];
	bool active;
};
/* Fault: UNAUTHORIZED where the credential is refused. */
int atl_site_self(struct atl_site *s, struct atl_site_self *ret, struct err *err) MUST_USE;

/* One thing that is to work, and what will not where it does not. */
struct atl_site_right {
	const char *name; /* "administer Jira" */
	enum atl_api api;
	const char *permission; /* of Jira, global; NULL: path is asked instead */
	const char *path;       /* a list, of which one row is asked for */
	const char *without;    /* "seats are not told" */
	bool maybe;             /* not every site has it: 404 is no fault */
};
extern const struct atl_site_right atl_site_rights[]; /* ends with a NULL name */

enum { ATL_RIGHT_NO = 8, ATL_RIGHT_NONE = 9 };
/* 0: it may. Answers: ATL_RIGHT_NO, with what was answered in *err; ATL_RIGHT_NONE, the site
 * does not have that (404 where maybe). Fault: as atl_call() where neither can be told. */
int atl_site_right_ask(struct atl_site *s, const struct atl_site_right *right, struct err *err)
	MUST_USE;

/* Whether it has a permission in a project. Answers as above; ATL_RIGHT_NONE: it sees no such
 * project. */
int atl_site_project_ask(struct atl_site *s, const char *project, const char *permission,
			 struct err *err) MUST_USE;

#endif
