/* Verbs about plans: show, apply, pause, resume, block, arm, why. */
#include "bridge/verb.h"

#include "base/log.h"
#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/applier.h"
#include "bridge/ask.h"
#include "bridge/decide.h"
#include "bridge/gate.h"
#include "bridge/planner.h"
#include "bridge/sealed.h"
#include "bridge/since.h"
#include "bridge/why_told.h"
#include "model/filter.h"
#include "reconcile/guard.h"
#include "store/accounts.h"
#include "store/audit.h"
#include "store/backup.h"
#include "store/events.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/sources.h"
#include "store/writer.h"

#define ARM_ROUNDS 3          /* complete reads before anything may be done */
#define APPLY_NAP_MOST_MS 100 /* between two looks at the actions, which may be many */
#define APPLY_WAIT_MS (5 * STAMP_MINUTE_MS) /* how long `apply` waits for Atlassian's lag */

static uint64_t plan_of(const json_t *in)
{
	return (uint64_t)json_integer_value(json_object_get(in, "plan"));
}

/* --- show ----------------------------------------------------------------------------------
 */

static int filter_actions(json_t *plan, const char *text, struct err *err)
{
	CLEANUP(query_free_at) struct query *q = NULL;
	json_t *kept = json_array(), *row;
	size_t i;
	int r;

	if (!kept)
		return err_nomem(err);
	r = filter_parse(str_of(text), PATH_SCIM_ANY, &q, err);
	json_array_foreach (json_object_get(plan, "actions"), i, row) {
		struct query_node node = { row, 0 };

		if (r == 0 && query_eval(q, &query_json_reader, NULL, node, QUERY_SCIM,
					 stamp_now_ms()) == TRUTH_TRUE)
			r = jx_add(kept, json_incref(row), err);
	}
	if (r < 0) {
		json_decref(kept);
		return r;
	}
	return jx_set(plan, "actions", kept, err);
}

static int verb_show(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	struct planner_read read = { .plan = NULL };
	CLEANUP(json_decref_at) json_t *plan = NULL;
	const char *filter = jx_get_text(in, "filter");
	json_int_t limit = json_integer_value(json_object_get(in, "limit"));
	bool may_see = false;
	json_t *actions;
	int r;

	if (json_is_true(json_object_get(in, "statement")))
		return decide_approve(app, who, in, out, err);
	r = sealed_may_see(app, in, &may_see, err);
	if (r == 0)
		r = planner_show_read(app, plan_of(in), &plan, &read, err);
	if (r == 0)
		r = since_add(app, who, plan_of(in), read.plan, !filter, plan, err);
	planner_read_done(app, &read);
	if (r == 0 && !may_see)
		r = sealed_plan(plan, stamp_now_ms(), err);
	if (r == 0 && filter)
		r = filter_actions(plan, filter, err);
	if (r == 0)
		r = planner_rules(plan, err);
	if (r < 0)
		return r;
	actions = json_object_get(plan, "actions");
	while (limit > 0 && json_array_size(actions) > (size_t)limit)
		json_array_remove(actions, json_array_size(actions) - 1);
	r = ask_note_idle(app, who, actions, err);
	return r < 0 ? r : json_object_update(out, plan) == 0 ? 0 : err_nomem(err);
}

/* --- apply ---------------------------------------------------------------------------------
 */

/* Nothing of the plan can start any more: asked while the daemon's own applier is at work. */
struct open_actions {
	size_t n;
	int64_t now_ms;
	bool named; /* somebody approved by number or released a guard: what is held may start
		     */
};

static int names_actions(void *ctx, const struct decision *row, struct err *err)
{
	struct open_actions *open = ctx;

	(void)err;
	open->named |= row->kind == DECISION_RELEASE ||
		       (row->kind == DECISION_APPROVE &&
			(row->guards.len || !str_eq(row->actions, STR("*"))));
	return 0;
}

static int open_action(void *ctx, const struct action_row *row, struct err *err)
{
	struct open_actions *open = ctx;

	(void)err;
	open->n += (row->state == ACTION_PLANNED && (!row->held || open->named) &&
		    row->due_ms <= open->now_ms) ||
		   row->state == ACTION_STARTED;
	return 0;
}

static int plan_settled(struct app *app, uint64_t plan, bool *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct open_actions open = { .now_ms = stamp_now_ms() };
	int r;

	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = plans_decisions(db, (int64_t)plan, names_actions, &open, err);
	if (r == 0)
		r = plans_actions(db, (int64_t)plan, open_action, &open, err);
	*ret = open.n == 0;
	return r;
}

/* Passes of an applier of our own, until nothing can start now; where Atlassian's lag has to be
 * waited out it goes on after it. What is due later is the daemon's. */
static int apply_passes(struct app *app, const struct config_org *org, int64_t until,
			struct apply_counts *counts, struct err *err)
{
	CLEANUP(applier_free_at) struct applier *applier = NULL;
	const atomic_bool *cancel = verb_cancel_flag();
	int64_t again_ms;
	int r;

	r = applier_recover(app, org, err);
	if (r == 0)
		r = applier_new(&applier, app, org, cancel, err);
	while (r == 0) {
		r = applier_run(applier, counts, &again_ms, err);
		if (r != 0 || again_ms == 0 || again_ms > stamp_now_ms() + APPLY_WAIT_MS)
			break;
		while (stamp_now_ms() < again_ms && stamp_mono_ms() < until &&
		       !atomic_load(cancel))
			stamp_sleep_ms(20);
		if (stamp_mono_ms() >= until || atomic_load(cancel))
			break;
	}
	return r < 0 ? r : 0;
}

/*
 * Sees to it that a plan is applied as far as it can be now. The daemon's applier may be at
 * work: it takes an urgent plan between two actions, so waiting for it is as quick as acting
 * here.
 */
static int apply_now(struct app *app, const struct config_org *org, uint64_t plan,
		     struct apply_counts *counts, struct err *err)
{
	const atomic_bool *cancel = verb_cancel_flag();
	int64_t until = stamp_mono_ms() + APPLY_WAIT_MS, nap_ms = 20;
	bool settled = false;
	int r = 0;

	while (r == 0 && !settled) {
		CLEANUP(gate_leave) struct gate gate = { 0 };

		if (gate_try(&gate, "apply", org->name))
			return apply_passes(app, org, until, counts, err);
		if (atomic_load(cancel) || stamp_mono_ms() > until)
			return err_set(err, ERR_BUSY,
				       "plan %llu is still being applied; `leaverd show %llu` "
				       "says how far it is",
				       (unsigned long long)plan, (unsigned long long)plan);
		stamp_sleep_ms(nap_ms);
		nap_ms = nap_ms < APPLY_NAP_MOST_MS / 2 ? nap_ms * 2 : APPLY_NAP_MOST_MS;
		r = plan_settled(app, plan, &settled, err);
	}
	return r;
}

static int plan_org(struct app *app, uint64_t number, const struct config_org **ret,
		    struct err *err)
{
	CLEANUP(plan_free_at) struct plan *plan = NULL;
	int r = planner_load(app, number, &plan, NULL, err);

	if (r < 0)
		return r;
	*ret = config_org(&app->config, plan->org);
	if (!*ret)
		return err_set(
			err, ERR_NOT_FOUND,
			"plan %llu is about organisation %s, which the configuration has "
			"no more",
			(unsigned long long)number, plan->org);
	return 0;
}

static int paused_sentence(struct app *app, const struct config_org *org, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	enum store_mode mode;
	bool paused = false;
	int r;

	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = store_paused(db, org->name, &paused, err);
	if (r == 0)
		r = store_mode_get(db, org->name, &mode, err);
	if (r < 0)
		return r;
	if (mode == STORE_OBSERVE)
		return err_set(err, ERR_REFUSED,
			       "organisation %s is in mode observe: nothing is changed there; "
			       "`leaverd arm propose --org %s` says what is missing for more",
			       org->name, org->name);
	if (paused)
		return err_set(err, ERR_HELD, "organisation %s is paused: `leaverd resume`",
			       org->name);
	return 0;
}

static int seats_row(void *ctx, const struct product_row *product, int64_t count,
		     struct err *err)
{
	return jx_add(ctx,
		      json_pack("{s:s%,s:s%,s:I}", "product", product->key.p, product->key.len,
				"site", product->site.p, product->site.len, "seats",
				(json_int_t)count),
		      err);
}

/* Seats by product and site, as the store knows them. */
static int seats_out(struct app *app, const struct config_org *org, json_t *out,
		     const char *key, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(org_row_done) struct org_row row = { 0 };
	json_t *list = json_array();
	int r = jx_set(out, key, list, err);

	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = accounts_org_get(db, org->name, &row, err);
	if (r == 0)
		r = accounts_seat_counts(db, row.id, seats_row, list, err);
	return r;
}

/* How many actions of a shown plan ended how, whoever applied them: the daemon's applier may
 * have been faster. */
static int outcomes_out(const json_t *plan, json_t *out, struct err *err)
{
	const json_t *action;
	size_t at;

	for (int o = OUTCOME_NONE + 1; o < OUTCOME_COUNT; o++) {
		const char *word = apply_outcome_word((enum apply_outcome)o);
		size_t len = strlen(word);
		json_int_t n = 0;
		int r;

		json_array_foreach (json_object_get(plan, "actions"), at, action) {
			const char *result = jx_get_text(action, "result");

			n += result && !strncmp(result, word, len) &&
			     (!result[len] || result[len] == ':');
		}
		r = jx_set(out, word, json_integer(n), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int verb_apply(struct app *app, const struct who *who, const json_t *in, json_t *out,
		      struct err *err)
{
	CLEANUP(json_decref_at) json_t *plan = NULL;
	const struct config_org *org;
	struct apply_counts counts = { 0 };
	json_t *counts_out = json_object();
	bool may_see = false;
	int r = jx_set(out, "outcomes", counts_out, err);

	(void)who;
	if (r == 0)
		r = sealed_may_see(app, in, &may_see, err);
	if (r == 0)
		r = plan_org(app, plan_of(in), &org, err);
	if (r == 0)
		r = paused_sentence(app, org, err);
	if (r == 0)
		r = seats_out(app, org, out, "seats_before", err);
	if (r == 0)
		r = apply_now(app, org, plan_of(in), &counts, err);
	if (r == 0)
		r = seats_out(app, org, out, "seats_after", err);
	if (r == 0)
		r = planner_show(app, plan_of(in), &plan, err);
	if (r == 0)
		r = outcomes_out(plan, counts_out, err);
	if (r == 0 && !may_see)
		r = sealed_plan(plan, stamp_now_ms(), err);
	if (r < 0)
		return r;
	return json_object_update(out, plan) == 0 ? 0 : err_nomem(err);
}

/* --- pause, resume, arm --------------------------------------------------------------------
 */

struct pause_write {
	const char *org, *who, *why;
	bool paused, unchanged;
};

static int pause_run(void *ctx, struct db *db, struct err *err)
{
	struct pause_write *w = ctx;
	int r = store_pause_set(db, w->org, w->paused, w->who, w->why, stamp_now_ms(), err);

	w->unchanged = r == STORE_UNCHANGED;
	return r < 0 ? r : 0;
}

static int pause_set(struct app *app, const struct who *who, const json_t *in, bool paused,
		     json_t *out, struct err *err)
{
	const char *org = jx_get_text(in, "org");
	struct pause_write w = { org ? org : "", who->name, jx_get_text(in, "reason"), paused,
				 false };
	char text[256];
	int r;

	if (org && !config_org(&app->config, org))
		return err_set(err, ERR_NOT_FOUND, "the configuration has no organisation %s",
			       org);
	r = writer_call(app->writer, pause_run, &w, err);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%s %s %s%s", org ? "organisation" : "applying is",
		 org ? org : (paused ? "paused" : "resumed"),
		 org ? (paused ? "is paused" : "goes on") : "everywhere",
		 w.unchanged ? " (it was already)" : "");
	return jx_set(out, "text", json_string(text), err);
}

static int verb_pause(struct app *app, const struct who *who, const json_t *in, json_t *out,
		      struct err *err)
{
	return pause_set(app, who, in, true, out, err);
}

static int verb_resume(struct app *app, const struct who *who, const json_t *in, json_t *out,
		       struct err *err)
{
	return pause_set(app, who, in, false, out, err);
}

struct count_complete {
	int complete;
};

static int count_org_read(void *ctx, const struct org_read_row *row, struct err *err)
{
	struct count_complete *c = ctx;

	(void)err;
	c->complete += row->complete && row->plausible;
	return 0;
}

static int count_source_read(void *ctx, const struct read_row *row, struct err *err)
{
	struct count_complete *c = ctx;

	(void)err;
	c->complete += row->accepted;
	return 0;
}

/* What is missing before the organisation may be changed: a sentence each, none when ready. */
static int arm_missing_org(struct db *db, const char *org, struct buf *missing, struct err *err)
{
	CLEANUP(org_row_done) struct org_row row = { 0 };
	CLEANUP(free_at) char *sampled = NULL;
	struct count_complete reads = { 0 };
	int64_t backup_ms = 0;
	int r;

	r = accounts_org_get(db, org, &row, err);
	if (r == 0)
		r = accounts_reads(db, row.id, 100, count_org_read, &reads, err);
	if (r < 0)
		return r;
	if (reads.complete < ARM_ROUNDS)
		buf_addf(missing,
			 "; %d complete reads of it, %d are needed: `leaverd collect %s`",
			 reads.complete, ARM_ROUNDS, org);
	r = store_setting_get(db, org, "sampled_ms", &sampled, err);
	if (r < 0)
		return r;
	if (!sampled)
		buf_addf(missing,
			 "; nobody looked at a sample: `leaverd plan --org %s --sample 20`",
			 org);
	r = backup_last(db, &backup_ms, err);
	if (r >= 0 && backup_ms == 0)
		buf_addf(missing, "; no backup was taken: `leaverd backup FILE`");
	return r < 0 ? r : 0;
}

static int arm_missing_sources(struct app *app, struct db *db, struct buf *missing,
			       struct err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < app->config.sources.n; i++) {
		const struct config_source *s = config_source_at(&app->config, i);
		CLEANUP(source_row_done) struct source_row row = { 0 };
		struct count_complete reads = { 0 };

		r = sources_get(db, s->name, &row, err);
		if (r < 0)
			return r;
		if (s->kind == CONFIG_SCIM) {
			if (row.state == SOURCE_FILLING)
				buf_addf(missing,
					 "; source %s is filling: `leaverd source ready %s`",
					 s->name, s->name);
			continue;
		}
		r = sources_reads(db, row.id, 100, count_source_read, &reads, err);
		if (r >= 0 && reads.complete < ARM_ROUNDS)
			buf_addf(missing,
				 "; source %s has %d accepted reads%s, %d are needed: `leaverd "
				 "sync %s`",
				 s->name, reads.complete,
				 s->kind == CONFIG_FILE ? " of different exports" : "",
				 ARM_ROUNDS, s->name);
	}
	return r < 0 ? r : 0;
}

static int arm_ready(struct app *app, const char *org, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(buf_done) struct buf missing;
	int r;

	buf_init(&missing, 65536);
	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = arm_missing_org(db, org, &missing, err);
	if (r == 0)
		r = arm_missing_sources(app, db, &missing, err);
	if (r == 0)
		r = buf_fault(&missing, err, "what is missing");
	if (r < 0)
		return r;
	if (missing.len)
		return err_set(err, ERR_HELD, "organisation %s is not ready to be armed: %s",
			       org, missing.p + 2);
	return 0;
}

struct arm_write {
	const char *org, *who, *why;
	enum store_mode mode;
	bool unchanged;
};

static int arm_run(void *ctx, struct db *db, struct err *err)
{
	CLEANUP(free_at) char *armed = NULL;
	struct arm_write *w = ctx;
	int64_t now_ms = stamp_now_ms();
	char text[24];
	int r;

	r = store_mode_set(db, w->org, w->mode, w->who, w->why, now_ms, err);
	w->unchanged = r == STORE_UNCHANGED;
	if (r < 0 || w->mode == STORE_OBSERVE)
		return r < 0 ? r : 0;
	r = store_setting_get(db, w->org, "armed_ms", &armed, err);
	if (r < 0 || armed)
		return r < 0 ? r : 0;
	snprintf(text, sizeof(text), "%lld", (long long)now_ms);
	r = store_setting_set(db, w->org, "armed_ms", text, err);
	return r < 0 ? r : 0;
}

static int arm_one(struct app *app, const struct who *who, const json_t *in, const char *org,
		   enum store_mode mode, json_t *list, struct err *err)
{
	struct arm_write w = { org, who->name, jx_get_text(in, "reason"), mode, false };
	int r = 0;

	if (mode != STORE_OBSERVE)
		r = arm_ready(app, org, err);
	if (r == 0)
		r = writer_call(app->writer, arm_run, &w, err);
	if (r < 0)
		return r;
	return jx_add(list,
		      json_pack("{s:s,s:s,s:b}", "org", org, "mode", store_mode_words[mode],
				"unchanged", w.unchanged),
		      err);
}

static int arm_text(const json_t *list, json_t *out, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	json_t *row;
	size_t i;

	buf_init(&text, 65536);
	json_array_foreach (list, i, row) {
		buf_addf(&text, "%sorganisation %s is in mode %s%s", i ? "\n" : "",
			 jx_get_text(row, "org"), jx_get_text(row, "mode"),
			 json_is_true(json_object_get(row, "unchanged")) ? " (it was already)"
									 : "");
	}
	if (buf_fault(&text, err, "the answer") < 0)
		return -err->code;
	return jx_set(out, "text", json_string(text.p ? text.p : ""), err);
}

static int verb_arm(struct app *app, const struct who *who, const json_t *in, json_t *out,
		    struct err *err)
{
	const char *only = jx_get_text(in, "org"), *word = jx_get_text(in, "mode");
	json_t *list = json_array();
	int mode = -1, r = jx_set(out, "organisations", list, err);

	for (int m = STORE_OBSERVE; m <= STORE_ACT; m++)
		if (word && strcmp(word, store_mode_words[m]) == 0)
			mode = m;
	if (r == 0 && mode < 0)
		return err_set(err, ERR_USAGE, "the mode is observe, propose or act");
	if (r == 0 && only && !config_org(&app->config, only))
		return err_set(err, ERR_NOT_FOUND, "the configuration has no organisation %s",
			       only);
	for (size_t i = 0; r == 0 && i < app->config.organisations.n; i++) {
		const char *org = config_org_at(&app->config, i)->name;

		if (!only || strcmp(only, org) == 0)
			r = arm_one(app, who, in, org, (enum store_mode)mode, list, err);
	}
	return r == 0 ? arm_text(list, out, err) : r;
}

/* --- who is meant --------------------------------------------------------------------------
 */

/* The one person or account that WHO names. Fault: NOT_FOUND, CONFLICT for several. */
static int find_who(struct app *app, const char *text, uint64_t *person, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int64_t found[4];
	size_t n = 0;
	int r;

	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = persons_find(db, str_of(text), found, COUNT_OF(found), &n, err);
	if (r < 0)
		return r;
	if (n > 1)
		return err_set(err, ERR_CONFLICT,
			       "%zu persons fit that: name one by its ledger number (%lld, "
			       "%lld%s)",
			       n, (long long)found[0], (long long)found[1],
			       n > 2 ? ", ..." : "");
	*person = n ? (uint64_t)found[0] : 0;
	return 0;
}

struct account_of {
	int64_t id;
};

/* An account that nobody explains is named by its accountId or address. */
static int account_row_find(void *ctx, const struct account_row *row, struct err *err)
{
	struct account_of *a = ctx;

	(void)err;
	a->id = row->id;
	return 1;
}

static int find_account(struct app *app, const struct config_org *org, const char *text,
			uint64_t *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(org_row_done) struct org_row row = { 0 };
	CLEANUP(free_at) char *folded = NULL;
	struct account_of found = { 0 };
	size_t len;
	int r;

	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = accounts_org_get(db, org->name, &row, err);
	if (r == 0)
		r = accounts_number(db, row.id, str_of(text), &found.id, err);
	if (r == STORE_NOT_FOUND) {
		r = str_fold(str_of(text), &folded, &len, err);
		if (r == 0)
			r = accounts_by_email(db, row.id, str_n(folded, len), account_row_find,
					      &found, err);
	}
	*ret = (uint64_t)found.id;
	return r < 0 ? r : 0;
}

static int not_found(const char *who, struct err *err)
{
	return err_set(
		err, ERR_NOT_FOUND,
		"nobody is called %s: no ledger number, mail address, user name, account "
		"id or record key",
		who);
}

/* --- block ---------------------------------------------------------------------------------
 */

static int block_approve(struct app *app, uint64_t plan, const struct who *who,
			 const json_t *in, json_t *out, struct err *err)
{
	CLEANUP(json_decref_at) json_t *request = NULL;
	int r;

	request = json_pack("{s:I,s:s}", "plan", (json_int_t)plan, "reason",
			    jx_get_text(in, "reason"));
	if (!request)
		return err_nomem(err);
	r = decide_approve(app, who, request, out, err);
	/* What the guards of law 6 hold stays for a second person; the rest goes ahead. */
	return r == -ERR_HELD ? 0 : r;
}

static int block_one(struct app *app, const struct config_org *org, uint64_t person,
		     uint64_t account, const struct who *who, const json_t *in, json_t *list,
		     struct err *err)
{
	CLEANUP(json_decref_at) json_t *decision = json_object();
	json_t *plan = NULL;
	const struct block_request request = {
		.person = person,
		.account = account,
		.reason = jx_get_text(in, "reason"),
		.by = who->name,
	};
	struct apply_counts counts = { 0 };
	uint64_t number = 0;
	int r;

	if (!decision)
		return err_nomem(err);
	r = planner_block(app, org, &request, who->name, &number, err);
	if (r == 0)
		r = block_approve(app, number, who, in, decision, err);
	if (r == 0)
		r = apply_now(app, org, number, &counts, err);
	if (r == 0)
		r = planner_show(app, number, &plan, err);
	if (r == 0)
		r = jx_add(list, plan, err);
	return r;
}

static int verb_block(struct app *app, const struct who *who, const json_t *in, json_t *out,
		      struct err *err)
{
	const char *only = jx_get_text(in, "org"), *text = jx_get_text(in, "who");
	json_t *list = json_array();
	uint64_t person = 0;
	size_t tried = 0;
	struct err first = { 0 };
	int r = jx_set(out, "plans", list, err);

	if (r == 0)
		r = find_who(app, text, &person, err);
	for (size_t i = 0; r == 0 && i < app->config.organisations.n; i++) {
		const struct config_org *org = config_org_at(&app->config, i);
		uint64_t account = 0;
		int one;

		if (only && strcmp(only, org->name) != 0)
			continue;
		r = person ? 0 : find_account(app, org, text, &account, err);
		if (r < 0 || (!person && !account))
			continue;
		tried++;
		one = block_one(app, org, person, account, who, in, list, err);
		/* One organisation that cannot be blocked does not keep the others open. */
		if (one < 0 && first.code == 0)
			first = *err;
	}
	if (r < 0)
		return r;
	if (tried == 0)
		return not_found(text, err);
	if (first.code) {
		*err = first;
		return -first.code;
	}
	return 0;
}

/* --- why -----------------------------------------------------------------------------------
 */

#define PAST_MOST 50
#define PAST_LOOK 5000 /* actions that are looked through for them: most were superseded */
#define DECIDERS_BYTES 400
#define NOBODY INT64_MAX /* no person's number */

/* What we did, and what others did at Atlassian, PAST_MOST of each. */
struct past_read {
	struct why_past rows[2 * PAST_MOST];
	char texts[2 * PAST_MOST][4][128];
	int64_t plans[2 * PAST_MOST], numbers[2 * PAST_MOST]; /* of what we did; else 0 */
	char deciders[2 * PAST_MOST][DECIDERS_BYTES];
	struct db *db;
	size_t n, most;
	bool may_see; /* steps of a leaver that lie ahead */
	int64_t now_ms;
};

static int any_decision(void *ctx, const struct decision *d, struct err *err)
{
	bool *any = ctx;

	(void)d;
	(void)err;
	*any = true;
	return 1;
}

/* What waits is told elsewhere; that a newer plan took the place of one that nobody had looked
 * at is nothing that happened. */
static int past_row(void *ctx, int64_t plan, const struct action_row *row, struct err *err)
{
	struct past_read *p = ctx;
	char(*t)[128] = p->texts[p->n];
	bool any = row->state != ACTION_SUPERSEDED;
	int r = 0;

	if (row->state == ACTION_PLANNED || (!p->may_see && sealed_action(row, p->now_ms)))
		return 0;
	if (!any)
		r = plans_decisions(p->db, plan, any_decision, &any, err);
	if (r < 0 || !any)
		return r < 0 ? r : 0;
	snprintf(t[0], 128, STR_FMT, STR_ARG(row->kind));
	snprintf(t[1], 128, STR_FMT, STR_ARG(row->rule));
	snprintf(t[2], 128, "%s", action_state_words[row->state]);
	snprintf(t[3], 128, "plan %lld%s" STR_FMT, (long long)plan, row->result.len ? ": " : "",
		 STR_ARG(row->result));
	p->plans[p->n] = plan;
	p->numbers[p->n] = row->n;
	p->rows[p->n] = (struct why_past){
		.at_ms = row->state_ms,
		.kind = t[0],
		.rule = t[1],
		.outcome = t[2],
		.who = row->state == ACTION_SUPERSEDED ? "a newer plan" : "applier",
		.text = t[3],
	};
	return ++p->n == p->most;
}

/* What somebody else changed, as Atlassian's audit events tell it. */
static int past_event(void *ctx, const struct event_row *row, struct err *err)
{
	static const char *const outcomes[] = { "by others", "under our key, not by us",
						"under our key, explained",
						"as ours, key not known" };
	struct past_read *p = ctx;
	char(*t)[128] = p->texts[p->n];

	(void)err;
	snprintf(t[0], 128, STR_FMT, STR_ARG(row->action));
	snprintf(t[1], 128, STR_FMT, STR_ARG(row->email.len ? row->email : row->actor));
	snprintf(t[2], 128, "%s", outcomes[row->by]);
	snprintf(t[3], 128, "at Atlassian%s" STR_FMT, row->group.len ? ", group " : "",
		 STR_ARG(row->name.len ? row->name : row->group));
	p->rows[p->n] = (struct why_past){
		.at_ms = row->at_ms,
		.kind = t[0],
		.outcome = t[2],
		.who = t[1][0] ? t[1] : "somebody",
		.text = t[3],
	};
	return ++p->n == p->most;
}

/* Who approved or refused an action of a plan. */
struct deciders {
	int64_t n;
	char *text;
	size_t at;
};

/* "*" or numbers separated by commas. */
static bool names_action(struct str actions, int64_t n)
{
	struct str one;
	int64_t number;

	if (str_eq(actions, STR("*")))
		return true;
	while (actions.len) {
		if (!str_cut(actions, ',', &one, &actions)) {
			one = actions;
			actions = STR("");
		}
		if (str_int64(one, &number) && number == n)
			return true;
	}
	return false;
}

static int decider_row(void *ctx, const struct decision *d, struct err *err)
{
	struct deciders *to = ctx;
	char why[96];

	(void)err;
	(void)snprintf(why, sizeof(why), STR_FMT, STR_ARG(d->why));
	if (to->at >= DECIDERS_BYTES || !names_action(d->actions, to->n))
		return 0;
	to->at += (size_t)snprintf(
		to->text + to->at, DECIDERS_BYTES - to->at,
		"%s" STR_FMT " (%s%s" STR_FMT "%s%.80s)", to->at ? ", " : "", STR_ARG(d->who),
		d->kind == DECISION_APPROVE   ? "approved"
		: d->kind == DECISION_RELEASE ? "released"
					      : "refused",
		d->guards.len ? " " : "", STR_ARG(d->guards), d->why.len ? ": " : "", why);
	return 0;
}

static int deciders_read(struct db *db, struct past_read *p, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < p->n && r >= 0; i++) {
		struct deciders to = { p->numbers[i], p->deciders[i], 0 };

		if (!p->plans[i])
			continue;
		r = plans_decisions(db, p->plans[i], decider_row, &to, err);
		if (to.at)
			p->rows[i].who = p->deciders[i];
	}
	return r < 0 ? r : 0;
}

static int newest_first(const void *x, const void *y)
{
	const struct why_past *a = x, *b = y;

	return (a->at_ms < b->at_ms) - (a->at_ms > b->at_ms);
}

static int past_read(struct app *app, uint64_t person, uint64_t account, struct past_read *ret,
		     struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r;

	r = store_read_begin(app->store, &db, err);
	ret->most = PAST_MOST;
	ret->db = db;
	if (r == 0 && person)
		r = plans_of_person(db, (int64_t)person, PAST_LOOK, past_row, ret, err);
	else if (r == 0)
		r = plans_of_account(db, (int64_t)account, PAST_LOOK, past_row, ret, err);
	ret->most = ret->n + PAST_MOST;
	if (r >= 0)
		r = events_of(db, (int64_t)person, (int64_t)account, PAST_MOST, past_event, ret,
			      err);
	if (r >= 0)
		r = deciders_read(db, ret, err);
	if (r < 0)
		return r;
	qsort(ret->rows, ret->n, sizeof(ret->rows[0]), newest_first);
	return 0;
}

/* Reading somebody's story is itself recorded (law 11). */
struct why_audit {
	const struct who *who;
	uint64_t person;
};

static int why_audit_write(void *ctx, struct db *db, struct err *err)
{
	struct why_audit *w = ctx;
	char target[48];
	struct audit_new entry = {
		.who = w->who->name,
		.what = "person.read",
		.target = target,
		.person = (int64_t)w->person,
		.body = STR("{}"),
		.now_ms = stamp_now_ms(),
	};

	snprintf(target, sizeof(target), "person %llu", (unsigned long long)w->person);
	return audit_add(db, &entry, NULL, err);
}

static int why_json_of(const struct why *story, json_t **ret, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	CLEANUP(buf_done) struct buf said;
	CLEANUP(json_decref_at) json_t *doc = NULL;
	int r;

	buf_init(&text, 16 * 1024 * 1024);
	buf_init(&said, 16 * 1024 * 1024);
	r = why_json(story, &text, err);
	if (r == 0)
		r = jx_parse(buf_str(&text), JX_LENIENT, &doc, err);
	if (r == 0)
		r = why_text(story, &said, err);
	if (r == 0)
		r = buf_fault(&said, err, "the story");
	if (r == 0)
		r = jx_set(doc, "text", json_stringn(said.p, said.len), err);
	if (r == 0)
		*ret = TAKE(doc);
	return r;
}

static int why_one(struct app *app, const struct config_org *org, const char *text,
		   uint64_t person, uint64_t account, bool may_see, json_t *list,
		   struct err *err)
{
	const struct why_told_want want = { org, str_of(text), person, account, may_see };
	const struct policy *policy = app_acting(app)->policy;
	CLEANUP(why_told_done) struct why_told_read told = { 0 };
	CLEANUP(facts_free_at) struct facts *facts = NULL;
	CLEANUP(why_free_at) struct why *story = NULL;
	struct why_who whom = { .person = person, .account = person ? 0 : account };
	struct past_read *past = calloc(1, sizeof(*past));
	struct why_before before;
	json_t *doc = NULL;
	int r;

	if (!past)
		return err_nomem(err);
	past->may_see = may_see;
	past->now_ms = stamp_now_ms();
	r = past_read(app, person, account, past, err);
	if (r == 0)
		r = why_told_read(app, &want, &told, err);
	if (r == 0 && !person && !account && !told.n) {
		free(past);
		return 0;
	}
	/* of records that are nobody's yet the round says nothing */
	if (r == 0)
		r = planner_facts_for(app, org, policy, person || account ? person : NOBODY,
				      person ? 0 : account, &facts, err);
	/* who would receive what they own is somebody else: that takes everybody */
	if (r == 0 && person && facts->owned.n) {
		facts_free(TAKE(facts));
		r = planner_facts_for(app, org, policy, 0, 0, &facts, err);
	}
	if (r == 0 && !may_see)
		r = why_seal(facts, policy, err);
	before = (struct why_before){ past->rows, past->n, told.rows, told.n };
	if (r == 0)
		r = why_of(facts, policy, &whom, &before, &story, err);
	free(past);
	if (r != 0)
		return r < 0 ? r : 0;
	r = why_json_of(story, &doc, err);
	if (r == 0)
		r = jx_set(doc, "org", json_string(org->name), err);
	if (r == 0)
		r = jx_set(doc, "sealed", json_boolean(!may_see), err);
	return r == 0 ? jx_add(list, doc, err) : r;
}

static int verb_why(struct app *app, const struct who *who, const json_t *in, json_t *out,
		    struct err *err)
{
	const char *only = jx_get_text(in, "org"), *text = jx_get_text(in, "who");
	json_t *list = json_array();
	struct why_audit audit = { .who = who };
	bool may_see = false;
	int r = jx_set(out, "stories", list, err);

	if (r == 0)
		r = sealed_may_see(app, in, &may_see, err);

	if (r == 0)
		r = find_who(app, text, &audit.person, err);
	for (size_t i = 0; r == 0 && i < app->config.organisations.n; i++) {
		const struct config_org *org = config_org_at(&app->config, i);
		uint64_t account = 0;

		if (only && strcmp(only, org->name) != 0)
			continue;
		if (!audit.person)
			r = find_account(app, org, text, &account, err);
		if (r == 0)
			r = why_one(app, org, text, audit.person, account, may_see, list, err);
	}
	if (r == 0 && json_array_size(list) == 0)
		return not_found(text, err);
	return r == 0 ? writer_call(app->writer, why_audit_write, &audit, err) : r;
}

const struct verb verbs_plan[] = {
	{ "show", VERB_STORE, verb_show },
	{ "apply", VERB_STORE | VERB_HTTP | VERB_LONG, verb_apply },
	{ "pause", VERB_STORE, verb_pause },
	{ "resume", VERB_STORE, verb_resume },
	{ "arm", VERB_STORE, verb_arm },
	/* short, though it waits for Atlassian: it must not stand behind a long read */
	{ "block", VERB_STORE | VERB_HTTP, verb_block },
	{ "why", VERB_STORE, verb_why },
	{ NULL, 0, NULL },
};
