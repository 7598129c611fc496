/*
 * Evidence packs, the daemon's side: what a run or a span of time came to, as files in a folder
 * of the instance, with a signed manifest (bridge/pack.h). The client fetches the files and
 * then the folder goes.
 *
 * The signing key is Ed25519, from a seed made of the vault's seed of the audit head (keyed
 * BLAKE2b over a fixed text): no signature of the one can pass for one of the other.
 */
#ifndef BRIDGE_EVIDENCE_H
#define BRIDGE_EVIDENCE_H

#include "base/digest.h"
#include "base/jx.h"
#include "bridge/app.h"

struct evidence_scope {
	int64_t run; /* 0: the span */
	int64_t from_ms, until_ms;
	bool may_see_ends; /* bridge/sealed.h */
};

/*
 * Makes the pack. *ret_id (new) names it for evidence_read() and evidence_drop(); out receives
 * "name" (of the folder it should have), "files" with their sizes, counts, and "chain". Fault:
 * NOT_FOUND for a run that is not there; DAMAGED when the audit chain is; FORBIDDEN for plans
 * with sealed steps: their bytes, which no pack changes, say who is to leave.
 */
int evidence_make(struct app *app, const struct evidence_scope *scope, const char *who,
		  json_t *out, struct err *err) MUST_USE;
/* Up to most bytes of a file of it, from offset on, added to *into. */
int evidence_read(struct app *app, const char *id, const char *file, int64_t offset,
		  size_t most, struct buf *into, struct err *err) MUST_USE;
int evidence_drop(struct app *app, const char *id, struct err *err) MUST_USE;

int evidence_key(struct app *app, unsigned char ret[DIGEST_PUB_BYTES], struct err *err)
	MUST_USE;

#endif
