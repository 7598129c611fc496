#include "tests/unit/hr_world.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/digest.h"

#define FULL "kind: full\n" HR_COMMON
#define LDIF "kind: full\n" HR_LDIF_COMMON

/* Each file with the settings it is read by: read right, or refused with line and column. */
static const struct {
	const char *file, *settings;
	uint64_t people;  /* when read */
	const char *says; /* when refused; or what is stated of a file that is read */
} cases[] = {
	/* read right, however it is written */
	{ "utf8.csv", FULL, 4, "utf-8 semicolon" },
	{ "utf8-bom.csv", FULL, 4, "utf-8 semicolon" },
	{ "utf16le-bom.csv", FULL, 4, "utf-16le semicolon" },
	{ "utf16be-bom.csv", FULL, 4, "utf-16be semicolon" },
	{ "utf16le-no-bom.csv", FULL, 4, "utf-16le semicolon" },
	{ "utf16be-no-bom.csv", FULL, 4, "utf-16be semicolon" },
	{ "latin1.csv", FULL "encoding: iso-8859-1\n", 4, "iso-8859-1 semicolon" },
	{ "latin1.csv", FULL "encoding: windows-1252\n", 4, "windows-1252 semicolon" },
	{ "windows1252.csv", FULL "encoding: windows-1252\n", 4, "windows-1252 semicolon" },
	{ "comma.csv", FULL, 4, "utf-8 comma" },
	{ "tab.csv", FULL, 4, "utf-8 tab" },
	{ "pipe.csv", FULL, 4, "utf-8 pipe" },
	{ "crlf.csv", FULL, 4, "utf-8 semicolon" },
	{ "cr.csv", FULL, 4, "utf-8 semicolon" },
	{ "quoted.csv", FULL, 4, "utf-8 semicolon" },
	{ "sep.csv", FULL, 4, "utf-8 semicolon" },
	{ "blank-rows.csv", FULL, 4, "utf-8 semicolon" },
	{ "no-last-newline.csv", FULL, 4, "utf-8 semicolon" },
	{ "blanks.csv", FULL, 4, "utf-8 semicolon" },
	{ "new-column.csv", FULL, 4, "utf-8 semicolon" },
	{ "other-order.csv", FULL, 4, "utf-8 semicolon" }, /* columns are known by name */
	{ "missing-column.csv", FULL "optional: [Last day]\n", 4, "utf-8 semicolon" },
	{ "several.csv", FULL "several: engaged\n", 2, "utf-8 semicolon" },
	{ "ended.csv", "kind: ended-only\n" HR_COMMON, 2, "utf-8 semicolon" },
	{ "no-such-day.csv", FULL "bad_rows: 1\n", 4, "utf-8 semicolon" },
	{ "header-only.csv", FULL, 0, "utf-8 semicolon" }, /* judged, not refused */
	{ "cut-value.csv", FULL "bad_rows: 1\n", 4, "utf-8 semicolon" },
	{ "people.ldif", LDIF, 2, "utf-8 " },
	/* nothing in it */
	{ "empty.csv", FULL, 0, "line 1, column 1: the file is empty" },
	{ "only-bom.csv", FULL, 0, "line 1, column 1: the file is empty" },
	{ "only-breaks.csv", FULL, 0, "line 1, column 1: the file is empty" },
	/* encodings */
	{ "latin1.csv", FULL, 0, "line 2, column 7: a byte that is no UTF-8: the file may be" },
	{ "mixed.csv", FULL, 0, "line 4, column 7: a byte that is no UTF-8" },
	{ "windows1252.csv", FULL "encoding: iso-8859-1\n", 0,
	  "line 5, column 14: a control character of ISO 8859-1" },
	{ "latin1.csv", FULL "encoding: utf-8\n", 0,
	  "line 2, column 7: a byte that is no UTF-8, which is declared" },
	{ "utf8-bom.csv", FULL "encoding: windows-1252\n", 0,
	  "line 1, column 1: the file begins with the byte order mark of utf-8" },
	{ "utf8-broken.csv", FULL, 0, "line 4, column 7: a byte that is no UTF-8" },
	{ "utf8-overlong.csv", FULL, 0, "line 3, column 9: a byte that is no UTF-8" },
	{ "utf8-surrogate.csv", FULL, 0, "line 3, column 9: a byte that is no UTF-8" },
	{ "utf8-cut.csv", FULL, 0, "line 5, column 72: the file ends within a character" },
	{ "utf16le-odd.csv", FULL, 0, "line 6, column 1: the file ends within a character" },
	{ "utf16le-half.csv", FULL, 0, "line 3, column 7: half a character of UTF-16" },
	{ "utf32.csv", FULL, 0, "line 1, column 1: the file is UTF-32" },
	{ "nul.csv", FULL, 0, "line 3, column 9: a zero byte" },
	{ "control.csv", FULL, 0, "line 3, column 9: a control character" },
	{ "zip.csv", FULL, 0, "line 1, column 3: a control character" },
	/* quoting */
	{ "quote-open.csv", FULL, 0,
	  "line 3, column 6: the quote that begins here is never closed" },
	{ "quote-within.csv", FULL, 0, "line 3, column 9: a quote is out of place" },
	{ "text-after-quote.csv", FULL, 0, "line 3, column 11: a quote is out of place" },
	/* shape */
	{ "short-row.csv", FULL, 0,
	  "line 3, column 37: the row has 5 values where the header has 7" },
	{ "long-row.csv", FULL, 0,
	  "line 3, column 65: the row has 8 values where the header has 7" },
	{ "cut-row.csv", FULL, 0, "line 5, column 21: the row has 4 values" },
	{ "shifted.csv", FULL, 0,
	  "line 3, column 36 (State): a text that the map does not list" },
	{ "missing-column.csv", FULL, 0, "the column \"Last day\" is missing among the 6" },
	{ "renamed-column.csv", FULL, 0,
	  "line 1, column 52: the column \"Last day\" is missing, and \"LastDay\" is there" },
	{ "twice-column.csv", FULL "optional: [First name]\n", 0,
	  "line 1, column 29: the column \"Mail\" stands there twice" },
	{ "no-header.csv", FULL, 0, "line 1, column 1: by no delimiter" },
	{ "html.csv", FULL, 0, "line 1, column 1: by no delimiter" },
	{ "two-delimiters.csv", FULL, 0, "line 2, column 1: the row has 1 values" },
	{ "comma.csv", FULL "delimiter: semicolon\n", 0, "line 1, column 1: the column" },
	/* values */
	{ "us-dates.csv", FULL, 0,
	  "line 3, column 54 (Last day): no day of the declared form" },
	{ "month-first.csv", FULL, 0,
	  "line 3, column 54 (Last day): no day of the declared form" },
	{ "no-such-day.csv", FULL, 0,
	  "line 3, column 54 (Last day): no day of the declared form" },
	{ "two-digit-year.csv", FULL, 0, "line 3, column 54 (Last day): no day" },
	{ "cut-value.csv", FULL, 0,
	  "line 5, column 62 (Last day): no day of the declared form" },
	{ "unlisted.csv", FULL, 0,
	  "line 4, column 36 (State): a text that the map does not list" },
	{ "twice-key.csv", FULL, 0,
	  "line 6, column 1: the same Personnel No stands in line 3" },
	{ "no-key.csv", FULL, 0, "line 4, column 1: the row has no Personnel No" },
	{ "ended-active.csv", "kind: ended-only\n" HR_COMMON, 0, "and this row says no end" },
	{ "utf8.csv", FULL "expect: { Mail: '@example.org$' }\n", 0,
	  "line 2, column 19 (Mail): the text does not match" },
	{ "utf8.csv", FULL "max_rows: 3\n", 0,
	  "line 5, column 1: the file has more than 3 rows" },
	/* LDIF */
	{ "changes.ldif", LDIF, 0, "line 12, column 1: the file holds changes" },
	{ "no-dn.ldif", LDIF, 0, "line 11, column 1: an entry begins with dn:" },
	{ "no-blank.ldif", LDIF, 0, "line 10, column 1: an entry begins within another" },
	{ "base64.ldif", LDIF, 0, "line 6, column 6: a value that is no base64" },
	{ "url.ldif", LDIF, 0, "line 14, column 4: a value by URL is not fetched" },
	{ "no-colon.ldif", LDIF, 0, "line 14, column 1: expected \"attribute: value\"" },
	{ "version2.ldif", LDIF, 0, "line 1, column 10: LDIF of another version" },
	{ "cut.ldif", LDIF, 0, "line 11, column 5: the row has no employeeNumber" },
	{ "twice.ldif", LDIF, 0,
	  "line 19, column 17: the same employeeNumber stands in line 5" },
};

static void test_each_file_is_read_right_or_refused_with_its_place(void **state)
{
	int failed = 0, refused = 0;
	unsigned line, column;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct hr_options o;
		struct hr_verdict v;
		char path[256], said[600];
		int fd;

		snprintf(path, sizeof(path), "tests/data/feeds/%s", cases[i].file);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fail_msg("%s cannot be opened", path);
		hr_options_read(cases[i].settings, &o);
		hr_scan_fd(&o, fd, &v);
		refused += !v.complete;
		if (!v.complete && sscanf(v.why, "line %u, column %u", &line, &column) != 2) {
			print_error("%s: \"%s\" names no place\n", cases[i].file, v.why);
			failed++;
		}
		if (v.complete)
			snprintf(said, sizeof(said), "%s %s", v.encoding, v.delimiter);
		else
			snprintf(said, sizeof(said), "%s", v.why);
		if (!strstr(said, cases[i].says) ||
		    (v.complete && v.people != cases[i].people) ||
		    v.complete != (strncmp(cases[i].says, "utf-", 4) == 0 ||
				   strncmp(cases[i].says, "iso-", 4) == 0 ||
				   strncmp(cases[i].says, "windows-", 8) == 0)) {
			print_error("%s: \"%s\" with %llu people, not \"%s\" with %llu\n",
				    cases[i].file, said, (unsigned long long)v.people,
				    cases[i].says, (unsigned long long)cases[i].people);
			failed++;
		}
		hr_verdict_done(&v);
		conf_free(hr_option_keys, &o);
	}
	assert_int_equal(failed, 0);
	assert_true(refused >= 40);
}

/* --- what the map makes --------------------------------------------------------------------
 */

struct seen {
	char text[4096];
};

static int on_person(void *ctx, const struct hr_person *p, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	struct seen *s = ctx;
	size_t at = strlen(s->text);

	buf_init(&text, 65536);
	assert_ok(jx_canonical(p->map.doc, &text, err), err);
	snprintf(s->text + at, sizeof(s->text) - at, "%s %s", p->key, text.p);
	at = strlen(s->text);
	for (size_t i = 0; i < p->map.unknown_n; i++)
		at += (size_t)snprintf(s->text + at, sizeof(s->text) - at, " ?%s",
				       p->map.unknown[i]);
	snprintf(s->text + at, sizeof(s->text) - at, "\n");
	return 0;
}

static void people_of(const struct hr_options *o, int fd, struct seen *ret)
{
	CLEANUP(hr_feed_free_at) struct hr_feed *f = NULL;
	struct hr_drop drop = { .fd = -1 };
	struct hr_verdict v = { 0 };
	struct err err = { 0 };

	ret->text[0] = '\0';
	assert_ok(hr_drop_open(o, fd, NULL, 0, &drop, &err), &err);
	assert_ok(hr_feed_new(o, &drop, &f, &err), &err);
	assert_ok(hr_feed_scan(f, 0, NULL, &v, &err), &err);
	if (!v.complete)
		fail_msg("%s", v.why);
	assert_ok(hr_feed_read(f, NULL, on_person, ret, &err), &err);
	hr_verdict_done(&v);
	hr_feed_free(TAKE(f));
	hr_drop_done(&drop);
}

static int feed_open(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "tests/data/feeds/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

#define CORE "\"urn:ietf:params:scim:schemas:core:2.0:User\""
#define EMPLOYMENT "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment"

static void test_rows_become_documents_with_days_and_zone(void **state)
{
	struct hr_options o;
	struct seen seen;

	(void)state;
	hr_options_read(FULL "time_zone: Australia/Melbourne\n", &o);
	people_of(&o, feed_open("utf8.csv"), &seen);
	assert_non_null(strstr(seen.text,
			       "1001 {\"active\":true,\"name\":{\"familyName\":\"Løvelace\""));
	assert_non_null(strstr(seen.text,
			       "\"lastWorkingDay\":\"2026-11-30\",\"startDate\":"
			       "\"2019-04-03\",\"timeZone\":\"Australia/Melbourne\""));
	assert_non_null(strstr(seen.text, "1004 {\"active\":false"));
	assert_null(strstr(seen.text, "?")); /* nothing is unknown */
	conf_free(hr_option_keys, &o);
}

static void test_all_encodings_give_the_same_people(void **state)
{
	static const char *const files[] = {
		"utf8-bom.csv",    "utf16le-bom.csv", "utf16be-bom.csv", "utf16le-no-bom.csv",
		"comma.csv",       "tab.csv",         "crlf.csv",        "cr.csv",
		"other-order.csv", "blank-rows.csv",  "sep.csv"
	};
	struct hr_options o;
	struct seen first, other;

	(void)state;
	hr_options_read(FULL, &o);
	people_of(&o, feed_open("utf8.csv"), &first);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		people_of(&o, feed_open(files[i]), &other);
		assert_string_equal(first.text, other.text);
	}
	conf_free(hr_option_keys, &o);
}

static void test_an_optional_column_that_is_missing_is_unknown_not_absent(void **state)
{
	struct hr_options o;
	struct seen seen;

	(void)state;
	hr_options_read(FULL "optional: [Last day]\n", &o);
	people_of(&o, feed_open("missing-column.csv"), &seen);
	assert_non_null(strstr(seen.text, " ?" EMPLOYMENT ":lastWorkingDay\n"));
	conf_free(hr_option_keys, &o);
}

static void test_a_bad_value_that_is_allowed_is_unknown(void **state)
{
	struct hr_options o;
	struct seen seen;

	(void)state;
	hr_options_read(FULL "bad_rows: 1\n", &o);
	people_of(&o, feed_open("no-such-day.csv"), &seen);
	assert_non_null(strstr(seen.text, "1002 {"));
	assert_non_null(strstr(seen.text, " ?" EMPLOYMENT ":lastWorkingDay\n"));
	conf_free(hr_option_keys, &o);
}

static void test_several_rows_are_resolved_by_the_declared_rule(void **state)
{
	static const char rows[] = "Personnel No,Mail,Start,End\n"
				   "7,early@example.com,2015-01-01,\n"
				   "7,late@example.com,2020-01-01,2026-12-31\n"
				   "7,last@example.com,2010-01-01,2012-12-31\n"
				   "8,other@example.com,2020-01-01,\n";
	static const struct {
		const char *rule, *counts;
	} rules[] = { { "engaged", "early@" },
		      { "latest-start", "late@" },
		      { "last-row", "last@" } };
	struct seen seen;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		struct hr_options o;
		char yaml[512];

		snprintf(yaml, sizeof(yaml),
			 "kind: full\nkey: Personnel No\nseveral: %s\nmap: { userName: Mail, "
			 "employment.startDate: Start, employment.lastWorkingDay: End }\n",
			 rules[i].rule);
		hr_options_read(yaml, &o);
		people_of(&o, hr_file_of(rows, sizeof(rows) - 1), &seen);
		assert_non_null(strstr(seen.text, rules[i].counts));
		assert_non_null(strstr(seen.text, "8 {"));
		assert_ptr_equal(strstr(seen.text, "7 {"), seen.text);
		assert_null(strstr(seen.text + 1, "\n7 {"));
		conf_free(hr_option_keys, &o);
	}
}

static void test_ldif_entries_are_read_with_folded_and_encoded_values(void **state)
{
	struct hr_options o;
	struct seen seen;

	(void)state;
	hr_options_read(LDIF, &o);
	people_of(&o, feed_open("people.ldif"), &seen);
	assert_non_null(strstr(seen.text, "\"value\":\"ada@example.com\""));
	assert_non_null(strstr(seen.text, "\"familyName\":\"Løvelace\""));
	assert_non_null(strstr(seen.text, "\"lastWorkingDay\":\"2026-11-30\""));
	conf_free(hr_option_keys, &o);
}

/* --- bounds --------------------------------------------------------------------------------
 */

/* A file with holes: 1 GiB of zero bytes costs no disk. */
static void test_a_line_of_a_gibibyte_is_refused_with_its_number(void **state)
{
	static const char head[] =
		"Personnel No;Last name;First name;Mail;State;Start;Last day\n"
		"1001;Lovelace;Ada;ada@example.com;Aktiv;01.02.2020;\n"
		"1002;";
	char path[] = "/tmp/leaverd-gib-XXXXXX";
	char piece[65536];
	struct hr_options o;
	struct hr_verdict v;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, head, sizeof(head) - 1), sizeof(head) - 1);
	memset(piece, 'x', sizeof(piece));
	for (int i = 0; i < 64; i++) /* four times what a row may be */
		assert_int_equal(write(fd, piece, sizeof(piece)), sizeof(piece));
	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	hr_options_read(FULL, &o);
	hr_scan_fd(&o, fd, &v);
	assert_false(v.complete);
	assert_non_null(
		strstr(v.why, "line 3, column 6: the value that begins here is longer"));
	assert_true(v.bytes < 4 * 1024 * 1024); /* and it stopped there */
	hr_verdict_done(&v);
	conf_free(hr_option_keys, &o);
}

static void test_a_row_of_many_values_is_refused_with_its_line(void **state)
{
	CLEANUP(free_at) char *text = malloc(3 << 20);
	struct hr_options o;
	struct hr_verdict v;
	static const char head[] =
		"Personnel No;Last name;First name;Mail;State;Start;Last day\n";
	size_t at = sizeof(head) - 1;

	(void)state;
	assert_non_null(text);
	memcpy(text, head, at);
	memset(text + at, ';', 600);
	text[at] = '7';
	text[at + 600] = '\n';
	hr_options_read(FULL, &o);
	hr_scan_fd(&o, hr_file_of(text, at + 601), &v);
	assert_non_null(strstr(v.why, "line 2, column 514: more than 512 values in a row"));
	hr_verdict_done(&v);
	/* many values of allowed length make a row that is too long */
	for (size_t i = 0; i < 2 << 20; i++)
		text[at + i] = i % 60000 == 59999 ? ';' : 'x';
	hr_scan_fd(&o, hr_file_of(text, at + (2 << 20)), &v);
	assert_non_null(strstr(v.why, "line 2, column 1: the row that begins here is longer"));
	hr_verdict_done(&v);
	conf_free(hr_option_keys, &o);
}

static void test_a_file_that_changes_between_the_readings_is_told(void **state)
{
	static const char rows[] = "Personnel No,Mail\n1,ada@example.com\n";
	CLEANUP(hr_feed_free_at) struct hr_feed *f = NULL;
	struct hr_drop drop = { .fd = -1 };
	struct hr_verdict v = { 0 };
	struct hr_options o;
	struct seen seen = { "" };
	struct err err;

	(void)state;
	hr_options_read("kind: delta\nkey: Personnel No\nmap: { userName: Mail }\n", &o);
	assert_ok(hr_drop_open(&o, hr_file_of(rows, sizeof(rows) - 1), NULL, 0, &drop, &err),
		  &err);
	assert_ok(hr_feed_new(&o, &drop, &f, &err), &err);
	assert_ok(hr_feed_scan(f, 0, NULL, &v, &err), &err);
	assert_true(v.complete);
	assert_int_equal(pwrite(drop.fd, "2", 1, 18), 1);
	assert_fault(hr_feed_read(f, NULL, on_person, &seen, &err), ERR_INCOMPLETE, &err,
		     "the file was changed while it was read");
	hr_verdict_done(&v);
	hr_feed_free(TAKE(f));
	hr_drop_done(&drop);
	conf_free(hr_option_keys, &o);
}

static void test_a_file_that_grows_between_the_readings_is_told(void **state)
{
	static const char head[] = "Personnel No,Mail\n";
	CLEANUP(hr_feed_free_at) struct hr_feed *f = NULL;
	struct hr_drop drop = { .fd = -1 };
	struct hr_verdict v = { 0 };
	struct hr_options o;
	struct seen seen = { "" };
	struct err err;

	(void)state;
	hr_options_read("kind: delta\nkey: Personnel No\nmap: { userName: Mail }\n", &o);
	assert_ok(hr_drop_open(&o, hr_file_of(head, sizeof(head) - 1), NULL, 0, &drop, &err),
		  &err);
	assert_ok(hr_feed_new(&o, &drop, &f, &err), &err);
	assert_ok(hr_feed_scan(f, 0, NULL, &v, &err), &err);
	assert_true(v.complete);
	/* far more rows than were noted of the first reading */
	for (size_t i = 0; i < 4000; i++)
		assert_int_equal(pwrite(drop.fd, "7,a\n", 4, (off_t)(sizeof(head) - 1 + 4 * i)),
				 4);
	assert_fault(hr_feed_read(f, NULL, on_person, &seen, &err), ERR_INCOMPLETE, &err,
		     "the file was changed while it was read");
	hr_verdict_done(&v);
	hr_feed_free(TAKE(f));
	hr_drop_done(&drop);
	conf_free(hr_option_keys, &o);
}

static void test_other_settings_ask_another_question_of_the_same_bytes(void **state)
{
	static const char *const others[] = {
		FULL "empty: [\"-\"]\n",
		FULL "time_zone: Asia/Tokyo\n",
		FULL "several: engaged\n",
		FULL "expect: { Mail: '@' }\n", /* what does not match is unknown */
		FULL "optional: [Start]\n",
		"kind: delta\n" HR_COMMON,
	};
	struct hr_verdict v, other;
	struct hr_options o;

	(void)state;
	hr_options_read(FULL, &o);
	hr_scan_fd(&o, feed_open("utf8.csv"), &v);
	hr_scan_fd(&o, feed_open("utf8.csv"), &other);
	assert_string_equal(v.question, other.question);
	hr_verdict_done(&other);
	conf_free(hr_option_keys, &o);
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		hr_options_read(others[i], &o);
		hr_scan_fd(&o, feed_open("utf8.csv"), &other);
		assert_string_equal(v.digest, other.digest);
		assert_string_not_equal(v.question, other.question);
		hr_verdict_done(&other);
		conf_free(hr_option_keys, &o);
	}
	hr_verdict_done(&v);
}

static void test_a_reading_is_cancelled(void **state)
{
	atomic_bool cancel = true;
	CLEANUP(hr_feed_free_at) struct hr_feed *f = NULL;
	struct hr_drop drop = { .fd = -1 };
	struct hr_verdict v = { 0 };
	struct hr_options o;
	struct err err;

	(void)state;
	hr_options_read(FULL, &o);
	assert_ok(hr_drop_open(&o, feed_open("utf8.csv"), NULL, 0, &drop, &err), &err);
	assert_ok(hr_feed_new(&o, &drop, &f, &err), &err);
	assert_fault(hr_feed_scan(f, 0, &cancel, &v, &err), ERR_CANCELLED, &err, NULL);
	hr_verdict_done(&v);
	hr_feed_free(TAKE(f));
	hr_drop_done(&drop);
	conf_free(hr_option_keys, &o);
}

static void test_a_verdict_is_the_same_after_json(void **state)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct hr_verdict v, again = { 0 };
	struct hr_options o;
	struct err err;

	(void)state;
	hr_options_read(FULL, &o);
	hr_scan_fd(&o, feed_open("utf8.csv"), &v);
	assert_ok(hr_verdict_json(&v, &doc, &err), &err);
	assert_ok(hr_verdict_from_json(doc, &again, &err), &err);
	assert_string_equal(v.digest, again.digest);
	assert_string_equal(v.question, again.question);
	assert_int_equal(again.people, 4);
	assert_int_equal(again.columns.n, 7);
	assert_string_equal(again.columns.v[6], "Last day");
	assert_true(again.final_newline);
	hr_verdict_done(&v);
	hr_verdict_done(&again);
	/* of older versions the file itself was the last drop, unless it came on stdin */
	json_object_del(doc, "drop");
	assert_ok(hr_verdict_from_json(doc, &again, &err), &err);
	assert_null(again.drop);
	hr_verdict_done(&again);
	json_object_set_new(doc, "date_ms", json_integer(5));
	assert_ok(hr_verdict_from_json(doc, &again, &err), &err);
	assert_string_equal(again.drop, again.name);
	assert_int_equal(again.drop_ms, 5);
	hr_verdict_done(&again);
	json_object_set_new(doc, "drop", json_string("p-7.csv"));
	json_object_set_new(doc, "drop_ms", json_integer(7));
	assert_ok(hr_verdict_from_json(doc, &again, &err), &err);
	assert_string_equal(again.drop, "p-7.csv");
	assert_int_equal(again.drop_ms, 7);
	hr_verdict_done(&again);
	json_object_del(doc, "columns");
	assert_fault(hr_verdict_from_json(doc, &again, &err), ERR_PROTOCOL, &err, "verdict");
	conf_free(hr_option_keys, &o);
}

static void test_a_reading_survives_each_lost_allocation(void **state)
{
	static const char *const settings[] = { FULL "several: engaged\n", LDIF };
	static const char *const files[] = { "several.csv", "people.ldif" };
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		struct hr_options o;
		int nth = 0, r;
		bool again;

		fault_install();
		hr_options_read(settings[i], &o);
		do {
			CLEANUP(hr_feed_free_at) struct hr_feed *f = NULL;
			struct hr_drop drop = { .fd = -1 };
			struct hr_verdict v = { 0 };
			int fd = feed_open(files[i]);

			fault_at(++nth);
			r = hr_drop_open(&o, fd, NULL, 0, &drop, &err);
			if (r == 0)
				r = hr_feed_new(&o, &drop, &f, &err);
			if (r == 0)
				r = hr_feed_scan(f, 0, NULL, &v, &err);
			again = fault_fired();
			/* libcsv asks once more for less, and goes on with that */
			assert_true((again && r == -ERR_NOMEM) || (r == 0 && v.complete));
			hr_verdict_done(&v);
			hr_feed_free(TAKE(f));
			hr_drop_done(&drop);
		} while (again);
		assert_true(nth > 100);
		conf_free(hr_option_keys, &o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_file_is_read_right_or_refused_with_its_place),
		cmocka_unit_test(test_rows_become_documents_with_days_and_zone),
		cmocka_unit_test(test_all_encodings_give_the_same_people),
		cmocka_unit_test(test_an_optional_column_that_is_missing_is_unknown_not_absent),
		cmocka_unit_test(test_a_bad_value_that_is_allowed_is_unknown),
		cmocka_unit_test(test_several_rows_are_resolved_by_the_declared_rule),
		cmocka_unit_test(test_ldif_entries_are_read_with_folded_and_encoded_values),
		cmocka_unit_test(test_a_line_of_a_gibibyte_is_refused_with_its_number),
		cmocka_unit_test(test_a_row_of_many_values_is_refused_with_its_line),
		cmocka_unit_test(test_a_file_that_changes_between_the_readings_is_told),
		cmocka_unit_test(test_a_file_that_grows_between_the_readings_is_told),
		cmocka_unit_test(test_other_settings_ask_another_question_of_the_same_bytes),
		cmocka_unit_test(test_a_reading_is_cancelled),
		cmocka_unit_test(test_a_verdict_is_the_same_after_json),
		cmocka_unit_test(test_a_reading_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
