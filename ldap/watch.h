/*
 * Being told of changes as they happen, over a connection of its own. What is told is only that
 * something changed: what, the next delta reads. A connection that dies in silence (load
 * balancers, firewalls) costs nothing but the haste: deltas and full reads go on by the clock.
 *
 * One thread opens, waits and closes.
 */
#ifndef LDAP_WATCH_H
#define LDAP_WATCH_H

#include "ldap/conn.h"
#include "ldap/rootdse.h"

struct dir_watch;

enum dir_watch_way {
	DIR_WATCH_SYNC,    /* refreshAndPersist of RFC 4533 */
	DIR_WATCH_PERSIST, /* persistent search (draft-ietf-ldapext-psearch) */
	DIR_WATCH_NOTIFY,  /* LDAP_SERVER_NOTIFICATION_OID of AD (MS-ADTS 3.1.1.3.4.1.9) */
	DIR_WATCH_WAYS
};
extern const char *const dir_watch_titles[DIR_WATCH_WAYS];

/* The server tells nobody, or what is told could not be looked at; why is in *err. */
enum { DIR_WATCH_NONE = 1 };

/* The way for a server, by a table. why gets a sentence. DIR_WATCH_NONE, or 0. */
int dir_watch_choose(const struct dir_rootdse *dse, enum dir_watch_way *ret, char why[160]);

/*
 * Connects and asks to be told from now on. *ret is new. DIR_WATCH_NONE, or a fault of the
 * directory; cancel as in dir_conn_open().
 */
int dir_watch_open(const struct dir_options *o, const struct secret *password,
		   const atomic_bool *cancel, struct dir_watch **ret, struct err *err) MUST_USE;
void dir_watch_close(struct dir_watch *w);
OWNED(struct dir_watch, dir_watch_close)
enum dir_watch_way dir_watch_way_of(const struct dir_watch *w);

/* Somebody below the base changed, or was one of those whom the filter for people matches. */
enum { DIR_WATCH_CHANGED = 1 };

/* Waits at most wait_ms: DIR_WATCH_CHANGED as soon as something is told, 0 when nothing is.
 * After a fault the watch is good for nothing but closing. */
int dir_watch_wait(struct dir_watch *w, int64_t wait_ms, struct err *err) MUST_USE;

#endif
