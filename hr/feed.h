/*
 * One export, read twice: first to its end, to judge it before anything is used; then once
 * more, to hand out its people. A row is held at a time; of each row 40 bytes are kept between,
 * to find those of one person.
 *
 * What a person looks like: a SCIM User (core, enterprise, employment), as from ldap/source.h.
 * No sentence holds a value of the file: lines, columns, names of columns and numbers only.
 */
#ifndef HR_FEED_H
#define HR_FEED_H

#include <stdatomic.h>

#include "base/jx.h"
#include "hr/drop.h"
#include "hr/mapping.h"

VEC(hr_texts, char *);

/* What an export was worth; as JSON it is kept with the read, for the next to be held against.
 */
struct hr_verdict {
	bool complete;            /* it reached its end without a fault */
	int code;                 /* 0 when complete, else ERR_x */
	char why[ERR_TEXT_BYTES]; /* a sentence, with line and column where there is a place */
	char *name;               /* of the file */
	int64_t date_ms;          /* of the export; 0: stdin */
	char *drop;               /* the last that was read of a folder; NULL: none */
	int64_t drop_ms;          /* and its date */
	uint64_t behind;          /* whole drops that come after this one */
	int64_t started_ms, duration_ms;
	char digest[DIGEST_HEX_BYTES];
	char question[DIGEST_HEX_BYTES]; /* of the settings: with others the same bytes are
					    other people */
	char seal[16];                   /* "signature", "checksum", "nothing" */
	char encoding[24], how[32];
	char delimiter[12]; /* "" of LDIF */
	uint64_t bytes, rows, people;
	uint64_t doubled; /* rows left out because another of the same person counts */
	uint64_t bad;     /* rows with a value that cannot be read */
	char first_bad[ERR_TEXT_BYTES];
	bool final_newline;
	struct hr_texts columns;  /* of the header */
	struct hr_texts canaries; /* keys that were not seen */
};
void hr_verdict_done(struct hr_verdict *v);
int hr_verdict_json(const struct hr_verdict *v, json_t **ret, struct err *err) MUST_USE;
/* Fault: PROTOCOL. *ret (zeroed before) is the caller's to hr_verdict_done() in any case. */
int hr_verdict_from_json(const json_t *j, struct hr_verdict *ret, struct err *err) MUST_USE;

struct hr_feed;

/* o and drop are borrowed until hr_feed_free(). */
int hr_feed_new(const struct hr_options *o, const struct hr_drop *drop, struct hr_feed **ret,
		struct err *err) MUST_USE;
void hr_feed_free(struct hr_feed *f);
OWNED(struct hr_feed, hr_feed_free)

/*
 * The first reading. 0 whenever there is a verdict; what is wrong with the file ends there.
 * Below zero only for us: NOMEM, CANCELLED, CONFIG. *ret (zeroed before) is the caller's to
 * hr_verdict_done() in any case.
 */
int hr_feed_scan(struct hr_feed *f, int64_t now_ms, const atomic_bool *cancel,
		 struct hr_verdict *ret, struct err *err) MUST_USE;

/* The second, after a complete scan: each person once, in the file's order. Faults: those of
 * fn, NOMEM, CANCELLED; INCOMPLETE: the file is not what it was. */
typedef int (*hr_person_fn)(void *ctx, const struct hr_person *person, struct err *err);
int hr_feed_read(struct hr_feed *f, const atomic_bool *cancel, hr_person_fn fn, void *ctx,
		 struct err *err) MUST_USE;

/* The first rows as the map makes them, until fn stops with an answer above zero. raw: the
 * cells of the row, cooked: the same as the map sees them. */
typedef int (*hr_sample_fn)(void *ctx, const struct hr_cell *raw, const struct str *cooked,
			    size_t n, const struct hr_person *person, struct err *err);
int hr_feed_sample(struct hr_feed *f, const atomic_bool *cancel, hr_sample_fn fn, void *ctx,
		   struct err *err) MUST_USE;

#endif
