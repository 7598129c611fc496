/*
 * One round of an instance whose daemon does not run: how long from a cold store to a saved
 * plan, and where that goes. By the planner's own function, then its parts once more.
 *
 * usage: time_round CONFIG
 *
 * Prints "round_ms N rss_mib N links N actions N facts_ms N judge_ms N".
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/jx.h"
#include "base/log.h"
#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/planner.h"
#include "bridge/rounds.h"

static struct err err;

static void must(int r)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "time_round: %s\n", err.text);
	exit(1);
}

int main(int argc, char **argv)
{
	CLEANUP(json_decref_at) json_t *out = json_object();
	struct reconcile_result *result = NULL;
	const struct config_org *org;
	struct facts *facts = NULL;
	int64_t began, planned, filled, judged;
	long long actions = 0;
	struct app app = { 0 };
	struct rusage use;
	const json_t *plan;
	size_t i;

	if (argc != 2 || !out) {
		(void)fprintf(stderr, "usage: time_round CONFIG\n");
		return 2;
	}
	must(app_open(&app, argv[1], APP_STORE, &err));
	org = config_org_at(&app.config, 0);
	began = stamp_mono_ms();
	must(planner_round(&app, org, "bench", out, &err));
	planned = stamp_mono_ms();
	(void)getrusage(RUSAGE_SELF, &use);
	json_array_foreach (json_object_get(out, "plans"), i, plan)
		actions += json_integer_value(json_object_get(plan, "actions"));
	must(planner_facts(&app, org, 0, 0, &facts, &err));
	filled = stamp_mono_ms();
	must(reconcile(facts, app.config.policy, &result, &err));
	judged = stamp_mono_ms();
	(void)printf("round_ms %lld rss_mib %ld links %lld actions %lld facts_ms %lld judge_ms "
		     "%lld\n",
		     (long long)(planned - began), use.ru_maxrss / 1024,
		     (long long)json_integer_value(json_object_get(out, "links")), actions,
		     (long long)(filled - planned), (long long)(judged - filled));
	reconcile_result_free(result);
	facts_free(facts);
	app_close(&app);
	return 0;
}
