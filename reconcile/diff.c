#include "reconcile/diff.h"

#include <stdio.h>
#include <stdlib.h>

#include "reconcile/handover.h"
#include "reconcile/provision.h"

/* --- paths to a seat --- */

static int path_cmp(const void *pa, const void *pb, void *ctx)
{
	const struct seat_path *a = pa, *b = pb;
	const struct facts *f = ctx;

	if (a->by_group != b->by_group)
		return a->by_group ? -1 : 1;
	if (a->by_group)
		return str_cmp(pool_str(&f->pool, f->groups.v[a->row].id),
			       pool_str(&f->pool, f->groups.v[b->row].id));
	return str_cmp(pool_str(&f->pool, f->roles.v[a->row].role),
		       pool_str(&f->pool, f->roles.v[b->row].role));
}

static void group_judge(const struct row_group *g, const struct row_grant *grant,
			struct seat_path *path)
{
	path->removable = false;
	if (g->synced == TRI_YES)
		path->why = "its members come from the identity provider";
	else if (g->admin == TRI_YES)
		path->why = "it gives administrators their right";
	else if (g->modifiable == TRI_NO)
		path->why = "its members cannot be changed";
	else if (grant->is_default == TRI_YES)
		path->why = "it is the default group: who is taken out is put back";
	else if (g->synced == TRI_UNKNOWN)
		path->unknown = true;
	else
		path->removable = true;
}

/* Two grants of one group for one product (two roles) are one path; the stricter one stands. */
static void path_merge(struct seat_path *into, const struct seat_path *more)
{
	into->removable = into->removable && more->removable;
	into->unknown = into->unknown || more->unknown;
	if (!into->why)
		into->why = more->why;
}

static int group_paths(const struct facts *f, uint32_t account, uint32_t product,
		       struct vec_seat_path *ret, struct err *err)
{
	for (uint32_t m = f->member_at[account]; m < f->member_at[account + 1]; m++) {
		uint32_t group = f->members.v[m].b;
		bool seen = false;

		for (uint32_t g = f->grant_at[group]; g < f->grant_at[group + 1]; g++) {
			const struct row_grant *grant = &f->grants.v[g];
			struct seat_path path = { .by_group = true, .row = group };

			if (grant->product != product || grant->billable == TRI_NO)
				continue;
			group_judge(&f->groups.v[group], grant, &path);
			if (seen)
				path_merge(&ret->v[ret->n - 1], &path);
			else if (vec_seat_path_add(ret, path) < 0)
				return err_nomem(err);
			seen = true;
		}
	}
	return 0;
}

int diff_paths(const struct facts *f, uint32_t account, uint32_t product,
	       struct vec_seat_path *ret, struct err *err)
{
	union {
		const struct facts *in;
		void *out;
	} ctx = { .in = f };
	int r;

	ret->n = 0;
	r = group_paths(f, account, product, ret, err);
	if (r < 0)
		return r;
	for (uint32_t i = f->role_at[account]; i < f->role_at[account + 1]; i++) {
		const struct row_role *role = &f->roles.v[i];
		struct seat_path path = { .row = i, .removable = role->method == ROLE_DIRECT };

		if (role->product != product || role->billable == TRI_NO)
			continue;
		if (role->method == ROLE_INFERRED)
			path.why = "another right implies it";
		if (vec_seat_path_add(ret, path) < 0)
			return err_nomem(err);
	}
	if (ret->n > 1)
		qsort_r(ret->v, ret->n, sizeof(*ret->v), path_cmp, ctx.out);
	return 0;
}

/* --- seats of one account, judged together: one group may give several --- */

struct seats {
	struct round *r;
	size_t from, to; /* candidates of one account, beside each other in by_account */
	const size_t *by_account;
	struct vec_seat_path paths, other;
	struct err *err;
};

static struct candidate *at(const struct seats *s, size_t i)
{
	return &s->r->candidates.v[s->by_account[i]];
}

static bool frees(const struct candidate *c)
{
	return !c->gone && c->kind == ACTION_FREE_SEAT && c->hit_count == 0;
}

/* The free-seat candidate for a product of this account that nothing holds so far, or NONE. */
static size_t freeing(const struct seats *s, uint32_t product)
{
	for (size_t i = s->from; i < s->to; i++)
		if (frees(at(s, i)) && at(s, i)->product == product)
			return s->by_account[i];
	return SIZE_MAX;
}

static bool group_gives(const struct facts *f, uint32_t group, uint32_t product)
{
	for (uint32_t g = f->grant_at[group]; g < f->grant_at[group + 1]; g++)
		if (f->grants.v[g].product == product && f->grants.v[g].billable != TRI_NO)
			return true;
	return false;
}

/* Whether the group may be taken away in this round: it gives a product that is to be freed. */
static bool group_goes(const struct seats *s, const struct candidate *c, uint32_t group)
{
	const struct facts *f = s->r->w->f;

	for (uint32_t g = f->grant_at[group]; g < f->grant_at[group + 1]; g++)
		if (f->grants.v[g].billable != TRI_NO &&
		    (f->grants.v[g].product == c->product ||
		     freeing(s, f->grants.v[g].product) != SIZE_MAX))
			return true;
	return false;
}

/* Whether the account reaches product by a way that nothing takes away. */
static int reaches_otherwise(struct seats *s, const struct candidate *c, uint32_t product,
			     bool *ret)
{
	int r = diff_paths(s->r->w->f, c->s.account, product, &s->other, s->err);

	*ret = false;
	for (size_t i = 0; i < s->other.n; i++)
		*ret = *ret || !s->other.v[i].by_group || !group_goes(s, c, s->other.v[i].row);
	return r;
}

/* The first product that the group gives and that must stay: its row; NONE. */
static int group_keeps(struct seats *s, const struct candidate *c, uint32_t group,
		       uint32_t *ret)
{
	const struct facts *f = s->r->w->f;

	*ret = FACTS_NONE;
	for (uint32_t g = f->grant_at[group]; g < f->grant_at[group + 1]; g++) {
		const struct row_grant *grant = &f->grants.v[g];
		bool otherwise;
		int r;

		if (grant->product == c->product || grant->billable == TRI_NO ||
		    freeing(s, grant->product) != SIZE_MAX)
			continue;
		r = reaches_otherwise(s, c, grant->product, &otherwise);
		if (r < 0)
			return r;
		if (otherwise)
			continue;
		if (*ret == FACTS_NONE ||
		    str_cmp(pool_str(&f->pool, f->products.v[grant->product].key),
			    pool_str(&f->pool, f->products.v[*ret].key)) < 0)
			*ret = grant->product;
	}
	return 0;
}

static int text_of(struct seats *s, uint32_t id, const char **ret)
{
	if (id < FRAME_FIRST) {
		*ret = NULL;
		return 0;
	}
	return arena_text(s->r->arena, pool_str(&s->r->w->f->pool, id), ret, s->err);
}

/* "group NAME: WHY", "role ROLE: WHY". */
static int path_sentence(struct seats *s, const struct seat_path *p, const char *why,
			 const char **ret)
{
	const struct facts *f = s->r->w->f;
	struct str name = pool_str(&f->pool, p->by_group ? f->groups.v[p->row].name
							 : f->roles.v[p->row].role);

	return arena_textf(s->r->arena, ret, s->err, "%s " STR_FMT ": %s",
			   p->by_group ? "group" : "role", STR_ARG(name), why);
}

/* Which paths stay, as sentences; also whether one of them is merely unknown. */
static int kept_find(struct seats *s, struct candidate *c, bool *unknown)
{
	const struct facts *f = s->r->w->f;
	const char **kept = NULL;
	int r = diff_paths(f, c->s.account, c->product, &s->paths, s->err);

	*unknown = false;
	if (r == 0 && s->paths.n)
		r = arena_alloc(s->r->arena, s->paths.n * sizeof(*kept), &kept, s->err);
	c->kept = kept;
	c->kept_count = 0;
	for (size_t i = 0; i < s->paths.n && r == 0; i++) {
		const struct seat_path *p = &s->paths.v[i];
		uint32_t keeps = FACTS_NONE;
		char why[256];

		/* a warning is not about what else the group gives: that may change */
		if (p->removable && p->by_group && c->kind == ACTION_FREE_SEAT)
			r = group_keeps(s, c, p->row, &keeps);
		if (r < 0)
			return r;
		if (p->removable && keeps == FACTS_NONE)
			continue;
		if (p->unknown) {
			*unknown = true;
			(void)snprintf(why, sizeof(why),
				       "where its members come from was not read");
		} else if (keeps != FACTS_NONE) {
			(void)snprintf(why, sizeof(why),
				       "it also gives " STR_FMT ", which is to be kept",
				       STR_ARG(pool_str(&f->pool, f->products.v[keeps].key)));
		} else {
			(void)snprintf(why, sizeof(why), "%s", p->why);
		}
		r = path_sentence(s, p, why, &kept[c->kept_count++]);
	}
	return r;
}

int diff_hold(struct round *r, struct candidate *c, enum guard_id guard, const char *saw,
	      struct err *err)
{
	struct guard_hits hits = { .n = 0 };
	struct guard_hit *kept = NULL;
	int ret;

	if (c->hit_count)
		memcpy(hits.v, c->hits, c->hit_count * sizeof(*c->hits));
	hits.n = c->hit_count;
	ret = guard_hit(&hits, r->arena, guard, err, "%s", saw);
	if (ret == 0)
		ret = arena_alloc(r->arena, hits.n * sizeof(*kept), &kept, err);
	if (ret < 0)
		return ret;
	memcpy(kept, hits.v, hits.n * sizeof(*kept));
	c->hits = kept;
	c->hit_count = hits.n;
	return 0;
}

/* Whether a seat can be freed, given what else is to be freed; *changed if it now is held. */
static int seat_judge(struct seats *s, struct candidate *c, bool *changed)
{
	const struct row_account *a = &s->r->w->f->accounts.v[c->s.account];
	size_t before = c->hit_count;
	bool unknown = false;
	int r;

	if (a->paths_known != TRI_YES)
		r = diff_hold(s->r, c, GUARD_UNKNOWN,
			      "the paths to the seat were not read completely", s->err);
	else
		r = kept_find(s, c, &unknown);
	if (r == 0 && a->paths_known == TRI_YES && s->paths.n == 0)
		r = diff_hold(s->r, c, GUARD_UNKNOWN, "no path to the seat is known", s->err);
	else if (r == 0 && c->kept_count)
		r = diff_hold(s->r, c, unknown ? GUARD_UNKNOWN : GUARD_IMPOSSIBLE, c->kept[0],
			      s->err);
	*changed = *changed || (before == 0 && c->hit_count > 0);
	return r;
}

/* --- steps --- */

static int seat_steps(struct seats *s, struct candidate *c)
{
	const struct facts *f = s->r->w->f;
	struct action_step *steps = NULL;
	const char **groups = NULL, **roles = NULL, **left_groups = NULL, **left_roles = NULL;
	size_t n, g = 0, k = 0;
	int r = diff_paths(f, c->s.account, c->product, &s->paths, s->err);

	n = s->paths.n;
	if (r == 0 && n)
		r = arena_alloc(s->r->arena, n * sizeof(*steps), &steps, s->err);
	if (r == 0 && n)
		r = arena_alloc(s->r->arena, 2 * n * sizeof(*groups), &groups, s->err);
	if (r == 0 && n)
		r = arena_alloc(s->r->arena, 2 * n * sizeof(*roles), &roles, s->err);
	if (r < 0)
		return r;
	left_groups = n ? groups + n : NULL;
	left_roles = n ? roles + n : NULL;
	c->after = c->before = (struct action_fields){ .paths = true };
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct seat_path *p = &s->paths.v[i];
		struct action_step *step = &steps[c->step_count];

		if (p->by_group) {
			const struct row_group *group = &f->groups.v[p->row];

			step->op = STEP_REMOVE_GROUP;
			r = text_of(s, group->id, &step->group);
			if (r == 0)
				r = text_of(s, group->name, &step->name);
			if (r == 0)
				r = text_of(s, group->directory, &step->directory);
			groups[g++] = step->group;
		} else {
			step->op = STEP_REVOKE_ROLE;
			r = text_of(s, f->roles.v[p->row].role, &step->role);
			if (r == 0)
				r = text_of(s, f->products.v[c->product].resource,
					    &step->resource);
			roles[k++] = step->role;
		}
		if (p->removable) {
			c->step_count++;
			continue;
		}
		if (p->by_group)
			left_groups[c->after.group_count++] = step->group;
		else
			left_roles[c->after.role_count++] = step->role;
		*step = (struct action_step){ 0 };
	}
	c->before.groups = groups;
	c->before.group_count = g;
	c->before.roles = roles;
	c->before.role_count = k;
	c->after.groups = left_groups;
	c->after.roles = left_roles;
	/* a held action says what it would do; an impossible one does nothing */
	c->steps = steps;
	if (c->kept_count)
		c->step_count = 0;
	return r;
}

/* Other candidates that take one of the same groups away. */
static int seat_with(struct seats *s, struct candidate *c)
{
	const struct facts *f = s->r->w->f;
	size_t *with = NULL, n = 0;
	int r = diff_paths(f, c->s.account, c->product, &s->paths, s->err);

	if (r < 0 || !frees(c))
		return r;
	r = arena_alloc(s->r->arena, (s->to - s->from) * sizeof(*with), &with, s->err);
	if (r < 0)
		return r;
	for (size_t i = s->from; i < s->to && r == 0; i++) {
		struct candidate *other = at(s, i);
		bool shares = false;

		if (other == c || !frees(other))
			continue;
		for (size_t p = 0; p < s->paths.n; p++)
			shares = shares || (s->paths.v[p].by_group &&
					    group_gives(f, s->paths.v[p].row, other->product));
		if (shares)
			with[n++] = s->by_account[i];
	}
	c->with = with;
	c->with_count = n;
	return r;
}

/*
 * Seats of one account: one that cannot be freed may make another impossible, so they are
 * judged until nothing changes.
 */
static int seats_diff(struct seats *s)
{
	bool changed = true;
	int r = 0;

	while (changed && r == 0) {
		changed = false;
		for (size_t i = s->from; i < s->to && r == 0; i++)
			if (!at(s, i)->gone && !at(s, i)->kept_count)
				r = seat_judge(s, at(s, i), &changed);
	}
	for (size_t i = s->from; i < s->to && r == 0; i++)
		if (at(s, i)->kind == ACTION_FREE_SEAT)
			r = seat_steps(s, at(s, i));
	for (size_t i = s->from; i < s->to && r == 0; i++)
		if (at(s, i)->kind == ACTION_FREE_SEAT)
			r = seat_with(s, at(s, i));
	return r;
}

/* --- the rest: one step --- */

static const enum step_op kind_ops[ACTION_KIND_COUNT] = {
	[ACTION_WARN] = STEP_NOTIFY,
	[ACTION_FREE_SEAT] = STEP_REMOVE_GROUP,
	[ACTION_SUSPEND] = STEP_SUSPEND,
	[ACTION_RESTORE] = STEP_RESTORE,
	[ACTION_DEACTIVATE] = STEP_DISABLE,
	[ACTION_ENABLE] = STEP_ENABLE,
	[ACTION_REVOKE_TOKENS] = STEP_REVOKE_TOKEN,
	[ACTION_DELETE] = STEP_DELETE,
	[ACTION_CANCEL_DELETE] = STEP_CANCEL_DELETE,
	[ACTION_WARN_ACCOUNT] = STEP_NOTIFY,
};

int diff_directory(struct round *r, uint32_t account, struct action_step *step, struct err *err)
{
	uint32_t directory = r->w->f->accounts.v[account].directory;

	return directory < FRAME_FIRST
		       ? 0
		       : arena_text(r->arena, pool_str(&r->w->f->pool, directory),
				    &step->directory, err);
}

static int account_diff(struct round *r, struct candidate *c, struct err *err)
{
	const struct facts *f = r->w->f;
	const struct row_account *a;
	struct action_step *step = NULL;
	bool both;
	int ret;

	if (c->step_count) /* asked for with its steps */
		return 0;
	if (c->wish)
		return provision_diff(r, c, err);
	if (c->kind == ACTION_HAND_OVER)
		return handover_diff(r, c, err);
	a = &f->accounts.v[c->s.account];
	if (c->kind == ACTION_DEACTIVATE && provision_lever(f, c->s.account) != LEVER_ACCOUNT) {
		c->before.status = (enum account_status)a->status;
		c->after.status = action_kinds[c->kind].to;
		return provision_diff(r, c, err);
	}
	/* what is on again shows the suspension that came before it was off */
	both = c->kind == ACTION_ENABLE && c->class == PLAN_RESTORE &&
	       stage_suspended_by_us(r->w, c->s.account);
	ret = arena_alloc(r->arena, 2 * sizeof(*step), &step, err);
	if (ret < 0)
		return ret;
	step->op = kind_ops[c->kind];
	if (c->kind == ACTION_SUSPEND || c->kind == ACTION_RESTORE)
		ret = diff_directory(r, c->s.account, step, err);
	if (ret == 0 && both) {
		step[1].op = STEP_RESTORE;
		ret = diff_directory(r, c->s.account, &step[1], err);
	}
	if (action_kinds[c->kind].to != ACCOUNT_UNKNOWN) {
		c->before.status = (enum account_status)a->status;
		c->after.status = action_kinds[c->kind].to;
	}
	c->steps = step;
	c->step_count = both ? 2 : 1;
	return ret;
}

struct by_account {
	uint32_t account;
	size_t candidate;
};

static int by_account_cmp(const void *pa, const void *pb)
{
	const struct by_account *a = pa, *b = pb;

	if (a->account != b->account)
		return a->account < b->account ? -1 : 1;
	return a->candidate < b->candidate ? -1 : a->candidate > b->candidate;
}

/* Candidates about seats (warnings too: nobody is warned of what cannot come), those of one
 * account beside each other. */
static int seats_list(const struct round *r, size_t **ret, size_t *count, struct err *err)
{
	CLEANUP(free_at)
	struct by_account *v = calloc(r->candidates.n + 1, sizeof(*v));
	size_t *list = calloc(r->candidates.n + 1, sizeof(*list)), n = 0;

	if (!v || !list) {
		free(list);
		return err_nomem(err);
	}
	for (size_t i = 0; i < r->candidates.n; i++)
		if (!r->candidates.v[i].gone && action_kinds[r->candidates.v[i].kind].seat)
			v[n++] = (struct by_account){ r->candidates.v[i].s.account, i };
	qsort(v, n, sizeof(*v), by_account_cmp);
	for (size_t i = 0; i < n; i++)
		list[i] = v[i].candidate;
	*ret = list;
	*count = n;
	return 0;
}

int diff_all(struct round *r, struct err *err)
{
	CLEANUP(free_at) size_t *list = NULL;
	struct seats s = { .r = r, .err = err };
	size_t n = 0;
	int ret = 0;

	for (size_t i = 0; i < r->candidates.n && ret == 0; i++)
		if (!r->candidates.v[i].gone && r->candidates.v[i].kind != ACTION_FREE_SEAT)
			ret = account_diff(r, &r->candidates.v[i], err);
	if (ret == 0)
		ret = seats_list(r, &list, &n, err);
	s.by_account = list;
	for (size_t i = 0; i < n && ret == 0; i = s.to) {
		s.from = i;
		for (s.to = i; s.to < n; s.to++)
			if (at(&s, s.to)->s.account != at(&s, i)->s.account)
				break;
		ret = seats_diff(&s);
	}
	vec_seat_path_done(&s.paths);
	vec_seat_path_done(&s.other);
	return ret;
}
