/*
 * PATCH, row by row: tests/data/scim/patch.json has one case for each cell of the table
 * of operations and targets, and for each oddity of the clients we know. A case:
 *
 *     "row"      what it shows          "type", "profile"   whose, and from whom
 *     "doc"      what stands there      "members"           of a group: who is one
 *     "ops"      the operations
 *     "result"   what is left; "add", "remove", "all": what is wanted of the members
 *     "fault"    or the scimType, with "says" in its sentence
 */
#include "tests/lib/test.h"

#include "base/jx.h"
#include "scim/codec.h"
#include "scim/patch.h"

#define PATCH_FILE "tests/data/scim/patch.json"
#define PATCH_BASE "https://leaverd.example.com/scim/v2/idp"

static json_t *cases_read(void)
{
	json_error_t error;
	json_t *cases = json_load_file(PATCH_FILE, JSON_REJECT_DUPLICATES, &error);

	if (!cases)
		fail_msg("%s:%d: %s", PATCH_FILE, error.line, error.text);
	return cases;
}

/* Members as the case lists them; each is called "name of ID". */
static int members_each(const struct scim_before *before, scim_member_fn fn, void *arg,
			struct err *err)
{
	json_t *id;
	size_t i;
	int r;

	json_array_foreach ((json_t *)before->ctx, i, id) {
		char name[100];

		snprintf(name, sizeof(name), "name of %s", json_string_value(id));
		r = fn(arg,
		       &(struct scim_member){ str_of(json_string_value(id)), str_of(name),
					      SCIM_USER },
		       err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int members_ask(const struct scim_before *before, struct str id, struct err *err)
{
	json_t *item;
	size_t i;

	(void)err;
	json_array_foreach ((json_t *)before->ctx, i, item) {
		if (str_eq(str_of(json_string_value(item)), id))
			return 0;
	}
	return SCIM_ABSENT;
}

/* What a case needs to be run. */
struct bench {
	enum scim_type type;
	unsigned profile;
	json_t *body, *doc;
	struct membership members;
	struct scim_before before;
	struct patch *patch;
	struct coercions coercions;
};

static void bench_done(struct bench *b)
{
	json_decref(b->body);
	json_decref(b->doc);
	membership_done(&b->members);
	patch_free(b->patch);
}

static void bench_begin(struct bench *b, const json_t *one)
{
	const char *type = jx_get_text(one, "type"), *profile = jx_get_text(one, "profile");
	const char *urn;

	*b = (struct bench){ .type = strcmp(type, "Group") == 0 ? SCIM_GROUP : SCIM_USER };
	urn = codec_schema(b->type)->urn;
	if (profile)
		assert_true(scim_profile(str_of(profile), &b->profile));
	b->body = json_pack("{s:[s],s:O}", "schemas", PATCH_URN, "Operations",
			    json_object_get(one, "ops"));
	b->doc = json_deep_copy(json_object_get(one, "doc"));
	assert_true(b->body && b->doc);
	json_object_set_new(b->doc, "id", json_string("own"));
	json_object_set_new(b->doc, "schemas", json_pack("[s]", urn));
	b->before = (struct scim_before){ .members = members_each,
					  .is_member = members_ask,
					  .ctx = json_object_get(one, "members") };
}

/* Parses, applies and brings into order; *ret is new. */
static int bench_run(struct bench *b, json_t **ret, struct err *err)
{
	const struct patch_options options = { b->type, b->profile, 100, PATCH_BASE };
	int r = patch_parse(b->body, &options, &b->patch, &b->coercions, err);

	if (r == 0)
		r = patch_apply(b->patch, b->doc, &b->members, &b->before, &b->coercions, err);
	if (r == 0)
		r = validate_whole(b->doc, codec_schema(b->type), err);
	if (r == 0)
		r = validate_order(b->doc, codec_schema(b->type), ret, err);
	return r;
}

static void assert_ids(const char *row, const char *which, const json_t *want,
		       const struct str *have, size_t n)
{
	json_t *id;
	size_t i;

	if (json_array_size(want) != n)
		fail_msg("%s: %zu ids to %s, not %zu", row, n, which, json_array_size(want));
	json_array_foreach ((json_t *)want, i, id) {
		if (!str_eq(str_of(json_string_value(id)), have[i]))
			fail_msg("%s: %s %zu is " STR_FMT, row, which, i, STR_ARG(have[i]));
	}
}

static void assert_members(const json_t *one, struct membership *m)
{
	const char *row = jx_get_text(one, "row");
	struct scim_members lists;
	struct err err;

	assert_ok(membership_lists(m, &lists, &err), &err);
	assert_ids(row, "add", json_object_get(one, "add"), lists.add, lists.add_n);
	assert_ids(row, "remove", json_object_get(one, "remove"), lists.remove, lists.remove_n);
	if (lists.all != json_is_true(json_object_get(one, "all")))
		fail_msg("%s: all is %d", row, lists.all);
}

/* The urns that must stand in schemas: the base, and each container of the result. */
static void assert_schemas(const char *row, enum scim_type type, const json_t *doc)
{
	const json_t *schemas = json_object_get(doc, "schemas");
	const char *name;
	json_t *value;
	size_t n = 1;

	assert_string_equal(json_string_value(json_array_get(schemas, 0)),
			    codec_schema(type)->urn);
	json_object_foreach ((json_t *)doc, name, value) {
		if (strncmp(name, "urn:", 4) == 0)
			n++;
	}
	if (json_array_size(schemas) != n)
		fail_msg("%s: %zu schemas, not %zu", row, json_array_size(schemas), n);
}

static void run_case(const json_t *one)
{
	const char *row = jx_get_text(one, "row"), *fault = jx_get_text(one, "fault"),
		   *says = jx_get_text(one, "says");
	CLEANUP(bench_done) struct bench b;
	CLEANUP(json_decref_at) json_t *out = NULL;
	struct err err = { 0 };
	char *text;
	int r;

	bench_begin(&b, one);
	r = bench_run(&b, &out, &err);
	if (fault) {
		const char *type = r < 0 ? err_class(r)->scim_type : "none";

		if (!type || strcmp(type, fault) != 0 || (says && !strstr(err.text, says)))
			fail_msg("%s: %s (%s), not %s", row, type, err.text, fault);
		return;
	}
	if (r < 0)
		fail_msg("%s: %s", row, err.text);
	assert_schemas(row, b.type, out);
	json_object_del(out, "schemas");
	json_object_del(out, "id");
	if (!json_equal(out, json_object_get(one, "result"))) {
		text = json_dumps(out, JSON_COMPACT);
		fail_msg("%s: %s", row, text);
	}
	if (b.type == SCIM_GROUP)
		assert_members(one, &b.members);
}

static void test_each_row_of_the_table_does_what_it_says(void **state)
{
	CLEANUP(json_decref_at) json_t *cases = cases_read();
	json_t *one;
	size_t i;

	(void)state;
	json_array_foreach (cases, i, one)
		run_case(one);
	assert_true(i > 100);
}

static void test_oddities_are_counted(void **state)
{
	static const struct {
		const char *op;
		enum coercion counted;
	} rows[] = {
		{ "{\"op\":\"Add\",\"path\":\"title\",\"value\":\"t\"}", COERCION_OP_CASE },
		{ "{\"op\":\"add\",\"path\":\"active\",\"value\":\"True\"}", COERCION_BOOLEAN },
		{ "{\"op\":\"add\",\"value\":{\"name.givenName\":\"G\"}}", COERCION_KEY_PATH },
		{ "{\"op\":\"add\",\"path\":\"manager\",\"value\":\"m\"}", COERCION_SHORT_URN },
		{ "{\"op\":\"add\",\"path\":\"manager\",\"value\":\"m\"}", COERCION_SCALAR },
		{ "{\"op\":\"add\",\"path\":\"emails[type eq "
		  "\\\"w\\\"].value\",\"value\":\"x\"}",
		  COERCION_CREATED },
		{ "{\"op\":\"remove\",\"path\":\"emails\",\"value\":[{\"value\":\"x\"}]}",
		  COERCION_SELECTOR },
		{ "{\"op\":\"add\",\"value\":{\"shoeSize\":1}}", COERCION_UNKNOWN_NAME },
		{ "{\"op\":\"add\",\"value\":{\"id\":\"own\"}}", COERCION_READ_ONLY },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(bench_done) struct bench b;
		CLEANUP(json_decref_at) json_t *one = NULL, *out = NULL;
		struct err err;

		one = json_pack("{s:s,s:{s:s},s:o}", "type", "User", "doc", "userName", "b",
				"ops", json_pack("[o]", json_loads(rows[i].op, 0, NULL)));
		assert_non_null(one);
		bench_begin(&b, one);
		assert_ok(bench_run(&b, &out, &err), &err);
		if (b.coercions.n[rows[i].counted] != 1)
			fail_msg("%s: %s is not counted", rows[i].op,
				 coercion_words[rows[i].counted]);
	}
}

static void test_too_many_operations_are_refused(void **state)
{
	CLEANUP(json_decref_at)
	json_t *ops = json_array(), *wide = json_object(), *one = NULL, *body = NULL;
	const struct patch_options options = { SCIM_USER, 0, 100, NULL };
	struct patch *p = NULL;
	struct err err;

	(void)state;
	for (int i = 0; i < 101; i++)
		json_array_append_new(ops,
				      json_pack("{s:s,s:s}", "op", "remove", "path", "title"));
	one = json_pack("{s:[s],s:O}", "schemas", PATCH_URN, "Operations", ops);
	assert_fault(patch_parse(one, &options, &p, NULL, &err), ERR_TOO_LARGE, &err,
		     "more than 100 operations");
	/* also those that one value hides */
	for (int i = 0; i < 101; i++) {
		char key[40];

		snprintf(key, sizeof(key), "emails[type eq \"%d\"].value", i);
		json_object_set_new(wide, key, json_string("x"));
	}
	body = json_pack("{s:[s],s:[{s:s,s:O}]}", "schemas", PATCH_URN, "Operations", "op",
			 "add", "value", wide);
	assert_fault(patch_parse(body, &options, &p, NULL, &err), ERR_TOO_LARGE, &err,
		     "more than 100 operations");
	assert_null(p);
}

/* Every case again, with each allocation failing once. */
static void test_patching_survives_each_lost_allocation(void **state)
{
	CLEANUP(json_decref_at) json_t *cases = NULL;
	json_t *one;
	size_t i;

	(void)state;
	fault_install();
	cases = cases_read();
	json_array_foreach (cases, i, one) {
		int nth = 0;
		bool fired;

		if (jx_get_text(one, "fault"))
			continue;
		do {
			CLEANUP(bench_done) struct bench b;
			CLEANUP(json_decref_at) json_t *out = NULL;
			struct scim_members lists;
			struct err err;
			int r;

			bench_begin(&b, one);
			fault_at(++nth);
			r = bench_run(&b, &out, &err);
			if (r == 0)
				r = membership_lists(&b.members, &lists, &err);
			fired = fault_fired();
			if (!(fired ? r == -ERR_NOMEM : r == 0))
				fail_msg("%s: allocation %d: %d %s", jx_get_text(one, "row"),
					 nth, r, r < 0 ? err.text : "");
		} while (fired);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_row_of_the_table_does_what_it_says),
		cmocka_unit_test(test_oddities_are_counted),
		cmocka_unit_test(test_too_many_operations_are_refused),
		cmocka_unit_test(test_patching_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
