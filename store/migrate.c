/*
 * What the tables mean.
 *
 * Everything is in one SQLite file, application_id "LVD1", user_version = the newest step
 * below. All tables are STRICT. Times are wall milliseconds since 1970 UTC in columns that end
 * in _ms, 0 where there is none (in tables of what Atlassian holds: 0 unknown, -1 known to be
 * absent, as model/snapshot.h says). Three-valued answers are 0 unknown, 1 no, 2 yes (enum
 * tri). Texts are never NULL: '' is absent. A name that ends in _fold holds str_fold() of the
 * text before it, the form in which two texts that a person calls the same are equal; who
 * compares names or addresses compares these. The driver gives steps the function
 * leaverd_fold() for them.
 *
 * Numbers. `id` columns are the store's own numbers; those of persons, accounts, plans and
 * audit entries are named in plans, approvals and reports, so they are AUTOINCREMENT: never
 * used again, whatever was removed. Records are never removed, only emptied.
 *
 * The change counter (meta 'change') goes up with each change that a round could care about;
 * the row carries the number in `change`. Whoever builds a picture out of many short reads
 * notes the counter first and looks again at the end (store/facts.c).
 *
 * meta, setting. Numbers about the file ('epoch', 'change', 'restored_ms', 'backup_ms') and
 * texts by scope (modes and pauses of organisations).
 *
 * source, source_read, canary. One row a configured source, with counters of its live records
 * so that totalResults costs nothing; one row a read of a pulled source, with what was counted
 * and how it was judged. The newest 400 reads are kept.
 *
 * record, record_address, record_link. record_address has the folded e-mails and the folded
 * user name. One source's view of somebody: the SCIM User document as the bytes to be sent, and
 * columns taken from it. `hash` is a digest of what was read, so that an entry that did not
 * change costs no write. Of a pulled record, last_seen_read is written only when it goes
 * missing: while absent_reads is 0 it was in the newest accepted read. `deleted` marks the
 * tombstone of a pushed record; `gone` the conclusion of law 1. The link says which person it
 * is, by which match rule, on which evidence.
 *
 * record_name. By what name (a digest of it: facts_name()) others of its source mean a record
 * of a directory, as in manager. It is no part of its version.
 *
 * source_stage, source_missing. What a read found to be different, until it ends; and whom an
 * implausible read did not show, until a person accepts it or the next read begins.
 *
 * usergroup, member. Groups of a source and who is in them: kind 1 a record, 2 a group. One
 * member more is one row more.
 *
 * person, account_link, rule_approval, doubt, address, bar, protection, expected, progress. The
 * ledger: see store/persons.h.
 *
 * org, org_read, account, product, seat, org_group, org_grant, org_member, org_role. What an
 * Atlassian organisation held in its newest generation. An account that vanished keeps its row
 * (live = 0) and so its number and its link. Each table has a twin X_next of the same columns
 * with `op` (1 put, 0 remove) before them: what the generation being collected found to be
 * different. They take effect together when it ends.
 *
 * plan, action, plan_value, decision, run, journal, effect. A plan is `bytes` with their
 * `digest`, written once. action repeats what questions need of each action and holds its
 * state; plan_value holds what identifies its subject and can be erased. journal is written
 * before and after each remote change; `open` is 1 on a begin or intent that nothing has
 * answered yet. effect has one row for each action that began: limits count distinct subjects
 * in it.
 *
 * audit. The chain of store/audit.h.
 *
 * scim_directory, scim_user, scim_group, scim_member. What the provisioning directory of an
 * organisation holds, as last read; complete says whether the newest read reached its end;
 * ceased_ms of a member: when a round first saw that its group does not want it any more.
 *
 * site_read, site_product, site_group, site_finding. What each site said of its products when
 * it was last read, and where that differs from what the organisation says (store/sites.h).
 *
 * inventory, owned, heir. What an account owns on sites (titles are personal), when that was
 * read, and who was named to receive it. gift_refused. Receivers whom Atlassian refused.
 *
 * org_event, org_event_read. What others changed in an organisation, by its audit events, and
 * what was done under our key that the journal does not know (standing 1; 2 once a person
 * explained it; 3 as the journal says, under a key not proved to be ours); and where the
 * reading of the events stands (store/events.h). org_key, org_key_claim. Keys that are ours,
 * and the journal lines that events under a key claim to be. outbox. What is told to people and
 * systems: key, receiver and letter (personal, emptied), and how far it is. keep. Links that
 * keep a seat, one a step (store/outbox.h). request. Links that ask for a seat again, and
 * what became of them (store/requests.h). issue. Issues at Jira about plans and actions, what
 * they are called there, and whether they were closed (store/issues.h).
 *
 * seat_day. How many seats of a product were held on a day, idle, never used (store/ledger.h).
 *
 * cursor. Where readers of streams stand.
 *
 * token. API tokens, by keyed hash. `self` is the key of the record that a token is of itself.
 *
 * secret, vault. Sealed values, and the sealed key that they are sealed with.
 *
 * approver, signature. Who has a key of their own, and the statements that were taken, each
 * once, by their digest (store/approvers.h). A decision that is signed keeps its statement and
 * the key that signed it.
 *
 * config_load, announced. Configurations that were loaded, whole, and what of them stands;
 * lists of leavers, whom limits pass by (expected) once two people signed the list.
 *
 * review, review_item. Access reviews, and of each seat that one asks about who is to answer
 * and what they said (store/reviews.h).
 */
#include "store/migrate.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"

/* clang-format off */

#define ACCOUNT_COLUMNS \
	" org INTEGER NOT NULL, account_id TEXT NOT NULL, directory TEXT NOT NULL," \
	" email TEXT NOT NULL, email_fold TEXT NOT NULL, name TEXT NOT NULL," \
	" external_id TEXT NOT NULL, issuer TEXT NOT NULL, status INTEGER NOT NULL," \
	" status_since_ms INTEGER NOT NULL, type INTEGER NOT NULL, managed INTEGER NOT NULL," \
	" synced INTEGER NOT NULL, can_disable INTEGER NOT NULL, accepted INTEGER NOT NULL," \
	" admin INTEGER NOT NULL, org_admin INTEGER NOT NULL, paths_known INTEGER NOT NULL," \
	" tokens INTEGER NOT NULL, added_ms INTEGER NOT NULL, token_active_ms INTEGER NOT NULL," \
	" last_active_ms INTEGER NOT NULL, own_credential INTEGER NOT NULL, roles TEXT NOT NULL," \
	" extra TEXT NOT NULL, hash BLOB NOT NULL"

#define SEAT_COLUMNS \
	" org INTEGER NOT NULL, account INTEGER NOT NULL, product INTEGER NOT NULL," \
	" last_active_ms INTEGER NOT NULL, added_ms INTEGER NOT NULL"

#define GROUP_COLUMNS \
	" org INTEGER NOT NULL, group_id TEXT NOT NULL, name TEXT NOT NULL," \
	" directory TEXT NOT NULL, synced INTEGER NOT NULL, modifiable INTEGER NOT NULL," \
	" admin INTEGER NOT NULL"

#define GRANT_COLUMNS \
	" org INTEGER NOT NULL, grp INTEGER NOT NULL, product INTEGER NOT NULL," \
	" role TEXT NOT NULL, is_default INTEGER NOT NULL, billable INTEGER NOT NULL"

#define MEMBER_COLUMNS " org INTEGER NOT NULL, grp INTEGER NOT NULL, account INTEGER NOT NULL"

#define ROLE_COLUMNS \
	" org INTEGER NOT NULL, account INTEGER NOT NULL, product INTEGER NOT NULL," \
	" role TEXT NOT NULL, inferred INTEGER NOT NULL, billable INTEGER NOT NULL"

static const char *const step_1[] = {
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
	"CREATE TABLE setting (scope TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
	" PRIMARY KEY (scope, key)) STRICT, WITHOUT ROWID",

	/* --- sources and records --- */

	"CREATE TABLE source (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	" kind TEXT NOT NULL, role TEXT NOT NULL, rank INTEGER NOT NULL, state INTEGER NOT NULL,"
	" state_ms INTEGER NOT NULL, read_no INTEGER NOT NULL DEFAULT 0,"
	" accepted_read INTEGER NOT NULL DEFAULT 0, accepted_ms INTEGER NOT NULL DEFAULT 0,"
	" spoke_ms INTEGER NOT NULL DEFAULT 0, identity TEXT NOT NULL DEFAULT '',"
	" doubts INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',"
	" users INTEGER NOT NULL DEFAULT 0, active INTEGER NOT NULL DEFAULT 0,"
	" groups INTEGER NOT NULL DEFAULT 0) STRICT",
	"CREATE TABLE source_read (source INTEGER NOT NULL, no INTEGER NOT NULL,"
	" kind INTEGER NOT NULL, begun_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL DEFAULT 0,"
	" complete INTEGER NOT NULL DEFAULT 0, doubts INTEGER NOT NULL DEFAULT 0,"
	" accepted INTEGER NOT NULL DEFAULT 0, accepted_by TEXT NOT NULL DEFAULT '',"
	" reason TEXT NOT NULL DEFAULT '', seen INTEGER NOT NULL DEFAULT 0,"
	" fresh INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL DEFAULT 0,"
	" unchanged INTEGER NOT NULL DEFAULT 0, returned INTEGER NOT NULL DEFAULT 0,"
	" missing INTEGER NOT NULL DEFAULT 0, before INTEGER NOT NULL DEFAULT 0,"
	" disabled INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0,"
	" newly_unknown INTEGER NOT NULL DEFAULT 0, canaries INTEGER NOT NULL DEFAULT 0,"
	" canaries_missing INTEGER NOT NULL DEFAULT 0,"
	" PRIMARY KEY (source, no)) STRICT, WITHOUT ROWID",
	"CREATE TABLE canary (source INTEGER NOT NULL, key TEXT NOT NULL,"
	" PRIMARY KEY (source, key)) STRICT, WITHOUT ROWID",

	"CREATE TABLE record (id INTEGER PRIMARY KEY, source INTEGER NOT NULL, key TEXT NOT NULL,"
	" external_id TEXT NOT NULL, user_name TEXT NOT NULL, user_fold TEXT NOT NULL, display TEXT NOT NULL,"
	" active INTEGER NOT NULL, gone INTEGER NOT NULL DEFAULT 0,"
	" deleted INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL,"
	" created_ms INTEGER NOT NULL, modified_ms INTEGER NOT NULL,"
	" first_seen_ms INTEGER NOT NULL, last_seen_read INTEGER NOT NULL DEFAULT 0,"
	" absent_reads INTEGER NOT NULL DEFAULT 0, absent_since_ms INTEGER NOT NULL DEFAULT 0,"
	" disabled_since_ms INTEGER NOT NULL DEFAULT 0, ended_ms INTEGER NOT NULL DEFAULT 0,"
	" person INTEGER NOT NULL DEFAULT 0, change INTEGER NOT NULL, hash BLOB NOT NULL,"
	" unknown TEXT NOT NULL, doc TEXT NOT NULL) STRICT",
	"CREATE UNIQUE INDEX record_key ON record (source, key)",
	"CREATE INDEX record_user ON record (source, user_fold) WHERE deleted = 0",
	"CREATE INDEX record_external ON record (source, external_id) WHERE external_id <> ''",
	"CREATE INDEX record_person ON record (person) WHERE person > 0",
	"CREATE INDEX record_change ON record (source, change)",
	"CREATE INDEX record_absent ON record (source, id) WHERE absent_reads > 0",
	"CREATE TABLE record_address (record INTEGER NOT NULL, fold TEXT NOT NULL,"
	" PRIMARY KEY (record, fold)) STRICT, WITHOUT ROWID",
	"CREATE INDEX record_address_fold ON record_address (fold)",
	"CREATE TABLE record_link (record INTEGER PRIMARY KEY, person INTEGER NOT NULL,"
	" rule TEXT NOT NULL, evidence TEXT NOT NULL, since_ms INTEGER NOT NULL) STRICT",
	"CREATE TABLE source_stage (source INTEGER NOT NULL, key TEXT NOT NULL,"
	" dropped INTEGER NOT NULL, unknown TEXT NOT NULL, doc TEXT NOT NULL,"
	" PRIMARY KEY (source, key)) STRICT, WITHOUT ROWID",
	"CREATE TABLE source_missing (source INTEGER NOT NULL, record INTEGER NOT NULL,"
	" PRIMARY KEY (source, record)) STRICT, WITHOUT ROWID",

	"CREATE TABLE usergroup (id INTEGER PRIMARY KEY, source INTEGER NOT NULL,"
	" key TEXT NOT NULL, external_id TEXT NOT NULL, display TEXT NOT NULL,"
	" display_fold TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0,"
	" version INTEGER NOT NULL, created_ms INTEGER NOT NULL, modified_ms INTEGER NOT NULL,"
	" change INTEGER NOT NULL, doc TEXT NOT NULL) STRICT",
	"CREATE UNIQUE INDEX usergroup_key ON usergroup (source, key)",
	"CREATE INDEX usergroup_display ON usergroup (source, display_fold) WHERE deleted = 0",
	"CREATE INDEX usergroup_external ON usergroup (source, external_id)"
	" WHERE external_id <> ''",
	"CREATE TABLE member (grp INTEGER NOT NULL, kind INTEGER NOT NULL,"
	" member INTEGER NOT NULL, PRIMARY KEY (grp, kind, member)) STRICT, WITHOUT ROWID",
	"CREATE INDEX member_of ON member (member, kind, grp)",

	/* --- persons --- */

	"CREATE TABLE person (id INTEGER PRIMARY KEY AUTOINCREMENT, salt BLOB NOT NULL,"
	" state INTEGER NOT NULL, created_ms INTEGER NOT NULL, change INTEGER NOT NULL) STRICT",
	"CREATE TABLE account_link (account INTEGER PRIMARY KEY, person INTEGER NOT NULL,"
	" rule TEXT NOT NULL, evidence TEXT NOT NULL, adopted INTEGER NOT NULL DEFAULT 0,"
	" adopted_how TEXT NOT NULL DEFAULT '', adopted_by TEXT NOT NULL DEFAULT '',"
	" since_ms INTEGER NOT NULL, adopted_ms INTEGER NOT NULL DEFAULT 0,"
	" change INTEGER NOT NULL) STRICT",
	"CREATE INDEX account_link_person ON account_link (person)",
	"CREATE TABLE rule_approval (org TEXT NOT NULL, rule TEXT NOT NULL, who TEXT NOT NULL,"
	" ms INTEGER NOT NULL, PRIMARY KEY (org, rule)) STRICT, WITHOUT ROWID",
	"CREATE TABLE doubt (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
	" left_id INTEGER NOT NULL, right_id INTEGER NOT NULL, rule TEXT NOT NULL,"
	" evidence TEXT NOT NULL, who TEXT NOT NULL DEFAULT '', state INTEGER NOT NULL,"
	" raised_ms INTEGER NOT NULL, decided_ms INTEGER NOT NULL DEFAULT 0,"
	" UNIQUE (kind, left_id, right_id)) STRICT",
	"CREATE INDEX doubt_state ON doubt (state, id)",
	"CREATE INDEX doubt_right ON doubt (kind, right_id)",
	"CREATE TABLE address (fold TEXT NOT NULL, person INTEGER NOT NULL,"
	" first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,"
	" PRIMARY KEY (fold, person)) STRICT, WITHOUT ROWID",
	"CREATE INDEX address_person ON address (person)",
	"CREATE TABLE bar (id INTEGER PRIMARY KEY, person INTEGER NOT NULL,"
	" account INTEGER NOT NULL, rule TEXT NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL,"
	" set_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,"
	" lifted_ms INTEGER NOT NULL DEFAULT 0) STRICT",
	"CREATE TABLE protection (id INTEGER PRIMARY KEY, kind TEXT NOT NULL,"
	" person INTEGER NOT NULL, account INTEGER NOT NULL, rule TEXT NOT NULL,"
	" owner TEXT NOT NULL, reason TEXT NOT NULL, who TEXT NOT NULL,"
	" set_ms INTEGER NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,"
	" lifted_ms INTEGER NOT NULL DEFAULT 0) STRICT",
	"CREATE TABLE expected (person INTEGER PRIMARY KEY, who TEXT NOT NULL,"
	" why TEXT NOT NULL, set_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL) STRICT",
	"CREATE TABLE progress (account INTEGER NOT NULL, product TEXT NOT NULL,"
	" site TEXT NOT NULL, rule TEXT NOT NULL, kind TEXT NOT NULL, person INTEGER NOT NULL,"
	" done_ms INTEGER NOT NULL,"
	" PRIMARY KEY (account, product, site, rule, kind)) STRICT, WITHOUT ROWID",

	/* --- organisations --- */

	"CREATE TABLE org (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	" identity TEXT NOT NULL DEFAULT '', generation INTEGER NOT NULL DEFAULT 0,"
	" ended_ms INTEGER NOT NULL DEFAULT 0, complete INTEGER NOT NULL DEFAULT 0,"
	" plausible INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',"
	" accounts INTEGER NOT NULL DEFAULT 0, seats INTEGER NOT NULL DEFAULT 0,"
	" begun INTEGER NOT NULL DEFAULT 0, other INTEGER NOT NULL DEFAULT 0) STRICT",
	"CREATE TABLE org_read (org INTEGER NOT NULL, generation INTEGER NOT NULL,"
	" begun_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL DEFAULT 0,"
	" complete INTEGER NOT NULL DEFAULT 0, plausible INTEGER NOT NULL DEFAULT 0,"
	" whole INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',"
	" accounts INTEGER NOT NULL DEFAULT 0, seats INTEGER NOT NULL DEFAULT 0,"
	" PRIMARY KEY (org, generation)) STRICT, WITHOUT ROWID",

	"CREATE TABLE account (id INTEGER PRIMARY KEY AUTOINCREMENT," ACCOUNT_COLUMNS ","
	" live INTEGER NOT NULL, salt BLOB NOT NULL, first_ms INTEGER NOT NULL,"
	" change INTEGER NOT NULL) STRICT",
	"CREATE UNIQUE INDEX account_key ON account (org, account_id)",
	"CREATE INDEX account_email ON account (org, email_fold) WHERE email_fold <> ''",
	"CREATE INDEX account_change ON account (org, change)",
	"CREATE TABLE account_next (id INTEGER PRIMARY KEY, op INTEGER NOT NULL,"
	ACCOUNT_COLUMNS ") STRICT",

	"CREATE TABLE product (id INTEGER PRIMARY KEY, org INTEGER NOT NULL, key TEXT NOT NULL,"
	" site TEXT NOT NULL, resource TEXT NOT NULL, UNIQUE (org, key, site)) STRICT",

	"CREATE TABLE seat (id INTEGER PRIMARY KEY," SEAT_COLUMNS ", change INTEGER NOT NULL,"
	" UNIQUE (account, product)) STRICT",
	"CREATE INDEX seat_org ON seat (org, account, product)",
	"CREATE TABLE seat_next (op INTEGER NOT NULL," SEAT_COLUMNS ","
	" PRIMARY KEY (account, product)) STRICT, WITHOUT ROWID",

	"CREATE TABLE org_group (id INTEGER PRIMARY KEY," GROUP_COLUMNS ","
	" live INTEGER NOT NULL, UNIQUE (org, group_id)) STRICT",
	"CREATE TABLE org_group_next (id INTEGER PRIMARY KEY, op INTEGER NOT NULL,"
	GROUP_COLUMNS ") STRICT",

	"CREATE TABLE org_grant (id INTEGER PRIMARY KEY," GRANT_COLUMNS ","
	" UNIQUE (org, grp, product, role)) STRICT",
	"CREATE TABLE org_grant_next (op INTEGER NOT NULL," GRANT_COLUMNS ","
	" PRIMARY KEY (org, grp, product, role)) STRICT, WITHOUT ROWID",

	"CREATE TABLE org_member (" MEMBER_COLUMNS ","
	" PRIMARY KEY (org, grp, account)) STRICT, WITHOUT ROWID",
	"CREATE INDEX org_member_account ON org_member (account, grp)",
	"CREATE TABLE org_member_next (op INTEGER NOT NULL," MEMBER_COLUMNS ","
	" PRIMARY KEY (org, grp, account)) STRICT, WITHOUT ROWID",

	"CREATE TABLE org_role (id INTEGER PRIMARY KEY," ROLE_COLUMNS ","
	" UNIQUE (account, product, role)) STRICT",
	"CREATE INDEX org_role_org ON org_role (org, account, product, role)",
	"CREATE TABLE org_role_next (op INTEGER NOT NULL," ROLE_COLUMNS ","
	" PRIMARY KEY (account, product, role)) STRICT, WITHOUT ROWID",

	/* --- plans --- */

	"CREATE TABLE plan (id INTEGER PRIMARY KEY AUTOINCREMENT, org TEXT NOT NULL,"
	" urgency TEXT NOT NULL, who TEXT NOT NULL, digest BLOB NOT NULL,"
	" standing INTEGER NOT NULL, complete INTEGER NOT NULL, held INTEGER NOT NULL,"
	" created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, state_ms INTEGER NOT NULL,"
	" actions INTEGER NOT NULL, superseded_by INTEGER NOT NULL DEFAULT 0,"
	" bytes BLOB NOT NULL) STRICT",
	"CREATE INDEX plan_live ON plan (org, standing) WHERE standing < 3",
	"CREATE TABLE action (plan INTEGER NOT NULL, n INTEGER NOT NULL, kind TEXT NOT NULL,"
	" rule TEXT NOT NULL, class TEXT NOT NULL, person INTEGER NOT NULL,"
	" account INTEGER NOT NULL, product TEXT NOT NULL, site TEXT NOT NULL,"
	" due_ms INTEGER NOT NULL, held INTEGER NOT NULL, automatic INTEGER NOT NULL,"
	" state INTEGER NOT NULL, state_ms INTEGER NOT NULL, result TEXT NOT NULL,"
	" PRIMARY KEY (plan, n)) STRICT, WITHOUT ROWID",
	"CREATE INDEX action_person ON action (person, plan) WHERE person > 0",
	"CREATE INDEX action_account ON action (account, plan) WHERE account > 0",
	"CREATE TABLE plan_value (plan INTEGER NOT NULL, n INTEGER NOT NULL,"
	" salt BLOB NOT NULL, json TEXT NOT NULL,"
	" PRIMARY KEY (plan, n)) STRICT, WITHOUT ROWID",
	"CREATE TABLE decision (id INTEGER PRIMARY KEY, plan INTEGER NOT NULL,"
	" kind INTEGER NOT NULL, who TEXT NOT NULL, person INTEGER NOT NULL,"
	" digest BLOB NOT NULL, actions TEXT NOT NULL, guards TEXT NOT NULL, why TEXT NOT NULL,"
	" ms INTEGER NOT NULL) STRICT",
	"CREATE INDEX decision_plan ON decision (plan)",
	"CREATE TABLE run (id INTEGER PRIMARY KEY AUTOINCREMENT, plan INTEGER NOT NULL,"
	" org TEXT NOT NULL, epoch INTEGER NOT NULL, who TEXT NOT NULL,"
	" ended_how TEXT NOT NULL DEFAULT '', begun_ms INTEGER NOT NULL,"
	" ended_ms INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0,"
	" already INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,"
	" held INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0) STRICT",
	"CREATE INDEX run_open ON run (org) WHERE ended_ms = 0",
	"CREATE TABLE journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, org TEXT NOT NULL,"
	" plan INTEGER NOT NULL, n INTEGER NOT NULL, run INTEGER NOT NULL,"
	" epoch INTEGER NOT NULL, step INTEGER NOT NULL, kind INTEGER NOT NULL,"
	" open INTEGER NOT NULL, op TEXT NOT NULL, args TEXT NOT NULL, key TEXT NOT NULL,"
	" result TEXT NOT NULL, text TEXT NOT NULL, ms INTEGER NOT NULL) STRICT",
	"CREATE INDEX journal_plan ON journal (plan, n, seq)",
	"CREATE INDEX journal_open ON journal (org, seq) WHERE open = 1",
	"CREATE TABLE effect (id INTEGER PRIMARY KEY, org TEXT NOT NULL, class TEXT NOT NULL,"
	" person INTEGER NOT NULL, account INTEGER NOT NULL, product TEXT NOT NULL,"
	" site TEXT NOT NULL, plan INTEGER NOT NULL, n INTEGER NOT NULL,"
	" ms INTEGER NOT NULL) STRICT",
	"CREATE INDEX effect_window ON effect (org, class, ms)",

	/* --- audit, cursors, tokens, vault --- */

	"CREATE TABLE audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, ms INTEGER NOT NULL,"
	" who TEXT NOT NULL, what TEXT NOT NULL, target TEXT NOT NULL, person INTEGER NOT NULL,"
	" forgotten INTEGER NOT NULL DEFAULT 0, digest BLOB NOT NULL, link BLOB NOT NULL,"
	" salt BLOB NOT NULL, body TEXT NOT NULL) STRICT",
	"CREATE INDEX audit_person ON audit (person) WHERE person > 0",
	"CREATE TABLE cursor (owner TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
	" ms INTEGER NOT NULL, PRIMARY KEY (owner, name)) STRICT, WITHOUT ROWID",
	"CREATE TABLE token (id INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL UNIQUE,"
	" name TEXT NOT NULL, scope INTEGER NOT NULL, of TEXT NOT NULL, who TEXT NOT NULL,"
	" made_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
	" revoked_ms INTEGER NOT NULL DEFAULT 0, used_ms INTEGER NOT NULL DEFAULT 0) STRICT",
	"CREATE TABLE secret (name TEXT PRIMARY KEY, version INTEGER NOT NULL,"
	" owner TEXT NOT NULL, set_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
	" sealed BLOB NOT NULL) STRICT, WITHOUT ROWID",
	"CREATE TABLE vault (id INTEGER PRIMARY KEY CHECK (id = 1), how INTEGER NOT NULL,"
	" generation INTEGER NOT NULL, salt BLOB NOT NULL, wrapped BLOB NOT NULL,"
	" made_ms INTEGER NOT NULL) STRICT",
	NULL,
};
/* clang-format on */

/* Each order that lists are asked for by name, and each time that is asked from, has an index
 * in which those without a value stand too: so a walk over all of them needs no other. */
static const char *const step_2[] = {
	"ALTER TABLE record ADD COLUMN display_fold TEXT NOT NULL DEFAULT ''",
	"UPDATE record SET display_fold = leaverd_fold(display) WHERE display <> ''",
	"CREATE INDEX record_display ON record (source, display_fold) WHERE deleted = 0",
	"CREATE INDEX record_created ON record (source, created_ms) WHERE deleted = 0",
	"CREATE INDEX record_modified ON record (source, modified_ms) WHERE deleted = 0",
	"DROP INDEX record_external",
	"CREATE INDEX record_external ON record (source, external_id)",
	"CREATE INDEX usergroup_created ON usergroup (source, created_ms) WHERE deleted = 0",
	"CREATE INDEX usergroup_modified ON usergroup (source, modified_ms) WHERE deleted = 0",
	"DROP INDEX usergroup_external",
	"CREATE INDEX usergroup_external ON usergroup (source, external_id)",
	NULL,
};

static const char *const step_3[] = {
	"CREATE TABLE site_read (org INTEGER NOT NULL, site TEXT NOT NULL,"
	" whole INTEGER NOT NULL, why TEXT NOT NULL, read_ms INTEGER NOT NULL,"
	" PRIMARY KEY (org, site)) STRICT, WITHOUT ROWID",
	"CREATE TABLE site_product (org INTEGER NOT NULL, site TEXT NOT NULL,"
	" product TEXT NOT NULL, seats INTEGER NOT NULL, free INTEGER NOT NULL,"
	" used INTEGER NOT NULL, plan TEXT NOT NULL, members INTEGER NOT NULL,"
	" customers INTEGER NOT NULL,"
	" PRIMARY KEY (org, site, product)) STRICT, WITHOUT ROWID",
	"CREATE TABLE site_group (org INTEGER NOT NULL, site TEXT NOT NULL,"
	" product TEXT NOT NULL, group_id TEXT NOT NULL, name TEXT NOT NULL,"
	" is_default INTEGER NOT NULL,"
	" PRIMARY KEY (org, site, product, group_id)) STRICT, WITHOUT ROWID",
	"CREATE TABLE site_finding (org INTEGER NOT NULL, site TEXT NOT NULL,"
	" n INTEGER NOT NULL, product TEXT NOT NULL, kind TEXT NOT NULL,"
	" text TEXT NOT NULL, PRIMARY KEY (org, site, n)) STRICT, WITHOUT ROWID",
	"CREATE TABLE inventory (account INTEGER PRIMARY KEY, whole INTEGER NOT NULL,"
	" why TEXT NOT NULL, read_ms INTEGER NOT NULL) STRICT",
	"CREATE TABLE owned (account INTEGER NOT NULL, site TEXT NOT NULL,"
	" kind TEXT NOT NULL, id TEXT NOT NULL, label TEXT NOT NULL, title TEXT NOT NULL,"
	" project TEXT NOT NULL, lead TEXT NOT NULL,"
	" PRIMARY KEY (account, site, kind, id)) STRICT, WITHOUT ROWID",
	"CREATE TABLE heir (person INTEGER PRIMARY KEY, account INTEGER NOT NULL,"
	" who TEXT NOT NULL, why TEXT NOT NULL, set_ms INTEGER NOT NULL) STRICT",
	NULL,
};

/* clang-format off */
/* What the provisioning directory of an organisation holds. A row is what Atlassian said last;
 * rows go only when a read that reached its end did not show them. */
static const char *const step_4[] = {
	"CREATE TABLE scim_directory (org INTEGER PRIMARY KEY, directory TEXT NOT NULL,"
	" read_ms INTEGER NOT NULL, complete INTEGER NOT NULL, reason TEXT NOT NULL,"
	" users INTEGER NOT NULL, groups INTEGER NOT NULL) STRICT",
	"CREATE TABLE scim_user (id INTEGER PRIMARY KEY, org INTEGER NOT NULL,"
	" scim_id TEXT NOT NULL, external_id TEXT NOT NULL, account_id TEXT NOT NULL,"
	" user_fold TEXT NOT NULL, active INTEGER NOT NULL, user_name TEXT NOT NULL,"
	" email TEXT NOT NULL, display_name TEXT NOT NULL, given_name TEXT NOT NULL,"
	" family_name TEXT NOT NULL, title TEXT NOT NULL, department TEXT NOT NULL,"
	" time_zone TEXT NOT NULL, language TEXT NOT NULL) STRICT",
	"CREATE UNIQUE INDEX scim_user_key ON scim_user (org, scim_id)",
	"CREATE INDEX scim_user_external ON scim_user (org, external_id)",
	"CREATE INDEX scim_user_account ON scim_user (org, account_id)",
	"CREATE INDEX scim_user_name ON scim_user (org, user_fold)",
	"CREATE TABLE scim_group (id INTEGER PRIMARY KEY, org INTEGER NOT NULL,"
	" scim_id TEXT NOT NULL, name TEXT NOT NULL) STRICT",
	"CREATE UNIQUE INDEX scim_group_key ON scim_group (org, scim_id)",
	"CREATE TABLE scim_member (grp INTEGER NOT NULL, user INTEGER NOT NULL,"
	" PRIMARY KEY (grp, user)) STRICT, WITHOUT ROWID",
	"CREATE INDEX scim_member_user ON scim_member (user, grp)",
	"ALTER TABLE product ADD COLUMN capacity INTEGER NOT NULL DEFAULT 0",
	NULL,
};
/* clang-format on */

static const char *const step_5[] = {
	"ALTER TABLE token ADD COLUMN self TEXT NOT NULL DEFAULT ''",
	NULL,
};

/* What others changed in an organisation, and where the reading of it stands. */
static const char *const step_6[] = {
	"CREATE TABLE org_event (org INTEGER NOT NULL, event TEXT NOT NULL,"
	" account INTEGER NOT NULL, at_ms INTEGER NOT NULL, action TEXT NOT NULL,"
	" actor TEXT NOT NULL, grp TEXT NOT NULL, token TEXT NOT NULL,"
	" standing INTEGER NOT NULL, PRIMARY KEY (org, event, account)) STRICT, WITHOUT ROWID",
	"CREATE INDEX org_event_account ON org_event (account, at_ms) WHERE account > 0",
	"CREATE INDEX org_event_time ON org_event (org, at_ms)",
	"CREATE INDEX org_event_foreign ON org_event (org) WHERE standing = 1",
	"CREATE TABLE org_event_read (org INTEGER PRIMARY KEY, since_ms INTEGER NOT NULL,"
	" cursor TEXT NOT NULL, newest_ms INTEGER NOT NULL, read_ms INTEGER NOT NULL,"
	" why TEXT NOT NULL, gap_from_ms INTEGER NOT NULL, gap_to_ms INTEGER NOT NULL,"
	" token TEXT NOT NULL) STRICT",
	NULL,
};

static const char *const step_7[] = {
	"CREATE TABLE approver (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,"
	" login TEXT NOT NULL, key BLOB NOT NULL UNIQUE, enrolled_by TEXT NOT NULL,"
	" enrolled_ms INTEGER NOT NULL, from_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
	" retired_ms INTEGER NOT NULL, retired_by TEXT NOT NULL) STRICT",
	"CREATE TABLE signature (digest BLOB PRIMARY KEY, about TEXT NOT NULL,"
	" decision TEXT NOT NULL, target TEXT NOT NULL, who TEXT NOT NULL, key BLOB NOT NULL,"
	" entry INTEGER NOT NULL, ms INTEGER NOT NULL) STRICT, WITHOUT ROWID",
	"CREATE INDEX signature_matter ON signature (about, target)",
	"ALTER TABLE decision ADD COLUMN statement TEXT NOT NULL DEFAULT ''",
	"ALTER TABLE decision ADD COLUMN key BLOB NOT NULL DEFAULT x''",
	"ALTER TABLE decision ADD COLUMN alone_ms INTEGER NOT NULL DEFAULT 0",
	NULL,
};

/* Seats by product and day: totals, and nobody's activity. */
static const char *const step_8[] = {
	"CREATE TABLE seat_day (org INTEGER NOT NULL, product INTEGER NOT NULL,"
	" day INTEGER NOT NULL, held INTEGER NOT NULL, idle INTEGER NOT NULL,"
	" never INTEGER NOT NULL, capacity INTEGER NOT NULL,"
	" PRIMARY KEY (org, product, day)) STRICT, WITHOUT ROWID",
	NULL,
};

static const char *const step_9[] = {
	"CREATE TABLE config_load (id INTEGER PRIMARY KEY AUTOINCREMENT, ms INTEGER NOT NULL,"
	" state INTEGER NOT NULL, digest BLOB NOT NULL, author TEXT NOT NULL, wider TEXT NOT "
	"NULL,"
	" text TEXT NOT NULL) STRICT",
	"CREATE TABLE announced (id INTEGER PRIMARY KEY AUTOINCREMENT, who TEXT NOT NULL,"
	" why TEXT NOT NULL, detail TEXT NOT NULL, persons INTEGER NOT NULL,"
	" from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, made_ms INTEGER NOT NULL,"
	" state INTEGER NOT NULL) STRICT",
	"ALTER TABLE expected ADD COLUMN from_ms INTEGER NOT NULL DEFAULT 0",
	"ALTER TABLE expected ADD COLUMN announced INTEGER NOT NULL DEFAULT 0",
	NULL,
};

static const char *const step_10[] = {
	"CREATE TABLE outbox (id INTEGER PRIMARY KEY, key TEXT NOT NULL, step TEXT NOT NULL,"
	" channel TEXT NOT NULL, kind TEXT NOT NULL, receiver TEXT NOT NULL,"
	" letter TEXT NOT NULL, says TEXT NOT NULL, state INTEGER NOT NULL,"
	" repeats INTEGER NOT NULL, person INTEGER NOT NULL, account INTEGER NOT NULL,"
	" product TEXT NOT NULL, site TEXT NOT NULL, rule TEXT NOT NULL,"
	" ladder INTEGER NOT NULL, tries INTEGER NOT NULL, queued_ms INTEGER NOT NULL,"
	" state_ms INTEGER NOT NULL, next_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL)"
	" STRICT",
	"CREATE UNIQUE INDEX outbox_key ON outbox (key)",
	"CREATE INDEX outbox_step ON outbox (step) WHERE ladder = 1",
	"CREATE INDEX outbox_due ON outbox (channel, next_ms, id) WHERE state = 0",
	"CREATE INDEX outbox_standing ON outbox (state)",
	"CREATE INDEX outbox_person ON outbox (person) WHERE person > 0",
	"CREATE TABLE keep (id INTEGER PRIMARY KEY AUTOINCREMENT, step TEXT NOT NULL UNIQUE,"
	" org TEXT NOT NULL, person INTEGER NOT NULL, account INTEGER NOT NULL,"
	" product TEXT NOT NULL, site TEXT NOT NULL, rule TEXT NOT NULL,"
	" made_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL) STRICT",
	"CREATE INDEX keep_person ON keep (person)",
	"ALTER TABLE bar ADD COLUMN product TEXT NOT NULL DEFAULT ''",
	"ALTER TABLE bar ADD COLUMN site TEXT NOT NULL DEFAULT ''",
	NULL,
};

/* Which keys are ours is proved by claims from now on: what was learnt from one event that came
 * near a deed of ours proves nothing. */
static const char *const step_11[] = {
	"CREATE TABLE org_key (org INTEGER NOT NULL, token TEXT NOT NULL,"
	" directory INTEGER NOT NULL, proved_ms INTEGER NOT NULL,"
	" PRIMARY KEY (org, token)) STRICT, WITHOUT ROWID",
	"CREATE TABLE org_key_claim (org INTEGER NOT NULL, seq INTEGER NOT NULL,"
	" token TEXT NOT NULL, directory INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
	" PRIMARY KEY (org, seq, token)) STRICT, WITHOUT ROWID",
	"CREATE INDEX org_key_claim_token ON org_key_claim (org, token)",
	"ALTER TABLE org_event ADD COLUMN doubt INTEGER NOT NULL DEFAULT 0",
	"ALTER TABLE org_event_read DROP COLUMN token",
	NULL,
};

static const char *const step_12[] = {
	"ALTER TABLE plan ADD COLUMN apart INTEGER NOT NULL DEFAULT 0",
	"UPDATE plan SET apart = 1 WHERE EXISTS (SELECT 1 FROM action o WHERE o.plan = plan.id"
	" AND o.rule IN ('undo', 'bulk'))",
	NULL,
};

static const char *const step_13[] = {
	"CREATE TABLE request (id INTEGER PRIMARY KEY AUTOINCREMENT, step TEXT NOT NULL UNIQUE,"
	" org TEXT NOT NULL, plan INTEGER NOT NULL, action INTEGER NOT NULL,"
	" person INTEGER NOT NULL, account INTEGER NOT NULL, product TEXT NOT NULL,"
	" site TEXT NOT NULL, rule TEXT NOT NULL, made_ms INTEGER NOT NULL,"
	" end_ms INTEGER NOT NULL, state INTEGER NOT NULL, state_ms INTEGER NOT NULL,"
	" back INTEGER NOT NULL, who TEXT NOT NULL) STRICT",
	"CREATE INDEX request_person ON request (person)",
	NULL,
};

/* What could not be given, and why. */
static const char *const step_14[] = {
	"ALTER TABLE owned ADD COLUMN unseen INTEGER NOT NULL DEFAULT 0",
	"CREATE TABLE gift_refused (account INTEGER NOT NULL, site TEXT NOT NULL,"
	" kind TEXT NOT NULL, id TEXT NOT NULL, receiver INTEGER NOT NULL, why TEXT NOT NULL,"
	" ms INTEGER NOT NULL, PRIMARY KEY (account, site, kind, id, receiver))"
	" STRICT, WITHOUT ROWID",
	"CREATE INDEX gift_refused_receiver ON gift_refused (receiver)",
	NULL,
};

static const char *const step_15[] = {
	"CREATE TABLE record_name (record INTEGER PRIMARY KEY, name INTEGER NOT NULL) STRICT",
	"CREATE INDEX record_name_name ON record_name (name)",
	"ALTER TABLE source_stage ADD COLUMN name INTEGER NOT NULL DEFAULT 0",
	NULL,
};

static const char *const step_16[] = {
	"CREATE TABLE review (id INTEGER PRIMARY KEY AUTOINCREMENT, org TEXT NOT NULL,"
	" why TEXT NOT NULL, who TEXT NOT NULL, made_ms INTEGER NOT NULL,"
	" due_ms INTEGER NOT NULL, closed_ms INTEGER NOT NULL, closed_by TEXT NOT NULL,"
	" plans TEXT NOT NULL) STRICT",
	"CREATE TABLE review_item (review INTEGER NOT NULL, n INTEGER NOT NULL,"
	" person INTEGER NOT NULL, account INTEGER NOT NULL, product TEXT NOT NULL,"
	" site TEXT NOT NULL, manager TEXT NOT NULL, answer INTEGER NOT NULL,"
	" why TEXT NOT NULL, by TEXT NOT NULL, answered_ms INTEGER NOT NULL,"
	" PRIMARY KEY (review, n)) STRICT, WITHOUT ROWID",
	"CREATE INDEX review_item_person ON review_item (person) WHERE person > 0",
	NULL,
};

/* What gives back what plans took. */
static const char *const step_17[] = {
	"ALTER TABLE org_event ADD COLUMN gives INTEGER NOT NULL DEFAULT 0",
	"CREATE INDEX org_event_gives ON org_event (org, account, at_ms) WHERE gives > 0",
	NULL,
};

/* Asked before each action. 2: TRI_YES */
static const char *const step_18[] = {
	"CREATE INDEX account_admin ON account (org) WHERE org_admin = 2 AND live = 1",
	NULL,
};

/* Issues at Jira about plans and actions. */
static const char *const step_19[] = {
	"CREATE TABLE issue (id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL,"
	" org TEXT NOT NULL, about TEXT NOT NULL, plan INTEGER NOT NULL,"
	" action INTEGER NOT NULL, name TEXT NOT NULL, made_ms INTEGER NOT NULL,"
	" ended_ms INTEGER NOT NULL) STRICT",
	"CREATE UNIQUE INDEX issue_made ON issue (channel, about, made_ms)",
	"CREATE UNIQUE INDEX issue_open ON issue (channel, about) WHERE ended_ms = 0",
	"CREATE INDEX issue_ended ON issue (ended_ms) WHERE ended_ms > 0",
	NULL,
};

/* When a member was first seen not to match what its group wants; 0: it does. */
static const char *const step_20[] = {
	"ALTER TABLE scim_member ADD COLUMN ceased_ms INTEGER NOT NULL DEFAULT 0",
	NULL,
};

const struct migrate_step migrate_steps[] = {
	{ 1, "the first tables", step_1 },
	{ 2, "indices for sorted lists and for times", step_2 },
	{ 3, "sites, and what accounts own there", step_3 },
	{ 4, "what provisioning directories hold, and seats in licences", step_4 },
	{ 5, "tokens that are somebody", step_5 },
	{ 6, "what others change in organisations", step_6 },
	{ 7, "approvers with keys of their own", step_7 },
	{ 8, "seats by product and day", step_8 },
	{ 9, "configurations that were loaded, and announced leavers", step_9 },
	{ 10, "the outbox of notices, and bars of one seat", step_10 },
	{ 11, "which keys are ours", step_11 },
	{ 12, "plans that stand apart from those of rounds", step_12 },
	{ 13, "requests to have a seat again", step_13 },
	{ 14, "what could not be handed over", step_14 },
	{ 15, "names by which entries mean each other", step_15 },
	{ 16, "access reviews", step_16 },
	{ 17, "events that give back what was taken", step_17 },
	{ 18, "administrators found without a look at everybody", step_18 },
	{ 19, "issues about plans and actions", step_19 },
	{ 20, "members whom their group does not want any more", step_20 },
	{ 0, NULL, NULL },
};

static int last_of(const struct migrate_step *steps)
{
	int newest = 0;

	for (; steps->to; steps++)
		newest = steps->to;
	return newest;
}

int migrate_newest(void)
{
	return last_of(migrate_steps);
}

int migrate_judge(const char *path, const struct driver_head *head, struct err *err)
{
	if (head->empty)
		return 0;
	if (head->application_id != MIGRATE_APPLICATION_ID)
		return err_set(err, ERR_FOREIGN,
			       "%s is a SQLite database of another program (application id "
			       "%08x, not %08x): name another path for leaverd's own",
			       path, head->application_id, MIGRATE_APPLICATION_ID);
	if (head->user_version > (uint32_t)migrate_newest())
		return err_set(err, ERR_NEWER,
			       "%s was written by a newer leaverd (schema %u, this one knows "
			       "%d): run that version, or put back the backup taken before its "
			       "upgrade",
			       path, head->user_version, migrate_newest());
	return 0;
}

static int backup_name(const char *path, int from, char **ret, struct err *err)
{
	struct buf name;
	int i, r = 0;

	buf_init(&name, 4096);
	for (i = 0; r == 0 && i < 1000; i++) {
		buf_clear(&name);
		buf_addf(&name, "%s.v%d.bak", path, from);
		if (i > 0)
			buf_addf(&name, ".%d", i);
		r = buf_fault(&name, err, "the path of the copy before migrating");
		if (r == 0 && access(name.p, F_OK) < 0 && errno == ENOENT)
			break;
	}
	if (r == 0 && i == 1000)
		r = err_set(err, ERR_IO, "%s: a thousand copies stand beside it: remove some",
			    path);
	if (r == 0)
		*ret = buf_take(&name, NULL);
	buf_done(&name);
	return r;
}

static int step_run(struct db *db, const struct migrate_step *step, struct err *err)
{
	char text[64];
	size_t i;
	int r;

	r = db_exec(db, "BEGIN IMMEDIATE", err);
	for (i = 0; r == 0 && step->sql[i]; i++)
		r = db_exec(db, step->sql[i], err);
	if (r == 0) {
		snprintf(text, sizeof(text), "PRAGMA application_id = %u",
			 MIGRATE_APPLICATION_ID);
		r = db_exec(db, text, err);
	}
	if (r == 0) {
		snprintf(text, sizeof(text), "PRAGMA user_version = %d", step->to);
		r = db_exec(db, text, err);
	}
	if (r == 0)
		r = db_exec(db, "COMMIT", err);
	if (r < 0) {
		db_rollback(db);
		return err_context(err, r, "bringing the database to schema %d", step->to);
	}
	return 0;
}

int migrate_run(struct db *db, const struct migrate_step *steps, const char *path,
		const char *vfs, int from, char **ret_backup, struct err *err)
{
	CLEANUP(free_at) char *backup = NULL;
	int r = 0;

	if (from > 0 && from < last_of(steps)) {
		r = backup_name(path, from, &backup, err);
		if (r == 0)
			r = db_copy(db, backup, vfs, err);
		if (r < 0)
			return err_context(err, r, "copying the database before migrating");
	}
	for (; r == 0 && steps->to; steps++)
		if (steps->to > from)
			r = step_run(db, steps, err);
	if (r < 0)
		return r;
	if (ret_backup)
		*ret_backup = TAKE(backup);
	return 0;
}
