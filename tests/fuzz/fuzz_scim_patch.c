/*
 * PATCH operations on a user and on a group. The first byte chooses type and profile, the rest
 * is the JSON of Operations. What applies leaves a document that is still a clean one: held
 * against the schemas again, it does not change.
 */
#include <stdlib.h>

#include "base/jx.h"
#include "scim/codec.h"
#include "scim/patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char user[] =
	"{\"schemas\":[\"" SCHEMA_USER "\",\"" SCHEMA_ENTERPRISE "\"],\"id\":\"own\","
	"\"userName\":\"b\",\"name\":{\"familyName\":\"F\",\"givenName\":\"G\"},\"active\":"
	"true,"
	"\"emails\":[{\"value\":\"w@x\",\"type\":\"work\",\"primary\":true},{\"value\":\"h@x\","
	"\"type\":\"home\"}],\"addresses\":[{\"type\":\"work\",\"locality\":\"L\"}],"
	"\"" SCHEMA_ENTERPRISE "\":{\"department\":\"D\",\"manager\":{\"value\":\"m\"}}}";
static const char group[] =
	"{\"schemas\":[\"" SCHEMA_GROUP "\"],\"id\":\"own\",\"displayName\":\"g\"}";

static void must(bool truth)
{
	if (!truth)
		abort();
}

static int one_member(const struct scim_before *before, scim_member_fn fn, void *arg,
		      struct err *err)
{
	struct scim_member member = { STR("a"), STR("A"), SCIM_USER };

	(void)before;
	return fn(arg, &member, err);
}

static int is_member(const struct scim_before *before, struct str id, struct err *err)
{
	(void)before;
	(void)err;
	return str_eq(id, STR("a")) ? 0 : SCIM_ABSENT;
}

static void still_clean(const json_t *doc, const struct schema *schema)
{
	CLEANUP(json_decref_at) json_t *ordered = NULL, *again = NULL;
	struct err err;

	if (validate_whole(doc, schema, &err) < 0)
		return; /* the server refuses it then */
	must(validate_order(doc, schema, &ordered, &err) == 0);
	json_object_del(ordered, "id");
	must(validate_document(ordered, schema, 0, &again, NULL, &err) == 0);
	must(json_equal(ordered, again));
}

static void patch_one(const json_t *body, enum scim_type type, unsigned profile)
{
	const struct patch_options options = { type, profile, 50, NULL };
	const struct scim_before before = { .members = one_member, .is_member = is_member };
	CLEANUP(patch_free_at) struct patch *p = NULL;
	CLEANUP(membership_done) struct membership members = { 0 };
	CLEANUP(json_decref_at) json_t *doc = NULL;
	struct coercions coercions = { 0 };
	struct scim_members lists;
	struct err err;

	if (patch_parse(body, &options, &p, &coercions, &err) < 0)
		return;
	doc = json_loads(type == SCIM_USER ? user : group, 0, NULL);
	if (patch_apply(p, doc, &members, &before, &coercions, &err) < 0)
		return;
	must(strcmp(jx_get_text(doc, "id"), "own") == 0);
	must(membership_lists(&members, &lists, &err) == 0);
	for (size_t i = 0; i < lists.add_n; i++)
		must(lists.add[i].len > 0 && !str_eq(lists.add[i], STR("own")));
	still_clean(doc, codec_schema(type));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(json_decref_at) json_t *ops = NULL, *body = NULL;

	if (size == 0 ||
	    jx_parse(str_n((const char *)data + 1, size - 1), JX_STRICT, &ops, NULL) < 0)
		return 0;
	body = json_pack("{s:[s],s:O}", "schemas", PATCH_URN, "Operations", ops);
	must(body != NULL);
	patch_one(body, data[0] & 1 ? SCIM_GROUP : SCIM_USER, data[0] >> 1);
	return 0;
}
