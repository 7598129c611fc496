/* Reports about people: leavers under way, orphans, doubts, exemptions. */
#include "bridge/report_table.h"

#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/ask.h"
#include "bridge/listing.h"
#include "bridge/sealed.h"
#include "model/plan.h"
#include "store/accounts.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/store.h"

#define PAGE 500

/* --- orphans
 * -----------------------------------------------------------------------------------
 */

static int account_row_add(struct report_run *run, const json_t *row, const char *kind,
			   struct err *err)
{
	static const char *const names[] = { "account_id",    "email", "name",
					     "status",        "admin", "added_ms",
					     "last_active_ms" };
	json_t *cells = json_pack("[O,s,n]", json_object_get(row, "org"), kind);
	int r = cells ? 0 : err_nomem(err);

	for (size_t i = 0; r == 0 && i < COUNT_OF(names); i++)
		r = jx_add(cells, json_incref(json_object_get(row, names[i])), err);
	if (r < 0) {
		json_decref(cells);
		return r;
	}
	return report_row(run, cells, err);
}

/* Accounts that nobody is linked to, but for those of doubts, which have a report. */
static int accounts_add(struct report_run *run, size_t counts[2], struct err *err)
{
	static const char *const kinds[] = { "orphan", "unlinked" };
	CLEANUP(json_decref_at) json_t *out = json_object();
	CLEANUP(json_decref_at) json_t *in = json_object();
	const json_t *row;
	size_t at;
	int r = out && in ? 0 : err_nomem(err);

	if (r == 0 && jx_get_text(run->in, "org"))
		r = jx_set(in, "org", json_incref(json_object_get(run->in, "org")), err);
	if (r == 0)
		r = jx_set(in, "limit", json_integer(REPORT_ROWS_MOST), err);
	if (r == 0)
		r = listing_unlinked(run->app, run->who, in, out, err);
	for (size_t kind = 0; kind < COUNT_OF(kinds); kind++)
		json_array_foreach (json_object_get(out, "accounts"), at, row) {
			if (r < 0 || json_is_true(json_object_get(row, "managed")) != !kind)
				continue;
			r = account_row_add(run, row, kinds[kind], err);
			counts[kind]++;
		}
	if (r == 0 && json_is_true(json_object_get(out, "truncated")))
		r = report_note(run, err, "There are more accounts than these.");
	return r;
}

struct without {
	struct report_run *run;
	const char *org; /* NULL: of any */
	int64_t count;
};

static int without_note(void *ctx, const struct person_without *p, struct err *err)
{
	struct without *w = ctx;

	w->count++;
	return report_row(w->run,
			  json_pack("[s?,s,I,n,s%,s%,s,n,n,n]", w->org, "no account",
				    (json_int_t)p->person, ASK_S(p->user_name),
				    ASK_S(p->display), "active"),
			  err);
}

/* In short reads: there may be many. */
static int people_add(struct report_run *run, int64_t *ret, struct err *err)
{
	CLEANUP(org_row_done) struct org_row org = { 0 };
	struct without w = { .run = run, .org = jx_get_text(run->in, "org") };
	int64_t after = 0;
	int r = 0;

	while (r == 0) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		r = store_read_begin(run->app->store, &db, err);
		if (r == 0 && w.org && !org.id)
			r = accounts_org_get(db, w.org, &org, err);
		if (r == 0)
			r = persons_without(db, org.id, &after, PAGE, without_note, &w, err);
	}
	*ret = w.count;
	return r < 0 ? r : 0;
}

int report_orphans(struct report_run *run, struct err *err)
{
	size_t counts[2] = { 0 };
	int64_t without = 0;
	int r = accounts_add(run, counts, err);

	if (r == 0)
		r = people_add(run, &without, err);
	return r < 0 ? r
		     : report_note(run, err,
				   "%zu orphans, %zu unlinked accounts, %lld people without an "
				   "account.",
				   counts[0], counts[1], (long long)without);
}

/* --- doubts
 * ------------------------------------------------------------------------------------
 */

struct doubts {
	struct report_run *run;
	int64_t after;
	bool any;
};

static int doubt_note(void *ctx, const struct doubt *d, struct err *err)
{
	struct doubts *all = ctx;

	all->after = d->id;
	all->any = true;
	return report_row(
		all->run,
		json_pack("[I,s,s%,s%,o,I]", (json_int_t)d->id,
			  d->kind == DOUBT_RECORDS ? "two records" : "a record and an account",
			  ASK_S(d->rule), ASK_S(d->evidence), report_ms(d->raised_ms),
			  (json_int_t)((all->run->now_ms - d->raised_ms) / STAMP_DAY_MS)),
		err);
}

int report_doubtful(struct report_run *run, struct err *err)
{
	struct doubts d = { .run = run, .any = true };
	int r = 0;

	while (r == 0 && d.any) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		d.any = false;
		r = store_read_begin(run->app->store, &db, err);
		if (r == 0)
			r = persons_doubts(db, DOUBT_OPEN, d.after, PAGE, doubt_note, &d, err);
	}
	return r;
}

/* --- leavers
 * -----------------------------------------------------------------------------------
 */

struct leavers {
	struct report_run *run;
	struct db *db;
	const char *org;
	int64_t sealed;
};

/* Of the account, as the plan has it: "" once they were forgotten. *ret is new. */
static int address_of(struct leavers *l, int64_t plan, int64_t n, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *values = NULL;
	CLEANUP(buf_done) struct buf text, salt;
	const char *email = NULL;
	int r;

	buf_init(&text, 65536);
	buf_init(&salt, 256);
	r = plans_value(l->db, plan, n, &text, &salt, err);
	if (r == 0 && text.len)
		r = jx_parse(buf_str(&text), JX_LENIENT, &values, err);
	if (r < 0)
		return r;
	email = jx_get_text(values, "email");
	*ret = json_string(email ? email : "");
	return *ret ? 0 : err_nomem(err);
}

static int leaver_note(void *ctx, const struct plan_row *plan, const struct action_row *a,
		       struct err *err)
{
	struct leavers *l = ctx;
	int64_t late = l->run->now_ms - a->due_ms;
	json_t *email = NULL;
	int r;

	if (!str_eq(a->class_, str_of(plan_class_word(PLAN_LEAVER))) &&
	    !str_eq(a->class_, str_of(plan_class_word(PLAN_ABSENCE))))
		return 0;
	if (!l->run->may_see_ends && sealed_action(a, l->run->now_ms)) {
		l->sealed++;
		return 0;
	}
	r = address_of(l, plan->id, a->n, &email, err);
	if (r < 0)
		return r;
	return report_row(l->run,
			  json_pack("[s,I,I,o,o,s%,s%,o,I,b,s,s,o]", l->org,
				    (json_int_t)plan->id, (json_int_t)a->n,
				    report_ms(a->person), report_ms(a->account), ASK_S(a->kind),
				    ASK_S(a->rule), report_ms(a->due_ms),
				    (json_int_t)(late > 0 ? late / STAMP_HOUR_MS : 0), a->held,
				    plan_standing_words[plan->state],
				    action_state_words[a->state], email),
			  err);
}

int report_leavers(struct report_run *run, struct err *err)
{
	const struct config *config = &run->app->config;
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->organisations.n; i++) {
		CLEANUP(store_read_end_at) struct db *db = NULL;
		struct leavers l = { .run = run, .org = config_org_at(config, i)->name };

		if (!report_wants(run, l.org))
			continue;
		r = store_read_begin(run->app->store, &db, err);
		l.db = db;
		if (r == 0)
			r = plans_unfinished(db, l.org, leaver_note, &l, err);
		if (r == 0 && l.sealed)
			r = report_note(run, err,
					"%s: %lld steps that are not due yet are sealed "
					"(--token-file).",
					l.org, (long long)l.sealed);
	}
	return r;
}

/* --- exemptions
 * --------------------------------------------------------------------------------
 */

static int exemption_note(void *ctx, const struct protection *p, struct err *err)
{
	struct report_run *run = ctx;

	return report_row(run,
			  json_pack("[I,s%,o,o,s%,s%,s%,o,o,o]", (json_int_t)p->id,
				    ASK_S(p->kind), report_ms(p->person), report_ms(p->account),
				    ASK_S(p->rule), ASK_S(p->owner), ASK_S(p->reason),
				    report_ms(p->set_ms), report_ms(p->until_ms),
				    report_days_left(run, p->until_ms)),
			  err);
}

int report_exemptions(struct report_run *run, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	const json_t *row;
	size_t at, endless = 0;
	int r = store_read_begin(run->app->store, &db, err);

	if (r == 0)
		r = persons_protections(db, false, run->now_ms, exemption_note, run, err);
	json_array_foreach (run->rows, at, row)
		endless += json_is_null(json_array_get(row, 8));
	if (r == 0 && endless)
		r = report_note(run, err, "%zu have no end.", endless);
	return r < 0 ? r
		     : report_note(
			       run, err,
			       "Protections for whoever a filter names stand in the policy.");
}
