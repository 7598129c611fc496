/*
 * Statements and key files: what is read as a statement is the one text of what it says, so
 * written again from its fields it is the same bytes; reading
 * ends.
 */
#include <stdlib.h>

#include "model/signkey.h"
#include "model/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
	if (!truth)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_n((const char *)data, size);
	CLEANUP(buf_done) struct buf again;
	struct statement s;
	struct signkey key;
	struct err err;

	buf_init(&again, 2 * STATEMENT_MAX_BYTES);
	if (signkey_parse(text, &key, &err) == 0)
		must(statement_name(key.name));
	if (statement_parse(text, &s, &err) < 0)
		return 0;
	must(statement_write(s.field, &again, &err) == 0);
	must(again.len <= size && memcmp(again.p, data, again.len) == 0);
	must(s.signed_bytes || again.len == size);
	/* who can find a signature deserves it; the seeds have one that fits */
	(void)statement_signed(&s);
	return 0;
}
