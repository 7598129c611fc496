#include "reconcile/policy_cases.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "model/schema.h"
#include "reconcile/reconcile.h"

/* --- the file --- */

/* clang-format off */
#define ROW(n, t, st, f, ...) { .name = (n), .type = (t), .offset = offsetof(struct st, f), __VA_ARGS__ }

static const struct conf_key person_keys[] = {
	ROW("name", CONF_TEXT, policy_person_conf, name, .preset = "!", .least = 1, .most = 64,
	    .help = "what the case calls the person, and the account"),
	ROW("hr", CONF_MAP, policy_person_conf, hr,
	    .help = "the record of HR: attributes, status, since; left out: there is none"),
	ROW("directory", CONF_MAP, policy_person_conf, directory,
	    .help = "the record of the directory"),
	ROW("idp", CONF_MAP, policy_person_conf, idp,
	    .help = "the record of the identity provider"),
	ROW("account", CONF_MAP, policy_person_conf, account,
	    .help = "what differs from an active, managed, adopted account that nobody doubts"),
	ROW("seats", CONF_LIST, policy_person_conf, seats, .least = 0, .most = 20,
	    .help = "products, with last and added: jira last 2025-08-01 added 2025-01-01"),
	ROW("did", CONF_LIST, policy_person_conf, did, .least = 0, .most = 20,
	    .help = "steps that were done: warn jira by inactive-jira at 2026-02-10"),
	{ 0 }
};

static const struct conf_key case_keys[] = {
	ROW("name", CONF_TEXT, policy_case_conf, name, .preset = "!", .least = 1, .most = 200,
	    .help = "what it is about, in a few words"),
	ROW("at", CONF_TEXT, policy_case_conf, at, .preset = "!",
	    .help = "the hour at which it is judged, such as 2026-03-02T09:00:00Z"),
	ROW("zone", CONF_TEXT, policy_case_conf, zone, .preset = "UTC",
	    .help = "the instance's zone"),
	ROW("doubts", CONF_MAP, policy_case_conf, doubts,
	    .help = "what is wrong with a source's newest read: incomplete, implausible, stale, schema, canary"),
	ROW("people", CONF_ITEMS, policy_case_conf, people, .sub = person_keys,
	    .sub_size = sizeof(struct policy_person_conf), .least = 0, .most = POLICY_CASE_PEOPLE_MOST,
	    .help = "who there is"),
	ROW("must", CONF_LIST, policy_case_conf, must, .least = 0, .most = 200,
	    .help = "planned, and nothing holds it: suspend ada by leaver-hr"),
	ROW("held", CONF_LIST, policy_case_conf, held, .least = 0, .most = 200,
	    .help = "planned and held: suspend bob by leaver-hr: admin"),
	ROW("must_not", CONF_LIST, policy_case_conf, must_not, .least = 0, .most = 200,
	    .help = "not planned: cid, deactivate ada, ada/jira"),
	{ 0 }
};

const struct conf_key policy_cases_keys[] = {
	ROW("cases", CONF_ITEMS, policy_cases, cases, .sub = case_keys,
	    .sub_size = sizeof(struct policy_case_conf), .least = 0, .most = POLICY_CASES_MOST,
	    .help = "cases, each judged by itself"),
	{ 0 }
};
/* clang-format on */

/* --- one case being judged --- */

struct trying {
	const struct policy_case_conf *conf;
	const struct policy *p;
	struct conf_faults *faults;
	struct err *err;
	struct facts *f;
	struct reconcile_result *result;
	int64_t now_ms;
	bool wrong; /* a fault in this case */
	bool lost;
};

static void fault(struct trying *t, const struct conf_mark *mark, const char *key,
		  const char *format, ...) PRINTF(4, 5);
static void fault(struct trying *t, const struct conf_mark *mark, const char *key,
		  const char *format, ...)
{
	char says[ERR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(says, sizeof(says), format, args);
	va_end(args);
	t->wrong = true;
	if (conf_fault(t->faults, mark, key, "%s", says) == -ERR_NOMEM)
		t->lost = true;
}

/* A fault of the builder is lost memory, or a text that does not fit. */
static bool built(struct trying *t, const struct conf_mark *mark, const char *key, int r,
		  const struct err *why)
{
	if (r == -ERR_NOMEM)
		t->lost = true;
	else if (r < 0)
		fault(t, mark, key, "%s", why->text);
	return r >= 0;
}

static bool time_of(const char *text, int64_t *ret)
{
	if (strcmp(text, "?") == 0)
		*ret = FACT_UNKNOWN;
	else if (strcmp(text, "never") == 0)
		*ret = FACT_ABSENT;
	else
		return stamp_parse(str_of(text), ret) || stamp_parse_date(str_of(text), ret);
	return true;
}

static int word_of(const char *text, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (strcasecmp(words[i], text) == 0)
			return i;
	return -1;
}

/* --- sources and records --- */

static const char *const role_words[] = { "hr", "directory", "idp", NULL };
static const char *const state_words[] = { "?", "active", "disabled", "gone", "ended", NULL };
static const char *const doubt_words[] = { "incomplete", "implausible", "stale", "schema",
					   "canary",     "identity",    NULL };

static void sources_add(struct trying *t)
{
	struct err why;

	for (int i = 0; i < SOURCE_ROLE_COUNT; i++) {
		struct facts_source in = { .name = str_of(role_words[i]),
					   .role = (enum source_role)i,
					   .kind = i == SOURCE_IDP ? SOURCE_PUSH : SOURCE_PULL,
					   .ready = true,
					   .accepted = true };
		uint32_t row;

		for (size_t d = 0; d < t->conf->doubts.n; d++) {
			const struct conf_pair *pair = &t->conf->doubts.v[d];
			int doubt = word_of(pair->value, doubt_words);

			if (strcmp(pair->key, role_words[i]) != 0)
				continue;
			if (doubt < 0)
				fault(t, &t->conf->mark, "doubts",
				      "found %s, expected incomplete, implausible, stale, "
				      "schema, canary or identity",
				      pair->value);
			else
				in.doubts |= 1u << doubt;
			in.accepted = false;
		}
		(void)built(t, &t->conf->mark, "doubts",
			    facts_add_source(t->f, &in, &row, &why), &why);
	}
	for (size_t d = 0; d < t->conf->doubts.n; d++)
		if (word_of(t->conf->doubts.v[d].key, role_words) < 0)
			fault(t, &t->conf->mark, "doubts",
			      "found %s, expected hr, directory or idp",
			      t->conf->doubts.v[d].key);
}

/* One attribute of a record. */
static void cell_set(struct trying *t, const struct conf_mark *mark, const char *key,
		     uint32_t record, const struct conf_pair *pair)
{
	CLEANUP(path_done) struct path path = { .slot = -1 };
	CLEANUP(buf_done) struct buf text;
	struct str items[32], rest = str_of(pair->value);
	const struct facts_column *c;
	size_t n = 0;
	uint32_t column;
	int64_t ms;
	struct err why;
	int r;

	buf_init(&text, 4096);
	r = path_parse(str_of(pair->key), PATH_POLICY_PERSON, &path, &why);
	if (!built(t, mark, key, r, &why))
		return;
	path_text(&path, &text);
	column = facts_columns_find(&t->f->columns, buf_str(&text));
	if (column == FACTS_NONE)
		return; /* the policy does not ask for it */
	c = &t->f->columns.v[column];
	if (strcmp(pair->value, "?") == 0) {
		t->f->cells[column].v[record] = FRAME_UNKNOWN;
		return;
	}
	if (c->multi) {
		while (rest.len && n < COUNT_OF(items))
			str_cut(rest, ',', &items[n++], &rest);
		r = facts_set_list(t->f, record, column, items, n, &why);
	} else if (c->type == COLUMN_TEXT) {
		r = facts_set_text(t->f, record, column, str_of(pair->value), &why);
	} else if (c->type == COLUMN_BOOL) {
		r = facts_set_number(t->f, record, column, strcasecmp(pair->value, "true") == 0,
				     &why);
	} else if (c->type == COLUMN_INT && str_int64(str_of(pair->value), &ms)) {
		r = facts_set_number(t->f, record, column, ms, &why);
	} else if (time_of(pair->value, &ms) && ms > 0) {
		r = facts_set_number(t->f, record, column, ms, &why);
	} else {
		fault(t, mark, key, "%s: found %s, expected a date or a time", pair->key,
		      pair->value);
		return;
	}
	(void)built(t, mark, key, r, &why);
}

/* Elements are there for emails[...] too, as projecting a document leaves them. */
static void elements_set(struct trying *t, const struct conf_mark *mark, const char *key,
			 uint32_t record, const struct conf_pair *pair)
{
	struct str attribute, sub, item, rest = str_of(pair->value);
	uint32_t column, cells[32];
	size_t n = 0;
	struct err why;

	if (!str_cut(str_of(pair->key), '.', &attribute, &sub))
		return;
	column = facts_columns_find(&t->f->columns, attribute);
	if (column == FACTS_NONE || !t->f->columns.v[column].multi)
		return;
	while (rest.len && n < COUNT_OF(cells)) {
		str_cut(rest, ',', &item, &rest);
		if (!built(t, mark, key, facts_number_cell(t->f, 1, &cells[n++], &why), &why))
			return;
	}
	(void)built(t, mark, key, facts_set_cells(t->f, record, column, cells, n, &why), &why);
}

static void record_add(struct trying *t, const struct policy_person_conf *person,
		       uint64_t number, int role, const struct conf_pairs *says)
{
	char key[32];
	struct facts_record in = { .source = (uint32_t)role,
				   .person = number,
				   .state = RECORD_ACTIVE,
				   .since_ms = t->now_ms - STAMP_DAY_MS };
	struct err why;
	uint32_t row = 0;

	if (!says->n)
		return;
	(void)snprintf(key, sizeof(key), "%llu", (unsigned long long)number);
	in.key = str_of(key);
	for (size_t i = 0; i < says->n; i++) {
		int state = word_of(says->v[i].value, state_words);

		if (strcmp(says->v[i].key, "status") == 0 && state < 0)
			fault(t, &person->mark, role_words[role],
			      "status: found %s, expected active, disabled, gone, ended or ?",
			      says->v[i].value);
		else if (strcmp(says->v[i].key, "status") == 0)
			in.state = (enum record_state)state;
		else if (strcmp(says->v[i].key, "since") == 0 &&
			 !time_of(says->v[i].value, &in.since_ms))
			fault(t, &person->mark, role_words[role],
			      "since: found %s, expected a time", says->v[i].value);
	}
	if (!built(t, &person->mark, role_words[role], facts_add_record(t->f, &in, &row, &why),
		   &why))
		return;
	for (uint32_t c = 0; c < t->f->columns.n; c++)
		if (!built(t, &person->mark, role_words[role],
			   facts_set_absent(t->f, row, c, &why), &why))
			return;
	for (size_t i = 0; i < says->n; i++) {
		if (strcmp(says->v[i].key, "status") == 0 ||
		    strcmp(says->v[i].key, "since") == 0)
			continue;
		elements_set(t, &person->mark, role_words[role], row, &says->v[i]);
		cell_set(t, &person->mark, role_words[role], row, &says->v[i]);
	}
}

/* --- accounts and seats --- */

/* What an account of a case may say, and where it goes. */
static const struct {
	const char *key;
	enum { AS_TEXT, AS_TRI, AS_TIME, AS_FLAG } as;
	size_t offset;
} account_words[] = {
	{ "email", AS_TEXT, offsetof(struct facts_account, email) },
	{ "displayName", AS_TEXT, offsetof(struct facts_account, name) },
	{ "managed", AS_TRI, offsetof(struct facts_account, managed) },
	{ "synced", AS_TRI, offsetof(struct facts_account, synced) },
	{ "accepted", AS_TRI, offsetof(struct facts_account, accepted) },
	{ "admin", AS_TRI, offsetof(struct facts_account, admin) },
	{ "org_admin", AS_TRI, offsetof(struct facts_account, org_admin) },
	{ "tokens", AS_TRI, offsetof(struct facts_account, tokens) },
	{ "status_since", AS_TIME, offsetof(struct facts_account, status_since_ms) },
	{ "added", AS_TIME, offsetof(struct facts_account, added_ms) },
	{ "token_active", AS_TIME, offsetof(struct facts_account, token_active_ms) },
	{ "adopted", AS_FLAG, offsetof(struct facts_account, adopted) },
	{ "doubtful", AS_FLAG, offsetof(struct facts_account, doubtful) },
	{ "own_credential", AS_FLAG, offsetof(struct facts_account, own_credential) },
};

static bool account_word(struct facts_account *in, const struct conf_pair *pair)
{
	bool yes = strcasecmp(pair->value, "yes") == 0 || strcasecmp(pair->value, "true") == 0;
	bool no = strcasecmp(pair->value, "no") == 0 || strcasecmp(pair->value, "false") == 0;

	if (strcmp(pair->key, "status") == 0)
		return account_status_of(str_of(pair->value), &in->status);
	for (size_t i = 0; i < COUNT_OF(account_words); i++) {
		char *at = (char *)in + account_words[i].offset;

		if (strcmp(pair->key, account_words[i].key) != 0)
			continue;
		if (account_words[i].as == AS_TEXT)
			*(struct str *)(void *)at =
				str_of(strcmp(pair->value, "?") == 0 ? "" : pair->value);
		else if (account_words[i].as == AS_TIME)
			return time_of(pair->value, (int64_t *)(void *)at);
		else if (account_words[i].as == AS_FLAG)
			*(bool *)at = yes;
		else
			*(enum tri *)(void *)at = yes ? TRI_YES : no ? TRI_NO : TRI_UNKNOWN;
		return account_words[i].as == AS_TEXT || yes || no ||
		       (account_words[i].as == AS_TRI && strcmp(pair->value, "?") == 0);
	}
	return false;
}

static void account_add(struct trying *t, const struct policy_person_conf *person,
			uint64_t number)
{
	char email[128];
	bool nobodys = !person->hr.n && !person->directory.n && !person->idp.n;
	struct facts_account in = {
		.id = str_of(person->name),
		.number = number,
		.directory = STR("directory"),
		.status = ACCOUNT_ACTIVE,
		.status_since_ms = t->now_ms - 365 * STAMP_DAY_MS,
		.type = ACCOUNT_PERSON,
		.managed = TRI_YES,
		.synced = TRI_NO,
		.accepted = TRI_YES,
		.admin = TRI_NO,
		.org_admin = TRI_NO,
		.paths_known = TRI_YES,
		.added_ms = t->now_ms - 730 * STAMP_DAY_MS,
		.token_active_ms = FACT_ABSENT,
		.tokens = TRI_NO,
		.person = nobodys ? 0 : number,
		.adopted = !nobodys,
	};
	struct err why;
	uint32_t row;

	(void)snprintf(email, sizeof(email), "%s@example.com", person->name);
	in.email = str_of(email);
	for (size_t i = 0; i < person->account.n; i++)
		if (!account_word(&in, &person->account.v[i]))
			fault(t, &person->mark, "account", "%s: found %s, which it cannot be",
			      person->account.v[i].key, person->account.v[i].value);
	(void)built(t, &person->mark, "account", facts_add_account(t->f, &in, &row, &why),
		    &why);
}

static struct str next_word(struct str *rest)
{
	struct str word;

	*rest = str_trim(*rest);
	str_cut(*rest, ' ', &word, rest);
	return word;
}

static bool next_time(struct str *rest, int64_t *ret)
{
	struct str word = next_word(rest);
	char text[64];

	if (word.len >= sizeof(text))
		return false;
	(void)snprintf(text, sizeof(text), STR_FMT, STR_ARG(word));
	return time_of(text, ret);
}

/* The product's row, made when it is first named: each with a group that gives it. */
static bool product_row(struct trying *t, const struct conf_mark *mark, struct str key,
			uint32_t *ret)
{
	struct facts_product in = { .key = key, .site = STR("site"), .resource = key };
	struct facts_group group = { .id = key,
				     .name = key,
				     .directory = STR("directory"),
				     .synced = TRI_NO,
				     .modifiable = TRI_YES,
				     .admin = TRI_NO };
	struct facts_grant grant = { .role = STR("user"),
				     .is_default = TRI_NO,
				     .billable = TRI_YES };
	struct err why;

	for (uint32_t i = 0; i < t->f->products.n; i++)
		if (str_eq(pool_str(&t->f->pool, t->f->products.v[i].key), key)) {
			*ret = i;
			return true;
		}
	if (!built(t, mark, "seats", facts_add_product(t->f, &in, ret, &why), &why) ||
	    !built(t, mark, "seats", facts_add_group(t->f, &group, &grant.group, &why), &why))
		return false;
	grant.product = *ret;
	return built(t, mark, "seats", facts_add_grant(t->f, &grant, &why), &why);
}

static void seat_add(struct trying *t, const struct policy_person_conf *person,
		     uint32_t account, const char *text)
{
	struct str rest = str_of(text), key = next_word(&rest), word;
	struct facts_seat in = { .account = account,
				 .last_active_ms = t->now_ms,
				 .added_ms = FACT_UNKNOWN };
	struct err why;
	bool ok = key.len > 0;

	while (ok && (word = next_word(&rest)).len) {
		if (str_eq(word, STR("last")))
			ok = next_time(&rest, &in.last_active_ms);
		else if (str_eq(word, STR("added")))
			ok = next_time(&rest, &in.added_ms);
		else
			ok = false;
	}
	if (!ok) {
		fault(t, &person->mark, "seats",
		      "found %s, expected a product such as jira last 2025-08-01 added "
		      "2025-01-01",
		      text);
		return;
	}
	if (!product_row(t, &person->mark, key, &in.product))
		return;
	/* its group has the product's row */
	if (built(t, &person->mark, "seats", facts_add_seat(t->f, &in, NULL, &why), &why))
		(void)built(t, &person->mark, "seats",
			    facts_add_membership(t->f, account, in.product, &why), &why);
}

/* KIND [PRODUCT] by RULE at TIME */
static void did_add(struct trying *t, const struct policy_person_conf *person, uint32_t account,
		    const char *text)
{
	struct str rest = str_of(text), kind = next_word(&rest), word = next_word(&rest);
	struct facts_progress in = { .account = account, .product = FACTS_NONE };
	struct err why;
	bool ok = action_kind_of(kind, &in.kind);

	if (ok && !str_eq(word, STR("by"))) {
		if (!product_row(t, &person->mark, word, &in.product))
			return;
		word = next_word(&rest);
	}
	ok = ok && str_eq(word, STR("by"));
	in.rule = next_word(&rest);
	ok = ok && in.rule.len && str_eq(next_word(&rest), STR("at")) &&
	     next_time(&rest, &in.done_ms) && !str_trim(rest).len;
	if (!ok)
		fault(t, &person->mark, "did",
		      "found %s, expected a step such as warn jira by inactive-jira at "
		      "2026-02-10",
		      text);
	else
		(void)built(t, &person->mark, "did", facts_add_progress(t->f, &in, &why), &why);
}

/* --- facts --- */

static void people_add(struct trying *t)
{
	const struct policy_person_conf *v = t->conf->people.v;

	for (size_t i = 0; i < t->conf->people.n && !t->lost; i++) {
		const struct conf_pairs *says[] = { &v[i].hr, &v[i].directory, &v[i].idp };

		for (int role = 0; role < SOURCE_ROLE_COUNT; role++)
			record_add(t, &v[i], i + 1, role, says[role]);
		account_add(t, &v[i], i + 1);
	}
	for (size_t i = 0; i < t->conf->people.n && !t->lost && !t->wrong; i++) {
		for (size_t k = 0; k < v[i].seats.n; k++)
			seat_add(t, &v[i], (uint32_t)i, v[i].seats.v[k]);
		for (size_t k = 0; k < v[i].did.n; k++)
			did_add(t, &v[i], (uint32_t)i, v[i].did.v[k]);
	}
}

static int facts_make(struct trying *t)
{
	struct facts_round round = { .org = STR("case"),
				     .zone = str_of(t->conf->zone),
				     .mode = ORG_PROPOSE,
				     .next_person = t->conf->people.n + 1,
				     .armed_ms = FACT_ABSENT,
				     .org_complete = true,
				     .org_plausible = true,
				     .org_identity_same = true };
	struct err why;
	int r;

	if (!stamp_parse(str_of(t->conf->at), &t->now_ms) &&
	    !stamp_parse_date(str_of(t->conf->at), &t->now_ms)) {
		fault(t, &t->conf->mark, "at", "found %s, expected a time such as %s",
		      t->conf->at, "2026-03-02T09:00:00Z");
		return 0;
	}
	round.now_ms = t->now_ms;
	r = facts_new(&t->p->columns, &round, &t->f, t->err);
	if (r < 0)
		return r;
	sources_add(t);
	people_add(t);
	if (t->lost)
		return err_nomem(t->err);
	if (t->wrong)
		return 0;
	r = facts_seal(t->f, &why);
	if (r == -ERR_NOMEM)
		return err_nomem(t->err);
	if (r < 0)
		fault(t, &t->conf->mark, "people", "%s", why.text);
	if (t->lost || t->wrong)
		return t->lost ? err_nomem(t->err) : 0;
	r = reconcile(t->f, t->p, &t->result, &why);
	if (r == -ERR_NOMEM)
		return err_nomem(t->err);
	if (r < 0)
		fault(t, &t->conf->mark, "zone", "%s", why.text);
	return 0;
}

/* --- expectations --- */

/* [KIND] WHO[/PRODUCT] [by RULE][: GUARDS] */
struct expected {
	bool any_kind;
	enum action_kind kind;
	uint64_t account; /* its number */
	struct str who, product, rule, guards;
};

static bool expected_of(struct trying *t, const char *key, const char *text,
			struct expected *ret)
{
	const struct policy_person_conf *v = t->conf->people.v;
	struct str all = str_of(text), rest, word;

	*ret = (struct expected){ .any_kind = true };
	if (str_cut(all, ':', &rest, &ret->guards))
		ret->guards = str_trim(ret->guards);
	word = next_word(&rest);
	if (action_kind_of(word, &ret->kind)) {
		ret->any_kind = false;
		word = next_word(&rest);
	}
	str_cut(word, '/', &ret->who, &ret->product);
	for (size_t i = 0; i < t->conf->people.n; i++)
		if (str_eq(str_of(v[i].name), ret->who))
			ret->account = i + 1;
	word = next_word(&rest);
	if (str_eq(word, STR("by")))
		ret->rule = next_word(&rest);
	if (!ret->account)
		fault(t, &t->conf->mark, key, "%s: there is nobody called " STR_FMT, text,
		      STR_ARG(ret->who));
	else if ((word.len && !ret->rule.len) || str_trim(rest).len)
		fault(t, &t->conf->mark, key,
		      "found %s, expected such as suspend ada by leaver-hr", text);
	else
		return true;
	return false;
}

static bool is_about(const struct expected *e, const struct action *a)
{
	return a->account == e->account && (e->any_kind || a->kind == e->kind) &&
	       (!e->product.len || str_eq(e->product, str_of(a->product)));
}

/* The first action that it is about: of the rule named, before others. */
static const struct action *find(const struct trying *t, const struct expected *e)
{
	const struct action *ret = NULL;

	for (int u = 0; u < PLAN_URGENCY_COUNT; u++) {
		const struct plan *plan = t->result->plans[u];

		for (size_t i = 0; plan && i < plan->actions.n; i++) {
			const struct action *a = &plan->actions.v[i];

			if (is_about(e, a) &&
			    (!ret || (e->rule.len && str_eq(e->rule, str_of(a->rule)))))
				ret = a;
		}
	}
	return ret;
}

/* What is known of the account where nothing is planned: a finding, or just that. */
static void nothing_why(const struct trying *t, const struct expected *e, char *ret,
			size_t room)
{
	for (size_t i = 0; i < t->result->findings.n; i++) {
		const struct finding *f = &t->result->findings.v[i];

		if ((f->account && f->account == e->account) ||
		    (!f->account && f->person && f->person == e->account)) {
			(void)snprintf(ret, room, "nothing is planned: %s", f->text);
			return;
		}
	}
	(void)snprintf(ret, room, "nothing of the kind is planned within three days");
}

static void held_text(const struct action *a, char *ret, size_t room)
{
	size_t at = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < a->held_count && at < room; i++)
		at += (size_t)snprintf(ret + at, room - at, "%s%s", i ? "," : "",
				       a->held_by[i]);
}

/* Whether it is as expected; else *why says what it is instead. */
static bool planned_as(const struct trying *t, const struct expected *e, bool held, char *why,
		       size_t room)
{
	const struct action *a = find(t, e);
	char by[512];

	if (!a) {
		nothing_why(t, e, why, room);
		return false;
	}
	held_text(a, by, sizeof(by));
	if (e->rule.len && !str_eq(e->rule, str_of(a->rule)))
		(void)snprintf(why, room, "it is planned by rule %s: %s", a->rule, a->reason);
	else if (!held && a->held_count)
		(void)snprintf(why, room, "%s", a->says[0]);
	else if (held && !a->held_count)
		(void)snprintf(why, room, "nothing holds it: %s", a->reason);
	else if (held && e->guards.len && !str_eq(e->guards, str_of(by)))
		(void)snprintf(why, room, "it is held by %s: %s", by, a->says[0]);
	else
		return true;
	return false;
}

static bool not_planned(const struct trying *t, const struct expected *e, char *why,
			size_t room)
{
	const struct action *a = find(t, e);

	if (!a || (e->rule.len && !str_eq(e->rule, str_of(a->rule))))
		return true;
	(void)snprintf(why, room, "%s is planned by rule %s: %s", action_kinds[a->kind].word,
		       a->rule, a->reason);
	return false;
}

static int list_tell(struct trying *t, const char *key, const struct conf_list *list,
		     policy_told_fn fn, void *ctx)
{
	int r = 0;

	for (size_t i = 0; i < list->n && r == 0; i++) {
		char why[ERR_TEXT_BYTES], expected[256];
		struct policy_told told = { .mark = &t->conf->mark,
					    .name = t->conf->name,
					    .expected = expected,
					    .why = why };
		struct expected e;

		if (!expected_of(t, key, list->v[i], &e))
			continue;
		told.ok = strcmp(key, "must_not") == 0
				  ? not_planned(t, &e, why, sizeof(why))
				  : planned_as(t, &e, key[0] == 'h', why, sizeof(why));
		if (told.ok)
			told.why = NULL;
		(void)snprintf(expected, sizeof(expected), "%s %s",
			       key[0] == 'h'              ? "held"
			       : strcmp(key, "must") == 0 ? "must"
							  : "must not",
			       list->v[i]);
		r = fn(ctx, &told, t->err);
	}
	return r;
}

static int case_run(struct trying *t, policy_told_fn fn, void *ctx)
{
	int r = facts_make(t);

	if (r == 0 && !t->wrong)
		r = list_tell(t, "must", &t->conf->must, fn, ctx);
	if (r == 0 && !t->wrong)
		r = list_tell(t, "held", &t->conf->held, fn, ctx);
	if (r == 0 && !t->wrong)
		r = list_tell(t, "must_not", &t->conf->must_not, fn, ctx);
	reconcile_result_free(t->result);
	facts_free(t->f);
	return r == 0 && t->lost ? err_nomem(t->err) : r;
}

int policy_cases_run(const struct policy_cases *cases, const struct policy *p,
		     struct conf_faults *faults, policy_told_fn fn, void *ctx, struct err *err)
{
	const struct policy_case_conf *v = cases->cases.v;
	bool wrong = false;
	int r = 0;

	for (size_t i = 0; i < cases->cases.n && r == 0; i++) {
		struct trying t = { .conf = &v[i], .p = p, .faults = faults, .err = err };

		r = case_run(&t, fn, ctx);
		wrong = wrong || t.wrong;
	}
	if (r == 0 && wrong)
		return err_set(err, ERR_CONFIG, "%s",
			       faults->n ? faults->v[0] : "a case cannot be understood");
	return r;
}
