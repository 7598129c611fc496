/* A site's Jira, Jira Service Management and Automation: seats, groups, people, and what they
 * own. */
#include "base/jx.h"
#include "tests/rehearsal/works.h"

enum { JIRA, DESK }; /* of org_products */

static struct str text_of(const json_t *row, const char *key)
{
	return str_of(json_string_value(json_object_get(row, key)));
}

/* A query value into *into, "" where it was not sent. */
static struct str asked(const struct call *c, const char *name, struct buf *into)
{
	buf_init(into, 4096);
	return call_query(c, name, into) ? buf_str(into) : STR("");
}

/* --- seats and groups --------------------------------------------------------------------- */

static const char *const application_keys[] = { "jira-software", "jira-servicedesk" };

static json_t *groups_of(const struct call *c, unsigned resource, bool defaults, bool details)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->org->groups.n; i++) {
		const struct usergroup *g = c->org->groups.v[i];

		if (g->gone || !(g->roles[resource] & ROLES_BILLED) ||
		    (defaults && g->defaults[resource] < 0))
			continue;
		json_array_append_new(list, details ? json_pack("{s:s,s:s}", "groupId", g->id,
								"name", g->name)
						    : json_string(g->name));
	}
	return list;
}

static int roles_get(struct call *c)
{
	json_t *list;
	unsigned site;
	int status = works_site(c, 2, &site);

	if (status)
		return status;
	list = json_array();
	for (unsigned p = JIRA; p <= DESK; p++) {
		unsigned r = site * ORG_PRODUCTS + p;
		const struct resource *of = &c->org->resources[r];
		json_t *role = json_pack(
			"{s:s,s:s,s:o,s:o,s:o,s:o,s:b,s:b,s:b,s:b,s:I,s:s}", "key",
			application_keys[p], "name", org_products[p].name, "groups",
			groups_of(c, r, false, false), "groupDetails",
			groups_of(c, r, false, true), "defaultGroups",
			groups_of(c, r, true, false), "defaultGroupsDetails",
			groups_of(c, r, true, true), "selectedByDefault", p == JIRA, "defined",
			true, "platform", false, "hasUnlimitedSeats", of->capacity == 0,
			"userCount", (json_int_t)of->used, "userCountDescription", "users");

		json_object_set_new(role, "numberOfSeats",
				    json_integer(of->capacity ? of->capacity : -1));
		json_object_set_new(
			role, "remainingSeats",
			json_integer(of->capacity ? of->capacity - (json_int_t)of->used : -1));
		json_array_append_new(list, role);
	}
	return works_send(c, 200, list);
}

static int license_get(struct call *c)
{
	unsigned site;
	int status = works_site(c, 2, &site);

	if (status)
		return status;
	return works_send(c, 200,
			  json_pack("{s:[{s:s,s:s},{s:s,s:s}]}", "applications", "id",
				    application_keys[JIRA], "plan", "PAID", "id",
				    application_keys[DESK], "plan", "PAID"));
}

static int bulk_groups_get(struct call *c)
{
	CLEANUP(buf_done) struct buf key;
	unsigned site, p = JIRA;
	int status = works_site(c, 2, &site);
	struct str wanted = asked(c, "applicationKey", &key);

	if (status)
		return status;
	while (p <= DESK && !str_eq(wanted, str_of(application_keys[p])))
		p++;
	return works_page(c,
			  p <= DESK ? groups_of(c, site * ORG_PRODUCTS + p, false, true)
				    : json_array(),
			  50);
}

static int group_members_get(struct call *c)
{
	CLEANUP(buf_done) struct buf id;
	json_t *rows;
	uint32_t group;
	unsigned site;
	int status = works_site(c, 2, &site);

	if (status) {
		buf_init(&id, 1);
		return status;
	}
	if (!org_group_by_id(c->org, asked(c, "groupId", &id), &group))
		return works_refuse(c, 404, "The group was not found");
	rows = json_array();
	for (uint32_t i = 0; i < c->org->accounts.n; i++)
		if (works_member(c, i, group) && works_active(c, i))
			json_array_append_new(rows,
					      works_user(c, site, c->org->accounts.v[i]->id));
	return works_page(c, rows, 50);
}

/* --- service desks ------------------------------------------------------------------------ */

static int desk_page(struct call *c, unsigned site, json_t *rows)
{
	size_t from = works_number(c, "start", 0), limit = works_number(c, "limit", 50);
	size_t total = json_array_size(rows), to;
	json_t *values = json_array();

	to = from + limit < total ? from + limit : total;
	for (size_t i = from; i < to; i++)
		json_array_append(values, json_array_get(rows, i));
	json_decref(rows);
	return works_send(
		c, 200,
		json_pack("{s:I,s:I,s:I,s:b,s:o,s:{s:o}}", "start", (json_int_t)from, "limit",
			  (json_int_t)limit, "size", (json_int_t)(to - from), "isLastPage",
			  to >= total, "values", values, "_links", "base",
			  json_sprintf("%s/ex/jira/%s", c->re->base, c->org->sites[site].id)));
}

static int desks_get(struct call *c)
{
	json_t *rows, *row, *seen = json_object();
	unsigned site;
	size_t i;
	int status = works_site(c, 2, &site);

	if (status) {
		json_decref(seen);
		return status;
	}
	rows = json_array();
	json_array_foreach (works_of(c, "customers"), i, row) {
		const char *desk = json_string_value(json_object_get(row, "desk"));

		if (!works_at(c, row, site) || json_object_get(seen, desk))
			continue;
		json_object_set_new(seen, desk, json_true());
		json_array_append_new(rows, json_pack("{s:s,s:s,s:o,s:s}", "id", desk,
						      "projectId", desk, "projectKey",
						      json_sprintf("DESK%s", desk),
						      "projectName", "Help"));
	}
	json_decref(seen);
	return desk_page(c, site, rows);
}

static int customers_get(struct call *c)
{
	json_t *rows, *row;
	unsigned site;
	size_t i;
	int status = works_site(c, 2, &site);

	if (status)
		return status;
	rows = json_array();
	json_array_foreach (works_of(c, "customers"), i, row) {
		json_t *user;

		if (!works_at(c, row, site) ||
		    !str_eq(text_of(row, "desk"), call_segment(c, 6)))
			continue;
		user = works_user(c, site, json_string_value(json_object_get(row, "account")));
		json_object_del(user, "accountType");
		json_object_del(user, "self");
		json_array_append_new(rows, user);
	}
	return desk_page(c, site, rows);
}

/* --- people ------------------------------------------------------------------------------- */

static int user_get(struct call *c)
{
	CLEANUP(buf_done) struct buf id;
	struct str wanted = asked(c, "accountId", &id);
	json_t *user;
	unsigned site;
	int status = works_site(c, 2, &site);

	if (status)
		return status;
	user = works_user(c, site, wanted.len ? id.p : NULL);
	return user ? works_send(c, 200, user)
		    : works_refuse(c, 404,
				   "Specified user does not exist or you do not have "
				   "required permissions");
}

/* The account whose token it is: whoever made the organisation's key, or the first. */
static int myself_get(struct call *c)
{
	const struct org *org = c->org;
	uint32_t who = org->key_owner == UINT32_MAX ? 0 : org->key_owner;
	unsigned site;
	int status = works_site(c, 2, &site);

	return status ? status
		      : works_send(c, 200, works_user(c, site, org->accounts.v[who]->id));
}

/* What the works name as "denied". */
static bool is_denied(const struct call *c, struct str permission)
{
	const json_t *denied;
	size_t i;

	json_array_foreach (works_of(c, "denied"), i, denied)
		if (str_eq(permission, str_of(json_string_value(denied))))
			return true;
	return false;
}

static int permissions_get(struct call *c)
{
	CLEANUP(buf_done) struct buf wanted;
	CLEANUP(buf_done) struct buf within;
	struct str rest = asked(c, "permissions", &wanted), key;
	struct str project = asked(c, "projectKey", &within);
	json_t *list = json_object();
	unsigned site;
	int status = works_site(c, 2, &site);

	if (!status && project.len && !works_find(c, "projects", site, "key", project))
		status = works_refuse(c, 404, "No project could be found with that key");
	while (!status && rest.len) {
		struct str tail = { 0 };
		bool have;

		str_cut(rest, ',', &key, &tail);
		rest = tail;
		have = !is_denied(c, key);
		json_object_setn_new(list, key.p, key.len,
				     json_pack("{s:s%,s:s,s:b}", "key", key.p, key.len, "type",
					       project.len ? "PROJECT" : "GLOBAL",
					       "havePermission", have));
	}
	if (status) {
		json_decref(list);
		return status;
	}
	return works_send(c, 200, json_pack("{s:o}", "permissions", list));
}

/* Whether an account may be assigned issues of a project. */
static bool is_assignable(const struct call *c, unsigned site, const json_t *project,
			  const char *id)
{
	uint16_t seats = (uint16_t)(3u << (site * ORG_PRODUCTS));
	uint32_t account;
	const json_t *one;
	size_t i;

	if (!project || !org_account_by_id(c->org, str_of(id), &account) ||
	    !works_active(c, account) || !(c->org->accounts.v[account]->seats & seats))
		return false;
	json_array_foreach (json_object_get(project, "closed"), i, one)
		if (strcmp(json_string_value(one), id) == 0)
			return false;
	return true;
}

static int assignable_get(struct call *c)
{
	CLEANUP(buf_done) struct buf keys;
	CLEANUP(buf_done) struct buf id;
	struct str rest = asked(c, "projectKeys", &keys), key;
	struct str wanted = asked(c, "accountId", &id);
	bool may = wanted.len > 0 && rest.len > 0;
	json_t *list;
	unsigned site;
	int status = works_site(c, 2, &site);

	if (status)
		return status;
	while (rest.len && may) {
		struct str tail = { 0 };

		str_cut(rest, ',', &key, &tail);
		rest = tail;
		may = is_assignable(c, site, works_find(c, "projects", site, "key", key), id.p);
	}
	list = json_array();
	if (may)
		json_array_append_new(list, works_user(c, site, id.p));
	return works_send(c, 200, list);
}

/* --- issues ------------------------------------------------------------------------------- */

static json_t *issue_json(const struct call *c, unsigned site, const json_t *row)
{
	const json_t *project = works_find(c, "projects", site, "key", text_of(row, "project"));
	json_t *assignee =
		works_user(c, site, json_string_value(json_object_get(row, "assignee")));

	return json_pack("{s:O,s:O,s:{s:O,s:o,s:{s:o,s:O}}}", "id", json_object_get(row, "id"),
			 "key", json_object_get(row, "key"), "fields", "summary",
			 json_object_get(row, "summary"), "assignee",
			 assignee ? assignee : json_null(), "project", "id",
			 project ? json_incref(json_object_get(project, "id"))
				 : json_string("0"),
			 "key", json_object_get(row, "project"));
}

/* The JQL that leaverd sends: WHO = "ID" AND resolution = EMPTY ... */
static bool jql_read(const char *jql, const char **field, char id[160])
{
	static const char *const fields[] = { "assignee", "reporter" };

	for (size_t i = 0; jql && i < COUNT_OF(fields); i++) {
		size_t n = strlen(fields[i]);
		const char *end;

		if (strncmp(jql, fields[i], n) != 0 || strncmp(jql + n, " = \"", 4) != 0)
			continue;
		end = strchr(jql + n + 4, '"');
		if (!end || end - (jql + n + 4) >= 160 || !strstr(end, "resolution = EMPTY"))
			return false;
		snprintf(id, 160, "%.*s", (int)(end - (jql + n + 4)), jql + n + 4);
		*field = fields[i];
		return true;
	}
	return false;
}

#define SEEN_AFTER_MS 30000 /* search is told of new issues so much later */

/* The other JQL that leaverd sends: project = "KEY" AND labels = "LABEL" ORDER BY created */
static bool jql_label(const char *jql, char project[160], char label[160])
{
	char end[32];

	return jql &&
	       sscanf(jql, "project = \"%159[^\"]\" AND labels = \"%159[^\"]\" ORDER BY %31s",
		      project, label, end) == 3 &&
	       strcmp(end, "created") == 0;
}

static int search_label(struct call *c, unsigned site, const char *project, const char *label)
{
	json_t *found = json_array(), *row;
	size_t i;

	json_array_foreach (works_of(c, "issues"), i, row)
		if (works_at(c, row, site) &&
		    str_eq(text_of(row, "project"), str_of(project)) &&
		    list_has(json_object_get(row, "labels"), label) &&
		    json_integer_value(json_object_get(row, "made_ms")) + SEEN_AFTER_MS <=
			    c->now_ms)
			json_array_append_new(found, issue_json(c, site, row));
	return works_send(c, 200, json_pack("{s:o,s:b}", "issues", found, "isLast", true));
}

static int search_post(struct call *c)
{
	const char *field,
		*token = json_string_value(json_object_get(c->body, "nextPageToken"));
	json_int_t most = json_integer_value(json_object_get(c->body, "maxResults"));
	size_t from = token ? (size_t)strtoul(token, NULL, 10) : 0, n = 0, i;
	json_t *issues, *row, *answer;
	char id[160], project[160];
	unsigned site;
	int status = works_site(c, 2, &site);

	if (status)
		return status;
	if (jql_label(json_string_value(json_object_get(c->body, "jql")), project, id))
		return search_label(c, site, project, id);
	if (!jql_read(json_string_value(json_object_get(c->body, "jql")), &field, id))
		return works_refuse(c, 400, "The JQL is not one of the rehearsal's");
	issues = json_array();
	json_array_foreach (works_of(c, "issues"), i, row) {
		if (!works_at(c, row, site) || !json_is_true(json_object_get(row, "open")) ||
		    !str_eq(text_of(row, field), str_of(id)) || n++ < from)
			continue;
		if (n > from + (size_t)most)
			break;
		json_array_append_new(issues, issue_json(c, site, row));
	}
	answer = json_pack("{s:o,s:b}", "issues", issues, "isLast", n <= from + (size_t)most);
	if (n > from + (size_t)most)
		json_object_set_new(answer, "nextPageToken",
				    json_sprintf("%zu", from + (size_t)most));
	return works_send(c, 200, answer);
}

static int fetch_post(struct call *c)
{
	const json_t *ids = json_object_get(c->body, "issueIdsOrKeys"), *one;
	json_t *issues, *errors;
	unsigned site;
	size_t i;
	int status = works_site(c, 2, &site);

	if (status)
		return status;
	if (!json_is_array(ids) || json_array_size(ids) > 100)
		return works_refuse(c, 400, "Between 1 and 100 issues can be fetched");
	issues = json_array();
	errors = json_array();
	json_array_foreach (ids, i, one) {
		json_t *row =
			works_find(c, "issues", site, "id", str_of(json_string_value(one)));

		if (row)
			json_array_append_new(issues, issue_json(c, site, row));
		else
			json_array_append_new(errors,
					      json_pack("{s:O,s:s}", "id", one, "errorMessage",
							"Issue does not exist"));
	}
	return works_send(c, 200,
			  json_pack("{s:o,s:o}", "issues", issues, "issueErrors", errors));
}

/* Changes at once; the task that is answered is over already. Who may not have an issue makes
 * it fail, as Atlassian does it: told by the task alone. */
static int bulk_post(struct call *c)
{
	const json_t *ids = json_object_get(c->body, "selectedIssueIdsOrKeys"), *one;
	const json_t *pickers = json_object_get(json_object_get(c->body, "editedFieldsInput"),
						"singleSelectClearableUserPickerFields");
	const json_t *user = json_object_get(json_array_get(pickers, 0), "user");
	const char *to = json_string_value(json_object_get(user, "accountId"));
	json_t *done, *failed;
	unsigned site;
	size_t i;
	int status = works_site(c, 2, &site);

	if (status)
		return status;
	if (!to || json_array_size(ids) < 1 || json_array_size(ids) > 1000)
		return works_send(c, 400,
				  json_pack("{s:[{s:s}]}", "errors", "message", "Bad request"));
	done = json_array();
	failed = json_object();
	json_array_foreach (ids, i, one) {
		json_t *row =
			works_find(c, "issues", site, "id", str_of(json_string_value(one)));
		const json_t *project =
			row ? works_find(c, "projects", site, "key", text_of(row, "project"))
			    : NULL;

		if (!row)
			continue;
		if (!is_assignable(c, site, project, to)) {
			json_object_set_new(failed, json_string_value(one),
					    json_pack("[s]", "The user cannot be assigned"));
			continue;
		}
		call_effect(c, "assign-issue",
			    json_string_value(json_object_get(row, "assignee")), true,
			    "%s to %s%s", json_string_value(one), to,
			    json_is_false(json_object_get(c->body, "sendBulkNotification"))
				    ? ""
				    : ", and everybody is told");
		json_object_set_new(row, "assignee", json_string(to));
		json_array_append_new(done,
				      json_integer(strtoll(json_string_value(one), NULL, 10)));
	}
	json_decref(c->re->task);
	c->re->task = json_pack("{s:o,s:s,s:I,s:o,s:o,s:I,s:i}", "taskId",
				json_sprintf("%zu", ++c->re->tasks), "status", "COMPLETE",
				"progressPercent", (json_int_t)100, "processedAccessibleIssues",
				done, "failedAccessibleIssues", failed, "totalIssueCount",
				(json_int_t)json_array_size(ids),
				"invalidOrInaccessibleIssueCount", 0);
	return works_send(c, 201,
			  json_pack("{s:O}", "taskId", json_object_get(c->re->task, "taskId")));
}

static int queue_get(struct call *c)
{
	unsigned site;
	int status = works_site(c, 2, &site);

	if (status)
		return status;
	if (!c->re->task || !str_eq(text_of(c->re->task, "taskId"), call_segment(c, 8)))
		return works_send(
			c, 400, json_pack("{s:[{s:s}]}", "errors", "message", "No such task"));
	return works_send(c, 200, json_incref(c->re->task));
}

/* --- things with one owner ---------------------------------------------------------------- */

/* A project, component, filter or dashboard as Jira shows it. */
static json_t *thing_json(const struct call *c, unsigned site, const char *kind,
			  const json_t *row)
{
	bool led = strcmp(kind, "projects") == 0 || strcmp(kind, "components") == 0;
	json_t *j = json_pack("{s:O,s:O}", "id", json_object_get(row, "id"), "name",
			      json_object_get(row, "name"));
	json_t *user = works_user(
		c, site, json_string_value(json_object_get(row, led ? "lead" : "owner")));

	if (strcmp(kind, "projects") == 0)
		json_object_set(j, "key", json_object_get(row, "key"));
	if (strcmp(kind, "components") == 0)
		json_object_set(j, "project", json_object_get(row, "project"));
	if (strcmp(kind, "dashboards") == 0 && user) {
		json_object_del(user, "accountType"); /* its owner is another schema */
		json_object_del(user, "self");
	}
	if (user)
		json_object_set_new(j, led ? "lead" : "owner", user);
	return j;
}

static int list_send(struct call *c, const char *kind, const char *key, struct str value,
		     size_t most)
{
	json_t *rows, *row;
	unsigned site;
	size_t i;
	int status = works_site(c, 2, &site);

	if (status)
		return status;
	rows = json_array();
	json_array_foreach (works_of(c, kind), i, row)
		if (works_at(c, row, site) && (!key || str_eq(text_of(row, key), value)))
			json_array_append_new(rows, thing_json(c, site, kind, row));
	return works_page(c, rows, most);
}

static int projects_get(struct call *c)
{
	return list_send(c, "projects", NULL, STR(""), 100);
}

static int components_get(struct call *c)
{
	struct str project = call_segment(c, 7);
	unsigned site;
	json_t *row;

	if (works_site(c, 2, &site) == 0) {
		row = works_find(c, "projects", site, "id", project);
		if (row)
			project = text_of(row, "key");
	}
	return list_send(c, "components", "project", project, 50);
}

static int filters_get(struct call *c)
{
	CLEANUP(buf_done) struct buf id;

	return list_send(c, "filters", "owner", asked(c, "accountId", &id), 50);
}

static int dashboards_get(struct call *c)
{
	CLEANUP(buf_done) struct buf id;

	return list_send(c, "dashboards", "owner", asked(c, "accountId", &id), 50);
}

/* The thing that segment 7 names, by its id. 0 or the refusal. */
static int thing_find(struct call *c, const char *kind, unsigned *site, json_t **ret)
{
	int status = works_site(c, 2, site);

	if (status)
		return status;
	*ret = works_find(c, kind, *site, "id", call_segment(c, 7));
	/* a filter that is not there is 400 by the document */
	return *ret ? 0
		    : works_refuse(c, strcmp(kind, "filters") == 0 ? 400 : 404,
				   "It was not found");
}

static int thing_get(struct call *c, const char *kind)
{
	unsigned site;
	json_t *row;
	int status = thing_find(c, kind, &site, &row);

	return status ? status : works_send(c, 200, thing_json(c, site, kind, row));
}

/* Gives it to `to`, who must be active. */
static int thing_give(struct call *c, const char *kind, json_t *row, const char *to)
{
	const char *key = strcmp(kind, "filters") == 0 || strcmp(kind, "dashboards") == 0
				  ? "owner"
				  : "lead";
	uint32_t account;

	if (!to || !org_account_by_id(c->org, str_of(to), &account) ||
	    !works_active(c, account))
		return works_refuse(c, 400, "The user does not exist or is inactive");
	call_effect(c, kind, json_string_value(json_object_get(row, key)), true, "%s to %s",
		    json_string_value(json_object_get(row, "id")), to);
	json_object_set_new(row, key, json_string(to));
	return 0;
}

static int project_get(struct call *c)
{
	return thing_get(c, "projects");
}

static int component_get(struct call *c)
{
	return thing_get(c, "components");
}

static int filter_get(struct call *c)
{
	return thing_get(c, "filters");
}

static int dashboard_get(struct call *c)
{
	return thing_get(c, "dashboards");
}

static int lead_put(struct call *c, const char *kind)
{
	unsigned site;
	json_t *row;
	int status = thing_find(c, kind, &site, &row);

	if (status == 0)
		status = thing_give(
			c, kind, row,
			json_string_value(json_object_get(c->body, "leadAccountId")));
	return status ? status : works_send(c, 200, thing_json(c, site, kind, row));
}

static int project_put(struct call *c)
{
	return lead_put(c, "projects");
}

static int component_put(struct call *c)
{
	return lead_put(c, "components");
}

static int filter_owner_put(struct call *c)
{
	const char *to = json_string_value(json_object_get(c->body, "accountId"));
	json_t *row, *other;
	unsigned site;
	size_t i;
	int status = thing_find(c, "filters", &site, &row);

	if (status)
		return status;
	if (is_denied(c, STR("ADMINISTER")))
		return works_refuse(c, 403, "Only whoever administers Jira may do that");
	json_array_foreach (works_of(c, "filters"), i, other)
		if (to && works_at(c, other, site) &&
		    str_eq(text_of(other, "owner"), str_of(to)) &&
		    str_eq(text_of(other, "name"), text_of(row, "name")))
			return works_refuse(c, 400, "The new owner has a filter of that name");
	status = thing_give(c, "filters", row, to);
	return status ? status : 204;
}

static int dashboards_edit(struct call *c)
{
	const json_t *ids = json_object_get(c->body, "entityIds"), *one;
	const json_t *details = json_object_get(c->body, "changeOwnerDetails");
	const char *to = json_string_value(json_object_get(details, "newOwner"));
	json_t *errors;
	unsigned site;
	size_t i;
	int status = works_site(c, 2, &site);

	if (status)
		return status;
	errors = json_object();
	json_array_foreach (ids, i, one) {
		char id[32];
		json_t *row;

		snprintf(id, sizeof(id), "%lld", (long long)json_integer_value(one));
		row = works_find(c, "dashboards", site, "id", str_of(id));
		if (!row || thing_give(c, "dashboards", row, to))
			json_object_set_new(errors, id,
					    json_pack("{s:[s],s:{}}", "errorMessages",
						      "It could not be given", "errors"));
	}
	return works_send(
		c, 200,
		json_pack("{s:s,s:o}", "action", "changeOwner", "entityErrors", errors));
}

/* --- automation --------------------------------------------------------------------------- */

static int rules_get(struct call *c)
{
	json_t *list, *row;
	unsigned site;
	size_t i;
	int status = works_site(c, 3, &site);

	if (status)
		return status;
	list = json_array();
	json_array_foreach (works_of(c, "rules"), i, row)
		if (works_at(c, row, site))
			json_array_append_new(
				list, json_pack("{s:O,s:O,s:O,s:O,s:s,s:[]}", "uuid",
						json_object_get(row, "uuid"), "name",
						json_object_get(row, "name"), "authorAccountId",
						json_object_get(row, "author"),
						"actorAccountId", json_object_get(row, "actor"),
						"state", "ENABLED", "labels"));
	return works_send(c, 200, json_pack("{s:{},s:o}", "links", "data", list));
}

/* clang-format off */
#define API "/ex/jira/{cloud}/rest/api/3"
const struct endpoint endpoints_jira[] = {
	{ "GET",  API "/applicationrole", roles_get, 0 },
	{ "GET",  API "/instance/license", license_get, 0 },
	{ "GET",  API "/group/bulk", bulk_groups_get, 0 },
	{ "GET",  API "/group/member", group_members_get, 0 },
	{ "GET",  API "/user", user_get, 0 },
	{ "GET",  API "/myself", myself_get, 0 },
	{ "GET",  API "/mypermissions", permissions_get, 0 },
	{ "GET",  API "/user/assignable/multiProjectSearch", assignable_get, 0 },
	{ "POST", API "/search/jql", search_post, ENDPOINT_OBJECT },
	{ "POST", API "/issue/bulkfetch", fetch_post, ENDPOINT_OBJECT },
	{ "POST", API "/bulk/issues/fields", bulk_post, ENDPOINT_OBJECT },
	{ "GET",  API "/bulk/queue/{task}", queue_get, 0 },
	{ "GET",  API "/project/search", projects_get, 0 },
	{ "GET",  API "/project/{project}", project_get, 0 },
	{ "PUT",  API "/project/{project}", project_put, ENDPOINT_OBJECT },
	{ "GET",  API "/project/{project}/component", components_get, 0 },
	{ "GET",  API "/component/{id}", component_get, 0 },
	{ "PUT",  API "/component/{id}", component_put, ENDPOINT_OBJECT },
	{ "GET",  API "/filter/search", filters_get, 0 },
	{ "GET",  API "/filter/{id}", filter_get, 0 },
	{ "PUT",  API "/filter/{id}/owner", filter_owner_put, ENDPOINT_OBJECT },
	{ "GET",  API "/dashboard/search", dashboards_get, 0 },
	{ "PUT",  API "/dashboard/bulk/edit", dashboards_edit, ENDPOINT_OBJECT },
	{ "GET",  API "/dashboard/{id}", dashboard_get, 0 },
	{ "GET",  "/ex/jira/{cloud}/rest/servicedeskapi/servicedesk", desks_get, 0 },
	{ "GET",  "/ex/jira/{cloud}/rest/servicedeskapi/servicedesk/{desk}/customer", customers_get, 0 },
	{ "GET",  "/automation/public/jira/{cloud}/rest/v1/rule/summary", rules_get, 0 },
	{ NULL, NULL, NULL, 0 },
};
/* clang-format on */
