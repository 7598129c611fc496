/* The answer of handover, for people. */
#include "bridge/render.h"

/* clang-format off */
static const struct render_column owned_columns[] = {
	{ .head = "SITE", .member = "site" },
	{ .head = "KIND", .member = "kind", .firm = true },
	{ .head = "ID", .member = "id", .firm = true },
	{ .head = "KEY", .member = "label", .if_any = true },
	{ .head = "TITLE", .member = "title" },
	{ .head = "LINK", .member = "link", .if_any = true },
	{ 0 }
};
static const struct render_column inventory_columns[] = {
	{ .head = "ACCOUNT", .member = "account", .as = RENDER_AS_COUNT },
	{ .head = "READ", .member = "read", .as = RENDER_AS_TIME },
	{ .head = "WHOLE", .member = "whole" },
	{ .head = "WHY NOT", .member = "why", .if_any = true },
	{ 0 }
};
static const struct render_column refusal_columns[] = {
	{ .head = "WHEN", .member = "ms", .as = RENDER_AS_TIME },
	{ .head = "SITE", .member = "site" },
	{ .head = "KIND", .member = "kind", .firm = true },
	{ .head = "ID", .member = "id", .firm = true },
	{ .head = "RECEIVER", .member = "receiver", .as = RENDER_AS_COUNT },
	{ .head = "WHY NOT", .member = "why" },
	{ 0 }
};
/* clang-format on */

int render_handover(struct cli *cli, const json_t *out)
{
	const json_t *named = json_object_get(out, "named");

	render_table(cli, owned_columns, json_object_get(out, "owned"),
		     "nothing that they own is known");
	render_head(cli, "Inventories");
	render_table(cli, inventory_columns, json_object_get(out, "inventories"),
		     "none was read: that is done two weeks before an end date, and when "
		     "somebody left");
	if (json_array_size(json_object_get(out, "refusals"))) {
		render_head(cli, "Receivers whom Atlassian refused");
		render_table(cli, refusal_columns, json_object_get(out, "refusals"), "");
	}
	if (named)
		render_line(cli, "Named to receive it: account %lld.",
			    (long long)json_integer_value(named));
	return 0;
}
