#include "bridge/suspects.h"

#include <stdio.h>

#include "base/vec.h"
#include "bridge/notices.h"
#include "bridge/planner.h"
#include "net/mail.h"
#include "reconcile/guard.h"
#include "store/accounts.h"
#include "store/plans.h"
#include "store/store.h"

#define PLANS_MOST 200
#define ASKED_MOST 100 /* letters in one look; the others in the next */
#define UNFINISHED (1u << PLAN_OPEN | 1u << PLAN_APPROVED | 1u << PLAN_RUNNING)

VEC(vec_plan_id, uint64_t);

struct suspects {
	struct app *app;
	const struct config_org *org;
	struct vec_plan_id plans;
	size_t seen, asked;
	bool may_ask;
};

static int plan_note(void *ctx, const struct plan_row *row, struct err *err)
{
	struct suspects *s = ctx;

	return vec_plan_id_add(&s->plans, (uint64_t)row->id) < 0 ? err_nomem(err) : 0;
}

static int plans_find(struct suspects *s, struct err *err)
{
	const struct config_notices *n = &s->app->config.notices;
	CLEANUP(store_read_end_at) struct db *db = NULL;
	enum store_mode mode = STORE_OBSERVE;
	int r = store_read_begin(s->app->store, &db, err);

	if (r == 0)
		r = store_mode_get(db, s->org->name, &mode, err);
	s->may_ask = n->folder || (n->mail.server && mode != STORE_OBSERVE);
	if (r >= 0)
		r = plans_list(db, s->org->name, UNFINISHED, 0, PLANS_MOST, plan_note, s, err);
	return r < 0 ? r : 0;
}

/* --- asking --------------------------------------------------------------------------------
 */

struct letter {
	const struct suspects *s;
	const char *saw;
	char to[256];
	struct buf items;
};

static int letter_of(void *ctx, const struct account_row *row, struct err *err)
{
	struct letter *l = ctx;
	const struct config_notices *n = &l->s->app->config.notices;

	if (!mail_address_ok(row->email) || row->email.len >= sizeof(l->to))
		return 0;
	memcpy(l->to, row->email.p, row->email.len);
	l->to[row->email.len] = '\0';
	buf_addf(&l->items,
		 "Who answers for the account " STR_FMT " at Atlassian (" STR_FMT
		 ", organisation %s)?\n\n"
		 "No source of people explains it. %s.\n\n"
		 "It is left as it is until somebody says so. If a program works with it, "
		 "please "
		 "tell %s who is responsible: it is then protected as a service account of "
		 "theirs. If it is needed by nobody, say that, too.\n",
		 STR_ARG(row->name), STR_ARG(row->email), l->s->org->name, l->saw,
		 n->admins.n ? n->admins.v[0] : "the administrators of Atlassian");
	return buf_fault(&l->items, err, "a question");
}

/* What was seen, without the guard's way out, which is for administrators. */
static void saw_of(const char *says, char ret[300])
{
	const char *from = strchr(says, ':'), *end = strchr(says, ';');

	from = from ? from + 2 : says;
	(void)snprintf(ret, 300, "%.*s", end && end > from ? (int)(end - from) : 299, from);
	if (ret[0] >= 'a' && ret[0] <= 'z')
		ret[0] = (char)(ret[0] - 'a' + 'A');
}

static int owner_ask(struct suspects *s, const struct action *a, const char *says,
		     struct err *err)
{
	char key[160], saw[300];
	struct letter l = { .s = s, .saw = saw };
	struct notices_bulletin b = { .key = key,
				      .tells = "held",
				      .kind = NOTICE_ALERT,
				      .title = "who answers for this account?",
				      .count = 1 };
	struct db *db = NULL;
	int r = store_read_begin(s->app->store, &db, err);

	saw_of(says, saw);
	buf_init(&l.items, 8192);
	if (r == 0)
		r = accounts_get(db, (int64_t)a->account, letter_of, &l, err);
	store_read_end(db);
	(void)snprintf(key, sizeof(key), "service/%.60s/%llu", s->org->name,
		       (unsigned long long)a->account);
	b.items = buf_str(&l.items);
	if (r == 0 && l.to[0])
		r = notices_tell_one(s->app, &b, l.to, err);
	buf_done(&l.items);
	s->asked++;
	return r < 0 ? r : 0;
}

/* --- who -----------------------------------------------------------------------------------
 */

/* The text of the guard where leaverd suspects it; NULL: it does not, or a protection says so.
 */
static const char *suspicion_of(const struct action *a)
{
	for (size_t i = 0; a->class == PLAN_ORPHAN && i < a->held_count; i++)
		if (strcmp(a->held_by[i], guards[GUARD_SERVICE_ACCOUNT].name) == 0 &&
		    strncmp(a->says[i], GUARD_SUSPECTED, sizeof(GUARD_SUSPECTED) - 1) == 0)
			return a->says[i];
	return NULL;
}

static int plan_look(struct suspects *s, uint64_t id, struct err *err)
{
	CLEANUP(plan_free_at) struct plan *plan = NULL;
	struct digest digest;
	int r = planner_load(s->app, id, &plan, &digest, err);

	for (size_t i = 0; r == 0 && i < plan->actions.n; i++) {
		const char *says = suspicion_of(&plan->actions.v[i]);

		s->seen += says != NULL;
		if (says && s->may_ask && s->asked < ASKED_MOST)
			r = owner_ask(s, &plan->actions.v[i], says, err);
	}
	return r;
}

int suspects_look(struct app *app, const struct config_org *org, suspects_fn fn, void *ctx,
		  struct err *err)
{
	struct suspects s = { .app = app, .org = org };
	char key[160], title[160], line[400];
	int r = plans_find(&s, err);

	for (size_t i = 0; r == 0 && i < s.plans.n; i++)
		r = plan_look(&s, s.plans.v[i], err);
	vec_plan_id_done(&s.plans);
	if (r < 0 || !s.seen)
		return r;
	(void)snprintf(key, sizeof(key), "service/%.60s", org->name);
	(void)snprintf(title, sizeof(title), "accounts of %.60s may be a program's", org->name);
	(void)snprintf(
		line, sizeof(line),
		"%zu accounts of %.60s that nobody explains may be a program's, and are "
		"held%s. Who answers for them: leaverd orphans %.60s; then leaverd protect "
		"add --kind service-account --owner, or adopt",
		s.seen, org->name,
		s.may_ask ? "; their addresses were asked" : "; nobody was asked", org->name);
	return fn(ctx, key, title, line, err);
}
