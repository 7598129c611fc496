#include "base/conf_value.h"

#include <stdio.h>

#define INDENT 2
#define DOTTED_BYTES 256
#define TABLE_DEPTH 8 /* no table of ours is deeper; one that holds itself ends here */

/* --- printing ------------------------------------------------------------------------------
 */

static void table_show(const struct conf_key *keys, const char *from, unsigned indent,
		       struct buf *into);

static void blanks(unsigned count, struct buf *into)
{
	while (count-- > 0)
		buf_add_char(into, ' ');
}

static void list_show(const struct conf_list *list, unsigned indent, struct buf *into)
{
	if (list->n == 0) {
		buf_add_text(into, " []\n");
		return;
	}
	buf_add_char(into, '\n');
	for (size_t i = 0; i < list->n; i++) {
		blanks(indent + INDENT, into);
		buf_add_text(into, "- ");
		conf_text_show(str_of(list->v[i]), into);
		buf_add_char(into, '\n');
	}
}

static void map_show(const struct conf_pairs *pairs, unsigned indent, struct buf *into)
{
	if (pairs->n == 0) {
		buf_add_text(into, " {}\n");
		return;
	}
	buf_add_char(into, '\n');
	for (size_t i = 0; i < pairs->n; i++) {
		blanks(indent + INDENT, into);
		conf_text_show(str_of(pairs->v[i].key), into);
		buf_add_text(into, ": ");
		conf_text_show(str_of(pairs->v[i].value), into);
		buf_add_char(into, '\n');
	}
}

static void section_show(const struct conf_key *row, const char *field, unsigned indent,
			 struct buf *into)
{
	size_t before;

	buf_add_char(into, '\n');
	before = into->len;
	table_show(row->sub, field, indent + INDENT, into);
	if (into->len == before && !into->fault) {
		buf_cut(into, before - 1);
		buf_add_text(into, " {}\n");
	}
}

static void items_show(const struct conf_key *row, const struct conf_items *items,
		       unsigned indent, struct buf *into)
{
	if (items->n == 0) {
		buf_add_text(into, " []\n");
		return;
	}
	buf_add_char(into, '\n');
	for (size_t i = 0; i < items->n && !into->fault; i++) {
		const char *item = (const char *)items->v + i * items->size;
		size_t before = into->len;

		table_show(row->sub, item, indent + 2 * INDENT, into);
		if (into->fault)
			return;
		if (into->len > before) { /* the dash goes where blanks stand */
			into->p[before + indent + INDENT] = '-';
			continue;
		}
		blanks(indent + INDENT, into);
		buf_add_text(into, "- {}\n");
	}
}

static void row_show(const struct conf_key *row, const char *field, unsigned indent,
		     struct buf *into)
{
	const void *value = field;

	blanks(indent, into);
	buf_addf(into, "%s:", row->name);
	switch (row->type) {
	case CONF_SECTION:
		section_show(row, field, indent, into);
		return;
	case CONF_ITEMS:
		items_show(row, value, indent, into);
		return;
	case CONF_LIST:
		list_show(value, indent, into);
		return;
	case CONF_MAP:
		map_show(value, indent, into);
		return;
	default:
		buf_add_char(into, ' ');
		conf_value_show(row, value, into);
		buf_add_char(into, '\n');
	}
}

static bool is_hidden(const struct conf_key *row, const char *around)
{
	return row->if_given &&
	       conf_left_out((const struct conf_mark *)(const void *)(around + row->offset),
			     (const struct conf_mark *)(const void *)around);
}

static void table_show(const struct conf_key *keys, const char *from, unsigned indent,
		       struct buf *into)
{
	for (const struct conf_key *row = keys; row->name; row++)
		if (!conf_value_unset(row, from + row->offset) && !is_hidden(row, from))
			row_show(row, from + row->offset, indent, into);
}

int conf_show(const struct conf_key *keys, const void *from, struct buf *into, struct err *err)
{
	table_show(keys, from, 0, into);
	return buf_fault(into, err, "the configuration as text");
}

/* --- freeing -------------------------------------------------------------------------------
 */

static void list_free(struct conf_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	conf_list_done(list);
}

static void map_free(struct conf_pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++) {
		free(pairs->v[i].key);
		free(pairs->v[i].value);
	}
	conf_pairs_done(pairs);
}

static void items_free(const struct conf_key *row, struct conf_items *items)
{
	for (size_t i = 0; i < items->n; i++)
		conf_free(row->sub, (char *)items->v + i * items->size);
	free(items->v);
	*items = (struct conf_items){ 0 };
}

static void field_free(const struct conf_key *row, void *field)
{
	switch (row->type) {
	case CONF_TEXT:
	case CONF_PATH:
	case CONF_SECRET:
		free_at(field);
		return;
	case CONF_BOOL:
		*(bool *)field = false;
		return;
	case CONF_INT:
	case CONF_MS:
	case CONF_BYTES:
		*(int64_t *)field = 0;
		return;
	case CONF_SHARE:
		*(double *)field = 0;
		return;
	case CONF_ENUM:
		*(int *)field = 0;
		return;
	case CONF_LIST:
		list_free(field);
		return;
	case CONF_MAP:
		map_free(field);
		return;
	case CONF_SECTION:
		conf_free(row->sub, field);
		return;
	case CONF_ITEMS:
		items_free(row, field);
		return;
	}
}

void conf_free(const struct conf_key *keys, void *into)
{
	if (!into)
		return;
	if (conf_has_mark(keys))
		*(struct conf_mark *)into = (struct conf_mark){ 0 };
	for (const struct conf_key *row = keys; row->name; row++)
		field_free(row, (char *)into + row->offset);
}

/* --- walking -------------------------------------------------------------------------------
 */

static void walk(const struct conf_key *keys, char dotted[DOTTED_BYTES], size_t len,
		 unsigned depth,
		 void (*fn)(void *ctx, const char *dotted, const struct conf_key *key),
		 void *ctx)
{
	if (depth == TABLE_DEPTH)
		return;
	for (const struct conf_key *row = keys; row->name; row++) {
		int n = snprintf(dotted + len, DOTTED_BYTES - len, "%s%s", len ? "." : "",
				 row->name);

		if (n < 0 || (size_t)n >= DOTTED_BYTES - len)
			continue;
		fn(ctx, dotted, row);
		if (row->type == CONF_SECTION || row->type == CONF_ITEMS)
			walk(row->sub, dotted, len + (size_t)n, depth + 1, fn, ctx);
	}
	dotted[len] = '\0';
}

void conf_walk(const struct conf_key *keys,
	       void (*fn)(void *ctx, const char *dotted, const struct conf_key *key), void *ctx)
{
	char dotted[DOTTED_BYTES] = "";

	walk(keys, dotted, 0, 0, fn, ctx);
}
