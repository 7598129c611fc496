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
 *     name.familyName: "Last name"                   a name with blanks, commas or slashes; a
 *                                                    quote in it is written twice
 */
#ifndef MODEL_MAPTEXT_H
#define MODEL_MAPTEXT_H

#include "model/map.h"

/* One row with its texts; freed as a whole. */
struct maptext {
	struct map_row row; /* points into the rest; row.to is the caller's text */
	bool nothing;       /* the text was empty */
	char *store;
	struct map_word *words;
};

/* Fault: CONFIG naming the byte offset in text. name_ok: whether a source can have an attribute
 * of that name. */
int maptext_parse(const char *to, struct str text, bool (*name_ok)(struct str name),
		  struct maptext *ret, struct err *err) MUST_USE;
void maptext_done(struct maptext *m);

#endif
