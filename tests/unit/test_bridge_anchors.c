/* The file of anchors holds whole lines, whatever becomes of the disk. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bridge/anchors.h"

struct place {
	char folder[40], file[60];
};

static void place_open(struct place *p)
{
	snprintf(p->folder, sizeof(p->folder), "/tmp/leaverd-test-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	snprintf(p->file, sizeof(p->file), "%s/anchors", p->folder);
}

static void place_close(struct place *p)
{
	unlink(p->file);
	assert_int_equal(rmdir(p->folder), 0);
}

static void says(const struct place *p, const char *text)
{
	char got[1000] = "";
	FILE *f = fopen(p->file, "re");
	size_t n;

	assert_non_null(f);
	n = fread(got, 1, sizeof(got) - 1, f);
	fclose(f);
	got[n] = '\0';
	assert_string_equal(got, text);
}

/* How long a file may become: what is beyond is not written, as on a disk that is full. */
static void room_of(rlim_t bytes)
{
	struct rlimit most;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &most), 0);
	most.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &most), 0);
}

static void test_each_anchor_is_a_line(void **state)
{
	struct err err = { 0 };
	struct place p;
	struct stat st;

	(void)state;
	place_open(&p);
	assert_ok(anchors_append(p.file, STR("one"), &err), &err);
	assert_ok(anchors_append(p.file, STR("two"), &err), &err);
	says(&p, "one\ntwo\n");
	assert_int_equal(stat(p.file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	place_close(&p);
}

static void test_a_full_disk_leaves_the_file_as_it_was(void **state)
{
	struct err err = { 0 };
	struct place p;

	(void)state;
	place_open(&p);
	signal(SIGXFSZ, SIG_IGN);
	assert_ok(anchors_append(p.file, STR("the first"), &err), &err);
	for (rlim_t room = 10; room < 10 + 11; room++) {
		room_of(room);
		assert_fault(anchors_append(p.file, STR("the second"), &err), ERR_IO, &err,
			     "appending to the anchors");
		says(&p, "the first\n");
	}
	room_of(21);
	assert_ok(anchors_append(p.file, STR("the second"), &err), &err);
	says(&p, "the first\nthe second\n");
	room_of(RLIM_INFINITY);
	place_close(&p);
}

static void test_an_anchor_does_not_go_on_in_half_a_line(void **state)
{
	struct err err = { 0 };
	struct place p;
	int fd;

	(void)state;
	place_open(&p);
	fd = open(p.file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "half", 4), 4);
	close(fd);
	assert_ok(anchors_append(p.file, STR("one"), &err), &err);
	assert_ok(anchors_append(p.file, STR("two"), &err), &err);
	says(&p, "half\none\ntwo\n");
	place_close(&p);
}

static void test_what_is_no_file_is_refused(void **state)
{
	struct err err = { 0 };
	struct place p;

	(void)state;
	place_open(&p);
	assert_fault(anchors_append(p.folder, STR("one"), &err), ERR_IO, &err, "the anchors");
	assert_int_equal(symlink("elsewhere", p.file), 0);
	assert_fault(anchors_append(p.file, STR("one"), &err), ERR_IO, &err, "the anchors");
	place_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_anchor_is_a_line),
		cmocka_unit_test(test_a_full_disk_leaves_the_file_as_it_was),
		cmocka_unit_test(test_an_anchor_does_not_go_on_in_half_a_line),
		cmocka_unit_test(test_what_is_no_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
