/* User management: what an organisation may do to the accounts it manages. */
#include "base/jx.h"
#include "tests/rehearsal/rehearsal.h"

/* The account of segment 1, if we may manage it at all. */
static int managed_read(struct call *c, uint32_t *account)
{
	const struct account *a;

	if (!org_account_by_id(c->org, call_segment(c, 1), account))
		return answer_key(c, 404, "accountNotFound");
	a = c->org->accounts.v[*account];
	if (org_life(a, c->now_ms) == LIFE_CLOSED)
		return answer_key(c, 404, "accountNotFound");
	if (!a->managed || a->type != TYPE_ATLASSIAN)
		return answer_key(c, 403, "forbidden");
	if (!a->verified)
		return answer_key(c, 403, "forbidden.targetUnverified");
	return 0;
}

/* --- privileges ------------------------------------------------------------------------ */

enum privilege {
	PRIVILEGE_PROFILE,
	PRIVILEGE_PROFILE_WRITE,
	PRIVILEGE_PROFILE_READ,
	PRIVILEGE_EMAIL,
	PRIVILEGE_ENABLEMENT,
	PRIVILEGE_DELETE,
	PRIVILEGE_TOKEN_READ,
	PRIVILEGE_TOKEN_DELETE,
	PRIVILEGES
};

static const char *const privilege_names[PRIVILEGES] = {
	"profile",       "profile.write",        "profile.read",
	"email.set",     "lifecycle.enablement", "lifecycle.delete",
	"apiToken.read", "apiToken.delete",
};

/* Why it is not allowed; NULL: it is. */
static const char *refused(const struct call *c, uint32_t account, enum privilege p)
{
	const struct account *a = c->org->accounts.v[account];

	if (p == PRIVILEGE_PROFILE_READ || p == PRIVILEGE_TOKEN_READ ||
	    p == PRIVILEGE_TOKEN_DELETE)
		return NULL;
	if (p == PRIVILEGE_ENABLEMENT || p == PRIVILEGE_DELETE) {
		if (account == c->org->key_owner)
			return "administrative.notMyself";
		if (a->platform & PLATFORM_ORG_ADMIN)
			return "administrative"; /* must cease to be one first */
	}
	return a->source == SOURCE_SYNCED ? "externalDirectory.scim" : NULL;
}

static void allowed_write(struct jw *w, const char *key, const char *reason)
{
	jw_open(w, key, '{');
	jw_bool(w, "allowed", !reason);
	if (reason) {
		jw_open(w, "reason", '{');
		jw_text(w, "key", reason);
		jw_close(w, '}');
	}
	jw_close(w, '}');
}

static void privilege_write(struct call *c, struct jw *w, uint32_t account, enum privilege p)
{
	static const char *const fields[] = { "name",
					      "nickname",
					      "zoneinfo",
					      "locale",
					      "extended_profile.department",
					      "extended_profile.job_title",
					      "extended_profile.location",
					      "extended_profile.organization" };
	const char *reason = refused(c, account, p);

	if (p != PRIVILEGE_PROFILE && p != PRIVILEGE_PROFILE_WRITE) {
		allowed_write(w, privilege_names[p], reason);
		return;
	}
	jw_open(w, privilege_names[p], '{');
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		allowed_write(w, fields[i], reason);
	jw_close(w, '}');
}

static int manage_get(struct call *c)
{
	static const char *const lists[] = { "privileges", NULL };
	CLEANUP(json_decref_at) json_t *asked = call_query_object(c, lists);
	const json_t *wanted = json_object_get(asked, "privileges"), *item;
	struct jw w = { .b = &c->out };
	uint32_t account;
	int status = managed_read(c, &account);

	if (status)
		return status;
	jw_open(&w, NULL, '{');
	for (int p = 0; p < PRIVILEGES; p++) {
		bool is = !wanted;
		size_t i;

		json_array_foreach ((json_t *)wanted, i, item)
			is |= strcmp(json_string_value(item), privilege_names[p]) == 0;
		if (is)
			privilege_write(c, &w, account, (enum privilege)p);
	}
	jw_close(&w, '}');
	return 200;
}

/* --- profile --------------------------------------------------------------------------- */

static int profile_get(struct call *c)
{
	struct jw w = { .b = &c->out };
	const struct account *a;
	uint32_t account;
	int status = managed_read(c, &account);

	if (status)
		return status;
	a = c->org->accounts.v[account];
	jw_open(&w, NULL, '{');
	jw_open(&w, "account", '{');
	jw_text(&w, "account_id", a->id);
	jw_text(&w, "account_type", account_type_text((enum account_type)a->type));
	jw_text(&w, "account_status", account_life_text(org_life(a, c->now_ms)));
	jw_text(&w, "name", a->name);
	jw_textf(&w, "nickname", "%.29s", a->nickname);
	jw_text(&w, "email", a->email);
	jw_textf(&w, "picture", "https://avatar.example.com/%s.png", a->id);
	jw_text(&w, "locale", "en-GB");
	jw_text(&w, "zoneinfo", "Europe/Berlin");
	jw_open(&w, "characteristics", '{');
	jw_bool(&w, "not_mentionable", a->life != LIFE_ACTIVE);
	jw_close(&w, '}');
	jw_open(&w, "extended_profile", '{');
	jw_text(&w, "job_title", a->job);
	jw_text(&w, "department", a->department);
	jw_close(&w, '}');
	jw_close(&w, '}');
	jw_close(&w, '}');
	return 200;
}

static int profile_changed(struct call *c, uint32_t account, const char *name)
{
	struct account *a = c->org->accounts.v[account];
	const char *text = org_text(c->org, str_of(name));
	bool changed;

	if (!text)
		return answer_proxy(c, 500, "out of memory");
	changed = strcmp(a->name, text) != 0;
	a->name = text;
	call_effect(c, "set-name", a->id, changed, "%s", name);
	return profile_get(c);
}

static int profile_patch(struct call *c)
{
	const char *name = json_string_value(json_object_get(c->body, "name")), *reason;
	uint32_t account;
	int status = managed_read(c, &account);

	if (status)
		return status;
	reason = refused(c, account, PRIVILEGE_PROFILE_WRITE);
	if (reason)
		return answer_forbidden_action(c, reason);
	return name ? profile_changed(c, account, name) : profile_get(c);
}

static int email_put(struct call *c)
{
	const char *email = json_string_value(json_object_get(c->body, "email")), *reason;
	uint32_t account;
	struct account *a;
	struct err err;
	bool changed;
	int status = managed_read(c, &account);

	if (status)
		return status;
	reason = refused(c, account, PRIVILEGE_EMAIL);
	if (reason)
		return answer_forbidden_action(c, reason);
	if (!email || !org_domain_verified(c->org, str_of(email)))
		return answer_key(c, 400, "badRequest");
	a = c->org->accounts.v[account];
	changed = !str_ieq(str_of(a->email), str_of(email));
	if (org_email_set(c->org, account, email, &err) < 0)
		return answer_key(c, 400, "badRequest");
	call_effect(c, "set-email", a->id, changed, "%s", email);
	return 204;
}

/* --- lifecycle ------------------------------------------------------------------------- */

static int lifecycle_read(struct call *c, uint32_t *account, enum privilege p)
{
	const char *reason;
	int status = managed_read(c, account);

	if (status)
		return status;
	reason = refused(c, *account, p);
	return reason ? answer_forbidden_action(c, reason) : 0;
}

static int disable(struct call *c)
{
	uint32_t account;
	bool changed;
	int status = lifecycle_read(c, &account, PRIVILEGE_ENABLEMENT);

	if (status)
		return status;
	changed = org_life_set(c->org, account, LIFE_INACTIVE, c->now_ms);
	call_effect(c, "disable", c->org->accounts.v[account]->id, changed, "%s", "");
	return 204;
}

/* Its seats must be there again: those in directories where it is not suspended. */
static bool enable_fits(struct call *c, const struct account *a, unsigned *resource)
{
	uint16_t mask = org_seats_wanted(c->org, a);

	for (unsigned r = 0; r < org_resource_count(c->org); r++) {
		if (a->member[org_resource_directory(c->org, r)] != MEMBER_ACTIVE)
			mask &= (uint16_t) ~(1u << r);
	}
	return org_fits(c->org, a, mask, resource);
}

static int enable(struct call *c)
{
	const struct account *a;
	uint32_t account;
	unsigned resource;
	bool changed;
	int status = lifecycle_read(c, &account, PRIVILEGE_ENABLEMENT);

	if (status)
		return status;
	a = c->org->accounts.v[account];
	if (a->delete_ms)
		return answer_lifecycle(
			c, a->id, "accountPendingDeletion",
			"The account is to be deleted: cancel the deletion first");
	if (a->life != LIFE_ACTIVE && !enable_fits(c, a, &resource))
		return answer_lifecycle(c, a->id, "licenseLimitExceeded",
					"No seat is left for the account");
	changed = org_life_set(c->org, account, LIFE_ACTIVE, c->now_ms);
	call_effect(c, "enable", a->id, changed, "%s", "");
	return 204;
}

static int message_answer(struct call *c, const char *text)
{
	struct jw w = { .b = &c->out };

	jw_open(&w, NULL, '{');
	jw_text(&w, "message", text);
	jw_close(&w, '}');
	return 200;
}

static int delete_later(struct call *c)
{
	struct account *a;
	uint32_t account;
	bool changed;
	int status = lifecycle_read(c, &account, PRIVILEGE_DELETE);

	if (status)
		return status;
	a = c->org->accounts.v[account];
	changed = a->delete_ms == 0;
	if (changed)
		a->delete_ms = c->now_ms;
	org_life_set(c->org, account, LIFE_INACTIVE, c->now_ms);
	call_effect(c, "delete", a->id, changed, "%s", "");
	return message_answer(c, "The account will be deleted in 14 days");
}

static int cancel_delete(struct call *c)
{
	struct account *a;
	uint32_t account;
	bool changed;
	int status = lifecycle_read(c, &account, PRIVILEGE_DELETE);

	if (status)
		return status;
	a = c->org->accounts.v[account];
	changed = a->delete_ms != 0;
	if (changed) {
		a->delete_ms = 0;
		org_life_set(c->org, account, LIFE_ACTIVE, c->now_ms);
	}
	call_effect(c, "cancel-delete", a->id, changed, "%s", "");
	return message_answer(c, "The account will not be deleted");
}

/* --- API tokens ------------------------------------------------------------------------ */

static int tokens_get(struct call *c)
{
	struct jw w = { .b = &c->out };
	uint32_t account, at;
	int status = managed_read(c, &account);

	if (status)
		return status;
	jw_open(&w, NULL, '[');
	for (at = c->org->accounts.v[account]->tokens; at; at = c->org->tokens.v[at - 1].next) {
		const struct token *t = &c->org->tokens.v[at - 1];

		if (t->revoked)
			continue;
		jw_open(&w, NULL, '{');
		jw_text(&w, "id", t->id);
		jw_text(&w, "label", t->label);
		jw_time(&w, "createdAt", t->created_ms);
		if (t->used_ms)
			jw_time(&w, "lastAccess", t->used_ms);
		jw_time(&w, "expiry", t->expires_ms);
		jw_close(&w, '}');
	}
	jw_close(&w, ']');
	return 200;
}

static int token_delete(struct call *c)
{
	uint32_t account, at;
	int status = managed_read(c, &account);

	if (status)
		return status;
	for (at = c->org->accounts.v[account]->tokens; at; at = c->org->tokens.v[at - 1].next) {
		struct token *t = &c->org->tokens.v[at - 1];

		if (t->revoked || !str_eq(call_segment(c, 4), str_of(t->id)))
			continue;
		t->revoked = true;
		call_effect(c, "revoke-token", c->org->accounts.v[account]->id, true, "%s",
			    t->id);
		return 204;
	}
	return answer_key(c, 404, "notFound");
}

/* clang-format off */
#define UM ENDPOINT_UM
#define UMW (ENDPOINT_UM | ENDPOINT_WRITE)
const struct endpoint endpoints_manage[] = {
	{ "GET",    "/users/{account}/manage", manage_get, UM },
	{ "GET",    "/users/{account}/manage/profile", profile_get, UM },
	{ "PATCH",  "/users/{account}/manage/profile", profile_patch, UMW | ENDPOINT_BODY },
	{ "PUT",    "/users/{account}/manage/email", email_put, UMW | ENDPOINT_BODY },
	{ "POST",   "/users/{account}/manage/lifecycle/disable", disable, UMW | ENDPOINT_BODY },
	{ "POST",   "/users/{account}/manage/lifecycle/enable", enable, UMW },
	{ "POST",   "/users/{account}/manage/lifecycle/delete", delete_later, UMW },
	{ "POST",   "/users/{account}/manage/lifecycle/cancel-delete", cancel_delete, UMW },
	{ "GET",    "/users/{account}/manage/api-tokens", tokens_get, UM },
	{ "DELETE", "/users/{account}/manage/api-tokens/{token}", token_delete, UMW },
	{ NULL, NULL, NULL, 0 },
};
/* clang-format on */
