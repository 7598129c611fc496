/* The form of evidence packs: names, manifest, signature, key, headers of a tar. */
#include "tests/lib/test.h"

#include "base/secret.h"
#include "bridge/pack.h"

#define SEED "0123456789abcdef0123456789abcdef"

static void test_names_stay_inside_the_pack(void **state)
{
	static const char *const good[] = { "a", "plan-1/plan.json", "A_b-c.d/e", "..a",
					    "a..b" };
	static const char *const bad[] = { "",       "/a",     "a/",    "a//b", ".",   "..",
					   "a/../b", "../etc", "a/./b", "a b",  "a\n", "a\\b" };
	char longest[PACK_NAME_MOST + 2];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_true(pack_name_ok(str_of(good[i])));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(pack_name_ok(str_of(bad[i])));
	memset(longest, 'a', sizeof(longest));
	assert_true(pack_name_ok(str_n(longest, PACK_NAME_MOST)));
	assert_false(pack_name_ok(str_n(longest, PACK_NAME_MOST + 1)));
	assert_false(pack_name_ok(STR("a\0b")));
}

static struct pack_file file_named(const char *name, unsigned char fill)
{
	struct pack_file f = { .name = str_dup(str_of(name)), .bytes = 1000 + fill };

	memset(f.sha256, fill, sizeof(f.sha256));
	memset(f.blake2b, fill + 1, sizeof(f.blake2b));
	return f;
}

static void manifest_fill(struct pack_manifest *m)
{
	*m = (struct pack_manifest){ .instance = str_dup(STR("acme")),
				     .about = str_dup(STR("run 12")),
				     .made_ms = 1795338000000 };
	memset(m->key, 7, sizeof(m->key));
	assert_int_equal(pack_files_add(&m->files, file_named("a.txt", 1)), 0);
	assert_int_equal(pack_files_add(&m->files, file_named("b/c.json", 200)), 0);
}

static void manifest_text(struct buf *text)
{
	struct pack_manifest m;
	struct err err;

	manifest_fill(&m);
	assert_ok(pack_manifest_write(&m, text, &err), &err);
	pack_manifest_done(&m);
}

static void test_a_manifest_reads_back_as_it_was_written(void **state)
{
	struct pack_manifest m = { 0 };
	struct buf text;
	struct err err;

	(void)state;
	buf_init(&text, 10000);
	manifest_text(&text);
	assert_ok(pack_manifest_read(buf_str(&text), &m, &err), &err);
	assert_string_equal(m.instance, "acme");
	assert_string_equal(m.about, "run 12");
	assert_int_equal(m.made_ms, 1795338000000);
	assert_int_equal(m.files.n, 2);
	assert_string_equal(m.files.v[1].name, "b/c.json");
	assert_int_equal(m.files.v[1].bytes, 1200);
	assert_int_equal(m.files.v[1].blake2b[63], 201);
	pack_manifest_done(&m);
	buf_done(&text);
}

static void test_a_manifest_says_nothing_that_is_not_read(void **state)
{
	struct buf text, spoilt;
	struct err err;

	(void)state;
	buf_init(&text, 10000);
	buf_init(&spoilt, 10000);
	manifest_text(&text);
	/* any bit: either it does not read, or it says something else */
	for (size_t at = 0; at < text.len; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct pack_manifest m = { 0 };

			buf_clear(&spoilt);
			buf_add_str(&spoilt, buf_str(&text));
			spoilt.p[at] = (char)(spoilt.p[at] ^ (1 << bit));
			if (pack_manifest_read(buf_str(&spoilt), &m, &err) == 0) {
				struct buf again;

				buf_init(&again, 10000);
				assert_ok(pack_manifest_write(&m, &again, &err), &err);
				assert_true(str_eq(buf_str(&again), buf_str(&spoilt)));
				buf_done(&again);
			}
			pack_manifest_done(&m);
		}
	}
	buf_done(&spoilt);
	buf_done(&text);
}

static void test_files_stand_in_order_each_once(void **state)
{
	static const char *const names[][2] = { { "b", "a" }, { "a", "a" }, { "a", "../b" } };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct pack_manifest m = { .instance = str_dup(STR("x")),
					   .about = str_dup(STR("y")) };
		struct buf text;

		buf_init(&text, 10000);
		assert_int_equal(pack_files_add(&m.files, file_named(names[i][0], 1)), 0);
		assert_int_equal(pack_files_add(&m.files, file_named(names[i][1], 1)), 0);
		assert_fault(pack_manifest_write(&m, &text, &err), ERR_INVALID_VALUE, &err,
			     names[i][1]);
		buf_done(&text);
		pack_manifest_done(&m);
	}
}

static void test_lost_memory_is_told_and_nothing_leaks(void **state)
{
	struct buf text;
	struct err err;
	int r = -1;

	(void)state;
	buf_init(&text, 10000);
	manifest_text(&text);
	for (int n = 1; r != 0; n++) {
		struct pack_manifest m = { 0 };

		fault_at(n);
		r = pack_manifest_read(buf_str(&text), &m, &err);
		if (!fault_fired())
			assert_int_equal(r, 0);
		fault_at(0);
		if (r < 0)
			assert_int_equal(r, -ERR_NOMEM);
		pack_manifest_done(&m);
	}
	buf_done(&text);
}

static void test_each_byte_of_a_signature_counts(void **state)
{
	unsigned char key[DIGEST_PUB_BYTES], sig[DIGEST_SIG_BYTES];
	struct str manifest = STR("what was signed");
	struct secret seed = { 0 };
	struct buf text;
	struct err err;

	(void)state;
	buf_init(&text, 1024);
	assert_ok(secret_set(&seed, SEED, 32, &err), &err);
	assert_ok(digest_public(key, &seed, &err), &err);
	assert_ok(digest_sign(sig, &seed, manifest, &err), &err);
	pack_signature_write(key, sig, &text);
	assert_ok(pack_signature_check(buf_str(&text), key, manifest, &err), &err);
	assert_fault(pack_signature_check(buf_str(&text), key, STR("what was signee"), &err),
		     ERR_DAMAGED, &err, "MANIFEST");
	for (size_t at = 0; at < text.len; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			text.p[at] = (char)(text.p[at] ^ (1 << bit));
			assert_int_equal(
				pack_signature_check(buf_str(&text), key, manifest, &err),
				-ERR_DAMAGED);
			text.p[at] = (char)(text.p[at] ^ (1 << bit));
		}
	}
	key[0] ^= 1;
	assert_fault(pack_signature_check(buf_str(&text), key, manifest, &err), ERR_DAMAGED,
		     &err, "another key");
	secret_done(&seed);
	buf_done(&text);
}

static void test_a_key_reads_back(void **state)
{
	unsigned char key[DIGEST_PUB_BYTES], back[DIGEST_PUB_BYTES];
	struct buf text;
	struct err err;

	(void)state;
	memset(key, 0xab, sizeof(key));
	buf_init(&text, 1024);
	pack_key_write("acme", key, &text);
	assert_ok(pack_key_read(buf_str(&text), back, &err), &err);
	assert_memory_equal(key, back, sizeof(key));
	assert_fault(pack_key_read(STR("leaverd-evidence-key 1\n"), back, &err),
		     ERR_INVALID_VALUE, &err, "evidence key");
	buf_done(&text);
}

static void test_a_tar_header_is_one_that_tar_knows(void **state)
{
	unsigned char block[PACK_TAR_BLOCK];
	unsigned sum = 0, said = 0;
	char longest[200];

	(void)state;
	assert_true(pack_tar_header("top", "a/b.txt", 01234567, 1795338000000, block));
	assert_string_equal((char *)block, "a/b.txt");
	assert_string_equal((char *)block + 345, "top");
	assert_memory_equal(block + 257,
			    "ustar\0"
			    "00",
			    8);
	assert_string_equal((char *)block + 124, "00001234567");
	for (size_t i = 0; i < sizeof(block); i++)
		sum += i >= 148 && i < 156 ? ' ' : block[i];
	for (size_t i = 148; i < 154; i++)
		said = said * 8 + (unsigned)(block[i] - '0');
	assert_int_equal(said, sum);
	memset(longest, 'a', sizeof(longest));
	longest[PACK_NAME_MOST + 1] = '\0';
	assert_false(pack_tar_header("top", longest, 1, 0, block));
	assert_false(pack_tar_header("top", "a", 1LL << 33, 0, block));
	assert_false(pack_tar_header("top", "a", -1, 0, block));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_stay_inside_the_pack),
		cmocka_unit_test(test_a_manifest_reads_back_as_it_was_written),
		cmocka_unit_test(test_a_manifest_says_nothing_that_is_not_read),
		cmocka_unit_test(test_files_stand_in_order_each_once),
		cmocka_unit_test(test_lost_memory_is_told_and_nothing_leaks),
		cmocka_unit_test(test_each_byte_of_a_signature_counts),
		cmocka_unit_test(test_a_key_reads_back),
		cmocka_unit_test(test_a_tar_header_is_one_that_tar_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
