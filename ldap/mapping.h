/*
 * From an entry to a SCIM User: the default map of each server kind, as rows for model/map,
 * under the operator's `map:`, with the account state on top as `active`.
 *
 * One mapping belongs to one read and its thread. It also counts, for every attribute asked
 * for, how many entries had it: an attribute that an access rule hides is not absent, and a
 * fallen share is how that shows.
 */
#ifndef LDAP_MAPPING_H
#define LDAP_MAPPING_H

#include "ldap/status.h"
#include "ldap/verdict.h"
#include "model/map.h"

struct dir_mapping;

int dir_mapping_new(enum dir_kind kind, const struct dir_options *o, struct dir_mapping **ret,
		    struct err *err) MUST_USE;
void dir_mapping_free(struct dir_mapping *m);
OWNED(struct dir_mapping, dir_mapping_free)

/* The attributes to ask for, NULL-terminated: the key, the map's, the states'. */
char *const *dir_mapping_names(const struct dir_mapping *m);
const char *dir_mapping_key(const struct dir_mapping *m);
enum dir_id_form dir_mapping_key_form(const struct dir_mapping *m);

/* What an attribute of our own making (":mails") is, in words. */
const char *dir_mapping_ours(const char *name);

/* From now on this attribute is unknown in every entry (a canary known to have it does not show
 * it). Names nobody asked for are ignored. */
void dir_mapping_hide(struct dir_mapping *m, struct str name, const char *why);

/* What is hidden, added to *into: with dir_mapping_digest() all that decides what an entry is
 * made into, but for the time. */
void dir_mapping_hidden(const struct dir_mapping *m, struct buf *into);

struct dir_mapped {
	struct map_result map; /* the document's text (model/map.h: borrowed until the next),
				  and what is unknown in it */
	struct dir_status status;
	char key[DIR_ID_BYTES];
};

/* The entry's key in text. Fault: INVALID_VALUE when it has no usable one. */
int dir_mapping_key_of(const struct dir_mapping *m, const struct dir_entry *e,
		       char ret[DIR_ID_BYTES], struct err *err) MUST_USE;
/* Counts the attributes of an entry that needs no mapping, as dir_mapping_apply() does. */
void dir_mapping_count(struct dir_mapping *m, const struct dir_entry *e);

/*
 * Maps one entry. Fault: INVALID_VALUE when it has no usable key (its text names no value);
 * NOMEM. *ret is the caller's to dir_mapped_done().
 */
int dir_mapping_apply(struct dir_mapping *m, const struct dir_entry *e, int64_t now_ms,
		      struct dir_mapped *ret, struct err *err) MUST_USE;
/* The same, with the document as a tree, and fn is told of every row of the map (model/map.h).
 * Counts nothing. */
int dir_mapping_told(struct dir_mapping *m, const struct dir_entry *e, int64_t now_ms,
		     map_step_fn fn, void *ctx, struct dir_mapped *ret, struct err *err)
	MUST_USE;
void dir_mapped_done(struct dir_mapped *m);

/* Starts counting anew. */
void dir_mapping_reset(struct dir_mapping *m);
/* What was counted, added to an empty *into. */
int dir_mapping_stats(const struct dir_mapping *m, struct dir_attr_stats *into, struct err *err)
	MUST_USE;
/* A digest of the question as far as the mapping goes: attributes, rows, states. */
void dir_mapping_digest(const struct dir_mapping *m, struct buf *into);

#endif
