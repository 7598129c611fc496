/* Answers about reading, planning and applying, for people. */
#include "bridge/render.h"

#include <ctype.h>

#include "bridge/progress.h"
#include "bridge/signing.h"
#include "model/plan.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = jx_get_text(object, key);

	return text ? text : "";
}

static const char *s_of(long long n) /* one action, two actions */
{
	return n == 1 ? "" : "s";
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static bool is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

/* --- styles --------------------------------------------------------------------------------
 */

static enum render_style style_yes(const char *text)
{
	return strcmp(text, "yes") == 0 ? RENDER_GOOD : RENDER_BAD;
}

static enum render_style style_verdict(const char *text)
{
	if (strcmp(text, "pass") == 0)
		return RENDER_GOOD;
	return strcmp(text, "hold-plan") == 0 ? RENDER_BAD : RENDER_WARN;
}

static enum render_style style_state(const char *text)
{
	static const struct {
		const char *word;
		enum render_style style;
	} words[] = {
		{ "done", RENDER_GOOD },    { "already", RENDER_GOOD },
		{ "failed", RENDER_BAD },   { "held", RENDER_WARN },
		{ "skipped", RENDER_DIM },  { "superseded", RENDER_DIM },
		{ "started", RENDER_WARN },
	};

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strcmp(text, words[i].word) == 0)
			return words[i].style;
	return RENDER_PLAIN;
}

/* --- reading -------------------------------------------------------------------------------
 */

/* What was detected of an export, and what a person may want to know of it. */
static void export_said(struct cli *cli, const json_t *source)
{
	const json_t *file = json_object_get(source, "file"), *reason;
	const char *delimiter = jx_get_text(file, "delimiter"), *how = jx_get_text(file, "how");
	size_t i;

	if (!json_is_object(file))
		return;
	render_head(cli, "%s: %s", jx_get_text(source, "source"), jx_get_text(file, "name"));
	render_line(cli, "  %s (%s)%s%s, %lld rows%s%s; sealed with %s%s",
		    jx_get_text(file, "encoding"), how ? how : "",
		    delimiter && *delimiter ? ", delimiter " : "", delimiter ? delimiter : "",
		    number_of(file, "rows"),
		    number_of(file, "doubled") ? ", several of one person" : "",
		    number_of(file, "bad") ? ", some with values that cannot be read" : "",
		    jx_get_text(file, "seal"),
		    is_true(source, "same") ? "; the same bytes as the last accepted one" : "");
	if (number_of(source, "earlier"))
		render_line(cli, "  %lld exports of the folder were read before it",
			    number_of(source, "earlier"));
	if (number_of(source, "absent_long"))
		render_line(
			cli,
			"  %lld people are absent long enough: `leaverd source gone %s` lists "
			"them, and a person confirms",
			number_of(source, "absent_long"), jx_get_text(source, "source"));
	json_array_foreach (json_object_get(source, "reasons"), i, reason)
		if (!is_true(reason, "refuses"))
			render_line(cli, "  note: %s", jx_get_text(reason, "text"));
}

/* What the map makes of a row: for dry runs. */
static void export_row(struct cli *cli, const json_t *row)
{
	static const struct render_column columns[] = {
		{ .head = "COLUMN", .member = "column" },
		{ .head = "IN THE FILE", .member = "text" },
		{ .head = "READ AS", .member = "read" },
		{ 0 },
	};
	CLEANUP(buf_done) struct buf doc;
	const char *bad = jx_get_text(row, "bad");
	const json_t *path;
	struct err err;
	size_t i;

	buf_init(&doc, 1 << 20);
	if (jx_text(json_object_get(row, "document"), &doc, &err) < 0 || doc.fault)
		buf_clear(&doc);
	render_head(cli, "line %lld, key %s", number_of(row, "line"), jx_get_text(row, "key"));
	render_table(cli, columns, json_object_get(row, "cells"), NULL);
	render_line(cli, "  %s", doc.p ? doc.p : "");
	json_array_foreach (json_object_get(row, "unknown"), i, path)
		render_line(cli, "  unknown: %s", json_string_value(path));
	if (bad)
		render_line(cli, "  cannot be read: %s", bad);
}

static enum render_style style_accepted(const char *text)
{
	return strcmp(text, "no") == 0 ? RENDER_BAD : RENDER_GOOD;
}

/* What is shown of the reads: of one that found no export, that what was accepted before stands
 * is said where others say whether they were. */
static json_t *reads_shown(const json_t *sources)
{
	json_t *rows = json_deep_copy(sources), *row;
	size_t i;

	json_array_foreach (rows, i, row)
		if (is_true(row, "stands"))
			(void)!json_object_set_new(row, "accepted", json_string("as before"));
	return rows;
}

int render_sync(struct cli *cli, const json_t *out)
{
	const json_t *source, *row;
	size_t i, k;

	static const struct render_column columns[] = {
		{ .head = "SOURCE", .member = "source", .firm = true },
		{ .head = "ENTRIES", .member = "entries", .as = RENDER_AS_COUNT },
		{ .head = "NEW", .member = "fresh", .as = RENDER_AS_COUNT },
		{ .head = "CHANGED", .member = "changed", .as = RENDER_AS_COUNT },
		{ .head = "MISSING", .member = "missing", .as = RENDER_AS_COUNT },
		{ .head = "DISABLED", .member = "disabled", .as = RENDER_AS_COUNT },
		{ .head = "GONE", .member = "gone", .as = RENDER_AS_COUNT },
		{ .head = "COMPLETE", .member = "complete", .style = style_yes },
		{ .head = "ACCEPTED", .member = "accepted", .style = style_accepted },
		{ .head = "WHY NOT", .member = "why", .if_any = true },
		{ 0 },
	};
	CLEANUP(json_decref_at) json_t *shown = NULL;

	if (json_object_get(out, "shown"))
		return render_shown(cli, out);
	shown = reads_shown(json_object_get(out, "sources"));
	render_table(cli, columns, shown,
		     "No source is read by us: the configured ones are pushed.");
	json_array_foreach (json_object_get(out, "sources"), i, source) {
		export_said(cli, source);
		json_array_foreach (json_object_get(source, "sample"), k, row)
			export_row(cli, row);
	}
	return 0;
}

int render_gone(struct cli *cli, const json_t *out)
{
	static const struct render_column columns[] = {
		{ .head = "KEY", .member = "key", .firm = true },
		{ .head = "EXPORTS WITHOUT", .member = "reads", .as = RENDER_AS_COUNT },
		{ .head = "SINCE", .member = "since_ms", .as = RENDER_AS_TIME },
		{ 0 },
	};
	const char *text = jx_get_text(out, "text");

	if (text)
		render_line(cli, "%s", text);
	else
		render_table(cli, columns, json_object_get(out, "absent"),
			     "Nobody is absent long enough.");
	return 0;
}

int render_collect_status(struct cli *cli, const json_t *out)
{
	static const struct render_column columns[] = {
		{ .head = "ORGANISATION", .member = "org", .firm = true },
		{ .head = "READ", .member = "ended_ms", .as = RENDER_AS_TIME },
		{ .head = "ACCOUNTS", .member = "accounts", .as = RENDER_AS_COUNT },
		{ .head = "SEATS", .member = "seats", .as = RENDER_AS_COUNT },
		{ .head = "COMPLETE", .member = "complete", .style = style_yes },
		{ .head = "WHY NOT", .member = "why", .if_any = true },
		{ 0 },
	};
	const json_t *list = json_object_get(out, "organisations"), *org;
	size_t i;

	render_table(cli, columns, list, "There is no organisation.");
	json_array_foreach (list, i, org) {
		char text[160];

		progress_text(json_object_get(org, "reading"), jx_get_text(org, "org"), text);
		if (text[0])
			render_line(cli, "Reading %s.", text);
	}
	return 0;
}

int render_collect(struct cli *cli, const json_t *out)
{
	static const struct render_column columns[] = {
		{ .head = "ORGANISATION", .member = "org", .firm = true },
		{ .head = "ACCOUNTS", .member = "accounts", .as = RENDER_AS_COUNT },
		{ .head = "CHANGED", .member = "accounts_changed", .as = RENDER_AS_COUNT },
		{ .head = "GROUPS", .member = "groups", .as = RENDER_AS_COUNT },
		{ .head = "SEATS", .member = "seats", .as = RENDER_AS_COUNT },
		{ .head = "REQUESTS", .member = "requests", .as = RENDER_AS_COUNT },
		{ .head = "COMPLETE", .member = "complete", .style = style_yes },
		{ .head = "WHY NOT", .member = "why", .if_any = true },
		{ 0 },
	};

	render_table(cli, columns, json_object_get(out, "organisations"),
		     "The configuration has no organisation.");
	return 0;
}

/* --- counts by rule ------------------------------------------------------------------------
 */

#define HEAD_BYTES 24

/* "REVOKE TOKENS" of "revoke-tokens". */
static void head_of(const char *word, char ret[HEAD_BYTES])
{
	size_t i = 0;

	for (; word[i] && i + 1 < HEAD_BYTES; i++)
		ret[i] = word[i] == '-' ? ' ' : (char)toupper((unsigned char)word[i]);
	ret[i] = '\0';
}

/* A column for each kind that a rule or a person's order has here; "rules" counts the whole
 * plan (planner_rules), however few of its actions are shown. */
static void render_counts(struct cli *cli, const json_t *rules)
{
	struct render_column columns[ACTION_KIND_COUNT + 3] = {
		{ .head = "RULE", .member = "rule", .firm = true },
	};
	char heads[ACTION_KIND_COUNT][HEAD_BYTES];

	for (size_t k = 0; k < ACTION_KIND_COUNT; k++) {
		head_of(action_kinds[k].word, heads[k]);
		columns[k + 1] = (struct render_column){ .head = heads[k],
							 .member = action_kinds[k].word,
							 .as = RENDER_AS_COUNT,
							 .if_any = true };
	}
	columns[ACTION_KIND_COUNT + 1] = (struct render_column){ .head = "HELD",
								 .member = "held",
								 .as = RENDER_AS_COUNT };
	render_table(cli, columns, rules, NULL);
}

static void render_guards(struct cli *cli, const json_t *guards)
{
	static const struct render_column columns[] = {
		{ .head = "GUARD", .member = "name", .firm = true },
		{ .head = "VERDICT",
		  .member = "verdict",
		  .style = style_verdict,
		  .firm = true },
		{ .head = "WHAT IT SAW", .member = "text" },
		{ 0 },
	};

	render_table(cli, columns, guards, NULL);
}

static void render_actions(struct cli *cli, const json_t *actions, bool states)
{
	static const struct render_column columns[] = {
		{ .head = "N", .member = "n", .as = RENDER_AS_COUNT },
		{ .head = "KIND", .member = "kind", .firm = true },
		{ .head = "WHO", .member = "email" },
		{ .head = "PRODUCT", .member = "product", .if_any = true },
		{ .head = "RULE", .member = "rule", .firm = true },
		{ .head = "DUE", .member = "due", .firm = true },
		{ .head = "HELD BY", .member = "held_by", .if_any = true },
		{ .head = "REASON", .member = "reason" },
		{ 0 },
	};
	static const struct render_column done[] = {
		{ .head = "N", .member = "n", .as = RENDER_AS_COUNT },
		{ .head = "KIND", .member = "kind", .firm = true },
		{ .head = "WHO", .member = "email" },
		{ .head = "PRODUCT", .member = "product", .if_any = true },
		{ .head = "RULE", .member = "rule", .firm = true },
		{ .head = "STATE", .member = "state", .style = style_state, .firm = true },
		{ .head = "HELD BY", .member = "held_by", .if_any = true },
		{ .head = "RESULT", .member = "result", .if_any = true },
		{ 0 },
	};

	render_table(cli, states ? done : columns, actions, "Nothing is to be done.");
}

/* What a hand-over gives to whom, and what stays a task for people. */
static void render_gifts(struct cli *cli, const json_t *actions)
{
	static const struct render_column columns[] = {
		{ .head = "ACTION", .member = "n", .as = RENDER_AS_COUNT },
		{ .head = "GIVES", .member = "op", .firm = true },
		{ .head = "HOW MANY", .member = "count", .as = RENDER_AS_COUNT },
		{ .head = "SITE", .member = "site" },
		{ .head = "TO", .member = "receiver" },
		{ .head = "AS", .member = "name" },
		{ 0 },
	};
	CLEANUP(json_decref_at) json_t *rows = json_array();
	json_t *action, *step, *kept;
	size_t i, k;

	json_array_foreach (actions, i, action) {
		json_array_foreach (json_object_get(action, "steps"), k, step) {
			json_t *row = json_object_get(step, "to") ? json_copy(step) : NULL;

			if (!row)
				continue;
			json_object_set(row, "n", json_object_get(action, "n"));
			json_object_set_new(row, "count",
					    json_integer((json_int_t)json_array_size(
						    json_object_get(step, "items"))));
			json_array_append_new(rows, row);
		}
	}
	if (json_array_size(rows)) {
		render_head(cli, "Hand-over");
		render_table(cli, columns, rows, NULL);
	}
	json_array_foreach (actions, i, action)
		json_array_foreach (json_object_get(action, "kept"), k, kept)
			if (strcmp(text_of(action, "kind"), "hand-over") == 0)
				render_para(cli, 2, "task: %s", json_string_value(kept));
}

/* --- plan, show ----------------------------------------------------------------------------
 */

/* --- sentences told once, of however many they are true --------------------------------------
 */

#define TOLD_MOST 10    /* sentences; --json has all */
#define NUMBERS_MOST 12 /* named beside one of them */

struct told {
	const char *text[TOLD_MOST]; /* the answer's */
	size_t n;
};

enum told_answer { TOLD_NOW, TOLD_BEFORE, TOLD_FULL };

static enum told_answer told_add(struct told *t, const char *text)
{
	size_t k;

	for (k = 0; k < t->n && strcmp(t->text[k], text) != 0;)
		k++;
	if (k < t->n)
		return TOLD_BEFORE;
	if (t->n == TOLD_MOST)
		return TOLD_FULL;
	t->text[t->n++] = text;
	return TOLD_NOW;
}

/* How many rows say the same; the numbers of the first of them, with commas between. */
static size_t alike(const json_t *rows, const char *key, const char *text, const char *number,
		    struct buf *numbers)
{
	const char *other;
	json_t *row;
	size_t i, all = 0, named = 0;

	json_array_foreach (rows, i, row) {
		other = jx_get_text(row, key);
		if (!other || strcmp(other, text) != 0)
			continue;
		all++;
		if (number_of(row, number) && named++ < NUMBERS_MOST)
			buf_addf(numbers, "%s%lld", numbers->len ? ", " : "",
				 number_of(row, number));
	}
	if (named > NUMBERS_MOST)
		buf_add_text(numbers, " and others");
	return all;
}

/* Without names: `leaverd why NUMBER` tells them to who may know. */
static void render_findings(struct cli *cli, const json_t *round)
{
	const json_t *rows = json_object_get(round, "findings"), *row;
	struct told told = { .n = 0 };
	size_t i, all = 0;

	json_array_foreach (rows, i, row) {
		CLEANUP(buf_done) struct buf persons;

		if (told_add(&told, text_of(row, "text")) != TOLD_NOW)
			continue;
		buf_init(&persons, 128);
		all += alike(rows, "text", text_of(row, "text"), "person", &persons);
		render_line(cli, "finding: %s%s%s", text_of(row, "text"),
			    persons.len ? "; leaverd why " : "", persons.p ? persons.p : "");
	}
	if (number_of(round, "findings_total") > (long long)all)
		render_line(cli, "and %lld findings more (--json has them)",
			    number_of(round, "findings_total") - (long long)all);
}

static void render_round(struct cli *cli, const json_t *round)
{
	const json_t *c = json_object_get(round, "counts");

	render_head(cli, "Organisation %s", text_of(round, "org"));
	render_line(cli,
		    "%lld records make %lld persons; %lld accounts, %lld linked, %lld adopted, "
		    "%lld orphans; %lld seats.",
		    number_of(c, "records"), number_of(c, "persons"), number_of(c, "accounts"),
		    number_of(c, "linked"), number_of(c, "adopted"), number_of(c, "orphans"),
		    number_of(c, "seats"));
	render_guards(cli, json_object_get(round, "guards"));
	if (number_of(round, "doubts"))
		render_line(cli, "%lld doubtful match%s: leaverd match list",
			    number_of(round, "doubts"),
			    number_of(round, "doubts") == 1 ? "" : "es");
	if (number_of(c, "later"))
		render_line(cli, "%lld step%s due later than this plan looks.",
			    number_of(c, "later"),
			    number_of(c, "later") == 1 ? " is" : "s are");
	render_findings(cli, round);
}

/* One sentence for all actions that lack the same as this one, the first of them. */
static void missing_line(struct cli *cli, const json_t *actions, const json_t *first)
{
	const char *missing = text_of(first, "missing"), *who = text_of(first, "email");
	CLEANUP(buf_done) struct buf numbers;
	size_t all;

	buf_init(&numbers, 128);
	all = alike(actions, "missing", missing, "n", &numbers);
	if (all == 1)
		render_line(cli, "action %lld (%s %s) waits for: %s", number_of(first, "n"),
			    text_of(first, "kind"), *who ? who : "of somebody sealed", missing);
	else
		render_line(cli, "%zu actions (%s) wait for: %s", all,
			    numbers.p ? numbers.p : "", missing);
}

/* What holds is told with what to do about it. */
static void render_missing(struct cli *cli, const json_t *plan)
{
	const json_t *actions = json_object_get(plan, "actions"), *row;
	struct told told = { .n = 0 };
	const char *missing;
	size_t i, rest = 0;

	json_array_foreach (json_object_get(plan, "guards"), i, row) {
		if (jx_get_text(row, "missing"))
			render_line(cli, "guard %s waits for: %s", text_of(row, "name"),
				    text_of(row, "missing"));
	}
	json_array_foreach (actions, i, row) {
		missing = jx_get_text(row, "missing");
		switch (missing ? told_add(&told, missing) : TOLD_BEFORE) {
		case TOLD_NOW:
			missing_line(cli, actions, row);
			break;
		case TOLD_FULL:
			rest++;
			break;
		case TOLD_BEFORE:
			break;
		}
	}
	if (rest)
		render_line(cli, "and %zu held actions more (--json says what each waits for)",
			    rest);
}

/* What is new to who saw the plan before this one. */
static void render_since(struct cli *cli, const json_t *since)
{
	static const struct render_column columns[] = {
		{ .head = "CHANGE", .member = "change", .firm = true },
		{ .head = "KIND", .member = "kind", .firm = true },
		{ .head = "WHO", .member = "email" },
		{ .head = "PRODUCT", .member = "product", .if_any = true },
		{ .head = "RULE", .member = "rule", .firm = true },
		{ .head = "HOW", .member = "how", .if_any = true },
		{ 0 },
	};
	long long rest = number_of(since, "new") + number_of(since, "gone") +
			 number_of(since, "changed") -
			 (long long)json_array_size(json_object_get(since, "rows"));

	if (!since)
		return;
	render_line(cli, "Since plan %lld, which %s: %lld new, %lld gone, %lld changed.",
		    number_of(since, "plan"),
		    is_true(since, "seen") ? "you saw last" : "this one supersedes",
		    number_of(since, "new"), number_of(since, "gone"),
		    number_of(since, "changed"));
	render_table(cli, columns, json_object_get(since, "rows"), NULL);
	if (rest > 0)
		render_line(cli, "and %lld changes more.", rest);
}

static void render_one_plan(struct cli *cli, const json_t *plan, bool states)
{
	render_head(cli, "Plan %lld (%s, %s)%s", number_of(plan, "plan"),
		    text_of(plan, "urgency"), text_of(plan, "state"),
		    is_true(plan, "held") ? ": HELD WHOLE" : "");
	render_line(cli, "digest %s", text_of(plan, "digest"));
	render_since(cli, json_object_get(plan, "since"));
	render_counts(cli, json_object_get(plan, "rules"));
	render_guards(cli, json_object_get(plan, "guards"));
	render_actions(cli, json_object_get(plan, "actions"), states);
	if (number_of(plan, "sealed"))
		render_line(cli,
			    "%lld action%s about ends that lie ahead: whom, is for role "
			    "hr-confidential (--token-file).",
			    number_of(plan, "sealed"),
			    number_of(plan, "sealed") == 1 ? " is" : "s are");
	render_gifts(cli, json_object_get(plan, "actions"));
	render_missing(cli, plan);
}

/* What was cut from the round, and what is left for others. */
static void render_waves(struct cli *cli, const json_t *round)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(round, "waves"), i, row) {
		long long taken = number_of(row, "taken"), left = number_of(row, "left");

		if (!taken && !left)
			continue;
		if (!taken)
			render_para(cli, 0,
				    "No %s wave: the limits leave no room for any of %lld "
				    "subjects now.",
				    text_of(row, "urgency"), left);
		else
			render_para(
				cli, 0,
				"Wave: the surest %lld of %lld subjects (%s, plan %lld); waves "
				"of that size still to come: %lld%s.",
				taken, taken + left, text_of(row, "urgency"),
				number_of(row, "plan"), number_of(row, "waves_left"),
				number_of(row, "no_room")
					? ": the limits leave no room for more now"
					: "");
	}
	if (json_object_get(round, "waves"))
		render_para(cli, 0,
			    "Surest first: leavers before absence, inactivity and orphans; "
			    "stated before concluded from silence; by HR, directory, identity "
			    "provider, Atlassian alone; what has stood longest. What a guard "
			    "holds is in no wave; what fits in one plan needs none.");
}

static void render_renewal(struct cli *cli, const json_t *renewal)
{
	static const struct render_column columns[] = {
		{ .head = "RANK", .member = "rank", .as = RENDER_AS_COUNT },
		{ .head = "WHO", .member = "email" },
		{ .head = "SITE", .member = "site", .if_any = true },
		{ .head = "SEAT", .member = "sort", .firm = true },
		{ .head = "LAST USED", .member = "last_active", .as = RENDER_AS_DATE },
		{ .head = "STATE", .member = "state", .firm = true },
		{ .head = "RULE", .member = "rule", .if_any = true },
		{ .head = "FREE ON", .member = "free_at", .as = RENDER_AS_DATE, .firm = true },
		{ .head = "WHY NOT", .member = "why", .if_any = true },
		{ 0 },
	};
	CLEANUP(buf_done) struct buf by;

	buf_init(&by, 64);
	if (!renewal)
		return;
	render_value(cli, RENDER_AS_DATE, json_object_get(renewal, "by"), &by);
	render_head(cli, "%lld of %lld seats of %s can be free by %s",
		    number_of(renewal, "makes"), number_of(renewal, "free"),
		    text_of(renewal, "product"), by.p ? by.p : "then");
	render_table(cli, columns, json_object_get(renewal, "rows"), "There is no such seat.");
	render_line(cli,
		    "%lld seats in all; %lld more were not looked at; of %lld it is not known "
		    "when they were used.",
		    number_of(renewal, "seats"), number_of(renewal, "in_use"),
		    number_of(renewal, "unknown"));
	if (json_array_size(json_object_get(renewal, "plans")) == 0)
		render_line(cli, "None of their steps can be planned now.");
}

int render_plan(struct cli *cli, const json_t *out)
{
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(out, "rounds"), i, row) {
		render_round(cli, row);
		if (number_of(row, "config_waits"))
			render_para(
				cli, 0,
				"Configuration %lld lets more happen and waits for a person "
				"(leaverd config approve): this is planned by what stood "
				"before it.",
				number_of(row, "config_waits"));
		render_waves(cli, row);
		render_renewal(cli, json_object_get(row, "renewal"));
	}
	json_array_foreach (json_object_get(out, "plans"), i, row) {
		render_one_plan(cli, row, false);
	}
	if (json_array_size(json_object_get(out, "plans")) == 0) {
		/* without a round nobody looked: the fault on stderr says why */
		if (json_array_size(json_object_get(out, "rounds")) > 0)
			render_line(cli, "Nothing is to be done.");
		return 0;
	}
	render_head(cli, "Next");
	json_array_foreach (json_object_get(out, "plans"), i, row) {
		if (number_of(row, "free") > 0)
			render_line(cli, "leaverd approve %lld", number_of(row, "plan"));
		else
			render_line(
				cli,
				"leaverd show %lld: all of it is held; each guard says what "
				"would release it",
				number_of(row, "plan"));
	}
	return 0;
}

static void render_decisions(struct cli *cli, const json_t *decisions)
{
	static const struct render_column columns[] = {
		{ .head = "DECISION", .member = "decision", .firm = true },
		{ .head = "WHO", .member = "who", .firm = true },
		{ .head = "WHEN", .member = "at", .as = RENDER_AS_TIME, .firm = true },
		{ .head = "GUARDS", .member = "guards", .if_any = true },
		{ .head = "WHY", .member = "why", .if_any = true },
		{ 0 },
	};

	if (json_array_size(decisions) == 0)
		return;
	render_head(cli, "Decisions");
	render_table(cli, columns, decisions, NULL);
}

int render_show(struct cli *cli, const json_t *out)
{
	bool fresh = strcmp(text_of(out, "state"), "open") == 0;

	if (json_object_get(out, "statement"))
		return render_signing(cli, out);
	render_one_plan(cli, out, !fresh);
	render_decisions(cli, json_object_get(out, "decisions"));
	return 0;
}

/* --- decisions, apply, block, why ----------------------------------------------------------
 */

static void decision_line(struct cli *cli, const json_t *out, const char *what)
{
	CLEANUP(buf_done) struct buf until;

	buf_init(&until, 64);
	if (number_of(out, "until"))
		render_value(cli, RENDER_AS_TIME, json_object_get(out, "until"), &until);
	if (strcmp(what, "approve") == 0)
		render_line(cli, "Plan %lld: %lld action%s approved by %s%s%s.",
			    number_of(out, "plan"), number_of(out, "actions"),
			    s_of(number_of(out, "actions")), text_of(out, "who"),
			    jx_get_text(out, "guards") ? ", released: " : "",
			    text_of(out, "guards"));
	else if (strcmp(what, "release") == 0)
		render_line(cli, "Plan %lld: %s released by %s.", number_of(out, "plan"),
			    text_of(out, "guards"), text_of(out, "who"));
	else if (until.p)
		render_line(cli, "Plan %lld: %lld action%s refused by %s until %s.",
			    number_of(out, "plan"), number_of(out, "actions"),
			    s_of(number_of(out, "actions")), text_of(out, "who"), until.p);
	else
		render_line(cli, "Plan %lld: rejected by %s.", number_of(out, "plan"),
			    text_of(out, "who"));
}

int render_decision(struct cli *cli, const json_t *out)
{
	const char *what = text_of(out, "decision");

	decision_line(cli, out, what);
	if (json_is_true(json_object_get(out, "two")))
		render_line(cli,
			    "What of it takes two people starts once two have signed (leaverd "
			    "approver): leaverd show %lld says what is missing.",
			    number_of(out, "plan"));
	if (number_of(out, "held_actions"))
		render_line(cli, "%lld action%s held and %s not approved.",
			    number_of(out, "held_actions"),
			    number_of(out, "held_actions") == 1 ? " is" : "s are",
			    number_of(out, "held_actions") == 1 ? "was" : "were");
	if (number_of(out, "alone")) {
		CLEANUP(buf_done) struct buf when;

		buf_init(&when, 64);
		render_value(cli, RENDER_AS_TIME, json_object_get(out, "alone"), &when);
		render_line(cli, "One administrator stands for two: counts from %s.",
			    when.p ? when.p : "then");
	}
	return 0;
}

static long long seats_of(const json_t *list, const char *product, const char *site)
{
	json_t *row;
	size_t i;

	json_array_foreach (list, i, row) {
		if (strcmp(text_of(row, "product"), product) == 0 &&
		    strcmp(text_of(row, "site"), site) == 0)
			return number_of(row, "seats");
	}
	return 0;
}

static const char *account_key(const json_t *action, char ret[24])
{
	(void)snprintf(ret, 24, "%lld", number_of(action, "account"));
	return ret;
}

static bool is_freeing(const json_t *action, const char *state)
{
	return !strcmp(text_of(action, "kind"), "free-seat") &&
	       !strcmp(text_of(action, "state"), state);
}

/* Accounts of which this plan took something. NULL: no memory. */
static json_t *touched_accounts(const json_t *actions)
{
	json_t *ret = json_object(), *a;
	char key[24];
	size_t i;

	json_array_foreach (actions, i, a) {
		if (is_freeing(a, "done") &&
		    json_object_set_new(ret, account_key(a, key), json_true()) < 0) {
			json_decref(ret);
			return NULL;
		}
	}
	return ret;
}

/* Seats that a plan's own actions freed; also with a group that another of them had removed. */
static long long freed_by(const json_t *actions, const json_t *touched, const char *product,
			  const char *site)
{
	long long n = 0;
	char key[24];
	json_t *a;
	size_t i;

	json_array_foreach (actions, i, a) {
		if (!strcmp(text_of(a, "product"), product) &&
		    !strcmp(text_of(a, "site"), site))
			n += is_freeing(a, "done") ||
			     (is_freeing(a, "already") &&
			      json_object_get(touched, account_key(a, key)));
	}
	return n;
}

/* Other plans may be applied meanwhile: what the organisation has is told beside what is this
 * plan's. */
static void render_seats_changed(struct cli *cli, const json_t *out)
{
	static const struct render_column columns[] = {
		{ .head = "PRODUCT", .member = "product", .firm = true },
		{ .head = "SITE", .member = "site" },
		{ .head = "SEATS BEFORE", .member = "before", .as = RENDER_AS_COUNT },
		{ .head = "NOW", .member = "after", .as = RENDER_AS_COUNT },
		{ .head = "FREED BY THIS PLAN", .member = "freed", .as = RENDER_AS_COUNT },
		{ 0 },
	};
	CLEANUP(json_decref_at) json_t *rows = json_array();
	const json_t *after = json_object_get(out, "seats_after");
	const json_t *actions = json_object_get(out, "actions");
	CLEANUP(json_decref_at) json_t *touched = touched_accounts(actions);
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(out, "seats_before"), i, row) {
		const char *product = text_of(row, "product"), *site = text_of(row, "site");
		long long was = number_of(row, "seats"), is = seats_of(after, product, site);

		if (!rows ||
		    json_array_append_new(rows,
					  json_pack("{s:s,s:s,s:I,s:I,s:I}", "product", product,
						    "site", site, "before", (json_int_t)was,
						    "after", (json_int_t)is, "freed",
						    (json_int_t)freed_by(actions, touched,
									 product, site))) < 0)
			return;
	}
	render_head(cli, "Seats of the organisation");
	render_table(cli, columns, rows, "No seats are known.");
}

/* How the plan stands, whoever applied it: the daemon's applier may have been faster. */
static void render_outcomes(struct cli *cli, const json_t *actions)
{
	static const struct {
		const char *state, *says;
	} words[] = {
		{ "done", "done, and read back" },
		{ "already", "were so already" },
		{ "skipped", "skipped: no longer right" },
		{ "failed", "FAILED" },
		{ "held", "held" },
		{ "started", "begun, and waited for" },
		{ "superseded", "taken over by another plan" },
		{ "planned", "not started: held, not approved, or not yet due" },
	};
	json_t *a;
	size_t i;

	for (size_t w = 0; w < COUNT_OF(words); w++) {
		long long n = 0;

		json_array_foreach (actions, i, a) {
			n += strcmp(text_of(a, "state"), words[w].state) == 0;
		}
		if (n)
			render_line(cli, "%8lld %s", n, words[w].says);
	}
}

int render_apply(struct cli *cli, const json_t *out)
{
	render_head(cli, "Plan %lld: %s", number_of(out, "plan"), text_of(out, "state"));
	render_outcomes(cli, json_object_get(out, "actions"));
	render_actions(cli, json_object_get(out, "actions"), true);
	render_seats_changed(cli, out);
	return 0;
}

int render_block(struct cli *cli, const json_t *out)
{
	json_t *plan;
	size_t i;

	json_array_foreach (json_object_get(out, "plans"), i, plan) {
		render_head(cli, "Plan %lld (%s)", number_of(plan, "plan"),
			    text_of(plan, "state"));
		render_actions(cli, json_object_get(plan, "actions"), true);
	}
	return 0;
}

/* First what does not come back: whoever undoes must know it before anything else. */
static void render_undone(struct cli *cli, const json_t *plan)
{
	json_t *left = json_object_get(plan, "left"), *bars = json_object_get(plan, "bars");
	json_t *row;
	size_t i;

	if (json_array_size(left))
		render_head(cli, "Cannot return (%s)", text_of(plan, "org"));
	json_array_foreach (left, i, row) {
		render_line(cli, "  %s", text_of(row, "text"));
	}
	if (!json_object_get(plan, "plan")) {
		render_line(cli, "Nothing comes back in organisation %s.",
			    text_of(plan, "org"));
		return;
	}
	render_head(cli, "Plan %lld (%s) gives back", number_of(plan, "plan"),
		    text_of(plan, "state"));
	render_actions(cli, json_object_get(plan, "actions"), false);
	json_array_foreach (bars, i, row) {
		render_line(cli, "Bar %lld: rule %s passes person %lld by meanwhile.",
			    number_of(row, "number"), text_of(row, "rule"),
			    number_of(row, "person"));
	}
	render_line(cli,
		    "Nothing is changed yet. Next: leaverd approve %lld, then leaverd apply "
		    "%lld --wait",
		    number_of(plan, "plan"), number_of(plan, "plan"));
}

int render_undo(struct cli *cli, const json_t *out)
{
	json_t *plan;
	size_t i;

	json_array_foreach (json_object_get(out, "plans"), i, plan) {
		render_undone(cli, plan);
	}
	return 0;
}

int render_why(struct cli *cli, const json_t *out)
{
	json_t *story;
	size_t i;

	json_array_foreach (json_object_get(out, "stories"), i, story) {
		if (json_array_size(json_object_get(out, "stories")) > 1)
			render_head(cli, "Organisation %s", text_of(story, "org"));
		render_line(cli, "%s", text_of(story, "text"));
		if (is_true(story, "sealed"))
			render_line(cli,
				    "An end that lies ahead is told to role hr-confidential "
				    "alone (--token-file): what it would do is left out.");
	}
	return 0;
}
