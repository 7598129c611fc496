#include "net/syslog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/stamp.h"

#define FACILITY 13
#define HOST_MAX 255
#define PROCESS_MAX 128
#define FLUSH_LOOK_MS 5
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* --- composing -----------------------------------------------------------------------------
 */

/* A word of the header: printable ASCII without blanks, else '_'; "-" where there is none. */
static void header_word(struct buf *into, const char *word, size_t most)
{
	size_t i;

	buf_add_char(into, ' ');
	if (!word || !*word)
		buf_add_char(into, '-');
	for (i = 0; word && word[i] && i < most; i++)
		buf_add_char(into, word[i] > ' ' && word[i] < 127 ? word[i] : '_');
}

int syslog_compose(const struct syslog_message *m, struct buf *into, struct err *err)
{
	char time[STAMP_TEXT_BYTES];
	size_t before = into->len;

	stamp_text(m->ms, time);
	buf_addf(into, "<%d>1 %s", FACILITY * 8 + (int)m->severity, time);
	header_word(into, m->host, HOST_MAX);
	header_word(into, "leaverd", 48);
	header_word(into, m->process, PROCESS_MAX);
	header_word(into, m->id, SYSLOG_ID_MAX);
	buf_add_char(into, ' ');
	if (m->data.len)
		buf_add_str(into, m->data);
	else
		buf_add_char(into, '-');
	if (m->text.len) {
		buf_add_text(into, " \xef\xbb\xbf"); /* the mark that says UTF-8 (6.4) */
		buf_add_str(into, m->text);
	}
	if (buf_fault(into, err, "a message for the log server") < 0)
		return -err->code;
	if (into->len - before > SYSLOG_MESSAGE_MAX)
		return err_set(err, ERR_TOO_LARGE,
			       "a message of %zu bytes for the log server: at most %d",
			       into->len - before, SYSLOG_MESSAGE_MAX);
	return 0;
}

void syslog_data_begin(struct buf *into, const char *name, int64_t enterprise)
{
	buf_addf(into, "[%s@%lld", name, (long long)enterprise);
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 127;
}

void syslog_data_value(struct buf *into, const char *name, struct str value)
{
	buf_addf(into, " %s=\"", name);
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c == '"' || c == '\\' || c == ']')
			buf_add_char(into, '\\');
		buf_add_char(into, is_control(c) ? ' ' : c);
	}
	buf_add_char(into, '"');
}

void syslog_data_end(struct buf *into)
{
	buf_add_char(into, ']');
}

void syslog_cef_field(struct buf *into, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c == '|' || c == '\\')
			buf_add_char(into, '\\');
		buf_add_char(into, is_control(c) ? ' ' : c);
	}
}

void syslog_cef_value(struct buf *into, const char *name, struct str value)
{
	buf_addf(into, " %s=", name);
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c == '\n')
			buf_add_text(into, "\\n");
		else if (c == '\r')
			buf_add_text(into, "\\r");
		else if (c == '=' || c == '\\')
			buf_addf(into, "\\%c", c);
		else
			buf_add_char(into, is_control(c) ? ' ' : c);
	}
}

/* --- the server's name ---------------------------------------------------------------------
 */

struct server {
	char host[HOST_MAX + 1], port[8];
	bool address; /* in brackets, or dotted */
};

static bool take(char *ret, size_t room, struct str s)
{
	if (!s.len || s.len >= room || memchr(s.p, '\0', s.len))
		return false;
	memcpy(ret, s.p, s.len);
	ret[s.len] = '\0';
	return true;
}

static bool server_parse(const char *text, struct server *ret)
{
	struct str s = str_of(text), host, port;
	struct in_addr dotted;
	int64_t n;

	*ret = (struct server){ .port = SYSLOG_TLS_PORT };
	if (!s.len || s.len > SYSLOG_SERVER_MAX || str_find_any(s, "/@ \t\r\n?#") != s.len)
		return false;
	if (s.p[0] == '[') {
		ret->address = true;
		if (!str_cut(str_n(s.p + 1, s.len - 1), ']', &host, &port) ||
		    (port.len && port.p[0] != ':'))
			return false;
		if (port.len)
			port = str_n(port.p + 1, port.len - 1);
		else
			port = STR(SYSLOG_TLS_PORT);
	} else if (!str_cut(s, ':', &host, &port)) {
		host = s;
		port = STR(SYSLOG_TLS_PORT);
	}
	if (!take(ret->host, sizeof(ret->host), host) || !str_int64(port, &n) || n < 1 ||
	    n > 65535 || !take(ret->port, sizeof(ret->port), port))
		return false;
	ret->address = ret->address || inet_pton(AF_INET, ret->host, &dotted) == 1;
	return true;
}

bool syslog_server_ok(const char *server)
{
	struct server s;

	return server_parse(server, &s);
}

/* --- a connection --------------------------------------------------------------------------
 */

struct syslog_conn {
	int fd;
	int64_t timeout_ms;
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
	bool broken;
	char name[SYSLOG_SERVER_MAX + 1];
};

/* What a program of our time says where certificates do not fit, as a sentence. */
static int tls_fault(struct syslog_conn *c, int rc, const char *doing, struct err *err)
{
	gnutls_datum_t text = { NULL, 0 };
	int r;

	c->broken = true;
	if (rc == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR &&
	    gnutls_certificate_verification_status_print(
		    gnutls_session_get_verify_cert_status(c->session), GNUTLS_CRT_X509, &text,
		    0) == 0) {
		r = err_set(err, ERR_TLS, "log server %s: %s", c->name, text.data);
		gnutls_free(text.data);
		return r;
	}
	if (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED || rc == GNUTLS_E_TIMEDOUT)
		return err_set(err, ERR_TIMEOUT, "log server %s: %s: no answer in %lld ms",
			       c->name, doing, (long long)c->timeout_ms);
	return err_set(err, ERR_TLS, "log server %s: %s: %s", c->name, doing,
		       gnutls_strerror(rc));
}

static int socket_open(struct syslog_conn *c, const struct server *at, struct err *err)
{
	const struct timeval most = { .tv_sec = c->timeout_ms / 1000,
				      .tv_usec = c->timeout_ms % 1000 * 1000 };
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *found = NULL;
	int rc = getaddrinfo(at->host, at->port, &hints, &found), why = 0;

	if (rc != 0)
		return err_set(err, ERR_NETWORK, "log server %s: %s", c->name,
			       gai_strerror(rc));
	for (struct addrinfo *a = found; a && c->fd < 0; a = a->ai_next) {
		c->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (c->fd >= 0 &&
		    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most)) == 0 &&
		    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most)) == 0 &&
		    connect(c->fd, a->ai_addr, a->ai_addrlen) == 0)
			break;
		why = errno == EINPROGRESS ? ETIMEDOUT : errno;
		if (c->fd >= 0)
			close(c->fd);
		c->fd = -1;
	}
	freeaddrinfo(found);
	return c->fd >= 0
		       ? 0
		       : err_errno(err, ERR_NETWORK, why, "log server %s: connecting", c->name);
}

static int credentials_make(struct syslog_conn *c, const struct syslog_options *o,
			    struct err *err)
{
	int n;

	if (gnutls_certificate_allocate_credentials(&c->credentials) < 0)
		return err_nomem(err);
	n = o->ca_file ? gnutls_certificate_set_x509_trust_file(c->credentials, o->ca_file,
								GNUTLS_X509_FMT_PEM)
		       : gnutls_certificate_set_x509_system_trust(c->credentials);
	if (n <= 0)
		return err_set(err, ERR_TLS,
			       "log server %s: %s holds no certificate that can be used%s%s",
			       c->name, o->ca_file ? o->ca_file : "the system", n ? ": " : "",
			       n ? gnutls_strerror(n) : "");
	if (!o->cert_file)
		return 0;
	n = gnutls_certificate_set_x509_key_file(c->credentials, o->cert_file, o->key_file,
						 GNUTLS_X509_FMT_PEM);
	return n < 0 ? err_set(err, ERR_TLS,
			       "log server %s: certificate %s with key %s cannot be used: %s",
			       c->name, o->cert_file, o->key_file, gnutls_strerror(n))
		     : 0;
}

static int handshake(struct syslog_conn *c, const struct server *at, struct err *err)
{
	int64_t until = stamp_mono_ms() + c->timeout_ms;
	int rc = gnutls_init(&c->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);

	if (rc < 0)
		return err_nomem(err);
	rc = gnutls_priority_set_direct(c->session, PRIORITIES, NULL);
	if (rc == 0)
		rc = gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->credentials);
	if (rc == 0 && !at->address)
		rc = gnutls_server_name_set(c->session, GNUTLS_NAME_DNS, at->host,
					    strlen(at->host));
	if (rc < 0)
		return tls_fault(c, rc, "TLS", err);
	gnutls_session_set_verify_cert(c->session, at->host, 0);
	gnutls_handshake_set_timeout(c->session, (unsigned)c->timeout_ms);
	gnutls_transport_set_int(c->session, c->fd);
	do
		rc = gnutls_handshake(c->session);
	while (rc < 0 && !gnutls_error_is_fatal(rc) && stamp_mono_ms() < until);
	return rc < 0 ? tls_fault(c, rc, "the TLS handshake", err) : 0;
}

int syslog_open(struct syslog_conn **ret, const struct syslog_options *options, struct err *err)
{
	CLEANUP(syslog_close_at) struct syslog_conn *c = calloc(1, sizeof(*c));
	struct server at;
	int r;

	if (!c)
		return err_nomem(err);
	c->fd = -1;
	c->broken = true; /* nobody to say goodbye to yet */
	c->timeout_ms = options->timeout_ms;
	if (!server_parse(options->server, &at))
		return err_set(err, ERR_CONFIG, "\"%s\" is no log server: expected host:port",
			       options->server);
	snprintf(c->name, sizeof(c->name), "%s", options->server);
	r = credentials_make(c, options, err);
	if (r == 0)
		r = socket_open(c, &at, err);
	if (r == 0)
		r = handshake(c, &at, err);
	if (r < 0)
		return r;
	c->broken = false;
	*ret = TAKE(c);
	return 0;
}

/* Something from the other side: an end, or a ticket that the library eats. Nothing is waited
 * for. */
static int look_back(struct syslog_conn *c, struct err *err)
{
	char byte;
	ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	ssize_t got;

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return 0;
	if (n < 0) {
		c->broken = true;
		return err_errno(err, ERR_NETWORK, errno, "log server %s", c->name);
	}
	got = n == 0 ? 0 : gnutls_record_recv(c->session, &byte, 1);
	if (got > 0 || got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED)
		return 0;
	if (got < 0)
		return tls_fault(c, (int)got, "after sending", err);
	c->broken = true;
	return err_set(err, ERR_NETWORK, "log server %s closed the connection", c->name);
}

static int send_all(struct syslog_conn *c, const char *p, size_t len, struct err *err)
{
	int64_t until = stamp_mono_ms() + c->timeout_ms;

	while (len) {
		ssize_t n = gnutls_record_send(c->session, p, len);

		if (n < 0 && !gnutls_error_is_fatal((int)n) && stamp_mono_ms() < until)
			continue;
		if (n < 0)
			return tls_fault(c, (int)n, "sending", err);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int syslog_send(struct syslog_conn *c, struct str message, struct err *err)
{
	char count[24];
	int r, n = snprintf(count, sizeof(count), "%zu ", message.len);

	if (c->broken)
		return err_set(err, ERR_NETWORK, "log server %s: the connection is broken",
			       c->name);
	r = send_all(c, count, (size_t)n, err);
	return r < 0 ? r : send_all(c, message.p, message.len, err);
}

int syslog_flush(struct syslog_conn *c, struct err *err)
{
	int64_t until = stamp_mono_ms() + c->timeout_ms;
	int left = 0, r;

	for (;;) {
		r = look_back(c, err);
		if (r < 0)
			return r;
		if (ioctl(c->fd, TIOCOUTQ, &left) < 0) {
			c->broken = true;
			return err_errno(err, ERR_NETWORK, errno, "log server %s", c->name);
		}
		if (left == 0)
			return 0;
		if (stamp_mono_ms() >= until) {
			c->broken = true;
			return err_set(err, ERR_TIMEOUT,
				       "log server %s has not taken what was sent in %lld ms",
				       c->name, (long long)c->timeout_ms);
		}
		stamp_sleep_ms(FLUSH_LOOK_MS);
	}
}

bool syslog_end(struct syslog_conn *c)
{
	int64_t until = stamp_mono_ms() + c->timeout_ms;
	bool was_broken = c->broken;
	ssize_t n;
	char byte;

	c->broken = true;
	if (was_broken || gnutls_bye(c->session, GNUTLS_SHUT_WR) < 0 ||
	    shutdown(c->fd, SHUT_WR) < 0)
		return false;
	do
		n = gnutls_record_recv(c->session, &byte, 1);
	while ((n > 0 || (n < 0 && !gnutls_error_is_fatal((int)n))) && stamp_mono_ms() < until);
	/* many programs end without a word of TLS: the end of the stream is as good, a reset is
	 * not, which comes where something was left unread */
	return n == 0 || n == GNUTLS_E_PREMATURE_TERMINATION;
}

void syslog_close(struct syslog_conn *c)
{
	if (!c)
		return;
	if (c->session) {
		if (!c->broken)
			(void)!gnutls_bye(c->session, GNUTLS_SHUT_WR);
		gnutls_deinit(c->session);
	}
	if (c->credentials)
		gnutls_certificate_free_credentials(c->credentials);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

int syslog_local(const char *path, struct str message, struct err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	CLEANUP(fd_close_at) int fd = -1;

	if (strlen(path) >= sizeof(to.sun_path))
		return err_set(err, ERR_CONFIG, "the socket's path %s is too long", path);
	memcpy(to.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || sendto(fd, message.p, message.len, MSG_NOSIGNAL, (struct sockaddr *)&to,
			     sizeof(to)) != (ssize_t)message.len)
		return err_errno(err, ERR_IO, errno, "the logger's socket %s", path);
	return 0;
}
