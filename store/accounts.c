#include "store/accounts.h"

#include "base/digest.h"
#include "base/secret.h"
#include "base/vec.h"
#include "model/frame.h"
#include "store/marks.h"

#define READS_KEPT 400
#define HASH_BYTES 16

struct org_run {
	int64_t org, generation;
	bool direct; /* the first generation: nobody looks, so it is written in place */
	struct marks accounts, groups, grants, seats; /* seen, by number */
	struct marks roles_of, members_of;            /* accounts, groups told about */
	struct org_counts counts;
	int64_t accounts_seen_live, seats_seen;
};

void org_row_done(struct org_row *o)
{
	free(o->name);
	free(o->identity);
	free(o->reason);
	*o = (struct org_row){ 0 };
}

/* --- organisations --------------------------------------------------------------------------
 */

int accounts_org_declare(struct db *db, const char *name, int64_t now_ms, int64_t *ret,
			 struct err *err)
{
	int r;

	(void)now_ms;
	r = db_run(db, err, "INSERT OR IGNORE INTO org (name) VALUES (?1)", DB_T(name));
	if (r == 0)
		r = db_one(db, ret, err, "SELECT id FROM org WHERE name = ?1", DB_T(name));
	return r;
}

int accounts_org_get(struct db *db, const char *name, struct org_row *ret, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct org_row o;
	int r;

	r = db_query(db, &q, err,
		     "SELECT id, name, identity, generation, ended_ms, complete, plausible,"
		     " reason, accounts, seats, other FROM org WHERE name = ?1",
		     DB_T(name));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	o = (struct org_row){ .id = db_int(q, 0),
			      .name = db_text_dup(q, 1),
			      .identity = db_text_dup(q, 2),
			      .generation = db_int(q, 3),
			      .ended_ms = db_int(q, 4),
			      .complete = db_int(q, 5) != 0,
			      .plausible = db_int(q, 6) != 0,
			      .accounts = db_int(q, 8),
			      .seats = db_int(q, 9),
			      .other = db_int(q, 10) != 0 };
	if (!o.complete || !o.plausible)
		o.reason = db_text_dup(q, 7);
	if (!o.name || !o.identity || ((!o.complete || !o.plausible) && !o.reason)) {
		org_row_done(&o);
		return err_nomem(err);
	}
	*ret = o;
	return 0;
}

/* Whether another organisation answered: held against plans until it is replaced or back. */
static int identity_note(struct db *db, int64_t org, int64_t other, int answer, struct err *err)
{
	int r;

	r = db_run(db, err, "UPDATE org SET other = ?2 WHERE id = ?1 AND other <> ?2",
		   DB_I(org), DB_I(other));
	if (r == 0 && db_changes(db) > 0)
		(void)db_next_change(db);
	return r < 0 ? r : answer;
}

int accounts_org_identity(struct db *db, int64_t org, const char *identity, bool replace,
			  struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	bool same, none;
	int r;

	r = db_query(db, &q, err, "SELECT identity FROM org WHERE id = ?1", DB_I(org));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	same = str_eq(db_text(q, 0), str_of(identity));
	none = db_text(q, 0).len == 0;
	stmt_done_at(&q);
	if (same)
		return identity_note(db, org, 0, STORE_UNCHANGED, err);
	if (!none && !replace)
		return identity_note(db, org, 1, STORE_STALE, err);
	r = db_run(db, err, "UPDATE org SET identity = ?2 WHERE id = ?1", DB_I(org),
		   DB_T(identity));
	return r < 0 ? r : identity_note(db, org, 0, 0, err);
}

/* --- begin ----------------------------------------------------------------------------------
 */

void org_run_free(struct org_run *run)
{
	if (!run)
		return;
	marks_done(&run->accounts);
	marks_done(&run->groups);
	marks_done(&run->grants);
	marks_done(&run->seats);
	marks_done(&run->roles_of);
	marks_done(&run->members_of);
	free(run);
}

int64_t org_run_generation(const struct org_run *run)
{
	return run->generation;
}

static const char *const clear_next_sql[] = {
	"DELETE FROM account_next WHERE org = ?1",
	"DELETE FROM seat_next WHERE org = ?1",
	"DELETE FROM org_group_next WHERE org = ?1",
	"DELETE FROM org_grant_next WHERE org = ?1",
	"DELETE FROM org_member_next WHERE org = ?1",
	"DELETE FROM org_role_next WHERE org = ?1",
};

static int clear_next(struct db *db, int64_t org, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < COUNT_OF(clear_next_sql); i++)
		r = db_run(db, err, clear_next_sql[i], DB_I(org));
	return r;
}

static int begin(struct db *db, struct org_run *run, int64_t now_ms, struct err *err)
{
	int64_t generation = 0;
	int r;

	r = db_one(db, &generation, err, "SELECT generation FROM org WHERE id = ?1",
		   DB_I(run->org));
	if (r == 0)
		r = db_one(db, &run->generation, err,
			   "UPDATE org SET begun = begun + 1 WHERE id = ?1 RETURNING begun",
			   DB_I(run->org));
	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_INTERNAL, "no organisation has the number %lld",
			       (long long)run->org);
	run->direct = generation == 0;
	if (r == 0)
		r = db_one(db, &run->counts.accounts_before, err,
			   "SELECT count(*) FROM account WHERE org = ?1 AND live = 1",
			   DB_I(run->org));
	if (r == 0)
		r = db_one(db, &run->counts.seats_before, err,
			   "SELECT count(*) FROM seat WHERE org = ?1", DB_I(run->org));
	if (r == 0)
		r = clear_next(db, run->org, err);
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO org_read (org, generation, begun_ms)"
			   " VALUES (?1, ?2, ?3)",
			   DB_I(run->org), DB_I(run->generation), DB_I(now_ms));
	if (r == 0)
		r = db_run(db, err, "DELETE FROM org_read WHERE org = ?1 AND generation <= ?2",
			   DB_I(run->org), DB_I(run->generation - READS_KEPT));
	return r;
}

int accounts_begin(struct db *db, int64_t org, int64_t now_ms, struct org_run **ret,
		   struct err *err)
{
	CLEANUP(org_run_free_at) struct org_run *run = calloc(1, sizeof(*run));
	int r;

	if (!run)
		return err_nomem(err);
	run->org = org;
	r = begin(db, run, now_ms, err);
	if (r < 0)
		return r;
	*ret = TAKE(run);
	return 0;
}

/* --- accounts -------------------------------------------------------------------------------
 */

static void hash_text(struct digest_run *run, struct str s)
{
	uint64_t len = s.len;

	digest_add(run, &len, sizeof(len));
	digest_add(run, s.p ? s.p : "", s.len);
}

static void account_hash(const struct account_row *a, unsigned char ret[HASH_BYTES])
{
	const struct str texts[] = { a->directory, a->email, a->name, a->external_id,
				     a->issuer,    a->roles, a->extra };
	const int64_t numbers[] = { a->status,         a->type,          a->managed,
				    a->synced,         a->can_disable,   a->accepted,
				    a->admin,          a->org_admin,     a->paths_known,
				    a->tokens,         a->added_ms,      a->token_active_ms,
				    a->last_active_ms, a->own_credential };
	struct digest_run run;
	struct digest d;
	size_t i;

	digest_begin(&run, NULL);
	for (i = 0; i < COUNT_OF(texts); i++)
		hash_text(&run, texts[i]);
	digest_add(&run, numbers, sizeof(numbers));
	digest_end(&run, &d);
	memcpy(ret, d.b, HASH_BYTES);
}

struct account_before {
	int64_t id; /* 0: none */
	bool live, same;
};

static int account_find(struct db *db, int64_t org, const struct account_row *a,
			const unsigned char hash[HASH_BYTES], struct account_before *ret,
			struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct str stored;
	int r;

	*ret = (struct account_before){ 0 };
	r = db_query(db, &q, err,
		     "SELECT id, live, hash FROM account WHERE org = ?1 AND account_id = ?2",
		     DB_I(org), DB_S(a->account_id));
	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r;
	stored = db_blob(q, 2);
	ret->id = db_int(q, 0);
	ret->live = db_int(q, 1) != 0;
	ret->same = ret->live && stored.len == HASH_BYTES &&
		    memcmp(stored.p, hash, HASH_BYTES) == 0;
	return 0;
}

#define FILLED                                                                                 \
	"directory, email, email_fold, name, external_id, issuer, status, type, managed,"      \
	" synced, can_disable, accepted, admin, org_admin, paths_known, tokens, added_ms,"     \
	" token_active_ms, last_active_ms, own_credential, roles, extra, hash, "               \
	"status_since_ms"

struct account_write {
	const struct account_row *row;
	struct str fold;
	const unsigned char *hash;
	int64_t now_ms;
};

#define FILLED_BINDS(w)                                                                        \
	DB_S((w)->row->directory), DB_S((w)->row->email), DB_S((w)->fold),                     \
		DB_S((w)->row->name), DB_S((w)->row->external_id), DB_S((w)->row->issuer),     \
		DB_I((w)->row->status), DB_I((w)->row->type), DB_I((w)->row->managed),         \
		DB_I((w)->row->synced), DB_I((w)->row->can_disable), DB_I((w)->row->accepted), \
		DB_I((w)->row->admin), DB_I((w)->row->org_admin), DB_I((w)->row->paths_known), \
		DB_I((w)->row->tokens), DB_I((w)->row->added_ms),                              \
		DB_I((w)->row->token_active_ms), DB_I((w)->row->last_active_ms),               \
		DB_I((w)->row->own_credential), DB_S((w)->row->roles), DB_S((w)->row->extra),  \
		DB_B((w)->hash, HASH_BYTES), DB_I((w)->now_ms)

static int account_insert(struct db *db, int64_t org, const struct account_write *w, bool live,
			  int64_t *ret, struct err *err)
{
	unsigned char salt[ACCOUNT_SALT_BYTES];
	int r;

	secret_random_bytes(salt, sizeof(salt));
	r = db_run(db, err,
		   "INSERT INTO account (" FILLED ", org, account_id, live, salt, first_ms,"
		   " change) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
		   " ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28,"
		   " ?24, ?29)",
		   FILLED_BINDS(w), DB_I(org), DB_S(w->row->account_id), DB_I(live),
		   DB_B(salt, sizeof(salt)), DB_I(db_next_change(db)));
	if (r == 0)
		*ret = db_last_id(db);
	return r;
}

/* A salt that was erased is made anew when the account is seen again. */
static int account_update(struct db *db, int64_t id, const struct account_write *w,
			  struct err *err)
{
	unsigned char salt[ACCOUNT_SALT_BYTES];

	secret_random_bytes(salt, sizeof(salt));
	return db_run(
		db, err,
		"UPDATE account SET directory = ?1, email = ?2, email_fold = ?3, name = ?4,"
		" external_id = ?5, issuer = ?6, status_since_ms ="
		" CASE WHEN status = ?7 AND live = 1 THEN status_since_ms ELSE ?24 END,"
		" status = ?7, type = ?8, managed = ?9, synced = ?10, can_disable = ?11,"
		" accepted = ?12, admin = ?13, org_admin = ?14, paths_known = ?15, tokens = "
		"?16,"
		" added_ms = ?17, token_active_ms = ?18, last_active_ms = ?19,"
		" own_credential = ?20, roles = ?21, extra = ?22, hash = ?23, live = 1,"
		" salt = CASE WHEN length(salt) = 0 THEN ?26 ELSE salt END, change = ?27"
		" WHERE id = ?25",
		FILLED_BINDS(w), DB_I(id), DB_B(salt, sizeof(salt)), DB_I(db_next_change(db)));
}

static int account_stage(struct db *db, int64_t org, int64_t id, const struct account_write *w,
			 struct err *err)
{
	return db_run(db, err,
		      "INSERT OR REPLACE INTO account_next (" FILLED
		      ", org, account_id, id, op)"
		      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
		      " ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, 1)",
		      FILLED_BINDS(w), DB_I(org), DB_S(w->row->account_id), DB_I(id));
}

/* A linked account's address belongs to its person from now on. */
static int account_address(struct db *db, int64_t id, const struct account_write *w,
			   struct err *err)
{
	if (w->fold.len == 0 || w->fold.len > STORE_KEY_BYTES)
		return 0;
	return db_run(db, err,
		      "INSERT INTO address (fold, person, first_ms, last_ms)"
		      " SELECT ?2, person, ?3, ?3 FROM account_link WHERE account = ?1"
		      " ON CONFLICT (fold, person) DO UPDATE SET last_ms = excluded.last_ms",
		      DB_I(id), DB_S(w->fold), DB_I(w->now_ms));
}

static int account_write(struct db *db, struct org_run *run, const struct account_before *b,
			 const struct account_write *w, int64_t *id, struct err *err)
{
	int r = 0;

	*id = b->id;
	if (b->id == 0)
		r = account_insert(db, run->org, w, run->direct, id, err);
	else if (run->direct)
		r = account_update(db, b->id, w, err);
	if (r == 0 && !run->direct)
		r = account_stage(db, run->org, *id, w, err);
	if (r == 0)
		r = account_address(db, *id, w, err);
	return r;
}

static int put_account(struct db *db, struct org_run *run, const struct account_row *row,
		       int64_t now_ms, int64_t *number, struct err *err)
{
	CLEANUP(free_at) char *folded = NULL;
	unsigned char hash[HASH_BYTES];
	struct account_write w = { .row = row, .hash = hash, .now_ms = now_ms };
	struct account_before before = { 0 };
	int64_t id = 0;
	bool again;
	int r;

	account_hash(row, hash);
	r = str_fold(str_trim(row->email), &folded, &w.fold.len, err);
	w.fold.p = folded;
	if (r == 0)
		r = account_find(db, run->org, row, hash, &before, err);
	if (r < 0)
		return r;
	again = before.id && marks_has(&run->accounts, before.id);
	id = before.id;
	if (!before.same)
		r = account_write(db, run, &before, &w, &id, err);
	else if (again && !run->direct)
		r = db_run(db, err, "DELETE FROM account_next WHERE id = ?1", DB_I(id));
	if (r == 0 && !again) {
		run->counts.accounts++;
		run->counts.accounts_changed += !before.same;
		run->accounts_seen_live += before.live;
		r = marks_set(&run->accounts, id, err);
	}
	if (r == 0)
		*number = id;
	return r;
}

int accounts_put(struct db *db, struct org_run *run, const struct account_row *rows,
		 size_t count, int64_t now_ms, int64_t *numbers, struct err *err)
{
	int64_t number = 0;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < count; i++) {
		if (rows[i].account_id.len == 0)
			return err_set(err, ERR_PROTOCOL, "an account without an account id");
		r = put_account(db, run, &rows[i], now_ms, &number, err);
		if (r == 0 && numbers)
			numbers[i] = number;
	}
	return r;
}

/* --- products, groups, grants ---------------------------------------------------------------
 */

int accounts_put_products(struct db *db, struct org_run *run, const struct product_row *rows,
			  size_t count, int64_t *numbers, struct err *err)
{
	int64_t number = 0;
	size_t i;
	int r = 0;

	/* few, and nothing is concluded from a product alone: written at once */
	for (i = 0; r == 0 && i < count; i++) {
		r = db_run(db, err,
			   "INSERT INTO product (org, key, site, resource, capacity)"
			   " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (org, key, site) DO UPDATE"
			   " SET resource = excluded.resource, capacity = excluded.capacity"
			   " WHERE resource <> excluded.resource OR capacity <>"
			   " excluded.capacity",
			   DB_I(run->org), DB_S(rows[i].key), DB_S(rows[i].site),
			   DB_S(rows[i].resource), DB_I(rows[i].capacity));
		if (r == 0)
			r = db_one(db, &number, err,
				   "SELECT id FROM product WHERE org = ?1 AND key = ?2"
				   " AND site = ?3",
				   DB_I(run->org), DB_S(rows[i].key), DB_S(rows[i].site));
		if (r == 0 && numbers)
			numbers[i] = number;
	}
	return r;
}

#define GROUP_BINDS(run, g)                                                                    \
	DB_I((run)->org), DB_S((g)->group_id), DB_S((g)->name), DB_S((g)->directory),          \
		DB_I((g)->synced), DB_I((g)->modifiable), DB_I((g)->admin)

/* Number of the group; *same: live and as told. */
static int group_find(struct db *db, const struct org_run *run, const struct org_group_row *g,
		      int64_t *id, bool *same, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	*id = 0;
	*same = false;
	r = db_query(db, &q, err,
		     "SELECT id, live = 1 AND name = ?3 AND directory = ?4 AND synced = ?5"
		     " AND modifiable = ?6 AND admin = ?7 FROM org_group"
		     " WHERE org = ?1 AND group_id = ?2",
		     GROUP_BINDS(run, g));
	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r;
	*id = db_int(q, 0);
	*same = db_int(q, 1) != 0;
	return 0;
}

static int put_group(struct db *db, struct org_run *run, const struct org_group_row *g,
		     int64_t *number, struct err *err)
{
	bool same = false;
	int r;

	r = group_find(db, run, g, number, &same, err);
	if (r == 0 && *number == 0) {
		r = db_run(db, err,
			   "INSERT INTO org_group (org, group_id, name, directory, synced,"
			   " modifiable, admin, live) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
			   GROUP_BINDS(run, g), DB_I(run->direct));
		*number = db_last_id(db);
	} else if (r == 0 && !same && run->direct) {
		r = db_run(db, err,
			   "UPDATE org_group SET name = ?3, directory = ?4, synced = ?5,"
			   " modifiable = ?6, admin = ?7, live = 1"
			   " WHERE org = ?1 AND group_id = ?2",
			   GROUP_BINDS(run, g));
	}
	if (r == 0 && !same && !run->direct)
		r = db_run(db, err,
			   "INSERT OR REPLACE INTO org_group_next (org, group_id, name,"
			   " directory, synced, modifiable, admin, id, op)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1)",
			   GROUP_BINDS(run, g), DB_I(*number));
	if (r < 0)
		return r;
	run->counts.groups += !marks_has(&run->groups, *number);
	return marks_set(&run->groups, *number, err);
}

int accounts_put_groups(struct db *db, struct org_run *run, const struct org_group_row *rows,
			size_t count, int64_t *numbers, struct err *err)
{
	int64_t number = 0;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < count; i++) {
		r = put_group(db, run, &rows[i], &number, err);
		if (r == 0 && numbers)
			numbers[i] = number;
	}
	return r;
}

static int put_grant(struct db *db, struct org_run *run, const struct grant_row *g,
		     struct err *err)
{
	static const char *const put[] = {
		"INSERT OR REPLACE INTO org_grant_next (org, grp, product, role, is_default,"
		" billable, op) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)",
		"INSERT INTO org_grant (org, grp, product, role, is_default, billable)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (org, grp, product, role)"
		" DO UPDATE SET is_default = excluded.is_default, billable = excluded.billable",
	};
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int64_t id = 0;
	bool same = false;
	int r;

	r = db_query(db, &q, err,
		     "SELECT id, is_default = ?5 AND billable = ?6 FROM org_grant"
		     " WHERE org = ?1 AND grp = ?2 AND product = ?3 AND role = ?4",
		     DB_I(run->org), DB_I(g->group), DB_I(g->product), DB_S(g->role),
		     DB_I(g->is_default), DB_I(g->billable));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r == DB_ROW) {
		id = db_int(q, 0);
		same = db_int(q, 1) != 0;
	}
	stmt_done_at(&q);
	r = 0;
	if (!same)
		r = db_run(db, err, put[run->direct], DB_I(run->org), DB_I(g->group),
			   DB_I(g->product), DB_S(g->role), DB_I(g->is_default),
			   DB_I(g->billable));
	if (r == 0 && run->direct && id == 0)
		id = db_last_id(db);
	run->counts.grants++;
	return r < 0 || id == 0 ? r : marks_set(&run->grants, id, err);
}

int accounts_put_grants(struct db *db, struct org_run *run, const struct grant_row *rows,
			size_t count, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < count; i++)
		r = put_grant(db, run, &rows[i], err);
	return r;
}

/* --- members --------------------------------------------------------------------------------
 */

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int members_before(struct db *db, const struct org_run *run, int64_t group,
			  struct vec_u32 *into, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT account FROM org_member WHERE org = ?1 AND grp = ?2"
		     " ORDER BY account",
		     DB_I(run->org), DB_I(group));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW)
		r = vec_u32_add(into, (uint32_t)db_int(q, 0)) < 0 ? err_nomem(err) : 0;
	return r;
}

static int member_change(struct db *db, const struct org_run *run, int64_t group,
			 uint32_t account, bool add, struct err *err)
{
	if (!run->direct)
		return db_run(db, err,
			      "INSERT OR REPLACE INTO org_member_next (org, grp, account, op)"
			      " VALUES (?1, ?2, ?3, ?4)",
			      DB_I(run->org), DB_I(group), DB_I(account), DB_I(add));
	if (add)
		return db_run(db, err,
			      "INSERT OR IGNORE INTO org_member (org, grp, account)"
			      " VALUES (?1, ?2, ?3)",
			      DB_I(run->org), DB_I(group), DB_I(account));
	return db_run(db, err,
		      "DELETE FROM org_member WHERE org = ?1 AND grp = ?2 AND account = ?3",
		      DB_I(run->org), DB_I(group), DB_I(account));
}

/* Walks both sorted lists and writes where they differ. */
static int members_diff(struct db *db, const struct org_run *run, int64_t group,
			const struct vec_u32 *before, const struct vec_u32 *now, bool whole,
			struct err *err)
{
	size_t i = 0, k = 0;
	int r = 0;

	while (r == 0 && (i < before->n || k < now->n)) {
		if (k == now->n || (i < before->n && before->v[i] < now->v[k])) {
			if (whole)
				r = member_change(db, run, group, before->v[i], false, err);
			i++;
		} else if (i == before->n || now->v[k] < before->v[i]) {
			r = member_change(db, run, group, now->v[k], true, err);
			k++;
		} else {
			i++;
			k++;
		}
	}
	return r;
}

static int members_sorted(const uint32_t *accounts, size_t count, struct vec_u32 *into,
			  struct err *err)
{
	size_t i, n = 0;

	if (count == 0)
		return 0;
	if (vec_u32_reserve(into, count) < 0)
		return err_nomem(err);
	memcpy(into->v, accounts, count * sizeof(accounts[0]));
	qsort(into->v, count, sizeof(accounts[0]), by_number);
	for (i = 0; i < count; i++)
		if (n == 0 || into->v[n - 1] != into->v[i])
			into->v[n++] = into->v[i];
	into->n = n;
	return 0;
}

int accounts_put_member_early(struct db *db, struct org_run *run, int64_t group,
			      int64_t account, struct err *err)
{
	return run->direct ? member_change(db, run, group, (uint32_t)account, true, err) : 0;
}

int accounts_put_members(struct db *db, struct org_run *run, int64_t group,
			 const uint32_t *accounts, size_t count, bool whole, struct err *err)
{
	CLEANUP(vec_u32_done) struct vec_u32 before = { 0 };
	CLEANUP(vec_u32_done) struct vec_u32 now = { 0 };
	int r = 0;

	if (marks_has(&run->members_of, group) && !run->direct)
		r = db_run(db, err, "DELETE FROM org_member_next WHERE org = ?1 AND grp = ?2",
			   DB_I(run->org), DB_I(group));
	if (r == 0)
		r = members_before(db, run, group, &before, err);
	if (r == 0)
		r = members_sorted(accounts, count, &now, err);
	if (r == 0)
		r = members_diff(db, run, group, &before, &now, whole, err);
	if (r < 0)
		return r;
	run->counts.members += (int64_t)now.n;
	return marks_set(&run->members_of, group, err);
}

/* --- roles ----------------------------------------------------------------------------------
 */

static int role_write(struct db *db, const struct org_run *run, const struct role_row *row,
		      bool add, struct err *err)
{
	if (!run->direct)
		return db_run(db, err,
			      "INSERT OR REPLACE INTO org_role_next (org, account, product,"
			      " role, inferred, billable, op)"
			      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			      DB_I(run->org), DB_I(row->account), DB_I(row->product),
			      DB_S(row->role), DB_I(row->inferred), DB_I(row->billable),
			      DB_I(add));
	if (add)
		return db_run(db, err,
			      "INSERT INTO org_role (org, account, product, role, inferred,"
			      " billable) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
			      " ON CONFLICT (account, product, role) DO UPDATE SET"
			      " inferred = excluded.inferred, billable = excluded.billable",
			      DB_I(run->org), DB_I(row->account), DB_I(row->product),
			      DB_S(row->role), DB_I(row->inferred), DB_I(row->billable));
	return db_run(db, err,
		      "DELETE FROM org_role WHERE account = ?1 AND product = ?2 AND role = ?3",
		      DB_I(row->account), DB_I(row->product), DB_S(row->role));
}

static bool same_role(const struct role_row *a, const struct role_row *b)
{
	return a->product == b->product && str_eq(a->role, b->role);
}

static const struct role_row *role_among(const struct role_row *rows, size_t count,
					 const struct role_row *one)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (same_role(&rows[i], one))
			return &rows[i];
	return NULL;
}

static void role_take(struct stmt *q, struct role_row *row)
{
	*row = (struct role_row){ .account = db_int(q, 0),
				  .product = db_int(q, 1),
				  .role = db_text(q, 2),
				  .inferred = db_int(q, 3) != 0,
				  .billable = (enum tri)db_int(q, 4) };
}

int accounts_put_roles(struct db *db, struct org_run *run, int64_t account,
		       const struct role_row *rows, size_t count, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct marks kept = { 0 };
	size_t i;
	int r = 0;

	if (marks_has(&run->roles_of, account) && !run->direct)
		r = db_run(db, err, "DELETE FROM org_role_next WHERE account = ?1",
			   DB_I(account));
	/* an account has a handful of roles: each is looked for among the others */
	if (r == 0)
		r = db_query(db, &q, err,
			     "SELECT account, product, role, inferred, billable FROM org_role"
			     " WHERE account = ?1",
			     DB_I(account));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct role_row old;
		const struct role_row *now;

		role_take(q, &old);
		now = role_among(rows, count, &old);
		r = 0;
		if (!now)
			r = role_write(db, run, &old, false, err);
		else if (now->inferred == old.inferred && now->billable == old.billable)
			r = marks_set(&kept, now - rows, err);
	}
	stmt_done_at(&q);
	for (i = 0; r == 0 && i < count; i++) {
		struct role_row row = rows[i];

		if (row.role.len > STORE_KEY_BYTES)
			r = err_set(err, ERR_PROTOCOL, "a role's name has %zu bytes",
				    row.role.len);

		row.account = account;
		if (r == 0 && !marks_has(&kept, (int64_t)i))
			r = role_write(db, run, &row, true, err);
	}
	marks_done(&kept);
	return r < 0 ? r : marks_set(&run->roles_of, account, err);
}

/* --- seats ----------------------------------------------------------------------------------
 */

static int put_seat(struct db *db, struct org_run *run, const struct seat_row *s,
		    struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int64_t id = 0;
	bool same = false;
	int r;

	r = db_query(db, &q, err,
		     "SELECT id, last_active_ms = ?3 AND (?4 = 0 OR added_ms = ?4) FROM seat"
		     " WHERE account = ?1 AND product = ?2",
		     DB_I(s->account), DB_I(s->product), DB_I(s->last_active_ms),
		     DB_I(s->added_ms));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r == DB_ROW) {
		id = db_int(q, 0);
		same = db_int(q, 1) != 0;
	}
	stmt_done_at(&q);
	r = 0;
	if (!same && run->direct) {
		r = db_run(db, err,
			   "INSERT INTO seat (org, account, product, last_active_ms, added_ms,"
			   " change) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (account,"
			   " product) DO UPDATE SET last_active_ms = excluded.last_active_ms,"
			   " added_ms = CASE WHEN excluded.added_ms <> 0 THEN"
			   " excluded.added_ms ELSE seat.added_ms END,"
			   " change = excluded.change",
			   DB_I(run->org), DB_I(s->account), DB_I(s->product),
			   DB_I(s->last_active_ms), DB_I(s->added_ms),
			   DB_I(db_next_change(db)));
		if (id == 0)
			id = db_last_id(db);
	} else if (!same) {
		r = db_run(db, err,
			   "INSERT OR REPLACE INTO seat_next (org, account, product,"
			   " last_active_ms, added_ms, op) VALUES (?1, ?2, ?3, ?4, ?5, 1)",
			   DB_I(run->org), DB_I(s->account), DB_I(s->product),
			   DB_I(s->last_active_ms), DB_I(s->added_ms));
	}
	if (r < 0)
		return r;
	run->counts.seats++;
	run->counts.seats_changed += !same;
	if (id == 0 || marks_has(&run->seats, id))
		return 0;
	run->seats_seen++;
	return marks_set(&run->seats, id, err);
}

int accounts_put_seats(struct db *db, struct org_run *run, const struct seat_row *rows,
		       size_t count, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < count; i++)
		r = put_seat(db, run, &rows[i], err);
	return r;
}

int accounts_weigh(struct db *db, struct org_run *run, struct org_counts *ret, struct err *err)
{
	(void)db;
	(void)err;
	run->counts.accounts_missing = run->counts.accounts_before - run->accounts_seen_live;
	run->counts.seats_missing = run->counts.seats_before - run->seats_seen;
	if (run->direct)
		run->counts.accounts_missing = run->counts.seats_missing = 0;
	*ret = run->counts;
	return 0;
}

/* --- the end --------------------------------------------------------------------------------
 */

/* ?1 organisation, ?2 a change number, ?3 now; in this order. */
static const char *const apply_sql[] = {
	"UPDATE account SET directory = n.directory, email = n.email,"
	" email_fold = n.email_fold, name = n.name, external_id = n.external_id,"
	" issuer = n.issuer, status_since_ms = CASE WHEN account.status = n.status AND"
	" account.live = 1 THEN account.status_since_ms ELSE ?3 END, status = n.status,"
	" type = n.type, managed = n.managed, synced = n.synced, can_disable = n.can_disable,"
	" accepted = n.accepted, admin = n.admin, org_admin = n.org_admin,"
	" paths_known = n.paths_known, tokens = n.tokens, added_ms = n.added_ms,"
	" token_active_ms = n.token_active_ms, last_active_ms = n.last_active_ms,"
	" own_credential = n.own_credential, roles = n.roles, extra = n.extra, hash = n.hash,"
	" live = 1, salt = CASE WHEN length(account.salt) = 0 THEN randomblob(16) ELSE"
	" account.salt END, change = ?2 FROM account_next n"
	" WHERE n.id = account.id AND n.org = ?1",
	"UPDATE org_group SET name = n.name, directory = n.directory, synced = n.synced,"
	" modifiable = n.modifiable, admin = n.admin, live = 1 FROM org_group_next n"
	" WHERE n.id = org_group.id AND n.org = ?1 AND ?2 > 0 AND ?3 > 0",
	"INSERT INTO org_grant (org, grp, product, role, is_default, billable)"
	" SELECT org, grp, product, role, is_default, billable FROM org_grant_next"
	" WHERE org = ?1 AND ?2 > 0 AND ?3 > 0 ON CONFLICT (org, grp, product, role) DO UPDATE"
	" SET is_default = excluded.is_default, billable = excluded.billable",
	"DELETE FROM org_member WHERE (org, grp, account) IN (SELECT org, grp, account"
	" FROM org_member_next WHERE org = ?1 AND op = 0 AND ?2 > 0 AND ?3 > 0)",
	"INSERT OR IGNORE INTO org_member (org, grp, account) SELECT org, grp, account"
	" FROM org_member_next WHERE org = ?1 AND op = 1 AND ?2 > 0 AND ?3 > 0",
	"DELETE FROM org_role WHERE (account, product, role) IN (SELECT account, product, role"
	" FROM org_role_next WHERE org = ?1 AND op = 0 AND ?2 > 0 AND ?3 > 0)",
	"INSERT INTO org_role (org, account, product, role, inferred, billable)"
	" SELECT org, account, product, role, inferred, billable FROM org_role_next"
	" WHERE org = ?1 AND op = 1 AND ?2 > 0 AND ?3 > 0 ON CONFLICT (account, product, role)"
	" DO UPDATE SET inferred = excluded.inferred, billable = excluded.billable",
	/* a seat that was not there before was added since, whatever its account is as old as
	 */
	"INSERT INTO seat (org, account, product, last_active_ms, added_ms, change)"
	" SELECT n.org, n.account, n.product, n.last_active_ms, CASE WHEN n.added_ms <> 0 THEN"
	" n.added_ms ELSE coalesce((SELECT s.added_ms FROM seat s WHERE s.account = n.account"
	" AND s.product = n.product), ?3) END, ?2 FROM seat_next n"
	" WHERE n.org = ?1 ON CONFLICT (account, product) DO UPDATE SET"
	" last_active_ms = excluded.last_active_ms, added_ms = excluded.added_ms,"
	" change = excluded.change",
};

/* plausible false: what was read is kept, that something was not read says nothing. */
static int apply(struct db *db, const struct org_run *run, bool plausible, int64_t now_ms,
		 struct err *err)
{
	int64_t change = db_next_change(db);
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < COUNT_OF(apply_sql); i++)
		if (plausible || strncmp(apply_sql[i], "DELETE", 6) != 0)
			r = db_run(db, err, apply_sql[i], DB_I(run->org), DB_I(change),
				   DB_I(now_ms));
	return r < 0 ? r : clear_next(db, run->org, err);
}

/* Runs `with` (?1 the number) for each row of `all` (?1 the organisation) without a mark. */
static int remove_unseen(struct db *db, int64_t org, const struct marks *seen, const char *all,
			 const char *with, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err, all, DB_I(org));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		int64_t id = db_int(q, 0);

		r = marks_has(seen, id) ? 0 : db_run(db, err, with, DB_I(id));
	}
	return r;
}

static int remove_parts(struct db *db, const struct org_run *run, unsigned whole,
			struct err *err)
{
	const struct {
		unsigned part;
		const struct marks *seen;
		const char *all, *with;
	} rows[] = {
		{ ORG_PART_SEATS, &run->seats,
		  "SELECT s.id FROM seat s WHERE s.org = ?1 AND NOT EXISTS (SELECT 1 FROM"
		  " seat_next n WHERE n.account = s.account AND n.product = s.product)",
		  "DELETE FROM seat WHERE id = ?1" },
		{ ORG_PART_GRANTS, &run->grants, "SELECT id FROM org_grant WHERE org = ?1",
		  "DELETE FROM org_grant WHERE id = ?1" },
		{ ORG_PART_MEMBERS, &run->members_of,
		  "SELECT DISTINCT grp FROM org_member WHERE org = ?1",
		  "DELETE FROM org_member WHERE grp = ?1" },
		{ ORG_PART_ROLES, &run->roles_of,
		  "SELECT DISTINCT account FROM org_role WHERE org = ?1",
		  "DELETE FROM org_role WHERE account = ?1" },
		{ ORG_PART_GROUPS, &run->groups,
		  "SELECT id FROM org_group WHERE org = ?1 AND live = 1",
		  "UPDATE org_group SET live = 0 WHERE id = ?1" },
		{ ORG_PART_ACCOUNTS, &run->accounts,
		  "SELECT id FROM account WHERE org = ?1 AND live = 1",
		  "UPDATE account SET live = 0 WHERE id = ?1" },
	};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < COUNT_OF(rows); i++)
		if (whole & rows[i].part)
			r = remove_unseen(db, run->org, rows[i].seen, rows[i].all, rows[i].with,
					  err);
	return r;
}

/* What hangs on accounts and groups that are no more. */
static const char *const remove_orphaned_sql[] = {
	"DELETE FROM seat WHERE org = ?1 AND account IN"
	" (SELECT id FROM account WHERE org = ?1 AND live = 0)",
	"DELETE FROM org_role WHERE org = ?1 AND account IN"
	" (SELECT id FROM account WHERE org = ?1 AND live = 0)",
	"DELETE FROM org_member WHERE org = ?1 AND grp IN"
	" (SELECT id FROM org_group WHERE org = ?1 AND live = 0)",
	"DELETE FROM org_grant WHERE org = ?1 AND grp IN"
	" (SELECT id FROM org_group WHERE org = ?1 AND live = 0)",
};

static int remove_all(struct db *db, struct org_run *run, unsigned whole, struct err *err)
{
	size_t i;
	int r;

	r = remove_parts(db, run, whole, err);
	for (i = 0; r == 0 && i < COUNT_OF(remove_orphaned_sql); i++)
		r = db_run(db, err, remove_orphaned_sql[i], DB_I(run->org));
	return r;
}

static int end_rows(struct db *db, const struct org_run *run, unsigned whole, bool plausible,
		    const char *reason, int64_t now_ms, struct err *err)
{
	bool complete = (whole & ORG_PART_ALL) == ORG_PART_ALL;
	int r;

	r = db_run(db, err,
		   "UPDATE org SET generation = ?2, ended_ms = ?3, complete = ?4,"
		   " plausible = ?5, reason = ?6, accounts = (SELECT count(*) FROM account"
		   " WHERE org = ?1 AND live = 1), seats = (SELECT count(*) FROM seat"
		   " WHERE org = ?1) WHERE id = ?1",
		   DB_I(run->org), DB_I(run->generation), DB_I(now_ms), DB_I(complete),
		   DB_I(plausible), DB_T(reason));
	if (r == 0)
		r = db_run(db, err,
			   "UPDATE org_read SET ended_ms = ?3, complete = ?4, plausible = ?5,"
			   " whole = ?6, reason = ?7, accounts = ?8, seats = ?9"
			   " WHERE org = ?1 AND generation = ?2",
			   DB_I(run->org), DB_I(run->generation), DB_I(now_ms), DB_I(complete),
			   DB_I(plausible), DB_I(whole), DB_T(reason),
			   DB_I(run->counts.accounts), DB_I(run->counts.seats));
	return r;
}

int accounts_end(struct db *db, struct org_run *run, unsigned whole, bool plausible,
		 const char *reason, int64_t now_ms, struct err *err)
{
	int64_t other = 0;
	int r = db_one(db, &other, err, "SELECT other FROM org WHERE id = ?1", DB_I(run->org));

	/* before what is new comes in: that has no marks */
	if (r == 0 && plausible && !other)
		r = remove_all(db, run, whole, err);
	if (r == 0 && !run->direct)
		r = other ? clear_next(db, run->org, err)
			  : apply(db, run, plausible, now_ms, err);
	(void)db_next_change(db);
	if (r == 0)
		r = end_rows(db, run, whole, plausible, reason, now_ms, err);
	return r;
}

/* --- what applying saw ----------------------------------------------------------------------
 */

static int seen_row(struct db *db, struct org_run *run, const struct account_row *row,
		    int64_t now_ms, int64_t *number, struct err *err)
{
	int r;

	r = accounts_number(db, run->org, row->account_id, number, err);
	if (r != 0)
		return r;
	return put_account(db, run, row, now_ms, number, err);
}

static int seen_groups(struct db *db, int64_t org, int64_t account, const uint32_t *groups,
		       size_t count, struct err *err)
{
	size_t i;
	int r;

	r = db_run(db, err, "DELETE FROM org_member WHERE account = ?1", DB_I(account));
	for (i = 0; r == 0 && i < count; i++)
		r = db_run(db, err,
			   "INSERT OR IGNORE INTO org_member (org, grp, account)"
			   " VALUES (?1, ?2, ?3)",
			   DB_I(org), DB_I(groups[i]), DB_I(account));
	return r;
}

static bool product_among(const struct seat_row *seats, size_t count, int64_t product)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (seats[i].product == product)
			return true;
	return false;
}

/* Seats that stay keep their number, by which a collection under way knows that it saw them. */
static int seen_seats(struct db *db, struct org_run *run, int64_t account,
		      const struct seat_row *seats, size_t count, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	size_t i;
	int r;

	r = db_query(db, &q, err, "SELECT id, product FROM seat WHERE account = ?1",
		     DB_I(account));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW)
		r = product_among(seats, count, db_int(q, 1))
			    ? 0
			    : db_run(db, err, "DELETE FROM seat WHERE id = ?1",
				     DB_I(db_int(q, 0)));
	stmt_done_at(&q);
	for (i = 0; r == 0 && i < count; i++) {
		struct seat_row s = seats[i];

		s.account = account;
		r = put_seat(db, run, &s, err);
	}
	return r < 0 ? r
		     : db_run(db, err,
			      "UPDATE org SET seats = (SELECT count(*) FROM seat"
			      " WHERE org = ?1) WHERE id = ?1",
			      DB_I(run->org));
}

static const char *const unstage_sql[] = {
	"DELETE FROM account_next WHERE id IN (SELECT id FROM account WHERE org = ?1"
	" AND account_id = ?2)",
	"DELETE FROM seat_next WHERE account IN (SELECT id FROM account WHERE org = ?1"
	" AND account_id = ?2)",
	"DELETE FROM org_role_next WHERE account IN (SELECT id FROM account WHERE org = ?1"
	" AND account_id = ?2)",
	"DELETE FROM org_member_next WHERE org = ?1 AND account IN (SELECT id FROM account"
	" WHERE org = ?1 AND account_id = ?2)",
};

int accounts_seen(struct db *db, int64_t org, const struct account_seen *seen, int64_t now_ms,
		  struct err *err)
{
	/* written in place, as in a first generation: one account at one moment */
	CLEANUP(org_run_free_at) struct org_run *run = calloc(1, sizeof(*run));
	int64_t number = 0;
	size_t i;
	int r = 0;

	if (!run)
		return err_nomem(err);
	run->org = org;
	run->direct = true;
	/* what a collection under way staged about it is older than this */
	for (i = 0; r == 0 && i < COUNT_OF(unstage_sql); i++)
		r = db_run(db, err, unstage_sql[i], DB_I(org), DB_S(seen->row->account_id));
	if (r == 0)
		r = seen_row(db, run, seen->row, now_ms, &number, err);
	if (r != 0)
		return r;
	if (seen->groups)
		r = seen_groups(db, org, number, seen->groups, seen->group_count, err);
	if (r == 0 && seen->roles)
		r = accounts_put_roles(db, run, number, seen->roles, seen->role_count, err);
	if (r == 0 && seen->seats)
		r = seen_seats(db, run, number, seen->seats, seen->seat_count, err);
	(void)db_next_change(db);
	return r;
}
