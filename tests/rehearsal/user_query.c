#include "base/jx.h"
#include "tests/rehearsal/user_query.h"

void user_query_done(struct user_query *q)
{
	vec_u32_done(&q->groups);
}

/* An array of words out of `words`; the bits of their positions. */
static int words_read(struct call *c, const json_t *from, const char *name, size_t most,
		      const char *const *words, size_t count, unsigned *ret)
{
	const json_t *list, *item;
	size_t i, k;
	int status = call_list(c, from, name, most, &list);

	*ret = 0;
	if (status || !list)
		return status;
	json_array_foreach ((json_t *)list, i, item) {
		for (k = 0; k < count && strcmp(words[k], json_string_value(item)) != 0; k++)
			;
		if (k == count)
			return answer_bad_body(c, "%s: %s is not a known value", name,
					       json_string_value(item));
		*ret |= 1u << k;
	}
	return 0;
}

static int ids_read(struct call *c, const json_t *from, struct user_query *q)
{
	const json_t *list, *item;
	unsigned n;
	size_t i;
	int status = call_list(c, from, "groupIds", 10, &list);

	json_array_foreach ((json_t *)(status ? NULL : list), i, item) {
		uint32_t group;

		q->by_group = true;
		if (org_group_by_id(c->org, str_of(json_string_value(item)), &group) &&
		    vec_u32_add(&q->groups, group) < 0)
			return answer_error(c, 500, "ADMIN-500-1", "Out of memory");
	}
	if (status == 0)
		status = call_list(c, from, "resourceIds", 20, &list);
	json_array_foreach ((json_t *)(status ? NULL : list), i, item) {
		q->by_resource = true;
		if (org_resource_by_ari(c->org, str_of(json_string_value(item)), &n))
			q->resources |= (uint16_t)(1u << n);
	}
	if (status == 0)
		status = call_list(c, from, "directoryIds", 10, &list);
	json_array_foreach ((json_t *)(status ? NULL : list), i, item) {
		if (!org_directory_by_id(c->org, str_of(json_string_value(item)), &n))
			return answer_bad_body(c, "directoryIds: no such directory");
		q->directories |= (uint8_t)(1u << n);
	}
	return status;
}

static int states_read(struct call *c, const json_t *from, struct user_query *q)
{
	static const char *const statuses[] = { "active", "suspended", "not_invited",
						"deactivated", "for_deletion" };
	static const char *const lives[] = { "active", "inactive", "closed" };
	static const char *const members[] = { "no_membership", "active", "suspended" };
	const char *roles[ROLE_COUNT];
	unsigned bits;
	int status;

	for (int i = 0; i < ROLE_COUNT; i++)
		roles[i] = role_id((enum role)i);
	status = words_read(c, from, "status", 4, statuses, COUNT_OF(statuses), &bits);
	q->status = (uint8_t)bits;
	if (status == 0)
		status = words_read(c, from, "accountStatus", 3, lives, COUNT_OF(lives), &bits);
	q->life = (uint8_t)bits;
	if (status == 0)
		status = words_read(c, from, "membershipStatus", 3, members, COUNT_OF(members),
				    &bits);
	q->member = (uint8_t)bits;
	if (status == 0)
		status = words_read(c, from, "roleIds", 10, roles, ROLE_COUNT, &bits);
	q->roles = (uint16_t)bits;
	return status;
}

static int flags_read(struct call *c, const json_t *from, struct user_query *q)
{
	const json_t *claim = json_object_get(from, "claimStatus");
	const json_t *mfa = json_object_get(from, "mfaEnabled");
	const json_t *term = json_object_get(from, "searchTerm");
	const char *text = json_string_value(claim);

	q->managed = q->mfa = -1;
	if (claim && text && strcmp(text, "managed") == 0)
		q->managed = 1;
	else if (claim && text && strcmp(text, "unmanaged") == 0)
		q->managed = 0;
	else if (claim)
		return answer_bad_body(c, "claimStatus must be managed or unmanaged");
	if (mfa && !json_is_boolean(mfa))
		return answer_bad_body(c, "mfaEnabled must be a boolean");
	if (mfa)
		q->mfa = json_is_true(mfa);
	if (term && !json_is_string(term))
		return answer_bad_body(c, "searchTerm must be a string");
	q->term = json_string_value(term);
	if (q->term && q->emails)
		return answer_bad_body(c, "searchTerm and emails exclude each other");
	return 0;
}

static int sort_read(struct call *c, const json_t *from, struct user_query *q)
{
	const json_t *sort = json_object_get(from, "sortBy"), *row;
	const char *field, *direction;

	if (!sort)
		return 0;
	row = json_array_get(sort, 0);
	field = json_string_value(json_object_get(row, "field"));
	direction = json_string_value(json_object_get(row, "direction"));
	if (json_array_size(sort) != 1 || !field || strcmp(field, "nick_name") != 0 ||
	    !direction || (strcmp(direction, "asc") != 0 && strcmp(direction, "desc") != 0))
		return answer_bad_body(c, "sortBy: one of nick_name, asc or desc");
	q->sort = direction[0] == 'a' ? 1 : -1;
	return 0;
}

int user_query_read(struct call *c, const json_t *from, int directory, struct user_query *q)
{
	static const char *const expands[] = { "platformRoles", "counts.resources",
					       "productAccess", "groups" };
	int status;

	*q = (struct user_query){ .directory = directory };
	status = call_list(c, from, "accountIds", 10, &q->accounts);
	if (status == 0)
		status = call_list(c, from, "emails", 100, &q->emails);
	if (status == 0)
		status = call_list(c, from, "emailDomains", 10, &q->domains);
	if (status == 0)
		status = ids_read(c, from, q);
	if (status == 0)
		status = states_read(c, from, q);
	if (status == 0)
		status = flags_read(c, from, q);
	if (status == 0)
		status = sort_read(c, from, q);
	if (status == 0)
		status = words_read(c, from, "expand", 4, expands, COUNT_OF(expands),
				    &q->expand);
	return status;
}

static bool has_domain(const json_t *list, const char *email)
{
	const char *at = strchr(email, '@');
	const json_t *item;
	size_t i;

	json_array_foreach ((json_t *)list, i, item) {
		struct str domain = str_of(json_string_value(item));

		if (domain.len && domain.p[0] == '@')
			domain = str_n(domain.p + 1, domain.len - 1);
		if (at && str_ieq(domain, str_of(at + 1)))
			return true;
	}
	return false;
}

uint16_t platform_roles(uint8_t platform)
{
	uint16_t roles = 0;

	if (platform & PLATFORM_ORG_ADMIN)
		roles |= ROLE_BIT(ROLE_ORG_ADMIN);
	if (platform & PLATFORM_SITE_ADMINS)
		roles |= ROLE_BIT(ROLE_SITE_ADMIN);
	if (platform & PLATFORM_ACCESS_ADMIN)
		roles |= ROLE_BIT(ROLE_ACCESS_ADMIN);
	if (platform & PLATFORM_AI_ACCESS)
		roles |= ROLE_BIT(ROLE_AI_ACCESS);
	return roles;
}

/* Some role (one of those asked for) on some resource (one of those asked for). */
static bool matches_roles(const struct call *c, const struct user_query *q,
			  const struct view *view)
{
	uint16_t roles = q->roles ? q->roles : UINT16_MAX;

	if (!q->by_resource && (platform_roles(view->platform) & roles))
		return true;
	for (unsigned r = 0; r < org_resource_count(c->org); r++) {
		struct held held;

		if (q->by_resource && !(q->resources & (1u << r)))
			continue;
		held = org_held(c->org, view, r);
		if ((held.direct | held.group | held.inferred) & roles)
			return true;
	}
	return false;
}

static bool matches_view(struct call *c, const struct user_query *q, uint32_t account)
{
	struct view view;
	bool is = true;

	if (!q->by_group && !q->by_resource && !q->roles)
		return true;
	org_view(c->org, account, c->now_ms, &view);
	if (q->by_group) {
		is = false;
		for (size_t i = 0; i < q->groups.n && !is; i++)
			is = org_view_has_group(&view, q->groups.v[i]);
	}
	if (is && (q->by_resource || q->roles))
		is = matches_roles(c, q, &view);
	org_view_done(&view);
	return is;
}

bool user_in_scope(const struct call *c, const struct user_query *q, const struct account *a)
{
	bool member = false;

	for (unsigned d = 0; d < c->org->directory_count; d++) {
		if (a->member[d] == MEMBER_NONE)
			continue;
		if ((q->directory < 0 || q->directory == (int)d) &&
		    (q->directories == 0 || (q->directories & (1u << d))))
			member = true;
	}
	return member || (q->directory < 0 && q->directories == 0 && a->managed);
}

bool user_matches(struct call *c, const struct user_query *q, uint32_t account)
{
	const struct account *a = c->org->accounts.v[account];
	enum account_life life;

	if (a->gone || (a->type != TYPE_ATLASSIAN && !c->re->apps_in_search) ||
	    !user_in_scope(c, q, a))
		return false;
	life = org_life(a, c->now_ms);
	if (life == LIFE_CLOSED && !(q->life & (1u << LIFE_CLOSED)))
		return false;
	if ((q->managed >= 0 && a->managed != q->managed) ||
	    (q->mfa >= 0 && a->mfa != q->mfa) || (q->life && !(q->life & (1u << life))) ||
	    (q->member && !(q->member & (1u << org_membership(c->org, a)))) ||
	    (q->status && !(q->status & (1u << org_status(c->org, a, c->now_ms)))))
		return false;
	if ((q->accounts && !list_has(q->accounts, a->id)) ||
	    (q->emails && !list_has(q->emails, a->email)) ||
	    (q->domains && !has_domain(q->domains, a->email)))
		return false;
	if (q->term && !text_has(a->name, q->term) && !text_has(a->email, q->term))
		return false;
	return matches_view(c, q, account);
}
