/*
 * The least a libldap client can do with a directory: one paged search, every value of every
 * entry looked at, nothing kept. The limit beside which reading a directory is measured.
 *
 * usage: BARE_PASSWORD=... bare_ldap URI CA_FILE BIND_DN BASE FILTER PAGE ATTRIBUTE...
 *
 * Prints "entries N values N bytes N pages N".
 */
#include <lber.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct counts {
	long entries, values, bytes, pages;
};

static void fail(const char *what, int rc)
{
	fprintf(stderr, "bare_ldap: %s: %s\n", what, ldap_err2string(rc));
	exit(1);
}

static void must(const char *what, int rc)
{
	if (rc != LDAP_SUCCESS)
		fail(what, rc);
}

/* Walks the values in place, without copies. */
static void count_entry(LDAP *ld, LDAPMessage *entry, struct counts *n)
{
	struct berval name, *values;
	BerElement *ber;

	must("entry", ldap_get_dn_ber(ld, entry, &ber, &name));
	n->bytes += (long)name.bv_len;
	for (;;) {
		must("attribute", ldap_get_attribute_ber(ld, entry, ber, &name, &values));
		if (!name.bv_val)
			break;
		for (struct berval *v = values; v && v->bv_val; v++) {
			n->values++;
			n->bytes += (long)v->bv_len;
		}
		ber_memfree(values);
	}
	ber_free(ber, 0);
	n->entries++;
}

/* The cookie of the next page; empty after the last. */
static void page_end(LDAP *ld, LDAPMessage *result, struct berval *cookie)
{
	LDAPControl **controls = NULL, *page;
	ber_int_t estimate;
	int rc;

	must("result", ldap_parse_result(ld, result, &rc, NULL, NULL, NULL, &controls, 0));
	must("search", rc);
	ber_memfree(cookie->bv_val);
	*cookie = (struct berval){ 0 };
	page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
	if (page)
		must("page", ldap_parse_pageresponse_control(ld, page, &estimate, cookie));
	ldap_controls_free(controls);
}

static void read_page(LDAP *ld, char **argv, struct berval *cookie, struct counts *n)
{
	ber_int_t size = (ber_int_t)strtol(argv[6], NULL, 10);
	LDAPControl *page, *controls[2] = { 0 };
	LDAPMessage *message;
	int id, type;

	must("control", ldap_create_page_control(ld, size, cookie, 1, &page));
	controls[0] = page;
	must("search", ldap_search_ext(ld, argv[4], LDAP_SCOPE_SUBTREE, argv[5], argv + 7, 0,
				       controls, NULL, NULL, 0, &id));
	ldap_control_free(page);
	while ((type = ldap_result(ld, id, LDAP_MSG_ONE, NULL, &message)) > 0) {
		if (type == LDAP_RES_SEARCH_ENTRY)
			count_entry(ld, message, n);
		if (type == LDAP_RES_SEARCH_RESULT) {
			page_end(ld, message, cookie);
			ldap_msgfree(message);
			n->pages++;
			return;
		}
		ldap_msgfree(message);
	}
	fail("answer", LDAP_SERVER_DOWN);
}

int main(int argc, char **argv)
{
	int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND;
	const char *password = getenv("BARE_PASSWORD");
	struct berval cookie = { 0 }, cred;
	struct counts n = { 0 };
	LDAP *ld;

	if (argc < 8 || !password) {
		fprintf(stderr, "usage: BARE_PASSWORD=... bare_ldap URI CA_FILE BIND_DN BASE "
				"FILTER PAGE ATTRIBUTE...\n");
		return 2;
	}
	must("CA", ldap_set_option(NULL, LDAP_OPT_X_TLS_CACERTFILE, argv[2]));
	must("TLS", ldap_set_option(NULL, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand));
	must(argv[1], ldap_initialize(&ld, argv[1]));
	ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	cred.bv_val = (char *)password;
	cred.bv_len = strlen(password);
	must("bind", ldap_sasl_bind_s(ld, argv[3], LDAP_SASL_SIMPLE, &cred, NULL, NULL, NULL));
	do
		read_page(ld, argv, &cookie, &n);
	while (cookie.bv_len);
	ldap_unbind_ext_s(ld, NULL, NULL);
	printf("entries %ld values %ld bytes %ld pages %ld\n", n.entries, n.values, n.bytes,
	       n.pages);
	return 0;
}
