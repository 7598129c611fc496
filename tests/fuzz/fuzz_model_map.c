/*
 * Maps: whatever rows a configuration holds and whatever an entry says, a map is refused by its
 * row or applied, and what is written at once is what the tree says, canonically.
 *
 * The input is lines. One that begins with '=' is a value of the entry: its first word is the
 * attribute, '?' instead of the rest makes it unknown. Any other is a row, its parts separated
 * by tabs: how (a digit), to, from, constant, glue, pattern, with. Empty parts are not given.
 */
#include <stdlib.h>

#include "base/jx.h"
#include "base/own.h"
#include "model/map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS 8
#define VALUES 32
#define PARTS 7

struct said {
	struct str name, text;
	bool unknown;
};

struct entry {
	struct said values[VALUES];
	size_t n;
	struct str got[VALUES];
};

static void must(bool truth)
{
	if (!truth)
		abort();
}

static enum value_state get(void *ctx, struct str name, const struct str **ret, size_t *n)
{
	struct entry *e = ctx;

	*n = 0;
	for (size_t i = 0; i < e->n; i++) {
		if (!str_ieq(e->values[i].name, name))
			continue;
		if (e->values[i].unknown)
			return VALUE_UNKNOWN;
		e->got[(*n)++] = e->values[i].text;
	}
	*ret = e->got;
	return *n ? VALUE_PRESENT : VALUE_ABSENT;
}

/* Cuts the text at its first `at`, which becomes a NUL. The rest, or NULL. */
static char *cut(char *text, char at)
{
	char *found = strchr(text, at);

	if (found)
		*found++ = '\0';
	return found;
}

static void value_of(struct entry *e, char *line)
{
	struct said *v = &e->values[e->n];
	char *text = cut(line, ' ');

	if (e->n == VALUES || !text)
		return;
	*v = (struct said){ str_of(line), str_of(text), strcmp(text, "?") == 0 };
	e->n++;
}

static struct map_row row_of(char *line)
{
	const char *part[PARTS] = { NULL };
	struct map_row row = { 0 };

	for (size_t i = 0; i < PARTS && line; i++) {
		char *rest = cut(line, '\t');

		part[i] = *line ? line : NULL;
		line = rest;
	}
	row.how = part[0] ? (enum map_how)((unsigned char)part[0][0] % 3) : MAP_FIRST;
	row.keep_unmatched = part[0] && part[0][1];
	row.to = part[1] ? part[1] : "userName";
	row.constant = part[3];
	row.from[0] = row.constant ? NULL : part[2] ? part[2] : "cn";
	row.from[1] = row.constant ? NULL : "mail";
	row.glue = part[4];
	row.pattern = part[5];
	row.with = part[5] ? part[6] ? part[6] : "" : NULL;
	return row;
}

/* Both ways say the same. */
static void apply(const struct map *m, struct entry *e)
{
	const struct map_source from = { get, e };
	CLEANUP(map_work_free_at) struct map_work *work = NULL;
	struct map_result tree = { 0 }, text = { 0 };
	CLEANUP(buf_done) struct buf canonical;
	struct err err;
	int r, w;

	buf_init(&canonical, 1 << 20);
	r = map_apply(m, &from, &tree, &err);
	must(map_work_new(&work, m, &err) == 0);
	w = map_write(work, &from, &text, &err);
	must(r == w);
	if (r == 0) {
		must(jx_canonical(tree.doc, &canonical, &err) == 0);
		must(str_eq(buf_str(&canonical), text.text));
		must(tree.unknown_n == text.unknown_n && tree.bad_n == text.bad_n);
		for (size_t i = 0; i < tree.unknown_n; i++)
			must(strcmp(tree.unknown[i], text.unknown[i]) == 0);
	}
	map_result_done(&tree);
	map_result_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(map_free_at) struct map *m = NULL;
	CLEANUP(free_at) char *copy = malloc(size + 1);
	struct map_row rows[ROWS];
	struct entry entry = { .n = 0 };
	char *line = copy, *rest;
	struct err err;
	size_t n = 0;
	int r;

	if (!copy || memchr(data, 0, size))
		return 0;
	memcpy(copy, data, size);
	copy[size] = '\0';
	for (; line; line = rest) {
		rest = cut(line, '\n');
		if (*line == '=')
			value_of(&entry, line + 1);
		else if (*line && n < ROWS)
			rows[n++] = row_of(line);
	}
	r = map_new(&m, rows, n, &err);
	if (r == 0)
		apply(m, &entry);
	else
		must(r == -ERR_CONFIG);
	return 0;
}
