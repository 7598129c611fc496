/*
 * The audit events of the organisation, made of the effects of the ledger that changed
 * something: what was done under the organisation's key stands there whoever did it, and what a
 * test says that somebody did by hand (POST /_rehearsal/events). Ids of keys are made up; the
 * provisioning directory and sites have keys of their own.
 */
#include <inttypes.h>

#include "base/jx.h"
#include "tests/rehearsal/rehearsal.h"

static const struct action {
	const char *op, *id, *name;
} actions[] = {
	{ "suspend", "user_suspended", "Suspended a user" },
	{ "restore", "user_restored", "Restored a user" },
	{ "remove-user", "user_removed", "Removed a user from the directory" },
	{ "add-group", "user_added_to_group", "Added a user to a group" },
	{ "remove-group", "user_removed_from_group", "Removed a user from a group" },
	{ "assign-role", "user_granted_role", "Granted a role" },
	{ "revoke-role", "user_revoked_role", "Revoked a role" },
	{ "invite", "user_invited", "Invited users" },
	{ "create-group", "group_created", "Created a group" },
	{ "delete-group", "group_deleted", "Deleted a group" },
	{ "group-assign-role", "group_granted_role", "Granted a role to a group" },
	{ "group-revoke-role", "group_revoked_role", "Revoked a role of a group" },
	{ "disable", "managed_account_deactivated", "Deactivated a managed account" },
	{ "enable", "managed_account_reactivated", "Reactivated a managed account" },
	{ "delete", "managed_account_deletion_started", "Began to delete a managed account" },
	{ "cancel-delete", "managed_account_deletion_cancelled", "Cancelled a deletion" },
	{ "revoke-token", "api_token_revoked", "Revoked an API token" },
	{ "revoke-all-tokens", "api_tokens_revoked", "Revoked all API tokens" },
	/* of a kind that nobody here knows: their list grows */
	{ "classify", "data_policy_applied", "Applied a data policy" },
};

static const char *action_id(const char *op)
{
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		if (strcmp(actions[i].op, op) == 0)
			return actions[i].id;
	}
	return op;
}

static int event_actions(struct call *c)
{
	struct jw w = { .b = &c->out };
	int status = call_org(c);

	if (status)
		return status;
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '[');
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		jw_open(&w, NULL, '{');
		jw_text(&w, "id", actions[i].id);
		jw_text(&w, "type", "event-actions");
		jw_open(&w, "attributes", '{');
		jw_text(&w, "displayName", actions[i].name);
		jw_text(&w, "groupDisplayName", "User management");
		jw_close(&w, '}');
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	return 200;
}

static bool is_scim(const struct effect *e)
{
	return strncmp(e->op, "scim-", 5) == 0;
}

static bool is_known(const char *op)
{
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		if (strcmp(actions[i].op, op) == 0)
			return true;
	}
	return false;
}

static void actor_write(struct call *c, struct jw *w, const struct effect *e)
{
	const struct account *owner =
		c->org->key_owner != UINT32_MAX ? c->org->accounts.v[c->org->key_owner] : NULL;
	bool org_key = is_known(e->op);
	uint32_t who;

	if (e->by) {
		jw_open(w, "actor", '{');
		jw_text(w, "id", e->by);
		if (org_account_by_id(c->org, str_of(e->by), &who))
			jw_text(w, "email", c->org->accounts.v[who]->email);
		if (e->key) {
			jw_open(w, "auth", '{');
			jw_text(w, "authType", "container-token");
			if (e->key[0]) /* the documents do not promise it */
				jw_text(w, "tokenId", e->key);
			jw_close(w, '}');
		}
		jw_close(w, '}');
		return;
	}

	jw_open(w, "actor", '{');
	jw_text(w, "id", owner ? owner->id : "unknown");
	if (owner) {
		jw_text(w, "name", owner->name);
		jw_text(w, "email", owner->email);
	}
	jw_open(w, "auth", '{');
	jw_text(w, "authType", org_key || is_scim(e) ? "container-token" : "api-token");
	jw_text(w, "tokenId", org_key ? "key-1" : is_scim(e) ? "scim-key-1" : "site-token-1");
	jw_text(w, "tokenLabel",
		org_key      ? "organization-api-key"
		: is_scim(e) ? "scim"
			     : "site");
	jw_close(w, '}');
	jw_close(w, '}');
}

static void event_write(struct call *c, struct jw *w, const struct effect *e, size_t n)
{
	uint32_t g;
	char id[40];

	snprintf(id, sizeof(id), "event-%012zu", n + 1);
	jw_open(w, NULL, '{');
	jw_text(w, "id", id);
	jw_text(w, "type", "events");
	jw_open(w, "attributes", '{');
	jw_time(w, "time", e->at_ms);
	jw_time(w, "processedAt", e->at_ms);
	jw_text(w, "action", action_id(e->op));
	actor_write(c, w, e);
	jw_open(w, "context", '[');
	if (e->account[0]) {
		jw_open(w, NULL, '{');
		jw_text(w, "id", e->account);
		jw_text(w, "type", "users");
		jw_close(w, '}');
	}
	if (e->detail[0]) {
		bool group = strstr(e->op, "group") &&
			     org_group_by_name(c->org, str_of(e->detail), &g);

		jw_open(w, NULL, '{');
		if (group)
			jw_textf(w, "id", "ari:cloud:identity::group/%s",
				 c->org->groups.v[g]->id);
		else
			jw_text(w, "id", e->detail);
		jw_text(w, "type", group ? "groups" : "detail");
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_open(w, "container", '[');
	jw_open(w, NULL, '{');
	jw_text(w, "id", c->org->id);
	jw_text(w, "type", "orgs");
	jw_close(w, '}');
	jw_close(w, ']');
	jw_close(w, '}');
	jw_open(w, "links", '{');
	jw_textf(w, "self", "%s/admin/v1/orgs/%s/events/%s", c->re->base, c->org->id, id);
	jw_close(w, '}');
	jw_close(w, '}');
}

/* A bound in epoch milliseconds; `otherwise` if it was not sent. False if it is no number. */
static bool bound_read(const json_t *asked, const char *name, int64_t otherwise, int64_t *ret)
{
	const json_t *v = json_object_get(asked, name);

	*ret = otherwise;
	if (!v)
		return true;
	if (json_is_integer(v)) {
		*ret = json_integer_value(v);
		return true;
	}
	return json_is_string(v) && str_int64(str_of(json_string_value(v)), ret);
}

static size_t events_write(struct call *c, struct jw *w, const struct page *page, size_t top,
			   bool down, int64_t from, int64_t to)
{
	const struct ledger *l = &c->re->ledger;
	size_t sent = 0, i;

	for (i = page->from; i < top && sent < page->limit; i++) {
		size_t n = down ? top - 1 - i : i;
		const struct effect *e = n < l->cleared ? NULL : &l->effects.v[n - l->cleared];

		if (!e || !e->changed || e->at_ms < from || e->at_ms > to)
			continue;
		sent++;
		if (!page->lost)
			event_write(c, w, e, n);
	}
	return i;
}

static void stream_end(struct call *c, struct jw *w, struct page *page)
{
	CLEANUP(free_at) char *next = page_next(c, page);

	jw_open(w, "meta", '{');
	jw_int(w, "page_size", (int64_t)page->limit);
	if (next)
		jw_text_or_null(w, "next", next);
	jw_close(w, '}');
	jw_open(w, "links", '{');
	if (next) {
		jw_key(w, "next");
		buf_addf(&c->out, "\"%s/admin/v1/orgs/%s/events-stream?cursor=%s\"",
			 c->re->base, c->org->id, next);
	}
	jw_close(w, '}');
}

/* The last page has a cursor too: it says where new events will come. */
static int events_stream(struct call *c)
{
	static const char *const no_lists[] = { NULL };
	CLEANUP(json_decref_at) json_t *asked = call_query_object(c, no_lists);
	CLEANUP(page_close) struct page page = { 0 };
	struct jw w = { .b = &c->out };
	size_t most = c->re->ledger.cleared + c->re->ledger.effects.n, top = most;
	const char *order;
	int64_t from, to;
	bool down;
	int status = call_org(c);

	if (status == 0)
		status = page_open(c, &page, "events", asked, 200, 500);
	if (status)
		return status;
	order = json_string_value(json_object_get(page.asked, "sortOrder"));
	down = order && strcmp(order, "desc") == 0;
	if (!bound_read(page.asked, "from", INT64_MIN, &from) ||
	    !bound_read(page.asked, "to", INT64_MAX, &to))
		return answer_error(c, 400, "ADMIN-400-3",
				    "from and to are epoch milliseconds");
	if (down && json_object_get(page.asked, "top"))
		top = (size_t)json_integer_value(json_object_get(page.asked, "top"));
	else if (down)
		json_object_set_new(page.asked, "top", json_integer((json_int_t)top));
	if (top > most)
		top = most;
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '[');
	page.next = events_write(c, &w, &page, top, down, from, to);
	jw_close(&w, ']');
	stream_end(c, &w, &page);
	jw_close(&w, '}');
	return 200;
}

int events_post(struct call *c)
{
	const char *action = json_string_value(json_object_get(c->body, "action"));
	const char *account = json_string_value(json_object_get(c->body, "account"));
	const char *group = json_string_value(json_object_get(c->body, "group"));
	const char *actor = json_string_value(json_object_get(c->body, "actor"));
	const char *key = json_string_value(json_object_get(c->body, "key"));

	for (size_t i = 0; action && actor && i < COUNT_OF(actions); i++) {
		if (strcmp(actions[i].id, action) != 0)
			continue;
		ledger_event(&c->re->ledger, c->now_ms, actions[i].op, account ? account : "",
			     group ? group : "", actor, key);
		buf_add_text(&c->out, "{\"ok\":true}");
		return 200;
	}
	return answer_proxy(c, 400, "events: a known action, and an actor");
}

/* clang-format off */
const struct endpoint endpoints_events[] = {
	{ "GET", "/admin/v1/orgs/{org}/event-actions", event_actions, 0 },
	{ "GET", "/admin/v1/orgs/{org}/events-stream", events_stream, 0 },
	{ NULL, NULL, NULL, 0 },
};
/* clang-format on */
