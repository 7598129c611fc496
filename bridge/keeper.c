#include "bridge/keeper.h"

#include "base/log.h"
#include "base/map.h"
#include "base/stamp.h"
#include "bridge/counts.h"
#include "bridge/door.h"
#include "bridge/known.h"
#include "scim/auth.h"
#include "store/audit.h"
#include "store/find.h"
#include "store/records.h"
#include "store/sources.h"
#include "store/tokens.h"
#include "store/writer.h"

#define MEMBERS_PAGE 5000 /* of a group, in one reading */

struct keeper {
	struct scim_backend backend;
	struct app *app;
	struct door *door;
	struct known known;
	struct counts counts;
	struct find_lists *lists;
	void (*changed)(void *ctx, const char *source);
	void *changed_ctx;
};

/* --- who a token is ------------------------------------------------------------------------
 */

struct token_touch {
	int64_t id, now_ms;
};

static int token_touch_write(void *ctx, struct db *db, struct err *err)
{
	struct token_touch *t = ctx;

	return tokens_used(db, t->id, t->now_ms, err);
}

static void token_touch_done(void *ctx, int r, const struct err *err)
{
	if (r < 0)
		log_warn("token.touch", LOG_E(err));
	free(ctx);
}

/* Notes the token's use, once an hour; that it could not be noted keeps nobody out. */
static void note_use(struct keeper *k, int64_t id, int64_t now_ms)
{
	struct token_touch *t;
	struct err err;

	if (!door_first_use(k->door, id, now_ms))
		return;
	t = malloc(sizeof(*t));
	if (!t)
		return;
	*t = (struct token_touch){ id, now_ms };
	if (writer_submit(k->app->writer, token_touch_write, token_touch_done, t, &err) < 0)
		free(t);
}

static int client_read(struct keeper *k, struct str token, int64_t now_ms,
		       struct token_found *found, struct scim_client *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(source_row_done) struct source_row row = { 0 };
	struct scim_client client = { 0 };
	const struct config_source *source;
	int r;

	r = store_lookup_begin(k->app->store, &db, err);
	if (r < 0)
		return r;
	r = tokens_find(db, token, now_ms, found, err);
	if (r != 0)
		return r < 0 ? r : SCIM_ABSENT;
	if (found->scope != TOKEN_SOURCE)
		return SCIM_ABSENT;
	source = config_source(&k->app->config, found->of);
	if (!source || source->kind != CONFIG_SCIM)
		return SCIM_ABSENT;
	r = sources_get(db, found->of, &row, err);
	if (r != 0)
		return r < 0 ? r : SCIM_ABSENT;
	if (row.state == SOURCE_RETIRED)
		return SCIM_ABSENT;

	if (strlen(found->of) >= sizeof(client.source) ||
	    strlen(found->name) >= sizeof(client.token))
		return err_set(err, ERR_INTERNAL, "token %s: its name is too long",
			       found->name);
	memcpy(client.source, found->of, strlen(found->of) + 1);
	memcpy(client.token, found->name, strlen(found->name) + 1);
	memcpy(client.self, found->self, sizeof(client.self));
	client.token_id = found->id;
	client.source_id = row.id;
	client.rights = SCIM_MAY_ALL;
	client.profile = config_push_profile(&source->scim);
	*ret = client;
	return 0;
}

static int keeper_client(void *ctx, struct str token, struct scim_client *ret, struct err *err)
{
	struct keeper *k = ctx;
	int64_t now_ms = stamp_now_ms(), commits = store_commits(k->app->store);
	struct token_found found;
	struct digest_quick digest;
	int r;

	known_digest(&k->known, token, &digest);
	if (known_find(&k->known, &digest, commits, now_ms, ret))
		return 0;
	r = client_read(k, token, now_ms, &found, ret, err);
	if (r != 0)
		return r;
	if (found.touch)
		note_use(k, found.id, now_ms);
	else
		known_keep(&k->known, &digest, commits, now_ms, found.expires_ms, ret);
	return 0;
}

/* --- reads ---------------------------------------------------------------------------------
 */

static struct scim_row row_of_record(const struct record *r)
{
	return (struct scim_row){
		.type = SCIM_USER,
		.id = r->key,
		.bytes = r->doc,
		.version = (uint64_t)r->version,
		.created_ms = r->created_ms,
		.modified_ms = r->modified_ms,
	};
}

static struct scim_row row_of_group(const struct usergroup_row *g)
{
	return (struct scim_row){
		.type = SCIM_GROUP,
		.id = g->key,
		.bytes = g->doc,
		.version = (uint64_t)g->version,
		.created_ms = g->created_ms,
		.modified_ms = g->modified_ms,
	};
}

struct row_hand {
	struct store_seen seen;
	scim_row_fn fn;
	void *arg;
};

static struct scim_fresh fresh_of(const struct store_seen *seen, int64_t record)
{
	return (struct scim_fresh){ .known = seen->known,
				    .at = seen->commit,
				    .resource = (uint64_t)record,
				    .name = seen->name };
}

static bool keeper_still(void *ctx, const struct scim_fresh *fresh)
{
	const struct keeper *k = ctx;
	const struct store_seen seen = { .known = fresh->known,
					 .commit = fresh->at,
					 .record = fresh->resource,
					 .name = fresh->name,
					 .names_groups = fresh->groups };

	return store_seen_still(k->app->store, &seen);
}

static struct scim_row row_of_sent(const struct row_hand *hand, const struct record_sent *sent)
{
	return (struct scim_row){ .type = SCIM_USER,
				  .id = sent->key,
				  .bytes = sent->doc,
				  .version = (uint64_t)sent->version,
				  .created_ms = sent->created_ms,
				  .modified_ms = sent->modified_ms,
				  .alone = !sent->in_groups,
				  .fresh = fresh_of(&hand->seen, sent->id) };
}

static int hand_sent(void *ctx, const struct record_sent *sent, struct err *err)
{
	struct row_hand *hand = ctx;
	struct scim_row row = row_of_sent(hand, sent);

	return hand->fn(hand->arg, &row, err);
}

/* Hands one row to fn: 0, SCIM_ABSENT or a fault. */
static int get_row(struct db *db, int64_t source, enum scim_type type, struct str id,
		   scim_row_fn fn, void *arg, struct err *err)
{
	CLEANUP(usergroup_row_done) struct usergroup_row group = { 0 };
	struct row_hand hand = { store_seen(db), fn, arg };
	struct scim_row row;
	int r;

	if (type == SCIM_USER) {
		r = records_send(db, source, id, hand_sent, &hand, err);
		return r > 0 ? SCIM_ABSENT : r;
	}
	r = usergroups_get(db, source, id, &group, err);
	if (r != 0)
		return r < 0 ? r : SCIM_ABSENT;
	row = row_of_group(&group);
	return fn(arg, &row, err);
}

static int keeper_get(void *ctx, const struct scim_client *client, enum scim_type type,
		      struct str id, scim_row_fn fn, void *arg, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct keeper *k = ctx;
	int r;

	r = store_lookup_begin(k->app->store, &db, err);
	if (r < 0)
		return r;
	return get_row(db, client->source_id, type, id, fn, arg, err);
}

/* Marks as the SCIM room carries them about: signed by it, so that what comes back is ours. */
struct mark_head {
	int64_t id;
	double number;
	int32_t type, kind;
};

struct find_hand {
	scim_row_fn fn;
	void *arg;
	struct buf mark;
};

static struct str mark_write(struct buf *b, const struct find_mark *m)
{
	const struct mark_head head = { m->id, m->number, (int32_t)m->type, m->kind };

	buf_clear(b);
	buf_add(b, &head, sizeof(head));
	buf_add_str(b, m->text);
	return buf_str(b);
}

static int mark_read(struct str s, struct find_mark *ret, struct err *err)
{
	struct mark_head head;

	if (s.len < sizeof(head))
		return err_set(err, ERR_INTERNAL, "the mark of a row is too short");
	memcpy(&head, s.p, sizeof(head));
	*ret = (struct find_mark){ .type = (unsigned)head.type,
				   .id = head.id,
				   .kind = head.kind,
				   .number = head.number,
				   .text = str_n(s.p + sizeof(head), s.len - sizeof(head)) };
	return 0;
}

static int find_row_hand(void *ctx, const struct find_row *found, struct err *err)
{
	struct find_hand *hand = ctx;
	struct scim_row row = {
		.type = found->type == FIND_USERS ? SCIM_USER : SCIM_GROUP,
		.id = found->key,
		.bytes = found->doc,
		.version = (uint64_t)found->version,
		.created_ms = found->created_ms,
		.modified_ms = found->modified_ms,
		.alone = found->type == FIND_USERS && !found->in_groups,
		.mark = mark_write(&hand->mark, &found->mark),
	};

	if (buf_fault(&hand->mark, err, "the mark of a row") < 0)
		return -err->code;
	return hand->fn(hand->arg, &row, err);
}

static int change_now(struct keeper *k, int64_t *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_lookup_begin(k->app->store, &db, err);

	return r < 0 ? r : store_change(db, ret, err);
}

/*
 * One page and the total. The counters of the source know how many there are in all; with a
 * filter it is counted once for each state of the store.
 */
static int page_and_total(struct keeper *k, int64_t source, struct find *want,
			  struct find_hand *hand, struct scim_found *ret, struct err *err)
{
	struct digest question;
	int64_t change = 0;
	bool known;
	int r;

	want->want_total = true;
	if (!want->where)
		return find_run(k->app->store, source, want, &ret->total, &ret->more,
				find_row_hand, hand, err);
	counts_question(&question, source, want->types, want->where_text);
	r = change_now(k, &change, err);
	if (r < 0)
		return r;
	known = counts_find(&k->counts, &question, change, &ret->total);
	want->want_total = !known;
	r = find_run(k->app->store, source, want, known ? NULL : &ret->total, &ret->more,
		     find_row_hand, hand, err);
	if (r >= 0 && !known)
		counts_keep(&k->counts, &question, change, ret->total);
	return r;
}

/* A page of Users of that userName and nothing else, from its beginning. */
static bool is_by_name(const struct scim_find *find)
{
	const struct query *q = find->where;

	return find->types == SCIM_USER && q && q->kind == QUERY_TEST && q->op == QUERY_EQ &&
	       q->value.type == VALUE_TEXT && q->folded && q->folded_len > 0 &&
	       q->path.owner == PATH_OWN && !q->path.urn && !q->path.sub && q->path.name &&
	       str_ieq(str_of(q->path.name), STR("userName")) && find->start == 0 &&
	       find->count > 0 && find->from.len == 0;
}

struct name_hand {
	struct row_hand row;
	struct scim_found *found;
};

static int hand_named(void *ctx, const struct record_sent *sent, struct err *err)
{
	const struct find_mark mark = { .type = FIND_USERS, .id = sent->id };
	struct name_hand *hand = ctx;
	struct scim_row row = row_of_sent(&hand->row, sent);
	CLEANUP(buf_done) struct buf bytes;

	buf_init(&bytes, SCIM_MARK_BYTES);
	row.mark = mark_write(&bytes, &mark);
	if (buf_fault(&bytes, err, "the mark of a row") < 0)
		return -err->code;
	hand->found->total = 1;
	hand->found->fresh = row.fresh;
	return hand->row.fn(hand->row.arg, &row, err);
}

/* What identity providers ask before all else. STORE_STALE: several have that name, so that the
 * long way has to put them in order; fn was not called. */
static int find_by_name(struct keeper *k, int64_t source, const struct query *q,
			struct scim_found *ret, scim_row_fn fn, void *arg, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct str folded = str_n(q->folded, q->folded_len);
	struct name_hand hand = { { .fn = fn, .arg = arg }, ret };
	int r;

	r = store_lookup_begin(k->app->store, &db, err);
	if (r < 0)
		return r;
	hand.row.seen = store_seen(db);
	hand.row.seen.name = touched_name(folded);
	*ret = (struct scim_found){ .fresh = fresh_of(&hand.row.seen, 0) };
	r = records_send_named(db, source, folded, hand_named, &hand, err);
	return r == STORE_NOT_FOUND ? 0 : r;
}

static int keeper_find(void *ctx, const struct scim_client *client,
		       const struct scim_find *find, struct scim_found *ret, scim_row_fn fn,
		       void *arg, struct err *err)
{
	struct find_hand hand = { .fn = fn, .arg = arg };
	struct find_mark from;
	struct find want = {
		.types = (find->types & SCIM_USER ? FIND_USERS : 0) |
			 (find->types & SCIM_GROUP ? FIND_GROUPS : 0),
		.where = find->where,
		.sort_by = find->sort_by,
		.descending = find->descending,
		.start = find->start,
		.count = find->count,
		.backwards = find->backwards,
		.lists = ((struct keeper *)ctx)->lists,
		.where_text = find->where_text,
		.now_ms = stamp_now_ms(),
	};
	int r = 0;

	if (is_by_name(find)) {
		r = find_by_name(ctx, client->source_id, find->where, ret, fn, arg, err);
		if (r != STORE_STALE)
			return r;
		*ret = (struct scim_found){ 0 };
		r = 0;
	}
	buf_init(&hand.mark, SCIM_MARK_BYTES);
	if (find->from.len > 0) {
		r = mark_read(find->from, &from, err);
		want.from = &from;
	}
	if (r == 0)
		r = page_and_total(ctx, client->source_id, &want, &hand, ret, err);
	buf_done(&hand.mark);
	return r < 0 ? r : 0;
}

struct member_run {
	scim_member_fn fn;
	void *arg;
};

static int hand_member(void *ctx, const struct member_row *row, struct err *err)
{
	struct member_run *run = ctx;
	struct scim_member member = { row->key, row->display,
				      row->is_group ? SCIM_GROUP : SCIM_USER };

	return run->fn(run->arg, &member, err);
}

static int hand_group(void *ctx, const struct usergroup_row *row, struct err *err)
{
	struct member_run *run = ctx;
	struct scim_member member = { row->key, row->display, SCIM_GROUP };

	return run->fn(run->arg, &member, err);
}

/* The page of a group's members; *id is its number, 0 before the first. */
static int members_page(struct keeper *k, const struct scim_client *client, struct str group,
			int64_t *id, struct member_place *place, struct member_run *run,
			struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(usergroup_row_done) struct usergroup_row row = { 0 };
	int r;

	r = store_read_begin(k->app->store, &db, err);
	if (r == 0)
		r = usergroups_get(db, client->source_id, group, &row, err);
	if (r != 0 || (*id && row.id != *id)) {
		place->end = true; /* gone, perhaps since the page before */
		return r < 0 ? r : 0;
	}
	*id = row.id;
	return usergroups_members_page(db, row.id, place, MEMBERS_PAGE, hand_member, run, err);
}

/* A great group takes longer than one reading may. Its version was read before its members: who
 * writes with If-Match upon a list that changed while it was read is refused. */
static int keeper_members(void *ctx, const struct scim_client *client, struct str group,
			  scim_member_fn fn, void *arg, struct err *err)
{
	struct member_run run = { fn, arg };
	struct member_place place = { 0 };
	int64_t id = 0;
	int r = 0;

	while (r == 0 && !place.end)
		r = members_page(ctx, client, group, &id, &place, &run, err);
	return r;
}

static int keeper_groups(void *ctx, const struct scim_client *client, struct str member,
			 scim_member_fn fn, void *arg, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct member_run run = { fn, arg };
	struct keeper *k = ctx;
	int r;

	r = store_lookup_begin(k->app->store, &db, err);
	if (r < 0)
		return r;
	r = usergroups_of(db, client->source_id, member, hand_group, &run, err);
	return r < 0 ? r : 0;
}

/* --- writes, on the writer's thread --------------------------------------------------------
 */

struct keeper_write {
	struct keeper *k;
	struct scim_write *w;
	struct scim_after after;
};

/* What stands before a write; one of the two is filled. */
struct standing {
	struct db *db;
	struct record record;
	struct usergroup_row group;
	struct scim_row row;
	int64_t source;
};

static int standing_members(const struct scim_before *before, scim_member_fn fn, void *arg,
			    struct err *err)
{
	struct standing *s = before->ctx;
	struct member_run run = { fn, arg };

	return usergroups_members(s->db, s->group.id, hand_member, &run, err);
}

static int standing_is_member(const struct scim_before *before, struct str id, struct err *err)
{
	struct standing *s = before->ctx;
	int r = usergroups_has_member(s->db, s->group.id, id, err);

	return r > 0 ? SCIM_ABSENT : r;
}

static int standing_load(struct standing *s, struct scim_write *w, struct err *err)
{
	struct str id = str_of(w->id);
	int r;

	if (w->type == SCIM_USER) {
		r = records_get(s->db, s->source, id, &s->record, err);
		s->row = row_of_record(&s->record);
	} else {
		r = usergroups_get(s->db, s->source, id, &s->group, err);
		s->row = row_of_group(&s->group);
	}
	if (r > 0)
		return err_set(err, ERR_NOT_FOUND, "there is no %s with id %s",
			       w->type == SCIM_USER ? "User" : "Group", w->id);
	return r;
}

static void standing_done(struct standing *s)
{
	record_done(&s->record);
	usergroup_row_done(&s->group);
}

struct member_set {
	struct member_id *ids;
	const struct scim_members *wanted;
	struct buf gone; /* keys to remove, NUL-separated */
};

struct member_id {
	UT_hash_handle hh;
	struct str key;
};

static int note_gone(void *ctx, const struct member_row *row, struct err *err)
{
	struct member_set *set = ctx;
	struct member_id *found = NULL;

	(void)err;
	HASH_FIND(hh, set->ids, row->key.p, row->key.len, found);
	if (!found) {
		buf_add_str(&set->gone, row->key);
		buf_add_char(&set->gone, '\0');
	}
	return 0;
}

/* Removes the members that a whole new list does not name. */
static int members_trim(struct standing *s, const struct scim_members *m, bool *changed,
			struct err *err)
{
	struct member_set set = { .wanted = m };
	struct member_id *rows = calloc(m->add_n ? m->add_n : 1, sizeof(*rows));
	int r = 0;

	if (!rows)
		return err_nomem(err);
	buf_init(&set.gone, 64 * 1024 * 1024);
	for (size_t i = 0; i < m->add_n; i++) {
		rows[i].key = m->add[i];
		HASH_ADD_KEYPTR(hh, set.ids, rows[i].key.p, rows[i].key.len, &rows[i]);
		if (!MAP_ADDED(&rows[i])) {
			r = err_nomem(err);
			break;
		}
	}
	if (r == 0)
		r = usergroups_members(s->db, s->group.id, note_gone, &set, err);
	if (r == 0)
		r = buf_fault(&set.gone, err, "the members to remove");
	for (size_t at = 0; r == 0 && at < set.gone.len;) {
		struct str key = str_of(set.gone.p + at);

		r = usergroups_member_remove(s->db, s->group.id, key, err);
		if (r >= 0) {
			*changed |= r == 0;
			r = 0;
		}
		at += key.len + 1;
	}
	HASH_CLEAR(hh, set.ids);
	free(rows);
	buf_done(&set.gone);
	return r;
}

static int members_write(struct standing *s, const struct scim_members *m, bool *changed,
			 struct err *err)
{
	int r = 0;

	if (m->all)
		r = members_trim(s, m, changed, err);
	for (size_t i = 0; r == 0 && i < m->remove_n; i++) {
		r = usergroups_member_remove(s->db, s->group.id, m->remove[i], err);
		if (r >= 0) {
			*changed |= r == 0;
			r = 0;
		}
	}
	for (size_t i = 0; r == 0 && i < m->add_n; i++) {
		r = usergroups_member_add(s->db, s->group.id, m->add[i], err);
		if (r == STORE_NOT_FOUND)
			return err_set(err, ERR_INVALID_VALUE,
				       "members: there is no user or group with id " STR_FMT,
				       STR_ARG(m->add[i]));
		if (r >= 0) {
			*changed |= r == 0;
			r = 0;
		}
	}
	return r;
}

static int user_write(struct standing *s, struct scim_write *w,
		      const struct scim_change *change, int64_t now_ms, struct err *err)
{
	struct record_put put = {
		.key = str_of(w->id),
		.doc = change->bytes,
		.json = change->doc,
		.now_ms = now_ms,
	};
	int r;

	if (w->kind == SCIM_CREATE)
		return records_create(s->db, s->source, &put, NULL, err);
	if (!change->doc_changed)
		return STORE_UNCHANGED;
	r = records_replace(s->db, s->source, str_of(w->id), 0, &put, err);
	return r;
}

/* 0 when something changed, STORE_UNCHANGED when nothing did. */
static int group_write(struct standing *s, struct scim_write *w,
		       const struct scim_change *change, int64_t now_ms, struct err *err)
{
	struct usergroup_put put = {
		.key = str_of(w->id),
		.unique = change->unique,
		.now_ms = now_ms,
	};
	bool changed = w->kind == SCIM_CREATE;
	int r = 0;

	if (change->doc_changed || w->kind == SCIM_CREATE) {
		put.doc = change->bytes;
		put.json = change->doc;
	}
	if (w->kind == SCIM_CREATE)
		r = usergroups_create(s->db, s->source, &put, &s->group.id, err);
	if (r == 0)
		r = members_write(s, &change->members, &changed, err);
	if (r < 0 || w->kind == SCIM_CREATE)
		return r;
	if (!changed && !change->doc_changed)
		return STORE_UNCHANGED;
	r = usergroups_replace(s->db, s->source, str_of(w->id), 0, &put, err);
	/* The same document with other members: the version goes up all the same. */
	if (r == STORE_UNCHANGED && changed) {
		put.doc = (struct str){ 0 };
		put.json = NULL;
		r = usergroups_replace(s->db, s->source, str_of(w->id), 0, &put, err);
	}
	return r;
}

/* Its memberships go with a resource: each group that lost one has a new version. */
static int resource_delete(struct standing *s, struct scim_write *w, int64_t now_ms,
			   struct err *err)
{
	struct str id = str_of(w->id);

	return w->type == SCIM_USER ? records_delete(s->db, s->source, id, 0, now_ms, err)
				    : usergroups_delete(s->db, s->source, id, 0, now_ms, err);
}

static int write_audit(struct keeper_write *kw, struct db *db, int64_t now_ms, struct err *err)
{
	static const char *const what[2][3] = {
		{ "record.create", "record.change", "record.delete" },
		{ "group.create", "group.change", "group.delete" },
	};
	char who[SCIM_NAME_BYTES + 8], target[SCIM_NAME_BYTES + ENC_UUID_CHARS + 16];
	CLEANUP(buf_done) struct buf body;
	struct scim_write *w = kw->w;
	struct audit_new entry = { .now_ms = now_ms };

	buf_init(&body, 4096);
	snprintf(who, sizeof(who), "token:%s", w->client.token);
	snprintf(target, sizeof(target), "%s/%s", w->client.source, w->id);
	buf_addf(&body, "{\"peer\":");
	buf_add_json(&body, str_of(w->peer));
	buf_addf(&body, ",\"request\":");
	buf_add_json(&body, str_of(w->request));
	if (w->client.token_id)
		buf_addf(&body, ",\"token\":%lld", (long long)w->client.token_id);
	buf_addf(&body, ",\"version\":%llu}", (unsigned long long)kw->after.version);
	entry.who = who;
	entry.what = what[w->type == SCIM_GROUP][w->kind];
	entry.target = target;
	entry.body = buf_str(&body);
	if (buf_fault(&body, err, "an audit entry") < 0)
		return -err->code;
	return audit_add(db, &entry, NULL, err);
}

/* What the resource looks like after the write, for the reply: a change is one version more. */
static void after_fill(struct keeper_write *kw, const struct scim_row *before, int64_t now_ms)
{
	struct scim_after *after = &kw->after;

	after->version = before->version + after->changed;
	after->created_ms = kw->w->kind == SCIM_CREATE ? now_ms : before->created_ms;
	after->modified_ms = after->changed ? now_ms : before->modified_ms;
}

static int keeper_write_in(struct keeper_write *kw, struct standing *s, struct err *err)
{
	struct scim_write *w = kw->w;
	struct scim_before before = {
		.row = w->kind == SCIM_CREATE ? NULL : &s->row,
		.members = standing_members,
		.is_member = standing_is_member,
		.ctx = s,
	};
	struct scim_change change = { 0 };
	int64_t now_ms = stamp_now_ms();
	int r = 0;

	if (w->kind != SCIM_CREATE)
		r = standing_load(s, w, err);
	if (r == 0)
		r = w->apply(w, &before, &change, err);
	if (r < 0)
		return r;
	if (w->kind == SCIM_DELETE)
		r = resource_delete(s, w, now_ms, err);
	else
		r = w->type == SCIM_USER ? user_write(s, w, &change, now_ms, err)
					 : group_write(s, w, &change, now_ms, err);
	if (r < 0)
		return r;
	kw->after.changed = r == 0;
	if (w->kind != SCIM_DELETE)
		after_fill(kw, &s->row, now_ms);
	if (kw->after.changed)
		r = write_audit(kw, s->db, now_ms, err);
	if (r >= 0)
		r = sources_spoke(s->db, s->source, now_ms, err);
	return r < 0 ? r : 0;
}

static int keeper_write_run(void *ctx, struct db *db, struct err *err)
{
	struct keeper_write *kw = ctx;
	struct standing s = { .db = db, .source = kw->w->client.source_id };
	int r;

	r = keeper_write_in(kw, &s, err);
	standing_done(&s);
	return r;
}

static void keeper_write_done(void *ctx, int r, const struct err *err)
{
	struct keeper_write *kw = ctx;
	struct keeper *k = kw->k;
	struct scim_write *w = kw->w;
	char source[SCIM_NAME_BYTES];

	memcpy(source, w->client.source, sizeof(source));
	if (r == 0)
		w->done(w, 0, &kw->after, NULL);
	else
		w->done(w, r, NULL, err);
	/* w may be freed by now */
	if (r == 0 && kw->after.changed && k->changed)
		k->changed(k->changed_ctx, source);
	free(kw);
}

static int keeper_submit(void *ctx, struct scim_write *w, struct err *err)
{
	struct keeper *k = ctx;
	struct keeper_write *kw = calloc(1, sizeof(*kw));
	int r;

	if (!kw)
		return err_nomem(err);
	kw->k = k;
	kw->w = w;
	r = writer_submit(k->app->writer, keeper_write_run, keeper_write_done, kw, err);
	if (r < 0)
		free(kw);
	return r;
}

static int keeper_asked(void *ctx, const struct scim_asker *asker, struct scim_client *ret,
			struct err *err)
{
	struct keeper *k = ctx;
	const struct config_source *source = door_jwt_source(k->door, asker);
	struct scim_client client = { 0 };
	int r;

	r = source ? door_jwt(k->door, source, asker, &client, err)
		   : keeper_client(k, asker->token, &client, err);
	if (r == 0 && source)
		client.profile = config_push_profile(&source->scim);
	if (r == 0)
		r = door_admit(k->door, asker, &client, err);
	if (r == 0)
		*ret = client;
	return r;
}

/* --- birth and death -----------------------------------------------------------------------
 */

int keeper_new(struct keeper **ret, struct app *app, struct err *err)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_nomem(err);
	k->lists = find_lists_new(0);
	r = k->lists ? door_new(&k->door, app, err) : err_nomem(err);
	if (r < 0) {
		find_lists_free(k->lists);
		free(k);
		return r;
	}
	k->app = app;
	known_init(&k->known);
	counts_init(&k->counts);
	k->backend = (struct scim_backend){
		.ctx = k,
		.client = keeper_asked,
		.get = keeper_get,
		.find = keeper_find,
		.still = keeper_still,
		.members = keeper_members,
		.groups = keeper_groups,
		.submit = keeper_submit,
	};
	*ret = k;
	return 0;
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	door_free(k->door);
	known_done(&k->known);
	counts_done(&k->counts);
	find_lists_free(k->lists);
	free(k);
}

const struct scim_backend *keeper_backend(const struct keeper *k)
{
	return &k->backend;
}

int keeper_cursor_key(const struct keeper *k, struct secret *ret, struct err *err)
{
	static const char purpose[] = "leaverd: cursors of SCIM lists";
	const struct store_keys *keys = store_keys(k->app->store);
	struct digest_run run;
	struct digest key;
	int r;

	if (!keys)
		return err_set(err, ERR_SECRET, "the vault is not open");
	digest_begin(&run, &keys->token);
	digest_add(&run, purpose, sizeof(purpose));
	digest_end(&run, &key);
	r = secret_set(ret, key.b, SECRET_KEY_BYTES, err);
	secret_wipe(&key, sizeof(key));
	return r;
}

void keeper_quiesce(struct keeper *k)
{
	if (k)
		door_stop(k->door);
}

void keeper_reread(struct keeper *k)
{
	if (k)
		door_reread(k->door);
}

void keeper_on_change(struct keeper *k, void (*fn)(void *ctx, const char *source), void *ctx)
{
	k->changed = fn;
	k->changed_ctx = ctx;
}
