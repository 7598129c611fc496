#include "scim/codec.h"

#include "base/jx.h"
#include "base/stamp.h"

#define SPLICED_BYTES 512                /* of meta, and a little; for room made at once */
#define KEEP_MAX_BYTES (4 * 1024 * 1024) /* of one document */

static const struct {
	const char *name, *endpoint, *linked;
	const struct schema *schema;
} types[] = {
	[SCIM_USER] = { "User", "Users", "groups", &schema_user },
	[SCIM_GROUP] = { "Group", "Groups", "members", &schema_group },
};

const struct schema *codec_schema(enum scim_type type)
{
	return types[type].schema;
}

enum path_dialect codec_dialect(unsigned which)
{
	return which == SCIM_USER    ? PATH_SCIM_USER
	       : which == SCIM_GROUP ? PATH_SCIM_GROUP
				     : PATH_SCIM_ANY;
}

/* --- projections ----------------------------------------------------------------------------
 */

void codec_projection_done(struct codec_projection *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->paths.n; i++)
		path_done(&p->paths.v[i]);
	codec_paths_done(&p->paths);
	*p = (struct codec_projection){ 0 };
}

int codec_projection_add(struct codec_projection *p, struct str list, enum path_dialect dialect,
			 struct err *err)
{
	struct str name, rest = list;
	bool more = true;
	int r;

	while (more) {
		struct path path;

		more = str_cut(rest, ',', &name, &rest);
		r = path_parse(str_trim(name), dialect, &path, err);
		if (r == -ERR_NOMEM)
			return r;
		if (r < 0)
			continue;
		if (codec_paths_add(&p->paths, path) < 0) {
			path_done(&path);
			return err_nomem(err);
		}
	}
	return 0;
}

static bool is_always(const char *name)
{
	return strcmp(name, "schemas") == 0 || strcmp(name, "id") == 0;
}

static bool is_core(const char *urn)
{
	return !urn || strcmp(urn, SCHEMA_USER) == 0 || strcmp(urn, SCHEMA_GROUP) == 0;
}

/* Whether the path is in this container: urn NULL is the core. */
static bool in_container(const struct path *path, const char *urn)
{
	if (is_core(path->urn) || !urn)
		return is_core(path->urn) == !urn;
	return strcmp(path->urn, urn) == 0;
}

/*
 * What the paths say of name in a container: all of it (true), or of which sub-attributes
 * (false, *subs counts them).
 */
static bool named(const struct codec_projection *p, const char *urn, const char *name,
		  size_t *subs)
{
	bool all = false;

	*subs = 0;
	for (size_t i = 0; i < p->paths.n; i++) {
		const struct path *path = &p->paths.v[i];

		if (!in_container(path, urn))
			continue;
		if (!path->name) /* a whole schema by its URN */
			all = true;
		else if (!str_ieq(str_of(path->name), str_of(name)))
			continue;
		else if (path->sub)
			++*subs;
		else
			all = true;
	}
	return all;
}

bool codec_wants(const struct codec_projection *p, const char *name)
{
	size_t subs;

	if (!p || !p->given)
		return true;
	if (p->only)
		return named(p, NULL, name, &subs) || subs > 0;
	return !named(p, NULL, name, &subs);
}

static bool sub_named(const struct codec_projection *p, const char *urn, const char *name,
		      const char *sub)
{
	for (size_t i = 0; i < p->paths.n; i++) {
		const struct path *path = &p->paths.v[i];

		if (in_container(path, urn) && path->name && path->sub &&
		    str_ieq(str_of(path->name), str_of(name)) &&
		    str_ieq(str_of(path->sub), str_of(sub)))
			return true;
	}
	return false;
}

static bool is_empty(const json_t *j)
{
	return (json_is_object(j) && json_object_size(j) == 0) ||
	       (json_is_array(j) && json_array_size(j) == 0);
}

/* Removes from a complex value what is not wanted. */
static void project_value(const struct codec_projection *p, const char *urn, const char *name,
			  json_t *value)
{
	const char *sub;
	json_t *element;
	void *next;

	for (size_t i = json_array_size(value); i-- > 0;) {
		element = json_array_get(value, i);
		project_value(p, urn, name, element);
		if (is_empty(element))
			json_array_remove(value, i);
	}
	json_object_foreach_safe(value, next, sub, element)
	{
		if (sub_named(p, urn, name, sub) != p->only)
			json_object_del(value, sub);
	}
}

static void project_members(const struct codec_projection *p, const char *urn, json_t *object);

static void project_member(const struct codec_projection *p, const char *urn, json_t *object,
			   const char *name, json_t *value)
{
	size_t subs;
	bool all = named(p, urn, name, &subs);

	if (!urn && is_always(name))
		return;
	if (!urn && str_istarts(str_of(name), STR("urn:"))) {
		project_members(p, name, value);
	} else if (subs > 0 && !all) {
		project_value(p, urn, name, value);
	} else if (all != p->only) {
		json_object_del(object, name);
		return;
	}
	if (is_empty(value))
		json_object_del(object, name);
}

static void project_members(const struct codec_projection *p, const char *urn, json_t *object)
{
	const char *name;
	json_t *value;
	void *next;

	json_object_foreach_safe(object, next, name, value)
		project_member(p, urn, object, name, value);
}

/* --- sending --------------------------------------------------------------------------------
 */

/* Decimal digits, no NUL; the end of them. */
#define NUMBER_CHARS 20
static char *number_put(char *p, uint64_t n)
{
	char text[NUMBER_CHARS], *first = text + sizeof(text);
	size_t len;

	do
		*--first = (char)('0' + n % 10);
	while (n /= 10);
	len = (size_t)(text + sizeof(text) - first);
	memcpy(p, first, len);
	return p + len;
}

/* FNV-1a: nobody gains by two lists of groups that look alike but the one who asks for them. */
static uint64_t mark_of(struct str text)
{
	uint64_t mark = 0xcbf29ce484222325;

	for (size_t i = 0; i < text.len; i++)
		mark = (mark ^ (unsigned char)text.p[i]) * 0x100000001b3;
	return mark ? mark : 1;
}

struct codec_tag codec_tag_of(const struct scim_row *row, struct str linked)
{
	bool groups = row->type == SCIM_USER && linked.len > 0;

	return (struct codec_tag){ row->version, groups ? mark_of(linked) : 0 };
}

/* The end of it; no NUL. */
static char *tag_put(char *p, struct codec_tag tag)
{
	p = number_put(p, tag.version);
	if (!tag.groups)
		return p;
	*p++ = '.';
	for (int shift = 60; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[tag.groups >> shift & 15];
	return p;
}

void codec_etag(struct codec_tag tag, char ret[SCIM_ETAG_BYTES])
{
	char *end = ret;

	memcpy(end, "W/\"", 3);
	end = tag_put(end + 3, tag);
	memcpy(end, "\"", 2);
}

void codec_location(struct buf *into, const char *base, enum scim_type type, struct str id)
{
	buf_add_text(into, base);
	buf_add_char(into, '/');
	buf_add_text(into, types[type].endpoint);
	buf_add_char(into, '/');
	enc_percent(into, id);
}

void codec_linked(struct buf *into, const char *base, enum scim_type type,
		  const struct scim_member *member)
{
	if (into->len > 0)
		buf_add_char(into, ',');
	buf_add_text(into, "{\"value\":");
	buf_add_json(into, member->id);
	buf_add_text(into, ",\"$ref\":\"");
	codec_location(into, base, member->type, member->id);
	buf_add_char(into, '"');
	if (member->display.len > 0) {
		buf_add_text(into, ",\"display\":");
		buf_add_json(into, member->display);
	}
	buf_addf(into, ",\"type\":\"%s\"}",
		 type == SCIM_USER ? "direct" : types[member->type].name);
}

/* No printf: it was a tenth of what a GET cost. */
static void meta_add(struct buf *into, const struct scim_row *row, const char *base,
		     struct codec_tag tag)
{
	char created[STAMP_TEXT_BYTES], modified[STAMP_TEXT_BYTES], version[SCIM_ETAG_BYTES];

	stamp_text(row->created_ms, created);
	stamp_text(row->modified_ms, modified);
	buf_add_text(into, ",\"meta\":{\"resourceType\":\"");
	buf_add_text(into, types[row->type].name);
	buf_add_text(into, "\",\"created\":\"");
	buf_add_text(into, created);
	buf_add_text(into, "\",\"lastModified\":\"");
	buf_add_text(into, modified);
	buf_add_text(into, "\",\"location\":\"");
	codec_location(into, base, row->type, row->id);
	buf_add_text(into, "\",\"version\":\"W/\\\"");
	buf_add(into, version, (size_t)(tag_put(version, tag) - version));
	buf_add_text(into, "\\\"\"}");
}

static int whole_add(struct buf *into, const struct scim_row *row, const char *base,
		     struct str linked, struct err *err)
{
	if (row->bytes.len < 2 || row->bytes.p[row->bytes.len - 1] != '}')
		return err_set(err, ERR_DAMAGED,
			       "resource " STR_FMT ": what is kept is not JSON",
			       STR_ARG(row->id));
	buf_room(into, row->bytes.len + linked.len + SPLICED_BYTES);
	buf_add(into, row->bytes.p, row->bytes.len - 1);
	if (linked.len > 0) {
		buf_addf(into, ",\"%s\":[", types[row->type].linked);
		buf_add_str(into, linked);
		buf_add_char(into, ']');
	}
	meta_add(into, row, base, codec_tag_of(row, linked));
	buf_add_char(into, '}');
	return 0;
}

int codec_send(struct buf *into, const struct scim_row *row, const char *base,
	       struct str linked, const struct codec_projection *projection, struct err *err)
{
	CLEANUP(buf_done) struct buf whole;
	CLEANUP(json_decref_at) json_t *doc = NULL;
	int r;

	buf_init(&whole, into->max);
	if (!projection || !projection->given)
		return whole_add(into, row, base, linked, err);
	r = whole_add(&whole, row, base, linked, err);
	if (r == 0)
		r = buf_fault(&whole, err, "a resource");
	if (r == 0)
		r = jx_parse(buf_str(&whole), JX_LENIENT, &doc, err);
	if (r < 0)
		return r;
	project_members(projection, NULL, doc);
	return jx_text(doc, into, err);
}

/* --- keeping --------------------------------------------------------------------------------
 */

int codec_keep(struct buf *into, const json_t *doc, struct err *err)
{
	int r;

	buf_init(into, KEEP_MAX_BYTES);
	r = jx_text(doc, into, err);
	return r < 0 ? r : buf_fault(into, err, "a resource");
}

int codec_name(const json_t *doc, enum scim_type type, char **ret, size_t *ret_len,
	       struct err *err)
{
	const json_t *name =
		json_object_get(doc, type == SCIM_USER ? "userName" : "displayName");

	struct str text = str_n(json_string_value(name), json_string_length(name));

	/* RFC 7644 section 5: user names are the same after their PRECIS preparation */
	if (type == SCIM_USER)
		return str_user_name(text, ret, ret_len, err);
	return str_fold(text, ret, ret_len, err);
}
