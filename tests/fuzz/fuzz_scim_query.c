/*
 * Query strings of lists, against a few resources in memory. The first byte chooses the
 * endpoint. The answer is JSON, a page is no longer than it may be, and no cursor opens that
 * the server did not make.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/jx.h"
#include "model/schema.h"
#include "scim/params.h"
#include "scim/service.h"
#include "tests/lib/scim/memory.h"

#include "tests/lib/scim/memory.c" /* see there why */

#define BODY_BYTES (1 << 20)
#define MOST 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void resume(struct scim_response *res)
{
	(void)res;
}

static int ask(struct scim_service *s, enum http_method method, const char *path,
	       struct str query, const char *body, struct buf *out)
{
	struct scim_request req = { .method = method,
				    .path = str_of(path),
				    .query = query,
				    .body = str_of(body),
				    .authorization = "Bearer good",
				    .id = "r-1",
				    .peer = "192.0.2.1" };
	struct scim_response res = { .body = out, .resume = resume };

	must(scim_service_answer(s, &req, &res) >= 0);
	return res.status;
}

static struct scim_service *service(void)
{
	static const char *const bodies[] = {
		"{\"schemas\":[\"" SCHEMA_USER "\"],\"userName\":\"ada\",\"title\":\"Dr\","
		"\"emails\":[{\"value\":\"a@x\",\"type\":\"work\",\"primary\":true}]}",
		"{\"schemas\":[\"" SCHEMA_USER "\"],\"userName\":\"bob\",\"active\":false,"
		"\"name\":{\"givenName\":\"B\"}}",
		"{\"schemas\":[\"" SCHEMA_USER "\"],\"userName\":\"Caf\xc3\xa9\"}",
		"{\"schemas\":[\"" SCHEMA_USER "\"],\"userName\":\"dan\"}",
	};
	const struct scim_options options = { .public_url = "https://h", .max_results = MOST };
	static struct scim_service *s;
	static struct memory *m;

	if (s)
		return s;
	m = memory_new();
	memory_token(m, "good", "idp", SCIM_MAY_ALL, 0);
	must(scim_service_new(&s, memory_backend(m), &options, NULL) == 0);
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		CLEANUP(buf_done) struct buf out;

		buf_init(&out, BODY_BYTES);
		must(ask(s, HTTP_POST, "/idp/Users", STR(""), bodies[i], &out) == 201);
	}
	return s;
}

/* Whether the query has a cursor that is not empty. */
static bool has_cursor(struct str query)
{
	CLEANUP(buf_done) struct buf value;

	buf_init(&value, BODY_BYTES);
	return params_get(query, "cursor", &value, NULL) > 0 && value.len > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const paths[] = { "/v2/idp/Users", "/v2/idp/Groups", "/v2/idp",
					     "/idp/Users/nobody" };
	CLEANUP(json_decref_at) json_t *answer = NULL;
	CLEANUP(buf_done) struct buf out;
	struct str query;
	size_t rows;
	int status;

	buf_init(&out, BODY_BYTES);
	if (size == 0)
		return 0;
	query = str_n((const char *)data + 1, size - 1);
	status = ask(service(), HTTP_GET, paths[data[0] % COUNT_OF(paths)], query, "", &out);
	must(status == 200 || status == 400 || status == 404);
	must(jx_parse(buf_str(&out), JX_STRICT, &answer, NULL) == 0);
	if (status != 200)
		return 0;
	must(!has_cursor(query));
	rows = json_array_size(json_object_get(answer, "Resources"));
	must(rows <= MOST);
	must(rows <= (size_t)json_integer_value(json_object_get(answer, "totalResults")));
	return 0;
}
