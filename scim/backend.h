/*
 * The port: what the SCIM server needs from whoever keeps resources. bridge/keeper.c fills it
 * from the store, tests/lib/scim/memory.c from memory.
 *
 * What is kept of a resource, by source, type (User or Group) and id:
 *
 *   bytes     the JSON object that is sent, compact, without "groups", "members" and "meta",
 *             which are spliced in before its last brace; "schemas" first, then "id". It is the
 *             whole document: nothing else of a resource has to be kept for SCIM. Never a
 *             password.
 *   version   a counter: 1 at creation, one more with each visible change of the resource's own
 *             attributes or, for a Group, of its members (never for a User whose groups change)
 *   created_ms, modified_ms   equal until the first change
 *   members   rows (group id, member id, member type), never in bytes
 *   tombstone after DELETE: invisible to everything here, never in conflict with a new resource
 *
 * ids are made here, by the SCIM room (UUID text), unique over all sources and types.
 *
 * Threads. Reads run on any thread, several at once, each on a connection of its own; they see
 * all that was reported by done(). Writes are submitted from any thread and run one by one on
 * the backend's writer thread. Everything "borrowed" is valid during the call only.
 */
#ifndef SCIM_BACKEND_H
#define SCIM_BACKEND_H

#include <jansson.h>

#include "base/enc.h"
#include "model/query.h"
#include "scim/profile.h"

#define SCIM_MARK_BYTES 2048
#define SCIM_ETAG_BYTES 48 /* W/"VERSION.MARK" with its NUL */
#define SCIM_NAME_BYTES 64 /* room for names of sources and tokens with their NUL */

/* What a read or apply answers when there is no such thing: not a fault. SCIM_LATER is an
 * answer of client() alone. */
enum { SCIM_ABSENT = 1, SCIM_LATER = 2 };

enum scim_type { SCIM_USER = 1, SCIM_GROUP = 2, SCIM_ANY = 3 /* find: both; bits */ };

/* What a client's token allows. */
enum { SCIM_MAY_READ = 1, SCIM_MAY_WRITE = 2, SCIM_MAY_DELETE = 4, SCIM_MAY_ALL = 7 };

/* What somebody shows to be let in; all borrowed. */
struct scim_asker {
	struct str source;            /* as the URL names it; may be nobody's name */
	struct str token;             /* never empty, no blanks around it */
	const struct http_cert *cert; /* net/httpd.h; NULL: none that was proved */
	/* NULL: to be answered now. Else client() may answer SCIM_LATER: again(ctx) is then
	 * called once, from any thread, and client() asked anew, without again. */
	void (*again)(void *ctx);
	void *ctx;
};

/* Whom a token opens the door to. Plain data, copied around. */
struct scim_client {
	char source[SCIM_NAME_BYTES]; /* name of the source, as it stands in the URL */
	int64_t source_id;            /* the backend's own */
	char token[SCIM_NAME_BYTES];  /* name of the token: the "who" of the audit chain */
	int64_t token_id;             /* its number; 0: a JWT, whose subject token names */
	unsigned rights;              /* SCIM_MAY_x */
	unsigned profile;             /* SCIM_x bits of scim/profile.h */
	char self[SCIM_NAME_BYTES];   /* id of the User that it is itself: /Me; or "" */
};

/* What a read was made of, in the backend's own numbers: for asking whether it stands as it was
 * (scim_backend.still). Plain data. */
struct scim_fresh {
	bool known; /* false: nobody can say */
	int64_t at;
	uint64_t resource, name;
	bool groups; /* names of its groups are in what was made of it: the SCIM room's to set
		      */
};

/* One resource as a read sees it; all borrowed. */
struct scim_row {
	enum scim_type type;
	struct str id;
	struct str bytes;
	uint64_t version;
	int64_t created_ms, modified_ms;
	struct str
		mark; /* of find: where it stands in the order asked for, in the backend's own
			 bytes, at most SCIM_MARK_BYTES; good for scim_find.from later on */
	bool alone;   /* a User known to be in no group: nobody need ask. False: perhaps */
	struct scim_fresh fresh; /* of get */
};

/* One membership, seen from the group (id, type, display of the member) or from the member (id,
 * display of the group; type SCIM_GROUP). display: displayName, for users without one userName;
 * may be empty. */
struct scim_member {
	struct str id, display;
	enum scim_type type;
};

/* Below zero ends the read with that fault. */
typedef int (*scim_row_fn)(void *arg, const struct scim_row *row, struct err *err);
typedef int (*scim_member_fn)(void *arg, const struct scim_member *member, struct err *err);

/* A page that is asked for. */
struct scim_find {
	unsigned types;             /* SCIM_USER, SCIM_GROUP or SCIM_ANY */
	const struct query *where;  /* NULL: all. Logic QUERY_SCIM; with SCIM_ANY a path that a
				       type does not know is absent there */
	const struct path *sort_by; /* NULL: by id. A multi-valued attribute sorts by its
				       primary value, else the first; without a value: last
				       ascending, first descending; then by id */
	bool descending;
	uint64_t start;  /* rows skipped: startIndex - 1 */
	uint64_t count;  /* most rows; 0: only the total */
	struct str from; /* a row's mark: rows behind it, whatever was written since; or empty.
			    start is 0 then */
	bool backwards;  /* rows before it instead, the nearest first */
	struct str where_text; /* of where: the same text is the same filter */
};

struct scim_found {
	uint64_t total; /* how many match in all, wherever the page is */
	bool more;      /* at least one further row lies in the page's direction */
	/* Of a page whose rows can only change with this one, if there is one. */
	struct scim_fresh fresh;
};

/* What a write was asked to become, seen from outside. */
enum scim_write_kind { SCIM_CREATE, SCIM_UPDATE, SCIM_DELETE };

/* Members of a group as apply wants them; ids as sent, no id in both lists. */
struct scim_members {
	bool all; /* add is the whole new list: all others go */
	struct str *add, *remove;
	size_t add_n, remove_n;
};

/* What stands there before a write; borrowed during apply. For SCIM_CREATE row is NULL. */
struct scim_before {
	const struct scim_row *row;
	/* Of the group that is written; for the few PATCH paths that ask. */
	int (*members)(const struct scim_before *before, scim_member_fn fn, void *arg,
		       struct err *err);
	/* 0: the id is a member; SCIM_ABSENT: it is not; or a fault. */
	int (*is_member)(const struct scim_before *before, struct str id, struct err *err);
	void *ctx; /* the backend's own */
};

/*
 * What a write makes of it. Filled by apply; all of it belongs to the struct scim_write that
 * apply was given and lives until done() returns.
 */
struct scim_change {
	bool doc_changed;  /* false: keep the bytes that stand there */
	struct str bytes;  /* to be kept; with doc_changed only */
	const json_t *doc; /* the same, parsed: for whoever indexes attributes of it */
	bool unique; /* no other resource of this source and type may have this name_folded */
	struct str name_folded; /* str_user_name() of userName or str_fold() of displayName;
				   never empty */
	struct scim_members members; /* groups; all false and both empty: as they are */
};

/*
 * One write. Made by the SCIM room, borrowed by the backend from submit() until done().
 *
 * On its writer thread, inside a savepoint, the backend
 *   1. loads the row by (source_id, type, id); for CREATE there is none. UPDATE, DELETE
 *      without a row: fault NOT_FOUND.
 *   2. calls apply(w, before, &change, err) once, which is pure: it checks If-Match, merges,
 *      validates. A fault ends the write. For DELETE only a precondition is checked and
 *      change stays empty.
 *   3. writes: unique names (fault UNIQUENESS naming the attribute, not the other resource);
 *      for each id of members.add: it must be a living resource of this source (fault
 *      INVALID_VALUE naming the id), adding a member that is one and removing one that is
 *      none changes nothing. If neither bytes nor member rows changed, version and
 *      modified_ms stay. DELETE: the resource's memberships go in the same savepoint, and
 *      the version of each group that lost one goes up.
 *      Its record for reconcile and its audit entry belong to the same savepoint.
 *   4. after the COMMIT of the batch calls done(w, 0, &after, NULL), or with the fault
 *      done(w, r, NULL, err). Exactly once, on any thread, holding nothing: done() may read,
 *      takes no long time, and may free w.
 */
struct scim_after {
	uint64_t version;
	int64_t created_ms, modified_ms;
	bool changed; /* version is a new one */
};

struct scim_write {
	enum scim_write_kind kind;
	enum scim_type type;
	struct scim_client client;
	char id[ENC_UUID_CHARS + 1];
	const char *request; /* correlation id, for audit and log */
	const char *peer;    /* address of the client */
	int (*apply)(struct scim_write *w, const struct scim_before *before,
		     struct scim_change *ret, struct err *err);
	void (*done)(struct scim_write *w, int r, const struct scim_after *after,
		     const struct err *err);
	struct scim_write *next; /* the backend's while it has it */
	void *keep;              /* likewise */
};

struct scim_backend {
	void *ctx;

	/*
	 * Who a bearer token is. 0 and *ret; SCIM_ABSENT: unknown, revoked or expired;
	 * SCIM_LATER. Faults: UNAUTHORIZED as SCIM_ABSENT, but with a sentence for the client's
	 * administrator; FORBIDDEN: known, but without a right or a certificate that is
	 * needed; any other only if it could not be found out (answered with 503 or 500).
	 * Notes the token's last use.
	 */
	int (*client)(void *ctx, const struct scim_asker *asker, struct scim_client *ret,
		      struct err *err);

	/* One resource: calls fn once and answers 0, or SCIM_ABSENT. */
	int (*get)(void *ctx, const struct scim_client *client, enum scim_type type,
		   struct str id, scim_row_fn fn, void *arg, struct err *err);
	/* One page in stable order. fn may not read. */
	int (*find)(void *ctx, const struct scim_client *client, const struct scim_find *find,
		    struct scim_found *ret, scim_row_fn fn, void *arg, struct err *err);
	/* Whether what was read stands as it was, with all writes that done() was called of.
	 * NULL: nobody can say. */
	bool (*still)(void *ctx, const struct scim_fresh *fresh);
	/* Members of a group, by id; groups of a user or group (direct), by id. fn may not
	 * read. None for an unknown id. */
	int (*members)(void *ctx, const struct scim_client *client, struct str group,
		       scim_member_fn fn, void *arg, struct err *err);
	int (*groups)(void *ctx, const struct scim_client *client, struct str member,
		      scim_member_fn fn, void *arg, struct err *err);

	/*
	 * Hands over a write. 0: done() will be called, perhaps before this returns. A fault
	 * (BUSY when the queue is full, UNAVAILABLE when stopping): done() will not be called.
	 */
	int (*submit)(void *ctx, struct scim_write *w, struct err *err);
};

#endif
