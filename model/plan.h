/*
 * Plans: what is to be done to whom and why, for one organisation and one urgency; and the two
 * tables behind them: kinds of action, and steps (one step is one remote change).
 *
 * A plan's bytes are canonical JSON (keys sorted, no blanks): the same plan is the same bytes.
 * They name people by ledger numbers and a salted digest only. What identifies a person stands
 * beside, in struct plan_values: one erasable row an action. Times in the bytes are RFC 3339.
 */
#ifndef MODEL_PLAN_H
#define MODEL_PLAN_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/stamp.h"
#include "base/vec.h"
#include "model/account.h"

#define PLAN_MAX_BYTES (1024u * 1024 * 1024)
#define PLAN_MAX_ACTIONS 2000000
#define PLAN_SALT_BYTES 16
#define PLAN_FORMAT 1 /* "format" in the bytes; others are refused */

/* Decisions of design.md: a plan holds steps due within 72 h, may be approved for 72 h, and an
 * action starts at the latest 24 h after the later of its approval and its due time. */
#define PLAN_HORIZON_MS (72 * STAMP_HOUR_MS)
#define PLAN_APPROVE_MS (72 * STAMP_HOUR_MS)
#define PLAN_NOT_AFTER_MS (24 * STAMP_HOUR_MS)

enum plan_urgency { PLAN_URGENT, PLAN_ROUTINE, PLAN_URGENCY_COUNT };

/* Whose limits an action counts on; the order is the order of urgency. */
enum plan_class {
	PLAN_LEAVER,    /* somebody says that the person left */
	PLAN_ABSENCE,   /* concluded from not being there */
	PLAN_INACTIVE,  /* seats not used */
	PLAN_ORPHAN,    /* accounts that nobody explains */
	PLAN_RESTORE,   /* undo: gives back */
	PLAN_PROVISION, /* what a provisioning directory is told: joiners, profiles, groups */
	PLAN_ASKED,     /* a person asked for it, by leaverd bulk */
	PLAN_CLASS_COUNT
};

enum action_kind {
	ACTION_WARN,
	ACTION_FREE_SEAT,
	ACTION_SUSPEND,
	ACTION_RESTORE,
	ACTION_DEACTIVATE,
	ACTION_ENABLE,
	ACTION_REVOKE_TOKENS,
	/* through the organisation's provisioning directory */
	ACTION_PROVISION,      /* a joiner's record is made */
	ACTION_REPROVISION,    /* a record that is off is active again */
	ACTION_UPDATE_PROFILE, /* attributes that drifted */
	ACTION_JOIN_GROUPS,
	ACTION_LEAVE_GROUPS,
	ACTION_HAND_OVER, /* what the account owns goes to others */
	ACTION_DELETE,    /* a managed account, after 14 days of grace */
	ACTION_CANCEL_DELETE,
	ACTION_ADD_GROUPS, /* groups of the organisation, not of a provisioning directory */
	ACTION_REMOVE_GROUPS,
	ACTION_CHANGE_PROFILE, /* name and address of a managed account */
	ACTION_CREATE_GROUP,
	ACTION_DROP_GROUP,   /* one without members that gives nothing */
	ACTION_WARN_ACCOUNT, /* what is about the account, not about one seat */
	ACTION_KIND_COUNT
};

enum step_op {
	STEP_SUSPEND,
	STEP_RESTORE,
	STEP_DISABLE,
	STEP_ENABLE,
	STEP_REMOVE_GROUP,
	STEP_REVOKE_ROLE,
	STEP_ADD_GROUP,
	STEP_ASSIGN_ROLE,
	STEP_REVOKE_TOKEN, /* all live API tokens of the account, one by one, until none is left
			    */
	STEP_NOTIFY,
	/* of the provisioning directory. A record is never deleted */
	STEP_SCIM_CREATE,
	STEP_SCIM_UPDATE,
	STEP_SCIM_ACTIVATE,
	STEP_SCIM_DEACTIVATE, /* active:false */
	STEP_SCIM_MAKE_GROUP,
	STEP_SCIM_JOIN,
	STEP_SCIM_LEAVE,
	STEP_GIVE_ISSUES, /* open issues assigned to `from` are assigned to `to` */
	STEP_GIVE_FILTERS,
	STEP_GIVE_DASHBOARDS,
	STEP_GIVE_PROJECTS,   /* project leads */
	STEP_GIVE_COMPONENTS, /* component leads */
	STEP_DELETE,
	STEP_CANCEL_DELETE,
	STEP_SET_EMAIL, /* to what stands in the action's values */
	STEP_SET_NAME,
	STEP_MAKE_GROUP, /* name, in directory */
	STEP_DROP_GROUP,
	STEP_OP_COUNT
};

/* What is true of a kind. */
struct action_kind_row {
	const char *word;
	bool destructive;  /* takes something away: counted by limits, held by change hours */
	bool seat;         /* about one product of the account, not the account */
	bool managed_only; /* only for managed accounts that no directory owns */
	enum account_status to; /* the status wanted; ACCOUNT_UNKNOWN: not about the status */
	enum action_kind undo;  /* what gives it back; itself where nothing does */
	bool provision; /* about a record of the provisioning directory; account may be 0 */
	bool rare;  /* a plan counts it only where it has one: older plans stay as they are */
	bool group; /* about a group: person and account are 0 */
};
extern const struct action_kind_row action_kinds[ACTION_KIND_COUNT];

/* What is true of a step. */
struct step_op_row {
	const char *word;
	bool idempotent;   /* doing it again changes nothing */
	bool verifiable;   /* Atlassian can be asked whether it was done */
	int64_t lag_ms;    /* how long Atlassian may go on showing the state before */
	enum step_op undo; /* itself where nothing does */
};
extern const struct step_op_row step_ops[STEP_OP_COUNT];
/* Gifts (STEP_GIVE_...): so many objects one step gives at most; 0: no gift. What gives one
 * back is the same step with `from` and `to` changed over. */
extern const size_t step_gifts[STEP_OP_COUNT];

const char *plan_class_word(enum plan_class class);
const char *plan_urgency_word(enum plan_urgency urgency);
bool action_kind_of(struct str word, enum action_kind *ret);
bool step_op_of(struct str word, enum step_op *ret);
bool plan_class_of(struct str word, enum plan_class *ret);
bool plan_urgency_of(struct str word, enum plan_urgency *ret);

/* Memory that is given back in one go: texts of a plan live in it until plan_free(). */
struct plan_arena {
	struct plan_block *head;
	size_t bytes;
};

/* Zeroed memory, aligned for anything; *(void **)ret_pointer receives it. */
int arena_alloc(struct plan_arena *a, size_t bytes, void *ret_pointer, struct err *err)
	MUST_USE;
/* A copy, NUL-terminated. */
int arena_text(struct plan_arena *a, struct str s, const char **ret, struct err *err) MUST_USE;
int arena_textf(struct plan_arena *a, const char **ret, struct err *err, const char *format,
		...) PRINTF(4, 5) MUST_USE;
int arena_vtextf(struct plan_arena *a, const char **ret, struct err *err, const char *format,
		 va_list args) PRINTF(4, 0) MUST_USE;
void arena_done(struct plan_arena *a); /* twice is fine */

/* Texts of a plan are NUL-terminated and in its arena; NULL where there is none. */

struct action_step {
	enum step_op op;
	const char *directory; /* SUSPEND, RESTORE, groups: directoryId;
				  SCIM_...: id of the provisioning directory */
	const char *group;     /* group id; SCIM_JOIN: NULL until MAKE_GROUP made it */
	const char *name;      /* group name, for people; SCIM_UPDATE: which attributes */
	const char *role;      /* "atlassian/user" */
	const char *resource;  /* ARI or workspace id */

	/* Gifts: which objects of which site by their ids, from whom to whom. Ids and ledger
	 * numbers only: titles and names are personal. */
	const char *site;
	const char *const *items;
	size_t item_count;
	uint64_t from, to;
};

/* A record of the provisioning directory, a profile, held against the values of the action; or
 * whether a group is there. */
enum provision_state {
	PROVISION_UNKNOWN, /* not touched; as read: not told */
	PROVISION_NONE,    /* there is no record */
	PROVISION_PLANNED, /* as it was when it was planned: the values' "held" */
	PROVISION_WANTED,  /* as the values' "wanted" */
	PROVISION_OTHER,   /* neither */
	PROVISION_STATE_COUNT
};
const char *provision_state_word(enum provision_state state);
bool provision_state_of(struct str word, enum provision_state *ret);

/* The fields that an action touches, before and after. Unset ones are not touched. */
struct action_fields {
	enum account_status status; /* ACCOUNT_UNKNOWN: not touched */
	const char *const *groups;  /* ids of the groups that give the seat, sorted; for
				       ADD_GROUPS and REMOVE_GROUPS those of the steps' groups
				       that the account is in */
	size_t group_count;
	const char *const *roles; /* direct roles that give the seat, sorted */
	size_t role_count;
	bool paths; /* groups and roles are told (also if none) */
	enum provision_state provision;
};

struct action_evidence {
	const char *path;   /* "leaveDate", "directory.status", "lastActive" */
	const char *value;  /* dates, numbers, words; NULL where it would be personal: then it
			       stands in the values row */
	const char *source; /* name of the source, or the organisation's */
};

enum action_verdict { VERDICT_PASS, VERDICT_HELD };

struct action {
	uint32_t n; /* 1.., its place in the plan: approvals name it */
	enum action_kind kind;
	const char *rule;
	enum plan_class class;
	uint64_t person;  /* ledger number; 0 for an orphan */
	uint64_t account; /* ledger number; 0: a record of the provisioning directory alone */
	struct digest subject;      /* BLAKE2b-256 of salt and values */
	const char *product, *site; /* seats; else NULL */
	const char *reason;         /* one sentence without personal values */
	struct action_evidence *evidence;
	size_t evidence_count;
	struct action_fields before, after;
	struct action_step *steps;
	size_t step_count;
	const char *const *kept; /* paths to the seat that stay, and why, a sentence each */
	size_t kept_count;
	const uint32_t
		*with; /* actions that take the same group away: only together with them */
	size_t with_count;
	int64_t due_ms;
	int64_t anchor_ms;    /* what the ladder counts from; due - anchor is how late it is */
	int64_t not_after_ms; /* a duration: PLAN_NOT_AFTER_MS */
	bool automatic;       /* the policy may approve it in mode act */
	unsigned needs;       /* how many persons' approvals: 1, or 2 (admins) */
	enum action_verdict verdict;
	const char *const *held_by; /* guard names, sorted */
	size_t held_count;
	/* for each guard of held_by: what it saw and what would release it */
	const char *const *says;
};

enum guard_verdict { GUARD_PASS, GUARD_HOLD_ACTION, GUARD_HOLD_PLAN };
const char *guard_verdict_word(enum guard_verdict verdict);
bool guard_verdict_of(struct str word, enum guard_verdict *ret);

struct plan_guard {
	const char *name;
	enum guard_verdict verdict;
	const char *text; /* what it saw and what would release it */
	unsigned needs;   /* persons for a release: 1 or 2; 0 where it cannot be released */
};

/* An unstarted action of an older plan that this one replaces. */
struct plan_superseded {
	uint64_t plan;
	uint32_t n;
};

VEC(vec_action, struct action);
VEC(vec_guard, struct plan_guard);
VEC(vec_superseded, struct plan_superseded);

struct plan {
	struct plan_arena arena;
	const char *org;
	enum plan_urgency urgency;
	int64_t now_ms; /* when it was judged */
	bool complete;  /* the organisation was read completely */
	bool held;      /* a guard holds the whole plan */
	struct vec_guard guards;
	struct vec_action actions;
	struct vec_superseded supersedes;
};

/* What identifies the subject of an action: erasable, beside the plan. */
struct plan_values {
	uint32_t n; /* the action's */
	unsigned char salt[PLAN_SALT_BYTES];
	char *json; /* canonical: {"account_id":…,"email":…,"evidence":{…},"name":…}, and for
		       provisioning "provision":{…} (reconcile/provision.h), for a profile
		       "profile":{…} (reconcile/bulk.h) */
};
VEC(vec_values, struct plan_values);
void plan_values_free(struct vec_values *v);

int plan_new(struct plan **ret, struct err *err) MUST_USE;
void plan_free(struct plan *p);
OWNED(struct plan, plan_free)

/* The canonical bytes, added to *into (whose ceiling should be PLAN_MAX_BYTES). */
int plan_write(const struct plan *p, struct buf *into, struct err *err) MUST_USE;

/* Its "before" or "after" alone: {"status":"active"}. */
void plan_write_fields(const struct action_fields *fields, struct buf *into);

/*
 * Reads what plan_write() wrote, strictly: every member known, typed, in range, n counting from
 * 1, words from the tables, and the same bytes when written again. *ret is new. Fault: DAMAGED
 * naming the member.
 */
int plan_parse(struct str bytes, struct plan **ret, struct err *err) MUST_USE;

/* BLAKE2b-256 over salt and values json: what an action's `subject` must be. */
void plan_subject_digest(const unsigned char salt[PLAN_SALT_BYTES], struct str json,
			 struct digest *ret);

#endif
