#include "ldap/schema.h"

#include <ldap.h>
#include <ldap_schema.h>
#include <stdio.h>
#include <stdlib.h>

#include "ldap/dn.h"

#define AD_INDEXED 1U /* searchFlags, MS-ADTS 2.2.10 */

int dir_schema_ask(struct dir_schema *schema, const char *name, struct err *err)
{
	struct dir_schema_row row = { .name = name, .indexed = TRI_UNKNOWN };

	if (dir_schema_find(schema, name))
		return 0;
	return dir_schema_rows_add(&schema->rows, row) < 0 ? err_nomem(err) : 0;
}

const struct dir_schema_row *dir_schema_find(const struct dir_schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->rows.n; i++)
		if (str_ieq(str_of(schema->rows.v[i].name), str_of(name)))
			return &schema->rows.v[i];
	return NULL;
}

void dir_schema_done(struct dir_schema *schema)
{
	dir_schema_rows_done(&schema->rows);
	schema->seen = false;
}

/* --- definitions ---------------------------------------------------------------------------
 */

static bool is_of(const LDAPAttributeType *type, struct str name)
{
	if (type->at_oid && str_eq(str_of(type->at_oid), name))
		return true;
	for (size_t i = 0; type->at_names && type->at_names[i]; i++)
		if (str_ieq(str_of(type->at_names[i]), name))
			return true;
	return false;
}

static bool names(struct str definition, struct str name)
{
	for (size_t at = 0; at + name.len <= definition.len; at++)
		if (str_istarts(str_n(definition.p + at, definition.len - at), name))
			return true;
	return false;
}

/* One that does not parse (libldap says so too when it lacks memory) and speaks of the name is
 * taken for one that tells nothing of it but that it is there. */
static void row_take(struct dir_schema_row *row, const LDAPAttributeType *type)
{
	if (type && !is_of(type, str_of(row->name)))
		return;
	row->known = true;
	row->equality |= type && type->at_equality_oid;
	row->ordering |= type && type->at_ordering_oid;
}

static int type_take(struct dir_schema *schema, struct str definition, struct err *err)
{
	LDAPAttributeType *type = NULL;
	bool parsed = false;

	for (size_t i = 0; i < schema->rows.n; i++) {
		struct dir_schema_row *row = &schema->rows.v[i];

		if (!names(definition, str_of(row->name)))
			continue;
		if (!parsed) {
			CLEANUP(free_at) char *text = str_dup(definition);
			const char *at;
			int code;

			if (!text)
				return err_nomem(err);
			type = ldap_str2attributetype(text, &code, &at, LDAP_SCHEMA_ALLOW_ALL);
			parsed = true;
		}
		row_take(row, type);
	}
	if (type)
		ldap_attributetype_free(type);
	return 0;
}

static int on_subschema(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct dir_schema *schema = ctx;
	const struct str *types;
	const struct dir_attr *a = dir_entry_attr(e, STR("attributeTypes"), &types);

	int r = 0;

	for (size_t i = 0; r == 0 && a && i < a->n; i++)
		r = type_take(schema, types[i], err);
	schema->seen |= r == 0 && a != NULL;
	return r;
}

int dir_schema_read(struct dir_session *s, struct dir_schema *schema, struct err *err)
{
	static const char *const attrs[] = { "attributeTypes", NULL };
	struct dir_query q = { .base = s->dse.schema_dn,
			       .scope = DIR_SCOPE_BASE,
			       .filter = "(objectClass=*)",
			       .attrs = (char *const *)(uintptr_t)attrs };
	struct dir_found found;
	int r;

	if (!s->dse.schema_dn)
		return 0;
	r = dir_search(s->conn, &q, on_subschema, schema, &found, err);
	return r == -ERR_NOT_FOUND || r == -ERR_FORBIDDEN ? 0 : r;
}

/* --- indices -------------------------------------------------------------------------------
 */

struct index_look {
	struct str name;
	const char *attr;
	enum tri is;
};

/* AD: a bit of the attribute's own entry in the schema. */
static int on_search_flags(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct index_look *look = ctx;
	struct str raw;
	uint32_t bits;

	(void)err;
	if (dir_entry_first(e, look->attr, &raw) && dir_bits(raw, &bits))
		look->is = tri_of((bits & AD_INDEXED) != 0);
	return 0;
}

/* slapd: "mail,uid eq,sub" for each; whoever sees one line of a database sees all. */
static int on_index_lines(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct index_look *look = ctx;
	const struct str *lines;
	const struct dir_attr *a = dir_entry_attr(e, str_of(look->attr), &lines);

	(void)err;
	if (a && look->is == TRI_UNKNOWN)
		look->is = TRI_NO;
	for (size_t i = 0; a && i < a->n; i++) {
		struct str names, one, kinds;

		str_cut(str_trim(lines[i]), ' ', &names, &kinds);
		while (names.len > 0) {
			str_cut(names, ',', &one, &names);
			if (str_ieq(one, look->name))
				look->is = TRI_YES;
		}
	}
	return 0;
}

/* 389 DS: an entry for each, and whoever sees one sees all. */
static int on_index_entry(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct index_look *look = ctx;
	struct str name;

	(void)err;
	if (!dir_entry_first(e, look->attr, &name))
		return 0;
	if (str_ieq(name, look->name))
		look->is = TRI_YES;
	else if (look->is == TRI_UNKNOWN)
		look->is = TRI_NO;
	return 0;
}

/* Where each kind tells; base NULL: above the subschema entry. */
static const struct index_place {
	enum dir_kind kind;
	const char *base, *filter, *attr;
	bool named; /* the filter asks for the attribute's own entry */
	dir_entry_fn fn;
} index_places[] = {
	{ DIR_AD, NULL, "lDAPDisplayName", "searchFlags", true, on_search_flags },
	{ DIR_SAMBA, NULL, "lDAPDisplayName", "searchFlags", true, on_search_flags },
	{ DIR_ADLDS, NULL, "lDAPDisplayName", "searchFlags", true, on_search_flags },
	{ DIR_OPENLDAP, "cn=config", "(olcDbIndex=*)", "olcDbIndex", false, on_index_lines },
	{ DIR_389, "cn=config", "(objectClass=nsIndex)", "cn", false, on_index_entry },
	{ DIR_FREEIPA, "cn=config", "(objectClass=nsIndex)", "cn", false, on_index_entry },
};

static int place_ask(struct dir_session *s, const struct index_place *place,
		     struct index_look *look, struct err *err)
{
	CLEANUP(buf_done) struct buf base, filter;
	const char *attrs[2] = { place->attr, NULL };
	struct dir_query q = { .scope = DIR_SCOPE_SUB,
			       .attrs = (char *const *)(uintptr_t)attrs };
	struct dir_found found;
	struct err quiet;
	int r;

	buf_init(&base, DIR_DN_MAX_BYTES);
	buf_init(&filter, 1024);
	buf_add_str(&base, place->base ? str_of(place->base)
				       : dir_dn_parent(str_of(s->dse.schema_dn)));
	if (place->named)
		buf_addf(&filter, "(%s=" STR_FMT ")", place->filter, STR_ARG(look->name));
	else
		buf_add_text(&filter, place->filter);
	r = buf_fault(&base, err, "the place of the indices");
	if (r == 0)
		r = buf_fault(&filter, err, "the filter for an index");
	if (r < 0)
		return r;
	q.base = base.p;
	q.filter = filter.p;
	r = dir_search(s->conn, &q, place->fn, look, &found, &quiet);
	/* what may not be read is not told; a connection that is lost shows in what follows */
	return r == -ERR_NOMEM || r == -ERR_CANCELLED ? err_set(err, -r, "%s", quiet.text) : 0;
}

int dir_schema_index(struct dir_session *s, struct dir_schema_row *row, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT_OF(index_places); i++) {
		struct index_look look = { str_of(row->name), index_places[i].attr,
					   TRI_UNKNOWN };

		if (index_places[i].kind != s->dse.kind ||
		    (!index_places[i].base && !s->dse.schema_dn))
			continue;
		r = place_ask(s, &index_places[i], &look, err);
		row->indexed = look.is;
	}
	return r;
}
