#include "bridge/door.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/stamp.h"
#include "net/httpd.h"
#include "scim/profile.h"
#include "store/sources.h"
#include "store/store.h"
#include "store/tokens.h"

#define USES_REMEMBERED 256

/* A token that was used, and when that was last noted. */
struct use {
	_Atomic int64_t token, noted_ms;
};

struct door {
	struct app *app;
	struct jwks *jwks;                /* NULL: no source has an issuer */
	size_t index[CONFIG_SOURCES_MAX]; /* of a source's keys in jwks */
	struct use uses[USES_REMEMBERED];
};

struct jwks_from door_keys_from(const struct config_source *source)
{
	const struct config_jwt *j = &source->scim.jwt;

	return (struct jwks_from){ .name = source->name,
				   .url = j->jwks_url,
				   .file = j->jwks_file,
				   .ca_file = j->ca_file,
				   .proxy = j->proxy,
				   .keep_ms = j->keep_ms };
}

/* --- tokens of an issuer -------------------------------------------------------------------
 */

const struct config_source *door_jwt_source(const struct door *d,
					    const struct scim_asker *asker)
{
	const struct config *c = &d->app->config;

	if (!d->jwks || !jwt_shaped(asker->token))
		return NULL;
	for (size_t i = 0; i < c->sources.n; i++) {
		const struct config_source *s = config_source_at(c, i);

		if (s->kind == CONFIG_SCIM && s->scim.jwt.issuer &&
		    str_eq(str_of(s->name), asker->source))
			return s;
	}
	return NULL;
}

static unsigned algorithms_of(const struct config_jwt *j)
{
	unsigned bits = 0;

	for (size_t i = 0; i < j->algorithms.n; i++)
		bits |= jwt_algorithm(str_of(j->algorithms.v[i]));
	return bits;
}

static size_t number_of(const struct door *d, const struct config_source *source)
{
	return d->index[source - config_source_at(&d->app->config, 0)];
}

/* No key of that name: newer keys may have it. */
static int no_key(struct door *d, size_t i, const struct scim_asker *asker, struct err *err)
{
	switch (jwks_newer(d->jwks, i, asker->again, asker->ctx)) {
	case JWKS_WAIT:
		return SCIM_LATER;
	case JWKS_FRESH:
		return err_set(err, ERR_UNAUTHORIZED,
			       "the token's key (kid) is not among those of its issuer");
	case JWKS_AWAY:
		break;
	}
	return err_set(err, ERR_UNAVAILABLE,
		       "the keys of the token's issuer cannot be read at the moment");
}

static int check(struct door *d, const struct config_source *source,
		 const struct scim_asker *asker, struct jwt_said *said, struct err *err)
{
	const struct config_jwt *j = &source->scim.jwt;
	CLEANUP(free_at) char *self = j->me ? strndup(j->me, strcspn(j->me, "=")) : NULL;
	const struct jwt_rules rules = {
		.self = self,
		.issuer = j->issuer,
		.audience = &j->audience,
		.claims = &j->claims,
		.scopes = &j->scopes,
		.algorithms = algorithms_of(j),
		.skew_ms = j->skew_ms,
	};
	size_t i = number_of(d, source);
	CLEANUP(jwt_keys_drop_at) struct jwt_keys *keys = jwks_take(d->jwks, i);
	int r = jwt_check(asker->token, keys, &rules, stamp_now_ms(), said, err);

	return r == JWT_NO_KEY ? no_key(d, i, asker, err) : r;
}

/* Which of its source's users a token is, where the configuration says by what. */
static int self_find(struct db *db, const struct config_source *source,
		     const struct jwt_said *said, struct scim_client *client, struct err *err)
{
	struct str claim, attribute;
	char key[TOKEN_SELF_BYTES];
	int r = STORE_NOT_FOUND;

	if (!source->scim.jwt.me || !said->self[0])
		return 0;
	str_cut(str_of(source->scim.jwt.me), '=', &claim, &attribute);
	for (int by = 0; token_by_words[by]; by++)
		if (str_eq(attribute, str_of(token_by_words[by])))
			r = tokens_self(db, source->name, (enum token_by)by, str_of(said->self),
					key, err);
	if (r == 0)
		snprintf(client->self, sizeof(client->self), "%s", key);
	return r < 0 ? r : 0;
}

int door_jwt(struct door *d, const struct config_source *source, const struct scim_asker *asker,
	     struct scim_client *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(source_row_done) struct source_row row = { 0 };
	struct scim_client client = { 0 };
	struct jwt_said said;
	int r;

	r = check(d, source, asker, &said, err);
	if (r == 0)
		r = store_read_begin(d->app->store, &db, err);
	if (r != 0)
		return r;
	r = sources_get(db, source->name, &row, err);
	if (r != 0 || row.state == SOURCE_RETIRED)
		return r < 0 ? r : SCIM_ABSENT;
	snprintf(client.source, sizeof(client.source), "%s", source->name);
	snprintf(client.token, sizeof(client.token), "jwt:%s", said.who);
	client.source_id = row.id;
	r = self_find(db, source, &said, &client, err);
	if (r == 0)
		*ret = client;
	return r;
}

/* --- what a source wants of everybody ------------------------------------------------------
 */

static const struct {
	const char *word;
	unsigned right;
} rights[] = { { "read", SCIM_MAY_READ },
	       { "write", SCIM_MAY_WRITE },
	       { "delete", SCIM_MAY_DELETE } };

static unsigned rights_of(const struct config_push *push)
{
	unsigned bits = 0;

	for (size_t i = 0; i < push->rights.n; i++)
		for (size_t k = 0; k < COUNT_OF(rights); k++)
			if (!strcmp(push->rights.v[i], rights[k].word))
				bits |= rights[k].right;
	return bits;
}

static bool cert_is(const struct http_cert *cert, struct str wanted)
{
	struct str kind, value;

	str_cut(wanted, ':', &kind, &value);
	if (str_eq(kind, STR("sha256")))
		return str_ieq(value, str_of(cert->fingerprint));
	if (str_eq(kind, STR("dns")))
		return http_cert_has_name(cert, value);
	return str_eq(kind, STR("subject")) && cert->subject[0] &&
	       str_eq(value, str_of(cert->subject));
}

static int cert_check(const struct config_source *source, const struct http_cert *cert,
		      struct err *err)
{
	const struct conf_list *wanted = &source->scim.client_cert;
	bool good = wanted->n == 0;

	for (size_t i = 0; cert && i < wanted->n && !good; i++)
		good = cert_is(cert, str_of(wanted->v[i]));
	if (good)
		return 0;
	return err_set(
		err, ERR_FORBIDDEN,
		"the token is good, but the source wants a client certificate beside it, "
		"and %s",
		cert ? "this is not the one" : "none was shown that counts");
}

int door_admit(const struct door *d, const struct scim_asker *asker, struct scim_client *client,
	       struct err *err)
{
	const struct config_source *source = config_source(&d->app->config, client->source);

	if (!source)
		return err_set(err, ERR_FORBIDDEN, "the source is not configured");
	client->rights = rights_of(&source->scim);
	return cert_check(source, asker->cert, err);
}

bool door_first_use(struct door *d, int64_t token, int64_t now_ms)
{
	struct use *u = &d->uses[(uint64_t)token % USES_REMEMBERED];
	int64_t noted = atomic_load(&u->noted_ms);

	if (atomic_load(&u->token) == token && now_ms < noted + STAMP_HOUR_MS &&
	    now_ms >= noted)
		return false;
	if (!atomic_compare_exchange_strong(&u->noted_ms, &noted, now_ms))
		return false;
	atomic_store(&u->token, token);
	return true;
}

/* --- birth and death -----------------------------------------------------------------------
 */

int door_new(struct door **ret, struct app *app, struct err *err)
{
	CLEANUP(door_free_at) struct door *d = calloc(1, sizeof(*d));
	struct jwks_from from[CONFIG_SOURCES_MAX];
	size_t n = 0;
	int r = 0;

	if (!d)
		return err_nomem(err);
	d->app = app;
	for (size_t i = 0; i < app->config.sources.n; i++) {
		const struct config_source *s = config_source_at(&app->config, i);

		if (s->kind != CONFIG_SCIM || !s->scim.jwt.issuer)
			continue;
		d->index[i] = n;
		from[n++] = door_keys_from(s);
	}
	if (n)
		r = jwks_start(&d->jwks, from, n, err);
	if (r < 0)
		return r;
	*ret = TAKE(d);
	return 0;
}

void door_stop(struct door *d)
{
	if (d)
		jwks_stop(d->jwks);
}

void door_reread(struct door *d)
{
	if (d && d->jwks)
		jwks_reread(d->jwks);
}

void door_free(struct door *d)
{
	if (!d)
		return;
	jwks_free(d->jwks);
	free(d);
}
