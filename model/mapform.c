#include "model/mapform.h"

#include <stdio.h>

#include "base/jx.h"
#include "model/schema.h"

/* --- the form ------------------------------------------------------------------------------
 */

static struct str name_of(const struct form_node *n)
{
	return str_n(n->label + 1, n->name_len);
}

static int label_make(struct str name, char **ret, struct err *err)
{
	CLEANUP(buf_done) struct buf text;

	buf_init(&text, PATH_MAX_BYTES * 6);
	buf_add_json(&text, name);
	buf_add_char(&text, ':');
	*ret = buf_take(&text, NULL);
	return *ret ? 0 : err_nomem(err);
}

/* The child of that name, made where it is not there; siblings stay in order. */
static int child(struct form *f, uint32_t parent, struct str name, enum form_kind kind,
		 uint32_t *ret, struct err *err)
{
	struct form_node fresh = { .kind = kind, .name_len = name.len };
	uint32_t before = 0, at = f->nodes.v[parent].child, made = (uint32_t)f->nodes.n;
	int r;

	while (at && str_cmp(name_of(&f->nodes.v[at]), name) < 0) {
		before = at;
		at = f->nodes.v[at].next;
	}
	*ret = at;
	if (at && str_eq(name_of(&f->nodes.v[at]), name))
		return f->nodes.v[at].kind == kind
			       ? 0
			       : err_set(err, ERR_CONFIG, STR_FMT " is both whole and in parts",
					 STR_ARG(name));
	r = label_make(name, &fresh.label, err);
	if (r < 0)
		return r;
	fresh.next = at;
	if (form_nodes_add(&f->nodes, fresh) < 0) {
		free(fresh.label);
		return err_nomem(err);
	}
	*(before ? &f->nodes.v[before].next : &f->nodes.v[parent].child) = made;
	*ret = made;
	return 0;
}

int form_new(struct form *f, struct err *err)
{
	struct form_node root = { .kind = FORM_OBJECT };
	uint32_t schemas;

	if (form_nodes_add(&f->nodes, root) < 0)
		return err_nomem(err);
	return child(f, 0, STR("schemas"), FORM_SCHEMAS, &schemas, err);
}

void form_done(struct form *f)
{
	for (size_t i = 0; i < f->nodes.n; i++)
		free(f->nodes.v[i].label);
	form_nodes_done(&f->nodes);
}

void form_at_done(struct form_at *at)
{
	for (size_t i = 0; i < at->given.n; i++)
		free(at->given.v[i].text);
	form_givens_done(&at->given);
	*at = (struct form_at){ 0 };
}

/* A member of a list's elements, numbered as they come. */
static int member(struct form *f, uint32_t list, struct str name, uint32_t *ret,
		  struct err *err)
{
	uint32_t n = 0, before = (uint32_t)f->nodes.n;
	int r = child(f, list, name, FORM_VALUE, ret, err);

	if (r < 0 || *ret < before)
		return r;
	for (uint32_t at = f->nodes.v[list].child; at; at = f->nodes.v[at].next)
		n++;
	if (n > FORM_MEMBERS_MAX)
		return err_set(err, ERR_CONFIG, "more than %d different parts of one list",
			       FORM_MEMBERS_MAX);
	f->nodes.v[*ret].member = n - 1;
	return 0;
}

static int given_add(struct form *f, uint32_t list, const char *name, const json_t *value,
		     struct form_at *at, struct err *err)
{
	struct form_given given = { .word = json_is_boolean(value) };
	uint32_t node = 0;
	int r;

	if (!json_is_string(value) && !given.word)
		return err_set(err, ERR_CONFIG, "%s in the bracket is no text, true or false",
			       name);
	r = member(f, list, str_of(name), &node, err);
	if (r < 0)
		return r;
	given.member = f->nodes.v[node].member;
	given.text = str_dup(str_of(json_is_string(value) ? json_string_value(value)
				    : json_is_true(value) ? "true"
							  : "false"));
	if (given.text && form_givens_add(&at->given, given) == 0)
		return 0;
	free(given.text);
	return err_nomem(err);
}

static int list_add(struct form *f, const struct filter_target *to, const json_t *example,
		    struct form_at *at, struct err *err)
{
	uint32_t list = at->top;
	const char *name;
	json_t *value;
	int r = member(f, list, str_of(to->sub ? to->sub : "value"), &at->leaf, err);

	at->list = list;
	json_object_foreach ((json_t *)(uintptr_t)example, name, value) {
		if (r == 0)
			r = given_add(f, list, name, value, at, err);
	}
	return r;
}

int form_add(struct form *f, const struct filter_target *to, const json_t *example, bool each,
	     struct form_at *ret, struct err *err)
{
	CLEANUP(form_at_done) struct form_at at = { .each = each };
	const struct path *p = &to->path;
	bool parts = p->top->type == ATTR_COMPLEX && !p->top->multi;
	uint32_t parent = 0;
	int r = p->urn ? child(f, 0, str_of(p->urn), FORM_OBJECT, &parent, err) : 0;

	if (r == 0 && p->urn)
		f->nodes.v[parent].extension = true;
	if (r == 0)
		r = child(f, parent, str_of(p->name),
			  p->top->multi ? FORM_LIST
			  : parts       ? FORM_OBJECT
					: FORM_VALUE,
			  &at.top, err);
	at.leaf = at.top;
	if (r == 0 && p->top->multi)
		r = list_add(f, to, example, &at, err);
	else if (r == 0 && parts)
		r = child(f, at.top, str_of(p->sub ? p->sub : "value"), FORM_VALUE, &at.leaf,
			  err);
	if (r == 0 && parts && p->sub)
		at.top = at.leaf;
	if (r < 0)
		return r;
	*ret = at;
	at = (struct form_at){ 0 };
	return 0;
}

/* --- one document --------------------------------------------------------------------------
 */

int form_begin(const struct form *f, struct form_doc *doc, struct err *err)
{
	if (form_spans_reserve(&doc->values, f->nodes.n) < 0)
		return err_nomem(err);
	doc->values.n = f->nodes.n;
	memset(doc->values.v, 0, f->nodes.n * sizeof(doc->values.v[0]));
	doc->elements.n = 0;
	buf_clear(&doc->texts);
	return 0;
}

void form_doc_done(struct form_doc *doc)
{
	buf_done(&doc->texts);
	form_spans_done(&doc->values);
	form_elements_done(&doc->elements);
}

static struct str text_of(const struct form_doc *doc, struct form_span span)
{
	return str_n(doc->texts.p + span.from, span.len);
}

static bool matches(const struct form_doc *doc, const struct form_element *e,
		    const struct form_at *at)
{
	for (size_t i = 0; i < at->given.n; i++) {
		const struct form_given *given = &at->given.v[i];
		struct form_span have = e->v[given->member];

		if (have.is != (given->word ? FORM_WORD : FORM_TEXT) ||
		    !str_eq(text_of(doc, have), str_of(given->text)))
			return false;
	}
	return true;
}

static struct form_span given_put(struct form_doc *doc, const struct form_given *given)
{
	struct form_span span = { (uint32_t)doc->texts.len, (uint32_t)strlen(given->text),
				  given->word ? FORM_WORD : FORM_TEXT };

	buf_add_text(&doc->texts, given->text);
	return span;
}

/* The element that the row writes: an old one that its bracket names, or a new one. NULL when
 * memory is lost. */
static struct form_element *element(struct form_doc *doc, const struct form_at *at)
{
	struct form_element fresh = { .list = at->list };

	for (size_t i = 0; at->given.n && !at->each && i < doc->elements.n; i++)
		if (doc->elements.v[i].list == at->list &&
		    matches(doc, &doc->elements.v[i], at))
			return &doc->elements.v[i];
	for (size_t i = 0; i < at->given.n; i++)
		fresh.v[at->given.v[i].member] = given_put(doc, &at->given.v[i]);
	if (form_elements_add(&doc->elements, fresh) < 0)
		return NULL;
	return &doc->elements.v[doc->elements.n - 1];
}

int form_put(const struct form *f, struct form_doc *doc, const struct form_at *at, size_t from,
	     bool word, struct err *err)
{
	struct form_span span = { (uint32_t)from, (uint32_t)(doc->texts.len - from),
				  word ? FORM_WORD : FORM_TEXT };
	struct form_element *e = at->list ? element(doc, at) : NULL;
	int r = buf_fault(&doc->texts, err, "the values of a document");

	if (r < 0)
		return r;
	if (at->list && !e)
		return err_nomem(err);
	*(e ? &e->v[f->nodes.v[at->leaf].member] : &doc->values.v[at->leaf]) = span;
	return 0;
}

static void drop(const struct form *f, struct form_doc *doc, uint32_t node)
{
	doc->values.v[node] = (struct form_span){ 0 };
	for (size_t i = 0; i < doc->elements.n; i++)
		if (doc->elements.v[i].list == node)
			doc->elements.v[i].list = 0;
	for (uint32_t at = f->nodes.v[node].child; at; at = f->nodes.v[at].next)
		drop(f, doc, at);
}

void form_drop(const struct form *f, struct form_doc *doc, const struct form_at *at)
{
	drop(f, doc, at->top);
}

/* --- writing -------------------------------------------------------------------------------
 */

static bool is_there(const struct form *f, const struct form_doc *doc, uint32_t node)
{
	const struct form_node *n = &f->nodes.v[node];

	if (n->kind == FORM_SCHEMAS)
		return true;
	for (size_t i = 0; n->kind == FORM_LIST && i < doc->elements.n; i++)
		if (doc->elements.v[i].list == node)
			return true;
	for (uint32_t at = n->child; n->kind == FORM_OBJECT && at; at = f->nodes.v[at].next)
		if (is_there(f, doc, at))
			return true;
	return doc->values.v[node].is != FORM_NOTHING;
}

static void write_span(const struct form_doc *doc, struct form_span span, struct buf *into)
{
	if (span.is == FORM_WORD)
		buf_add_str(into, text_of(doc, span));
	else
		buf_add_json(into, text_of(doc, span));
}

/* The core schema, then the extensions in the tables' order. */
static void write_schemas(const struct form *f, const struct form_doc *doc, struct buf *into)
{
	buf_add_text(into, "[\"" SCHEMA_USER "\"");
	for (size_t i = 0; schema_all[i]; i++)
		for (uint32_t at = f->nodes.v[0].child; at; at = f->nodes.v[at].next)
			if (f->nodes.v[at].extension &&
			    str_eq(name_of(&f->nodes.v[at]), str_of(schema_all[i]->urn)) &&
			    is_there(f, doc, at)) {
				buf_add_char(into, ',');
				buf_add(into, f->nodes.v[at].label,
					f->nodes.v[at].name_len + 2);
			}
	buf_add_char(into, ']');
}

static void write_element(const struct form *f, const struct form_doc *doc, uint32_t list,
			  const struct form_element *e, struct buf *into)
{
	char comma = '{';

	for (uint32_t at = f->nodes.v[list].child; at; at = f->nodes.v[at].next) {
		const struct form_node *n = &f->nodes.v[at];

		if (e->v[n->member].is == FORM_NOTHING)
			continue;
		buf_add_char(into, comma);
		comma = ',';
		buf_add(into, n->label, n->name_len + 3);
		write_span(doc, e->v[n->member], into);
	}
	buf_add_char(into, '}');
}

static void write_list(const struct form *f, const struct form_doc *doc, uint32_t list,
		       struct buf *into)
{
	char comma = '[';

	for (size_t i = 0; i < doc->elements.n; i++) {
		if (doc->elements.v[i].list != list)
			continue;
		buf_add_char(into, comma);
		comma = ',';
		write_element(f, doc, list, &doc->elements.v[i], into);
	}
	buf_add_char(into, ']');
}

static void write_object(const struct form *f, const struct form_doc *doc, uint32_t node,
			 struct buf *into)
{
	char comma = '{';

	for (uint32_t at = f->nodes.v[node].child; at; at = f->nodes.v[at].next) {
		const struct form_node *n = &f->nodes.v[at];

		if (!is_there(f, doc, at))
			continue;
		buf_add_char(into, comma);
		comma = ',';
		buf_add(into, n->label, n->name_len + 3);
		if (n->kind == FORM_SCHEMAS)
			write_schemas(f, doc, into);
		else if (n->kind == FORM_LIST)
			write_list(f, doc, at, into);
		else if (n->kind == FORM_OBJECT)
			write_object(f, doc, at, into);
		else
			write_span(doc, doc->values.v[at], into);
	}
	buf_add_char(into, '}');
}

void form_write(const struct form *f, const struct form_doc *doc, struct buf *into)
{
	write_object(f, doc, 0, into);
}

/* --- a tree --------------------------------------------------------------------------------
 */

static int set(json_t *object, const struct form_node *n, json_t *value, struct err *err)
{
	char name[PATH_MAX_BYTES];

	snprintf(name, sizeof(name), STR_FMT, STR_ARG(name_of(n)));
	return jx_set(object, name, value, err);
}

static json_t *value_tree(const struct form_doc *doc, struct form_span span)
{
	struct str text = text_of(doc, span);

	return span.is == FORM_WORD ? json_boolean(str_eq(text, STR("true")))
				    : json_stringn(text.p, text.len);
}

static int list_tree(const struct form *f, const struct form_doc *doc, uint32_t list,
		     json_t *into, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < doc->elements.n; i++) {
		const struct form_element *e = &doc->elements.v[i];
		json_t *object;

		if (e->list != list)
			continue;
		object = json_object();
		r = jx_add(into, object, err);
		for (uint32_t at = f->nodes.v[list].child; r == 0 && at;
		     at = f->nodes.v[at].next)
			if (e->v[f->nodes.v[at].member].is != FORM_NOTHING)
				r = set(object, &f->nodes.v[at],
					value_tree(doc, e->v[f->nodes.v[at].member]), err);
	}
	return r;
}

static int object_tree(const struct form *f, const struct form_doc *doc, uint32_t node,
		       json_t *into, struct err *err)
{
	int r = 0;

	for (uint32_t at = f->nodes.v[node].child; r == 0 && at; at = f->nodes.v[at].next) {
		const struct form_node *n = &f->nodes.v[at];
		json_t *value;

		if (n->kind == FORM_SCHEMAS || !is_there(f, doc, at))
			continue;
		value = n->kind == FORM_LIST     ? json_array()
			: n->kind == FORM_OBJECT ? json_object()
						 : value_tree(doc, doc->values.v[at]);
		r = set(into, n, value, err);
		if (r == 0 && n->kind == FORM_LIST)
			r = list_tree(f, doc, at, value, err);
		else if (r == 0 && n->kind == FORM_OBJECT)
			r = object_tree(f, doc, at, value, err);
	}
	return r;
}

int form_tree(const struct form *f, const struct form_doc *doc, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *out = json_object();
	int r = out ? object_tree(f, doc, 0, out, err) : err_nomem(err);

	if (r == 0)
		*ret = TAKE(out);
	return r;
}
