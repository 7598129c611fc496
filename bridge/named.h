/*
 * A file that names accounts, one a row, by mail address or by Atlassian's account id: CSV of
 * any usual delimiter. A first row with a column "email" (e-mail, mail, email address, user
 * name) or "account_id" (accountid, account id, id) is a header; else the column in which the
 * first row has an address or an id is taken. Case does not count.
 */
#ifndef BRIDGE_NAMED_H
#define BRIDGE_NAMED_H

#include "base/jx.h"
#include "base/map.h"

#define NAMED_FAULTS_MOST 100 /* told one by one; all are counted */

struct named_one {
	char *key;  /* folded */
	char *text; /* as the file has it */
	int64_t line;
	bool found; /* the caller's */
	UT_hash_handle hh;
};

struct named_file {
	struct named_one *all; /* in the order of the file */
	size_t faults;
};

/* name: of the file, for faults. Adds "faults": [{line, text}] and "faults_total" to out: rows
 * without a name, or that name one again. Fault: INVALID_SYNTAX and INVALID_VALUE with the
 * line. named_file_done() also after a fault. */
int named_file_read(struct str text, const char *name, struct named_file *ret, json_t *out,
		    struct err *err) MUST_USE;
void named_file_done(struct named_file *f);

/* By address or id, whatever its case; *ret NULL where it is not there. */
int named_file_find(const struct named_file *f, const char *text, struct named_one **ret,
		    struct err *err) MUST_USE;

#endif
