/*
 * Reading an organisation's audit events from where the last reading stopped: who else changed
 * accounts and groups, and what was done under our key that our journal does not know.
 *
 * Each page is stored with the cursor behind it in one transaction, so that a stop loses
 * nothing. Atlassian names kinds of events as it likes; kept is what concerns an account or a
 * group that we know, and was done by somebody else than the account itself, or says by its
 * words that something was changed: what people merely do (log in, look at pages) is dropped
 * unread. What we did ourselves is in the journal and is not kept twice.
 *
 * An event is ours where our journal has a change of that kind, of that account or group, at
 * that time, and its key is ours: named in the configuration, or proved (store/events.h). What
 * our own journal has under a key that is not known to be ours is kept as such, and goes as
 * soon as the key is proved. Whatever is doubtful is not ours, and says why.
 */
#include "bridge/rounds.h"

#include "atlassian/events.h"
#include "base/log.h"
#include "base/stamp.h"
#include "base/vec.h"
#include "bridge/clients.h"
#include "store/accounts.h"
#include "store/events.h"
#include "store/writer.h"

#define EVENTS_PAGES_MOST 200                    /* of one reading: 100,000 events */
#define EVENTS_ROWS_MOST 200000                  /* kept of one organisation */
#define EVENTS_FIRST_MS (7 * STAMP_DAY_MS)       /* how far the first reading looks back */
#define EVENTS_OVERLAP_MS (60 * STAMP_MINUTE_MS) /* read again where a cursor was lost */
#define EVENTS_THERE_MS (180 * STAMP_DAY_MS)     /* Atlassian keeps them so long */
#define KEY_BYTES 160
#define EVENT_ABOUT_MOST 64 /* things of one event that are looked at */

/* A key that is ours: the organisation's, or the provisioning directory's. */
struct key {
	char name[KEY_BYTES];
	bool directory;
};
VEC(vec_key, struct key);

struct reading {
	struct app *app;
	const struct config_org *org;
	int64_t org_id, now_ms;
	struct event_reading at;
	const struct atl_events_page *page; /* of this request of the writer */
	int64_t read, kept, foreign, odd;   /* events; odd: not as they should be */
	int64_t unknown; /* of those kept: of no kind that we know by its words */
	unsigned pages, pages_written;
	struct vec_key keys; /* ours, as the last page left them */
	bool claims;         /* this page brought some */
	bool end;
	char text[ERR_TEXT_BYTES]; /* why not, or what was lost; "" */
};

/* What one event is about, of what we know. */
struct about {
	int64_t accounts[EVENT_ABOUT_MOST];
	size_t account_count;
	char group[160];
	bool others; /* something that we do not know */
};

/* A group that was made a moment ago is not known yet, but says what it is. */
static int group_read(struct reading *rd, struct db *db, const json_t *one, struct str id,
		      struct about *ret, struct err *err)
{
	int64_t number;
	int r = accounts_group_number(db, rd->org_id, id, &number, err);

	if (r < 0)
		return r;
	if (ret->group[0] || (r == STORE_NOT_FOUND && !atl_event_about_group(one)))
		ret->others = true;
	else
		snprintf(ret->group, sizeof(ret->group), STR_FMT, STR_ARG(id));
	return 0;
}

static int about_read(struct reading *rd, struct db *db, const struct atl_event *e,
		      struct about *ret, struct err *err)
{
	const json_t *one;
	int64_t number;
	size_t i;
	int r = 0;

	*ret = (struct about){ 0 };
	json_array_foreach ((json_t *)(uintptr_t)e->about, i, one) {
		struct str id = atl_event_about(one);

		if (i == EVENT_ABOUT_MOST || !id.len || id.len >= sizeof(ret->group)) {
			ret->others = true;
			continue;
		}
		r = accounts_number(db, rd->org_id, id, &number, err);
		if (r == 0)
			ret->accounts[ret->account_count++] = number;
		else if (r == STORE_NOT_FOUND)
			r = group_read(rd, db, one, id, ret, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- ours or not ----------------------------------------------------------------------------
 */

/* What the journal has for an event. */
struct match {
	struct str action;
	size_t intents, kind; /* about whom it is about; of its kind, too */
	int64_t seq;          /* of the only one */
	bool done, directory; /* all those were told to the provisioning directory */
};

static int on_intent(void *ctx, const struct event_intent *row, struct err *err)
{
	struct match *m = ctx;
	enum step_op op;

	(void)err;
	m->intents++;
	if (!step_op_of(row->op, &op) || !atl_event_is_of(m->action, op))
		return 0;
	m->directory = (m->directory || !m->kind) && str_starts(row->op, STR("scim-"));
	m->kind++;
	m->seq = row->seq;
	m->done = row->done;
	return 0;
}

/* The id of the key, or whose it is where no id is told. */
static struct str key_name(const struct atl_event *e, char room[KEY_BYTES])
{
	if (!e->org_key || e->token.len >= KEY_BYTES)
		return (struct str){ 0 };
	if (e->token.len || !e->actor.len || e->actor.len + 7 > KEY_BYTES)
		return e->token;
	snprintf(room, KEY_BYTES, "actor:" STR_FMT, STR_ARG(e->actor));
	return str_of(room);
}

static bool key_in(const struct vec_key *keys, struct str key, bool directory)
{
	for (size_t i = 0; key.len && i < keys->n; i++)
		if (str_eq(str_of(keys->v[i].name), key) && keys->v[i].directory == directory)
			return true;
	return false;
}

static int key_add(struct vec_key *keys, struct str name, bool directory, struct err *err)
{
	struct key key = { .directory = directory };

	if (name.len >= sizeof(key.name))
		return 0;
	memcpy(key.name, name.p, name.len);
	return vec_key_add(keys, key) < 0 ? err_nomem(err) : 0;
}

struct keys_read {
	struct reading *rd;
	struct vec_key keys;
};

/* The configuration's word on the organisation's keys stands above any proof. */
static int on_key(void *ctx, const struct event_key *row, struct err *err)
{
	struct keys_read *k = ctx;

	if (!row->proved || (!row->directory && k->rd->org->cloud.key_ids.n))
		return 0;
	return key_add(&k->keys, row->token, row->directory, err);
}

/* Reads which keys are ours. Of one that was not known before what is kept is judged again. */
static int keys_load(struct reading *rd, struct db *db, struct err *err)
{
	const struct conf_list *named = &rd->org->cloud.key_ids;
	struct keys_read k = { .rd = rd };
	int64_t late = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < named->n; i++)
		r = key_add(&k.keys, str_of(named->v[i]), false, err);
	if (r == 0)
		r = events_keys(db, rd->org_id, on_key, &k, err);
	for (size_t i = 0; r == 0 && i < k.keys.n; i++) {
		const struct key *key = &k.keys.v[i];

		if (key_in(&rd->keys, str_of(key->name), key->directory))
			continue;
		r = events_token_is(db, rd->org_id, str_of(key->name),
				    key->directory ? INT64_MAX : rd->at.since_ms, &late, err);
		rd->foreign += late;
	}
	if (r < 0) {
		vec_key_done(&k.keys);
		return r;
	}
	vec_key_done(&rd->keys);
	rd->keys = k.keys;
	return 0;
}

/* The only change of ours that it can be, which was seen to be done, speaks for its key. */
static int claim(struct reading *rd, struct db *db, const struct match *m, struct str key,
		 int64_t at_ms, struct err *err)
{
	if (m->kind != 1 || !m->done || !key.len)
		return 0;
	rd->claims = true;
	return events_claim(db, rd->org_id, key, m->seq, m->directory, at_ms, err);
}

static enum event_doubt doubt_of(const struct match *m, int64_t account, const char *group)
{
	if (m->kind)
		return EVENT_OTHER_KEY;
	if (!account && !*group)
		return EVENT_NO_SUBJECT;
	return m->intents ? EVENT_OTHER_KIND : EVENT_NO_INTENT;
}

static enum event_gives gives_of(struct str action)
{
	if (atl_event_is_of(action, STEP_RESTORE) || atl_event_is_of(action, STEP_ENABLE))
		return EVENT_GIVES_ACCESS;
	if (atl_event_is_of(action, STEP_ADD_GROUP) ||
	    atl_event_is_of(action, STEP_ASSIGN_ROLE))
		return EVENT_GIVES_SEAT;
	return EVENT_GIVES_NOTHING;
}

/* One event of one account (0: of none, or of its group alone). */
static int keep(struct reading *rd, struct db *db, const struct atl_event *e, int64_t account,
		const struct about *about, struct err *err)
{
	struct match m = { .action = e->action };
	const struct event_subject subject = { account, str_of(about->group), about->others,
					       e->at_ms };
	char room[KEY_BYTES];
	struct str key = key_name(e, room);
	bool under = key_in(&rd->keys, key, false);
	struct event_row row = { .event = e->id,
				 .account = account,
				 .at_ms = e->at_ms,
				 .action = e->action,
				 .actor = e->actor,
				 .group = subject.group,
				 .token = key,
				 .gives = gives_of(e->action) };
	int64_t self = 0;
	int r = 0;

	if (e->org_key)
		r = events_intents(db, rd->org->name, rd->org_id, &subject, on_intent, &m, err);
	if (r == 0 && m.kind)
		r = claim(rd, db, &m, key, e->at_ms, err);
	if (r < 0 || (m.kind && key_in(&rd->keys, key, m.directory)))
		return r;
	if (account && e->actor.len && !m.kind && !atl_event_is_change(e->action)) {
		r = accounts_number(db, rd->org_id, e->actor, &self, err);
		if (r < 0 || self == account)
			return r < 0 ? r : 0;
	}
	/* of nobody that we know, but it may turn out to be our key that did it */
	if (!account && !subject.group.len && !under &&
	    !(e->org_key && atl_event_is_change(e->action)))
		return 0;
	if (under)
		row.by = e->at_ms >= rd->at.since_ms ? EVENT_FOREIGN : EVENT_BY_OTHERS;
	else
		row.by = m.kind ? EVENT_UNPROVED : EVENT_BY_OTHERS;
	if (e->org_key)
		row.doubt = doubt_of(&m, account, about->group);
	r = events_put(db, rd->org_id, &row, err);
	rd->kept += r == 0 && row.by != EVENT_UNPROVED;
	rd->unknown += r == 0 && !atl_event_is_known(e->action);
	rd->foreign += r == 0 && row.by == EVENT_FOREIGN;
	return r < 0 ? r : 0;
}

static int event_store(struct reading *rd, struct db *db, const json_t *row, struct err *err)
{
	struct atl_event e;
	struct about about;
	char why[100];
	int r;

	if (!atl_event_read(row, &e, why, sizeof(why))) {
		rd->odd++;
		return 0;
	}
	rd->read++;
	if (e.processed_ms > rd->at.newest_ms)
		rd->at.newest_ms = e.processed_ms;
	r = about_read(rd, db, &e, &about, err);
	for (size_t i = 0; r == 0 && i < about.account_count; i++)
		r = keep(rd, db, &e, about.accounts[i], &about, err);
	if (r == 0 && !about.account_count)
		r = keep(rd, db, &e, 0, &about, err);
	return r;
}

static int cursor_take(struct reading *rd, struct str next, struct err *err)
{
	char *copy;

	if (!next.len)
		return 0;
	copy = str_dup(next);
	if (!copy)
		return err_nomem(err);
	free(rd->at.cursor);
	rd->at.cursor = copy;
	return 0;
}

static int page_write(void *ctx, struct db *db, struct err *err)
{
	struct reading *rd = ctx;
	const json_t *row;
	size_t i;
	int r = 0;

	rd->claims = false;
	if (!rd->pages_written++)
		r = keys_load(rd, db, err);
	json_array_foreach ((json_t *)(uintptr_t)rd->page->rows, i, row)
		if (r == 0)
			r = event_store(rd, db, row, err);
	if (r == 0 && rd->claims)
		r = events_keys_judge(db, rd->org_id, rd->now_ms, err);
	if (r == 0 && rd->claims)
		r = keys_load(rd, db, err);
	if (r == 0)
		r = cursor_take(rd, rd->page->next, err);
	return r == 0 ? events_reading_set(db, rd->org_id, &rd->at, err) : r;
}

/* --- going on -------------------------------------------------------------------------------
 */

/* Where a reading without a cursor begins. */
static int64_t from_of(const struct reading *rd)
{
	return rd->at.newest_ms ? rd->at.newest_ms - EVENTS_OVERLAP_MS
				: rd->now_ms - EVENTS_FIRST_MS;
}

/* Atlassian does not know our cursor any more: the time since is read again. What it has thrown
 * away by then nobody can read. */
static void lost(struct reading *rd, const struct err *why)
{
	int64_t from = from_of(rd);
	char date[STAMP_TEXT_BYTES], gap[STAMP_TEXT_BYTES];

	free(TAKE(rd->at.cursor));
	stamp_text(from, date);
	if (from < rd->now_ms - EVENTS_THERE_MS) {
		rd->at.gap_from_ms = from;
		rd->at.gap_to_ms = rd->now_ms - EVENTS_THERE_MS;
		stamp_text(rd->at.gap_to_ms, gap);
		snprintf(rd->text, sizeof(rd->text),
			 "where the audit events were read to is not known to Atlassian any "
			 "more: "
			 "events from %s to %s are lost",
			 date, gap);
	} else {
		snprintf(rd->text, sizeof(rd->text),
			 "where the audit events were read to is not known to Atlassian any "
			 "more "
			 "(%.200s): they are read again from %s on, none is lost",
			 why->text, date);
	}
	log_warn("events.cursor", LOG_T("org", rd->org->name), LOG_T("text", rd->text));
}

static int page_step(struct reading *rd, struct atl_client *client, struct err *err)
{
	CLEANUP(atl_events_page_done) struct atl_events_page page = { 0 };
	int r = atl_events_read(client, str_of(rd->at.cursor), from_of(rd), &page, err);

	if (r == ATL_EVENTS_LOST) {
		lost(rd, err);
		r = atl_events_read(client, (struct str){ 0 }, from_of(rd), &page, err);
	}
	if (r != 0)
		return r;
	rd->pages++;
	rd->end = page.end;
	rd->page = &page;
	r = writer_call(rd->app->writer, page_write, rd, err);
	rd->page = NULL;
	return r;
}

static int read_all(struct reading *rd, struct atl_client *client, const atomic_bool *cancel,
		    struct err *err)
{
	int r = 0;

	while (r == 0 && !rd->end && rd->pages < EVENTS_PAGES_MOST) {
		if (cancel && atomic_load(cancel))
			return err_set(err, ERR_CANCELLED,
				       "reading the audit events was stopped");
		r = page_step(rd, client, err);
	}
	return r;
}

/* What could not be read ends nothing: it is said, and read the next time. Where a page could
 * not be stored, what is in memory is ahead of what is kept: its cursor would leave its events
 * out for good. */
static int end_write(void *ctx, struct db *db, struct err *err)
{
	struct reading *rd = ctx;
	int64_t before_ms = rd->now_ms - rd->org->cloud.events_keep_ms;
	int r;

	free(TAKE(rd->at.why));
	if (rd->end)
		rd->at.read_ms = rd->now_ms;
	else if (rd->text[0] && !(rd->at.why = str_dup(str_of(rd->text))))
		return err_nomem(err);
	r = events_reading_end(db, rd->org_id, &rd->at, err);
	if (r == 0)
		r = events_prune(db, rd->org_id, before_ms, EVENTS_ROWS_MOST, err);
	return r;
}

static int events_out(struct reading *rd, json_t *out, struct err *err)
{
	char text[ERR_TEXT_BYTES];

	if (rd->odd && !rd->text[0])
		snprintf(rd->text, sizeof(rd->text),
			 "%lld events had no id, action or time and were left out",
			 (long long)rd->odd);
	snprintf(text, sizeof(text), "%s", rd->text);
	return jx_set(out, "events",
		      json_pack("{s:I, s:I, s:I, s:I, s:b, s:o}", "read", (json_int_t)rd->read,
				"kept", (json_int_t)rd->kept, "foreign",
				(json_int_t)rd->foreign, "unknown_kinds",
				(json_int_t)rd->unknown, "end", rd->end, "why",
				text[0] ? json_string(text) : json_null()),
		      err);
}

static int begin(struct reading *rd, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(org_row_done) struct org_row row = { 0 };
	int r = store_read_begin(rd->app->store, &db, err);

	if (r == 0)
		r = accounts_org_get(db, rd->org->name, &row, err);
	if (r > 0)
		return err_set(err, ERR_INTERNAL, "it was not declared");
	rd->org_id = row.id;
	if (r == 0)
		r = events_reading(db, rd->org_id, &rd->at, err);
	if (r == STORE_NOT_FOUND)
		rd->at.since_ms = rd->now_ms;
	return r < 0 ? r : 0;
}

int rounds_events(struct app *app, const struct config_org *org, const atomic_bool *cancel,
		  json_t *out, struct err *err)
{
	struct reading rd = { .app = app, .org = org, .now_ms = stamp_now_ms() };
	struct atl_client *client = NULL;
	struct err why = { 0 };
	int r;

	if (!org->cloud.events)
		return 0;
	r = begin(&rd, err);
	if (r == 0)
		r = clients_get(app, org, &client, err);
	if (r == 0)
		r = read_all(&rd, client, cancel, &why);
	if (r == -ERR_NOMEM || r == -ERR_CANCELLED || (r < 0 && !client))
		goto done;
	if (r < 0) {
		snprintf(rd.text, sizeof(rd.text), "%s", why.text);
		log_warn("events.unread", LOG_T("org", org->name), LOG_T("text", why.text));
	}
	if (!rd.end && !rd.text[0]) /* before it is stored: `leaverd events` shows it */
		snprintf(
			rd.text, sizeof(rd.text),
			"more than %d events came since the last reading: the next one goes on",
			EVENTS_PAGES_MOST * ATL_EVENTS_PAGE);
	r = writer_call(app->writer, end_write, &rd, err);
	if (r == 0)
		r = events_out(&rd, out, err);
	if (rd.foreign)
		log_warn("events.foreign", LOG_T("org", org->name),
			 LOG_I("events", rd.foreign));
done:
	if (why.code && r == -why.code && err)
		*err = why;
	event_reading_done(&rd.at);
	vec_key_done(&rd.keys);
	return r;
}
