/* The answer of events, for people. */
#include "bridge/render.h"

/* clang-format off */
static const struct render_column event_columns[] = {
	{ .head = "WHEN", .member = "at_ms", .as = RENDER_AS_TIME, .firm = true },
	{ .head = "ORGANISATION", .member = "org" },
	{ .head = "WHAT", .member = "action", .firm = true },
	{ .head = "ACCOUNT", .member = "account", .if_any = true },
	{ .head = "GROUP", .member = "group", .if_any = true },
	{ .head = "DONE BY", .member = "actor" },
	{ .head = "UNDER", .member = "by" },
	{ .head = "KEY", .member = "key", .if_any = true },
	{ .head = "WHY NOT OURS", .member = "why", .if_any = true },
	{ 0 }
};
static const struct render_column org_columns[] = {
	{ .head = "ORGANISATION", .member = "org", .firm = true },
	{ .head = "READ TO THE END", .member = "read_ms", .as = RENDER_AS_TIME },
	{ .head = "UNDER OUR KEY, NOT BY US", .member = "foreign", .as = RENDER_AS_COUNT },
	{ .head = "LOST FROM", .member = "gap_from_ms", .as = RENDER_AS_TIME, .if_any = true },
	{ .head = "LOST TO", .member = "gap_to_ms", .as = RENDER_AS_TIME, .if_any = true },
	{ .head = "WHY NOT", .member = "why", .if_any = true },
	{ 0 }
};
/* clang-format on */

static const struct render_column key_columns[] = {
	{ .head = "KEY", .member = "key", .firm = true },
	{ .head = "STANDING", .member = "standing", .firm = true },
	{ .head = "OUR CHANGES UNDER IT", .member = "claims", .as = RENDER_AS_COUNT },
	{ .head = "DISPUTED", .member = "disputed", .as = RENDER_AS_COUNT },
	{ 0 }
};

static void keys_tell(struct cli *cli, const json_t *org)
{
	const json_t *keys = json_object_get(org, "keys");

	if (!json_array_size(keys))
		return;
	render_head(cli, "Keys of %s that did what our journal says", jx_get_text(org, "org"));
	render_table(cli, key_columns, keys, "");
}

int render_events(struct cli *cli, const json_t *out)
{
	const json_t *orgs = json_object_get(out, "organisations"), *org;
	size_t i;

	render_table(cli, event_columns, json_object_get(out, "events"),
		     "Nobody else changed anything that is known.");
	render_head(cli, "Reading of the audit events");
	render_table(cli, org_columns, orgs, "The configuration has no organisation.");
	json_array_foreach (orgs, i, org) {
		keys_tell(cli, org);
		if (json_is_true(json_object_get(org, "read")) &&
		    !json_is_true(json_object_get(org, "key_known")))
			render_para(
				cli, 0,
				"No key of %s is known to be ours: a foreign write under it "
				"holds nothing until our first change proves the key, or "
				"key_ids names it.",
				jx_get_text(org, "org"));
		if (json_integer_value(json_object_get(org, "foreign")))
			render_para(cli, 0,
				    "Plans of %s are held (guard foreign-write) until somebody "
				    "says who "
				    "uses our key: leaverd events explain %s --reason TEXT",
				    jx_get_text(org, "org"), jx_get_text(org, "org"));
	}
	return 0;
}
