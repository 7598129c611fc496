/*
 * A real slapd for unit tests, started by tests/servers/slapd/ctl in a temporary folder on free
 * loopback ports. Where slapd is missing the test fails: it is never skipped. Unit tests run
 * from the root of the tree.
 */
#ifndef TESTS_LIB_SLAPD_H
#define TESTS_LIB_SLAPD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SLAPD_BASE "dc=example,dc=test"
#define SLAPD_PEOPLE "ou=people," SLAPD_BASE
#define SLAPD_ADMIN "cn=admin," SLAPD_BASE
#define SLAPD_ADMIN_PASSWORD "admin-secret"
#define SLAPD_BRIDGE_PASSWORD "bridge-secret"

struct slapd {
	char dir[96];
	int port; /* ldap; ldaps is the next */
};

/* Starts it with n generated people (0: none). cert: "server", "wrongname" or "expired". Ends
 * the test program with a sentence when it cannot. */
void slapd_start(struct slapd *s, int people, const char *cert);
/* Again with the data it has: live settings are gone, the certificate may be another. */
void slapd_restart(struct slapd *s, const char *cert);
void slapd_stop(struct slapd *s); /* and its folder is gone */

/* Changes entries as dn (LDIF with changetype); false if the server refuses. dn "cn=config"
 * changes its settings until the next start. */
bool slapd_modify(const struct slapd *s, const char *dn, const char *ldif);
/* Puts an access rule before all others of the data's database: "to ATTRS by ...". */
bool slapd_access_first(const struct slapd *s, const char *rule);
bool slapd_access_undo(const struct slapd *s); /* takes the first rule away */

/* What ldapsearch prints as the bridge account: one value a line of attr, sorted; *n lines. The
 * caller frees the lines and the array. NULL when it fails. */
char **slapd_values(const struct slapd *s, const char *base, const char *filter,
		    const char *attr, size_t *n);

/* Two free loopback ports in a row; the first. */
int free_port(void);
/* Runs a program to its end, output to file (NULL: nowhere); its status, or -1. */
int run_program(const char *const argv[], const char *out_file);
/* Starts one that stays, and waits until ready_file is there. */
pid_t run_server(const char *const argv[], const char *ready_file);
void end_server(pid_t pid);

#endif
