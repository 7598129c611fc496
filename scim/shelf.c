#include "scim/shelf.h"

#include <pthread.h>

#include "base/digest.h"

/*
 * Entries hang in chains from an array of places; their keys are digests, evenly spread, so
 * that a part of them says which chain. A hand goes round over the places when room is needed:
 * what was asked for since it came by last stays, once, and the rest goes. So an entry that is
 * found is marked and not moved, and no other is looked at.
 */
#define SHARDS 16 /* so that threads do not wait for each other */
#define PLACES_FIRST 64
#define HEAP_BYTES 16 /* what an allocation takes beside its bytes */

struct entry {
	struct entry *next;
	bool asked; /* since the hand came by */
	struct shelf_key key;
	struct scim_fresh fresh;
	struct codec_tag tag;
	size_t len;
	char body[];
};

struct shard {
	pthread_mutex_t lock;
	struct entry **places; /* their number is a power of two; NULL: none yet */
	size_t places_n, entries_n, hand;
	size_t bytes;
};

struct shelf {
	unsigned char secret[DIGEST_QUICK_KEY_BYTES];
	size_t most_of_shard;
	struct shard shards[SHARDS];
};

int shelf_new(struct shelf **ret, size_t most_bytes, struct err *err)
{
	struct shelf *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(err);
	secret_random_bytes(s->secret, sizeof(s->secret));
	s->most_of_shard = most_bytes / SHARDS;
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_init(&s->shards[i].lock, NULL);
	*ret = s;
	return 0;
}

static size_t weight(const struct entry *e)
{
	return sizeof(*e) + e->len + HEAP_BYTES;
}

/* Takes it out of its chain; *at points to it there. */
static void drop(struct shard *d, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	d->bytes -= weight(e);
	d->entries_n--;
	free(e);
}

void shelf_free(struct shelf *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *d = &s->shards[i];

		for (size_t k = 0; k < d->places_n; k++)
			while (d->places[k])
				drop(d, &d->places[k]);
		free(d->places);
		pthread_mutex_destroy(&d->lock);
	}
	free(s);
}

void shelf_key(const struct shelf *s, int64_t source, struct str path, struct str query,
	       struct shelf_key *ret)
{
	unsigned char text[512];
	struct digest_quick whole = { { 0 } };
	struct {
		int64_t source;
		uint64_t path_bytes;
	} head = { source, path.len };
	size_t len = sizeof(head);

	if (path.len + query.len > sizeof(text) - sizeof(head)) {
		struct digest_quick halves[2];

		digest_quick(&halves[0], s->secret, path);
		digest_quick(&halves[1], s->secret, query);
		memcpy(text + len, halves, sizeof(halves));
		len += sizeof(halves);
	} else {
		memcpy(text + len, path.p, path.len);
		len += path.len;
		if (query.len)
			memcpy(text + len, query.p, query.len);
		len += query.len;
	}
	memcpy(text, &head, sizeof(head));
	digest_quick(&whole, s->secret, str_n((const char *)text, len));
	memcpy(ret->b, whole.b, sizeof(ret->b));
}

static struct shard *shard_of(struct shelf *s, const struct shelf_key *key)
{
	return &s->shards[key->b[SHELF_KEY_BYTES - 1] % SHARDS];
}

static struct entry **place_of(const struct shard *d, const struct shelf_key *key)
{
	uint64_t n;

	memcpy(&n, key->b, sizeof(n));
	return &d->places[n & (d->places_n - 1)];
}

/* Where it hangs; what that points to is NULL where there is none. */
static struct entry **entry_at(const struct shard *d, const struct shelf_key *key)
{
	struct entry **at = place_of(d, key);

	while (*at && memcmp(&(*at)->key, key, sizeof(*key)) != 0)
		at = &(*at)->next;
	return at;
}

bool shelf_find(struct shelf *s, const struct shelf_key *key,
		const struct scim_backend *backend, struct buf *into, struct codec_tag *tag)
{
	struct shard *d = shard_of(s, key);
	struct entry **at, *e = NULL;

	pthread_mutex_lock(&d->lock);
	at = d->places_n ? entry_at(d, key) : &e;
	if (*at && !backend->still(backend->ctx, &(*at)->fresh))
		drop(d, at);
	else
		e = *at;
	if (e) {
		buf_add(into, e->body, e->len);
		*tag = e->tag;
		e->asked = true;
	}
	pthread_mutex_unlock(&d->lock);
	return e && !into->fault;
}

/* Twice as many places, or the first. False without memory: chains grow longer instead. */
static bool grow(struct shard *d)
{
	size_t n = d->places_n ? 2 * d->places_n : PLACES_FIRST;
	struct shard wider = { .places = calloc(n, sizeof(*wider.places)), .places_n = n };

	if (!wider.places)
		return d->places_n > 0;
	for (size_t i = 0; i < d->places_n; i++)
		while (d->places[i]) {
			struct entry *e = d->places[i], **at = place_of(&wider, &e->key);

			d->places[i] = e->next;
			e->next = *at;
			*at = e;
		}
	d->bytes += (n - d->places_n) * sizeof(*d->places);
	free(d->places);
	d->places = wider.places;
	d->places_n = n;
	d->hand = 0;
	return true;
}

/* The hand's next place: those of its entries go that nobody asked for. */
static void hand_on(struct shard *d)
{
	struct entry **at = &d->places[d->hand++ & (d->places_n - 1)];

	while (*at) {
		if (!(*at)->asked) {
			drop(d, at);
			continue;
		}
		(*at)->asked = false;
		at = &(*at)->next;
	}
}

static bool add(struct shelf *s, struct shard *d, struct entry *e)
{
	struct entry **at;

	if (d->entries_n >= d->places_n && !grow(d))
		return false;
	at = entry_at(d, &e->key);
	if (*at)
		drop(d, at);
	while (d->entries_n > 0 && d->bytes + weight(e) > s->most_of_shard)
		hand_on(d);
	if (d->bytes + weight(e) > s->most_of_shard)
		return false;
	at = place_of(d, &e->key);
	e->next = *at;
	*at = e;
	d->bytes += weight(e);
	d->entries_n++;
	return true;
}

void shelf_keep(struct shelf *s, const struct shelf_key *key, const struct scim_fresh *fresh,
		struct codec_tag tag, struct str body)
{
	struct shard *d = shard_of(s, key);
	struct entry *e;
	bool kept;

	if (body.len > SHELF_BODY_MOST || body.len > s->most_of_shard / 4)
		return;
	e = malloc(sizeof(*e) + body.len);
	if (!e)
		return;
	*e = (struct entry){ .key = *key, .fresh = *fresh, .tag = tag, .len = body.len };
	memcpy(e->body, body.p, body.len);

	pthread_mutex_lock(&d->lock);
	kept = add(s, d, e);
	pthread_mutex_unlock(&d->lock);
	if (!kept)
		free(e);
}

size_t shelf_bytes(struct shelf *s)
{
	size_t bytes = 0;

	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_lock(&s->shards[i].lock);
		bytes += s->shards[i].bytes;
		pthread_mutex_unlock(&s->shards[i].lock);
	}
	return bytes;
}
