/* Scim/check: judgements that clauses cannot make. */
#include "scim/check_run.h"

#define USER_URN "urn:ietf:params:scim:schemas:core:2.0:User"

static int wrong(struct buf *why, const char *format, ...) PRINTF(2, 3);

static int wrong(struct buf *why, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_add_text(why, text);
	return 1;
}

static const json_t *member(const json_t *object, const char *name)
{
	return json_is_object(object) ? jx_get_i(object, str_of(name)) : NULL;
}

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(member(object, name));
}

static const json_t *resources(const struct check *c)
{
	return member(c->doc, "Resources");
}

static bool word_among(const char *words, const char *word)
{
	struct str rest = str_of(words), one;

	while (word && rest.len) {
		struct str next;

		str_cut(rest, ' ', &one, &next);
		if (str_eq(one, str_of(word)))
			return true;
		rest = next;
	}
	return false;
}

/* --- ServiceProviderConfig ------------------------------------------------------------------
 */

int judge_config(struct check *c, struct buf *why)
{
	static const struct {
		const char *feature, *member;
		bool number;
	} rows[] = {
		{ "patch", "supported", false },          { "bulk", "supported", false },
		{ "bulk", "maxOperations", true },        { "bulk", "maxPayloadSize", true },
		{ "filter", "supported", false },         { "filter", "maxResults", true },
		{ "changePassword", "supported", false }, { "sort", "supported", false },
		{ "etag", "supported", false },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const json_t *v = member(member(c->doc, rows[i].feature), rows[i].member);

		if (!v)
			return wrong(why, "%s.%s is not there", rows[i].feature,
				     rows[i].member);
		if (rows[i].number ? !json_is_integer(v) : !json_is_boolean(v))
			return wrong(why, "%s.%s is not %s", rows[i].feature, rows[i].member,
				     rows[i].number ? "an integer" : "true or false");
	}
	return 0;
}

int judge_auth_schemes(struct check *c, struct buf *why)
{
	static const char *const members[] = { "type", "name", "description" };
	const json_t *list = member(c->doc, "authenticationSchemes"), *each;
	size_t i;

	if (!json_array_size(list))
		return wrong(why, "authenticationSchemes is not a list with anything in it");
	json_array_foreach ((json_t *)list, i, each)
		for (size_t m = 0; m < COUNT_OF(members); m++)
			if (!text_of(each, members[m]))
				return wrong(why, "authenticationSchemes[%zu].%s is not a text",
					     i, members[m]);
	return 0;
}

/* --- ResourceTypes --------------------------------------------------------------------------
 */

int judge_types(struct check *c, struct buf *why)
{
	static const char *const members[] = { "name", "endpoint", "schema" };
	const json_t *each;
	size_t i;

	if (!json_array_size(resources(c)))
		return wrong(why, "Resources is not a list with anything in it");
	json_array_foreach ((json_t *)resources(c), i, each)
		for (size_t m = 0; m < COUNT_OF(members); m++)
			if (!text_of(each, members[m]))
				return wrong(why, "Resources[%zu].%s is not a text", i,
					     members[m]);
	return 0;
}

static bool schema_known(const struct check *c, const char *urn)
{
	const json_t *each;
	size_t i;

	json_array_foreach ((json_t *)member(c->schemas, "Resources"), i, each) {
		const char *id = text_of(each, "id");

		if (id && urn && !strcasecmp(id, urn))
			return true;
	}
	return false;
}

int judge_type_schemas(struct check *c, struct buf *why)
{
	const json_t *each, *extension;
	size_t i, k;

	if (!json_array_size(resources(c)))
		return wrong(why, "Resources is not a list with anything in it");
	json_array_foreach ((json_t *)resources(c), i, each) {
		if (!schema_known(c, text_of(each, "schema")))
			return wrong(why, "the schema of Resources[%zu] is not in /Schemas", i);
		json_array_foreach ((json_t *)member(each, "schemaExtensions"), k, extension)
			if (!schema_known(c, text_of(extension, "schema")))
				return wrong(why,
					     "extension %zu of Resources[%zu] is not in "
					     "/Schemas",
					     k, i);
	}
	return 0;
}

/* --- Schemas --------------------------------------------------------------------------------
 */

int judge_schemas(struct check *c, struct buf *why)
{
	const json_t *each;
	size_t i;

	if (!json_array_size(resources(c)))
		return wrong(why, "Resources is not a list with anything in it");
	json_array_foreach ((json_t *)resources(c), i, each) {
		if (!text_of(each, "id"))
			return wrong(why, "Resources[%zu].id is not a text", i);
		if (!json_array_size(member(each, "attributes")))
			return wrong(why, "Resources[%zu].attributes is not a list of any", i);
	}
	return 0;
}

typedef int (*attr_judge)(const char *path, const json_t *attr, bool inside, struct buf *why);

static int each_attr(const json_t *list, const char *above, attr_judge judge, struct buf *why)
{
	const json_t *attr;
	char path[200];
	size_t i;
	int r = 0;

	json_array_foreach ((json_t *)list, i, attr) {
		const char *name = text_of(attr, "name");

		snprintf(path, sizeof(path), "%s%s%.80s", above ? above : "", above ? "." : "",
			 name ? name : "(no name)");
		if (r == 0)
			r = judge(path, attr, above != NULL, why);
		if (r == 0 && !above)
			r = each_attr(member(attr, "subAttributes"), path, judge, why);
	}
	return r;
}

static int all_attrs(struct check *c, attr_judge judge, struct buf *why)
{
	const json_t *each;
	size_t i;
	int r = 0;

	json_array_foreach ((json_t *)resources(c), i, each)
		if (r == 0)
			r = each_attr(member(each, "attributes"), NULL, judge, why);
	return r;
}

/* clang-format off */
static const struct { const char *member, *words; bool required; } keywords[] = {
	{ "type",       "string boolean decimal integer dateTime binary reference complex", true },
	{ "mutability", "readOnly readWrite immutable writeOnly", false },
	{ "returned",   "always never default request", false },
	{ "uniqueness", "none server global", false },
};
/* clang-format on */

static int attr_words(const char *path, const json_t *attr, bool inside, struct buf *why)
{
	const char *name;
	json_t *value;

	(void)inside;
	if (!text_of(attr, "name"))
		return wrong(why, "%s: name is not a text", path);
	json_object_foreach ((json_t *)attr, name, value)
		if (json_is_null(value))
			return wrong(why, "%s: a member is null", path);
	for (size_t i = 0; i < COUNT_OF(keywords); i++) {
		const json_t *v = member(attr, keywords[i].member);

		if ((v || keywords[i].required) &&
		    !word_among(keywords[i].words, json_string_value(v)))
			return wrong(why, "%s: %s is not one of: %s", path, keywords[i].member,
				     keywords[i].words);
	}
	if (!json_is_boolean(member(attr, "multiValued")))
		return wrong(why, "%s: multiValued is not true or false", path);
	return 0;
}

int judge_attributes(struct check *c, struct buf *why)
{
	return all_attrs(c, attr_words, why);
}

static int attr_flat(const char *path, const json_t *attr, bool inside, struct buf *why)
{
	const char *type = text_of(attr, "type");

	if (inside && type && !strcmp(type, "complex"))
		return wrong(why, "%s is complex inside a complex attribute", path);
	return 0;
}

int judge_complex(struct check *c, struct buf *why)
{
	return all_attrs(c, attr_flat, why);
}

int judge_messages(struct check *c, struct buf *why)
{
	const json_t *each;
	size_t i;

	json_array_foreach ((json_t *)resources(c), i, each) {
		const char *id = text_of(each, "id");

		if (id && !strncasecmp(id, "urn:ietf:params:scim:api:", 25))
			return wrong(why, "Resources[%zu] is a message: %.120s", i, id);
	}
	return 0;
}

/* --- what the schema declares ---------------------------------------------------------------
 */

static const json_t *schema_attributes(const struct check *c, const char *urn)
{
	const json_t *each;
	size_t i;

	json_array_foreach ((json_t *)member(c->schemas, "Resources"), i, each) {
		const char *id = text_of(each, "id");

		if (id && !strcasecmp(id, urn))
			return member(each, "attributes");
	}
	return NULL;
}

static bool attribute_among(const json_t *list, struct str name)
{
	const json_t *each;
	size_t i;

	json_array_foreach ((json_t *)list, i, each) {
		const char *text = text_of(each, "name");

		if (text && str_ieq(str_of(text), name))
			return true;
	}
	return false;
}

bool check_declares(const struct check *c, const char *names, char missing[64])
{
	const json_t *attributes = schema_attributes(c, USER_URN);
	struct str rest = str_of(names), one;

	while (attributes && rest.len) {
		struct str next;

		str_cut(rest, ' ', &one, &next);
		if (!attribute_among(attributes, one)) {
			snprintf(missing, 64, STR_FMT, STR_ARG(one));
			return false;
		}
		rest = next;
	}
	return true;
}

static bool common(const char *name)
{
	return word_among("schemas id externalid meta", name) ||
	       !strcasecmp(name, "externalId");
}

int judge_declared(struct check *c, struct buf *why)
{
	const json_t *attributes = schema_attributes(c, USER_URN), *each;
	const char *name;
	json_t *value;
	size_t i;

	if (!attributes)
		return wrong(why, "/Schemas has no schema of User to hold it against");
	json_array_foreach ((json_t *)resources(c), i, each)
		json_object_foreach ((json_t *)each, name, value) {
			bool known = strchr(name, ':')
					     ? schema_known(c, name)
					     : common(name) || attribute_among(attributes,
									       str_of(name));

			if (!known)
				return wrong(why,
					     "%.120s is returned, but /Schemas has no "
					     "such attribute",
					     name);
		}
	return 0;
}

/* --- lists ----------------------------------------------------------------------------------
 */

int judge_list(struct check *c, struct buf *why)
{
	const json_t *total = member(c->doc, "totalResults");
	size_t n = json_array_size(resources(c));

	if (!json_is_integer(total))
		return wrong(why, "totalResults is not an integer");
	if ((size_t)json_integer_value(total) < n)
		return wrong(why, "totalResults is %lld with %zu resources on the page",
			     (long long)json_integer_value(total), n);
	if (json_integer_value(total) > 0 && !json_is_array(resources(c)))
		return wrong(why, "totalResults is %lld and Resources is not a list",
			     (long long)json_integer_value(total));
	return 0;
}

int judge_page(struct check *c, struct buf *why)
{
	const json_t *per_page = member(c->doc, "itemsPerPage");
	size_t n = json_array_size(resources(c));

	if (!json_is_integer(per_page))
		return wrong(why, "itemsPerPage is not an integer");
	if ((size_t)json_integer_value(per_page) != n)
		return wrong(why, "itemsPerPage is %lld with %zu resources on the page",
			     (long long)json_integer_value(per_page), n);
	return 0;
}

int judge_max_results(struct check *c, struct buf *why)
{
	size_t n = json_array_size(resources(c));

	if (c->claims.max_results > 0 && n > (size_t)c->claims.max_results)
		return wrong(why, "%zu resources, filter.maxResults is %lld", n,
			     (long long)c->claims.max_results);
	return 0;
}

int judge_empty(struct check *c, struct buf *why)
{
	const json_t *total = member(c->doc, "totalResults");
	size_t n = json_array_size(resources(c));

	if (n)
		return wrong(why, "%zu resources came that the filter does not match", n);
	if (!json_is_integer(total) || json_integer_value(total))
		return wrong(why, "totalResults is not 0");
	return 0;
}

int judge_ours(struct check *c, struct buf *why)
{
	const json_t *each;
	size_t i;

	json_array_foreach ((json_t *)resources(c), i, each) {
		const char *name = text_of(each, "userName");

		if (!name || strncasecmp(name, c->run, strlen(c->run)))
			return wrong(why, "Resources[%zu] does not match the filter", i);
	}
	return 0;
}

/* --- any answer -----------------------------------------------------------------------------
 */

static int find_null(const json_t *value, const char *path, int depth, struct buf *why)
{
	const char *name;
	char below[160];
	json_t *each;
	size_t i;
	int r = 0;

	if (json_is_null(value))
		return wrong(why, "%s is null", path);
	if (depth > JX_MAX_DEPTH)
		return 0;
	json_object_foreach ((json_t *)value, name, each) {
		snprintf(below, sizeof(below), "%s%s%.60s", path, *path ? "." : "", name);
		if (r == 0)
			r = find_null(each, below, depth + 1, why);
	}
	json_array_foreach ((json_t *)value, i, each)
		if (r == 0)
			r = find_null(each, path, depth + 1, why);
	return r;
}

int judge_no_null(struct check *c, struct buf *why)
{
	return find_null(c->doc, "", 0, why);
}

int judge_charset(struct check *c, struct buf *why)
{
	struct str type, at;

	if (!httpc_header(&c->answer, "Content-Type", &type))
		return wrong(why, "there is no Content-Type");
	for (at = type; at.len; at = str_n(at.p + 1, at.len - 1))
		if (str_istarts(at, STR("charset=")))
			break;
	if (at.len && !str_istarts(at, STR("charset=utf-8")) &&
	    !str_istarts(at, STR("charset=\"utf-8\"")))
		return wrong(why, "the charset of Content-Type is not utf-8");
	return 0;
}

int judge_unreserved(struct check *c, struct buf *why)
{
	const char *cursor = text_of(c->doc, "nextCursor");

	if (!cursor)
		return wrong(why, "nextCursor is not a text");
	for (; *cursor; cursor++)
		if (!((*cursor >= '0' && *cursor <= '9') ||
		      ((*cursor | 32) >= 'a' && (*cursor | 32) <= 'z') ||
		      strchr("-._~", *cursor)))
			return wrong(why,
				     "nextCursor holds a character that is not unreserved");
	return 0;
}

int judge_one_primary(struct check *c, struct buf *why)
{
	const json_t *each;
	size_t i, n = 0;

	json_array_foreach ((json_t *)member(c->doc, "emails"), i, each)
		n += json_is_true(member(each, "primary"));
	return n == 1 ? 0 : wrong(why, "%zu of the emails are primary", n);
}
