#include "model/signkey.h"

#include "base/enc.h"
#include "model/statement.h"

#define MAGIC_SEALED "leaverd-key 1\n"
#define MAGIC_PUBLIC "leaverd-key-public 1\n"

static bool key_line(struct str *rest, const char *name, struct str *value)
{
	struct str line, word, tail;

	if (!str_cut(*rest, '\n', &line, &tail) || !str_cut(line, ' ', &word, value) ||
	    !str_eq(word, str_of(name)))
		return false;
	*rest = tail;
	return true;
}

static bool parse_sealed(struct str *rest, struct signkey *k)
{
	struct str v;

	return key_line(rest, "salt", &v) && enc_unhex(v, k->salt, sizeof(k->salt)) &&
	       key_line(rest, "sealed", &v) && enc_unhex(v, k->box, sizeof(k->box));
}

int signkey_parse(struct str text, struct signkey *ret, struct err *err)
{
	struct signkey k = { .sealed = str_starts(text, STR(MAGIC_SEALED)) };
	size_t magic = k.sealed ? sizeof(MAGIC_SEALED) - 1 : sizeof(MAGIC_PUBLIC) - 1;
	struct str rest, v;

	if (!k.sealed && !str_starts(text, STR(MAGIC_PUBLIC)))
		return err_set(err, ERR_INVALID_SYNTAX,
			       "this is no key of leaverd: `leaverd key new` makes one");
	rest = str_n(text.p + magic, text.len - magic);
	if (text.len > SIGNKEY_MAX_BYTES || !key_line(&rest, "name", &k.name) ||
	    !statement_name(k.name) || !key_line(&rest, "public", &v) ||
	    !enc_unhex(v, k.public_key, sizeof(k.public_key)))
		return err_set(err, ERR_INVALID_SYNTAX,
			       "this key is not whole: its name or its public part is wrong");
	k.head = str_n(text.p, text.len - rest.len);
	if ((k.sealed && !parse_sealed(&rest, &k)) || rest.len)
		return err_set(err, ERR_INVALID_SYNTAX,
			       "this key is not whole: what follows its public part is wrong");
	*ret = k;
	return 0;
}

static void add_hex(struct buf *into, const char *name, const void *p, size_t len)
{
	char hex[2 * (DIGEST_SEED_BYTES + SECRET_SEAL_EXTRA) + 1];

	enc_hex(p, len, hex);
	buf_addf(into, "%s %s\n", name, hex);
}

static int seal(const struct secret *seed, const struct secret *passphrase, struct str head,
		struct buf *into, struct err *err)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(buf_done) struct buf box;
	unsigned char salt[SECRET_SALT_BYTES];
	int r;

	buf_init(&box, SIGNKEY_MAX_BYTES);
	secret_random_bytes(salt, sizeof(salt));
	r = secret_from_passphrase(&key, passphrase, salt, err);
	if (r == 0)
		r = secret_seal(&box, &key, seed->p, seed->len, head, err);
	if (r == 0)
		r = buf_fault(&box, err, "the sealed key");
	if (r < 0)
		return r;
	add_hex(into, "salt", salt, sizeof(salt));
	add_hex(into, "sealed", box.p, box.len);
	return buf_fault(into, err, "the key");
}

int signkey_make(struct str name, const struct secret *passphrase, struct buf *sealed,
		 struct buf *open, struct err *err)
{
	CLEANUP(secret_done) struct secret seed = { 0 };
	CLEANUP(free_at) char *head = NULL;
	unsigned char key[DIGEST_PUB_BYTES];
	size_t begin = sealed->len;
	int r;

	if (!statement_name(name))
		return err_set(err, ERR_INVALID_VALUE,
			       "\"" STR_FMT "\" is no name for an approver: small letters, "
			       "digits and . _ @ -, from a letter or digit, at most %d",
			       STR_ARG(name), STATEMENT_NAME_MOST);
	r = secret_random(&seed, DIGEST_SEED_BYTES, err);
	if (r == 0)
		r = digest_public(key, &seed, err);
	if (r < 0)
		return r;
	buf_addf(sealed, MAGIC_SEALED "name " STR_FMT "\n", STR_ARG(name));
	add_hex(sealed, "public", key, sizeof(key));
	buf_addf(open, MAGIC_PUBLIC "name " STR_FMT "\n", STR_ARG(name));
	add_hex(open, "public", key, sizeof(key));
	r = buf_fault(sealed, err, "the key");
	if (r == 0)
		r = buf_fault(open, err, "the public key");
	if (r < 0)
		return r;
	/* the buffer may move while it grows */
	head = str_dup(str_n(sealed->p + begin, sealed->len - begin));
	return head ? seal(&seed, passphrase, str_of(head), sealed, err) : err_nomem(err);
}

int signkey_open(const struct signkey *key, const struct secret *passphrase, struct secret *ret,
		 struct err *err)
{
	CLEANUP(secret_done) struct secret stretched = { 0 }, seed = { 0 };
	unsigned char public_key[DIGEST_PUB_BYTES];
	struct err cause;
	int r;

	if (!key->sealed)
		return err_set(err, ERR_SECRET,
			       "this is the public part of a key: sign with the other file, "
			       "without .pub");
	r = secret_from_passphrase(&stretched, passphrase, key->salt, err);
	if (r < 0)
		return r;
	r = secret_open(&seed, &stretched, key->box, sizeof(key->box), key->head, &cause);
	if (r < 0)
		return r == -ERR_NOMEM
			       ? err_nomem(err)
			       : err_set(err, ERR_SECRET,
					 "the key of " STR_FMT
					 " does not open: another passphrase, or its file "
					 "was changed",
					 STR_ARG(key->name));
	r = digest_public(public_key, &seed, err);
	if (r == 0 && !secret_memequal(public_key, key->public_key, sizeof(public_key)))
		r = err_set(err, ERR_SECRET,
			    "the key of " STR_FMT " does not belong to its public part",
			    STR_ARG(key->name));
	if (r < 0)
		return r;
	*ret = seed;
	seed = (struct secret){ 0 };
	return 0;
}
