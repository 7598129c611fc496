#include "store/sites.h"

#include <stdio.h>

#include "store/audit.h"

/* --- what a site says --- */

static int site_clear(struct db *db, int64_t org, struct str site, struct err *err)
{
	static const char *const sql[] = {
		"DELETE FROM site_product WHERE org = ?1 AND site = ?2",
		"DELETE FROM site_group WHERE org = ?1 AND site = ?2",
		"DELETE FROM site_finding WHERE org = ?1 AND site = ?2",
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT_OF(sql); i++)
		r = db_run(db, err, sql[i], DB_I(org), DB_S(site));
	return r;
}

static int products_put(struct db *db, int64_t org, const struct site_reading *in,
			struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->product_count; i++) {
		const struct site_product_row *p = &in->products[i];

		r = db_run(
			db, err,
			"INSERT OR REPLACE INTO site_product (org, site, product, seats, free,"
			" used, plan, members, customers) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
			" ?8, ?9)",
			DB_I(org), DB_S(in->read->site), DB_S(p->product), DB_I(p->seats),
			DB_I(p->left), DB_I(p->used), DB_S(p->plan), DB_I(p->members),
			DB_I(p->customers));
	}
	return r;
}

static int groups_put(struct db *db, int64_t org, const struct site_reading *in,
		      struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->group_count; i++) {
		const struct site_group_row *g = &in->groups[i];

		r = db_run(db, err,
			   "INSERT OR REPLACE INTO site_group (org, site, product, group_id,"
			   " name, is_default) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
			   DB_I(org), DB_S(in->read->site), DB_S(g->product), DB_S(g->group_id),
			   DB_S(g->name), DB_I(g->is_default));
	}
	return r;
}

int sites_put(struct db *db, int64_t org, const struct site_reading *in, struct err *err)
{
	int r = site_clear(db, org, in->read->site, err);

	if (r == 0)
		r = products_put(db, org, in, err);
	if (r == 0)
		r = groups_put(db, org, in, err);
	for (size_t i = 0; r == 0 && i < in->finding_count; i++) {
		const struct site_finding_row *f = &in->findings[i];

		r = db_run(db, err,
			   "INSERT INTO site_finding (org, site, n, product, kind, text)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
			   DB_I(org), DB_S(in->read->site), DB_I(i), DB_S(f->product),
			   DB_S(f->kind), DB_S(f->text));
	}
	if (r < 0)
		return r;
	return db_run(db, err,
		      "INSERT INTO site_read (org, site, whole, why, read_ms) VALUES (?1, ?2,"
		      " ?3, ?4, ?5) ON CONFLICT (org, site) DO UPDATE SET whole ="
		      " excluded.whole, why = excluded.why, read_ms = excluded.read_ms",
		      DB_I(org), DB_S(in->read->site), DB_I(in->read->whole),
		      DB_S(in->read->why), DB_I(in->read->read_ms));
}

int sites_products(struct db *db, int64_t org, site_product_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT site, product, seats, free, used, plan, members, customers"
			 " FROM site_product WHERE org = ?1 ORDER BY site, product",
			 DB_I(org));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct site_product_row row = { .site = db_text(q, 0),
						.product = db_text(q, 1),
						.seats = db_int(q, 2),
						.left = db_int(q, 3),
						.used = db_int(q, 4),
						.plan = db_text(q, 5),
						.members = db_int(q, 6),
						.customers = db_int(q, 7) };

		r = fn(ctx, &row, err);
	}
	return r;
}

int sites_findings(struct db *db, int64_t org, site_finding_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT site, product, kind, text FROM site_finding WHERE org = ?1"
			 " ORDER BY site, n",
			 DB_I(org));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct site_finding_row row = { .site = db_text(q, 0),
						.product = db_text(q, 1),
						.kind = db_text(q, 2),
						.text = db_text(q, 3) };

		r = fn(ctx, &row, err);
	}
	return r;
}

int sites_reads(struct db *db, int64_t org, site_read_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT site, whole, why, read_ms FROM site_read WHERE org = ?1"
			 " ORDER BY site",
			 DB_I(org));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct site_read_row row = { .site = db_text(q, 0),
					     .whole = db_int(q, 1) != 0,
					     .why = db_text(q, 2),
					     .read_ms = db_int(q, 3) };

		r = fn(ctx, &row, err);
	}
	return r;
}

/* --- what accounts own --- */

int inventory_put(struct db *db, const struct inventory_row *in, const struct owned_row *rows,
		  size_t count, struct err *err)
{
	int r = db_run(db, err, "DELETE FROM owned WHERE account = ?1", DB_I(in->account));

	(void)db_next_change(db);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = db_run(
			db, err,
			"INSERT OR REPLACE INTO owned (account, site, kind, id, label, title,"
			" project, lead) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
			DB_I(in->account), DB_S(rows[i].site), DB_S(rows[i].kind),
			DB_S(rows[i].id), DB_S(rows[i].label), DB_S(rows[i].title),
			DB_S(rows[i].project), DB_S(rows[i].lead));
	if (r < 0)
		return r;
	return db_run(db, err,
		      "INSERT INTO inventory (account, whole, why, read_ms) VALUES (?1, ?2, ?3,"
		      " ?4) ON CONFLICT (account) DO UPDATE SET whole = excluded.whole, why ="
		      " excluded.why, read_ms = excluded.read_ms",
		      DB_I(in->account), DB_I(in->whole), DB_S(in->why), DB_I(in->read_ms));
}

int inventory_each(struct db *db, int64_t org, int64_t account, inventory_fn fn, void *ctx,
		   struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT i.account, i.whole, i.why, i.read_ms, (SELECT count(*) FROM"
			 " owned o WHERE o.account = i.account) FROM inventory i JOIN account a"
			 " ON a.id = i.account AND a.org = ?1 WHERE ?2 = 0 OR i.account = ?2"
			 " ORDER BY i.account",
			 DB_I(org), DB_I(account));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct inventory_row row = { .account = db_int(q, 0),
					     .whole = db_int(q, 1) != 0,
					     .why = db_text(q, 2),
					     .read_ms = db_int(q, 3),
					     .rows = db_int(q, 4) };

		r = fn(ctx, &row, err);
	}
	return r;
}

int inventory_owned(struct db *db, int64_t org, int64_t account, owned_fn fn, void *ctx,
		    struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT o.account, o.site, o.kind, o.id, o.label, o.title, o.project,"
			 " o.lead, o.unseen FROM owned o JOIN account a ON a.id = o.account "
			 "AND a.org = ?1"
			 " WHERE ?2 = 0 OR o.account = ?2"
			 " ORDER BY o.account, o.site, o.kind, o.id",
			 DB_I(org), DB_I(account));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct owned_row row = { .account = db_int(q, 0),
					 .site = db_text(q, 1),
					 .kind = db_text(q, 2),
					 .id = db_text(q, 3),
					 .label = db_text(q, 4),
					 .title = db_text(q, 5),
					 .project = db_text(q, 6),
					 .lead = db_text(q, 7),
					 .unseen = db_int(q, 8) != 0 };

		r = fn(ctx, &row, err);
	}
	return r;
}

int inventory_given(struct db *db, int64_t account, const char *site, const char *kind,
		    const char *const *ids, size_t count, struct err *err)
{
	int r = 0;

	(void)db_next_change(db);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = db_run(db, err,
			   "DELETE FROM owned WHERE account = ?1 AND site = ?2 AND kind = ?3"
			   " AND id = ?4",
			   DB_I(account), DB_T(site), DB_T(kind), DB_T(ids[i]));
	return r;
}

int inventory_unseen(struct db *db, int64_t account, const char *site, const char *kind,
		     const char *id, struct err *err)
{
	(void)db_next_change(db);
	return db_run(db, err,
		      "UPDATE owned SET unseen = 1 WHERE account = ?1 AND site = ?2 AND"
		      " kind = ?3 AND id = ?4",
		      DB_I(account), DB_T(site), DB_T(kind), DB_T(id));
}

int inventory_refused(struct db *db, int64_t account, const char *site, const char *kind,
		      const char *id, int64_t receiver, const char *why, int64_t now_ms,
		      struct err *err)
{
	(void)db_next_change(db);
	return db_run(db, err,
		      "INSERT OR REPLACE INTO gift_refused (account, site, kind, id, receiver,"
		      " why, ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
		      DB_I(account), DB_T(site), DB_T(kind), DB_T(id), DB_I(receiver),
		      DB_T(why), DB_I(now_ms));
}

int inventory_refusals(struct db *db, int64_t org, int64_t account, int64_t since_ms,
		       gift_refusal_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT g.account, g.receiver, g.site, g.kind, g.id, g.why, g.ms FROM"
			 " gift_refused g JOIN account a ON a.id = g.account AND a.org = ?1"
			 " WHERE (?2 = 0 OR g.account = ?2) AND g.ms >= ?3"
			 " ORDER BY g.account, g.site, g.kind, g.id, g.receiver",
			 DB_I(org), DB_I(account), DB_I(since_ms));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		const struct gift_refusal row = { .account = db_int(q, 0),
						  .receiver = db_int(q, 1),
						  .site = db_text(q, 2),
						  .kind = db_text(q, 3),
						  .id = db_text(q, 4),
						  .why = db_text(q, 5),
						  .ms = db_int(q, 6) };

		r = fn(ctx, &row, err);
	}
	return r;
}

/* --- who is to receive it --- */

static int heir_audit(struct db *db, int64_t person, int64_t account, const char *who,
		      const char *why, int64_t now_ms, struct err *err)
{
	CLEANUP(buf_done) struct buf body;
	char target[64];
	struct audit_new entry = { .who = who,
				   .what = account ? "handover.name" : "handover.unname",
				   .target = target,
				   .person = person,
				   .now_ms = now_ms };
	int r;

	snprintf(target, sizeof(target), "person %lld", (long long)person);
	buf_init(&body, 65536);
	buf_addf(&body, "{\"account\":%lld,\"why\":", (long long)account);
	buf_add_json(&body, str_of(why));
	buf_add_char(&body, '}');
	r = buf_fault(&body, err, "the audit entry");
	entry.body = buf_str(&body);
	return r < 0 ? r : audit_add(db, &entry, NULL, err);
}

int heir_set(struct db *db, int64_t person, int64_t account, const char *who, const char *why,
	     int64_t now_ms, struct err *err)
{
	int64_t before = 0;
	int r = db_one(db, &before, err, "SELECT account FROM heir WHERE person = ?1",
		       DB_I(person));

	if (r < 0)
		return r;
	if (before == account)
		return STORE_UNCHANGED;
	(void)db_next_change(db);
	if (account)
		r = db_run(
			db, err,
			"INSERT INTO heir (person, account, who, why, set_ms) VALUES (?1, ?2,"
			" ?3, ?4, ?5) ON CONFLICT (person) DO UPDATE SET account ="
			" excluded.account, who = excluded.who, why = excluded.why, set_ms ="
			" excluded.set_ms",
			DB_I(person), DB_I(account), DB_T(who), DB_T(why), DB_I(now_ms));
	else
		r = db_run(db, err, "DELETE FROM heir WHERE person = ?1", DB_I(person));
	if (r == 0)
		r = db_run(db, err,
			   "DELETE FROM gift_refused WHERE account IN (SELECT account FROM"
			   " account_link WHERE person = ?1)",
			   DB_I(person));
	return r < 0 ? r : heir_audit(db, person, account, who, why, now_ms, err);
}

int heirs_each(struct db *db, int64_t person, heir_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT h.person, h.account, coalesce((SELECT l.person FROM"
			 " account_link l WHERE l.account = h.account), 0), coalesce((SELECT"
			 " a.account_id FROM account a WHERE a.id = h.account), '') FROM heir h"
			 " WHERE ?1 = 0 OR h.person = ?1 ORDER BY h.person",
			 DB_I(person));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		const struct heir_row row = { .person = db_int(q, 0),
					      .account = db_int(q, 1),
					      .heir = db_int(q, 2),
					      .account_id = db_text(q, 3) };

		r = fn(ctx, &row, err);
	}
	return r;
}
