#include "tests/lib/test.h"

#include "base/own.h"
#include "base/stamp.h"
#include "bridge/commands.h"
#include "bridge/render.h"

#define NOW 1795338000000 /* 2026-11-22T09:00:00Z */

static void begin(struct cli *cli)
{
	setenv("NO_COLOR", "1", 1);
	unsetenv("COLUMNS");
	cli_init(cli);
	cli->now_ms = NOW;
}

/* Parses words separated by blanks; '_' in a word stands for a blank. */
static int parse(struct cli *cli, const char *line, json_t **request, struct err *err)
{
	static char room[1024];
	char *argv[64] = { room };
	int argc = 1;

	snprintf(room, sizeof(room), "leaverd %s", line);
	for (char *c = room; *c; c++) {
		if (*c == ' ') {
			*c = '\0';
			argv[argc++] = c + 1;
		} else if (*c == '_') {
			*c = ' ';
		}
	}
	return cli_parse(cli, argc, argv, request, err);
}

static void request_is(const json_t *request, const char *want, const char *line)
{
	CLEANUP(buf_done) struct buf b;
	struct err err;

	buf_init(&b, 65536);
	assert_ok(jx_canonical(request, &b, &err), &err);
	if (strcmp(b.p, want) != 0)
		fail_msg("%s: %s, not %s", line, b.p, want);
}

static const struct {
	const char *line, *command, *request;
} good[] = {
	{ "sync", "sync", "{}" },
	{ "sync corp", "sync", "{\"source\":\"corp\"}" },
	{ "sync --dry-run corp", "sync", "{\"dry_run\":true,\"source\":\"corp\"}" },
	{ "sync corp -d", "sync", "{\"dry_run\":true,\"source\":\"corp\"}" }, /* anywhere */
	{ "plan --sample 20", "plan", "{\"sample\":20}" },
	{ "plan --sample=20 -oacme", "plan", "{\"org\":\"acme\",\"sample\":20}" },
	{ "--json plan", "plan", "{}" },
	{ "secret --json list", "secret list", "{}" }, /* between two words */
	{ "show 12", "show", "{\"plan\":12}" },
	{ "approve 7 --rule a --rule b --release canary --reason why_not", "approve",
	  "{\"guards\":[\"canary\"],\"plan\":7,\"reason\":\"why "
	  "not\",\"rules\":[\"a\",\"b\"]}" },
	{ "release 7 canary -r x", "release",
	  "{\"guard\":\"canary\",\"plan\":7,\"reason\":\"x\"}" },
	{ "match", "match", "{}" }, /* a command that is also the head of a family */
	{ "match --all", "match", "{\"all\":true}" },
	{ "match approve email", "match approve", "{\"rule\":\"email\"}" },
	{ "adopt a b c --reason r", "adopt",
	  "{\"accounts\":[\"a\",\"b\",\"c\"],\"reason\":\"r\"}" },
	{ "why -- --odd--", "why",
	  "{\"who\":\"--odd--\"}" }, /* after -- nothing is an option */
	{ "why -", "why", "{\"who\":\"-\"}" },
	{ "arm act --reason r", "arm", "{\"mode\":\"act\",\"reason\":\"r\"}" },
	{ "audit verify", "audit verify", "{}" },
	{ "audit verify --head", "audit verify", "{\"head\":true}" },
	{ "audit verify --head=/x", "audit verify", "{\"head\":\"/x\"}" },
	{ "token new t --source s --expires 10d", "token new",
	  "{\"expires_ms\":1796202000000,\"name\":\"t\",\"source\":\"s\"}" },
	{ "token new t --role viewer --expires 2027-01-31", "token new",
	  "{\"expires_ms\":1801353600000,\"name\":\"t\",\"role\":\"viewer\"}" },
	{ "secret rekey --new-passphrase", "secret rekey", "{}" }, /* not sent */
	{ "seats -C -f product_eq_\"jira\"", "seats",
	  "{\"count\":true,\"filter\":\"product eq \\\"jira\\\"\"}" },
	{ "help secret set", "help", "{\"topic\":[\"secret\",\"set\"]}" },
};

static void test_command_lines_become_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		CLEANUP(json_decref_at) json_t *request = NULL;
		CLEANUP(cli_done) struct cli cli;
		struct err err;
		int r;

		begin(&cli);
		r = parse(&cli, good[i].line, &request, &err);
		if (r != 0)
			fail_msg("%s: %d %s", good[i].line, r, r < 0 ? err.text : "");
		assert_string_equal(cli.command->name, good[i].command);
		request_is(request, good[i].request, good[i].line);
	}
}

static const struct {
	const char *line, *says;
} bad[] = {
	{ "", "no command given" },
	{ "snyc", "did you mean 'sync'" },
	{ "frobnicate", "there is no command 'frobnicate'; see 'leaverd help'" },
	{ "secret", "'secret' needs a second word" },
	{ "secret frob", "no command 'secret frob'" },
	{ "plan --frob", "unknown option '--frob'; see 'leaverd help plan'" },
	{ "plan -Z", "unknown option '-Z'" },
	{ "--frob plan", "options of a command stand after its name" },
	{ "plan --sample", "--sample needs its N" },
	{ "plan --sample many", "takes a whole number, not 'many'" },
	{ "plan --sample -3", "whole number" },
	{ "sync --dry-run=yes", "takes no value" },
	{ "sync a b", "'b' is one word too many" },
	{ "show", "needs its PLAN" },
	{ "show twelve", "PLAN is a number, not 'twelve'" },
	{ "show 0", "PLAN is a number" },
	{ "pause", "'pause' needs --reason TEXT" },
	{ "plan --org a --org b", "--org was given twice" },
	{ "arm fire --reason r", "MODE may be one of: observe propose act; not 'fire'" },
	{ "token new t --role king", "--role may be one of" },
	{ "token new t --source s --expires soon", "a date such as 2027-01-31" },
	{ "--passphrase-fd x plan", "open file descriptor" },
	{ "why \xff", "not UTF-8" },
};

static void test_wrong_command_lines_say_what_is_wrong_and_where_help_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		CLEANUP(json_decref_at) json_t *request = NULL;
		CLEANUP(cli_done) struct cli cli;
		struct err err = { 0 };
		int r;

		begin(&cli);
		/* The empty line is no word at all, not an empty one. */
		if (!*bad[i].line) {
			char *argv[] = { (char[]){ "leaverd" } };

			r = cli_parse(&cli, 1, argv, &request, &err);
		} else {
			r = parse(&cli, bad[i].line, &request, &err);
		}
		if (r != -ERR_USAGE || !strstr(err.text, bad[i].says))
			fail_msg("%s: %d \"%s\" does not say \"%s\"", bad[i].line, r, err.text,
				 bad[i].says);
		assert_int_equal(cli_exit_of(r), CLI_USAGE);
		assert_null(request);
	}
}

static void test_global_options_stand_anywhere(void **state)
{
	CLEANUP(json_decref_at) json_t *request = NULL;
	CLEANUP(cli_done) struct cli cli;
	struct err err;

	(void)state;
	begin(&cli);
	assert_ok(
		parse(&cli, "-qc /a.yaml secret -j list --passphrase-fd 5 -v", &request, &err),
		&err);
	assert_string_equal(cli.config_file, "/a.yaml");
	assert_true(cli.json && cli.quiet && cli.verbose);
	assert_int_equal(cli.passphrase_fd, 5);
}

static const char *const asking[] = { "--help",        "-h",        "plan --help",
				      "plan 1 2 3 -h", "secret -h", "secret set -h",
				      "--version" };

static void test_help_is_answered_also_for_half_a_command_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(asking); i++) {
		CLEANUP(json_decref_at) json_t *request = NULL;
		CLEANUP(cli_done) struct cli cli;
		struct err err;
		int r;

		begin(&cli);
		r = parse(&cli, asking[i], &request, &err);
		if (r != CLI_ANSWERED || !cli.out.len)
			fail_msg("%s: %d", asking[i], r);
	}
}

static void test_every_command_explains_itself(void **state)
{
	(void)state;
	for (const struct command *c = commands; c->name; c++) {
		CLEANUP(cli_done) struct cli cli;
		struct err err;

		begin(&cli);
		assert_non_null(c->summary);
		assert_non_null(c->about);
		assert_non_null(c->group);
		if (!c->examples || !strstr(c->examples, "leaverd "))
			fail_msg("%s has no example", c->name);
		if (!c->verb == !c->local)
			fail_msg("%s: one of verb and local", c->name);
		assert_ok(help_command(&cli, c), &err);
		assert_non_null(strstr(cli.out.p, c->summary));
		assert_non_null(strstr(cli.out.p, "--json"));
		for (const struct cli_option *o = c->options; o && o->name; o++) {
			assert_non_null(o->help);
			for (const struct cli_option *g = command_globals; g->name; g++)
				if (!strcmp(o->name, g->name) ||
				    (o->letter && o->letter == g->letter))
					fail_msg("%s --%s hides a global option", c->name,
						 o->name);
			for (const struct cli_option *p = c->options; p < o; p++)
				if (o->letter && o->letter == p->letter)
					fail_msg("%s has two options -%c", c->name, o->letter);
		}
	}
}

static void test_groups_of_commands_stand_together(void **state)
{
	(void)state;
	for (const struct command *c = commands; c->name && c[1].name; c++)
		for (const struct command *d = c + 1; strcmp(c->group, c[1].group) && d->name;
		     d++)
			if (!strcmp(c->group, d->group))
				fail_msg("%s stands apart from %s", d->name, c->name);
}

/* Whether the section of the manual in which at stands is called so. */
static bool stands_under(const char *text, const char *at, const char *group)
{
	while (at > text && strncmp(at, "\n.Ss ", 5))
		at--;
	return at > text && !strncmp(at + 5, group, strlen(group)) &&
	       at[5 + strlen(group)] == '\n';
}

static void test_the_manual_knows_every_command_option_and_exit_status(void **state)
{
	CLEANUP(free_at) char *text = calloc(1, 1 << 17);
	FILE *in = fopen("doc/leaverd.8", "r");
	char want[128];

	(void)state;
	assert_non_null(in); /* tests run from the project's root */
	assert_true(fread(text, 1, (1 << 17) - 1, in) > 0);
	fclose(in);
	for (const struct command *c = commands; c->name; c++) {
		char *at;

		snprintf(want, sizeof(want), ".It Nm leaverd Cm %s", c->name);
		at = strstr(text, want);
		if (!at && !c->hidden)
			fail_msg("doc/leaverd.8 does not know '%s'", c->name);
		if (at && !c->hidden && !stands_under(text, at, c->group))
			fail_msg("doc/leaverd.8 has '%s' outside \"%s\"", c->name, c->group);
		for (const struct cli_option *o = c->options; at && o && o->name; o++) {
			snprintf(want, sizeof(want), "Fl Fl %s", o->name);
			if (!strstr(at, want))
				fail_msg("doc/leaverd.8 does not know '%s --%s'", c->name,
					 o->name);
		}
	}
	for (const struct help_exit *e = help_exits; e->meaning; e++) {
		snprintf(want, sizeof(want), "\n.It %d\n", e->status);
		if (!strstr(text, want))
			fail_msg("doc/leaverd.8 does not explain exit status %d", e->status);
	}
}

static void test_every_verb_of_a_command_exists(void **state)
{
	(void)state;
	for (const struct command *c = commands; c->name; c++)
		if (c->verb && !verb_find(c->verb))
			fail_msg("%s asks for verb %s, which nobody has", c->name, c->verb);
}

static void test_examples_parse(void **state)
{
	(void)state;
	for (const struct command *c = commands; c->name; c++) {
		struct str rest = str_of(c->examples), line;

		while (rest.len) {
			CLEANUP(json_decref_at) json_t *request = NULL;
			CLEANUP(cli_done) struct cli cli;
			char room[512], *argv[64];
			struct err err;
			int argc = 0, r;
			char quote = 0;

			str_cut(rest, '\n', &line, &rest);
			if (!str_starts(line, STR("leaverd ")) || line.len >= sizeof(room))
				continue;
			memcpy(room, line.p, line.len);
			room[line.len] = '\0';
			/* As a shell would: single quotes, an end at '<', '>' or '|'. */
			argv[argc++] = room;
			for (char *in = room, *out = room;; in++) {
				if (*in == '\'') {
					quote = quote ? 0 : '\'';
				} else if (!*in || (!quote && strchr("<>|", *in))) {
					*out = '\0';
					if (argc > 1 && !*argv[argc - 1])
						argc--;
					break;
				} else if (*in == ' ' && !quote) {
					*out++ = '\0';
					argv[argc++] = out;
				} else {
					*out++ = *in;
				}
			}
			begin(&cli);
			r = cli_parse(&cli, argc, argv, &request, &err);
			if (r != 0)
				fail_msg("%s: " STR_FMT ": %s", c->name, STR_ARG(line),
					 err.text);
			if (strcmp(cli.command->name, c->name) != 0)
				fail_msg("%s: an example of %s", c->name, cli.command->name);
		}
	}
}

static void test_every_fault_has_an_exit_status_that_help_explains(void **state)
{
	(void)state;
	assert_int_equal(cli_exit_of(0), 0);
	for (int code = 1; code < ERR_CODE_COUNT; code++) {
		int status = cli_exit_of(-code);
		bool explained = false;

		assert_int_not_equal(status, 0);
		assert_int_equal(status, cli_exit_of(code));
		for (const struct help_exit *e = help_exits; e->meaning; e++)
			explained = explained || e->status == status;
		if (!explained)
			fail_msg("%s: status %d is not in the table", err_class(code)->symbol,
				 status);
	}
	assert_int_equal(cli_exit_of(ERR_CONFIG), 3);
	assert_int_equal(cli_exit_of(ERR_HELD), 4);
	assert_int_equal(cli_exit_of(ERR_LEASE), 7);
	assert_int_equal(cli_exit_of(ERR_DAMAGED), 8);
	assert_int_equal(cli_exit_of(ERR_SECRET), 9);
}

static void test_completion_names_every_command_and_option(void **state)
{
	static const char *const shells[] = { "bash", "zsh" };
	struct err err;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		CLEANUP(cli_done) struct cli cli;

		begin(&cli);
		assert_ok(help_completion(&cli, shells[i], &err), &err);
		for (const struct command *c = commands; c->name; c++) {
			char arm[80];

			snprintf(arm, sizeof(arm),
				 strchr(c->name, ' ') ? "\"%s\"*)" : "\"%s \"*)", c->name);
			if (!c->hidden && !strstr(cli.out.p, arm))
				fail_msg("%s: no %s", shells[i], arm);
		}
	}
}

/* --- printing --------------------------------------------------------------------------------
 */

static const struct render_column columns[] = {
	{ .head = "Name", .member = "name" },
	{ .head = "N", .member = "n", .as = RENDER_AS_COUNT },
	{ .head = "Id", .member = "deep.id", .firm = true },
	{ .head = "Note", .member = "note", .if_any = true },
	{ 0 },
};

static const char *table_of(struct cli *cli, const char *rows, unsigned width)
{
	CLEANUP(json_decref_at) json_t *doc = json_loads(rows, 0, NULL);

	assert_non_null(doc);
	buf_clear(&cli->out);
	cli->width = width;
	render_table(cli, columns, doc, "none");
	return cli->out.p;
}

static void test_tables_align_and_leave_empty_columns_out(void **state)
{
	CLEANUP(cli_done) struct cli cli;

	(void)state;
	begin(&cli);
	assert_string_equal(table_of(&cli,
				     "[{\"name\":\"Ada\",\"n\":7,\"deep\":{\"id\":\"x1\"}},"
				     "{\"name\":\"Zoë\",\"n\":1234,\"deep\":{}}]",
				     80),
			    "Name     N  Id\n"
			    "Ada      7  x1\n"
			    "Zoë   1234  -\n");
	assert_string_equal(table_of(&cli, "[]", 80), "none\n");
}

static void test_tables_shrink_their_widest_column_to_the_terminal(void **state)
{
	CLEANUP(cli_done) struct cli cli;
	struct str rest, line;

	(void)state;
	begin(&cli);
	rest = str_of(table_of(
		&cli,
		"[{\"name\":\"a very long name that nobody can read\",\"n\":1,"
		"\"deep\":{\"id\":\"never-shortened\"},\"note\":\"a note of some length\"}]",
		48));
	while (rest.len) {
		str_cut(rest, '\n', &line, &rest);
		assert_true(render_width(line) <= 48);
	}
	assert_non_null(strstr(cli.out.p, "never-shortened"));
	assert_non_null(strstr(cli.out.p, "\xE2\x80\xA6"));
}

static void test_wide_and_combining_characters_are_counted_as_terminals_do(void **state)
{
	(void)state;
	assert_int_equal(render_width(STR("Ada")), 3);
	assert_int_equal(render_width(STR("Zoë")), 3);
	assert_int_equal(render_width(STR("Zoe\xCC\x88")), 3); /* e and a combining diaeresis */
	assert_int_equal(render_width(STR("山田")), 4);
	assert_int_equal(render_width(STR("")), 0);
	assert_int_equal(render_width(STR("\xC3")), 1); /* half a character takes a column */
}

static void test_other_peoples_text_cannot_steer_the_terminal(void **state)
{
	CLEANUP(cli_done) struct cli cli;
	const char *text;

	(void)state;
	begin(&cli);
	text = table_of(&cli,
			"[{\"name\":\"\\u001b[2Jgone\\nx\\u202eabc\",\"n\":1,\"deep\":{\"id\":"
			"\"\\u009b\"}}]",
			0);
	assert_null(strchr(text, '\033'));
	assert_null(strstr(text, "\xE2\x80\xAE"));
	assert_null(strstr(text, "\xC2\x9B"));
	assert_non_null(strstr(text, "[2Jgone"));
}

static const struct {
	enum render_as as;
	const char *json, *text;
} values[] = {
	{ RENDER_AS_TEXT, "null", "-" },
	{ RENDER_AS_TEXT, "true", "yes" },
	{ RENDER_AS_TEXT, "[\"a\",\"b\"]", "a, b" },
	{ RENDER_AS_TEXT, "{\"a\":1,\"b\":\"x\"}", "a=1 b=x" },
	{ RENDER_AS_TIME, "1795338000000", "2026-11-22 09:00Z" },
	{ RENDER_AS_DATE, "1795338000000", "2026-11-22" },
	{ RENDER_AS_AGO, "1795338000000", "now" },
	{ RENDER_AS_AGO, "1795078800000", "3 d ago" },
	{ RENDER_AS_AGO, "1795341600000", "in 1 h" },
	{ RENDER_AS_AGO, "1795208400000", "36 h ago" }, /* says more than "1 d ago" */
	{ RENDER_AS_SPAN, "90000", "1 min" },
	{ RENDER_AS_SHARE, "0.02", "2 %" },
	{ RENDER_AS_DATE, "null", "-" },
};

static void test_values_are_shown_as_people_read_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		CLEANUP(json_decref_at)
		json_t *j = json_loads(values[i].json, JSON_DECODE_ANY, NULL);
		CLEANUP(cli_done) struct cli cli;
		CLEANUP(buf_done) struct buf b;

		begin(&cli);
		buf_init(&b, 1024);
		render_value(&cli, values[i].as, j, &b);
		assert_string_equal(b.p, values[i].text);
	}
}

static void test_parsing_survives_each_lost_allocation(void **state)
{
	static char line[] = "adopt a b --org acme --reason r";
	int nth = 0;

	(void)state;
	fault_install();
	for (;;) {
		CLEANUP(json_decref_at) json_t *request = NULL;
		CLEANUP(cli_done) struct cli cli;
		struct err err = { 0 };
		int r;

		begin(&cli);
		fault_at(++nth);
		r = parse(&cli, line, &request, &err);
		if (!fault_fired()) {
			assert_int_equal(r, 0);
			break;
		}
		assert_true(r == -ERR_NOMEM || r == 0);
	}
	assert_true(nth > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command_lines_become_requests),
		cmocka_unit_test(test_wrong_command_lines_say_what_is_wrong_and_where_help_is),
		cmocka_unit_test(test_global_options_stand_anywhere),
		cmocka_unit_test(test_help_is_answered_also_for_half_a_command_line),
		cmocka_unit_test(test_every_command_explains_itself),
		cmocka_unit_test(test_groups_of_commands_stand_together),
		cmocka_unit_test(test_the_manual_knows_every_command_option_and_exit_status),
		cmocka_unit_test(test_every_verb_of_a_command_exists),
		cmocka_unit_test(test_examples_parse),
		cmocka_unit_test(test_every_fault_has_an_exit_status_that_help_explains),
		cmocka_unit_test(test_completion_names_every_command_and_option),
		cmocka_unit_test(test_tables_align_and_leave_empty_columns_out),
		cmocka_unit_test(test_tables_shrink_their_widest_column_to_the_terminal),
		cmocka_unit_test(
			test_wide_and_combining_characters_are_counted_as_terminals_do),
		cmocka_unit_test(test_other_peoples_text_cannot_steer_the_terminal),
		cmocka_unit_test(test_values_are_shown_as_people_read_them),
		cmocka_unit_test(test_parsing_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
