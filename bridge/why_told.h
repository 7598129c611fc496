/*
 * What the store knows beside the facts of a round and tells in somebody's story (`leaverd
 * why`): steps that wait in plans and for what, doubts that nobody has decided, and records
 * that go by what was asked for and are nobody's yet.
 */
#ifndef BRIDGE_WHY_TOLD_H
#define BRIDGE_WHY_TOLD_H

#include "bridge/app.h"
#include "reconcile/why.h"

#define WHY_TOLD_MOST 64

struct why_told_read {
	struct why_told rows[WHY_TOLD_MOST]; /* texts in the arena */
	size_t n;
	struct plan_arena arena;
};
void why_told_done(struct why_told_read *t);

struct why_told_want {
	const struct config_org *org;
	struct str text;          /* as it was asked for; "": not by a text */
	uint64_t person, account; /* either may be 0 */
	bool may_see;             /* ends that lie ahead */
};

/* *ret is the caller's to why_told_done(), also after a fault; zeroed before. */
int why_told_read(struct app *app, const struct why_told_want *want, struct why_told_read *ret,
		  struct err *err) MUST_USE;

#endif
