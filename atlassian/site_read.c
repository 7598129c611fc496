#include "atlassian/site_read.h"

#include <stdio.h>

#include "atlassian/row.h"
#include "base/vec.h"

#define GROUPS_MOST 5000 /* that give a product; more are not believed */
#define WORD_BYTES 128

/* A group that gives a product, kept so that its members are read after the lists. */
struct giving {
	char product[WORD_BYTES], id[WORD_BYTES];
	bool confluence;
};
VEC(vec_giving, struct giving);

struct reading {
	struct atl_site *s;
	const struct atl_site_sink *sink;
	struct atl_site_result *ret;
	struct vec_giving giving;
	json_t *plans; /* applications of instance/license; NULL: not told */
	/* of the list that is being read */
	bool confluence;
	struct str product;
	int sink_fault;
};

/* What the other side did not tell makes the reading less than whole; what is ours ends it. */
static int missed(struct reading *in, int r, struct err *err)
{
	if (r >= 0)
		return 0;
	if (in->sink_fault || r == -ERR_NOMEM || r == -ERR_CANCELLED || r == -ERR_UNAUTHORIZED)
		return r;
	in->ret->whole = false;
	if (!in->ret->why[0])
		snprintf(in->ret->why, sizeof(in->ret->why), "%s", err->text);
	return 0;
}

static int told(struct reading *in, int r)
{
	if (r < 0)
		in->sink_fault = r;
	return r;
}

static int go_on(struct reading *in, struct err *err)
{
	if (in->sink->stop && in->sink->stop(in->sink->ctx))
		return err_set(err, ERR_CANCELLED, "reading a site was ended");
	return 0;
}

static int group_tell(struct reading *in, const struct atl_site_group *g, struct err *err)
{
	struct giving keep = { .confluence = in->confluence };

	if (!g->id.len || g->id.len >= WORD_BYTES || g->product.len >= WORD_BYTES)
		return err_set(err, ERR_PROTOCOL, "a group without an id");
	if (in->giving.n == GROUPS_MOST)
		return err_set(err, ERR_LIMIT, "more than %d groups give a product",
			       GROUPS_MOST);
	snprintf(keep.id, sizeof(keep.id), STR_FMT, STR_ARG(g->id));
	snprintf(keep.product, sizeof(keep.product), STR_FMT, STR_ARG(g->product));
	if (vec_giving_add(&in->giving, keep) < 0)
		return err_nomem(err);
	in->ret->groups++;
	return told(in, in->sink->group(in->sink->ctx, g, err));
}

/* --- Jira --------------------------------------------------------------------------------- */

static struct str plan_of(const struct reading *in, const char *application)
{
	const json_t *row;
	size_t i;

	json_array_foreach (in->plans, i, row) {
		const char *id = jx_get_text(row, "id");

		if (id && strcmp(id, application) == 0)
			return str_of(jx_get_text(row, "plan"));
	}
	return STR("");
}

static int64_t number_at(const json_t *j, const char *key)
{
	const json_t *n = json_object_get(j, key);

	return json_is_integer(n) && json_integer_value(n) >= 0 ? json_integer_value(n)
								: ATL_NOT_TOLD;
}

static bool is_among(const json_t *groups, const char *id)
{
	const json_t *g;
	size_t i;

	json_array_foreach (groups, i, g) {
		const char *other = jx_get_text(g, "groupId");

		if (other && strcmp(other, id) == 0)
			return true;
	}
	return false;
}

static int role_groups(struct reading *in, const json_t *role, struct str product,
		       struct err *err)
{
	const json_t *groups = json_object_get(role, "groupDetails"), *g;
	const json_t *defaults = json_object_get(role, "defaultGroupsDetails");
	int r = json_is_array(groups) ? 0
				      : err_set(err, ERR_PROTOCOL,
						"an application role tells "
						"no groups");
	size_t i;

	json_array_foreach (groups, i, g) {
		const char *id = jx_get_text(g, "groupId");
		struct atl_site_group row = { .product = product,
					      .id = str_of(id),
					      .name = str_of(jx_get_text(g, "name")),
					      .is_default = id && is_among(defaults, id) };

		if (r == 0)
			r = group_tell(in, &row, err);
	}
	return r;
}

static int role_read(struct reading *in, const json_t *role, struct err *err)
{
	const char *key = jx_get_text(role, "key");
	bool unlimited = json_is_true(json_object_get(role, "hasUnlimitedSeats"));
	struct atl_site_product row;
	int r;

	if (!key)
		return err_set(err, ERR_PROTOCOL, "an application role has no key");
	row = (struct atl_site_product){
		.key = atl_product_key(str_of(key)),
		.seats = unlimited ? ATL_ABSENT : number_at(role, "numberOfSeats"),
		.left = unlimited ? ATL_ABSENT : number_at(role, "remainingSeats"),
		.used = number_at(role, "userCount"),
		.plan = plan_of(in, key),
	};
	in->ret->products++;
	r = told(in, in->sink->product(in->sink->ctx, &row, err));
	return r < 0 ? r : role_groups(in, role, row.key, err);
}

static int plans_read(struct reading *in, struct err *err)
{
	const struct atl_ask ask =
		atl_get(ATL_API_JIRA, "/rest/api/3/instance/license", NULL, 0);
	CLEANUP(json_decref_at) json_t *j = NULL;
	int r = atl_site_ask(in->s, &ask, &j, NULL, err);

	if (r == 0)
		in->plans = json_incref(json_object_get(j, "applications"));
	return missed(in, r, err);
}

static int roles_read(struct reading *in, struct err *err)
{
	const struct atl_ask ask =
		atl_get(ATL_API_JIRA, "/rest/api/3/applicationrole", NULL, 0);
	CLEANUP(json_decref_at) json_t *j = NULL;
	const json_t *role;
	size_t i;
	int r = atl_site_ask(in->s, &ask, &j, NULL, err);

	if (r == 0 && !json_is_array(j))
		r = err_set(err, ERR_PROTOCOL, "the application roles are no list");
	json_array_foreach (j, i, role)
		if (r == 0)
			r = role_read(in, role, err);
	return r;
}

static int bulk_group(void *ctx, const json_t *row, struct err *err)
{
	struct reading *in = ctx;
	struct atl_site_group g = { .product = in->product,
				    .id = str_of(jx_get_text(row, "groupId")),
				    .name = str_of(jx_get_text(row, "name")) };

	return group_tell(in, &g, err);
}

/* Who may not administer Jira is not told of seats, but of the groups that give a product. */
static int bulk_read(struct reading *in, struct err *err)
{
	static const char *const keys[] = { "jira-software", "jira-servicedesk",
					    "jira-product-discovery", "jira-core" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT_OF(keys); i++) {
		const struct str args[] = { str_of(keys[i]) };
		const struct atl_ask ask = atl_get(
			ATL_API_JIRA, "/rest/api/3/group/bulk?applicationKey={}", args, 1);

		in->product = atl_product_key(str_of(keys[i]));
		r = atl_site_each(in->s, ATL_LIST_VALUES, &ask, 50, NULL, bulk_group, in, err);
	}
	return r;
}

static int jira_read(struct reading *in, struct err *err)
{
	int r = plans_read(in, err);

	in->confluence = false;
	if (r == 0)
		r = roles_read(in, err);
	if (r == -ERR_FORBIDDEN) {
		r = missed(in, r, err);
		if (r == 0)
			r = bulk_read(in, err);
	}
	return missed(in, r, err);
}

/* --- service desks ------------------------------------------------------------------------ */

struct desks {
	struct reading *in;
	struct vec_giving list; /* ids */
};

static int desk_note(void *ctx, const json_t *row, struct err *err)
{
	struct desks *d = ctx;
	const char *id = jx_get_text(row, "id");
	struct giving keep = { .confluence = false };

	if (!id || strlen(id) >= sizeof(keep.id))
		return err_set(err, ERR_PROTOCOL, "a service desk has no id");
	snprintf(keep.id, sizeof(keep.id), "%s", id);
	return vec_giving_add(&d->list, keep) < 0 ? err_nomem(err) : 0;
}

static int customer_tell(void *ctx, const json_t *row, struct err *err)
{
	struct reading *in = ctx;
	struct str id = atl_user_id(row, NULL);
	int r = go_on(in, err);

	if (r < 0 || !id.len)
		return r;
	in->ret->customers++;
	return told(in, in->sink->customer(in->sink->ctx, id, err));
}

static int desks_read(struct reading *in, struct err *err)
{
	const struct atl_ask ask =
		atl_get(ATL_API_JIRA, "/rest/servicedeskapi/servicedesk", NULL, 0);
	struct desks d = { in, { 0 } };
	int r = atl_site_each(in->s, ATL_LIST_DESK, &ask, 50, NULL, desk_note, &d, err);

	for (size_t i = 0; r == 0 && i < d.list.n; i++) {
		const struct str args[] = { str_of(d.list.v[i].id) };
		const struct atl_ask of = atl_get(
			ATL_API_JIRA, "/rest/servicedeskapi/servicedesk/{}/customer", args, 1);

		r = missed(in,
			   atl_site_each(in->s, ATL_LIST_DESK, &of, 50, NULL, customer_tell, in,
					 err),
			   err);
	}
	vec_giving_done(&d.list);
	return missed(in, r, err);
}

static bool has_product(const struct reading *in, const char *product)
{
	for (size_t i = 0; i < in->giving.n; i++)
		if (strcmp(in->giving.v[i].product, product) == 0)
			return true;
	return false;
}

/* --- Confluence --------------------------------------------------------------------------- */

static int wiki_group(void *ctx, const json_t *row, struct err *err)
{
	struct reading *in = ctx;
	const char *by = jx_get_text(row, "managedBy");
	struct atl_site_group g = {
		.product = STR("confluence"),
		.id = str_of(jx_get_text(row, "id")),
		.name = str_of(jx_get_text(row, "name")),
		.synced = by ? tri_of(strcmp(by, "EXTERNAL") == 0) : TRI_UNKNOWN,
	};

	return group_tell(in, &g, err);
}

/* Confluence tells no seats: whoever wants their number counts members. */
static int confluence_read(struct reading *in, struct err *err)
{
	const struct atl_ask ask =
		atl_get(ATL_API_CONFLUENCE, "/wiki/rest/api/group?accessType=user", NULL, 0);
	const struct atl_site_product row = { .key = STR("confluence"),
					      .seats = ATL_NOT_TOLD,
					      .left = ATL_NOT_TOLD,
					      .used = ATL_NOT_TOLD };
	int r = told(in, in->sink->product(in->sink->ctx, &row, err));

	in->ret->products++;
	in->confluence = true;
	if (r == 0)
		r = atl_site_each(in->s, ATL_LIST_RESULTS, &ask, 200, NULL, wiki_group, in,
				  err);
	return missed(in, r, err);
}

/* --- members ------------------------------------------------------------------------------ */

/* Jira says whether it is active, Confluence shows active ones alone. */
static int member_tell(void *ctx, const json_t *row, struct err *err)
{
	struct reading *in = ctx;
	struct str id = atl_user_id(row, NULL);
	const char *type = jx_get_text(row, "accountType");
	int r = go_on(in, err);

	if (r < 0 || !id.len || json_is_false(json_object_get(row, "active")) ||
	    (type && *type && strcmp(type, "atlassian") != 0))
		return r;
	in->ret->members++;
	return told(in, in->sink->member(in->sink->ctx, in->product, id, err));
}

static int members_read(struct reading *in, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->giving.n; i++) {
		const struct giving *g = &in->giving.v[i];
		const struct str args[] = { str_of(g->id) };
		const struct atl_ask jira =
			atl_get(ATL_API_JIRA, "/rest/api/3/group/member?groupId={}", args, 1);
		const struct atl_ask wiki =
			atl_get(ATL_API_CONFLUENCE, "/wiki/rest/api/group/{}/membersByGroupId",
				args, 1);

		in->product = str_of(g->product);
		r = atl_site_each(in->s, g->confluence ? ATL_LIST_RESULTS : ATL_LIST_VALUES,
				  g->confluence ? &wiki : &jira, g->confluence ? 200 : 50, NULL,
				  member_tell, in, err);
		r = missed(in, r, err);
	}
	return r;
}

/* --- all of it ---------------------------------------------------------------------------- */

int atl_site_read(struct atl_site *s, const struct atl_site_sink *sink,
		  struct atl_site_result *ret, struct err *err)
{
	struct reading in = { .s = s, .sink = sink, .ret = ret };
	uint64_t calls = atl_site_calls(s);
	int r = 0;

	*ret = (struct atl_site_result){ .whole = true };
	if (atl_site_has(s, ATL_API_JIRA))
		r = jira_read(&in, err);
	if (r == 0 && has_product(&in, "jira-servicedesk"))
		r = desks_read(&in, err);
	if (r == 0 && atl_site_has(s, ATL_API_CONFLUENCE))
		r = confluence_read(&in, err);
	if (r == 0 && atl_site_options(s)->members)
		r = members_read(&in, err);
	ret->calls = atl_site_calls(s) - calls;
	json_decref(in.plans);
	vec_giving_done(&in.giving);
	return r;
}
