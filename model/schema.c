#include "model/schema.h"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define ROWS(...) ((const struct schema_attr[]){ __VA_ARGS__, { 0 } })

/*
 * Row makers; what a row does not say is the default of RFC 7643 section 7: not multi-valued,
 * not required, not caseExact, readWrite, returned by default, uniqueness none.
 */
#define ROW(name_, type_, text_, ...)                                                          \
	{                                                                                      \
		.name = name_, .type = ATTR_##type_,                                           \
		.description = text_ __VA_OPT__(, ) __VA_ARGS__                                \
	}
#define EXACT .case_exact = true
#define MULTI .multi = true
#define REQUIRED .required = true
#define READ_ONLY .mutability = ATTR_READ_ONLY
#define IMMUTABLE .mutability = ATTR_IMMUTABLE

/* The four sub-attributes of emails, phoneNumbers and their kind (RFC 7643 section 2.4). */
#define PLURAL_ROWS(what, types)                                                               \
	ROWS(ROW("value", STRING, "The " what " itself."),                                     \
	     ROW("display", STRING, "Name for people, if it is not the value."),               \
	     ROW("type", STRING, "What this " what " is for.", .words = types),                \
	     ROW("primary", BOOLEAN, "True for the preferred " what ", at most one."))
#define PLURAL_OF(type_, what, types)                                                          \
	ROWS(ROW("value", type_, "The " what " itself.", EXACT, .words = value_##type_),       \
	     ROW("display", STRING, "Name for people, if it is not the value."),               \
	     ROW("type", STRING, "What this " what " is for.", .words = types),                \
	     ROW("primary", BOOLEAN, "True for the preferred " what ", at most one."))

static const char *const value_REFERENCE[] = { "external", NULL };
#define value_BINARY NULL

/* RFC 7643 section 3.1: of every resource, of no schema. */
const struct schema_attr schema_common[] = {
	ROW("schemas", REFERENCE, "URNs of the schemas that this resource uses.", MULTI,
	    REQUIRED, EXACT, READ_ONLY, .returned = ATTR_ALWAYS, .words = WORDS("uri")),
	ROW("id", STRING, "Identifier given by leaverd.", REQUIRED, EXACT, READ_ONLY,
	    .returned = ATTR_ALWAYS, .uniqueness = ATTR_SERVER),
	ROW("externalId", STRING, "Identifier given by the client.", EXACT),
	ROW("meta", COMPLEX, "What leaverd knows about the resource.", READ_ONLY,
	    .sub = ROWS(ROW("resourceType", STRING, "User or Group.", EXACT, READ_ONLY),
			ROW("created", DATETIME, "When it was made.", READ_ONLY),
			ROW("lastModified", DATETIME, "When it last changed.", READ_ONLY),
			ROW("location", REFERENCE, "Its address.", EXACT, READ_ONLY,
			    .words = WORDS("uri")),
			ROW("version", STRING, "Its entity-tag.", EXACT, READ_ONLY))),
	{ 0 }
};

static const struct schema_attr user_attrs[] = {
	ROW("userName", STRING, "Name with which the person signs in; unique in its source.",
	    REQUIRED, .uniqueness = ATTR_SERVER),
	ROW("name", COMPLEX, "The parts of the person's name.",
	    .sub = ROWS(ROW("formatted", STRING, "The whole name, as it is to be shown."),
			ROW("familyName", STRING, "The family name."),
			ROW("givenName", STRING, "The given name."),
			ROW("middleName", STRING, "The middle names."),
			ROW("honorificPrefix", STRING, "What stands before the name."),
			ROW("honorificSuffix", STRING, "What stands after the name."))),
	ROW("displayName", STRING, "Name to be shown to people."),
	ROW("nickName", STRING, "Casual name."),
	ROW("profileUrl", REFERENCE, "Address of a page about the person.", EXACT,
	    .words = WORDS("external")),
	ROW("title", STRING, "Job title."),
	ROW("userType", STRING, "Relation to the organisation, such as Employee."),
	ROW("preferredLanguage", STRING, "Preferred languages, as in Accept-Language."),
	ROW("locale", STRING, "Language tag for dates, numbers and money."),
	ROW("timezone", STRING, "Time zone name, such as Europe/Berlin."),
	ROW("active", BOOLEAN, "Whether the account may be used."),
	ROW("password", STRING, "Taken and dropped at once; never kept.",
	    .mutability = ATTR_WRITE_ONLY, .returned = ATTR_NEVER),
	ROW("emails", COMPLEX, "Mail addresses.", MULTI,
	    .sub = PLURAL_ROWS("mail address", WORDS("work", "home", "other"))),
	ROW("phoneNumbers", COMPLEX, "Telephone numbers.", MULTI,
	    .sub = PLURAL_ROWS("telephone number",
			       WORDS("work", "home", "mobile", "fax", "pager", "other"))),
	ROW("ims", COMPLEX, "Instant messaging addresses.", MULTI,
	    .sub = PLURAL_ROWS("messaging address", WORDS("aim", "gtalk", "icq", "xmpp", "msn",
							  "skype", "qq", "yahoo", "other"))),
	ROW("photos", COMPLEX, "Addresses of pictures.", MULTI,
	    .sub = PLURAL_OF(REFERENCE, "picture's address", WORDS("photo", "thumbnail"))),
	ROW("addresses", COMPLEX, "Postal addresses.", MULTI,
	    .sub = ROWS(ROW("formatted", STRING, "The whole address, as it is to be shown."),
			ROW("streetAddress", STRING, "Street and number."),
			ROW("locality", STRING, "Town."), ROW("region", STRING, "State."),
			ROW("postalCode", STRING, "Postal code."),
			ROW("country", STRING, "Country, ISO 3166-1 alpha-2."),
			ROW("type", STRING, "What this address is for.",
			    .words = WORDS("work", "home", "other")),
			ROW("primary", BOOLEAN, "True for the preferred address."))),
	ROW("groups", COMPLEX, "Groups that the user belongs to.", MULTI, READ_ONLY,
	    .sub = ROWS(ROW("value", STRING, "The group's id.", READ_ONLY),
			ROW("$ref", REFERENCE, "The group's address.", EXACT, READ_ONLY,
			    .words = WORDS("Group")),
			ROW("display", STRING, "The group's name.", READ_ONLY),
			ROW("type", STRING, "How the user belongs to it.", READ_ONLY,
			    .words = WORDS("direct", "indirect")))),
	ROW("entitlements", COMPLEX, "Things the user has.", MULTI,
	    .sub = PLURAL_ROWS("entitlement", NULL)),
	ROW("roles", COMPLEX, "Roles of the user.", MULTI, .sub = PLURAL_ROWS("role", NULL)),
	ROW("x509Certificates", COMPLEX, "Certificates of the user.", MULTI,
	    .sub = PLURAL_OF(BINARY, "certificate", NULL)),
	{ 0 }
};

static const struct schema_attr group_attrs[] = {
	ROW("displayName", STRING, "Name of the group.", REQUIRED),
	ROW("members", COMPLEX, "Members of the group.", MULTI,
	    .sub = ROWS(ROW("value", STRING, "The member's id.", IMMUTABLE),
			ROW("$ref", REFERENCE, "The member's address.", EXACT, IMMUTABLE,
			    .words = WORDS("User", "Group")),
			ROW("type", STRING, "User or Group.", IMMUTABLE,
			    .words = WORDS("User", "Group")),
			ROW("display", STRING, "The member's name.", IMMUTABLE))),
	{ 0 }
};

static const struct schema_attr enterprise_attrs[] = {
	ROW("employeeNumber", STRING, "Number given by the employer."),
	ROW("costCenter", STRING, "Cost centre."),
	ROW("organization", STRING, "Organisation."),
	ROW("division", STRING, "Division."),
	ROW("department", STRING, "Department."),
	ROW("manager", COMPLEX, "The user's manager.",
	    .sub = ROWS(ROW("value", STRING, "The manager's id.", EXACT),
			ROW("$ref", REFERENCE, "The manager's address.", EXACT,
			    .words = WORDS("User")),
			ROW("displayName", STRING, "The manager's name.", READ_ONLY))),
	{ 0 }
};

static const struct schema_attr employment_attrs[] = {
	ROW("status", STRING, "State of the employment, as HR calls it."),
	ROW("startDate", DATE, "First day, YYYY-MM-DD."),
	ROW("lastWorkingDay", DATE, "Last day at work, YYYY-MM-DD."),
	ROW("terminationDate", DATE, "Last day of the contract, YYYY-MM-DD."),
	ROW("immediate", BOOLEAN,
	    "Whether access ends at once, when the last day begins and not when it ends."),
	ROW("timeZone", STRING, "Zone in which these days end, such as Europe/Berlin.", EXACT),
	ROW("leave", COMPLEX, "A leave of absence.",
	    .sub = ROWS(ROW("from", DATE, "Its first day, YYYY-MM-DD."),
			ROW("until", DATE, "Its last day, YYYY-MM-DD."),
			ROW("kind", STRING, "Its kind; kept only where asked for."))),
	ROW("sponsor", STRING, "Who answers for an external person."),
	ROW("legalHold", BOOLEAN, "Whether deletion and anonymisation are forbidden."),
	ROW("lastLogin", DATE,
	    "The last login there was on this day or before it, YYYY-MM-DD."),
	ROW("personId", STRING, "One human's number, the same over all engagements.", EXACT),
	{ 0 }
};

const struct schema schema_user = { SCHEMA_USER, "User", "User Account", user_attrs, false };
const struct schema schema_enterprise = { SCHEMA_ENTERPRISE, "EnterpriseUser",
					  "Enterprise User", enterprise_attrs, true };
const struct schema schema_employment = { SCHEMA_EMPLOYMENT, "Employment",
					  "Employment of a user, as leaverd needs it",
					  employment_attrs, true };
const struct schema schema_group = { SCHEMA_GROUP, "Group", "Group", group_attrs, false };

const struct schema *const schema_all[] = { &schema_user, &schema_group, &schema_enterprise,
					    &schema_employment, NULL };

#define STATED_ROWS                                                                            \
	ROWS(ROW("status", STRING, "active, disabled, gone, ended or absent."),                \
	     ROW("since", DATETIME, "Since when it has been so."))

const struct schema_attr subject_seat[] = {
	ROW("product", STRING, "Product key: jira, jsm, confluence."),
	ROW("site", STRING, "Site of the product."),
	ROW("resource", STRING, "Resource id (ARI) of the product on its site.", EXACT),
	ROW("lastActive", DATETIME, "Newest activity in this product."),
	ROW("added", DATETIME, "When the seat was given."),
	ROW("invited", BOOLEAN, "True while the invitation is not accepted."),
	ROW("paths", STRING, "Groups and roles that keep the seat.", MULTI),
	{ 0 }
};

const struct schema_attr subject_account[] = {
	ROW("accountId", STRING, "Atlassian's id.", EXACT),
	ROW("email", STRING, "Mail address."),
	ROW("emailVerified", BOOLEAN, "Whether the address was verified."),
	ROW("name", STRING, "Name shown."),
	ROW("accountType", STRING, "atlassian, customer or app."),
	ROW("accountStatus", STRING, "active, inactive or closed."),
	ROW("membershipStatus", STRING, "active, suspended or pending."),
	ROW("status", STRING, "State in the directory, as its list says."),
	ROW("claimStatus", STRING, "managed or unmanaged."),
	ROW("managementSource", STRING, "Who manages it, such as a provisioning directory."),
	ROW("addedToOrg", DATETIME, "When it came into the organisation."),
	ROW("lastActive", DATETIME, "Newest activity over all of its seats."),
	ROW("lastLogin", DATE,
	    "Latest day on which its person can have logged in to the directory."),
	ROW("admin", BOOLEAN, "Whether it administers anything."),
	ROW("platformRoles", STRING, "Roles in the organisation.", MULTI),
	ROW("groups", STRING, "Names of its groups.", MULTI),
	ROW("seats", COMPLEX, "Its seats.", MULTI, .sub = subject_seat),
	{ 0 }
};

const struct schema_attr subject_person[] = {
	ROW("hr", COMPLEX, "What HR sources say.", .sub = STATED_ROWS),
	ROW("directory", COMPLEX, "What directories say.", .sub = STATED_ROWS),
	ROW("idp", COMPLEX, "What identity providers say.", .sub = STATED_ROWS),
	ROW("leaveDate", DATETIME, "When the last day ends, in the person's zone."),
	ROW("accounts", COMPLEX, "Accounts of the person.", MULTI, .sub = subject_account),
	{ 0 }
};

const struct schema *schema_by_urn(struct str urn)
{
	for (size_t i = 0; schema_all[i]; i++)
		if (str_ieq(str_of(schema_all[i]->urn), urn))
			return schema_all[i];
	return NULL;
}

const struct schema_attr *schema_attr(const struct schema_attr *table, struct str name)
{
	for (; table && table->name; table++)
		if (str_ieq(str_of(table->name), name))
			return table;
	return NULL;
}

const char *schema_type_word(enum attr_type type)
{
	static const char *const words[] = {
		[ATTR_STRING] = "string",   [ATTR_BOOLEAN] = "boolean",
		[ATTR_DECIMAL] = "decimal", [ATTR_INTEGER] = "integer",
		[ATTR_DATE] = "string",     [ATTR_DATETIME] = "dateTime",
		[ATTR_BINARY] = "binary",   [ATTR_REFERENCE] = "reference",
		[ATTR_COMPLEX] = "complex",
	};

	return words[type];
}

const char *schema_mutability_word(enum attr_mutability mutability)
{
	static const char *const words[] = {
		[ATTR_READ_WRITE] = "readWrite",
		[ATTR_READ_ONLY] = "readOnly",
		[ATTR_IMMUTABLE] = "immutable",
		[ATTR_WRITE_ONLY] = "writeOnly",
	};

	return words[mutability];
}

const char *schema_returned_word(enum attr_returned returned)
{
	static const char *const words[] = { [ATTR_DEFAULT] = "default",
					     [ATTR_ALWAYS] = "always",
					     [ATTR_REQUEST] = "request",
					     [ATTR_NEVER] = "never" };

	return words[returned];
}

const char *schema_uniqueness_word(enum attr_uniqueness uniqueness)
{
	static const char *const words[] = {
		[ATTR_NONE] = "none", [ATTR_SERVER] = "server", [ATTR_GLOBAL] = "global"
	};

	return words[uniqueness];
}
