/*
 * The configuration of one instance: one YAML file, its sections read by the key tables of the
 * rooms they belong to, then held against each other. A struct config is whole and valid or it
 * does not exist; once read it is never changed, so every thread may look at it.
 *
 * What a person decides at run time (mode of an organisation, readiness of a push source,
 * approvals) is not here: it lives in the store, where it is audited.
 */
#ifndef BRIDGE_CONFIG_H
#define BRIDGE_CONFIG_H

#include <sys/types.h>

#include "atlassian/options.h"
#include "atlassian/site.h"
#include "base/conf.h"
#include "base/cron.h"
#include "base/jx.h"
#include "bridge/config_audit.h"
#include "bridge/config_billing.h"
#include "bridge/config_notices.h"
#include "bridge/config_provision.h"
#include "hr/options.h"
#include "ldap/options.h"

struct policy; /* reconcile/policy.h */

#define CONFIG_SOURCES_MAX 32
#define CONFIG_ORGS_MAX 32
#define CONFIG_SITES_MAX 32 /* of one organisation */

enum config_source_kind { CONFIG_SCIM, CONFIG_LDAP, CONFIG_FILE };
enum config_source_role { CONFIG_HR, CONFIG_DIRECTORY, CONFIG_IDP };
enum config_put { CONFIG_PUT_PROFILE, CONFIG_PUT_KEEP, CONFIG_PUT_CLEAR };
enum config_passphrase { CONFIG_PASSPHRASE_NO, CONFIG_PASSPHRASE_ASK };

enum config_tls_client { CONFIG_TLS_CLIENT_ASK, CONFIG_TLS_CLIENT_REQUIRE };

struct config_instance {
	struct conf_mark mark;
	char *name;
	char *zone;      /* IANA name; where a person and a source have none */
	char *state_dir; /* absolute after config_read() */
};

struct config_log {
	int level; /* enum log_level */
	int form;  /* enum log_form */
};

/* Exactly one of the three is given. */
struct config_master_key {
	struct conf_mark mark;
	char *file;       /* a key file, mode 0600 or 0400 */
	char *credential; /* name of a systemd credential under $CREDENTIALS_DIRECTORY */
	int passphrase;   /* enum config_passphrase */
};

struct config_control {
	struct conf_mark mark;
	char *socket; /* never NULL after config_read(): state_dir/control unless given */
	char *mode;   /* octal text, "0600" */
	char *group;  /* NULL: none; its members may connect */
	mode_t mode_bits;
};

struct config_scim {
	struct conf_mark mark;
	char *listen; /* NULL: no SCIM server */
	char *tls_cert, *tls_key;
	char *tls_client_ca; /* NULL: clients are asked for no certificate */
	int tls_client;      /* enum config_tls_client */
	char *public_url;    /* how identity providers see us: meta.location */
	char *docs_url;      /* documentationUri of ServiceProviderConfig; NULL: none */
	bool open_config;    /* ServiceProviderConfig needs no token */
	struct conf_list trusted_proxies;
	int64_t max_body_bytes;
	int64_t bulk_body_bytes, bulk_operations;
	int64_t map_bytes, cache_bytes;
	int64_t connections, connections_per_address, threads;
	int64_t timeout_ms;
};

/* JSON Web Tokens of an issuer, beside our own tokens. */
struct config_jwt {
	struct conf_mark mark;
	char *issuer; /* NULL: none are taken */
	struct conf_list audience, algorithms, claims, scopes;
	char *jwks_url, *jwks_file, *ca_file, *proxy;
	int64_t skew_ms, keep_ms;
	char *me; /* "CLAIM=ATTRIBUTE", or NULL */
};

/* What only a push source has. */
struct config_push {
	struct conf_mark mark;
	int profile;     /* index into scim_profile_names */
	int put_members; /* enum config_put: what PUT of a group without members means */
	/* Organisations whose externalId this identity provider issues: ids are compared only
	 * within their issuer. Empty: by mail address alone. */
	struct conf_list issuer_for;
	struct conf_list rights;      /* read, write, delete */
	struct conf_list client_cert; /* which certificates count; empty: none is wanted */
	struct config_jwt jwt;
};

/* SCIM_x bits (scim/profile.h) of the profile, and what the source's own keys say otherwise. */
unsigned config_push_profile(const struct config_push *push);

struct config_source {
	struct conf_mark mark;
	char *name;
	int kind;                /* enum config_source_kind */
	int role;                /* enum config_source_role */
	struct dir_options ldap; /* when kind is CONFIG_LDAP */
	struct config_push scim; /* when kind is CONFIG_SCIM */
	struct hr_options file;  /* when kind is CONFIG_FILE */
	int64_t every_ms;        /* 0: schedule.sync_every */
	char *at; /* in place of every: times of cron(5); NULL: schedule.sync_at */
	struct cron at_times;
	int64_t max_age_ms;    /* older accepted reads make the source stale */
	int64_t gone_reads;    /* complete and plausible reads that lacked it */
	int64_t gone_after_ms; /* which they must span */
};

struct config_org {
	struct conf_mark mark;
	char *name;
	struct atl_options cloud;
	struct config_provision provision;
	struct conf_items sites;   /* struct atl_site_options: read, and handed over on */
	struct conf_items billing; /* struct config_billing */
	struct conf_list sources;  /* whose people this organisation has; empty: all */
	int64_t every_ms;          /* 0: schedule.collect_every */
	char *at, *plan_at;        /* NULL: schedule.collect_at, schedule.plan_at */
	struct cron at_times, plan_times;
	int64_t max_age_ms;    /* an older snapshot is read again before a plan */
	int64_t hold_after_ms; /* an older one holds what rests on it */
};

struct config_schedule {
	struct conf_mark mark;
	int64_t sync_every_ms, collect_every_ms, plan_every_ms;
	char *sync_at, *collect_at, *plan_at; /* in place of these: times of cron(5) */
	struct cron sync_times, collect_times, plan_times;
	int64_t jitter_ms;
};

enum config_signed { CONFIG_SIGNED_NEEDED, CONFIG_SIGNED_ALWAYS };

/* Whose word counts: bridge/approvals.h. */
struct config_approvals {
	struct conf_mark mark;
	int is_signed; /* enum config_signed */
	bool single_admin;
	int64_t single_delay_ms;
	char *second_address; /* NULL: none */
};

struct config {
	struct config_instance instance;
	struct config_log log;
	struct config_master_key master_key;
	struct config_control control;
	struct config_scim scim;
	struct conf_items sources;       /* struct config_source, in order of trust */
	struct conf_items organisations; /* struct config_org */
	struct config_schedule schedule;
	struct config_notices notices;
	struct config_approvals approvals;
	struct config_keep keep;
	struct config_again again;
	struct config_audit audit;
	struct config_anchors anchors;
	struct config_retention retention;

	/* Made by config_read(). */
	struct policy *policy; /* bound: the shipped rules and what the file changes of them */
	struct notice_texts *texts; /* of notices */
	char *file;                 /* as given */
	char *db_file;              /* state_dir/leaverd.db */
	char *head_file;            /* state_dir/audit.head: the signed head of the chain */
	struct config_whole *whole; /* config.c's own: the file as it was read */
};

/* bridge/config_push.c: faults of a push source that rows cannot find. */
void config_push_check(struct config *c, const struct config_source *s,
		       struct conf_faults *faults);

/* The rows of the whole file, for conf_walk(); sub tables belong to their rooms. */
extern const struct conf_key config_keys[];

/*
 * Reads file into *ret. All faults of the file are gathered into *faults (may be NULL), those
 * of the cross checks too: names given twice, unknown sources, zones, folders, filter texts.
 * Fault: CONFIG with the first and how many there are. *ret is empty then.
 */
int config_read(const char *file, struct config *ret, struct conf_faults *faults,
		struct err *err) MUST_USE;
/* The same from text that config_show() wrote; name stands for the file. */
int config_read_text(const char *name, struct str text, struct config *ret, struct err *err)
	MUST_USE;
void config_free(struct config *c); /* empty is fine */

/*
 * Which file: given, else $LEAVERD_CONFIG, else ./leaverd.yaml if it is there, else
 * /etc/leaverd/leaverd.yaml. Borrowed or static.
 */
const char *config_find(const char *given);

/* Borrowed; NULL if there is none of that name. */
const struct config_source *config_source(const struct config *c, const char *name);
const struct config_org *config_org(const struct config *c, const char *name);
/* The i-th, in the file's order. */
const struct config_source *config_source_at(const struct config *c, size_t i);
const struct config_org *config_org_at(const struct config *c, size_t i);

/* The i-th site of an organisation; by host, NULL if there is none. */
const struct atl_site_options *config_site_at(const struct config_org *org, size_t i);
const struct atl_site_options *config_site(const struct config_org *org, const char *host);

/* The civil day at an instant in the instance's zone, as a number since 1970. */
int64_t config_day(const struct config *c, int64_t at_ms);

/* Words of the enums above, for people and JSON. */
const char *config_kind_word(int kind);
const char *config_role_word(int role);

/* What the file says of the policy: what config.policy was bound from. Borrowed. */
struct policy_conf;
const struct policy_conf *config_policy_conf(const struct config *c);

/* The whole configuration as YAML, defaults included; secrets are names. */
int config_show(const struct config *c, struct buf *into, struct err *err) MUST_USE;

#endif
