/*
 * The control socket: HTTP and JSON over a Unix socket, with one route.
 *
 *     POST /v1/VERB   {request}   ->   200 {"out": {...}}
 *                                 ->   4xx/5xx {"fault": {"word": ..., "text": ...}, "out":
 * {...}}
 *
 * The server parks each request, runs its verb on one of a few short workers or on the one long
 * worker, and answers. Who asks is what the kernel says (SO_PEERCRED). Root, the daemon's own
 * user and members of control.group may ask; the socket's owner and mode say the same.
 *
 * Bodies may hold a secret's value on its way into the vault: they are wiped on both sides.
 */
#ifndef BRIDGE_CONTROL_H
#define BRIDGE_CONTROL_H

#include "bridge/verb.h"

#define CONTROL_BODY_MAX (64 * 1024 * 1024) /* of an answer; requests: 1 MiB */

struct control;

/*
 * Server. Binds app->config.control.socket, removing a dead socket of an earlier run, and
 * starts the workers. app must outlive it. Fault: NETWORK, or LEASE if somebody answers there
 * already.
 */
int control_start(struct control **ret, struct app *app, struct err *err) MUST_USE;
/*
 * Takes no new requests, tells running verbs to end (verb_cancelled()), waits for them, answers
 * all that are parked, ends. NULL is fine.
 */
void control_stop(struct control *c);
OWNED(struct control, control_stop)

/* Client. */
enum { CONTROL_NOBODY = 1 };

/*
 * Asks the daemon behind socket. 0: *out is its answer, the caller's. CONTROL_NOBODY: nobody
 * listens there. Below zero: the verb's fault, with *out the part it had answered (may be an
 * empty object), or a fault of the way (NETWORK, PROTOCOL, FORBIDDEN).
 */
int control_ask(const char *socket, const char *verb, const json_t *in, json_t **out,
		struct err *err) MUST_USE;

/* The who of this process, for a command that works alone. */
void control_who_self(struct who *ret);
void control_who_of(uid_t uid, pid_t pid, struct who *ret);

#endif
