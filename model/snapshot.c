#include "model/snapshot.h"

#include <assert.h>

#include "base/digest.h"
#include "model/schema.h"

/* --- columns --- */

static void column_done(struct facts_column *c)
{
	free(c->text);
	free(c->urn);
	free(c->name);
	free(c->sub);
	*c = (struct facts_column){ 0 };
}

void facts_columns_free(struct facts_columns *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		column_done(&c->v[i]);
	facts_columns_done(c);
}

static int copy_text(char **to, const char *from, struct err *err)
{
	*to = from ? str_dup(str_of(from)) : NULL;
	return from && !*to ? err_nomem(err) : 0;
}

static enum column_type column_type_of(const struct schema_attr *attr)
{
	if (!attr)
		return COLUMN_TEXT;
	switch (attr->type) {
	case ATTR_BOOLEAN:
	case ATTR_COMPLEX: /* only whether it is there */
		return COLUMN_BOOL;
	case ATTR_INTEGER:
	case ATTR_DECIMAL:
		return COLUMN_INT;
	case ATTR_DATETIME:
		return COLUMN_TIME;
	case ATTR_DATE:
		return COLUMN_DATE;
	case ATTR_STRING:
	case ATTR_REFERENCE:
	case ATTR_BINARY:
		break;
	}
	return COLUMN_TEXT;
}

uint32_t facts_columns_find(const struct facts_columns *c, struct str text)
{
	for (size_t i = 0; i < c->n; i++)
		if (str_ieq(str_of(c->v[i].text), text))
			return (uint32_t)i;
	return FACTS_NONE;
}

int facts_columns_want(struct facts_columns *c, const struct path *path, uint32_t *ret,
		       struct err *err)
{
	struct facts_column column = { .type = column_type_of(path->attr),
				       .multi = path->top && path->top->multi };
	struct path own = *path;
	struct buf text;
	int r;

	own.owner = PATH_OWN;
	buf_init(&text, PATH_MAX_BYTES * 2);
	path_text(&own, &text);
	r = buf_fault(&text, err, "a path");
	*ret = r < 0 ? FACTS_NONE : facts_columns_find(c, buf_str(&text));
	if (r == 0 && *ret == FACTS_NONE) {
		column.text = buf_take(&text, NULL);
		r = column.text ? 0 : err_nomem(err);
		if (r == 0)
			r = copy_text(&column.urn, path->urn, err);
		if (r == 0)
			r = copy_text(&column.name, path->name, err);
		if (r == 0)
			r = copy_text(&column.sub, path->sub, err);
		if (r == 0 && facts_columns_add(c, column) < 0)
			r = err_nomem(err);
		if (r < 0)
			column_done(&column);
		else
			*ret = (uint32_t)c->n - 1;
	}
	buf_done(&text);
	return r;
}

int facts_columns_copy(struct facts_columns *ret, const struct facts_columns *from,
		       struct err *err)
{
	struct facts_columns to = { 0 };
	int r = 0;

	for (size_t i = 0; i < from->n && r == 0; i++) {
		struct facts_column c = { .type = from->v[i].type, .multi = from->v[i].multi };

		r = copy_text(&c.text, from->v[i].text, err);
		if (r == 0)
			r = copy_text(&c.urn, from->v[i].urn, err);
		if (r == 0)
			r = copy_text(&c.name, from->v[i].name, err);
		if (r == 0)
			r = copy_text(&c.sub, from->v[i].sub, err);
		if (r == 0 && facts_columns_add(&to, c) < 0)
			r = err_nomem(err);
		if (r < 0)
			column_done(&c);
	}
	if (r < 0)
		facts_columns_free(&to);
	else
		*ret = to;
	return r;
}

/* --- birth and death --- */

/* A text of a row, and where its number goes. */
struct wanted {
	struct str text;
	uint32_t *to;
};

#define WANTED_MOST 8

/* Each is somewhere else in memory: all are asked for before the first is waited for. */
static int intern(struct facts *f, const struct wanted *v, size_t n, struct err *err)
{
	uint32_t hashes[WANTED_MOST];
	int r = 0;

	assert(n <= WANTED_MOST);
	for (size_t i = 0; i < n; i++)
		hashes[i] = pool_expect(&f->pool, v[i].text);
	for (size_t i = 0; i < n && r == 0; i++)
		r = pool_add_hashed(&f->pool, v[i].text, hashes[i], v[i].to, err);
	return r;
}
#define INTERN(f, err, ...)                                                                    \
	intern((f), (struct wanted[]){ __VA_ARGS__ },                                          \
	       sizeof((struct wanted[]){ __VA_ARGS__ }) / sizeof(struct wanted), (err))

static int row_fault(struct err *err, const char *what, uint32_t row)
{
	return err_set(err, ERR_INTERNAL, "facts: a row names %s %u, which was not added", what,
		       row);
}

/* Pointers into the pool move while it grows: the round keeps copies of its own. */
static int round_copy(struct facts_round *to, const struct facts_round *from, struct err *err)
{
	char *org = str_dup(from->org), *zone = str_dup(from->zone);
	char *doubt = str_dup(from->org_doubt);

	if (!org || !zone || !doubt) {
		free(org);
		free(zone);
		free(doubt);
		return err_nomem(err);
	}
	*to = *from;
	to->org = str_of(org);
	to->zone = str_of(zone);
	to->org_doubt = str_of(doubt);
	return 0;
}

int facts_new(const struct facts_columns *columns, const struct facts_round *round,
	      struct facts **ret, struct err *err)
{
	CLEANUP(facts_free_at) struct facts *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return err_nomem(err);
	r = pool_init(&f->pool, err);
	if (r == 0)
		r = round_copy(&f->round, round, err);
	if (r == 0)
		r = facts_columns_copy(&f->columns, columns, err);
	if (r < 0)
		return r;
	f->cells = calloc(f->columns.n + 1, sizeof(*f->cells));
	if (!f->cells)
		return err_nomem(err);
	*ret = TAKE(f);
	return 0;
}

void facts_free(struct facts *f)
{
	if (!f)
		return;
	free((char *)f->round.org.p);
	free((char *)f->round.zone.p);
	free((char *)f->round.org_doubt.p);
	for (size_t i = 0; f->cells && i < f->columns.n; i++)
		vec_u32_done(&f->cells[i]);
	free(f->cells);
	facts_columns_free(&f->columns);
	pool_done(&f->pool);
	vec_i64_done(&f->numbers);
	vec_u32_done(&f->lists);
	vec_row_source_done(&f->sources);
	vec_row_record_done(&f->records);
	vec_row_person_done(&f->persons);
	vec_row_address_done(&f->addresses);
	vec_u32_done(&f->match_approved);
	vec_row_account_done(&f->accounts);
	vec_row_product_done(&f->products);
	vec_row_seat_done(&f->seats);
	vec_row_group_done(&f->groups);
	vec_row_grant_done(&f->grants);
	vec_pair_done(&f->members);
	vec_row_role_done(&f->roles);
	vec_row_protection_done(&f->protections);
	vec_row_bar_done(&f->bars);
	vec_u64_done(&f->expected);
	vec_row_progress_done(&f->progress);
	vec_row_former_done(&f->former);
	vec_row_counted_done(&f->counted);
	vec_row_open_done(&f->open);
	vec_row_apart_done(&f->apart);
	vec_row_site_done(&f->sites);
	vec_row_inventory_done(&f->inventory);
	vec_row_owned_done(&f->owned);
	vec_row_heir_done(&f->heirs);
	vec_row_refusal_done(&f->refusals);
	vec_row_return_done(&f->returns);
	vec_row_scim_user_done(&f->scim_users);
	vec_row_scim_group_done(&f->scim_groups);
	vec_pair_done(&f->scim_members);
	vec_row_scim_ceased_done(&f->scim_ceased);
	free(f->seat_at);
	free(f->member_at);
	free(f->role_at);
	free(f->grant_at);
	free(f->account_by_number);
	free(f);
}

/* --- sources, records, cells --- */

/* What every builder of rows ends with. */
#define PUSH(f, err, vec, field, row)                                                          \
	((f)->field.n >= FACTS_NONE - 1                                                        \
		 ? err_set((err), ERR_LIMIT, "facts: too many rows of one kind")               \
	 : vec##_add(&(f)->field, (row)) < 0 ? err_nomem(err)                                  \
					     : 0)
/* The same where the caller may want the number of the row. */
#define PUSH_ROW(f, err, vec, field, row, ret)                                                 \
	({                                                                                     \
		int pushed_ = PUSH(f, err, vec, field, row);                                   \
		if (pushed_ == 0 && (ret))                                                     \
			*(ret) = (uint32_t)(f)->field.n - 1;                                   \
		pushed_;                                                                       \
	})

int facts_add_source(struct facts *f, const struct facts_source *in, uint32_t *ret,
		     struct err *err)
{
	struct row_source row = { .in = *in };
	int r = INTERN(f, err, { in->name, &row.name }, { in->doubt_text, &row.doubt_text });

	if (r < 0)
		return r;
	row.in.name = row.in.doubt_text = (struct str){ NULL, 0 };
	return PUSH_ROW(f, err, vec_row_source, sources, row, ret);
}

uint64_t facts_name(struct str name)
{
	struct digest d;
	uint64_t n = 0;

	digest_of(&d, NULL, name);
	for (size_t i = 0; i < sizeof(n); i++)
		n = n << 8 | d.b[i];
	return n ? n : 1;
}

static int record_row(struct facts *f, const struct facts_record *in, struct row_record *ret,
		      struct err *err)
{
	struct row_record row = { .person = in->person,
				  .name = in->name,
				  .since_ms = in->since_ms,
				  .source = in->source,
				  .absent_reads = in->absent_reads,
				  .state = (uint8_t)in->state,
				  .doubtful = in->doubtful };
	int r;

	if (in->source >= f->sources.n)
		return row_fault(err, "source", in->source);
	r = INTERN(f, err, { in->key, &row.key }, { in->issuer, &row.issuer },
		   { in->external_id, &row.external_id });
	if (r < 0)
		return r;
	if (row.issuer == FRAME_ABSENT)
		row.issuer = f->sources.v[in->source].name;
	*ret = row;
	return 0;
}

int facts_add_record(struct facts *f, const struct facts_record *in, uint32_t *ret,
		     struct err *err)
{
	struct row_record row;
	int r;

	r = record_row(f, in, &row, err);
	if (r < 0)
		return r;
	for (size_t c = 0; c < f->columns.n; c++) {
		/* columns may be one longer than records after lost memory: cut them back */
		f->cells[c].n = f->records.n;
		if (vec_u32_add(&f->cells[c], FRAME_UNKNOWN) < 0)
			return err_nomem(err);
	}
	return PUSH_ROW(f, err, vec_row_record, records, row, ret);
}

int facts_replace_record(struct facts *f, uint32_t record, const struct facts_record *in,
			 struct err *err)
{
	struct row_record row;
	int r;

	if (record >= f->records.n)
		return row_fault(err, "record", record);
	r = record_row(f, in, &row, err);
	if (r < 0)
		return r;
	for (size_t c = 0; c < f->columns.n; c++)
		f->cells[c].v[record] = FRAME_UNKNOWN;
	f->records.v[record] = row;
	return 0;
}

void facts_drop_record(struct facts *f, uint32_t record)
{
	if (record < f->records.n)
		f->records.v[record].source = FACTS_NONE;
}

/* The others move up, their cells with them. */
static void dropped_out(struct facts *f)
{
	size_t to = 0;

	for (size_t i = 0; i < f->records.n; i++) {
		if (f->records.v[i].source == FACTS_NONE)
			continue;
		if (to < i) {
			f->records.v[to] = f->records.v[i];
			for (size_t c = 0; c < f->columns.n; c++)
				f->cells[c].v[to] = f->cells[c].v[i];
		}
		to++;
	}
	f->records.n = to;
	for (size_t c = 0; c < f->columns.n; c++)
		f->cells[c].n = to;
}

static int cell_at(struct facts *f, uint32_t record, uint32_t column, uint32_t **ret,
		   struct err *err)
{
	if (record >= f->records.n)
		return row_fault(err, "record", record);
	if (column >= f->columns.n)
		return row_fault(err, "column", column);
	*ret = &f->cells[column].v[record];
	return 0;
}

int facts_set_absent(struct facts *f, uint32_t record, uint32_t column, struct err *err)
{
	uint32_t *cell = NULL;
	int r = cell_at(f, record, column, &cell, err);

	if (r == 0)
		*cell = FRAME_ABSENT;
	return r;
}

int facts_number_cell(struct facts *f, int64_t value, uint32_t *ret, struct err *err)
{
	if (f->numbers.n >= UINT32_MAX - FRAME_FIRST - 1)
		return err_set(err, ERR_LIMIT, "facts: too many dates and numbers");
	if (vec_i64_add(&f->numbers, value) < 0)
		return err_nomem(err);
	*ret = (uint32_t)(f->numbers.n - 1) + FRAME_FIRST;
	return 0;
}

int facts_set_text(struct facts *f, uint32_t record, uint32_t column, struct str value,
		   struct err *err)
{
	uint32_t *cell = NULL, id;
	int r = cell_at(f, record, column, &cell, err);

	if (r == 0)
		r = pool_add(&f->pool, value, &id, err);
	if (r == 0)
		*cell = id;
	return r;
}

int facts_set_number(struct facts *f, uint32_t record, uint32_t column, int64_t value,
		     struct err *err)
{
	uint32_t *cell = NULL, id;
	int r = cell_at(f, record, column, &cell, err);

	if (r == 0)
		r = facts_number_cell(f, value, &id, err);
	if (r == 0)
		*cell = id;
	return r;
}

int facts_set_cells(struct facts *f, uint32_t record, uint32_t column, const uint32_t *cells,
		    size_t n, struct err *err)
{
	size_t at = f->lists.n;
	uint32_t *cell = NULL;
	int r = cell_at(f, record, column, &cell, err);

	if (r < 0)
		return r;
	if (at + n + 1 >= UINT32_MAX - FRAME_FIRST)
		return err_set(err, ERR_LIMIT,
			       "facts: too many values of multi-valued attributes");
	if (vec_u32_reserve(&f->lists, at + n + 1) < 0)
		return err_nomem(err);
	f->lists.v[at] = (uint32_t)n;
	if (n)
		memcpy(&f->lists.v[at + 1], cells, n * sizeof(*cells));
	f->lists.n = at + n + 1;
	*cell = (uint32_t)at + FRAME_FIRST;
	return 0;
}

int facts_set_list(struct facts *f, uint32_t record, uint32_t column, const struct str *values,
		   size_t n, struct err *err)
{
	CLEANUP(free_at) uint32_t *cells = calloc(n + 1, sizeof(*cells));
	int r = 0;

	if (!cells)
		return err_nomem(err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = pool_add(&f->pool, values[i], &cells[i], err);
	return r < 0 ? r : facts_set_cells(f, record, column, cells, n, err);
}

/* --- persons --- */

int facts_add_person(struct facts *f, const struct facts_person *in, struct err *err)
{
	struct row_person row = { .number = in->number };

	memcpy(row.salt, in->salt, sizeof(row.salt));
	return PUSH(f, err, vec_row_person, persons, row);
}

int facts_add_address(struct facts *f, struct str address, uint64_t person, struct err *err)
{
	struct row_address row = { .person = person };
	int r = pool_add_folded(&f->pool, address, &row.folded, err);

	if (r < 0)
		return r;
	return PUSH(f, err, vec_row_address, addresses, row);
}

int facts_add_match_approved(struct facts *f, struct str rule, struct err *err)
{
	uint32_t id;
	int r = pool_add(&f->pool, rule, &id, err);

	return r < 0 ? r : PUSH(f, err, vec_u32, match_approved, id);
}

/* --- the organisation --- */

int facts_add_account(struct facts *f, const struct facts_account *in, uint32_t *ret,
		      struct err *err)
{
	struct row_account row = {
		.number = in->number,
		.person = in->person,
		.status_since_ms = in->status_since_ms,
		.added_ms = in->added_ms,
		.token_active_ms = in->token_active_ms,
		.status = (uint8_t)in->status,
		.type = (uint8_t)in->type,
		.managed = (uint8_t)in->managed,
		.synced = (uint8_t)in->synced,
		.can_disable = (uint8_t)in->can_disable,
		.accepted = (uint8_t)in->accepted,
		.admin = (uint8_t)in->admin,
		.org_admin = (uint8_t)in->org_admin,
		.paths_known = (uint8_t)in->paths_known,
		.tokens = (uint8_t)in->tokens,
		.own_credential = in->own_credential,
		.adopted = in->adopted,
		.doubtful = in->doubtful,
	};
	int r = INTERN(f, err, { in->id, &row.id }, { in->directory, &row.directory },
		       { in->email, &row.email }, { in->name, &row.name },
		       { in->external_id, &row.external_id }, { in->issuer, &row.issuer },
		       { in->linked_by, &row.linked_by });

	if (r < 0)
		return r;
	memcpy(row.salt, in->salt, sizeof(row.salt));
	return PUSH_ROW(f, err, vec_row_account, accounts, row, ret);
}

int facts_add_product(struct facts *f, const struct facts_product *in, uint32_t *ret,
		      struct err *err)
{
	struct row_product row = { .capacity = in->capacity };
	int r = INTERN(f, err, { in->key, &row.key }, { in->site, &row.site },
		       { in->resource, &row.resource });

	return r < 0 ? r : PUSH_ROW(f, err, vec_row_product, products, row, ret);
}

int facts_add_seat(struct facts *f, const struct facts_seat *in, uint32_t *ret, struct err *err)
{
	struct row_seat row = { .last_active_ms = in->last_active_ms,
				.added_ms = in->added_ms,
				.account = in->account,
				.product = in->product };

	if (in->account >= f->accounts.n)
		return row_fault(err, "account", in->account);
	if (in->product >= f->products.n)
		return row_fault(err, "product", in->product);
	return PUSH_ROW(f, err, vec_row_seat, seats, row, ret);
}

int facts_add_group(struct facts *f, const struct facts_group *in, uint32_t *ret,
		    struct err *err)
{
	struct row_group row = { .synced = (uint8_t)in->synced,
				 .modifiable = (uint8_t)in->modifiable,
				 .admin = (uint8_t)in->admin };
	int r = INTERN(f, err, { in->id, &row.id }, { in->name, &row.name },
		       { in->directory, &row.directory });

	return r < 0 ? r : PUSH_ROW(f, err, vec_row_group, groups, row, ret);
}

int facts_add_grant(struct facts *f, const struct facts_grant *in, struct err *err)
{
	struct row_grant row = { .group = in->group,
				 .product = in->product,
				 .is_default = (uint8_t)in->is_default,
				 .billable = (uint8_t)in->billable };
	int r;

	if (in->group >= f->groups.n)
		return row_fault(err, "group", in->group);
	if (in->product >= f->products.n)
		return row_fault(err, "product", in->product);
	r = pool_add(&f->pool, in->role, &row.role, err);
	return r < 0 ? r : PUSH(f, err, vec_row_grant, grants, row);
}

int facts_add_membership(struct facts *f, uint32_t account, uint32_t group, struct err *err)
{
	struct pair row = { account, group };

	if (account >= f->accounts.n)
		return row_fault(err, "account", account);
	if (group >= f->groups.n)
		return row_fault(err, "group", group);
	return PUSH(f, err, vec_pair, members, row);
}

int facts_take_memberships(struct facts *f, struct vec_pair *v, struct err *err)
{
	for (size_t i = 0; i < v->n; i++) {
		if (v->v[i].a >= f->accounts.n)
			return row_fault(err, "account", v->v[i].a);
		if (v->v[i].b >= f->groups.n)
			return row_fault(err, "group", v->v[i].b);
	}
	if (f->members.n || v->n >= FACTS_NONE - 1)
		return err_set(err, ERR_LIMIT, "facts: too many rows of one kind");
	vec_pair_done(&f->members);
	f->members = *v;
	*v = (struct vec_pair){ 0 };
	return 0;
}

int facts_add_role(struct facts *f, const struct facts_role *in, struct err *err)
{
	struct row_role row = { .account = in->account,
				.product = in->product,
				.method = (uint8_t)in->method,
				.billable = (uint8_t)in->billable };
	int r;

	if (in->account >= f->accounts.n)
		return row_fault(err, "account", in->account);
	if (in->product >= f->products.n)
		return row_fault(err, "product", in->product);
	r = pool_add(&f->pool, in->role, &row.role, err);
	return r < 0 ? r : PUSH(f, err, vec_row_role, roles, row);
}

/* --- an organisation that was read beside --- */

static void numbers_map(uint32_t *v, const uint32_t *to)
{
	*v = to[*v];
}

/* The texts of the rows, by the numbers that f's pool has for them. */
static void org_map(struct facts *part, const uint32_t *to)
{
	for (size_t i = 0; i < part->accounts.n; i++) {
		struct row_account *a = &part->accounts.v[i];
		uint32_t *texts[] = { &a->id,          &a->directory, &a->email,    &a->name,
				      &a->external_id, &a->issuer,    &a->linked_by };

		for (size_t k = 0; k < COUNT_OF(texts); k++)
			numbers_map(texts[k], to);
	}
	for (size_t i = 0; i < part->products.n; i++) {
		struct row_product *p = &part->products.v[i];

		numbers_map(&p->key, to);
		numbers_map(&p->site, to);
		numbers_map(&p->resource, to);
	}
	for (size_t i = 0; i < part->groups.n; i++) {
		struct row_group *g = &part->groups.v[i];

		numbers_map(&g->id, to);
		numbers_map(&g->name, to);
		numbers_map(&g->directory, to);
	}
	for (size_t i = 0; i < part->grants.n; i++)
		numbers_map(&part->grants.v[i].role, to);
	for (size_t i = 0; i < part->roles.n; i++)
		numbers_map(&part->roles.v[i].role, to);
}

int facts_take_org(struct facts *f, struct facts *part, struct err *err)
{
	CLEANUP(free_at) uint32_t *to = NULL;
	int r;

	if (f->accounts.n || f->products.n || f->groups.n || part->members.n || f->sealed ||
	    part->sealed)
		return err_set(err, ERR_INTERNAL,
			       "facts: an organisation cannot be added to another");
	r = pool_take(&f->pool, &part->pool, &to, err);
	if (r < 0)
		return r;
	org_map(part, to);
#define MOVE(field)                                                                            \
	do {                                                                                   \
		__typeof__(f->field) was_ = f->field;                                          \
		f->field = part->field;                                                        \
		part->field = was_;                                                            \
	} while (0)
	MOVE(accounts);
	MOVE(products);
	MOVE(seats);
	MOVE(groups);
	MOVE(grants);
	MOVE(roles);
#undef MOVE
	return 0;
}

/* --- decisions and the past --- */

int facts_set_provision(struct facts *f, const struct facts_provision *in, struct err *err)
{
	f->provisioned = true;
	f->provision_read = in->read;
	return INTERN(f, err, { in->directory, &f->provision_directory },
		      { in->issuer, &f->provision_issuer }, { in->doubt, &f->provision_doubt });
}

int facts_add_scim_user(struct facts *f, const struct facts_scim_user *in, uint32_t *ret,
			struct err *err)
{
	struct row_scim_user row = { .active = (uint8_t)in->active, .account = FACTS_NONE };
	int r = INTERN(f, err, { in->id, &row.id }, { in->external_id, &row.external_id },
		       { in->account, &row.account_id });

	for (size_t i = 0; i < PROVISION_ATTR_COUNT && r == 0; i++)
		r = pool_add(&f->pool, in->attrs[i], &row.attrs[i], err);
	return r < 0 ? r : PUSH_ROW(f, err, vec_row_scim_user, scim_users, row, ret);
}

int facts_add_scim_group(struct facts *f, const struct facts_scim_group *in, uint32_t *ret,
			 struct err *err)
{
	struct row_scim_group row = { 0 };
	int r = INTERN(f, err, { in->id, &row.id }, { in->name, &row.name });

	return r < 0 ? r : PUSH_ROW(f, err, vec_row_scim_group, scim_groups, row, ret);
}

int facts_add_scim_member(struct facts *f, uint32_t user, uint32_t group, struct err *err)
{
	struct pair row = { user, group };

	if (user >= f->scim_users.n)
		return row_fault(err, "record of the provisioning directory", user);
	if (group >= f->scim_groups.n)
		return row_fault(err, "group of the provisioning directory", group);
	return PUSH(f, err, vec_pair, scim_members, row);
}

int facts_add_scim_ceased(struct facts *f, uint32_t user, uint32_t group, int64_t ceased_ms,
			  struct err *err)
{
	struct row_scim_ceased row = { ceased_ms, user, group };

	if (user >= f->scim_users.n)
		return row_fault(err, "record of the provisioning directory", user);
	if (group >= f->scim_groups.n)
		return row_fault(err, "group of the provisioning directory", group);
	return PUSH(f, err, vec_row_scim_ceased, scim_ceased, row);
}

static int account_or_none(const struct facts *f, uint32_t account, struct err *err)
{
	if (account != FACTS_NONE && account >= f->accounts.n)
		return row_fault(err, "account", account);
	return 0;
}

int facts_add_protection(struct facts *f, const struct facts_protection *in, struct err *err)
{
	struct row_protection row = { .person = in->person,
				      .account = in->account,
				      .from_ms = in->from_ms,
				      .until_ms = in->until_ms,
				      .kind = (uint8_t)in->kind };
	int r = account_or_none(f, in->account, err);

	if (r == 0)
		r = INTERN(f, err, { in->rule, &row.rule }, { in->owner, &row.owner },
			   { in->reason, &row.reason });
	return r < 0 ? r : PUSH(f, err, vec_row_protection, protections, row);
}

int facts_add_bar(struct facts *f, const struct facts_bar *in, struct err *err)
{
	struct row_bar row = { .person = in->person,
			       .account = in->account,
			       .at_ms = in->at_ms };
	int r = account_or_none(f, in->account, err);

	if (r == 0)
		r = INTERN(f, err, { in->rule, &row.rule }, { in->by, &row.by },
			   { in->reason, &row.reason }, { in->product, &row.product },
			   { in->site, &row.site });
	return r < 0 ? r : PUSH(f, err, vec_row_bar, bars, row);
}

int facts_add_expected(struct facts *f, uint64_t person, struct err *err)
{
	return PUSH(f, err, vec_u64, expected, person);
}

int facts_add_progress(struct facts *f, const struct facts_progress *in, struct err *err)
{
	struct row_progress row = { .done_ms = in->done_ms,
				    .account = in->account,
				    .product = in->product,
				    .times = in->times,
				    .kind = (uint8_t)in->kind };
	int r;

	if (in->account >= f->accounts.n)
		return row_fault(err, "account", in->account);
	if (in->product != FACTS_NONE && in->product >= f->products.n)
		return row_fault(err, "product", in->product);
	r = pool_add(&f->pool, in->rule, &row.rule, err);
	return r < 0 ? r : PUSH(f, err, vec_row_progress, progress, row);
}

int facts_add_former(struct facts *f, const struct facts_former *in, struct err *err)
{
	struct row_former row = { .taken_ms = in->taken_ms, .account = in->account };
	int r;

	if (in->account >= f->accounts.n)
		return row_fault(err, "account", in->account);
	r = pool_add(&f->pool, in->group, &row.group, err);
	return r < 0 ? r : PUSH(f, err, vec_row_former, former, row);
}

int facts_add_counted(struct facts *f, const struct facts_counted *in, struct err *err)
{
	struct row_counted row = { .person = in->person,
				   .account = in->account,
				   .at_ms = in->at_ms,
				   .class = (uint8_t)in->class };
	int r = INTERN(f, err, { in->product, &row.product }, { in->site, &row.site },
		       { in->rule, &row.rule });

	return r < 0 ? r : PUSH(f, err, vec_row_counted, counted, row);
}

int facts_add_apart(struct facts *f, const struct facts_apart *in, struct err *err)
{
	struct row_apart row = { .account = in->account };
	int r = INTERN(f, err, { in->source, &row.source }, { in->key, &row.key },
		       { in->other_source, &row.other_source },
		       { in->other_key, &row.other_key });

	return r < 0 ? r : PUSH(f, err, vec_row_apart, apart, row);
}

int facts_add_open(struct facts *f, const struct facts_open *in, struct err *err)
{
	struct row_open row = { .plan = in->plan,
				.person = in->person,
				.account = in->account,
				.n = in->n,
				.urgency = (uint8_t)in->urgency,
				.kind = (uint8_t)in->kind,
				.approved = in->approved,
				.started = in->started };
	int r = INTERN(f, err, { in->rule, &row.rule }, { in->product, &row.product },
		       { in->site, &row.site });

	return r < 0 ? r : PUSH(f, err, vec_row_open, open, row);
}

int facts_add_site(struct facts *f, const struct facts_site *in, struct err *err)
{
	struct row_site row = { .queue = in->queue };
	int r = account_or_none(f, in->queue, err);

	if (r == 0)
		r = INTERN(f, err, { in->host, &row.host });
	return r < 0 ? r : PUSH(f, err, vec_row_site, sites, row);
}

int facts_add_inventory(struct facts *f, const struct facts_inventory *in, struct err *err)
{
	struct row_inventory row = { in->read_ms, in->account, in->whole };

	if (in->account >= f->accounts.n)
		return row_fault(err, "account", in->account);
	return PUSH(f, err, vec_row_inventory, inventory, row);
}

int facts_add_owned(struct facts *f, const struct facts_owned *in, struct err *err)
{
	struct row_owned row = { .account = in->account,
				 .lead = in->lead,
				 .kind = (uint8_t)in->kind,
				 .unseen = in->unseen };
	int r = account_or_none(f, in->lead, err);

	if (in->account >= f->accounts.n)
		return row_fault(err, "account", in->account);
	if (r == 0)
		r = INTERN(f, err, { in->site, &row.site }, { in->id, &row.id },
			   { in->project, &row.project });
	return r < 0 ? r : PUSH(f, err, vec_row_owned, owned, row);
}

int facts_add_refusal(struct facts *f, const struct facts_refusal *in, struct err *err)
{
	struct row_refusal row = { .account = in->account,
				   .receiver = in->receiver,
				   .kind = (uint8_t)in->kind };
	int r;

	if (in->account >= f->accounts.n)
		return row_fault(err, "account", in->account);
	if (in->receiver >= f->accounts.n)
		return row_fault(err, "account", in->receiver);
	r = INTERN(f, err, { in->site, &row.site }, { in->id, &row.id });
	return r < 0 ? r : PUSH(f, err, vec_row_refusal, refusals, row);
}

int facts_add_return(struct facts *f, const struct facts_return *in, struct err *err)
{
	if (in->account >= f->accounts.n)
		return row_fault(err, "account", in->account);
	if (in->product != FACTS_NONE && in->product >= f->products.n)
		return row_fault(err, "product", in->product);
	return PUSH(f, err, vec_row_return, returns, *in);
}

int facts_add_heir(struct facts *f, const struct facts_heir *in, struct err *err)
{
	struct row_heir row = { in->person, in->heir, in->account };
	int r = account_or_none(f, in->account, err);

	return r < 0 ? r : PUSH(f, err, vec_row_heir, heirs, row);
}

/* --- sealing --- */

#define LESS(a, b) ((a) < (b) ? -1 : (a) > (b))
#define FIRST_OF(c, d) ((c) ? (c) : (d))

static int seat_cmp(const void *pa, const void *pb)
{
	const struct row_seat *a = pa, *b = pb;

	return FIRST_OF(LESS(a->account, b->account), LESS(a->product, b->product));
}

static int grant_cmp(const void *pa, const void *pb)
{
	const struct row_grant *a = pa, *b = pb;

	return FIRST_OF(FIRST_OF(LESS(a->group, b->group), LESS(a->product, b->product)),
			LESS(a->role, b->role));
}

static int role_cmp(const void *pa, const void *pb)
{
	const struct row_role *a = pa, *b = pb;

	return FIRST_OF(FIRST_OF(LESS(a->account, b->account), LESS(a->product, b->product)),
			FIRST_OF(LESS(a->role, b->role), LESS(a->method, b->method)));
}

static int person_cmp(const void *pa, const void *pb)
{
	const struct row_person *a = pa, *b = pb;

	return LESS(a->number, b->number);
}

static int address_cmp(const void *pa, const void *pb)
{
	const struct row_address *a = pa, *b = pb;

	return FIRST_OF(LESS(a->folded, b->folded), LESS(a->person, b->person));
}

static int protection_cmp(const void *pa, const void *pb)
{
	const struct row_protection *a = pa, *b = pb;

	return FIRST_OF(LESS(a->account, b->account), LESS(a->person, b->person));
}

static int bar_cmp(const void *pa, const void *pb)
{
	const struct row_bar *a = pa, *b = pb;

	return FIRST_OF(LESS(a->account, b->account), LESS(a->person, b->person));
}

static int progress_cmp(const void *pa, const void *pb)
{
	const struct row_progress *a = pa, *b = pb;

	return FIRST_OF(LESS(a->account, b->account), LESS(a->product, b->product));
}

/* By the texts: their numbers are as they came. */
static int former_cmp(const void *pa, const void *pb, void *ctx)
{
	const struct row_former *a = pa, *b = pb;
	const struct pool *pool = ctx;
	int c = LESS(a->account, b->account);

	if (!c)
		c = str_cmp(pool_str(pool, a->group), pool_str(pool, b->group));
	return c ? c : LESS(b->taken_ms, a->taken_ms);
}

static int open_cmp(const void *pa, const void *pb)
{
	const struct row_open *a = pa, *b = pb;

	return FIRST_OF(FIRST_OF(LESS(a->account, b->account), LESS(a->plan, b->plan)),
			LESS(a->n, b->n));
}

static int u64_cmp(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return LESS(a, b);
}

/* qsort, but nothing where rows come sorted, as they mostly do from a store. */
static int inventory_cmp(const void *pa, const void *pb)
{
	const struct row_inventory *a = pa, *b = pb;

	return LESS(a->account, b->account);
}

/* For looking up alone: no plan shows this order. */
static int refusal_cmp(const void *pa, const void *pb)
{
	const struct row_refusal *a = pa, *b = pb;
	int c = FIRST_OF(LESS(a->account, b->account), LESS(a->receiver, b->receiver));

	c = FIRST_OF(c, LESS(a->kind, b->kind));
	return FIRST_OF(FIRST_OF(c, LESS(a->site, b->site)), LESS(a->id, b->id));
}

static int return_cmp(const void *pa, const void *pb)
{
	const struct facts_return *a = pa, *b = pb;
	int c = FIRST_OF(LESS(a->account, b->account), LESS(a->kind, b->kind));

	c = FIRST_OF(c, LESS(a->product, b->product));
	c = FIRST_OF(c, LESS(a->taken_ms, b->taken_ms));
	return FIRST_OF(FIRST_OF(c, LESS(a->at_ms, b->at_ms)), LESS(a->by, b->by));
}

static int ceased_cmp(const void *pa, const void *pb)
{
	const struct row_scim_ceased *a = pa, *b = pb;

	return a->user != b->user ? LESS(a->user, b->user) : LESS(a->group, b->group);
}

static int heir_cmp(const void *pa, const void *pb)
{
	const struct row_heir *a = pa, *b = pb;

	return LESS(a->person, b->person);
}

/* By texts: numbers of the pool depend on the order in which rows came. */
static int owned_cmp(const void *pa, const void *pb, void *ctx)
{
	const struct row_owned *a = pa, *b = pb;
	const struct pool *p = ctx;
	struct str ia = pool_str(p, a->id), ib = pool_str(p, b->id);
	int c = FIRST_OF(
		LESS(a->account, b->account),
		a->site == b->site ? 0 : str_cmp(pool_str(p, a->site), pool_str(p, b->site)));

	c = FIRST_OF(c, LESS(a->kind, b->kind));
	/* shorter ids first: that is the order of numbers */
	c = FIRST_OF(c, LESS(ia.len, ib.len));
	return FIRST_OF(c, str_cmp(ia, ib));
}

static int site_cmp(const void *pa, const void *pb, void *ctx)
{
	const struct row_site *a = pa, *b = pb;
	const struct pool *p = ctx;

	return str_cmp(pool_str(p, a->host), pool_str(p, b->host));
}

static void sort(void *v, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	char *p = v;

	for (size_t i = 1; i < n; i++) {
		if (cmp(p + (i - 1) * size, p + i * size) <= 0)
			continue;
		qsort(v, n, size, cmp);
		return;
	}
}

/* Leaves one of each run of equals in a sorted array; returns how many are left. */
static size_t unique(void *v, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	char *p = v;
	size_t kept = n ? 1 : 0;

	for (size_t i = 1; i < n; i++) {
		if (cmp(p + (kept - 1) * size, p + i * size) == 0)
			continue;
		if (kept != i)
			memcpy(p + kept * size, p + i * size, size);
		kept++;
	}
	return kept;
}

static int pair_row_cmp(const void *pa, const void *pb)
{
	const struct pair *a = pa, *b = pb;

	return FIRST_OF(LESS(a->a, b->a), LESS(a->b, b->b));
}

/*
 * at[i] is where the rows whose first 32-bit field (at offset of each row) is i begin, in a
 * sorted array; at[count] is their number.
 */
static int offsets(const void *v, size_t n, size_t size, size_t offset, size_t count,
		   uint32_t **ret, struct err *err)
{
	uint32_t *at = calloc(count + 1, sizeof(*at));
	const char *p = v;
	size_t row = 0;

	if (!at)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		at[i] = (uint32_t)row;
		while (row < n && *(const uint32_t *)(p + row * size + offset) == i)
			row++;
	}
	at[count] = (uint32_t)row;
	free(*ret);
	*ret = at;
	return 0;
}

/* Where a row stands in an array of things to be sorted by number. */
struct numbered {
	uint64_t number;
	uint32_t row;
};

static int numbered_cmp(const void *pa, const void *pb)
{
	const struct numbered *a = pa, *b = pb;

	return FIRST_OF(LESS(a->number, b->number), LESS(a->row, b->row));
}

static int accounts_number(struct facts *f, struct err *err)
{
	size_t n = f->accounts.n;
	CLEANUP(free_at) struct numbered *by = calloc(n + 1, sizeof(*by));
	uint32_t *rows = calloc(n + 1, sizeof(*rows));

	free(f->account_by_number);
	f->account_by_number = rows;
	if (!by || !rows)
		return err_nomem(err);
	for (uint32_t i = 0; i < n; i++)
		by[i] = (struct numbered){ f->accounts.v[i].number, i };
	sort(by, n, sizeof(*by), numbered_cmp);
	for (size_t i = 0; i < n; i++) {
		rows[i] = by[i].row;
		if (i && by[i].number == by[i - 1].number)
			return err_set(err, ERR_INVALID_VALUE,
				       "facts: two accounts have the ledger number %llu",
				       (unsigned long long)by[i].number);
	}
	return 0;
}

/* Two rows with the same pair of numbers (made by key) are a fault. */
static int no_doubles(const struct facts *f, size_t n,
		      struct pair (*key)(const struct facts *f, size_t i), const char *what,
		      struct err *err)
{
	CLEANUP(free_at) struct pair *v = calloc(n + 1, sizeof(*v));
	int r;

	if (!v)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++)
		v[i] = key(f, i);
	r = pair_sort(v, n, err);
	if (r < 0)
		return r;
	for (size_t i = 1; i < n; i++)
		if (v[i].a == v[i - 1].a && v[i].b == v[i - 1].b)
			return err_set(err, ERR_INVALID_VALUE,
				       "facts: two %s have the key " STR_FMT, what,
				       STR_ARG(pool_str(&f->pool, v[i].b)));
	return 0;
}

static struct pair record_key(const struct facts *f, size_t i)
{
	return (struct pair){ f->records.v[i].source, f->records.v[i].key };
}

static struct pair account_key(const struct facts *f, size_t i)
{
	return (struct pair){ 0, f->accounts.v[i].id };
}

static struct pair group_key(const struct facts *f, size_t i)
{
	return (struct pair){ 0, f->groups.v[i].id };
}

static struct pair product_key(const struct facts *f, size_t i)
{
	return (struct pair){ f->products.v[i].site, f->products.v[i].key };
}

static struct pair scim_user_key(const struct facts *f, size_t i)
{
	return (struct pair){ 0, f->scim_users.v[i].id };
}

static struct pair source_key(const struct facts *f, size_t i)
{
	return (struct pair){ 0, f->sources.v[i].name };
}

static int keys_check(const struct facts *f, struct err *err)
{
	int r = no_doubles(f, f->sources.n, source_key, "sources", err);

	if (r == 0)
		r = no_doubles(f, f->records.n, record_key, "records of one source", err);
	if (r == 0)
		r = no_doubles(f, f->accounts.n, account_key, "accounts", err);
	if (r == 0)
		r = no_doubles(f, f->groups.n, group_key, "groups", err);
	if (r == 0)
		r = no_doubles(f, f->products.n, product_key, "products of one site", err);
	if (r == 0)
		r = no_doubles(f, f->scim_users.n, scim_user_key,
			       "records of the provisioning directory", err);
	for (size_t i = 1; i < f->persons.n && r == 0; i++)
		if (f->persons.v[i].number == f->persons.v[i - 1].number)
			r = err_set(err, ERR_INVALID_VALUE,
				    "facts: two persons have the ledger number %llu",
				    (unsigned long long)f->persons.v[i].number);
	return r;
}

/* They come in order of their text, and are wanted in order of its number: all of them move. */
static int addresses_sort(struct facts *f, struct err *err)
{
	CLEANUP(free_at) struct pair *v = NULL;
	size_t n = f->addresses.n;
	int r;

	for (size_t i = 0; i < n; i++)
		if (f->addresses.v[i].person > UINT32_MAX) {
			sort(f->addresses.v, n, sizeof(*f->addresses.v), address_cmp);
			return 0;
		}
	v = calloc(n + 1, sizeof(*v));
	if (!v)
		return err_nomem(err);
	for (size_t i = 0; i < n; i++)
		v[i] = (struct pair){ f->addresses.v[i].folded,
				      (uint32_t)f->addresses.v[i].person };
	r = pair_sort(v, n, err);
	for (size_t i = 0; i < n && r == 0; i++)
		f->addresses.v[i] = (struct row_address){ .person = v[i].b, .folded = v[i].a };
	return r;
}

/* The sorted field of each kind of rows, and what makes two rows one. */
static int rows_sort(struct facts *f, struct err *err)
{
	int r = pair_sort(f->members.v, f->members.n, err);

	if (r < 0)
		return r;
	f->members.n = unique(f->members.v, f->members.n, sizeof(*f->members.v), pair_row_cmp);
	r = pair_sort(f->scim_members.v, f->scim_members.n, err);
	if (r < 0)
		return r;
	f->scim_members.n = unique(f->scim_members.v, f->scim_members.n,
				   sizeof(*f->scim_members.v), pair_row_cmp);
	r = addresses_sort(f, err);
	if (r < 0)
		return r;
#define SORT(field, cmp) sort(f->field.v, f->field.n, sizeof(*f->field.v), (cmp))
#define UNIQUE(field, cmp)                                                                     \
	(SORT(field, cmp),                                                                     \
	 f->field.n = unique(f->field.v, f->field.n, sizeof(*f->field.v), (cmp)))
	SORT(seats, seat_cmp);
	UNIQUE(grants, grant_cmp);
	UNIQUE(roles, role_cmp);
	SORT(persons, person_cmp);
	UNIQUE(addresses, address_cmp);
	SORT(protections, protection_cmp);
	SORT(bars, bar_cmp);
	SORT(progress, progress_cmp);
	SORT(open, open_cmp);
	UNIQUE(expected, u64_cmp);
	SORT(inventory, inventory_cmp);
	SORT(heirs, heir_cmp);
	UNIQUE(scim_ceased, ceased_cmp);
	SORT(refusals, refusal_cmp);
	SORT(returns, return_cmp);
	if (f->former.n)
		qsort_r(f->former.v, f->former.n, sizeof(*f->former.v), former_cmp, &f->pool);
	if (f->owned.n)
		qsort_r(f->owned.v, f->owned.n, sizeof(*f->owned.v), owned_cmp, &f->pool);
	if (f->sites.n)
		qsort_r(f->sites.v, f->sites.n, sizeof(*f->sites.v), site_cmp, &f->pool);
#undef SORT
#undef UNIQUE
	for (size_t i = 1; i < f->seats.n; i++)
		if (seat_cmp(&f->seats.v[i - 1], &f->seats.v[i]) == 0)
			return err_set(err, ERR_INVALID_VALUE,
				       "facts: two seats of one account for one product");
	return 0;
}

/* Which account a record of the provisioning directory is, and so whose id an account has. */
static int scim_link(struct facts *f, struct err *err)
{
	CLEANUP(free_at) struct pair *v = NULL;
	int r;

	if (!f->scim_users.n)
		return 0;
	v = calloc(f->accounts.n + 1, sizeof(*v));
	if (!v)
		return err_nomem(err);
	for (uint32_t i = 0; i < f->accounts.n; i++)
		v[i] = (struct pair){ f->accounts.v[i].id, i };
	r = pair_sort(v, f->accounts.n, err);
	for (size_t i = 0; i < f->scim_users.n && r == 0; i++) {
		struct row_scim_user *u = &f->scim_users.v[i];
		size_t at = pair_find(v, f->accounts.n, u->account_id);
		struct row_account *a;

		if (u->account_id < FRAME_FIRST || at == f->accounts.n ||
		    v[at].a != u->account_id)
			continue;
		u->account = v[at].b;
		a = &f->accounts.v[u->account];
		if (!a->scim_user ||
		    str_cmp(pool_str(&f->pool, u->id),
			    pool_str(&f->pool, f->scim_users.v[a->scim_user - 1].id)) < 0)
			a->scim_user = (uint32_t)i + 1;
		/* two records of one account: the same one of them, whatever the order */
		if (u->external_id >= FRAME_FIRST &&
		    (a->external_id < FRAME_FIRST ||
		     str_cmp(pool_str(&f->pool, u->external_id),
			     pool_str(&f->pool, a->external_id)) < 0)) {
			a->external_id = u->external_id;
			a->issuer = f->provision_issuer;
		}
	}
	return r;
}

int facts_seal(struct facts *f, struct err *err)
{
	int r;

	dropped_out(f);
	r = rows_sort(f, err);
	if (r == 0)
		r = keys_check(f, err);
	if (r == 0)
		r = accounts_number(f, err);
	if (r == 0)
		r = scim_link(f, err);
	if (r == 0)
		r = offsets(f->seats.v, f->seats.n, sizeof(struct row_seat),
			    offsetof(struct row_seat, account), f->accounts.n, &f->seat_at,
			    err);
	if (r == 0)
		r = offsets(f->members.v, f->members.n, sizeof(struct pair),
			    offsetof(struct pair, a), f->accounts.n, &f->member_at, err);
	if (r == 0)
		r = offsets(f->roles.v, f->roles.n, sizeof(struct row_role),
			    offsetof(struct row_role, account), f->accounts.n, &f->role_at,
			    err);
	if (r == 0)
		r = offsets(f->grants.v, f->grants.n, sizeof(struct row_grant),
			    offsetof(struct row_grant, group), f->groups.n, &f->grant_at, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < f->sources.n; i++) {
		struct row_source *s = &f->sources.v[i];

		s->in.name = pool_str(&f->pool, s->name);
		s->in.doubt_text = pool_str(&f->pool, s->doubt_text);
	}
	f->sealed = true;
	return 0;
}

size_t facts_bytes(const struct facts *f)
{
	size_t bytes = sizeof(*f) + f->pool.room + f->pool.at_room * sizeof(uint32_t) +
		       f->pool.slot_count * sizeof(*f->pool.slots);

	for (size_t i = 0; i < f->columns.n; i++)
		bytes += f->cells[i].room * sizeof(uint32_t);
#define ROOM(field) bytes += f->field.room * sizeof(*f->field.v)
	ROOM(numbers), ROOM(lists), ROOM(sources), ROOM(records), ROOM(persons);
	ROOM(addresses), ROOM(accounts), ROOM(products), ROOM(seats), ROOM(groups);
	ROOM(grants), ROOM(members), ROOM(roles), ROOM(protections), ROOM(bars);
	ROOM(expected), ROOM(progress), ROOM(former), ROOM(counted), ROOM(open), ROOM(apart);
	ROOM(sites), ROOM(inventory), ROOM(owned), ROOM(heirs), ROOM(refusals), ROOM(returns);
	ROOM(scim_users), ROOM(scim_groups), ROOM(scim_members), ROOM(scim_ceased);
#undef ROOM
	return bytes + (4 * f->accounts.n + f->groups.n) * sizeof(uint32_t);
}

/* --- reading --- */

uint32_t facts_account_by_number(const struct facts *f, uint64_t number)
{
	size_t low = 0, high = f->accounts.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->accounts.v[f->account_by_number[middle]].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == f->accounts.n || f->accounts.v[f->account_by_number[low]].number != number)
		return FACTS_NONE;
	return f->account_by_number[low];
}

uint32_t facts_person_by_number(const struct facts *f, uint64_t number)
{
	const struct row_person key = { .number = number };
	const struct row_person *found =
		f->persons.n
			? bsearch(&key, f->persons.v, f->persons.n, sizeof(key), person_cmp)
			: NULL;

	return found ? (uint32_t)(found - f->persons.v) : FACTS_NONE;
}

uint32_t facts_product_find(const struct facts *f, struct str key, struct str site)
{
	for (size_t i = 0; i < f->products.n; i++)
		if (str_eq(pool_str(&f->pool, f->products.v[i].key), key) &&
		    str_eq(pool_str(&f->pool, f->products.v[i].site), site))
			return (uint32_t)i;
	return FACTS_NONE;
}

const struct row_inventory *facts_inventory_of(const struct facts *f, uint32_t account)
{
	const struct row_inventory key = { .account = account };

	return f->inventory.n ? bsearch(&key, f->inventory.v, f->inventory.n,
					sizeof(*f->inventory.v), inventory_cmp)
			      : NULL;
}

const struct row_heir *facts_heir_of(const struct facts *f, uint64_t person)
{
	const struct row_heir key = { .person = person };

	return f->heirs.n ? bsearch(&key, f->heirs.v, f->heirs.n, sizeof(*f->heirs.v), heir_cmp)
			  : NULL;
}

int64_t facts_scim_ceased(const struct facts *f, uint32_t user, uint32_t group)
{
	const struct row_scim_ceased key = { 0, user, group }, *row = NULL;

	if (f->scim_ceased.n)
		row = bsearch(&key, f->scim_ceased.v, f->scim_ceased.n, sizeof(key),
			      ceased_cmp);
	return row ? row->ceased_ms : 0;
}

bool facts_refused(const struct facts *f, const struct row_owned *o, uint32_t receiver)
{
	const struct row_refusal key = { .account = o->account,
					 .receiver = receiver,
					 .site = o->site,
					 .id = o->id,
					 .kind = o->kind };

	return f->refusals.n &&
	       bsearch(&key, f->refusals.v, f->refusals.n, sizeof(*f->refusals.v), refusal_cmp);
}

const struct row_owned *facts_owned_of(const struct facts *f, uint32_t account, size_t *count)
{
	size_t low = 0, high = f->owned.n, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->owned.v[middle].account < account)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < f->owned.n && f->owned.v[end].account == account;)
		end++;
	*count = end - low;
	return f->owned.v ? &f->owned.v[low] : NULL;
}

enum value_state facts_cell(const struct facts *f, uint32_t record, uint32_t column,
			    uint32_t *ret)
{
	uint32_t cell = f->cells[column].v[record];

	*ret = cell;
	if (cell == FRAME_UNKNOWN)
		return VALUE_UNKNOWN;
	return cell == FRAME_ABSENT ? VALUE_ABSENT : VALUE_PRESENT;
}

enum value_state facts_text(const struct facts *f, uint32_t record, uint32_t column,
			    struct str *ret)
{
	uint32_t cell;
	enum value_state state = facts_cell(f, record, column, &cell);

	*ret = state == VALUE_PRESENT ? pool_str(&f->pool, cell) : (struct str){ "", 0 };
	return state;
}

enum value_state facts_number(const struct facts *f, uint32_t record, uint32_t column,
			      int64_t *ret)
{
	uint32_t cell;
	enum value_state state = facts_cell(f, record, column, &cell);

	*ret = state == VALUE_PRESENT ? f->numbers.v[cell - FRAME_FIRST] : 0;
	return state;
}
