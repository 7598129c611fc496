#include "net/httpc.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>

#include "base/worker.h"

/*
 * A call walks: inbox (any thread put it there) -> waiting (for its budget, or for the time of
 * its next try) -> running (an easy handle in the multi) -> waiting again, or done. Only the
 * client's thread moves it; the caller sleeps on the call's own condition and takes it back
 * when it is done. So the one lock of the client guards the inbox and the budgets, for a few
 * instructions at a time, and curl is never called under it.
 */

#define CALLS_MOST 1024
#define DEADLINE_MS 120000
#define TRY_TIMEOUT_MS 30000
#define CONNECT_TIMEOUT_MS 10000
#define BODY_BYTES (16 << 20)
#define REQUEST_BYTES (64 << 20)
#define LABEL_BYTES 200
#define CLOCKS_AGREE_MS 2000
#define TURN_MS 1000 /* the thread looks around at least so often */

struct httpc_call {
	struct httpc *c;
	/* of the request */
	char *method, *url, *content_type;
	char label[LABEL_BYTES]; /* "GET /path of host" */
	struct buf headers;      /* "name: value" NUL ... */
	struct buf body;
	struct secret authorization;
	struct httpc_via via;
	unsigned budget, tries_most;
	bool urgent, is_http;
	bool *sent; /* the caller's, or NULL */
	enum retry_class retry;
	int64_t deadline_ms, try_timeout_ms, backoff_ms, max_body_bytes;
	/* of the thread */
	int64_t begun_ms, not_before_ms, asked_ms, waited_ms;
	unsigned tries;
	CURL *easy;
	struct curl_slist *sent_headers;
	char curl_says[CURL_ERROR_SIZE];
	bool too_long, head_too_long, lost_memory;
	struct httpc_call *prev, *next;
	/* of both */
	atomic_bool cancelled;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool done;
	int r; /* 0, or the fault told in err */
	struct err err;
	struct httpc_answer answer;
};

struct list {
	struct httpc_call *first, *last;
};

struct budget {
	struct rate rate;
	unsigned running;
	bool used;
};

struct httpc {
	struct worker *worker;
	CURLM *multi;
	char *user_agent;
	unsigned calls_most;
	int64_t backoff_ms;
	atomic_uint calls; /* submitted and not yet collected */
	atomic_bool stopping;
	pthread_mutex_t lock;
	bool closed; /* the thread takes nothing more */
	struct list inbox;
	struct budget budgets[HTTPC_BUDGETS_MAX]; /* [0] is none */
	struct list waiting, running;             /* the thread's own */
};

/* --- curl's memory: wiped when given back ------------------------------------------------- */

#define SIZE_ROOM 16 /* in front of each block: its size; keeps malloc's alignment */

static void *(*allocate)(size_t bytes) = malloc;

void httpc_allocator(void *(*from)(size_t bytes))
{
	allocate = from ? from : malloc;
}

static void *wiped_malloc(size_t size)
{
	char *p;

	if (size > SIZE_MAX - SIZE_ROOM)
		return NULL;
	p = allocate(size + SIZE_ROOM);
	if (!p)
		return NULL;
	memcpy(p, &size, sizeof(size));
	return p + SIZE_ROOM;
}

static void wiped_free(void *p)
{
	char *block = p;
	size_t size;

	if (!p)
		return;
	block -= SIZE_ROOM;
	memcpy(&size, block, sizeof(size));
	secret_wipe(p, size);
	free(block);
}

static void *wiped_realloc(void *old, size_t size)
{
	size_t had = 0;
	void *p = wiped_malloc(size);

	if (!p || !old)
		return p;
	memcpy(&had, (char *)old - SIZE_ROOM, sizeof(had));
	memcpy(p, old, had < size ? had : size);
	wiped_free(old);
	return p;
}

static char *wiped_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *p = wiped_malloc(size);

	return p ? memcpy(p, text, size) : NULL;
}

static void *wiped_calloc(size_t n, size_t size)
{
	void *p;

	if (size && n > SIZE_MAX / size)
		return NULL;
	p = wiped_malloc(n * size);
	return p ? memset(p, 0, n * size) : NULL;
}

static pthread_once_t started = PTHREAD_ONCE_INIT;
static CURLcode started_as;

static void start_once(void)
{
	started_as = curl_global_init_mem(CURL_GLOBAL_DEFAULT, wiped_malloc, wiped_free,
					  wiped_realloc, wiped_strdup, wiped_calloc);
}

int httpc_start(struct err *err)
{
	pthread_once(&started, start_once);
	if (started_as)
		return err_set(err, ERR_INTERNAL, "libcurl does not start: %s",
			       curl_easy_strerror(started_as));
	return 0;
}

/* --- lists -------------------------------------------------------------------------------- */

static void list_add(struct list *l, struct httpc_call *call, struct httpc_call *before)
{
	call->next = before;
	call->prev = before ? before->prev : l->last;
	*(call->prev ? &call->prev->next : &l->first) = call;
	*(before ? &before->prev : &l->last) = call;
}

static void list_remove(struct list *l, struct httpc_call *call)
{
	*(call->prev ? &call->prev->next : &l->first) = call->next;
	*(call->next ? &call->next->prev : &l->last) = call->prev;
	call->prev = call->next = NULL;
}

/* Urgent calls stand before the others, each kind in the order it came. */
static void wait_in_line(struct httpc *c, struct httpc_call *call)
{
	struct httpc_call *at = c->waiting.first;

	while (at && (at->urgent || !call->urgent))
		at = at->next;
	list_add(&c->waiting, call, at);
}

/* --- a call's end ------------------------------------------------------------------------- */

static void try_clear(struct httpc_call *call)
{
	for (struct curl_slist *h = call->sent_headers; h; h = h->next)
		secret_wipe(h->data, strlen(h->data));
	curl_slist_free_all(TAKE(call->sent_headers));
	if (call->easy)
		curl_easy_cleanup(TAKE(call->easy));
}

/* Gives the call back to its caller, and never looks at it again. */
static void call_end(struct httpc_call *call, int r)
{
	try_clear(call);
	call->answer.tries = call->tries;
	call->answer.took_ms = stamp_mono_ms() - call->begun_ms;
	call->answer.waited_ms = call->waited_ms;
	pthread_mutex_lock(&call->lock);
	call->r = r;
	call->done = true;
	pthread_cond_signal(&call->ended);
	pthread_mutex_unlock(&call->lock);
}

static void call_free(struct httpc_call *call)
{
	try_clear(call);
	free(call->method);
	free(call->url);
	free(call->content_type);
	buf_done(&call->headers);
	buf_done(&call->body);
	secret_done(&call->authorization);
	httpc_answer_done(&call->answer);
	pthread_cond_destroy(&call->ended);
	pthread_mutex_destroy(&call->lock);
	free(call);
}
OWNED(struct httpc_call, call_free)

static int tell(struct httpc_call *call, int code, const char *why)
{
	if (call->tries > 1)
		return err_set(&call->err, code, "%s: %s (%u tries)", call->label, why,
			       call->tries);
	return err_set(&call->err, code, "%s: %s", call->label, why);
}

static int tell_cancelled(struct httpc_call *call)
{
	return tell(call, ERR_CANCELLED, "cancelled");
}

/* The deadline passed while it waited for its turn. */
static int tell_late(struct httpc_call *call)
{
	char why[160];

	if (call->answer.status)
		return 0; /* the last answer says more than we could */
	if (call->err.code)
		return -call->err.code;
	snprintf(
		why, sizeof(why),
		"not sent within %lld s: the rate limit, or a server that does not answer, did "
		"not let it pass",
		(long long)(call->deadline_ms - call->begun_ms) / 1000);
	return tell(call, ERR_TIMEOUT, why);
}

/* --- one try ------------------------------------------------------------------------------ */

static size_t on_head(char *line, size_t size, size_t n, void *arg)
{
	struct httpc_call *call = arg;

	/* An answer that comes after "100 Continue" takes its place. */
	if (size * n > 5 && !memcmp(line, "HTTP/", 5))
		buf_clear(&call->answer.head);
	buf_add(&call->answer.head, line, size * n);
	if (!call->answer.head.fault)
		return size * n;
	call->head_too_long = call->answer.head.fault == ERR_LIMIT;
	call->lost_memory = !call->head_too_long;
	return 0;
}

static size_t on_body(char *piece, size_t size, size_t n, void *arg)
{
	struct httpc_call *call = arg;

	buf_add(&call->answer.body, piece, size * n);
	if (!call->answer.body.fault)
		return size * n;
	call->too_long = call->answer.body.fault == ERR_LIMIT;
	call->lost_memory = !call->too_long;
	return 0;
}

static bool header_put(struct httpc_call *call, const char *line)
{
	struct curl_slist *longer = curl_slist_append(call->sent_headers, line);

	if (!longer)
		return false;
	call->sent_headers = longer;
	return true;
}

static bool headers_put(struct httpc_call *call)
{
	const char *p = call->headers.p, *end = p + call->headers.len;
	struct buf line;
	bool fine;

	for (; p && p < end; p += strlen(p) + 1)
		if (!header_put(call, p))
			return false;
	if (!header_put(call, "Expect:"))
		return false;
	if (!call->content_type &&
	    !header_put(call, "Content-Type:")) /* curl would guess one */
		return false;
	if (!call->authorization.len)
		return true;
	buf_init_secret(&line, SECRET_MAX_BYTES + 32);
	buf_add_text(&line, "Authorization: ");
	buf_add(&line, call->authorization.p, call->authorization.len);
	fine = !line.fault && header_put(call, line.p);
	buf_done(&line);
	return fine;
}

#define SET(option, value)                                                                     \
	do {                                                                                   \
		if (!rc)                                                                       \
			rc = curl_easy_setopt(call->easy, option, value);                      \
	} while (0)

static CURLcode set_method(struct httpc_call *call)
{
	CURLcode rc = CURLE_OK;

	if (!strcmp(call->method, "HEAD"))
		SET(CURLOPT_NOBODY, 1L);
	else if (call->content_type || !strcmp(call->method, "POST")) {
		SET(CURLOPT_POSTFIELDS, call->body.len ? call->body.p : "");
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
	}
	if (strcmp(call->method, "HEAD") && strcmp(call->method, "GET"))
		SET(CURLOPT_CUSTOMREQUEST, call->method);
	return rc;
}

static CURLcode set_via(struct httpc_call *call)
{
	CURLcode rc = CURLE_OK;

	/* "" keeps curl from asking the environment. */
	SET(CURLOPT_PROXY, call->via.proxy ? call->via.proxy : "");
	SET(CURLOPT_NOPROXY, "");
	if (call->via.proxy && call->via.proxy_login)
		SET(CURLOPT_PROXYUSERPWD, secret_text(call->via.proxy_login));
	SET(CURLOPT_PROTOCOLS_STR, call->is_http ? "http" : "https");
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (call->via.ca_file)
		SET(CURLOPT_CAINFO, call->via.ca_file);
	return rc;
}

static CURLcode set_rest(struct httpc_call *call, int64_t now)
{
	int64_t left = call->deadline_ms - now;
	CURLcode rc = CURLE_OK;

	if (left > call->try_timeout_ms)
		left = call->try_timeout_ms;
	SET(CURLOPT_URL, call->url);
	SET(CURLOPT_PRIVATE, call);
	SET(CURLOPT_ERRORBUFFER, call->curl_says);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TIMEOUT_MS, (long)left);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_PIPEWAIT, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	/* on a connection that was kept and is found dead curl sends a request again by itself
	 */
	if (call->sent || call->retry == RETRY_IF_NOT_SENT)
		SET(CURLOPT_FRESH_CONNECT, 1L);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
	SET(CURLOPT_USERAGENT, call->c->user_agent);
	SET(CURLOPT_HTTPHEADER, call->sent_headers);
	SET(CURLOPT_HEADERFUNCTION, on_head);
	SET(CURLOPT_HEADERDATA, call);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, call);
	return rc;
}

/* A handle with everything set, in the multi. */
static CURLcode try_start(struct httpc *c, struct httpc_call *call, int64_t now)
{
	CURLcode rc;

	buf_clear(&call->answer.body);
	buf_clear(&call->answer.head);
	call->answer.status = 0;
	call->err.code = 0;
	call->curl_says[0] = '\0';
	call->too_long = call->head_too_long = call->lost_memory = false;
	call->easy = curl_easy_init();
	if (!call->easy || !headers_put(call))
		return CURLE_OUT_OF_MEMORY;
	rc = set_rest(call, now);
	if (!rc)
		rc = set_method(call);
	if (!rc)
		rc = set_via(call);
	if (!rc && curl_multi_add_handle(c->multi, call->easy) != CURLM_OK)
		rc = CURLE_OUT_OF_MEMORY;
	return rc;
}

/* --- what an answer teaches --------------------------------------------------------------- */

static int64_t number_header(const struct httpc_answer *a, const char *name)
{
	struct str value;
	int64_t n;

	return httpc_header(a, name, &value) && str_int64(value, &n) && n >= 0 ? n : -1;
}

/* `"name";r=12;t=30` of the draft RateLimit fields: what is left, seconds to the reset. */
static int64_t field_parameter(struct str field, const char *name)
{
	struct str one;
	int64_t n;

	while (field.len) {
		struct str tail = { 0 }, key, value;

		str_cut(field, ';', &one, &tail);
		field = tail;
		if (str_cut(str_trim(one), '=', &key, &value) &&
		    str_eq(str_trim(key), str_of(name)) && str_int64(str_trim(value), &n))
			return n;
	}
	return -1;
}

/* What time it is for whoever answered. Its Date tells only seconds, so our own clock is taken
 * where the two agree; where they do not, times in the answer are held against its Date. */
static int64_t answer_date(const struct httpc_answer *a)
{
	int64_t now = stamp_now_ms(), date;
	struct str value;

	if (!httpc_header(a, "Date", &value) || !stamp_parse_http(value, &date))
		return now;
	return now > date - CLOCKS_AGREE_MS && now < date + 1000 + CLOCKS_AGREE_MS ? now : date;
}

static struct rate_told told_by(const struct httpc_answer *a)
{
	struct rate_told told = RATE_TOLD_NOTHING;
	struct str value;
	int64_t date = answer_date(a);

	told.status = a->status;
	told.limit = number_header(a, "X-RateLimit-Limit");
	told.remaining = number_header(a, "X-RateLimit-Remaining");
	if (httpc_header(a, "X-RateLimit-Reset", &value))
		told.reset_in_ms = retry_reset_ms(value, date);
	if (told.remaining < 0 && httpc_header(a, "Beta-RateLimit", &value)) {
		told.remaining = field_parameter(value, "r");
		told.reset_in_ms = field_parameter(value, "t");
		if (told.reset_in_ms > 0)
			told.reset_in_ms *= 1000;
	}
	if (httpc_header(a, "Retry-After", &value) ||
	    httpc_header(a, "Beta-Retry-After", &value))
		told.retry_after_ms = retry_after_ms(value, date);
	told.near_limit =
		httpc_header(a, "X-RateLimit-NearLimit", &value) && str_ieq(value, STR("true"));
	return told;
}

/* --- the end of a try --------------------------------------------------------------------- */

static const struct {
	CURLcode code;
	int fault;
} curl_faults[] = {
	{ CURLE_OUT_OF_MEMORY, ERR_NOMEM },
	{ CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT },
	{ CURLE_PEER_FAILED_VERIFICATION, ERR_TLS },
	{ CURLE_SSL_CACERT_BADFILE, ERR_TLS },
	{ CURLE_SSL_CERTPROBLEM, ERR_TLS },
	{ CURLE_SSL_CIPHER, ERR_TLS },
	{ CURLE_SSL_ISSUER_ERROR, ERR_TLS },
	{ CURLE_SSL_INVALIDCERTSTATUS, ERR_TLS },
	{ CURLE_URL_MALFORMAT, ERR_CONFIG },
	{ CURLE_UNSUPPORTED_PROTOCOL, ERR_CONFIG },
	{ CURLE_WEIRD_SERVER_REPLY, ERR_PROTOCOL },
	{ CURLE_BAD_CONTENT_ENCODING, ERR_PROTOCOL },
};

static int curl_fault(CURLcode rc)
{
	for (size_t i = 0; i < COUNT_OF(curl_faults); i++)
		if (curl_faults[i].code == rc)
			return curl_faults[i].fault;
	return ERR_NETWORK;
}

static void tell_curl(struct httpc_call *call, CURLcode rc)
{
	char why[CURL_ERROR_SIZE + 80];

	if (call->lost_memory || rc == CURLE_OUT_OF_MEMORY) {
		err_nomem(&call->err);
	} else if (call->too_long) {
		snprintf(why, sizeof(why), "the answer is longer than %lld bytes",
			 (long long)call->max_body_bytes);
		tell(call, ERR_LIMIT, why);
	} else if (call->head_too_long) {
		snprintf(why, sizeof(why), "the answer's header is longer than %d bytes",
			 HTTPC_HEADERS_MAX);
		tell(call, ERR_LIMIT, why);
	} else {
		tell(call, curl_fault(rc),
		     call->curl_says[0] ? call->curl_says : curl_easy_strerror(rc));
	}
}

/* Faults that are the other side's, or the way's. */
static bool is_away(int fault)
{
	return fault == ERR_NETWORK || fault == ERR_TIMEOUT || fault == ERR_TLS;
}

static double chance(void)
{
	uint32_t n;

	secret_random_bytes(&n, sizeof(n));
	return n / 4294967296.0;
}

/* Another try if there is time for it and the other side is not away; else the call ends as it
 * stands. */
static void again_or_end(struct httpc *c, struct httpc_call *call, bool connected, bool away,
			 int64_t asked_wait_ms)
{
	struct retry_fact fact = {
		.status = call->answer.status,
		.fault = call->err.code,
		.connected = connected,
		.asked_wait_ms = asked_wait_ms,
		.tries = call->tries,
		.base_ms = call->backoff_ms ? call->backoff_ms : c->backoff_ms,
	};
	int64_t wait, now = stamp_mono_ms();

	if (!retry_again(call->retry, call->tries_most, &fact, chance(), &wait) || away ||
	    now + wait >= call->deadline_ms || atomic_load(&call->cancelled)) {
		call_end(call, call->err.code ? -call->err.code : 0);
		return;
	}
	try_clear(call);
	call->not_before_ms = now + wait;
	call->asked_ms = now;
	wait_in_line(c, call);
}

/* curl is through with a try: with an answer (rc OK) or without. */
static void try_over(struct httpc *c, struct httpc_call *call, CURLcode rc)
{
	struct rate_told told = RATE_TOLD_NOTHING;
	long status = 0, sent = 0;
	bool away = false;

	curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent);
	if (call->sent && sent > 0)
		*call->sent = true;
	if (rc == CURLE_OK) {
		curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
		call->answer.status = (int)status;
		told = told_by(&call->answer);
	} else {
		tell_curl(call, rc);
	}
	if (call->budget) {
		pthread_mutex_lock(&c->lock);
		told.under_way = --c->budgets[call->budget].running;
		if (rc == CURLE_OK || is_away(call->err.code))
			rate_learn(&c->budgets[call->budget].rate, &told, stamp_mono_ms());
		away = rate_is_broken(&c->budgets[call->budget].rate);
		pthread_mutex_unlock(&c->lock);
	}
	again_or_end(c, call, sent > 0, away,
		     told.retry_after_ms >= 0 ? told.retry_after_ms
		     : status == 429          ? told.reset_in_ms
					      : -1);
}

/* --- the thread --------------------------------------------------------------------------- */

static void take_inbox(struct httpc *c)
{
	pthread_mutex_lock(&c->lock);
	for (struct httpc_call *call = c->inbox.first, *next; call; call = next) {
		next = call->next;
		list_remove(&c->inbox, call);
		wait_in_line(c, call);
	}
	pthread_mutex_unlock(&c->lock);
}

/* 0: go. Else ms until it is worth asking again. */
static int64_t ask_budget(struct httpc *c, const struct httpc_call *call, int64_t now)
{
	struct budget *b = &c->budgets[call->budget];
	int64_t wait = 0;

	if (!call->budget)
		return 0;
	pthread_mutex_lock(&c->lock);
	if (b->running >= rate_at_once(&b->rate))
		wait = TURN_MS; /* the end of one of those wakes us */
	else
		wait = rate_take(&b->rate, now);
	b->running += wait == 0;
	pthread_mutex_unlock(&c->lock);
	return wait;
}

static void run(struct httpc *c, struct httpc_call *call, int64_t now)
{
	CURLcode rc;

	list_remove(&c->waiting, call);
	call->tries++;
	call->waited_ms += now - call->asked_ms;
	rc = try_start(c, call, now);
	if (rc == CURLE_OK) {
		list_add(&c->running, call, NULL);
		return;
	}
	if (call->budget) {
		pthread_mutex_lock(&c->lock);
		c->budgets[call->budget].running--;
		pthread_mutex_unlock(&c->lock);
	}
	tell_curl(call, rc);
	call_end(call, -call->err.code);
}

/* Starts what may start. Returns ms until the next one may. */
static int64_t start_waiting(struct httpc *c)
{
	int64_t now = stamp_mono_ms(), least = TURN_MS;

	for (struct httpc_call *call = c->waiting.first, *next; call; call = next) {
		int64_t wait = 0;

		next = call->next;
		if (atomic_load(&call->cancelled) || atomic_load(&c->stopping)) {
			list_remove(&c->waiting, call);
			call_end(call, tell_cancelled(call));
			continue;
		}
		if (now >= call->deadline_ms) {
			list_remove(&c->waiting, call);
			call_end(call, tell_late(call));
			continue;
		}
		if (call->not_before_ms > now)
			wait = call->not_before_ms - now;
		else
			wait = ask_budget(c, call, now);
		if (wait == 0)
			run(c, call, now);
		else if (wait < least)
			least = wait;
		if (wait && call->deadline_ms - now < least)
			least = call->deadline_ms - now;
	}
	return least;
}

static void end_cancelled(struct httpc *c)
{
	bool all = atomic_load(&c->stopping);

	for (struct httpc_call *call = c->running.first, *next; call; call = next) {
		next = call->next;
		if (!all && !atomic_load(&call->cancelled))
			continue;
		list_remove(&c->running, call);
		curl_multi_remove_handle(c->multi, call->easy);
		if (call->budget) {
			pthread_mutex_lock(&c->lock);
			c->budgets[call->budget].running--;
			pthread_mutex_unlock(&c->lock);
		}
		call_end(call, tell_cancelled(call));
	}
}

/* Takes finished tries out of the multi; true when there was one. */
static bool end_finished(struct httpc *c)
{
	const CURLMsg *msg;
	bool any = false;
	int left;

	while ((msg = curl_multi_info_read(c->multi, &left))) {
		CURL *easy = msg->easy_handle;
		CURLcode rc = msg->data.result;
		char *at = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &at);
		curl_multi_remove_handle(c->multi, easy);
		list_remove(&c->running, (struct httpc_call *)(void *)at);
		try_over(c, (struct httpc_call *)(void *)at, rc);
		any = true;
	}
	return any;
}

static void loop(struct worker *self, void *arg)
{
	struct httpc *c = arg;
	int running;

	while (!worker_stopping(self)) {
		int64_t wait;

		take_inbox(c);
		end_cancelled(c);
		wait = start_waiting(c);
		curl_multi_perform(c->multi, &running);
		if (!end_finished(c))
			curl_multi_poll(c->multi, NULL, 0, (int)wait, NULL);
	}
	atomic_store(&c->stopping, true);
	pthread_mutex_lock(&c->lock);
	c->closed = true;
	pthread_mutex_unlock(&c->lock);
	take_inbox(c);
	end_cancelled(c);
	start_waiting(c);
}

/* --- what callers use --------------------------------------------------------------------- */

int httpc_new(struct httpc **ret, const struct httpc_options *options, struct err *err)
{
	CLEANUP(httpc_free_at) struct httpc *c = NULL;
	int r = httpc_start(err);

	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_nomem(err);
	pthread_mutex_init(&c->lock, NULL);
	c->backoff_ms = options ? options->backoff_ms : 0;
	c->calls_most = options && options->calls ? options->calls : CALLS_MOST;
	c->user_agent =
		str_dup(str_of(options && options->user_agent ? options->user_agent
							      : "leaverd/" LEAVERD_VERSION));
	c->multi = curl_multi_init();
	if (!c->user_agent || !c->multi)
		return err_nomem(err);
	curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
			  (long)(options && options->connections_per_host
					 ? options->connections_per_host
					 : 8));
	r = worker_start(&c->worker, "http-client", loop, c, err);
	if (r < 0)
		return r;
	*ret = TAKE(c);
	return 0;
}

void httpc_stop(struct httpc *c)
{
	atomic_store(&c->stopping, true);
	curl_multi_wakeup(c->multi);
}

void httpc_free(struct httpc *c)
{
	if (!c)
		return;
	if (c->worker) {
		worker_stop(c->worker);
		httpc_stop(c);
		worker_join(c->worker);
	}
	if (c->multi)
		curl_multi_cleanup(c->multi);
	pthread_mutex_destroy(&c->lock);
	free(c->user_agent);
	free(c);
}

int httpc_budget(struct httpc *c, const struct rate_rule *rule, unsigned *ret, struct err *err)
{
	unsigned at = 1;

	pthread_mutex_lock(&c->lock);
	while (at < HTTPC_BUDGETS_MAX && c->budgets[at].used)
		at++;
	if (at < HTTPC_BUDGETS_MAX) {
		rate_init(&c->budgets[at].rate, rule, stamp_mono_ms());
		c->budgets[at].used = true;
	}
	pthread_mutex_unlock(&c->lock);
	if (at == HTTPC_BUDGETS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d request budgets",
			       HTTPC_BUDGETS_MAX - 1);
	*ret = at;
	return 0;
}

void httpc_budget_drop(struct httpc *c, unsigned budget)
{
	pthread_mutex_lock(&c->lock);
	if (budget)
		c->budgets[budget].used = false;
	pthread_mutex_unlock(&c->lock);
}

double httpc_budget_rate(struct httpc *c, unsigned budget)
{
	double rate;

	pthread_mutex_lock(&c->lock);
	rate = rate_now(&c->budgets[budget].rate, stamp_mono_ms());
	pthread_mutex_unlock(&c->lock);
	return rate;
}

static void url_free(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void url_part_free(char **part)
{
	curl_free(*part);
}

static bool loopback(const char *host)
{
	return !strcmp(host, "localhost") || !strncmp(host, "127.", 4) ||
	       !strcmp(host, "[::1]");
}

/* Which URLs are asked at all, and how the call is named in sentences: without its query, which
 * may hold what is nobody's business. */
static int url_check(struct httpc_call *call, const struct httpc_via *via, struct err *err)
{
	CLEANUP(url_free) CURLU *u = curl_url();
	CLEANUP(url_part_free) char *scheme = NULL;
	CLEANUP(url_part_free) char *host = NULL;
	CLEANUP(url_part_free) char *path = NULL;
	CLEANUP(url_part_free) char *user = NULL;

	CURLUcode rc;

	if (!u)
		return err_nomem(err);
	rc = curl_url_set(u, CURLUPART_URL, call->url, 0);
	if (!rc)
		rc = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
	if (!rc)
		rc = curl_url_get(u, CURLUPART_HOST, &host, 0);
	if (!rc)
		rc = curl_url_get(u, CURLUPART_PATH, &path, 0);
	if (rc == CURLUE_OUT_OF_MEMORY)
		return err_nomem(err);
	if (rc)
		return err_set(err, ERR_CONFIG, "\"%.100s\" is no URL", call->url);
	snprintf(call->label, sizeof(call->label), "%s %s of %s", call->method, path, host);
	rc = curl_url_get(u, CURLUPART_USER, &user, 0);
	if (rc == CURLUE_OUT_OF_MEMORY)
		return err_nomem(err);
	if (!rc)
		return err_set(err, ERR_CONFIG, "%s: a URL with a login is not asked",
			       call->label);
	call->is_http = !strcmp(scheme, "http");
	if (strcmp(scheme, "https") &&
	    !(call->is_http && (via->any_http || (via->allow_http && loopback(host)))))
		return err_set(err, ERR_CONFIG,
			       "%s: %s:// is not asked: only https://, and http:// on loopback "
			       "addresses where it was configured",
			       call->label, scheme);
	return 0;
}

static int headers_copy(struct httpc_call *call, const struct httpc_request *q, struct err *err)
{
	buf_init(&call->headers, HTTPC_HEADERS_MAX);
	for (const struct httpc_header *h = q->headers; h && h->name; h++) {
		if (strpbrk(h->name, "\r\n:") || strpbrk(h->value, "\r\n"))
			return err_set(err, ERR_INTERNAL, "%s: header \"%.40s\" breaks a line",
				       call->label, strpbrk(h->name, "\r\n") ? "?" : h->name);
		/* curl leaves out "name:"; "name;" is how it is told an empty value. */
		buf_addf(&call->headers, *h->value ? "%s: %s" : "%s;", h->name, h->value);
		buf_add_char(&call->headers, '\0');
	}
	if (q->content_type) {
		buf_addf(&call->headers, "Content-Type: %s", q->content_type);
		buf_add_char(&call->headers, '\0');
	}
	return buf_fault(&call->headers, err, "the request's header");
}

static int call_new(struct httpc_call **ret, struct httpc *c, const struct httpc_request *q,
		    struct err *err)
{
	CLEANUP(call_free_at) struct httpc_call *call = calloc(1, sizeof(*call));
	int r;

	if (!call)
		return err_nomem(err);
	pthread_mutex_init(&call->lock, NULL);
	pthread_cond_init(&call->ended, NULL);
	call->c = c;
	call->method = str_dup(str_of(q->method));
	call->url = str_dup(str_of(q->url));
	if (!call->method || !call->url)
		return err_nomem(err);
	r = url_check(call, &q->via, err);
	if (r == 0)
		r = headers_copy(call, q, err);
	if (r < 0)
		return r;
	if (q->content_type && !(call->content_type = str_dup(str_of(q->content_type))))
		return err_nomem(err);
	buf_init(&call->body, REQUEST_BYTES);
	buf_add_str(&call->body, q->body);
	r = buf_fault(&call->body, err, "the request");
	if (r == 0 && q->authorization && q->authorization->len)
		r = secret_copy(&call->authorization, q->authorization, err);
	if (r < 0)
		return r;
	call->via = q->via;
	call->budget = q->budget;
	call->urgent = q->urgent;
	call->sent = q->sent;
	call->retry = q->retry;
	call->tries_most = q->tries ? q->tries : RETRY_TRIES;
	call->try_timeout_ms = q->try_timeout_ms ? q->try_timeout_ms : TRY_TIMEOUT_MS;
	call->backoff_ms = q->backoff_ms;
	call->max_body_bytes = q->max_body_bytes ? q->max_body_bytes : BODY_BYTES;
	buf_init(&call->answer.body, (size_t)call->max_body_bytes);
	buf_init(&call->answer.head, HTTPC_HEADERS_MAX);
	call->begun_ms = call->asked_ms = stamp_mono_ms();
	call->deadline_ms = call->begun_ms + (q->deadline_ms ? q->deadline_ms : DEADLINE_MS);
	*ret = TAKE(call);
	return 0;
}

int httpc_submit(struct httpc *c, const struct httpc_request *request, struct httpc_call **ret,
		 struct err *err)
{
	struct httpc_call *call = NULL;
	bool closed;
	int r;

	if (atomic_fetch_add(&c->calls, 1) >= c->calls_most) {
		atomic_fetch_sub(&c->calls, 1);
		return err_set(err, ERR_LIMIT, "more than %u HTTP calls at once",
			       c->calls_most);
	}
	r = call_new(&call, c, request, err);
	if (r < 0) {
		atomic_fetch_sub(&c->calls, 1);
		return r;
	}
	pthread_mutex_lock(&c->lock);
	closed = c->closed || atomic_load(&c->stopping);
	if (!closed)
		list_add(&c->inbox, call, NULL);
	pthread_mutex_unlock(&c->lock);
	if (closed) {
		r = tell_cancelled(call);
		if (err)
			*err = call->err;
		atomic_fetch_sub(&c->calls, 1);
		call_free(call);
		return r;
	}
	curl_multi_wakeup(c->multi);
	*ret = call;
	return 0;
}

void httpc_cancel(struct httpc_call *call)
{
	atomic_store(&call->cancelled, true);
	curl_multi_wakeup(call->c->multi);
}

int httpc_collect(struct httpc_call *call, struct httpc_answer *ret, struct err *err)
{
	int r;

	pthread_mutex_lock(&call->lock);
	while (!call->done)
		pthread_cond_wait(&call->ended, &call->lock);
	pthread_mutex_unlock(&call->lock);
	r = call->r;
	if (r < 0) {
		if (err)
			*err = call->err;
	} else {
		*ret = call->answer;
		call->answer = (struct httpc_answer){ 0 };
	}
	atomic_fetch_sub(&call->c->calls, 1);
	call_free(call);
	return r;
}

int httpc_do(struct httpc *c, const struct httpc_request *request, struct httpc_answer *ret,
	     struct err *err)
{
	struct httpc_call *call;
	int r = httpc_submit(c, request, &call, err);

	return r < 0 ? r : httpc_collect(call, ret, err);
}

bool httpc_header(const struct httpc_answer *a, const char *name, struct str *ret)
{
	struct str rest = buf_str(&a->head), line, key, value;

	while (rest.len) {
		struct str tail = { 0 };

		str_cut(rest, '\n', &line, &tail);
		rest = tail;
		if (str_cut(line, ':', &key, &value) && str_ieq(key, str_of(name))) {
			*ret = str_trim(value);
			return true;
		}
	}
	return false;
}

void httpc_answer_done(struct httpc_answer *a)
{
	buf_done(&a->body);
	buf_done(&a->head);
}
