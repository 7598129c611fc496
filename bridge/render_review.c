/* The answers of `leaverd review`, for people. */
#include "bridge/render.h"

int render_review(struct cli *cli, const json_t *out)
{
	static const struct render_column reviews[] = {
		{ .head = "REVIEW", .member = "review", .as = RENDER_AS_COUNT, .firm = true },
		{ .head = "ORGANISATION", .member = "org" },
		{ .head = "SINCE", .member = "made_ms", .as = RENDER_AS_DATE, .firm = true },
		{ .head = "UNTIL", .member = "due_ms", .as = RENDER_AS_DATE, .firm = true },
		{ .head = "CLOSED", .member = "closed_ms", .as = RENDER_AS_DATE, .firm = true },
		{ .head = "SEATS", .member = "items", .as = RENDER_AS_COUNT },
		{ .head = "KEEP", .member = "keep", .as = RENDER_AS_COUNT },
		{ .head = "REMOVE", .member = "remove", .as = RENDER_AS_COUNT },
		{ .head = "UNANSWERED", .member = "unanswered", .as = RENDER_AS_COUNT },
		{ .head = "PLANS", .member = "plans" },
		{ .head = "WHY", .member = "why" },
		{ 0 },
	};
	static const struct render_column items[] = {
		{ .head = "ITEM", .member = "item", .as = RENDER_AS_COUNT, .firm = true },
		{ .head = "MANAGER", .member = "manager" },
		{ .head = "E-MAIL", .member = "email" },
		{ .head = "NAME", .member = "name" },
		{ .head = "PRODUCT", .member = "product", .firm = true },
		{ .head = "SITE", .member = "site" },
		{ .head = "ANSWER", .member = "answer", .firm = true },
		{ .head = "REASON", .member = "reason" },
		{ .head = "BY", .member = "by" },
		{ 0 },
	};
	const char *csv = jx_get_text(out, "csv");

	if (csv) {
		render_text(cli, str_of(csv));
		return 0;
	}
	render_table(cli, reviews, json_object_get(out, "reviews"),
		     "There is no review yet ('leaverd review start' begins one).");
	if (json_object_get(out, "items")) {
		render_line(cli, "%s", "");
		render_table(cli, items, json_object_get(out, "items"), "No seat is named.");
	}
	return 0;
}
