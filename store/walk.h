/*
 * Walks: pages by key over what is exported and proved, so that a million rows are read in many
 * short transactions. Each call is one page of one; rows come in the order of their keys.
 */
#ifndef STORE_WALK_H
#define STORE_WALK_H

#include "store/accounts.h"
#include "store/plans.h"

/* Actions of one plan after n, with the values that stand beside (empty once forgotten). */
typedef int (*walk_action_fn)(void *ctx, const struct action_row *row, struct str values,
			      struct str salt, struct err *err);
int walk_actions(struct db *db, int64_t plan, int64_t after_n, size_t most, walk_action_fn fn,
		 void *ctx, struct err *err) MUST_USE;

/* Lines of a plan's journal after seq; run 0: of all its runs. Below zero from fn ends. */
typedef int (*walk_line_fn)(void *ctx, const struct journal_line *line, struct err *err);
int walk_journal(struct db *db, int64_t plan, int64_t run, int64_t after_seq, size_t most,
		 walk_line_fn fn, void *ctx, struct err *err) MUST_USE;

/* Plans that were decided about, or acted on, or made in [from, until), by number. */
typedef int (*walk_plan_fn)(void *ctx, int64_t plan, struct err *err);
int walk_plans(struct db *db, int64_t from_ms, int64_t until_ms, int64_t after, size_t most,
	       walk_plan_fn fn, void *ctx, struct err *err) MUST_USE;
int walk_runs(struct db *db, int64_t plan, int64_t after, size_t most, run_fn fn, void *ctx,
	      struct err *err) MUST_USE;

/* First and last number of audit entries in [from, until); both 0: there are none. */
int walk_audit_range(struct db *db, int64_t from_ms, int64_t until_ms, int64_t *first,
		     int64_t *last, struct err *err) MUST_USE;

/* Of one record: who it is (0: nobody yet). Of one group: how many are directly in it. */
int walk_record_person(struct db *db, int64_t record, int64_t *ret, struct err *err) MUST_USE;
int walk_group_members(struct db *db, int64_t group, int64_t *ret, struct err *err) MUST_USE;

/* Groups of an organisation as last collected, after a number; how many are in each, and what
 * it gives: words PRODUCT@SITE. Counting takes as long as there are members: pages are to be
 * short.
 */
typedef int (*walk_group_fn)(void *ctx, const struct org_group_row *row, int64_t members,
			     struct str products, struct err *err);
int walk_org_groups(struct db *db, int64_t org, int64_t after, size_t most, walk_group_fn fn,
		    void *ctx, struct err *err) MUST_USE;

/* Begun actions (state of the action now), by when they began: for activity over time and for
 * the time that deprovisioning took. */
struct walk_effect {
	int64_t id, plan, n, person, account, ms, due_ms;
	struct str org, class_, kind, rule, product, site;
	enum action_state state;
	int64_t state_ms;
};
typedef int (*walk_effect_fn)(void *ctx, const struct walk_effect *row, struct err *err);
int walk_effects(struct db *db, int64_t from_ms, int64_t until_ms, int64_t after, size_t most,
		 walk_effect_fn fn, void *ctx, struct err *err) MUST_USE;

#endif
