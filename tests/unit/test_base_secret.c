#include "tests/lib/test.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/secret.h"

static void assert_secret(const struct secret *s, const char *text)
{
	assert_int_equal(s->len, strlen(text));
	assert_string_equal(secret_text(s), text);
}

static void test_core_dumps_are_off(void **state)
{
	struct rlimit limit;
	struct err err;

	(void)state;
	assert_ok(secret_start(&err), &err);
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
	assert_int_equal(limit.rlim_cur, 0);
	assert_int_equal(limit.rlim_max, 0);
	assert_int_equal(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0); /* the sanitizers' need */
}

static void test_secrets_are_copied_compared_and_done(void **state)
{
	CLEANUP(secret_done) struct secret a = { 0 };
	CLEANUP(secret_done) struct secret b = { 0 };
	CLEANUP(secret_done) struct secret empty = { 0 };
	struct err err;

	(void)state;
	assert_string_equal(secret_text(&a), "");
	assert_ok(secret_set(&a, "hunter2", 7, &err), &err);
	assert_secret(&a, "hunter2");
	assert_ok(secret_copy(&b, &a, &err), &err);
	assert_ptr_not_equal(a.p, b.p);
	assert_true(secret_equal(&a, &b));
	b.p[6] ^= 1;
	assert_false(secret_equal(&a, &b));
	secret_done(&b);
	assert_null(b.p);
	secret_done(&b);
	secret_done(NULL);
	assert_ok(secret_set(&b, "hunter", 6, &err), &err);
	assert_false(secret_equal(&a, &b));
	assert_ok(secret_set(&empty, "", 0, &err), &err);
	assert_null(empty.p);
	assert_false(secret_equal(&a, &empty));
	assert_ok(secret_copy(&empty, &empty, &err), &err);
	assert_true(secret_equal(&empty, &empty));
}

static void test_random_secrets_differ(void **state)
{
	CLEANUP(secret_done) struct secret a = { 0 };
	CLEANUP(secret_done) struct secret b = { 0 };
	struct err err;

	(void)state;
	assert_ok(secret_random(&a, 32, &err), &err);
	assert_ok(secret_random(&b, 32, &err), &err);
	assert_int_equal(a.len, 32);
	assert_false(secret_equal(&a, &b));
}

static void test_too_much_is_lost_memory(void **state)
{
	struct secret s = { 0 };
	struct err err;

	(void)state;
	assert_fault(secret_random(&s, SIZE_MAX, &err), ERR_NOMEM, &err, "for a secret");
	assert_null(s.p);
}

/* --- sealing -------------------------------------------------------------------------------
 */

static void test_what_was_sealed_elsewhere_is_opened(void **state)
{
	/* draft-irtf-cfrg-xchacha-03, appendix A.3.1 */
	static const char plain[] =
		"Ladies and Gentlemen of the class of '99: If I could offer you "
		"only one tip for the future, sunscreen would be it.";
	static const char sealed[] =
		"404142434445464748494a4b4c4d4e4f5051525354555657"
		"bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
		"731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
		"2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
		"21f9664c97637da9768812f615c68b13b52e"
		"c0875924c1c7987947deafd8780acf49";
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(secret_done) struct secret opened = { 0 };
	unsigned char raw[sizeof(sealed) / 2], key_raw[32];
	struct err err;

	(void)state;
	for (size_t i = 0; i < 32; i++)
		key_raw[i] = (unsigned char)(0x80 + i);
	assert_ok(secret_set(&key, key_raw, 32, &err), &err);
	assert_true(enc_unhex(str_of(sealed), raw, sizeof(raw)));
	assert_ok(secret_open(&opened, &key, raw, sizeof(raw),
			      STR("\x50\x51\x52\x53\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7"), &err),
		  &err);
	assert_secret(&opened, plain);
}

static void test_a_sealed_secret_opens_only_as_it_was_sealed(void **state)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(secret_done) struct secret other = { 0 };
	CLEANUP(secret_done) struct secret opened = { 0 };
	CLEANUP(buf_done) struct buf sealed = { .max = 1000 };
	struct err err;

	(void)state;
	assert_ok(secret_random(&key, SECRET_KEY_BYTES, &err), &err);
	assert_ok(secret_random(&other, SECRET_KEY_BYTES, &err), &err);
	assert_ok(secret_seal(&sealed, &key, "hunter2", 7, STR("name\0v1"), &err), &err);
	assert_int_equal(sealed.len, 7 + SECRET_SEAL_EXTRA);
	assert_ok(secret_open(&opened, &key, sealed.p, sealed.len, STR("name\0v1"), &err),
		  &err);
	assert_secret(&opened, "hunter2");
	secret_done(&opened);

	assert_fault(secret_open(&opened, &key, sealed.p, sealed.len, STR("name\0v2"), &err),
		     ERR_SECRET, &err, "does not open");
	assert_fault(secret_open(&opened, &other, sealed.p, sealed.len, STR("name\0v1"), &err),
		     ERR_SECRET, &err, "does not open");
	for (size_t i = 0; i < sealed.len; i++) {
		sealed.p[i] ^= 0x40;
		assert_fault(
			secret_open(&opened, &key, sealed.p, sealed.len, STR("name\0v1"), &err),
			ERR_SECRET, &err, NULL);
		sealed.p[i] ^= 0x40;
	}
	for (size_t len = 0; len < sealed.len; len++)
		assert_fault(secret_open(&opened, &key, sealed.p, len, STR("name\0v1"), &err),
			     ERR_SECRET, &err, NULL);
	assert_null(opened.p);
}

static void test_the_same_secret_is_sealed_differently_each_time(void **state)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(buf_done) struct buf a = { .max = 1000 };
	CLEANUP(buf_done) struct buf b = { .max = 1000 };
	struct err err;

	(void)state;
	assert_ok(secret_random(&key, SECRET_KEY_BYTES, &err), &err);
	assert_ok(secret_seal(&a, &key, "x", 1, STR(""), &err), &err);
	assert_ok(secret_seal(&b, &key, "x", 1, STR(""), &err), &err);
	assert_memory_not_equal(a.p, b.p, 24);
	assert_memory_not_equal(a.p + 24, b.p + 24, 17);
}

static void test_the_empty_secret_is_sealed_too(void **state)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(secret_done) struct secret opened = { 0 };
	CLEANUP(buf_done) struct buf sealed = { .max = 1000 };
	struct err err;

	(void)state;
	assert_ok(secret_random(&key, SECRET_KEY_BYTES, &err), &err);
	assert_ok(secret_seal(&sealed, &key, NULL, 0, STR("a"), &err), &err);
	assert_ok(secret_open(&opened, &key, sealed.p, sealed.len, STR("a"), &err), &err);
	assert_int_equal(opened.len, 0);
	sealed.p[30] ^= 1;
	assert_fault(secret_open(&opened, &key, sealed.p, sealed.len, STR("a"), &err),
		     ERR_SECRET, &err, NULL);
}

static void test_a_key_has_its_length(void **state)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(secret_done) struct secret opened = { 0 };
	CLEANUP(buf_done) struct buf sealed = { .max = 1000 };
	struct err err;

	(void)state;
	assert_ok(secret_random(&key, 31, &err), &err);
	assert_fault(secret_seal(&sealed, &key, "x", 1, STR(""), &err), ERR_SECRET, &err,
		     "32 bytes, not 31");
	assert_fault(secret_open(&opened, &key, "x", 1, STR(""), &err), ERR_SECRET, &err,
		     "32 bytes, not 31");
}

static void test_sealing_survives_each_lost_allocation(void **state)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	struct err err;
	int nth = 0, r;

	(void)state;
	assert_ok(secret_random(&key, SECRET_KEY_BYTES, &err), &err);
	do {
		CLEANUP(buf_done) struct buf sealed = { .max = 1000 };

		fault_at(++nth);
		r = secret_seal(&sealed, &key, "hunter2", 7, STR("a"), &err);
		assert_true(r == 0 || r == -ERR_NOMEM);
	} while (fault_fired());
	assert_int_equal(r, 0);
	assert_int_equal(nth, 3);
}

static void test_a_passphrase_and_its_salt_make_a_key(void **state)
{
	static const unsigned char salt[SECRET_SALT_BYTES] = "0123456789abcde",
				   other_salt[SECRET_SALT_BYTES] = "0123456789abcdf";
	CLEANUP(secret_done) struct secret phrase = { 0 };
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(secret_done) struct secret again = { 0 };
	CLEANUP(secret_done) struct secret other = { 0 };
	CLEANUP(secret_done) struct secret none = { 0 };
	struct err err;

	(void)state;
	assert_ok(secret_set(&phrase, "correct horse", 13, &err), &err);
	assert_ok(secret_from_passphrase(&key, &phrase, salt, &err), &err);
	assert_ok(secret_from_passphrase(&again, &phrase, salt, &err), &err);
	assert_ok(secret_from_passphrase(&other, &phrase, other_salt, &err), &err);
	assert_int_equal(key.len, SECRET_KEY_BYTES);
	assert_true(secret_equal(&key, &again));
	assert_false(secret_equal(&key, &other));
	assert_fault(secret_from_passphrase(&none, &none, salt, &err), ERR_SECRET, &err,
		     "empty");
}

/* --- files and descriptors -----------------------------------------------------------------
 */

static char folder[] = "/tmp/leaverd-secret-XXXXXX";
static char path[PATH_MAX];

static int with_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/key", folder);
	return 0;
}

static int without_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void file_put(const void *bytes, size_t len, mode_t mode)
{
	int fd;

	unlink(path);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void test_a_secret_file_loses_one_newline(void **state)
{
	static const struct {
		const char *bytes, *secret;
	} cases[] = {
		{ "hunter2\n", "hunter2" },
		{ "hunter2", "hunter2" },
		{ "hunter2\n\n", "hunter2\n" },
		{ " a b \n", " a b " },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(secret_done) struct secret s = { 0 };
		struct err err;

		file_put(cases[i].bytes, strlen(cases[i].bytes), i % 2 ? 0600 : 0400);
		assert_ok(secret_read_file(&s, path, &err), &err);
		assert_secret(&s, cases[i].secret);
	}
}

static void test_a_file_that_others_may_reach_is_refused(void **state)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0610, 0601, 0644, 0440 };
	struct secret s = { 0 };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(modes); i++) {
		file_put("hunter2", 7, modes[i]);
		assert_fault(secret_read_file(&s, path, &err), ERR_SECRET, &err, "chmod 0600");
		assert_non_null(strstr(err.text, path));
		assert_null(strstr(err.text, "hunter2"));
	}
	assert_null(s.p);
}

static void test_a_file_that_is_no_file_is_refused(void **state)
{
	struct secret s = { 0 };
	struct err err;

	(void)state;
	unlink(path);
	assert_fault(secret_read_file(&s, path, &err), ERR_SECRET, &err, "No such file");
	assert_fault(secret_read_file(&s, folder, &err), ERR_SECRET, &err,
		     "not a regular file");
	assert_int_equal(mkfifo(path, 0600), 0); /* and it does not wait for a writer */
	assert_fault(secret_read_file(&s, path, &err), ERR_SECRET, &err, "not a regular file");
	file_put("", 0, 0600);
	assert_fault(secret_read_file(&s, path, &err), ERR_SECRET, &err, "empty");
	file_put("\n", 1, 0600);
	assert_fault(secret_read_file(&s, path, &err), ERR_SECRET, &err, "empty");
}

static void test_a_credential_of_the_service_manager_may_show_its_acl(void **state)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	struct err err;
	int r;

	(void)state;
	file_put("hunter2", 7, 0440);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
	r = secret_read_file(&s, path, &err);
	if (geteuid() == 0)
		assert_ok(r, &err);
	else /* such files are root's */
		assert_fault(r, ERR_SECRET, &err, "chmod 0600");
	secret_done(&s);
	file_put("hunter2", 7, 0444);
	assert_fault(secret_read_file(&s, path, &err), ERR_SECRET, &err, "chmod 0600");
	unsetenv("CREDENTIALS_DIRECTORY");
}

static void test_a_secret_has_a_most(void **state)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	static char bytes[SECRET_MAX_BYTES + 1];
	struct err err;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	file_put(bytes, SECRET_MAX_BYTES, 0600);
	assert_ok(secret_read_file(&s, path, &err), &err);
	assert_int_equal(s.len, SECRET_MAX_BYTES);
	secret_done(&s);
	file_put(bytes, sizeof(bytes), 0600);
	assert_fault(secret_read_file(&s, path, &err), ERR_SECRET, &err, "at most 65536 bytes");
}

static void test_a_secret_comes_through_a_pipe_in_pieces(void **state)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	struct err err;
	int ends[2];
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		ssize_t n = write(ends[1], "hun", 3);

		n += write(ends[1], "ter2\n", 5);
		_exit(n != 8);
	}
	close(ends[1]);
	assert_ok(secret_read_fd(&s, ends[0], &err), &err);
	assert_secret(&s, "hunter2");
	assert_fault(secret_read_fd(&s, ends[0], &err), ERR_SECRET, &err, "empty");
	close(ends[0]);
	assert_fault(secret_read_fd(&s, ends[0], &err), ERR_SECRET, &err, "cannot read");
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/* --- a person ------------------------------------------------------------------------------
 */

/* Reads what the terminal shows until it holds text; keeps all of it in seen. */
static void wait_for(int master, struct buf *seen, const char *text)
{
	while (!seen->p || !strstr(seen->p, text)) {
		struct pollfd ready = { master, POLLIN, 0 };
		char piece[256];
		ssize_t n;

		assert_int_equal(poll(&ready, 1, 60000), 1);
		n = read(master, piece, sizeof(piece));
		assert_true(n > 0);
		buf_add(seen, piece, (size_t)n);
	}
}

/* What the child does on its own terminal: 0 where the secret is expected, 1 a fault, 2 not. */
static int ask(const char *terminal, bool confirm, const char *expected)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	int fd;

	setsid();
	fd = open(terminal, O_RDWR); /* becomes the controlling terminal */
	if (fd < 0)
		return 3;
	if (secret_prompt(&s, "Key: ", confirm, NULL) < 0)
		return 1;
	return strcmp(secret_text(&s), expected) == 0 ? 0 : 2;
}

static void test_a_prompt_shows_nothing_of_what_is_typed(void **state)
{
	static const struct {
		const char *typed, *again, *secret;
		int status;
	} cases[] = {
		{ "hunter2\r", NULL, "hunter2", 0 },
		{ "hunter2\r", "hunter2\r", "hunter2", 0 },
		{ "hunter2\r", "hunter3\r", "", 1 },                      /* they differ */
		{ "hunz\x7Fter2\r", NULL, "hunter2", 0 },                 /* backspace */
		{ "z\xC3\xA9\x7F\x7F\x7Fhunter2\r", NULL, "hunter2", 0 }, /* a character each */
		{ "xyz\x15hunter2\r", NULL, "hunter2", 0 },               /* ^U */
		{ "hunter2\x03", NULL, "", 1 },                           /* ^C */
		{ "\x04", NULL, "", 1 },                                  /* ^D */
		{ "\r", NULL, "", 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(buf_done) struct buf seen = { .max = 10000 };
		int master = posix_openpt(O_RDWR | O_NOCTTY), status;
		const char *terminal;
		pid_t child;

		assert_true(master >= 0);
		assert_int_equal(grantpt(master), 0);
		assert_int_equal(unlockpt(master), 0);
		terminal = ptsname(master);
		child = fork();
		if (child == 0)
			_exit(ask(terminal, cases[i].again != NULL, cases[i].secret));
		wait_for(master, &seen, "Key: ");
		assert_int_equal(write(master, cases[i].typed, strlen(cases[i].typed)),
				 strlen(cases[i].typed));
		if (cases[i].again) {
			wait_for(master, &seen, "Again: ");
			assert_int_equal(write(master, cases[i].again, strlen(cases[i].again)),
					 strlen(cases[i].again));
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) != cases[i].status)
			fail_msg("case %zu ends with %d", i, WEXITSTATUS(status));
		assert_null(strstr(seen.p, "unter"));
		close(master);
	}
}

static void test_without_a_terminal_the_way_out_is_named(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		struct secret s = { 0 };
		struct err err;

		setsid(); /* a session without one */
		_exit(secret_prompt(&s, "Key: ", false, &err) == -ERR_SECRET &&
				      strstr(err.text, "standard input")
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_bytes_are_wiped_and_compared(void **state)
{
	char a[8] = "hunter2", b[8] = "hunter2", random[16] = { 0 }, zero[16] = { 0 };

	(void)state;
	assert_true(secret_memequal(a, b, 8));
	assert_true(secret_memequal(NULL, NULL, 0));
	secret_wipe(a, 8);
	assert_memory_equal(a, zero, 8);
	assert_false(secret_memequal(a, b, 8));
	secret_random_bytes(random, 16);
	assert_memory_not_equal(random, zero, 16);
	secret_wipe(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_core_dumps_are_off),
		cmocka_unit_test(test_secrets_are_copied_compared_and_done),
		cmocka_unit_test(test_random_secrets_differ),
		cmocka_unit_test(test_too_much_is_lost_memory),
		cmocka_unit_test(test_what_was_sealed_elsewhere_is_opened),
		cmocka_unit_test(test_a_sealed_secret_opens_only_as_it_was_sealed),
		cmocka_unit_test(test_the_same_secret_is_sealed_differently_each_time),
		cmocka_unit_test(test_the_empty_secret_is_sealed_too),
		cmocka_unit_test(test_a_key_has_its_length),
		cmocka_unit_test(test_sealing_survives_each_lost_allocation),
		cmocka_unit_test(test_a_passphrase_and_its_salt_make_a_key),
		cmocka_unit_test(test_a_secret_file_loses_one_newline),
		cmocka_unit_test(test_a_file_that_others_may_reach_is_refused),
		cmocka_unit_test(test_a_file_that_is_no_file_is_refused),
		cmocka_unit_test(test_a_credential_of_the_service_manager_may_show_its_acl),
		cmocka_unit_test(test_a_secret_has_a_most),
		cmocka_unit_test(test_a_secret_comes_through_a_pipe_in_pieces),
		cmocka_unit_test(test_a_prompt_shows_nothing_of_what_is_typed),
		cmocka_unit_test(test_without_a_terminal_the_way_out_is_named),
		cmocka_unit_test(test_bytes_are_wiped_and_compared),
	};

	return cmocka_run_group_tests(tests, with_folder, without_folder);
}
