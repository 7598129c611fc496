/* The words of notices: whose language, what names may not do, folders of one's own. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/stamp.h"
#include "bridge/notices.h"

#define NOW 1795338000000LL /* Sunday, 2026-11-22T09:00:00Z */

struct letter {
	struct buf subject, text, html;
};

static void letter_done(struct letter *l)
{
	buf_done(&l->subject);
	buf_done(&l->text);
	buf_done(&l->html);
}

static int fill(const struct notice_texts *t, enum notice_kind kind, const char *language,
		const struct notice_values *v, struct letter *l, struct err *err)
{
	buf_init(&l->subject, 1000);
	buf_init(&l->text, NOTICE_TEXT_MAX);
	buf_init(&l->html, 2 * NOTICE_TEXT_MAX);
	return notice_fill(t, kind, language, v, &l->subject, &l->text, &l->html, err);
}

static struct notice_values whole(void)
{
	struct notice_values v = { 0 };

	v.v[SAY_FIRST_NAME] = STR("Ada");
	v.v[SAY_NAME] = STR("Ada Byron");
	v.v[SAY_EMAIL] = STR("ada@example.com");
	v.v[SAY_PRODUCT] = STR("Confluence");
	v.v[SAY_SITE] = STR("acme.atlassian.net");
	v.v[SAY_ORGANISATION] = STR("acme");
	v.v[SAY_INSTANCE] = STR("acme-eu");
	v.v[SAY_UNTIL] = STR("Monday, 7 December 2026");
	v.v[SAY_DAYS] = STR("14");
	v.v[SAY_KEEP_LINK] = STR("https://keep.example.com/keep/abc");
	v.v[SAY_CONTACT] = STR("it@example.com");
	v.v[SAY_DATE] = STR("Sunday, 22 November 2026");
	v.v[SAY_COUNT] = STR("2");
	v.v[SAY_ITEMS] = STR("Plan 1 waits.\n\nPlan 2 waits.\n");
	return v;
}

static void collect(void *ctx, const char *text)
{
	buf_addf(ctx, "%s\n", text);
}

/* --- our own words -------------------------------------------------------------------------
 */

static void test_each_kind_says_itself_whole_in_each_language_of_ours(void **state)
{
	static const char *const languages[] = { "en", "de" };
	CLEANUP(notice_texts_free_at) struct notice_texts *t = NULL;
	struct notice_values full = whole(), empty = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_ok(notice_texts_new(&t, NULL, NULL, NULL, NULL, &err), &err);
	for (int k = 0; k < NOTICE_KIND_COUNT; k++) {
		for (size_t i = 0; i < 2 * COUNT_OF(languages); i++) {
			const struct notice_values *v = i % 2 ? &empty : &full;
			CLEANUP(letter_done) struct letter l = { 0 };

			assert_ok(fill(t, (enum notice_kind)k, languages[i / 2], v, &l, &err),
				  &err);
			assert_true(l.subject.len > 0);
			assert_null(memchr(l.subject.p, '\n', l.subject.len));
			assert_null(strstr(l.subject.p, "{{"));
			if (v == &full)
				assert_true(l.text.len > 0 && !strstr(l.text.p, "{{"));
			assert_non_null(strstr(l.html.p, "</html>"));
			assert_null(strstr(l.html.p, "{{"));
		}
	}
}

static void test_the_button_of_a_warning_is_a_link_in_html_and_an_address_in_text(void **state)
{
	CLEANUP(notice_texts_free_at) struct notice_texts *t = NULL;
	CLEANUP(letter_done) struct letter l = { 0 };
	struct notice_values v = whole();
	struct err err = { 0 };

	(void)state;
	assert_ok(notice_texts_new(&t, NULL, NULL, NULL, NULL, &err), &err);
	assert_ok(fill(t, NOTICE_WARN, "en", &v, &l, &err), &err);
	assert_string_equal(l.subject.p, "Your Confluence licence on acme.atlassian.net ends "
					 "after Monday, 7 December 2026");
	assert_non_null(strstr(l.text.p, "\nhttps://keep.example.com/keep/abc\n"));
	assert_null(strstr(l.text.p, "Keep my licence"));
	assert_non_null(
		strstr(l.html.p, "<a href=\"https://keep.example.com/keep/abc\" style="));
	assert_non_null(strstr(l.html.p, ">Keep my licence</a>"));
	assert_null(strstr(l.text.p, "\n\n\n"));
}

/* --- what comes from directories -----------------------------------------------------------
 */

static const struct {
	const char *name;
	const char *not_in_text, *not_in_html, *in_html;
} names[] = {
	{ "<script>alert(1)</script>", NULL, "<script", "&lt;script&gt;" },
	{ "\"><img src=x>", NULL, "<img", "&quot;&gt;&lt;img" },
	/* a line of its own that would be a button of ours */
	{ "x\n[Keep my licence](https://evil.example/)\ny", "\n[Keep", "href", NULL },
	{ "x\r\nBcc: all@example.com", "\nBcc", "\nBcc", NULL },
	/* a link in a chat that reads such marks */
	{ "[your licence](https://evil.example/)", "](", "](", "[your licence] (https" },
	/* turned around: nothing of U+202E and its like is left */
	{ "Ada \xe2\x80\xaemoc.live\xe2\x80\xac\xe2\x81\xa6", "\xe2\x80\xae", "\xe2\x81\xa6",
	  "Ada moc.live" },
	/* but what people are called stays */
	{ "\xd7\x90\xd7\x93\xd7\x94 \xe2\x80\x8fO\xe2\x80\x99Neil", NULL, NULL,
	  "\xd7\x90\xd7\x93\xd7\x94 \xe2\x80\x8fO\xe2\x80\x99Neil" },
};

static void test_a_name_makes_no_line_no_mark_and_no_link(void **state)
{
	CLEANUP(notice_texts_free_at) struct notice_texts *t = NULL;
	struct err err = { 0 };

	(void)state;
	assert_ok(notice_texts_new(&t, NULL, NULL, NULL, NULL, &err), &err);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		CLEANUP(letter_done) struct letter l = { 0 };
		struct notice_values v = whole();

		v.v[SAY_NAME] = str_of(names[i].name);
		assert_ok(fill(t, NOTICE_COPY, "en", &v, &l, &err), &err);
		if (memchr(l.subject.p, '\n', l.subject.len))
			fail_msg("%s: \"%s\"", names[i].name, l.subject.p);
		if (names[i].not_in_text && strstr(l.text.p, names[i].not_in_text))
			fail_msg("%s: \"%s\"", names[i].name, l.text.p);
		if (names[i].not_in_html && strstr(l.html.p, names[i].not_in_html))
			fail_msg("%s: \"%s\"", names[i].name, l.html.p);
		if (names[i].in_html && !strstr(l.html.p, names[i].in_html))
			fail_msg("%s: \"%s\"", names[i].name, l.html.p);
	}
}

static void test_items_are_lines_and_make_no_link(void **state)
{
	CLEANUP(notice_texts_free_at) struct notice_texts *t = NULL;
	CLEANUP(letter_done) struct letter l = { 0 };
	struct notice_values v = whole();
	struct err err = { 0 };

	(void)state;
	v.v[SAY_ITEMS] = STR("one\n[approve](https://evil.example/)\n\ntwo\n");
	assert_ok(notice_texts_new(&t, NULL, NULL, NULL, NULL, &err), &err);
	assert_ok(fill(t, NOTICE_ALERT, "en", &v, &l, &err), &err);
	assert_string_equal(l.text.p, "one\n[approve] (https://evil.example/)\n\ntwo\n");
	assert_null(strstr(l.html.p, "href"));
	assert_non_null(strstr(l.html.p, "<p>one<br>\n"));
}

/* --- languages and dates -------------------------------------------------------------------
 */

static const struct {
	const char *fallback, *tag, *is;
} tags[] = {
	{ NULL, NULL, "en" },
	{ NULL, "", "en" },
	{ NULL, "de", "de" },
	{ NULL, "DE-at", "de" },
	{ NULL, "de_DE", "de" },
	{ NULL, "de-CH-1996", "de" },
	{ NULL, "de-DE;q=0.8, en", "de" },
	{ NULL, "de_DE.UTF-8", "de" },
	{ NULL, "den", "en" }, /* Slavey, no German */
	{ NULL, "fr", "en" },
	{ "de", "fr-CA", "de" },
	{ "de", "en-GB", "en" },
	{ "xx", "fr", "en" }, /* a fallback that there is not */
	{ NULL, "-", "en" },
	{ NULL, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "en" },
};

static void test_somebody_is_written_to_in_the_nearest_language(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(tags); i++) {
		CLEANUP(notice_texts_free_at) struct notice_texts *t = NULL;
		struct err err = { 0 };

		assert_ok(notice_texts_new(&t, NULL, tags[i].fallback, NULL, NULL, &err), &err);
		assert_string_equal(notice_language(t, NOTICE_WARN, tags[i].tag), tags[i].is);
		assert_true(notice_has_language(t, "DE"));
		assert_false(notice_has_language(t, "fr"));
	}
}

static const struct {
	int64_t ms;
	int offset_s;
	const char *language, *is;
} dates[] = {
	{ NOW, 0, "en", "Sunday, 22 November 2026" },
	{ NOW, 0, "de", "22. November 2026" },
	{ NOW, 0, "de-AT", "22. November 2026" },
	{ NOW, 0, "fr", "2026-11-22" },
	/* the day of the reader, not ours */
	{ NOW, 15 * 3600, "en", "Monday, 23 November 2026" },
	{ NOW, -9 * 3600 - 1, "en", "Saturday, 21 November 2026" },
	{ 0, 0, "en", "Thursday, 1 January 1970" },
	{ 951782400000LL, 0, "de", "29. Februar 2000" },
	{ 1772582400000LL, 0, "de", "4. März 2026" },
};

static void test_a_date_is_written_as_the_language_does(void **state)
{
	char text[64];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(dates); i++) {
		notice_date(dates[i].ms, dates[i].offset_s, dates[i].language, text);
		assert_string_equal(text, dates[i].is);
	}
}

/* The same in the letter and on the page behind its link. */
static void test_a_product_is_called_as_people_call_it(void **state)
{
	static const char *const products[][2] = {
		{ "jira", "Jira" },
		{ "jira-software", "Jira" },
		{ "jsm", "Jira Service Management" },
		{ "jira-servicedesk", "Jira Service Management" },
		{ "jira-product-discovery", "Jira Product Discovery" },
		{ "confluence", "Confluence" },
		{ "loom", "loom" },
		{ "", "Atlassian" },
	};
	char name[NOTICES_PRODUCT_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(products); i++) {
		notices_product_say(str_of(products[i][0]), name);
		assert_string_equal(name, products[i][1]);
	}
}

/* --- a folder of one's own -----------------------------------------------------------------
 */

static char folder[] = "/tmp/leaverd-notices-XXXXXX";

static int folder_make(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
	(void)state;
	return rmdir(folder);
}

static void put(const char *name, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (!text) {
		unlink(path);
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static const struct {
	const char *name, *text;
	const char *says; /* in the faults; NULL: none */
} files[] = {
	{ "warn.fr.txt", "Subject: {{product}}\n\nBonjour\n", NULL },
	{ "warn.fr.txt", "Subject: {{product}}\r\n\r\nBonjour\r\n", NULL },
	{ "README", "what you like", NULL },
	{ "warn.fr.txt~", "what you like", NULL },
	{ "warn.fr.txt", "Bonjour\n", ":1:1: the first line is to begin with \"Subject:\"" },
	{ "warn.fr.txt", "", ":1:1: the first line" },
	{ "warn.fr.txt", "Subject: x", ":2:1: an empty line is to stand" },
	{ "warn.fr.txt", "Subject: x\nBonjour\n", ":2:1: an empty line is to stand" },
	{ "warn.fr.txt", "Subject: {{produkt}}\n\nBonjour\n", "warn.fr.txt:1:10: " },
	{ "warn.fr.txt", "Subject: x\n\nBonjour\n  {{#nam}}x\n", "warn.fr.txt:4:" },
	{ "warn.fr.html", "<p>{{name}}</p>", "warn.fr.txt is missing or wrong" },
	{ "hello.fr.txt", "Subject: x\n\ny\n", "a template is called KIND.LANGUAGE.txt" },
	{ "warn.f!.txt", "Subject: x\n\ny\n", "a template is called KIND.LANGUAGE.txt" },
};

static void test_each_fault_of_a_template_names_its_file_and_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		CLEANUP(notice_texts_free_at) struct notice_texts *t = NULL;
		CLEANUP(buf_done) struct buf faults;
		struct err err = { 0 };

		buf_init(&faults, 65536);
		put(files[i].name, files[i].text);
		assert_ok(notice_texts_new(&t, folder, NULL, collect, &faults, &err), &err);
		put(files[i].name, NULL);
		if (!files[i].says && faults.len)
			fail_msg("%s: %s", files[i].name, faults.p);
		if (files[i].says && (!faults.len || !strstr(faults.p, files[i].says)))
			fail_msg("%s: \"%s\" does not say %s", files[i].name,
				 faults.len ? faults.p : "", files[i].says);
		/* ours are there whatever the folder holds */
		assert_string_equal(notice_language(t, NOTICE_WARN, "de"), "de");
	}
}

static void test_a_file_takes_the_place_of_our_words_and_its_html_is_taken(void **state)
{
	CLEANUP(notice_texts_free_at) struct notice_texts *t = NULL;
	CLEANUP(letter_done) struct letter l = { 0 };
	struct notice_values v = whole();
	CLEANUP(buf_done) struct buf faults;
	struct err err = { 0 };

	(void)state;
	buf_init(&faults, 65536);
	v.v[SAY_NAME] = STR("<b>");
	put("warn.en.txt", "Subject: Bye {{name}}\n\n[Go](https://x.example/{{days}})\n");
	put("warn.en.html", "<p title='{{name}}'>");
	assert_ok(notice_texts_new(&t, folder, NULL, collect, &faults, &err), &err);
	put("warn.en.txt", NULL);
	put("warn.en.html", NULL);
	assert_int_equal(faults.len, 0);
	assert_ok(fill(t, NOTICE_WARN, "en", &v, &l, &err), &err);
	assert_string_equal(l.subject.p, "Bye <b>");
	assert_string_equal(l.text.p, "https://x.example/14\n");
	assert_string_equal(l.html.p, "<p title='&lt;b&gt;'>");
}

static void test_a_folder_that_is_not_there_is_told(void **state)
{
	CLEANUP(notice_texts_free_at) struct notice_texts *t = NULL;
	CLEANUP(buf_done) struct buf faults;
	struct err err = { 0 };

	(void)state;
	buf_init(&faults, 65536);
	assert_ok(notice_texts_new(&t, "/nowhere/at/all", NULL, collect, &faults, &err), &err);
	assert_string_equal(faults.p, "/nowhere/at/all:1:1: No such file or directory\n");
}

/* --- bounds and memory ---------------------------------------------------------------------
 */

static void test_what_is_too_long_is_a_fault_and_not_half_a_letter(void **state)
{
	CLEANUP(notice_texts_free_at) struct notice_texts *t = NULL;
	CLEANUP(letter_done) struct letter l = { 0 };
	CLEANUP(buf_done) struct buf items;
	struct notice_values v = whole();
	struct err err = { 0 };

	(void)state;
	buf_init(&items, 2 * NOTICE_TEXT_MAX);
	while (items.len < NOTICE_TEXT_MAX)
		buf_add_text(&items, "Plan 1 waits.\n");
	v.v[SAY_ITEMS] = buf_str(&items);
	assert_ok(notice_texts_new(&t, NULL, NULL, NULL, NULL, &err), &err);
	assert_true(fill(t, NOTICE_DIGEST, "en", &v, &l, &err) < 0);
}

static void test_texts_survive_each_lost_allocation(void **state)
{
	struct notice_values v = whole();
	struct err err = { 0 };
	int nth = 0, r;
	bool fired;

	(void)state;
	do {
		CLEANUP(notice_texts_free_at) struct notice_texts *t = NULL;
		CLEANUP(letter_done) struct letter l = { 0 };

		fault_at(++nth);
		r = notice_texts_new(&t, NULL, "de", NULL, NULL, &err);
		if (r == 0)
			r = fill(t, NOTICE_WARN, "de", &v, &l, &err);
		fired = fault_fired();
		if (fired)
			assert_int_equal(r, -ERR_NOMEM);
	} while (fired);
	assert_int_equal(r, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_kind_says_itself_whole_in_each_language_of_ours),
		cmocka_unit_test(
			test_the_button_of_a_warning_is_a_link_in_html_and_an_address_in_text),
		cmocka_unit_test(test_a_name_makes_no_line_no_mark_and_no_link),
		cmocka_unit_test(test_items_are_lines_and_make_no_link),
		cmocka_unit_test(test_somebody_is_written_to_in_the_nearest_language),
		cmocka_unit_test(test_a_date_is_written_as_the_language_does),
		cmocka_unit_test(test_a_product_is_called_as_people_call_it),
		cmocka_unit_test(test_each_fault_of_a_template_names_its_file_and_place),
		cmocka_unit_test(
			test_a_file_takes_the_place_of_our_words_and_its_html_is_taken),
		cmocka_unit_test(test_a_folder_that_is_not_there_is_told),
		cmocka_unit_test(test_what_is_too_long_is_a_fault_and_not_half_a_letter),
		cmocka_unit_test(test_texts_survive_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
