/* The form of evidence packs: names, manifest, signature, key, headers of a tar. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
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

/* --- every byte, every name ------------------------------------------------------------------
 */

struct made {
	char folder[40], top[60], tar[60];
	unsigned char key[DIGEST_PUB_BYTES];
};

/* Files of any form: those that have a meaning are held against it elsewhere. */
static const struct {
	const char *name, *text;
} parts[] = {
	{ "B2SUMS", "sums\n" },
	{ "about.txt", "what it is about\n" },
	{ "empty", "" },
	{ "plan/values", "{\"a\":1}\n" },
};

static void path_of(const struct made *m, const char *name, char ret[120])
{
	snprintf(ret, 120, "%s/%s", m->top, name);
}

static void text_write(const char *path, const char *p, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, len), len);
	close(fd);
}

static void manifest_make(const struct made *m, const struct secret *seed)
{
	struct pack_manifest manifest = { .instance = str_dup(STR("acme")),
					  .about = str_dup(STR("run 1")),
					  .made_ms = 1795338000000 };
	unsigned char sig[DIGEST_SIG_BYTES];
	char path[120];
	struct buf text, signature;
	struct err err;

	buf_init(&text, 1 << 16);
	buf_init(&signature, 4096);
	memcpy(manifest.key, m->key, sizeof(manifest.key));
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		struct pack_file f = { .name = str_dup(str_of(parts[i].name)) };
		struct digest_file d;
		int fd;

		path_of(m, parts[i].name, path);
		text_write(path, parts[i].text, strlen(parts[i].text));
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_ok(digest_file(fd, 1 << 20, &d, &err), &err);
		close(fd);
		memcpy(f.sha256, d.sha256, sizeof(f.sha256));
		memcpy(f.blake2b, d.blake2b_512, sizeof(f.blake2b));
		f.bytes = d.bytes;
		assert_int_equal(pack_files_add(&manifest.files, f), 0);
	}
	assert_ok(pack_manifest_write(&manifest, &text, &err), &err);
	assert_ok(digest_sign(sig, seed, buf_str(&text), &err), &err);
	pack_signature_write(m->key, sig, &signature);
	path_of(m, PACK_MANIFEST, path);
	text_write(path, text.p, text.len);
	path_of(m, PACK_SIGNATURE, path);
	text_write(path, signature.p, signature.len);
	buf_done(&text);
	buf_done(&signature);
	pack_manifest_done(&manifest);
}

static void pack_make(struct made *m)
{
	struct secret seed = { 0 };
	char path[120];
	struct err err;
	int fd;

	snprintf(m->folder, sizeof(m->folder), "/tmp/leaverd-test-XXXXXX");
	assert_non_null(mkdtemp(m->folder));
	snprintf(m->top, sizeof(m->top), "%s/pack", m->folder);
	snprintf(m->tar, sizeof(m->tar), "%s/pack.tar", m->folder);
	assert_int_equal(mkdir(m->top, 0700), 0);
	path_of(m, "plan", path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_ok(secret_set(&seed, SEED, 32, &err), &err);
	assert_ok(digest_public(m->key, &seed, &err), &err);
	manifest_make(m, &seed);
	secret_done(&seed);
	fd = open(m->tar, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_ok(pack_tar_write(m->top, "pack", fd, &err), &err);
	close(fd);
}

static int drop(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)st;
	(void)what;
	(void)at;
	return remove(path);
}

static void pack_drop(const struct made *m)
{
	assert_int_equal(nftw(m->folder, drop, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* 0, or the fault's code. */
static int says(const struct made *m, const char *path)
{
	struct pack_verdict v = { 0 };
	struct err err = { 0 };
	int r = pack_verify(path, m->key, NULL, &v, &err);

	assert_true((r == 0) == (v.faults.n == 0));
	pack_verdict_done(&v);
	return r;
}

/* Of each byte one bit, and another of the next; then all as it was. */
static size_t flip_all(const struct made *m, const char *file, const char *pack)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);

	assert_true(fd >= 0 && size >= 0);
	for (off_t at = 0; at < size; at++) {
		char was, is;

		assert_int_equal(pread(fd, &was, 1, at), 1);
		is = (char)(was ^ (1 << (at % 8)));
		assert_int_equal(pwrite(fd, &is, 1, at), 1);
		if (says(m, pack) != -ERR_DAMAGED)
			fail_msg("%s: byte %lld, bit %lld changed unseen", file, (long long)at,
				 (long long)(at % 8));
		assert_int_equal(pwrite(fd, &was, 1, at), 1);
	}
	close(fd);
	return (size_t)size;
}

static const char *const all_names[] = { "MANIFEST",  "MANIFEST.sig", "B2SUMS",
					 "about.txt", "empty",        "plan/values" };

static void test_no_byte_of_a_pack_changes_unseen(void **state)
{
	struct made m;
	size_t bytes = 0;

	(void)state;
	pack_make(&m);
	assert_int_equal(says(&m, m.top), 0);
	assert_int_equal(says(&m, m.tar), 0);
	for (size_t i = 0; i < COUNT_OF(all_names); i++) {
		char path[120];

		path_of(&m, all_names[i], path);
		bytes += flip_all(&m, path, m.top);
	}
	assert_true(bytes > 1000);
	assert_true(flip_all(&m, m.tar, m.tar) > 8 * (size_t)PACK_TAR_BLOCK);
	assert_int_equal(says(&m, m.top), 0);
	assert_int_equal(says(&m, m.tar), 0);
	pack_drop(&m);
}

/* Each letter of each name, and what else can become of a file. */
static void test_no_file_of_a_pack_is_renamed_removed_added_or_cut_unseen(void **state)
{
	struct made m;

	(void)state;
	pack_make(&m);
	for (size_t i = 0; i < COUNT_OF(all_names); i++) {
		char path[120], other[120], byte;
		struct stat st;

		path_of(&m, all_names[i], path);
		for (size_t at = strlen(m.top) + 1; path[at]; at++) {
			memcpy(other, path, sizeof(other));
			other[at] = other[at] == 'x' ? 'y' : 'x';
			if (path[at] == '/')
				other[at] = '_';
			else if (strchr(path + at, '/'))
				continue; /* a folder's: below */
			assert_int_equal(rename(path, other), 0);
			assert_int_equal(says(&m, m.top), -ERR_DAMAGED);
			assert_int_equal(rename(other, path), 0);
		}
		snprintf(other, sizeof(other), "%s/outside", m.folder);
		assert_int_equal(rename(path, other), 0);
		assert_int_equal(says(&m, m.top), -ERR_DAMAGED);
		assert_int_equal(rename(other, path), 0);
		/* one byte more, and one less */
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(truncate(path, st.st_size + 1), 0);
		assert_int_equal(says(&m, m.top), -ERR_DAMAGED);
		assert_int_equal(truncate(path, st.st_size), 0);
		if (st.st_size) {
			int fd = open(path, O_RDWR | O_CLOEXEC);

			assert_int_equal(pread(fd, &byte, 1, st.st_size - 1), 1);
			assert_int_equal(ftruncate(fd, st.st_size - 1), 0);
			assert_int_equal(says(&m, m.top), -ERR_DAMAGED);
			assert_int_equal(pwrite(fd, &byte, 1, st.st_size - 1), 1);
			close(fd);
		}
		assert_int_equal(says(&m, m.top), 0);
	}
	pack_drop(&m);
}

static void test_files_of_a_pack_do_not_change_places_or_come_along_unseen(void **state)
{
	char one[120], two[120], other[120];
	struct made m;

	(void)state;
	pack_make(&m);
	path_of(&m, "about.txt", one);
	path_of(&m, "B2SUMS", two);
	path_of(&m, "was", other);
	assert_int_equal(rename(one, other), 0);
	assert_int_equal(rename(two, one), 0);
	assert_int_equal(rename(other, two), 0);
	assert_int_equal(says(&m, m.top), -ERR_DAMAGED);
	assert_int_equal(rename(two, other), 0);
	assert_int_equal(rename(one, two), 0);
	assert_int_equal(rename(other, one), 0);
	assert_int_equal(says(&m, m.top), 0);
	text_write(other, "", 0);
	assert_int_equal(says(&m, m.top), -ERR_DAMAGED);
	assert_int_equal(unlink(other), 0);
	path_of(&m, "plan", one);
	path_of(&m, "plam", two);
	assert_int_equal(rename(one, two), 0);
	assert_int_equal(says(&m, m.top), -ERR_DAMAGED);
	assert_int_equal(rename(two, one), 0);
	assert_int_equal(says(&m, m.top), 0);
	pack_drop(&m);
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
		cmocka_unit_test(test_no_byte_of_a_pack_changes_unseen),
		cmocka_unit_test(test_no_file_of_a_pack_is_renamed_removed_added_or_cut_unseen),
		cmocka_unit_test(
			test_files_of_a_pack_do_not_change_places_or_come_along_unseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
