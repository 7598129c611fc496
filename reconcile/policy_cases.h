/*
 * Cases kept beside a policy: people as sources tell them, what Atlassian holds of them, an
 * hour, and what must, and must not, come of it. Pure: the file is read by base/conf, the
 * answer is given expectation by expectation. The format: leaverd-policy(5), CASES.
 */
#ifndef RECONCILE_POLICY_CASES_H
#define RECONCILE_POLICY_CASES_H

#include "reconcile/policy.h"

#define POLICY_CASES_MOST 1000
#define POLICY_CASE_PEOPLE_MOST 200

struct policy_person_conf {
	struct conf_mark mark;
	char *name;
	struct conf_pairs hr, directory, idp; /* none: no record there */
	struct conf_pairs account;            /* what differs from a plain account */
	struct conf_list seats; /* "jira", "jira last 2025-08-01 added 2025-01-01" */
	struct conf_list did;   /* "warn jira by inactive-jira at 2026-02-10" */
};

struct policy_case_conf {
	struct conf_mark mark;
	char *name, *at, *zone;
	struct conf_pairs doubts; /* source: incomplete, implausible, ... */
	struct conf_items people; /* struct policy_person_conf */
	struct conf_list must, held, must_not;
};

struct policy_cases {
	struct conf_mark mark;
	struct conf_items cases; /* struct policy_case_conf */
};

/* For conf_read() of a whole file into a struct policy_cases. */
extern const struct conf_key policy_cases_keys[];

/* One expectation and what came of it. Borrowed for the call. */
struct policy_told {
	const struct conf_mark *mark; /* of the case */
	const char *name;             /* of the case */
	const char *expected;         /* "must suspend ada by leaver-hr" */
	bool ok;
	const char *why; /* a sentence; NULL where it is as expected */
};

/* Below zero ends. */
typedef int (*policy_told_fn)(void *ctx, const struct policy_told *told, struct err *err);

/*
 * Judges all cases in their order. What a case says that cannot be understood is gathered into
 * *faults and its case is left out: -ERR_CONFIG after all others were told. Else 0, NOMEM, and
 * fn's faults.
 */
int policy_cases_run(const struct policy_cases *cases, const struct policy *p,
		     struct conf_faults *faults, policy_told_fn fn, void *ctx, struct err *err)
	MUST_USE;

#endif
