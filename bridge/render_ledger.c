/* The answer of `leaverd ledger`, for people. */
#include "base/stamp.h"
#include "bridge/render.h"

static void money_line(struct cli *cli, const json_t *row)
{
	const char *currency = jx_get_text(row, "currency");
	json_int_t later = json_integer_value(json_object_get(row, "later"));
	const char *unused = jx_get_text(row, "unused_month"); /* not told of a few */
	char ends[STAMP_TEXT_BYTES], pays[STAMP_TEXT_BYTES];

	stamp_date_text(json_integer_value(json_object_get(row, "period_ends_ms")), ends);
	stamp_date_text(json_integer_value(json_object_get(row, "pays_from_ms")), pays);
	render_para(cli, 0,
		    "%s%s%s: %s %s a month%s%s%s; the next period begins %s. %s a month is "
		    "saved by now%s%s%s%s%s.",
		    jx_get_text(row, "product"), jx_get_text(row, "site")[0] ? " on " : "",
		    jx_get_text(row, "site"), jx_get_text(row, "month"), currency,
		    unused ? ", of it " : "", unused ? unused : "",
		    unused ? " for seats that nobody uses" : "", ends,
		    jx_get_text(row, "saved_month"), later ? "; forecast: " : "",
		    later ? jx_get_text(row, "later_month") : "", later ? " more from " : "",
		    later ? pays : "", later ? " on, if these seats stay free" : "");
}

int render_ledger(struct cli *cli, const json_t *out)
{
	static const struct render_column columns[] = {
		{ .head = "PRODUCT", .member = "product", .firm = true },
		{ .head = "SITE", .member = "site", .if_any = true },
		{ .head = "ORGANISATION", .member = "org" },
		{ .head = "SINCE", .member = "since_ms", .as = RENDER_AS_DATE },
		{ .head = "HELD THEN", .member = "before", .as = RENDER_AS_COUNT },
		{ .head = "NOW", .member = "held", .as = RENDER_AS_COUNT },
		{ .head = "LICENCE",
		  .member = "capacity",
		  .as = RENDER_AS_COUNT,
		  .if_any = true },
		{ .head = "IDLE", .member = "idle", .as = RENDER_AS_COUNT },
		{ .head = "NEVER USED", .member = "never", .as = RENDER_AS_COUNT },
		{ .head = "FREED", .member = "freed", .as = RENDER_AS_COUNT },
		{ .head = "HELD AGAIN", .member = "again", .as = RENDER_AS_COUNT },
		{ 0 },
	};
	const json_t *rows = json_object_get(out, "ledger"), *row;
	bool priced = false, unpriced = false;
	size_t i;

	render_table(cli, columns, rows,
		     "No organisation was read whole in that time: nothing is known.");
	json_array_foreach (rows, i, row) {
		if (!jx_get_text(row, "currency")) {
			unpriced = true;
			continue;
		}
		if (!priced)
			render_line(cli, "%s", "");
		priced = true;
		money_line(cli, row);
	}
	if (unpriced)
		render_line(cli, "\nWhat has no price in organisations.billing is counted, and "
				 "not valued.");
	return 0;
}
