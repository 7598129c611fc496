/*
 * What a directory's schema says of attributes: whether they are known at all, whether they can
 * be asked for what is newer, whether there is an index. Servers tell little of it: what is not
 * told is not held against them.
 */
#ifndef LDAP_SCHEMA_H
#define LDAP_SCHEMA_H

#include "ldap/session.h"
#include "model/account.h"

struct dir_schema_row {
	const char *name; /* borrowed */
	bool known;
	bool equality, ordering; /* it names such a matching rule (RFC 4512 4.1.2) */
	enum tri indexed;        /* UNKNOWN: not told to this account */
};
VEC(dir_schema_rows, struct dir_schema_row);

struct dir_schema {
	bool seen; /* there is a subschema entry, and it may be read */
	struct dir_schema_rows rows;
};

int dir_schema_ask(struct dir_schema *schema, const char *name, struct err *err) MUST_USE;
/* One search: fills the rows of the names that were asked. Faults as dir_search(). */
int dir_schema_read(struct dir_session *s, struct dir_schema *schema, struct err *err) MUST_USE;
/* Looks for an index of that row's attribute, where the kind has a place that tells. */
int dir_schema_index(struct dir_session *s, struct dir_schema_row *row, struct err *err)
	MUST_USE;
const struct dir_schema_row *dir_schema_find(const struct dir_schema *schema, const char *name);
void dir_schema_done(struct dir_schema *schema);

#endif
