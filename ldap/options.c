#include "ldap/options.h"

#include <arpa/inet.h>
#include <ldap.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/conf_check.h"
#include "ldap/dn.h"
#include "ldap/entry.h"
#include "ldap/mapping.h"
#include "ldap/rootdse.h"
#include "ldap/srv.h"
#include "ldap/strategy.h"

static const char *const tls_words[] = { "require", "off", NULL };
static const char *const auth_words[] = { "simple", "external", "gssapi", NULL };

#define AT(field) offsetof(struct dir_options, field)
#define KIB 1024LL
#define MIB (1024LL * KIB)

/* What is required is said by dir_options_check(): a source that is no directory has no such
 * section, and must not be told that its base is missing. */
const struct conf_key dir_option_keys[] = {
	{ "uris", CONF_LIST, AT(uris), .least = 1, .most = 8, .reload = true,
	  .help = "servers in the order in which they are tried: ldaps://, ldap:// (StartTLS), "
		  "ldapi://" },
	{ "domain", CONF_TEXT, AT(domain), .reload = true,
	  .help = "instead of uris: the servers that the DNS names for it (SRV records)" },
	{ "site", CONF_TEXT, AT(site), .reload = true,
	  .help = "site of Active Directory whose servers of the domain come first" },
	{ "nameservers", CONF_LIST, AT(nameservers), .least = 0, .most = 8, .reload = true,
	  .help = "addresses that are asked about the domain; default: the system's" },
	{ "tls", CONF_ENUM, AT(tls), "require", .words = tls_words, .reload = true,
	  .help = "require, or off: ldap:// in the clear, to loopback addresses only" },
	{ "ca_file", CONF_PATH, AT(ca_file), "/etc/ssl/certs/ca-certificates.crt",
	  .reload = true,
	  .help = "PEM file of the authorities that may have signed the servers' "
		  "certificates" },
	{ "cert_file", CONF_PATH, AT(cert_file), .reload = true,
	  .help = "PEM file of the certificate that we show, then of those that signed it" },
	{ "key_file", CONF_PATH, AT(key_file), .reload = true,
	  .help = "PEM file of its key, without a passphrase and not for everybody to read" },
	{ "cert_key", CONF_SECRET, AT(cert_key), .reload = true,
	  .help = "instead of key_file: name of that key in the vault: leaverd secret set NAME "
		  "<KEY.PEM" },
	{ "auth", CONF_ENUM, AT(auth), "simple", .words = auth_words, .reload = true,
	  .help = "simple: bind_dn and bind_password; external: by our uid over ldapi://, or "
		  "by "
		  "cert_file; gssapi: by Kerberos" },
	{ "keytab", CONF_PATH, AT(keytab), .reload = true,
	  .help = "of gssapi: file with the account's keys; without it the ticket cache of the "
		  "environment" },
	{ "principal", CONF_TEXT, AT(principal), .reload = true,
	  .help = "of gssapi: the account, as in leaverd@EXAMPLE.COM; default: the keytab's "
		  "first" },
	{ "bind_dn", CONF_TEXT, AT(bind_dn), .reload = true,
	  .help = "the account that reads (on AD also name@domain); it needs no right to "
		  "write" },
	{ "bind_password", CONF_SECRET, AT(bind_password), .reload = true,
	  .help = "name of its password in the vault: leaverd secret set NAME" },
	{ "base", CONF_TEXT, AT(base), .reload = true,
	  .help = "where people stand, such as ou=people,dc=example,dc=com" },
	{ "filter", CONF_TEXT, AT(filter), .reload = true,
	  .help = "who of them counts; default: people, in the way of the server's kind" },
	{ "groups_base", CONF_TEXT, AT(groups_base), .reload = true,
	  .help = "where groups stand; without it groups are not read" },
	{ "groups_filter", CONF_TEXT, AT(groups_filter), .reload = true,
	  .help = "which of them count; default: groups, in the way of the server's kind" },
	{ "delta_every", CONF_MS, AT(delta_every_ms), "1min", 0, 86400000, .reload = true,
	  .help = "how often it is asked what changed, between the full reads; 0: never" },
	{ "live", CONF_BOOL, AT(live), "false",
	  .help = "also be told of changes as they happen, over a connection of its own" },
	{ "delta", CONF_ENUM, AT(delta), "auto", .words = dir_strategy_words, .reload = true,
	  .help = "how: auto chooses by the server's kind; full: never" },
	{ "kind", CONF_ENUM, AT(kind), "auto", .words = dir_kind_words, .reload = true,
	  .help = "the server's kind, where detection fails" },
	{ "key", CONF_TEXT, AT(key), .reload = true,
	  .help = "attribute with the immutable id; default: that of the server's kind" },
	{ "page_size", CONF_INT, AT(page_size), "500", 1, 10000, .reload = true,
	  .help = "entries asked for at a time" },
	{ "allow_unpaged", CONF_BOOL, AT(allow_unpaged), "false", .reload = true,
	  .help = "read in one piece from a server that cannot page" },
	{ "map", CONF_MAP, AT(map), .reload = true,
	  .help = "SCIM path: attribute, where the default map does not fit" },
	{ "logins", CONF_BOOL, AT(logins), "false", .reload = true,
	  .help = "read when people last logged in, as employment.lastLogin" },
	{ "status", CONF_MAP, AT(status), .reload = true,
	  .help = "attribute: \"Employee=active, Terminated=disabled\"; others are unknown" },
	{ "canaries", CONF_LIST, AT(canaries), .least = 0, .most = 100, .reload = true,
	  .help = "people who must be seen: \"uid=ada\" or \"uid=ada has mail, "
		  "employeeNumber\"" },
	{ "ignore_referrals", CONF_LIST, AT(ignore_referrals), .least = 0, .most = 20,
	  .reload = true, .help = "parts of the tree whose referrals mean nothing here" },
	{ "minimum", CONF_INT, AT(minimum), "1", 1, 100000000, .reload = true,
	  .help = "fewer people than this are not believed" },
	{ "drop_count", CONF_INT, AT(drop_count), "3", 0, 1000000, .reload = true,
	  .help = "this many fewer people than last time are always believed" },
	{ "drop_share", CONF_SHARE, AT(drop_share), "2 %", .reload = true,
	  .help = "and up to this share of them" },
	{ "attribute_drop", CONF_SHARE, AT(attribute_drop), "20 %", .reload = true,
	  .help = "an attribute that loses more of its people than this is taken to be "
		  "hidden" },
	{ "connect_timeout", CONF_MS, AT(connect_timeout_ms), "10s", 100, 120000,
	  .reload = true, .help = "connect, TLS and bind, for each server" },
	{ "answer_timeout", CONF_MS, AT(answer_timeout_ms), "60s", 100, 600000, .reload = true,
	  .help = "silence of a server during a search" },
	{ "read_timeout", CONF_MS, AT(read_timeout_ms), "30min", 1000, 86400000, .reload = true,
	  .help = "a whole read" },
	{ "attempts", CONF_INT, AT(attempts), "2", 1, 5, .reload = true,
	  .help = "how often a read is started when the connection breaks" },
	{ "max_entries", CONF_INT, AT(max_entries), "2000000", 1, 100000000, .reload = true,
	  .help = "more entries than this end the read" },
	{ "max_message", CONF_BYTES, AT(max_message_bytes), "16MiB", .least = 64 * KIB,
	  .most = 1024 * MIB, .reload = true,
	  .help = "a longer message from the server ends the read" },
	{ 0 }
};

int dir_canary_parse(struct str s, struct str *attr, struct str *value, struct str *has,
		     struct err *err)
{
	struct str rest, a, v;
	size_t at;

	*has = (struct str){ 0 };
	if (!str_cut(str_trim(s), '=', &a, &rest) || !dir_attr_name_ok(str_trim(a)))
		return err_set(err, ERR_CONFIG,
			       "a canary is written attribute=value, such as uid=ada");
	v = rest;
	for (at = 0; at + 5 <= rest.len; at++)
		if (memcmp(rest.p + at, " has ", 5) == 0) {
			v = str_n(rest.p, at);
			*has = str_trim(str_n(rest.p + at + 5, rest.len - at - 5));
			break;
		}
	v = str_trim(v);
	if (v.len == 0 || !dir_text_ok(v))
		return err_set(err, ERR_CONFIG, "a canary needs a value: attribute=value");
	for (struct str list = *has, one; list.len > 0;) {
		str_cut(list, ',', &one, &list);
		if (!dir_attr_name_ok(str_trim(one)))
			return err_set(err, ERR_CONFIG,
				       "behind \"has\", names of attributes are expected, "
				       "with commas between");
	}
	*attr = str_trim(a);
	*value = v;
	return 0;
}

/* --- checks --------------------------------------------------------------------------------
 */

struct check {
	const struct dir_options *o;
	struct conf_check found;
};

static bool loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (!host || strcmp(host, "localhost") == 0)
		return host != NULL;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static inline void urldesc_free_at(LDAPURLDesc **d)
{
	ldap_free_urldesc(*d);
	*d = NULL;
}

static void check_uri(struct check *c, const char *uri)
{
	CLEANUP(urldesc_free_at) LDAPURLDesc *d = NULL;
	bool ipc;

	if (ldap_url_parse(uri, &d) != LDAP_URL_SUCCESS || !d) {
		conf_check_bad(
			&c->found, "uris",
			"%s is not an LDAP URL: ldaps://host, ldap://host or ldapi://path",
			uri);
		return;
	}
	ipc = strcmp(d->lud_scheme, "ldapi") == 0;
	if ((d->lud_dn && d->lud_dn[0]) || d->lud_attrs || d->lud_filter)
		conf_check_bad(
			&c->found, "uris",
			"%s: only scheme, host and port stand here; base and filter have "
			"keys of their own",
			uri);
	if (c->o->tls == DIR_TLS_OFF && strcmp(d->lud_scheme, "ldap") == 0 &&
	    !loopback(d->lud_host))
		conf_check_bad(
			&c->found, "tls",
			"%s would send the password in the clear: use ldaps://, or leave tls "
			"at require for StartTLS",
			uri);
	if (c->o->auth == DIR_AUTH_EXTERNAL && !ipc &&
	    (!c->o->cert_file ||
	     (c->o->tls == DIR_TLS_OFF && strcmp(d->lud_scheme, "ldap") == 0)))
		conf_check_bad(&c->found, "auth",
			       "external needs ldapi://, or TLS with cert_file, not %s", uri);
	if (c->o->auth == DIR_AUTH_GSSAPI && ipc)
		conf_check_bad(&c->found, "auth",
			       "gssapi needs a host whose ticket is asked for, not %s", uri);
	if (!ipc && !(d->lud_host && d->lud_host[0]))
		conf_check_bad(&c->found, "uris", "%s names no host", uri);
}

static void check_bind(struct check *c)
{
	const struct dir_options *o = c->o;

	if (o->auth != DIR_AUTH_GSSAPI && (o->keytab || o->principal))
		conf_check_bad(&c->found, o->keytab ? "keytab" : "principal",
			       "is for auth: gssapi alone");
	if (o->auth != DIR_AUTH_SIMPLE) {
		if (o->bind_dn || o->bind_password)
			conf_check_bad(&c->found, "auth",
				       "%s takes no bind_dn and no bind_password",
				       auth_words[o->auth]);
		return;
	}
	if (!o->bind_dn || !o->bind_dn[0])
		conf_check_bad(&c->found, "bind_dn", "is missing: who reads the directory");
	if (!o->bind_password || !o->bind_password[0])
		conf_check_bad(
			&c->found, "bind_password",
			"is missing: the name of a secret in the vault (without a password the "
			"server would let us in as nobody)");
}

/* Who are the servers, and what we show them. */
static void check_servers(struct check *c)
{
	const struct dir_options *o = c->o;

	if (o->uris.n == 0 && !o->domain)
		conf_check_bad(&c->found, "uris",
			       "is missing: ldaps://host of the directory, or domain");
	if (o->uris.n && o->domain)
		conf_check_bad(&c->found, "domain", "stands beside uris: either, or");
	if (!o->domain && (o->site || o->nameservers.n))
		conf_check_bad(&c->found, o->site ? "site" : "nameservers", "needs domain");
	if (o->domain && !dir_srv_host_ok(str_of(o->domain), str_of(o->domain)))
		conf_check_bad(&c->found, "domain", "%s is no name such as example.com",
			       o->domain);
	if (o->site && !dir_srv_host_ok(str_of(o->site), str_of(o->site)))
		conf_check_bad(&c->found, "site", "%s is no name of a site", o->site);
	if (o->domain && o->tls == DIR_TLS_OFF)
		conf_check_bad(&c->found, "tls",
			       "off is for loopback addresses, and domain names others");
	if (o->domain && o->auth == DIR_AUTH_EXTERNAL && !o->cert_file)
		conf_check_bad(&c->found, "auth",
			       "external needs ldapi://, or TLS with cert_file");
	if (o->key_file && o->cert_key)
		conf_check_bad(&c->found, "cert_key", "stands beside key_file: either, or");
	else if (!o->cert_file != !(o->key_file || o->cert_key))
		conf_check_bad(&c->found,
			       o->cert_file  ? "cert_file"
			       : o->key_file ? "key_file"
					     : "cert_key",
			       "given alone: expected cert_file with key_file or cert_key");
	for (size_t i = 0; i < o->uris.n; i++)
		check_uri(c, o->uris.v[i]);
}

static void check_base(struct check *c)
{
	CLEANUP(buf_done) struct buf dn = { 0 };
	struct err e;

	buf_init(&dn, 4 * DIR_DN_MAX_BYTES);
	if (!c->o->base || !c->o->base[0])
		conf_check_bad(
			&c->found, "base",
			"is missing: where people stand, such as ou=people,dc=example,dc=com");
	else if (dir_dn_normal(str_of(c->o->base), &dn, &e) < 0)
		conf_check_bad(&c->found, "base", "%s", e.text);
	buf_clear(&dn);
	if (c->o->groups_base && dir_dn_normal(str_of(c->o->groups_base), &dn, &e) < 0)
		conf_check_bad(&c->found, "groups_base", "%s", e.text);
	for (size_t i = 0; i < c->o->ignore_referrals.n; i++) {
		buf_clear(&dn);
		if (dir_dn_normal(str_of(c->o->ignore_referrals.v[i]), &dn, &e) < 0)
			conf_check_bad(&c->found, "ignore_referrals", "%s", e.text);
	}
}

static void check_canaries(struct check *c)
{
	struct str attr, value, has;
	struct err e;

	for (size_t i = 0; i < c->o->canaries.n; i++)
		if (dir_canary_parse(str_of(c->o->canaries.v[i]), &attr, &value, &has, &e) < 0)
			conf_check_bad(&c->found, "canaries", "number %zu: %s", i + 1, e.text);
}

/* The map is compiled for one kind only here; default rows never clash with an operator's. */
static void check_map(struct check *c)
{
	CLEANUP(dir_mapping_free_at) struct dir_mapping *m = NULL;
	struct err e;
	int r;

	if (c->o->key && !dir_attr_name_ok(str_of(c->o->key)))
		conf_check_bad(&c->found, "key", "\"%s\" is not an attribute's name",
			       c->o->key);
	r = dir_mapping_new(c->o->kind > 0 ? (enum dir_kind)(c->o->kind - 1) : DIR_OTHER, c->o,
			    &m, &e);
	if (r == -ERR_NOMEM)
		conf_check_nomem(&c->found);
	else if (r < 0)
		conf_check_bad(&c->found, "map", "%s", e.text);
}

int dir_options_check(const struct dir_options *o, struct conf_faults *faults, struct err *err)
{
	struct check c = { .o = o, .found = { .mark = &o->mark, .faults = faults } };
	struct err e;

	check_servers(&c);
	check_bind(&c);
	check_base(&c);
	if (o->filter && dir_filter_check(str_of(o->filter), &e) < 0)
		conf_check_bad(&c.found, "filter", "%s", e.text);
	if (o->groups_filter && dir_filter_check(str_of(o->groups_filter), &e) < 0)
		conf_check_bad(&c.found, "groups_filter", "%s", e.text);
	check_canaries(&c);
	check_map(&c);
	return conf_check_end(&c.found, err);
}
