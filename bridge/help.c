#include "bridge/commands.h"

#include "base/stamp.h"
#include "bridge/render.h"

#define HELP_INDENT 2
#define HELP_COLUMN 28 /* where explanations begin */

/* clang-format off */
const struct help_exit help_exits[] = {
	{ CLI_OK,          "done" },
	{ CLI_FAULT,       "a fault that has no number of its own; the sentence on stderr says which" },
	{ CLI_USAGE,       "the command line, a filter or a value is wrong; nothing was done" },
	{ CLI_CONFIG,      "the configuration or the policy is wrong" },
	{ CLI_HELD,        "held by a guard, refused, not allowed, in conflict or expired" },
	{ CLI_INCOMPLETE,  "something was not read to its end" },
	{ CLI_UNREACHABLE, "a directory, Atlassian or the daemon does not answer as it should" },
	{ CLI_BUSY,        "another process holds the lease, or is busy: try again" },
	{ CLI_DAMAGED,     "database, audit chain or backup is damaged, foreign or newer than this program" },
	{ CLI_SECRET,      "the vault does not open: key, passphrase, or the mode of the key file" },
	{ CLI_NOT_FOUND,   "there is no such plan, person, secret or file" },
	{ CLI_CANCELLED,   "interrupted" },
	{ 0, NULL },
};
/* clang-format on */

/* "  name     explanation", the explanation broken at the terminal's width. */
static void help_row(struct cli *cli, const char *name, const char *text)
{
	unsigned most = cli->width && cli->width < 100 ? cli->width : 100;
	unsigned used = HELP_INDENT + render_width(str_of(name)), at;
	struct str rest = str_of(text), word;

	buf_addf(&cli->out, "%*s%s", HELP_INDENT, "", name);
	if (used + 2 > HELP_COLUMN) {
		buf_add_char(&cli->out, '\n');
		used = 0;
	}
	buf_addf(&cli->out, "%*s", (int)(HELP_COLUMN - used), "");
	at = HELP_COLUMN;
	while (rest.len) {
		str_cut(rest, ' ', &word, &rest);
		if (at > HELP_COLUMN && at + 1 + render_width(word) > most) {
			buf_addf(&cli->out, "\n%*s", HELP_COLUMN, "");
			at = HELP_COLUMN;
		}
		if (at > HELP_COLUMN)
			buf_add_char(&cli->out, ' ');
		at += render_width(word) + (at > HELP_COLUMN);
		buf_add_str(&cli->out, word);
	}
	buf_add_char(&cli->out, '\n');
}

static void help_globals(struct cli *cli);

int help_overview(struct cli *cli)
{
	const char *group = "";

	render_line(cli,
		    "leaverd holds people against Atlassian accounts and acts through reviewed "
		    "plans.");
	render_line(cli,
		    "Usage: leaverd COMMAND [OPTION]...; options may stand anywhere after the "
		    "command.");
	for (const struct command *c = commands; c->name; c++) {
		if (c->hidden)
			continue;
		if (strcmp(group, c->group) != 0)
			render_head(cli, "%s", group = c->group);
		help_row(cli, c->name, c->summary);
	}
	help_globals(cli);
	buf_add_char(&cli->out, '\n');
	render_line(cli,
		    "leaverd help COMMAND explains one, with examples; leaverd help exit: exit "
		    "statuses.");
	return 0;
}

static void option_name(const struct cli_option *o, struct buf *into)
{
	if (o->letter)
		buf_addf(into, "-%c, ", o->letter);
	buf_addf(into, "--%s", o->name);
	if (o->value && o->value[0] == '[')
		buf_addf(into, "[=%.*s]", (int)strlen(o->value) - 2, o->value + 1);
	else if (o->value)
		buf_addf(into, " %s", o->value);
}

static void help_options(struct cli *cli, const struct cli_option *rows)
{
	for (; rows && rows->name; rows++) {
		CLEANUP(buf_done) struct buf name, text;

		buf_init(&name, 256);
		buf_init(&text, 1024);
		option_name(rows, &name);
		buf_addf(&text, "%s%s%s%s", rows->help, rows->required ? " (required)" : "",
			 rows->words ? "; one of: " : "", rows->words ? rows->words : "");
		help_row(cli, name.p ? name.p : "", text.p ? text.p : "");
	}
}

static void help_globals(struct cli *cli)
{
	render_head(cli, "Options of every command");
	help_options(cli, command_globals);
}

static void help_synopsis(struct cli *cli, const struct command *c)
{
	CLEANUP(buf_done) struct buf line;

	buf_init(&line, 4096);
	buf_addf(&line, "leaverd %s", c->name);
	for (const struct cli_operand *o = c->operands; o && o->name; o++)
		buf_addf(&line, " %s%s%s%s", o->least ? "" : "[", o->name,
			 o->most > 1 ? "..." : "", o->least ? "" : "]");
	for (const struct cli_option *o = c->options; o && o->name; o++) {
		bool may = o->value && o->value[0] == '[';

		buf_addf(&line, " %s--%s%s%s%s", o->required ? "" : "[", o->name,
			 o->value && !may ? " "
			 : may            ? "[="
					  : "",
			 o->value ? (may ? o->value + 1 : o->value) : "",
			 o->required ? "" : "]");
	}
	render_para(cli, HELP_INDENT, "%s", line.p ? line.p : c->name);
}

/* Lines that begin with a blank explain the command line above them. */
static void help_examples(struct cli *cli, const char *examples)
{
	struct str rest = str_of(examples), line;

	while (rest.len) {
		str_cut(rest, '\n', &line, &rest);
		if (!line.len)
			continue;
		if (line.p[0] == ' ')
			render_para(cli, HELP_INDENT + 4, STR_FMT, STR_ARG(str_trim(line)));
		else
			buf_addf(&cli->out, "%*s" STR_FMT "\n", HELP_INDENT, "", STR_ARG(line));
	}
}

int help_command(struct cli *cli, const struct command *c)
{
	render_line(cli, "leaverd %s: %s", c->name, c->summary);
	buf_add_char(&cli->out, '\n');
	help_synopsis(cli, c);
	if (c->about) {
		buf_add_char(&cli->out, '\n');
		render_para(cli, 0, "%s", c->about);
	}
	if (c->operands && c->operands->words)
		render_line(cli, "%s is one of: %s.", c->operands->name, c->operands->words);
	if (c->options) {
		render_head(cli, "Options");
		help_options(cli, c->options);
	}
	help_globals(cli);
	if (c->examples) {
		render_head(cli, "Examples");
		help_examples(cli, c->examples);
	}
	return 0;
}

static void help_exit_table(struct cli *cli)
{
	render_line(cli, "Exit statuses:");
	for (const struct help_exit *e = help_exits; e->meaning; e++) {
		char number[16];

		snprintf(number, sizeof(number), "%d", e->status);
		help_row(cli, number, e->meaning);
	}
}

/* "secret": the commands that begin with it. */
static void help_family(struct cli *cli, const char *word)
{
	size_t len = strlen(word);

	for (const struct command *c = commands; c->name; c++)
		if (!strncmp(c->name, word, len) && (c->name[len] == ' ' || !c->name[len]))
			help_row(cli, c->name, c->summary);
	render_line(cli, "leaverd help %s WORD explains one of them.", word);
}

int help_topic(struct cli *cli, const char *topic, struct err *err)
{
	const struct command *c = command_find(topic);
	const char *near;

	if (!strcmp(topic, "exit")) {
		help_exit_table(cli);
		return 0;
	}
	if (command_has_sub(topic)) {
		help_family(cli, topic);
		return 0;
	}
	if (c)
		return help_command(cli, c);
	near = help_nearest(topic);
	return err_set(err, ERR_USAGE, "there is no command '%s'%s%s%s; see 'leaverd help'",
		       topic, near ? " (did you mean '" : "", near ? near : "",
		       near ? "'?)" : "");
}

int help_version(struct cli *cli)
{
	render_line(cli, "leaverd %s%s", LEAVERD_VERSION,
		    stamp_is_virtual() ? " (virtual clock: for tests only)" : "");
	return 0;
}

/* --- nearest word ----------------------------------------------------------------------------
 */

#define NEAR_MOST 24

/* Letters to put in, take out or change to make b of a. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NEAR_MOST + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > NEAR_MOST || m > NEAR_MOST)
		return NEAR_MOST;
	for (size_t j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned change = corner + (a[i - 1] != b[j - 1]), least = row[j];

			corner = row[j];
			least = least < row[j - 1] ? least + 1 : row[j - 1] + 1;
			row[j] = least < change ? least : change;
		}
	}
	return row[m];
}

const char *help_nearest(const char *word)
{
	const char *best = NULL;
	unsigned least = 3;

	for (const struct command *c = commands; c->name; c++) {
		unsigned d = distance(word, c->name);

		if (!c->hidden && d < least && d < strlen(word)) {
			least = d;
			best = c->name;
		}
	}
	return best;
}

/* --- completion ------------------------------------------------------------------------------
 */

static void add_words(struct buf *into, const struct cli_option *rows)
{
	for (; rows && rows->name; rows++)
		buf_addf(into, " --%s", rows->name);
}

/* First words of all commands, each once: those of one group follow each other. */
static void add_first_words(struct buf *into)
{
	struct str before = { 0 };

	for (const struct command *c = commands; c->name; c++) {
		struct str first, rest;

		str_cut(str_of(c->name), ' ', &first, &rest);
		if (!str_eq(first, before))
			buf_addf(into, " " STR_FMT, STR_ARG(first));
		before = first;
	}
}

static void add_second_words(struct buf *into, struct str first)
{
	for (const struct command *c = commands; c->name; c++) {
		struct str word, rest;

		if (str_cut(str_of(c->name), ' ', &word, &rest) && str_eq(word, first) &&
		    !c->hidden)
			buf_addf(into, " " STR_FMT, STR_ARG(rest));
	}
}

/* Arms of a shell's "case" over "FIRST SECOND": what may follow. Two words first, so that a
 * family's arm is reached only without a second word that is known. */
static void add_cases(struct buf *into)
{
	struct str before = { 0 }, first, rest;

	buf_add_text(into, "\t\" \") known=\"");
	add_first_words(into);
	buf_add_text(into, "\" ;;\n");
	for (const struct command *c = commands; c->name; c++) {
		if (!str_cut(str_of(c->name), ' ', &first, &rest))
			continue;
		buf_addf(into, "\t\"%s\"*) known=\"", c->name);
		add_words(into, c->options);
		buf_add_text(into, "\" ;;\n");
	}
	for (const struct command *c = commands; c->name; c++) {
		str_cut(str_of(c->name), ' ', &first, &rest);
		if (str_eq(first, before))
			continue;
		before = first;
		buf_addf(into, "\t\"" STR_FMT " \"*) known=\"", STR_ARG(first));
		add_second_words(into, first);
		if (!rest.len)
			add_words(into, c->options);
		if (!rest.len && c->operands && c->operands->words)
			buf_addf(into, " %s", c->operands->words);
		buf_add_text(into, "\" ;;\n");
	}
}

static const char bash_head[] =
	"# leaverd completion for bash\n"
	"_leaverd() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} one= two= word known=\n"
	"\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	"\t\tcase $word in -*) continue ;; esac\n"
	"\t\tif [ -z \"$one\" ]; then one=$word; elif [ -z \"$two\" ]; then two=$word; fi\n"
	"\tdone\n"
	"\tcase \"$one $two\" in\n";
static const char bash_tail[] =
	"\tCOMPREPLY=( $(compgen -W \"$known $globals\" -- \"$cur\") )\n"
	"}\n"
	"complete -o default -F _leaverd leaverd\n";
static const char zsh_head[] =
	"#compdef leaverd\n"
	"# leaverd completion for zsh\n"
	"_leaverd() {\n"
	"\tlocal one= two= word known=\n"
	"\tfor word in \"${(@)words[2,CURRENT-1]}\"; do\n"
	"\t\tcase $word in -*) continue ;; esac\n"
	"\t\tif [ -z \"$one\" ]; then one=$word; elif [ -z \"$two\" ]; then two=$word; fi\n"
	"\tdone\n"
	"\tcase \"$one $two\" in\n";
static const char zsh_tail[] = "\tcompadd -- ${=known} ${=globals}\n"
			       "\t_files\n"
			       "}\n"
			       "compdef _leaverd leaverd\n";

int help_completion(struct cli *cli, const char *shell, struct err *err)
{
	bool zsh = !strcmp(shell, "zsh");

	if (!zsh && strcmp(shell, "bash") != 0)
		return err_set(err, ERR_USAGE, "completion is for bash or zsh, not for '%s'",
			       shell);
	buf_add_text(&cli->out, zsh ? zsh_head : bash_head);
	add_cases(&cli->out);
	buf_add_text(&cli->out, "\tesac\n\tlocal globals=\"");
	add_words(&cli->out, command_globals);
	buf_add_text(&cli->out, "\"\n");
	buf_add_text(&cli->out, zsh ? zsh_tail : bash_tail);
	return 0;
}
