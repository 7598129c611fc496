/* `leaverd evidence`, the daemon's side: making a pack, handing its files out, the public key.
 */
#include "bridge/verb.h"

#include "base/enc.h"
#include "bridge/ask.h"
#include "bridge/evidence.h"
#include "bridge/pack.h"
#include "bridge/sealed.h"

#define READ_BYTES (1u << 20) /* of a file at once */

static int64_t int_of(const json_t *in, const char *name)
{
	return json_integer_value(json_object_get(in, name));
}

static int run_make(struct app *app, const struct who *who, const json_t *in, json_t *out,
		    struct err *err)
{
	struct evidence_scope scope = { .run = int_of(in, "run"),
					.from_ms = int_of(in, "from_ms"),
					.until_ms = int_of(in, "until_ms") };
	int r;

	if (!scope.run && !scope.until_ms)
		return err_set(err, ERR_USAGE, "evidence of what: a run, or --from and --to");
	r = sealed_may_see(app, in, &scope.may_see_ends, err);
	return r < 0 ? r : evidence_make(app, &scope, who->name, out, err);
}

static int run_read(struct app *app, const struct who *who, const json_t *in, json_t *out,
		    struct err *err)
{
	const char *id = jx_get_text(in, "id"), *file = jx_get_text(in, "file");
	CLEANUP(buf_done) struct buf bytes;
	CLEANUP(buf_done) struct buf text;
	int r;

	(void)who;
	buf_init(&bytes, READ_BYTES);
	buf_init(&text, 2 * READ_BYTES);
	r = evidence_read(app, id ? id : "", file ? file : "", int_of(in, "offset"), READ_BYTES,
			  &bytes, err);
	if (r < 0)
		return r;
	enc_base64(&text, bytes.p ? bytes.p : "", bytes.len);
	r = buf_fault(&text, err, "a piece of the evidence");
	if (r == 0)
		r = jx_set(out, "bytes", json_integer((json_int_t)bytes.len), err);
	return r < 0 ? r
		     : jx_set(out, "data", json_stringn(text.p ? text.p : "", text.len), err);
}

static int run_drop(struct app *app, const struct who *who, const json_t *in, json_t *out,
		    struct err *err)
{
	const char *id = jx_get_text(in, "id");

	(void)who;
	(void)out;
	return evidence_drop(app, id ? id : "", err);
}

static int run_key(struct app *app, const struct who *who, const json_t *in, json_t *out,
		   struct err *err)
{
	unsigned char key[DIGEST_PUB_BYTES];
	char hex[2 * DIGEST_PUB_BYTES + 1];
	CLEANUP(buf_done) struct buf text;
	int r;

	(void)who;
	(void)in;
	buf_init(&text, 4096);
	r = evidence_key(app, key, err);
	if (r < 0)
		return r;
	pack_key_write(app->config.instance.name, key, &text);
	r = buf_fault(&text, err, "the key");
	enc_hex(key, sizeof(key), hex);
	if (r == 0)
		r = jx_set(out, "key", json_string(hex), err);
	if (r == 0)
		r = jx_set(out, "instance", json_string(app->config.instance.name), err);
	if (r == 0 && text.len) /* printed as it is, so that it can go to a file */
		text.len--;
	return r < 0 ? r : jx_set(out, "text", json_stringn(text.p, text.len), err);
}

const struct verb verbs_evidence[] = {
	{ "evidence.make", VERB_STORE | VERB_LONG, run_make },
	{ "evidence.read", VERB_STORE, run_read },
	{ "evidence.drop", VERB_STORE, run_drop },
	{ "evidence.key", VERB_STORE, run_key },
	{ NULL, 0, NULL },
};
