#include "ldap/strategy.h"

#include <stdio.h>

#include "ldap/schema.h"

/* clang-format off */
const struct dir_strategy_trait dir_strategy_traits[DIR_STRATEGY_COUNT] = {
	[DIR_FULL]     = { "full",     "full reads only", false, NULL },
	[DIR_STAMP]    = { "stamp",    "modifyTimestamp with an overlap and a sweep of the ids", false,
			   "states computed by the server, which no stamp follows" },
	[DIR_SYNCREPL] = { "syncrepl", "content synchronisation (RFC 4533)", true,
			   "people whom an access rule has begun to hide, and a renamed parent" },
	[DIR_DIRSYNC]  = { "dirsync",  "DirSync and a sweep of the ids", false,
			   "children of a renamed container" },
	[DIR_USN]      = { "usn",      "uSNChanged and a sweep of the ids", false,
			   "computed attributes, and children of a renamed container" },
	[DIR_ENTRYUSN] = { "entryusn", "entryusn and a sweep of the ids", false,
			   "states computed by roles, which no number follows" },
};

const char *const dir_strategy_words[] = {
	"auto", "full", "stamp", "syncrepl", "dirsync", "usn", "entryusn", NULL
};

/* What a strategy needs of a root DSE, and of the schema: the attribute that it goes by, and
 * whether that is asked for what is newer. */
enum need { NEED_NOTHING, NEED_SYNC, NEED_DIRSYNC, NEED_USN, NEED_ENTRYUSN };
static const struct {
	enum need need;
	const char *lacks;
	const char *attr;
	bool ordered;
} needs[DIR_STRATEGY_COUNT] = {
	[DIR_FULL]     = { NEED_NOTHING, "", NULL, false },
	[DIR_STAMP]    = { NEED_NOTHING, "", "modifyTimestamp", true },
	[DIR_SYNCREPL] = { NEED_SYNC, "the server does not list the control of RFC 4533 (slapd: overlay syncprov)", "entryUUID", false },
	[DIR_DIRSYNC]  = { NEED_DIRSYNC, "the server does not list DirSync", "objectGUID", false },
	[DIR_USN]      = { NEED_USN, "the root DSE shows no highestCommittedUSN and dsServiceName", "uSNChanged", true },
	[DIR_ENTRYUSN] = { NEED_ENTRYUSN, "the root DSE shows no lastusn (389 DS: plug-in USN)", "entryusn", true },
};

/*
 * The first row of the kind whose needs are met is chosen. DIR_KIND_COUNT: any kind.
 *
 * 389 DS is never asked by content synchronisation, though it lists it: its answers always say
 * refreshDeletes FALSE (taken at its word, everybody is gone), carry no operational attribute
 * (so no nsAccountLock), and a cookie older than its log loses changes with success. FreeIPA
 * logs only DNS there.
 */
static const struct choice {
	enum dir_kind kind;
	enum dir_strategy strategy;
	const char *why;
} choices[] = {
	{ DIR_OPENLDAP,   DIR_SYNCREPL, "slapd with syncprov names changes and deletions, also of operational attributes" },
	{ DIR_OPENLDAP,   DIR_STAMP,    "slapd without syncprov stamps each change" },
	{ DIR_AD,         DIR_DIRSYNC,  "DirSync also shows who moved, and needs no right beside reading (object security)" },
	{ DIR_AD,         DIR_USN,      "each change raises uSNChanged on its domain controller" },
	{ DIR_SAMBA,      DIR_DIRSYNC,  "DirSync also shows who moved, and needs no right beside reading (object security)" },
	{ DIR_SAMBA,      DIR_USN,      "each change raises uSNChanged on its domain controller" },
	{ DIR_ADLDS,      DIR_USN,      "each change raises uSNChanged on its server" },
	{ DIR_389,        DIR_ENTRYUSN, "each change raises entryusn; its content synchronisation hides locks and deletions" },
	{ DIR_389,        DIR_STAMP,    "without the USN plug-in only stamps are left; its content synchronisation hides locks and deletions" },
	{ DIR_FREEIPA,    DIR_ENTRYUSN, "each change raises entryusn; its content synchronisation covers DNS only" },
	{ DIR_FREEIPA,    DIR_STAMP,    "its content synchronisation covers DNS only" },
	{ DIR_LLDAP,      DIR_FULL,     "its stamps are no LDAP times" },
	{ DIR_KIND_COUNT, DIR_STAMP,    "modifyTimestamp is what every server has (RFC 4512)" },
};
/* clang-format on */

static bool has_water(const struct dir_rootdse *dse, const char *prefix)
{
	for (size_t i = 0; i < dse->waters.n; i++)
		if (str_istarts(str_of(dse->waters.v[i].name), str_of(prefix)))
			return true;
	return false;
}

static bool met(const struct dir_rootdse *dse, enum need need)
{
	switch (need) {
	case NEED_SYNC:
		return dse->sync;
	case NEED_DIRSYNC:
		return dse->dirsync;
	case NEED_USN:
		return has_water(dse, "usn:");
	case NEED_ENTRYUSN:
		return has_water(dse, "lastusn:");
	case NEED_NOTHING:
		break;
	}
	return true;
}

const char *dir_strategy_attr(enum dir_strategy strategy, enum dir_kind kind, bool *ordered)
{
	*ordered = needs[strategy].ordered;
	/* AD computes modifyTimestamp, and cannot filter by it */
	if (strategy == DIR_STAMP && dir_trait(kind)->tombstones)
		return "whenChanged";
	return needs[strategy].attr;
}

const char *dir_strategy_lacks(const struct dir_rootdse *dse, const struct dir_schema *schema,
			       enum dir_strategy strategy, char room[160])
{
	bool ordered;
	const char *attr = dir_strategy_attr(strategy, dse->kind, &ordered);
	const struct dir_schema_row *row;

	if (!met(dse, needs[strategy].need))
		return needs[strategy].lacks;
	row = attr && schema && schema->seen ? dir_schema_find(schema, attr) : NULL;
	if (!row || (row->known && !(ordered && row->equality && !row->ordering)))
		return NULL;
	if (row->known)
		snprintf(room, 160,
			 "the schema gives %s no ordering rule: it cannot be asked for what is "
			 "newer",
			 attr);
	else
		snprintf(room, 160, "the server's schema knows no %s", attr);
	return room;
}

enum dir_strategy dir_strategy_choose(const struct dir_rootdse *dse, int wanted, char why[160])
{
	return dir_strategy_judge(dse, NULL, wanted, why);
}

enum dir_strategy dir_strategy_judge(const struct dir_rootdse *dse,
				     const struct dir_schema *schema, int wanted, char why[160])
{
	char room[160];
	const char *lacks = NULL;

	if (wanted > 0 && wanted <= DIR_STRATEGY_COUNT) {
		enum dir_strategy s = (enum dir_strategy)(wanted - 1);

		lacks = dir_strategy_lacks(dse, schema, s, room);
		snprintf(why, 160, "%s%.140s",
			 lacks ? "full reads only: " : "the settings say so",
			 lacks ? lacks : "");
		return lacks ? DIR_FULL : s;
	}
	for (size_t i = 0; i < COUNT_OF(choices); i++) {
		const struct choice *c = &choices[i];

		if (c->kind != DIR_KIND_COUNT && c->kind != dse->kind)
			continue;
		lacks = dir_strategy_lacks(dse, schema, c->strategy, room);
		if (lacks)
			continue;
		snprintf(why, 160, "%s", c->why);
		return c->strategy;
	}
	snprintf(why, 160, "%s", lacks ? lacks : "nothing else is known of this server");
	return DIR_FULL;
}
