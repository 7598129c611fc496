/*
 * The outbox: what is to be told to people and systems, until it was, and that it was.
 *
 * A notice has a key that is its own for ever: whoever puts it in again changes nothing, so one
 * step of a plan tells each of its receivers once, however often the step is tried. It goes
 *
 *     queued -> sending -> given -> sent
 *
 * and each arrow is durable before what it names is done: `sending` before the receiver is
 * connected to, `given` before the first byte of the notice itself leaves. After a crash a
 * notice that was `sending` had not left and is queued again; one that was `given` may have
 * arrived. If its receiver tells repeats apart by the key (`repeats`) it is given again, else
 * it ends as `maybe`, and is never sent again.
 *
 * A notice may be a step of a ladder (a warning): then its end is the ladder's, in the same
 * transaction. Sent: the wait before the next step counts from then. Anything else: the warning
 * does not count, and the next round plans it anew. While it is under way it counts as given in
 * OUTBOX_PENDING_MS, so that nothing follows from it.
 *
 * Receiver and letter are personal: persons_forget() and outbox_retain() empty them. The key
 * stays.
 */
#ifndef STORE_OUTBOX_H
#define STORE_OUTBOX_H

#include "store/db.h"
#include "store/persons.h"

#define OUTBOX_MOST 100000                   /* notices that wait; more are refused with BUSY */
#define OUTBOX_LETTER_MAX (256 * 1024)       /* bytes */
#define OUTBOX_PENDING_MS (365LL * 86400000) /* see above */
#define OUTBOX_ROW_MS (400LL * 86400000)     /* so long an ended notice's key is remembered */

enum outbox_state {
	OUTBOX_QUEUED,
	OUTBOX_SENDING,
	OUTBOX_GIVEN,
	OUTBOX_SENT,
	OUTBOX_MAYBE,  /* given over, and whether it was taken is not known */
	OUTBOX_FAILED, /* refused, or too old */
	OUTBOX_STATE_COUNT
};
extern const char *const outbox_state_words[]; /* "queued", ..., "maybe sent", "failed" */

struct outbox_new {
	struct str key;     /* its own for ever */
	struct str step;    /* journal key of the step that it is a part of; empty: of none */
	struct str channel; /* "mail", "folder", or a hook's name */
	struct str kind;    /* "warn", "copy", "digest", ... */
	struct str to;      /* address or name; personal */
	struct str letter;  /* JSON; personal */
	bool repeats;       /* the receiver tells repeats apart by the key */
	int64_t person, account;        /* whom it is about: ledger numbers, or 0 */
	struct str product, site, rule; /* with .ladder: whose step it is */
	bool ladder;
	bool first;         /* before all that wait */
	int64_t expires_ms; /* then it fails, if it is still queued */
	int64_t now_ms;
};
/* On the writer. STORE_UNCHANGED when the key was put in before. Fault: BUSY, LIMIT. */
int outbox_put(struct db *db, const struct outbox_new *in, int64_t *ret, struct err *err)
	MUST_USE;

struct outbox_row {
	int64_t id;
	struct str key, channel, kind, to, letter, says;
	enum outbox_state state;
	bool repeats;
	int64_t person, account, tries;
	int64_t queued_ms, state_ms, next_ms, expires_ms;
};
typedef int (*outbox_fn)(void *ctx, const struct outbox_row *row, struct err *err);

/* --- for the thread that sends; on the writer --- */

/* Takes the oldest queued notice of the channel that is due: it is `sending` then, and fn is
 * called with it. STORE_NOT_FOUND. */
int outbox_claim(struct db *db, struct str channel, int64_t now_ms, outbox_fn fn, void *ctx,
		 struct err *err) MUST_USE;
/* The first byte is about to leave. STORE_STALE when it is not `sending` any more (forgotten).
 */
int outbox_given(struct db *db, int64_t id, int64_t now_ms, struct err *err) MUST_USE;
/* SENT, MAYBE or FAILED. says: a sentence, without personal data. STORE_STALE as above. */
int outbox_end(struct db *db, int64_t id, enum outbox_state state, struct str says,
	       int64_t now_ms, struct err *err) MUST_USE;
/* Not now: queued again. STORE_STALE as above. */
int outbox_again(struct db *db, int64_t id, int64_t next_ms, bool counts, struct str says,
		 int64_t now_ms, struct err *err) MUST_USE;
/* What a crash left under way; once, before the first claim. *ret: how many ended as `maybe`.
 */
int outbox_recover(struct db *db, int64_t now_ms, int64_t *ret, struct err *err) MUST_USE;
/* Queued ones that are too old fail. */
int outbox_expire(struct db *db, int64_t now_ms, int64_t *ret, struct err *err) MUST_USE;
/* Empties what is personal of those that ended before; keys go after OUTBOX_ROW_MS. */
int outbox_retain(struct db *db, int64_t before_ms, int64_t now_ms, struct err *err) MUST_USE;

/* --- asking --- */

/* Newest first; before 0: from the newest. states: bits 1 << OUTBOX_x, 0: all. */
int outbox_list(struct db *db, unsigned states, int64_t before, size_t most, outbox_fn fn,
		void *ctx, struct err *err) MUST_USE;
/* Whether a notice of that key was put in. STORE_NOT_FOUND. */
int outbox_has(struct db *db, struct str key, struct err *err) MUST_USE;
/* How far the notice of that key is. STORE_NOT_FOUND. */
int outbox_standing(struct db *db, struct str key, enum outbox_state *ret, struct err *err)
	MUST_USE;
int outbox_counts(struct db *db, int64_t ret[OUTBOX_STATE_COUNT], struct err *err) MUST_USE;
/* Those that are queued, sending or given. */
int outbox_waiting(struct db *db, struct str channel, int64_t *ret, struct err *err) MUST_USE;

/*
 * Writes what the notice of a warning's step came to into the ladder (see above); in->done_ms
 * is for where there is no such notice. For the journal's end of that step.
 */
int outbox_progress(struct db *db, struct str step, const struct progress *in, struct err *err)
	MUST_USE;

/* --- links that keep a seat --- */

struct keep_row {
	int64_t id;
	int64_t person, account;
	struct str org, product, site, rule;
	int64_t made_ms, end_ms, used_ms; /* used 0: not yet */
};
/* One for each step; STORE_UNCHANGED with the old number. */
int keep_put(struct db *db, struct str step, const struct keep_row *in, int64_t *ret,
	     struct err *err) MUST_USE;
typedef int (*keep_fn)(void *ctx, const struct keep_row *row, struct err *err);
/* STORE_NOT_FOUND. */
int keep_get(struct db *db, int64_t id, keep_fn fn, void *ctx, struct err *err) MUST_USE;
/*
 * Keeps the seat: a bar on every rule about it until until_ms, and its ladder begins anew.
 * Audited. Once: STORE_UNCHANGED when it was used, STORE_STALE when its end is over,
 * STORE_NOT_FOUND.
 */
int keep_use(struct db *db, int64_t id, int64_t until_ms, int64_t now_ms, struct err *err)
	MUST_USE;

#endif
