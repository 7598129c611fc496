/*
 * From kept bytes to a sent resource and back.
 *
 * Kept bytes lack what is spliced in when they are sent: "members" of a group or "groups" of a
 * user, and "meta". Without a projection the kept bytes are copied as they are.
 */
#ifndef SCIM_CODEC_H
#define SCIM_CODEC_H

#include "base/vec.h"
#include "model/schema.h"
#include "scim/backend.h"

/* --- projections: RFC 7644 section 3.9 ------------------------------------------------------
 */

VEC(codec_paths, struct path);

/* What of a resource is wanted. Zeroed: all that is returned by default. */
struct codec_projection {
	bool only;  /* paths are the attributes wanted, else the excluded ones */
	bool given; /* a parameter was there (PATCH then answers 200) */
	struct codec_paths paths;
};

/* Adds names from a comma list; names that no schema knows are ignored. */
int codec_projection_add(struct codec_projection *p, struct str list, enum path_dialect dialect,
			 struct err *err) MUST_USE;
void codec_projection_done(struct codec_projection *p); /* NULL and twice are fine */
/* Whether anything of a top-level attribute is wanted: whether members must be loaded. */
bool codec_wants(const struct codec_projection *p, const char *name);

/* --- sending --------------------------------------------------------------------------------
 */

/*
 * What a resource's entity-tag says: its own version and, of a user who is sent with groups, a
 * mark of these. They are no part of what is kept, so that its version stands still when a
 * group takes somebody in or is renamed; but whoever has the answer from before has another
 * one.
 */
struct codec_tag {
	uint64_t version;
	uint64_t groups; /* 0: sent without any */
};

/* linked: as for codec_send(). The same over restarts. */
struct codec_tag codec_tag_of(const struct scim_row *row, struct str linked);
/* W/"3", or W/"3.9e107d9d372bb682" */
void codec_etag(struct codec_tag tag, char ret[SCIM_ETAG_BYTES]);
/* Adds BASE/Users/ID. base: "https://host/scim/v2/idp". */
void codec_location(struct buf *into, const char *base, enum scim_type type, struct str id);

/* Adds one element of "members" (of a Group) or "groups" (of a User), with a comma if
 * *into is not empty. type: whose list it is. */
void codec_linked(struct buf *into, const char *base, enum scim_type type,
		  const struct scim_member *member);

/*
 * Adds the resource as it is sent. linked: elements of "members" or "groups" as
 * codec_linked() made them, left out if empty. projection may be NULL.
 */
int codec_send(struct buf *into, const struct scim_row *row, const char *base,
	       struct str linked, const struct codec_projection *projection, struct err *err)
	MUST_USE;

/* --- keeping --------------------------------------------------------------------------------
 */

const struct schema *codec_schema(enum scim_type type);
enum path_dialect codec_dialect(unsigned types);
/* The bytes to be kept of a clean document (validate_order()) that has its id. *into is
 * initialised here and the caller's to buf_done(), also after a fault. */
int codec_keep(struct buf *into, const json_t *doc, struct err *err) MUST_USE;
/* What a resource is unique by: userName as str_user_name(), displayName as str_fold() prepares
 * it. *ret is new. */
int codec_name(const json_t *doc, enum scim_type type, char **ret, size_t *ret_len,
	       struct err *err) MUST_USE;

#endif
