/*
 * Exports as HR systems, or anybody, write them: the first byte chooses the settings, the rest
 * is the file. Beyond not breaking: what is refused says why, with a place; what is not is
 * handed out, each person once, and as many as were counted.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hr/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAP                                                                                    \
	"map: { userName: Mail, name.familyName: '\"Last name\"', active: 'State { A: true, "  \
	"L: "                                                                                  \
	"false }', employment.lastWorkingDay: '\"Last day\"' }\n"                              \
	"dates: { Last day: dd.mm.yyyy | yyyy-mm-dd | instant }\n"

static const char *const settings[] = {
	"kind: full\nkey: No\nmap: { userName: Mail }\n",
	"kind: full\nkey: No\n" MAP,
	"kind: delta\nkey: No\nseveral: engaged\nbad_rows: 100\n" MAP,
	"kind: ended-only\nkey: No\nseveral: last-row\noptional: [State, Mail]\n" MAP,
	"kind: full\nkey: No\nencoding: windows-1252\ndelimiter: comma\nbad_rows: 5\n" MAP,
	"kind: full\nkey: No\nencoding: utf-16be\nempty: [x]\nmap: { userName: Mail }\n",
	"kind: full\nformat: ldif\nkey: uid\nbad_rows: 10\n"
	"map: { userName: uid, emails: each mail, employment.lastWorkingDay: departureDate }\n",
};

static struct hr_options options[COUNT_OF(settings)];

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void once(void)
{
	struct err err;

	if (options[0].key)
		return;
	for (size_t i = 0; i < COUNT_OF(settings); i++) {
		must(conf_read_text("fuzz", str_of(settings[i]), hr_option_keys, &options[i],
				    NULL, &err) == 0);
		options[i].zone = "Europe/Berlin";
		must(hr_options_check(&options[i], NULL, &err) == 0);
	}
}

static int on_person(void *ctx, const struct hr_person *p, struct err *err)
{
	(void)err;
	must(p->key[0] && str_utf8(str_of(p->key), NULL) && p->map.doc && p->line > 0);
	++*(uint64_t *)ctx;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct hr_options *o;
	struct hr_drop drop = { .fd = -1 };
	struct hr_feed *feed = NULL;
	struct hr_verdict v = { 0 };
	uint64_t people = 0;
	struct err err;
	int fd;

	once();
	if (size == 0)
		return 0;
	o = &options[data[0] % COUNT_OF(options)];
	fd = memfd_create("feed", MFD_CLOEXEC);
	must(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
	must(hr_drop_open(o, fd, NULL, 0, &drop, &err) == 0);
	must(hr_feed_new(o, &drop, &feed, &err) == 0);
	must(hr_feed_scan(feed, 0, NULL, &v, &err) == 0);
	if (v.complete) {
		must(hr_feed_read(feed, NULL, on_person, &people, &err) == 0);
		must(people == v.people && people + v.doubled == v.rows);
	} else {
		must(v.code > 0 && strstr(v.why, "line ") == v.why);
	}
	hr_verdict_done(&v);
	hr_feed_free(feed);
	hr_drop_done(&drop);
	return 0;
}
