/*
 * Verbs: what a command does, apart from how it was asked.
 *
 * `leaverd plan` in a shell makes a request (a JSON object), one verb answers it (a JSON
 * object), and the command prints the answer as a table or, with --json, as it is. While
 * `serve` runs the request crosses the control socket and the verb runs in the daemon; with no
 * daemon the command takes the lease and runs the same verb itself. So each verb is written
 * once and cannot tell.
 *
 * Verbs run on the control workers (a few threads) or on the command's main thread; they may
 * wait for directories and for Atlassian, never hold a lock meanwhile, and look at
 * verb_cancelled().
 */
#ifndef BRIDGE_VERB_H
#define BRIDGE_VERB_H

#include <stdatomic.h>
#include <sys/types.h>

#include "base/jx.h"

struct app;

/* Who asks: recorded in the audit chain as "uid:NAME". Unattributed to a person until signed.
 */
struct who {
	uid_t uid;
	pid_t pid;
	char name[80]; /* "uid:alice", "uid:1001" where there is no such name, "daemon" for
			  schedules */
};

struct verb {
	const char *name;
	unsigned needs; /* VERB_x */
	/* in: the request, an object. out: an empty object to fill. Fault: the command's exit
	 * status comes from its class (bridge/cli.h); what was put into out before is still
	 * printed. */
	int (*run)(struct app *app, const struct who *who, const json_t *in, json_t *out,
		   struct err *err);
};

enum {
	VERB_STORE = 1, /* the store open, the vault unlocked, the lease held */
	VERB_HTTP = 2,  /* the HTTP client running */
	VERB_LONG = 4, /* may take minutes: runs on the long worker, so that short ones go on */
	VERB_READ =
		8, /* waits for a directory as long as that one likes: on a few of their own */
};

/* Tables, each ended by a NULL name; bridge/verb.c joins them. */
extern const struct verb
	verbs_admin[]; /* init's store part, secret, token, audit, backup, config, doctor */
extern const struct verb
	verbs_data[]; /* users, groups, accounts, seats, orphans, adopt, match, source */
extern const struct verb verbs_round[];    /* sync, collect, plan */
extern const struct verb verbs_plan[];     /* show, apply, pause, resume, block, arm, why */
extern const struct verb verbs_decide[];   /* approve, reject, release */
extern const struct verb verbs_announce[]; /* expect, .approve, .withdraw, .list; config.x */
extern const struct verb verbs_protect[];  /* protect.add, .list, .remove; bars.x */
extern const struct verb verbs_approver[]; /* approver.enrol, .list, .retire */
extern const struct verb verbs_undo[];     /* undo */
extern const struct verb verbs_scim[];     /* scim.check */
extern const struct verb verbs_overdue[];  /* overdue */
extern const struct verb verbs_hr[];       /* source.gone */
extern const struct verb verbs_handover[]; /* handover */
extern const struct verb verbs_policy[];   /* policy.diff */
extern const struct verb verbs_events[];   /* events, events.explain */
extern const struct verb verbs_export[];   /* export */
extern const struct verb verbs_compare[];  /* compare */
extern const struct verb verbs_bulk[];     /* bulk */
extern const struct verb verbs_report[];   /* report */
extern const struct verb verbs_evidence[]; /* evidence.make, .read, .drop, .key */
extern const struct verb verbs_ledger[];   /* ledger */
extern const struct verb verbs_review[];   /* review.start, .list, .answer, .close */
extern const struct verb verbs_privacy[];  /* privacy */
extern const struct verb verbs_notices[];  /* notices, notices.test */
extern const struct verb verbs_requests[]; /* requests, requests.grant, .refuse */

/* NULL if there is none of that name. */
const struct verb *verb_find(const char *name);

/* True when the client went away or the daemon stops: the verb should end with -ERR_CANCELLED.
 */
bool verb_cancelled(const struct app *app);
/* Says so to every verb of this process, for good: the daemon stops, or the command was
 * interrupted. Safe in a signal handler. */
void verb_cancel(void);
/* The flag behind the two, for rooms that look at one themselves. Lives for ever. */
const atomic_bool *verb_cancel_flag(void);

#endif
