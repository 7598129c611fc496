/*
 * Filters in every dialect: what parses prints, what was printed parses to the same print, and
 * evaluating it over a document ends. The first byte chooses the dialect.
 */
#include <stdlib.h>

#include <jansson.h>

#include "model/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static json_t *document(void)
{
	return json_loads(
		"{\"userName\":\"b\",\"active\":true,\"emails\":[{\"value\":\"a@x\","
		"\"type\":\"work\"},{\"value\":\"b@x\"}],\"name\":{\"givenName\":\"B\"},"
		"\"meta\":{\"created\":\"2026-01-01T00:00:00Z\"},\"groups\":[\"a\"]}",
		0, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static json_t *doc;
	CLEANUP(query_free_at) struct query *q = NULL, *again = NULL;
	CLEANUP(buf_done) struct buf one, two;
	enum path_dialect dialect;
	struct err err;

	buf_init(&one, FILTER_MAX_BYTES * 16);
	buf_init(&two, FILTER_MAX_BYTES * 16);
	if (!doc)
		doc = document();
	if (size == 0)
		return 0;
	dialect = data[0] % (PATH_POLICY_SEAT + 1);
	if (filter_parse(str_n((const char *)data + 1, size - 1), dialect, &q, &err) < 0) {
		must(err.code == ERR_INVALID_FILTER && !q);
		return 0;
	}
	query_eval(q, &query_json_reader, NULL, (struct query_node){ doc, 0 }, QUERY_SCIM, 0);
	query_eval(q, &query_json_reader, NULL, (struct query_node){ doc, 0 }, QUERY_POLICY, 0);
	query_text(q, &one);
	must(one.fault == 0);
	if (one.len > FILTER_MAX_BYTES) /* escapes and whole URNs may make it longer */
		return 0;
	must(filter_parse(buf_str(&one), dialect, &again, &err) == 0);
	query_text(again, &two);
	must(str_eq(buf_str(&one), buf_str(&two)));
	return 0;
}
