/*
 * Attribute paths: RFC 7644 3.4.2.2 attrPath and 3.5.2 PATCH path, and our dialect's owners.
 *
 *     userName   name.givenName   urn:...:enterprise:2.0:User:manager.value
 *     person.employment.status    account.email       (policy dialect only)
 *
 * In the policy dialect "employment." and "enterprise." stand for the two extension URNs; a
 * path goes up only ("account." in a person's rule is refused: a person has many).
 * A path owns its texts; path_done() frees them.
 */
#ifndef MODEL_PATH_H
#define MODEL_PATH_H

#include "base/str.h"

#define PATH_MAX_BYTES 512

#define SCHEMA_USER "urn:ietf:params:scim:schemas:core:2.0:User"
#define SCHEMA_GROUP "urn:ietf:params:scim:schemas:core:2.0:Group"
#define SCHEMA_ENTERPRISE "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
#define SCHEMA_EMPLOYMENT "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment"

struct schema_attr; /* model/schema.h */

/* Whose attribute, seen from the subject that a rule judges. */
enum path_owner { PATH_OWN, PATH_PERSON, PATH_ACCOUNT };

struct path {
	enum path_owner owner;
	char *urn;  /* NULL for the core schema or a part's own attribute; else as the schema
		       spells it */
	char *name; /* first name, as the schema spells it where it is known; NULL: the text
		       was a whole schema's URN, which then stands in urn (core too) */
	char *sub;  /* sub-attribute or NULL */
	const struct schema_attr *attr; /* the row it resolves to (of sub, if given); NULL if
					   unknown */
	const struct schema_attr *top;  /* the row of name; NULL if unknown */
	int slot;     /* what a reader made of it with query_each_path(); -1 at birth */
	size_t at;    /* byte offset in the text it came from */
	bool coerced; /* was spelled in a way that only senders we know use */
};

enum path_dialect {
	PATH_SCIM_USER, /* only what the User schemas know (common attributes included) */
	PATH_SCIM_GROUP,
	PATH_SCIM_ANY, /* root queries: User or Group; unknown names are left unresolved */
	PATH_COLUMNS,  /* no schema: every name is left unresolved, for the caller to know */
	/*
	 * Our dialect: owners, short extension names, names of the subject tables. The three
	 * say which subject a bare name belongs to; PATH_POLICY asks seat, account, person in
	 * that order (for reports and selections without a subject).
	 */
	PATH_POLICY,
	PATH_POLICY_PERSON,
	PATH_POLICY_ACCOUNT, /* also for orphans */
	PATH_POLICY_SEAT,
};

/*
 * Reads the whole of text. Fault: INVALID_PATH naming the byte offset. *ret as it was on a
 * fault. Accepted besides the grammar: the legacy "URN.name" and a bare enterprise name
 * ("manager"): .coerced is set then.
 */
int path_parse(struct str text, enum path_dialect dialect, struct path *ret, struct err *err)
	MUST_USE;
int path_copy(struct path *ret, const struct path *from, struct err *err) MUST_USE;
void path_done(struct path *p);
/* Canonical text ("urn:...:User:department", "name.givenName"), added to *into. */
struct buf;
void path_text(const struct path *p, struct buf *into);
bool path_equal(const struct path *a, const struct path *b);

/*
 * The same for a slice: at is added to the offsets that faults and path.at name. With parent
 * the text stands inside the brackets of that complex attribute (`type` of emails[...]): bare
 * names are its sub-attributes then; parent NULL is path_parse().
 */
int path_parse_at(struct str text, size_t at, enum path_dialect dialect,
		  const struct schema_attr *parent, struct path *ret, struct err *err) MUST_USE;

#endif
