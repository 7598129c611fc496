#include "scim/throttle.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/map.h"
#include "net/peer.h"

/* One address. The map keeps them in the order of their last failure. */
struct failing {
	struct peer peer;
	int64_t full_ms; /* when it may fail a whole burst again */
	UT_hash_handle hh;
};

struct throttle {
	pthread_mutex_t lock;
	struct failing *all;
};

int throttle_new(struct throttle **ret, struct err *err)
{
	struct throttle *t = calloc(1, sizeof(*t));

	if (!t)
		return err_nomem(err);
	pthread_mutex_init(&t->lock, NULL);
	*ret = t;
	return 0;
}

void throttle_free(struct throttle *t)
{
	struct failing *f, *next;

	if (!t)
		return;
	HASH_ITER (hh, t->all, f, next) {
		HASH_DEL(t->all, f);
		free(f);
	}
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* Who has one IPv6 address has 2^64 of them. */
static bool network_of(const char *peer, struct peer *ret)
{
	static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	if (!peer || !peer_parse(str_of(peer), ret))
		return false;
	if (memcmp(ret->b, mapped, sizeof(mapped)) != 0)
		memset(ret->b + 8, 0, 8);
	return true;
}

/* Under the lock: peer's row, now the youngest; NULL without memory. */
static struct failing *failing_of(struct throttle *t, const struct peer *peer)
{
	struct failing *f;

	HASH_FIND(hh, t->all, peer, sizeof(*peer), f);
	if (f) {
		HASH_DEL(t->all, f);
		f->hh.tbl = NULL;
	} else if (HASH_COUNT(t->all) >= THROTTLE_MOST) {
		f = t->all; /* the oldest makes room */
		HASH_DEL(t->all, f);
		*f = (struct failing){ .peer = *peer };
	} else {
		f = calloc(1, sizeof(*f));
		if (!f)
			return NULL;
		f->peer = *peer;
	}
	HASH_ADD(hh, t->all, peer, sizeof(f->peer), f);
	if (MAP_ADDED(f))
		return f;
	free(f);
	return NULL;
}

int throttle_fail(struct throttle *t, const char *peer, int64_t mono_ms)
{
	struct failing *f;
	struct peer key;
	int64_t over = 0;

	if (!network_of(peer, &key))
		return 0;
	pthread_mutex_lock(&t->lock);
	f = failing_of(t, &key);
	if (f) {
		if (f->full_ms < mono_ms)
			f->full_ms = mono_ms;
		over = f->full_ms + THROTTLE_EACH_MS - mono_ms -
		       (int64_t)THROTTLE_BURST * THROTTLE_EACH_MS;
		if (over <= 0)
			f->full_ms += THROTTLE_EACH_MS;
	}
	pthread_mutex_unlock(&t->lock);
	return over > 0 ? (int)((over + 999) / 1000) : 0;
}

size_t throttle_count(struct throttle *t)
{
	size_t n;

	pthread_mutex_lock(&t->lock);
	n = HASH_COUNT(t->all);
	pthread_mutex_unlock(&t->lock);
	return n;
}
