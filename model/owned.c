#include "model/owned.h"

/* clang-format off */
const struct owned_kind_row owned_kinds[OWNED_KIND_COUNT] = {
	[OWNED_ISSUE]     = { "issue",     "open issue",          "open issues",          true,  STEP_GIVE_ISSUES,     true,  true,  NULL },
	[OWNED_REPORTED]  = { "reported",  "reported issue",      "reported issues",      false, STEP_NOTIFY,          true,  false, NULL },
	[OWNED_FILTER]    = { "filter",    "filter",              "filters",              true,  STEP_GIVE_FILTERS,    true,  false, NULL },
	[OWNED_DASHBOARD] = { "dashboard", "dashboard",           "dashboards",           true,  STEP_GIVE_DASHBOARDS, true,  false, NULL },
	[OWNED_PROJECT]   = { "project",   "project led",         "projects led",         true,  STEP_GIVE_PROJECTS,   true,  false, NULL },
	[OWNED_COMPONENT] = { "component", "component led",       "components led",       true,  STEP_GIVE_COMPONENTS, true,  true,  NULL },
	[OWNED_RULE]      = { "rule",      "automation rule",     "automation rules",     false, STEP_NOTIFY,          true,  false,
			      "name another owner and actor in the automation settings: what runs as a blocked account may fail" },
	[OWNED_SPACE]     = { "space",     "Confluence space",    "Confluence spaces",    false, STEP_NOTIFY,          false, false,
			      "name another owner in each space's settings" },
};
/* clang-format on */

bool owned_kind_of(struct str word, enum owned_kind *ret)
{
	for (int i = 0; i < OWNED_KIND_COUNT; i++) {
		if (!str_eq(word, str_of(owned_kinds[i].word)))
			continue;
		*ret = (enum owned_kind)i;
		return true;
	}
	return false;
}
