/*
 * Verbs that decide about a plan: approve, reject, release. Each can be asked for as a
 * statement to be signed, and takes one back signed (bridge/signing.h); then the statement says
 * what is decided, and the request only about which plan.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/stamp.h"
#include "bridge/ask.h"
#include "bridge/decide.h"
#include "bridge/notices.h"
#include "bridge/outbox.h"
#include "bridge/planner.h"
#include "bridge/sealed.h"
#include "bridge/second.h"
#include "bridge/signing.h"
#include "model/plan.h"
#include "reconcile/guard.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/writer.h"

#define LIST_BYTES (32u << 20) /* of chosen actions */
#define LATER_TEXT_BYTES 256

struct decide {
	struct app *app;
	const struct who *who;
	const json_t *in;
	uint64_t number;
	enum decision_kind kind;
	json_t *plan; /* as shown */
	struct digest digest;
	const char *why;
	char *said; /* why, of a statement */
	struct buf actions, guards;
	size_t count, held; /* actions that are named; that a guard holds still */
	size_t over;        /* that can start no more: begun, done, refused, superseded */
	bool two;           /* something that is decided takes two people */
	int64_t until_ms;   /* a partial refusal: how long it is remembered */
	bool may_see;       /* ends that lie ahead */
	int64_t typed;      /* the count of a single administrator; 0: none */
	int64_t alone_ms;
	struct notices_held *told; /* the second person, of that */
	struct statement statement;
	bool is_signed;
	struct signer signer;
	int64_t ret;
};

static void decide_done(struct decide *d)
{
	json_decref(d->plan);
	free(d->said);
	notices_held_free(d->told);
	buf_done(&d->actions);
	buf_done(&d->guards);
}

static int decide_init(struct decide *d, struct app *app, const struct who *who,
		       const json_t *in, enum decision_kind kind, struct err *err)
{
	int r;

	*d = (struct decide){
		.app = app,
		.who = who,
		.in = in,
		.number = (uint64_t)json_integer_value(json_object_get(in, "plan")),
		.kind = kind,
		.why = jx_get_text(in, "reason"),
		.until_ms = json_integer_value(json_object_get(in, "until_ms")),
		.typed = json_integer_value(json_object_get(in, "count")),
	};
	buf_init(&d->actions, LIST_BYTES);
	buf_init(&d->guards, 65536);
	r = planner_show(app, d->number, &d->plan, err);
	if (r == 0)
		r = sealed_may_see(app, in, &d->may_see, err);
	if (r == 0)
		r = signing_given(in, &d->statement, &d->is_signed, err);
	if (r == 0 && !digest_unhex(str_of(jx_get_text(d->plan, "digest")), &d->digest))
		r = err_set(err, ERR_INTERNAL, "the plan's digest is not one");
	return r;
}

static bool listed(const json_t *list, const char *text)
{
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (text && json_is_string(item) && strcmp(json_string_value(item), text) == 0)
			return true;
	}
	return false;
}

static bool number_listed(const json_t *list, json_int_t n)
{
	char number[24];

	snprintf(number, sizeof(number), "%lld", (long long)n);
	return listed(list, number);
}

/* --- which actions --------------------------------------------------------------------------
 */

/* Does the list name this person: by ledger number, mail address, account id or name? */
static bool person_listed(const struct decide *d, const json_t *list, const json_t *action)
{
	/* who may not see whose end lies ahead cannot ask for it by name either */
	if (!d->may_see && sealed_row(action, stamp_now_ms()))
		return false;
	return number_listed(list, json_integer_value(json_object_get(action, "person"))) ||
	       listed(list, jx_get_text(action, "email")) ||
	       listed(list, jx_get_text(action, "account_id")) ||
	       listed(list, jx_get_text(action, "name"));
}

static bool chosen(const struct decide *d, const json_t *action)
{
	const json_t *rules = json_object_get(d->in, "rules");
	const json_t *persons = json_object_get(d->in, "persons");
	const json_t *numbers = json_object_get(d->in, "actions");

	return (!rules || listed(rules, jx_get_text(action, "rule"))) &&
	       (!persons || person_listed(d, persons, action)) &&
	       (!numbers ||
		number_listed(numbers, json_integer_value(json_object_get(action, "n"))));
}

static bool in_part(const json_t *in)
{
	return json_object_get(in, "rules") || json_object_get(in, "persons") ||
	       json_object_get(in, "actions");
}

/* Held by a guard that this decision does not release: who approves such an action names what
 * holds it, each person anew. */
static bool still_held(const json_t *action, const json_t *released)
{
	json_t *guard;
	size_t i;

	json_array_foreach (json_object_get(action, "held_by"), i, guard) {
		if (!listed(released, json_string_value(guard)))
			return true;
	}
	return false;
}

/* Neither begun nor over, so that an approval can still come to something. */
static bool may_begin(const json_t *action)
{
	const char *state = jx_get_text(action, "state");

	return !state || strcmp(state, action_state_words[ACTION_PLANNED]) == 0;
}

/* The actions that are chosen; of an approval those that can still begin, and that nothing
 * holds which it does not release. */
static int choose_actions(struct decide *d, const json_t *released, struct err *err)
{
	json_t *a;
	size_t i;

	json_array_foreach (json_object_get(d->plan, "actions"), i, a) {
		if (!chosen(d, a))
			continue;
		if (d->kind == DECISION_APPROVE && !may_begin(a)) {
			d->over++;
			continue;
		}
		if (d->kind == DECISION_APPROVE && still_held(a, released)) {
			d->held++;
			continue;
		}
		buf_addf(&d->actions, "%s%lld", d->actions.len ? "," : "",
			 (long long)json_integer_value(json_object_get(a, "n")));
		d->two = d->two || json_integer_value(json_object_get(a, "needs")) > 1;
		d->count++;
	}
	return buf_fault(&d->actions, err, "the list of chosen actions");
}

/* --- which guards ---------------------------------------------------------------------------
 */

/* Whether a guard of that name stands in the plan: about the whole of it, or (of_actions) about
 * one of its actions. */
static bool guard_stands(struct decide *d, const char *name, bool of_actions)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(d->plan, "guards"), i, row) {
		const char *known = jx_get_text(row, "name");

		if (!known || strcmp(known, name) != 0)
			continue;
		d->two = d->two || json_integer_value(json_object_get(row, "needs")) > 1;
		return true;
	}
	json_array_foreach (json_object_get(d->plan, "actions"), i, row) {
		if (of_actions && listed(json_object_get(row, "held_by"), name))
			return true;
	}
	return false;
}

static int guards_text(struct decide *d, const json_t *names, bool of_actions, struct err *err)
{
	json_t *item;
	size_t i;

	json_array_foreach (names, i, item) {
		const char *name = json_is_string(item) ? json_string_value(item) : "";
		int row = guard_of(str_of(name));

		if (!guard_stands(d, name, of_actions))
			return err_set(err, ERR_NOT_FOUND, "plan has no guard %s%s", name,
				       of_actions ? ""
						  : "; what holds one action is released "
						    "by `leaverd approve --release`");
		if (row < 0 || guards[row].release == RELEASE_NEVER)
			return err_set(err, ERR_HELD, "guard %s is released by nobody but %s",
				       name, row < 0 ? "its cause" : guards[row].way);
		buf_addf(&d->guards, "%s%s", d->guards.len ? " " : "", name);
	}
	return buf_fault(&d->guards, err, "the list of released guards");
}

/* --- signed ---------------------------------------------------------------------------------
 */

/* Guards of a statement as a list, so that they go through the same sieve. */
static int guards_of_statement(const struct decide *d, json_t *into, struct err *err)
{
	struct str word, rest = d->statement.field[STATEMENT_GUARDS];
	int r = 0;

	while (r == 0 && rest.len) {
		str_cut(rest, ' ', &word, &rest);
		r = jx_add(into, json_stringn(word.p, word.len), err);
	}
	return r;
}

static void target_of(const struct decide *d, char ret[24])
{
	snprintf(ret, 24, "%llu", (unsigned long long)d->number);
}

/* Whether an action that is named takes two people. */
static bool names_two(const struct decide *d)
{
	struct str word, rest = buf_str(&d->actions);
	const json_t *actions = json_object_get(d->plan, "actions"), *a;
	size_t at = 0;

	/* both rise */
	while (rest.len && !str_eq(rest, STR("*"))) {
		int64_t n;

		str_cut(rest, ',', &word, &rest);
		if (!str_int64(word, &n))
			continue;
		while ((a = json_array_get(actions, at)) &&
		       json_integer_value(json_object_get(a, "n")) < n)
			at++;
		if (a && json_integer_value(json_object_get(a, "n")) == n &&
		    json_integer_value(json_object_get(a, "needs")) > 1)
			return true;
	}
	return false;
}

/* What the statement says is decided; the plan must still be the one that it is about. */
static int take_over(struct decide *d, struct err *err)
{
	CLEANUP(json_decref_at) json_t *names = json_array(), *detail = NULL;
	const struct str *f = d->statement.field;
	struct statement_want want;
	struct digest shown;
	char target[24];
	int r;

	if (!names)
		return err_nomem(err);
	target_of(d, target);
	signing_want(d->app, d->who, "plan", decision_words[d->kind], target, &want);
	r = approvers_wants(&want, &d->statement, err);
	if (r < 0)
		return r;
	if (!statement_is(&d->statement, STATEMENT_ORG, jx_get_text(d->plan, "org")) ||
	    !digest_unhex(f[STATEMENT_DIGEST], &shown) || !digest_equal(&shown, &d->digest))
		return err_set(err, ERR_CONFLICT,
			       "the statement is about another plan than plan %llu of this "
			       "instance: its digest differs",
			       (unsigned long long)d->number);
	r = guards_of_statement(d, names, err);
	if (r == 0)
		r = guards_text(d, names, d->kind == DECISION_APPROVE, err);
	if (r == 0 && f[STATEMENT_DETAIL].len)
		r = jx_parse(f[STATEMENT_DETAIL], JX_STRICT, &detail, err);
	if (r < 0)
		return r;
	d->why = d->said = str_dup(f[STATEMENT_REASON]);
	if (!d->said)
		return err_nomem(err);
	buf_add_str(&d->actions, f[STATEMENT_ACTIONS]);
	for (size_t i = 0; i < f[STATEMENT_ACTIONS].len; i++)
		d->count += f[STATEMENT_ACTIONS].p[i] == ',';
	d->count++;
	d->two = d->two || names_two(d);
	d->until_ms = json_integer_value(json_object_get(detail, "until"));
	d->typed = json_integer_value(json_object_get(detail, "count"));
	return buf_fault(&d->actions, err, "the list of chosen actions");
}

static int offer(struct decide *d, json_t *out, struct err *err)
{
	char target[24], detail[64] = "";
	struct signing_offer o = {
		.about = "plan",
		.decision = decision_words[d->kind],
		.target = target,
		.org = jx_get_text(d->plan, "org"),
		.digest = &d->digest,
		.actions = buf_str(&d->actions),
		.guards = buf_str(&d->guards),
		.reason = d->why,
		.until_ms = json_integer_value(json_object_get(d->plan, "expires")),
	};

	target_of(d, target);
	if (d->typed)
		snprintf(detail, sizeof(detail), "{\"count\":%lld}", (long long)d->typed);
	else if (d->until_ms)
		snprintf(detail, sizeof(detail), "{\"until\":%lld}", (long long)d->until_ms);
	o.detail = str_of(detail);
	return signing_offer(d->app, &o, out, err);
}

/* --- one administrator ----------------------------------------------------------------------
 */

static int count_approvers(struct app *app, struct approvers_count *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	return r < 0 ? r : approvers_count(db, stamp_now_ms(), ret, err);
}

static int tell_second(struct decide *d, struct err *err)
{
	char key[64], subject[128], when[STAMP_TEXT_BYTES];
	char who[STATEMENT_NAME_MOST + 16];
	CLEANUP(buf_done) struct buf text;

	buf_init(&text, 16384);
	snprintf(who, sizeof(who), "%s", d->who->name);
	if (d->is_signed)
		snprintf(who, sizeof(who), "approver:" STR_FMT,
			 STR_ARG(d->statement.field[STATEMENT_WHO]));
	stamp_text(d->alone_ms, when);
	snprintf(key, sizeof(key), "single-admin-plan-%llu-%lld", (unsigned long long)d->number,
		 (long long)d->alone_ms);
	snprintf(subject, sizeof(subject), "%s approved plan %llu alone", who,
		 (unsigned long long)d->number);
	buf_addf(
		&text,
		"At instance %s, %s approved %zu actions of plan %llu (organisation %s) that "
		"take two people.\nThere is one administrator, so it counts for both from %s "
		"on.\nReason given: %s\n\nIf that is wrong, stop it until then: leaverd pause, "
		"or leaverd reject %llu.\n",
		d->app->config.instance.name, who, d->count, (unsigned long long)d->number,
		jx_get_text(d->plan, "org"), when, d->why ? d->why : "none",
		(unsigned long long)d->number);
	if (buf_fault(&text, err, "the notice") < 0)
		return -err->code;
	return second_tell(d->app, key, subject, buf_str(&text), &d->told, err);
}

/* Where two people are needed and there is one: the count of what is approved typed out, a
 * delay, and a notice to a second address; recorded as what it is. */
static int alone(struct decide *d, struct err *err)
{
	const struct config_approvals *c = &app_acting(d->app)->approvals;
	struct approvers_count n = { 0 };
	int r;

	/* a signature that does not fit is refused when it is taken: nobody is told of it */
	if (!d->typed || (d->is_signed && !statement_signed(&d->statement)))
		return 0;
	if (!c->single_admin)
		return err_set(err, ERR_REFUSED,
			       "--count is for a shop with one administrator "
			       "(approvals.single_admin), and this is none: two people sign");
	if (d->typed == (int64_t)d->count && !d->two)
		return 0; /* one is enough, at once */
	r = count_approvers(d->app, &n, err);
	if (r < 0)
		return r;
	if (n.live > 1)
		return err_set(err, ERR_REFUSED,
			       "%lld approvers are enrolled, so nobody decides alone: two of "
			       "them sign",
			       (long long)n.live);
	if (d->typed != (int64_t)d->count)
		return err_set(err, ERR_CONFLICT,
			       "--count says %lld and %zu actions would be approved: look at "
			       "the plan again",
			       (long long)d->typed, d->count);
	if (!d->why)
		return err_set(err, ERR_USAGE, "approving alone needs --reason");
	d->alone_ms = stamp_now_ms() + c->single_delay_ms;
	return tell_second(d, err);
}

/* --- writing --------------------------------------------------------------------------------
 */

static int take(struct decide *d, struct db *db, struct err *err)
{
	struct statement_want want;
	char target[24];

	target_of(d, target);
	signing_want(d->app, d->who, "plan", decision_words[d->kind], target, &want);
	return approvers_take(db, &want, &d->statement, &d->signer, err);
}

/* The rule may not do that to them until then. */
static int remember_one(const struct decide *d, struct db *db, const json_t *a, struct err *err)
{
	int64_t person = json_integer_value(json_object_get(a, "person"));
	struct bar bar = {
		.person = person,
		.account = person ? 0 : json_integer_value(json_object_get(a, "account")),
		.rule = str_of(jx_get_text(a, "rule")),
		.who = str_of(d->is_signed ? d->signer.who : d->who->name),
		.until_ms = d->until_ms,
	};
	char why[600];

	snprintf(why, sizeof(why), "refused in plan %llu: %.500s",
		 (unsigned long long)d->number, d->why ? d->why : "");
	bar.reason = str_of(why);
	return persons_bar(db, &bar, stamp_now_ms(), NULL, err);
}

/* Whether an earlier refused action is of the same person (or account) and rule. */
static bool same_before(const json_t *actions, size_t at, const bool *refused)
{
	const json_t *a = json_array_get(actions, at);
	json_int_t person = json_integer_value(json_object_get(a, "person"));
	json_int_t account = json_integer_value(json_object_get(a, "account"));

	for (size_t i = 0; i < at; i++) {
		const json_t *b = json_array_get(actions, i);

		if (refused[i] && person == json_integer_value(json_object_get(b, "person")) &&
		    (person || account == json_integer_value(json_object_get(b, "account"))) &&
		    strcmp(jx_get_text(a, "rule"), jx_get_text(b, "rule")) == 0)
			return true;
	}
	return false;
}

/* What is refused in part does not start, and is not planned again until then. */
static int remember(struct decide *d, struct db *db, struct err *err)
{
	const json_t *actions = json_object_get(d->plan, "actions");
	size_t n = json_array_size(actions);
	CLEANUP(free_at) bool *refused = calloc(n + 1, sizeof(*refused));
	CLEANUP(free_at) struct plan_lapse *v = calloc(n + 1, sizeof(*v));
	char text[LATER_TEXT_BYTES], until[STAMP_TEXT_BYTES];
	struct str word, rest = buf_str(&d->actions);
	int64_t at;
	size_t count = 0;
	int r = 0;

	if (!refused || !v)
		return err_nomem(err);
	stamp_text(d->until_ms, until);
	snprintf(text, sizeof(text), "%s refused it until %s",
		 d->is_signed ? d->signer.who : d->who->name, until);
	while (rest.len) {
		str_cut(rest, ',', &word, &rest);
		if (!str_int64(word, &at) || at < 1 || (size_t)at > n || refused[at - 1])
			continue; /* v has room for each action once */
		refused[at - 1] = true;
		v[count++] = (struct plan_lapse){ at, str_of(text) };
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		if (refused[i] && !same_before(actions, i, refused))
			r = remember_one(d, db, json_array_get(actions, i), err);
	return r < 0 ? r
		     : plans_lapse(db, (int64_t)d->number, v, count,
				   d->is_signed ? d->signer.who : d->who->name, stamp_now_ms(),
				   NULL, err);
}

static int decide_write(void *ctx, struct db *db, struct err *err)
{
	struct decide *d = ctx;
	struct decision in = {
		.plan = (int64_t)d->number,
		.kind = d->kind,
		.who = str_of(d->who->name),
		.digest = d->digest,
		.actions = buf_str(&d->actions),
		.guards = buf_str(&d->guards),
		.why = str_of(d->why),
		.ms = stamp_now_ms(),
		.alone_ms = d->alone_ms,
	};
	int r = d->is_signed ? take(d, db, err) : 0;

	if (r < 0)
		return r;
	if (d->is_signed) {
		in.who = str_of(d->signer.who);
		in.person = true;
		in.statement = d->statement.text;
		in.key = str_n((const char *)d->signer.key, DIGEST_PUB_BYTES);
		in.entry = d->signer.entry;
	}
	r = plans_decide(db, &in, &d->ret, err);
	if (r == 0 && d->kind == DECISION_REJECT && !str_eq(in.actions, STR("*")))
		r = remember(d, db, err);
	return r == 0 ? notices_held_put(d->told, db, err) : r;
}

static int decide_out(const struct decide *d, json_t *out, struct err *err)
{
	const char *who = d->is_signed ? d->signer.who : d->who->name;
	int r = jx_set(out, "plan", json_integer((json_int_t)d->number), err);

	if (r == 0)
		r = jx_set(out, "decision", json_string(decision_words[d->kind]), err);
	if (r == 0)
		r = jx_set(out, "who", json_string(who), err);
	if (r == 0)
		r = jx_set(out, "signed", json_boolean(d->is_signed), err);
	if (r == 0)
		r = jx_set(out, "actions", json_integer((json_int_t)d->count), err);
	if (r == 0)
		r = jx_set(out, "held_actions", json_integer((json_int_t)d->held), err);
	if (r == 0 && d->guards.len)
		r = jx_set(out, "guards", json_string(d->guards.p), err);
	if (r == 0 && d->alone_ms)
		r = jx_set(out, "alone", json_integer(d->alone_ms), err);
	else if (r == 0 && d->two && d->kind != DECISION_REJECT)
		r = jx_set(out, "two", json_true(), err);
	if (r == 0 && d->until_ms)
		r = jx_set(out, "until", json_integer(d->until_ms), err);
	return r;
}

/* A statement is offered, or what is decided is written. */
static int decide_end(struct decide *d, json_t *out, struct err *err)
{
	const struct config_approvals *c = &app_acting(d->app)->approvals;
	const char *plan_rule;
	int r;

	if (json_is_true(json_object_get(d->in, "statement")))
		return offer(d, out, err);
	plan_rule = jx_get_text(json_array_get(json_object_get(d->plan, "actions"), 0), "rule");
	if (!d->is_signed && d->kind != DECISION_REJECT &&
	    c->is_signed == CONFIG_SIGNED_ALWAYS &&
	    (!plan_rule || strcmp(plan_rule, ORDER_BLOCK) != 0))
		return err_set(err, ERR_HELD,
			       "this instance wants every approval signed (approvals.signed): "
			       "add --sign KEYFILE, or --statement to sign elsewhere");
	r = alone(d, err);
	if (r == 0)
		r = writer_call(d->app->writer, decide_write, d, err);
	if (r == 0 && d->told)
		outbox_wake(d->app->outbox);
	return r < 0 ? r : decide_out(d, out, err);
}

/* --- the verbs ------------------------------------------------------------------------------
 */

static int approve_chosen(struct decide *d, struct err *err)
{
	const json_t *released = json_object_get(d->in, "guards");
	int r;

	if (json_array_size(released) && !d->why)
		return err_set(err, ERR_USAGE, "releasing a guard needs --reason");
	r = guards_text(d, released, true, err);
	if (r == 0)
		r = choose_actions(d, released, err);
	if (r < 0)
		return r;
	if (d->count == 0)
		return err_set(err, ERR_HELD,
			       "nothing to approve: of the chosen actions %zu are held and %zu "
			       "are over "
			       "or begun; `leaverd show %llu` says by which guards, and how",
			       d->held, d->over, (unsigned long long)d->number);
	return 0;
}

int decide_approve(struct app *app, const struct who *who, const json_t *in, json_t *out,
		   struct err *err)
{
	CLEANUP(decide_done) struct decide d;
	int r = decide_init(&d, app, who, in, DECISION_APPROVE, err);

	if (r == 0)
		r = d.is_signed ? take_over(&d, err) : approve_chosen(&d, err);
	return r < 0 ? r : decide_end(&d, out, err);
}

/* All of it, for good; or some of it, until a time. */
static int reject_chosen(struct decide *d, struct err *err)
{
	int r = 0;

	if (!in_part(d->in)) {
		if (d->until_ms)
			return err_set(err, ERR_USAGE,
				       "a whole plan is rejected for good: --until goes with "
				       "--action, --rule or --person");
		if (!d->why)
			return err_set(err, ERR_USAGE, "reject needs --reason TEXT");
		buf_add_text(&d->actions, "*");
		d->count = json_array_size(json_object_get(d->plan, "actions"));
		return buf_fault(&d->actions, err, "the list of chosen actions");
	}
	if (!d->why || d->until_ms <= stamp_now_ms())
		return err_set(err, ERR_USAGE,
			       "refusing a part of a plan needs --reason, and --until with a "
			       "time that is to come: it is remembered so long");
	r = choose_actions(d, NULL, err);
	if (r == 0 && d->count == 0)
		r = err_set(err, ERR_NOT_FOUND, "plan %llu has no such action",
			    (unsigned long long)d->number);
	return r;
}

static int verb_reject(struct app *app, const struct who *who, const json_t *in, json_t *out,
		       struct err *err)
{
	CLEANUP(decide_done) struct decide d;
	int r = decide_init(&d, app, who, in, DECISION_REJECT, err);

	if (r == 0)
		r = d.is_signed ? take_over(&d, err) : reject_chosen(&d, err);
	return r < 0 ? r : decide_end(&d, out, err);
}

static int release_chosen(struct decide *d, struct err *err)
{
	CLEANUP(json_decref_at) json_t *names = json_array();
	const char *guard = jx_get_text(d->in, "guard");
	int r = names ? 0 : err_nomem(err);

	if (r == 0 && (!guard || !d->why))
		r = err_set(err, ERR_USAGE, "release names a guard, and needs --reason TEXT");
	if (r == 0)
		r = jx_add(names, json_string(guard), err);
	if (r == 0)
		r = guards_text(d, names, false, err);
	if (r < 0)
		return r;
	buf_add_text(&d->actions, "*");
	d->count = json_array_size(json_object_get(d->plan, "actions"));
	return buf_fault(&d->actions, err, "the list of chosen actions");
}

static int verb_release(struct app *app, const struct who *who, const json_t *in, json_t *out,
			struct err *err)
{
	CLEANUP(decide_done) struct decide d;
	int r = decide_init(&d, app, who, in, DECISION_RELEASE, err);

	if (r == 0)
		r = d.is_signed ? take_over(&d, err) : release_chosen(&d, err);
	return r < 0 ? r : decide_end(&d, out, err);
}

const struct verb verbs_decide[] = {
	{ "approve", VERB_STORE, decide_approve },
	{ "reject", VERB_STORE, verb_reject },
	{ "release", VERB_STORE, verb_release },
	{ NULL, 0, NULL },
};
