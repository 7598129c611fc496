#include "ldap/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <ldap.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "base/secret.h"
#include "base/stamp.h"

#define PEM_BYTES (1 << 20)
#define CHAIN_MOST 6 /* libldap takes no longer one */

/*
 * Reading LDAP_OPT_X_TLS_CTX takes a reference, and no public function gives one back. This one
 * is not in ldap.h, but libldap exports it, and slapd lives by it.
 */
extern void ldap_pvt_tls_ctx_free(void *ctx);

/* What a file is known by: who replaces one makes another, who writes into one moves its times.
 */
struct mark {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec written, changed;
};

enum { CA, CERT, KEY, FILES };

struct context {
	struct context *next;
	char *path[FILES]; /* "" where there is none */
	char *key_name;    /* in the vault; "" where there is none */
	struct mark mark[FILES];
	int64_t ends_ms; /* our certificate, that is; STAMP_NEVER without one */
	LDAP *owner;     /* never connects; holds what the context was made of */
	void *ctx;       /* a reference of ours */
};

/* A key from the vault. */
struct kept {
	struct kept *next;
	char *name;
	struct secret pem;
	off_t turn; /* how many there were of that name */
};

/* As many as the settings name sets of files, and names of keys. */
static struct context *contexts;
static struct kept *keys;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint made;

unsigned dir_tls_made(void)
{
	return atomic_load(&made);
}

static void context_free(struct context *x)
{
	if (!x)
		return;
	if (x->ctx)
		ldap_pvt_tls_ctx_free(x->ctx);
	if (x->owner)
		ldap_unbind_ext(x->owner, NULL, NULL);
	for (size_t i = 0; i < FILES; i++)
		free(x->path[i]);
	free(x->key_name);
	free(x);
}
OWNED(struct context, context_free)

/* --- keys from the vault -------------------------------------------------------------------
 */

/* Under the lock. */
static struct kept *key_find(const char *name)
{
	struct kept *k = keys;

	while (k && strcmp(k->name, name) != 0)
		k = k->next;
	return k;
}

/* Under the lock: a place for a key of that name, empty. */
static struct kept *key_place(const char *name)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (!k || !(k->name = str_dup(str_of(name)))) {
		free(k);
		return NULL;
	}
	k->next = keys;
	keys = k;
	return k;
}

int dir_tls_key(const char *name, const struct secret *pem, struct err *err)
{
	CLEANUP(secret_done) struct secret fresh = { 0 };
	struct kept *k;
	int r = secret_copy(&fresh, pem, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&lock);
	k = key_find(name);
	if (!k)
		k = key_place(name);
	if (k && (!k->turn || !secret_equal(&k->pem, &fresh))) {
		struct secret old = k->pem;

		k->pem = fresh;
		fresh = old;
		k->turn++;
	}
	pthread_mutex_unlock(&lock);
	return k ? 0 : err_nomem(err);
}

static int key_copy(const char *name, struct secret *ret, struct err *err)
{
	struct kept *k;
	int r;

	pthread_mutex_lock(&lock);
	k = key_find(name);
	r = k ? secret_copy(ret, &k->pem, err)
	      : err_set(err, ERR_INTERNAL, "the key %s was not taken from the vault", name);
	pthread_mutex_unlock(&lock);
	return r;
}

/* A file in memory that holds a key, while libldap reads it. */
struct lent {
	int fd;
	size_t len;
	char path[40];
};

static void lent_done(struct lent *l)
{
	char zeros[512] = { 0 };

	if (l->fd < 0)
		return;
	for (size_t at = 0; at < l->len; at += sizeof(zeros)) {
		size_t n = l->len - at < sizeof(zeros) ? l->len - at : sizeof(zeros);

		if (pwrite(l->fd, zeros, n, (off_t)at) < 0)
			break; /* closing it frees the pages all the same */
	}
	close(l->fd);
	l->fd = -1;
}

static int lend(const char *name, struct lent *ret, struct err *err)
{
	CLEANUP(secret_done) struct secret pem = { 0 };
	int r = key_copy(name, &pem, err);

	if (r < 0)
		return r;
	ret->fd = memfd_create("leaverd-key", MFD_CLOEXEC);
	if (ret->fd < 0)
		return err_errno(err, ERR_INTERNAL, errno, "a file in memory for a key");
	ret->len = pem.len;
	if (pwrite(ret->fd, pem.p, pem.len, 0) != (ssize_t)pem.len)
		return err_errno(err, ERR_INTERNAL, errno, "a file in memory for a key");
	snprintf(ret->path, sizeof(ret->path), "/proc/self/fd/%d", ret->fd);
	if (access(ret->path, R_OK) < 0)
		return err_errno(err, ERR_CONFIG, errno,
				 "a key from the vault needs /proc, and %s cannot be read",
				 ret->path);
	return 0;
}

/* --- our certificate -----------------------------------------------------------------------
 */

struct own {
	gnutls_x509_crt_t chain[CHAIN_MOST];
	unsigned n;
	gnutls_x509_privkey_t key;
};

static void own_done(struct own *own)
{
	for (unsigned i = 0; i < own->n; i++)
		gnutls_x509_crt_deinit(own->chain[i]);
	if (own->key)
		gnutls_x509_privkey_deinit(own->key);
}

/* For sentences. */
static const char *key_of(const struct dir_options *o)
{
	return o->cert_key ? "cert_key" : "key_file";
}

static const char *key_named(const struct dir_options *o)
{
	return o->cert_key ? o->cert_key : o->key_file;
}

static int file_read(const char *what, const char *path, struct buf *into, struct err *err)
{
	CLEANUP(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char piece[4096];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, ERR_CONFIG, errno, "%s %s cannot be read", what, path);
	if (!S_ISREG(st.st_mode) || st.st_size > PEM_BYTES)
		return err_set(err, ERR_CONFIG, "%s %s is no PEM file", what, path);
	if (into->secret && st.st_mode & S_IROTH)
		return err_set(err, ERR_CONFIG,
			       "%s %s may be read by everybody: chmod 0600 it, and get a new "
			       "key and certificate",
			       what, path);
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(into, piece, (size_t)n);
	secret_wipe(piece, sizeof(piece));
	if (n < 0)
		return err_errno(err, ERR_CONFIG, errno, "%s %s cannot be read", what, path);
	return buf_fault(into, err, what);
}

static int chain_read(const struct dir_options *o, struct own *own, struct err *err)
{
	CLEANUP(buf_done) struct buf pem = { 0 };
	gnutls_datum_t data;
	unsigned n = CHAIN_MOST;
	int rc, r;

	buf_init(&pem, PEM_BYTES + 1);
	r = file_read("cert_file", o->cert_file, &pem, err);
	if (r < 0)
		return r;
	data = (gnutls_datum_t){ (unsigned char *)pem.p, (unsigned)pem.len };
	rc = pem.len ? gnutls_x509_crt_list_import(own->chain, &n, &data, GNUTLS_X509_FMT_PEM,
						   GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED)
		     : GNUTLS_E_NO_CERTIFICATE_FOUND;
	if (rc < 0)
		return err_set(
			err, ERR_CONFIG,
			"cert_file %s holds no certificate that can be used (%s): PEM is "
			"expected, ours first, then those that signed it, %d at most",
			o->cert_file, gnutls_strerror(rc), CHAIN_MOST);
	own->n = (unsigned)rc;
	return 0;
}

static int key_import(const struct dir_options *o, unsigned char *pem, size_t len,
		      struct own *own, struct err *err)
{
	gnutls_datum_t data = { pem, (unsigned)len };
	int rc;

	if (gnutls_x509_privkey_init(&own->key) < 0) {
		own->key = NULL;
		return err_nomem(err);
	}
	rc = len ? gnutls_x509_privkey_import(own->key, &data, GNUTLS_X509_FMT_PEM)
		 : GNUTLS_E_BASE64_DECODING_ERROR;
	if (rc < 0)
		return err_set(err, ERR_CONFIG,
			       "%s %s holds no key that can be used (%s): PEM is expected, "
			       "without a passphrase",
			       key_of(o), key_named(o), gnutls_strerror(rc));
	return 0;
}

static int key_read(const struct dir_options *o, struct own *own, struct err *err)
{
	CLEANUP(secret_done) struct secret kept = { 0 };
	CLEANUP(buf_done) struct buf pem = { 0 };
	int r;

	buf_init_secret(&pem, PEM_BYTES + 1);
	r = o->cert_key ? key_copy(o->cert_key, &kept, err)
			: file_read("key_file", o->key_file, &pem, err);
	if (r < 0)
		return r;
	return o->cert_key ? key_import(o, kept.p, kept.len, own, err)
			   : key_import(o, (unsigned char *)pem.p, pem.len, own, err);
}

static bool key_fits(const struct own *own)
{
	unsigned char a[64], b[64];
	size_t na = sizeof(a), nb = sizeof(b);

	return gnutls_x509_crt_get_key_id(own->chain[0], 0, a, &na) == 0 &&
	       gnutls_x509_privkey_get_key_id(own->key, 0, b, &nb) == 0 && na == nb &&
	       memcmp(a, b, na) == 0;
}

static int64_t own_ends_ms(const struct own *own)
{
	return (int64_t)gnutls_x509_crt_get_expiration_time(own->chain[0]) * 1000;
}

/* What libldap would refuse without a word, or the server would with none that reach us. */
static int own_check(const struct dir_options *o, int64_t *ret_ends_ms, struct err *err)
{
	CLEANUP(own_done) struct own own = { .n = 0 };
	char when[STAMP_TEXT_BYTES];
	int r = chain_read(o, &own, err);

	if (r == 0)
		r = key_read(o, &own, err);
	if (r < 0)
		return r;
	if (!key_fits(&own))
		return err_set(err, ERR_CONFIG,
			       "%s %s is not the key of the certificate in cert_file %s",
			       key_of(o), key_named(o), o->cert_file);
	*ret_ends_ms = own_ends_ms(&own);
	if (*ret_ends_ms > stamp_now_ms())
		return 0;
	stamp_text(*ret_ends_ms, when);
	return err_set(err, ERR_CONFIG,
		       "the certificate in cert_file %s ended at %s: put a new one there",
		       o->cert_file, when);
}

int dir_tls_ends(const struct dir_options *o, int64_t *ret_ms, struct err *err)
{
	CLEANUP(own_done) struct own own = { .n = 0 };
	int r;

	if (!o->cert_file)
		return DIR_TLS_NONE;
	r = chain_read(o, &own, err);
	if (r == 0)
		*ret_ms = own_ends_ms(&own);
	return r;
}

/* --- contexts ------------------------------------------------------------------------------
 */

static const char *path_of(const struct dir_options *o, int file)
{
	const char *const paths[FILES] = { o->ca_file, o->cert_file, o->key_file };

	return paths[file] ? paths[file] : "";
}

static bool same_paths(const struct context *x, const struct dir_options *o)
{
	for (int i = 0; i < FILES; i++)
		if (strcmp(x->path[i], path_of(o, i)) != 0)
			return false;
	return strcmp(x->key_name, o->cert_key ? o->cert_key : "") == 0;
}

static int marks_take(const struct dir_options *o, struct mark marks[FILES], struct err *err)
{
	static const char *const names[FILES] = { "ca_file", "cert_file", "key_file" };

	/* compared as bytes */
	memset(marks, 0, FILES * sizeof(*marks));
	for (int i = 0; i < FILES; i++) {
		struct stat st;

		if (!path_of(o, i)[0])
			continue;
		if (access(path_of(o, i), R_OK) < 0 || stat(path_of(o, i), &st) < 0)
			return err_errno(err, ERR_CONFIG, errno, "%s %s cannot be read",
					 names[i], path_of(o, i));
		marks[i].dev = st.st_dev;
		marks[i].ino = st.st_ino;
		marks[i].size = st.st_size;
		marks[i].written = st.st_mtim;
		marks[i].changed = st.st_ctim;
	}
	if (o->cert_key) {
		struct kept *k;

		pthread_mutex_lock(&lock);
		k = key_find(o->cert_key);
		marks[KEY].size = k ? k->turn : 0;
		pthread_mutex_unlock(&lock);
	}
	return 0;
}

static int handle_set(LDAP *ld, int demand, struct err *err)
{
	int least = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;

	if (ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) != 0 ||
	    ldap_set_option(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &least) != 0)
		return err_set(err, ERR_INTERNAL, "libldap does not take its TLS settings");
	return 0;
}

/* What libldap loses here is its own fault, and as often as files change: a leak checker that
 * looks for ours need not hear of it. */
static int newctx(LDAP *ld)
{
	int client = 0, rc;

#ifdef __SANITIZE_ADDRESS__
	__lsan_disable();
#endif
	rc = ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &client);
#ifdef __SANITIZE_ADDRESS__
	__lsan_enable();
#endif
	return rc;
}

static int context_fill(struct context *x, const struct dir_options *o, struct err *err)
{
	CLEANUP(lent_done) struct lent key = { .fd = -1 };
	int r;

	x->key_name = str_dup(str_of(o->cert_key ? o->cert_key : ""));
	if (!x->key_name)
		return err_nomem(err);
	for (int i = 0; i < FILES; i++) {
		x->path[i] = str_dup(str_of(path_of(o, i)));
		if (!x->path[i])
			return err_nomem(err);
	}
	if (ldap_initialize(&x->owner, "ldap://127.0.0.1") != LDAP_SUCCESS)
		return err_nomem(err);
	r = handle_set(x->owner, LDAP_OPT_X_TLS_DEMAND, err);
	if (r == 0 && o->cert_key)
		r = lend(o->cert_key, &key, err);
	if (r < 0)
		return r;
	if (ldap_set_option(x->owner, LDAP_OPT_X_TLS_CACERTFILE, x->path[CA]) != 0 ||
	    ldap_set_option(x->owner, LDAP_OPT_X_TLS_CERTFILE, x->path[CERT]) != 0 ||
	    ldap_set_option(x->owner, LDAP_OPT_X_TLS_KEYFILE,
			    o->cert_key ? key.path : x->path[KEY]) != 0)
		return err_set(err, ERR_INTERNAL, "libldap does not take its TLS settings");
	/* without NEWCTX libldap would silently use the global context */
	if (newctx(x->owner) != 0 ||
	    ldap_get_option(x->owner, LDAP_OPT_X_TLS_CTX, &x->ctx) != 0 || !x->ctx)
		return err_set(
			err, ERR_CONFIG,
			"ca_file %s holds no certificate that can be used: PEM is expected",
			o->ca_file);
	atomic_fetch_add(&made, 1);
	return 0;
}

static int context_new(const struct dir_options *o, const struct mark marks[FILES],
		       struct context **ret, struct err *err)
{
	CLEANUP(context_free_at) struct context *x = NULL;
	int64_t ends_ms = STAMP_NEVER;
	int r = o->cert_file ? own_check(o, &ends_ms, err) : 0;

	if (r < 0)
		return r;
	x = calloc(1, sizeof(*x));
	if (!x)
		return err_nomem(err);
	x->ends_ms = ends_ms;
	memcpy(x->mark, marks, sizeof(x->mark));
	r = context_fill(x, o, err);
	if (r == 0)
		*ret = TAKE(x);
	return r;
}

/* Under the lock. Takes the old one of these files out, and gives it to the caller. */
static struct context *context_out(const struct dir_options *o)
{
	for (struct context **at = &contexts; *at; at = &(*at)->next)
		if (same_paths(*at, o)) {
			struct context *x = *at;

			*at = x->next;
			return x;
		}
	return NULL;
}

/* Under the lock: a handle that gets the context takes a reference of its own. False when there
 * is none of these files as they are, or our certificate ended since. */
static bool context_give(LDAP *ld, const struct dir_options *o, const struct mark marks[FILES],
			 int *rc)
{
	for (struct context *x = contexts; x; x = x->next)
		if (same_paths(x, o) && memcmp(x->mark, marks, sizeof(x->mark)) == 0 &&
		    x->ends_ms > stamp_now_ms()) {
			*rc = ldap_set_option(ld, LDAP_OPT_X_TLS_CTX, x->ctx);
			return true;
		}
	return false;
}

int dir_tls_set(struct ldap *ld, const struct dir_options *o, struct err *err)
{
	CLEANUP(context_free_at) struct context *old = NULL;
	struct context *fresh = NULL;
	struct mark marks[FILES];
	bool given;
	int rc = 0, r = marks_take(o, marks, err);

	if (r == 0)
		r = handle_set(ld, LDAP_OPT_X_TLS_DEMAND, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&lock);
	given = context_give(ld, o, marks, &rc);
	pthread_mutex_unlock(&lock);
	if (!given) {
		r = context_new(o, marks, &fresh, err);
		if (r < 0)
			return r;
		pthread_mutex_lock(&lock);
		old = context_out(o);
		fresh->next = contexts;
		contexts = fresh;
		given = context_give(ld, o, marks, &rc);
		pthread_mutex_unlock(&lock);
	}
	/* without one libldap would take the global context, which trusts others */
	if (!given)
		return err_set(
			err, ERR_CONFIG,
			"the certificate in cert_file %s has just ended: put a new one there",
			o->cert_file);
	return rc == 0 ? 0
		       : err_set(err, ERR_INTERNAL, "libldap does not take its TLS settings");
}

int dir_tls_look(struct ldap *ld, struct err *err)
{
	int r = handle_set(ld, LDAP_OPT_X_TLS_NEVER, err);

	if (r == 0 && newctx(ld) != 0)
		r = err_set(err, ERR_INTERNAL, "libldap does not take its TLS settings");
	return r;
}
