#include "scim/profile.h"

/* clang-format off */
#define PROFILES(X)                                                                                        \
	X("generic",   0)                                                                                  \
	X("entra",     SCIM_EMPTY_PATCH | SCIM_REPLACE_CREATES | SCIM_JSON_TEXT | SCIM_UNIQUE_GROUPS)      \
	X("okta",      SCIM_KEEP_EXTENSIONS | SCIM_KEEP_MEMBERS)                                           \
	X("keycloak",  SCIM_JSON_TEXT | SCIM_KEEP_MEMBERS)                                                 \
	X("onelogin",  SCIM_OLD_URNS)                                                                      \
	/* These need no tolerance that everybody does not have; their cases are                           \
	 * tests/data/scim/play/others.json. */                                                            \
	X("ping",      0)                                                                                  \
	X("jumpcloud", 0)                                                                                  \
	X("google",    0)                                                                                  \
	X("sailpoint", 0)                                                                                  \
	X("authentik", 0)
/* clang-format on */

#define NAME(name, bits) name,
#define ROW(name, bits) { name, bits },

const char *const scim_profile_names[SCIM_PROFILE_COUNT + 1] = { PROFILES(NAME) NULL };

static const struct {
	const char *name;
	unsigned bits;
} rows[] = { PROFILES(ROW) };

_Static_assert(COUNT_OF(rows) == SCIM_PROFILE_COUNT, "each profile has a name");

bool scim_profile(struct str name, unsigned *ret)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (!str_eq(name, str_of(rows[i].name)))
			continue;
		*ret = rows[i].bits;
		return true;
	}
	return false;
}
