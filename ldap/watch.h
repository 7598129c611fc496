/*
 * Being told of changes as they happen: refreshAndPersist of RFC 4533, over a connection of its
 * own. What is told is only that something changed: what, the next delta reads. A connection
 * that dies in silence (load balancers, firewalls) costs nothing but the haste: deltas and full
 * reads go on by the clock.
 *
 * One thread opens, waits and closes.
 */
#ifndef LDAP_WATCH_H
#define LDAP_WATCH_H

#include "ldap/conn.h"

struct dir_watch;

/* The server tells nobody: no RFC 4533 (ldap/strategy.h); why is in *err. */
enum { DIR_WATCH_NONE = 1 };

/*
 * Connects and asks to be told from now on. *ret is new. DIR_WATCH_NONE, or a fault of the
 * directory; cancel as in dir_conn_open().
 */
int dir_watch_open(const struct dir_options *o, const struct secret *password,
		   const atomic_bool *cancel, struct dir_watch **ret, struct err *err) MUST_USE;
void dir_watch_close(struct dir_watch *w);
OWNED(struct dir_watch, dir_watch_close)

/* Something below the base changed that the filter for people matches, or matched. */
enum { DIR_WATCH_CHANGED = 1 };

/* Waits at most wait_ms: DIR_WATCH_CHANGED as soon as something is told, 0 when nothing is.
 * After a fault the watch is good for nothing but closing. */
int dir_watch_wait(struct dir_watch *w, int64_t wait_ms, struct err *err) MUST_USE;

#endif
