/*
 * Configurations: whatever is read without a fault is shown as YAML that is read as the same,
 * and whatever is refused leaves nothing behind and names the file.
 */
#include <stdlib.h>

#include "base/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct item {
	struct conf_mark mark;
	char *name;
	int64_t weight;
	struct conf_list tags;
};

struct tls {
	char *cert, *key;
	bool strict;
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
#define ITEM(field) offsetof(struct item, field)
#define TLS(field) offsetof(struct tls, field)

static const char *const colours[] = { "red", "green", "dark blue", NULL };

/* clang-format off */
static const struct conf_key item_keys[] = {
	{ .name = "name",   .type = CONF_TEXT, .offset = ITEM(name),   .preset = "!" },
	{ .name = "weight", .type = CONF_INT,  .offset = ITEM(weight), .preset = "7" },
	{ .name = "tags",   .type = CONF_LIST, .offset = ITEM(tags),   .most = 9 },
	{ 0 }
};
static const struct conf_key tls_keys[] = {
	{ .name = "cert",   .type = CONF_PATH, .offset = TLS(cert),    .preset = "!" },
	{ .name = "key",    .type = CONF_SECRET, .offset = TLS(key) },
	{ .name = "strict", .type = CONF_BOOL, .offset = TLS(strict),  .preset = "on" },
	{ 0 }
};
static const struct conf_key keys[] = {
	{ .name = "text",   .type = CONF_TEXT,   .offset = AT(text) },
	{ .name = "path",   .type = CONF_PATH,   .offset = AT(path) },
	{ .name = "secret", .type = CONF_SECRET, .offset = AT(secret) },
	{ .name = "flag",   .type = CONF_BOOL,   .offset = AT(flag) },
	{ .name = "count",  .type = CONF_INT,    .offset = AT(count),   .least = 1, .most = INT64_MAX },
	{ .name = "wait",   .type = CONF_MS,     .offset = AT(wait_ms), .preset = "30s" },
	{ .name = "bytes",  .type = CONF_BYTES,  .offset = AT(bytes),   .preset = "64KiB" },
	{ .name = "share",  .type = CONF_SHARE,  .offset = AT(share),   .preset = "2 %" },
	{ .name = "colour", .type = CONF_ENUM,   .offset = AT(colour),  .words = colours },
	{ .name = "names",  .type = CONF_LIST,   .offset = AT(names),   .preset = "a, b", .least = 1, .most = 30 },
	{ .name = "map",    .type = CONF_MAP,    .offset = AT(map) },
	{ .name = "tls",    .type = CONF_SECTION, .offset = AT(tls),    .sub = tls_keys, .sub_size = sizeof(struct tls) },
	{ .name = "items",  .type = CONF_ITEMS,  .offset = AT(items),   .sub = item_keys, .sub_size = sizeof(struct item), .most = 20 },
	{ 0 }
};
/* clang-format on */

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void show(const struct whole *w, struct buf *into)
{
	buf_init(into, SIZE_MAX);
	must(conf_show(keys, w, into, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	CLEANUP(buf_done) struct buf first = { 0 };
	CLEANUP(buf_done) struct buf second = { 0 };
	struct whole w = { 0 }, again = { 0 };
	const struct whole zero = { 0 };
	struct err err;
	int r = conf_read_text("x.yaml", str_n((const char *)data, size), keys, &w, &faults,
			       &err);

	if (r < 0) {
		must(r == -ERR_CONFIG || r == -ERR_NOMEM);
		must(memcmp(&w, &zero, sizeof(w)) == 0);
		for (size_t i = 0; i < faults.n; i++)
			must(strncmp(faults.v[i], "x.yaml:", 7) == 0);
		must(strstr(err.text, "x.yaml") != NULL);
		return 0;
	}
	must(r == 0 && faults.n == 0);
	show(&w, &first);
	must(conf_read_text("x.yaml", buf_str(&first), keys, &again, NULL, &err) == 0);
	show(&again, &second);
	must(str_eq(buf_str(&first), buf_str(&second)));
	must(w.share == again.share && w.count == again.count && w.wait_ms == again.wait_ms &&
	     w.bytes == again.bytes && w.names.n == again.names.n && w.map.n == again.map.n &&
	     w.items.n == again.items.n && w.flag == again.flag && w.colour == again.colour);
	must(!w.text == !again.text && (!w.text || strcmp(w.text, again.text) == 0));
	for (size_t i = 0; i < w.map.n; i++)
		must(strcmp(w.map.v[i].key, again.map.v[i].key) == 0 &&
		     strcmp(w.map.v[i].value, again.map.v[i].value) == 0);
	conf_free(keys, &w);
	conf_free(keys, &again);
	return 0;
}
