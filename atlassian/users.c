#include "atlassian/users.h"

#include <stdio.h>

#include "base/stamp.h"

int atl_users_managed(struct atl_pages *p, struct atl_client *c, struct err *err)
{
	const struct str args[] = { str_of(atl_client_options(c)->org_id) };
	CLEANUP(buf_done) struct buf path;
	int r;

	*p = (struct atl_pages){ 0 };
	buf_init(&path, 4096);
	r = atl_path(&path, "/admin/v1/orgs/{}/users", args, 1, err);
	if (r < 0)
		return r;
	return atl_pages_init(p, c, ATL_PAGES_QUERY, ATL_ORG_READ, buf_str(&path), NULL, NULL,
			      "managed accounts", err);
}

int atl_users_all_tokens(struct atl_pages *p, struct atl_client *c, struct err *err)
{
	const struct str args[] = { str_of(atl_client_options(c)->org_id) };
	CLEANUP(buf_done) struct buf path;
	int r;

	*p = (struct atl_pages){ 0 };
	buf_init(&path, 4096);
	r = atl_path(&path, "/admin/api-access/v1/orgs/{}/api-tokens", args, 1, err);
	if (r < 0)
		return r;
	return atl_pages_init(p, c, ATL_PAGES_QUERY, ATL_TOKENS, buf_str(&path), NULL, NULL,
			      "API tokens", err);
}

/* --- one account -------------------------------------------------------------------------- */

/* What one request to /users/{account}/manage... wants. */
struct ask {
	const char *method, *template;
	struct str body;
	bool write, urgent;
};

static int ask(struct atl_client *c, const struct ask *a, const struct str *args, size_t count,
	       json_t **ret, struct atl_problem *problem, struct err *err)
{
	CLEANUP(buf_done) struct buf path;
	struct atl_request q = { .method = a->method,
				 .body = a->body,
				 .family = ATL_MANAGE,
				 .write = a->write,
				 .urgent = a->urgent };
	int r;

	if (problem)
		*problem = (struct atl_problem){ 0 };
	buf_init(&path, 4096);
	r = atl_path(&path, a->template, args, count, err);
	if (r < 0)
		return r;
	q.path = path.p;
	return atl_call(c, &q, ret, problem, err);
}

static void privilege_read(const json_t *all, const char *name, struct atl_privilege *ret)
{
	const json_t *one = json_object_get(all, name);
	const json_t *allowed = json_object_get(one, "allowed");
	const char *reason =
		json_string_value(json_object_get(json_object_get(one, "reason"), "key"));

	ret->told = json_is_boolean(allowed);
	ret->allowed = json_is_true(allowed);
	snprintf(ret->reason, sizeof(ret->reason), "%s", reason ? reason : "");
}

/* A privilege told field by field: all of them, or the first that is refused. */
static void fields_read(json_t *fields, struct atl_privilege *ret)
{
	const char *name;
	json_t *one;

	json_object_foreach (fields, name, one) {
		struct atl_privilege p;

		privilege_read(fields, name, &p);
		if (!ret->told || !p.allowed)
			*ret = p;
		if (!p.allowed)
			return;
	}
}

int atl_users_privileges(struct atl_client *c, struct str account, bool urgent,
			 struct atl_privileges *ret, struct err *err)
{
	static const struct ask a = { .method = "GET",
				      .template = "/users/{}/manage?privileges="
						  "lifecycle.enablement&privileges="
						  "apiToken.read&privileges=apiToken.delete"
						  "&privileges=lifecycle.delete&privileges="
						  "email.set&privileges=profile.write" };
	CLEANUP(json_decref_at) json_t *j = NULL;
	struct ask now = a;
	int r;

	now.urgent = urgent;
	r = ask(c, &now, &account, 1, &j, NULL, err);
	if (r < 0)
		return r;
	if (!json_is_object(j))
		return err_set(err, ERR_PROTOCOL, "the privileges of an account are no object");
	privilege_read(j, "lifecycle.enablement", &ret->enablement);
	privilege_read(j, "apiToken.read", &ret->tokens_read);
	privilege_read(j, "apiToken.delete", &ret->tokens_delete);
	privilege_read(j, "lifecycle.delete", &ret->deletion);
	privilege_read(j, "email.set", &ret->email_set);
	fields_read(json_object_get(j, "profile.write"), &ret->profile_write);
	return 0;
}

const char *atl_reason_words(const char *key)
{
	static const struct {
		const char *key, *words;
	} rows[] = {
		{ "externalDirectory.scim",
		  "an identity provider owns the account over SCIM: deactivate it there" },
		{ "externalDirectory.google",
		  "Google Workspace owns the account: deactivate it there" },
		{ "authPolicy.saml", "an authentication policy with SAML owns the account" },
		{ "administrative", "the API key may not administer the account" },
		{ "administrative.notMyself",
		  "the account is the API key's own: nobody can do this to himself" },
		{ "managedAccount", "the account is not managed by this organisation" },
		{ "myselfOnly", "only the person can do this" },
		{ "blocked.exportControl", "the account is blocked by export control" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (!strcmp(rows[i].key, key))
			return rows[i].words;
	return key;
}

int atl_users_disable(struct atl_client *c, struct str account, struct str message,
		      struct err *err)
{
	CLEANUP(buf_done) struct buf body;
	struct ask a = { .method = "POST",
			 .template = "/users/{}/manage/lifecycle/disable",
			 .write = true };
	int r;

	buf_init(&body, 8192);
	if (message.len) {
		buf_add_text(&body, "{\"message\":");
		buf_add_json(&body, message);
		buf_add_char(&body, '}');
	}
	r = buf_fault(&body, err, "the message");
	a.body = buf_str(&body);
	return r < 0 ? r : ask(c, &a, &account, 1, NULL, NULL, err);
}

int atl_users_enable(struct atl_client *c, struct str account, struct err *err)
{
	static const struct ask a = { .method = "POST",
				      .template = "/users/{}/manage/lifecycle/enable",
				      .write = true };

	return ask(c, &a, &account, 1, NULL, NULL, err);
}

/* --- tokens ------------------------------------------------------------------------------- */

void atl_tokens_done(struct vec_atl_token *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->v[i].id);
		free(v->v[i].label);
	}
	vec_atl_token_done(v);
}

static int token_add(struct vec_atl_token *into, const json_t *row, struct err *err)
{
	const char *id = json_string_value(json_object_get(row, "id"));
	const char *label = json_string_value(json_object_get(row, "label"));
	const char *last = json_string_value(json_object_get(row, "lastAccess"));
	struct atl_token t = { .last_ms = -1 };

	if (!id || !*id)
		return err_set(err, ERR_PROTOCOL, "an API token in the answer has no id");
	if (last && !stamp_parse(str_of(last), &t.last_ms))
		return err_set(err, ERR_PROTOCOL, "API token: \"lastAccess\" is no time");
	t.id = str_dup(str_of(id));
	t.label = str_dup(str_of(label));
	if (t.id && t.label && vec_atl_token_add(into, t) == 0)
		return 0;
	free(t.id);
	free(t.label);
	return err_nomem(err);
}

int atl_users_tokens(struct atl_client *c, struct str account, bool urgent,
		     struct vec_atl_token *ret, struct err *err)
{
	const struct ask a = { .method = "GET",
			       .template = "/users/{}/manage/api-tokens",
			       .urgent = urgent };
	CLEANUP(json_decref_at) json_t *j = NULL;
	json_t *row;
	size_t i;
	int r = ask(c, &a, &account, 1, &j, NULL, err);

	if (r < 0)
		return r;
	if (!json_is_array(j))
		return err_set(err, ERR_PROTOCOL, "the API tokens of an account are no list");
	json_array_foreach (j, i, row) {
		r = token_add(ret, row, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int atl_users_token_revoke(struct atl_client *c, struct str account, struct str token,
			   struct err *err)
{
	static const struct ask a = { .method = "DELETE",
				      .template = "/users/{}/manage/api-tokens/{}",
				      .write = true,
				      .urgent = true };
	const struct str args[] = { account, token };
	int r = ask(c, &a, args, 2, NULL, NULL, err);

	return r == -ERR_NOT_FOUND ? 0 : r;
}
