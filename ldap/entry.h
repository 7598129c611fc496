/*
 * An entry as it came, and its values: texts, ids, flags, days.
 *
 * struct dir_entry borrows from the LDAPMessage that it was read from: nothing is copied, and
 * its arrays are used again for the next entry. Decoders are pure.
 */
#ifndef LDAP_ENTRY_H
#define LDAP_ENTRY_H

#include "base/buf.h"
#include "base/vec.h"

struct ldap;    /* LDAP */
struct ldapmsg; /* LDAPMessage */

#define DIR_VALUE_MAX_BYTES 8192 /* longer texts are not taken: the attribute is unknown */
#define DIR_VALUES_MAX 2048      /* more values of one attribute likewise */
#define DIR_ID_BYTES 256         /* room for an id in text with its NUL */
#define DIR_SID_BYTES 190        /* S-1-... with 15 sub-authorities */

VEC(dir_values, struct str);

struct dir_attr {
	struct str name;    /* without options */
	struct str options; /* "range=0-1499", "binary", or empty */
	size_t first, n;    /* where its values stand in values.v */
};
VEC(dir_attrs, struct dir_attr);

struct dir_entry {
	struct str dn;
	struct dir_attrs attrs;
	struct dir_values values;
	/* All of it as it came, lengths between the texts: two entries are the same when this
	 * is.
	 */
	struct str bytes;
};

/*
 * Reads message, an entry, into *ret (zeroed before its first use). Decoding is in place: the
 * message can be read once only, entry controls before (libldap overwrites their tags).
 * Fault: PROTOCOL when it does not decode, NOMEM.
 */
int dir_entry_read(struct ldap *ld, struct ldapmsg *message, struct dir_entry *ret,
		   struct err *err) MUST_USE;
void dir_entry_done(struct dir_entry *e);

/* By name, ASCII case ignored, an attribute without options before one with; NULL if it is not
 * there. *values is set to its first value. */
const struct dir_attr *dir_entry_attr(const struct dir_entry *e, struct str name,
				      const struct str **values);
/* The first value; false if there is none. */
bool dir_entry_first(const struct dir_entry *e, const char *name, struct str *ret);

/* --- values --- */

enum dir_id_form {
	DIR_ID_UUID, /* text, 36 characters: entryUUID, ipaUniqueID */
	DIR_ID_GUID, /* 16 bytes, the first three groups little-endian: objectGUID */
	DIR_ID_RAW,  /* 16 bytes in order: eDirectory's GUID */
	DIR_ID_UNIQ, /* 8-8-8-8 hex digits: nsUniqueId */
	DIR_ID_TEXT, /* any other attribute an operator names */
};

/* The id in its one text form (lower-case hex; TEXT as it is). False if it is not one. */
bool dir_id_text(enum dir_id_form form, struct str raw, char ret[DIR_ID_BYTES]);
/* "(attr=value)" that finds it, escaped, added to *into. False when text is not such an id. */
bool dir_id_filter(enum dir_id_form form, const char *attr, struct str text, struct buf *into);

/* TRUE or FALSE in any case (RFC 4517 3.3.3 wants upper, servers differ). */
bool dir_flag(struct str raw, bool *ret);
/* A signed 32-bit decimal such as userAccountControl. */
bool dir_bits(struct str raw, uint32_t *ret);
/* Days since 1970 as in shadow(5), to ms: -1 gives STAMP_NEVER. 0 is refused: shadow(5) calls
 * its meaning undefined. */
bool dir_shadow_day(struct str raw, int64_t *ret_ms);
/* A binary SID to "S-1-5-21-...". */
bool dir_sid_text(struct str raw, char ret[DIR_SID_BYTES]);

/* Whether raw may become a text of a document: UTF-8, within DIR_VALUE_MAX_BYTES, no control
 * characters but tab and line ends. */
bool dir_text_ok(struct str raw);

/* Adds value escaped for a filter (RFC 4515) to *into. */
void dir_filter_escape(struct str value, struct buf *into);
/* Whether text is one filter of RFC 4515, whole. Fault: CONFIG naming the byte offset. */
int dir_filter_check(struct str text, struct err *err) MUST_USE;
/* An attribute's name: a letter, then letters, digits and hyphens; or a dotted OID. */
bool dir_attr_name_ok(struct str name);

#endif
