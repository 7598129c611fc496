/*
 * The settings of one directory: what `ldap:` of a source may say, as a key table.
 *
 * The bridge reads the rows with base/conf, calls dir_options_check(), sets name, and from then
 * on the struct is never changed: any thread may read it.
 */
#ifndef LDAP_OPTIONS_H
#define LDAP_OPTIONS_H

#include "base/conf.h"

enum dir_tls {
	DIR_TLS_REQUIRE, /* ldaps://, or ldap:// with StartTLS; ldapi:// needs none */
	DIR_TLS_OFF,     /* ldap:// without TLS, to loopback addresses only */
};

enum dir_auth {
	DIR_AUTH_SIMPLE,   /* bind_dn and bind_password */
	DIR_AUTH_EXTERNAL, /* SASL EXTERNAL: we are who our uid (ldapi://) or our certificate is
			    */
	DIR_AUTH_GSSAPI,   /* Kerberos, below TLS */
};

struct dir_options {
	struct conf_mark mark;
	const char *name; /* the source's name, for sentences; set by the caller, borrowed */
	struct conf_list uris;
	char *domain;                 /* servers by DNS SRV, instead of uris (ldap/srv.h) */
	char *site;                   /* of Active Directory: its servers first; or NULL */
	struct conf_list nameservers; /* for domain; none: the system's */
	int tls;                      /* enum dir_tls */
	int auth;                     /* enum dir_auth */
	char *ca_file;
	char *cert_file, *key_file; /* PEM: our own; NULL: none */
	char *cert_key;             /* name of a secret, instead of key_file */
	char *keytab, *principal;   /* of auth: gssapi; may be NULL */
	char *bind_dn;
	char *bind_password; /* name of a secret */
	char *base;
	char *filter;           /* NULL: the server kind's filter for people */
	char *groups_base;      /* NULL: groups are not read */
	char *groups_filter;    /* NULL: the server kind's groups */
	int64_t delta_every_ms; /* 0: only full reads */
	bool live;              /* be told of changes (ldap/watch.h) */
	int delta;              /* enum dir_strategy of ldap/strategy.h + 1; 0: chosen */
	int kind;               /* 0: detect; else enum dir_kind + 1 */
	char *key;              /* NULL: the kind's immutable id; else an attribute */
	int64_t page_size;
	bool allow_unpaged;
	bool logins;               /* read when people last logged in (ldap/login.h) */
	struct conf_pairs map;     /* SCIM path -> expression (model/maptext.h) */
	struct conf_pairs status;  /* attribute -> "Employee=active, Terminated=disabled" */
	struct conf_list canaries; /* "uid=ada" or "uid=ada has mail, employeeNumber" */
	struct conf_list ignore_referrals; /* DNs below which a referral means nothing to us */
	int64_t minimum;
	int64_t drop_count;
	double drop_share;
	double attribute_drop;
	int64_t connect_timeout_ms, answer_timeout_ms, read_timeout_ms;
	int64_t attempts;
	int64_t max_entries;
	int64_t max_message_bytes;
};

/* Rows of `ldap:`; end with a NULL name. */
extern const struct conf_key dir_option_keys[];

/*
 * What rows cannot say: which keys need each other, which URLs are safe, whether base, filter,
 * map, status and canaries parse. Adds every fault to *faults (may be NULL); 0 without one,
 * else -ERR_CONFIG with the first in *err.
 */
int dir_options_check(const struct dir_options *o, struct conf_faults *faults, struct err *err)
	MUST_USE;

/* Reads "uid=ada has mail, employeeNumber". Texts are borrowed from s; *has is the tail. */
int dir_canary_parse(struct str s, struct str *attr, struct str *value, struct str *has,
		     struct err *err) MUST_USE;

#endif
