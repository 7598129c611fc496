#include "bridge/control.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/log.h"
#include "base/queue.h"
#include "base/worker.h"
#include "bridge/app.h"
#include "net/httpd.h"

#define CONTROL_QUEUE_MOST 256
#define CONTROL_REQUEST_MAX (1 << 20)
#define CONTROL_BULK_MAX (24 << 20) /* of a request with a file of rows in it */
#define CONTROL_HEAD_MAX 16384
/* A verb may wait for directories and Atlassian: the client waits, and may end by itself. */
#define CONTROL_TIMEOUT_MS (24LL * 60 * 60 * 1000)
#define CONTROL_NAME_BYTES 16384 /* for one row of passwd or group */
#define CONTROL_GROUPS_MOST 256

/* --- who -------------------------------------------------------------------------------------
 */

void control_who_of(uid_t uid, pid_t pid, struct who *ret)
{
	struct passwd row, *found = NULL;
	char room[4096];

	*ret = (struct who){ .uid = uid, .pid = pid };
	if (getpwuid_r(uid, &row, room, sizeof(room), &found) == 0 && found)
		snprintf(ret->name, sizeof(ret->name), "uid:%s", found->pw_name);
	else
		snprintf(ret->name, sizeof(ret->name), "uid:%lu", (unsigned long)uid);
}

void control_who_self(struct who *ret)
{
	control_who_of(getuid(), getpid(), ret);
}

static bool in_group(uid_t uid, gid_t gid)
{
	gid_t groups[CONTROL_GROUPS_MOST];
	int count = CONTROL_GROUPS_MOST;
	struct passwd row, *found = NULL;
	char room[4096];

	if (getpwuid_r(uid, &row, room, sizeof(room), &found) || !found)
		return false;
	if (getgrouplist(found->pw_name, found->pw_gid, groups, &count) < 0)
		return false;
	for (int i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

/* --- the server ------------------------------------------------------------------------------
 */

struct job {
	struct http_req *req;
	const struct verb *verb;
	struct who who;
	json_t *in;
};

/* Those of one lane wait for each other alone. A read that goes on for ever holds up no other.
 */
enum { BRIEF, LONG, READ, LANES };
#define LANE_WORKERS_MOST 4
static const struct {
	const char *name;
	unsigned workers;
} lane_kinds[LANES] = {
	[BRIEF] = { "verb", 4 },
	[LONG] = { "verb-long", 1 },
	[READ] = { "verb-read", 4 },
};

struct control {
	struct app *app;
	struct httpd *http;
	struct lane {
		struct control *control;
		struct queue *queue;
		struct worker *workers[LANE_WORKERS_MOST];
	} lanes[LANES];
	gid_t group;
	bool has_group;
	atomic_bool stopping;
};

static void job_free(struct job *j)
{
	json_decref(j->in);
	free(j);
}

static void job_free_at(struct job **j)
{
	if (*j)
		job_free(*j);
	*j = NULL;
}

static bool may_ask(const struct control *c, uid_t uid)
{
	return uid == 0 || uid == geteuid() || (c->has_group && in_group(uid, c->group));
}

/* {"fault": {...}} with what the verb had answered before. */
static int answer_fault(json_t *answer, const struct err *said, struct err *err)
{
	json_t *fault = json_object();
	int r;

	if (!fault)
		return err_nomem(err);
	r = jx_set(answer, "fault", fault, err);
	if (r == 0)
		r = jx_set(fault, "word", json_string(err_class(said->code)->word), err);
	return r < 0 ? r : jx_set(fault, "text", json_string(said->text), err);
}

static void write_answer(struct http_reply *reply, json_t *out, const struct err *said)
{
	CLEANUP(json_decref_at) json_t *answer = json_object();
	struct err err;
	int r = answer ? 0 : -ERR_NOMEM;

	reply->content_type = "application/json";
	if (r == 0)
		r = jx_set(answer, "out", json_incref(out), &err);
	if (r == 0 && said) {
		reply->status = err_class(said->code)->http_status;
		r = answer_fault(answer, said, &err);
	}
	if (r == 0)
		r = jx_text(answer, &reply->body, &err);
	if (r == 0 && !reply->body.fault)
		return;
	/* What is longer than an answer may be, or cannot be written, is said without it. */
	reply->status = err_class(r ? r : reply->body.fault)->http_status;
	buf_clear(&reply->body);
	buf_addf(
		&reply->body,
		"{\"fault\":{\"word\":\"limit\",\"text\":\"the answer is too long or memory is "
		"short: ask for less with --filter or --limit\"}}");
}

static void job_run(struct control *c, struct job *j)
{
	CLEANUP(json_decref_at) json_t *out = json_object();
	struct http_reply *reply = http_req_reply(j->req);
	int64_t began = stamp_mono_ms();
	struct err err = { 0 };
	int r;

	reply->body.secret = true; /* a new token is shown once, here */
	if (!out)
		r = err_nomem(&err);
	else if (atomic_load(&c->stopping))
		r = err_set(&err, ERR_CANCELLED, "leaverd serve is stopping: %s was not begun",
			    j->verb->name);
	else
		r = j->verb->run(c->app, &j->who, j->in, out, &err);
	write_answer(reply, out, r < 0 ? &err : NULL);
	log_debug("control.done", LOG_T("verb", j->verb->name), LOG_T("who", j->who.name),
		  LOG_T("result", r < 0 ? err_class(r)->word : "ok"),
		  LOG_I("ms", stamp_mono_ms() - began));
	http_req_resume(j->req);
}

static void work(struct worker *self, void *arg)
{
	struct lane *lane = arg;
	void *item;

	(void)self;
	while (queue_get(lane->queue, &item, -1) == 0) {
		CLEANUP(job_free_at) struct job *j = item;

		job_run(lane->control, j);
	}
}

static struct queue *queue_of(struct control *c, const struct verb *verb)
{
	return c->lanes[verb->needs & VERB_READ   ? READ
			: verb->needs & VERB_LONG ? LONG
						  : BRIEF]
		.queue;
}

static int job_of(struct control *c, struct http_req *req, struct job **ret, struct err *err)
{
	CLEANUP(job_free_at) struct job *j = calloc(1, sizeof(*j));
	struct str name = http_req_param(req, "verb"), body; /* a route without it is bulk's */
	char verb[64];
	uid_t uid;
	pid_t pid;
	int r;

	if (!j)
		return err_nomem(err);
	if (!http_req_cred(req, &uid, &pid))
		return err_set(err, ERR_FORBIDDEN, "the system does not say who is asking");
	if (!may_ask(c, uid))
		return err_set(
			err, ERR_FORBIDDEN,
			"user %lu may not give commands to this leaverd: only root, its own "
			"user and members of control.group may",
			(unsigned long)uid);
	if (!name.len)
		name = STR("bulk");
	snprintf(verb, sizeof(verb), STR_FMT, STR_ARG(name));
	j->verb = verb_find(verb);
	if (!j->verb)
		return err_set(
			err, ERR_NOT_FOUND,
			"this leaverd does not know '%s': the command is of another version",
			verb);
	body = http_req_body(req);
	r = jx_parse(body, JX_STRICT, &j->in, err);
	/* It may have carried a secret, and nobody reads it again. */
	if (body.len)
		secret_wipe((void *)(uintptr_t)body.p, body.len);
	if (r < 0)
		return r;
	if (!json_is_object(j->in))
		return err_set(err, ERR_INVALID_SYNTAX, "a request is a JSON object");
	control_who_of(uid, pid, &j->who);
	j->req = req;
	*ret = TAKE(j);
	return 0;
}

static int on_verb(void *ctx, struct http_req *req, struct http_reply *reply, struct err *err)
{
	CLEANUP(job_free_at) struct job *j = NULL;
	struct control *c = ctx;
	int r;

	(void)reply;
	r = job_of(c, req, &j, err);
	if (r < 0)
		return r;
	r = queue_put(queue_of(c, j->verb), j, 0);
	if (r == 0) {
		(void)TAKE(j);
		return HTTP_PARKED;
	}
	if (r < 0)
		return err_set(err, -r, "%s could not be taken in", j->verb->name);
	return err_set(err, r == QUEUE_CLOSED ? ERR_UNAVAILABLE : ERR_BUSY,
		       r == QUEUE_CLOSED ? "leaverd serve is stopping"
					 : "more than %d commands are waiting: try again",
		       CONTROL_QUEUE_MOST);
}

static void on_fault(void *ctx, struct http_req *req, struct http_reply *reply,
		     const struct err *said)
{
	CLEANUP(json_decref_at) json_t *out = json_object();

	(void)ctx;
	(void)req;
	write_answer(reply, out, said);
}

static const struct http_route routes[] = {
	{ .method = HTTP_POST,
	  .path = "/v1/bulk",
	  .handler = on_verb,
	  .max_body_bytes = CONTROL_BULK_MAX },
	{ .method = HTTP_POST,
	  .path = "/v1/{verb}",
	  .handler = on_verb,
	  .max_body_bytes = CONTROL_REQUEST_MAX },
	{ 0 },
};

static int find_group(struct control *c, const char *name, struct err *err)
{
	CLEANUP(free_at) char *room = NULL;
	struct group row, *found = NULL;

	if (!name)
		return 0;
	room = malloc(CONTROL_NAME_BYTES);
	if (!room)
		return err_nomem(err);
	if (getgrnam_r(name, &row, room, CONTROL_NAME_BYTES, &found) || !found)
		return err_set(
			err, ERR_CONFIG,
			"control.group: this machine has no group %s: make it, or leave the "
			"key out",
			name);
	c->group = found->gr_gid;
	c->has_group = true;
	return 0;
}

static int start_http(struct control *c, struct err *err)
{
	const struct config_control *k = &c->app->config.control;
	struct httpd_options o = {
		.name = "control",
		.unix_mode = k->mode_bits,
		.threads = 1,
		.connections = CONTROL_QUEUE_MOST,
		.max_body_bytes = CONTROL_REQUEST_MAX,
		.timeout_ms = CONTROL_TIMEOUT_MS,
		.routes = routes,
		.ctx = c,
		.fault = on_fault,
	};
	char where[sizeof(struct sockaddr_un) + 8];
	int r;

	snprintf(where, sizeof(where), "unix:%s", k->socket);
	o.listen = where;
	r = httpd_start(&c->http, &o, err);
	if (r < 0)
		return err_context(err, r, "control socket");
	if (c->has_group && chown(k->socket, (uid_t)-1, c->group) < 0)
		return err_errno(
			err, ERR_CONFIG, errno,
			"control socket %s: giving it to group %s (the daemon's user must "
			"be a member)",
			k->socket, k->group);
	return 0;
}

static int start_lane(struct control *c, int kind, struct err *err)
{
	struct lane *lane = &c->lanes[kind];
	char name[16];
	int r;

	lane->control = c;
	r = queue_new(&lane->queue, CONTROL_QUEUE_MOST, err);
	for (unsigned i = 0; r == 0 && i < lane_kinds[kind].workers; i++) {
		snprintf(name, sizeof(name), "%s-%u", lane_kinds[kind].name, i + 1);
		r = worker_start(&lane->workers[i], name, work, lane, err);
	}
	return r;
}

int control_start(struct control **ret, struct app *app, struct err *err)
{
	CLEANUP(control_stop_at) struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_nomem(err);
	c->app = app;
	r = find_group(c, app->config.control.group, err);
	for (int i = 0; r == 0 && i < LANES; i++)
		r = start_lane(c, i, err);
	if (r == 0)
		r = start_http(c, err);
	if (r < 0)
		return r;
	*ret = TAKE(c);
	return 0;
}

void control_stop(struct control *c)
{
	if (!c)
		return;
	/* A start that failed must not cancel what its process does next. */
	if (c->http) {
		httpd_quiesce(c->http);
		verb_cancel();
	}
	atomic_store(&c->stopping, true);
	for (int i = 0; i < LANES; i++)
		if (c->lanes[i].queue)
			queue_close(c->lanes[i].queue);
	for (int i = 0; i < LANES; i++)
		for (int k = 0; k < LANE_WORKERS_MOST; k++)
			worker_join(c->lanes[i].workers[k]);
	if (c->http)
		httpd_stop(c->http);
	for (int i = 0; i < LANES; i++)
		if (c->lanes[i].queue)
			queue_free(c->lanes[i].queue, NULL);
	free(c);
}

/* --- the client ------------------------------------------------------------------------------
 */

static int connect_to(const char *path, int *ret, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	CLEANUP(fd_close_at) int fd = -1;
	size_t len = strlen(path);

	if (len >= sizeof(address.sun_path))
		return err_set(err, ERR_CONFIG, "control socket %s: its path is too long",
			       path);
	memcpy(address.sun_path, path, len + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, ERR_NETWORK, errno, "control socket");
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)
			return CONTROL_NOBODY;
		if (errno == EACCES || errno == EPERM)
			return err_set(
				err, ERR_FORBIDDEN,
				"control socket %s: you may not use it: run as leaverd's user, "
				"as root, or as a member of control.group",
				path);
		return err_errno(err, ERR_NETWORK, errno, "control socket %s", path);
	}
	*ret = fd;
	fd = -1;
	return 0;
}

static int send_all(int fd, struct str data, struct err *err)
{
	while (data.len) {
		ssize_t n = send(fd, data.p, data.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, ERR_NETWORK, errno, "asking leaverd serve");
		data.p += n;
		data.len -= (size_t)n;
	}
	return 0;
}

static int send_request(int fd, const char *verb, const json_t *in, struct err *err)
{
	CLEANUP(buf_done) struct buf body, head;
	int r;

	buf_init_secret(&body,
			strcmp(verb, "bulk") == 0 ? CONTROL_BULK_MAX : CONTROL_REQUEST_MAX);
	buf_init(&head, 1024);
	r = jx_text(in, &body, err);
	if (r < 0)
		return r;
	r = buf_fault(&body, err, "the request");
	if (r < 0)
		return r;
	buf_addf(&head,
		 "POST /v1/%s HTTP/1.1\r\nHost: leaverd\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\nConnection: close\r\n\r\n",
		 verb, body.len);
	r = buf_fault(&head, err, "the request");
	if (r < 0)
		return r;
	r = send_all(fd, buf_str(&head), err);
	return r < 0 ? r : send_all(fd, buf_str(&body), err);
}

/* Until the daemon closes. */
static int receive_all(int fd, struct buf *into, struct err *err)
{
	char piece[16384];
	ssize_t n;

	for (;;) {
		n = recv(fd, piece, sizeof(piece), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		buf_add(into, piece, (size_t)n);
		if (into->fault)
			break;
	}
	secret_wipe(piece, sizeof(piece));
	if (n < 0)
		return err_errno(err, ERR_NETWORK, errno, "the answer of leaverd serve");
	return buf_fault(into, err, "the answer of leaverd serve");
}

/* "HTTP/1.1 200 OK\r\n...\r\n\r\nBODY" with the length that was announced. */
static int split_answer(struct str all, struct str *body, struct err *err)
{
	const char *end = all.len ? memmem(all.p, all.len, "\r\n\r\n", 4) : NULL;
	struct str head, line, name, value;
	uint64_t announced = UINT64_MAX;

	if (!end || !str_starts(all, STR("HTTP/1.")))
		return err_set(
			err, ERR_PROTOCOL,
			"leaverd serve ended the connection without an answer: see its log");
	head = str_n(all.p, (size_t)(end - all.p));
	*body = str_n(end + 4, all.len - head.len - 4);
	while (head.len) {
		str_cut(head, '\n', &line, &head);
		if (str_cut(str_trim(line), ':', &name, &value) &&
		    str_ieq(name, STR("content-length")))
			(void)!str_uint64(str_trim(value), &announced);
	}
	if (announced != UINT64_MAX && announced != body->len)
		return err_set(err, ERR_PROTOCOL, "the answer of leaverd serve was cut off");
	return 0;
}

static int read_answer(const json_t *answer, json_t **out, struct err *err)
{
	const json_t *fault = json_object_get(answer, "fault");
	json_t *part = json_object_get(answer, "out");
	const char *word, *text;
	int code;

	*out = json_is_object(part) ? json_incref(part) : json_object();
	if (!*out)
		return err_nomem(err);
	if (!fault)
		return json_is_object(part)
			       ? 0
			       : err_set(err, ERR_PROTOCOL,
					 "leaverd serve answered without a result");
	word = jx_get_text(fault, "word");
	text = jx_get_text(fault, "text");
	code = word ? err_by_word(word) : 0;
	return err_set(err, code ? code : ERR_INTERNAL, "%s",
		       text ? text : "no reason was given");
}

int control_ask(const char *socket_path, const char *verb, const json_t *in, json_t **out,
		struct err *err)
{
	CLEANUP(json_decref_at) json_t *answer = NULL;
	CLEANUP(fd_close_at) int fd = -1;
	CLEANUP(buf_done) struct buf all;
	struct str body;
	int r;

	buf_init_secret(&all, CONTROL_BODY_MAX + CONTROL_HEAD_MAX);
	r = connect_to(socket_path, &fd, err);
	if (r)
		return r;
	r = send_request(fd, verb, in, err);
	if (r < 0)
		return r;
	r = receive_all(fd, &all, err);
	if (r < 0)
		return r;
	r = split_answer(buf_str(&all), &body, err);
	if (r < 0)
		return r;
	r = jx_parse(body, JX_LENIENT, &answer, err);
	if (r < 0)
		return err_context(err, r, "the answer of leaverd serve");
	return read_answer(answer, out, err);
}
