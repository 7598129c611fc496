/*
 * Which server this is and what it can do, read from its root DSE (RFC 4512 5.1), and all that
 * follows from the kind: one table. Everything here is a hint; `kind:` of the settings
 * overrides it, and the reason is kept to be told.
 */
#ifndef LDAP_ROOTDSE_H
#define LDAP_ROOTDSE_H

#include "ldap/entry.h"

enum dir_kind {
	DIR_OTHER,
	DIR_OPENLDAP,
	DIR_389,
	DIR_FREEIPA,
	DIR_AD,
	DIR_SAMBA,
	DIR_ADLDS,
	DIR_EDIRECTORY,
	DIR_ORACLE, /* DSEE, OUD */
	DIR_OPENDJ, /* and Ping, ForgeRock */
	DIR_IBM,
	DIR_APACHEDS,
	DIR_LLDAP,
	DIR_KIND_COUNT
};

/* What is true of a kind. */
struct dir_trait {
	const char *word;  /* "openldap": in settings and JSON */
	const char *title; /* "OpenLDAP": in sentences */
	const char *key;   /* the immutable id's attribute */
	enum dir_id_form key_form;
	const char *people; /* filter for people */
	bool steady_cookie; /* the page cookie names the search, not the place: the same each
			       page */
	bool tombstones;    /* deleted entries stay for a while, marked isDeleted */
};

const struct dir_trait *dir_trait(enum dir_kind kind);
/* The words of the kinds in their order, NULL-terminated, "auto" first: for the key table. */
extern const char *const dir_kind_words[];

/* How far a server's data has come: "csn:001" -> its newest stamp; texts compare in order. */
struct dir_water {
	char *name, *value;
};
VEC(dir_waters, struct dir_water);
void dir_waters_free(struct dir_waters *w);

struct dir_rootdse {
	enum dir_kind kind;
	char why[96];       /* "vendorName is 389 Project" */
	char *vendor;       /* "389 Project 389-Directory/2.3.1", or NULL */
	char *server_id;    /* AD: dsServiceName; else NULL */
	char *schema_dn;    /* subschemaSubentry or NULL */
	char *base_context; /* the naming context that holds the settings' base, or NULL */
	bool paged, domain_scope, show_deleted, whoami, start_tls;
	bool sync,
		dirsync; /* RFC 4533; AD's DirSync: listed, which does not say that they work */
	bool persist, notify; /* persistent search; AD's change notification: listed likewise */
	struct dir_waters waters;
};

/* The attributes to ask a root DSE for; NULL-terminated. */
extern const char *const dir_rootdse_attrs[];

/*
 * Reads the root DSE entry e. base is the settings' base (decides base_context). kind_override
 * is dir_options.kind. *ret is the caller's to dir_rootdse_done(). Fault: NOMEM.
 */
int dir_rootdse_read(const struct dir_entry *e, const char *base, int kind_override,
		     struct dir_rootdse *ret, struct err *err) MUST_USE;
void dir_rootdse_done(struct dir_rootdse *r);

/* Adds the stamps of contextCSN values (an OpenLDAP suffix) to *waters. */
int dir_waters_csn(struct dir_waters *waters, const struct str *csn, size_t n, struct err *err)
	MUST_USE;

#endif
