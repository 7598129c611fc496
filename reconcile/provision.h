/*
 * Provisioning: what an organisation's SCIM directory should hold of the people in its scope,
 * against what it was read to hold. Joiners get a record from their first day on, drifted
 * attributes are put right, who came back is active again (and an account of theirs that a
 * rule of ours suspended is restored with its record), groups follow attributes. Who is
 * not wanted in a group any more leaves it when its overlap is over, counted from when a round
 * first saw that: the result's stays say what is to be remembered for the next one.
 *
 * Nothing is planned unless the directory's newest read was complete. A person is told only
 * where a ready source says active and no more trusted one otherwise, within the scope, with a
 * first day that has come, of whom no rule says that they leave; unknown of any of these is a
 * finding (whom the directory never had may join while rules are unknown). An attribute that is
 * unknown or absent is left as it is. Nobody is ever deleted or switched off here: that is the
 * ladder of leaver rules, whose step deactivate goes through this directory where it has the
 * record (provision_lever).
 *
 * What identifies people stands in the values of the action as "provision":
 *   {"directory":…,"external_id":…,"groups":[…],"held":{…},"record":…,"wanted":{…}}
 * external_id and record "" where there is none; held and wanted by the words of
 * model/provision.h, wanted only what is to be set; groups by name.
 */
#ifndef RECONCILE_PROVISION_H
#define RECONCILE_PROVISION_H

#include "reconcile/guard.h"

struct provision_wish {
	uint32_t user;          /* row of facts; FACTS_NONE: there is no record */
	struct str external_id; /* to be given; empty: none */
	struct str held[PROVISION_ATTR_COUNT];
	struct str wanted[PROVISION_ATTR_COUNT];     /* empty: left as it is */
	const struct provision_group *const *groups; /* to join or to leave */
	size_t group_count;
	bool restore;        /* the account, which a rule of ours suspended, besides */
	const char *lost;    /* what does not come back, or NULL */
	const char *because; /* a sentence without personal values */
};

/* Every person; candidates, findings and counts are added to *r. */
int provision_desire(struct round *r, struct err *err) MUST_USE;
/* The same for one person of the world: to judge again. Findings are added. */
int provision_desire_person(struct round *r, uint32_t person, struct err *err) MUST_USE;

/* Limits and seats, over all candidates, once each was judged. */
int provision_guards(struct round *r, struct err *err) MUST_USE;

/* Steps and fields of a candidate that goes through the directory. */
int provision_diff(struct round *r, struct candidate *c, struct err *err) MUST_USE;

/* Which call switches an account off or on. */
enum provision_lever {
	LEVER_ACCOUNT, /* the user management API, as far as the account's class allows */
	LEVER_RECORD,  /* active:false of its record in our provisioning directory */
	LEVER_UNREAD,  /* its record, of which the newest read tells nothing */
	LEVER_SPENT,   /* its record is off already: saying it again would do nothing */
};
enum provision_lever provision_lever(const struct facts *f, uint32_t account);

/* What the values of an action hold of it: ,"provision":{…} */
void provision_values(const struct round *r, const struct candidate *c, struct buf *into);

/* --- who is who there ----------------------------------------------------------------------
 */

enum provision_how { HOW_NONE, HOW_ACCOUNT, HOW_EXTERNAL_ID, HOW_ADDRESS };

/* Records of the directory and their persons (law 5): by the account that a record is linked
 * to, else by externalId within its issuer, else by address, unique on both sides. */
struct provision_match {
	uint32_t *user_person; /* per record; FACTS_NONE: nobody */
	uint8_t *user_how;
	uint32_t *person_user;                    /* per person; FACTS_NONE: none */
	bool *person_several;                     /* several records claim to be the person */
	struct pool keys;                         /* folded addresses */
	struct vec_pair persons, users, accounts; /* (address, row), sorted */
};
int provision_match(const struct world *w, struct provision_match *ret, struct err *err)
	MUST_USE;
void provision_match_done(struct provision_match *m);
/* Whose an address is besides this person and its record and accounts: a static sentence, NULL
 * for nobody's. */
const char *provision_address_taken(const struct world *w, const struct provision_match *m,
				    uint32_t person, struct str address);

#endif
