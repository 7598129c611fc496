#include "ldap/mapping.h"

#include <stdlib.h>

#include "base/stamp.h"
#include "ldap/dn.h"
#include "ldap/login.h"
#include "model/maptext.h"
#include "model/path.h"

/*
 * Attributes of our own making, offered to the map beside the entry's: a leading ':' cannot
 * stand in a real name.
 */
#define OUR_ACTIVE ":active"   /* "true", "false", or unknown */
#define OUR_KEY ":key"         /* the immutable id in text */
#define OUR_MANAGER ":manager" /* the manager's DN in normal spelling */
#define OUR_LOGIN ":login"     /* the latest day on which the last login can have been */
#define OUR_MAILS ":mails" /* proxyAddresses' SMTP: first, then mail, then smtp:, each once */

#define ACTIVE_ROW                                                                             \
	{                                                                                      \
		.to = "active", .from = { OUR_ACTIVE }                                         \
	}
#define KEY_ROW                                                                                \
	{                                                                                      \
		.to = "externalId", .from = { OUR_KEY }                                        \
	}
#define NAME_ROWS                                                                              \
	{ .to = "name.formatted", .from = { "cn" } },                                          \
		{ .to = "name.givenName", .from = { "givenName" } },                           \
		{ .to = "name.familyName", .from = { "sn" } },                                 \
		{ .to = "displayName", .from = { "displayName", "cn" } },                      \
		{ .to = "title", .from = { "title" } },                                        \
		{ .to = "userType", .from = { "employeeType" } },                              \
	{                                                                                      \
		.to = "enterprise.manager", .from = { OUR_MANAGER }                            \
	}

/* inetOrgPerson, RFC 2798 */
static const struct map_row person_rows[] = {
	ACTIVE_ROW,
	KEY_ROW,
	NAME_ROWS,
	{ .to = "userName", .from = { "uid", "mail" } },
	{ .to = "emails", .from = { "mail" }, .how = MAP_EACH },
	{ .to = "enterprise.employeeNumber", .from = { "employeeNumber" } },
	{ .to = "enterprise.department", .from = { "departmentNumber" } },
	{ .to = "enterprise.organization", .from = { "o" } },
	{ 0 }
};

static const struct map_row ad_rows[] = {
	ACTIVE_ROW,
	KEY_ROW,
	NAME_ROWS,
	{ .to = "userName", .from = { "userPrincipalName", "sAMAccountName" } },
	{ .to = "emails", .from = { OUR_MAILS }, .how = MAP_EACH },
	{ .to = "enterprise.employeeNumber", .from = { "employeeNumber", "employeeID" } },
	{ .to = "enterprise.department", .from = { "department" } },
	{ .to = "enterprise.organization", .from = { "company" } },
	{ 0 }
};

static const struct map_row *const default_rows[DIR_KIND_COUNT] = {
	[DIR_AD] = ad_rows,
	[DIR_SAMBA] = ad_rows,
	[DIR_ADLDS] = ad_rows,
};

/* With logins: true. */
static const struct map_row login_row = { .to = DIR_LOGIN_PATH, .from = { OUR_LOGIN } };

/* What our own attributes are made of. */
static const struct {
	const char *ours, *from[3];
} made_of[] = {
	{ OUR_MANAGER, { "manager" } },
	{ OUR_MAILS, { "mail", "proxyAddresses" } },
};

const char *dir_mapping_ours(const char *name)
{
	static const char *const words[][2] = {
		{ OUR_ACTIVE, "the account's state" },
		{ OUR_KEY, "the immutable id" },
		{ OUR_MANAGER, "manager, as a normal DN" },
		{ OUR_MAILS, "mail and proxyAddresses" },
		{ OUR_LOGIN, "the last login" },
	};

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strcmp(words[i][0], name) == 0)
			return words[i][1];
	return name;
}

struct wanted {
	char *name, *why;
	uint64_t with;
	bool state, hidden;
	struct dir_paths paths;
};
VEC(wanted_list, struct wanted);
VEC(map_rows, struct map_row);
VEC(maptexts, struct maptext);
VEC(names_list, char *);

struct dir_mapping {
	struct map *map;
	struct map_work *work; /* of the entry at hand */
	struct dir_status_table *states;
	struct wanted_list wanted;
	struct names_list names; /* NULL-terminated, borrowed from wanted */
	const char *key;
	enum dir_id_form key_form;
	char *question;
	enum dir_kind kind;
	char login[STAMP_TEXT_BYTES];
	/* of the entry at hand */
	const struct dir_entry *entry;
	struct dir_status status;
	const char *key_text;
	struct buf manager;
	struct dir_values values; /* what the map is shown */
	struct names_list made;   /* texts in NFC that values point to */
	bool lost;                /* memory: what the map was shown may be wrong */
};

/* --- building ------------------------------------------------------------------------------
 */

/* The path without its bracket, as model/path spells it: what map_result.unknown would say. */
static char *path_of(const char *to, struct err *err)
{
	struct str head, tail;
	struct path path = { 0 };
	struct buf text;
	char *ret;

	str_cut(str_of(to), '[', &head, &tail);
	if (path_parse(head, PATH_POLICY_PERSON, &path, NULL) < 0) {
		ret = str_dup(head);
	} else {
		buf_init(&text, PATH_MAX_BYTES);
		path_text(&path, &text);
		path_done(&path);
		ret = buf_take(&text, NULL);
		buf_done(&text);
	}
	if (!ret)
		err_nomem(err);
	return ret;
}

static struct wanted *wanted_find(const struct dir_mapping *m, struct str name)
{
	for (size_t i = 0; i < m->wanted.n; i++)
		if (str_ieq(str_of(m->wanted.v[i].name), name))
			return &m->wanted.v[i];
	return NULL;
}

static int want(struct dir_mapping *m, const char *name, bool state, const char *to,
		struct err *err)
{
	struct wanted *w = wanted_find(m, str_of(name));
	char *path;

	if (!w) {
		struct wanted fresh = { .name = str_dup(str_of(name)) };

		if (!fresh.name || wanted_list_add(&m->wanted, fresh) < 0) {
			free(fresh.name);
			return err_nomem(err);
		}
		w = &m->wanted.v[m->wanted.n - 1];
	}
	w->state |= state;
	if (!to)
		return 0;
	path = path_of(to, err);
	for (size_t i = 0; path && i < w->paths.n; i++)
		if (strcmp(w->paths.v[i], path) == 0) {
			free(path);
			return 0;
		}
	if (!path || dir_paths_add(&w->paths, path) < 0) {
		free(path);
		return err_nomem(err);
	}
	return 0;
}

static int want_row(struct dir_mapping *m, const struct map_row *row, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < MAP_FROM_MAX && row->from[i] && r == 0; i++) {
		if (row->from[i][0] != ':') {
			r = want(m, row->from[i], false, row->to, err);
			continue;
		}
		for (size_t k = 0; k < COUNT_OF(made_of); k++)
			for (size_t j = 0; strcmp(made_of[k].ours, row->from[i]) == 0 &&
					   made_of[k].from[j] && r == 0;
			     j++)
				r = want(m, made_of[k].from[j], false, row->to, err);
	}
	return r;
}

static void maptexts_free(struct maptexts *t)
{
	for (size_t i = 0; i < t->n; i++)
		maptext_done(&t->v[i]);
	maptexts_done(t);
}

static bool same_target(const char *a, const char *b, struct err *err, int *r)
{
	CLEANUP(free_at) char *one = path_of(a, err);
	CLEANUP(free_at) char *two = path_of(b, err);

	if (!one || !two)
		*r = -ERR_NOMEM;
	return one && two && strcmp(one, two) == 0;
}

static int own_rows(const struct dir_options *o, struct maptexts *texts, struct map_rows *rows,
		    struct err *err)
{
	for (size_t i = 0; i < o->map.n; i++) {
		const struct conf_pair *pair = &o->map.v[i];
		struct maptext text;
		int r = 0;

		if (same_target(pair->key, "active", err, &r))
			return err_set(err, ERR_CONFIG,
				       "active: is decoded from the account state; what an "
				       "attribute of yours means for it goes under status:");
		if (r == 0)
			r = maptext_parse(pair->key, str_of(pair->value), dir_attr_name_ok,
					  &text, err);
		if (r < 0)
			return err_context(err, r, "%s", pair->key);
		if (maptexts_add(texts, text) < 0) {
			maptext_done(&text);
			return err_nomem(err);
		}
		if (!text.nothing && map_rows_add(rows, text.row) < 0)
			return err_nomem(err);
	}
	return 0;
}

/* A default row, unless the operator wrote it anew or took it away. */
static int other_row(const struct dir_options *o, const struct map_row *row,
		     struct map_rows *rows, struct err *err)
{
	bool taken = false;
	int r = 0;

	for (size_t i = 0; i < o->map.n && !taken; i++)
		taken = same_target(o->map.v[i].key, row->to, err, &r);
	if (r == 0 && !taken && map_rows_add(rows, *row) < 0)
		r = err_nomem(err);
	return r;
}

static int other_rows(enum dir_kind kind, const struct dir_options *o, struct map_rows *rows,
		      struct err *err)
{
	const struct map_row *row = default_rows[kind] ? default_rows[kind] : person_rows;
	int r = 0;

	for (; r == 0 && row->to; row++)
		r = other_row(o, row, rows, err);
	return r == 0 && o->logins ? other_row(o, &login_row, rows, err) : r;
}

/* All that decides what an answer means, one line each. */
static int question_write(struct dir_mapping *m, const struct dir_options *o,
			  const struct map_rows *rows, struct err *err)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	buf_addf(&text, "key %s\n", m->key);
	for (size_t i = 0; i < rows->n; i++)
		buf_addf(&text, "row %s %s\n", rows->v[i].to,
			 rows->v[i].from[0] ? rows->v[i].from[0] : "");
	for (size_t i = 0; i < o->map.n; i++)
		buf_addf(&text, "map %s %s\n", o->map.v[i].key, o->map.v[i].value);
	for (size_t i = 0; i < o->status.n; i++)
		buf_addf(&text, "status %s %s\n", o->status.v[i].key, o->status.v[i].value);
	for (size_t i = 0; i < m->wanted.n; i++)
		buf_addf(&text, "attr %s\n", m->wanted.v[i].name);
	m->question = buf_take(&text, NULL);
	buf_done(&text);
	return m->question ? 0 : err_nomem(err);
}

static int names_fill(struct dir_mapping *m, struct err *err)
{
	for (size_t i = 0; i < m->wanted.n; i++)
		if (names_list_add(&m->names, m->wanted.v[i].name) < 0)
			return err_nomem(err);
	return names_list_add(&m->names, NULL) < 0 ? err_nomem(err) : 0;
}

static int wanted_fill(struct dir_mapping *m, enum dir_kind kind, const struct dir_options *o,
		       const struct map_rows *rows, struct err *err)
{
	const char *const *states = dir_status_names(m->states);
	int r = want(m, m->key, false, "externalId", err);

	for (size_t i = 0; i < rows->n && r == 0; i++)
		r = want_row(m, &rows->v[i], err);
	/* who never logged in has none: a share that falls says nothing */
	for (const struct dir_login *l = dir_logins; o->logins && l->attr && r == 0; l++)
		if (dir_login_of(l, kind))
			r = want(m, l->attr, true, DIR_LOGIN_PATH, err);
	for (; *states && r == 0; states++)
		r = want(m, *states, true, "active", err);
	if (r == 0 && dir_trait(kind)->tombstones)
		r = want(m, "isDeleted", true, NULL, err);
	return r;
}

int dir_mapping_new(enum dir_kind kind, const struct dir_options *o, struct dir_mapping **ret,
		    struct err *err)
{
	CLEANUP(dir_mapping_free_at) struct dir_mapping *m = calloc(1, sizeof(*m));
	CLEANUP(maptexts_free) struct maptexts texts = { 0 };
	CLEANUP(map_rows_done) struct map_rows rows = { 0 };
	const struct dir_trait *trait = dir_trait(kind);
	int r;

	if (!m)
		return err_nomem(err);
	buf_init(&m->manager, 4 * DIR_DN_MAX_BYTES);
	m->kind = kind;
	m->key = o->key ? o->key : trait->key;
	m->key_form = trait->key_form;
	if (o->key && !str_ieq(str_of(o->key), str_of(trait->key)))
		m->key_form = DIR_ID_TEXT;
	r = own_rows(o, &texts, &rows, err);
	if (r == 0)
		r = other_rows(kind, o, &rows, err);
	if (r == 0)
		r = map_new(&m->map, rows.v, rows.n, err);
	if (r == 0)
		r = map_work_new(&m->work, m->map, err);
	if (r == 0)
		r = dir_status_table_new(kind, o, &m->states, err);
	if (r == 0)
		r = wanted_fill(m, kind, o, &rows, err);
	if (r == 0)
		r = names_fill(m, err);
	if (r == 0)
		r = question_write(m, o, &rows, err);
	if (r < 0)
		return r;
	*ret = TAKE(m);
	return 0;
}

static void made_clear(struct dir_mapping *m)
{
	for (size_t i = 0; i < m->made.n; i++)
		free(m->made.v[i]);
	m->made.n = 0;
}

void dir_mapping_free(struct dir_mapping *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->wanted.n; i++) {
		struct wanted *w = &m->wanted.v[i];

		for (size_t k = 0; k < w->paths.n; k++)
			free(w->paths.v[k]);
		dir_paths_done(&w->paths);
		free(w->name);
		free(w->why);
	}
	made_clear(m);
	names_list_done(&m->made);
	wanted_list_done(&m->wanted);
	names_list_done(&m->names);
	dir_values_done(&m->values);
	dir_status_table_free(m->states);
	map_work_free(m->work);
	map_free(m->map);
	buf_done(&m->manager);
	free(m->question);
	free(m);
}

char *const *dir_mapping_names(const struct dir_mapping *m)
{
	return m->names.v;
}

const char *dir_mapping_key(const struct dir_mapping *m)
{
	return m->key;
}

enum dir_id_form dir_mapping_key_form(const struct dir_mapping *m)
{
	return m->key_form;
}

void dir_mapping_hide(struct dir_mapping *m, struct str name, const char *why)
{
	struct wanted *w = wanted_find(m, name);

	if (!w || w->hidden)
		return;
	w->hidden = true;
	w->why = str_dup(str_of(why)); /* NULL without memory: it is hidden all the same */
}

void dir_mapping_hidden(const struct dir_mapping *m, struct buf *into)
{
	for (size_t i = 0; i < m->wanted.n; i++)
		if (m->wanted.v[i].hidden)
			buf_addf(into, "hidden %s\n", m->wanted.v[i].name);
}

void dir_mapping_digest(const struct dir_mapping *m, struct buf *into)
{
	buf_add_text(into, m->question);
}

/* --- applying ------------------------------------------------------------------------------
 */

static bool hidden(void *ctx, const char *name)
{
	const struct dir_mapping *m = ctx;
	const struct wanted *w = wanted_find(m, str_of(name));

	return w && w->hidden;
}

static bool value_add(struct dir_mapping *m, struct str v)
{
	if (dir_values_add(&m->values, v) < 0)
		m->lost = true;
	return !m->lost;
}

/* Adds a value to what the map is shown, in NFC. False: it is none that may be shown. */
static bool value_show(struct dir_mapping *m, struct str v)
{
	bool ascii = true;
	char *nfc = NULL;
	size_t len = 0;

	if (!dir_text_ok(v))
		return false;
	for (size_t i = 0; i < v.len; i++)
		ascii &= (unsigned char)v.p[i] < 0x80;
	if (!ascii) {
		if (str_nfc(v, &nfc, &len, NULL) < 0 || names_list_add(&m->made, nfc) < 0) {
			free(nfc);
			m->lost = true; /* the text is sound: only memory can lack */
			return false;
		}
		v = str_n(nfc, len);
	}
	return value_add(m, v);
}

static enum value_state shown(struct dir_mapping *m, const struct str **ret, size_t *n)
{
	*ret = m->values.v;
	*n = m->values.n;
	return m->values.n ? VALUE_PRESENT : VALUE_ABSENT;
}

static enum value_state get_real(struct dir_mapping *m, struct str name, const struct str **ret,
				 size_t *n)
{
	const struct str *values;
	const struct dir_attr *a = dir_entry_attr(m->entry, name, &values);
	const struct wanted *w;

	if (!a) {
		w = wanted_find(m, name);
		return w && w->hidden ? VALUE_UNKNOWN : VALUE_ABSENT;
	}
	/* a range is a part of the values: which ones are missing is not known */
	if (a->n > DIR_VALUES_MAX || str_istarts(a->options, STR("range=")))
		return VALUE_UNKNOWN;
	for (size_t i = 0; i < a->n; i++)
		if (values[i].len > 0 && !value_show(m, values[i]))
			return VALUE_UNKNOWN;
	return shown(m, ret, n);
}

static enum value_state get_manager(struct dir_mapping *m, const struct str **ret, size_t *n)
{
	struct str dn;
	int r;

	if (!dir_entry_first(m->entry, "manager", &dn))
		return hidden(m, "manager") ? VALUE_UNKNOWN : VALUE_ABSENT;
	buf_clear(&m->manager);
	r = dir_dn_normal(dn, &m->manager, NULL);
	m->lost |= r == -ERR_NOMEM;
	if (r < 0)
		return VALUE_UNKNOWN;
	if (m->manager.len == 0)
		return VALUE_ABSENT;
	return value_add(m, buf_str(&m->manager)) ? shown(m, ret, n) : VALUE_UNKNOWN;
}

static bool mail_there(const struct dir_mapping *m, struct str mail)
{
	for (size_t i = 0; i < m->values.n; i++)
		if (str_ieq(m->values.v[i], mail))
			return true;
	return false;
}

static bool mails_show(struct dir_mapping *m, const char *attr, struct str prefix)
{
	const struct str *values;
	const struct dir_attr *a = dir_entry_attr(m->entry, str_of(attr), &values);

	for (size_t i = 0; a && i < a->n; i++) {
		struct str mail = values[i];

		if (!str_starts(mail, prefix))
			continue;
		mail = str_n(mail.p + prefix.len, mail.len - prefix.len);
		if (mail.len > 0 && !mail_there(m, mail) && !value_show(m, mail))
			return false;
	}
	return !a || (a->n <= DIR_VALUES_MAX && !str_istarts(a->options, STR("range=")));
}

static enum value_state get_mails(struct dir_mapping *m, const struct str **ret, size_t *n)
{
	if (hidden(m, "mail") || hidden(m, "proxyAddresses"))
		return VALUE_UNKNOWN;
	if (!mails_show(m, "proxyAddresses", STR("SMTP:")) || !mails_show(m, "mail", STR("")) ||
	    !mails_show(m, "proxyAddresses", STR("smtp:")))
		return VALUE_UNKNOWN;
	return shown(m, ret, n);
}

static enum value_state get_text(struct dir_mapping *m, const char *text,
				 const struct str **ret, size_t *n)
{
	return value_add(m, str_of(text)) ? shown(m, ret, n) : VALUE_UNKNOWN;
}

static enum value_state get_login(struct dir_mapping *m, const struct str **ret, size_t *n)
{
	enum value_state is = dir_login_read(m->kind, m->entry, hidden, m, m->login);

	return is == VALUE_PRESENT ? get_text(m, m->login, ret, n) : is;
}

static enum value_state get(void *ctx, struct str name, const struct str **ret, size_t *n)
{
	struct dir_mapping *m = ctx;

	m->values.n = 0;
	if (name.len == 0 || name.p[0] != ':')
		return get_real(m, name, ret, n);
	if (str_eq(name, STR(OUR_KEY)))
		return get_text(m, m->key_text, ret, n);
	if (str_eq(name, STR(OUR_MANAGER)))
		return get_manager(m, ret, n);
	if (str_eq(name, STR(OUR_MAILS)))
		return get_mails(m, ret, n);
	if (str_eq(name, STR(OUR_LOGIN)))
		return get_login(m, ret, n);
	switch (m->status.state) {
	case DIR_STATE_ACTIVE:
	case DIR_STATE_LOCKED:
		return get_text(m, "true", ret, n);
	case DIR_STATE_EXPIRED:
	case DIR_STATE_DISABLED:
		return get_text(m, "false", ret, n);
	default:
		return VALUE_UNKNOWN;
	}
}

void dir_mapping_count(struct dir_mapping *m, const struct dir_entry *e)
{
	for (size_t i = 0; i < m->wanted.n; i++)
		if (dir_entry_attr(e, str_of(m->wanted.v[i].name), NULL))
			m->wanted.v[i].with++;
}

int dir_mapping_key_of(const struct dir_mapping *m, const struct dir_entry *e,
		       char ret[DIR_ID_BYTES], struct err *err)
{
	struct str raw;

	if (dir_entry_first(e, m->key, &raw) && dir_id_text(m->key_form, raw, ret))
		return 0;
	return err_set(err, ERR_INVALID_VALUE,
		       "an entry has no readable %s, by which people are told apart: give "
		       "the bind account the right to read it, or set key",
		       m->key);
}

/* With a document, and fn told of its making; or without. */
static int apply(struct dir_mapping *m, const struct dir_entry *e, int64_t now_ms, bool tree,
		 map_step_fn fn, void *ctx, struct dir_mapped *ret, struct err *err)
{
	struct map_source from = { get, m };
	struct dir_mapped mapped = { 0 };
	int r = dir_mapping_key_of(m, e, mapped.key, err);

	if (r < 0)
		return r;
	dir_status_read(m->states, e, hidden, m, now_ms, &mapped.status);
	m->entry = e;
	m->status = mapped.status;
	m->key_text = mapped.key;
	m->lost = false;
	r = tree ? map_apply_told(m->map, &from, fn, ctx, &mapped.map, err)
		 : map_write(m->work, &from, &mapped.map, err);
	made_clear(m);
	m->entry = NULL;
	if (r == 0 && m->lost) {
		dir_mapped_done(&mapped);
		return err_nomem(err);
	}
	if (r < 0)
		return r;
	*ret = mapped;
	return 0;
}

int dir_mapping_told(struct dir_mapping *m, const struct dir_entry *e, int64_t now_ms,
		     map_step_fn fn, void *ctx, struct dir_mapped *ret, struct err *err)
{
	return apply(m, e, now_ms, true, fn, ctx, ret, err);
}

int dir_mapping_apply(struct dir_mapping *m, const struct dir_entry *e, int64_t now_ms,
		      struct dir_mapped *ret, struct err *err)
{
	int r = apply(m, e, now_ms, false, NULL, NULL, ret, err);

	if (r == 0)
		dir_mapping_count(m, e);
	return r;
}

void dir_mapped_done(struct dir_mapped *m)
{
	map_result_done(&m->map);
}

/* --- counting ------------------------------------------------------------------------------
 */

void dir_mapping_reset(struct dir_mapping *m)
{
	for (size_t i = 0; i < m->wanted.n; i++)
		m->wanted.v[i].with = 0;
}

static int stat_take(const struct wanted *w, struct dir_attr_stat *ret)
{
	ret->name = str_dup(str_of(w->name));
	if (!ret->name)
		return -ERR_NOMEM;
	ret->with = w->with;
	ret->state = w->state;
	ret->unknown = w->hidden;
	if (w->why && !(ret->why = str_dup(str_of(w->why))))
		return -ERR_NOMEM;
	for (size_t i = 0; i < w->paths.n; i++) {
		char *path = str_dup(str_of(w->paths.v[i]));

		if (!path || dir_paths_add(&ret->paths, path) < 0) {
			free(path);
			return -ERR_NOMEM;
		}
	}
	return 0;
}

int dir_mapping_stats(const struct dir_mapping *m, struct dir_attr_stats *into, struct err *err)
{
	for (size_t i = 0; i < m->wanted.n; i++) {
		struct dir_attr_stat *stat;

		if (dir_attr_stats_add(into, (struct dir_attr_stat){ 0 }) < 0)
			return err_nomem(err);
		stat = &into->v[into->n - 1];
		if (stat_take(&m->wanted.v[i], stat) < 0)
			return err_nomem(err);
	}
	return 0;
}
