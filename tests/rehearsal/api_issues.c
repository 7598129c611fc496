/*
 * Jira's issues as those who open them see them: made, found by a label, commented, moved. What
 * was made stands in the works of the site ("issues"); search (api_jira.c) shows it later.
 */
#include "base/jx.h"
#include "tests/rehearsal/works.h"

#define SUMMARY_MOST 255

static const char *const statuses[] = { "To Do", "In Progress", "Done" };
static const struct {
	const char *id, *name, *from, *to;
} ways[] = {
	{ "11", "Start", "To Do", "In Progress" }, { "21", "Stop", "In Progress", "To Do" },
	{ "31", "Close", "To Do", "Done" },        { "32", "Close", "In Progress", "Done" },
	{ "41", "Reopen", "Done", "To Do" },
};

static json_t *issues(struct call *c)
{
	if (!c->re->works)
		c->re->works = json_object();
	if (!json_object_get(c->re->works, "issues"))
		json_object_set_new(c->re->works, "issues", json_array());
	return json_object_get(c->re->works, "issues");
}

/* By key or id. */
static int issue_find(struct call *c, unsigned *site, json_t **ret)
{
	int status = works_site(c, 2, site);

	if (status)
		return status;
	*ret = works_find(c, "issues", *site, "key", call_segment(c, 7));
	if (!*ret)
		*ret = works_find(c, "issues", *site, "id", call_segment(c, 7));
	return *ret ? 0
		    : works_refuse(c, 404,
				   "Issue does not exist or you do not have permission to see "
				   "it.");
}

static int field_refuse(struct call *c, const char *field, const char *message)
{
	return works_send(
		c, 400, json_pack("{s:[],s:{s:s}}", "errorMessages", "errors", field, message));
}

/* --- documents ---------------------------------------------------------------------------- */

static bool is_node(const json_t *node, const char *parent)
{
	const char *type = json_string_value(json_object_get(node, "type"));
	const json_t *child;
	size_t i;

	if (!type ||
	    (strcmp(type, "text") == 0 && !json_string_length(json_object_get(node, "text"))))
		return false;
	if (strcmp(type, "paragraph") == 0 && strcmp(parent, "doc") != 0)
		return false;
	json_array_foreach (json_object_get(node, "content"), i, child)
		if (!is_node(child, type))
			return false;
	return true;
}

static bool is_document(const json_t *doc)
{
	return json_integer_value(json_object_get(doc, "version")) == 1 &&
	       json_object_get(doc, "type") && json_is_array(json_object_get(doc, "content")) &&
	       strcmp(json_string_value(json_object_get(doc, "type")) ?: "", "doc") == 0 &&
	       is_node(doc, "");
}

/* --- opening ------------------------------------------------------------------------------ */

static bool has_blank(const json_t *labels)
{
	const json_t *one;
	size_t i;

	json_array_foreach (labels, i, one)
		if (!json_is_string(one) || strchr(json_string_value(one), ' '))
			return true;
	return false;
}

static bool is_type(const json_t *project, const char *name)
{
	const json_t *types = json_object_get(project, "types");

	return name && (types ? list_has(types, name)
			      : strcmp(name, "Task") == 0 || strcmp(name, "Bug") == 0);
}

static int issue_post(struct call *c)
{
	const json_t *fields = json_object_get(c->body, "fields");
	const char *key =
		json_string_value(json_object_get(json_object_get(fields, "project"), "key"));
	const char *summary = json_string_value(json_object_get(fields, "summary"));
	json_t *labels = json_object_get(fields, "labels"), *row;
	const json_t *project;
	unsigned site;
	size_t n;
	int status = works_site(c, 2, &site);

	if (status)
		return status;
	project = works_find(c, "projects", site, "key", str_of(key));
	if (!project)
		return field_refuse(c, "project", "valid project is required");
	if (!is_type(project, json_string_value(json_object_get(
				      json_object_get(fields, "issuetype"), "name"))))
		return field_refuse(c, "issuetype", "Specify a valid issue type");
	if (!summary || !*summary || strchr(summary, '\n') || strlen(summary) > SUMMARY_MOST)
		return field_refuse(c, "summary", "You must specify a summary of the issue.");
	if (!is_document(json_object_get(fields, "description")))
		return field_refuse(c, "description",
				    "Operation value must be an Atlassian Document");
	if (has_blank(labels))
		return field_refuse(c, "labels", "The label can't contain spaces.");
	n = json_array_size(issues(c)) + 1;
	row = json_pack("{s:s,s:o,s:o,s:s,s:s,s:s,s:O,s:o,s:b,s:[],s:I}", "site",
			c->org->sites[site].name, "id", json_sprintf("%zu", 20000 + n), "key",
			json_sprintf("%s-%zu", key, 500 + n), "summary", summary, "project",
			key, "status", statuses[0], "description",
			json_object_get(fields, "description"), "labels",
			labels ? json_incref(labels) : json_array(), "open", true, "comments",
			"made_ms", (json_int_t)c->now_ms);
	json_array_append_new(issues(c), row);
	call_effect(c, "open-issue", "", true, "%s",
		    json_string_value(json_object_get(row, "key")));
	return works_send(
		c, 201,
		json_pack("{s:O,s:O,s:o}", "id", json_object_get(row, "id"), "key",
			  json_object_get(row, "key"), "self",
			  json_sprintf("%s/ex/jira/%s/rest/api/3/issue/%s", c->re->base,
				       c->org->sites[site].id,
				       json_string_value(json_object_get(row, "id")))));
}

/* --- one of them -------------------------------------------------------------------------- */

static int issue_get(struct call *c)
{
	unsigned site;
	json_t *row;
	int status = issue_find(c, &site, &row);

	if (status)
		return status;
	return works_send(c, 200,
			  json_pack("{s:O,s:O,s:{s:{s:o}}}", "id", json_object_get(row, "id"),
				    "key", json_object_get(row, "key"), "fields", "status",
				    "name",
				    json_object_get(row, "status")
					    ? json_incref(json_object_get(row, "status"))
					    : json_string(statuses[0])));
}

static int comments_get(struct call *c)
{
	size_t from = works_number(c, "startAt", 0), limit = works_number(c, "maxResults", 100);
	json_t *row, *all, *list = json_array();
	unsigned site;
	size_t total;
	int status = issue_find(c, &site, &row);

	if (status) {
		json_decref(list);
		return status;
	}
	all = json_object_get(row, "comments");
	total = json_array_size(all);
	for (size_t i = from; i < total && i < from + limit; i++) /* newest first */
		json_array_append(list, json_array_get(all, total - 1 - i));
	return works_send(c, 200,
			  json_pack("{s:I,s:I,s:I,s:o}", "startAt", (json_int_t)from,
				    "maxResults", (json_int_t)limit, "total", (json_int_t)total,
				    "comments", list));
}

static int comment_post(struct call *c)
{
	json_t *body = json_object_get(c->body, "body"), *row, *all, *comment;
	unsigned site;
	int status = issue_find(c, &site, &row);

	if (status)
		return status;
	if (!is_document(body))
		return field_refuse(c, "comment", "Comment body is not valid!");
	all = json_object_get(row, "comments");
	if (!all)
		json_object_set_new(row, "comments", all = json_array());
	comment = json_pack("{s:o,s:O}", "id",
			    json_sprintf("%zu", 30000 + json_array_size(all)), "body", body);
	json_array_append(all, comment);
	call_effect(c, "comment-issue", "", true, "%s",
		    json_string_value(json_object_get(row, "key")));
	return works_send(c, 201, comment);
}

static const char *status_of(const json_t *row)
{
	const char *status = json_string_value(json_object_get(row, "status"));

	return status ? status : statuses[0];
}

static int transitions_get(struct call *c)
{
	json_t *row, *list = json_array();
	unsigned site;
	int status = issue_find(c, &site, &row);

	for (size_t i = 0; status == 0 && i < COUNT_OF(ways); i++)
		if (strcmp(ways[i].from, status_of(row)) == 0)
			json_array_append_new(list,
					      json_pack("{s:s,s:s,s:{s:s,s:s}}", "id",
							ways[i].id, "name", ways[i].name, "to",
							"id", ways[i].id, "name", ways[i].to));
	if (status) {
		json_decref(list);
		return status;
	}
	return works_send(c, 200,
			  json_pack("{s:s,s:o}", "expand", "transitions", "transitions", list));
}

static int transition_post(struct call *c)
{
	const char *id = json_string_value(
		json_object_get(json_object_get(c->body, "transition"), "id"));
	unsigned site;
	json_t *row;
	int status = issue_find(c, &site, &row);

	if (status)
		return status;
	for (size_t i = 0; id && i < COUNT_OF(ways); i++)
		if (strcmp(ways[i].id, id) == 0 && strcmp(ways[i].from, status_of(row)) == 0) {
			call_effect(c, "move-issue", "", true, "%s to %s",
				    json_string_value(json_object_get(row, "key")), ways[i].to);
			json_object_set_new(row, "status", json_string(ways[i].to));
			json_object_set_new(row, "open",
					    json_boolean(strcmp(ways[i].to, "Done") != 0));
			return 204;
		}
	return works_refuse(c, 400,
			    "It seems that you have tried to perform an illegal "
			    "workflow operation.");
}

/* clang-format off */
#define API "/ex/jira/{cloud}/rest/api/3"
const struct endpoint endpoints_issues[] = {
	{ "POST", API "/issue", issue_post, ENDPOINT_OBJECT },
	{ "GET",  API "/issue/{issue}", issue_get, 0 },
	{ "GET",  API "/issue/{issue}/comment", comments_get, 0 },
	{ "POST", API "/issue/{issue}/comment", comment_post, ENDPOINT_OBJECT },
	{ "GET",  API "/issue/{issue}/transitions", transitions_get, 0 },
	{ "POST", API "/issue/{issue}/transitions", transition_post, ENDPOINT_OBJECT },
	{ NULL, NULL, NULL, 0 },
};
/* clang-format on */
