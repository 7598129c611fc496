/* Files that name accounts: what is a name, what a fault, and where it stands. */
#include "bridge/named.h"
#include "tests/lib/fault.h"
#include "tests/lib/test.h"

/* "ada@x.example@2 ... | 3:that is no mail address" */
static void named_text(const char *file, char ret[512])
{
	CLEANUP(json_decref_at) json_t *out = json_object();
	struct named_file f;
	struct named_one *one, *next;
	struct err err;
	json_t *row;
	size_t at = 0, i;
	int r = named_file_read(str_of(file), "f.csv", &f, out, &err);

	if (r < 0) {
		snprintf(ret, 512, "%s", err.text);
		named_file_done(&f);
		return;
	}
	ret[0] = '\0';
	HASH_ITER (hh, f.all, one, next)
		at += (size_t)snprintf(ret + at, 512 - at, "%s@%lld ", one->key,
				       (long long)one->line);
	json_array_foreach (json_object_get(out, "faults"), i, row)
		at += (size_t)snprintf(
			ret + at, 512 - at, "| %lld:%s ",
			(long long)json_integer_value(json_object_get(row, "line")),
			jx_get_text(row, "text"));
	assert_int_equal(json_integer_value(json_object_get(out, "faults_total")), f.faults);
	named_file_done(&f);
}

static void test_names_are_read_by_header_or_by_look(void **state)
{
	static const struct {
		const char *file, *says;
	} cases[] = {
		{ "email\nAda@X.example\n", "ada@x.example@2 " },
		{ "Name;E-Mail\nAda;ada@x.example\n", "ada@x.example@2 " },
		/* no header: the column of the first address */
		{ "Ada\tada@x.example\nBo\tbo@x.example\n", "ada@x.example@1 bo@x.example@2 " },
		{ "712020:1f2e\n5b10ac8d82e05b22cc7d4ef5\n",
		  "712020:1f2e@1 5b10ac8d82e05b22cc7d4ef5@2 " },
		/* an id where the address is missing */
		{ "account_id,email\n712020:1f2e,\n712020:9,ada@x.example\n",
		  "712020:1f2e@2 ada@x.example@3 " },
		{ "email\nada@x.example\nADA@x.example\nnobody\n@\n",
		  "ada@x.example@2 | 3:the same as line 2 | 4:that is no mail address | 5:that "
		  "is no mail address " },
		{ "email,account_id\n\"\",x y\n", "| 2:that is no account id " },
		{ "name,mail\nAda\n", "| 2:names nobody " },
		{ "who\nada\n", "f.csv: line 1: no column email or account_id, and no mail "
				"address or account "
				"id in the first row" },
		{ "", "f.csv: the file is empty" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[512];

		named_text(cases[i].file, text);
		if (strcmp(text, cases[i].says) != 0)
			fail_msg("%s\nis read as \"%s\", not \"%s\"", cases[i].file, text,
				 cases[i].says);
	}
}

static void test_a_name_is_found_whatever_its_case(void **state)
{
	CLEANUP(json_decref_at) json_t *out = json_object();
	struct named_file f;
	struct named_one *one;
	struct err err;

	(void)state;
	assert_ok(named_file_read(STR("email\nada@x.example\n"), "f.csv", &f, out, &err), &err);
	assert_ok(named_file_find(&f, "ADA@X.Example", &one, &err), &err);
	assert_non_null(one);
	assert_ok(named_file_find(&f, "bo@x.example", &one, &err), &err);
	assert_null(one);
	assert_ok(named_file_find(&f, NULL, &one, &err), &err);
	assert_null(one);
	named_file_done(&f);
}

static void test_lost_memory_ends_the_reading(void **state)
{
	(void)state;
	for (long at = 1;; at++) {
		CLEANUP(json_decref_at) json_t *out = json_object();
		struct named_file f;
		struct err err;
		int r;

		fault_at(at);
		r = named_file_read(STR("email\nada@x.example\nada@x.example\nbo\n"), "f.csv",
				    &f, out, &err);
		/* some memory only makes it quicker: then nothing is missing */
		if (r == 0)
			assert_true(HASH_COUNT(f.all) == 1 && f.faults == 2);
		else
			assert_int_equal(r, -ERR_NOMEM);
		named_file_done(&f);
		if (!fault_fired()) {
			assert_int_equal(r, 0);
			break;
		}
	}
	fault_at(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_read_by_header_or_by_look),
		cmocka_unit_test(test_a_name_is_found_whatever_its_case),
		cmocka_unit_test(test_lost_memory_ends_the_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
