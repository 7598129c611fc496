/*
 * The servers of a directory, in the order in which they are tried: those of the settings, or
 * those that a domain names by DNS SRV records (RFC 2782, RFC 2247).
 *
 * DNS is not to be trusted, and need not be: a server that it names counts only if its name
 * stands below the domain of the settings, and its certificate is for that name. So who forges
 * DNS gets no further than who forges an address.
 */
#ifndef LDAP_SRV_H
#define LDAP_SRV_H

#include <stdatomic.h>

#include "base/vec.h"
#include "ldap/options.h"

VEC(dir_servers, char *); /* URLs */
void dir_servers_free(struct dir_servers *s);

/* Once, before any thread. Fault: INTERNAL. */
int dir_servers_start(struct err *err) MUST_USE;

/*
 * *ret (zeroed before) is the caller's to dir_servers_free() in any case. Asks the DNS only
 * where the settings name a domain; at most until until_mono_ms, and until *cancel. Faults:
 * NETWORK (nobody is named, or no nameserver answers), TIMEOUT, CANCELLED, NOMEM, INTERNAL.
 */
int dir_servers_find(const struct dir_options *o, int64_t until_mono_ms,
		     const atomic_bool *cancel, struct dir_servers *ret, struct err *err)
	MUST_USE;

#define DIR_SRV_HOST_BYTES 256

struct dir_srv {
	char host[DIR_SRV_HOST_BYTES];
	uint16_t priority, weight, port;
	bool tls; /* of _ldaps._tcp: TLS at once */
	double place;
};

/*
 * By priority; within one, by lot and weight as RFC 2782 wants it. The lots are drawn from
 * salt, host and port: the same machine always gets the same order, since numbers of changes
 * mean something on one server only, and many machines are spread by weight.
 */
void dir_srv_order(struct dir_srv *v, size_t n, struct str salt);

/* Whether host is a name that may stand in a URL, and is domain or stands below it. */
bool dir_srv_host_ok(struct str host, struct str domain);

#endif
