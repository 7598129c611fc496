/*
 * The vault (law 7): named secrets, each sealed with XChaCha20-Poly1305 under the data key,
 * with its name and version as associated data; the data key sealed under the master key, which
 * is not in the database. The keys of the audit chain, its head and of token hashes are sealed
 * here too, under names that begin with a dot.
 *
 * Opened once after store_open(); plain values live in struct secret only.
 */
#ifndef STORE_VAULT_H
#define STORE_VAULT_H

#include "base/secret.h"
#include "store/store.h"

#define VAULT_NAME_MOST 64 /* letters, digits, . _ - ; a leading dot is ours */

enum vault_master { VAULT_FILE, VAULT_CREDENTIAL, VAULT_PASSPHRASE, VAULT_KEY };

struct vault_source {
	enum vault_master kind;
	const char *path;      /* FILE: 64 hex digits, mode checked. CREDENTIAL: its name */
	const char *directory; /* CREDENTIAL: the value of $CREDENTIALS_DIRECTORY */
	const struct secret *passphrase; /* PASSPHRASE */
	const struct secret *key;        /* KEY: SECRET_KEY_BYTES, come by elsewhere */
	const unsigned char
		*salt; /* KEY, when making: the salt it was stretched with, or NULL */
};

struct vault;

/* True when the store has a vault. The salt that a passphrase is stretched with is written when
 * it has; else a new random one, to be given to vault_open() with create. */
int vault_salt(struct store *store, unsigned char salt[SECRET_SALT_BYTES], bool *exists,
	       struct err *err) MUST_USE;

/*
 * Makes the vault of a new store (create) or opens it; gives the store its keys. Faults:
 * SECRET for a wrong key or passphrase, a wrong mode, a missing credential; NOT_FOUND when
 * there is no vault and create is false; both say the way out. Writes through
 * store_write_begin(): before writer_start().
 */
int vault_open(struct store *store, const struct vault_source *source, bool create,
	       struct vault **ret, struct err *err) MUST_USE;
void vault_close(struct vault *vault); /* wipes; before store_close() */
OWNED(struct vault, vault_close)
/* Makes a master key file (32 random bytes as hex, mode 0600); never over an existing one. */
int vault_make_key_file(const char *path, struct err *err) MUST_USE;

struct vault_entry {
	struct str name, owner;
	int64_t version;
	int64_t set_ms, expires_ms; /* expires 0: never */
};
typedef int (*vault_fn)(void *ctx, const struct vault_entry *row, struct err *err);

/* A new secret, or a new version of one; audited (name, version, owner: no value). On the
 * writer. expires_ms 0: never. */
int vault_set(struct vault *vault, struct db *db, const char *name, const struct secret *value,
	      const char *owner, int64_t expires_ms, const char *who, int64_t now_ms,
	      struct err *err) MUST_USE;
/* STORE_NOT_FOUND. *ret must be empty. Any connection. */
int vault_get(struct vault *vault, struct db *db, const char *name, struct secret *ret,
	      struct err *err) MUST_USE;
/* The same with a reading connection of its own. */
int vault_fetch(struct vault *vault, const char *name, struct secret *ret, struct err *err)
	MUST_USE;
int vault_remove(struct vault *vault, struct db *db, const char *name, const char *who,
		 int64_t now_ms, struct err *err) MUST_USE;
int vault_list(struct db *db, vault_fn fn, void *ctx, struct err *err) MUST_USE;

/*
 * A new data key, all secrets sealed anew under it, and it sealed under the master key of
 * source (the present one given again, or a new one), in the transaction of db: wholly or not
 * at all. Call vault_rekey_done() after the commit, with whether it succeeded; until then
 * secrets can be read all the same. Audited. A fault ends the rekey by itself.
 */
int vault_rekey(struct vault *vault, struct db *db, const struct vault_source *source,
		const char *who, int64_t now_ms, struct err *err) MUST_USE;
void vault_rekey_done(struct vault *vault, bool committed);

#endif
