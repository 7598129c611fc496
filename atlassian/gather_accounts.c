#include "atlassian/gather.h"

#include <stdio.h>
#include <string.h>

#include "atlassian/org.h"
#include "atlassian/users.h"

/* --- accounts ----------------------------------------------------------------------------- */

static struct gather_held *held_find(struct gather *c, const struct gather_product *resource)
{
	for (size_t i = 0; i < c->held_count; i++)
		if (c->held[i].resource == resource)
			return &c->held[i];
	return NULL;
}

/* Adds a product to what the account may use; YES before UNKNOWN before NO. */
static void held_add(struct gather *c, struct gather_product *resource, enum tri billable)
{
	struct gather_held *h = held_find(c, resource);

	if (!h) {
		if (c->held_count == GATHER_HELD_MOST) {
			c->held_known = false;
			return;
		}
		h = &c->held[c->held_count++];
		*h = (struct gather_held){ resource, TRI_NO, false };
	}
	if (billable == TRI_YES || (billable == TRI_UNKNOWN && h->billable == TRI_NO))
		h->billable = billable;
}

/* Admin by way of a group. */
static void admin_add(struct atl_account *row, enum tri admin)
{
	if (admin == TRI_YES)
		row->admin = TRI_YES;
	else if (admin == TRI_UNKNOWN && row->admin == TRI_NO)
		row->admin = TRI_UNKNOWN;
}

/* What the account's groups grant. */
static void hold_by_groups(struct gather *c, struct atl_user *u)
{
	json_t *row;
	size_t i;

	c->held_count = 0;
	c->held_known = u->groups != NULL;
	json_array_foreach ((json_t *)(uintptr_t)u->groups, i, row) {
		struct str id = atl_group_id(atl_text(row, "id"));
		struct gather_group *g = NULL;

		if (id.len)
			HASH_FIND(hh, c->groups, id.p, id.len, g);
		if (!g) {
			c->held_known = false;
			admin_add(&u->row, TRI_UNKNOWN);
			if (!c->o->directories.n)
				gather_lack(c,
					    ATL_PART_GROUPS | ATL_PART_GRANTS | ATL_PART_SEATS,
					    "an account is in a group that the list of groups "
					    "did not "
					    "have");
			continue;
		}
		c->held_known &= g->roles_read;
		admin_add(&u->row, g->admin);
		for (size_t k = 0; k < g->grants.n; k++)
			held_add(c, g->grants.v[k].resource,
				 atl_role_billable(str_of(g->grants.v[k].role)));
	}
	c->held_any = c->held_count;
}

static bool takes_seats(const struct atl_user *u)
{
	return (u->row.status == ACCOUNT_ACTIVE || u->row.status == ACCOUNT_UNKNOWN) &&
	       u->row.type != ACCOUNT_APP && u->row.type != ACCOUNT_CUSTOMER;
}

static bool seat_idle(const struct gather *c, const struct atl_user *u)
{
	for (size_t i = 0; i < c->held_count; i++) {
		int64_t last;

		if (c->held[i].billable == TRI_NO || !c->held[i].resource->counted)
			continue;
		last = atl_user_last(u, str_of(c->held[i].resource->id));
		if (last == ATL_ABSENT || (last > 0 && last < c->now_ms - c->o->idle_after_ms))
			return true;
	}
	return false;
}

/* Some access that no group explains, or an account whose paths a plan may soon rest on. */
static bool roles_needed(struct gather *c, const struct atl_user *u)
{
	json_t *row;
	size_t i;

	if (u->row.type == ACCOUNT_APP || u->row.type == ACCOUNT_CUSTOMER)
		return false;
	if (c->o->roles == ATL_ROLES_ALL)
		return true;
	if (!takes_seats(u))
		return false;
	if (u->row.admin == TRI_YES || json_array_size(u->platform) || seat_idle(c, u))
		return true;
	if (u->resources >= 0)
		return (uint64_t)u->resources != c->held_any;
	json_array_foreach ((json_t *)(uintptr_t)u->products, i, row) {
		struct gather_product *used = gather_product_find(c, atl_text(row, "id"));

		if (used && !held_find(c, used))
			return true;
	}
	return false;
}

/* --- an account's roles ------------------------------------------------------------------- */

VEC(vec_role, struct atl_role);

struct roles {
	struct str account, directory; /* whose, and in whose list of users it stands */
	struct vec_role rows;          /* texts of the pages that they were read of */
	bool known;
};

/* Where one role was given. */
struct place {
	struct gather_product *resource;
	bool suspended;
	bool elsewhere; /* in another directory that is read: its own list of users tells the
			   groups there */
};

static void roles_done(struct roles *r)
{
	vec_role_done(&r->rows);
}

static int role_add(struct roles *into, const struct gather_product *resource, struct str role,
		    bool inferred, struct err *err)
{
	struct atl_role row = {
		.account = into->account,
		.resource = str_of(resource->id),
		.role = role,
		.inferred = inferred,
		.billable = atl_role_billable(role),
	};

	return vec_role_add(&into->rows, row) < 0 ? err_nomem(err) : 0;
}

/* One role of the account on one product, and the ways it came. */
static int role_row(struct gather *c, const struct place *at, const json_t *assignment,
		    struct roles *into, struct err *err)
{
	struct str role = atl_text(assignment, "role");
	enum tri billable = atl_role_billable(role);
	bool direct = atl_has_method(assignment, "direct");
	bool inferred = atl_has_method(assignment, "inferred");
	struct gather_held *h = held_find(c, at->resource);
	int r = 0;

	if (h)
		h->shown = true;
	if (!role.len ||
	    (!direct && !inferred && !atl_has_method(assignment, "group_direct"))) {
		into->known = false;
		return 0;
	}
	/* By a group that the account's list of groups did not show. */
	if (!at->elsewhere && atl_has_method(assignment, "group_direct") &&
	    billable != TRI_NO && (!h || h->billable == TRI_NO))
		into->known = false;
	if (direct)
		r = role_add(into, at->resource, role, false, err);
	if (r == 0 && inferred)
		r = role_add(into, at->resource, role, true, err);
	if (r == 0 && !at->suspended)
		held_add(c, at->resource, billable);
	return r;
}

static bool is_elsewhere(const struct gather *c, struct str directory, struct str here)
{
	for (size_t i = 0; directory.len && i < c->directories.n; i++)
		if (str_eq(str_of(c->directories.v[i]), directory))
			return !str_eq(directory, here);
	return false;
}

static int roles_row(struct gather *c, const json_t *row, struct roles *into, struct err *err)
{
	struct str id = atl_text(row, "resourceId"), key, bare;
	const struct place at = {
		.resource = gather_product_find(c, id),
		.suspended = str_eq(atl_text(row, "userDirectoryStatus"), STR("suspended")),
		.elsewhere = is_elsewhere(c, atl_text(row, "directoryId"), into->directory),
	};
	const json_t *list = json_object_get(row, "roleAssignments");
	json_t *one;
	size_t i;
	int r = 0;

	if (!at.resource && atl_ari_cut(id, &key, &bare) &&
	    (str_eq(key, STR("platform")) || str_eq(key, STR("identity"))))
		return 0; /* a role on the organisation: platformRoles told it */
	if (!at.resource || !json_is_array(list)) {
		into->known = false;
		gather_lack(
			c, ATL_PART_ROLES | ATL_PART_SEATS,
			"an account has a role on something that the list of products did not "
			"have");
		return 0;
	}
	json_array_foreach ((json_t *)(uintptr_t)list, i, one)
		if (r == 0)
			r = role_row(c, &at, one, into, err);
	return r;
}

/* The pages about an account's roles, into *ret (may be NULL on a lost allocation alone); what
 * fails makes roles incomplete, and *whole false. */
static int roles_fetch(struct gather *c, struct atl_pages *p, json_t **ret, bool *whole,
		       struct err *err)
{
	CLEANUP(json_decref_at) json_t *pages = json_array();
	struct err why;
	int r = 0;

	if (!pages)
		return err_nomem(err);
	while (r == 0) {
		json_t *page = NULL, *rows;

		r = atl_pages_next(p, &page, &rows, &why);
		if (r == 0)
			r = jx_add(pages, page, &why);
	}
	if (r == ATL_STALE)
		return gather_stale(c, &why, err);
	*whole = r >= 0;
	c->role_failures = r < 0 ? c->role_failures + 1 : 0;
	if (r < 0)
		r = gather_failed(c, ATL_PART_ROLES, r, &why, err);
	if (r < 0)
		return r;
	*ret = TAKE(pages);
	return 0;
}

/* What they say of the account; pages are the caller's and outlive *into. */
static int roles_read(struct gather *c, const json_t *pages, bool whole, struct roles *into,
		      struct err *err)
{
	json_t *page, *row;
	size_t i, k;
	int r = 0;

	into->known = whole;
	json_array_foreach ((json_t *)(uintptr_t)pages, i, page)
		json_array_foreach (json_object_get(page, "data"), k, row)
			if (r == 0)
				r = roles_row(c, row, into, err);
	/* What its groups grant must be among them; where it is not (a change shows up to 30 s
	 * later) other roles may be missing too. */
	for (size_t n = 0; n < c->held_any && n < c->held_count; n++)
		into->known &= c->held[n].shown;
	return r;
}

/* --- handing out an account --------------------------------------------------------------- */

static int emit_members(struct gather *c, const struct atl_user *u, struct err *err)
{
	json_t *row;
	size_t i;
	int r = 0;

	json_array_foreach ((json_t *)(uintptr_t)u->groups, i, row) {
		struct str id = atl_group_id(atl_text(row, "id"));

		if (!id.len || r < 0)
			continue;
		c->result->members++;
		if (c->sink->member)
			r = c->sink->member(c->sink->ctx, u->row.id, id, err);
	}
	return r;
}

static int emit_seats(struct gather *c, const struct atl_user *u, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->held_count && takes_seats(u); i++) {
		const struct gather_product *resource = c->held[i].resource;
		struct atl_seat row = {
			.account = u->row.id,
			.resource = str_of(resource->id),
			.last_active_ms = atl_user_last(u, str_of(resource->id)),
		};

		if (c->held[i].billable != TRI_YES || !resource->counted)
			continue;
		c->result->seats++;
		if (c->sink->seat)
			r = c->sink->seat(c->sink->ctx, &row, err);
	}
	return r;
}

static int emit_roles(struct gather *c, const struct roles *roles, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < roles->rows.n; i++) {
		c->result->roles++;
		if (c->sink->role)
			r = c->sink->role(c->sink->ctx, &roles->rows.v[i], err);
	}
	return r;
}

/* What the row did not tell, and whether it can be asked for otherwise. *own keeps the answer
 * alive. */
static int last_active_ask(struct gather *c, struct atl_user *u, json_t **own, struct err *err)
{
	struct err why;
	json_t *row, *told;
	size_t i;
	int r;

	if (c->active_failures >= GATHER_FAILURES_MOST)
		return 0; /* seats are incomplete anyway */
	r = atl_org_last_active(c->client, u->row.id, own, &why);
	if (r == -ERR_NOT_FOUND)
		return 0; /* gone since the page was made */
	c->active_failures = r < 0 ? c->active_failures + 1 : 0;
	if (r < 0)
		return gather_failed(c, ATL_PART_SEATS, r, &why, err);
	told = json_object_get(*own, "product_access");
	json_array_foreach (told, i, row) {
		json_t *at = json_object_get(row, "last_active_timestamp");

		if (!at)
			at = json_object_get(row, "last_active");
		if (at && jx_set(row, "lastActiveTimestamp", json_incref(at), err) < 0)
			return err_nomem(err);
	}
	u->products = told;
	u->row.last_active_ms = atl_user_newest(told);
	if (u->row.last_active_ms > 0)
		u->row.accepted = TRI_YES;
	return 0;
}

/* The account with all that is known of it; pages is the answer about its roles, or NULL, and
 * whole says whether that came to its end. */
static int emit_account(struct gather *c, struct atl_user *u, struct str directory,
			const json_t *pages, bool whole, struct err *err)
{
	CLEANUP(roles_done)
	struct roles roles = { .account = u->row.id, .directory = directory };
	CLEANUP(json_decref_at) json_t *last = NULL;
	CLEANUP(buf_done) struct buf platform;
	int r = 0;

	buf_init(&platform, 4096);
	r = atl_platform_read(u->platform, &u->row, &platform, err);
	hold_by_groups(c, u); /* after it: admin by groups comes on top of platform roles */
	if (r == 0 && pages)
		r = roles_read(c, pages, whole, &roles, err);
	if (r == 0 && !u->products && takes_seats(u) && c->held_count)
		r = last_active_ask(c, u, &last, err);
	if (r < 0)
		return r;
	u->row.directory = directory;
	u->row.roles = buf_str(&platform);
	u->row.own = atl_client_is_own(c->client, u->row.id, u->row.email);
	gather_tokens_of(c, &u->row);
	if (pages)
		u->row.paths_known = tri_of(roles.known && c->held_known);
	else
		c->result->not_read++;
	c->result->accounts++;
	if (c->sink->account)
		r = c->sink->account(c->sink->ctx, &u->row, err);
	if (r == 0)
		r = emit_members(c, u, err);
	if (r == 0)
		r = emit_seats(c, u, err);
	return r == 0 ? emit_roles(c, &roles, err) : r;
}

/* --- accounts that wait for the end of the list of tokens ----------------------------------
 */

static void waiting_free(struct gather_waiting *w)
{
	free(w->row);
	free(w->roles);
}

void gather_waiting_done(struct gather *c)
{
	for (size_t i = 0; i < c->waiting.n; i++)
		waiting_free(&c->waiting.v[i]);
	vec_gather_waiting_done(&c->waiting);
	c->waiting_at = c->waiting_bytes = 0;
}

static int text_of(const json_t *j, char **ret, size_t *bytes, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	int r;

	buf_init(&text, 64 << 20);
	r = jx_text(j, &text, err);
	if (r < 0)
		return r;
	*bytes += text.len;
	*ret = str_dup(buf_str(&text));
	return *ret ? 0 : err_nomem(err);
}

/* clang-format off */
const char *const gather_user_members[] = { "accountId",     "accountStatus", "accountType",
					    "addedToOrg",    "claimStatus",   "counts",
					    "email",         "emailVerified", "groups",
					    "managementSource", "membershipStatus", "name",
					    "platformRoles", "productAccess", "status", NULL };
/* clang-format on */

/* What atl_user_read() looks at, without pictures and descriptions. */
static int row_text(const json_t *row, char **ret, size_t *bytes, struct err *err)
{
	CLEANUP(json_decref_at) json_t *kept = json_object();
	int r = kept ? 0 : err_nomem(err);

	for (const char *const *m = gather_user_members; r == 0 && *m; m++) {
		json_t *value = json_object_get(row, *m);

		if (value)
			r = jx_set(kept, *m, json_incref(value), err);
	}
	return r < 0 ? r : text_of(kept, ret, bytes, err);
}

static int wait_add(struct gather *c, const json_t *row, struct str directory,
		    const json_t *pages, bool whole, struct err *err)
{
	struct gather_waiting w = { .directory = directory, .roles_whole = whole };
	int r = row_text(row, &w.row, &w.bytes, err);

	if (r == 0 && pages)
		r = text_of(pages, &w.roles, &w.bytes, err);
	if (r == 0 && vec_gather_waiting_add(&c->waiting, w) < 0)
		r = err_nomem(err);
	if (r < 0)
		waiting_free(&w);
	else
		c->waiting_bytes += w.bytes;
	return r;
}

static int wait_emit(struct gather *c, const struct gather_waiting *w, struct err *err)
{
	CLEANUP(json_decref_at) json_t *row = NULL;
	CLEANUP(json_decref_at) json_t *pages = NULL;
	struct atl_user u;
	char why[100];
	int r = jx_parse(str_of(w->row), JX_LENIENT, &row, err);

	if (r == 0 && w->roles)
		r = jx_parse(str_of(w->roles), JX_LENIENT, &pages, err);
	if (r < 0 || !atl_user_read(row, &u, why, sizeof(why))) /* it was fine before */
		return r;
	return emit_account(c, &u, w->directory, pages, w->roles_whole, err);
}

/* The list of tokens is at its end: so many wait no longer, in the order in which they came. */
static int wait_over(struct gather *c, size_t most, struct err *err)
{
	int r = 0;

	while (r == 0 && most-- && c->waiting_at < c->waiting.n) {
		struct gather_waiting *w = &c->waiting.v[c->waiting_at++];

		r = wait_emit(c, w, err);
		waiting_free(w);
		c->waiting_bytes -= w->bytes;
		*w = (struct gather_waiting){ 0 };
	}
	if (r == 0 && c->waiting_at == c->waiting.n)
		gather_waiting_done(c);
	return r;
}

int gather_beside(struct gather *c, size_t pages, struct err *err)
{
	bool all = pages == SIZE_MAX;
	int r = 0;

	while (r == 0 && c->tokens_open && pages--)
		r = gather_tokens_step(c, err);
	return r == 0 && all ? wait_over(c, SIZE_MAX, err) : r;
}

/* Hands an account out, now or when the list of tokens is at its end and those before it are
 * through. */
static int account_out(struct gather *c, const json_t *row, struct atl_user *u,
		       struct str directory, const json_t *pages, bool whole, struct err *err)
{
	int r = 0;

	if (c->waiting_bytes > GATHER_WAIT_BYTES)
		r = gather_beside(c, SIZE_MAX, err);
	if (r == 0 && !c->tokens_open)
		r = wait_over(c, GATHER_WAIT_STEP, err);
	if (r < 0)
		return r;
	if (c->tokens_open || c->waiting.n)
		return wait_add(c, row, directory, pages, whole, err);
	return emit_account(c, u, directory, pages, whole, err);
}

/* --- the queue of accounts whose roles were asked for ------------------------------------- */

static int user_answer(struct gather *c, struct err *err)
{
	struct gather_user_ask *ask = &c->user_asks[c->first];
	CLEANUP(json_decref_at) json_t *pages = NULL;
	struct atl_user u;
	bool whole = false;
	char why[100];
	int r = roles_fetch(c, &ask->pages, &pages, &whole, err);

	if (r == 0 && atl_user_read(ask->row, &u, why, sizeof(why))) /* it was fine before */
		r = account_out(c, ask->row, &u, ask->directory, pages, whole, err);
	atl_pages_done(&ask->pages);
	json_decref(TAKE(ask->row));
	c->first = (c->first + 1) % GATHER_WINDOW_MOST;
	c->asked--;
	return r;
}

/* 0: queued. NOT_ASKED: the request could not be sent, or too many failed: roles are
 * incomplete. */
enum { NOT_ASKED = 1 };
static int user_ask(struct gather *c, const json_t *row, const struct atl_user *u,
		    struct str directory, struct err *err)
{
	struct gather_user_ask *ask;
	struct err why;
	int r = 0;

	while (r == 0 && c->asked >= c->window)
		r = user_answer(c, err);
	if (r < 0)
		return r;
	if (c->role_failures >= GATHER_FAILURES_MOST)
		return NOT_ASKED;
	ask = &c->user_asks[(c->first + c->asked) % GATHER_WINDOW_MOST];
	snprintf(ask->what, sizeof(ask->what), "the roles of an account");
	ask->directory = directory;
	r = atl_org_user_roles(&ask->pages, c->client, STR("-"), u->row.id, (struct str){ 0 },
			       ask->what, &why);
	ask->pages.kept = c->sink->kept;
	if (r == 0)
		r = atl_pages_start(&ask->pages, &why);
	if (r == 0) {
		ask->row = json_incref((json_t *)(uintptr_t)row);
		c->asked++;
		return 0;
	}
	atl_pages_done(&ask->pages);
	r = gather_failed(c, ATL_PART_ROLES, r, &why, err);
	return r < 0 ? r : NOT_ASKED;
}

/* --- rows of users ------------------------------------------------------------------------ */

/* 0: new. ATL_SEEN: seen in this very list. 2: new here, known from another directory. */
enum { SEEN_ELSEWHERE = 2 };
static int seen_before(struct gather *c, struct str id, struct err *err)
{
	int known = atl_seen_add(c->seen, id, err), here = 0;

	if (known < 0 || !c->seen_here)
		return known;
	here = atl_seen_add(c->seen_here, id, err);
	if (here != 0)
		return here;
	return known == ATL_SEEN ? SEEN_ELSEWHERE : 0;
}

/* What the row should have told and did not. */
static void row_lacks(struct gather *c, const struct atl_user *u)
{
	if (!u->groups)
		gather_lack(c, ATL_PART_MEMBERS | ATL_PART_SEATS,
			    "users/search did not tell the groups of an account");
	if (!u->platform)
		gather_lack(c, ATL_PART_ROLES,
			    "users/search did not tell the platform roles of an account");
	if (u->row.status == ACCOUNT_UNKNOWN)
		gather_lack(c, ATL_PART_ACCOUNTS,
			    "users/search did not tell the status of an account, or a new one");
}

static int also_in(struct gather *c, struct atl_user *u, struct str directory, struct err *err)
{
	int r = 0;

	hold_by_groups(c, u);
	if (c->sink->also_in)
		r = c->sink->also_in(c->sink->ctx, u->row.id, directory, err);
	if (r == 0)
		r = emit_members(c, u, err);
	return r == 0 ? emit_seats(c, u, err) : r;
}

static int user_row(struct gather *c, const json_t *row, struct str directory, struct err *err)
{
	struct atl_user u;
	char why[100];
	int r;

	if (!atl_user_read(row, &u, why, sizeof(why))) {
		gather_lack(c, ATL_PART_ALL & ~(ATL_PART_GROUPS | ATL_PART_GRANTS), why);
		return 0;
	}
	r = seen_before(c, u.row.id, err);
	if (r < 0)
		return r;
	if (r == ATL_SEEN) {
		c->result->repeated++;
		return 0;
	}
	row_lacks(c, &u);
	if (r == SEEN_ELSEWHERE)
		return also_in(c, &u, directory, err);
	hold_by_groups(c, &u);
	if (directory.len && roles_needed(c, &u)) {
		r = user_ask(c, row, &u, directory, err);
		if (r != NOT_ASKED)
			return r;
	}
	return account_out(c, row, &u, directory, NULL, false, err);
}

static int user_row_here(struct gather *c, const json_t *row, struct err *err)
{
	return user_row(c, row, str_of(c->directories.v[c->directories.n - 1]), err);
}

static int user_row_outside(struct gather *c, const json_t *row, struct err *err)
{
	return user_row(c, row, (struct str){ 0 }, err);
}

static int managed_row(struct gather *c, const json_t *row, struct err *err)
{
	struct atl_user u;
	char why[100];
	int r;

	if (!atl_managed_read(row, &u, why, sizeof(why))) {
		gather_lack(c, ATL_PART_ACCOUNTS, why);
		return 0;
	}
	r = seen_before(c, u.row.id, err);
	if (r != 0)
		return r < 0 ? r : 0;
	return emit_account(c, &u, (struct str){ 0 }, NULL, false, err);
}

#define USER_PARTS (ATL_PART_ACCOUNTS | ATL_PART_MEMBERS | ATL_PART_SEATS | ATL_PART_ROLES)

int gather_users_of(struct gather *c, struct str directory, struct err *err)
{
	struct atl_pages p = { 0 };
	size_t before;
	char what[120];
	struct err why;
	int64_t count;
	int r;

	snprintf(what, sizeof(what), "users of directory " STR_FMT, STR_ARG(directory));
	if (c->directories.n > 1) {
		atl_seen_free(TAKE(c->seen_here));
		r = atl_seen_new(&c->seen_here, err);
		if (r < 0)
			return r;
	}
	before = atl_seen_count(c->seen_here ? c->seen_here : c->seen);
	r = gather_count_first(c, directory, "users", NULL, USER_PARTS, &count, err);
	if (r < 0)
		return r;
	if (count > 0)
		c->expected += count;
	r = atl_org_users(&p, c->client, directory, NULL, what, &why);
	p.members = gather_user_members;
	r = gather_walk_opened(c, &p, r, &why, USER_PARTS, user_row_here, err);
	while (r == 0 && c->asked)
		r = user_answer(c, err);
	/* whoever is in the next directory too comes there after his row */
	if (r == 0)
		r = gather_beside(c, SIZE_MAX, err);
	if (r == 0 && (c->result->whole & ATL_PART_ACCOUNTS))
		r = gather_counted(
			c, directory, "users", NULL, count,
			(int64_t)(atl_seen_count(c->seen_here ? c->seen_here : c->seen) -
				  before),
			USER_PARTS, err);
	return r;
}

/* Organisations of the older kind do not know the search over everything: the list of managed
 * accounts takes its place. */
static int read_managed(struct gather *c, struct err *err)
{
	struct atl_pages p = { 0 };
	struct err why;
	int r = atl_users_managed(&p, c->client, &why);

	r = r < 0 ? gather_failed(c, ATL_PART_ACCOUNTS, r, &why, err)
		  : gather_walk(c, &p, ATL_PART_ACCOUNTS, managed_row, err);
	if (r == 0)
		gather_total_check(c, &p, ATL_PART_ACCOUNTS);
	atl_pages_done(&p);
	return r;
}

static const char outside[] = "claimStatus=managed&membershipStatus=no_membership";

int gather_outside(struct gather *c, struct err *err)
{
	struct atl_pages p = { 0 };
	size_t before = atl_seen_count(c->seen);
	json_t *body;
	struct err why;
	int64_t count;
	int r;

	atl_seen_free(TAKE(c->seen_here));
	r = gather_beside(c, SIZE_MAX, err);
	if (r < 0)
		return r;
	r = atl_org_count(c->client, STR("-"), "users", outside, &count, &why);
	if (r == -ERR_REMOTE || r == -ERR_NOT_FOUND)
		return read_managed(c, err);
	if (r < 0)
		return gather_failed(c, ATL_PART_ACCOUNTS, r, &why, err);
	body = json_pack("{s:s, s:[s]}", "claimStatus", "managed", "membershipStatus",
			 "no_membership");
	if (!body)
		return err_nomem(err);
	r = atl_org_users(&p, c->client, STR("-"), body,
			  "managed accounts outside the directories", &why);
	p.members = gather_user_members;
	r = gather_walk_opened(c, &p, r, &why, ATL_PART_ACCOUNTS, user_row_outside, err);
	/* One that left a directory meanwhile was seen before: only fewer rows than seen are
	 * certain to lack something. */
	if (r == 0 && (c->result->whole & ATL_PART_ACCOUNTS))
		r = gather_counted(c, STR("-"), "users", outside, count,
				   (int64_t)(atl_seen_count(c->seen) - before),
				   ATL_PART_ACCOUNTS, err);
	return r;
}
