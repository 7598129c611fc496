#include "net/tsp.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ts.h>
#include <stdlib.h>

#include "base/stamp.h"
#include "base/str.h"

#define STATUS_TEXT_MOST 160

static void request_free(TS_REQ **at)
{
	TS_REQ_free(*at);
}

static void response_free(TS_RESP **at)
{
	TS_RESP_free(*at);
}

static void verify_free(TS_VERIFY_CTX **at)
{
	TS_VERIFY_CTX_free(*at);
}

static void bio_free(BIO **at)
{
	BIO_free_all(*at);
}

static void imprint_free(TS_MSG_IMPRINT **at)
{
	TS_MSG_IMPRINT_free(*at);
}

static void algorithm_free(X509_ALGOR **at)
{
	X509_ALGOR_free(*at);
}

static void object_free(ASN1_OBJECT **at)
{
	ASN1_OBJECT_free(*at);
}

static void number_free(BIGNUM **at)
{
	BN_free(*at);
}

static void integer_free(ASN1_INTEGER **at)
{
	ASN1_INTEGER_free(*at);
}

static void bytes_free(unsigned char **at)
{
	OPENSSL_free(*at);
}

/* A fault with the library's last word behind it; the library's queue is empty afterwards. */
static int fault_of(struct err *err, int code, const char *what)
{
	const char *data = NULL;
	int flags = 0;
	const char *text = ERR_reason_error_string(
		ERR_peek_last_error_all(NULL, NULL, NULL, &data, &flags));
	bool more = data && *data && (flags & ERR_TXT_STRING);

	err_set(err, code, "%s: %s%s%s%s", what, text ? text : "no reason is given",
		more ? " (" : "", more ? data : "", more ? ")" : "");
	ERR_clear_error();
	return -code;
}

static int lost(const char *what, struct err *err)
{
	return fault_of(err, ERR_INTERNAL, what);
}

/* --- the request ---------------------------------------------------------------------------
 */

bool tsp_policy_ok(const char *policy)
{
	CLEANUP(object_free) ASN1_OBJECT *object = OBJ_txt2obj(policy, 1);

	ERR_clear_error();
	return object && policy[strspn(policy, "0123456789.")] == '\0' &&
	       !strstr(policy, "..") && !str_ends(str_of(policy), STR("."));
}

static int set_imprint(TS_REQ *q, struct str data)
{
	CLEANUP(imprint_free) TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
	CLEANUP(algorithm_free) X509_ALGOR *algorithm = X509_ALGOR_new();
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)data.p, data.len, digest);
	if (!imprint || !algorithm)
		return 0;
	X509_ALGOR_set_md(algorithm, EVP_sha256());
	return TS_MSG_IMPRINT_set_algo(imprint, algorithm) &&
	       TS_MSG_IMPRINT_set_msg(imprint, digest, sizeof(digest)) &&
	       TS_REQ_set_msg_imprint(q, imprint);
}

static int set_nonce(TS_REQ *q, const unsigned char *nonce)
{
	CLEANUP(number_free) BIGNUM *number = BN_bin2bn(nonce, TSP_NONCE_BYTES, NULL);
	CLEANUP(integer_free) ASN1_INTEGER *value = NULL;

	if (number)
		value = BN_to_ASN1_INTEGER(number, NULL);
	return value && TS_REQ_set_nonce(q, value);
}

static int set_policy(TS_REQ *q, const char *policy)
{
	CLEANUP(object_free) ASN1_OBJECT *object = OBJ_txt2obj(policy, 1);

	return object && TS_REQ_set_policy_id(q, object);
}

/* The request of the terms, which is also what an answer is held against. */
static int request_of(const struct tsp_terms *terms, TS_REQ **ret, struct err *err)
{
	CLEANUP(request_free) TS_REQ *q = TS_REQ_new();

	ERR_clear_error();
	if (terms->policy && !tsp_policy_ok(terms->policy))
		return err_set(err, ERR_CONFIG,
			       "\"%s\" is no policy of time stamps: expected one such as "
			       "1.2.3.4.1",
			       terms->policy);
	if (!q || !TS_REQ_set_version(q, 1) || !set_imprint(q, terms->data) ||
	    (terms->nonce && !set_nonce(q, terms->nonce)) ||
	    (terms->policy && !set_policy(q, terms->policy)) || !TS_REQ_set_cert_req(q, 1))
		return lost("the request for a time stamp", err);
	*ret = TAKE(q);
	return 0;
}

int tsp_request(const struct tsp_terms *terms, struct buf *into, struct err *err)
{
	CLEANUP(request_free) TS_REQ *q = NULL;
	CLEANUP(bytes_free) unsigned char *bytes = NULL;
	int len, r = request_of(terms, &q, err);

	if (r < 0)
		return r;
	len = i2d_TS_REQ(q, &bytes);
	if (len <= 0)
		return lost("the request for a time stamp", err);
	buf_add(into, bytes, (size_t)len);
	return buf_fault(into, err, "the request for a time stamp");
}

/* --- the answer ----------------------------------------------------------------------------
 */

static const char *const status_words[] = {
	"granted", "granted with modifications", "rejected",
	"waiting", "revocation is imminent",     "revoked",
};

/* What the authority says of why, as one text without control characters. */
static void status_text(TS_STATUS_INFO *status, char ret[STATUS_TEXT_MOST])
{
	const STACK_OF(ASN1_UTF8STRING) *texts = TS_STATUS_INFO_get0_text(status);
	size_t n = 0;

	for (int i = 0; i < sk_ASN1_UTF8STRING_num(texts); i++) {
		const ASN1_UTF8STRING *s = sk_ASN1_UTF8STRING_value(texts, i);
		const unsigned char *p = ASN1_STRING_get0_data(s);

		for (int k = 0; k < ASN1_STRING_length(s) && n + 2 < STATUS_TEXT_MOST; k++)
			ret[n++] = p[k] < ' ' || p[k] >= 127 ? '?' : (char)p[k];
		if (n + 2 < STATUS_TEXT_MOST)
			ret[n++] = ' ';
	}
	ret[n ? n - 1 : 0] = '\0';
}

static int check_granted(TS_RESP *answer, struct err *err)
{
	TS_STATUS_INFO *status = TS_RESP_get_status_info(answer);
	char text[STATUS_TEXT_MOST];
	int64_t n = -1;

	if (!status || !ASN1_INTEGER_get_int64(&n, TS_STATUS_INFO_get0_status(status)))
		n = -1;
	if ((n == 0 || n == 1) && TS_RESP_get_tst_info(answer))
		return 0;
	if (status)
		status_text(status, text);
	return err_set(err, ERR_REMOTE, "the authority gave no time stamp: %s%s%s",
		       n >= 0 && n < (int64_t)COUNT_OF(status_words) ? status_words[n]
								     : "unknown status",
		       status && *text ? ": " : "", status && *text ? text : "");
}

/* Authorities of the file, as of the stamp's own time. */
static int store_of(const char *ca_file, int64_t ms, X509_STORE **ret, struct err *err)
{
	X509_STORE *store = X509_STORE_new();
	X509_VERIFY_PARAM *param = store ? X509_STORE_get0_param(store) : NULL;

	if (!param)
		return err_nomem(err);
	X509_VERIFY_PARAM_set_time(param, (long)(ms / 1000));
	if (!X509_STORE_load_file(store, ca_file)) {
		X509_STORE_free(store);
		return err_context(err, fault_of(err, ERR_CONFIG, "it cannot be read as PEM"),
				   "the authorities of time stamps %s", ca_file);
	}
	*ret = store;
	return 0;
}

static const X509 *signer_of(TS_RESP *answer)
{
	STACK_OF(X509) *signers = PKCS7_get0_signers(TS_RESP_get_token(answer), NULL, 0);
	const X509 *signer = sk_X509_num(signers) == 1 ? sk_X509_value(signers, 0) : NULL;

	sk_X509_free(signers); /* they belong to the answer */
	return signer;
}

static void authority_of(const X509 *signer, char *ret, size_t size)
{
	CLEANUP(bio_free) BIO *text = BIO_new(BIO_s_mem());
	int n = 0;

	if (text && X509_NAME_print_ex(text, X509_get_subject_name(signer), 0,
				       (XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) |
					       ASN1_STRFLGS_ESC_CTRL) >= 0)
		n = BIO_read(text, ret, (int)size - 1);
	ret[n > 0 ? n : 0] = '\0';
}

/* That the signature is one, by a certificate for time stamps that came along: what can be said
 * where nobody is trusted. */
static bool signature_fits(TS_RESP *answer, X509 *signer)
{
	PKCS7 *token = TS_RESP_get_token(answer);
	const STACK_OF(PKCS7_SIGNER_INFO) *infos = PKCS7_get_signer_info(token);
	CLEANUP(bio_free) BIO *content = PKCS7_dataInit(token, NULL);
	char piece[4096];

	while (content && BIO_read(content, piece, sizeof(piece)) > 0)
		;
	return content && sk_PKCS7_SIGNER_INFO_num(infos) == 1 &&
	       PKCS7_signatureVerify(content, token, sk_PKCS7_SIGNER_INFO_value(infos, 0),
				     signer) > 0 &&
	       X509_check_purpose(signer, X509_PURPOSE_TIMESTAMP_SIGN, 0) == 1;
}

static int check_time(const TS_TST_INFO *info, struct tsp_stamp *ret, struct err *err)
{
	const ASN1_GENERALIZEDTIME *at = TS_TST_INFO_get_time(info);
	const TS_ACCURACY *accuracy = TS_TST_INFO_get_accuracy((TS_TST_INFO *)(uintptr_t)info);
	int64_t seconds = 0, millis = 0, micros = 0;
	struct str text = { (const char *)ASN1_STRING_get0_data(at),
			    (size_t)ASN1_STRING_length(at) };

	if (!stamp_parse_generalized(text, &ret->ms))
		return err_set(err, ERR_DAMAGED, "the time stamp has no time that can be read");
	ret->accuracy_ms = -1;
	if (!accuracy)
		return 0;
	if (TS_ACCURACY_get_seconds(accuracy))
		(void)ASN1_INTEGER_get_int64(&seconds, TS_ACCURACY_get_seconds(accuracy));
	if (TS_ACCURACY_get_millis(accuracy))
		(void)ASN1_INTEGER_get_int64(&millis, TS_ACCURACY_get_millis(accuracy));
	if (TS_ACCURACY_get_micros(accuracy))
		(void)ASN1_INTEGER_get_int64(&micros, TS_ACCURACY_get_micros(accuracy));
	if (seconds >= 0 && seconds < INT32_MAX)
		ret->accuracy_ms = seconds * 1000 + millis + (micros > 0);
	return 0;
}

/* Sentences of ours for what the library finds. */
static int misfit(struct err *err)
{
	unsigned long last = ERR_peek_last_error();

	switch (ERR_GET_LIB(last) == ERR_LIB_TS ? ERR_GET_REASON(last) : 0) {
	case TS_R_NONCE_MISMATCH:
	case TS_R_NONCE_NOT_RETURNED:
		ERR_clear_error();
		return err_set(err, ERR_DAMAGED,
			       "the time stamp does not repeat the number that was asked with: "
			       "it answers another request");
	case TS_R_MESSAGE_IMPRINT_MISMATCH:
		ERR_clear_error();
		return err_set(err, ERR_DAMAGED,
			       "the time stamp is of something else: its digest differs");
	case TS_R_POLICY_MISMATCH:
		ERR_clear_error();
		return err_set(err, ERR_DAMAGED,
			       "the time stamp was made under another policy");
	default:
		return fault_of(err, ERR_TLS, "the signature of the time stamp");
	}
}

static int verify(TS_RESP *answer, const struct tsp_terms *terms, const struct tsp_stamp *stamp,
		  struct err *err)
{
	CLEANUP(request_free) TS_REQ *q = NULL;
	CLEANUP(verify_free) TS_VERIFY_CTX *v = NULL;
	X509_STORE *store = NULL;
	int r = request_of(terms, &q, err);

	if (r < 0)
		return r;
	v = TS_REQ_to_TS_VERIFY_CTX(q, NULL);
	if (!v)
		return lost("the check of a time stamp", err);
	if (terms->ca_file) {
		r = store_of(terms->ca_file, stamp->ms, &store, err);
		if (r < 0)
			return r;
		TS_VERIFY_CTX_set_store(v, store);
		TS_VERIFY_CTX_add_flags(v, TS_VFY_SIGNATURE);
	}
	return TS_RESP_verify_response(v, answer) == 1 ? 0 : misfit(err);
}

static int check_signer(TS_RESP *answer, const struct tsp_terms *terms, struct tsp_stamp *ret,
			struct err *err)
{
	const X509 *signer = signer_of(answer);

	if (!signer ||
	    (!terms->ca_file && !signature_fits(answer, (X509 *)(uintptr_t)signer))) {
		ERR_clear_error();
		return err_set(err, ERR_TLS,
			       "the signature of the time stamp does not fit the certificate "
			       "that came along");
	}
	authority_of(signer, ret->authority, sizeof(ret->authority));
	return 0;
}

int tsp_check(struct str answer, const struct tsp_terms *terms, struct tsp_stamp *ret,
	      struct err *err)
{
	const unsigned char *at = (const unsigned char *)answer.p;
	CLEANUP(response_free) TS_RESP *response = NULL;
	struct tsp_stamp stamp = { 0 };
	int r;

	ERR_clear_error();
	if (answer.len && answer.len <= TSP_ANSWER_MAX)
		response = d2i_TS_RESP(NULL, &at, (long)answer.len);
	if (!response || at != (const unsigned char *)answer.p + answer.len) {
		ERR_clear_error();
		return err_set(err, ERR_DAMAGED, "this is no answer with a time stamp");
	}
	r = check_granted(response, err);
	if (r == 0)
		r = check_time(TS_RESP_get_tst_info(response), &stamp, err);
	if (r == 0)
		r = verify(response, terms, &stamp, err);
	if (r == 0)
		r = check_signer(response, terms, &stamp, err);
	if (r < 0)
		return r;
	(void)OBJ_obj2txt(stamp.policy, sizeof(stamp.policy),
			  TS_TST_INFO_get_policy_id(TS_RESP_get_tst_info(response)), 1);
	*ret = stamp;
	return 0;
}
