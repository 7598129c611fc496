/*
 * Issues in Jira about plans, or about single actions, as a channel of notices
 * (notices.issues).
 *
 * Each minute: what is planned and has no issue is put into the outbox as one to be opened;
 * what is planned no more as one to be closed, with what became of it. An issue about an action
 * stands for account, kind, product, site and rule: the next round's plan of the same does not
 * open another one. No issue names a person: it has ledger numbers, and the command that shows
 * more to whoever may see it. Of a leaver whose end lies ahead there is none until it is due.
 *
 * An issue is opened once. It carries a label made of instance, channel, what it is about and
 * when it was wanted first. A try that may have arrived is followed by a search for that label,
 * and only once Jira's search must show it by another try. Its name (OPS-12) is written down
 * before the notice counts as sent; what closes it waits for that name. In mode observe nothing
 * is put in, and what was put in before waits.
 */
#ifndef BRIDGE_TICKETS_H
#define BRIDGE_TICKETS_H

#include "base/jx.h"
#include "bridge/app.h"

/* Puts in what is to be opened and closed. Milliseconds where nothing changed. On a thread that
 * may block. */
int tickets_look(struct app *app, int64_t now_ms, struct err *err) MUST_USE;

/* One notice of the channel on its way. */
struct tickets_job {
	const struct config_issues *to;
	const json_t *letter;     /* as the outbox keeps it */
	bool again;               /* a try before this one may have arrived */
	int64_t quiet_ms;         /* since anything was tried */
	bool (*begin)(void *ctx); /* the first change is about to leave; false: it may not */
	void *ctx;
};
enum tickets_end {
	TICKETS_DONE,    /* says: which issue, or why there is none */
	TICKETS_LATER,   /* wait_ms, or 0: as long as others wait */
	TICKETS_AWAY,    /* nobody's notice fares better */
	TICKETS_REFUSED, /* it will never be taken */
};
/* Blocks as long as its requests do. says: a sentence, without personal data. */
enum tickets_end tickets_send(struct app *app, const struct tickets_job *job, int64_t *wait_ms,
			      char says[ERR_TEXT_BYTES]);

/* Opens an issue that says it is a test, comments it, and moves it where the channel does that.
 * Blocks. says: which issue, and what did not go. Fault: HELD in mode observe and where notices
 * are files, else as the request that failed; an issue that was opened before it is named. */
int tickets_test(struct app *app, const struct config_issues *to, char says[ERR_TEXT_BYTES],
		 struct err *err) MUST_USE;

/* The organisation that has the site; never NULL for a configuration that was read. */
const struct config_org *tickets_org(const struct app *app, const struct config_issues *to);

#endif
