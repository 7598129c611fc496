/*
 * A directory as a source of people: the surface for the daemon. Blocking calls, run on that
 * directory's own thread, every wait bounded, ended within a fraction of a second by *cancel.
 *
 * What a person looks like: a SCIM User (core, enterprise and, where mapped, employment) with
 * `active` decoded from the account state; `manager.value` of the enterprise extension is the
 * manager's DN in normal spelling (struct dir_person.dn of that person), for the keeper to
 * resolve.
 */
#ifndef LDAP_SOURCE_H
#define LDAP_SOURCE_H

#include "ldap/conn.h"
#include "ldap/memory.h"
#include "ldap/plausible.h"
#include "ldap/rights.h"
#include "ldap/status.h"
#include "ldap/strategy.h"
#include "ldap/verdict.h"

struct dir_person {
	const char *key;      /* immutable id in text */
	const char *dn;       /* normal spelling: personal data */
	struct str doc;       /* canonical JSON, without id and meta */
	char *const *unknown; /* SCIM paths that this entry leaves unknown, sorted */
	size_t unknown_n;
	const struct dir_status *status;
};

/* What is known before the first person comes. */
struct dir_begin {
	int attempt; /* from 1; a later begin means: forget what the earlier one brought */
	enum dir_kind kind;
	const char *base_id;                /* or NULL */
	const struct dir_attr_stats *attrs; /* .unknown and .paths: hidden in the whole read */
};

/* Where a read goes. All on the caller's thread; what is passed is borrowed for the call. A
 * fault (below zero) ends the read with it. */
struct dir_sink {
	void *ctx;
	/* May clear the memory. */
	int (*begin)(void *ctx, const struct dir_begin *begin, struct err *err);
	int (*person)(void *ctx, const struct dir_person *person, struct err *err);
	/* Somebody whose entry is, byte for byte, what it was in the last read, and who got
	 * that mark then. NULL: person() is called for everybody. */
	int (*same)(void *ctx, uint32_t mark, struct err *err);
	/* After the last person, also of an incomplete read; not after a fault of the sink. */
	int (*end)(void *ctx, const struct dir_verdict *verdict, struct err *err);
};

/*
 * Reads everybody. memory is what the last read of this directory left, or NULL: the sink marks
 * in it (dir_memory_mark) those whom it need not be shown again. 0 whenever there is a verdict:
 * complete, or not and why; whatever the directory does wrong ends there, unreachable included.
 * A lost connection starts over at most settings.attempts times. Below zero only for us: the
 * sink's fault, CANCELLED, NOMEM, CONFIG. *ret (zeroed before) is the caller's to
 * dir_verdict_done() in any case.
 */
int dir_read(const struct dir_options *o, const struct secret *password,
	     const struct dir_sink *sink, struct dir_memory *memory, const atomic_bool *cancel,
	     struct dir_verdict *ret, struct err *err) MUST_USE;

enum dir_whereabouts {
	DIR_HERE,         /* below the base and matching the filter */
	DIR_ELSEWHERE,    /* the entry exists, outside the base */
	DIR_NOT_MATCHING, /* below the base, but the filter leaves it out */
	DIR_GONE,         /* asked by id, and it is not there */
	DIR_UNKNOWN,      /* could not be found out */
	DIR_WHEREABOUTS_COUNT
};
extern const char *const dir_whereabouts_words[DIR_WHEREABOUTS_COUNT];

struct dir_lookup {
	const char *key; /* in: as in dir_person */
	enum dir_whereabouts where;
	bool deleted;              /* GONE, and its tombstone was seen */
	struct dir_status status;  /* of HERE, ELSEWHERE and NOT_MATCHING */
	char text[ERR_TEXT_BYTES]; /* why, without personal data */
};

/*
 * Looks n people up by id, over one connection. GONE is said only if the same connection finds
 * the base entry by its id in the same way (a server that answers nothing to everything says
 * UNKNOWN). base_id: that of the accepted read, or NULL. 0 with every answer filled in (all
 * UNKNOWN when the directory cannot be asked, and *err says why); below zero only CANCELLED,
 * NOMEM, CONFIG.
 */
int dir_lookup(const struct dir_options *o, const struct secret *password, const char *base_id,
	       struct dir_lookup *people, size_t n, const atomic_bool *cancel, struct err *err)
	MUST_USE;

/*
 * What changed since: between full reads, which stay the truth. Whatever way the server offers
 * (ldap/strategy.h) is believed in one thing only: whom to look at again. Those are read by an
 * ordinary search; who is named, or missing among the ids, and not found is given by id, and
 * nothing is concluded here.
 */
struct dir_delta {
	enum dir_strategy strategy;
	char why[160]; /* this strategy */
	char *cursor;  /* where the next starts: text, to be kept with the batch */
	char reason[ERR_TEXT_BYTES]; /* of DIR_DELTA_FULL */
	uint64_t named, read, swept;
	bool groups_changed;         /* a group's stamp is another, or there is another group */
	struct dir_attr_stats attrs; /* of those who were read */
	struct dir_canaries canaries;
	int64_t duration_ms;
};
void dir_delta_done(struct dir_delta *d);

/* What seen() may answer: read this one too. */
enum { DIR_LOOK = 1 };

struct dir_delta_sink {
	void *ctx;
	int (*person)(void *ctx, const struct dir_person *person, struct err *err);
	/* Among the ids of everybody (not all strategies show them: then nobody is). */
	int (*seen)(void *ctx, const char *key, struct err *err);
	/* Said to have changed, and not to be found below the base by the filter. */
	int (*absent)(void *ctx, const char *key, struct err *err);
};

/* Only a full read can tell; the reason is told. */
enum { DIR_DELTA_FULL = 1 };

/*
 * cursor: what the last one left, or NULL. Without sink nobody is read: *ret gets the cursor
 * from which a delta would start now, and a full read that begins after misses nothing. 0,
 * DIR_DELTA_FULL, or a fault of the directory or of ours. *ret (zeroed before) is the caller's
 * to dir_delta_done() in any case.
 */
int dir_delta(const struct dir_options *o, const struct secret *password, const char *cursor,
	      const struct dir_delta_sink *sink, const atomic_bool *cancel,
	      struct dir_delta *ret, struct err *err) MUST_USE;

/* For doctor. */
struct dir_probe {
	enum dir_kind kind;
	char why[96];
	enum dir_strategy strategy; /* for deltas */
	char strategy_why[160];
	char *uri, *tls, *vendor, *who, *base_id;
	bool paged;
	uint64_t sampled;            /* entries of the first page */
	struct dir_attr_stats attrs; /* .with of the sample; .unknown: a canary lacks it */
	struct dir_paths unheard; /* mapped attributes that the server's schema does not know */
	struct dir_canaries canaries;
	struct dir_paths ways; /* sentences: each way to be told what changed, can or why not */
	struct dir_rights rights;
	struct dir_paths notes; /* sentences for the operator */
};

/* Connects, binds, looks at the base, the schema, the canaries and one page. Faults as
 * dir_conn_open() and dir_search() tell them; what was found before stays in *ret (zeroed
 * before), the caller's to dir_probe_done() in any case. */
int dir_probe(const struct dir_options *o, const struct secret *password,
	      const atomic_bool *cancel, struct dir_probe *ret, struct err *err) MUST_USE;
void dir_probe_done(struct dir_probe *p);

#endif
