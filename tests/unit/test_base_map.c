#include "tests/lib/test.h"

#include "base/map.h"
#include "base/own.h"

struct word {
	const char *text;
	int count;
	UT_hash_handle hh;
};

static void test_the_hash_depends_on_the_bytes_and_the_key(void **state)
{
	unsigned before = map_hash("abc", 3), other = map_hash("abd", 3), changed = 0;

	(void)state;
	assert_int_equal(map_hash("abcd", 3), before);
	assert_int_not_equal(other, before);
	for (int i = 0; i < 4; i++) { /* one of four keys may give the same by chance */
		map_seed();
		changed += map_hash("abc", 3) != before;
	}
	assert_true(changed >= 3);
}

static void test_lost_memory_is_an_answer(void **state)
{
	int nth = 0;
	bool fired;

	(void)state;
	do {
		struct word words[200] = { 0 }, *all = NULL, *w, *next;
		unsigned in = 0;

		fault_at(++nth);
		for (size_t i = 0; i < COUNT_OF(words); i++) {
			static char names[200][8];

			snprintf(names[i], sizeof(names[i]), "w%zu", i);
			words[i].text = names[i];
			w = &words[i];
			HASH_ADD_KEYPTR(hh, all, w->text, strlen(w->text), w);
			in += MAP_ADDED(w);
		}
		fired = fault_fired();
		/* what is said to be in the map is, and the others are not */
		assert_int_equal(HASH_COUNT(all), in);
		for (size_t i = 0; i < COUNT_OF(words); i++) {
			HASH_FIND_STR(all, words[i].text, w);
			assert_ptr_equal(w, MAP_ADDED(&words[i]) ? &words[i] : NULL);
		}
		assert_true(fired || in == COUNT_OF(words));
		HASH_ITER (hh, all, w, next) {
			HASH_DEL(all, w);
		}
		assert_null(all);
	} while (fired);
	assert_true(nth > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_hash_depends_on_the_bytes_and_the_key),
		cmocka_unit_test(test_lost_memory_is_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
