/* What accounts own on sites, what could not be given, and who is named to receive it. */
#include "tests/lib/store_world.h"

#include "store/plans.h"
#include "store/sites.h"

#define ORG 1
#define LEA 70
#define MIA 71

/* Two accounts of one organisation, of persons 7 and 8. */
static void people(struct world *w)
{
	struct err err = { 0 };

	WRITE(w,
	      db_run(db, &err,
		     "INSERT INTO account_link (account, person, rule, evidence, since_ms,"
		     " change) VALUES (70, 7, 'email', '', 0, 1), (71, 8, 'email', '', 0, 1)"));
}

static void inventory(struct world *w)
{
	static const struct owned_row rows[] = {
		{ .account = LEA, .site = STR("acme"), .kind = STR("issue"), .id = STR("1") },
		{ .account = LEA, .site = STR("acme"), .kind = STR("filter"), .id = STR("2") },
	};
	const struct inventory_row in = { .account = LEA, .whole = true, .read_ms = NOW };
	struct err err = { 0 };

	WRITE(w, inventory_put(db, &in, rows, COUNT_OF(rows), &err));
}

static int owned_note(void *ctx, const struct owned_row *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, STR_FMT "%s ", STR_ARG(row->id), row->unseen ? "?" : "");
	return 0;
}

static int refusal_note(void *ctx, const struct gift_refusal *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, STR_FMT "/" STR_FMT ">%lld:" STR_FMT " ", STR_ARG(row->kind),
		 STR_ARG(row->id), (long long)row->receiver, STR_ARG(row->why));
	return 0;
}

static void are(struct world *w, const char *owned, const char *refusals)
{
	CLEANUP(buf_done) struct buf b;
	struct err err = { 0 };

	buf_init(&b, 4096);
	READ(w, inventory_owned(db, ORG, LEA, owned_note, &b, &err));
	buf_add_char(&b, '\0');
	assert_string_equal(b.p, owned);
	buf_clear(&b);
	READ(w, inventory_refusals(db, ORG, 0, NOW, refusal_note, &b, &err));
	buf_add_char(&b, '\0');
	assert_string_equal(b.p, refusals);
}

static void account(struct world *w, int64_t id, const char *account_id)
{
	struct err err = { 0 };

	WRITE(w,
	      db_run(db, &err,
		     "INSERT INTO account (id, live, salt, first_ms, change, org, account_id,"
		     " directory, email, email_fold, name, external_id, issuer, status,"
		     " status_since_ms, type, managed, synced, can_disable, accepted, admin,"
		     " org_admin, paths_known, tokens, added_ms, token_active_ms,"
		     " last_active_ms, own_credential, roles, extra, hash) VALUES (?1, 1, x'',"
		     " 0, 1, ?2, ?3, '', '', '', '', '', '', 1, 0, 1, 1, 0, 1, 1, 0, 0, 1, 0,"
		     " 0, 0, 0, 0, '', '', x'')",
		     DB_I(id), DB_I(ORG), DB_T(account_id)));
}

static void test_what_was_refused_or_not_seen_stays_until_it_is_read_or_named_anew(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	world_open(&w);
	account(&w, LEA, "a-lea");
	account(&w, MIA, "a-mia");
	people(&w);
	inventory(&w);
	are(&w, "2 1 ", "");
	WRITE(&w, inventory_unseen(db, LEA, "acme", "issue", "1", &err));
	WRITE(&w, inventory_refused(db, LEA, "acme", "filter", "2", MIA, "no", NOW, &err));
	WRITE(&w,
	      inventory_refused(db, LEA, "acme", "filter", "2", MIA, "still no", NOW, &err));
	WRITE(&w, inventory_refused(db, LEA, "acme", "issue", "1", MIA, "old", NOW - 1, &err));
	are(&w, "2 1? ", "filter/2>71:still no ");
	inventory(&w); /* read again: it is there after all */
	are(&w, "2 1 ", "filter/2>71:still no ");
	WRITE(&w, heir_set(db, 7, MIA, "uid:ada", "asked", NOW, &err));
	are(&w, "2 1 ", "");
	world_close(&w);
}

static int heir_note(void *ctx, const struct heir_row *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%lld>%lld=%lld/" STR_FMT " ", (long long)row->person,
		 (long long)row->account, (long long)row->heir, STR_ARG(row->account_id));
	return 0;
}

static void test_who_is_named_is_told_as_account_as_id_and_as_person(void **state)
{
	CLEANUP(buf_done) struct buf b;
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	buf_init(&b, 4096);
	world_open(&w);
	account(&w, MIA, "a-mia");
	people(&w);
	WRITE(&w, heir_set(db, 7, MIA, "uid:ada", "asked", NOW, &err));
	WRITE(&w, heir_set(db, 9, 72, "uid:ada", "nobody is linked to it", NOW, &err));
	assert_int_equal(TRY_WRITE(&w, heir_set(db, 7, MIA, "uid:ada", "again", NOW, &err)),
			 STORE_UNCHANGED);
	READ(&w, heirs_each(db, 0, heir_note, &b, &err));
	buf_add_char(&b, '\0');
	assert_string_equal(b.p, "7>71=8/a-mia 9>72=0/ ");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_what_was_refused_or_not_seen_stays_until_it_is_read_or_named_anew),
		cmocka_unit_test(test_who_is_named_is_told_as_account_as_id_and_as_person),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
