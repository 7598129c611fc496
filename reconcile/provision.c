#include "reconcile/provision.h"

#include <stdlib.h>

#include "reconcile/bulk.h"
#include "reconcile/diff.h"

/* --- what the directory should hold of one person -------------------------------------------
 */

/* One round of provisioning. */
struct provisioning {
	struct round *r;
	const struct world *w;
	const struct facts *f;
	const struct policy_provision *p;
	struct provision_match match;
	uint32_t *groups; /* per group of the policy: row of facts; FACTS_NONE: is not there */
	size_t unknown_told, taken_told;
	uint64_t unknown, outside, foreign, staying, leaving;
	int64_t first_end_ms; /* of those who stay in a group for its overlap */
	struct err *err;
};

/* One person in it. */
struct wanting {
	struct provisioning *in;
	struct subject s;
	uint32_t user; /* of facts; FACTS_NONE */
	struct basis basis;
	int64_t due_ms;
	struct str wanted[PROVISION_ATTR_COUNT];
	struct str external_id;
};

static int unknown_tell(struct provisioning *in, uint32_t person, const char *rule,
			const char *what)
{
	in->r->counts.unknown_rules++;
	in->unknown++;
	if (in->unknown_told == DESIRE_FINDINGS_EACH)
		return 0;
	in->unknown_told++;
	return finding_add(in->r, "unknown", rule, in->w->numbers[person], 0, in->err,
			   "rule %s does nothing here: %s", rule, what);
}

/* Whether a ready source says active, and no more trusted one otherwise. */
static enum truth is_present(const struct world *w, uint32_t person, struct basis *basis)
{
	struct leave_date leave;

	for (int role = 0; role < SOURCE_ROLE_COUNT; role++) {
		struct standing s = view_standing(w, person, (enum source_role)role);

		if (s.state == VALUE_UNKNOWN)
			return TRUTH_UNKNOWN;
		if (strcmp(s.status, "absent") == 0)
			continue;
		basis->sources |= s.sources;
		if (strcmp(s.status, "active") != 0)
			return TRUTH_FALSE;
		leave = view_leave_date(w, person);
		if (leave.at.state == VALUE_UNKNOWN)
			return TRUTH_UNKNOWN;
		return leave.at.state == VALUE_PRESENT && leave.at.ms <= w->f->round.now_ms
			       ? TRUTH_FALSE
			       : TRUTH_TRUE;
	}
	return TRUTH_FALSE;
}

/* The primary address, else the first; a user name that is one where there is none. */
static enum value_state email_of(const struct world *w, uint32_t person, struct str *ret)
{
	const struct facts *f = w->f;
	uint32_t record, cell, primary;
	enum value_state state = view_cell(w, person, w->p->fixed[COL_EMAIL], &cell, &record);
	const uint32_t *list, *marks = NULL;

	if (state == VALUE_UNKNOWN)
		return state;
	if (state == VALUE_PRESENT && f->lists.v[cell - FRAME_FIRST] > 0) {
		list = &f->lists.v[cell - FRAME_FIRST];
		if (facts_cell(f, record, w->p->email_primary, &primary) == VALUE_PRESENT &&
		    f->lists.v[primary - FRAME_FIRST] == list[0])
			marks = &f->lists.v[primary - FRAME_FIRST];
		for (uint32_t i = list[0]; i >= 1; i--) {
			bool is_primary = marks && marks[i] >= FRAME_FIRST &&
					  f->numbers.v[marks[i] - FRAME_FIRST] == 1;

			if (list[i] >= FRAME_FIRST && (is_primary || i == 1))
				*ret = pool_str(&f->pool, list[i]);
			if (is_primary)
				break;
		}
		return ret->len ? VALUE_PRESENT : VALUE_ABSENT;
	}
	state = view_cell(w, person, w->p->fixed[COL_USER_NAME], &cell, NULL);
	if (state != VALUE_PRESENT)
		return state;
	*ret = pool_str(&f->pool, cell);
	return memchr(ret->p, '@', ret->len) ? VALUE_PRESENT : VALUE_ABSENT;
}

/* What the sources tell; *email says whether an address can be told. */
static void attributes_want(struct wanting *v, enum value_state *email)
{
	const struct world *w = v->in->w;
	struct str address = STR("");
	uint32_t cell;

	*email = email_of(w, v->s.person, &address);
	if (*email == VALUE_PRESENT)
		v->wanted[PROVISION_USER_NAME] = v->wanted[PROVISION_EMAIL] = address;
	for (int i = 0; i < PROVISION_ATTR_COUNT; i++) {
		uint32_t column = w->p->provision_columns[i];

		if (column != FACTS_NONE &&
		    view_cell(w, v->s.person, column, &cell, NULL) == VALUE_PRESENT)
			v->wanted[i] = pool_str(&w->f->pool, cell);
	}
}

/* The id that the issuer knows the person by; among several the first of its records. */
static struct str external_id_of(const struct world *w, uint32_t person)
{
	const struct facts *f = w->f;

	for (uint32_t i = w->record_at[person]; i < w->record_at[person + 1]; i++) {
		const struct row_record *row = &f->records.v[w->record_rows[i]];

		if (row->issuer == f->provision_issuer && row->issuer >= FRAME_FIRST &&
		    row->external_id >= FRAME_FIRST && f->sources.v[row->source].in.ready)
			return pool_str(&f->pool, row->external_id);
	}
	return STR("");
}

static bool same(enum provision_attr attr, struct str a, struct str b)
{
	return provision_attrs[attr].fold ? str_ieq(a, b) : str_eq(a, b);
}

/* --- candidates -----------------------------------------------------------------------------
 */

static int wish_new(struct wanting *v, struct provision_wish **ret)
{
	struct provisioning *in = v->in;
	int r = arena_alloc(in->r->arena, sizeof(**ret), ret, in->err);

	if (r < 0)
		return r;
	(*ret)->user = v->user;
	(*ret)->external_id = v->external_id;
	for (int i = 0; i < PROVISION_ATTR_COUNT && v->user != FACTS_NONE; i++)
		(*ret)->held[i] = pool_str(&in->f->pool, in->f->scim_users.v[v->user].attrs[i]);
	return 0;
}

static int wish_add(struct wanting *v, enum provision_rule rule, enum action_kind kind,
		    const struct provision_wish *wish)
{
	struct provisioning *in = v->in;
	struct candidate c = {
		.rule = &in->p->rules[rule],
		.kind = kind,
		.class = PLAN_PROVISION,
		.s = v->s,
		.product = FACTS_NONE,
		.step = (size_t)rule,
		.due_ms = stage_opens(in->w, kind, PLAN_PROVISION, v->due_ms),
		.anchor_ms = v->due_ms,
		.basis = v->basis,
		.note = wish->lost,
		.wish = wish,
	};

	if (c.due_ms > in->f->round.now_ms + PLAN_HORIZON_MS) {
		in->r->counts.later++;
		return 0;
	}
	in->r->counts.true_rules++;
	return vec_candidate_add(&in->r->candidates, c) < 0 ? err_nomem(in->err) : 0;
}

static bool is_member(const struct facts *f, uint32_t user, uint32_t group)
{
	for (size_t i = pair_find(f->scim_members.v, f->scim_members.n, user);
	     i < f->scim_members.n && f->scim_members.v[i].a == user; i++)
		if (f->scim_members.v[i].b == group)
			return true;
	return false;
}

static int groups_room(struct wanting *v, const struct provision_group ***ret)
{
	struct provisioning *in = v->in;

	return in->p->group_count
		       ? arena_alloc(in->r->arena, in->p->group_count * sizeof(**ret), ret,
				     in->err)
		       : 0;
}

/* Whether the person is in that group of the policy already. */
static bool is_in(const struct wanting *v, size_t group)
{
	return v->user != FACTS_NONE && v->in->groups[group] != FACTS_NONE &&
	       is_member(v->in->f, v->user, v->in->groups[group]);
}

/* Groups that the person is to join, by the policy's filters. */
static int groups_join(struct wanting *v, const struct provision_group ***ret, size_t *count)
{
	struct provisioning *in = v->in;
	const struct provision_group **list = NULL;
	int r = groups_room(v, &list);

	*count = 0;
	for (size_t i = 0; i < in->p->group_count && r == 0; i++) {
		const struct provision_group *g = &in->p->groups[i];
		enum truth t = view_eval(in->w, g->when, &v->s);

		if (t == TRUTH_UNKNOWN)
			r = unknown_tell(in, v->s.person, in->p->rules[PROVISION_GROUPS].name,
					 "whether a group's filter holds is not known");
		if (t == TRUTH_TRUE && !is_in(v, i))
			list[(*count)++] = g;
	}
	*ret = list;
	return r;
}

/* What is remembered of a member: since when its group does not want it. *ends is when it goes.
 * While that is unknown, nothing is told, and the time runs on. */
static int stay_note(struct wanting *v, size_t group, enum truth wanted, int64_t *ends)
{
	struct provisioning *in = v->in;
	const struct facts *f = in->f;
	const struct provision_group *g = &in->p->groups[group];
	int64_t seen_ms = facts_scim_ceased(f, v->user, in->groups[group]);
	struct provision_stay stay = {
		.person = in->w->numbers[v->s.person],
		.user = pool_str(&f->pool, f->scim_users.v[v->user].id),
		.group = pool_str(&f->pool, f->scim_groups.v[in->groups[group]].id),
		.name = g->name,
	};

	*ends = 0;
	if (wanted == TRUTH_UNKNOWN || (wanted == TRUTH_TRUE && !seen_ms) ||
	    (wanted == TRUTH_FALSE && !g->overlap_ms))
		return 0;
	stay.news = wanted == TRUTH_TRUE || !seen_ms;
	if (wanted == TRUTH_FALSE) {
		stay.ceased_ms = seen_ms ? seen_ms : f->round.now_ms;
		*ends = stay.ends_ms = stay.ceased_ms + g->overlap_ms;
		in->staying += *ends > f->round.now_ms;
		if (*ends > f->round.now_ms && (!in->first_end_ms || *ends < in->first_end_ms))
			in->first_end_ms = *ends;
	}
	return vec_provision_stay_add(&in->r->stays, stay) < 0 ? err_nomem(in->err) : 0;
}

/* Groups that the person is to leave: those whose overlap ends first, from *due_ms on
 * (*ends_ms; 0 where none had one). What lasts longer is for a later plan. */
static int groups_leave(struct wanting *v, const struct provision_group ***ret, size_t *count,
			int64_t *due_ms, int64_t *ends_ms)
{
	struct provisioning *in = v->in;
	const struct provision_group **list = NULL;
	int r = groups_room(v, &list);

	*count = 0;
	for (size_t i = 0; i < in->p->group_count && r == 0; i++) {
		enum truth t;
		int64_t ends, due;

		if (!is_in(v, i))
			continue;
		t = view_eval(in->w, in->p->groups[i].when, &v->s);
		r = stay_note(v, i, t, &ends);
		due = ends > v->due_ms ? ends : v->due_ms;
		if (r < 0 || t != TRUTH_FALSE || (*count && due > *due_ms))
			continue;
		if (!*count || due < *due_ms) {
			*count = 0;
			*ends_ms = 0;
		}
		*due_ms = due;
		*ends_ms = ends > *ends_ms ? ends : *ends_ms;
		list[(*count)++] = &in->p->groups[i];
	}
	*ret = list;
	return r;
}

static int joiner_want(struct wanting *v, enum value_state email)
{
	struct provisioning *in = v->in;
	const char *rule = in->p->rules[PROVISION_JOINER].name;
	const struct provision_group **groups = NULL;
	struct provision_wish *wish = NULL;
	int r;

	if (email != VALUE_PRESENT)
		return unknown_tell(in, v->s.person, rule,
				    email == VALUE_ABSENT ? "no source tells an e-mail address"
							  : "the e-mail address is not known");
	if (in->p->issuer && !v->external_id.len)
		return unknown_tell(in, v->s.person, rule,
				    "the source whose ids are the externalIds has no id of "
				    "the person");
	r = wish_new(v, &wish);
	if (r < 0)
		return r;
	memcpy(wish->wanted, v->wanted, sizeof(wish->wanted));
	wish->because = "the provisioning directory has no record of the person";
	r = groups_join(v, &groups, &wish->group_count);
	wish->groups = groups;
	return r < 0 ? r : wish_add(v, PROVISION_JOINER, ACTION_PROVISION, wish);
}

/* Rules that give back the account's status: the record does it, and they could not. */
static void returns_drop(struct round *r, uint32_t account)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->candidates.n; i++) {
		const struct candidate *c = &r->candidates.v[i];

		if (c->s.account != account || c->class != PLAN_RESTORE || !c->rule ||
		    (c->kind != ACTION_RESTORE && c->kind != ACTION_ENABLE))
			r->candidates.v[kept++] = *c;
	}
	r->candidates.n = kept;
}

/* What of the account comes back with its record, and what does not. */
static int return_words(struct wanting *v, struct provision_wish *wish)
{
	struct round *r = v->in->r;
	const char *with = "";
	bool suspended;
	int ret;

	if (v->s.account == FACTS_NONE) {
		wish->because = "the record is off, and the person is here";
		return 0;
	}
	suspended = v->in->f->accounts.v[v->s.account].status == ACCOUNT_SUSPENDED;
	wish->restore = stage_suspended_by_us(v->in->w, v->s.account);
	if (wish->restore)
		with = "; the account, which a rule of ours suspended, is restored with it";
	else if (suspended)
		with = "; the account stays suspended: no rule of ours did that, or somebody "
		       "ordered it";
	ret = desire_lost(r, &v->in->p->rules[PROVISION_RETURN], v->s.account, &wish->lost,
			  v->in->err);
	return ret < 0 ? ret
		       : arena_textf(r->arena, &wish->because, v->in->err,
				     "the record is off, and the person is here%s", with);
}

static int return_want(struct wanting *v)
{
	struct provision_wish *wish = NULL;
	int r = wish_new(v, &wish);

	if (r == 0)
		r = return_words(v, wish);
	if (r < 0)
		return r;
	if (v->s.account != FACTS_NONE)
		returns_drop(v->in->r, v->s.account);
	return wish_add(v, PROVISION_RETURN, ACTION_REPROVISION, wish);
}

/* Attributes that are told and differ; the address only where it is known whose it is. */
static int drift_want(struct wanting *v)
{
	struct provisioning *in = v->in;
	struct provision_wish *wish = NULL;
	CLEANUP(buf_done) struct buf words;
	int r = wish_new(v, &wish), differ = 0;

	buf_init(&words, 512);
	for (int i = 0; i < PROVISION_ATTR_COUNT && r == 0; i++) {
		if (!v->wanted[i].len ||
		    same((enum provision_attr)i, v->wanted[i], wish->held[i]))
			continue;
		wish->wanted[i] = v->wanted[i];
		buf_addf(&words, "%s%s", differ++ ? ", " : "", provision_attrs[i].word);
	}
	/* what has no id yet is given one; an id that is another one is somebody's doing */
	if (r == 0 &&
	    (!v->external_id.len || in->f->scim_users.v[v->user].external_id >= FRAME_FIRST))
		wish->external_id = STR("");
	else if (r == 0)
		buf_addf(&words, "%sexternalId", differ++ ? ", " : "");
	if (r == 0)
		r = buf_fault(&words, in->err, "the names of attributes");
	if (r < 0 || !differ)
		return r;
	r = arena_textf(in->r->arena, &wish->because, in->err,
			STR_FMT " of the provisioning directory %s from what the sources say",
			STR_ARG(buf_str(&words)), differ == 1 ? "differs" : "differ");
	return r < 0 ? r : wish_add(v, PROVISION_DRIFT, ACTION_UPDATE_PROFILE, wish);
}

static int groups_wish(struct wanting *v, enum action_kind kind, const char *because,
		       const struct provision_group **groups, size_t n)
{
	struct provision_wish *wish = NULL;
	int r = wish_new(v, &wish);

	if (r < 0)
		return r;
	wish->external_id = STR("");
	wish->groups = groups;
	wish->group_count = n;
	wish->because = because;
	return wish_add(v, PROVISION_GROUPS, kind, wish);
}

static int groups_drift_in(struct wanting *v)
{
	const struct provision_group **groups = NULL;
	size_t n = 0;
	int r = groups_join(v, &groups, &n);

	return r < 0 || n == 0 ? r
			       : groups_wish(v, ACTION_JOIN_GROUPS,
					     "filters of groups hold that the person is not in",
					     groups, n);
}

static int groups_drift_out(struct wanting *v)
{
	const char *because = "filters of groups do not hold any more that the person is in";
	const struct provision_group **groups = NULL;
	char at[STAMP_TEXT_BYTES];
	int64_t ends_ms = 0, due_ms = 0, begun_ms = v->due_ms;
	size_t n = 0;
	int r = groups_leave(v, &groups, &n, &due_ms, &ends_ms);

	if (r == 0 && n && ends_ms) {
		stamp_text(ends_ms, at);
		r = arena_textf(v->in->r->arena, &because, v->in->err,
				"filters of groups do not hold any more that the person is in, "
				"and their overlap ends at %s",
				at);
	}
	if (r < 0 || n == 0)
		return r;
	v->due_ms = due_ms;
	r = groups_wish(v, ACTION_LEAVE_GROUPS, because, groups, n);
	v->due_ms = begun_ms;
	return r;
}

/* --- one person -----------------------------------------------------------------------------
 */

/* In scope, here, and begun: *due_ms is when. FALSE also where the first day is far. */
static int is_due(struct wanting *v, bool *yes)
{
	struct provisioning *in = v->in;
	const char *rule = in->p->rules[PROVISION_JOINER].name;
	struct basis scope = { 0 };
	struct moment start;
	enum truth t = is_present(in->w, v->s.person, &v->basis);

	*yes = false;
	if (t == TRUTH_UNKNOWN)
		return unknown_tell(in, v->s.person, rule,
				    "whether the person is here is not known");
	if (t == TRUTH_FALSE)
		return 0;
	t = view_eval(in->w, in->p->scope, &v->s);
	if (t == TRUTH_UNKNOWN)
		return unknown_tell(in, v->s.person, rule, "the scope's filter is not known");
	if (t == TRUTH_FALSE) {
		in->outside +=
			v->user != FACTS_NONE && in->f->scim_users.v[v->user].active == TRI_YES;
		return 0;
	}
	start = view_start(in->w, v->s.person, in->p->preboard_ms);
	if (start.state == VALUE_UNKNOWN)
		return unknown_tell(in, v->s.person, rule, "the first day is not known");
	v->due_ms = in->f->round.now_ms;
	if (start.state == VALUE_PRESENT && start.ms > v->due_ms)
		v->due_ms = start.ms;
	view_basis(in->w, in->p->scope, NULL, &v->s, &scope);
	v->basis.sources |= scope.sources;
	v->basis.absent |= scope.absent;
	v->basis.org = v->basis.org || scope.org;
	in->r->scope_provision++;
	*yes = true;
	return 0;
}

/* The account of a record, else the person's only one: what is linked when a joiner is told. */
static uint32_t account_of(const struct provisioning *in, uint32_t person, uint32_t user)
{
	const struct world *w = in->w;

	if (user != FACTS_NONE)
		return in->f->scim_users.v[user].account;
	return w->account_at[person + 1] - w->account_at[person] == 1
		       ? w->account_rows[w->account_at[person]]
		       : FACTS_NONE;
}

static int record_want(struct wanting *v)
{
	struct provisioning *in = v->in;
	enum tri active = (enum tri)in->f->scim_users.v[v->user].active;
	int r;

	if (active == TRI_UNKNOWN)
		return unknown_tell(in, v->s.person, in->p->rules[PROVISION_DRIFT].name,
				    "whether the record is active was not told");
	if (active == TRI_NO)
		return return_want(v);
	r = drift_want(v);
	if (r == 0)
		r = groups_drift_in(v);
	return r < 0 ? r : groups_drift_out(v);
}

/* Nothing is given to whom a rule takes it from: what the one switches on, the other would
 * switch off again. Whom nothing is known of yet may join while that is unknown. */
static int is_leaving(struct wanting *v, bool *ret)
{
	struct provisioning *in = v->in;
	bool joins = v->user == FACTS_NONE;
	enum truth leaves;

	*ret = false;
	if (!joins && in->f->scim_users.v[v->user].active != TRI_NO)
		return 0;
	leaves = desire_leaves(in->w, &v->s);
	in->leaving += leaves == TRUTH_TRUE;
	*ret = leaves == TRUTH_TRUE || (leaves == TRUTH_UNKNOWN && !joins);
	return leaves == TRUTH_UNKNOWN && !joins
		       ? unknown_tell(in, v->s.person, in->p->rules[PROVISION_RETURN].name,
				      "whether a rule says that they leave is not known")
		       : 0;
}

static int person_want(struct provisioning *in, uint32_t person)
{
	struct wanting v = { .in = in, .user = in->match.person_user[person] };
	enum value_state email;
	bool yes = false;
	int r;

	/* a person whom the ledger does not have yet is planned for in the next pass */
	if (facts_person_by_number(in->f, in->w->numbers[person]) == FACTS_NONE)
		return 0;
	v.s = (struct subject){ SUBJECT_PERSON, person, FACTS_NONE, FACTS_NONE };
	if (in->match.person_several[person])
		return finding_add(
			in->r, "provision-several", NULL, in->w->numbers[person], 0, in->err,
			"records of the provisioning directory do not agree on who "
			"this person is (several claim it, or one is of two people): "
			"nothing is told about it");
	r = is_due(&v, &yes);
	if (r < 0 || !yes)
		return r;
	attributes_want(&v, &email);
	v.external_id = external_id_of(in->w, person);
	v.s.account = account_of(in, person, v.user);
	r = is_leaving(&v, &yes);
	if (r < 0 || yes)
		return r;
	if (v.user != FACTS_NONE)
		return record_want(&v);
	/* that nobody has the address is what the organisation told */
	v.basis.org = true;
	return joiner_want(&v, email);
}

/* --- all ------------------------------------------------------------------------------------
 */

static void groups_find(struct provisioning *in)
{
	for (size_t i = 0; i < in->p->group_count; i++) {
		struct str name = str_of(in->p->groups[i].name);

		in->groups[i] = FACTS_NONE;
		for (uint32_t k = 0; k < in->f->scim_groups.n; k++)
			if (str_ieq(pool_str(&in->f->pool, in->f->scim_groups.v[k].name), name))
				in->groups[i] = k;
	}
}

/* Records that nobody explains; switched off already, they are nobody's trouble. */
static void foreign_count(struct provisioning *in)
{
	for (size_t i = 0; i < in->f->scim_users.n; i++)
		in->foreign += in->match.user_person[i] == FACTS_NONE &&
			       in->f->scim_users.v[i].active == TRI_YES;
}

static int findings_sum(struct provisioning *in)
{
	const char *rule = in->p->rules[PROVISION_JOINER].name;
	char at[STAMP_TEXT_BYTES];
	int r = 0;

	if (in->unknown > in->unknown_told)
		r = finding_add(in->r, "unknown", rule, 0, 0, in->err,
				"provisioning is unknown about %llu people; %zu of them are "
				"named",
				(unsigned long long)in->unknown, in->unknown_told);
	if (r == 0 && in->outside)
		r = finding_add(in->r, "provision-outside", NULL, 0, 0, in->err,
				"%llu active records of the provisioning directory are of "
				"people out of its scope: they are left as they are",
				(unsigned long long)in->outside);
	if (r == 0 && in->foreign)
		r = finding_add(in->r, "provision-foreign", NULL, 0, 0, in->err,
				"%llu active records of the provisioning directory are of "
				"nobody whom a source knows: they are left as they are",
				(unsigned long long)in->foreign);
	if (r == 0 && in->leaving)
		r = finding_add(
			in->r, "provision-leaving", NULL, 0, 0, in->err,
			"%llu people are here by their most trusted source, and a rule "
			"says that they leave: they are neither told to the provisioning "
			"directory nor switched on in it",
			(unsigned long long)in->leaving);
	if (r == 0 && in->staying) {
		stamp_text(in->first_end_ms, at);
		r = finding_add(in->r, "provision-overlap", in->p->rules[PROVISION_GROUPS].name,
				0, 0, in->err,
				"%llu memberships of groups whose filters do not hold any more "
				"last for their overlap, the first until %s",
				(unsigned long long)in->staying, at);
	}
	return r;
}

/* GO: there is something to be done. */
enum { PROVISION_NOT = 0, PROVISION_GO = 1 };

static int begin(struct provisioning *in, struct round *r, struct err *err)
{
	*in = (struct provisioning){ .r = r, .w = r->w, .f = r->w->f, .err = err };
	in->p = policy_provision(r->w->p, r->w->f->round.org);
	if (!in->p || !in->f->provisioned)
		return PROVISION_NOT;
	if (!in->f->provision_read)
		return finding_add(
			r, "provision-unread", NULL, 0, 0, err,
			"the provisioning directory was not read completely%s" STR_FMT
			": nothing is told to it",
			in->f->provision_doubt >= FRAME_FIRST ? ": " : "",
			STR_ARG(pool_str(&in->f->pool, in->f->provision_doubt)));
	in->groups = calloc(in->p->group_count + 1, sizeof(*in->groups));
	if (!in->groups)
		return err_nomem(err);
	groups_find(in);
	return PROVISION_GO;
}

static void end(struct provisioning *in)
{
	provision_match_done(&in->match);
	free(in->groups);
}

int provision_desire(struct round *r, struct err *err)
{
	struct provisioning in;
	int ret = begin(&in, r, err);

	if (ret != PROVISION_GO)
		return ret;
	ret = provision_match(in.w, &in.match, err);
	for (uint32_t i = 0; i < in.w->persons && ret == 0; i++)
		ret = person_want(&in, i);
	if (ret == 0) {
		foreign_count(&in);
		ret = findings_sum(&in);
	}
	end(&in);
	return ret;
}

int provision_desire_person(struct round *r, uint32_t person, struct err *err)
{
	struct provisioning in;
	int ret = begin(&in, r, err);

	if (ret != PROVISION_GO)
		return ret;
	ret = provision_match(in.w, &in.match, err);
	if (ret == 0)
		ret = person_want(&in, person);
	end(&in);
	return ret;
}

/* --- what holds it --------------------------------------------------------------------------
 */

static int u64_cmp(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return a < b ? -1 : a > b;
}

static bool is_provision(const struct candidate *c)
{
	return !c->gone && action_kinds[c->kind].provision;
}

/* Who was told of within a day, and who would be. */
static int limit_count(const struct round *r, uint64_t *ret, struct err *err)
{
	const struct facts *f = r->w->f;
	CLEANUP(free_at)
	uint64_t *v = calloc(f->counted.n + r->candidates.n + 1, sizeof(*v));
	size_t n = 0;

	if (!v)
		return err_nomem(err);
	for (size_t i = 0; i < f->counted.n; i++)
		if (f->counted.v[i].class == PLAN_PROVISION &&
		    f->counted.v[i].at_ms > f->round.now_ms - STAMP_DAY_MS)
			v[n++] = f->counted.v[i].person;
	for (size_t i = 0; i < r->candidates.n; i++)
		if (is_provision(&r->candidates.v[i]) && guard_may_run(&r->candidates.v[i]))
			v[n++] = r->w->numbers[r->candidates.v[i].s.person];
	qsort(v, n, sizeof(*v), u64_cmp);
	*ret = 0;
	for (size_t i = 0; i < n; i++)
		*ret += i == 0 || v[i] != v[i - 1];
	return 0;
}

static int limit_judge(struct round *r, struct err *err)
{
	const struct policy_limit_conf *l = &r->w->p->limits[LIMIT_PROVISION_DAY];
	uint64_t share = (uint64_t)(l->share * (double)r->scope_provision + 1e-9), count = 0;
	uint64_t most = share > (uint64_t)l->count ? share : (uint64_t)l->count;
	int ret = limit_count(r, &count, err);

	for (size_t i = 0; i < r->candidates.n && ret == 0 && count > most; i++) {
		struct candidate *c = &r->candidates.v[i];

		if (is_provision(c))
			ret = guard_add(r, c, GUARD_LIMIT_PROVISION, err,
					"%llu people would be told of within 24 hours, allowed "
					"are %llu (%llu in scope); what is told is held whole",
					(unsigned long long)count, (unsigned long long)most,
					(unsigned long long)r->scope_provision);
	}
	return ret;
}

/* Whether joining this group of the directory gives a seat of the product: Atlassian keeps a
 * synced group of the same name. */
static bool group_gives(const struct facts *f, const char *name, uint32_t product)
{
	for (uint32_t g = 0; g < f->groups.n; g++) {
		if (!str_ieq(pool_str(&f->pool, f->groups.v[g].name), str_of(name)))
			continue;
		for (uint32_t i = f->grant_at[g]; i < f->grant_at[g + 1]; i++)
			if (f->grants.v[i].product == product &&
			    f->grants.v[i].billable != TRI_NO)
				return true;
	}
	return false;
}

static bool has_seat(const struct facts *f, uint32_t account, uint32_t product)
{
	if (account == FACTS_NONE)
		return false;
	for (uint32_t i = f->seat_at[account]; i < f->seat_at[account + 1]; i++)
		if (f->seats.v[i].product == product)
			return true;
	return false;
}

/* What comes back to somebody takes a seat again: the one that was freed, or those that the
 * groups of an account give once it is let in. */
static bool returns_to_seat(const struct facts *f, const struct candidate *c, uint32_t product)
{
	if (c->gone || has_seat(f, c->s.account, product))
		return false;
	if (c->kind == ACTION_FREE_SEAT)
		return c->product == product;
	for (uint32_t m = f->member_at[c->s.account]; m < f->member_at[c->s.account + 1]; m++)
		for (uint32_t g = f->grant_at[f->members.v[m].b];
		     g < f->grant_at[f->members.v[m].b + 1]; g++)
			if (f->grants.v[g].product == product &&
			    f->grants.v[g].billable != TRI_NO)
				return true;
	return false;
}

static bool comes_back(const struct candidate *c)
{
	return c->class == PLAN_RESTORE && c->s.account != FACTS_NONE &&
	       (c->kind == ACTION_FREE_SEAT || c->kind == ACTION_RESTORE ||
		c->kind == ACTION_ENABLE);
}

static bool takes_seat(const struct facts *f, const struct candidate *c, uint32_t product)
{
	if (c->kind == ACTION_ADD_GROUPS)
		return bulk_takes_seat(f, c, product);
	if (comes_back(c))
		return returns_to_seat(f, c, product);
	if (!is_provision(c) || c->kind == ACTION_LEAVE_GROUPS ||
	    has_seat(f, c->s.account, product))
		return false;
	for (size_t i = 0; i < c->wish->group_count; i++)
		if (group_gives(f, c->wish->groups[i]->name, product))
			return true;
	return false;
}

/* A licence that does not hold all who are planned holds none of them: who goes first is for a
 * person to say. A capacity that is not told is Atlassian's to refuse. */
static int seats_judge(struct round *r, struct err *err)
{
	const struct facts *f = r->w->f;
	int ret = 0;

	for (uint32_t p = 0; p < f->products.n && ret == 0; p++) {
		uint64_t used = 0, more = 0;
		int64_t capacity = f->products.v[p].capacity;

		if (capacity <= 0)
			continue;
		for (size_t i = 0; i < f->seats.n; i++)
			used += f->seats.v[i].product == p;
		for (size_t i = 0; i < r->candidates.n; i++)
			more += takes_seat(f, &r->candidates.v[i], p);
		for (size_t i = 0; i < r->candidates.n && ret == 0; i++)
			if (used + more > (uint64_t)capacity &&
			    takes_seat(f, &r->candidates.v[i], p))
				ret = guard_add(
					r, &r->candidates.v[i], GUARD_SEATS_OUT, err,
					"%llu of %lld seats of " STR_FMT " at " STR_FMT
					" are taken, and %llu more are planned",
					(unsigned long long)used, (long long)capacity,
					STR_ARG(pool_str(&f->pool, f->products.v[p].key)),
					STR_ARG(pool_str(&f->pool, f->products.v[p].site)),
					(unsigned long long)more);
	}
	return ret;
}

/* An address that is somebody else's there is a 409, or worse: a wrong link. */
static int addresses_judge(struct round *r, struct err *err)
{
	struct provision_match match = { 0 };
	int ret = provision_match(r->w, &match, err);

	for (size_t i = 0; i < r->candidates.n && ret == 0; i++) {
		struct candidate *c = &r->candidates.v[i];
		const char *taken = NULL;

		if (!is_provision(c))
			continue;
		if (c->wish->wanted[PROVISION_EMAIL].len)
			taken = provision_address_taken(r->w, &match, c->s.person,
							c->wish->wanted[PROVISION_EMAIL]);
		if (taken)
			ret = guard_add(r, c, GUARD_AMBIGUOUS, err, "%s", taken);
		if (ret == 0 && c->wish->user != FACTS_NONE &&
		    match.user_how[c->wish->user] == HOW_ADDRESS)
			ret = guard_add(r, c, GUARD_NOT_ADOPTED, err,
					"its record is known by its address alone");
	}
	provision_match_done(&match);
	return ret;
}

int provision_guards(struct round *r, struct err *err)
{
	bool any = false;
	int ret;

	for (size_t i = 0; i < r->candidates.n && !any; i++)
		any = is_provision(&r->candidates.v[i]) || comes_back(&r->candidates.v[i]) ||
		      r->candidates.v[i].kind == ACTION_ADD_GROUPS;
	if (!any)
		return 0;
	ret = addresses_judge(r, err);
	if (ret == 0)
		ret = seats_judge(r, err);
	return ret < 0 ? ret : limit_judge(r, err);
}

/* --- steps ----------------------------------------------------------------------------------
 */

enum provision_lever provision_lever(const struct facts *f, uint32_t account)
{
	const struct row_account *a = &f->accounts.v[account];

	if (!f->provisioned || !a->scim_user)
		return LEVER_ACCOUNT;
	if (!f->provision_read || f->scim_users.v[a->scim_user - 1].active == TRI_UNKNOWN)
		return LEVER_UNREAD;
	return f->scim_users.v[a->scim_user - 1].active == TRI_NO ? LEVER_SPENT : LEVER_RECORD;
}

static const enum step_op first_ops[ACTION_KIND_COUNT] = {
	[ACTION_PROVISION] = STEP_SCIM_CREATE,
	[ACTION_REPROVISION] = STEP_SCIM_ACTIVATE,
	[ACTION_UPDATE_PROFILE] = STEP_SCIM_UPDATE,
	[ACTION_DEACTIVATE] = STEP_SCIM_DEACTIVATE,
};

/* "title, department": what an update sets. */
static int update_words(struct round *r, const struct provision_wish *wish, const char **ret,
			struct err *err)
{
	CLEANUP(buf_done) struct buf words;
	int done;

	buf_init(&words, 512);
	for (int i = 0; i < PROVISION_ATTR_COUNT; i++)
		if (wish->wanted[i].len)
			buf_addf(&words, "%s%s", words.len ? ", " : "",
				 provision_attrs[i].word);
	if (wish->external_id.len)
		buf_addf(&words, "%sexternalId", words.len ? ", " : "");
	done = buf_fault(&words, err, "the names of attributes");
	return done < 0 ? done : arena_text(r->arena, buf_str(&words), ret, err);
}

static int group_steps(struct round *r, const struct candidate *c, struct action_step *steps,
		       size_t *n, struct err *err)
{
	const struct facts *f = r->w->f;
	int ret = 0;

	for (size_t i = 0; i < c->wish->group_count && ret == 0; i++) {
		const char *id = NULL, *name = c->wish->groups[i]->name;

		for (size_t k = 0; k < f->scim_groups.n && ret == 0; k++)
			if (str_ieq(pool_str(&f->pool, f->scim_groups.v[k].name), str_of(name)))
				ret = arena_text(r->arena,
						 pool_str(&f->pool, f->scim_groups.v[k].id),
						 &id, err);
		if (!id)
			steps[(*n)++] = (struct action_step){ .op = STEP_SCIM_MAKE_GROUP,
							      .name = name };
		steps[(*n)++] = (struct action_step){
			.op = c->kind == ACTION_LEAVE_GROUPS ? STEP_SCIM_LEAVE : STEP_SCIM_JOIN,
			.group = id,
			.name = name,
		};
	}
	return ret;
}

int provision_diff(struct round *r, struct candidate *c, struct err *err)
{
	const struct facts *f = r->w->f;
	const char *directory = NULL;
	struct action_step *steps = NULL;
	size_t n = 0, groups = c->wish ? c->wish->group_count : 0;
	bool first = c->kind != ACTION_JOIN_GROUPS && c->kind != ACTION_LEAVE_GROUPS;
	int ret = arena_alloc(r->arena, (2 * groups + 2) * sizeof(*steps), &steps, err);

	if (ret == 0)
		ret = arena_text(r->arena, pool_str(&f->pool, f->provision_directory),
				 &directory, err);
	if (ret == 0 && first)
		steps[n++].op = first_ops[c->kind];
	if (ret == 0 && c->kind == ACTION_UPDATE_PROFILE)
		ret = update_words(r, c->wish, &steps[0].name, err);
	if (ret == 0 && c->wish)
		ret = group_steps(r, c, steps, &n, err);
	for (size_t i = 0; i < n; i++)
		steps[i].directory = directory;
	if (ret == 0 && c->wish && c->wish->restore) {
		steps[n].op = STEP_RESTORE;
		ret = diff_directory(r, c->s.account, &steps[n++], err);
		c->before.status = (enum account_status)f->accounts.v[c->s.account].status;
		c->after.status = ACCOUNT_ACTIVE;
	}
	c->steps = steps;
	c->step_count = n;
	if (action_kinds[c->kind].provision) {
		c->before.provision =
			c->kind == ACTION_PROVISION ? PROVISION_NONE : PROVISION_PLANNED;
		c->after.provision = PROVISION_WANTED;
	}
	return ret;
}

/* --- values ---------------------------------------------------------------------------------
 */

static int attr_cmp(const void *pa, const void *pb)
{
	return strcmp(provision_attrs[*(const int *)pa].word,
		      provision_attrs[*(const int *)pb].word);
}

/* Members in the order of their words; empty ones only where they are held against. */
static void put_attrs(struct buf *b, const char *key, const struct str *v,
		      const struct str *wanted)
{
	int order[PROVISION_ATTR_COUNT];
	bool more = false;

	for (int i = 0; i < PROVISION_ATTR_COUNT; i++)
		order[i] = i;
	qsort(order, COUNT_OF(order), sizeof(order[0]), attr_cmp);
	buf_addf(b, ",\"%s\":{", key);
	for (size_t i = 0; i < COUNT_OF(order); i++) {
		if (!wanted[order[i]].len)
			continue;
		if (more)
			buf_add_char(b, ',');
		more = true;
		buf_add_json(b, str_of(provision_attrs[order[i]].word));
		buf_add_char(b, ':');
		buf_add_json(b, v[order[i]]);
	}
	buf_add_char(b, '}');
}

void provision_values(const struct round *r, const struct candidate *c, struct buf *into)
{
	static const struct provision_wish nothing;
	const struct facts *f = r->w->f;
	const struct provision_wish *wish = c->wish ? c->wish : &nothing;
	uint32_t user = c->wish ? wish->user : f->accounts.v[c->s.account].scim_user - 1;

	buf_add_text(into, ",\"provision\":{\"directory\":");
	buf_add_json(into, pool_str(&f->pool, f->provision_directory));
	buf_add_text(into, ",\"external_id\":");
	buf_add_json(into, wish->external_id);
	buf_add_text(into, ",\"groups\":[");
	for (size_t i = 0; i < wish->group_count; i++) {
		if (i)
			buf_add_char(into, ',');
		buf_add_json(into, str_of(wish->groups[i]->name));
	}
	buf_add_char(into, ']');
	put_attrs(into, "held", wish->held, wish->wanted);
	buf_add_text(into, ",\"record\":");
	buf_add_json(into, user == FACTS_NONE ? STR("")
					      : pool_str(&f->pool, f->scim_users.v[user].id));
	put_attrs(into, "wanted", wish->wanted, wish->wanted);
	buf_add_char(into, '}');
}
