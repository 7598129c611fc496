/* Holding what the audit chain says of signatures against the chain itself: store/approvers.h.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/enc.h"
#include "base/jx.h"
#include "base/vec.h"
#include "store/approvers.h"
#include "store/audit.h"
#include "store/audit_cut.h"
#include "store/store.h"

#define PAGE_ENTRIES 500

/* An approver, as the chain tells. */
struct enrolled {
	char name[STATEMENT_NAME_MOST + 1];
	unsigned char key[DIGEST_PUB_BYTES];
	int64_t from_ms, expires_ms;
	bool retired;
};
VEC(vec_enrolled, struct enrolled);

/* A statement that was taken. */
struct taken {
	int64_t seq;
	struct digest matter; /* who, what it decides, about what: as later entries say it */
	struct digest named;  /* what else it fixes: actions and guards, or a key */
};
VEC(vec_taken, struct taken);

struct checking {
	struct signatures_report *report;
	struct vec_enrolled enrolled;
	struct vec_taken taken;
	char authority[2 * DIGEST_PUB_BYTES + 1];
	int64_t last, until; /* entries after until are not looked at; 0: all are */
	int64_t cut;         /* statements up to this one went with retention */
	size_t n;
};

static int damaged(struct checking *c, const struct audit_entry *e, struct err *err,
		   const char *what)
{
	(void)snprintf(c->report->text, sizeof(c->report->text), "audit entry %" PRId64 ": %s",
		       e->seq, what);
	return err_set(err, ERR_DAMAGED, "%s", c->report->text);
}

static void add_text(struct digest_run *run, struct str s)
{
	uint64_t len = s.len;

	digest_add(run, &len, sizeof(len));
	digest_add(run, s.p ? s.p : "", s.len);
}

static void matter_of(struct str who, struct str what, struct str target, struct digest *ret)
{
	struct digest_run run;

	digest_begin(&run, NULL);
	add_text(&run, who);
	add_text(&run, what);
	add_text(&run, target);
	digest_end(&run, ret);
}

static void named_of(struct str a, struct str b, struct digest *ret)
{
	struct digest_run run;

	digest_begin(&run, NULL);
	add_text(&run, a);
	add_text(&run, b);
	digest_end(&run, ret);
}

/* --- who is enrolled ------------------------------------------------------------------------
 */

static const struct enrolled *enrolled_at(const struct checking *c, const unsigned char *key,
					  int64_t ms)
{
	for (size_t i = 0; i < c->enrolled.n; i++) {
		const struct enrolled *e = &c->enrolled.v[i];

		if (!e->retired && e->from_ms <= ms && ms < e->expires_ms &&
		    memcmp(e->key, key, DIGEST_PUB_BYTES) == 0)
			return e;
	}
	return NULL;
}

static bool anybody_at(const struct checking *c, int64_t ms)
{
	for (size_t i = 0; i < c->enrolled.n; i++)
		if (!c->enrolled.v[i].retired && ms < c->enrolled.v[i].expires_ms)
			return true;
	return false;
}

static const struct taken *taken_at(const struct checking *c, int64_t seq)
{
	for (size_t i = c->taken.n; i-- > 0;)
		if (c->taken.v[i].seq == seq)
			return &c->taken.v[i];
	return NULL;
}

/* The statement that the entry names, if it says the same. */
static const struct taken *taken_for(const struct checking *c, const struct audit_entry *e,
				     const json_t *body)
{
	const struct taken *t =
		taken_at(c, json_integer_value(json_object_get(body, "statement")));
	struct digest matter;

	matter_of(e->who, e->what, e->target, &matter);
	return t && digest_equal(&t->matter, &matter) ? t : NULL;
}

static int on_enrol(struct checking *c, const struct audit_entry *e, const json_t *body,
		    struct err *err)
{
	struct enrolled new = {
		.from_ms = json_integer_value(json_object_get(body, "from")),
		.expires_ms = json_integer_value(json_object_get(body, "expires")),
	};
	const char *name = jx_get_text(body, "name"), *key = jx_get_text(body, "key");
	const struct taken *t = NULL;
	struct digest named;
	int64_t seq = json_integer_value(json_object_get(body, "statement"));

	if (!name || !key || !enc_unhex(str_of(key), new.key, sizeof(new.key)))
		return damaged(c, e, err, "enrols nobody");
	if (seq > 0 && seq <= c->cut) {
		c->report->beyond++;
	} else if (json_object_get(body, "statement")) {
		t = taken_for(c, e, body);
		named_of(str_of(key), STR(""), &named);
		if (!t || !digest_equal(&t->named, &named))
			return damaged(c, e, err,
				       "enrols an approver whom no statement enrols");
	} else if (anybody_at(c, e->ms)) {
		return damaged(c, e, err,
			       "enrols an approver without a signature, though there were "
			       "approvers");
	}
	(void)snprintf(new.name, sizeof(new.name), "%s", name);
	c->report->approvers++;
	return vec_enrolled_add(&c->enrolled, new) < 0 ? err_nomem(err) : 0;
}

static void on_retire(struct checking *c, const json_t *body)
{
	const char *name = jx_get_text(body, "name");

	for (size_t i = 0; name && i < c->enrolled.n; i++)
		if (strcmp(c->enrolled.v[i].name, name) == 0)
			c->enrolled.v[i].retired = true;
}

/* --- statements -----------------------------------------------------------------------------
 */

/* A key that a statement enrols stands in its detail. */
static void named_in(const struct statement *s, struct digest *ret)
{
	CLEANUP(json_decref_at) json_t *detail = NULL;
	struct str key = STR("");
	struct err ignored;

	if (s->field[STATEMENT_DETAIL].len &&
	    jx_parse(s->field[STATEMENT_DETAIL], JX_STRICT, &detail, &ignored) == 0)
		key = str_of(jx_get_text(detail, "key"));
	if (statement_is(s, STATEMENT_ABOUT, "plan"))
		named_of(s->field[STATEMENT_ACTIONS], s->field[STATEMENT_GUARDS], ret);
	else
		named_of(key, STR(""), ret);
}

static int remember(struct checking *c, const struct audit_entry *e, const struct statement *s,
		    struct err *err)
{
	struct taken t = { .seq = e->seq };
	char what[140], target[300];

	(void)snprintf(what, sizeof(what), STR_FMT "." STR_FMT,
		       STR_ARG(s->field[STATEMENT_ABOUT]),
		       STR_ARG(s->field[STATEMENT_DECISION]));
	(void)snprintf(target, sizeof(target), STR_FMT " " STR_FMT,
		       STR_ARG(s->field[STATEMENT_ABOUT]), STR_ARG(s->field[STATEMENT_TARGET]));
	if (!str_eq(e->target, str_of(target)))
		return damaged(c, e, err, "its statement is about something else");
	matter_of(e->who, str_of(what), str_of(target), &t.matter);
	named_in(s, &t.named);
	return vec_taken_add(&c->taken, t) < 0 ? err_nomem(err) : 0;
}

static int on_take(struct checking *c, const struct audit_entry *e, const json_t *body,
		   struct err *err)
{
	const char *text = jx_get_text(body, "statement");
	char who[STATEMENT_NAME_MOST + 16];
	const struct enrolled *by;
	struct statement s;
	struct err cause;

	if (!text || statement_parse(str_of(text), &s, &cause) < 0)
		return damaged(c, e, err, "holds no statement");
	if (!statement_is(&s, STATEMENT_AUTHORITY, c->authority))
		return damaged(c, e, err, "its statement was made for another instance");
	if (!statement_signed(&s))
		return damaged(c, e, err, "the signature of its statement does not fit");
	by = enrolled_at(c, s.key, e->ms);
	if (!by)
		return damaged(
			c, e, err,
			"its statement was signed with a key that was not enrolled then");
	(void)snprintf(who, sizeof(who), "approver:%s", by->name);
	if (!str_eq(e->who, str_of(who)) || !statement_is(&s, STATEMENT_WHO, by->name))
		return damaged(c, e, err, "names another person than its key");
	c->report->statements++;
	return remember(c, e, &s, err);
}

/* A decision that counts as a person's has its statement, which names the same actions and
 * guards. */
static int on_decision(struct checking *c, const struct audit_entry *e, const json_t *body,
		       struct err *err)
{
	const struct taken *t = taken_for(c, e, body);
	struct digest named;
	int64_t seq = json_integer_value(json_object_get(body, "statement"));

	if (seq > 0 && seq <= c->cut) {
		c->report->beyond++;
		return 0;
	}
	named_of(str_of(jx_get_text(body, "actions")), str_of(jx_get_text(body, "guards")),
		 &named);
	if (!t || (str_starts(e->what, STR("plan.")) && !digest_equal(&t->named, &named)))
		return damaged(c, e, err,
			       "says that a person signed it, and no statement of theirs says "
			       "so");
	return 0;
}

/* What only counts as a person's with a statement. */
static bool decides(struct str what)
{
	return str_ends(what, STR(".approve")) || str_eq(what, STR("plan.reject")) ||
	       str_eq(what, STR("plan.release"));
}

static int on_entry(void *ctx, const struct audit_entry *e, struct err *err)
{
	struct checking *c = ctx;
	CLEANUP(json_decref_at) json_t *body = NULL;
	bool take = str_eq(e->what, STR("statement.take"));
	bool enrol = str_eq(e->what, STR("approver.enrol"));
	bool retire = str_eq(e->what, STR("approver.retire"));
	struct err ignored;
	int r = 0;

	if (c->until && e->seq > c->until)
		return 0;
	c->last = e->seq;
	c->n++;
	if (!take && !enrol && !retire &&
	    !(decides(e->what) && str_starts(e->who, STR("approver:"))))
		return 0;
	if (e->forgotten || jx_parse(e->body, JX_LENIENT, &body, &ignored) < 0)
		return damaged(c, e, err, "has no body that could be held against a signature");
	if (take)
		r = on_take(c, e, body, err);
	else if (enrol)
		r = on_enrol(c, e, body, err);
	else if (retire)
		on_retire(c, body);
	else
		r = on_decision(c, e, body, err);
	return r;
}

/* --- the whole ------------------------------------------------------------------------------
 */

/* Who was enrolled where retention cut the chain, as the entry of that says. */
static int seed(struct checking *c, struct db *db, struct err *err)
{
	CLEANUP(json_decref_at) json_t *body = NULL;
	const json_t *row;
	size_t i;
	int r = audit_cut_body(db, &body, err);

	if (r != 0)
		return r < 0 ? r : 0;
	c->cut = json_integer_value(json_object_get(body, "seq"));
	c->last = c->cut;
	json_array_foreach (json_object_get(body, "approvers"), i, row) {
		const char *name = jx_get_text(row, "name"), *key = jx_get_text(row, "key");
		struct enrolled e = {
			.from_ms = json_integer_value(json_object_get(row, "from")),
			.expires_ms = json_integer_value(json_object_get(row, "expires")),
			.retired = json_is_true(json_object_get(row, "retired")),
		};

		if (!name || !key || !enc_unhex(str_of(key), e.key, sizeof(e.key)))
			return err_set(err, ERR_DAMAGED,
				       "the entry where retention cut the audit chain names an "
				       "approver without a key");
		(void)snprintf(e.name, sizeof(e.name), "%s", name);
		if (vec_enrolled_add(&c->enrolled, e) < 0)
			return err_nomem(err);
	}
	return 0;
}

static int walk(struct checking *c, struct store *store, struct err *err)
{
	bool more = true, first = true;
	int r = approvers_authority(store, c->authority, err);

	while (r == 0 && more) {
		CLEANUP(store_read_end_at) struct db *db = NULL;

		c->n = 0;
		r = store_read_begin(store, &db, err);
		if (r == 0 && first)
			r = seed(c, db, err);
		first = false;
		if (r == 0)
			r = audit_list(db, c->last, PAGE_ENTRIES, NULL, 0, on_entry, c, err);
		more = c->n == PAGE_ENTRIES;
	}
	return r;
}

static void checking_done(struct checking *c)
{
	vec_enrolled_done(&c->enrolled);
	vec_taken_done(&c->taken);
}

int approvers_verify(struct store *store, struct signatures_report *ret, struct err *err)
{
	struct checking c = { .report = ret };
	int r;

	*ret = (struct signatures_report){ 0 };
	r = walk(&c, store, err);
	checking_done(&c);
	if (r == 0)
		(void)snprintf(ret->text, sizeof(ret->text),
			       "%" PRId64 " signed statements of %" PRId64
			       " approvers, each signature fits",
			       ret->statements, ret->approvers);
	return r;
}

int approvers_roster(struct store *store, int64_t until, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *rows = json_array();
	struct signatures_report report = { 0 };
	struct checking c = { .report = &report, .until = until };
	int r = rows ? walk(&c, store, err) : err_nomem(err);

	for (size_t i = 0; r == 0 && i < c.enrolled.n; i++) {
		const struct enrolled *e = &c.enrolled.v[i];
		char hex[2 * DIGEST_PUB_BYTES + 1];

		enc_hex(e->key, sizeof(e->key), hex);
		r = jx_add(rows,
			   json_pack("{s:s,s:s,s:I,s:I,s:b}", "name", e->name, "key", hex,
				     "from", (json_int_t)e->from_ms, "expires",
				     (json_int_t)e->expires_ms, "retired", e->retired),
			   err);
	}
	checking_done(&c);
	if (r == 0)
		*ret = TAKE(rows);
	return r;
}
