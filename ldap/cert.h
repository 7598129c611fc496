/*
 * Why a server's certificate was not accepted, read from the certificate. libldap with GnuTLS
 * says "(unknown error code)" to all causes alike. Pure; nothing is ever trusted by it.
 */
#ifndef LDAP_CERT_H
#define LDAP_CERT_H

#include "base/stamp.h"
#include "base/str.h"

struct dir_cert {
	int64_t from_ms, until_ms; /* validity */
	char names[160];           /* its DNS names, with commas between, cut */
	bool host_named;           /* the host asked for is among its names and addresses */
};

/* Reads an X.509 certificate (RFC 5280) in DER as far as needed; host as in the URL. False if
 * it is none. */
bool dir_cert_read(struct str der, const char *host, struct dir_cert *ret);

/* Adds why a verifying client refuses it at now_ms: "its certificate ended at ...". */
struct buf;
void dir_cert_explain(const struct dir_cert *cert, const char *host, const char *ca_file,
		      int64_t now_ms, struct buf *into);

#endif
