/* What changes accounts in the organisation: suspend, restore, remove, roles, invites. */
#include "base/jx.h"
#include "tests/rehearsal/rehearsal.h"

/* --- the directory --------------------------------------------------------------------- */

/* The account of segment 7, a member of the directory. */
static int member_read(struct call *c, int *directory, uint32_t *account)
{
	int status = call_directory(c, false, directory);

	if (status == 0)
		status = call_account(c, 7, account);
	if (status == 0 && c->org->accounts.v[*account]->member[*directory] == MEMBER_NONE)
		status =
			answer_error(c, 404, "ADMIN-404-8", "The user is not in the directory");
	return status;
}

/* The last who can administer the organisation stays: 0 or the refusal. */
static int last_admin(struct call *c, uint32_t account)
{
	const struct account *a = c->org->accounts.v[account];

	if ((a->platform & PLATFORM_ORG_ADMIN) && a->life == LIFE_ACTIVE &&
	    org_membership(c->org, a) == MEMBER_ACTIVE && org_admin_count(c->org) <= 1)
		return answer_error(c, 403, "ADMIN-403-3",
				    "The last organization admin cannot be removed");
	return 0;
}

static int user_suspend(struct call *c)
{
	uint32_t account;
	bool changed;
	int directory, status = member_read(c, &directory, &account);

	if (status == 0)
		status = last_admin(c, account);
	if (status)
		return status;
	changed = org_member_set(c->org, account, (unsigned)directory, MEMBER_SUSPENDED);
	call_effect(c, "suspend", c->org->accounts.v[account]->id, changed, "%s",
		    c->org->directory_count > 1 ? c->org->directories[directory].name : "");
	return 204;
}

/* The wanted seats in resources of one directory. */
static uint16_t seats_of_directory(const struct org *org, const struct account *a,
				   unsigned directory)
{
	uint16_t mask = org_seats_wanted(org, a);

	for (unsigned r = 0; r < org_resource_count(org); r++) {
		if (org_resource_directory(org, r) != directory)
			mask &= (uint16_t) ~(1u << r);
	}
	return mask;
}

static int user_restore(struct call *c)
{
	const struct account *a;
	uint32_t account;
	unsigned resource;
	bool changed;
	int directory, status = member_read(c, &directory, &account);

	if (status)
		return status;
	a = c->org->accounts.v[account];
	if (a->life == LIFE_ACTIVE &&
	    !org_fits(c->org, a, seats_of_directory(c->org, a, (unsigned)directory), &resource))
		return answer_error(c, 400, "ADMIN-400-32",
				    "Restoring would breach the user limit of %s",
				    c->org->resources[resource].label);
	changed = org_member_set(c->org, account, (unsigned)directory, MEMBER_ACTIVE);
	call_effect(c, "restore", a->id, changed, "%s",
		    c->org->directory_count > 1 ? c->org->directories[directory].name : "");
	return 204;
}

/* An organization admin must cease to be one first. */
static int user_remove(struct call *c)
{
	const struct account *a;
	uint32_t account;
	bool changed;
	int directory, status = member_read(c, &directory, &account);

	if (status)
		return status;
	a = c->org->accounts.v[account];
	if (a->platform & PLATFORM_ORG_ADMIN)
		return answer_error(c, 403, "ADMIN-403-3",
				    "An organization admin cannot be removed");
	changed = org_remove(c->org, account, (unsigned)directory, c->now_ms);
	call_effect(c, "remove-user", a->id, changed, "%s",
		    c->org->directory_count > 1 ? c->org->directories[directory].name : "");
	return 204;
}

/* --- roles ----------------------------------------------------------------------------- */

static int role_body(struct call *c, uint32_t *account, enum role *role)
{
	const char *id = json_string_value(json_object_get(c->body, "role"));
	int status = call_org(c);

	if (status)
		return status;
	if (!id || !role_by_id(str_of(id), role))
		return answer_error(c, 400, "ADMIN-UAM-400-1", "role is not a known role");
	if (!org_account_by_id(c->org, call_segment(c, 5), account))
		return answer_error(c, 404, "ADMIN-UAM-404-3", "User not found");
	return 0;
}

static int org_admin_set(struct call *c, uint32_t account, bool on, const char *op)
{
	const struct account *a = c->org->accounts.v[account];
	bool changed;

	if (!on && account == c->org->key_owner)
		return answer_error(c, 403, "ADMIN-UAM-403-1",
				    "Nobody can take their own organization admin role");
	if (!on && (a->platform & PLATFORM_ORG_ADMIN) && org_admin_count(c->org) <= 1)
		return answer_error(c, 403, "ADMIN-UAM-403-1",
				    "The last organization admin cannot be removed");
	if (on && a->life != LIFE_ACTIVE)
		return answer_error(c, 400, "ADMIN-UAM-400-2", "Inactive user");
	changed = org_platform(c->org, account, PLATFORM_ORG_ADMIN, on, c->now_ms);
	call_effect(c, op, a->id, changed, "%s", role_id(ROLE_ORG_ADMIN));
	return 204;
}

/* The site of "ari:cloud:platform::site/ID". */
static bool site_by_ari(const struct org *org, struct str ari, unsigned *ret)
{
	static const char head[] = "ari:cloud:platform::site/";

	if (!str_starts(ari, str_of(head)))
		return false;
	for (unsigned s = 0; s < org->site_count; s++) {
		if (str_eq(str_n(ari.p + sizeof(head) - 1, ari.len - (sizeof(head) - 1)),
			   str_of(org->sites[s].id))) {
			*ret = s;
			return true;
		}
	}
	return false;
}

static int site_admin_set(struct call *c, uint32_t account, struct str ari, bool on,
			  const char *op)
{
	const struct account *a = c->org->accounts.v[account];
	unsigned site;
	bool changed;

	if (!site_by_ari(c->org, ari, &site))
		return answer_error(c, 400, "ADMIN-UAM-400-3",
				    "The role is not valid for the resource");
	changed = org_platform(c->org, account, PLATFORM_SITE_ADMIN(site), on, c->now_ms);
	call_effect(c, op, a->id, changed, "%s %s", role_id(ROLE_SITE_ADMIN),
		    c->org->sites[site].name);
	return 204;
}

static int role_set(struct call *c, bool on)
{
	const char *ari = json_string_value(json_object_get(c->body, "resource"));
	const char *op = on ? "assign-role" : "revoke-role";
	const struct account *a;
	unsigned resource;
	uint32_t account;
	enum role role;
	bool changed;
	int status = role_body(c, &account, &role);

	if (status)
		return status;
	if (role == ROLE_ORG_ADMIN)
		return org_admin_set(c, account, on, op);
	if (!ari)
		return answer_error(c, 400, "ADMIN-UAM-400-1", "resource is required");
	if (role == ROLE_SITE_ADMIN)
		return site_admin_set(c, account, str_of(ari), on, op);
	if (!org_resource_by_ari(c->org, str_of(ari), &resource))
		return answer_error(c, 404, "ADMIN-UAM-404-1", "Unknown resource");
	a = c->org->accounts.v[account];
	if (on && a->life != LIFE_ACTIVE)
		return answer_error(c, 400, "ADMIN-UAM-400-2", "Inactive user");
	if (on && (ROLE_BIT(role) & ROLES_BILLED) &&
	    a->member[org_resource_directory(c->org, resource)] != MEMBER_SUSPENDED &&
	    !org_fits(c->org, a, (uint16_t)(1u << resource), &resource))
		return answer_error(c, 409, "ADMIN-UAM-409-3",
				    "Product license limit exceeded: %s",
				    c->org->resources[resource].label);
	changed = org_role(c->org, account, resource, role, on, c->now_ms);
	if (on && a->member[org_resource_directory(c->org, resource)] == MEMBER_NONE)
		org_member_set(c->org, account, org_resource_directory(c->org, resource),
			       MEMBER_ACTIVE);
	call_effect(c, op, a->id, changed, "%s %s", role_id(role),
		    c->org->resources[resource].label);
	return 204;
}

static int role_assign(struct call *c)
{
	return role_set(c, true);
}

static int role_revoke(struct call *c)
{
	return role_set(c, false);
}

/* The organization-level roles: only one so far. */
static int level_set(struct call *c, bool on)
{
	uint32_t account;
	enum role role;
	int status = role_body(c, &account, &role);

	if (status)
		return status;
	if (role != ROLE_ORG_ADMIN)
		return answer_error(c, 400, "ADMIN-UAM-400-1",
				    "role must be atlassian/org-admin");
	return org_admin_set(c, account, on, on ? "assign-role" : "revoke-role");
}

static int level_assign(struct call *c)
{
	return level_set(c, true);
}

static int level_revoke(struct call *c)
{
	return level_set(c, false);
}

/* --- invites --------------------------------------------------------------------------- */

struct invite {
	const json_t *emails, *rules, *groups;
	size_t failed, refused; /* results that are errors; those for want of seats */
};

/* The group that stands for a role on a resource, or UINT32_MAX. */
static uint32_t default_group(const struct org *org, unsigned resource, enum role role)
{
	for (size_t i = 0; i < org->groups.n; i++) {
		if (!org->groups.v[i]->gone &&
		    org->groups.v[i]->defaults[resource] == (int8_t)role)
			return (uint32_t)i;
	}
	return UINT32_MAX;
}

static const char *rule_apply(struct call *c, struct invite *invite, uint32_t account,
			      const char *ari, const char *id)
{
	const struct account *a = c->org->accounts.v[account];
	unsigned resource, full;
	uint32_t group;
	enum role role;

	if (!ari || !org_resource_by_ari(c->org, str_of(ari), &resource))
		return "Unknown resource";
	if (!id || !role_by_id(str_of(id), &role))
		return "Unknown role";
	if ((ROLE_BIT(role) & ROLES_BILLED) &&
	    !org_fits(c->org, a, (uint16_t)(1u << resource), &full)) {
		invite->refused++;
		return "Product license limit exceeded";
	}
	if (a->member[org_resource_directory(c->org, resource)] == MEMBER_NONE)
		org_member_set(c->org, account, org_resource_directory(c->org, resource),
			       MEMBER_ACTIVE);
	group = default_group(c->org, resource, role);
	if (group != UINT32_MAX)
		org_join(c->org, account, group, c->now_ms);
	else
		org_role(c->org, account, resource, role, true, c->now_ms);
	return NULL;
}

static void result_end(struct invite *invite, struct jw *w, const char *wrong)
{
	jw_text(w, "status", wrong ? "ERROR" : "INVITED");
	jw_text_or_null(w, "statusReason", wrong);
	jw_close(w, '}');
	invite->failed += wrong != NULL;
}

static void invite_roles(struct call *c, struct invite *invite, struct jw *w, bool made,
			 uint32_t account)
{
	const json_t *rule;
	size_t i;

	jw_open(w, "roleAssignmentResult", '[');
	json_array_foreach ((json_t *)invite->rules, i, rule) {
		const char *ari = json_string_value(json_object_get(rule, "resource"));
		const char *id = json_string_value(json_object_get(rule, "role"));

		jw_open(w, NULL, '{');
		jw_text(w, "resource", ari ? ari : "");
		jw_text(w, "role", id ? id : "");
		result_end(invite, w,
			   made ? rule_apply(c, invite, account, ari, id)
				: "The address is not valid");
	}
	jw_close(w, ']');
}

static void invite_groups(struct call *c, struct invite *invite, struct jw *w, bool made,
			  uint32_t account)
{
	const json_t *item;
	size_t i;

	jw_open(w, "groupAssignmentResult", '[');
	json_array_foreach ((json_t *)invite->groups, i, item) {
		const char *id = json_string_value(item);
		const char *wrong = made ? NULL : "The address is not valid";
		uint32_t group;

		jw_open(w, NULL, '{');
		jw_text(w, "group", id ? id : "");
		if (!wrong && !org_group_by_id(c->org, str_of(id), &group))
			wrong = "Group not found";
		else if (!wrong && !c->org->groups.v[group]->modifiable)
			wrong = "Not allowed to manage the group";
		if (!wrong) {
			unsigned d = c->org->groups.v[group]->directory;

			if (c->org->accounts.v[account]->member[d] == MEMBER_NONE)
				org_member_set(c->org, account, d, MEMBER_ACTIVE);
			org_join(c->org, account, group, c->now_ms);
		}
		result_end(invite, w, wrong);
	}
	jw_close(w, ']');
}

static void invite_one(struct call *c, struct invite *invite, struct jw *w, const char *email)
{
	uint32_t account = 0;
	struct err err;
	bool made = true;

	if (!org_account_by_email(c->org, str_of(email), &account)) {
		made = strchr(email, '@') &&
		       org_account_add(c->org, email, email, c->now_ms, &account, &err) == 0;
		if (made) {
			c->org->accounts.v[account]->verified = false;
			c->org->accounts.v[account]->source = SOURCE_INVITED;
			c->org->accounts.v[account]->label = "invited-by-api";
		}
	}
	if (!made)
		invite->failed++;
	jw_open(w, NULL, '{');
	jw_text(w, "id", made ? c->org->accounts.v[account]->id : "");
	jw_text(w, "email", email);
	jw_open(w, "results", '[');
	jw_open(w, NULL, '{');
	invite_roles(c, invite, w, made, account);
	invite_groups(c, invite, w, made, account);
	jw_close(w, '}');
	jw_close(w, ']');
	jw_close(w, '}');
}

static int users_invite(struct call *c)
{
	struct invite invite = { .emails = json_object_get(c->body, "emails"),
				 .rules = json_object_get(c->body, "permissionRules"),
				 .groups = json_object_get(c->body, "additionalGroups") };
	struct jw w = { .b = &c->out };
	const json_t *item;
	size_t i;
	int status = call_org(c);

	if (status)
		return status;
	if (c->org->unpaid)
		return answer_error(c, 402, "ADMIN-UAM-402-1", "Payment required");
	if (!json_is_array(invite.emails) || json_array_size(invite.emails) < 1 ||
	    json_array_size(invite.emails) > 25)
		return answer_error(c, 400, "ADMIN-UAM-400-1", "emails: 1 to 25 addresses");
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '[');
	json_array_foreach ((json_t *)invite.emails, i, item) {
		if (!json_is_string(item))
			return answer_error(c, 400, "ADMIN-UAM-400-1", "emails: strings");
		invite_one(c, &invite, &w, json_string_value(item));
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	if (invite.refused &&
	    invite.refused == json_array_size(invite.emails) * json_array_size(invite.rules))
		return answer_error(c, 409, "ADMIN-UAM-409-3",
				    "Product license limit exceeded");
	call_effect(c, "invite", "", true, "%zu addresses", json_array_size(invite.emails));
	return invite.failed ? 206 : 200;
}

/* --- API tokens of the organisation ---------------------------------------------------- */

static bool token_listed(const struct call *c, const struct token *t)
{
	const struct account *a = c->org->accounts.v[t->account];

	return !t->revoked && !a->gone && a->managed;
}

static void token_write(struct call *c, struct jw *w, const struct token *t)
{
	const struct account *a = c->org->accounts.v[t->account];

	jw_open(w, NULL, '{');
	jw_text(w, "id", t->id);
	jw_text(w, "label", t->label);
	jw_text(w, "status", a->life == LIFE_ACTIVE ? "ALLOWED" : "BLOCKED");
	jw_time(w, "createdAt", t->created_ms);
	jw_time(w, "expiresAt", t->expires_ms);
	if (t->used_ms)
		jw_time(w, "lastActiveAt", t->used_ms);
	jw_open(w, "user", '{');
	jw_text(w, "id", a->id);
	jw_text(w, "orgId", c->org->id);
	jw_text(w, "name", a->name);
	jw_text(w, "email", a->email);
	jw_close(w, '}');
	jw_close(w, '}');
}

static int access_org(struct call *c)
{
	if (str_eq(call_segment(c, 4), str_of(c->org->id)))
		return 0;
	return answer_error(c, 404, "ADMIN-404-2", "Organization not found");
}

static int tokens_list(struct call *c)
{
	static const char *const no_lists[] = { NULL };
	CLEANUP(json_decref_at) json_t *asked = call_query_object(c, no_lists);
	CLEANUP(page_close) struct page page = { 0 };
	CLEANUP(free_at) char *next = NULL;
	struct jw w = { .b = &c->out };
	size_t sent = 0;
	int status = access_org(c);

	json_object_del(asked, "limit");
	if (status == 0)
		status = page_open(c, &page, "tokens", asked, (size_t)c->re->page_v1,
				   (size_t)c->re->page_v1);
	if (status)
		return status;
	jw_open(&w, NULL, '{');
	jw_open(&w, "data", '[');
	for (size_t i = page.from; i < c->org->tokens.n; i++) {
		if (!token_listed(c, &c->org->tokens.v[i]))
			continue;
		if (sent++ == page.limit) {
			page.next = i;
			break;
		}
		if (!page.lost)
			token_write(c, &w, &c->org->tokens.v[i]);
	}
	jw_close(&w, ']');
	next = page_next(c, &page);
	jw_open(&w, "links", '{');
	if (next)
		jw_text(&w, "next", next);
	jw_close(&w, '}');
	jw_close(&w, '}');
	return 200;
}

/* Takes every token of every managed account: the call nobody should make by mistake. */
static int tokens_revoke_all(struct call *c)
{
	bool changed = false;
	int status = access_org(c);

	if (status)
		return status;
	for (size_t i = 0; i < c->org->tokens.n; i++) {
		struct token *t = &c->org->tokens.v[i];

		changed |= token_listed(c, t);
		t->revoked |= token_listed(c, t);
	}
	call_effect(c, "revoke-all-tokens", "", changed, "%s", "");
	return 204;
}

/* clang-format off */
#define USERS "/admin/v2/orgs/{org}/directories/{dir}/users/{account}"
#define V1_USER "/admin/v1/orgs/{org}/users/{account}"
const struct endpoint endpoints_writes[] = {
	{ "POST",   USERS "/suspend", user_suspend, ENDPOINT_WRITE | ENDPOINT_BODY },
	{ "POST",   USERS "/restore", user_restore, ENDPOINT_WRITE | ENDPOINT_BODY },
	{ "DELETE", USERS, user_remove, ENDPOINT_WRITE },
	{ "POST",   V1_USER "/roles/assign", role_assign, ENDPOINT_WRITE | ENDPOINT_OBJECT },
	{ "POST",   V1_USER "/roles/revoke", role_revoke, ENDPOINT_WRITE | ENDPOINT_OBJECT },
	{ "POST",   V1_USER "/role-assignments/assign", level_assign, ENDPOINT_WRITE | ENDPOINT_OBJECT },
	{ "POST",   V1_USER "/role-assignments/revoke", level_revoke, ENDPOINT_WRITE | ENDPOINT_OBJECT },
	{ "POST",   "/admin/v2/orgs/{org}/users/invite", users_invite, ENDPOINT_WRITE | ENDPOINT_OBJECT },
	{ "GET",    "/admin/api-access/v1/orgs/{org}/api-tokens", tokens_list, 0 },
	{ "DELETE", "/admin/api-access/v1/orgs/{org}/api-tokens", tokens_revoke_all, ENDPOINT_WRITE },
	{ NULL, NULL, NULL, 0 },
};
/* clang-format on */
