/*
 * Guards: what holds an action or a whole plan. Each says what it saw and what would release
 * it. One table; a test walks it.
 */
#ifndef RECONCILE_GUARD_H
#define RECONCILE_GUARD_H

#include "reconcile/desire.h"

enum guard_release {
	RELEASE_NEVER,  /* the cause must go: another read, an adoption, a lifted bar */
	RELEASE_PERSON, /* persons may, by an approval that names the action and the guard */
};

/* clang-format off */
/* symbol, name in plans, what it can hold, who may release it, what would release it */
#define GUARD_LIST(X)                                                                              \
	X(SOURCE_INCOMPLETE,  "source-incomplete",  ACTION, NEVER,  "the next complete read")       \
	X(SOURCE_IMPLAUSIBLE, "source-implausible", ACTION, NEVER,  "a plausible read, or leaverd source accept") \
	X(SOURCE_STALE,       "source-stale",       ACTION, NEVER,  "a newer accepted read")        \
	X(SOURCE_SCHEMA,      "source-schema",      ACTION, NEVER,  "a read with the attributes of before, or leaverd source accept") \
	X(CANARY,             "canary",             ACTION, NEVER,  "a read that shows every canary, or leaverd source accept") \
	X(ORG_INCOMPLETE,     "org-incomplete",     ACTION, NEVER,  "a complete leaverd collect")   \
	X(ORG_STALE,          "org-stale",          ACTION, NEVER,  "a newer leaverd collect")      \
	X(ORG_IMPLAUSIBLE,    "org-implausible",    PLAN,   PERSON, "a plausible leaverd collect, leaverd collect accept, or a release") \
	X(IDENTITY_CHANGED,   "identity-changed",   PLAN,   NEVER,  "the system that we know, or leaverd source accept for the new one") \
	X(FOREIGN_WRITE,      "foreign-write",      PLAN,   NEVER,  "an explanation: who else uses our key") \
	X(LIMIT_LEAVERS_DAY,  "limit-leavers-day",  PLAN,   PERSON, "a release, or leaverd expect for announced leavers") \
	X(LIMIT_LEAVERS_WEEK, "limit-leavers-week", PLAN,   PERSON, "a release, or leaverd expect for announced leavers") \
	X(LIMIT_ABSENCE_DAY,  "limit-absence-day",  PLAN,   PERSON, "a release")                    \
	X(LIMIT_ORPHANS_WEEK, "limit-orphans-week", PLAN,   PERSON, "a release")                    \
	X(LIMIT_INACTIVE_WEEK,"limit-inactive-week",PLAN,   PERSON, "a release")                    \
	X(LIMIT_PUSH_HOUR,    "limit-push-hour",    PLAN,   PERSON, "a release")                    \
	X(LAST_ADMIN,         "last-admin",         ACTION, NEVER,  "a successor with the same right first") \
	X(ADMIN,              "admin",              ACTION, PERSON, "an approval of two persons that names it") \
	X(OPERATOR,           "operator",           ACTION, PERSON, "an approval that names it")    \
	X(SOLE_ROLE,          "sole-role",          ACTION, PERSON, "a successor, or an approval that names it") \
	X(OWN_CREDENTIAL,     "own-credential",     ACTION, NEVER,  "another key, made by somebody else") \
	X(SERVICE_ACCOUNT,    "service-account",    ACTION, PERSON, "an approval that names it")    \
	X(EXEMPTION,          "exemption",          ACTION, PERSON, "an approval that names it, or its end") \
	X(LEGAL_HOLD,         "legal-hold",         ACTION, NEVER,  "the end of the hold")          \
	X(LEAVE,              "leave",              ACTION, PERSON, "the end of the leave")         \
	X(NOT_ADOPTED,        "not-adopted",        ACTION, NEVER,  "leaverd adopt, or leaverd match approve for the rule that linked it") \
	X(AMBIGUOUS,          "ambiguous",          ACTION, NEVER,  "an answer to the doubt: leaverd match") \
	X(BAR,                "bar",                ACTION, NEVER,  "lifting the bar")              \
	X(IMPOSSIBLE,         "impossible",         ACTION, NEVER,  "another lever, by hand: nothing stronger is done instead") \
	X(UNKNOWN,            "unknown",            ACTION, NEVER,  "a read that tells it")                 \
	X(PROVISION_UNREAD,   "provision-unread",   ACTION, NEVER,  "the next complete read of the provisioning directory") \
	X(LIMIT_PROVISION,    "provision-limit",    ACTION, PERSON, "an approval that names it")    \
	X(SEATS_OUT,          "seats-out",          ACTION, PERSON, "seats that were freed or bought, or an approval that names it") \
	X(FLAPPING,           "flapping",           ACTION, PERSON, "an end of what gives it back, or an approval that names it") \
	X(LIMIT_ASKED_DAY,    "limit-asked-day",    PLAN,   PERSON, "a release")                    \
	X(LIMIT_RULE,         "limit-rule",         PLAN,   PERSON, "a release, or leaverd expect for announced leavers") \
	X(LIMIT_PLAN,         "limit-plan",         PLAN,   PERSON, "a release, or a plan of fewer (leaverd plan --wave)") \
	X(LIMIT_RUN_TIME,     "limit-run-time",     PLAN,   PERSON, "a release, once somebody looked why it takes so long") \
	X(OWNS,               "owns",               ACTION, PERSON, "a hand-over of what it owns, or an approval that names it")
/* clang-format on */

enum guard_id {
#define X(symbol, name, holds, release, way) GUARD_##symbol,
	GUARD_LIST(X)
#undef X
		GUARD_COUNT
};

struct guard_row {
	const char *name;
	enum guard_verdict holds; /* GUARD_HOLD_ACTION or GUARD_HOLD_PLAN */
	enum guard_release release;
	const char *way; /* what would release it */
};
extern const struct guard_row guards[GUARD_COUNT];

/* How the guard service-account begins where it is a guess. */
#define GUARD_SUSPECTED "suspected: "

/* What is to be done where two persons are needed. */
#define GUARD_TWO_WORDS                                                                        \
	"two people must approve it, each with a signature of their own (leaverd approver):"   \
	" what is only typed on this machine counts as nobody's in particular"

/* By name; -1 if there is none. */
int guard_of(struct str name);

/* Guards found for one candidate, before they are kept. */
struct guard_hits {
	struct guard_hit v[GUARD_COUNT];
	size_t n;
	bool two; /* an approval needs two persons */
};

/* Adds one, once; its text is what it saw and the way out. */
int guard_hit(struct guard_hits *hits, struct plan_arena *arena, enum guard_id guard,
	      struct err *err, const char *format, ...) PRINTF(5, 6) MUST_USE;

/* All guards of one candidate but the last admin, limits, and paths of seats. */
int guard_judge(const struct world *w, const struct candidate *c, struct plan_arena *arena,
		struct guard_hits *hits, struct err *err) MUST_USE;

/* One more on a candidate that was judged already. */
int guard_add(struct round *r, struct candidate *c, enum guard_id guard, struct err *err,
	      const char *format, ...) PRINTF(5, 6) MUST_USE;

/* Judges all candidates, the last admin too, and writes their hits. */
int guard_candidates(struct round *r, struct err *err) MUST_USE;

/* Whether another active organisation admin would be left if the account went. */
bool guard_is_last_admin(const struct world *w, uint32_t account);

/* Whether it takes an administrator's right: the account, or a group that gives it. */
bool guard_takes_admin(const struct world *w, const struct candidate *c);

/* An undo that takes: out of groups that somebody was put into by order. Guards and the limit
 * of what is asked for look at it as at any such order. */
bool guard_takes_back(const struct candidate *c);

/* Whether the candidate can run at all: every guard that holds it can be released. */
bool guard_may_run(const struct candidate *c);

/* Guards that hold whole plans, and those that say which source or part is doubted. */
int guard_plan(const struct round *r, bool urgent, struct plan *plan, struct err *err) MUST_USE;
/* The same for a round without plans: what is doubted and would hold. */
int guard_round(const struct world *w, struct vec_guard *into, struct plan_arena *arena,
		struct err *err) MUST_USE;

/* How many subjects of that class the limits let through beside what was done and what open
 * plans are about to do, as if no candidate stood. */
int guard_room(const struct round *r, enum plan_class class, uint64_t *ret, struct err *err)
	MUST_USE;

/* Which of the two plans a candidate goes into. */
bool candidate_is_urgent(const struct candidate *c);

#endif
