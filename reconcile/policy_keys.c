/* The key tables of the `policy:` section, and the rules that are shipped. */
#include "reconcile/policy_keys.h"

#include <stddef.h>

static const char *const stated_words[] = { "as-shipped", "true", "false", NULL };
static const char *const evaluate_words[] = { "all", "first", NULL };
static const char *const leave_date_words[] = { "lastWorkingDay", "terminationDate", NULL };

/* clang-format off */
#define ROW(n, t, st, f, ...) { .name = (n), .type = (t), .offset = offsetof(struct st, f), .reload = true, __VA_ARGS__ }
#define WITHIN(l, m) .least = (l), .most = (m)

static const struct conf_key rule_keys[] = {
	ROW("name", CONF_TEXT, policy_rule_conf, name, .preset = "!", WITHIN(1, 64),
	    .help = "stable name; that of a shipped rule changes what is stated here and keeps the rest"),
	ROW("for", CONF_TEXT, policy_rule_conf, subject,
	    .help = "whom the rule judges: person, account, seat, orphan"),
	ROW("when", CONF_TEXT, policy_rule_conf, when,
	    .help = "a filter that must be true, such as leaveDate pr"),
	ROW("pilot", CONF_TEXT, policy_rule_conf, pilot,
	    .help = "a filter: the rule acts only for whom it is true, too; for the others it is counted"),
	ROW("anchor", CONF_TEXT, policy_rule_conf, anchor,
	    .help = "what the steps count from: now, or a time such as leaveDate or lastActive + 91d"),
	ROW("class", CONF_TEXT, policy_rule_conf, class,
	    .help = "whose limits it counts on: leaver, absence, inactive, orphan; restore: it gives back"),
	ROW("then", CONF_LIST, policy_rule_conf, then, WITHIN(0, POLICY_MAX_STEPS),
	    .help = "steps in order: suspend, deactivate after 7d, warn, free-seat after 14d, revoke-tokens, hand-over, tag NAME, remove-group NAME, delete; restore, enable, former-groups"),
	ROW("settle", CONF_ENUM, policy_rule_conf, settle, .preset = "as-shipped", .words = stated_words,
	    .help = "true: wait policy.settle after the anchor, so that a burst is seen first"),
	ROW("automatic", CONF_ENUM, policy_rule_conf, automatic, .preset = "as-shipped", .words = stated_words,
	    .help = "true: in mode act the policy approves its actions"),
	ROW("limit", CONF_TEXT, policy_rule_conf, limit,
	    .help = "a limit of its own, beside that of its class: 5 in 24h, or 5 or 2 % in 7d"),
	ROW("off", CONF_BOOL, policy_rule_conf, off, .preset = "false",
	    .help = "true: the rule is not judged"),
	{ 0 }
};

static const struct conf_key match_keys[] = {
	ROW("name", CONF_TEXT, policy_match_conf, name, .preset = "!", WITHIN(1, 64),
	    .help = "stable name, for leaverd match approve"),
	ROW("on", CONF_TEXT, policy_match_conf, on, .preset = "!",
	    .help = "external-id (the SCIM externalId of the same issuer) or email"),
	ROW("source", CONF_TEXT, policy_match_conf, source,
	    .help = "only records of this source"),
	{ 0 }
};

static const struct conf_key protection_keys[] = {
	ROW("name", CONF_TEXT, policy_protection_conf, name, .preset = "!", WITHIN(1, 64),
	    .help = "stable name, shown wherever it holds something"),
	ROW("for", CONF_TEXT, policy_protection_conf, subject, .preset = "person",
	    .help = "whom the filter is about: person or account"),
	ROW("when", CONF_TEXT, policy_protection_conf, when, .preset = "!",
	    .help = "a filter; whom it is true for is protected, and whom it is unknown for too"),
	ROW("kind", CONF_TEXT, policy_protection_conf, kind, .preset = "exemption",
	    .help = "exemption, service-account, operator, sole-role, leave, legal-hold"),
	ROW("rule", CONF_TEXT, policy_protection_conf, rule,
	    .help = "only against this rule; without it against every rule"),
	ROW("owner", CONF_TEXT, policy_protection_conf, owner, .preset = "!", WITHIN(1, 256),
	    .help = "who answers for it"),
	ROW("reason", CONF_TEXT, policy_protection_conf, reason, .preset = "!", WITHIN(1, 512),
	    .help = "why"),
	ROW("until", CONF_TEXT, policy_protection_conf, until,
	    .help = "last day, YYYY-MM-DD; without it no end"),
	{ 0 }
};

#define LIMIT_KEYS(name_, count_, share_)                                                        \
static const struct conf_key name_##_keys[] = {                                                  \
	ROW("count", CONF_INT, policy_limit_conf, count, .preset = (count_), WITHIN(0, 1000000), \
	    .help = "subjects that are always allowed"),                                         \
	ROW("share", CONF_SHARE, policy_limit_conf, share, .preset = (share_),                   \
	    .help = "of the subjects in scope; the larger of both is the limit"),                \
	{ 0 }                                                                                    \
}
LIMIT_KEYS(leavers_day,   "3", "2 %");
LIMIT_KEYS(leavers_week,  "6", "3 %");
LIMIT_KEYS(absence_day,   "2", "0.5 %");
LIMIT_KEYS(orphans_week,  "3", "1 %");
LIMIT_KEYS(inactive_week, "5", "5 %");
LIMIT_KEYS(push_hour,     "3", "0.5 %");
LIMIT_KEYS(provision_day, "20", "10 %");
LIMIT_KEYS(asked_day,     "25", "5 %");
LIMIT_KEYS(plan,          "0", "100 %");

#define LIMIT(n, f, h) ROW(n, CONF_SECTION, policy_limits_conf, f, .sub = f##_keys,              \
			   .sub_size = sizeof(struct policy_limit_conf), .help = (h))
static const struct conf_key limits_keys[] = {
	LIMIT("leavers_day",   leavers_day,   "leavers within 24 hours"),
	LIMIT("leavers_week",  leavers_week,  "leavers within 7 days"),
	LIMIT("absence_day",   absence_day,   "people gone from a source, within 24 hours"),
	LIMIT("orphans_week",  orphans_week,  "accounts that nobody explains, within 7 days"),
	LIMIT("inactive_week", inactive_week, "seats taken for inactivity, within 7 days"),
	LIMIT("push_hour",     push_hour,     "people ended by one push source within an hour"),
	LIMIT("provision_day", provision_day, "people told to a provisioning directory within 24 hours; above, what is told to it is held"),
	LIMIT("asked_day",     asked_day,     "people of whom leaverd bulk takes something within 24 hours"),
	LIMIT("plan",          plan,          "people and accounts of whom one plan takes something, whatever the rule"),
	ROW("run_time", CONF_MS, policy_limits_conf, run_time_ms, .preset = "12h", WITHIN(0, 604800000),
	    .help = "a routine plan that is applied for longer at a stretch is held; 0: never"),
	{ 0 }
};

static const struct conf_key hours_keys[] = {
	ROW("on", CONF_BOOL, policy_hours_conf, on, .preset = "true",
	    .help = "false: destructive steps may start at any hour"),
	ROW("quiet_from", CONF_TEXT, policy_hours_conf, quiet_from, .preset = "Fri 15:00",
	    .help = "from here no destructive step starts, but for leavers and block"),
	ROW("quiet_until", CONF_TEXT, policy_hours_conf, quiet_until, .preset = "Mon 07:00",
	    .help = "until here, in the zone of the instance"),
	ROW("freeze", CONF_LIST, policy_hours_conf, freeze, WITHIN(0, 100),
	    .help = "days on which no such step starts either, such as 2026-12-20..2027-01-06"),
	{ 0 }
};

const struct conf_key policy_keys[] = {
	ROW("shipped", CONF_BOOL, policy_conf, shipped, .preset = "true",
	    .help = "false: only the rules of this file are judged"),
	ROW("rules", CONF_ITEMS, policy_conf, rules, .sub = rule_keys,
	    .sub_size = sizeof(struct policy_rule_conf), WITHIN(0, POLICY_MAX_RULES),
	    .help = "rules of one's own, and changes to shipped ones"),
	ROW("match", CONF_ITEMS, policy_conf, match, .sub = match_keys,
	    .sub_size = sizeof(struct policy_match_conf), WITHIN(0, 16),
	    .help = "how accounts find their person, in order; without it external-id, then email"),
	ROW("protections", CONF_ITEMS, policy_conf, protections, .sub = protection_keys,
	    .sub_size = sizeof(struct policy_protection_conf), WITHIN(0, 256),
	    .help = "whom automatic acts leave alone, by filter"),
	ROW("limits", CONF_SECTION, policy_conf, limits, .sub = limits_keys,
	    .sub_size = sizeof(struct policy_limits_conf),
	    .help = "how many subjects at most; above, the whole plan is held"),
	ROW("change_hours", CONF_SECTION, policy_conf, change_hours, .sub = hours_keys,
	    .sub_size = sizeof(struct policy_hours_conf),
	    .help = "when destructive steps may start"),
	ROW("settle", CONF_MS, policy_conf, settle_ms, .preset = "10min", WITHIN(0, 86400000),
	    .help = "how long a directory's or push source's word waits, so that a burst is seen"),
	ROW("leave_date", CONF_ENUM, policy_conf, leave_date, .preset = "lastWorkingDay", .words = leave_date_words,
	    .help = "which of the two dates ends access where both are known"),
	ROW("leave_time", CONF_TEXT, policy_conf, leave_time, .preset = "24:00",
	    .help = "at which time of that day access ends, where the person is; 24:00: when the day is over"),
	ROW("evaluate", CONF_ENUM, policy_conf, evaluate, .preset = "all", .words = evaluate_words,
	    .help = "which of the rules about one subject act: all that are true, or only the first in the order of the file"),
	ROW("logins_keep_seats", CONF_BOOL, policy_conf, logins_keep, .preset = "false",
	    .help = "true: who logged in to a directory lately (logins) keeps seats that look unused to inactive-jira, -jsm, -confluence"),
	ROW("flapping", CONF_INT, policy_conf, flapping, .preset = "2", WITHIN(0, 100),
	    .help = "what was taken so often and given back by somebody else is held; 0: never"),
	ROW("business_days", CONF_BOOL, policy_conf, business_days, .preset = "false",
	    .help = "true: waits of whole days count Monday to Friday, without holidays"),
	ROW("holidays", CONF_LIST, policy_conf, holidays, WITHIN(0, 1000),
	    .help = "dates that are no business days, YYYY-MM-DD"),
	ROW("hand_approval", CONF_MS, policy_conf, hand_approval_ms, .preset = "30d", WITHIN(0, 31536000000),
	    .help = "so long after the first arm nothing is approved by policy"),
	{ 0 }
};

/*
 * The last-active dates of Atlassian may be a day late: each wait on them has one day more than
 * the number that people speak of (91 for 90).
 */
const struct shipped_rule shipped_rules[] = {
	{ .name = "leaver-hr", .subject = "person", .class = "leaver", .automatic = true,
	  .when = "leaveDate pr", .anchor = "leaveDate",
	  .then = { "suspend", "revoke-tokens", "hand-over", "deactivate after 7d" } },
	{ .name = "leaver-directory", .subject = "person", .class = "leaver", .automatic = true, .settle = true,
	  .when = "directory.status eq \"disabled\"", .anchor = "directory.since",
	  .then = { "suspend", "hand-over", "deactivate after 14d" } },
	{ .name = "leaver-gone", .subject = "person", .class = "absence",
	  .when = "directory.status eq \"gone\" and not (hr.status eq \"active\")", .anchor = "directory.since",
	  .then = { "suspend", "deactivate after 14d" } },
	{ .name = "leaver-push", .subject = "person", .class = "leaver", .settle = true,
	  .when = "idp.status eq \"ended\" and not (hr.status eq \"active\") and not (directory.status eq \"active\")",
	  .anchor = "idp.since",
	  .then = { "suspend" } },
	{ .name = "leaver-hr-off", .subject = "person", .class = "leaver", .settle = true,
	  .when = "(hr.status eq \"disabled\" or hr.status eq \"ended\") and not (leaveDate pr)", .anchor = "hr.since",
	  .then = { "suspend" } },
	{ .name = "leaver-hr-gone", .subject = "person", .class = "absence",
	  .when = "hr.status eq \"gone\" and not (leaveDate pr)", .anchor = "hr.since",
	  .then = { "suspend", "deactivate after 14d" } },
	{ .name = "inactive-jira", .subject = "seat", .class = "inactive",
	  .when = "(product eq \"jira\" or product eq \"jira-software\") and lastActive lt now-91d",
	  .anchor = "lastActive + 91d", .kept_when = "account.lastLogin ge now-91d",
	  .then = { "warn", "free-seat after 14d" } },
	{ .name = "inactive-jsm", .subject = "seat", .class = "inactive",
	  .when = "(product eq \"jsm\" or product eq \"jira-servicedesk\" or product eq \"jira-service-desk\") and lastActive lt now-91d",
	  .anchor = "lastActive + 91d", .kept_when = "account.lastLogin ge now-91d",
	  .then = { "warn", "free-seat after 14d" } },
	{ .name = "inactive-confluence", .subject = "seat", .class = "inactive",
	  .when = "product eq \"confluence\" and lastActive lt now-121d",
	  .anchor = "lastActive + 121d", .kept_when = "account.lastLogin ge now-121d",
	  .then = { "warn", "free-seat after 14d" } },
	{ .name = "never-used", .subject = "seat", .class = "inactive",
	  .when = "not (lastActive pr) and added lt now-46d", .anchor = "added + 46d",
	  .then = { "warn", "free-seat after 14d" } },
	{ .name = "invited", .subject = "seat", .class = "inactive",
	  .when = "invited eq true and added lt now-30d", .anchor = "added + 30d",
	  .then = { "warn", "free-seat after 14d" } },
	{ .name = "external-idle", .subject = "seat", .class = "inactive",
	  .when = "account.claimStatus eq \"unmanaged\" and lastActive lt now-61d", .anchor = "lastActive + 61d",
	  .then = { "warn", "free-seat after 14d" } },
	{ .name = "orphan", .subject = "orphan", .class = "orphan", .anchor = "now",
	  .then = { "suspend" } },
	/* who decides of employment says active: what rules of ours took comes back */
	{ .name = "rehired", .subject = "person", .class = "restore", .anchor = "now",
	  .when = "hr.status eq \"active\" or (hr.status eq \"absent\" and (directory.status eq \"active\" or "
		  "(directory.status eq \"absent\" and idp.status eq \"active\")))",
	  .then = { "restore", "enable", "former-groups" } },
	{ 0 }
};

const struct policy_match_conf shipped_match[] = {
	{ .name = (char *)(uintptr_t)"scim-id", .on = (char *)(uintptr_t)"external-id" },
	{ .name = (char *)(uintptr_t)"email", .on = (char *)(uintptr_t)"email" },
};
const size_t shipped_match_count = COUNT_OF(shipped_match);
/* clang-format on */
