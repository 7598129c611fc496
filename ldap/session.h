/*
 * What reading, looking up and probing begin with: a connection of which is known which server
 * it leads to, as whom, that the base is there, and what to ask for.
 */
#ifndef LDAP_SESSION_H
#define LDAP_SESSION_H

#include "ldap/mapping.h"
#include "ldap/search.h"

struct dir_session {
	const struct dir_options *o;
	struct dir_conn *conn;
	struct dir_rootdse dse;
	struct dir_mapping *mapping;
	const char *filter;       /* for people: the settings' or the kind's */
	const char *context;      /* where to look for entries that left the base */
	char *who;                /* Who am I?, or NULL */
	char *base_id;            /* of the base entry, or NULL if it has none */
	const char *base_id_attr; /* the attribute that holds it; NULL if none */
	enum dir_id_form base_id_form;
	uint64_t own_count; /* entries directly below the base, as the server counts; 0: untold
			     */
	char question[DIGEST_HEX_BYTES];
};

/* Faults as dir_conn_open() and dir_search(); NOT_FOUND when the base is not there, FORBIDDEN
 * when we are not who the settings say. *s (zeroed before) is the caller's to
 * dir_session_done() also on a fault. */
int dir_session_open(struct dir_session *s, const struct dir_options *o,
		     const struct secret *password, size_t first, int64_t deadline_mono_ms,
		     const atomic_bool *cancel, struct err *err) MUST_USE;
void dir_session_done(struct dir_session *s);

/* The query for all people (the caller may change it). */
struct dir_query dir_session_people(const struct dir_session *s);

/*
 * Looks for the settings' canaries one by one: *into gets a row for each, seen or not; an
 * attribute that one is known to have and does not show is hidden in the mapping from now on.
 * fn, if given, gets the canary's number and key.
 */
int dir_session_canaries(struct dir_session *s, struct dir_canaries *into,
			 int (*fn)(void *ctx, size_t number, const char *key, struct err *err),
			 void *ctx, struct err *err) MUST_USE;

#endif
