/*
 * LDIF content records (RFC 2849), as entries with the place of each value.
 *
 * Bounded as hr/csv.h is. Folded lines are joined, comments left out, base64 decoded; `version`
 * may only be 1. Changes (changetype:) and values by URL (attr:< ...) are refused: an export
 * says what is there. The entry's name comes as the attribute `dn`; options of an attribute
 * (;lang-de) belong to its name.
 */
#ifndef HR_LDIF_H
#define HR_LDIF_H

#include "hr/csv.h"

struct hr_ldif;

int hr_ldif_new(hr_cells_fn fn, void *ctx, struct hr_ldif **ret, struct err *err) MUST_USE;
void hr_ldif_free(struct hr_ldif *l);
OWNED(struct hr_ldif, hr_ldif_free)

/* Faults: INVALID_SYNTAX and LIMIT with line and column; what fn returns. */
int hr_ldif_add(struct hr_ldif *l, struct str text, struct err *err) MUST_USE;
int hr_ldif_end(struct hr_ldif *l, struct err *err) MUST_USE;

#endif
