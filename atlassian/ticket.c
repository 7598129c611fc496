#include "atlassian/ticket.h"

#include <stdio.h>

#include "base/buf.h"

/* --- documents -----------------------------------------------------------------------------
 */

/* Atlassian's document format: a paragraph for what stands between empty lines, its lines kept.
 */
static int line_add(json_t *content, struct str line, struct err *err)
{
	int r = 0;

	if (json_array_size(content))
		r = jx_add(content, json_pack("{s:s}", "type", "hardBreak"), err);
	return r == 0 ? jx_add(content,
			       json_pack("{s:s, s:s%}", "type", "text", "text", line.p,
					 line.len),
			       err)
		      : r;
}

static int lines_add(json_t *paragraphs, struct str text, struct err *err)
{
	json_t *content = NULL; /* of the paragraph that is open; borrowed */
	int r = 0;

	while (r == 0 && text.len) {
		struct str line, rest = { 0 };

		(void)str_cut(text, '\n', &line, &rest);
		text = rest;
		line = str_trim(line);
		if (!line.len) {
			content = NULL;
			continue;
		}
		if (!content)
			r = jx_add(paragraphs,
				   json_pack("{s:s, s:o}", "type", "paragraph", "content",
					     content = json_array()),
				   err);
		if (r == 0)
			r = line_add(content, line, err);
	}
	return r;
}

static int document_of(struct str text, json_t **ret, struct err *err)
{
	json_t *paragraphs = json_array();
	CLEANUP(json_decref_at)
	json_t *doc = json_pack("{s:s, s:i, s:o}", "type", "doc", "version", 1, "content",
				paragraphs);
	int r = doc ? lines_add(paragraphs, text, err) : err_nomem(err);

	if (r == 0)
		*ret = TAKE(doc);
	return r;
}

/* A mark somewhere in the texts of a document, however it is cut up. */
static bool holds(const json_t *node, const char *mark, int depth)
{
	const char *text = jx_get_text(node, "text");
	const json_t *child;
	size_t i;

	if (text && strstr(text, mark))
		return true;
	json_array_foreach (json_object_get(node, "content"), i, child)
		if (depth < 16 && holds(child, mark, depth + 1))
			return true;
	return false;
}

static struct str summary_of(struct str s)
{
	size_t chars = 0, n = 0;

	for (; n < s.len && s.p[n] != '\n'; n++)
		if (((unsigned char)s.p[n] & 0xc0) != 0x80 && ++chars > ATL_TICKET_SUMMARY_MAX)
			break;
	return str_n(s.p, n);
}

/* --- finding and opening -------------------------------------------------------------------
 */

static int name_take(const json_t *issue, char ret[ATL_TICKET_NAME_BYTES], struct err *err)
{
	const char *key = jx_get_text(issue, "key");

	if (!key || !*key || strlen(key) >= ATL_TICKET_NAME_BYTES)
		return err_set(err, ERR_PROTOCOL, "the answer names no issue");
	(void)snprintf(ret, ATL_TICKET_NAME_BYTES, "%s", key);
	return 0;
}

int atl_ticket_find(struct atl_site *s, const struct atl_ticket *t,
		    char ret[ATL_TICKET_NAME_BYTES], struct atl_problem *problem,
		    struct err *err)
{
	CLEANUP(json_decref_at) json_t *body = NULL, *answer = NULL;
	struct atl_ask ask = { .api = ATL_API_JIRA,
			       .method = "POST",
			       .path = "/rest/api/3/search/jql" };
	char jql[400];
	const json_t *issues;
	int r;

	(void)snprintf(jql, sizeof(jql),
		       "project = \"%.80s\" AND labels = \"%.120s\" ORDER BY created",
		       t->project, t->label);
	body = json_pack("{s:s, s:[s], s:i}", "jql", jql, "fields", "summary", "maxResults", 2);
	if (!body)
		return err_nomem(err);
	ask.body = body;
	r = atl_site_ask(s, &ask, &answer, problem, err);
	if (r < 0)
		return r;
	issues = json_object_get(answer, "issues");
	if (!json_is_array(issues))
		return err_set(err, ERR_PROTOCOL, "the issues searched for are no list");
	return json_array_size(issues) ? name_take(json_array_get(issues, 0), ret, err)
				       : ATL_TICKET_NONE;
}

static int labels_of(const struct atl_ticket *t, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *labels = json_array();
	int r = labels ? jx_add(labels, json_string(t->label), err) : err_nomem(err);

	for (size_t i = 0; r == 0 && i < t->label_count; i++)
		r = jx_add(labels, json_string(t->labels[i]), err);
	if (r == 0)
		*ret = TAKE(labels);
	return r;
}

int atl_ticket_open(struct atl_site *s, const struct atl_ticket *t,
		    char ret[ATL_TICKET_NAME_BYTES], struct atl_problem *problem,
		    struct err *err)
{
	CLEANUP(json_decref_at)
	json_t *body = NULL, *answer = NULL, *text = NULL, *labels = NULL;
	struct atl_ask ask = { .api = ATL_API_JIRA,
			       .method = "POST",
			       .path = "/rest/api/3/issue",
			       .write = true,
			       .once = true };
	struct str summary = summary_of(t->summary);
	int r = document_of(t->text, &text, err);

	if (r == 0)
		r = labels_of(t, &labels, err);
	if (r < 0)
		return r;
	body = json_pack("{s:{s:{s:s}, s:{s:s}, s:s%, s:O, s:O}}", "fields", "project", "key",
			 t->project, "issuetype", "name", t->type, "summary", summary.p,
			 summary.len, "description", text, "labels", labels);
	if (!body)
		return err_nomem(err);
	ask.body = body;
	r = atl_site_ask(s, &ask, &answer, problem, err);
	return r == 0 ? name_take(answer, ret, err) : r;
}

/* --- what is said and done about one -------------------------------------------------------
 */

int atl_ticket_said(struct atl_site *s, const char *name, const char *mark,
		    struct atl_problem *problem, struct err *err)
{
	CLEANUP(json_decref_at) json_t *answer = NULL;
	const struct str arg = str_of(name);
	const struct atl_ask ask = atl_get(
		ATL_API_JIRA, "/rest/api/3/issue/{}/comment?orderBy=-created&maxResults=100",
		&arg, 1);
	const json_t *comment;
	size_t i;
	int r = atl_site_ask(s, &ask, &answer, problem, err);

	if (r < 0)
		return r;
	json_array_foreach (json_object_get(answer, "comments"), i, comment)
		if (holds(json_object_get(comment, "body"), mark, 0))
			return 0;
	return ATL_TICKET_NONE;
}

int atl_ticket_say(struct atl_site *s, const char *name, struct str text,
		   struct atl_problem *problem, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL, *body = NULL;
	const struct str arg = str_of(name);
	struct atl_ask ask = { .api = ATL_API_JIRA,
			       .method = "POST",
			       .path = "/rest/api/3/issue/{}/comment",
			       .args = &arg,
			       .arg_count = 1,
			       .write = true,
			       .once = true };
	int r = document_of(text, &doc, err);

	if (r < 0)
		return r;
	body = json_pack("{s:O}", "body", doc);
	if (!body)
		return err_nomem(err);
	ask.body = body;
	return atl_site_ask(s, &ask, NULL, problem, err);
}

static bool is_called(const json_t *thing, const char *name)
{
	const char *is = jx_get_text(thing, "name");

	return is && str_ieq(str_of(is), str_of(name));
}

/* Whether it has the status already. */
static int status_look(struct atl_site *s, const struct str *name, const char *status,
		       bool *ret, struct atl_problem *problem, struct err *err)
{
	CLEANUP(json_decref_at) json_t *answer = NULL;
	const struct atl_ask ask =
		atl_get(ATL_API_JIRA, "/rest/api/3/issue/{}?fields=status", name, 1);
	int r = atl_site_ask(s, &ask, &answer, problem, err);

	if (r == 0)
		*ret = is_called(json_object_get(json_object_get(answer, "fields"), "status"),
				 status);
	return r;
}

/* The transition that leads to the status; else one that is called so. Borrowed of answer. */
static const char *way_to(const json_t *answer, const char *status)
{
	const json_t *way;
	const char *called = NULL;
	size_t i;

	json_array_foreach (json_object_get(answer, "transitions"), i, way) {
		if (is_called(json_object_get(way, "to"), status))
			return jx_get_text(way, "id");
		if (is_called(way, status))
			called = jx_get_text(way, "id");
	}
	return called;
}

int atl_ticket_move(struct atl_site *s, const char *name, const char *status,
		    struct atl_problem *problem, struct err *err)
{
	CLEANUP(json_decref_at) json_t *answer = NULL, *body = NULL;
	const struct str arg = str_of(name);
	const struct atl_ask ways =
		atl_get(ATL_API_JIRA, "/rest/api/3/issue/{}/transitions", &arg, 1);
	struct atl_ask ask = { .api = ATL_API_JIRA,
			       .method = "POST",
			       .path = "/rest/api/3/issue/{}/transitions",
			       .args = &arg,
			       .arg_count = 1,
			       .write = true,
			       .once = true };
	bool is_there = false;
	const char *way;
	int r = status_look(s, &arg, status, &is_there, problem, err);

	if (r < 0 || is_there)
		return r;
	r = atl_site_ask(s, &ways, &answer, problem, err);
	if (r < 0)
		return r;
	way = way_to(answer, status);
	if (!way)
		return ATL_TICKET_NONE;
	body = json_pack("{s:{s:s}}", "transition", "id", way);
	if (!body)
		return err_nomem(err);
	ask.body = body;
	return atl_site_ask(s, &ask, NULL, problem, err);
}
