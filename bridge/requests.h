/*
 * Answering requests to have a seat again (store/requests.h): what `leaverd requests` does, and
 * what again.approve: rule does without a person.
 */
#ifndef BRIDGE_REQUESTS_H
#define BRIDGE_REQUESTS_H

#include "bridge/app.h"

struct request_by {
	const char *who, *why;
};

/*
 * Makes the plan that gives the seat back, as `leaverd undo` does, with its bar against the
 * rule that took it; *ret_plan is its number. It waits for its approval like any other. Fault:
 * NOT_FOUND; CONFLICT when it was answered before, or nobody asked; those of undo.
 */
int request_grant(struct app *app, int64_t id, const struct request_by *by, uint64_t *ret_plan,
		  struct err *err) MUST_USE;

#endif
