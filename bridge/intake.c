#include "bridge/intake.h"

#include <string.h>

#include "atlassian/kept.h"
#include "base/map.h"
#include "base/stamp.h"
#include "bridge/idmap.h"
#include "bridge/progress.h"
#include "store/stream.h"

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

/* Accounts with all that came of them, on their way into the store. */
struct batch {
	struct intake *in;
	struct chunk *text;
	struct account_row rows[INTAKE_BATCH];
	uint32_t row_index[INTAKE_BATCH];
	size_t n;
	struct pending_seats seats;
	struct pending_roles roles;
	struct member_pairs members;
};

struct intake {
	struct app *app;
	const char *org;
	const atomic_bool *cancel;
	int64_t org_id, begun_ms;
	struct org_run *run;
	struct stream *stream;
	struct atl_kept *kept; /* NULL: none */
	size_t kept_used;      /* of them, when progress was told last */
	char identity[128];
	/* The reader's; what the frame is made of goes over to the writer with the first batch,
	 * for products, groups and grants come before all accounts. */
	struct batch *batch; /* which is being filled; NULL: none */
	struct chunk *text;  /* of the whole collection */
	struct numbered *groups, *products;
	struct numbered_list group_at; /* by index */
	struct idmap accounts;
	struct product_rows product_rows;
	struct pending_groups pending_groups;
	struct pending_grants pending_grants;
	/* The writer's, until all is stored. */
	bool frame_put;              /* products, groups and grants were put */
	struct u32s account_numbers; /* the store's, by index */
	struct member_pairs members; /* of all batches so far */
};

/* --- ids -----------------------------------------------------------------------------------
 */

static int number_id(struct intake *in, struct numbered **map, struct str id, bool make,
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
		r = chunk_keep(&in->text, id, &found->id, err);
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
	struct intake *in = ctx;

	if (row->id.len >= sizeof(in->identity))
		return err_set(err, ERR_PROTOCOL, "the organisation's id is too long");
	memcpy(in->identity, row->id.p, row->id.len);
	in->identity[row->id.len] = '\0';
	return 0;
}

static int on_resource(void *ctx, const struct atl_resource *row, struct err *err)
{
	struct intake *in = ctx;
	struct product_row product = { 0 };
	struct numbered *id;
	int r;

	/* those of other sites too: a group that also gives one of them is not to be taken away
	 * for one of ours. Seats come of our sites only. */
	r = number_id(in, &in->products, row->id, true, &id, err);
	if (r < 0 || id->index < in->product_rows.n)
		return r;
	product.resource = id->id;
	product.capacity = row->capacity > 0 ? row->capacity : 0;
	r = chunk_keep(&in->text, row->key, &product.key, err);
	if (r == 0)
		r = chunk_keep(&in->text, row->site, &product.site, err);
	if (r == 0 && product_rows_add(&in->product_rows, product) < 0)
		r = err_nomem(err);
	return r;
}

static int on_group(void *ctx, const struct atl_group *row, struct err *err)
{
	struct intake *in = ctx;
	struct pending_group g = { 0 };
	int r;

	r = number_id(in, &in->groups, row->id, true, &g.id, err);
	if (r == 0 && g.id->index == in->group_at.n &&
	    numbered_list_add(&in->group_at, g.id) < 0)
		r = err_nomem(err);
	if (r < 0)
		return r;
	g.row = (struct org_group_row){
		.group_id = g.id->id,
		.synced = row->synced,
		.modifiable = row->modifiable,
		.admin = row->admin,
	};
	r = chunk_keep(&in->text, row->name, &g.row.name, err);
	if (r == 0)
		r = chunk_keep(&in->text, row->directory, &g.row.directory, err);
	if (r == 0 && pending_groups_add(&in->pending_groups, g) < 0)
		r = err_nomem(err);
	return r;
}

static int on_grant(void *ctx, const struct atl_grant *row, struct err *err)
{
	struct intake *in = ctx;
	struct pending_grant g = { 0 };
	int r;

	r = number_id(in, &in->groups, row->group, false, &g.group, err);
	if (r == 0)
		r = number_id(in, &in->products, row->resource, false, &g.product, err);
	if (r < 0 || !g.group || !g.product)
		return r;
	g.row.is_default = row->is_default;
	g.row.billable = row->billable;
	r = chunk_keep(&in->text, row->role, &g.row.role, err);
	if (r == 0 && pending_grants_add(&in->pending_grants, g) < 0)
		r = err_nomem(err);
	return r;
}

static void batch_drop(void *ctx)
{
	struct batch *b = ctx;

	chunks_free(&b->text);
	pending_seats_done(&b->seats);
	pending_roles_done(&b->roles);
	member_pairs_done(&b->members);
	free(b);
}

static int batch_write(void *ctx, struct db *db, struct err *err);

static int hand_over(struct intake *in, struct err *err)
{
	return stream_put(in->stream, batch_write, batch_drop, TAKE(in->batch), err);
}

/* Before an account's rows: a batch that has room for them. All rows of an account that come
 * together stand in one batch. */
static int batch_ready(struct intake *in, struct err *err)
{
	struct batch *b = in->batch;
	int r;

	if (b && (b->n == INTAKE_BATCH ||
		  b->seats.n + b->roles.n + b->members.n >= INTAKE_ROWS_MOST)) {
		r = hand_over(in, err);
		if (r < 0)
			return r;
	}
	if (in->batch)
		return 0;
	in->batch = calloc(1, sizeof(*in->batch));
	if (!in->batch)
		return err_nomem(err);
	in->batch->in = in;
	return 0;
}

/* The account was told before, in another directory; more of it follows. */
static int on_also_in(void *ctx, struct str account, struct str directory, struct err *err)
{
	(void)account;
	(void)directory;
	return batch_ready(ctx, err);
}

static int on_account(void *ctx, const struct atl_account *row, struct err *err)
{
	struct intake *in = ctx;
	struct account_row *a;
	struct batch *b;
	int r;

	r = batch_ready(in, err);
	if (r < 0)
		return r;
	b = in->batch;
	a = &b->rows[b->n];
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
	r = idmap_add(&in->accounts, row->id, &b->row_index[b->n], err);
	if (r == 0)
		r = chunk_keep(&b->text, row->id, &a->account_id, err);
	if (r == 0)
		r = chunk_keep(&b->text, row->directory, &a->directory, err);
	if (r == 0)
		r = chunk_keep(&b->text, row->email, &a->email, err);
	if (r == 0)
		r = chunk_keep(&b->text, row->name, &a->name, err);
	if (r == 0)
		r = chunk_keep(&b->text, row->roles, &a->roles, err);
	b->n += r == 0;
	return r;
}

static int on_member(void *ctx, struct str account, struct str group, struct err *err)
{
	struct intake *in = ctx;
	uint32_t index = idmap_find(&in->accounts, account);
	struct numbered *of;
	int r;

	r = number_id(in, &in->groups, group, false, &of, err);
	if (r < 0 || index == IDMAP_NONE || !of)
		return r;
	return member_pairs_add(&in->batch->members, (uint64_t)of->index << 32 | index) < 0
		       ? err_nomem(err)
		       : 0;
}

static int on_seat(void *ctx, const struct atl_seat *row, struct err *err)
{
	struct intake *in = ctx;
	struct pending_seat s = { .account = idmap_find(&in->accounts, row->account),
				  .last_active_ms = row->last_active_ms };
	int r;

	r = number_id(in, &in->products, row->resource, false, &s.product, err);
	if (r < 0 || s.account == IDMAP_NONE || !s.product)
		return r;
	return pending_seats_add(&in->batch->seats, s) < 0 ? err_nomem(err) : 0;
}

static int on_role(void *ctx, const struct atl_role *row, struct err *err)
{
	struct intake *in = ctx;
	struct pending_role p = { .account = idmap_find(&in->accounts, row->account) };
	int r;

	r = number_id(in, &in->products, row->resource, false, &p.product, err);
	if (r < 0 || p.account == IDMAP_NONE || !p.product)
		return r;
	p.row.inferred = row->inferred;
	p.row.billable = row->billable;
	r = chunk_keep(&in->batch->text, row->role, &p.row.role, err);
	if (r == 0 && pending_roles_add(&in->batch->roles, p) < 0)
		r = err_nomem(err);
	return r;
}

static void on_progress(void *ctx, uint64_t accounts, int64_t of)
{
	struct intake *in = ctx;
	size_t used = in->kept ? atl_kept_used(in->kept) : 0;

	/* pages that were kept come in no time: they say nothing of how long the rest takes */
	if (used != in->kept_used)
		progress_skip("collect", in->org, (int64_t)accounts, of);
	else
		progress_at("collect", in->org, (int64_t)accounts, of);
	in->kept_used = used;
}

static bool on_stop(void *ctx)
{
	struct intake *in = ctx;

	return in->cancel && atomic_load(in->cancel);
}

/* --- writing: the writer's thread ----------------------------------------------------------
 */

static int put_frame(struct intake *in, struct db *db, struct err *err)
{
	int64_t number;
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->product_rows.n; i++) {
		struct numbered *id;

		r = accounts_put_products(db, in->run, &in->product_rows.v[i], 1, &number, err);
		if (r == 0)
			r = number_id(in, &in->products, in->product_rows.v[i].resource, false,
				      &id, err);
		if (r == 0)
			id->number = number;
	}
	for (size_t i = 0; r == 0 && i < in->pending_groups.n; i++) {
		r = accounts_put_groups(db, in->run, &in->pending_groups.v[i].row, 1, &number,
					err);
		in->pending_groups.v[i].id->number = number;
	}
	for (size_t i = 0; r == 0 && i < in->pending_grants.n; i++) {
		struct pending_grant *g = &in->pending_grants.v[i];

		g->row.group = g->group->number;
		g->row.product = g->product->number;
		r = accounts_put_grants(db, in->run, &g->row, 1, err);
	}
	in->frame_put = r == 0;
	return r;
}

static int put_accounts(struct intake *in, const struct batch *b, struct db *db,
			struct err *err)
{
	int64_t numbers[INTAKE_BATCH];
	int r = accounts_put(db, in->run, b->rows, b->n, stamp_now_ms(), numbers, err);

	for (size_t i = 0; r == 0 && i < b->n; i++) {
		while (r == 0 && in->account_numbers.n <= b->row_index[i])
			r = u32s_add(&in->account_numbers, 0) < 0 ? err_nomem(err) : 0;
		if (r == 0)
			in->account_numbers.v[b->row_index[i]] = (uint32_t)numbers[i];
	}
	return r;
}

static int put_seats(struct intake *in, const struct batch *b, struct db *db, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->seats.n; i++) {
		const struct pending_seat *s = &b->seats.v[i];
		struct seat_row row = {
			.account = in->account_numbers.v[s->account],
			.product = s->product->number,
			.last_active_ms = s->last_active_ms,
		};

		r = accounts_put_seats(db, in->run, &row, 1, err);
	}
	return r;
}

/* Roles come together for an account, and stand in the store as its whole list. */
static int put_roles(struct intake *in, const struct batch *b, struct db *db, struct err *err)
{
	struct role_row rows[256];
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->roles.n; i++) {
		const struct pending_role *p = &b->roles.v[i];
		bool last = i + 1 == b->roles.n || b->roles.v[i + 1].account != p->account;

		if (n == COUNT_OF(rows))
			return err_set(err, ERR_LIMIT, "an account has more than %zu roles",
				       COUNT_OF(rows));
		rows[n] = p->row;
		rows[n].account = in->account_numbers.v[p->account];
		rows[n++].product = p->product->number;
		if (!last)
			continue;
		r = accounts_put_roles(db, in->run, rows[0].account, rows, n, err);
		n = 0;
	}
	return r;
}

/* Kept for the groups' whole lists, and put at once where the store takes them before that. */
static int put_members_early(struct intake *in, const struct batch *b, struct db *db,
			     struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->members.n; i++) {
		uint64_t pair = b->members.v[i];
		int64_t group = in->group_at.v[pair >> 32]->number;
		uint32_t account = in->account_numbers.v[(uint32_t)pair];

		if (member_pairs_add(&in->members, pair) < 0)
			return err_nomem(err);
		if (group && account)
			r = accounts_put_member_early(db, in->run, group, account, err);
	}
	return r;
}

static int batch_write(void *ctx, struct db *db, struct err *err)
{
	const struct batch *b = ctx;
	struct intake *in = b->in;
	int r = 0;

	if (!in->frame_put)
		r = put_frame(in, db, err);
	if (r == 0)
		r = put_accounts(in, b, db, err);
	if (r == 0)
		r = put_seats(in, b, db, err);
	if (r == 0)
		r = put_roles(in, b, db, err);
	return r == 0 ? put_members_early(in, b, db, err) : r;
}

/* --- the end --------------------------------------------------------------------------------
 */

static int pair_compare(const void *x, const void *y)
{
	const uint64_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

/* One group's members at a time, each in a request of its own: a group may be huge. */
struct members_write {
	struct org_run *run;
	struct u32s accounts;
	int64_t group;
	bool whole;
};

static int members_write(void *ctx, struct db *db, struct err *err)
{
	const struct members_write *w = ctx;

	return accounts_put_members(db, w->run, w->group, w->accounts.v, w->accounts.n,
				    w->whole, err);
}

static void members_drop(void *ctx)
{
	struct members_write *w = ctx;

	u32s_done(&w->accounts);
	free(w);
}

static int put_group(struct intake *in, int64_t group, bool whole, size_t from, size_t to,
		     struct err *err)
{
	struct members_write *w = calloc(1, sizeof(*w));
	int r = w ? 0 : -1;

	if (w)
		*w = (struct members_write){ in->run, { 0 }, group, whole };
	for (size_t i = from; r == 0 && i < to; i++)
		if (i == from || in->members.v[i] != in->members.v[i - 1])
			r = u32s_add(&w->accounts,
				     in->account_numbers.v[(uint32_t)in->members.v[i]]);
	if (r == 0)
		return stream_put(in->stream, members_write, members_drop, w, err);
	if (w)
		members_drop(w);
	return err_nomem(err);
}

static int put_members(struct intake *in, bool whole, struct err *err)
{
	size_t at = 0;
	int r = 0;

	if (in->members.n)
		qsort(in->members.v, in->members.n, sizeof(in->members.v[0]), pair_compare);
	/* also groups that nobody is in any more */
	for (size_t group = 0; r == 0 && group < in->group_at.n; group++) {
		size_t from = at;

		while (at < in->members.n && in->members.v[at] >> 32 == group)
			at++;
		if (in->group_at.v[group]->number)
			r = put_group(in, in->group_at.v[group]->number, whole, from, at, err);
	}
	return r;
}

int intake_end(struct intake *in, unsigned whole, struct err *err)
{
	int r = batch_ready(in, err); /* also of an organisation that has no account */

	if (r == 0)
		r = hand_over(in, err);
	if (r == 0)
		r = stream_end(in->stream, err);
	if (r == 0)
		r = put_members(in, whole & ATL_PART_MEMBERS, err);
	return r == 0 ? stream_end(in->stream, err) : r;
}

/* --- its life -------------------------------------------------------------------------------
 */

struct atl_sink intake_sink(struct intake *in)
{
	return (struct atl_sink){
		.ctx = in,
		.org = on_org,
		.resource = on_resource,
		.group = on_group,
		.grant = on_grant,
		.account = on_account,
		.also_in = on_also_in,
		.member = on_member,
		.seat = on_seat,
		.role = on_role,
		.progress = on_progress,
		.stop = on_stop,
		.kept = in->kept,
	};
}

struct org_run *intake_run(struct intake *in)
{
	return in->run;
}

const char *intake_identity(const struct intake *in)
{
	return in->identity;
}

static int begin_write(void *ctx, struct db *db, struct err *err)
{
	struct intake *in = ctx;

	return accounts_begin(db, in->org_id, in->begun_ms, &in->run, err);
}

int intake_new(struct intake **ret, struct app *app, int64_t org_id, const char *org,
	       struct atl_kept *kept, const atomic_bool *cancel, struct err *err)
{
	CLEANUP(intake_free_at) struct intake *in = calloc(1, sizeof(*in));
	int r;

	if (!in)
		return err_nomem(err);
	in->app = app;
	in->org = org;
	in->org_id = org_id;
	in->kept = kept;
	in->cancel = cancel;
	/* what was kept is as old as the read that brought it, and so is what rests on it */
	in->begun_ms = kept ? atl_kept_begun_ms(kept) : stamp_now_ms();
	r = stream_new(&in->stream, app->writer, INTAKE_UNDER_WAY, err);
	if (r == 0)
		r = writer_call(app->writer, begin_write, in, err);
	if (r < 0)
		return r;
	*ret = TAKE(in);
	return 0;
}

void intake_free(struct intake *in)
{
	if (!in)
		return;
	stream_free(in->stream);
	if (in->batch)
		batch_drop(in->batch);
	org_run_free(in->run);
	idmap_done(&in->accounts);
	u32s_done(&in->account_numbers);
	numbered_list_done(&in->group_at);
	numbers_free(&in->groups);
	numbers_free(&in->products);
	chunks_free(&in->text);
	product_rows_done(&in->product_rows);
	pending_groups_done(&in->pending_groups);
	pending_grants_done(&in->pending_grants);
	member_pairs_done(&in->members);
	free(in);
}
