#include "net/httpd_in.h"

#include <stdio.h>
#include <sys/socket.h>

#define STREAM_BLOCK 32768
#define EARLY_BYTES 8192

static ssize_t stream_read(void *cls, uint64_t pos, char *into, size_t room)
{
	struct http_req *req = cls;
	ssize_t n = req->reply.stream(req->reply.stream_ctx, into, room);

	(void)pos;
	if (n == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return n < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

void httpd_stream_end(struct http_req *req)
{
	if (req->reply.stream_done)
		req->reply.stream_done(req->reply.stream_ctx);
	req->reply.stream = NULL;
	req->reply.stream_done = NULL;
}

/* Ends a TCP connection with a reset instead of a farewell. */
static void reset_now(struct http_req *req)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	connect(req->conn->fd, &nowhere, sizeof(nowhere));
}

/* Sends the body as announced up to abort_after, then breaks. */
static ssize_t abort_read(void *cls, uint64_t pos, char *into, size_t room)
{
	struct http_req *req = cls;
	uint64_t left = (uint64_t)req->abort_after - pos;

	if (pos >= (uint64_t)req->abort_after) {
		if (req->abort_reset)
			reset_now(req);
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	if (room > left)
		room = left;
	memcpy(into, req->reply.body.p + pos, room);
	return (ssize_t)room;
}

static struct MHD_Response *response_of(struct http_req *req)
{
	struct MHD_Response *resp;
	size_t len = req->reply.body.len;
	char *bytes;

	if (req->aborted)
		return MHD_create_response_from_callback(len, STREAM_BLOCK, abort_read, req,
							 NULL);
	if (req->reply.stream)
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK,
							 stream_read, req, NULL);
	if (!len)
		return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "",
						       MHD_RESPMEM_PERSISTENT);
	/* a body that must be wiped stays ours: it lives until the reply was sent, then is
	 * wiped */
	if (req->reply.body.secret)
		return MHD_create_response_from_buffer(len, req->reply.body.p,
						       MHD_RESPMEM_PERSISTENT);
	bytes = buf_take(&req->reply.body, &len);
	if (!bytes)
		return NULL;
	resp = MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);
	if (!resp)
		free(bytes);
	return resp;
}

/* The Date header of builds with the virtual clock: libmicrohttpd's own would tell the system's
 * time, and whoever holds it against times in the answer would be hours off. */
static void virtual_date(char ret[STAMP_TEXT_BYTES])
{
	static const char days[][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int64_t now_ms = stamp_now_ms(), in_day = now_ms % STAMP_DAY_MS / STAMP_SECOND_MS;
	int year, month, day;

	stamp_civil(now_ms, &year, &month, &day);
	snprintf(ret, STAMP_TEXT_BYTES, "%s, %02u %s %04u %02u:%02u:%02u GMT",
		 days[now_ms / STAMP_DAY_MS % 7], (unsigned)day % 100, months[(month - 1) % 12],
		 (unsigned)year % 10000, (unsigned)(in_day / 3600),
		 (unsigned)(in_day / 60 % 60), (unsigned)(in_day % 60));
}

static bool response_headers(struct http_req *req, struct MHD_Response *resp)
{
	const char *p = req->headers.p, *end = p + req->headers.len;

	while (req->headers.len && p < end) {
		const char *value = p + strlen(p) + 1;

		if (MHD_add_response_header(resp, p, value) == MHD_NO)
			return false;
		p = value + strlen(value) + 1;
	}
	if (req->reply.content_type && req->status != 204 && req->status != 304 &&
	    MHD_add_response_header(resp, "Content-Type", req->reply.content_type) == MHD_NO)
		return false;
	if (stamp_is_virtual()) {
		char date[STAMP_TEXT_BYTES];

		virtual_date(date);
		if (MHD_add_response_header(resp, "Date", date) == MHD_NO)
			return false;
	}
	return !atomic_load(&req->conn->gen->retired) ||
	       MHD_add_response_header(resp, "Connection", "close") == MHD_YES;
}

static void fault_reply(struct http_req *req, const struct err *fault)
{
	struct http_reply *reply = &req->reply;

	httpd_stream_end(req);
	buf_clear(&reply->body);
	buf_clear(&req->headers);
	reply->status = 0;
	reply->content_type = NULL;
	if (req->match_answer == ROUTE_NO_METHOD) {
		char allow[ROUTE_ALLOW_BYTES];
		struct err err;

		route_allow_text(req->match.allowed, allow);
		if (http_reply_header(req, "Allow", allow, &err) < 0)
			buf_clear(&req->headers);
	}
	if (req->h->o.fault) {
		req->h->o.fault(req->h->o.ctx, req, reply, fault);
	} else {
		reply->content_type = "text/plain; charset=utf-8";
		buf_addf(&reply->body, "%s\n", fault->text);
	}
	if (!reply->status)
		reply->status = err_class(fault->code)->http_status;
	if (reply->body.fault)
		buf_clear(&reply->body); /* without memory the status alone must do */
}

/* Hands the finished reply to MHD. MHD_NO closes the connection. */
enum MHD_Result httpd_send(struct http_req *req)
{
	struct err err = { 0 };
	struct MHD_Response *resp;
	enum MHD_Result r;

	atomic_store(&req->state, REQ_SENT);
	if (req->aborted && req->abort_after <= 0) {
		if (req->abort_reset)
			reset_now(req);
		return MHD_NO;
	}
	if (req->lost_memory)
		err_nomem(&err);
	if (err.code || buf_fault(&req->reply.body, &err, "the reply") < 0 ||
	    buf_fault(&req->headers, &err, "the reply's header") < 0)
		fault_reply(req, &err);
	if (req->abort_after > (int64_t)req->reply.body.len)
		req->abort_after = (int64_t)req->reply.body.len;
	req->status = req->reply.status ? req->reply.status : 200;
	if (req->status == 204 || req->status == 304)
		buf_clear(&req->reply.body);
	resp = response_of(req);
	if (!resp)
		return MHD_NO;
	r = response_headers(req, resp)
		    ? MHD_queue_response(req->mhd, (unsigned)req->status, resp)
		    : MHD_NO;
	MHD_destroy_response(resp);
	return r;
}

enum MHD_Result httpd_send_fault(struct http_req *req, const struct err *fault)
{
	fault_reply(req, fault);
	return httpd_send(req);
}

void httpd_send_early(struct http_req *req, const struct err *fault)
{
	CLEANUP(buf_done) struct buf text;
	struct buf *body = &req->reply.body;

	fault_reply(req, fault);
	req->status = req->reply.status;
	buf_init(&text, EARLY_BYTES);
	buf_addf(&text, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\nConnection: close\r\n",
		 req->status, MHD_get_reason_phrase_for((unsigned)req->status), body->len);
	if (req->reply.content_type)
		buf_addf(&text, "Content-Type: %s\r\n", req->reply.content_type);
	buf_add_text(&text, "\r\n");
	buf_add_str(&text, buf_str(body));
	if (!text.fault)
		httpd_farewell(req, buf_str(&text));
}
