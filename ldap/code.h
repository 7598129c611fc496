/*
 * LDAP result codes, RFC 4511 4.1.9 and libldap's own, as faults: one table of what each means
 * to a reader of a directory, and what an operator can do about it.
 */
#ifndef LDAP_CODE_H
#define LDAP_CODE_H

#include "base/err.h"

struct dir_code {
	int code;         /* LDAP_x */
	int fault;        /* ERR_x */
	bool again;       /* another connection, now, may fare better */
	const char *name; /* "sizeLimitExceeded" */
	const char *way_out;
};

/* Never NULL: codes that no row knows get one that says so. */
const struct dir_code *dir_code(int code);

/*
 * Tells the fault of an LDAP result: "WHAT: NAME (CODE): DIAGNOSTIC: way out". diagnostic may
 * be NULL; it comes from the server and is cut and cleaned of control characters. Returns
 * -ERR_x.
 */
int dir_code_fault(int code, const char *diagnostic, struct err *err, const char *what, ...)
	PRINTF(4, 5);

#endif
