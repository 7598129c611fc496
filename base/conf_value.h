/*
 * Single values of a configuration: text to field and back, by the type of their row. Shared by
 * conf.c, which reads, and conf_show.c, which prints; nobody else needs it. Pure.
 */
#ifndef BASE_CONF_VALUE_H
#define BASE_CONF_VALUE_H

#include "base/conf.h"

/*
 * Reads text into a field of a scalar type (CONF_TEXT to CONF_ENUM). Relative paths are put
 * behind folder. 0; 1 where text is not what the row wants; -ERR_NOMEM.
 */
int conf_value_take(const struct conf_key *row, struct str text, struct str folder, void *field)
	MUST_USE;

/* Adds what the row wants, for "expected ...". */
void conf_value_expected(const struct conf_key *row, struct buf *into);

/* True when the field holds nothing that could be printed and read again: it was left out. */
bool conf_value_unset(const struct conf_key *row, const void *field);

/* Whether structs of these keys begin with a struct conf_mark (see conf.h). */
bool conf_has_mark(const struct conf_key *keys);

/* Adds a scalar field as YAML that conf_value_take() reads as the same. */
void conf_value_show(const struct conf_key *row, const void *field, struct buf *into);

/* Adds s as one YAML scalar, in quotes where YAML could take it for something else. */
void conf_text_show(struct str s, struct buf *into);

#endif
