/*
 * Bulk requests over a backend in memory. The first byte chooses whether the input is the whole
 * body or its Operations, failOnErrors, and whether writes are answered at once. Whatever comes
 * ends, with an answer that is JSON; from a spool the body reads as from memory.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/jx.h"
#include "scim/bulk_read.h"
#include "scim/service.h"
#include "tests/lib/scim/memory.h"

#include "tests/lib/scim/memory.c" /* see there why */

#define BODY_BYTES (1 << 20)
#define TURNS_MOST 10000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned waiting;

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void go_on(struct scim_response *res)
{
	(void)res;
	waiting++;
}

static void same_from_a_spool(struct str body)
{
	const struct bulk_limits limits = { 20, 1 << 16, 1 << 12 };
	struct bulk_text text = { .text = body }, spooled = { 0 };
	struct bulk_envelope a = { 0 }, b = { 0 };
	CLEANUP(spool_free_at) struct spool *spool = NULL;
	struct err err_a = { 0 }, err_b = { 0 };

	must(spool_new(&spool, NULL, BODY_BYTES, NULL) == 0);
	must(spool_add(spool, body.p, body.len, NULL) == 0);
	spooled.spool = spool;
	must(bulk_read(&text, &limits, NULL, NULL, &a, &err_a) ==
	     bulk_read(&spooled, &limits, NULL, NULL, &b, &err_b));
	must(strcmp(err_a.text, err_b.text) == 0);
	must(a.operations.n == b.operations.n && a.operations.n <= limits.operations);
	bulk_envelope_done(&a);
	bulk_envelope_done(&b);
}

static void run(struct memory *m, struct scim_service *s, struct str body)
{
	CLEANUP(json_decref_at) json_t *answer = NULL;
	CLEANUP(buf_done) struct buf out;
	struct scim_request req = { .method = HTTP_POST,
				    .path = STR("/v2/idp/Bulk"),
				    .body = body,
				    .authorization = "Bearer good",
				    .id = "r-1",
				    .peer = "192.0.2.1" };
	struct scim_response res = { .body = &out, .go_on = go_on };
	int r, turns = 0;

	buf_init(&out, BODY_BYTES);
	r = scim_service_answer(s, &req, &res);
	while (r == HTTP_PARKED) {
		memory_run(m);
		must(waiting == 1 && ++turns < TURNS_MOST);
		waiting = 0;
		r = scim_service_go_on(&res);
	}
	must(r == HTTP_DONE && !res.bulk && out.p);
	must(res.status == 200 || res.status == 400 || res.status == 413);
	must(jx_parse(buf_str(&out), JX_STRICT, &answer, NULL) == 0);
	must(json_array_size(json_object_get(answer, "Operations")) <= 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct scim_options options = { .public_url = "https://h",
					      .bulk_operations = 20,
					      .bulk_bytes = 1 << 16,
					      .bulk_operation_bytes = 1 << 12 };
	CLEANUP(buf_done) struct buf body;
	CLEANUP(scim_service_free_at) struct scim_service *s = NULL;
	struct memory *m;

	buf_init(&body, BODY_BYTES);
	if (size == 0)
		return 0;
	if (data[0] & 1) {
		buf_add(&body, data + 1, size - 1);
	} else {
		buf_addf(&body, "{\"schemas\":[\"" BULK_URN "\"],");
		if (data[0] >> 2)
			buf_addf(&body, "\"failOnErrors\":%d,", data[0] >> 2);
		buf_add_text(&body, "\"Operations\":");
		buf_add(&body, data + 1, size - 1);
		buf_add_char(&body, '}');
	}
	if (body.fault || !body.p)
		return 0;
	same_from_a_spool(buf_str(&body));
	m = memory_new();
	memory_token(m, "good", "idp", SCIM_MAY_ALL, 0);
	if (data[0] & 2)
		memory_defer(m);
	must(scim_service_new(&s, memory_backend(m), &options, NULL) == 0);
	run(m, s, buf_str(&body));
	scim_service_free(TAKE(s));
	memory_free(m);
	return 0;
}
