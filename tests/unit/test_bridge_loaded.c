/* Which configuration acts while one that lets more happen waits for a person. */
#include "tests/lib/store_world.h"

#include <fcntl.h>

#include "bridge/app.h"
#include "bridge/loaded.h"
#include "bridge/planner.h"
#include "bridge/rounds.h"
#include "store/configs.h"
#include "store/writer.h"

#define BASE                                                                                   \
	"instance:\n  name: acme\n  zone: UTC\n  state_dir: .\n"                               \
	"master_key:\n  file: master.key\n"
#define CLOUD "    cloud:\n      org_id: 1f2e3d4c\n      key: atlassian\n"
#define PROVISIONED                                                                            \
	"    provisioning:\n      directory: d-1\n      key: scim\n      issuer: corp\n"
#define LDAP                                                                                   \
	"  - name: corp\n    kind: ldap\n    role: directory\n    ldap:\n"                     \
	"      uris: [\"ldaps://ldap.example.com\"]\n      base: ou=people,dc=example\n"       \
	"      bind_dn: cn=reader\n      bind_password: bind\n"
#define DROP                                                                                   \
	"  - name: hr\n    kind: file\n    role: hr\n    file:\n      kind: full\n"            \
	"      folder: .\n      pattern: \"*.csv\"\n      key: No\n"                           \
	"      map:\n        userName: Mail\n"

static const char before[] =
	BASE "sources:\n" LDAP "      minimum: 100\n      canaries: [\"uid=canary\"]\n" DROP
	     "      minimum: 50\n      canaries: [\"4711\"]\n      checksum: true\n"
	     "organisations:\n  - name: acme\n    sources: [corp, hr]\n" CLOUD PROVISIONED;

/* All that can be loosened, with a place that moved and a source that came. */
static const char after[] =
	BASE "sources:\n  - name: more\n    kind: ldap\n    role: hr\n    ldap:\n"
	     "      uris: [\"ldaps://more.example.com\"]\n      base: dc=more\n"
	     "      bind_dn: cn=reader\n      bind_password: bind\n"
	     "  - name: corp\n    kind: ldap\n    role: directory\n    max_age: 31d\n"
	     "    gone_reads: 2\n    ldap:\n"
	     "      uris: [\"ldaps://other.example.com\"]\n      base: ou=people,dc=example\n"
	     "      bind_dn: cn=reader\n      bind_password: bind\n"
	     "      minimum: 1\n      drop_count: 5000\n      drop_share: 90 %\n"
	     "      attribute_drop: 90 %\n" DROP
	     "      minimum: 1\n      drop_count: 5000\n      drop_share: 90 %\n"
	     "      grow_count: 5000\n      grow_share: 90 %\n      change_count: 5000\n"
	     "      change_share: 90 %\n      bad_rows: 1000\n"
	     "organisations:\n  - name: acme\n" CLOUD
	     "    provisioning:\n      directory: d-2\n      key: scim\n      issuer: more\n";

struct house {
	struct world w;
	struct app app;
	char path[128];
};

static void load(struct house *h, const char *text)
{
	struct err err = { 0 };
	int fd = open(h->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	config_free(&h->app.config);
	config_free(&h->app.aside);
	h->app.config_waits = 0;
	assert_ok(config_read(h->path, &h->app.config, NULL, &err), &err);
	assert_ok(rounds_declare(&h->app, &err), &err);
	assert_ok(loaded_start(&h->app, &err), &err);
}

static void house_open(struct house *h)
{
	struct err err = { 0 };

	*h = (struct house){ 0 };
	world_open(&h->w);
	snprintf(h->path, sizeof(h->path), "%s/leaverd.yaml", h->w.dir);
	h->app.store = h->w.store;
	h->app.vault = h->w.vault;
	assert_ok(writer_start(h->app.store, &h->app.writer, &err), &err);
}

static void house_close(struct house *h)
{
	writer_stop(h->app.writer);
	config_free(&h->app.config);
	config_free(&h->app.aside);
	world_close(&h->w);
}

static int arm(void *ctx, struct db *db, struct err *err)
{
	(void)ctx;
	return store_mode_set(db, "acme", STORE_PROPOSE, "test", "test", NOW, err);
}

static int let_stand(void *ctx, struct db *db, struct err *err)
{
	return configs_stand(db, *(int64_t *)ctx, "uid:ida", NULL, "agreed", NOW, err);
}

static void test_what_judges_is_as_before_until_a_person_lets_it_be_otherwise(void **state)
{
	const struct config_source *corp, *hr;
	const struct config_org *org;
	struct err err = { 0 };
	struct house h;
	int64_t waits;

	(void)state;
	house_open(&h);
	load(&h, before);
	assert_int_equal(h.app.config_waits, 0);
	assert_ok(writer_call(h.app.writer, arm, NULL, &err), &err);
	load(&h, after);
	waits = h.app.config_waits;
	assert_true(waits > 0);
	corp = config_source(&h.app.config, "corp");
	hr = config_source(&h.app.config, "hr");
	org = config_org(&h.app.config, "acme");
	assert_string_equal(corp->ldap.uris.v[0], "ldaps://other.example.com");
	assert_int_equal(corp->gone_reads, 3);
	assert_int_equal(corp->ldap.minimum, 100);
	assert_int_equal(corp->ldap.drop_count, 3);
	assert_true(corp->ldap.drop_share < 0.05 && corp->ldap.attribute_drop < 0.5);
	assert_int_equal(corp->ldap.canaries.n, 1);
	assert_int_equal(hr->file.minimum, 50);
	assert_true(hr->file.drop_count < 5000 && hr->file.drop_share < 0.9);
	assert_true(hr->file.grow_count < 5000 && hr->file.grow_share < 0.9);
	assert_true(hr->file.change_count < 5000 && hr->file.change_share < 0.9);
	assert_true(hr->file.bad_rows < 1000 && hr->file.checksum);
	assert_int_equal(hr->file.canaries.n, 1);
	assert_int_equal(org->sources.n, 2);
	assert_string_equal(org->provision.scim.directory, "d-1");
	assert_string_equal(org->provision.issuer, "corp");
	assert_true(planner_hears(&h.app, org, "corp"));
	assert_false(planner_hears(&h.app, org, "more"));

	assert_ok(writer_call(h.app.writer, let_stand, &waits, &err), &err);
	load(&h, after);
	assert_int_equal(h.app.config_waits, 0);
	corp = config_source(&h.app.config, "corp");
	org = config_org(&h.app.config, "acme");
	assert_int_equal(corp->ldap.minimum, 1);
	assert_int_equal(corp->ldap.canaries.n, 0);
	assert_int_equal(org->sources.n, 0);
	assert_string_equal(org->provision.scim.directory, "d-2");
	assert_true(planner_hears(&h.app, org, "more"));
	house_close(&h);
}

/* Each of them alone: what is not asked about is not held back either. */
static const struct {
	const char *from, *to;
} looser[] = {
	{ "minimum: 100", "minimum: 99" },
	{ "canaries: [\"uid=canary\"]\n", "canaries: []\n" },
	{ "      minimum: 50\n", "      minimum: 49\n" },
	{ "canaries: [\"4711\"]", "canaries: [\"4712\"]" },
	{ "checksum: true", "checksum: false" },
	{ "key: No\n", "key: No\n      grow_count: 5000\n" },
	{ "key: No\n", "key: No\n      grow_share: 90 %\n" },
	{ "key: No\n", "key: No\n      change_count: 5000\n" },
	{ "key: No\n", "key: No\n      change_share: 90 %\n" },
	{ "key: No\n", "key: No\n      bad_rows: 1000\n" },
	{ "sources: [corp, hr]", "sources: [corp]" },
	{ "directory: d-1", "directory: d-2" },
};

static void test_each_bound_of_a_source_that_is_loosened_waits(void **state)
{
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(looser); i++) {
		const char *at = strstr(before, looser[i].from);
		CLEANUP(buf_done) struct buf text;
		struct house h;

		assert_non_null(at);
		buf_init(&text, 16384);
		buf_add(&text, before, (size_t)(at - before));
		buf_add_text(&text, looser[i].to);
		buf_add_text(&text, at + strlen(looser[i].from));
		house_open(&h);
		load(&h, before);
		assert_ok(writer_call(h.app.writer, arm, NULL, &err), &err);
		load(&h, text.p);
		if (!h.app.config_waits)
			fail_msg("%s -> %s does not wait", looser[i].from, looser[i].to);
		house_close(&h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_what_judges_is_as_before_until_a_person_lets_it_be_otherwise),
		cmocka_unit_test(test_each_bound_of_a_source_that_is_loosened_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
