/*
 * What tests steer the rehearsal by, under /_rehearsal/, without a key and outside of log,
 * record, rate and faults.
 *
 *   GET    state[?account=ID-or-address][?brief=1]    accounts, seats, groups, licences
 *   GET    log[?last=N][?brief=1]                     counts, effects; brief: numbers
 *   DELETE log
 *   POST   faults            GET, DELETE faults       see mischief.h
 *   POST   clock {"advance_ms"} or {"to"}             GET clock
 *   POST   set {"account", ...}, {"person"}, {"group"}, {"org"}; or {"all": [...]} of these
 *   POST   rate {"limit", "window_ms"}
 *   POST   events {"action", "actor"[, "account", "group", "key"]}
 *                                                     somebody did it by hand, or under a key
 *   GET    endpoints                                  what the organisation understands
 */
#include "base/jx.h"
#include "tests/rehearsal/people.h"
#include "tests/rehearsal/rehearsal.h"

/* --- state ----------------------------------------------------------------------------- */

static void seats_write(const struct org *org, struct jw *w, const char *key, uint16_t mask)
{
	jw_open(w, key, '[');
	for (unsigned r = 0; r < org_resource_count(org); r++) {
		if (mask & (1u << r))
			jw_text(w, NULL, org->resources[r].label);
	}
	jw_close(w, ']');
}

static void platform_write(const struct org *org, struct jw *w, uint8_t platform)
{
	jw_open(w, "platformRoles", '[');
	if (platform & PLATFORM_ORG_ADMIN)
		jw_text(w, NULL, role_id(ROLE_ORG_ADMIN));
	for (unsigned s = 0; s < org->site_count; s++) {
		if (platform & PLATFORM_SITE_ADMIN(s))
			jw_textf(w, NULL, "%s@%s", role_id(ROLE_SITE_ADMIN),
				 org->sites[s].name);
	}
	jw_close(w, ']');
}

static void direct_write(const struct org *org, struct jw *w, const struct account *a)
{
	jw_open(w, "directRoles", '{');
	for (unsigned r = 0; r < org_resource_count(org); r++) {
		if (a->direct[r] == 0)
			continue;
		jw_open(w, org->resources[r].label, '[');
		for (int i = 0; i < ROLE_COUNT; i++) {
			if (a->direct[r] & ROLE_BIT(i))
				jw_text(w, NULL, role_id((enum role)i));
		}
		jw_close(w, ']');
	}
	jw_close(w, '}');
}

static uint32_t tokens_alive(const struct org *org, const struct account *a)
{
	uint32_t n = 0;

	for (uint32_t at = a->tokens; at; at = org->tokens.v[at - 1].next)
		n += !org->tokens.v[at - 1].revoked;
	return n;
}

static void account_state(struct call *c, struct jw *w, const struct account *a)
{
	const struct org *org = c->org;

	jw_open(w, NULL, '{');
	jw_text(w, "id", a->id);
	jw_text(w, "email", a->email);
	jw_text(w, "name", a->name);
	jw_text(w, "case", a->label);
	jw_text(w, "type", account_type_text((enum account_type)a->type));
	jw_text(w, "status", status_text(org_status(org, a, c->now_ms)));
	jw_text(w, "accountStatus", account_life_text(org_life(a, c->now_ms)));
	jw_text(w, "membership", membership_text(org_membership(org, a)));
	jw_bool(w, "managed", a->managed);
	jw_bool(w, "synced", a->source == SOURCE_SYNCED);
	jw_bool(w, "emailVerified", a->verified);
	jw_bool(w, "gone", a->gone);
	jw_time(w, "added", a->added_ms);
	seats_write(org, w, "seats", a->seats);
	jw_open(w, "groups", '[');
	for (size_t i = 0; i < a->groups.n; i++)
		jw_text(w, NULL, org->groups.v[a->groups.v[i]]->name);
	jw_close(w, ']');
	direct_write(org, w, a);
	platform_write(org, w, a->platform);
	jw_open(w, "lastActive", '{');
	for (unsigned r = 0; r < org_resource_count(org); r++) {
		if (a->last_ms[r])
			jw_time(w, org->resources[r].label, a->last_ms[r]);
	}
	jw_close(w, '}');
	jw_int(w, "tokens", tokens_alive(org, a));
	jw_int(w, "lagging", a->lagging);
	jw_close(w, '}');
}

static void licences_write(const struct org *org, struct jw *w)
{
	jw_open(w, "seats", '{');
	for (unsigned r = 0; r < org_resource_count(org); r++) {
		const struct resource *res = &org->resources[r];

		jw_open(w, res->label, '{');
		jw_text(w, "resource", res->ari);
		jw_text(w, "product", org_resource_product(r)->key);
		jw_text(w, "site", org->sites[r / ORG_PRODUCTS].name);
		jw_int(w, "used", res->used);
		jw_int(w, "capacity", res->capacity);
		jw_close(w, '}');
	}
	jw_close(w, '}');
}

/* Bits of the resources for which a group is the default one of some role. */
static uint16_t defaults_of(const struct org *org, const struct usergroup *g)
{
	uint16_t bits = 0;

	for (unsigned r = 0; r < org_resource_count(org); r++)
		if (g->defaults[r] >= 0)
			bits |= (uint16_t)(1u << r);
	return bits;
}

static void groups_write(const struct org *org, struct jw *w)
{
	jw_open(w, "groups", '{');
	for (size_t i = 0; i < org->groups.n; i++) {
		const struct usergroup *g = org->groups.v[i];

		if (g->gone)
			continue;
		jw_open(w, g->name, '{');
		jw_text(w, "id", g->id);
		jw_int(w, "members", g->members);
		jw_bool(w, "synced", g->synced);
		jw_bool(w, "modifiable", g->modifiable);
		seats_write(org, w, "grants", g->billed);
		seats_write(org, w, "defaults", defaults_of(org, g));
		jw_close(w, '}');
	}
	jw_close(w, '}');
}

static void org_state(struct call *c, struct jw *w)
{
	const struct org *org = c->org;
	int64_t statuses[STATUS_COUNT] = { 0 }, alive = 0;

	for (size_t i = 0; i < org->accounts.n; i++) {
		if (org->accounts.v[i]->gone)
			continue;
		alive++;
		statuses[org_status(org, org->accounts.v[i], c->now_ms)]++;
	}
	jw_time(w, "now", c->now_ms);
	jw_text(w, "org", org->id);
	jw_text(w, "name", org->name);
	jw_text_or_null(w, "keyOwner",
			org->key_owner == UINT32_MAX ? NULL
						     : org->accounts.v[org->key_owner]->id);
	jw_open(w, "directories", '[');
	for (unsigned d = 0; d < org->directory_count; d++)
		jw_text(w, NULL, org->directories[d].id);
	jw_close(w, ']');
	jw_open(w, "domains", '[');
	for (unsigned d = 0; d < org->domain_count; d++) {
		if (org->domains[d].verified)
			jw_text(w, NULL, org->domains[d].name);
	}
	jw_close(w, ']');
	jw_int(w, "count", alive);
	jw_open(w, "statuses", '{');
	for (int i = 0; i < STATUS_COUNT; i++)
		jw_int(w, status_text((enum status)i), statuses[i]);
	jw_close(w, '}');
	licences_write(org, w);
	jw_int(w, "lagging", (int64_t)org->lags.n);
}

static bool account_named(const struct org *org, const char *name, uint32_t *ret)
{
	return name && (org_account_by_id(org, str_of(name), ret) ||
			org_account_by_email(org, str_of(name), ret));
}

static int state_get(struct call *c)
{
	CLEANUP(buf_done) struct buf value;
	struct jw w = { .b = &c->out };
	uint32_t account;

	buf_init(&value, 1024);
	if (call_query(c, "account", &value)) {
		if (!account_named(c->org, value.p, &account))
			return answer_proxy(c, 404, "no such account");
		account_state(c, &w, c->org->accounts.v[account]);
		return 200;
	}
	jw_open(&w, NULL, '{');
	org_state(c, &w);
	if (!call_query(c, "brief", &value)) {
		groups_write(c->org, &w);
		jw_open(&w, "accounts", '[');
		for (size_t i = 0; i < c->org->accounts.n; i++)
			account_state(c, &w, c->org->accounts.v[i]);
		jw_close(&w, ']');
	}
	jw_close(&w, '}');
	return 200;
}

/* --- log, faults, clock, rate ---------------------------------------------------------- */

static int fine(struct call *c)
{
	buf_add_text(&c->out, "{\"ok\":true}");
	return 200;
}

static int refuse(struct call *c, const struct err *err)
{
	buf_clear(&c->out);
	return answer_proxy(c, 400, err->text);
}

static int log_get(struct call *c)
{
	CLEANUP(buf_done) struct buf value;
	struct jw w = { .b = &c->out };
	uint64_t last = LEDGER_REQUESTS;

	buf_init(&value, 64);
	if (call_query(c, "last", &value) && !str_uint64(buf_str(&value), &last))
		return answer_proxy(c, 400, "last is a number");
	jw_open(&w, NULL, '{');
	if (call_query(c, "brief", &value))
		ledger_numbers(&c->re->ledger, &w);
	else
		ledger_show(&c->re->ledger, &w, (size_t)last);
	jw_close(&w, '}');
	return 200;
}

static int log_clear(struct call *c)
{
	ledger_clear(&c->re->ledger);
	return fine(c);
}

static int faults_arm(struct call *c)
{
	struct jw w = { .b = &c->out };
	struct err err;
	int64_t id;

	if (mischief_arm(&c->re->mischief, c->body, &id, &err) < 0)
		return refuse(c, &err);
	jw_open(&w, NULL, '{');
	jw_int(&w, "id", id);
	jw_close(&w, '}');
	return 200;
}

static int faults_get(struct call *c)
{
	struct jw w = { .b = &c->out };

	jw_open(&w, NULL, '{');
	mischief_show(&c->re->mischief, &w);
	jw_close(&w, '}');
	return 200;
}

static int faults_clear(struct call *c)
{
	mischief_clear(&c->re->mischief);
	return fine(c);
}

static int clock_show(struct call *c)
{
	struct jw w = { .b = &c->out };

	jw_open(&w, NULL, '{');
	jw_time(&w, "now", stamp_now_ms());
	jw_int(&w, "now_ms", stamp_now_ms());
	jw_bool(&w, "virtual", stamp_is_virtual());
	jw_close(&w, '}');
	return 200;
}

static int clock_move(struct call *c)
{
	const char *to = json_string_value(json_object_get(c->body, "to"));
	int64_t ms = json_integer_value(json_object_get(c->body, "advance_ms"));
	struct err err;

	if (to && !stamp_parse(str_of(to), &ms))
		return answer_proxy(c, 400, "to is a date-time");
	if (to)
		ms -= stamp_now_ms();
	if (ms < 0)
		return answer_proxy(c, 400, "the clock only goes forward");
	if (clock_advance(ms, &err) < 0)
		return refuse(c, &err);
	return clock_show(c);
}

static int rate_set(struct call *c)
{
	const json_t *limit = json_object_get(c->body, "limit");
	const json_t *window = json_object_get(c->body, "window_ms");

	if (!json_is_integer(limit) || json_integer_value(limit) < 0)
		return answer_proxy(c, 400, "limit is a number, 0 for none");
	c->re->rate.limit = json_integer_value(limit);
	c->re->rate.used = 0;
	c->re->rate.began_mono_ms = stamp_mono_ms();
	if (json_is_integer(window) && json_integer_value(window) > 0)
		c->re->rate.window_ms = json_integer_value(window);
	return fine(c);
}

static int endpoints_get(struct call *c)
{
	static const struct endpoint *const tables[] = { endpoints_org,    endpoints_users,
							 endpoints_writes, endpoints_groups,
							 endpoints_manage, endpoints_events };
	struct jw w = { .b = &c->out };

	jw_open(&w, NULL, '{');
	jw_open(&w, "endpoints", '[');
	for (size_t t = 0; t < COUNT_OF(tables); t++) {
		for (const struct endpoint *e = tables[t]; e->method; e++) {
			jw_open(&w, NULL, '{');
			jw_text(&w, "method", e->method);
			jw_text(&w, "path", e->path);
			jw_close(&w, '}');
		}
	}
	jw_close(&w, ']');
	jw_close(&w, '}');
	return 200;
}

/* --- set ------------------------------------------------------------------------------- */

static int org_set(struct call *c, const json_t *from, struct err *err)
{
	const char *id = json_string_value(json_object_get(from, "id"));
	const char *name = json_string_value(json_object_get(from, "name"));
	const json_t *capacity = json_object_get(from, "capacity");
	const char *label;
	json_t *v;

	if (id)
		snprintf(c->org->id, sizeof(c->org->id), "%s", id);
	if (name)
		snprintf(c->org->name, sizeof(c->org->name), "%s", name);
	if ((v = json_object_get(from, "lag_ms")))
		c->org->lag_ms = json_integer_value(v);
	if ((v = json_object_get(from, "latency_ms")))
		c->re->latency_ms = json_integer_value(v);
	if ((v = json_object_get(from, "unpaid")))
		c->org->unpaid = json_is_true(v);
	if ((v = json_object_get(from, "appsInSearch")))
		c->re->apps_in_search = json_is_true(v);
	if ((v = json_object_get(from, "pageV1")) && json_integer_value(v) > 0)
		c->re->page_v1 = json_integer_value(v);
	json_object_foreach ((json_t *)capacity, label, v) {
		unsigned r;

		if (!org_resource_by_label(c->org, str_of(label), &r))
			return err_set(err, ERR_USAGE, "capacity: no product %s", label);
		c->org->resources[r].capacity = json_integer_value(v);
	}
	return 0;
}

static int group_set(struct call *c, const char *name, const json_t *from, struct err *err)
{
	struct usergroup *g;
	uint32_t group;
	json_t *v;

	if (!org_group_by_name(c->org, str_of(name), &group))
		return err_set(err, ERR_USAGE, "no group named %s", name);
	g = c->org->groups.v[group];
	if ((v = json_object_get(from, "synced"))) {
		g->synced = json_is_true(v);
		g->managed_by = g->synced ? "external" : "admins";
		g->modifiable = !g->synced;
	}
	if ((v = json_object_get(from, "modifiable")))
		g->modifiable = json_is_true(v);
	if (json_is_true(json_object_get(from, "delete")))
		org_group_drop(c->org, group);
	return 0;
}

static int person_add(struct call *c, const json_t *from, struct err *err)
{
	const char *email = json_string_value(json_object_get(from, "email"));
	const char *name = json_string_value(json_object_get(from, "name"));
	uint32_t account;
	int r;

	if (!email)
		return err_set(err, ERR_USAGE, "person: email is required");
	r = org_account_add(c->org, email, name ? name : email, c->now_ms, &account, err);
	if (r < 0)
		return r;
	c->org->accounts.v[account]->label = "set";
	c->org->accounts.v[account]->source = SOURCE_INVITED;
	if (!json_object_get(from, "status"))
		org_member_set(c->org, account, 0, MEMBER_ACTIVE);
	return people_apply(c->org, account, from, c->now_ms, err);
}

static int account_set(struct call *c, const char *who, const json_t *from, struct err *err)
{
	const char *name = json_string_value(json_object_get(from, "name"));
	const char *email = json_string_value(json_object_get(from, "email"));
	uint32_t account;
	int r = 0;

	if (!account_named(c->org, who, &account))
		return err_set(err, ERR_USAGE, "no account %s", who);
	if (name) {
		const char *text = org_text(c->org, str_of(name));

		if (!text)
			return err_nomem(err);
		c->org->accounts.v[account]->name = text;
	}
	if (email)
		r = org_email_set(c->org, account, email, err);
	return r < 0 ? r : people_apply(c->org, account, from, c->now_ms, err);
}

static int one_set(struct call *c, const json_t *from, struct err *err)
{
	const char *who = json_string_value(json_object_get(from, "account"));
	const char *group = json_string_value(json_object_get(from, "group"));
	const json_t *person = json_object_get(from, "person");
	const json_t *org = json_object_get(from, "org");

	if (who)
		return account_set(c, who, from, err);
	if (group)
		return group_set(c, group, from, err);
	if (person)
		return person_add(c, person, err);
	if (org)
		return org_set(c, org, err);
	return err_set(err, ERR_USAGE, "set: account, person, group or org");
}

static int set_post(struct call *c)
{
	const json_t *all = json_object_get(c->body, "all"), *item;
	struct err err;
	size_t i;

	if (!all)
		return one_set(c, c->body, &err) < 0 ? refuse(c, &err) : fine(c);
	json_array_foreach ((json_t *)all, i, item) {
		if (one_set(c, item, &err) < 0)
			return refuse(c, &err);
	}
	return fine(c);
}

/* clang-format off */
const struct endpoint endpoints_control[] = {
	{ "GET",    "/_rehearsal/state", state_get, 0 },
	{ "GET",    "/_rehearsal/log", log_get, 0 },
	{ "DELETE", "/_rehearsal/log", log_clear, 0 },
	{ "POST",   "/_rehearsal/faults", faults_arm, ENDPOINT_OBJECT },
	{ "GET",    "/_rehearsal/faults", faults_get, 0 },
	{ "DELETE", "/_rehearsal/faults", faults_clear, 0 },
	{ "GET",    "/_rehearsal/clock", clock_show, 0 },
	{ "POST",   "/_rehearsal/clock", clock_move, ENDPOINT_OBJECT },
	{ "POST",   "/_rehearsal/rate", rate_set, ENDPOINT_OBJECT },
	{ "GET",    "/_rehearsal/endpoints", endpoints_get, 0 },
	{ "POST",   "/_rehearsal/events", events_post, ENDPOINT_OBJECT },
	{ "POST",   "/_rehearsal/set", set_post, ENDPOINT_OBJECT },
	{ NULL, NULL, NULL, 0 },
};
/* clang-format on */
