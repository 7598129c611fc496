/* Verbs about what was told: notices, notices test. */
#include "bridge/verb.h"

#include <stdio.h>

#include "base/stamp.h"
#include "bridge/ask.h"
#include "bridge/notices.h"
#include "bridge/outbox.h"
#include "bridge/tickets.h"
#include "store/audit.h"
#include "store/outbox.h"
#include "store/store.h"
#include "store/writer.h"

#define NOTICES_ROWS 100
#define TEST_WAIT_MS 60000

/* --- the list ------------------------------------------------------------------------------
 */

static int row_out(void *ctx, const struct outbox_row *row, struct err *err)
{
	return jx_add(
		ctx,
		json_pack("{s:I, s:s%, s:s%, s:s%, s:s, s:I, s:I, s:I, s:s%, s:o, s:I, s:o}",
			  "notice", (json_int_t)row->id, "kind", ASK_S(row->kind), "channel",
			  ASK_S(row->channel), "to", ASK_S(row->to), "state",
			  outbox_state_words[row->state], "tries", (json_int_t)row->tries,
			  "queued_ms", (json_int_t)row->queued_ms, "state_ms",
			  (json_int_t)row->state_ms, "says", ASK_S(row->says), "next_ms",
			  row->state == OUTBOX_QUEUED ? ask_ms(row->next_ms) : json_null(),
			  "person", (json_int_t)row->person, "key",
			  json_stringn(row->key.p, row->key.len)),
		err);
}

static int counts_out(struct db *db, json_t *out, struct err *err)
{
	int64_t n[OUTBOX_STATE_COUNT];
	json_t *counts;
	int r = outbox_counts(db, n, err);

	if (r == 0)
		r = jx_set(out, "counts", counts = json_object(), err);
	for (int i = 0; r == 0 && i < OUTBOX_STATE_COUNT; i++)
		r = jx_set(counts, outbox_state_words[i], json_integer((json_int_t)n[i]), err);
	return r;
}

static int verb_notices(struct app *app, const struct who *who, const json_t *in, json_t *out,
			struct err *err)
{
	bool all = json_is_true(json_object_get(in, "all"));
	const json_t *limit = json_object_get(in, "limit");
	int64_t most = limit ? json_integer_value(limit) : NOTICES_ROWS;
	struct db *db = NULL;
	json_t *rows;
	int r = jx_set(out, "notices", rows = json_array(), err);

	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = outbox_list(db, all ? 0 : ~(1u << OUTBOX_SENT) & 0x3fu, 0,
				most > 0 ? (size_t)most : OUTBOX_MOST, row_out, rows, err);
	if (r == 0)
		r = counts_out(db, out, err);
	store_read_end(db);
	return r < 0 ? r
		     : ask_note_read(app, who, "notices", (int64_t)json_array_size(rows), err);
}

/* --- a test --------------------------------------------------------------------------------
 */

struct ended {
	int64_t id;
	enum outbox_state state;
	int64_t tries;
	char says[ERR_TEXT_BYTES];
};

static int ended_look(void *ctx, const struct outbox_row *row, struct err *err)
{
	struct ended *e = ctx;

	(void)err;
	if (row->id != e->id)
		return row->id < e->id;
	e->state = row->state;
	e->tries = row->tries;
	(void)snprintf(e->says, sizeof(e->says), STR_FMT, STR_ARG(row->says));
	return 1;
}

/* Waits for its end, or for its first try to come to nothing. */
static int test_wait(struct app *app, struct ended *e, struct err *err)
{
	int64_t until = stamp_mono_ms() + TEST_WAIT_MS;

	for (;;) {
		struct db *db = NULL;
		int r = store_read_begin(app->store, &db, err);

		if (r == 0)
			r = outbox_list(db, 0, e->id + 1, 1, ended_look, e, err);
		store_read_end(db);
		if (r < 0)
			return r;
		if (e->state >= OUTBOX_SENT || (e->state == OUTBOX_QUEUED && e->says[0]) ||
		    verb_cancelled(app) || stamp_mono_ms() > until)
			return 0;
		stamp_sleep_ms(20);
	}
}

/* A channel of issues by its name, as `notices` shows it ("issues:plans") or as the
 * configuration has it, where no hook is called so. */
static const struct config_issues *issues_named(const struct app *app, const char *name)
{
	const struct config_notices *n = &app->config.notices;
	struct str wanted = str_of(name);
	bool plain = !str_starts(wanted, STR(NOTICES_ISSUES));

	for (size_t i = 0; plain && i < n->hooks.n; i++)
		if (str_eq(wanted, str_of(config_hook_at(n, i)->name)))
			return NULL;
	if (!plain)
		wanted = str_n(wanted.p + sizeof(NOTICES_ISSUES) - 1,
			       wanted.len - (sizeof(NOTICES_ISSUES) - 1));
	for (size_t i = 0; i < n->issues.n; i++)
		if (str_eq(wanted, str_of(config_issues_at(n, i)->name)))
			return config_issues_at(n, i);
	return NULL;
}

struct tested {
	const struct who *who;
	const struct config_issues *to;
	const char *says;
};

/* Something was made at Atlassian by hand: it stands in the chain. */
static int note_test(void *ctx, struct db *db, struct err *err)
{
	CLEANUP(json_decref_at) json_t *body = NULL;
	CLEANUP(buf_done) struct buf text;
	const struct tested *t = ctx;
	struct audit_new entry = { .who = t->who->name,
				   .what = "notices.test",
				   .target = t->to->name,
				   .now_ms = stamp_now_ms() };
	int r;

	buf_init(&text, 65536);
	body = json_pack("{s:s,s:s,s:s}", "site", t->to->site, "project", t->to->project,
			 "result", t->says);
	r = body ? jx_canonical(body, &text, err) : err_nomem(err);
	if (r == 0)
		r = buf_fault(&text, err, "a test");
	entry.body = buf_str(&text);
	return r < 0 ? r : audit_add(db, &entry, NULL, err);
}

static int test_issues(struct app *app, const struct who *who, const struct config_issues *to,
		       json_t *out, struct err *err)
{
	char says[ERR_TEXT_BYTES] = "";
	struct tested t = { who, to, says };
	struct err lost;
	int r = tickets_test(app, to, says, err);

	if (says[0] && writer_call(app->writer, note_test, &t, &lost) < 0 && r == 0)
		r = err_set(err, lost.code, "%s", lost.text);
	if (r == 0)
		r = jx_set(out, "state", json_string(outbox_state_words[OUTBOX_SENT]), err);
	return r < 0 ? r : ask_say(out, err, "%s.", says);
}

static int verb_test(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	const struct config_issues *issues = issues_named(app, jx_get_text(in, "to"));
	struct ended e = { .state = OUTBOX_QUEUED };
	int r;

	if (issues)
		return test_issues(app, who, issues, out, err);
	r = notices_test(app, jx_get_text(in, "to"), &e.id, err);
	if (r == 0)
		r = test_wait(app, &e, err);
	if (r < 0)
		return r;
	r = jx_set(out, "state", json_string(outbox_state_words[e.state]), err);
	if (r < 0)
		return r;
	if (e.state == OUTBOX_SENT)
		return ask_say(out, err, "It was sent%s.",
			       app->config.notices.folder ? " into notices.folder (dry mode)"
							  : "");
	if (e.state == OUTBOX_QUEUED || e.state == OUTBOX_SENDING)
		return err_set(err, ERR_NETWORK, "not sent yet, it is tried again: %s",
			       e.says[0] ? e.says : "nothing sends at the moment");
	return err_set(err, ERR_REMOTE, "it %s: %s",
		       e.state == OUTBOX_FAILED ? "failed" : "may have been sent", e.says);
}

const struct verb verbs_notices[] = {
	{ "notices", VERB_STORE, verb_notices },
	{ "notices.test", VERB_STORE | VERB_HTTP | VERB_LONG, verb_test },
	{ NULL, 0, NULL },
};
