/*
 * Anchors: what an entry of the audit chain was, said outside of the database (law 8). An
 * anchor is one line:
 *
 *     leaverd-anchor 1 instance=acme seq=41 link=<64 hex> ms=1795338000000 about=run-12
 *         public=<64 hex> sig=<128 hex>
 *
 * in one line, with single blanks; the signature (Ed25519, the key of the signed head) is over
 * the bytes before " sig=". Kept where the machine's administrators cannot change it, a line
 * shows that entry 41 was so when the line was made: whoever rewrites the chain up to there, or
 * cuts it before there, is found by audit_verify_anchors().
 *
 * A file of anchors may hold more than such lines. A line of a log server that has the message
 * somewhere in it, an entry as `leaverd audit export` prints it or as it is forwarded (CEF,
 * structured data) each names a number and a link as well: they are compared too, though
 * nothing signs them.
 */
#ifndef STORE_ANCHOR_H
#define STORE_ANCHOR_H

#include "base/digest.h"
#include "base/vec.h"
#include "store/store.h"

#define ANCHOR_LINE_BYTES 700
#define ANCHOR_FILE_LINE_MAX (4u << 20) /* a longer line of a file is a fault */
#define ANCHOR_INSTANCE_MAX 63

struct anchor {
	int64_t seq, line; /* line: of the file, from 1; 0: it came with a time stamp */
	struct digest link;
	bool is_signed;
};
VEC(vec_anchor, struct anchor);

/* The line for the newest entry, without its end; *ret_seq is its number. about: without
 * blanks. STORE_NOT_FOUND for an empty chain. Fault: SECRET when the vault is not open. */
int anchor_line(struct store *store, const char *instance, const char *about, int64_t now_ms,
		struct buf *into, int64_t *ret_seq, struct err *err) MUST_USE;

/* One line of a file. True when it names an entry; *bad (static, or NULL) when it says it is
 * signed and that is not so by key. */
bool anchor_read_line(struct str line, const unsigned char key[DIGEST_PUB_BYTES],
		      struct anchor *ret, const char **bad);

/* All of a file, by number. Faults: NOT_FOUND, IO; DAMAGED naming the line whose signature does
 * not fit; INVALID_VALUE when nothing in it names an entry. */
int anchor_read_file(const char *path, const unsigned char key[DIGEST_PUB_BYTES],
		     struct vec_anchor *ret, struct err *err) MUST_USE;

/* By number, as audit_verify_kept() wants them. */
void anchor_sort(struct vec_anchor *v);

#endif
