#include "bridge/widen.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"

#define PATH_BYTES 4096
#define DEPTH_MOST 16

/* --- a text as settings ---------------------------------------------------------------------
 */

struct setting {
	char *path, *value;
};
VEC(vec_setting, struct setting);

static void settings_done(struct vec_setting *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->v[i].path);
		free(v->v[i].value);
	}
	vec_setting_done(v);
}

/* Where a line stands: the keys above it, by their indent. */
struct place {
	struct {
		size_t indent;
		struct str key;
	} at[DEPTH_MOST];
	size_t n;
};

static struct str unquoted(struct str s)
{
	if (s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"')
		return str_n(s.p + 1, s.len - 2);
	return s;
}

static void climb(struct place *p, size_t indent)
{
	while (p->n && p->at[p->n - 1].indent >= indent)
		p->n--;
}

static void enter(struct place *p, size_t indent, struct str key)
{
	climb(p, indent);
	if (p->n == DEPTH_MOST)
		return;
	p->at[p->n].indent = indent;
	p->at[p->n++].key = key;
}

static char *path_of(const struct place *p, struct str key)
{
	CLEANUP(buf_done) struct buf b;

	buf_init(&b, PATH_BYTES);
	for (size_t i = 0; i < p->n; i++)
		buf_addf(&b, STR_FMT ".", STR_ARG(p->at[i].key));
	buf_add_str(&b, key);
	return b.fault ? NULL : buf_take(&b, NULL);
}

static int setting_add(struct vec_setting *v, const struct place *p, struct str key,
		       struct str value, struct err *err)
{
	struct setting s = { path_of(p, key), str_dup(unquoted(value)) };

	if (!s.path || !s.value || vec_setting_add(v, s) < 0) {
		free(s.path);
		free(s.value);
		return err_nomem(err);
	}
	return 0;
}

/* "- text" of a list: one more of the setting that is the list itself. */
static int item_add(struct vec_setting *v, const struct place *p, struct str value,
		    struct err *err)
{
	CLEANUP(free_at) char *path = NULL;
	struct place above = *p;
	struct str key;
	CLEANUP(buf_done) struct buf b;
	struct setting *last;

	buf_init(&b, 65536);
	if (!p->n)
		return 0;
	above.n--;
	key = p->at[above.n].key;
	path = path_of(&above, key);
	if (!path)
		return err_nomem(err);
	last = v->n ? &v->v[v->n - 1] : NULL;
	if (!last || strcmp(last->path, path) != 0)
		return setting_add(v, &above, key, value, err);
	buf_addf(&b, "%s, " STR_FMT, last->value, STR_ARG(unquoted(value)));
	if (b.fault)
		return buf_fault(&b, err, "a list of the configuration");
	free(last->value);
	last->value = buf_take(&b, NULL);
	return last->value ? 0 : err_nomem(err);
}

/* "KEY: VALUE"; a key that is no plain word stands in quotes, as a text of a list does. */
static bool key_cut(struct str line, struct str *key, struct str *value)
{
	size_t end = 1;

	if (line.p[0] != '"')
		return str_cut(line, ':', key, value);
	while (end < line.len && line.p[end] != '"')
		end += line.p[end] == '\\' ? 2 : 1;
	if (end + 1 >= line.len || line.p[end + 1] != ':')
		return false;
	*key = str_n(line.p + 1, end - 1);
	*value = str_n(line.p + end + 2, line.len - end - 2);
	return true;
}

static int line_read(struct vec_setting *v, struct place *p, struct str line, struct err *err)
{
	size_t indent = 0;
	struct str key, value;
	bool item = false;

	while (indent < line.len && line.p[indent] == ' ')
		indent++;
	line = str_n(line.p + indent, line.len - indent);
	if (!line.len)
		return 0;
	climb(p, indent);
	if (str_starts(line, STR("- "))) {
		item = true;
		line = str_n(line.p + 2, line.len - 2);
	}
	/* a text with a colon in it is quoted where it could be taken for a key */
	if (!key_cut(line, &key, &value))
		return item ? item_add(v, p, line, err) : 0;
	value = str_trim(value);
	if (item) {
		/* an entry is called by its first value: its name, or host */
		enter(p, indent, unquoted(value));
		indent += 2;
	}
	if (value.len)
		return setting_add(v, p, key, value, err);
	enter(p, indent, key);
	return 0;
}

static int settings_read(struct str text, struct vec_setting *v, struct err *err)
{
	struct place place = { .n = 0 };
	struct str line, rest = text;
	int r = 0;

	while (r == 0 && rest.len) {
		str_cut(rest, '\n', &line, &rest);
		r = line_read(v, &place, line, err);
	}
	return r;
}

static const char *value_of(const struct vec_setting *v, const char *path)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->v[i].path, path) == 0)
			return v->v[i].value;
	return NULL;
}

/* --- what lets less -------------------------------------------------------------------------
 */

enum way {
	ANY,      /* whatever changed lets more */
	MORE,     /* a greater number lets more */
	LESS,     /* a smaller one does */
	YES,      /* "true" lets more */
	NO,       /* "false" does */
	STEPS,    /* the ladder of a rule */
	GROWS,    /* what comes lets less, what goes lets more */
	SHRINKS,  /* what goes lets less */
	STRICTER, /* what comes lets less; a change, or what goes, lets more */
};

/* The first row that fits holds: begin and end of the path. */
/* clang-format off */
static const struct {
	const char *begin, *end;
	enum way way;
} rows[] = {
	{ "policy.rules.",         ".off",               NO },
	{ "policy.rules.",         ".automatic",         YES },
	{ "policy.rules.",         ".settle",            NO },
	{ "policy.rules.",         ".then",              STEPS },
	{ "policy.rules.",         ".limit",             STRICTER },
	{ "policy.rules.",         "",                   ANY },
	{ "policy.match.",         "",                   SHRINKS },
	{ "policy.protections.",   "",                   GROWS },
	{ "policy.limits.",        "",                   MORE },
	{ "policy.settle",         "",                   LESS },
	{ "policy.hand_approval",  "",                   LESS },
	{ "policy.shipped",        "",                   YES },
	{ "policy.business_days",  "",                   NO },
	{ "policy.change_hours.on", "",                  NO },
	{ "policy.",               "",                   ANY },
	{ "approvals.single_admin", "",                  YES },
	{ "approvals.single_delay", "",                  LESS },
	{ "approvals.signed",      "",                   ANY }, /* but see lets_more() */
	{ "approvals.",            "",                   ANY },
	{ "sources.",              ".role",              ANY },
	{ "sources.",              ".gone_reads",        LESS },
	{ "sources.",              ".gone_after",        LESS },
	{ "sources.",              ".drop_count",        MORE },
	{ "sources.",              ".drop_share",        MORE },
	{ "sources.",              ".attribute_drop",    MORE },
	{ "sources.",              ".minimum",           LESS },
	{ "sources.",              ".max_age",           MORE },
	{ "sources.",              ".canaries",          ANY },
	{ "sources.",              ".grow_count",        MORE },
	{ "sources.",              ".grow_share",        MORE },
	{ "sources.",              ".change_count",      MORE },
	{ "sources.",              ".change_share",      MORE },
	{ "sources.",              ".bad_rows",          MORE },
	{ "sources.",              ".checksum",          NO },
	{ "sources.",              ".signed_by",         ANY },
	{ "organisations.",        ".sources",           ANY },
	{ "organisations.",        ".scope",             ANY },
	{ "organisations.",        ".hold_after",        MORE },
	{ "organisations.",        ".provisioning.automatic", YES },
	{ "organisations.",        ".provisioning.preboard", MORE },
	{ "organisations.",        ".overlap",           LESS },
	{ "organisations.",        ".provisioning.directory", SHRINKS },
	{ "organisations.",        ".provisioning.issuer", ANY },
	{ "organisations.",        ".when",              ANY },
	/* whose writes hold every plan */
	{ "organisations.",        ".key_ids",           ANY },
	{ "organisations.",        ".events",            NO },
};
/* clang-format on */

static bool ends(const char *s, const char *with)
{
	size_t n = strlen(s), w = strlen(with);

	return n >= w && strcmp(s + n - w, with) == 0;
}

static int row_of(const char *path)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (strncmp(path, rows[i].begin, strlen(rows[i].begin)) == 0 &&
		    ends(path, rows[i].end))
			return (int)i;
	return -1;
}

/* A duration in ms, or a number. */
static double amount(const char *text)
{
	int64_t ms;

	return str_duration_ms(str_of(text), &ms) ? (double)ms : strtod(text, NULL);
}

/* "deactivate after 7d": the kind, and its wait in ms. */
static int64_t step_read(struct str step, struct str *kind)
{
	struct str word, rest = { 0 };
	int64_t ms = 0;

	step = str_trim(step);
	if (!str_cut(step, ' ', kind, &rest))
		return 0;
	(void)str_cut(rest, ' ', &word, &rest);
	(void)str_duration_ms(str_trim(rest), &ms);
	return ms;
}

/* Fewer steps from the end, and longer waits, let less. */
static bool ladder_lets_more(const char *was, const char *is)
{
	struct str a, b, rest_a = str_of(was), rest_b = str_of(is), kind_a, kind_b;

	while (rest_b.len) {
		int64_t wait_a, wait_b;

		if (!rest_a.len)
			return true;
		str_cut(rest_a, ',', &a, &rest_a);
		str_cut(rest_b, ',', &b, &rest_b);
		wait_a = step_read(a, &kind_a);
		wait_b = step_read(b, &kind_b);
		if (!str_eq(kind_a, kind_b) || wait_b < wait_a)
			return true;
	}
	return false;
}

/* was NULL: it comes; is NULL: it goes. */
static bool lets_more(int row, const char *path, const char *was, const char *is)
{
	if (strcmp(path, "approvals.signed") == 0)
		return is && strcmp(is, "always") != 0;
	if (rows[row].way == GROWS)
		return was != NULL;
	if (rows[row].way == SHRINKS)
		return is != NULL;
	if (rows[row].way == STRICTER)
		return was != NULL;
	if (!was || !is)
		return true;
	switch (rows[row].way) {
	case MORE:
		return amount(is) > amount(was);
	case LESS:
		return amount(is) < amount(was);
	case YES:
		return strcmp(is, "false") != 0;
	case NO:
		return strcmp(is, "true") != 0;
	case STEPS:
		return ladder_lets_more(was, is);
	default:
		return true;
	}
}

/* A rule that the program does not know by itself, gone with all its settings. */
static bool rule_goes(const char *path, const struct vec_setting *is, struct str shipped)
{
	static const char begin[] = "policy.rules.";
	char name[PATH_BYTES], line[PATH_BYTES + 16];
	const char *dot;

	if (strncmp(path, begin, sizeof(begin) - 1) != 0)
		return false;
	dot = strrchr(path, '.');
	if (dot < path + sizeof(begin))
		return false;
	snprintf(name, sizeof(name), "%.*s.name", (int)(dot - path), path);
	if (value_of(is, name))
		return false;
	snprintf(line, sizeof(line), "name: %.*s\n", (int)(dot - path - (sizeof(begin) - 1)),
		 path + sizeof(begin) - 1);
	return !memmem(shipped.p, shipped.len, line, strlen(line));
}

/* --- both -----------------------------------------------------------------------------------
 */

static int differs(const char *path, const char *was, const char *is, bool more, json_t *diff,
		   json_t *wider, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	int r;

	buf_init(&text, 262144);
	buf_addf(&text, "%s: %s -> %s", path, was ? was : "(nothing)", is ? is : "(nothing)");
	r = buf_fault(&text, err, "a difference of the configuration");
	if (r == 0)
		r = jx_add(diff, json_string(text.p), err);
	return r < 0 || !more ? r : jx_add(wider, json_string(text.p), err);
}

/* The entries that both have, in the order of one. */
static int order_of(const struct vec_setting *v, const struct vec_setting *other,
		    const char *begin, struct buf *into, struct err *err)
{
	for (size_t i = 0; i < v->n; i++) {
		const char *path = v->v[i].path;

		if (strncmp(path, begin, strlen(begin)) == 0 && ends(path, ".name") &&
		    value_of(other, path))
			buf_addf(into, "%s%s", into->len ? ", " : "", v->v[i].value);
	}
	return buf_fault(into, err, "an order of the configuration");
}

/* Lists in which an earlier entry has the first word. */
static int orders_compare(const struct vec_setting *a, const struct vec_setting *b,
			  json_t *diff, json_t *wider, struct err *err)
{
	static const char *const begins[] = { "sources.", "policy.match.", "policy.rules." };
	char path[64];
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT_OF(begins); i++) {
		CLEANUP(buf_done) struct buf was, is;

		buf_init(&was, 65536);
		buf_init(&is, 65536);
		r = order_of(a, b, begins[i], &was, err);
		if (r == 0)
			r = order_of(b, a, begins[i], &is, err);
		snprintf(path, sizeof(path), "%s(order)", begins[i]);
		if (r == 0 && !str_eq(buf_str(&was), buf_str(&is)))
			r = differs(path, was.p, is.p, true, diff, wider, err);
	}
	return r;
}

int widen_compare(struct str was, struct str is, struct str shipped, json_t *diff,
		  json_t *wider, struct err *err)
{
	CLEANUP(settings_done) struct vec_setting a = { 0 }, b = { 0 };
	int r = settings_read(was, &a, err);

	if (r == 0)
		r = settings_read(is, &b, err);
	for (size_t i = 0; r == 0 && i < b.n; i++) {
		const struct setting *s = &b.v[i];
		const char *before = value_of(&a, s->path);
		int row = row_of(s->path);

		if (!before || strcmp(before, s->value) != 0)
			r = differs(s->path, before, s->value,
				    row >= 0 && lets_more(row, s->path, before, s->value), diff,
				    wider, err);
	}
	for (size_t i = 0; r == 0 && i < a.n; i++) {
		const struct setting *s = &a.v[i];
		int row = row_of(s->path);

		if (!value_of(&b, s->path))
			r = differs(s->path, s->value, NULL,
				    row >= 0 && lets_more(row, s->path, s->value, NULL) &&
					    !rule_goes(s->path, &b, shipped),
				    diff, wider, err);
	}
	return r == 0 ? orders_compare(&a, &b, diff, wider, err) : r;
}
