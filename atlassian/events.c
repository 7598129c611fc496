#include "atlassian/events.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "atlassian/row.h"
#include "base/enc.h"

#define STREAM "/admin/v1/orgs/{}/events-stream"
#define CURSOR_BYTES 65536

static struct str text_in(const json_t *j, const char *member, const char *key)
{
	return atl_text(json_object_get(j, member), key);
}

/* Ids may come as "ari:cloud:identity::user/ID". */
static struct str bare_id(struct str id)
{
	if (!str_starts(id, STR("ari:")))
		return id;
	for (size_t i = id.len; i > 0; i--)
		if (id.p[i - 1] == '/')
			return str_n(id.p + i, id.len - i);
	return id;
}

bool atl_event_read(const json_t *row, struct atl_event *ret, char *why, size_t room)
{
	const json_t *a = json_object_get(row, "attributes");
	const json_t *actor = json_object_get(a, "actor"),
		     *auth = json_object_get(actor, "auth");
	struct str at = atl_text(a, "time"), processed = atl_text(a, "processedAt");

	*ret = (struct atl_event){
		.id = atl_text(row, "id"),
		.action = atl_text(a, "action"),
		.actor = bare_id(text_in(actor, "onBehalfOf", "id")),
		.token = atl_text(auth, "tokenId"),
		.org_key = str_eq(atl_text(auth, "authType"), STR("container-token")),
		.about = json_object_get(a, "context"),
	};
	if (!ret->actor.len)
		ret->actor = bare_id(atl_text(actor, "id"));
	if (!ret->id.len || !ret->action.len) {
		snprintf(why, room, "an event has no id or no action");
		return false;
	}
	if (!stamp_parse(at, &ret->at_ms)) {
		snprintf(why, room, "an event has no time");
		return false;
	}
	if (!stamp_parse(processed, &ret->processed_ms))
		ret->processed_ms = ret->at_ms;
	return true;
}

struct str atl_event_about(const json_t *about)
{
	return bare_id(atl_text(about, "id"));
}

bool atl_event_about_group(const json_t *about)
{
	struct str id = atl_text(about, "id"), type = atl_text(about, "type");

	return str_ieq(type, STR("group")) || str_ieq(type, STR("groups")) ||
	       (str_starts(id, STR("ari:")) && memmem(id.p, id.len, "::group/", 8));
}

/* Words between what are no letters. */
static bool next_word(struct str *rest, struct str *ret)
{
	size_t from = 0, to;

	while (from < rest->len && !isalpha((unsigned char)rest->p[from]))
		from++;
	for (to = from; to < rest->len && isalpha((unsigned char)rest->p[to]);)
		to++;
	*ret = str_n(rest->p + from, to - from);
	*rest = str_n(rest->p + to, rest->len - to);
	return ret->len > 0;
}

bool atl_event_is_change(struct str action)
{
	static const char *const words[] = {
		"add",       "added",    "assign",     "assigned",   "cancelled",   "change",
		"changed",   "create",   "created",    "deactivate", "deactivated", "delete",
		"deleted",   "deletion", "disable",    "disabled",   "enable",      "enabled",
		"grant",     "granted",  "invite",     "invited",    "reactivated", "remove",
		"removed",   "restore",  "restored",   "revoke",     "revoked",     "suspend",
		"suspended", "unassign", "unassigned", "unlinked",   "update",      "updated",
	};
	struct str word;

	while (next_word(&action, &word))
		for (size_t i = 0; i < COUNT_OF(words); i++)
			if (str_ieq(word, str_of(words[i])))
				return true;
	return false;
}

/* --- which of our steps it may be --- */

/*
 * Beginnings of words. All three must hold: one of the verbs, one of the nouns (none given: any
 * will do), and none of what speaks of something else.
 *
 * Why words: no document of Atlassian's lists the ids of actions. The OpenAPI document has
 * "action" as an open string and GET .../event-actions, which tells the ids an organisation
 * knows today. What is written down are the names that people are shown ("Audit log activities
 * database", support.atlassian.com, which says of itself that it is not whole); of accounts
 * these: Deactivated account, Reactivated account, Changed email address, Scheduled deletion of
 * account, Canceled deletion of account, Deleted account permanently. A test holds the words
 * against them.
 */
#define WORDS_MOST 6
struct wording {
	const char *verbs[WORDS_MOST], *nouns[WORDS_MOST], *never[WORDS_MOST];
};

/* clang-format off */
#define BLOCKING   { "deactivat", "disabl" }
#define UNBLOCKING { "reactivat", "activat", "enabl" }
#define TAKING     { "remov", "revok", "unassign" }
#define GIVING     { "add", "grant", "assign", "join" }
#define CHANGING   { "chang", "updat", "edit", "set" }
#define MEMBERSHIP { "group", "member" }
#define RIGHTS     { "role", "access", "permission", "admin", "privilege" }
#define SOMEBODY   { "user", "member", "role", "access" }

static const struct wording wordings[STEP_OP_COUNT] = {
	[STEP_SUSPEND]      = { { "suspend" } },
	[STEP_RESTORE]      = { { "restor", "unsuspend" }, .never = { "delet" } },
	[STEP_DISABLE]      = { BLOCKING },
	[STEP_ENABLE]       = { UNBLOCKING },
	[STEP_REMOVE_GROUP] = { TAKING, MEMBERSHIP, { "role", "permission", "token" } },
	[STEP_ADD_GROUP]    = { GIVING, MEMBERSHIP, { "role", "permission", "token" } },
	[STEP_REVOKE_ROLE]  = { TAKING, RIGHTS, { "group", "token" } },
	[STEP_ASSIGN_ROLE]  = { GIVING, RIGHTS, { "group", "token" } },
	[STEP_REVOKE_TOKEN] = { { "revok", "remov", "delet" }, { "token" } },
	[STEP_DELETE]       = { { "delet" }, { "account", "user" }, { "cancel", "group", "token", "role" } },
	[STEP_CANCEL_DELETE] = { { "cancel", "restor" }, { "delet" } },
	[STEP_SET_EMAIL]    = { CHANGING, { "email", "mail", "address" } },
	[STEP_SET_NAME]     = { CHANGING, { "name", "profile" } },
	[STEP_MAKE_GROUP]   = { { "creat", "add" }, { "group" }, SOMEBODY },
	[STEP_DROP_GROUP]   = { { "delet", "remov" }, { "group" }, SOMEBODY },
	[STEP_SCIM_CREATE]  = { { "creat", "add", "provision", "invit", "link" }, .never = { "group" } },
	[STEP_SCIM_UPDATE]  = { CHANGING, .never = { "group" } },
	[STEP_SCIM_ACTIVATE]   = { UNBLOCKING },
	[STEP_SCIM_DEACTIVATE] = { BLOCKING },
	[STEP_SCIM_MAKE_GROUP] = { { "creat", "add", "make" }, { "group" }, SOMEBODY },
	[STEP_SCIM_JOIN]    = { GIVING, .never = { "role", "token" } },
	[STEP_SCIM_LEAVE]   = { { "remov", "delet", "leav" }, .never = { "role", "token" } },
};
/* clang-format on */

static bool has_word(struct str action, const char *const stems[WORDS_MOST])
{
	struct str word;

	while (next_word(&action, &word))
		for (size_t i = 0; i < WORDS_MOST && stems[i]; i++)
			if (word.len >= strlen(stems[i]) &&
			    str_ieq(str_n(word.p, strlen(stems[i])), str_of(stems[i])))
				return true;
	return false;
}

bool atl_event_is_of(struct str action, enum step_op op)
{
	const struct wording *w;

	if ((unsigned)op >= STEP_OP_COUNT || !wordings[op].verbs[0])
		return false;
	w = &wordings[op];
	return has_word(action, w->verbs) && (!w->nouns[0] || has_word(action, w->nouns)) &&
	       !has_word(action, w->never);
}

bool atl_event_is_known(struct str action)
{
	for (int op = 0; op < STEP_OP_COUNT; op++)
		if (atl_event_is_of(action, (enum step_op)op))
			return true;
	return false;
}

/* --- asking ------------------------------------------------------------------------------- */

static int path_of(struct atl_client *c, struct str cursor, int64_t from_ms, struct buf *into,
		   struct err *err)
{
	const struct str args[] = { str_of(atl_client_options(c)->org_id) };
	int r = atl_path(into, STREAM, args, 1, err);

	if (r < 0)
		return r;
	if (cursor.len) {
		buf_add_text(into, "?cursor=");
		enc_percent(into, cursor);
	} else {
		buf_addf(into, "?from=%" PRId64 "&limit=%d&sortOrder=asc", from_ms,
			 ATL_EVENTS_PAGE);
	}
	return buf_fault(into, err, "a cursor of audit events");
}

/* Where the list goes on: meta.next, the bare cursor. */
static int page_take(json_t *doc, struct str cursor, struct atl_events_page *ret,
		     struct err *err)
{
	const json_t *data = json_object_get(doc, "data");
	const json_t *next = json_object_get(json_object_get(doc, "meta"), "next");

	if (!json_is_array(data))
		return err_set(err, ERR_INCOMPLETE,
			       "audit events: the answer has no list \"data\"");
	ret->rows = data;
	ret->next = str_n(json_string_value(next), json_string_length(next));
	if (json_array_size(data) && str_eq(ret->next, cursor) && cursor.len)
		return err_set(err, ERR_INCOMPLETE,
			       "audit events: the same cursor came twice: the list turns in a "
			       "circle");
	ret->end = !json_array_size(data) || !ret->next.len;
	ret->doc = doc;
	return 0;
}

int atl_events_read(struct atl_client *c, struct str cursor, int64_t from_ms,
		    struct atl_events_page *ret, struct err *err)
{
	struct atl_request q = { .method = "GET", .family = ATL_EVENTS };
	CLEANUP(buf_done) struct buf path;
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct atl_problem problem;
	int r;

	buf_init(&path, CURSOR_BYTES * 4);
	r = path_of(c, cursor, from_ms, &path, err);
	if (r < 0)
		return r;
	q.path = path.p;
	r = atl_call(c, &q, &doc, &problem, err);
	if (r < 0 && cursor.len &&
	    (problem.status == 400 || problem.status == 404 || problem.status == 410))
		return ATL_EVENTS_LOST;
	if (r == 0)
		r = page_take(doc, cursor, ret, err);
	if (r == 0)
		(void)TAKE(doc); /* it is the page's now */
	return r;
}

void atl_events_page_done(struct atl_events_page *p)
{
	json_decref(p->doc);
	*p = (struct atl_events_page){ 0 };
}

int atl_events_list(struct atl_pages *p, struct atl_client *c, struct err *err)
{
	const struct str args[] = { str_of(atl_client_options(c)->org_id) };
	CLEANUP(buf_done) struct buf path;
	int r;

	buf_init(&path, CURSOR_BYTES);
	r = atl_path(&path, STREAM, args, 1, err);
	return r < 0 ? r
		     : atl_pages_init(p, c, ATL_PAGES_QUERY, ATL_EVENTS, buf_str(&path),
				      "limit=1", NULL, "audit events", err);
}
