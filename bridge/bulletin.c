#include "bridge/bulletin.h"

#include <stdio.h>

#include "base/jx.h"
#include "base/log.h"
#include "base/stamp.h"
#include "base/zone.h"
#include "bridge/boundaries.h"
#include "bridge/loaded.h"
#include "bridge/notices.h"
#include "bridge/suspects.h"
#include "bridge/verb.h"
#include "store/outbox.h"
#include "store/plans.h"
#include "store/sources.h"
#include "store/tokens.h"
#include "store/vault.h"

#define SOON_MS (14 * STAMP_DAY_MS)
#define PLANS_MOST 200
#define LINES_MOST (24 * 1024)
#define LINES_REST 1024 /* of it, for the last lines of a digest */

struct look {
	struct app *app;
	int64_t now_ms;
	struct bulletin_state *state;
	struct buf lines; /* of the digest */
	int64_t count;    /* what waits for a person */
	int64_t unsaid;   /* of it, what the digest has no room for */
};

/* --- alerts --------------------------------------------------------------------------------
 */

/* Tells it once, and says it in the digest each day. */
static int found(struct look *l, const char *key, const char *tells, const char *title,
		 const char *line, struct err *err)
{
	const struct notices_bulletin b = {
		.key = key,
		.tells = tells,
		.kind = NOTICE_ALERT,
		.title = title,
		.items = str_of(line),
		.count = 1,
	};

	l->count++;
	if (l->lines.len + strlen(line) + 2 > LINES_MOST - LINES_REST)
		l->unsaid++;
	else
		buf_addf(&l->lines, "%s\n\n", line);
	return notices_tell(l->app, &b, err);
}

VEC(vec_plan_row, struct plan_row);

static int keep_plan(void *ctx, const struct plan_row *row, struct err *err)
{
	struct vec_plan_row *v = ctx;
	struct plan_row copy = *row;

	/* texts of the row are gone after the call: what is said is its number */
	copy.org = copy.urgency = copy.who = copy.bytes = (struct str){ 0 };
	copy.urgency = str_eq(row->urgency, STR("urgent")) ? STR("urgent") : STR("routine");
	return vec_plan_row_add(v, copy) < 0 ? err_nomem(err) : 0;
}

static int plan_say(struct look *l, const struct config_org *org, const struct plan_row *p,
		    struct err *err)
{
	char key[160], title[160], line[600], until[STAMP_TEXT_BYTES];

	stamp_text(p->expires_ms, until);
	(void)snprintf(key, sizeof(key), "%s/%lld", p->held ? "held" : "open",
		       (long long)p->id);
	(void)snprintf(title, sizeof(title), "plan %lld of %.60s %s", (long long)p->id,
		       org->name, p->held ? "is held" : "waits for approval");
	(void)snprintf(
		line, sizeof(line),
		"Plan %lld (%.60s, " STR_FMT ", %lld actions) %s. It can be approved until "
		"%s: leaverd show %lld",
		(long long)p->id, org->name, STR_ARG(p->urgency), (long long)p->actions,
		p->held ? "is held by a guard" : "waits for approval", until, (long long)p->id);
	return found(l, key, "held", title, line, err);
}

static int plans_look(struct look *l, const struct config_org *org, struct err *err)
{
	struct vec_plan_row open = { 0 };
	struct db *db = NULL;
	int r = store_read_begin(l->app->store, &db, err);

	if (r == 0)
		r = plans_list(db, org->name, 1u << PLAN_OPEN, 0, PLANS_MOST, keep_plan, &open,
			       err);
	store_read_end(db);
	for (size_t i = 0; r == 0 && i < open.n; i++)
		if (open.v[i].expires_ms > l->now_ms && open.v[i].actions)
			r = plan_say(l, org, &open.v[i], err);
	vec_plan_row_done(&open);
	return r < 0 ? r : 0;
}

static int source_look(struct look *l, const struct config_source *source, struct err *err)
{
	struct source_row row = { 0 };
	struct db *db = NULL;
	char key[160], title[160], line[900];
	int r = store_read_begin(l->app->store, &db, err);

	if (r == 0)
		r = sources_get(db, source->name, &row, err);
	store_read_end(db);
	if (r == 0 && row.doubts && row.state != SOURCE_RETIRED) {
		(void)snprintf(key, sizeof(key), "source/%s/%lld", source->name,
			       (long long)row.read_no);
		(void)snprintf(title, sizeof(title), "source %.60s is not believed",
			       source->name);
		(void)snprintf(line, sizeof(line),
			       "Read %lld of source %.60s does not count: %.500s. Its last "
			       "accepted statements stand: leaverd source status %.60s",
			       (long long)row.read_no, source->name,
			       row.reason ? row.reason : "it is doubted", source->name);
		r = found(l, key, "source", title, line, err);
	}
	source_row_done(&row);
	return r < 0 ? r : 0;
}

/* --- what ends soon ------------------------------------------------------------------------
 */

struct end_row {
	bool token;
	char name[80];
	int64_t ends_ms;
};
VEC(vec_end_row, struct end_row);

struct ends {
	struct vec_end_row v;
	int64_t now_ms;
};

static int end_keep(struct ends *e, bool token, struct str name, int64_t ends_ms,
		    struct err *err)
{
	struct end_row row = { .token = token, .ends_ms = ends_ms };

	if (!ends_ms || ends_ms == STAMP_NEVER || ends_ms > e->now_ms + SOON_MS)
		return 0;
	(void)snprintf(row.name, sizeof(row.name), STR_FMT, STR_ARG(name));
	return vec_end_row_add(&e->v, row) < 0 ? err_nomem(err) : 0;
}

static int keep_secret(void *ctx, const struct vault_entry *row, struct err *err)
{
	return end_keep(ctx, false, row->name, row->expires_ms, err);
}

static int keep_token(void *ctx, const struct token_row *row, struct err *err)
{
	return row->revoked_ms ? 0 : end_keep(ctx, true, row->name, row->expires_ms, err);
}

static int ends_look(struct look *l, struct err *err)
{
	struct ends ends = { .now_ms = l->now_ms };
	struct db *db = NULL;
	int r = store_read_begin(l->app->store, &db, err);

	if (r == 0)
		r = vault_list(db, keep_secret, &ends, err);
	if (r == 0)
		r = tokens_list(db, keep_token, &ends, err);
	store_read_end(db);
	for (size_t i = 0; r == 0 && i < ends.v.n; i++) {
		const struct end_row *e = &ends.v.v[i];
		const char *what = e->token ? "Token" : "Secret";
		bool over = e->ends_ms <= l->now_ms;
		char key[200], title[160], line[400], date[STAMP_TEXT_BYTES];

		stamp_date_text(e->ends_ms, date);
		(void)snprintf(key, sizeof(key), "%s/%s/%s%s", what, e->name, date,
			       over ? "/over" : "");
		(void)snprintf(title, sizeof(title), "%s %.60s %s on %s",
			       e->token ? "token" : "secret", e->name, over ? "ended" : "ends",
			       date);
		(void)snprintf(line, sizeof(line), "%s %.60s %s on %s: renew it%s", what,
			       e->name, over ? "ended" : "ends", date,
			       e->token ? " (leaverd token new)" : " (leaverd secret rotate)");
		r = found(l, key, "keys", title, line, err);
	}
	vec_end_row_done(&ends.v);
	return r < 0 ? r : 0;
}

/* --- who is overdue ------------------------------------------------------------------------
 */

/* Leavers alone, counted: who they are `leaverd overdue` says to whoever may see it. */
static int overdue_look(struct look *l, const char *today, struct err *err)
{
	CLEANUP(json_decref_at) json_t *in = json_object(), *out = json_object();
	const struct verb *verb = verb_find("overdue");
	const struct who who = { .name = "daemon" };
	char key[80], title[120], line[300];
	const json_t *row;
	int64_t leavers = 0;
	size_t i;
	int r;

	if (!in || !out)
		return err_nomem(err);
	r = verb->run(l->app, &who, in, out, err);
	if (r < 0)
		return r;
	json_array_foreach (json_object_get(out, "overdue"), i, row) {
		const char *class = jx_get_text(row, "class");

		leavers += class && (!strcmp(class, "leaver") || !strcmp(class, "absence"));
	}
	if (!leavers)
		return 0;
	(void)snprintf(key, sizeof(key), "overdue/%s", today);
	(void)snprintf(title, sizeof(title), "%lld steps of leavers are overdue",
		       (long long)leavers);
	(void)snprintf(
		line, sizeof(line),
		"%lld steps of leavers are overdue: their time has passed, and they are not "
		"done. Who, and why: leaverd overdue",
		(long long)leavers);
	return found(l, key, "overdue", title, line, err);
}

/* --- tiers, and a configuration that waits ------------------------------------------------
 */

static int boundary_found(void *ctx, const char *key, const char *title, const char *line,
			  struct err *err)
{
	return found(ctx, key, "tiers", title, line, err);
}

static int held_found(void *ctx, const char *key, const char *title, const char *line,
		      struct err *err)
{
	return found(ctx, key, "held", title, line, err);
}

static int config_look(struct look *l, struct err *err)
{
	CLEANUP(buf_done) struct buf line;
	char key[80], hex[DIGEST_HEX_BYTES];
	struct digest_run run;
	struct digest digest;
	int r;

	bool person;

	buf_init(&line, 8192);
	r = loaded_sentence(l->app, &line, err);
	person = line.len > 0;
	if (r == 0)
		r = loaded_restart(l->app, &line, err);
	if (r == 0)
		r = buf_fault(&line, err, "what waits");
	if (r < 0 || !line.len)
		return r;
	/* the sentence names the configuration's number */
	digest_begin(&run, NULL);
	digest_add(&run, line.p, line.len);
	digest_end(&run, &digest);
	digest_hex(&digest, hex);
	(void)snprintf(key, sizeof(key), "config/%.32s", hex);
	return found(l, key, "held",
		     person ? "a changed configuration waits for a person"
			    : "a changed configuration waits for a restart",
		     line.p, err);
}

/* --- notices themselves, and the digest ----------------------------------------------------
 */

static int notices_look(struct look *l, struct err *err)
{
	int64_t n[OUTBOX_STATE_COUNT] = { 0 };
	struct db *db = NULL;
	int r = store_read_begin(l->app->store, &db, err);

	if (r == 0)
		r = outbox_counts(db, n, err);
	store_read_end(db);
	if (r == 0 && n[OUTBOX_QUEUED] + n[OUTBOX_MAYBE] + n[OUTBOX_FAILED])
		buf_addf(&l->lines,
			 "Notices: %lld wait to be sent, %lld may have been sent, %lld failed: "
			 "leaverd notices\n\n",
			 (long long)n[OUTBOX_QUEUED], (long long)n[OUTBOX_MAYBE],
			 (long long)n[OUTBOX_FAILED]);
	return r;
}

/* The civil day in the instance's zone, and the minute of it. */
static void today_is(const struct app *app, int64_t now_ms, char date[STAMP_TEXT_BYTES],
		     int *minute)
{
	const struct zone *zone = NULL;
	int weekday, offset_s = 0;

	*minute = (int)(now_ms / STAMP_MINUTE_MS % 1440);
	if (zone_get(str_of(app->config.instance.zone), &zone, NULL) == 0) {
		zone_local(zone, now_ms, &weekday, minute);
		offset_s = zone_offset_s(zone, now_ms);
	}
	stamp_date_text(now_ms + offset_s * STAMP_SECOND_MS, date);
}

static int digest_tell(struct look *l, const char *today, struct err *err)
{
	char key[80];
	const struct notices_bulletin b = {
		.key = key,
		.tells = "digest",
		.kind = NOTICE_DIGEST,
		.title = "digest",
		.items = buf_str(&l->lines),
		.count = l->count,
	};

	(void)snprintf(key, sizeof(key), "digest/%s", today);
	return notices_tell(l->app, &b, err);
}

static bool anybody(const struct config_notices *n)
{
	return n->admins.n > 0 || n->hooks.n > 0;
}

static int look_all(struct look *l, struct err *err)
{
	const struct config *c = &l->app->config;
	char today[STAMP_TEXT_BYTES];
	bool digest, deep;
	int minute, r = 0;

	today_is(l->app, l->now_ms, today, &minute);
	digest = c->notices.digest_minute >= 0 && minute >= c->notices.digest_minute &&
		 strcmp(l->state->digest, today) != 0;
	deep = digest || l->now_ms >= l->state->deep_ms;
	for (size_t i = 0; r == 0 && i < c->organisations.n; i++)
		r = plans_look(l, config_org_at(c, i), err);
	for (size_t i = 0; r == 0 && deep && i < c->organisations.n; i++)
		r = boundaries_look(l->app, config_org_at(c, i), l->now_ms, boundary_found, l,
				    err);
	for (size_t i = 0; r == 0 && deep && i < c->organisations.n; i++)
		r = suspects_look(l->app, config_org_at(c, i), held_found, l, err);
	if (r == 0)
		r = config_look(l, err);
	for (size_t i = 0; r == 0 && i < c->sources.n; i++)
		r = source_look(l, config_source_at(c, i), err);
	if (r == 0)
		r = ends_look(l, err);
	if (r == 0 && deep)
		r = overdue_look(l, today, err);
	if (l->unsaid)
		buf_addf(&l->lines,
			 "And %lld more, for which there is no room here: leaverd plans, "
			 "leaverd source status, leaverd doctor\n\n",
			 (long long)l->unsaid);
	if (r == 0)
		r = notices_look(l, err);
	if (r == 0)
		r = buf_fault(&l->lines, err, "the digest");
	if (r == 0 && digest)
		r = digest_tell(l, today, err);
	if (r == 0 && deep)
		l->state->deep_ms = l->now_ms + STAMP_HOUR_MS;
	if (r == 0 && digest)
		(void)snprintf(l->state->digest, sizeof(l->state->digest), "%s", today);
	return r;
}

int bulletin_look(struct app *app, int64_t now_ms, struct bulletin_state *state,
		  struct err *err)
{
	struct look l = { .app = app, .now_ms = now_ms, .state = state };
	int r;

	if (!anybody(&app->config.notices))
		return 0;
	buf_init(&l.lines, LINES_MOST);
	r = look_all(&l, err);
	buf_done(&l.lines);
	return r;
}
