/*
 * What commands do in their own process: those without a verb, and what is added to a request
 * before it is sent (a secret from stdin, a path made absolute).
 */
#ifndef BRIDGE_LOCAL_H
#define BRIDGE_LOCAL_H

#include "bridge/cli.h"

int local_init(struct cli *cli, const json_t *request, struct err *err);
int local_serve(struct cli *cli, const json_t *request, struct err *err);
int local_config_check(struct cli *cli, const json_t *request, struct err *err);
int local_config_keys(struct cli *cli, const json_t *request, struct err *err);
int local_policy_check(struct cli *cli, const json_t *request, struct err *err);
int local_policy_test(struct cli *cli, const json_t *request, struct err *err);
int local_audit_export(struct cli *cli, const json_t *request, struct err *err);
int local_restore(struct cli *cli, const json_t *request, struct err *err);
int local_help(struct cli *cli, const json_t *request, struct err *err);
int local_version(struct cli *cli, const json_t *request, struct err *err);
int local_completion(struct cli *cli, const json_t *request, struct err *err);

int prepare_secret(struct cli *cli, json_t *request, struct err *err); /* "value" */
int prepare_rekey(struct cli *cli, json_t *request,
		  struct err *err); /* "passphrase", "key_file" */
/* "spool": what stands on stdin, for a source that has no other place to come from. */
int prepare_sync(struct cli *cli, json_t *request, struct err *err);
int prepare_file(struct cli *cli, json_t *request, struct err *err); /* "file" absolute */
int prepare_policy_diff(struct cli *cli, json_t *request, struct err *err); /* and a token */
int prepare_head(struct cli *cli, json_t *request, struct err *err);    /* "head" absolute */
int prepare_ca_file(struct cli *cli, json_t *request, struct err *err); /* "ca_file" absolute */

#endif
