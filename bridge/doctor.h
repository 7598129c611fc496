/*
 * `leaverd doctor`: reaches every system that the configuration names, by reads that change
 * nothing, and says which right is missing.
 */
#ifndef BRIDGE_DOCTOR_H
#define BRIDGE_DOCTOR_H

#include "bridge/verb.h"

/* The verb. out: checks[] {check, target, verdict: ok|note|warn|bad, text}, bad, warned. Fault
 * when a check was bad: that of the first. */
int doctor_run(struct app *app, const struct who *who, const json_t *in, json_t *out,
	       struct err *err);

#endif
