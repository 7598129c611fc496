#include "reconcile/desire.h"

#include "reconcile/provision.h"

#include <stdarg.h>

#include "reconcile/bulk.h"
#include "reconcile/former.h"
#include "reconcile/handover.h"

int finding_add(struct round *r, const char *kind, const char *rule, uint64_t person,
		uint64_t account, struct err *err, const char *format, ...)
{
	struct finding f = { kind, rule, person, account, NULL };
	va_list args;
	int ret;

	va_start(args, format);
	ret = arena_vtextf(r->arena, &f.text, err, format, args);
	va_end(args);
	if (ret < 0)
		return ret;
	return vec_finding_add(&r->findings, f) < 0 ? err_nomem(err) : 0;
}

bool desire_is_subject(const struct world *w, uint32_t account)
{
	return !(w->account_flags[account] & MATCH_NOBODYS);
}

/* A record whose addresses cannot be read might explain any account. */
static bool addresses_told(const struct world *w)
{
	const struct facts *f = w->f;
	uint32_t cell;

	for (uint32_t i = 0; i < f->records.n; i++)
		if (f->sources.v[f->records.v[i].source].in.ready &&
		    (facts_cell(f, i, w->p->fixed[COL_USER_NAME], &cell) == VALUE_UNKNOWN ||
		     facts_cell(f, i, w->p->fixed[COL_EMAIL], &cell) == VALUE_UNKNOWN))
			return false;
	return true;
}

bool desire_sources_whole(const struct world *w)
{
	const struct facts *f = w->f;

	for (size_t i = 0; i < f->sources.n; i++) {
		const struct facts_source *s = &f->sources.v[i].in;

		if (!s->ready || !s->accepted || s->doubts)
			return false;
	}
	return f->sources.n > 0 && addresses_told(w);
}

bool desire_is_orphan(const struct round *r, uint32_t account)
{
	const struct world *w = r->w;
	const struct row_account *a = &w->f->accounts.v[account];

	return r->sources_whole && a->type == ACCOUNT_PERSON && a->managed == TRI_YES &&
	       a->email >= FRAME_FIRST && w->account_person[account] == FACTS_NONE &&
	       !(w->account_flags[account] & MATCH_DOUBT) && desire_is_subject(w, account);
}

/* --- one judgement --- */

/* What has been told of a rule that could not be judged. */
struct unknowns {
	size_t told;
	uint64_t count;
	uint64_t outside; /* for whom it is true but that they are not in its pilot */
};

static uint64_t person_number(const struct world *w, uint32_t person)
{
	return person == FACTS_NONE ? 0 : w->numbers[person];
}

static int unknown_tell(struct round *r, const struct rule *rule, const struct subject *s,
			struct unknowns *u, const char *what, struct err *err)
{
	const struct world *w = r->w;

	r->counts.unknown_rules++;
	u->count++;
	if (u->told == DESIRE_FINDINGS_EACH)
		return 0;
	u->told++;
	return finding_add(r, "unknown", rule->name, person_number(w, s->person),
			   s->account == FACTS_NONE ? 0 : w->f->accounts.v[s->account].number,
			   err, "rule %s does nothing here: %s", rule->name, what);
}

/* The filter and, where there is one, the pilot's. */
static enum truth rule_truth(const struct world *w, const struct rule *rule,
			     const struct subject *s, bool *outside)
{
	enum truth t = view_eval(w, rule->when, s), in;

	*outside = false;
	if (t == TRUTH_FALSE || !rule->pilot)
		return t;
	in = view_eval(w, rule->pilot, s);
	*outside = in == TRUTH_FALSE && t == TRUTH_TRUE;
	if (in == TRUTH_FALSE)
		return TRUTH_FALSE;
	return in == TRUTH_TRUE ? t : TRUTH_UNKNOWN;
}

/* Where only the first rule about a subject acts: what those before this one say. */
static enum truth earlier_truth(const struct world *w, const struct rule *rule,
				const struct subject *s)
{
	enum truth ret = TRUTH_FALSE;
	bool outside;

	for (size_t i = 0; i < rule->order && ret != TRUTH_TRUE; i++) {
		const struct rule *earlier = &w->p->rules[i];
		/* what gives back is not about what is to be taken */
		enum truth t =
			earlier->subject == rule->subject && earlier->class != PLAN_RESTORE
				? rule_truth(w, earlier, s, &outside)
				: TRUTH_FALSE;

		if (t != TRUTH_FALSE)
			ret = t;
	}
	return ret;
}

enum truth desire_truth(const struct world *w, const struct rule *rule, const struct subject *s,
			const char **why, bool *outside)
{
	enum truth t = rule_truth(w, rule, s, outside);

	*why = t == TRUTH_UNKNOWN ? "what it asks for is not known" : "it does not hold";
	if (t != TRUTH_TRUE || !w->p->first_match)
		return t;
	switch (earlier_truth(w, rule, s)) {
	case TRUTH_FALSE:
		return TRUTH_TRUE;
	case TRUTH_TRUE:
		*why = "a rule before it holds, and only the first acts";
		return TRUTH_FALSE;
	case TRUTH_UNKNOWN:
		break;
	}
	*why = "whether a rule before it holds is not known, and only the first acts";
	return TRUTH_UNKNOWN;
}

/* Whether it was this rule that switched the account off last. */
static bool took_it(const struct world *w, const struct rule *rule, uint32_t account)
{
	const struct facts *f = w->f;
	int64_t newest = 0;
	bool ret = false;

	for (size_t i = stage_progress(f, account);
	     i < f->progress.n && f->progress.v[i].account == account; i++) {
		const struct row_progress *p = &f->progress.v[i];

		if ((p->kind != ACTION_SUSPEND && p->kind != ACTION_DEACTIVATE) ||
		    p->done_ms < newest)
			continue;
		newest = p->done_ms;
		ret = str_eq(pool_str(&f->pool, p->rule), str_of(rule->name));
	}
	return ret;
}

enum truth desire_leaves(const struct world *w, const struct subject *s)
{
	enum truth ret = TRUTH_FALSE;

	for (size_t i = 0; i < w->p->rule_count && ret != TRUTH_TRUE; i++) {
		const struct rule *rule = &w->p->rules[i];
		struct subject of = { rule->subject, s->person, s->account, FACTS_NONE };
		struct moment anchor;
		const char *why;
		enum truth t;
		bool outside;

		if (rule->class == PLAN_RESTORE ||
		    (rule->subject == SUBJECT_PERSON
			     ? s->person == FACTS_NONE
			     : rule->subject != SUBJECT_ACCOUNT || s->account == FACTS_NONE))
			continue;
		/* who was away is idle, and is warned before that takes anything */
		if (rule->class == PLAN_INACTIVE && !took_it(w, rule, s->account))
			continue;
		t = desire_truth(w, rule, &of, &why, &outside);
		anchor = stage_anchor(w, rule, &of);
		if (t == TRUTH_TRUE && anchor.state == VALUE_PRESENT &&
		    anchor.ms > w->f->round.now_ms + PLAN_HORIZON_MS)
			continue;
		if (t == TRUTH_TRUE && anchor.state != VALUE_PRESENT)
			t = TRUTH_UNKNOWN;
		if (t != TRUTH_FALSE)
			ret = t;
	}
	return ret;
}

/* What no rule and no undo brings back. */
static const struct {
	enum action_kind kind;
	const char *words;
} lost_kinds[] = {
	{ ACTION_REVOKE_TOKENS, "the API tokens that were revoked" },
	{ ACTION_HAND_OVER, "what was handed over to others" },
};

#define LOST_BEGIN "not given back: "

int desire_lost(struct round *r, const struct rule *rule, uint32_t account, const char **ret,
		struct err *err)
{
	const struct facts *f = r->w->f;
	CLEANUP(buf_done) struct buf text;
	int done;

	*ret = NULL;
	buf_init(&text, 16384);
	for (size_t k = 0; k < COUNT_OF(lost_kinds); k++) {
		bool any = false;

		for (size_t i = stage_progress(f, account);
		     i < f->progress.n && f->progress.v[i].account == account; i++)
			any = any || f->progress.v[i].kind == lost_kinds[k].kind;
		if (any)
			buf_addf(&text, "%s%s", text.len ? ", " : LOST_BEGIN,
				 lost_kinds[k].words);
	}
	former_left(r->w, rule, account, &text, LOST_BEGIN);
	if (!text.len)
		return 0;
	done = buf_fault(&text, err, "what does not come back");
	return done < 0 ? done : arena_text(r->arena, buf_str(&text), ret, err);
}

/* What a step's candidate has besides. */
static int step_fill(struct round *r, const struct rule_step *step, struct candidate *c,
		     struct err *err)
{
	uint32_t group;

	if (c->class == PLAN_RESTORE && c->kind == ACTION_ADD_GROUPS)
		return former_fill(r, c, err);
	if (c->class == PLAN_RESTORE)
		return desire_lost(r, c->rule, c->s.account, &c->note, err);
	if (!step->group)
		return 0;
	group = stage_group(r->w->f, step, c->s.account);
	return bulk_rule_groups(r, c, &group, 1, err);
}

/* The rule is true: each step of the ladder that is due becomes a candidate. */
static int ladder_desire(struct round *r, const struct rule *rule, const struct subject *s,
			 int64_t anchor_ms, const struct basis *basis, struct err *err)
{
	const struct world *w = r->w;
	int64_t horizon = w->f->round.now_ms + PLAN_HORIZON_MS;
	struct stage stages[POLICY_MAX_STEPS];
	int ret;

	stage_ladder(w, rule, s, anchor_ms, stages);
	for (size_t i = 0; i < rule->step_count; i++) {
		struct candidate c = {
			.rule = rule,
			.kind = rule->steps[i].kind,
			.class = rule->class,
			.s = *s,
			.product = s->seat == FACTS_NONE ? FACTS_NONE
							 : w->f->seats.v[s->seat].product,
			.step = i,
			.due_ms = stages[i].at_ms,
			.anchor_ms = anchor_ms,
			.basis = *basis,
		};

		if (stages[i].state == STAGE_NOT_OURS && r->not_ours++ < DESIRE_FINDINGS_EACH &&
		    finding_add(r, "not-ours", rule->name,
				s->person == FACTS_NONE ? 0 : w->numbers[s->person],
				w->f->accounts.v[s->account].number, err,
				"rule %s gives nothing back here: the account was not switched "
				"off by a rule of ours",
				rule->name) < 0)
			return err_nomem(err);
		if (stages[i].state == STAGE_DONE || stages[i].state == STAGE_WAITS ||
		    stages[i].state == STAGE_OFF || stages[i].state == STAGE_NOT_OURS)
			continue;
		/* an unknown state is planned and held, so that it is seen */
		if (stages[i].state == STAGE_UNKNOWN)
			c.due_ms = anchor_ms;
		else
			c.due_ms = stage_opens(w, c.kind, c.class, c.due_ms);
		if (c.due_ms > horizon) {
			r->counts.later++;
			continue;
		}
		ret = step_fill(r, &rule->steps[i], &c, err);
		if (ret < 0)
			return ret;
		if (vec_candidate_add(&r->candidates, c) < 0)
			return err_nomem(err);
	}
	return 0;
}

void desire_basis(const struct world *w, const struct rule *rule, const struct subject *s,
		  struct basis *ret)
{
	struct basis pilot = { 0 };

	view_basis(w, rule->when, &rule->anchor, s, ret);
	if (!rule->pilot)
		return;
	view_basis(w, rule->pilot, NULL, s, &pilot);
	ret->sources |= pilot.sources;
	ret->absent |= pilot.absent;
	ret->org = ret->org || pilot.org;
}

/* True and its anchor known: *yes, with what it rests on. Unknown is told. */
static int rule_judge(struct round *r, const struct rule *rule, const struct subject *s,
		      struct unknowns *u, bool *yes, struct moment *anchor, struct basis *basis,
		      struct err *err)
{
	const char *why;
	bool outside;
	enum truth t = desire_truth(r->w, rule, s, &why, &outside);

	*yes = false;
	u->outside += outside;
	if (t == TRUTH_TRUE && rule->class == PLAN_RESTORE) {
		t = desire_leaves(r->w, s);
		why = "whether another rule says that they leave is not known";
		t = t == TRUTH_TRUE ? TRUTH_FALSE : t == TRUTH_FALSE ? TRUTH_TRUE : t;
	}
	if (t == TRUTH_FALSE)
		return 0;
	if (t == TRUTH_UNKNOWN)
		return unknown_tell(r, rule, s, u, why, err);
	*anchor = stage_anchor(r->w, rule, s);
	if (anchor->state != VALUE_PRESENT)
		return unknown_tell(r, rule, s, u, "the time from which it counts is not known",
				    err);
	desire_basis(r->w, rule, s, basis);
	r->counts.true_rules++;
	*yes = true;
	return 0;
}

/* --- subjects --- */

/* What a leaver owns is read early, so that somebody can look at it. */
static int inventory_desire(struct round *r, const struct rule *rule, uint32_t account,
			    int64_t anchor_ms, struct err *err)
{
	const struct facts *f = r->w->f;

	for (size_t i = 0; i < rule->step_count; i++)
		if ((rule->steps[i].kind == ACTION_HAND_OVER ||
		     rule->steps[i].kind == ACTION_DELETE) &&
		    handover_wants_inventory(r->w, account, anchor_ms) &&
		    vec_u64_add(&r->inventories, f->accounts.v[account].number) < 0)
			return err_nomem(err);
	return 0;
}

/* Rules about the account itself, too: what one of them holds to be taken is not given back. */
static int give_back_judge(struct round *r, const struct rule *rule, const struct subject *s,
			   struct unknowns *u, bool *yes, struct err *err)
{
	enum truth leaves = TRUTH_FALSE;

	if (rule->class == PLAN_RESTORE)
		leaves = desire_leaves(r->w, s);
	*yes = leaves == TRUTH_FALSE;
	return leaves == TRUTH_UNKNOWN
		       ? unknown_tell(r, rule, s, u,
				      "whether a rule about the account holds is not known",
				      err)
		       : 0;
}

/* An account of theirs is off, as far as it is known, or groups were taken from it: else
 * nothing can come back. */
static bool may_return(const struct world *w, const struct rule *rule, uint32_t person)
{
	for (uint32_t i = w->account_at[person]; i < w->account_at[person + 1]; i++) {
		unsigned status = w->f->accounts.v[w->account_rows[i]].status;

		if (status == ACCOUNT_SUSPENDED || status == ACCOUNT_DEACTIVATED ||
		    status == ACCOUNT_UNKNOWN || former_any(w, rule, w->account_rows[i]))
			return true;
	}
	return false;
}

static int person_desire(struct round *r, uint32_t person, const struct rule *rule,
			 struct unknowns *u, struct err *err)
{
	const struct world *w = r->w;
	struct subject s = { SUBJECT_PERSON, person, FACTS_NONE, FACTS_NONE };
	struct moment anchor;
	struct basis basis;
	bool yes;
	int ret;

	if (rule->class == PLAN_RESTORE && !may_return(w, rule, person))
		return 0;
	ret = rule_judge(r, rule, &s, u, &yes, &anchor, &basis, err);
	if (ret < 0 || !yes)
		return ret;
	for (uint32_t i = w->account_at[person]; i < w->account_at[person + 1]; i++) {
		s.account = w->account_rows[i];
		if (!desire_is_subject(w, s.account))
			continue;
		if (rule->class != PLAN_RESTORE &&
		    anchor.ms <= w->f->round.now_ms + PLAN_HORIZON_MS)
			r->leaving[s.account] = true;
		ret = give_back_judge(r, rule, &s, u, &yes, err);
		if (ret == 0)
			ret = inventory_desire(r, rule, s.account, anchor.ms, err);
		if (ret == 0 && yes)
			ret = ladder_desire(r, rule, &s, anchor.ms, &basis, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int account_desire(struct round *r, uint32_t account, uint32_t seat,
			  const struct rule *rule, struct unknowns *u, struct err *err)
{
	struct subject s = { rule->subject, r->w->account_person[account], account, seat };
	struct moment anchor;
	struct basis basis;
	bool yes;
	int ret = rule_judge(r, rule, &s, u, &yes, &anchor, &basis, err);

	if (rule->subject == SUBJECT_ORPHAN)
		basis.org = true;
	return ret < 0 || !yes ? ret : ladder_desire(r, rule, &s, anchor.ms, &basis, err);
}

/* An account that is off already takes no seats. */
static bool holds_seats(const struct row_account *a)
{
	return a->status == ACCOUNT_ACTIVE || a->status == ACCOUNT_NOT_INVITED ||
	       a->status == ACCOUNT_UNKNOWN;
}

static int seats_desire(struct round *r, uint32_t account, const struct rule *rule,
			struct unknowns *u, struct err *err)
{
	const struct facts *f = r->w->f;
	int ret = 0;

	if (r->leaving[account] || !holds_seats(&f->accounts.v[account]))
		return 0;
	for (uint32_t i = f->seat_at[account]; i < f->seat_at[account + 1] && ret == 0; i++)
		ret = account_desire(r, account, i, rule, u, err);
	return ret;
}

static int unknowns_sum(struct round *r, const struct rule *rule, const struct unknowns *u,
			struct err *err)
{
	int ret = 0;

	if (u->outside)
		ret = finding_add(r, "outside-pilot", rule->name, 0, 0, err,
				  "rule %s holds for %llu more, who are not in its pilot",
				  rule->name, (unsigned long long)u->outside);
	if (ret < 0 || u->count <= u->told)
		return ret;
	return finding_add(r, "unknown", rule->name, 0, 0, err,
			   "rule %s is unknown about %llu subjects; %zu of them are named",
			   rule->name, (unsigned long long)u->count, u->told);
}

/* Persons first: who leaves is not warned of unused seats. */
static int persons_desire(struct round *r, struct unknowns *u, struct err *err)
{
	const struct world *w = r->w;
	int ret = 0;

	for (uint32_t i = 0; i < w->persons && ret == 0; i++) {
		if (w->account_at[i] == w->account_at[i + 1])
			continue;
		for (size_t k = 0; k < w->p->rule_count && ret == 0; k++)
			if (w->p->rules[k].subject == SUBJECT_PERSON)
				ret = person_desire(r, i, &w->p->rules[k], &u[k], err);
	}
	return ret;
}

static int one_account_desire(struct round *r, uint32_t account, const struct rule *rule,
			      struct unknowns *u, struct err *err)
{
	switch (rule->subject) {
	case SUBJECT_PERSON:
		return 0;
	case SUBJECT_SEAT:
		return seats_desire(r, account, rule, u, err);
	case SUBJECT_ORPHAN:
		if (!desire_is_orphan(r, account))
			return 0;
		break;
	case SUBJECT_ACCOUNT:
		break;
	}
	return account_desire(r, account, FACTS_NONE, rule, u, err);
}

/* In the order of the ledger, so that the same ones are told of many. */
static int accounts_desire(struct round *r, struct unknowns *u, struct err *err)
{
	const struct world *w = r->w;
	int ret = 0;

	for (size_t i = 0; i < w->f->accounts.n && ret == 0; i++) {
		uint32_t account = w->f->account_by_number[i];

		if (!desire_is_subject(w, account))
			continue;
		for (size_t k = 0; k < w->p->rule_count && ret == 0; k++)
			ret = one_account_desire(r, account, &w->p->rules[k], &u[k], err);
	}
	return ret;
}

/* --- what else is worth knowing --- */

/* How many there are, of what limits are shares of. */
static void scope_count(struct round *r)
{
	const struct world *w = r->w;
	const struct facts *f = w->f;

	r->counts.records = f->records.n;
	r->counts.persons = w->persons;
	r->counts.accounts = f->accounts.n;
	r->counts.seats = f->seats.n;
	for (uint32_t i = 0; i < f->accounts.n; i++) {
		const struct row_account *a = &f->accounts.v[i];

		r->counts.linked += w->account_person[i] != FACTS_NONE;
		r->counts.adopted += (w->account_flags[i] & MATCH_ADOPTED) != 0;
		r->counts.orphans += desire_is_orphan(r, i);
		r->scope_managed += a->managed == TRI_YES && desire_is_subject(w, i);
	}
	for (size_t i = 0; i < w->persons; i++)
		r->scope_leavers += w->account_at[i] != w->account_at[i + 1];
	r->scope_seats = f->seats.n;
}

static const char *const role_names[SOURCE_ROLE_COUNT] = {
	[SOURCE_HR] = "HR",
	[SOURCE_DIRECTORY] = "the directory",
	[SOURCE_IDP] = "the identity provider",
};

static bool is_known(const struct standing *s)
{
	return s->state == VALUE_PRESENT && strcmp(s->status, "absent") != 0;
}

static bool is_active(const struct standing *s)
{
	return strcmp(s->status, "active") == 0;
}

/*
 * Employment is what the highest role that knows the person says of it. That a lower one says
 * otherwise (still active, or off already) is told to whoever looks after it, never a veto.
 */
static int disagreement_find(struct round *r, uint32_t person, const struct leave_date *leave,
			     size_t *told, struct err *err)
{
	const struct world *w = r->w;
	bool left = leave->at.state == VALUE_PRESENT && leave->at.ms <= w->f->round.now_ms;
	struct standing top = { .state = VALUE_UNKNOWN };
	int role = SOURCE_HR, ret = 0;

	for (; role < SOURCE_ROLE_COUNT; role++) {
		top = view_standing(w, person, (enum source_role)role);
		if (top.state == VALUE_UNKNOWN || is_known(&top))
			break;
	}
	if (role == SOURCE_ROLE_COUNT || !is_known(&top))
		return 0;
	left = left && role != SOURCE_IDP;
	for (int low = role + 1; low < SOURCE_ROLE_COUNT && ret == 0; low++) {
		struct standing s = view_standing(w, person, (enum source_role)low);

		if (!is_known(&s) || is_active(&s) == (is_active(&top) && !left))
			continue;
		++*told;
		ret = finding_add(r, "sources-disagree", NULL, w->numbers[person], 0, err,
				  "%s says %s, %s says %s", role_names[role],
				  left ? "left" : top.status, role_names[low], s.status);
	}
	return ret;
}

/* An identity provider names a last day that nobody who decides of employment does. */
static int end_date_find(struct round *r, uint32_t person, const struct leave_date *leave,
			 size_t *told, struct err *err)
{
	const struct world *w = r->w;

	if (leave->at.state != VALUE_ABSENT || !view_idp_says_left(w, person))
		return 0;
	++*told;
	return finding_add(r, "end-date-not-believed", NULL, w->numbers[person], 0, err,
			   "an identity provider says that the last day is over; that decides "
			   "nothing: employment is what sources of role hr, else directory, "
			   "say of it");
}

static int persons_find(struct round *r, struct err *err)
{
	const struct world *w = r->w;
	size_t disagreements = 0, zones = 0, end_dates = 0;
	int ret = 0;

	for (uint32_t i = 0; i < w->persons && ret == 0; i++) {
		struct leave_date leave;

		if (w->account_at[i] == w->account_at[i + 1])
			continue;
		leave = view_leave_date(w, i);
		if (leave.zone_doubt && zones++ < DESIRE_FINDINGS_EACH)
			ret = finding_add(r, "leave-date-unreadable", NULL, w->numbers[i], 0,
					  err,
					  "no time zone is known by the name given: the last "
					  "day is taken to end when it ends everywhere");
		if (ret == 0 && disagreements < DESIRE_FINDINGS_EACH &&
		    w->record_at[i + 1] - w->record_at[i] > 1)
			ret = disagreement_find(r, i, &leave, &disagreements, err);
		if (ret == 0 && end_dates < DESIRE_FINDINGS_EACH)
			ret = end_date_find(r, i, &leave, &end_dates, err);
	}
	return ret;
}

/* Missing from one or two reads: not gone, but worth a look. */
static int missing_find(struct round *r, struct err *err)
{
	const struct facts *f = r->w->f;
	CLEANUP(free_at) uint64_t *count = calloc(f->sources.n + 1, sizeof(*count));
	int ret = 0;

	if (!count)
		return err_nomem(err);
	for (size_t i = 0; i < f->records.n; i++)
		if (f->records.v[i].absent_reads && f->records.v[i].state == RECORD_ACTIVE)
			count[f->records.v[i].source]++;
	for (size_t i = 0; i < f->sources.n && ret == 0; i++) {
		struct str name = f->sources.v[i].in.name;

		if (count[i])
			ret = finding_add(r, "not-heard-of", NULL, 0, 0, err,
					  "%llu records of " STR_FMT
					  " were not in its newest read and are not yet gone",
					  (unsigned long long)count[i], STR_ARG(name));
	}
	return ret;
}

/* Ids and numbers that stand for nobody: whoever fills them in should know. */
static int placeholders_find(struct round *r, struct err *err)
{
	const struct world *w = r->w;
	int ret = 0;

	for (size_t i = 0; i < w->f->sources.n && ret == 0; i++) {
		struct str name = w->f->sources.v[i].in.name;

		if (w->placeholders[i])
			ret = finding_add(r, "placeholder", NULL, 0, 0, err,
					  "%zu times a record of " STR_FMT
					  " has a person id or an employee number that stands "
					  "for nobody (such as 0 or n/a) and that others have "
					  "too: it is not used to tell who is who",
					  w->placeholders[i], STR_ARG(name));
	}
	return ret;
}

/* Steps about groups that nobody made: told, for nothing else shows it. */
static int groups_find(struct round *r, struct err *err)
{
	const struct facts *f = r->w->f;
	int ret = 0;

	for (size_t i = 0; i < r->w->p->rule_count; i++)
		for (size_t k = 0; k < r->w->p->rules[i].step_count && ret == 0; k++) {
			const struct rule *rule = &r->w->p->rules[i];
			const char *name = rule->steps[k].group;
			bool there = false;

			for (uint32_t g = 0; name && g < f->groups.n && !there; g++)
				there = str_ieq(pool_str(&f->pool, f->groups.v[g].name),
						str_of(name));
			if (name && !there)
				ret = finding_add(r, "no-such-group", rule->name, 0, 0, err,
						  "rule %s: there is no group %s in this "
						  "organisation: %s does nothing",
						  rule->name, name,
						  rule_step_word(&rule->steps[k]));
		}
	return ret;
}

static int round_begin(struct round *r, struct err *err)
{
	r->leaving = calloc(r->w->f->accounts.n + 1, sizeof(*r->leaving));
	if (!r->leaving)
		return err_nomem(err);
	r->sources_whole = desire_sources_whole(r->w);
	return 0;
}

void round_done(struct round *r)
{
	vec_candidate_done(&r->candidates);
	vec_finding_done(&r->findings);
	vec_u64_done(&r->inventories);
	vec_provision_stay_done(&r->stays);
	free(r->leaving);
	*r = (struct round){ 0 };
}

int desire_seats(struct round *r, uint32_t account, struct err *err)
{
	const struct policy *p = r->w->p;
	struct unknowns u = { 0 };
	int ret = round_begin(r, err);

	for (size_t i = 0; i < p->rule_count && ret == 0; i++)
		if (p->rules[i].subject == SUBJECT_SEAT)
			ret = seats_desire(r, account, &p->rules[i], &u, err);
	return ret;
}

int desire_all(struct round *r, struct err *err)
{
	struct unknowns unknowns[POLICY_MAX_RULES] = { { 0 } };
	const struct policy *p = r->w->p;
	int ret = round_begin(r, err);

	if (ret < 0)
		return ret;
	scope_count(r);
	ret = persons_desire(r, unknowns, err);
	if (ret == 0)
		ret = accounts_desire(r, unknowns, err);
	for (size_t i = 0; i < p->rule_count && ret == 0; i++)
		ret = unknowns_sum(r, &p->rules[i], &unknowns[i], err);
	if (ret == 0)
		ret = provision_desire(r, err);
	if (ret == 0)
		ret = persons_find(r, err);
	if (ret == 0)
		ret = groups_find(r, err);
	if (ret == 0)
		ret = placeholders_find(r, err);
	return ret < 0 ? ret : missing_find(r, err);
}
