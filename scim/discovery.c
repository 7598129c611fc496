#include "scim/discovery.h"

#include "base/jx.h"
#include "model/schema.h"
#include "scim/list.h"
#include "scim/params.h"

#define URN_CONFIG "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
#define URN_TYPE "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
#define URN_SCHEMA "urn:ietf:params:scim:schemas:core:2.0:Schema"

/* --- building blocks ------------------------------------------------------------------------
 */

/* A comma before what follows, unless it begins an object or a list. */
static void comma(struct buf *b)
{
	char last = b->len > 0 ? b->p[b->len - 1] : '{';

	if (last != '{' && last != '[')
		buf_add_char(b, ',');
}

static void key(struct buf *b, const char *name)
{
	comma(b);
	buf_addf(b, "\"%s\":", name);
}

static void text(struct buf *b, const char *name, const char *value)
{
	key(b, name);
	buf_add_json(b, str_of(value));
}

static void flag(struct buf *b, const char *name, bool value)
{
	key(b, name);
	buf_add_text(b, value ? "true" : "false");
}

static void number(struct buf *b, const char *name, unsigned value)
{
	key(b, name);
	buf_addf(b, "%u", value);
}

static void begin(struct buf *b, const char *urn)
{
	comma(b);
	buf_addf(b, "{\"schemas\":[\"%s\"]", urn);
}

static void meta(struct buf *b, const char *base, const char *type, const char *endpoint,
		 const char *name)
{
	key(b, "meta");
	buf_addf(b, "{\"resourceType\":\"%s\",\"location\":\"%s/%s%s%s\"}", type, base,
		 endpoint, name ? "/" : "", name ? name : "");
}

static int answer(struct scim_call *call, struct err *err)
{
	int r = buf_fault(call->res->body, err, "the response");

	if (r < 0)
		return r;
	call_answer(call, 200, true);
	return HTTP_DONE;
}

/* --- ServiceProviderConfig ------------------------------------------------------------------
 */

static void supported(struct buf *b, const char *name, bool value)
{
	key(b, name);
	buf_add_char(b, '{');
	flag(b, "supported", value);
	buf_add_char(b, '}');
}

/* RFC 9865 section 4. */
static void pagination(const struct scim_call *call, struct buf *b)
{
	key(b, "pagination");
	buf_add_char(b, '{');
	flag(b, "cursor", true);
	flag(b, "index", true);
	text(b, "defaultPaginationMethod", "index");
	number(b, "defaultPageSize", call->options->max_results);
	number(b, "maxPageSize", call->options->max_results);
	number(b, "cursorTimeout", CURSOR_TIMEOUT_S);
	buf_add_char(b, '}');
}

int discovery_config(struct scim_call *call, struct err *err)
{
	struct buf *b = call->res->body;

	begin(b, URN_CONFIG);
	if (call->options->docs_url)
		text(b, "documentationUri", call->options->docs_url);
	supported(b, "patch", true);
	key(b, "bulk"); /* all three, or some clients believe in no PATCH either */
	buf_addf(b, "{\"supported\":true,\"maxOperations\":%zu,\"maxPayloadSize\":%lld}",
		 call->options->bulk_operations, (long long)call->options->bulk_bytes);
	key(b, "filter");
	buf_add_char(b, '{');
	flag(b, "supported", true);
	number(b, "maxResults", call->options->max_results);
	buf_add_char(b, '}');
	supported(b, "changePassword", false);
	supported(b, "sort", true);
	supported(b, "etag", true);
	pagination(call, b);
	key(b, "authenticationSchemes");
	buf_add_text(b, "[{\"type\":\"oauthbearertoken\",\"name\":\"Bearer token\","
			"\"description\":\"A token made by leaverd for this source.\","
			"\"specUri\":\"https://www.rfc-editor.org/info/rfc6750\","
			"\"primary\":true}]");
	meta(b, call->base, "ServiceProviderConfig", "ServiceProviderConfig", NULL);
	buf_add_char(b, '}');
	return answer(call, err);
}

/* --- lists ----------------------------------------------------------------------------------
 */

/* RFC 7644 section 4: a filter on these lists is refused. */
static int filter_check(struct scim_call *call, struct err *err)
{
	CLEANUP(buf_done) struct buf unused;
	int r;

	buf_init(&unused, 64 * 1024);
	r = params_get(call->req->query, "filter", &unused, err);
	if (r <= 0)
		return r;
	return err_set(err, ERR_FORBIDDEN, "discovery endpoints take no filter");
}

static void list_begin(struct buf *b, size_t n)
{
	begin(b, LIST_URN);
	buf_addf(b, ",\"totalResults\":%zu,\"startIndex\":1,\"itemsPerPage\":%zu", n, n);
	key(b, "Resources");
	buf_add_char(b, '[');
}

static void list_end(struct buf *b)
{
	buf_add_text(b, "]}");
}

/* --- ResourceTypes --------------------------------------------------------------------------
 */

static const struct resource_type {
	const char *name, *endpoint, *description;
	const struct schema *schema;
	bool extensions;
} resource_types[] = {
	{ "User", "/Users", "User Account", &schema_user, true },
	{ "Group", "/Groups", "Group", &schema_group, false },
};

static void type_add(struct scim_call *call, const struct resource_type *t)
{
	struct buf *b = call->res->body;

	begin(b, URN_TYPE);
	text(b, "id", t->name);
	text(b, "name", t->name);
	text(b, "endpoint", t->endpoint);
	text(b, "description", t->description);
	text(b, "schema", t->schema->urn);
	if (t->extensions) {
		key(b, "schemaExtensions");
		buf_add_char(b, '[');
		for (size_t i = 0; schema_all[i]; i++) {
			if (!schema_all[i]->extension)
				continue;
			comma(b);
			buf_add_char(b, '{');
			text(b, "schema", schema_all[i]->urn);
			flag(b, "required", false);
			buf_add_char(b, '}');
		}
		buf_add_char(b, ']');
	}
	meta(b, call->base, "ResourceType", "ResourceTypes", t->name);
	buf_add_char(b, '}');
}

int discovery_types(struct scim_call *call, struct str name, struct err *err)
{
	int r = name.len == 0 ? filter_check(call, err) : 0;

	if (r < 0)
		return r;
	for (size_t i = 0; name.len > 0 && i < COUNT_OF(resource_types); i++) {
		if (!str_ieq(name, str_of(resource_types[i].name)))
			continue;
		type_add(call, &resource_types[i]);
		return answer(call, err);
	}
	if (name.len > 0)
		return err_set(err, ERR_NOT_FOUND, "there is no such resource type");
	list_begin(call->res->body, COUNT_OF(resource_types));
	for (size_t i = 0; i < COUNT_OF(resource_types); i++)
		type_add(call, &resource_types[i]);
	list_end(call->res->body);
	return answer(call, err);
}

/* --- Schemas --------------------------------------------------------------------------------
 */

static void words_add(struct buf *b, const struct schema_attr *attr)
{
	key(b, attr->type == ATTR_REFERENCE ? "referenceTypes" : "canonicalValues");
	buf_add_char(b, '[');
	for (size_t i = 0; attr->words[i]; i++) {
		comma(b);
		buf_add_json(b, str_of(attr->words[i]));
	}
	buf_add_char(b, ']');
}

static void attrs_add(struct buf *b, const char *name, const struct schema_attr *table);

static void attr_add(struct buf *b, const struct schema_attr *attr)
{
	bool plain = attr->type != ATTR_COMPLEX && attr->type != ATTR_BOOLEAN;

	comma(b);
	buf_add_char(b, '{');
	text(b, "name", attr->name);
	text(b, "type", schema_type_word(attr->type));
	flag(b, "multiValued", attr->multi);
	text(b, "description", attr->description);
	flag(b, "required", attr->required);
	if (attr->words)
		words_add(b, attr);
	if (plain) /* erratum 6004 */
		flag(b, "caseExact", attr->case_exact);
	text(b, "mutability", schema_mutability_word(attr->mutability));
	text(b, "returned", schema_returned_word(attr->returned));
	if (plain)
		text(b, "uniqueness", schema_uniqueness_word(attr->uniqueness));
	if (attr->sub)
		attrs_add(b, "subAttributes", attr->sub);
	buf_add_char(b, '}');
}

static void attrs_add(struct buf *b, const char *name, const struct schema_attr *table)
{
	key(b, name);
	buf_add_char(b, '[');
	for (; table->name; table++)
		if (table->mutability != ATTR_WRITE_ONLY) /* a password is never kept */
			attr_add(b, table);
	buf_add_char(b, ']');
}

static void schema_add(struct scim_call *call, const struct schema *s)
{
	struct buf *b = call->res->body;

	begin(b, URN_SCHEMA);
	text(b, "id", s->urn);
	text(b, "name", s->name);
	text(b, "description", s->description);
	attrs_add(b, "attributes", s->attrs);
	meta(b, call->base, "Schema", "Schemas", s->urn);
	buf_add_char(b, '}');
}

int discovery_schemas(struct scim_call *call, struct str urn, struct err *err)
{
	const struct schema *s = schema_by_urn(urn);
	size_t n = 0;
	int r;

	if (s) {
		schema_add(call, s);
		return answer(call, err);
	}
	if (urn.len > 0)
		return err_set(err, ERR_NOT_FOUND, "there is no such schema");
	r = filter_check(call, err);
	if (r < 0)
		return r;
	while (schema_all[n])
		n++;
	list_begin(call->res->body, n);
	for (size_t i = 0; i < n; i++)
		schema_add(call, schema_all[i]);
	list_end(call->res->body);
	return answer(call, err);
}
