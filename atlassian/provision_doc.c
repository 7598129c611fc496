#include "atlassian/provision_doc.h"

#include <stdio.h>

#define SCHEMA_USER "urn:ietf:params:scim:schemas:core:2.0:User"
#define SCHEMA_GROUP "urn:ietf:params:scim:schemas:core:2.0:Group"
#define SCHEMA_PATCH "urn:ietf:params:scim:api:messages:2.0:PatchOp"

/* --- reading -------------------------------------------------------------------------------
 */

static struct str text(const json_t *object, const char *key)
{
	const json_t *j = json_object_get(object, key);

	return json_is_string(j) ? str_n(json_string_value(j), json_string_length(j)) : STR("");
}

static struct str primary_email(const json_t *doc)
{
	const json_t *emails = json_object_get(doc, "emails"), *each;
	struct str first = STR("");
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)emails, i, each) {
		if (json_is_true(json_object_get(each, "primary")))
			return text(each, "value");
		if (i == 0)
			first = text(each, "value");
	}
	return first;
}

bool provision_user_read(const json_t *doc, struct atl_scim_user *ret, char *why, size_t room)
{
	const json_t *active = json_object_get(doc, "active");

	*ret = (struct atl_scim_user){ .id = text(doc, "id"),
				       .external_id = text(doc, "externalId") };
	ret->account = text(json_object_get(doc, PROVISION_ATLASSIAN), "atlassianAccountId");
	for (int i = 0; i < PROVISION_ATTR_COUNT; i++) {
		const struct provision_attr_row *row = &provision_attrs[i];
		const json_t *from = row->object ? json_object_get(doc, row->object) : doc;

		ret->attrs[i] = row->member ? text(from, row->member) : primary_email(doc);
	}
	/* some answers have it beside, not inside, the extension */
	if (!ret->attrs[PROVISION_DEPARTMENT].len)
		ret->attrs[PROVISION_DEPARTMENT] = text(doc, "department");
	ret->active = json_is_boolean(active) ? tri_of(json_is_true(active)) : TRI_UNKNOWN;
	if (!ret->id.len || !ret->attrs[PROVISION_USER_NAME].len) {
		(void)snprintf(why, room, "a record without %s",
			       ret->id.len ? "userName" : "id");
		return false;
	}
	return true;
}

int provision_group_read(const json_t *doc, struct vec_str *members, struct atl_scim_group *ret,
			 bool *whole, struct err *err)
{
	const json_t *list = json_object_get(doc, "members"), *each;
	size_t i;

	members->n = 0;
	*ret = (struct atl_scim_group){ .id = text(doc, "id"),
					.name = text(doc, "displayName") };
	*whole = ret->id.len && ret->name.len && (!list || json_is_array(list));
	json_array_foreach ((json_t *)(uintptr_t)list, i, each) {
		struct str value = text(each, "value");

		*whole = *whole && value.len;
		if (value.len && vec_str_add(members, value) < 0)
			return err_nomem(err);
	}
	ret->members = members->v;
	ret->member_count = members->n;
	return 0;
}

/* --- writing -------------------------------------------------------------------------------
 */

static int set_text(json_t *object, const char *key, struct str value, struct err *err)
{
	return jx_set(object, key, json_stringn(value.p ? value.p : "", value.len), err);
}

static json_t *texts(const char *one, const char *two)
{
	json_t *list = json_array();

	if (list && (json_array_append_new(list, json_string(one)) < 0 ||
		     (two && json_array_append_new(list, json_string(two)) < 0))) {
		json_decref(list);
		return NULL;
	}
	return list;
}

/* [{"value":…,"type":"work","primary":true}] */
static json_t *emails_of(struct str address)
{
	return json_pack("[{s:s%,s:s,s:b}]", "value", address.p, address.len, "type", "work",
			 "primary", 1);
}

/* A new document, or the fault of lost memory (or of a text that is no UTF-8). */
static int doc_new(json_t **ret, struct err *err)
{
	*ret = json_object();
	return *ret ? 0 : err_nomem(err);
}

static json_t *object_in(json_t *doc, const char *key, struct err *err)
{
	json_t *in = key ? json_object_get(doc, key) : doc;

	if (!in && jx_set(doc, key, json_object(), err) == 0)
		in = json_object_get(doc, key);
	return in;
}

int provision_user_doc(const struct atl_deed *deed, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	bool enterprise = deed->wanted[PROVISION_DEPARTMENT].len > 0;
	int r = doc_new(&doc, err);

	if (r == 0)
		r = jx_set(doc, "schemas",
			   texts(SCHEMA_USER, enterprise ? PROVISION_ENTERPRISE : NULL), err);
	for (int i = 0; i < PROVISION_ATTR_COUNT && r == 0; i++) {
		const struct provision_attr_row *row = &provision_attrs[i];
		json_t *in;

		if (!deed->wanted[i].len)
			continue;
		if (!row->member) {
			r = jx_set(doc, "emails", emails_of(deed->wanted[i]), err);
			continue;
		}
		in = object_in(doc, row->object, err);
		r = in ? set_text(in, row->member, deed->wanted[i], err) : -ERR_NOMEM;
	}
	if (r == 0 && deed->external_id.len)
		r = set_text(doc, "externalId", deed->external_id, err);
	if (r == 0)
		r = jx_set(doc, "active", json_true(), err);
	if (r == 0)
		*ret = TAKE(doc);
	return r;
}

static int patch_new(json_t **ret, json_t **operations, struct err *err)
{
	int r = doc_new(ret, err);

	if (r == 0)
		r = jx_set(*ret, "schemas", texts(SCHEMA_PATCH, NULL), err);
	if (r == 0)
		r = jx_set(*ret, "Operations", json_array(), err);
	if (r == 0)
		*operations = json_object_get(*ret, "Operations");
	return r;
}

/* value is stolen. */
static int operation(json_t *operations, const char *op, const char *path, json_t *value,
		     struct err *err)
{
	json_t *one = json_pack("{s:s,s:s}", "op", op, "path", path);
	int r;

	if (!one || !value) {
		json_decref(one);
		json_decref(value);
		return err_nomem(err);
	}
	r = jx_set(one, "value", value, err);
	if (r < 0) {
		json_decref(one);
		return r;
	}
	return jx_add(operations, one, err);
}

int provision_update_doc(const struct atl_deed *deed, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	json_t *operations = NULL;
	int r = patch_new(&doc, &operations, err);

	for (int i = 0; i < PROVISION_ATTR_COUNT && r == 0; i++) {
		const struct provision_attr_row *row = &provision_attrs[i];
		struct str value = deed->wanted[i];
		char path[160];

		if (!value.len)
			continue;
		if (!row->member) {
			r = operation(operations, "replace", "emails", emails_of(value), err);
			continue;
		}
		/* "name.givenName", "urn:…:User:department" */
		(void)snprintf(path, sizeof(path), "%s%s%s", row->object ? row->object : "",
			       !row->object                           ? ""
			       : strncmp(row->object, "urn:", 4) == 0 ? ":"
								      : ".",
			       row->member);
		r = operation(operations, "replace", path, json_stringn(value.p, value.len),
			      err);
	}
	if (r == 0 && deed->external_id.len)
		r = operation(operations, "replace", "externalId",
			      json_stringn(deed->external_id.p, deed->external_id.len), err);
	if (r == 0)
		*ret = TAKE(doc);
	return r;
}

int provision_active_doc(bool active, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	json_t *operations = NULL;
	int r = patch_new(&doc, &operations, err);

	if (r == 0)
		r = operation(operations, "replace", "active", json_boolean(active), err);
	if (r == 0)
		*ret = TAKE(doc);
	return r;
}

int provision_member_doc(bool add, struct str record, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	json_t *operations = NULL;
	int r = patch_new(&doc, &operations, err);

	if (r == 0)
		r = operation(operations, add ? "add" : "remove", "members",
			      json_pack("[{s:s%}]", "value", record.p, record.len), err);
	if (r == 0)
		*ret = TAKE(doc);
	return r;
}

int provision_group_doc(struct str name, json_t **ret, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	int r = doc_new(&doc, err);

	if (r == 0)
		r = jx_set(doc, "schemas", texts(SCHEMA_GROUP, NULL), err);
	if (r == 0)
		r = set_text(doc, "displayName", name, err);
	if (r == 0)
		*ret = TAKE(doc);
	return r;
}
