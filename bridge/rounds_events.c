/*
 * Reading an organisation's audit events from where the last reading stopped: who else changed
 * accounts and groups, and what was done under our key that our journal does not know.
 *
 * Each page is stored with the cursor behind it in one transaction, so that a stop loses
 * nothing. Atlassian names kinds of events as it likes; kept is what concerns an account or a
 * group that we know, and was done by somebody else than the account itself, or says by its
 * words that something was changed: what people merely do (log in, look at pages) is dropped
 * unread. What we did ourselves is in the journal and is not kept twice. The key under which it
 * was done is learnt from there: an event that is ours by account, group and time shows its id.
 */
#include "bridge/rounds.h"

#include "atlassian/events.h"
#include "base/log.h"
#include "base/stamp.h"
#include "bridge/clients.h"
#include "store/accounts.h"
#include "store/events.h"
#include "store/writer.h"

#define EVENTS_PAGES_MOST 200                    /* of one reading: 100,000 events */
#define EVENTS_ROWS_MOST 200000                  /* kept of one organisation */
#define EVENTS_FIRST_MS (7 * STAMP_DAY_MS)       /* how far the first reading looks back */
#define EVENTS_OVERLAP_MS (60 * STAMP_MINUTE_MS) /* read again where a cursor was lost */
#define EVENTS_THERE_MS (180 * STAMP_DAY_MS)     /* Atlassian keeps them so long */
#define EVENT_ABOUT_MOST 64                      /* things of one event that are looked at */

struct reading {
	struct app *app;
	const struct config_org *org;
	int64_t org_id, now_ms;
	struct event_reading at;
	const struct atl_events_page *page; /* of this request of the writer */
	int64_t read, kept, foreign, odd;   /* events; odd: not as they should be */
	unsigned pages;
	bool end;
	char text[ERR_TEXT_BYTES]; /* why not, or what was lost; "" */
};

/* What one event is about, of what we know. */
struct about {
	int64_t accounts[EVENT_ABOUT_MOST];
	size_t account_count;
	char group[160];
};

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

		if (i == EVENT_ABOUT_MOST)
			break;
		if (!id.len || id.len >= sizeof(ret->group))
			continue;
		r = accounts_number(db, rd->org_id, id, &number, err);
		if (r == 0)
			ret->accounts[ret->account_count++] = number;
		if (r == STORE_NOT_FOUND && !ret->group[0]) {
			r = accounts_group_number(db, rd->org_id, id, &number, err);
			if (r == 0)
				snprintf(ret->group, sizeof(ret->group), STR_FMT, STR_ARG(id));
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/* The key that our own change was made under is ours: what else was done under it is foreign.
 */
static int key_learn(struct reading *rd, struct db *db, struct str token, struct err *err)
{
	int64_t late = 0;
	int r;

	if (!token.len || (rd->at.token && str_eq(str_of(rd->at.token), token)))
		return 0;
	free(rd->at.token);
	rd->at.token = str_dup(token);
	if (!rd->at.token)
		return err_nomem(err);
	r = events_token_is(db, rd->org_id, token, rd->at.since_ms, &late, err);
	rd->foreign += late;
	return r;
}

/* One event of one account (0: of none, or of its group alone). */
static int keep(struct reading *rd, struct db *db, const struct atl_event *e, int64_t account,
		const char *group, struct err *err)
{
	struct str key = e->org_key ? e->token : (struct str){ 0 };
	bool ours = false, other_key = false,
	     under = key.len && rd->at.token && str_eq(key, str_of(rd->at.token));
	struct event_row row = { .event = e->id,
				 .account = account,
				 .at_ms = e->at_ms,
				 .action = e->action,
				 .actor = e->actor,
				 .group = str_of(group),
				 .token = key };
	int64_t self = 0;
	int r;

	if (e->org_key) {
		r = events_is_ours(db, rd->org->name, account, str_of(group), e->at_ms, &ours,
				   &other_key, err);
		if (r < 0 || ours)
			return r < 0 || other_key ? r : key_learn(rd, db, key, err);
	}
	if (account && e->actor.len && !atl_event_is_change(e->action)) {
		r = accounts_number(db, rd->org_id, e->actor, &self, err);
		if (r < 0 || self == account)
			return r < 0 ? r : 0;
	}
	if (!account && !*group && !under)
		return 0;
	row.by = under && e->at_ms >= rd->at.since_ms ? EVENT_FOREIGN : EVENT_BY_OTHERS;
	r = events_put(db, rd->org_id, &row, err);
	rd->kept += r == 0;
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
		r = keep(rd, db, &e, about.accounts[i], about.group, err);
	if (r == 0 && !about.account_count)
		r = keep(rd, db, &e, 0, about.group, err);
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

	json_array_foreach ((json_t *)(uintptr_t)rd->page->rows, i, row)
		if (r == 0)
			r = event_store(rd, db, row, err);
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
		      json_pack("{s:I, s:I, s:I, s:b, s:o}", "read", (json_int_t)rd->read,
				"kept", (json_int_t)rd->kept, "foreign",
				(json_int_t)rd->foreign, "end", rd->end, "why",
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
	return r;
}
