#include "store/accounts.h"

#define ACCOUNT_COLUMNS                                                                        \
	"a.id, a.org, a.account_id, a.directory, a.email, a.name, a.external_id, a.issuer,"    \
	" a.status, a.status_since_ms, a.type, a.managed, a.synced, a.can_disable,"            \
	" a.accepted, a.admin, a.org_admin, a.paths_known, a.tokens, a.added_ms,"              \
	" a.token_active_ms, a.last_active_ms, a.own_credential, a.roles, a.extra, a.salt,"    \
	" coalesce(l.person, 0), a.first_ms, a.change, l.rule, l.adopted"
#define ACCOUNT_FROM " FROM account a LEFT JOIN account_link l ON l.account = a.id"

static void account_take(struct stmt *q, struct account_row *a)
{
	struct str salt = db_blob(q, 25);

	*a = (struct account_row){
		.id = db_int(q, 0),
		.org = db_int(q, 1),
		.account_id = db_text(q, 2),
		.directory = db_text(q, 3),
		.email = db_text(q, 4),
		.name = db_text(q, 5),
		.external_id = db_text(q, 6),
		.issuer = db_text(q, 7),
		.status = (enum account_status)db_int(q, 8),
		.status_since_ms = db_int(q, 9),
		.type = (enum account_type)db_int(q, 10),
		.managed = (enum tri)db_int(q, 11),
		.synced = (enum tri)db_int(q, 12),
		.can_disable = (enum tri)db_int(q, 13),
		.accepted = (enum tri)db_int(q, 14),
		.admin = (enum tri)db_int(q, 15),
		.org_admin = (enum tri)db_int(q, 16),
		.paths_known = (enum tri)db_int(q, 17),
		.tokens = (enum tri)db_int(q, 18),
		.added_ms = db_int(q, 19),
		.token_active_ms = db_int(q, 20),
		.last_active_ms = db_int(q, 21),
		.own_credential = db_int(q, 22) != 0,
		.roles = db_text(q, 23),
		.extra = db_text(q, 24),
		.person = db_int(q, 26),
		.first_ms = db_int(q, 27),
		.change = db_int(q, 28),
		.linked_by = db_text(q, 29),
		.adopted = db_int(q, 30) != 0,
	};
	if (salt.len == ACCOUNT_SALT_BYTES)
		memcpy(a->salt, salt.p, ACCOUNT_SALT_BYTES);
}

static int each_account(struct stmt *q, account_fn fn, void *ctx, struct err *err)
{
	struct account_row row;
	int r;

	while ((r = db_step(q, err)) == DB_ROW) {
		account_take(q, &row);
		r = fn(ctx, &row, err);
		if (r != 0)
			break;
	}
	return r;
}

int accounts_number(struct db *db, int64_t org, struct str account_id, int64_t *ret,
		    struct err *err)
{
	return db_one(db, ret, err,
		      "SELECT id FROM account WHERE org = ?1 AND account_id = ?2 AND live = 1",
		      DB_I(org), DB_S(account_id));
}

int accounts_group_number(struct db *db, int64_t org, struct str group_id, int64_t *ret,
			  struct err *err)
{
	return db_one(db, ret, err,
		      "SELECT id FROM org_group WHERE org = ?1 AND group_id = ?2 AND live = 1",
		      DB_I(org), DB_S(group_id));
}

int accounts_get(struct db *db, int64_t account, account_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct account_row row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " ACCOUNT_COLUMNS ACCOUNT_FROM " WHERE a.id = ?1 AND a.live = 1",
		     DB_I(account));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	account_take(q, &row);
	return fn(ctx, &row, err);
}

int accounts_page(struct db *db, int64_t org, int64_t after, size_t most, account_fn fn,
		  void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " ACCOUNT_COLUMNS ACCOUNT_FROM
		     " WHERE a.id > ?2 AND +a.org = ?1 AND a.live = 1 ORDER BY a.id LIMIT ?3",
		     DB_I(org), DB_I(after), DB_I(most));
	return r < 0 ? r : each_account(q, fn, ctx, err);
}

int accounts_org_admins(struct db *db, int64_t org, account_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " ACCOUNT_COLUMNS ACCOUNT_FROM
		     " WHERE a.org = ?1 AND a.org_admin = ?2 AND a.live = 1 ORDER BY a.id",
		     DB_I(org), DB_I(TRI_YES));
	return r < 0 ? r : each_account(q, fn, ctx, err);
}

int accounts_by_email(struct db *db, int64_t org, struct str folded, account_fn fn, void *ctx,
		      struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " ACCOUNT_COLUMNS ACCOUNT_FROM
		     " WHERE a.org = ?1 AND a.email_fold = ?2 AND a.email_fold <> ''"
		     " AND a.live = 1 ORDER BY a.id",
		     DB_I(org), DB_S(folded));
	return r < 0 ? r : each_account(q, fn, ctx, err);
}

int accounts_changed(struct db *db, int64_t org, int64_t after_change, size_t most,
		     account_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " ACCOUNT_COLUMNS ACCOUNT_FROM
		     " WHERE a.org = ?1 AND a.change > ?2 AND a.live = 1"
		     " ORDER BY a.change, a.id LIMIT ?3",
		     DB_I(org), DB_I(after_change), DB_I(most));
	return r < 0 ? r : each_account(q, fn, ctx, err);
}

/* --- seats ----------------------------------------------------------------------------------
 */

static int each_seat(struct stmt *q, seat_fn fn, void *ctx, struct err *err)
{
	int r;

	while ((r = db_step(q, err)) == DB_ROW) {
		struct seat_row row = { .account = db_int(q, 0),
					.product = db_int(q, 1),
					.last_active_ms = db_int(q, 2),
					.added_ms = db_int(q, 3),
					.change = db_int(q, 4) };

		r = fn(ctx, &row, err);
		if (r != 0)
			break;
	}
	return r;
}

int accounts_seats(struct db *db, int64_t account, seat_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT account, product, last_active_ms, added_ms, change FROM seat"
		     " WHERE account = ?1 ORDER BY product",
		     DB_I(account));
	return r < 0 ? r : each_seat(q, fn, ctx, err);
}

int accounts_seats_page(struct db *db, int64_t org, int64_t after_account,
			int64_t after_product, size_t most, seat_fn fn, void *ctx,
			struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT account, product, last_active_ms, added_ms, change FROM seat"
		     " WHERE org = ?1 AND (account, product) > (?2, ?3)"
		     " ORDER BY account, product LIMIT ?4",
		     DB_I(org), DB_I(after_account), DB_I(after_product), DB_I(most));
	return r < 0 ? r : each_seat(q, fn, ctx, err);
}

int accounts_seat_counts(struct db *db, int64_t org, seat_count_fn fn, void *ctx,
			 struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT p.id, p.key, p.site, p.resource, (SELECT count(*) FROM seat s"
		     " WHERE s.product = p.id) FROM product p WHERE p.org = ?1"
		     " ORDER BY p.key, p.site",
		     DB_I(org));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct product_row row = { .id = db_int(q, 0),
					   .key = db_text(q, 1),
					   .site = db_text(q, 2),
					   .resource = db_text(q, 3) };

		r = fn(ctx, &row, db_int(q, 4), err);
	}
	return r;
}

/* --- products, groups, grants, roles, members -----------------------------------------------
 */

int accounts_products(struct db *db, int64_t org, product_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT id, key, site, resource, capacity FROM product WHERE org = ?1"
		     " ORDER BY key, site",
		     DB_I(org));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct product_row row = { .id = db_int(q, 0),
					   .key = db_text(q, 1),
					   .site = db_text(q, 2),
					   .resource = db_text(q, 3),
					   .capacity = db_int(q, 4) };

		r = fn(ctx, &row, err);
	}
	return r;
}

#define GROUP_COLUMNS "g.id, g.group_id, g.name, g.directory, g.synced, g.modifiable, g.admin"

static void group_take(struct stmt *q, struct org_group_row *g)
{
	*g = (struct org_group_row){ .id = db_int(q, 0),
				     .group_id = db_text(q, 1),
				     .name = db_text(q, 2),
				     .directory = db_text(q, 3),
				     .synced = (enum tri)db_int(q, 4),
				     .modifiable = (enum tri)db_int(q, 5),
				     .admin = (enum tri)db_int(q, 6) };
}

int accounts_groups(struct db *db, int64_t org, org_group_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct org_group_row row;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " GROUP_COLUMNS " FROM org_group g WHERE g.org = ?1 AND g.live = 1"
		     " ORDER BY g.id",
		     DB_I(org));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		group_take(q, &row);
		r = fn(ctx, &row, err);
	}
	return r;
}

int accounts_grants(struct db *db, int64_t org, grant_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT grp, product, role, is_default, billable FROM org_grant"
		     " WHERE org = ?1 ORDER BY grp, product, role",
		     DB_I(org));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct grant_row row = { .group = db_int(q, 0),
					 .product = db_int(q, 1),
					 .role = db_text(q, 2),
					 .is_default = (enum tri)db_int(q, 3),
					 .billable = (enum tri)db_int(q, 4) };

		r = fn(ctx, &row, err);
	}
	return r;
}

static int each_role(struct stmt *q, role_fn fn, void *ctx, struct err *err)
{
	int r;

	while ((r = db_step(q, err)) == DB_ROW) {
		struct role_row row = { .account = db_int(q, 0),
					.product = db_int(q, 1),
					.role = db_text(q, 2),
					.inferred = db_int(q, 3) != 0,
					.billable = (enum tri)db_int(q, 4) };

		r = fn(ctx, &row, err);
		if (r != 0)
			break;
	}
	return r;
}

int accounts_roles(struct db *db, int64_t account, role_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT account, product, role, inferred, billable FROM org_role"
		     " WHERE account = ?1 ORDER BY product, role",
		     DB_I(account));
	return r < 0 ? r : each_role(q, fn, ctx, err);
}

int accounts_roles_page(struct db *db, int64_t org, int64_t after_account,
			int64_t after_product, struct str after_role, size_t most, role_fn fn,
			void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT account, product, role, inferred, billable FROM org_role"
		     " WHERE org = ?1 AND (account, product, role) > (?2, ?3, ?4)"
		     " ORDER BY account, product, role LIMIT ?5",
		     DB_I(org), DB_I(after_account), DB_I(after_product), DB_S(after_role),
		     DB_I(most));
	return r < 0 ? r : each_role(q, fn, ctx, err);
}

static int each_member(struct stmt *q, membership_fn fn, void *ctx, size_t *rows,
		       struct err *err)
{
	int r;

	for (*rows = 0; (r = db_step(q, err)) == DB_ROW; (*rows)++) {
		r = fn(ctx, (uint32_t)db_int(q, 0), (uint32_t)db_int(q, 1), err);
		if (r != 0)
			break;
	}
	return r;
}

/* The rest of the group, then those after it: as one comparison of both columns it would be
 * made again for each row. */
int accounts_members_page(struct db *db, int64_t org, uint32_t after_group,
			  uint32_t after_account, size_t most, membership_fn fn, void *ctx,
			  struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *rest = NULL;
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	size_t rows = 0, more;
	int r;

	r = db_query(db, &rest, err,
		     "SELECT grp, account FROM org_member WHERE org = ?1 AND grp = ?2"
		     " AND account > ?3 ORDER BY account LIMIT ?4",
		     DB_I(org), DB_I(after_group), DB_I(after_account), DB_I(most));
	if (r == 0)
		r = each_member(rest, fn, ctx, &rows, err);
	if (r != 0 || rows >= most)
		return r;
	r = db_query(db, &q, err,
		     "SELECT grp, account FROM org_member WHERE org = ?1 AND grp > ?2"
		     " ORDER BY grp, account LIMIT ?3",
		     DB_I(org), DB_I(after_group), DB_I(most - rows));
	return r < 0 ? r : each_member(q, fn, ctx, &more, err);
}

int accounts_groups_of(struct db *db, int64_t account, membership_fn fn, void *ctx,
		       struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT grp, account FROM org_member WHERE account = ?1 ORDER BY grp",
		     DB_I(account));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW)
		r = fn(ctx, (uint32_t)db_int(q, 0), (uint32_t)db_int(q, 1), err);
	return r;
}

static int paths_by_group(struct db *db, int64_t account, int64_t product, seat_path_fn fn,
			  void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct org_group_row group;
	int r;

	r = db_query(db, &q, err,
		     "SELECT " GROUP_COLUMNS ", x.role, x.is_default, x.billable"
		     " FROM org_member m JOIN org_group g ON g.id = m.grp AND g.live = 1"
		     " JOIN org_grant x ON x.org = m.org AND x.grp = m.grp AND x.product = ?2"
		     " WHERE m.account = ?1 ORDER BY g.name, x.role",
		     DB_I(account), DB_I(product));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct grant_row grant = { .group = db_int(q, 0),
					   .product = product,
					   .role = db_text(q, 7),
					   .is_default = (enum tri)db_int(q, 8),
					   .billable = (enum tri)db_int(q, 9) };

		group_take(q, &group);
		r = fn(ctx, &group, &grant, NULL, err);
	}
	return r;
}

struct path_roles {
	int64_t product;
	seat_path_fn fn;
	void *ctx;
};

static int path_role(void *ctx, const struct role_row *row, struct err *err)
{
	const struct path_roles *p = ctx;

	return row->product == p->product ? p->fn(p->ctx, NULL, NULL, row, err) : 0;
}

int accounts_seat_paths(struct db *db, int64_t account, int64_t product, seat_path_fn fn,
			void *ctx, struct err *err)
{
	struct path_roles roles = { product, fn, ctx };
	int r;

	r = paths_by_group(db, account, product, fn, ctx, err);
	return r != 0 ? r : accounts_roles(db, account, path_role, &roles, err);
}

int accounts_reads(struct db *db, int64_t org, size_t most, org_read_fn fn, void *ctx,
		   struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(
		db, &q, err,
		"SELECT generation, begun_ms, ended_ms, complete, plausible, whole, reason,"
		" accounts, seats FROM org_read WHERE org = ?1 ORDER BY generation DESC"
		" LIMIT ?2",
		DB_I(org), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct org_read_row row = { .generation = db_int(q, 0),
					    .begun_ms = db_int(q, 1),
					    .ended_ms = db_int(q, 2),
					    .complete = db_int(q, 3) != 0,
					    .plausible = db_int(q, 4) != 0,
					    .whole = (unsigned)db_int(q, 5),
					    .reason = db_text(q, 6),
					    .accounts = db_int(q, 7),
					    .seats = db_int(q, 8) };

		r = fn(ctx, &row, err);
	}
	return r;
}
