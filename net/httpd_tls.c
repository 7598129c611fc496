#include "net/httpd_in.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <signal.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/enc.h"

/*
 * A new certificate means a new libmicrohttpd daemon, which gets the connections that come from
 * then on: the old one ends its connections with their next reply, and is stopped when none is
 * left.
 */

#define HEADER_BYTES 32768 /* MHD's memory for a connection: the header block lives there */
#define PEM_BYTES (1LL << 20)
#define RETIRE_MS 2000
/* Never reached, since we count ourselves: a thread of libmicrohttpd 0.9.75 that meets its
 * limit while it takes a connection over keeps a lock for ever (and each thread's share of the
 * limit can be reached while the whole is not). */
#define MHD_CONNECTIONS (1u << 30)
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* --- what libmicrohttpd tells ------------------------------------------------------------- */

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
			  enum MHD_ConnectionNotificationCode toe)
{
	const union MHD_ConnectionInfo *fd, *addr;

	if (toe == MHD_CONNECTION_NOTIFY_STARTED) {
		fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
		addr = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
		*socket_context = fd ? httpd_conn_new(cls, fd->connect_fd,
						      addr ? addr->client_addr : NULL)
				     : NULL;
	} else if (*socket_context) {
		httpd_conn_end(*socket_context);
		*socket_context = NULL;
	}
}

/* Paths and queries are decoded by us, once and with care. */
static size_t leave_as_sent(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls;
	(void)mhd;
	return strlen(text);
}

static void on_mhd_says(void *cls, const char *format, va_list args) PRINTF(2, 0);
static void on_mhd_says(void *cls, const char *format, va_list args)
{
	struct httpd *h = cls;
	size_t len;

	if (!h->starting)
		return;
	vsnprintf(h->said, sizeof(h->said), format, args);
	len = strlen(h->said);
	while (len && (h->said[len - 1] == '\n' || h->said[len - 1] == '.'))
		h->said[--len] = '\0';
}

/* --- generations -------------------------------------------------------------------------- */

static int pem_read(struct buf *into, const char *file, struct err *err)
{
	CLEANUP(fd_close_at) int fd = -1;
	char piece[4096];
	ssize_t n;

	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, ERR_TLS, errno, "read %s", file);
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(into, piece, (size_t)n);
	if (n < 0)
		return err_errno(err, ERR_TLS, errno, "read %s", file);
	secret_wipe(piece, sizeof(piece));
	if (!into->len)
		return err_set(err, ERR_TLS, "%s is empty: expected PEM", file);
	return buf_fault(into, err, file);
}

void httpd_generation_free(struct generation *gen)
{
	if (gen->daemon)
		MHD_stop_daemon(gen->daemon);
	free(gen);
}
OWNED(struct generation, httpd_generation_free)

/* PEM texts; all NULL without TLS, ca NULL where no client certificate is asked for. */
struct pems {
	struct buf cert, key, ca;
};

static void pems_init(struct pems *p)
{
	buf_init(&p->cert, PEM_BYTES);
	buf_init_secret(&p->key, PEM_BYTES);
	buf_init(&p->ca, PEM_BYTES);
}

static void pems_done(struct pems *p)
{
	buf_done(&p->cert);
	buf_done(&p->key);
	buf_done(&p->ca);
}

static int pems_read(struct pems *p, const struct httpd *h, struct err *err)
{
	int r = 0;

	if (h->cert_file)
		r = pem_read(&p->cert, h->cert_file, err);
	if (r == 0 && h->key_file)
		r = pem_read(&p->key, h->key_file, err);
	if (r == 0 && h->client_ca_file)
		r = pem_read(&p->ca, h->client_ca_file, err);
	return r;
}

static void daemon_start(struct generation *gen, const struct pems *p)
{
	const struct httpd_options *o = &gen->h->o;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
			 MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG |
			 (p->cert.p ? MHD_USE_TLS : 0) |
			 (stamp_is_virtual() ? MHD_USE_SUPPRESS_DATE_NO_CLOCK : 0);
	const struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, p->cert.p },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, p->key.p },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES },
		{ p->ca.p ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, p->ca.p },
		{ MHD_OPTION_END, 0, NULL },
	};
	const struct MHD_OptionItem plain[] = { { MHD_OPTION_END, 0, NULL } };
	sigset_t all, before;

	sigfillset(&all);
	sigdelset(&all, SIGBUS); /* a read of mapped memory that fails says why */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	gen->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, httpd_on_access, gen, MHD_OPTION_EXTERNAL_LOGGER,
		on_mhd_says, gen->h, MHD_OPTION_THREAD_POOL_SIZE,
		o->threads > 1 ? o->threads : 0, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)MHD_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HEADER_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)((o->timeout_ms + 999) / 1000), MHD_OPTION_URI_LOG_CALLBACK,
		httpd_on_uri, gen, MHD_OPTION_NOTIFY_COMPLETED, httpd_on_completed, gen,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, gen, MHD_OPTION_UNESCAPE_CALLBACK,
		leave_as_sent, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY,
		p->cert.p ? tls : plain, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int httpd_generation_new(struct generation **ret, struct httpd *h, struct err *err)
{
	CLEANUP(httpd_generation_free_at) struct generation *gen = calloc(1, sizeof(*gen));
	CLEANUP(pems_done) struct pems pems;
	int r;

	pems_init(&pems);
	if (!gen)
		return err_nomem(err);
	gen->h = h;
	r = pems_read(&pems, h, err);
	if (r < 0)
		return r;
	h->said[0] = '\0';
	h->starting = true;
	daemon_start(gen, &pems);
	h->starting = false;
	if (!gen->daemon)
		return err_set(err, h->cert_file ? ERR_TLS : ERR_NETWORK, "serve %s%s%s: %s",
			       h->listen_text, h->cert_file ? " with " : "",
			       h->cert_file ? h->cert_file : "",
			       h->said[0] ? h->said : "not possible");
	*ret = TAKE(gen);
	return 0;
}

void httpd_generation_retire(struct generation *gen)
{
	if (!atomic_exchange(&gen->retired, true))
		gen->retired_ms = stamp_mono_ms();
}

struct generation *httpd_generation_emptied(struct httpd *h, int64_t now_ms)
{
	struct generation *found = NULL;

	pthread_mutex_lock(&h->lock);
	for (struct generation **at = &h->gens->next; *at; at = &(*at)->next) {
		struct generation *gen = *at;

		if (atomic_load(&gen->connections) || now_ms - gen->retired_ms < RETIRE_MS)
			continue;
		*at = gen->next;
		found = gen;
		break;
	}
	pthread_mutex_unlock(&h->lock);
	return found;
}

int httpd_reload_tls(struct httpd *h, struct err *err)
{
	struct generation *gen, *old;
	int r;

	if (!h->cert_file || h->quiesced)
		return 0;
	r = httpd_generation_new(&gen, h, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&h->lock);
	old = h->gens;
	gen->next = old;
	h->gens = gen;
	httpd_generation_retire(old);
	pthread_mutex_unlock(&h->lock);
	return 0;
}

/* --- the other side's certificate --------------------------------------------------------- */

static gnutls_session_t session_of(const struct http_req *req)
{
	const union MHD_ConnectionInfo *info =
		req->h->cert_file
			? MHD_get_connection_info(req->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)
			: NULL;

	return info ? info->tls_session : NULL;
}

/* Each name on a line of its own; one with a byte that could feign another is left out. */
static void names_read(gnutls_x509_crt_t crt, struct http_cert *into)
{
	char name[256];
	size_t at = 0;

	for (unsigned i = 0; i < 64; i++) {
		size_t len = sizeof(name) - 1;
		int type = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &len, NULL);

		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		if (type != GNUTLS_SAN_DNSNAME || memchr(name, '\n', len) ||
		    memchr(name, '\0', len) || at + len + 2 > sizeof(into->names))
			continue;
		memcpy(into->names + at, name, len);
		at += len;
		into->names[at++] = '\n';
		into->names[at] = '\0';
	}
}

static bool cert_fill(gnutls_x509_crt_t crt, const gnutls_datum_t *der, struct http_cert *into)
{
	unsigned char print[32];
	size_t len = sizeof(print), room = sizeof(into->subject);

	if (gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) < 0 ||
	    gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, print, &len) < 0)
		return false;
	enc_hex(print, sizeof(print), into->fingerprint);
	if (gnutls_x509_crt_get_dn(crt, into->subject, &room) < 0)
		into->subject[0] = '\0'; /* too long to be named in a config */
	names_read(crt, into);
	return true;
}

/* What the handshake showed, when it leads to the CA of the options and is for clients. */
static struct http_cert *cert_read(gnutls_session_t session)
{
	gnutls_typed_vdata_st wanted = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT
	};
	const gnutls_datum_t *chain;
	struct http_cert *cert;
	gnutls_x509_crt_t crt;
	unsigned n = 0, status = 0;

	chain = gnutls_certificate_get_peers(session, &n);
	if (!chain || !n || gnutls_certificate_verify_peers(session, &wanted, 1, &status) < 0 ||
	    status)
		return NULL;
	cert = calloc(1, sizeof(*cert));
	if (!cert || gnutls_x509_crt_init(&crt) < 0) {
		free(cert);
		return NULL;
	}
	if (!cert_fill(crt, &chain[0], cert)) {
		free(cert);
		cert = NULL;
	}
	gnutls_x509_crt_deinit(crt);
	return cert;
}

const struct http_cert *http_req_cert(const struct http_req *req)
{
	struct conn *conn = req->conn;
	gnutls_session_t session;

	/* A connection has one request at a time, so nobody else looks. */
	if (!conn->cert_read && req->h->client_ca_file && (session = session_of(req))) {
		conn->cert = cert_read(session);
		conn->cert_read = true;
	}
	return conn->cert;
}

bool http_cert_has_name(const struct http_cert *cert, struct str name)
{
	struct str rest = str_of(cert->names), one;

	while (rest.len) {
		struct str tail = { 0 };

		str_cut(rest, '\n', &one, &tail);
		rest = tail;
		if (one.len && str_ieq(one, name))
			return true;
	}
	return false;
}

void httpd_farewell(struct http_req *req, struct str bytes)
{
	gnutls_session_t session = session_of(req);

	if (session) {
		(void)!gnutls_record_send(session, bytes.p, bytes.len);
		(void)!gnutls_bye(session, GNUTLS_SHUT_WR);
	} else {
		(void)!send(req->conn->fd, bytes.p, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	shutdown(req->conn->fd, SHUT_WR);
}
