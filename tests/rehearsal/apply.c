/* What a line of a file of people, or a test, says about an account. */
#include "base/jx.h"
#include "tests/rehearsal/people.h"

static int last_active_apply(struct org *org, struct account *a, const json_t *days,
			     int64_t now_ms, struct err *err)
{
	const char *label;
	json_t *value;

	json_object_foreach ((json_t *)days, label, value) {
		unsigned r;
		int64_t ms;

		if (!org_resource_by_label(org, str_of(label), &r))
			return err_set(err, ERR_CONFIG, "lastActive: no product %s", label);
		if (json_is_null(value))
			a->last_ms[r] = 0;
		else if (json_is_number(value))
			a->last_ms[r] =
				now_ms - (int64_t)(json_number_value(value) * STAMP_DAY_MS);
		else if (json_is_string(value) &&
			 stamp_parse(str_of(json_string_value(value)), &ms))
			a->last_ms[r] = ms;
		else
			return err_set(err, ERR_CONFIG,
				       "lastActive.%s: days, a date-time or null", label);
	}
	return 0;
}

static int groups_apply(struct org *org, uint32_t account, const json_t *names, int64_t now_ms,
			struct err *err)
{
	struct account *a = org->accounts.v[account];
	json_t *name;
	size_t i;

	while (a->groups.n)
		org_leave(org, account, a->groups.v[a->groups.n - 1], now_ms);
	json_array_foreach ((json_t *)names, i, name) {
		uint32_t group;

		if (!org_group_by_name(org, str_of(json_string_value(name)), &group))
			return err_set(err, ERR_CONFIG, "no group named %s",
				       json_is_string(name) ? json_string_value(name) : "?");
		org_join(org, account, group, now_ms);
		org_member_set(org, account, org->groups.v[group]->directory, MEMBER_ACTIVE);
	}
	return 0;
}

static int status_apply(struct org *org, uint32_t account, const char *status, int64_t now_ms,
			struct err *err)
{
	struct account *a = org->accounts.v[account];
	enum membership member = MEMBER_ACTIVE;
	enum account_life life = LIFE_ACTIVE;

	a->delete_ms = 0;
	if (strcmp(status, "suspended") == 0)
		member = MEMBER_SUSPENDED;
	else if (strcmp(status, "not_invited") == 0)
		member = MEMBER_NONE;
	else if (strcmp(status, "deactivated") == 0)
		life = LIFE_INACTIVE;
	else if (strcmp(status, "for_deletion") == 0) {
		life = LIFE_INACTIVE;
		a->delete_ms = now_ms;
	} else if (strcmp(status, "active") != 0)
		return err_set(err, ERR_CONFIG, "no status %s", status);
	for (unsigned d = 0; d < org->directory_count; d++) {
		if (a->member[d] != MEMBER_NONE || d == 0)
			org_member_set(org, account, d, member);
	}
	org_life_set(org, account, life, now_ms);
	return 0;
}

int people_admin(struct org *org, uint32_t account, const char *what, int64_t now_ms,
		 struct err *err)
{
	struct account *a = org->accounts.v[account];
	uint32_t group;

	org_member_set(org, account, 0, MEMBER_ACTIVE);
	if (strcmp(what, "org") == 0) {
		org_platform(org, account, PLATFORM_ORG_ADMIN, true, now_ms);
		a->label = "org-admin";
	} else if (strcmp(what, "site") == 0) {
		org_platform(org, account, PLATFORM_SITE_ADMIN(0), true, now_ms);
		a->label = "site-admin";
	} else if (strcmp(what, "product") == 0) {
		if (org_group_by_name(org, STR("jira-admins-acme"), &group))
			org_join(org, account, group, now_ms);
		a->label = "product-admin";
	} else if (strcmp(what, "none") == 0) {
		org_platform(org, account, a->platform, false, now_ms);
	} else {
		return err_set(err, ERR_CONFIG, "admin: org, site, product or none, not %s",
			       what);
	}
	return 0;
}

/* The plain members: text, flags, numbers. */
static int plain_apply(struct org *org, uint32_t account, const json_t *line, int64_t now_ms,
		       struct err *err)
{
	struct account *a = org->accounts.v[account];
	json_t *v;
	int64_t ms;

	if ((v = json_object_get(line, "synced")))
		a->source = json_is_true(v) ? SOURCE_SYNCED : SOURCE_INVITED;
	if ((v = json_object_get(line, "managed")))
		a->managed = json_is_true(v);
	if ((v = json_object_get(line, "emailVerified")))
		a->verified = json_is_true(v);
	if ((v = json_object_get(line, "mfaEnabled")))
		a->mfa = json_is_true(v);
	if ((v = json_object_get(line, "gone")))
		a->gone = json_is_true(v);
	if ((v = json_object_get(line, "addedDays")))
		a->added_ms = now_ms - (int64_t)(json_number_value(v) * STAMP_DAY_MS);
	if ((v = json_object_get(line, "added"))) {
		if (!json_is_string(v) || !stamp_parse(str_of(json_string_value(v)), &ms))
			return err_set(err, ERR_CONFIG, "added: a date-time");
		a->added_ms = ms;
	}
	return 0;
}

static int roles_apply(struct org *org, uint32_t account, const json_t *roles, int64_t now_ms,
		       struct err *err)
{
	const char *label;
	json_t *list;

	json_object_foreach ((json_t *)roles, label, list) {
		unsigned r;
		json_t *id;
		size_t i;

		if (!org_resource_by_label(org, str_of(label), &r))
			return err_set(err, ERR_CONFIG, "directRoles: no product %s", label);
		for (int role = 0; role < ROLE_COUNT; role++)
			org_role(org, account, r, (enum role)role, false, now_ms);
		json_array_foreach (list, i, id) {
			enum role role;

			if (!role_by_id(str_of(json_string_value(id)), &role))
				return err_set(err, ERR_CONFIG, "directRoles: no such role");
			org_role(org, account, r, role, true, now_ms);
		}
	}
	return 0;
}

int people_apply(struct org *org, uint32_t account, const json_t *line, int64_t now_ms,
		 struct err *err)
{
	struct account *a = org->accounts.v[account];
	int64_t lag_ms = org->lag_ms;
	const char *text;
	json_t *v;
	int r;

	org->lag_ms = 0; /* what a test sets is there at once */
	r = plain_apply(org, account, line, now_ms, err);
	if (r == 0 && json_is_array(v = json_object_get(line, "groups")))
		r = groups_apply(org, account, v, now_ms, err);
	if (r == 0 && json_is_object(v = json_object_get(line, "directRoles")))
		r = roles_apply(org, account, v, now_ms, err);
	if (r == 0 && (text = json_string_value(json_object_get(line, "admin"))))
		r = people_admin(org, account, text, now_ms, err);
	if (r == 0 && (text = json_string_value(json_object_get(line, "status"))))
		r = status_apply(org, account, text, now_ms, err);
	if (r == 0 && json_is_object(v = json_object_get(line, "lastActive")))
		r = last_active_apply(org, a, v, now_ms, err);
	v = json_object_get(line, "tokensUsedDays");
	for (int64_t n = json_integer_value(json_object_get(line, "tokens")); r == 0 && n > 0;
	     n--)
		r = org_token_add(org, account, "given token", now_ms - STAMP_DAY_MS,
				  v ? now_ms - (int64_t)(json_number_value(v) * STAMP_DAY_MS)
				    : 0,
				  now_ms + 300 * STAMP_DAY_MS, err);
	org->lag_ms = lag_ms;
	org_recount(org, account);
	return r;
}
