/*
 * Sending what is in the outbox (store/outbox.h): one named thread owns the mail connection and
 * the order of things; what is sent and what became of it goes through the writer, so that no
 * lock is held while a server is waited for.
 *
 * A receiver that is away is tried again after 30 s, doubling up to 30 min, and costs no notice
 * a try; a notice that is put off is tried again after 1 min, doubling up to 1 h; what could
 * not be sent in notices.give_up fails. Each channel has its own pace.
 *
 * The same thread looks each minute what admins are to be told of (bridge/bulletin.h), and
 * makes the plans of requests that need nobody (bridge/again.h).
 */
#ifndef BRIDGE_OUTBOX_H
#define BRIDGE_OUTBOX_H

#include "bridge/app.h"

struct outbox;

/* Takes up what an earlier process left, then sends. app must outlive it. */
int outbox_start(struct outbox **ret, struct app *app, struct err *err) MUST_USE;
/* Something was put in. Any thread; NULL is fine. */
void outbox_wake(struct outbox *o);
/* The same, and receivers that were away are tried again now: a person waits. */
void outbox_hurry(struct outbox *o);
/* Something waits that is looked for each minute: it is looked for now. */
void outbox_look(struct outbox *o);
/* Waits until nothing is left that could be sent now, or so long. For commands that work alone.
 */
void outbox_drain(struct outbox *o, int64_t most_ms);
/* Ends the thread: what is being given over is finished, nothing else is begun. NULL is fine.
 */
void outbox_stop(struct outbox *o);
OWNED(struct outbox, outbox_stop)

#endif
