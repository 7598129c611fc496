/*
 * The least a libldap client can do to learn what changed: bind, one refreshOnly of RFC 4533
 * with the cookie of last time, and an ordinary search for those whom it named, fifty at once,
 * every value looked at, nothing kept. The limit beside which a delta is measured.
 *
 * usage: BARE_PASSWORD=... bare_ldap_delta URI CA_FILE BIND_DN BASE FILTER COOKIE ATTRIBUTE...
 *
 * An empty COOKIE asks of the base alone, only for the cookie. Prints "named N entries N values
 * N cookie TEXT".
 */
#include <lber.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 50
#define IDS_MOST 100000
#define FILTER_ROOM (BATCH * 64 + 4096)

static unsigned char ids[IDS_MOST][16];
static long named, entries, values;
static char cookie[65536];

static void must(const char *what, int rc)
{
	if (rc == LDAP_SUCCESS)
		return;
	fprintf(stderr, "bare_ldap_delta: %s: %s\n", what, ldap_err2string(rc));
	exit(1);
}

static void keep_cookie(const struct berval *v)
{
	if (v->bv_len < sizeof(cookie)) {
		memcpy(cookie, v->bv_val, v->bv_len);
		cookie[v->bv_len] = '\0';
	}
}

/* Sync State: { enumerated, entryUUID, cookie? }. */
static void take_state(LDAP *ld, LDAPMessage *entry)
{
	LDAPControl **controls = NULL, *c;
	struct berval id, new_cookie;
	BerElement *ber;
	ber_int_t state;
	ber_len_t len;

	must("controls", ldap_get_entry_controls(ld, entry, &controls));
	c = ldap_control_find(LDAP_CONTROL_SYNC_STATE, controls, NULL);
	if (c && (ber = ber_init(&c->ldctl_value))) {
		if (ber_scanf(ber, "{em", &state, &id) != LBER_ERROR && id.bv_len == 16 &&
		    named < IDS_MOST)
			memcpy(ids[named++], id.bv_val, 16);
		if (ber_peek_tag(ber, &len) == LDAP_TAG_SYNC_COOKIE &&
		    ber_scanf(ber, "m", &new_cookie) != LBER_ERROR)
			keep_cookie(&new_cookie);
		ber_free(ber, 1);
	}
	ldap_controls_free(controls);
}

static void take_done(LDAP *ld, LDAPMessage *result)
{
	LDAPControl **controls = NULL, *c;
	struct berval new_cookie;
	BerElement *ber;
	ber_len_t len;
	int rc;

	must("result", ldap_parse_result(ld, result, &rc, NULL, NULL, NULL, &controls, 0));
	must("what changed", rc);
	c = ldap_control_find(LDAP_CONTROL_SYNC_DONE, controls, NULL);
	if (c && (ber = ber_init(&c->ldctl_value))) {
		if (ber_scanf(ber, "{") != LBER_ERROR &&
		    ber_peek_tag(ber, &len) == LDAP_TAG_SYNC_COOKIE &&
		    ber_scanf(ber, "m", &new_cookie) != LBER_ERROR)
			keep_cookie(&new_cookie);
		ber_free(ber, 1);
	}
	ldap_controls_free(controls);
}

static void what_changed(LDAP *ld, char **argv)
{
	char none[] = LDAP_NO_ATTRS, *attrs[] = { none, NULL };
	BerElement *ber = ber_alloc_t(LBER_USE_DER);
	LDAPControl control = { (char *)LDAP_CONTROL_SYNC, { 0, NULL }, 1 };
	LDAPControl *controls[] = { &control, NULL };
	LDAPMessage *message;
	int id, type;

	if (!ber ||
	    ber_printf(ber, *argv[6] ? "{es}" : "{e}", LDAP_SYNC_REFRESH_ONLY, argv[6]) < 0 ||
	    ber_flatten2(ber, &control.ldctl_value, 0) < 0)
		must("control", LDAP_ENCODING_ERROR);
	must("search",
	     ldap_search_ext(ld, argv[4], *argv[6] ? LDAP_SCOPE_SUBTREE : LDAP_SCOPE_BASE,
			     argv[5], attrs, 0, controls, NULL, NULL, 0, &id));
	while ((type = ldap_result(ld, id, LDAP_MSG_ONE, NULL, &message)) > 0) {
		if (type == LDAP_RES_SEARCH_ENTRY)
			take_state(ld, message);
		if (type == LDAP_RES_SEARCH_RESULT)
			take_done(ld, message);
		ldap_msgfree(message);
		if (type == LDAP_RES_SEARCH_RESULT)
			break;
	}
	if (type <= 0)
		must("answer", LDAP_SERVER_DOWN);
	ber_free(ber, 1);
}

static void count_entry(LDAP *ld, LDAPMessage *entry)
{
	struct berval name, *list;
	BerElement *ber;

	must("entry", ldap_get_dn_ber(ld, entry, &ber, &name));
	for (;;) {
		must("attribute", ldap_get_attribute_ber(ld, entry, ber, &name, &list));
		if (!name.bv_val)
			break;
		for (struct berval *v = list; v && v->bv_val; v++)
			values++;
		ber_memfree(list);
	}
	ber_free(ber, 0);
	entries++;
}

static void read_again(LDAP *ld, char **argv, long from)
{
	static char filter[FILTER_ROOM];
	LDAPMessage *message;
	int at, id, type;

	at = snprintf(filter, sizeof(filter), "(&%s(|", argv[5]);
	for (long i = from; i < named && i < from + BATCH; i++) {
		const unsigned char *u = ids[i];

		at += snprintf(filter + at, sizeof(filter) - (size_t)at,
			       "(entryUUID=%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
			       "%02x%02x%02x%02x%02x%02x)",
			       u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9],
			       u[10], u[11], u[12], u[13], u[14], u[15]);
	}
	(void)snprintf(filter + at, sizeof(filter) - (size_t)at, "))");
	must("search", ldap_search_ext(ld, argv[4], LDAP_SCOPE_SUBTREE, filter, argv + 7, 0,
				       NULL, NULL, NULL, 0, &id));
	while ((type = ldap_result(ld, id, LDAP_MSG_ONE, NULL, &message)) > 0) {
		if (type == LDAP_RES_SEARCH_ENTRY)
			count_entry(ld, message);
		ldap_msgfree(message);
		if (type == LDAP_RES_SEARCH_RESULT)
			return;
	}
	must("answer", LDAP_SERVER_DOWN);
}

int main(int argc, char **argv)
{
	int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND;
	const char *password = getenv("BARE_PASSWORD");
	struct berval cred;
	LDAP *ld;

	if (argc < 8 || !password || strlen(argv[5]) > 4000) {
		fprintf(stderr,
			"usage: BARE_PASSWORD=... bare_ldap_delta URI CA_FILE BIND_DN BASE "
			"FILTER COOKIE ATTRIBUTE...\n");
		return 2;
	}
	must("CA", ldap_set_option(NULL, LDAP_OPT_X_TLS_CACERTFILE, argv[2]));
	must("TLS", ldap_set_option(NULL, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand));
	must(argv[1], ldap_initialize(&ld, argv[1]));
	ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	cred.bv_val = (char *)password;
	cred.bv_len = strlen(password);
	must("bind", ldap_sasl_bind_s(ld, argv[3], LDAP_SASL_SIMPLE, &cred, NULL, NULL, NULL));
	what_changed(ld, argv);
	for (long i = 0; i < named && *argv[6]; i += BATCH)
		read_again(ld, argv, i);
	ldap_unbind_ext_s(ld, NULL, NULL);
	printf("named %ld entries %ld values %ld cookie %s\n", named, entries, values, cookie);
	return 0;
}
