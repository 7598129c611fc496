/*
 * Access reviews: a list of seats as of a moment, for each whether it is to be kept, who said
 * so and why. A review is open until it is closed; what nobody answered then stays unanswered,
 * and the closing says so. Nothing is removed here: what is to be removed becomes a plan.
 *
 * Addresses of managers, reasons and who answered are personal: persons_forget() empties them.
 */
#ifndef STORE_REVIEWS_H
#define STORE_REVIEWS_H

#include "store/db.h"

#define REVIEW_ITEMS_MOST 200000

enum review_answer { REVIEW_NONE, REVIEW_KEEP, REVIEW_REMOVE };
extern const char *const review_answer_words[]; /* "", "keep", "remove", NULL */

struct review_new {
	const char *org, *why, *who;
	int64_t due_ms, now_ms;
};
/* On the writer; audited. */
int reviews_start(struct db *db, const struct review_new *in, int64_t *ret, struct err *err)
	MUST_USE;

struct review_item {
	int64_t review, n; /* n from 1 */
	int64_t person, account;
	struct str product, site;
	struct str manager; /* folded address; empty: nobody is known */
	/* out */
	enum review_answer answer;
	struct str why, by;
	int64_t answered_ms;
	struct str account_id, email, name; /* as the account is called now */
};
/* On the writer: one more of an open review. */
int reviews_add(struct db *db, const struct review_item *item, struct err *err) MUST_USE;

struct review_said {
	int64_t review, n;
	enum review_answer answer;
	struct str why, by; /* by: who decided, as whoever brings the answer says */
	int64_t now_ms;
};
/* On the writer. STORE_NOT_FOUND: no such item; STORE_STALE: the review is closed;
 * STORE_UNCHANGED. A later answer takes the place of an earlier one. */
int reviews_answer(struct db *db, const struct review_said *said, struct err *err) MUST_USE;
/* One entry of the chain for what one person brought. */
int reviews_answers_note(struct db *db, int64_t review, int64_t count, const char *who,
			 int64_t now_ms, struct err *err) MUST_USE;

struct review_row {
	int64_t id;
	struct str org, why, who, closed_by;
	int64_t made_ms, due_ms, closed_ms; /* closed 0: open */
	int64_t items, keep, remove, unanswered;
	struct str plans; /* JSON array of plan numbers, once closed */
};
typedef int (*review_fn)(void *ctx, const struct review_row *row, struct err *err);
int reviews_list(struct db *db, review_fn fn, void *ctx, struct err *err) MUST_USE;
/* STORE_NOT_FOUND. */
int reviews_get(struct db *db, int64_t review, review_fn fn, void *ctx, struct err *err)
	MUST_USE;

typedef int (*review_item_fn)(void *ctx, const struct review_item *item, struct err *err);
/* Items after n; manager empty: of everybody. */
int reviews_items(struct db *db, int64_t review, struct str manager, int64_t after_n,
		  size_t most, review_item_fn fn, void *ctx, struct err *err) MUST_USE;

struct review_close {
	int64_t review;
	const char *who, *why, *plans; /* plans: JSON array */
	int64_t remove, newest_ms;     /* answers that the plans rest on: how many remove, the
					  newest of all; 0: none */
	int64_t now_ms;
};
/* On the writer; audited with how many are kept, removed, unanswered. STORE_NOT_FOUND,
 * STORE_UNCHANGED; STORE_STALE: answers came after those that the plans rest on. */
int reviews_close(struct db *db, const struct review_close *in, struct err *err) MUST_USE;

#endif
