/*
 * The pages that people see who were sent a link: a heading, a text, and perhaps one button.
 *
 * A page loads nothing and runs no script; it is kept by nobody. Its button POSTs a form token
 * that the page was made with, good for half an hour, so that only who saw the page can press
 * it. Whoever shows links that are none is slowed, by address.
 */
#ifndef BRIDGE_PAGE_H
#define BRIDGE_PAGE_H

#include "bridge/app.h"
#include "net/httpd.h"

#define PAGE_BODY_MOST 1024 /* bytes of a form */

/* What stands on a page, in English and German: {P} is the product, {S} the site, {D} a date.
 */
struct page_words {
	int status;
	bool greets; /* by the first name */
	const char *head[2], *text[2];
	const char *button[2]; /* NULL: there is none */
};

struct page_values {
	bool german;
	char first_name[256], product[80], site[256], date[64];
};

/* What all pages of one kind of link share. */
struct page_door;
/* purpose: the key of its links and forms is made of the vault's for this alone. Fault: SECRET,
 * NOMEM. */
int page_door_new(struct page_door **ret, struct app *app, const char *purpose, struct err *err)
	MUST_USE;
void page_door_free(struct page_door *d);
OWNED(struct page_door, page_door_free)

/* The key alone, for who makes links. *ret must be empty. */
int page_key(struct app *app, const char *purpose, struct secret *ret, struct err *err)
	MUST_USE;
/* "URL/KIND/TICKET" under keep.url. Fault: LIMIT. */
int page_link(struct app *app, const char *kind, const char *ticket, char *ret, size_t room,
	      struct err *err) MUST_USE;
/* Borrowed. */
const struct secret *page_door_key(const struct page_door *d);

/* Fills the reply. link: what the form's token is bound to. */
int page_reply(const struct page_door *d, const struct page_words *words,
	       const struct page_values *values, struct str link, struct http_req *req,
	       struct http_reply *reply, struct err *err) MUST_USE;
/* Whether a POST carries the token of a page of that link, young enough. */
bool page_pressed(const struct page_door *d, struct str link, const struct http_req *req);
/* Counts one that is no link, or no form; true: this address is to be slowed. */
bool page_slow(struct page_door *d, const struct http_req *req);

/* Words that every kind of link needs. */
extern const struct page_words page_again, page_none, page_too_often, page_fault;

#endif
