/*
 * Groups that rules about leavers took from an account: who is hired again gets them back (step
 * former-groups of a rule of class restore), once, as one action. What is left out is told:
 * groups that are gone, that the identity provider or Atlassian keeps, and those that give
 * administrators their right, which only people give.
 *
 * Pure, as the rest of reconcile/.
 */
#ifndef RECONCILE_FORMER_H
#define RECONCILE_FORMER_H

#include "reconcile/desire.h"

/* Anything was taken from the account that the rule has not given back since. */
bool former_any(const struct world *w, const struct rule *rule, uint32_t account);
/* DUE while there is a group to give; DONE where there is none, or none any more. */
struct stage former_stage(const struct world *w, const struct rule *rule, uint32_t account,
			  int64_t anchor_ms);
/* Steps, groups and fields of the candidate, which has rule and account. */
int former_fill(struct round *r, struct candidate *c, struct err *err) MUST_USE;
/* Adds "group NAME (why)" for each that is left out, with ", " before where there is text. */
void former_left(const struct world *w, const struct rule *rule, uint32_t account,
		 struct buf *into, const char *begin);

#endif
