/*
 * Worlds as text: the rows of struct facts, one a line, so that a case of tests/data/plans can
 * be read by people, and the same world be given to the reconciler in any order of rows.
 *
 *   now 2026-03-02T09:00:00Z
 *   round org=acme zone=Europe/Berlin mode=act armed=2026-01-01T00:00:00Z complete=no
 * doubt="..." source hr role=hr kind=pull ready=no accepted=no doubts=incomplete,canary
 * text="..." record hr 1001 person=1 state=active since=... userName=ada@x.example
 * emails.value=a@x,b@x employment.lastWorkingDay=2026-02-27 employment.timeZone=? person 1
 * address ada@x.example 1          approved email        expected 1 account a1 number=101
 * person=1 linked=email adopted=no email=... status=active managed=no ... product jira@acme
 * seat a1 jira@acme last=2025-10-01T00:00:00Z added=... group g1 name=... synced=yes
 * default=yes admin=yes     grant g1 jira@acme default=yes member a1 g1          role a1
 * jira@acme atlassian/user method=inferred protect exemption person=1 rule=... owner=...
 * reason=... until=... bar leaver-hr person=1 by=... reason=... at=... progress a1
 * inactive-jira warn at=... product=jira@acme counted leaver 101 at=... product=jira@acme open
 * 7 1 urgency=routine kind=suspend rule=orphan account=101 approved=yes started=yes
 *   former a1 GROUPID at=... (a rule took it)
 *
 *   site acme queue=a9     inventory a1 at=... whole=no     heir person=1 a4
 *   owned a1 issue 10001 site=acme project=OPS lead=a5
 *
 * provisioning DIR issuer=hr read=no doubt="..." scope="..." automatic=yes preboard=HOURS
 * team NAME when="..." (a group of the policy)   scim-group ID name=NAME
 * scim-user ID account=ACCOUNTID externalId=... active=no userName=... title=...
 * scim-member USER GROUP ceased=TIME        team NAME ... overlap=HOURS
 *
 * "?" is unknown, "never" is known to be absent. What is not said is harmless and known: an
 * adopted, managed, active account of a person, a whole and plausible source. Unstated columns
 * of a record are absent.
 */
#ifndef TESTS_UNIT_PLAN_WORLD_H
#define TESTS_UNIT_PLAN_WORLD_H

#include "model/schema.h"
#include "reconcile/reconcile.h"
#include "tests/lib/test.h"

#define WORLD_WORDS 40

struct world_line {
	char *words[WORLD_WORDS]; /* of the line's own text */
	size_t n;
	unsigned order; /* its place after shuffling */
};

struct plan_world {
	char *text; /* cut into words */
	struct world_line *lines;
	size_t n, room;
};

static UNUSED void world_free(struct plan_world *w)
{
	free(w->text);
	free(w->lines);
	*w = (struct plan_world){ 0 };
}

/* Cuts a line into words; "..." keeps blanks together. */
static void world_words(struct world_line *line, char *text)
{
	line->n = 0;
	for (;;) {
		char *to;
		bool quoted = false;

		while (*text == ' ' || *text == '\t')
			text++;
		if (!*text)
			return;
		if (line->n == WORLD_WORDS)
			fail_msg("a line of a world has more than %d words", WORLD_WORDS);
		line->words[line->n++] = to = text;
		for (; *text && (quoted || (*text != ' ' && *text != '\t')); text++) {
			if (*text == '"')
				quoted = !quoted;
			else
				*to++ = *text;
		}
		if (*text)
			text++;
		*to = '\0';
	}
}

/* Takes a copy of text. A line that begins with a blank goes on with the one before. */
static UNUSED void world_read(struct plan_world *w, const char *text)
{
	char *at, *next;

	*w = (struct plan_world){ .text = strdup(text) };
	assert_non_null(w->text);
	for (char *p = w->text; (p = strchr(p, '\n')); p++)
		if (p[1] == ' ' || p[1] == '\t')
			*p = ' ';
	for (at = w->text; at && *at; at = next) {
		next = strchr(at, '\n');
		if (next)
			*next++ = '\0';
		if (!*at || *at == '#')
			continue;
		if (w->n == w->room) {
			w->room = w->room ? w->room * 2 : 64;
			w->lines = realloc(w->lines, w->room * sizeof(*w->lines));
			assert_non_null(w->lines);
		}
		w->lines[w->n].order = (unsigned)w->n;
		world_words(&w->lines[w->n++], at);
	}
}

/* xorshift: the same seed gives the same order everywhere. */
static UNUSED uint64_t world_chance(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static UNUSED void world_shuffle(struct plan_world *w, uint64_t seed)
{
	seed = seed * 2654435761u + 1;
	for (size_t i = w->n; i > 1; i--) {
		size_t k = (size_t)(world_chance(&seed) % i);
		struct world_line swap;

		/* sources are in order of trust, and now and round are no rows */
		if (strcmp(w->lines[i - 1].words[0], "source") == 0 ||
		    strcmp(w->lines[k].words[0], "source") == 0)
			continue;
		swap = w->lines[i - 1];
		w->lines[i - 1] = w->lines[k];
		w->lines[k] = swap;
	}
}

/* --- values of a line --- */

static const char *world_get(const struct world_line *l, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 1; i < l->n; i++)
		if (strncmp(l->words[i], key, len) == 0 && l->words[i][len] == '=')
			return l->words[i] + len + 1;
	return NULL;
}

static struct str world_text(const struct world_line *l, const char *key, const char *preset)
{
	const char *value = world_get(l, key);

	return str_of(value ? value : preset);
}

static int64_t world_time_of(const char *value)
{
	int64_t ms;

	if (strcmp(value, "?") == 0)
		return FACT_UNKNOWN;
	if (strcmp(value, "never") == 0)
		return FACT_ABSENT;
	if (stamp_parse(str_of(value), &ms) || stamp_parse_date(str_of(value), &ms))
		return ms;
	fail_msg("a world's time %s cannot be read", value);
	return 0;
}

static int64_t world_time(const struct world_line *l, const char *key, const char *preset)
{
	const char *value = world_get(l, key);

	return world_time_of(value ? value : preset);
}

static uint64_t world_number(const struct world_line *l, const char *key)
{
	const char *value = world_get(l, key);
	uint64_t n = 0;

	if (value && !str_uint64(str_of(value), &n))
		fail_msg("a world's number %s cannot be read", value);
	return n;
}

static enum tri world_tri(const struct world_line *l, const char *key, const char *preset)
{
	const char *value = world_get(l, key);

	if (!value)
		value = preset;
	return strcmp(value, "?") == 0 ? TRI_UNKNOWN : tri_of(strcmp(value, "yes") == 0);
}

static int world_word(const char *value, const char *const *words)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], value) == 0)
			return i;
	fail_msg("a world's word %s is none", value);
	return 0;
}

static void world_salt(unsigned char salt[FACTS_SALT_BYTES], uint64_t number)
{
	memset(salt, 0x5a, FACTS_SALT_BYTES);
	memcpy(salt, &number, sizeof(number));
}

/* --- rows --- */

/* What a line refers to by name, and its row. */
struct world_name {
	char kind; /* s source, a account, p product, g group */
	const char *name;
	uint32_t row;
};

struct world_build {
	const struct plan_world *w;
	const struct policy *policy;
	struct facts *f;
	struct world_name *names;
	size_t name_count;
};

static uint32_t world_row(const struct world_build *b, char kind, const char *name)
{
	for (size_t i = 0; i < b->name_count; i++)
		if (b->names[i].kind == kind && strcmp(b->names[i].name, name) == 0)
			return b->names[i].row;
	fail_msg("a world names %c %s, which is not there", kind, name);
	return 0;
}

static void world_name_add(struct world_build *b, char kind, const char *name, uint32_t row)
{
	b->names[b->name_count++] = (struct world_name){ kind, name, row };
}

static void world_source(struct world_build *b, const struct world_line *l)
{
	static const char *const roles[] = { "hr", "directory", "idp", NULL };
	static const char *const kinds[] = { "pull", "push", NULL };
	static const char *const doubts[] = { "incomplete", "implausible", "stale", "schema",
					      "canary",     "identity",    NULL };
	const char *doubt = world_get(l, "doubts");
	struct facts_source in = {
		.name = str_of(l->words[1]),
		.role = (enum source_role)world_word(world_get(l, "role"), roles),
		.kind = (enum source_kind)world_word(
			world_get(l, "kind") ? world_get(l, "kind") : "pull", kinds),
		.ready = world_tri(l, "ready", "yes") == TRI_YES,
		.accepted = world_tri(l, "accepted", "yes") == TRI_YES,
		.doubt_text = world_text(l, "text", ""),
	};
	struct str rest = str_of(doubt), head;
	struct err err;
	uint32_t row;

	while (rest.len) {
		char word[32];

		str_cut(rest, ',', &head, &rest);
		(void)snprintf(word, sizeof(word), STR_FMT, STR_ARG(head));
		in.doubts |= 1u << world_word(word, doubts);
	}
	assert_ok(facts_add_source(b->f, &in, &row, &err), &err);
	world_name_add(b, 's', l->words[1], row);
}

/* "name" of a word name=value. */
static bool world_cut(const char *word, char name[128], const char **value)
{
	const char *eq = strchr(word, '=');

	if (!eq || (size_t)(eq - word) >= 128)
		return false;
	memcpy(name, word, (size_t)(eq - word));
	name[eq - word] = '\0';
	*value = eq + 1;
	return true;
}

static void world_cell(struct world_build *b, uint32_t record, const char *name,
		       const char *value)
{
	CLEANUP(path_done) struct path path = { .slot = -1 };
	struct str items[16], rest = str_of(value);
	size_t count = 0;
	struct buf text;
	uint32_t column;
	struct err err;
	int r = path_parse(str_of(name), PATH_POLICY_PERSON, &path, &err);

	if (r < 0)
		fail_msg("%s: %s", name, err.text);
	buf_init(&text, 1024);
	path_text(&path, &text);
	column = facts_columns_find(&b->f->columns, buf_str(&text));
	buf_done(&text);
	if (column == FACTS_NONE)
		return; /* nobody asks for it */
	if (strcmp(value, "?") == 0) {
		b->f->cells[column].v[record] = FRAME_UNKNOWN;
	} else if (b->f->columns.v[column].multi) {
		while (rest.len && count < COUNT_OF(items))
			str_cut(rest, ',', &items[count++], &rest);
		assert_ok(facts_set_list(b->f, record, column, items, count, &err), &err);
	} else if (b->f->columns.v[column].type == COLUMN_TEXT) {
		assert_ok(facts_set_text(b->f, record, column, str_of(value), &err), &err);
	} else if (b->f->columns.v[column].type == COLUMN_BOOL) {
		r = facts_set_number(b->f, record, column, strcmp(value, "true") == 0, &err);
		assert_ok(r, &err);
	} else {
		r = facts_set_number(b->f, record, column, world_time_of(value), &err);
		assert_ok(r, &err);
	}
}

/* Elements are there for emails[...] too, as projecting a document leaves them. */
static void world_elements(struct world_build *b, uint32_t record, const char *name,
			   const char *value)
{
	struct str attribute, sub, rest = str_of(value), item;
	uint32_t column, cells[16];
	struct err err;
	size_t n = 0;

	if (!str_cut(str_of(name), '.', &attribute, &sub))
		return;
	column = facts_columns_find(&b->f->columns, attribute);
	if (column == FACTS_NONE || !b->f->columns.v[column].multi)
		return;
	while (rest.len && n < COUNT_OF(cells)) {
		str_cut(rest, ',', &item, &rest);
		assert_ok(facts_number_cell(b->f, 1, &cells[n++], &err), &err);
	}
	assert_ok(facts_set_cells(b->f, record, column, cells, n, &err), &err);
}

static void world_record(struct world_build *b, const struct world_line *l)
{
	static const char *const states[] = {
		"?", "active", "disabled", "gone", "ended", NULL
	};
	struct facts_record in = {
		.source = world_row(b, 's', l->words[1]),
		.key = str_of(l->words[2]),
		.issuer = world_text(l, "issuer", ""),
		.external_id = world_text(l, "externalId", ""),
		.person = world_number(l, "person"),
		.state = (enum record_state)world_word(
			world_get(l, "state") ? world_get(l, "state") : "active", states),
		.since_ms = world_time(l, "since", "?"),
		.absent_reads = (uint32_t)world_number(l, "absent_reads"),
		.doubtful = world_tri(l, "doubtful", "no") == TRI_YES,
		.name = world_get(l, "name") ? facts_name(world_text(l, "name", "")) : 0,
	};
	struct err err;
	uint32_t row;

	assert_ok(facts_add_record(b->f, &in, &row, &err), &err);
	for (uint32_t c = 0; c < b->f->columns.n; c++)
		assert_ok(facts_set_absent(b->f, row, c, &err), &err);
	for (size_t i = 3; i < l->n; i++) {
		static const char *const own[] = { "person",   "state",      "since",
						   "issuer",   "externalId", "absent_reads",
						   "doubtful", "name" };
		char name[128];
		const char *value = NULL;
		bool column = world_cut(l->words[i], name, &value);

		for (size_t k = 0; k < COUNT_OF(own); k++)
			column = column && strcmp(own[k], name) != 0;
		if (column)
			world_elements(b, row, name, value);
		if (column)
			world_cell(b, row, name, value);
	}
}

static void world_account(struct world_build *b, const struct world_line *l)
{
	static const char *const statuses[] = { "?",           "active",      "suspended",
						"not_invited", "deactivated", "for_deletion",
						NULL };
	static const char *const types[] = { "?", "atlassian", "app", "customer", NULL };
	const char *status = world_get(l, "status"), *type = world_get(l, "type");
	struct facts_account in = {
		.id = str_of(l->words[1]),
		.number = world_number(l, "number"),
		.directory = world_text(l, "directory", "dir-1"),
		.email = world_text(l, "email", ""),
		.name = world_text(l, "name", ""),
		.external_id = world_text(l, "externalId", ""),
		.issuer = world_text(l, "issuer", ""),
		.status = (enum account_status)world_word(status ? status : "active", statuses),
		.status_since_ms = world_time(l, "status_since", "?"),
		.type = (enum account_type)world_word(type ? type : "atlassian", types),
		.managed = world_tri(l, "managed", "yes"),
		.synced = world_tri(l, "synced", "no"),
		.can_disable = world_tri(l, "can_disable", "?"),
		.accepted = world_tri(l, "accepted", "yes"),
		.admin = world_tri(l, "admin", "no"),
		.org_admin = world_tri(l, "org_admin", "no"),
		.paths_known = world_tri(l, "paths_known", "yes"),
		.added_ms = world_time(l, "added", "2024-01-01"),
		.token_active_ms = world_time(l, "token_active", "never"),
		.tokens = world_tri(l, "tokens", "no"),
		.own_credential = world_tri(l, "own_credential", "no") == TRI_YES,
		.person = world_number(l, "person"),
		.linked_by = world_text(l, "linked", ""),
		.doubtful = world_tri(l, "doubtful", "no") == TRI_YES,
	};
	struct err err;
	uint32_t row;

	in.adopted = world_tri(l, "adopted", in.person ? "yes" : "no") == TRI_YES;
	world_salt(in.salt, in.number);
	assert_ok(facts_add_account(b->f, &in, &row, &err), &err);
	world_name_add(b, 'a', l->words[1], row);
}

static void world_product(struct world_build *b, const struct world_line *l)
{
	struct facts_product in = { 0 };
	struct err err;
	uint32_t row;

	str_cut(str_of(l->words[1]), '@', &in.key, &in.site);
	in.resource = world_text(l, "resource", l->words[1]);
	in.capacity = (int64_t)world_number(l, "capacity");
	assert_ok(facts_add_product(b->f, &in, &row, &err), &err);
	world_name_add(b, 'p', l->words[1], row);
}

static void world_group(struct world_build *b, const struct world_line *l)
{
	struct facts_group in = {
		.id = str_of(l->words[1]),
		.name = world_text(l, "name", l->words[1]),
		.directory = STR("dir-1"),
		.synced = world_tri(l, "synced", "no"),
		.modifiable = world_tri(l, "modifiable", "yes"),
		.admin = world_tri(l, "admin", "no"),
	};
	struct err err;
	uint32_t row;

	assert_ok(facts_add_group(b->f, &in, &row, &err), &err);
	world_name_add(b, 'g', l->words[1], row);
}

static void world_hanging(struct world_build *b, const struct world_line *l)
{
	const char *kind = l->words[0];
	struct err err;
	int r = 0;

	if (strcmp(kind, "seat") == 0) {
		struct facts_seat in = { .account = world_row(b, 'a', l->words[1]),
					 .product = world_row(b, 'p', l->words[2]),
					 .last_active_ms = world_time(l, "last", "?"),
					 .added_ms = world_time(l, "added", "?") };

		r = facts_add_seat(b->f, &in, NULL, &err);
	} else if (strcmp(kind, "grant") == 0) {
		struct facts_grant in = { .group = world_row(b, 'g', l->words[1]),
					  .product = world_row(b, 'p', l->words[2]),
					  .role = world_text(l, "role", "atlassian/user"),
					  .is_default = world_tri(l, "default", "no"),
					  .billable = world_tri(l, "billable", "yes") };

		r = facts_add_grant(b->f, &in, &err);
	} else if (strcmp(kind, "member") == 0) {
		r = facts_add_membership(b->f, world_row(b, 'a', l->words[1]),
					 world_row(b, 'g', l->words[2]), &err);
	} else if (strcmp(kind, "role") == 0) {
		static const char *const methods[] = { "direct", "inferred", NULL };
		const char *method = world_get(l, "method");
		struct facts_role in = {
			.account = world_row(b, 'a', l->words[1]),
			.product = world_row(b, 'p', l->words[2]),
			.role = str_of(l->words[3]),
			.method = (enum role_method)world_word(method ? method : "direct",
							       methods),
			.billable = world_tri(l, "billable", "yes"),
		};

		r = facts_add_role(b->f, &in, &err);
	}
	assert_ok(r, &err);
}

static void world_provision(struct world_build *b, const struct world_line *l)
{
	const char *kind = l->words[0];
	struct err err;
	uint32_t row = 0;
	int r = 0;

	if (strcmp(kind, "provisioning") == 0) {
		struct facts_provision in = { .directory = str_of(l->words[1]),
					      .issuer = world_text(l, "issuer", ""),
					      .read = world_tri(l, "read", "yes") == TRI_YES,
					      .doubt = world_text(l, "doubt", "") };

		r = facts_set_provision(b->f, &in, &err);
	} else if (strcmp(kind, "scim-user") == 0) {
		struct facts_scim_user in = { .id = str_of(l->words[1]),
					      .external_id = world_text(l, "externalId", ""),
					      .account = world_text(l, "account", ""),
					      .active = world_tri(l, "active", "yes") };

		for (int i = 0; i < PROVISION_ATTR_COUNT; i++)
			in.attrs[i] = world_text(l, provision_attrs[i].word, "");
		r = facts_add_scim_user(b->f, &in, &row, &err);
		world_name_add(b, 'u', l->words[1], row);
	} else if (strcmp(kind, "scim-group") == 0) {
		struct facts_scim_group in = { str_of(l->words[1]), world_text(l, "name", "") };

		r = facts_add_scim_group(b->f, &in, &row, &err);
		world_name_add(b, 't', l->words[1], row);
	} else {
		uint32_t user = world_row(b, 'u', l->words[1]);
		uint32_t group = world_row(b, 't', l->words[2]);

		r = facts_add_scim_member(b->f, user, group, &err);
		if (r == 0 && world_get(l, "ceased"))
			r = facts_add_scim_ceased(b->f, user, group,
						  world_time(l, "ceased", ""), &err);
	}
	assert_ok(r, &err);
}

/* What of a world is the policy's: *groups is the caller's to free. False: nothing. */
static UNUSED bool world_provision_conf(const struct plan_world *w,
					struct policy_provision_conf *ret,
					struct policy_provision_group_conf **groups)
{
	bool any = false;

	*ret = (struct policy_provision_conf){ .org = "acme" };
	*groups = calloc(w->n + 1, sizeof(**groups));
	assert_non_null(*groups);
	for (size_t i = 0; i < w->n; i++) {
		const struct world_line *l = &w->lines[i];

		if (strcmp(l->words[0], "provisioning") == 0) {
			any = true;
			ret->issuer = world_get(l, "issuer");
			ret->scope = world_get(l, "scope");
			ret->preboard_ms = (int64_t)world_number(l, "preboard") * STAMP_HOUR_MS;
			ret->automatic = world_tri(l, "automatic", "no") == TRI_YES;
		} else if (strcmp(l->words[0], "team") == 0) {
			(*groups)[ret->group_count++] = (struct policy_provision_group_conf){
				.name = l->words[1],
				.when = (char *)(uintptr_t)world_get(l, "when"),
				.overlap_ms =
					(int64_t)world_number(l, "overlap") * STAMP_HOUR_MS,
			};
		}
	}
	ret->groups = *groups;
	return any;
}

static uint32_t world_account_of(const struct world_build *b, const struct world_line *l)
{
	const char *account = world_get(l, "account");

	return account ? world_row(b, 'a', account) : FACTS_NONE;
}

static void world_decision(struct world_build *b, const struct world_line *l)
{
	const char *kind = l->words[0];
	struct err err;
	uint64_t n = 0;
	int r = 0;

	if (strcmp(kind, "protect") == 0) {
		static const char *const kinds[] = { "exemption", "service-account", "operator",
						     "sole-role", "legal-hold",      "leave",
						     NULL };
		struct facts_protection in = {
			.kind = (enum protection_kind)world_word(l->words[1], kinds),
			.person = world_number(l, "person"),
			.account = world_account_of(b, l),
			.rule = world_text(l, "rule", ""),
			.owner = world_text(l, "owner", "owner"),
			.reason = world_text(l, "reason", "reason"),
			.from_ms = world_time(l, "from", "never"),
			.until_ms = world_time(l, "until", "never"),
		};

		r = facts_add_protection(b->f, &in, &err);
	} else if (strcmp(kind, "bar") == 0) {
		struct facts_bar in = { .person = world_number(l, "person"),
					.account = world_account_of(b, l),
					.rule = str_of(l->words[1]),
					.by = world_text(l, "by", "somebody"),
					.reason = world_text(l, "reason", "appeal"),
					.at_ms = world_time(l, "at", "2026-01-01") };

		r = facts_add_bar(b->f, &in, &err);
	} else if (strcmp(kind, "expected") == 0) {
		assert_true(str_uint64(str_of(l->words[1]), &n));
		r = facts_add_expected(b->f, n, &err);
	} else if (strcmp(kind, "approved") == 0) {
		r = facts_add_match_approved(b->f, str_of(l->words[1]), &err);
	} else if (strcmp(kind, "address") == 0) {
		assert_true(str_uint64(str_of(l->words[2]), &n));
		r = facts_add_address(b->f, str_of(l->words[1]), n, &err);
	} else if (strcmp(kind, "apart") == 0) {
		/* apart SOURCE KEY ACCOUNT, or SOURCE KEY SOURCE KEY */
		struct facts_apart in = { .source = str_of(l->words[1]),
					  .key = str_of(l->words[2]) };

		if (l->n == 4)
			in.account = b->f->accounts.v[world_row(b, 'a', l->words[3])].number;
		else
			in.other_source = str_of(l->words[3]),
			in.other_key = str_of(l->words[4]);
		r = facts_add_apart(b->f, &in, &err);
	} else if (strcmp(kind, "person") == 0) {
		struct facts_person in = { 0 };

		assert_true(str_uint64(str_of(l->words[1]), &in.number));
		world_salt(in.salt, in.number << 32);
		r = facts_add_person(b->f, &in, &err);
	}
	assert_ok(r, &err);
}

static void world_past(struct world_build *b, const struct world_line *l)
{
	const char *product = world_get(l, "product");
	struct str key = STR(""), site = STR("");
	struct err err;
	int r = 0;

	if (product)
		str_cut(str_of(product), '@', &key, &site);
	if (strcmp(l->words[0], "returned") == 0) {
		struct facts_return in = {
			.account = world_row(b, 'a', l->words[1]),
			.product = product ? world_row(b, 'p', product) : FACTS_NONE,
			.taken_ms = world_time(l, "taken", "?"),
			.at_ms = world_time(l, "at", "?"),
			.by = world_number(l, "by"),
		};

		assert_true(action_kind_of(str_of(l->words[2]), &in.kind));
		r = facts_add_return(b->f, &in, &err);
	} else if (strcmp(l->words[0], "progress") == 0) {
		struct facts_progress in = {
			.account = world_row(b, 'a', l->words[1]),
			.product = product ? world_row(b, 'p', product) : FACTS_NONE,
			.rule = str_of(l->words[2]),
			.done_ms = world_time(l, "at", "?"),
			.times = world_get(l, "times") ? (uint32_t)world_number(l, "times") : 1,
		};

		assert_true(action_kind_of(str_of(l->words[3]), &in.kind));
		r = facts_add_progress(b->f, &in, &err);
	} else if (strcmp(l->words[0], "former") == 0) {
		struct facts_former in = { .account = world_row(b, 'a', l->words[1]),
					   .group = str_of(l->words[2]),
					   .taken_ms = world_time(l, "at", "?") };

		r = facts_add_former(b->f, &in, &err);
	} else if (strcmp(l->words[0], "counted") == 0) {
		struct facts_counted in = { .person = world_number(l, "person"),
					    .product = key,
					    .site = site,
					    .rule = world_text(l, "rule", ""),
					    .at_ms = world_time(l, "at", "?") };

		assert_true(plan_class_of(str_of(l->words[1]), &in.class));
		assert_true(str_uint64(str_of(l->words[2]), &in.account));
		r = facts_add_counted(b->f, &in, &err);
	} else if (strcmp(l->words[0], "open") == 0) {
		struct facts_open in = { .rule = world_text(l, "rule", "x"),
					 .account = world_number(l, "account"),
					 .product = key,
					 .site = site,
					 .approved = world_tri(l, "approved", "no") == TRI_YES,
					 .started = world_tri(l, "started", "no") == TRI_YES };
		uint64_t n;

		assert_true(str_uint64(str_of(l->words[1]), &in.plan));
		assert_true(str_uint64(str_of(l->words[2]), &n));
		in.n = (uint32_t)n;
		assert_true(plan_urgency_of(world_text(l, "urgency", "routine"), &in.urgency));
		assert_true(action_kind_of(world_text(l, "kind", "suspend"), &in.kind));
		r = facts_add_open(b->f, &in, &err);
	}
	assert_ok(r, &err);
}

/* An account by name; "" and NULL: none. */
static uint32_t world_account_or_none(const struct world_build *b, const char *name)
{
	return name && *name ? world_row(b, 'a', name) : FACTS_NONE;
}

static void world_owned(struct world_build *b, const struct world_line *l)
{
	struct err err;
	int r = 0;

	if (strcmp(l->words[0], "site") == 0) {
		struct facts_site in = { str_of(l->words[1]),
					 world_account_or_none(b, world_get(l, "queue")) };

		r = facts_add_site(b->f, &in, &err);
	} else if (strcmp(l->words[0], "inventory") == 0) {
		struct facts_inventory in = { .account = world_row(b, 'a', l->words[1]),
					      .read_ms = world_time(l, "at", "?"),
					      .whole =
						      world_tri(l, "whole", "yes") == TRI_YES };

		r = facts_add_inventory(b->f, &in, &err);
	} else if (strcmp(l->words[0], "owned") == 0) {
		struct facts_owned in = { .account = world_row(b, 'a', l->words[1]),
					  .id = str_of(l->words[3]),
					  .site = world_text(l, "site", "acme"),
					  .project = world_text(l, "project", ""),
					  .lead = world_account_or_none(b,
									world_get(l, "lead")),
					  .unseen = world_tri(l, "unseen", "no") == TRI_YES };

		assert_true(owned_kind_of(str_of(l->words[2]), &in.kind));
		r = facts_add_owned(b->f, &in, &err);
	} else if (strcmp(l->words[0], "heir") == 0) {
		const char *other = world_get(l, "of"); /* a person, by number */
		struct facts_heir in = { world_number(l, "person"),
					 other ? FACTS_NONE : world_row(b, 'a', l->words[2]),
					 0 };

		if (other)
			assert_true(str_uint64(str_of(other), &in.heir));
		r = facts_add_heir(b->f, &in, &err);
	} else if (strcmp(l->words[0], "refusal") == 0) {
		struct facts_refusal in = { .account = world_row(b, 'a', l->words[1]),
					    .id = str_of(l->words[3]),
					    .receiver = world_row(b, 'a', world_get(l, "to")),
					    .site = world_text(l, "site", "acme") };

		assert_true(owned_kind_of(str_of(l->words[2]), &in.kind));
		r = facts_add_refusal(b->f, &in, &err);
	}
	assert_ok(r, &err);
}

static void world_round(const struct plan_world *w, struct facts_round *ret)
{
	static const char *const modes[] = { "observe", "propose", "act", NULL };

	*ret = (struct facts_round){ .org = STR("acme"),
				     .mode = ORG_PROPOSE,
				     .next_person = 900,
				     .armed_ms = FACT_ABSENT,
				     .org_complete = true,
				     .org_plausible = true,
				     .org_identity_same = true };
	for (size_t i = 0; i < w->n; i++) {
		const struct world_line *l = &w->lines[i];

		if (strcmp(l->words[0], "now") == 0)
			ret->now_ms = world_time_of(l->words[1]);
		if (strcmp(l->words[0], "round") != 0)
			continue;
		ret->org = world_text(l, "org", "acme");
		ret->zone = world_text(l, "zone", "");
		ret->mode = (enum org_mode)world_word(
			world_get(l, "mode") ? world_get(l, "mode") : "propose", modes);
		ret->armed_ms = world_time(l, "armed", "never");
		ret->org_complete = world_tri(l, "complete", "yes") == TRI_YES;
		ret->org_stale = world_tri(l, "stale", "no") == TRI_YES;
		ret->org_plausible = world_tri(l, "plausible", "yes") == TRI_YES;
		ret->org_identity_same = world_tri(l, "same", "yes") == TRI_YES;
		ret->foreign_write = world_tri(l, "foreign_write", "no") == TRI_YES;
		ret->hand_approval = world_tri(l, "hand_approval", "no") == TRI_YES;
		ret->org_doubt = world_text(l, "doubt", "");
		ret->org_admins = world_number(l, "org_admins");
	}
}

/* Facts of a world, its rows in the order of its lines. *ret is new and sealed. */
static UNUSED void world_facts(const struct plan_world *w, const struct policy *policy,
			       struct facts **ret)
{
	static const struct {
		const char *kind;
		void (*add)(struct world_build *b, const struct world_line *l);
	} passes[] = {
		{ "source", world_source },
		{ "record", world_record },
		{ "person", world_decision },
		{ "account", world_account },
		{ "product", world_product },
		{ "group", world_group },
		{ "seat", world_hanging },
		{ "grant", world_hanging },
		{ "member", world_hanging },
		{ "role", world_hanging },
		{ "protect", world_decision },
		{ "bar", world_decision },
		{ "expected", world_decision },
		{ "approved", world_decision },
		{ "address", world_decision },
		{ "apart", world_decision },
		{ "progress", world_past },
		{ "former", world_past },
		{ "returned", world_past },
		{ "provisioning", world_provision },
		{ "scim-user", world_provision },
		{ "scim-group", world_provision },
		{ "scim-member", world_provision },
		{ "counted", world_past },
		{ "open", world_past },
		{ "site", world_owned },
		{ "inventory", world_owned },
		{ "owned", world_owned },
		{ "heir", world_owned },
		{ "refusal", world_owned },
	};
	struct world_build b = { .w = w, .policy = policy };
	struct facts_round round;
	struct err err;

	world_round(w, &round);
	b.names = calloc(w->n + 1, sizeof(*b.names));
	assert_non_null(b.names);
	assert_ok(facts_new(&policy->columns, &round, &b.f, &err), &err);
	for (size_t p = 0; p < COUNT_OF(passes); p++)
		for (size_t i = 0; i < w->n; i++)
			if (strcmp(w->lines[i].words[0], passes[p].kind) == 0)
				passes[p].add(&b, &w->lines[i]);
	for (size_t i = 0; i < w->n; i++) {
		bool known = strcmp(w->lines[i].words[0], "now") == 0 ||
			     strcmp(w->lines[i].words[0], "round") == 0 ||
			     strcmp(w->lines[i].words[0], "team") == 0;

		for (size_t p = 0; p < COUNT_OF(passes); p++)
			known = known || strcmp(w->lines[i].words[0], passes[p].kind) == 0;
		if (!known)
			fail_msg("a world has a line %s", w->lines[i].words[0]);
	}
	free(b.names);
	assert_ok(facts_seal(b.f, &err), &err);
	*ret = b.f;
}

/* The two plans as bytes, urgent first, each with a newline; "null" where there is none. */
static UNUSED char *world_bytes(const struct reconcile_result *result)
{
	struct buf b;
	struct err err;

	buf_init(&b, PLAN_MAX_BYTES);
	for (int i = 0; i < PLAN_URGENCY_COUNT; i++) {
		if (result->plans[i])
			assert_ok(plan_write(result->plans[i], &b, &err), &err);
		else
			buf_add_text(&b, "null");
		buf_add_char(&b, '\n');
	}
	assert_int_equal(b.fault, 0);
	return buf_take(&b, NULL);
}

#endif
