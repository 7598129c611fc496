/*
 * TLS of connections to directories: whom they trust, and the certificate that they show.
 *
 * libldap makes a context for each connection that has settings of its own, and loses our
 * certificate and key with each (about 20 KB). So there is one context for each set of files,
 * shared by all connections that name it, and made anew when one of the files has changed.
 *
 * libldap takes a key from a file alone, so one from the vault is lent to it as one in memory,
 * which is overwritten as soon as it was read.
 *
 * Safe on every thread.
 */
#ifndef LDAP_TLS_H
#define LDAP_TLS_H

#include "ldap/options.h"

struct ldap;
struct secret;

/*
 * Before ld connects. The server's certificate must verify against ca_file, its name is
 * checked, and TLS is 1.2 at least. Faults: CONFIG for files that cannot be used, naming which
 * and why; INTERNAL, NOMEM.
 */
int dir_tls_set(struct ldap *ld, const struct dir_options *o, struct err *err) MUST_USE;
/* For a connection that never binds: verifies nothing, and shows nothing of ours. */
int dir_tls_look(struct ldap *ld, struct err *err) MUST_USE;

/*
 * The key that settings name by cert_key, as PEM from the vault: kept in locked memory until
 * another of that name is given, and wiped then. To be called before a connection is opened
 * with such settings. A new one is taken with the next connection. Faults: CONFIG, NOMEM.
 */
int dir_tls_key(const char *name, const struct secret *pem, struct err *err) MUST_USE;

/* When the certificate that we show ends; DIR_TLS_NONE without one. Faults as dir_tls_set(). */
enum { DIR_TLS_NONE = 1 };
int dir_tls_ends(const struct dir_options *o, int64_t *ret_ms, struct err *err) MUST_USE;

/* Contexts made since the program began: what libldap loses is as many times 20 KB. */
unsigned dir_tls_made(void);

#endif
