#include "bridge/why_told.h"

#include <stdio.h>

#include "base/stamp.h"
#include "bridge/sealed.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/records.h"
#include "store/sources.h"
#include "store/store.h"

#define DOUBTS_PAGE 500
#define NUMBERS_MOST 64 /* records, and accounts, of one person */

struct telling {
	const struct why_told_want *want;
	struct why_told_read *ret;
	struct db *db;
	int64_t now_ms;
	const char *stopped; /* why nothing is applied here; NULL: it is */
	int64_t records[NUMBERS_MOST], accounts[NUMBERS_MOST];
	size_t record_count, account_count;
	int64_t doubt; /* the last one that was looked at */
};

void why_told_done(struct why_told_read *t)
{
	arena_done(&t->arena);
	*t = (struct why_told_read){ 0 };
}

static int row_add(struct telling *t, enum why_section section, const char *state,
		   const char *label, struct err *err, const char *format, ...) PRINTF(6, 7);

static int row_add(struct telling *t, enum why_section section, const char *state,
		   const char *label, struct err *err, const char *format, ...)
{
	struct why_told row = { .section = section };
	va_list args;
	int r;

	if (t->ret->n == WHY_TOLD_MOST)
		return 0;
	r = arena_text(&t->ret->arena, str_of(label), &row.label, err);
	if (r == 0)
		r = arena_text(&t->ret->arena, str_of(state), &row.state, err);
	if (r < 0)
		return r;
	va_start(args, format);
	r = arena_vtextf(&t->ret->arena, &row.text, err, format, args);
	va_end(args);
	if (r == 0)
		t->ret->rows[t->ret->n++] = row;
	return r;
}

/* --- what waits ----------------------------------------------------------------------------
 */

static const char *waits_for(const struct telling *t, const struct plan_row *plan,
			     const struct action_row *a, char into[160])
{
	if (a->state == ACTION_STARTED)
		return "it was begun, and is not through";
	if (a->held)
		return "a guard holds it in this plan";
	if (t->stopped)
		return t->stopped;
	if (a->due_ms > t->now_ms)
		return plan->state == PLAN_OPEN ? "is not due yet, and not approved yet"
						: "is not due yet";
	if (plan->state != PLAN_OPEN)
		return "waits for its turn, or was left out of the approval";
	(void)snprintf(into, 160, "nobody approved it: `leaverd approve %lld --reason WHY`",
		       (long long)plan->id);
	return into;
}

/* What somebody is owed a clock for. */
static bool is_leaver(const struct action_row *a)
{
	return str_eq(a->class_, str_of(plan_class_word(PLAN_LEAVER))) ||
	       str_eq(a->class_, str_of(plan_class_word(PLAN_ABSENCE)));
}

static int on_waiting(void *ctx, const struct plan_row *plan, const struct action_row *a,
		      struct err *err)
{
	struct telling *t = ctx;
	int64_t late = a->due_ms ? t->now_ms - a->due_ms : 0;
	char label[64], kind[64], overdue[48] = "", into[160];

	if (!t->want->person && a->account != (int64_t)t->want->account)
		return 0;
	if (!t->want->may_see && sealed_action(a, t->now_ms))
		return 0;
	(void)snprintf(label, sizeof(label), "plan %lld, action %lld", (long long)plan->id,
		       (long long)a->n);
	(void)snprintf(kind, sizeof(kind), STR_FMT, STR_ARG(a->kind));
	if (late >= STAMP_HOUR_MS && is_leaver(a))
		(void)snprintf(overdue, sizeof(overdue), "; overdue by %lld h",
			       (long long)(late / STAMP_HOUR_MS));
	return row_add(t, WHY_HELD, kind, label, err, "%s%s", waits_for(t, plan, a, into),
		       overdue);
}

static int waiting_read(struct telling *t, struct err *err)
{
	const char *org = t->want->org->name;
	enum store_mode mode = STORE_OBSERVE;
	bool paused = false;
	int r = store_mode_get(t->db, org, &mode, err);

	if (r >= 0)
		r = store_paused(t->db, org, &paused, err);
	if (r < 0)
		return r;
	if (mode == STORE_OBSERVE)
		t->stopped = "the organisation is in mode observe: nothing is changed there "
			     "(`leaverd arm`)";
	else if (paused)
		t->stopped = "applying is paused (`leaverd resume`)";
	if (t->want->person)
		r = plans_unfinished_of(t->db, org, (int64_t)t->want->person, on_waiting, t,
					err);
	else if (t->want->account)
		r = plans_unfinished(t->db, org, on_waiting, t, err);
	return r < 0 ? r : 0;
}

/* --- doubts --------------------------------------------------------------------------------
 */

static void number_add(int64_t v[NUMBERS_MOST], size_t *n, int64_t number)
{
	for (size_t i = 0; i < *n; i++)
		if (v[i] == number)
			return;
	if (*n < NUMBERS_MOST)
		v[(*n)++] = number;
}

static bool number_in(const int64_t v[NUMBERS_MOST], size_t n, int64_t number)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == number)
			return true;
	return false;
}

static int on_record(void *ctx, const struct record *row, struct err *err)
{
	struct telling *t = ctx;

	(void)err;
	number_add(t->records, &t->record_count, row->id);
	return 0;
}

static int on_account(void *ctx, const struct account_link *row, struct err *err)
{
	struct telling *t = ctx;

	(void)err;
	number_add(t->accounts, &t->account_count, row->account);
	return 0;
}

/* One that goes by what was asked for, and that nobody's is yet. */
static int on_named(void *ctx, const struct record *row, struct err *err)
{
	CLEANUP(source_row_done) struct source_row source = { 0 };
	struct telling *t = ctx;
	int r;

	if (row->person || row->deleted || number_in(t->records, t->record_count, row->id))
		return 0;
	number_add(t->records, &t->record_count, row->id);
	r = sources_by_id(t->db, row->source, &source, err);
	if (r != 0)
		return r < 0 ? r : 0;
	return row_add(t, WHY_RECORDS, "nobody's", source.name, err,
		       "record " STR_FMT "%s" STR_FMT
		       ": whose it is, is not decided, and nothing is done for it",
		       STR_ARG(row->key), row->user_name.len ? ", user name " : "",
		       STR_ARG(row->user_name));
}

/* By address, user name, or a source's key. */
static int named_read(struct telling *t, struct err *err)
{
	CLEANUP(vec_source_row_free_all) struct vec_source_row sources = { 0 };
	CLEANUP(free_at) char *folded = NULL;
	size_t len;
	int r = str_fold(t->want->text, &folded, &len, err);

	if (r == 0)
		r = records_by_address(t->db, str_n(folded, len), on_named, t, err);
	if (r >= 0)
		r = sources_all(t->db, &sources, err);
	for (size_t i = 0; r >= 0 && i < sources.n; i++) {
		CLEANUP(record_done) struct record record = { 0 };

		r = records_get(t->db, sources.v[i].id, t->want->text, &record, err);
		if (r == 0)
			r = on_named(t, &record, err);
	}
	return r;
}

static int on_doubt(void *ctx, const struct doubt *row, struct err *err)
{
	struct telling *t = ctx;
	bool account = row->kind == DOUBT_ACCOUNT;
	char label[48];

	t->doubt = row->id;
	if (!number_in(t->records, t->record_count, row->left) &&
	    !(account ? number_in(t->accounts, t->account_count, row->right)
		      : number_in(t->records, t->record_count, row->right)))
		return 0;
	(void)snprintf(label, sizeof(label), "doubt %lld", (long long)row->id);
	return row_add(t, WHY_HELD, "ambiguous", label, err,
		       STR_FMT "; side by side: `leaverd match`; then `leaverd match confirm "
			       "%lld` or `leaverd match refuse %lld`",
		       STR_ARG(row->evidence), (long long)row->id, (long long)row->id);
}

static int doubts_read(struct telling *t, struct err *err)
{
	int64_t before = -1;
	int r = 0;

	if (t->want->account)
		number_add(t->accounts, &t->account_count, (int64_t)t->want->account);
	if (t->want->person)
		r = records_of_person(t->db, (int64_t)t->want->person, on_record, t, err);
	if (r >= 0 && t->want->person)
		r = persons_accounts(t->db, (int64_t)t->want->person, on_account, t, err);
	if (r >= 0 && t->want->text.len)
		r = named_read(t, err);
	while (r >= 0 && t->doubt != before) {
		before = t->doubt;
		r = persons_doubts(t->db, DOUBT_OPEN, t->doubt, DOUBTS_PAGE, on_doubt, t, err);
	}
	return r < 0 ? r : 0;
}

int why_told_read(struct app *app, const struct why_told_want *want, struct why_told_read *ret,
		  struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct telling t = { .want = want, .ret = ret, .now_ms = stamp_now_ms() };
	int r = store_read_begin(app->store, &db, err);

	t.db = db;
	if (r == 0)
		r = doubts_read(&t, err);
	return r == 0 ? waiting_read(&t, err) : r;
}
