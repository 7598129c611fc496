/* Telling a second person what one administrator decided alone (approvals.second_address). */
#ifndef BRIDGE_SECOND_H
#define BRIDGE_SECOND_H

#include "bridge/app.h"

struct notices_held; /* bridge/notices.h */

/* Told once for each key, and put in by the transaction that writes the decision. Fault: CONFIG
 * where nobody can be told; then nothing is decided. */
int second_tell(struct app *app, const char *key, const char *subject, struct str text,
		struct notices_held **ret, struct err *err) MUST_USE;

#endif
