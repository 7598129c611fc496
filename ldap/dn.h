/*
 * Distinguished names in one spelling, so that two of them can be compared as bytes (servers
 * escape, space and case differently: RFC 4514 allows all of it). For comparing and for links
 * between entries; never sent to a server. Pure.
 */
#ifndef LDAP_DN_H
#define LDAP_DN_H

#include "base/buf.h"

#define DIR_DN_MAX_BYTES 4096

/*
 * Adds dn to *into: types in lower case, values folded (str_fold) and trimmed, special
 * characters as \xx, values of a multi-valued RDN sorted, no blanks around separators.
 * Fault: INVALID_VALUE when dn is none.
 */
int dir_dn_normal(struct str dn, struct buf *into, struct err *err) MUST_USE;

/* Both normal. Whether dn is base or stands below it. Every dn stands below the empty one. */
bool dir_dn_under(struct str dn, struct str base);
/* What stands above dn: the parent, borrowed from dn; empty at the top. */
struct str dir_dn_parent(struct str dn);

#endif
