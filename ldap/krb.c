#include "ldap/krb.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5/krb5.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/stamp.h"

#define TOKEN_BYTES (1 << 18)
#define TICK_MS 20
#define STEPS_MOST 8
#define FILE_KIND "FILE:"
#define LAYER_NONE 1 /* RFC 4752 3.3 */
/* Before the hash of the server's certificate (RFC 5929 4). */
#define ENDPOINT "tls-server-end-point:"

enum { GOING, LAYERS, OVER };

struct dir_krb {
	char *keytab, *principal, *host, *cache;
	char endpoint[sizeof(ENDPOINT) + 64];
	size_t endpoint_len;
	gss_name_t server;
	gss_cred_id_t cred;
	gss_ctx_id_t ctx;
	int state, steps;
	bool established;
	gss_buffer_desc token; /* to be sent; gss_release_buffer() */
	/* of the thread that gets the ticket */
	atomic_int refs;
	atomic_bool ready;
	int r;
	struct err err;
};

static void krb_unref(struct dir_krb *k)
{
	OM_uint32 minor;

	if (atomic_fetch_sub(&k->refs, 1) != 1)
		return;
	gss_release_buffer(&minor, &k->token);
	gss_delete_sec_context(&minor, &k->ctx, GSS_C_NO_BUFFER);
	gss_release_cred(&minor, &k->cred);
	gss_release_name(&minor, &k->server);
	free(k->keytab);
	free(k->principal);
	free(k->host);
	free(k->cache);
	free(k);
}

void dir_krb_free(struct dir_krb *k)
{
	if (k)
		krb_unref(k);
}

bool dir_krb_done(const struct dir_krb *k)
{
	return k->state == OVER;
}

int dir_krb_account(const struct dir_krb *k, char **ret, struct err *err)
{
	gss_buffer_desc text = { 0, NULL };
	gss_name_t name = GSS_C_NO_NAME;
	OM_uint32 minor, major;
	char *copy = NULL;
	int r = 0;

	major = gss_inquire_context(&minor, k->ctx, &name, NULL, NULL, NULL, NULL, NULL, NULL);
	if (!GSS_ERROR(major) && !GSS_ERROR(gss_display_name(&minor, name, &text, NULL))) {
		copy = str_dup(str_n(text.value, text.length));
		r = copy ? 0 : err_nomem(err);
	}
	gss_release_buffer(&minor, &text);
	gss_release_name(&minor, &name);
	if (r == 0)
		*ret = copy;
	return r;
}

/* --- faults ------------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
	krb5_error_code code;
	int fault;
	const char *way_out;
} causes[] = {
	{ KRB5KRB_AP_ERR_SKEW,            ERR_UNAUTHORIZED,
	  "the clocks of this machine and of the domain differ by more than 5 minutes: set them" },
	{ KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN, ERR_UNAUTHORIZED,
	  "the domain has no such account: check principal" },
	{ KRB5KDC_ERR_CLIENT_REVOKED,     ERR_UNAUTHORIZED,
	  "the account is disabled, locked or expired" },
	{ KRB5KDC_ERR_KEY_EXP,            ERR_UNAUTHORIZED,
	  "the account's password has expired" },
	{ KRB5KDC_ERR_PREAUTH_FAILED,     ERR_UNAUTHORIZED,
	  "the key in keytab is not the account's any more: export it again" },
	{ KRB5KRB_AP_ERR_BAD_INTEGRITY,   ERR_UNAUTHORIZED,
	  "the key in keytab is not the account's any more: export it again" },
	{ KRB5KDC_ERR_ETYPE_NOSUPP,       ERR_UNAUTHORIZED,
	  "keytab holds no key of a kind that the domain takes: export it again" },
	{ KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN, ERR_UNAUTHORIZED,
	  "the domain knows no service ldap of that name: write the server's own full name in uris" },
	{ KRB5_KT_NOTFOUND,               ERR_UNAUTHORIZED,
	  "keytab holds no key of the principal" },
	{ KRB5_CC_NOTFOUND,               ERR_UNAUTHORIZED,
	  "there is no ticket: give keytab, or keep the cache of KRB5CCNAME filled" },
	{ KRB5_FCC_NOFILE,                ERR_UNAUTHORIZED,
	  "there is no ticket: give keytab, or keep the cache of KRB5CCNAME filled" },
	{ KRB5KRB_AP_ERR_TKT_EXPIRED,     ERR_UNAUTHORIZED,
	  "the ticket has ended: give keytab, or keep the cache of KRB5CCNAME filled" },
	{ KRB5_KDC_UNREACH,               ERR_NETWORK,
	  "check network and krb5.conf" },
	{ KRB5_REALM_UNKNOWN,             ERR_NETWORK,
	  "krb5.conf and the DNS name no KDC of the realm" },
	{ KRB5_REALM_CANT_RESOLVE,        ERR_NETWORK,
	  "krb5.conf and the DNS name no KDC of the realm" },
};
/* clang-format on */

static void status_add(struct buf *into, OM_uint32 code, int type)
{
	OM_uint32 minor, more = 0;
	gss_buffer_desc text;

	do {
		if (gss_display_status(&minor, code, type, (gss_OID)(uintptr_t)gss_mech_krb5,
				       &more, &text) != GSS_S_COMPLETE)
			return;
		buf_addf(into, "%s%.*s", into->len ? ": " : "", (int)text.length,
			 (const char *)text.value);
		gss_release_buffer(&minor, &text);
	} while (more);
}

/* libkrb5's words may hold a principal: that is a service's name, of the settings. */
static int krb_fault(OM_uint32 major, OM_uint32 minor, struct err *err, const char *what)
{
	CLEANUP(buf_done) struct buf words = { 0 };
	const char *way_out = NULL;
	int fault = ERR_UNAUTHORIZED;

	buf_init(&words, ERR_TEXT_BYTES);
	for (size_t i = 0; i < COUNT_OF(causes); i++)
		if (causes[i].code == (krb5_error_code)minor) {
			fault = causes[i].fault;
			way_out = causes[i].way_out;
		}
	if (minor)
		status_add(&words, minor, GSS_C_MECH_CODE);
	if (!words.len)
		status_add(&words, major, GSS_C_GSS_CODE);
	return err_set(err, fault, "%s: %s%s%s", what,
		       words.p ? words.p : "libkrb5 does not say why", way_out ? "; " : "",
		       way_out ? way_out : "");
}

/* --- the ticket, on a thread of its own ----------------------------------------------------
 */

static gss_buffer_desc buffer_of(const char *text)
{
	return (gss_buffer_desc){ strlen(text), (void *)(uintptr_t)text };
}

static int name_import(const char *text, gss_OID kind, gss_name_t *ret, struct err *err)
{
	gss_buffer_desc buffer = buffer_of(text);
	OM_uint32 minor, major = gss_import_name(&minor, &buffer, kind, ret);

	return GSS_ERROR(major) ? krb_fault(major, minor, err, text) : 0;
}

static int keytab_fault(krb5_context ctx, const struct dir_krb *k, krb5_error_code code,
			struct err *err)
{
	const char *words = krb5_get_error_message(ctx, code);
	int r = err_set(err, code == ENOMEM ? ERR_NOMEM : ERR_CONFIG,
			code == KRB5_KT_NOTFOUND ? "keytab %s holds no key of %s: %s"
						 : "keytab %s cannot serve for %s: %s",
			k->keytab + strlen(FILE_KIND), k->principal ? k->principal : "anybody",
			words);

	krb5_free_error_message(ctx, words);
	return r;
}

/* libgssapi says of a keytab without the key that there is no cache. */
static int keytab_check(struct dir_krb *k, struct err *err)
{
	krb5_context ctx = NULL;
	krb5_keytab keytab = NULL;
	krb5_principal principal = NULL;
	krb5_keytab_entry entry;
	krb5_error_code code;
	int r;

	if (!k->keytab)
		return 0;
	if (krb5_init_context(&ctx) != 0)
		return err_set(err, ERR_CONFIG,
			       "krb5.conf, or the file of KRB5_CONFIG, cannot be read");
	code = krb5_kt_resolve(ctx, k->keytab, &keytab);
	if (code == 0)
		code = krb5_kt_have_content(ctx, keytab);
	if (code == 0 && k->principal)
		code = krb5_parse_name(ctx, k->principal, &principal);
	if (code == 0 && k->principal) {
		code = krb5_kt_get_entry(ctx, keytab, principal, 0, 0, &entry);
		if (code == 0)
			krb5_free_keytab_entry_contents(ctx, &entry);
	}
	r = code ? keytab_fault(ctx, k, code, err) : 0;
	krb5_free_principal(ctx, principal);
	if (keytab)
		krb5_kt_close(ctx, keytab);
	krb5_free_context(ctx);
	return r;
}

static int cred_get(struct dir_krb *k, struct err *err)
{
	gss_key_value_element_desc places[] = { { "client_keytab", k->keytab },
						{ "ccache", k->cache } };
	gss_key_value_set_desc store = { COUNT_OF(places), places };
	gss_OID_set_desc mechs = { 1, (gss_OID)(uintptr_t)gss_mech_krb5 };
	gss_name_t name = GSS_C_NO_NAME;
	OM_uint32 minor, major, unused;
	int r = k->principal ? name_import(k->principal,
					   (gss_OID)(uintptr_t)GSS_KRB5_NT_PRINCIPAL_NAME,
					   &name, err)
			     : 0;

	if (r < 0)
		return r;
	major = gss_acquire_cred_from(&minor, name, GSS_C_INDEFINITE, &mechs, GSS_C_INITIATE,
				      k->keytab ? &store : NULL, &k->cred, NULL, NULL);
	gss_release_name(&unused, &name);
	if (!GSS_ERROR(major))
		return 0;
	return krb_fault(major, minor, err,
			 k->principal ? k->principal
			 : k->keytab  ? k->keytab
				      : "the ticket cache");
}

/* Gives the server's token to libkrb5; k->token is what to send. */
static int context_step(struct dir_krb *k, struct str came, struct err *err)
{
	gss_buffer_desc in = { came.len, (void *)(uintptr_t)came.p };
	struct gss_channel_bindings_struct bindings = { .application_data = { k->endpoint_len,
									      k->endpoint } };
	OM_uint32 minor, major, unused;

	gss_release_buffer(&unused, &k->token);
	major = gss_init_sec_context(
		&minor, k->cred, &k->ctx, k->server, (gss_OID)(uintptr_t)gss_mech_krb5,
		GSS_C_MUTUAL_FLAG | GSS_C_SEQUENCE_FLAG, 0,
		k->endpoint_len ? &bindings : GSS_C_NO_CHANNEL_BINDINGS,
		came.len ? &in : GSS_C_NO_BUFFER, NULL, &k->token, NULL, NULL);
	if (GSS_ERROR(major)) {
		char what[300];

		snprintf(what, sizeof(what), "a ticket for ldap/%s", k->host);
		return krb_fault(major, minor, err, what);
	}
	k->established = major == GSS_S_COMPLETE;
	return 0;
}

static void *get_ticket(void *arg)
{
	struct dir_krb *k = arg;
	char service[300];

	snprintf(service, sizeof(service), "ldap@%s", k->host);
	k->r = name_import(service, GSS_C_NT_HOSTBASED_SERVICE, &k->server, &k->err);
	if (k->r == 0)
		k->r = keytab_check(k, &k->err);
	if (k->r == 0)
		k->r = cred_get(k, &k->err);
	if (k->r == 0)
		k->r = context_step(k, STR(""), &k->err);
	atomic_store(&k->ready, true);
	krb_unref(k);
	return NULL;
}

static int ticket_start(struct dir_krb *k, struct err *err)
{
	pthread_attr_t attr;
	pthread_t thread;
	int e;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	atomic_fetch_add(&k->refs, 1);
	e = pthread_create(&thread, &attr, get_ticket, k);
	pthread_attr_destroy(&attr);
	if (e == 0)
		return 0;
	atomic_fetch_sub(&k->refs, 1);
	return err_errno(err, ERR_INTERNAL, e, "a thread for Kerberos");
}

static int ticket_wait(struct dir_krb *k, int64_t until_mono_ms, const atomic_bool *cancel,
		       struct err *err)
{
	while (!atomic_load(&k->ready)) {
		if (cancel && atomic_load(cancel))
			return err_set(err, ERR_CANCELLED, "Kerberos: stopped");
		if (stamp_mono_ms() >= until_mono_ms)
			return err_set(err, ERR_TIMEOUT,
				       "no KDC gave a ticket in time: connect_timeout is over");
		stamp_sleep_ms(TICK_MS);
	}
	if (k->r < 0 && err)
		*err = k->err;
	return k->r;
}

/* --- beginning -----------------------------------------------------------------------------
 */

/* Of the certificate's own signature, but never less than SHA-256 (RFC 5929 4.1). */
static void endpoint_set(struct dir_krb *k, struct str der)
{
	gnutls_datum_t data = { (unsigned char *)(uintptr_t)der.p, (unsigned)der.len };
	gnutls_digest_algorithm_t hash = GNUTLS_DIG_UNKNOWN;
	gnutls_x509_crt_t cert;
	size_t head = strlen(ENDPOINT), room = sizeof(k->endpoint) - head;

	if (!der.len || gnutls_x509_crt_init(&cert) < 0)
		return;
	if (gnutls_x509_crt_import(cert, &data, GNUTLS_X509_FMT_DER) == 0)
		hash = gnutls_sign_get_hash_algorithm(
			(gnutls_sign_algorithm_t)gnutls_x509_crt_get_signature_algorithm(cert));
	gnutls_x509_crt_deinit(cert);
	if (hash == GNUTLS_DIG_UNKNOWN) /* a signature without a hash: RFC 5929 has no rule */
		return;
	if (hash == GNUTLS_DIG_MD5 || hash == GNUTLS_DIG_SHA1)
		hash = GNUTLS_DIG_SHA256;
	memcpy(k->endpoint, ENDPOINT, head);
	if (gnutls_fingerprint(hash, &data, k->endpoint + head, &room) == 0)
		k->endpoint_len = head + room;
}

static int copy(const char *text, char **ret, struct err *err)
{
	if (!text)
		return 0;
	*ret = str_dup(str_of(text));
	return *ret ? 0 : err_nomem(err);
}

/* A source's own tickets: another account's must not stand in for them. */
static int places_set(struct dir_krb *k, const struct dir_options *o, struct err *err)
{
	char cache[200], keytab[4200];

	snprintf(cache, sizeof(cache), "MEMORY:leaverd-%.100s-%.60s", o->name ? o->name : "",
		 o->principal ? o->principal : "");
	if (!o->keytab)
		return 0;
	snprintf(keytab, sizeof(keytab), FILE_KIND "%s", o->keytab);
	if (access(o->keytab, R_OK) < 0)
		return err_errno(err, ERR_CONFIG, errno, "keytab %s cannot be read", o->keytab);
	return copy(cache, &k->cache, err) < 0 ? -ERR_NOMEM : copy(keytab, &k->keytab, err);
}

int dir_krb_new(const struct dir_options *o, const char *host, struct str server_cert,
		int64_t until_mono_ms, const atomic_bool *cancel, struct dir_krb **ret,
		struct err *err)
{
	CLEANUP(dir_krb_free_at) struct dir_krb *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return err_nomem(err);
	atomic_init(&k->refs, 1);
	atomic_init(&k->ready, false);
	endpoint_set(k, server_cert);
	r = copy(host, &k->host, err);
	if (r == 0)
		r = copy(o->principal, &k->principal, err);
	if (r == 0)
		r = places_set(k, o, err);
	if (r == 0)
		r = ticket_start(k, err);
	if (r == 0)
		r = ticket_wait(k, until_mono_ms, cancel, err);
	if (r < 0)
		return err_context(err, r, "Kerberos");
	*ret = TAKE(k);
	return 0;
}

/* --- steps ---------------------------------------------------------------------------------
 */

/* The server offers its layers; we want none, and to be nobody but our principal. */
static int layer_answer(struct dir_krb *k, struct str came, struct buf *send, struct err *err)
{
	static const unsigned char none[4] = { LAYER_NONE, 0, 0, 0 };
	gss_buffer_desc in = { came.len, (void *)(uintptr_t)came.p }, out = { 0, NULL };
	gss_buffer_desc plain = { sizeof(none), (void *)(uintptr_t)none };
	OM_uint32 minor, major, unused;
	bool offered;

	major = gss_unwrap(&minor, k->ctx, &in, &out, NULL, NULL);
	if (GSS_ERROR(major))
		return krb_fault(major, minor, err, "the server's answer");
	offered = out.length == 4 && ((const unsigned char *)out.value)[0] & LAYER_NONE;
	gss_release_buffer(&unused, &out);
	if (!offered)
		return err_set(err, ERR_NOT_SUPPORTED,
			       "the server wants a layer of Kerberos around TLS, which is not "
			       "spoken here: let it take TLS alone");
	major = gss_wrap(&minor, k->ctx, 0, GSS_C_QOP_DEFAULT, &plain, NULL, &out);
	if (GSS_ERROR(major))
		return krb_fault(major, minor, err, "the last step");
	buf_add(send, out.value, out.length);
	gss_release_buffer(&unused, &out);
	k->state = OVER;
	return buf_fault(send, err, "a token");
}

int dir_krb_step(struct dir_krb *k, struct str came, struct buf *send, struct err *err)
{
	int r = 0;

	buf_clear(send);
	if (k->steps++ == STEPS_MOST || k->state == OVER)
		return err_set(err, ERR_PROTOCOL, "the server never comes to an end");
	if (k->state == LAYERS)
		return layer_answer(k, came, send, err);
	if (k->steps > 1) {
		if (came.len == 0)
			return err_set(err, ERR_PROTOCOL, "the server's answer is empty");
		r = context_step(k, came, err);
	}
	if (r < 0)
		return r;
	if (k->token.length)
		buf_add(send, k->token.value, k->token.length);
	if (k->established)
		k->state = LAYERS;
	return buf_fault(send, err, "a token");
}
