/* Links to ask for a seat again: who is offered one, that a step has one, and pages' doors. */
#include "tests/unit/bridge_house.h"

#include "base/ticket.h"
#include "bridge/again.h"
#include "bridge/page.h"
#include "bridge/requests.h"
#include "model/plan.h"

#define PAGES                                                                                  \
	HOUSE_INSTANCE HOUSE_SOURCE HOUSE_ORG                                                  \
		"keep:\n  url: https://seats.example.com/\n  listen: 127.0.0.1:0\n"            \
		"  tls_cert: /nowhere.pem\n  tls_key: /nowhere.key\n"                          \
		"notices:\n  folder: .\n"
#define CONFIG PAGES "again:\n  domains: [example.com]\n"

static struct action usual(void)
{
	return (struct action){ .n = 3,
				.kind = ACTION_FREE_SEAT,
				.rule = "inactive-jira",
				.class = PLAN_INACTIVE,
				.account = 5,
				.product = "jira",
				.site = "acme.atlassian.net" };
}

static int link_of(struct house *h, const struct action *a, const char *step, const char *email,
		   char ret[512], struct err *err)
{
	const struct again_seat seat = { config_org_at(&h->app.config, 0), 7, a, step, email };

	return again_link(&h->app, &seat, ret, 512, err);
}

static void test_only_who_may_ask_is_offered_a_link(void **state)
{
	static const struct {
		const char *config, *email;
		enum plan_class class;
		const char *product;
		bool link;
	} rows[] = {
		{ CONFIG, "lea@example.com", PLAN_INACTIVE, "jira", true },
		{ CONFIG, "lea@EXAMPLE.com", PLAN_INACTIVE, "jira", true },
		{ CONFIG, "lea@example.org", PLAN_INACTIVE, "jira", false },
		{ CONFIG, "lea@sub.example.com", PLAN_INACTIVE, "jira", false },
		{ CONFIG, "example.com", PLAN_INACTIVE, "jira", false },
		{ CONFIG, "", PLAN_INACTIVE, "jira", false },
		{ CONFIG, "lea@example.com", PLAN_LEAVER, "jira", false }, /* never a leaver */
		{ CONFIG, "lea@example.com", PLAN_INACTIVE, NULL, false }, /* no seat */
		{ PAGES, "lea@example.com", PLAN_INACTIVE, "jira", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct action a = usual();
		struct err err = { 0 };
		char link[512];
		struct house h;

		house_open(&h, rows[i].config);
		a.class = rows[i].class;
		a.product = rows[i].product;
		assert_ok(link_of(&h, &a, "step-1", rows[i].email, link, &err), &err);
		if ((link[0] != '\0') != rows[i].link)
			fail_msg("row %zu: \"%s\"", i, link);
		assert_int_equal(world_number(&h.w, "SELECT count(*) FROM request"),
				 rows[i].link);
		house_close(&h);
	}
}

static void test_one_step_has_one_link_and_its_ticket_names_the_offer(void **state)
{
	static const char before[] = "https://seats.example.com/again/";
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(secret_done) struct secret other = { 0 };
	char first[512], again[512], next[512];
	const struct action a = usual();
	struct err err = { 0 };
	struct ticket t;
	struct house h;

	(void)state;
	house_open(&h, CONFIG);
	assert_ok(link_of(&h, &a, "step-1", "lea@example.com", first, &err), &err);
	assert_ok(link_of(&h, &a, "step-1", "lea@example.com", again, &err), &err);
	assert_ok(link_of(&h, &a, "step-2", "lea@example.com", next, &err), &err);
	assert_string_equal(first, again);
	assert_string_not_equal(first, next);
	assert_int_equal(strncmp(first, before, sizeof(before) - 1), 0);
	assert_int_equal(strlen(first), sizeof(before) - 1 + TICKET_CHARS);
	assert_ok(page_key(&h.app, "leaverd: links that ask for a seat again", &key, &err),
		  &err);
	assert_ok(page_key(&h.app, "another purpose", &other, &err), &err);
	assert_int_equal(
		ticket_read(str_of(first + sizeof(before) - 1), &key, stamp_now_ms(), &t), 0);
	assert_int_equal(t.number, 1);
	assert_int_equal(t.account, 5);
	assert_int_equal(ticket_read(str_of(first + sizeof(before) - 1), &key, t.end_ms, &t),
			 TICKET_OVER);
	/* a link of one kind opens no other */
	assert_int_equal(
		ticket_read(str_of(first + sizeof(before) - 1), &other, stamp_now_ms(), &t),
		TICKET_NONE);
	house_close(&h);
}

static void test_a_link_that_has_no_room_is_a_fault(void **state)
{
	struct err err = { 0 };
	struct house h;
	char link[20];

	(void)state;
	house_open(&h, CONFIG);
	assert_fault(page_link(&h.app, "again", "TICKET", link, sizeof(link), &err), ERR_LIMIT,
		     &err, "keep.url is too long");
	house_close(&h);
}

static void test_a_request_that_nobody_made_is_not_granted(void **state)
{
	static const struct request_by by = { "uid:test", "a test" };
	const struct action a = usual();
	struct err err = { 0 };
	uint64_t plan = 0;
	char link[512];
	struct house h;

	(void)state;
	house_open(&h, CONFIG);
	assert_fault(request_grant(&h.app, 1, &by, &plan, &err), ERR_NOT_FOUND, &err, NULL);
	assert_ok(link_of(&h, &a, "step-1", "lea@example.com", link, &err), &err);
	assert_fault(request_grant(&h.app, 1, &by, &plan, &err), ERR_CONFLICT, &err, NULL);
	assert_int_equal(plan, 0);
	house_close(&h);
}

static int links(struct house *h, char link[512], struct err *err)
{
	const struct action a = usual();

	return link_of(h, &a, "step-1", "lea@example.com", link, err);
}

static int door(struct house *h, char link[512], struct err *err)
{
	CLEANUP(page_door_free_at) struct page_door *d = NULL;
	int r = page_door_new(&d, &h->app, "a test", err);

	(void)link;
	if (r == 0)
		assert_int_equal(page_door_key(d)->len, SECRET_KEY_BYTES);
	return r;
}

static int routes(struct house *h, char link[512], struct err *err)
{
	CLEANUP(again_free_at) struct again *a = NULL;
	struct http_route into[AGAIN_ROUTES];

	(void)link;
	return again_new(&a, &h->app, into, err);
}

static int waiting(struct house *h, char link[512], struct err *err)
{
	(void)link;
	return again_work(&h->app, err);
}

static void test_each_lost_allocation_is_survived(void **state)
{
	static int (*const made[])(struct house * h, char link[512],
				   struct err *err) = { links, door, routes, waiting };
	struct house h;

	(void)state;
	fault_install();
	house_open(&h, CONFIG);
	for (size_t i = 0; i < COUNT_OF(made); i++) {
		int nth = 0, r;
		bool again;

		do {
			struct err err = { 0 };
			char link[512] = "";

			fault_at(++nth);
			r = made[i](&h, link, &err);
			again = fault_fired();
			assert_true(again ? r == -ERR_NOMEM : r == 0);
			if (again) /* half a link is none */
				assert_string_equal(link, "");
		} while (again);
	}
	assert_int_equal(world_number(&h.w, "SELECT count(*) FROM request"), 1);
	house_close(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_who_may_ask_is_offered_a_link),
		cmocka_unit_test(test_one_step_has_one_link_and_its_ticket_names_the_offer),
		cmocka_unit_test(test_a_link_that_has_no_room_is_a_fault),
		cmocka_unit_test(test_a_request_that_nobody_made_is_not_granted),
		cmocka_unit_test(test_each_lost_allocation_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
