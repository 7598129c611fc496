/*
 * Forwarding the audit chain to a log server as it grows: RFC 5424 messages with structured
 * data, or CEF in them, over TLS (net/syslog.h), on a named thread of its own.
 *
 * Where it stands is kept in the store, and moves on only when the other machine has taken what
 * was sent. The protocol has no word for "kept"; but whoever ends a connection in order has
 * read it to its end. After any other end, and after a start that finds none, the last
 * FORWARD_AGAIN entries that were taken are sent once more. So each entry is sent at least
 * once, with its number (seq, externalId), by which the receiver drops repeats; and with its
 * link, so that what is received is a file of anchors too.
 */
#ifndef BRIDGE_FORWARD_H
#define BRIDGE_FORWARD_H

#include "bridge/app.h"
#include "store/audit.h"

#define FORWARD_AGAIN 200

struct forward;

/* Starts the thread where audit.server is set; else *ret is NULL. app must outlive it. */
int forward_start(struct forward **ret, struct app *app, struct err *err) MUST_USE;
/* What is being sent is finished or given up within audit.timeout. NULL is fine. */
void forward_stop(struct forward *f);

/* One entry as a message without its frame. host: of this machine. Pure. */
int forward_message(const struct config *c, const char *host, const struct audit_entry *e,
		    struct buf *into, struct err *err) MUST_USE;

/* The number of the last entry that was taken, and when; zeros: none yet. */
int forward_standing(struct app *app, int64_t *ret_seq, int64_t *ret_ms, struct err *err)
	MUST_USE;
/* Connects and says goodbye: for `leaverd doctor`. */
int forward_probe(struct app *app, struct err *err) MUST_USE;

#endif
