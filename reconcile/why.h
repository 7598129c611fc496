/*
 * The story of one person: who, from where, holds what and by which path, what every rule says
 * about it and why, what will happen when, what holds it, what was done and by whom.
 */
#ifndef RECONCILE_WHY_H
#define RECONCILE_WHY_H

#include "base/buf.h"
#include "reconcile/reconcile.h"

enum why_section {
	WHY_WHO,
	WHY_RECORDS,
	WHY_ACCOUNTS,
	WHY_SEATS,
	WHY_OWNS,
	WHY_DUE,
	WHY_RULES,
	WHY_HELD,
	WHY_PAST,
	WHY_SECTION_COUNT
};

/* One line of the story: what it is about, what it says, and where that comes from. */
struct why_row {
	enum why_section section;
	unsigned depth;    /* 0, or 1 under the row before */
	const char *label; /* "displayName", "leaver-hr", "jira at acme" */
	const char *state; /* one word: "true", "false", "unknown", "active", "holds", ... */
	const char *text;  /* the sentence */
};
VEC(vec_why_row, struct why_row);

struct why {
	struct plan_arena arena;
	uint64_t person;         /* 0: an account without a person */
	struct vec_why_row rows; /* in the order of the story */
};

/* Whom: the first that is set. */
struct why_who {
	uint64_t person, account; /* ledger numbers */
	struct str text; /* an accountId, a record's key, a mail address or a user name, any
			    case */
};

/* What happened before, handed in by the store. */
struct why_past {
	int64_t at_ms;
	const char *kind, *rule, *outcome, *who; /* rule NULL: none, somebody else did it; who
						    decided */
	const char *text;
};

/* More that the store knows: a line of its section. Borrowed. */
struct why_told {
	enum why_section section;
	const char *label, *state, *text;
};

struct why_before {
	const struct why_past *past; /* newest first */
	size_t past_count;
	const struct why_told *told;
	size_t told_count;
};

enum why_answer { WHY_NOBODY = 1, WHY_SEVERAL = 2 };

/* *ret is new; before may be NULL. Answers: WHY_NOBODY (and nothing was told), WHY_SEVERAL (the
 * text fits more than one person). */
int why_of(const struct facts *facts, const struct policy *policy, const struct why_who *who,
	   const struct why_before *before, struct why **ret, struct err *err) MUST_USE;
void why_free(struct why *w);
OWNED(struct why, why_free)

/* Whether any record of the person says an end that lies ahead. */
bool why_ends_ahead(const struct facts *facts, const struct policy *policy, uint64_t person);

/* Takes ends that lie ahead (until that day is over where the person is) out of facts that are
 * to tell a story to somebody who may not know of them: rules then see a person who stays, and
 * what they own was not read yet. Fault: NOMEM, then it is not sealed. */
int why_seal(struct facts *facts, const struct policy *policy, struct err *err) MUST_USE;

const char *why_section_title(enum why_section section);
int why_text(const struct why *w, struct buf *into, struct err *err) MUST_USE;
int why_json(const struct why *w, struct buf *into, struct err *err) MUST_USE;

#endif
