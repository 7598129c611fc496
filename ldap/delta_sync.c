/*
 * Cookies: the server keeps track of what we have seen. RFC 4533 of slapd and AD's DirSync,
 * with messages taken one by one (libldap's ldap_sync_* loses some, and cannot be ended).
 */
#include <inttypes.h>
#include <ldap.h>
#include <stdlib.h>

#include "base/enc.h"
#include "ldap/code.h"
#include "ldap/delta.h"
#include "ldap/syncval.h"

#define OID_SYNC "1.3.6.1.4.1.4203.1.9.1.1"
#define OID_SYNC_STATE "1.3.6.1.4.1.4203.1.9.1.2"
#define OID_SYNC_DONE "1.3.6.1.4.1.4203.1.9.1.3"
#define OID_SYNC_INFO "1.3.6.1.4.1.4203.1.9.1.4"
#define OID_DIRSYNC "1.2.840.113556.1.4.841"
#define E_SYNC_REFRESH 0x1000
#define ANSWERS_MAX 10000 /* of DirSync: pieces of one answer */

/* What the caller may read already shows, with every right of its own kept
 * (MS-ADTS 3.1.1.3.4.1.3 LDAP_DIRSYNC_OBJECT_SECURITY): no right to replicate is needed. */
#define DIRSYNC_OBJECT_SECURITY 1U

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

struct sync {
	struct dir_changes *c;
	struct dir_entry entry;
	struct buf cookie; /* the newest */
	bool cookie_seen;
	bool done, deletes, more;
};

static int send(struct sync *s, const char *base, int scope, const char *filter,
		char *const *attrs, const char *oid, const struct buf *value, int *id,
		struct err *err)
{
	struct dir_conn *conn = s->c->session->conn;
	LDAPControl control = { (char *)(uintptr_t)oid, { value->len, value->p }, 1 };
	LDAPControl *controls[2] = { &control, NULL };
	int rc = ldap_search_ext(dir_conn_ld(conn), base, scope, filter,
				 (char **)(uintptr_t)attrs, 0, controls, NULL, NULL,
				 LDAP_NO_LIMIT, id);

	return rc == LDAP_SUCCESS ? 0 : dir_conn_fault(conn, rc, err, "asking what changed");
}

static struct str value_of(LDAPControl **controls, const char *oid)
{
	LDAPControl *c = controls ? ldap_control_find(oid, controls, NULL) : NULL;

	return c ? str_n(c->ldctl_value.bv_val ? c->ldctl_value.bv_val : "",
			 c->ldctl_value.bv_len)
		 : (struct str){ 0 };
}

static int cookie_keep(struct sync *s, struct str cookie, struct err *err)
{
	if (!cookie.p)
		return 0;
	s->cookie_seen = true;
	buf_clear(&s->cookie);
	buf_add_str(&s->cookie, cookie);
	return buf_fault(&s->cookie, err, "the server's cookie");
}

static int broken(struct err *err, const char *what)
{
	return err_set(err, ERR_PROTOCOL, "%s does not decode", what);
}

/* --- RFC 4533 ------------------------------------------------------------------------------
 */

static int here_id(struct sync *s, struct str id, struct err *err)
{
	struct buf *present = &s->c->present;

	if (present->len >= (size_t)DIR_PRESENT_MAX * SYNC_ID_BYTES) {
		(void)!err_set(err, ERR_LIMIT,
			       "the server lost track of what was asked and names more than %d "
			       "people as still there",
			       DIR_PRESENT_MAX);
		return DIR_REFUSED;
	}
	buf_add_str(present, id);
	return buf_fault(present, err, "the ids of those who are there");
}

static int name_id(struct sync *s, struct str id, bool present, struct err *err)
{
	char key[ENC_UUID_CHARS + 1];

	if (!s->c->at.p) /* the first time everybody comes: nobody is a change */
		return 0;
	if (present)
		return here_id(s, id, err);
	enc_uuid((const unsigned char *)id.p, key);
	return dir_changes_name(s->c, key, err);
}

/* All states but present mean: look. Whether it is really gone, the look-up says. */
static int take_entry(struct sync *s, LDAPMessage *message, struct err *err)
{
	CLEANUP(controls_free_at) LDAPControl **controls = NULL;
	struct sync_state_value v;

	s->c->entries++;
	if (ldap_get_entry_controls(dir_conn_ld(s->c->session->conn), message, &controls) !=
		    LDAP_SUCCESS ||
	    !sync_state_read(value_of(controls, OID_SYNC_STATE), &v))
		return broken(err, "an entry's sync state");
	int r = cookie_keep(s, v.cookie, err);

	if (r == 0 && v.state != SYNC_DELETE && s->c->at.p)
		r = name_id(s, v.id, true, err);
	if (r == 0 && v.state != SYNC_PRESENT)
		r = name_id(s, v.id, false, err);
	return r;
}

static int take_info(struct sync *s, LDAPMessage *message, struct err *err)
{
	struct berval *value = NULL;
	struct sync_info_value v;
	char *oid = NULL;
	struct str id;
	int rc = ldap_parse_intermediate(dir_conn_ld(s->c->session->conn), message, &oid,
					 &value, NULL, 0);
	bool known = rc == LDAP_SUCCESS && oid && strcmp(oid, OID_SYNC_INFO) == 0;
	int r = 0;

	if (known && (!value || !sync_info_read(str_n(value->bv_val, value->bv_len), &v)))
		r = broken(err, "a message about the synchronisation");
	if (known && r == 0) {
		r = cookie_keep(s, v.cookie, err);
		while (r == 0 && v.kind == SYNC_ID_SET && sync_id_next(&v.ids, &id))
			r = name_id(s, id, !v.flag, err);
	}
	ldap_memfree(oid);
	ber_bvfree(value);
	return r;
}

/* Above zero DIR_REFUSED. */
static int take_code(struct sync *s, LDAPMessage *message, LDAPControl ***controls,
		     struct err *err)
{
	int code = LDAP_OTHER, r = 0;
	char *words = NULL;

	if (ldap_parse_result(dir_conn_ld(s->c->session->conn), message, &code, NULL, &words,
			      NULL, controls, 0) != LDAP_SUCCESS)
		r = broken(err, "the result");
	else if (code != LDAP_SUCCESS)
		r = dir_code_fault(code, words, err, "asking what changed");
	ldap_memfree(words);
	/* stale; from another server or a later time; not understood; not allowed */
	if (r < 0 && (code == E_SYNC_REFRESH || code == LDAP_UNWILLING_TO_PERFORM ||
		      code == LDAP_UNAVAILABLE_CRITICAL_EXTENSION ||
		      code == LDAP_INSUFFICIENT_ACCESS || code == LDAP_PROTOCOL_ERROR))
		return DIR_REFUSED;
	return r;
}

static int take_done(struct sync *s, LDAPMessage *message, struct err *err)
{
	CLEANUP(controls_free_at) LDAPControl **controls = NULL;
	struct sync_done_value v;
	int r = take_code(s, message, &controls, err);

	if (r != 0)
		return r;
	if (!sync_done_read(value_of(controls, OID_SYNC_DONE), &v))
		return broken(err, "the end of the synchronisation");
	s->done = true;
	s->deletes = v.deletes;
	return cookie_keep(s, v.cookie, err);
}

static int take_message(struct sync *s, int type, LDAPMessage *message, struct err *err)
{
	switch (type) {
	case LDAP_RES_SEARCH_ENTRY:
		return take_entry(s, message, err);
	case LDAP_RES_INTERMEDIATE:
		return take_info(s, message, err);
	case LDAP_RES_SEARCH_RESULT:
		return take_done(s, message, err);
	case LDAP_RES_SEARCH_REFERENCE:
		return 0; /* the full read says what to do about those */
	default:
		return err_set(err, ERR_PROTOCOL,
			       "a message of type 0x%x, which has no place here",
			       (unsigned)type);
	}
}

/* What still comes of an answer that is read no further, libldap would keep for us while we ask
 * something else. */
static void give_up(struct sync *s, int id, int r)
{
	if (r != 0 && !s->done)
		ldap_abandon_ext(dir_conn_ld(s->c->session->conn), id, NULL, NULL);
}

static int sync_settle(struct sync *s, struct err *err)
{
	struct dir_changes *c = s->c;

	/* trap 9: not understood is answered with everything and an empty cookie */
	if (s->cookie_seen && !s->cookie.len) {
		(void)!err_set(err, ERR_INVALID_VALUE,
			       "the server did not understand the kept cookie and began anew");
		return DIR_REFUSED;
	}
	if (!s->cookie_seen && !c->at.p) {
		(void)!err_set(err, ERR_NOT_SUPPORTED, "the server gave no cookie");
		return DIR_REFUSED;
	}
	c->whole = c->at.p && !s->deletes;
	buf_add_str(&c->next, s->cookie_seen ? buf_str(&s->cookie) : c->at);
	return buf_fault(&c->next, err, "the cookie");
}

/*
 * Without a cookie the server sends everybody, only to say at the end how far it has come.
 * slapd's cookies hold nothing but that (the newest CSNs of each of its servers), so there the
 * base alone is asked: who changes after this is named by the next.
 */
static int first_scope(const struct dir_changes *c)
{
	return !c->at.p && c->session->dse.kind == DIR_OPENLDAP ? LDAP_SCOPE_BASE
								: LDAP_SCOPE_SUBTREE;
}

int dir_changes_syncrepl(struct dir_changes *c, struct err *err)
{
	static const char *const attrs[] = { "1.1", NULL };
	struct sync s = { .c = c };
	CLEANUP(buf_done) struct buf value = { 0 };
	int id, r;

	buf_init(&value, SYNC_COOKIE_MAX + 64);
	buf_init(&s.cookie, SYNC_COOKIE_MAX);
	sync_request_write(c->at, &value);
	r = buf_fault(&value, err, "the request");
	if (r == 0)
		r = send(&s, c->session->o->base, first_scope(c), c->session->filter,
			 (char *const *)(uintptr_t)attrs, OID_SYNC, &value, &id, err);
	while (r == 0 && !s.done) {
		CLEANUP(message_free_at) LDAPMessage *message = NULL;
		int type = dir_conn_next(c->session->conn, id, &message, err);

		r = type < 0 ? type : take_message(&s, type, message, err);
		give_up(&s, id, r);
	}
	if (r == 0)
		r = sync_settle(&s, err);
	buf_done(&s.cookie);
	return r;
}

/* --- DirSync -------------------------------------------------------------------------------
 */

static int take_object(struct sync *s, LDAPMessage *message, struct err *err)
{
	char key[DIR_ID_BYTES];
	struct str raw;
	int r = dir_entry_read(dir_conn_ld(s->c->session->conn), message, &s->entry, err);

	s->c->entries++;
	if (r < 0 || !s->c->at.p)
		return r;
	if (!dir_entry_first(&s->entry, "objectGUID", &raw) ||
	    !dir_id_text(DIR_ID_GUID, raw, key))
		return broken(err, "the objectGUID of a changed object");
	return dir_changes_name(s->c, key, err);
}

static int take_end(struct sync *s, LDAPMessage *message, struct err *err)
{
	CLEANUP(controls_free_at) LDAPControl **controls = NULL;
	struct dirsync_value v;
	int r = take_code(s, message, &controls, err);

	if (r != 0)
		return r;
	if (!dirsync_read(value_of(controls, OID_DIRSYNC), &v))
		return broken(err, "DirSync's answer");
	s->done = true;
	s->more = v.more;
	return cookie_keep(s, v.cookie, err);
}

static int one_answer(struct sync *s, char *const *attrs, struct err *err)
{
	struct dir_session *session = s->c->session;
	CLEANUP(buf_done) struct buf value = { 0 };
	int id, r;

	buf_init(&value, SYNC_COOKIE_MAX + 64);
	dirsync_write(DIRSYNC_OBJECT_SECURITY, buf_str(&s->cookie), &value);
	r = buf_fault(&value, err, "the request");
	/* objectCategory is stripped from the dead, so it may not stand in the filter */
	if (r == 0)
		r = send(s, session->context, LDAP_SCOPE_SUBTREE, "(objectClass=user)", attrs,
			 OID_DIRSYNC, &value, &id, err);
	s->done = false;
	while (r == 0 && !s->done) {
		CLEANUP(message_free_at) LDAPMessage *message = NULL;
		int type = dir_conn_next(session->conn, id, &message, err);

		if (type < 0)
			r = type;
		else if (type == LDAP_RES_SEARCH_ENTRY)
			r = take_object(s, message, err);
		else if (type == LDAP_RES_SEARCH_RESULT)
			r = take_end(s, message, err);
		give_up(s, id, r);
	}
	return r;
}

/* Only what is asked for is watched: the map's attributes, and those of moves and deletions. */
static int watched(struct dir_session *s, struct dir_values *into, struct err *err)
{
	static const char *const more[] = {
		"objectGUID",         "name",           "isDeleted",
		"userAccountControl", "accountExpires", "parentGUID"
	};
	char *const *names = dir_mapping_names(s->mapping);

	for (size_t i = 0; names[i]; i++)
		if (dir_values_add(into, str_of(names[i])) < 0)
			return err_nomem(err);
	for (size_t i = 0; i < COUNT_OF(more); i++)
		if (dir_values_add(into, str_of(more[i])) < 0)
			return err_nomem(err);
	return 0;
}

int dir_changes_dirsync(struct dir_changes *c, struct err *err)
{
	struct sync s = { .c = c, .more = true };
	CLEANUP(dir_values_done) struct dir_values names = { 0 };
	const char **attrs = NULL;
	int r = watched(c->session, &names, err);

	buf_init(&s.cookie, SYNC_COOKIE_MAX);
	if (c->at.p)
		buf_add_str(&s.cookie, c->at);
	attrs = calloc(names.n + 1, sizeof(*attrs));
	if (!attrs && r == 0)
		r = err_nomem(err);
	for (size_t i = 0; attrs && i < names.n; i++)
		attrs[i] = names.v[i].p;
	for (int n = 0; r == 0 && s.more; n++) {
		if (n == ANSWERS_MAX)
			r = err_set(err, ERR_LIMIT, "the server always has more");
		else
			r = one_answer(&s, (char *const *)(uintptr_t)attrs, err);
	}
	if (r == 0)
		buf_add_str(&c->next, buf_str(&s.cookie));
	if (r == 0)
		r = buf_fault(&c->next, err, "the cookie");
	free(attrs);
	buf_done(&s.cookie);
	dir_entry_done(&s.entry);
	return r;
}

int dir_changes_may_replicate(struct dir_session *session, struct err *err)
{
	static const char *const attrs[] = { "objectGUID", NULL };
	struct dir_changes c = { .session = session };
	struct sync s = { .c = &c };
	CLEANUP(buf_done) struct buf value = { 0 };
	int id, r;

	buf_init(&value, 256);
	buf_init(&s.cookie, SYNC_COOKIE_MAX);
	dirsync_write(0, (struct str){ 0 }, &value);
	r = buf_fault(&value, err, "the request");
	/* the domain itself alone */
	if (r == 0)
		r = send(&s, session->context, LDAP_SCOPE_SUBTREE, "(objectClass=domain)",
			 (char *const *)(uintptr_t)attrs, OID_DIRSYNC, &value, &id, err);
	while (r == 0 && !s.done) {
		CLEANUP(message_free_at) LDAPMessage *message = NULL;
		int type = dir_conn_next(session->conn, id, &message, err);

		if (type < 0)
			r = type;
		else if (type == LDAP_RES_SEARCH_RESULT)
			r = take_end(&s, message, err);
	}
	buf_done(&s.cookie);
	return r == DIR_REFUSED ? -ERR_FORBIDDEN : r;
}
