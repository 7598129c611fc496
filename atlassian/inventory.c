#include "atlassian/inventory.h"

#include <stdio.h>

#include "base/stamp.h"
#include "base/vec.h"

#define WHOLE_MOST 50000 /* projects, components, rules, spaces of a site that are kept */

/* Something that has an owner, of a list that is read whole. */
struct led {
	enum owned_kind kind;
	char *id, *label, *title, *project;
	char *owner, *also; /* account ids; also: a rule's actor */
};
VEC(vec_led, struct led);

struct atl_inventory {
	struct atl_site *site;
	struct vec_led led;
	bool read; /* the whole lists are */
	bool whole;
	char why[ERR_TEXT_BYTES];
};

/* One account's reading. */
struct of_account {
	struct atl_inventory *v;
	struct str account;
	enum owned_kind kind;
	atl_owned_fn fn;
	void *ctx;
	int fault; /* of fn */
	struct atl_inventory_result *ret;
};

static void led_done(struct led *l)
{
	free(l->id);
	free(l->label);
	free(l->title);
	free(l->project);
	free(l->owner);
	free(l->also);
}

int atl_inventory_new(struct atl_inventory **ret, struct atl_site *site, struct err *err)
{
	struct atl_inventory *v = calloc(1, sizeof(*v));

	if (!v)
		return err_nomem(err);
	v->site = site;
	*ret = v;
	return 0;
}

void atl_inventory_free(struct atl_inventory *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->led.n; i++)
		led_done(&v->led.v[i]);
	vec_led_done(&v->led);
	free(v);
}

bool atl_jql_account(struct str account)
{
	for (size_t i = 0; i < account.len; i++) {
		char c = account.p[i];

		if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		      c == '_' || c == '|' || c == ':' || c == '-'))
			return false;
	}
	return account.len > 0 && account.len <= 128;
}

/* --- lists that are read whole ------------------------------------------------------------ */

static int keep(char **into, struct str text, struct err *err)
{
	*into = str_dup(text);
	return *into ? 0 : err_nomem(err);
}

static int led_add(struct atl_inventory *v, const struct atl_owned *row, struct str owner,
		   struct str also, struct err *err)
{
	struct led l = { .kind = row->kind };
	int r = 0;

	if (!row->id.len || (!owner.len && !also.len && row->kind != OWNED_PROJECT))
		return 0;
	if (v->led.n == WHOLE_MOST)
		return err_set(err, ERR_LIMIT,
			       "the site has more than %d projects, components, "
			       "rules and spaces",
			       WHOLE_MOST);
	r = keep(&l.id, row->id, err);
	if (r == 0)
		r = keep(&l.label, row->label, err);
	if (r == 0)
		r = keep(&l.title, row->title, err);
	if (r == 0)
		r = keep(&l.project, row->project, err);
	if (r == 0)
		r = keep(&l.owner, owner, err);
	if (r == 0)
		r = keep(&l.also, also, err);
	if (r == 0 && vec_led_add(&v->led, l) < 0)
		r = err_nomem(err);
	if (r < 0)
		led_done(&l);
	return r;
}

static struct str member(const json_t *row, const char *key)
{
	return str_of(jx_get_text(row, key));
}

static int project_row(void *ctx, const json_t *row, struct err *err)
{
	struct atl_owned o = { .kind = OWNED_PROJECT,
			       .id = member(row, "id"),
			       .label = member(row, "key"),
			       .title = member(row, "name"),
			       .project = member(row, "key") };

	return led_add(ctx, &o, atl_user_id(row, "lead"), STR(""), err);
}

struct of_project {
	struct atl_inventory *v;
	struct str key;
};

static int component_row(void *ctx, const json_t *row, struct err *err)
{
	struct of_project *p = ctx;
	struct atl_owned o = { .kind = OWNED_COMPONENT,
			       .id = member(row, "id"),
			       .title = member(row, "name"),
			       .project = p->key };

	return led_add(p->v, &o, atl_user_id(row, "lead"), STR(""), err);
}

static int rule_row(void *ctx, const json_t *row, struct err *err)
{
	struct atl_owned o = { .kind = OWNED_RULE,
			       .id = member(row, "uuid"),
			       .title = member(row, "name") };

	return led_add(ctx, &o, member(row, "authorAccountId"), member(row, "actorAccountId"),
		       err);
}

static int space_row(void *ctx, const json_t *row, struct err *err)
{
	struct atl_owned o = { .kind = OWNED_SPACE,
			       .id = member(row, "id"),
			       .label = member(row, "key"),
			       .title = member(row, "name") };

	return led_add(ctx, &o, member(row, "spaceOwnerId"), STR(""), err);
}

static int missed(struct atl_inventory *v, int r, struct err *err)
{
	if (r >= 0 || r == -ERR_NOMEM || r == -ERR_CANCELLED || r == -ERR_UNAUTHORIZED)
		return r;
	v->whole = false;
	if (!v->why[0])
		snprintf(v->why, sizeof(v->why), "%s", err->text);
	return 0;
}

static int components_read(struct atl_inventory *v, struct atl_bound *bound, struct err *err)
{
	size_t n = v->led.n;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n && !bound->cut; i++) {
		struct of_project p = { v, str_of(v->led.v[i].project) };
		const struct str args[] = { str_of(v->led.v[i].id) };
		const struct atl_ask ask =
			atl_get(ATL_API_JIRA, "/rest/api/3/project/{}/component", args, 1);

		r = missed(v,
			   atl_site_each(v->site, ATL_LIST_VALUES, &ask, 50, bound,
					 component_row, &p, err),
			   err);
	}
	return r;
}

static int whole_read(struct atl_inventory *v, struct err *err)
{
	const struct atl_ask projects =
		atl_get(ATL_API_JIRA, "/rest/api/3/project/search?expand=lead", NULL, 0);
	const struct atl_ask rules =
		atl_get(ATL_API_AUTOMATION, "/rest/v1/rule/summary", NULL, 0);
	const struct atl_ask spaces =
		atl_get(ATL_API_CONFLUENCE, "/wiki/api/v2/spaces", NULL, 0);
	struct atl_bound bound = {
		.until_ms = stamp_mono_ms() + atl_site_options(v->site)->within_ms,
		.rows = WHOLE_MOST,
	};
	int r = 0;

	v->whole = v->read = true;
	if (atl_site_has(v->site, ATL_API_JIRA))
		r = missed(v,
			   atl_site_each(v->site, ATL_LIST_VALUES, &projects, 100, &bound,
					 project_row, v, err),
			   err);
	if (r == 0 && atl_site_has(v->site, ATL_API_JIRA))
		r = components_read(v, &bound, err);
	if (r == 0 && atl_site_has(v->site, ATL_API_AUTOMATION))
		r = missed(v,
			   atl_site_each(v->site, ATL_LIST_LINK, &rules, 100, &bound, rule_row,
					 v, err),
			   err);
	if (r == 0 && atl_site_has(v->site, ATL_API_CONFLUENCE))
		r = missed(v,
			   atl_site_each(v->site, ATL_LIST_LINK, &spaces, 250, &bound,
					 space_row, v, err),
			   err);
	/* what was not read to its end is not whole for the accounts after this one either */
	if (r < 0 || bound.cut) {
		v->whole = false;
		if (r < 0)
			snprintf(v->why, sizeof(v->why), "%s", err->text);
		else if (!v->why[0])
			snprintf(v->why, sizeof(v->why),
				 "the site's projects, rules and spaces were not read to their "
				 "end in the time that the settings give (within)");
	}
	return r;
}

/* --- one account -------------------------------------------------------------------------- */

static int tell(struct of_account *a, const struct atl_owned *row, struct err *err)
{
	int r = a->fn(a->ctx, row, err);

	if (r < 0)
		a->fault = r;
	else
		a->ret->rows++;
	return r;
}

static struct str lead_of(const struct atl_inventory *v, struct str project)
{
	for (size_t i = 0; project.len && i < v->led.n; i++)
		if (v->led.v[i].kind == OWNED_PROJECT &&
		    str_eq(str_of(v->led.v[i].project), project))
			return str_of(v->led.v[i].owner);
	return STR("");
}

static int issue_row(void *ctx, const json_t *row, struct err *err)
{
	struct of_account *a = ctx;
	const json_t *fields = json_object_get(row, "fields");
	struct atl_owned o = { .kind = a->kind,
			       .id = member(row, "id"),
			       .label = member(row, "key"),
			       .title = member(fields, "summary"),
			       .project = member(json_object_get(fields, "project"), "key") };

	if (!o.id.len)
		return err_set(err, ERR_PROTOCOL, "an issue has no id");
	o.lead = lead_of(a->v, o.project);
	return tell(a, &o, err);
}

static int thing_row(void *ctx, const json_t *row, struct err *err)
{
	struct of_account *a = ctx;
	struct str owner = atl_user_id(row, "owner");
	struct atl_owned o = { .kind = a->kind,
			       .id = member(row, "id"),
			       .title = member(row, "name") };

	/* asked for by owner; a server that does not know the question answers everything */
	if (!o.id.len || (owner.len && !str_eq(owner, a->account)))
		return 0;
	return tell(a, &o, err);
}

static int issues_read(struct of_account *a, const char *field, struct atl_bound *bound,
		       struct err *err)
{
	struct atl_ask ask = { .api = ATL_API_JIRA,
			       .method = "POST",
			       .path = "/rest/api/3/search/jql" };
	CLEANUP(json_decref_at) json_t *body = NULL;
	CLEANUP(buf_done) struct buf jql;

	buf_init(&jql, 1024);
	if (!atl_jql_account(a->account))
		return err_set(err, ERR_INVALID_VALUE,
			       "the account's id cannot be asked for in a search");
	buf_addf(&jql, "%s = \"" STR_FMT "\" AND resolution = EMPTY ORDER BY created", field,
		 STR_ARG(a->account));
	if (buf_fault(&jql, err, "a search") < 0)
		return -err->code;
	body = json_pack("{s:s,s:[s,s]}", "jql", jql.p, "fields", "summary", "project");
	if (!body)
		return err_nomem(err);
	ask.body = body;
	return atl_site_each(a->v->site, ATL_LIST_TOKEN, &ask, 100, bound, issue_row, a, err);
}

static int things_read(struct of_account *a, const char *path, struct atl_bound *bound,
		       struct err *err)
{
	const struct atl_ask ask = atl_get(ATL_API_JIRA, path, &a->account, 1);

	return atl_site_each(a->v->site, ATL_LIST_VALUES, &ask, 50, bound, thing_row, a, err);
}

static int jira_part(struct of_account *a, enum owned_kind kind, struct atl_bound *bound,
		     struct err *err)
{
	a->kind = kind;
	switch (kind) {
	case OWNED_ISSUE:
		return issues_read(a, "assignee", bound, err);
	case OWNED_REPORTED:
		return issues_read(a, "reporter", bound, err);
	case OWNED_FILTER:
		return things_read(a,
				   "/rest/api/3/filter/"
				   "search?accountId={}&overrideSharePermissions=true&expand="
				   "owner",
				   bound, err);
	default:
		return things_read(a, "/rest/api/3/dashboard/search?accountId={}&status=active",
				   bound, err);
	}
}

static int led_tell(struct of_account *a, struct err *err)
{
	struct atl_inventory *v = a->v;
	int r = 0;

	for (size_t i = 0; r == 0 && i < v->led.n; i++) {
		const struct led *l = &v->led.v[i];
		struct atl_owned o = { .kind = l->kind,
				       .id = str_of(l->id),
				       .label = str_of(l->label),
				       .title = str_of(l->title),
				       .project = str_of(l->project) };

		if (!str_eq(a->account, str_of(l->owner)) &&
		    !str_eq(a->account, str_of(l->also)))
			continue;
		if (l->kind == OWNED_COMPONENT)
			o.lead = lead_of(v, o.project);
		r = tell(a, &o, err);
	}
	return r;
}

static void note(struct of_account *a, const char *why)
{
	a->ret->whole = false;
	if (!a->ret->why[0])
		snprintf(a->ret->why, sizeof(a->ret->why), "%s", why);
}

int atl_inventory_read(struct atl_inventory *v, struct str account, atl_owned_fn fn, void *ctx,
		       struct atl_inventory_result *ret, struct err *err)
{
	static const enum owned_kind parts[] = { OWNED_ISSUE, OWNED_FILTER, OWNED_DASHBOARD,
						 OWNED_REPORTED };
	const struct atl_site_options *o = atl_site_options(v->site);
	struct of_account a = { .v = v, .account = account, .fn = fn, .ctx = ctx, .ret = ret };
	struct atl_bound bound = { .rows = (uint64_t)o->most };
	int r = v->read ? 0 : whole_read(v, err);

	*ret = (struct atl_inventory_result){ .whole = true };
	bound.until_ms = stamp_mono_ms() + o->within_ms;
	if (r == 0 && !v->whole)
		note(&a, v->why);
	for (size_t i = 0; r == 0 && i < COUNT_OF(parts); i++) {
		if (!atl_site_has(v->site, ATL_API_JIRA))
			break;
		r = jira_part(&a, parts[i], &bound, err);
		if (r >= 0 || a.fault || r == -ERR_NOMEM || r == -ERR_CANCELLED ||
		    r == -ERR_UNAUTHORIZED)
			continue;
		note(&a, err->text);
		r = 0;
	}
	if (r == 0 && bound.cut)
		note(&a,
		     "the account owns more than the settings let be listed (most, within)");
	return r < 0 ? r : led_tell(&a, err);
}
