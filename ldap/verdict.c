#include "ldap/verdict.h"

#include <stdlib.h>

#include "ldap/status.h"

static void paths_free(struct dir_paths *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i]);
	dir_paths_done(p);
}

void dir_attr_stats_free(struct dir_attr_stats *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].name);
		free(s->v[i].why);
		paths_free(&s->v[i].paths);
	}
	dir_attr_stats_done(s);
}

void dir_canaries_free(struct dir_canaries *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].text);
		free(c->v[i].lacks);
	}
	dir_canaries_done(c);
}

void dir_branches_free(struct dir_branches *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->v[i].dn);
	dir_branches_done(b);
}

void dir_verdict_done(struct dir_verdict *v)
{
	if (!v)
		return;
	free(v->uri);
	free(v->vendor);
	free(v->server_id);
	free(v->base_id);
	free(v->who);
	dir_waters_free(&v->waters);
	dir_attr_stats_free(&v->attrs);
	dir_branches_free(&v->branches);
	dir_canaries_free(&v->canaries);
	*v = (struct dir_verdict){ 0 };
}

/* --- to JSON -------------------------------------------------------------------------------
 */

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static int attr_json(const struct dir_attr_stat *a, json_t *into, struct err *err)
{
	CLEANUP(json_decref_at) json_t *j = json_object();
	CLEANUP(json_decref_at) json_t *paths = json_array();
	int r = j && paths ? 0 : err_nomem(err);

	if (r == 0)
		r = jx_set(j, "name", json_string(a->name), err);
	if (r == 0)
		r = jx_set(j, "with", json_integer((json_int_t)a->with), err);
	if (r == 0)
		r = jx_set(j, "state", json_boolean(a->state), err);
	if (r == 0)
		r = jx_set(j, "unknown", json_boolean(a->unknown), err);
	if (r == 0)
		r = jx_set(j, "judged", json_boolean(a->judged), err);
	if (r == 0 && a->why)
		r = jx_set(j, "why", json_string(a->why), err);
	for (size_t i = 0; i < a->paths.n && r == 0; i++)
		r = jx_add(paths, json_string(a->paths.v[i]), err);
	if (r == 0)
		r = jx_set(j, "paths", json_incref(paths), err);
	if (r == 0)
		r = jx_set(j, "baseWith", json_integer((json_int_t)a->base_with), err);
	if (r == 0)
		r = jx_set(j, "baseEntries", json_integer((json_int_t)a->base_entries), err);
	return r < 0 ? r : jx_add(into, json_incref(j), err);
}

static int canary_json(const struct dir_canary *c, json_t *into, struct err *err)
{
	CLEANUP(json_decref_at) json_t *j = json_object();
	int r = j ? jx_set(j, "canary", json_string(c->text), err) : err_nomem(err);

	if (r == 0)
		r = jx_set(j, "seen", json_boolean(c->seen), err);
	if (r == 0 && c->lacks)
		r = jx_set(j, "lacks", json_string(c->lacks), err);
	return r < 0 ? r : jx_add(into, json_incref(j), err);
}

static int lists_json(const struct dir_verdict *v, json_t *j, struct err *err)
{
	CLEANUP(json_decref_at) json_t *waters = json_object();
	CLEANUP(json_decref_at) json_t *attrs = json_array();
	CLEANUP(json_decref_at) json_t *branches = json_object();
	CLEANUP(json_decref_at) json_t *canaries = json_array();
	CLEANUP(json_decref_at) json_t *states = json_object();
	int r = waters && attrs && branches && canaries && states ? 0 : err_nomem(err);

	for (size_t i = 0; i < v->waters.n && r == 0; i++)
		r = jx_set(waters, v->waters.v[i].name, json_string(v->waters.v[i].value), err);
	for (size_t i = 0; i < v->attrs.n && r == 0; i++)
		r = attr_json(&v->attrs.v[i], attrs, err);
	for (size_t i = 0; i < v->branches.n && r == 0; i++)
		r = jx_set(branches, v->branches.v[i].dn,
			   json_integer((json_int_t)v->branches.v[i].entries), err);
	for (size_t i = 0; i < v->canaries.n && r == 0; i++)
		r = canary_json(&v->canaries.v[i], canaries, err);
	for (size_t i = 0; i < DIR_STATE_COUNT && r == 0; i++)
		r = jx_set(states, dir_state_words[i], json_integer((json_int_t)v->states[i]),
			   err);
	if (r == 0)
		r = jx_set(j, "waters", json_incref(waters), err);
	if (r == 0)
		r = jx_set(j, "attributes", json_incref(attrs), err);
	if (r == 0)
		r = jx_set(j, "branches", json_incref(branches), err);
	if (r == 0)
		r = jx_set(j, "canaries", json_incref(canaries), err);
	return r < 0 ? r : jx_set(j, "states", json_incref(states), err);
}

/* The flat members: name, and where they are. */
#define TEXT(name, field)                                                                      \
	{                                                                                      \
		name, offsetof(struct dir_verdict, field)                                      \
	}
static const struct {
	const char *name;
	size_t offset;
} texts[] = { TEXT("uri", uri), TEXT("vendor", vendor), TEXT("serverId", server_id),
	      TEXT("baseId", base_id), TEXT("boundAs", who) };
static const struct {
	const char *name;
	size_t offset;
} counts[] = { TEXT("entries", entries),      TEXT("pages", pages),
	       TEXT("deleted", deleted),      TEXT("twice", twice),
	       TEXT("startedMs", started_ms), TEXT("durationMs", duration_ms),
	       TEXT("ownCount", own_count),   TEXT("ownShown", own_shown) };
#undef TEXT

static char **text_at(const struct dir_verdict *v, size_t i)
{
	return (char **)(void *)((char *)(uintptr_t)v + texts[i].offset);
}

static int64_t *count_at(const struct dir_verdict *v, size_t i)
{
	return (int64_t *)(void *)((char *)(uintptr_t)v + counts[i].offset);
}

int dir_verdict_json(const struct dir_verdict *v, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *j = json_object();
	int r = j ? jx_set(j, "complete", json_boolean(v->complete), err) : err_nomem(err);

	if (r == 0 && !v->complete)
		r = jx_set(j, "error", json_string(err_class(v->code)->word), err);
	if (r == 0 && !v->complete)
		r = jx_set(j, "why", json_string(v->why), err);
	for (size_t i = 0; i < COUNT_OF(counts) && r == 0; i++)
		r = jx_set(j, counts[i].name, json_integer(*count_at(v, i)), err);
	if (r == 0)
		r = jx_set(j, "attempts", json_integer(v->attempts), err);
	if (r == 0)
		r = jx_set(j, "kind", json_string(dir_trait(v->kind)->word), err);
	if (r == 0)
		r = jx_set(j, "question", json_string(v->question), err);
	for (size_t i = 0; i < COUNT_OF(texts) && r == 0; i++)
		r = jx_set(j, texts[i].name, text_or_null(*text_at(v, i)), err);
	if (r == 0)
		r = lists_json(v, j, err);
	if (r < 0)
		return r;
	*ret = TAKE(j);
	return 0;
}

/* --- from JSON -----------------------------------------------------------------------------
 */

static int copy(const char *text, char **ret, struct err *err)
{
	if (!text)
		return 0;
	*ret = str_dup(str_of(text));
	return *ret ? 0 : err_nomem(err);
}

static uint64_t number(const json_t *j)
{
	json_int_t n = json_integer_value(j);

	return n > 0 ? (uint64_t)n : 0;
}

static int attr_read(const json_t *j, struct dir_attr_stats *into, struct err *err)
{
	struct dir_attr_stat *a;
	const json_t *paths = json_object_get(j, "paths"), *path;
	size_t i;
	int r;

	if (!jx_get_text(j, "name"))
		return err_set(err, ERR_PROTOCOL, "a verdict's attribute has no name");
	if (dir_attr_stats_add(into, (struct dir_attr_stat){ 0 }) < 0)
		return err_nomem(err);
	a = &into->v[into->n - 1];
	a->with = number(json_object_get(j, "with"));
	a->state = json_is_true(json_object_get(j, "state"));
	a->unknown = json_is_true(json_object_get(j, "unknown"));
	a->judged = json_is_true(json_object_get(j, "judged"));
	a->base_with = number(json_object_get(j, "baseWith"));
	a->base_entries = number(json_object_get(j, "baseEntries"));
	r = copy(jx_get_text(j, "name"), &a->name, err);
	if (r == 0)
		r = copy(jx_get_text(j, "why"), &a->why, err);
	json_array_foreach (paths, i, path) {
		char *text = NULL;

		if (r == 0)
			r = copy(json_string_value(path), &text, err);
		if (text && dir_paths_add(&a->paths, text) < 0) {
			free(text);
			r = err_nomem(err);
		}
	}
	return r;
}

static int canary_read(const json_t *j, struct dir_canaries *into, struct err *err)
{
	struct dir_canary c = { .seen = json_is_true(json_object_get(j, "seen")) };
	int r = copy(jx_get_text(j, "canary"), &c.text, err);

	if (r == 0)
		r = copy(jx_get_text(j, "lacks"), &c.lacks, err);
	if (r == 0 && !c.text)
		r = err_set(err, ERR_PROTOCOL, "a verdict's canary has no text");
	if (r == 0 && dir_canaries_add(into, c) < 0)
		r = err_nomem(err);
	if (r < 0) {
		free(c.text);
		free(c.lacks);
	}
	return r;
}

static int water_read(const char *name, const json_t *j, struct dir_waters *into,
		      struct err *err)
{
	struct dir_water w = { 0 };
	int r = copy(name, &w.name, err);

	if (r == 0)
		r = copy(json_is_string(j) ? json_string_value(j) : "", &w.value, err);
	if (r == 0 && dir_waters_add(into, w) < 0)
		r = err_nomem(err);
	if (r < 0) {
		free(w.name);
		free(w.value);
	}
	return r;
}

static int branch_read(const char *dn, const json_t *j, struct dir_branches *into,
		       struct err *err)
{
	struct dir_branch b = { NULL, number(j) };
	int r = copy(dn, &b.dn, err);

	if (r == 0 && dir_branches_add(into, b) < 0)
		r = err_nomem(err);
	if (r < 0)
		free(b.dn);
	return r;
}

static int lists_read(const json_t *j, struct dir_verdict *v, struct err *err)
{
	const json_t *item;
	const char *name;
	size_t i;
	int r = 0;

	json_array_foreach (json_object_get(j, "attributes"), i, item)
		r = r < 0 ? r : attr_read(item, &v->attrs, err);
	json_array_foreach (json_object_get(j, "canaries"), i, item)
		r = r < 0 ? r : canary_read(item, &v->canaries, err);
	json_object_foreach (json_object_get(j, "waters"), name, item)
		r = r < 0 ? r : water_read(name, item, &v->waters, err);
	json_object_foreach (json_object_get(j, "branches"), name, item)
		r = r < 0 ? r : branch_read(name, item, &v->branches, err);
	for (i = 0; i < DIR_STATE_COUNT; i++)
		v->states[i] = number(
			json_object_get(json_object_get(j, "states"), dir_state_words[i]));
	return r;
}

static void text_put(const char *text, char *ret, size_t room)
{
	size_t n = text ? strlen(text) : 0;

	if (n >= room)
		n = room - 1;
	if (n)
		memcpy(ret, text, n);
	ret[n] = '\0';
}

int dir_verdict_from_json(const json_t *j, struct dir_verdict *ret, struct err *err)
{
	CLEANUP(dir_verdict_done) struct dir_verdict v = { 0 };
	const char *kind = jx_get_text(j, "kind"), *word = jx_get_text(j, "error");
	int r = 0;

	if (!json_is_object(j) || !json_is_boolean(json_object_get(j, "complete")) || !kind ||
	    !json_is_integer(json_object_get(j, "entries")))
		return err_set(err, ERR_PROTOCOL,
			       "this is not the verdict of a directory read");
	v.complete = json_is_true(json_object_get(j, "complete"));
	v.code = word ? err_by_word(word) : 0;
	text_put(jx_get_text(j, "why"), v.why, sizeof(v.why));
	text_put(jx_get_text(j, "question"), v.question, sizeof(v.question));
	v.attempts = (int)number(json_object_get(j, "attempts"));
	for (int k = 0; k < DIR_KIND_COUNT; k++)
		if (strcmp(dir_trait((enum dir_kind)k)->word, kind) == 0)
			v.kind = (enum dir_kind)k;
	for (size_t i = 0; i < COUNT_OF(counts); i++)
		*count_at(&v, i) = json_integer_value(json_object_get(j, counts[i].name));
	for (size_t i = 0; i < COUNT_OF(texts) && r == 0; i++)
		r = copy(jx_get_text(j, texts[i].name), text_at(&v, i), err);
	if (r == 0)
		r = lists_read(j, &v, err);
	if (r < 0)
		return r;
	*ret = v;
	v = (struct dir_verdict){ 0 };
	return 0;
}
