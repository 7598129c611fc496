#include "reconcile/why.h"

#include <stdio.h>
#include <strings.h>

#include "model/schema.h"
#include "reconcile/diff.h"
#include "reconcile/provision.h"
#include "reconcile/handover.h"

/* What a story is made from. */
struct telling {
	const struct world *w;
	struct round *round; /* all candidates, judged */
	struct why *why;
	uint32_t person;  /* of the world, or FACTS_NONE */
	uint32_t account; /* the only one, where there is no person */
};

/* --- rows ----------------------------------------------------------------------------------
 */

static int row_add(struct telling *t, enum why_section section, unsigned depth,
		   const char *label, const char *state, struct err *err, const char *format,
		   ...) PRINTF(7, 8);

static int row_add(struct telling *t, enum why_section section, unsigned depth,
		   const char *label, const char *state, struct err *err, const char *format,
		   ...)
{
	struct why_row row = { .section = section, .depth = depth };
	va_list args;
	int r;

	r = arena_text(&t->why->arena, str_of(label), &row.label, err);
	if (r == 0)
		r = arena_text(&t->why->arena, str_of(state), &row.state, err);
	if (r < 0)
		return r;
	va_start(args, format);
	r = arena_vtextf(&t->why->arena, &row.text, err, format, args);
	va_end(args);
	if (r == 0 && vec_why_row_add(&t->why->rows, row) < 0)
		r = err_nomem(err);
	return r;
}

/* A time for people: its date and minute in UTC, or what is known instead. */
static const char *when(int64_t ms, char into[STAMP_TEXT_BYTES])
{
	if (ms == FACT_UNKNOWN)
		return "an unknown time";
	if (ms == FACT_ABSENT)
		return "never";
	stamp_text(ms, into);
	return into;
}

static struct str pooled(const struct telling *t, uint32_t id)
{
	return pool_str(&t->w->f->pool, id);
}

/* --- who -----------------------------------------------------------------------------------
 */

/* What one record says of an attribute, for people; false: nothing. */
static bool value_text(const struct telling *t, uint32_t record, uint32_t column, char *into,
		       size_t room)
{
	const struct facts_column *c = &t->w->f->columns.v[column];
	struct str text = { 0 };
	int64_t number = 0;

	if (c->type == COLUMN_TEXT) {
		if (facts_text(t->w->f, record, column, &text) != VALUE_PRESENT)
			return false;
		(void)snprintf(into, room, STR_FMT, STR_ARG(text));
		return true;
	}
	if (facts_number(t->w->f, record, column, &number) != VALUE_PRESENT)
		return false;
	if (c->type == COLUMN_DATE || c->type == COLUMN_TIME)
		stamp_date_text(number, into);
	else if (c->type == COLUMN_BOOL)
		(void)snprintf(into, room, "%s", number ? "true" : "false");
	else
		(void)snprintf(into, room, "%lld", (long long)number);
	return true;
}

/* What the records below the one that counts say of it, in the order of trust. */
static int tell_others(struct telling *t, uint32_t column, const char *label, uint32_t counts,
		       struct err *err)
{
	const struct world *w = t->w;
	const struct facts *f = w->f;
	char says[256], first[256];
	int r = 0;

	if (!value_text(t, counts, column, first, sizeof(first)))
		first[0] = '\0';
	for (uint32_t i = w->record_at[t->person]; r == 0 && i < w->record_at[t->person + 1];
	     i++) {
		uint32_t row = w->record_rows[i], cell;
		const struct row_source *s = &f->sources.v[f->records.v[row].source];
		enum value_state state = facts_cell(f, row, column, &cell);

		if (row == counts || state == VALUE_ABSENT)
			continue;
		if (state == VALUE_UNKNOWN || !value_text(t, row, column, says, sizeof(says)))
			r = row_add(t, WHY_WHO, 1, label, "unknown", err,
				    STR_FMT " could not tell", STR_ARG(pooled(t, s->name)));
		else
			r = row_add(t, WHY_WHO, 1, label,
				    !s->in.ready               ? "not counted"
				    : strcmp(says, first) == 0 ? "agrees"
							       : "outvoted",
				    err, "%s (says " STR_FMT "%s)", says,
				    STR_ARG(pooled(t, s->name)),
				    s->in.ready ? ", trusted less" : ", which is not ready");
	}
	return r;
}

/* What the round's instant makes of an attribute: whose word counts. */
static int tell_column(struct telling *t, uint32_t column, const char *label, struct err *err)
{
	const struct facts_column *c = &t->w->f->columns.v[column];
	char says[256];
	uint32_t cell, record;
	enum value_state state = view_cell(t->w, t->person, column, &cell, &record);
	struct str source;
	int r;

	if (state == VALUE_ABSENT || c->multi)
		return 0;
	source = pooled(t, t->w->f->sources.v[t->w->f->records.v[record].source].name);
	if (state == VALUE_UNKNOWN)
		r = row_add(t, WHY_WHO, 0, label, "unknown", err,
			    STR_FMT " could not tell, and it is the most trusted that has it",
			    STR_ARG(source));
	else if (value_text(t, record, column, says, sizeof(says)))
		r = row_add(t, WHY_WHO, 0, label, "known", err, "%s (says " STR_FMT ")", says,
			    STR_ARG(source));
	else
		return 0;
	return r < 0 ? r : tell_others(t, column, label, record, err);
}

/* As policies spell it: the URNs of the two extensions have short names. */
static void column_label(const char *text, char *into, size_t room)
{
	static const struct {
		const char *urn, *word;
	} names[] = { { SCHEMA_EMPLOYMENT, "employment" },
		      { SCHEMA_ENTERPRISE, "enterprise" } };

	(void)snprintf(into, room, "%s", text);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		size_t len = strlen(names[i].urn);

		if (strncasecmp(text, names[i].urn, len) == 0 && text[len] == ':')
			(void)snprintf(into, room, "%s.%s", names[i].word, text + len + 1);
	}
}

/* Whatever else the policy asks of people. What else is known of an employment may tell of an
 * end that lies ahead, or of a leave's kind: of it only who answers for somebody. */
static int tell_asked(struct telling *t, struct err *err)
{
	const struct policy *p = t->w->p;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < p->columns.n; i++) {
		char label[160];
		bool fixed = false;

		for (size_t k = 0; k < COL_COUNT && !fixed; k++)
			fixed = p->fixed[k] == i;
		column_label(p->columns.v[i].text, label, sizeof(label));
		fixed = fixed || (strncmp(label, "employment.", 11) == 0 &&
				  strcmp(label, "employment.sponsor") != 0);
		if (!fixed)
			r = tell_column(t, i, label, err);
	}
	return r;
}

static int tell_who(struct telling *t, struct err *err)
{
	static const struct {
		enum policy_column column;
		const char *label;
	} shown[] = {
		{ COL_USER_NAME, "userName" },
		{ COL_EMPLOYEE_NUMBER, "employeeNumber" },
		{ COL_PERSON_ID, "employment.personId" },
		{ COL_START_DATE, "employment.startDate" },
		{ COL_LAST_WORKING_DAY, "employment.lastWorkingDay" },
		{ COL_TERMINATION_DATE, "employment.terminationDate" },
		{ COL_IMMEDIATE, "employment.immediate" },
		{ COL_TIME_ZONE, "employment.timeZone" },
		{ COL_LEAVE_FROM, "employment.leave.from" },
		{ COL_LEAVE_UNTIL, "employment.leave.until" },
		{ COL_LEGAL_HOLD, "employment.legalHold" },
	};
	char at[STAMP_TEXT_BYTES];
	struct leave_date leave;
	struct str name;
	int r;

	if (t->person == FACTS_NONE)
		return row_add(t, WHY_WHO, 0, "person", "nobody", err,
			       "no person is known for this account");
	name = view_name(t->w, t->person);
	r = row_add(t, WHY_WHO, 0, "person", "known", err, "%llu: " STR_FMT,
		    (unsigned long long)t->w->numbers[t->person],
		    STR_ARG(name.len ? name : STR("(no name is known)")));
	for (size_t i = 0; r == 0 && i < COUNT_OF(shown); i++)
		r = tell_column(t, t->w->p->fixed[shown[i].column], shown[i].label, err);
	if (r == 0)
		r = tell_asked(t, err);
	leave = view_leave_date(t->w, t->person);
	if (r == 0 && leave.at.state == VALUE_PRESENT)
		r = row_add(t, WHY_WHO, 0, "leaveDate", "known", err,
			    "the last engagement ends at %s%s", when(leave.at.ms, at),
			    leave.zone_doubt ? " (no readable time zone: when the day is over "
					       "everywhere)"
					     : "");
	else if (r == 0 && leave.at.state == VALUE_UNKNOWN)
		r = row_add(t, WHY_WHO, 0, "leaveDate", "unknown", err,
			    "when the last engagement ends cannot be told");
	return r;
}

/* --- records and accounts ------------------------------------------------------------------
 */

static const char *record_word(uint8_t state)
{
	static const char *const words[] = {
		[RECORD_UNKNOWN] = "unknown",   [RECORD_ACTIVE] = "active",
		[RECORD_DISABLED] = "disabled", [RECORD_GONE] = "gone",
		[RECORD_ENDED] = "ended",
	};

	return state < COUNT_OF(words) ? words[state] : "unknown";
}

static int tell_record(struct telling *t, uint32_t row, struct err *err)
{
	const struct facts *f = t->w->f;
	const struct row_record *record = &f->records.v[row];
	const struct row_source *source = &f->sources.v[record->source];
	struct str name = pooled(t, source->name);
	char label[96], at[STAMP_TEXT_BYTES];
	const char *counts = !source->in.ready ? "; the source is not ready and does not count"
			     : source->in.doubts    ? "; its newest read is doubted"
			     : !source->in.accepted ? "; its newest read was not accepted"
						    : "";
	int r;

	snprintf(label, sizeof(label), STR_FMT, STR_ARG(name));
	r = row_add(t, WHY_RECORDS, 0, label, record_word(record->state), err,
		    "record " STR_FMT ", so since %s%s%s", STR_ARG(pooled(t, record->key)),
		    when(record->since_ms, at), counts,
		    record->doubtful ? "; whose it is, is in doubt" : "");
	if (r == 0 && record->absent_reads)
		r = row_add(
			t, WHY_RECORDS, 1, "not seen", "unknown", err,
			"missing from %u accepted reads in a row; missing is not gone until "
			"it was so often and long enough, and a look-up by id agrees",
			record->absent_reads);
	if (r == 0 && source->doubt_text && source->in.doubts)
		r = row_add(t, WHY_RECORDS, 1, "doubt", "unknown", err, STR_FMT,
			    STR_ARG(pooled(t, source->doubt_text)));
	return r;
}

static int tell_records(struct telling *t, struct err *err)
{
	const struct world *w = t->w;
	int r = 0;

	if (t->person == FACTS_NONE)
		return row_add(t, WHY_RECORDS, 0, "no source", "absent", err,
			       "no source's record is linked to this account");
	for (uint32_t i = w->record_at[t->person]; r == 0 && i < w->record_at[t->person + 1];
	     i++)
		r = tell_record(t, w->record_rows[i], err);
	return r;
}

static int tell_account(struct telling *t, uint32_t row, struct err *err)
{
	const struct row_account *a = &t->w->f->accounts.v[row];
	enum account_class class =
		account_class_of(a->type, a->managed, a->synced, a->can_disable);
	bool adopted = t->w->account_flags[row] & MATCH_ADOPTED;
	struct str by = pooled(t, a->linked_by);
	char at[STAMP_TEXT_BYTES];
	int r;

	r = row_add(t, WHY_ACCOUNTS, 0, "account", account_status_word(a->status), err,
		    STR_FMT " (" STR_FMT "), %s, so since %s", STR_ARG(pooled(t, a->email)),
		    STR_ARG(pooled(t, a->id)), account_class_word(class),
		    when(a->status_since_ms, at));
	if (r == 0 && t->person != FACTS_NONE)
		r = row_add(t, WHY_ACCOUNTS, 1, "link", adopted ? "adopted" : "linked", err,
			    "theirs by %s" STR_FMT "%s",
			    by.len ? "rule " : "this round's matching", STR_ARG(by),
			    adopted ? "" : "; nobody has approved that rule: nothing is done");
	if (r == 0 && a->admin == TRI_YES)
		r = row_add(t, WHY_ACCOUNTS, 1, "administrator", "yes", err,
			    "%s: acting on it takes two persons",
			    a->org_admin == TRI_YES ? "of the organisation"
						    : "has a platform role");
	if (r == 0 && (t->w->account_flags[row] & MATCH_DOUBT))
		r = row_add(t, WHY_ACCOUNTS, 1, "doubt", "ambiguous", err,
			    "whose it is, is in doubt: leaverd match list");
	return r;
}

/* --- seats ---------------------------------------------------------------------------------
 */

static int tell_path(struct telling *t, const struct seat_path *path, struct err *err)
{
	const struct facts *f = t->w->f;
	const char *state = path->unknown ? "unknown" : path->removable ? "removable" : "stays";
	struct str name = path->by_group ? pooled(t, f->groups.v[path->row].name)
					 : pooled(t, f->roles.v[path->row].role);

	return row_add(t, WHY_SEATS, 1, path->by_group ? "group" : "role", state, err,
		       STR_FMT "%s%s", STR_ARG(name), path->why ? ": " : "",
		       path->why ? path->why : "");
}

/* One thing that says when a seat was last used, how late it may be and how sure it is. */
static int tell_signal(struct telling *t, const char *label, int64_t ms, struct moment newest,
		       const char *sure, struct err *err)
{
	char at[STAMP_TEXT_BYTES];
	const char *state = ms == FACT_UNKNOWN                                 ? "unknown"
			    : ms == FACT_ABSENT                                ? "never"
			    : newest.state == VALUE_PRESENT && ms == newest.ms ? "newest"
									       : "older";

	return row_add(t, WHY_SEATS, 1, label, state, err, "%s%s%s", when(ms, at),
		       ms > 0 ? ": " : "; ", sure);
}

/* The signals behind "last used": one that is not known makes all of it unknown. */
static int tell_signals(struct telling *t, uint32_t seat, struct moment newest, struct err *err)
{
	const struct row_seat *s = &t->w->f->seats.v[seat];
	struct path login = { .slot = SLOT_ACCOUNT_LAST_LOGIN, .owner = PATH_ACCOUNT };
	struct subject of = { SUBJECT_SEAT, t->person, s->account, seat };
	struct moment m;
	int r;

	r = tell_signal(t, "use of the product", s->last_active_ms, newest,
			"the product's own date, up to a day late; sure", err);
	if (r == 0)
		r = tell_signal(
			t, "API tokens", t->w->f->accounts.v[s->account].token_active_ms,
			newest,
			"of any product, up to a day late; sure that it is at work, not "
			"where",
			err);
	if (r < 0 || !t->w->p->last_login)
		return r;
	m = view_moment(t->w, &login, &of);
	return tell_signal(t, "directory login",
			   m.state == VALUE_PRESENT   ? m.ms
			   : m.state == VALUE_UNKNOWN ? FACT_UNKNOWN
						      : FACT_ABSENT,
			   newest,
			   "the latest day it can have been, its lag added; a hint: it may "
			   "keep a seat and "
			   "takes none",
			   err);
}

static int tell_seat(struct telling *t, uint32_t seat, struct err *err)
{
	const struct facts *f = t->w->f;
	const struct row_seat *s = &f->seats.v[seat];
	const struct row_product *p = &f->products.v[s->product];
	struct moment active = view_last_active(t->w, seat),
		      added = view_seat_added(t->w, seat);
	struct vec_seat_path paths = { 0 };
	char label[160], last[STAMP_TEXT_BYTES], since[STAMP_TEXT_BYTES];
	int r;

	snprintf(label, sizeof(label), STR_FMT " at " STR_FMT, STR_ARG(pooled(t, p->key)),
		 STR_ARG(pooled(t, p->site)));
	r = row_add(t, WHY_SEATS, 0, label, "holds", err, "last used %s, held since %s",
		    active.state == VALUE_UNKNOWN  ? "at an unknown time"
		    : active.state == VALUE_ABSENT ? "never"
						   : when(active.ms, last),
		    added.state == VALUE_PRESENT ? when(added.ms, since) : "an unknown time");
	if (r == 0)
		r = tell_signals(t, seat, active, err);
	if (r == 0)
		r = diff_paths(f, s->account, s->product, &paths, err);
	for (size_t i = 0; r == 0 && i < paths.n; i++)
		r = tell_path(t, &paths.v[i], err);
	vec_seat_path_done(&paths);
	return r;
}

/* Calls fn for each account of the story. */
static int each_account(struct telling *t,
			int (*fn)(struct telling *t, uint32_t account, struct err *err),
			struct err *err)
{
	int r = 0;

	if (t->person == FACTS_NONE)
		return fn(t, t->account, err);
	for (uint32_t i = t->w->account_at[t->person];
	     r == 0 && i < t->w->account_at[t->person + 1]; i++)
		r = fn(t, t->w->account_rows[i], err);
	return r;
}

static int tell_seats(struct telling *t, uint32_t account, struct err *err)
{
	const struct facts *f = t->w->f;
	int r = 0;

	for (uint32_t i = f->seat_at[account]; r == 0 && i < f->seat_at[account + 1]; i++)
		r = tell_seat(t, i, err);
	return r;
}

/* --- what they own -------------------------------------------------------------------------
 */

/* Objects of one kind on one site, and how many of them one receiver would get. */
struct owned_run {
	const struct row_owned *first;
	size_t total;
	size_t to[RUNG_COUNT + 1];
	uint32_t receiver[RUNG_COUNT + 1]; /* of the first on that rung */
};

static int tell_run(struct telling *t, const struct owned_run *run, struct err *err)
{
	const struct facts *f = t->w->f;
	const struct owned_kind_row *kind = &owned_kinds[run->first->kind];
	struct str host = pooled(t, run->first->site);
	char label[128];
	int r;

	snprintf(label, sizeof(label), STR_FMT, STR_ARG(host));
	r = row_add(t, WHY_OWNS, 0, label, kind->word, err, "%zu %s%s%s", run->total,
		    run->total == 1 ? kind->one : kind->many,
		    kind->given || !kind->task ? "" : ": ",
		    kind->given || !kind->task ? "" : kind->task);
	for (int i = 0; r == 0 && kind->given && i <= RUNG_COUNT; i++) {
		const struct row_account *a =
			i < RUNG_COUNT && run->to[i] ? &f->accounts.v[run->receiver[i]] : NULL;

		if (!run->to[i])
			continue;
		r = row_add(t, WHY_OWNS, 1, handover_rung_word((enum handover_rung)i),
			    a ? "receives" : "missing", err, "%zu%s" STR_FMT, run->to[i],
			    a ? ", by account " : ": name somebody with `leaverd handover`",
			    STR_ARG(a ? pooled(t, a->email >= FRAME_FIRST ? a->email : a->id)
				      : STR("")));
	}
	return r;
}

static int tell_owned(struct telling *t, uint32_t account, struct err *err)
{
	const struct facts *f = t->w->f;
	const struct row_inventory *v = facts_inventory_of(f, account);
	const struct row_owned *owned;
	struct owned_run run = { .first = NULL };
	char at[STAMP_TEXT_BYTES];
	size_t n;
	int r = 0;

	if (!f->sites.n || !v)
		return 0;
	stamp_text(v->read_ms, at);
	r = row_add(t, WHY_OWNS, 0, "inventory", v->whole ? "whole" : "in part", err, "read %s",
		    at);
	owned = facts_owned_of(f, account, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		enum handover_rung rung;
		uint32_t to;

		if (!run.first || run.first->site != owned[i].site ||
		    run.first->kind != owned[i].kind) {
			if (run.first)
				r = tell_run(t, &run, err);
			run = (struct owned_run){ .first = &owned[i] };
		}
		to = handover_receiver(t->round, account, &owned[i], &rung);
		if (!run.to[rung]++)
			run.receiver[rung] = to;
		run.total++;
	}
	return r == 0 && run.first ? tell_run(t, &run, err) : r;
}

/* --- rules ---------------------------------------------------------------------------------
 */

static int tell_seen(void *ctx, const struct seen *seen, struct err *err)
{
	struct telling *t = ctx;
	struct str source = seen->source == FACTS_NONE
				    ? t->w->f->round.org
				    : pooled(t, t->w->f->sources.v[seen->source].name);

	return row_add(t, WHY_RULES, 1, seen->path, seen->state, err, "%s%s" STR_FMT,
		       seen->value, seen->value[0] ? ", says " : "asked of ", STR_ARG(source));
}

static int tell_ladder(struct telling *t, const struct rule *rule, const struct subject *s,
		       const char *label, struct err *err)
{
	struct moment anchor = stage_anchor(t->w, rule, s);
	struct stage stages[POLICY_MAX_STEPS];
	char at[STAMP_TEXT_BYTES];
	int r = 0;

	if (anchor.state != VALUE_PRESENT)
		return row_add(t, WHY_DUE, 0, label, "unknown", err,
			       "%s holds, but from when it counts cannot be told", rule->name);
	stage_ladder(t->w, rule, s, anchor.ms, stages);
	for (size_t i = 0; r == 0 && i < rule->step_count; i++) {
		const char *word = rule_step_word(&rule->steps[i]);

		if (stages[i].state == STAGE_OFF)
			continue;
		if (stages[i].state == STAGE_DONE)
			r = row_add(t, WHY_DUE, 0, label, "done", err, "%s: is so already",
				    word);
		else if (stages[i].state == STAGE_DUE)
			r = row_add(t, WHY_DUE, 0, label, "due", err, "%s at %s, by rule %s",
				    word,
				    when(stage_opens(t->w, rule->steps[i].kind, rule->class,
						     stages[i].at_ms),
					 at),
				    rule->name);
		else if (stages[i].state == STAGE_WAITS)
			r = row_add(t, WHY_DUE, 0, label, "waits", err,
				    "%s after the step before it was done, by rule %s", word,
				    rule->name);
		else if (stages[i].state == STAGE_NOT_OURS)
			r = row_add(t, WHY_DUE, 0, label, "not ours", err,
				    "%s: rule %s gives nothing back here: the account was not "
				    "switched off by a rule of ours",
				    word, rule->name);
		else
			r = row_add(t, WHY_DUE, 0, label, "unknown", err,
				    "%s: whether it is done cannot be told", word);
	}
	return r;
}

static const char *subject_label(struct telling *t, const struct subject *s, char into[160])
{
	const struct facts *f = t->w->f;

	if (s->seat != FACTS_NONE) {
		const struct row_product *p = &f->products.v[f->seats.v[s->seat].product];

		snprintf(into, 160, STR_FMT " at " STR_FMT, STR_ARG(pooled(t, p->key)),
			 STR_ARG(pooled(t, p->site)));
	} else if (s->kind == SUBJECT_PERSON) {
		snprintf(into, 160, "person");
	} else {
		snprintf(into, 160, "account");
	}
	return into;
}

/* A rule about a person has its steps at each of their accounts. */
static int tell_person_ladder(struct telling *t, const struct rule *rule,
			      const struct subject *s, struct err *err)
{
	const struct world *w = t->w;
	struct subject each = *s;
	int r = 0;

	if (w->account_at[t->person] == w->account_at[t->person + 1])
		return row_add(t, WHY_DUE, 0, "nothing", "none", err,
			       "rule %s holds, but they have no account here", rule->name);
	for (uint32_t i = w->account_at[t->person]; r == 0 && i < w->account_at[t->person + 1];
	     i++) {
		each.account = w->account_rows[i];
		r = tell_ladder(t, rule, &each, "account", err);
	}
	return r;
}

/* One rule about one subject: true ones tell what they saw and what follows, the others are a
 * line each. */
static int tell_rule(struct telling *t, const struct rule *rule, const struct subject *s,
		     struct err *err)
{
	static const char *const words[] = { "false", "true", "unknown" };
	enum truth truth = view_eval(t->w, rule->when, s), acts;
	const char *why = "";
	char label[160];
	bool outside = false;
	int r;

	acts = desire_truth(t->w, rule, s, &why, &outside);
	if (outside)
		why = "they are not in its pilot";
	if (acts == TRUTH_TRUE && rule->class == PLAN_RESTORE &&
	    desire_leaves(t->w, s) != TRUTH_FALSE) {
		acts = TRUTH_FALSE;
		why = "another rule says, or may say, that they leave";
	}
	subject_label(t, s, label);
	r = row_add(t, WHY_RULES, 0, rule->name,
		    truth == TRUTH_TRUE && acts != TRUTH_TRUE ? "passed over" : words[truth],
		    err, "about the %s: %s%s%s", label,
		    rule->when_text ? rule->when_text : "always",
		    truth == TRUTH_TRUE && acts != TRUTH_TRUE ? "; " : "",
		    truth == TRUTH_TRUE && acts != TRUTH_TRUE ? why : "");
	if (r == 0 && truth != TRUTH_FALSE)
		r = view_seen(t->w, rule->when, s, tell_seen, t, err);
	if (r < 0 || acts != TRUTH_TRUE)
		return r;
	return s->kind == SUBJECT_PERSON ? tell_person_ladder(t, rule, s, err)
					 : tell_ladder(t, rule, s, label, err);
}

static int tell_account_rules(struct telling *t, uint32_t account, struct err *err)
{
	const struct world *w = t->w;
	const struct facts *f = w->f;
	struct subject s = { .person = t->person, .account = account, .seat = FACTS_NONE };
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->p->rule_count; i++) {
		const struct rule *rule = &w->p->rules[i];

		s.kind = rule->subject;
		s.seat = FACTS_NONE;
		if (rule->subject == SUBJECT_ACCOUNT ||
		    (rule->subject == SUBJECT_ORPHAN && desire_is_orphan(t->round, account)))
			r = tell_rule(t, rule, &s, err);
		for (uint32_t seat = f->seat_at[account];
		     r == 0 && rule->subject == SUBJECT_SEAT && seat < f->seat_at[account + 1];
		     seat++) {
			s.seat = seat;
			r = tell_rule(t, rule, &s, err);
		}
	}
	return r;
}

static int tell_rules(struct telling *t, struct err *err)
{
	struct subject s = { SUBJECT_PERSON, t->person, FACTS_NONE, FACTS_NONE };
	int r = 0;

	for (size_t i = 0; r == 0 && t->person != FACTS_NONE && i < t->w->p->rule_count; i++)
		if (t->w->p->rules[i].subject == SUBJECT_PERSON)
			r = tell_rule(t, &t->w->p->rules[i], &s, err);
	return r == 0 ? each_account(t, tell_account_rules, err) : r;
}

/* --- what holds it, what happened ----------------------------------------------------------
 */

static bool candidate_is_theirs(const struct telling *t, const struct candidate *c)
{
	if (t->person != FACTS_NONE)
		return c->s.person == t->person;
	return c->s.account == t->account;
}

/* What the provisioning directory will be told, and where it stands as it is. */
static int tell_provision(struct telling *t, struct err *err)
{
	const struct policy_provision *p = policy_provision(t->w->p, t->w->f->round.org);
	char at[STAMP_TEXT_BYTES], seen[STAMP_TEXT_BYTES];
	bool any = false;
	int r = 0;

	if (!p || !t->w->f->provisioned || t->person == FACTS_NONE)
		return 0;
	for (size_t i = 0; r == 0 && i < t->round->candidates.n; i++) {
		const struct candidate *c = &t->round->candidates.v[i];

		if (!c->wish || c->s.person != t->person)
			continue;
		any = true;
		r = row_add(t, WHY_DUE, 0, "provisioning directory", "due", err,
			    "%s at %s, by rule %s: %s", action_kinds[c->kind].word,
			    when(c->due_ms, at), c->rule->name, c->wish->because);
	}
	for (size_t i = 0; r == 0 && i < t->round->stays.n; i++) {
		const struct provision_stay *s = &t->round->stays.v[i];

		if (s->person != t->w->numbers[t->person] ||
		    s->ends_ms <= t->w->f->round.now_ms)
			continue;
		any = true;
		r = row_add(t, WHY_DUE, 0, "provisioning directory", "overlap", err,
			    "stays in group %s until %s: its filter was first seen not to hold "
			    "at %s",
			    s->name, when(s->ends_ms, at), when(s->ceased_ms, seen));
	}
	if (r < 0 || any)
		return r;
	return row_add(t, WHY_DUE, 0, "provisioning directory",
		       t->w->f->provision_read ? "nothing" : "unknown", err, "%s",
		       t->w->f->provision_read
			       ? "nothing is to be told of this person"
			       : "it was not read completely: nothing is told to it");
}

static int tell_held(struct telling *t, struct err *err)
{
	char overdue[64];
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->round->candidates.n; i++) {
		const struct candidate *c = &t->round->candidates.v[i];
		int64_t late = t->w->f->round.now_ms - c->due_ms;

		if (c->gone || !candidate_is_theirs(t, c))
			continue;
		overdue[0] = '\0';
		if (c->hit_count && late >= STAMP_HOUR_MS &&
		    (c->class == PLAN_LEAVER || c->class == PLAN_ABSENCE))
			snprintf(overdue, sizeof(overdue), "; overdue by %lld h",
				 (long long)(late / STAMP_HOUR_MS));
		for (size_t h = 0; r == 0 && h < c->hit_count; h++)
			r = row_add(t, WHY_HELD, 0, guards[c->hits[h].guard].name,
				    action_kinds[c->kind].word, err, "%s%s", c->hits[h].text,
				    overdue);
		if (r == 0 && c->two && guard_may_run(c))
			r = row_add(t, WHY_HELD, 0, "two persons", action_kinds[c->kind].word,
				    err, "%s", GUARD_TWO_WORDS);
	}
	return r;
}

static int tell_past(struct telling *t, const struct why_past *past, size_t n, struct err *err)
{
	char at[STAMP_TEXT_BYTES];
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = row_add(t, WHY_PAST, 0, past[i].kind ? past[i].kind : "",
			    past[i].outcome ? past[i].outcome : "", err, "%s: %s%s%sby %s%s%s",
			    when(past[i].at_ms, at), past[i].rule ? "rule " : "",
			    past[i].rule ? past[i].rule : "", past[i].rule ? ", " : "",
			    past[i].who ? past[i].who : "-", past[i].text ? ": " : "",
			    past[i].text ? past[i].text : "");
	return r;
}

/* --- whom ----------------------------------------------------------------------------------
 */

/* Persons and accounts that a text fits; *persons counts distinct ones. */
static int find_text(struct telling *t, struct str text, size_t *persons, struct err *err)
{
	const struct world *w = t->w;
	const struct facts *f = w->f;
	CLEANUP(free_at) char *folded = NULL;
	size_t len;
	int r;

	*persons = 0;
	r = str_fold(text, &folded, &len, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < f->accounts.n; i++) {
		const struct row_account *a = &f->accounts.v[i];
		CLEANUP(free_at) char *mail = NULL;
		size_t mail_len = 0;
		struct err quiet;

		if (str_fold(pooled(t, a->email), &mail, &mail_len, &quiet) < 0)
			mail_len = 0;
		if (!str_eq(pooled(t, a->id), text) &&
		    !(mail_len && str_eq(str_n(mail, mail_len), str_n(folded, len))))
			continue;
		if (w->account_person[i] != FACTS_NONE && w->account_person[i] != t->person) {
			t->person = w->account_person[i];
			(*persons)++;
		}
		t->account = i;
	}
	for (uint32_t i = 0; i < f->records.n; i++) {
		struct str name = { 0 };
		CLEANUP(free_at) char *user = NULL;
		size_t user_len = 0;
		struct err quiet;

		if (facts_text(f, i, w->p->fixed[COL_USER_NAME], &name) == VALUE_PRESENT &&
		    str_fold(name, &user, &user_len, &quiet) < 0)
			user_len = 0;
		if (!str_eq(pooled(t, f->records.v[i].key), text) &&
		    !(user_len && str_eq(str_n(user, user_len), str_n(folded, len))))
			continue;
		if (w->record_person[i] != FACTS_NONE && w->record_person[i] != t->person) {
			t->person = w->record_person[i];
			(*persons)++;
		}
	}
	return 0;
}

/* 0, WHY_NOBODY, WHY_SEVERAL or a fault. */
static int find_whom(struct telling *t, const struct why_who *who, struct err *err)
{
	size_t persons = 0;
	int r;

	t->person = t->account = FACTS_NONE;
	if (who->person) {
		t->person = world_person(t->w, who->person);
	} else if (who->account) {
		t->account = facts_account_by_number(t->w->f, who->account);
		if (t->account != FACTS_NONE)
			t->person = t->w->account_person[t->account];
	} else {
		r = find_text(t, who->text, &persons, err);
		if (r < 0)
			return r;
		if (persons > 1)
			return WHY_SEVERAL;
	}
	return t->person == FACTS_NONE && t->account == FACTS_NONE ? WHY_NOBODY : 0;
}

/* --- the story -----------------------------------------------------------------------------
 */

static int tell_told(struct telling *t, const struct why_before *before, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < before->told_count; i++) {
		const struct why_told *told = &before->told[i];

		r = row_add(t, told->section, 0, told->label, told->state, err, "%s",
			    told->text);
	}
	return r;
}

/* Somebody whom records name, and who is nobody yet. */
static int tell_nobody(struct telling *t, const struct why_before *before, struct err *err)
{
	int r = row_add(t, WHY_WHO, 0, "person", "nobody", err,
			"records go by that, and whose they are is not decided yet");

	return r == 0 ? tell_told(t, before, err) : r;
}

static int tell(struct telling *t, const struct why_before *before, struct err *err)
{
	int r;

	r = tell_who(t, err);
	if (r == 0)
		r = tell_records(t, err);
	if (r == 0)
		r = each_account(t, tell_account, err);
	if (r == 0)
		r = each_account(t, tell_seats, err);
	if (r == 0)
		r = each_account(t, tell_owned, err);
	if (r == 0)
		r = tell_rules(t, err);
	if (r == 0)
		r = tell_provision(t, err);
	if (r == 0)
		r = tell_held(t, err);
	if (r == 0)
		r = tell_told(t, before, err);
	return r == 0 ? tell_past(t, before->past, before->past_count, err) : r;
}

static int why_in(struct telling *t, struct world *w, struct round *round,
		  const struct why_who *who, const struct why_before *before, struct err *err)
{
	int r;

	r = match_people(t->w->f, t->w->p, &t->why->arena, w, err);
	if (r == 0)
		r = find_whom(t, who, err);
	if (r == WHY_NOBODY && before->told_count)
		return tell_nobody(t, before, err);
	if (r != 0)
		return r;
	t->why->person = t->person == FACTS_NONE ? 0 : w->numbers[t->person];
	r = desire_all(round, err);
	if (r == 0)
		r = guard_candidates(round, err);
	if (r == 0)
		r = diff_all(round, err);
	return r == 0 ? tell(t, before, err) : r;
}

int why_of(const struct facts *facts, const struct policy *policy, const struct why_who *who,
	   const struct why_before *before, struct why **ret, struct err *err)
{
	static const struct why_before nothing;
	CLEANUP(why_free_at) struct why *why = calloc(1, sizeof(*why));
	struct world w = { .f = facts, .p = policy };
	struct round round = { .w = &w };
	struct telling t = { .w = &w, .round = &round, .why = why };
	int r;

	if (!why)
		return err_nomem(err);
	round.arena = &why->arena;
	r = why_in(&t, &w, &round, who, before ? before : &nothing, err);
	round_done(&round);
	match_done(&w);
	if (r == 0)
		*ret = TAKE(why);
	return r;
}

/* When that day is over for the person of the record. */
static int64_t day_end(const struct facts *f, const struct policy *p, uint32_t record,
		       int64_t date_ms)
{
	static const enum policy_column zones[] = { COL_TIME_ZONE, COL_USER_ZONE };
	struct str zone = f->round.zone, own;
	int64_t at;

	for (size_t i = COUNT_OF(zones); i-- > 0;)
		if (facts_text(f, record, p->fixed[zones[i]], &own) == VALUE_PRESENT)
			zone = own;
	(void)calendar_day_time_in(zone, date_ms, p->leave_minute, &at);
	return at;
}

static int number_cmp(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return a < b ? -1 : a > b;
}

static bool is_listed(const struct facts *f, uint32_t account, const struct vec_u64 *persons)
{
	uint64_t person = f->accounts.v[account].person;

	return persons->n &&
	       bsearch(&person, persons->v, persons->n, sizeof(person), number_cmp);
}

/* What somebody owns is read ahead of their end: that it was read tells of it. */
static void seal_owned(struct facts *f, const struct vec_u64 *persons)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->inventory.n; i++)
		if (!is_listed(f, f->inventory.v[i].account, persons))
			f->inventory.v[kept++] = f->inventory.v[i];
	f->inventory.n = kept;
	kept = 0;
	for (size_t i = 0; i < f->owned.n; i++)
		if (!is_listed(f, f->owned.v[i].account, persons))
			f->owned.v[kept++] = f->owned.v[i];
	f->owned.n = kept;
}

/* The cell of a record that says an end which lies ahead; NULL where there is none. */
static uint32_t *end_ahead(const struct facts *f, const struct policy *policy,
			   enum policy_column end, uint32_t record)
{
	uint32_t column = policy->fixed[end];
	int64_t ms;

	if (facts_number(f, record, column, &ms) != VALUE_PRESENT ||
	    day_end(f, policy, record, ms) <= f->round.now_ms)
		return NULL;
	return &f->cells[column].v[record];
}

static const enum policy_column end_columns[] = { COL_LAST_WORKING_DAY, COL_TERMINATION_DATE };

bool why_ends_ahead(const struct facts *facts, const struct policy *policy, uint64_t person)
{
	bool ahead = false;

	for (size_t i = 0; i < COUNT_OF(end_columns); i++)
		for (uint32_t record = 0; record < facts->records.n; record++)
			ahead = ahead || (facts->records.v[record].person == person &&
					  end_ahead(facts, policy, end_columns[i], record));
	return ahead;
}

int why_seal(struct facts *facts, const struct policy *policy, struct err *err)
{
	struct vec_u64 persons = { 0 };
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(end_columns); i++)
		for (uint32_t record = 0; record < facts->records.n; record++) {
			uint32_t *cell = end_ahead(facts, policy, end_columns[i], record);
			uint64_t person = facts->records.v[record].person;

			if (!cell)
				continue;
			*cell = FRAME_ABSENT;
			if (r == 0 && person && vec_u64_add(&persons, person) < 0)
				r = err_nomem(err);
		}
	if (persons.n)
		qsort(persons.v, persons.n, sizeof(*persons.v), number_cmp);
	seal_owned(facts, &persons);
	vec_u64_done(&persons);
	return r;
}

void why_free(struct why *w)
{
	if (!w)
		return;
	vec_why_row_done(&w->rows);
	arena_done(&w->arena);
	free(w);
}

/* --- as text and JSON ----------------------------------------------------------------------
 */

const char *why_section_title(enum why_section section)
{
	static const char *const titles[WHY_SECTION_COUNT] = {
		[WHY_WHO] = "Who this is",
		[WHY_RECORDS] = "Where we know it from",
		[WHY_ACCOUNTS] = "At Atlassian",
		[WHY_SEATS] = "What they hold, and by which path",
		[WHY_OWNS] = "What they own on sites, and who would receive it",
		[WHY_DUE] = "What will happen",
		[WHY_RULES] = "What the rules say",
		[WHY_HELD] = "What holds it",
		[WHY_PAST] = "What happened, and who decided",
	};

	return section < WHY_SECTION_COUNT ? titles[section] : "";
}

static bool is_false_rule(const struct why_row *row)
{
	return row->section == WHY_RULES && !row->depth && strcmp(row->state, "false") == 0;
}

/* Rules that are false are many and say little: one line names them all. */
static void text_false_rules(const struct why *w, struct buf *into)
{
	const char *last = NULL;

	for (size_t i = 0; i < w->rows.n; i++) {
		const struct why_row *row = &w->rows.v[i];

		if (!is_false_rule(row) || (last && strcmp(last, row->label) == 0))
			continue;
		buf_addf(into, "%s%s", last ? ", " : "  false: ", row->label);
		last = row->label;
	}
	if (last)
		buf_add_char(into, '\n');
}

/* What is found by and by (a rule, what comes of it, the next rule) is told in the order in
 * which a person asks. */
static void text_section(const struct why *w, enum why_section section, struct buf *into)
{
	bool open = false;

	for (size_t i = 0; i < w->rows.n; i++) {
		const struct why_row *row = &w->rows.v[i];

		if (row->section != section)
			continue;
		if (!open)
			buf_addf(into, "%s%s\n", into->len ? "\n" : "",
				 why_section_title(section));
		open = true;
		if (!is_false_rule(row))
			buf_addf(into, "%s%-26s %-10s %s\n", row->depth ? "      " : "  ",
				 row->label, row->state, row->text);
	}
	if (section == WHY_RULES)
		text_false_rules(w, into);
}

int why_text(const struct why *w, struct buf *into, struct err *err)
{
	for (int section = 0; section < WHY_SECTION_COUNT; section++)
		text_section(w, section, into);
	return buf_fault(into, err, "the story");
}

int why_json(const struct why *w, struct buf *into, struct err *err)
{
	static const char *const words[WHY_SECTION_COUNT] = {
		[WHY_WHO] = "who",     [WHY_RECORDS] = "records", [WHY_ACCOUNTS] = "accounts",
		[WHY_SEATS] = "seats", [WHY_OWNS] = "owns",       [WHY_DUE] = "due",
		[WHY_RULES] = "rules", [WHY_HELD] = "held",       [WHY_PAST] = "past",
	};

	buf_addf(into, "{\"person\":%llu,\"rows\":[", (unsigned long long)w->person);
	for (size_t i = 0; i < w->rows.n; i++) {
		const struct why_row *row = &w->rows.v[i];

		buf_addf(into, "%s{\"depth\":%u,\"label\":", i ? "," : "", row->depth);
		buf_add_json(into, str_of(row->label));
		buf_addf(into, ",\"section\":\"%s\",\"state\":", words[row->section]);
		buf_add_json(into, str_of(row->state));
		buf_add_text(into, ",\"text\":");
		buf_add_json(into, str_of(row->text));
		buf_add_char(into, '}');
	}
	buf_add_text(into, "]}");
	return buf_fault(into, err, "the story");
}
