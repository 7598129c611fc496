/*
 * Rows of model/map as an operator writes them, one line a SCIM path:
 *
 *     userName: uid                                  the attribute
 *     displayName: displayName, cn                   the first that has a value
 *     emails: each mail                              one element a value
 *     name.formatted: join givenName, sn             the first values of each, blanks between
 *     userType: ="Employee"                          always this
 *     title: ""                                      nothing: the default row is gone
 *     enterprise.employeeNumber: employeeNumber /^0*(.+)$/$1/     rewritten (PCRE2)
 *     employment.status: employeeType { Employee: active, Terminated: terminated, *: unknown }
 *                                                    a list of values; * for all others
 */
#ifndef LDAP_MAPTEXT_H
#define LDAP_MAPTEXT_H

#include "model/map.h"

/* One row with its texts; freed as a whole. */
struct dir_maptext {
	struct map_row row; /* points into the rest; row.to is the caller's text */
	bool nothing;       /* the text was empty */
	char *store;
	struct map_word *words;
};

/* Fault: CONFIG naming the byte offset in text. */
int dir_maptext_parse(const char *to, struct str text, struct dir_maptext *ret, struct err *err)
	MUST_USE;
void dir_maptext_done(struct dir_maptext *m);

#endif
