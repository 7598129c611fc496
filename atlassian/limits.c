#include "atlassian/limits.h"

/* clang-format off */
const struct atl_limit atl_limits[ATL_FAMILY_COUNT] = {
	/*                     name                  most   at_first  of */
	[ATL_ORG_READ]    = { "organisation, reads",  50,   0,        ATL_ORG_READ },
	[ATL_ORG_WRITE]   = { "organisation, writes", 10,   0,        ATL_ORG_WRITE },
	[ATL_LAST_ACTIVE] = { "last active dates",    10,   3,        ATL_LAST_ACTIVE }, /* 200 a minute were measured */
	[ATL_MANAGE]      = { "user management",      10,   0,        ATL_MANAGE },
	[ATL_TOKENS]      = { "API tokens",           50,   0,        ATL_ORG_READ },
	[ATL_EVENTS]      = { "audit events",         50,   0,        ATL_ORG_READ },
};
/* clang-format on */

int atl_limits_register(struct httpc *http, const struct atl_options *o,
			unsigned ret[ATL_FAMILY_COUNT], struct err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < ATL_FAMILY_COUNT; i++) {
		const struct atl_limit *l = &atl_limits[i];
		struct rate_rule rule = {
			.name = l->name,
			.per_second = (double)(o->per_second ? o->per_second : 3),
			.most_per_second = l->most_per_second,
			.burst = (double)(o->at_once ? o->at_once : 1),
			.at_once = (unsigned)(o->at_once ? o->at_once : 1),
		};

		/* Whoever raises per_second has agreed it with Atlassian, or rehearses. */
		if (rule.per_second > rule.most_per_second)
			rule.most_per_second = rule.per_second;
		else if (l->at_first > 0 && rule.per_second > l->at_first)
			rule.per_second = l->at_first;
		if (l->of == i)
			r = httpc_budget(http, &rule, &ret[i], err);
		else
			ret[i] = ret[l->of];
	}
	return r;
}

void atl_limits_drop(struct httpc *http, const unsigned budgets[ATL_FAMILY_COUNT])
{
	for (int i = 0; i < ATL_FAMILY_COUNT; i++)
		if (budgets[i] && atl_limits[i].of == i)
			httpc_budget_drop(http, budgets[i]);
}
