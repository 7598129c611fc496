#include "tests/unit/hr_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/enc.h"
#include "base/stamp.h"

#define OPTIONS "kind: full\nkey: No\nmap: { userName: Mail }\n"
#define NOW_MS 1800000000000LL

static char folder[] = "/tmp/leaverd-drops-XXXXXX";

static int folder_make(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static void path_in(char into[256], const char *name)
{
	snprintf(into, 256, "%s/%s", folder, name);
}

/* A file of the folder, written so many ms before now. */
static void put(const char *name, const void *bytes, size_t len, int64_t age_ms)
{
	char path[256];
	struct timespec at[2];
	int fd;

	path_in(path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	at[0].tv_sec = at[1].tv_sec = (NOW_MS - age_ms) / 1000;
	at[0].tv_nsec = at[1].tv_nsec = 0;
	assert_int_equal(futimens(fd, at), 0);
	close(fd);
}

static void put_text(const char *name, const char *text, int64_t age_ms)
{
	put(name, text, strlen(text), age_ms);
}

static int folder_empty(void **state)
{
	char command[256];
	DIR *dir = opendir(folder);
	struct dirent *e;

	(void)state;
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
			path_in(command, e->d_name);
			if (unlink(command) < 0)
				(void)rmdir(command);
		}
	closedir(dir);
	return 0;
}

static int folder_remove(void **state)
{
	(void)state;
	return rmdir(folder);
}

/* What is chosen, or the sentence why nothing is. */
static void chosen(const char *more, const char *expected)
{
	struct hr_drop drop = { .fd = -1 };
	struct hr_options o;
	struct err err = { 0 };
	char yaml[1024];
	int r;

	snprintf(yaml, sizeof(yaml), OPTIONS "folder: %s\n%s", folder, more);
	hr_options_read(yaml, &o);
	r = hr_drop_open(&o, -1, NULL, NOW_MS, &drop, &err);
	if (strcmp(r == 0 ? drop.name : err.text, expected) != 0 &&
	    (r == 0 || !strstr(err.text, expected)))
		fail_msg("\"%s\", not \"%s\"", r == 0 ? drop.name : err.text, expected);
	hr_drop_done(&drop);
	conf_free(hr_option_keys, &o);
}

static void test_the_newest_whole_drop_is_read(void **state)
{
	(void)state;
	put_text("people-a.csv", "x", STAMP_DAY_MS);
	put_text("people-b.csv", "x", 3 * STAMP_DAY_MS);
	chosen("", "people-a.csv");
	put_text("people-c.csv", "x", 1000); /* younger than settle */
	chosen("", "people-a.csv");
	chosen("settle: 0\n", "people-c.csv");
	put_text("people-c.csv", "x", -1000); /* by a clock that is ahead */
	chosen("", "people-a.csv");
	put_text("people-d.csv.part", "x", 60000);
	put_text(".people-e.csv", "x", 60000);
	put_text("people-f.csv~", "x", 60000);
	put_text("other.csv", "x", 60000);
	chosen("pattern: people-*.csv\n", "people-a.csv");
	chosen("", "other.csv");
}

static void test_a_ready_mark_is_waited_for(void **state)
{
	(void)state;
	put_text("p1.csv", "x", 2 * STAMP_HOUR_MS);
	put_text("p1.csv.done", "", 2 * STAMP_HOUR_MS);
	put_text("p2.csv", "x", STAMP_HOUR_MS);
	chosen("ready_suffix: .done\n", "p1.csv");
	put_text("p2.csv.done", "", 0);
	chosen("ready_suffix: .done\n", "p2.csv");
}

static void test_the_date_in_a_name_counts_before_its_time(void **state)
{
	(void)state;
	put_text("p-20261130.csv", "x", 2 * STAMP_DAY_MS);
	put_text("p-20261129.csv", "x", STAMP_HOUR_MS);
	chosen("name_date: '(\\d{4})(\\d\\d)(\\d\\d)'\n", "p-20261130.csv");
	put_text("p-new.csv", "x", STAMP_HOUR_MS);
	chosen("name_date: '(\\d{4})(\\d\\d)(\\d\\d)'\n", "has no date where name_date looks");
}

/* What comes after `last` in a folder of changes, or the sentence why nothing is read. */
static void chosen_after(const char *more, const char *last, int64_t last_age_ms,
			 const char *expected, uint64_t behind)
{
	const struct hr_drop_last after = { .date_ms = NOW_MS - last_age_ms, .name = last };
	struct hr_drop drop = { .fd = -1 };
	struct hr_options o;
	struct err err = { 0 };
	char yaml[1024];
	int r;

	snprintf(yaml, sizeof(yaml),
		 "kind: delta\nkey: No\nmap: { userName: Mail }\nfolder: %s\n%s", folder, more);
	hr_options_read(yaml, &o);
	r = hr_drop_open(&o, -1, &after, NOW_MS, &drop, &err);
	if (r == 0 ? strcmp(drop.name, expected) != 0 : !strstr(err.text, expected))
		fail_msg("after %s: \"%s\", not \"%s\"", last ? last : "nothing",
			 r == 0 ? drop.name : err.text, expected);
	assert_int_equal(drop.behind, behind);
	hr_drop_done(&drop);
	conf_free(hr_option_keys, &o);
}

static void test_drops_of_changes_are_read_one_after_the_other(void **state)
{
	struct hr_drop_last over = { .date_ms = NOW_MS - STAMP_HOUR_MS,
				     .name = "d.csv",
				     .over = true };
	struct hr_drop drop = { .fd = -1 };
	struct hr_options o;
	struct err err;
	char yaml[512];

	(void)state;
	put_text("c.csv", "x", 3 * STAMP_HOUR_MS);
	put_text("a.csv", "x", 2 * STAMP_HOUR_MS);
	put_text("b.csv", "x", 2 * STAMP_HOUR_MS); /* of the same time: by name */
	put_text("d.csv", "x", STAMP_HOUR_MS);
	chosen_after("", NULL, 0, "c.csv", 3);
	chosen_after("", "c.csv", 3 * STAMP_HOUR_MS, "a.csv", 2);
	chosen_after("", "a.csv", 2 * STAMP_HOUR_MS, "b.csv", 1);
	chosen_after("", "b.csv", 2 * STAMP_HOUR_MS, "d.csv", 0);
	chosen_after("", "d.csv", STAMP_HOUR_MS, "d.csv", 0); /* the last, still the newest */
	/* the last was moved away: what is older than it is not read again */
	chosen_after("", "e.csv", 0, "comes after the one that was read last, e.csv", 0);
	chosen_after("", "gone.csv", 5 * STAMP_HOUR_MS / 2, "a.csv", 2);
	/* one that is not whole keeps what comes after it, and not what comes before it */
	put_text("b.csv.done", "", 0);
	put_text("c.csv.done", "", 0);
	put_text("d.csv.done", "", 0);
	chosen_after("ready_suffix: .done\n", NULL, 0, "c.csv", 2);
	chosen_after("ready_suffix: .done\n", "c.csv", 3 * STAMP_HOUR_MS,
		     "a.csv is still being written, and what comes after it waits", 0);
	chosen_after("ready_suffix: .done\n", "a.csv", 2 * STAMP_HOUR_MS, "b.csv", 1);
	/* something came on stdin since: the last drop is not read over it */
	snprintf(yaml, sizeof(yaml),
		 "kind: ended-only\nkey: No\nmap: { active: Mail }\nfolder: %s\n", folder);
	hr_options_read(yaml, &o);
	assert_int_equal(hr_drop_open(&o, -1, &over, NOW_MS, &drop, &err), HR_DROP_NONE);
	hr_drop_done(&drop);
	conf_free(hr_option_keys, &o);
}

static void test_nothing_to_read_is_said_and_is_no_fault(void **state)
{
	struct hr_drop drop = { .fd = -1 };
	struct hr_options o;
	struct err err;
	char yaml[512], path[256];

	(void)state;
	chosen("", "no export is in");
	put_text("p.csv.tmp", "x", STAMP_HOUR_MS);
	chosen("", "no whole export is in");
	chosen("", "1 may be still being written");
	path_in(path, "folder");
	assert_int_equal(mkdir(path, 0700), 0);
	chosen("", "no whole export is in"); /* a folder in it is no drop */
	snprintf(yaml, sizeof(yaml), OPTIONS "path: %s\n", path);
	hr_options_read(yaml, &o);
	assert_fault(hr_drop_open(&o, -1, NULL, NOW_MS, &drop, &err), ERR_REFUSED, &err,
		     "no regular file");
	hr_drop_done(&drop);
	conf_free(hr_option_keys, &o);
	snprintf(yaml, sizeof(yaml), OPTIONS "path: %s/nothing.csv\n", folder);
	hr_options_read(yaml, &o);
	assert_fault(hr_drop_open(&o, -1, NULL, NOW_MS, &drop, &err), ERR_IO, &err,
		     "nothing.csv");
	hr_drop_done(&drop);
	conf_free(hr_option_keys, &o);
}

/* --- seals ---------------------------------------------------------------------------------
 */

#define SHA256_OF_X "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"

static void test_a_checksum_must_be_there_and_match(void **state)
{
	(void)state;
	put_text("p.csv", "x", STAMP_HOUR_MS);
	chosen("checksum: true\n", "p.csv.sha256 is missing");
	put_text("p.csv.sha256", SHA256_OF_X "  p.csv\n", 0);
	chosen("checksum: true\n", "p.csv");
	put_text("p.csv", "y", STAMP_HOUR_MS);
	chosen("checksum: true\n", "is not that of the file");
	put_text("p.csv.sha256", "not a sum\n", 0);
	chosen("checksum: true\n", "holds no checksum");
}

static void test_a_checksum_without_an_end_is_not_read_for_ever(void **state)
{
	char path[256];

	(void)state;
	put_text("p.csv", "x", STAMP_HOUR_MS);
	path_in(path, "p.csv.sha256");
	assert_int_equal(symlink("/dev/zero", path), 0);
	chosen("checksum: true\n", ".sha256");
}

static void test_a_drop_that_cannot_be_opened_is_told_and_not_passed_over(void **state)
{
	char path[256];

	(void)state;
	put_text("p1.csv", "x", STAMP_HOUR_MS);
	path_in(path, "p2.csv");
	assert_int_equal(symlink("nowhere", path), 0); /* gone in the meantime: none */
	chosen("", "p1.csv");
	unlink(path);
	assert_int_equal(symlink("p2.csv", path), 0);
	chosen("", "opening ");
}

struct signer {
	struct secret seed;
	char key[80]; /* as minisign prints it */
};

static void signer_make(struct signer *s, unsigned char fill)
{
	unsigned char seed[DIGEST_SEED_BYTES], raw[42] = "Ed";
	struct buf text;
	struct err err;

	memset(seed, fill, sizeof(seed));
	memset(raw + 2, fill, 8);
	assert_ok(secret_set(&s->seed, seed, sizeof(seed), &err), &err);
	assert_ok(digest_public(raw + 10, &s->seed, &err), &err);
	buf_init(&text, 128);
	enc_base64(&text, raw, sizeof(raw));
	snprintf(s->key, sizeof(s->key), "%s", text.p);
	buf_done(&text);
}

/* As `minisign -S` writes it. */
static void sign(const struct signer *s, const char *name, const char *trusted,
		 const char *said)
{
	unsigned char packed[74] = "ED", global[DIGEST_SIG_BYTES];
	struct digest_file file;
	char path[256];
	struct buf text, whole;
	struct err err;
	int fd;

	path_in(path, name);
	fd = open(path, O_RDONLY);
	assert_ok(digest_file(fd, 1 << 20, &file, &err), &err);
	close(fd);
	memset(packed + 2, s->key[0] ? *(unsigned char *)s->seed.p : 0, 8);
	assert_ok(digest_sign(packed + 10, &s->seed,
			      str_n((char *)file.blake2b_512, sizeof(file.blake2b_512)), &err),
		  &err);
	buf_init(&whole, 1024);
	buf_add(&whole, packed + 10, DIGEST_SIG_BYTES);
	buf_add_text(&whole, trusted);
	assert_ok(digest_sign(global, &s->seed, buf_str(&whole), &err), &err);
	buf_init(&text, 2048);
	buf_add_text(&text, "untrusted comment: signature from minisign secret key\n");
	enc_base64(&text, packed, sizeof(packed));
	buf_addf(&text, "\ntrusted comment: %s\n", said);
	enc_base64(&text, global, sizeof(global));
	buf_add_char(&text, '\n');
	snprintf(path, sizeof(path), "%s.minisig", name);
	put(path, text.p, text.len, 0);
	buf_done(&text);
	buf_done(&whole);
}

static void test_a_signature_must_be_of_this_file_and_by_a_named_key(void **state)
{
	struct signer ours = { 0 }, other = { 0 };
	char yaml[256];

	(void)state;
	signer_make(&ours, 7);
	signer_make(&other, 9);
	snprintf(yaml, sizeof(yaml), "signed_by: [%s]\n", ours.key);
	put_text("p.csv", "x", STAMP_HOUR_MS);
	chosen(yaml, "p.csv.minisig is missing");
	sign(&ours, "p.csv", "timestamp:1", "timestamp:1");
	chosen(yaml, "p.csv");
	put_text("p.csv", "y", STAMP_HOUR_MS);
	chosen(yaml, "the signature is not of this file");
	sign(&ours, "p.csv", "timestamp:1", "timestamp:2");
	chosen(yaml, "trusted comment is not what was signed");
	sign(&other, "p.csv", "timestamp:1", "timestamp:1");
	chosen(yaml, "by a key that signed_by does not name");
	put_text("p.csv.minisig", "untrusted comment: x\nRWQ=\n", 0);
	chosen(yaml, "none of minisign");
	secret_done(&ours.seed);
	secret_done(&other.seed);
}

int main(void)
{
#define IN_FOLDER(t) cmocka_unit_test_teardown(t, folder_empty)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_the_newest_whole_drop_is_read),
		IN_FOLDER(test_a_ready_mark_is_waited_for),
		IN_FOLDER(test_drops_of_changes_are_read_one_after_the_other),
		IN_FOLDER(test_the_date_in_a_name_counts_before_its_time),
		IN_FOLDER(test_nothing_to_read_is_said_and_is_no_fault),
		IN_FOLDER(test_a_checksum_must_be_there_and_match),
		IN_FOLDER(test_a_checksum_without_an_end_is_not_read_for_ever),
		IN_FOLDER(test_a_drop_that_cannot_be_opened_is_told_and_not_passed_over),
		IN_FOLDER(test_a_signature_must_be_of_this_file_and_by_a_named_key),
	};
	struct err err;

	if (secret_start(&err) < 0)
		return 1;
	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
