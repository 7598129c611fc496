/*
 * The sections `audit:`, `anchors:` and `retention:`: where the audit chain is sent as it
 * grows, where what proves it is kept outside of the database, and how long data of each kind
 * stays.
 */
#ifndef BRIDGE_CONFIG_AUDIT_H
#define BRIDGE_CONFIG_AUDIT_H

#include "base/conf.h"

struct config; /* bridge/config.h */

enum config_audit_form { CONFIG_AUDIT_SYSLOG, CONFIG_AUDIT_CEF };

struct config_audit {
	struct conf_mark mark;
	char *server; /* NULL: nothing is forwarded */
	int form;     /* enum config_audit_form */
	bool bodies;
	int64_t enterprise;
	char *ca_file, *cert_file, *key_file;
	int64_t timeout_ms;
};

/* RFC 3161 */
struct config_stamps {
	struct conf_mark mark;
	char *url; /* NULL: none are asked for */
	char *ca_file, *policy, *folder, *proxy;
	int64_t timeout_ms;
};

struct config_anchors {
	struct conf_mark mark;
	struct config_stamps stamps;
	char *file;   /* NULL: none */
	char *syslog; /* NULL: none */
	struct conf_list mail;
	int64_t every_ms; /* 0: only at the end of runs */
};

/* 0: for ever. */
struct config_retention {
	struct conf_mark mark;
	int64_t audit_ms, journal_ms, reads_ms, activity_ms, tombstones_ms;
};

extern const struct conf_key config_audit_keys[];
extern const struct conf_key config_anchors_keys[];
extern const struct conf_key config_stamps_keys[];
extern const struct conf_key config_retention_keys[];

/* What rows cannot say. */
void config_audit_check(const struct config *c, struct conf_faults *faults);

#endif
