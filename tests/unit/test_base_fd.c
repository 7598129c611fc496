/* What is written is written whole, or the reason is told. */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"

static int file_new(void)
{
	char path[] = "/tmp/leaverd-test-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

static void test_a_disk_that_gets_full_within_a_write_is_told(void **state)
{
	CLEANUP(fd_close_at) int fd = file_new();
	struct rlimit before, most;
	struct stat st;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	most = before;
	most.rlim_cur = 4;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &most), 0);
	errno = 0; /* the first call writes four bytes and is no fault */
	assert_int_equal(fd_write_whole(fd, STR("seventeen letters")), EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 4);
}

static void test_all_of_it_is_written(void **state)
{
	CLEANUP(fd_close_at) int fd = file_new();
	char text[40] = "";

	(void)state;
	assert_int_equal(fd_write_whole(fd, STR("one, ")), 0);
	assert_int_equal(fd_write_whole(fd, STR("")), 0);
	assert_int_equal(fd_write_whole(fd, STR("two")), 0);
	assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), 8);
	assert_string_equal(text, "one, two");
}

static void test_what_cannot_be_written_to_is_told(void **state)
{
	int ends[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(fd_write_whole(-1, STR("x")), EBADF);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	assert_int_equal(fd_write_whole(ends[1], STR("x")), EPIPE);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_disk_that_gets_full_within_a_write_is_told),
		cmocka_unit_test(test_all_of_it_is_written),
		cmocka_unit_test(test_what_cannot_be_written_to_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
