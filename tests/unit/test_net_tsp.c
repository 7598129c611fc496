/* An authority of time in this process (OpenSSL's own), and what it may answer. */
#include "tests/lib/test.h"

#include <openssl/pem.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "base/str.h"
#include "net/tsp.h"

#define POLICY "1.3.6.1.4.1.32473.1.1"
#define OTHER "1.3.6.1.4.1.32473.1.2"

static const char text[] = "leaverd-anchor 1 instance=acme seq=41\n";
static const unsigned char nonce[TSP_NONCE_BYTES] = { 7, 1, 2, 3 };

struct authority {
	EVP_PKEY *key;
	X509 *cert;
	char pem[64];
};

static void extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(ext);
	assert_true(X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
}

static void authority_make(struct authority *a, const char *name)
{
	X509_NAME *subject;
	FILE *file;
	int fd;

	a->key = EVP_EC_gen("P-256");
	a->cert = X509_new();
	assert_non_null(a->key);
	assert_non_null(a->cert);
	X509_set_version(a->cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(a->cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(a->cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(a->cert), 86400);
	subject = X509_get_subject_name(a->cert);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name,
				   -1, -1, 0);
	X509_set_issuer_name(a->cert, subject);
	X509_set_pubkey(a->cert, a->key);
	extend(a->cert, NID_ext_key_usage, "critical,timeStamping");
	assert_true(X509_sign(a->cert, a->key, EVP_sha256()));
	(void)snprintf(a->pem, sizeof(a->pem), "/tmp/test_net_tsp.XXXXXX");
	fd = mkstemp(a->pem);
	file = fdopen(fd, "w");
	assert_non_null(file);
	assert_true(PEM_write_X509(file, a->cert));
	fclose(file);
}

static void authority_done(struct authority *a)
{
	unlink(a->pem);
	X509_free(a->cert);
	EVP_PKEY_free(a->key);
}

static ASN1_INTEGER *serial(TS_RESP_CTX *ctx, void *data)
{
	ASN1_INTEGER *number = ASN1_INTEGER_new();

	(void)ctx;
	(void)data;
	ASN1_INTEGER_set(number, 4711);
	return number;
}

static int serve_policies(TS_RESP_CTX *ctx)
{
	ASN1_OBJECT *policy = OBJ_txt2obj(POLICY, 1), *other = OBJ_txt2obj(OTHER, 1);
	int r = TS_RESP_CTX_set_def_policy(ctx, policy) && TS_RESP_CTX_add_policy(ctx, other);

	ASN1_OBJECT_free(policy);
	ASN1_OBJECT_free(other);
	return r;
}

/* What it answers to the request of these terms. */
static void answer_of(const struct authority *a, const struct tsp_terms *terms,
		      struct buf *into)
{
	TS_RESP_CTX *ctx = TS_RESP_CTX_new();
	CLEANUP(buf_done) struct buf query;
	unsigned char *bytes = NULL;
	struct err err = { 0 };
	TS_RESP *response;
	BIO *in;
	int len;

	buf_init(&query, TSP_QUERY_MAX);
	assert_ok(tsp_request(terms, &query, &err), &err);
	assert_non_null(ctx);
	assert_true(TS_RESP_CTX_set_signer_cert(ctx, a->cert));
	assert_true(TS_RESP_CTX_set_signer_key(ctx, a->key));
	assert_true(TS_RESP_CTX_set_signer_digest(ctx, EVP_sha256()));
	assert_true(TS_RESP_CTX_set_ess_cert_id_digest(ctx, EVP_sha256()));
	assert_true(TS_RESP_CTX_add_md(ctx, EVP_sha256()));
	assert_true(TS_RESP_CTX_set_accuracy(ctx, 1, 499, 1));
	assert_true(serve_policies(ctx));
	TS_RESP_CTX_set_serial_cb(ctx, serial, NULL);
	in = BIO_new_mem_buf(query.p, (int)query.len);
	response = TS_RESP_create_response(ctx, in);
	assert_non_null(response);
	len = i2d_TS_RESP(response, &bytes);
	assert_true(len > 0);
	buf_add(into, bytes, (size_t)len);
	OPENSSL_free(bytes);
	TS_RESP_free(response);
	BIO_free(in);
	TS_RESP_CTX_free(ctx);
}

static struct authority good, stranger;

static int make_both(void **state)
{
	(void)state;
	authority_make(&good, "Quiet Hours");
	authority_make(&stranger, "Stranger");
	return 0;
}

static int end_both(void **state)
{
	(void)state;
	authority_done(&good);
	authority_done(&stranger);
	return 0;
}

static struct tsp_terms usual(void)
{
	return (struct tsp_terms){ .data = str_of(text), .nonce = nonce, .ca_file = good.pem };
}

static void test_a_stamp_says_when_by_whom_and_under_which_policy(void **state)
{
	struct tsp_terms terms = usual();
	struct tsp_stamp stamp = { 0 };
	CLEANUP(buf_done) struct buf b;
	struct err err = { 0 };

	(void)state;
	buf_init(&b, TSP_ANSWER_MAX);
	answer_of(&good, &terms, &b);
	assert_ok(tsp_check(buf_str(&b), &terms, &stamp, &err), &err);
	assert_string_equal(stamp.authority, "CN=Quiet Hours");
	assert_string_equal(stamp.policy, POLICY);
	assert_int_equal(stamp.accuracy_ms, 1500);
	assert_true(stamp.ms > 1700000000000LL && stamp.ms % 1000 == 0);
	terms.nonce = NULL; /* when it is looked at again */
	assert_ok(tsp_check(buf_str(&b), &terms, &stamp, &err), &err);
	terms.ca_file = NULL;
	assert_ok(tsp_check(buf_str(&b), &terms, &stamp, &err), &err);
}

static void test_what_does_not_fit_is_told_by_its_own_sentence(void **state)
{
	const unsigned char other_nonce[TSP_NONCE_BYTES] = { 7, 1, 2, 4 };
	CLEANUP(buf_done) struct buf b, strange;
	struct tsp_terms terms = usual();
	struct tsp_stamp stamp = { .ms = 5 };
	struct err err = { 0 };

	(void)state;
	buf_init(&b, TSP_ANSWER_MAX);
	buf_init(&strange, TSP_ANSWER_MAX);
	answer_of(&good, &terms, &b);
	answer_of(&stranger, &terms, &strange);
	terms.nonce = other_nonce;
	assert_fault(tsp_check(buf_str(&b), &terms, &stamp, &err), ERR_DAMAGED, &err,
		     "another request");
	terms = usual();
	terms.data = STR("something else");
	assert_fault(tsp_check(buf_str(&b), &terms, &stamp, &err), ERR_DAMAGED, &err,
		     "something else");
	terms = usual();
	terms.policy = OTHER;
	assert_fault(tsp_check(buf_str(&b), &terms, &stamp, &err), ERR_DAMAGED, &err,
		     "another policy");
	terms = usual();
	assert_fault(tsp_check(buf_str(&strange), &terms, &stamp, &err), ERR_TLS, &err,
		     "signature");
	terms.ca_file = "/nowhere/ca.pem";
	assert_fault(tsp_check(buf_str(&b), &terms, &stamp, &err), ERR_CONFIG, &err,
		     "/nowhere/ca.pem");
	terms.policy = "no policy";
	assert_fault(tsp_check(buf_str(&b), &terms, &stamp, &err), ERR_CONFIG, &err,
		     "no policy");
	assert_int_equal(stamp.ms, 5); /* written on success only */
}

static void test_a_refusal_is_told_with_what_the_authority_says(void **state)
{
	struct tsp_terms terms = usual();
	struct tsp_stamp stamp;
	CLEANUP(buf_done) struct buf b;
	struct err err = { 0 };

	(void)state;
	buf_init(&b, TSP_ANSWER_MAX);
	terms.policy = "1.2.3.4";
	answer_of(&good, &terms, &b);
	assert_fault(tsp_check(buf_str(&b), &terms, &stamp, &err), ERR_REMOTE, &err,
		     "rejected: Requested policy is not supported");
}

static void test_a_flipped_bit_is_found_or_changes_nothing_that_is_said(void **state)
{
	struct tsp_terms terms = usual();
	struct tsp_stamp whole, stamp;
	CLEANUP(buf_done) struct buf b;
	struct err err = { 0 };
	size_t found = 0;

	(void)state;
	buf_init(&b, TSP_ANSWER_MAX);
	answer_of(&good, &terms, &b);
	assert_ok(tsp_check(buf_str(&b), &terms, &whole, &err), &err);
	for (size_t i = 0; i < b.len; i++) {
		b.p[i] = (char)(b.p[i] ^ (1 << i % 8));
		if (tsp_check(buf_str(&b), &terms, &stamp, &err) < 0) {
			found++;
		} else {
			assert_int_equal(stamp.ms, whole.ms);
			assert_string_equal(stamp.policy, whole.policy);
		}
		b.p[i] = (char)(b.p[i] ^ (1 << i % 8));
	}
	assert_true(found > b.len / 2);
	for (size_t i = 0; i < b.len; i++)
		assert_true(tsp_check(str_n(b.p, i), &terms, &stamp, &err) < 0);
	buf_add_char(&b, '\0'); /* and nothing may stand behind it */
	assert_fault(tsp_check(buf_str(&b), &terms, &stamp, &err), ERR_DAMAGED, &err,
		     "no answer");
}

static void test_policies_are_dotted_numbers(void **state)
{
	static const struct {
		const char *policy;
		bool ok;
	} cases[] = {
		{ "1.2.3.4.1", true },
		{ POLICY, true },
		{ "", false },
		{ "1", false },
		{ "4.1.1", false },
		{ "1.2.x", false },
		{ "timeStamping", false },
		{ "1.2..3", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (tsp_policy_ok(cases[i].policy) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stamp_says_when_by_whom_and_under_which_policy),
		cmocka_unit_test(test_what_does_not_fit_is_told_by_its_own_sentence),
		cmocka_unit_test(test_a_refusal_is_told_with_what_the_authority_says),
		cmocka_unit_test(test_a_flipped_bit_is_found_or_changes_nothing_that_is_said),
		cmocka_unit_test(test_policies_are_dotted_numbers),
	};

	return cmocka_run_group_tests(tests, make_both, end_both);
}
