#include "model/path.h"

#include "base/buf.h"
#include "model/schema.h"

/* A text being read: what is left of it, and where that stands in the whole. */
struct reading {
	struct str rest;
	size_t at;
	enum path_dialect dialect;
	const struct schema_attr *parent;
};

static int refuse(const struct reading *in, struct err *err, const char *why)
{
	return err_set(err, ERR_INVALID_PATH, "path at byte %zu: %s", in->at, why);
}

static void skip(struct reading *in, size_t n)
{
	in->rest = str_n(in->rest.p + n, in->rest.len - n);
	in->at += n;
}

static bool is_policy(enum path_dialect dialect)
{
	return dialect >= PATH_POLICY;
}

/* RFC 7643 section 2.1, and the leading '$' that $ref needs (erratum 8924). */
static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';

		if (letter || c == '$' ||
		    (i > 0 && ((c >= '0' && c <= '9') || c == '-' || c == '_')))
			continue;
		return false;
	}
	return s.len > 0;
}

/* "person." and "account.". */
static int owner_read(struct reading *in, struct path *ret, struct err *err)
{
	if (!is_policy(in->dialect))
		return 0;
	if (str_istarts(in->rest, STR("person."))) {
		ret->owner = PATH_PERSON;
		skip(in, sizeof("person.") - 1);
	} else if (str_istarts(in->rest, STR("account."))) {
		if (in->dialect == PATH_POLICY_PERSON)
			return refuse(in, err,
				      "a person may have many accounts: say accounts[...]");
		ret->owner = PATH_ACCOUNT;
		skip(in, sizeof("account.") - 1);
	}
	return 0;
}

/*
 * A schema's URN with what follows it, or "employment." and "enterprise."; NULL without one.
 * *whole: the text is the URN and nothing else.
 */
static const struct schema *schema_read(struct reading *in, struct path *ret, bool *whole)
{
	struct str text = in->rest;
	const struct schema *s = schema_by_urn(text);

	*whole = s;
	if (s)
		return s;
	/* URNs hold dots and colons: the last ':' with a known URN before it ends it */
	for (size_t i = text.len; i-- > 0;) {
		if (text.p[i] != ':')
			continue;
		s = schema_by_urn(str_n(text.p, i));
		if (s) {
			skip(in, i + 1);
			return s;
		}
	}
	for (size_t i = 0; schema_all[i]; i++) {
		struct str urn = str_of(schema_all[i]->urn);

		if (str_istarts(text, urn) && text.p[urn.len] == '.') {
			skip(in, urn.len + 1);
			ret->coerced = true;
			return schema_all[i];
		}
	}
	if (!is_policy(in->dialect))
		return NULL;
	if (str_istarts(text, STR("employment."))) {
		skip(in, sizeof("employment.") - 1);
		return &schema_employment;
	}
	if (str_istarts(text, STR("enterprise."))) {
		skip(in, sizeof("enterprise.") - 1);
		return &schema_enterprise;
	}
	return NULL;
}

static bool is_user_schema(const struct schema *s)
{
	return s == &schema_user || s->extension;
}

/* Whether the resource that the dialect speaks of can have this schema. */
static bool schema_fits(const struct reading *in, const struct path *ret,
			const struct schema *s)
{
	switch (in->dialect) {
	case PATH_SCIM_USER:
		return is_user_schema(s);
	case PATH_SCIM_GROUP:
		return s == &schema_group;
	case PATH_SCIM_ANY:
		return true;
	case PATH_COLUMNS:
		return false;
	case PATH_POLICY_ACCOUNT:
	case PATH_POLICY_SEAT:
		return is_user_schema(s) && ret->owner == PATH_PERSON;
	case PATH_POLICY:
	case PATH_POLICY_PERSON:
		return is_user_schema(s) && ret->owner != PATH_ACCOUNT;
	}
	return false;
}

/* First hit of name in the tables, which end with NULL. */
static const struct schema_attr *find(const struct schema_attr *const *tables, struct str name)
{
	for (; *tables; tables++) {
		const struct schema_attr *attr = schema_attr(*tables, name);

		if (attr)
			return attr;
	}
	return NULL;
}

/* A bare name, by the tables of whom the path speaks of. */
static const struct schema_attr *attr_find(const struct reading *in, struct path *ret,
					   struct str name)
{
	const struct schema_attr *person[] = { subject_person, schema_common, schema_user.attrs,
					       NULL };
	const struct schema_attr *account[] = { subject_account, NULL };
	const struct schema_attr *seat[] = { subject_seat, NULL };
	const struct schema_attr *any[] = { subject_seat,  subject_account,   subject_person,
					    schema_common, schema_user.attrs, NULL };
	const struct schema_attr *user[] = { schema_common, schema_user.attrs, NULL };
	const struct schema_attr *group[] = { schema_common, schema_group.attrs, NULL };
	const struct schema_attr *both[] = { schema_common, schema_user.attrs,
					     schema_group.attrs, NULL };
	const struct schema_attr *attr;

	if (ret->owner == PATH_PERSON)
		return find(person, name);
	if (ret->owner == PATH_ACCOUNT)
		return find(account, name);
	switch (in->dialect) {
	case PATH_POLICY_PERSON:
		return find(person, name);
	case PATH_POLICY_ACCOUNT:
		return find(account, name);
	case PATH_POLICY_SEAT:
		return find(seat, name);
	case PATH_POLICY:
		return find(any, name);
	case PATH_SCIM_GROUP:
		return find(group, name);
	case PATH_SCIM_ANY:
		return find(both, name);
	case PATH_COLUMNS:
		return NULL;
	case PATH_SCIM_USER:
		break;
	}
	attr = find(user, name);
	if (attr)
		return attr;
	/* Entra filters for a bare manager: nothing else of User can be meant */
	attr = schema_attr(schema_enterprise.attrs, name);
	ret->coerced = ret->coerced || attr;
	return attr;
}

static int keep(char **to, const char *known, struct str spelled, struct err *err)
{
	*to = known ? str_dup(str_of(known)) : str_dup(spelled);
	return *to ? 0 : err_nomem(err);
}

/* NAME ["." NAME], resolved. */
static int names_read(struct reading *in, const struct schema *schema, struct path *ret,
		      struct err *err)
{
	bool may_be_unknown = in->dialect == PATH_SCIM_ANY || in->dialect == PATH_COLUMNS;
	struct str name, sub;
	bool has_sub = str_cut(in->rest, '.', &name, &sub);
	int r;

	if (!is_name(name))
		return refuse(in, err, "an attribute name was expected");
	if (schema)
		ret->top = schema_attr(schema->attrs, name);
	else if (in->parent && ret->owner == PATH_OWN)
		ret->top = schema_attr(in->parent->sub, name);
	else
		ret->top = attr_find(in, ret, name);
	ret->attr = ret->top;
	if (!ret->top && !may_be_unknown)
		return err_set(err, ERR_INVALID_PATH, "path at byte %zu: no attribute " STR_FMT,
			       in->at, STR_ARG(name));
	r = keep(&ret->name, ret->top ? ret->top->name : NULL, name, err);
	if (r < 0 || !has_sub)
		return r;

	skip(in, name.len + 1);
	if (!is_name(sub))
		return refuse(in, err, "a sub-attribute name was expected");
	ret->attr = ret->top && ret->top->sub ? schema_attr(ret->top->sub, sub) : NULL;
	if (!ret->attr && (ret->top || !may_be_unknown))
		return err_set(err, ERR_INVALID_PATH,
			       "path at byte %zu: %s has no sub-attribute " STR_FMT, in->at,
			       ret->name, STR_ARG(sub));
	return keep(&ret->sub, ret->attr ? ret->attr->name : NULL, sub, err);
}

/* The URN of the schema that attr stands in, where it is not the core's. */
static const char *urn_of(const struct schema *schema, const struct path *p)
{
	if (schema)
		return schema->extension ? schema->urn : NULL;
	for (const struct schema_attr *a = schema_enterprise.attrs; a->name; a++)
		if (p->top == a)
			return SCHEMA_ENTERPRISE;
	return NULL;
}

int path_parse_at(struct str text, size_t at, enum path_dialect dialect,
		  const struct schema_attr *parent, struct path *ret, struct err *err)
{
	struct reading in = { text, at, dialect, parent };
	CLEANUP(path_done) struct path p = { .slot = -1, .at = at };
	const struct schema *schema = NULL;
	bool whole = false;
	const char *urn;
	int r;

	if (text.len > PATH_MAX_BYTES)
		return err_set(err, ERR_INVALID_PATH, "path at byte %zu: longer than %d bytes",
			       at, PATH_MAX_BYTES);
	r = owner_read(&in, &p, err);
	if (r < 0)
		return r;
	if (!parent || p.owner != PATH_OWN)
		schema = schema_read(&in, &p, &whole);
	if (schema && !schema_fits(&in, &p, schema))
		return refuse(&in, err, "this resource has no attributes of that schema");
	if (!schema && str_istarts(in.rest, STR("urn:")))
		return refuse(&in, err, "no such schema");

	r = whole ? 0 : names_read(&in, schema, &p, err);
	urn = whole ? schema->urn : r < 0 ? NULL : urn_of(schema, &p);
	if (urn)
		r = keep(&p.urn, urn, STR(""), err);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct path){ 0 };
	return 0;
}

int path_parse(struct str text, enum path_dialect dialect, struct path *ret, struct err *err)
{
	return path_parse_at(text, 0, dialect, NULL, ret, err);
}

int path_copy(struct path *ret, const struct path *from, struct err *err)
{
	CLEANUP(path_done) struct path p = *from;

	p.urn = from->urn ? str_dup(str_of(from->urn)) : NULL;
	p.name = from->name ? str_dup(str_of(from->name)) : NULL;
	p.sub = from->sub ? str_dup(str_of(from->sub)) : NULL;
	if ((from->urn && !p.urn) || (from->name && !p.name) || (from->sub && !p.sub))
		return err_nomem(err);
	*ret = p;
	p = (struct path){ 0 };
	return 0;
}

void path_done(struct path *p)
{
	if (!p)
		return;
	free(p->urn);
	free(p->name);
	free(p->sub);
	*p = (struct path){ .slot = -1 };
}

void path_text(const struct path *p, struct buf *into)
{
	static const char *const owners[] = { "", "person.", "account." };

	buf_add_text(into, owners[p->owner]);
	if (p->urn)
		buf_add_text(into, p->urn);
	if (p->urn && p->name)
		buf_add_char(into, ':');
	buf_add_text(into, p->name);
	if (p->sub) {
		buf_add_char(into, '.');
		buf_add_text(into, p->sub);
	}
}

static bool same(const char *a, const char *b)
{
	return !a || !b ? a == b : str_ieq(str_of(a), str_of(b));
}

bool path_equal(const struct path *a, const struct path *b)
{
	return a->owner == b->owner && same(a->urn, b->urn) && same(a->name, b->name) &&
	       same(a->sub, b->sub);
}
