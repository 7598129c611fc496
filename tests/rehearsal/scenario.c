#include "tests/rehearsal/scenario.h"

#include "base/jx.h"
#include "tests/rehearsal/people.h"

struct stage {
	struct rehearsal *re;
	int64_t seed, now_ms;
};

static int synced_groups(struct stage *s, struct err *err)
{
	struct org *org = &s->re->org;

	(void)err;
	for (size_t i = 0; i < org->groups.n; i++) {
		struct usergroup *g = org->groups.v[i];

		if (g->gone || !g->billed)
			continue;
		g->synced = true;
		g->modifiable = g->deletable = false;
		g->managed_by = "external";
	}
	return 0;
}

static int last_admin(struct stage *s, struct err *err)
{
	struct org *org = &s->re->org;
	bool kept = false;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < org->accounts.n; i++) {
		const struct account *a = org->accounts.v[i];

		if (a->gone || !(a->platform & PLATFORM_ORG_ADMIN))
			continue;
		if (kept)
			r = people_admin(org, i, "none", s->now_ms, err);
		kept = true;
	}
	return r;
}

/* Every third person's. */
static int hidden_mail(struct stage *s, struct err *err)
{
	struct org *org = &s->re->org;

	(void)err;
	for (uint32_t i = 0; i < org->accounts.n; i += 3)
		org->accounts.v[i]->hidden = org->accounts.v[i]->type == TYPE_ATLASSIAN;
	return 0;
}

static int guard_lapsed(struct stage *s, struct err *err)
{
	(void)err;
	s->re->guard_lapsed = true;
	return 0;
}

static int flaky(struct stage *s, struct err *err)
{
	static const struct {
		const char *kind;
		double share;
		int status, ms;
		bool effect;
	} rows[] = {
		{ "status", 0.025, 503, 0, false }, { "status", 0.025, 500, 0, true },
		{ "reset", 0.025, 0, 0, true },     { "reset", 0.025, 0, 0, false },
		{ "truncate", 0.02, 0, 0, true },   { "status", 0.01, 429, 0, false },
		{ "latency", 0.01, 0, 3000, true },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT_OF(rows); i++) {
		CLEANUP(json_decref_at)
		json_t *row = json_pack("{s:s, s:f, s:i, s:i, s:b, s:i, s:I}", "kind",
					rows[i].kind, "share", rows[i].share, "status",
					rows[i].status ? rows[i].status : 503, "ms", rows[i].ms,
					"effect", rows[i].effect, "count", -1, "seed",
					(json_int_t)s->seed);
		int64_t id;

		if (!row)
			return err_nomem(err);
		r = mischief_arm(&s->re->mischief, row, &id, err);
	}
	return r;
}

static const struct {
	const char *name;
	int (*apply)(struct stage *s, struct err *err);
} scenarios[] = {
	{ "synced-groups", synced_groups },
	{ "last-admin", last_admin },
	{ "hidden-mail", hidden_mail },
	{ "guard-lapsed", guard_lapsed },
	{ "flaky", flaky },
};

int scenario_apply(struct rehearsal *re, const char *name, int64_t seed, int64_t now_ms,
		   struct err *err)
{
	struct stage stage = { re, seed, now_ms };

	if (!name)
		return 0;
	for (size_t i = 0; i < COUNT_OF(scenarios); i++)
		if (!strcmp(scenarios[i].name, name))
			return scenarios[i].apply(&stage, err);
	return err_set(err, ERR_USAGE,
		       "--scenario %.40s: there are synced-groups, last-admin, hidden-mail, "
		       "guard-lapsed and flaky",
		       name);
}
