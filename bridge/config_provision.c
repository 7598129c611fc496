#include "bridge/config_provision.h"

#include <ctype.h>
#include <stddef.h>

#include "base/stamp.h"
#include "bridge/config.h"
#include "reconcile/policy.h"

/* clang-format off */
#define ROW(n, t, st, f, ...) { .name = n, .type = t, .offset = offsetof(struct st, f), __VA_ARGS__ }
#define WITHIN(l, m) .least = (l), .most = (m)

static const struct conf_key group_keys[] = {
	ROW("name", CONF_TEXT, policy_provision_group_conf, name, .preset = "!", WITHIN(1, 255),
	    .help = "name of the group at Atlassian; it is made where it is not there, never renamed"),
	ROW("when", CONF_TEXT, policy_provision_group_conf, when, .preset = "!",
	    .help = "who is in it: a filter over the person, such as enterprise.department eq \"Sales\""),
	ROW("overlap", CONF_MS, policy_provision_group_conf, overlap_ms, .preset = "0", WITHIN(0, 366 * STAMP_DAY_MS),
	    .help = "who is not any more stays in it so long after that was first seen; 0: leaves at once"),
	{ 0 }
};

const struct conf_key config_provision_keys[] = {
	ROW("directory", CONF_TEXT, config_provision, scim.directory, WITHIN(1, 128),
	    .help = "id in the directory base URL of the identity provider's connection; left out: nothing is "
		    "provisioned"),
	ROW("key", CONF_TEXT, config_provision, scim.key,
	    .help = "name of a secret: the directory's SCIM key"),
	ROW("base_url", CONF_TEXT, config_provision, scim.base_url,
	    .help = "left out: base_url of cloud"),
	ROW("page_size", CONF_INT, config_provision, scim.page_size, .preset = "100", WITHIN(1, 100),
	    .help = "records asked for at once"),
	ROW("issuer", CONF_TEXT, config_provision, issuer,
	    .help = "the source whose externalId (else immutable key) is given as externalId; left out: none is"),
	ROW("scope", CONF_TEXT, config_provision, scope,
	    .help = "who is told of, if active: a filter over the person; left out: everybody"),
	ROW("groups", CONF_ITEMS, config_provision, groups, .sub = group_keys,
	    .sub_size = sizeof(struct policy_provision_group_conf), WITHIN(0, 200),
	    .help = "groups that follow attributes; others are left alone"),
	ROW("preboard", CONF_MS, config_provision, preboard_ms, .preset = "0", WITHIN(0, 30 * STAMP_DAY_MS),
	    .help = "so long before employment.startDate begins, where the person is, people are told of; 0s: from "
		    "their first day only"),
	ROW("automatic", CONF_BOOL, config_provision, automatic, .preset = "false",
	    .help = "true: in mode act the policy approves joiners, updates and groups; never who comes back"),
	{ 0 }
};
/* clang-format on */

static bool id_is_good(const char *id)
{
	for (; *id; id++)
		if (!isalnum((unsigned char)*id) && *id != '-')
			return false;
	return true;
}

void config_provision_check(struct config *c, struct config_org *org,
			    struct conf_faults *faults)
{
	struct config_provision *p = &org->provision;

	if (!p->scim.directory) {
		if (p->scim.key || p->issuer || p->scope || p->groups.n)
			conf_fault(faults, &p->mark, "directory",
				   "found nothing, expected the id of the provisioning "
				   "directory, or no section provisioning");
		return;
	}
	if (!id_is_good(p->scim.directory))
		conf_fault(faults, &p->mark, "directory",
			   "\"%s\": expected the id alone, as it stands at the end of the "
			   "directory base URL",
			   p->scim.directory);
	if (!p->scim.key)
		conf_fault(faults, &p->mark, "key",
			   "found nothing, expected the name of the secret that holds the "
			   "directory's SCIM key: the organisation's key does not open it");
	if (p->issuer && !config_source(c, p->issuer))
		conf_fault(faults, &p->mark, "issuer",
			   "\"%s\" is no source: expected a name from sources", p->issuer);
}

int config_provision_policy(const struct config *c, struct policy_conf *policy,
			    struct policy_provision_conf **ret, struct err *err)
{
	struct policy_provision_conf *v = calloc(c->organisations.n + 1, sizeof(*v));
	size_t n = 0;

	if (!v)
		return err_nomem(err);
	for (size_t i = 0; i < c->organisations.n; i++) {
		const struct config_org *org = config_org_at(c, i);
		const struct config_provision *p = &org->provision;

		if (!p->scim.directory)
			continue;
		v[n++] = (struct policy_provision_conf){ .mark = p->mark,
							 .org = org->name,
							 .issuer = p->issuer,
							 .scope = p->scope,
							 .groups = p->groups.v,
							 .group_count = p->groups.n,
							 .preboard_ms = p->preboard_ms,
							 .automatic = p->automatic };
	}
	policy->provision = v;
	policy->provision_count = n;
	*ret = v;
	return 0;
}
