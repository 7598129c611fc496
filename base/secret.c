#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <sodium.h>

static_assert(SECRET_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");
static_assert(SECRET_SEAL_EXTRA == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES +
					   crypto_aead_xchacha20poly1305_ietf_ABYTES,
	      "nonce and tag");
static_assert(SECRET_SALT_BYTES == crypto_pwhash_argon2id_SALTBYTES, "salt");

#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES

int secret_start(struct err *err)
{
	const struct rlimit none = { 0, 0 };

	if (sodium_init() < 0)
		return err_set(err, ERR_INTERNAL, "libsodium cannot start: no random numbers");
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_errno(err, ERR_INTERNAL, errno, "cannot switch core dumps off");
	return 0;
}

/*
 * len bytes and a NUL. sodium_malloc() locks the pages if it may; where RLIMIT_MEMLOCK is used
 * up they are still guarded, kept out of core dumps and wiped, which beats not running at all.
 */
static int secret_room(struct secret *ret, size_t len, struct err *err)
{
	unsigned char *p;

	if (len == 0) {
		*ret = (struct secret){ 0 };
		return 0;
	}
	if (sodium_init() < 0) /* idempotent; tests and tools may come here first */
		return err_set(err, ERR_INTERNAL, "libsodium cannot start: no random numbers");
	p = len < SIZE_MAX ? sodium_malloc(len + 1) : NULL;
	if (!p)
		return err_set(err, ERR_NOMEM, "out of memory for a secret");
	p[len] = '\0';
	*ret = (struct secret){ p, len };
	return 0;
}

int secret_set(struct secret *ret, const void *p, size_t len, struct err *err)
{
	struct secret fresh;
	int r = secret_room(&fresh, len, err);

	if (r < 0)
		return r;
	if (len)
		memcpy(fresh.p, p, len);
	*ret = fresh;
	return 0;
}

int secret_copy(struct secret *ret, const struct secret *from, struct err *err)
{
	return secret_set(ret, from->p, from->len, err);
}

int secret_random(struct secret *ret, size_t len, struct err *err)
{
	struct secret fresh;
	int r = secret_room(&fresh, len, err);

	if (r < 0)
		return r;
	if (len)
		randombytes_buf(fresh.p, len);
	*ret = fresh;
	return 0;
}

void secret_done(struct secret *s)
{
	if (!s)
		return;
	sodium_free(s->p); /* wipes; NULL is fine */
	*s = (struct secret){ 0 };
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	return a->len == b->len && secret_memequal(a->p, b->p, a->len);
}

/* --- from outside ------------------------------------------------------------------------ */

/* Reads fd into room (SECRET_MAX_BYTES + 1 bytes of secret memory); *len is what came. */
static int fd_drain(struct secret *room, int fd, size_t *len, const char *what, struct err *err)
{
	size_t have = 0;

	while (have < room->len) {
		ssize_t n = read(fd, room->p + have, room->len - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, ERR_SECRET, errno, "cannot read a secret from %s",
					 what);
		if (n == 0)
			break;
		have += (size_t)n;
	}
	if (have > SECRET_MAX_BYTES)
		return err_set(err, ERR_SECRET, "%s: a secret may have at most %d bytes", what,
			       SECRET_MAX_BYTES);
	if (have > 0 && room->p[have - 1] == '\n')
		have--;
	if (have == 0)
		return err_set(err, ERR_SECRET, "%s: no secret in it, it is empty", what);
	*len = have;
	return 0;
}

static int secret_read(struct secret *ret, int fd, const char *what, struct err *err)
{
	CLEANUP(secret_done) struct secret room = { 0 };
	size_t len = 0;
	int r = secret_room(&room, SECRET_MAX_BYTES + 1, err);

	if (r == 0)
		r = fd_drain(&room, fd, &len, what, err);
	if (r == 0)
		r = secret_set(ret, room.p, len, err);
	return r;
}

/*
 * systemd hands credentials to a service user as root's files with an ACL, whose mask shows as
 * group bits: mode 0440 in $CREDENTIALS_DIRECTORY, which nobody else can enter.
 */
static bool is_credential(const char *path, const struct stat *st)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");

	return folder && *folder == '/' && str_starts(str_of(path), str_of(folder)) &&
	       path[strlen(folder)] == '/' && !strstr(path, "/../") && st->st_uid == 0 &&
	       (st->st_mode & 0777) == 0440;
}

static int file_check(const char *path, const struct stat *st, struct err *err)
{
	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_SECRET, "secret file %s is not a regular file", path);
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(err, ERR_SECRET,
			       "secret file %s belongs to uid %u, not to us (uid %u) or root: "
			       "chown it",
			       path, (unsigned)st->st_uid, (unsigned)geteuid());
	if ((st->st_mode & 077) && !is_credential(path, st))
		return err_set(err, ERR_SECRET,
			       "secret file %s has mode %04o, others may reach it: chmod 0600 "
			       "%s, and change the secret if others could have read it",
			       path, (unsigned)st->st_mode & 07777, path);
	return 0;
}

int secret_read_file(struct secret *ret, const char *path, struct err *err)
{
	/* O_NONBLOCK, so that a FIFO put there cannot stop us before it is looked at */
	CLEANUP(fd_close_at)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, ERR_SECRET, errno, "cannot open secret file %s", path);
	r = file_check(path, &st, err);
	if (r < 0)
		return r;
	return secret_read(ret, fd, path, err);
}

int secret_read_fd(struct secret *ret, int fd, struct err *err)
{
	return secret_read(ret, fd, fd == STDIN_FILENO ? "standard input" : "a descriptor",
			   err);
}

/* --- from a person ------------------------------------------------------------------------ */

static void tty_say(int tty, const char *text)
{
	ssize_t n = write(tty, text, strlen(text));

	(void)n; /* a terminal that cannot show the prompt will not answer either */
}

enum { KEY_INTR = 3, KEY_EOT = 4, KEY_BACKSPACE = 8, KEY_KILL = 21, KEY_DELETE = 127 };

static void line_rub(const struct secret *room, size_t *len)
{
	while (*len > 0 && (room->p[--*len] & 0xC0) == 0x80)
		; /* a character, not a byte */
}

/* Reads one line, key by key. The terminal sends no signals meanwhile: ^C comes as a key. */
static int tty_line(int tty, struct secret *room, size_t *ret_len, struct err *err)
{
	size_t len = 0;

	for (;;) {
		unsigned char key;
		ssize_t n = read(tty, &key, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, ERR_SECRET, errno, "cannot read the terminal");
		if (n == 0 || key == KEY_INTR || (key == KEY_EOT && len == 0))
			return err_set(err, ERR_CANCELLED, "no secret was entered");
		if (key == '\n' || key == '\r' || key == KEY_EOT)
			break;
		if (key == KEY_BACKSPACE || key == KEY_DELETE)
			line_rub(room, &len);
		else if (key == KEY_KILL)
			len = 0;
		else if (len < SECRET_MAX_BYTES)
			room->p[len++] = key;
		else
			return err_set(err, ERR_SECRET, "a secret may have at most %d bytes",
				       SECRET_MAX_BYTES);
	}
	if (len == 0)
		return err_set(err, ERR_SECRET, "an empty secret was entered");
	*ret_len = len;
	return 0;
}

static int tty_ask(int tty, const char *prompt, struct secret *ret, struct err *err)
{
	CLEANUP(secret_done) struct secret room = { 0 };
	struct termios before, silent;
	size_t len = 0;
	int r = secret_room(&room, SECRET_MAX_BYTES, err);

	if (r < 0)
		return r;
	if (tcgetattr(tty, &before) < 0)
		return err_errno(err, ERR_SECRET, errno, "cannot silence the terminal");
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG);
	silent.c_cc[VMIN] = 1;
	silent.c_cc[VTIME] = 0;
	if (tcsetattr(tty, TCSAFLUSH, &silent) < 0)
		return err_errno(err, ERR_SECRET, errno, "cannot silence the terminal");
	tty_say(tty, prompt);
	r = tty_line(tty, &room, &len, err);
	tty_say(tty, "\n");
	tcsetattr(tty, TCSAFLUSH, &before);
	if (r == 0)
		r = secret_set(ret, room.p, len, err);
	return r;
}

int secret_prompt(struct secret *ret, const char *prompt, bool confirm, struct err *err)
{
	CLEANUP(fd_close_at) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	CLEANUP(secret_done) struct secret first = { 0 };
	CLEANUP(secret_done) struct secret again = { 0 };
	int r;

	if (tty < 0)
		return err_errno(err, ERR_SECRET, errno,
				 "no terminal to ask for a secret on; give it on standard "
				 "input");
	r = tty_ask(tty, prompt, &first, err);
	if (r == 0 && confirm)
		r = tty_ask(tty, "Again: ", &again, err);
	if (r < 0)
		return r;
	if (confirm && !secret_equal(&first, &again))
		return err_set(err, ERR_SECRET, "the two entries differ; nothing was changed");
	*ret = first;
	first = (struct secret){ 0 };
	return 0;
}

/* --- keys and sealing --------------------------------------------------------------------- */

int secret_from_passphrase(struct secret *ret, const struct secret *passphrase,
			   const unsigned char salt[SECRET_SALT_BYTES], struct err *err)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	int r;

	if (passphrase->len == 0)
		return err_set(err, ERR_SECRET, "an empty passphrase makes no key");
	r = secret_room(&key, SECRET_KEY_BYTES, err);
	if (r < 0)
		return r;
	if (crypto_pwhash(key.p, key.len, secret_text(passphrase), passphrase->len, salt, 3,
			  64 * 1024 * 1024, crypto_pwhash_ALG_ARGON2ID13) < 0)
		return err_set(err, ERR_NOMEM,
			       "out of memory for a passphrase: Argon2id needs 64 MiB");
	*ret = key;
	key = (struct secret){ 0 };
	return 0;
}

static int key_check(const struct secret *key, struct err *err)
{
	if (key->len == SECRET_KEY_BYTES)
		return 0;
	return err_set(err, ERR_SECRET, "a sealing key has %d bytes, not %zu", SECRET_KEY_BYTES,
		       key->len);
}

int secret_seal(struct buf *into, const struct secret *key, const void *plain, size_t len,
		struct str ad, struct err *err)
{
	CLEANUP(free_at) unsigned char *sealed = NULL;
	int r = key_check(key, err);

	if (r < 0)
		return r;
	sealed = len < SIZE_MAX - SECRET_SEAL_EXTRA ? malloc(len + SECRET_SEAL_EXTRA) : NULL;
	if (!sealed)
		return err_set(err, ERR_NOMEM, "out of memory for sealing a secret");
	secret_random_bytes(sealed, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE_BYTES, NULL, plain, len,
						   (const unsigned char *)ad.p, ad.len, NULL,
						   sealed, key->p);
	buf_add(into, sealed, len + SECRET_SEAL_EXTRA);
	return buf_fault(into, err, "a sealed secret");
}

int secret_open(struct secret *ret, const struct secret *key, const void *sealed, size_t len,
		struct str ad, struct err *err)
{
	CLEANUP(secret_done) struct secret plain = { 0 };
	const unsigned char *in = sealed;
	unsigned char none[1];
	int r = key_check(key, err);

	if (r < 0)
		return r;
	if (len < SECRET_SEAL_EXTRA)
		return err_set(err, ERR_SECRET, "a sealed secret is cut off: %zu bytes", len);
	r = secret_room(&plain, len - SECRET_SEAL_EXTRA, err);
	if (r < 0)
		return r;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    plain.p ? plain.p : none, NULL, NULL, in + NONCE_BYTES, len - NONCE_BYTES,
		    (const unsigned char *)ad.p, ad.len, in, key->p) < 0)
		return err_set(err, ERR_SECRET,
			       "a sealed secret does not open: another key, or it was changed");
	*ret = plain;
	plain = (struct secret){ 0 };
	return 0;
}

void secret_random_bytes(void *ret, size_t len)
{
	randombytes_buf(ret, len);
}

void secret_wipe(void *p, size_t len)
{
	if (len)
		sodium_memzero(p, len);
}

bool secret_memequal(const void *a, const void *b, size_t len)
{
	return len == 0 || sodium_memcmp(a, b, len) == 0;
}
