#include "model/provision.h"

/* clang-format off */
const struct provision_attr_row provision_attrs[PROVISION_ATTR_COUNT] = {
/*                             word                from                     object                member              fold */
	[PROVISION_USER_NAME]    = { "userName",          NULL,                    NULL,                 "userName",          true },
	[PROVISION_EMAIL]        = { "email",             NULL,                    NULL,                 NULL,                true },
	[PROVISION_DISPLAY_NAME] = { "displayName",       "displayName",           NULL,                 "displayName",       false },
	[PROVISION_GIVEN_NAME]   = { "givenName",         "name.givenName",        "name",               "givenName",         false },
	[PROVISION_FAMILY_NAME]  = { "familyName",        "name.familyName",       "name",               "familyName",        false },
	[PROVISION_TITLE]        = { "title",             "title",                 NULL,                 "title",             false },
	[PROVISION_DEPARTMENT]   = { "department",        "enterprise.department", PROVISION_ENTERPRISE, "department",        false },
	[PROVISION_TIME_ZONE]    = { "timezone",          "timezone",              NULL,                 "timezone",          false },
	[PROVISION_LANGUAGE]     = { "preferredLanguage", "preferredLanguage",     NULL,                 "preferredLanguage", false },
};
/* clang-format on */

bool provision_attr_of(struct str word, enum provision_attr *ret)
{
	for (int i = 0; i < PROVISION_ATTR_COUNT; i++) {
		if (!str_eq(word, str_of(provision_attrs[i].word)))
			continue;
		*ret = (enum provision_attr)i;
		return true;
	}
	return false;
}
