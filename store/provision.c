#include "store/provision.h"

#include "base/str.h"

void provision_row_done(struct provision_row *r)
{
	free(r->directory);
	free(r->reason);
	*r = (struct provision_row){ 0 };
}

int provision_get(struct db *db, int64_t org, struct provision_row *ret, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT directory, read_ms, complete, reason, users, groups"
			 " FROM scim_directory WHERE org = ?1",
			 DB_I(org));

	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r != DB_ROW)
		return STORE_NOT_FOUND;
	*ret = (struct provision_row){ .directory = db_text_dup(q, 0),
				       .read_ms = db_int(q, 1),
				       .complete = db_int(q, 2) != 0,
				       .reason = db_text_dup(q, 3),
				       .users = db_int(q, 4),
				       .groups = db_int(q, 5) };
	return ret->directory && ret->reason ? 0 : err_nomem(err);
}

/* --- writing -------------------------------------------------------------------------------
 */

#define ALL_MEMBERS                                                                            \
	"DELETE FROM scim_member WHERE grp IN (SELECT id FROM scim_group WHERE org = ?1)"

int provision_begin(struct db *db, int64_t org, const char *directory,
		    struct provision_run *ret, struct err *err)
{
	CLEANUP(provision_row_done) struct provision_row before = { 0 };
	int r = provision_get(db, org, &before, err);

	*ret = (struct provision_run){ .org = org };
	if (r != 0 || strcmp(before.directory, directory) == 0)
		return r < 0 ? r : 0;
	r = db_run(db, err, ALL_MEMBERS, DB_I(org));
	if (r == 0)
		r = db_run(db, err, "DELETE FROM scim_user WHERE org = ?1", DB_I(org));
	if (r == 0)
		r = db_run(db, err, "DELETE FROM scim_group WHERE org = ?1", DB_I(org));
	if (r == 0)
		r = db_run(db, err, "DELETE FROM scim_directory WHERE org = ?1", DB_I(org));
	(void)db_next_change(db);
	return r;
}

void provision_run_done(struct provision_run *run)
{
	marks_done(&run->users);
	marks_done(&run->groups);
}

static int number_of(struct db *db, int64_t org, struct str scim_id, int64_t *ret,
		     struct err *err)
{
	return db_one(db, ret, err, "SELECT id FROM scim_user WHERE org = ?1 AND scim_id = ?2",
		      DB_I(org), DB_S(scim_id));
}

int provision_put_user(struct db *db, struct provision_run *run,
		       const struct scim_user_row *row, struct err *err)
{
	const struct str *a = row->attrs;
	CLEANUP(free_at) char *fold = NULL;
	size_t len = 0;
	int64_t id = 0;
	int r = str_fold(a[PROVISION_USER_NAME], &fold, &len, err);

	if (r < 0)
		return r;
	r = db_run(
		db, err,
		"INSERT INTO scim_user (org, scim_id, external_id, account_id, user_fold,"
		" active, user_name, email, display_name, given_name, family_name, title,"
		" department, time_zone, language) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"
		" ?10, ?11, ?12, ?13, ?14, ?15) ON CONFLICT (org, scim_id) DO UPDATE SET"
		" external_id = ?3, account_id = ?4, user_fold = ?5, active = ?6, user_name ="
		" ?7, email = ?8, display_name = ?9, given_name = ?10, family_name = ?11,"
		" title = ?12, department = ?13, time_zone = ?14, language = ?15"
		" WHERE (external_id, account_id, active, user_name, email, display_name,"
		" given_name, family_name, title, department, time_zone, language) <> (?3, ?4,"
		" ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
		DB_I(run->org), DB_S(row->scim_id), DB_S(row->external_id),
		DB_S(row->account_id), DB_S(str_n(fold, len)), DB_I(row->active),
		DB_S(a[PROVISION_USER_NAME]), DB_S(a[PROVISION_EMAIL]),
		DB_S(a[PROVISION_DISPLAY_NAME]), DB_S(a[PROVISION_GIVEN_NAME]),
		DB_S(a[PROVISION_FAMILY_NAME]), DB_S(a[PROVISION_TITLE]),
		DB_S(a[PROVISION_DEPARTMENT]), DB_S(a[PROVISION_TIME_ZONE]),
		DB_S(a[PROVISION_LANGUAGE]));
	if (r == 0)
		run->changed += db_changes(db);
	if (r == 0)
		r = number_of(db, run->org, row->scim_id, &id, err);
	if (r == 0)
		r = marks_set(&run->users, id, err);
	run->user_count += r == 0;
	return r < 0 ? r : 0;
}

/* Members that are, marked; those that were and are not, away. */
static int members_put(struct db *db, struct provision_run *run, int64_t group,
		       const struct str *members, size_t count, struct err *err)
{
	CLEANUP(marks_done) struct marks now = { 0 };
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int64_t user;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		r = number_of(db, run->org, members[i], &user, err);
		if (r == STORE_NOT_FOUND) {
			r = 0;
			continue;
		}
		if (r == 0)
			r = marks_set(&now, user, err);
		if (r == 0)
			r = db_run(db, err,
				   "INSERT INTO scim_member (grp, user) VALUES (?1, ?2)"
				   " ON CONFLICT (grp, user) DO NOTHING",
				   DB_I(group), DB_I(user));
		run->changed += r == 0 ? db_changes(db) : 0;
	}
	if (r == 0)
		r = db_query(db, &q, err, "SELECT user FROM scim_member WHERE grp = ?1",
			     DB_I(group));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		user = db_int(q, 0);
		r = marks_has(&now, user)
			    ? 0
			    : db_run(db, err,
				     "DELETE FROM scim_member WHERE grp = ?1 AND user = ?2",
				     DB_I(group), DB_I(user));
		run->changed += !marks_has(&now, user);
	}
	return r;
}

int provision_put_group(struct db *db, struct provision_run *run,
			const struct scim_group_row *row, const struct str *members,
			size_t count, struct err *err)
{
	int64_t id = 0;
	int r = db_run(db, err,
		       "INSERT INTO scim_group (org, scim_id, name) VALUES (?1, ?2, ?3)"
		       " ON CONFLICT (org, scim_id) DO UPDATE SET name = ?3 WHERE name <> ?3",
		       DB_I(run->org), DB_S(row->scim_id), DB_S(row->name));

	if (r == 0)
		run->changed += db_changes(db);
	if (r == 0)
		r = db_one(db, &id, err,
			   "SELECT id FROM scim_group WHERE org = ?1 AND scim_id = ?2",
			   DB_I(run->org), DB_S(row->scim_id));
	if (r == 0)
		r = marks_set(&run->groups, id, err);
	run->group_count += r == 0;
	return r == 0 ? members_put(db, run, id, members, count, err) : r;
}

/* Rows of a table that were not seen. */
static int unseen_remove(struct db *db, struct provision_run *run, const char *list,
			 const char *members, const char *row, const struct marks *seen,
			 struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err, list, DB_I(run->org));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		int64_t id = db_int(q, 0);

		r = 0;
		if (marks_has(seen, id))
			continue;
		run->changed++;
		r = db_run(db, err, members, DB_I(id));
		if (r == 0)
			r = db_run(db, err, row, DB_I(id));
	}
	return r;
}

int provision_end(struct db *db, struct provision_run *run, const char *directory,
		  const char *reason, int64_t now_ms, struct err *err)
{
	int r = 0;

	if (!reason)
		r = unseen_remove(db, run, "SELECT id FROM scim_user WHERE org = ?1",
				  "DELETE FROM scim_member WHERE user = ?1",
				  "DELETE FROM scim_user WHERE id = ?1", &run->users, err);
	if (r == 0 && !reason)
		r = unseen_remove(db, run, "SELECT id FROM scim_group WHERE org = ?1",
				  "DELETE FROM scim_member WHERE grp = ?1",
				  "DELETE FROM scim_group WHERE id = ?1", &run->groups, err);
	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO scim_directory (org, directory, read_ms, complete,"
			   " reason, users, groups) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
			   " ON CONFLICT (org) DO UPDATE SET directory = ?2, read_ms = ?3,"
			   " complete = ?4, reason = ?5, users = ?6, groups = ?7",
			   DB_I(run->org), DB_T(directory), DB_I(now_ms), DB_I(!reason),
			   DB_T(reason), DB_I(run->user_count), DB_I(run->group_count));
	/* what a round could care about: rows, or whether they count */
	(void)db_next_change(db);
	return r;
}

int provision_seen_user(struct db *db, int64_t org, const struct scim_user_row *row,
			struct err *err)
{
	struct provision_run run = { .org = org };
	int r = provision_put_user(db, &run, row, err);

	if (run.changed)
		(void)db_next_change(db);
	provision_run_done(&run);
	return r;
}

int provision_seen_member(struct db *db, int64_t org, struct str user,
			  const struct scim_group_row *group, bool in, struct err *err)
{
	int64_t who = 0;
	int r = number_of(db, org, user, &who, err);

	if (r == 0)
		r = db_run(db, err,
			   "INSERT INTO scim_group (org, scim_id, name) VALUES (?1, ?2, ?3)"
			   " ON CONFLICT (org, scim_id) DO NOTHING",
			   DB_I(org), DB_S(group->scim_id), DB_S(group->name));
	if (r == 0)
		r = db_run(
			db, err,
			in ? "INSERT INTO scim_member (grp, user) SELECT id, ?3 FROM scim_group"
			     " WHERE org = ?1 AND scim_id = ?2 ON CONFLICT (grp, user) DO"
			     " NOTHING"
			   : "DELETE FROM scim_member WHERE user = ?3 AND grp IN (SELECT id"
			     " FROM scim_group WHERE org = ?1 AND scim_id = ?2)",
			DB_I(org), DB_S(group->scim_id), DB_I(who));
	(void)db_next_change(db);
	return r < 0 ? r : 0;
}

int provision_ceased(struct db *db, int64_t org, struct str user, struct str group,
		     int64_t ceased_ms, struct err *err)
{
	return db_run(db, err,
		      "UPDATE scim_member SET ceased_ms = ?4"
		      " WHERE user = (SELECT id FROM scim_user WHERE org = ?1 AND scim_id = ?2)"
		      " AND grp = (SELECT id FROM scim_group WHERE org = ?1 AND scim_id = ?3)"
		      " AND (ceased_ms = 0 OR ?4 = 0)",
		      DB_I(org), DB_S(user), DB_S(group), DB_I(ceased_ms));
}

/* --- reading --------------------------------------------------------------------------------
 */

#define USER_COLUMNS                                                                           \
	"id, scim_id, external_id, account_id, active, user_name, email, display_name,"        \
	" given_name, family_name, title, department, time_zone, language"

static int users_each(struct stmt *q, scim_user_fn fn, void *ctx, struct err *err)
{
	int r = 0;

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct scim_user_row row = { .id = db_int(q, 0),
					     .scim_id = db_text(q, 1),
					     .external_id = db_text(q, 2),
					     .account_id = db_text(q, 3),
					     .active = (enum tri)db_int(q, 4) };

		for (int i = 0; i < PROVISION_ATTR_COUNT; i++)
			row.attrs[i] = db_text(q, 5 + i);
		r = fn(ctx, &row, err);
	}
	return r;
}

int provision_users(struct db *db, int64_t org, int64_t after, size_t most, scim_user_fn fn,
		    void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT " USER_COLUMNS " FROM scim_user WHERE org = ?1 AND id > ?2"
			 " ORDER BY id LIMIT ?3",
			 DB_I(org), DB_I(after), DB_I(most));

	return r < 0 ? r : users_each(q, fn, ctx, err);
}

int provision_users_of(struct db *db, int64_t org, int64_t person, scim_user_fn fn, void *ctx,
		       struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(
		db, &q, err,
		"SELECT " USER_COLUMNS " FROM scim_user WHERE id IN ("
		" SELECT u.id FROM account_link l JOIN account a ON a.id = l.account"
		" JOIN scim_user u ON u.org = ?1 AND u.account_id = a.account_id"
		" WHERE l.person = ?2 AND a.account_id <> ''"
		" UNION SELECT u.id FROM record r JOIN scim_user u ON u.org = ?1"
		" AND u.external_id = r.external_id WHERE r.person = ?2 AND r.external_id <> ''"
		" UNION SELECT u.id FROM record r JOIN scim_user u ON u.org = ?1"
		" AND u.external_id = r.key WHERE r.person = ?2"
		" UNION SELECT u.id FROM record r JOIN record_address d ON d.record = r.id"
		" JOIN scim_user u ON u.org = ?1 AND u.user_fold = d.fold WHERE r.person = ?2)"
		" ORDER BY id",
		DB_I(org), DB_I(person));

	return r < 0 ? r : users_each(q, fn, ctx, err);
}

int provision_groups(struct db *db, int64_t org, scim_group_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT id, scim_id, name FROM scim_group WHERE org = ?1 ORDER BY id",
			 DB_I(org));

	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		struct scim_group_row row = { db_int(q, 0), db_text(q, 1), db_text(q, 2) };

		r = fn(ctx, &row, err);
	}
	return r;
}

static int members_each(struct stmt *q, scim_member_fn fn, void *ctx, struct err *err)
{
	int r = 0;

	while (r == 0 && (r = db_step(q, err)) == DB_ROW)
		r = fn(ctx, db_int(q, 0), db_int(q, 1), db_int(q, 2), err);
	return r;
}

int provision_members(struct db *db, int64_t org, int64_t after_user, int64_t after_group,
		      size_t most, scim_member_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT m.grp, m.user, m.ceased_ms FROM scim_member m JOIN scim_user u"
			 " ON u.id = m.user WHERE u.org = ?1 AND (m.user, m.grp) > (?2, ?3)"
			 " ORDER BY m.user, m.grp LIMIT ?4",
			 DB_I(org), DB_I(after_user), DB_I(after_group), DB_I(most));

	return r < 0 ? r : members_each(q, fn, ctx, err);
}

int provision_members_of(struct db *db, int64_t user, scim_member_fn fn, void *ctx,
			 struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r = db_query(db, &q, err,
			 "SELECT grp, user, ceased_ms FROM scim_member WHERE user = ?1"
			 " ORDER BY grp",
			 DB_I(user));

	return r < 0 ? r : members_each(q, fn, ctx, err);
}
