/* Statements and key files: one meaning has one text, and no byte of it can be changed. */
#include "tests/lib/test.h"

#include "base/stamp.h"
#include "model/signkey.h"
#include "model/statement.h"

#define NOW 1795338000000LL /* 2026-11-22T09:00:00Z */
#define HEX32 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEAD                                                                                   \
	"leaverd-statement 1\n"                                                                \
	"instance acme-eu\n"                                                                   \
	"authority " HEX32 "\n"                                                                \
	"about plan\n"                                                                         \
	"decision approve\n"
#define TAIL                                                                                   \
	"target 12\n"                                                                          \
	"actions 1,2,50\n"                                                                     \
	"guards admin limit-leavers-day\n"                                                     \
	"reason closing of the Lyon office\n"                                                  \
	"nonce 00112233445566778899aabbccddeeff\n"                                             \
	"expires 2026-11-25T09:00:00Z\n"

static void seed_of(struct secret *ret, char fill)
{
	unsigned char b[DIGEST_SEED_BYTES];
	struct err err = { 0 };

	memset(b, fill, sizeof(b));
	assert_ok(secret_set(ret, b, sizeof(b), &err), &err);
}

static void sign(const char *text, const char *who, struct buf *into)
{
	CLEANUP(secret_done) struct secret seed = { 0 };
	struct statement s;
	struct err err = { 0 };

	seed_of(&seed, 'a');
	assert_ok(statement_parse(str_of(text), &s, &err), &err);
	assert_ok(statement_sign(&s, str_of(who), &seed, NOW, into, &err), &err);
}

static const struct {
	const char *text, *says; /* says NULL: it is one */
} texts[] = {
	{ HEAD TAIL, NULL },
	{ HEAD "organisation acme\n" TAIL, NULL },
	{ "", "first line" },
	{ "leaverd-statement 2\n", "first line" },
	{ "leaverd-audit-head 1\nseq 1\n", "first line" },
	{ HEAD, "no line \"target\"" },
	{ HEAD TAIL "expires 2026-11-25T09:00:00Z\n", "twice or out of order" },
	{ HEAD TAIL "organisation acme\n", "twice or out of order" },
	{ HEAD "colour red\n" TAIL, "line 6 of the statement begins with no word" },
	{ HEAD TAIL "\n", "begins with no word" },
	{ HEAD TAIL "who ada\n", "signed in part" },
	{ HEAD TAIL "who ada", "does not end" },
	{ HEAD "organisation \n" TAIL, "organisation has a value" },
	{ HEAD "organisation a\tb\n" TAIL, "organisation has a value" },
	/* what would be shown to its reader otherwise than it is */
	{ HEAD "organisation a\xe2\x80\xae"
	       "b\n" TAIL,
	  "organisation has a value" },
	{ HEAD "organisation a\xc2\x85"
	       "b\n" TAIL,
	  "organisation has a value" },
	{ HEAD "organisation a\xff\n" TAIL, "organisation has a value" },
	{ HEAD "organisation a\xd8\x9c"
	       "b\n" TAIL,
	  "organisation has a value" }, /* U+061C, Arabic letter mark */
	{ HEAD "organisation a\xe2\x80\x8b"
	       "b\n" TAIL,
	  "organisation has a value" }, /* U+200B, zero width space */
	{ HEAD "organisation a\xe2\x80\x8d"
	       "b\n" TAIL,
	  "organisation has a value" }, /* U+200D, zero width joiner */
	{ HEAD "organisation a\xe2\x81\xa0"
	       "b\n" TAIL,
	  "organisation has a value" }, /* U+2060, word joiner */
	{ HEAD "organisation \xef\xbb\xbf"
	       "b\n" TAIL,
	  "organisation has a value" }, /* U+FEFF, byte order mark */
	{ HEAD "organisation a\xc2\xad"
	       "b\n" TAIL,
	  "organisation has a value" }, /* U+00AD, soft hyphen */
	{ HEAD "organisation a\xef\xb8\x8f"
	       "b\n" TAIL,
	  "organisation has a value" }, /* U+FE0F, variation selector */
	{ HEAD "organisation a\xf3\xa0\x81\xa1"
	       "b\n" TAIL,
	  "organisation has a value" }, /* U+E0061, a tag */
	{ HEAD
	  "organisation Soci\xc3\xa9t\xc3\xa9 \xe6\x9d\xb1\xe4\xba\xac \xf0\x9f\x8f\xa2\n" TAIL,
	  NULL },
	/* one value has one text */
	{ HEAD "target 12\nactions 1,,2\n", "actions has a value" },
	{ HEAD "target 12\nactions 01\n", "actions has a value" },
	{ HEAD "target 12\nactions 1,\n", "actions has a value" },
	{ HEAD "target 12\nactions 1,1\n", "actions has a value" },
	{ HEAD "target 12\nactions 2,1\n", "actions has a value" },
	{ HEAD "target 12\nguards admin  x\n", "guards has a value" },
	{ HEAD "target 12\nnonce 00112233445566778899AABBCCDDEEFF\n", "nonce has a value" },
	{ HEAD
	  "target 12\nnonce 00112233445566778899aabbccddeeff\nexpires 2026-11-25T09:00:00.000Z"
	  "\n",
	  "expires has a value" },
	{ HEAD "target 12\nnonce 00112233445566778899aabbccddeeff\nexpires "
	       "2026-11-25T10:00:00+01:00\n",
	  "expires has a value" },
};

static void test_a_statement_has_one_text_only(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct statement s;
		struct err err = { 0 };
		int r = statement_parse(str_of(texts[i].text), &s, &err);

		if (!texts[i].says) {
			assert_ok(r, &err);
			assert_int_equal(s.signed_bytes, 0);
			assert_false(statement_signed(&s));
			continue;
		}
		if (r != -ERR_INVALID_SYNTAX || !strstr(err.text, texts[i].says))
			fail_msg("case %zu: %d: %s, not: %s", i, r, err.text, texts[i].says);
	}
}

static void test_what_is_written_is_read_again(void **state)
{
	struct str f[STATEMENT_FIELDS] = { { 0 } };
	CLEANUP(buf_done) struct buf text;
	struct statement s;
	struct err err = { 0 };

	(void)state;
	buf_init(&text, STATEMENT_MAX_BYTES);
	f[STATEMENT_INSTANCE] = STR("acme-eu");
	f[STATEMENT_AUTHORITY] = STR(HEX32);
	f[STATEMENT_ABOUT] = STR("plan");
	f[STATEMENT_DECISION] = STR("approve");
	f[STATEMENT_TARGET] = STR("12");
	f[STATEMENT_REASON] = STR("first line\nwho eve");
	f[STATEMENT_NONCE] = STR("00112233445566778899aabbccddeeff");
	f[STATEMENT_EXPIRES] = STR("2026-11-25T09:00:00Z");
	assert_ok(statement_write(f, &text, &err), &err);
	assert_ok(statement_parse(buf_str(&text), &s, &err), &err);
	/* a reason cannot make lines of its own */
	assert_true(statement_is(&s, STATEMENT_REASON, "first line who eve"));
	assert_int_equal(s.field[STATEMENT_WHO].len, 0);
	f[STATEMENT_REASON] = STR("\xe2\x80\xae");
	assert_fault(statement_write(f, &text, &err), ERR_INVALID_VALUE, &err, "reason");
}

static void test_a_signature_covers_each_byte(void **state)
{
	CLEANUP(buf_done) struct buf text;
	struct statement s;
	struct err err = { 0 };
	size_t parsed = 0;

	(void)state;
	buf_init(&text, STATEMENT_MAX_BYTES);
	sign(HEAD TAIL, "ada", &text);
	assert_ok(statement_parse(buf_str(&text), &s, &err), &err);
	assert_true(statement_signed(&s));
	assert_true(statement_is(&s, STATEMENT_WHO, "ada"));
	assert_int_equal(s.at_ms, NOW);
	for (size_t i = 0; i < text.len; i++) {
		static const char bits[] = { 1, 2, 4, 16, 32 };

		for (size_t b = 0; b < COUNT_OF(bits); b++) {
			text.p[i] ^= bits[b];
			if (statement_parse(buf_str(&text), &s, &err) == 0) {
				parsed++;
				if (statement_signed(&s))
					fail_msg("byte %zu may be changed", i);
			}
			text.p[i] ^= bits[b];
		}
	}
	/* many of them are statements still: it is the signature that refuses them */
	assert_true(parsed > 300);
}

static void test_what_is_signed_is_not_signed_again(void **state)
{
	CLEANUP(buf_done) struct buf text, again;
	CLEANUP(secret_done) struct secret seed = { 0 };
	struct statement s;
	struct err err = { 0 };

	(void)state;
	buf_init(&text, STATEMENT_MAX_BYTES);
	buf_init(&again, STATEMENT_MAX_BYTES);
	seed_of(&seed, 'b');
	sign(HEAD TAIL, "ada", &text);
	assert_ok(statement_parse(buf_str(&text), &s, &err), &err);
	assert_fault(statement_sign(&s, STR("bob"), &seed, NOW, &again, &err), ERR_CONFLICT,
		     &err, "signed already, by ada");
}

static void test_a_key_file_opens_with_its_passphrase_only(void **state)
{
	CLEANUP(buf_done) struct buf sealed, open_part;
	CLEANUP(secret_done) struct secret right = { 0 }, wrong = { 0 }, seed = { 0 };
	unsigned char public_key[DIGEST_PUB_BYTES];
	struct signkey key, shown;
	struct err err = { 0 };

	(void)state;
	buf_init(&sealed, SIGNKEY_MAX_BYTES);
	buf_init(&open_part, SIGNKEY_MAX_BYTES);
	assert_ok(secret_set(&right, "correct horse", 13, &err), &err);
	assert_ok(secret_set(&wrong, "correct house", 13, &err), &err);
	assert_fault(signkey_make(STR("Ada Lovelace"), &right, &sealed, &open_part, &err),
		     ERR_INVALID_VALUE, &err, "small letters");
	assert_ok(signkey_make(STR("ada"), &right, &sealed, &open_part, &err), &err);
	assert_ok(signkey_parse(buf_str(&open_part), &shown, &err), &err);
	assert_false(shown.sealed);
	assert_fault(signkey_open(&shown, &right, &seed, &err), ERR_SECRET, &err,
		     "public part");
	assert_ok(signkey_parse(buf_str(&sealed), &key, &err), &err);
	assert_true(str_eq(key.name, STR("ada")));
	assert_memory_equal(key.public_key, shown.public_key, DIGEST_PUB_BYTES);
	assert_fault(signkey_open(&key, &wrong, &seed, &err), ERR_SECRET, &err, "passphrase");
	assert_ok(signkey_open(&key, &right, &seed, &err), &err);
	assert_ok(digest_public(public_key, &seed, &err), &err);
	assert_memory_equal(public_key, key.public_key, DIGEST_PUB_BYTES);
	/* the name is sealed with the seed: nobody makes it another person's */
	secret_done(&seed);
	memcpy(strstr(sealed.p, "ada"), "eve", 3);
	assert_ok(signkey_parse(buf_str(&sealed), &key, &err), &err);
	assert_fault(signkey_open(&key, &right, &seed, &err), ERR_SECRET, &err, "changed");
}

static const char *const no_keys[] = {
	"",
	"leaverd-key 1\n",
	"leaverd-key 1\nname ada\npublic " HEX32 "\n",
	"leaverd-key 1\nname ada\npublic " HEX32 "\nsalt 00\nsealed 00\n",
	"leaverd-key-public 1\nname ada\npublic 00\n",
	"leaverd-key-public 1\nname ada\npublic " HEX32 "\nmore\n",
	"leaverd-key-public 1\nname ..\npublic " HEX32 "\n",
	"leaverd-statement 1\nname ada\npublic " HEX32 "\n",
};

static void test_what_is_no_key_file_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(no_keys); i++) {
		struct signkey key;
		struct err err = { 0 };

		assert_fault(signkey_parse(str_of(no_keys[i]), &key, &err), ERR_INVALID_SYNTAX,
			     &err, "key");
	}
}

static void test_signing_survives_each_lost_allocation(void **state)
{
	CLEANUP(secret_done) struct secret seed = { 0 };
	struct statement s;
	struct err err = { 0 };
	bool fired = true;
	int r = 0;

	(void)state;
	seed_of(&seed, 'a');
	assert_ok(statement_parse(STR(HEAD TAIL), &s, &err), &err);
	for (int nth = 1; fired; nth++) {
		CLEANUP(buf_done) struct buf into;

		buf_init(&into, STATEMENT_MAX_BYTES);
		fault_at(nth);
		r = statement_sign(&s, STR("ada"), &seed, NOW, &into, &err);
		fired = fault_fired();
		assert_int_equal(r, fired ? -ERR_NOMEM : 0);
	}
}

static int start(void **state)
{
	struct err err = { 0 };

	(void)state;
	return secret_start(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_statement_has_one_text_only),
		cmocka_unit_test(test_what_is_written_is_read_again),
		cmocka_unit_test(test_a_signature_covers_each_byte),
		cmocka_unit_test(test_what_is_signed_is_not_signed_again),
		cmocka_unit_test(test_a_key_file_opens_with_its_passphrase_only),
		cmocka_unit_test(test_what_is_no_key_file_is_refused),
		cmocka_unit_test(test_signing_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
