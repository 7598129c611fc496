/* Verbs about whose word counts: approver enrol, list, retire. */
#include "base/enc.h"
#include "base/stamp.h"
#include "bridge/ask.h"
#include "bridge/signing.h"
#include "store/writer.h"

/* --- approver enrol -------------------------------------------------------------------------
 */

struct enrol {
	struct app *app;
	const struct who *who;
	struct approver_new new;
	const char *name;
	struct statement statement;
	bool is_signed;
	struct signer signer;
	json_t *detail; /* of the statement */
	int64_t from_ms;
};

static int enrol_write(void *ctx, struct db *db, struct err *err)
{
	struct enrol *e = ctx;
	struct statement_want want;
	int r = 0;

	if (e->is_signed) {
		signing_want(e->app, e->who, "approver", "enrol", e->name, &want);
		r = approvers_take(db, &want, &e->statement, &e->signer, err);
		e->new.signer = &e->signer;
	}
	return r < 0 ? r : approvers_enrol(db, &e->new, &e->from_ms, err);
}

/* {"expires":..,"key":"..","login":".."}: what an approver signs of who joins them. */
static int enrol_detail(const struct enrol *e, struct buf *into, struct err *err)
{
	char hex[2 * DIGEST_PUB_BYTES + 1];

	enc_hex(e->new.key, sizeof(e->new.key), hex);
	buf_addf(into,
		 "{\"expires\":%lld,\"key\":\"%s\",\"login\":", (long long)e->new.expires_ms,
		 hex);
	buf_add_json(into, e->new.login);
	buf_add_char(into, '}');
	return buf_fault(into, err, "the statement");
}

static int enrol_offer(struct enrol *e, json_t *out, struct err *err)
{
	CLEANUP(buf_done) struct buf detail;
	struct signing_offer o = { .about = "approver",
				   .decision = "enrol",
				   .target = e->name,
				   .reason = e->new.why };
	int r;

	buf_init(&detail, 4096);
	r = enrol_detail(e, &detail, err);
	o.detail = buf_str(&detail);
	return r < 0 ? r : signing_offer(e->app, &o, out, err);
}

/* From the request, or from what was signed. */
static int enrol_read(struct enrol *e, const json_t *in, struct err *err)
{
	const json_t *from = in;
	const char *key;
	int r;

	e->new.now_ms = stamp_now_ms();
	e->new.by = e->who->name;
	e->new.why = jx_get_text(in, "reason");
	e->name = jx_get_text(in, "name");
	e->new.name = str_of(e->name);
	r = signing_given(in, &e->statement, &e->is_signed, err);
	if (r == 0 && e->is_signed) {
		r = jx_parse(e->statement.field[STATEMENT_DETAIL], JX_STRICT, &e->detail, err);
		from = e->detail;
	}
	if (r < 0)
		return r;
	key = jx_get_text(from, e->is_signed ? "key" : "public");
	if (!key || !enc_unhex(str_of(key), e->new.key, sizeof(e->new.key)))
		return err_set(err, ERR_USAGE,
			       "approver enrol needs the public part of a key: --key FILE.pub");
	e->new.login = str_of(jx_get_text(from, "login"));
	e->new.expires_ms = json_integer_value(
		json_object_get(from, e->is_signed ? "expires" : "expires_ms"));
	if (!e->new.expires_ms)
		e->new.expires_ms = e->new.now_ms + APPROVERS_EXPIRE_MS;
	return 0;
}

static int enrol_say(const struct enrol *e, json_t *out, struct err *err)
{
	char from[STAMP_TEXT_BYTES], until[STAMP_TEXT_BYTES];

	stamp_text(e->from_ms, from);
	stamp_date_text(e->new.expires_ms, until);
	if (e->is_signed)
		return ask_say(out, err,
			       "%s is an approver until %s, enrolled by the signature of %s.",
			       e->name, until, e->signer.who + sizeof("approver:") - 1);
	if (e->from_ms > e->new.now_ms)
		return ask_say(out, err,
			       "%s is an approver until %s. There were approvers before and "
			       "none is left, so this key counts only from %s; the audit chain "
			       "says that %s enrolled it.",
			       e->name, until, from, e->who->name);
	return ask_say(out, err,
		       "%s is the first approver, until %s, enrolled by the operator (%s); the "
		       "audit chain says so. Who joins is signed for by an approver.",
		       e->name, until, e->who->name);
}

static int run_enrol(struct app *app, const struct who *who, const json_t *in, json_t *out,
		     struct err *err)
{
	struct enrol e = { .app = app, .who = who };
	int r = enrol_read(&e, in, err);

	if (r == 0 && json_is_true(json_object_get(in, "statement")))
		r = enrol_offer(&e, out, err);
	else if (r == 0)
		r = writer_call(app->writer, enrol_write, &e, err);
	if (r == 0 && !json_object_get(out, "statement"))
		r = enrol_say(&e, out, err);
	json_decref(e.detail);
	return r;
}

/* --- approver retire ------------------------------------------------------------------------
 */

struct retire {
	const char *name, *who, *why;
};

static int retire_write(void *ctx, struct db *db, struct err *err)
{
	struct retire *w = ctx;
	int r = approvers_retire(db, str_of(w->name), w->who, w->why, stamp_now_ms(), err);

	if (r == STORE_NOT_FOUND)
		return err_set(
			err, ERR_NOT_FOUND,
			"no approver of the name %s is enrolled: `leaverd approver list`",
			w->name);
	return r;
}

static int run_retire(struct app *app, const struct who *who, const json_t *in, json_t *out,
		      struct err *err)
{
	struct retire w = { jx_get_text(in, "name"), who->name, jx_get_text(in, "reason") };
	int r;

	if (!w.name || !w.why)
		return err_set(err, ERR_USAGE, "approver retire needs a name and --reason");
	r = writer_call(app->writer, retire_write, &w, err);
	return r < 0 ? r
		     : ask_say(out, err,
			       "%s is no approver any more: nothing that this key signed "
			       "counts for what has not begun.",
			       w.name);
}

/* --- approver list --------------------------------------------------------------------------
 */

struct listed {
	json_t *rows;
	int64_t now_ms;
};

static const char *state_of(const struct approver *a, int64_t now_ms)
{
	if (a->retired_ms)
		return "retired";
	if (a->expires_ms <= now_ms)
		return "expired";
	return a->from_ms > now_ms ? "waits" : "counts";
}

static int list_row(void *ctx, const struct approver *a, struct err *err)
{
	struct listed *l = ctx;
	char hex[2 * DIGEST_PUB_BYTES + 1];
	json_t *row;
	int r;

	enc_hex(a->key, sizeof(a->key), hex);
	row = json_pack("{s:s%,s:s,s:s%,s:I,s:I,s:s}", "name", ASK_S(a->name), "state",
			state_of(a, l->now_ms), "by", ASK_S(a->by), "enrolled",
			(json_int_t)a->enrolled_ms, "expires", (json_int_t)a->expires_ms, "key",
			hex);
	r = jx_add(l->rows, row, err);
	if (r == 0 && a->login.len)
		r = jx_set(row, "login", json_stringn(a->login.p, a->login.len), err);
	if (r == 0 && a->from_ms > a->enrolled_ms)
		r = jx_set(row, "from", json_integer(a->from_ms), err);
	if (r == 0 && a->retired_ms)
		r = jx_set(row, "retired", json_integer(a->retired_ms), err);
	return r;
}

static int run_list(struct app *app, const struct who *who, const json_t *in, json_t *out,
		    struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct listed l = { json_array(), stamp_now_ms() };
	int r = jx_set(out, "approvers", l.rows, err);

	(void)who;
	(void)in;
	if (r == 0)
		r = store_read_begin(app->store, &db, err);
	return r < 0 ? r : approvers_list(db, list_row, &l, err);
}

const struct verb verbs_approver[] = {
	{ "approver.enrol", VERB_STORE, run_enrol },
	{ "approver.retire", VERB_STORE, run_retire },
	{ "approver.list", VERB_STORE, run_list },
	{ NULL, 0, NULL },
};
