#include "tests/lib/store_world.h"

#include "store/accounts.h"
#include "store/ledger.h"

static int64_t org;

struct seen {
	size_t n;
	struct {
		char product[20];
		int64_t day, held, idle, never;
	} days[8];
	size_t freed, again;
};

static int on_day(void *ctx, const struct ledger_day *row, struct err *err)
{
	struct seen *s = ctx;

	(void)err;
	assert_true(s->n < COUNT_OF(s->days));
	(void)snprintf(s->days[s->n].product, sizeof(s->days[0].product), STR_FMT,
		       STR_ARG(row->product));
	s->days[s->n].day = row->day;
	s->days[s->n].held = row->held;
	s->days[s->n].idle = row->idle;
	s->days[s->n++].never = row->never;
	return 0;
}

static int on_freed(void *ctx, const struct ledger_freed *row, struct err *err)
{
	struct seen *s = ctx;

	(void)err;
	s->freed++;
	s->again += row->again;
	return 0;
}

static void run(struct world *w, const char *sql)
{
	struct err err = { 0 };

	WRITE(w, db_exec(db, sql, &err));
}

static void begin(struct world *w)
{
	struct err err = { 0 };

	world_open(w);
	WRITE(w, accounts_org_declare(db, "acme", NOW, &org, &err));
	run(w, "INSERT INTO product (id, org, key, site, resource, capacity)"
	       " VALUES (1, 1, 'jira', 'a', 'r', 50), (2, 1, 'confluence', 'a', 'r', 0),"
	       " (3, 2, 'jira', 'b', 'r', 0)");
	/* used yesterday, used long ago, never used, not known; and one of another organisation
	 */
	run(w,
	    "INSERT INTO seat (org, account, product, last_active_ms, added_ms, change) VALUES"
	    " (1, 1, 1, 900, 1, 1), (1, 2, 1, 100, 1, 1), (1, 3, 1, -1, 1, 1),"
	    " (1, 4, 1, 0, 1, 1), (2, 5, 3, 100, 1, 1)");
}

static void test_a_day_counts_what_is_held_idle_and_never_used(void **state)
{
	struct world w = { 0 };
	struct seen s = { 0 };
	struct err err = { 0 };

	(void)state;
	begin(&w);
	assert_int_equal(org, 1);
	WRITE(&w, ledger_note(db, org, 20000, 500, &err));
	READ(&w, ledger_days(db, org, 0, on_day, &s, &err));
	assert_int_equal(s.n, 2);
	assert_string_equal(s.days[0].product, "confluence");
	assert_int_equal(s.days[0].held, 0);
	assert_int_equal(s.days[1].held, 4);
	assert_int_equal(s.days[1].idle, 1); /* what is not known is not idle */
	assert_int_equal(s.days[1].never, 1);
	/* the same day once more, after a seat went: in its place */
	run(&w, "DELETE FROM seat WHERE account = 3");
	WRITE(&w, ledger_note(db, org, 20000, 500, &err));
	WRITE(&w, ledger_note(db, org, 20001, 500, &err));
	s.n = 0;
	READ(&w, ledger_days(db, org, 20000, on_day, &s, &err));
	assert_int_equal(s.n, 4);
	assert_int_equal(s.days[2].held, 3);
	assert_int_equal(s.days[2].day, 20000);
	assert_int_equal(s.days[3].day, 20001);
	/* days past keeping go */
	WRITE(&w, ledger_note(db, org, 20001 + LEDGER_KEEP_DAYS, 500, &err));
	s.n = 0;
	READ(&w, ledger_days(db, org, 0, on_day, &s, &err));
	assert_int_equal(s.n, 4);
	assert_int_equal(s.days[2].day, 20001);
	world_close(&w);
}

static void test_a_freed_seat_that_is_held_again_is_told(void **state)
{
	struct world w = { 0 };
	struct seen s = { 0 };
	struct err err = { 0 };

	(void)state;
	begin(&w);
	run(&w, "INSERT INTO plan (id, org, urgency, who, digest, standing, complete, held,"
		" created_ms, expires_ms, state_ms, actions, bytes) VALUES"
		" (1, 'acme', 'routine', 'round', x'00', 4, 1, 0, 0, 0, 0, 6, x''),"
		" (2, 'other', 'routine', 'round', x'00', 4, 1, 0, 0, 0, 0, 1, x'')");
	/* account 1 was freed twice and holds it now; 6 stays free; 7's was held by another
	 * path, 8's was long ago, and 9's is of another organisation */
	run(&w,
	    "INSERT INTO action (plan, n, kind, rule, class, person, account, product, site,"
	    " due_ms, held, automatic, state, state_ms, result) VALUES"
	    " (1, 1, 'free-seat', 'r', 'inactive', 1, 1, 'jira', 'a', 0, 0, 0, 2, 500, ''),"
	    " (1, 2, 'free-seat', 'r', 'inactive', 1, 1, 'jira', 'a', 0, 0, 0, 2, 600, ''),"
	    " (1, 3, 'free-seat', 'r', 'inactive', 6, 6, 'jira', 'a', 0, 0, 0, 2, 500, ''),"
	    " (1, 4, 'free-seat', 'r', 'inactive', 7, 7, 'jira', 'a', 0, 0, 0, 5, 500, ''),"
	    " (1, 5, 'free-seat', 'r', 'inactive', 8, 8, 'jira', 'a', 0, 0, 0, 2, 399, ''),"
	    " (1, 6, 'suspend', 'r', 'leaver', 6, 6, '', '', 0, 0, 0, 2, 500, ''),"
	    " (2, 1, 'free-seat', 'r', 'inactive', 9, 9, 'jira', 'a', 0, 0, 0, 2, 500, '')");
	READ(&w, ledger_freed(db, "acme", org, 400, on_freed, &s, &err));
	assert_int_equal(s.freed, 3);
	assert_int_equal(s.again, 2);
	/* the one that was freed once more counts as held again even when it is free now */
	run(&w, "DELETE FROM seat WHERE account = 1");
	s = (struct seen){ 0 };
	READ(&w, ledger_freed(db, "acme", org, 400, on_freed, &s, &err));
	assert_int_equal(s.freed, 3);
	assert_int_equal(s.again, 1);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_day_counts_what_is_held_idle_and_never_used),
		cmocka_unit_test(test_a_freed_seat_that_is_held_again_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
