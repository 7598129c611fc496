#include "bridge/tickets.h"

#include <stdio.h>

#include "base/digest.h"
#include "base/stamp.h"
#include "bridge/notices.h"
#include "bridge/outbox.h"
#include "bridge/sealed.h"
#include "store/issues.h"
#include "store/outbox.h"
#include "store/plans.h"
#include "store/store.h"
#include "store/writer.h"

#define PLANS_MOST 200
#define ABOUT_BYTES 64
#define CHANNEL_BYTES 80
#define KEY_BYTES 240
#define LINES_MOST 4096
#define RESTS_MS (26 * STAMP_HOUR_MS) /* what failed has so long to be planned anew */
#define UNFINISHED (1u << PLAN_OPEN | 1u << PLAN_APPROVED | 1u << PLAN_RUNNING)

/* What an issue is wanted about: a plan, or one of its actions. */
struct thing {
	char about[ABOUT_BYTES];
	int64_t plan, n;             /* n 0: the plan */
	int64_t actions, expires_ms; /* of a plan */
	bool held, urgent, waits;
	int64_t account, person, due_ms; /* of an action */
	char kind[24], rule[80], product[80], site[160];
};
VEC(vec_thing, struct thing);

/* An issue that is open. */
struct open_issue {
	char about[ABOUT_BYTES];
	int64_t plan, n, made_ms;
	bool wanted;
};
VEC(vec_open_issue, struct open_issue);

struct look {
	struct app *app;
	const struct config_issues *to;
	const struct config_org *org;
	struct db *db; /* while it is read */
	int64_t now_ms;
	char channel[CHANNEL_BYTES];
	struct vec_thing plans, things;
	struct vec_open_issue open;
};

static void look_done(struct look *l)
{
	store_read_end(l->db);
	vec_thing_done(&l->plans);
	vec_thing_done(&l->things);
	vec_open_issue_done(&l->open);
}

const struct config_org *tickets_org(const struct app *app, const struct config_issues *to)
{
	for (size_t i = 0; i < app->config.organisations.n; i++) {
		const struct config_org *org = config_org_at(&app->config, i);

		if (config_site(org, to->site))
			return org;
	}
	return NULL;
}

/* --- what is there -------------------------------------------------------------------------
 */

static int plan_note(void *ctx, const struct plan_row *row, struct err *err)
{
	struct look *l = ctx;
	struct thing t = {
		.plan = row->id,
		.actions = row->actions,
		.expires_ms = row->expires_ms,
		.held = row->held,
		.waits = row->state == PLAN_OPEN,
		.urgent = str_eq(row->urgency, STR("urgent")),
	};

	if (!row->actions)
		return 0;
	(void)snprintf(t.about, sizeof(t.about), "plan/%lld", (long long)row->id);
	return vec_thing_add(&l->plans, t) < 0 ? err_nomem(err) : 0;
}

/* The same in the plan of the next round. */
static void about_action(struct thing *t)
{
	struct digest_run run;
	struct digest digest;
	char hex[DIGEST_HEX_BYTES];

	digest_begin(&run, NULL);
	digest_add(&run, t->kind, strlen(t->kind) + 1);
	digest_add(&run, t->rule, strlen(t->rule) + 1);
	digest_add(&run, t->product, strlen(t->product) + 1);
	digest_add(&run, t->site, strlen(t->site) + 1);
	digest_add(&run, &t->account, sizeof(t->account));
	digest_end(&run, &digest);
	digest_hex(&digest, hex);
	(void)snprintf(t->about, sizeof(t->about), "action/%.32s", hex);
}

struct actions {
	struct look *l;
	const struct thing *plan;
};

static int action_note(void *ctx, const struct action_row *row, struct err *err)
{
	const struct actions *a = ctx;
	struct thing t = *a->plan;

	if (row->state != ACTION_PLANNED && row->state != ACTION_STARTED)
		return 0;
	/* whoever reads Jira is not told of an end that lies ahead: once it is due */
	if (sealed_action(row, a->l->now_ms))
		return 0;
	t.n = row->n;
	t.account = row->account;
	t.person = row->person;
	t.due_ms = row->due_ms;
	t.held = row->held;
	(void)snprintf(t.kind, sizeof(t.kind), STR_FMT, STR_ARG(row->kind));
	(void)snprintf(t.rule, sizeof(t.rule), STR_FMT, STR_ARG(row->rule));
	(void)snprintf(t.product, sizeof(t.product), STR_FMT, STR_ARG(row->product));
	(void)snprintf(t.site, sizeof(t.site), STR_FMT, STR_ARG(row->site));
	about_action(&t);
	return vec_thing_add(&a->l->things, t) < 0 ? err_nomem(err) : 0;
}

static int open_note(void *ctx, const struct issue_row *row, struct err *err)
{
	struct look *l = ctx;
	struct open_issue o = { .plan = row->plan, .n = row->action, .made_ms = row->made_ms };

	(void)snprintf(o.about, sizeof(o.about), STR_FMT, STR_ARG(row->about));
	return vec_open_issue_add(&l->open, o) < 0 ? err_nomem(err) : 0;
}

/* *ret: whether anything may be told of this organisation now. */
static int look_read(struct look *l, bool *ret, struct err *err)
{
	bool dry = l->app->config.notices.folder != NULL;
	enum store_mode mode = STORE_OBSERVE;
	int r = store_read_begin(l->app->store, &l->db, err);

	if (r == 0)
		r = store_mode_get(l->db, l->org->name, &mode, err);
	*ret = dry || mode != STORE_OBSERVE;
	if (r < 0 || !*ret)
		return r < 0 ? r : 0;
	r = plans_list(l->db, l->org->name, UNFINISHED, 0, PLANS_MOST, plan_note, l, err);
	for (size_t i = 0; r >= 0 && i < l->plans.n; i++) {
		struct actions a = { l, &l->plans.v[i] };

		if (l->to->per == CONFIG_ISSUES_ACTION && a.plan->actions <= l->to->most)
			r = plans_actions(l->db, a.plan->plan, action_note, &a, err);
		else if (vec_thing_add(&l->things, *a.plan) < 0)
			r = err_nomem(err);
	}
	return r < 0 ? r : issues_list(l->db, str_of(l->channel), open_note, l, err);
}

/* --- putting in ----------------------------------------------------------------------------
 */

struct putting {
	struct look *l;
	struct issue_row row;
	const char *op; /* "open", "close" */
	struct buf letter;
};

static int letter_put(struct putting *p, struct db *db, struct err *err)
{
	const struct config_notices *n = &p->l->app->config.notices;
	char key[KEY_BYTES];
	struct outbox_new in = {
		.key = { 0 },
		.channel = str_of(n->folder ? NOTICES_FOLDER : p->l->channel),
		.kind = STR("issue"),
		.to = str_of(p->l->to->project),
		.letter = buf_str(&p->letter),
		.repeats = true, /* by its label */
		.expires_ms = p->l->now_ms + n->give_up_ms,
		.now_ms = p->l->now_ms,
	};
	int64_t id;
	int r;

	(void)snprintf(key, sizeof(key), "%s/" STR_FMT "/%lld/%s", p->l->channel,
		       STR_ARG(p->row.about), (long long)p->row.made_ms, p->op);
	in.key = str_of(key);
	r = outbox_put(db, &in, &id, err);
	return r < 0 ? r : 0;
}

static int open_run(void *ctx, struct db *db, struct err *err)
{
	struct putting *p = ctx;
	int64_t id;
	int r = issues_open(db, &p->row, &id, err);

	return r == 0 ? letter_put(p, db, err) : r < 0 ? r : 0;
}

static int close_run(void *ctx, struct db *db, struct err *err)
{
	struct putting *p = ctx;
	int r = issues_end(db, &p->row, p->l->now_ms, err);

	return r == 0 ? letter_put(p, db, err) : r < 0 ? r : 0;
}

static int put(struct look *l, const char *op, const struct issue_row *row, const char *title,
	       struct str items, struct err *err)
{
	const struct notices_bulletin b = {
		.key = op, .tells = "held", .kind = NOTICE_ALERT, .title = title, .items = items
	};
	struct putting p = { .l = l, .row = *row, .op = op };
	json_t *event = json_pack("{s:s, s:s%, s:I}", "op", op, "about", row->about.p,
				  row->about.len, "made_ms", (json_int_t)row->made_ms);
	int r;

	buf_init(&p.letter, OUTBOX_LETTER_MAX);
	r = notices_letter(l->app, &b, event, l->now_ms, &p.letter, err);
	if (r == 0)
		r = writer_call(l->app->writer, *op == 'o' ? open_run : close_run, &p, err);
	buf_done(&p.letter);
	return r;
}

/* --- what is wanted ------------------------------------------------------------------------
 */

static void plan_words(const struct look *l, const struct thing *t, char title[200],
		       struct buf *items)
{
	char until[STAMP_TEXT_BYTES];

	stamp_text(t->expires_ms, until);
	(void)snprintf(title, 200, "plan %lld of %.60s (%s, %lld actions) %s",
		       (long long)t->plan, l->org->name, t->urgent ? "urgent" : "routine",
		       (long long)t->actions,
		       !t->waits ? "is approved"
		       : t->held ? "is held by a guard"
				 : "waits for approval");
	buf_addf(items, "What is planned, for whom and why: leaverd show %lld\n\n",
		 (long long)t->plan);
	if (t->waits)
		buf_addf(items,
			 "It can be approved until %s: leaverd approve %lld --reason '...'\n"
			 "Or refused: leaverd reject %lld --reason '...'\n\n",
			 until, (long long)t->plan, (long long)t->plan);
	buf_add_text(items, "This issue says when it is over.\n");
}

static void action_words(const struct thing *t, char title[200], struct buf *items)
{
	char due[STAMP_TEXT_BYTES];

	stamp_text(t->due_ms, due);
	(void)snprintf(title, 200, "%.20s of account %lld%s%.60s%s, due %s", t->kind,
		       (long long)t->account, t->product[0] ? " (" : "", t->product,
		       t->product[0] ? ")" : "", due);
	buf_addf(items, "Rule: %s\nAccount: %lld\n", t->rule, (long long)t->account);
	if (t->person)
		buf_addf(items, "Person: %lld\n", (long long)t->person);
	if (t->product[0])
		buf_addf(items, "Product: %s on %s\n", t->product, t->site);
	buf_addf(items, "Due: %s\n%s\n", due, t->held ? "It is held by a guard.\n" : "");
	buf_addf(items,
		 "Who that is, and why: leaverd show %lld\n\n"
		 "This issue says when it is over.\n",
		 (long long)t->plan);
}

static int thing_open(struct look *l, const struct thing *t, int64_t made_ms, struct err *err)
{
	const struct issue_row row = { .channel = str_of(l->channel),
				       .org = str_of(l->org->name),
				       .about = str_of(t->about),
				       .plan = t->plan,
				       .action = t->n,
				       .made_ms = made_ms };
	CLEANUP(buf_done) struct buf items;
	char title[200];
	int r;

	buf_init(&items, LINES_MOST);
	if (t->n)
		action_words(t, title, &items);
	else
		plan_words(l, t, title, &items);
	r = buf_fault(&items, err, "an issue");
	return r == 0 ? put(l, "open", &row, title, buf_str(&items), err) : r;
}

/* Opens what has none; of what has one the newest plan is noted. */
static int things_open(struct look *l, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->things.n; i++) {
		const struct thing *t = &l->things.v[i];
		struct open_issue *o = l->open.v;
		size_t k = 0;

		while (k < l->open.n && strcmp(o[k].about, t->about) != 0)
			k++;
		if (k == l->open.n) {
			const struct open_issue fresh = {
				.plan = t->plan, .n = t->n, .made_ms = l->now_ms, .wanted = true
			};

			/* two actions may be about the same: one issue */
			if (vec_open_issue_add(&l->open, fresh) < 0)
				return err_nomem(err);
			(void)snprintf(l->open.v[k].about, ABOUT_BYTES, "%s", t->about);
			r = thing_open(l, t, l->now_ms, err);
			continue;
		}
		/* plans come newest first */
		if (!o[k].wanted && (o[k].plan != t->plan || o[k].n != t->n))
			r = thing_open(l, t, o[k].made_ms, err);
		o[k].wanted = true;
	}
	return r;
}

/* --- what is over --------------------------------------------------------------------------
 */

struct over {
	int64_t n; /* looked for; 0: none */
	struct plan_row plan;
	enum action_state state;
	int64_t state_ms;
	int64_t count[ACTION_SUPERSEDED + 1];
	bool found;
};

static int over_plan(void *ctx, const struct plan_row *row, struct err *err)
{
	struct over *o = ctx;

	(void)err;
	o->plan = *row;
	o->plan.org = o->plan.urgency = o->plan.who = o->plan.bytes = (struct str){ 0 };
	return 0;
}

static int over_action(void *ctx, const struct action_row *row, struct err *err)
{
	struct over *o = ctx;

	(void)err;
	o->count[row->state]++;
	if (row->n != o->n)
		return 0;
	o->found = true;
	o->state = row->state;
	o->state_ms = row->state_ms;
	return 0;
}

static int over_read(struct look *l, const struct open_issue *i, struct over *o,
		     struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(l->app->store, &db, err);

	*o = (struct over){ .n = i->n };
	if (r == 0)
		r = plans_get(db, i->plan, over_plan, o, err);
	if (r == 0)
		r = plans_actions(db, i->plan, over_action, o, err);
	return r;
}

static void plan_over_words(const struct over *o, struct buf *items)
{
	const long long id = o->plan.id;

	switch (o->plan.state) {
	case PLAN_DONE:
		buf_addf(items,
			 "Plan %lld was applied: %lld actions done, %lld already so, %lld "
			 "skipped, %lld held, %lld failed",
			 id, (long long)o->count[ACTION_DONE],
			 (long long)o->count[ACTION_ALREADY],
			 (long long)o->count[ACTION_SKIPPED], (long long)o->count[ACTION_HELD],
			 (long long)o->count[ACTION_FAILED]);
		break;
	case PLAN_REJECTED:
		buf_addf(items, "Plan %lld was refused", id);
		break;
	case PLAN_EXPIRED:
		buf_addf(items, "Plan %lld was not approved in time", id);
		break;
	case PLAN_SUPERSEDED:
		buf_addf(items, "Plan %lld was superseded by plan %lld", id,
			 (long long)o->plan.superseded_by);
		break;
	default:
		buf_addf(items, "Plan %lld has issues of its actions", id);
	}
}

static bool is_over(const struct over *o)
{
	return o->found && o->state > ACTION_STARTED;
}

static void action_over_words(const struct over *o, struct buf *items)
{
	static const char *const words[] = {
		[ACTION_DONE] = "was done",
		[ACTION_ALREADY] = "was so already",
		[ACTION_SKIPPED] = "was skipped",
		[ACTION_HELD] = "could not be done: it is held",
		[ACTION_FAILED] = "failed",
		[ACTION_SUPERSEDED] = "was taken by another plan",
	};

	/* with its whole plan: the newer one has it no more */
	bool with_plan = o->state == ACTION_SUPERSEDED && o->plan.state == PLAN_SUPERSEDED;

	if (is_over(o) && !with_plan) {
		buf_addf(items, "Action %lld of plan %lld %s", (long long)o->n,
			 (long long)o->plan.id, words[o->state]);
		return;
	}
	buf_add_text(items, "It is planned no more. ");
	plan_over_words(o, items);
}

/* What could not be done is planned anew by the next round, and has its issue by then. */
static bool rests(const struct look *l, const struct over *o)
{
	return o->n && is_over(o) && (o->state == ACTION_HELD || o->state == ACTION_FAILED) &&
	       l->now_ms < o->state_ms + RESTS_MS;
}

static int thing_close(struct look *l, const struct open_issue *i, struct err *err)
{
	const struct issue_row row = { .channel = str_of(l->channel),
				       .org = str_of(l->org->name),
				       .about = str_of(i->about),
				       .plan = i->plan,
				       .action = i->n,
				       .made_ms = i->made_ms };
	CLEANUP(buf_done) struct buf items;
	struct over o;
	int r = over_read(l, i, &o, err);

	buf_init(&items, LINES_MOST);
	if (r < 0 || (r == 0 && rests(l, &o)))
		return r;
	if (r > 0)
		buf_addf(&items, "Plan %lld is there no more", (long long)i->plan);
	else if (i->n)
		action_over_words(&o, &items);
	else
		plan_over_words(&o, &items);
	buf_addf(&items, ": leaverd show %lld\n", (long long)i->plan);
	r = buf_fault(&items, err, "an issue");
	return r == 0 ? put(l, "close", &row, "it is over", buf_str(&items), err) : r;
}

static int channel_look(struct look *l, struct err *err)
{
	bool tells = false;
	int r = look_read(l, &tells, err);

	store_read_end(TAKE(l->db));
	if (r >= 0 && tells)
		r = things_open(l, err);
	for (size_t i = 0; r >= 0 && tells && i < l->open.n; i++)
		if (!l->open.v[i].wanted)
			r = thing_close(l, &l->open.v[i], err);
	return r < 0 ? r : 0;
}

int tickets_look(struct app *app, int64_t now_ms, struct err *err)
{
	const struct config_notices *n = &app->config.notices;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n->issues.n; i++) {
		CLEANUP(look_done)
		struct look l = { .app = app, .to = config_issues_at(n, i), .now_ms = now_ms };

		l.org = tickets_org(app, l.to);
		(void)snprintf(l.channel, sizeof(l.channel), NOTICES_ISSUES "%s", l.to->name);
		r = l.org ? channel_look(&l, err) : 0;
	}
	return r < 0 ? err_context(err, r, "issues about plans") : 0;
}
