#include "ldap/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "ldap/dn.h"

/* Where a base entry's immutable id may stand; the kind's own attribute is tried first. */
static const struct id_attr {
	const char *attr;
	enum dir_id_form form;
} id_attrs[] = {
	{ "entryUUID", DIR_ID_UUID },     { "nsUniqueId", DIR_ID_UNIQ },
	{ "objectGUID", DIR_ID_GUID },    { "GUID", DIR_ID_RAW },
	{ "ibm-entryUuid", DIR_ID_UUID },
};

/* What servers tell of how many entries stand directly below one, shown or not. */
static const char *const count_attrs[] = { "numSubordinates", "subordinateCount" };

static bool base_id_take(struct dir_session *s, const struct dir_entry *e, const char *attr,
			 enum dir_id_form form, char text[DIR_ID_BYTES])
{
	struct str raw;

	if (!dir_entry_first(e, attr, &raw) || !dir_id_text(form, raw, text))
		return false;
	s->base_id_attr = attr;
	s->base_id_form = form;
	return true;
}

static int base_entry(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct dir_session *s = ctx;
	const struct dir_trait *trait = dir_trait(s->dse.kind);
	char text[DIR_ID_BYTES];
	bool found = base_id_take(s, e, trait->key, trait->key_form, text);
	struct str raw;

	for (size_t i = 0; i < COUNT_OF(count_attrs); i++)
		if (dir_entry_first(e, count_attrs[i], &raw))
			(void)str_uint64(raw, &s->own_count);
	for (size_t i = 0; i < COUNT_OF(id_attrs) && !found; i++)
		found = base_id_take(s, e, id_attrs[i].attr, id_attrs[i].form, text);
	if (!found)
		return 0;
	free(s->base_id);
	s->base_id = str_dup(str_of(text));
	return s->base_id ? 0 : err_nomem(err);
}

static int base_read(struct dir_session *s, struct err *err)
{
	const char *attrs[COUNT_OF(id_attrs) + COUNT_OF(count_attrs) + 1] = { NULL };
	struct dir_query q = { .base = s->o->base,
			       .scope = DIR_SCOPE_BASE,
			       .filter = "(objectClass=*)",
			       .attrs = (char *const *)(uintptr_t)attrs };
	struct dir_found found;
	int r;

	for (size_t i = 0; i < COUNT_OF(id_attrs); i++)
		attrs[i] = id_attrs[i].attr;
	for (size_t i = 0; i < COUNT_OF(count_attrs); i++)
		attrs[COUNT_OF(id_attrs) + i] = count_attrs[i];
	r = dir_search(s->conn, &q, base_entry, s, &found, err);
	if (r < 0)
		return r;
	if (found.entries != 1)
		return err_set(
			err, ERR_NOT_FOUND,
			"the base %s is hidden from the bind account: give it the right to "
			"read there",
			s->o->base);
	return 0;
}

/* --- as whom -------------------------------------------------------------------------------
 */

static bool same_dn(struct str a, struct str b)
{
	CLEANUP(buf_done) struct buf one = { 0 }, two = { 0 };

	buf_init(&one, 4 * DIR_DN_MAX_BYTES);
	buf_init(&two, 4 * DIR_DN_MAX_BYTES);
	/* names that do not parse are not compared: AD also takes name@domain */
	return dir_dn_normal(a, &one, NULL) < 0 || dir_dn_normal(b, &two, NULL) < 0 ||
	       str_eq(buf_str(&one), buf_str(&two));
}

static int who_check(struct dir_session *s, struct err *err)
{
	struct str who;
	int r;

	if (!s->dse.whoami)
		return 0;
	r = dir_conn_whoami(s->conn, &s->who, err);
	if (r == -ERR_NOT_SUPPORTED)
		return 0;
	if (r < 0)
		return r;
	who = str_trim(str_of(s->who));
	if (who.len == 0)
		return err_set(
			err, ERR_FORBIDDEN,
			"%s let us in as nobody instead of the bind account: check bind_dn "
			"and its password",
			dir_conn_uri(s->conn));
	if (s->o->auth == DIR_AUTH_SIMPLE && str_istarts(who, STR("dn:")) &&
	    !same_dn(str_n(who.p + 3, who.len - 3), str_of(s->o->bind_dn)))
		return err_set(err, ERR_FORBIDDEN, "%s let us in as %.200s and not as bind_dn",
			       dir_conn_uri(s->conn), s->who);
	return 0;
}

/* --- how far the server is -----------------------------------------------------------------
 */

static int context_entry(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct dir_session *s = ctx;
	const struct str *csn;
	const struct dir_attr *a = dir_entry_attr(e, STR("contextCSN"), &csn);

	return a ? dir_waters_csn(&s->dse.waters, csn, a->n, err) : 0;
}

/* Only OpenLDAP keeps it there, and not everybody may read it: what is not shown is not held
 * against the server. */
static int waters_read(struct dir_session *s, struct err *err)
{
	static const char *const attrs[] = { "contextCSN", NULL };
	struct dir_query q = { .base = s->context,
			       .scope = DIR_SCOPE_BASE,
			       .filter = "(objectClass=*)",
			       .attrs = (char *const *)(uintptr_t)attrs };
	struct dir_found found;
	int r;

	if (s->dse.kind != DIR_OPENLDAP)
		return 0;
	r = dir_search(s->conn, &q, context_entry, s, &found, err);
	return r == -ERR_NOT_FOUND || r == -ERR_FORBIDDEN ? 0 : r;
}

static int question_digest(struct dir_session *s, struct err *err)
{
	CLEANUP(buf_done) struct buf text = { 0 };
	struct digest digest;
	int r;

	buf_init(&text, 2 << 20);
	/* by certificate or ticket: the server says who that is */
	buf_addf(&text, "bind %s%s%s\nbase %s\nscope subtree\nfilter %s\n",
		 s->o->auth == DIR_AUTH_EXTERNAL ? "external"
		 : s->o->auth == DIR_AUTH_GSSAPI ? "gssapi "
						 : s->o->bind_dn,
		 s->o->auth == DIR_AUTH_EXTERNAL && s->o->cert_file && s->who ? s->who : "",
		 s->o->auth == DIR_AUTH_GSSAPI && dir_conn_account(s->conn)
			 ? dir_conn_account(s->conn)
			 : "",
		 s->o->base, s->filter);
	dir_mapping_digest(s->mapping, &text);
	r = buf_fault(&text, err, "the question to the directory");
	if (r < 0)
		return r;
	digest_of(&digest, NULL, buf_str(&text));
	digest_hex(&digest, s->question);
	return 0;
}

int dir_session_open(struct dir_session *s, const struct dir_options *o,
		     const struct secret *password, size_t first, int64_t deadline_mono_ms,
		     const atomic_bool *cancel, struct err *err)
{
	int r;

	s->o = o;
	r = dir_conn_open(o, password, first, deadline_mono_ms, cancel, &s->conn, err);
	if (r == 0)
		r = dir_search_rootdse(s->conn, &s->dse, err);
	if (r < 0)
		return r;
	s->filter = o->filter ? o->filter : dir_trait(s->dse.kind)->people;
	s->context = s->dse.base_context ? s->dse.base_context : o->base;
	r = who_check(s, err);
	if (r == 0)
		r = base_read(s, err);
	if (r == 0)
		r = waters_read(s, err);
	if (r == 0)
		r = dir_mapping_new(s->dse.kind, o, &s->mapping, err);
	if (r == 0)
		r = question_digest(s, err);
	return r;
}

void dir_session_done(struct dir_session *s)
{
	dir_conn_close(s->conn);
	dir_mapping_free(s->mapping);
	dir_rootdse_done(&s->dse);
	free(s->who);
	free(s->base_id);
	*s = (struct dir_session){ 0 };
}

struct dir_query dir_session_people(const struct dir_session *s)
{
	return (struct dir_query){
		.base = s->o->base,
		.scope = DIR_SCOPE_SUB,
		.filter = s->filter,
		.attrs = dir_mapping_names(s->mapping),
		.page_size = s->dse.paged || !s->o->allow_unpaged ? s->o->page_size : 0,
		.steady_cookie = dir_trait(s->dse.kind)->steady_cookie,
		.domain_scope = s->dse.domain_scope,
	};
}

/* --- canaries ------------------------------------------------------------------------------
 */

struct canary_reader {
	struct dir_session *s;
	struct dir_canary *row;
	struct str has;
	size_t number;
	char key[DIR_ID_BYTES];
};

static int canary_entry(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct canary_reader *reader = ctx;
	struct str list = reader->has, one, raw;
	struct buf lacks;

	if (!dir_entry_first(e, dir_mapping_key(reader->s->mapping), &raw) ||
	    !dir_id_text(dir_mapping_key_form(reader->s->mapping), raw, reader->key))
		return err_set(err, ERR_INVALID_VALUE, "it has no readable %s",
			       dir_mapping_key(reader->s->mapping));
	buf_init(&lacks, DIR_VALUE_MAX_BYTES);
	while (list.len > 0) {
		char why[96];

		str_cut(list, ',', &one, &list);
		one = str_trim(one);
		if (dir_entry_attr(e, one, NULL))
			continue;
		snprintf(why, sizeof(why), "canary number %zu has it and does not show it",
			 reader->number);
		dir_mapping_hide(reader->s->mapping, one, why);
		if (lacks.len)
			buf_add_text(&lacks, ", ");
		buf_add_str(&lacks, one);
	}
	reader->row->seen = true;
	if (lacks.len || lacks.fault) {
		reader->row->lacks = buf_take(&lacks, NULL);
		buf_done(&lacks);
		return reader->row->lacks ? 0 : err_nomem(err);
	}
	return 0;
}

static int canary_find(struct canary_reader *reader, struct str attr, struct str value,
		       struct err *err)
{
	CLEANUP(buf_done) struct buf filter = { 0 };
	struct dir_query q = dir_session_people(reader->s);
	struct dir_found found;
	int r;

	buf_init(&filter, 4 * DIR_VALUE_MAX_BYTES + 1024);
	buf_addf(&filter, "(&%s(" STR_FMT "=", q.filter, STR_ARG(attr));
	dir_filter_escape(value, &filter);
	buf_add_text(&filter, "))");
	r = buf_fault(&filter, err, "the canary's filter");
	if (r < 0)
		return r;
	q.filter = filter.p;
	q.page_size = 0;
	q.max_entries = 1;
	r = dir_search(reader->s->conn, &q, canary_entry, reader, &found, err);
	if (r == -ERR_LIMIT)
		return err_set(err, ERR_INCOMPLETE,
			       "canary number %zu of the settings means more than one entry",
			       reader->number);
	return r < 0 ? err_context(err, r, "canary number %zu", reader->number) : 0;
}

static int canary_add(struct dir_canaries *into, const char *text, struct err *err)
{
	struct dir_canary row = { .text = str_dup(str_of(text)) };

	if (row.text && dir_canaries_add(into, row) == 0)
		return 0;
	free(row.text);
	return err_nomem(err);
}

int dir_session_canaries(struct dir_session *s, struct dir_canaries *into,
			 int (*fn)(void *ctx, size_t number, const char *key, struct err *err),
			 void *ctx, struct err *err)
{
	for (size_t i = 0; i < s->o->canaries.n; i++) {
		struct canary_reader reader = { .s = s, .number = i + 1 };
		struct str attr, value;
		int r = canary_add(into, s->o->canaries.v[i], err);

		if (r == 0)
			r = dir_canary_parse(str_of(s->o->canaries.v[i]), &attr, &value,
					     &reader.has, err);
		if (r < 0)
			return r;
		reader.row = &into->v[into->n - 1];
		r = canary_find(&reader, attr, value, err);
		if (r == 0 && reader.row->seen && fn)
			r = fn(ctx, i, reader.key, err);
		if (r < 0)
			return r;
	}
	return 0;
}
