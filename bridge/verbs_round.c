/* Verbs that read and plan: sync, collect, plan. */
#include "bridge/verb.h"

#include <unistd.h>

#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "bridge/gate.h"
#include "bridge/planner.h"
#include "bridge/progress.h"
#include "bridge/rounds.h"
#include "bridge/rounds_hr.h"
#include "bridge/sealed.h"
#include "bridge/since.h"
#include "bridge/waves.h"
#include "store/accounts.h"
#include "store/writer.h"

#define SYNC_SAMPLE_ROWS 3 /* of an export, shown by a dry run */

/*
 * One of several systems failed: its part of the answer, the newest of the list, says why, and
 * the others go on; *first is how the command ends. What is wrong with us ends it at once.
 */
static int of_one(int r, json_t *list, const char *member, const char *name, struct err *first,
		  struct err *err)
{
	static const int ours[] = { ERR_NOMEM,     ERR_INTERNAL, ERR_IO,   ERR_FULL,
				    ERR_CANCELLED, ERR_DAMAGED,  ERR_LEASE };
	json_t *part = json_array_get(list, json_array_size(list) - 1);
	struct err said = *err;

	if (r >= 0)
		return r;
	for (size_t i = 0; i < COUNT_OF(ours); i++)
		if (r == -ours[i])
			return r;
	if (!first->code)
		*first = said;
	r = jx_set(part, member, json_string(name), err);
	if (r == 0)
		r = jx_set(part, "complete", json_false(), err);
	if (r == 0)
		r = jx_set(part, "accepted", json_false(), err);
	return r == 0 ? jx_set(part, "why", json_string(said.text), err) : r;
}

/* --- sync ----------------------------------------------------------------------------------
 */

/* How a source is to be read. */
struct sync_ask {
	bool delta, dry_run;
	const char *spool; /* NULL, or what came on the command's stdin */
	const char *show;  /* NULL, or one key of an export */
};

/* An export: from where the settings say, or from a spool of the command's stdin. A dry run
 * also shows what the map makes of its first rows. */
static int sync_export(struct app *app, const struct config_source *source,
		       const struct sync_ask *ask, json_t *out, struct err *err)
{
	int fd = -1, again = -1, r = 0;

	if (ask->spool)
		r = rounds_hr_spool_open(app, ask->spool, &fd, err);
	if (r == 0 && ask->spool && ask->dry_run)
		again = dup(fd);
	if (r == 0)
		r = rounds_hr(app, source, fd, ask->dry_run, verb_cancel_flag(), out, err);
	if (r == 0 && ask->dry_run)
		return rounds_hr_sample(app, source, again, SYNC_SAMPLE_ROWS, ask->show,
					verb_cancel_flag(), out, err);
	if (again >= 0)
		close(again);
	return r;
}

static int sync_read(struct app *app, const struct config_source *source,
		     const struct sync_ask *ask, json_t *out, struct err *err)
{
	if (source->kind == CONFIG_FILE)
		return sync_export(app, source, ask, out, err);
	if (ask->delta)
		return rounds_delta(app, source, verb_cancel_flag(), out, err);
	return rounds_sync(app, source, ask->dry_run, verb_cancel_flag(), out, err);
}

static int sync_one(struct app *app, const struct config_source *source,
		    const struct sync_ask *ask, json_t *list, bool *whole, struct err *err)
{
	CLEANUP(gate_leave) struct gate gate = { 0 };
	json_t *out = json_object();
	int r = jx_add(list, out, err);

	if (r == 0)
		r = gate_enter(&gate, "sync", source->name, verb_cancel_flag(), err);
	if (r == 0)
		r = sync_read(app, source, ask, out, err);
	if (r == 0 && !(json_is_true(json_object_get(out, "accepted")) ||
			(ask->dry_run && json_is_true(json_object_get(out, "plausible")))))
		*whole = false;
	return r;
}

/* Without being named: an export that comes on stdin alone is not looked for. */
static bool is_read_by_us(const struct config_source *s)
{
	if (s->kind == CONFIG_FILE)
		return s->file.path || s->file.folder;
	return s->kind == CONFIG_LDAP;
}

static int verb_sync(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	const struct sync_ask ask = {
		.delta = json_is_true(json_object_get(in, "delta")),
		.dry_run = json_is_true(json_object_get(in, "dry_run")),
		.spool = jx_get_text(in, "spool"),
		.show = jx_get_text(in, "show"),
	};
	const char *only = jx_get_text(in, "source");
	bool whole = true;
	json_t *list = json_array();
	struct err first = { 0 };
	int r = jx_set(out, "sources", list, err);

	(void)who;
	if (r == 0 && ask.delta && ask.dry_run)
		return err_set(err, ERR_USAGE,
			       "--delta and --dry-run do not go together: what changed is "
			       "asked for once, and kept");
	if (r == 0 && only && !config_source(&app->config, only))
		return err_set(err, ERR_NOT_FOUND, "the configuration has no source %s", only);
	if (r == 0 && only && config_source(&app->config, only)->kind == CONFIG_SCIM)
		return err_set(err, ERR_USAGE,
			       "source %s is pushed to us: there is nothing to read; `leaverd "
			       "source status %s` says where it stands",
			       only, only);
	if (r == 0 && ask.show && !(only && ask.dry_run))
		return err_set(err, ERR_USAGE,
			       "--show goes with --dry-run and one SOURCE: it looks at one "
			       "entry of that directory, or the rows of one key of that "
			       "export, and keeps nothing");
	if (r == 0 && ask.show && config_source(&app->config, only)->kind == CONFIG_LDAP)
		return rounds_show(app, config_source(&app->config, only), ask.show,
				   verb_cancel_flag(), out, err);
	for (size_t i = 0; r == 0 && i < app->config.sources.n; i++) {
		const struct config_source *s = config_source_at(&app->config, i);

		if (only ? strcmp(only, s->name) == 0 : is_read_by_us(s))
			r = of_one(sync_one(app, s, &ask, list, &whole, err), list, "source",
				   s->name, &first, err);
	}
	if (r == 0 && first.code) {
		*err = first;
		return -first.code;
	}
	if (r == 0 && !whole)
		return err_set(
			err, ERR_INCOMPLETE,
			"not every read was accepted: nothing is concluded from what such "
			"a read lacks");
	return r;
}

/* --- collect -------------------------------------------------------------------------------
 */

static int collect_one(struct app *app, const struct config_org *org, json_t *list, bool *whole,
		       struct err *err)
{
	CLEANUP(gate_leave) struct gate gate = { 0 };
	json_t *out = json_object();
	int r = jx_add(list, out, err);

	if (r == 0)
		r = gate_enter(&gate, "collect", org->name, verb_cancel_flag(), err);
	if (r == 0)
		r = rounds_collect(app, org, verb_cancel_flag(), out, err);
	if (r == 0 && !json_is_true(json_object_get(out, "complete")))
		*whole = false;
	return r;
}

static int check_org(struct app *app, const char *only, struct err *err)
{
	if (only && !config_org(&app->config, only))
		return err_set(err, ERR_NOT_FOUND, "the configuration has no organisation %s",
			       only);
	return 0;
}

static int verb_collect(struct app *app, const struct who *who, const json_t *in, json_t *out,
			struct err *err)
{
	const char *only = jx_get_text(in, "org");
	bool whole = true;
	json_t *list = json_array();
	struct err first = { 0 };
	int r = jx_set(out, "organisations", list, err);

	(void)who;
	if (r == 0)
		r = check_org(app, only, err);
	for (size_t i = 0; r == 0 && i < app->config.organisations.n; i++) {
		const struct config_org *org = config_org_at(&app->config, i);

		if (!only || strcmp(only, org->name) == 0)
			r = of_one(collect_one(app, org, list, &whole, err), list, "org",
				   org->name, &first, err);
	}
	if (r == 0 && first.code) {
		*err = first;
		return -first.code;
	}
	if (r == 0 && !whole)
		return err_set(err, ERR_INCOMPLETE,
			       "not everything was read: nothing destructive rests on it");
	return r;
}

/* What was seen then is read again: the read that a person looked at kept no marks. */
static int verb_collect_accept(struct app *app, const struct who *who, const json_t *in,
			       json_t *out, struct err *err)
{
	const char *only = jx_get_text(in, "org"), *why = jx_get_text(in, "reason");
	json_t *list = json_array();
	int64_t accounts = 0;
	bool whole = true;
	int r = jx_set(out, "organisations", list, err);

	if (r == 0 && (!only || !why))
		return err_set(err, ERR_USAGE,
			       "collect accept needs an organisation and a reason");
	if (r == 0)
		r = check_org(app, only, err);
	if (r == 0)
		r = rounds_collect_accept(app, config_org(&app->config, only), who->name, why,
					  &accounts, err);
	if (r == 0)
		r = collect_one(app, config_org(&app->config, only), list, &whole, err);
	if (r == 0 && !whole)
		return err_set(
			err, ERR_INCOMPLETE,
			"a read with %lld accounts was accepted, but the one that was made "
			"now is not like it: %s",
			(long long)accounts, jx_get_text(json_array_get(list, 0), "why"));
	return r;
}

/* Where an organisation's newest read stands, and what one under way is at. */
static int status_one(struct db *db, const struct config_org *org, json_t *list,
		      struct err *err)
{
	CLEANUP(org_row_done) struct org_row row = { 0 };
	int r = accounts_org_get(db, org->name, &row, err);

	if (r < 0)
		return r;
	return jx_add(list,
		      json_pack("{s:s, s:I, s:b, s:o, s:o, s:I, s:I, s:o}", "org", org->name,
				"generation", (json_int_t)row.generation, "complete",
				row.generation && row.complete && row.plausible, "why",
				row.reason ? json_string(row.reason) : json_null(), "ended_ms",
				ask_ms(row.ended_ms), "accounts", (json_int_t)row.accounts,
				"seats", (json_int_t)row.seats, "reading",
				progress_out("collect", org->name)),
		      err);
}

static int verb_collect_status(struct app *app, const struct who *who, const json_t *in,
			       json_t *out, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	const char *only = jx_get_text(in, "org");
	json_t *list = json_array();
	int r = jx_set(out, "organisations", list, err);

	(void)who;
	if (r == 0)
		r = check_org(app, only, err);
	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	for (size_t i = 0; r == 0 && i < app->config.organisations.n; i++) {
		const struct config_org *org = config_org_at(&app->config, i);

		if (!only || strcmp(only, org->name) == 0)
			r = status_one(db, org, list, err);
	}
	return r;
}

/* --- plan ----------------------------------------------------------------------------------
 */

static bool collected_lately(struct app *app, const struct config_org *org, int *fault,
			     struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(org_row_done) struct org_row row = { 0 };

	*fault = store_read_begin(app->store, &db, err);
	if (*fault == 0)
		*fault = accounts_org_get(db, org->name, &row, err);
	if (*fault != 0)
		return false;
	return row.generation && row.complete &&
	       stamp_now_ms() - row.ended_ms <= org->max_age_ms;
}

/* An organisation that nobody read, or too long ago, is read first. */
static int fresh_org(struct app *app, const struct config_org *org, struct err *err)
{
	CLEANUP(json_decref_at) json_t *list = json_array();
	bool whole = true;
	int fault;

	if (collected_lately(app, org, &fault, err))
		return 0;
	if (fault < 0)
		return fault;
	return list ? collect_one(app, org, list, &whole, err) : err_nomem(err);
}

/* Of each rule so many, drawn evenly over the plan: every k-th. */
static int sample(json_t *plan, size_t most, struct err *err)
{
	json_t *actions = json_object_get(plan, "actions"), *kept = json_array(), *a;
	CLEANUP(json_decref_at) json_t *seen = json_object();
	CLEANUP(json_decref_at) json_t *totals = json_object();
	size_t i;
	int r = kept && seen && totals ? 0 : err_nomem(err);

	json_array_foreach (actions, i, a) {
		const char *rule = jx_get_text(a, "rule");
		json_int_t n = json_integer_value(json_object_get(totals, rule));

		if (r == 0)
			r = jx_set(totals, rule, json_integer(n + 1), err);
	}
	json_array_foreach (actions, i, a) {
		const char *rule = jx_get_text(a, "rule");
		size_t total = (size_t)json_integer_value(json_object_get(totals, rule));
		size_t at = (size_t)json_integer_value(json_object_get(seen, rule));

		if (r == 0)
			r = jx_set(seen, rule, json_integer((json_int_t)at + 1), err);
		/* the at-th of total is drawn when at * most / total steps up */
		if (r == 0 && (total <= most || at * most / total != (at + 1) * most / total))
			r = jx_add(kept, json_incref(a), err);
	}
	if (r < 0) {
		json_decref(kept);
		return r;
	}
	return jx_set(plan, "actions", kept, err);
}

/* What of `plan` is asked for. */
struct plan_ask {
	size_t most;                  /* --sample; 0: all */
	size_t wave;                  /* --wave; 0: none */
	bool may_see;                 /* ends that lie ahead */
	struct waves_renewal renewal; /* --free; 0: none */
};

/* One plan of the answer; its members also join the answer's own. */
static int plan_out(struct app *app, const struct who *who, uint64_t number,
		    const struct plan_ask *ask, json_t *out, json_t *plans,
		    struct digest_run *run, struct err *err)
{
	struct planner_read read = { .plan = NULL };
	CLEANUP(json_decref_at) json_t *plan = NULL;
	json_t *row;
	size_t i;
	int r;

	r = planner_show_read(app, number, &plan, &read, err);
	if (r == 0)
		r = since_add(app, who, number, read.plan, true, plan, err);
	planner_read_done(app, &read);
	if (r == 0 && !ask->may_see)
		r = sealed_plan(plan, stamp_now_ms(), err);
	if (r == 0)
		r = planner_rules(plan, err);
	if (r < 0)
		return r;
	digest_add(run, jx_get_text(plan, "digest"), strlen(jx_get_text(plan, "digest")));
	if (!json_is_true(json_object_get(plan, "complete")))
		r = jx_set(out, "complete", json_false(), err);
	if (r == 0 && json_is_true(json_object_get(plan, "held")))
		r = jx_set(out, "held", json_true(), err);
	if (r == 0)
		r = jx_set(out, "digest", json_incref(json_object_get(plan, "digest")), err);
	if (r == 0 && ask->most)
		r = sample(plan, ask->most, err);
	json_array_foreach (json_object_get(plan, "guards"), i, row) {
		if (r == 0)
			r = jx_add(json_object_get(out, "guards"), json_incref(row), err);
	}
	json_array_foreach (json_object_get(plan, "actions"), i, row) {
		if (r == 0)
			r = jx_set(row, "plan", json_integer((json_int_t)number), err);
		if (r == 0)
			r = jx_add(json_object_get(out, "actions"), json_incref(row), err);
	}
	return r == 0 ? jx_add(plans, TAKE(plan), err) : r;
}

/* Guards of the round that no plan of it names. */
static int guards_join(json_t *into, const json_t *from, struct err *err)
{
	json_t *guard, *known;
	size_t i, k;
	int r = 0;

	json_array_foreach (from, i, guard) {
		bool there = false;

		json_array_foreach (into, k, known) {
			there |= strcmp(jx_get_text(known, "name"),
					jx_get_text(guard, "name")) == 0;
		}
		if (r == 0 && !there)
			r = jx_add(into, json_incref(guard), err);
	}
	return r;
}

static int number_of(const json_t *in, const char *key, size_t *ret, struct err *err)
{
	const json_t *value = json_object_get(in, key);

	if (value && json_integer_value(value) < 1)
		return err_set(err, ERR_USAGE, "--%s takes a number from 1 on", key);
	*ret = (size_t)json_integer_value(value);
	return 0;
}

static int plan_asked(const json_t *in, struct plan_ask *ret, struct err *err)
{
	struct waves_renewal *renewal = &ret->renewal;
	int r = number_of(in, "wave", &ret->wave, err);

	if (r == 0)
		r = number_of(in, "free", &renewal->free, err);
	ret->most = (size_t)json_integer_value(json_object_get(in, "sample"));
	renewal->product = jx_get_text(in, "product");
	renewal->site = jx_get_text(in, "site");
	renewal->by_ms = json_integer_value(json_object_get(in, "by_ms"));
	if (r < 0)
		return r;
	if (renewal->free && ret->wave)
		return err_set(err, ERR_USAGE, "--wave and --free do not go together");
	if (renewal->free ? !renewal->product || !renewal->by_ms
			  : renewal->product || renewal->site || renewal->by_ms)
		return err_set(err, ERR_USAGE,
			       "--free N, --product P and --by DATE go together: so many seats "
			       "of that product are to be free by then");
	if (renewal->free && renewal->by_ms <= stamp_now_ms())
		return err_set(err, ERR_USAGE, "--by is a date that is over");
	return 0;
}

/* The numbers of the plans that are to be shown: of the round, or of what was cut from it. */
static int plan_numbers(const json_t *round, json_t *ret, struct err *err)
{
	const json_t *renewal = json_object_get(round, "renewal"), *row;
	const json_t *waves = json_object_get(round, "waves");
	size_t i;
	int r = 0;

	json_array_foreach (renewal ? json_object_get(renewal, "plans")
			    : waves ? waves
				    : json_object_get(round, "plans"),
			    i, row) {
		json_t *number = renewal ? (json_t *)row : json_object_get(row, "plan");

		if (r == 0 && json_is_integer(number))
			r = jx_add(ret, json_incref(number), err);
	}
	return r;
}

static int plan_one(struct app *app, const struct config_org *org, const struct who *who,
		    const struct plan_ask *ask, json_t *out, json_t *plans,
		    struct digest_run *run, struct err *err)
{
	CLEANUP(gate_leave) struct gate gate = { 0 };
	CLEANUP(json_decref_at) json_t *round = json_object();
	CLEANUP(json_decref_at) json_t *numbers = json_array();
	json_t *row;
	size_t i;
	int r;

	if (!round || !numbers)
		return err_nomem(err);
	r = fresh_org(app, org, err);
	if (r == 0)
		r = gate_enter(&gate, "plan", org->name, verb_cancel_flag(), err);
	if (r == 0)
		r = planner_round(app, org, who->name, round, err);
	if (r == 0 && ask->wave)
		r = waves_plan(app, org, ask->wave, who->name, round, err);
	if (r == 0 && ask->renewal.free)
		r = waves_renew(app, org, &ask->renewal, who->name, round, err);
	if (r == 0 && ask->renewal.free)
		r = ask_note_read(app, who, "renewal",
				  (int64_t)json_array_size(json_object_get(
					  json_object_get(round, "renewal"), "rows")),
				  err);
	if (r == 0)
		r = plan_numbers(round, numbers, err);
	if (r < 0)
		return r;
	json_array_foreach (numbers, i, row)
		if (r == 0)
			r = plan_out(app, who, (uint64_t)json_integer_value(row), ask, out,
				     plans, run, err);
	if (r == 0)
		r = guards_join(json_object_get(out, "guards"),
				json_object_get(round, "guards"), err);
	return r == 0 ? jx_add(json_object_get(out, "rounds"), TAKE(round), err) : r;
}

struct sampled {
	struct app *app;
	const char *only;
};

/* `arm` wants to know that somebody looked at a sample. */
static int sampled_write(void *ctx, struct db *db, struct err *err)
{
	struct sampled *s = ctx;
	char now[24];
	int r = 0;

	snprintf(now, sizeof(now), "%lld", (long long)stamp_now_ms());
	for (size_t i = 0; r >= 0 && i < s->app->config.organisations.n; i++) {
		const struct config_org *org = config_org_at(&s->app->config, i);

		if (!s->only || strcmp(s->only, org->name) == 0)
			r = store_setting_set(db, org->name, "sampled_ms", now, err);
	}
	return r < 0 ? r : 0;
}

static int plan_frame(json_t *out, json_t *plans, struct err *err)
{
	static const char *const lists[] = { "guards", "actions", "rounds" };
	int r = jx_set(out, "plans", plans, err);

	for (size_t i = 0; r == 0 && i < COUNT_OF(lists); i++)
		r = jx_set(out, lists[i], json_array(), err);
	if (r == 0)
		r = jx_set(out, "complete", json_true(), err);
	if (r == 0)
		r = jx_set(out, "held", json_false(), err);
	return r == 0 ? jx_set(out, "digest", json_null(), err) : r;
}

static int verb_plan(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	const char *only = jx_get_text(in, "org");
	struct plan_ask ask = { 0 };
	struct sampled sampled = { app, only };
	struct digest_run run;
	struct digest digest;
	char hex[DIGEST_HEX_BYTES];
	json_t *plans = json_array();
	int r = plan_frame(out, plans, err);

	digest_begin(&run, NULL);
	if (r == 0)
		r = plan_asked(in, &ask, err);
	if (r == 0)
		r = sealed_may_see(app, in, &ask.may_see, err);
	if (r == 0)
		r = check_org(app, only, err);
	for (size_t i = 0; r == 0 && i < app->config.organisations.n; i++) {
		const struct config_org *org = config_org_at(&app->config, i);

		if (!only || strcmp(only, org->name) == 0)
			r = plan_one(app, org, who, &ask, out, plans, &run, err);
	}
	digest_end(&run, &digest);
	digest_hex(&digest, hex);
	/* One plan: its own digest. More: one over theirs, so that the answer has one as well.
	 */
	if (r == 0 && json_array_size(plans) > 1)
		r = jx_set(out, "digest", json_string(hex), err);
	if (r == 0 && ask.most)
		r = writer_call(app->writer, sampled_write, &sampled, err);
	return r < 0 ? r : ask_note_idle(app, who, json_object_get(out, "actions"), err);
}

const struct verb verbs_round[] = {
	{ "sync", VERB_STORE | VERB_LONG | VERB_READ, verb_sync },
	{ "collect", VERB_STORE | VERB_HTTP | VERB_LONG, verb_collect },
	{ "collect.status", VERB_STORE, verb_collect_status },
	{ "collect.accept", VERB_STORE | VERB_HTTP | VERB_LONG, verb_collect_accept },
	{ "plan", VERB_STORE | VERB_HTTP | VERB_LONG, verb_plan },
	{ NULL, 0, NULL },
};
