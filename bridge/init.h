/*
 * `leaverd init`: a new instance. Asks eight questions (or takes the answers from options or a
 * file), writes a commented configuration, a state folder, a master key, an empty store and
 * vault. Never overwrites: a file that exists is a fault, and what was made before it goes
 * again.
 */
#ifndef BRIDGE_INIT_H
#define BRIDGE_INIT_H

#include "bridge/cli.h"

/* request: the members of the init command's options, "dir", "answers". Tells on cli->out what
 * to do next. */
int init_run(struct cli *cli, const json_t *request, struct err *err) MUST_USE;

#endif
