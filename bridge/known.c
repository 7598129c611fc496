#include "bridge/known.h"

void known_init(struct known *k)
{
	*k = (struct known){ 0 };
	secret_random_bytes(k->key, sizeof(k->key));
	pthread_mutex_init(&k->lock, NULL);
}

void known_done(struct known *k)
{
	pthread_mutex_destroy(&k->lock);
}

void known_digest(const struct known *k, struct str token, struct digest_quick *ret)
{
	digest_quick(ret, k->key, token);
}

static struct known_token *place_of(struct known *k, const struct digest_quick *digest)
{
	for (size_t i = 0; i < KNOWN_TOKENS && k->tokens[i].until_ms; i++)
		if (digest_quick_equal(&k->tokens[i].digest, digest))
			return &k->tokens[i];
	return NULL;
}

bool known_find(struct known *k, const struct digest_quick *digest, int64_t commits,
		int64_t now_ms, struct scim_client *ret)
{
	const struct known_token *t;
	bool found;

	pthread_mutex_lock(&k->lock);
	t = place_of(k, digest);
	found = t && t->commits == commits && now_ms < t->until_ms;
	if (found)
		*ret = t->client;
	pthread_mutex_unlock(&k->lock);
	return found;
}

void known_keep(struct known *k, const struct digest_quick *digest, int64_t commits,
		int64_t now_ms, int64_t until_ms, const struct scim_client *client)
{
	struct known_token *t;

	if (until_ms > now_ms + KNOWN_MS)
		until_ms = now_ms + KNOWN_MS;
	pthread_mutex_lock(&k->lock);
	t = place_of(k, digest);
	if (!t) {
		t = &k->tokens[k->next];
		k->next = (k->next + 1) % KNOWN_TOKENS;
	}
	*t = (struct known_token){ *digest, *client, commits, until_ms };
	pthread_mutex_unlock(&k->lock);
}
