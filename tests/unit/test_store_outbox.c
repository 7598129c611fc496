/* store/outbox: what is told once, what a crash leaves, what a ladder learns, what is erased.
 */
#include "tests/lib/store_world.h"

#include "store/outbox.h"
#include "store/persons.h"

#define DAY STAMP_DAY_MS

struct seen {
	int64_t id, tries, next_ms;
	enum outbox_state state;
	char to[80], letter[80], says[200];
	int rows;
};

static int see(void *ctx, const struct outbox_row *row, struct err *err)
{
	struct seen *s = ctx;

	(void)err;
	*s = (struct seen){ .id = row->id,
			    .tries = row->tries,
			    .next_ms = row->next_ms,
			    .state = row->state,
			    .rows = s->rows + 1 };
	(void)snprintf(s->to, sizeof(s->to), STR_FMT, STR_ARG(row->to));
	(void)snprintf(s->letter, sizeof(s->letter), STR_FMT, STR_ARG(row->letter));
	(void)snprintf(s->says, sizeof(s->says), STR_FMT, STR_ARG(row->says));
	return 0;
}

static struct outbox_new notice(const char *key, int64_t person)
{
	return (struct outbox_new){
		.key = str_of(key),
		.step = STR("acme/7/3/1"),
		.channel = STR("mail"),
		.kind = STR("warn"),
		.to = STR("ada@x.example"),
		.letter = STR("{\"text\":\"hello\"}"),
		.person = person,
		.account = 40,
		.product = STR("jira"),
		.site = STR("acme"),
		.rule = STR("inactive-jira"),
		.ladder = true,
		.expires_ms = NOW + 3 * DAY,
		.now_ms = NOW,
	};
}

static const struct progress progress = {
	.account = 40,
	.product = { "jira", 4 },
	.site = { "acme", 4 },
	.rule = { "inactive-jira", 13 },
	.kind = { "warn", 4 },
	.done_ms = NOW,
};

static int put(struct db *db, const char *key, int64_t *id, struct err *err)
{
	struct outbox_new in = notice(key, 9);

	return outbox_put(db, &in, id, err);
}

static int64_t ladder(struct world *w)
{
	return world_number(w, "SELECT coalesce(max(done_ms), 0) FROM progress");
}

/* Put in and claimed; its number. */
static int64_t under_way(struct world *w, const char *key)
{
	struct seen s = { 0 };
	struct err err = { 0 };
	int64_t id = 0;

	WRITE(w, put(db, key, &id, &err));
	WRITE(w, outbox_claim(db, STR("mail"), NOW, see, &s, &err));
	assert_int_equal(s.id, id);
	assert_int_equal(s.tries, 1);
	assert_int_equal(s.state, OUTBOX_SENDING);
	return id;
}

static void test_a_key_is_taken_once(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	int64_t id = 0, second = 0;

	(void)state;
	world_open(&w);
	WRITE(&w, put(db, "acme/7/3/1/mail", &id, &err));
	assert_int_equal(TRY_WRITE(&w, put(db, "acme/7/3/1/mail", &second, &err)),
			 STORE_UNCHANGED);
	assert_int_equal(second, 0);
	WRITE(&w, outbox_end(db, id, OUTBOX_SENT, STR(""), NOW, &err));
	assert_int_equal(TRY_WRITE(&w, put(db, "acme/7/3/1/mail", &second, &err)),
			 STORE_UNCHANGED);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM outbox"), 1);
	world_close(&w);
}

static void test_only_what_is_due_is_claimed_and_only_by_its_channel(void **state)
{
	struct world w = { 0 };
	struct seen s = { 0 };
	struct err err = { 0 };
	int64_t id = 0;

	(void)state;
	world_open(&w);
	id = under_way(&w, "a");
	assert_int_equal(TRY_WRITE(&w, outbox_claim(db, STR("mail"), NOW, see, &s, &err)),
			 STORE_NOT_FOUND);
	WRITE(&w, outbox_again(db, id, NOW + 60000, true, STR("busy"), NOW, &err));
	assert_int_equal(TRY_WRITE(&w, outbox_claim(db, STR("mail"), NOW, see, &s, &err)),
			 STORE_NOT_FOUND);
	assert_int_equal(TRY_WRITE(&w, outbox_claim(db, STR("ops"), NOW + DAY, see, &s, &err)),
			 STORE_NOT_FOUND);
	WRITE(&w, outbox_claim(db, STR("mail"), NOW + 60000, see, &s, &err));
	assert_int_equal(s.tries, 2);
	assert_string_equal(s.says, "busy");
	/* a server that is away is no try of the letter's */
	WRITE(&w, outbox_again(db, id, NOW, false, STR("away"), NOW, &err));
	WRITE(&w, outbox_claim(db, STR("mail"), NOW, see, &s, &err));
	assert_int_equal(s.tries, 2);
	world_close(&w);
}

static void test_a_crash_repeats_nothing_that_may_have_left(void **state)
{
	static const struct {
		bool given, repeats;
		enum outbox_state after;
	} cases[] = {
		{ false, false, OUTBOX_QUEUED }, /* it was not connected, or not begun */
		{ true, false, OUTBOX_MAYBE },   /* the body was on its way */
		{ true, true, OUTBOX_QUEUED },   /* the receiver knows the key */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w = { 0 };
		struct seen s = { 0 };
		struct err err = { 0 };
		struct outbox_new in = notice("k", 9);
		int64_t id = 0, maybe = -1;

		in.repeats = cases[i].repeats;
		world_open(&w);
		WRITE(&w, outbox_put(db, &in, &id, &err));
		WRITE(&w, outbox_claim(db, STR("mail"), NOW, see, &s, &err));
		if (cases[i].given)
			WRITE(&w, outbox_given(db, id, NOW, &err));
		world_shut(&w);
		world_again(&w);
		WRITE(&w, outbox_recover(db, NOW + 1, &maybe, &err));
		READ(&w, outbox_list(db, 0, 0, 10, see, &s, &err));
		assert_int_equal(s.state, cases[i].after);
		assert_int_equal(maybe, cases[i].after == OUTBOX_MAYBE);
		if (s.state == OUTBOX_MAYBE) {
			assert_non_null(strstr(s.says, "may have arrived"));
			assert_string_equal(s.letter, "");
		}
		world_close(&w);
	}
}

static void test_a_ladder_counts_from_when_a_warning_was_sent(void **state)
{
	static const struct {
		enum outbox_state end; /* OUTBOX_QUEUED: it does not end */
		bool before;           /* of the journal's end of the step */
		int64_t ladder;
	} cases[] = {
		{ OUTBOX_QUEUED, false, NOW + OUTBOX_PENDING_MS },
		{ OUTBOX_SENT, false, NOW + DAY },
		{ OUTBOX_SENT, true, NOW + DAY },
		{ OUTBOX_FAILED, false, 0 },
		{ OUTBOX_FAILED, true, 0 },
		{ OUTBOX_MAYBE, false, 0 },
		{ OUTBOX_MAYBE, true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world w = { 0 };
		struct err err = { 0 };
		int64_t id;

		world_open(&w);
		id = under_way(&w, "acme/7/3/1/mail");
		if (!cases[i].before)
			WRITE(&w, outbox_progress(db, STR("acme/7/3/1"), &progress, &err));
		if (cases[i].end != OUTBOX_QUEUED)
			WRITE(&w, outbox_end(db, id, cases[i].end, STR("x"), NOW + DAY, &err));
		if (cases[i].before)
			WRITE(&w, outbox_progress(db, STR("acme/7/3/1"), &progress, &err));
		assert_int_equal(ladder(&w), cases[i].ladder);
		world_close(&w);
	}
}

static void test_a_step_without_a_notice_counts_as_it_is_told(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	WRITE(&w, outbox_progress(db, STR("acme/7/3/1"), &progress, &err));
	assert_int_equal(ladder(&w), NOW);
	world_close(&w);
}

static void test_what_waits_too_long_fails_and_takes_its_warning_back(void **state)
{
	struct world w = { 0 };
	struct seen s = { 0 };
	struct err err = { 0 };
	int64_t id = 0, n = -1;

	(void)state;
	world_open(&w);
	WRITE(&w, put(db, "k", &id, &err));
	WRITE(&w, outbox_progress(db, STR("acme/7/3/1"), &progress, &err));
	WRITE(&w, outbox_expire(db, NOW + 3 * DAY - 1, &n, &err));
	assert_int_equal(n, 0);
	WRITE(&w, outbox_expire(db, NOW + 3 * DAY, &n, &err));
	assert_int_equal(n, 1);
	READ(&w, outbox_list(db, 1u << OUTBOX_FAILED, 0, 10, see, &s, &err));
	assert_int_equal(s.rows, 1);
	assert_int_equal(ladder(&w), 0);
	assert_int_equal(TRY_WRITE(&w, outbox_end(db, id, OUTBOX_SENT, STR(""), NOW, &err)),
			 STORE_STALE);
	world_close(&w);
}

static void test_who_is_forgotten_is_not_told_and_not_named(void **state)
{
	struct world w = { 0 };
	struct seen s = { 0 };
	struct err err = { 0 };
	int64_t person = 0, id = 0, link = 0;
	struct outbox_new in;
	struct keep_row keep = { .account = 40, .end_ms = NOW + DAY };

	(void)state;
	world_open(&w);
	WRITE(&w, persons_create(db, NOW, &person, &err));
	in = notice("k", person);
	keep.person = person;
	WRITE(&w, outbox_put(db, &in, &id, &err));
	WRITE(&w, keep_put(db, STR("acme/7/3/1"), &keep, &link, &err));
	WRITE(&w, persons_forget(db, person, "uid:test", "asked", NOW, NULL, &err));
	READ(&w, outbox_list(db, 0, 0, 10, see, &s, &err));
	assert_int_equal(s.state, OUTBOX_FAILED);
	assert_string_equal(s.to, "");
	assert_string_equal(s.letter, "");
	assert_int_equal(TRY_WRITE(&w, keep_use(db, link, NOW + DAY, NOW, &err)),
			 STORE_NOT_FOUND);
	world_close(&w);
}

static void test_retention_empties_what_is_personal_and_keeps_the_key(void **state)
{
	struct world w = { 0 };
	struct seen s = { 0 };
	struct err err = { 0 };
	int64_t id, again = 0;

	(void)state;
	world_open(&w);
	id = under_way(&w, "k");
	WRITE(&w, outbox_end(db, id, OUTBOX_SENT, STR(""), NOW, &err));
	WRITE(&w, outbox_retain(db, NOW, NOW, &err));
	READ(&w, outbox_list(db, 0, 0, 10, see, &s, &err));
	assert_string_equal(s.to, "ada@x.example");
	WRITE(&w, outbox_retain(db, NOW + 1, NOW + 1, &err));
	READ(&w, outbox_list(db, 0, 0, 10, see, &s, &err));
	assert_string_equal(s.to, "");
	assert_int_equal(TRY_WRITE(&w, put(db, "k", &again, &err)), STORE_UNCHANGED);
	WRITE(&w, outbox_retain(db, NOW, NOW + OUTBOX_ROW_MS + 1, &err));
	assert_int_equal(world_number(&w, "SELECT count(*) FROM outbox"), 0);
	world_close(&w);
}

struct bar_seen {
	int n;
	char what[200];
};

static int see_bar(void *ctx, const struct bar *row, struct err *err)
{
	struct bar_seen *s = ctx;

	(void)err;
	s->n++;
	(void)snprintf(s->what, sizeof(s->what),
		       "%lld " STR_FMT "@" STR_FMT " [" STR_FMT "] %lld",
		       (long long)row->account, STR_ARG(row->product), STR_ARG(row->site),
		       STR_ARG(row->rule), (long long)(row->until_ms - NOW));
	return 0;
}

static void test_a_seat_is_kept_once_and_before_the_end(void **state)
{
	struct world w = { 0 };
	struct bar_seen bars = { 0 };
	struct err err = { 0 };
	struct keep_row keep = { .person = 9,
				 .account = 40,
				 .org = STR("acme"),
				 .product = STR("jira"),
				 .site = STR("acme"),
				 .rule = STR("inactive-jira"),
				 .made_ms = NOW,
				 .end_ms = NOW + DAY };
	int64_t id = 0, same = 0;

	(void)state;
	world_open(&w);
	WRITE(&w, keep_put(db, STR("s"), &keep, &id, &err));
	assert_int_equal(TRY_WRITE(&w, keep_put(db, STR("s"), &keep, &same, &err)),
			 STORE_UNCHANGED);
	assert_int_equal(same, id);
	WRITE(&w, outbox_progress(db, STR("s"), &progress, &err));
	assert_int_equal(TRY_WRITE(&w, keep_use(db, id + 1, NOW + 9 * DAY, NOW, &err)),
			 STORE_NOT_FOUND);
	assert_int_equal(TRY_WRITE(&w, keep_use(db, id, NOW + 9 * DAY, NOW + DAY, &err)),
			 STORE_STALE);
	assert_int_equal(ladder(&w), NOW);
	WRITE(&w, keep_use(db, id, NOW + 9 * DAY, NOW + DAY - 1, &err));
	assert_int_equal(ladder(&w), 0);
	READ(&w, persons_bars(db, 0, false, NOW, see_bar, &bars, &err));
	assert_int_equal(bars.n, 1);
	assert_string_equal(bars.what, "40 jira@acme [] 777600000");
	assert_int_equal(TRY_WRITE(&w, keep_use(db, id, NOW + 9 * DAY, NOW, &err)),
			 STORE_UNCHANGED);
	assert_int_equal(world_number(&w, "SELECT count(*) FROM bar"), 1);
	assert_int_equal(
		world_number(&w, "SELECT count(*) FROM audit WHERE what = 'seat.keep'"), 1);
	world_close(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_key_is_taken_once),
		cmocka_unit_test(test_only_what_is_due_is_claimed_and_only_by_its_channel),
		cmocka_unit_test(test_a_crash_repeats_nothing_that_may_have_left),
		cmocka_unit_test(test_a_ladder_counts_from_when_a_warning_was_sent),
		cmocka_unit_test(test_a_step_without_a_notice_counts_as_it_is_told),
		cmocka_unit_test(test_what_waits_too_long_fails_and_takes_its_warning_back),
		cmocka_unit_test(test_who_is_forgotten_is_not_told_and_not_named),
		cmocka_unit_test(test_retention_empties_what_is_personal_and_keeps_the_key),
		cmocka_unit_test(test_a_seat_is_kept_once_and_before_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
