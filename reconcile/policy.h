/*
 * Policy: which rules there are, whom they are about, when they hold, what then follows and
 * after how long; how people are matched; what is protected; how much may happen at once.
 *
 * struct policy_conf is what the config's `policy:` section says (policy_keys; bridge includes
 * it as one CONF_SECTION row). policy_bind() turns it, with the shipped rules, into a struct
 * policy: filters parsed, paths collected, words resolved. An absent section means the shipped
 * rules; a rule in the file with a shipped rule's name changes what it states and keeps the
 * rest. A bound policy is immutable and may be shared between threads.
 */
#ifndef RECONCILE_POLICY_H
#define RECONCILE_POLICY_H

#include "base/conf.h"
#include "model/plan.h"
#include "model/query.h"
#include "model/snapshot.h"
#include "reconcile/calendar.h"

#define POLICY_MAX_RULES 64
#define POLICY_MAX_STEPS 8 /* of one ladder */

/* What stands for a rule's name where a person ordered it; no rule may be called so. */
#define ORDER_BLOCK "block"
#define ORDER_UNDO "undo"
#define ORDER_BULK "bulk"

/* --- as the file says it -------------------------------------------------------------------
 */

/* In a rule of a shipped name: what is not stated stays as shipped. */
enum policy_stated { STATED_NOT, STATED_TRUE, STATED_FALSE };

struct policy_rule_conf {
	struct conf_mark mark;
	char *name;
	char *subject; /* `for`: person, account, seat, orphan */
	char *when;    /* filter text, PATH_POLICY dialects */
	char *pilot;   /* the same: only for whom it is true, too; NULL: for all */
	char *anchor;  /* "now", PATH, or PATH + DURATION: what the ladder counts from */
	char *class;   /* leaver, absence, inactive, orphan, restore */
	struct conf_list then; /* "suspend", "deactivate after 7d", "free-seat after 14d" */
	int settle; /* enum policy_stated: waits `settle` after the anchor before its first step
		     */
	int automatic; /* enum policy_stated: approved by policy in mode act */
	char *limit;   /* "5 in 24h", "5 or 2 % in 7d": beside those of its class; NULL */
	bool off;
};

struct policy_match_conf {
	struct conf_mark mark;
	char *name;
	char *on;     /* external-id, email */
	char *source; /* only records of this source; NULL: of every source */
};

struct policy_protection_conf {
	struct conf_mark mark;
	char *name;
	char *subject; /* `for`: person, account */
	char *when;
	char *kind; /* exemption, service-account, operator, sole-role, leave, legal-hold */
	char *rule; /* NULL: against every rule */
	char *owner, *reason;
	char *until; /* date; NULL: no end */
};

struct policy_limit_conf {
	int64_t count; /* subjects that are always allowed */
	double share;  /* of the subjects in scope; the larger of both is the limit */
};

struct policy_limits_conf {
	struct policy_limit_conf leavers_day, leavers_week, absence_day, orphans_week,
		inactive_week, push_hour, provision_day, asked_day, plan;
	int64_t run_time_ms; /* a plan that is applied for longer at a stretch is held */
};

struct policy_hours_conf {
	bool on;
	char *quiet_from, *quiet_until; /* "Fri 15:00", "Mon 07:00": no destructive start
					   between them, in the instance's zone */
	struct conf_list freeze;        /* "2026-12-20..2027-01-06": nor on these days */
};

/* Whom an organisation's provisioning directory is told of: from the organisation's own section
 * of the file (bridge), so that scope and groups are bound with the rest. Borrowed. */
struct policy_provision_group_conf {
	struct conf_mark mark;
	char *name;         /* displayName of the group at Atlassian */
	char *when;         /* who is in it */
	int64_t overlap_ms; /* so long who ceases to be stays in it */
};

struct policy_provision_conf {
	struct conf_mark mark;
	const char *org;
	const char *issuer; /* the source whose ids are the externalIds */
	const char *scope;  /* filter; NULL: whoever is active */
	const struct policy_provision_group_conf *groups;
	size_t group_count;
	int64_t preboard_ms; /* so long before their first day people are told of */
	bool automatic;      /* joiners, updates and joined groups are approved by policy */
};

struct policy_conf {
	struct conf_mark mark;
	struct conf_items rules;       /* struct policy_rule_conf */
	struct conf_items match;       /* struct policy_match_conf; none: scim-id, email */
	struct conf_items protections; /* struct policy_protection_conf */
	bool shipped;                  /* false: only the rules of the file */
	struct policy_limits_conf limits;
	struct policy_hours_conf change_hours;
	int64_t settle_ms;
	int leave_date;            /* enum policy_leave_date */
	bool business_days;        /* waits of whole days count Monday to Friday */
	struct conf_list holidays; /* dates that are no business days */
	bool logins_keep; /* a login to the directory keeps a seat from the inactive- rules */
	int evaluate;     /* enum policy_evaluate */
	char *leave_time; /* "17:00": when the last day ends access; "24:00" */
	int64_t flapping; /* so often taken and given back, and no more; 0: any */
	int64_t hand_approval_ms; /* from the first arm: nothing is automatic before */
	/* not of this section: set before policy_bind(); borrowed until it returns */
	const struct policy_provision_conf *provision;
	size_t provision_count;
};

enum policy_leave_date { LEAVE_LAST_WORKING_DAY, LEAVE_TERMINATION_DATE };

/* Of the rules about one subject: all that are true act, or only the first. */
enum policy_evaluate { EVALUATE_ALL, EVALUATE_FIRST };

/* For a CONF_SECTION row of sub_size sizeof(struct policy_conf). */
extern const struct conf_key policy_keys[];

/* --- bound ---------------------------------------------------------------------------------
 */

enum rule_subject { SUBJECT_PERSON, SUBJECT_ACCOUNT, SUBJECT_SEAT, SUBJECT_ORPHAN };

struct rule_step {
	enum action_kind kind;
	int64_t after_ms; /* after the anchor; from the second wait on after the step before
			     that was actually done */
	char *group;      /* tag, remove-group: the name of a group; else NULL */
};

struct rule {
	char *name, *when_text;
	enum rule_subject subject;
	enum plan_class class;
	struct query *when;  /* NULL: always true */
	struct query *pilot; /* who is in the pilot; NULL: everybody */
	struct path anchor;  /* .name NULL: counts from the round's now */
	int64_t anchor_ms;   /* added to the anchor's time */
	bool settle, automatic;
	struct policy_limit_conf limit; /* within limit_ms */
	int64_t limit_ms;               /* 0: none of its own */
	struct rule_step steps[POLICY_MAX_STEPS];
	size_t step_count;
	unsigned order; /* place in the policy */
};

enum match_on { MATCH_EXTERNAL_ID, MATCH_EMAIL };

struct match_rule {
	char *name;
	enum match_on on;
	char *source; /* or NULL */
};

struct policy_protection {
	char *name;
	enum rule_subject subject; /* PERSON or ACCOUNT */
	struct query *when;
	enum protection_kind kind;
	char *rule, *owner, *reason; /* rule NULL: every rule */
	int64_t until_ms;            /* FACT_ABSENT: no end */
};

enum policy_limit_kind {
	LIMIT_LEAVERS_DAY,
	LIMIT_LEAVERS_WEEK,
	LIMIT_ABSENCE_DAY,
	LIMIT_ORPHANS_WEEK,
	LIMIT_INACTIVE_WEEK,
	LIMIT_PUSH_HOUR,
	LIMIT_PROVISION_DAY,
	LIMIT_ASKED_DAY,
	LIMIT_PLAN, /* whom one plan is about */
	LIMIT_KIND_COUNT
};

/* Rules of provisioning: shipped, named in plans and bars like others. */
enum provision_rule {
	PROVISION_JOINER, /* "provision-joiner": in scope, active, begun, and without a record
			   */
	PROVISION_RETURN, /* "provision-return": the same with a record that is off */
	PROVISION_DRIFT,  /* "provision-update": attributes differ */
	PROVISION_GROUPS, /* "provision-groups" */
	PROVISION_RULE_COUNT
};

struct provision_group {
	char *name;
	struct query *when;
	int64_t overlap_ms;
};

struct policy_provision {
	char *org, *issuer;                      /* issuer NULL: externalId says nothing */
	struct query *scope;                     /* NULL: always true */
	struct rule rules[PROVISION_RULE_COUNT]; /* .when is scope, not theirs */
	struct provision_group *groups;
	size_t group_count;
	int64_t preboard_ms;
};

/*
 * Slots of bound paths (struct path.slot): below POLICY_DERIVED an index into policy->columns;
 * from there on an attribute that is made of facts, not read from a record.
 */
#define POLICY_DERIVED 0x10000
enum policy_slot {
	SLOT_STATUS = POLICY_DERIVED, /* + enum source_role: hr.status, directory.status, ... */
	SLOT_SINCE = SLOT_STATUS + SOURCE_ROLE_COUNT, /* + enum source_role */
	SLOT_LEAVE_DATE = SLOT_SINCE + SOURCE_ROLE_COUNT,
	SLOT_ACCOUNTS, /* part: the person's accounts */
	SLOT_ACCOUNT_ID,
	SLOT_ACCOUNT_EMAIL,
	SLOT_ACCOUNT_NAME,
	SLOT_ACCOUNT_TYPE,
	SLOT_ACCOUNT_ACCOUNT_STATUS,
	SLOT_ACCOUNT_MEMBERSHIP,
	SLOT_ACCOUNT_STATUS,
	SLOT_ACCOUNT_CLAIM,
	SLOT_ACCOUNT_MANAGEMENT,
	SLOT_ACCOUNT_ADDED,
	SLOT_ACCOUNT_LAST_ACTIVE,
	SLOT_ACCOUNT_LAST_LOGIN,
	SLOT_ACCOUNT_ADMIN,
	SLOT_ACCOUNT_GROUPS,
	SLOT_SEATS, /* part: the account's seats */
	SLOT_SEAT_PRODUCT,
	SLOT_SEAT_SITE,
	SLOT_SEAT_RESOURCE,
	SLOT_SEAT_LAST_ACTIVE,
	SLOT_SEAT_ADDED,
	SLOT_SEAT_INVITED,
};

/* Columns that matching, dates and protections always need: indexes into policy->columns. */
enum policy_column {
	COL_USER_NAME,
	COL_DISPLAY_NAME,
	COL_EMAIL,
	COL_EMPLOYEE_NUMBER,
	COL_PERSON_ID,
	COL_START_DATE,
	COL_LAST_WORKING_DAY,
	COL_TERMINATION_DATE,
	COL_TIME_ZONE, /* employment.timeZone */
	COL_USER_ZONE, /* timezone of the core schema */
	COL_LEAVE_FROM,
	COL_LEAVE_UNTIL,
	COL_LEGAL_HOLD,
	COL_IMMEDIATE, /* employment.immediate */
	COL_MANAGER,   /* an id of the record's own source, as it names its people */
	COL_COUNT
};

struct policy {
	struct rule rules[POLICY_MAX_RULES];
	size_t rule_count;
	struct match_rule *match;
	size_t match_count;
	struct policy_protection *protections;
	size_t protection_count;
	struct policy_limit_conf limits[LIMIT_KIND_COUNT];
	int64_t run_time_ms;         /* 0: any */
	bool quiet;                  /* change hours are kept */
	int quiet_from, quiet_until; /* minutes since Sunday 00:00 */
	int64_t settle_ms, hand_approval_ms;
	enum policy_leave_date leave_date;
	int leave_minute;  /* of the last day: CALENDAR_DAY_END, or earlier */
	bool first_match;  /* of the rules about one subject only the first that is true */
	unsigned flapping; /* 0: never */
	bool business_days;
	int64_t *holidays; /* midnights UTC, sorted */
	size_t holiday_count;
	struct calendar_freeze *freezes;
	size_t freeze_count;
	struct policy_provision *provisions;
	size_t provision_count;
	/* where there are provisions: columns of provision_attrs (.from), and of
	 * emails.primary; FACTS_NONE */
	uint32_t provision_columns[PROVISION_ATTR_COUNT], email_primary;
	uint32_t last_login; /* the column of account.lastLogin, where something asks for it */
	struct facts_columns columns; /* what facts must project: hand it to facts_new() */
	uint32_t fixed[COL_COUNT];
};

/*
 * *ret is new and the caller's to policy_free(). All faults are gathered into *faults, each
 * with file, line, rule, key, and the byte offset within a filter. 0 only without a fault;
 * -ERR_CONFIG otherwise, *ret as it was. conf NULL: the shipped policy.
 */
int policy_bind(const struct policy_conf *conf, struct conf_faults *faults, struct policy **ret,
		struct err *err) MUST_USE;
void policy_free(struct policy *p);
OWNED(struct policy, policy_free)

/* As rules call a step: warn, tag and remove-group stand for kinds that plans name otherwise.
 */
const char *rule_step_word(const struct rule_step *step);

/* Words of the file: "person", "exemption", ... */
const char *rule_subject_word(enum rule_subject subject);
const char *protection_kind_word(enum protection_kind kind);

/* What of the policy is about an organisation's provisioning directory; NULL if nothing. */
const struct policy_provision *policy_provision(const struct policy *p, struct str org);

/* NULL if there is none of that name. */
const struct rule *policy_rule(const struct policy *p, struct str name);

/* Calls fn with the canonical text of each path to be projected. */
void policy_each_path(const struct policy *p,
		      void (*fn)(void *ctx, const struct facts_column *column), void *ctx);

/* The shipped rules as YAML, for the sample and `policy check`. */
int policy_show_shipped(struct buf *into, struct err *err) MUST_USE;

#endif
