/*
 * Reports of a plan: the JSON of `plan --json`, and rows for tables on a terminal. What
 * identifies people comes from the values rows, which may have been erased.
 */
#ifndef RECONCILE_REPORT_H
#define RECONCILE_REPORT_H

#include "base/buf.h"
#include "model/plan.h"

/* Who an action is about, out of its values row; empty texts where it was erased. */
struct report_who {
	uint32_t n;
	struct str account_id, email, name;
};

struct report_input {
	const struct plan *plan;
	struct str id;                /* the plan's name or number for people */
	struct digest digest;         /* of its stored bytes */
	const struct report_who *who; /* sorted by n */
	size_t who_count;
};

/* {"actions":[…],"complete":…,"counts":{…},"digest":…,"guards":[…],"held":…,"plan":…,…} */
int report_plan_json(const struct report_input *in, struct buf *into, struct err *err) MUST_USE;

/* Counts first: a row for each rule. */
struct report_rule {
	const char *rule;
	enum plan_class class;
	uint64_t kinds[ACTION_KIND_COUNT]; /* that pass */
	uint64_t held;
	uint64_t subjects; /* distinct accounts */
};
VEC(vec_report_rule, struct report_rule);
int report_rules(const struct plan *plan, struct vec_report_rule *ret, struct err *err)
	MUST_USE;

/* The same plan as text: counts by rule, guards that hold, then one line an action (all, or the
 * first `most` of each rule; 0 is all). */
int report_plan_text(const struct report_input *in, size_t most, struct buf *into,
		     struct err *err) MUST_USE;

/* One sentence an action: "free-seat jira at acme of account 17: ...". */
void report_action_line(const struct action *a, struct buf *into);

#endif
