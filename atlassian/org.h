/*
 * The organisations API: what is read and what is changed, one function a call.
 *
 * Writes answer 0 also where what they want is already so; a caller who must know reads again.
 * Faults as atl_call(); REFUSED in mode observe.
 */
#ifndef ATLASSIAN_ORG_H
#define ATLASSIAN_ORG_H

#include "atlassian/page.h"

/* The credential check: GET /v1/orgs/{org}. name: 128 bytes, NULL if not wanted. Fault:
 * FOREIGN when another organisation answers. */
int atl_org_get(struct atl_client *c, char ret_id[80], char ret_name[128], struct err *err)
	MUST_USE;

/* Lists. what is borrowed until atl_pages_done(). */
/* Verified and other domains, v1. */
int atl_org_domains(struct atl_pages *p, struct atl_client *c, struct err *err) MUST_USE;
/* Those that the key may manage. */
int atl_org_directories(struct atl_pages *p, struct atl_client *c, struct err *err) MUST_USE;
/* Only those in which the account is. */
int atl_org_directories_of(struct atl_pages *p, struct atl_client *c, struct str account,
			   struct err *err) MUST_USE;
/* Products on their sites. */
int atl_org_workspaces(struct atl_pages *p, struct atl_client *c, struct err *err) MUST_USE;
/* body: filters (stolen; NULL: all); expand, limit are added. directory "-": all. */
int atl_org_users(struct atl_pages *p, struct atl_client *c, struct str directory, json_t *body,
		  const char *what, struct err *err) MUST_USE;
/* The same of groups. */
int atl_org_groups(struct atl_pages *p, struct atl_client *c, struct str directory,
		   json_t *body, const char *what, struct err *err) MUST_USE;
/* What one group gives: resourceId, roles, defaultRole. */
int atl_org_group_roles(struct atl_pages *p, struct atl_client *c, struct str directory,
			struct str group, const char *what, struct err *err) MUST_USE;
/* What one account has, and by which way ("direct", "group_direct", "inferred"). resource
 * empty: all. */
int atl_org_user_roles(struct atl_pages *p, struct atl_client *c, struct str directory,
		       struct str account, struct str resource, const char *what,
		       struct err *err) MUST_USE;

/* things: "users" or "groups"; query: filters, encoded, NULL: none. */
int atl_org_count(struct atl_client *c, struct str directory, const char *things,
		  const char *query, int64_t *ret, struct err *err) MUST_USE;

/* last-active-dates of one account: *ret is its `data` document, all pages in one. The
 * caller's. */
int atl_org_last_active(struct atl_client *c, struct str account, json_t **ret, struct err *err)
	MUST_USE;

/* Ends the account's access to that directory's products, of any account; its roles and groups
 * stay. Goes before other calls. */
int atl_org_suspend(struct atl_client *c, struct str directory, struct str account,
		    struct err *err) MUST_USE;
/* Answer: ATL_LIMIT_REACHED, told in err: the licences are all taken. */
int atl_org_restore(struct atl_client *c, struct str directory, struct str account,
		    struct err *err) MUST_USE;

enum { ATL_LIMIT_REACHED = 3 };
/* 409 "already" is 0; 409 at the licence limit is the answer ATL_LIMIT_REACHED, told in err. */
int atl_org_join(struct atl_client *c, struct str directory, struct str group,
		 struct str account, struct err *err) MUST_USE;
/* 404 is read again: 0 when the account is no member, else the fault. */
int atl_org_leave(struct atl_client *c, struct str directory, struct str group,
		  struct str account, struct err *err) MUST_USE;
/* Whether the account is in the group now. */
int atl_org_is_member(struct atl_client *c, struct str group, struct str account, bool *ret,
		      struct err *err) MUST_USE;

/* Gives a role directly. resource: ARI; the bare id after its last "/" is tried where Atlassian
 * answers 400 or 404. Answer of both: ATL_LIMIT_REACHED. */
int atl_org_assign(struct atl_client *c, struct str account, struct str role,
		   struct str resource, struct err *err) MUST_USE;
/* Takes a role that was given directly; what groups give stays. */
int atl_org_revoke(struct atl_client *c, struct str account, struct str role,
		   struct str resource, struct err *err) MUST_USE;

/* What stands behind the last "/" of an ARI; empty where there is none. */
struct str atl_bare_resource(struct str ari);

#endif
