#include "store/audit_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/jx.h"
#include "base/vec.h"
#include "store/anchor.h"
#include "store/audit_cut.h"

#define PAGE_ENTRIES 1000

VEC(vec_seq, int64_t);

static void vec_seq_done_at(struct vec_seq *v)
{
	vec_seq_done(v);
}

struct walk {
	const struct store_keys *keys;
	struct digest before; /* link of the entry before */
	int64_t next;         /* number expected next */
	struct vec_seq empty; /* entries without a body */
	struct vec_seq named; /* entries that a forget entry names, when they came before it */
	const struct audit_head *head;    /* or NULL */
	const struct vec_anchor *anchors; /* by number; or NULL */
	size_t anchor;                    /* the next one to be held against an entry */
	struct audit_cut cut;             /* where the chain begins */
	struct audit_report *report;
};

static int damaged(struct walk *w, int64_t seq, struct err *err, const char *why)
{
	w->report->damaged = seq;
	(void)snprintf(w->report->text, sizeof(w->report->text), "audit entry %lld: %s",
		       (long long)seq, why);
	return err_set(err, ERR_DAMAGED, "%s", w->report->text);
}

static int note_named(struct walk *w, const struct audit_entry *e, struct err *err)
{
	CLEANUP(json_decref_at) json_t *body = NULL;
	const json_t *item;
	size_t i;
	int r;

	r = jx_parse(e->body, JX_LENIENT, &body, err);
	if (r < 0)
		return r == -ERR_NOMEM ? r : damaged(w, e->seq, err, "its body cannot be read");
	json_array_foreach (json_object_get(body, "audit"), i, item) {
		int64_t seq = json_integer_value(item);

		if (seq < e->seq && vec_seq_add(&w->named, seq) < 0)
			return err_nomem(err);
	}
	return 0;
}

static const char *anchor_place(const struct anchor *a, char ret[48])
{
	if (!a->line)
		return "its time-stamped anchor";
	(void)snprintf(ret, 48, "the anchor in line %lld", (long long)a->line);
	return ret;
}

/* Anchors of this entry, each as its line has it. */
static int hold_anchors(struct walk *w, int64_t seq, const struct digest *link, struct err *err)
{
	char why[160], place[48];

	for (; w->anchors && w->anchor < w->anchors->n; w->anchor++) {
		const struct anchor *a = &w->anchors->v[w->anchor];

		if (a->seq > seq)
			return 0;
		if (a->seq < seq) {
			w->report->beyond++;
			continue;
		}
		if (!digest_equal(&a->link, link)) {
			(void)snprintf(why, sizeof(why),
				       "is not the one that %s names: the "
				       "chain was rewritten after that was kept",
				       anchor_place(a, place));
			return damaged(w, seq, err, why);
		}
		w->report->anchors++;
	}
	return 0;
}

/* The entry that says where the chain begins must be one of it. */
static int hold_cut(struct walk *w, const struct audit_entry *e, struct err *err)
{
	if (e->seq == w->cut.entry && !str_eq(e->what, STR("audit.cut")))
		return damaged(w, e->seq, err,
			       "is said to be where retention cut the chain, and is not");
	return 0;
}

static int walk_entry(struct walk *w, const struct audit_entry *e, struct str salt,
		      struct err *err)
{
	struct digest want;

	if (e->seq != w->next)
		return damaged(w, w->next, err, "is missing: it was removed");
	audit_link_of(w->keys, &w->before, e, &want);
	if (!digest_equal(&want, &e->link))
		return damaged(w, e->seq, err,
			       "does not fit the chain: it or the one before was changed");
	if (w->head && w->head->seq == e->seq && !digest_equal(&w->head->link, &e->link))
		return damaged(w, e->seq, err,
			       "is not the one that the signed head names: the chain was "
			       "rewritten");
	if (e->body.len == 0 && salt.len == 0) {
		w->report->forgotten++;
		if (vec_seq_add(&w->empty, e->seq) < 0)
			return err_nomem(err);
	} else {
		audit_body_digest(salt, e->body, &want);
		if (!digest_equal(&want, &e->digest))
			return damaged(w, e->seq, err, "its body was changed");
	}
	if (hold_cut(w, e, err) < 0 || hold_anchors(w, e->seq, &e->link, err) < 0)
		return -err->code;
	w->before = e->link;
	w->next++;
	w->report->entries++;
	w->report->last = e->seq;
	if (e->body.len > 0 && str_eq(e->what, STR("forget")))
		return note_named(w, e, err);
	return 0;
}

static int walk_page(struct walk *w, struct db *db, bool *more, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct audit_entry e;
	int r, n = 0;

	r = db_query(db, &q, err,
		     "SELECT " AUDIT_COLUMNS
		     " FROM audit WHERE seq >= ?1 ORDER BY seq LIMIT ?2",
		     DB_I(w->next), DB_I(PAGE_ENTRIES));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		n++;
		audit_take_entry(q, &e);
		r = walk_entry(w, &e, db_blob(q, AUDIT_COLUMN_SALT), err);
	}
	*more = n == PAGE_ENTRIES;
	return r;
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int check_forgotten(struct walk *w, struct err *err)
{
	size_t i, at = 0;

	if (w->named.n > 0)
		qsort(w->named.v, w->named.n, sizeof(w->named.v[0]), by_number);
	for (i = 0; i < w->empty.n; i++) {
		while (at < w->named.n && w->named.v[at] < w->empty.v[i])
			at++;
		if (at == w->named.n || w->named.v[at] != w->empty.v[i])
			return damaged(w, w->empty.v[i], err,
				       "is empty, and no forget entry names it");
	}
	return 0;
}

static int check_end(struct walk *w, struct err *err)
{
	const struct anchor *a =
		w->anchors && w->anchor < w->anchors->n ? &w->anchors->v[w->anchor] : NULL;
	char why[200], place[48];

	if (w->head && w->head->seq > w->report->last) {
		(void)snprintf(why, sizeof(why),
			       "is missing: the signed head names entry %lld, the database "
			       "ends at %lld: its tail was cut",
			       (long long)w->head->seq, (long long)w->report->last);
		return damaged(w, w->report->last + 1, err, why);
	}
	if (a) {
		(void)snprintf(why, sizeof(why),
			       "is missing: %s names entry %lld, the "
			       "database ends at %lld: its tail was cut after that was kept",
			       a->line ? anchor_place(a, place) : "a time-stamped anchor",
			       (long long)a->seq, (long long)w->report->last);
		return damaged(w, w->report->last + 1, err, why);
	}
	return 0;
}

/* Where the chain begins: at its first entry, or where retention cut it. */
static int walk_begin(struct store *store, struct walk *w, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(store, &db, err);

	if (r == 0)
		r = audit_cut_get(db, &w->cut, err);
	if (r < 0)
		return r;
	w->next = w->cut.seq + 1;
	w->before = w->cut.link;
	w->report->cut = w->cut.seq;
	if (w->head && w->head->seq == w->cut.seq &&
	    !digest_equal(&w->head->link, &w->cut.link))
		return damaged(w, w->cut.seq, err,
			       "is not the one that the signed head names: the chain was "
			       "rewritten");
	/* those before it are counted, that of the last one that went is compared */
	return w->cut.seq ? hold_anchors(w, w->cut.seq, &w->cut.link, err) : 0;
}

/* Retention may cut between two pages what was to be walked next: CUT_MEANWHILE. */
#define CUT_MEANWHILE 1

static int page_or_cut(struct store *store, struct walk *w, bool *more, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct audit_cut cut;
	int r = store_read_begin(store, &db, err);

	if (r == 0)
		r = audit_cut_get(db, &cut, err);
	if (r < 0)
		return r;
	return cut.seq >= w->next ? CUT_MEANWHILE : walk_page(w, db, more, err);
}

/* From where the chain begins now. */
static int walk_anew(struct store *store, struct walk *w, struct err *err)
{
	*w->report = (struct audit_report){ 0 };
	w->empty.n = w->named.n = 0;
	w->anchor = 0;
	return walk_begin(store, w, err);
}

static int walk_all(struct store *store, struct walk *w, struct err *err)
{
	bool more = true;
	int r = walk_begin(store, w, err);

	while (r == 0 && more) {
		r = page_or_cut(store, w, &more, err);
		if (r == CUT_MEANWHILE)
			r = walk_anew(store, w, err);
	}
	if (r == 0 && w->cut.entry > w->report->last)
		r = damaged(w, w->cut.entry, err,
			    "is said to be where retention cut the chain, and is missing");
	if (r == 0)
		r = check_forgotten(w, err);
	return r < 0 ? r : check_end(w, err);
}

/* A head that did not fit when the daemon started. */
static int check_lost(const char *head_path, struct audit_report *report, struct err *err)
{
	struct buf lost;
	int r;

	buf_init(&lost, 4096);
	buf_addf(&lost, "%s" AUDIT_LOST, head_path);
	r = buf_fault(&lost, err, "the path of the audit head");
	if (r == 0 && access(lost.p, F_OK) == 0) {
		(void)snprintf(
			report->text, sizeof(report->text),
			"%s names an entry that the chain does not have: entries were "
			"removed or rewritten before the daemon last started; remove the "
			"file once that is explained",
			lost.p);
		r = err_set(err, ERR_DAMAGED, "%s", report->text);
	}
	buf_done(&lost);
	return r;
}

static void say_whole(const struct walk *w, struct audit_report *ret)
{
	char begins[80] = "", anchors[120] = "";
	const char *head = "";

	if (w->head)
		head = w->head->seq < w->cut.seq
			       ? "; the head is older than its first entry, so that it could "
				 "not be compared"
			       : " and reaches the signed head";
	if (ret->cut)
		(void)snprintf(begins, sizeof(begins),
			       " (entries up to %lld were removed by retention)",
			       (long long)ret->cut);
	if (w->anchors)
		(void)snprintf(anchors, sizeof(anchors),
			       "; %lld anchors fit, %lld are of entries that were removed",
			       (long long)ret->anchors, (long long)ret->beyond);
	(void)snprintf(ret->text, sizeof(ret->text),
		       "%lld entries%s, %lld of them forgotten: the chain is whole%s%s",
		       (long long)ret->entries, begins, (long long)ret->forgotten, head,
		       anchors);
}

/* The head and the anchors before the walk: entries may be added meanwhile, never fall behind
 * them. */
static int read_kept(const struct store_keys *keys, const char *head_path,
		     const char *anchors_path, const struct vec_anchor *stamps,
		     struct audit_head *head, struct vec_anchor *anchors, struct err *err)
{
	unsigned char key[DIGEST_PUB_BYTES];
	int r = head_path ? audit_head_read(keys, head_path, head, err) : 0;

	if (r == 0 && anchors_path)
		r = digest_public(key, &keys->head_seed, err);
	if (r == 0 && anchors_path)
		r = anchor_read_file(anchors_path, key, anchors, err);
	for (size_t i = 0; r == 0 && stamps && i < stamps->n; i++)
		if (vec_anchor_add(anchors, stamps->v[i]) < 0)
			r = err_nomem(err);
	if (r == 0)
		anchor_sort(anchors);
	return r;
}

static int verify(struct store *store, const char *head_path, const char *anchors_path,
		  const struct vec_anchor *stamps, struct audit_report *ret, struct err *err)
{
	const struct store_keys *keys = store_keys(store);
	struct walk w = { .keys = keys, .report = ret };
	struct vec_anchor anchors = { 0 };
	struct audit_head head = { 0 };
	int r;

	*ret = (struct audit_report){ 0 };
	if (!keys)
		return err_set(err, ERR_SECRET,
			       "the vault is not open, so the audit chain cannot be checked: "
			       "give the master key");
	r = read_kept(keys, head_path, anchors_path, stamps, &head, &anchors, err);
	w.head = head_path ? &head : NULL;
	w.anchors = anchors_path || stamps ? &anchors : NULL;
	if (r == 0)
		r = walk_all(store, &w, err);
	if (r == 0 && head_path)
		r = check_lost(head_path, ret, err);
	vec_seq_done_at(&w.empty);
	vec_seq_done_at(&w.named);
	vec_anchor_done(&anchors);
	if (r == 0)
		say_whole(&w, ret);
	else if (ret->text[0] == '\0' && err)
		(void)snprintf(ret->text, sizeof(ret->text), "%s", err->text);
	return r;
}

int audit_verify(struct store *store, bool with_head, struct audit_report *ret, struct err *err)
{
	return verify(store, with_head ? store_head_path(store) : NULL, NULL, NULL, ret, err);
}

int audit_verify_with(struct store *store, const char *head_path, struct audit_report *ret,
		      struct err *err)
{
	return verify(store, head_path, NULL, NULL, ret, err);
}

int audit_verify_anchors(struct store *store, bool with_head, const char *anchors_path,
			 struct audit_report *ret, struct err *err)
{
	return verify(store, with_head ? store_head_path(store) : NULL, anchors_path, NULL, ret,
		      err);
}

int audit_verify_kept(struct store *store, bool with_head, const char *anchors_path,
		      const struct vec_anchor *stamps, struct audit_report *ret,
		      struct err *err)
{
	return verify(store, with_head ? store_head_path(store) : NULL, anchors_path, stamps,
		      ret, err);
}
