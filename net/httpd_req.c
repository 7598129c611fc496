#include "net/httpd_in.h"

#include <strings.h>

#include "base/enc.h"

enum http_method http_req_method(const struct http_req *req)
{
	return req->method;
}

const char *http_req_method_text(const struct http_req *req)
{
	return req->method_text;
}

struct str http_req_target(const struct http_req *req)
{
	return req->target;
}

struct str http_req_path(const struct http_req *req)
{
	return req->path;
}

struct str http_req_query_raw(const struct http_req *req)
{
	return req->query;
}

/*
 * once: two lengths, or a length and chunks, are how requests are smuggled past a proxy; of two
 * hosts or credentials a proxy may have looked at the other one.
 * list: lines of it are one list (RFC 9110 section 5.3). Some proxies add an X-Forwarded-For of
 * their own beneath the client's, which alone is for the client to choose.
 */
static const struct {
	const char *name;
	size_t len;
	const char
		*once; /* what it states; no other header may state it too. NULL: no matter */
	bool list;
} known[KNOWN_HEADERS] = {
#define HEADER(which, name, once) [KNOWN_##which] = { name, sizeof(name) - 1, once, false }
#define LIST(which, name) [KNOWN_##which] = { name, sizeof(name) - 1, NULL, true }
	HEADER(AUTHORIZATION, "authorization", "credentials"),
	LIST(ACCEPT, "accept"),
	HEADER(CONTENT_TYPE, "content-type", NULL),
	HEADER(CONTENT_LENGTH, "content-length", "length"),
	HEADER(TRANSFER_ENCODING, "transfer-encoding", "length"),
	HEADER(HOST, "host", "host"),
	LIST(IF_MATCH, "if-match"),
	LIST(IF_NONE_MATCH, "if-none-match"),
	LIST(FORWARDED_FOR, "x-forwarded-for"),
#undef LIST
#undef HEADER
};

/* KNOWN_HEADERS: none of them. */
static size_t known_of(const char *name, size_t len)
{
	size_t i = 0;

	while (i < KNOWN_HEADERS &&
	       (known[i].len != len || (name[0] | 0x20) != known[i].name[0] ||
		strcasecmp(name, known[i].name) != 0))
		i++;
	return i;
}

struct headers_seen {
	struct http_req *req;
	const char *twice;
};

/* One more line of a list. */
static void list_on(struct http_req *req, size_t which, const char *line)
{
	size_t had = strlen(req->known[which]), more = strlen(line);
	char *all = malloc(had + more + 3);

	if (!all) {
		req->lost_memory = true;
		return;
	}
	memcpy(all, req->known[which], had);
	memcpy(all + had, ", ", 2);
	memcpy(all + had + 2, line, more + 1);
	free(req->joined[which]);
	req->known[which] = req->joined[which] = all;
}

static enum MHD_Result note_header(void *cls, enum MHD_ValueKind kind, const char *name,
				   size_t name_len, const char *value, size_t value_len)
{
	struct headers_seen *s = cls;
	size_t which = known_of(name, name_len);

	(void)kind;
	(void)value_len;
	if (which == KNOWN_HEADERS)
		return MHD_YES;
	for (size_t i = 0; known[which].once && i < KNOWN_HEADERS; i++)
		if (s->req->known[i] && known[i].once &&
		    strcmp(known[i].once, known[which].once) == 0)
			s->twice = known[which].once;
	if (!s->req->known[which])
		s->req->known[which] = value ? value : "";
	else if (known[which].list)
		list_on(s->req, which, value ? value : "");
	return MHD_YES;
}

const char *httpd_headers_read(struct http_req *req)
{
	struct headers_seen seen = { req, NULL };

	MHD_get_connection_values_n(req->mhd, MHD_HEADER_KIND, note_header, &seen);
	req->headers_read = true;
	return seen.twice;
}

const char *http_req_header(const struct http_req *req, const char *name)
{
	size_t which = req->headers_read ? known_of(name, strlen(name)) : KNOWN_HEADERS;

	if (which < KNOWN_HEADERS)
		return req->known[which];
	return MHD_lookup_connection_value(req->mhd, MHD_HEADER_KIND, name);
}

struct str http_req_body(const struct http_req *req)
{
	return buf_str(&req->body);
}

const struct spool *http_req_spool(const struct http_req *req)
{
	return req->spool;
}

const char *http_req_peer(const struct http_req *req)
{
	return req->peer;
}

bool http_req_cred(const struct http_req *req, uid_t *uid, pid_t *pid)
{
	if (!req->conn->has_cred)
		return false;
	*uid = req->conn->uid;
	*pid = req->conn->pid;
	return true;
}

const char *http_req_id(const struct http_req *req)
{
	return req->id;
}

struct http_reply *http_req_reply(struct http_req *req)
{
	return &req->reply;
}

const struct http_route *http_req_route(const struct http_req *req)
{
	return req->match.route;
}

void http_req_keep(struct http_req *req, void *p, void (*free_fn)(void *))
{
	if (req->kept && req->kept_free && req->kept != p)
		req->kept_free(req->kept);
	req->kept = p;
	req->kept_free = free_fn;
}

void *http_req_kept(const struct http_req *req)
{
	return req->kept;
}

void http_req_abort(struct http_req *req, int64_t after_body_bytes, bool reset)
{
	req->aborted = true;
	req->abort_after = after_body_bytes;
	req->abort_reset = reset;
}

/* A copy of what decoded holds, living as long as the request; false without memory. */
bool httpd_scrap(struct http_req *req, const struct buf *decoded, struct str *ret)
{
	struct scrap *s = malloc(sizeof(*s) + decoded->len + 1);

	if (!s)
		return false;
	if (decoded->len)
		memcpy(s->bytes, decoded->p, decoded->len);
	s->bytes[decoded->len] = '\0';
	s->next = req->scraps;
	req->scraps = s;
	*ret = str_n(s->bytes, decoded->len);
	return true;
}

/* Decoded text that lives as long as the request; raw itself where nothing is encoded. */
bool httpd_decode(struct http_req *req, struct str raw, bool plus_is_blank, struct str *ret)
{
	struct buf b;
	bool done;

	if (!memchr(raw.p ? raw.p : "", '%', raw.len) &&
	    !(plus_is_blank && memchr(raw.p ? raw.p : "", '+', raw.len))) {
		*ret = raw;
		return true;
	}
	buf_init(&b, raw.len);
	done = enc_unpercent(&b, raw, plus_is_blank) && !b.fault;
	if (b.fault || (done && !httpd_scrap(req, &b, ret))) {
		/* Must not look as if it had not been sent. */
		req->lost_memory = true;
		done = false;
	}
	buf_done(&b);
	return done;
}

struct str http_req_param(const struct http_req *req, const char *name)
{
	struct str wanted = str_of(name), value = { 0 };

	for (unsigned i = 0; i < req->match.params; i++)
		if (str_eq(req->match.param[i].name, wanted))
			value = req->match.param[i].value;
	return value;
}

bool http_req_query(struct http_req *req, const char *name, struct str *ret)
{
	struct str rest = req->query, pair, wanted = str_of(name);
	bool plus = true;

	for (size_t i = 0; i + 2 < req->query.len && plus; i++)
		plus = !!memcmp(req->query.p + i, "%20", 3);
	while (rest.len) {
		struct str tail = { 0 }, key, value = { 0 };

		str_cut(rest, '&', &pair, &tail);
		rest = tail;
		str_cut(pair, '=', &key, &value);
		if (httpd_decode(req, key, plus, &key) && str_eq(key, wanted))
			return httpd_decode(req, value, plus, ret);
	}
	return false;
}

static bool clean_header(const char *text, bool is_name)
{
	for (const char *p = text; *p; p++)
		if (*p == '\r' || *p == '\n' || (is_name && (*p == ':' || *p <= ' ')))
			return false;
	return !is_name || *text;
}

int http_reply_header(struct http_req *req, const char *name, const char *value,
		      struct err *err)
{
	if (!clean_header(name, true) || !clean_header(value, false))
		return err_set(err, ERR_INTERNAL, "reply header \"%.40s\" would break a line",
			       clean_header(name, true) ? name : "(name)");
	buf_add(&req->headers, name, strlen(name) + 1);
	buf_add(&req->headers, value, strlen(value) + 1);
	return buf_fault(&req->headers, err, "the reply's header");
}
