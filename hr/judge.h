/*
 * Whether a complete export can be believed, held against the last accepted one. Pure: same
 * input, same answer; time is an argument.
 *
 * An implausible export changes nothing until a person accepts it. Who is missing by name is
 * counted by the store (store/sources.h); here it is what the file itself shows.
 */
#ifndef HR_JUDGE_H
#define HR_JUDGE_H

#include "hr/feed.h"

enum hr_reason_kind {
	HR_REASON_OLD,     /* the file is older than max_age */
	HR_REASON_BEHIND,  /* it is older than the one that was accepted last */
	HR_REASON_MINIMUM, /* fewer people than expected, or none */
	HR_REASON_DROP,    /* too many fewer rows than last time */
	HR_REASON_GROWTH,  /* too many more */
	HR_REASON_CANARY,  /* somebody who must be there is not */
	HR_REASON_CUT,     /* it does not end in a line break, and the last one did */
	HR_REASON_COLUMNS, /* columns came or went that nothing names: a note */
	HR_REASON_CHANGED, /* too many people changed at once */
	HR_REASON_COUNT
};

struct hr_reason_trait {
	const char *word;
	const char *guard;
	unsigned doubt; /* enum source_doubt (model/snapshot.h); 0: a note that refuses nothing
			 */
};
extern const struct hr_reason_trait hr_reason_traits[HR_REASON_COUNT];

struct hr_reason {
	enum hr_reason_kind kind;
	char *text;
};
VEC(hr_reasons, struct hr_reason);
void hr_reasons_free(struct hr_reasons *r);

/* before NULL: there is no accepted one yet. *ret (zeroed before) is the caller's in any case.
 * Fault: NOMEM. */
int hr_judge(const struct hr_verdict *now, const struct hr_verdict *before,
	     const struct hr_options *o, int64_t now_ms, struct hr_reasons *ret,
	     struct err *err) MUST_USE;

/* After the people were compared with what is known: known people before, changed of them. */
int hr_judge_changes(int64_t known, int64_t changed, const struct hr_options *o,
		     struct hr_reasons *ret, struct err *err) MUST_USE;

/* The doubts of all of them. */
unsigned hr_reasons_doubts(const struct hr_reasons *r);

#endif
