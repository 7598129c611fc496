#include "bridge/hands_seen.h"

#include "store/accounts.h"

VEC(vec_group, uint32_t);
VEC(vec_seat, struct seat_row);
VEC(vec_role, struct role_row);

/* The numbers of what was read: all of it, for what is left out counts as given up. */
struct seen_rows {
	struct vec_group groups;
	struct vec_seat seats;
	struct vec_role roles;
};

static void seen_rows_done(struct seen_rows *s)
{
	vec_group_done(&s->groups);
	vec_seat_done(&s->seats);
	vec_role_done(&s->roles);
}

struct resource_find {
	const char *resource;
	const struct conf_list *sites; /* NULL or empty: of every site */
	int64_t id;
};

static bool of_sites(const struct conf_list *sites, struct str site)
{
	for (size_t i = 0; sites && i < sites->n; i++)
		if (str_ieq(str_of(sites->v[i]), site))
			return true;
	return !sites || sites->n == 0;
}

static int resource_row_find(void *ctx, const struct product_row *row, struct err *err)
{
	struct resource_find *f = ctx;

	(void)err;
	if (!str_eq(row->resource, str_of(f->resource)) || !of_sites(f->sites, row->site))
		return 0;
	f->id = row->id;
	return 1;
}

static int product_number(struct db *db, int64_t org, const char *resource,
			  const struct conf_list *sites, int64_t *ret, struct err *err)
{
	struct resource_find find = { resource, sites, 0 };
	int r = accounts_products(db, org, resource_row_find, &find, err);

	*ret = find.id;
	return r < 0 ? r : find.id == 0;
}

static int seen_groups(struct db *db, int64_t org, const struct atl_reading *reading,
		       struct vec_group *groups, struct err *err)
{
	if (vec_group_reserve(groups, reading->groups.n + 1) < 0)
		return err_nomem(err);
	for (size_t i = 0; i < reading->groups.n; i++) {
		int64_t number;
		int r = accounts_group_number(db, org, str_of(reading->groups.v[i]), &number,
					      err);

		if (r < 0)
			return r;
		if (r == 0)
			groups->v[groups->n++] = (uint32_t)number;
	}
	return 0;
}

/* Of the sites that are ours to look at, as a collection tells them. */
static int seen_seats(struct db *db, int64_t org, const struct config_org *conf,
		      const struct atl_reading *reading, struct vec_seat *seats,
		      struct err *err)
{
	if (vec_seat_reserve(seats, reading->products.n + 1) < 0)
		return err_nomem(err);
	for (size_t i = 0; i < reading->products.n; i++) {
		int64_t number;
		int r = product_number(db, org, reading->products.v[i].resource,
				       &conf->cloud.sites, &number, err);

		if (r < 0)
			return r;
		if (r == 0)
			seats->v[seats->n++] = (struct seat_row){
				.product = number,
				.last_active_ms = reading->products.v[i].last_active_ms,
			};
	}
	return 0;
}

static int seen_roles(struct db *db, int64_t org, const struct atl_reading *reading,
		      struct vec_role *roles, struct err *err)
{
	if (vec_role_reserve(roles, reading->paths.n + 1) < 0)
		return err_nomem(err);
	for (size_t i = 0; i < reading->paths.n; i++) {
		const struct atl_path_row *p = &reading->paths.v[i];
		int64_t number;
		int r;

		if (p->kind == ATL_PATH_GROUP)
			continue;
		r = product_number(db, org, p->resource, NULL, &number, err);
		if (r < 0)
			return r;
		if (r == 0)
			roles->v[roles->n++] = (struct role_row){
				.product = number,
				.role = str_of(p->role),
				.inferred = p->kind == ATL_PATH_INFERRED,
				.billable = p->billable,
			};
	}
	return 0;
}

/* What a short look does not tell stays as the last collection told it. */
static int keep_untold(void *ctx, const struct account_row *old, struct err *err)
{
	struct account_row *row = ctx;

	(void)err;
#define KEEP(field)                                                                            \
	do {                                                                                   \
		if (!row->field)                                                               \
			row->field = old->field;                                               \
	} while (0)
	KEEP(status);
	KEEP(type);
	KEEP(managed);
	KEEP(synced);
	KEEP(can_disable);
	KEEP(accepted);
	KEEP(admin);
	KEEP(org_admin);
	KEEP(paths_known);
	KEEP(tokens);
	KEEP(added_ms);
	KEEP(token_active_ms);
	KEEP(last_active_ms);
	KEEP(own_credential);
#undef KEEP
	return 0;
}

int hands_seen(struct db *db, const struct config_org *conf, const struct atl_reading *reading,
	       int64_t now_ms, struct err *err)
{
	CLEANUP(org_row_done) struct org_row org = { 0 };
	const struct atl_account *a = &reading->row;
	CLEANUP(seen_rows_done) struct seen_rows rows = { 0 };
	struct account_row row = {
		.account_id = a->id,
		.directory = a->directory,
		.email = a->email,
		.name = a->name,
		.status = a->status,
		.type = a->type,
		.managed = a->managed,
		.synced = a->synced,
		.can_disable = a->can_disable,
		.accepted = a->accepted,
		.admin = a->admin,
		.org_admin = a->org_admin,
		.paths_known = a->paths_known,
		.tokens = a->tokens,
		.added_ms = a->added_ms,
		.token_active_ms = a->token_active_ms,
		.last_active_ms = a->last_active_ms,
		.own_credential = a->own,
		.roles = a->roles,
	};
	struct account_seen seen = { .row = &row };
	int64_t number;
	int r;

	r = accounts_org_get(db, conf->name, &org, err);
	if (r == 0)
		r = accounts_number(db, org.id, a->id, &number, err);
	if (r == 0)
		r = accounts_get(db, number, keep_untold, &row, err);
	if (r != 0)
		return r < 0 ? r : 0; /* collected no more: nothing to keep up to date */
	if (r == 0)
		r = seen_groups(db, org.id, reading, &rows.groups, err);
	if (r == 0 && reading->products_told)
		r = seen_seats(db, org.id, conf, reading, &rows.seats, err);
	if (r == 0 && reading->paths_told)
		r = seen_roles(db, org.id, reading, &rows.roles, err);
	/* one that was not told has no vector, and is left as it is */
	seen.groups = rows.groups.v;
	seen.group_count = rows.groups.n;
	seen.seats = rows.seats.v;
	seen.seat_count = rows.seats.n;
	seen.roles = rows.roles.v;
	seen.role_count = rows.roles.n;
	if (r == 0)
		r = accounts_seen(db, org.id, &seen, now_ms, err);
	return r < 0 ? r : 0;
}
