#include "base/jx.h"
#include "tests/rehearsal/rehearsal.h"

static const struct endpoint *const tables[] = {
	endpoints_org,    endpoints_users,  endpoints_writes,  endpoints_groups,
	endpoints_manage, endpoints_events, endpoints_jira,    endpoints_confluence,
	endpoints_works,  endpoints_scim,   endpoints_control, endpoints_issues,
};

/* --- finding the endpoint -------------------------------------------------------------- */

static bool segments_read(struct call *c)
{
	struct str rest = c->path, segment;
	size_t at[CALL_SEGMENTS + 1];

	buf_init(&c->decoded, 16384);
	while (rest.len) {
		struct str tail = { 0 };

		str_cut(rest, '/', &segment, &tail);
		rest = tail;
		if (segment.len == 0)
			continue;
		if (c->segments == CALL_SEGMENTS)
			return false;
		at[c->segments++] = c->decoded.len;
		if (!enc_unpercent(&c->decoded, segment, false) || c->decoded.fault)
			return false;
	}
	at[c->segments] = c->decoded.len;
	for (unsigned i = 0; i < c->segments; i++)
		c->segment[i] = str_n(c->decoded.p + at[i], at[i + 1] - at[i]);
	return true;
}

static bool path_matches(const struct call *c, const char *path)
{
	struct str rest = str_of(path + 1), segment;
	unsigned i = 0;

	while (rest.len) {
		struct str tail = { 0 };

		str_cut(rest, '/', &segment, &tail);
		rest = tail;
		if (i == c->segments ||
		    (segment.p[0] != '{' && !str_eq(segment, c->segment[i])))
			return false;
		i++;
	}
	return i == c->segments;
}

/*
 * The endpoint with this path and method. A path of words goes before one with parameters
 * ("users/count" and "users/{account}"), which the tables' order sees to.
 */
static const struct endpoint *endpoint_find(const struct call *c, bool *path_known)
{
	*path_known = false;
	for (size_t t = 0; t < COUNT_OF(tables); t++) {
		for (const struct endpoint *e = tables[t]; e->method; e++) {
			if (!path_matches(c, e->path))
				continue;
			*path_known = true;
			if (strcmp(e->method, c->method) == 0)
				return e;
		}
	}
	return NULL;
}

/* --- before the handler ---------------------------------------------------------------- */

static enum key_kind key_of(const struct call *c)
{
	const char *sent = http_req_header(c->req, "Authorization");

	if (!sent || strncmp(sent, "Bearer ", 7) != 0)
		return KEY_NONE;
	if (strcmp(sent + 7, c->re->key) == 0)
		return KEY_FULL;
	if (c->re->scoped && strcmp(sent + 7, c->re->scoped) == 0)
		return KEY_SCOPED;
	return KEY_NONE;
}

static bool is_um(const struct call *c)
{
	return str_eq(call_segment(c, 0), STR("users"));
}

/* Sites have credentials of their own: neither key opens the other's door. */
static bool is_site(const struct call *c)
{
	return str_eq(call_segment(c, 0), STR("ex")) ||
	       str_eq(call_segment(c, 0), STR("automation"));
}

static int site_check(struct call *c)
{
	const char *sent = http_req_header(c->req, "Authorization");
	CLEANUP(buf_done) struct buf pair;
	struct str login, token;

	buf_init(&pair, 4096);
	if (sent && strncmp(sent, "Bearer ", 7) == 0 && !strcmp(sent + 7, c->re->site_token))
		return 0;
	if (sent && strncmp(sent, "Basic ", 6) == 0 && enc_unbase64(&pair, str_of(sent + 6)) &&
	    str_cut(buf_str(&pair), ':', &login, &token) &&
	    str_eq(token, str_of(c->re->site_token)))
		return 0;
	return answer_proxy(c, 401, "Unauthorized");
}

/* So has the provisioning directory. */
static int scim_check(struct call *c)
{
	const char *sent = http_req_header(c->req, "Authorization");

	if (c->re->guard_lapsed)
		return scim_failure(c, 403, "Requires Atlassian Guard Standard");
	if (sent && strncmp(sent, "Bearer ", 7) == 0 && !strcmp(sent + 7, c->re->scim_key))
		return 0;
	return scim_failure(c, 401, "Unauthorized");
}

static int key_check(struct call *c, const struct endpoint *e)
{
	if (str_eq(call_segment(c, 0), STR("scim")))
		return scim_check(c);
	if (is_site(c))
		return site_check(c);
	if (c->re->guard_lapsed && str_eq(call_segment(c, 1), STR("api-access")))
		return 403; /* no document shows a body */
	c->key = key_of(c);
	if (c->key == KEY_NONE)
		return is_um(c) ? answer_key(c, 401, "unauthorized")
				: answer_proxy(c, 401, "Unauthorized");
	if (c->key == KEY_SCOPED && is_um(c)) {
		buf_add_text(&c->out, "{\"key\":\"forbidden\",\"errorKey\":\"forbidden\","
				      "\"errorDetail\":\"The key lacks the scope "
				      "manage:org\"}");
		return 403;
	}
	if (c->key == KEY_SCOPED && e && (e->flags & ENDPOINT_WRITE))
		return answer_proxy(c, 401, "Unauthorized; scope does not match");
	return 0;
}

/* Counts the request in the running window; 429 when it is full. */
static int rate_check(struct call *c)
{
	struct rate *rate = &c->re->rate;
	int64_t now = stamp_mono_ms(), left_ms;
	char reset[STAMP_TEXT_BYTES];

	if (rate->limit == 0)
		return 0;
	if (now - rate->began_mono_ms >= rate->window_ms) {
		rate->began_mono_ms = now;
		rate->used = 0;
	}
	left_ms = rate->window_ms - (now - rate->began_mono_ms);
	stamp_text(c->now_ms + left_ms, reset);
	rate->used += rate->used < rate->limit + 1;
	answer_header(c, "X-RateLimit-Limit", "%lld", (long long)rate->limit);
	answer_header(c, "X-RateLimit-Remaining", "%lld",
		      (long long)(rate->used > rate->limit ? 0 : rate->limit - rate->used));
	answer_header(c, "X-RateLimit-Reset", "%s", reset);
	if (rate->used <= rate->limit)
		return 0;
	answer_header(c, "Retry-After", "%lld", (long long)((left_ms + 999) / 1000));
	return answer_proxy(c, 429, "Too many requests");
}

static int fault_status(struct call *c)
{
	const struct fault *f = c->fault;
	const char *name;
	json_t *value;
	bool told = false;

	json_object_foreach (f->headers, name, value) {
		if (json_is_string(value))
			answer_header(c, name, "%s", json_string_value(value));
		told |= str_ieq(str_of(name), STR("Retry-After"));
	}
	if (f->status == 429 && !told)
		answer_header(c, "Retry-After", "1");
	buf_clear(&c->out);
	if (f->body)
		buf_add_text(&c->out, f->body);
	else if (f->status == 204)
		return 204;
	else if (f->status == 500)
		return answer_error(c, 500, "ADMIN-500-1", "Internal error");
	else
		return answer_proxy(c, f->status, "Ordered by the rehearsal");
	return f->status;
}

static int body_read(struct call *c, const struct endpoint *e)
{
	const char *type = http_req_header(c->req, "Content-Type");
	bool json = type && (str_istarts(str_of(type), STR("application/json")) ||
			     str_istarts(str_of(type), STR("application/scim+json")));
	struct err err;

	if ((e->flags & ENDPOINT_BODY) && (!json || c->body_raw.len == 0))
		return answer_proxy(c, 415, "HTTP 415 Unsupported Media Type");
	if (c->body_raw.len && !json)
		return answer_proxy(c, 415, "HTTP 415 Unsupported Media Type");
	if (c->body_raw.len &&
	    (jx_parse(c->body_raw, JX_LENIENT, &c->body, &err) < 0 || !json_is_object(c->body)))
		return is_um(c) ? answer_key(c, 400, "bodyParseFailure")
				: answer_bad_body(c, "The request body is no JSON object");
	if ((e->flags & ENDPOINT_OBJECT) && !c->body)
		return answer_bad_body(c, "A request body is required");
	return 0;
}

/* Everything the organisation does with a request. Answers the status. */
static int organisation_answer(struct call *c, const struct endpoint *e, bool path_known)
{
	int status = key_check(c, e);

	if (status == 0)
		status = rate_check(c);
	if (status)
		return status;
	if (c->fault && c->fault->kind == FAULT_STATUS && !c->fault->effect)
		return fault_status(c);
	if (c->fault && c->fault->kind != FAULT_STATUS && !c->fault->effect &&
	    (c->fault->kind == FAULT_RESET || c->fault->kind == FAULT_HANG ||
	     c->fault->kind == FAULT_CUT || c->fault->kind == FAULT_GARBAGE ||
	     c->fault->kind == FAULT_TRUNCATE))
		return answer_proxy(c, 503, "Ordered by the rehearsal");
	if (!e)
		return path_known ? answer_proxy(c, 405, "HTTP 405 Method Not Allowed")
				  : answer_proxy(c, 404, "HTTP 404 Not Found");
	status = body_read(c, e);
	if (status == 0)
		status = e->handler(c);
	if (c->fault && c->fault->kind == FAULT_STATUS)
		status = fault_status(c);
	return status;
}

/* --- after the handler ----------------------------------------------------------------- */

static void record_write(struct call *c, const struct endpoint *e, uint64_t n)
{
	CLEANUP(buf_done) struct buf line;
	const char *type = http_req_header(c->req, "Content-Type");
	struct jw w = { .b = &line };

	buf_init(&line, ANSWER_MAX_BYTES);
	jw_open(&w, NULL, '{');
	jw_int(&w, "n", (int64_t)n);
	jw_time(&w, "at", c->now_ms);
	jw_text(&w, "method", c->method);
	jw_key(&w, "path");
	buf_add_json(&line, c->path);
	jw_key(&w, "query");
	buf_add_json(&line, c->query);
	jw_text_or_null(&w, "endpoint", e ? e->path : NULL);
	jw_text_or_null(&w, "requestType", type);
	jw_key(&w, "requestBody");
	/* refused before it was read: the record wants it all the same */
	if (!c->body && c->body_raw.len &&
	    jx_parse(c->body_raw, JX_LENIENT, &c->body, NULL) < 0)
		c->body = NULL;
	if (!c->body || jx_text(c->body, &line, NULL) < 0)
		buf_add_json(&line, c->body_raw);
	jw_int(&w, "status", c->status);
	jw_text_or_null(&w, "fault", c->fault ? fault_kind_text(c->fault->kind) : NULL);
	jw_key(&w, "responseBody");
	if (c->out.len && (c->out.p[0] == '{' || c->out.p[0] == '['))
		buf_add_str(&line, buf_str(&c->out));
	else
		buf_add_json(&line, buf_str(&c->out));
	jw_close(&w, '}');
	buf_add_char(&line, '\n');
	if (!line.fault) {
		fwrite(line.p, 1, line.len, c->re->record);
		fflush(c->re->record);
	}
}

static void account_for(struct call *c, const struct endpoint *e)
{
	struct rehearsal *re = c->re;
	char endpoint[160] = "(none)";
	uint64_t n;

	if (e)
		snprintf(endpoint, sizeof(endpoint), "%s %s", e->method, e->path);
	n = ledger_request(&re->ledger, c->now_ms, c->method, c->path, c->query, endpoint,
			   c->status, c->fault ? fault_kind_text(c->fault->kind) : NULL);

	if (c->op)
		ledger_effect(&re->ledger, n, c->now_ms, c->op, c->account, c->detail,
			      c->changed);
	if (re->record)
		record_write(c, e, n);
}

/* How the answer is mishandled on its way; copied out of the lock. */
struct delivery {
	int64_t late_ms;
	bool abort, reset;
	int64_t abort_after;
	const char *type;
};

static struct delivery delivery_of(struct call *c)
{
	struct delivery d = { .late_ms = c->re->latency_ms, .type = "application/json" };

	if (!c->fault)
		return d;
	switch (c->fault->kind) {
	case FAULT_LATENCY:
		d.late_ms = c->fault->ms;
		break;
	case FAULT_HANG:
		d.late_ms = c->fault->ms;
		d.abort = true;
		break;
	case FAULT_RESET:
		d.abort = d.reset = true;
		break;
	case FAULT_CUT:
		d.abort = true;
		d.abort_after = (int64_t)c->out.len / 2;
		break;
	case FAULT_TRUNCATE:
		buf_cut(&c->out, c->out.len / 2);
		break;
	case FAULT_GARBAGE:
		buf_clear(&c->out);
		buf_add_text(&c->out, "<html><body><h1>It works!</h1></body></html>");
		c->status = 200;
		d.type = "text/html";
		break;
	default:
		break;
	}
	return d;
}

static int headers_send(struct call *c, struct err *err)
{
	struct str rest = buf_str(&c->headers), line, name, value;

	while (rest.len) {
		char n[128], v[512];
		struct str tail = { 0 };
		int r;

		str_cut(rest, '\n', &line, &tail);
		rest = tail;
		str_cut(line, ':', &name, &value);
		value = str_trim(value);
		snprintf(n, sizeof(n), STR_FMT, STR_ARG(name));
		snprintf(v, sizeof(v), STR_FMT, STR_ARG(value));
		r = http_reply_header(c->req, n, v, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int deliver(struct call *c, struct http_reply *reply, const struct delivery *d,
		   struct err *err)
{
	struct rehearsal *re = c->re;
	struct parked p = { .req = c->req, .due_mono_ms = stamp_mono_ms() + d->late_ms };
	int r = buf_fault(&c->out, err, "the answer");

	if (r == 0)
		r = headers_send(c, err);
	if (r < 0)
		return r;
	reply->status = c->status;
	if (c->out.len) {
		reply->content_type = d->type;
		buf_done(&reply->body);
		reply->body = c->out;
		buf_init(&c->out, 0);
	}
	if (d->abort)
		http_req_abort(c->req, d->abort_after, d->reset);
	if (d->late_ms <= 0)
		return HTTP_DONE;
	pthread_mutex_lock(&re->lock);
	r = re->stopping || vec_parked_add(&re->parked, p) < 0 ? HTTP_DONE : HTTP_PARKED;
	pthread_mutex_unlock(&re->lock);
	worker_wake(re->waiter);
	return r;
}

static void call_done(struct call *c)
{
	json_decref(c->body);
	buf_done(&c->decoded);
	buf_done(&c->out);
	buf_done(&c->headers);
}

int dispatch(void *ctx, struct http_req *req, struct http_reply *reply, struct err *err)
{
	struct rehearsal *re = ctx;
	CLEANUP(call_done)
	struct call c = { .re = re,
			  .org = &re->org,
			  .req = req,
			  .method = http_req_method_text(req),
			  .path = http_req_target(req),
			  .query = http_req_query_raw(req),
			  .body_raw = http_req_body(req) };
	const struct endpoint *e;
	struct delivery d = { .type = "application/json" };
	bool path_known;

	buf_init(&c.out, ANSWER_MAX_BYTES);
	buf_init(&c.headers, 8192);
	if (!segments_read(&c))
		return err_set(err, ERR_INVALID_SYNTAX, "the path is too long or broken");
	e = endpoint_find(&c, &path_known);
	pthread_mutex_lock(&re->lock);
	c.now_ms = stamp_now_ms();
	org_lag_settle(&re->org, c.now_ms);
	if (str_eq(call_segment(&c, 0), STR("_rehearsal"))) {
		c.status = e ? body_read(&c, e)
			     : answer_proxy(&c, 404, "no such control endpoint");
		if (e && c.status == 0)
			c.status = e->handler(&c);
	} else {
		c.fault = mischief_meet(&re->mischief, c.method, c.path);
		c.status = organisation_answer(&c, e, path_known);
		account_for(&c, e);
		d = delivery_of(&c);
	}
	pthread_mutex_unlock(&re->lock);
	return deliver(&c, reply, &d, err);
}

/* --- late answers ---------------------------------------------------------------------- */

/* Takes those whose time has come out of the list; the time of the next, or a second. */
static int64_t due_take(struct rehearsal *re, struct vec_parked *due, bool all)
{
	int64_t now = stamp_mono_ms(), next = 1000;
	size_t kept = 0;

	pthread_mutex_lock(&re->lock);
	for (size_t i = 0; i < re->parked.n; i++) {
		struct parked p = re->parked.v[i];

		if ((all || p.due_mono_ms <= now) && vec_parked_add(due, p) == 0)
			continue;
		re->parked.v[kept++] = p;
		if (p.due_mono_ms - now < next)
			next = p.due_mono_ms > now ? p.due_mono_ms - now : 1;
	}
	re->parked.n = kept;
	pthread_mutex_unlock(&re->lock);
	return next;
}

static void resume_all(struct vec_parked *due)
{
	for (size_t i = 0; i < due->n; i++)
		http_req_resume(due->v[i].req);
	due->n = 0;
}

void dispatch_waiter(struct worker *self, void *arg)
{
	struct rehearsal *re = arg;
	CLEANUP(vec_parked_done) struct vec_parked due = { 0 };
	int64_t next = 1000;

	while (!worker_wait(self, next)) {
		next = due_take(re, &due, false);
		resume_all(&due);
	}
}

void dispatch_stop(struct rehearsal *re)
{
	CLEANUP(vec_parked_done) struct vec_parked due = { 0 };

	pthread_mutex_lock(&re->lock);
	re->stopping = true;
	pthread_mutex_unlock(&re->lock);
	due_take(re, &due, true);
	resume_all(&due);
}
