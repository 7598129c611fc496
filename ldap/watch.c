#include "ldap/watch.h"

#include <ldap.h>
#include <stdlib.h>

#include "base/stamp.h"
#include "ldap/code.h"
#include "ldap/delta.h"
#include "ldap/syncval.h"

#define MESSAGES_MOST 10000 /* at one waiting: a burst is one hint */

struct dir_watch {
	struct dir_session session;
	int id;
};

void dir_watch_close(struct dir_watch *w)
{
	if (!w)
		return;
	dir_session_done(&w->session);
	free(w);
}

/* From the server's newest cookie on, so that nothing old is told. */
static int ask(struct dir_watch *w, struct err *err)
{
	static const char *const attrs[] = { LDAP_NO_ATTRS, NULL };
	struct dir_changes now = { .session = &w->session };
	CLEANUP(buf_done) struct buf value = { 0 };
	LDAPControl control = { (char *)(uintptr_t)LDAP_CONTROL_SYNC, { 0, NULL }, 1 };
	LDAPControl *controls[2] = { &control, NULL };
	int rc, r;

	buf_init(&now.next, SYNC_COOKIE_MAX);
	buf_init(&value, SYNC_COOKIE_MAX + 64);
	r = dir_changes_syncrepl(&now, err);
	if (r == 0)
		sync_persist_write(buf_str(&now.next), &value);
	if (r == 0)
		r = buf_fault(&value, err, "the request");
	buf_done(&now.next);
	dir_keys_free(&now.named);
	dir_keys_free(&now.present);
	if (r != 0)
		return r;
	control.ldctl_value = (struct berval){ value.len, value.p };
	rc = ldap_search_ext(dir_conn_ld(w->session.conn), w->session.o->base,
			     LDAP_SCOPE_SUBTREE, w->session.filter, (char **)(uintptr_t)attrs,
			     0, controls, NULL, NULL, LDAP_NO_LIMIT, &w->id);
	return rc == LDAP_SUCCESS
		       ? 0
		       : dir_conn_fault(w->session.conn, rc, err, "asking to be told");
}

int dir_watch_open(const struct dir_options *o, const struct secret *password,
		   const atomic_bool *cancel, struct dir_watch **ret, struct err *err)
{
	CLEANUP(dir_watch_close_at) struct dir_watch *w = calloc(1, sizeof(*w));
	char why[160];
	int r;

	if (!w)
		return err_nomem(err);
	r = dir_session_open(&w->session, o, password, 0, STAMP_NEVER, cancel, err);
	if (r < 0)
		return r;
	if (dir_strategy_choose(&w->session.dse, o->delta, why) != DIR_SYNCREPL) {
		(void)!err_set(err, ERR_NOT_SUPPORTED,
			       "changes are not told as they happen: that needs RFC 4533, and "
			       "here %s",
			       why);
		return DIR_WATCH_NONE;
	}
	r = ask(w, err);
	if (r != 0)
		return r < 0 ? r : DIR_WATCH_NONE;
	dir_conn_keepalive(w->session.conn);
	*ret = TAKE(w);
	return 0;
}

/* A cookie alone tells that the server wrote something, which may be our own bind. */
static int info_says(struct dir_watch *w, LDAPMessage *message, struct err *err)
{
	struct berval *value = NULL;
	struct sync_info_value v;
	char *oid = NULL;
	int r = 0;

	if (ldap_parse_intermediate(dir_conn_ld(w->session.conn), message, &oid, &value, NULL,
				    0) == LDAP_SUCCESS &&
	    oid && strcmp(oid, LDAP_SYNC_INFO) == 0) {
		if (!value || !sync_info_read(str_n(value->bv_val, value->bv_len), &v))
			r = err_set(err, ERR_PROTOCOL,
				    "a message about the synchronisation does not decode");
		else
			r = v.kind == SYNC_ID_SET ? DIR_WATCH_CHANGED : 0;
	}
	ldap_memfree(oid);
	ber_bvfree(value);
	return r;
}

/* It does not end by itself: its base was renamed, or the server wants us to begin anew. */
static int ended(struct dir_watch *w, LDAPMessage *message, struct err *err)
{
	int code = LDAP_OTHER;

	if (ldap_parse_result(dir_conn_ld(w->session.conn), message, &code, NULL, NULL, NULL,
			      NULL, 0) != LDAP_SUCCESS)
		return err_set(err, ERR_PROTOCOL, "a result that does not decode");
	return err_set(err, ERR_UNAVAILABLE, "the server stopped telling: %s (%d)",
		       dir_code(code)->name, code);
}

static int says(struct dir_watch *w, int type, LDAPMessage *message, struct err *err)
{
	switch (type) {
	case LDAP_RES_SEARCH_ENTRY:
		return DIR_WATCH_CHANGED;
	case LDAP_RES_INTERMEDIATE:
		return info_says(w, message, err);
	case LDAP_RES_SEARCH_RESULT:
		return ended(w, message, err);
	default:
		return 0; /* a referral: the full read says what to do about those */
	}
}

int dir_watch_wait(struct dir_watch *w, int64_t wait_ms, struct err *err)
{
	int64_t until_ms = stamp_mono_ms() + wait_ms;
	int told = 0;

	for (int n = 0; n < MESSAGES_MOST; n++) {
		LDAPMessage *message = NULL;
		int64_t left_ms = told ? 0 : until_ms - stamp_mono_ms();
		int r = dir_conn_poll(w->session.conn, w->id, left_ms > 0 ? left_ms : 0,
				      &message, err);

		if (r <= 0)
			return r < 0 ? r : told;
		r = says(w, r, message, err);
		ldap_msgfree(message);
		if (r < 0)
			return r;
		told |= r;
	}
	return told;
}
