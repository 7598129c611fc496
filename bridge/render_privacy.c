/* The answer of `leaverd privacy`, for people. */
#include "bridge/render.h"

static void due_line(struct cli *cli, const json_t *row)
{
	int64_t rows = json_integer_value(json_object_get(row, "rows"));

	if (rows)
		render_para(cli, 0,
			    "%s%lld rows of kind %s are older than retention.%s, and go "
			    "within the hour while serve runs.",
			    json_is_true(json_object_get(row, "more")) ? "more than " : "",
			    (long long)rows, jx_get_text(row, "kind"),
			    jx_get_text(row, "kind"));
}

int render_privacy(struct cli *cli, const json_t *out)
{
	static const struct render_column held[] = {
		{ .head = "KIND", .member = "kind", .firm = true },
		{ .head = "ROWS", .member = "count", .as = RENDER_AS_COUNT, .firm = true },
		{ .head = "OLDEST", .member = "oldest_ms", .as = RENDER_AS_DATE, .firm = true },
		{ .head = "STAYS", .member = "keep_ms", .as = RENDER_AS_SPAN, .firm = true },
		{ .head = "SAYS", .member = "key", .firm = true },
		{ .head = "WHAT", .member = "what" },
		{ .head = "WHY", .member = "why" },
		{ 0 },
	};
	static const struct render_column readers[] = {
		{ .head = "WHO", .member = "who", .firm = true },
		{ .head = "READ", .member = "what" },
		{ .head = "TIMES", .member = "times", .as = RENDER_AS_COUNT },
		{ .head = "LAST", .member = "last_ms", .as = RENDER_AS_TIME },
		{ 0 },
	};
	const json_t *row;
	size_t i;

	render_table(cli, held, json_object_get(out, "held"), NULL);
	render_para(
		cli, 0,
		"What has no STAYS stays: for ever where a key stands beside it, as do reviews "
		"and the numbers of the forgotten; all else as long as the source or Atlassian "
		"has it.");
	json_array_foreach (json_object_get(out, "due"), i, row)
		due_line(cli, row);
	render_head(cli, "Who read people's data in the last %lld days",
		    (long long)json_integer_value(json_object_get(out, "days")));
	render_table(cli, readers, json_object_get(out, "readers"), "Nobody.");
	return 0;
}
