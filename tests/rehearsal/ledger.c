#include "tests/rehearsal/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ledger_init(struct ledger *l, struct err *err)
{
	*l = (struct ledger){ .ring = calloc(LEDGER_REQUESTS, sizeof(*l->ring)) };
	return l->ring ? 0 : err_nomem(err);
}

void ledger_clear(struct ledger *l)
{
	struct ledger_count *c, *c_next;
	struct effect_count *e, *e_next;
	struct ledger_request *ring = l->ring;
	size_t cleared;

	for (size_t i = 0; ring && i < LEDGER_REQUESTS; i++) {
		free(ring[i].path);
		ring[i] = (struct ledger_request){ 0 };
	}
	for (size_t i = 0; i < l->effects.n; i++) {
		free(l->effects.v[i].account);
		free(l->effects.v[i].detail);
		free(l->effects.v[i].by);
		free(l->effects.v[i].key);
	}
	l->cleared += l->effects.n;
	cleared = l->cleared;
	vec_effect_done(&l->effects);
	HASH_ITER (hh, l->counts, c, c_next) {
		HASH_DEL(l->counts, c);
		free(c->endpoint);
		free(c);
	}
	HASH_ITER (hh, l->effect_counts, e, e_next) {
		HASH_DEL(l->effect_counts, e);
		free(e->key);
		free(e);
	}
	*l = (struct ledger){ .ring = ring, .cleared = cleared };
}

void ledger_done(struct ledger *l)
{
	ledger_clear(l);
	free(l->ring);
	l->ring = NULL;
}

static void endpoint_count(struct ledger *l, const char *endpoint, int status)
{
	struct ledger_count *c;

	HASH_FIND_STR(l->counts, endpoint, c);
	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			return;
		c->endpoint = strdup(endpoint);
		if (c->endpoint)
			HASH_ADD_KEYPTR(hh, l->counts, c->endpoint, strlen(c->endpoint), c);
		if (!c->endpoint || !MAP_ADDED(c)) {
			free(c->endpoint);
			free(c);
			return;
		}
	}
	c->n++;
	if (status < 200 || status >= 300)
		c->failed++;
}

static char *path_text(struct str path, struct str query)
{
	size_t room = path.len + query.len + 2;
	char *text = malloc(room);

	if (text)
		snprintf(text, room, STR_FMT "%s" STR_FMT, STR_ARG(path), query.len ? "?" : "",
			 STR_ARG(query));
	return text;
}

uint64_t ledger_request(struct ledger *l, int64_t at_ms, const char *method, struct str path,
			struct str query, const char *endpoint, int status, const char *fault)
{
	struct ledger_request *r = &l->ring[l->requests % LEDGER_REQUESTS];

	l->requests++;
	if (strcmp(method, "GET") != 0)
		l->writes++;
	if (status >= 0 && (size_t)status < COUNT_OF(l->statuses))
		l->statuses[status]++;
	l->run_429 = status == 429 ? l->run_429 + 1 : 0;
	if (l->run_429 > l->longest_429)
		l->longest_429 = l->run_429;
	endpoint_count(l, endpoint, status);
	free(r->path);
	*r = (struct ledger_request){ .n = l->requests,
				      .at_ms = at_ms,
				      .status = status,
				      .path = path_text(path, query) };
	snprintf(r->method, sizeof(r->method), "%.7s", method);
	snprintf(r->fault, sizeof(r->fault), "%s", fault ? fault : "");
	return l->requests;
}

static void effect_key_count(struct ledger *l, const char *op, const char *account,
			     const char *detail, bool changed)
{
	char key[400];
	struct effect_count *e;

	snprintf(key, sizeof(key), "%s %s%s%s", op, account, *detail ? " " : "", detail);
	HASH_FIND_STR(l->effect_counts, key, e);
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return;
		e->key = strdup(key);
		if (e->key)
			HASH_ADD_KEYPTR(hh, l->effect_counts, e->key, strlen(e->key), e);
		if (!e->key || !MAP_ADDED(e)) {
			free(e->key);
			free(e);
			return;
		}
	}
	e->calls++;
	e->changes += changed;
}

void ledger_effect(struct ledger *l, uint64_t n, int64_t at_ms, const char *op,
		   const char *account, const char *detail, bool changed)
{
	struct effect e = { .n = n, .at_ms = at_ms, .op = op, .changed = changed };

	effect_key_count(l, op, account, detail, changed);
	if (l->effects.n == LEDGER_EFFECTS)
		return;
	e.account = strdup(account);
	e.detail = strdup(detail);
	if (!e.account || !e.detail || vec_effect_add(&l->effects, e) < 0) {
		free(e.account);
		free(e.detail);
	}
}

void ledger_event(struct ledger *l, int64_t at_ms, const char *op, const char *account,
		  const char *detail, const char *by, const char *key)
{
	struct effect e = { .at_ms = at_ms, .op = op, .changed = true };

	if (l->effects.n == LEDGER_EFFECTS)
		return;
	e.account = strdup(account);
	e.detail = strdup(detail);
	e.by = strdup(by);
	e.key = key ? strdup(key) : NULL;
	if (!e.account || !e.detail || !e.by || (key && !e.key) ||
	    vec_effect_add(&l->effects, e) < 0) {
		free(e.account);
		free(e.detail);
		free(e.by);
		free(e.key);
	}
}

void ledger_numbers(const struct ledger *l, struct jw *w)
{
	jw_int(w, "requests", (int64_t)l->requests);
	jw_int(w, "writes", (int64_t)l->writes);
	jw_int(w, "effectsDone", (int64_t)l->effects.n);
}

static void counts_show(const struct ledger *l, struct jw *w)
{
	struct ledger_count *c, *next;

	jw_int(w, "requests", (int64_t)l->requests);
	jw_int(w, "writes", (int64_t)l->writes);
	jw_int(w, "longest429", (int64_t)l->longest_429);
	jw_open(w, "statuses", '{');
	for (size_t i = 0; i < COUNT_OF(l->statuses); i++) {
		char text[16];

		snprintf(text, sizeof(text), "%zu", i);
		if (l->statuses[i])
			jw_int(w, text, (int64_t)l->statuses[i]);
	}
	jw_close(w, '}');
	jw_open(w, "endpoints", '{');
	HASH_ITER (hh, l->counts, c, next) {
		jw_open(w, c->endpoint, '{');
		jw_int(w, "requests", (int64_t)c->n);
		jw_int(w, "failed", (int64_t)c->failed);
		jw_close(w, '}');
	}
	jw_close(w, '}');
}

static void effects_show(const struct ledger *l, struct jw *w)
{
	struct effect_count *e, *next;

	jw_open(w, "effects", '[');
	for (size_t i = 0; i < l->effects.n; i++) {
		const struct effect *f = &l->effects.v[i];

		if (f->by)
			continue;
		jw_open(w, NULL, '{');
		jw_int(w, "request", (int64_t)f->n);
		jw_time(w, "at", f->at_ms);
		jw_text(w, "op", f->op);
		jw_text(w, "account", f->account);
		jw_text(w, "detail", f->detail);
		jw_bool(w, "changed", f->changed);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_open(w, "effectCounts", '{');
	HASH_ITER (hh, l->effect_counts, e, next) {
		jw_open(w, e->key, '{');
		jw_int(w, "calls", (int64_t)e->calls);
		jw_int(w, "changes", (int64_t)e->changes);
		jw_close(w, '}');
	}
	jw_close(w, '}');
}

void ledger_show(const struct ledger *l, struct jw *w, size_t last)
{
	uint64_t kept = l->requests < LEDGER_REQUESTS ? l->requests : LEDGER_REQUESTS;

	counts_show(l, w);
	effects_show(l, w);
	jw_open(w, "log", '[');
	for (uint64_t i = l->requests - (last < kept ? last : kept); i < l->requests; i++) {
		const struct ledger_request *r = &l->ring[i % LEDGER_REQUESTS];

		jw_open(w, NULL, '{');
		jw_int(w, "n", (int64_t)r->n);
		jw_time(w, "at", r->at_ms);
		jw_text(w, "method", r->method);
		jw_text(w, "path", r->path);
		jw_int(w, "status", r->status);
		if (r->fault[0])
			jw_text(w, "fault", r->fault);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}
