#include "reconcile/policy.h"

#include <stdio.h>
#include <strings.h>

#include "model/filter.h"
#include "model/schema.h"
#include "reconcile/policy_keys.h"

/* --- words --- */

static const char *const subject_words[] = { "person", "account", "seat", "orphan", NULL };
static const char *const class_words[] = { "leaver", "absence", "inactive",
					   "orphan", "restore", NULL };
static const char *const match_words[] = { "external-id", "email", NULL };
static const char *const protection_words[] = { "exemption", "service-account", "operator",
						"sole-role", "legal-hold",      "leave",
						NULL };
static const enum path_dialect dialects[] = { PATH_POLICY_PERSON, PATH_POLICY_ACCOUNT,
					      PATH_POLICY_SEAT, PATH_POLICY_ACCOUNT };

const char *rule_subject_word(enum rule_subject subject)
{
	return subject_words[subject];
}

const char *protection_kind_word(enum protection_kind kind)
{
	return (unsigned)kind < PROTECT_KIND_COUNT ? protection_words[kind] : "unknown";
}

static int word_find(const char *const *words, const char *text)
{
	for (int i = 0; text && words[i]; i++)
		if (strcasecmp(words[i], text) == 0)
			return i;
	return -1;
}

/* --- what binding carries along --- */

struct binding {
	struct policy *policy;
	struct conf_faults *faults;
	struct err *err;
	const struct conf_mark *mark; /* of the rule or protection being bound */
	const char *name;             /* its name, for faults */
	enum rule_subject subject;
	bool lost;  /* memory: nothing more makes sense */
	bool wrong; /* a fault in what is being bound */
	bool told;  /* *err holds the first fault of all */
	bool logins_keep;
};

static void fault(struct binding *b, const char *key, const char *format, ...) PRINTF(3, 4);
static void fault(struct binding *b, const char *key, const char *format, ...)
{
	char says[ERR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(says, sizeof(says), format, args);
	va_end(args);
	if (!b->told)
		err_set(b->err, ERR_CONFIG, "policy: %s: %s: %s", b->name, key, says);
	b->wrong = b->told = true;
	if (conf_fault(b->faults, b->mark, key, "%s: %s", b->name, says) == -ERR_NOMEM)
		b->lost = true;
}

/* Lost memory is told apart from a text that is wrong. */
static void fault_from(struct binding *b, const char *key, int r, const struct err *why)
{
	if (r == -ERR_NOMEM)
		b->lost = true;
	else
		fault(b, key, "%s", why->text);
}

static char *keep(struct binding *b, const char *text)
{
	char *copy = text ? str_dup(str_of(text)) : NULL;

	if (text && !copy)
		b->lost = true;
	return copy;
}

/* --- paths to slots --- */

/* Whose attribute a name is. */
enum whose { OF_PERSON, OF_ACCOUNT, OF_SEAT };

/* Attributes that are made of facts: by whose, name and sub-attribute. */
static const struct {
	enum whose whose;
	const char *name, *sub;
	int slot;
} derived[] = {
	{ OF_PERSON, "hr", "status", SLOT_STATUS + SOURCE_HR },
	{ OF_PERSON, "hr", "since", SLOT_SINCE + SOURCE_HR },
	{ OF_PERSON, "directory", "status", SLOT_STATUS + SOURCE_DIRECTORY },
	{ OF_PERSON, "directory", "since", SLOT_SINCE + SOURCE_DIRECTORY },
	{ OF_PERSON, "idp", "status", SLOT_STATUS + SOURCE_IDP },
	{ OF_PERSON, "idp", "since", SLOT_SINCE + SOURCE_IDP },
	{ OF_PERSON, "leaveDate", NULL, SLOT_LEAVE_DATE },
	{ OF_PERSON, "accounts", NULL, SLOT_ACCOUNTS },
	{ OF_ACCOUNT, "accountId", NULL, SLOT_ACCOUNT_ID },
	{ OF_ACCOUNT, "email", NULL, SLOT_ACCOUNT_EMAIL },
	{ OF_ACCOUNT, "name", NULL, SLOT_ACCOUNT_NAME },
	{ OF_ACCOUNT, "accountType", NULL, SLOT_ACCOUNT_TYPE },
	{ OF_ACCOUNT, "accountStatus", NULL, SLOT_ACCOUNT_ACCOUNT_STATUS },
	{ OF_ACCOUNT, "membershipStatus", NULL, SLOT_ACCOUNT_MEMBERSHIP },
	{ OF_ACCOUNT, "status", NULL, SLOT_ACCOUNT_STATUS },
	{ OF_ACCOUNT, "claimStatus", NULL, SLOT_ACCOUNT_CLAIM },
	{ OF_ACCOUNT, "managementSource", NULL, SLOT_ACCOUNT_MANAGEMENT },
	{ OF_ACCOUNT, "addedToOrg", NULL, SLOT_ACCOUNT_ADDED },
	{ OF_ACCOUNT, "lastActive", NULL, SLOT_ACCOUNT_LAST_ACTIVE },
	{ OF_ACCOUNT, "lastLogin", NULL, SLOT_ACCOUNT_LAST_LOGIN },
	{ OF_ACCOUNT, "admin", NULL, SLOT_ACCOUNT_ADMIN },
	{ OF_ACCOUNT, "groups", NULL, SLOT_ACCOUNT_GROUPS },
	{ OF_ACCOUNT, "seats", NULL, SLOT_SEATS },
	{ OF_SEAT, "product", NULL, SLOT_SEAT_PRODUCT },
	{ OF_SEAT, "site", NULL, SLOT_SEAT_SITE },
	{ OF_SEAT, "resource", NULL, SLOT_SEAT_RESOURCE },
	{ OF_SEAT, "lastActive", NULL, SLOT_SEAT_LAST_ACTIVE },
	{ OF_SEAT, "added", NULL, SLOT_SEAT_ADDED },
	{ OF_SEAT, "invited", NULL, SLOT_SEAT_INVITED },
};

static bool same_text(const char *a, const char *b)
{
	return !a || !b ? a == b : strcasecmp(a, b) == 0;
}

static int derived_slot(enum whose whose, const struct path *p)
{
	if (p->urn || !p->name)
		return -1;
	for (size_t i = 0; i < COUNT_OF(derived); i++)
		if (derived[i].whose == whose && same_text(derived[i].name, p->name) &&
		    same_text(derived[i].sub, p->sub))
			return derived[i].slot;
	return -1;
}

static bool in_table(const struct schema_attr *table, const struct schema_attr *attr)
{
	for (; attr && table->name; table++)
		if (table == attr)
			return true;
	return false;
}

static enum whose whose_of(const struct binding *b, const struct path *p)
{
	if (p->owner == PATH_PERSON)
		return OF_PERSON;
	if (p->owner == PATH_ACCOUNT)
		return OF_ACCOUNT;
	switch (b->subject) {
	case SUBJECT_PERSON:
		return OF_PERSON;
	case SUBJECT_SEAT:
		return OF_SEAT;
	case SUBJECT_ACCOUNT:
	case SUBJECT_ORPHAN:
		break;
	}
	return OF_ACCOUNT;
}

static void column_want(struct binding *b, const struct path *p, int *slot)
{
	uint32_t column;

	if (facts_columns_want(&b->policy->columns, p, &column, b->err) < 0)
		b->lost = true;
	else
		*slot = (int)column;
}

/* What account.lastLogin is read from. */
static void last_login_want(struct binding *b)
{
	CLEANUP(path_done) struct path path = { .slot = -1 };
	struct err why;
	int column = 0;
	int r = path_parse(STR("employment.lastLogin"), PATH_POLICY_PERSON, &path, &why);

	if (r < 0)
		fault_from(b, "lastLogin", r, &why);
	else
		column_want(b, &path, &column);
	b->policy->last_login = (uint32_t)column;
}

static void path_bind(struct binding *b, const char *key, enum whose whose, struct path *p)
{
	p->slot = derived_slot(whose, p);
	if (p->slot == SLOT_ACCOUNT_LAST_LOGIN)
		last_login_want(b);
	if (p->slot >= 0)
		return;
	if (whose != OF_PERSON || (!p->urn && in_table(subject_person, p->top))) {
		fault(b, key, "byte %zu: %s%s%s cannot be asked here", p->at,
		      p->name ? p->name : "the schema", p->sub ? "." : "",
		      p->sub ? p->sub : "");
		return;
	}
	column_want(b, p, &p->slot);
}

/* Inside emails[...]: the column of emails.type. */
static void element_bind(struct binding *b, const struct path *part, struct path *p)
{
	struct path whole = { .urn = part->urn,
			      .name = part->name,
			      .sub = p->name,
			      .attr = p->attr,
			      .top = part->top };

	column_want(b, &whole, &p->slot);
}

/* part: the path before the bracket that q stands in, or NULL. */
static void query_bind(struct binding *b, const char *key, struct query *q,
		       const struct path *part)
{
	enum whose whose = whose_of(b, &q->path);

	if (q->kind == QUERY_TEST || q->kind == QUERY_PART) {
		if (part && q->path.owner == PATH_OWN && part->slot == SLOT_SEATS)
			whose = OF_SEAT;
		else if (part && q->path.owner == PATH_OWN && part->slot == SLOT_ACCOUNTS)
			whose = OF_ACCOUNT;
		if (part && q->path.owner == PATH_OWN && part->slot < POLICY_DERIVED)
			element_bind(b, part, &q->path);
		else
			path_bind(b, key, whose, &q->path);
	}
	if (q->kind == QUERY_PART)
		part = &q->path;
	if (q->left)
		query_bind(b, key, q->left, part);
	if (q->right)
		query_bind(b, key, q->right, part);
}

static struct query *when_bind(struct binding *b, const char *key, const char *text)
{
	struct query *q = NULL;
	struct err why;
	int r = filter_parse(str_of(text), dialects[b->subject], &q, &why);

	if (r < 0)
		fault_from(b, key, r, &why);
	else
		query_bind(b, key, q, NULL);
	return q;
}

/* --- one rule --- */

/* "now", PATH, PATH + DURATION. */
static void anchor_bind(struct binding *b, struct rule *rule, const char *text)
{
	struct str path, rest, all = str_trim(str_of(text));
	struct err why;
	int r;

	if (str_eq(all, STR("now")))
		return;
	if (str_cut(all, '+', &path, &rest) &&
	    !str_duration_ms(str_trim(rest), &rule->anchor_ms)) {
		fault(b, "anchor",
		      "found " STR_FMT ", expected a path, '+' and a duration such as 91d",
		      STR_ARG(all));
		return;
	}
	r = path_parse(str_trim(path), dialects[b->subject], &rule->anchor, &why);
	if (r < 0) {
		fault_from(b, "anchor", r, &why);
		return;
	}
	if (!rule->anchor.attr || rule->anchor.attr->multi ||
	    (rule->anchor.attr->type != ATTR_DATETIME &&
	     rule->anchor.attr->type != ATTR_DATE)) {
		fault(b, "anchor", STR_FMT " is no point in time", STR_ARG(str_trim(path)));
		return;
	}
	path_bind(b, "anchor", whose_of(b, &rule->anchor), &rule->anchor);
}

/* Steps as rules call them: where each may stand, and which kind of action it is there. */
enum step_place {
	ON_SEAT = 1,   /* rules for: seat */
	ON_OTHERS = 2, /* the rest */
	ON_RETURN = 4, /* rules of class restore, and nothing else there */
};

static const struct step_row {
	const char *word;
	enum action_kind kind;
	unsigned places;
	bool group; /* names one */
} step_rows[] = {
	{ "warn", ACTION_WARN, ON_SEAT, false },
	{ "free-seat", ACTION_FREE_SEAT, ON_SEAT, false },
	{ "suspend", ACTION_SUSPEND, ON_OTHERS, false },
	{ "deactivate", ACTION_DEACTIVATE, ON_OTHERS, false },
	{ "revoke-tokens", ACTION_REVOKE_TOKENS, ON_OTHERS, false },
	{ "hand-over", ACTION_HAND_OVER, ON_OTHERS, false },
	{ "warn", ACTION_WARN_ACCOUNT, ON_OTHERS, false },
	{ "tag", ACTION_ADD_GROUPS, ON_OTHERS, true },
	{ "remove-group", ACTION_REMOVE_GROUPS, ON_OTHERS, true },
	{ "delete", ACTION_DELETE, ON_OTHERS, false },
	{ "restore", ACTION_RESTORE, ON_RETURN, false },
	{ "enable", ACTION_ENABLE, ON_RETURN, false },
	{ "former-groups", ACTION_ADD_GROUPS, ON_RETURN, false },
};

const char *rule_step_word(const struct rule_step *step)
{
	for (size_t i = 0; i < COUNT_OF(step_rows); i++)
		if (step_rows[i].kind == step->kind &&
		    step_rows[i].group == (step->group != NULL))
			return step_rows[i].word;
	return action_kinds[step->kind].word;
}

static unsigned place_of(const struct rule *rule)
{
	if (rule->subject == SUBJECT_SEAT)
		return ON_SEAT;
	return rule->class == PLAN_RESTORE ? ON_RETURN : ON_OTHERS;
}

static const struct step_row *step_row_of(const struct rule *rule, struct str word)
{
	for (size_t i = 0; i < COUNT_OF(step_rows); i++)
		if ((step_rows[i].places & place_of(rule)) &&
		    str_ieq(word, str_of(step_rows[i].word)))
			return &step_rows[i];
	return NULL;
}

/* Why a step cannot stand there although there is such a thing; NULL. */
static const char *step_why_not(const struct rule *rule, const struct step_row *row,
				struct str word)
{
	if (row && row->kind == ACTION_DELETE &&
	    (rule->class != PLAN_LEAVER || rule->subject != SUBJECT_PERSON))
		return "only a rule for: person of class leaver deletes: who is merely "
		       "absent or idle may come back, and what is deleted does not";
	if (row && row->kind == ACTION_WARN_ACCOUNT && rule->class != PLAN_INACTIVE)
		return "who leaves is never warned: outside seats only rules of class inactive "
		       "warn";
	if (row && row->kind == ACTION_REVOKE_TOKENS &&
	    (rule->class == PLAN_ABSENCE || rule->class == PLAN_INACTIVE))
		return "who is merely absent or idle may come back, and a token that was "
		       "revoked does not: class leaver revokes";
	if (row)
		return NULL;
	if (str_ieq(word, STR("add-groups")) || str_ieq(word, STR("add-group")))
		return "no rule gives access: tag NAME puts the account into a group that "
		       "gives nothing, and what a provisioning directory is told stands in "
		       "groups of the organisation's provision section";
	if (str_ieq(word, STR("remove-groups")))
		return "it is remove-group NAME";
	if (str_ieq(word, STR("warn")) || str_ieq(word, STR("free-seat")))
		return "it is about one seat: a rule for: seat has it";
	for (size_t i = 0; i < COUNT_OF(step_rows); i++)
		if (step_rows[i].places == ON_OTHERS &&
		    str_ieq(word, str_of(step_rows[i].word)))
			return rule->subject == SUBJECT_SEAT
				       ? "it is about the account: a rule for: account has it"
				       : "a rule of class restore only gives back";
	return NULL;
}

static const char *steps_expected(const struct rule *rule)
{
	switch (place_of(rule)) {
	case ON_SEAT:
		return "warn or free-seat";
	case ON_RETURN:
		return "restore, enable or former-groups";
	default:
		return "suspend, deactivate, revoke-tokens, hand-over, tag NAME, "
		       "remove-group NAME, warn or delete";
	}
}

static bool wait_of(struct str text, int64_t *ret)
{
	return str_istarts(text, STR("after ")) &&
	       str_duration_ms(str_trim(str_n(text.p + 6, text.len - 6)), ret);
}

/* "NAME", "NAME after DURATION": a name may have blanks. *rest is what stands after it. */
static struct str group_cut(struct str text, struct str *rest)
{
	for (size_t i = text.len; i-- > 1;) {
		struct str tail = str_n(text.p + i, text.len - i);
		int64_t ms;

		if (text.p[i - 1] != ' ' || !wait_of(tail, &ms))
			continue;
		*rest = tail;
		return str_trim(str_n(text.p, i - 1));
	}
	*rest = wait_of(text, &(int64_t){ 0 }) ? text : STR("");
	return rest->len ? STR("") : text;
}

/* The place of a step among the others. */
static void step_order(struct binding *b, struct rule *rule, const struct rule_step *step,
		       struct str text)
{
	bool off = false;

	if (rule->step_count && step->after_ms < rule->steps[rule->step_count - 1].after_ms)
		fault(b, "then", STR_FMT " comes before the step above it", STR_ARG(text));
	for (size_t i = 0; i < rule->step_count; i++) {
		const struct rule_step *other = &rule->steps[i];

		off = off ||
		      (other->kind == ACTION_DEACTIVATE && other->after_ms < step->after_ms);
		if (other->kind == step->kind &&
		    (!step->group || str_ieq(str_of(other->group), str_of(step->group))))
			fault(b, "then", "%s%s%s stands there twice", rule_step_word(step),
			      step->group ? " " : "", step->group ? step->group : "");
	}
	if (step->kind == ACTION_DELETE && !off)
		fault(b, "then",
		      "delete stands there without deactivate above it, and before it: what is "
		      "deleted was off for a while");
}

/* "KIND", "KIND after DURATION", "KIND GROUP after DURATION". */
static void step_bind(struct binding *b, struct rule *rule, const char *text)
{
	struct str word, rest = STR(""), group = STR(""), all = str_trim(str_of(text));
	bool more = str_cut(all, ' ', &word, &rest);
	const struct step_row *row = step_row_of(rule, word);
	const char *why = step_why_not(rule, row, word);
	struct rule_step step = { 0 };

	if (!row || why) {
		fault(b, "then", "found " STR_FMT "%s%s%s, expected %s", STR_ARG(all),
		      why ? " (" : "", why ? why : "", why ? ")" : "", steps_expected(rule));
		return;
	}
	step.kind = row->kind;
	rest = more ? str_trim(rest) : STR("");
	if (row->group) {
		group = group_cut(rest, &rest);
		if (!group.len) {
			fault(b, "then",
			      "found " STR_FMT ", expected the name of a group: %s NAME",
			      STR_ARG(all), row->word);
			return;
		}
	}
	if (rest.len && !wait_of(rest, &step.after_ms)) {
		fault(b, "then",
		      "found " STR_FMT ", expected a step such as deactivate after 7d",
		      STR_ARG(all));
		return;
	}
	if (rule->step_count == POLICY_MAX_STEPS) {
		fault(b, "then", "more than %d steps", POLICY_MAX_STEPS);
		return;
	}
	if (group.len) {
		step.group = str_dup(group);
		b->lost = b->lost || !step.group;
	}
	step_order(b, rule, &step, all);
	rule->steps[rule->step_count++] = step;
}

/* What the file or the shipped rule says, whichever stands. */
struct stated {
	const char *name, *subject, *when, *anchor, *class, *pilot, *limit;
	const char *const *then;
	size_t then_count;
	bool settle, automatic;
};

#define RULE_LIMIT_MS (7 * STAMP_DAY_MS) /* what was done longer ago is not in the facts */

static struct str word_next(struct str *rest)
{
	struct str word, tail = { 0 };

	str_cut(str_trim(*rest), ' ', &word, &tail);
	*rest = tail;
	return word;
}

/* "2 %" or "2%", and what stands behind it. */
static bool percent_next(struct str *rest, double *ret)
{
	struct str word = word_next(rest);
	bool sign = str_ends(word, STR("%"));
	char text[16], *end;

	word.len -= sign;
	if (!sign && !str_eq(word_next(rest), STR("%")))
		return false;
	if (!word.len || word.len >= sizeof(text) || word.p[0] < '0' || word.p[0] > '9')
		return false;
	memcpy(text, word.p, word.len);
	text[word.len] = '\0';
	*ret = strtod(text, &end) / 100;
	return !*end && *ret <= 1;
}

/* "5 in 24h", "5 or 2 % in 7d". */
static bool rule_limit_read(struct str text, struct rule *rule)
{
	uint64_t count;
	double share = 0;
	struct str word;

	if (!str_uint64(word_next(&text), &count) || count > 1000000)
		return false;
	word = word_next(&text);
	if (str_eq(word, STR("or"))) {
		if (!percent_next(&text, &share))
			return false;
		word = word_next(&text);
	}
	if (!str_eq(word, STR("in")) || !str_duration_ms(str_trim(text), &rule->limit_ms))
		return false;
	rule->limit = (struct policy_limit_conf){ (int64_t)count, share };
	return rule->limit_ms >= STAMP_MINUTE_MS && rule->limit_ms <= RULE_LIMIT_MS;
}

static void rule_limit_bind(struct binding *b, struct rule *rule, const char *text)
{
	if (!rule_limit_read(str_of(text), rule))
		fault(b, "limit",
		      "found %s, expected such as 5 in 24h, or 5 or 2 %% in 7d (1min to 7d)",
		      text);
	else if (rule->class == PLAN_RESTORE)
		fault(b, "limit", "what gives back is held by no limit");
}

static void rule_bind(struct binding *b, const struct stated *s)
{
	struct policy *p = b->policy;
	struct rule *rule = &p->rules[p->rule_count];
	int subject = word_find(subject_words, s->subject);
	int class = word_find(class_words, s->class);

	if (subject < 0)
		fault(b, "for", "found %s, expected person, account, seat or orphan",
		      s->subject ? s->subject : "nothing");
	if (class < 0)
		fault(b, "class",
		      "found %s, expected leaver, absence, inactive, orphan or restore",
		      s->class ? s->class : "nothing");
	if (s->then_count == 0)
		fault(b, "then", "found nothing, expected at least one step");
	if (p->rule_count == POLICY_MAX_RULES)
		fault(b, "name", "more than %d rules", POLICY_MAX_RULES);
	if (s->name && (strcmp(s->name, ORDER_BLOCK) == 0 || strcmp(s->name, ORDER_UNDO) == 0 ||
			strcmp(s->name, ORDER_BULK) == 0))
		fault(b, "name",
		      "%s stands for what people order; call the rule something else", s->name);
	if (b->wrong || b->lost || subject < 0 || class < 0)
		return;
	*rule = (struct rule){ .subject = (enum rule_subject)subject,
			       .class = (enum plan_class) class,
			       .anchor = { .slot = -1 },
			       .settle = s->settle,
			       .automatic = s->automatic,
			       .order = (unsigned)p->rule_count };
	p->rule_count++;
	b->subject = rule->subject;
	rule->name = keep(b, s->name);
	rule->when_text = keep(b, s->when);
	if (s->when)
		rule->when = when_bind(b, "when", s->when);
	else if (rule->subject != SUBJECT_ORPHAN)
		fault(b, "when", "found nothing, expected a filter");
	if (s->pilot)
		rule->pilot = when_bind(b, "pilot", s->pilot);
	anchor_bind(b, rule, s->anchor ? s->anchor : "now");
	if (s->limit)
		rule_limit_bind(b, rule, s->limit);
	for (size_t i = 0; i < s->then_count; i++)
		step_bind(b, rule, s->then[i]);
	if ((rule->class == PLAN_ORPHAN) != (rule->subject == SUBJECT_ORPHAN))
		fault(b, "class", "orphan rules and only they count as orphan");
	if (rule->class == PLAN_RESTORE && rule->subject == SUBJECT_SEAT)
		fault(b, "class", "a rule about seats gives nothing back: leaverd undo does");
	if (rule->class == PLAN_ORPHAN && rule->automatic)
		fault(b, "automatic", "what is done to orphans is never automatic");
}

static const struct policy_rule_conf *rule_of_file(const struct policy_conf *conf,
						   const char *name)
{
	const struct policy_rule_conf *v = conf->rules.v;

	for (size_t i = 0; i < conf->rules.n; i++)
		if (v[i].name && strcmp(v[i].name, name) == 0)
			return &v[i];
	return NULL;
}

static bool stated_bool(int stated, bool shipped)
{
	return stated == STATED_NOT ? shipped : stated == STATED_TRUE;
}

/* A rule of the file over a shipped one (or over nothing). */
static struct stated stated_of(const struct shipped_rule *shipped,
			       const struct policy_rule_conf *conf)
{
	static const struct shipped_rule nothing;
	const struct shipped_rule *base = shipped ? shipped : &nothing;
	struct stated s = { .name = base->name,
			    .subject = base->subject,
			    .when = base->when,
			    .anchor = base->anchor,
			    .class = base->class,
			    .then = base->then,
			    .settle = base->settle,
			    .automatic = base->automatic };

	while (s.then_count < POLICY_MAX_STEPS && base->then[s.then_count])
		s.then_count++;
	if (!conf)
		return s;
	s.name = conf->name;
	s.subject = conf->subject ? conf->subject : s.subject;
	s.when = conf->when ? conf->when : s.when;
	s.anchor = conf->anchor ? conf->anchor : s.anchor;
	s.class = conf->class ? conf->class : s.class;
	s.pilot = conf->pilot;
	s.limit = conf->limit;
	if (conf->then.n) {
		s.then = (const char *const *)conf->then.v;
		s.then_count = conf->then.n;
	}
	s.settle = stated_bool(conf->settle, s.settle);
	s.automatic = stated_bool(conf->automatic, s.automatic);
	return s;
}

static void one_rule(struct binding *b, const struct shipped_rule *shipped,
		     const struct policy_rule_conf *conf)
{
	struct stated s = stated_of(shipped, conf);
	CLEANUP(free_at) char *kept = NULL;
	bool wrong = b->wrong;

	if (conf && conf->off)
		return;
	b->mark = conf ? &conf->mark : NULL;
	b->name = s.name;
	b->wrong = false; /* so that a fault in one rule does not hide those of the next */
	/* of a shipped rule as it is: who wrote another says himself what keeps */
	if (b->logins_keep && shipped && shipped->kept_when && s.when == shipped->when) {
		if (asprintf(&kept, "(%s) and not (%s)", s.when, shipped->kept_when) < 0) {
			kept = NULL;
			b->lost = true;
			return;
		}
		s.when = kept;
	}
	rule_bind(b, &s);
	b->wrong = b->wrong || wrong;
}

/* Who wrote a rule that gives back says himself what comes back, and when. */
static bool gives_back_itself(const struct policy_conf *conf, const struct shipped_rule *s)
{
	const struct policy_rule_conf *v = conf->rules.v;

	for (size_t i = 0; i < conf->rules.n; i++)
		if (!v[i].off && word_find(class_words, v[i].class) == PLAN_RESTORE &&
		    v[i].name && strcmp(v[i].name, s->name) != 0)
			return word_find(class_words, s->class) == PLAN_RESTORE;
	return false;
}

static void rules_bind(struct binding *b, const struct policy_conf *conf)
{
	const struct policy_rule_conf *v = conf->rules.v;

	b->logins_keep = conf->logins_keep;
	for (const struct shipped_rule *s = shipped_rules; conf->shipped && s->name; s++)
		if (!b->lost && !gives_back_itself(conf, s))
			one_rule(b, s, rule_of_file(conf, s->name));
	for (size_t i = 0; i < conf->rules.n && !b->lost; i++) {
		const struct shipped_rule *s = shipped_rules;

		while (s->name && strcmp(s->name, v[i].name) != 0)
			s++;
		if (!conf->shipped || !s->name)
			one_rule(b, s->name ? s : NULL, &v[i]);
	}
}

/* --- matching, protections, limits, hours --- */

static void match_bind(struct binding *b, const struct policy_conf *conf)
{
	const struct policy_match_conf *v = conf->match.n ? conf->match.v : shipped_match;
	size_t n = conf->match.n ? conf->match.n : shipped_match_count;
	struct policy *p = b->policy;

	p->match = calloc(n + 1, sizeof(*p->match));
	if (!p->match) {
		b->lost = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		int on = word_find(match_words, v[i].on);

		b->mark = &v[i].mark;
		b->name = v[i].name;
		if (on < 0)
			fault(b, "on", "found %s, expected external-id or email", v[i].on);
		p->match[i] = (struct match_rule){ keep(b, v[i].name), (enum match_on)on,
						   keep(b, v[i].source) };
		p->match_count = i + 1;
	}
}

static void protection_bind(struct binding *b, const struct policy_protection_conf *conf,
			    struct policy_protection *ret)
{
	int subject = word_find(subject_words, conf->subject);
	int kind = word_find(protection_words, conf->kind);
	int64_t date;

	b->mark = &conf->mark;
	b->name = conf->name;
	ret->until_ms = FACT_ABSENT;
	if (subject != SUBJECT_PERSON && subject != SUBJECT_ACCOUNT) {
		fault(b, "for", "found %s, expected person or account", conf->subject);
		return;
	}
	if (kind < 0) {
		fault(b, "kind",
		      "found %s, expected exemption, service-account, operator, sole-role, "
		      "leave or legal-hold",
		      conf->kind);
		return;
	}
	ret->subject = b->subject = (enum rule_subject)subject;
	ret->kind = (enum protection_kind)kind;
	ret->name = keep(b, conf->name);
	ret->rule = keep(b, conf->rule);
	ret->owner = keep(b, conf->owner);
	ret->reason = keep(b, conf->reason);
	ret->when = when_bind(b, "when", conf->when);
	if (!conf->until)
		return;
	if (stamp_parse_date(str_of(conf->until), &date))
		ret->until_ms = date + STAMP_DAY_MS;
	else
		fault(b, "until", "found %s, expected a date such as 2027-03-31", conf->until);
}

static void protections_bind(struct binding *b, const struct policy_conf *conf)
{
	const struct policy_protection_conf *v = conf->protections.v;
	struct policy *p = b->policy;

	p->protections = calloc(conf->protections.n + 1, sizeof(*p->protections));
	if (!p->protections) {
		b->lost = true;
		return;
	}
	for (size_t i = 0; i < conf->protections.n && !b->lost; i++) {
		p->protection_count = i + 1;
		protection_bind(b, &v[i], &p->protections[i]);
		if (v[i].rule && !policy_rule(p, str_of(v[i].rule)))
			fault(b, "rule", "there is no rule %s", v[i].rule);
	}
}

static int date_cmp(const void *pa, const void *pb)
{
	int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;

	return a < b ? -1 : a > b;
}

static void freezes_bind(struct binding *b, const struct conf_list *list)
{
	struct policy *p = b->policy;

	b->name = "change_hours";
	p->freezes = calloc(list->n + 1, sizeof(*p->freezes));
	if (!p->freezes) {
		b->lost = true;
		return;
	}
	for (size_t i = 0; i < list->n; i++)
		if (calendar_freeze_of(str_of(list->v[i]), &p->freezes[p->freeze_count]))
			p->freeze_count++;
		else
			fault(b, "freeze",
			      "found %s, expected days such as 2026-12-20..2027-01-06",
			      list->v[i]);
}

static void leave_bind(struct binding *b, const struct policy_conf *conf)
{
	b->mark = &conf->mark;
	b->name = "leave_time";
	b->policy->leave_date = (enum policy_leave_date)conf->leave_date;
	if (!calendar_day_minute(str_of(conf->leave_time), &b->policy->leave_minute))
		fault(b, "leave_time", "found %s, expected a time such as 17:00, or 24:00",
		      conf->leave_time);
}

static void hours_bind(struct binding *b, const struct policy_conf *conf)
{
	struct policy *p = b->policy;
	const char *from = conf->change_hours.quiet_from,
		   *until = conf->change_hours.quiet_until;

	b->mark = &conf->mark;
	b->name = "change_hours";
	p->quiet = conf->change_hours.on;
	if (!calendar_week_minute(str_of(from), &p->quiet_from))
		fault(b, "quiet_from", "found %s, expected a time such as Fri 15:00", from);
	if (!calendar_week_minute(str_of(until), &p->quiet_until))
		fault(b, "quiet_until", "found %s, expected a time such as Mon 07:00", until);

	b->name = "holidays";
	p->business_days = conf->business_days;
	p->holidays = calloc(conf->holidays.n + 1, sizeof(*p->holidays));
	if (!p->holidays) {
		b->lost = true;
		return;
	}
	for (size_t i = 0; i < conf->holidays.n; i++)
		if (stamp_parse_date(str_of(conf->holidays.v[i]), &p->holidays[i]))
			p->holiday_count = i + 1;
		else
			fault(b, "holidays", "found %s, expected a date such as 2026-12-25",
			      conf->holidays.v[i]);
	qsort(p->holidays, p->holiday_count, sizeof(*p->holidays), date_cmp);
	freezes_bind(b, &conf->change_hours.freeze);
}

static void limits_bind(struct policy *p, const struct policy_limits_conf *conf)
{
	p->limits[LIMIT_LEAVERS_DAY] = conf->leavers_day;
	p->limits[LIMIT_LEAVERS_WEEK] = conf->leavers_week;
	p->limits[LIMIT_ABSENCE_DAY] = conf->absence_day;
	p->limits[LIMIT_ORPHANS_WEEK] = conf->orphans_week;
	p->limits[LIMIT_INACTIVE_WEEK] = conf->inactive_week;
	p->limits[LIMIT_PUSH_HOUR] = conf->push_hour;
	p->limits[LIMIT_PROVISION_DAY] = conf->provision_day;
	p->limits[LIMIT_ASKED_DAY] = conf->asked_day;
	p->limits[LIMIT_PLAN] = conf->plan;
	p->run_time_ms = conf->run_time_ms;
}

/* --- the columns that are always needed --- */

static const char *const fixed_paths[COL_COUNT] = {
	[COL_USER_NAME] = "userName",
	[COL_DISPLAY_NAME] = "displayName",
	[COL_EMAIL] = "emails.value",
	[COL_EMPLOYEE_NUMBER] = "enterprise.employeeNumber",
	[COL_PERSON_ID] = "employment.personId",
	[COL_START_DATE] = "employment.startDate",
	[COL_LAST_WORKING_DAY] = "employment.lastWorkingDay",
	[COL_TERMINATION_DATE] = "employment.terminationDate",
	[COL_TIME_ZONE] = "employment.timeZone",
	[COL_USER_ZONE] = "timezone",
	[COL_LEAVE_FROM] = "employment.leave.from",
	[COL_LEAVE_UNTIL] = "employment.leave.until",
	[COL_LEGAL_HOLD] = "employment.legalHold",
	[COL_IMMEDIATE] = "employment.immediate",
	[COL_MANAGER] = "enterprise.manager.value",
};

static void fixed_bind(struct binding *b)
{
	b->name = "columns";
	for (size_t i = 0; i < COL_COUNT && !b->lost; i++) {
		CLEANUP(path_done) struct path path = { .slot = -1 };
		struct err why;
		int slot = 0, r;

		r = path_parse(str_of(fixed_paths[i]), PATH_POLICY_PERSON, &path, &why);
		if (r < 0)
			fault_from(b, fixed_paths[i], r, &why);
		else
			column_want(b, &path, &slot);
		b->policy->fixed[i] = (uint32_t)slot;
	}
}

/* --- provisioning --- */

static const char *const provision_rules[PROVISION_RULE_COUNT] = {
	[PROVISION_JOINER] = "provision-joiner",
	[PROVISION_RETURN] = "provision-return",
	[PROVISION_DRIFT] = "provision-update",
	[PROVISION_GROUPS] = "provision-groups",
};

/* What is sent and compared: only where somebody is provisioned, so that nobody else pays. */
static void provision_columns_bind(struct binding *b)
{
	struct policy *p = b->policy;

	b->name = "provisioning";
	for (int i = 0; i <= PROVISION_ATTR_COUNT && !b->lost; i++) {
		CLEANUP(path_done) struct path path = { .slot = -1 };
		const char *from =
			i < PROVISION_ATTR_COUNT ? provision_attrs[i].from : "emails.primary";
		uint32_t *to =
			i < PROVISION_ATTR_COUNT ? &p->provision_columns[i] : &p->email_primary;
		struct err why;
		int slot = 0, r;

		*to = FACTS_NONE;
		if (!from)
			continue;
		r = path_parse(str_of(from), PATH_POLICY_PERSON, &path, &why);
		if (r < 0) {
			fault_from(b, from, r, &why);
			continue;
		}
		column_want(b, &path, &slot);
		*to = (uint32_t)slot;
	}
}

static void provision_rules_bind(struct binding *b, const struct policy_provision_conf *conf,
				 struct policy_provision *ret)
{
	for (unsigned i = 0; i < PROVISION_RULE_COUNT; i++)
		ret->rules[i] = (struct rule){
			.name = keep(b, provision_rules[i]),
			.subject = SUBJECT_PERSON,
			.class = PLAN_PROVISION,
			.when = ret->scope,
			/* whoever was off is given back by people alone */
			.automatic = conf->automatic && i != PROVISION_RETURN,
			.order = POLICY_MAX_RULES + i,
		};
}

static void provision_bind(struct binding *b, const struct policy_provision_conf *conf,
			   struct policy_provision *ret)
{
	b->mark = &conf->mark;
	b->name = "provisioning";
	b->subject = SUBJECT_PERSON;
	ret->org = keep(b, conf->org);
	ret->issuer = keep(b, conf->issuer);
	ret->preboard_ms = conf->preboard_ms;
	ret->scope = conf->scope ? when_bind(b, "scope", conf->scope) : NULL;
	provision_rules_bind(b, conf, ret);
	ret->groups = calloc(conf->group_count + 1, sizeof(*ret->groups));
	if (!ret->groups)
		b->lost = true;
	for (size_t i = 0; i < conf->group_count && !b->lost; i++) {
		b->mark = &conf->groups[i].mark;
		b->name = conf->groups[i].name;
		ret->group_count = i + 1;
		ret->groups[i].name = keep(b, conf->groups[i].name);
		ret->groups[i].overlap_ms = conf->groups[i].overlap_ms;
		ret->groups[i].when = when_bind(b, "when", conf->groups[i].when);
		for (size_t k = 0; k < i; k++)
			if (ret->groups[i].name && ret->groups[k].name &&
			    strcasecmp(ret->groups[i].name, ret->groups[k].name) == 0)
				fault(b, "name", "the group stands there twice");
	}
}

static void provisions_bind(struct binding *b, const struct policy_conf *conf)
{
	struct policy *p = b->policy;

	if (!conf->provision_count)
		return;
	provision_columns_bind(b);
	p->provisions = calloc(conf->provision_count, sizeof(*p->provisions));
	if (!p->provisions)
		b->lost = true;
	for (size_t i = 0; i < conf->provision_count && !b->lost; i++) {
		p->provision_count = i + 1;
		provision_bind(b, &conf->provision[i], &p->provisions[i]);
	}
}

static void provisions_free(struct policy *p)
{
	for (size_t i = 0; i < p->provision_count; i++) {
		struct policy_provision *v = &p->provisions[i];

		free(v->org);
		free(v->issuer);
		query_free(v->scope);
		for (size_t k = 0; k < PROVISION_RULE_COUNT; k++)
			free(v->rules[k].name);
		for (size_t k = 0; k < v->group_count; k++) {
			free(v->groups[k].name);
			query_free(v->groups[k].when);
		}
		free(v->groups);
	}
	free(p->provisions);
}

const struct policy_provision *policy_provision(const struct policy *p, struct str org)
{
	for (size_t i = 0; i < p->provision_count; i++)
		if (str_eq(str_of(p->provisions[i].org), org))
			return &p->provisions[i];
	return NULL;
}

/* --- the whole --- */

static int bind(const struct policy_conf *conf, struct conf_faults *faults, struct policy **ret,
		struct err *err)
{
	CLEANUP(policy_free_at) struct policy *p = calloc(1, sizeof(*p));
	struct binding b = { .policy = p, .faults = faults, .err = err };

	if (!p)
		return err_nomem(err);
	fixed_bind(&b);
	rules_bind(&b, conf);
	if (!b.lost)
		provisions_bind(&b, conf);
	if (!b.lost)
		match_bind(&b, conf);
	if (!b.lost)
		protections_bind(&b, conf);
	if (!b.lost)
		hours_bind(&b, conf);
	if (!b.lost)
		leave_bind(&b, conf);
	if (b.lost)
		return err_nomem(err);
	if (b.wrong)
		return -ERR_CONFIG;
	limits_bind(p, &conf->limits);
	p->settle_ms = conf->settle_ms;
	p->hand_approval_ms = conf->hand_approval_ms;
	p->first_match = conf->evaluate == EVALUATE_FIRST;
	p->flapping = (unsigned)conf->flapping;
	*ret = TAKE(p);
	return 0;
}

int policy_bind(const struct policy_conf *conf, struct conf_faults *faults, struct policy **ret,
		struct err *err)
{
	struct policy_conf shipped = { 0 };
	struct conf_faults none = { 0 };
	int r;

	if (conf)
		return bind(conf, faults ? faults : &none, ret, err);
	r = conf_read_text("the shipped policy", STR("{}\n"), policy_keys, &shipped, &none,
			   err);
	if (r == 0)
		r = bind(&shipped, &none, ret, err);
	conf_free(policy_keys, &shipped);
	conf_faults_free(&none);
	return r;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->rule_count; i++) {
		free(p->rules[i].name);
		free(p->rules[i].when_text);
		query_free(p->rules[i].when);
		query_free(p->rules[i].pilot);
		path_done(&p->rules[i].anchor);
		for (size_t k = 0; k < p->rules[i].step_count; k++)
			free(p->rules[i].steps[k].group);
	}
	for (size_t i = 0; i < p->match_count; i++) {
		free(p->match[i].name);
		free(p->match[i].source);
	}
	free(p->match);
	for (size_t i = 0; i < p->protection_count; i++) {
		free(p->protections[i].name);
		free(p->protections[i].rule);
		free(p->protections[i].owner);
		free(p->protections[i].reason);
		query_free(p->protections[i].when);
	}
	free(p->protections);
	free(p->holidays);
	free(p->freezes);
	provisions_free(p);
	facts_columns_free(&p->columns);
	free(p);
}

const struct rule *policy_rule(const struct policy *p, struct str name)
{
	for (size_t i = 0; i < p->rule_count; i++)
		if (str_eq(str_of(p->rules[i].name), name))
			return &p->rules[i];
	for (size_t i = 0; p->provision_count && i < PROVISION_RULE_COUNT; i++)
		if (str_eq(str_of(p->provisions[0].rules[i].name), name))
			return &p->provisions[0].rules[i];
	return NULL;
}

void policy_each_path(const struct policy *p,
		      void (*fn)(void *ctx, const struct facts_column *column), void *ctx)
{
	for (size_t i = 0; i < p->columns.n; i++)
		fn(ctx, &p->columns.v[i]);
}

int policy_show_shipped(struct buf *into, struct err *err)
{
	for (const struct shipped_rule *s = shipped_rules; s->name; s++) {
		buf_addf(into, "- name: %s\n  for: %s\n  class: %s\n", s->name, s->subject,
			 s->class);
		if (s->when)
			buf_addf(into, "  when: '%s'\n", s->when);
		buf_addf(into, "  anchor: %s\n  then:", s->anchor);
		for (size_t i = 0; s->then[i]; i++)
			buf_addf(into, "%s%s", i ? ", " : " [", s->then[i]);
		buf_addf(into, "]\n  settle: %s\n  automatic: %s\n",
			 s->settle ? "true" : "false", s->automatic ? "true" : "false");
	}
	return buf_fault(into, err, "the shipped rules");
}
