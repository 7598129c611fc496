/*
 * Plan bytes: whatever parses is written back as the same bytes, keeps what a plan must keep,
 * and can be reported.
 */
#include <stdlib.h>

#include "reconcile/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
	if (!truth)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(plan_free_at) struct plan *plan = NULL;
	CLEANUP(buf_done) struct buf again;
	struct str bytes = str_n((const char *)data, size);
	struct report_input in = { .id = STR("1") };
	struct err err;
	int r;

	buf_init(&again, 16 << 20);
	r = plan_parse(bytes, &plan, &err);
	if (r < 0) {
		must(r == -ERR_DAMAGED || r == -ERR_NOMEM);
		must(plan == NULL);
		return 0;
	}
	must(plan_write(plan, &again, &err) == 0);
	must(str_eq(buf_str(&again), bytes));
	for (size_t i = 0; i < plan->actions.n; i++) {
		const struct action *a = &plan->actions.v[i];

		must(a->n == i + 1);
		must((a->verdict == VERDICT_HELD) == (a->held_count > 0));
	}
	in.plan = plan;
	buf_clear(&again);
	must(report_plan_json(&in, &again, &err) == 0);
	must(report_plan_text(&in, 3, &again, &err) == 0);
	return 0;
}
