/* Answers of scim.check, for people. */
#include "bridge/render.h"

#include <inttypes.h>

static const char *const outcomes[] = { "passed",  "failed",  "not_claimed",
					"not_run", "blocked", "deviates" };

/* clang-format off */
static const struct render_column group_columns[] = {
	{ .head = "Group", .member = "group", .firm = true },
	{ .head = "Passed", .member = "passed", .as = RENDER_AS_COUNT },
	{ .head = "Failed", .member = "failed", .as = RENDER_AS_COUNT },
	{ .head = "Not claimed", .member = "not_claimed", .as = RENDER_AS_COUNT },
	{ .head = "Not run", .member = "not_run", .as = RENDER_AS_COUNT },
	{ .head = "Blocked", .member = "blocked", .as = RENDER_AS_COUNT },
	{ .head = "Deviates", .member = "deviates", .as = RENDER_AS_COUNT },
	{ 0 }
};
static const struct render_column left_columns[] = {
	{ .head = "Left at", .member = "endpoint", .firm = true },
	{ .head = "Name", .member = "name", .firm = true },
	{ .head = "Id", .member = "id" },
	{ .head = "Why", .member = "why" },
	{ 0 }
};
/* clang-format on */

static int64_t count_of(const json_t *row, const char *outcome)
{
	return json_integer_value(json_object_get(row, outcome));
}

/* The row of a group, made when it is met first. Borrowed; NULL: no memory. */
static json_t *group_row(json_t *rows, const char *group)
{
	json_t *row;
	size_t i;

	json_array_foreach (rows, i, row)
		if (!strcmp(jx_get_text(row, "group"), group))
			return row;
	row = json_pack("{s:s}", "group", group);
	for (size_t o = 0; row && o < COUNT_OF(outcomes); o++)
		json_object_set_new(row, outcomes[o], json_integer(0));
	return row && json_array_append_new(rows, row) == 0 ? row : NULL;
}

static int render_groups_of(struct cli *cli, const json_t *cases)
{
	CLEANUP(json_decref_at) json_t *rows = json_array();
	const json_t *each;
	size_t i;

	if (!rows)
		return -ERR_NOMEM;
	json_array_foreach ((json_t *)cases, i, each) {
		const char *outcome = jx_get_text(each, "outcome");
		json_t *row = group_row(rows, jx_get_text(each, "group"));

		if (!row)
			return -ERR_NOMEM;
		json_object_set_new(row, outcome, json_integer(count_of(row, outcome) + 1));
	}
	render_table(cli, group_columns, rows, "no case was run");
	return 0;
}

static void render_part(struct cli *cli, const json_t *row, const char *member,
			const char *title)
{
	const char *text = jx_get_text(row, member);

	if (text)
		render_para(cli, 4, "%s: %s", title, text);
}

static void render_case(struct cli *cli, const json_t *row)
{
	const char *level = jx_get_text(row, "level"), *outcome = jx_get_text(row, "outcome");
	bool bad = !strcmp(level, "MUST") && strcmp(outcome, "deviates") != 0;

	buf_add_char(&cli->out, '\n');
	render_styled(cli, bad ? RENDER_BAD : RENDER_WARN, outcome);
	buf_addf(&cli->out, "  %s  (%s, %s)\n", jx_get_text(row, "name"), level,
		 jx_get_text(row, "section"));
	render_part(cli, row, "wants", "Wanted");
	render_part(cli, row, "why", "Found");
	render_part(cli, row, "sent", "Sent");
	render_part(cli, row, "came", "Came");
	render_part(cli, row, "hurts", "Hurts");
}

static void render_level(struct cli *cli, const json_t *counts, const char *key,
			 const char *title)
{
	const json_t *row = json_object_get(counts, key);

	render_line(cli,
		    "%-7s %" PRId64 " passed, %" PRId64 " failed, %" PRId64
		    " not claimed, %" PRId64 " not run, %" PRId64 " blocked, %" PRId64
		    " deviate",
		    title, count_of(row, "passed"), count_of(row, "failed"),
		    count_of(row, "not_claimed"), count_of(row, "not_run"),
		    count_of(row, "blocked"), count_of(row, "deviates"));
}

int render_scim_check(struct cli *cli, const json_t *out)
{
	const json_t *cases = json_object_get(out, "cases"), *each;
	const json_t *counts = json_object_get(out, "counts");
	const char *outcome;
	size_t i;
	int r;

	if (!json_array_size(cases))
		return 0;
	r = render_groups_of(cli, cases);
	if (r < 0)
		return r;
	json_array_foreach ((json_t *)cases, i, each) {
		outcome = jx_get_text(each, "outcome");
		if (!strcmp(outcome, "failed") || !strcmp(outcome, "blocked") ||
		    !strcmp(outcome, "deviates"))
			render_case(cli, each);
	}
	render_head(cli, "%s", jx_get_text(out, "url"));
	render_level(cli, counts, "must", "MUST");
	render_level(cli, counts, "should", "SHOULD");
	render_level(cli, counts, "client", "client");
	if (!json_is_true(json_object_get(out, "write")))
		render_line(cli, "Nothing was written; --write runs the rest.");
	if (json_array_size(json_object_get(out, "left"))) {
		buf_add_char(&cli->out, '\n');
		render_table(cli, left_columns, json_object_get(out, "left"), NULL);
	}
	return 0;
}
