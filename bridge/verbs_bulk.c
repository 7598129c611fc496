/* The verb bulk: what a person asks for in a file, or for all that a filter names, becomes a
 * plan. Nothing is changed here. */
#include <ctype.h>
#include <inttypes.h>

#include "bridge/ask.h"
#include "bridge/export.h"
#include "bridge/listing.h"
#include "bridge/planner.h"
#include "hr/csv.h"
#include "hr/options.h"
#include "reconcile/bulk.h"
#include "store/store.h"
#include "store/walk.h"

#define BULK_ROWS_MOST 250000
#define BULK_FAULTS_SHOWN 1000
#define BULK_RESULT_MAX ((size_t)48 << 20) /* what one answer carries, with room beside it */

/* --- columns --------------------------------------------------------------------------------
 */

/* Ours are those of a result, from COLUMN_OURS down: no row's own. */
enum { COLUMN_KEPT = -1, COLUMN_OURS = -2, COLUMN_PLAN = -3, COLUMN_ACTION = -4 };

/* Small letters and digits of a header cell: "New E-mail" is newemail. */
static const struct {
	const char *word;
	int cell;
} columns[] = {
	{ "op", BULK_OP },
	{ "operation", BULK_OP },
	{ "who", BULK_WHO },
	{ "accountid", BULK_ACCOUNT_ID },
	{ "userid", BULK_ACCOUNT_ID },
	{ "email", BULK_EMAIL },
	{ "mail", BULK_EMAIL },
	{ "person", BULK_PERSON },
	{ "group", BULK_GROUP },
	{ "groupname", BULK_GROUP },
	{ "product", BULK_PRODUCT },
	{ "site", BULK_SITE },
	{ "newname", BULK_NAME },
	{ "newemail", BULK_NEW_EMAIL },
	{ "directory", BULK_DIRECTORY },
	{ "like", BULK_LIKE },
	/* of a result that is fed back */
	{ "status", COLUMN_OURS },
	{ "plan", COLUMN_PLAN },
	{ "action", COLUMN_ACTION },
	{ "message", COLUMN_OURS },
};

static const char *const cell_words[BULK_CELL_COUNT] = {
	[BULK_OP] = "op",
	[BULK_WHO] = "who",
	[BULK_ACCOUNT_ID] = "account_id",
	[BULK_EMAIL] = "email",
	[BULK_PERSON] = "person",
	[BULK_GROUP] = "group",
	[BULK_PRODUCT] = "product",
	[BULK_SITE] = "site",
	[BULK_NAME] = "new_name",
	[BULK_NEW_EMAIL] = "new_email",
	[BULK_DIRECTORY] = "directory",
	[BULK_LIKE] = "like",
};

static int column_of(struct str name)
{
	char word[32];
	size_t n = 0;

	for (size_t i = 0; i < name.len; i++) {
		unsigned char b = (unsigned char)name.p[i];

		if (!isalnum(b))
			continue;
		if (n == sizeof(word) - 1)
			return COLUMN_KEPT;
		word[n++] = (char)tolower(b);
	}
	word[n] = '\0';
	for (size_t i = 0; i < COUNT_OF(columns); i++)
		if (strcmp(columns[i].word, word) == 0)
			return columns[i].cell;
	return COLUMN_KEPT;
}

/* --- the file -------------------------------------------------------------------------------
 */

/* Where a row and its values stand. */
struct place {
	uint32_t line;
	uint32_t columns[BULK_CELL_COUNT]; /* 0: the value was not in the file */
	size_t kept_from, kept_to;         /* of .kept: its values as CSV, for the result */
	int64_t plan, action; /* by which it was tried, where the row says so; else 0 */
};

VEC(vec_bulk_row, struct bulk_row);
VEC(vec_place, struct place);
VEC(vec_answer, struct bulk_answer);

struct bulk {
	struct app *app;
	const struct who *who;
	const json_t *in;
	struct plan_arena arena;           /* texts of the rows */
	struct str given[BULK_CELL_COUNT]; /* what the command line says for all rows */
	struct vec_bulk_row rows;
	struct vec_place places;
	struct vec_answer answers; /* merged over organisations */
	int cells[HR_COLUMNS_MAX];
	size_t columns;
	bool header, with_result, skip_faulty, dry, unused;
	struct buf kept, head; /* CSV: rows and header, without our own columns */
	json_t *faults;        /* borrowed from the answer */
	size_t fault_count;
	/* what each organisation made of it: texts of answers live there */
	struct reconcile_result *results[2 * CONFIG_ORGS_MAX];
	size_t result_count;
};

static void bulk_done(struct bulk *b)
{
	for (size_t i = 0; i < b->result_count; i++)
		reconcile_result_free(b->results[i]);
	vec_bulk_row_done(&b->rows);
	vec_place_done(&b->places);
	vec_answer_done(&b->answers);
	buf_done(&b->kept);
	buf_done(&b->head);
	arena_done(&b->arena);
}

static int fault_add(struct bulk *b, uint32_t line, uint32_t column, const char *text,
		     struct err *err)
{
	json_t *row;

	b->fault_count++;
	if (json_array_size(b->faults) >= BULK_FAULTS_SHOWN)
		return 0;
	row = json_pack("{s:I,s:I,s:s}", "line", (json_int_t)line, "column", (json_int_t)column,
			"text", text);
	return jx_add(b->faults, row, err);
}

static int header_read(struct bulk *b, const struct hr_cell *cells, size_t n, struct err *err)
{
	bool seen[BULK_CELL_COUNT] = { false }, whom = false;

	for (size_t i = 0; i < n; i++) {
		int cell = column_of(cells[i].text);

		if (cell >= 0 && seen[cell])
			return err_set(err, ERR_INVALID_VALUE,
				       "line %" PRIu64 ", column %" PRIu64
				       ": a column before this one is the %s already",
				       cells[i].line, cells[i].column, cell_words[cell]);
		if (cell >= 0)
			seen[cell] = true;
		b->cells[i] = cell;
		if (cell <= COLUMN_OURS)
			continue;
		if (b->head.len)
			buf_add_char(&b->head, ',');
		export_csv_cell(&b->head, export_csv_plain(cells[i].text));
	}
	for (int i = BULK_WHO; i <= BULK_GROUP; i++)
		whom = whom || seen[i];
	if (!whom)
		return err_set(
			err, ERR_INVALID_VALUE,
			"line 1: no column says whom it is about: one must be called who, "
			"account_id, email or person (or group, for groups as such)");
	if (!seen[BULK_OP] && !b->given[BULK_OP].len)
		return err_set(err, ERR_USAGE,
			       "no column is called op: say with --do what is to be done");
	b->columns = n;
	b->header = true;
	return buf_fault(&b->head, err, "the header");
}

/* The values of one row, and what is given for all. */
static int cells_take(struct bulk *b, const struct hr_cell *cells, size_t n,
		      struct bulk_row *row, struct place *place, struct err *err)
{
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < BULK_CELL_COUNT; i++)
		row->cells[i] = b->given[i];
	for (size_t i = 0; i < b->columns && r == 0; i++) {
		int cell = b->cells[i];
		struct str text =
			i < n ? str_trim(export_csv_plain(cells[i].text)) : (struct str){ 0 };
		const char *copy;

		/* a row that is too short must not shift what stands behind it */
		if (b->with_result && cell > COLUMN_OURS) {
			if (kept++)
				buf_add_char(&b->kept, ',');
			export_csv_cell(&b->kept,
					i < n ? export_csv_plain(cells[i].text) : STR(""));
		}
		if (cell == COLUMN_PLAN && !str_int64(text, &place->plan))
			place->plan = 0;
		if (cell == COLUMN_ACTION && !str_int64(text, &place->action))
			place->action = 0;
		if (cell < 0 || i >= n)
			continue;
		place->columns[cell] = (uint32_t)cells[i].column;
		if (!text.len)
			continue;
		r = arena_text(&b->arena, text, &copy, err);
		if (r == 0)
			row->cells[cell] = str_n(copy, text.len);
	}
	place->kept_to = b->kept.len;
	return r < 0 ? r : buf_fault(&b->kept, err, "the rows");
}

static int row_add(struct bulk *b, const struct bulk_row *row, const struct place *place,
		   const struct bulk_answer *answer, struct err *err)
{
	if (b->rows.n == BULK_ROWS_MOST)
		return err_set(err, ERR_LIMIT, "more than %d rows: take several files",
			       BULK_ROWS_MOST);
	if (vec_bulk_row_add(&b->rows, *row) < 0 || vec_place_add(&b->places, *place) < 0 ||
	    vec_answer_add(&b->answers, *answer) < 0)
		return err_nomem(err);
	return 0;
}

static int row_read(struct bulk *b, const struct hr_cell *cells, size_t n, struct err *err)
{
	struct bulk_row row = { .op = BULK_OP_COUNT };
	struct place place = { .line = (uint32_t)cells[0].line, .kept_from = b->kept.len };
	struct bulk_answer answer = { .status = BULK_ELSEWHERE, .cell = BULK_OP };
	int r = cells_take(b, cells, n, &row, &place, err);

	if (r < 0)
		return r;
	if (n != b->columns) {
		answer.status = BULK_FAULTY;
		answer.text = n < b->columns ? "the row has fewer values than the header"
					     : "the row has more values than the header";
	} else if (!bulk_op_of(row.cells[BULK_OP], &row.op)) {
		answer.status = BULK_FAULTY;
		answer.text = row.cells[BULK_OP].len
				      ? "there is no such operation; `leaverd help bulk` lists "
					"them"
				      : "the row says no operation";
	}
	if (answer.status == BULK_FAULTY)
		row.op = BULK_SUSPEND; /* not looked at */
	return row_add(b, &row, &place, &answer, err);
}

static int on_row(void *ctx, struct hr_cell *cells, size_t n, struct err *err)
{
	struct bulk *b = ctx;

	if (b->rows.n % 4096 == 0 && verb_cancelled(b->app))
		return err_set(err, ERR_CANCELLED, "bulk: ended while the file was read");
	return b->header ? row_read(b, cells, n, err) : header_read(b, cells, n, err);
}

/* The delimiter that the header has most of; one column alone has none. */
static char delimiter_of(struct str text)
{
	static const char marks[] = { ',', ';', '\t', '|' };
	size_t counts[COUNT_OF(marks)] = { 0 }, best = 0, len = 0;
	bool quoted = false;

	(void)hr_csv_first_row(text, true, &len);
	for (size_t i = 0; i < len; i++) {
		quoted ^= text.p[i] == '"';
		for (size_t k = 0; k < COUNT_OF(marks) && !quoted; k++)
			counts[k] += text.p[i] == marks[k];
	}
	for (size_t k = 1; k < COUNT_OF(marks); k++)
		best = counts[k] > counts[best] ? k : best;
	return marks[best];
}

static int file_read(struct bulk *b, const json_t *text, struct err *err)
{
	CLEANUP(hr_csv_free_at) struct hr_csv *csv = NULL;
	struct str all = str_n(json_string_value(text), json_string_length(text));
	int r = hr_csv_new(delimiter_of(all), on_row, b, &csv, err);

	if (r == 0)
		r = hr_csv_add(csv, all, err);
	if (r == 0)
		r = hr_csv_end(csv, err);
	if (r == 0 && !b->header)
		return err_set(err, ERR_INVALID_VALUE, "the file is empty");
	return r < 0 ? err_context(err, r, "%s",
				   jx_get_text(b->in, "file") ? jx_get_text(b->in, "file")
							      : "the file")
		     : 0;
}

/* --- a filter -------------------------------------------------------------------------------
 */

/* One account that the filter names, as a row of a file would. */
static int selected_add(void *ctx, const json_t *account, struct err *err)
{
	struct bulk *b = ctx;
	struct bulk_row row = { .account = (uint64_t)json_integer_value(
					json_object_get(account, "account")) };
	struct place place = { .kept_from = b->kept.len };
	const struct bulk_answer answer = { .status = BULK_ELSEWHERE };

	for (size_t i = 0; i < BULK_CELL_COUNT; i++)
		row.cells[i] = b->given[i];
	(void)bulk_op_of(b->given[BULK_OP], &row.op);
	if (b->with_result) {
		export_csv_cell(&b->kept, b->given[BULK_OP]);
		for (int i = 0; i < 2; i++) {
			buf_add_char(&b->kept, ',');
			export_csv_cell(
				&b->kept,
				str_of(jx_get_text(account, i ? "email" : "account_id")));
		}
		for (int i = BULK_GROUP; i <= BULK_SITE; i++) {
			buf_add_char(&b->kept, ',');
			export_csv_cell(&b->kept, b->given[i]);
		}
	}
	place.kept_to = b->kept.len;
	return row_add(b, &row, &place, &answer, err);
}

static int filter_read(struct bulk *b, struct err *err)
{
	struct listing_place place = { 0 };
	int r;

	buf_add_text(&b->head, "op,account_id,email,group,product,site");
	r = listing_walk(b->app, b->in, false, &place, selected_add, b, err);
	if (r == 0)
		r = buf_fault(&b->kept, err, "the rows");
	/* reading who fits is reading of people: it is logged as a list is */
	return r < 0 ? r : ask_note_read(b->app, b->who, "accounts", (int64_t)b->rows.n, err);
}

/* --- organisations --------------------------------------------------------------------------
 */

/* An organisation's word about a row, beside what others said. */
static void answer_merge(struct bulk_answer *into, const struct bulk_answer *more)
{
	if (into->status == BULK_FAULTY)
		return;
	if (more->status == BULK_FAULTY || into->status == BULK_ELSEWHERE ||
	    (more->status != BULK_ELSEWHERE && more->status > into->status))
		*into = *more;
}

static bool takes_part(const struct bulk *b, const struct config_org *org)
{
	const char *only = jx_get_text(b->in, "org");

	return !only || strcmp(only, org->name) == 0;
}

static size_t orgs_count(const struct bulk *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->app->config.organisations.n; i++)
		n += takes_part(b, config_org_at(&b->app->config, i));
	return n;
}

static int plan_told(const struct config_org *org, const struct reconcile_result *result,
		     uint64_t number, bool unchanged, json_t *plans, struct err *err)
{
	const struct plan *plan = result->plans[PLAN_ROUTINE];
	size_t held = 0;

	if (!plan)
		return 0;
	for (size_t i = 0; i < plan->actions.n; i++)
		held += plan->actions.v[i].verdict == VERDICT_HELD;
	return jx_add(plans,
		      json_pack("{s:I,s:s,s:I,s:I,s:b,s:b}", "plan", (json_int_t)number, "org",
				org->name, "actions", (json_int_t)plan->actions.n,
				"held_actions", (json_int_t)held, "held", plan->held,
				"unchanged", unchanged),
		      err);
}

/* The answers of one organisation, with its plan where one is made. */
static int org_run(struct bulk *b, const struct config_org *org, bool dry, json_t *plans,
		   struct vec_answer *merged, uint64_t *numbers, struct err *err)
{
	CLEANUP(vec_answer_done) struct vec_answer mine = { 0 };
	struct reconcile_result *result = NULL;
	struct bulk_request request = {
		.rows = b->rows.v,
		.n = b->rows.n,
		.others = orgs_count(b) > 1,
		.skip_faulty = b->skip_faulty,
		.unused_groups = b->unused,
		.dry = dry,
		.reason = jx_get_text(b->in, "reason"),
		.by = b->who->name,
	};
	uint64_t number = 0;
	bool unchanged = false;
	int r;

	for (size_t i = 0; i < b->rows.n; i++)
		if (vec_answer_add(&mine, b->answers.v[i]) < 0)
			return err_nomem(err);
	request.answers = mine.v;
	r = planner_bulk(b->app, org, &request, b->who->name, &number, &unchanged, &result,
			 err);
	if (r < 0) {
		reconcile_result_free(result);
		return err_context(err, r, "organisation %s", org->name);
	}
	if (b->result_count == COUNT_OF(b->results)) {
		reconcile_result_free(result);
		return err_set(err, ERR_LIMIT, "more organisations than leaverd serves");
	}
	b->results[b->result_count++] = result;
	for (size_t i = 0; i < mine.n; i++) {
		struct bulk_answer before = merged->v[i];

		answer_merge(&merged->v[i], &mine.v[i]);
		if (mine.v[i].n && (merged->v[i].n != before.n || !numbers[i]))
			numbers[i] = number;
	}
	return plan_told(org, result, number, unchanged, plans, err);
}

static int merged_new(const struct bulk *b, struct vec_answer *ret, struct err *err)
{
	for (size_t i = 0; i < b->answers.n; i++)
		if (vec_answer_add(ret, b->answers.v[i]) < 0)
			return err_nomem(err);
	return 0;
}

static int orgs_run(struct bulk *b, bool dry, json_t *plans, struct vec_answer *merged,
		    uint64_t *numbers, struct err *err)
{
	int r = merged_new(b, merged, err);

	for (size_t i = 0; r == 0 && i < b->app->config.organisations.n; i++) {
		const struct config_org *org = config_org_at(&b->app->config, i);

		if (takes_part(b, org))
			r = org_run(b, org, dry, plans, merged, numbers, err);
	}
	for (size_t i = 0; r == 0 && i < merged->n; i++) {
		struct bulk_answer *a = &merged->v[i];

		if (a->status != BULK_ELSEWHERE)
			continue;
		a->status = BULK_FAULTY;
		a->text = a->cell == BULK_GROUP     ? "no organisation has such a group"
			  : a->cell == BULK_PRODUCT ? "no organisation has such a product"
						    : "no organisation has an account of that "
						      "name: give an account id, a mail "
						      "address, or a person's number";
	}
	return r;
}

static void answers_take(struct bulk *b, struct vec_answer *merged)
{
	vec_answer_done(&b->answers);
	b->answers = *merged;
	*merged = (struct vec_answer){ 0 };
}

static bool any_faulty(const struct vec_answer *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->v[i].status == BULK_FAULTY)
			return true;
	return false;
}

/* With several organisations the rows are judged in all of them before any plan is made. */
static int plans_make(struct bulk *b, json_t *plans, uint64_t *numbers, struct err *err)
{
	CLEANUP(vec_answer_done) struct vec_answer merged = { 0 };
	bool twice = orgs_count(b) > 1 && !b->dry;
	int r = orgs_run(b, b->dry || twice, plans, &merged, numbers, err);

	if (r < 0)
		return r;
	if (!twice || (any_faulty(&merged) && !b->skip_faulty)) {
		answers_take(b, &merged);
		return 0;
	}
	/* who is faulty stays so; the others are asked again */
	for (size_t i = 0; i < merged.n; i++)
		if (merged.v[i].status == BULK_FAULTY)
			b->answers.v[i] = merged.v[i];
	vec_answer_done(&merged);
	merged = (struct vec_answer){ 0 };
	r = orgs_run(b, false, plans, &merged, numbers, err);
	if (r == 0)
		answers_take(b, &merged);
	return r;
}

/* --- the answer -----------------------------------------------------------------------------
 */

static int faults_tell(struct bulk *b, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < b->answers.n && r == 0; i++) {
		const struct bulk_answer *a = &b->answers.v[i];
		const struct place *p = &b->places.v[i];
		uint32_t column = p->columns[a->cell];

		for (int c = BULK_WHO; c <= BULK_PERSON && a->cell == BULK_WHO && !column; c++)
			column = p->columns[c];
		if (a->status == BULK_FAULTY)
			r = fault_add(b, p->line, column ? column : 1, a->text ? a->text : "",
				      err);
	}
	return r;
}

/* A row that is right has no action where no plan was made. */
static bool is_ready(const struct bulk_answer *a)
{
	return a->status == BULK_PLANNED && !a->n;
}

static int counts_tell(struct bulk *b, json_t *out, struct err *err)
{
	const struct bulk_request request = { .n = b->answers.n, .answers = b->answers.v };
	struct bulk_counts counts;
	json_t *rows = json_object();
	int64_t ready = 0;
	int r = jx_set(out, "rows", rows, err);

	bulk_count(&request, &counts);
	for (size_t i = 0; i < b->answers.n; i++)
		ready += is_ready(&b->answers.v[i]);
	counts.v[BULK_PLANNED] -= (uint64_t)ready;
	if (r == 0)
		r = jx_set(rows, "ready", json_integer(ready), err);
	for (int i = 0; i < BULK_STATUS_COUNT && r == 0; i++)
		if (i != BULK_ELSEWHERE)
			r = jx_set(rows, bulk_status_word((enum bulk_status)i),
				   json_integer((json_int_t)counts.v[i]), err);
	return r;
}

/* Why an earlier try of the row came to nothing. */
static int tried_add(void *ctx, const struct action_row *row, struct str values,
		     struct str salt, struct err *err)
{
	struct buf *into = ctx;

	(void)values;
	(void)salt;
	(void)err;
	if (str_eq(row->rule, STR("bulk")) &&
	    (row->state == ACTION_FAILED || row->state == ACTION_HELD ||
	     row->state == ACTION_SKIPPED))
		buf_addf(into, " %s: " STR_FMT, action_state_words[row->state],
			 STR_ARG(row->result));
	return 1;
}

/* A row that is fed back and is still to be done: what became of the action that it names. */
static int tried_tell(struct bulk *b, const struct bulk_answer *a, const struct place *p,
		      struct buf *into, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	size_t before;
	int r;

	buf_clear(into);
	buf_add_text(into, a->text ? a->text : "");
	if (p->plan <= 0 || p->action <= 0 ||
	    (a->status != BULK_PLANNED && a->status != BULK_HELD))
		return buf_fault(into, err, "a message");
	buf_addf(into, "%splan %lld, action %lld", into->len ? "; " : "", (long long)p->plan,
		 (long long)p->action);
	before = into->len;
	r = store_read_begin(b->app->store, &db, err);
	if (r == 0)
		r = walk_actions(db, p->plan, p->action - 1, 1, tried_add, into, err);
	if (r >= 0 && into->len == before) { /* nothing is known of it, or it went well */
		buf_clear(into);
		buf_add_text(into, a->text ? a->text : "");
	}
	return r < 0 ? r : buf_fault(into, err, "a message");
}

static int result_tell(struct bulk *b, const uint64_t *numbers, json_t *out, struct err *err)
{
	CLEANUP(buf_done) struct buf message;
	CLEANUP(buf_done) struct buf text;
	int r = 0;

	buf_init(&message, 65536);
	buf_init(&text, BULK_RESULT_MAX);
	buf_add_str(&text, buf_str(&b->head));
	buf_add_text(&text, ",status,plan,action,message\n");
	for (size_t i = 0; r == 0 && i < b->answers.n; i++) {
		const struct bulk_answer *a = &b->answers.v[i];
		const struct place *p = &b->places.v[i];

		r = tried_tell(b, a, p, &message, err);
		buf_add(&text, b->kept.p ? b->kept.p + p->kept_from : "",
			p->kept_to - p->kept_from);
		buf_addf(&text, ",%s,", is_ready(a) ? "ready" : bulk_status_word(a->status));
		if (a->n)
			buf_addf(&text, "%" PRIu64 ",%" PRIu32 ",", numbers[i], a->n);
		else
			buf_add_text(&text, ",,");
		export_csv_cell(&text, buf_str(&message));
		buf_add_char(&text, '\n');
	}
	if (r == 0)
		r = buf_fault(&text, err, "the result");
	return r < 0 ? r : jx_set(out, "result", json_stringn(text.p, text.len), err);
}

static int ended(const struct bulk *b, struct err *err)
{
	if (!b->fault_count || b->skip_faulty)
		return 0;
	return err_set(err, ERR_INVALID_VALUE,
		       "%zu of %zu rows are faulty, and nothing was planned: correct them, or "
		       "leave them out with --skip-faulty",
		       b->fault_count, b->rows.n);
}

/* --- the verb -------------------------------------------------------------------------------
 */

static int given_read(struct bulk *b, struct err *err)
{
	static const struct {
		const char *member;
		enum bulk_cell cell;
	} rows[] = {
		{ "do", BULK_OP },
		{ "group", BULK_GROUP },
		{ "product", BULK_PRODUCT },
		{ "site", BULK_SITE },
		{ "directory", BULK_DIRECTORY },
		{ "like", BULK_LIKE },
	};
	enum bulk_op op;

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		b->given[rows[i].cell] = str_of(jx_get_text(b->in, rows[i].member));
	if (b->given[BULK_OP].len && !bulk_op_of(b->given[BULK_OP], &op))
		return err_set(err, ERR_USAGE, "--do: there is no operation " STR_FMT,
			       STR_ARG(b->given[BULK_OP]));
	return 0;
}

static int rows_read(struct bulk *b, struct err *err)
{
	const json_t *text = json_object_get(b->in, "text");
	const char *filter = jx_get_text(b->in, "filter");

	if ((text != NULL) + (filter != NULL) + b->unused != 1)
		return err_set(err, ERR_USAGE,
			       "bulk of what? Give one of FILE.csv, --filter with --do, and "
			       "--unused-groups");
	if (filter && !b->given[BULK_OP].len)
		return err_set(err, ERR_USAGE, "--filter says to whom: say with --do what");
	if (b->unused && b->with_result)
		return err_set(err, ERR_USAGE, "--unused-groups has no rows to answer");
	if (text)
		return file_read(b, text, err);
	return filter ? filter_read(b, err) : 0;
}

static int run(struct bulk *b, json_t *out, struct err *err)
{
	CLEANUP(free_at) uint64_t *numbers = NULL;
	json_t *plans = json_array();
	int r = jx_set(out, "plans", plans, err);

	if (r == 0)
		r = jx_set(out, "faults", b->faults = json_array(), err);
	if (r == 0)
		r = given_read(b, err);
	if (r == 0)
		r = rows_read(b, err);
	if (r < 0)
		return r;
	numbers = calloc(b->rows.n + 1, sizeof(*numbers));
	r = numbers ? plans_make(b, plans, numbers, err) : err_nomem(err);
	if (r == 0)
		r = faults_tell(b, err);
	if (r == 0)
		r = counts_tell(b, out, err);
	if (r == 0)
		r = jx_set(out, "faults_total", json_integer((json_int_t)b->fault_count), err);
	if (r == 0)
		r = jx_set(out, "dry", json_boolean(b->dry), err);
	if (r == 0 && b->with_result)
		r = result_tell(b, numbers, out, err);
	return r < 0 ? r : ended(b, err);
}

static int verb_bulk(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	CLEANUP(free_at) struct bulk *b = calloc(1, sizeof(*b));
	const char *org = jx_get_text(in, "org");
	const struct config_org *known;
	int r = b ? 0 : err_nomem(err);

	if (r == 0 && org)
		r = ask_org(app, org, &known, err);
	if (r < 0)
		return r;
	b->app = app;
	b->who = who;
	b->in = in;
	b->with_result = json_is_true(json_object_get(in, "result"));
	b->skip_faulty = json_is_true(json_object_get(in, "skip_faulty"));
	b->dry = json_is_true(json_object_get(in, "dry_run"));
	b->unused = json_is_true(json_object_get(in, "unused_groups"));
	buf_init(&b->kept, BULK_RESULT_MAX);
	buf_init(&b->head, 1024 * 1024);
	r = run(b, out, err);
	bulk_done(b);
	return r;
}

const struct verb verbs_bulk[] = {
	{ "bulk", VERB_STORE | VERB_LONG, verb_bulk },
	{ NULL, 0, NULL },
};
