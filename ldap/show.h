/*
 * One entry shown to whoever writes a map: what the directory says, what each row of the map
 * made of it, and the record that follows. Personal data throughout; nothing is kept.
 */
#ifndef LDAP_SHOW_H
#define LDAP_SHOW_H

#include "base/jx.h"
#include "ldap/conn.h"

/*
 * *ret is new:
 *   { "dn", "key", "read": "here" | "not-matching" | "elsewhere", "why",
 *     "attributes": [ { "name", "values": [...] } ],   as they came; bytes as "base64:..."
 *     "rows": [ { "to", "from", "outcome", "values": [...] } ],
 *     "status": { "state", "attribute", "value", "expires_ms" },
 *     "unknown": [...], "bad": [...], "record": {...} }
 * Faults: NOT_FOUND when there is no such entry to be seen, INVALID_VALUE when dn is none or
 * the entry has no key; those of a session.
 */
int dir_show(const struct dir_options *o, const struct secret *password, const char *dn,
	     const atomic_bool *cancel, json_t **ret, struct err *err) MUST_USE;

#endif
