/*
 * Three steps, each of which gathers what it finds wrong: the text (size, UTF-8), its YAML
 * events (syntax, and what YAML can do but a configuration should not: anchors and aliases,
 * which make a small file enormous, tags, several documents, depth), then the loaded document
 * against the key tables.
 */
#include "base/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <yaml.h>

#include "base/conf_value.h"

#define FILE_MAX_BYTES (1024 * 1024)
#define DEPTH_MAX 32
#define FAULTS_MAX 100 /* kept; the others are counted */
#define FAULT_BYTES 1024
#define PAIRS_MAX 1024 /* of a CONF_MAP, and items where a row names no bound */
#define PAIR_KEY_BYTES 128

struct reader {
	const char *name;  /* of the file, in faults */
	struct str folder; /* for relative paths; empty: they stay as they are */
	yaml_document_t *doc;
	struct conf_faults *faults;
	size_t before; /* how many its caller had found */
	size_t count;  /* all that were found here, also those that were too many to keep */
	bool lost;     /* memory: nothing more makes sense */
};

/* A key on the way down, for its dotted name. */
struct place {
	const struct place *up;
	const char *key; /* NULL at the top, and for an item of a list */
	size_t line, column;
};

/* --- faults --------------------------------------------------------------------------------
 */

static void dotted_add(struct buf *into, const struct place *at)
{
	if (!at)
		return;
	dotted_add(into, at->up);
	if (!at->key)
		return;
	if (into->len > 0)
		buf_add_char(into, '.');
	buf_add_text(into, at->key);
}

/* Takes text over. */
static void fault_keep(struct reader *r, char *text)
{
	r->count++;
	if (text && r->count > FAULTS_MAX) {
		free(text);
		return;
	}
	if (!text || conf_faults_add(r->faults, text) < 0) {
		free(text);
		r->lost = true;
	}
}

static char *fault_text(const char *file, size_t line, size_t column, const char *key,
			const char *format, va_list args) PRINTF(5, 0);
static char *fault_text(const char *file, size_t line, size_t column, const char *key,
			const char *format, va_list args)
{
	char where[64] = "", says[FAULT_BYTES];
	CLEANUP(buf_done) struct buf text;

	buf_init(&text, SIZE_MAX);
	if (line)
		snprintf(where, sizeof(where), ":%zu:%zu", line, column);
	vsnprintf(says, sizeof(says), format, args);
	buf_addf(&text, "%s%s: ", file ? file : "configuration", where);
	if (key && *key)
		buf_addf(&text, "%s: ", key);
	buf_add_text(&text, says);
	return buf_take(&text, NULL);
}

static void fault(struct reader *r, const struct place *at, const char *format, ...)
	PRINTF(3, 4);
static void fault(struct reader *r, const struct place *at, const char *format, ...)
{
	CLEANUP(buf_done) struct buf dotted;
	va_list args;

	buf_init(&dotted, SIZE_MAX);
	dotted_add(&dotted, at);
	va_start(args, format);
	fault_keep(r, fault_text(r->name, at->line, at->column, dotted.p, format, args));
	va_end(args);
}

int conf_fault(struct conf_faults *faults, const struct conf_mark *mark, const char *key,
	       const char *format, ...)
{
	const struct conf_mark nowhere = { 0 };
	va_list args;
	char *text;

	if (!mark)
		mark = &nowhere;
	va_start(args, format);
	text = fault_text(mark->file, mark->line, mark->column, key, format, args);
	va_end(args);
	if (!text || conf_faults_add(faults, text) < 0) {
		free(text);
		return -ERR_NOMEM;
	}
	return -ERR_CONFIG;
}

void conf_faults_free(struct conf_faults *faults)
{
	if (!faults)
		return;
	for (size_t i = 0; i < faults->n; i++)
		free(faults->v[i]);
	conf_faults_done(faults);
}

static struct place place_at(const struct place *up, const char *key, yaml_mark_t mark)
{
	return (struct place){ up, key, mark.line + 1, mark.column + 1 };
}

/* --- what stands there ---------------------------------------------------------------------
 */

#define FOUND_BYTES 96

static bool is_null(const yaml_node_t *node)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	struct str text;

	if (node->type != YAML_SCALAR_NODE ||
	    node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	text = str_n((const char *)node->data.scalar.value, node->data.scalar.length);
	for (size_t i = 0; i < COUNT_OF(nulls); i++)
		if (str_eq(text, str_of(nulls[i])))
			return true;
	return false;
}

static struct str node_text(const yaml_node_t *node)
{
	return str_n((const char *)node->data.scalar.value, node->data.scalar.length);
}

/* A text in quotes, short and harmless: it goes to a terminal. */
static const char *found_text(struct str s, char room[FOUND_BYTES])
{
	size_t len = s.len, most = FOUND_BYTES - sizeof("\"...\"");

	if (len > most) {
		len = most;
		while (len > 0 && ((unsigned char)s.p[len] & 0xC0) == 0x80)
			len--;
	}
	snprintf(room, FOUND_BYTES, "\"%.*s%s\"", (int)len, s.p ? s.p : "",
		 len < s.len ? "..." : "");
	for (char *p = room; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7F)
			*p = '?';
	return room;
}

static const char *found_node(const yaml_node_t *node, char room[FOUND_BYTES])
{
	if (node->type == YAML_SEQUENCE_NODE)
		return "a list";
	if (node->type == YAML_MAPPING_NODE)
		return "keys with values";
	return is_null(node) ? "nothing" : found_text(node_text(node), room);
}

/* The value must be something else. A secret's is not repeated: it may be the secret itself. */
static void fault_value(struct reader *r, const struct place *at, const struct conf_key *row,
			const char *found)
{
	CLEANUP(buf_done) struct buf expected;

	buf_init(&expected, FAULT_BYTES);
	conf_value_expected(row, &expected);
	fault(r, at, "found %s, expected %s", found,
	      expected.p ? expected.p : "another kind of value");
}

/* --- nearest key ---------------------------------------------------------------------------
 */

#define NEAR_BYTES 48

/* How many letters must be put in, taken out or changed to make a of b. */
static size_t distance(struct str a, struct str b)
{
	size_t row[NEAR_BYTES + 1];

	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			bool same = str_ieq(str_n(a.p + i - 1, 1), str_n(b.p + j - 1, 1));
			size_t best = corner + !same;

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.len];
}

/* The known key that was probably meant, or NULL. */
static const char *nearest(const struct conf_key *keys, struct str name)
{
	const char *best = NULL;
	size_t least = name.len / 3 + 1;

	if (name.len > NEAR_BYTES)
		return NULL;
	for (const struct conf_key *row = keys; row->name; row++) {
		struct str known = str_of(row->name);
		size_t d = known.len <= NEAR_BYTES ? distance(name, known) : SIZE_MAX;

		if (d > least || (best && d == least))
			continue;
		least = d;
		best = row->name;
	}
	return best;
}

static void fault_unknown(struct reader *r, const struct place *at, const struct conf_key *keys,
			  struct str name)
{
	const char *meant = nearest(keys, name);
	CLEANUP(buf_done) struct buf known;

	buf_init(&known, FAULT_BYTES / 2);
	if (meant) {
		fault(r, at, "unknown key, did you mean %s?", meant);
		return;
	}
	for (const struct conf_key *row = keys; row->name; row++)
		buf_addf(&known, "%s%s", known.len ? ", " : "", row->name);
	fault(r, at, "unknown key, expected one of %s", known.p ? known.p : "none");
}

/* --- values --------------------------------------------------------------------------------
 */

static void table_read(struct reader *r, const struct conf_key *keys, const struct place *at,
		       const yaml_node_t *node, bool required, char *into);

static yaml_node_t *node_of(struct reader *r, int number)
{
	return yaml_document_get_node(r->doc, number);
}

static bool is_within(const struct conf_key *row, int64_t count)
{
	return (row->least == 0 && row->most == 0) ||
	       (count >= row->least && count <= row->most);
}

static void fault_count(struct reader *r, const struct place *at, const struct conf_key *row,
			size_t count)
{
	fault(r, at, "found %zu, expected %" PRId64 " to %" PRId64, count, row->least,
	      row->most);
}

static void scalar_read(struct reader *r, const struct conf_key *row, const struct place *at,
			struct str text, char *field)
{
	char room[FOUND_BYTES];
	int rc = conf_value_take(row, text, r->folder, field);

	if (rc < 0)
		r->lost = true;
	else if (rc > 0)
		fault_value(r, at, row,
			    row->type == CONF_SECRET ? "a value" : found_text(text, room));
}

/* A text of a list or map: a scalar that is something and holds no NUL. */
static char *text_read(struct reader *r, const struct conf_key *row, const struct place *at,
		       const yaml_node_t *node)
{
	char room[FOUND_BYTES];
	char *text;

	if (node->type != YAML_SCALAR_NODE || is_null(node) ||
	    memchr(node->data.scalar.value, 0, node->data.scalar.length)) {
		fault_value(r, at, row, found_node(node, room));
		return NULL;
	}
	text = str_dup(node_text(node));
	r->lost |= !text;
	return text;
}

static void list_read(struct reader *r, const struct conf_key *row, const struct place *at,
		      const yaml_node_t *node, char *field)
{
	struct conf_list *list = (struct conf_list *)(void *)field;
	char room[FOUND_BYTES];

	if (node->type == YAML_SCALAR_NODE) { /* a list of one */
		char *text = text_read(r, row, at, node);

		if (text && conf_list_add(list, text) < 0) {
			free(text);
			r->lost = true;
		}
	} else if (node->type == YAML_SEQUENCE_NODE) {
		for (yaml_node_item_t *i = node->data.sequence.items.start;
		     i < node->data.sequence.items.top && !r->lost; i++) {
			const yaml_node_t *item = node_of(r, *i);
			struct place here = place_at(at, NULL, item->start_mark);
			char *text = text_read(r, row, &here, item);

			if (text && conf_list_add(list, text) < 0) {
				free(text);
				r->lost = true;
			}
		}
	} else {
		fault_value(r, at, row, found_node(node, room));
		return;
	}
	if (!is_within(row, (int64_t)list->n))
		fault_count(r, at, row, list->n);
}

/* A preset list: texts with commas between. */
static void list_preset(struct reader *r, const struct conf_key *row, struct conf_list *list)
{
	struct str rest = str_of(row->preset), piece;

	while (rest.len > 0 && !r->lost) {
		char *text;

		str_cut(rest, ',', &piece, &rest);
		text = str_dup(str_trim(piece));
		if (!text || conf_list_add(list, text) < 0) {
			free(text);
			r->lost = true;
		}
	}
}

static bool pair_is_new(struct reader *r, const struct conf_pairs *pairs,
			const struct place *at, struct str key)
{
	for (size_t i = 0; i < pairs->n; i++) {
		if (!str_eq(str_of(pairs->v[i].key), key))
			continue;
		fault(r, at, "found twice, first on line %zu", pairs->v[i].line);
		return false;
	}
	return true;
}

static void pair_read(struct reader *r, const struct conf_key *row, const struct place *at,
		      const yaml_node_t *key, const yaml_node_t *value,
		      struct conf_pairs *pairs)
{
	struct conf_pair pair = { .line = key->start_mark.line + 1 };
	struct place here = place_at(at, NULL, key->start_mark);

	if (key->type != YAML_SCALAR_NODE || key->data.scalar.length == 0 ||
	    key->data.scalar.length > PAIR_KEY_BYTES ||
	    memchr(key->data.scalar.value, 0, key->data.scalar.length)) {
		fault(r, &here, "found no usable key, expected a text of 1 to %d bytes",
		      PAIR_KEY_BYTES);
		return;
	}
	if (!pair_is_new(r, pairs, &here, node_text(key)))
		return;
	pair.value = text_read(r, row, &here, value);
	if (!pair.value)
		return;
	pair.key = str_dup(node_text(key));
	if (!pair.key || conf_pairs_add(pairs, pair) < 0) {
		free(pair.key);
		free(pair.value);
		r->lost = true;
	}
}

static void map_read(struct reader *r, const struct conf_key *row, const struct place *at,
		     const yaml_node_t *node, char *field)
{
	struct conf_pairs *pairs = (struct conf_pairs *)(void *)field;
	char room[FOUND_BYTES];
	size_t count;

	if (node->type != YAML_MAPPING_NODE) {
		fault_value(r, at, row, found_node(node, room));
		return;
	}
	count = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
	if (count > PAIRS_MAX) {
		fault(r, at, "found %zu keys, expected at most %d", count, PAIRS_MAX);
		return;
	}
	if (!is_within(row, (int64_t)count))
		fault_count(r, at, row, count);
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
	     p < node->data.mapping.pairs.top && !r->lost; p++)
		pair_read(r, row, at, node_of(r, p->key), node_of(r, p->value), pairs);
}

/* The row whose text names an item, when items have names. */
static const struct conf_key *name_row(const struct conf_key *keys)
{
	for (const struct conf_key *row = keys; row->name; row++)
		if (strcmp(row->name, "name") == 0 && row->type == CONF_TEXT && row->preset &&
		    strcmp(row->preset, "!") == 0)
			return row;
	return NULL;
}

static const char *item_name(const struct conf_items *items, size_t i,
			     const struct conf_key *name)
{
	const char *item = (const char *)items->v + i * items->size;

	return *(char *const *)(const void *)(item + name->offset);
}

/* Items are told apart by their names, in faults, in the store and by people. */
static void names_check(struct reader *r, const struct conf_key *row, const struct place *at,
			const yaml_node_t *node, const struct conf_items *items)
{
	const struct conf_key *name = name_row(row->sub);

	for (size_t i = 1; name && i < items->n; i++) {
		const char *mine = item_name(items, i, name);
		const yaml_node_t *item = node_of(r, node->data.sequence.items.start[i]);
		struct place here = place_at(at, "name", item->start_mark);
		char room[FOUND_BYTES];

		for (size_t j = 0; mine && j < i; j++) {
			const char *other = item_name(items, j, name);

			if (!other || strcmp(mine, other) != 0)
				continue;
			fault(r, &here, "found %s twice, expected a name of its own",
			      found_text(str_of(mine), room));
			break;
		}
	}
}

static void items_read(struct reader *r, const struct conf_key *row, const struct place *at,
		       const yaml_node_t *node, char *field)
{
	struct conf_items *items = (struct conf_items *)(void *)field;
	char room[FOUND_BYTES];
	size_t count;

	if (node->type != YAML_SEQUENCE_NODE) {
		fault_value(r, at, row, found_node(node, room));
		return;
	}
	count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	if (!is_within(row, (int64_t)count) || count > PAIRS_MAX) {
		fault(r, at, "found %zu items, expected %" PRId64 " to %" PRId64, count,
		      row->least, row->most ? row->most : PAIRS_MAX);
		return;
	}
	items->size = row->sub_size;
	if (count == 0)
		return;
	items->v = calloc(count, row->sub_size);
	if (!items->v) {
		r->lost = true;
		return;
	}
	for (size_t i = 0; i < count && !r->lost; i++) {
		const yaml_node_t *item = node_of(r, node->data.sequence.items.start[i]);
		struct place here = place_at(at, NULL, item->start_mark);

		items->n = i + 1;
		if (item->type == YAML_MAPPING_NODE)
			table_read(r, row->sub, &here, item, true,
				   (char *)items->v + i * row->sub_size);
		else
			fault(r, &here, "found %s, expected keys with values",
			      found_node(item, room));
	}
	if (!r->lost)
		names_check(r, row, at, node, items);
}

static bool is_required(const struct conf_key *row)
{
	return row->preset && strcmp(row->preset, "!") == 0;
}

/* A key that is not there, or there without a value where a part of the tree could stand. */
static void absent_read(struct reader *r, const struct conf_key *row, const struct place *at,
			bool required, char *field)
{
	bool must = is_required(row);
	struct place here = { at, row->name, at->line, at->column };

	if (must && required) {
		fault_value(r, &here, row, "nothing");
		required = false;
	}
	if (row->type == CONF_SECTION)
		table_read(r, row->sub, &here, NULL, false, field);
	if (row->type == CONF_ITEMS)
		((struct conf_items *)(void *)field)->size = row->sub_size;
	if (must || !row->preset || row->type >= CONF_MAP)
		return;
	if (row->type == CONF_LIST)
		list_preset(r, row, (struct conf_list *)(void *)field);
	else
		scalar_read(r, row, &here, str_of(row->preset), field);
}

static void value_read(struct reader *r, const struct conf_key *row, const struct place *at,
		       const yaml_node_t *node, char *field)
{
	char room[FOUND_BYTES];

	switch (row->type) {
	case CONF_SECTION:
		if (node->type == YAML_MAPPING_NODE)
			table_read(r, row->sub, at, node, true, field);
		else
			fault_value(r, at, row, found_node(node, room));
		return;
	case CONF_ITEMS:
		items_read(r, row, at, node, field);
		return;
	case CONF_LIST:
		list_read(r, row, at, node, field);
		return;
	case CONF_MAP:
		map_read(r, row, at, node, field);
		return;
	default:
		if (node->type == YAML_SCALAR_NODE && !is_null(node))
			scalar_read(r, row, at, node_text(node), field);
		else
			fault_value(r, at, row, found_node(node, room));
	}
}

/* --- tables --------------------------------------------------------------------------------
 */

static size_t rows_of(const struct conf_key *keys)
{
	size_t n = 0;

	while (keys[n].name)
		n++;
	return n;
}

/* Reads a key and its value; seen[row] is the line where the row's key stood, 0 if nowhere. */
static void key_read(struct reader *r, const struct conf_key *keys, const struct place *at,
		     const yaml_node_t *key, const yaml_node_t *value, size_t *seen, char *into)
{
	char room[FOUND_BYTES], name[NEAR_BYTES + 8];
	struct place here = place_at(at, NULL, key->start_mark);
	struct str text;
	size_t i = 0;

	if (key->type != YAML_SCALAR_NODE) {
		fault(r, &here, "found %s, expected a key", found_node(key, room));
		return;
	}
	text = node_text(key);
	snprintf(name, sizeof(name), "%s", found_text(text, room) + 1);
	name[strcspn(name, "\"")] = '\0'; /* as found_text(), without its quotes */
	here.key = name;
	while (keys[i].name && !str_eq(str_of(keys[i].name), text))
		i++;
	if (!keys[i].name) {
		fault_unknown(r, &here, keys, text);
		return;
	}
	if (seen[i]) {
		fault(r, &here, "found twice, first on line %zu", seen[i]);
		return;
	}
	seen[i] = here.line;
	if (is_null(value) && keys[i].type >= CONF_LIST) {
		/* its parts are all commented out: as if it were not there */
		here.key = NULL;
		absent_read(r, &keys[i], is_required(&keys[i]) ? &here : at, true,
			    into + keys[i].offset);
		return;
	}
	here = place_at(at, keys[i].name, value->start_mark);
	value_read(r, &keys[i], &here, value, into + keys[i].offset);
}

/*
 * Reads the mapping node into the struct at into. Without a node only presets are put there,
 * and nothing is missed unless required: an optional section that was left out.
 */
static void table_read(struct reader *r, const struct conf_key *keys, const struct place *at,
		       const yaml_node_t *node, bool required, char *into)
{
	CLEANUP(free_at) size_t *seen = calloc(rows_of(keys) + 1, sizeof(*seen));

	if (!seen) {
		r->lost = true;
		return;
	}
	if (conf_has_mark(keys))
		*(struct conf_mark *)(void *)into =
			(struct conf_mark){ r->name, at->line, at->column };
	if (node)
		for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
		     p < node->data.mapping.pairs.top && !r->lost; p++)
			key_read(r, keys, at, node_of(r, p->key), node_of(r, p->value), seen,
				 into);
	for (size_t i = 0; keys[i].name && !r->lost; i++)
		if (!seen[i])
			absent_read(r, &keys[i], at, required, into + keys[i].offset);
}

/* --- YAML ----------------------------------------------------------------------------------
 */

static void parser_start(yaml_parser_t *parser, struct str text)
{
	yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(parser, (const unsigned char *)(text.p ? text.p : ""),
				     text.len);
}

static void fault_syntax(struct reader *r, const yaml_parser_t *parser)
{
	struct place here = place_at(NULL, NULL, parser->problem_mark);

	if (parser->error == YAML_MEMORY_ERROR) {
		r->lost = true;
		return;
	}
	if (parser->context)
		fault(r, &here, "not YAML: %s, %s that began on line %zu", parser->problem,
		      parser->context, parser->context_mark.line + 1);
	else
		fault(r, &here, "not YAML: %s", parser->problem);
}

struct event_state {
	unsigned depth, documents;
	bool stop; /* what was found makes the document unfit to be loaded */
};

/* What an event says about anchors and tags; NULL where it has none. */
static const yaml_char_t *event_anchor(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return e->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return e->data.mapping_start.anchor;
	default:
		return NULL;
	}
}

static const yaml_char_t *event_tag(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return e->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return e->data.mapping_start.tag;
	default:
		return NULL;
	}
}

static void event_check(struct reader *r, const yaml_event_t *e, struct event_state *state)
{
	struct place here = place_at(NULL, NULL, e->start_mark);

	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (state->documents++ == 1) {
			fault(r, &here, "found a second document, expected one");
			state->stop = true;
		}
		break;
	case YAML_ALIAS_EVENT:
		fault(r, &here, "found an alias, expected the value itself");
		state->stop = true;
		break;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (++state->depth > DEPTH_MAX && !state->stop) {
			fault(r, &here, "nested deeper than %d", DEPTH_MAX);
			state->stop = true;
		}
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		state->depth--;
		break;
	default:
		break;
	}
	if (event_anchor(e))
		fault(r, &here, "found an anchor, which is not used in configurations");
	if (event_tag(e))
		fault(r, &here, "found a tag, which is not used in configurations");
}

/* False where the text cannot be loaded; the faults are told. */
static bool events_check(struct reader *r, struct str text)
{
	struct event_state state = { 0 };
	yaml_parser_t parser;
	bool more = true;

	if (!yaml_parser_initialize(&parser)) {
		r->lost = true;
		return false;
	}
	parser_start(&parser, text);
	while (more && !r->lost && !(state.stop && state.depth > DEPTH_MAX)) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			fault_syntax(r, &parser);
			state.stop = true;
			break;
		}
		event_check(r, &event, &state);
		more = event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return !state.stop && !r->lost;
}

static void document_read(struct reader *r, struct str text, const struct conf_key *keys,
			  void *into)
{
	struct place top = { .line = 1, .column = 1 };
	char room[FOUND_BYTES];
	yaml_document_t doc;
	yaml_parser_t parser;
	const yaml_node_t *root;

	if (!yaml_parser_initialize(&parser)) {
		r->lost = true;
		return;
	}
	parser_start(&parser, text);
	if (!yaml_parser_load(&parser, &doc)) {
		fault_syntax(r, &parser);
		yaml_parser_delete(&parser);
		return;
	}
	r->doc = &doc;
	root = yaml_document_get_root_node(&doc);
	if (root && is_null(root))
		root = NULL; /* nothing but comments: presets, and what is required is missed */
	if (root && root->type != YAML_MAPPING_NODE)
		fault(r, &top, "found %s, expected keys with values", found_node(root, room));
	else
		table_read(r, keys, &top, root, true, into);
	yaml_document_delete(&doc);
	yaml_parser_delete(&parser);
}

static bool utf8_check(struct reader *r, struct str text)
{
	struct place here = { .line = 1, .column = 1 };
	size_t bad;

	if (str_utf8(text, &bad))
		return true;
	for (size_t i = 0; i < bad; i++) {
		if (text.p[i] == '\n') {
			here.line++;
			here.column = 1;
		} else if (((unsigned char)text.p[i] & 0xC0) != 0x80) {
			here.column++;
		}
	}
	fault(r, &here, "found a byte that is not UTF-8");
	return false;
}

/* --- reading -------------------------------------------------------------------------------
 */

static int read_text(const char *name, struct str folder, struct str text,
		     const struct conf_key *keys, void *into, struct conf_faults *faults,
		     struct err *err)
{
	CLEANUP(conf_faults_free) struct conf_faults own = { 0 };
	struct reader r = { .name = name, .folder = folder, .faults = faults ? faults : &own };
	const char *first;

	if (text.len > FILE_MAX_BYTES)
		return err_set(err, ERR_CONFIG, "configuration %s is longer than 1 MiB", name);
	r.before = r.faults->n;
	if (utf8_check(&r, text) && events_check(&r, text))
		document_read(&r, text, keys, into);
	if (r.count == 0 && !r.lost)
		return 0;
	conf_free(keys, into);
	if (r.lost)
		return err_set(err, ERR_NOMEM, "out of memory for configuration %s", name);
	first = r.faults->v[r.before];
	if (r.count == 1)
		return err_set(err, ERR_CONFIG, "%s", first);
	return err_set(err, ERR_CONFIG, "%zu faults, the first: %s", r.count, first);
}

/* Everything up to the last '/', which stays; empty where there is none. */
static struct str folder_of(struct str file)
{
	while (file.len > 0 && file.p[file.len - 1] != '/')
		file.len--;
	return file;
}

int conf_read_text(const char *name, struct str text, const struct conf_key *keys, void *into,
		   struct conf_faults *faults, struct err *err)
{
	return read_text(name, folder_of(str_of(name)), text, keys, into, faults, err);
}

static int file_read(const char *file, struct buf *into, struct err *err)
{
	CLEANUP(fd_close_at) int fd = open(file, O_RDONLY | O_CLOEXEC);
	char piece[8192];
	ssize_t n;

	if (fd < 0)
		return err_errno(err, ERR_CONFIG, errno, "cannot open configuration %s", file);
	while ((n = read(fd, piece, sizeof(piece))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, ERR_CONFIG, errno, "cannot read configuration %s",
					 file);
		buf_add(into, piece, (size_t)n);
		if (into->fault == ERR_LIMIT)
			return err_set(err, ERR_CONFIG, "configuration %s is longer than 1 MiB",
				       file);
	}
	return buf_fault(into, err, file);
}

/* Absolute, since a daemon may change its folder between reading a path and using it. */
static int folder_absolute(const char *file, struct buf *into, struct err *err)
{
	char here[PATH_MAX];

	if (file[0] != '/') {
		if (!getcwd(here, sizeof(here)))
			return err_errno(err, ERR_CONFIG, errno, "cannot find our own folder");
		buf_addf(into, "%s/", strcmp(here, "/") == 0 ? "" : here);
	}
	buf_add_str(into, folder_of(str_of(file)));
	return buf_fault(into, err, "the path of the configuration");
}

int conf_read(const char *file, const struct conf_key *keys, void *into,
	      struct conf_faults *faults, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	CLEANUP(buf_done) struct buf folder;
	int rc;

	buf_init(&text, FILE_MAX_BYTES);
	buf_init(&folder, 2 * PATH_MAX);
	rc = file_read(file, &text, err);
	if (rc == 0)
		rc = folder_absolute(file, &folder, err);
	if (rc < 0)
		return rc;
	return read_text(file, buf_str(&folder), buf_str(&text), keys, into, faults, err);
}
