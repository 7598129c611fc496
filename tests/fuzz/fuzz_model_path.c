/*
 * Paths and PATCH targets in every dialect: what parses prints, and the print parses to an
 * equal path. The first byte chooses the dialect.
 */
#include <stdlib.h>

#include "model/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void path(struct str text, enum path_dialect dialect)
{
	CLEANUP(path_done) struct path p = { 0 }, again = { 0 };
	CLEANUP(buf_done) struct buf out;
	struct err err;

	buf_init(&out, PATH_MAX_BYTES * 4);
	if (path_parse(text, dialect, &p, &err) < 0) {
		must(err.code == ERR_INVALID_PATH);
		return;
	}
	path_text(&p, &out);
	must(out.fault == 0);
	if (out.len > PATH_MAX_BYTES) /* "enterprise." became a URN */
		return;
	must(path_parse(buf_str(&out), dialect, &again, &err) == 0);
	must(path_equal(&p, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(filter_target_done) struct filter_target target = { .path.slot = -1 };
	enum path_dialect dialect;
	struct str text;
	struct err err;

	if (size == 0)
		return 0;
	dialect = data[0] % (PATH_POLICY_SEAT + 1);
	text = str_n((const char *)data + 1, size - 1);
	path(text, dialect);
	if (filter_target_parse(text, dialect, &target, &err) < 0)
		must(err.code == ERR_INVALID_PATH || err.code == ERR_INVALID_FILTER);
	else
		must(!target.where || target.path.attr);
	return 0;
}
