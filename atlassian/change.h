/*
 * Changes of an organisation that no rule makes by itself: people invited and taken out, groups
 * made and unmade and what they grant, managed accounts renamed, deleted and kept.
 *
 * As in atlassian/org.h: faults as atl_call(), REFUSED in mode observe; 0 also where it is so
 * already. What a 2xx asked for is not what was done: whoever must know reads again. Calls of
 * user management ask first what may be done to the account (GET .../manage) and answer
 * ATL_IMPOSSIBLE, told in err, where it may not: nothing was sent then.
 */
#ifndef ATLASSIAN_CHANGE_H
#define ATLASSIAN_CHANGE_H

#include "atlassian/act.h"
#include "atlassian/org.h"
#include "base/vec.h"

/* --- people ------------------------------------------------------------------------------- */

/* Takes the account out of the directory, with its groups and roles there. Atlassian queues it:
 * the account may be seen for a while. Coming back takes a new invitation. */
int atl_change_remove(struct atl_client *c, struct str directory, struct str account,
		      struct err *err) MUST_USE;

struct atl_invite_role {
	struct str role, resource; /* "atlassian/user", ARI */
};
struct atl_invite {
	const struct str *emails;
	size_t email_count;
	const struct atl_invite_role *roles;
	size_t role_count;
	const struct str *groups; /* ids */
	size_t group_count;
	bool notify;     /* Atlassian mails them */
	struct str text; /* of that mail; may be empty */
};

/* What became of one address. */
struct atl_invited {
	char *email, *account; /* account NULL: none was told */
	char *why;             /* of the first role or group that it did not get; NULL: all */
};
VEC(vec_atl_invited, struct atl_invited);
/* Frees all of it; zeroed and twice are fine. */
void atl_invited_done(struct vec_atl_invited *v);

/*
 * Invites people. It may be half done (HTTP 206): *ret, zeroed by the caller, says so address
 * by address. Answers: ATL_LIMIT_REACHED (no seat is left). This call is not idempotent: it is
 * sent again only where it cannot have arrived, and a fault does not mean that nobody was
 * invited.
 */
int atl_change_invite(struct atl_client *c, const struct atl_invite *invite,
		      struct vec_atl_invited *ret, struct err *err) MUST_USE;

/* --- groups ------------------------------------------------------------------------------- */

/* The group of exactly that name, but for the case of letters. ret: 80 bytes. Answer: ATL_GONE,
 * there is none that can be seen (one just made is seen a second or two later). */
int atl_change_group_find(struct atl_client *c, struct str directory, struct str name,
			  char ret[80], struct err *err) MUST_USE;
enum { ATL_EXISTS = 5 };
/* Makes a group; Atlassian does not tell its id: atl_change_group_find(). Answer: ATL_EXISTS,
 * one of that name was there. description may be empty. */
int atl_change_group_new(struct atl_client *c, struct str directory, struct str name,
			 struct str description, struct err *err) MUST_USE;
/* Its members lose what it alone gave them. Faults CONFLICT, FORBIDDEN: a default group, a
 * synced one, one that gives administration. */
int atl_change_group_drop(struct atl_client *c, struct str directory, struct str group,
			  struct err *err) MUST_USE;
/* Gives a role to all of a group's members, or takes it. resource: ARI; its bare id is tried
 * where Atlassian answers 400 or 404. Answer: ATL_LIMIT_REACHED. */
int atl_change_group_assign(struct atl_client *c, struct str directory, struct str group,
			    struct str role, struct str resource, struct err *err) MUST_USE;
int atl_change_group_revoke(struct atl_client *c, struct str directory, struct str group,
			    struct str role, struct str resource, struct err *err) MUST_USE;

/* --- managed accounts --------------------------------------------------------------------- */

/* Orders the end of a managed account: deactivated at once, gone for good after 14 days. No
 * rule of leaverd does this. */
int atl_change_delete(struct atl_client *c, struct str account, struct err *err) MUST_USE;
/* Within these 14 days: the account is kept and active again. */
int atl_change_delete_cancel(struct atl_client *c, struct str account, struct err *err)
	MUST_USE;
/* The address, of a verified domain. All of the person's sessions end. */
int atl_change_email(struct atl_client *c, struct str account, struct str email,
		     struct err *err) MUST_USE;

/* Fields of a profile; empty ones are left as they are. */
struct atl_profile {
	struct str name, nickname, zoneinfo, locale;
	struct str job_title, department, organization, location;
};
/* PATCH /users/{id}/manage/profile, once the account says that we may. */
int atl_change_profile(struct atl_client *c, struct str account,
		       const struct atl_profile *profile, struct err *err) MUST_USE;

#endif
