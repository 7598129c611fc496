/*
 * What is told to whom: puts notices, whole and in the words of their receiver, into the outbox
 * (store/outbox.h), from where bridge/outbox.h sends them. Nothing here waits for a server.
 */
#ifndef BRIDGE_NOTICES_H
#define BRIDGE_NOTICES_H

#include "base/jx.h"
#include "bridge/app.h"
#include "bridge/notices_text.h"
#include "model/plan.h"

/* A warning, as a step of a plan. */
struct notices_warning {
	const struct config_org *org;
	const struct action *action;
	uint64_t plan;
	const char *step; /* journal key of the step: tells it once, however often asked */
	const char *email, *name; /* of the account */
};

/*
 * Puts the warning into the outbox: by mail, else by the first hook that tells warnings (or
 * into the folder, in dry mode); copies to manager and sponsor as configured. 0 when it is
 * there, also when it was before. Faults: CONFIG when there is no way to tell anybody;
 * INVALID_VALUE without an address; POLICY for rules about leavers, who are never warned.
 */
int notices_warn(struct app *app, const struct notices_warning *w, struct err *err) MUST_USE;

/*
 * That the seat was taken, with the link to ask for it again (bridge/again.h), by the same
 * ways; step is the key of the action's end. 0 also where there is no link for them: nobody is
 * told then. Faults as above.
 */
int notices_taken(struct app *app, const struct notices_warning *w, struct err *err) MUST_USE;

/* A product's key as people call it: "Jira Service Management"; the key where there is no other
 * name, "Atlassian" where there is no key. */
#define NOTICES_PRODUCT_BYTES 80
void notices_product_say(struct str key, char ret[NOTICES_PRODUCT_BYTES]);

/* Something for admins, and for hooks that tell it. */
struct notices_bulletin {
	const char *key;   /* its own for ever: told once to each */
	const char *tells; /* of config_tells_words[] */
	enum notice_kind kind;
	const char *title; /* ALERT: for its subject */
	struct str items;  /* lines, without personal data */
	int64_t count;
};
/* 0 also where nobody is to be told. */
int notices_tell(struct app *app, const struct notices_bulletin *b, struct err *err) MUST_USE;

/* A bulletin to one address alone, by mail or into the folder. Fault: CONFIG when neither is
 * set.
 */
int notices_tell_one(struct app *app, const struct notices_bulletin *b, const char *to,
		     struct err *err) MUST_USE;

/* The same, put in with what it tells of: notices_held_put() on the writer, in that
 * transaction; outbox_wake() after it. *ret is new. */
struct notices_held;
struct db;
int notices_hold_one(struct app *app, const struct notices_bulletin *b, const char *to,
		     struct notices_held **ret, struct err *err) MUST_USE;
int notices_held_put(struct notices_held *h, struct db *db, struct err *err)
	MUST_USE; /* NULL: nothing to tell */
void notices_held_free(struct notices_held *h);
OWNED(struct notices_held, notices_held_free)

/* What the outbox keeps of a bulletin, with event (stolen; NULL: no memory) beside its words:
 * for channels that put in theirs themselves (bridge/tickets.h). */
int notices_letter(struct app *app, const struct notices_bulletin *b, json_t *event,
		   int64_t now_ms, struct buf *into, struct err *err) MUST_USE;

/* `leaverd notices test`: a letter to an address (by mail), or a message to a hook. Fault:
 * NOT_FOUND, CONFIG. */
int notices_test(struct app *app, const char *to, int64_t *ret_id, struct err *err) MUST_USE;

/* Channels as the outbox names them. */
#define NOTICES_MAIL "mail"
#define NOTICES_FOLDER "folder"
#define NOTICES_HOOK "hook:"
#define NOTICES_ISSUES "issues:"

#endif
