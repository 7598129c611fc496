/*
 * Access reviews: `leaverd review`. A campaign lists seats, each with the manager of whose it
 * is; managers answer keep or remove, with a reason; closing it says what nobody answered and
 * makes a plan of what is to be removed, under the ordinary guards. Nothing is changed here.
 */
#include "bridge/verb.h"

#include <ctype.h>
#include <inttypes.h>

#include "base/stamp.h"
#include "bridge/addressee.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "bridge/export.h"
#include "bridge/listing.h"
#include "bridge/notices.h"
#include "bridge/outbox.h"
#include "hr/csv.h"
#include "hr/options.h"
#include "store/reviews.h"
#include "store/writer.h"

#define REVIEW_PAGE 500
#define REVIEW_REASON_MOST 500
#define REVIEW_FAULTS_SHOWN 100
#define REVIEW_CSV_MOST (48u << 20)
#define REVIEW_DAYS 14
#define REVIEW_MANAGERS_MOST 5000

/* --- start -----------------------------------------------------------------------------------
 */

struct starting {
	struct app *app;
	const char *who, *org, *why;
	const json_t *seats;
	int64_t due_ms, review, persons, managed;
	size_t from, to;  /* of seats: what one request to the writer adds */
	json_t *managers; /* seats by address */
	int64_t person;   /* of whom manager is */
	char manager[ADDRESSEE_BYTES];
};

static int write_start(void *ctx, struct db *db, struct err *err)
{
	struct starting *s = ctx;
	const struct review_new in = { .org = s->org,
				       .why = s->why,
				       .who = s->who,
				       .due_ms = s->due_ms,
				       .now_ms = stamp_now_ms() };

	return reviews_start(db, &in, &s->review, err);
}

/* Seats of one account stand together, so whoever was asked for last is asked for again. */
static int manager_of(struct starting *s, struct db *db, int64_t person, struct err *err)
{
	CLEANUP(free_at) char *folded = NULL;
	struct addressee a;
	size_t len;
	int r;

	if (person == s->person && s->persons)
		return 0;
	s->person = person;
	s->persons++;
	s->manager[0] = '\0';
	r = addressee_find(db, person, &a, err);
	if (r == 0)
		r = str_fold(str_of(a.manager), &folded, &len, err);
	if (r == 0 && len < sizeof(s->manager))
		memcpy(s->manager, folded, len + 1);
	return r;
}

static int count_manager(struct starting *s, struct err *err)
{
	const json_t *before = json_object_get(s->managers, s->manager);

	if (!s->manager[0])
		return 0;
	s->managed++;
	return jx_set(s->managers, s->manager, json_integer(json_integer_value(before) + 1),
		      err);
}

static int write_items(void *ctx, struct db *db, struct err *err)
{
	struct starting *s = ctx;
	int r = 0;

	for (size_t i = s->from; r == 0 && i < s->to; i++) {
		const json_t *seat = json_array_get(s->seats, i);
		struct review_item item = {
			.review = s->review,
			.n = (int64_t)i + 1,
			.person = json_integer_value(json_object_get(seat, "person")),
			.account = json_integer_value(json_object_get(seat, "account")),
			.product = str_of(jx_get_text(seat, "product")),
			.site = str_of(jx_get_text(seat, "site")),
		};

		r = manager_of(s, db, item.person, err);
		item.manager = str_of(s->manager);
		if (r == 0)
			r = count_manager(s, err);
		if (r == 0)
			r = reviews_add(db, &item, err);
	}
	return r;
}

/* Without names: who may see the list sends it. A mail server keeps what it carried. */
static int tell_managers(const struct starting *s, int64_t *told, struct err *err)
{
	const struct config_notices *n = &s->app->config.notices;
	const char *address;
	json_t *seats;
	int r = 0;

	if (!n->mail.server && !n->folder)
		return 0;
	json_object_foreach (s->managers, address, seats) {
		char key[64], title[120], items[400], date[STAMP_TEXT_BYTES];
		const struct notices_bulletin b = { .key = key,
						    .tells = "digest",
						    .kind = NOTICE_ALERT,
						    .title = title,
						    .items = { items, 0 },
						    .count = json_integer_value(seats) };
		struct notices_bulletin said = b;

		stamp_date_text(s->due_ms, date);
		(void)snprintf(key, sizeof(key), "review/%" PRId64, s->review);
		(void)snprintf(title, sizeof(title), "access review %" PRId64 " asks you",
			       s->review);
		said.items.len = (size_t)snprintf(
			items, sizeof(items),
			"%lld seats of your people in %.60s wait for your word, keep or "
			"remove, "
			"until %s (review %" PRId64 "). IT sends you the list, and takes your "
			"answers.",
			(long long)json_integer_value(seats), s->org, date, s->review);
		if (r == 0)
			r = notices_tell_one(s->app, &said, address, err);
		*told += r == 0;
	}
	outbox_wake(s->app->outbox);
	return r;
}

static int start_items(struct starting *s, struct err *err)
{
	size_t all = json_array_size(s->seats);
	int r = writer_call(s->app->writer, write_start, s, err);

	for (s->from = 0; r == 0 && s->from < all; s->from = s->to) {
		if (verb_cancelled(s->app))
			return err_set(err, ERR_CANCELLED,
				       "review %" PRId64 " was interrupted: close it",
				       s->review);
		s->to = s->from + REVIEW_PAGE < all ? s->from + REVIEW_PAGE : all;
		r = writer_call(s->app->writer, write_items, s, err);
	}
	return r;
}

static int start_out(const struct starting *s, int64_t told, json_t *out, struct err *err)
{
	int64_t items = (int64_t)json_array_size(s->seats);
	char date[STAMP_TEXT_BYTES];
	int r = jx_set(out, "review", json_integer(s->review), err);

	if (r == 0)
		r = jx_set(out, "items", json_integer(items), err);
	if (r == 0)
		r = jx_set(out, "managers",
			   json_integer((json_int_t)json_object_size(s->managers)), err);
	if (r == 0)
		r = jx_set(out, "without_manager", json_integer(items - s->managed), err);
	if (r == 0)
		r = jx_set(out, "told", json_integer(told), err);
	stamp_date_text(s->due_ms, date);
	return r < 0 ? r
		     : ask_say(out, err,
			       "Review %" PRId64 " asks about %" PRId64
			       " seats until %s: %zu managers, %" PRId64
			       " seats of people without one; %" PRId64
			       " were told. `leaverd review list %" PRId64
			       " --csv` writes the list.",
			       s->review, items, date, json_object_size(s->managers),
			       items - s->managed, told, s->review);
}

static int run_start(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	CLEANUP(json_decref_at) json_t *asked = json_object(), *found = json_object();
	CLEANUP(json_decref_at) json_t *managers = json_object();
	const json_t *due = json_object_get(in, "until_ms"),
		     *filter = json_object_get(in, "filter");
	struct starting s = { .app = app,
			      .who = who->name,
			      .org = jx_get_text(in, "org"),
			      .why = jx_get_text(in, "reason"),
			      .managers = managers,
			      .due_ms = json_is_integer(due)
						? json_integer_value(due)
						: stamp_now_ms() + REVIEW_DAYS * STAMP_DAY_MS };
	int64_t told = 0;
	int r = asked && found && managers ? 0 : err_nomem(err);

	if (r == 0 && (!s.org || !s.why))
		r = err_set(err, ERR_USAGE, "a review needs --org and --reason");
	if (r == 0 && s.due_ms <= stamp_now_ms())
		r = err_set(err, ERR_USAGE, "--until lies in the past");
	if (r == 0)
		r = jx_set(asked, "org", json_string(s.org), err);
	if (r == 0 && filter)
		r = jx_set(asked, "filter", json_incref((json_t *)(uintptr_t)filter), err);
	if (r == 0)
		r = jx_set(asked, "limit", json_integer(0), err);
	if (r == 0)
		r = listing_seats(app, who, asked, found, err);
	s.seats = json_object_get(found, "seats");
	if (r == 0 && !json_array_size(s.seats))
		r = err_set(err, ERR_NOT_FOUND,
			    "no seat of %s is named: there is nothing to "
			    "review",
			    s.org);
	if (r == 0 && json_array_size(s.seats) > REVIEW_ITEMS_MOST)
		r = err_set(err, ERR_LIMIT,
			    "%zu seats: a review has at most %d, so narrow it "
			    "with --filter",
			    json_array_size(s.seats), REVIEW_ITEMS_MOST);
	if (r == 0)
		r = start_items(&s, err);
	if (r == 0)
		r = tell_managers(&s, &told, err);
	return r < 0 ? r : start_out(&s, told, out, err);
}

/* --- list ------------------------------------------------------------------------------------
 */

static int review_out(void *ctx, const struct review_row *v, struct err *err)
{
	return jx_add(ctx,
		      json_pack("{s:I,s:s%,s:s%,s:s%,s:o,s:o,s:o,s:s%,s:I,s:I,s:I,s:I,s:s%}",
				"review", (json_int_t)v->id, "org", ASK_S(v->org), "why",
				ASK_S(v->why), "who", ASK_S(v->who), "made_ms",
				ask_ms(v->made_ms), "due_ms", ask_ms(v->due_ms), "closed_ms",
				ask_ms(v->closed_ms), "closed_by", ASK_S(v->closed_by), "items",
				(json_int_t)v->items, "keep", (json_int_t)v->keep, "remove",
				(json_int_t)v->remove, "unanswered", (json_int_t)v->unanswered,
				"plans", ASK_S(v->plans)),
		      err);
}

struct items {
	struct app *app;
	json_t *rows;    /* or NULL */
	struct buf *csv; /* or NULL */
	int64_t review, last, count;
	int64_t remove, newest_ms; /* removals, and the newest of all answers */
	struct str manager;
	size_t most;
	bool open; /* only what nobody answered */
	bool any;
};

static int item_out(void *ctx, const struct review_item *i, struct err *err)
{
	struct items *all = ctx;
	const struct str cells[] = { i->manager, i->account_id, i->email, i->name,
				     i->product, i->site,       i->by };

	all->last = i->n;
	all->any = true;
	if ((all->open && i->answer) || (size_t)all->count >= all->most)
		return 0;
	all->count++;
	if (all->rows)
		return jx_add(
			all->rows,
			json_pack("{s:I,s:s%,s:I,s:s%,s:s%,s:s%,s:s%,s:s%,s:s,s:s%,s:s%,s:o}",
				  "item", (json_int_t)i->n, "manager", ASK_S(i->manager),
				  "person", (json_int_t)i->person, "account_id",
				  ASK_S(i->account_id), "email", ASK_S(i->email), "name",
				  ASK_S(i->name), "product", ASK_S(i->product), "site",
				  ASK_S(i->site), "answer", review_answer_words[i->answer],
				  "reason", ASK_S(i->why), "by", ASK_S(i->by), "answered_ms",
				  ask_ms(i->answered_ms)),
			err);
	buf_addf(all->csv, "%" PRId64, i->n);
	for (size_t k = 0; k < COUNT_OF(cells) - 1; k++) {
		buf_add_char(all->csv, ',');
		export_csv_cell(all->csv, cells[k]);
	}
	buf_addf(all->csv, ",%s,", review_answer_words[i->answer]);
	export_csv_cell(all->csv, i->why);
	buf_add_char(all->csv, ',');
	export_csv_cell(all->csv, i->by);
	buf_add_text(all->csv, "\n");
	return buf_fault(all->csv, err, "the list of the review");
}

static int items_out(struct items *all, struct err *err)
{
	int r = 0;

	all->any = true;
	while (r == 0 && all->any && (size_t)all->count < all->most) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		all->any = false;
		r = store_read_begin(all->app->store, &db, err);
		if (r == 0)
			r = reviews_items(db, all->review, all->manager, all->last, REVIEW_PAGE,
					  item_out, all, err);
	}
	return r;
}

static int no_review(int64_t review, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND,
		       "there is no review %" PRId64 " ('leaverd review list' names them)",
		       review);
}

static int get_review(struct app *app, int64_t review, json_t *rows, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	if (r == 0)
		r = review ? reviews_get(db, review, review_out, rows, err)
			   : reviews_list(db, review_out, rows, err);
	return r == STORE_NOT_FOUND ? no_review(review, err) : r;
}

static int run_list(struct app *app, const struct who *who, const json_t *in, json_t *out,
		    struct err *err)
{
	CLEANUP(free_at) char *manager = NULL;
	CLEANUP(buf_done) struct buf csv;
	const char *asked = jx_get_text(in, "manager");
	struct items all = { .app = app,
			     .review = json_integer_value(json_object_get(in, "review")),
			     .open = json_is_true(json_object_get(in, "open")),
			     .most = listing_limit(in) };
	bool as_csv = json_is_true(json_object_get(in, "csv"));
	size_t len = 0;
	json_t *reviews;
	int r;

	buf_init(&csv, REVIEW_CSV_MOST);
	r = jx_set(out, "reviews", reviews = json_array(), err);
	if (r == 0)
		r = get_review(app, all.review, reviews, err);
	if (r < 0 || !all.review)
		return r;
	if (asked)
		r = str_fold(str_of(asked), &manager, &len, err);
	all.manager = str_n(manager, len);
	if (r == 0 && as_csv) {
		all.csv = &csv;
		all.most = REVIEW_ITEMS_MOST;
		buf_add_text(&csv, "item,manager,account_id,email,name,product,site,answer,"
				   "reason,by\n");
	} else if (r == 0) {
		r = jx_set(out, "items", all.rows = json_array(), err);
	}
	if (r == 0)
		r = items_out(&all, err);
	if (r == 0 && as_csv)
		r = jx_set(out, "csv", json_stringn(csv.p, csv.len), err);
	return r < 0 ? r : ask_note_read(app, who, "review", all.count, err);
}

/* --- answers ---------------------------------------------------------------------------------
 */

enum { CELL_ITEM, CELL_ANSWER, CELL_REASON, CELL_BY, CELLS };
static const char *const cell_words[CELLS] = { "item", "answer", "reason", "by" };

struct said {
	int64_t n;
	uint64_t line;
	enum review_answer answer;
	char *why, *by;
};
VEC(vec_said, struct said);

struct answering {
	struct app *app;
	const char *who, *by;
	int64_t review, changed;
	int cells[HR_COLUMNS_MAX];
	size_t columns;
	bool header;
	struct vec_said said;
	json_t *faults;
};

static void answering_done(struct answering *a)
{
	for (size_t i = 0; i < a->said.n; i++) {
		free(a->said.v[i].why);
		free(a->said.v[i].by);
	}
	vec_said_done(&a->said);
}

static int fault_add(struct answering *a, uint64_t line, const char *text, struct err *err)
{
	return jx_add(a->faults, json_pack("{s:I,s:s}", "line", (json_int_t)line, "text", text),
		      err);
}

static int header_read(struct answering *a, const struct hr_cell *cells, size_t n,
		       struct err *err)
{
	bool seen[CELLS] = { false };

	for (size_t i = 0; i < n; i++) {
		a->cells[i] = -1;
		for (int k = 0; k < CELLS; k++)
			if (str_ieq(str_trim(cells[i].text), str_of(cell_words[k]))) {
				a->cells[i] = k;
				seen[k] = true;
			}
	}
	if (!seen[CELL_ITEM] || !seen[CELL_ANSWER])
		return err_set(err, ERR_INVALID_VALUE,
			       "line 1: the columns item and answer are needed (reason and by "
			       "besides), as `leaverd review list N --csv` writes them");
	a->columns = n;
	a->header = true;
	return 0;
}

static enum review_answer answer_of(struct str word)
{
	for (int i = REVIEW_KEEP; review_answer_words[i]; i++)
		if (str_ieq(word, str_of(review_answer_words[i])))
			return (enum review_answer)i;
	return REVIEW_NONE;
}

/* A row without an answer says nothing; any other that cannot be read is a fault. */
static int row_read(struct answering *a, const struct hr_cell *cells, size_t n, struct err *err)
{
	struct str c[CELLS] = { { 0 } };
	struct said s = { .line = cells[0].line };
	int r = 0;

	for (size_t i = 0; i < n && i < a->columns; i++)
		if (a->cells[i] >= 0)
			c[a->cells[i]] = str_trim(cells[i].text);
	if (!c[CELL_ANSWER].len)
		return 0;
	s.answer = answer_of(c[CELL_ANSWER]);
	if (!c[CELL_BY].len)
		c[CELL_BY] = str_of(a->by);
	if (s.answer == REVIEW_NONE)
		return fault_add(a, s.line, "the answer is neither keep nor remove", err);
	if (!str_int64(c[CELL_ITEM], &s.n) || s.n < 1)
		return fault_add(a, s.line, "the item is no number", err);
	if (!c[CELL_BY].len)
		return fault_add(a, s.line,
				 "nobody is named who answered: a column by, or --by", err);
	if (s.answer == REVIEW_REMOVE && !c[CELL_REASON].len)
		return fault_add(a, s.line, "what is to be removed needs a reason", err);
	if (c[CELL_REASON].len > REVIEW_REASON_MOST || c[CELL_BY].len > REVIEW_REASON_MOST)
		return fault_add(a, s.line, "a reason is too long", err);
	s.why = str_dup(c[CELL_REASON].p ? c[CELL_REASON] : STR(""));
	s.by = str_dup(c[CELL_BY]);
	if (!s.why || !s.by || vec_said_add(&a->said, s) < 0) {
		free(s.why);
		free(s.by);
		r = err_nomem(err);
	}
	return r;
}

static int on_row(void *ctx, struct hr_cell *cells, size_t n, struct err *err)
{
	struct answering *a = ctx;

	if (a->said.n > REVIEW_ITEMS_MOST)
		return err_set(err, ERR_LIMIT, "more than %d answers", REVIEW_ITEMS_MOST);
	return a->header ? row_read(a, cells, n, err) : header_read(a, cells, n, err);
}

static int file_read(struct answering *a, const json_t *text, struct err *err)
{
	CLEANUP(hr_csv_free_at) struct hr_csv *csv = NULL;
	struct str all = str_n(json_string_value(text), json_string_length(text));
	size_t head = str_find_any(all, "\n");
	char delimiter = str_find_any(str_n(all.p, head), ",") < head ? ',' : ';';
	int r = hr_csv_new(delimiter, on_row, a, &csv, err);

	if (r == 0)
		r = hr_csv_add(csv, all, err);
	if (r == 0)
		r = hr_csv_end(csv, err);
	if (r == 0 && !a->header)
		r = err_set(err, ERR_INVALID_VALUE, "the file is empty");
	return r;
}

/* All or none. */
static int write_answers(void *ctx, struct db *db, struct err *err)
{
	struct answering *a = ctx;
	int64_t now_ms = stamp_now_ms();
	int r = 0;

	a->changed = 0;
	for (size_t i = 0; r == 0 && i < a->said.n; i++) {
		const struct said *s = &a->said.v[i];
		const struct review_said in = { .review = a->review,
						.n = s->n,
						.answer = s->answer,
						.why = str_of(s->why),
						.by = str_of(s->by),
						.now_ms = now_ms };

		r = reviews_answer(db, &in, err);
		if (r == STORE_NOT_FOUND)
			return err_set(err, ERR_NOT_FOUND,
				       "line %" PRIu64 ": review %" PRId64
				       " has no item %" PRId64
				       "; nothing of the file was taken",
				       s->line, a->review, s->n);
		if (r == STORE_STALE)
			return err_set(err, ERR_REFUSED,
				       "review %" PRId64 " is closed: it takes no answers",
				       a->review);
		a->changed += r == 0;
		r = r == STORE_UNCHANGED ? 0 : r;
	}
	return r == 0 && a->changed
		       ? reviews_answers_note(db, a->review, a->changed, a->who, now_ms, err)
		       : r;
}

static int run_answer(struct app *app, const struct who *who, const json_t *in, json_t *out,
		      struct err *err)
{
	CLEANUP(answering_done)
	struct answering a = { .app = app,
			       .who = who->name,
			       .by = jx_get_text(in, "by"),
			       .review = json_integer_value(json_object_get(in, "review")) };
	CLEANUP(json_decref_at) json_t *known = json_array();
	const json_t *text = json_object_get(in, "text"), *first;
	int r = jx_set(out, "faults", a.faults = json_array(), err);

	if (r == 0)
		r = known ? get_review(app, a.review, known, err) : err_nomem(err);
	if (r == 0 && !json_is_string(text))
		r = err_set(err, ERR_USAGE, "review answer needs its file");
	if (r == 0)
		r = file_read(&a, text, err);
	first = json_array_get(a.faults, 0);
	if (r == 0 && first)
		r = err_set(
			err, ERR_INVALID_VALUE,
			"%zu rows are faulty, and nothing of the file was taken; line %lld: %s",
			json_array_size(a.faults),
			(long long)json_integer_value(json_object_get(first, "line")),
			jx_get_text(first, "text"));
	if (r == 0)
		r = writer_call(app->writer, write_answers, &a, err);
	if (r == 0)
		r = jx_set(out, "changed", json_integer(a.changed), err);
	return r < 0 ? r
		     : ask_say(out, err, "%zu answers were read, %" PRId64 " of them are new.",
			       a.said.n, a.changed);
}

/* --- close -----------------------------------------------------------------------------------
 */

static int removal_line(void *ctx, const struct review_item *i, struct err *err)
{
	struct items *all = ctx;

	all->last = i->n;
	all->any = true;
	all->remove += i->answer == REVIEW_REMOVE;
	if (i->answered_ms > all->newest_ms)
		all->newest_ms = i->answered_ms;
	if (i->answer != REVIEW_REMOVE || !i->account_id.len)
		return 0;
	all->count++;
	buf_add_text(all->csv, "free-seat,");
	export_csv_cell(all->csv, i->account_id);
	buf_add_char(all->csv, ',');
	export_csv_cell(all->csv, i->product);
	buf_add_char(all->csv, ',');
	export_csv_cell(all->csv, i->site);
	buf_add_text(all->csv, "\n");
	return buf_fault(all->csv, err, "what is to be removed");
}

static int removals(struct items *all, struct err *err)
{
	int r = 0;

	buf_add_text(all->csv, "op,account_id,product,site\n");
	all->any = true;
	while (r == 0 && all->any) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		all->any = false;
		r = store_read_begin(all->app->store, &db, err);
		if (r == 0)
			r = reviews_items(db, all->review, STR(""), all->last, REVIEW_PAGE,
					  removal_line, all, err);
	}
	return r;
}

/* The plan of what is to be removed, as `leaverd bulk` would make it of a file. */
static int plan_removals(struct app *app, const struct who *who, const char *org,
			 int64_t review, const struct items *all, json_t *answer,
			 struct err *err)
{
	CLEANUP(json_decref_at) json_t *asked = json_object();
	char why[80];
	int r = asked ? 0 : err_nomem(err);

	(void)snprintf(why, sizeof(why), "access review %" PRId64, review);
	if (r == 0)
		r = jx_set(asked, "text", json_stringn(all->csv->p, all->csv->len), err);
	if (r == 0)
		r = jx_set(asked, "org", json_string(org), err);
	if (r == 0)
		r = jx_set(asked, "reason", json_string(why), err);
	if (r == 0) /* whose account or seat is gone meanwhile needs nothing */
		r = jx_set(asked, "skip_faulty", json_true(), err);
	return r < 0 ? r : verb_find("bulk")->run(app, who, asked, answer, err);
}

static int write_close(void *ctx, struct db *db, struct err *err)
{
	return reviews_close(db, ctx, err);
}

/* The numbers of the plans, as the review keeps them. */
static int plan_numbers(const json_t *answer, struct buf *into, struct err *err)
{
	const json_t *plan;
	size_t i;

	buf_add_char(into, '[');
	json_array_foreach (json_object_get(answer, "plans"), i, plan)
		buf_addf(into, "%s%lld", i ? "," : "",
			 (long long)json_integer_value(json_object_get(plan, "plan")));
	buf_add_char(into, ']');
	return buf_fault(into, err, "the plans");
}

static int close_out(struct app *app, struct review_close *c, json_t *answer, json_t *out,
		     struct err *err)
{
	const json_t *row;
	json_t *rows;
	int r = jx_set(out, "reviews", rows = json_array(), err);

	if (r == 0)
		r = get_review(app, c->review, rows, err);
	if (r == 0 && json_object_get(answer, "plans"))
		r = jx_set(out, "plans", json_incref(json_object_get(answer, "plans")), err);
	if (r == 0 && json_array_size(json_object_get(answer, "faults")))
		r = jx_set(out, "faults", json_incref(json_object_get(answer, "faults")), err);
	row = json_array_get(rows, 0);
	return r < 0 ? r
		     : ask_say(out, err,
			       "Review %" PRId64
			       " is closed: %lld kept, %lld to be removed (plans "
			       "%s), %lld that nobody answered stay as they are.",
			       c->review,
			       (long long)json_integer_value(json_object_get(row, "keep")),
			       (long long)json_integer_value(json_object_get(row, "remove")),
			       c->plans,
			       (long long)json_integer_value(
				       json_object_get(row, "unanswered")));
}

/* Somebody was faster: what was planned rests on what is not so any more. */
static int overtaken(const struct review_close *c, int r, struct err *err)
{
	bool stale = r == STORE_STALE, planned = strcmp(c->plans, "[]") != 0;

	return err_set(err, ERR_CONFLICT, "review %" PRId64 "%s%s%s%s%s", c->review,
		       stale ? ": answers came while it was being closed"
			     : " was closed by somebody else meanwhile",
		       planned ? "; reject plans " : "", planned ? c->plans : "",
		       planned ? ", which were made of the answers before" : "",
		       stale ? "; then close it again" : "");
}

static int close_alone(struct app *app, const struct who *who, const json_t *in, json_t *out,
		       struct err *err)
{
	CLEANUP(json_decref_at) json_t *answer = json_object(), *known = json_array();
	CLEANUP(buf_done) struct buf csv, plans;
	struct review_close c = { .who = who->name,
				  .why = jx_get_text(in, "reason"),
				  .review = json_integer_value(json_object_get(in, "review")) };
	struct items all = { .app = app, .csv = &csv, .review = c.review };
	const json_t *row;
	int r = answer && known ? 0 : err_nomem(err);

	buf_init(&csv, REVIEW_CSV_MOST);
	buf_init(&plans, 64 * 1024);
	if (r == 0 && !c.why)
		r = err_set(err, ERR_USAGE, "a review is closed with a reason");
	if (r == 0)
		r = get_review(app, c.review, known, err);
	row = json_array_get(known, 0);
	if (r == 0 && json_is_integer(json_object_get(row, "closed_ms")))
		r = err_set(err, ERR_REFUSED, "review %" PRId64 " is closed already", c.review);
	if (r == 0)
		r = removals(&all, err);
	if (r == 0 && all.count)
		r = plan_removals(app, who, jx_get_text(row, "org"), c.review, &all, answer,
				  err);
	if (r == 0)
		r = plan_numbers(answer, &plans, err);
	c.plans = plans.p;
	c.remove = all.remove;
	c.newest_ms = all.newest_ms;
	c.now_ms = stamp_now_ms();
	if (r == 0)
		r = writer_call(app->writer, write_close, &c, err);
	if (r > 0)
		return overtaken(&c, r, err);
	return r < 0 ? r : close_out(app, &c, answer, out, err);
}

/* One at a time, or each of two would make the plans. */
static int run_close(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	int r;

	if (atomic_exchange(&app->review_closing, true))
		return err_set(err, ERR_CONFLICT,
			       "a review is being closed right now: look at it with `leaverd "
			       "review list`, and ask again");
	r = close_alone(app, who, in, out, err);
	atomic_store(&app->review_closing, false);
	return r;
}

const struct verb verbs_review[] = {
	{ "review.start", VERB_STORE | VERB_LONG, run_start },
	{ "review.list", VERB_STORE, run_list },
	{ "review.answer", VERB_STORE, run_answer },
	{ "review.close", VERB_STORE | VERB_LONG, run_close },
	{ NULL, 0, NULL },
};
