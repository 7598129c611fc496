/* The answers of `leaverd notices` and `leaverd requests`, for people. */
#include "bridge/render.h"

int render_notices(struct cli *cli, const json_t *out)
{
	static const struct render_column columns[] = {
		{ .head = "NOTICE", .member = "notice" },
		{ .head = "KIND", .member = "kind" },
		{ .head = "CHANNEL", .member = "channel" },
		{ .head = "TO", .member = "to", .firm = true },
		{ .head = "STATE", .member = "state" },
		{ .head = "SINCE", .member = "state_ms", .as = RENDER_AS_TIME },
		{ .head = "TRIES", .member = "tries", .as = RENDER_AS_COUNT },
		{ .head = "NEXT", .member = "next_ms", .as = RENDER_AS_TIME, .if_any = true },
		{ .head = "WHY", .member = "says", .if_any = true },
		{ 0 },
	};
	const json_t *counts = json_object_get(out, "counts");

	render_table(cli, columns, json_object_get(out, "notices"), "Nothing waits or failed.");
	if (!cli->quiet)
		render_line(
			cli, "%lld sent, %lld waiting, %lld maybe sent, %lld failed.",
			(long long)json_integer_value(json_object_get(counts, "sent")),
			(long long)(json_integer_value(json_object_get(counts, "queued")) +
				    json_integer_value(json_object_get(counts, "sending")) +
				    json_integer_value(json_object_get(counts, "given"))),
			(long long)json_integer_value(json_object_get(counts, "maybe sent")),
			(long long)json_integer_value(json_object_get(counts, "failed")));
	return 0;
}

int render_requests(struct cli *cli, const json_t *out)
{
	static const struct render_column columns[] = {
		{ .head = "REQUEST", .member = "request" },
		{ .head = "WHO", .member = "email", .firm = true },
		{ .head = "PRODUCT", .member = "product" },
		{ .head = "SITE", .member = "site" },
		{ .head = "TAKEN BY", .member = "rule" },
		{ .head = "STATE", .member = "state" },
		{ .head = "SINCE", .member = "state_ms", .as = RENDER_AS_TIME },
		{ .head = "PLAN", .member = "back", .if_any = true },
		{ .head = "ANSWERED BY", .member = "who", .if_any = true },
		{ 0 },
	};

	render_table(cli, columns, json_object_get(out, "requests"), "Nobody asks.");
	return 0;
}
