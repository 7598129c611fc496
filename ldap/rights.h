/*
 * Which rights an account has, found by reading what they are for, and for each that is missing
 * what grants it. For doctor.
 */
#ifndef LDAP_RIGHTS_H
#define LDAP_RIGHTS_H

#include "ldap/session.h"

enum dir_right_state {
	DIR_RIGHT_SEEN,
	DIR_RIGHT_NEVER,   /* allowed to ask, and nothing was shown: hidden, or there is none */
	DIR_RIGHT_REFUSED, /* the server says so, or somebody known to have it does not show it
			    */
	DIR_RIGHT_STATES
};
extern const char *const dir_right_words[DIR_RIGHT_STATES];

struct dir_right {
	char *what; /* "mail", "Deleted Objects" */
	enum dir_right_state state;
	bool needed; /* without it something is lost that nothing else tells */
	char *text;  /* what was found, what it is for, what grants it */
};
VEC(dir_rights, struct dir_right);
void dir_rights_free(struct dir_rights *r);

/*
 * Adds what the account may read: the attributes of the map and of account states (stats, with
 * .with of so many sampled entries), and what the kind keeps elsewhere: marks, tombstones, the
 * right to replicate. Faults as dir_search() when the connection is lost.
 */
int dir_rights_look(struct dir_session *s, const struct dir_attr_stats *stats, uint64_t sampled,
		    struct dir_rights *into, struct err *err) MUST_USE;

#endif
