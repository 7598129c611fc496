/* What the files of the audit chain share; for them alone. */
#ifndef STORE_AUDIT_IN_H
#define STORE_AUDIT_IN_H

#include "store/audit.h"

#define SALT_BYTES 16
#define AUDIT_LOST ".lost" /* after the head's path: one that does not fit the chain */

#define AUDIT_COLUMNS "seq, ms, person, who, what, target, body, forgotten, digest, link, salt"
enum { AUDIT_COLUMN_SALT = 10 };

struct audit_head {
	int64_t seq, ms;
	struct digest link;
	unsigned char public_key[DIGEST_PUB_BYTES];
};

void audit_body_digest(struct str salt, struct str body, struct digest *ret);
void audit_link_of(const struct store_keys *keys, const struct digest *before,
		   const struct audit_entry *e, struct digest *ret);
void audit_take_digest(struct stmt *q, int column, struct digest *ret);
void audit_take_entry(struct stmt *q, struct audit_entry *e);
/* Faults: NOT_FOUND, IO; DAMAGED when it is not whole, or not of this instance's key. */
int audit_head_read(const struct store_keys *keys, const char *path, struct audit_head *h,
		    struct err *err) MUST_USE;

#endif
