/*
 * What differs between two configurations, and what of it lets more happen.
 *
 * Both are texts as config_show() prints them (defaults included), so that each setting has a
 * path: policy.limits.leavers_day.count. Whatever changed about whose word counts, rules,
 * matching, protections, limits, change hours, provisioning, and how sources are judged (and
 * in which order) lets more happen, unless a row of the table in widen.c knows that it lets
 * less. So a setting of the policy that is new in a later version asks rather than slips
 * through; one of a source has a row.
 *
 * Pure; any thread.
 */
#ifndef BRIDGE_WIDEN_H
#define BRIDGE_WIDEN_H

#include "base/jx.h"

/*
 * Adds to diff (an array) "PATH: WAS -> IS" for each setting that differs, to wider a sentence
 * for each that lets more happen. shipped: the shipped rules as text, so that a rule that goes
 * is told from one that becomes as shipped again.
 */
int widen_compare(struct str was, struct str is, struct str shipped, json_t *diff,
		  json_t *wider, struct err *err) MUST_USE;

#endif
