#include "ldap/show.h"

#include "base/enc.h"
#include "base/stamp.h"
#include "ldap/dn.h"
#include "ldap/session.h"
#include "ldap/source.h"

#define VALUE_SHOWN_BYTES 4096
#define VALUES_SHOWN 50

struct shower {
	struct dir_session session;
	const char *dn;
	json_t *out, *rows;
	int64_t now_ms;
	bool seen, matches;
};

/* --- what the directory says ---------------------------------------------------------------
 */

/* A new last element of into, with an empty list as a member; both borrowed. NULL: no memory.
 */
static json_t *object_in(json_t *into, const char *member, json_t **list, struct err *err)
{
	json_t *one = json_object();

	*list = json_array();
	if (jx_add(into, one, err) < 0) {
		json_decref(*list);
		return NULL;
	}
	return jx_set(one, member, *list, err) < 0 ? NULL : one;
}

static json_t *value_json(struct str v)
{
	CLEANUP(buf_done) struct buf text = { 0 };
	size_t n = v.len < VALUE_SHOWN_BYTES ? v.len : VALUE_SHOWN_BYTES;

	if (dir_text_ok(v) && v.len <= VALUE_SHOWN_BYTES)
		return json_stringn(v.p ? v.p : "", v.len);
	buf_init(&text, 2 * VALUE_SHOWN_BYTES + 64);
	buf_add_text(&text, "base64:");
	enc_base64(&text, v.p ? v.p : "", n);
	if (n < v.len)
		buf_addf(&text, "... (%zu bytes)", v.len);
	return text.fault ? NULL : json_stringn(text.p, text.len);
}

static int attribute_show(const struct dir_entry *e, const struct dir_attr *a, json_t *into,
			  struct err *err)
{
	json_t *values, *one = object_in(into, "values", &values, err);
	int r = one ? 0 : err_nomem(err);

	if (r == 0)
		r = jx_set(one, "name",
			   a->options.len ? json_sprintf(STR_FMT ";" STR_FMT, STR_ARG(a->name),
							 STR_ARG(a->options))
					  : json_stringn(a->name.p, a->name.len),
			   err);
	for (size_t i = 0; r == 0 && i < a->n && i < VALUES_SHOWN; i++)
		r = jx_add(values, value_json(e->values.v[a->first + i]), err);
	if (r == 0 && a->n > VALUES_SHOWN)
		r = jx_add(values, json_sprintf("... (%zu values)", a->n), err);
	return r;
}

/* --- what each row made of it --------------------------------------------------------------
 */

/* The row's source in the words of the configuration, but for rewrites. */
static json_t *from_json(const struct map_row *row)
{
	CLEANUP(buf_done) struct buf text = { 0 };

	buf_init(&text, 8192);
	if (row->constant)
		buf_addf(&text, "=\"%s\"", row->constant);
	else
		buf_add_text(&text, row->how == MAP_EACH   ? "each "
				    : row->how == MAP_JOIN ? "join "
							   : "");
	for (size_t i = 0; !row->constant && i < MAP_FROM_MAX && row->from[i]; i++)
		buf_addf(&text, "%s%s", i ? ", " : "",
			 row->from[i][0] == ':' ? dir_mapping_ours(row->from[i])
						: row->from[i]);
	if (row->words)
		buf_add_text(&text, " { ... }");
	return text.fault ? NULL : json_stringn(text.p ? text.p : "", text.len);
}

static int on_step(void *ctx, const struct map_step *step, struct err *err)
{
	struct shower *s = ctx;
	json_t *values, *one = object_in(s->rows, "values", &values, err);
	const char *p = step->texts;
	int r = one ? 0 : err_nomem(err);

	if (r == 0)
		r = jx_set(one, "to", json_string(step->row->to), err);
	if (r == 0)
		r = jx_set(one, "from", from_json(step->row), err);
	if (r == 0)
		r = jx_set(one, "outcome", json_string(map_outcome_words[step->outcome]), err);
	for (size_t i = 0; r == 0 && i < step->n; i++, p += strlen(p) + 1)
		r = jx_add(values, json_string(p), err);
	return r;
}

/* --- the record ----------------------------------------------------------------------------
 */

static int names_set(json_t *out, const char *member, char *const *names, size_t n,
		     struct err *err)
{
	json_t *list = json_array();
	int r = jx_set(out, member, list, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = jx_add(list, json_string(names[i]), err);
	return r;
}

static int status_set(json_t *out, const struct dir_status *status, struct err *err)
{
	json_t *one = json_object();
	int r = jx_set(out, "status", one, err);

	if (r == 0)
		r = jx_set(one, "state", json_string(dir_state_words[status->state]), err);
	if (r == 0 && status->attr)
		r = jx_set(one, "attribute", json_string(status->attr), err);
	if (r == 0 && status->attr)
		r = jx_set(one, "value", json_string(status->raw), err);
	if (r == 0 && status->expires_ms != STAMP_NEVER)
		r = jx_set(one, "expires_ms", json_integer(status->expires_ms), err);
	return r;
}

static int mapped_show(struct shower *s, const struct dir_mapped *m, struct err *err)
{
	json_t *out = s->out;
	int r = jx_set(out, "key", json_string(m->key), err);

	if (r == 0)
		r = status_set(out, &m->status, err);
	if (r == 0)
		r = names_set(out, "unknown", m->map.unknown, m->map.unknown_n, err);
	if (r == 0)
		r = names_set(out, "bad", m->map.bad, m->map.bad_n, err);
	if (r == 0)
		r = jx_set(out, "record", json_incref(m->map.doc), err);
	return r;
}

static int on_entry(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct shower *s = ctx;
	json_t *attributes = json_array();
	struct dir_mapped mapped;
	int r = jx_set(s->out, "attributes", attributes, err);

	s->seen = true;
	s->rows = json_array();
	if (r < 0)
		json_decref(s->rows);
	else
		r = jx_set(s->out, "rows", s->rows, err);
	if (r == 0)
		r = jx_set(s->out, "dn", json_stringn(e->dn.p, e->dn.len), err);
	for (size_t i = 0; r == 0 && i < e->attrs.n; i++)
		r = attribute_show(e, &e->attrs.v[i], attributes, err);
	if (r == 0)
		r = dir_mapping_told(s->session.mapping, e, s->now_ms, on_step, s, &mapped,
				     err);
	if (r < 0)
		return r;
	r = mapped_show(s, &mapped, err);
	dir_mapped_done(&mapped);
	return r;
}

/* --- whether a read would bring it ---------------------------------------------------------
 */

static int on_match(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct shower *s = ctx;

	(void)e;
	(void)err;
	s->matches = true;
	return 0;
}

static int read_says(struct shower *s, bool under, struct err *err)
{
	const char *word = !under ? "elsewhere" : s->matches ? "here" : "not-matching";
	const char *why = !under       ? "it does not stand below the base: no read brings it"
			  : s->matches ? "a read brings it"
				       : "the filter leaves it out: no read brings it";
	int r = jx_set(s->out, "read", json_string(word), err);

	return r < 0 ? r : jx_set(s->out, "why", json_string(why), err);
}

static int show(struct shower *s, struct err *err)
{
	CLEANUP(dir_canaries_free) struct dir_canaries canaries = { 0 };
	CLEANUP(buf_done) struct buf dn = { 0 }, base = { 0 };
	struct dir_query q = dir_session_people(&s->session);
	struct dir_found found;
	int r;

	buf_init(&dn, 4 * DIR_DN_MAX_BYTES);
	buf_init(&base, 4 * DIR_DN_MAX_BYTES);
	r = dir_dn_normal(str_of(s->dn), &dn, err);
	if (r == 0)
		r = dir_dn_normal(str_of(s->session.o->base), &base, err);
	if (r == 0)
		r = dir_session_canaries(&s->session, &canaries, NULL, NULL, err);
	if (r < 0)
		return r;
	q.base = s->dn;
	q.scope = DIR_SCOPE_BASE;
	q.page_size = 0;
	r = dir_search(s->session.conn, &q, on_match, s, &found, err);
	q.filter = "(objectClass=*)";
	if (r == 0)
		r = dir_search(s->session.conn, &q, on_entry, s, &found, err);
	if (r == -ERR_NOT_FOUND || (r == 0 && !s->seen))
		r = err_set(err, ERR_NOT_FOUND,
			    "there is no such entry, or the bind account may not see it");
	return r < 0 ? r : read_says(s, dir_dn_under(buf_str(&dn), buf_str(&base)), err);
}

int dir_show(const struct dir_options *o, const struct secret *password, const char *dn,
	     const atomic_bool *cancel, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *out = json_object();
	struct shower s = { .dn = dn, .out = out, .now_ms = stamp_now_ms() };
	int r = out ? 0 : err_nomem(err);

	if (r == 0)
		r = dir_session_open(&s.session, o, password, 0,
				     stamp_mono_ms() + o->read_timeout_ms, cancel, err);
	if (r == 0)
		r = show(&s, err);
	dir_session_done(&s.session);
	if (r < 0)
		return r;
	*ret = TAKE(out);
	return 0;
}
