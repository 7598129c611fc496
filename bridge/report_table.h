/*
 * Reports: what a report is called, its columns, where its rows come from, what is added up and
 * what its chart shows. One row of reports[] drives the table on a terminal, CSV, JSON and
 * HTML.
 *
 * A report's rows are JSON arrays, one cell a column, as export_json() takes them: texts,
 * numbers, TIME in ms, DECIMAL in hundredths, null for unknown.
 */
#ifndef BRIDGE_REPORT_TABLE_H
#define BRIDGE_REPORT_TABLE_H

#include "bridge/config_billing.h"
#include "bridge/export.h"
#include "bridge/verb.h"

#define REPORT_ROWS_MOST 10000 /* a longer list is cut, and says so: `export` has them all */
#define REPORT_SERIES 3
#define REPORT_SMALL 5 /* groups of fewer people are not shown by themselves */

struct report_run {
	struct app *app;
	const struct who *who;
	const json_t *in; /* org, days, within_ms, sample */
	int64_t now_ms, days;
	json_t *rows, *notes;
	int64_t left_out;
	bool may_see_ends; /* bridge/sealed.h */
};

/* A bar of numbers: up to most, and above the step before it. */
struct report_step {
	int64_t most;
	const char *says;
};

struct report {
	const char *name, *title, *about;
	const struct export_column *columns;
	int (*make)(struct report_run *run, struct err *err);
	unsigned totals; /* bit i: column i is added up */
	/* Names of columns: what the bars are called (beside: and then; may be NULL), and what
	 * they show, parts that do not overlap; NULL: no chart. */
	const char *label, *beside, *series[REPORT_SERIES];
	const char *counts; /* no series: a bar counts the rows of its label, called so */
	const struct report_step *steps; /* label is a number: bars in this order, ended by one
					    without a number: of rows that have none */
	bool grouped;                    /* rows of the same label are one bar */
	bool newest; /* where there are too many bars the last ones are drawn */
};
extern const struct report reports[]; /* ended by a NULL name */
const struct report *report_of(const char *name);

/* Takes row (a new array, may be NULL for lost memory). */
int report_row(struct report_run *run, json_t *row, struct err *err) MUST_USE;
int report_note(struct report_run *run, struct err *err, const char *format, ...) PRINTF(3, 4)
	MUST_USE;
json_t *report_ms(int64_t ms); /* null where there is none */
/* Days until then, begun ones too; null where there is no end. */
json_t *report_days_left(const struct report_run *run, int64_t ms);
/* Whether the request is about that organisation. */
bool report_wants(const struct report_run *run, const char *org);

/* bridge/report_seats.c */
int report_seats(struct report_run *run, struct err *err);
int report_paths(struct report_run *run, struct err *err);
int report_savings(struct report_run *run, struct err *err);
int report_inactive(struct report_run *run, struct err *err);
int report_departments(struct report_run *run, struct err *err);
int report_managers(struct report_run *run, struct err *err);
/* bridge/report_people.c */
int report_orphans(struct report_run *run, struct err *err);
int report_doubtful(struct report_run *run, struct err *err);
int report_leavers(struct report_run *run, struct err *err);
int report_exemptions(struct report_run *run, struct err *err);
/* bridge/report_auditor.c */
int report_auditor(struct report_run *run, struct err *err);
/* bridge/report_time.c */
int report_deprovisioning(struct report_run *run, struct err *err);
int report_trend(struct report_run *run, struct err *err);
/* bridge/report_activity.c */
int report_activity(struct report_run *run, struct err *err);
int report_reviews(struct report_run *run, struct err *err);
/* bridge/report_upkeep.c */
int report_feeds(struct report_run *run, struct err *err);
int report_keys(struct report_run *run, struct err *err);

#endif
