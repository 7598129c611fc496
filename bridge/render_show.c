/* One entry of a directory and what the map makes of it. */
#include "bridge/render.h"

#include "base/jx.h"

/* Each list of "values" in rows as one text, under "text". */
static int join_values(json_t *rows)
{
	const json_t *value;
	json_t *row;
	size_t i, k;

	json_array_foreach (rows, i, row) {
		CLEANUP(buf_done) struct buf text;
		struct err err;

		buf_init(&text, 1 << 20);
		json_array_foreach (json_object_get(row, "values"), k, value)
			buf_addf(&text, "%s%s", k ? " | " : "", json_string_value(value));
		if (text.len && jx_set(row, "text", json_string(text.p), &err) < 0)
			return -ERR_NOMEM;
	}
	return 0;
}

static int add_text(const char *text, size_t len, void *into)
{
	buf_add(into, text, len);
	return 0;
}

static void names(struct cli *cli, const json_t *shown, const char *member, const char *head)
{
	const json_t *name;
	size_t i;

	json_array_foreach (json_object_get(shown, member), i, name)
		render_line(cli, "  %s: %s", head, json_string_value(name));
}

int render_shown(struct cli *cli, const json_t *out)
{
	static const struct render_column attributes[] = {
		{ .head = "ATTRIBUTE", .member = "name", .firm = true },
		{ .head = "IN THE DIRECTORY", .member = "text" },
		{ 0 },
	};
	static const struct render_column rows[] = {
		{ .head = "RECORD", .member = "to", .firm = true },
		{ .head = "FROM", .member = "from" },
		{ .head = "MADE", .member = "outcome", .firm = true },
		{ .head = "VALUE", .member = "text" },
		{ 0 },
	};
	CLEANUP(json_decref_at)
	json_t *copy =
		json_deep_copy(json_object_get(out, "shown")); /* the answer itself stays */
	const json_t *status = json_object_get(copy, "status");
	const char *attribute = jx_get_text(status, "attribute");
	CLEANUP(buf_done) struct buf record;

	buf_init(&record, 1 << 20);
	if (!copy || join_values(json_object_get(copy, "attributes")) < 0 ||
	    join_values(json_object_get(copy, "rows")) < 0)
		return -ERR_NOMEM;
	render_head(cli, "%s", jx_get_text(copy, "dn"));
	render_line(cli, "  key %s; %s", jx_get_text(copy, "key"), jx_get_text(copy, "why"));
	render_table(cli, attributes, json_object_get(copy, "attributes"),
		     "None of the attributes that the map reads.");
	render_head(cli, "What the map makes of it");
	render_table(cli, rows, json_object_get(copy, "rows"), NULL);
	render_line(cli, "  the account is %s%s%s%s%s", jx_get_text(status, "state"),
		    attribute ? " by " : "", attribute ? attribute : "", attribute ? " " : "",
		    attribute ? jx_get_text(status, "value") : "");
	names(cli, copy, "unknown", "unknown");
	names(cli, copy, "bad", "cannot be read");
	render_head(cli, "The record");
	if (json_dump_callback(json_object_get(copy, "record"), add_text, &record,
			       JSON_INDENT(2)) < 0)
		return -ERR_NOMEM;
	render_text(cli, buf_str(&record));
	return 0;
}
