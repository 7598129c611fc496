#include "ldap/search.h"

#include <inttypes.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>

#include "ldap/code.h"
#include "ldap/dn.h"
#include "ldap/idset.h"
#include "ldap/rootdse.h"

#define OID_DOMAIN_SCOPE "1.2.840.113556.1.4.1339"
#define OID_SHOW_DELETED "1.2.840.113556.1.4.417"
#define IDLE_PAGES_MAX                                                                         \
	16 /* pages in a row that bring nothing new, and yet are not the last                  \
	    */

/*
 * A page holds at most what was asked for (RFC 2696, section 3). One that holds somewhat more
 * is a server that counts otherwise; one that holds many times more is read no further, so that
 * a page without an end costs a moment and not the time until max_entries.
 */
#define PAGE_SLACK 4

struct search {
	struct dir_conn *c;
	const struct dir_query *q;
	dir_entry_fn fn;
	void *ctx;
	struct dir_found *found;
	struct dir_entry entry; /* its arrays are used again for each */
	struct dir_idset cookies;
	struct berval cookie; /* ber_memfree() */
	uint64_t fresh;       /* entries of this page that were not there before */
	int64_t shown;        /* entries of this page */
	int idle;
	char page[16]; /* "page 3 of ", or nothing */
};

static inline void controls_free_at(LDAPControl ***controls)
{
	ldap_controls_free(*controls);
	*controls = NULL;
}

static inline void message_free_at(LDAPMessage **m)
{
	ldap_msgfree(*m);
	*m = NULL;
}

/* --- faults name the page and the base -----------------------------------------------------
 */

static const char *base_name(const struct dir_query *q)
{
	return q->base[0] ? q->base : "the root DSE";
}

static int where(const struct search *s, int r, struct err *err)
{
	return err_context(err, r, "%s%.200s", s->page, base_name(s->q));
}

/* --- requests ------------------------------------------------------------------------------
 */

static int flag_control(const char *oid, LDAPControl **ret)
{
	return ldap_control_create(oid, 0, NULL, 0, ret);
}

/* At most three controls, and a NULL: owned by the caller as far as they are there. */
static int controls_make(struct search *s, LDAPControl *list[4])
{
	int n = 0, rc = LDAP_SUCCESS;

	if (s->q->page_size > 0)
		rc = ldap_create_page_control(dir_conn_ld(s->c), (ber_int_t)s->q->page_size,
					      &s->cookie, 1, &list[n++]);
	if (rc == LDAP_SUCCESS && s->q->domain_scope)
		rc = flag_control(OID_DOMAIN_SCOPE, &list[n++]);
	if (rc == LDAP_SUCCESS && s->q->show_deleted)
		rc = flag_control(OID_SHOW_DELETED, &list[n++]);
	return rc;
}

static int request(struct search *s, int *id, struct err *err)
{
	LDAPControl *controls[4] = { NULL };
	int rc = controls_make(s, controls);

	if (rc == LDAP_SUCCESS)
		rc = ldap_search_ext(dir_conn_ld(s->c), s->q->base,
				     s->q->scope == DIR_SCOPE_BASE ? LDAP_SCOPE_BASE
								   : LDAP_SCOPE_SUBTREE,
				     s->q->filter, (char **)s->q->attrs, 0, controls, NULL,
				     NULL, LDAP_NO_LIMIT, id);
	for (size_t i = 0; i < 3; i++)
		if (controls[i])
			ldap_control_free(controls[i]);
	return rc == LDAP_SUCCESS ? 0 : dir_conn_fault(s->c, rc, err, "search");
}

/* --- answers -------------------------------------------------------------------------------
 */

static int take_entry(struct search *s, LDAPMessage *message, struct err *err)
{
	const struct dir_options *o = dir_conn_options(s->c);
	int64_t most = s->q->max_entries ? s->q->max_entries : o->max_entries;
	int r = dir_entry_read(dir_conn_ld(s->c), message, &s->entry, err);

	if (r < 0)
		return r;
	if (s->found->entries >= (uint64_t)most)
		return err_set(err, ERR_LIMIT, "more than %" PRId64 " entries%s", most,
			       s->q->max_entries ? "" : " (max_entries)");
	if (s->q->page_size > 0 && ++s->shown > PAGE_SLACK * s->q->page_size)
		return err_set(
			err, ERR_INCOMPLETE,
			"more than %d times the %" PRId64 " entries asked for (page_size) "
			"came in one page: the server does not page, or the page never ends",
			PAGE_SLACK, s->q->page_size);
	s->found->entries++;
	r = s->fn ? s->fn(s->ctx, &s->entry, err) : 0;
	if (r != DIR_SEEN_BEFORE)
		s->fresh++;
	return r < 0 ? r : 0;
}

/* Whether a referral's URL leads below a part of the tree that the settings call irrelevant. */
static bool irrelevant(const struct dir_options *o, const char *url)
{
	CLEANUP(buf_done) struct buf there = { 0 }, ours = { 0 };
	LDAPURLDesc *d = NULL;
	bool found = false;

	buf_init(&there, 4 * DIR_DN_MAX_BYTES);
	buf_init(&ours, 4 * DIR_DN_MAX_BYTES);
	if (ldap_url_parse(url, &d) != LDAP_URL_SUCCESS || !d)
		return false;
	if (d->lud_dn && d->lud_dn[0] && dir_dn_normal(str_of(d->lud_dn), &there, NULL) == 0)
		for (size_t i = 0; i < o->ignore_referrals.n && !found; i++) {
			buf_clear(&ours);
			found = dir_dn_normal(str_of(o->ignore_referrals.v[i]), &ours, NULL) ==
					0 &&
				dir_dn_under(buf_str(&there), buf_str(&ours));
		}
	ldap_free_urldesc(d);
	return found;
}

static int take_reference(struct search *s, LDAPMessage *message, struct err *err)
{
	char **urls = NULL;
	int rc = ldap_parse_reference(dir_conn_ld(s->c), message, &urls, NULL, 0);
	bool fine = rc == LDAP_SUCCESS && urls && urls[0];

	for (size_t i = 0; fine && urls[i]; i++)
		fine = irrelevant(dir_conn_options(s->c), urls[i]);
	ber_memvfree((void **)urls);
	if (fine) {
		s->found->referrals++;
		return 0;
	}
	return err_set(
		err, ERR_INCOMPLETE,
		"the server says that a part of the tree is on another server (a referral, "
		"which is never followed): read that one too as a source of its own, or "
		"name the part under ignore_referrals");
}

/* The cookie of RFC 2696's answer, new; empty on the last page. False without such an answer.
 */
static bool page_cookie(struct search *s, LDAPControl **controls, struct berval *ret)
{
	LDAPControl *c;
	ber_int_t size;

	if (!controls)
		return false;
	c = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
	return c && ldap_parse_pageresponse_control(dir_conn_ld(s->c), c, &size, ret) ==
			    LDAP_SUCCESS;
}

/*
 * A server that shows the same page again and again would be read for ever. Most servers'
 * cookies name the place, so one that comes twice is refused at once; those of 389 DS and Samba
 * name the search, so there it is pages that bring nothing new.
 */
static int cookie_check(struct search *s, struct str cookie, struct err *err)
{
	int r;

	s->idle = s->fresh ? 0 : s->idle + 1;
	if (s->idle >= IDLE_PAGES_MAX)
		return err_set(
			err, ERR_INCOMPLETE,
			"%d pages in a row brought nothing new, and there are said to be "
			"more: the server shows the same again",
			s->idle);
	if (s->q->steady_cookie)
		return 0;
	r = dir_idset_add(&s->cookies, cookie, 0);
	if (r < 0)
		return err_nomem(err);
	if (r != DIR_ID_NEW)
		return err_set(err, ERR_INCOMPLETE,
			       "the server gave the same page cookie twice: it would show the "
			       "same page again");
	return 0;
}

enum { PAGE_LAST, PAGE_MORE };

static int take_result(struct search *s, LDAPMessage *message, struct err *err)
{
	CLEANUP(controls_free_at) LDAPControl **controls = NULL;
	struct berval cookie = { 0, NULL };
	int code = LDAP_OTHER, r;
	char *words = NULL;
	int rc = ldap_parse_result(dir_conn_ld(s->c), message, &code, NULL, &words, NULL,
				   &controls, 0);

	if (rc != LDAP_SUCCESS)
		r = err_set(err, ERR_PROTOCOL, "a result that does not decode");
	else
		r = code == LDAP_SUCCESS ? 0 : dir_code_fault(code, words, err, "search");
	ldap_memfree(words);
	if (r < 0)
		return r;
	s->found->pages++;
	if (s->q->page_size <= 0)
		return PAGE_LAST;
	if (!page_cookie(s, controls, &cookie))
		return err_set(err, ERR_INCOMPLETE,
			       "the server did not answer as one that pages, so nobody knows "
			       "whether this was all: allow_unpaged reads without pages");
	ber_memfree(s->cookie.bv_val);
	s->cookie = cookie;
	if (!cookie.bv_len)
		return PAGE_LAST;
	r = cookie_check(s, str_n(cookie.bv_val, cookie.bv_len), err);
	return r < 0 ? r : PAGE_MORE;
}

static int one_page(struct search *s, struct err *err)
{
	int id, r = request(s, &id, err);

	s->fresh = 0;
	s->shown = 0;
	if (r < 0)
		return r;
	while (r == 0) {
		CLEANUP(message_free_at) LDAPMessage *message = NULL;
		int type = dir_conn_next(s->c, id, &message, err);

		if (type < 0)
			return type;
		switch (type) {
		case LDAP_RES_SEARCH_ENTRY:
			r = take_entry(s, message, err);
			break;
		case LDAP_RES_SEARCH_REFERENCE:
			r = take_reference(s, message, err);
			break;
		case LDAP_RES_SEARCH_RESULT:
			return take_result(s, message, err);
		default:
			r = err_set(err, ERR_PROTOCOL,
				    "a message of type 0x%x, which has no place in a search",
				    (unsigned)type);
		}
	}
	/* else libldap would keep what still comes of it, while we ask something else */
	ldap_abandon_ext(dir_conn_ld(s->c), id, NULL, NULL);
	return r;
}

int dir_search(struct dir_conn *c, const struct dir_query *q, dir_entry_fn fn, void *ctx,
	       struct dir_found *found, struct err *err)
{
	struct search s = { .c = c, .q = q, .fn = fn, .ctx = ctx, .found = found };
	int r;

	*found = (struct dir_found){ 0 };
	do {
		if (q->page_size > 0)
			snprintf(s.page, sizeof(s.page), "page %" PRIu32 " of ",
				 (uint32_t)found->pages + 1);
		r = one_page(&s, err);
	} while (r == PAGE_MORE);
	dir_entry_done(&s.entry);
	dir_idset_done(&s.cookies);
	ber_memfree(s.cookie.bv_val);
	return r < 0 ? where(&s, r, err) : 0;
}

/* --- the root DSE --------------------------------------------------------------------------
 */

struct rootdse_reader {
	const struct dir_options *o;
	struct dir_rootdse *ret;
	bool seen;
};

static int rootdse_entry(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct rootdse_reader *reader = ctx;
	int r;

	if (reader->seen)
		return err_set(err, ERR_PROTOCOL, "two root DSEs");
	r = dir_rootdse_read(e, reader->o->base, reader->o->kind, reader->ret, err);
	reader->seen = r == 0;
	return r;
}

int dir_search_rootdse(struct dir_conn *c, struct dir_rootdse *ret, struct err *err)
{
	struct rootdse_reader reader = { dir_conn_options(c), ret, false };
	struct dir_query q = { .base = "",
			       .scope = DIR_SCOPE_BASE,
			       .filter = "(objectClass=*)",
			       .attrs = (char *const *)(uintptr_t)dir_rootdse_attrs };
	struct dir_found found;
	int r = dir_search(c, &q, rootdse_entry, &reader, &found, err);

	if (r == 0 && !reader.seen)
		r = err_set(err, ERR_PROTOCOL,
			    "the server shows no root DSE to the bind account: let it read the "
			    "entry \"\"");
	else if (r < 0 && reader.seen)
		dir_rootdse_done(ret);
	return r;
}
