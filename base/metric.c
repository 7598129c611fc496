#include "base/metric.h"

#include <assert.h>
#include <inttypes.h>

/* Sorted by name, then in order of registration: a family stands together when printed. */
static struct metric *first;

/* The upper bounds of the buckets, and how they are written in ms and in seconds. */
static const struct {
	int64_t ms;
	const char *le_ms, *le_s;
} bounds[METRIC_BUCKETS] = {
	{ 1, "1.0", "0.001" },     { 2, "2.0", "0.002" },     { 5, "5.0", "0.005" },
	{ 10, "10.0", "0.01" },    { 25, "25.0", "0.025" },   { 50, "50.0", "0.05" },
	{ 100, "100.0", "0.1" },   { 250, "250.0", "0.25" },  { 500, "500.0", "0.5" },
	{ 1000, "1000.0", "1.0" }, { 5000, "5000.0", "5.0" }, { 30000, "30000.0", "30.0" },
};

void metric_register(struct metric *m)
{
	struct metric **at = &first;

	for (; *at && strcmp((*at)->name, m->name) <= 0; at = &(*at)->next) {
		assert(*at != m);
		/* one name, one type: else the text would contradict itself */
		assert(strcmp((*at)->name, m->name) != 0 || (*at)->type == m->type);
	}
	m->next = *at;
	*at = m;
}

void metric_drop_all(void)
{
	while (first) {
		struct metric *m = first;

		first = m->next;
		m->next = NULL;
	}
}

void metric_add(struct metric *m, int64_t n)
{
	atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

void metric_set(struct metric *m, int64_t value)
{
	atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

void metric_observe_ms(struct metric *m, int64_t ms)
{
	size_t i = 0;

	if (ms < 0)
		ms = 0;
	while (i < METRIC_BUCKETS && ms > bounds[i].ms)
		i++;
	atomic_fetch_add_explicit(&m->bucket[i], 1, memory_order_relaxed);
	metric_add(m, ms);
}

/* NAME SUFFIX {LABELS,le="LE"}, and a blank. */
static void sample_name(struct buf *into, const struct metric *m, const char *suffix,
			const char *le)
{
	bool labels = m->labels && *m->labels;

	buf_addf(into, "%s%s", m->name, suffix);
	if (labels || le)
		buf_add_char(into, '{');
	if (labels)
		buf_add_text(into, m->labels);
	if (le)
		buf_addf(into, "%sle=\"%s\"", labels ? "," : "", le);
	if (labels || le)
		buf_add_char(into, '}');
	buf_add_char(into, ' ');
}

static void sample(struct buf *into, const struct metric *m, const char *suffix, const char *le,
		   int64_t value)
{
	sample_name(into, m, suffix, le);
	buf_addf(into, "%" PRId64 "\n", value);
}

/* Kept in ms; a name that says seconds is printed in seconds. */
static bool in_seconds(const struct metric *m)
{
	return str_ends(str_of(m->name), STR("_seconds"));
}

static void histogram_text(struct buf *into, const struct metric *m)
{
	int64_t sum = atomic_load_explicit(&m->value, memory_order_relaxed), count = 0;
	bool seconds = in_seconds(m);

	for (size_t i = 0; i <= METRIC_BUCKETS; i++) {
		const char *le = i == METRIC_BUCKETS ? "+Inf"
				 : seconds           ? bounds[i].le_s
						     : bounds[i].le_ms;

		count += atomic_load_explicit(&m->bucket[i], memory_order_relaxed);
		sample(into, m, "_bucket", le, count);
	}
	sample(into, m, "_count", NULL, count);
	if (!seconds) {
		sample(into, m, "_sum", NULL, sum);
		return;
	}
	sample_name(into, m, "_sum", NULL);
	buf_addf(into, "%" PRId64 ".%03d\n", sum / 1000, (int)(sum % 1000));
}

static void family_head(struct buf *into, const struct metric *m)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };

	buf_addf(into, "# TYPE %s %s\n", m->name, types[m->type]);
	if (in_seconds(m))
		buf_addf(into, "# UNIT %s seconds\n", m->name);
	buf_addf(into, "# HELP %s ", m->name);
	for (const char *p = m->help ? m->help : ""; *p; p++) {
		if (*p == '\\' || *p == '"')
			buf_add_char(into, '\\');
		if (*p == '\n')
			buf_add_text(into, "\\n");
		else
			buf_add_char(into, *p);
	}
	buf_add_char(into, '\n');
}

int metric_text(struct buf *into, struct err *err)
{
	const char *family = "";

	for (const struct metric *m = first; m; m = m->next) {
		int64_t value = atomic_load_explicit(&m->value, memory_order_relaxed);

		if (strcmp(family, m->name) != 0)
			family_head(into, m);
		family = m->name;
		if (m->type == METRIC_HISTOGRAM)
			histogram_text(into, m);
		else
			sample(into, m, m->type == METRIC_COUNTER ? "_total" : "", NULL, value);
	}
	buf_add_text(into, "# EOF\n");
	return buf_fault(into, err, "the metrics");
}
