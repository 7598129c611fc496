#include "bridge/report_table.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "bridge/sealed.h"
#include "store/accounts.h"
#include "store/store.h"

/* clang-format off */

static const struct export_column seats_columns[] = {
	{ "org", EXPORT_TEXT, 0, "" }, { "product", EXPORT_TEXT, 0, "" }, { "site", EXPORT_TEXT, 0, "" },
	{ "seats", EXPORT_INT, 0, "" }, { "used", EXPORT_INT, 0, "" }, { "inactive", EXPORT_INT, 0, "" },
	{ "neverUsed", EXPORT_INT, 0, "" }, { "unknown", EXPORT_INT, 0, "" }, { "protected", EXPORT_INT, 0, "" },
	{ "licensed", EXPORT_INT, 0, "" }, { "free", EXPORT_INT, 0, "" }, { 0 }
};
static const struct export_column paths_columns[] = {
	{ "org", EXPORT_TEXT, 0, "" }, { "product", EXPORT_TEXT, 0, "" }, { "site", EXPORT_TEXT, 0, "" },
	{ "path", EXPORT_TEXT, 0, "" }, { "seats", EXPORT_INT, 0, "" }, { "alone", EXPORT_INT, 0, "" }, { 0 }
};
static const struct export_column savings_columns[] = {
	{ "org", EXPORT_TEXT, 0, "" }, { "product", EXPORT_TEXT, 0, "" }, { "site", EXPORT_TEXT, 0, "" },
	{ "what", EXPORT_TEXT, 0, "" }, { "seats", EXPORT_INT, 0, "" }, { "price", EXPORT_DECIMAL, 0, "" },
	{ "perMonth", EXPORT_DECIMAL, 0, "" }, { "currency", EXPORT_TEXT, 0, "" },
	{ "paysFrom", EXPORT_TEXT, 0, "" }, { "forecast", EXPORT_BOOL, 0, "" }, { 0 }
};
static const struct export_column inactive_columns[] = {
	{ "org", EXPORT_TEXT, 0, "" }, { "email", EXPORT_TEXT, 0, "" }, { "name", EXPORT_TEXT, 0, "" },
	{ "person", EXPORT_INT, 0, "" }, { "product", EXPORT_TEXT, 0, "" }, { "site", EXPORT_TEXT, 0, "" },
	{ "lastActive", EXPORT_TIME, 0, "" }, { "neverUsed", EXPORT_BOOL, 0, "" }, { "days", EXPORT_INT, 0, "" },
	{ "paths", EXPORT_LIST, 0, "" }, { 0 }
};
static const struct export_column departments_columns[] = {
	{ "org", EXPORT_TEXT, 0, "" }, { "department", EXPORT_TEXT, 0, "" }, { "people", EXPORT_INT, 0, "" },
	{ "seats", EXPORT_INT, 0, "" }, { "inactive", EXPORT_INT, 0, "" }, { "perMonth", EXPORT_DECIMAL, 0, "" },
	{ "currency", EXPORT_TEXT, 0, "" }, { 0 }
};
static const struct export_column managers_columns[] = {
	{ "org", EXPORT_TEXT, 0, "" }, { "manager", EXPORT_TEXT, 0, "" }, { "people", EXPORT_INT, 0, "" },
	{ "seats", EXPORT_INT, 0, "" }, { "inactive", EXPORT_INT, 0, "" }, { "perMonth", EXPORT_DECIMAL, 0, "" },
	{ "currency", EXPORT_TEXT, 0, "" }, { 0 }
};
static const struct export_column orphans_columns[] = {
	{ "org", EXPORT_TEXT, 0, "" }, { "kind", EXPORT_TEXT, 0, "" }, { "person", EXPORT_INT, 0, "" }, { "accountId", EXPORT_TEXT, 0, "" }, { "email", EXPORT_TEXT, 0, "" },
	{ "name", EXPORT_TEXT, 0, "" }, { "status", EXPORT_TEXT, 0, "" }, { "admin", EXPORT_BOOL, 0, "" },
	{ "addedAt", EXPORT_TIME, 0, "" }, { "lastActive", EXPORT_TIME, 0, "" }, { 0 }
};
static const struct export_column doubtful_columns[] = {
	{ "doubt", EXPORT_INT, 0, "" }, { "about", EXPORT_TEXT, 0, "" }, { "rule", EXPORT_TEXT, 0, "" },
	{ "evidence", EXPORT_TEXT, 0, "" }, { "raisedAt", EXPORT_TIME, 0, "" }, { "days", EXPORT_INT, 0, "" }, { 0 }
};
static const struct export_column leavers_columns[] = {
	{ "org", EXPORT_TEXT, 0, "" }, { "plan", EXPORT_INT, 0, "" }, { "n", EXPORT_INT, 0, "" },
	{ "person", EXPORT_INT, 0, "" }, { "account", EXPORT_INT, 0, "" }, { "kind", EXPORT_TEXT, 0, "" },
	{ "rule", EXPORT_TEXT, 0, "" }, { "dueAt", EXPORT_TIME, 0, "" }, { "lateHours", EXPORT_INT, 0, "" },
	{ "held", EXPORT_BOOL, 0, "" }, { "planState", EXPORT_TEXT, 0, "" }, { "state", EXPORT_TEXT, 0, "" },
	{ "email", EXPORT_TEXT, 0, "" }, { 0 }
};
static const struct export_column exemptions_columns[] = {
	{ "number", EXPORT_INT, 0, "" }, { "kind", EXPORT_TEXT, 0, "" }, { "person", EXPORT_INT, 0, "" },
	{ "account", EXPORT_INT, 0, "" }, { "rule", EXPORT_TEXT, 0, "" }, { "owner", EXPORT_TEXT, 0, "" },
	{ "reason", EXPORT_TEXT, 0, "" }, { "setAt", EXPORT_TIME, 0, "" }, { "until", EXPORT_TIME, 0, "" },
	{ "daysLeft", EXPORT_INT, 0, "" }, { 0 }
};
static const struct export_column auditor_columns[] = {
	{ "row", EXPORT_INT, 0, "" }, { "asked", EXPORT_TEXT, 0, "" }, { "effective", EXPORT_TEXT, 0, "" },
	{ "person", EXPORT_INT, 0, "" }, { "answer", EXPORT_TEXT, 0, "" }, { "org", EXPORT_TEXT, 0, "" },
	{ "email", EXPORT_TEXT, 0, "" }, { "status", EXPORT_TEXT, 0, "" }, { "knownAt", EXPORT_TIME, 0, "" },
	{ "removedAt", EXPORT_TIME, 0, "" }, { "hoursFromEffective", EXPORT_INT, 0, "" },
	{ "hoursFromKnown", EXPORT_INT, 0, "" }, { "plan", EXPORT_INT, 0, "" }, { "detail", EXPORT_TEXT, 0, "" }, { 0 }
};
static const struct export_column deprovisioning_columns[] = {
	{ "org", EXPORT_TEXT, 0, "" }, { "plan", EXPORT_INT, 0, "" }, { "n", EXPORT_INT, 0, "" },
	{ "person", EXPORT_INT, 0, "" }, { "kind", EXPORT_TEXT, 0, "" }, { "rule", EXPORT_TEXT, 0, "" },
	{ "endedAt", EXPORT_TIME, 0, "" }, { "knownAt", EXPORT_TIME, 0, "" }, { "doneAt", EXPORT_TIME, 0, "" },
	{ "hours", EXPORT_DECIMAL, 0, "" }, { "hoursFromKnown", EXPORT_DECIMAL, 0, "" },
	{ "businessHours", EXPORT_DECIMAL, 0, "" }, { "breach", EXPORT_BOOL, 0, "" }, { 0 }
};
static const struct export_column trend_columns[] = {
	{ "day", EXPORT_TEXT, 0, "" }, { "leaver", EXPORT_INT, 0, "" }, { "inactive", EXPORT_INT, 0, "" },
	{ "other", EXPORT_INT, 0, "" }, { "done", EXPORT_INT, 0, "" }, { "notDone", EXPORT_INT, 0, "" }, { 0 }
};
static const struct export_column feeds_columns[] = {
	{ "source", EXPORT_TEXT, 0, "" }, { "kind", EXPORT_TEXT, 0, "" }, { "role", EXPORT_TEXT, 0, "" },
	{ "health", EXPORT_TEXT, 0, "" }, { "users", EXPORT_INT, 0, "" }, { "active", EXPORT_INT, 0, "" },
	{ "acceptedAt", EXPORT_TIME, 0, "" }, { "ageHours", EXPORT_INT, 0, "" },
	{ "readsRefused", EXPORT_INT, 0, "" }, { "reason", EXPORT_TEXT, 0, "" }, { 0 }
};
static const struct export_column keys_columns[] = {
	{ "kind", EXPORT_TEXT, 0, "" }, { "name", EXPORT_TEXT, 0, "" }, { "for", EXPORT_TEXT, 0, "" },
	{ "owner", EXPORT_TEXT, 0, "" }, { "setAt", EXPORT_TIME, 0, "" }, { "usedAt", EXPORT_TIME, 0, "" },
	{ "expiresAt", EXPORT_TIME, 0, "" }, { "daysLeft", EXPORT_INT, 0, "" }, { 0 }
};

static const struct export_column activity_columns[] = {
	{ "day", EXPORT_TEXT, 0, "" }, { "org", EXPORT_TEXT, 0, "" }, { "product", EXPORT_TEXT, 0, "" },
	{ "site", EXPORT_TEXT, 0, "" }, { "seats", EXPORT_INT, 0, "" }, { "usedOrUnknown", EXPORT_INT, 0, "" },
	{ "idle", EXPORT_INT, 0, "" }, { "neverUsed", EXPORT_INT, 0, "" }, { 0 }
};
static const struct export_column reviews_columns[] = {
	{ "review", EXPORT_INT, 0, "" }, { "org", EXPORT_TEXT, 0, "" }, { "manager", EXPORT_TEXT, 0, "" },
	{ "seats", EXPORT_INT, 0, "" }, { "keep", EXPORT_INT, 0, "" }, { "remove", EXPORT_INT, 0, "" },
	{ "unanswered", EXPORT_INT, 0, "" }, { "begunAt", EXPORT_TIME, 0, "" }, { "dueAt", EXPORT_TIME, 0, "" },
	{ "answeredAt", EXPORT_TIME, 0, "" }, { "closedAt", EXPORT_TIME, 0, "" }, { 0 }
};

/* Hundredths of hours, as DECIMAL has them. */
static const struct report_step hours_steps[] = {
	{ 100, "within an hour" }, { 400, "within 4 hours" }, { 2400, "within a day" }, { 7200, "within 3 days" },
	{ 16800, "within a week" }, { INT64_MAX, "later" }, { INT64_MIN, "not known" }
};
static const struct report_step days_steps[] = {
	{ 0, "over" }, { 7, "within 7 days" }, { 30, "within 30 days" }, { 90, "within 90 days" },
	{ INT64_MAX, "later" }, { INT64_MIN, "no end" }
};
static const struct report_step age_steps[] = {
	{ 7, "up to 7 days old" }, { 30, "up to 30 days" }, { 90, "up to 90 days" }, { INT64_MAX, "older" },
	{ INT64_MIN, "not known" }
};

const struct report reports[] = {
	{ "seats", "Seats", "Of each product and site: used, inactive, never used, protected, and what the licence holds. "
	  "A seat is inactive when the newest use that Atlassian tells of is older than --days, and its lag of 24 hours.",
	  seats_columns, report_seats, 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8, "product", "site",
	  .series = { "used", "inactive", "neverUsed" } },
	{ "paths", "Seats by path", "Which group or role keeps how many seats, and how many are kept by it alone.",
	  paths_columns, report_paths, 0, "path", "product", .series = { "seats" } },
	{ "savings", "Savings", "What the inactive and never used seats cost by the prices of the configuration, and from "
	  "when freeing them would pay. Seats that were freed are told as such; what is not yet done is a forecast.",
	  savings_columns, report_savings, 1 << 4, "what", "site", .series = { "perMonth" } },
	{ "inactive", "Inactive seats", "Seats that nobody used for --days, or ever.",
	  inactive_columns, report_inactive, 0, "product", NULL, { NULL }, .counts = "seats", .grouped = true },
	{ "departments", "Charge-back by department", "People, seats and cost by department; departments of fewer than five "
	  "people are shown together.", departments_columns, report_departments, 1 << 2 | 1 << 3 | 1 << 4, "department",
	  NULL, .series = { "seats" } },
	{ "managers", "Charge-back by manager", "People, seats and cost by manager, as sources name them; managers of fewer than "
	  "five people are shown together.", managers_columns, report_managers, 1 << 2 | 1 << 3 | 1 << 4, "manager",
	  NULL, .series = { "seats" } },
	{ "leavers", "Leavers under way", "Steps about leavers in plans that are not through, with how late they are.",
	  leavers_columns, report_leavers, 0, "kind", NULL, { NULL }, .counts = "steps", .grouped = true },
	{ "orphans", "Orphans and unlinked", "Accounts of verified domains that no person explains (orphan), those of "
	  "other domains that nobody is linked to (unlinked), and active people without an account (no account).",
	  orphans_columns, report_orphans, 0, "kind", NULL, { NULL }, .counts = "accounts or people", .grouped = true },
	{ "doubtful", "Doubtful matches", "Pairs that may be one person, and wait for somebody to say so.",
	  doubtful_columns, report_doubtful, 0, "days", NULL, { NULL }, .counts = "doubts", .steps = age_steps },
	{ "deprovisioning", "Time to deprovision", "How long after their last day leavers were first blocked: by the clock, from when "
	  "leaverd first knew, and by business days; who is not blocked yet is told with the time that has passed. Longer than "
	  "--within is a breach.",
	  deprovisioning_columns, report_deprovisioning, 0, "hours", NULL, { NULL }, .counts = "leavers", .steps = hours_steps },
	{ "auditor", "Auditor's sample", "Every row of a list that somebody else made, answered.",
	  auditor_columns, report_auditor, 0, "answer", NULL, { NULL }, .counts = "answers", .grouped = true },
	{ "exemptions", "Exemptions", "What is protected, who answers for it, and until when.",
	  exemptions_columns, report_exemptions, 0, "daysLeft", NULL, { NULL }, .counts = "exemptions", .steps = days_steps },
	{ "reviews", "Access reviews", "What was asked of each manager, and what they answered.",
	  reviews_columns, report_reviews, 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6, "manager", NULL, { "keep", "remove", "unanswered" },
	  .grouped = true },
	{ "feeds", "Health of the feeds", "Where each source of people stands.",
	  feeds_columns, report_feeds, 1 << 4 | 1 << 5, "source", NULL, .series = { "users" } },
	{ "keys", "Tokens and keys", "Secrets and tokens by when they end.", keys_columns, report_keys, 0, "daysLeft", NULL, { NULL },
	  .counts = "secrets and tokens", .steps = days_steps },
	{ "activity", "Activity", "Of each product and day: seats, and how many of them nobody used.",
	  activity_columns, report_activity, 0, "day", NULL, { "usedOrUnknown", "idle", "neverUsed" }, .grouped = true,
	  .newest = true },
	{ "trend", "Actions", "Actions that were begun, by day.", trend_columns, report_trend,
	  1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5, "day", NULL, { "leaver", "inactive", "other" }, .newest = true },
	{ 0 }
};

/* clang-format on */

const struct report *report_of(const char *name)
{
	for (const struct report *r = reports; name && r->name; r++)
		if (!strcmp(r->name, name))
			return r;
	return NULL;
}

int report_row(struct report_run *run, json_t *row, struct err *err)
{
	if (row && json_array_size(run->rows) >= REPORT_ROWS_MOST) {
		run->left_out++;
		json_decref(row);
		return 0;
	}
	return jx_add(run->rows, row, err);
}

int report_note(struct report_run *run, struct err *err, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return jx_add(run->notes, json_string(text), err);
}

json_t *report_ms(int64_t ms)
{
	return ms > 0 ? json_integer(ms) : json_null();
}

json_t *report_days_left(const struct report_run *run, int64_t ms)
{
	int64_t left = ms - run->now_ms;

	if (ms <= 0)
		return json_null();
	return json_integer(left > 0 ? (left + STAMP_DAY_MS - 1) / STAMP_DAY_MS
				     : left / STAMP_DAY_MS);
}

bool report_wants(const struct report_run *run, const char *org)
{
	const char *only = jx_get_text(run->in, "org");

	return !only || !strcmp(only, org);
}

static int columns_out(const struct report *r, json_t *out, struct err *err)
{
	static const char *const types[] = { "text", "int", "bool", "time", "decimal", "list" };
	json_t *columns;
	unsigned i = 0;
	int f = jx_set(out, "columns", columns = json_array(), err);

	for (const struct export_column *c = r->columns; f == 0 && c->name; c++, i++)
		f = jx_add(columns,
			   json_pack("{s:s,s:s,s:b}", "name", c->name, "type", types[c->type],
				     "total", (int)(r->totals >> i & 1)),
			   err);
	return f;
}

static int totals_out(const struct report *r, const json_t *rows, json_t *out, struct err *err)
{
	json_t *totals, *row;
	unsigned i = 0;
	size_t at;
	int f;

	if (!r->totals)
		return 0;
	f = jx_set(out, "totals", totals = json_array(), err);
	for (const struct export_column *c = r->columns; f == 0 && c->name; c++, i++) {
		int64_t sum = 0;

		json_array_foreach ((json_t *)(uintptr_t)rows, at, row)
			sum += json_integer_value(json_array_get(row, i));
		f = jx_add(totals, r->totals >> i & 1 ? json_integer(sum) : json_null(), err);
	}
	return f;
}

/* When each organisation was read: what a report says is as old as that. */
static int reads_note(struct report_run *run, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(run->app->store, &db, err);

	for (size_t i = 0; r == 0 && i < run->app->config.organisations.n; i++) {
		const char *name = config_org_at(&run->app->config, i)->name;
		CLEANUP(org_row_done) struct org_row row = { 0 };
		char text[STAMP_TEXT_BYTES];

		if (!report_wants(run, name))
			continue;
		r = accounts_org_get(db, name, &row, err);
		if (r < 0)
			return r;
		stamp_text(row.ended_ms, text);
		r = row.generation ? report_note(run, err, "%s was read %s%s.", name, text,
						 row.complete ? "" : ", not completely")
				   : report_note(run, err, "%s was never read.", name);
	}
	return r;
}

static int make(struct report_run *run, const struct report *report, json_t *out,
		struct err *err)
{
	int r = report->make(run, err);

	if (r == 0)
		r = reads_note(run, err);
	if (r == 0 && run->left_out)
		r = report_note(run, err,
				"%lld more rows are left out: `leaverd export` has them all.",
				(long long)run->left_out);
	if (r == 0)
		r = columns_out(report, out, err);
	return r < 0 ? r : totals_out(report, run->rows, out, err);
}

static int names_out(json_t *out, struct err *err)
{
	json_t *list;
	int r = jx_set(out, "reports", list = json_array(), err);

	for (const struct report *p = reports; r == 0 && p->name; p++)
		r = jx_add(list,
			   json_pack("{s:s,s:s,s:s}", "name", p->name, "title", p->title,
				     "about", p->about),
			   err);
	return r;
}

static int run_report(struct app *app, const struct who *who, const json_t *in, json_t *out,
		      struct err *err)
{
	const char *name = jx_get_text(in, "name"), *org = jx_get_text(in, "org");
	const struct report *report = report_of(name);
	const json_t *days = json_object_get(in, "days");
	struct report_run run = { .app = app, .who = who, .in = in, .now_ms = stamp_now_ms() };
	const struct config_org *known;
	char what[40];
	int r;

	if (!name)
		return names_out(out, err);
	if (!report)
		return err_set(err, ERR_USAGE,
			       "there is no report '%s': `leaverd report` lists them", name);
	run.days = json_is_integer(days) ? json_integer_value(days) : 90;
	if (run.days < 0 || run.days > 36500)
		return err_set(err, ERR_USAGE, "--days takes 0 to 36500");
	r = org ? ask_org(app, org, &known, err) : 0;
	if (r == 0)
		r = sealed_may_see(app, in, &run.may_see_ends, err);
	if (r == 0)
		r = jx_set(out, "name", json_string(report->name), err);
	if (r == 0)
		r = jx_set(out, "instance", json_string(app->config.instance.name), err);
	if (r == 0)
		r = jx_set(out, "made_ms", json_integer(run.now_ms), err);
	if (r == 0)
		r = jx_set(out, "rows", run.rows = json_array(), err);
	if (r == 0)
		r = jx_set(out, "notes", run.notes = json_array(), err);
	if (r == 0)
		r = make(&run, report, out, err);
	if (r < 0)
		return r;
	snprintf(what, sizeof(what), "report %s", name);
	return ask_note_read(app, who, what, (int64_t)json_array_size(run.rows), err);
}

const struct verb verbs_report[] = {
	{ "report", VERB_STORE | VERB_LONG, run_report },
	{ NULL, 0, NULL },
};
