#include "bridge/run_time.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/stamp.h"
#include "reconcile/guard.h"
#include "reconcile/policy.h"
#include "store/audit.h"
#include "store/store.h"
#include "store/writer.h"

#define RELEASE_WITHIN_MS STAMP_DAY_MS

/* --- in the store: "HELD_MS TOOK_MS" -------------------------------------------------------
 */

struct held {
	int64_t at_ms, took_ms;
};

static void key_of(uint64_t plan, char ret[48])
{
	(void)snprintf(ret, 48, "run_time/%llu", (unsigned long long)plan);
}

static int held_get(struct db *db, const char *org, uint64_t plan, struct held *ret,
		    struct err *err)
{
	CLEANUP(free_at) char *text = NULL;
	struct str at, took = { 0 };
	char key[48];
	int r;

	*ret = (struct held){ 0 };
	key_of(plan, key);
	r = store_setting_get(db, org, key, &text, err);
	if (r < 0 || !text)
		return r < 0 ? r : 0;
	str_cut(str_of(text), ' ', &at, &took);
	if (!str_int64(at, &ret->at_ms) || !str_int64(took, &ret->took_ms))
		return err_set(err, ERR_DAMAGED, "setting %s of %s is no time", key, org);
	return 0;
}

struct change {
	const char *org;
	uint64_t plan;
	struct held held; /* at_ms 0: no more */
};

static int change_write(void *ctx, struct db *db, struct err *err)
{
	const struct change *c = ctx;
	char key[48], value[48], target[48], body[160];
	struct audit_new entry = {
		.who = "applier", .what = "plan.hold", .target = target, .now_ms = c->held.at_ms
	};
	int r;

	key_of(c->plan, key);
	if (!c->held.at_ms) /* the release has its own entry */
		return store_setting_set(db, c->org, key, NULL, err);
	(void)snprintf(value, sizeof(value), "%lld %lld", (long long)c->held.at_ms,
		       (long long)c->held.took_ms);
	(void)snprintf(target, sizeof(target), "plan %llu", (unsigned long long)c->plan);
	(void)snprintf(body, sizeof(body),
		       "{\"guard\":\"" RUN_TIME_GUARD "\",\"took_ms\":%lld}",
		       (long long)c->held.took_ms);
	entry.body = str_of(body);
	r = store_setting_set(db, c->org, key, value, err);
	return r < 0 ? r : audit_add(db, &entry, NULL, err);
}

/* --- judging -------------------------------------------------------------------------------
 */

static int hold(struct app *app, struct change *c, int64_t limit_ms, struct err *err)
{
	int r = writer_call(app->writer, change_write, c, err);

	if (r == 0)
		log_warn("plan.hold", LOG_U("plan", c->plan), LOG_T("guard", RUN_TIME_GUARD),
			 LOG_I("took_ms", c->held.took_ms), LOG_I("allowed_ms", limit_ms));
	return r;
}

int run_time_judge(struct app *app, const char *org, uint64_t plan, int64_t began_ms,
		   const struct approvals *approvals, enum run_time *ret, struct err *err)
{
	int64_t limit_ms = app_acting(app)->policy->run_time_ms, now_ms = stamp_now_ms();
	int64_t released_ms = approvals_released_ms(approvals, RUN_TIME_GUARD);
	struct change c = { org, plan, { 0 } };
	struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	if (r == 0)
		r = held_get(db, org, plan, &c.held, err);
	store_read_end(db);
	if (r < 0)
		return r;
	*ret = RUN_TIME_GOES;
	if (c.held.at_ms && released_ms >= c.held.at_ms) {
		c.held = (struct held){ 0 };
		r = writer_call(app->writer, change_write, &c, err);
	}
	if (r < 0 || c.held.at_ms) {
		*ret = now_ms < c.held.at_ms + RELEASE_WITHIN_MS ? RUN_TIME_HOLDS
								 : RUN_TIME_ENDS;
		return r;
	}
	if (began_ms && released_ms > began_ms)
		began_ms = released_ms;
	if (!limit_ms || !began_ms || now_ms - began_ms <= limit_ms)
		return 0;
	c.held = (struct held){ now_ms, now_ms - began_ms };
	*ret = RUN_TIME_HOLDS;
	return hold(app, &c, limit_ms, err);
}

/* --- telling -------------------------------------------------------------------------------
 */

int run_time_show(struct db *db, const char *org, uint64_t plan, json_t *list, struct err *err)
{
	char text[400], missing[160], since[STAMP_TEXT_BYTES];
	struct held held;
	int r = held_get(db, org, plan, &held, err);

	if (r < 0 || !held.at_ms)
		return r;
	stamp_text(held.at_ms, since);
	(void)snprintf(text, sizeof(text),
		       "it was applied for %lld minutes at a stretch, which is longer than "
		       "limits.run_time; held since %s; released by %s",
		       (long long)(held.took_ms / STAMP_MINUTE_MS), since,
		       guards[GUARD_LIMIT_RUN_TIME].way);
	(void)snprintf(missing, sizeof(missing),
		       "`leaverd release %llu " RUN_TIME_GUARD " --reason WHY`",
		       (unsigned long long)plan);
	return jx_add(list,
		      json_pack("{s:s, s:s, s:s, s:i, s:s}", "name", RUN_TIME_GUARD, "verdict",
				guard_verdict_word(GUARD_HOLD_PLAN), "text", text, "needs", 1,
				"missing", missing),
		      err);
}
