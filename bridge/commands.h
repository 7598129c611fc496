/*
 * The commands, as rows. bridge/cli.c reads a command line by them, explains them and completes
 * them; nothing else says what a command is called or what it takes.
 */
#ifndef BRIDGE_COMMANDS_H
#define BRIDGE_COMMANDS_H

#include "bridge/cli.h"

/* Ended by a NULL name; in the order of the overview, groups together. */
extern const struct command commands[];

/* Options that every command knows; ended by a NULL name. Their members start with '-'. */
extern const struct cli_option command_globals[];

/* By its whole name. NULL: none. */
const struct command *command_find(const char *name);
/* True if there are commands "WORD ...". */
bool command_has_sub(const char *word);

/* bridge/help.c: all of them add to cli->out. */
int help_overview(struct cli *cli);
int help_version(struct cli *cli);
int help_command(struct cli *cli, const struct command *command);
/* Help on "plan", "secret", "secret set", "exit"; fault USAGE for an unknown word. */
int help_topic(struct cli *cli, const char *topic, struct err *err) MUST_USE;
int help_completion(struct cli *cli, const char *shell, struct err *err) MUST_USE;
/* The command whose name is nearest to word, for "did you mean"; NULL if none is near. */
const char *help_nearest(const char *word);

/* The word and meaning of an exit status, for help and manual; NULL beyond the table. */
struct help_exit {
	int status;
	const char *meaning;
};
extern const struct help_exit help_exits[]; /* ended by a NULL meaning */

#endif
