/*
 * Bodies that were sent lately, kept to be sent again: of GETs of one User, and of lists that
 * ask for one by userName. A client that walks over its people asks for each of them again and
 * again, and most of them are what they were.
 *
 * A body is sent again only while the backend knows that all it was made of stands as it was
 * read (scim_backend.still), so that whoever got the answer to a write never sees what was
 * before it. Bounded by bytes; what nobody asked for lately goes first. Any thread.
 */
#ifndef SCIM_SHELF_H
#define SCIM_SHELF_H

#include "scim/backend.h"
#include "scim/codec.h"

#define SHELF_BODY_MOST 32768 /* longer bodies are not kept */
#define SHELF_KEY_BYTES 16

struct shelf;

struct shelf_key {
	unsigned char b[SHELF_KEY_BYTES];
};

int shelf_new(struct shelf **ret, size_t most_bytes, struct err *err) MUST_USE;
void shelf_free(struct shelf *s);
OWNED(struct shelf, shelf_free)

/* Of a request as it was sent; what differs in Accept alone has the same body. */
void shelf_key(const struct shelf *s, int64_t source, struct str path, struct str query,
	       struct shelf_key *ret);
/* Adds the body to *into. *tag: of the User; version 0: of a list. False: it is not there, or
 * no longer so; *into is as it was, or has a fault. */
bool shelf_find(struct shelf *s, const struct shelf_key *key,
		const struct scim_backend *backend, struct buf *into, struct codec_tag *tag);
/* Without memory, or where it is longer than may be, nothing is kept. */
void shelf_keep(struct shelf *s, const struct shelf_key *key, const struct scim_fresh *fresh,
		struct codec_tag tag, struct str body);
/* Memory that it takes now. */
size_t shelf_bytes(struct shelf *s);

#endif
