/*
 * One round of an instance whose daemon does not run: how long from a cold store to a saved
 * plan, and where that goes. By the planner's own function, then its parts once more.
 *
 * usage: time_round CONFIG
 *
 * Prints "round_ms N cpu_ms N own_cpu_ms N rss_mib N links N actions N facts_ms N judge_ms N
 * again_ms N again_cpu_ms N": own is the part of cpu that was this thread's alone, again the
 * same round once more, when nothing has changed.
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

/* Processor time so far of all threads (RUSAGE_SELF), or of this one (RUSAGE_THREAD). */
static int64_t cpu_ms(int who)
{
	struct rusage use;

	(void)getrusage(who, &use);
	return (int64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000 +
	       (int64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000;
}

/* One round; *ret_ms, *ret_cpu what it took. */
static void round_make(struct app *app, const struct config_org *org, json_t *out,
		       int64_t *ret_ms, int64_t *ret_cpu)
{
	int64_t began = stamp_mono_ms(), cpu = cpu_ms(RUSAGE_SELF);

	must(planner_round(app, org, "bench", out, &err));
	*ret_ms = stamp_mono_ms() - began;
	*ret_cpu = cpu_ms(RUSAGE_SELF) - cpu;
}

int main(int argc, char **argv)
{
	CLEANUP(json_decref_at) json_t *out = json_object();
	struct reconcile_result *result = NULL;
	const struct config_org *org;
	struct facts *facts = NULL;
	CLEANUP(json_decref_at) json_t *again = json_object();
	int64_t planned, filled, judged, round_ms, round_cpu, own_cpu, again_ms, again_cpu;
	long long actions = 0;
	struct app app = { 0 };
	struct rusage use;
	const json_t *plan;
	size_t i;

	if (argc != 2 || !out || !again) {
		(void)fprintf(stderr, "usage: time_round CONFIG\n");
		return 2;
	}
	must(app_open(&app, argv[1], APP_STORE, &err));
	org = config_org_at(&app.config, 0);
	own_cpu = cpu_ms(RUSAGE_THREAD);
	round_make(&app, org, out, &round_ms, &round_cpu);
	own_cpu = cpu_ms(RUSAGE_THREAD) - own_cpu;
	(void)getrusage(RUSAGE_SELF, &use);
	json_array_foreach (json_object_get(out, "plans"), i, plan)
		actions += json_integer_value(json_object_get(plan, "actions"));
	planned = stamp_mono_ms();
	must(planner_facts(&app, org, 0, 0, &facts, &err));
	filled = stamp_mono_ms();
	must(reconcile(facts, app.config.policy, &result, &err));
	judged = stamp_mono_ms();
	reconcile_result_free(result);
	facts_free(facts);
	round_make(&app, org, again, &again_ms, &again_cpu);
	(void)printf("round_ms %lld cpu_ms %lld own_cpu_ms %lld rss_mib %ld links %lld actions "
		     "%lld facts_ms "
		     "%lld judge_ms %lld again_ms %lld again_cpu_ms %lld\n",
		     (long long)round_ms, (long long)round_cpu, (long long)own_cpu,
		     use.ru_maxrss / 1024,
		     (long long)json_integer_value(json_object_get(out, "links")), actions,
		     (long long)(filled - planned), (long long)(judged - filled),
		     (long long)again_ms, (long long)again_cpu);
	app_close(&app);
	return 0;
}
