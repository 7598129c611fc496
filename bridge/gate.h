/*
 * Gates: names that one thread at a time may be inside of ("sync corp", "plan acme", "apply
 * acme"), so that a schedule and a command never do the same work side by side. No lock is held
 * while inside.
 */
#ifndef BRIDGE_GATE_H
#define BRIDGE_GATE_H

#include <stdatomic.h>

#include "base/err.h"

struct gate {
	const char *what, *of; /* NULL: not inside */
};

/* Waits until nobody is inside. Fault: CANCELLED when *cancel (may be NULL) becomes true, BUSY
 * after ten minutes, naming what is going on. what is static, of lives until gate_leave(). */
int gate_enter(struct gate *ret, const char *what, const char *of, const atomic_bool *cancel,
	       struct err *err) MUST_USE;
/* Without waiting: false when somebody is inside. */
bool gate_try(struct gate *ret, const char *what, const char *of);
void gate_leave(struct gate *gate); /* not inside: nothing */

#endif
