/*
 * The values of the controls that say what changed: RFC 4533 (Sync Request, State, Done, Info)
 * and AD's DirSync (MS-ADTS 3.1.1.3.4.1.3), read and written here and not by libldap's
 * ldap_sync_*, which loses messages when another operation shares the handle.
 *
 * Definite lengths only (RFC 4511 5.1). Pure; what is read is borrowed from the value.
 */
#ifndef LDAP_SYNCVAL_H
#define LDAP_SYNCVAL_H

#include "base/buf.h"

#define SYNC_ID_BYTES 16
#define SYNC_COOKIE_MAX 65536 /* longer ones are not kept */

enum sync_state { SYNC_PRESENT, SYNC_ADD, SYNC_MODIFY, SYNC_DELETE };

struct sync_state_value {
	enum sync_state state;
	struct str id;     /* 16 bytes: entryUUID */
	struct str cookie; /* p NULL: none */
};

struct sync_done_value {
	struct str cookie;
	bool deletes; /* refreshDeletes: what was not named is still there */
};

enum sync_info { SYNC_NEW_COOKIE, SYNC_REFRESH_DELETE, SYNC_REFRESH_PRESENT, SYNC_ID_SET };

struct sync_info_value {
	enum sync_info kind;
	struct str cookie;
	bool flag;      /* refreshDone; of an id set: refreshDeletes, the ids are of the gone */
	struct str ids; /* of an id set: for sync_id_next() */
};

/* False when the value is none; *ret is as it was then. */
bool sync_state_read(struct str value, struct sync_state_value *ret);
bool sync_done_read(struct str value, struct sync_done_value *ret);
bool sync_info_read(struct str value, struct sync_info_value *ret);
/* The next of the ids; false at the end. sync_info_read() has looked at them all. */
bool sync_id_next(struct str *ids, struct str *ret);

/* refreshOnly. cookie.p NULL: from the beginning. */
void sync_request_write(struct str cookie, struct buf *into);

/* refreshAndPersist: what follows is told as it happens. */
void sync_persist_write(struct str cookie, struct buf *into);

struct dirsync_value {
	bool more;
	struct str cookie;
};
bool dirsync_read(struct str value, struct dirsync_value *ret);
void dirsync_write(uint32_t flags, struct str cookie, struct buf *into);

#endif
