#include "atlassian/handover.h"

#include <stdio.h>
#include <string.h>

#include "atlassian/collect.h"
#include "base/vec.h"

#define FETCH_MOST 100 /* issues in one request */
#define PROJECTS_MOST 200
#define SAY_BYTES 200
#define RIGHTS_PROJECTS_MOST 50 /* projects that our right is asked for in, of one gift */

/* A gift on its way. */
struct giving {
	struct atl_site *s;
	const struct atl_gift *gift;
	struct atl_left *left;
	json_t *held;        /* ids that are the giver's now */
	json_t *projects;    /* those of them that are in projects: {"OPS": [ids]} */
	bool right_asked;    /* whether our credential may give such things at all */
	char why[SAY_BYTES]; /* of the first that was refused */
};

void atl_left_done(struct atl_left *l)
{
	json_decref(l->refused);
	json_decref(l->unseen);
	*l = (struct atl_left){ 0 };
}

static void giving_done(struct giving *g)
{
	json_decref(g->held);
	json_decref(g->projects);
}

static int giving_new(struct giving *g, struct atl_site *s, const struct atl_gift *gift,
		      struct atl_left *left, struct err *err)
{
	*g = (struct giving){ .s = s,
			      .gift = gift,
			      .left = left,
			      .held = json_array(),
			      .projects = json_object() };
	left->refused = json_array();
	left->unseen = json_array();
	return g->held && g->projects && left->refused && left->unseen ? 0 : err_nomem(err);
}

static size_t count(const json_t *list)
{
	return json_array_size(list);
}

/* All of those may not be had by the receiver. */
static int refuse_all(struct giving *g, const json_t *ids, struct err *err)
{
	const json_t *one;
	size_t i;
	int r = 0;

	json_array_foreach ((json_t *)(uintptr_t)ids, i, one)
		if (r == 0)
			r = jx_add(g->left->refused, json_incref((json_t *)(uintptr_t)one),
				   err);
	return r;
}

/* --- who holds what now ------------------------------------------------------------------- */

static int in_project(struct giving *g, const char *key, const char *id, struct err *err)
{
	int r = 0;

	if (!json_object_get(g->projects, key))
		r = jx_set(g->projects, key, json_array(), err);
	return r == 0 ? jx_add(json_object_get(g->projects, key), json_string(id), err) : r;
}

static int issue_look(struct giving *g, const json_t *issue, struct err *err)
{
	const json_t *fields = json_object_get(issue, "fields");
	const char *id = jx_get_text(issue, "id");
	const char *key = jx_get_text(json_object_get(fields, "project"), "key");
	int r;

	if (!id || !str_eq(atl_user_id(fields, "assignee"), g->gift->from))
		return 0;
	if (!key)
		return err_set(err, ERR_PROTOCOL, "issue %s is in no project", id);
	r = jx_add(g->held, json_string(id), err);
	return r == 0 ? in_project(g, key, id, err) : r;
}

/* Those of them that the answer does not have. */
static int issues_unseen(struct giving *g, size_t from, size_t n, const json_t *issues,
			 struct err *err)
{
	CLEANUP(json_decref_at) json_t *seen = json_object();
	const json_t *issue;
	size_t i;
	int r = seen ? 0 : err_nomem(err);

	json_array_foreach ((json_t *)(uintptr_t)issues, i, issue) {
		const char *id = jx_get_text(issue, "id");

		if (r == 0 && id)
			r = jx_set(seen, id, json_true(), err);
	}
	for (size_t k = from; r == 0 && k < from + n; k++)
		if (!json_object_get(seen, g->gift->step->items[k]))
			r = jx_add(g->left->unseen, json_string(g->gift->step->items[k]), err);
	return r;
}

static int issues_look_at(struct giving *g, size_t from, size_t n, struct err *err)
{
	struct atl_ask ask = { .api = ATL_API_JIRA,
			       .method = "POST",
			       .path = "/rest/api/3/issue/bulkfetch" };
	CLEANUP(json_decref_at) json_t *body = NULL;
	CLEANUP(json_decref_at) json_t *answer = NULL;
	json_t *ids = json_array();
	const json_t *issue;
	size_t i;
	int r = ids ? 0 : err_nomem(err);

	for (size_t k = from; r == 0 && k < from + n; k++)
		r = jx_add(ids, json_string(g->gift->step->items[k]), err);
	body = json_pack("{s:o,s:[s,s]}", "issueIdsOrKeys", ids, "fields", "assignee",
			 "project");
	if (r == 0 && !body)
		r = err_nomem(err);
	ask.body = body;
	if (r == 0)
		r = atl_site_ask(g->s, &ask, &answer, NULL, err);
	if (r == 0 && !json_is_array(json_object_get(answer, "issues")))
		r = err_set(err, ERR_PROTOCOL, "the issues asked for are no list");
	json_array_foreach (json_object_get(answer, "issues"), i, issue)
		if (r == 0)
			r = issue_look(g, issue, err);
	return r == 0 ? issues_unseen(g, from, n, json_object_get(answer, "issues"), err) : r;
}

static int issues_look(struct giving *g, struct err *err)
{
	size_t n = g->gift->step->item_count;
	int r = 0;

	for (size_t at = 0; r == 0 && at < n; at += FETCH_MOST)
		r = issues_look_at(g, at, n - at < FETCH_MOST ? n - at : FETCH_MOST, err);
	return r;
}

static const struct {
	const char *get, *owner;
	const char *project; /* member that is the key of its project; NULL: it is in none */
} things[STEP_OP_COUNT] = {
	[STEP_GIVE_FILTERS] = { "/rest/api/3/filter/{}?overrideSharePermissions=true", "owner",
				NULL },
	[STEP_GIVE_DASHBOARDS] = { "/rest/api/3/dashboard/{}", "owner", NULL },
	[STEP_GIVE_PROJECTS] = { "/rest/api/3/project/{}", "lead", "key" },
	[STEP_GIVE_COMPONENTS] = { "/rest/api/3/component/{}", "lead", "project" },
};

static int thing_look(struct giving *g, const char *item, struct err *err)
{
	enum step_op op = g->gift->step->op;
	const struct str args[] = { str_of(item) };
	const struct atl_ask ask = atl_get(ATL_API_JIRA, things[op].get, args, 1);
	CLEANUP(json_decref_at) json_t *answer = NULL;
	struct atl_problem problem = { 0 };
	int r = atl_site_ask(g->s, &ask, &answer, &problem, err);

	/* a filter that is gone, or that nobody may see, is 400 */
	if (r == -ERR_NOT_FOUND || (op == STEP_GIVE_FILTERS && problem.status == 400))
		return jx_add(g->left->unseen, json_string(item), err);
	if (r < 0 || !str_eq(atl_user_id(answer, things[op].owner), g->gift->from))
		return r;
	r = jx_add(g->held, json_string(item), err);
	if (r == 0 && things[op].project && jx_get_text(answer, things[op].project))
		r = in_project(g, jx_get_text(answer, things[op].project), item, err);
	return r;
}

/* Which of the objects are still the giver's. */
static int look(struct giving *g, struct err *err)
{
	const struct action_step *step = g->gift->step;
	int r = 0;

	if (step->op == STEP_GIVE_ISSUES)
		return issues_look(g, err);
	for (size_t i = 0; r == 0 && i < step->item_count; i++)
		r = thing_look(g, step->items[i], err);
	return r;
}

/* --- our own right ------------------------------------------------------------------------ */

/* What our credential needs to give: Jira answers the same 403 (or 400) where it lacks that as
 * where the receiver may not have a thing, so it is asked for then. From the operations'
 * descriptions in Jira Cloud's OpenAPI document ("Permissions required"). */
static const struct right {
	enum step_op op;
	bool in_project;        /* of each project that the things are in; else global */
	const char *permission; /* key of Jira */
	const char *instead;    /* a global one that does as well; NULL: none */
	const char *name;       /* as the console of Jira has it */
} rights[] = {
	{ STEP_GIVE_ISSUES, false, "BULK_CHANGE", NULL, "Make bulk changes" },
	{ STEP_GIVE_ISSUES, true, "EDIT_ISSUES", NULL, "Edit issues" },
	{ STEP_GIVE_FILTERS, false, "ADMINISTER", NULL, "Administer Jira" },
	{ STEP_GIVE_DASHBOARDS, false, "ADMINISTER", NULL, "Administer Jira" },
	{ STEP_GIVE_PROJECTS, true, "ADMINISTER_PROJECTS", "ADMINISTER",
	  "Administer projects" },
	{ STEP_GIVE_COMPONENTS, true, "ADMINISTER_PROJECTS", "ADMINISTER",
	  "Administer projects" },
};

/* NO only where Jira says so. */
static enum tri permission_has(struct giving *g, const char *permission, const char *project)
{
	const struct str args[] = { str_of(permission), str_of(project) };
	const struct atl_ask ask =
		atl_get(ATL_API_JIRA,
			project ? "/rest/api/3/mypermissions?permissions={}&projectKey={}"
				: "/rest/api/3/mypermissions?permissions={}",
			args, project ? 2 : 1);
	CLEANUP(json_decref_at) json_t *doc = NULL;
	const json_t *has;
	struct err why;

	if (atl_site_ask(g->s, &ask, &doc, NULL, &why) < 0)
		return TRI_UNKNOWN;
	has = json_object_get(json_object_get(json_object_get(doc, "permissions"), permission),
			      "havePermission");
	return json_is_boolean(has) ? tri_of(json_is_true(has)) : TRI_UNKNOWN;
}

static enum tri right_has(struct giving *g, const struct right *right, const char *project)
{
	enum tri has = permission_has(g, right->permission, project);

	return has == TRI_NO && right->instead ? permission_has(g, right->instead, NULL) : has;
}

/* The project in which it lacks that right (NULL where that is a global one). */
static bool right_lacks(struct giving *g, const struct right *right, const char **project)
{
	unsigned most = RIGHTS_PROJECTS_MOST;
	json_t *ids;

	*project = NULL;
	if (!right->in_project)
		return right_has(g, right, NULL) == TRI_NO;
	json_object_foreach (g->projects, *project, ids)
		if (most-- && right_has(g, right, *project) == TRI_NO)
			return true;
	return false;
}

/* After the first refusal of a gift: FORBIDDEN where our credential may give nothing of that
 * kind to anybody, so that nobody else is tried for it. */
static int right_check(struct giving *g, struct err *err)
{
	const char *project;

	if (g->right_asked)
		return 0;
	g->right_asked = true;
	for (size_t i = 0; i < COUNT_OF(rights); i++)
		if (rights[i].op == g->gift->step->op && right_lacks(g, &rights[i], &project))
			return err_set(
				err, ERR_FORBIDDEN,
				"our token for %.100s lacks the permission \"%s\" (%s)%s%.60s: "
				"nothing of that kind can be given to anybody; give the "
				"token's "
				"account that permission, then plan anew",
				atl_site_options(g->s)->host, rights[i].name,
				rights[i].permission, project ? " in project " : "",
				project ? project : "");
	return 0;
}

/* --- the receiver ------------------------------------------------------------------------- */

/* What is said of a change: about the receiver or the object. */
static int impossible(int r)
{
	return r == -ERR_NOT_FOUND || r == -ERR_REMOTE || r == -ERR_CONFLICT ||
			       r == -ERR_FORBIDDEN
		       ? ATL_IMPOSSIBLE
		       : r;
}

static int receiver_active(struct giving *g, struct err *err)
{
	const struct atl_ask ask =
		atl_get(ATL_API_JIRA, "/rest/api/3/user?accountId={}", &g->gift->to, 1);
	CLEANUP(json_decref_at) json_t *user = NULL;
	const char *type;
	int r = atl_site_ask(g->s, &ask, &user, NULL, err);

	if (r < 0)
		return r == -ERR_NOT_FOUND ? ATL_IMPOSSIBLE : r;
	type = jx_get_text(user, "accountType");
	if (json_is_true(json_object_get(user, "active")) &&
	    (!type || strcmp(type, "atlassian") == 0))
		return 0;
	(void)err_set(err, ERR_REFUSED,
		      "whoever was to receive it is not active at %s any more: name somebody "
		      "else",
		      atl_site_options(g->s)->host);
	return ATL_IMPOSSIBLE;
}

/* Whether they may be assigned issues of all of these projects. */
static int assignable(struct giving *g, struct str keys, bool *ret, struct err *err)
{
	const struct str args[] = { keys, g->gift->to };
	const struct atl_ask ask =
		atl_get(ATL_API_JIRA,
			"/rest/api/3/user/assignable/"
			"multiProjectSearch?projectKeys={}&accountId={}&maxResults=10",
			args, 2);
	CLEANUP(json_decref_at) json_t *users = NULL;
	const json_t *user;
	size_t i;
	int r = atl_site_ask(g->s, &ask, &users, NULL, err);

	*ret = false;
	if (r < 0)
		return r;
	json_array_foreach (users, i, user)
		*ret = *ret || str_eq(atl_user_id(user, NULL), g->gift->to);
	return 0;
}

/* An issue that its new assignee may not have would stay where it is, told by the task alone:
 * those of projects that are closed to them are taken out of what is given. */
static int receiver_assignable(struct giving *g, struct err *err)
{
	CLEANUP(json_decref_at) json_t *open = json_array();
	CLEANUP(buf_done) struct buf keys;
	CLEANUP(buf_done) struct buf closed;
	const char *key;
	json_t *ids;
	bool may = false;
	int r = open ? 0 : err_nomem(err);

	buf_init(&keys, 16384);
	buf_init(&closed, 16384);
	json_object_foreach (g->projects, key, ids)
		buf_addf(&keys, "%s%s", keys.len ? "," : "", key);
	if (r == 0)
		r = buf_fault(&keys, err, "the projects of a gift");
	if (r == 0 && keys.len)
		r = assignable(g, buf_str(&keys), &may, err);
	if (r < 0 || may || !keys.len)
		return r;
	json_object_foreach (g->projects, key, ids) {
		may = false;
		if (r == 0 && json_object_size(g->projects) > 1)
			r = assignable(g, str_of(key), &may, err);
		if (r == 0 && may && json_array_extend(open, ids) < 0)
			r = err_nomem(err);
		if (r == 0 && !may)
			r = refuse_all(g, ids, err);
		if (r == 0 && !may)
			buf_addf(&closed, "%s%s", closed.len ? ", " : "", key);
	}
	if (r == 0)
		r = buf_fault(&closed, err, "the projects of a gift");
	if (r < 0)
		return r;
	json_decref(g->held);
	g->held = json_incref(open);
	snprintf(g->why, sizeof(g->why), "they may not be assigned issues of %.120s", closed.p);
	return 0;
}

/* --- giving ------------------------------------------------------------------------------- */

/* How the task stands; one look. What goes on is verified later. */
static int task_look(struct giving *g, const char *task, struct err *err)
{
	const struct str args[] = { str_of(task) };
	const struct atl_ask ask = atl_get(ATL_API_JIRA, "/rest/api/3/bulk/queue/{}", args, 1);
	CLEANUP(json_decref_at) json_t *answer = NULL;
	const char *status, *id;
	json_t *failed, *why;
	int r = atl_site_ask(g->s, &ask, &answer, NULL, err);

	if (r < 0)
		return r;
	status = jx_get_text(answer, "status");
	failed = json_object_get(answer, "failedAccessibleIssues");
	if (json_object_size(failed)) {
		snprintf(g->why, sizeof(g->why), "Atlassian's bulk change left them");
		json_object_foreach (failed, id, why)
			if (r == 0)
				r = jx_add(g->left->refused, json_string(id), err);
	} else if (status && (!strcmp(status, "FAILED") || !strcmp(status, "DEAD") ||
			      !strcmp(status, "CANCELLED"))) {
		snprintf(g->why, sizeof(g->why), "Atlassian's bulk change ended %.20s", status);
		r = refuse_all(g, g->held, err);
	}
	return r;
}

/* The whole of a change was refused. Other faults are passed on. */
static int refused(struct giving *g, int r, struct err *err)
{
	if (impossible(r) != ATL_IMPOSSIBLE)
		return r;
	snprintf(g->why, sizeof(g->why), "%.180s", err->text);
	r = right_check(g, err);
	return r == 0 ? refuse_all(g, g->held, err) : r;
}

static int issues_give(struct giving *g, struct err *err)
{
	struct atl_ask ask = { .api = ATL_API_JIRA,
			       .method = "POST",
			       .path = "/rest/api/3/bulk/issues/fields",
			       .write = true };
	CLEANUP(json_decref_at) json_t *body = NULL;
	CLEANUP(json_decref_at) json_t *answer = NULL;
	const char *task;
	int r = receiver_assignable(g, err);

	if (r < 0 || !count(g->held))
		return r;
	body = json_pack("{s:O,s:[s],s:{s:[{s:s,s:{s:s%}}]},s:b}", "selectedIssueIdsOrKeys",
			 g->held, "selectedActions", "assignee", "editedFieldsInput",
			 "singleSelectClearableUserPickerFields", "fieldId", "assignee", "user",
			 "accountId", g->gift->to.p, g->gift->to.len, "sendBulkNotification",
			 0);
	if (!body)
		return err_nomem(err);
	ask.body = body;
	r = atl_site_ask(g->s, &ask, &answer, NULL, err);
	if (r < 0)
		return refused(g, r, err);
	task = jx_get_text(answer, "taskId");
	if (!task)
		return err_set(err, ERR_PROTOCOL, "a bulk change was answered without a task");
	return task_look(g, task, err);
}

static int dashboards_give(struct giving *g, struct err *err)
{
	struct atl_ask ask = { .api = ATL_API_JIRA,
			       .method = "PUT",
			       .path = "/rest/api/3/dashboard/bulk/edit",
			       .write = true };
	CLEANUP(json_decref_at) json_t *body = NULL;
	CLEANUP(json_decref_at) json_t *answer = NULL;
	json_t *ids = json_array(), *why;
	const json_t *one;
	const char *failed;
	size_t i;
	int r = ids ? 0 : err_nomem(err);

	json_array_foreach (g->held, i, one) {
		int64_t id;

		if (r == 0 && !str_int64(str_of(json_string_value(one)), &id))
			r = err_set(err, ERR_INTERNAL, "a dashboard's id is no number");
		if (r == 0)
			r = jx_add(ids, json_integer(id), err);
	}
	body = json_pack("{s:s,s:o,s:{s:s%,s:b},s:b}", "action", "changeOwner", "entityIds",
			 ids, "changeOwnerDetails", "newOwner", g->gift->to.p, g->gift->to.len,
			 "autofixName", 1, "extendAdminPermissions", 1);
	if (r == 0 && !body)
		r = err_nomem(err);
	ask.body = body;
	if (r == 0)
		r = atl_site_ask(g->s, &ask, &answer, NULL, err);
	if (r < 0)
		return refused(g, r, err);
	json_object_foreach (json_object_get(answer, "entityErrors"), failed, why) {
		snprintf(g->why, sizeof(g->why), "Atlassian did not give dashboard %.20s",
			 failed);
		if (r == 0)
			r = jx_add(g->left->refused, json_string(failed), err);
	}
	return r;
}

/* One object: filter owner, project lead, component lead. */
static int thing_give(struct giving *g, const char *item, struct err *err)
{
	static const struct {
		const char *path, *member;
	} puts[STEP_OP_COUNT] = {
		[STEP_GIVE_FILTERS] = { "/rest/api/3/filter/{}/owner", "accountId" },
		[STEP_GIVE_PROJECTS] = { "/rest/api/3/project/{}", "leadAccountId" },
		[STEP_GIVE_COMPONENTS] = { "/rest/api/3/component/{}", "leadAccountId" },
	};
	const struct str args[] = { str_of(item) };
	enum step_op op = g->gift->step->op;
	CLEANUP(json_decref_at)
	json_t *body = json_pack("{s:s%}", puts[op].member, g->gift->to.p, g->gift->to.len);
	struct atl_ask ask = { .api = ATL_API_JIRA,
			       .method = "PUT",
			       .path = puts[op].path,
			       .args = args,
			       .arg_count = 1,
			       .body = body,
			       .write = true };

	return body ? atl_site_ask(g->s, &ask, NULL, NULL, err) : err_nomem(err);
}

/* One that is refused (a filter of that name is there already) does not stop the others. */
static int things_give(struct giving *g, struct err *err)
{
	const json_t *one;
	size_t i;
	int r = 0;

	json_array_foreach (g->held, i, one) {
		const char *item = json_string_value(one);

		r = thing_give(g, item, err);
		if (r == 0)
			continue;
		if (impossible(r) != ATL_IMPOSSIBLE)
			return r;
		if (!g->why[0])
			snprintf(g->why, sizeof(g->why), "%.20s: %.170s", item, err->text);
		r = right_check(g, err);
		if (r < 0)
			return r;
		r = jx_add(g->left->refused, json_string(item), err);
		if (r < 0)
			return r;
	}
	return r;
}

static int gift_check(const struct atl_gift *gift, struct err *err)
{
	const struct action_step *step = gift->step;

	if ((unsigned)step->op >= STEP_OP_COUNT || !step_gifts[step->op] || !gift->from.len ||
	    !gift->to.len || str_eq(gift->from, gift->to) || !step->item_count ||
	    step->item_count > step_gifts[step->op])
		return err_set(err, ERR_INTERNAL,
			       "step %d is no gift from one account to another", step->op);
	return 0;
}

static int give(struct giving *g, struct err *err)
{
	int r = receiver_active(g, err);

	if (r == ATL_IMPOSSIBLE) {
		snprintf(g->why, sizeof(g->why), "%.180s", err->text);
		return refuse_all(g, g->held, err);
	}
	if (r < 0)
		return r;
	switch (g->gift->step->op) {
	case STEP_GIVE_ISSUES:
		return issues_give(g, err);
	case STEP_GIVE_DASHBOARDS:
		return dashboards_give(g, err);
	default:
		return things_give(g, err);
	}
}

/* What was left, in a sentence. */
static int told(const struct giving *g, struct err *err)
{
	size_t refused = count(g->left->refused), unseen = count(g->left->unseen);
	size_t all = g->gift->step->item_count;

	if (!refused && !unseen)
		return 0;
	if (!unseen)
		(void)err_set(err, ERR_REFUSED, "%zu of %zu could not be given: %s", refused,
			      all, g->why);
	else if (!refused)
		(void)err_set(err, ERR_REFUSED,
			      "%zu of %zu not seen: gone, or hidden from our token for %s; the "
			      "others are not the giver's any more",
			      unseen, all, atl_site_options(g->s)->host);
	else
		(void)err_set(
			err, ERR_REFUSED,
			"%zu of %zu could not be given: %s; %zu not seen: gone, or hidden "
			"from our token for %s",
			refused, all, g->why, unseen, atl_site_options(g->s)->host);
	return ATL_IMPOSSIBLE;
}

int atl_give(struct atl_site *s, const struct atl_gift *gift, struct atl_left *left,
	     struct err *err)
{
	CLEANUP(giving_done) struct giving g = { 0 };
	int r = gift_check(gift, err);

	if (r == 0 && !atl_site_may_write(s))
		return err_set(err, ERR_REFUSED,
			       "the organisation of %s is in mode observe: nothing is sent",
			       atl_site_options(s)->host);
	if (r == 0)
		r = giving_new(&g, s, gift, left, err);
	if (r == 0)
		r = look(&g, err);
	if (r == 0 && count(g.held))
		r = give(&g, err);
	return r < 0 ? r : told(&g, err);
}

int atl_give_verify(struct atl_site *s, const struct atl_gift *gift, struct atl_left *left,
		    enum atl_verified *ret, struct err *err)
{
	CLEANUP(giving_done) struct giving g = { 0 };
	int r = gift_check(gift, err);

	if (r == 0)
		r = giving_new(&g, s, gift, left, err);
	if (r == 0)
		r = look(&g, err);
	if (r == 0)
		r = refuse_all(&g, g.held, err);
	if (r == 0)
		*ret = count(g.held) ? ATL_VERIFY_NOT_DONE : ATL_VERIFY_DONE;
	return r;
}
