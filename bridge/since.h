/*
 * What changed in a plan since the one that somebody saw last: a new plan supersedes the one
 * before it, and whoever read that should not have to read all of it again.
 *
 * The last plan of an organisation and urgency that each caller was shown whole is kept as a
 * setting, with the one before it: showing the same plan twice says the same twice. Who saw
 * none is told what changed since the plan that this one superseded.
 */
#ifndef BRIDGE_SINCE_H
#define BRIDGE_SINCE_H

#include "base/jx.h"
#include "bridge/app.h"
#include "bridge/verb.h"

#define SINCE_ROWS_EACH 100 /* told one by one, of each of the three; all are counted */

/*
 * Adds "since" to doc, which planner_show_read() made of that plan (not changed): plan, seen
 * (the caller saw that one; else it is the one superseded), created, new, gone, changed
 * (counts), rows: [{change, n, kind, rule, email, person, account, product, site, class, due,
 * anchor, how}]. Nothing is added where there is none to compare with, or for what a person
 * ordered. whole: the caller is shown all of it, which is remembered.
 */
int since_add(struct app *app, const struct who *who, uint64_t number, struct plan *plan,
	      bool whole, json_t *doc, struct err *err) MUST_USE;

#endif
