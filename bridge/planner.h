/*
 * Planning: facts out of the store, through the one door of reconcile, back into the store as
 * links, doubts and plans. Wiring only: what is to be done is decided below.
 *
 * A plan is bytes with a digest once it is saved; no thread waits for the person who approves
 * it. One planning at a time for an organisation (the caller sees to it).
 */
#ifndef BRIDGE_PLANNER_H
#define BRIDGE_PLANNER_H

#include "base/jx.h"
#include "bridge/app.h"
#include "model/plan.h"
#include "reconcile/reconcile.h"
#include "store/plans.h"

/* Whether a source says anything about the organisation's people: one of its own that did not
 * come with a configuration that waits (bridge/loaded.h). */
bool planner_hears(const struct app *app, const struct config_org *org, const char *name);

/* Facts of the newest accepted reads; of one person or account only where it is not 0. */
int planner_facts(struct app *app, const struct config_org *org, uint64_t person,
		  uint64_t account, struct facts **ret, struct err *err) MUST_USE;

/* The same for another policy than the one in force. */
int planner_facts_for(struct app *app, const struct config_org *org,
		      const struct policy *policy, uint64_t person, uint64_t account,
		      struct facts **ret, struct err *err) MUST_USE;

/*
 * One round: matches until nothing new is linked, then plans. who: "uid:NAME" or "round".
 * *urgent and *routine receive the numbers of the plans that now stand, 0 for none. out: org,
 * counts, plans[] (plan, urgency, actions, held), links, doubts, findings[].
 */
int planner_round(struct app *app, const struct config_org *org, const char *who, json_t *out,
		  struct err *err) MUST_USE;

/* `leaverd block`: the urgent plan for one person or account; *ret_plan its number. */
int planner_block(struct app *app, const struct config_org *org,
		  const struct block_request *request, const char *who, uint64_t *ret_plan,
		  struct err *err) MUST_USE;

struct db;

/* What is written with a plan, in its transaction, on the writer's thread: both are there, or
 * neither. Not called where an open plan has the same bytes. */
struct planner_beside {
	int (*write)(void *ctx, struct db *db, const struct plan *plan, struct err *err);
	void *ctx;
};

/* `leaverd undo`: the restoring plan; *ret_plan its number, 0 where nothing comes back. *result
 * (new) tells what does not. */
int planner_undo(struct app *app, const struct config_org *org,
		 const struct undo_request *request, const struct planner_beside *beside,
		 const char *who, uint64_t *ret_plan, struct reconcile_result **result,
		 struct err *err) MUST_USE;

struct bulk_request; /* reconcile/bulk.h */

/* `leaverd bulk`: the plan of what was asked for; *ret_plan its number, 0 where there is none.
 * *unchanged: an open plan says the same, and stands. *result (new) has the texts of the
 * request's answers. */
int planner_bulk(struct app *app, const struct config_org *org,
		 const struct bulk_request *request, const char *who, uint64_t *ret_plan,
		 bool *unchanged, struct reconcile_result **result, struct err *err) MUST_USE;

/* Saves a plan that is not a round's; *unchanged: an open plan says the same, and stands. */
int planner_save(struct app *app, const struct plan *plan, const struct vec_values *values,
		 const char *who, enum plan_apart apart, uint64_t *ret, bool *unchanged,
		 struct err *err) MUST_USE;

/*
 * A stored plan for people: report_plan_json()'s members (digest, complete, held, guards,
 * actions with the values joined) with plan, urgency, state and decisions added. *ret is new.
 * Fault: NOT_FOUND, DAMAGED.
 */
int planner_show(struct app *app, uint64_t plan, json_t **ret, struct err *err) MUST_USE;
/* What stored bytes say, borrowed from what is kept of plans (plans_kept.h): not changed, and
 * given back by planner_read_done(). */
struct planner_read {
	struct plan *plan;
	struct digest digest;
};
int planner_read(struct app *app, uint64_t plan, struct planner_read *ret, struct err *err)
	MUST_USE;
void planner_read_done(struct app *app, struct planner_read *read);

/* planner_show(), for who needs the plan itself, too. */
int planner_show_read(struct app *app, uint64_t plan, json_t **ret, struct planner_read *read,
		      struct err *err) MUST_USE;

/* Adds to such a plan what its actions come to: "rules" (rule, held, and a number by kind), and
 * "free", how many nothing holds. Before actions are left out of it. */
int planner_rules(json_t *plan, struct err *err) MUST_USE;

/* The stored bytes, parsed, with their digest as computed now. */
int planner_load(struct app *app, uint64_t plan, struct plan **ret, struct digest *digest,
		 struct err *err) MUST_USE;

#endif
