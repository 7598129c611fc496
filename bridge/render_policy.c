/* The answer of `leaverd policy diff`, for people. */
#include "bridge/render.h"

#include <string.h>

static void side_text(const json_t *plan, const char *key, char *ret, size_t room)
{
	const json_t *side = json_object_get(plan, key), *guard;
	size_t at, i;

	at = (size_t)snprintf(ret, room, "%lld actions",
			      (long long)json_integer_value(json_object_get(side, "actions")));
	json_array_foreach (json_object_get(side, "held_by"), i, guard)
		if (at < room)
			at += (size_t)snprintf(ret + at, room - at, "%s%s",
					       i ? ", " : ", held by ",
					       json_string_value(guard));
}

static long long count_of(const json_t *row, const char *key)
{
	return (long long)json_integer_value(json_object_get(row, key));
}

static void org_line(struct cli *cli, const json_t *row)
{
	char was[160], is[160];
	const json_t *plan;
	size_t i;

	render_head(cli, "%s: %lld new, %lld gone, %lld otherwise", jx_get_text(row, "org"),
		    count_of(row, "new"), count_of(row, "gone"), count_of(row, "changed"));
	json_array_foreach (json_object_get(row, "plans"), i, plan) {
		side_text(plan, "was", was, sizeof(was));
		side_text(plan, "is", is, sizeof(is));
		render_line(cli, "The %s plan: %s; now: %s.", jx_get_text(plan, "urgency"), is,
			    was);
	}
}

/* The rows of one rule, which stand together. */
static size_t rule_rows(const json_t *all, size_t from, json_t *into)
{
	const json_t *first = json_array_get(all, from), *row;
	size_t i = from;

	for (; (row = json_array_get(all, i)) &&
	       strcmp(jx_get_text(row, "rule"), jx_get_text(first, "rule")) == 0 &&
	       strcmp(jx_get_text(row, "org"), jx_get_text(first, "org")) == 0;
	     i++)
		if (json_array_append(into, (json_t *)(uintptr_t)row) < 0)
			break;
	return i > from ? i : from + 1;
}

int render_policy_diff(struct cli *cli, const json_t *out)
{
	static const struct render_column columns[] = {
		{ .head = "CHANGE", .member = "change", .firm = true },
		{ .head = "WHO", .member = "email", .firm = true },
		{ .head = "WHAT", .member = "kind" },
		{ .head = "PRODUCT", .member = "product", .if_any = true },
		{ .head = "DUE", .member = "due_ms", .as = RENDER_AS_TIME },
		{ .head = "HELD", .member = "held" },
		{ .head = "HOW", .member = "how", .if_any = true },
		{ .head = "REASON", .member = "reason" },
		{ 0 },
	};
	const json_t *all = json_object_get(out, "differences"), *row;
	size_t i, shown = json_array_size(all);

	json_array_foreach (json_object_get(out, "organisations"), i, row)
		org_line(cli, row);
	for (i = 0; i < shown;) {
		CLEANUP(json_decref_at) json_t *rows = json_array();

		row = json_array_get(all, i);
		render_head(cli, "Rule %s at %s", jx_get_text(row, "rule"),
			    jx_get_text(row, "org"));
		i = rule_rows(all, i, rows);
		render_table(cli, columns, rows, NULL);
	}
	if ((long long)shown < count_of(out, "all"))
		render_line(cli, "%lld more are not shown.",
			    count_of(out, "all") - (long long)shown);
	if (count_of(out, "sealed"))
		render_line(
			cli,
			"%lld of them are sealed, for ends that lie ahead could be read from "
			"them: whom, is for role hr-confidential (--token-file).",
			count_of(out, "sealed"));
	if (!shown)
		render_line(cli, "Nothing would be done otherwise today.");
	json_array_foreach (json_object_get(out, "names"), i, row)
		render_line(cli, "%s.", jx_get_text(row, "text"));
	return 0;
}
