/*
 * How to ask a directory what changed: which ways its kind, controls and schema offer, and why
 * one was chosen: a table. Whatever is chosen, a delta only says whom to read again
 * (ldap/source.h); the full read is the truth.
 */
#ifndef LDAP_STRATEGY_H
#define LDAP_STRATEGY_H

#include "ldap/rootdse.h"

struct dir_schema; /* ldap/schema.h */

enum dir_strategy {
	DIR_FULL,     /* no deltas: read all and compare */
	DIR_STAMP,    /* modifyTimestamp with an overlap */
	DIR_SYNCREPL, /* RFC 4533 content synchronisation, refreshOnly */
	DIR_DIRSYNC,  /* AD's DirSync control */
	DIR_USN,      /* AD's uSNChanged on one domain controller */
	DIR_ENTRYUSN, /* 389 DS's entryusn */
	DIR_STRATEGY_COUNT
};

struct dir_strategy_trait {
	const char *word;  /* "syncrepl": in settings, cursors and JSON */
	const char *title; /* for sentences */
	/* It names who is gone by itself; else all ids are read beside (the sweep). */
	bool names_gone;
	const char *blind; /* what it never shows, for doctor */
};
extern const struct dir_strategy_trait dir_strategy_traits[DIR_STRATEGY_COUNT];

/* "auto" first, then the words in their order; NULL-terminated: for the key table. */
extern const char *const dir_strategy_words[];

/* The attribute that this way goes by; NULL: none that a schema tells of. *ordered: it is asked
 * for what is newer. */
const char *dir_strategy_attr(enum dir_strategy strategy, enum dir_kind kind, bool *ordered);

/* NULL when this server can be asked so, as far as it tells; else why not. schema may be NULL:
 * not looked at. */
const char *dir_strategy_lacks(const struct dir_rootdse *dse, const struct dir_schema *schema,
			       enum dir_strategy strategy, char room[160]);

/*
 * Chooses by kind, root DSE and schema; wanted is dir_options.delta. why gets a sentence. A
 * wanted strategy that this server cannot do is DIR_FULL, and why says so.
 */
enum dir_strategy dir_strategy_judge(const struct dir_rootdse *dse,
				     const struct dir_schema *schema, int wanted,
				     char why[160]);
/* The same before the schema was looked at. */
enum dir_strategy dir_strategy_choose(const struct dir_rootdse *dse, int wanted, char why[160]);

#endif
