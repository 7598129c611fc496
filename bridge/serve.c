#include "bridge/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/stamp.h"
#include "base/worker.h"
#include "bridge/app.h"
#include "bridge/atonce.h"
#include "bridge/applier.h"
#include "bridge/control.h"
#include "bridge/due.h"
#include "bridge/forward.h"
#include "bridge/gate.h"
#include "bridge/hints.h"
#include "bridge/keep.h"
#include "bridge/keeper.h"
#include "bridge/limits.h"
#include "bridge/live.h"
#include "bridge/outbox.h"
#include "bridge/planner.h"
#include "bridge/rounds.h"
#include "bridge/rounds_hr.h"
#include "bridge/seen.h"
#include "bridge/stamps.h"
#include "bridge/upkeep.h"
#include "net/httpd.h"
#include "net/httpc.h"
#include "scim/service.h"
#include "store/accounts.h"
#include "store/plans.h"
#include "store/sources.h"
#include "store/writer.h"

#define SERVE_BEAT_MS 1000                   /* how often schedules look at the clock */
#define SERVE_RETRY_MS (5 * STAMP_MINUTE_MS) /* after a round that faulted */
#define SERVE_DRAIN_MS 30000 /* longest wait for requests under way at the end */

struct org_worker {
	struct serve *serve;
	const struct config_org *org;
	struct worker *rounds, *applier;
	/* Wall time of the first event that no round has seen; 0: none. Events come from SCIM
	 * writes and directory reads; the round is made `settle` after the first of a burst. */
	_Atomic int64_t event_ms;
};

struct source_worker {
	struct serve *serve;
	const struct config_source *source;
	struct worker *worker;
};

struct serve {
	struct app *app;
	struct keeper *keeper;
	struct scim_service *scim;
	struct httpd *httpd;
	struct control *control;
	struct keep *keep;
	struct forward *forward;
	struct stamps *stamps;
	struct upkeep *upkeep;
	struct http_route routes[SCIM_ROUTES_MAX + KEEP_ROUTES + 3];
	struct source_worker *sources;
	struct org_worker *orgs;
	struct live live;
	size_t source_count, org_count;
	atomic_bool stop;
};

static int64_t beat_ms(void)
{
	return stamp_is_virtual() ? 50 : SERVE_BEAT_MS;
}

/* --- events --------------------------------------------------------------------------------
 */

static void note_event(struct serve *s)
{
	for (size_t i = 0; i < s->org_count; i++) {
		int64_t none = 0;

		atomic_compare_exchange_strong(&s->orgs[i].event_ms, &none, stamp_now_ms());
	}
}

static void on_scim_change(void *ctx, const char *source)
{
	(void)source;
	note_event(ctx);
}

/* --- a directory's thread ------------------------------------------------------------------
 */

static int64_t last_accepted(struct app *app, const char *name)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(source_row_done) struct source_row row = { 0 };
	struct err err;

	if (store_read_begin(app->store, &db, &err) < 0)
		return 0;
	return sources_get(db, name, &row, &err) == 0 ? row.accepted_ms : 0;
}

/* When the next delta is due: later after one that ended in a full read, never where this
 * directory offers none. */
static int64_t delta_next(const struct source_worker *w, const json_t *delta)
{
	int64_t often = w->source->ldap.delta_every_ms;
	const char *strategy = jx_get_text(delta, "strategy");

	if (!json_is_string(json_object_get(delta, "full")))
		return often;
	if (strategy && strcmp(strategy, "full") == 0)
		return 0;
	return often > SERVE_RETRY_MS ? often : SERVE_RETRY_MS;
}

static int sync_now(struct source_worker *w, bool delta, json_t *out, struct err *err)
{
	if (w->source->kind == CONFIG_FILE)
		return rounds_hr(w->serve->app, w->source, -1, false, &w->serve->stop, out,
				 err);
	if (delta)
		return rounds_delta(w->serve->app, w->source, &w->serve->stop, out, err);
	return rounds_sync(w->serve->app, w->source, false, &w->serve->stop, out, err);
}

/* When it comes again: soon, if it went wrong. after_ms: times up to then are made up for. */
static int64_t due_again(const struct due *due, int64_t every_ms, int64_t after_ms, bool well)
{
	int64_t now_ms = stamp_now_ms(), next = due_next(due, every_ms, after_ms);

	return well || next < now_ms + SERVE_RETRY_MS ? next : now_ms + SERVE_RETRY_MS;
}

/* True when the read was accepted and changed what is known about people. */
static bool sync_scheduled(struct source_worker *w, bool delta, bool *accepted, int64_t *often)
{
	CLEANUP(gate_leave) struct gate gate = { 0 };
	CLEANUP(json_decref_at) json_t *out = json_object();
	struct err err;
	int r;

	*accepted = false;
	r = out ? gate_enter(&gate, "sync", w->source->name, &w->serve->stop, &err)
		: err_nomem(&err);
	if (r == 0)
		r = sync_now(w, delta, out, &err);
	if (r < 0) {
		if (r != -ERR_CANCELLED)
			log_error("sync.fault", LOG_T("source", w->source->name), LOG_E(&err));
		return false;
	}
	*accepted = json_is_true(json_object_get(out, "accepted"));
	if (delta)
		*often = delta_next(w, json_object_get(out, "delta"));
	return *accepted &&
	       json_integer_value(json_object_get(out, "fresh")) +
			       json_integer_value(json_object_get(out, "changed")) +
			       json_integer_value(json_object_get(out, "gone")) >
		       0;
}

static int64_t sync_every(const struct source_worker *w)
{
	return w->source->every_ms ? w->source->every_ms
				   : atomic_load(&w->serve->live.sync_every_ms);
}

static void source_loop(struct worker *self, void *arg)
{
	struct source_worker *w = arg;
	const struct config *c = &w->serve->app->config;
	bool deltas = w->source->kind == CONFIG_LDAP;
	int64_t often = deltas ? w->source->ldap.delta_every_ms : 0, every = -1, next = 0,
		next_delta = stamp_now_ms() + often, begun;
	struct hints hints;
	struct due due;

	due_init(&due, c, &w->source->at_times, &c->schedule.sync_times, "sync",
		 w->source->name);
	hints_init(&hints, w->serve->app, w->source, &w->serve->stop);
	while (!worker_wait(self, hints_waits(&hints) ? 0 : beat_ms())) {
		bool accepted, delta, changed, told = hints_look(&hints, beat_ms());

		if (every != sync_every(w)) {
			every = sync_every(w);
			next = due_next(&due, every,
					last_accepted(w->serve->app, w->source->name));
		}
		if (next == STAMP_NEVER)
			continue;
		delta = stamp_now_ms() < next;
		if (delta && !told && (often == 0 || stamp_now_ms() < next_delta))
			continue;
		begun = stamp_now_ms();
		changed = sync_scheduled(w, delta, &accepted, &often);
		if (changed)
			note_event(w->serve);
		if (told)
			hints_looked(&hints, changed);
		/* a delta that fails waits for its next turn, or for the full read */
		next_delta = stamp_now_ms() + often;
		if (!delta) /* a time of day that came meanwhile is not passed over */
			next = due_again(&due, every,
					 cron_given(&due.at) ? begun : stamp_now_ms(),
					 accepted);
	}
	hints_done(&hints);
}

/* --- an organisation's rounds --------------------------------------------------------------
 */

static bool collect_scheduled(struct org_worker *w)
{
	CLEANUP(gate_leave) struct gate gate = { 0 };
	CLEANUP(json_decref_at) json_t *out = json_object();
	struct err err;
	int r;

	r = out ? gate_enter(&gate, "collect", w->org->name, &w->serve->stop, &err)
		: err_nomem(&err);
	if (r == 0)
		r = rounds_collect(w->serve->app, w->org, &w->serve->stop, out, &err);
	if (r < 0 && r != -ERR_CANCELLED)
		log_error("collect.fault", LOG_T("org", w->org->name), LOG_E(&err));
	return r == 0;
}

static bool plan_scheduled(struct org_worker *w)
{
	CLEANUP(gate_leave) struct gate gate = { 0 };
	CLEANUP(json_decref_at) json_t *out = json_object();
	struct err err;
	int r;

	r = out ? gate_enter(&gate, "plan", w->org->name, &w->serve->stop, &err)
		: err_nomem(&err);
	if (r == 0)
		r = planner_round(w->serve->app, w->org, "round", out, &err);
	if (r < 0 && r != -ERR_CANCELLED)
		log_error("round.fault", LOG_T("org", w->org->name), LOG_E(&err));
	return r == 0;
}

static int expire_write(void *ctx, struct db *db, struct err *err)
{
	(void)ctx;
	return plans_expire(db, stamp_now_ms(), NULL, err);
}

static void expire(struct serve *s)
{
	struct err err;

	if (writer_call(s->app->writer, expire_write, NULL, &err) < 0)
		log_warn("plan.expire", LOG_E(&err));
}

static int64_t last_collected(struct app *app, const char *name)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(org_row_done) struct org_row row = { 0 };
	struct err err;

	if (store_read_begin(app->store, &db, &err) < 0)
		return 0;
	return accounts_org_get(db, name, &row, &err) == 0 ? row.ended_ms : 0;
}

struct schedule {
	struct due collect, plan;
	int64_t collect_every, plan_every, settle;
	int64_t collect_next, plan_next, expire_next; /* wall */
	struct atonce atonce;
};

/* As the configuration has it now (SIGHUP may have changed it). */
static void schedule_look(struct org_worker *w, struct schedule *s)
{
	struct live *live = &w->serve->live;
	int64_t collect = w->org->every_ms ? w->org->every_ms
					   : atomic_load(&live->collect_every_ms),
		plan = atomic_load(&live->plan_every_ms);

	if (collect != s->collect_every)
		s->collect_next = due_next(&s->collect, collect,
					   last_collected(w->serve->app, w->org->name));
	if (plan != s->plan_every)
		s->plan_next = due_next(&s->plan, plan, stamp_now_ms());
	s->collect_every = collect;
	s->plan_every = plan;
}

/* Whether somebody who is to go at once is among the events that wait. */
static bool somebody_at_once(struct org_worker *w, struct schedule *s)
{
	struct err err;
	int r;

	if (!atonce_rested(&s->atonce, stamp_mono_ms()))
		return false;
	r = atonce_look(&s->atonce, w->serve->app, &err);
	if (r < 0) /* then they go when the events have settled */
		log_warn("round.atonce", LOG_T("org", w->org->name), LOG_E(&err));
	return r > 0;
}

static void events_begin(struct org_worker *w, struct schedule *s)
{
	struct err err;

	if (atonce_mark(&s->atonce, w->serve->app, &err) < 0)
		log_warn("round.atonce", LOG_T("org", w->org->name), LOG_E(&err));
}

/* What came in before this start, and no round has judged, waits as if it had come now. */
static void events_resume(struct org_worker *w, struct schedule *s)
{
	int64_t none = 0, newest = 0, last = 0;
	struct err err;
	int r = seen_newest(w->serve->app, &newest, &err);

	if (r == 0)
		r = seen_last(w->serve->app, w->org->name, &last, &err);
	if (r < 0)
		log_warn("round.resume", LOG_T("org", w->org->name), LOG_E(&err));
	if (r != 0 || newest <= last) {
		events_begin(w, s);
		return;
	}
	s->atonce.begin = last;
	atomic_compare_exchange_strong(&w->event_ms, &none, stamp_now_ms());
	log_info("round.resume", LOG_T("org", w->org->name));
}

/* A round that went wrong is made again soon: the events that it was made for are not lost. */
static void plan_beat(struct org_worker *w, struct schedule *s)
{
	bool well;

	events_begin(w, s);
	well = !last_collected(w->serve->app, w->org->name) || plan_scheduled(w);
	s->plan_next = due_again(&s->plan, s->plan_every, stamp_now_ms(), well);
}

static void round_beat(struct org_worker *w, struct schedule *s)
{
	int64_t now_ms = stamp_now_ms(), event_ms = atomic_load(&w->event_ms);
	int64_t begun_ms = stamp_mono_ms();
	bool settled = event_ms && now_ms >= event_ms + s->settle;
	bool event = settled || (event_ms && somebody_at_once(w, s));

	if (now_ms >= s->collect_next) {
		bool well = collect_scheduled(w);

		s->collect_next =
			due_again(&s->collect, s->collect_every, stamp_now_ms(), well);
	}
	if (event || now_ms >= s->plan_next) {
		/* events that come from here on belong to the next round */
		if (event)
			atomic_store(&w->event_ms, 0);
		plan_beat(w, s);
		if (event && !settled)
			atonce_rest(&s->atonce, begun_ms, stamp_mono_ms());
	}
	if (now_ms >= s->expire_next) {
		expire(w->serve);
		s->expire_next = now_ms + STAMP_MINUTE_MS;
	}
}

static void round_loop(struct worker *self, void *arg)
{
	struct org_worker *w = arg;
	const struct config *c = &w->serve->app->config;
	struct schedule s = {
		.collect_every = -1,
		.plan_every = -1,
		.settle = c->policy->settle_ms,
	};

	due_init(&s.collect, c, &w->org->at_times, &c->schedule.collect_times, "collect",
		 w->org->name);
	due_init(&s.plan, c, &w->org->plan_times, &c->schedule.plan_times, "plan",
		 w->org->name);
	events_resume(w, &s);
	while (!worker_wait(self, beat_ms())) {
		schedule_look(w, &s);
		round_beat(w, &s);
	}
	atonce_done(&s.atonce);
}

/* --- an organisation's applier -------------------------------------------------------------
 */

static int note_any(void *ctx, const struct plan_row *row, struct err *err)
{
	bool *any = ctx;

	(void)row;
	(void)err;
	*any = true;
	return 1;
}

/* Whether a pass of the applier could find something: an approved plan, no pause, no observe.
 */
static bool may_apply(struct org_worker *w)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	enum store_mode mode = STORE_OBSERVE;
	bool paused = true, any = false;
	struct err err;

	if (store_read_begin(w->serve->app->store, &db, &err) < 0 ||
	    store_mode_get(db, w->org->name, &mode, &err) < 0 || mode == STORE_OBSERVE ||
	    store_paused(db, w->org->name, &paused, &err) < 0 || paused)
		return false;
	if (plans_list(db, w->org->name, 1u << PLAN_APPROVED | 1u << PLAN_RUNNING, 0, 1,
		       note_any, &any, &err) < 0)
		return false;
	return any;
}

static int apply_pass(struct org_worker *w, int64_t *again_ms, struct err *err)
{
	CLEANUP(applier_free_at) struct applier *applier = NULL;
	CLEANUP(gate_leave) struct gate gate = { 0 };
	struct apply_counts counts = { 0 };
	int r;

	r = gate_enter(&gate, "apply", w->org->name, &w->serve->stop, err);
	if (r == 0)
		r = applier_new(&applier, w->serve->app, w->org, &w->serve->stop, err);
	if (r == 0)
		r = applier_run(applier, &counts, again_ms, err);
	return r < 0 ? r : 0;
}

static void applier_loop(struct worker *self, void *arg)
{
	struct org_worker *w = arg;
	int64_t not_before = 0;
	struct err err;

	if (applier_recover(w->serve->app, w->org, &err) < 0)
		log_error("apply.recover", LOG_T("org", w->org->name), LOG_E(&err));
	while (!worker_wait(self, beat_ms())) {
		int64_t again_ms = 0;
		int r;

		if (stamp_mono_ms() < not_before || !may_apply(w))
			continue;
		r = apply_pass(w, &again_ms, &err);
		if (r == -ERR_LEASE) {
			log_error("lease.lost", LOG_E(&err));
			kill(getpid(), SIGTERM);
			return;
		}
		if (r < 0 && r != -ERR_CANCELLED) {
			log_error("apply.fault", LOG_T("org", w->org->name), LOG_E(&err));
			not_before = stamp_mono_ms() + 10 * STAMP_SECOND_MS;
		}
	}
}

/* --- the SCIM server -----------------------------------------------------------------------
 */

static int readiness_read(struct app *app, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct org_row row = { 0 };
	int r;

	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = accounts_org_get(db, "", &row, err);
	org_row_done(&row);
	return r < 0 ? r : 0;
}

/* Whether requests can be served now: the store answers, and the daemon is not about to end. */
static int ready(void *ctx, struct http_req *req, struct http_reply *reply, struct err *err)
{
	struct serve *s = ctx;
	struct err why = { 0 };
	bool stopping = atomic_load(&s->stop);
	int r = stopping ? 0 : readiness_read(s->app, &why);

	if (r < 0)
		log_warn("serve.unready", LOG_T("request", http_req_id(req)), LOG_E(&why));
	(void)err;
	reply->status = stopping || r < 0 ? 503 : 200;
	reply->content_type = "text/plain";
	buf_add_text(&reply->body, stopping ? "stopping\n" : r < 0 ? "store\n" : "ok\n");
	return 0;
}

static int health(void *ctx, struct http_req *req, struct http_reply *reply, struct err *err)
{
	(void)ctx;
	(void)req;
	(void)err;
	reply->status = 200;
	reply->content_type = "text/plain";
	buf_add_text(&reply->body, "ok\n");
	return 0;
}

static void scim_fault(void *ctx, struct http_req *req, struct http_reply *reply,
		       const struct err *fault)
{
	(void)ctx;
	if (scim_service_fault(req, reply, fault))
		return;
	reply->status = err_class(fault->code)->http_status;
	reply->content_type = "text/plain";
	buf_addf(&reply->body, "%s\n", fault->text);
}

static int scim_start(struct serve *s, struct err *err)
{
	const struct config_scim *c = &s->app->config.scim;
	CLEANUP(secret_done) struct secret cursor_key = { 0 };
	const struct scim_options scim = { .public_url = c->public_url,
					   .docs_url = c->docs_url,
					   .open_config = c->open_config,
					   .bulk_operations = (size_t)c->bulk_operations,
					   .bulk_bytes = c->bulk_body_bytes,
					   .bulk_operation_bytes = (size_t)c->max_body_bytes,
					   .cursor_key = &cursor_key,
					   .cache_bytes = (size_t)c->cache_bytes };
	const char *proxies[33] = { NULL };
	struct httpd_options http = {
		.name = "scim",
		.listen = c->listen,
		.tls_cert_file = c->tls_cert,
		.tls_key_file = c->tls_key,
		.tls_client_ca_file = c->tls_client_ca,
		.tls_client_required = c->tls_client == CONFIG_TLS_CLIENT_REQUIRE,
		.threads = (unsigned)c->threads,
		.connections = (unsigned)c->connections,
		.connections_per_address = (unsigned)c->connections_per_address,
		.max_body_bytes = c->max_body_bytes,
		.timeout_ms = c->timeout_ms,
		.spool_folder = s->app->config.instance.state_dir,
		.trusted_proxies = proxies,
		.routes = s->routes,
		.ctx = s,
		.fault = scim_fault,
	};
	size_t n;
	int r;

	if (!c->listen)
		return 0;
	for (size_t i = 0; i < c->trusted_proxies.n && i < COUNT_OF(proxies) - 1; i++)
		proxies[i] = c->trusted_proxies.v[i];
	r = keeper_new(&s->keeper, s->app, err);
	if (r < 0)
		return r;
	keeper_on_change(s->keeper, on_scim_change, s);
	r = keeper_cursor_key(s->keeper, &cursor_key, err);
	if (r == 0)
		r = scim_service_new(&s->scim, keeper_backend(s->keeper), &scim, err);
	if (r < 0)
		return r;
	scim_service_metrics();
	n = scim_service_routes(s->scim, s->routes, SCIM_ROUTES_MAX);
	s->routes[n] = (struct http_route){ .method = HTTP_GET,
					    .path = "/healthz",
					    .handler = health };
	s->routes[n + 1] =
		(struct http_route){ .method = HTTP_GET, .path = "/readyz", .handler = ready };
	(void)keep_routes(s->keep, &s->routes[n + 2]);
	return httpd_start(&s->httpd, &http, err);
}

/* --- up and down ---------------------------------------------------------------------------
 */

/* All are made before anybody starts: an event of a push or a directory is told to each. */
static int orgs_make(struct serve *s, struct err *err)
{
	const struct config *c = &s->app->config;

	s->orgs = calloc(c->organisations.n ? c->organisations.n : 1, sizeof(*s->orgs));
	if (!s->orgs)
		return err_nomem(err);
	for (size_t i = 0; i < c->organisations.n; i++)
		s->orgs[i] = (struct org_worker){ .serve = s, .org = config_org_at(c, i) };
	s->org_count = c->organisations.n;
	return 0;
}

static int workers_start(struct serve *s, struct err *err)
{
	const struct config *c = &s->app->config;
	int r = 0;

	s->sources = calloc(c->sources.n ? c->sources.n : 1, sizeof(*s->sources));
	if (!s->sources)
		return err_nomem(err);
	for (size_t i = 0; r == 0 && i < s->org_count; i++) {
		r = worker_start(&s->orgs[i].rounds, "planner", round_loop, &s->orgs[i], err);
		if (r == 0)
			r = worker_start(&s->orgs[i].applier, "applier", applier_loop,
					 &s->orgs[i], err);
	}
	for (size_t i = 0; r == 0 && i < c->sources.n; i++) {
		const struct config_source *source = config_source_at(c, i);

		if (source->kind == CONFIG_SCIM ||
		    (source->kind == CONFIG_FILE && !source->file.path && !source->file.folder))
			continue;
		s->sources[s->source_count] = (struct source_worker){ s, source, NULL };
		r = worker_start(&s->sources[s->source_count].worker, "directory", source_loop,
				 &s->sources[s->source_count], err);
		s->source_count += r == 0;
	}
	return r;
}

/* Requests that the writer has are answered by it; the server may end only when none is left.
 */
static void scim_stop(struct serve *s)
{
	int64_t until = stamp_mono_ms() + SERVE_DRAIN_MS;

	if (s->httpd) {
		httpd_quiesce(s->httpd);
		keeper_quiesce(s->keeper);
		while (httpd_active(s->httpd) && stamp_mono_ms() < until)
			stamp_sleep_ms(5);
		httpd_stop(s->httpd);
	}
	keep_free(s->keep);
	scim_service_free(s->scim);
	keeper_free(s->keeper);
}

static void serve_down(struct serve *s)
{
	atomic_store(&s->stop, true);
	for (size_t i = 0; i < s->source_count; i++)
		worker_stop(s->sources[i].worker);
	for (size_t i = 0; i < s->org_count; i++) {
		worker_stop(s->orgs[i].rounds);
		worker_stop(s->orgs[i].applier);
	}
	control_stop(s->control);
	scim_stop(s);
	for (size_t i = 0; i < s->source_count; i++)
		worker_join(s->sources[i].worker);
	for (size_t i = 0; i < s->org_count; i++) {
		worker_join(s->orgs[i].rounds);
		worker_join(s->orgs[i].applier);
	}
	upkeep_stop(s->upkeep);
	stamps_stop(s->stamps);
	forward_stop(s->forward);
	free(s->sources);
	free(s->orgs);
}

/* sd_notify(3) without its library: one datagram to the socket that systemd names. */
static void tell_systemd(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	CLEANUP(fd_close_at) int fd = -1;
	size_t len;

	if (!path || (path[0] != '/' && path[0] != '@') ||
	    (len = strlen(path)) >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_warn("systemd.notify", LOG_T("text", strerror(errno)));
}

static void reload(struct serve *s)
{
	struct err err;

	live_reload(&s->live, s->app);
	keeper_reread(s->keeper);
	if (!s->httpd || !s->app->config.scim.tls_cert)
		return;
	if (httpd_reload_tls(s->httpd, &err) < 0)
		log_error("tls.reload", LOG_E(&err));
	else
		log_info("tls.reload");
}

/* Until SIGTERM or SIGINT. */
static int wait_for_signals(struct serve *s, const sigset_t *signals, struct err *err)
{
	CLEANUP(fd_close_at) int fd = signalfd(-1, signals, SFD_CLOEXEC);
	struct signalfd_siginfo info;

	if (fd < 0)
		return err_errno(err, ERR_INTERNAL, errno, "signalfd");
	for (;;) {
		if (read(fd, &info, sizeof(info)) != sizeof(info)) {
			if (errno == EINTR)
				continue;
			return err_errno(err, ERR_INTERNAL, errno, "signals");
		}
		if (info.ssi_signo != SIGHUP)
			return 0;
		reload(s);
	}
}

static void files_raise(const struct config *c)
{
	struct limits_files files;

	limits_raise(c, &files);
	if (files.soft < files.need)
		log_warn("serve.files", LOG_I("need", files.need), LOG_I("allowed", files.soft),
			 LOG_T("text", "clients wait when all are open: raise LimitNOFILE= of "
				       "the unit, or lower scim.connections"));
}

static int serve_up(struct serve *s, const sigset_t *signals, struct err *err)
{
	const struct config *c = &s->app->config;
	int r;

	s->app->serve = s;
	live_init(&s->live, c);
	files_raise(c);
	r = orgs_make(s, err);
	if (r == 0)
		r = outbox_start(&s->app->outbox, s->app, err);
	if (r == 0)
		r = keep_start(&s->keep, s->app, err);
	if (r == 0)
		r = scim_start(s, err);
	if (r == 0)
		r = control_start(&s->control, s->app, err);
	if (r == 0)
		r = forward_start(&s->forward, s->app, err);
	if (r == 0)
		r = stamps_start(&s->stamps, s->app, err);
	if (r == 0)
		r = upkeep_start(&s->upkeep, s->app, err);
	if (r == 0)
		r = workers_start(s, err);
	if (r < 0)
		return r;
	log_info("serve.ready", LOG_T("instance", c->instance.name),
		 LOG_T("scim", c->scim.listen ? c->scim.listen : "off"),
		 LOG_U("port", s->httpd ? httpd_port(s->httpd) : 0),
		 LOG_T("control", c->control.socket));
	tell_systemd("READY=1");
	r = wait_for_signals(s, signals, err);
	tell_systemd("STOPPING=1");
	log_info("serve.stop");
	return r;
}

/* A page of the mapped database that cannot be read: there is no way back to who asked for it,
 * so the process says why and ends by the signal, as it would without this. */
static void on_bus_error(int number)
{
	static const char says[] =
		"leaverd: the database could not be read where it is mapped into memory: its "
		"file was cut short by another program, or the disk failed (see the system "
		"log). "
		"What was answered is not lost. Start again; with `map: 0` under `scim:` a "
		"read that fails is answered as a fault.\n";

	(void)number;
	(void)!write(2, says, sizeof(says) - 1);
}

static void bus_error_explain(void)
{
	struct sigaction act = { .sa_handler = on_bus_error, .sa_flags = SA_RESETHAND };

	sigemptyset(&act.sa_mask);
	sigaction(SIGBUS, &act, NULL);
}

int serve_main(const char *config_file, struct err *err)
{
	struct serve s = { 0 };
	struct app app;
	sigset_t signals;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	bus_error_explain();
	r = app_open(&app, config_file, APP_STORE | APP_HTTP, err);
	if (r < 0)
		return r;
	log_setup((enum log_level)app.config.log.level, (enum log_form)app.config.log.form, 2);
	s.app = &app;
	r = serve_up(&s, &signals, err);
	serve_down(&s);
	app_close(&app);
	return r;
}
