#include "bridge/rounds.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "atlassian/collect.h"
#include "atlassian/kept.h"
#include "base/digest.h"
#include "base/enc.h"
#include "base/log.h"
#include "base/map.h"
#include "base/stamp.h"
#include "bridge/clients.h"
#include "bridge/idmap.h"
#include "bridge/progress.h"
#include "model/snapshot.h"
#include "store/accounts.h"
#include "store/audit.h"
#include "store/ledger.h"
#include "store/writer.h"

#define KEPT_FRONT "collect-"
#define KEPT_BACK ".pages"

/* Accounts that go to the writer at once. */
#define COLLECT_BATCH 200

/* Memory that lives as long as a batch (or the collection). */
struct chunk {
	struct chunk *next;
	size_t used, room;
	char bytes[];
};

static int chunk_keep(struct chunk **chunks, struct str s, struct str *ret, struct err *err)
{
	struct chunk *c = *chunks;

	if (!c || c->room - c->used < s.len) {
		size_t room = s.len > 65536 ? s.len : 65536;

		c = malloc(sizeof(*c) + room);
		if (!c)
			return err_nomem(err);
		*c = (struct chunk){ .next = *chunks, .room = room };
		*chunks = c;
	}
	if (s.len)
		memcpy(c->bytes + c->used, s.p, s.len);
	*ret = str_n(c->bytes + c->used, s.len);
	c->used += s.len;
	return 0;
}

static void chunks_free(struct chunk **chunks)
{
	while (*chunks) {
		struct chunk *c = *chunks;

		*chunks = c->next;
		free(c);
	}
}

/* An id that Atlassian gave, and the store's number for it. */
struct numbered {
	UT_hash_handle hh;
	struct str id;
	uint32_t index; /* dense, in order of coming */
	int64_t number; /* 0 until it was put */
};

struct pending_group {
	struct org_group_row row;
	struct numbered *id;
};

struct pending_grant {
	struct numbered *group, *product;
	struct grant_row row;
};

struct pending_seat {
	uint32_t account; /* index */
	struct numbered *product;
	int64_t last_active_ms;
};

struct pending_role {
	uint32_t account;
	struct numbered *product;
	struct role_row row;
};

VEC(pending_groups, struct pending_group);
VEC(pending_grants, struct pending_grant);
VEC(pending_seats, struct pending_seat);
VEC(pending_roles, struct pending_role);
VEC(member_pairs, uint64_t); /* index of the group, and of the account */
VEC(numbered_list, struct numbered *);
VEC(product_rows, struct product_row);
VEC(u32s, uint32_t);

struct collect {
	struct app *app;
	const struct config_org *org;
	const atomic_bool *cancel;
	int64_t org_id;
	struct org_run *run;
	struct chunk *batch_text, *text; /* of a batch; of the whole collection */
	struct numbered *groups, *products;
	struct numbered_list group_at; /* by index */
	struct idmap accounts;
	struct u32s account_numbers; /* the store's, by index; 0 until it was put */
	struct product_rows product_rows;
	struct pending_groups pending_groups;
	struct pending_grants pending_grants;
	struct account_row rows[COLLECT_BATCH];
	uint32_t row_index[COLLECT_BATCH];
	size_t n;
	struct pending_seats seats;
	struct pending_roles roles;
	struct member_pairs members;
	struct atl_kept *kept; /* NULL: none */
	size_t kept_used;      /* of them, when progress was told last */
	size_t members_early;  /* so many of them were given to the store at once */
	bool frame_put;        /* products, groups and grants were put */
	char identity[128];
	struct atl_result result;
	struct org_counts counts;
	int64_t accepted; /* accounts of an implausible read that a person accepted; -1: none */
	bool plausible;
	char reason[ERR_TEXT_BYTES];
};

/* Settings of the organisation, as numbers. */
static const char setting_aside[] = "collect_aside";       /* accounts of the newest read, where
							      it was implausible */
static const char setting_accepted[] = "collect_accepted"; /* the same, accepted by a person */

/* --- ids -----------------------------------------------------------------------------------
 */

static int number_id(struct collect *c, struct numbered **map, struct str id, bool make,
		     struct numbered **ret, struct err *err)
{
	struct numbered *found = NULL;
	int r;

	HASH_FIND(hh, *map, id.p, id.len, found);
	if (!found && make) {
		found = calloc(1, sizeof(*found));
		if (!found)
			return err_nomem(err);
		found->index = HASH_COUNT(*map);
		r = chunk_keep(&c->text, id, &found->id, err);
		if (r == 0)
			HASH_ADD_KEYPTR(hh, *map, found->id.p, found->id.len, found);
		if (r < 0 || !MAP_ADDED(found)) {
			free(found);
			return r < 0 ? r : err_nomem(err);
		}
	}
	*ret = found;
	return 0;
}

static void numbers_free(struct numbered **map)
{
	struct numbered *each, *next;

	HASH_ITER (hh, *map, each, next) {
		HASH_DEL(*map, each);
		free(each);
	}
}

/* --- what comes ----------------------------------------------------------------------------
 */

static int on_org(void *ctx, const struct atl_org *row, struct err *err)
{
	struct collect *c = ctx;

	if (row->id.len >= sizeof(c->identity))
		return err_set(err, ERR_PROTOCOL, "the organisation's id is too long");
	memcpy(c->identity, row->id.p, row->id.len);
	c->identity[row->id.len] = '\0';
	return 0;
}

static int on_resource(void *ctx, const struct atl_resource *row, struct err *err)
{
	struct collect *c = ctx;
	struct product_row product = { 0 };
	struct numbered *id;
	int r;

	/* those of other sites too: a group that also gives one of them is not to be taken away
	 * for one of ours. Seats come of our sites only. */
	r = number_id(c, &c->products, row->id, true, &id, err);
	if (r < 0 || id->index < c->product_rows.n)
		return r;
	product.resource = id->id;
	product.capacity = row->capacity > 0 ? row->capacity : 0;
	r = chunk_keep(&c->text, row->key, &product.key, err);
	if (r == 0)
		r = chunk_keep(&c->text, row->site, &product.site, err);
	if (r == 0 && product_rows_add(&c->product_rows, product) < 0)
		r = err_nomem(err);
	return r;
}

static int on_group(void *ctx, const struct atl_group *row, struct err *err)
{
	struct collect *c = ctx;
	struct pending_group g = { 0 };
	int r;

	r = number_id(c, &c->groups, row->id, true, &g.id, err);
	if (r == 0 && g.id->index == c->group_at.n && numbered_list_add(&c->group_at, g.id) < 0)
		r = err_nomem(err);
	if (r < 0)
		return r;
	g.row = (struct org_group_row){
		.group_id = g.id->id,
		.synced = row->synced,
		.modifiable = row->modifiable,
		.admin = row->admin,
	};
	r = chunk_keep(&c->text, row->name, &g.row.name, err);
	if (r == 0)
		r = chunk_keep(&c->text, row->directory, &g.row.directory, err);
	if (r == 0 && pending_groups_add(&c->pending_groups, g) < 0)
		r = err_nomem(err);
	return r;
}

static int on_grant(void *ctx, const struct atl_grant *row, struct err *err)
{
	struct collect *c = ctx;
	struct pending_grant g = { 0 };
	int r;

	r = number_id(c, &c->groups, row->group, false, &g.group, err);
	if (r == 0)
		r = number_id(c, &c->products, row->resource, false, &g.product, err);
	if (r < 0 || !g.group || !g.product)
		return r;
	g.row.is_default = row->is_default;
	g.row.billable = row->billable;
	r = chunk_keep(&c->text, row->role, &g.row.role, err);
	if (r == 0 && pending_grants_add(&c->pending_grants, g) < 0)
		r = err_nomem(err);
	return r;
}

static int flush(struct collect *c, struct err *err);

static int on_account(void *ctx, const struct atl_account *row, struct err *err)
{
	struct collect *c = ctx;
	struct account_row *a;
	int r;

	if (c->n == COLLECT_BATCH) {
		r = flush(c, err);
		if (r < 0)
			return r;
	}
	a = &c->rows[c->n];
	*a = (struct account_row){
		.status = row->status,
		.type = row->type,
		.managed = row->managed,
		.synced = row->synced,
		.can_disable = row->can_disable,
		.accepted = row->accepted,
		.admin = row->admin,
		.org_admin = row->org_admin,
		.paths_known = row->paths_known,
		.tokens = row->tokens,
		.added_ms = row->added_ms,
		.token_active_ms = row->token_active_ms,
		.last_active_ms = row->last_active_ms,
		.own_credential = row->own,
	};
	r = idmap_add(&c->accounts, row->id, &c->row_index[c->n], err);
	if (r == 0 && c->row_index[c->n] == c->account_numbers.n &&
	    u32s_add(&c->account_numbers, 0) < 0)
		r = err_nomem(err);
	if (r == 0)
		r = chunk_keep(&c->batch_text, row->id, &a->account_id, err);
	if (r == 0)
		r = chunk_keep(&c->batch_text, row->directory, &a->directory, err);
	if (r == 0)
		r = chunk_keep(&c->batch_text, row->email, &a->email, err);
	if (r == 0)
		r = chunk_keep(&c->batch_text, row->name, &a->name, err);
	if (r == 0)
		r = chunk_keep(&c->batch_text, row->roles, &a->roles, err);
	c->n += r == 0;
	return r;
}

static int on_member(void *ctx, struct str account, struct str group, struct err *err)
{
	struct collect *c = ctx;
	uint32_t index = idmap_find(&c->accounts, account);
	struct numbered *of;
	int r;

	r = number_id(c, &c->groups, group, false, &of, err);
	if (r < 0 || index == IDMAP_NONE || !of)
		return r;
	return member_pairs_add(&c->members, (uint64_t)of->index << 32 | index) < 0
		       ? err_nomem(err)
		       : 0;
}

static int on_seat(void *ctx, const struct atl_seat *row, struct err *err)
{
	struct collect *c = ctx;
	struct pending_seat s = { .account = idmap_find(&c->accounts, row->account),
				  .last_active_ms = row->last_active_ms };
	int r;

	r = number_id(c, &c->products, row->resource, false, &s.product, err);
	if (r < 0 || s.account == IDMAP_NONE || !s.product)
		return r;
	return pending_seats_add(&c->seats, s) < 0 ? err_nomem(err) : 0;
}

static int on_role(void *ctx, const struct atl_role *row, struct err *err)
{
	struct collect *c = ctx;
	struct pending_role p = { .account = idmap_find(&c->accounts, row->account) };
	int r;

	r = number_id(c, &c->products, row->resource, false, &p.product, err);
	if (r < 0 || p.account == IDMAP_NONE || !p.product)
		return r;
	p.row.inferred = row->inferred;
	p.row.billable = row->billable;
	r = chunk_keep(&c->batch_text, row->role, &p.row.role, err);
	if (r == 0 && pending_roles_add(&c->roles, p) < 0)
		r = err_nomem(err);
	return r;
}

static void on_progress(void *ctx, uint64_t accounts, int64_t of)
{
	struct collect *c = ctx;
	size_t used = c->kept ? atl_kept_used(c->kept) : 0;

	/* pages that were kept come in no time: they say nothing of how long the rest takes */
	if (used != c->kept_used)
		progress_skip("collect", c->org->name, (int64_t)accounts, of);
	else
		progress_at("collect", c->org->name, (int64_t)accounts, of);
	c->kept_used = used;
}

static bool on_stop(void *ctx)
{
	struct collect *c = ctx;

	return c->cancel && atomic_load(c->cancel);
}

/* --- writing -------------------------------------------------------------------------------
 */

static int put_frame(struct collect *c, struct db *db, struct err *err)
{
	int64_t number;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->product_rows.n; i++) {
		struct numbered *id;

		r = accounts_put_products(db, c->run, &c->product_rows.v[i], 1, &number, err);
		if (r == 0)
			r = number_id(c, &c->products, c->product_rows.v[i].resource, false,
				      &id, err);
		if (r == 0)
			id->number = number;
	}
	for (size_t i = 0; r == 0 && i < c->pending_groups.n; i++) {
		r = accounts_put_groups(db, c->run, &c->pending_groups.v[i].row, 1, &number,
					err);
		c->pending_groups.v[i].id->number = number;
	}
	for (size_t i = 0; r == 0 && i < c->pending_grants.n; i++) {
		struct pending_grant *g = &c->pending_grants.v[i];

		g->row.group = g->group->number;
		g->row.product = g->product->number;
		r = accounts_put_grants(db, c->run, &g->row, 1, err);
	}
	c->frame_put = r == 0;
	return r;
}

static int put_accounts(struct collect *c, struct db *db, int64_t now_ms, struct err *err)
{
	int64_t numbers[COLLECT_BATCH];
	int r = accounts_put(db, c->run, c->rows, c->n, now_ms, numbers, err);

	for (size_t i = 0; r == 0 && i < c->n; i++)
		c->account_numbers.v[c->row_index[i]] = (uint32_t)numbers[i];
	return r;
}

static int put_seats(struct collect *c, struct db *db, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->seats.n; i++) {
		struct seat_row row = {
			.account = c->account_numbers.v[c->seats.v[i].account],
			.product = c->seats.v[i].product->number,
			.last_active_ms = c->seats.v[i].last_active_ms,
		};

		r = accounts_put_seats(db, c->run, &row, 1, err);
	}
	return r;
}

/* Roles come together for an account, and stand in the store as its whole list. */
static int put_roles(struct collect *c, struct db *db, struct err *err)
{
	struct role_row rows[256];
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->roles.n; i++) {
		struct pending_role *p = &c->roles.v[i];
		bool last = i + 1 == c->roles.n || c->roles.v[i + 1].account != p->account;

		if (n == COUNT_OF(rows))
			return err_set(err, ERR_LIMIT, "an account has more than %zu roles",
				       COUNT_OF(rows));
		p->row.account = c->account_numbers.v[p->account];
		p->row.product = p->product->number;
		rows[n++] = p->row;
		if (!last)
			continue;
		r = accounts_put_roles(db, c->run, p->row.account, rows, n, err);
		n = 0;
	}
	return r;
}

/* Members of the accounts of this batch, where the store takes them before the end. */
static int put_members_early(struct collect *c, struct db *db, struct err *err)
{
	int r = 0;

	for (; r == 0 && c->members_early < c->members.n; c->members_early++) {
		uint64_t pair = c->members.v[c->members_early];
		int64_t group = c->group_at.v[pair >> 32]->number;
		uint32_t account = c->account_numbers.v[(uint32_t)pair];

		if (group && account)
			r = accounts_put_member_early(db, c->run, group, account, err);
	}
	return r;
}

static int flush_write(void *ctx, struct db *db, struct err *err)
{
	struct collect *c = ctx;
	int r = 0;

	if (!c->frame_put)
		r = put_frame(c, db, err);
	if (r == 0)
		r = put_accounts(c, db, stamp_now_ms(), err);
	if (r == 0)
		r = put_seats(c, db, err);
	if (r == 0)
		r = put_roles(c, db, err);
	return r == 0 ? put_members_early(c, db, err) : r;
}

static int flush(struct collect *c, struct err *err)
{
	int r = writer_call(c->app->writer, flush_write, c, err);

	c->n = 0;
	c->seats.n = 0;
	c->roles.n = 0;
	chunks_free(&c->batch_text);
	return r;
}

static int pair_compare(const void *x, const void *y)
{
	const uint64_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

/* One group's members at a time, each in a request of its own: a group may be huge. */
struct members_write {
	struct collect *c;
	struct u32s accounts;
	int64_t group;
};

static int members_write(void *ctx, struct db *db, struct err *err)
{
	struct members_write *w = ctx;
	bool whole = w->c->result.whole & ATL_PART_MEMBERS;

	return accounts_put_members(db, w->c->run, w->group, w->accounts.v, w->accounts.n,
				    whole, err);
}

static int put_group(struct collect *c, int64_t group, size_t from, size_t to, struct err *err)
{
	struct members_write w = { .c = c, .group = group };
	int r = 0;

	for (size_t i = from; r == 0 && i < to; i++)
		if (i == from || c->members.v[i] != c->members.v[i - 1])
			r = u32s_add(&w.accounts,
				     c->account_numbers.v[(uint32_t)c->members.v[i]]);
	if (r < 0)
		r = err_nomem(err);
	else
		r = writer_call(c->app->writer, members_write, &w, err);
	u32s_done(&w.accounts);
	return r;
}

static int put_members(struct collect *c, struct err *err)
{
	size_t at = 0;
	int r = 0;

	if (c->members.n)
		qsort(c->members.v, c->members.n, sizeof(c->members.v[0]), pair_compare);
	/* also groups that nobody is in any more */
	for (size_t group = 0; r == 0 && group < c->group_at.n; group++) {
		size_t from = at;

		while (at < c->members.n && c->members.v[at] >> 32 == group)
			at++;
		if (c->group_at.v[group]->number)
			r = put_group(c, c->group_at.v[group]->number, from, at, err);
	}
	return r;
}

static int begin_write(void *ctx, struct db *db, struct err *err)
{
	struct collect *c = ctx;
	/* what was kept is as old as the read that brought it, and so is what rests on it */
	int64_t begun_ms = c->kept ? atl_kept_begun_ms(c->kept) : stamp_now_ms();

	return accounts_begin(db, c->org_id, begun_ms, &c->run, err);
}

/* Accounts that may be missing of so many. */
static int64_t drop_allowed(const struct collect *c, int64_t before)
{
	const struct atl_options *o = &c->org->cloud;
	int64_t allowed = (int64_t)((double)before * o->drop_share);

	return allowed < o->drop_count ? o->drop_count : allowed;
}

/*
 * Absent is not unknown for the organisation too: a read that shrank too far changes nothing,
 * unless a person looked at one and accepted it: then the next one that is as large counts.
 */
static void judge(struct collect *c)
{
	const struct atl_options *o = &c->org->cloud;
	int64_t allowed = drop_allowed(c, c->counts.accounts_before);

	c->plausible = true;
	if (c->accepted >= 0 &&
	    c->counts.accounts + drop_allowed(c, c->accepted) >= c->accepted)
		return;
	if (c->counts.accounts < o->minimum) {
		c->plausible = false;
		snprintf(c->reason, sizeof(c->reason),
			 "%lld accounts were read, the configuration expects %lld at least; if "
			 "that is right, say so with `leaverd collect accept %.80s`",
			 (long long)c->counts.accounts, (long long)o->minimum, c->org->name);
	} else if (c->result.complete && c->counts.accounts_missing > allowed) {
		c->plausible = false;
		snprintf(c->reason, sizeof(c->reason),
			 "%lld of %lld accounts are missing since the last read, more than the "
			 "%lld allowed; if that is right, say so with `leaverd collect accept "
			 "%.80s`",
			 (long long)c->counts.accounts_missing,
			 (long long)c->counts.accounts_before, (long long)allowed,
			 c->org->name);
	}
}

static int setting_number(struct db *db, const char *org, const char *key, int64_t *ret,
			  struct err *err)
{
	CLEANUP(free_at) char *text = NULL;
	int r = store_setting_get(db, org, key, &text, err);

	*ret = -1;
	if (r == 0 && !str_int64(str_of(text), ret))
		return err_set(err, ERR_DAMAGED, "organisation %s: setting %s is no number",
			       org, key);
	return r < 0 ? r : 0;
}

/* What a person may accept; an acceptance is used up by the next complete read. */
static int keep_aside(struct collect *c, struct db *db, bool other, struct err *err)
{
	char text[24];
	int r;

	if (!c->result.complete || other)
		return 0;
	snprintf(text, sizeof(text), "%lld", (long long)c->counts.accounts);
	r = store_setting_set(db, c->org->name, setting_aside, c->plausible ? NULL : text, err);
	if (r >= 0)
		r = store_setting_set(db, c->org->name, setting_accepted, NULL, err);
	return r < 0 ? r : 0;
}

/* What was read whole is what the day's seats were. */
static int ledger_today(const struct collect *c, struct db *db, struct err *err)
{
	int64_t now_ms = stamp_now_ms();

	return ledger_note(db, c->org_id, config_day(&c->app->config, now_ms),
			   now_ms - LEDGER_IDLE_DAYS * STAMP_DAY_MS, err);
}

static int end_write(void *ctx, struct db *db, struct err *err)
{
	struct collect *c = ctx;
	bool other;
	int r;

	r = accounts_weigh(db, c->run, &c->counts, err);
	if (r == 0)
		r = setting_number(db, c->org->name, setting_accepted, &c->accepted, err);
	if (r < 0)
		return r;
	judge(c);
	r = accounts_org_identity(db, c->org_id, c->identity, false, err);
	other = r == STORE_STALE;
	if (other) {
		c->plausible = false;
		snprintf(c->reason, sizeof(c->reason),
			 "another organisation answers under this key and id than before");
	}
	if (r < 0)
		return r;
	/* what could not be read is why too little was: that is what an operator can mend */
	if (!c->result.complete && c->result.why[0] && !other)
		snprintf(c->reason, sizeof(c->reason), "%s", c->result.why);
	r = keep_aside(c, db, other, err);
	if (r == 0)
		r = accounts_end(db, c->run, c->result.whole, c->plausible,
				 c->reason[0] ? c->reason : NULL, stamp_now_ms(), err);
	if (r == 0 && c->result.complete && c->plausible)
		r = ledger_today(c, db, err);
	return r;
}

/* --- one collection ------------------------------------------------------------------------
 */

static int collect_read(struct collect *c, struct atl_client *client, struct err *err)
{
	const struct atl_sink sink = {
		.ctx = c,
		.org = on_org,
		.resource = on_resource,
		.group = on_group,
		.grant = on_grant,
		.account = on_account,
		.member = on_member,
		.seat = on_seat,
		.role = on_role,
		.progress = on_progress,
		.stop = on_stop,
		.kept = c->kept,
	};
	int r;

	r = writer_call(c->app->writer, begin_write, c, err);
	if (r == 0)
		r = atl_collect(client, &sink, stamp_now_ms(), &c->result, err);
	if (r == ATL_AGAIN)
		return r;
	if (r == 0)
		r = flush(c, err);
	if (r == 0)
		r = put_members(c, err);
	return r == 0 ? writer_call(c->app->writer, end_write, c, err) : r;
}

static int collect_out(struct collect *c, int64_t ms, json_t *out, struct err *err)
{
	const struct {
		const char *name;
		json_t *value;
	} members[] = {
		{ "org", json_string(c->org->name) },
		{ "generation", json_integer(org_run_generation(c->run)) },
		{ "complete", json_boolean(c->result.complete && c->plausible) },
		{ "why", c->reason[0] ? json_string(c->reason) : json_null() },
		{ "accounts", json_integer(c->counts.accounts) },
		{ "accounts_changed", json_integer(c->counts.accounts_changed) },
		{ "accounts_missing", json_integer(c->counts.accounts_missing) },
		{ "groups", json_integer(c->counts.groups) },
		{ "members", json_integer(c->counts.members) },
		{ "seats", json_integer(c->counts.seats) },
		{ "seats_changed", json_integer(c->counts.seats_changed) },
		{ "requests", json_integer((json_int_t)c->result.calls) },
		{ "resumed", json_integer((json_int_t)c->result.kept) },
		{ "ms", json_integer(ms) },
	};
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(members); i++) {
		int set = jx_set(out, members[i].name, members[i].value, err);

		r = r < 0 ? r : set;
	}
	return r;
}

static void collect_done(struct collect *c)
{
	atl_kept_free(c->kept);
	org_run_free(c->run);
	chunks_free(&c->batch_text);
	idmap_done(&c->accounts);
	u32s_done(&c->account_numbers);
	numbered_list_done(&c->group_at);
	numbers_free(&c->groups);
	numbers_free(&c->products);
	chunks_free(&c->text);
	product_rows_done(&c->product_rows);
	pending_groups_done(&c->pending_groups);
	pending_grants_done(&c->pending_grants);
	pending_seats_done(&c->seats);
	pending_roles_done(&c->roles);
	member_pairs_done(&c->members);
	free(c);
}

static void kept_path(const struct config *config, const struct config_org *org,
		      struct buf *into)
{
	struct digest d;
	char hex[17];

	digest_of(&d, NULL, str_of(org->name)); /* names may hold what no file's may */
	enc_hex(d.b, 8, hex);
	buf_addf(into, "%s/" KEPT_FRONT "%s" KEPT_BACK, config->instance.state_dir, hex);
}

/* Pages of a read of this organisation that was stopped; it is read from its beginning where
 * they cannot be kept. */
static void kept_open(struct collect *c)
{
	CLEANUP(buf_done) struct buf path;
	struct err why;
	int r;

	buf_init(&path, 8192);
	if (!c->org->cloud.resume_within_ms)
		return;
	kept_path(&c->app->config, c->org, &path);
	r = buf_fault(&path, &why, "a path");
	if (r == 0)
		r = atl_kept_open(&c->kept, path.p, stamp_now_ms(),
				  c->org->cloud.resume_within_ms, &why);
	if (r < 0)
		log_warn("collect.unkept", LOG_T("org", c->org->name), LOG_T("text", why.text));
	else if (atl_kept_found(c->kept))
		log_info("collect.resumed", LOG_T("org", c->org->name),
			 LOG_U("pages", atl_kept_found(c->kept)));
}

static int collect_run(struct collect *c, json_t *out, struct err *err)
{
	struct atl_client *client = NULL;
	CLEANUP(org_row_done) struct org_row row = { 0 };
	int64_t begun = stamp_mono_ms();
	struct db *db = NULL;
	int r;

	r = store_read_begin(c->app->store, &db, err);
	if (r == 0)
		r = accounts_org_get(db, c->org->name, &row, err);
	store_read_end(db);
	if (r > 0)
		return err_set(err, ERR_INTERNAL, "it was not declared");
	c->org_id = row.id;
	if (r == 0)
		r = clients_get(c->app, c->org, &client, err);
	kept_open(c);
	if (r == 0)
		r = collect_read(c, client, err);
	if (r != 0)
		return r;
	if (c->result.complete && c->plausible)
		log_info("collect.done", LOG_T("org", c->org->name),
			 LOG_I("accounts", c->counts.accounts), LOG_I("seats", c->counts.seats),
			 LOG_U("requests", c->result.calls),
			 LOG_I("ms", stamp_mono_ms() - begun));
	else
		log_warn("collect.incomplete", LOG_T("org", c->org->name),
			 LOG_T("text", c->reason));
	r = rounds_sites(c->app, c->org, c->cancel, out, err);
	if (r == 0)
		r = rounds_provision(c->app, c->org, c->cancel, out, err);
	if (r == 0)
		r = rounds_events(c->app, c->org, c->cancel, out, err);
	return r < 0 ? r : collect_out(c, stamp_mono_ms() - begun, out, err);
}

static int collect_once(struct app *app, const struct config_org *org,
			const atomic_bool *cancel, json_t *out, struct err *err)
{
	struct collect *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_nomem(err);
	c->app = app;
	c->org = org;
	c->cancel = cancel;
	progress_begin("collect", org->name);
	r = collect_run(c, out, err);
	progress_end("collect", org->name);
	collect_done(c);
	return r;
}

int rounds_collect(struct app *app, const struct config_org *org, const atomic_bool *cancel,
		   json_t *out, struct err *err)
{
	struct err said;
	int r = collect_once(app, org, cancel, out, err);

	if (r == ATL_AGAIN) {
		log_warn("collect.anew", LOG_T("org", org->name), LOG_T("text", err->text));
		r = collect_once(app, org, cancel, out, err);
	}
	if (r == ATL_AGAIN) /* nothing was kept by then */
		return err_set(err, ERR_INTERNAL,
			       "organisation %s: a list that is new went on "
			       "from an old one",
			       org->name);
	if (r == -ERR_UNAUTHORIZED) {
		said = *err;
		return err_set(err, ERR_UNAUTHORIZED,
			       "organisation %s: %.340s with `leaverd secret rotate %.80s`",
			       org->name, said.text, org->cloud.key);
	}
	if (r < 0)
		return err_context(err, r, "organisation %s", org->name);
	return 0;
}

int rounds_forget_kept(struct app *app, struct err *err)
{
	CLEANUP(buf_done) struct buf path;
	const char *folder = app->config.instance.state_dir;
	struct dirent *entry;
	DIR *dir = opendir(folder);
	int r = 0;

	buf_init(&path, 8192);
	if (!dir)
		return err_errno(err, ERR_IO, errno, "%s cannot be read", folder);
	while (r == 0 && (entry = readdir(dir))) {
		struct str name = str_of(entry->d_name);

		if (!str_starts(name, STR(KEPT_FRONT)) || !str_ends(name, STR(KEPT_BACK)))
			continue;
		buf_clear(&path);
		buf_addf(&path, "%s/%s", folder, entry->d_name);
		r = buf_fault(&path, err, "a path");
		if (r == 0 && unlink(path.p) < 0 && errno != ENOENT)
			r = err_errno(err, ERR_IO, errno, "%s cannot be removed", path.p);
	}
	closedir(dir);
	return r;
}

/* --- a person accepts -----------------------------------------------------------------------
 */

struct accept_write {
	const char *org, *who, *why;
	int64_t accounts;
};

static int accept_audit(const struct accept_write *w, struct db *db, struct err *err)
{
	CLEANUP(buf_done) struct buf body;
	char target[200];
	struct audit_new entry = {
		.who = w->who,
		.what = "collect.accept",
		.target = target,
		.now_ms = stamp_now_ms(),
	};
	int r;

	buf_init(&body, 65536);
	snprintf(target, sizeof(target), "organisation %.180s", w->org);
	buf_addf(&body, "{\"accounts\":%lld,\"why\":", (long long)w->accounts);
	buf_add_json(&body, str_of(w->why));
	buf_add_char(&body, '}');
	r = buf_fault(&body, err, "the audit entry");
	entry.body = buf_str(&body);
	return r < 0 ? r : audit_add(db, &entry, NULL, err);
}

static int accept_run(void *ctx, struct db *db, struct err *err)
{
	CLEANUP(org_row_done) struct org_row row = { 0 };
	struct accept_write *w = ctx;
	char text[24];
	int r = accounts_org_get(db, w->org, &row, err);

	if (r == 0)
		r = setting_number(db, w->org, setting_aside, &w->accounts, err);
	if (r < 0)
		return r;
	if (r > 0 || !row.generation || !row.complete || row.plausible || row.other ||
	    w->accounts < 0)
		return err_set(err, ERR_NOT_FOUND,
			       "organisation %s has no read that could be accepted: only the "
			       "newest, complete one that was judged implausible can%s%.240s",
			       w->org,
			       r == 0 && row.reason && *row.reason ? "; of that one: " : "",
			       r == 0 && row.reason ? row.reason : "");
	snprintf(text, sizeof(text), "%lld", (long long)w->accounts);
	r = store_setting_set(db, w->org, setting_accepted, text, err);
	return r < 0 ? r : accept_audit(w, db, err);
}

int rounds_collect_accept(struct app *app, const struct config_org *org, const char *who,
			  const char *why, int64_t *ret_accounts, struct err *err)
{
	struct accept_write w = { org->name, who, why, 0 };
	int r = writer_call(app->writer, accept_run, &w, err);

	if (r == 0)
		*ret_accounts = w.accounts;
	return r;
}
