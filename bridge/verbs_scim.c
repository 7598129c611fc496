/* Verbs about SCIM servers, ours or others': scim.check. */
#include "bridge/verb.h"

#include "base/log.h"
#include "base/stamp.h"
#include "bridge/app.h"
#include "scim/check.h"
#include "store/audit.h"
#include "store/vault.h"
#include "store/writer.h"

struct check_ask {
	const char *url, *secret, *who;
	bool write;
};

/*
 * A secret that belongs to another system is not sent to whatever URL somebody names: that
 * would be a way to take it out of the vault.
 */
static int not_anothers(const struct app *app, const char *name, struct err *err)
{
	const char *whose = NULL, *kind = "source";

	for (size_t i = 0; i < app->config.sources.n && !whose; i++) {
		const struct config_source *s = config_source_at(&app->config, i);

		if (s->ldap.bind_password && !strcmp(s->ldap.bind_password, name))
			whose = s->name;
	}
	for (size_t i = 0; i < app->config.organisations.n && !whose; i++) {
		const struct config_org *o = config_org_at(&app->config, i);

		kind = "organisation";
		if ((o->cloud.key && !strcmp(o->cloud.key, name)) ||
		    (o->cloud.proxy_login && !strcmp(o->cloud.proxy_login, name)))
			whose = o->name;
	}
	if (!whose)
		return 0;
	return err_set(err, ERR_REFUSED,
		       "the secret %s belongs to %s %s: it is not sent to another server; put "
		       "the token of the SCIM server under a name of its own",
		       name, kind, whose);
}

static int token_fetch(struct app *app, const char *name, struct secret *ret, struct err *err)
{
	int r = not_anothers(app, name, err);

	if (r < 0)
		return r;
	r = vault_fetch(app->vault, name, ret, err);
	if (r > 0)
		return err_set(err, ERR_NOT_FOUND,
			       "there is no secret %s in the vault: put the token there with "
			       "`leaverd secret set %s`",
			       name, name);
	return r;
}

/* Law 8: a secret leaves for a server, and perhaps something is changed there. */
static int note_check(void *ctx, struct db *db, struct err *err)
{
	const struct check_ask *ask = ctx;
	CLEANUP(json_decref_at) json_t *doc = NULL;
	CLEANUP(buf_done) struct buf body;
	struct audit_new entry = { .who = ask->who,
				   .what = "scim.check",
				   .target = ask->secret,
				   .now_ms = stamp_now_ms() };
	int r;

	buf_init(&body, 16384);
	doc = json_pack("{s:s,s:b}", "url", ask->url, "write", ask->write);
	if (!doc)
		return err_nomem(err);
	r = jx_text(doc, &body, err);
	if (r < 0)
		return r;
	entry.body = buf_str(&body);
	return audit_add(db, &entry, NULL, err);
}

static int run_check(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	CLEANUP(secret_done) struct secret token = { 0 };
	struct check_ask ask = { .url = jx_get_text(in, "url"),
				 .secret = jx_get_text(in, "token_from_vault"),
				 .who = who->name,
				 .write = json_is_true(json_object_get(in, "write")) };
	const json_t *timeout = json_object_get(in, "timeout");
	struct check_options options = {
		.url = ask.url,
		.token = &token,
		.ca_file = jx_get_text(in, "ca_file"),
		.write = ask.write,
		.only = jx_get_text(in, "only"),
		.timeout_ms = json_integer_value(timeout),
		.cancel = verb_cancel_flag(),
	};
	int r;

	if (!ask.url || !ask.secret)
		return err_set(err, ERR_USAGE, "a URL and the name of a secret are needed");
	if (strlen(ask.url) > 2048)
		return err_set(err, ERR_USAGE, "the URL is longer than 2048 bytes");
	r = check_valid(&options, err);
	if (r == 0)
		r = token_fetch(app, ask.secret, &token, err);
	if (r == 0)
		r = writer_call(app->writer, note_check, &ask, err);
	if (r < 0)
		return r;
	r = check_run(app->http, &options, out, err);
	/* Who asked may be gone by now: what is left on the server is not said to nobody. */
	if (json_array_size(json_object_get(out, "left")))
		log_warn("scim.check.left", LOG_T("run", jx_get_text(out, "run")),
			 LOG_U("count", json_array_size(json_object_get(out, "left"))));
	return r;
}

const struct verb verbs_scim[] = {
	{ "scim.check", VERB_STORE | VERB_HTTP | VERB_LONG, run_check },
	{ 0 },
};
