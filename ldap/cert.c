#include "ldap/cert.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/buf.h"

enum {
	DER_BOOLEAN = 0x01,
	DER_OCTETS = 0x04,
	DER_OID = 0x06,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	SAN_DNS = 0x82,
	SAN_ADDRESS = 0x87,
	TBS_VERSION = 0xA0,
	TBS_EXTENSIONS = 0xA3,
};

/* Takes the next element off *from: its tag and what it holds. */
static bool der_next(struct str *from, int *tag, struct str *ret)
{
	const unsigned char *p = (const unsigned char *)from->p;
	size_t len, head = 2;

	if (from->len < 2 || (p[0] & 0x1F) == 0x1F)
		return false;
	len = p[1];
	if (len >= 0x80) {
		size_t bytes = len & 0x7F;

		if (bytes == 0 || bytes > 3 || from->len < 2 + bytes)
			return false;
		len = 0;
		for (size_t i = 0; i < bytes; i++)
			len = len << 8 | p[2 + i];
		head += bytes;
	}
	if (from->len - head < len)
		return false;
	*tag = p[0];
	*ret = str_n(from->p + head, len);
	*from = str_n(from->p + head + len, from->len - head - len);
	return true;
}

static bool der_take(struct str *from, int tag, struct str *ret)
{
	int found;

	return der_next(from, &found, ret) && found == tag;
}

static bool time_read(struct str *from, int64_t *ret)
{
	struct str t;
	char text[16];
	int tag;

	if (!der_next(from, &tag, &t))
		return false;
	if (tag == DER_GENERALIZED_TIME)
		return stamp_parse_generalized(t, ret);
	/* two digits of the year: 50 to 99 are the last century's (RFC 5280 4.1.2.5.1) */
	if (tag != DER_UTC_TIME || t.len != 13)
		return false;
	memcpy(text, t.p[0] >= '5' ? "19" : "20", 2);
	memcpy(text + 2, t.p, t.len);
	return stamp_parse_generalized(str_n(text, 15), ret);
}

static bool name_matches(struct str name, struct str host)
{
	struct str label, rest;

	if (str_ieq(name, host))
		return true;
	if (!str_starts(name, STR("*.")))
		return false;
	return str_cut(host, '.', &label, &rest) && label.len > 0 &&
	       str_ieq(rest, str_n(name.p + 2, name.len - 2));
}

static bool address_matches(struct str raw, const char *host)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, host, bytes) == 1)
		return raw.len == 4 && memcmp(raw.p, bytes, 4) == 0;
	return inet_pton(AF_INET6, host, bytes) == 1 && raw.len == 16 &&
	       memcmp(raw.p, bytes, 16) == 0;
}

static void names_read(struct str names, const char *host, struct dir_cert *ret)
{
	struct str one;
	size_t n = 0;
	int tag;

	while (der_next(&names, &tag, &one)) {
		if (tag == SAN_ADDRESS)
			ret->host_named |= address_matches(one, host);
		if (tag != SAN_DNS)
			continue;
		ret->host_named |= name_matches(one, str_of(host));
		/* what is printed goes into a log */
		if (n + one.len + 3 > sizeof(ret->names))
			continue;
		if (n > 0) {
			memcpy(ret->names + n, ", ", 2);
			n += 2;
		}
		for (size_t i = 0; i < one.len; i++)
			ret->names[n++] =
				(char)(one.p[i] > ' ' && one.p[i] < 0x7F ? one.p[i] : '?');
		ret->names[n] = '\0';
	}
}

static void extensions_read(struct str list, const char *host, struct dir_cert *ret)
{
	static const char san[] = { 0x55, 0x1D, 0x11 }; /* 2.5.29.17 */
	struct str one, oid, value, names;
	int tag;

	if (!der_take(&list, DER_SEQUENCE, &one))
		return;
	list = one;
	while (der_take(&list, DER_SEQUENCE, &one)) {
		if (!der_take(&one, DER_OID, &oid) || !der_next(&one, &tag, &value))
			return;
		if (tag == DER_BOOLEAN && !der_take(&one, DER_OCTETS, &value))
			return;
		if (str_eq(oid, str_n(san, sizeof(san))) &&
		    der_take(&value, DER_SEQUENCE, &names))
			names_read(names, host, ret);
	}
}

bool dir_cert_read(struct str der, const char *host, struct dir_cert *ret)
{
	struct dir_cert cert = { 0 };
	struct str whole, tbs, part, validity;
	int tag;

	if (!der_take(&der, DER_SEQUENCE, &whole) || !der_take(&whole, DER_SEQUENCE, &tbs) ||
	    !der_next(&tbs, &tag, &part))
		return false;
	/* version is optional; then serial, algorithm, issuer */
	if (tag == TBS_VERSION && !der_next(&tbs, &tag, &part))
		return false;
	if (!der_next(&tbs, &tag, &part) || !der_next(&tbs, &tag, &part) ||
	    !der_take(&tbs, DER_SEQUENCE, &validity))
		return false;
	if (!time_read(&validity, &cert.from_ms) || !time_read(&validity, &cert.until_ms))
		return false;
	while (der_next(&tbs, &tag, &part))
		if (tag == TBS_EXTENSIONS)
			extensions_read(part, host, &cert);
	*ret = cert;
	return true;
}

void dir_cert_explain(const struct dir_cert *cert, const char *host, const char *ca_file,
		      int64_t now_ms, struct buf *into)
{
	char when[STAMP_TEXT_BYTES];

	if (now_ms > cert->until_ms) {
		stamp_text(cert->until_ms, when);
		buf_addf(into, "its certificate ended at %s: it needs a new one", when);
	} else if (now_ms < cert->from_ms) {
		stamp_text(cert->from_ms, when);
		buf_addf(into, "its certificate is not valid before %s: check the clocks",
			 when);
	} else if (!cert->host_named) {
		buf_addf(into,
			 "its certificate is not for %s but for %s: use that name in uris",
			 host, cert->names[0] ? cert->names : "no name at all");
	} else {
		buf_addf(into,
			 "its certificate is signed by an authority that %s does not hold: put "
			 "the directory's own CA there",
			 ca_file);
	}
}
