/* Verbs about what is protected and barred by hand. Who signs such a word with an enrolled key
 * is named as the one who gave it; without, it is whoever sits at this machine. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/stamp.h"
#include "bridge/ask.h"
#include "bridge/signing.h"
#include "reconcile/policy.h"
#include "store/approvers.h"
#include "store/persons.h"
#include "store/writer.h"

#define DETAIL_BYTES 8192

/* --- a word that may be signed --------------------------------------------------------------
 */

struct word {
	struct app *app;
	const struct who *who;
	const char *about, *decision;
	const json_t *in;
	json_t *detail; /* of a statement; else NULL */
	char target[40];
	const char *by; /* whose word it is */
	char *why;
	struct statement statement;
	bool is_signed;
	struct signer signer;
};

static void word_done(struct word *w)
{
	json_decref(w->detail);
	free(w->why);
}

static int word_read(struct word *w, struct app *app, const struct who *who, const json_t *in,
		     const char *about, const char *decision, struct err *err)
{
	const char *why = jx_get_text(in, "reason");
	int r;

	*w = (struct word){ .app = app,
			    .who = who,
			    .in = in,
			    .about = about,
			    .decision = decision,
			    .by = who->name };
	r = signing_given(in, &w->statement, &w->is_signed, err);
	if (r == 0 && w->is_signed && w->statement.field[STATEMENT_DETAIL].len)
		r = jx_parse(w->statement.field[STATEMENT_DETAIL], JX_STRICT, &w->detail, err);
	if (r < 0)
		return r;
	w->why = w->is_signed ? str_dup(w->statement.field[STATEMENT_REASON])
			      : str_dup(str_of(why ? why : ""));
	return w->why ? 0 : err_nomem(err);
}

static bool word_is_offer(const struct word *w)
{
	return json_is_true(json_object_get(w->in, "statement"));
}

static int word_offer(const struct word *w, struct str detail, json_t *out, struct err *err)
{
	const struct signing_offer o = { .about = w->about,
					 .decision = w->decision,
					 .target = w->target,
					 .detail = detail,
					 .reason = w->why };

	return signing_offer(w->app, &o, out, err);
}

/* What takes a guard away lets more happen: where all is signed, that is signed, too. */
static int word_needs(const struct word *w, struct err *err)
{
	if (w->is_signed || app_acting(w->app)->approvals.is_signed != CONFIG_SIGNED_ALWAYS)
		return 0;
	return err_set(
		err, ERR_HELD,
		"this instance wants every approval signed (approvals.signed), and this "
		"lets more happen: add --sign KEYFILE, or --statement to sign elsewhere");
}

/* On the writer, before anything else: the signature counts once, and for exactly this. */
static int word_take(struct word *w, struct db *db, struct err *err)
{
	struct statement_want want;
	int r;

	if (!w->is_signed)
		return 0;
	signing_want(w->app, w->who, w->about, w->decision, w->target, &want);
	r = approvers_take(db, &want, &w->statement, &w->signer, err);
	if (r == 0)
		w->by = w->signer.who;
	return r;
}

/* --- protections ----------------------------------------------------------------------------
 */

struct protect {
	struct word w;
	char *who, *account, *rule, *org, *kind, *owner;
	int64_t from_ms, until_ms, id, person, number;
};

static const struct jx_row protect_rows[] = {
	{ "who", JX_TEXT, offsetof(struct protect, who), false },
	{ "account", JX_TEXT, offsetof(struct protect, account), false },
	{ "rule", JX_TEXT, offsetof(struct protect, rule), false },
	{ "org", JX_TEXT, offsetof(struct protect, org), false },
	{ "kind", JX_TEXT, offsetof(struct protect, kind), false },
	{ "owner", JX_TEXT, offsetof(struct protect, owner), false },
	{ "from_ms", JX_INT, offsetof(struct protect, from_ms), false },
	{ "until_ms", JX_INT, offsetof(struct protect, until_ms), false },
	{ "person", JX_INT, offsetof(struct protect, person), false },
	{ "number", JX_INT, offsetof(struct protect, number), false },
	{ 0 },
};

static void protect_done(struct protect *p)
{
	word_done(&p->w);
	free(p->who);
	free(p->account);
	free(p->rule);
	free(p->org);
	free(p->kind);
	free(p->owner);
}

static int write_protect(void *ctx, struct db *db, struct err *err)
{
	struct protect *p = ctx;
	int r = word_take(&p->w, db, err);
	const struct protection row = {
		.kind = p->kind ? str_of(p->kind) : STR("exemption"),
		.person = p->person,
		.account = p->number,
		.rule = p->rule ? str_of(p->rule) : STR(""),
		.owner = str_of(p->owner),
		.reason = str_of(p->w.why),
		.who = str_of(p->w.by),
		.from_ms = p->from_ms,
		.until_ms = p->until_ms,
	};

	return r < 0 ? r : persons_protect(db, &row, stamp_now_ms(), &p->id, err);
}

static int check_rule(struct app *app, const char *rule, struct err *err)
{
	if (!rule || policy_rule(app_acting(app)->policy, str_of(rule)))
		return 0;
	return err_set(err, ERR_NOT_FOUND,
		       "the policy has no rule %s ('leaverd config check --show' prints them)",
		       rule);
}

/* Whom it is about: a person or an account, one of the two; a statement says their numbers. */
static int protect_subject(struct protect *p, struct err *err)
{
	int r = 0;

	if (p->w.is_signed ? !p->person == !p->number : !p->who == !p->account)
		return err_set(err, ERR_USAGE,
			       "say whom to protect: WHO or --account, one of them");
	if (!p->w.is_signed)
		p->person = p->number = 0;
	if (!p->w.is_signed && p->who)
		r = ask_person(p->w.app, p->who, &p->person, err);
	else if (!p->w.is_signed)
		r = ask_account(p->w.app, p->org, p->account, &p->number, err);
	snprintf(p->w.target, sizeof(p->w.target), "%s %" PRId64,
		 p->person ? "person" : "account", p->person ? p->person : p->number);
	return r;
}

static int protect_offer(const struct protect *p, json_t *out, struct err *err)
{
	CLEANUP(buf_done) struct buf detail;
	int r;

	buf_init(&detail, DETAIL_BYTES);
	buf_addf(&detail, "{\"from_ms\":%" PRId64 ",\"kind\":", p->from_ms);
	buf_add_json(&detail, p->kind ? str_of(p->kind) : STR("exemption"));
	buf_addf(&detail, ",\"%s\":%" PRId64 ",\"owner\":", p->person ? "person" : "number",
		 p->person ? p->person : p->number);
	buf_add_json(&detail, str_of(p->owner));
	if (p->rule) {
		buf_add_text(&detail, ",\"rule\":");
		buf_add_json(&detail, str_of(p->rule));
	}
	buf_addf(&detail, ",\"until_ms\":%" PRId64 "}", p->until_ms);
	r = buf_fault(&detail, err, "the protection");
	return r < 0 ? r : word_offer(&p->w, buf_str(&detail), out, err);
}

static int run_protect_add(struct app *app, const struct who *who, const json_t *in,
			   json_t *out, struct err *err)
{
	CLEANUP(protect_done) struct protect p = { .id = 0 };
	int r = word_read(&p.w, app, who, in, "protection", "set", err);

	if (r == 0)
		r = jx_read(p.w.detail ? p.w.detail : in, protect_rows, &p, err);
	if (r == 0 && (!p.owner || !p.owner[0] || !p.w.why[0]))
		r = err_set(err, ERR_USAGE,
			    "protect add needs --owner and --reason, or a --signature");
	if (r == 0 && p.until_ms && p.until_ms <= stamp_now_ms())
		r = err_set(err, ERR_INVALID_VALUE, "--until lies in the past");
	if (r == 0)
		r = check_rule(app, p.rule, err);
	if (r == 0)
		r = protect_subject(&p, err);
	if (r == 0 && word_is_offer(&p.w))
		return protect_offer(&p, out, err);
	if (r == 0)
		r = writer_call(app->writer, write_protect, &p, err);
	if (r == 0)
		r = jx_set(out, "number", json_integer(p.id), err);
	if (r < 0)
		return r;
	return ask_say(out, err, "Protection %" PRId64 " (%s) holds%s.", p.id,
		       p.kind ? p.kind : "exemption",
		       p.until_ms ? " until its date" : " until it is removed");
}

static int list_protection(void *ctx, const struct protection *row, struct err *err)
{
	return jx_add(
		ctx,
		json_pack("{s:I,s:s%,s:o,s:o,s:s%,s:s%,s:s%,s:s%,s:o,s:o,s:o,s:o}", "number",
			  (json_int_t)row->id, "kind", ASK_S(row->kind), "person",
			  row->person ? json_integer(row->person) : json_null(), "account",
			  row->account ? json_integer(row->account) : json_null(), "rule",
			  ASK_S(row->rule), "owner", ASK_S(row->owner), "reason",
			  ASK_S(row->reason), "who", ASK_S(row->who), "set_ms",
			  ask_ms(row->set_ms), "from_ms", ask_ms(row->from_ms), "until_ms",
			  ask_ms(row->until_ms), "lifted_ms", ask_ms(row->lifted_ms)),
		err);
}

static int run_protect_list(struct app *app, const struct who *who, const json_t *in,
			    json_t *out, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	bool all = json_is_true(json_object_get(in, "all"));
	json_t *rows = json_array();
	int r;

	(void)who;
	r = jx_set(out, "protections", rows, err);
	if (r < 0)
		return r;
	r = store_read_begin(app->store, &db, err);
	if (r < 0)
		return r;
	return persons_protections(db, all, stamp_now_ms(), list_protection, rows, err);
}

/* A number that is lifted, of either. */
struct lifting {
	struct word w;
	int64_t number;
	bool bar;
};

static void lifting_done(struct lifting *l)
{
	word_done(&l->w);
}

static int write_lift(void *ctx, struct db *db, struct err *err)
{
	struct lifting *l = ctx;
	int r = word_take(&l->w, db, err);

	if (r == 0)
		r = l->bar ? persons_bar_lift(db, l->number, l->w.by, stamp_now_ms(), err)
			   : persons_protect_lift(db, l->number, l->w.by, l->w.why,
						  stamp_now_ms(), err);
	if (r == STORE_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND, "there is no live %s %" PRId64, l->w.about,
			       l->number);
	return r;
}

static int lift(struct app *app, const struct who *who, const json_t *in, bool bar, json_t *out,
		struct err *err)
{
	CLEANUP(lifting_done) struct lifting l = { .bar = bar };
	int r = word_read(&l.w, app, who, in, bar ? "bar" : "protection", "lift", err);

	l.number = json_integer_value(json_object_get(in, "number"));
	snprintf(l.w.target, sizeof(l.w.target), "%" PRId64, l.number);
	if (r == 0 && !bar && !l.w.why[0])
		r = err_set(err, ERR_USAGE, "protect remove needs a reason");
	if (r == 0 && word_is_offer(&l.w))
		return word_offer(&l.w, STR(""), out, err);
	if (r == 0)
		r = word_needs(&l.w, err);
	if (r == 0)
		r = writer_call(app->writer, write_lift, &l, err);
	if (r < 0)
		return r;
	return ask_say(out, err, "%s %" PRId64 " is lifted.", bar ? "Bar" : "Protection",
		       l.number);
}

static int run_protect_remove(struct app *app, const struct who *who, const json_t *in,
			      json_t *out, struct err *err)
{
	return lift(app, who, in, false, out, err);
}

static int run_bars_lift(struct app *app, const struct who *who, const json_t *in, json_t *out,
			 struct err *err)
{
	return lift(app, who, in, true, out, err);
}

/* --- bars -----------------------------------------------------------------------------------
 */

struct bar_set {
	struct word w;
	char *who, *rule;
	int64_t until_ms, person, id;
};

static const struct jx_row bar_rows[] = {
	{ "who", JX_TEXT, offsetof(struct bar_set, who), false },
	{ "rule", JX_TEXT, offsetof(struct bar_set, rule), false },
	{ "until_ms", JX_INT, offsetof(struct bar_set, until_ms), false },
	{ "person", JX_INT, offsetof(struct bar_set, person), false },
	{ 0 },
};

static void bar_set_done(struct bar_set *b)
{
	word_done(&b->w);
	free(b->who);
	free(b->rule);
}

static int write_bar(void *ctx, struct db *db, struct err *err)
{
	struct bar_set *b = ctx;
	int r = word_take(&b->w, db, err);
	const struct bar row = {
		.person = b->person,
		.rule = b->rule ? str_of(b->rule) : STR(""),
		.who = str_of(b->w.by),
		.reason = str_of(b->w.why),
		.until_ms = b->until_ms,
	};

	return r < 0 ? r : persons_bar(db, &row, stamp_now_ms(), &b->id, err);
}

static int bar_offer(const struct bar_set *b, json_t *out, struct err *err)
{
	CLEANUP(buf_done) struct buf detail;
	int r;

	buf_init(&detail, DETAIL_BYTES);
	buf_addf(&detail, "{\"person\":%" PRId64, b->person);
	if (b->rule) {
		buf_add_text(&detail, ",\"rule\":");
		buf_add_json(&detail, str_of(b->rule));
	}
	buf_addf(&detail, ",\"until_ms\":%" PRId64 "}", b->until_ms);
	r = buf_fault(&detail, err, "the bar");
	return r < 0 ? r : word_offer(&b->w, buf_str(&detail), out, err);
}

static int run_bars_add(struct app *app, const struct who *who, const json_t *in, json_t *out,
			struct err *err)
{
	CLEANUP(bar_set_done) struct bar_set b = { .id = 0 };
	int r = word_read(&b.w, app, who, in, "bar", "set", err);

	if (r == 0)
		r = jx_read(b.w.detail ? b.w.detail : in, bar_rows, &b, err);
	if (r == 0 && !b.w.why[0])
		r = err_set(err, ERR_USAGE, "bars add needs --reason, or a --signature");
	if (r == 0)
		r = check_rule(app, b.rule, err);
	if (r == 0 && !b.w.is_signed)
		r = b.who ? ask_person(app, b.who, &b.person, err)
			  : err_set(err, ERR_USAGE, "bars add needs whom it is about");
	snprintf(b.w.target, sizeof(b.w.target), "person %" PRId64, b.person);
	if (r == 0 && word_is_offer(&b.w))
		return bar_offer(&b, out, err);
	if (r == 0)
		r = writer_call(app->writer, write_bar, &b, err);
	if (r == 0)
		r = jx_set(out, "number", json_integer(b.id), err);
	if (r < 0)
		return r;
	return ask_say(out, err, "Bar %" PRId64 ": %s passes person %" PRId64 " by.", b.id,
		       b.rule ? b.rule : "every rule", b.person);
}

static int list_bar(void *ctx, const struct bar *row, struct err *err)
{
	return jx_add(ctx,
		      json_pack("{s:I,s:o,s:o,s:s%,s:s%,s:s%,s:o,s:o,s:o}", "number",
				(json_int_t)row->id, "person",
				row->person ? json_integer(row->person) : json_null(),
				"account",
				row->account ? json_integer(row->account) : json_null(), "rule",
				ASK_S(row->rule), "who", ASK_S(row->who), "reason",
				ASK_S(row->reason), "set_ms", ask_ms(row->set_ms), "until_ms",
				ask_ms(row->until_ms), "lifted_ms", ask_ms(row->lifted_ms)),
		      err);
}

static int run_bars_list(struct app *app, const struct who *who, const json_t *in, json_t *out,
			 struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	bool all = json_is_true(json_object_get(in, "all"));
	json_t *rows = json_array();
	int r;

	(void)who;
	r = jx_set(out, "bars", rows, err);
	if (r < 0)
		return r;
	r = store_read_begin(app->store, &db, err);
	return r < 0 ? r : persons_bars(db, 0, all, stamp_now_ms(), list_bar, rows, err);
}

const struct verb verbs_protect[] = {
	{ "protect.add", VERB_STORE, run_protect_add },
	{ "protect.list", VERB_STORE, run_protect_list },
	{ "protect.remove", VERB_STORE, run_protect_remove },
	{ "bars.add", VERB_STORE, run_bars_add },
	{ "bars.list", VERB_STORE, run_bars_list },
	{ "bars.lift", VERB_STORE, run_bars_lift },
	{ NULL, 0, NULL },
};
