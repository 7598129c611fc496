#include "bridge/commands.h"

#include "bridge/evidence_file.h"
#include "bridge/export_file.h"
#include "bridge/bulk_cli.h"
#include "bridge/local.h"
#include "bridge/render.h"
#include "bridge/report_file.h"
#include "bridge/signing.h"

/* clang-format off */

/* --- options that several commands share ----------------------------------------------------- */

#define OPT_END { 0 }
#define OPT_ORG { "org", 'o', "ORG", CLI_TEXT, NULL, false, "one organisation instead of all", NULL }
#define OPT_REASON(must, text) { "reason", 'r', "TEXT", CLI_TEXT, NULL, must, text, NULL }
#define OPT_LIMIT { "limit", 'n', "N", CLI_INT, NULL, false, "at most so many rows (default 100; 0: all)", NULL }
#define OPT_FILTER(text) { "filter", 'f', "FILTER", CLI_TEXT, NULL, false, text, NULL }
#define OPT_TOKEN { "token-file", 0, "FILE", CLI_LOCAL, NULL, false, "a token of role hr-confidential: show ends that lie ahead", NULL }
#define OPT_ALL(text) { "all", 'a', NULL, CLI_FLAG, NULL, false, text, NULL }

#define ARG_END { 0 }
#define ARG_PLAN { .name = "PLAN", .member = "plan", .least = 1, .most = 1, .number = true }
#define ARG_WHO { .name = "WHO", .member = "who", .least = 1, .most = 1 }
#define ARG_ONE(n, m) { .name = n, .member = m, .least = 1, .most = 1 }
#define ARG_MAYBE(n, m) { .name = n, .member = m, .least = 0, .most = 1 }

const struct cli_option command_globals[] = {
	{ "config", 'c', "FILE", CLI_LOCAL, "-c", false,
	  "the configuration; default $LEAVERD_CONFIG, ./leaverd.yaml, /etc/leaverd/leaverd.yaml", NULL },
	{ "json", 'j', NULL, CLI_SWITCH, "-j", false, "print the answer as JSON", NULL },
	{ "quiet", 'q', NULL, CLI_SWITCH, "-q", false, "no progress, no confirmations", NULL },
	{ "verbose", 'v', NULL, CLI_SWITCH, "-v", false, "log what happens on stderr", NULL },
	{ "passphrase-fd", 0, "FD", CLI_LOCAL, "-p", false,
	  "read the vault's passphrase from this open file descriptor", NULL },
	{ "help", 'h', NULL, CLI_SWITCH, "-h", false, "explain the command", NULL },
	{ "version", 0, NULL, CLI_SWITCH, "-V", false, "print the version", NULL },
	OPT_END
};

/* --- setting up ------------------------------------------------------------------------------ */

static const struct cli_operand init_operands[] = { ARG_MAYBE("DIR", "dir"), ARG_END };
static const struct cli_option init_options[] = {
	{ "answers", 0, "FILE", CLI_TEXT, NULL, false, "a YAML file of answers: name, zone, key, kind, source, address, profile, base, columns, org_id", NULL },
	{ "name", 0, "NAME", CLI_TEXT, NULL, false, "name of the instance", NULL },
	{ "zone", 0, "ZONE", CLI_TEXT, NULL, false, "time zone, such as Europe/Berlin", NULL },
	{ "key", 0, "WAY", CLI_TEXT, NULL, false, "what opens the vault: a file, a passphrase, a systemd credential", "file passphrase credential" },
	{ "kind", 0, "KIND", CLI_TEXT, NULL, false, "scim: people are pushed to us; ldap: read by us; file: HR's export", "scim ldap file" },
	{ "source", 0, "NAME", CLI_TEXT, NULL, false, "name of that source", NULL },
	{ "address", 0, "ADDRESS", CLI_TEXT, NULL, false, "scim: where to listen; ldap: URL of the directory; file: a folder of exports, or one", NULL },
	{ "profile", 0, "WHO", CLI_TEXT, NULL, false, "scim: who pushes", "generic entra okta keycloak onelogin ping jumpcloud google sailpoint authentik" },
	{ "base", 0, "DN", CLI_TEXT, NULL, false, "ldap: where people stand", NULL },
	{ "columns", 0, "NAMES", CLI_TEXT, NULL, false, "file: of personnel number, mail address and last working day, commas between", NULL },
	{ "org-id", 0, "ID", CLI_TEXT, NULL, false, "Atlassian's id of the organisation", NULL },
	OPT_END
};

static const struct cli_option check_options[] = {
	{ "show", 's', NULL, CLI_SWITCH, NULL, false, "print the whole configuration, defaults included", NULL },
	OPT_END
};

static const struct cli_operand arm_operands[] = {
	{ .name = "MODE", .member = "mode", .least = 1, .most = 1, .words = "observe propose act" }, ARG_END
};
static const struct cli_option arm_options[] = {
	OPT_ORG, OPT_REASON(true, "why; stands in the audit chain"), OPT_END
};

/* --- reading --------------------------------------------------------------------------------- */

static const struct cli_operand sync_operands[] = { ARG_MAYBE("SOURCE", "source"), ARG_END };
static const struct cli_option sync_options[] = {
	{ "dry-run", 'd', NULL, CLI_FLAG, NULL, false, "read and judge, keep nothing", NULL },
	{ "delta", 0, NULL, CLI_FLAG, NULL, false, "only what changed since; all where that cannot be told", NULL },
	{ "show", 0, "DN", CLI_TEXT, NULL, false, "with --dry-run: one entry (of an export the rows of a key), what the map makes of it", NULL },
	OPT_END
};
static const struct cli_operand collect_operands[] = { ARG_MAYBE("ORG", "org"), ARG_END };
static const struct cli_operand collect_accept_operands[] = { ARG_ONE("ORG", "org"), ARG_END };
static const struct cli_operand source_operands[] = { ARG_ONE("SOURCE", "source"), ARG_END };
static const struct cli_operand gone_operands[] = {
	ARG_ONE("SOURCE", "source"), { .name = "KEY", .member = "keys", .least = 0, .most = 1000 }, ARG_END
};
static const struct cli_option gone_options[] = {
	OPT_REASON(false, "how it is known that they left; stands in the audit chain"), OPT_END
};
static const struct cli_option events_options[] = {
	{ "foreign", 'F', NULL, CLI_FLAG, NULL, false, "only what was done under our key and not by us", NULL },
	OPT_LIMIT, OPT_END
};
static const struct cli_operand source_maybe[] = { ARG_MAYBE("SOURCE", "source"), ARG_END };
static const struct cli_option source_accept_options[] = {
	{ "read", 0, "N", CLI_INT, NULL, false, "this read; default: the newest", NULL },
	OPT_REASON(true, "why the read is right; stands in the audit chain"), OPT_END
};
static const struct cli_option reason_options[] = { OPT_REASON(true, "why; stands in the audit chain"), OPT_END };

/* --- plans ----------------------------------------------------------------------------------- */

static const struct cli_option plan_options[] = {
	OPT_ORG,
	{ "sample", 's', "N", CLI_INT, NULL, false, "show so many actions of each rule, drawn evenly", NULL },
	{ "wave", 'w', "N", CLI_INT, NULL, false, "a plan of the N surest subjects, as far as the limits leave room", NULL },
	{ "free", 0, "N", CLI_INT, NULL, false, "rank seats: which N can be free --by DATE, which cannot and why", NULL },
	{ "product", 'p', "PRODUCT", CLI_TEXT, NULL, false, "with --free: seats of it, such as jira", NULL },
	{ "site", 0, "SITE", CLI_TEXT, NULL, false, "with --free: only on this site", NULL },
	{ "by", 0, "DATE", CLI_TIME, "by_ms", false, "with --free: until when, a date or a duration such as 30d", NULL },
	OPT_TOKEN,
	OPT_END
};
static const struct cli_option policy_check_options[] = {
	{ "strict", 's', NULL, CLI_SWITCH, NULL, false, "status 3 where there is a warning", NULL }, OPT_END
};
static const struct cli_operand policy_test_operands[] = { ARG_MAYBE("FILE", "file"), ARG_END };
static const struct cli_operand policy_diff_operands[] = { ARG_ONE("FILE", "file"), ARG_END };
static const struct cli_option policy_diff_options[] = {
	OPT_ORG,
	{ "exit-code", 'e', NULL, CLI_FLAG, NULL, false, "status 4 where anything would be done otherwise", NULL },
	OPT_TOKEN,
	OPT_END
};
static const struct cli_operand plan_operands[] = { ARG_PLAN, ARG_END };
static const struct cli_option plans_options[] = {
	OPT_ORG, OPT_ALL("finished, expired and superseded ones too"), OPT_LIMIT, OPT_END
};
#define OPT_STATEMENT \
	{ "statement", 0, NULL, CLI_FLAG, NULL, false, "decide nothing, print what there is to sign", NULL }
#define OPT_SIGN OPT_STATEMENT, \
	{ "sign", 0, "KEYFILE", CLI_LOCAL, NULL, false, "sign it with this key", NULL }, \
	{ "signature", 0, "FILE", CLI_LOCAL, NULL, false, "what was signed elsewhere (-: stdin)", NULL }, \
	OPT_KEY_FD
#define OPT_KEY_FD { "key-passphrase-fd", 0, "FD", CLI_LOCAL, NULL, false, \
	  "read the key's passphrase from this open file descriptor", NULL }
static const struct cli_option show_options[] = {
	OPT_FILTER("only actions that it names: rule, kind, class, product, email, person, account, held"),
	OPT_LIMIT,
	{ "statement", 0, NULL, CLI_FLAG, NULL, false, "what there is to sign to approve all that is not held", NULL },
	OPT_TOKEN, OPT_END
};
static const struct cli_option approve_options[] = {
	{ "rule", 0, "RULE", CLI_TEXTS, "rules", false, "only actions of this rule; may be repeated", NULL },
	{ "person", 0, "WHO", CLI_TEXTS, "persons", false, "only actions about this person; may be repeated", NULL },
	{ "action", 0, "N", CLI_TEXTS, "actions", false, "only this action; may be repeated", NULL },
	{ "release", 0, "GUARD", CLI_TEXTS, "guards", false, "release this guard as well; may be repeated", NULL },
	OPT_REASON(false, "why; needed to release a guard"),
	{ "count", 0, "N", CLI_INT, NULL, false,
	  "where one administrator stands for two: how many actions that are, typed out", NULL },
	OPT_TOKEN, OPT_SIGN, OPT_END
};
static const struct cli_option reject_options[] = {
	{ "rule", 0, "RULE", CLI_TEXTS, "rules", false, "only actions of this rule; may be repeated", NULL },
	{ "person", 0, "WHO", CLI_TEXTS, "persons", false, "only actions about this person; may be repeated", NULL },
	{ "action", 0, "N", CLI_TEXTS, "actions", false, "only this action; may be repeated", NULL },
	{ "until", 'u', "DATE", CLI_TIME, "until_ms", false,
	  "for a part: not to be planned again before this date, or for a duration such as 30d", NULL },
	OPT_REASON(false, "why; needed unless signed, stands in the audit chain"),
	OPT_TOKEN, OPT_SIGN, OPT_END
};
static const struct cli_option release_options[] = {
	OPT_REASON(false, "why; needed unless signed, stands in the audit chain"), OPT_SIGN, OPT_END
};
static const struct cli_operand release_operands[] = { ARG_PLAN, ARG_MAYBE("GUARD", "guard"), ARG_END };
static const struct cli_option apply_options[] = {
	{ "wait", 'w', NULL, CLI_FLAG, NULL, false, "wait until nothing of it can start any more", NULL },
	OPT_TOKEN, OPT_END
};
static const struct cli_option pause_options[] = {
	OPT_ORG, OPT_REASON(true, "why; stands in the audit chain"), OPT_END
};
static const struct cli_operand who_operands[] = { ARG_WHO, ARG_END };
static const struct cli_option block_options[] = {
	OPT_ORG, OPT_REASON(true, "why; stands in the audit chain"), OPT_END
};
static const struct cli_option notices_options[] = {
	OPT_ALL("those that were sent, too"), OPT_LIMIT, OPT_END
};
static const struct cli_operand request_operands[] = {
	{ .name = "REQUEST", .member = "request", .least = 1, .most = 1, .number = true }, ARG_END
};
static const struct cli_option requests_options[] = {
	OPT_ALL("links that were not used, and answered requests, too"), OPT_LIMIT, OPT_END
};
static const struct cli_option grant_options[] = {
	OPT_REASON(false, "why; stands in the audit chain"), OPT_END
};
static const struct cli_operand notices_operands[] = { ARG_ONE("TO", "to"), ARG_END };
static const struct cli_operand undo_operands[] = { ARG_MAYBE("WHO", "who"), ARG_END };
static const struct cli_option undo_options[] = {
	{ "plan", 'p', "N", CLI_INT, NULL, false, "all that this plan did, instead of WHO", NULL },
	{ "action", 'a', "N", CLI_INT, NULL, false, "only this action of --plan", NULL },
	{ "days", 'd', "N", CLI_INT, NULL, false, "WHO: how far back; default 30", NULL },
	{ "until", 'u', "DATE", CLI_TIME, "until_ms", false, "when the bars end: a date, or a duration such as 90d; default 30d", NULL },
	OPT_ORG, OPT_REASON(true, "why; stands in the audit chain"), OPT_END
};
static const struct cli_option ledger_options[] = {
	{ "days", 'd', "N", CLI_INT, NULL, false, "how far back, at most 1100; default 90", NULL }, OPT_END
};
static const struct cli_operand review_operands[] = {
	{ .name = "REVIEW", .member = "review", .least = 1, .most = 1, .number = true }, ARG_END
};
static const struct cli_operand review_maybe[] = {
	{ .name = "REVIEW", .member = "review", .least = 0, .most = 1, .number = true }, ARG_END
};
static const struct cli_operand review_file_operands[] = {
	{ .name = "REVIEW", .member = "review", .least = 1, .most = 1, .number = true },
	ARG_ONE("FILE", "file"), ARG_END
};
static const struct cli_option review_start_options[] = {
	{ "org", 'o', "ORG", CLI_TEXT, NULL, true, "whose seats", NULL },
	OPT_FILTER("only seats that it names, as for seats"),
	{ "until", 'u', "DATE", CLI_TIME, "until_ms", false, "until when managers may answer: a date, or a duration; default 14d", NULL },
	OPT_REASON(true, "what the review is for; stands in the audit chain"), OPT_END
};
static const struct cli_option review_list_options[] = {
	{ "manager", 'm', "ADDRESS", CLI_TEXT, NULL, false, "only what this manager is asked", NULL },
	{ "open", 0, NULL, CLI_FLAG, NULL, false, "only what nobody answered", NULL },
	{ "csv", 0, NULL, CLI_FLAG, NULL, false, "all of it as CSV, to be filled in and read by review answer", NULL },
	OPT_LIMIT, OPT_END
};
static const struct cli_option review_answer_options[] = {
	{ "by", 0, "ADDRESS", CLI_TEXT, NULL, false, "who answered, where the row does not say", NULL }, OPT_END
};
static const struct cli_option privacy_options[] = {
	{ "days", 'd', "N", CLI_INT, NULL, false, "who read in the last N days; default 90", NULL }, OPT_END
};
static const struct cli_option why_options[] = { OPT_ORG, OPT_TOKEN, OPT_END };

#define BULK_OPS "activate deactivate suspend restore delete cancel-delete revoke-tokens free-seat add-group remove-group copy-groups change-profile create-group drop-group"
#define BULK_ENCODINGS "auto utf-8 utf-16le utf-16be windows-1252 iso-8859-1"

static const struct cli_operand bulk_operands[] = { ARG_MAYBE("FILE", "file"), ARG_END };
static const struct cli_option bulk_options[] = {
	OPT_FILTER("all accounts that it names, instead of FILE: as for accounts"),
	{ "do", 'd', "OP", CLI_TEXT, NULL, false, "what to do, where the row does not say", BULK_OPS },
	{ "group", 'g', "GROUP", CLI_TEXT, NULL, false, "name or id of a group, where the row does not say", NULL },
	{ "product", 'p', "PRODUCT", CLI_TEXT, NULL, false, "of a seat, where the row does not say: jira, confluence, ...", NULL },
	{ "site", 0, "SITE", CLI_TEXT, NULL, false, "of a seat, where several sites have the product", NULL },
	{ "directory", 0, "ID", CLI_TEXT, NULL, false, "of groups to be made, where there are several", NULL },
	{ "like", 0, "WHO", CLI_TEXT, NULL, false, "copy-groups: whose, where the row does not say", NULL },
	{ "unused-groups", 0, NULL, CLI_FLAG, NULL, false, "drop every group without members that gives nothing", NULL },
	{ "skip-faulty", 0, NULL, CLI_FLAG, NULL, false, "plan the other rows, too, where some are faulty", NULL },
	{ "dry-run", 0, NULL, CLI_FLAG, NULL, false, "judge the rows, make no plan", NULL },
	{ "result", 0, "FILE", CLI_LOCAL, NULL, false, "write the rows here again, with what became of each; can be fed back", NULL },
	{ "encoding", 0, "NAME", CLI_LOCAL, NULL, false, "of FILE, where it cannot be told", BULK_ENCODINGS },
	OPT_ORG, OPT_REASON(true, "why; stands in the plan, so without names"), OPT_END
};
static const struct cli_option overdue_options[] = { OPT_TOKEN, OPT_END };
static const struct cli_option handover_options[] = {
	{ "to", 't', "RECEIVER", CLI_TEXT, NULL, false, "address or account id of who is to receive it all", NULL },
	{ "nobody", 'x', NULL, CLI_FLAG, NULL, false, "nobody is named any more", NULL },
	OPT_REASON(false, "why; needed with --to and --nobody, stands in the audit chain"), OPT_ORG, OPT_TOKEN, OPT_END
};

/* --- people ---------------------------------------------------------------------------------- */

static const struct cli_option users_options[] = {
	{ "source", 's', "SOURCE", CLI_TEXT, NULL, false, "one source instead of all", NULL },
	OPT_FILTER("a SCIM filter, such as 'userName sw \"a\"'; by employment only with --token-file"), OPT_LIMIT, OPT_TOKEN, OPT_END
};
static const struct cli_option groups_options[] = {
	{ "source", 's', "SOURCE", CLI_TEXT, NULL, false, "one source instead of all", NULL },
	OPT_FILTER("a SCIM filter, such as 'displayName sw \"a\"'"), OPT_LIMIT, OPT_END
};
static const struct cli_option accounts_options[] = {
	OPT_ORG, OPT_FILTER("such as 'lastActive lt now-90d and claimStatus eq \"managed\"'"), OPT_LIMIT, OPT_END
};
static const struct cli_option seats_options[] = {
	OPT_ORG, OPT_FILTER("such as 'product eq \"jira\" and lastActive lt now-90d'"),
	{ "count", 'C', NULL, CLI_FLAG, NULL, false, "only how many, by product and site", NULL },
	OPT_LIMIT, OPT_END
};
static const struct cli_option orphans_options[] = {
	OPT_ORG, OPT_FILTER("as for accounts"), OPT_LIMIT, OPT_END
};
static const struct cli_operand adopt_operands[] = {
	{ .name = "ACCOUNT", .member = "accounts", .least = 0, .most = 256 }, ARG_END
};
static const struct cli_option adopt_options[] = {
	OPT_ORG,
	{ "rule", 0, "RULE", CLI_TEXT, NULL, false, "all accounts that this match rule linked, now and later", NULL },
	OPT_FILTER("all that it names, as for accounts; shows them first"),
	{ "file", 0, "FILE", CLI_TEXT, NULL, false, "all that this CSV names by address or account id; shows them first", NULL },
	{ "count", 'C', "N", CLI_INT, NULL, false, "with --filter or --file: adopt them, that are so many", NULL },
	{ "undo", 'u', NULL, CLI_FLAG, NULL, false, "they are not ours any more", NULL },
	OPT_REASON(true, "why; stands in the audit chain"), OPT_END
};
static const struct cli_option match_options[] = {
	OPT_ALL("decided ones too"), OPT_LIMIT, OPT_END
};
static const struct cli_option compare_options[] = {
	OPT_ORG, OPT_FILTER("only accounts that it names, as for accounts"),
	{ "only", 0, "SIDE", CLI_TEXT, NULL, false, "rows of one side; all are counted", "mine yours both" },
	{ "encoding", 0, "NAME", CLI_LOCAL, NULL, false, "of FILE, where it cannot be told", BULK_ENCODINGS },
	OPT_LIMIT, OPT_END
};
static const struct cli_operand doubt_operands[] = {
	{ .name = "DOUBT", .member = "doubt", .least = 1, .most = 1, .number = true }, ARG_END
};
static const struct cli_operand rule_operands[] = { ARG_ONE("RULE", "rule"), ARG_END };
static const struct cli_option rule_options[] = {
	OPT_ORG,
	{ "undo", 'u', NULL, CLI_FLAG, NULL, false, "take the approval back", NULL }, OPT_END
};

/* --- protections ----------------------------------------------------------------------------- */

#define PROTECTION_KINDS "exemption service-account operator sole-role legal-hold leave"

static const struct cli_operand protect_operands[] = { ARG_MAYBE("WHO", "who"), ARG_END };
static const struct cli_option protect_options[] = {
	{ "kind", 'k', "KIND", CLI_TEXT, NULL, false, "default exemption", PROTECTION_KINDS },
	{ "account", 0, "ACCOUNT", CLI_TEXT, NULL, false, "one account instead of a person", NULL },
	{ "rule", 0, "RULE", CLI_TEXT, NULL, false, "only against this rule", NULL },
	OPT_ORG,
	{ "owner", 0, "NAME", CLI_TEXT, NULL, false, "who answers for it; needed unless signed elsewhere", NULL },
	{ "from", 0, "DATE", CLI_TIME, "from_ms", false, "when it begins; default: now", NULL },
	{ "until", 'u', "DATE", CLI_TIME, "until_ms", false, "when it ends: a date, or a duration such as 90d", NULL },
	OPT_REASON(false, "why; needed unless signed, stands in the audit chain"), OPT_SIGN, OPT_END
};
static const struct cli_operand expect_operands[] = {
	{ .name = "WHO", .member = "who", .least = 0, .most = 256 }, ARG_END
};
static const struct cli_option expect_options[] = {
	{ "file", 0, "FILE", CLI_LOCAL, NULL, false, "more of them, one a line (-: stdin)", NULL },
	{ "from", 0, "DATE", CLI_TIME, "from_ms", false, "when it begins; default: now", NULL },
	{ "until", 'u', "DATE", CLI_TIME, "until_ms", true, "when it ends: a date, or a duration such as 30d", NULL },
	OPT_REASON(true, "why; stands in the audit chain"), OPT_END
};
static const struct cli_option matter_options[] = {
	OPT_REASON(false, "why; needed unless signed, stands in the audit chain"),
	{ "count", 0, "N", CLI_INT, NULL, false,
	  "where one administrator stands for two: how many people that are, typed out", NULL },
	OPT_SIGN, OPT_END
};
static const struct cli_operand config_operands[] = {
	{ .name = "NUMBER", .member = "number", .least = 0, .most = 1, .number = true }, ARG_END
};
static const struct cli_option config_options[] = {
	OPT_REASON(false, "why; needed unless signed, stands in the audit chain"), OPT_SIGN, OPT_END
};
static const struct cli_operand number_operands[] = {
	{ .name = "NUMBER", .member = "number", .least = 1, .most = 1, .number = true }, ARG_END
};
static const struct cli_option all_options[] = { OPT_ALL("lifted and ended ones too"), OPT_END };
static const struct cli_option word_options[] = {
	OPT_REASON(false, "why; needed unless signed, stands in the audit chain"), OPT_SIGN, OPT_END
};
static const struct cli_option bar_options[] = {
	{ "rule", 0, "RULE", CLI_TEXT, NULL, false, "this rule; default: every rule", NULL },
	{ "until", 'u', "DATE", CLI_TIME, "until_ms", false, "when it ends: a date, or a duration such as 90d", NULL },
	OPT_REASON(false, "why; needed unless signed, stands in the audit chain"), OPT_SIGN, OPT_END
};

/* --- approvers ------------------------------------------------------------------------------- */

static const struct cli_operand file_one_operands[] = { ARG_ONE("FILE", "file"), ARG_END };
static const struct cli_option key_options[] = {
	{ "name", 0, "NAME", CLI_TEXT, NULL, true, "whose key it is, such as ada", NULL }, OPT_KEY_FD, OPT_END
};
static const struct cli_operand sign_operands[] = { ARG_MAYBE("FILE", "file"), ARG_END };
static const struct cli_option sign_options[] = {
	{ "key", 'k', "KEYFILE", CLI_TEXT, NULL, true, "the key that signs", NULL }, OPT_KEY_FD, OPT_END
};
static const struct cli_operand approver_operands[] = { ARG_ONE("NAME", "name"), ARG_END };
static const struct cli_option enrol_options[] = {
	{ "key", 'k', "FILE.pub", CLI_LOCAL, NULL, false, "the public part of the key; needed unless --signature", NULL },
	{ "login", 0, "USER", CLI_TEXT, NULL, false, "the same human's user name on this machine, which no other approver has", NULL },
	{ "expires", 'e', "DATE", CLI_TIME, "expires_ms", false, "when it counts no more; default 365d, at most 730d", NULL },
	OPT_REASON(false, "why; stands in the audit chain"),
	OPT_SIGN, OPT_END
};

/* --- secrets and tokens ---------------------------------------------------------------------- */

static const struct cli_operand name_operands[] = { ARG_ONE("NAME", "name"), ARG_END };
static const struct cli_option secret_options[] = {
	{ "owner", 0, "NAME", CLI_TEXT, NULL, false, "who can renew it", NULL },
	{ "expires", 'e', "DATE", CLI_TIME, "expires_ms", false, "when it stops working: a date, or a duration such as 365d", NULL },
	OPT_END
};
static const struct cli_option rekey_options[] = {
	{ "key-file", 0, "FILE", CLI_TEXT, NULL, false, "a new master key in this file, which is made if it is not there", NULL },
	{ "new-passphrase", 0, NULL, CLI_SWITCH, NULL, false, "a new passphrase, asked for twice", NULL },
	OPT_END
};
static const struct cli_option token_options[] = {
	{ "source", 's', "SOURCE", CLI_TEXT, NULL, false, "for the SCIM client of this source", NULL },
	{ "role", 0, "ROLE", CLI_TEXT, NULL, false, "for a person or program with this role", "viewer operator approver hr-confidential" },
	{ "user", 0, "NAME", CLI_TEXT, NULL, false, "the token is this user of the source, by userName or id: /Me", NULL },
	{ "expires", 'e', "DATE", CLI_TIME, "expires_ms", false, "default: in 365 days", NULL },
	OPT_END
};

/* --- SCIM servers ----------------------------------------------------------------------------- */

#define CHECK_GROUPS "discovery wire errors lists filter crud put patch groups etag bulk"

static const struct cli_operand url_operands[] = { ARG_ONE("URL", "url"), ARG_END };
static const struct cli_option scim_check_options[] = {
	{ "token-from-vault", 't', "NAME", CLI_TEXT, NULL, true, "the secret that holds the bearer token of that server", NULL },
	{ "write", 'w', NULL, CLI_FLAG, NULL, false, "also make, change and remove users and groups of its own", NULL },
	{ "only", 0, "GROUP", CLI_TEXT, NULL, false, "one group of cases", CHECK_GROUPS },
	{ "ca-file", 0, "FILE", CLI_TEXT, NULL, false, "certificates of a private authority, PEM", NULL },
	{ "timeout", 0, "DURATION", CLI_DURATION, NULL, false, "for one request; default 10s", NULL },
	OPT_END
};

/* --- proof and keeping ----------------------------------------------------------------------- */

static const struct cli_option verify_options[] = {
	{ "head", 0, "[FILE]", CLI_TEXT, NULL, false, "hold the chain against its signed head as well: audit.head, or a copy kept elsewhere", NULL },
	{ "anchors", 0, "FILE", CLI_TEXT, NULL, false, "hold it against anchors that were kept: lines of anchors, of a log server, or of an export", NULL },
	{ "stamps", 0, "[DIR]", CLI_TEXT, NULL, false, "hold it against time stamps that were kept: those of the configuration, or a copy", NULL },
	{ "stamp-ca", 0, "FILE", CLI_TEXT, NULL, false, "PEM of who may vouch for the stamps; default: anchors.stamps.ca_file", NULL },
	OPT_END
};
static const struct cli_option export_options[] = {
	{ "after", 0, "N", CLI_INT, NULL, false, "only entries after this number", NULL },
	{ "limit", 'n', "N", CLI_INT, NULL, false, "at most so many entries (0: all, the default)", NULL },
	OPT_END
};
static const struct cli_operand rows_operands[] = {
	{ .name = "WHAT", .member = "what", .least = 1, .most = 1, .words = "users accounts seats groups org-groups plans actions" }, ARG_END
};
static const struct cli_option rows_options[] = {
	OPT_FILTER("only rows that it names: in the language of the command of that name; of org-groups, plans and actions by the names of the columns"),
	{ "format", 'F', "FORM", CLI_TEXT, NULL, false, "default csv", "csv jsonl table" },
	{ "output", 'O', "FILE", CLI_LOCAL, NULL, false, "into this file, which has its name only when it is whole; default: standard output", NULL },
	{ "bom", 0, NULL, CLI_FLAG, NULL, false, "CSV: begin with a byte order mark, as some spreadsheets want it", NULL },
	OPT_ORG,
	{ "source", 's', "SOURCE", CLI_TEXT, NULL, false, "users and groups: one source instead of all", NULL },
	{ "limit", 'n', "N", CLI_INT, NULL, false, "at most so many rows (0: all, the default)", NULL },
	{ "token-file", 0, "FILE", CLI_LOCAL, NULL, false, "a token of role hr-confidential: show ends that lie ahead", NULL },
	OPT_END
};
static const struct cli_operand report_operands[] = { ARG_MAYBE("NAME", "name"), ARG_END };
static const struct cli_option report_options[] = {
	{ "format", 'F', "FORM", CLI_TEXT, NULL, false, "default table", "table csv json html" },
	{ "output", 'O', "FILE", CLI_LOCAL, NULL, false, "into this file, which has its name only when it is whole", NULL },
	OPT_ORG,
	{ "days", 'd', "N", CLI_INT, NULL, false, "how far back, or how long unused; default 90", NULL },
	{ "within", 0, "DURATION", CLI_DURATION, "within_ms", false, "deprovisioning: longer is a breach; default 24h", NULL },
	{ "as-of", 0, "DATE", CLI_TIME, "as_of_ms", false, "auditor: as things stood when that date began", NULL },
	{ "sample", 0, "FILE", CLI_LOCAL, NULL, false, "auditor: who is asked about, one a line, perhaps with the date they left", NULL },
	{ "token-file", 0, "FILE", CLI_LOCAL, NULL, false, "a token of role hr-confidential: show ends that lie ahead", NULL },
	OPT_END
};
static const struct cli_operand evidence_operands[] = {
	{ .name = "RUN", .member = "run", .least = 0, .most = 1, .number = true }, ARG_END
};
static const struct cli_option evidence_options[] = {
	{ "from", 0, "DATE", CLI_TIME, "from_ms", false, "instead of a run: all that was planned, decided or done from then", NULL },
	{ "to", 0, "DATE", CLI_TIME, "until_ms", false, "until then (not including it)", NULL },
	{ "output", 'O', "DIR", CLI_LOCAL, NULL, false, "a new folder; default: a name that says what it is about, here", NULL },
	{ "tar", 0, NULL, CLI_SWITCH, NULL, false, "DIR.tar as well", NULL },
	{ "token-file", 0, "FILE", CLI_LOCAL, NULL, false, "a token of role hr-confidential: also plans with steps that lie ahead", NULL },
	OPT_END
};
static const struct cli_operand pack_operands[] = { ARG_ONE("PACK", "path"), ARG_END };
static const struct cli_option pack_options[] = {
	{ "key", 'k', "FILE", CLI_TEXT, NULL, true, "the public key, as 'evidence key' prints it", NULL },
	{ "stamp-ca", 0, "FILE", CLI_TEXT, NULL, false, "PEM of who may vouch for the time stamps in it", NULL }, OPT_END
};
static const struct cli_operand file_operands[] = { ARG_ONE("FILE", "file"), ARG_END };
static const struct cli_operand topic_operands[] = {
	{ .name = "COMMAND", .member = "topic", .least = 0, .most = 3 }, ARG_END
};
static const struct cli_operand shell_operands[] = {
	{ .name = "SHELL", .member = "shell", .least = 1, .most = 1, .words = "bash zsh" }, ARG_END
};

#define SETUP "Setting up"
#define READ "Reading"
#define PLAN "Planning and acting"
#define TELL "Telling people"
#define PEOPLE "People and accounts"
#define PROTECT "Protections"
#define APPROVERS "Whose word counts"
#define SECRETS "Secrets"
#define KEEP "Proof and keeping"
#define HELP "Help"

const struct command commands[] = {
	{ "init", SETUP, "ask eight questions; write a config, a vault, mode observe",
	  "Makes a new instance in DIR (default: here): leaverd.yaml with about thirty commented lines, a "
	  "state folder that only its owner can enter, a master key, an empty store and vault. Every "
	  "organisation starts in mode observe: nothing can be changed at Atlassian until 'arm'.\n"
	  "Answers come from the options, from --answers, else from questions on the terminal. Nothing that "
	  "exists is ever overwritten.",
	  "leaverd init /etc/leaverd\n"
	  "  asks, and writes /etc/leaverd/leaverd.yaml\n"
	  "leaverd init demo --name acme --zone Europe/Berlin --key file --kind scim --source entra --profile entra --org-id 1234\n"
	  "  asks nothing\n"
	  "leaverd init demo --kind file --source hr --address /var/spool/hr --columns 'Personnel No, Mail, Last day'\n"
	  "  people come by HR's export; asks for the rest\n",
	  .options = init_options, .operands = init_operands, .local = local_init },
	{ "serve", SETUP, "the daemon",
	  "Serves SCIM, reads sources and organisations on schedule, makes plans, applies approved ones, and "
	  "answers commands on its control socket. Stays in the foreground; SIGTERM ends it between two "
	  "actions, SIGHUP reads certificates, key sets, log.level and schedule again.",
	  "leaverd serve --config /etc/leaverd/leaverd.yaml\n"
	  "  as conf/leaverd.service does\n",
	  .local = local_serve },
	{ "arm", SETUP, "observe, propose, act: what may be done to an organisation",
	  "observe: the act layer refuses every write, whatever the key may do. propose: rounds plan, a person "
	  "approves each plan. act: as propose, and rules marked automatic are approved by policy. Going up "
	  "needs three complete rounds (of an HR export three different ones), a checked sample ('plan --sample') "
	  "and a tested backup; going down is always possible at once.",
	  "leaverd arm propose --org acme --reason 'sample of 20 checked, CHG-812'\n"
	  "  from now on approved plans are applied\n"
	  "leaverd arm observe --reason 'migration weekend'\n"
	  "  stops writing in every organisation\n",
	  .options = arm_options, .operands = arm_operands, .verb = "arm" },
	{ "doctor", SETUP, "reach every system; say which right is missing",
	  "Connects to every directory, binds, looks at base, schema and canaries; asks every organisation "
	  "harmless questions, one for each right that leaverd needs; looks at expiring secrets and tokens, "
	  "at the last backup and at the audit head. Changes nothing.",
	  "leaverd doctor\n"
	  "  a table of checks; status 6 if a system cannot be reached\n",
	  .verb = "doctor", .render = render_doctor },
	{ "config check", SETUP, "read the configuration and say everything that is wrong",
	  "All faults of a file are told at once, each with line, column, key, what was found and what was "
	  "expected. Reads nothing but the configuration and touches no other system.",
	  "leaverd config check --config new.yaml\n"
	  "  status 3 when it has faults\n"
	  "leaverd config check --show\n"
	  "  the whole configuration, defaults included; secrets appear as names\n",
	  .options = check_options, .local = local_config_check },
	{ "config approve", SETUP, "let a configuration act that lets more happen",
	  "While an organisation is armed, a changed configuration that lets more happen (a rule more, automatic, a "
	  "shorter wait, a higher limit, a protection less) is loaded, but what stood before acts until a person "
	  "approves it: not whose file it is, where that is known. serve acts by its policy and approvals from the next round, by the rest from its next start.",
	  "leaverd config approve --reason 'limits for the merger, CHG-901'\n  what waits stands\n",
	  .options = config_options, .operands = config_operands, .verb = "config.approve",
	  .prepare = prepare_signature, .render = render_signing },
	{ "config list", SETUP, "configurations that were loaded, and what waits", "Newest first.",
	  "leaverd config list\n  a table\n", .verb = "config.list", .render = render_configs },
	{ "config keys", SETUP, "print the dotted names of all keys", "One key a line, for programs.",
	  "leaverd config keys\n  instance.name and so on\n", .local = local_config_keys, .hidden = true },

	{ "sync", READ, "read sources of people now",
	  "Reads every pulled source, or one, to its end; judges the read (canaries, minimum, drop, schema) and "
	  "keeps it if it is accepted. Push sources bring themselves. A read that is not complete or not "
	  "plausible justifies no removal; the answer says which and why.",
	  "leaverd sync\n  all pulled sources\n"
	  "leaverd sync corp-ldap --dry-run\n  read and judge, keep nothing\n"
	  "leaverd sync corp-ldap --dry-run --show uid=ada,ou=people,dc=example,dc=org\n  how one person is read\n"
	  "leaverd sync hr --dry-run\n  of an HR export also what the map makes of its first rows\n"
	  "leaverd sync hr < people.csv\n  an HR export that has neither path nor folder\n",
	  .options = sync_options, .operands = sync_operands, .verb = "sync", .prepare = prepare_sync,
	  .render = render_sync },
	{ "collect", READ, "read Atlassian now",
	  "Reads accounts, groups, grants, seats and the paths that keep them. What could not be read whole is "
	  "named, and nothing destructive rests on it.",
	  "leaverd collect acme\n  one organisation\n",
	  .operands = collect_operands, .verb = "collect", .render = render_collect },
	{ "collect status", READ, "say where reads of Atlassian stand",
	  "Of each organisation, or one: when it was read last, whether whole, and how far a read that runs now has "
	  "come. How long the rest takes is told when enough was read to tell it.",
	  "leaverd collect status\n  while `leaverd collect` or a schedule reads\n",
	  .operands = collect_operands, .verb = "collect.status", .render = render_collect_status },
	{ "collect accept", READ, "accept an implausible read of an organisation after looking at it",
	  "A complete read that lacked more accounts than may be missing, or had fewer than expected, takes effect: "
	  "Atlassian is read once more, and if that read is as large it counts, and what it lacks is removed. An "
	  "incomplete read cannot be accepted by anybody, nor can another organisation.",
	  "leaverd collect accept acme --reason '380 customers moved to their own site, CHG-77'\n"
	  "  the organisation is as it was read\n",
	  .options = reason_options, .operands = collect_accept_operands, .verb = "collect.accept",
	  .render = render_collect },
	{ "events", READ, "what others changed in an organisation",
	  "From Atlassian's audit events, as read with each collection: who changed which account or group, and when; "
	  "and what was done under our key that our journal does not know, which holds every plan of that organisation. "
	  "What was lost, or not read, is said. Reading it is logged.",
	  "leaverd events acme\n  newest first\n"
	  "leaverd events acme --foreign\n  what holds the plans\n",
	  .options = events_options, .operands = collect_operands, .verb = "events", .render = render_events },
	{ "events explain", READ, "say who else uses our key",
	  "Explains what was done under our key and is not in our journal: it no longer holds plans. Later writes hold "
	  "them again. Better than explaining is a key that nobody else has.",
	  "leaverd events explain acme --reason 'script of IT of 3 March, has a key of its own now'\n  plans go on\n",
	  .options = reason_options, .operands = collect_accept_operands, .verb = "events.explain" },
	{ "source status", READ, "where each source stands",
	  "State, newest read, newest accepted read and its age, records, and why the newest read was not "
	  "accepted.",
	  "leaverd source status corp-ldap\n  with its last reads\n",
	  .operands = source_maybe, .verb = "source.status", .render = render_source },
	{ "source accept", READ, "accept an implausible read after looking at it",
	  "A complete read that broke a bound (fewer people than expected, a canary missing) takes effect now. "
	  "If another directory answered than before, that one is ours from then on: the answer and the audit "
	  "chain say which is replaced by which. An incomplete read cannot be accepted by anybody.",
	  "leaverd source accept corp-ldap --reason 'branch sold, 212 people left, CHG-901'\n"
	  "  the newest read counts\n",
	  .options = source_accept_options, .operands = source_operands, .verb = "source.accept" },
	{ "source gone", READ, "confirm who is gone from HR exports",
	  "A directory is asked by id whether somebody who is missing is gone; of an export only a person knows. "
	  "Lists whom enough different exports lacked for long enough (gone_reads, gone_after); with keys, and "
	  "one transaction for all of them, says that they are gone. Who comes back in an export is not.",
	  "leaverd source gone hr\n  who could be confirmed\n"
	  "leaverd source gone hr 10017 10244 --reason 'left in August, HR-812'\n  these two are gone\n",
	  .options = gone_options, .operands = gone_operands, .verb = "source.gone", .render = render_gone },
	{ "source ready", READ, "a push source is filled: from now on it counts",
	  "Until then a push source says nothing about anybody. Declare it ready when the identity provider "
	  "has sent everyone.",
	  "leaverd source ready entra --reason 'initial cycle ended, 1204 users'\n  it counts\n",
	  .options = reason_options, .operands = source_operands, .verb = "source.ready" },
	{ "source retire", READ, "a source counts no longer",
	  "Its records stay, but say nothing any more: nobody is gone because a source was retired.",
	  "leaverd source retire old-ldap --reason 'switched off'\n  it is silent\n",
	  .options = reason_options, .operands = source_operands, .verb = "source.retire" },

	{ "policy check", PLAN, "read the policy and say what is worth a second look",
	  "Faults first, all of them, with line and column; then what is allowed and rarely meant: rules that are "
	  "never reached, words that an attribute never has, waits that do not fit together, seats taken without a "
	  "warning, limits above the shipped ones, and whatever lets more happen without a person. Reads nothing "
	  "but the configuration.",
	  "leaverd policy check --config new.yaml --strict\n  for the pipeline that the policy comes through\n",
	  .options = policy_check_options, .local = local_policy_check },
	{ "policy test", PLAN, "judge the cases that are kept beside the policy",
	  "Each case names people, what Atlassian holds of them, an hour, and what must, and must not, come of it: "
	  "leaverd-policy(5). FILE: leaverd-cases.yaml beside the configuration, unless another is named. Each "
	  "expectation is told, and why where it is not met; status 3 then. Reads those two files and nothing else.",
	  "leaverd policy test\n  expectation by expectation\n"
	  "leaverd policy test cases/leavers.yaml --quiet\n  only what is not met\n",
	  .operands = policy_test_operands, .local = local_policy_test },
	{ "policy diff", PLAN, "what another policy would do otherwise today",
	  "Judges the newest facts by the policy in force and by that of FILE, a whole configuration, and tells "
	  "which actions would be new, gone, or done otherwise, by rule and person with the reason. No plan is kept "
	  "and nothing is done. Steps of leavers whose end lies ahead are sealed, as in a plan; all are, where FILE asks "
	  "for leaveDate or employment otherwise than the policy in force. Names also bars, protections and approved match rules of rules that FILE does not have.",
	  "leaverd policy diff new.yaml\n  before it is put in force\n"
	  "leaverd policy diff new.yaml --org acme --exit-code --json\n  for a pipeline\n",
	  .options = policy_diff_options, .operands = policy_diff_operands, .verb = "policy.diff",
	  .prepare = prepare_policy_diff, .render = render_policy_diff },
	{ "plan", PLAN, "what would be done, and why",
	  "Holds what sources say against what Atlassian holds, under the policy, and keeps the result as a "
	  "plan for each organisation and urgency. A plan is immutable, has a digest, and does nothing by "
	  "itself. Guards say what holds it.",
	  "leaverd plan --sample 20\n  twenty actions of each rule, to check by hand\n"
	  "leaverd plan --org acme --json\n  for programs\n",
	  .options = plan_options, .verb = "plan", .prepare = prepare_token, .render = render_plan },
	{ "plans", PLAN, "the plans that there are",
	  "Newest first, with state, counts and expiry.",
	  "leaverd plans --all\n  finished ones too\n",
	  .options = plans_options, .verb = "plans", .render = render_plans },
	{ "show", PLAN, "one plan with its actions, decisions and outcomes",
	  "Joins the plan's bytes with the names that stand beside it. Beside each action that is held stands what "
	  "is missing, and what to do.",
	  "leaverd show 12 --filter 'rule eq \"leaver-hr\"'\n  only the leavers by HR\n"
	  "leaverd show 12 --statement > plan-12.txt\n  to be signed on another machine\n",
	  .options = show_options, .operands = plan_operands, .verb = "show", .prepare = prepare_token, .render = render_show },
	{ "approve", PLAN, "let a plan, or part of it, be applied",
	  "Names the plan's digest as it now stands. Without --rule, --person or --action all actions that no "
	  "guard holds are approved. What holds one action is released with --release by each who approves it.\n"
	  "What takes two people is signed by two approvers: with --sign at this machine; or --statement prints "
	  "what there is to sign, `leaverd sign` signs it on the approver's own machine, and --signature brings "
	  "it back. An approval that is not signed is nobody's in particular. A statement counts once, for three "
	  "days at most, for this plan of this instance.",
	  "leaverd approve 12\n  all that is not held\n"
	  "leaverd approve 12 --rule orphan --reason 'list checked with IT'\n  orphans are never automatic\n"
	  "leaverd approve 12 --action 3 --release admin --reason 'left on Friday' --sign ada.key\n"
	  "  one of the two who sign that an admin goes\n"
	  "leaverd approve 12 --signature plan-12.signed\n  signed elsewhere\n",
	  .options = approve_options, .operands = plan_operands, .verb = "approve", .prepare = prepare_signature,
	  .render = render_signing },
	{ "reject", PLAN, "this plan, or a part of it, is not to be applied",
	  "Of the whole plan it is final; the next round plans anew. Of a part, named by --action, --rule or "
	  "--person, it is remembered with its reason until a date: the rule is barred for these people so long, "
	  "and `leaverd why` and `leaverd bars list` say so.",
	  "leaverd reject 12 --reason 'directory migration still running'\n  nothing of it starts\n"
	  "leaverd reject 12 --action 4 --until 30d --reason 'back in January, says her manager'\n  not before then\n",
	  .options = reject_options, .operands = plan_operands, .verb = "reject", .prepare = prepare_reasoned,
	  .render = render_signing },
	{ "release", PLAN, "release one guard of a plan",
	  "For guards that hold the whole plan. Some need two people, who sign; incompleteness can be released "
	  "by nobody.",
	  "leaverd release 12 limit-leavers-day --reason 'closing of the Lyon office'\n  the guard lets go\n",
	  .options = release_options, .operands = release_operands, .verb = "release", .prepare = prepare_reasoned,
	  .render = render_signing },
	{ "apply", PLAN, "start applying what is approved",
	  "Each action is judged again just before it is done; intent and outcome are in the journal; the "
	  "result is read back.",
	  "leaverd apply 12 --wait\n  until nothing of it can start any more\n",
	  .options = apply_options, .operands = plan_operands, .verb = "apply", .prepare = prepare_token, .render = render_apply },
	{ "pause", PLAN, "stop applying between two actions", "Running steps end, nothing new starts, in one "
	  "organisation or in all.",
	  "leaverd pause --reason 'Atlassian incident'\n  everything stops\n",
	  .options = pause_options, .verb = "pause" },
	{ "resume", PLAN, "go on after a pause", "Plans that expired meanwhile start nothing.",
	  "leaverd resume --reason 'incident over'\n  goes on\n",
	  .options = pause_options, .verb = "resume" },
	{ "block", PLAN, "one person, now: suspend and revoke",
	  "Makes an urgent plan for one person, approved by you, and applies it at once. Refused in mode "
	  "observe; admins need a second person; counted by limits, never held by them.",
	  "leaverd block ada@example.com --reason 'device stolen'\n  within seconds\n",
	  .options = block_options, .operands = who_operands, .verb = "block", .render = render_block },
	{ "undo", PLAN, "a plan that gives back what was taken",
	  "Makes a plan that restores what applied actions took from one person, or what one plan did, from the "
	  "states before; says first what cannot return. What somebody changed since stays as it is. It needs one "
	  "approval and no limit holds it. The rules that took it are barred for that person, so that the next "
	  "round does not do it again.",
	  "leaverd undo ada@example.com --reason 'the end date was a mistake'\n  what was done to her in 30 days\n"
	  "leaverd undo --plan 12 --action 3 --reason 'wrong match'\n  one action\n",
	  .options = undo_options, .operands = undo_operands, .verb = "undo", .render = render_undo },
	{ "bulk", PLAN, "a plan of what a file, or a filter, asks for",
	  "Makes a plan out of a CSV file with a header, or of all accounts that --filter names: the same guards, "
	  "limits, approval, journal and undo as any plan, and nothing is changed before it is applied. Columns: op "
	  "(or --do), one that says whom (who, account_id, email or person), and group, product, site, new_name, "
	  "new_email, like where the operation takes them. Other columns are kept. Every fault is told with line and column, "
	  "and one fault keeps all from being planned, unless --skip-faulty. What is so already makes no action, so a "
	  "file may be fed again. Deletion takes two people.\n"
	  "Operations: activate, deactivate, suspend, restore, delete (with 14 days of grace), cancel-delete, "
	  "revoke-tokens, free-seat, add-group, remove-group, copy-groups (those of somebody else, who is "
	  "named by like: without the groups of administrators and of the identity provider, each of them named in "
	  "the action's reason), change-profile, create-group, drop-group (one that nobody uses).",
	  "leaverd bulk leavers.csv --do suspend --reason 'site closed, CHG-901' --result answered.csv\n"
	  "  a plan of those in the file; answered.csv says what became of each row\n"
	  "leaverd bulk --filter 'lastActive lt now-180d' --do remove-group --group jira-users --reason 'renewal'\n"
	  "  all whom the filter names\n"
	  "leaverd bulk --filter 'email eq \"new@example.com\"' --do copy-groups --like ada@example.com --reason 'joins her team'\n"
	  "  what a joiner gets as a colleague has it\n"
	  "leaverd bulk --unused-groups --reason 'spring cleaning' --org acme\n"
	  "  groups without members that give nothing\n",
	  .options = bulk_options, .operands = bulk_operands, .verb = "bulk", .prepare = prepare_bulk,
	  .finish = finish_bulk, .render = render_bulk },
	{ "why", PLAN, "everything about one person",
	  "Who it is, from which sources, what they hold by which path, what will happen by which rule, what "
	  "holds it, and who decided what. WHO: a ledger number, mail address, user name, account id or "
	  "record key. Reading it is logged.",
	  "leaverd why ada@example.com\n  the whole story\n",
	  .options = why_options, .operands = who_operands, .verb = "why", .prepare = prepare_token, .render = render_why },

	{ "handover", PLAN, "what somebody owns on sites, and who receives it",
	  "Issues, filters, dashboards, projects and components that they lead, automation rules, spaces, as read "
	  "two weeks before an end date or after somebody left. With --to, names who is to receive all that can be "
	  "given; without, it goes to the manager, theirs, the lead of the project, or the site's queue user. Reading "
	  "it is logged.",
	  "leaverd handover ada@example.com --to bob@example.com --reason 'takes over her team'\n  named\n",
	  .options = handover_options, .operands = who_operands, .verb = "handover",
	  .prepare = prepare_token, .render = render_handover },

	{ "overdue", PLAN, "what should have been done, and why it was not",
	  "Every step of an open plan whose time has passed, oldest causes and all: a list to go through by hand "
	  "while Atlassian cannot be read or changed. What somebody then did is seen by the next read and told as "
	  "done. Tells also of secrets whose owner leaves within 14 days: those are rotated first.",
	  "leaverd overdue\n  of every organisation\n"
	  "leaverd overdue acme --json | jq '.overdue[] | .email'\n  for a list\n",
	  .options = overdue_options, .operands = collect_operands, .verb = "overdue",
	  .prepare = prepare_token, .render = render_overdue },
	{ "notices", TELL, "what people and systems were told, or not yet",
	  "Warnings, copies, digests and alerts that wait, failed, or may have been sent; with --all those that were "
	  "sent, too. Receivers are shown until notices.retention is over. Reading it is logged.",
	  "leaverd notices\n  what did not arrive, and why\n",
	  .options = notices_options, .verb = "notices", .render = render_notices },
	{ "notices test", TELL, "send a test to an address, a hook or a Jira project",
	  "Sends one letter over notices.mail, or one message to a hook of that name, and waits for what becomes of "
	  "it. In dry mode it is written to notices.folder. Of a channel of issues by its name one issue is opened, "
	  "commented, and moved where the channel does that; not in dry mode, and not in mode observe.",
	  "leaverd notices test ada@example.com\n  over the mail server\n",
	  .operands = notices_operands, .verb = "notices.test" },
	{ "requests", TELL, "who asks to have a seat again",
	  "Whoever lost a seat for lack of use, and may ask by again.domains or again.groups, was sent a link with "
	  "the letter about it. Lists what was asked for on its page and waits for an answer. Reading it is logged.",
	  "leaverd requests\n  what waits\n",
	  .options = requests_options, .verb = "requests", .render = render_requests },
	{ "requests grant", TELL, "make the plan that gives it back",
	  "As `leaverd undo` does for the action that took it, with a bar for keep.for against the rule that did. The "
	  "plan is approved and applied like any other.",
	  "leaverd requests grant 7 --reason 'back on the project'\n  then approve and apply the plan that it names\n",
	  .options = grant_options, .operands = request_operands, .verb = "requests.grant" },
	{ "requests refuse", TELL, "say no", "The page says so; nobody is written to.",
	  "leaverd requests refuse 7 --reason 'left the project'\n  nothing is planned\n",
	  .options = reason_options, .operands = request_operands, .verb = "requests.refuse" },
	{ "users", PEOPLE, "records of people, as sources gave them",
	  "Filters are SCIM filters.",
	  "leaverd users --source entra --filter 'active eq false'\n  whom Entra has switched off\n",
	  .options = users_options, .verb = "users", .prepare = prepare_token, .render = render_users },
	{ "groups", PEOPLE, "groups, as push sources gave them", "Filters are SCIM filters.",
	  "leaverd groups --filter 'displayName sw \"jira\"'\n  with how many members\n",
	  .options = groups_options, .verb = "groups", .render = render_groups },
	{ "accounts", PEOPLE, "accounts at Atlassian",
	  "Filters are of the policy dialect, about an account: leaverd-policy(5).",
	  "leaverd accounts --filter 'claimStatus eq \"unmanaged\"'\n  accounts that are not ours to disable\n",
	  .options = accounts_options, .verb = "accounts", .render = render_accounts },
	{ "seats", PEOPLE, "seats, and the paths that keep them",
	  "Filters are of the policy dialect, about a seat.",
	  "leaverd seats --filter 'product eq \"jira\" and lastActive lt now-90d'\n  idle seats of Jira\n"
	  "leaverd seats --count\n  how many, by product and site\n",
	  .options = seats_options, .verb = "seats", .render = render_seats },
	{ "ledger", PEOPLE, "seats over time, and what they cost",
	  "By product and site: how many seats are held now and were held then, how many nobody uses (idle: not "
	  "for 30 days), how many plans freed and how many of these are held again. With prices in "
	  "organisations.billing also what that costs. Money counts as saved from the day on which the next billing "
	  "period begins, and of a year bought in tiers only below a boundary.",
	  "leaverd ledger acme --days 365\n  a year of one organisation\n",
	  .options = ledger_options, .operands = collect_operands, .verb = "ledger", .render = render_ledger },
	{ "orphans", PEOPLE, "accounts of our domains that nobody explains",
	  "Managed accounts that no person is linked to. What is shown is what the last round linked; an "
	  "orphan is acted on only after approval.",
	  "leaverd orphans --org acme\n  a list to go through\n",
	  .options = orphans_options, .verb = "orphans", .render = render_accounts },
	{ "adopt", PEOPLE, "make linked accounts ours",
	  "An account that a match rule linked is not acted on before a person says that it is ours: one by "
	  "one, or all that a rule links.",
	  "leaverd adopt 5f1c0e --reason 'checked with HR'\n  one account\n"
	  "leaverd adopt --rule email --reason 'sample of 50 was right'\n  all that the rule links, later ones too\n"
	  "leaverd adopt --file ours.csv --reason 'list of HR'\n  shows what would be adopted; again with --count N it is\n",
	  .options = adopt_options, .operands = adopt_operands, .verb = "adopt", .prepare = prepare_bulk,
	  .render = render_adopt },
	{ "compare", PEOPLE, "a list of addresses or ids held against the accounts",
	  "Says which accounts only Atlassian has (mine), which only the file has (yours), and which both. The file is CSV "
	  "with a column email or account_id, or one column of either; faults are told by their line. Nothing is changed.",
	  "leaverd compare entra.csv --only mine\n  who is not in the other list\n",
	  .options = compare_options, .operands = file_one_operands, .verb = "compare", .prepare = prepare_bulk,
	  .render = render_compare },
	{ "match", PEOPLE, "doubtful matches, side by side", "The same as 'match list'.",
	  "leaverd match\n  open doubts\n",
	  .options = match_options, .verb = "match.list", .render = render_match },
	{ "match list", PEOPLE, "doubtful matches, side by side",
	  "Two records, or a record and an account, that may be one person. Nothing acts on a doubt.",
	  "leaverd match list --all\n  decided ones too\n",
	  .options = match_options, .verb = "match.list", .render = render_match },
	{ "match confirm", PEOPLE, "they are the same person", "Links them at once, and adopts the account.",
	  "leaverd match confirm 7 --reason 'same employee number on paper'\n  linked\n",
	  .options = reason_options, .operands = doubt_operands, .verb = "match.confirm" },
	{ "match refuse", PEOPLE, "they are two people",
	  "The pair is never asked about again: what they have in common makes them neither one "
	  "nor a doubt. 'match confirm' takes it back.",
	  "leaverd match refuse 7 --reason 'father and son'\n  kept apart\n",
	  .options = reason_options, .operands = doubt_operands, .verb = "match.refuse" },
	{ "match approve", PEOPLE, "trust a match rule: accounts that it links are adopted",
	  "Until then its links are shown and act on nothing.",
	  "leaverd match approve email --org acme\n  later links too\n",
	  .options = rule_options, .operands = rule_operands, .verb = "match.approve" },

	{ "protect add", PROTECT, "an exemption with owner, reason and end",
	  "A protection names what it stops: exemption, operator, service-account and sole-role stop "
	  "automatic acts; leave stops inactivity; legal-hold stops deletion. None keeps a confirmed leaver's "
	  "access open in silence. Protections for whoever a filter names stand in the policy: "
	  "leaverd-policy(5).",
	  "leaverd protect add ada@example.com --owner 'HR Lyon' --until 90d --reason 'long illness'\n"
	  "  nothing automatic for 90 days\n"
	  "leaverd protect add --account 5f1c0e --kind service-account --owner IT --reason 'build robot'\n"
	  "  one account\n",
	  .options = protect_options, .operands = protect_operands, .verb = "protect.add",
	  .prepare = prepare_signature, .render = render_signing },
	{ "protect list", PROTECT, "what is protected, by whom, until when", "Live ones, unless --all.",
	  "leaverd protect list\n  a table\n",
	  .options = all_options, .verb = "protect.list", .render = render_protections },
	{ "protect remove", PROTECT, "lift a protection", "It stays in the list and in the audit chain as lifted.",
	  "leaverd protect remove 3 --reason 'back at work'\n  lifted\n",
	  .options = word_options, .operands = number_operands, .verb = "protect.remove",
	  .prepare = prepare_signature, .render = render_signing },
	{ "expect", PROTECT, "announced leavers: limits do not count them",
	  "A list of people whose leaving was announced, by ledger number or name, from and until a date: a closing "
	  "office does not trip the limits. Two people sign it before it counts, for exactly these. Everything else "
	  "about them stays as it is.",
	  "leaverd expect 812 813 814 --until 30d --reason 'closing of the Lyon office, CHG-877'\n  makes list 4\n"
	  "leaverd expect --file lyon.txt --from 2026-12-01 --until 2027-01-15 --reason CHG-877\n  one a line\n",
	  .options = expect_options, .operands = expect_operands, .verb = "expect", .prepare = prepare_expect },
	{ "expect approve", PROTECT, "sign a list of announced leavers",
	  "Two approvers sign it; where there is one administrator (approvals.single_admin), --count, a delay and a "
	  "notice stand for the second.",
	  "leaverd expect approve 4 --sign ada.key\n  one of two\n"
	  "leaverd expect approve 4 --statement > list-4.txt\n  to be signed elsewhere\n",
	  .options = matter_options, .operands = number_operands, .verb = "expect.approve",
	  .prepare = prepare_signature, .render = render_signing },
	{ "expect withdraw", PROTECT, "a list of announced leavers does not count",
	  "Whether it stood already or waited.", "leaverd expect withdraw 4 --reason 'the office stays'\n  limits count them\n",
	  .options = reason_options, .operands = number_operands, .verb = "expect.withdraw" },
	{ "expect list", PROTECT, "lists of announced leavers", "Newest first.",
	  "leaverd expect list\n  a table\n", .verb = "expect.list", .render = render_lists },
	{ "bars add", PROTECT, "forbid a rule for one person", "The rule may not act on this person.",
	  "leaverd bars add ada@example.com --rule inactive-jira --until 180d --reason 'parental leave cover'\n"
	  "  the rule passes them by\n",
	  .options = bar_options, .operands = protect_operands, .verb = "bars.add",
	  .prepare = prepare_signature, .render = render_signing },
	{ "bars list", PROTECT, "which rules are forbidden for whom", "Live ones, unless --all.",
	  "leaverd bars list\n  a table\n",
	  .options = all_options, .verb = "bars.list", .render = render_bars },
	{ "bars lift", PROTECT, "allow the rule again", "From the next round on.",
	  "leaverd bars lift 4\n  lifted\n", .options = word_options, .operands = number_operands, .verb = "bars.lift",
	  .prepare = prepare_signature, .render = render_signing },

	{ "approver enrol", APPROVERS, "somebody whose signature counts",
	  "Takes the public part of a key that they made themselves with `leaverd key new`. The first is enrolled "
	  "by whoever runs the instance, and the audit chain says so; each further one is signed for by an approver. "
	  "Where all have retired or expired, the operator enrols again, and that key counts only after 72 hours.",
	  "leaverd approver enrol ada --key ada.key.pub --login ada\n  the first\n"
	  "leaverd approver enrol bob --key bob.key.pub --sign ada.key\n  signed for by ada\n",
	  .options = enrol_options, .operands = approver_operands, .verb = "approver.enrol",
	  .prepare = prepare_enrol, .render = render_signing },
	{ "approver list", APPROVERS, "whose signatures count, from when, until when", "Retired and expired ones too.",
	  "leaverd approver list\n  a table\n", .verb = "approver.list", .render = render_approvers },
	{ "approver retire", APPROVERS, "a signature counts no more",
	  "At once, also for what was approved and has not begun.",
	  "leaverd approver retire bob --reason 'left the company'\n  counts no more\n",
	  .options = reason_options, .operands = approver_operands, .verb = "approver.retire" },
	{ "key new", APPROVERS, "make a key to sign with, on your own machine",
	  "Writes FILE, sealed under a passphrase that is asked for, mode 0600, and FILE.pub, which an approver "
	  "enrols. Needs no configuration and no daemon. A key is never written over another.",
	  "leaverd key new ada.key --name ada\n  ada.key and ada.key.pub\n",
	  .options = key_options, .operands = file_one_operands, .local = local_key_new },
	{ "sign", APPROVERS, "sign a statement, on your own machine",
	  "Shows the statement, asks for the key's passphrase and prints the statement with who, key, time and "
	  "signature added. Needs no configuration and no daemon. Read it before you sign: what it says is what "
	  "counts.",
	  "leaverd sign plan-12.txt --key ada.key > plan-12.signed\n  for `leaverd approve 12 --signature`\n",
	  .options = sign_options, .operands = sign_operands, .local = local_sign },

	{ "secret set", SECRETS, "put a secret into the vault",
	  "The value comes from stdin or from a question without echo, never from the command line. It is "
	  "sealed at once and never shown again. A name that exists gets a new version.",
	  "leaverd secret set ldap-bind --owner 'directory team' --expires 365d < password.txt\n  from a file\n"
	  "leaverd secret set atlassian-key\n  asks\n",
	  .options = secret_options, .operands = name_operands, .verb = "secret.set", .prepare = prepare_secret },
	{ "secret list", SECRETS, "names, versions, owners, expiry: no values", "Values are never shown.",
	  "leaverd secret list\n  a table\n", .verb = "secret.list", .render = render_secrets },
	{ "secret remove", SECRETS, "remove a secret", "All of its versions.",
	  "leaverd secret remove old-key\n  gone\n", .operands = name_operands, .verb = "secret.remove" },
	{ "secret rotate", SECRETS, "a new value for a secret that exists",
	  "As 'secret set', but refuses a name that is not there.",
	  "leaverd secret rotate atlassian-key --expires 365d\n  asks for the new value\n",
	  .options = secret_options, .operands = name_operands, .verb = "secret.rotate", .prepare = prepare_secret },
	{ "secret rekey", SECRETS, "seal everything anew, under a new master key if given",
	  "A new data key, all secrets sealed under it, in one transaction: wholly or not at all. With "
	  "--key-file or --new-passphrase the master key changes too: then change master_key in the "
	  "configuration. A vault that opens with a passphrase asks for it, or for another one, twice.",
	  "leaverd secret rekey\n  new data key, same master key\n"
	  "leaverd secret rekey --key-file /etc/leaverd/master.key.new\n  a new master key\n",
	  .options = rekey_options, .verb = "secret.rekey", .prepare = prepare_rekey },
	{ "token new", SECRETS, "a token for a SCIM client or an API user",
	  "256 random bits, shown once, kept as a keyed digest. Two of a source may be alive, so that a client "
	  "can change over without a gap.",
	  "leaverd token new entra-2027 --source entra --expires 365d\n  prints the token\n",
	  .options = token_options, .operands = name_operands, .verb = "token.new", .render = render_token },
	{ "token list", SECRETS, "tokens, what they are for, when they end", "Never the tokens themselves.",
	  "leaverd token list\n  a table\n", .verb = "token.list", .render = render_tokens },
	{ "token revoke", SECRETS, "a token opens nothing any more", "At once.",
	  "leaverd token revoke entra-2026 --reason rotated\n  refused from now on\n",
	  .options = reason_options, .operands = name_operands, .verb = "token.revoke" },

	{ "scim check", KEEP, "run conformance cases against a SCIM 2.0 server",
	  "Runs our own conformance cases, each by its section of RFC 7643, 7644 or 9865, against any SCIM 2.0 "
	  "server, ours or a peer's, and prints what failed: what was sent, what came, what the section wants, "
	  "and which identity provider is hurt. What the server's ServiceProviderConfig says it has not is not "
	  "claimed, never failed.\n"
	  "Without --write only GET is sent. With it users and groups are made whose names begin with "
	  "leaverd-check- and a random number; they are removed again, also after faults and Ctrl-C, and what "
	  "could not be removed is named. Nothing else is ever changed there. The token comes from the vault, into "
	  "which `leaverd secret set NAME` puts it.",
	  "leaverd scim check https://scim.example.com/scim/v2/idp --token-from-vault peer-token\n"
	  "  looks, and changes nothing\n"
	  "leaverd scim check https://scim.example.com/scim/v2/idp -t peer-token --write --only patch\n"
	  "  the cases of PATCH, on users of its own\n",
	  .options = scim_check_options, .operands = url_operands, .verb = "scim.check", .prepare = prepare_ca_file,
	  .render = render_scim_check },

	{ "export", KEEP, "users, accounts, seats, groups, plans or actions as a file",
	  "Every row there is, or those that a filter names, as CSV (RFC 4180), JSON Lines or a table; columns are "
	  "stable: leaverd-report(7). Cells that a spreadsheet would take for a formula are made text. Rows are read "
	  "page by page, so a million need no more memory than a hundred; each row is right by itself, all of them "
	  "are not of one moment. How many they were is said on stderr. Exporting stands in the audit chain.",
	  "leaverd export seats --filter 'product eq \"jira\"' --output jira.csv\n  a file for a spreadsheet\n"
	  "leaverd export actions --filter 'state eq \"done\"' --format jsonl\n  for a program\n"
	  "leaverd export org-groups --filter 'memberCount eq 0'\n  Atlassian's groups, with how many are in each\n",
	  .options = rows_options, .operands = rows_operands, .local = local_export },

	{ "report", KEEP, "seats, savings, leavers, an auditor's sample and more, as a table, a file or a page",
	  "Without a name: which there are. Each is a table with notes that say what was counted and how old it is; "
	  "as HTML one file with a chart that needs no network and prints. Money is told only where the configuration "
	  "has prices, and what is not yet done is marked as a forecast. Groups of fewer than five people are not "
	  "shown by themselves. Reading stands in the audit chain. leaverd-report(7) explains them.",
	  "leaverd report seats\n  a table\n"
	  "leaverd report savings --format html --output savings.html\n  a page for whoever pays\n"
	  "leaverd report auditor --sample leavers.csv --format csv\n  every row answered\n",
	  .options = report_options, .operands = report_operands, .local = local_report },
	{ "evidence", KEEP, "what a run or a span of time came to, as a signed folder",
	  "Plans byte for byte, decisions, journals, what was before and after, the audit chain of that time without "
	  "gaps, its head, the configuration, checksums, and a manifest signed with Ed25519. Who forgotten people were "
	  "stays erased. It is verified as soon as it is written: leaverd-report(7) says what that proves and what not.",
	  "leaverd evidence 12\n  of run 12, in a new folder here\n"
	  "leaverd evidence --from 2026-10-01 --to 2026-11-01 --output october --tar\n  of a month, also as october.tar\n",
	  .options = evidence_options, .operands = evidence_operands, .local = local_evidence },
	{ "evidence key", KEEP, "the public key with which evidence is verified",
	  "Give it to whoever verifies, by another way than the evidence.",
	  "leaverd evidence key > acme.key\n  for the auditor\n", .verb = "evidence.key" },
	{ "evidence verify", KEEP, "hold evidence against the public key",
	  "Needs the pack and the key: no configuration, no store, no daemon. Every byte counts: what was changed, "
	  "removed or added is named.",
	  "leaverd evidence verify october.tar --key acme.key\n  status 8 when anything differs\n"
	  "leaverd evidence verify october.tar --key acme.key --stamp-ca tsa.pem\n  and the time stamps in it are of that authority\n",
	  .options = pack_options, .operands = pack_operands, .local = local_evidence_verify },

	{ "audit verify", KEEP, "walk the audit chain",
	  "Names the first entry that was changed, removed or put in. With --head it also notices a cut tail "
	  "and a chain that was rewritten as a whole: leaverd-audit(5). Each signature is held against the key that "
	  "was enrolled then.",
	  "leaverd audit verify --head\n  against state_dir/audit.head\n"
	  "leaverd audit verify --head=/mnt/worm/audit.head\n  against a copy kept elsewhere\n"
	  "leaverd audit verify --head --anchors /mnt/worm/leaverd.anchors\n  and every anchor that was kept; names the first that differs\n"
	  "leaverd audit verify --stamps\n  and the time stamps that anchors.stamps keeps\n",
	  .options = verify_options, .verb = "audit.verify", .prepare = prepare_head, .render = render_verify },
	{ "audit anchor", KEEP, "keep an anchor of the chain now, and print it",
	  "One line that names the newest entry and its link, signed. It goes where anchors: says, as at the end of each "
	  "run, and the authority of anchors.stamps is asked for a time stamp of it; whoever keeps it where this machine's administrators cannot change it can show later that the chain was "
	  "not rewritten: leaverd-audit(5).",
	  "leaverd audit anchor >> /mnt/worm/leaverd.anchors\n  also without any place in the configuration\n",
	  .verb = "audit.anchor", .render = render_anchor },
	{ "audit export", KEEP, "the chain as JSON Lines", "One entry a line, oldest first.",
	  "leaverd audit export --after 1200 > audit.jsonl\n  new ones only\n",
	  .options = export_options, .local = local_audit_export },
	{ "metrics", KEEP, "counters of the daemon, as OpenMetrics text",
	  "Without a daemon there is nothing counted yet.",
	  "leaverd metrics\n  for a collector that runs commands\n",
	  .verb = "metrics" },
	{ "backup", KEEP, "copy the store online, as of one moment",
	  "The copy is checked, synced, mode 0600, and only then has its name. It holds the sealed vault: keep "
	  "the master key elsewhere.",
	  "leaverd backup /var/backups/leaverd-monday.db\n  while serve goes on\n",
	  .operands = file_operands, .verb = "backup", .prepare = prepare_file },
	{ "restore", KEEP, "start again from a backup",
	  "Stop serve first. The present store is kept beside it; the restored one starts a new epoch: mode "
	  "observe, push sources back to filling, plans expired.",
	  "leaverd restore /var/backups/leaverd-monday.db\n  then look with 'doctor' before 'arm'\n",
	  .operands = file_operands, .local = local_restore },
	{ "review start", KEEP, "begin an access review: ask managers which seats their people keep",
	  "Lists the seats of an organisation as they are now, each with the address of whose manager it is, and tells "
	  "each manager by mail how many wait for them (not whose), where notices are sent. Nothing is removed by it.",
	  "leaverd review start --org acme --filter 'product eq \"jira\"' --until 2027-01-31 --reason 'Q4 review, ISO A.5.18'\n"
	  "  then 'review list' writes the lists\n",
	  .options = review_start_options, .verb = "review.start" },
	{ "review list", KEEP, "access reviews, or one with its seats and answers",
	  "With --csv all of it, in columns item, manager, account_id, email, name, product, site, answer, reason, by: a "
	  "manager fills in answer (keep or remove) and reason, and 'review answer' reads it. Reading it is logged.",
	  "leaverd review list\n  all, with how far they are\n"
	  "leaverd review list 3 --manager bo@example.com --csv > bo.csv\n  for one manager\n"
	  "leaverd review list 3 --open\n  whom to remind\n",
	  .options = review_list_options, .operands = review_maybe, .verb = "review.list", .render = render_review },
	{ "review answer", KEEP, "take answers of managers out of a file",
	  "CSV with the columns item, answer, reason and by; rows without an answer say nothing. What is to be removed "
	  "needs a reason, every answer a name. One faulty row, and nothing of the file is taken. A later answer takes "
	  "the place of an earlier one.",
	  "leaverd review answer 3 bo.csv --by bo@example.com\n  as often as files come\n",
	  .options = review_answer_options, .operands = review_file_operands, .verb = "review.answer",
	  .prepare = prepare_bulk },
	{ "review close", KEEP, "end a review: say what nobody answered, plan what is to be removed",
	  "What managers want removed becomes a plan as of 'leaverd bulk': the same guards, limits and approvals. What "
	  "nobody answered stays as it is, and its number stands in the audit chain. 'evidence' has list and answers.",
	  "leaverd review close 3 --reason 'answers are in'\n  then 'show', 'approve' and 'apply' the plan\n",
	  .options = reason_options, .operands = review_operands, .verb = "review.close" },
	{ "privacy", KEEP, "what is held about people, why, how long, and who looked at it",
	  "Counts each kind of data with its oldest, the key of the configuration that says how long it stays, and what "
	  "would go now; and who read people's data how often, from the audit chain. Names nobody whose data it is.",
	  "leaverd privacy\n  tables\n"
	  "leaverd privacy --days 365 --json\n  for the register of processing\n",
	  .options = privacy_options, .verb = "privacy", .render = render_privacy },
	{ "forget", KEEP, "erase what we keep about a person",
	  "Empties documents, addresses, evidence, values of plans and bodies of audit entries; numbers and "
	  "digests stay, and the chain still verifies. Refused under a legal hold. If a source still holds the "
	  "person, the next read brings them back: remove them there first.",
	  "leaverd forget 812 --reason 'request of 3 May'\n  nothing of them is left in our files\n",
	  .options = reason_options, .operands = who_operands, .verb = "forget" },

	{ "help", HELP, "explain a command", "Without a word: the overview. 'help exit' explains exit statuses.",
	  "leaverd help secret set\n  this text for another command\n",
	  .operands = topic_operands, .local = local_help },
	{ "version", HELP, "print the version", "Version, and whether the build has the virtual clock of tests.",
	  "leaverd version\n  one line\n", .local = local_version },
	{ "completion", HELP, "completion for bash or zsh", "Prints a script to be sourced by the shell.",
	  "source <(leaverd completion bash)\n  for this shell\n",
	  .operands = shell_operands, .local = local_completion },
	{ 0 }
};
/* clang-format on */

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

bool command_has_sub(const char *word)
{
	size_t len = strlen(word);

	for (const struct command *c = commands; c->name; c++)
		if (!strncmp(c->name, word, len) && c->name[len] == ' ')
			return true;
	return false;
}
