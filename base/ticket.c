#include "base/ticket.h"

#include "base/enc.h"

/* version 1 | number | person | account | end | about | mac, numbers big-endian */
#define VERSION 1
#define BODY_BYTES (1 + 4 * 8 + TICKET_ABOUT_BYTES)
#define TICKET_BYTES (BODY_BYTES + DIGEST_BYTES)

static const char purpose[] = "leaverd ticket 1";

static void number_out(unsigned char *at, uint64_t n)
{
	for (int i = 7; i >= 0; i--, n >>= 8)
		at[i] = (unsigned char)n;
}

static uint64_t number_in(const unsigned char *at)
{
	uint64_t n = 0;

	for (int i = 0; i < 8; i++)
		n = n << 8 | at[i];
	return n;
}

static void seal(const unsigned char body[BODY_BYTES], const struct secret *key,
		 struct digest *ret)
{
	struct digest_run run;

	digest_begin(&run, key);
	digest_add(&run, purpose, sizeof(purpose));
	digest_add(&run, body, BODY_BYTES);
	digest_end(&run, ret);
}

void ticket_about(const struct str *texts, size_t count, unsigned char ret[TICKET_ABOUT_BYTES])
{
	struct digest_run run;
	struct digest digest;
	unsigned char len[8];

	digest_begin(&run, NULL);
	for (size_t i = 0; i < count; i++) {
		number_out(len, texts[i].len);
		digest_add(&run, len, sizeof(len));
		digest_add(&run, texts[i].p, texts[i].len);
	}
	digest_end(&run, &digest);
	memcpy(ret, digest.b, TICKET_ABOUT_BYTES);
}

void ticket_write(const struct ticket *t, const struct secret *key, char ret[TICKET_CHARS + 1])
{
	unsigned char bytes[TICKET_BYTES] = { VERSION };
	CLEANUP(buf_done) struct buf text;
	struct digest mac;

	buf_init(&text, TICKET_CHARS);
	number_out(bytes + 1, t->number);
	number_out(bytes + 9, t->person);
	number_out(bytes + 17, t->account);
	number_out(bytes + 25, (uint64_t)t->end_ms);
	memcpy(bytes + 33, t->about, TICKET_ABOUT_BYTES);
	seal(bytes, key, &mac);
	memcpy(bytes + BODY_BYTES, mac.b, DIGEST_BYTES);
	enc_base64url(&text, bytes, sizeof(bytes));
	ret[0] = '\0';
	if (text.len == TICKET_CHARS)
		memcpy(ret, text.p, TICKET_CHARS + 1);
}

/* Decodes what enc_base64url() wrote, and no other spelling of the same bytes. */
static bool decode(struct str text, unsigned char ret[TICKET_BYTES])
{
	CLEANUP(buf_done) struct buf bytes, again;

	buf_init(&bytes, TICKET_BYTES);
	buf_init(&again, TICKET_CHARS);
	if (text.len != TICKET_CHARS || !enc_unbase64(&bytes, text) ||
	    bytes.len != TICKET_BYTES)
		return false;
	enc_base64url(&again, bytes.p, bytes.len);
	if (again.fault || !str_eq(buf_str(&again), text))
		return false;
	memcpy(ret, bytes.p, TICKET_BYTES);
	return true;
}

int ticket_read(struct str text, const struct secret *key, int64_t now_ms, struct ticket *ret)
{
	unsigned char bytes[TICKET_BYTES];
	struct digest mac;

	if (!decode(text, bytes) || bytes[0] != VERSION)
		return TICKET_NONE;
	seal(bytes, key, &mac);
	if (!secret_memequal(mac.b, bytes + BODY_BYTES, DIGEST_BYTES))
		return TICKET_NONE;
	*ret = (struct ticket){
		.number = number_in(bytes + 1),
		.person = number_in(bytes + 9),
		.account = number_in(bytes + 17),
		.end_ms = (int64_t)number_in(bytes + 25),
	};
	memcpy(ret->about, bytes + 33, TICKET_ABOUT_BYTES);
	return now_ms >= ret->end_ms ? TICKET_OVER : 0;
}
