/*
 * What should have been done and was not: `leaverd overdue`. A list to go through by hand while
 * Atlassian cannot be read or changed; what somebody then did is recognised when it can.
 */
#include "bridge/verb.h"

#include <string.h>

#include "base/stamp.h"
#include "base/vec.h"
#include "bridge/admins_left.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "bridge/owners.h"
#include "bridge/sealed.h"
#include "bridge/planner.h"
#include "store/accounts.h"
#include "store/plans.h"
#include "store/store.h"

/* Plans that ended longer ago are history. */
#define OVERDUE_LOOK_BACK_MS (30 * STAMP_DAY_MS)
#define OVERDUE_PLANS_MOST 1000
#define OVERDUE_DAEMON "daemon" /* no user is called so: they have a kind before their name */

VEC(plan_ids, int64_t);

/* An action of an ended plan that was late and not done by it. */
struct missed {
	int64_t account, due_ms;
	enum action_kind kind;
};
VEC(missed_list, struct missed);

struct overdue {
	struct app *app;
	const struct config_org *org;
	int64_t now_ms;
	json_t *late, *done;
	struct plan_ids open, ended;
	struct missed_list missed;
	const char *stopped; /* why nothing is applied here; NULL: it is */
	/* The newest plan of each urgency that a round made, where it is over; 0. */
	int64_t lapsed[PLAN_URGENCY_COUNT];
	bool seen[PLAN_URGENCY_COUNT];
};

static void overdue_done(struct overdue *o)
{
	plan_ids_done(&o->open);
	plan_ids_done(&o->ended);
	missed_list_done(&o->missed);
}

static int keep_plan(void *ctx, const struct plan_row *row, struct err *err)
{
	const unsigned unfinished = 1u << PLAN_OPEN | 1u << PLAN_APPROVED | 1u << PLAN_RUNNING;
	struct overdue *o = ctx;
	bool open = unfinished & 1u << row->state;
	enum plan_urgency urgency;

	if (row->apart == PLAN_OF_ROUND && plan_urgency_of(row->urgency, &urgency) &&
	    !o->seen[urgency]) {
		o->seen[urgency] = true;
		o->lapsed[urgency] = open || row->state == PLAN_SUPERSEDED ? 0 : row->id;
	}
	if (!open && row->state_ms < o->now_ms - OVERDUE_LOOK_BACK_MS)
		return 1;
	return plan_ids_add(open ? &o->open : &o->ended, row->id) < 0 ? err_nomem(err) : 0;
}

/* --- what is late --------------------------------------------------------------------------
 */

static int64_t time_of(const json_t *row, const char *key)
{
	const json_t *value = json_object_get(row, key);
	int64_t ms = 0;

	if (json_is_string(value))
		return stamp_parse(str_of(json_string_value(value)), &ms) ? ms : 0;
	return json_integer_value(value);
}

struct of_plan {
	int64_t plan;
	bool open;   /* no decision about it yet */
	bool lapsed; /* it is over, and none came after it */
	const char *standing;
};

/* Why it was not done: what the guards say, else what keeps everything here from being done,
 * else what nobody did. */
static int cause_of(const struct overdue *o, const struct of_plan *of, const json_t *row,
		    struct buf *into, struct err *err)
{
	const json_t *says = json_object_get(row, "says"), *one;
	const char *missing = jx_get_text(row, "missing");
	const char *result = jx_get_text(row, "result");
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)says, i, one) {
		buf_add_text(into, i ? "; " : "");
		buf_add_text(into, json_string_value(one));
	}
	if (!into->len && of->lapsed && result && *result)
		buf_add_text(into, result);
	if (of->lapsed)
		buf_addf(into,
			 "%splan %lld is over (%s), and none came after it: `leaverd plan %s` "
			 "says whether it is still so",
			 into->len ? "; " : "", (long long)of->plan, of->standing,
			 o->org->name);
	if (!into->len && o->stopped)
		buf_add_text(into, o->stopped);
	if (!into->len && missing)
		buf_add_text(into, missing);
	if (!into->len && of->open)
		buf_addf(into, "nobody approved plan %lld: `leaverd approve %lld --reason WHY`",
			 (long long)of->plan, (long long)of->plan);
	if (!into->len)
		buf_add_text(into, "approved, and waits for its turn");
	return buf_fault(into, err, "a cause");
}

static bool is_leaver(const json_t *row)
{
	const char *class = jx_get_text(row, "class");

	return class && (!strcmp(class, plan_class_word(PLAN_LEAVER)) ||
			 !strcmp(class, plan_class_word(PLAN_ABSENCE)));
}

static int late_row(struct overdue *o, const struct of_plan *of, json_t *row, struct err *err)
{
	static const char *const kept[] = { "n",     "email",  "kind",    "rule",
					    "class", "reason", "product", "account" };
	int64_t due_ms = time_of(row, "due");
	CLEANUP(json_decref_at) json_t *out = json_object();
	CLEANUP(buf_done) struct buf cause;
	int r = out ? 0 : err_nomem(err);

	buf_init(&cause, 1 << 20);
	for (size_t i = 0; r == 0 && i < COUNT_OF(kept); i++) {
		json_t *value = json_object_get(row, kept[i]);

		r = jx_set(out, kept[i], value ? json_incref(value) : json_null(), err);
	}
	if (r == 0)
		r = cause_of(o, of, row, &cause, err);
	if (r == 0)
		r = jx_set(out, "org", json_string(o->org->name), err);
	if (r == 0)
		r = jx_set(out, "plan", json_integer((json_int_t)of->plan), err);
	if (r == 0)
		r = jx_set(out, "due_ms", json_integer((json_int_t)due_ms), err);
	if (r == 0)
		r = jx_set(out, "late_ms", json_integer((json_int_t)(o->now_ms - due_ms)), err);
	if (r == 0)
		r = jx_set(out, "cause", json_stringn(cause.p, cause.len), err);
	if (r == 0)
		r = jx_set(out, "leaver", json_boolean(is_leaver(row)), err);
	return r == 0 ? jx_add(o->late, TAKE(out), err) : r;
}

/* Atlassian shows it as done by now: it is told so. */
static bool is_done(const struct overdue *o, const json_t *row)
{
	json_int_t account = json_integer_value(json_object_get(row, "account"));
	const char *kind = jx_get_text(row, "kind");
	const json_t *done;
	size_t i;

	json_array_foreach (o->done, i, done)
		if (json_integer_value(json_object_get(done, "account")) == account && kind &&
		    !strcmp(jx_get_text(done, "kind"), kind))
			return true;
	return false;
}

/* Of a plan that is over, what it did not do counts, too; what was judged again and was no
 * longer right does not. */
static bool waits(const char *state, bool lapsed)
{
	static const enum action_state states[] = { ACTION_PLANNED, ACTION_STARTED, ACTION_HELD,
						    ACTION_FAILED };

	for (size_t i = 0; i < (lapsed ? COUNT_OF(states) : 2); i++)
		if (!strcmp(state, action_state_words[states[i]]))
			return true;
	return false;
}

static int late_plan(struct overdue *o, int64_t plan, bool lapsed, struct err *err)
{
	CLEANUP(json_decref_at) json_t *shown = NULL;
	struct of_plan of = { .plan = plan, .lapsed = lapsed };
	const char *standing;
	json_t *row;
	size_t i;
	int r = planner_show(o->app, (uint64_t)plan, &shown, err);

	standing = jx_get_text(shown, "state");
	of.standing = standing ? standing : "";
	of.open = standing && !strcmp(standing, plan_standing_words[PLAN_OPEN]);
	json_array_foreach (json_object_get(shown, "actions"), i, row) {
		const char *state = jx_get_text(row, "state");
		int64_t due_ms = time_of(row, "due");

		if (r == 0 && state && waits(state, lapsed) && due_ms && due_ms < o->now_ms &&
		    (!lapsed || (is_leaver(row) && !is_done(o, row))))
			r = late_row(o, &of, row, err);
	}
	return r;
}

/* --- what was late and is done ------------------------------------------------------------ */

static int keep_missed(void *ctx, const struct action_row *row, struct err *err)
{
	struct overdue *o = ctx;
	struct missed m = { .account = row->account, .due_ms = row->due_ms };

	if (row->state == ACTION_DONE || !row->account || !row->due_ms ||
	    row->due_ms >= o->now_ms || (row->state_ms && row->state_ms <= row->due_ms) ||
	    !action_kind_of(row->kind, &m.kind) ||
	    (m.kind != ACTION_SUSPEND && m.kind != ACTION_DEACTIVATE))
		return 0;
	for (size_t i = 0; i < o->missed.n; i++) {
		struct missed *known = &o->missed.v[i];

		if (known->account != m.account || known->kind != m.kind)
			continue;
		if (m.due_ms < known->due_ms)
			known->due_ms = m.due_ms;
		return 0;
	}
	return missed_list_add(&o->missed, m) < 0 ? err_nomem(err) : 0;
}

/* Which plan did it, of all that ever named the account. */
struct doer {
	const struct missed *m;
	int64_t plan; /* 0: none of ours */
};

static int find_doer(void *ctx, int64_t plan, const struct action_row *row, struct err *err)
{
	struct doer *d = ctx;
	enum action_kind kind;

	(void)err;
	if (row->state != ACTION_DONE || row->due_ms < d->m->due_ms ||
	    !action_kind_of(row->kind, &kind) || kind != d->m->kind)
		return 0;
	d->plan = plan;
	return 1;
}

struct spotted {
	struct overdue *o;
	const struct missed *m;
	const struct doer *doer;
};

static int done_row(void *ctx, const struct account_row *row, struct err *err)
{
	struct spotted *f = ctx;
	bool is = row->status == action_kinds[f->m->kind].to ||
		  row->status == ACCOUNT_DEACTIVATED || row->status == ACCOUNT_DELETING;

	if (!is)
		return 0;
	return jx_add(f->o->done,
		      json_pack("{s:s, s:s%, s:I, s:s, s:I, s:I, s:o}", "org", f->o->org->name,
				"email", ASK_S(row->email), "account", (json_int_t)row->id,
				"kind", action_kinds[f->m->kind].word, "due_ms",
				(json_int_t)f->m->due_ms, "seen_ms",
				(json_int_t)row->status_since_ms, "plan",
				f->doer->plan ? json_integer((json_int_t)f->doer->plan)
					      : json_null()),
		      err);
}

static int done_rows(struct overdue *o, struct db *db, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < o->missed.n; i++) {
		struct doer doer = { .m = &o->missed.v[i] };
		struct spotted f = { o, &o->missed.v[i], &doer };

		r = plans_of_account(db, f.m->account, OVERDUE_PLANS_MOST, find_doer, &doer,
				     err);
		if (r >= 0)
			r = accounts_get(db, f.m->account, done_row, &f, err);
	}
	return r < 0 ? r : 0;
}

/* --- an organisation ---------------------------------------------------------------------- */

/* Why nothing can be seen here; NULL: all can. */
static json_t *blind_text(const struct overdue *o, const struct org_row *row)
{
	char text[ERR_TEXT_BYTES + 120], since[STAMP_TEXT_BYTES];

	stamp_text(row->ended_ms, since);
	if (!row->generation)
		snprintf(text, sizeof(text), "it was never read: `leaverd collect %.80s`",
			 o->org->name);
	else if (!row->complete || !row->plausible)
		snprintf(text, sizeof(text), "its newest read, of %s, does not count: %s",
			 since, row->reason ? row->reason : "");
	else if (o->now_ms - row->ended_ms > o->org->max_age_ms)
		snprintf(text, sizeof(text), "it was not read since %s", since);
	else
		return json_null();
	return json_string(text);
}

static int org_out(struct overdue *o, struct db *db, json_t *orgs, struct err *err)
{
	CLEANUP(org_row_done) struct org_row row = { 0 };
	enum store_mode mode = STORE_OBSERVE;
	bool paused = false;
	int r = accounts_org_get(db, o->org->name, &row, err);

	if (r == 0)
		r = store_mode_get(db, o->org->name, &mode, err);
	if (r >= 0)
		r = store_paused(db, o->org->name, &paused, err);
	if (r < 0)
		return r;
	if (mode == STORE_OBSERVE)
		o->stopped = "the organisation is in mode observe: nothing is changed there "
			     "(`leaverd arm`)";
	else if (paused)
		o->stopped = "applying is paused (`leaverd resume`)";
	return jx_add(orgs,
		      json_pack("{s:s, s:o, s:o}", "org", o->org->name, "blind",
				blind_text(o, &row), "stopped",
				o->stopped ? json_string(o->stopped) : json_null()),
		      err);
}

static int one_org(struct overdue *o, json_t *orgs, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(o->app->store, &db, err);

	if (r == 0)
		r = org_out(o, db, orgs, err);
	if (r >= 0)
		r = plans_list(db, o->org->name, 0, 0, OVERDUE_PLANS_MOST, keep_plan, o, err);
	for (size_t i = 0; r >= 0 && i < o->ended.n; i++)
		r = plans_actions(db, o->ended.v[i], keep_missed, o, err);
	if (r >= 0)
		r = done_rows(o, db, err);
	/* a plan is read with a connection of its own, and may be long */
	store_read_end(TAKE(db));
	for (size_t i = 0; r >= 0 && i < o->open.n; i++)
		r = late_plan(o, o->open.v[i], false, err);
	for (int i = 0; r >= 0 && i < PLAN_URGENCY_COUNT; i++)
		if (o->lapsed[i])
			r = late_plan(o, o->lapsed[i], true, err);
	return r < 0 ? r : 0;
}

/* Leavers first, each part the latest first. */
static int late_sort(json_t *out, struct err *err)
{
	json_t *all = json_object_get(out, "overdue"), *sorted = json_array(), *row;
	size_t i, at;
	int r = sorted ? 0 : err_nomem(err);

	json_array_foreach (all, i, row) {
		json_int_t late = json_integer_value(json_object_get(row, "late_ms"));

		for (at = json_array_size(sorted); at > 0; at--) {
			const json_t *before = json_array_get(sorted, at - 1);

			if (is_leaver(before) != is_leaver(row)
				    ? is_leaver(before)
				    : json_integer_value(json_object_get(before, "late_ms")) >=
					      late)
				break;
		}
		if (r == 0 && json_array_insert(sorted, at, row) < 0)
			r = err_nomem(err);
	}
	if (r < 0) {
		json_decref(sorted);
		return r;
	}
	return jx_set(out, "overdue", sorted, err);
}

static int verb_overdue(struct app *app, const struct who *who, const json_t *in, json_t *out,
			struct err *err)
{
	static const char *const lists[] = { "organisations", "overdue", "done", "tasks",
					     "keys" };
	const char *only = jx_get_text(in, "org");
	int64_t now_ms = stamp_now_ms();
	const struct config_org *one = NULL;
	bool may_see = false;
	int r = sealed_may_see(app, in, &may_see, err);

	for (size_t i = 0; r == 0 && i < COUNT_OF(lists); i++)
		r = jx_set(out, lists[i], json_array(), err);
	if (r == 0 && only)
		r = ask_org(app, only, &one, err);
	for (size_t i = 0; r == 0 && i < app->config.organisations.n; i++) {
		CLEANUP(overdue_done)
		struct overdue o = { .app = app,
				     .org = config_org_at(&app->config, i),
				     .now_ms = now_ms,
				     .late = json_object_get(out, "overdue"),
				     .done = json_object_get(out, "done") };

		if (!one || one == o.org)
			r = one_org(&o, json_object_get(out, "organisations"), err);
	}
	if (r == 0)
		r = late_sort(out, err);
	if (r == 0)
		r = jx_set(out, "now_ms", json_integer((json_int_t)now_ms), err);
	/* the daemon looks for its digest, which counts leavers */
	if (r == 0 && strcmp(who->name, OVERDUE_DAEMON) != 0)
		r = ask_note_idle(app, who, json_object_get(out, "overdue"), err);
	if (r == 0)
		r = owners_leaving(app, now_ms, may_see, json_object_get(out, "tasks"), err);
	return r == 0 ? admins_left(app, now_ms, json_object_get(out, "keys"), err) : r;
}

const struct verb verbs_overdue[] = {
	{ "overdue", VERB_STORE, verb_overdue },
	{ NULL, 0, NULL },
};
