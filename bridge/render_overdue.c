/* The answer of `leaverd overdue`, for people. */
#include "bridge/render.h"

int render_overdue(struct cli *cli, const json_t *out)
{
	static const struct render_column late[] = {
		{ .head = "LATE", .member = "late_ms", .as = RENDER_AS_SPAN },
		{ .head = "WHO", .member = "email", .firm = true },
		{ .head = "WHAT", .member = "kind" },
		{ .head = "ORGANISATION", .member = "org" },
		{ .head = "DUE", .member = "due_ms", .as = RENDER_AS_TIME },
		{ .head = "PLAN", .member = "plan" },
		{ .head = "CAUSE", .member = "cause" },
		{ 0 },
	};
	static const struct render_column done[] = {
		{ .head = "WHO", .member = "email", .firm = true },
		{ .head = "WHAT", .member = "kind" },
		{ .head = "ORGANISATION", .member = "org" },
		{ .head = "DUE", .member = "due_ms", .as = RENDER_AS_TIME },
		{ .head = "SEEN DONE", .member = "seen_ms", .as = RENDER_AS_TIME },
		{ .head = "BY PLAN", .member = "plan", .if_any = true },
		{ 0 },
	};
	const json_t *tasks = json_object_get(out, "tasks"), *row;
	size_t i;

	json_array_foreach (json_object_get(out, "organisations"), i, row) {
		const char *blind = jx_get_text(row, "blind");

		if (blind)
			render_line(cli, "%s cannot be seen: %s.", jx_get_text(row, "org"),
				    blind);
	}
	render_table(cli, late, json_object_get(out, "overdue"), "Nothing is overdue.");
	if (json_array_size(json_object_get(out, "done"))) {
		render_head(cli, "Was overdue, and is done");
		render_table(cli, done, json_object_get(out, "done"), NULL);
	}
	if (json_array_size(tasks))
		render_head(cli, "Secrets whose owner leaves");
	json_array_foreach (tasks, i, row)
		render_line(cli, "%s: %s.",
			    json_is_true(json_object_get(row, "sealed"))
				    ? "One of them, whose end lies ahead"
				    : jx_get_text(row, "secret"),
			    jx_get_text(row, "todo"));
	if (json_array_size(json_object_get(out, "keys")))
		render_head(cli, "Administrators who left, and the keys they made");
	json_array_foreach (json_object_get(out, "keys"), i, row)
		render_line(cli, "%s, %s: %s.", jx_get_text(row, "org"),
			    jx_get_text(row, "email"), jx_get_text(row, "todo"));
	return 0;
}
