/* Whose statements are taken, once, and what the audit chain can prove of it afterwards. */
#include "tests/lib/store_world.h"

#include "base/enc.h"
#include "store/approvers.h"
#include "store/plans.h"

#define HEX32 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* Everybody's key is 32 times the first letter of their name. */
static void seed_of(const char *name, struct secret *ret)
{
	unsigned char b[DIGEST_SEED_BYTES];
	struct err err = { 0 };

	memset(b, name[0], sizeof(b));
	assert_ok(secret_set(ret, b, sizeof(b), &err), &err);
}

static void key_of(const char *name, unsigned char ret[DIGEST_PUB_BYTES])
{
	CLEANUP(secret_done) struct secret seed = { 0 };
	struct err err = { 0 };

	seed_of(name, &seed);
	assert_ok(digest_public(ret, &seed, &err), &err);
}

struct said {
	const char *instance, *about, *decision, *target, *detail, *who, *key;
	int64_t at_ms, expires_ms;
	char authority_first; /* in place of the first digit; 0: ours */
};
/* What is left out is as in a statement that is taken. */
#define SAID(...) ((struct said){ __VA_ARGS__ })

static void preset(struct said *in)
{
	in->instance = in->instance ? in->instance : "test";
	in->about = in->about ? in->about : "plan";
	in->decision = in->decision ? in->decision : "approve";
	in->target = in->target ? in->target : "12";
	in->who = in->who ? in->who : "ada";
	in->key = in->key ? in->key : "ada";
	in->at_ms = in->at_ms ? in->at_ms : NOW;
	in->expires_ms = in->expires_ms ? in->expires_ms : NOW + STAMP_DAY_MS;
}

static void say(struct world *w, struct said in, struct buf *into)
{
	CLEANUP(secret_done) struct secret seed = { 0 };
	CLEANUP(buf_done) struct buf text;
	struct str f[STATEMENT_FIELDS] = { { 0 } };
	char authority[2 * DIGEST_PUB_BYTES + 1], expires[STAMP_TEXT_BYTES];
	struct statement s;
	struct err err = { 0 };

	preset(&in);
	buf_init(&text, STATEMENT_MAX_BYTES);
	assert_ok(approvers_authority(w->store, authority, &err), &err);
	if (in.authority_first)
		authority[0] = in.authority_first == authority[0] ? '0' : in.authority_first;
	stamp_text(in.expires_ms, expires);
	f[STATEMENT_INSTANCE] = str_of(in.instance);
	f[STATEMENT_AUTHORITY] = str_of(authority);
	f[STATEMENT_ABOUT] = str_of(in.about);
	f[STATEMENT_DECISION] = str_of(in.decision);
	f[STATEMENT_TARGET] = str_of(in.target);
	f[STATEMENT_DETAIL] = str_of(in.detail);
	f[STATEMENT_NONCE] = STR("00112233445566778899aabbccddeeff");
	f[STATEMENT_EXPIRES] = str_of(expires);
	if (strcmp(in.about, "plan") == 0)
		f[STATEMENT_ACTIONS] = STR("1,2");
	assert_ok(statement_write(f, &text, &err), &err);
	assert_ok(statement_parse(buf_str(&text), &s, &err), &err);
	seed_of(in.key, &seed);
	assert_ok(statement_sign(&s, str_of(in.who), &seed, in.at_ms, into, &err), &err);
}

/* In one transaction, as the daemon does it. */
static int take_text(struct world *w, const struct said *in, struct str text,
		     struct signer *signer, struct err *err_out)
{
	const struct statement_want want = { .instance = "test",
					     .about = "plan",
					     .decision = "approve",
					     .target = "12",
					     .by = "uid:root",
					     .now_ms = NOW + 1000 };
	struct statement_want mine = want;
	struct statement s;
	struct err err = { 0 };
	int r = statement_parse(text, &s, &err);

	if (in && in->about && strcmp(in->about, "approver") == 0) {
		mine.about = "approver";
		mine.decision = "enrol";
		mine.target = in->target;
	}
	if (r == 0)
		r = TRY_WRITE(w, approvers_take(db, &mine, &s, signer, &err));
	*err_out = err;
	return r;
}

static int take(struct world *w, struct said in, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	struct signer signer;

	buf_init(&text, STATEMENT_MAX_BYTES);
	say(w, in, &text);
	return take_text(w, &in, buf_str(&text), &signer, err);
}

struct enrolling {
	const char *name, *by;
	int64_t now_ms, from_ms;
	const char *login;
};

static int enrol_in(struct world *w, struct enrolling *e, struct db *db, struct err *err)
{
	struct approver_new new = { .name = str_of(e->name),
				    .login = str_of(e->login),
				    .expires_ms = e->now_ms + 100 * STAMP_DAY_MS,
				    .by = "uid:root",
				    .why = "joins",
				    .now_ms = e->now_ms };
	struct statement_want want = { .instance = "test",
				       .about = "approver",
				       .decision = "enrol",
				       .target = e->name,
				       .by = "uid:root",
				       .now_ms = e->now_ms };
	char hex[2 * DIGEST_PUB_BYTES + 1], detail[200];
	CLEANUP(buf_done) struct buf text;
	struct signer signer;
	struct statement s;
	int r = 0;

	buf_init(&text, STATEMENT_MAX_BYTES);
	key_of(e->name, new.key);
	if (e->by) {
		enc_hex(new.key, sizeof(new.key), hex);
		snprintf(detail, sizeof(detail), "{\"key\":\"%s\"}", hex);
		say(w,
		    SAID(.about = "approver", .decision = "enrol", .target = e->name,
			 .detail = detail, .who = e->by, .key = e->by, .at_ms = e->now_ms,
			 .expires_ms = e->now_ms + STAMP_DAY_MS),
		    &text);
		r = statement_parse(buf_str(&text), &s, err);
		if (r == 0)
			r = approvers_take(db, &want, &s, &signer, err);
		new.signer = &signer;
	}
	return r < 0 ? r : approvers_enrol(db, &new, &e->from_ms, err);
}

static int enrol(struct world *w, const char *name, const char *by, int64_t now_ms,
		 int64_t *from_ms, struct err *err_out)
{
	struct enrolling e = { name, by, now_ms, 0, "" };
	struct err err = { 0 };
	int r = TRY_WRITE(w, enrol_in(w, &e, db, &err));

	*err_out = err;
	if (from_ms)
		*from_ms = e.from_ms;
	return r;
}

static void retire(struct world *w, const char *name, int64_t now_ms)
{
	struct err err = { 0 };

	WRITE(w, approvers_retire(db, str_of(name), "uid:root", "left", now_ms, &err));
}

static int verify(struct world *w, struct signatures_report *report, struct err *err)
{
	world_verify(w);
	return approvers_verify(w->store, report, err);
}

/* --- taking ---------------------------------------------------------------------------------
 */

static void test_only_what_is_meant_for_here_and_now_is_taken(void **state)
{
	static const struct {
		struct said said;
		int fault;
		const char *says;
	} cases[] = {
		{ SAID(.instance = "other"), ERR_REFUSED, "made for instance other" },
		{ SAID(.authority_first = 'f'), ERR_REFUSED, "another instance of the name" },
		{ SAID(.target = "13"), ERR_CONFLICT, "approve plan 13. What was asked for" },
		{ SAID(.decision = "reject"), ERR_CONFLICT, "reject plan 12" },
		{ SAID(.about = "config"), ERR_CONFLICT, "approve config 12" },
		{ SAID(.key = "bob"), ERR_REFUSED, "nobody is enrolled with the key" },
		{ SAID(.who = "bob"), ERR_REFUSED, "nobody signs for another" },
		{ SAID(.expires_ms = NOW), ERR_EXPIRED, "could be used until" },
		{ SAID(.expires_ms = NOW + 80 * STAMP_HOUR_MS), ERR_EXPIRED, "could be used" },
		{ SAID(.at_ms = NOW + STAMP_HOUR_MS, .expires_ms = NOW + 2 * STAMP_HOUR_MS),
		  ERR_REFUSED, "one of the two clocks is wrong" },
	};
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	assert_ok(enrol(&w, "ada", NULL, NOW - 1000, NULL, &err), &err);
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_fault(take(&w, cases[i].said, &err), cases[i].fault, &err,
			     cases[i].says);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM signature"), 0);
	assert_ok(take(&w, SAID(0), &err), &err);
	world_close(&w);
}

static void test_a_statement_is_taken_once(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	assert_ok(enrol(&w, "ada", NULL, NOW - 1000, NULL, &err), &err);
	assert_ok(take(&w, SAID(0), &err), &err);
	assert_fault(take(&w, SAID(0), &err), ERR_CONFLICT, &err, "counts once");
	/* a second is another statement, and the same person's */
	assert_ok(take(&w, SAID(.at_ms = NOW + 1), &err), &err);
	world_close(&w);
}

static void test_no_byte_of_a_statement_may_be_changed(void **state)
{
	CLEANUP(buf_done) struct buf text;
	struct world w = { 0 };
	struct signer signer;
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	buf_init(&text, STATEMENT_MAX_BYTES);
	assert_ok(enrol(&w, "ada", NULL, NOW - 1000, NULL, &err), &err);
	say(&w, SAID(0), &text);
	for (size_t i = 0; i < text.len; i++) {
		text.p[i] ^= 1;
		if (take_text(&w, NULL, buf_str(&text), &signer, &err) >= 0)
			fail_msg("byte %zu may be changed", i);
		text.p[i] ^= 1;
	}
	assert_ok(take_text(&w, NULL, buf_str(&text), &signer, &err), &err);
	assert_string_equal(signer.who, "approver:ada");
	world_close(&w);
}

/* --- who is enrolled ------------------------------------------------------------------------
 */

static void test_the_first_is_the_operators_and_each_other_is_signed_for(void **state)
{
	struct signatures_report report;
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	assert_ok(enrol(&w, "ada", NULL, NOW, NULL, &err), &err);
	assert_fault(enrol(&w, "bob", NULL, NOW, NULL, &err), ERR_HELD, &err,
		     "one of them signs who joins");
	assert_fault(enrol(&w, "bob", "carl", NOW, NULL, &err), ERR_REFUSED, &err,
		     "nobody is enrolled");
	assert_ok(enrol(&w, "bob", "ada", NOW, NULL, &err), &err);
	assert_fault(enrol(&w, "bob", "ada", NOW + 1, NULL, &err), ERR_CONFLICT, &err,
		     "retire the old key first");
	/* another name for a key that is somebody's */
	assert_fault(enrol(&w, "anna", "bob", NOW + 1, NULL, &err), ERR_CONFLICT, &err,
		     "this key was enrolled before");
	assert_ok(verify(&w, &report, &err), &err);
	assert_int_equal(report.statements, 1);
	assert_int_equal(report.approvers, 2);
	world_close(&w);
}

static void test_who_retired_signs_nothing_more(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	assert_ok(enrol(&w, "ada", NULL, NOW - 1000, NULL, &err), &err);
	assert_ok(enrol(&w, "bob", "ada", NOW - 1000, NULL, &err), &err);
	retire(&w, "ada", NOW - 10);
	assert_fault(take(&w, SAID(0), &err), ERR_REFUSED, &err,
		     "the key of ada was retired on 2026-11-22");
	assert_ok(take(&w, SAID(.who = "bob", .key = "bob"), &err), &err);
	/* the same key again, under the same name */
	assert_fault(enrol(&w, "ada", "bob", NOW, NULL, &err), ERR_CONFLICT, &err,
		     "this key was enrolled before");
	world_close(&w);
}

static void test_after_the_last_is_gone_a_new_one_waits_three_days(void **state)
{
	struct signatures_report report;
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t from_ms = 0;

	(void)state;
	world_open(&w);
	assert_ok(enrol(&w, "ada", NULL, NOW - 1000, NULL, &err), &err);
	retire(&w, "ada", NOW - 10);
	assert_ok(enrol(&w, "bob", NULL, NOW, &from_ms, &err), &err);
	assert_int_equal(from_ms, NOW + 72 * STAMP_HOUR_MS);
	assert_fault(take(&w, SAID(.who = "bob", .key = "bob"), &err), ERR_REFUSED, &err,
		     "counts only from 2026-11-25");
	/* and nobody else comes in meanwhile without a signature */
	assert_fault(enrol(&w, "carl", NULL, NOW, NULL, &err), ERR_HELD, &err, "signs");
	assert_ok(verify(&w, &report, &err), &err);
	world_close(&w);
}

/* --- what the chain proves ------------------------------------------------------------------
 */

/* @ in the body: the number of the entry of the newest statement. */
static int add_entry(struct world *w, const char *who, const char *what, const char *target,
		     const char *body)
{
	int64_t taken = world_number(
		w, "SELECT coalesce(max(seq), 0) FROM audit WHERE what = 'statement.take'");
	CLEANUP(buf_done) struct buf whole;
	struct audit_new entry = {
		.who = who, .what = what, .target = target, .now_ms = NOW + 2000
	};
	struct err err = { 0 };

	buf_init(&whole, 1 << 20);
	for (; *body; body++) {
		if (*body == '@')
			buf_addf(&whole, "%lld", (long long)taken);
		else
			buf_add_char(&whole, *body);
	}
	entry.body = buf_str(&whole);
	return TRY_WRITE(w, audit_add(db, &entry, NULL, &err));
}

/* Entries that only somebody with the keys of the vault can add: the links fit, the signatures
 * do not. */
static void test_the_chain_shows_what_nobody_signed(void **state)
{
	static const struct {
		const char *who, *what, *target, *body, *says;
	} cases[] = {
		{ "approver:ada", "plan.approve", "plan 12",
		  "{\"actions\":\"1,2,3\",\"guards\":\"\",\"person\":true,\"statement\":@}",
		  "no statement of theirs says so" }, /* more actions than were signed */
		{ "approver:ada", "plan.approve", "plan 13",
		  "{\"actions\":\"1,2\",\"guards\":\"\",\"person\":true,\"statement\":@}",
		  "no statement of theirs says so" },
		{ "approver:bob", "plan.approve", "plan 12",
		  "{\"actions\":\"1,2\",\"guards\":\"\",\"person\":true,\"statement\":@}",
		  "no statement of theirs says so" },
		{ "approver:ada", "plan.approve", "plan 12",
		  "{\"actions\":\"1,2\",\"guards\":\"\",\"person\":true}",
		  "no statement of theirs says so" },
		{ "uid:root", "approver.enrol", "approver eve",
		  "{\"name\":\"eve\",\"key\":\"" HEX32 "\",\"from\":0,\"expires\":1}",
		  "without a signature" },
		{ "approver:ada", "approver.enrol", "approver eve",
		  "{\"name\":\"eve\",\"key\":\"" HEX32
		  "\",\"from\":0,\"expires\":1,\"statement\":@}",
		  "whom no statement enrols" },
		{ "approver:ada", "statement.take", "plan 12", "{\"statement\":\"nothing\"}",
		  "holds no statement" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct signatures_report report;
		struct world w = { 0 };
		struct err err = { 0 };

		world_open(&w);
		assert_ok(enrol(&w, "ada", NULL, NOW - 1000, NULL, &err), &err);
		assert_ok(take(&w, SAID(0), &err), &err); /* entry 2 */
		assert_ok(add_entry(&w, "approver:ada", "plan.approve", "plan 12",
				    "{\"actions\":\"1,2\",\"guards\":\"\",\"person\":true,"
				    "\"statement\":@}"),
			  &err);
		assert_ok(verify(&w, &report, &err), &err);
		assert_ok(add_entry(&w, cases[i].who, cases[i].what, cases[i].target,
				    cases[i].body),
			  &err);
		assert_fault(verify(&w, &report, &err), ERR_DAMAGED, &err, cases[i].says);
		assert_non_null(strstr(report.text, "audit entry "));
		world_close(&w);
	}
}

static void test_the_chain_knows_who_was_enrolled_when(void **state)
{
	CLEANUP(buf_done) struct buf text, body;
	struct signatures_report report;
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	buf_init(&text, STATEMENT_MAX_BYTES);
	buf_init(&body, STATEMENT_MAX_BYTES);
	world_open(&w);
	assert_ok(enrol(&w, "ada", NULL, NOW - 1000, NULL, &err), &err);
	assert_ok(take(&w, SAID(0), &err), &err);
	retire(&w, "ada", NOW + 1500);
	/* what she signed before stands */
	assert_ok(verify(&w, &report, &err), &err);
	assert_int_equal(report.statements, 1);
	/* and what is put in after it does not */
	say(&w, SAID(.at_ms = NOW + 5), &text);
	buf_add_text(&body, "{\"statement\":");
	buf_add_json(&body, buf_str(&text));
	buf_add_char(&body, '}');
	assert_ok(add_entry(&w, "approver:ada", "statement.take", "plan 12", body.p), &err);
	assert_fault(verify(&w, &report, &err), ERR_DAMAGED, &err, "not enrolled then");
	world_close(&w);
}

static int enrol_login(struct world *w, const char *name, const char *by, const char *login)
{
	struct enrolling e = { .name = name, .by = by, .now_ms = NOW, .login = login };
	struct err err = { 0 };

	return TRY_WRITE(w, enrol_in(w, &e, db, &err));
}

static void test_one_login_is_one_approver_at_a_time(void **state)
{
	struct world w = { 0 };

	(void)state;
	world_open(&w);
	assert_int_equal(enrol_login(&w, "ada", NULL, "ada.byron"), 0);
	assert_int_equal(enrol_login(&w, "bob", "ada", "ada.byron"), -ERR_CONFLICT);
	assert_int_equal(enrol_login(&w, "bob", "ada", "bob"), 0);
	assert_int_equal(enrol_login(&w, "carl", "ada", ""), 0);
	assert_int_equal(enrol_login(&w, "dora", "ada", ""), 0); /* said of nobody */
	retire(&w, "ada", NOW + 1);
	assert_int_equal(enrol_login(&w, "eve", "bob", "ada.byron"), 0);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_meant_for_here_and_now_is_taken),
		cmocka_unit_test(test_a_statement_is_taken_once),
		cmocka_unit_test(test_no_byte_of_a_statement_may_be_changed),
		cmocka_unit_test(test_the_first_is_the_operators_and_each_other_is_signed_for),
		cmocka_unit_test(test_who_retired_signs_nothing_more),
		cmocka_unit_test(test_after_the_last_is_gone_a_new_one_waits_three_days),
		cmocka_unit_test(test_the_chain_shows_what_nobody_signed),
		cmocka_unit_test(test_the_chain_knows_who_was_enrolled_when),
		cmocka_unit_test(test_one_login_is_one_approver_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
