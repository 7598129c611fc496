/*
 * One connection to a directory: connect, TLS, bind, fail over; every wait bounded.
 *
 * One handle, one thread. libldap's own limits are not enough (a silent TLS peer, a trickle of
 * bytes), so every connection has a watchdog thread that shuts the socket down when the step's
 * deadline passes or *cancel becomes true. After a fault of the network the handle is dead:
 * close it and open another; nothing here reconnects. The system is told to ask whether the
 * other side is still there, so that one on which nothing need come does not outlive it
 * unnoticed.
 */
#ifndef LDAP_CONN_H
#define LDAP_CONN_H

#include <stdatomic.h>

#include "base/secret.h"
#include "ldap/options.h"

struct ldap;
struct ldapmsg;
struct ldapcontrol;
struct dir_conn;

/*
 * Once, before any thread: libldap reads no file and no environment, and has safe defaults.
 * SIGPIPE is ignored from then on. Fault: INTERNAL.
 */
int dir_start(struct err *err) MUST_USE;

/*
 * Connects to the first server (ldap/srv.h) that lets us in, beginning with number `first`
 * (from 0, modulo their count) and going round, and binds. deadline_mono_ms bounds all of it
 * (STAMP_NEVER: only connect_timeout for finding them, and for each of them). cancel may be
 * NULL; password is NULL where auth is not simple. A
 * refused password ends at once: another server would only count it again. Faults: NETWORK,
 * TLS, TIMEOUT, UNAUTHORIZED, CONFIG, CANCELLED, NOMEM, one sentence for all URLs.
 */
int dir_conn_open(const struct dir_options *o, const struct secret *password, size_t first,
		  int64_t deadline_mono_ms, const atomic_bool *cancel, struct dir_conn **ret,
		  struct err *err) MUST_USE;
void dir_conn_close(struct dir_conn *c);
OWNED(struct dir_conn, dir_conn_close)

struct ldap *dir_conn_ld(struct dir_conn *c);
const char *dir_conn_uri(const struct dir_conn *c);
size_t dir_conn_uri_number(const struct dir_conn *c);
/* "TLS 1.3, AES-256-GCM", or "no TLS (ldapi)". Borrowed. */
const char *dir_conn_tls(const struct dir_conn *c);
/* By Kerberos: whose ticket let us in, as in leaverd@EXAMPLE.COM; else, or where it is not
 * told, NULL. Borrowed. */
const char *dir_conn_account(const struct dir_conn *c);
const struct dir_options *dir_conn_options(const struct dir_conn *c);

/*
 * The next message of request id, waiting at most the settings' answer_timeout. *ret is the
 * caller's to ldap_msgfree(); the answer is its type (LDAP_RES_x, above zero).
 * Faults: NETWORK (connection lost), TIMEOUT, CANCELLED, NOMEM.
 */
int dir_conn_next(struct dir_conn *c, int id, struct ldapmsg **ret, struct err *err) MUST_USE;

/* The same, but waiting at most wait_ms for what need not come: 0 when nothing did. Not bounded
 * by the deadline of the connection. */
int dir_conn_poll(struct dir_conn *c, int id, int64_t wait_ms, struct ldapmsg **ret,
		  struct err *err) MUST_USE;

/* The fault of a request that could not be sent or of a result code, with the server's words.
 */
int dir_conn_fault(struct dir_conn *c, int code, struct err *err, const char *what, ...)
	PRINTF(4, 5);

/* Who am I? (RFC 4532). *ret is new: "dn:...", "u:...", "" for nobody. Fault: NOT_SUPPORTED
 * when the server does not know it. */
int dir_conn_whoami(struct dir_conn *c, char **ret, struct err *err) MUST_USE;

#endif
