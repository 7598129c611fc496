/*
 * The `provisioning:` section of an organisation: its SCIM directory at Atlassian, and whom it
 * is told of. What is about people becomes a part of the policy, so that scope and groups are
 * bound, and their faults told, with the rules.
 */
#ifndef BRIDGE_CONFIG_PROVISION_H
#define BRIDGE_CONFIG_PROVISION_H

#include "atlassian/provision.h"
#include "base/conf.h"

struct config; /* bridge/config.h */
struct config_org;
struct policy_conf;
struct policy_provision_conf;

struct config_provision {
	struct conf_mark mark;
	struct atl_provision_options scim; /* .directory NULL: there is none */
	char *issuer;                      /* the source whose ids are the externalIds */
	char *scope;                       /* filter; NULL: whoever is active */
	struct conf_items groups;          /* struct policy_provision_group_conf */
	int64_t preboard_ms; /* so long before their first day people are told of */
	bool automatic;
};

extern const struct conf_key config_provision_keys[];

/* What rows cannot say: that key and issuer are there, and ids well formed. */
void config_provision_check(struct config *c, struct config_org *org,
			    struct conf_faults *faults);
/* Hands the policy whom each organisation's directory is told of. *ret is the caller's to
 * free() once the policy was bound. NOMEM. */
int config_provision_policy(const struct config *c, struct policy_conf *policy,
			    struct policy_provision_conf **ret, struct err *err) MUST_USE;

#endif
