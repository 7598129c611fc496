#include "store/anchor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/enc.h"

#define WORD "leaverd-anchor 1 "

/* --- writing -------------------------------------------------------------------------------
 */

static int newest(struct store *store, int64_t *seq, struct digest *link, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct str bytes;
	int r = store_read_begin(store, &db, err);

	if (r == 0)
		r = db_query(db, &q, err,
			     "SELECT seq, link FROM audit ORDER BY seq DESC LIMIT 1");
	if (r == 0)
		r = db_step(q, err);
	if (r != DB_ROW)
		return r < 0 ? r : STORE_NOT_FOUND;
	*seq = db_int(q, 0);
	bytes = db_blob(q, 1);
	*link = (struct digest){ { 0 } };
	if (bytes.len == DIGEST_BYTES)
		memcpy(link->b, bytes.p, DIGEST_BYTES);
	return 0;
}

int anchor_line(struct store *store, const char *instance, const char *about, int64_t now_ms,
		struct buf *into, int64_t *ret_seq, struct err *err)
{
	const struct store_keys *keys = store_keys(store);
	unsigned char key[DIGEST_PUB_BYTES], sig[DIGEST_SIG_BYTES];
	char hex[DIGEST_HEX_BYTES], public[2 * DIGEST_PUB_BYTES + 1],
		signature[2 * DIGEST_SIG_BYTES + 1];
	size_t begin = into->len;
	struct digest link;
	int64_t seq;
	int r;

	if (!keys)
		return err_set(err, ERR_SECRET,
			       "the vault is not open, so no anchor can be signed: give the "
			       "master key");
	r = newest(store, &seq, &link, err);
	if (r == 0)
		r = digest_public(key, &keys->head_seed, err);
	if (r != 0)
		return r;
	digest_hex(&link, hex);
	enc_hex(key, sizeof(key), public);
	buf_addf(into, WORD "instance=%.*s seq=%lld link=%s ms=%lld about=%.40s public=%s",
		 ANCHOR_INSTANCE_MAX, instance, (long long)seq, hex, (long long)now_ms, about,
		 public);
	r = buf_fault(into, err, "an anchor");
	if (r == 0)
		r = digest_sign(sig, &keys->head_seed,
				str_n(into->p + begin, into->len - begin), err);
	if (r < 0)
		return r;
	enc_hex(sig, sizeof(sig), signature);
	buf_addf(into, " sig=%s", signature);
	r = buf_fault(into, err, "an anchor");
	if (r == 0)
		*ret_seq = seq;
	return r;
}

/* --- reading -------------------------------------------------------------------------------
 */

static bool find(struct str s, struct str what, size_t *at)
{
	for (size_t i = 0; i + what.len <= s.len; i++)
		if (memcmp(s.p + i, what.p, what.len) == 0) {
			*at = i;
			return true;
		}
	return false;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

/* What follows NAME= or "NAME": or NAME=": digits and letters. Only the first that has a value
 * counts. */
static bool value_of(struct str line, struct str name, struct str *ret)
{
	struct str rest = line;
	size_t at;

	while (find(rest, name, &at)) {
		const char *p = rest.p + at + name.len, *end = rest.p + rest.len, *begin;
		bool alone = at == 0 || !is_word(rest.p[at - 1]);
		bool given = false;

		rest = str_n(p, (size_t)(end - p));
		while (p < end && (*p == '"' || *p == ':' || *p == '=' || *p == ' ')) {
			given |= *p == ':' || *p == '=';
			p++;
		}
		for (begin = p; p < end && is_word(*p);)
			p++;
		if (alone && given && p > begin) {
			*ret = str_n(begin, (size_t)(p - begin));
			return true;
		}
	}
	return false;
}

/* A line of ours, wherever in the line it stands. */
static bool read_ours(struct str *line, const unsigned char key[DIGEST_PUB_BYTES],
		      const char **bad)
{
	unsigned char sig[DIGEST_SIG_BYTES];
	struct str ours, value;
	size_t at, end;

	if (!find(*line, STR(WORD), &at))
		return false;
	ours = str_n(line->p + at, line->len - at);
	if (!find(ours, STR(" sig="), &end) || !value_of(ours, STR("sig"), &value) ||
	    !enc_unhex(value, sig, sizeof(sig)) || !digest_verify(sig, key, str_n(ours.p, end)))
		*bad = "is not signed by this instance's key: it was changed, or is of another "
		       "instance";
	else
		*line = str_n(ours.p, end); /* nothing else counts */
	return true;
}

bool anchor_read_line(struct str line, const unsigned char key[DIGEST_PUB_BYTES],
		      struct anchor *ret, const char **bad)
{
	struct anchor a = { 0 };
	struct str seq, link;

	*bad = NULL;
	a.is_signed = read_ours(&line, key, bad);
	if (!value_of(line, STR("seq"), &seq) && !value_of(line, STR("externalId"), &seq))
		return *bad != NULL;
	if (!value_of(line, STR("link"), &link) || !digest_unhex(link, &a.link) ||
	    !str_int64(seq, &a.seq) || a.seq < 1)
		return *bad != NULL;
	*ret = a;
	return true;
}

static int by_number(const void *x, const void *y)
{
	const struct anchor *a = x, *b = y;

	if (a->seq != b->seq)
		return a->seq < b->seq ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

void anchor_sort(struct vec_anchor *v)
{
	if (v->n)
		qsort(v->v, v->n, sizeof(*v->v), by_number);
}

static int read_lines(FILE *file, const char *path, const unsigned char *key,
		      struct vec_anchor *ret, struct err *err)
{
	CLEANUP(free_at) char *line = NULL;
	const char *bad;
	size_t room = 0;
	ssize_t n;

	for (int64_t number = 1; (n = getline(&line, &room, file)) >= 0; number++) {
		struct anchor a = { 0 };

		if ((size_t)n > ANCHOR_FILE_LINE_MAX)
			return err_set(err, ERR_TOO_LARGE, "%s: line %lld is too long", path,
				       (long long)number);
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			n--;
		if (!anchor_read_line(str_n(line, (size_t)n), key, &a, &bad))
			continue;
		if (bad)
			return err_set(err, ERR_DAMAGED, "%s: the anchor in line %lld %s", path,
				       (long long)number, bad);
		a.line = number;
		if (vec_anchor_add(ret, a) < 0)
			return err_nomem(err);
	}
	return ferror(file) ? err_errno(err, ERR_IO, errno, "%s", path) : 0;
}

int anchor_read_file(const char *path, const unsigned char key[DIGEST_PUB_BYTES],
		     struct vec_anchor *ret, struct err *err)
{
	FILE *file = fopen(path, "re");
	int r;

	if (!file)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
				 "the anchors %s", path);
	r = read_lines(file, path, key, ret, err);
	fclose(file);
	if (r == 0 && ret->n == 0)
		r = err_set(err, ERR_INVALID_VALUE,
			    "%s: nothing in it names an entry of an audit chain", path);
	if (r == 0)
		anchor_sort(ret);
	else
		vec_anchor_done(ret);
	return r;
}
