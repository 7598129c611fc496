/* Exports for the tests of hr/: settings from YAML, files from tests/data/feeds or from bytes.
 */
#ifndef TESTS_UNIT_HR_WORLD_H
#define TESTS_UNIT_HR_WORLD_H

#include <sys/mman.h>
#include <unistd.h>

#include "hr/feed.h"
#include "tests/lib/test.h"

#define HR_COMMON                                                                              \
	"key: Personnel No\n"                                                                  \
	"max_age: 31d\n"                                                                       \
	"map:\n"                                                                               \
	"  userName: Mail\n"                                                                   \
	"  name.familyName: '\"Last name\"'\n"                                                 \
	"  name.givenName: '\"First name\"'\n"                                                 \
	"  active: 'State { Aktiv: true, Ruhend: true, Ausgetreten: false }'\n"                \
	"  employment.startDate: Start\n"                                                      \
	"  employment.lastWorkingDay: '\"Last day\"'\n"                                        \
	"dates: { Start: dd.mm.yyyy, Last day: dd.mm.yyyy }\n"
#define HR_LDIF_COMMON                                                                         \
	"key: employeeNumber\nformat: ldif\n"                                                  \
	"map: { userName: uid, name.familyName: sn, emails: each mail,"                        \
	" employment.lastWorkingDay: departureDate }\n"

static void hr_options_read(const char *yaml, struct hr_options *ret)
{
	struct err err = { 0 };

	memset(ret, 0, sizeof(*ret));
	assert_ok(conf_read_text("test.yaml", str_of(yaml), hr_option_keys, ret, NULL, &err),
		  &err);
	ret->name = "hr";
	ret->zone = "Europe/Berlin";
	assert_ok(hr_options_check(ret, NULL, &err), &err);
}

static UNUSED int hr_file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("feed", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, (const char *)bytes + at, len - at);

		assert_true(n > 0);
		at += (size_t)n;
	}
	return fd;
}

/* Scans; the caller's to hr_verdict_done(). */
static UNUSED void hr_scan_fd(const struct hr_options *o, int fd, struct hr_verdict *ret)
{
	CLEANUP(hr_feed_free_at) struct hr_feed *f = NULL;
	struct hr_drop drop = { .fd = -1 };
	struct err err = { 0 };

	memset(ret, 0, sizeof(*ret));
	assert_ok(hr_drop_open(o, fd, NULL, 0, &drop, &err), &err);
	assert_ok(hr_feed_new(o, &drop, &f, &err), &err);
	assert_ok(hr_feed_scan(f, 0, NULL, ret, &err), &err);
	hr_feed_free(TAKE(f));
	hr_drop_done(&drop);
}

#endif
