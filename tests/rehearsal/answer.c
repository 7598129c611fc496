#include <inttypes.h>
#include <stdarg.h>

#include "base/jx.h"
#include "tests/rehearsal/rehearsal.h"

static const char *status_title(int status)
{
	static const struct {
		int status;
		const char *title;
	} titles[] = {
		{ 400, "Bad Request" },       { 401, "Unauthorized" },
		{ 402, "Payment Required" },  { 403, "Forbidden" },
		{ 404, "Not Found" },         { 405, "Method Not Allowed" },
		{ 409, "Conflict" },          { 415, "Unsupported Media Type" },
		{ 429, "Too Many Requests" }, { 500, "Internal Server Error" },
		{ 502, "Bad Gateway" },       { 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
	};

	for (size_t i = 0; i < COUNT_OF(titles); i++) {
		if (titles[i].status == status)
			return titles[i].title;
	}
	return "Error";
}

int answer_error(struct call *c, int status, const char *code, const char *format, ...)
{
	struct jw w = { .b = &c->out };
	char detail[256], number[16];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	snprintf(number, sizeof(number), "%d", status);
	buf_clear(&c->out);
	jw_open(&w, NULL, '{');
	jw_open(&w, "errors", '[');
	jw_open(&w, NULL, '{');
	jw_text(&w, "id", http_req_id(c->req));
	jw_text(&w, "status", number);
	jw_text(&w, "code", code);
	jw_text(&w, "title", status_title(status));
	jw_text(&w, "detail", detail);
	jw_close(&w, '}');
	jw_close(&w, ']');
	jw_close(&w, '}');
	return status;
}

int answer_proxy(struct call *c, int status, const char *message)
{
	struct jw w = { .b = &c->out };

	buf_clear(&c->out);
	jw_open(&w, NULL, '{');
	jw_int(&w, "code", status);
	jw_text(&w, "message", message);
	jw_close(&w, '}');
	return status;
}

int answer_key(struct call *c, int status, const char *key)
{
	struct jw w = { .b = &c->out };

	buf_clear(&c->out);
	jw_open(&w, NULL, '{');
	jw_text(&w, "key", key);
	jw_close(&w, '}');
	return status;
}

int answer_forbidden_action(struct call *c, const char *reason)
{
	struct jw w = { .b = &c->out };

	buf_clear(&c->out);
	jw_open(&w, NULL, '{');
	jw_text(&w, "key", "forbidden.action");
	jw_open(&w, "context", '{');
	jw_bool(&w, "allowed", false);
	jw_open(&w, "reason", '{');
	jw_text(&w, "key", reason);
	jw_close(&w, '}');
	jw_close(&w, '}');
	jw_text(&w, "errorKey", "forbidden.action");
	jw_textf(&w, "errorDetail", "The action is not allowed: %s", reason);
	jw_close(&w, '}');
	return 403;
}

int answer_lifecycle(struct call *c, const char *account, const char *code, const char *message)
{
	struct jw w = { .b = &c->out };

	buf_clear(&c->out);
	jw_open(&w, NULL, '{');
	jw_text(&w, "key", "conflict.lifecycleErrors");
	jw_open(&w, "context", '{');
	jw_text(&w, "message", message);
	jw_text(&w, "accountId", account);
	jw_open(&w, "errorCodes", '[');
	jw_open(&w, NULL, '{');
	jw_text(&w, "code", code);
	jw_text(&w, "message", message);
	jw_close(&w, '}');
	jw_close(&w, ']');
	jw_close(&w, '}');
	jw_close(&w, '}');
	return 409;
}

int answer_bad_body(struct call *c, const char *format, ...)
{
	char detail[200];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	return answer_error(c, 400, "ADMIN-400-24", "%s", detail);
}

void answer_header(struct call *c, const char *name, const char *format, ...)
{
	char value[256];
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	buf_addf(&c->headers, "%s: %s\n", name, value);
}

void call_effect(struct call *c, const char *op, const char *account, bool changed,
		 const char *format, ...)
{
	va_list args;

	c->op = op;
	c->changed = changed;
	snprintf(c->account, sizeof(c->account), "%s", account);
	va_start(args, format);
	vsnprintf(c->detail, sizeof(c->detail), format, args);
	va_end(args);
}

/* --- what the path and the query say --------------------------------------------------- */

struct str call_segment(const struct call *c, unsigned n)
{
	return n < c->segments ? c->segment[n] : (struct str){ 0 };
}

/* The next "name=value" of a query, decoded; false at its end. Broken escapes are skipped. */
static bool query_next(struct str *rest, struct buf *name, struct buf *value)
{
	while (rest->len) {
		struct str item, left, right, tail = { 0 };

		str_cut(*rest, '&', &item, &tail);
		*rest = tail;
		if (!str_cut(item, '=', &left, &right))
			right = (struct str){ 0 };
		buf_clear(name);
		buf_clear(value);
		if (left.len && enc_unpercent(name, left, true) &&
		    enc_unpercent(value, right, true))
			return true;
	}
	return false;
}

bool call_query(const struct call *c, const char *name, struct buf *into)
{
	CLEANUP(buf_done) struct buf key;
	struct str rest = c->query;
	bool found = false;

	buf_init(&key, 4096);
	while (!found && query_next(&rest, &key, into))
		found = str_eq(buf_str(&key), str_of(name));
	return found;
}

static bool is_list(const char *name, const char *const *lists)
{
	for (; *lists; lists++) {
		if (strcmp(name, *lists) == 0)
			return true;
	}
	return false;
}

/* A query value as the type its text looks like: the API knows booleans and integers there. */
static json_t *query_value(struct str text)
{
	int64_t n;

	if (str_eq(text, STR("true")) || str_eq(text, STR("false")))
		return json_boolean(text.len == 4);
	if (text.len < 8 && str_int64(text, &n))
		return json_integer(n);
	return json_stringn(text.p ? text.p : "", text.len);
}

json_t *call_query_object(const struct call *c, const char *const *lists)
{
	CLEANUP(buf_done) struct buf name, value;
	CLEANUP(json_decref_at) json_t *object = json_object();
	struct str rest = c->query;

	buf_init(&name, 4096);
	buf_init(&value, 16384);
	while (object && query_next(&rest, &name, &value)) {
		json_t *list;

		if (!is_list(name.p, lists)) {
			json_object_set_new(object, name.p, query_value(buf_str(&value)));
			continue;
		}
		list = json_object_get(object, name.p);
		if (!list) {
			list = json_array();
			json_object_set_new(object, name.p, list);
		}
		json_array_append_new(list, json_stringn(value.p ? value.p : "", value.len));
	}
	return TAKE(object);
}

/* --- who is meant ---------------------------------------------------------------------- */

int call_org(struct call *c)
{
	if (str_eq(call_segment(c, 3), str_of(c->org->id)))
		return 0;
	return answer_error(c, 404, "ADMIN-404-2", "Organization not found");
}

int call_directory(struct call *c, bool all, int *ret)
{
	struct str id = call_segment(c, 5);
	unsigned directory;
	int status = call_org(c);

	if (status)
		return status;
	if (all && str_eq(id, STR("-"))) {
		*ret = -1;
		return 0;
	}
	if (!org_directory_by_id(c->org, id, &directory))
		return answer_error(c, 404, "ADMIN-404-1", "Directory not found");
	*ret = (int)directory;
	return 0;
}

int call_account(struct call *c, unsigned n, uint32_t *ret)
{
	if (org_account_by_id(c->org, call_segment(c, n), ret))
		return 0;
	return answer_error(c, 404, "ADMIN-404-8", "User not found");
}

int call_group(struct call *c, unsigned n, unsigned directory, uint32_t *ret)
{
	if (org_group_by_id(c->org, call_segment(c, n), ret) &&
	    c->org->groups.v[*ret]->directory == directory)
		return 0;
	return answer_error(c, 404, "ADMIN-404-10", "Group not found");
}

/* --- what a document says -------------------------------------------------------------- */

int call_list(struct call *c, const json_t *from, const char *name, size_t most,
	      const json_t **ret)
{
	const json_t *list = json_object_get(from, name), *item;
	size_t i;

	*ret = NULL;
	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) < 1 || json_array_size(list) > most)
		return answer_bad_body(c, "%s must hold 1 to %zu items", name, most);
	json_array_foreach ((json_t *)list, i, item) {
		if (!json_is_string(item))
			return answer_bad_body(c, "%s must hold strings", name);
	}
	*ret = list;
	return 0;
}

bool list_has(const json_t *list, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach ((json_t *)list, i, item) {
		if (str_ieq(str_of(json_string_value(item)), str_of(text)))
			return true;
	}
	return false;
}

bool text_has(const char *text, const char *term)
{
	size_t len = strlen(term);

	for (size_t left = strlen(text); left >= len; text++, left--) {
		if (str_ieq(str_n(text, len), str_n(term, len)))
			return true;
		if (left == 0)
			return false;
	}
	return false;
}
