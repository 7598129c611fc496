/*
 * JSON: what is read is printed canonically as text that is read as the same document and
 * printed as the same bytes; what is refused says so as INVALID_SYNTAX.
 */
#include <stdlib.h>

#include "base/jx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static unsigned depth_of(const json_t *j)
{
	unsigned most = 0;
	const char *name;
	json_t *value;
	size_t i;

	json_object_foreach ((json_t *)(uintptr_t)j, name, value) {
		unsigned depth = depth_of(value) + 1;

		most = depth > most ? depth : most;
	}
	json_array_foreach (j, i, value) {
		unsigned depth = depth_of(value) + 1;

		most = depth > most ? depth : most;
	}
	return most;
}

static void read_again(const json_t *j, enum jx_mode mode)
{
	CLEANUP(json_decref_at) json_t *again = NULL;
	CLEANUP(buf_done) struct buf first = { .max = SIZE_MAX - 1 };
	CLEANUP(buf_done) struct buf second = { .max = SIZE_MAX - 1 };
	struct err err;

	must(jx_canonical(j, &first, &err) == 0);
	must(jx_parse(buf_str(&first), mode, &again, &err) == 0);
	must(jx_canonical(again, &second, &err) == 0);
	must(str_eq(buf_str(&first), buf_str(&second)));
	must(json_equal(j, again));
	if (json_is_string(j)) { /* our own writer of strings agrees */
		buf_clear(&second);
		buf_add_json(&second, str_n(json_string_value(j), json_string_length(j)));
		must(str_eq(buf_str(&first), buf_str(&second)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_n((const char *)data, size);
	bool read[2];

	for (int mode = JX_STRICT; mode <= JX_LENIENT; mode++) {
		CLEANUP(json_decref_at) json_t *j = NULL;
		struct err err = { 0 };
		int r = jx_parse(text, mode, &j, &err);

		read[mode] = r == 0;
		if (r < 0) {
			must(r == -ERR_INVALID_SYNTAX || r == -ERR_NOMEM);
			must(!j && err.text[0] && str_utf8(str_of(err.text), NULL));
			continue;
		}
		must(str_utf8(text, NULL) && depth_of(j) <= JX_MAX_DEPTH);
		read_again(j, mode);
	}
	must(!read[JX_STRICT] || read[JX_LENIENT]);
	return 0;
}
