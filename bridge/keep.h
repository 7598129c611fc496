/*
 * "Keep my seat": the link in a warning, and the page behind it.
 *
 * The link is /keep/TICKET (base/ticket.h) under keep.url: it names the person, the account,
 * the seat, the step of the plan, and its end, and is authenticated by a key out of the vault.
 * To GET it shows a page and does nothing else, however often (mail scanners open links). The
 * page's button POSTs a form token that the page was made with, good for half an hour; that
 * keeps the seat, once: no rule takes it for keep.for, whoever was warned is warned anew after
 * that, and the audit chain says so. Whoever has the link is taken for its person: it was sent
 * to their address alone.
 *
 * Once its end is over the page offers to ask for the seat again, where anybody may
 * (bridge/again.h); what it answers is the same whether there was anything to ask for.
 *
 * The page says a first name, the product, the site and a date; it loads nothing, and its links
 * and answers are kept by nobody. Who shows links that are none is slowed, by address.
 */
#ifndef BRIDGE_KEEP_H
#define BRIDGE_KEEP_H

#include "bridge/app.h"
#include "net/httpd.h"

struct keep;

/* The whole link of a row of store/outbox.h. Fault: SECRET, NOT_FOUND, LIMIT. */
int keep_link(struct app *app, int64_t id, char *ret, size_t room, struct err *err) MUST_USE;

#define KEEP_ROUTES 4 /* with those of bridge/again.h */

/* app must outlive it. With keep.listen it serves by itself. */
int keep_start(struct keep **ret, struct app *app, struct err *err) MUST_USE;
/* Routes for another server; none with keep.listen, or without keep.url. They point to k. */
size_t keep_routes(struct keep *k, struct http_route into[KEEP_ROUTES]);
/* Its own server takes no more and answers what it has; then keep_free(). NULL is fine. */
void keep_stop(struct keep *k);
void keep_free(struct keep *k);
OWNED(struct keep, keep_free)

#endif
