#include "bridge/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/stamp.h"
#include "base/worker.h"
#include "bridge/app.h"
#include "bridge/commands.h"
#include "bridge/control.h"
#include "bridge/outbox.h"
#include "bridge/progress.h"
#include "bridge/render.h"
#include "bridge/unlock.h"
#include "bridge/wipe.h"

#define CLI_OUT_MAX (512u * 1024 * 1024)
#define CLI_LEASE_WAIT_MS 10000
#define CLI_DRAIN_MS 30000 /* a command that works alone sends notices for so long, at most */
#define CLI_LEASE_AGAIN_MS 50
#define CLI_WATCH_MS 1000

/* --- exit statuses ---------------------------------------------------------------------------
 */

/* clang-format off */
static const struct {
	int code;
	enum cli_exit status;
} exits[] = {
	{ ERR_USAGE,          CLI_USAGE },
	{ ERR_CONFIG,         CLI_CONFIG },
	{ ERR_POLICY,         CLI_CONFIG },
	{ ERR_INVALID_SYNTAX, CLI_USAGE },
	{ ERR_INVALID_FILTER, CLI_USAGE },
	{ ERR_INVALID_PATH,   CLI_USAGE },
	{ ERR_INVALID_VALUE,  CLI_USAGE },
	{ ERR_HELD,           CLI_HELD },
	{ ERR_REFUSED,        CLI_HELD },
	{ ERR_FORBIDDEN,      CLI_HELD },
	{ ERR_UNAUTHORIZED,   CLI_HELD },
	{ ERR_CONFLICT,       CLI_HELD },
	{ ERR_PRECONDITION,   CLI_HELD },
	{ ERR_EXPIRED,        CLI_HELD },
	{ ERR_INCOMPLETE,     CLI_INCOMPLETE },
	{ ERR_NETWORK,        CLI_UNREACHABLE },
	{ ERR_TLS,            CLI_UNREACHABLE },
	{ ERR_TIMEOUT,        CLI_UNREACHABLE },
	{ ERR_UNAVAILABLE,    CLI_UNREACHABLE },
	{ ERR_RATE_LIMIT,     CLI_UNREACHABLE },
	{ ERR_PROTOCOL,       CLI_UNREACHABLE },
	{ ERR_REMOTE,         CLI_UNREACHABLE },
	{ ERR_LEASE,          CLI_BUSY },
	{ ERR_BUSY,           CLI_BUSY },
	{ ERR_DAMAGED,        CLI_DAMAGED },
	{ ERR_FOREIGN,        CLI_DAMAGED },
	{ ERR_NEWER,          CLI_DAMAGED },
	{ ERR_SECRET,         CLI_SECRET },
	{ ERR_NOT_FOUND,      CLI_NOT_FOUND },
	{ ERR_NO_TARGET,      CLI_NOT_FOUND },
	{ ERR_CANCELLED,      CLI_CANCELLED },
};
/* clang-format on */

int cli_exit_of(int code)
{
	if (!code)
		return CLI_OK;
	for (size_t i = 0; i < COUNT_OF(exits); i++)
		if (exits[i].code == abs(code))
			return exits[i].status;
	return CLI_FAULT;
}

/* --- reading the command line ----------------------------------------------------------------
 */

struct parse {
	struct cli *cli;
	int argc, at;
	char *const *argv;
	const char *first; /* a word that may be the first of two, not yet decided */
	json_t *request;   /* borrowed */
	const char *operands[256];
	unsigned operand_count;
	const char *help; /* "" overview or topic asked for with --help */
	bool ended;       /* "--" seen */
};

static int usage(struct parse *p, struct err *err, const char *format, ...) PRINTF(3, 4);

/* Every usage fault ends with the way to the right help. */
static int usage(struct parse *p, struct err *err, const char *format, ...)
{
	const char *name = p->cli->command ? p->cli->command->name : NULL;
	struct err said;
	va_list args;

	va_start(args, format);
	err_vset(&said, ERR_USAGE, format, args);
	va_end(args);
	return err_set(err, ERR_USAGE, "%s; see 'leaverd help%s%s'", said.text, name ? " " : "",
		       name ? name : "");
}

static const struct cli_option *option_named(const struct cli_option *rows, struct str name)
{
	for (; rows && rows->name; rows++)
		if (str_eq(str_of(rows->name), name))
			return rows;
	return NULL;
}

static const struct cli_option *option_lettered(const struct cli_option *rows, char letter)
{
	for (; rows && rows->name; rows++)
		if (rows->letter && rows->letter == letter)
			return rows;
	return NULL;
}

/* The request's member of an option: its name with '_' unless the row says otherwise. */
static void member_of(const struct cli_option *o, char *into, size_t room)
{
	size_t n = 0;

	for (const char *s = o->member ? o->member : o->name; *s && n + 1 < room; s++)
		into[n++] = *s == '-' && !o->member ? '_' : *s;
	into[n] = '\0';
}

static bool word_among(const char *words, const char *value)
{
	struct str rest = str_of(words), head;

	while (rest.len) {
		str_cut(rest, ' ', &head, &rest);
		if (str_eq(head, str_of(value)))
			return true;
	}
	return false;
}

static int option_time(const struct cli *cli, const char *value, int64_t *ret)
{
	struct str s = str_of(value);
	int64_t span;

	if (stamp_parse(s, ret) || stamp_parse_date(s, ret))
		return 0;
	if (!str_duration_ms(s, &span))
		return -ERR_USAGE;
	*ret = cli->now_ms + span;
	return 0;
}

static int option_number(struct parse *p, const struct cli_option *o, const char *value,
			 int64_t *ret, struct err *err)
{
	struct str s = str_of(value);

	switch (o->type) {
	case CLI_DURATION:
		if (!str_duration_ms(s, ret))
			return usage(p, err,
				     "--%s takes a duration such as 90d or 12h, not '%s'",
				     o->name, value);
		return 0;
	case CLI_TIME:
		if (option_time(p->cli, value, ret) < 0)
			return usage(
				p, err,
				"--%s takes a date such as 2027-01-31, a date and time or a "
				"duration from now such as 30d, not '%s'",
				o->name, value);
		return 0;
	default:
		if (!str_int64(s, ret) || *ret < 0)
			return usage(p, err, "--%s takes a whole number, not '%s'", o->name,
				     value);
		return 0;
	}
}

static int option_append(struct parse *p, const char *member, const char *value,
			 struct err *err)
{
	json_t *array = json_object_get(p->request, member);
	int r;

	if (!array) {
		r = jx_set(p->request, member, array = json_array(), err);
		if (r < 0)
			return r;
	}
	return jx_add(array, json_string(value), err);
}

/* Puts one option's value where its row says. */
static int option_store(struct parse *p, const struct cli_option *o, const char *value,
			struct err *err)
{
	char member[64];
	int64_t number;
	int r;

	member_of(o, member, sizeof(member));
	if (o->words && !word_among(o->words, value))
		return usage(p, err, "--%s may be one of: %s; not '%s'", o->name, o->words,
			     value);
	if (value && !str_utf8(str_of(value), NULL))
		return usage(p, err, "the value of --%s is not UTF-8 text", o->name);
	switch (o->type) {
	case CLI_FLAG:
		return jx_set(p->request, member, json_true(), err);
	case CLI_SWITCH:
		return jx_set(p->cli->switches, o->name, json_true(), err);
	case CLI_LOCAL:
		return jx_set(p->cli->switches, o->name, json_string(value), err);
	case CLI_TEXT:
		if (json_object_get(p->request, member))
			return usage(p, err, "--%s was given twice", o->name);
		return jx_set(p->request, member, json_string(value), err);
	case CLI_TEXTS:
		return option_append(p, member, value, err);
	default:
		r = option_number(p, o, value, &number, err);
		return r < 0 ? r : jx_set(p->request, member, json_integer(number), err);
	}
}

/* Options that every command knows; their letters and texts stand in command_globals. */
static int option_global(struct parse *p, const struct cli_option *o, const char *value,
			 struct err *err)
{
	struct cli *cli = p->cli;
	int64_t fd;

	switch (o->member[1]) {
	case 'c':
		cli->config_file = value;
		return 0;
	case 'j':
		cli->json = true;
		return 0;
	case 'q':
		cli->quiet = true;
		return 0;
	case 'v':
		cli->verbose = true;
		return 0;
	case 'p':
		if (!str_int64(str_of(value), &fd) || fd < 0 || fd > 1023)
			return usage(
				p, err,
				"--%s takes the number of an open file descriptor, not '%s'",
				o->name, value);
		cli->passphrase_fd = (int)fd;
		return 0;
	case 'V':
		p->help = "version";
		return 0;
	default:
		p->help = "";
		return 0;
	}
}

static int option_take(struct parse *p, const struct cli_option *o, bool global,
		       const char *value, struct err *err)
{
	if (!o->value && value)
		return usage(p, err, "--%s takes no value", o->name);
	if (o->value && !value && o->value[0] == '[')
		return jx_set(p->request, o->member ? o->member : o->name, json_true(), err);
	if (o->value && !value) {
		if (p->at + 1 >= p->argc)
			return usage(p, err, "--%s needs its %s", o->name, o->value);
		value = p->argv[++p->at];
	}
	return global ? option_global(p, o, value, err) : option_store(p, o, value, err);
}

/* The first word alone is the command, if there is one of that name. */
static int command_settle(struct parse *p, const char *second, struct err *err)
{
	char name[64];
	int n;

	if (second) {
		n = snprintf(name, sizeof(name), "%s %s", p->first, second);
		p->cli->command = n < (int)sizeof(name) ? command_find(name) : NULL;
		if (p->cli->command) {
			p->first = NULL;
			return 1;
		}
	}
	p->cli->command = command_find(p->first);
	if (p->cli->command) {
		p->first = NULL;
		return 0;
	}
	if (second)
		return err_set(err, ERR_USAGE,
			       "there is no command '%s %s'; see 'leaverd help %s'", p->first,
			       second, p->first);
	return err_set(err, ERR_USAGE, "'%s' needs a second word; see 'leaverd help %s'",
		       p->first, p->first);
}

static int word_first(struct parse *p, const char *word, struct err *err)
{
	const char *near;

	p->first = word;
	if (command_has_sub(word))
		return 0;
	if (command_find(word))
		return command_settle(p, NULL, err);
	near = help_nearest(word);
	return err_set(err, ERR_USAGE, "there is no command '%s'%s%s%s; see 'leaverd help'",
		       word, near ? " (did you mean '" : "", near ? near : "",
		       near ? "'?)" : "");
}

static int word_take(struct parse *p, const char *word, struct err *err)
{
	int r;

	if (!p->cli->command && !p->first)
		return word_first(p, word, err);
	if (p->first) {
		r = command_settle(p, word, err);
		if (r)
			return r < 0 ? r : 0;
	}
	if (p->operand_count == COUNT_OF(p->operands))
		return usage(p, err, "more than %zu operands", COUNT_OF(p->operands));
	if (!str_utf8(str_of(word), NULL))
		return usage(p, err, "operand %u is not UTF-8 text", p->operand_count + 1);
	p->operands[p->operand_count++] = word;
	return 0;
}

static int unknown_option(struct parse *p, const char *dashes, struct str name, struct err *err)
{
	int r;

	if (p->first) {
		r = command_settle(p, NULL, err);
		if (r < 0)
			return r;
	}
	return usage(p, err, "unknown option '%s" STR_FMT "'%s", dashes, STR_ARG(name),
		     p->cli->command ? "" : " (options of a command stand after its name)");
}

static const struct cli_option *command_options(const struct parse *p)
{
	if (p->first) {
		const struct command *c = command_find(p->first);

		return c ? c->options : NULL;
	}
	return p->cli->command ? p->cli->command->options : NULL;
}

static int long_option(struct parse *p, const char *text, struct err *err)
{
	const struct cli_option *o;
	struct str name, rest;
	bool has_value = str_cut(str_of(text), '=', &name, &rest);
	const char *value = has_value ? rest.p : NULL;
	int r;

	o = option_named(command_globals, name);
	if (o)
		return option_take(p, o, true, value, err);
	o = option_named(command_options(p), name);
	if (!o)
		return unknown_option(p, "--", name, err);
	if (p->first) {
		r = command_settle(p, NULL, err);
		if (r < 0)
			return r;
	}
	return option_take(p, o, false, value, err);
}

/* "-jq", "-cFILE", "-c FILE". */
static int short_options(struct parse *p, const char *text, struct err *err)
{
	for (; *text; text++) {
		const struct cli_option *o = option_lettered(command_globals, *text);
		bool global = o;
		int r;

		if (!o)
			o = option_lettered(command_options(p), *text);
		if (!o)
			return unknown_option(p, "-", str_n(text, 1), err);
		if (o->value && text[1])
			return option_take(p, o, global, text + 1, err);
		r = option_take(p, o, global, NULL, err);
		if (r < 0)
			return r;
		if (o->value)
			return 0;
	}
	return 0;
}

static int argument(struct parse *p, const char *text, struct err *err)
{
	if (p->ended || text[0] != '-' || !text[1])
		return word_take(p, text, err);
	if (text[1] != '-')
		return short_options(p, text + 1, err);
	if (!text[2]) {
		p->ended = true;
		return 0;
	}
	return long_option(p, text + 2, err);
}

static int operand_store(struct parse *p, const struct cli_operand *o, const char *word,
			 struct err *err)
{
	int64_t number;

	if (o->words && !word_among(o->words, word))
		return usage(p, err, "%s may be one of: %s; not '%s'", o->name, o->words, word);
	if (o->most > 1)
		return option_append(p, o->member, word, err);
	if (!o->number)
		return jx_set(p->request, o->member, json_string(word), err);
	if (!str_int64(str_of(word), &number) || number <= 0)
		return usage(p, err, "%s is a number, not '%s'", o->name, word);
	return jx_set(p->request, o->member, json_integer(number), err);
}

/* What stands without dashes, put where the rows say. */
static int operands_place(struct parse *p, struct err *err)
{
	const struct cli_operand *o = p->cli->command->operands;
	unsigned at = 0;

	for (; o && o->name; o++) {
		unsigned taken = 0;
		int r = 0;

		while (at < p->operand_count && taken < o->most) {
			r = operand_store(p, o, p->operands[at++], err);
			if (r < 0)
				return r;
			taken++;
		}
		if (taken < o->least)
			return usage(p, err, "'%s' needs its %s", p->cli->command->name,
				     o->name);
	}
	if (at < p->operand_count)
		return usage(p, err, "'%s' is one word too many", p->operands[at]);
	return 0;
}

static int required_given(struct parse *p, struct err *err)
{
	const struct cli_option *o = p->cli->command->options;
	char member[64];

	for (; o && o->name; o++) {
		member_of(o, member, sizeof(member));
		if (o->required && !json_object_get(p->request, member))
			return usage(p, err, "'%s' needs --%s%s%s", p->cli->command->name,
				     o->name, o->value ? " " : "", o->value ? o->value : "");
	}
	return 0;
}

static int answer_help(struct parse *p, struct err *err)
{
	struct cli *cli = p->cli;
	int r;

	if (!strcmp(p->help, "version"))
		r = help_version(cli);
	else if (cli->command)
		r = help_command(cli, cli->command);
	else if (p->first)
		r = help_topic(cli, p->first, err);
	else
		r = help_overview(cli);
	return r < 0 ? r : CLI_ANSWERED;
}

int cli_parse(struct cli *cli, int argc, char *const argv[], json_t **request, struct err *err)
{
	CLEANUP(json_decref_at) json_t *made = json_object();
	struct parse p = { .cli = cli, .argc = argc, .argv = argv, .request = made };
	int r;

	if (!made || !cli->switches)
		return err_nomem(err);
	for (p.at = 1; p.at < argc; p.at++) {
		r = argument(&p, argv[p.at], err);
		if (r < 0)
			return p.help ? answer_help(&p, err) : r;
	}
	if (!p.help && !cli->command && !p.first)
		return err_set(err, ERR_USAGE, "no command given; see 'leaverd help'");
	if (p.help)
		return answer_help(&p, err);
	if (p.first) {
		r = command_settle(&p, NULL, err);
		if (r < 0)
			return r;
	}
	r = operands_place(&p, err);
	if (r < 0)
		return r;
	r = required_given(&p, err);
	if (r < 0)
		return r;
	*request = TAKE(made);
	return 0;
}

/* --- running ---------------------------------------------------------------------------------
 */

bool cli_switch(const struct cli *cli, const char *name)
{
	return json_is_true(json_object_get(cli->switches, name));
}

const char *cli_local(const struct cli *cli, const char *name)
{
	return json_string_value(json_object_get(cli->switches, name));
}

static unsigned terminal_width(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	int64_t n;

	if (columns && str_int64(str_of(columns), &n) && n >= 20 && n <= 1000)
		return (unsigned)n;
	if (isatty(fd) && !ioctl(fd, TIOCGWINSZ, &size) && size.ws_col >= 20)
		return size.ws_col;
	return isatty(fd) ? 80 : 0;
}

void cli_init(struct cli *cli)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	*cli = (struct cli){ .passphrase_fd = -1, .now_ms = stamp_now_ms() };
	cli->tty = isatty(STDOUT_FILENO);
	cli->color = cli->tty && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
	cli->width = terminal_width(STDOUT_FILENO);
	cli->switches = json_object();
	buf_init_secret(&cli->out, CLI_OUT_MAX);
}

void cli_done(struct cli *cli)
{
	json_decref(cli->switches);
	cli->switches = NULL;
	buf_done(&cli->out);
}

static bool cli_shows_progress(const struct cli *cli)
{
	return !cli->quiet && !cli->json && isatty(STDERR_FILENO);
}

void cli_progress(struct cli *cli, const char *format, ...)
{
	char text[160];
	va_list args;

	if (!cli_shows_progress(cli))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "\r\033[K%s", text);
	fflush(stderr);
}

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	verb_cancel();
}

void cli_interrupts(void)
{
	struct sigaction act = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };

	sigemptyset(&act.sa_mask);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
}

/* Nobody serves: the same verb, here, under the lease. */
static int call_here(struct cli *cli, const char *file, const struct verb *verb,
		     const json_t *in, json_t **out, struct err *err)
{
	CLEANUP(json_decref_at) json_t *answer = json_object();
	struct app app = { 0 };
	struct who who;
	unsigned parts = 0;
	int r;

	if (!answer)
		return err_nomem(err);
	if (verb->needs & VERB_STORE)
		parts |= APP_STORE;
	if (verb->needs & VERB_HTTP)
		parts |= APP_HTTP;
	unlock_passphrase_from(cli->passphrase_fd);
	r = app_open(&app, file, parts, err);
	if (r < 0)
		return r;
	control_who_self(&who);
	cli_interrupts();
	/* what an earlier process left, and what this command puts in, is sent while it runs */
	if (parts == (APP_STORE | APP_HTTP))
		r = outbox_start(&app.outbox, &app, err);
	if (r == 0)
		r = verb->run(&app, &who, in, answer, err);
	outbox_drain(app.outbox, CLI_DRAIN_MS);
	app_close(&app);
	*out = TAKE(answer);
	return r;
}

/*
 * In the daemon, else here. A lease that is held is most often another command's, gone in a
 * moment, or that of a daemon whose socket is about to be there: so it is waited for.
 */
static int call_somewhere(struct cli *cli, const struct config *config, const char *file,
			  const struct verb *verb, const json_t *in, json_t **out,
			  struct err *err)
{
	int64_t until_ms = stamp_mono_ms() + CLI_LEASE_WAIT_MS;
	int r;

	for (;;) {
		r = control_ask(config->control.socket, verb->name, in, out, err);
		if (r != CONTROL_NOBODY)
			return r;
		r = call_here(cli, file, verb, in, out, err);
		if (r != -ERR_LEASE || *out || stamp_mono_ms() >= until_ms)
			return r;
		stamp_sleep_ms(CLI_LEASE_AGAIN_MS);
	}
}

struct cli_line {
	struct cli *cli;
	struct config config;
	const char *file;
	struct app app;
	bool here; /* the lease is ours */
};

int cli_line_open(struct cli *cli, struct cli_line **ret, struct err *err)
{
	CLEANUP(cli_line_free_at) struct cli_line *line = calloc(1, sizeof(*line));
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	int r;

	if (!line)
		return err_nomem(err);
	line->cli = cli;
	line->file = config_find(cli->config_file);
	r = config_read(line->file, &line->config, &faults, err);
	for (size_t i = 0; r < 0 && i < faults.n; i++)
		fprintf(stderr, "%s\n", faults.v[i]);
	if (r == 0)
		*ret = TAKE(line);
	return r;
}

static int line_here(struct cli_line *line, struct err *err)
{
	int64_t until_ms = stamp_mono_ms() + CLI_LEASE_WAIT_MS;
	int r;

	unlock_passphrase_from(line->cli->passphrase_fd);
	for (;;) {
		r = app_open(&line->app, line->file, APP_STORE, err);
		if (r != -ERR_LEASE || stamp_mono_ms() >= until_ms)
			break;
		stamp_sleep_ms(CLI_LEASE_AGAIN_MS);
	}
	line->here = r == 0;
	return r;
}

int cli_line_call(struct cli_line *line, const char *name, const json_t *in, json_t **out,
		  struct err *err)
{
	const struct verb *verb = verb_find(name);
	struct who who;
	int r;

	if (!verb)
		return err_set(err, ERR_INTERNAL, "no verb %s in this binary", name);
	if (!line->here) {
		r = control_ask(line->config.control.socket, name, in, out, err);
		if (r != CONTROL_NOBODY)
			return r;
		r = line_here(line, err);
		if (r < 0)
			return r;
	}
	*out = json_object();
	if (!*out)
		return err_nomem(err);
	control_who_self(&who);
	return verb->run(&line->app, &who, in, *out, err);
}

void cli_line_free(struct cli_line *line)
{
	if (!line)
		return;
	if (line->here)
		app_close(&line->app);
	config_free(&line->config);
	free(line);
}

/* What is shown while a long verb runs, of the reads that are under way. */
struct watch {
	struct cli *cli;
	const struct config *config;
	const char *name;
};

static void watch_show(const struct watch *w, const struct config_org *org, const json_t *at)
{
	char text[160];

	progress_text(at, org->name, text);
	if (text[0])
		cli_progress(w->cli, "%s ... %s", w->name, text);
}

/* In this process, or else in the daemon. */
static void watch_look(const struct watch *w)
{
	CLEANUP(json_decref_at) json_t *in = json_object();
	CLEANUP(json_decref_at) json_t *out = NULL;
	const json_t *row;
	struct err err;
	bool here = false;
	size_t i;

	for (i = 0; i < w->config->organisations.n; i++) {
		CLEANUP(json_decref_at)
		json_t *at = progress_out("collect", config_org_at(w->config, i)->name);

		here |= json_is_object(at);
		watch_show(w, config_org_at(w->config, i), at);
	}
	if (here || !in ||
	    control_ask(w->config->control.socket, "collect.status", in, &out, &err) != 0)
		return;
	json_array_foreach (json_object_get(out, "organisations"), i, row) {
		const struct config_org *org = config_org(w->config, jx_get_text(row, "org"));

		if (org)
			watch_show(w, org, json_object_get(row, "reading"));
	}
}

static void watch_loop(struct worker *self, void *arg)
{
	const struct watch *w = arg;
	int64_t next_ms = stamp_mono_ms() + CLI_WATCH_MS;

	while (!worker_wait(self, CLI_WATCH_MS)) {
		if (stamp_mono_ms() < next_ms)
			continue;
		watch_look(w);
		next_ms = stamp_mono_ms() + CLI_WATCH_MS;
	}
}

int cli_call(struct cli *cli, const char *name, const json_t *in, json_t **out, struct err *err)
{
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	CLEANUP(config_free) struct config config = { 0 };
	const struct verb *verb = verb_find(name);
	const char *file = config_find(cli->config_file);
	struct watch watch = { cli, &config, name };
	struct worker *watcher = NULL;
	struct err lost;
	int r;

	if (!verb)
		return err_set(err, ERR_INTERNAL, "no verb %s in this binary", name);
	r = config_read(file, &config, &faults, err);
	if (r < 0) {
		for (size_t i = 0; i < faults.n; i++)
			fprintf(stderr, "%s\n", faults.v[i]);
		return r;
	}
	if (verb->needs & VERB_LONG)
		cli_progress(cli, "%s ...", name);
	/* without it nothing is shown, and all is done the same */
	if (verb->needs & VERB_LONG && cli_shows_progress(cli))
		(void)!worker_start(&watcher, "progress", watch_loop, &watch, &lost);
	r = call_somewhere(cli, &config, file, verb, in, out, err);
	worker_join(watcher);
	cli_progress(cli, "%s", "");
	return r;
}

/* {"fault": {...}} beside what the verb had answered, for programs. */
static int fault_into(json_t *answer, const struct err *said, struct err *err)
{
	json_t *fault = json_object();
	int r;

	if (!fault)
		return err_nomem(err);
	r = jx_set(answer, "fault", fault, err);
	if (r < 0)
		return r;
	r = jx_set(fault, "word", json_string(err_class(said->code)->word), err);
	if (r < 0)
		return r;
	r = jx_set(fault, "text", json_string(said->text), err);
	if (r < 0)
		return r;
	return jx_set(fault, "status", json_integer(cli_exit_of(said->code)), err);
}

static int out_dump(const char *bytes, size_t len, void *arg)
{
	struct buf *into = arg;

	buf_add(into, bytes, len);
	return into->fault ? -1 : 0;
}

static int print_json(struct cli *cli, const json_t *answer, struct err *err)
{
	if (json_dump_callback(answer, out_dump, &cli->out, JSON_INDENT(2)) < 0)
		return err_nomem(err);
	buf_add_char(&cli->out, '\n');
	return buf_fault(&cli->out, err, "the output");
}

static int print_answer(struct cli *cli, const json_t *answer, struct err *err)
{
	int r;

	if (cli->json)
		return print_json(cli, answer, err);
	r = cli->command->render ? cli->command->render(cli, answer)
				 : render_simple(cli, answer);
	if (r < 0)
		return err_set(err, -r, "printing the answer of %s failed", cli->command->name);
	return buf_fault(&cli->out, err, "the output");
}

static int run_command(struct cli *cli, json_t *request, struct err *err)
{
	CLEANUP(json_decref_at) json_t *answer = NULL;
	const struct command *c = cli->command;
	struct err later;
	int r = 0;

	if (c->prepare)
		r = c->prepare(cli, request, err);
	if (r < 0)
		return r;
	if (c->local)
		return c->local(cli, request, err);
	r = cli_call(cli, c->verb, request, &answer, err);
	if (answer && c->finish) {
		int finished = c->finish(cli, answer, r < 0 ? &later : err);

		r = r < 0 ? r : finished;
	}
	if (r < 0 && cli->json) {
		if (!answer)
			answer = json_object();
		if (answer && fault_into(answer, err, &later) == 0)
			(void)!print_json(cli, answer, &later);
		return r;
	}
	if (answer && (r == 0 || json_object_size(answer))) {
		int printed = print_answer(cli, answer, r < 0 ? &later : err);

		return r < 0 ? r : printed;
	}
	return r;
}

/* All of it, also through a pipe that takes little at a time. */
static bool flush_out(const struct cli *cli)
{
	size_t done = 0;

	while (done < cli->out.len) {
		ssize_t n = write(STDOUT_FILENO, cli->out.p + done, cli->out.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EPIPE;
		done += (size_t)n;
	}
	return true;
}

/* A closed descriptor 0, 1 or 2 would be given to the next file opened: the database. */
static void descriptors_hold(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int cli_main(int argc, char *const argv[])
{
	CLEANUP(json_decref_at) json_t *request = NULL;
	struct cli cli;
	struct err err = { 0 };
	int r, status;

	descriptors_hold();
	signal(SIGPIPE, SIG_IGN);
	wipe_json_memory();
	r = secret_start(&err);
	map_seed();
	cli_init(&cli);
	if (r == 0)
		r = cli_parse(&cli, argc, argv, &request, &err);
	if (r == 0) {
		log_setup(cli.verbose ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, LOG_FORM_LOGFMT, 2);
		r = run_command(&cli, request, &err);
	}
	status = r < 0 ? cli_exit_of(r) : CLI_OK;
	if (!flush_out(&cli)) {
		fprintf(stderr, "leaverd: writing the output: %s\n", strerror(errno));
		status = status ? status : CLI_FAULT;
	}
	if (r < 0)
		fprintf(stderr, "leaverd: %s\n", err.text);
	cli_done(&cli);
	return status;
}
