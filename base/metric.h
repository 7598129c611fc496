/*
 * Counters, gauges and histograms, as OpenMetrics text. Registered once at start from static
 * definitions; updates are atomic and lock-free; labels are fixed at registration (no labels
 * from the outside, so the number of series is bounded).
 */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_BUCKETS 12

struct metric {
	const char *name;   /* leaverd_scim_requests (counters get _total when printed) */
	const char *labels; /* NULL or source="idp",code="2xx" */
	const char *help;
	enum metric_type type;
	_Atomic int64_t value; /* counter, gauge; histogram: sum in ms */
	_Atomic int64_t
		bucket[METRIC_BUCKETS +
		       1]; /* histogram of ms: 1,2,5,10,25,50,100,250,500,1000,5000,30000,inf */
	struct metric *next; /* metric.c's own */
};

/* m must live until the process ends or metric_drop_all(). Not thread-safe: at start only. */
void metric_register(struct metric *m);
void metric_drop_all(void);
void metric_add(struct metric *m, int64_t n);
void metric_set(struct metric *m, int64_t value);
void metric_observe_ms(struct metric *m, int64_t ms);
/* Text with "# EOF" at its end. */
int metric_text(struct buf *into, struct err *err) MUST_USE;

#endif
