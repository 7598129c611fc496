/*
 * The auditor's sample: every row of a list that somebody else made, answered with what we know
 * of it. No row is left out; the sum of the answers is the number of the rows.
 */
#include "bridge/report_table.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/stamp.h"
#include "base/zone.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "bridge/sealed.h"
#include "model/path.h"
#include "model/plan.h"
#include "store/accounts.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/records.h"
#include "store/store.h"

#define PLANS_LOOKED 1000

enum answer {
	ANSWER_REMOVED,
	ANSWER_REMOVED_BY_OTHERS,
	ANSWER_PENDING,
	ANSWER_HELD,
	ANSWER_ACTIVE,
	ANSWER_NOT_COVERED,
	ANSWER_NEVER,
	ANSWER_UNMATCHED,
	ANSWER_AMBIGUOUS,
	ANSWER_UNKNOWN, /* as of a past date: what was read since does not tell */
	ANSWER_COUNT
};

static const char *const answer_words[ANSWER_COUNT] = {
	"removed",     "removed by others",    "pending",   "held",      "still active",
	"not covered", "never had an account", "unmatched", "ambiguous", "not known",
};

/* One row of the sample. */
struct sample {
	struct report_run *run;
	struct db *db;
	int64_t row;
	const char *asked;
	char effective[STAMP_TEXT_BYTES];
	int64_t effective_ms; /* the end of that day; 0: not known */
	int64_t as_of_ms;     /* now, or the date that was asked for */
	int64_t person;
	size_t answered; /* accounts of the person */
	int64_t counts[ANSWER_COUNT];
	const struct zone *zone;
	const struct account_link *link; /* the one that is looked at, for rule_note() */
	bool adopted;
};

/* What plans did, or will do, about one account. */
struct deeds {
	int64_t account, done_plan, done_ms, first_plan;
	const struct report_run *run;
	struct db *db;
	int64_t as_of_ms; /* what was planned or done later is not counted */
	int64_t later_ms; /* but when it was done: it was not yet done then */
	bool pending, held;
	char text[200];
};

static int created_note(void *ctx, const struct plan_row *plan, struct err *err)
{
	int64_t *ms = ctx;

	(void)err;
	*ms = plan->created_ms;
	return 0;
}

/* 0 when the plan was there by then; above zero: it was not. */
static int was_there(struct deeds *d, int64_t plan, struct err *err)
{
	int64_t created_ms = 0;
	int r = d->as_of_ms < d->run->now_ms
			? plans_get(d->db, plan, created_note, &created_ms, err)
			: 0;

	return r < 0 ? r : created_ms > d->as_of_ms;
}

static int deed_note(void *ctx, int64_t plan, const struct action_row *a, struct err *err)
{
	struct deeds *d = ctx;
	bool since = a->state_ms > d->as_of_ms; /* it has come to its state only later */
	int r;

	if (a->account != d->account ||
	    (!str_eq(a->kind, STR("suspend")) && !str_eq(a->kind, STR("deactivate"))) ||
	    (!d->run->may_see_ends && sealed_action(a, d->run->now_ms)))
		return 0;
	r = was_there(d, plan, err);
	if (r != 0)
		return r < 0 ? r : 0;
	d->first_plan = plan; /* newest first: the last one is the oldest */
	if (since) {
		d->pending = true;
		if (a->state == ACTION_DONE && (!d->later_ms || a->state_ms < d->later_ms))
			d->later_ms = a->state_ms;
		return 0;
	}
	if (a->state == ACTION_DONE && (!d->done_ms || a->state_ms < d->done_ms)) {
		d->done_ms = a->state_ms;
		d->done_plan = plan;
	}
	if (a->state == ACTION_PLANNED || a->state == ACTION_STARTED) {
		d->pending = true;
		d->held |= a->held;
	}
	if (a->state == ACTION_HELD || a->state == ACTION_FAILED) {
		d->held = true;
		snprintf(d->text, sizeof(d->text), STR_FMT, STR_ARG(a->result));
	}
	return 0;
}

static json_t *hours(int64_t from_ms, int64_t until_ms)
{
	return from_ms && until_ms ? json_integer((until_ms - from_ms) / STAMP_HOUR_MS)
				   : json_null();
}

static bool is_out(enum account_status status)
{
	return status == ACCOUNT_SUSPENDED || status == ACCOUNT_DEACTIVATED ||
	       status == ACCOUNT_DELETING;
}

/* As of a date before the account came to its present state: by what we did, else by what it
 * was first seen to be afterwards. */
static enum answer judge_past(const struct account_row *a, const struct deeds *d, bool adopted)
{
	if (d->done_ms) /* we removed it, and somebody gave it back since */
		return ANSWER_REMOVED;
	if (!is_out(a->status)) /* it was something else, and what is not told */
		return ANSWER_UNKNOWN;
	if (!a->person || !adopted)
		return ANSWER_NOT_COVERED;
	if (d->held)
		return ANSWER_HELD;
	return d->pending ? ANSWER_PENDING : ANSWER_ACTIVE;
}

static enum answer judge(const struct account_row *a, const struct deeds *d, bool adopted)
{
	if (a->first_ms > d->as_of_ms)
		return ANSWER_UNKNOWN;
	if (a->status_since_ms > d->as_of_ms)
		return judge_past(a, d, adopted);
	if (is_out(a->status))
		return d->done_ms ? ANSWER_REMOVED : ANSWER_REMOVED_BY_OTHERS;
	if (!a->person || !adopted)
		return ANSWER_NOT_COVERED;
	if (d->held)
		return ANSWER_HELD;
	return d->pending ? ANSWER_PENDING : ANSWER_ACTIVE;
}

static const char *detail_of(enum answer answer, const struct account_row *a,
			     const struct deeds *d)
{
	if (d->text[0])
		return d->text;
	if (answer == ANSWER_UNKNOWN)
		return a->first_ms > d->as_of_ms ? "the account was first read after that date"
						 : "its state has changed since, and what it "
						   "was before is not kept";
	if (a->status_since_ms > d->as_of_ms && answer != ANSWER_REMOVED && !d->later_ms)
		return "it was first seen as it is now after that date; when it changed, the "
		       "readings tell to within one of them";
	if (answer == ANSWER_NOT_COVERED)
		return a->person ? "the account was not adopted: leaverd does not act on it"
				 : "an account with that address that no person explains";
	if (answer == ANSWER_REMOVED_BY_OTHERS)
		return "no plan of ours did it; removedAt is when it was first seen so";
	return "";
}

static int answer_row(struct sample *s, enum answer answer, const char *org,
		      const struct account_row *a, const struct deeds *d, int64_t known_ms,
		      const char *detail, struct err *err)
{
	int64_t removed_ms = 0;

	if (answer == ANSWER_REMOVED)
		removed_ms = d->done_ms;
	if (answer == ANSWER_REMOVED_BY_OTHERS)
		removed_ms = a->status_since_ms;
	s->counts[answer]++;
	return report_row(
		s->run,
		json_pack("[I,s,s,o,s,s,s%,s,o,o,o,o,o,s]", (json_int_t)s->row, s->asked,
			  s->effective, report_ms(s->person), answer_words[answer], org,
			  a ? (a->email.p ? a->email.p : "") : "", a ? a->email.len : (size_t)0,
			  a && a->status_since_ms <= s->as_of_ms
				  ? account_status_word(a->status)
				  : "",
			  report_ms(known_ms), report_ms(removed_ms),
			  hours(s->effective_ms, removed_ms), hours(known_ms, removed_ms),
			  d ? report_ms(d->done_plan) : json_null(), detail),
		err);
}

struct of_account {
	struct sample *s;
	bool adopted;
};

static const char *org_name(struct sample *s, int64_t org)
{
	const struct config *config = &s->run->app->config;

	for (size_t i = 0; i < config->organisations.n; i++) {
		CLEANUP(org_row_done) struct org_row row = { 0 };

		if (accounts_org_get(s->db, config_org_at(config, i)->name, &row, NULL) == 0 &&
		    row.id == org)
			return config_org_at(config, i)->name;
	}
	return "";
}

static int account_answer(void *ctx, const struct account_row *a, struct err *err)
{
	struct of_account *of = ctx;
	struct sample *s = of->s;
	struct deeds d = {
		.account = a->id, .run = s->run, .db = s->db, .as_of_ms = s->as_of_ms
	};
	const char *org = org_name(s, a->org);
	enum answer answer;
	int64_t known_ms = 0;
	int r;

	if (!report_wants(s->run, org))
		return 0;
	s->answered++;
	r = plans_of_account(s->db, a->id, PLANS_LOOKED, deed_note, &d, err);
	if (r >= 0 && d.first_plan)
		r = plans_get(s->db, d.first_plan, created_note, &known_ms, err);
	if (r < 0)
		return r;
	answer = judge(a, &d, of->adopted);
	return answer_row(s, answer, org, a, &d, known_ms, detail_of(answer, a, &d), err);
}

/* What an approved match rule links counts as adopted. */
static int rule_note(void *ctx, struct str org, struct str rule, struct str who, int64_t ms,
		     struct err *err)
{
	struct sample *s = ctx;

	(void)org;
	(void)who;
	(void)err;
	s->adopted |= str_eq(rule, s->link->rule) && ms <= s->as_of_ms;
	return 0;
}

static int link_answer(void *ctx, const struct account_link *link, struct err *err)
{
	struct sample *s = ctx;
	struct of_account of = { .s = s };
	int r;

	if (link->since_ms > s->as_of_ms) /* nobody knew whose it was */
		return 0;
	s->link = link;
	s->adopted = link->adopted && link->adopted_ms <= s->as_of_ms;
	r = persons_rules_approved(s->db, rule_note, s, err);
	of.adopted = s->adopted;
	if (r == 0)
		r = accounts_get(s->db, link->account, account_answer, &of, err);

	return r < 0 ? r : 0;
}

/* The last day that a source says, where the list says none. */
static int employment_note(void *ctx, const struct record *row, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct sample *s = ctx;
	const json_t *employment;
	const char *day;
	int r;

	if (row->deleted || s->effective[0])
		return 0;
	r = jx_parse(row->doc, JX_LENIENT, &doc, err);
	if (r < 0)
		return r;
	employment = json_object_get(doc, SCHEMA_EMPLOYMENT);
	day = jx_get_text(employment, "lastWorkingDay");
	if (!day)
		day = jx_get_text(employment, "terminationDate");
	if (day && (s->run->may_see_ends || !sealed_ends(employment, s->run->now_ms)))
		snprintf(s->effective, sizeof(s->effective), "%.10s", day);
	return 0;
}

static int nobody(struct sample *s, struct err *err)
{
	CLEANUP(free_at) char *folded = NULL;
	struct of_account of = { .s = s };
	size_t len;
	int r = str_fold(str_of(s->asked), &folded, &len, err);

	for (size_t i = 0; r == 0 && i < s->run->app->config.organisations.n; i++) {
		CLEANUP(org_row_done) struct org_row row = { 0 };

		r = accounts_org_get(s->db, config_org_at(&s->run->app->config, i)->name, &row,
				     err);
		if (r == 0 && len)
			r = accounts_by_email(s->db, row.id, str_n(folded, len), account_answer,
					      &of, err);
	}
	if (r < 0 || s->answered)
		return r < 0 ? r : 0;
	return answer_row(s, ANSWER_UNMATCHED, "", NULL, NULL, 0,
			  "no source and no account knows it", err);
}

static int one_person(struct sample *s, struct err *err)
{
	int64_t day_ms;
	int r = 0;

	if (!s->effective[0])
		r = records_of_person(s->db, s->person, employment_note, s, err);
	if (s->effective[0] && stamp_parse_date(str_of(s->effective), &day_ms))
		s->effective_ms = zone_day_end_ms(s->zone, day_ms);
	if (r == 0)
		r = persons_accounts(s->db, s->person, link_answer, s, err);
	if (r < 0 || s->answered)
		return r < 0 ? r : 0;
	return answer_row(s, ANSWER_NEVER, "", NULL, NULL, 0,
			  s->as_of_ms < s->run->now_ms
				  ? "a source knows the person; no account was linked by then"
			  : jx_get_text(s->run->in, "org")
				  ? "a source knows the person; no account of this "
				    "organisation was ever linked"
				  : "a source knows the person; no account was ever linked",
			  err);
}

static int one_row(struct sample *s, const json_t *asked, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	const char *effective = jx_get_text(asked, "effective");
	int64_t found[2], day_ms;
	size_t count = 0;
	int r = store_read_begin(s->run->app->store, &db, err);

	if (r < 0)
		return r;
	s->db = db;
	s->row++;
	s->asked = jx_get_text(asked, "key");
	s->answered = 0;
	s->person = s->effective_ms = 0;
	snprintf(s->effective, sizeof(s->effective), "%.10s", effective ? effective : "");
	if (s->effective[0] && stamp_parse_date(str_of(s->effective), &day_ms))
		s->effective_ms = zone_day_end_ms(s->zone, day_ms);
	if (!s->asked)
		return err_set(err, ERR_USAGE, "row %" PRId64 " of the sample names nobody",
			       s->row);
	r = persons_find(db, str_of(s->asked), found, COUNT_OF(found), &count, err);
	if (r < 0)
		return r;
	if (count > 1)
		return answer_row(s, ANSWER_AMBIGUOUS, "", NULL, NULL, 0,
				  "more than one person is known by that", err);
	if (!count)
		return nobody(s, err);
	s->person = found[0];
	return one_person(s, err);
}

/* What cannot be known of a past date is said. */
static int as_of_read(struct sample *s, struct err *err)
{
	const json_t *asked = json_object_get(s->run->in, "as_of_ms");
	int64_t journal_ms = s->run->app->config.retention.journal_ms;
	char text[STAMP_TEXT_BYTES];
	int r;

	if (!json_is_integer(asked))
		return 0;
	if (json_integer_value(asked) > s->run->now_ms)
		return err_set(err, ERR_USAGE,
			       "--as-of lies ahead: nothing is known of it yet");
	s->as_of_ms = json_integer_value(asked);
	stamp_text(s->as_of_ms, text);
	r = report_note(
		s->run, err,
		"As of %s: plans, steps, links and adoptions of later are left out. An "
		"account's state is known as of its last change; of an earlier one only "
		"what our own steps tell. Who is known by which address, and the last "
		"day that a source says, are those of today.",
		text);
	if (r == 0 && journal_ms && s->as_of_ms < s->run->now_ms - journal_ms)
		r = report_note(
			s->run, err,
			"Journals of that time are not kept any more (retention.journal); "
			"what was planned and done is.");
	return r;
}

int report_auditor(struct report_run *run, struct err *err)
{
	struct sample s = { .run = run, .as_of_ms = run->now_ms };
	const json_t *list = json_object_get(run->in, "sample"), *asked;
	int64_t answered = 0;
	size_t at;
	int r = zone_get(str_of(run->app->config.instance.zone), &s.zone, err);

	if (r == 0 && !json_is_array(list))
		return err_set(
			err, ERR_USAGE,
			"the auditor's report answers a list: --sample FILE, one address, "
			"user name or employee number a line");
	if (r == 0)
		r = as_of_read(&s, err);
	json_array_foreach ((json_t *)(uintptr_t)list, at, asked) {
		if (verb_cancelled(run->app))
			return err_set(err, ERR_CANCELLED, "the report was interrupted");
		if (r == 0)
			r = one_row(&s, asked, err);
	}
	for (size_t i = 0; r == 0 && i < ANSWER_COUNT; i++) {
		answered += s.counts[i];
		if (s.counts[i])
			r = report_note(run, err, "%s: %" PRId64, answer_words[i], s.counts[i]);
	}
	if (r == 0)
		r = report_note(run, err,
				"Asked: %zu rows. Answers: %" PRId64
				" (one for each account; every row has at least one).",
				json_array_size(list), answered);
	return r < 0 ? r
		     : report_note(
			       run, err,
			       "Effective: the end of the day that the list says, else the "
			       "source, in %s. Known: when our first plan named the account.",
			       run->app->config.instance.zone);
}
