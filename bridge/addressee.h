/*
 * Whom a notice is written to: what the records of a person say about how to address them, and
 * the addresses of their manager and sponsor. Attributes are taken by the order of sources, as
 * everywhere; what no record says is empty.
 */
#ifndef BRIDGE_ADDRESSEE_H
#define BRIDGE_ADDRESSEE_H

#include "store/db.h"

#define ADDRESSEE_BYTES 256

struct addressee {
	char first_name[ADDRESSEE_BYTES];
	char language[64]; /* "de-AT", as the record has it */
	char zone[64];
	char manager[ADDRESSEE_BYTES], sponsor[ADDRESSEE_BYTES]; /* mail addresses */
};

/* person 0: nobody's records are known, *ret is empty. */
int addressee_find(struct db *db, int64_t person, struct addressee *ret, struct err *err)
	MUST_USE;

#endif
