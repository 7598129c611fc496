/*
 * What is allowed in a policy and still worth a second look: rules that are never reached,
 * words that an attribute never has, waits that do not fit together, seats taken without a
 * warning, limits above the shipped ones, and whatever lets more happen without a person. Pure.
 */
#ifndef RECONCILE_POLICY_LINT_H
#define RECONCILE_POLICY_LINT_H

#include "reconcile/policy.h"

/* mark: of the rule or section, with its file, line and column; name: the rule's, or the
 * section's; key: which of its keys; text: one sentence. Below zero ends. */
typedef int (*policy_lint_fn)(void *ctx, const struct conf_mark *mark, const char *name,
			      const char *key, const char *text, struct err *err);

/* conf is what `p` was bound from. In the order of the file. Fault: NOMEM, and fn's. */
int policy_lint(const struct policy_conf *conf, const struct policy *p, policy_lint_fn fn,
		void *ctx, struct err *err) MUST_USE;

/*
 * Names of rules that people spoke of (bars, protections, approved match rules) and that the
 * policy does not know any more: what they forbade, or allowed, is forbidden and allowed no
 * longer. Calls fn with mark NULL, once for each name.
 */
int policy_lint_names(const struct facts *f, const struct policy *p, policy_lint_fn fn,
		      void *ctx, struct err *err) MUST_USE;

#endif
