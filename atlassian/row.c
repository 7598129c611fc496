#include "atlassian/row.h"

#include <stdio.h>
#include <string.h>

/* --- words -------------------------------------------------------------------------------- */

struct str atl_product_key(struct str s)
{
	static const struct {
		const char *told, *key;
	} rows[] = {
		{ "jira-software", "jira" },
		{ "jira-service-desk", "jira-servicedesk" },
		{ "jira-service-management", "jira-servicedesk" },
		{ "jsm", "jira-servicedesk" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (str_ieq(s, str_of(rows[i].told)))
			return str_of(rows[i].key);
	return s;
}

enum tri atl_role_billable(struct str role)
{
	static const struct {
		const char *role;
		enum tri billable;
	} rows[] = {
		{ "atlassian/user", TRI_YES },
		{ "atlassian/admin", TRI_YES },
		{ "atlassian/guest", TRI_NO },
		{ "atlassian/customer", TRI_NO },
		{ "atlassian/contributor", TRI_NO },
		{ "atlassian/basic", TRI_NO },
		{ "atlassian/stakeholder", TRI_NO },
		{ "atlassian/viewer", TRI_NO },
		{ "atlassian/user-access-admin", TRI_NO },
		{ "atlassian/site-admin", TRI_NO },
		{ "atlassian/org-admin", TRI_NO },
		{ "atlassian/ai-access", TRI_NO },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (str_eq(role, str_of(rows[i].role)))
			return rows[i].billable;
	return TRI_UNKNOWN;
}

bool atl_role_admin(struct str role)
{
	return str_eq(role, STR("atlassian/org-admin")) ||
	       str_eq(role, STR("atlassian/site-admin")) ||
	       str_eq(role, STR("atlassian/admin")) ||
	       str_eq(role, STR("atlassian/user-access-admin"));
}

struct str atl_group_id(struct str s)
{
	struct str head = STR("ari:cloud:identity::group/");

	return str_starts(s, head) ? str_n(s.p + head.len, s.len - head.len) : s;
}

/* --- rows --------------------------------------------------------------------------------- */

struct str atl_text(const json_t *j, const char *key)
{
	const json_t *value = json_object_get(j, key);

	return str_n(json_string_value(value), json_string_length(value));
}

bool atl_ari_cut(struct str ari, struct str *key, struct str *id)
{
	struct str rest, head = STR("ari:cloud:");
	bool fine = str_starts(ari, head) &&
		    str_cut(str_n(ari.p + head.len, ari.len - head.len), ':', key, &rest) &&
		    str_cut(rest, '/', &rest, id) && id->len;

	if (!fine)
		*key = *id = (struct str){ 0 };
	return fine;
}

bool atl_has_method(const json_t *assignment, const char *method)
{
	json_t *one;
	size_t i;

	json_array_foreach (json_object_get(assignment, "roleAssignmentMethods"), i, one)
		if (str_eq(str_n(json_string_value(one), json_string_length(one)),
			   str_of(method)))
			return true;
	return false;
}

/* A word out of a table; 0 for one that is not there or not known. */
struct word {
	const char *text;
	int value;
};

static int word_of(const json_t *j, const char *key, const struct word *words, size_t count)
{
	struct str text = atl_text(j, key);

	for (size_t i = 0; i < count; i++)
		if (str_eq(text, str_of(words[i].text)))
			return words[i].value;
	return 0;
}

static const struct word statuses[] = {
	{ "active", ACCOUNT_ACTIVE },           { "suspended", ACCOUNT_SUSPENDED },
	{ "not_invited", ACCOUNT_NOT_INVITED }, { "deactivated", ACCOUNT_DEACTIVATED },
	{ "for_deletion", ACCOUNT_DELETING },
};

static const struct word types[] = {
	{ "atlassian", ACCOUNT_PERSON },
	{ "app", ACCOUNT_APP },
	{ "customer", ACCOUNT_CUSTOMER },
};

static const struct word claims[] = { { "managed", TRI_YES }, { "unmanaged", TRI_NO } };

static int64_t time_of(const json_t *j, const char *key)
{
	int64_t ms;

	/* Nothing at Atlassian is from before 1970: such a time is none. */
	return stamp_parse(atl_text(j, key), &ms) && ms > 0 ? ms : ATL_UNKNOWN_MS;
}

/* An array that was told, or NULL. */
static const json_t *list_of(const json_t *j, const char *key)
{
	const json_t *list = json_object_get(j, key);

	return json_is_array(list) ? list : NULL;
}

static bool id_fine(struct str id)
{
	return id.len > 0 && id.len <= 128;
}

/* Who made the account: an external directory, or a person. null is a person's (an account that
 * was there before); nothing said is unknown. */
static enum tri synced_of(const json_t *json)
{
	const json_t *source = json_object_get(json, "managementSource");

	if (!source)
		return TRI_UNKNOWN;
	return tri_of(str_eq(atl_text(json, "managementSource"), STR("synced")));
}

/* TRI_NO: invited and never came. Whoever was seen has come. */
static enum tri accepted_of(const json_t *json, enum account_status status, int64_t last_ms)
{
	const json_t *verified = json_object_get(json, "emailVerified");

	if (last_ms > 0)
		return TRI_YES;
	if (status == ACCOUNT_NOT_INVITED || json_is_false(verified))
		return TRI_NO;
	return json_is_true(verified) ? TRI_YES : TRI_UNKNOWN;
}

int64_t atl_user_newest(const json_t *products)
{
	int64_t newest = ATL_ABSENT;
	json_t *row;
	size_t i;

	if (!products)
		return ATL_UNKNOWN_MS;
	json_array_foreach ((json_t *)(uintptr_t)products, i, row) {
		int64_t ms = time_of(row, "lastActiveTimestamp");

		if (ms > newest)
			newest = ms;
	}
	return newest;
}

int64_t atl_user_last(const struct atl_user *u, struct str resource)
{
	json_t *row;
	size_t i;

	if (!u->products)
		return ATL_UNKNOWN_MS;
	json_array_foreach ((json_t *)(uintptr_t)u->products, i, row) {
		if (!str_eq(atl_text(row, "id"), resource))
			continue;
		/* In the list without a time: may be used, and never was. */
		return json_object_get(row, "lastActiveTimestamp")
			       ? time_of(row, "lastActiveTimestamp")
			       : ATL_ABSENT;
	}
	return ATL_ABSENT;
}

bool atl_user_read(const json_t *json, struct atl_user *ret, char *why, size_t room)
{
	const json_t *resources = json_object_get(json_object_get(json, "counts"), "resources");
	struct str life = atl_text(json, "accountStatus");

	*ret = (struct atl_user){ .resources = -1 };
	ret->row.id = atl_text(json, "accountId");
	if (!id_fine(ret->row.id)) {
		snprintf(why, room, "a row has no \"accountId\"");
		return false;
	}
	ret->row.email = atl_text(json, "email");
	ret->row.name = atl_text(json, "name");
	ret->row.status =
		(enum account_status)word_of(json, "status", statuses, COUNT_OF(statuses));
	ret->row.type = (enum account_type)word_of(json, "accountType", types, COUNT_OF(types));
	ret->row.managed = (enum tri)word_of(json, "claimStatus", claims, COUNT_OF(claims));
	ret->row.synced = synced_of(json);
	ret->row.added_ms = time_of(json, "addedToOrg");
	ret->groups = list_of(json, "groups");
	ret->products = list_of(json, "productAccess");
	ret->platform = list_of(json, "platformRoles");
	if (json_is_integer(resources))
		ret->resources = json_integer_value(resources);
	ret->suspended = str_eq(atl_text(json, "membershipStatus"), STR("suspended"));
	ret->disabled = life.len && !str_eq(life, STR("active"));
	ret->row.last_active_ms = atl_user_newest(ret->products);
	ret->row.accepted = accepted_of(json, ret->row.status, ret->row.last_active_ms);
	return true;
}

bool atl_managed_read(const json_t *json, struct atl_user *ret, char *why, size_t room)
{
	static const struct word lives[] = {
		{ "active", ACCOUNT_NOT_INVITED },
		{ "inactive", ACCOUNT_DEACTIVATED },
		{ "closed", ACCOUNT_DELETING },
	};

	*ret = (struct atl_user){ .resources = -1 };
	ret->row.id = atl_text(json, "account_id");
	if (!id_fine(ret->row.id)) {
		snprintf(why, room, "a row has no \"account_id\"");
		return false;
	}
	ret->row.email = atl_text(json, "email");
	ret->row.name = atl_text(json, "name");
	/* In no directory, so the account's own state is all there is. */
	ret->row.status =
		(enum account_status)word_of(json, "account_status", lives, COUNT_OF(lives));
	ret->row.type =
		(enum account_type)word_of(json, "account_type", types, COUNT_OF(types));
	ret->row.managed = TRI_YES;
	ret->row.last_active_ms = time_of(json, "last_active");
	ret->disabled = ret->row.status != ACCOUNT_NOT_INVITED;
	return true;
}

/* --- platform roles ----------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int atl_platform_read(const json_t *platform, struct atl_account *row, struct buf *into,
		      struct err *err)
{
	const char *sorted[32];
	size_t n = 0, i;
	json_t *one;

	if (!platform)
		return 0;
	row->admin = row->org_admin = TRI_NO;
	json_array_foreach ((json_t *)(uintptr_t)platform, i, one) {
		struct str role = str_n(json_string_value(one), json_string_length(one));

		if (atl_role_admin(role))
			row->admin = TRI_YES;
		if (str_eq(role, STR("atlassian/org-admin")))
			row->org_admin = TRI_YES;
		if (role.len && n < COUNT_OF(sorted))
			sorted[n++] = role.p;
	}
	qsort(sorted, n, sizeof(sorted[0]), by_text);
	for (i = 0; i < n; i++) {
		if (i)
			buf_add_char(into, ' ');
		buf_add_text(into, sorted[i]);
	}
	return buf_fault(into, err, "the platform roles of an account");
}
