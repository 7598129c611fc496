#include "reconcile/former.h"

#include "reconcile/bulk.h"
#include "reconcile/ports.h"

static size_t first_of(const struct facts *f, uint32_t account)
{
	size_t low = 0, high = f->former.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->former.v[middle].account < account)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What was taken since that is still to be thought of. */
static int64_t given_ms(const struct world *w, const struct rule *rule, uint32_t account)
{
	const struct facts *f = w->f;
	int64_t newest = 0;

	for (size_t i = stage_progress(f, account);
	     i < f->progress.n && f->progress.v[i].account == account; i++) {
		const struct row_progress *p = &f->progress.v[i];

		if (p->kind == ACTION_ADD_GROUPS && p->done_ms > newest &&
		    str_eq(pool_str(&f->pool, p->rule), str_of(rule->name)))
			newest = p->done_ms;
	}
	return newest;
}

bool former_any(const struct world *w, const struct rule *rule, uint32_t account)
{
	const struct facts *f = w->f;
	int64_t since_ms = given_ms(w, rule, account);

	for (size_t i = first_of(f, account);
	     i < f->former.n && f->former.v[i].account == account; i++)
		if (f->former.v[i].taken_ms > since_ms)
			return true;
	return false;
}

static uint32_t group_row(const struct facts *f, const struct row_former *row)
{
	struct str id = pool_str(&f->pool, row->group);

	for (uint32_t i = 0; i < f->groups.n; i++)
		if (str_eq(pool_str(&f->pool, f->groups.v[i].id), id))
			return i;
	return FACTS_NONE;
}

/* Why it does not come back; NULL: it does. */
static const char *why_not(const struct facts *f, uint32_t group)
{
	const struct row_group *g;

	if (group == FACTS_NONE)
		return "it is not there any more";
	g = &f->groups.v[group];
	if (g->synced == TRI_YES)
		return "its members come from the identity provider";
	if (g->modifiable == TRI_NO)
		return "Atlassian does not let it be changed";
	if (g->admin == TRI_YES)
		return "it gives administrators their right, which only a person gives";
	return NULL;
}

static bool is_member(const struct facts *f, uint32_t account, uint32_t group)
{
	for (uint32_t m = f->member_at[account]; m < f->member_at[account + 1]; m++)
		if (f->members.v[m].b == group)
			return true;
	return false;
}

/* Rows of one account, each group once: true for those that come back. */
struct walk {
	const struct facts *f;
	uint32_t account;
	int64_t since_ms;
	size_t at;
	uint32_t group; /* of the row that was found; FACTS_NONE: not there */
	const struct row_former *row;
};

static struct walk walk_of(const struct world *w, const struct rule *rule, uint32_t account)
{
	return (struct walk){ .f = w->f,
			      .account = account,
			      .since_ms = given_ms(w, rule, account),
			      .at = first_of(w->f, account) };
}

static bool walk_next(struct walk *k)
{
	const struct facts *f = k->f;

	for (; k->at < f->former.n && f->former.v[k->at].account == k->account; k->at++) {
		const struct row_former *row = &f->former.v[k->at];
		bool again =
			k->at && row[-1].account == row->account && row[-1].group == row->group;

		/* sorted by group, the newest first */
		if (again || row->taken_ms <= k->since_ms)
			continue;
		k->row = row;
		k->group = group_row(f, row);
		k->at++;
		return true;
	}
	return false;
}

static bool comes_back(const struct walk *k)
{
	return !why_not(k->f, k->group) && !is_member(k->f, k->account, k->group);
}

struct stage former_stage(const struct world *w, const struct rule *rule, uint32_t account,
			  int64_t anchor_ms)
{
	struct walk k = walk_of(w, rule, account);

	if (!former_any(w, rule, account))
		return (struct stage){ STAGE_DONE, anchor_ms };
	if (w->f->accounts.v[account].paths_known != TRI_YES)
		return (struct stage){ STAGE_UNKNOWN, 0 };
	while (walk_next(&k))
		if (comes_back(&k))
			return (struct stage){ STAGE_WAITS, 0 };
	return (struct stage){ STAGE_DONE, anchor_ms };
}

int former_fill(struct round *r, struct candidate *c, struct err *err)
{
	struct walk k = walk_of(r->w, c->rule, c->s.account);
	size_t room = 0, n = 0;
	uint32_t *rows = NULL;
	int ret;

	while (walk_next(&k))
		room += comes_back(&k);
	/* what is more than an action may have stays for the next one */
	room = room > APPLY_MAX_STEPS ? APPLY_MAX_STEPS : room;
	ret = arena_alloc(r->arena, (room + 1) * sizeof(*rows), &rows, err);
	k = walk_of(r->w, c->rule, c->s.account);
	while (ret == 0 && n < room && walk_next(&k))
		if (comes_back(&k))
			rows[n++] = k.group;
	return ret < 0 ? ret : bulk_rule_groups(r, c, rows, n, err);
}

void former_left(const struct world *w, const struct rule *rule, uint32_t account,
		 struct buf *into, const char *begin)
{
	struct walk k = walk_of(w, rule, account);

	while (walk_next(&k)) {
		const char *why = why_not(w->f, k.group);
		struct str name = pool_str(&w->f->pool, k.group == FACTS_NONE
								? k.row->group
								: w->f->groups.v[k.group].name);

		if (why)
			buf_addf(into, "%sgroup " STR_FMT " (%s)", into->len ? ", " : begin,
				 STR_ARG(name), why);
	}
}
