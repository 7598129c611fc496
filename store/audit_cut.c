#include "store/audit_cut.h"

#include <stdio.h>

#include "base/buf.h"
#include "store/audit_in.h"
#include "store/cursors.h"

#define OWNER "audit"
#define NAME "cut"
#define BODY_MAX (1u << 20)

static int not_there(struct err *err, int64_t entry)
{
	return err_set(err, ERR_DAMAGED,
		       "audit entry %lld is said to be where retention cut the chain, and "
		       "does not say so: the database was changed",
		       (long long)entry);
}

/* The body of the newest `audit.cut`, and its number. STORE_NOT_FOUND. */
static int newest_body(struct db *db, json_t **ret, int64_t *entry, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	CLEANUP(free_at) char *text = NULL;
	int r = cursors_get(db, OWNER, NAME, &text, NULL, err);

	if (r != 0)
		return r;
	if (!str_int64(str_of(text), entry))
		return not_there(err, 0);
	r = db_query(db, &q, err,
		     "SELECT body FROM audit WHERE seq = ?1 AND what = 'audit.cut'",
		     DB_I(*entry));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return not_there(err, *entry);
	r = jx_parse(db_text(q, 0), JX_LENIENT, ret, err);
	return r < 0 && r != -ERR_NOMEM ? not_there(err, *entry) : r;
}

int audit_cut_body(struct db *db, json_t **ret, struct err *err)
{
	int64_t entry;

	return newest_body(db, ret, &entry, err);
}

int audit_cut_get(struct db *db, struct audit_cut *ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *body = NULL;
	struct audit_cut cut = { 0 };
	const char *link;
	int r = newest_body(db, &body, &cut.entry, err);

	if (r == 0) {
		link = jx_get_text(body, "link");
		cut.seq = json_integer_value(json_object_get(body, "seq"));
		if (cut.seq < 1 || cut.seq >= cut.entry || !link ||
		    !digest_unhex(str_of(link), &cut.link))
			return not_there(err, cut.entry);
	} else if (r > 0) {
		cut = (struct audit_cut){ 0 };
	}
	if (r < 0)
		return r;
	*ret = cut;
	return 0;
}

int audit_cut_made(struct db *db, const struct audit_cut *cut, int64_t *ret_ms, struct err *err)
{
	return db_one(db, ret_ms, err, "SELECT ms FROM audit WHERE seq = ?1", DB_I(cut->entry));
}

int audit_cut_until(struct db *db, int64_t before_ms, int64_t *ret, struct err *err)
{
	struct audit_cut cut;
	int64_t first, newest = 0;
	int r = audit_cut_get(db, &cut, err);

	if (r == 0)
		r = db_one(db, &newest, err, "SELECT max(seq) FROM audit");
	if (r != 0)
		*ret = 0;
	if (r != 0)
		return r < 0 ? r : 0;
	r = db_one(db, &first, err,
		   "SELECT seq FROM audit WHERE seq > ?1 AND ms >= ?2 ORDER BY seq LIMIT 1",
		   DB_I(cut.seq), DB_I(before_ms));
	if (r < 0)
		return r;
	if (r > 0) /* all are older */
		first = newest;
	*ret = first - 1 > cut.seq ? first - 1 : 0;
	return 0;
}

/* The link of an entry, as hex. STORE_NOT_FOUND. */
static int link_at(struct db *db, int64_t seq, char hex[DIGEST_HEX_BYTES], struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct digest link;
	int r = db_query(db, &q, err, "SELECT link FROM audit WHERE seq = ?1", DB_I(seq));

	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r < 0 ? r : STORE_NOT_FOUND;
	audit_take_digest(q, 0, &link);
	digest_hex(&link, hex);
	return 0;
}

static int cut_body(const struct audit_cut_new *in, const char *link, struct buf *into,
		    struct err *err)
{
	int r;

	buf_addf(into, "{\"link\":\"%s\",\"seq\":%lld", link, (long long)in->seq);
	if (in->approvers) {
		buf_add_text(into, ",\"approvers\":");
		r = jx_canonical(in->approvers, into, err);
		if (r < 0)
			return r;
	}
	buf_add_text(into, ",\"why\":");
	buf_add_json(into, str_of(in->why));
	buf_add_char(into, '}');
	return buf_fault(into, err, "the audit entry");
}

int audit_cut_begin(struct db *db, const struct audit_cut_new *in, struct err *err)
{
	CLEANUP(buf_done) struct buf body;
	struct audit_new entry = {
		.who = in->who, .what = "audit.cut", .target = "audit", .now_ms = in->now_ms
	};
	char link[DIGEST_HEX_BYTES], text[24];
	struct audit_cut cut;
	int64_t seq;
	int r;

	buf_init(&body, BODY_MAX);
	r = audit_cut_get(db, &cut, err);
	if (r == 0 && in->seq <= cut.seq)
		return STORE_UNCHANGED;
	if (r == 0)
		r = link_at(db, in->seq, link, err);
	if (r == 0)
		r = cut_body(in, link, &body, err);
	if (r != 0)
		return r;
	entry.body = buf_str(&body);
	r = audit_add(db, &entry, &seq, err);
	if (r < 0)
		return r;
	(void)snprintf(text, sizeof(text), "%lld", (long long)seq);
	r = cursors_set(db, OWNER, NAME, text, in->now_ms, err);
	return r < 0 ? r : 0;
}

int audit_cut_step(struct db *db, size_t most, int64_t *removed, struct err *err)
{
	struct audit_cut cut;
	int r = audit_cut_get(db, &cut, err);

	*removed = 0;
	if (r < 0 || !cut.seq)
		return r;
	r = db_run(db, err,
		   "DELETE FROM audit WHERE seq IN"
		   " (SELECT seq FROM audit WHERE seq <= ?1 ORDER BY seq LIMIT ?2)",
		   DB_I(cut.seq), DB_I(most));
	if (r == 0)
		*removed = db_changes(db);
	return r;
}
