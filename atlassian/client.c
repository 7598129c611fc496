#include "atlassian/client.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/enc.h"
#include "base/stamp.h"

#define ANSWER_BYTES (64 << 20) /* a page of users with long lists of groups */
#define URL_BYTES 65536

struct atl_client {
	const struct atl_options *o;
	struct secret authorization; /* "Bearer ..." */
	struct secret standby;       /* the same of a second key; empty: there is none */
	atomic_bool on_standby;
	char *owner; /* of the key: account id or address; NULL: not told */
	struct secret proxy_login;
	struct httpc *http;
	unsigned budget[ATL_FAMILY_COUNT];
	atomic_bool writes;
	atomic_uint_fast64_t calls;
	_Atomic(char *) only_directory; /* set once; not used when there are many */
	atomic_bool many_directories;
};

/* "Bearer KEY" */
static int bearer_of(const struct atl_options *o, const struct secret *key, struct secret *ret,
		     struct err *err)
{
	CLEANUP(buf_done) struct buf bearer;
	int r;

	buf_init_secret(&bearer, SECRET_MAX_BYTES);
	buf_add_text(&bearer, "Bearer ");
	buf_add(&bearer, key->p, key->len);
	if (memchr(key->p, '\n', key->len) || memchr(key->p, '\r', key->len))
		return err_set(err, ERR_SECRET,
			       "the API key of organisation %s holds a line break: put it into "
			       "the vault again",
			       o->name ? o->name : "");
	r = buf_fault(&bearer, err, "the API key");
	return r < 0 ? r : secret_set(ret, bearer.p, bearer.len, err);
}

int atl_client_new(struct atl_client **ret, const struct atl_options *options,
		   const struct secret *key, const struct secret *proxy_login,
		   struct httpc *http, struct err *err)
{
	CLEANUP(atl_client_free_at) struct atl_client *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_nomem(err);
	c->o = options;
	c->http = http;
	if (!key || !key->len)
		return err_set(err, ERR_SECRET,
			       "organisation %s has no API key: put one into the vault",
			       options->name ? options->name : "");
	r = bearer_of(options, key, &c->authorization, err);
	if (r == 0 && proxy_login && proxy_login->len)
		r = secret_copy(&c->proxy_login, proxy_login, err);
	if (r == 0)
		r = atl_limits_register(http, options, c->budget, err);
	if (r < 0)
		return r;
	*ret = TAKE(c);
	return 0;
}

void atl_client_free(struct atl_client *c)
{
	if (!c)
		return;
	atl_limits_drop(c->http, c->budget);
	secret_done(&c->authorization);
	secret_done(&c->standby);
	secret_done(&c->proxy_login);
	free(c->owner);
	free(atomic_load(&c->only_directory));
	free(c);
}

int atl_client_login(struct atl_client *c, struct str login, struct err *err)
{
	const size_t skip = sizeof("Bearer ") - 1;
	CLEANUP(buf_done) struct buf pair;
	CLEANUP(buf_done) struct buf basic;
	int r;

	buf_init_secret(&pair, SECRET_MAX_BYTES);
	buf_init_secret(&basic, 2 * SECRET_MAX_BYTES);
	buf_add_str(&pair, login);
	buf_add_char(&pair, ':');
	buf_add(&pair, c->authorization.p + skip, c->authorization.len - skip);
	buf_add_text(&basic, "Basic ");
	enc_base64(&basic, pair.p, pair.len);
	r = buf_fault(&pair, err, "the API token");
	if (r == 0)
		r = buf_fault(&basic, err, "the API token");
	if (r < 0)
		return r;
	secret_done(&c->authorization);
	return secret_set(&c->authorization, basic.p, basic.len, err);
}

int atl_client_standby(struct atl_client *c, const struct secret *key, struct err *err)
{
	return key && key->len ? bearer_of(c->o, key, &c->standby, err) : 0;
}

bool atl_client_on_standby(const struct atl_client *c)
{
	return atomic_load(&c->on_standby);
}

int atl_client_owner(struct atl_client *c, struct str owner, struct err *err)
{
	if (!owner.len)
		return 0;
	c->owner = str_dup(owner);
	return c->owner ? 0 : err_nomem(err);
}

bool atl_client_has_owner(const struct atl_client *c)
{
	return c->owner != NULL;
}

static bool is_named(struct str name, struct str account, struct str email)
{
	return str_eq(name, account) || (email.len && str_ieq(name, email));
}

bool atl_client_is_own(const struct atl_client *c, struct str account, struct str email)
{
	if (c->owner && is_named(str_of(c->owner), account, email))
		return true;
	for (size_t i = 0; i < c->o->own.n; i++)
		if (is_named(str_of(c->o->own.v[i]), account, email))
			return true;
	return false;
}

void atl_client_writes(struct atl_client *c, bool allowed)
{
	atomic_store(&c->writes, allowed);
}

bool atl_client_may_write(const struct atl_client *c)
{
	return atomic_load(&c->writes);
}

const struct atl_options *atl_client_options(const struct atl_client *c)
{
	return c->o;
}

uint64_t atl_client_calls(const struct atl_client *c)
{
	return atomic_load(&c->calls);
}

const char *atl_client_only_directory(const struct atl_client *c)
{
	const char *only = atomic_load(&c->only_directory);

	return only && !atomic_load(&c->many_directories) ? only : "";
}

int atl_client_directories_are(struct atl_client *c, size_t count, struct str only,
			       struct err *err)
{
	char *copy, *none = NULL;

	if (count != 1 || !only.len) {
		atomic_store(&c->many_directories, true);
		return 0;
	}
	copy = str_dup(only);
	if (!copy)
		return err_nomem(err);
	/* Readers hold the first one without a lock, so it stays; another one beside it means
	 * that nothing is sure. */
	if (!atomic_compare_exchange_strong(&c->only_directory, &none, copy)) {
		atomic_store(&c->many_directories, strcmp(none, copy) != 0);
		free(copy);
	}
	return 0;
}

int atl_path(struct buf *into, const char *template, const struct str *args, size_t count,
	     struct err *err)
{
	size_t used = 0;

	for (const char *p = template; *p; p++) {
		if (p[0] != '{' || p[1] != '}') {
			buf_add_char(into, *p);
			continue;
		}
		if (used == count || !args[used].len)
			return err_set(err, ERR_INTERNAL,
				       "path %s: part %zu is empty: nothing is sent", template,
				       used + 1);
		/* A segment of dots alone would walk up the path. */
		if (str_eq(args[used], STR(".")) || str_eq(args[used], STR("..")))
			return err_set(err, ERR_INTERNAL, "path %s: part %zu is only dots",
				       template, used + 1);
		enc_percent(into, args[used++]);
		p++;
	}
	return buf_fault(into, err, "a path");
}

/* --- what an error body says -------------------------------------------------------------- */

/* One line of plain text: control characters and broken UTF-8 become blanks, runs of blanks
 * one, and a cut never splits a character. */
static void plain_copy(char *to, size_t room, const char *text)
{
	size_t n = 0;

	if (!text)
		return;
	for (const unsigned char *p = (const unsigned char *)text; *p && n + 5 < room;) {
		size_t len = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;

		if (strnlen((const char *)p, len) < len ||
		    !str_utf8(str_n((const char *)p, len), NULL)) {
			len = 1;
		} else if (*p > ' ' && *p != 0x7f) {
			memcpy(to + n, p, len);
			n += len;
			p += len;
			continue;
		}
		if (n && to[n - 1] != ' ')
			to[n++] = ' ';
		p += len;
	}
	while (n && to[n - 1] == ' ')
		n--;
	to[n] = '\0';
}

static const char *text_at(const json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return text && *text ? text : NULL;
}

/* A member that may be a text or a number, as text. */
static void word_at(char *to, size_t room, const json_t *j, const char *key)
{
	const json_t *value = json_object_get(j, key);
	char number[32];

	if (json_is_string(value)) {
		plain_copy(to, room, json_string_value(value));
	} else if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
		plain_copy(to, room, number);
	}
}

/* {"errors":[{"status","code","title","detail"}]} */
static bool read_org(struct atl_problem *p, const json_t *j)
{
	const json_t *first = json_array_get(json_object_get(j, "errors"), 0);
	const char *title = text_at(first, "title"), *detail = text_at(first, "detail");
	char both[sizeof(p->text) * 2];

	if (!first)
		return false;
	word_at(p->code, sizeof(p->code), first, "code");
	snprintf(both, sizeof(both), "%s%s%s", title ? title : "", title && detail ? ": " : "",
		 detail ? detail : "");
	plain_copy(p->text, sizeof(p->text), both);
	return true;
}

/* {"key":"forbidden.action","context":{"reason":{"key"}},"errorKey","errorDetail"} */
static bool read_manage(struct atl_problem *p, const json_t *j)
{
	const json_t *context = json_object_get(j, "context");
	const char *key = text_at(j, "key"), *detail = text_at(j, "errorDetail");

	if (!key && !text_at(j, "errorKey"))
		return false;
	plain_copy(p->code, sizeof(p->code), key ? key : text_at(j, "errorKey"));
	plain_copy(p->key, sizeof(p->key), text_at(json_object_get(context, "reason"), "key"));
	plain_copy(p->text, sizeof(p->text), detail ? detail : text_at(j, "message"));
	return true;
}

/* {"schemas","status","scimType","detail"} */
static bool read_scim(struct atl_problem *p, const json_t *j)
{
	if (!json_is_array(json_object_get(j, "schemas")))
		return false;
	word_at(p->code, sizeof(p->code), j, "scimType");
	plain_copy(p->text, sizeof(p->text), text_at(j, "detail"));
	return true;
}

/* {"errorMessages":[...],"errors":{field: message}}, {"errorMessage"} */
static bool read_jira(struct atl_problem *p, const json_t *j)
{
	const char *message =
		json_string_value(json_array_get(json_object_get(j, "errorMessages"), 0));
	json_t *fields = json_object_get(j, "errors");
	const char *field;
	json_t *value;

	if (!message)
		message = text_at(j, "errorMessage");
	json_object_foreach (fields, field, value)
		if (!message)
			message = json_string_value(value);
	if (!message)
		return false;
	plain_copy(p->text, sizeof(p->text), message);
	return true;
}

/* {"code":401,"message"}, {"status":403,"error","message"}, {"statusCode","message"} */
static bool read_proxy(struct atl_problem *p, const json_t *j)
{
	const char *message = text_at(j, "message");

	word_at(p->code, sizeof(p->code), j, "code");
	if (!message)
		message = text_at(j, "error");
	if (!message)
		message = text_at(j, "reason");
	plain_copy(p->text, sizeof(p->text), message);
	return message || p->code[0];
}

/* Not JSON: a gateway's page. Its text without tags. */
static void read_page(struct atl_problem *p, struct str body)
{
	char text[1024];
	bool tag = false;
	size_t n = 0;

	for (size_t i = 0; i < body.len && n < sizeof(text) - 1; i++) {
		char c = body.p[i];

		if (c == '<')
			tag = true;
		if (!tag)
			text[n++] = c ? c : ' ';
		else if (c == '>')
			text[n++] = ' ';
		if (c == '>')
			tag = false;
	}
	text[n] = '\0';
	plain_copy(p->text, sizeof(p->text), text);
}

void atl_problem_read(struct atl_problem *ret, int status, struct str body)
{
	static bool (*const shapes[])(struct atl_problem * p,
				      const json_t *j) = { read_org, read_manage, read_scim,
							   read_jira, read_proxy };
	CLEANUP(json_decref_at) json_t *j = NULL;

	*ret = (struct atl_problem){ .status = status };
	if (!body.len)
		return;
	if (jx_parse(body, JX_LENIENT, &j, NULL) < 0) {
		read_page(ret, body);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(shapes); i++)
		if (shapes[i](ret, j))
			return;
	if (json_is_string(j))
		plain_copy(ret->text, sizeof(ret->text), json_string_value(j));
}

/* --- sending ------------------------------------------------------------------------------ */

/* Where a call goes. Whole URLs come from answers: they may not lead the key elsewhere. */
static int url_of(const struct atl_client *c, const char *path, struct buf *into,
		  struct err *err)
{
	struct str base = str_of(c->o->base_url), url = str_of(path);

	if (str_starts(url, STR("/"))) {
		buf_add_str(into, base);
	} else if (!str_starts(url, base) || url.len == base.len || url.p[base.len] != '/') {
		return err_set(
			err, ERR_PROTOCOL,
			"the answer of organisation %s leads to \"%.100s\", which is not "
			"below %s: not followed",
			c->o->name ? c->o->name : "", path, c->o->base_url);
	}
	buf_add_str(into, url);
	return buf_fault(into, err, "a URL");
}

/* "GET /admin/v2/...", without the query. */
static void what_of(const struct atl_client *c, const struct atl_request *q, char *ret,
		    size_t room)
{
	struct str path = str_of(q->path);
	size_t base = strlen(c->o->base_url);

	if (!str_starts(path, STR("/")) && path.len > base)
		path = str_n(path.p + base, path.len - base);
	path.len = str_find(path, '?');
	snprintf(ret, room, "%s " STR_FMT, q->method, STR_ARG(path));
}

/* What a request was, kept while it is under way: to send it again under another key, or, of a
 * read, where the answer's JSON was cut. */
struct atl_again {
	enum atl_family family;
	bool urgent, once, read;
	bool standby;     /* was sent under the standby key */
	int64_t begun_ms; /* monotonic */
	const char *method;
	char *url, *body; /* body NULL: there is none */
};

static void again_free(struct atl_again *a)
{
	free(a->url);
	free(a->body);
	free(a);
}
OWNED(struct atl_again, again_free)

static int again_new(const struct atl_request *request, struct str url, const struct str *body,
		     bool standby, struct atl_again **ret, struct err *err)
{
	CLEANUP(again_free_at) struct atl_again *a = calloc(1, sizeof(*a));

	if (!a)
		return err_nomem(err);
	a->family = request->family;
	a->urgent = request->urgent;
	a->once = request->once;
	a->read = !request->write;
	a->standby = standby;
	a->begun_ms = stamp_mono_ms();
	a->method = request->method;
	a->url = str_dup(url);
	a->body = body ? str_dup(*body) : NULL;
	if (!a->url || (body && !a->body))
		return err_nomem(err);
	*ret = TAKE(a);
	return 0;
}

/* One time of asking. */
struct sending {
	const char *method, *url;
	const struct str *body; /* NULL: none is sent */
	enum atl_family family;
	bool urgent, once, standby;
	int64_t spent_ms; /* of the deadline */
};

static int submit(struct atl_client *c, const struct sending *s, struct httpc_call **ret,
		  struct err *err)
{
	static const struct httpc_header headers[] = { { "Accept", "application/json" },
						       { 0 } };
	struct httpc_request q = {
		.method = s->method,
		.url = s->url,
		.headers = headers,
		.authorization = s->standby ? &c->standby : &c->authorization,
		.body = s->body ? *s->body : (struct str){ 0 },
		.content_type = s->body ? "application/json" : NULL,
		.via = { .proxy = c->o->proxy,
			 .proxy_login = c->proxy_login.len ? &c->proxy_login : NULL,
			 .ca_file = c->o->ca_file,
			 .allow_http = true }, /* as base_url says, and on loopback alone */
		.budget = c->budget[s->family],
		.urgent = s->urgent,
		.retry = s->once ? RETRY_IF_NOT_SENT : RETRY_IDEMPOTENT,
		.tries = (unsigned)c->o->tries,
		.deadline_ms = c->o->deadline_ms ? c->o->deadline_ms - s->spent_ms : 0,
		.try_timeout_ms = c->o->timeout_ms,
		.backoff_ms = c->o->backoff_ms,
		.max_body_bytes = ANSWER_BYTES,
	};
	int r = httpc_submit(c->http, &q, ret, err);

	if (r == 0)
		atomic_fetch_add(&c->calls, 1);
	return r;
}

int atl_send(struct atl_client *c, const struct atl_request *request, struct atl_sent *ret,
	     struct err *err)
{
	CLEANUP(buf_done) struct buf url;
	/* Without a body Atlassian answers 415. */
	struct str body = request->body.len ? request->body : STR("{}");
	bool has_body = request->body.len || !strcmp(request->method, "POST") ||
			!strcmp(request->method, "PUT");
	bool standby = atl_client_on_standby(c);
	CLEANUP(again_free_at) struct atl_again *again = NULL;
	struct atl_sent sent = { 0 };
	int r;

	buf_init(&url, URL_BYTES);
	what_of(c, request, sent.what, sizeof(sent.what));
	if (request->write && !atl_client_may_write(c))
		return err_set(err, ERR_REFUSED,
			       "organisation %s is in mode observe: %s is not sent",
			       c->o->name ? c->o->name : "", sent.what);
	r = url_of(c, request->path, &url, err);
	if (r < 0)
		return r;
	if (c->standby.len || !request->write)
		r = again_new(request, buf_str(&url), has_body ? &body : NULL, standby, &again,
			      err);
	if (r == 0)
		r = submit(c,
			   &(struct sending){ .method = request->method,
					      .url = url.p,
					      .body = has_body ? &body : NULL,
					      .family = request->family,
					      .urgent = request->urgent,
					      .once = request->once,
					      .standby = standby },
			   &sent.call, err);
	if (r < 0)
		return r;
	sent.again = TAKE(again);
	*ret = sent;
	return 0;
}

/* --- receiving ---------------------------------------------------------------------------- */

static const struct {
	int status, code;
	const char *hint;
} answers[] = {
	{ 401, ERR_UNAUTHORIZED,
	  "the API key is wrong, expired or of another organisation: make a new one at "
	  "admin.atlassian.com and put it into the vault" },
	{ 402, ERR_REMOTE, NULL },
	{ 403, ERR_FORBIDDEN, "the API key may lack the right, see `leaverd doctor`" },
	{ 404, ERR_NOT_FOUND, NULL },
	{ 409, ERR_CONFLICT, NULL },
	{ 415, ERR_REMOTE, NULL },
	{ 429, ERR_RATE_LIMIT, "Atlassian's rate limit: try again later" },
};

static int tell(const struct atl_sent *sent, const struct atl_problem *p, struct err *err)
{
	int code = p->status >= 500 ? ERR_UNAVAILABLE : ERR_REMOTE;
	const char *hint = NULL;

	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		if (answers[i].status != p->status)
			continue;
		code = answers[i].code;
		hint = p->key[0] ? NULL : answers[i].hint; /* a reason says more than we know */
	}
	return err_set(err, code, "%s: Atlassian answers %d%s%s%s%s%s%s%s%s%s%s", sent->what,
		       p->status, p->code[0] ? " " : "", p->code, p->key[0] ? " (" : "", p->key,
		       p->key[0] ? ")" : "", p->text[0] ? ": " : "", p->text, hint ? " (" : "",
		       hint ? hint : "", hint ? ")" : "");
}

/* What a 2xx said. *cut: it is no whole document, where one was to come. */
static int document(const struct atl_sent *sent, struct str body, bool wanted, json_t **ret,
		    bool *cut, struct err *err)
{
	struct err why;
	int r;

	*ret = NULL;
	*cut = false;
	if (!str_trim(body).len) {
		*cut = wanted;
		return wanted ? err_set(err, ERR_PROTOCOL, "%s: the answer is empty",
					sent->what)
			      : 0;
	}
	r = jx_parse(body, JX_LENIENT, ret, &why);
	if (r == -ERR_NOMEM)
		return err_nomem(err);
	*cut = r < 0;
	if (r < 0)
		return err_set(err, ERR_PROTOCOL, "%s: the answer is not whole JSON: %s",
			       sent->what, why.text);
	return 0;
}

/* Whether there is time for one more try within the request's deadline. */
static bool time_left(const struct atl_client *c, const struct atl_again *again)
{
	return !c->o->deadline_ms || stamp_mono_ms() - again->begun_ms < c->o->deadline_ms;
}

static int once_more(struct atl_client *c, struct atl_again *again, bool standby,
		     struct httpc_answer *ret, struct err *err)
{
	struct str body = again->body ? str_of(again->body) : (struct str){ 0 };
	struct httpc_call *call;
	int64_t spent_ms = stamp_mono_ms() - again->begun_ms;
	int r;

	if (spent_ms >= c->o->deadline_ms) /* just over since time_left() */
		spent_ms = c->o->deadline_ms - 1;
	again->standby = standby;
	r = submit(c,
		   &(struct sending){ .method = again->method,
				      .url = again->url,
				      .body = again->body ? &body : NULL,
				      .family = again->family,
				      .urgent = again->urgent,
				      .once = again->once,
				      .standby = standby,
				      .spent_ms = spent_ms },
		   &call, err);
	if (r < 0)
		return r;
	httpc_answer_done(ret);
	*ret = (struct httpc_answer){ 0 };
	return httpc_collect(call, ret, err);
}

/* 401 says that nothing was done: the same once more under the standby key. again may be NULL.
 */
static int collect(struct atl_client *c, struct atl_sent *sent, struct atl_again *again,
		   struct httpc_answer *ret, struct err *err)
{
	int r = httpc_collect(TAKE(sent->call), ret, err);

	if (r < 0 || ret->status != 401 || !again || again->standby || !c->standby.len ||
	    !time_left(c, again))
		return r;
	atomic_store(&c->on_standby, true);
	return once_more(c, again, true, ret, err);
}

static bool is_good(const struct httpc_answer *a)
{
	return a->status >= 200 && a->status <= 299;
}

int atl_receive(struct atl_client *c, struct atl_sent *sent, json_t **ret,
		struct atl_problem *problem, struct err *err)
{
	CLEANUP(again_free_at) struct atl_again *again = TAKE(sent->again);
	CLEANUP(httpc_answer_done) struct httpc_answer a = { 0 };
	CLEANUP(json_decref_at) json_t *j = NULL;
	struct atl_problem own, *p = problem ? problem : &own;
	bool read = again && again->read, cut = false;
	int r;

	*p = (struct atl_problem){ 0 };
	r = collect(c, sent, again, &a, err);
	for (int64_t tries = 1; r == 0 && ret && is_good(&a); tries++) {
		r = document(sent, buf_str(&a.body), read && a.status != 204, &j, &cut, err);
		/* What a gateway cut off: a read may be asked again, a change was made. */
		if (!cut || !read || tries >= c->o->tries || !time_left(c, again))
			break;
		r = once_more(c, again, again->standby, &a, err);
	}
	if (r == 0 || a.status)
		p->status = a.status;
	if (r < 0)
		return r;
	if (!is_good(&a)) {
		atl_problem_read(p, a.status, buf_str(&a.body));
		return tell(sent, p, err);
	}
	if (ret)
		*ret = TAKE(j);
	return 0;
}

int atl_call(struct atl_client *c, const struct atl_request *request, json_t **ret,
	     struct atl_problem *problem, struct err *err)
{
	struct atl_sent sent;
	int r;

	if (problem)
		*problem = (struct atl_problem){ 0 };
	r = atl_send(c, request, &sent, err);
	return r < 0 ? r : atl_receive(c, &sent, ret, problem, err);
}
