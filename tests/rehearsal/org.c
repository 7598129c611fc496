#include "tests/rehearsal/org.h"

#include <inttypes.h>
#include <stdio.h>

#define TEXT_BLOCK_BYTES (256u << 10)

const struct product org_products[ORG_PRODUCTS] = {
	{ "jira", "jira-software", "Jira" },
	{ "jira-servicedesk", "jira-service-desk", "Jira Service Management" },
	{ "confluence", "confluence", "Confluence" },
};

static const char *const site_names[ORG_SITES] = { "acme", "acme-labs", "acme-field",
						   "acme-archive" };
static const char *const directory_names[ORG_DIRECTORIES] = {
	"Primary Directory", "Second Directory", "Third Directory", "Fourth Directory"
};

/* --- words ----------------------------------------------------------------------------- */

static const char *const role_ids[ROLE_COUNT] = {
#define X(symbol, id) id,
	ROLE_LIST(X)
#undef X
};

const char *role_id(enum role role)
{
	return role_ids[role];
}

bool role_by_id(struct str id, enum role *ret)
{
	for (int i = 0; i < ROLE_COUNT; i++) {
		if (str_eq(id, str_of(role_ids[i]))) {
			*ret = (enum role)i;
			return true;
		}
	}
	return false;
}

const char *account_type_text(enum account_type type)
{
	static const char *const texts[] = { "atlassian", "app", "customer" };

	return texts[type];
}

const char *account_life_text(enum account_life life)
{
	static const char *const texts[] = { "active", "inactive", "closed" };

	return texts[life];
}

const char *membership_text(enum membership m)
{
	static const char *const texts[] = { "no_membership", "active", "suspended" };

	return texts[m];
}

const char *status_text(enum status status)
{
	static const char *const texts[STATUS_COUNT] = { "active", "suspended", "not_invited",
							 "deactivated", "for_deletion" };

	return texts[status];
}

/* --- life ------------------------------------------------------------------------------ */

uint64_t org_chance(struct org *org)
{
	uint64_t z = (org->chance += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

void org_uuid(struct org *org, char ret[ENC_UUID_CHARS + 1])
{
	unsigned char raw[16];

	for (size_t i = 0; i < sizeof(raw); i += 8) {
		uint64_t n = org_chance(org);

		memcpy(raw + i, &n, 8);
	}
	raw[6] = (raw[6] & 0x0f) | 0x40;
	raw[8] = (raw[8] & 0x3f) | 0x80;
	enc_uuid(raw, ret);
}

void org_init(struct org *org, const char *id, unsigned directories, unsigned sites,
	      uint64_t seed)
{
	*org = (struct org){ .directory_count = directories,
			     .site_count = sites,
			     .chance = seed ^ 0x5eed0f0000000001ULL,
			     .key_owner = UINT32_MAX,
			     .admin_group = UINT32_MAX };
	org_uuid(org, org->id);
	if (id)
		snprintf(org->id, sizeof(org->id), "%s", id);
	snprintf(org->name, sizeof(org->name), "Acme Rehearsal");
	for (unsigned d = 0; d < directories; d++) {
		org_uuid(org, org->directories[d].id);
		snprintf(org->directories[d].name, sizeof(org->directories[d].name), "%s",
			 directory_names[d]);
	}
	for (unsigned s = 0; s < sites; s++) {
		struct site *site = &org->sites[s];

		org_uuid(org, site->id);
		snprintf(site->name, sizeof(site->name), "%s", site_names[s]);
		site->directory = (uint8_t)(s % directories);
		for (unsigned p = 0; p < ORG_PRODUCTS; p++) {
			struct resource *r = &org->resources[s * ORG_PRODUCTS + p];

			snprintf(r->ari, sizeof(r->ari), "ari:cloud:%s::site/%s",
				 org_products[p].key, site->id);
			snprintf(r->label, sizeof(r->label), "%s@%s", org_products[p].key,
				 site->name);
		}
	}
}

void org_done(struct org *org)
{
	HASH_CLEAR(hh_id, org->by_id);
	HASH_CLEAR(hh_email, org->by_email);
	HASH_CLEAR(hh_id, org->group_by_id);
	for (size_t i = 0; i < org->accounts.n; i++) {
		vec_u32_done(&org->accounts.v[i]->groups);
		free(org->accounts.v[i]);
	}
	for (size_t i = 0; i < org->groups.n; i++)
		free(org->groups.v[i]);
	for (size_t i = 0; i < org->texts.n; i++)
		free(org->texts.v[i]);
	vec_account_done(&org->accounts);
	vec_group_done(&org->groups);
	vec_token_done(&org->tokens);
	vec_lag_done(&org->lags);
	vec_text_done(&org->texts);
}

const char *org_text(struct org *org, struct str text)
{
	size_t need = text.len + 1;
	char *at;

	if (text.len == 0)
		return "";
	if (org->texts.n == 0 || org->text_used + need > TEXT_BLOCK_BYTES) {
		char *block = malloc(need > TEXT_BLOCK_BYTES ? need : TEXT_BLOCK_BYTES);

		if (!block)
			return NULL;
		if (vec_text_add(&org->texts, block) < 0) {
			free(block);
			return NULL;
		}
		org->text_used = 0;
	}
	at = org->texts.v[org->texts.n - 1] + org->text_used;
	memcpy(at, text.p, text.len);
	at[text.len] = '\0';
	org->text_used += need;
	return at;
}

int org_domain_add(struct org *org, const char *name, bool verified, struct err *err)
{
	struct domain *d;

	if (org->domain_count == ORG_DOMAINS)
		return err_set(err, ERR_LIMIT, "domain %s: at most %d domains", name,
			       ORG_DOMAINS);
	d = &org->domains[org->domain_count++];
	org_uuid(org, d->id);
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->verified = verified;
	return 0;
}

bool org_domain_verified(const struct org *org, struct str email)
{
	struct str user, domain;

	if (!str_cut(email, '@', &user, &domain))
		return false;
	for (unsigned i = 0; i < org->domain_count; i++) {
		if (org->domains[i].verified && str_ieq(domain, str_of(org->domains[i].name)))
			return true;
	}
	return false;
}

/* --- adding ---------------------------------------------------------------------------- */

/* Lower case of ASCII, into the organisation's texts. */
static const char *lower_text(struct org *org, const char *text)
{
	char small[512];
	size_t len = strlen(text);

	if (len >= sizeof(small))
		return NULL;
	for (size_t i = 0; i < len; i++)
		small[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
	return org_text(org, str_n(small, len));
}

/* Account ids come in three shapes, as they did over the years. */
static const char *account_id_new(struct org *org)
{
	char uuid[ENC_UUID_CHARS + 1], text[64];
	uint64_t dice = org_chance(org);

	org_uuid(org, uuid);
	if (dice % 10 < 6)
		snprintf(text, sizeof(text), "712020:%s", uuid);
	else if (dice % 10 < 9)
		snprintf(text, sizeof(text), "557058:%s", uuid);
	else
		snprintf(text, sizeof(text), "5%.7s%.4s%.12s", uuid, uuid + 9, uuid + 24);
	return org_text(org, str_of(text));
}

/* The name up to its first blank: what Atlassian calls the public name. */
static struct str first_word(const char *name)
{
	struct str head, rest;

	str_cut(str_of(name), ' ', &head, &rest);
	return head;
}

static bool account_email_index(struct org *org, struct account *a)
{
	HASH_ADD_KEYPTR(hh_email, org->by_email, a->email, strlen(a->email), a);
	return a->hh_email.tbl != NULL;
}

int org_account_add(struct org *org, const char *email, const char *name, int64_t now_ms,
		    uint32_t *ret, struct err *err)
{
	CLEANUP(free_at) struct account *a = calloc(1, sizeof(*a));
	uint32_t other;

	if (!a)
		return err_nomem(err);
	a->id = account_id_new(org);
	a->email = lower_text(org, email);
	a->name = org_text(org, str_of(name));
	a->nickname = org_text(org, first_word(name));
	a->department = a->job = a->label = "";
	if (!a->id || !a->email || !a->name || !a->nickname)
		return err_nomem(err);
	if (org_account_by_email(org, str_of(a->email), &other))
		return err_set(err, ERR_CONFLICT, "%s has an account already", email);
	if (vec_account_reserve(&org->accounts, org->accounts.n + 1) < 0)
		return err_nomem(err);
	a->added_ms = now_ms;
	a->verified = true;
	a->managed = org_domain_verified(org, str_of(a->email));
	HASH_ADD_KEYPTR(hh_id, org->by_id, a->id, strlen(a->id), a);
	if (!a->hh_id.tbl)
		return err_nomem(err);
	if (!account_email_index(org, a)) {
		HASH_DELETE(hh_id, org->by_id, a);
		return err_nomem(err);
	}
	*ret = a->number = (uint32_t)org->accounts.n;
	org->accounts.v[org->accounts.n++] = TAKE(a);
	return 0;
}

int org_email_set(struct org *org, uint32_t account, const char *email, struct err *err)
{
	struct account *a = org->accounts.v[account];
	const char *lower = lower_text(org, email);
	uint32_t other;

	if (!lower)
		return err_nomem(err);
	if (org_account_by_email(org, str_of(lower), &other)) {
		if (other == account)
			return 0;
		return err_set(err, ERR_CONFLICT, "%s has an account already", email);
	}
	HASH_DELETE(hh_email, org->by_email, a);
	a->email = lower;
	a->managed = org_domain_verified(org, str_of(lower));
	if (!account_email_index(org, a))
		return err_nomem(err);
	return 0;
}

int org_group_add(struct org *org, unsigned directory, const char *name,
		  const char *description, uint32_t *ret, struct err *err)
{
	CLEANUP(free_at) struct usergroup *g = calloc(1, sizeof(*g));
	uint32_t other;

	if (!g)
		return err_nomem(err);
	if (org_group_by_name(org, str_of(name), &other))
		return err_set(err, ERR_CONFLICT, "a group named %s exists", name);
	org_uuid(org, g->id);
	g->name = org_text(org, str_of(name));
	g->description = org_text(org, str_of(description));
	if (!g->name || !g->description ||
	    vec_group_reserve(&org->groups, org->groups.n + 1) < 0)
		return err_nomem(err);
	g->managed_by = "admins";
	g->type = "GROUP";
	g->directory = (uint8_t)directory;
	g->modifiable = g->deletable = true;
	memset(g->defaults, -1, sizeof(g->defaults));
	HASH_ADD_KEYPTR(hh_id, org->group_by_id, g->id, ENC_UUID_CHARS, g);
	if (!g->hh_id.tbl)
		return err_nomem(err);
	*ret = g->number = (uint32_t)org->groups.n;
	org->groups.v[org->groups.n++] = TAKE(g);
	return 0;
}

int org_token_add(struct org *org, uint32_t account, const char *label, int64_t created_ms,
		  int64_t used_ms, int64_t expires_ms, struct err *err)
{
	struct account *a = org->accounts.v[account];
	struct token t = { .label = org_text(org, str_of(label)),
			   .created_ms = created_ms,
			   .used_ms = used_ms,
			   .expires_ms = expires_ms,
			   .account = account,
			   .next = a->tokens };

	if (!t.label)
		return err_nomem(err);
	snprintf(t.id, sizeof(t.id), "%018" PRIu64,
		 org_chance(org) % UINT64_C(1000000000000000000));
	if (vec_token_add(&org->tokens, t) < 0)
		return err_nomem(err);
	a->tokens = (uint32_t)org->tokens.n;
	return 0;
}

/* --- asking ---------------------------------------------------------------------------- */

bool org_account_by_id(const struct org *org, struct str id, uint32_t *ret)
{
	struct account *a = NULL;

	if (id.len == 0)
		return false;
	HASH_FIND(hh_id, org->by_id, id.p, id.len, a);
	if (!a || a->gone)
		return false;
	*ret = a->number;
	return true;
}

bool org_account_by_email(const struct org *org, struct str email, uint32_t *ret)
{
	struct account *a = NULL;
	char small[512];

	if (email.len == 0 || email.len > sizeof(small))
		return false;
	for (size_t i = 0; i < email.len; i++)
		small[i] = email.p[i] >= 'A' && email.p[i] <= 'Z' ? (char)(email.p[i] + 32)
								  : email.p[i];
	HASH_FIND(hh_email, org->by_email, small, email.len, a);
	if (!a || a->gone)
		return false;
	*ret = a->number;
	return true;
}

bool org_group_by_id(const struct org *org, struct str id, uint32_t *ret)
{
	static const char ari[] = "ari:cloud:identity::group/";
	struct usergroup *g = NULL;

	if (str_starts(id, STR("ari:cloud:identity::group/")))
		id = str_n(id.p + sizeof(ari) - 1, id.len - (sizeof(ari) - 1));
	if (id.len == 0)
		return false;
	HASH_FIND(hh_id, org->group_by_id, id.p, id.len, g);
	if (!g || g->gone)
		return false;
	*ret = g->number;
	return true;
}

bool org_group_by_name(const struct org *org, struct str name, uint32_t *ret)
{
	for (size_t i = 0; i < org->groups.n; i++) {
		if (!org->groups.v[i]->gone && str_ieq(name, str_of(org->groups.v[i]->name))) {
			*ret = (uint32_t)i;
			return true;
		}
	}
	return false;
}

bool org_directory_by_id(const struct org *org, struct str id, unsigned *ret)
{
	for (unsigned i = 0; i < org->directory_count; i++) {
		if (str_eq(id, str_of(org->directories[i].id))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

bool org_resource_by_ari(const struct org *org, struct str ari, unsigned *ret)
{
	for (unsigned i = 0; i < org_resource_count(org); i++) {
		if (str_eq(ari, str_of(org->resources[i].ari))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

bool org_resource_by_label(const struct org *org, struct str label, unsigned *ret)
{
	for (unsigned i = 0; i < org_resource_count(org); i++) {
		if (str_eq(label, str_of(org->resources[i].label)) ||
		    str_eq(label, str_of(org->resources[i].ari)) ||
		    str_eq(label, str_of(org_resource_product(i)->key))) {
			*ret = i;
			return true;
		}
	}
	return false;
}

unsigned org_resource_count(const struct org *org)
{
	return org->site_count * ORG_PRODUCTS;
}

unsigned org_resource_directory(const struct org *org, unsigned resource)
{
	return org->sites[resource / ORG_PRODUCTS].directory;
}

const struct product *org_resource_product(unsigned resource)
{
	return &org_products[resource % ORG_PRODUCTS];
}

enum account_life org_life(const struct account *a, int64_t now_ms)
{
	if (a->delete_ms && now_ms >= a->delete_ms + ORG_GRACE_MS)
		return LIFE_CLOSED;
	return (enum account_life)a->life;
}

enum membership org_membership(const struct org *org, const struct account *a)
{
	enum membership m = MEMBER_NONE;

	for (unsigned d = 0; d < org->directory_count; d++) {
		if (a->member[d] == MEMBER_ACTIVE)
			return MEMBER_ACTIVE;
		if (a->member[d] == MEMBER_SUSPENDED)
			m = MEMBER_SUSPENDED;
	}
	return m;
}

enum status org_status(const struct org *org, const struct account *a, int64_t now_ms)
{
	if (a->delete_ms)
		return STATUS_FOR_DELETION;
	if (org_life(a, now_ms) != LIFE_ACTIVE)
		return STATUS_DEACTIVATED;
	switch (org_membership(org, a)) {
	case MEMBER_ACTIVE:
		return STATUS_ACTIVE;
	case MEMBER_SUSPENDED:
		return STATUS_SUSPENDED;
	default:
		return STATUS_NOT_INVITED;
	}
}

/* Those who could still act as one. */
uint32_t org_admin_count(const struct org *org)
{
	uint32_t n = 0;

	for (size_t i = 0; i < org->accounts.n; i++) {
		const struct account *a = org->accounts.v[i];

		if (!a->gone && (a->platform & PLATFORM_ORG_ADMIN) && a->life == LIFE_ACTIVE &&
		    org_membership(org, a) == MEMBER_ACTIVE)
			n++;
	}
	return n;
}

/* --- as readers see it ----------------------------------------------------------------- */

static void view_undo(const struct org *org, struct view *view, const struct lag *lag)
{
	unsigned resource = lag->what >> 8;
	uint16_t role = ROLE_BIT(lag->what & 0xff);

	switch (lag->kind) {
	case LAG_ROLE:
		if (lag->added)
			view->direct[resource] &= (uint16_t)~role;
		else
			view->direct[resource] |= role;
		return;
	case LAG_PLATFORM:
		if (lag->added)
			view->platform &= (uint8_t)~lag->what;
		else
			view->platform |= (uint8_t)lag->what;
		return;
	default:
		if (!lag->added) {
			if (org->groups.v[lag->what]->gone ||
			    vec_u32_add(&view->own, lag->what) < 0)
				return; /* the truth is shown */
			return;
		}
		for (size_t i = 0; i < view->own.n; i++) {
			if (view->own.v[i] == lag->what) {
				memmove(&view->own.v[i], &view->own.v[i + 1],
					(view->own.n - i - 1) * sizeof(uint32_t));
				view->own.n--;
				return;
			}
		}
	}
}

void org_view(struct org *org, uint32_t account, int64_t now_ms, struct view *ret)
{
	const struct account *a = org->accounts.v[account];

	*ret = (struct view){ .groups = a->groups.v,
			      .group_count = a->groups.n,
			      .platform = a->platform };
	memcpy(ret->direct, a->direct, sizeof(ret->direct));
	if (a->lagging == 0 || vec_u32_reserve(&ret->own, a->groups.n + 1) < 0)
		return;
	for (size_t i = 0; i < a->groups.n; i++)
		ret->own.v[i] = a->groups.v[i];
	ret->own.n = a->groups.n;
	for (size_t i = org->lags.n; i-- > 0;) {
		const struct lag *lag = &org->lags.v[i];

		if (lag->account == account && lag->shown_ms > now_ms)
			view_undo(org, ret, lag);
	}
	ret->groups = ret->own.v;
	ret->group_count = ret->own.n;
}

void org_view_done(struct view *view)
{
	vec_u32_done(&view->own);
}

/*
 * An admin of a product may use it; a site admin may use all products of the site. Neither is a
 * role that could be revoked by itself: that is what "inferred" says.
 */
static uint16_t roles_inferred(const struct view *view, unsigned resource, uint16_t held)
{
	uint16_t inferred = 0;

	if (held & ROLE_BIT(ROLE_ADMIN))
		inferred |= ROLE_BIT(ROLE_USER);
	if (view->platform & PLATFORM_SITE_ADMIN(resource / ORG_PRODUCTS))
		inferred |= ROLE_BIT(ROLE_USER);
	return inferred;
}

struct held org_held(const struct org *org, const struct view *view, unsigned resource)
{
	struct held held = { .direct = view->direct[resource] };

	for (size_t i = 0; i < view->group_count; i++)
		held.group |= org->groups.v[view->groups[i]]->roles[resource];
	held.inferred = roles_inferred(view, resource, held.direct | held.group);
	return held;
}

bool org_view_has_group(const struct view *view, uint32_t group)
{
	for (size_t i = 0; i < view->group_count; i++) {
		if (view->groups[i] == group)
			return true;
	}
	return false;
}

void org_lag_settle(struct org *org, int64_t now_ms)
{
	size_t kept = 0;

	for (size_t i = 0; i < org->lags.n; i++) {
		struct lag *lag = &org->lags.v[i];

		if (lag->shown_ms <= now_ms)
			org->accounts.v[lag->account]->lagging--;
		else
			org->lags.v[kept++] = *lag;
	}
	org->lags.n = kept;
}

static void lag_note(struct org *org, uint32_t account, enum lag_kind kind, uint32_t what,
		     bool added, int64_t now_ms)
{
	struct lag lag = { .shown_ms = now_ms + org->lag_ms,
			   .account = account,
			   .what = what,
			   .kind = (uint8_t)kind,
			   .added = added };

	if (org->lag_ms == 0 || org->accounts.v[account]->lagging == UINT16_MAX)
		return;
	if (vec_lag_add(&org->lags, lag) == 0)
		org->accounts.v[account]->lagging++;
}

/* --- changing -------------------------------------------------------------------------- */

uint16_t org_seats_wanted(const struct org *org, const struct account *a)
{
	unsigned count = org_resource_count(org);
	uint16_t mask = 0;

	if (a->type != TYPE_ATLASSIAN)
		return 0;
	for (size_t i = 0; i < a->groups.n; i++)
		mask |= org->groups.v[a->groups.v[i]]->billed;
	for (unsigned r = 0; r < count; r++) {
		if ((a->direct[r] & ROLES_BILLED) ||
		    (a->platform & PLATFORM_SITE_ADMIN(r / ORG_PRODUCTS)))
			mask |= (uint16_t)(1u << r);
	}
	return mask;
}

/* The wanted ones, less what life and directories take away. */
static uint16_t seats_held(const struct org *org, const struct account *a)
{
	uint16_t mask = 0;

	if (a->gone || a->life != LIFE_ACTIVE)
		return 0;
	mask = org_seats_wanted(org, a);
	for (unsigned r = 0; r < org_resource_count(org); r++) {
		if (a->member[org_resource_directory(org, r)] != MEMBER_ACTIVE)
			mask &= (uint16_t) ~(1u << r);
	}
	return mask;
}

void org_recount(struct org *org, uint32_t account)
{
	struct account *a = org->accounts.v[account];
	uint16_t now = seats_held(org, a);
	uint16_t changed = now ^ a->seats;

	for (unsigned r = 0; changed && r < ORG_RESOURCES; r++) {
		if (!(changed & (1u << r)))
			continue;
		if (now & (1u << r))
			org->resources[r].used++;
		else
			org->resources[r].used--;
	}
	a->seats = now;
}

bool org_fits(const struct org *org, const struct account *a, uint16_t mask, unsigned *resource)
{
	for (unsigned r = 0; r < org_resource_count(org); r++) {
		const struct resource *res = &org->resources[r];

		if (!(mask & (1u << r)) || (a->seats & (1u << r)) || res->capacity == 0)
			continue;
		if (res->used >= res->capacity) {
			*resource = r;
			return false;
		}
	}
	return true;
}

bool org_is_member(const struct org *org, uint32_t account, uint32_t group)
{
	const struct account *a = org->accounts.v[account];

	for (size_t i = 0; i < a->groups.n; i++) {
		if (a->groups.v[i] == group)
			return true;
	}
	return false;
}

bool org_join(struct org *org, uint32_t account, uint32_t group, int64_t now_ms)
{
	struct account *a = org->accounts.v[account];

	if (org_is_member(org, account, group) || vec_u32_add(&a->groups, group) < 0)
		return false;
	org->groups.v[group]->members++;
	lag_note(org, account, LAG_GROUP, group, true, now_ms);
	org_recount(org, account);
	return true;
}

bool org_leave(struct org *org, uint32_t account, uint32_t group, int64_t now_ms)
{
	struct account *a = org->accounts.v[account];

	for (size_t i = 0; i < a->groups.n; i++) {
		if (a->groups.v[i] != group)
			continue;
		memmove(&a->groups.v[i], &a->groups.v[i + 1],
			(a->groups.n - i - 1) * sizeof(uint32_t));
		a->groups.n--;
		org->groups.v[group]->members--;
		lag_note(org, account, LAG_GROUP, group, false, now_ms);
		org_recount(org, account);
		return true;
	}
	return false;
}

bool org_role(struct org *org, uint32_t account, unsigned resource, enum role role, bool on,
	      int64_t now_ms)
{
	struct account *a = org->accounts.v[account];
	bool is = a->direct[resource] & ROLE_BIT(role);

	if (is == on)
		return false;
	a->direct[resource] ^= ROLE_BIT(role);
	lag_note(org, account, LAG_ROLE, resource << 8 | (unsigned)role, on, now_ms);
	org_recount(org, account);
	return true;
}

bool org_platform(struct org *org, uint32_t account, uint8_t bits, bool on, int64_t now_ms)
{
	struct account *a = org->accounts.v[account];
	uint8_t changed = on ? bits & (uint8_t)~a->platform : bits & a->platform;

	if (!changed)
		return false;
	a->platform ^= changed;
	for (unsigned bit = 1; bit < 0x100; bit <<= 1) {
		if (changed & bit)
			lag_note(org, account, LAG_PLATFORM, bit, on, now_ms);
	}
	if ((changed & PLATFORM_ORG_ADMIN) && org->admin_group != UINT32_MAX) {
		if (on)
			org_join(org, account, org->admin_group, now_ms);
		else
			org_leave(org, account, org->admin_group, now_ms);
	}
	org_recount(org, account);
	return true;
}

bool org_member_set(struct org *org, uint32_t account, unsigned directory, enum membership m)
{
	struct account *a = org->accounts.v[account];

	if (a->member[directory] == m)
		return false;
	a->member[directory] = (uint8_t)m;
	org_recount(org, account);
	return true;
}

bool org_life_set(struct org *org, uint32_t account, enum account_life life, int64_t now_ms)
{
	struct account *a = org->accounts.v[account];

	if (a->life == life)
		return false;
	a->life = (uint8_t)life;
	a->deactivated_ms = life == LIFE_ACTIVE ? 0 : now_ms;
	org_recount(org, account);
	return true;
}

bool org_group_role(struct org *org, uint32_t group, unsigned resource, enum role role, bool on)
{
	struct usergroup *g = org->groups.v[group];
	bool is = g->roles[resource] & ROLE_BIT(role);

	if (is == on)
		return false;
	g->roles[resource] ^= ROLE_BIT(role);
	if (g->roles[resource] & ROLES_BILLED)
		g->billed |= (uint16_t)(1u << resource);
	else
		g->billed &= (uint16_t) ~(1u << resource);
	if (!on && g->defaults[resource] == (int8_t)role)
		g->defaults[resource] = -1;
	for (size_t i = 0; g->members && i < org->accounts.n; i++) {
		if (org_is_member(org, (uint32_t)i, group))
			org_recount(org, (uint32_t)i);
	}
	return true;
}

void org_group_drop(struct org *org, uint32_t group)
{
	struct usergroup *g = org->groups.v[group];
	int64_t lag_ms = org->lag_ms;

	org->lag_ms = 0; /* nobody is shown in a group that is no more */
	for (size_t i = 0; g->members && i < org->accounts.n; i++)
		org_leave(org, (uint32_t)i, group, 0);
	org->lag_ms = lag_ms;
	g->gone = true;
}

bool org_remove(struct org *org, uint32_t account, unsigned directory, int64_t now_ms)
{
	struct account *a = org->accounts.v[account];

	if (a->member[directory] == MEMBER_NONE)
		return false;
	for (size_t i = a->groups.n; i-- > 0;) {
		if (org->groups.v[a->groups.v[i]]->directory == directory)
			org_leave(org, account, a->groups.v[i], now_ms);
	}
	for (unsigned r = 0; r < org_resource_count(org); r++) {
		for (int role = 0; role < ROLE_COUNT; role++) {
			if (org_resource_directory(org, r) == directory)
				org_role(org, account, r, (enum role)role, false, now_ms);
		}
	}
	org_member_set(org, account, directory, MEMBER_NONE);
	return true;
}
