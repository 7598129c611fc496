#include "ldap/rootdse.h"

#include <stdio.h>
#include <stdlib.h>

#include "ldap/dn.h"

#define OID_PAGED "1.2.840.113556.1.4.319"
#define OID_SHOW_DELETED "1.2.840.113556.1.4.417"
#define OID_DOMAIN_SCOPE "1.2.840.113556.1.4.1339"
#define OID_SYNC "1.3.6.1.4.1.4203.1.9.1.1"
#define OID_DIRSYNC "1.2.840.113556.1.4.841"
#define OID_PERSIST "2.16.840.1.113730.3.4.3"
#define OID_NOTIFY "1.2.840.113556.1.4.528"
#define OID_WHOAMI "1.3.6.1.4.1.4203.1.11.3"
#define OID_START_TLS "1.3.6.1.4.1.1466.20037"
#define OID_AD "1.2.840.113556.1.4.800"
#define OID_ADLDS "1.2.840.113556.1.4.1851"

#define PERSON "(objectClass=person)"
/* objectCategory leaves computers out; without it every machine would be a person */
#define AD_PERSON "(&(objectCategory=person)(objectClass=user))"

/* clang-format off */
static const struct dir_trait traits[DIR_KIND_COUNT] = {
	/*                   word          title                     key             key_form     people     steady tombst */
	[DIR_OTHER]      = { "other",      "an unknown server",      "entryUUID",    DIR_ID_UUID, PERSON,    true,  false },
	[DIR_OPENLDAP]   = { "openldap",   "OpenLDAP",               "entryUUID",    DIR_ID_UUID, PERSON,    false, false },
	[DIR_389]        = { "389ds",      "389 Directory Server",   "nsUniqueId",   DIR_ID_UNIQ, PERSON,    true,  false },
	[DIR_FREEIPA]    = { "freeipa",    "FreeIPA",                "ipaUniqueID",  DIR_ID_UUID, PERSON,    true,  false },
	[DIR_AD]         = { "ad",         "Active Directory",       "objectGUID",   DIR_ID_GUID, AD_PERSON, true,  true  },
	[DIR_SAMBA]      = { "samba",      "Samba AD",               "objectGUID",   DIR_ID_GUID, AD_PERSON, true,  true  },
	[DIR_ADLDS]      = { "adlds",      "AD LDS",                 "objectGUID",   DIR_ID_GUID, "(objectClass=user)", true, true },
	[DIR_EDIRECTORY] = { "edirectory", "eDirectory",             "GUID",         DIR_ID_RAW,  PERSON,    true,  false },
	[DIR_ORACLE]     = { "oracle",     "Oracle Directory Server", "nsUniqueId",  DIR_ID_UNIQ, PERSON,    true,  false },
	[DIR_OPENDJ]     = { "opendj",     "OpenDJ or Ping Directory", "entryUUID",  DIR_ID_UUID, PERSON,    true,  false },
	[DIR_IBM]        = { "ibm",        "IBM Directory Server",   "ibm-entryUuid", DIR_ID_UUID, PERSON,   true,  false },
	[DIR_APACHEDS]   = { "apacheds",   "ApacheDS",               "entryUUID",    DIR_ID_UUID, PERSON,    true,  false },
	[DIR_LLDAP]      = { "lldap",      "lldap",                  "entryUUID",    DIR_ID_UUID, PERSON,    true,  false },
};

const char *const dir_kind_words[] = {
	"auto", "other", "openldap", "389ds", "freeipa", "ad", "samba", "adlds", "edirectory",
	"oracle", "opendj", "ibm", "apacheds", "lldap", NULL
};

/*
 * How to know a server: the first row whose attribute holds the text (ASCII case ignored) wins,
 * so the special stand before the general: Samba says it is AD, FreeIPA says it is 389 DS.
 */
static const struct sign {
	const char *attr;
	const char *holds; /* NULL: any value will do */
	enum dir_kind kind;
} signs[] = {
	{ "vendorName",            "Samba Team",       DIR_SAMBA      },
	{ "supportedCapabilities", OID_AD,             DIR_AD         },
	{ "supportedCapabilities", OID_ADLDS,          DIR_ADLDS      },
	{ "ipaDomainLevel",        NULL,               DIR_FREEIPA    },
	{ "ipaTopologyPluginVersion", NULL,            DIR_FREEIPA    },
	{ "vendorName",            "389 Project",      DIR_389        },
	{ "vendorName",            "Red Hat",          DIR_389        },
	{ "vendorName",            "Novell",           DIR_EDIRECTORY },
	{ "vendorName",            "NetIQ",            DIR_EDIRECTORY },
	{ "vendorName",            "Micro Focus",      DIR_EDIRECTORY },
	{ "vendorVersion",         "LDAP Agent for",   DIR_EDIRECTORY },
	{ "vendorName",            "Oracle",           DIR_ORACLE     },
	{ "vendorName",            "Sun Microsystems", DIR_ORACLE     },
	{ "vendorName",            "ForgeRock",        DIR_OPENDJ     },
	{ "vendorName",            "Open Identity Platform", DIR_OPENDJ },
	{ "vendorName",            "Ping Identity",    DIR_OPENDJ     },
	{ "vendorName",            "UnboundID",        DIR_OPENDJ     },
	{ "vendorName",            "International Business Machines", DIR_IBM },
	{ "vendorName",            "IBM",              DIR_IBM        },
	{ "vendorName",            "Apache Software Foundation", DIR_APACHEDS },
	{ "vendorName",            "LLDAP",            DIR_LLDAP      },
	{ "objectClass",           "OpenLDAProotDSE",  DIR_OPENLDAP   },
	{ "structuralObjectClass", "OpenLDAProotDSE",  DIR_OPENLDAP   },
};
/* clang-format on */

const char *const dir_rootdse_attrs[] = { "*", "+", NULL };

const struct dir_trait *dir_trait(enum dir_kind kind)
{
	return &traits[kind < DIR_KIND_COUNT ? kind : DIR_OTHER];
}

void dir_waters_free(struct dir_waters *w)
{
	for (size_t i = 0; i < w->n; i++) {
		free(w->v[i].name);
		free(w->v[i].value);
	}
	dir_waters_done(w);
}

static int water_put(struct dir_waters *waters, struct str name, struct str value,
		     struct err *err)
{
	struct dir_water w = { str_dup(name), str_dup(value) };

	if (w.name && w.value && dir_waters_add(waters, w) == 0)
		return 0;
	free(w.name);
	free(w.value);
	return err_nomem(err);
}

/* A CSN is stamp#count#sid#mod; one provider's stamps compare as text. */
int dir_waters_csn(struct dir_waters *waters, const struct str *csn, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct str stamp, rest, count, sid;
		char name[32];
		int r;

		if (!str_cut(csn[i], '#', &stamp, &rest) || !str_cut(rest, '#', &count, &rest))
			continue;
		str_cut(rest, '#', &sid, &rest);
		if (sid.len > 8)
			continue;
		snprintf(name, sizeof(name), "csn:" STR_FMT, STR_ARG(sid));
		/* the count orders changes within one stamp */
		r = water_put(waters, str_of(name),
			      str_n(stamp.p, (size_t)(count.p + count.len - stamp.p)), err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Numbers are kept at one width, so that they compare as texts. */
static int water_number(struct dir_waters *waters, const char *name, struct str text,
			struct err *err)
{
	char wide[24];
	uint64_t number;

	if (!str_uint64(text, &number))
		return 0;
	snprintf(wide, sizeof(wide), "%020llu", (unsigned long long)number);
	return water_put(waters, str_of(name), str_of(wide), err);
}

static bool has_value(const struct dir_entry *e, const char *attr, const char *text, bool whole)
{
	const struct str *values;
	const struct dir_attr *a = dir_entry_attr(e, str_of(attr), &values);

	for (size_t i = 0; a && i < a->n; i++) {
		if (!text || str_ieq(values[i], str_of(text)))
			return true;
		for (size_t at = 0; !whole && at + strlen(text) <= values[i].len; at++)
			if (str_istarts(str_n(values[i].p + at, values[i].len - at),
					str_of(text)))
				return true;
	}
	return false;
}

static void detect(const struct dir_entry *e, int kind_override, struct dir_rootdse *ret)
{
	if (kind_override > 0 && kind_override <= DIR_KIND_COUNT) {
		ret->kind = (enum dir_kind)(kind_override - 1);
		snprintf(ret->why, sizeof(ret->why), "the settings say so");
		return;
	}
	ret->kind = DIR_OTHER;
	snprintf(ret->why, sizeof(ret->why), "nothing in its root DSE names it");
	for (size_t i = 0; i < COUNT_OF(signs); i++) {
		if (!has_value(e, signs[i].attr, signs[i].holds, false))
			continue;
		ret->kind = signs[i].kind;
		snprintf(ret->why, sizeof(ret->why), "%s %s %s", signs[i].attr,
			 signs[i].holds ? "holds" : "is there",
			 signs[i].holds ? signs[i].holds : "");
		return;
	}
}

static int copy_first(const struct dir_entry *e, const char *attr, char **ret, struct err *err)
{
	struct str text;

	if (!dir_entry_first(e, attr, &text) || !dir_text_ok(text))
		return 0;
	*ret = str_dup(text);
	return *ret ? 0 : err_nomem(err);
}

static int read_vendor(const struct dir_entry *e, struct dir_rootdse *ret, struct err *err)
{
	struct str name = STR(""), version = STR("");
	struct buf text;

	dir_entry_first(e, "vendorName", &name);
	dir_entry_first(e, "vendorVersion", &version);
	if (!name.len && !version.len)
		return 0;
	if (!dir_text_ok(name) || !dir_text_ok(version))
		return 0;
	buf_init(&text, 2 * DIR_VALUE_MAX_BYTES + 1);
	buf_add_str(&text, name);
	if (name.len && version.len)
		buf_add_char(&text, ' ');
	buf_add_str(&text, version);
	ret->vendor = buf_take(&text, NULL);
	buf_done(&text);
	return ret->vendor ? 0 : err_nomem(err);
}

/* The longest naming context that base stands under. */
static int read_context(const struct dir_entry *e, const char *base, struct dir_rootdse *ret,
			struct err *err)
{
	const struct str *contexts;
	const struct dir_attr *a = dir_entry_attr(e, STR("namingContexts"), &contexts);
	struct buf ours, theirs;
	size_t best = 0;
	int r;

	buf_init(&ours, DIR_DN_MAX_BYTES * 3);
	buf_init(&theirs, DIR_DN_MAX_BYTES * 3);
	r = dir_dn_normal(str_of(base), &ours, err);
	for (size_t i = 0; a && i < a->n && r == 0; i++) {
		buf_clear(&theirs);
		r = dir_dn_normal(contexts[i], &theirs, err);
		if (r == -ERR_INVALID_VALUE) {
			r = 0;
			continue;
		}
		if (r < 0 || theirs.len == 0 || theirs.len < best ||
		    !dir_dn_under(buf_str(&ours), buf_str(&theirs)))
			continue;
		free(ret->base_context);
		best = theirs.len;
		ret->base_context = str_dup(contexts[i]);
		if (!ret->base_context)
			r = err_nomem(err);
	}
	buf_done(&ours);
	buf_done(&theirs);
	return r == -ERR_INVALID_VALUE ? 0 : r;
}

static int read_waters(const struct dir_entry *e, struct dir_rootdse *ret, struct err *err)
{
	struct str text;
	int r = 0;

	/* numbers of one domain controller mean nothing on another */
	if (ret->server_id && dir_entry_first(e, "highestCommittedUSN", &text)) {
		struct buf name;

		buf_init(&name, DIR_VALUE_MAX_BYTES + 8);
		buf_addf(&name, "usn:%s", ret->server_id);
		r = buf_fault(&name, err, "the server's name");
		if (r == 0)
			r = water_number(&ret->waters, name.p, text, err);
		buf_done(&name);
	}
	for (size_t i = 0; i < e->attrs.n && r == 0; i++) {
		const struct dir_attr *a = &e->attrs.v[i];
		char name[80];

		if (!str_ieq(a->name, STR("lastusn")) || a->options.len > 64)
			continue;
		snprintf(name, sizeof(name), "lastusn:" STR_FMT, STR_ARG(a->options));
		r = water_number(&ret->waters, name, e->values.v[a->first], err);
	}
	return r;
}

int dir_rootdse_read(const struct dir_entry *e, const char *base, int kind_override,
		     struct dir_rootdse *ret, struct err *err)
{
	struct dir_rootdse dse = { 0 };
	int r;

	detect(e, kind_override, &dse);
	dse.paged = has_value(e, "supportedControl", OID_PAGED, true);
	dse.domain_scope = has_value(e, "supportedControl", OID_DOMAIN_SCOPE, true);
	dse.show_deleted = has_value(e, "supportedControl", OID_SHOW_DELETED, true);
	dse.sync = has_value(e, "supportedControl", OID_SYNC, true);
	dse.dirsync = has_value(e, "supportedControl", OID_DIRSYNC, true);
	dse.persist = has_value(e, "supportedControl", OID_PERSIST, true);
	dse.notify = has_value(e, "supportedControl", OID_NOTIFY, true);
	dse.whoami = has_value(e, "supportedExtension", OID_WHOAMI, true);
	dse.start_tls = has_value(e, "supportedExtension", OID_START_TLS, true);
	r = read_vendor(e, &dse, err);
	if (r == 0)
		r = copy_first(e, "dsServiceName", &dse.server_id, err);
	if (r == 0)
		r = copy_first(e, "subschemaSubentry", &dse.schema_dn, err);
	if (r == 0)
		r = read_context(e, base, &dse, err);
	if (r == 0)
		r = read_waters(e, &dse, err);
	if (r < 0) {
		dir_rootdse_done(&dse);
		return r;
	}
	*ret = dse;
	return 0;
}

void dir_rootdse_done(struct dir_rootdse *r)
{
	if (!r)
		return;
	free(r->vendor);
	free(r->server_id);
	free(r->schema_dn);
	free(r->base_context);
	dir_waters_free(&r->waters);
	*r = (struct dir_rootdse){ 0 };
}
