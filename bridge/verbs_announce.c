/* Verbs about what people sign beside plans: announced leavers (expect), and a configuration
 * that lets more happen (config). */
#include <stdio.h>
#include <stdlib.h>

#include "base/stamp.h"
#include "bridge/ask.h"
#include "bridge/loaded.h"
#include "bridge/notices.h"
#include "bridge/outbox.h"
#include "bridge/second.h"
#include "bridge/signing.h"
#include "store/announced.h"
#include "store/configs.h"
#include "store/writer.h"

#define EXPECT_MOST 20000 /* people of one list */
#define EXPECT_BYTES (200u << 10)
#define LISTS_MOST 100

/* --- one matter to be signed ----------------------------------------------------------------
 */

struct matter {
	struct app *app;
	const struct who *who;
	const json_t *in;
	const char *about;
	int64_t number;
	char target[24];
	struct digest digest; /* of what was shown */
	struct str detail;
	const char *why;
	char *said; /* why, of a statement */
	struct statement statement;
	bool is_signed;
	struct signer signer;
	int64_t alone_ms;
	struct notices_held *told; /* the second person, of that */
};

static int matter_init(struct matter *m, struct app *app, const struct who *who,
		       const json_t *in, const char *about, struct err *err)
{
	*m = (struct matter){ .app = app,
			      .who = who,
			      .in = in,
			      .about = about,
			      .number = json_integer_value(json_object_get(in, "number")),
			      .why = jx_get_text(in, "reason") };
	snprintf(m->target, sizeof(m->target), "%lld", (long long)m->number);
	return signing_given(in, &m->statement, &m->is_signed, err);
}

static void matter_done(struct matter *m)
{
	free(m->said);
	notices_held_free(m->told);
}

static int matter_offer(const struct matter *m, json_t *out, struct err *err)
{
	const struct signing_offer o = { .about = m->about,
					 .decision = "approve",
					 .target = m->target,
					 .digest = &m->digest,
					 .detail = m->detail,
					 .reason = m->why };

	return signing_offer(m->app, &o, out, err);
}

/* On the writer: the statement is taken, and says what was shown. */
static int matter_take(struct matter *m, struct db *db, struct err *err)
{
	struct statement_want want;
	char hex[DIGEST_HEX_BYTES];
	int r;

	signing_want(m->app, m->who, m->about, "approve", m->target, &want);
	r = approvers_take(db, &want, &m->statement, &m->signer, err);
	digest_hex(&m->digest, hex);
	if (r == 0 && (!statement_is(&m->statement, STATEMENT_DIGEST, hex) ||
		       !str_eq(m->statement.field[STATEMENT_DETAIL], m->detail)))
		r = err_set(err, ERR_CONFLICT,
			    "the statement is about another %s than the one of number %s here",
			    m->about, m->target);
	if (r == 0) {
		m->why = m->said = str_dup(m->statement.field[STATEMENT_REASON]);
		if (!m->said)
			r = err_nomem(err);
	}
	return r;
}

/* --- expect ---------------------------------------------------------------------------------
 */

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

struct announcing {
	struct announced row;
	int64_t id;
};

static int announce_write(void *ctx, struct db *db, struct err *err)
{
	struct announcing *a = ctx;

	return announced_put(db, &a->row, &a->id, err);
}

static void announce_detail(const int64_t *persons, size_t count, const struct announced *row,
			    struct buf *into)
{
	buf_addf(into, "{\"from\":%lld,\"persons\":[", (long long)row->from_ms);
	for (size_t i = 0; i < count; i++)
		buf_addf(into, "%s%lld", i ? "," : "", (long long)persons[i]);
	buf_addf(into, "],\"until\":%lld}", (long long)row->until_ms);
}

/* Ledger numbers of all who are named, each once, in order. */
static int named_persons(struct app *app, const json_t *names, int64_t *persons, size_t *count,
			 struct err *err)
{
	json_t *name;
	size_t i, n = 0;
	int r = 0;

	json_array_foreach (names, i, name) {
		const char *text = json_string_value(name);

		if (r == 0 && text && text[0])
			r = ask_person(app, text, &persons[n++], err);
	}
	if (r < 0)
		return r;
	qsort(persons, n, sizeof(*persons), by_number);
	*count = 0;
	for (i = 0; i < n; i++)
		if (!i || persons[i] != persons[i - 1])
			persons[(*count)++] = persons[i];
	return 0;
}

static int run_expect(struct app *app, const struct who *who, const json_t *in, json_t *out,
		      struct err *err)
{
	const json_t *names = json_object_get(in, "who");
	size_t named = json_array_size(names), count = 0;
	CLEANUP(free_at) int64_t *persons = calloc(named + 1, sizeof(*persons));
	CLEANUP(buf_done) struct buf detail;
	struct announcing a = {
		.row = { .who = str_of(who->name),
			 .why = str_of(jx_get_text(in, "reason")),
			 .from_ms = json_integer_value(json_object_get(in, "from_ms")),
			 .until_ms = json_integer_value(json_object_get(in, "until_ms")),
			 .made_ms = stamp_now_ms() },
	};
	int r;

	buf_init(&detail, EXPECT_BYTES);
	if (!persons)
		return err_nomem(err);
	if (!a.row.from_ms)
		a.row.from_ms = a.row.made_ms;
	if (!named || named > EXPECT_MOST || !a.row.why.len ||
	    a.row.until_ms <= a.row.made_ms || a.row.until_ms <= a.row.from_ms)
		return err_set(err, ERR_USAGE,
			       "expect names people (%d at most), a reason, and an end that is "
			       "to come and after --from",
			       EXPECT_MOST);
	r = named_persons(app, names, persons, &count, err);
	if (r < 0)
		return r;
	announce_detail(persons, count, &a.row, &detail);
	r = buf_fault(&detail, err, "the list of announced leavers");
	if (r < 0)
		return r;
	a.row.detail = buf_str(&detail);
	a.row.persons = (int64_t)count;
	r = writer_call(app->writer, announce_write, &a, err);
	if (r == 0)
		r = jx_set(out, "number", json_integer(a.id), err);
	return r < 0 ? r
		     : ask_say(out, err,
			       "List %lld, people on it: %zu. Limits count them until two "
			       "people "
			       "signed it: leaverd expect approve %lld --sign KEYFILE.",
			       (long long)a.id, count, (long long)a.id);
}

struct expecting {
	struct matter m;
	json_t *list; /* the detail */
	char *detail;
	int64_t until_ms;
	int64_t *persons;
	size_t count;
	unsigned before; /* others who signed */
	bool stands;
};

static void expecting_done(struct expecting *e)
{
	matter_done(&e->m);
	json_decref(e->list);
	free(e->detail);
	free(e->persons);
}

static int expecting_row(void *ctx, const struct announced *row, struct err *err)
{
	struct expecting *e = ctx;
	json_t *persons;
	size_t i;
	int r;

	if (row->state != ANNOUNCED_WAITS)
		return err_set(err, ERR_HELD, "list %s is not one that waits: it %s",
			       e->m.target, announced_words[row->state]);
	e->detail = str_dup(row->detail);
	e->until_ms = row->until_ms;
	if (!e->detail)
		return err_nomem(err);
	e->m.detail = str_of(e->detail);
	digest_of(&e->m.digest, NULL, e->m.detail);
	r = jx_parse(e->m.detail, JX_STRICT, &e->list, err);
	if (r < 0)
		return r;
	persons = json_object_get(e->list, "persons");
	e->count = json_array_size(persons);
	e->persons = calloc(e->count + 1, sizeof(*e->persons));
	if (!e->persons)
		return err_nomem(err);
	for (i = 0; i < e->count; i++)
		e->persons[i] = json_integer_value(json_array_get(persons, i));
	return 0;
}

static int count_other(void *ctx, struct str who, struct str login, int64_t ms, struct err *err)
{
	struct expecting *e = ctx;

	(void)login;
	(void)ms;
	(void)err;
	e->before += !str_eq(who, str_of(e->m.signer.who));
	return 0;
}

static int expect_write(void *ctx, struct db *db, struct err *err)
{
	struct expecting *e = ctx;
	struct announced_word word = { .id = e->m.number,
				       .who = e->m.who->name,
				       .alone_ms = e->m.alone_ms,
				       .now_ms = stamp_now_ms() };
	int r = 0;

	if (e->m.is_signed)
		r = matter_take(&e->m, db, err);
	if (r == 0 && e->m.is_signed)
		r = approvers_signatures(db, "expect", "approve", e->m.target, word.now_ms,
					 count_other, e, err);
	if (r < 0)
		return r;
	e->stands = e->before > 0 || e->m.alone_ms;
	word.signer = e->m.is_signed ? &e->m.signer : NULL;
	word.why = e->m.why;
	word.stands = e->stands;
	r = announced_approve(db, &word, e->persons, e->count, err);
	if (r == 0)
		r = notices_held_put(e->m.told, db, err);
	return r == STORE_NOT_FOUND
		       ? err_set(err, ERR_NOT_FOUND, "no list %s waits", e->m.target)
		       : r;
}

static int live_approvers(struct app *app, struct approvers_count *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	return r < 0 ? r : approvers_count(db, stamp_now_ms(), ret, err);
}

/* Where all is signed a typed count stands for the second person alone: the first signs. */
static int first_signed(struct expecting *e, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r;

	if (app_acting(e->m.app)->approvals.is_signed != CONFIG_SIGNED_ALWAYS)
		return 0;
	r = store_read_begin(e->m.app->store, &db, err);
	if (r == 0)
		r = approvers_signatures(db, "expect", "approve", e->m.target, stamp_now_ms(),
					 count_other, e, err);
	if (r < 0 || e->before)
		return r < 0 ? r : 0;
	return err_set(err, ERR_HELD,
		       "this instance wants every approval signed (approvals.signed): sign it "
		       "first with --sign KEYFILE, then --count stands for the second person");
}

/* One administrator: as for plans (bridge/verbs_decide.c). */
static int expect_alone(struct expecting *e, struct err *err)
{
	const struct config_approvals *c = &app_acting(e->m.app)->approvals;
	int64_t typed = json_integer_value(json_object_get(e->m.in, "count"));
	CLEANUP(buf_done) struct buf text;
	struct approvers_count n = { 0 };
	char key[64], when[STAMP_TEXT_BYTES];
	int r;

	buf_init(&text, 16384);
	if (!c->single_admin || !typed)
		return err_set(err, ERR_HELD,
			       "two people sign an announced leaving: add --sign KEYFILE, or "
			       "--statement to sign elsewhere");
	r = live_approvers(e->m.app, &n, err);
	if (r < 0)
		return r;
	if (n.live > 1 || typed != (int64_t)e->count || !e->m.why)
		return err_set(err, n.live > 1 ? ERR_REFUSED : ERR_CONFLICT,
			       n.live > 1
				       ? "several approvers are enrolled, so two of them sign"
				       : "deciding alone needs --reason, and --count with the "
					 "number of people on the list");
	r = first_signed(e, err);
	if (r < 0)
		return r;
	e->m.alone_ms = stamp_now_ms() + c->single_delay_ms;
	stamp_text(e->m.alone_ms, when);
	snprintf(key, sizeof(key), "single-admin-expect-%s", e->m.target);
	buf_addf(
		&text,
		"At instance %s, %s announced %zu leavers alone (list %s): limits pass them by "
		"from %s on.\nReason given: %s\n\nIf that is wrong: leaverd expect withdraw %s "
		"--reason WHY\n",
		e->m.app->config.instance.name, e->m.who->name, e->count, e->m.target, when,
		e->m.why, e->m.target);
	r = buf_fault(&text, err, "the notice");
	return r < 0 ? r
		     : second_tell(e->m.app, key, "leavers announced by one person",
				   buf_str(&text), &e->m.told, err);
}

static int expect_read(struct expecting *e, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(e->m.app->store, &db, err);

	if (r == 0)
		r = announced_get(db, e->m.number, expecting_row, e, err);
	return r == STORE_NOT_FOUND
		       ? err_set(err, ERR_NOT_FOUND,
				 "there is no list %s: `leaverd expect list`", e->m.target)
		       : r;
}

static int run_expect_approve(struct app *app, const struct who *who, const json_t *in,
			      json_t *out, struct err *err)
{
	CLEANUP(expecting_done) struct expecting e = { .count = 0 };
	int r = matter_init(&e.m, app, who, in, "expect", err);

	if (r == 0)
		r = expect_read(&e, err);
	if (r == 0 && json_is_true(json_object_get(in, "statement")))
		return matter_offer(&e.m, out, err);
	if (r == 0 && !e.m.is_signed)
		r = expect_alone(&e, err);
	if (r == 0)
		r = writer_call(app->writer, expect_write, &e, err);
	if (r == 0 && e.m.told)
		outbox_wake(app->outbox);
	if (r < 0)
		return r;
	return e.stands ? ask_say(out, err,
				  "List %s stands: limits pass its %zu people by, and nobody "
				  "else.",
				  e.m.target, e.count)
			: ask_say(out, err, "List %s is signed by one; a second signs it, too.",
				  e.m.target);
}

struct number_word {
	int64_t number;
	const char *who, *why;
};

static int withdraw_write(void *ctx, struct db *db, struct err *err)
{
	struct number_word *w = ctx;
	int r = announced_withdraw(db, w->number, w->who, w->why, stamp_now_ms(), err);

	return r == STORE_NOT_FOUND ? err_set(err, ERR_NOT_FOUND,
					      "there is no list %lld that waits or stands",
					      (long long)w->number)
				    : r;
}

static int run_expect_withdraw(struct app *app, const struct who *who, const json_t *in,
			       json_t *out, struct err *err)
{
	struct number_word w = { json_integer_value(json_object_get(in, "number")), who->name,
				 jx_get_text(in, "reason") };
	int r = writer_call(app->writer, withdraw_write, &w, err);

	return r < 0 ? r
		     : ask_say(out, err, "List %lld is withdrawn: limits count its people.",
			       (long long)w.number);
}

static int list_row(void *ctx, const struct announced *a, struct err *err)
{
	return jx_add(ctx,
		      json_pack("{s:I,s:s,s:I,s:I,s:I,s:I,s:s%,s:s%}", "number",
				(json_int_t)a->id, "state", announced_words[a->state],
				"persons", (json_int_t)a->persons, "from",
				(json_int_t)a->from_ms, "until", (json_int_t)a->until_ms,
				"made", (json_int_t)a->made_ms, "who", ASK_S(a->who), "why",
				ASK_S(a->why)),
		      err);
}

static int run_expect_list(struct app *app, const struct who *who, const json_t *in,
			   json_t *out, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	json_t *rows = json_array();
	int r = jx_set(out, "lists", rows, err);

	(void)who;
	(void)in;
	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	return r < 0 ? r : announced_list(db, LISTS_MOST, list_row, rows, err);
}

/* --- config ---------------------------------------------------------------------------------
 */

struct configuring {
	struct matter m;
	char author[80];
	bool starts; /* some of it acts only from a start */
};

/* What of it acts at once, and what needs a restart. */
static int config_said(struct configuring *c, json_t *out, struct err *err)
{
	struct app *app = c->m.app;

	if (!app->serve)
		return ask_say(out, err, "Configuration %s stands: it acts from now on.",
			       c->m.target);
	if (!loaded_let_act(app, c->m.number))
		return ask_say(out, err,
			       "Configuration %s stands: serve read it after its start, and "
			       "acts by it from its next start; restart serve.",
			       c->m.target);
	return ask_say(out, err,
		       "Configuration %s stands: policy and approvals act from the next "
		       "round.%s",
		       c->m.target,
		       c->starts ? " What it says of sources and organisations acts from the "
				   "next start of serve: restart it."
				 : "");
}

static int configuring_row(void *ctx, const struct config_load *row, struct err *err)
{
	struct configuring *c = ctx;

	CLEANUP(json_decref_at) json_t *wider = NULL;
	json_t *text;
	size_t i;
	int r = jx_parse(row->wider, JX_LENIENT, &wider, err);

	json_array_foreach (wider, i, text) {
		const char *key = json_string_value(text);

		c->starts =
			c->starts || !key ||
			(strncmp(key, "policy", 6) != 0 && strncmp(key, "approvals", 9) != 0);
	}
	if (r < 0)
		return r;
	c->m.number = row->id;
	snprintf(c->m.target, sizeof(c->m.target), "%lld", (long long)row->id);
	snprintf(c->author, sizeof(c->author), STR_FMT, STR_ARG(row->author));
	c->m.digest = row->digest;
	return 0;
}

/* Whoever wrote it does not approve it, where that is known. */
static int not_the_author(const struct configuring *c, struct err *err)
{
	char login[80];

	snprintf(login, sizeof(login), "uid:%s", c->m.signer.login);
	if (!c->author[0] || strcmp(c->m.is_signed ? login : c->m.who->name, c->author) != 0)
		return 0;
	return err_set(err, ERR_REFUSED,
		       "%s wrote configuration %s (the file is theirs): another person "
		       "approves it",
		       c->author, c->m.target);
}

static int config_write(void *ctx, struct db *db, struct err *err)
{
	struct configuring *c = ctx;
	int r = c->m.is_signed ? matter_take(&c->m, db, err) : 0;

	if (r == 0)
		r = not_the_author(c, err);
	if (r == 0)
		r = configs_stand(db, c->m.number, c->m.who->name,
				  c->m.is_signed ? &c->m.signer : NULL, c->m.why,
				  stamp_now_ms(), err);
	return r == STORE_NOT_FOUND
		       ? err_set(err, ERR_NOT_FOUND, "no configuration %s waits", c->m.target)
		       : r;
}

static int config_read_waiting(struct configuring *c, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int64_t asked = c->m.number;
	int r = store_read_begin(c->m.app->store, &db, err);

	if (r == 0)
		r = configs_newest(db, CONFIG_WAITS, configuring_row, c, err);
	if (r == STORE_NOT_FOUND || (r == 0 && asked && asked != c->m.number))
		return err_set(err, ERR_NOT_FOUND,
			       "no such configuration waits: `leaverd config list`");
	return r;
}

static int run_config_approve(struct app *app, const struct who *who, const json_t *in,
			      json_t *out, struct err *err)
{
	struct configuring c = { .author = "" };
	int r = matter_init(&c.m, app, who, in, "config", err);

	if (r == 0)
		r = config_read_waiting(&c, err);
	if (r == 0 && json_is_true(json_object_get(in, "statement")))
		return matter_offer(&c.m, out, err);
	if (r == 0 && !c.m.is_signed &&
	    app_acting(app)->approvals.is_signed == CONFIG_SIGNED_ALWAYS)
		r = err_set(err, ERR_HELD,
			    "this instance wants every approval signed (approvals.signed): add "
			    "--sign KEYFILE, or --statement to sign elsewhere");
	if (r == 0 && !c.m.is_signed && !c.m.why)
		r = err_set(err, ERR_USAGE, "config approve needs --reason TEXT");
	if (r == 0)
		r = writer_call(app->writer, config_write, &c, err);
	if (r == 0)
		r = config_said(&c, out, err);
	matter_done(&c.m);
	return r;
}

static int config_row(void *ctx, const struct config_load *c, struct err *err)
{
	CLEANUP(json_decref_at) json_t *wider = NULL;
	char hex[DIGEST_HEX_BYTES];
	json_t *row;
	int r = jx_parse(c->wider, JX_LENIENT, &wider, err);

	if (r < 0)
		return r;
	digest_hex(&c->digest, hex);
	row = json_pack("{s:I,s:s,s:I,s:s%,s:s,s:O}", "number", (json_int_t)c->id, "state",
			config_load_words[c->state], "loaded", (json_int_t)c->ms, "author",
			ASK_S(c->author), "digest", hex, "wider", wider);
	return jx_add(ctx, row, err);
}

static int run_config_list(struct app *app, const struct who *who, const json_t *in,
			   json_t *out, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	json_t *rows = json_array();
	int r = jx_set(out, "configurations", rows, err);

	(void)who;
	(void)in;
	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	return r < 0 ? r : configs_list(db, LISTS_MOST, config_row, rows, err);
}

const struct verb verbs_announce[] = {
	{ "expect", VERB_STORE, run_expect },
	{ "expect.approve", VERB_STORE, run_expect_approve },
	{ "expect.withdraw", VERB_STORE, run_expect_withdraw },
	{ "expect.list", VERB_STORE, run_expect_list },
	{ "config.approve", VERB_STORE, run_config_approve },
	{ "config.list", VERB_STORE, run_config_list },
	{ NULL, 0, NULL },
};
