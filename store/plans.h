/*
 * Plans, approvals, runs and the journal.
 *
 * A plan is bytes that never change, with their digest. Beside them stand: one index row an
 * action (for questions such as "whose plans are open"), one erasable value row an action
 * (salt and JSON with the names and addresses), the decisions of people, and the state.
 *
 * The journal: `begin` of an action, `intent` before each remote change, `outcome` after it,
 * `end` of the action; each line with the epoch of who wrote it, refused (LEASE) when the
 * database is in another one. An intent without an outcome is *open*: whoever comes after a
 * crash verifies it against Atlassian before anything else (law 3).
 */
#ifndef STORE_PLANS_H
#define STORE_PLANS_H

#include "base/digest.h"
#include "store/db.h"

enum plan_standing {
	PLAN_OPEN,     /* waits for a decision */
	PLAN_APPROVED, /* some actions may start */
	PLAN_RUNNING,
	PLAN_DONE, /* no action is left to start */
	PLAN_REJECTED,
	PLAN_EXPIRED,
	PLAN_SUPERSEDED,
};
extern const char *const plan_standing_words[];

enum action_state {
	ACTION_PLANNED,
	ACTION_STARTED, /* begin is in the journal */
	ACTION_DONE,
	ACTION_ALREADY, /* the wanted state was there before us */
	ACTION_SKIPPED, /* judged or read again, and no longer right */
	ACTION_HELD,    /* could not be verified, or still held by another path */
	ACTION_FAILED,
	ACTION_SUPERSEDED, /* an urgent plan took it */
};
extern const char *const action_state_words[];

struct action_row {
	int64_t n; /* as in the bytes, from 1 */
	struct str kind, rule, class_, product, site;
	int64_t person, account; /* 0: none */
	int64_t due_ms;
	bool held; /* verdict held */
	bool automatic;
	enum action_state state; /* out */
	int64_t state_ms;        /* out */
	struct str result;       /* out: a sentence */
};

/* Whose making a plan is, and what supersedes what: a round's plan the one of the round before,
 * a wave an earlier wave, what a person ordered nothing. */
enum plan_apart { PLAN_OF_ROUND, PLAN_OF_ORDER, PLAN_OF_WAVE };

struct plan_new {
	enum plan_apart apart;
	const char *org;
	const char *urgency; /* "urgent", "routine" */
	struct str bytes;    /* the plan; its digest is made here */
	const char *who;     /* "round", or who asked */
	bool complete, held;
	int64_t expires_ms; /* not approved until then: expired */
	const struct action_row *actions;
	size_t action_count;
	/* One erasable row an action, in the same order: JSON; salts are the caller's, since
	 * the digests in the bytes were made with them. */
	const struct plan_value {
		struct str salt;
		struct str json;
	} * values;
	int64_t now_ms;
};

struct plan_row {
	int64_t id;
	struct str org, urgency, who;
	struct digest digest;
	enum plan_standing state;
	bool complete, held;
	int64_t created_ms, expires_ms, state_ms;
	int64_t actions, superseded_by;
	int64_t decision; /* newest one about it, 0: none yet */
	enum plan_apart apart;
	struct str bytes; /* only where asked for by plans_get() */
};
typedef int (*plan_fn)(void *ctx, const struct plan_row *row, struct err *err);
typedef int (*plan_action_fn)(void *ctx, const struct action_row *row, struct err *err);

/* Audited. STORE_UNCHANGED with *ret when an open plan of that organisation and urgency has the
 * same bytes. An older open plan of the same organisation, urgency and making (enum
 * plan_apart) becomes superseded; an order supersedes none, and none supersedes it. */
int plans_save(struct db *db, const struct plan_new *in, int64_t *ret, struct err *err)
	MUST_USE;
int plans_get(struct db *db, int64_t plan, plan_fn fn, void *ctx, struct err *err)
	MUST_USE; /* STORE_NOT_FOUND; checks that the bytes still have the digest: DAMAGED */
/* Newest first; org NULL: all; states: bits 1 << PLAN_x, 0: all. before 0: from the newest. */
int plans_list(struct db *db, const char *org, unsigned states, int64_t before, size_t most,
	       plan_fn fn, void *ctx, struct err *err) MUST_USE;
int plans_actions(struct db *db, int64_t plan, plan_action_fn fn, void *ctx, struct err *err)
	MUST_USE;
/* Actions of one person or account in plans of those states, newest plan first. */
typedef int (*plan_subject_fn)(void *ctx, int64_t plan, const struct action_row *row,
			       struct err *err);
int plans_of_person(struct db *db, int64_t person, size_t most, plan_subject_fn fn, void *ctx,
		    struct err *err) MUST_USE;
int plans_of_account(struct db *db, int64_t account, size_t most, plan_subject_fn fn, void *ctx,
		     struct err *err) MUST_USE;
/* Planned and started actions of plans that are open, approved or running: of the plan only id,
 * urgency and state are told. */
typedef int (*plan_open_fn)(void *ctx, const struct plan_row *plan,
			    const struct action_row *action, struct err *err);
int plans_unfinished(struct db *db, const char *org, plan_open_fn fn, void *ctx,
		     struct err *err) MUST_USE;
/* The same, about one person: the actions that name the person or an account of theirs. */
int plans_unfinished_of(struct db *db, const char *org, int64_t person, plan_open_fn fn,
			void *ctx, struct err *err) MUST_USE;
/* The erasable values of an action; empty json after forget. STORE_NOT_FOUND. */
int plans_value(struct db *db, int64_t plan, int64_t n, struct buf *json, struct buf *salt,
		struct err *err) MUST_USE;

int plans_state_set(struct db *db, int64_t plan, enum plan_standing state, const char *who,
		    int64_t now_ms, struct err *err) MUST_USE;
/* Open plans past their time become expired; *count (may be NULL). */
int plans_expire(struct db *db, int64_t now_ms, int64_t *count, struct err *err) MUST_USE;
/* Unstarted actions that can start no more (nobody approved them in time) become skipped, each
 * with its sentence; one audit entry names how many. *count (may be NULL): those that were
 * still planned. */
struct plan_lapse {
	int64_t n;
	struct str text;
};
int plans_lapse(struct db *db, int64_t plan, const struct plan_lapse *v, size_t count,
		const char *who, int64_t now_ms, int64_t *ret_count, struct err *err) MUST_USE;
/* Unstarted actions of that person in other unfinished plans of the organisation become
 * superseded. */
int plans_supersede_person(struct db *db, const char *org, int64_t person, int64_t by_plan,
			   int64_t now_ms, int64_t *count, struct err *err) MUST_USE;

/* --- decisions of people (and of policy) --- */

enum decision_kind { DECISION_APPROVE, DECISION_REJECT, DECISION_RELEASE };
extern const char *const decision_words[];
struct decision {
	int64_t id, plan;
	enum decision_kind kind;
	struct str who; /* "uid:NAME", "token:NAME", "policy" */
	bool person;    /* counts as a person's: signed, by an approver who was enrolled */
	struct digest digest; /* of the bytes that were shown */
	struct str actions;   /* "*" or numbers separated by commas */
	struct str guards;    /* names of released guards separated by blanks; "" none */
	struct str why;
	int64_t ms;
	struct str statement; /* of one that is signed: what was signed; else "" */
	struct str key;       /* the public key that signed it */
	int64_t entry;        /* in: the audit entry of its statement */
	bool stands;          /* out, of one that is signed: its approver was not retired */
	/* the only admin's word for two: counted as theirs from this time on; 0: it is not */
	int64_t alone_ms;
};
/*
 * Writes the decision and its audit entry, and moves the plan's state. Faults: CONFLICT when
 * digest is not the plan's, EXPIRED past its time, HELD for a state that takes no decisions,
 * NOT_FOUND for a number that no action has. A statement was taken before, in the same
 * transaction (store/approvers.h).
 */
int plans_decide(struct db *db, const struct decision *in, int64_t *ret, struct err *err)
	MUST_USE;
typedef int (*decision_fn)(void *ctx, const struct decision *row, struct err *err);
int plans_decisions(struct db *db, int64_t plan, decision_fn fn, void *ctx, struct err *err)
	MUST_USE;

/* --- runs and the journal --- */

struct run_row {
	int64_t id, plan, epoch;
	struct str org, who, ended_how; /* "done", "stopped", "crashed", "" while running */
	int64_t begun_ms, ended_ms;
	int64_t done, already, skipped, held, failed;
};
int plans_run_begin(struct db *db, int64_t plan, int64_t epoch, const char *who, int64_t now_ms,
		    int64_t *ret, struct err *err) MUST_USE;
int plans_run_end(struct db *db, int64_t run, int64_t epoch, const char *how, int64_t now_ms,
		  struct err *err) MUST_USE;
typedef int (*run_fn)(void *ctx, const struct run_row *row, struct err *err);
int plans_runs(struct db *db, const char *org, int64_t before, size_t most, run_fn fn,
	       void *ctx, struct err *err) MUST_USE; /* newest first */
int plans_run_get(struct db *db, int64_t run, run_fn fn, void *ctx, struct err *err) MUST_USE;

enum journal_kind { JOURNAL_BEGIN, JOURNAL_INTENT, JOURNAL_OUTCOME, JOURNAL_END };
extern const char *const journal_kind_words[];
struct journal_line {
	int64_t seq; /* out */
	int64_t plan, n, run, epoch;
	int64_t step; /* 0 for begin and end, else from 1 */
	enum journal_kind kind;
	struct str op;     /* suspend, remove-group, ... */
	struct str args;   /* JSON, with ids only */
	struct str key;    /* stable key of this step, for whoever deduplicates */
	struct str result; /* outcome: "ok", "already", "refused", "unknown";
			      end: an action_state_words[] word */
	struct str text;   /* a sentence */
	int64_t ms;
};
/*
 * Writes a line (epoch checked) and its audit entry. BEGIN: the action must be planned
 * (STORE_STALE else) and becomes started; it is counted in the windows of its class. END sets
 * the action's state from result. OUTCOME must have its INTENT (CONFLICT). *ret_seq may be
 * NULL.
 */
int plans_journal(struct db *db, const struct journal_line *line, const char *who,
		  int64_t *ret_seq, struct err *err) MUST_USE;
/* Ends an action that was never begun (state SKIPPED, HELD, ...), with its line and audit
 * entry. STORE_STALE when it is not planned any more. */
int plans_skip(struct db *db, int64_t plan, int64_t n, int64_t run, int64_t epoch,
	       enum action_state state, struct str text, const char *who, int64_t now_ms,
	       struct err *err) MUST_USE;
typedef int (*journal_fn)(void *ctx, const struct journal_line *row, struct err *err);
int plans_journal_of(struct db *db, int64_t plan, int64_t n /* 0: all */, journal_fn fn,
		     void *ctx, struct err *err) MUST_USE;
/* Intents without outcome, and begun actions without end, of an organisation, oldest first. */
int plans_open_intents(struct db *db, const char *org, journal_fn fn, void *ctx,
		       struct err *err) MUST_USE;
int plans_open_actions(struct db *db, const char *org, plan_subject_fn fn, void *ctx,
		       struct err *err) MUST_USE;
/* The next actions that may be due to start: planned ones of approved and running plans, urgent
 * plans first, then by plan and number. Whether a decision names it and what holds it was
 * released is the caller's to judge. */
int plans_next_actions(struct db *db, const char *org, int64_t now_ms, size_t most,
		       plan_subject_fn fn, void *ctx, struct err *err)
	MUST_USE; /* STORE_NOT_FOUND */

/* Distinct subjects of a class on which an action began since a time, over all plans. */
int plans_window_count(struct db *db, const char *org, const char *class_, int64_t since_ms,
		       int64_t *ret, struct err *err) MUST_USE;
struct window_row {
	struct str class_;
	int64_t person, account; /* 0: none */
	struct str product, site, rule;
	int64_t ms; /* when the action began */
};
typedef int (*window_fn)(void *ctx, const struct window_row *row, struct err *err);
int plans_window(struct db *db, const char *org, int64_t since_ms, window_fn fn, void *ctx,
		 struct err *err) MUST_USE;

#endif
