#include "bridge/clients.h"

#include <pthread.h>

#include "bridge/rounds.h"

/* One organisation's client with the secrets that it was made of. */
struct kept {
	struct kept *next;
	const struct config_org *org;
	struct secret key, login;
	struct atl_client *client;
	bool old; /* made of secrets that are no longer in the vault */
};

struct clients {
	pthread_mutex_t lock;
	struct kept *first;
};

int clients_new(struct clients **ret, struct err *err)
{
	struct clients *c = calloc(1, sizeof(*c));

	if (!c)
		return err_nomem(err);
	pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return 0;
}

static void kept_free(struct kept *k)
{
	atl_client_free(k->client);
	secret_done(&k->key);
	secret_done(&k->login);
	free(k);
}
OWNED(struct kept, kept_free)

void clients_free(struct clients *c)
{
	if (!c)
		return;
	while (c->first) {
		struct kept *k = c->first;

		c->first = k->next;
		kept_free(k);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct kept *find(struct clients *c, const struct config_org *org,
			 const struct kept *like)
{
	for (struct kept *k = c->first; k; k = k->next) {
		if (k->org != org || k->old)
			continue;
		if (secret_equal(&k->key, &like->key) && secret_equal(&k->login, &like->login))
			return k;
		k->old = true;
	}
	return NULL;
}

static int kept_new(struct app *app, const struct config_org *org, struct kept **ret,
		    struct err *err)
{
	CLEANUP(kept_free_at) struct kept *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_nomem(err);
	k->org = org;
	r = rounds_secret(app, org->cloud.key, &k->key, err);
	if (r == 0)
		r = rounds_secret(app, org->cloud.proxy_login, &k->login, err);
	if (r < 0)
		return r;
	*ret = TAKE(k);
	return 0;
}

int clients_get(struct app *app, const struct config_org *org, struct atl_client **ret,
		struct err *err)
{
	CLEANUP(kept_free_at) struct kept *fresh = NULL;
	struct kept *found;
	int r;

	r = kept_new(app, org, &fresh, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&app->clients->lock);
	found = find(app->clients, org, fresh);
	if (!found) {
		/* Makes an object, sends nothing: short enough to be done under the lock. */
		r = atl_client_new(&fresh->client, &org->cloud, &fresh->key,
				   org->cloud.proxy_login ? &fresh->login : NULL, app->http,
				   err);
		if (r == 0) {
			fresh->next = app->clients->first;
			app->clients->first = fresh;
			found = TAKE(fresh);
		}
	}
	pthread_mutex_unlock(&app->clients->lock);
	if (r < 0)
		return r;
	*ret = found->client;
	return 0;
}
