#include "bridge/verb.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/metric.h"
#include "base/stamp.h"
#include "bridge/anchors.h"
#include "bridge/ask.h"
#include "bridge/doctor.h"
#include "bridge/rounds.h"
#include "bridge/stamps.h"
#include "bridge/unlock.h"
#include "model/filter.h"
#include "reconcile/policy.h"
#include "store/approvers.h"
#include "store/audit.h"
#include "store/backup.h"
#include "store/persons.h"
#include "store/tokens.h"
#include "store/vault.h"
#include "store/writer.h"

#define TOKEN_DAYS 365
#define EXPORT_MOST 10000
#define EXPORT_BYTES (48u << 20)

/* --- secrets ---------------------------------------------------------------------------------
 */

struct secret_write {
	struct app *app;
	const char *who;
	char *name, *owner;
	struct str value;
	int64_t expires_ms;
	bool must_exist;
	struct secret plain;
};

static const struct jx_row secret_rows[] = {
	{ "name", JX_TEXT, offsetof(struct secret_write, name), true },
	{ "owner", JX_TEXT, offsetof(struct secret_write, owner), false },
	{ "value", JX_STR, offsetof(struct secret_write, value), true },
	{ "expires_ms", JX_INT, offsetof(struct secret_write, expires_ms), false },
	{ 0 },
};

static void secret_write_done(struct secret_write *w)
{
	free(w->name);
	free(w->owner);
	secret_done(&w->plain);
}

static int keep_owner(void *ctx, const struct vault_entry *row, struct err *err)
{
	struct secret_write *w = ctx;

	if (w->owner || !str_eq(row->name, str_of(w->name)))
		return 0;
	w->owner = str_dup(row->owner);
	return w->owner ? 0 : err_nomem(err);
}

static int write_secret(void *ctx, struct db *db, struct err *err)
{
	struct secret_write *w = ctx;
	struct secret old = { 0 };
	int r;

	if (w->must_exist) {
		r = vault_get(w->app->vault, db, w->name, &old, err);
		secret_done(&old);
		if (r == STORE_NOT_FOUND)
			return err_set(
				err, ERR_NOT_FOUND,
				"there is no secret %s to rotate ('leaverd secret set' makes "
				"one)",
				w->name);
		/* A new value has the owner of the old one, unless another is named. */
		if (r == 0)
			r = vault_list(db, keep_owner, w, err);
		if (r < 0)
			return r;
	}
	return vault_set(w->app->vault, db, w->name, &w->plain, w->owner ? w->owner : "",
			 w->expires_ms, w->who, stamp_now_ms(), err);
}

static int check_secret_name(const char *name, struct err *err)
{
	if (name[0] == '.')
		return err_set(err, ERR_INVALID_VALUE,
			       "secret %s: names that begin with a dot are leaverd's own",
			       name);
	return 0;
}

static int secret_put(struct app *app, const struct who *who, const json_t *in, json_t *out,
		      bool must_exist, struct err *err)
{
	CLEANUP(secret_write_done)
	struct secret_write w = { .app = app, .who = who->name, .must_exist = must_exist };
	int r;

	r = jx_read(in, secret_rows, &w, err);
	if (r < 0)
		return r;
	r = check_secret_name(w.name, err);
	if (r < 0)
		return r;
	if (!w.value.len)
		return err_set(err, ERR_INVALID_VALUE, "secret %s: its value is empty", w.name);
	r = secret_set(&w.plain, w.value.p, w.value.len, err);
	if (r < 0)
		return r;
	r = writer_call(app->writer, write_secret, &w, err);
	if (r < 0)
		return r;
	return ask_say(out, err, "Secret %s is %s.", w.name, must_exist ? "rotated" : "set");
}

static int run_secret_set(struct app *app, const struct who *who, const json_t *in, json_t *out,
			  struct err *err)
{
	return secret_put(app, who, in, out, false, err);
}

static int run_secret_rotate(struct app *app, const struct who *who, const json_t *in,
			     json_t *out, struct err *err)
{
	return secret_put(app, who, in, out, true, err);
}

static int list_secret(void *ctx, const struct vault_entry *row, struct err *err)
{
	if (row->name.len && row->name.p[0] == '.')
		return 0;
	return jx_add(ctx,
		      json_pack("{s:s%,s:s%,s:I,s:o,s:o}", "name", ASK_S(row->name), "owner",
				ASK_S(row->owner), "version", (json_int_t)row->version,
				"set_ms", ask_ms(row->set_ms), "expires_ms",
				ask_ms(row->expires_ms)),
		      err);
}

static int run_secret_list(struct app *app, const struct who *who, const json_t *in,
			   json_t *out, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	json_t *rows = json_array();
	int r;

	(void)who;
	(void)in;
	r = jx_set(out, "secrets", rows, err);
	if (r < 0)
		return r;
	r = store_read_begin(app->store, &db, err);
	return r < 0 ? r : vault_list(db, list_secret, rows, err);
}

/* A name, a reason, and who: what many a change needs. */
struct named_change {
	struct app *app;
	const char *who;
	char *name, *reason;
};

static void named_change_done(struct named_change *c)
{
	free(c->name);
	free(c->reason);
}

static const struct jx_row named_rows[] = {
	{ "name", JX_TEXT, offsetof(struct named_change, name), true },
	{ "reason", JX_TEXT, offsetof(struct named_change, reason), false },
	{ 0 },
};

static int remove_secret(void *ctx, struct db *db, struct err *err)
{
	struct named_change *c = ctx;
	int r = vault_remove(c->app->vault, db, c->name, c->who, stamp_now_ms(), err);

	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, "there is no secret %s", c->name);
	return r;
}

static int run_secret_remove(struct app *app, const struct who *who, const json_t *in,
			     json_t *out, struct err *err)
{
	CLEANUP(named_change_done) struct named_change c = { .app = app, .who = who->name };
	int r;

	r = jx_read(in, named_rows, &c, err);
	if (r < 0)
		return r;
	r = check_secret_name(c.name, err);
	if (r < 0)
		return r;
	r = writer_call(app->writer, remove_secret, &c, err);
	return r < 0 ? r : ask_say(out, err, "Secret %s is removed.", c.name);
}

struct rekey {
	struct app *app;
	const char *who;
	char *key_file;
	struct str passphrase;
	struct secret plain;
	struct vault_source source;
	struct unlock present;
};

static const struct jx_row rekey_rows[] = {
	{ "key_file", JX_TEXT, offsetof(struct rekey, key_file), false },
	{ "passphrase", JX_STR, offsetof(struct rekey, passphrase), false },
	{ 0 },
};

static void rekey_done(struct rekey *k)
{
	free(k->key_file);
	secret_done(&k->plain);
	unlock_done(&k->present);
}

/* Which master key it is to be sealed under: one that is given (a key file that is not there is
 * made), else that of the configuration again. */
static int rekey_source(struct rekey *k, struct err *err)
{
	const struct config_master_key *m = &k->app->config.master_key;
	int r;

	if (k->key_file && k->passphrase.len)
		return err_set(err, ERR_USAGE, "give a key file or a passphrase, not both");
	if (k->key_file) {
		k->source = (struct vault_source){ .kind = VAULT_FILE, .path = k->key_file };
		return access(k->key_file, F_OK) == 0 ? 0
						      : vault_make_key_file(k->key_file, err);
	}
	if (k->passphrase.len) {
		k->source = (struct vault_source){ .kind = VAULT_PASSPHRASE,
						   .passphrase = &k->plain };
		return secret_set(&k->plain, k->passphrase.p, k->passphrase.len, err);
	}
	if (m->passphrase != CONFIG_PASSPHRASE_NO)
		return err_set(
			err, ERR_USAGE,
			"this vault opens with a passphrase: it is needed to seal it anew");
	r = unlock_prepare(&k->app->config, false, &k->present, err);
	k->source = k->present.source;
	return r;
}

static int write_rekey(void *ctx, struct db *db, struct err *err)
{
	struct rekey *k = ctx;

	return vault_rekey(k->app->vault, db, &k->source, k->who, stamp_now_ms(), err);
}

static int run_secret_rekey(struct app *app, const struct who *who, const json_t *in,
			    json_t *out, struct err *err)
{
	CLEANUP(rekey_done) struct rekey k = { .app = app, .who = who->name };
	int r;

	r = jx_read(in, rekey_rows, &k, err);
	if (r < 0)
		return r;
	r = rekey_source(&k, err);
	if (r < 0)
		return r;
	r = writer_call(app->writer, write_rekey, &k, err);
	vault_rekey_done(app->vault, r >= 0);
	if (r < 0)
		return r;
	if (k.key_file)
		return ask_say(
			out, err,
			"Everything is sealed anew under the master key in %s. Put it into "
			"master_key.file of %s now: the old key opens nothing any more.",
			k.key_file, app->config_file);
	return ask_say(out, err, "Everything is sealed anew%s.",
		       k.passphrase.len ? ", under the passphrase that was given" : "");
}

/* --- tokens ----------------------------------------------------------------------------------
 */

struct token_make {
	const char *who;
	char *name, *source, *role, *user;
	char self[TOKEN_SELF_BYTES]; /* "": nobody */
	int64_t expires_ms;
	struct secret token;
};

static const struct jx_row token_rows[] = {
	{ "name", JX_TEXT, offsetof(struct token_make, name), true },
	{ "source", JX_TEXT, offsetof(struct token_make, source), false },
	{ "role", JX_TEXT, offsetof(struct token_make, role), false },
	{ "user", JX_TEXT, offsetof(struct token_make, user), false },
	{ "expires_ms", JX_INT, offsetof(struct token_make, expires_ms), false },
	{ 0 },
};

static void token_make_done(struct token_make *t)
{
	free(t->name);
	free(t->source);
	free(t->role);
	free(t->user);
	secret_done(&t->token);
}

/* Whom the token is to be: by user name, else by id. */
static int token_user(struct db *db, struct token_make *t, struct err *err)
{
	struct str user = str_of(t->user);
	int r = tokens_self(db, t->source, TOKEN_BY_USER_NAME, user, t->self, err);

	if (r == STORE_NOT_FOUND)
		r = tokens_self(db, t->source, TOKEN_BY_ID, user, t->self, err);
	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND,
			       "source %s has no user with the userName or id %s", t->source,
			       t->user);
	return r;
}

static int make_token(void *ctx, struct db *db, struct err *err)
{
	struct token_make *t = ctx;
	int r = 0;

	if (t->user)
		r = token_user(db, t, err);
	if (r == 0)
		r = tokens_new(db, t->name, t->source ? TOKEN_SOURCE : TOKEN_ROLE,
			       t->source ? t->source : t->role, t->expires_ms, t->who,
			       stamp_now_ms(), &t->token, err);
	if (r == 0 && t->user)
		r = tokens_link(db, t->name, t->self, t->who, stamp_now_ms(), err);
	return r;
}

static int check_token(struct app *app, const struct token_make *t, struct err *err)
{
	const struct config_source *source;
	int r;

	if (!t->source == !t->role)
		return err_set(err, ERR_USAGE,
			       "a token is for one source (--source) or one role (--role)");
	if (!t->source && t->user)
		return err_set(err, ERR_USAGE, "--user is one of a source: --source");
	if (!t->source)
		return 0;
	r = ask_source(app, t->source, &source, err);
	if (r < 0)
		return r;
	if (source->kind != CONFIG_SCIM)
		return err_set(
			err, ERR_INVALID_VALUE,
			"source %s is read by us (kind: %s): nobody needs a token for it",
			t->source, config_kind_word(source->kind));
	return 0;
}

static int run_token_new(struct app *app, const struct who *who, const json_t *in, json_t *out,
			 struct err *err)
{
	CLEANUP(token_make_done) struct token_make t = { .who = who->name };
	int r;

	t.expires_ms = stamp_now_ms() + TOKEN_DAYS * STAMP_DAY_MS;
	r = jx_read(in, token_rows, &t, err);
	if (r < 0)
		return r;
	r = check_token(app, &t, err);
	if (r < 0)
		return r;
	r = writer_call(app->writer, make_token, &t, err);
	if (r < 0)
		return r;
	r = jx_set(out, "name", json_string(t.name), err);
	if (r == 0)
		r = jx_set(out, t.source ? "source" : "role",
			   json_string(t.source ? t.source : t.role), err);
	if (r == 0 && t.user)
		r = jx_set(out, "user", json_string(t.self), err); /* its id */
	if (r == 0)
		r = jx_set(out, "expires_ms", ask_ms(t.expires_ms), err);
	if (r < 0)
		return r;
	return jx_set(out, "token", json_stringn((const char *)t.token.p, t.token.len), err);
}

static const char *token_state(const struct token_row *row, int64_t now_ms)
{
	if (row->revoked_ms)
		return "revoked";
	return row->expires_ms && row->expires_ms <= now_ms ? "expired" : "live";
}

static int list_token(void *ctx, const struct token_row *row, struct err *err)
{
	return jx_add(ctx,
		      json_pack("{s:s%,s:s,s:s%,s:s%,s:s,s:o,s:o,s:o,s:o}", "name",
				ASK_S(row->name), "scope", token_scope_words[row->scope], "of",
				ASK_S(row->of), "who", ASK_S(row->who), "state",
				token_state(row, stamp_now_ms()), "made_ms",
				ask_ms(row->made_ms), "expires_ms", ask_ms(row->expires_ms),
				"revoked_ms", ask_ms(row->revoked_ms), "used_ms",
				ask_ms(row->used_ms)),
		      err);
}

static int run_token_list(struct app *app, const struct who *who, const json_t *in, json_t *out,
			  struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	json_t *rows = json_array();
	int r;

	(void)who;
	(void)in;
	r = jx_set(out, "tokens", rows, err);
	if (r < 0)
		return r;
	r = store_read_begin(app->store, &db, err);
	return r < 0 ? r : tokens_list(db, list_token, rows, err);
}

static int revoke_token(void *ctx, struct db *db, struct err *err)
{
	struct named_change *c = ctx;
	int r = tokens_revoke(db, c->name, c->who, c->reason, stamp_now_ms(), err);

	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, "there is no live token %s", c->name);
	return r;
}

static int run_token_revoke(struct app *app, const struct who *who, const json_t *in,
			    json_t *out, struct err *err)
{
	CLEANUP(named_change_done) struct named_change c = { .app = app, .who = who->name };
	int r;

	r = jx_read(in, named_rows, &c, err);
	if (r < 0)
		return r;
	r = writer_call(app->writer, revoke_token, &c, err);
	return r < 0 ? r : ask_say(out, err, "Token %s opens nothing any more.", c.name);
}

/* --- audit -----------------------------------------------------------------------------------
 */

/* What the request names, or the folder and the authorities of the configuration. */
static int read_stamps(struct app *app, const json_t *in, struct vec_anchor *into,
		       struct stamps_report *ret, struct err *err)
{
	const char *folder = jx_get_text(in, "stamps"), *ca = jx_get_text(in, "stamp_ca");
	const struct config_stamps *c = &app->config.anchors.stamps;
	const struct store_keys *keys = store_keys(app->store);
	unsigned char key[DIGEST_PUB_BYTES];
	const struct stamps_terms terms = { .ca_file = ca ? ca : c->ca_file,
					    .anchor_key = key };
	CLEANUP(buf_done) struct buf path;
	int r;

	buf_init(&path, 8192);
	if (!terms.ca_file)
		return err_set(err, ERR_USAGE,
			       "--stamps: who may vouch for them? Give --stamp-ca, or "
			       "anchors.stamps.ca_file in the configuration");
	if (!keys)
		return err_set(err, ERR_SECRET, "the vault is not open: give the master key");
	if (folder)
		buf_add_text(&path, folder);
	r = folder ? buf_fault(&path, err, "the folder")
		   : stamps_folder(&app->config, &path, err);
	if (r == 0)
		r = digest_public(key, &keys->head_seed, err);
	return r < 0 ? r : stamps_check_folder(path.p, &terms, into, ret, err);
}

/* As of the newest; its time is the authority's. */
static int set_stamps(json_t *out, const struct stamps_report *s, struct err *err)
{
	char at[STAMP_TEXT_BYTES], note[400];
	int r;

	stamp_text(s->newest.ms, at);
	(void)snprintf(note, sizeof(note),
		       "%lld time stamps fit; the newest is of entry %lld, made %s by %s.",
		       (long long)s->stamps, (long long)s->newest_seq, at, s->newest.authority);
	r = jx_set(out, "stamps",
		   json_pack("{s:I,s:I,s:s,s:s,s:s}", "fit", (json_int_t)s->stamps, "entry",
			     (json_int_t)s->newest_seq, "at", at, "authority",
			     s->newest.authority, "policy", s->newest.policy),
		   err);
	if (r == 0 && !json_object_get(out, "notes"))
		r = jx_set(out, "notes", json_array(), err);
	return r < 0 ? r : jx_add(json_object_get(out, "notes"), json_string(note), err);
}

static int run_audit_verify(struct app *app, const struct who *who, const json_t *in,
			    json_t *out, struct err *err)
{
	const json_t *head = json_object_get(in, "head");
	const char *anchors = jx_get_text(in, "anchors");
	struct signatures_report signatures = { 0 };
	const bool stamped = json_object_get(in, "stamps") != NULL;
	CLEANUP(vec_anchor_done) struct vec_anchor stamps = { 0 };
	struct audit_report report = { 0 };
	struct stamps_report stamp = { 0 };
	struct err err2;
	int r, s;

	(void)who;
	if ((anchors || stamped) && json_is_string(head))
		return err_set(err, ERR_USAGE,
			       "--anchors and --stamps go with --head, not with --head=FILE: "
			       "give one kept file at a time");
	if (jx_get_text(in, "stamp_ca") && !stamped)
		return err_set(err, ERR_USAGE, "--stamp-ca goes with --stamps");
	r = stamped ? read_stamps(app, in, &stamps, &stamp, err) : 0;
	if (r < 0)
		return r;
	if (anchors || stamped)
		r = audit_verify_kept(app->store, json_is_true(head), anchors,
				      stamped ? &stamps : NULL, &report, err);
	else if (json_is_string(head))
		r = audit_verify_with(app->store, json_string_value(head), &report, err);
	else
		r = audit_verify(app->store, json_is_true(head), &report, err);
	if (r == 0)
		r = approvers_verify(app->store, &signatures, err);
	s = jx_set(out, "entries", json_integer(report.entries), &err2);
	if (s == 0)
		s = jx_set(out, "forgotten", json_integer(report.forgotten), &err2);
	if (s == 0)
		s = jx_set(out, "last", json_integer(report.last), &err2);
	if (s == 0)
		s = jx_set(out, "damaged",
			   report.damaged ? json_integer(report.damaged) : json_null(), &err2);
	if (s == 0)
		s = jx_set(out, "with_head", json_boolean(head != NULL), &err2);
	if (s == 0 && report.cut)
		s = jx_set(out, "cut", json_integer(report.cut), &err2);
	if (s == 0 && (anchors || stamped))
		s = jx_set(out, "anchors", json_integer(report.anchors), &err2);
	if (s == 0 && (anchors || stamped))
		s = jx_set(out, "anchors_beyond", json_integer(report.beyond), &err2);
	if (s == 0)
		s = jx_set(out, "signed", json_integer(signatures.statements), &err2);
	if (s == 0 && r == 0)
		s = jx_set(out, "text", json_string(report.text), &err2);
	if (s == 0 && r == 0 && signatures.statements)
		s = jx_set(out, "notes", json_pack("[s]", signatures.text), &err2);
	if (s == 0 && r == 0 && stamped)
		s = set_stamps(out, &stamp, &err2);
	if (r < 0)
		return r;
	return s < 0 ? err_set(err, -s, "%s", err2.text) : 0;
}

/* The stamp of what was just kept; that it is not there yet is no fault: it is asked for again.
 */
static int ask_stamp(struct app *app, bool turn, json_t *out, struct err *err)
{
	char at[STAMP_TEXT_BYTES], note[ERR_TEXT_BYTES + 120];
	struct tsp_stamp stamp;
	struct err why = { 0 };
	int64_t seq = 0;
	int r = turn ? stamps_ask(app, &seq, &stamp, &why) : 1;

	if (r == 0) {
		stamp_text(stamp.ms, at);
		r = jx_set(out, "stamp",
			   json_pack("{s:I,s:s,s:s,s:s}", "entry", (json_int_t)seq, "at", at,
				     "authority", stamp.authority, "policy", stamp.policy),
			   err);
		(void)snprintf(note, sizeof(note), "stamped %s by %s", at, stamp.authority);
	} else {
		(void)snprintf(note, sizeof(note), "no time stamp yet, serve asks again: %s",
			       r < 0 ? why.text : "it is being asked for");
		r = jx_set(out, "stamp", json_null(), err);
	}
	return r < 0 ? r : jx_set(out, "notes", json_pack("[s]", note), err);
}

static int keep_anchor(struct app *app, bool turn, json_t *out, struct err *err)
{
	CLEANUP(buf_done) struct buf line;
	struct err why;
	int r, kept;

	buf_init(&line, 1024);
	kept = anchors_keep(app, "asked", &line, &why);
	if (kept > 0)
		return err_set(err, ERR_NOT_FOUND, "the audit chain has no entry yet");
	r = buf_fault(&line, err, "the anchor");
	if (r == 0 && line.len)
		r = jx_set(out, "anchor", json_stringn(line.p, line.len), err);
	if (r == 0 && line.len && app->config.anchors.stamps.url)
		r = ask_stamp(app, turn, out, err);
	if (r == 0 && kept < 0)
		return err_set(err, why.code, "%s", why.text);
	return r;
}

static int run_audit_anchor(struct app *app, const struct who *who, const json_t *in,
			    json_t *out, struct err *err)
{
	bool turn = stamps_begin(app); /* before it waits: else the thread would ask for it */
	int r = keep_anchor(app, turn, out, err);

	(void)who;
	(void)in;
	if (turn)
		stamps_end(app);
	return r;
}

static int run_audit_export(struct app *app, const struct who *who, const json_t *in,
			    json_t *out, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(buf_done) struct buf lines;
	int64_t after = json_integer_value(json_object_get(in, "after")), last = 0;
	int64_t most = json_integer_value(json_object_get(in, "limit"));
	int r;

	(void)who;
	buf_init(&lines, EXPORT_BYTES);
	if (most <= 0 || most > EXPORT_MOST)
		most = EXPORT_MOST;
	r = store_read_begin(app->store, &db, err);
	if (r < 0)
		return r;
	r = audit_export(db, after, (size_t)most, &lines, &last, err);
	if (r < 0)
		return r;
	r = jx_set(out, "last", json_integer(last), err);
	if (r < 0)
		return r;
	return jx_set(out, "lines", json_stringn(lines.p ? lines.p : "", lines.len), err);
}

/* --- backup, forget --------------------------------------------------------------------------
 */

struct backup_write {
	const char *path, *who;
	struct backup_report report;
};

static int note_backup(void *ctx, struct db *db, struct err *err)
{
	struct backup_write *b = ctx;

	return backup_note(db, b->path, &b->report, b->who, stamp_now_ms(), err);
}

static int run_backup(struct app *app, const struct who *who, const json_t *in, json_t *out,
		      struct err *err)
{
	struct backup_write b = { .path = jx_get_text(in, "file"), .who = who->name };
	int r;

	if (!b.path)
		return err_set(err, ERR_USAGE, "backup needs its file");
	r = backup_to(app->store, b.path, &b.report, err);
	if (r < 0)
		return r;
	r = writer_call(app->writer, note_backup, &b, err);
	if (r < 0)
		return r;
	r = jx_set(out, "bytes", json_integer(b.report.bytes), err);
	if (r == 0)
		r = jx_set(out, "audit_last", json_integer(b.report.audit_last), err);
	if (r < 0)
		return r;
	return ask_say(out, err,
		       "%s holds everything up to audit entry %" PRId64
		       " and was read back whole (%" PRId64
		       " bytes). It opens only with the master "
		       "key: keep that elsewhere.",
		       b.path, b.report.audit_last, b.report.bytes);
}

struct forget {
	const char *who, *why;
	int64_t person, erased;
};

static int write_forget(void *ctx, struct db *db, struct err *err)
{
	struct forget *f = ctx;

	return persons_forget(db, f->person, f->who, f->why, stamp_now_ms(), &f->erased, err);
}

static int run_forget(struct app *app, const struct who *who, const json_t *in, json_t *out,
		      struct err *err)
{
	const char *text = jx_get_text(in, "who");
	struct forget f = { .who = who->name, .why = jx_get_text(in, "reason") };
	int r;

	if (!text || !f.why)
		return err_set(err, ERR_USAGE, "forget needs whom and a reason");
	r = ask_person(app, text, &f.person, err);
	if (r < 0)
		return r;
	r = writer_call(app->writer, write_forget, &f, err);
	if (r == 0)
		r = rounds_forget_kept(app, err);
	if (r < 0)
		return r;
	r = store_scrub(app->store, err);
	if (r < 0)
		return err_context(
			err, r,
			"person %" PRId64
			" is forgotten, but the freed pages could not be overwritten; "
			"run forget again",
			f.person);
	r = jx_set(out, "person", json_integer(f.person), err);
	if (r == 0)
		r = jx_set(out, "erased", json_integer(f.erased), err);
	if (r < 0)
		return r;
	return ask_say(out, err,
		       "Person %" PRId64 " is forgotten: %" PRId64
		       " rows were emptied and overwritten. The numbers and the chain stay.",
		       f.person, f.erased);
}

/* --- the table -------------------------------------------------------------------------------
 */

static int run_metrics(struct app *app, const struct who *who, const json_t *in, json_t *out,
		       struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	int r;

	(void)app;
	(void)who;
	(void)in;
	buf_init(&text, 4 * 1024 * 1024);
	r = metric_text(&text, err);
	if (r == 0)
		r = buf_fault(&text, err, "the metrics");
	return r == 0 ? jx_set(out, "text", json_string(text.p), err) : r;
}

const struct verb verbs_admin[] = {
	{ "secret.set", VERB_STORE, run_secret_set },
	{ "secret.rotate", VERB_STORE, run_secret_rotate },
	{ "secret.list", VERB_STORE, run_secret_list },
	{ "secret.remove", VERB_STORE, run_secret_remove },
	{ "secret.rekey", VERB_STORE, run_secret_rekey },
	{ "token.new", VERB_STORE, run_token_new },
	{ "token.list", VERB_STORE, run_token_list },
	{ "token.revoke", VERB_STORE, run_token_revoke },
	{ "audit.verify", VERB_STORE, run_audit_verify },
	{ "audit.anchor", VERB_STORE, run_audit_anchor },
	{ "audit.export", VERB_STORE, run_audit_export },
	{ "backup", VERB_STORE, run_backup },
	{ "forget", VERB_STORE, run_forget },
	{ "metrics", VERB_STORE, run_metrics },
	{ "doctor", VERB_STORE | VERB_HTTP | VERB_LONG, doctor_run },
	{ 0 },
};
