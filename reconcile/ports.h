/*
 * Ports of the applier: what it needs from the world. bridge/ fills them from the store and
 * from atlassian/; tests fill them from memory and count the calls.
 *
 * Every function may fault. A fault of the journal, of next() or of finish() ends the run at
 * once, before anything else is done (-ERR_LEASE: the epoch was lost). All are called from the
 * applier's thread. Borrowed arguments live for the call only.
 */
#ifndef RECONCILE_PORTS_H
#define RECONCILE_PORTS_H

#include "model/plan.h"
#include "reconcile/reconcile.h"

/* --- target: the organisation ---------------------------------------------------------------
 */

enum target_answer {
	TARGET_GONE = 1,       /* read, verify: no such account any more */
	TARGET_IMPOSSIBLE = 2, /* act: may not be done to this account (why stands in err). Law
				  4: never something stronger instead */
};

VEC(vec_text, char *); /* owned texts */
void vec_text_free(struct vec_text *v);

/* An account as Atlassian shows it now, as far as the action's kind touches it. */
struct target_state {
	enum account_status status; /* ACCOUNT_UNKNOWN: not told */
	bool paths;                 /* groups and roles below were read (seat actions) */
	struct vec_text groups;     /* ids of its groups that give product on site */
	struct vec_text roles;      /* its direct roles on product on site */
	enum tri seat; /* the product says that it holds a seat; UNKNOWN: it does not say */
	enum provision_state provision; /* of its record, held against the action's values */
	struct vec_text others; /* paths that are neither (inferred by an admin role, ...), as
				   sentences */
};
void target_state_done(struct target_state *s);

enum verify { VERIFY_UNKNOWN, VERIFY_DONE, VERIFY_NOT_DONE };

struct reconcile_target {
	void *ctx;
	/*
	 * Reads the account (for seat actions its paths too) from Atlassian, never from a
	 * cache. *ret is zeroed by the caller, who calls target_state_done(). Answer:
	 * TARGET_GONE.
	 */
	int (*read)(void *ctx, const struct action *action, struct target_state *ret,
		    struct err *err);
	/*
	 * Makes the one remote change of a step. key is stable over repetitions: mail and
	 * webhooks carry it, and an outbox takes the same key once. REVOKE_TOKEN revokes one
	 * token after the other until none is left. Doing what is already so is 0. A fault does
	 * not mean that nothing happened. Answer: TARGET_IMPOSSIBLE.
	 */
	int (*act)(void *ctx, const struct action *action, const struct action_step *step,
		   const char *key, struct err *err);
	/* Whether the effect of a step is there now. Not called for steps whose row is not
	 * verifiable. Answer: TARGET_GONE (then the step counts as done). */
	int (*verify)(void *ctx, const struct action *action, const struct action_step *step,
		      enum verify *ret, struct err *err);
};

/* --- journal --------------------------------------------------------------------------------
 */

enum step_mark {
	STEP_MARK_NONE,
	STEP_MARK_INTENT,  /* about to act; whether it happened is not known */
	STEP_MARK_DONE,    /* the step's effect is there, or was acknowledged */
	STEP_MARK_REFUSED, /* the other side refused: it did not happen */
};

enum apply_outcome {
	OUTCOME_NONE,    /* not ended */
	OUTCOME_DONE,    /* read back: as wanted */
	OUTCOME_FREED,   /* free-seat: the product says that no path is left */
	OUTCOME_ALREADY, /* was as wanted before we did anything */
	OUTCOME_SKIPPED, /* not begun: the text says why */
	OUTCOME_FAILED, /* begun or refused, and not as wanted: the text says where it stands */
	OUTCOME_STILL_HELD,   /* free-seat: a path is left, named in the text */
	OUTCOME_UNVERIFIABLE, /* may or may not have happened, and may not be repeated: a person
				 must look */
	OUTCOME_COUNT
};
const char *apply_outcome_word(enum apply_outcome outcome);

#define APPLY_MAX_STEPS 256 /* steps of one action; more is refused at planning */

/* What the journal knows of an action. */
struct journal_state {
	bool begun;
	enum apply_outcome ended; /* OUTCOME_NONE while it is not */
	int64_t ended_ms;         /* when the last step's outcome was written; 0 if none */
	struct {
		enum step_mark mark;
		int64_t at_ms;     /* of the newest line */
		unsigned attempts; /* intents written */
	} steps[APPLY_MAX_STEPS];
};

/* Each call is durable when it returns 0, and fails with -ERR_LEASE if our epoch is over. */
struct reconcile_journal {
	void *ctx;
	/* *ret is zeroed by the caller. */
	int (*state)(void *ctx, uint64_t plan, const struct action *action,
		     struct journal_state *ret, struct err *err);
	int (*begin)(void *ctx, uint64_t plan, const struct action *action, int64_t at_ms,
		     struct err *err);
	int (*intent)(void *ctx, uint64_t plan, const struct action *action, size_t step,
		      int64_t at_ms, struct err *err);
	int (*outcome)(void *ctx, uint64_t plan, const struct action *action, size_t step,
		       enum step_mark mark, const char *text, int64_t at_ms, struct err *err);
	/* Also for actions that were never begun (skipped, already). */
	int (*end)(void *ctx, uint64_t plan, const struct action *action,
		   enum apply_outcome outcome, const char *text, int64_t at_ms,
		   struct err *err);
};

/* --- what to do next ------------------------------------------------------------------------
 */

/* An approval, as the rows say; the applier holds it against the plan. */
struct apply_approval {
	struct digest digest;        /* of the bytes that were approved */
	unsigned persons;            /* distinct persons whose approval names this action */
	bool policy;                 /* an automatic approval by policy names this action */
	int64_t approved_ms;         /* when the last approval that was needed was given */
	const char *const *released; /* guards that were released, with enough persons */
	size_t released_count;
};

struct apply_item {
	uint64_t plan_id;
	const struct plan *plan; /* plan_parse() of the stored bytes */
	struct digest digest;    /* of those stored bytes, computed now */
	const struct action *action;
	struct apply_approval approval;
	bool with_approved; /* every action that action->with names is approved as this one is
			       (true where it names none) */
	enum org_mode mode; /* of the organisation, read now */
	struct str zone;    /* the instance's, for change hours; empty is UTC */
};

enum apply_answer {
	APPLY_IDLE = 1,    /* next: nothing to do now */
	APPLY_STOPPED = 2, /* run: stopped between two actions */
};

struct reconcile_work {
	void *ctx;
	/*
	 * The next action by urgency, then order: begun and unended ones of an urgency first
	 * (after a crash), then unstarted; none before its again_ms or its due time, none that
	 * an urgent plan superseded. The item's pointers live until finish(). Answer:
	 * APPLY_IDLE.
	 */
	int (*next)(void *ctx, struct apply_item *ret, struct err *err);
	/* The applier is through with the item: ended with an outcome, or to be offered again
	 * at again_ms (outcome NONE: outcomes wait out Atlassian's lag, a step is tried again,
	 * change hours). */
	int (*finish)(void *ctx, const struct apply_item *item, enum apply_outcome outcome,
		      const char *text, int64_t again_ms, struct err *err);
	/* Judges the action on the newest accepted facts (reconcile_judge). */
	int (*judge)(void *ctx, const struct apply_item *item, struct judgement *ret,
		     struct err *err);
	int64_t (*now_ms)(void *ctx);
	/* Pause, lost lease, end of the process: asked between two actions. */
	bool (*stop)(void *ctx);
};

struct reconcile_ports {
	struct reconcile_target target;
	struct reconcile_journal journal;
	struct reconcile_work work;
};

#endif
