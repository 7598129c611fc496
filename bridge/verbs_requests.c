/* The verbs requests, requests.grant and requests.refuse. */
#include "bridge/requests.h"

#include <stdio.h>

#include "base/stamp.h"
#include "bridge/ask.h"
#include "bridge/verb.h"
#include "store/accounts.h"
#include "store/requests.h"
#include "store/store.h"
#include "store/writer.h"

#define REQUESTS_ROWS 100
#define REQUESTS_MOST 100000

/* --- the list ------------------------------------------------------------------------------
 */

struct list {
	struct db *db;
	json_t *rows;
};

static int account_out(void *ctx, const struct account_row *row, struct err *err)
{
	int r = jx_set(ctx, "email",
		       json_stringn(row->email.p ? row->email.p : "", row->email.len), err);

	return r == 0 ? jx_set(ctx, "name",
			       json_stringn(row->name.p ? row->name.p : "", row->name.len), err)
		      : r;
}

static int row_out(void *ctx, const struct request_row *row, struct err *err)
{
	const struct list *l = ctx;
	json_t *out = json_pack(
		"{s:I, s:s, s:I, s:s%, s:I, s:I, s:I, s:I, s:s%, s:s%, s:s%, s:o, s:s%}",
		"request", (json_int_t)row->id, "state", request_state_words[row->state],
		"state_ms", (json_int_t)row->state_ms, "org", ASK_S(row->org), "plan",
		(json_int_t)row->plan, "action", (json_int_t)row->action, "person",
		(json_int_t)row->person, "account", (json_int_t)row->account, "product",
		ASK_S(row->product), "site", ASK_S(row->site), "rule", ASK_S(row->rule), "back",
		ask_ms(row->back), "who", ASK_S(row->who));
	int r = out ? accounts_get(l->db, row->account, account_out, out, err) : err_nomem(err);

	if (r < 0) {
		json_decref(out);
		return r;
	}
	return jx_add(l->rows, out, err);
}

static int verb_requests(struct app *app, const struct who *who, const json_t *in, json_t *out,
			 struct err *err)
{
	bool all = json_is_true(json_object_get(in, "all"));
	const json_t *limit = json_object_get(in, "limit");
	int64_t most = limit ? json_integer_value(limit) : REQUESTS_ROWS;
	struct list l = { .rows = json_array() };
	int r = jx_set(out, "requests", l.rows, err);

	if (r == 0)
		r = store_read_begin(app->store, &l.db, err);
	if (r == 0)
		r = requests_list(l.db,
				  all ? (1u << REQUEST_STATE_COUNT) - 1 : 1u << REQUEST_ASKED,
				  most > 0 ? (size_t)most : REQUESTS_MOST, row_out, &l, err);
	store_read_end(l.db);
	return r < 0 ? r
		     : ask_note_read(app, who, "requests", (int64_t)json_array_size(l.rows),
				     err);
}

/* --- answers -------------------------------------------------------------------------------
 */

struct found {
	enum request_state state;
	int64_t plan, action;
};

static int found_look(void *ctx, const struct request_row *row, struct err *err)
{
	struct found *f = ctx;

	(void)err;
	*f = (struct found){ row->state, row->plan, row->action };
	return 0;
}

/* That it waits for an answer. */
static int asked(struct app *app, int64_t id, struct found *ret, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	if (r == 0)
		r = requests_get(db, id, found_look, ret, err);
	if (r > 0)
		return err_set(err, ERR_NOT_FOUND,
			       "there is no request %lld; `leaverd requests` lists them",
			       (long long)id);
	if (r == 0 && ret->state != REQUEST_ASKED)
		return err_set(err, ERR_CONFLICT, "request %lld %s", (long long)id,
			       ret->state == REQUEST_OFFERED   ? "was not asked for yet"
			       : ret->state == REQUEST_GRANTED ? "was granted before"
							       : "was refused before");
	return r;
}

static int answer_run(void *ctx, struct db *db, struct err *err)
{
	int r = requests_answer(db, ctx, err);

	return r > 0 ? err_set(err, ERR_CONFLICT, "it was answered meanwhile") : r;
}

/* The plan of undo for one action of one plan. */
static int give_back(struct app *app, int64_t id, const struct found *f,
		     const struct request_by *by, uint64_t *ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *in = NULL, *out = json_object();
	const struct verb *undo = verb_find("undo");
	struct who who = { 0 };
	char reason[600];
	const json_t *row;
	size_t at;
	int r;

	(void)snprintf(who.name, sizeof(who.name), "%s", by->who);
	(void)snprintf(reason, sizeof(reason), "request %lld: %s", (long long)id, by->why);
	in = json_pack("{s:I, s:I, s:s, s:I}", "plan", (json_int_t)f->plan, "action",
		       (json_int_t)f->action, "reason", reason, "until_ms",
		       (json_int_t)(stamp_now_ms() + app->config.keep.for_ms));
	if (!in || !out)
		return err_nomem(err);
	r = undo->run(app, &who, in, out, err);
	if (r < 0)
		return r;
	json_array_foreach (json_object_get(out, "plans"), at, row)
		if (json_integer_value(json_object_get(row, "plan")))
			*ret = (uint64_t)json_integer_value(json_object_get(row, "plan"));
	if (!*ret)
		return err_set(
			err, ERR_NOT_FOUND,
			"nothing comes back: the seat is held again, or what took it cannot "
			"be undone (`leaverd undo --plan %lld --action %lld`)",
			(long long)f->plan, (long long)f->action);
	return 0;
}

int request_grant(struct app *app, int64_t id, const struct request_by *by, uint64_t *ret_plan,
		  struct err *err)
{
	struct request_answer answer = { .id = id,
					 .state = REQUEST_GRANTED,
					 .who = by->who,
					 .why = by->why,
					 .now_ms = stamp_now_ms() };
	struct found f;
	uint64_t plan = 0;
	int r = asked(app, id, &f, err);

	if (r == 0)
		r = give_back(app, id, &f, by, &plan, err);
	answer.back = (int64_t)plan;
	if (r == 0)
		r = writer_call(app->writer, answer_run, &answer, err);
	if (r == 0)
		*ret_plan = plan;
	return r;
}

static int verb_grant(struct app *app, const struct who *who, const json_t *in, json_t *out,
		      struct err *err)
{
	const char *reason = jx_get_text(in, "reason");
	const struct request_by by = { who->name, reason ? reason : "granted" };
	int64_t id = json_integer_value(json_object_get(in, "request"));
	uint64_t plan = 0;
	int r = request_grant(app, id, &by, &plan, err);

	if (r == 0)
		r = jx_set(out, "plan", json_integer((json_int_t)plan), err);
	return r == 0 ? ask_say(out, err,
				"Plan %llu gives it back once it is approved: leaverd approve "
				"%llu && leaverd apply %llu",
				(unsigned long long)plan, (unsigned long long)plan,
				(unsigned long long)plan)
		      : r;
}

static int verb_refuse(struct app *app, const struct who *who, const json_t *in, json_t *out,
		       struct err *err)
{
	struct request_answer answer = { .id = json_integer_value(
						 json_object_get(in, "request")),
					 .state = REQUEST_REFUSED,
					 .who = who->name,
					 .why = jx_get_text(in, "reason"),
					 .now_ms = stamp_now_ms() };
	struct found f;
	int r = asked(app, answer.id, &f, err);

	if (r == 0)
		r = writer_call(app->writer, answer_run, &answer, err);
	return r == 0 ? ask_say(out, err, "Request %lld is refused.", (long long)answer.id) : r;
}

const struct verb verbs_requests[] = {
	{ "requests", VERB_STORE, verb_requests },
	{ "requests.grant", VERB_STORE | VERB_LONG, verb_grant },
	{ "requests.refuse", VERB_STORE, verb_refuse },
	{ NULL, 0, NULL },
};
