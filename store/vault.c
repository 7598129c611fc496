/*
 * Two keys. The master key comes from outside and opens one thing: the data key, sealed in the
 * one row of table vault with its generation as associated data. The data key opens the rows of
 * table secret, each with "NAME\0VERSION" as associated data, so that no sealed value can be
 * put under another name or take the place of a newer one.
 *
 * A rekey makes the next generation: inside one transaction every row is sealed anew. Whoever
 * reads takes the key of the generation that its own snapshot of the table shows, so a reader
 * that began before the commit and one that began after it both succeed.
 */
#include "store/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/enc.h"
#include "base/fd.h"
#include "base/stamp.h"
#include "store/audit.h"

#define AD_MOST 256

struct vault_key {
	int64_t generation; /* 0: none */
	struct secret key;
};

struct vault {
	struct store *store;
	pthread_mutex_t lock;  /* of the keys */
	struct vault_key now;  /* what is committed */
	struct vault_key next; /* of a rekey that is under way */
};

/* Keys that are ours: made with the vault, never listed, given to the store. */
static const char *const own_names[] = { ".audit-key", ".head-seed", ".token-key" };

void vault_close(struct vault *vault)
{
	if (!vault)
		return;
	secret_done(&vault->now.key);
	secret_done(&vault->next.key);
	pthread_mutex_destroy(&vault->lock);
	free(vault);
}

/* --- the master key -------------------------------------------------------------------------
 */

static int from_hex(const struct secret *text, const char *where, struct secret *ret,
		    struct err *err)
{
	unsigned char raw[SECRET_KEY_BYTES];
	int r;

	if (!enc_unhex(str_n((const char *)text->p, text->len), raw, sizeof(raw)))
		return err_set(err, ERR_SECRET,
			       "%s holds no master key: it should be 64 hex digits", where);
	r = secret_set(ret, raw, sizeof(raw), err);
	secret_wipe(raw, sizeof(raw));
	return r;
}

static int from_file(const char *path, struct secret *ret, struct err *err)
{
	CLEANUP(secret_done) struct secret text = { 0 };
	int r;

	r = secret_read_file(&text, path, err);
	if (r < 0)
		return err_context(err, r, "the master key");
	return from_hex(&text, path, ret, err);
}

static int from_credential(const struct vault_source *source, struct secret *ret,
			   struct err *err)
{
	struct buf path;
	int r;

	if (!source->directory || !source->directory[0])
		return err_set(err, ERR_SECRET,
			       "the master key should come from the systemd credential %s, but "
			       "$CREDENTIALS_DIRECTORY is not set: start leaverd by systemd "
			       "with LoadCredential=%s:FILE",
			       source->path, source->path);
	buf_init(&path, 4096);
	buf_addf(&path, "%s/%s", source->directory, source->path);
	r = buf_fault(&path, err, "the path of the credential");
	if (r == 0)
		r = from_file(path.p, ret, err);
	buf_done(&path);
	return r;
}

static int master_key(const struct vault_source *source,
		      const unsigned char salt[SECRET_SALT_BYTES], struct secret *ret,
		      struct err *err)
{
	switch (source->kind) {
	case VAULT_FILE:
		return from_file(source->path, ret, err);
	case VAULT_CREDENTIAL:
		return from_credential(source, ret, err);
	case VAULT_PASSPHRASE:
		return secret_from_passphrase(ret, source->passphrase, salt, err);
	case VAULT_KEY:
		if (source->key->len != SECRET_KEY_BYTES)
			return err_set(err, ERR_SECRET, "a master key has %d bytes, not %zu",
				       SECRET_KEY_BYTES, source->key->len);
		return secret_copy(ret, source->key, err);
	}
	return err_set(err, ERR_INTERNAL, "no such kind of master key");
}

int vault_make_key_file(const char *path, struct err *err)
{
	CLEANUP(fd_close_at) int fd = -1;
	unsigned char raw[SECRET_KEY_BYTES];
	char hex[2 * SECRET_KEY_BYTES + 2];
	int why;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, errno == EEXIST ? ERR_CONFLICT : ERR_IO, errno,
				 "the master key file %s cannot be made", path);
	secret_random_bytes(raw, sizeof(raw));
	enc_hex(raw, sizeof(raw), hex);
	hex[sizeof(hex) - 2] = '\n';
	why = fd_write_whole(fd, str_n(hex, sizeof(hex) - 1));
	if (!why && fsync(fd) < 0)
		why = errno;
	secret_wipe(raw, sizeof(raw));
	secret_wipe(hex, sizeof(hex));
	if (why) {
		unlink(path);
		return err_errno(err, ERR_IO, why, "the master key file %s", path);
	}
	return 0;
}

/* --- sealing --------------------------------------------------------------------------------
 */

static struct str wrap_ad(int64_t generation, char room[AD_MOST])
{
	int n = snprintf(room, AD_MOST, "leaverd data key %lld", (long long)generation);

	return str_n(room, (size_t)n);
}

/* name and version with a byte between that no name has */
static struct str secret_ad(struct str name, int64_t version, char room[AD_MOST])
{
	int n = snprintf(room, AD_MOST, STR_FMT "\n%lld", STR_ARG(name), (long long)version);

	return str_n(room, (size_t)n);
}

static int wrap(struct db *db, const struct secret *master, const struct vault_key *key,
		enum vault_master how, const unsigned char salt[SECRET_SALT_BYTES],
		int64_t now_ms, struct err *err)
{
	char room[AD_MOST];
	struct buf sealed;
	int r;

	buf_init(&sealed, 4096);
	r = secret_seal(&sealed, master, key->key.p, key->key.len,
			wrap_ad(key->generation, room), err);
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO vault (id, how, generation, salt, wrapped, made_ms)"
			   " VALUES (1, ?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE SET"
			   " how = excluded.how, generation = excluded.generation,"
			   " salt = excluded.salt, wrapped = excluded.wrapped,"
			   " made_ms = excluded.made_ms",
			   DB_I(how), DB_I(key->generation), DB_B(salt, SECRET_SALT_BYTES),
			   DB_B(sealed.p, sealed.len), DB_I(now_ms));
	buf_done(&sealed);
	return r;
}

static int put(struct db *db, const struct vault_key *key, struct str name, int64_t version,
	       const struct secret *value, const char *owner, int64_t expires_ms,
	       int64_t now_ms, struct err *err)
{
	char room[AD_MOST];
	struct buf sealed;
	int r;

	buf_init(&sealed, SECRET_MAX_BYTES + SECRET_SEAL_EXTRA);
	r = secret_seal(&sealed, &key->key, value->p ? value->p : (unsigned char *)"",
			value->len, secret_ad(name, version, room), err);
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO secret (name, version, owner, set_ms, expires_ms,"
			   " sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name)"
			   " DO UPDATE SET version = excluded.version, owner = excluded.owner,"
			   " set_ms = excluded.set_ms, expires_ms = excluded.expires_ms,"
			   " sealed = excluded.sealed",
			   DB_S(name), DB_I(version), DB_T(owner), DB_I(now_ms),
			   DB_I(expires_ms), DB_B(sealed.p, sealed.len));
	buf_done(&sealed);
	return r;
}

static int get(struct db *db, const struct vault_key *key, const char *name, struct secret *ret,
	       struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	char room[AD_MOST];
	struct str sealed;
	int r;

	r = db_query(db, &q, err, "SELECT version, sealed FROM secret WHERE name = ?1",
		     DB_T(name));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	sealed = db_blob(q, 1);
	r = secret_open(ret, &key->key, sealed.p, sealed.len,
			secret_ad(str_of(name), db_int(q, 0), room), err);
	return r < 0 ? err_context(err, r, "the secret %s", name) : 0;
}

/* --- opening --------------------------------------------------------------------------------
 */

struct vault_head {
	enum vault_master how;
	int64_t generation;
	unsigned char salt[SECRET_SALT_BYTES];
};

/* Reads the row; opens the data key with master unless that is NULL. STORE_NOT_FOUND. */
static int head_read(struct db *db, struct vault_head *head, const struct secret *master,
		     struct secret *ret, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	char room[AD_MOST];
	struct str salt, wrapped;
	int r;

	r = db_query(db, &q, err,
		     "SELECT how, generation, salt, wrapped FROM vault WHERE id = 1");
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	head->how = (enum vault_master)db_int(q, 0);
	head->generation = db_int(q, 1);
	salt = db_blob(q, 2);
	if (salt.len != SECRET_SALT_BYTES)
		return err_set(err, ERR_DAMAGED,
			       "the vault's row is damaged: restore a backup");
	memcpy(head->salt, salt.p, SECRET_SALT_BYTES);
	if (!master)
		return 0;
	wrapped = db_blob(q, 3);
	return secret_open(ret, master, wrapped.p, wrapped.len, wrap_ad(head->generation, room),
			   err);
}

int vault_salt(struct store *store, unsigned char salt[SECRET_SALT_BYTES], bool *exists,
	       struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct vault_head head = { 0 };
	int r;

	r = store_read_begin(store, &db, err);
	if (r == 0)
		r = head_read(db, &head, NULL, NULL, err);
	if (r < 0)
		return r;
	if (r == 0)
		memcpy(salt, head.salt, SECRET_SALT_BYTES);
	else
		secret_random_bytes(salt, SECRET_SALT_BYTES);
	*exists = r == 0;
	return 0;
}

static const char *const how_words[] = { "a key file", "a systemd credential", "a passphrase",
					 "a key that the caller gave" };

static int open_data_key(struct db *db, const struct vault_source *source,
			 struct vault_key *ret, struct err *err)
{
	CLEANUP(secret_done) struct secret master = { 0 };
	struct vault_head head = { 0 };
	int r;

	r = head_read(db, &head, NULL, NULL, err);
	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND,
			       "the store has no vault: `leaverd init` makes one");
	if (r == 0)
		r = master_key(source, head.salt, &master, err);
	if (r < 0)
		return r;
	r = head_read(db, &head, &master, &ret->key, err);
	if (r == -ERR_SECRET)
		return err_set(err, ERR_SECRET,
			       "this master key does not open the vault (it was sealed with "
			       "%s): give the one that was in use when the vault was made or "
			       "last rekeyed",
			       (size_t)head.how < COUNT_OF(how_words) ? how_words[head.how]
								      : "another one");
	ret->generation = head.generation;
	return r;
}

static int make_own_keys(struct db *db, const struct vault_key *key, int64_t now_ms,
			 struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < COUNT_OF(own_names); i++) {
		CLEANUP(secret_done) struct secret value = { 0 };

		r = secret_random(&value, SECRET_KEY_BYTES, err);
		if (r == 0)
			r = put(db, key, str_of(own_names[i]), 1, &value, "leaverd", 0, now_ms,
				err);
	}
	return r;
}

static int make(struct db *db, const struct vault_source *source, struct vault_key *ret,
		int64_t now_ms, struct err *err)
{
	CLEANUP(secret_done) struct secret master = { 0 };
	unsigned char salt[SECRET_SALT_BYTES];
	int r;

	if (source->kind == VAULT_KEY && source->salt)
		memcpy(salt, source->salt, sizeof(salt));
	else
		secret_random_bytes(salt, sizeof(salt));
	r = master_key(source, salt, &master, err);
	if (r == 0)
		r = secret_random(&ret->key, SECRET_KEY_BYTES, err);
	ret->generation = 1;
	if (r == 0)
		r = wrap(db, &master, ret, source->kind, salt, now_ms, err);
	if (r == 0)
		r = make_own_keys(db, ret, now_ms, err);
	return r;
}

static int give_keys(struct store *store, struct db *db, const struct vault_key *key,
		     struct err *err)
{
	struct store_keys keys = { 0 };
	struct secret *into[] = { &keys.audit, &keys.head_seed, &keys.token };
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < COUNT_OF(own_names); i++) {
		r = get(db, key, own_names[i], into[i], err);
		if (r == STORE_NOT_FOUND)
			r = err_set(err, ERR_DAMAGED,
				    "the vault lacks its key %s: restore a backup",
				    own_names[i]);
	}
	if (r == 0)
		store_keys_give(store, &keys);
	for (i = 0; i < COUNT_OF(into); i++)
		secret_done(into[i]);
	return r;
}

static int audit_vault(struct db *db, const char *what, const char *target, const char *owner,
		       int64_t version, const char *who, int64_t now_ms, struct err *err)
{
	struct audit_new entry = {
		.who = who, .what = what, .target = target, .now_ms = now_ms
	};
	struct buf body;
	int r;

	buf_init(&body, 4096);
	buf_add_text(&body, "{\"owner\":");
	buf_add_json(&body, str_of(owner));
	buf_addf(&body, ",\"version\":%lld}", (long long)version);
	r = buf_fault(&body, err, "the audit entry");
	entry.body = buf_str(&body);
	if (r == 0)
		r = audit_add(db, &entry, NULL, err);
	buf_done(&body);
	return r;
}

static int open_or_make(struct vault *vault, struct db *db, const struct vault_source *source,
			bool create, struct err *err)
{
	int64_t now_ms = stamp_now_ms();
	struct vault_head head;
	bool made = false;
	int r;

	r = create ? head_read(db, &head, NULL, NULL, err) : 0;
	if (r == STORE_NOT_FOUND) {
		made = true;
		r = make(db, source, &vault->now, now_ms, err);
	} else if (r == 0) {
		r = open_data_key(db, source, &vault->now, err);
	}
	if (r == 0)
		r = give_keys(vault->store, db, &vault->now, err);
	if (r == 0 && made)
		r = audit_vault(db, "vault.make", "", "", 1, "leaverd", now_ms, err);
	return r;
}

int vault_open(struct store *store, const struct vault_source *source, bool create,
	       struct vault **ret, struct err *err)
{
	CLEANUP(vault_close_at) struct vault *vault = calloc(1, sizeof(*vault));
	struct db *db = NULL;
	int r;

	if (!vault)
		return err_nomem(err);
	pthread_mutex_init(&vault->lock, NULL);
	vault->store = store;
	if (store_writer_db(store)) {
		r = store_write_begin(store, &db, err);
		if (r == 0)
			r = store_write_end(db, open_or_make(vault, db, source, create, err),
					    err);
	} else {
		r = store_read_begin(store, &db, err);
		if (r == 0)
			r = open_or_make(vault, db, source, false, err);
		store_read_end(db);
	}
	if (r < 0)
		return r;
	*ret = TAKE(vault);
	return 0;
}

/* --- named secrets --------------------------------------------------------------------------
 */

static bool good_name(const char *name)
{
	size_t i;

	if (name[0] == '.' || name[0] == '\0')
		return false;
	for (i = 0; name[i]; i++) {
		char c = name[i];
		bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';

		if (!fine)
			return false;
	}
	return i <= VAULT_NAME_MOST;
}

/* The key for what db's snapshot shows, copied, so that no lock is held while opening. */
static int key_for(struct vault *vault, struct db *db, struct vault_key *ret, struct err *err)
{
	int64_t generation = 0;
	int r;

	r = db_one(db, &generation, err, "SELECT generation FROM vault WHERE id = 1");
	if (r < 0)
		return r;
	pthread_mutex_lock(&vault->lock);
	if (vault->now.generation == generation)
		r = secret_copy(&ret->key, &vault->now.key, err);
	else if (vault->next.generation == generation)
		r = secret_copy(&ret->key, &vault->next.key, err);
	else
		r = err_set(err, ERR_BUSY, "the vault is being rekeyed: try again");
	pthread_mutex_unlock(&vault->lock);
	ret->generation = generation;
	return r;
}

int vault_set(struct vault *vault, struct db *db, const char *name, const struct secret *value,
	      const char *owner, int64_t expires_ms, const char *who, int64_t now_ms,
	      struct err *err)
{
	struct vault_key key = { 0 };
	int64_t version = 0;
	int r;

	if (!good_name(name))
		return err_set(err, ERR_INVALID_VALUE,
			       "a secret's name has 1 to %d letters, digits, dots, hyphens or "
			       "underscores and begins with no dot",
			       VAULT_NAME_MOST);
	if (value->len == 0)
		return err_set(err, ERR_INVALID_VALUE, "the secret %s would be empty", name);
	if (expires_ms != 0 && expires_ms <= now_ms)
		return err_set(err, ERR_INVALID_VALUE, "the secret %s would be expired at once",
			       name);
	r = db_one(db, &version, err, "SELECT version FROM secret WHERE name = ?1", DB_T(name));
	if (r >= 0)
		r = key_for(vault, db, &key, err);
	if (r == 0)
		r = put(db, &key, str_of(name), version + 1, value, owner, expires_ms, now_ms,
			err);
	secret_done(&key.key);
	if (r == 0)
		r = audit_vault(db, "secret.set", name, owner, version + 1, who, now_ms, err);
	return r;
}

int vault_get(struct vault *vault, struct db *db, const char *name, struct secret *ret,
	      struct err *err)
{
	struct vault_key key = { 0 };
	int r;

	if (!good_name(name))
		return STORE_NOT_FOUND;
	r = key_for(vault, db, &key, err);
	if (r == 0)
		r = get(db, &key, name, ret, err);
	secret_done(&key.key);
	return r;
}

int vault_fetch(struct vault *vault, const char *name, struct secret *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r;

	r = store_read_begin(vault->store, &db, err);
	return r < 0 ? r : vault_get(vault, db, name, ret, err);
}

int vault_remove(struct vault *vault, struct db *db, const char *name, const char *who,
		 int64_t now_ms, struct err *err)
{
	int64_t version = 0;
	int r;

	(void)vault;
	if (!good_name(name))
		return STORE_NOT_FOUND;
	r = db_one(db, &version, err, "SELECT version FROM secret WHERE name = ?1", DB_T(name));
	if (r != 0)
		return r;
	r = db_run(db, err, "DELETE FROM secret WHERE name = ?1", DB_T(name));
	if (r == 0)
		r = audit_vault(db, "secret.remove", name, "", version, who, now_ms, err);
	return r;
}

int vault_list(struct db *db, vault_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err,
		     "SELECT name, owner, version, set_ms, expires_ms FROM secret"
		     " WHERE substr(name, 1, 1) <> '.' ORDER BY name");
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct vault_entry row = { .name = db_text(q, 0),
					   .owner = db_text(q, 1),
					   .version = db_int(q, 2),
					   .set_ms = db_int(q, 3),
					   .expires_ms = db_int(q, 4) };

		r = fn(ctx, &row, err);
	}
	return r;
}

/* --- rekey ----------------------------------------------------------------------------------
 */

static int reseal_row(struct db *db, const struct vault_key *from, const struct vault_key *to,
		      struct stmt *q, struct err *err)
{
	CLEANUP(secret_done) struct secret value = { 0 };
	struct str name = db_text(q, 0), sealed = db_blob(q, 2);
	int64_t version = db_int(q, 1);
	char room[AD_MOST];
	struct buf again;
	int r;

	r = secret_open(&value, &from->key, sealed.p, sealed.len,
			secret_ad(name, version, room), err);
	if (r < 0)
		return err_context(err, r, "the secret " STR_FMT, STR_ARG(name));
	buf_init(&again, SECRET_MAX_BYTES + SECRET_SEAL_EXTRA);
	r = secret_seal(&again, &to->key, value.p ? value.p : (unsigned char *)"", value.len,
			secret_ad(name, version, room), err);
	if (r == 0)
		r = db_run(db, err, "UPDATE secret SET sealed = ?2 WHERE name = ?1", DB_S(name),
			   DB_B(again.p, again.len));
	buf_done(&again);
	return r;
}

static int reseal_all(struct db *db, const struct vault_key *from, const struct vault_key *to,
		      struct err *err)
{
	CLEANUP(free_at) char *last = str_dup(STR(""));
	int r = 0;

	/* one at a time by name: the table is written while it is walked */
	while (r == 0) {
		CLEANUP(stmt_done_at) struct stmt *q = NULL;

		if (!last)
			return err_nomem(err);
		r = db_query(db, &q, err,
			     "SELECT name, version, sealed FROM secret WHERE name > ?1"
			     " ORDER BY name LIMIT 1",
			     DB_T(last));
		if (r == 0)
			r = db_step(q, err);
		if (r != DB_ROW)
			return r;
		r = reseal_row(db, from, to, q, err);
		if (r == 0) {
			char *name = db_text_dup(q, 0);

			stmt_done_at(&q); /* it reads last */
			free(last);
			last = name;
		}
	}
	return r;
}

int vault_rekey(struct vault *vault, struct db *db, const struct vault_source *source,
		const char *who, int64_t now_ms, struct err *err)
{
	CLEANUP(secret_done) struct secret master = { 0 };
	unsigned char salt[SECRET_SALT_BYTES];
	int r;

	if (source->kind == VAULT_KEY && source->salt)
		memcpy(salt, source->salt, sizeof(salt));
	else
		secret_random_bytes(salt, sizeof(salt));
	r = master_key(source, salt, &master, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&vault->lock);
	secret_done(&vault->next.key);
	vault->next.generation = vault->now.generation + 1;
	r = secret_random(&vault->next.key, SECRET_KEY_BYTES, err);
	pthread_mutex_unlock(&vault->lock);
	if (r == 0)
		r = wrap(db, &master, &vault->next, source->kind, salt, now_ms, err);
	if (r == 0)
		r = reseal_all(db, &vault->now, &vault->next, err);
	if (r == 0)
		r = audit_vault(db, "vault.rekey", "", "", vault->next.generation, who, now_ms,
				err);
	if (r < 0)
		vault_rekey_done(vault, false);
	return r;
}

void vault_rekey_done(struct vault *vault, bool committed)
{
	pthread_mutex_lock(&vault->lock);
	if (committed && vault->next.generation) {
		secret_done(&vault->now.key);
		vault->now = vault->next;
		vault->next = (struct vault_key){ 0 };
	} else {
		secret_done(&vault->next.key);
		vault->next.generation = 0;
	}
	pthread_mutex_unlock(&vault->lock);
}
