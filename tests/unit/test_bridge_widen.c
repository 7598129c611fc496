/* What of a changed configuration lets more happen. */
#include "tests/lib/test.h"

#include "bridge/widen.h"

#define BEFORE                                                                                 \
	"instance:\n  name: acme\n"                                                            \
	"approvals:\n  signed: always\n  single_admin: false\n  single_delay: 4h\n"            \
	"sources:\n  - name: corp\n    kind: ldap\n    role: directory\n    gone_reads: 3\n"   \
	"    gone_after: 1d\n    max_age: 36h\n    ldap:\n      uris:\n"                       \
	"        - \"ldaps://one.example.com\"\n      drop_count: 3\n      drop_share: 0.02\n" \
	"organisations:\n  - name: acme\n    provisioning:\n      directory: 1f2e\n"           \
	"      automatic: false\n      preboard: 1d\n"                                         \
	"      groups:\n        - name: sales\n          when: a\n"                            \
	"          overlap: 14d\n"                                                             \
	"policy:\n  settle: 10min\n  shipped: true\n  rules:\n    - name: idle\n"              \
	"      when: \"lastActive lt now-90d\"\n      then:\n        - warn\n"                 \
	"        - free-seat after 14d\n      automatic: \"false\"\n"                          \
	"      limit: 9 in 24h\n      off: false\n"                                            \
	"  match:\n    - name: mail\n      on: email\n  protections:\n    - name: ops\n"       \
	"      when: \"title eq ops\"\n  limits:\n    leavers_day:\n      count: 3\n"          \
	"      share: 0.02\n  change_hours:\n    on: true\n    quiet_from: Fri 15:00\n"

static const struct {
	const char *from, *to; /* in BEFORE, replaced */
	int differs, wider;
	const char *says; /* of the first that lets more */
} cases[] = {
	{ "name: acme", "name: acme", 0, 0, NULL },
	{ "name: acme", "name: beta", 1, 0, NULL },
	{ "count: 3\n      share", "count: 4\n      share", 1, 1,
	  "policy.limits.leavers_day.count: 3 -> 4" },
	{ "count: 3\n      share", "count: 2\n      share", 1, 0, NULL },
	{ "share: 0.02\n  change", "share: 0.1\n  change", 1, 1, "leavers_day.share" },
	{ "automatic: \"false\"", "automatic: \"true\"", 1, 1, "policy.rules.idle.automatic" },
	{ "automatic: \"false\"", "automatic: as-shipped", 1, 1, "automatic" },
	{ "off: false", "off: true", 1, 0, NULL },
	{ "free-seat after 14d", "free-seat after 7d", 1, 1, "policy.rules.idle.then" },
	/* another limit of its own, or none any more; one that comes lets less */
	{ "limit: 9 in 24h", "limit: 5 or 2 % in 7d", 1, 1, "policy.rules.idle.limit" },
	{ "      limit: 9 in 24h\n", "", 1, 1, "policy.rules.idle.limit" },
	{ "free-seat after 14d", "free-seat after 3w", 1, 0, NULL },
	{ "free-seat after 14d", "suspend after 14d", 1, 1, "then" },
	{ "        - free-seat after 14d\n", "", 1, 0, NULL },    /* a step less */
	{ "        - warn\n", "", 1, 1, "then" },                 /* but the warning goes */
	{ "now-90d", "now-91d", 1, 1, "policy.rules.idle.when" }, /* who can tell */
	{ "    - name: idle\n", "    - name: more\n      when: a\n    - name: idle\n", 2, 2,
	  "policy.rules.more.name: (nothing) -> more" },
	{ "settle: 10min", "settle: 5min", 1, 1, "policy.settle: 10min -> 5min" },
	{ "settle: 10min", "settle: 1h", 1, 0, NULL },
	{ "shipped: true", "shipped: false", 1, 0, NULL },
	/* a matching rule that comes, one that goes */
	{ "    - name: mail\n", "    - name: id\n      on: external-id\n    - name: mail\n", 2,
	  2, "policy.match.id" },
	{ "    - name: mail\n      on: email\n", "", 2, 0, NULL },
	/* a protection that goes, one that comes, one that changes */
	{ "    - name: ops\n      when: \"title eq ops\"\n", "", 2, 2,
	  "policy.protections.ops" },
	{ "    - name: ops\n", "    - name: hr\n      when: x\n    - name: ops\n", 2, 0, NULL },
	{ "title eq ops", "title eq op", 1, 1, "policy.protections.ops.when" },
	{ "on: true\n    quiet", "on: false\n    quiet", 1, 1, "policy.change_hours.on" },
	{ "Fri 15:00", "Fri 20:00", 1, 1, "quiet_from" },
	{ "signed: always", "signed: where-two-are-needed", 1, 1, "approvals.signed" },
	{ "single_admin: false", "single_admin: true", 1, 1, "approvals.single_admin" },
	{ "single_delay: 4h", "single_delay: 5h", 1, 0, NULL },
	{ "single_delay: 4h", "single_delay: 10min", 1, 1, "approvals.single_delay" },
	/* how a source is judged; where it is lets nothing more happen */
	{ "role: directory", "role: hr", 1, 1, "sources.corp.role" },
	{ "gone_reads: 3", "gone_reads: 2", 1, 1, "sources.corp.gone_reads" },
	{ "gone_after: 1d", "gone_after: 2d", 1, 0, NULL },
	{ "max_age: 36h", "max_age: 3d", 1, 1, "sources.corp.max_age" },
	{ "drop_count: 3", "drop_count: 50", 1, 1, "sources.corp.ldap.drop_count" },
	{ "one.example.com", "two.example.com", 1, 0, NULL },
	/* the policy approves what is told to a directory; another directory */
	{ "automatic: false\n", "automatic: true\n", 1, 1,
	  "organisations.acme.provisioning.automatic: false -> true" },
	{ "directory: 1f2e", "directory: 2f3e", 1, 1, "provisioning.directory" },
	/* people are told of earlier, or later */
	{ "preboard: 1d", "preboard: 3d", 1, 1,
	  "organisations.acme.provisioning.preboard: 1d -> 3d" },
	{ "preboard: 1d", "preboard: 1h", 1, 0, NULL },
	/* who leaves a group leaves it earlier, or later */
	{ "overlap: 14d", "overlap: 1d", 1, 1,
	  "organisations.acme.provisioning.groups.sales.overlap: 14d -> 1d" },
	{ "overlap: 14d", "overlap: 30d", 1, 0, NULL },
	{ "      directory: 1f2e\n", "", 1, 0, NULL },
	/* the order of trust, and which rule matches first */
	{ "  - name: corp\n    kind: ldap\n    role: directory\n",
	  "  - name: idp\n    kind: scim\n    role: idp\n"
	  "  - name: corp\n    kind: ldap\n    role: directory\n",
	  3, 1, "sources.idp.role" },
	/* keys that are no plain words */
	{ "      drop_count: 3\n",
	  "      map:\n        \"emails[type eq \\\"work\\\"].value\": mail\n"
	  "        \"urn:x:department\": dept\n        \"urn:x:costCenter\": cc\n"
	  "      drop_count: 3\n",
	  3, 0, NULL },
	/* a setting that no row knows asks */
	{ "  settle: 10min\n", "  settle: 10min\n  appetite: great\n", 1, 1,
	  "policy.appetite" },
};

static void test_what_lets_more_happen_is_told_from_what_does_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		CLEANUP(json_decref_at) json_t *diff = json_array(), *wider = json_array();
		CLEANUP(buf_done) struct buf is;
		static const char before[] = BEFORE;
		struct err err = { 0 };
		const char *at, *says;

		buf_init(&is, 65536);
		at = strstr(before, cases[i].from);
		assert_non_null(at);
		buf_add(&is, before, (size_t)(at - before));
		buf_add_text(&is, cases[i].to);
		buf_add_text(&is, at + strlen(cases[i].from));
		assert_ok(widen_compare(str_of(before), buf_str(&is),
					STR("  - name: leaver-hr\n"), diff, wider, &err),
			  &err);
		if ((int)json_array_size(diff) != cases[i].differs ||
		    (int)json_array_size(wider) != cases[i].wider)
			fail_msg("%s -> %s: %zu differ, %zu let more", cases[i].from,
				 cases[i].to, json_array_size(diff), json_array_size(wider));
		says = json_string_value(json_array_get(wider, 0));
		if (cases[i].says && !strstr(says, cases[i].says))
			fail_msg("\"%s\" does not say %s", says, cases[i].says);
	}
}

static void test_another_order_of_what_is_asked_first_lets_more_happen(void **state)
{
	static const char was[] = "sources:\n  - name: hr\n    role: hr\n  - name: ad\n"
				  "    role: directory\npolicy:\n  match:\n    - name: id\n"
				  "      on: external-id\n    - name: mail\n      on: email\n";
	static const char is[] = "sources:\n  - name: ad\n    role: directory\n  - name: hr\n"
				 "    role: hr\npolicy:\n  match:\n    - name: mail\n"
				 "      on: email\n    - name: id\n      on: external-id\n";
	CLEANUP(json_decref_at) json_t *diff = json_array(), *wider = json_array();
	struct err err = { 0 };

	(void)state;
	assert_ok(widen_compare(str_of(was), str_of(is), STR(""), diff, wider, &err), &err);
	assert_int_equal(json_array_size(diff), 2);
	assert_int_equal(json_array_size(wider), 2);
	assert_string_equal(json_string_value(json_array_get(wider, 0)),
			    "sources.(order): hr, ad -> ad, hr");
	assert_string_equal(json_string_value(json_array_get(wider, 1)),
			    "policy.match.(order): id, mail -> mail, id");
}

/* A rule that the program has by itself becomes as shipped when the file does not name it any
 * more; another is gone. */
static void test_a_rule_that_goes_lets_less_unless_it_is_shipped(void **state)
{
	static const char was[] = "policy:\n  rules:\n    - name: leaver-hr\n      off: true\n"
				  "    - name: idle\n      off: false\n";
	static const char is[] = "policy:\n  settle: 1min\n";
	CLEANUP(json_decref_at) json_t *diff = json_array(), *wider = json_array();
	struct err err = { 0 };

	(void)state;
	assert_ok(widen_compare(STR("policy:\n  settle: 1min\n"), str_of(is), STR(""), diff,
				wider, &err),
		  &err);
	assert_int_equal(json_array_size(diff), 0);
	assert_ok(widen_compare(str_of(was), str_of(is), STR("    - name: leaver-hr\n"), diff,
				wider, &err),
		  &err);
	assert_int_equal(json_array_size(wider), 3); /* settle, and both lines of leaver-hr */
	for (size_t i = 1; i < 3; i++)
		assert_non_null(
			strstr(json_string_value(json_array_get(wider, i)), "leaver-hr"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_lets_more_happen_is_told_from_what_does_not),
		cmocka_unit_test(test_another_order_of_what_is_asked_first_lets_more_happen),
		cmocka_unit_test(test_a_rule_that_goes_lets_less_unless_it_is_shipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
