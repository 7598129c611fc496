/* What the daemon needs of the system: open files. */
#ifndef BRIDGE_LIMITS_H
#define BRIDGE_LIMITS_H

#include "bridge/config.h"

struct limits_files {
	int64_t need; /* connections and all else that is open at once */
	int64_t soft, hard;
};

void limits_files(const struct config *c, struct limits_files *ret);
/* Raises the soft limit as far as is needed and allowed; *ret says how it is then. */
void limits_raise(const struct config *c, struct limits_files *ret);

#endif
