/*
 * The protocol, played against the service over a backend in memory: tests/data/scim/play holds
 * one file per origin (the RFC, each client we know, what test suites check), each with cases
 * of steps. A step:
 *
 *     "do"      "PATCH /Users/{{u}}?attributes=userName": method and address behind the source
 *     "send"    the body; "text": the body as raw text instead
 *     "with"    request headers: authorization accept type if-match if-none-match
 *     "status"  of the response
 *     "answer"  what the body must hold: of an object each member named (null: must be
 *               missing), of an array each element in order, "*" for any string
 *     "head"    response headers: location etag allow type; "*" for any
 *     "says"    part of an Error's detail
 *     "keep"    { "u": "id" }: members of the answer kept as {{u}} for later steps;
 * "meta/version" is one inside another
 */
#include "tests/lib/test.h"

#include <dirent.h>

#include "base/jx.h"
#include "scim/service.h"
#include "tests/lib/scim/memory.h"

#include "tests/lib/scim/memory.c" /* see there why */

#define PLAY_FOLDER "tests/data/scim/play"
#define TEXT_BYTES 65536
#define BODY_BYTES (4 * 1024 * 1024)

struct stage {
	struct memory *memory;
	struct scim_service *service;
	json_t *kept;            /* variables */
	const char *file, *name; /* for failures */
	size_t step;
};

static void stage_begin(struct stage *s, unsigned profile, const struct scim_options *options)
{
	const struct scim_options plain = { .public_url = "https://leaverd.example.com" };
	struct err err;

	*s = (struct stage){ .memory = memory_new(), .kept = json_object() };
	memory_token(s->memory, "good", "idp", SCIM_MAY_ALL, profile);
	memory_token(s->memory, "other", "elsewhere", SCIM_MAY_ALL, profile);
	memory_token(s->memory, "reader", "idp", SCIM_MAY_READ, profile);
	assert_ok(scim_service_new(&s->service, memory_backend(s->memory),
				   options ? options : &plain, &err),
		  &err);
}

static void stage_end(struct stage *s)
{
	scim_service_free(s->service);
	memory_free(s->memory);
	json_decref(s->kept);
}

#define lament(s, ...)                                                                         \
	do {                                                                                   \
		char why_[2000];                                                               \
		snprintf(why_, sizeof(why_), __VA_ARGS__);                                     \
		fail_msg("%s: %s: step %zu: %s", (s)->file, (s)->name, (s)->step, why_);       \
	} while (0)

/* {{name}} becomes what was kept under it; inside JSON with its quotes escaped. */
static void fill(const struct stage *s, const char *text, bool json, struct buf *into)
{
	const char *at;

	while ((at = strstr(text, "{{"))) {
		const char *end = strstr(at, "}}");
		char name[40];

		assert_non_null(end);
		snprintf(name, sizeof(name), "%.*s", (int)(end - at - 2), at + 2);
		buf_add(into, text, (size_t)(at - text));
		if (!jx_get_text(s->kept, name))
			lament(s, "nothing is kept as %s", name);
		for (const char *c = jx_get_text(s->kept, name); *c; c++) {
			if (json && *c == '"')
				buf_add_char(into, '\\');
			buf_add_char(into, *c);
		}
		text = end + 2;
	}
	buf_add_text(into, text);
	assert_int_equal(into->fault, 0);
}

/* A member of the step as text with its variables filled in; NULL if it has none. */
static const char *step_text(const struct stage *s, const json_t *j, struct buf *into)
{
	char *text;

	buf_init(into, BODY_BYTES);
	if (!j)
		return NULL;
	text = json_is_string(j) ? strdup(json_string_value(j))
				 : json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
	assert_non_null(text);
	fill(s, text, !json_is_string(j), into);
	free(text);
	return into->p ? into->p : "";
}

/* Whether have holds what want names; why gets the first place where it does not. */
static bool holds(const json_t *want, const json_t *have, char *why, size_t room)
{
	const char *name;
	json_t *value;
	size_t i;

	if (json_is_string(want) && strcmp(json_string_value(want), "*") == 0)
		return json_is_string(have);
	if (json_is_object(want) && json_is_object(have)) {
		json_object_foreach ((json_t *)want, name, value) {
			char inner[400] = "";

			if (json_is_null(value) && !json_object_get(have, name))
				continue;
			if (holds(value, json_object_get(have, name), inner, sizeof(inner)))
				continue;
			snprintf(why, room, "/%.60s%s", name, inner);
			return false;
		}
		return true;
	}
	if (json_is_array(want) && json_is_array(have) &&
	    json_array_size(want) == json_array_size(have)) {
		json_array_foreach ((json_t *)want, i, value) {
			char inner[300] = "";

			if (holds(value, json_array_get(have, i), inner, sizeof(inner)))
				continue;
			snprintf(why, room, "/%zu%s", i, inner);
			return false;
		}
		return true;
	}
	return have && json_equal(want, have);
}

static enum http_method method_of(const char *text, size_t len)
{
	static const char *const words[] = { "GET",   "HEAD",   "POST",    "PUT",
					     "PATCH", "DELETE", "OPTIONS", "TRACE" };

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0)
			return (enum http_method)i;
	return HTTP_OTHER;
}

static void resumed(struct scim_response *res)
{
	++*(int *)res->ctx;
}

/* Sends one request; the response's body is *into. */
static void ask(struct stage *s, const struct scim_request *req, struct scim_response *res,
		struct buf *into)
{
	int calls = 0, r;

	buf_clear(into);
	*res = (struct scim_response){ .body = into, .resume = resumed, .ctx = &calls };
	r = scim_service_answer(s->service, req, res);
	assert_int_equal(calls, r == HTTP_PARKED);
}

static void check_headers(const struct stage *s, const json_t *want,
			  const struct scim_response *res)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)want, name, value) {
		CLEANUP(buf_done) struct buf text;
		const char *expected = step_text(s, value, &text);
		const char *have = strcmp(name, "location") == 0 ? res->location
				   : strcmp(name, "etag") == 0   ? res->etag
				   : strcmp(name, "allow") == 0  ? res->allow
				   : strcmp(name, "type") == 0   ? res->content_type
				   : strcmp(name, "www-authenticate") == 0
					   ? res->www_authenticate
					   : "?";

		if (!have ||
		    (strcmp(expected, "*") == 0 ? !have[0] : strcmp(expected, have) != 0))
			lament(s, "header %s is \"%s\", not \"%s\"", name, have ? have : "",
			       expected);
	}
}

static void check_body(struct stage *s, const json_t *step, const struct buf *body)
{
	const json_t *wanted = json_object_get(step, "answer");
	const char *says = jx_get_text(step, "says"), *name;
	CLEANUP(json_decref_at) json_t *have = NULL, *want = NULL;
	CLEANUP(buf_done) struct buf text;
	char why[500] = "";
	json_t *value;
	struct err err;

	if (body->len > 0)
		assert_ok(jx_parse(buf_str(body), JX_STRICT, &have, &err), &err);
	step_text(s, wanted, &text);
	if (wanted) {
		assert_ok(jx_parse(buf_str(&text), JX_STRICT, &want, &err), &err);
		if (!holds(want, have, why, sizeof(why)))
			lament(s, "at %s: %s, not %s", why, body->p ? body->p : "(nothing)",
			       text.p);
	}
	if (says &&
	    (!jx_get_text(have, "detail") || !strstr(jx_get_text(have, "detail"), says)))
		lament(s, "%s does not say \"%s\"", body->p ? body->p : "(nothing)", says);
	json_object_foreach (json_object_get(step, "keep"), name, value) {
		const char *path = json_string_value(value), *last = strrchr(path, '/');
		char outer[40] = "";
		const json_t *in = have;
		const char *found;

		if (last) {
			snprintf(outer, sizeof(outer), "%.*s", (int)(last - path), path);
			in = json_object_get(have, outer);
		}
		found = jx_get_text(in, last ? last + 1 : path);
		if (!found)
			lament(s, "no %s in %s", json_string_value(value), body->p);
		json_object_set_new(s->kept, name, json_string(found));
	}
}

/* What holds of every response, whatever it answers. */
static void check_always(const struct stage *s, const struct scim_response *res)
{
	CLEANUP(json_decref_at) json_t *j = NULL;
	char status[8];

	snprintf(status, sizeof(status), "%d", res->status);
	if (res->status == 204 || res->status == 304) {
		if (res->body->len > 0 || res->content_type)
			lament(s, "a %d has a body", res->status);
		return;
	}
	if (!res->content_type)
		lament(s, "no content type");
	j = json_loadb(res->body->p ? res->body->p : "", res->body->len, 0, NULL);
	if (!j)
		lament(s, "not JSON: %s", res->body->p);
	if (res->status >= 400 &&
	    (!jx_get_text(j, "status") || strcmp(jx_get_text(j, "status"), status) != 0 ||
	     !jx_get_text(j, "detail") || !jx_get_text(j, "detail")[0]))
		lament(s, "not an Error: %s", res->body->p);
	if (strstr(res->body->p, ":null") || strstr(res->body->p, "password"))
		lament(s, "null or a password in %s", res->body->p);
}

static void play_step(struct stage *s, const json_t *step)
{
	const char *line = jx_get_text(step, "do");
	const json_t *with = json_object_get(step, "with"),
		     *raw = json_object_get(step, "text");
	CLEANUP(buf_done) struct buf target, body, answer, match, none_match;
	struct scim_request req = { .id = "r-1", .peer = "192.0.2.1" };
	struct scim_response res;
	struct str path, query;
	CLEANUP(buf_done) struct buf decoded;
	const char *at;

	assert_non_null(line);
	at = strchr(line, ' ');
	assert_non_null(at);
	req.method = method_of(line, (size_t)(at - line));
	buf_init(&target, TEXT_BYTES);
	buf_init(&decoded, TEXT_BYTES);
	buf_init(&answer, BODY_BYTES);
	if (at[1] != '!')
		buf_add_text(&target, "/v2/idp");
	fill(s, at[1] == '!' ? at + 2 : at + 1, false, &target);
	str_cut(buf_str(&target), '?', &path, &query);
	assert_true(enc_unpercent(&decoded, path, false));
	req.path = buf_str(&decoded);
	req.query = query;
	step_text(s, raw ? raw : json_object_get(step, "send"), &body);
	req.body = buf_str(&body);
	req.authorization = json_object_get(with, "authorization")
				    ? jx_get_text(with, "authorization")
				    : "Bearer good";
	req.accept = jx_get_text(with, "accept");
	req.content_type = jx_get_text(with, "type");
	req.if_match = step_text(s, json_object_get(with, "if-match"), &match);
	req.if_none_match = step_text(s, json_object_get(with, "if-none-match"), &none_match);

	ask(s, &req, &res, &answer);
	if (res.status != json_integer_value(json_object_get(step, "status")))
		lament(s, "%s: %d, not %lld: %s", line, res.status,
		       (long long)json_integer_value(json_object_get(step, "status")),
		       answer.p ? answer.p : "");
	check_always(s, &res);
	check_headers(s, json_object_get(step, "head"), &res);
	check_body(s, step, &answer);
}

/* cache: answers are kept, and each is asked for twice. */
static void play_case(const char *file, const json_t *one, bool cache)
{
	struct stage s;
	struct scim_options options = { .public_url = "https://leaverd.example.com",
					.cache_bytes = cache ? 1 << 20 : 0 };
	const json_t *steps = json_object_get(one, "steps"), *step;
	const char *profile = jx_get_text(one, "profile");
	unsigned bits = 0;

	options.open_config = json_is_true(json_object_get(one, "open_config"));
	assert_true(!profile || scim_profile(str_of(profile), &bits));
	stage_begin(&s, bits, &options);
	s.file = file;
	s.name = jx_get_text(one, "case");
	assert_non_null(s.name);
	json_array_foreach ((json_t *)steps, s.step, step) {
		memory_clock(s.memory, 1800000000000 + (int64_t)s.step * 1000);
		play_step(&s, step);
		if (cache && str_starts(str_of(jx_get_text(step, "do")), STR("GET ")))
			play_step(&s, step);
	}
	assert_true(json_array_size(steps) > 0);
	stage_end(&s);
}

static size_t play_file(const char *name)
{
	char path[300];
	json_error_t error;
	json_t *cases, *one;
	size_t i;

	snprintf(path, sizeof(path), "%s/%s", PLAY_FOLDER, name);
	cases = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!cases)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	json_array_foreach (cases, i, one) {
		play_case(name, one, false);
		play_case(name, one, true);
	}
	json_decref(cases);
	return i;
}

static void test_each_recorded_exchange_plays_as_written(void **state)
{
	DIR *folder = opendir(PLAY_FOLDER);
	struct dirent *entry;
	size_t played = 0;

	(void)state;
	assert_non_null(folder);
	while ((entry = readdir(folder)))
		if (str_ends(str_of(entry->d_name), STR(".json")))
			played += play_file(entry->d_name);
	closedir(folder);
	assert_true(played > 50);
}

/* --- what no recorded exchange can show -----------------------------------------------------
 */

#define USER_BODY "{\"schemas\":[\"" SCHEMA_USER "\"],\"userName\":\"%s\"}"
#define PATCH_BODY                                                                             \
	"{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],\"Operations\":[%s]" \
	"}"

/* One request of a plain client; the answer's body stays in *into. */
static int quick(struct stage *s, enum http_method method, const char *path, const char *body,
		 struct scim_response *res, struct buf *into)
{
	struct scim_request req = { .method = method,
				    .path = str_of(path),
				    .body = str_of(body),
				    .authorization = "Bearer good",
				    .id = "r-7" };

	ask(s, &req, res, into);
	return res->status;
}

/* Makes a resource; its id in ret. */
static void make(struct stage *s, const char *path, const char *body, char ret[40])
{
	CLEANUP(json_decref_at) json_t *j = NULL;
	CLEANUP(buf_done) struct buf answer;
	struct scim_response res;

	buf_init(&answer, BODY_BYTES);
	assert_int_equal(quick(s, HTTP_POST, path, body, &res, &answer), 201);
	j = json_loads(answer.p, 0, NULL);
	snprintf(ret, 40, "%s", jx_get_text(j, "id"));
}

static void make_user(struct stage *s, const char *name, char ret[40])
{
	char body[300];

	snprintf(body, sizeof(body), USER_BODY, name);
	make(s, "/idp/Users", body, ret);
}

static void test_a_write_parks_until_the_backend_is_done(void **state)
{
	CLEANUP(buf_done) struct buf answer;
	struct scim_request req = { .method = HTTP_POST,
				    .path = STR("/idp/Users"),
				    .authorization = "Bearer good" };
	struct scim_response res;
	struct stage s;
	char body[300];
	int calls = 0;

	(void)state;
	stage_begin(&s, 0, NULL);
	buf_init(&answer, BODY_BYTES);
	memory_defer(s.memory);
	snprintf(body, sizeof(body), USER_BODY, "a");
	req.body = str_of(body);
	res = (struct scim_response){ .body = &answer, .resume = resumed, .ctx = &calls };
	if (scim_service_answer(s.service, &req, &res) != HTTP_PARKED)
		fail_msg("not parked: %s", answer.p ? answer.p : "");
	assert_int_equal(calls, 0);
	assert_int_equal(answer.len, 0);
	assert_int_equal(memory_run(s.memory), 1);
	assert_int_equal(calls, 1);
	assert_int_equal(res.status, 201);
	stage_end(&s);
}

static void test_faults_of_the_backend_are_told_without_its_words(void **state)
{
	static const struct {
		void (*arm)(struct memory *m, int code);
		enum http_method method;
		int code, status, retry_s;
	} rows[] = {
		{ memory_fail_client, HTTP_GET, ERR_IO, 500, 0 }, /* never 401 */
		{ memory_fail_client, HTTP_GET, ERR_UNAVAILABLE, 503, 5 },
		{ memory_fail_read, HTTP_GET, ERR_DAMAGED, 500, 0 },
		{ memory_fail_submit, HTTP_POST, ERR_BUSY, 503, 5 },
		{ memory_fail_commit, HTTP_POST, ERR_FULL, 503, 5 },
		{ memory_fail_commit, HTTP_POST, ERR_IO, 500, 0 },
	};
	CLEANUP(buf_done) struct buf answer;
	struct scim_response res;
	struct stage s;
	char body[300];

	(void)state;
	stage_begin(&s, 0, NULL);
	buf_init(&answer, BODY_BYTES);
	snprintf(body, sizeof(body), USER_BODY, "a");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		rows[i].arm(s.memory, rows[i].code);
		assert_int_equal(
			quick(&s, rows[i].method, "/v2/idp/Users", body, &res, &answer),
			rows[i].status);
		assert_int_equal(res.retry_after_s, rows[i].retry_s);
		assert_null(strstr(answer.p, "the test made this fail"));
		assert_non_null(strstr(answer.p, "r-7"));
	}
	assert_int_equal(memory_living(s.memory), 0);
	stage_end(&s);
}

static void test_one_member_more_writes_one_row_and_reads_none(void **state)
{
	CLEANUP(buf_done) struct buf answer;
	struct memory_counts before, after;
	struct scim_response res;
	struct stage s;
	char first[40], second[40], group[40], body[500], path[100];

	(void)state;
	stage_begin(&s, 0, NULL);
	buf_init(&answer, BODY_BYTES);
	make_user(&s, "a", first);
	make_user(&s, "b", second);
	snprintf(body, sizeof(body),
		 "{\"schemas\":[\"" SCHEMA_GROUP
		 "\"],\"displayName\":\"g\",\"members\":[{\"value\":\"%s\"}]}",
		 first);
	make(&s, "/idp/Groups", body, group);
	before = memory_counts(s.memory);
	snprintf(path, sizeof(path), "/idp/Groups/%s", group);
	snprintf(body, sizeof(body), PATCH_BODY,
		 "{\"op\":\"add\",\"path\":\"members\",\"value\":[{\"value\":\"b\"}]}");
	assert_int_equal(quick(&s, HTTP_PATCH, path, body, &res, &answer), 400);
	snprintf(body, sizeof(body),
		 "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],"
		 "\"Operations\":[{\"op\":\"add\",\"path\":\"members\",\"value\":[{\"value\":"
		 "\"%s\"}]}]}",
		 second);
	assert_int_equal(quick(&s, HTTP_PATCH, path, body, &res, &answer), 204);
	after = memory_counts(s.memory);
	assert_int_equal(after.member_writes - before.member_writes, 1);
	assert_int_equal(after.document_writes - before.document_writes, 0);
	assert_int_equal(after.member_reads - before.member_reads, 0);
	stage_end(&s);
}

static void test_excluded_members_are_not_read(void **state)
{
	static const char *const queries[] = { "excludedAttributes=members",
					       "attributes=displayName" };
	CLEANUP(buf_done) struct buf answer;
	struct scim_response res;
	struct stage s;
	char group[40], path[100];

	(void)state;
	stage_begin(&s, 0, NULL);
	buf_init(&answer, BODY_BYTES);
	make(&s, "/idp/Groups", "{\"schemas\":[\"" SCHEMA_GROUP "\"],\"displayName\":\"g\"}",
	     group);
	snprintf(path, sizeof(path), "/idp/Groups/%s", group);
	for (size_t i = 0; i < COUNT_OF(queries); i++) {
		struct scim_request req = { .method = HTTP_GET,
					    .query = str_of(queries[i]),
					    .authorization = "Bearer good" };
		unsigned reads = memory_counts(s.memory).member_reads;

		req.path = str_of(path);
		ask(&s, &req, &res, &answer);
		assert_int_equal(res.status, 200);
		req.path = STR("/idp/Groups");
		ask(&s, &req, &res, &answer);
		assert_int_equal(res.status, 200);
		assert_int_equal(memory_counts(s.memory).member_reads, reads);
	}
	stage_end(&s);
}

static void test_a_page_that_is_too_long_says_so(void **state)
{
	CLEANUP(buf_done) struct buf answer;
	struct scim_response res;
	struct stage s;
	char id[40], name[20];

	(void)state;
	stage_begin(&s, 0, NULL);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		make_user(&s, name, id);
	}
	buf_init(&answer, 2000);
	assert_int_equal(quick(&s, HTTP_GET, "/idp/Users", "", &res, &answer), 400);
	assert_non_null(strstr(answer.p, "tooMany"));
	assert_non_null(strstr(answer.p, "smaller count"));
	stage_end(&s);
}

static void test_options_are_checked_and_copied(void **state)
{
	static const char *const bad[] = { "", "leaverd.example.com", "ftp://x", "https://x/\"",
					   "https://x y" };
	struct scim_options options = { .docs_url = "https://docs" };
	struct scim_service *service = NULL;
	struct stage s;
	struct err err;
	CLEANUP(buf_done) struct buf answer;
	struct scim_response res;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		options.public_url = bad[i];
		assert_fault(scim_service_new(&service, NULL, &options, &err), ERR_CONFIG, &err,
			     "public_url");
		assert_null(service);
	}
	options.public_url = "https://x/";
	options.max_results = 7;
	stage_begin(&s, 0, &options);
	buf_init(&answer, BODY_BYTES);
	assert_int_equal(quick(&s, HTTP_GET, "/idp/ServiceProviderConfig", "", &res, &answer),
			 200);
	assert_non_null(strstr(answer.p, "\"maxResults\":7"));
	assert_non_null(strstr(answer.p, "\"documentationUri\":\"https://docs\""));
	assert_non_null(strstr(answer.p, "\"https://x/scim/v2/idp/ServiceProviderConfig\""));
	stage_end(&s);
}

static void test_profiles_have_names(void **state)
{
	unsigned bits = 99;

	(void)state;
	for (size_t i = 0; scim_profile_names[i]; i++)
		assert_true(scim_profile(str_of(scim_profile_names[i]), &bits));
	assert_true(scim_profile(STR("generic"), &bits));
	assert_int_equal(bits, 0);
	assert_false(scim_profile(STR("oracle"), &bits));
}

/* --- lost memory: a backend that needs none -------------------------------------------------
 */

#define FIXED_ID "2819c223-7f76-453a-919d-413861904646"
static const char fixed_user[] = "{\"schemas\":[\"" SCHEMA_USER "\"],\"id\":\"" FIXED_ID
				 "\",\"userName\":\"a\",\"emails\":[{\"value\":\"a@x\"}]}";

static const struct scim_row fixed_row = { .type = SCIM_USER,
					   .id = STR(FIXED_ID),
					   .bytes = STR(""),
					   .version = 1,
					   .created_ms = 1000,
					   .modified_ms = 1000 };

static struct scim_row fixed(void)
{
	struct scim_row row = fixed_row;

	row.bytes = str_of(fixed_user);
	return row;
}

static int fixed_client(void *ctx, const struct scim_asker *asker, struct scim_client *ret,
			struct err *err)
{
	(void)ctx;
	(void)asker;
	(void)err;
	*ret = (struct scim_client){ .source = "idp", .rights = SCIM_MAY_ALL };
	return 0;
}

static int fixed_get(void *ctx, const struct scim_client *client, enum scim_type type,
		     struct str id, scim_row_fn fn, void *arg, struct err *err)
{
	struct scim_row row = fixed();

	(void)ctx;
	(void)client;
	(void)type;
	(void)id;
	return fn(arg, &row, err);
}

static int fixed_find(void *ctx, const struct scim_client *client, const struct scim_find *find,
		      struct scim_found *ret, scim_row_fn fn, void *arg, struct err *err)
{
	(void)find;
	*ret = (struct scim_found){ .total = 1 };
	return fixed_get(ctx, client, SCIM_USER, STR(""), fn, arg, err);
}

static int fixed_linked(void *ctx, const struct scim_client *client, struct str id,
			scim_member_fn fn, void *arg, struct err *err)
{
	struct scim_member group = { STR("g"), STR("G"), SCIM_GROUP };

	(void)ctx;
	(void)client;
	(void)id;
	return fn(arg, &group, err);
}

static int fixed_submit(void *ctx, struct scim_write *w, struct err *err)
{
	struct scim_row row = fixed();
	struct scim_before before = { .row = w->kind == SCIM_CREATE ? NULL : &row };
	struct scim_after after = { 1, 1000, 1000, true };
	struct scim_change change;
	struct err fault;
	int r;

	(void)ctx;
	(void)err;
	r = w->apply(w, &before, &change, &fault);
	w->done(w, r, r < 0 ? NULL : &after, r < 0 ? &fault : NULL);
	return 0;
}

static void test_answering_survives_each_lost_allocation(void **state)
{
	static const struct scim_backend backend = { .client = fixed_client,
						     .get = fixed_get,
						     .find = fixed_find,
						     .members = fixed_linked,
						     .groups = fixed_linked,
						     .submit = fixed_submit };
	static const struct {
		enum http_method method;
		const char *path, *query, *body;
		int status;
	} rows[] = {
		{ HTTP_GET, "/idp/Users/" FIXED_ID, "", "", 200 },
		{ HTTP_GET, "/idp/Users/" FIXED_ID, "attributes=emails.value", "", 200 },
		{ HTTP_GET, "/idp/Users",
		  "filter=userName+eq+%22a%22&sortBy=userName&count=1&excludedAttributes=id",
		  "", 200 },
		{ HTTP_POST, "/idp/Users/.search", "",
		  "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:SearchRequest\"],"
		  "\"filter\":\"title pr\",\"attributes\":[\"title\"]}",
		  200 },
		{ HTTP_POST, "/idp/Users", "",
		  "{\"schemas\":[\"" SCHEMA_USER "\"],\"userName\":\"a\",\"emails\":\"x\"}",
		  201 },
		{ HTTP_PUT, "/idp/Users/" FIXED_ID, "",
		  "{\"schemas\":[\"" SCHEMA_USER "\"],\"userName\":\"a\"}", 200 },
		{ HTTP_PATCH, "/idp/Users/" FIXED_ID, "",
		  "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],"
		  "\"Operations\":[{\"op\":\"add\",\"path\":\"title\",\"value\":\"t\"}]}",
		  200 },
		{ HTTP_PATCH, "/idp/Groups/" FIXED_ID, "",
		  "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],"
		  "\"Operations\":[{\"op\":\"add\",\"value\":{\"displayName\":\"n\","
		  "\"members\":[{\"value\":\"x\"}]}}]}",
		  204 },
		{ HTTP_DELETE, "/idp/Users/" FIXED_ID, "", "", 204 },
		{ HTTP_GET, "/idp/Schemas", "", "", 200 },
	};
	const struct scim_options options = { .public_url = "https://x" };
	struct stage s = { 0 };
	struct err err;

	(void)state;
	fault_install();
	assert_ok(scim_service_new(&s.service, &backend, &options, &err), &err);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int nth = 0;
		bool fired;

		do {
			CLEANUP(buf_done) struct buf answer;
			struct scim_request req = { .method = rows[i].method,
						    .path = str_of(rows[i].path),
						    .query = str_of(rows[i].query),
						    .body = str_of(rows[i].body),
						    .authorization = "Bearer good" };
			struct scim_response res;

			buf_init(&answer, BODY_BYTES);
			fault_at(++nth);
			ask(&s, &req, &res, &answer);
			fired = fault_fired();
			/* an answer of 503, or, where only the text of that is lost, none */
			if (!(res.status == (fired ? 503 : rows[i].status) ||
			      (fired && answer.fault == ERR_NOMEM)))
				fail_msg("%s: allocation %d: %d %s", rows[i].path, nth,
					 res.status, answer.p ? answer.p : "");
		} while (fired);
		assert_true(nth > 1);
	}
	scim_service_free(s.service);
}

/* One request of the token "mine" to /Me, with what it has to answer. */
static void ask_me(struct stage *s, const char *method, const char *query, const char *body,
		   int status, const char *location, const char *holds)
{
	CLEANUP(buf_done) struct buf answer;
	struct scim_request req = { .id = "r-1",
				    .peer = "192.0.2.1",
				    .path = STR("/v2/idp/me"),
				    .query = str_of(query),
				    .body = str_of(body),
				    .authorization = "Bearer mine" };
	struct scim_response res;

	buf_init(&answer, BODY_BYTES);
	req.method = method_of(method, strlen(method));
	ask(s, &req, &res, &answer);
	if (res.status != status)
		fail_msg("%s: %d: %s", method, res.status, answer.p ? answer.p : "");
	assert_string_equal(res.location, location);
	assert_int_equal(res.content_location, location[0] != '\0');
	if (holds && !strstr(answer.p ? answer.p : "", holds))
		fail_msg("%s: no %s in %s", method, holds, answer.p ? answer.p : "");
}

/* RFC 7644 section 3.11. */
static void test_me_is_the_user_that_the_token_is(void **state)
{
	static const char
		put[] = "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],"
			"\"userName\":\"me\",\"title\":\"Dr\"}",
		patch[] = "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:"
			  "PatchOp\"],\"Operations\":[{\"op\":\"add\",\"path\":\"nickName\","
			  "\"value\":\"i\"}]}";
	CLEANUP(buf_done) struct buf answer;
	struct scim_request req = { .id = "r-1",
				    .method = HTTP_POST,
				    .path = STR("/v2/idp/Users"),
				    .body = str_of(put),
				    .authorization = "Bearer good" };
	struct scim_response res;
	char place[512];
	struct stage s;

	(void)state;
	stage_begin(&s, 0, NULL);
	s.file = s.name = "me";
	buf_init(&answer, BODY_BYTES);
	ask(&s, &req, &res, &answer);
	assert_int_equal(res.status, 201);
	(void)snprintf(place, sizeof(place), "%s", res.location);
	memory_token(s.memory, "mine", "idp", SCIM_MAY_ALL, 0);
	memory_token_is(s.memory, strrchr(place, '/') + 1);
	ask_me(&s, "GET", "", "", 200, place, "\"userName\":\"me\"");
	ask_me(&s, "GET", "attributes=title", "", 200, place, "\"title\":\"Dr\"");
	ask_me(&s, "PATCH", "", patch, 200, place, "\"nickName\":\"i\"");
	ask_me(&s, "PUT", "", put, 200, place, "W/\\\"3\\\"");
	ask_me(&s, "PUT", "", "{}", 400, "", "invalidSyntax");
	ask_me(&s, "POST", "", put, 405, "", NULL);
	ask_me(&s, "DELETE", "", "", 204, "", NULL);
	ask_me(&s, "GET", "", "", 404, "", "no such User");
	stage_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_recorded_exchange_plays_as_written),
		cmocka_unit_test(test_a_write_parks_until_the_backend_is_done),
		cmocka_unit_test(test_faults_of_the_backend_are_told_without_its_words),
		cmocka_unit_test(test_one_member_more_writes_one_row_and_reads_none),
		cmocka_unit_test(test_excluded_members_are_not_read),
		cmocka_unit_test(test_a_page_that_is_too_long_says_so),
		cmocka_unit_test(test_options_are_checked_and_copied),
		cmocka_unit_test(test_profiles_have_names),
		cmocka_unit_test(test_answering_survives_each_lost_allocation),
		cmocka_unit_test(test_me_is_the_user_that_the_token_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
