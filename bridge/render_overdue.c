/* The answer of `leaverd overdue`, for people. */
#include "bridge/render.h"

/* Who leaves, or who does not: one table, and under it each cause in full. */
static size_t late_part(struct cli *cli, const struct render_column *columns, const json_t *all,
			bool leavers)
{
	CLEANUP(json_decref_at) json_t *part = json_array();
	const json_t *row;
	size_t i, n;

	json_array_foreach ((json_t *)(uintptr_t)all, i, row)
		if (json_is_true(json_object_get(row, "leaver")) == leavers)
			(void)json_array_append(part, (json_t *)(uintptr_t)row);
	n = json_array_size(part);
	if (n && !leavers)
		render_head(cli, "Late, of nobody who leaves");
	render_table(cli, columns, part, NULL);
	json_array_foreach (part, i, row)
		if (leavers)
			render_para(cli, 2, "%s, %s: %s.",
				    jx_get_text(row, "email") ? jx_get_text(row, "email")
							      : "somebody",
				    jx_get_text(row, "kind"), jx_get_text(row, "cause"));
	return n;
}

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
	/* their causes follow in full */
	static const struct render_column leavers[] = {
		{ .head = "LATE", .member = "late_ms", .as = RENDER_AS_SPAN },
		{ .head = "WHO", .member = "email", .firm = true },
		{ .head = "WHAT", .member = "kind" },
		{ .head = "ORGANISATION", .member = "org" },
		{ .head = "DUE", .member = "due_ms", .as = RENDER_AS_TIME },
		{ .head = "PLAN", .member = "plan" },
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
	if (late_part(cli, leavers, json_object_get(out, "overdue"), true) +
		    late_part(cli, late, json_object_get(out, "overdue"), false) ==
	    0)
		render_line(cli, "Nothing is overdue.");
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
