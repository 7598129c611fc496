/*
 * The command line: finding the command, reading its options by table, running its verb in the
 * daemon or here, printing the answer.
 *
 * A command is a row (bridge/commands.c): its words, its options and operands with the request
 * members they fill, its verb, its renderer. The same row parses, explains itself (help,
 * manual) and completes. All output is gathered in cli->out, so it is whole or absent and
 * testable.
 */
#ifndef BRIDGE_CLI_H
#define BRIDGE_CLI_H

#include <stdio.h>

#include "base/jx.h"
#include "bridge/verb.h"

/* Exit statuses, documented in leaverd(8). */
enum cli_exit {
	CLI_OK,
	CLI_FAULT,       /* anything that has no number of its own */
	CLI_USAGE,       /* the command line is wrong */
	CLI_CONFIG,      /* configuration or policy is wrong */
	CLI_HELD,        /* held by a guard, refused, not allowed, in conflict, expired */
	CLI_INCOMPLETE,  /* something was not read to its end */
	CLI_UNREACHABLE, /* a directory, Atlassian or the daemon does not answer */
	CLI_BUSY,        /* another process holds the lease, or is busy: again later */
	CLI_DAMAGED,     /* database, audit chain or backup damaged, foreign or newer */
	CLI_SECRET,      /* vault: key, passphrase, mode of the key file */
	CLI_NOT_FOUND,   /* no such plan, person, secret ... */
	CLI_CANCELLED = 130,
};

/* The status for ERR_x (either sign). */
int cli_exit_of(int code);

enum cli_type {
	CLI_FLAG,     /* true */
	CLI_TEXT,     /* a text, given once */
	CLI_TEXTS,    /* an array of texts: given any number of times */
	CLI_INT,      /* an integer, not negative */
	CLI_DURATION, /* 90d: milliseconds */
	CLI_TIME,     /* dateTime, date, or a duration from now: milliseconds since 1970 */
	CLI_SWITCH,   /* a flag for the command itself: not sent */
	CLI_LOCAL,    /* a text for the command itself: not sent */
};

/* An option. Tables end with a NULL name. */
struct cli_option {
	const char *name;  /* "reason", without the dashes */
	char letter;       /* 0: none */
	const char *value; /* "TEXT": what it takes; NULL for flags */
	enum cli_type type;
	const char *member; /* of the request; NULL: name with '-' as '_' */
	bool required;
	const char *help;
	const char *words; /* "observe propose act": what it may be; NULL: anything */
};

/* What comes without dashes, in order. Only the last may have most above 1 (an array then). */
struct cli_operand {
	const char *name; /* "PLAN" */
	const char *member;
	unsigned least, most;
	bool number;       /* a whole number */
	const char *words; /* as above */
};

struct cli;

struct command {
	const char *name;  /* "plan", "secret set" */
	const char *group; /* heading in the overview */
	const char *summary;
	const char *about;                  /* paragraphs */
	const char *examples;               /* lines: command, blank, then what it does */
	const struct cli_option *options;   /* may be NULL */
	const struct cli_operand *operands; /* may be NULL */
	const char *verb;                   /* NULL: only local */
	/* Adds to the request what no table can say (a secret from stdin), or checks it. */
	int (*prepare)(struct cli *cli, json_t *request, struct err *err);
	/* Runs instead of a verb. */
	int (*local)(struct cli *cli, const json_t *request, struct err *err);
	/* Takes out of the answer what goes elsewhere (a file), before it is printed. */
	int (*finish)(struct cli *cli, json_t *answer, struct err *err);
	/* Prints the answer; NULL: render_simple. Below zero: a fault. */
	int (*render)(struct cli *cli, const json_t *out);
	bool hidden; /* not in the overview */
};

/* One run of the program. */
struct cli {
	const struct command *command; /* NULL until found */
	const char *config_file;       /* --config, NULL: config_find() */
	bool json, quiet, verbose;
	bool color, tty;   /* tty: stdout is a terminal */
	unsigned width;    /* columns; tables are fitted to it; 0: no limit */
	int passphrase_fd; /* --passphrase-fd, or -1 */
	int64_t now_ms;    /* when it started */
	struct buf out;    /* what goes to stdout at the end */
	json_t *switches;  /* CLI_SWITCH and CLI_LOCAL values */
};

/*
 * Reads argv. 0: cli->command is set and *request is a new object. CLI_ANSWERED: help or
 * version stands in cli->out. Fault: USAGE with the way to the right help.
 */
enum { CLI_ANSWERED = 1 };
int cli_parse(struct cli *cli, int argc, char *const argv[], json_t **request, struct err *err)
	MUST_USE;

/* Sets up from the environment (NO_COLOR, COLUMNS, terminal). */
void cli_init(struct cli *cli);
void cli_done(struct cli *cli);

/* The whole program; the exit status. */
int cli_main(int argc, char *const argv[]);

/* A verb of this command, in the daemon or here. *out is always an object on return of 0 and on
 * most faults; the caller's. */
int cli_call(struct cli *cli, const char *verb, const json_t *in, json_t **out, struct err *err)
	MUST_USE;

/*
 * Many verbs in one go, without progress of their own. Where no daemon listens, the lease is
 * taken at the first and kept until the end.
 */
struct cli_line;
int cli_line_open(struct cli *cli, struct cli_line **ret, struct err *err) MUST_USE;
int cli_line_call(struct cli_line *line, const char *verb, const json_t *in, json_t **out,
		  struct err *err) MUST_USE;
void cli_line_free(struct cli_line *line); /* NULL is fine */
OWNED(struct cli_line, cli_line_free)

/* From now on the first interrupt makes verb_cancelled() true, and the second ends us. */
void cli_interrupts(void);

/* True for a CLI_SWITCH that was given; text of a CLI_LOCAL or NULL. */
bool cli_switch(const struct cli *cli, const char *name);
const char *cli_local(const struct cli *cli, const char *name);

/* A line on stderr that the next one overwrites; nothing unless stderr is a terminal. */
void cli_progress(struct cli *cli, const char *format, ...) PRINTF(2, 3);

#endif
