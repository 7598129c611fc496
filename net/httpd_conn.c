#include "net/httpd_in.h"

#include <sys/socket.h>

/*
 * Connections that wait (for a request, or for the rest of one) cost others their place once
 * the server is full. Then some of them end: of the address that has the most, first those that
 * never sent a whole request, longest wait first. So whoever opens ten thousand connections
 * competes with himself, and a client that comes and speaks is served.
 */

#define GRACE_MS 250 /* a connection that waits for less is left alone */
#define BATCH 16     /* of a full server's places, one in so many is freed at a time */

/* Counts the connection for its address; false when that address has enough. */
static bool address_enter(struct httpd *h, struct conn *conn)
{
	struct address *a;

	if (!conn->has_peer || peer_set_has(h->proxies, &conn->peer))
		return true;
	HASH_FIND(hh, h->addresses, &conn->peer, sizeof(conn->peer), a);
	if (!a) {
		a = calloc(1, sizeof(*a));
		if (!a)
			return false;
		a->peer = conn->peer;
		HASH_ADD(hh, h->addresses, peer, sizeof(a->peer), a);
		if (!MAP_ADDED(a)) {
			free(a);
			return false;
		}
	}
	if (h->o.connections_per_address && a->count >= h->o.connections_per_address)
		return false;
	a->count++;
	conn->counted = true;
	return true;
}

static void address_leave(struct httpd *h, struct conn *conn)
{
	struct address *a;

	if (!conn->counted)
		return;
	HASH_FIND(hh, h->addresses, &conn->peer, sizeof(conn->peer), a);
	if (a && --a->count == 0) {
		HASH_DEL(h->addresses, a);
		free(a);
	}
}

static void identify(struct conn *conn, const struct sockaddr *addr)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (addr && peer_of(addr, &conn->peer)) {
		conn->has_peer = true;
		peer_text(&conn->peer, conn->peer_text);
	} else if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
		conn->has_cred = true;
		conn->uid = cred.uid;
		conn->pid = cred.pid;
	}
}

static void handed_less(struct httpd *h)
{
	size_t n = atomic_load(&h->handed);

	while (n && !atomic_compare_exchange_weak(&h->handed, &n, n - 1))
		;
}

struct conn *httpd_conn_new(struct generation *gen, int fd, const struct sockaddr *addr)
{
	struct httpd *h = gen->h;
	struct conn *conn = calloc(1, sizeof(*conn));
	bool let_in;

	if (!conn)
		return NULL;
	conn->gen = gen;
	conn->fd = fd;
	identify(conn, addr);
	atomic_init(&conn->until_ms, stamp_mono_ms() + h->o.timeout_ms);
	atomic_fetch_add(&gen->connections, 1);
	atomic_fetch_add(&h->connections, 1);
	handed_less(h);
	pthread_mutex_lock(&h->lock);
	let_in = address_enter(h, conn);
	conn->next = h->conns;
	if (conn->next)
		conn->next->prev = conn;
	h->conns = conn;
	pthread_mutex_unlock(&h->lock);
	if (!let_in)
		shutdown(conn->fd, SHUT_RDWR);
	return conn;
}

void httpd_conn_end(struct conn *conn)
{
	struct httpd *h = conn->gen->h;

	pthread_mutex_lock(&h->lock);
	address_leave(h, conn);
	if (conn->prev)
		conn->prev->next = conn->next;
	else
		h->conns = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	pthread_mutex_unlock(&h->lock);
	atomic_fetch_sub(&h->connections, 1);
	atomic_fetch_sub(&conn->gen->connections, 1);
	free(conn->cert);
	free(conn->spare);
	free(conn);
}

/* Under the lock: libmicrohttpd closes the descriptor only after httpd_conn_end(). */
static void end_now(struct conn *conn)
{
	atomic_store(&conn->until_ms, STAMP_NEVER);
	shutdown(conn->fd, SHUT_RDWR);
}

void httpd_conn_sweep(struct httpd *h, int64_t now_ms)
{
	pthread_mutex_lock(&h->lock);
	for (struct conn *conn = h->conns; conn; conn = conn->next)
		if (atomic_load(&conn->until_ms) <= now_ms)
			end_now(conn);
	pthread_mutex_unlock(&h->lock);
}

/* --- making room ------------------------------------------------------------------------- */

/* How much a connection is in the way: compared from the first field on. */
struct burden {
	unsigned siblings; /* connections of its address */
	bool unproven;
	int64_t waited_ms;
};

static bool burden_of(const struct httpd *h, const struct conn *conn, int64_t now_ms,
		      struct burden *ret)
{
	int64_t until = atomic_load(&conn->until_ms);
	struct address *a = NULL;

	if (until == STAMP_NEVER || until - h->o.timeout_ms > now_ms - GRACE_MS)
		return false;
	if (conn->counted)
		HASH_FIND(hh, h->addresses, &conn->peer, sizeof(conn->peer), a);
	*ret = (struct burden){ a ? a->count : 1, !atomic_load(&conn->proven),
				now_ms - (until - h->o.timeout_ms) };
	return true;
}

static bool heavier(const struct burden *a, const struct burden *b)
{
	if (a->siblings != b->siblings)
		return a->siblings > b->siblings;
	if (a->unproven != b->unproven)
		return a->unproven;
	return a->waited_ms > b->waited_ms;
}

/* Ends the heaviest, and of the same sort as many as a batch has. */
static void make_room(struct httpd *h, int64_t now_ms)
{
	struct burden worst = { 0 }, b;
	size_t left = h->o.connections / BATCH + 1;

	pthread_mutex_lock(&h->lock);
	for (struct conn *conn = h->conns; conn; conn = conn->next)
		if (burden_of(h, conn, now_ms, &b) && heavier(&b, &worst))
			worst = b;
	if (!worst.unproven)
		left = 1;
	for (struct conn *conn = h->conns; worst.siblings && conn && left; conn = conn->next) {
		if (!burden_of(h, conn, now_ms, &b) || b.siblings != worst.siblings ||
		    b.unproven != worst.unproven || b.waited_ms < worst.waited_ms / 2)
			continue;
		end_now(conn);
		left--;
	}
	pthread_mutex_unlock(&h->lock);
}

bool httpd_conn_room(void *httpd)
{
	struct httpd *h = httpd;
	size_t handed = atomic_load(&h->handed);
	int64_t now_ms = stamp_mono_ms();

	if (handed && now_ms - atomic_load(&h->handed_ms) > HTTPD_HANDED_MS)
		atomic_store(&h->handed, handed = 0);
	if (handed >= HTTPD_HANDED_MOST)
		return false;
	if (atomic_load(&h->connections) + handed < h->o.connections)
		return true;
	make_room(h, now_ms);
	return false; /* they leave within a moment: the acceptor asks again */
}
