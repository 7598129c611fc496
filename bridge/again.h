/*
 * "Ask for it again": the link in the letter about a seat that was taken for lack of use, and
 * the page behind it.
 *
 * The link is /again/TICKET (base/ticket.h) under keep.url; it names the person, the account,
 * the seat, the step that took it, and its end. To GET it shows a page and does nothing else.
 * The page's button makes a request, once: `leaverd requests` lists it, and an approver turns
 * it into a plan that gives the seat back, or refuses it. With again.approve: rule that plan is
 * made at once. In both ways it is approved and applied like any plan.
 *
 * Only who is allowed to by again.domains or again.groups is offered the link, and is looked at
 * again when it is used. Whom a rule about leavers took something from is never written to.
 */
#ifndef BRIDGE_AGAIN_H
#define BRIDGE_AGAIN_H

#include "bridge/app.h"
#include "net/httpd.h"

struct request_row; /* store/requests.h */
struct db;

struct again_seat {
	const struct config_org *org;
	uint64_t plan;
	const struct action *action; /* that took it */
	const char *step;            /* its own for ever */
	const char *email;           /* of the account */
};

/*
 * The link for whose seat was taken: the same step has the same link. "" where there is none:
 * no page, a rule that is not about lack of use, or nobody who may ask. Fault: SECRET, LIMIT.
 */
int again_link(struct app *app, const struct again_seat *seat, char *ret, size_t room,
	       struct err *err) MUST_USE;

/*
 * Asks for a seat without that link: by what the person was sent before, and whose time is
 * over. The seat is what row says: org, person, account, product, site, taken since made_ms.
 * STORE_UNCHANGED where there is nothing to ask for, it was asked for, or they may not ask. On
 * the writer.
 */
int again_ask(struct app *app, struct db *db, const struct request_row *seat, struct err *err)
	MUST_USE;
/* Whether anybody may ask for anything. */
bool again_offered(const struct config *c);

struct again;
#define AGAIN_ROUTES 2

/* into: its routes, which point to it; filled also where no page is configured. */
int again_new(struct again **ret, struct app *app, struct http_route into[AGAIN_ROUTES],
	      struct err *err) MUST_USE;
void again_free(struct again *a);
OWNED(struct again, again_free)

/* With again.approve: rule: makes the plans of requests that wait. On a thread that may block;
 * what could not be planned is told in the log and tried again for an hour. */
int again_work(struct app *app, struct err *err) MUST_USE;

#endif
