/*
 * The chain and its head.
 *
 * digest = BLAKE2b-256(salt || body)
 * link   = BLAKE2b-256, keyed with the audit key, over
 *          link of the entry before (32 zero bytes before the first)
 *          seq, ms, person          as 8 bytes each, little-endian
 *          who, what, target        each as 8 bytes of length, then its bytes
 *          digest
 *
 * Numbers have no gaps: a missing one is a removed entry. The head file is text:
 *
 *          leaverd-audit-head 1
 *          seq 41
 *          link <64 hex digits>
 *          ms 1795338000000
 *          public <64 hex digits: Ed25519 public key>
 *          signature <128 hex digits: over all lines before>
 *
 * It is written beside and renamed, so that there is always a whole one. It may be behind the
 * database (the machine lost power between commit and rename), never ahead of it.
 */
#include "store/audit_in.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/enc.h"
#include "base/fd.h"
#include "base/jx.h"
#include "base/stamp.h"
#include "store/audit_cut.h"

#define BODY_MAX_BYTES (1u << 20)
#define HEAD_MAX_BYTES 1024

static void add_number(struct digest_run *run, int64_t number)
{
	uint64_t u = (uint64_t)number;
	unsigned char b[8];
	size_t i;

	for (i = 0; i < 8; i++)
		b[i] = (unsigned char)(u >> (8 * i));
	digest_add(run, b, sizeof(b));
}

static void add_text(struct digest_run *run, struct str s)
{
	add_number(run, (int64_t)s.len);
	digest_add(run, s.p ? s.p : "", s.len);
}

void audit_body_digest(struct str salt, struct str body, struct digest *ret)
{
	struct digest_run run;

	digest_begin(&run, NULL);
	digest_add(&run, salt.p ? salt.p : "", salt.len);
	digest_add(&run, body.p ? body.p : "", body.len);
	digest_end(&run, ret);
}

void audit_link_of(const struct store_keys *keys, const struct digest *before,
		   const struct audit_entry *e, struct digest *ret)
{
	struct digest_run run;

	digest_begin(&run, &keys->audit);
	digest_add(&run, before->b, DIGEST_BYTES);
	add_number(&run, e->seq);
	add_number(&run, e->ms);
	add_number(&run, e->person);
	add_text(&run, e->who);
	add_text(&run, e->what);
	add_text(&run, e->target);
	digest_add(&run, e->digest.b, DIGEST_BYTES);
	digest_end(&run, ret);
}

void audit_take_digest(struct stmt *q, int column, struct digest *ret)
{
	struct str b = db_blob(q, column);

	*ret = (struct digest){ { 0 } };
	if (b.len == DIGEST_BYTES)
		memcpy(ret->b, b.p, DIGEST_BYTES);
}

static int last_link(struct db *db, int64_t *seq, struct digest *link, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int r;

	r = db_query(db, &q, err, "SELECT seq, link FROM audit ORDER BY seq DESC LIMIT 1");
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	*seq = 0;
	*link = (struct digest){ { 0 } };
	if (r == DB_ROW) {
		*seq = db_int(q, 0);
		audit_take_digest(q, 1, link);
	}
	return 0;
}

static const struct store_keys *keys_of(struct db *db, struct err *err)
{
	const struct store_keys *keys = store_keys(db_store(db));

	if (!keys)
		(void)err_set(err, ERR_SECRET,
			      "the vault is not open, so nothing can be written to the audit "
			      "chain: give the master key");
	return keys;
}

int audit_add(struct db *db, const struct audit_new *in, int64_t *ret_seq, struct err *err)
{
	const struct store_keys *keys = keys_of(db, err);
	struct str body = in->body.p ? in->body : STR("{}");
	struct audit_entry e = { .ms = in->now_ms,
				 .person = in->person,
				 .who = str_of(in->who),
				 .what = str_of(in->what),
				 .target = str_of(in->target) };
	unsigned char salt[SALT_BYTES];
	struct digest before;
	int r;

	if (!keys)
		return -ERR_SECRET;
	if (body.len > BODY_MAX_BYTES && !str_eq(e.what, STR("forget")))
		return err_set(err, ERR_TOO_LARGE, "an audit body of %zu bytes", body.len);
	r = last_link(db, &e.seq, &before, err);
	if (r < 0)
		return r;
	e.seq++;
	secret_random_bytes(salt, sizeof(salt));
	audit_body_digest(str_n((const char *)salt, sizeof(salt)), body, &e.digest);
	audit_link_of(keys, &before, &e, &e.link);
	r = db_run(db, err,
		   "INSERT INTO audit (seq, ms, who, what, target, person, digest, link, salt,"
		   " body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
		   DB_I(e.seq), DB_I(e.ms), DB_S(e.who), DB_S(e.what), DB_S(e.target),
		   DB_I(e.person), DB_B(e.digest.b, DIGEST_BYTES), DB_B(e.link.b, DIGEST_BYTES),
		   DB_B(salt, sizeof(salt)), DB_S(body));
	if (r < 0)
		return err_context(err, r, "audit entry %lld", (long long)e.seq);
	if (ret_seq)
		*ret_seq = e.seq;
	return 0;
}

int audit_body(struct buf *into, const char *why, const char *before, const char *after,
	       struct err *err)
{
	const char *sep = "";

	buf_add_char(into, '{');
	if (after) {
		buf_add_text(into, "\"after\":");
		buf_add_text(into, after);
		sep = ",";
	}
	if (before) {
		buf_addf(into, "%s\"before\":", sep);
		buf_add_text(into, before);
		sep = ",";
	}
	if (why) {
		buf_addf(into, "%s\"why\":", sep);
		buf_add_json(into, str_of(why));
	}
	buf_add_char(into, '}');
	return buf_fault(into, err, "the audit entry");
}

/* --- reading --------------------------------------------------------------------------------
 */

void audit_take_entry(struct stmt *q, struct audit_entry *e)
{
	e->seq = db_int(q, 0);
	e->ms = db_int(q, 1);
	e->person = db_int(q, 2);
	e->who = db_text(q, 3);
	e->what = db_text(q, 4);
	e->target = db_text(q, 5);
	e->body = db_text(q, 6);
	e->forgotten = db_int(q, 7) != 0;
	audit_take_digest(q, 8, &e->digest);
	audit_take_digest(q, 9, &e->link);
}

int audit_list(struct db *db, int64_t after, size_t most, const char *what, int64_t person,
	       audit_fn fn, void *ctx, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct audit_entry e;
	int r;

	if (person)
		r = db_query(db, &q, err,
			     "SELECT " AUDIT_COLUMNS " FROM audit WHERE person = ?4 AND"
			     " seq > ?1 AND (?3 = '' OR what = ?3) ORDER BY seq LIMIT ?2",
			     DB_I(after), DB_I(most), DB_T(what), DB_I(person));
	else
		r = db_query(db, &q, err,
			     "SELECT " AUDIT_COLUMNS " FROM audit WHERE seq > ?1"
			     " AND (?3 = '' OR what = ?3) ORDER BY seq LIMIT ?2",
			     DB_I(after), DB_I(most), DB_T(what));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		audit_take_entry(q, &e);
		r = fn(ctx, &e, err);
	}
	return r;
}

static void export_entry(const struct audit_entry *e, struct str salt, struct buf *into)
{
	char hex[DIGEST_HEX_BYTES], time[STAMP_TEXT_BYTES], salt_hex[2 * SALT_BYTES + 1] = "";

	stamp_text(e->ms, time);
	if (salt.len == SALT_BYTES)
		enc_hex(salt.p, salt.len, salt_hex);
	buf_addf(into, "{\"seq\":%lld,\"time\":\"%s\",\"ms\":%lld,\"who\":", (long long)e->seq,
		 time, (long long)e->ms);
	buf_add_json(into, e->who);
	buf_add_text(into, ",\"what\":");
	buf_add_json(into, e->what);
	buf_add_text(into, ",\"target\":");
	buf_add_json(into, e->target);
	buf_addf(into, ",\"person\":%lld,\"body\":", (long long)e->person);
	if (e->forgotten)
		buf_add_text(into, "null");
	else
		buf_add_json(into, e->body);
	buf_addf(into, ",\"salt\":\"%s\"", salt_hex);
	digest_hex(&e->digest, hex);
	buf_addf(into, ",\"digest\":\"%s\"", hex);
	digest_hex(&e->link, hex);
	buf_addf(into, ",\"link\":\"%s\"}\n", hex);
}

int audit_export(struct db *db, int64_t after, size_t most, struct buf *into, int64_t *last,
		 struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct audit_entry e = { 0 };
	int r;

	r = db_query(db, &q, err,
		     "SELECT " AUDIT_COLUMNS " FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
		     DB_I(after), DB_I(most));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		audit_take_entry(q, &e);
		export_entry(&e, db_blob(q, AUDIT_COLUMN_SALT), into);
		r = buf_fault(into, err, "the exported audit entries");
	}
	if (r == 0)
		*last = e.seq;
	return r;
}

/* --- the head -------------------------------------------------------------------------------
 */

static void head_text(const struct audit_head *h, struct buf *into)
{
	char link[DIGEST_HEX_BYTES], public_key[2 * DIGEST_PUB_BYTES + 1];

	digest_hex(&h->link, link);
	enc_hex(h->public_key, DIGEST_PUB_BYTES, public_key);
	buf_addf(into, "leaverd-audit-head 1\nseq %lld\nlink %s\nms %lld\npublic %s\n",
		 (long long)h->seq, link, (long long)h->ms, public_key);
}

static int write_file(const char *path, struct str text, struct err *err)
{
	CLEANUP(fd_close_at) int fd = -1;
	struct buf tmp;
	int r, why = 0;

	buf_init(&tmp, 4096);
	buf_addf(&tmp, "%s.new", path);
	r = buf_fault(&tmp, err, "the path of the audit head");
	if (r == 0)
		fd = open(tmp.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (r == 0)
		why = fd < 0 ? errno : fd_write_whole(fd, text);
	if (r == 0 && !why && (fsync(fd) < 0 || rename(tmp.p, path) < 0))
		why = errno;
	if (r == 0 && why)
		r = err_errno(err, ERR_IO, why, "%s: writing the audit head", path);
	buf_done(&tmp);
	return r;
}

static int head_sign_and_write(struct db *db, const struct store_keys *keys,
			       const struct audit_head *h, struct err *err)
{
	unsigned char sig[DIGEST_SIG_BYTES];
	char hex[2 * DIGEST_SIG_BYTES + 1];
	struct buf text;
	int r;

	buf_init(&text, HEAD_MAX_BYTES);
	head_text(h, &text);
	r = buf_fault(&text, err, "the audit head");
	if (r == 0)
		r = digest_sign(sig, &keys->head_seed, buf_str(&text), err);
	if (r == 0) {
		enc_hex(sig, sizeof(sig), hex);
		buf_addf(&text, "signature %s\n", hex);
		r = buf_fault(&text, err, "the audit head");
	}
	if (r == 0)
		r = write_file(store_head_path(db_store(db)), buf_str(&text), err);
	buf_done(&text);
	return r;
}

static int read_small(const char *path, struct buf *into, struct err *err)
{
	CLEANUP(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[HEAD_MAX_BYTES];
	ssize_t n;

	if (fd < 0)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
				 "the audit head %s", path);
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return err_errno(err, ERR_IO, errno, "the audit head %s", path);
	buf_add(into, text, (size_t)n);
	return buf_fault(into, err, "the audit head");
}

/* Cuts "NAME VALUE\n" off the front of *rest. */
static bool head_line(struct str *rest, const char *name, struct str *value)
{
	struct str line, word;

	return str_cut(*rest, '\n', &line, rest) && str_cut(line, ' ', &word, value) &&
	       str_eq(word, str_of(name));
}

static bool head_parse(struct str text, struct audit_head *h, size_t *signed_bytes,
		       unsigned char sig[DIGEST_SIG_BYTES])
{
	struct str rest = text, v;

	if (!head_line(&rest, "leaverd-audit-head", &v) || !str_eq(v, STR("1")))
		return false;
	if (!head_line(&rest, "seq", &v) || !str_int64(v, &h->seq))
		return false;
	if (!head_line(&rest, "link", &v) || !digest_unhex(v, &h->link))
		return false;
	if (!head_line(&rest, "ms", &v) || !str_int64(v, &h->ms))
		return false;
	if (!head_line(&rest, "public", &v) || !enc_unhex(v, h->public_key, DIGEST_PUB_BYTES))
		return false;
	*signed_bytes = text.len - rest.len;
	return head_line(&rest, "signature", &v) && enc_unhex(v, sig, DIGEST_SIG_BYTES) &&
	       rest.len == 0;
}

int audit_head_read(const struct store_keys *keys, const char *path, struct audit_head *h,
		    struct err *err)
{
	unsigned char sig[DIGEST_SIG_BYTES], ours[DIGEST_PUB_BYTES];
	size_t signed_bytes = 0;
	struct buf text;
	int r;

	buf_init(&text, HEAD_MAX_BYTES);
	r = read_small(path, &text, err);
	if (r == 0 && !head_parse(buf_str(&text), h, &signed_bytes, sig))
		r = err_set(err, ERR_DAMAGED, "the audit head %s is not a whole audit head",
			    path);
	if (r == 0)
		r = digest_public(ours, &keys->head_seed, err);
	if (r == 0 && (!secret_memequal(ours, h->public_key, DIGEST_PUB_BYTES) ||
		       !digest_verify(sig, ours, str_n(text.p, signed_bytes))))
		r = err_set(err, ERR_DAMAGED,
			    "the audit head %s was not signed by this instance's key: it was "
			    "changed, or belongs to another instance",
			    path);
	buf_done(&text);
	return r;
}

/* 0 when that entry went with retention; of the last that went the link is known still. */
static int cut_away(struct db *db, int64_t seq, const struct digest *want, struct err *err)
{
	struct audit_cut cut;
	int r = audit_cut_get(db, &cut, err);

	if (r < 0)
		return r;
	if (seq == cut.seq && !digest_equal(&cut.link, want))
		return STORE_NOT_FOUND;
	return seq <= cut.seq ? 0 : STORE_NOT_FOUND;
}

/* 0 when that entry has that link; STORE_NOT_FOUND when it has another or is not there. */
static int in_chain(struct db *db, int64_t seq, const struct digest *want, struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	struct digest link = { { 0 } };
	int r;

	r = db_query(db, &q, err, "SELECT link FROM audit WHERE seq = ?1", DB_I(seq));
	if (r == 0)
		r = db_step(q, err);
	if (r < 0)
		return r;
	if (r == DB_ROW) {
		audit_take_digest(q, 0, &link);
		return digest_equal(&link, want) ? 0 : STORE_NOT_FOUND;
	}
	return cut_away(db, seq, want, err);
}

/* What we signed last must still stand there; else the head is left as the witness it is. */
static int head_stands(struct db *db, const struct store_head *written, struct err *err)
{
	int r = in_chain(db, written->seq, &written->link, err);

	if (r != STORE_NOT_FOUND)
		return r;
	return err_set(err, ERR_DAMAGED,
		       "audit entry %lld is no longer the one that was signed: the chain was "
		       "cut or rewritten while leaverd ran; the head is left as it was",
		       (long long)written->seq);
}

/*
 * Before the first writing in a process: a head there that does not stand in the chain tells of
 * a cut tail or a rewritten chain. It is kept beside, so that writing ours does not hide that.
 */
static int head_keep_foreign(struct db *db, const struct store_keys *keys, struct err *err)
{
	const char *path = store_head_path(db_store(db));
	struct audit_head there = { 0 };
	struct buf lost;
	int r;

	r = audit_head_read(keys, path, &there, err);
	if (r == -ERR_NOT_FOUND)
		return 0;
	if (r < 0 && r != -ERR_DAMAGED)
		return r;
	if (r == 0)
		r = in_chain(db, there.seq, &there.link, err);
	if (r == 0 || (r < 0 && r != -ERR_DAMAGED))
		return r;

	buf_init(&lost, 4096);
	buf_addf(&lost, "%s" AUDIT_LOST, path);
	r = buf_fault(&lost, err, "the path of the audit head");
	if (r == 0 && access(lost.p, F_OK) < 0 && rename(path, lost.p) < 0)
		r = err_errno(err, ERR_IO, errno, "%s cannot be renamed", path);
	buf_done(&lost);
	return r;
}

int audit_head_write(struct db *db, struct err *err)
{
	const struct store_keys *keys = store_keys(db_store(db));
	struct store_head *written = store_head(db_store(db));
	struct audit_head h = { 0 };
	int r;

	if (!keys)
		return STORE_UNCHANGED;
	r = last_link(db, &h.seq, &h.link, err);
	if (r < 0)
		return r;
	if (h.seq == 0 || (h.seq == written->seq && digest_equal(&h.link, &written->link)))
		return STORE_UNCHANGED;
	r = written->seq == 0 ? head_keep_foreign(db, keys, err)
			      : head_stands(db, written, err);
	if (r < 0)
		return r;
	h.ms = stamp_now_ms();
	r = digest_public(h.public_key, &keys->head_seed, err);
	if (r == 0)
		r = head_sign_and_write(db, keys, &h, err);
	if (r < 0)
		return r;
	*written = (struct store_head){ h.seq, h.link };
	return 0;
}

/* --- forgetting -----------------------------------------------------------------------------
 */

int audit_erase(struct db *db, int64_t person, struct buf *seqs, int64_t *count,
		struct err *err)
{
	CLEANUP(stmt_done_at) struct stmt *q = NULL;
	int64_t n = 0;
	int r;

	buf_add_char(seqs, '[');
	r = db_query(db, &q, err,
		     "SELECT seq FROM audit WHERE person = ?1 AND forgotten = 0 ORDER BY seq",
		     DB_I(person));
	while (r == 0 && (r = db_step(q, err)) == DB_ROW) {
		buf_addf(seqs, "%s%lld", n++ ? "," : "", (long long)db_int(q, 0));
		r = 0;
	}
	buf_add_char(seqs, ']');
	if (r == 0)
		r = buf_fault(seqs, err, "the list of forgotten audit entries");
	if (r == 0)
		r = db_run(db, err,
			   "UPDATE audit SET body = '', salt = x'', forgotten = 1"
			   " WHERE person = ?1 AND forgotten = 0",
			   DB_I(person));
	if (r == 0)
		*count = n;
	return r;
}
