/*
 * The daemon: the SCIM server, the control socket, a thread for each directory, one that
 * collects and plans and one that applies for each organisation, and main, which waits for
 * signals.
 */
#ifndef BRIDGE_SERVE_H
#define BRIDGE_SERVE_H

#include "base/err.h"

/*
 * Runs until SIGTERM or SIGINT; SIGHUP reads certificates, key sets, the
 * log's level and the schedule again. Blocks signals, opens the
 * house, serves, and takes it down in order: no new requests, what was accepted is finished,
 * the writer drained. Call from main before any other thread. Tells systemd (NOTIFY_SOCKET)
 * when ready.
 */
int serve_main(const char *config_file, struct err *err) MUST_USE;

#endif
