/*
 * The hands: reconcile's target port over atlassian/. Reads an account as Atlassian shows it
 * now, makes the one remote change of a step, and says whether its effect is there. What was
 * read is written into the store too (accounts_seen()), so that plans made later start from it.
 *
 * Used by one applier's thread.
 */
#ifndef BRIDGE_HANDS_H
#define BRIDGE_HANDS_H

#include "bridge/app.h"
#include "reconcile/ports.h"

struct hands;

int hands_new(struct hands **ret, struct app *app, const struct config_org *org,
	      struct err *err) MUST_USE;
void hands_free(struct hands *h);
OWNED(struct hands, hands_free)

/* Before each action: the account that it is about, out of the plan's value row, and the mode
 * (observe: atlassian/act refuses every write). Fault: DAMAGED where the values were erased. */
int hands_aim(struct hands *h, uint64_t plan, const struct action *action, enum org_mode mode,
	      struct err *err) MUST_USE;

/* The action that is aimed at freed a seat, and its end is about to be written: its person is
 * told, where they may ask for it again (bridge/notices.h). What goes wrong is logged. */
void hands_freed(struct hands *h, const struct action *action);

/* The port; lives as long as h. */
struct reconcile_target hands_target(struct hands *h);

#endif
