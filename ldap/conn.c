#include "ldap/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <ldap.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/worker.h"
#include "ldap/cert.h"
#include "ldap/code.h"
#include "ldap/entry.h"
#include "ldap/krb.h"
#include "ldap/srv.h"
#include "ldap/tls.h"

#define WATCH_TICK_MS 50
#define WATCH_SLACK_MS 1000 /* libldap's own limits come first: their faults say more */
#define CONNECTING_MS 10

enum { FIRED_NOT, FIRED_DEADLINE, FIRED_CANCEL };

/* How far the message has come that is coming in: its length stands first (X.690 8.1.3). */
struct incoming {
	unsigned char head[10];
	unsigned n;        /* of head */
	uint64_t left;     /* of the message */
	uint64_t too_long; /* a message that was refused: its length */
	bool lost;         /* what came is no LDAP: libldap says so */
};

struct dir_conn {
	LDAP *ld;
	const struct dir_options *o;
	char *uri;
	size_t number;
	char *host; /* of the URL, for sentences and for looking at its certificate */
	int port;
	bool tls_at_once, tls_started, ipc;
	bool look; /* verifies nothing and never binds: to read a refused certificate */
	char tls[96];
	int64_t deadline_ms;      /* monotonic, of all that happens here */
	int64_t connect_until_ms; /* and of what comes before the first search */
	const atomic_bool *cancel;
	/* the watchdog's */
	struct worker *dog;
	pthread_mutex_t lock;
	int fd; /* under the lock. A duplicate: its number is ours until we close it; -1: none
		 */
	_Atomic int64_t until_ms;
	atomic_int fired;
	struct ldap_conncb callbacks;
	bool binding;  /* what is sent holds the password */
	bool spoke;    /* something of LDAP was sent: TLS, if any, stands */
	char *account; /* of Kerberos */
	struct incoming in;
};

/* --- the bind password ---------------------------------------------------------------------
 */

/*
 * libldap copies the password into its request and frees that as it is (liblber takes memory
 * functions of ours, and does not use them here). So a layer of our own stands above TLS: what
 * it has handed down of a bind request, it wipes in the request's own bytes.
 */
static int wipe_setup(Sockbuf_IO_Desc *d, void *arg)
{
	d->sbiod_pvt = arg;
	return 0;
}

static int wipe_nothing(Sockbuf_IO_Desc *d)
{
	(void)d;
	return 0;
}

static int wipe_ctrl(Sockbuf_IO_Desc *d, int option, void *arg)
{
	return LBER_SBIOD_CTRL_NEXT(d, option, arg);
}

/* One byte of a message's tag and length. */
static void head_take(struct incoming *in, unsigned char byte, uint64_t most)
{
	unsigned more;
	uint64_t len = 0;

	in->head[in->n++] = byte;
	if (in->n < 2)
		return;
	more = in->head[1] < 0x80 ? 0 : in->head[1] & 0x7f;
	if (in->head[1] == 0x80 || 2 + more > sizeof(in->head))
		in->lost = true;
	if (in->lost || in->n < 2 + more)
		return;
	if (!more)
		len = in->head[1];
	for (unsigned i = 0; i < more; i++)
		len = len << 8 | in->head[2 + i];
	in->n = 0;
	in->left = len;
	if (len > most)
		in->too_long = len;
}

/* libldap says of a message that is too long only that the connection is lost. */
static ber_slen_t wipe_read(Sockbuf_IO_Desc *d, void *p, ber_len_t len)
{
	struct dir_conn *c = d->sbiod_pvt;
	ber_slen_t got = LBER_SBIOD_READ_NEXT(d, p, len);
	int saved = errno;

	for (ber_slen_t at = 0; at < got && !c->in.lost;) {
		uint64_t rest = (uint64_t)(got - at);

		if (c->in.left == 0) {
			head_take(&c->in, ((unsigned char *)p)[at++],
				  (uint64_t)c->o->max_message_bytes);
			continue;
		}
		if (rest > c->in.left)
			rest = c->in.left;
		c->in.left -= rest;
		at += (ber_slen_t)rest;
	}
	errno = saved;
	return got;
}

static ber_slen_t wipe_write(Sockbuf_IO_Desc *d, void *p, ber_len_t len)
{
	struct dir_conn *c = d->sbiod_pvt;
	ber_slen_t done = LBER_SBIOD_WRITE_NEXT(d, p, len);
	int saved = errno;

	c->spoke = true;
	if (c->binding && done > 0)
		secret_wipe(p, (size_t)done);
	else if (c->binding && saved != EAGAIN && saved != EINTR)
		secret_wipe(p, len); /* the connection is over, and nobody sends the rest */
	errno = saved;
	return done;
}

static Sockbuf_IO wiping = { wipe_setup, wipe_nothing, wipe_ctrl,
			     wipe_read,  wipe_write,   wipe_nothing };

static bool started;

int dir_start(struct err *err)
{
	LDAPAPIInfo info = { .ldapai_info_version = LDAP_API_INFO_VERSION };
	int demand = LDAP_OPT_X_TLS_DEMAND, version = LDAP_VERSION3, never = LDAP_DEREF_NEVER;
	int quiet = 0;
	bool ok;

	if (started)
		return 0;
	/* else a file named ldaprc in the working directory could switch verification off */
	if (setenv("LDAPNOINIT", "1", 1) < 0)
		return err_errno(err, ERR_INTERNAL, errno, "setenv");
	signal(SIGPIPE, SIG_IGN);
	ok = ldap_get_option(NULL, LDAP_OPT_API_INFO, &info) == LDAP_OPT_SUCCESS;
	ok = ok && ldap_set_option(NULL, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) == 0 &&
	     ldap_set_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &version) == 0 &&
	     ldap_set_option(NULL, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == 0 &&
	     ldap_set_option(NULL, LDAP_OPT_DEREF, &never) == 0 &&
	     ldap_set_option(NULL, LDAP_OPT_DEBUG_LEVEL, &quiet) == 0;
	ber_memvfree((void **)info.ldapai_extensions);
	ber_memfree(info.ldapai_vendor_name);
	if (!ok)
		return err_set(err, ERR_INTERNAL, "libldap does not take its settings");
	if (dir_servers_start(err) < 0)
		return -ERR_INTERNAL;
	started = true;
	return 0;
}

/* --- the watchdog --------------------------------------------------------------------------
 */

static void watch(struct worker *self, void *arg)
{
	struct dir_conn *c = arg;

	do {
		int why = FIRED_NOT;

		if (c->cancel && atomic_load(c->cancel))
			why = FIRED_CANCEL;
		else if (stamp_mono_ms() >= atomic_load(&c->until_ms))
			why = FIRED_DEADLINE;
		if (why) {
			int none = FIRED_NOT;

			pthread_mutex_lock(&c->lock);
			if (c->fd >= 0) {
				atomic_compare_exchange_strong(&c->fired, &none, why);
				shutdown(c->fd, SHUT_RDWR);
			}
			pthread_mutex_unlock(&c->lock);
		}
	} while (!worker_wait(self, WATCH_TICK_MS));
}

/* The step that begins now may take that long. */
static void step(struct dir_conn *c, int64_t ms)
{
	int64_t now = stamp_mono_ms(), until = now + ms + WATCH_SLACK_MS;

	if (c->deadline_ms < until)
		until = c->deadline_ms;
	atomic_store(&c->until_ms, until);
}

static void step_over(struct dir_conn *c)
{
	atomic_store(&c->until_ms, STAMP_NEVER);
}

static bool cancelled(const struct dir_conn *c)
{
	return atomic_load(&c->fired) == FIRED_CANCEL || (c->cancel && atomic_load(c->cancel));
}

static void keep_alive(int fd)
{
	static const struct {
		int level, option, value;
	} rows[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 60 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 20 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 3 },
	};

	/* what a socket does not know (ldapi) it does not need */
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		(void)setsockopt(fd, rows[i].level, rows[i].option, &rows[i].value,
				 sizeof(rows[i].value));
}

/* libldap has a socket, not necessarily connected yet. */
static int socket_made(LDAP *ld, Sockbuf *sb, LDAPURLDesc *srv, struct sockaddr *addr,
		       struct ldap_conncb *ctx)
{
	struct dir_conn *c = ctx->lc_arg;
	ber_len_t most = (ber_len_t)c->o->max_message_bytes;
	int fd = -1;

	(void)ld;
	(void)srv;
	(void)addr;
	c->in = (struct incoming){ 0 };
	ber_sockbuf_remove_io(sb, &wiping, LBER_SBIOD_LEVEL_APPLICATION);
	if (ber_sockbuf_add_io(sb, &wiping, LBER_SBIOD_LEVEL_APPLICATION, c) != 0)
		return -1;
	if (ber_sockbuf_ctrl(sb, LBER_SB_OPT_GET_FD, &fd) != 1 ||
	    ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &most) != 1)
		return -1;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return -1;
	keep_alive(fd);
	/* libldap tries the next address of a host with another socket */
	pthread_mutex_lock(&c->lock);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = fd;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static void socket_gone(LDAP *ld, Sockbuf *sb, struct ldap_conncb *ctx)
{
	(void)ld;
	(void)sb;
	(void)ctx;
}

/* --- faults --------------------------------------------------------------------------------
 */

static int too_long(const struct dir_conn *c, struct err *err, const char *what)
{
	return err_set(err, ERR_LIMIT,
		       "%s: the server began to send a message of %" PRIu64
		       " bytes, and max_message is %" PRId64
		       ": find out what is as large there, or raise it",
		       what, c->in.too_long, c->o->max_message_bytes);
}

static int fault_text(struct dir_conn *c, int code, struct err *err, const char *what)
{
	char *words = NULL;
	int r;

	if (cancelled(c))
		return err_set(err, ERR_CANCELLED, "%s: stopped", what);
	if (atomic_load(&c->fired) == FIRED_DEADLINE)
		return err_set(err, ERR_TIMEOUT, "%s: %s was given up: its time was over", what,
			       c->uri);
	if (c->in.too_long)
		return too_long(c, err, what);
	ldap_get_option(c->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &words);
	r = dir_code_fault(code, words, err, "%s", what);
	ldap_memfree(words);
	return r;
}

int dir_conn_fault(struct dir_conn *c, int code, struct err *err, const char *what, ...)
{
	char text[240];
	va_list args;

	va_start(args, what);
	vsnprintf(text, sizeof(text), what, args);
	va_end(args);
	return fault_text(c, code, err, text);
}

static int last_code(struct dir_conn *c)
{
	int code = LDAP_OTHER;

	ldap_get_option(c->ld, LDAP_OPT_RESULT_CODE, &code);
	return code;
}

int dir_conn_next(struct dir_conn *c, int id, struct ldapmsg **ret, struct err *err)
{
	int64_t wait_ms = c->o->answer_timeout_ms, left = c->deadline_ms - stamp_mono_ms();
	struct timeval tv;
	LDAPMessage *message = NULL;
	int type;

	if (cancelled(c))
		return err_set(err, ERR_CANCELLED, "stopped");
	if (left <= 0)
		return err_set(err, ERR_TIMEOUT, "the time for all of it was over");
	if (wait_ms > left)
		wait_ms = left;
	tv.tv_sec = wait_ms / 1000;
	tv.tv_usec = wait_ms % 1000 * 1000;
	step(c, wait_ms);
	type = ldap_result(c->ld, id, LDAP_MSG_ONE, &tv, &message);
	step_over(c);
	if (type > 0) {
		*ret = message;
		return type;
	}
	ldap_msgfree(message);
	return fault_text(c, type == 0 ? LDAP_TIMEOUT : last_code(c), err, c->uri);
}

int dir_conn_poll(struct dir_conn *c, int id, int64_t wait_ms, struct ldapmsg **ret,
		  struct err *err)
{
	struct timeval tv = { wait_ms / 1000, wait_ms % 1000 * 1000 };
	LDAPMessage *message = NULL;
	int type;

	if (cancelled(c))
		return err_set(err, ERR_CANCELLED, "stopped");
	step(c, wait_ms + c->o->answer_timeout_ms);
	type = ldap_result(c->ld, id, LDAP_MSG_ONE, &tv, &message);
	step_over(c);
	if (type > 0) {
		*ret = message;
		return type;
	}
	ldap_msgfree(message);
	return type == 0 ? 0 : fault_text(c, last_code(c), err, c->uri);
}

/* --- connecting ----------------------------------------------------------------------------
 */

static int url_read(struct dir_conn *c, struct err *err)
{
	LDAPURLDesc *d = NULL;

	if (ldap_url_parse(c->uri, &d) != LDAP_URL_SUCCESS || !d)
		return err_set(err, ERR_CONFIG, "%s is not an LDAP URL", c->uri);
	c->ipc = strcmp(d->lud_scheme, "ldapi") == 0;
	c->tls_at_once = strcmp(d->lud_scheme, "ldaps") == 0;
	c->port = d->lud_port;
	c->host = str_dup(str_of(d->lud_host));
	ldap_free_urldesc(d);
	return c->host ? 0 : err_nomem(err);
}

static int options_set(struct dir_conn *c, struct err *err)
{
	struct timeval connect = { c->o->connect_timeout_ms / 1000,
				   c->o->connect_timeout_ms % 1000 * 1000 };
	struct timeval answer = { c->o->answer_timeout_ms / 1000,
				  c->o->answer_timeout_ms % 1000 * 1000 };
	int version = LDAP_VERSION3, never = LDAP_DEREF_NEVER;

	if (ldap_set_option(c->ld, LDAP_OPT_PROTOCOL_VERSION, &version) != 0 ||
	    ldap_set_option(c->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != 0 ||
	    ldap_set_option(c->ld, LDAP_OPT_DEREF, &never) != 0 ||
	    ldap_set_option(c->ld, LDAP_OPT_CONNECT_ASYNC, LDAP_OPT_ON) != 0 ||
	    ldap_set_option(c->ld, LDAP_OPT_NETWORK_TIMEOUT, &connect) != 0 ||
	    ldap_set_option(c->ld, LDAP_OPT_TIMEOUT, &answer) != 0 ||
	    ldap_set_option(c->ld, LDAP_OPT_CONNECT_CB, &c->callbacks) != 0)
		return err_set(err, ERR_INTERNAL, "libldap does not take its settings");
	return 0;
}

static int tls_set(struct dir_conn *c, struct err *err)
{
	if (c->ipc || (!c->tls_at_once && c->o->tls == DIR_TLS_OFF))
		return 0;
	return c->look ? dir_tls_look(c->ld, err) : dir_tls_set(c->ld, c->o, err);
}

/* Waits for the socket, when libldap says LDAP_X_CONNECTING; false when there is no time. */
static bool connecting(struct dir_conn *c, int64_t until_ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLOUT };

	if (cancelled(c) || stamp_mono_ms() >= until_ms)
		return false;
	if (p.fd < 0 || poll(&p, 1, CONNECTING_MS) > 0)
		stamp_sleep_ms(1); /* writable, and libldap will see so */
	return true;
}

static int look_at_certificate(struct dir_conn *refused, struct buf *why);

static int tls_fault(struct dir_conn *c, const char *words, struct err *err)
{
	CLEANUP(buf_done) struct buf why = { 0 };

	buf_init(&why, ERR_TEXT_BYTES);
	if (c->look || look_at_certificate(c, &why) < 0 || !why.len)
		return err_set(err, ERR_TLS,
			       "%s: TLS failed: %s; the server must speak TLS 1.2 or newer",
			       c->uri, words ? words : "the server ended the connection");
	return err_set(err, ERR_TLS, "%s: TLS failed: %s", c->uri, why.p);
}

/* Whether there ever was another side: one that was reset since has measured a round trip. */
static bool had_peer(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	struct tcp_info info = { 0 };

	if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0)
		return true;
	len = sizeof(info);
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_rtt > 0;
}

/*
 * What went wrong before the first answer. libldap has one code for a closed port and for a
 * certificate that does not verify; ours says which, since one is a matter of the network and
 * the other of trust.
 */
static int connect_fault(struct dir_conn *c, int code, struct err *err, bool tls)
{
	int fd = c->fd, error = 0;
	socklen_t len = sizeof(error);
	char *words = NULL;
	int r;

	/* libldap ends a handshake in time, and then says only that it failed */
	if (atomic_load(&c->fired) || code == LDAP_TIMEOUT || code == LDAP_X_CONNECTING ||
	    stamp_mono_ms() >= c->connect_until_ms - CONNECTING_MS)
		return cancelled(c) ? err_set(err, ERR_CANCELLED, "%s: stopped", c->uri)
				    : err_set(err, ERR_TIMEOUT,
					      "%s: no answer within %lld ms (connect_timeout)",
					      c->uri, (long long)c->o->connect_timeout_ms);
	if (c->in.too_long)
		return too_long(c, err, c->uri);
	ldap_get_option(c->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &words);
	if (fd >= 0)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	/* it had come to a handshake if there was somebody, and gnutls has words for a closed
	 * port, too; and it is over when something of LDAP went through it */
	if (tls && fd >= 0 && !(c->tls_at_once && c->spoke) &&
	    (error == ECONNRESET || had_peer(fd)))
		r = tls_fault(c, words, err);
	else
		r = dir_code_fault(code, words, err, "%s", c->uri);
	/* TLS 1.3: what the server thinks of our certificate it says after the handshake */
	if (r == -ERR_NETWORK && err && c->spoke && (c->tls_at_once || c->tls_started))
		r = err_context(err, r, "%s",
				c->o->cert_file ? "the server ended the connection after TLS; "
						  "perhaps it does not take the certificate of "
						  "cert_file"
						: "the server ended the connection after TLS; "
						  "perhaps it wants a certificate of ours "
						  "(cert_file)");
	ldap_memfree(words);
	return r;
}

/* What is sent first also connects. */
typedef int (*send_fn)(struct dir_conn *c, const struct secret *password, int *id);

static int send_bind(struct dir_conn *c, const struct secret *password, int *id)
{
	struct berval credentials = { 0, (char *)"" };

	if (c->o->auth == DIR_AUTH_EXTERNAL)
		return ldap_sasl_bind(c->ld, NULL, "EXTERNAL", &credentials, NULL, NULL, id);
	credentials = (struct berval){ password->len, (char *)password->p };
	return ldap_sasl_bind(c->ld, c->o->bind_dn, LDAP_SASL_SIMPLE, &credentials, NULL, NULL,
			      id);
}

static int send_start_tls(struct dir_conn *c, const struct secret *password, int *id)
{
	(void)password;
	return ldap_extended_operation(c->ld, LDAP_EXOP_START_TLS, NULL, NULL, NULL, id);
}

static int send_first(struct dir_conn *c, send_fn fn, const struct secret *password,
		      int64_t until_ms, int *id, struct err *err)
{
	int code;

	do
		code = fn(c, password, id);
	while (code == LDAP_X_CONNECTING && connecting(c, until_ms));
	if (code == LDAP_SUCCESS)
		return 0;
	return connect_fault(c, code, err, c->tls_at_once);
}

/* The answer's result code, with the server's words in the handle. */
static int answer_code(struct dir_conn *c, int id, int64_t until_ms, int *code, struct err *err)
{
	LDAPMessage *message = NULL;
	struct timeval tv;
	int64_t left = until_ms - stamp_mono_ms();
	int type;

	if (left < 1)
		left = 1;
	tv.tv_sec = left / 1000;
	tv.tv_usec = left % 1000 * 1000;
	type = ldap_result(c->ld, id, LDAP_MSG_ALL, &tv, &message);
	if (type <= 0)
		return connect_fault(c, type == 0 ? LDAP_TIMEOUT : last_code(c), err, false);
	if (ldap_parse_result(c->ld, message, code, NULL, NULL, NULL, NULL, 1) != LDAP_SUCCESS)
		return err_set(err, ERR_PROTOCOL, "%s: an answer that does not decode", c->uri);
	return 0;
}

static int start_tls(struct dir_conn *c, int64_t until_ms, struct err *err)
{
	int id, code, r = send_first(c, send_start_tls, NULL, until_ms, &id, err);

	if (r == 0)
		r = answer_code(c, id, until_ms, &code, err);
	if (r < 0)
		return r;
	if (code != LDAP_SUCCESS)
		return err_set(
			err, ERR_TLS,
			"%s: the server refuses StartTLS (%s, %d): switch it on there, or "
			"use ldaps://",
			c->uri, dir_code(code)->name, code);
	code = ldap_install_tls(c->ld);
	if (code != LDAP_SUCCESS)
		return connect_fault(c, code, err, true);
	c->tls_started = true;
	return 0;
}

/* A question about nothing, by nobody. */
static int send_nothing(struct dir_conn *c, const struct secret *password, int *id)
{
	char none[] = LDAP_NO_ATTRS, *attrs[] = { none, NULL };

	(void)password;
	return ldap_search_ext(c->ld, "", LDAP_SCOPE_BASE, NULL, attrs, 0, NULL, NULL, NULL, 1,
			       id);
}

/* For what needs a connection that stands: a password to be sent, a certificate to bind a
 * ticket to. */
static int connect_now(struct dir_conn *c, int64_t until_ms, struct err *err)
{
	int id, code, r;

	if (c->tls_started)
		return 0;
	r = send_first(c, send_nothing, NULL, until_ms, &id, err);
	return r < 0 ? r : answer_code(c, id, until_ms, &code, err);
}

static int bind_now(struct dir_conn *c, const struct secret *password, int64_t until_ms,
		    struct err *err)
{
	int id, code, r;

	if (c->o->auth == DIR_AUTH_SIMPLE && (!password || password->len == 0))
		return err_set(err, ERR_CONFIG,
			       "the bind password is empty: an empty one would let us in as "
			       "nobody; set it with leaverd secret set");
	/* a request that libldap gives up before there is a connection it frees as it is */
	r = c->o->auth == DIR_AUTH_SIMPLE ? connect_now(c, until_ms, err) : 0;
	if (r < 0)
		return r;
	c->binding = true;
	r = send_first(c, send_bind, password, until_ms, &id, err);
	c->binding = false;
	if (r == 0)
		r = answer_code(c, id, until_ms, &code, err);
	if (r < 0)
		return r;
	if (code != LDAP_SUCCESS)
		return fault_text(c, code, err,
				  c->o->auth != DIR_AUTH_EXTERNAL ? "bind"
				  : c->ipc                        ? "bind by our uid"
								  : "bind by our certificate");
	return 0;
}

/* --- by Kerberos ---------------------------------------------------------------------------
 */

#define KRB_TOKEN_BYTES (1 << 18)

static int krb_send(struct dir_conn *c, struct str token, int *id, struct err *err)
{
	struct berval credentials = { token.len, (char *)(uintptr_t)token.p };
	int code = ldap_sasl_bind(c->ld, NULL, "GSSAPI", &credentials, NULL, NULL, id);

	return code == LDAP_SUCCESS ? 0 : connect_fault(c, code, err, false);
}

/* The server's answer to a step: its result code, and what it says in *came. */
static int krb_answer(struct dir_conn *c, int id, int64_t until_ms, int *code, struct buf *came,
		      struct err *err)
{
	LDAPMessage *message = NULL;
	struct berval *said = NULL;
	int64_t left = until_ms - stamp_mono_ms();
	struct timeval tv = { left > 0 ? left / 1000 : 0, left > 0 ? left % 1000 * 1000 : 1 };
	int type = ldap_result(c->ld, id, LDAP_MSG_ALL, &tv, &message), rc;

	if (type <= 0)
		return connect_fault(c, type == 0 ? LDAP_TIMEOUT : last_code(c), err, false);
	buf_clear(came);
	rc = ldap_parse_sasl_bind_result(c->ld, message, &said, 0);
	if (rc == LDAP_SUCCESS || rc == LDAP_SASL_BIND_IN_PROGRESS)
		rc = ldap_parse_result(c->ld, message, code, NULL, NULL, NULL, NULL, 0);
	else
		*code = rc; /* it is the result, too */
	if (said)
		buf_add(came, said->bv_val, said->bv_len);
	ber_bvfree(said);
	ldap_msgfree(message);
	if (rc == LDAP_DECODING_ERROR)
		return err_set(err, ERR_PROTOCOL, "%s: an answer that does not decode", c->uri);
	return buf_fault(came, err, "a token");
}

static int krb_steps(struct dir_conn *c, struct dir_krb *k, int64_t until_ms, struct buf *came,
		     struct buf *send, struct err *err)
{
	int code = LDAP_SASL_BIND_IN_PROGRESS, id, r = 0;

	while (r == 0 && code == LDAP_SASL_BIND_IN_PROGRESS) {
		r = dir_krb_step(k, buf_str(came), send, err);
		if (r == 0)
			r = krb_send(c, buf_str(send), &id, err);
		if (r == 0)
			r = krb_answer(c, id, until_ms, &code, came, err);
	}
	if (r < 0)
		return r;
	if (code != LDAP_SUCCESS)
		return fault_text(c, code, err, "bind by Kerberos");
	if (!dir_krb_done(k))
		return err_set(err, ERR_UNAUTHORIZED,
			       "%s let us in before it proved by Kerberos who it is", c->uri);
	return 0;
}

static int bind_krb(struct dir_conn *c, int64_t until_ms, struct err *err)
{
	CLEANUP(dir_krb_free_at) struct dir_krb *k = NULL;
	CLEANUP(buf_done) struct buf came = { 0 }, send = { 0 };
	struct berval der = { 0, NULL };
	int r;

	buf_init(&came, KRB_TOKEN_BYTES);
	buf_init(&send, KRB_TOKEN_BYTES);
	r = connect_now(c, until_ms, err);
	if (r < 0)
		return r;
	if (c->tls_at_once || c->tls_started)
		ldap_get_option(c->ld, LDAP_OPT_X_TLS_PEERCERT, &der);
	r = dir_krb_new(c->o, c->host, str_n(der.bv_val, der.bv_len), until_ms, c->cancel, &k,
			err);
	ber_memfree(der.bv_val);
	if (r == 0)
		r = krb_steps(c, k, until_ms, &came, &send, err);
	if (r == 0)
		r = dir_krb_account(k, &c->account, err);
	return r < 0 ? err_context(err, r, "%s", c->uri) : 0;
}

static void tls_describe(struct dir_conn *c)
{
	char *version = NULL, *cipher = NULL;

	if (c->ipc || (!c->tls_at_once && !c->tls_started)) {
		snprintf(c->tls, sizeof(c->tls), "no TLS (%s)", c->ipc ? "ldapi" : "loopback");
		return;
	}
	ldap_get_option(c->ld, LDAP_OPT_X_TLS_VERSION, &version);
	ldap_get_option(c->ld, LDAP_OPT_X_TLS_CIPHER, &cipher);
	snprintf(c->tls, sizeof(c->tls), "%s%s, %s", version ? version : "TLS",
		 c->tls_started ? " (StartTLS)" : "", cipher ? cipher : "unknown cipher");
	ldap_memfree(version);
	ldap_memfree(cipher);
}

static int open_one(struct dir_conn *c, const struct secret *password, struct err *err)
{
	int64_t until;
	int id, rc, r = url_read(c, err);

	if (r < 0)
		return r;
	rc = ldap_initialize(&c->ld, c->uri);
	if (rc != LDAP_SUCCESS)
		return dir_code_fault(rc, NULL, err, "%s", c->uri);
	r = options_set(c, err);
	if (r == 0)
		r = tls_set(c, err);
	if (r < 0)
		return r;
	until = stamp_mono_ms() + c->o->connect_timeout_ms;
	if (until > c->deadline_ms)
		until = c->deadline_ms;
	c->connect_until_ms = until;
	atomic_store(&c->until_ms, until + WATCH_SLACK_MS);
	r = worker_start(&c->dog, "dir-watch", watch, c, err);
	if (r == 0 && !c->ipc && !c->tls_at_once && c->o->tls == DIR_TLS_REQUIRE)
		r = start_tls(c, until, err);
	if (r == 0 && c->look && c->tls_at_once)
		r = send_first(c, send_nothing, NULL, until, &id, err);
	if (r == 0 && !c->look)
		r = c->o->auth == DIR_AUTH_GSSAPI ? bind_krb(c, until, err)
						  : bind_now(c, password, until, err);
	if (r == 0)
		tls_describe(c);
	step_over(c);
	return r;
}

static int conn_new(const struct dir_options *o, const char *uri, size_t number,
		    int64_t deadline_ms, const atomic_bool *cancel, struct dir_conn **ret,
		    struct err *err)
{
	struct dir_conn *c = calloc(1, sizeof(*c));

	if (!c || !(c->uri = str_dup(str_of(uri)))) {
		free(c);
		return err_nomem(err);
	}
	c->o = o;
	c->number = number;
	c->deadline_ms = deadline_ms;
	c->cancel = cancel;
	c->callbacks = (struct ldap_conncb){ socket_made, socket_gone, c };
	pthread_mutex_init(&c->lock, NULL);
	c->fd = -1;
	atomic_init(&c->until_ms, STAMP_NEVER);
	atomic_init(&c->fired, FIRED_NOT);
	*ret = c;
	return 0;
}

/* Adds to *why what is wrong with the certificate that refused's server shows. */
static int look_at_certificate(struct dir_conn *refused, struct buf *why)
{
	CLEANUP(dir_conn_close_at) struct dir_conn *c = NULL;
	struct berval der = { 0, NULL };
	struct dir_cert cert;
	int r = conn_new(refused->o, refused->uri, refused->number, refused->deadline_ms,
			 refused->cancel, &c, NULL);

	if (r < 0)
		return r;
	c->look = true;
	r = open_one(c, NULL, NULL);
	if (r == 0 && ldap_get_option(c->ld, LDAP_OPT_X_TLS_PEERCERT, &der) == 0 &&
	    der.bv_val && dir_cert_read(str_n(der.bv_val, der.bv_len), c->host, &cert))
		dir_cert_explain(&cert, c->host, c->o->ca_file, stamp_now_ms(), why);
	ber_memfree(der.bv_val);
	return r;
}

/* Puts the sentence of one more URL to those before it. */
static void sentence_add(struct buf *all, const struct err *one)
{
	if (all->len)
		buf_add_text(all, "; ");
	buf_add_text(all, one->text);
}

/* Whether it is of no use to ask the next server. */
static bool final(int r)
{
	return r == -ERR_UNAUTHORIZED || r == -ERR_CANCELLED || r == -ERR_NOMEM ||
	       r == -ERR_CONFIG || r == -ERR_INTERNAL;
}

static int open_any(const struct dir_options *o, const struct dir_servers *servers,
		    const struct secret *password, size_t first, int64_t deadline_mono_ms,
		    const atomic_bool *cancel, struct dir_conn **ret, struct err *err)
{
	CLEANUP(buf_done) struct buf all = { 0 };
	struct err one = { 0 };
	int r = 0;

	buf_init(&all, 8 * ERR_TEXT_BYTES);
	for (size_t i = 0; i < servers->n; i++) {
		CLEANUP(dir_conn_close_at) struct dir_conn *c = NULL;
		size_t number = (first + i) % servers->n;

		r = conn_new(o, servers->v[number], number, deadline_mono_ms, cancel, &c, &one);
		if (r == 0)
			r = open_one(c, password, &one);
		if (r == 0) {
			*ret = TAKE(c);
			return 0;
		}
		sentence_add(&all, &one);
		if (final(r))
			break;
	}
	return err_set(err, -r, "%s", all.p ? all.p : one.text);
}

int dir_conn_open(const struct dir_options *o, const struct secret *password, size_t first,
		  int64_t deadline_mono_ms, const atomic_bool *cancel, struct dir_conn **ret,
		  struct err *err)
{
	CLEANUP(dir_servers_free) struct dir_servers servers = { 0 };
	int64_t until_ms = stamp_mono_ms() + o->connect_timeout_ms;
	int r;

	if (!started)
		return err_set(err, ERR_INTERNAL, "dir_start() was not called");
	if (o->uris.n == 0 && !o->domain)
		return err_set(err, ERR_CONFIG, "uris is missing");
	r = dir_servers_find(o, until_ms < deadline_mono_ms ? until_ms : deadline_mono_ms,
			     cancel, &servers, err);
	if (r < 0)
		return r;
	return open_any(o, &servers, password, first, deadline_mono_ms, cancel, ret, err);
}

void dir_conn_close(struct dir_conn *c)
{
	if (!c)
		return;
	/* the last farewell may not wait either */
	step(c, 0);
	if (c->ld)
		ldap_unbind_ext(c->ld, NULL, NULL);
	worker_join(c->dog);
	if (c->fd >= 0)
		close(c->fd);
	pthread_mutex_destroy(&c->lock);
	free(c->account);
	free(c->host);
	free(c->uri);
	free(c);
}

struct ldap *dir_conn_ld(struct dir_conn *c)
{
	return c->ld;
}

const char *dir_conn_uri(const struct dir_conn *c)
{
	return c->uri;
}

size_t dir_conn_uri_number(const struct dir_conn *c)
{
	return c->number;
}

const char *dir_conn_tls(const struct dir_conn *c)
{
	return c->tls;
}

const char *dir_conn_account(const struct dir_conn *c)
{
	return c->account;
}

const struct dir_options *dir_conn_options(const struct dir_conn *c)
{
	return c->o;
}

static int whoami_take(struct dir_conn *c, LDAPMessage *message, char **ret, struct err *err)
{
	char *oid = NULL;
	struct berval *data = NULL;
	int code = LDAP_OTHER, rc, r = 0;

	rc = ldap_parse_result(c->ld, message, &code, NULL, NULL, NULL, NULL, 0);
	if (rc == LDAP_SUCCESS)
		rc = ldap_parse_extended_result(c->ld, message, &oid, &data, 0);
	if (rc != LDAP_SUCCESS)
		r = err_set(err, ERR_PROTOCOL, "Who am I?: an answer that does not decode");
	else if (code == LDAP_PROTOCOL_ERROR || code == LDAP_UNWILLING_TO_PERFORM)
		r = err_set(err, ERR_NOT_SUPPORTED, "the server does not know Who am I?");
	else if (code != LDAP_SUCCESS)
		r = fault_text(c, code, err, "Who am I?");
	else if (data && !dir_text_ok(str_n(data->bv_val, data->bv_len)))
		r = err_set(err, ERR_PROTOCOL, "Who am I?: an answer that is not text");
	if (r == 0) {
		*ret = data ? str_dup(str_n(data->bv_val, data->bv_len)) : str_dup(STR(""));
		if (!*ret)
			r = err_nomem(err);
	}
	ldap_memfree(oid);
	ber_bvfree(data);
	return r;
}

int dir_conn_whoami(struct dir_conn *c, char **ret, struct err *err)
{
	LDAPMessage *message = NULL;
	int id, r;
	int rc = ldap_extended_operation(c->ld, LDAP_EXOP_WHO_AM_I, NULL, NULL, NULL, &id);

	if (rc != LDAP_SUCCESS)
		return fault_text(c, rc, err, "Who am I?");
	r = dir_conn_next(c, id, &message, err);
	if (r < 0)
		return r;
	r = whoami_take(c, message, ret, err);
	ldap_msgfree(message);
	return r;
}
