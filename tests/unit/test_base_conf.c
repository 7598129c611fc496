#include "tests/lib/test.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/conf_check.h"

/* A configuration with a key of each type. */

struct item {
	struct conf_mark mark;
	char *name;
	int64_t weight;
};

struct tls {
	char *cert;
	int64_t days;
};

struct whole {
	char *text, *path, *secret;
	bool flag;
	int64_t count, wait_ms, bytes;
	double share;
	int colour;
	struct conf_list names;
	struct conf_pairs map;
	struct tls tls;
	struct conf_items items;
};

#define AT(field) offsetof(struct whole, field)

static const char *const colours[] = { "red", "green", "blue", NULL };

/* clang-format off */
static const struct conf_key item_keys[] = {
	{ .name = "name",   .type = CONF_TEXT, .offset = offsetof(struct item, name), .preset = "!" },
	{ .name = "weight", .type = CONF_INT,  .offset = offsetof(struct item, weight), .preset = "7", .least = 1, .most = 9 },
	{ 0 }
};
static const struct conf_key tls_keys[] = {
	{ .name = "cert", .type = CONF_TEXT, .offset = offsetof(struct tls, cert), .preset = "!" },
	{ .name = "days", .type = CONF_INT,  .offset = offsetof(struct tls, days), .preset = "30", .least = 1, .most = 99 },
	{ 0 }
};
static const struct conf_key keys[] = {
	{ .name = "text",   .type = CONF_TEXT,   .offset = AT(text) },
	{ .name = "path",   .type = CONF_PATH,   .offset = AT(path) },
	{ .name = "secret", .type = CONF_SECRET, .offset = AT(secret) },
	{ .name = "flag",   .type = CONF_BOOL,   .offset = AT(flag),    .preset = "true" },
	{ .name = "count",  .type = CONF_INT,    .offset = AT(count),   .preset = "5", .least = 1, .most = 10 },
	{ .name = "wait",   .type = CONF_MS,     .offset = AT(wait_ms), .preset = "30s", .least = 1000, .most = 86400000 },
	{ .name = "bytes",  .type = CONF_BYTES,  .offset = AT(bytes),   .preset = "64KiB", .least = 1, .most = 1 << 30 },
	{ .name = "share",  .type = CONF_SHARE,  .offset = AT(share),   .preset = "2 %" },
	{ .name = "colour", .type = CONF_ENUM,   .offset = AT(colour),  .preset = "green", .words = colours },
	{ .name = "names",  .type = CONF_LIST,   .offset = AT(names),   .preset = "a, b", .least = 1, .most = 3 },
	{ .name = "map",    .type = CONF_MAP,    .offset = AT(map) },
	{ .name = "tls",    .type = CONF_SECTION, .offset = AT(tls),    .sub = tls_keys, .sub_size = sizeof(struct tls) },
	{ .name = "items",  .type = CONF_ITEMS,  .offset = AT(items),   .sub = item_keys, .sub_size = sizeof(struct item), .most = 4 },
	{ 0 }
};
static const struct conf_key tls_required[] = {
	{ .name = "tls", .type = CONF_SECTION, .offset = AT(tls), .preset = "!", .sub = tls_keys, .sub_size = sizeof(struct tls) },
	{ 0 }
};
/* clang-format on */

static int read_whole(const char *text, struct whole *ret, struct conf_faults *faults,
		      struct err *err)
{
	*ret = (struct whole){ 0 };
	return conf_read_text("x.yaml", str_of(text), keys, ret, faults, err);
}

static void test_an_empty_file_gives_the_presets(void **state)
{
	static const char *const empties[] = {
		"", "# nothing\n", "---\n", "{}", "~", "items:\n", "tls:\nnames:\nmap: ~\n"
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(empties); i++) {
		struct whole w;
		struct err err;

		assert_ok(read_whole(empties[i], &w, NULL, &err), &err);
		assert_null(w.text);
		assert_true(w.flag);
		assert_int_equal(w.count, 5);
		assert_int_equal(w.wait_ms, 30000);
		assert_int_equal(w.bytes, 65536);
		assert_true(w.share == 0.02);
		assert_int_equal(w.colour, 1);
		assert_int_equal(w.names.n, 2);
		assert_string_equal(w.names.v[1], "b");
		assert_null(w.tls.cert); /* left out: nothing is missed */
		assert_int_equal(w.tls.days, 30);
		assert_int_equal(w.items.n, 0);
		conf_free(keys, &w);
		assert_int_equal(w.count, 0);
	}
}

static const char everything[] = "text: 'two words'\n"
				 "path: keys/master\n"
				 "secret: atlassian.key\n"
				 "flag: no\n"
				 "count: 10\n"
				 "wait: 14min\n"
				 "bytes: 1 MiB\n"
				 "share: 0.5 %\n"
				 "colour: blue\n"
				 "names: only\n"
				 "map:\n"
				 "  userName: mail\n"
				 "  \"a b\": \"c\\nd\"\n"
				 "tls: { cert: /c.pem, days: 9 }\n"
				 "items:\n"
				 "  - name: one\n"
				 "  - weight: 3\n"
				 "    name: two\n";

static void test_each_type_is_read(void **state)
{
	struct whole w;
	struct err err;
	struct item *items;

	(void)state;
	assert_ok(read_whole(everything, &w, NULL, &err), &err);
	assert_string_equal(w.text, "two words");
	assert_string_equal(w.path, "keys/master");
	assert_string_equal(w.secret, "atlassian.key");
	assert_false(w.flag);
	assert_int_equal(w.count, 10);
	assert_int_equal(w.wait_ms, 14 * 60000);
	assert_int_equal(w.bytes, 1 << 20);
	assert_true(w.share == 0.005);
	assert_int_equal(w.colour, 2);
	assert_int_equal(w.names.n, 1);
	assert_string_equal(w.names.v[0], "only");
	assert_int_equal(w.map.n, 2);
	assert_string_equal(w.map.v[0].key, "userName");
	assert_int_equal(w.map.v[0].line, 12);
	assert_string_equal(w.map.v[1].value, "c\nd");
	assert_string_equal(w.tls.cert, "/c.pem");
	assert_int_equal(w.tls.days, 9);
	assert_int_equal(w.items.n, 2);
	assert_int_equal(w.items.size, sizeof(struct item));
	items = w.items.v;
	assert_int_equal(items[0].weight, 7);
	assert_int_equal(items[0].mark.line, 16);
	assert_int_equal(items[0].mark.column, 5);
	assert_string_equal(items[0].mark.file, "x.yaml");
	assert_string_equal(items[1].name, "two");
	assert_int_equal(items[1].weight, 3);
	assert_int_equal(items[1].mark.line, 17);
	conf_free(keys, &w);
}

/* One fault each: where it is, and what it says. */
static const struct {
	const char *text, *at, *says;
} wrong[] = {
	/* keys */
	{ "txet: a", "x.yaml:1:1: txet: ", "did you mean text?" },
	{ "\n  zzzzzzzz: a", "x.yaml:2:3: zzzzzzzz: ", "expected one of text, path" },
	{ "text: a\ntext: b", "x.yaml:2:1: text: ", "found twice, first on line 1" },
	{ "tls:\n  cert: c\n  dys: 1", "x.yaml:3:3: tls.dys: ", "did you mean days?" },
	{ "[a]: b", "x.yaml:1:1: ", "found a list, expected a key" },
	{ "- a", "x.yaml:1:1: ", "found a list, expected keys" },
	{ "just text", "x.yaml:1:1: ", "found \"just text\", expected keys" },
	/* kinds and bounds */
	{ "text: [a]", "x.yaml:1:7: text: ", "found a list, expected a text" },
	{ "text:", "x.yaml:1:6: text: ", "found nothing, expected a text" },
	{ "text: \"a\\0b\"", "x.yaml:1:7: text: ", "expected a text" },
	{ "path: \"\"", "x.yaml:1:7: path: ", "expected the name of a file" },
	{ "flag: maybe", "x.yaml:1:7: flag: ", "found \"maybe\", expected true or false" },
	{ "count: 11", "x.yaml:1:8: count: ", "expected a whole number from 1 to 10" },
	{ "count: 5.0", "x.yaml:1:8: count: ", "found \"5.0\"" },
	{ "count: 99999999999999999999", "x.yaml:1:8: count: ", "expected a whole number" },
	{ "wait: 5", "x.yaml:1:7: wait: ", "a time such as 30s or 14d from 1s to 1d" },
	{ "wait: 500ms", "x.yaml:1:7: wait: ", "found \"500ms\"" },
	{ "bytes: 64KB", "x.yaml:1:8: bytes: ", "a size such as 64KiB from 1B to 1GiB" },
	{ "bytes: 9999999999TiB", "x.yaml:1:8: bytes: ", "a size" },
	{ "share: 1.01", "x.yaml:1:8: share: ", "a share from 0 to 1" },
	{ "share: .", "x.yaml:1:8: share: ", "a share" },
	{ "share: 0.0000000000000000000000001", "x.yaml:1:8: share: ", "a share" },
	{ "colour: Red", "x.yaml:1:9: colour: ", "expected one of red, green, blue" },
	{ "names: []", "x.yaml:1:8: names: ", "found 0, expected 1 to 3" },
	{ "names: [a, b, c, d]", "x.yaml:1:8: names: ", "found 4, expected 1 to 3" },
	{ "names: [a, {b: c}]", "x.yaml:1:12: names: ", "expected a list of texts" },
	{ "map: [a]", "x.yaml:1:6: map: ", "found a list, expected keys with texts" },
	{ "map: {a: b, a: c}", "x.yaml:1:13: map: ", "found twice, first on line 1" },
	{ "map: {a: }", "x.yaml:1:7: map: ", "found nothing" },
	{ "map: {[a]: b}", "x.yaml:1:7: map: ", "no usable key" },
	{ "tls: yes", "x.yaml:1:6: tls: ", "found \"yes\", expected keys with values" },
	{ "tls: {days: 1}", "x.yaml:1:6: tls.cert: ", "found nothing, expected a text" },
	{ "items: {a: b}", "x.yaml:1:8: items: ", "expected a list of items" },
	{ "items: [a]", "x.yaml:1:9: items: ", "found \"a\", expected keys" },
	{ "items: [{weight: 1}]", "x.yaml:1:9: items.name: ", "found nothing" },
	{ "items:\n- name: a\n- name: a", "x.yaml:3:3: items.name: ", "found \"a\" twice" },
	{ "items: [{name: a},{name: b},{name: c},{name: d},{name: e}]",
	  "x.yaml:1:8: items: ", "found 5 items, expected 0 to 4" },
	/* YAML itself */
	{ "text: a: b", "x.yaml:1:8: ", "not YAML: mapping values are not allowed" },
	{ "text: 'a", "x.yaml:1:9: ", "that began on line 1" },
	{ "text: \xFF", "x.yaml:1:7: ", "not UTF-8" },
	{ "text: a\n---\ntext: b", "x.yaml:2:1: ", "a second document" },
	{ "text: &a b", "x.yaml:1:7: ", "an anchor" },
	{ "text: !!str b", "x.yaml:1:7: ", "a tag" },
};

static void test_a_fault_says_where_and_what(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
		const struct whole zero = { 0 };
		struct whole w;
		struct err err;

		assert_fault(read_whole(wrong[i].text, &w, &faults, &err), ERR_CONFIG, &err,
			     wrong[i].says);
		assert_int_equal(faults.n, 1);
		if (strncmp(faults.v[0], wrong[i].at, strlen(wrong[i].at)) != 0)
			fail_msg("%s: not at %s", faults.v[0], wrong[i].at);
		assert_string_equal(faults.v[0], err.text);
		assert_memory_equal(&w, &zero, sizeof(w));
	}
}

static void test_all_faults_are_found_at_once(void **state)
{
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	struct whole w;
	struct err err;

	(void)state;
	assert_fault(
		read_whole("count: 11\nwait: x\nnope: 1\nitems: [{weight: 0, name: a}, {}]\n",
			   &w, &faults, &err),
		ERR_CONFIG, &err, "5 faults, the first: x.yaml:1:8: count: ");
	assert_int_equal(faults.n, 5);
	assert_non_null(strstr(faults.v[1], "x.yaml:2:7: wait: "));
	assert_non_null(strstr(faults.v[2], "x.yaml:3:1: nope: "));
	assert_non_null(strstr(faults.v[3], "x.yaml:4:18: items.weight: "));
	assert_non_null(strstr(faults.v[4], "x.yaml:4:31: items.name: "));
}

static void test_a_secret_put_where_its_name_belongs_is_not_repeated(void **state)
{
	static const char *const values[] = { "secret: hunter2=",     "secret: [hunter2]",
					      "secret: {hunter2: x}", "secret: 'hunter2 '",
					      "secret: .hunter2",     "secret: hunter2/x" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
		struct whole w;
		struct err err;

		assert_fault(read_whole(values[i], &w, &faults, &err), ERR_CONFIG, &err,
			     "never the secret itself");
		assert_null(strstr(err.text, "hunter2"));
	}
}

static void test_a_required_section_is_missed(void **state)
{
	struct whole w = { 0 };
	struct err err;

	(void)state;
	assert_fault(conf_read_text("x", STR("{}"), tls_required, &w, NULL, &err), ERR_CONFIG,
		     &err, "x:1:1: tls: found nothing, expected keys with values");
	assert_fault(conf_read_text("x", STR("tls:\n"), tls_required, &w, NULL, &err),
		     ERR_CONFIG, &err, "x:1:1: tls: found nothing");
}

static void test_a_billion_laughs_are_refused(void **state)
{
	static const char bomb[] = "map:\n"
				   "  a: &a [l, l, l, l, l, l, l, l]\n"
				   "  b: &b [*a, *a, *a, *a, *a, *a]\n"
				   "  c: [*b, *b, *b, *b, *b, *b]\n";
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	struct whole w;
	struct err err;

	(void)state;
	assert_fault(read_whole(bomb, &w, &faults, &err), ERR_CONFIG, &err, "an anchor");
	assert_non_null(strstr(faults.v[2], "an alias, expected the value itself"));
}

static void test_what_crosses_a_bound_is_refused(void **state)
{
	CLEANUP(buf_done) struct buf text;
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	struct whole w = { 0 };
	struct err err;

	(void)state;
	buf_init(&text, SIZE_MAX);
	for (int i = 0; i < 40; i++)
		buf_add_char(&text, '[');
	assert_fault(read_whole(text.p, &w, NULL, &err), ERR_CONFIG, &err,
		     "x.yaml:1:33: nested deeper than 32");

	buf_clear(&text);
	for (int i = 0; i < 300; i++)
		buf_addf(&text, "k%d: v\n", i);
	assert_fault(read_whole(text.p, &w, &faults, &err), ERR_CONFIG, &err,
		     "300 faults, the first: x.yaml:1:1: k0");
	assert_int_equal(faults.n, 100);

	buf_clear(&text);
	while (text.len <= 1024 * 1024)
		buf_add_text(&text, "# a long comment, again and again\n");
	assert_fault(read_whole(text.p, &w, NULL, &err), ERR_CONFIG, &err,
		     "x.yaml is longer than 1 MiB");
}

/* Prints w, reads it again, prints that: the two texts are the same. */
static void assert_shown_is_read_again(const struct conf_key *table, const void *from,
				       void *room)
{
	CLEANUP(buf_done) struct buf first;
	CLEANUP(buf_done) struct buf second;
	struct err err;

	buf_init(&first, SIZE_MAX);
	buf_init(&second, SIZE_MAX);
	assert_ok(conf_show(table, from, &first, &err), &err);
	assert_ok(conf_read_text("x.yaml", buf_str(&first), table, room, NULL, &err), &err);
	assert_ok(conf_show(table, room, &second, &err), &err);
	assert_string_equal(first.p, second.p);
}

static void test_what_is_shown_is_read_as_the_same(void **state)
{
	static const char *const texts[] = {
		"",
		everything,
		"text: 'null'",
		"text: ''",
		"text: 'true'",
		"text: '- a'",
		"text: \"\\x7f\\u2028\\uFEFF\\\\ \\\" \\t\\n\\r\\x85\"",
		"text: \"\xC3\xA9: #x\"",
		"text: '007'",
		"share: 1",
		"share: 0",
		"share: 0.123456789012345",
		"share: 33.3333 %",
		"wait: 90s",
		"wait: 1001ms",
		"bytes: 1000",
		"map: {}",
		"map: {'': x}",
		"map: {\"\\n\": ' '}",
		"names: ['a, b', ' ', '']",
		"items: []",
		"tls: {cert: ''}",
		"colour: red\nflag: off",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct whole w, again = { 0 };
		struct err err;

		if (read_whole(texts[i], &w, NULL, &err) < 0) {
			assert_non_null(strstr(texts[i], "''")); /* no key is empty */
			continue;
		}
		assert_shown_is_read_again(keys, &w, &again);
		if (w.text)
			assert_string_equal(w.text, again.text);
		assert_true(w.share == again.share);
		assert_int_equal(w.wait_ms, again.wait_ms);
		assert_int_equal(w.bytes, again.bytes);
		assert_int_equal(w.names.n, again.names.n);
		conf_free(keys, &again);
		conf_free(keys, &w);
	}
}

static void test_show_prints_yaml_for_people(void **state)
{
	CLEANUP(buf_done) struct buf shown;
	struct whole w;
	struct err err;

	(void)state;
	buf_init(&shown, SIZE_MAX);
	assert_ok(read_whole(everything, &w, NULL, &err), &err);
	assert_ok(conf_show(keys, &w, &shown, &err), &err);
	assert_string_equal(shown.p, "text: \"two words\"\n"
				     "path: keys/master\n"
				     "secret: atlassian.key\n"
				     "flag: false\n"
				     "count: 10\n"
				     "wait: 14min\n"
				     "bytes: 1MiB\n"
				     "share: 0.005\n"
				     "colour: blue\n"
				     "names:\n"
				     "  - only\n"
				     "map:\n"
				     "  userName: mail\n"
				     "  \"a b\": \"c\\nd\"\n"
				     "tls:\n"
				     "  cert: /c.pem\n"
				     "  days: 9\n"
				     "items:\n"
				     "  - name: one\n"
				     "    weight: 7\n"
				     "  - name: two\n"
				     "    weight: 3\n");
	conf_free(keys, &w);
}

static void test_show_tells_when_it_does_not_fit(void **state)
{
	struct whole w;
	struct err err;

	(void)state;
	assert_ok(read_whole(everything, &w, NULL, &err), &err);
	for (size_t max = 0; max < 200; max++) {
		CLEANUP(buf_done) struct buf shown;

		buf_init(&shown, max);
		assert_fault(conf_show(keys, &w, &shown, &err), ERR_LIMIT, &err, "longer");
	}
	conf_free(keys, &w);
}

static void in_folder(char path[], size_t room, const char *folder, const char *name)
{
	assert_true((size_t)snprintf(path, room, "%s/%s", folder, name) < room);
}

static void test_paths_stand_beside_their_file(void **state)
{
	static const char text[] = "path: keys/master\n", absolute[] = "path: /etc/key\n";
	char folder[] = "/tmp/leaverd-conf-XXXXXX", file[PATH_MAX], expected[PATH_MAX],
	     here[PATH_MAX];
	struct whole w = { 0 };
	struct err err;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	in_folder(file, sizeof(file), folder, "leaverd.yaml");
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);

	assert_ok(conf_read(file, keys, &w, NULL, &err), &err);
	in_folder(expected, sizeof(expected), folder, "keys/master");
	assert_string_equal(w.path, expected);
	conf_free(keys, &w);

	/* a relative name of the file: still absolute */
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(folder), 0);
	assert_ok(conf_read("leaverd.yaml", keys, &w, NULL, &err), &err);
	assert_string_equal(w.path, expected);
	conf_free(keys, &w);
	assert_int_equal(chdir(here), 0);

	fd = open(file, O_TRUNC | O_WRONLY);
	assert_int_equal(write(fd, absolute, strlen(absolute)), strlen(absolute));
	close(fd);
	assert_ok(conf_read(file, keys, &w, NULL, &err), &err);
	assert_string_equal(w.path, "/etc/key");
	conf_free(keys, &w);

	assert_int_equal(unlink(file), 0);
	assert_fault(conf_read(file, keys, &w, NULL, &err), ERR_CONFIG, &err,
		     "cannot open configuration");
	assert_fault(conf_read(folder, keys, &w, NULL, &err), ERR_CONFIG, &err,
		     "Is a directory");
	assert_int_equal(rmdir(folder), 0);
}

static void test_a_later_fault_stands_under_its_mark(void **state)
{
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	const struct conf_mark mark = { "a.yaml", 12, 3 };

	(void)state;
	assert_int_equal(conf_fault(&faults, &mark, "rules.when", "%s at byte %d", "no", 4),
			 -ERR_CONFIG);
	assert_int_equal(conf_fault(&faults, NULL, NULL, "lost"), -ERR_CONFIG);
	assert_string_equal(faults.v[0], "a.yaml:12:3: rules.when: no at byte 4");
	assert_string_equal(faults.v[1], "configuration: lost");
}

static void see(void *ctx, const char *dotted, const struct conf_key *key)
{
	struct buf *seen = ctx;

	buf_addf(seen, "%s=%s ", dotted, key->name);
}

static void test_a_check_gathers_all_faults_and_tells_the_first(void **state)
{
	const struct conf_mark mark = { .file = "x.yaml", .line = 3, .column = 5 };
	struct conf_faults faults = { 0 };
	struct conf_check c = { .mark = &mark, .faults = &faults };
	struct conf_check quiet = { .mark = &mark };
	struct err err = { 0 };

	(void)state;
	assert_ok(conf_check_end(&c, &err), &err);
	conf_check_bad(&c, "folder", "expected %s", "one");
	conf_check_bad(&c, "key", "is missing");
	conf_check_bad(&quiet, "key", "is missing");
	assert_fault(conf_check_end(&c, &err), ERR_CONFIG, &err, "folder: expected one");
	assert_int_equal(faults.n, 2);
	assert_non_null(strstr(faults.v[1], "x.yaml:3:5: key: is missing"));
	assert_fault(conf_check_end(&quiet, &err), ERR_CONFIG, &err, "key: is missing");
	assert_int_equal(conf_check_end(&quiet, NULL), -ERR_CONFIG);
	conf_check_nomem(&c);
	conf_check_bad(&c, "map", "and this");
	assert_fault(conf_check_end(&c, &err), ERR_NOMEM, &err, NULL);
	conf_faults_free(&faults);
}

static void test_a_check_survives_each_lost_allocation(void **state)
{
	const struct conf_mark mark = { .file = "x.yaml", .line = 3, .column = 5 };
	struct err err = { 0 };
	int nth = 0, r;
	bool again;

	(void)state;
	do {
		struct conf_faults faults = { 0 };
		struct conf_check c = { .mark = &mark, .faults = &faults };

		fault_at(++nth);
		conf_check_bad(&c, "folder", "is missing");
		conf_check_bad(&c, "key", "is missing");
		r = conf_check_end(&c, &err);
		again = fault_fired();
		assert_int_equal(r, again ? -ERR_NOMEM : -ERR_CONFIG);
		conf_faults_free(&faults);
	} while (again);
}

static void test_walk_names_every_key(void **state)
{
	CLEANUP(buf_done) struct buf seen;

	(void)state;
	buf_init(&seen, SIZE_MAX);
	conf_walk(keys, see, &seen);
	assert_string_equal(seen.p, "text=text path=path secret=secret flag=flag count=count "
				    "wait=wait bytes=bytes share=share colour=colour "
				    "names=names map=map tls=tls tls.cert=cert tls.days=days "
				    "items=items items.name=name items.weight=weight ");
}

/* libyaml's own allocations are not ours to lose; all of ours are lost here. */
static void test_reading_survives_each_lost_allocation(void **state)
{
	static const char *const texts[] = { everything, "count: 11\nnope: 1\ntext: [a]\n" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		int nth = 0, r;
		bool fired;

		do {
			CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
			struct whole w = { 0 };
			struct err err;

			fault_at(++nth);
			r = read_whole(texts[i], &w, &faults, &err);
			fired = fault_fired();
			if (fired && r != -ERR_NOMEM) /* only how a fault is worded was lost */
				assert_fault(r, ERR_CONFIG, &err, NULL);
			conf_free(keys, &w);
		} while (fired);
		assert_int_equal(r, i == 0 ? 0 : -ERR_CONFIG);
		assert_true(nth > 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_file_gives_the_presets),
		cmocka_unit_test(test_each_type_is_read),
		cmocka_unit_test(test_a_fault_says_where_and_what),
		cmocka_unit_test(test_all_faults_are_found_at_once),
		cmocka_unit_test(test_a_secret_put_where_its_name_belongs_is_not_repeated),
		cmocka_unit_test(test_a_required_section_is_missed),
		cmocka_unit_test(test_a_billion_laughs_are_refused),
		cmocka_unit_test(test_what_crosses_a_bound_is_refused),
		cmocka_unit_test(test_what_is_shown_is_read_as_the_same),
		cmocka_unit_test(test_show_prints_yaml_for_people),
		cmocka_unit_test(test_show_tells_when_it_does_not_fit),
		cmocka_unit_test(test_paths_stand_beside_their_file),
		cmocka_unit_test(test_a_later_fault_stands_under_its_mark),
		cmocka_unit_test(test_a_check_gathers_all_faults_and_tells_the_first),
		cmocka_unit_test(test_a_check_survives_each_lost_allocation),
		cmocka_unit_test(test_walk_names_every_key),
		cmocka_unit_test(test_reading_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
