#include "scim/service.h"

#include <assert.h>
#include <stdio.h>

#include "base/jx.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/stamp.h"
#include "model/validate.h"
#include "net/route.h"
#include "scim/auth.h"
#include "scim/bulk.h"
#include "scim/call.h"
#include "scim/codec.h"
#include "scim/discovery.h"
#include "scim/fault.h"
#include "scim/list.h"
#include "scim/reference.h"
#include "scim/resource.h"
#include "scim/shelf.h"
#include "scim/throttle.h"

#define PREFIX "/scim"
#define URL_MAX_BYTES 256
#define MAX_RESULTS 200
#define MAX_OPERATIONS 1000
#define BULK_OPERATIONS 1000
#define BULK_BYTES (1024 * 1024)

#define TYPE_SCIM "application/scim+json"
#define TYPE_JSON "application/json"

struct scim_service {
	const struct scim_backend *backend;
	struct scim_options options; /* its texts are ours */
	char *public_url, *docs_url;
	size_t url_len;
	struct secret cursor_key;
	struct shelf *shelf;       /* NULL: nothing is kept. Has locks of its own, too */
	struct throttle *throttle; /* has a lock of its own: not part of what is immutable */
};

/* --- metrics --------------------------------------------------------------------------------
 */

static struct metric coerced[COERCION_COUNT] = {
#define X(symbol, word)                                                                        \
	[COERCION_##symbol] = { .name = "leaverd_scim_coercions",                              \
				.labels = "kind=\"" word "\"",                                 \
				.help = "Tolerated deviations of clients from RFC 7643/7644.", \
				.type = METRIC_COUNTER },
	COERCION_LIST(X)
#undef X
};

static struct metric denials[] = {
	{ .name = "leaverd_scim_denied",
	  .labels = "answer=\"401\"",
	  .help = "Requests without a token that opens.",
	  .type = METRIC_COUNTER },
	{ .name = "leaverd_scim_denied",
	  .labels = "answer=\"429\"",
	  .help = "Requests without a token that opens.",
	  .type = METRIC_COUNTER },
};

void scim_service_metrics(void)
{
	for (size_t i = 0; i < COUNT_OF(denials); i++)
		metric_register(&denials[i]);
	for (int c = 0; c < COERCION_COUNT; c++)
		metric_register(&coerced[c]);
}

void call_count(const struct coercions *coercions)
{
	for (int c = 0; c < COERCION_COUNT; c++)
		if (coercions->n[c] > 0)
			metric_add(&coerced[c], coercions->n[c]);
}

/* --- calls ----------------------------------------------------------------------------------
 */

/* RFC 7644 section 3.8: scim+json, unless the client takes nothing but plain JSON. */
static const char *answer_type(const char *accept)
{
	struct str s = str_of(accept);

	if (!accept || memmem(s.p, s.len, "*/*", 3) ||
	    memmem(s.p, s.len, TYPE_SCIM, sizeof(TYPE_SCIM) - 1) ||
	    !memmem(s.p, s.len, TYPE_JSON, sizeof(TYPE_JSON) - 1))
		return TYPE_SCIM;
	return TYPE_JSON;
}

void call_answer(struct scim_call *call, int status, bool body)
{
	call->res->status = status;
	call->res->content_type = body ? answer_type(call->req->accept) : NULL;
}

void call_fault(struct scim_call *call, const struct err *err)
{
	struct scim_response *res = call->res;
	int status = scim_fault_status(err);

	if (status >= 500 && err->code != ERR_NOT_SUPPORTED)
		log_warn("scim.fault", LOG_T("request", call->req->id ? call->req->id : ""),
			 LOG_T("source", call->client.source), LOG_E(err));
	buf_clear(res->body);
	res->etag[0] = res->location[0] = '\0';
	res->content_location = false;
	scim_fault_body(res->body, err, call->req->id);
	call_answer(call, status, true);
	res->retry_after_s = scim_fault_retry_s(err);
	if (status == 401 || status == 403)
		res->www_authenticate = call->challenge;
}

static bool is_json_type(const char *content_type)
{
	struct str type, rest;

	if (!content_type)
		return true;
	str_cut(str_of(content_type), ';', &type, &rest);
	type = str_trim(type);
	return type.len == 0 || str_ieq(type, STR(TYPE_SCIM)) || str_ieq(type, STR(TYPE_JSON));
}

int call_media(const struct scim_call *call, struct err *err)
{
	if (!is_json_type(call->req->content_type))
		return err_set(err, ERR_MEDIA_TYPE,
			       "the body must be " TYPE_SCIM " or " TYPE_JSON);
	return 0;
}

int call_json(const struct scim_call *call, json_t **ret, struct err *err)
{
	struct str body = call->req->body;

	if (call->json) {
		*ret = json_incref(call->json);
		return 0;
	}
	if (call_media(call, err) < 0)
		return -err->code;
	if (str_starts(body, STR("\xEF\xBB\xBF"))) /* a byte order mark */
		body = str_n(body.p + 3, body.len - 3);
	return jx_parse(body, JX_STRICT, ret, err);
}

/* --- handlers that have no file of their own ------------------------------------------------
 */

static int users_or_groups(struct scim_call *call, unsigned types, struct err *err)
{
	CLEANUP(list_request_done) struct list_request list = { 0 };
	int r = list_from_query(&list, call->req->query, types, call->options->max_results,
				err);

	if (r == 0)
		r = reference_bind(list.where, call->base, err);
	return r < 0 ? r : list_answer(call, &list, err);
}

static int search(struct scim_call *call, unsigned types, struct err *err)
{
	CLEANUP(list_request_done) struct list_request list = { 0 };
	CLEANUP(json_decref_at) json_t *body = NULL;
	int r = call_json(call, &body, err);

	if (r == 0)
		r = list_from_search(&list, body, types, call->options->max_results, err);
	if (r == 0)
		r = reference_bind(list.where, call->base, err);
	return r < 0 ? r : list_answer(call, &list, err);
}

/* RFC 7644 section 3.11: the id behind the alias, whose own address the answer names. */
static struct str me(struct scim_call *call, bool answered)
{
	CLEANUP(buf_done) struct buf location;
	struct str id = str_of(call->client.self);

	buf_init(&location, sizeof(call->res->location) - 1);
	codec_location(&location, call->base, SCIM_USER, id);
	if (answered && !location.fault) {
		memcpy(call->res->location, location.p, location.len + 1);
		call->res->content_location = true;
	}
	return id;
}

/* --- routes ---------------------------------------------------------------------------------
 */

#define ME "Me"

enum form { ALL, ITEM, SEARCH };

typedef int (*call_handler)(struct scim_call *call, unsigned types, struct str id,
			    struct err *err);

#define HANDLER(name, expression)                                                              \
	static int name(struct scim_call *call, unsigned types, struct str id,                 \
			struct err *err)                                                       \
	{                                                                                      \
		(void)types;                                                                   \
		(void)id;                                                                      \
		return expression;                                                             \
	}

HANDLER(on_list, users_or_groups(call, types, err))
HANDLER(on_search, search(call, types, err))
HANDLER(on_create, resource_create(call, types, err))
HANDLER(on_get, resource_get(call, types, id, err))
HANDLER(on_replace, resource_replace(call, types, id, err))
HANDLER(on_patch, resource_patch(call, types, id, err))
HANDLER(on_delete, resource_delete(call, types, id, err))
HANDLER(on_bulk, bulk_begin(call, err))
HANDLER(on_get_me, resource_get(call, types, me(call, true), err))
HANDLER(on_replace_me, resource_replace(call, types, me(call, true), err))
HANDLER(on_patch_me, resource_patch(call, types, me(call, true), err))
HANDLER(on_delete_me, resource_delete(call, types, me(call, false), err))
HANDLER(on_config, discovery_config(call, err))
HANDLER(on_types, discovery_types(call, id, err))
HANDLER(on_schemas, discovery_schemas(call, id, err))

/* clang-format off */
static const struct scim_route {
	const char *endpoint; /* "": the source itself */
	enum form form;
	enum http_method method;
	unsigned right; /* SCIM_MAY_x; 0: any token */
	unsigned types;
	call_handler handler;
} routes[] = {
	{ "",                      ALL,    HTTP_GET,    SCIM_MAY_READ,   SCIM_ANY,   on_list },
	{ "",                      SEARCH, HTTP_POST,   SCIM_MAY_READ,   SCIM_ANY,   on_search },
	{ "Users",                 ALL,    HTTP_GET,    SCIM_MAY_READ,   SCIM_USER,  on_list },
	{ "Users",                 ALL,    HTTP_POST,   SCIM_MAY_WRITE,  SCIM_USER,  on_create },
	{ "Users",                 SEARCH, HTTP_POST,   SCIM_MAY_READ,   SCIM_USER,  on_search },
	{ "Users",                 ITEM,   HTTP_GET,    SCIM_MAY_READ,   SCIM_USER,  on_get },
	{ "Users",                 ITEM,   HTTP_PUT,    SCIM_MAY_WRITE,  SCIM_USER,  on_replace },
	{ "Users",                 ITEM,   HTTP_PATCH,  SCIM_MAY_WRITE,  SCIM_USER,  on_patch },
	{ "Users",                 ITEM,   HTTP_DELETE, SCIM_MAY_DELETE, SCIM_USER,  on_delete },
	{ "Groups",                ALL,    HTTP_GET,    SCIM_MAY_READ,   SCIM_GROUP, on_list },
	{ "Groups",                ALL,    HTTP_POST,   SCIM_MAY_WRITE,  SCIM_GROUP, on_create },
	{ "Groups",                SEARCH, HTTP_POST,   SCIM_MAY_READ,   SCIM_GROUP, on_search },
	{ "Groups",                ITEM,   HTTP_GET,    SCIM_MAY_READ,   SCIM_GROUP, on_get },
	{ "Groups",                ITEM,   HTTP_PUT,    SCIM_MAY_WRITE,  SCIM_GROUP, on_replace },
	{ "Groups",                ITEM,   HTTP_PATCH,  SCIM_MAY_WRITE,  SCIM_GROUP, on_patch },
	{ "Groups",                ITEM,   HTTP_DELETE, SCIM_MAY_DELETE, SCIM_GROUP, on_delete },
	{ "ServiceProviderConfig", ALL,    HTTP_GET,    0,               0,          on_config },
	{ "ResourceTypes",         ALL,    HTTP_GET,    0,               0,          on_types },
	{ "ResourceTypes",         ITEM,   HTTP_GET,    0,               0,          on_types },
	{ "Schemas",               ALL,    HTTP_GET,    0,               0,          on_schemas },
	{ "Schemas",               ITEM,   HTTP_GET,    0,               0,          on_schemas },
	{ ME,                      ALL,    HTTP_GET,    SCIM_MAY_READ,   SCIM_USER,  on_get_me },
	{ ME,                      ALL,    HTTP_PUT,    SCIM_MAY_WRITE,  SCIM_USER,  on_replace_me },
	{ ME,                      ALL,    HTTP_PATCH,  SCIM_MAY_WRITE,  SCIM_USER,  on_patch_me },
	{ ME,                      ALL,    HTTP_DELETE, SCIM_MAY_DELETE, SCIM_USER,  on_delete_me },
	{ "Bulk",                  ALL,    HTTP_POST,   0,               0,          on_bulk },
};
/* clang-format on */

/* A path, taken apart: /v2/SOURCE/ENDPOINT/ID. */
struct place {
	struct str source, endpoint, id;
	enum form form;
	bool deeper; /* there is more behind the id */
};

/* The next segment of *path. */
static struct str segment(struct str *path)
{
	struct str head, rest;

	while (str_starts(*path, STR("/")))
		*path = str_n(path->p + 1, path->len - 1);
	str_cut(*path, '/', &head, &rest);
	*path = rest;
	return head;
}

static bool is_version(struct str s)
{
	uint64_t number;

	return s.len > 1 && (s.p[0] | 32) == 'v' &&
	       str_uint64(str_n(s.p + 1, s.len - 1), &number);
}

/* The next segment into *ret, a version before it taken and checked. */
static int version_skip(struct str *path, struct str *ret, struct err *err)
{
	struct str version = segment(path);

	if (!is_version(version)) {
		*ret = version;
		return 0;
	}
	*ret = segment(path);
	if (!str_ieq(version, STR("v2")))
		return err_set(err, ERR_INVALID_VERS, "only version v2 of SCIM is served");
	return 0;
}

/* Behind the source. */
static void place_rest(struct str path, struct place *at)
{
	at->endpoint = segment(&path);
	at->id = segment(&path);
	at->form = at->id.len > 0 ? ITEM : ALL;
	if (str_ieq(at->endpoint, STR(".search")) && at->id.len == 0) {
		at->endpoint = STR("");
		at->form = SEARCH;
	} else if (str_ieq(at->id, STR(".search"))) {
		at->form = SEARCH;
	}
	at->deeper = segment(&path).len > 0;
}

static int place_read(struct str path, struct place *ret, struct err *err)
{
	struct place at = { 0 };
	int r = version_skip(&path, &at.source, err), behind;

	/* RFC 7644 section 3.13: clients whose base is /scim/SOURCE put it here */
	behind = version_skip(&path, &at.endpoint, err);
	if (behind < 0)
		r = behind;
	at.id = segment(&path);
	at.form = at.id.len > 0 ? ITEM : ALL;
	if (str_ieq(at.endpoint, STR(".search")) && at.id.len == 0) {
		at.endpoint = STR("");
		at.form = SEARCH;
	} else if (str_ieq(at.id, STR(".search"))) {
		at.form = SEARCH;
	}
	at.deeper = segment(&path).len > 0;
	*ret = at;
	return r;
}

/* The row of a place and a method; 404, 405 with what is allowed, or 501. */
static int route_of(const struct place *at, struct scim_call *call,
		    const struct scim_route **ret, struct err *err)
{
	enum http_method method = call->req->method;
	unsigned allowed = 0;

	if (str_ieq(at->endpoint, STR(ME)) && !call->client.self[0])
		return err_set(
			err, ERR_NOT_SUPPORTED,
			"this token belongs to a source, and is none of its users itself");
	if (method == HTTP_HEAD)
		method = HTTP_GET;
	for (size_t i = 0; !at->deeper && i < COUNT_OF(routes); i++) {
		const struct scim_route *row = &routes[i];

		if (row->form != at->form || !str_ieq(str_of(row->endpoint), at->endpoint))
			continue;
		if (row->method == method) {
			*ret = row;
			return 0;
		}
		allowed |= 1u << row->method;
	}
	if (!allowed)
		return err_set(err, ERR_NOT_FOUND, "nothing is at this address");
	if (allowed & 1u << HTTP_GET)
		allowed |= 1u << HTTP_HEAD;
	route_allow_text(allowed, call->res->allow);
	return err_set(err, ERR_METHOD, "this address allows %s", call->res->allow);
}

/* RFC 7644 section 3.7: single resources are written there, and nothing else. */
static bool is_for_bulk(const struct place *at)
{
	return at->form != SEARCH && !str_ieq(at->endpoint, STR("Bulk")) &&
	       !str_ieq(at->endpoint, STR(ME));
}

int call_route(struct scim_call *call, struct str path, bool own, struct err *err)
{
	const struct scim_route *route = NULL;
	const char *challenge = NULL;
	struct place at = { 0 };
	int r;

	place_rest(path, &at);
	if (!is_for_bulk(&at))
		return err_set(err, ERR_INVALID_VALUE,
			       "this address is not possible inside a bulk request");
	r = route_of(&at, call, &route, err);
	if (r == 0 && !own)
		r = scim_auth_may(&call->client, route->right, &challenge, err);
	return r < 0 ? r : route->handler(call, route->types, at.id, err);
}

/* Names of sources as configuration lets them be: safe in a URL and in JSON. */
static bool is_source_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '_' && c != '.')
			return false;
	}
	return s.len > 0 && s.len < SCIM_NAME_BYTES;
}

static bool is_open(const struct scim_service *s, const struct place *at,
		    const struct scim_request *req)
{
	return s->options.open_config && at->form == ALL && !at->deeper &&
	       (req->method == HTTP_GET || req->method == HTTP_HEAD) &&
	       is_source_name(at->source) &&
	       str_ieq(at->endpoint, STR("ServiceProviderConfig"));
}

static void ask_again(void *ctx)
{
	struct scim_response *res = ctx;

	res->again(res);
}

static int client_of(const struct scim_service *s, const struct place *at,
		     struct scim_call *call, struct err *err)
{
	struct scim_asker asker = {
		.source = at->source,
		.cert = call->req->cert,
		.again = call->res->again ? ask_again : NULL,
		.ctx = call->res,
	};
	int r;

	if (is_open(s, at, call->req) && !call->req->authorization) {
		memcpy(call->client.source, at->source.p, at->source.len);
		return 0;
	}
	r = scim_auth_client(s->backend, call->req->authorization, &asker, &call->client,
			     &call->challenge, err);
	if (r != 0)
		return r;
	call->challenge = NULL;
	if (!str_eq(at->source, str_of(call->client.source)))
		return err_set(err, ERR_NOT_FOUND, "nothing is at this address");
	return 0;
}

static void base_make(const struct scim_service *s, struct scim_call *call)
{
	static const char version[] = PREFIX "/v2/";
	size_t source = strlen(call->client.source);

	static_assert(URL_MAX_BYTES + sizeof(version) + SCIM_NAME_BYTES <= CALL_BASE_BYTES,
		      "room for the longest");
	memcpy(call->base, s->public_url, s->url_len);
	memcpy(call->base + s->url_len, version, sizeof(version) - 1);
	memcpy(call->base + s->url_len + sizeof(version) - 1, call->client.source, source + 1);
}

/* What is asked for most, is small, and the same for all tokens of a source: Users, one by one
 * and by name; never /Me. */
static bool is_kept(const struct scim_route *route)
{
	return route->types == SCIM_USER &&
	       (route->handler == on_get || route->handler == on_list);
}

/* True when it was answered from the shelf; *r is then what a handler would have returned. */
static bool shelf_answers(const struct scim_service *s, struct scim_call *call,
			  const struct shelf_key *key, int *r, struct err *err)
{
	struct codec_tag tag = { 0 };
	bool answered = false;

	if (!shelf_find(s->shelf, key, call->backend, call->res->body, &tag))
		return false;
	*r = HTTP_DONE;
	if (tag.version)
		*r = resource_read_tag(call, SCIM_USER, tag, &answered, err);
	if (answered)
		buf_clear(call->res->body);
	else if (*r == HTTP_DONE)
		call_answer(call, 200, true);
	return true;
}

static int kept_run(const struct scim_service *s, struct scim_call *call,
		    const struct scim_route *route, struct str id, struct err *err)
{
	struct shelf_key key;
	int r;

	shelf_key(s->shelf, call->client.source_id, call->req->path, call->req->query, &key);
	if (shelf_answers(s, call, &key, &r, err))
		return r;
	r = route->handler(call, route->types, id, err);
	if (r == HTTP_DONE && call->fresh.known && call->res->status == 200)
		shelf_keep(s->shelf, &key, &call->fresh, call->tag, buf_str(call->res->body));
	return r;
}

static int call_run(const struct scim_service *s, struct scim_call *call, struct err *err)
{
	const struct scim_route *route = NULL;
	struct place at;
	struct err version;
	int wrong = place_read(call->req->path, &at, &version), r;

	r = client_of(s, &at, call, err); /* 401 before 404: no oracle of what exists */
	if (r != 0)
		return r == SCIM_LATER ? HTTP_PARKED : r;
	if (wrong < 0)
		return err_set(err, -wrong, "%s", version.text);
	r = route_of(&at, call, &route, err);
	if (r == 0 && route->right)
		r = scim_auth_may(&call->client, route->right, &call->challenge, err);
	if (r < 0)
		return r;
	base_make(s, call);
	return s->shelf && is_kept(route) ? kept_run(s, call, route, at.id, err)
					  : route->handler(call, route->types, at.id, err);
}

/* Who fails too often is told to wait instead of why: the seconds, and *err says so. */
static int denied(const struct scim_service *s, struct scim_call *call, struct err *err)
{
	int wait_s = throttle_fail(s->throttle, call->req->peer, stamp_mono_ms());

	metric_add(&denials[wait_s > 0], 1);
	if (!wait_s) {
		log_info("scim.denied", LOG_T("request", call->req->id ? call->req->id : ""),
			 LOG_T("peer", call->req->peer ? call->req->peer : ""), LOG_E(err));
		return 0;
	}
	call->challenge = NULL;
	err_set(err, ERR_RATE_LIMIT,
		"too many requests of this address had no token that opens: come again in %d "
		"s, or with a good one at once",
		wait_s);
	return wait_s;
}

int scim_service_answer(struct scim_service *s, const struct scim_request *req,
			struct scim_response *res)
{
	struct scim_call call = { .backend = s->backend,
				  .options = &s->options,
				  .cursor_key = &s->cursor_key,
				  .req = req,
				  .res = res };
	struct err err = { 0 };
	int r = call_run(s, &call, &err), wait_s = 0;

	if (r >= 0)
		return r;
	if (err.code == ERR_UNAUTHORIZED)
		wait_s = denied(s, &call, &err);
	call_fault(&call, &err);
	if (wait_s)
		res->retry_after_s = wait_s;
	return HTTP_DONE;
}

int scim_service_go_on(struct scim_response *res)
{
	struct bulk *b = res->bulk;
	struct scim_call call = bulk_call(b);
	struct err err = { 0 };
	int r = bulk_go_on(b, &err);

	if (r >= 0)
		return r;
	call_fault(&call, &err);
	return HTTP_DONE;
}

void scim_service_give_up(struct scim_response *res)
{
	bulk_free(TAKE(res->bulk));
}

/* --- the service ----------------------------------------------------------------------------
 */

static int url_check(const char *url, struct err *err)
{
	struct str s = str_of(url);
	bool web = str_istarts(s, STR("http://")) || str_istarts(s, STR("https://"));

	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' || s.p[i] == '\\')
			web = false;
	if (!web || s.len > URL_MAX_BYTES)
		return err_set(err, ERR_CONFIG,
			       "public_url must be an http or https URL of at most %d "
			       "characters, without quotes or blanks",
			       URL_MAX_BYTES);
	return 0;
}

int scim_service_new(struct scim_service **ret, const struct scim_backend *backend,
		     const struct scim_options *options, struct err *err)
{
	CLEANUP(scim_service_free_at) struct scim_service *s = calloc(1, sizeof(*s));
	struct str url = str_of(options->public_url);
	int r;

	if (!s)
		return err_nomem(err);
	r = url_check(options->public_url, err);
	if (r < 0)
		return r;
	while (str_ends(url, STR("/")))
		url.len--;
	r = throttle_new(&s->throttle, err);
	if (r < 0)
		return r;
	s->backend = backend;
	s->options = *options;
	s->public_url = str_dup(url);
	s->url_len = url.len;
	s->docs_url = options->docs_url ? str_dup(str_of(options->docs_url)) : NULL;
	if (!s->public_url || (options->docs_url && !s->docs_url))
		return err_nomem(err);
	s->options.public_url = s->public_url;
	s->options.docs_url = s->docs_url;
	if (s->options.max_results == 0)
		s->options.max_results = MAX_RESULTS;
	if (s->options.max_operations == 0)
		s->options.max_operations = MAX_OPERATIONS;
	if (s->options.bulk_operations == 0)
		s->options.bulk_operations = BULK_OPERATIONS;
	if (s->options.bulk_bytes == 0)
		s->options.bulk_bytes = BULK_BYTES;
	if (s->options.bulk_operation_bytes == 0)
		s->options.bulk_operation_bytes = (size_t)s->options.bulk_bytes;
	s->options.cursor_key = NULL;
	r = options->cursor_key ? secret_copy(&s->cursor_key, options->cursor_key, err)
				: secret_random(&s->cursor_key, SECRET_KEY_BYTES, err);
	if (r == 0 && options->cache_bytes > 0 && backend->still)
		r = shelf_new(&s->shelf, options->cache_bytes, err);
	if (r == 0)
		*ret = TAKE(s);
	return r;
}

void scim_service_free(struct scim_service *s)
{
	if (!s)
		return;
	free(s->public_url);
	free(s->docs_url);
	secret_done(&s->cursor_key);
	shelf_free(s->shelf);
	throttle_free(s->throttle);
	free(s);
}

/* --- behind net/httpd -----------------------------------------------------------------------
 */

/* A request and its response, kept with the connection while a write is under way. */
struct exchange {
	struct scim_request req;
	struct scim_response res;
	struct http_req *http;
};

/* The response into the server's reply. */
static void exchange_finish(struct exchange *x)
{
	struct http_reply *reply = http_req_reply(x->http);
	const struct scim_response *res = &x->res;
	char retry[16] = "";
	const struct {
		const char *name, *value;
	} headers[] = {
		{ "Location", res->location },
		{ "ETag", res->etag },
		{ "Allow", res->allow },
		{ "WWW-Authenticate", res->www_authenticate },
		{ "Retry-After", retry },
		{ "Content-Location", res->content_location ? res->location : NULL },
	};
	int r = 0;

	if (res->retry_after_s > 0)
		snprintf(retry, sizeof(retry), "%d", res->retry_after_s);
	for (size_t i = 0; r == 0 && i < COUNT_OF(headers); i++)
		if (headers[i].value && headers[i].value[0])
			r = http_reply_header(x->http, headers[i].name, headers[i].value, NULL);
	reply->status = res->status;
	reply->content_type = res->content_type;
	if (r == 0 && reply->body.fault == 0)
		return;
	/* no memory left even for this: an answer without a body is still an answer */
	buf_clear(&reply->body);
	reply->status = 503;
	reply->content_type = NULL;
}

static void exchange_resume(struct scim_response *res)
{
	struct exchange *x = res->ctx;

	exchange_finish(x);
	http_req_resume(x->http);
}

static void exchange_again(struct scim_response *res)
{
	struct exchange *x = res->ctx;

	http_req_again(x->http);
}

static void exchange_free(void *p)
{
	struct exchange *x = p;

	scim_service_give_up(&x->res);
	free(x);
}

static int exchange_go_on(struct exchange *x)
{
	int r = scim_service_go_on(&x->res);

	if (r == HTTP_DONE)
		exchange_finish(x);
	return r;
}

static int exchange_begin(void *ctx, struct http_req *req, struct http_reply *reply,
			  struct err *err)
{
	struct scim_service *s = (struct scim_service *)http_req_route(req)->data;
	bool first = !http_req_kept(req);
	struct exchange *x = first ? malloc(sizeof(*x)) : http_req_kept(req);
	struct str path = http_req_path(req);
	size_t prefix = sizeof(PREFIX) - 1;
	int r;

	(void)ctx;
	if (!x)
		return err_nomem(err);
	if (!first && x->res.bulk)
		return exchange_go_on(x);
	x->http = req;
	x->req = (struct scim_request){
		.method = http_req_method(req),
		.path = str_n(path.p + prefix, path.len - prefix),
		.query = http_req_query_raw(req),
		.body = http_req_body(req),
		.spool = http_req_spool(req),
		.authorization = http_req_header(req, "Authorization"),
		.accept = http_req_header(req, "Accept"),
		.content_type = http_req_header(req, "Content-Type"),
		.if_match = http_req_header(req, "If-Match"),
		.if_none_match = http_req_header(req, "If-None-Match"),
		.cert = http_req_cert(req),
		.id = http_req_id(req),
		.peer = http_req_peer(req),
	};
	x->res = (struct scim_response){ .body = &reply->body,
					 .resume = exchange_resume,
					 .go_on = exchange_again,
					 .again = first ? exchange_again : NULL,
					 .ctx = x };
	if (first)
		http_req_keep(req, x, exchange_free);
	r = scim_service_answer(s, &x->req, &x->res);
	if (r == HTTP_DONE)
		exchange_finish(x);
	return r;
}

/* Where a bulk request is spooled; what else names a source and Bulk is found out behind it. */
static const char *const paths[] = { PREFIX "/{rest*}", PREFIX "/{source}/Bulk",
				     PREFIX "/v2/{source}/Bulk" };

size_t scim_service_routes(struct scim_service *s, struct http_route *into, size_t room)
{
	static const enum http_method methods[] = { HTTP_GET,   HTTP_POST,   HTTP_PUT,
						    HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS };
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(methods) * COUNT_OF(paths) && n < room; i++) {
		bool bulk =
			i >= COUNT_OF(methods) && methods[i % COUNT_OF(methods)] == HTTP_POST;

		into[n++] =
			(struct http_route){ .method = methods[i % COUNT_OF(methods)],
					     .path = paths[i / COUNT_OF(methods)],
					     .handler = exchange_begin,
					     .max_body_bytes = bulk ? s->options.bulk_bytes : 0,
					     .spool = bulk,
					     .data = s };
	}
	return n;
}

/* RFC 7644 section 3.7.4: the limit is named. */
static void limit_name(struct http_req *req, struct err *err)
{
	const struct http_route *route = http_req_route(req);

	if (err->code == ERR_TOO_LARGE && route && route->spool)
		err_context(err, -ERR_TOO_LARGE, "maxPayloadSize %lld",
			    (long long)route->max_body_bytes);
}

bool scim_service_fault(struct http_req *req, struct http_reply *reply, const struct err *err)
{
	struct str path = http_req_target(req);
	struct err said = *err;
	const char *accept;

	if (!str_starts(path, STR(PREFIX)) ||
	    (path.len > sizeof(PREFIX) - 1 && path.p[sizeof(PREFIX) - 1] != '/'))
		return false;
	accept = http_req_header(req, "Accept");
	limit_name(req, &said);
	buf_clear(&reply->body);
	scim_fault_body(&reply->body, &said, http_req_id(req));
	reply->status = scim_fault_status(err);
	reply->content_type = answer_type(accept);
	return true;
}
