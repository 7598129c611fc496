#include "bridge/clients.h"

#include <pthread.h>

#include "bridge/rounds.h"
#include "store/vault.h"

/* One organisation's client with the secrets that it was made of. */
struct kept {
	struct kept *next;
	const struct config_org *org;
	bool provision;             /* of the provisioning directory */
	struct atl_options options; /* the organisation's, with what is the directory's own */
	struct secret key, standby, login;
	char *owner; /* of the key, as the vault has it; NULL: nobody */
	struct atl_client *client;
	bool old; /* made of secrets that are no longer in the vault */
};

/* One site's. */
struct kept_site {
	struct kept_site *next;
	const struct atl_site_options *options;
	struct secret token, login;
	struct atl_site *site;
	bool old;
};

struct clients {
	pthread_mutex_t lock;
	struct kept *first;
	struct kept_site *first_site;
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
	secret_done(&k->standby);
	free(k->owner);
	secret_done(&k->login);
	free(k);
}
OWNED(struct kept, kept_free)

static void kept_site_free(struct kept_site *k)
{
	atl_site_free(k->site);
	secret_done(&k->token);
	secret_done(&k->login);
	free(k);
}
OWNED(struct kept_site, kept_site_free)

void clients_free(struct clients *c)
{
	if (!c)
		return;
	while (c->first) {
		struct kept *k = c->first;

		c->first = k->next;
		kept_free(k);
	}
	while (c->first_site) {
		struct kept_site *k = c->first_site;

		c->first_site = k->next;
		kept_site_free(k);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static bool made_alike(const struct kept *a, const struct kept *b)
{
	return secret_equal(&a->key, &b->key) && secret_equal(&a->login, &b->login) &&
	       secret_equal(&a->standby, &b->standby) &&
	       str_eq(str_of(a->owner ? a->owner : ""), str_of(b->owner ? b->owner : ""));
}

static struct kept *find(struct clients *c, const struct config_org *org,
			 const struct kept *like)
{
	for (struct kept *k = c->first; k; k = k->next) {
		if (k->org != org || k->provision != like->provision || k->old)
			continue;
		if (made_alike(k, like))
			return k;
		k->old = true;
	}
	return NULL;
}

static int keep_owner(void *ctx, const struct vault_entry *row, struct err *err)
{
	struct kept *k = ctx;

	if (!str_eq(row->name, str_of(k->options.key)) || !row->owner.len)
		return 0;
	free(k->owner);
	k->owner = str_dup(row->owner);
	return k->owner ? 0 : err_nomem(err);
}

/* Whoever answers for the key is never a subject of what is done with it. */
static int owner_get(struct app *app, struct kept *k, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	return r < 0 ? r : vault_list(db, keep_owner, k, err);
}

static int kept_new(struct app *app, const struct config_org *org, bool provision,
		    struct kept **ret, struct err *err)
{
	CLEANUP(kept_free_at) struct kept *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_nomem(err);
	k->org = org;
	k->provision = provision;
	k->options = org->cloud;
	if (provision) {
		k->options.key = org->provision.scim.key;
		k->options.standby_key = NULL;
		if (org->provision.scim.base_url)
			k->options.base_url = org->provision.scim.base_url;
	}
	r = rounds_secret(app, k->options.key, &k->key, err);
	if (r == 0)
		r = rounds_secret(app, k->options.standby_key, &k->standby, err);
	if (r == 0)
		r = rounds_secret(app, org->cloud.proxy_login, &k->login, err);
	if (r == 0)
		r = owner_get(app, k, err);
	if (r < 0)
		return r;
	*ret = TAKE(k);
	return 0;
}

/* Makes an object, sends nothing: short enough to be done under the lock. */
static int client_make(struct app *app, struct kept *k, struct err *err)
{
	int r = atl_client_new(&k->client, &k->options, &k->key,
			       k->options.proxy_login ? &k->login : NULL, app->http, err);

	if (r == 0)
		r = atl_client_standby(k->client, &k->standby, err);
	return r < 0 ? r : atl_client_owner(k->client, str_of(k->owner ? k->owner : ""), err);
}

static int client_get(struct app *app, const struct config_org *org, bool provision,
		      struct atl_client **ret, struct err *err)
{
	CLEANUP(kept_free_at) struct kept *fresh = NULL;
	struct kept *found;
	int r;

	r = kept_new(app, org, provision, &fresh, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&app->clients->lock);
	found = find(app->clients, org, fresh);
	if (!found) {
		r = client_make(app, fresh, err);
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

int clients_get(struct app *app, const struct config_org *org, struct atl_client **ret,
		struct err *err)
{
	return client_get(app, org, false, ret, err);
}

int clients_get_provision(struct app *app, const struct config_org *org,
			  struct atl_client **ret, struct err *err)
{
	if (!org->provision.scim.directory)
		return err_set(err, ERR_CONFIG,
			       "organisation %s has no provisioning directory: give it a "
			       "section provisioning",
			       org->name);
	return client_get(app, org, true, ret, err);
}

static struct kept_site *find_site(struct clients *c, const struct kept_site *like)
{
	for (struct kept_site *k = c->first_site; k; k = k->next) {
		if (k->options != like->options || k->old)
			continue;
		if (secret_equal(&k->token, &like->token) &&
		    secret_equal(&k->login, &like->login))
			return k;
		k->old = true;
	}
	return NULL;
}

int clients_site(struct app *app, const struct config_org *org,
		 const struct atl_site_options *site, struct atl_site **ret, struct err *err)
{
	CLEANUP(kept_site_free_at) struct kept_site *fresh = calloc(1, sizeof(*fresh));
	struct kept_site *found;
	int r;

	if (!fresh)
		return err_nomem(err);
	fresh->options = site;
	r = rounds_secret(app, site->token, &fresh->token, err);
	if (r == 0)
		r = rounds_secret(app, org->cloud.proxy_login, &fresh->login, err);
	if (r < 0)
		return err_context(err, r, "site %s", site->host);
	pthread_mutex_lock(&app->clients->lock);
	found = find_site(app->clients, fresh);
	if (!found) {
		r = atl_site_new(&fresh->site, site, &org->cloud, &fresh->token,
				 org->cloud.proxy_login ? &fresh->login : NULL, app->http, err);
		if (r == 0) {
			fresh->next = app->clients->first_site;
			app->clients->first_site = fresh;
			found = TAKE(fresh);
		}
	}
	pthread_mutex_unlock(&app->clients->lock);
	if (r == 0)
		*ret = found->site;
	return r;
}
