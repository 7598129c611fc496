#include "ldap/rights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ldap/delta.h"

#define K(kind) (1u << (DIR_##kind))
#define ANY_AD (K(AD) | K(SAMBA) | K(ADLDS))
#define ANY_389 (K(389) | K(FREEIPA))
#define TEXT_MAX 1024

const char *const dir_right_words[DIR_RIGHT_STATES] = {
	[DIR_RIGHT_SEEN] = "seen",
	[DIR_RIGHT_NEVER] = "never seen",
	[DIR_RIGHT_REFUSED] = "refused",
};

void dir_rights_free(struct dir_rights *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].what);
		free(r->v[i].text);
	}
	dir_rights_done(r);
}

static int add(struct dir_rights *into, const char *what, enum dir_right_state state,
	       bool needed, struct buf *text, struct err *err)
{
	struct dir_right right = { .what = str_dup(str_of(what)),
				   .state = state,
				   .needed = needed,
				   .text = buf_take(text, NULL) };

	if (right.what && right.text && dir_rights_add(into, right) == 0)
		return 0;
	free(right.what);
	free(right.text);
	return err_nomem(err);
}

/* --- what grants ---------------------------------------------------------------------------
 */

static const char *account(const struct dir_session *s)
{
	return s->o->bind_dn ? s->o->bind_dn : "ACCOUNT";
}

/* Reading one attribute of everybody below base. */
static void grant_attr(const struct dir_session *s, const char *attr, struct buf *into)
{
	switch (s->dse.kind) {
	case DIR_OPENLDAP:
		buf_addf(
			into,
			"olcAccess: to dn.subtree=\"%s\" attrs=%s by dn.exact=\"%s\" read by * "
			"break",
			s->o->base, attr, account(s));
		break;
	case DIR_AD:
	case DIR_SAMBA:
	case DIR_ADLDS:
		buf_addf(into, "dsacls \"%s\" /I:S /G \"%s:RP;%s;user\"", s->o->base,
			 account(s), attr);
		break;
	case DIR_389:
	case DIR_FREEIPA:
		buf_addf(into,
			 "at %s aci: (targetattr = \"%s\")(version 3.0; acl \"leaverd %s\"; "
			 "allow "
			 "(read, search, compare) userdn = \"ldap:///%s\";)",
			 s->o->base, attr, attr, account(s));
		break;
	default:
		buf_addf(into, "the right to read and search %s below %s", attr, s->o->base);
	}
}

/* --- attributes ----------------------------------------------------------------------------
 */

static int attr_look(const struct dir_session *s, const struct dir_attr_stat *a,
		     uint64_t sampled, struct dir_rights *into, struct err *err)
{
	enum dir_right_state state = a->unknown ? DIR_RIGHT_REFUSED
				     : a->with  ? DIR_RIGHT_SEEN
						: DIR_RIGHT_NEVER;
	CLEANUP(buf_done) struct buf text;

	buf_init(&text, TEXT_MAX * 4);
	if (state == DIR_RIGHT_SEEN)
		buf_addf(&text, "%" PRIu64 " of %" PRIu64 " people show it", a->with, sampled);
	else if (state == DIR_RIGHT_REFUSED)
		buf_addf(&text, "%s; what rests on it is unknown. Granted by: ",
			 a->why ? a->why : "not readable");
	else
		buf_addf(&text,
			 "none of %" PRIu64
			 " people shows it%s. If somebody has it, it is hidden: "
			 "name him as a canary (\"uid=... has %s\"). Granted by: ",
			 sampled,
			 a->state ? ", as it should be if nobody is locked, expired or deleted"
				  : "",
			 a->name);
	if (state != DIR_RIGHT_SEEN)
		grant_attr(s, a->name, &text);
	return add(into, a->name, state, state == DIR_RIGHT_REFUSED, &text, err);
}

/* --- what stands elsewhere -----------------------------------------------------------------
 */

enum right_at { AT_SUFFIX, AT_PEOPLE, AT_DELETED, AT_SERVER };

/* clang-format off */
static const struct place {
	unsigned kinds;
	const char *what;
	enum right_at at;
	enum dir_scope scope;
	const char *filter; /* NULL: for people */
	const char *attr;
	bool deleted; /* the control that shows them */
	const char *for_what;
	const char *grant[3]; /* the suffix, or base for people, and the account stand between */
} places[] = {
	{ K(OPENLDAP), "contextCSN", AT_SUFFIX, DIR_SCOPE_BASE, "(objectClass=*)", "contextCSN", false,
	  "a server that lags, or was put back from a backup, is noticed by it",
	  { "olcAccess: to dn.base=\"", "\" attrs=entry,contextCSN by dn.exact=\"", "\" read by * break" } },
	{ K(OPENLDAP), "entryCSN", AT_PEOPLE, DIR_SCOPE_SUB, NULL, "entryCSN", false,
	  "who changed last is held against it, which shows a backup that was put back",
	  { "olcAccess: to dn.subtree=\"", "\" attrs=entryCSN by dn.exact=\"", "\" read by * break" } },
	{ ANY_AD, "uSNChanged", AT_PEOPLE, DIR_SCOPE_SUB, NULL, "uSNChanged", false,
	  "changes are asked for by it where DirSync is not used",
	  { "dsacls \"", "\" /I:S /G \"", ":RP;uSNChanged;user\"" } },
	{ ANY_AD, "invocationId", AT_SERVER, DIR_SCOPE_BASE, "(objectClass=*)", "invocationId", false,
	  "a domain controller that was put back from a backup is noticed by it",
	  { "dsacls \"CN=Sites,CN=Configuration,", "\" /I:T /G \"", ":GR\"" } },
	{ ANY_AD, "Deleted Objects", AT_DELETED, DIR_SCOPE_SUB, "(isDeleted=TRUE)", "isDeleted", true,
	  "a look-up can say deleted, and not only gone; nothing else rests on it",
	  { "dsacls \"CN=Deleted Objects,", "\" /takeownership, then the same with /G \"", ":LCRP\"" } },
	{ ANY_389, "entryusn", AT_PEOPLE, DIR_SCOPE_SUB, NULL, "entryusn", false,
	  "changes are asked for by it where the plug-in USN is on",
	  { "at ", " aci: (targetattr = \"entryusn\")(version 3.0; acl \"leaverd entryusn\"; allow (read, search, compare) userdn = \"ldap:///", "\";)" } },
	{ ANY_389, "tombstones", AT_SUFFIX, DIR_SCOPE_SUB, "(objectClass=nsTombstone)", "nsUniqueId", false,
	  "a look-up can say deleted, and not only gone; nothing else rests on it",
	  { "at ", " aci: (targetattr = \"objectClass || nsUniqueId || nsParentUniqueId\")(targetfilter = \"(objectClass=nsTombstone)\")(version 3.0; acl \"leaverd tombstones\"; allow (read, search, compare) userdn = \"ldap:///", "\";)" } },
};
/* clang-format on */

struct place_look {
	const char *attr;
	bool seen;
};

static int on_place(void *ctx, const struct dir_entry *e, struct err *err)
{
	struct place_look *look = ctx;

	(void)err;
	look->seen |= dir_entry_attr(e, str_of(look->attr), NULL) != NULL;
	return 0;
}

static int place_base(const struct dir_session *s, enum right_at at, struct buf *into,
		      struct err *err)
{
	buf_addf(into, "%s%s", at == AT_DELETED ? "CN=Deleted Objects," : "",
		 at == AT_PEOPLE   ? s->o->base
		 : at == AT_SERVER ? (s->dse.server_id ? s->dse.server_id : "")
				   : s->context);
	return buf_fault(into, err, "the base of a right");
}

/* Above zero: an enum dir_right_state, plus one. A fault only when the connection is no more.
 */
static int place_ask(struct dir_session *s, const struct place *p, struct buf *says,
		     struct err *err)
{
	CLEANUP(buf_done) struct buf base;
	const char *attrs[2] = { p->attr, NULL };
	struct dir_query q = dir_session_people(s);
	struct place_look look = { p->attr, false };
	struct dir_found found;
	struct err why = { 0 };
	int r;

	buf_init(&base, DIR_VALUE_MAX_BYTES + 64);
	r = place_base(s, p->at, &base, err);
	if (r < 0)
		return r;
	q.base = base.p;
	q.scope = p->scope;
	q.filter = p->filter ? p->filter : q.filter;
	q.attrs = (char *const *)(uintptr_t)attrs;
	/* one is enough: without pages the server would send all who are left */
	q.page_size = p->scope == DIR_SCOPE_SUB && s->dse.paged ? 1 : 0;
	q.max_entries = 1;
	q.show_deleted = p->deleted;
	r = dir_search(s->conn, &q, on_place, &look, &found, &why);
	if (r == -ERR_NETWORK || r == -ERR_TIMEOUT || r == -ERR_CANCELLED || r == -ERR_NOMEM)
		return err_set(err, -r, "%s", why.text);
	if (look.seen) /* a server that has more than one ends there with its limit */
		return 1 + DIR_RIGHT_SEEN;
	if (r == 0)
		return 1 + DIR_RIGHT_NEVER;
	buf_addf(says, "%.300s; ", why.text);
	return 1 + DIR_RIGHT_REFUSED;
}

static int place_look(struct dir_session *s, const struct place *p, struct dir_rights *into,
		      struct err *err)
{
	CLEANUP(buf_done) struct buf text, says;
	int r;

	buf_init(&text, TEXT_MAX * 4);
	buf_init(&says, TEXT_MAX);
	r = place_ask(s, p, &says, err);
	if (r < 0)
		return r;
	if (r == 1 + DIR_RIGHT_SEEN) {
		buf_addf(&text, "%s", p->for_what);
	} else {
		buf_addf(&text, "%s%s. Granted by: ", says.p ? says.p : "", p->for_what);
		buf_addf(&text, "%s%s%s%s%s", p->grant[0],
			 p->at == AT_PEOPLE ? s->o->base : s->context, p->grant[1], account(s),
			 p->grant[2]);
	}
	return add(into, p->what, (enum dir_right_state)(r - 1), false, &text, err);
}

/* --- the right to replicate ----------------------------------------------------------------
 */

/* DirSync without object security wants it; with, which is how we ask, reading is enough. */
static int replicate_look(struct dir_session *s, struct dir_rights *into, struct err *err)
{
	CLEANUP(buf_done) struct buf text = { 0 };
	struct err why = { 0 };
	int r;

	if (!s->dse.dirsync)
		return 0;
	r = dir_changes_may_replicate(s, &why);
	if (r < 0 && r != -ERR_FORBIDDEN && r != -ERR_NOT_SUPPORTED && r != -ERR_PROTOCOL)
		return err_set(err, -r, "%s", why.text);
	buf_init(&text, TEXT_MAX * 4);
	buf_addf(&text, "%s",
		 r == 0 ? "the account may replicate the directory: more than leaverd needs, "
			  "which "
			  "asks DirSync with object security"
			: "not needed: DirSync is asked with object security, for which "
			  "reading is "
			  "enough");
	return add(into, "Replicating Directory Changes",
		   r == 0 ? DIR_RIGHT_SEEN : DIR_RIGHT_REFUSED, false, &text, err);
}

int dir_rights_look(struct dir_session *s, const struct dir_attr_stats *stats, uint64_t sampled,
		    struct dir_rights *into, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < stats->n; i++)
		r = attr_look(s, &stats->v[i], sampled, into, err);
	for (size_t i = 0; r == 0 && i < COUNT_OF(places); i++)
		if (places[i].kinds & 1u << s->dse.kind)
			r = place_look(s, &places[i], into, err);
	return r == 0 ? replicate_look(s, into, err) : r;
}
