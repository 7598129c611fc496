/* `leaverd adopt --filter` and `--file`: many accounts at once, looked at before. */
#ifndef BRIDGE_BULK_ADOPT_H
#define BRIDGE_BULK_ADOPT_H

#include "bridge/verb.h"

/*
 * in: filter or text (of a file), org, reason, count. Without count nothing is changed. out:
 * accounts [{..., result, text}] with result ready (adopted with count), held (a suspected
 * service account: adopt it by its id), refused, unchanged; ready, held, refused; dry. Fault:
 * CONFLICT where count is not how many would be adopted.
 */
int bulk_adopt(struct app *app, const struct who *who, const json_t *in, json_t *out,
	       struct err *err) MUST_USE;

#endif
