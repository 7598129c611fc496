#include "tests/rehearsal/mischief.h"

#include <stdlib.h>

#include "base/jx.h"

static const char *const kind_texts[FAULT_KINDS] = {
	[FAULT_STATUS] = "status",
	[FAULT_LATENCY] = "latency",
	[FAULT_HANG] = "hang",
	[FAULT_RESET] = "reset",
	[FAULT_CUT] = "cut",
	[FAULT_TRUNCATE] = "truncate",
	[FAULT_GARBAGE] = "garbage",
	[FAULT_REPEAT_PAGE] = "repeat-page",
	[FAULT_SHORT_PAGE] = "short-page",
	[FAULT_EMPTY_PAGE] = "empty-page",
	[FAULT_EARLY_END] = "early-end",
	[FAULT_LOST_ITEMS] = "lost-items",
};

const char *fault_kind_text(enum fault_kind kind)
{
	return kind_texts[kind];
}

bool glob_match(const char *pattern, struct str text)
{
	const char *star = NULL;
	size_t i = 0, resume = 0;

	while (i < text.len) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = i;
		} else if (*pattern && *pattern == text.p[i]) {
			pattern++;
			i++;
		} else if (star) {
			pattern = star;
			i = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static void fault_done(struct fault *f)
{
	free(f->method);
	free(f->path);
	free(f->body);
	json_decref(f->headers);
}

void mischief_clear(struct mischief *m)
{
	for (size_t i = 0; i < m->armed.n; i++)
		fault_done(&m->armed.v[i]);
	m->armed.n = 0;
}

void mischief_done(struct mischief *m)
{
	mischief_clear(m);
	vec_fault_done(&m->armed);
}

static int kind_read(const json_t *from, enum fault_kind *ret, struct err *err)
{
	const char *text = json_string_value(json_object_get(from, "kind"));

	for (int i = 0; text && i < FAULT_KINDS; i++) {
		if (strcmp(text, kind_texts[i]) == 0) {
			*ret = (enum fault_kind)i;
			return 0;
		}
	}
	return err_set(err, ERR_USAGE, "faults: no kind \"%s\"", text ? text : "");
}

int mischief_arm(struct mischief *m, const json_t *from, int64_t *ret_id, struct err *err)
{
	struct fault f = { .count = 1, .status = 503, .share = 1, .id = m->next_id + 1 };
	json_t *headers = NULL, *effect = json_object_get(from, "effect");
	json_t *share = json_object_get(from, "share");
	const struct jx_row rows[] = {
		{ "method", JX_TEXT, offsetof(struct fault, method), false },
		{ "path", JX_TEXT, offsetof(struct fault, path), false },
		{ "body", JX_TEXT, offsetof(struct fault, body), false },
		{ "count", JX_INT, offsetof(struct fault, count), false },
		{ "skip", JX_INT, offsetof(struct fault, skip), false },
		{ "ms", JX_INT, offsetof(struct fault, ms), false },
		{ "seed", JX_INT, offsetof(struct fault, seed), false },
		{ NULL, JX_ANY, 0, false },
	};
	int r = kind_read(from, &f.kind, err);

	if (r == 0)
		r = jx_read(from, rows, &f, err);
	if (r < 0) {
		fault_done(&f);
		return r;
	}
	if (json_is_number(share))
		f.share = json_number_value(share);
	f.chance = (uint64_t)f.seed * 64 + (uint64_t)f.id;
	headers = json_object_get(from, "headers");
	if (json_is_object(headers))
		f.headers = json_incref(headers);
	if (json_is_integer(json_object_get(from, "status")))
		f.status = (int)json_integer_value(json_object_get(from, "status"));
	f.effect = effect ? json_is_true(effect) : f.kind != FAULT_STATUS;
	if (f.kind == FAULT_HANG && f.ms == 0)
		f.ms = 10 * STAMP_MINUTE_MS;
	if (vec_fault_add(&m->armed, f) < 0) {
		fault_done(&f);
		return err_nomem(err);
	}
	*ret_id = m->next_id = f.id;
	return 0;
}

/* splitmix64: a number in [0, 1), the next of its seed. */
static double chance_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (double)((z ^ (z >> 31)) >> 11) / (double)(1ULL << 53);
}

const struct fault *mischief_meet(struct mischief *m, const char *method, struct str path)
{
	for (size_t i = 0; i < m->armed.n; i++) {
		struct fault *f = &m->armed.v[i];

		if (f->count == 0 || (f->method && strcmp(f->method, method) != 0) ||
		    (f->path && !glob_match(f->path, path)))
			continue;
		if (f->share < 1 && chance_next(&f->chance) >= f->share)
			continue;
		if (f->skip > 0) {
			f->skip--;
			continue;
		}
		if (f->count > 0)
			f->count--;
		f->hits++;
		return f;
	}
	return NULL;
}

void mischief_show(const struct mischief *m, struct jw *w)
{
	jw_open(w, "faults", '[');
	for (size_t i = 0; i < m->armed.n; i++) {
		const struct fault *f = &m->armed.v[i];

		jw_open(w, NULL, '{');
		jw_int(w, "id", f->id);
		jw_text(w, "kind", kind_texts[f->kind]);
		jw_text_or_null(w, "method", f->method);
		jw_text_or_null(w, "path", f->path);
		jw_int(w, "count", f->count);
		jw_int(w, "skip", f->skip);
		jw_int(w, "hits", (int64_t)f->hits);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}
