/*
 * The form of an evidence pack, and its verification: files, checksums, a manifest, a
 * signature. Needs no store and no vault: whoever has the pack and the public key can verify
 * it.
 *
 * A pack is a folder or a tar of it:
 *
 *     MANIFEST        text: what it is about, then one line a file with its checksums
 *     MANIFEST.sig    text: the Ed25519 signature of MANIFEST's bytes
 *     ...             the files, as MANIFEST lists them
 *
 * MANIFEST:
 *
 *     leaverd-evidence 1
 *     instance NAME
 *     about run 12
 *     made 2026-11-23T09:00:00Z
 *     key <64 hex digits: the public key>
 *     file <64 hex: SHA-256> <128 hex: BLAKE2b-512> <bytes> <name>      ... sorted by name
 *     end <how many files>
 *
 * All of a pack is canonical: each byte of manifest, signature and tar follows from what they
 * say, and is compared. So there is no byte that can change unseen.
 */
#ifndef BRIDGE_PACK_H
#define BRIDGE_PACK_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/vec.h"

#define PACK_MANIFEST "MANIFEST"
#define PACK_SIGNATURE "MANIFEST.sig"
#define PACK_MANIFEST_MOST (16u << 20)
#define PACK_NAME_MOST 99 /* bytes of a file's name, folders included */

struct pack_file {
	char *name;
	unsigned char sha256[32], blake2b[64];
	int64_t bytes;
};
VEC(pack_files, struct pack_file);
void pack_files_free(struct pack_files *f);

struct pack_manifest {
	char *instance, *about;
	int64_t made_ms;
	unsigned char key[DIGEST_PUB_BYTES];
	struct pack_files files;
};
void pack_manifest_done(struct pack_manifest *m);

/* A plain relative name of at most PACK_NAME_MOST bytes, without empty parts, "." and "..". */
bool pack_name_ok(struct str name);
/* Fault: INVALID_VALUE for names that are not pack_name_ok() or not in order. */
int pack_manifest_write(const struct pack_manifest *m, struct buf *into, struct err *err)
	MUST_USE;
/* Fault: DAMAGED. *ret empty then. */
int pack_manifest_read(struct str text, struct pack_manifest *ret, struct err *err) MUST_USE;

void pack_signature_write(const unsigned char key[DIGEST_PUB_BYTES],
			  const unsigned char sig[DIGEST_SIG_BYTES], struct buf *into);
/* Of these bytes by this key. Fault: DAMAGED. */
int pack_signature_check(struct str text, const unsigned char key[DIGEST_PUB_BYTES],
			 struct str manifest, struct err *err) MUST_USE;

/* What `leaverd evidence key` prints, and its reading. Fault: INVALID_VALUE. */
void pack_key_write(const char *instance, const unsigned char key[DIGEST_PUB_BYTES],
		    struct buf *into);
int pack_key_read(struct str text, unsigned char ret[DIGEST_PUB_BYTES], struct err *err)
	MUST_USE;

/* --- tar (POSIX ustar) --- */

#define PACK_TAR_BLOCK 512
/* The header of TOP/name; false when the two do not fit. */
bool pack_tar_header(const char *top, const char *name, int64_t bytes, int64_t made_ms,
		     unsigned char ret[PACK_TAR_BLOCK]);
/* Writes the whole folder, MANIFEST first, as a tar to fd; top is the folder's name in it. */
int pack_tar_write(const char *folder, const char *top, int fd, struct err *err) MUST_USE;

/* --- verification --- */

struct pack_fault {
	char *name; /* which file, or part of the tar */
	char *text;
};
VEC(pack_faults, struct pack_fault);

struct pack_verdict {
	struct pack_manifest manifest; /* empty where it could not be read */
	struct pack_faults faults;     /* empty: all is well */
	int64_t files, bytes;          /* that fit */
	int64_t audit_entries, audit_bodies, audit_forgotten, audit_withheld;
	int64_t plans, values, erased;
	int64_t stamps;      /* time stamps that fit; of them: */
	int64_t stamps_held; /* of an entry of the extract, whose link is theirs */
	int64_t stamps_first_ms, stamps_last_ms;
	char authority[256]; /* who made the last of them */
};
void pack_verdict_done(struct pack_verdict *v);

/*
 * Holds a folder or a tar against the key. 0 when all is well; DAMAGED with the first fault as
 * its sentence, and all of them (at most 1000) in *ret; IO and NOT_FOUND where the pack cannot
 * be read at all. *ret is filled in any case.
 *
 * stamp_ca: PEM of who may vouch for time stamps; CONFIG where it cannot be read. NULL: stamps
 * must fit what they are of and the certificates that came along, whosever these are.
 */
int pack_verify(const char *path, const unsigned char key[DIGEST_PUB_BYTES],
		const char *stamp_ca, struct pack_verdict *ret, struct err *err) MUST_USE;

#endif
