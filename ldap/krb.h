/*
 * Binding by Kerberos: the SASL mechanism GSSAPI (RFC 4752) without a layer of its own, since
 * TLS is below. Tickets are got with the settings' keytab into a cache in our memory, or taken
 * from the cache of the environment; nothing of the process is set for it.
 *
 * libkrb5 waits for its servers as long as it likes, so that is done by a thread that is left
 * behind when the time is over. One bind, one thread.
 */
#ifndef LDAP_KRB_H
#define LDAP_KRB_H

#include <stdatomic.h>

#include "base/buf.h"
#include "ldap/options.h"

struct dir_krb;

/*
 * Gets a ticket for ldap/host. server_cert (DER; may be empty) binds it to the TLS connection
 * (RFC 5929, tls-server-end-point). *ret is new. Faults: UNAUTHORIZED (keytab, principal,
 * clock; the sentence says which), NETWORK (no KDC), TIMEOUT, CANCELLED, NOMEM.
 */
int dir_krb_new(const struct dir_options *o, const char *host, struct str server_cert,
		int64_t until_mono_ms, const atomic_bool *cancel, struct dir_krb **ret,
		struct err *err) MUST_USE;
void dir_krb_free(struct dir_krb *k);
OWNED(struct dir_krb, dir_krb_free)

/* What to send to the server first, and then after each of its answers. *send is emptied. */
int dir_krb_step(struct dir_krb *k, struct str came, struct buf *send, struct err *err)
	MUST_USE;
/* The server proved who it is, and our last step was sent. */
bool dir_krb_done(const struct dir_krb *k);

/* Whose ticket it is, as in leaverd@EXAMPLE.COM: *ret is new, or NULL where it is not told. */
int dir_krb_account(const struct dir_krb *k, char **ret, struct err *err) MUST_USE;

#endif
