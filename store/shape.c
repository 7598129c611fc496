#include "store/shape.h"

#include "base/buf.h"
#include "base/jx.h"
#include "base/scan.h"
#include "store/persons.h"

void shape_done(struct shape *s)
{
	size_t i;

	free(s->user_fold.p);
	free(s->display_fold.p);
	for (i = 0; i < s->mails.n; i++)
		free(s->mails.v[i].p);
	vec_shape_text_done(&s->mails);
	for (i = 0; i < s->own.n; i++)
		free(s->own.v[i].p);
	vec_shape_text_done(&s->own);
	*s = (struct shape){ 0 };
}

bool shape_has_word(struct str words, struct str name)
{
	struct str word;

	while (words.len > 0) {
		(void)str_cut(words, ' ', &word, &words);
		if (str_ieq(word, name))
			return true;
	}
	return false;
}

static int fold(struct str s, struct shape_text *ret, struct err *err)
{
	return str_fold(s, &ret->p, &ret->len, err);
}

static bool has_mail(const struct shape *s, const struct shape_text *t)
{
	size_t i;

	for (i = 0; i < s->mails.n; i++)
		if (s->mails.v[i].len == t->len && memcmp(s->mails.v[i].p, t->p, t->len) == 0)
			return true;
	return false;
}

static int add_mail(struct shape *s, struct str value, struct err *err)
{
	struct shape_text folded = { 0 };
	int r;

	if (value.len == 0)
		return 0;
	r = fold(value, &folded, err);
	if (r < 0)
		return r;
	if (has_mail(s, &folded)) {
		free(folded.p);
		return 0;
	}
	r = vec_shape_text_add(&s->mails, folded);
	if (r < 0) {
		free(folded.p);
		return err_nomem(err);
	}
	return 0;
}

/* --- the members that count -----------------------------------------------------------------
 *
 * Documents are our own text or jansson's, valid JSON; whatever does not scan is no document.
 */

/* The text that a string stands for; empty of another value. */
static int text_of(struct shape *s, struct str value, struct str *ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *j = NULL;
	struct shape_text own = { 0 };
	int r;

	*ret = STR("");
	if (value.len < 2 || *value.p != '"')
		return 0;
	*ret = str_n(value.p + 1, value.len - 2);
	if (!memchr(value.p, '\\', value.len))
		return 0;
	r = jx_parse(value, JX_LENIENT, &j, err);
	if (r < 0)
		return r;
	own.len = json_string_length(j);
	own.p = str_dup(str_n(json_string_value(j), own.len));
	if (!own.p || vec_shape_text_add(&s->own, own) < 0) {
		free(own.p);
		return err_nomem(err);
	}
	*ret = str_n(own.p, own.len);
	return 0;
}

/* Without the blanks around it, as people match; and as it stands, as filters ask. */
static int take_mail(struct shape *s, struct str element, struct err *err)
{
	struct str name, value, text;
	int r = 0;

	if (!scan_is(&element, '{'))
		return 0;
	while (r == 0 && scan_member(&element, &name, &value)) {
		if (str_ieq(name, STR("\"value\""))) {
			r = text_of(s, value, &text, err);
			if (r == 0)
				r = add_mail(s, str_trim(text), err);
			return r == 0 && str_trim(text).len != text.len ? add_mail(s, text, err)
									: r;
		}
		if (!scan_is(&element, ','))
			break;
	}
	return r;
}

static int take_mails(struct shape *s, struct str list, struct err *err)
{
	struct str element;
	int r = 0;

	if (!scan_is(&list, '['))
		return 0;
	while (r == 0 && scan_value(&list, &element)) {
		r = take_mail(s, element, err);
		if (!scan_is(&list, ','))
			break;
	}
	return r;
}

static int take_user(struct shape *s, struct str value, struct err *err)
{
	return text_of(s, value, &s->user_name, err);
}

static int take_external(struct shape *s, struct str value, struct err *err)
{
	return text_of(s, value, &s->external_id, err);
}

static int take_display(struct shape *s, struct str value, struct err *err)
{
	return text_of(s, value, &s->display, err);
}

static int take_active(struct shape *s, struct str value, struct err *err)
{
	(void)err;
	s->active = tri_of(!str_eq(value, STR("false")));
	return 0;
}

static int take_members(struct str bytes, struct shape *s, struct err *err)
{
	static const struct {
		struct str name;
		int (*take)(struct shape *s, struct str value, struct err *err);
	} rows[] = {
		{ STR("\"userName\""), take_user },
		{ STR("\"externalId\""), take_external },
		{ STR("\"displayName\""), take_display },
		{ STR("\"active\""), take_active },
		{ STR("\"emails\""), take_mails },
	};
	struct str name, value;
	unsigned taken = 0;
	int r = 0;

	if (!scan_is(&bytes, '{'))
		return err_set(err, ERR_INVALID_SYNTAX, "a record's document is no object");
	if (scan_is(&bytes, '}'))
		return 0;
	do {
		if (!scan_member(&bytes, &name, &value))
			return err_set(err, ERR_INVALID_SYNTAX,
				       "a record's document is broken");
		for (unsigned i = 0; r == 0 && i < COUNT_OF(rows); i++) {
			if ((taken & 1U << i) || !str_ieq(name, rows[i].name))
				continue;
			taken |= 1U << i;
			r = rows[i].take(s, value, err);
		}
	} while (r == 0 && scan_is(&bytes, ','));
	if (r == 0 && !scan_is(&bytes, '}'))
		r = err_set(err, ERR_INVALID_SYNTAX, "a record's document has no end");
	return r;
}

static void take_hash(struct str bytes, struct str unknown, unsigned char *ret)
{
	struct digest_run run;
	struct digest d;

	digest_begin(&run, NULL);
	digest_add(&run, bytes.p, bytes.len);
	digest_add(&run, "\n", 1);
	digest_add(&run, unknown.p ? unknown.p : "", unknown.len);
	digest_end(&run, &d);
	memcpy(ret, d.b, SHAPE_HASH_BYTES);
}

int shape_of(struct str bytes, struct str unknown, struct shape *ret, struct err *err)
{
	struct shape s = { .active = TRI_YES };
	int r;

	s.user_name = s.external_id = s.display = STR("");
	r = take_members(bytes, &s, err);
	if (shape_has_word(unknown, STR("active")))
		s.active = TRI_UNKNOWN;
	take_hash(bytes, unknown, s.hash);
	if (r == 0)
		r = fold(s.user_name, &s.user_fold, err);
	if (r == 0)
		r = fold(s.display, &s.display_fold, err);
	if (r < 0) {
		shape_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

int shape_find(struct db *db, int64_t source, struct str key, struct shape_before *ret,
	       struct buf *unknown, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct shape_before b = { 0 };
	struct str hash;
	int r;

	r = db_query(db, &q, err,
		     "SELECT id, version, disabled_since_ms, ended_ms, person, active, gone,"
		     " deleted, absent_reads, hash, unknown FROM record"
		     " WHERE source = ?1 AND key = ?2",
		     DB_I(source), DB_S(key));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r == DB_ROW) {
		b.id = db_int(q, 0);
		b.version = db_int(q, 1);
		b.disabled_since_ms = db_int(q, 2);
		b.ended_ms = db_int(q, 3);
		b.person = db_int(q, 4);
		b.active = (enum tri)db_int(q, 5);
		b.gone = db_int(q, 6) != 0;
		b.deleted = db_int(q, 7) != 0;
		b.absent_reads = db_int(q, 8);
		hash = db_blob(q, 9);
		if (hash.len == SHAPE_HASH_BYTES)
			memcpy(b.hash, hash.p, SHAPE_HASH_BYTES);
		if (unknown)
			buf_add_str(unknown, db_text(q, 10));
	}
	*ret = b;
	return 0;
}

/* Since when it is disabled: unknown is no news, so what stood there stays. */
static int64_t disabled_since(const struct shape *shape, const struct shape_before *before,
			      int64_t now_ms)
{
	if (shape->active == TRI_YES)
		return 0;
	if (before->disabled_since_ms || shape->active == TRI_UNKNOWN)
		return before->disabled_since_ms;
	return now_ms;
}

static int64_t ended(const struct shape *shape, const struct shape_before *before,
		     const struct shape_write *w)
{
	if (!w->push || shape->active == TRI_YES)
		return 0;
	if (before->ended_ms || shape->active == TRI_UNKNOWN)
		return before->ended_ms;
	return w->now_ms;
}

static int insert(struct db *db, const struct shape *s, const struct shape_write *w,
		  int64_t *ret_id, struct err *err)
{
	static const struct shape_before none;
	int r;

	r = db_run(
		db, err,
		"INSERT INTO record (id, source, key, external_id, user_name, user_fold, "
		"display,"
		" active, version, created_ms, modified_ms, first_seen_ms, last_seen_read,"
		" disabled_since_ms, ended_ms, change, hash, unknown, doc, display_fold) VALUES"
		" (coalesce(?19, (SELECT coalesce(max(id), ?16 - 1) + 1 FROM record WHERE id"
		" BETWEEN ?16 AND ?17)), ?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?8, ?8, ?9, ?10, "
		"?11, ?12,"
		" ?13, ?14, ?15, ?18) ON CONFLICT (source, key) DO NOTHING",
		DB_I(w->source), DB_S(w->key), DB_S(s->external_id), DB_S(s->user_name),
		DB_S(str_n(s->user_fold.p, s->user_fold.len)), DB_S(s->display),
		DB_I(s->active), DB_I(w->now_ms), DB_I(w->read),
		DB_I(disabled_since(s, &none, w->now_ms)), DB_I(ended(s, &none, w)),
		DB_I(db_next_change_of(db, DB_CHANGE_RECORD)), DB_B(s->hash, SHAPE_HASH_BYTES),
		DB_S(w->unknown), DB_S(w->bytes), DB_I(SHAPE_FIRST(w->source)),
		DB_I(SHAPE_LAST(w->source)),
		DB_S(str_n(s->display_fold.p, s->display_fold.len)),
		w->id ? DB_I(w->id) : DB_N);
	if (r < 0)
		return r;
	if (db_changes(db) == 0)
		return STORE_UNCHANGED;
	*ret_id = db_last_id(db);
	return 0;
}

static int update(struct db *db, const struct shape *s, const struct shape_before *before,
		  const struct shape_write *w, struct err *err)
{
	return db_run(db, err,
		      "UPDATE record SET external_id = ?2, user_name = ?3, user_fold = ?4,"
		      " display = ?5, active = ?6, version = version + 1, modified_ms = ?7,"
		      " disabled_since_ms = ?8, ended_ms = ?9, change = ?10, hash = ?11,"
		      " unknown = ?12, doc = ?13, gone = 0, deleted = 0, absent_reads = 0,"
		      " absent_since_ms = 0, last_seen_read = ?14, display_fold = ?15"
		      " WHERE id = ?1",
		      DB_I(before->id), DB_S(s->external_id), DB_S(s->user_name),
		      DB_S(str_n(s->user_fold.p, s->user_fold.len)), DB_S(s->display),
		      DB_I(s->active), DB_I(w->now_ms),
		      DB_I(disabled_since(s, before, w->now_ms)), DB_I(ended(s, before, w)),
		      DB_I(db_next_change_of(db, DB_CHANGE_RECORD)),
		      DB_B(s->hash, SHAPE_HASH_BYTES), DB_S(w->unknown), DB_S(w->bytes),
		      DB_I(w->read), DB_S(str_n(s->display_fold.p, s->display_fold.len)));
}

int shape_name(struct db *db, int64_t id, uint64_t name, struct err *err)
{
	if (!name)
		return 0;
	return db_run(
		db, err,
		"INSERT INTO record_name (record, name) VALUES (?1, ?2) ON CONFLICT (record)"
		" DO UPDATE SET name = excluded.name WHERE name <> excluded.name",
		DB_I(id), DB_I((int64_t)name));
}

static int put_address(struct db *db, int64_t id, const struct shape_text *t, struct err *err)
{
	return db_run(db, err,
		      "INSERT OR IGNORE INTO record_address (record, fold) VALUES (?1, ?2)",
		      DB_I(id), DB_S(str_n(t->p, t->len)));
}

static int put_addresses(struct db *db, const struct shape *s, int64_t id, int64_t person,
			 int64_t now_ms, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < s->mails.n; i++) {
		struct str mail = str_n(s->mails.v[i].p, s->mails.v[i].len);

		r = put_address(db, id, &s->mails.v[i], err);
		if (r == 0 && person > 0)
			r = persons_address_note(db, person, mail, now_ms, err);
	}
	if (r == 0 && s->user_fold.len > 0)
		r = put_address(db, id, &s->user_fold, err);
	return r;
}

int shape_add(struct db *db, const struct shape *shape, const struct shape_write *w,
	      int64_t *ret_id, struct err *err)
{
	int64_t id = 0;
	int r = insert(db, shape, w, &id, err);

	if (r == 0)
		r = put_addresses(db, shape, id, 0, w->now_ms, err);
	if (r == 0)
		r = shape_name(db, id, w->name, err);
	if (r == 0)
		*ret_id = id;
	return r;
}

int shape_put(struct db *db, const struct shape *shape, const struct shape_before *before,
	      const struct shape_write *w, int64_t *ret_id, struct err *err)
{
	int64_t id = before->id;
	int r;

	if (id == 0) {
		r = insert(db, shape, w, &id, err);
		if (r == STORE_UNCHANGED)
			r = err_set(err, ERR_CONFLICT, "a record of that key is there");
	} else {
		r = update(db, shape, before, w, err);
		if (r == 0)
			r = db_run(db, err, "DELETE FROM record_address WHERE record = ?1",
				   DB_I(id));
	}
	if (r == 0)
		r = put_addresses(db, shape, id, before->person, w->now_ms, err);
	if (r == 0)
		r = shape_name(db, id, w->name, err);
	if (r == 0 && ret_id)
		*ret_id = id;
	return r;
}

int shape_count(struct db *db, int64_t source, int64_t users, int64_t active, int64_t groups,
		struct err *err)
{
	if (users == 0 && active == 0 && groups == 0)
		return 0;
	return db_run(db, err,
		      "UPDATE source SET users = users + ?2, active = active + ?3,"
		      " groups = groups + ?4 WHERE id = ?1",
		      DB_I(source), DB_I(users), DB_I(active), DB_I(groups));
}
