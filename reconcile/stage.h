/*
 * Ladders: which step of a rule comes when. Steps count from the anchor; a wait between two
 * steps counts from when the step before was actually done, so that nobody loses the time that
 * a warning or a suspension was meant to give.
 */
#ifndef RECONCILE_STAGE_H
#define RECONCILE_STAGE_H

#include "reconcile/view.h"

enum stage_state {
	STAGE_UNKNOWN,  /* whether it is done cannot be told */
	STAGE_DONE,     /* it is so already, since .at_ms */
	STAGE_DUE,      /* at .at_ms, which may be ahead */
	STAGE_WAITS,    /* for the step before it */
	STAGE_OFF,      /* there is nothing that it could be done on: no site, no such group */
	STAGE_NOT_OURS, /* to give back: it was not us who took it */
};

struct stage {
	enum stage_state state;
	int64_t at_ms;
};

/* The first row of what was done to the account. */
size_t stage_progress(const struct facts *f, uint32_t account);

/* When the rule's ladder begins for the subject: anchor and offset, not yet settled. A rule of
 * class restore gives a person nothing back before their first day. */
struct moment stage_anchor(const struct world *w, const struct rule *rule,
			   const struct subject *s);

/* The group that a step names, in the account's directory: a row; FACTS_NONE: none, or two. */
uint32_t stage_group(const struct facts *f, const struct rule_step *step, uint32_t account);

/*
 * A rule of ours suspended the account, it was the newest to do so, and nothing shows that
 * somebody else has a hand in it. Told of what is deactivated too: that its suspension comes to
 * light again once it is on.
 */
bool stage_suspended_by_us(const struct world *w, uint32_t account);

/* One stage per step of the rule. account is a row; seat rows only for seat rules. */
void stage_ladder(const struct world *w, const struct rule *rule, const struct subject *s,
		  int64_t anchor_ms, struct stage ret[POLICY_MAX_STEPS]);

/* Whether such a step keeps change hours: what takes something away from who does not leave. */
bool stage_keeps_hours(enum action_kind kind, enum plan_class class);
/*
 * When a step that is due then may start. A step that keeps change hours is due when they are
 * over, so that what is approved while they last has not run out of time when it may start.
 */
int64_t stage_opens(const struct world *w, enum action_kind kind, enum plan_class class,
		    int64_t due_ms);

#endif
