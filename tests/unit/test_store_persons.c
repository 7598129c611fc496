#include "tests/lib/store_world.h"

#include <fcntl.h>

#include "store/accounts.h"
#include "store/backup.h"
#include "store/persons.h"
#include "store/plans.h"
#include "store/records.h"
#include "store/sources.h"

static int64_t src, org;

static int64_t user(struct world *w, const char *key, const char *doc)
{
	struct record_put put = { .key = str_of(key), .doc = str_of(doc), .now_ms = NOW };
	struct err err = { 0 };
	int64_t id = 0;

	WRITE(w, records_create(db, src, &put, &id, &err));
	return id;
}

static int64_t account(struct world *w, const char *id, const char *email)
{
	CLEANUP(org_run_free_at) struct org_run *run = NULL;
	struct account_row row = { .account_id = str_of(id),
				   .email = str_of(email),
				   .name = STR("Some One"),
				   .status = ACCOUNT_ACTIVE,
				   .type = ACCOUNT_PERSON };
	struct err err = { 0 };
	int64_t number = 0;

	WRITE(w, accounts_begin(db, org, NOW, &run, &err));
	WRITE(w, accounts_put(db, run, &row, 1, NOW, &number, &err));
	WRITE(w, accounts_end(db, run, 0, true, "part", NOW, &err));
	return number;
}

static int64_t person(struct world *w)
{
	struct err err = { 0 };
	int64_t id = 0;

	WRITE(w, persons_create(db, NOW, &id, &err));
	return id;
}

static void begin(struct world *w)
{
	struct err err = { 0 };

	world_open(w);
	WRITE(w, sources_declare(db, "okta", "scim", "idp", 0, NOW, &src, &err));
	WRITE(w, accounts_org_declare(db, "acme", NOW, &org, &err));
}

static void test_numbers_are_never_used_again_and_salts_differ(void **state)
{
	struct person_row a, b;
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t one, two;

	(void)state;
	begin(&w);
	one = person(&w);
	two = person(&w);
	READ(&w, persons_get(db, one, &a, &err));
	READ(&w, persons_get(db, two, &b, &err));
	assert_memory_not_equal(a.salt, b.salt, PERSON_SALT_BYTES);
	world_meddle(&w, "DELETE FROM person");
	assert_true(person(&w) > two);
	assert_int_equal(TRY_READ(&w, persons_get(db, one, &a, &err)), STORE_NOT_FOUND);
	world_close(&w);
}

struct found {
	int64_t sum;
	char names[200];
};

static int found_note(void *ctx, const struct person_without *row, struct err *err)
{
	struct found *f = ctx;
	size_t at = strlen(f->names);

	(void)err;
	f->sum += row->person;
	snprintf(f->names + at, sizeof(f->names) - at, "%.*s ", (int)row->user_name.len,
		 row->user_name.p);
	return 0;
}

/* Looks at so many people each time. */
static int64_t without(struct world *w, int64_t of, size_t most, struct found *f)
{
	struct err err = { 0 };
	int64_t after = 0;
	int r = 0;

	*f = (struct found){ 0 };
	for (int guard = 0; r == 0; guard++) {
		assert_true(guard < 20);
		r = TRY_READ(w, persons_without(db, of, &after, most, found_note, f, &err));
	}
	assert_int_equal(r, STORE_NOT_FOUND);
	return f->sum;
}

static void test_who_is_active_and_has_no_account_is_told(void **state)
{
	static const char *const keys[] = { "a", "b", "c", "d" };
	struct world w = { 0 };
	struct err err = { 0 };
	struct found f;
	int64_t other, of_ada;

	(void)state;
	begin(&w);
	WRITE(&w, accounts_org_declare(db, "other", NOW, &other, &err));
	for (int i = 0; i < 4; i++) { /* numbers 1, 2, 3, 4; and 5 without a record */
		int64_t record, number;
		char doc[80];

		snprintf(doc, sizeof(doc), "{\"userName\":\"%s@x\",\"active\":%s}", keys[i],
			 i == 3 ? "false" : "true");
		record = user(&w, keys[i], doc);
		number = person(&w);
		assert_int_equal(number, i + 1);
		WRITE(&w, persons_link_record(db, record, number, "r", "e", NOW, &err));
	}
	(void)person(&w);
	of_ada = account(&w, "acc1", "a@x");
	WRITE(&w, persons_link_account(db, of_ada, 1, "r", "e", NOW, &err));
	for (size_t most = 1; most < 8; most++) {
		assert_int_equal(without(&w, 0, most, &f), 2 + 3);
		assert_string_equal(f.names, "b@x c@x ");
	}
	assert_int_equal(without(&w, org, 100, &f), 2 + 3);
	assert_int_equal(without(&w, other, 100, &f), 1 + 2 + 3);
	world_meddle(&w, "UPDATE account SET live = 0");
	assert_int_equal(without(&w, org, 100, &f), 1 + 2 + 3);
	world_close(&w);
}

static size_t find(struct world *w, const char *who, int64_t *ret)
{
	struct err err = { 0 };
	size_t n = 0;

	READ(w, persons_find(db, str_of(who), ret, 4, &n, &err));
	return n;
}

static void test_a_person_is_found_by_whatever_names_them(void **state)
{
	static const char *const names[] = { "ADA@example.org", " ada@example.org ",
					     "acc:1",           "ADA.acc@example.org",
					     "old@example.org", "a1" };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t p, a, r, found[4];
	char number[32];
	size_t i;

	(void)state;
	begin(&w);
	(void)person(&w);
	p = person(&w);
	r = user(&w, "a1",
		 "{\"userName\":\"ada\",\"emails\":[{\"value\":\"Ada@example.org\"}]}");
	WRITE(&w, persons_link_record(db, r, p, "email", "equal", NOW, &err));
	a = account(&w, "acc:1", "ada.acc@example.org");
	WRITE(&w, persons_link_account(db, a, p, "email", "equal", NOW, &err));
	WRITE(&w, persons_address_note(db, p, STR("old@example.org"), NOW, &err));
	for (i = 0; i < COUNT_OF(names); i++)
		if (find(&w, names[i], found) != 1 || found[0] != p)
			fail_msg("%s is not found", names[i]);
	(void)snprintf(number, sizeof(number), "%lld", (long long)p);
	assert_int_equal(find(&w, number, found), 1);
	assert_int_equal(find(&w, "nobody", found), 0);
	assert_int_equal(find(&w, "", found), 0);
	world_close(&w);
}

static int on_address(void *ctx, const struct address_row *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, STR_FMT ":%lld ", STR_ARG(row->folded), (long long)row->person);
	return 0;
}

static void test_addresses_are_remembered_for_whom_they_belonged_to(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct record_put put = {
		.doc = STR("{\"userName\":\"ada\",\"emails\":[{\"value\":\"new@x.example\"}]}"),
		.now_ms = NOW + 5
	};
	int64_t p, r;
	struct buf b;

	(void)state;
	begin(&w);
	p = person(&w);
	r = user(&w, "a1", "{\"userName\":\"ada\",\"emails\":[{\"value\":\"Old@x.example\"}]}");
	WRITE(&w, persons_link_record(db, r, p, "r", "e", NOW, &err));
	WRITE(&w, records_replace(db, src, STR("a1"), 0, &put, &err));
	buf_init(&b, 1000);
	READ(&w, persons_addresses(db, p, on_address, &b, &err));
	assert_string_equal(b.p, "new@x.example:1 old@x.example:1 ");
	buf_clear(&b);
	READ(&w, persons_address_owners(db, STR("old@x.example"), on_address, &b, &err));
	READ(&w, persons_addresses_page(db, STR("new@x.example"), p, 10, on_address, &b, &err));
	assert_string_equal(b.p, "old@x.example:1 old@x.example:1 ");
	buf_done(&b);
	world_close(&w);
}

static int on_link(void *ctx, const struct account_link *l, struct err *err)
{
	struct account_link *copy = ctx;

	(void)err;
	*copy = *l;
	copy->rule = copy->evidence = copy->adopted_by = STR("");
	copy->adopted_how = str_eq(l->adopted_how, STR("hand")) ? STR("hand") : STR("");
	return 0;
}

static void test_adoption_is_by_hand_and_ends_with_another_person(void **state)
{
	struct account_link link;
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t p, q, a;

	(void)state;
	begin(&w);
	p = person(&w);
	q = person(&w);
	a = account(&w, "acc:1", "ada@example.org");
	assert_int_equal(TRY_WRITE(&w, persons_adopt(db, a, "uid:ada", "mine", NOW, &err)),
			 STORE_NOT_FOUND);
	WRITE(&w, persons_link_account(db, a, p, "email", "equal", NOW, &err));
	assert_int_equal(
		TRY_WRITE(&w, persons_link_account(db, a, p, "email", "equal", NOW, &err)),
		STORE_UNCHANGED);
	WRITE(&w, persons_adopt(db, a, "uid:ada", "mine", NOW, &err));
	assert_int_equal(TRY_WRITE(&w, persons_adopt(db, a, "uid:ada", "", NOW, &err)),
			 STORE_UNCHANGED);
	READ(&w, persons_account_link(db, a, on_link, &link, &err));
	assert_true(link.adopted);
	assert_true(str_eq(link.adopted_how, STR("hand")));
	WRITE(&w, persons_link_account(db, a, q, "email", "equal", NOW, &err));
	READ(&w, persons_account_link(db, a, on_link, &link, &err));
	assert_false(link.adopted);
	assert_int_equal(link.person, q);
	WRITE(&w, persons_unlink_account(db, a, &err));
	assert_int_equal(TRY_READ(&w, persons_account_link(db, a, on_link, &link, &err)),
			 STORE_NOT_FOUND);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM audit WHERE what ="
					  " 'account.adopt' AND person = 1"),
			 1);
	world_close(&w);
}

static int on_rule(void *ctx, struct str o, struct str rule, struct str who, int64_t ms,
		   struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	(void)ms;
	buf_addf(b, STR_FMT "/" STR_FMT "/" STR_FMT " ", STR_ARG(o), STR_ARG(rule),
		 STR_ARG(who));
	return 0;
}

static void test_match_rules_are_approved_and_revoked(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct buf b;

	(void)state;
	begin(&w);
	WRITE(&w, persons_rule_approve(db, "", "email", "uid:ada", NOW, &err));
	assert_int_equal(
		TRY_WRITE(&w, persons_rule_approve(db, "", "email", "uid:bob", NOW, &err)),
		STORE_UNCHANGED);
	WRITE(&w, persons_rule_approve(db, "acme", "scim-id", "uid:ada", NOW, &err));
	WRITE(&w, persons_rule_revoke(db, "acme", "scim-id", "uid:ada", NOW, &err));
	buf_init(&b, 100);
	READ(&w, persons_rules_approved(db, on_rule, &b, &err));
	assert_string_equal(b.p, "/email/uid:ada ");
	buf_done(&b);
	world_close(&w);
}

static int on_doubt(void *ctx, const struct doubt *d, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%lld:%s ", (long long)d->id, doubt_state_words[d->state]);
	return 0;
}

static void test_a_doubt_is_asked_once_and_its_answer_holds(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t r, a, b, doubt = 0, other = 0;
	struct account_link link;
	struct buf text;

	(void)state;
	begin(&w);
	r = user(&w, "a1", "{\"userName\":\"ada\"}");
	a = account(&w, "acc:1", "x@example.org");
	b = account(&w, "acc:2", "y@example.org");
	WRITE(&w,
	      persons_doubt_raise(db, DOUBT_ACCOUNT, r, a, "name", "alike", NOW, &doubt, &err));
	assert_int_equal(TRY_WRITE(&w, persons_doubt_raise(db, DOUBT_ACCOUNT, r, a, "name",
							   "alike", NOW, NULL, &err)),
			 STORE_UNCHANGED);
	WRITE(&w,
	      persons_doubt_raise(db, DOUBT_ACCOUNT, r, b, "name", "alike", NOW, &other, &err));
	WRITE(&w, persons_doubt_decide(db, doubt, true, "uid:ada", "it is her", NOW, &err));
	WRITE(&w, persons_doubt_decide(db, other, false, "uid:ada", "no", NOW, &err));
	assert_int_equal(
		TRY_WRITE(&w, persons_doubt_decide(db, other, false, "u", "", NOW, &err)),
		STORE_NOT_FOUND);
	assert_int_equal(
		TRY_WRITE(&w, persons_doubt_decide(db, doubt, true, "u", "", NOW, &err)),
		STORE_NOT_FOUND);
	assert_int_equal(
		TRY_WRITE(&w, persons_doubt_decide(db, doubt, false, "u", "", NOW, &err)),
		STORE_NOT_FOUND);
	/* confirmed: linked and adopted; refused: never asked again */
	READ(&w, persons_account_link(db, a, on_link, &link, &err));
	assert_true(link.adopted && link.person > 0);
	assert_int_equal(world_number(&w, "SELECT person FROM record"), link.person);
	assert_int_equal(TRY_WRITE(&w, persons_doubt_raise(db, DOUBT_ACCOUNT, r, b, "name",
							   "again", NOW, NULL, &err)),
			 STORE_UNCHANGED);
	buf_init(&text, 100);
	READ(&w, persons_doubts(db, -1, 0, 10, on_doubt, &text, &err));
	READ(&w, persons_doubts(db, DOUBT_OPEN, 0, 10, on_doubt, &text, &err));
	assert_string_equal(text.p, "1:confirmed 2:refused ");
	buf_done(&text);
	/* whoever refused by mistake confirms after all */
	WRITE(&w, persons_doubt_decide(db, other, true, "uid:ada", "hers too", NOW, &err));
	READ(&w, persons_account_link(db, b, on_link, &link, &err));
	assert_true(link.adopted && link.person > 0);
	world_verify(&w);
	world_close(&w);
}

static void test_two_records_confirmed_become_one_person(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	struct bar bar = { .rule = STR("inactive-jira"), .who = STR("u"), .reason = STR("r") };
	int64_t one, two, p, q, doubt = 0;

	(void)state;
	begin(&w);
	one = user(&w, "a1", "{\"userName\":\"ada\"}");
	two = user(&w, "a2", "{\"userName\":\"ada2\"}");
	p = person(&w);
	q = person(&w);
	WRITE(&w, persons_link_record(db, one, p, "r", "e", NOW, &err));
	WRITE(&w, persons_link_record(db, two, q, "r", "e", NOW, &err));
	WRITE(&w, persons_address_note(db, q, STR("ada2@example.org"), NOW, &err));
	bar.person = q;
	WRITE(&w, persons_bar(db, &bar, NOW, NULL, &err));
	WRITE(&w, persons_doubt_raise(db, DOUBT_RECORDS, one, two, "name", "alike", NOW, &doubt,
				      &err));
	WRITE(&w, persons_doubt_decide(db, doubt, true, "uid:ada", "same", NOW, &err));
	assert_int_equal(world_number(&w, "SELECT count(*) FROM record WHERE person = 1"), 2);
	assert_int_equal(world_number(&w, "SELECT state FROM person WHERE id = 2"),
			 PERSON_MERGED);
	assert_int_equal(world_number(&w, "SELECT person FROM address"), p);
	assert_int_equal(world_number(&w, "SELECT person FROM bar"), p);
	world_close(&w);
}

static void test_a_settled_doubt_may_come_back(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t doubt = 0;

	(void)state;
	begin(&w);
	WRITE(&w, persons_doubt_raise(db, DOUBT_RECORDS, 1, 2, "n", "e", NOW, &doubt, &err));
	WRITE(&w, persons_doubt_settle(db, doubt, NOW, &err));
	assert_int_equal(TRY_WRITE(&w, persons_doubt_settle(db, doubt, NOW, &err)),
			 STORE_UNCHANGED);
	WRITE(&w, persons_doubt_raise(db, DOUBT_RECORDS, 1, 2, "n", "e", NOW, &doubt, &err));
	world_close(&w);
}

static int count_bar(void *ctx, const struct bar *row, struct err *err)
{
	int *n = ctx;

	(void)err;
	*n += row->id > 0;
	return 0;
}

static int count_protection(void *ctx, const struct protection *row, struct err *err)
{
	int *n = ctx;

	(void)err;
	*n += row->id > 0;
	return 0;
}

static int count_expected(void *ctx, int64_t p, struct str who, int64_t until, struct err *err)
{
	int *n = ctx;

	(void)err;
	(void)who;
	(void)until;
	*n += p > 0;
	return 0;
}

static void test_bars_and_protections_last_until_they_end_or_are_lifted(void **state)
{
	struct bar bar = {
		.person = 1, .who = STR("u"), .reason = STR("r"), .until_ms = NOW + 9
	};
	struct protection p = { .kind = STR("legal-hold"),
				.person = 1,
				.owner = STR("legal"),
				.reason = STR("case 7"),
				.who = STR("uid:ada") };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t id = 0;
	int n = 0;

	(void)state;
	begin(&w);
	(void)person(&w);
	WRITE(&w, persons_bar(db, &bar, NOW, &id, &err));
	READ(&w, persons_bars(db, 1, false, NOW, count_bar, &n, &err));
	assert_int_equal(n, 1);
	READ(&w, persons_bars(db, 0, false, NOW + 9, count_bar, &n, &err)); /* over */
	assert_int_equal(n, 1);
	READ(&w, persons_bars(db, 0, true, NOW + 9, count_bar, &n, &err));
	assert_int_equal(n, 2);
	WRITE(&w, persons_bar_lift(db, id, "uid:ada", NOW, &err));
	READ(&w, persons_bars(db, 1, false, NOW, count_bar, &n, &err));
	assert_int_equal(n, 2);
	bar.account = 4;
	assert_fault(TRY_WRITE(&w, persons_bar(db, &bar, NOW, NULL, &err)), ERR_INVALID_VALUE,
		     &err, "one person or one account");

	n = 0;
	WRITE(&w, persons_protect(db, &p, NOW, &id, &err));
	READ(&w, persons_protections(db, false, NOW, count_protection, &n, &err));
	assert_int_equal(n, 1);
	WRITE(&w, persons_protect_lift(db, id, "uid:ada", "closed", NOW, &err));
	assert_int_equal(TRY_WRITE(&w, persons_protect_lift(db, id, "u", "", NOW, &err)),
			 STORE_NOT_FOUND);
	READ(&w, persons_protections(db, false, NOW, count_protection, &n, &err));
	assert_int_equal(n, 1);
	p.kind = STR("magic");
	assert_fault(TRY_WRITE(&w, persons_protect(db, &p, NOW, NULL, &err)), ERR_INVALID_VALUE,
		     &err, "legal-hold");
	p.kind = STR("leave");
	p.owner = STR("");
	assert_fault(TRY_WRITE(&w, persons_protect(db, &p, NOW, NULL, &err)), ERR_INVALID_VALUE,
		     &err, "owner");

	n = 0;
	WRITE(&w, persons_expect(db, 1, "uid:ada", "branch", NOW + 5, NOW, &err));
	READ(&w, persons_expected(db, NOW, count_expected, &n, &err));
	READ(&w, persons_expected(db, NOW + 5, count_expected, &n, &err));
	assert_int_equal(n, 1);
	world_verify(&w);
	world_close(&w);
}

static int on_progress(void *ctx, const struct progress *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%lld/" STR_FMT "/" STR_FMT " ", (long long)row->account,
		 STR_ARG(row->rule), STR_ARG(row->kind));
	return 0;
}

static void test_ladders_are_kept_and_start_anew(void **state)
{
	struct progress p = { .product = STR("jira"),
			      .site = STR("acme"),
			      .rule = STR("inactive-jira"),
			      .kind = STR("warn"),
			      .done_ms = NOW };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t a;
	struct buf b;

	(void)state;
	begin(&w);
	a = account(&w, "acc:1", "x@example.org");
	p.account = a;
	WRITE(&w, persons_progress_set(db, &p, &err));
	WRITE(&w, persons_progress_set(db, &p, &err));
	buf_init(&b, 200);
	READ(&w, persons_progress(db, org, 0, 10, on_progress, &b, &err));
	READ(&w, persons_progress(db, org, a, 10, on_progress, &b, &err));
	READ(&w, persons_progress(db, org + 1, 0, 10, on_progress, &b, &err));
	assert_string_equal(b.p, "1/inactive-jira/warn ");
	buf_done(&b);
	WRITE(&w, persons_progress_clear(db, &p, &err));
	assert_int_equal(TRY_WRITE(&w, persons_progress_clear(db, &p, &err)), STORE_UNCHANGED);
	world_close(&w);
}

static int on_times(void *ctx, const struct progress *row, struct err *err)
{
	(void)err;
	*(int64_t *)ctx = row->times;
	return 0;
}

/* Row n of plan 1: that kind, of the account's jira, by inactive-jira. */
static int deed_add(struct db *db, int64_t n, int64_t a, const char *kind, int state,
		    int64_t ms, struct err *err)
{
	return db_run(
		db, err,
		"INSERT INTO action (plan, n, kind, rule, class, person, account, product,"
		" site, due_ms, held, automatic, state, state_ms, result) VALUES (1, ?1, ?2,"
		" 'inactive-jira', 'inactive', 0, ?3, 'jira', 'acme', 0, 0, 0, ?4, ?5, '')",
		DB_I(n), DB_T(kind), DB_I(a), DB_I(state), DB_I(ms));
}

static void test_what_was_done_again_and_again_is_counted(void **state)
{
	struct progress p = { .product = STR("jira"),
			      .site = STR("acme"),
			      .rule = STR("inactive-jira"),
			      .kind = STR("free-seat"),
			      .done_ms = NOW };
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t times = -1;

	(void)state;
	begin(&w);
	p.account = account(&w, "acc:1", "x@example.org");
	WRITE(&w, persons_progress_set(db, &p, &err));
	WRITE(&w, deed_add(db, 1, p.account, "free-seat", ACTION_DONE, NOW, &err));
	WRITE(&w, deed_add(db, 2, p.account, "free-seat", ACTION_DONE, NOW - 1000, &err));
	/* not done, another kind, another account, last year */
	WRITE(&w, deed_add(db, 3, p.account, "free-seat", ACTION_PLANNED, NOW - 1000, &err));
	WRITE(&w, deed_add(db, 4, p.account, "warn", ACTION_DONE, NOW - 1000, &err));
	WRITE(&w, deed_add(db, 5, p.account + 1, "free-seat", ACTION_DONE, NOW - 1000, &err));
	WRITE(&w, deed_add(db, 6, p.account, "free-seat", ACTION_DONE, NOW - 181 * STAMP_DAY_MS,
			   &err));
	READ(&w, persons_progress(db, org, 0, 10, on_times, &times, &err));
	assert_int_equal(times, 2);
	world_close(&w);
}

static bool file_holds(const char *path, const char *text)
{
	static char all[16 << 20];
	size_t len = strlen(text), got = 0, i;
	int fd = open(path, O_RDONLY);
	ssize_t n;
	bool found = false;

	while (fd >= 0 && (n = read(fd, all + got, sizeof(all) - got)) > 0)
		got += (size_t)n;
	for (i = 0; got >= len && i <= got - len && !found; i++)
		found = memcmp(all + i, text, len) == 0;
	if (fd >= 0)
		close(fd);
	return found;
}

static void test_forgetting_leaves_no_byte_in_the_files(void **state)
{
	static const char *const traces[] = { "needle-user",   "needle-mail",
					      "needle-acc",    "needle-evidence",
					      "needle-reason", "needle-given",
					      "needle-title",  "needle-hold",
					      "needle-bar" };
	struct bar bar = { .who = STR("u"), .reason = STR("needle-reason") };
	struct audit_new in = { .who = "source:okta", .what = "record.create", .now_ms = NOW };
	struct world w = { 0 };
	struct err err = { 0 };
	struct audit_report report;
	int64_t p, r, a, erased = 0;
	char wal[160];
	size_t i;

	(void)state;
	begin(&w);
	p = person(&w);
	r = user(&w, "a1",
		 "{\"userName\":\"needle-user\",\"emails\":[{\"value\":\"needle-mail@x\"}]}");
	a = account(&w, "acc:1", "needle-acc@x");
	WRITE(&w, persons_link_record(db, r, p, "r", "needle-evidence", NOW, &err));
	WRITE(&w, persons_link_account(db, a, p, "r", "needle-evidence", NOW, &err));
	/* in the provisioning directory: once by account, once by address */
	world_meddle(&w, "INSERT INTO scim_directory SELECT DISTINCT org, 'd', 1, 1, '', 2, 0"
			 " FROM account");
	world_meddle(&w, "INSERT INTO scim_user SELECT n.column1, a.org, n.column2, '',"
			 " n.column3, n.column4, 2, '', '', '', n.column5, '', n.column6, '',"
			 " '', '' FROM account a, (VALUES (1, 's1', 'acc:1', '',"
			 " 'needle-given', ''), (2, 's2', '', 'needle-mail@x', '',"
			 " 'needle-title'), (3, 's3', 'acc:2', 'eve@x', 'Eve', '')) n");
	bar.person = p;
	WRITE(&w, persons_bar(db, &bar, NOW, NULL, &err));
	/* of the account, before anybody knew whose it is */
	world_meddle(&w,
		     "INSERT INTO protection (kind, person, account, rule, owner, reason, who,"
		     " set_ms, from_ms, until_ms) SELECT 'exemption', 0, id, '', 'HR',"
		     " 'needle-hold', 'u', 1, 0, 0 FROM account");
	world_meddle(&w,
		     "INSERT INTO bar (person, account, rule, who, reason, set_ms, until_ms)"
		     " SELECT 0, id, 'r', 'u', 'needle-bar', 1, 0 FROM account");
	in.person = p;
	in.body = STR("{\"after\":\"needle-user\"}");
	WRITE(&w, audit_add(db, &in, NULL, &err));
	(void)snprintf(wal, sizeof(wal), "%s-wal", w.path);
	for (i = 0; i < COUNT_OF(traces); i++)
		assert_true(file_holds(wal, traces[i]) || file_holds(w.path, traces[i]));

	WRITE(&w, persons_forget(db, p, "uid:ada", "asked", NOW, &erased, &err));
	assert_true(erased > 5);
	/* readers that were given back after the forgetting, and keep their moment */
	assert_int_equal(world_number(&w, "SELECT count(*) FROM person"), 1);
	assert_ok(store_scrub(w.store, &err), &err);
	for (i = 0; i < COUNT_OF(traces); i++)
		if (file_holds(wal, traces[i]) || file_holds(w.path, traces[i]))
			fail_msg("%s is still there", traces[i]);
	assert_ok(audit_verify(w.store, true, &report, &err), &err);
	assert_int_equal(world_number(&w, "SELECT users FROM source"), 0);
	assert_int_equal(world_number(&w, "SELECT length(salt) FROM person"), 0);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM scim_user"), 3);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM scim_user"
					  " WHERE given_name = 'Eve' AND user_fold = 'eve@x'"),
			 1);
	/* the store goes on */
	(void)user(&w, "a2", "{\"userName\":\"bob\"}");
	world_close(&w);
}

static void test_a_legal_hold_forbids_forgetting(void **state)
{
	struct protection p = { .kind = STR("legal-hold"),
				.owner = STR("legal"),
				.reason = STR("case 7"),
				.who = STR("uid:ada") };
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	begin(&w);
	p.person = person(&w);
	WRITE(&w, persons_protect(db, &p, NOW, NULL, &err));
	assert_fault(TRY_WRITE(&w, persons_forget(db, p.person, "u", "asked", NOW, NULL, &err)),
		     ERR_HELD, &err, "legal hold");
	assert_int_equal(TRY_WRITE(&w, persons_forget(db, 99, "u", "asked", NOW, NULL, &err)),
			 STORE_NOT_FOUND);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_active_and_has_no_account_is_told),
		cmocka_unit_test(test_numbers_are_never_used_again_and_salts_differ),
		cmocka_unit_test(test_a_person_is_found_by_whatever_names_them),
		cmocka_unit_test(test_addresses_are_remembered_for_whom_they_belonged_to),
		cmocka_unit_test(test_adoption_is_by_hand_and_ends_with_another_person),
		cmocka_unit_test(test_match_rules_are_approved_and_revoked),
		cmocka_unit_test(test_a_doubt_is_asked_once_and_its_answer_holds),
		cmocka_unit_test(test_two_records_confirmed_become_one_person),
		cmocka_unit_test(test_a_settled_doubt_may_come_back),
		cmocka_unit_test(test_bars_and_protections_last_until_they_end_or_are_lifted),
		cmocka_unit_test(test_ladders_are_kept_and_start_anew),
		cmocka_unit_test(test_what_was_done_again_and_again_is_counted),
		cmocka_unit_test(test_forgetting_leaves_no_byte_in_the_files),
		cmocka_unit_test(test_a_legal_hold_forbids_forgetting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
