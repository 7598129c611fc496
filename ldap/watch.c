#include "ldap/watch.h"

#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/stamp.h"
#include "ldap/code.h"
#include "ldap/delta.h"
#include "ldap/dn.h"
#include "ldap/syncval.h"

#define OID_NOTIFY "1.2.840.113556.1.4.528"
#define OID_SHOW_DELETED "1.2.840.113556.1.4.417"
#define MESSAGES_MOST 10000 /* at one waiting: a burst is one hint */

#define CHANGE_KINDS 15 /* add, delete, modify, rename */

struct dir_watch {
	struct dir_session session;
	enum dir_watch_way way;
	int id;
	struct dir_entry entry; /* its arrays are used again for each */
	struct buf base, name;  /* normal spelling */
};

const char *const dir_watch_titles[DIR_WATCH_WAYS] = {
	[DIR_WATCH_SYNC] = "refreshAndPersist (RFC 4533)",
	[DIR_WATCH_PERSIST] = "a persistent search",
	[DIR_WATCH_NOTIFY] = "change notification",
};

/* clang-format off */
/* The first row of the kind whose control is listed. */
static const struct choice {
	enum dir_kind kind;
	enum dir_watch_way way;
	const char *why;
} choices[] = {
	{ DIR_OPENLDAP,   DIR_WATCH_SYNC,    "slapd with syncprov tells all from its newest state on, and first sends nothing" },
	{ DIR_389,        DIR_WATCH_PERSIST, "it tells only what is new; content synchronisation would first send everybody, at each connection" },
	{ DIR_FREEIPA,    DIR_WATCH_PERSIST, "content synchronisation covers DNS only there" },
	{ DIR_ORACLE,     DIR_WATCH_PERSIST, "it is what these servers have" },
	{ DIR_OPENDJ,     DIR_WATCH_PERSIST, "it is what these servers have" },
	{ DIR_EDIRECTORY, DIR_WATCH_PERSIST, "it is what these servers have" },
	{ DIR_AD,         DIR_WATCH_NOTIFY,  "it is what domain controllers have" },
	{ DIR_SAMBA,      DIR_WATCH_NOTIFY,  "it is what domain controllers have" },
	{ DIR_ADLDS,      DIR_WATCH_NOTIFY,  "it is what these servers have" },
	{ DIR_KIND_COUNT, DIR_WATCH_PERSIST, "the server lists it" },
};
/* clang-format on */

static bool listed(const struct dir_rootdse *dse, enum dir_watch_way way)
{
	return way == DIR_WATCH_SYNC      ? dse->sync
	       : way == DIR_WATCH_PERSIST ? dse->persist
					  : dse->notify;
}

int dir_watch_choose(const struct dir_rootdse *dse, enum dir_watch_way *ret, char why[160])
{
	for (size_t i = 0; i < COUNT_OF(choices); i++) {
		const struct choice *c = &choices[i];

		if ((c->kind != DIR_KIND_COUNT && c->kind != dse->kind) || !listed(dse, c->way))
			continue;
		*ret = c->way;
		snprintf(why, 160, "%s", c->why);
		return 0;
	}
	snprintf(why, 160, "the server lists none of the controls for it%s",
		 dse->kind == DIR_OPENLDAP ? " (slapd: overlay syncprov)" : "");
	return DIR_WATCH_NONE;
}

enum dir_watch_way dir_watch_way_of(const struct dir_watch *w)
{
	return w->way;
}

void dir_watch_close(struct dir_watch *w)
{
	if (!w)
		return;
	dir_entry_done(&w->entry);
	buf_done(&w->base);
	buf_done(&w->name);
	dir_session_done(&w->session);
	free(w);
}

/* --- asking --------------------------------------------------------------------------------
 */

/* From the server's newest cookie on, so that nothing old is told. */
static int sync_value(struct dir_watch *w, struct buf *value, struct err *err)
{
	struct dir_changes now = { .session = &w->session };
	int r;

	buf_init(&now.next, SYNC_COOKIE_MAX);
	buf_init(&now.present, 0);
	r = dir_changes_syncrepl(&now, err);
	if (r == 0)
		sync_persist_write(buf_str(&now.next), value);
	if (r == 0)
		r = buf_fault(value, err, "the request");
	buf_done(&now.next);
	dir_keys_free(&now.named);
	buf_done(&now.present);
	return r;
}

struct question {
	const char *base, *filter;
	const char *const *attrs;
	LDAPControl *controls[3];
};

static int send(struct dir_watch *w, const struct question *q, struct err *err)
{
	int rc = ldap_search_ext(dir_conn_ld(w->session.conn), q->base, LDAP_SCOPE_SUBTREE,
				 q->filter, (char **)(uintptr_t)q->attrs, 0,
				 (LDAPControl **)(uintptr_t)q->controls, NULL, NULL,
				 LDAP_NO_LIMIT, &w->id);

	return rc == LDAP_SUCCESS
		       ? 0
		       : dir_conn_fault(w->session.conn, rc, err, "asking to be told");
}

static const char *const no_attrs[] = { LDAP_NO_ATTRS, NULL };

static int ask_sync(struct dir_watch *w, struct err *err)
{
	CLEANUP(buf_done) struct buf value = { 0 };
	LDAPControl control = { (char *)(uintptr_t)LDAP_CONTROL_SYNC, { 0, NULL }, 1 };
	struct question q = { w->session.o->base, w->session.filter, no_attrs, { &control } };
	int r;

	buf_init(&value, SYNC_COOKIE_MAX + 64);
	r = sync_value(w, &value, err);
	if (r != 0)
		return r;
	control.ldctl_value = (struct berval){ value.len, value.p };
	return send(w, &q, err);
}

static int ask_persist(struct dir_watch *w, struct err *err)
{
	struct question q = { w->session.o->base, w->session.filter, no_attrs, { NULL } };
	int rc, r;

	rc = ldap_create_persistentsearch_control(dir_conn_ld(w->session.conn), CHANGE_KINDS, 1,
						  1, 1, &q.controls[0]);
	r = rc == LDAP_SUCCESS ? send(w, &q, err)
			       : dir_conn_fault(w->session.conn, rc, err, "asking to be told");
	if (q.controls[0])
		ldap_control_free(q.controls[0]);
	return r;
}

/*
 * A domain controller takes no other filter, and a whole subtree only at the head of a naming
 * context: so everything is told, and who is meant is found out here. The deleted are told only
 * to those who ask to be shown them.
 */
static int ask_notify(struct dir_watch *w, struct err *err)
{
	static const char *const attrs[] = { "objectClass", "isDeleted", "userPrincipalName",
					     "sAMAccountName", NULL };
	LDAPControl notify = { (char *)(uintptr_t)OID_NOTIFY, { 0, NULL }, 1 };
	LDAPControl deleted = { (char *)(uintptr_t)OID_SHOW_DELETED, { 0, NULL }, 1 };
	struct question q = {
		w->session.context, "(objectClass=*)", attrs, { &notify, &deleted }
	};

	return send(w, &q, err);
}

static int ask(struct dir_watch *w, struct err *err)
{
	static int (*const ways[DIR_WATCH_WAYS])(struct dir_watch * w, struct err * err) = {
		[DIR_WATCH_SYNC] = ask_sync,
		[DIR_WATCH_PERSIST] = ask_persist,
		[DIR_WATCH_NOTIFY] = ask_notify,
	};

	return ways[w->way](w, err);
}

/* Who is told something looks at it with a delta: where there are none, a full read would
 * follow each. */
static int choose(struct dir_watch *w, struct err *err)
{
	struct dir_session *s = &w->session;
	char why[160];

	if (dir_strategy_choose(&s->dse, s->o->delta, why) == DIR_FULL) {
		(void)!err_set(err, ERR_NOT_SUPPORTED,
			       "live: nothing is told where there are full reads only: %s",
			       why);
		return DIR_WATCH_NONE;
	}
	if (dir_watch_choose(&s->dse, &w->way, why) == 0)
		return 0;
	(void)!err_set(err, ERR_NOT_SUPPORTED, "live: changes are not told as they happen: %s",
		       why);
	return DIR_WATCH_NONE;
}

int dir_watch_open(const struct dir_options *o, const struct secret *password,
		   const atomic_bool *cancel, struct dir_watch **ret, struct err *err)
{
	CLEANUP(dir_watch_close_at) struct dir_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_nomem(err);
	buf_init(&w->base, 4 * DIR_DN_MAX_BYTES);
	buf_init(&w->name, 4 * DIR_DN_MAX_BYTES);
	r = dir_dn_normal(str_of(o->base), &w->base, err);
	if (r == 0)
		r = dir_session_open(&w->session, o, password, 0, STAMP_NEVER, cancel, err);
	if (r == 0)
		r = choose(w, err);
	if (r == 0)
		r = ask(w, err);
	if (r != 0)
		return r < 0 ? r : DIR_WATCH_NONE;
	*ret = TAKE(w);
	return 0;
}

/* --- what is told --------------------------------------------------------------------------
 */

static bool has_class(const struct dir_entry *e, struct str name)
{
	const struct str *classes;
	const struct dir_attr *a = dir_entry_attr(e, STR("objectClass"), &classes);

	for (size_t i = 0; a && i < a->n; i++)
		if (str_ieq(classes[i], name))
			return true;
	return false;
}

/* Our own logging in is a change, too, and we log in to look at what changed. */
static bool is_us(const struct dir_watch *w, const struct dir_entry *e)
{
	const struct dir_session *s = &w->session;
	const char *who = s->o->bind_dn ? s->o->bind_dn : dir_conn_account(s->conn);
	struct str name, upn = { 0 }, sam = { 0 }, head, tail;

	/* by a certificate, only the server knows: "u:CORP\\leaverd" */
	if (!who && s->who && str_istarts(str_of(s->who), STR("u:")))
		who = s->who + 2;
	name = str_of(who ? who : "");
	dir_entry_first(e, "userPrincipalName", &upn);
	dir_entry_first(e, "sAMAccountName", &sam);
	if (!name.len)
		return false;
	if (str_ieq(name, upn) || str_ieq(name, sam) || str_ieq(name, e->dn))
		return true;
	if (str_cut(name, '\\', &head, &tail) && str_ieq(tail, sam))
		return true;
	return str_cut(name, '@', &head, &tail) && str_ieq(head, sam);
}

/* Whether somebody is told who may be one of ours: below the base, or dead. */
static int entry_says(struct dir_watch *w, LDAPMessage *message, struct err *err)
{
	struct str raw;
	bool deleted;
	int r;

	if (w->way != DIR_WATCH_NOTIFY)
		return DIR_WATCH_CHANGED;
	r = dir_entry_read(dir_conn_ld(w->session.conn), message, &w->entry, err);
	if (r < 0)
		return r;
	if (has_class(&w->entry, STR("computer")) || is_us(w, &w->entry) ||
	    !(has_class(&w->entry, STR("user")) ||
	      (w->session.o->groups_base && has_class(&w->entry, STR("group")))))
		return 0;
	if (dir_entry_first(&w->entry, "isDeleted", &raw) && dir_flag(raw, &deleted) && deleted)
		return DIR_WATCH_CHANGED;
	buf_clear(&w->name);
	r = dir_dn_normal(w->entry.dn, &w->name, err);
	if (r == -ERR_NOMEM)
		return r;
	/* a group changes who is in it wherever it stands */
	return r < 0 || has_class(&w->entry, STR("group")) ||
			       dir_dn_under(buf_str(&w->name), buf_str(&w->base))
		       ? DIR_WATCH_CHANGED
		       : 0;
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
		       code == LDAP_SUCCESS ? "success, as if that were all"
					    : dir_code(code)->name,
		       code);
}

static int says(struct dir_watch *w, int type, LDAPMessage *message, struct err *err)
{
	switch (type) {
	case LDAP_RES_SEARCH_ENTRY:
		return entry_says(w, message, err);
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
