#include "bridge/config.h"

#include "scim/jwt.h"
#include "store/tokens.h"

/* What rows cannot say about a push source, and about who may come in to it. */

static bool is_word_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(text, *words))
			return true;
	return false;
}

static void check_words(struct conf_faults *faults, const struct conf_mark *mark,
			const char *key, const struct conf_list *list, const char *const *words)
{
	CLEANUP(buf_done) struct buf all;

	buf_init(&all, 400);
	for (size_t i = 0; words[i]; i++)
		buf_addf(&all, "%s%s", i ? ", " : "", words[i]);
	for (size_t i = 0; i < list->n; i++)
		if (!is_word_of(list->v[i], words))
			conf_fault(faults, mark, key, "\"%s\": expected one of %s", list->v[i],
				   all.p ? all.p : "");
}

static bool is_hex(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!memchr("0123456789abcdefABCDEF", s.p[i], 22))
			return false;
	return s.len == 64;
}

static void check_certs(struct config *c, const struct config_source *s,
			struct conf_faults *faults)
{
	for (size_t i = 0; i < s->scim.client_cert.n; i++) {
		struct str kind, value;

		str_cut(str_of(s->scim.client_cert.v[i]), ':', &kind, &value);
		if ((str_eq(kind, STR("sha256")) && is_hex(value)) ||
		    (str_eq(kind, STR("dns")) && value.len) ||
		    (str_eq(kind, STR("subject")) && value.len))
			continue;
		conf_fault(faults, &s->mark, "client_cert",
			   "\"%s\": expected sha256: and 64 hex digits, dns: and a name, or "
			   "subject: and a distinguished name",
			   s->scim.client_cert.v[i]);
	}
	if (s->scim.client_cert.n && !c->scim.tls_client_ca)
		conf_fault(faults, &s->mark, "client_cert",
			   "no client is asked for a certificate: give scim.tls_client_ca");
}

/* Whom a token is: a claim, and the attribute of a user that it names. */
static void check_me(const struct config_jwt *j, struct conf_faults *faults)
{
	struct str claim, attribute;
	bool known = false;

	if (!j->me)
		return;
	str_cut(str_of(j->me), '=', &claim, &attribute);
	for (int i = 0; token_by_words[i]; i++)
		known |= str_eq(attribute, str_of(token_by_words[i]));
	if (!claim.len || !known)
		conf_fault(faults, &j->mark, "me",
			   "\"%s\": expected CLAIM=ATTRIBUTE, where ATTRIBUTE is id, userName, "
			   "externalId or emails.value",
			   j->me);
}

static void check_jwt(const struct config_jwt *j, struct conf_faults *faults)
{
	bool https = j->jwks_url && str_istarts(str_of(j->jwks_url), STR("https://"));
	bool local = j->jwks_url && (str_istarts(str_of(j->jwks_url), STR("http://127.")) ||
				     str_istarts(str_of(j->jwks_url), STR("http://[::1]")) ||
				     str_istarts(str_of(j->jwks_url), STR("http://localhost")));

	if (!j->issuer) {
		if (j->audience.n || j->jwks_url || j->jwks_file)
			conf_fault(faults, &j->mark, "issuer",
				   "left out: expected the text that stands in \"iss\" of the "
				   "tokens");
		return;
	}
	if (!j->audience.n)
		conf_fault(faults, &j->mark, "audience",
			   "left out: tokens that the issuer made for others would open too; "
			   "expected the text that stands in \"aud\" of the tokens");
	if (!j->jwks_url == !j->jwks_file)
		conf_fault(faults, &j->mark, "jwks_url",
			   "expected exactly one of jwks_url and jwks_file");
	if (j->jwks_url && !https && !local)
		conf_fault(faults, &j->mark, "jwks_url",
			   "\"%s\": expected a URL that begins with https://", j->jwks_url);
	for (size_t i = 0; i < j->claims.n; i++)
		if (str_find(str_of(j->claims.v[i]), '=') == strlen(j->claims.v[i]))
			conf_fault(faults, &j->mark, "claims", "\"%s\": expected NAME=VALUE",
				   j->claims.v[i]);
	check_words(faults, &j->mark, "algorithms", &j->algorithms, jwt_algorithm_words);
	check_me(j, faults);
}

void config_push_check(struct config *c, const struct config_source *s,
		       struct conf_faults *faults)
{
	static const char *const rights[] = { "read", "write", "delete", NULL };

	check_words(faults, &s->mark, "rights", &s->scim.rights, rights);
	check_certs(c, s, faults);
	check_jwt(&s->scim.jwt, faults);
}
