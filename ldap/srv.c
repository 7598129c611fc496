#include "ldap/srv.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/stamp.h"

#define RECORDS_MOST 64 /* of one question; more are not tried */
#define TRY_MS 1500     /* for one try of one nameserver; each is asked twice */
#define TICK_MS 50      /* so often *cancel is looked at */
#define NAME_BYTES 600

int dir_servers_start(struct err *err)
{
	int rc = ares_library_init(ARES_LIB_INIT_ALL);

	return rc == ARES_SUCCESS ? 0
				  : err_set(err, ERR_INTERNAL, "c-ares does not start: %s",
					    ares_strerror(rc));
}

void dir_servers_free(struct dir_servers *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	dir_servers_done(s);
}

/* --- records -------------------------------------------------------------------------------
 */

bool dir_srv_host_ok(struct str host, struct str domain)
{
	if (host.len == 0 || host.len >= DIR_SRV_HOST_BYTES || host.p[0] == '.' ||
	    host.p[0] == '-')
		return false;
	for (size_t i = 0; i < host.len; i++)
		if (!((host.p[i] >= 'a' && host.p[i] <= 'z') ||
		      (host.p[i] >= 'A' && host.p[i] <= 'Z') ||
		      (host.p[i] >= '0' && host.p[i] <= '9') || host.p[i] == '-' ||
		      host.p[i] == '_' || host.p[i] == '.'))
			return false;
	if (host.len <= domain.len)
		return str_ieq(host, domain);
	return host.p[host.len - domain.len - 1] == '.' &&
	       str_ieq(str_n(host.p + host.len - domain.len, domain.len), domain);
}

/*
 * Who draws the smallest -ln(u)/weight is first: drawn for all at once, that is the same as
 * RFC 2782's one after the other (the first of exponential clocks that rings), and who comes or
 * goes does not change the order of the others. Weight 0 comes last.
 */
static double place_of(const struct dir_srv *s, struct str salt)
{
	struct digest_run run;
	struct digest d;
	uint64_t lot = 0;

	digest_begin(&run, NULL);
	digest_add(&run, salt.p, salt.len);
	digest_add(&run, "\0", 1);
	digest_add(&run, s->host, strlen(s->host));
	digest_add(&run, &s->port, sizeof(s->port));
	digest_end(&run, &d);
	memcpy(&lot, d.b, sizeof(lot));
	/* u in (0,1] */
	return -log(((double)(lot >> 11) + 1) / 9007199254740992.0) /
	       (s->weight ? s->weight : 1e-9);
}

static int by_place(const void *a, const void *b)
{
	const struct dir_srv *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	if (x->place < y->place || x->place > y->place)
		return x->place < y->place ? -1 : 1;
	return strcmp(x->host, y->host);
}

void dir_srv_order(struct dir_srv *v, size_t n, struct str salt)
{
	for (size_t i = 0; i < n; i++)
		v[i].place = place_of(&v[i], salt);
	if (n)
		qsort(v, n, sizeof(*v), by_place);
}

/* --- asking ------------------------------------------------------------------------------- */

struct question {
	struct str domain;
	bool tls;
	struct dir_srv *v; /* room for RECORDS_MOST */
	size_t n;
	int status;      /* ARES_x */
	size_t refused;  /* records whose host is no name below the domain */
	bool over, none; /* none: "decidedly not available at this domain" */
};

static void records_take(struct question *q, const struct ares_srv_reply *row)
{
	for (; row && q->n < RECORDS_MOST; row = row->next) {
		struct str host = str_of(row->host ? row->host : "");
		struct dir_srv *s = &q->v[q->n];

		if (host.len == 0 || str_eq(host, STR("."))) {
			q->none = true;
			continue;
		}
		if (host.p[host.len - 1] == '.')
			host.len--;
		if (!dir_srv_host_ok(host, q->domain) || row->port == 0) {
			q->refused++;
			continue;
		}
		*s = (struct dir_srv){ .priority = row->priority,
				       .weight = row->weight,
				       .port = row->port,
				       .tls = q->tls };
		for (size_t i = 0; i < host.len; i++)
			s->host[i] = (char)(host.p[i] >= 'A' && host.p[i] <= 'Z'
						    ? host.p[i] + ('a' - 'A')
						    : host.p[i]);
		q->n++;
	}
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *answer, int len)
{
	struct question *q = arg;
	struct ares_srv_reply *rows = NULL;

	(void)timeouts;
	if (status == ARES_SUCCESS)
		status = ares_parse_srv_reply(answer, len, &rows);
	if (status == ARES_SUCCESS)
		records_take(q, rows);
	ares_free_data(rows);
	q->status = status;
	q->over = true;
}

static void wait_a_little(ares_channel channel, int64_t left_ms)
{
	ares_socket_t fds[ARES_GETSOCK_MAXNUM];
	struct pollfd p[ARES_GETSOCK_MAXNUM];
	/* what ARES_GETSOCK_READABLE() and _WRITABLE() say: those shift an int into its sign */
	unsigned bits = (unsigned)ares_getsock(channel, fds, ARES_GETSOCK_MAXNUM);
	int n = 0;
	int wait_ms = left_ms < TICK_MS ? (int)left_ms : TICK_MS;

	for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		short events = (short)((bits >> i & 1U ? POLLIN : 0) |
				       (bits >> (i + ARES_GETSOCK_MAXNUM) & 1U ? POLLOUT : 0));

		if (events)
			p[n++] = (struct pollfd){ .fd = fds[i], .events = events };
	}
	if (poll(p, (nfds_t)n, wait_ms) <= 0) {
		ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		return;
	}
	for (int i = 0; i < n; i++)
		if (p[i].revents)
			ares_process_fd(channel, p[i].fd,
					p[i].revents & POLLOUT ? p[i].fd : ARES_SOCKET_BAD);
}

/* One question to its end: 0 also where the answer is that there is nothing. */
static int ask(ares_channel channel, const char *name, struct question *q,
	       int64_t until_mono_ms, const atomic_bool *cancel, struct err *err)
{
	q->over = false;
	ares_query(channel, name, ns_c_in, ns_t_srv, on_answer, q);
	while (!q->over) {
		int64_t left_ms = until_mono_ms - stamp_mono_ms();
		bool stopped = cancel && atomic_load(cancel);

		if (!stopped && left_ms > 0) {
			wait_a_little(channel, left_ms);
			continue;
		}
		ares_cancel(channel); /* which ends the question */
		return stopped ? err_set(err, ERR_CANCELLED, "%s: stopped", name)
			       : err_set(err, ERR_TIMEOUT,
					 "no nameserver answered what %s is in time "
					 "(connect_timeout)",
					 name);
	}
	if (q->status == ARES_SUCCESS || q->status == ARES_ENOTFOUND ||
	    q->status == ARES_ENODATA)
		return 0;
	if (q->status == ARES_ENOMEM)
		return err_nomem(err);
	return err_set(err, ERR_NETWORK,
		       "the nameservers did not say what %s is: %s; check them, or name the "
		       "servers under uris",
		       name, ares_strerror(q->status));
}

static int channel_open(const struct dir_options *o, ares_channel *ret, struct err *err)
{
	struct ares_options options = { .timeout = TRY_MS, .tries = 2 };
	CLEANUP(buf_done) struct buf list = { 0 };
	int rc, r;

	buf_init(&list, 4096);
	for (size_t i = 0; i < o->nameservers.n; i++)
		buf_addf(&list, "%s%s", i ? "," : "", o->nameservers.v[i]);
	r = buf_fault(&list, err, "nameservers");
	if (r < 0)
		return r;
	rc = ares_init_options(ret, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
	if (rc != ARES_SUCCESS)
		return err_set(err, rc == ARES_ENOMEM ? ERR_NOMEM : ERR_INTERNAL,
			       "the DNS cannot be asked: %s", ares_strerror(rc));
	if (!list.len)
		return 0;
	rc = ares_set_servers_ports_csv(*ret, list.p);
	if (rc == ARES_SUCCESS)
		return 0;
	ares_destroy(*ret);
	return err_set(err, ERR_CONFIG, "nameservers: %s is no list of addresses: %s", list.p,
		       ares_strerror(rc));
}

/* --- the list ------------------------------------------------------------------------------
 */

/* Twice the same server, as by site and by domain, is tried once. */
static int server_add(struct dir_servers *into, const struct dir_srv *s, struct err *err)
{
	char url[DIR_SRV_HOST_BYTES + 32], *copy;

	snprintf(url, sizeof(url), "%s://%s:%u", s->tls ? "ldaps" : "ldap", s->host, s->port);
	for (size_t i = 0; i < into->n; i++)
		if (strcmp(into->v[i], url) == 0)
			return 0;
	copy = str_dup(str_of(url));
	if (copy && dir_servers_add(into, copy) == 0)
		return 0;
	free(copy);
	return err_nomem(err);
}

struct search {
	const struct dir_options *o;
	ares_channel channel;
	int64_t until_ms;
	const atomic_bool *cancel;
	struct question q;
	struct dir_servers *ret;
	char salt[NAME_BYTES];
};

/* Adds those of one name, in their order. */
static int add_named(struct search *s, const char *service, const char *site, struct err *err)
{
	char name[NAME_BYTES];
	int r;

	snprintf(name, sizeof(name), "%s.%s%s%s", service, site ? site : "",
		 site ? "._sites." : "", s->o->domain);
	s->q.n = 0;
	s->q.tls = strcmp(service, "_ldaps._tcp") == 0;
	r = ask(s->channel, name, &s->q, s->until_ms, s->cancel, err);
	if (r < 0)
		return r;
	dir_srv_order(s->q.v, s->q.n, str_of(s->salt));
	for (size_t i = 0; i < s->q.n && r == 0; i++)
		r = server_add(s->ret, &s->q.v[i], err);
	return r;
}

static int nobody(const struct search *s, struct err *err)
{
	if (s->q.refused)
		return err_set(
			err, ERR_NETWORK,
			"the DNS names %zu servers for %s, and none of them stands below "
			"%s: such names are not trusted; name the servers under uris",
			s->q.refused, s->o->domain, s->o->domain);
	return err_set(err, ERR_NETWORK,
		       "the DNS names no server for %s%s: neither _ldaps._tcp.%s nor "
		       "_ldap._tcp.%s has SRV records; check domain, or name the servers under "
		       "uris",
		       s->o->domain, s->q.none ? " (and says that there is none)" : "",
		       s->o->domain, s->o->domain);
}

/* Where TLS begins at once is asked for first; Active Directory names only the other. */
static int find(struct search *s, struct err *err)
{
	static const char *const services[] = { "_ldaps._tcp", "_ldap._tcp" };
	char host[256] = "";
	int r = 0;

	gethostname(host, sizeof(host) - 1);
	snprintf(s->salt, sizeof(s->salt), "%s %s", host, s->o->domain);
	for (size_t i = 0; i < COUNT_OF(services) && r == 0 && s->ret->n == 0; i++) {
		if (s->o->site)
			r = add_named(s, services[i], s->o->site, err);
		if (r == 0)
			r = add_named(s, services[i], NULL, err);
	}
	return r == 0 && s->ret->n == 0 ? nobody(s, err) : r;
}

static int as_settings_say(const struct dir_options *o, struct dir_servers *ret,
			   struct err *err)
{
	for (size_t i = 0; i < o->uris.n; i++) {
		char *copy = str_dup(str_of(o->uris.v[i]));

		if (!copy || dir_servers_add(ret, copy) < 0) {
			free(copy);
			return err_nomem(err);
		}
	}
	return 0;
}

int dir_servers_find(const struct dir_options *o, int64_t until_mono_ms,
		     const atomic_bool *cancel, struct dir_servers *ret, struct err *err)
{
	struct search s = { .o = o, .until_ms = until_mono_ms, .cancel = cancel, .ret = ret };
	int r;

	if (!o->domain)
		return as_settings_say(o, ret, err);
	s.q.domain = str_of(o->domain);
	s.q.v = calloc(RECORDS_MOST, sizeof(*s.q.v));
	if (!s.q.v)
		return err_nomem(err);
	r = channel_open(o, &s.channel, err);
	if (r == 0) {
		r = find(&s, err);
		ares_destroy(s.channel);
	}
	free(s.q.v);
	return r < 0 ? err_context(err, r, "domain %s", o->domain) : 0;
}
