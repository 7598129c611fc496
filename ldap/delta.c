#include "ldap/delta.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/enc.h"
#include "base/stamp.h"
#include "ldap/dn.h"
#include "ldap/groups.h"
#include "ldap/schema.h"
#include "ldap/source.h"
#include "ldap/syncval.h"

#define BATCH 50 /* ids in one filter */
#define CURSOR_MAX (4 * 65536)

/* One way: how it asks, and whether its marks mean anything on another server. */
static const struct {
	dir_changes_fn ask;
	bool of_one_server;
} ways[DIR_STRATEGY_COUNT] = {
	[DIR_STAMP] = { dir_changes_stamp, false },
	[DIR_SYNCREPL] = { dir_changes_syncrepl, false },
	[DIR_DIRSYNC] = { dir_changes_dirsync, true },
	[DIR_USN] = { dir_changes_usn, true },
	[DIR_ENTRYUSN] = { dir_changes_entryusn, true },
};

struct delta {
	const struct dir_options *o;
	const struct dir_delta_sink *sink; /* NULL: only where one would start */
	struct dir_delta *ret;
	struct dir_session session;
	struct dir_changes changes;
	struct buf server;  /* whose marks they are */
	struct buf witness; /* "STAMP KEY": see witness_look() */
	struct digest groups;
	int64_t now_ms;
	bool over; /* more are to be looked at than are kept */
	/* of the batch under way */
	char *const *ids;
	size_t ids_n;
	bool found[BATCH];
	const char **attrs; /* the map's, and the witness's stamp */
	struct buf dn;
};

void dir_keys_free(struct dir_keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->v[i]);
	dir_keys_done(k);
}

int dir_keys_keep(struct dir_keys *k, const char *key, struct err *err)
{
	char *copy = str_dup(str_of(key));

	if (copy && dir_keys_add(k, copy) == 0)
		return 0;
	free(copy);
	return err_nomem(err);
}

int dir_changes_name(struct dir_changes *c, const char *key, struct err *err)
{
	if (c->named.n < DIR_NAMED_MAX)
		return dir_keys_keep(&c->named, key, err);
	(void)!err_set(err, ERR_LIMIT, "more than %d people are said to have changed",
		       DIR_NAMED_MAX);
	return DIR_REFUSED;
}

void dir_delta_done(struct dir_delta *d)
{
	if (!d)
		return;
	free(d->cursor);
	dir_attr_stats_free(&d->attrs);
	dir_canaries_free(&d->canaries);
	*d = (struct dir_delta){ 0 };
}

/* --- whose marks ---------------------------------------------------------------------------
 */

static int on_invocation(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct delta *d = ctx;
	struct str raw;

	(void)err;
	if (dir_entry_first(e, "invocationId", &raw))
		for (size_t i = 0; i < raw.len && i < 16; i++)
			buf_addf(&d->server, "%02x", (unsigned char)raw.p[i]);
	return 0;
}

/* A domain controller that was put back from a backup has the same name, and another
 * invocationId. Who may not read it is left with the name. */
static int server_name(struct delta *d, struct err *err)
{
	static const char *const attrs[] = { "invocationId", NULL };
	struct dir_session *s = &d->session;
	struct dir_query q = { .base = s->dse.server_id,
			       .scope = DIR_SCOPE_BASE,
			       .filter = "(objectClass=*)",
			       .attrs = (char *const *)(uintptr_t)attrs };
	struct dir_found found;
	int r = 0;

	if (!ways[d->ret->strategy].of_one_server)
		return 0;
	buf_addf(&d->server, "%s %s ", dir_conn_uri(s->conn),
		 s->dse.server_id ? s->dse.server_id : "");
	if (s->dse.server_id)
		r = dir_search(s->conn, &q, on_invocation, d, &found, err);
	if (r == -ERR_NOT_FOUND || r == -ERR_FORBIDDEN)
		r = 0;
	return r < 0 ? r : buf_fault(&d->server, err, "the server's name");
}

/* --- the cursor ----------------------------------------------------------------------------
 */

static int cursor_write(struct delta *d, struct err *err)
{
	CLEANUP(json_decref_at) json_t *j = NULL;
	CLEANUP(buf_done) struct buf at = { 0 }, text = { 0 };
	char groups[DIGEST_HEX_BYTES];
	int r;

	buf_init(&at, CURSOR_MAX);
	buf_init(&text, CURSOR_MAX);
	enc_base64(&at, d->changes.next.p ? d->changes.next.p : "", d->changes.next.len);
	r = buf_fault(&at, err, "the cursor");
	if (r == 0)
		r = buf_fault(&d->witness, err, "who changed last");
	if (r < 0)
		return r;
	digest_hex(&d->groups, groups);
	j = json_pack("{s:s,s:s,s:s,s:s%,s:s%,s:s,s:s%}", "strategy",
		      dir_strategy_traits[d->ret->strategy].word, "question",
		      d->session.question, "base", d->session.base_id ? d->session.base_id : "",
		      "server", d->server.p ? d->server.p : "", d->server.len, "at",
		      at.p ? at.p : "", at.len, "groups", groups, "witness",
		      d->witness.p ? d->witness.p : "", d->witness.len);
	if (!j)
		return err_nomem(err);
	r = jx_canonical(j, &text, err);
	if (r == 0)
		r = buf_fault(&text, err, "the cursor");
	if (r < 0)
		return r;
	d->ret->cursor = buf_take(&text, NULL);
	return d->ret->cursor ? 0 : err_nomem(err);
}

/*
 * A cookie belongs to its question (trap 8: slapd answers another one with "nothing changed"),
 * to the base's own id, and, where numbers are a server's own, to that server. NULL when it
 * fits; else why not.
 */
static const char *misfit(const struct delta *d, const json_t *j)
{
	const struct {
		const char *member, *now, *says;
	} rows[] = {
		{ "strategy", dir_strategy_traits[d->ret->strategy].word,
		  "it was asked in another way last time" },
		{ "question", d->session.question,
		  "another question was asked before (account, base, filter or map)" },
		{ "base", d->session.base_id ? d->session.base_id : "",
		  "the base is another entry than last time" },
		{ "server", d->server.p ? d->server.p : "",
		  "another server answers, or it was put back from a backup" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *then = jx_get_text(j, rows[i].member);

		if (!then || strcmp(then, rows[i].now) != 0)
			return rows[i].says;
	}
	return NULL;
}

/* Sets changes.at from the cursor; 0 or DIR_DELTA_FULL with the reason. */
static int cursor_read(struct delta *d, const char *cursor, struct buf *at, char groups[65],
		       struct err *err)
{
	CLEANUP(json_decref_at) json_t *j = NULL;
	const char *why, *text;
	int r;

	if (!cursor) {
		snprintf(d->ret->reason, sizeof(d->ret->reason), "nothing was kept yet");
		return DIR_DELTA_FULL;
	}
	r = jx_parse(str_of(cursor), JX_LENIENT, &j, err);
	if (r == -ERR_NOMEM)
		return r;
	why = r < 0 ? "what was kept is damaged" : misfit(d, j);
	text = why ? NULL : jx_get_text(j, "at");
	if (!why && (!text || !enc_unbase64(at, str_of(text))))
		why = "what was kept is damaged";
	r = buf_fault(at, err, "what was kept");
	if (r == -ERR_NOMEM)
		return r;
	if (why) {
		snprintf(d->ret->reason, sizeof(d->ret->reason), "%s", why);
		return DIR_DELTA_FULL;
	}
	text = jx_get_text(j, "groups");
	snprintf(groups, 65, "%s", text ? text : "");
	text = jx_get_text(j, "witness"); /* older versions kept none */
	buf_add_text(&d->witness, text ? text : "");
	d->changes.at = str_n(at->p ? at->p : "", at->len);
	return 0;
}

/* --- a server that was put back --------------------------------------------------------------
 */

#define WITNESS_STAMP "entryCSN"

struct witness {
	struct str key, stamp;
	bool there, older;
};

static int on_witness(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct witness *w = ctx;
	struct str raw;

	(void)err;
	w->there = true;
	w->older |= dir_entry_first(e, WITNESS_STAMP, &raw) && str_cmp(raw, w->stamp) < 0;
	return 0;
}

/*
 * slapd that was put back from a backup answers an older question with "nothing changed": its
 * own number is soon the newest again, since a bind is a write (trap 34). So the newest change
 * that a delta brought is kept by name and looked at again; it cannot have become older. 0, or
 * DIR_DELTA_FULL.
 */
static int witness_look(struct delta *d, struct err *err)
{
	static const char *const attrs[] = { WITNESS_STAMP, NULL };
	struct dir_mapping *m = d->session.mapping;
	CLEANUP(buf_done) struct buf filter = { 0 };
	struct dir_query q = dir_session_people(&d->session);
	struct dir_found found;
	struct witness w = { 0 };
	int r;

	if (!str_cut(buf_str(&d->witness), ' ', &w.stamp, &w.key))
		return 0;
	buf_init(&filter, 2 * DIR_VALUE_MAX_BYTES);
	buf_addf(&filter, "(&%s", q.filter);
	if (!dir_id_filter(dir_mapping_key_form(m), dir_mapping_key(m), w.key, &filter)) {
		snprintf(d->ret->reason, sizeof(d->ret->reason), "what was kept is damaged");
		return DIR_DELTA_FULL;
	}
	buf_add_char(&filter, ')');
	r = buf_fault(&filter, err, "the filter for who changed last");
	if (r < 0)
		return r;
	q.filter = filter.p;
	q.attrs = (char *const *)(uintptr_t)attrs;
	r = dir_search(d->session.conn, &q, on_witness, &w, &found, err);
	if (r < 0 || (w.there && !w.older))
		return r;
	snprintf(d->ret->reason, sizeof(d->ret->reason), "who changed last %s",
		 w.there ? "is again as before: the server was put back from a backup"
			 : "is not there any more");
	buf_clear(&d->witness);
	return DIR_DELTA_FULL;
}

/* Among those who are read again. */
static void witness_take(struct delta *d, const struct dir_entry *e, const char *key)
{
	struct str stamp, before, rest;

	if (!dir_entry_first(e, WITNESS_STAMP, &stamp) || !dir_text_ok(stamp))
		return;
	str_cut(buf_str(&d->witness), ' ', &before, &rest);
	if (str_cmp(stamp, before) <= 0)
		return;
	buf_clear(&d->witness);
	buf_addf(&d->witness, STR_FMT " %s", STR_ARG(stamp), key);
}

/* --- groups --------------------------------------------------------------------------------
 */

/* Order of entries means nothing, so digests are added up bit by bit. */
static int on_group_stamp(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct delta *d = ctx;
	struct digest_run run;
	struct digest one;

	(void)err;
	digest_begin(&run, NULL);
	digest_add(&run, e->dn.p, e->dn.len);
	for (size_t i = 0; i < e->values.n; i++) {
		digest_add(&run, "\n", 1);
		digest_add(&run, e->values.v[i].p, e->values.v[i].len);
	}
	digest_end(&run, &one);
	for (size_t i = 0; i < sizeof(one.b); i++)
		d->groups.b[i] ^= one.b[i];
	return 0;
}

/* memberOf changes without the person changing (trap 21): so the groups are watched. */
static int groups_look(struct delta *d, const char *before, struct err *err)
{
	static const char *const attrs[] = { "modifyTimestamp", "entryCSN", "uSNChanged",
					     "entryusn", NULL };
	struct dir_query q = dir_session_people(&d->session);
	bool ad = dir_trait(d->session.dse.kind)->tombstones;
	struct dir_found found;
	char hex[DIGEST_HEX_BYTES];
	int r;

	if (!d->o->groups_base)
		return 0;
	q.base = d->o->groups_base;
	q.filter = d->o->groups_filter ? d->o->groups_filter
		   : ad                ? "(objectClass=group)"
				       : DIR_GROUPS_FILTER;
	q.attrs = (char *const *)(uintptr_t)attrs;
	r = dir_search(d->session.conn, &q, on_group_stamp, d, &found, err);
	if (r == -ERR_NOT_FOUND || r == -ERR_FORBIDDEN) {
		d->ret->groups_changed = true; /* reading them says what is wrong */
		return 0;
	}
	digest_hex(&d->groups, hex);
	d->ret->groups_changed = strcmp(hex, before) != 0;
	return r;
}

/* --- who is there --------------------------------------------------------------------------
 */

static int see(struct delta *d, const char *key, struct err *err)
{
	struct err many;
	int r = d->sink->seen(d->sink->ctx, key, err);

	d->ret->swept++;
	if (r != DIR_LOOK)
		return r;
	r = dir_changes_name(&d->changes, key, &many);
	if (r < 0 && err)
		*err = many;
	d->over |= r == DIR_REFUSED;
	return r < 0 ? r : 0;
}

static int see_present(struct delta *d, struct err *err)
{
	char key[ENC_UUID_CHARS + 1];
	int r = 0;

	for (size_t at = 0; r == 0 && at < d->changes.present.len; at += SYNC_ID_BYTES) {
		enc_uuid((const unsigned char *)d->changes.present.p + at, key);
		r = see(d, key, err);
	}
	return r;
}

static int on_id(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct delta *d = ctx;
	struct dir_mapping *m = d->session.mapping;
	char key[DIR_ID_BYTES];
	struct str raw;

	if (!dir_entry_first(e, dir_mapping_key(m), &raw) ||
	    !dir_id_text(dir_mapping_key_form(m), raw, key))
		return err_set(err, ERR_INVALID_VALUE, "an entry has no readable %s",
			       dir_mapping_key(m));
	return see(d, key, err);
}

static int sweep(struct delta *d, struct err *err)
{
	const char *attrs[2] = { dir_mapping_key(d->session.mapping), NULL };
	struct dir_query q = dir_session_people(&d->session);
	struct dir_found found;
	int r = 0;

	if (d->changes.whole)
		r = see_present(d, err);
	q.attrs = (char *const *)(uintptr_t)attrs;
	if (r == 0 && !dir_strategy_traits[d->ret->strategy].names_gone)
		r = dir_search(d->session.conn, &q, on_id, d, &found, err);
	if (r < 0 || !d->over)
		return r;
	snprintf(d->ret->reason, sizeof(d->ret->reason),
		 "more than %d people changed or are new", DIR_NAMED_MAX);
	return DIR_DELTA_FULL;
}

/* --- reading again -------------------------------------------------------------------------
 */

static int give(struct delta *d, const struct dir_entry *e, const struct dir_mapped *mapped,
		struct err *err)
{
	struct dir_person person = { .key = mapped->key,
				     .doc = mapped->map.text,
				     .unknown = mapped->map.unknown,
				     .unknown_n = mapped->map.unknown_n,
				     .status = &mapped->status };
	int r;

	buf_clear(&d->dn);
	r = dir_dn_normal(e->dn, &d->dn, err);
	if (r < 0)
		return r == -ERR_NOMEM ? r : err_context(err, -ERR_PROTOCOL, "a name");
	person.dn = d->dn.p ? d->dn.p : "";
	for (size_t i = 0; i < d->ids_n; i++)
		d->found[i] |= strcmp(d->ids[i], mapped->key) == 0;
	d->ret->read++;
	return d->sink->person(d->sink->ctx, &person, err);
}

static int on_entry(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct delta *d = ctx;
	struct dir_mapped mapped;
	int r = dir_mapping_apply(d->session.mapping, e, d->now_ms, &mapped, err);

	if (r < 0)
		return r;
	witness_take(d, e, mapped.key);
	r = give(d, e, &mapped, err);
	dir_mapped_done(&mapped);
	return r < 0 ? r : 0;
}

static int batch_read(struct delta *d, struct err *err)
{
	CLEANUP(buf_done) struct buf filter = { 0 };
	struct dir_query q = dir_session_people(&d->session);
	struct dir_mapping *m = d->session.mapping;
	struct dir_found found;
	int r;

	buf_init(&filter, 1 << 20);
	memset(d->found, 0, sizeof(d->found));
	buf_addf(&filter, "(&%s(|", q.filter);
	for (size_t i = 0; i < d->ids_n; i++)
		if (!dir_id_filter(dir_mapping_key_form(m), dir_mapping_key(m),
				   str_of(d->ids[i]), &filter))
			return err_set(err, ERR_PROTOCOL, "a changed id is not a %s",
				       dir_mapping_key(m));
	buf_add_text(&filter, "))");
	r = buf_fault(&filter, err, "the filter for what changed");
	if (r < 0)
		return r;
	q.filter = filter.p;
	q.attrs = (char *const *)(uintptr_t)d->attrs;
	r = dir_search(d->session.conn, &q, on_entry, d, &found, err);
	for (size_t i = 0; r == 0 && i < d->ids_n; i++)
		if (!d->found[i])
			r = d->sink->absent(d->sink->ctx, d->ids[i], err);
	return r;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* d->attrs, the caller's to free(). */
static int attrs_make(struct delta *d, struct err *err)
{
	char *const *names = dir_mapping_names(d->session.mapping);
	size_t n = 0;

	while (names[n])
		n++;
	d->attrs = calloc(n + 2, sizeof(*d->attrs));
	if (!d->attrs)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++)
		d->attrs[i] = names[i];
	if (d->session.dse.kind == DIR_OPENLDAP)
		d->attrs[n] = WITNESS_STAMP;
	return 0;
}

static int read_again(struct delta *d, struct err *err)
{
	struct dir_keys *k = &d->changes.named;
	size_t kept = 0;
	int r = attrs_make(d, err);

	if (k->n)
		qsort(k->v, k->n, sizeof(k->v[0]), by_text);
	for (size_t i = 0; i < k->n; i++) {
		if (kept && strcmp(k->v[kept - 1], k->v[i]) == 0)
			free(k->v[i]);
		else
			k->v[kept++] = k->v[i];
	}
	k->n = kept;
	d->ret->named = kept;
	dir_mapping_reset(d->session.mapping);
	for (size_t i = 0; r == 0 && i < k->n; i += BATCH) {
		d->ids = &k->v[i];
		d->ids_n = k->n - i < BATCH ? k->n - i : BATCH;
		r = batch_read(d, err);
	}
	return r == 0 ? dir_mapping_stats(d->session.mapping, &d->ret->attrs, err) : r;
}

/* --- the whole -----------------------------------------------------------------------------
 */

/* A way that asks for what is newer is looked up in the schema: a server without the attribute,
 * or without an order of it, answers with nobody, and success. */
static int choose_by_schema(struct delta *d, struct err *err)
{
	CLEANUP(dir_schema_done) struct dir_schema schema = { 0 };
	struct dir_session *s = &d->session;
	struct dir_delta *ret = d->ret;
	bool ordered;
	const char *attr;
	int r;

	ret->strategy = dir_strategy_choose(&s->dse, d->o->delta, ret->why);
	attr = dir_strategy_attr(ret->strategy, s->dse.kind, &ordered);
	if (!ordered)
		return 0;
	r = dir_schema_ask(&schema, attr, err);
	if (r == 0)
		r = dir_schema_read(s, &schema, err);
	if (r == 0)
		ret->strategy = dir_strategy_judge(&s->dse, &schema, d->o->delta, ret->why);
	return r;
}

/* The ids of cookies are the kind's; an operator's own key needs a way that shows that key. */
static int choose(struct delta *d, struct err *err)
{
	const struct dir_session *s = &d->session;
	struct dir_delta *ret = d->ret;
	int r = choose_by_schema(d, err);

	if (r < 0)
		return r;
	if ((ret->strategy == DIR_SYNCREPL || ret->strategy == DIR_DIRSYNC) &&
	    strcmp(dir_mapping_key(s->mapping), dir_trait(s->dse.kind)->key) != 0) {
		ret->strategy = DIR_STAMP;
		snprintf(ret->why, sizeof(ret->why),
			 "the settings name another key than the server's own id");
	}
	return 0;
}

static int ask(struct delta *d, struct err *err)
{
	int r = ways[d->ret->strategy].ask(&d->changes, err);

	if (r != DIR_REFUSED)
		return r;
	if (err)
		snprintf(d->ret->reason, sizeof(d->ret->reason), "%s", err->text);
	return DIR_DELTA_FULL;
}

/* The cookie that does not serve is dropped, and a new one begun. */
static int begin_anew(struct delta *d, struct err *err)
{
	d->changes.at = (struct str){ 0 };
	dir_keys_free(&d->changes.named);
	buf_clear(&d->changes.present);
	buf_clear(&d->changes.next);
	d->changes.whole = false;
	return ask(d, err);
}

static int run(struct delta *d, const char *cursor, struct buf *at, struct err *err)
{
	char groups[65] = "";
	int r = server_name(d, err), kept;

	if (r == 0)
		r = dir_session_canaries(&d->session, &d->ret->canaries, NULL, NULL, err);
	if (r < 0)
		return r;
	kept = cursor_read(d, cursor, at, groups, err);
	if (kept == 0)
		kept = witness_look(d, err);
	if (kept < 0 || (kept > 0 && d->sink))
		return kept;
	r = kept == 0 ? ask(d, err) : begin_anew(d, err);
	if (r == DIR_DELTA_FULL && kept == 0 && !d->sink)
		r = begin_anew(d, err);
	if (r == 0)
		r = groups_look(d, groups, err);
	if (r == 0 && d->sink)
		r = sweep(d, err);
	if (r == 0 && d->sink)
		r = read_again(d, err);
	return r == 0 ? cursor_write(d, err) : r;
}

int dir_delta(const struct dir_options *o, const struct secret *password, const char *cursor,
	      const struct dir_delta_sink *sink, const atomic_bool *cancel,
	      struct dir_delta *ret, struct err *err)
{
	int64_t began_ms = stamp_mono_ms();
	struct delta d = { .o = o, .sink = sink, .ret = ret, .now_ms = stamp_now_ms() };
	CLEANUP(buf_done) struct buf at = { 0 };
	struct err fault = { 0 };
	int r;

	buf_init(&at, CURSOR_MAX);
	buf_init(&d.server, 16384);
	buf_init(&d.witness, 2 * DIR_VALUE_MAX_BYTES);
	buf_init(&d.dn, 4 * DIR_DN_MAX_BYTES);
	buf_init(&d.changes.next, CURSOR_MAX);
	buf_init(&d.changes.present, (size_t)DIR_PRESENT_MAX * SYNC_ID_BYTES);
	d.changes.session = &d.session;
	r = dir_session_open(&d.session, o, password, 0, began_ms + o->read_timeout_ms, cancel,
			     &fault);
	if (r == 0)
		r = choose(&d, &fault);
	if (r == 0 && ret->strategy == DIR_FULL) {
		snprintf(ret->reason, sizeof(ret->reason), "%s", ret->why);
		r = DIR_DELTA_FULL;
	} else if (r == 0) {
		r = run(&d, cursor, &at, &fault);
	}
	if (r < 0 && err)
		*err = fault;
	ret->duration_ms = stamp_mono_ms() - began_ms;
	dir_keys_free(&d.changes.named);
	buf_done(&d.changes.present);
	buf_done(&d.changes.next);
	buf_done(&d.server);
	buf_done(&d.witness);
	free(d.attrs);
	buf_done(&d.dn);
	dir_session_done(&d.session);
	return r;
}
