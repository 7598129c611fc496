#include "atlassian/site_rights.h"

#include <stdio.h>

#include "atlassian/row.h"

/* clang-format off */
const struct atl_site_right atl_site_rights[] = {
	{ "administer Jira", ATL_API_JIRA, "ADMINISTER", NULL,
	  "seats and the groups that give them are not told, and filters of others are neither found nor given over", false },
	{ "browse users and groups", ATL_API_JIRA, "USER_PICKER", NULL,
	  "who is in the groups that give a product is not told, and whether somebody may receive is not known", false },
	{ "change issues in bulk", ATL_API_JIRA, "BULK_CHANGE", NULL,
	  "issues are not given over", false },
	{ "read seats", ATL_API_JIRA, NULL, "/rest/api/3/applicationrole",
	  "what the site counts is not held against what the organisation says", false },
	{ "list filters of others", ATL_API_JIRA, NULL,
	  "/rest/api/3/filter/search?overrideSharePermissions=true&maxResults=1",
	  "filters are not found", false },
	{ "list dashboards", ATL_API_JIRA, NULL, "/rest/api/3/dashboard/search?maxResults=1",
	  "dashboards are not found", false },
	{ "read service desks", ATL_API_JIRA, NULL, "/rest/servicedeskapi/servicedesk?limit=1",
	  "customers are not told apart from agents", true },
	{ "read groups of Confluence", ATL_API_CONFLUENCE, NULL, "/wiki/rest/api/group?accessType=user&limit=1",
	  "who may use Confluence is not held against what the organisation says", false },
	{ "read spaces", ATL_API_CONFLUENCE, NULL, "/wiki/api/v2/spaces?limit=1",
	  "spaces are missing where people hand over", false },
	{ "read automation rules", ATL_API_AUTOMATION, NULL, "/rest/v1/rule/summary?limit=1",
	  "automation rules are missing where people hand over", false },
	{ 0 },
};
/* clang-format on */

int atl_site_self(struct atl_site *s, struct atl_site_self *ret, struct err *err)
{
	const struct atl_ask ask = atl_get(ATL_API_JIRA, "/rest/api/3/myself", NULL, 0);
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct str id;
	int r = atl_site_ask(s, &ask, &doc, NULL, err);

	if (r < 0)
		return r;
	id = atl_text(doc, "accountId");
	if (!id.len || id.len >= sizeof(ret->account))
		return err_set(err, ERR_INCOMPLETE,
			       "the site does not say whose credential it is");
	*ret = (struct atl_site_self){ .active = json_is_true(json_object_get(doc, "active")) };
	snprintf(ret->account, sizeof(ret->account), STR_FMT, STR_ARG(id));
	return 0;
}

/* project NULL: a global permission, without the context of any. */
static int permission_ask(struct atl_site *s, const char *key, const char *project,
			  struct err *err)
{
	const struct str args[] = { str_of(key), str_of(project) };
	const struct atl_ask ask =
		atl_get(ATL_API_JIRA,
			project ? "/rest/api/3/mypermissions?permissions={}&projectKey={}"
				: "/rest/api/3/mypermissions?permissions={}",
			args, project ? 2 : 1);
	CLEANUP(json_decref_at) json_t *doc = NULL;
	const json_t *have;
	int r = atl_site_ask(s, &ask, &doc, NULL, err);

	if (r < 0)
		return r;
	have = json_object_get(json_object_get(json_object_get(doc, "permissions"), key),
			       "havePermission");
	if (!json_is_boolean(have))
		return err_set(err, ERR_INCOMPLETE,
			       "the site does not say whether the credential has %s", key);
	if (json_is_true(have))
		return 0;
	(void)err_set(err, ERR_FORBIDDEN, "the credential lacks the %s %s%s%s",
		      project ? "permission" : "global permission", key,
		      project ? " in project " : "", project ? project : "");
	return ATL_RIGHT_NO;
}

int atl_site_project_ask(struct atl_site *s, const char *project, const char *permission,
			 struct err *err)
{
	int r = permission_ask(s, permission, project, err);

	return r == -ERR_NOT_FOUND ? ATL_RIGHT_NONE : r;
}

int atl_site_right_ask(struct atl_site *s, const struct atl_site_right *right, struct err *err)
{
	const struct atl_ask ask = atl_get(right->api, right->path, NULL, 0);
	CLEANUP(json_decref_at) json_t *doc = NULL;
	int r;

	if (right->permission)
		return permission_ask(s, right->permission, NULL, err);
	r = atl_site_ask(s, &ask, &doc, NULL, err);
	if (r == -ERR_NOT_FOUND && right->maybe)
		return ATL_RIGHT_NONE;
	if (r == -ERR_FORBIDDEN || r == -ERR_UNAUTHORIZED || r == -ERR_NOT_FOUND)
		return ATL_RIGHT_NO;
	return r;
}
