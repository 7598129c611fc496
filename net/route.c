#include "net/route.h"

#include <stdio.h>

struct segment {
	struct str text; /* literal, or the parameter's name */
	bool param, rest;
};

struct pattern {
	const struct http_route *route;
	size_t like; /* the first row that fits the same paths */
	struct segment seg[ROUTE_SEGMENTS_MAX];
	unsigned n;
};

struct route_table {
	size_t n;
	struct pattern t[];
};

static const char *const method_text[] = {
	[HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
	[HTTP_OPTIONS] = "OPTIONS", [HTTP_OTHER] = "OTHER",
};

enum http_method http_method_of(const char *text)
{
	for (unsigned i = 0; i < HTTP_OTHER; i++)
		if (!strcmp(text, method_text[i]))
			return (enum http_method)i;
	return HTTP_OTHER;
}

const char *http_method_text(enum http_method method)
{
	return method_text[method <= HTTP_OTHER ? method : HTTP_OTHER];
}

void route_allow_text(unsigned allowed, char ret[ROUTE_ALLOW_BYTES])
{
	size_t at = 0;

	ret[0] = '\0';
	for (unsigned i = 0; i < HTTP_OTHER; i++)
		if (allowed & 1U << i)
			at += (size_t)snprintf(ret + at, ROUTE_ALLOW_BYTES - at, "%s%s",
					       at ? ", " : "", method_text[i]);
}

/* Takes the next segment that is not empty off *rest. */
static bool next_segment(struct str *rest, struct str *ret)
{
	while (rest->len) {
		struct str tail = { 0 };

		str_cut(*rest, '/', ret, &tail);
		*rest = tail;
		if (ret->len)
			return true;
	}
	return false;
}

static int segment_read(struct pattern *t, struct str text, struct err *err)
{
	struct segment *seg = &t->seg[t->n];

	if (t->n && t->seg[t->n - 1].rest)
		return err_set(err, ERR_INTERNAL, "route %s: nothing may follow \"{...*}\"",
			       t->route->path);
	*seg = (struct segment){ .text = text };
	if (text.p[0] == '{') {
		if (text.len < 3 || text.p[text.len - 1] != '}')
			return err_set(err, ERR_INTERNAL,
				       "route %s: bad segment \"" STR_FMT "\"", t->route->path,
				       STR_ARG(text));
		seg->param = true;
		seg->text = str_n(text.p + 1, text.len - 2);
		if (str_ends(seg->text, STR("*"))) {
			seg->rest = true;
			seg->text.len--;
		}
	}
	t->n++;
	return 0;
}

static int template_read(struct pattern *t, const struct http_route *route, struct err *err)
{
	struct str rest = str_of(route->path), text;
	unsigned params = 0;
	int r;

	t->route = route;
	if (!str_starts(rest, STR("/")))
		return err_set(err, ERR_INTERNAL, "route \"%s\" does not begin with \"/\"",
			       route->path);
	while (next_segment(&rest, &text)) {
		if (t->n == ROUTE_SEGMENTS_MAX)
			return err_set(err, ERR_INTERNAL, "route %s has more than %d segments",
				       route->path, ROUTE_SEGMENTS_MAX);
		r = segment_read(t, text, err);
		if (r < 0)
			return r;
		params += t->seg[t->n - 1].param;
	}
	if (params > ROUTE_PARAMS_MAX)
		return err_set(err, ERR_INTERNAL, "route %s has more than %d parameters",
			       route->path, ROUTE_PARAMS_MAX);
	return 0;
}

/* Whether two rows fit the same paths: their parameters may have other names. */
static bool alike(const struct pattern *a, const struct pattern *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++) {
		const struct segment *x = &a->seg[i], *y = &b->seg[i];

		if (x->param != y->param || x->rest != y->rest ||
		    (!x->param && !str_eq(x->text, y->text)))
			return false;
	}
	return true;
}

static size_t like_of(const struct route_table *t, size_t row)
{
	size_t i = 0;

	while (i < row && !alike(&t->t[i], &t->t[row]))
		i++;
	return i;
}

int route_table_new(struct route_table **ret, const struct http_route *routes, struct err *err)
{
	CLEANUP(route_table_free_at) struct route_table *t = NULL;
	size_t n = 0;
	int r;

	while (routes && routes[n].path)
		n++;
	t = calloc(1, sizeof(*t) + n * sizeof(t->t[0]));
	if (!t)
		return err_nomem(err);
	for (; t->n < n; t->n++) {
		r = template_read(&t->t[t->n], &routes[t->n], err);
		if (r < 0)
			return r;
		t->t[t->n].like = like_of(t, t->n);
	}
	*ret = TAKE(t);
	return 0;
}

void route_table_free(struct route_table *t)
{
	free(t);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether sent, once decoded, is literal. Nothing is copied. */
static bool literal_fits(struct str literal, struct str sent, bool plain)
{
	size_t at = 0;

	if (plain)
		return str_eq(literal, sent);
	for (size_t i = 0; i < literal.len; i++, at++) {
		int c;

		if (at >= sent.len)
			return false;
		c = (unsigned char)sent.p[at];
		if (c == '%') {
			if (at + 2 >= sent.len)
				return false;
			c = hex_value(sent.p[at + 1]) << 4 | hex_value(sent.p[at + 2]);
			at += 2;
		}
		if (c != (unsigned char)literal.p[i])
			return false;
	}
	return at == sent.len;
}

/* A path cut into segments once, held against every template. */
struct cut {
	struct str whole;
	struct str seg[ROUTE_SEGMENTS_MAX];
	unsigned n;
	bool more;  /* than ROUTE_SEGMENTS_MAX segments */
	bool plain; /* nothing is encoded */
};

static void path_cut(struct str path, struct cut *ret)
{
	struct str rest = path, text;

	ret->whole = path;
	ret->n = 0;
	ret->more = false;
	ret->plain = !path.len || !memchr(path.p, '%', path.len);
	while (next_segment(&rest, &text)) {
		if (ret->n == ROUTE_SEGMENTS_MAX) {
			ret->more = true;
			return;
		}
		ret->seg[ret->n++] = text;
	}
}

static bool template_fits(const struct pattern *t, const struct cut *path)
{
	bool rest = t->n && t->seg[t->n - 1].rest;

	if (rest ? path->n < t->n : path->n != t->n || path->more)
		return false;
	for (unsigned i = 0; i < t->n; i++)
		if (!t->seg[i].param &&
		    !literal_fits(t->seg[i].text, path->seg[i], path->plain))
			return false;
	return true;
}

/* Whether a says more than b about a path that both fit. */
static bool more_literal(const struct pattern *a, const struct pattern *b)
{
	for (unsigned i = 0; i < a->n && i < b->n; i++) {
		int left = a->seg[i].rest ? 2 : a->seg[i].param;
		int right = b->seg[i].rest ? 2 : b->seg[i].param;

		if (left != right)
			return left < right;
	}
	return false;
}

static void params_take(const struct pattern *t, const struct cut *path,
			struct route_match *ret)
{
	ret->params = 0;
	for (unsigned i = 0; i < t->n; i++) {
		struct str value;

		if (!t->seg[i].param)
			continue;
		value = path->seg[i];
		if (t->seg[i].rest)
			value.len = (size_t)(path->whole.p + path->whole.len - value.p);
		ret->param[ret->params++] = (struct route_param){ t->seg[i].text, value };
	}
}

int route_find(const struct route_table *t, enum http_method method, struct str path,
	       struct route_match *ret)
{
	const struct pattern *best = NULL, *same = NULL;
	struct cut cut;

	*ret = (struct route_match){ 0 };
	path_cut(path, &cut);
	/* First which template says most about this path, then its methods: a path that a
	 * literal row knows is not handed to a wilder row because of the method. */
	for (size_t i = 0; i < t->n; i++)
		if (t->t[i].like == i && template_fits(&t->t[i], &cut) &&
		    (!best || more_literal(&t->t[i], best)))
			best = &t->t[i];
	if (!best)
		return ROUTE_NO_PATH;
	for (size_t i = 0; i < t->n; i++) {
		const struct pattern *one = &t->t[i];

		if (one->like != best->like &&
		    (!template_fits(one, &cut) || more_literal(best, one)))
			continue;
		ret->allowed |= 1U << one->route->method;
		if (one->route->method == method)
			same = one;
		else if (!same && method == HTTP_HEAD && one->route->method == HTTP_GET)
			same = one;
	}
	if (ret->allowed & 1U << HTTP_GET)
		ret->allowed |= 1U << HTTP_HEAD;
	if (!same)
		return ROUTE_NO_METHOD;
	ret->route = same->route;
	params_take(same, &cut, ret);
	return 0;
}
