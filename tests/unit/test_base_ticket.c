/* base/ticket: what was written is read; nothing else is. */
#include "tests/lib/test.h"

#include "base/ticket.h"

#define END 1795338000000LL

static struct secret key_of(const char *text)
{
	struct secret key = { 0 };
	struct err err = { 0 };

	assert_ok(secret_start(&err), &err);
	assert_ok(secret_set(&key, text, 32, &err), &err);
	return key;
}

static struct ticket sample(void)
{
	const struct str about[] = { STR("acme"), STR("jira"), STR("inactive-jira") };
	struct ticket t = {
		.number = 7, .person = 0x0102030405060708u, .account = UINT64_MAX, .end_ms = END
	};

	ticket_about(about, COUNT_OF(about), t.about);
	return t;
}

static void test_a_ticket_is_read_as_it_was_written(void **state)
{
	CLEANUP(secret_done) struct secret key = key_of("0123456789abcdef0123456789abcdef");
	struct ticket t = sample(), back = { 0 };
	char text[TICKET_CHARS + 1];

	(void)state;
	ticket_write(&t, &key, text);
	assert_int_equal(strlen(text), TICKET_CHARS);
	assert_int_equal(strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_"),
			 TICKET_CHARS);
	assert_int_equal(ticket_read(str_of(text), &key, END - 1, &back), 0);
	assert_memory_equal(&back, &t, sizeof(t));
}

static void test_a_ticket_is_good_until_its_end(void **state)
{
	CLEANUP(secret_done) struct secret key = key_of("0123456789abcdef0123456789abcdef");
	struct ticket t = sample(), back = { 0 };
	char text[TICKET_CHARS + 1];

	(void)state;
	ticket_write(&t, &key, text);
	assert_int_equal(ticket_read(str_of(text), &key, END, &back), TICKET_OVER);
	assert_int_equal(back.number, 7);
}

static void test_a_ticket_that_was_changed_anywhere_is_none(void **state)
{
	CLEANUP(secret_done) struct secret key = key_of("0123456789abcdef0123456789abcdef");
	struct ticket t = sample(), back;
	char text[TICKET_CHARS + 1];

	(void)state;
	ticket_write(&t, &key, text);
	for (size_t i = 0; i < TICKET_CHARS; i++) {
		char was = text[i];

		for (const char *c = "AaZz09-_+/= \n"; *c; c++) {
			text[i] = *c;
			if (*c != was)
				assert_int_equal(
					ticket_read(str_of(text), &key, END - 1, &back),
					TICKET_NONE);
		}
		text[i] = was;
	}
	for (size_t n = 0; n < TICKET_CHARS; n++)
		assert_int_equal(ticket_read(str_n(text, n), &key, END - 1, &back),
				 TICKET_NONE);
}

static void test_another_key_opens_nothing(void **state)
{
	CLEANUP(secret_done) struct secret key = key_of("0123456789abcdef0123456789abcdef");
	CLEANUP(secret_done) struct secret other = key_of("0123456789abcdef0123456789abcdeF");
	struct ticket t = sample(), back;
	char text[TICKET_CHARS + 1];

	(void)state;
	ticket_write(&t, &key, text);
	assert_int_equal(ticket_read(str_of(text), &other, END - 1, &back), TICKET_NONE);
}

static void test_what_it_is_about_counts_where_texts_end(void **state)
{
	const struct str one[] = { STR("ab"), STR("c") }, two[] = { STR("a"), STR("bc") };
	unsigned char a[TICKET_ABOUT_BYTES], b[TICKET_ABOUT_BYTES];

	(void)state;
	ticket_about(one, 2, a);
	ticket_about(two, 2, b);
	assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_ticket_is_read_as_it_was_written),
		cmocka_unit_test(test_a_ticket_is_good_until_its_end),
		cmocka_unit_test(test_a_ticket_that_was_changed_anywhere_is_none),
		cmocka_unit_test(test_another_key_opens_nothing),
		cmocka_unit_test(test_what_it_is_about_counts_where_texts_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
