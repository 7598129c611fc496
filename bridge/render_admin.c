#include "bridge/render.h"

#include <inttypes.h>
#include <stdio.h>

static enum render_style verdict_style(const char *text)
{
	if (!strcmp(text, "ok"))
		return RENDER_GOOD;
	if (!strcmp(text, "warn"))
		return RENDER_WARN;
	return strcmp(text, "bad") ? RENDER_DIM : RENDER_BAD;
}

static enum render_style state_style(const char *text)
{
	static const char *const good[] = { "ready",    "live",    "active",
					    "approved", "running", "yes" };
	static const char *const dull[] = { "retired", "revoked", "expired",   "rejected",
					    "done",    "no",      "superseded" };

	for (size_t i = 0; i < COUNT_OF(good); i++)
		if (!strcmp(text, good[i]))
			return RENDER_GOOD;
	for (size_t i = 0; i < COUNT_OF(dull); i++)
		if (!strcmp(text, dull[i]))
			return RENDER_DIM;
	return RENDER_PLAIN;
}

/* What a list left out, below it. */
static void truncated(struct cli *cli, const json_t *out, const char *member)
{
	size_t shown = json_array_size(json_object_get(out, member));

	if (json_is_true(json_object_get(out, "truncated")))
		render_line(cli, "%zu of %" PRId64 "; --limit 0 shows all.", shown,
			    (int64_t)json_integer_value(json_object_get(out, "matched")));
}

/* clang-format off */
static const struct render_column source_columns[] = {
	{ .head = "Source", .member = "source", .firm = true },
	{ .head = "Kind", .member = "kind" },
	{ .head = "Role", .member = "role" },
	{ .head = "State", .member = "state", .style = state_style },
	{ .head = "Users", .member = "users", .as = RENDER_AS_COUNT },
	{ .head = "Active", .member = "active", .as = RENDER_AS_COUNT },
	{ .head = "Read", .member = "read", .as = RENDER_AS_COUNT },
	{ .head = "Accepted", .member = "accepted_read", .as = RENDER_AS_COUNT },
	{ .head = "of", .member = "accepted_ms", .as = RENDER_AS_AGO },
	{ .head = "Spoke", .member = "spoke_ms", .as = RENDER_AS_AGO },
	{ .head = "Doubt", .member = "reason", .if_any = true },
	{ 0 }
};
static const struct render_column read_columns[] = {
	{ .head = "Read", .member = "read", .as = RENDER_AS_COUNT, .firm = true },
	{ .head = "Ended", .member = "ended_ms", .as = RENDER_AS_TIME },
	{ .head = "Complete", .member = "complete" },
	{ .head = "Accepted", .member = "accepted", .style = state_style },
	{ .head = "Seen", .member = "seen", .as = RENDER_AS_COUNT },
	{ .head = "New", .member = "fresh", .as = RENDER_AS_COUNT },
	{ .head = "Changed", .member = "changed", .as = RENDER_AS_COUNT },
	{ .head = "Missing", .member = "missing", .as = RENDER_AS_COUNT },
	{ .head = "By", .member = "accepted_by", .if_any = true },
	{ .head = "Reason", .member = "reason", .if_any = true },
	{ 0 }
};
static const struct render_column plans_columns[] = {
	{ .head = "Plan", .member = "plan", .as = RENDER_AS_COUNT, .firm = true },
	{ .head = "Org", .member = "org" },
	{ .head = "Urgency", .member = "urgency" },
	{ .head = "State", .member = "state", .style = state_style },
	{ .head = "Actions", .member = "actions", .as = RENDER_AS_COUNT },
	{ .head = "Held", .member = "held" },
	{ .head = "Complete", .member = "complete" },
	{ .head = "Made", .member = "created_ms", .as = RENDER_AS_TIME },
	{ .head = "Expires", .member = "expires_ms", .as = RENDER_AS_AGO },
	{ .head = "Digest", .member = "digest" },
	{ 0 }
};
static const struct render_column users_columns[] = {
	{ .head = "User name", .member = "userName" },
	{ .head = "Name", .member = "displayName", .if_any = true },
	{ .head = "Mail", .member = "email", .if_any = true },
	{ .head = "Active", .member = "active", .style = state_style },
	{ .head = "Source", .member = "source" },
	{ .head = "Changed", .member = "modified_ms", .as = RENDER_AS_TIME },
	{ .head = "Id", .member = "id" },
	{ 0 }
};
static const struct render_column groups_columns[] = {
	{ .head = "Group", .member = "displayName" },
	{ .head = "Source", .member = "source" },
	{ .head = "Changed", .member = "modified_ms", .as = RENDER_AS_TIME },
	{ .head = "Id", .member = "id" },
	{ 0 }
};
static const struct render_column accounts_columns[] = {
	{ .head = "Mail", .member = "email" },
	{ .head = "Name", .member = "name", .if_any = true },
	{ .head = "Status", .member = "status", .style = state_style },
	{ .head = "Class", .member = "class" },
	{ .head = "Last active", .member = "last_active_ms", .as = RENDER_AS_DATE },
	{ .head = "Added", .member = "added_ms", .as = RENDER_AS_DATE },
	{ .head = "Person", .member = "person", .as = RENDER_AS_COUNT },
	{ .head = "Org", .member = "org" },
	{ .head = "Account", .member = "account_id" },
	{ .head = "Suspected", .member = "suspect", .if_any = true },
	{ 0 }
};
static const struct render_column seats_columns[] = {
	{ .head = "Product", .member = "product" },
	{ .head = "Site", .member = "site" },
	{ .head = "Mail", .member = "email" },
	{ .head = "Last active", .member = "last_active_ms", .as = RENDER_AS_DATE },
	{ .head = "Kept by", .member = "paths" },
	{ .head = "Account", .member = "account_id" },
	{ 0 }
};
static const struct render_column counts_columns[] = {
	{ .head = "Product", .member = "product" },
	{ .head = "Site", .member = "site" },
	{ .head = "Seats", .member = "seats", .as = RENDER_AS_COUNT },
	{ 0 }
};
static const struct render_column adopt_columns[] = {
	{ .head = "Account", .member = "account_id" },
	{ .head = "Mail", .member = "email", .if_any = true },
	{ .head = "Result", .member = "result" },
	{ .head = "Why", .member = "text" },
	{ 0 }
};
static const struct render_column protection_columns[] = {
	{ .head = "No.", .member = "number", .as = RENDER_AS_COUNT, .firm = true },
	{ .head = "Kind", .member = "kind" },
	{ .head = "Person", .member = "person", .as = RENDER_AS_COUNT, .if_any = true },
	{ .head = "Account", .member = "account", .as = RENDER_AS_COUNT, .if_any = true },
	{ .head = "Rule", .member = "rule", .if_any = true },
	{ .head = "Owner", .member = "owner" },
	{ .head = "Reason", .member = "reason" },
	{ .head = "From", .member = "from_ms", .as = RENDER_AS_DATE, .if_any = true },
	{ .head = "Until", .member = "until_ms", .as = RENDER_AS_DATE },
	{ .head = "By", .member = "who" },
	{ .head = "Lifted", .member = "lifted_ms", .as = RENDER_AS_DATE, .if_any = true },
	{ 0 }
};
static const struct render_column bars_columns[] = {
	{ .head = "No.", .member = "number", .as = RENDER_AS_COUNT, .firm = true },
	{ .head = "Person", .member = "person", .as = RENDER_AS_COUNT, .if_any = true },
	{ .head = "Account", .member = "account", .as = RENDER_AS_COUNT, .if_any = true },
	{ .head = "Rule", .member = "rule" },
	{ .head = "Reason", .member = "reason" },
	{ .head = "Until", .member = "until_ms", .as = RENDER_AS_DATE },
	{ .head = "By", .member = "who" },
	{ .head = "Lifted", .member = "lifted_ms", .as = RENDER_AS_DATE, .if_any = true },
	{ 0 }
};
static const struct render_column secrets_columns[] = {
	{ .head = "Secret", .member = "name", .firm = true },
	{ .head = "Version", .member = "version", .as = RENDER_AS_COUNT },
	{ .head = "Owner", .member = "owner" },
	{ .head = "Set", .member = "set_ms", .as = RENDER_AS_DATE },
	{ .head = "Ends", .member = "expires_ms", .as = RENDER_AS_AGO },
	{ 0 }
};
static const struct render_column tokens_columns[] = {
	{ .head = "Token", .member = "name", .firm = true },
	{ .head = "For", .member = "scope" },
	{ .head = "", .member = "of" },
	{ .head = "State", .member = "state", .style = state_style },
	{ .head = "Made", .member = "made_ms", .as = RENDER_AS_DATE },
	{ .head = "By", .member = "who" },
	{ .head = "Ends", .member = "expires_ms", .as = RENDER_AS_AGO },
	{ .head = "Used", .member = "used_ms", .as = RENDER_AS_AGO },
	{ 0 }
};
/* clang-format on */

/* Sentences, not a table: what is missing must be readable to its end. */
int render_doctor(struct cli *cli, const json_t *out)
{
	int64_t bad = json_integer_value(json_object_get(out, "bad"));
	int64_t warned = json_integer_value(json_object_get(out, "warned"));
	const json_t *checks = json_object_get(out, "checks"), *check;
	size_t i;

	json_array_foreach (checks, i, check) {
		const char *verdict = jx_get_text(check, "verdict");

		render_styled(cli, verdict_style(verdict), verdict);
		buf_addf(&cli->out, "%*s%s, %s\n", (int)(6 - strlen(verdict)), "",
			 jx_get_text(check, "target"), jx_get_text(check, "check"));
		render_para(cli, 6, "%s", jx_get_text(check, "text"));
	}
	if (!bad && !warned)
		render_line(cli, "All is well.");
	return 0;
}

int render_source(struct cli *cli, const json_t *out)
{
	const json_t *sources = json_object_get(out, "sources"), *source;
	size_t i;

	render_table(cli, source_columns, sources, "no source is configured");
	json_array_foreach (sources, i, source) {
		const json_t *reads = json_object_get(source, "reads");

		if (json_array_size(reads)) {
			render_head(cli, "Reads");
			render_table(cli, read_columns, reads, NULL);
		}
	}
	return 0;
}

int render_plans(struct cli *cli, const json_t *out)
{
	render_table(cli, plans_columns, json_object_get(out, "plans"),
		     "there is no plan ('leaverd plan' makes one)");
	return 0;
}

int render_users(struct cli *cli, const json_t *out)
{
	render_table(cli, users_columns, json_object_get(out, "users"), "nobody matches");
	truncated(cli, out, "users");
	return 0;
}

int render_groups(struct cli *cli, const json_t *out)
{
	render_table(cli, groups_columns, json_object_get(out, "groups"), "no group matches");
	truncated(cli, out, "groups");
	return 0;
}

/* A list is as old as the collection it rests on, and says so when that was not whole. */
static void as_of(struct cli *cli, const json_t *out)
{
	const json_t *reads = json_object_get(out, "as_of"), *read;
	size_t i;

	json_array_foreach (reads, i, read) {
		CLEANUP(buf_done) struct buf when;

		buf_init(&when, 256);
		render_value(cli, RENDER_AS_AGO, json_object_get(read, "as_of_ms"), &when);
		if (!json_is_integer(json_object_get(read, "as_of_ms")))
			render_line(cli, "%s was never collected.", jx_get_text(read, "org"));
		else if (!json_is_true(json_object_get(read, "complete")))
			render_line(cli, "%s was collected %s, not whole.",
				    jx_get_text(read, "org"), when.p ? when.p : "");
	}
}

int render_accounts(struct cli *cli, const json_t *out)
{
	render_table(cli, accounts_columns, json_object_get(out, "accounts"),
		     "no account matches");
	truncated(cli, out, "accounts");
	as_of(cli, out);
	return 0;
}

int render_seats(struct cli *cli, const json_t *out)
{
	const json_t *counts = json_object_get(out, "counts");

	if (counts) {
		render_table(cli, counts_columns, counts, "no seat is known");
		return 0;
	}
	render_table(cli, seats_columns, json_object_get(out, "seats"), "no seat matches");
	truncated(cli, out, "seats");
	as_of(cli, out);
	return 0;
}

static long long count_of(const json_t *out, const char *key)
{
	return (long long)json_integer_value(json_object_get(out, key));
}

/* Rows of a file that name nobody. */
static void named_faults(struct cli *cli, const json_t *out)
{
	const json_t *list = json_object_get(out, "faults"), *row;
	long long rest = count_of(out, "faults_total") - (long long)json_array_size(list);
	size_t i;

	json_array_foreach (list, i, row)
		render_line(cli, "line %lld: %s", count_of(row, "line"),
			    jx_get_text(row, "text"));
	if (rest > 0)
		render_line(cli, "and %lld faulty rows more.", rest);
}

int render_adopt(struct cli *cli, const json_t *out)
{
	if (jx_get_text(out, "text"))
		return render_simple(cli, out);
	render_table(cli, adopt_columns, json_object_get(out, "accounts"),
		     "No account is meant.");
	named_faults(cli, out);
	if (json_is_true(json_object_get(out, "dry")))
		render_para(cli, 0,
			    "Nothing is changed. %lld would be adopted (again with --count "
			    "%lld), %lld are held, %lld cannot be.",
			    count_of(out, "ready"), count_of(out, "ready"),
			    count_of(out, "held"), count_of(out, "refused"));
	return 0;
}

int render_compare(struct cli *cli, const json_t *out)
{
	static const struct render_column columns[] = {
		{ .head = "Side", .member = "side", .firm = true },
		{ .head = "Line", .member = "line", .as = RENDER_AS_COUNT },
		{ .head = "Mail", .member = "email" },
		{ .head = "Status", .member = "status", .style = state_style },
		{ .head = "Person", .member = "person", .as = RENDER_AS_COUNT },
		{ .head = "Org", .member = "org" },
		{ .head = "Account", .member = "account_id" },
		{ 0 },
	};

	render_line(
		cli,
		"%lld only mine (Atlassian has them), %lld only yours (the file), %lld both.",
		count_of(out, "mine"), count_of(out, "yours"), count_of(out, "both"));
	render_table(cli, columns, json_object_get(out, "rows"), NULL);
	if (json_is_true(json_object_get(out, "truncated")))
		render_line(cli, "There are more rows: --limit 0 shows all.");
	named_faults(cli, out);
	return 0;
}

static void side(struct cli *cli, const char *name, const json_t *side)
{
	CLEANUP(buf_done) struct buf text;

	buf_init(&text, 4096);
	render_value(cli, RENDER_AS_TEXT, side, &text);
	render_para(cli, 4, "%s: " STR_FMT, name, STR_ARG(buf_str(&text)));
}

int render_match(struct cli *cli, const json_t *out)
{
	const json_t *doubts = json_object_get(out, "doubts"), *doubt;
	size_t i;

	if (!json_array_size(doubts))
		render_line(cli, "There is no doubt.");
	json_array_foreach (doubts, i, doubt) {
		render_head(cli, "Doubt %" PRId64 " (%s, %s)",
			    (int64_t)json_integer_value(json_object_get(doubt, "doubt")),
			    jx_get_text(doubt, "rule"), jx_get_text(doubt, "state"));
		side(cli, "one", json_object_get(doubt, "left"));
		side(cli, "other", json_object_get(doubt, "right"));
		side(cli, "evidence", json_object_get(doubt, "evidence"));
	}
	return 0;
}

int render_protections(struct cli *cli, const json_t *out)
{
	render_table(cli, protection_columns, json_object_get(out, "protections"),
		     "nothing is protected by hand");
	return 0;
}

int render_bars(struct cli *cli, const json_t *out)
{
	render_table(cli, bars_columns, json_object_get(out, "bars"), "there is no bar");
	return 0;
}

int render_secrets(struct cli *cli, const json_t *out)
{
	render_table(cli, secrets_columns, json_object_get(out, "secrets"),
		     "the vault is empty");
	return 0;
}

int render_token(struct cli *cli, const json_t *out)
{
	const char *token = jx_get_text(out, "token");

	if (!token)
		return render_simple(cli, out);
	render_line(cli, "%s", token);
	if (!cli->quiet && cli->tty)
		render_line(cli, "This is shown once; nobody can read it again.");
	return 0;
}

int render_tokens(struct cli *cli, const json_t *out)
{
	render_table(cli, tokens_columns, json_object_get(out, "tokens"), "there is no token");
	return 0;
}

int render_anchor(struct cli *cli, const json_t *out)
{
	const json_t *note = json_array_get(json_object_get(out, "notes"), 0);

	render_line(cli, "%s", jx_get_text(out, "anchor") ? jx_get_text(out, "anchor") : "");
	/* the line alone goes to whatever it is appended to */
	if (json_is_string(note) && !cli->quiet)
		fprintf(stderr, "leaverd: %s\n", json_string_value(note));
	return 0;
}

int render_verify(struct cli *cli, const json_t *out)
{
	if (jx_get_text(out, "text"))
		return render_simple(cli, out);
	render_line(cli, "%" PRId64 " entries up to number %" PRId64 ".",
		    (int64_t)json_integer_value(json_object_get(out, "entries")),
		    (int64_t)json_integer_value(json_object_get(out, "last")));
	return 0;
}
