/* Tickets and templates from strangers: a ticket is good only if it is the one that was
 * written; a template is read and filled, or refused. */
#include <assert.h>
#include <string.h>

#include "base/template.h"
#include "base/ticket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void templates(struct str text)
{
	static const char *const names[] = { "name", "link", NULL };
	const struct str values[] = { STR("<Ada>\r\n"), { 0 } };
	CLEANUP(template_free_at) struct template *t = NULL;
	struct template_place at = { 0 };
	CLEANUP(buf_done) struct buf out;
	struct err err;

	buf_init(&out, 1 << 20);
	if (template_parse(&t, text, names, &at, &err) == 0)
		template_fill(t, values, TEMPLATE_HTML, &out);
	else
		assert(!t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct secret key;
	static char good[TICKET_CHARS + 1];
	struct str text = { (const char *)data, size };
	struct ticket t = { .number = 7, .end_ms = 1000 };
	struct err err;

	if (!key.len) {
		if (secret_start(&err) < 0 ||
		    secret_set(&key, "0123456789abcdef0123456789abcdef", 32, &err) < 0)
			return 0;
		ticket_write(&t, &key, good);
	}
	if (ticket_read(text, &key, 0, &t) != TICKET_NONE)
		assert(str_eq(text, str_of(good)));
	templates(text);
	return 0;
}
