/* Directory entries for tests, without a directory: "name: value" lines make a struct dir_entry
 * (options with ';' as they come). */
#ifndef TESTS_UNIT_ENTRIES_H
#define TESTS_UNIT_ENTRIES_H

#include "ldap/entry.h"

/* Lines of one attribute stand together. The entry borrows from lines, which ends with NULL. */
static inline UNUSED void entry_make(struct dir_entry *e, const char *dn,
				     const char *const lines[])
{
	e->dn = str_of(dn);
	e->attrs.n = e->values.n = 0;
	for (size_t i = 0; lines[i]; i++) {
		struct str name, value, options;

		assert_true(str_cut(str_of(lines[i]), ':', &name, &value));
		value = str_n(value.p + 1, value.len - 1);
		str_cut(name, ';', &name, &options);
		if (!e->attrs.n || !str_eq(e->attrs.v[e->attrs.n - 1].name, name) ||
		    !str_eq(e->attrs.v[e->attrs.n - 1].options, options)) {
			struct dir_attr a = { name, options, e->values.n, 0 };

			assert_int_equal(dir_attrs_add(&e->attrs, a), 0);
		}
		e->attrs.v[e->attrs.n - 1].n++;
		assert_int_equal(dir_values_add(&e->values, value), 0);
	}
}

/* One attribute more, whose value may hold any bytes. */
static inline UNUSED void entry_add(struct dir_entry *e, const char *name, const void *p,
				    size_t len)
{
	struct dir_attr a = { str_of(name), { 0 }, e->values.n, 1 };

	assert_int_equal(dir_attrs_add(&e->attrs, a), 0);
	assert_int_equal(dir_values_add(&e->values, str_n(p, len)), 0);
}

#endif
