#include "bridge/evidence_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/stamp.h"
#include "bridge/export_file.h"
#include "bridge/pack.h"
#include "bridge/render.h"

#define KEY_FILE_MOST 4096

struct fetch {
	struct cli *cli;
	struct cli_line *line;
	json_t *made;      /* the answer of evidence.make */
	struct buf folder; /* being written */
	struct buf tar;    /* its path; empty: none */
	const char *id;
	bool kept;
};

static void fetch_done(struct fetch *f)
{
	CLEANUP(json_decref_at) json_t *out = NULL;
	CLEANUP(json_decref_at) json_t *in = NULL;
	struct err lost;

	if (f->id)
		in = json_pack("{s:s}", "id", f->id);
	if (in) /* what cannot be removed now goes by itself after a while */
		(void)!cli_line_call(f->line, "evidence.drop", in, &out, &lost);
	cli_line_free(f->line);
	json_decref(f->made);
	buf_done(&f->folder);
	buf_done(&f->tar);
}

static int write_piece(struct fetch *f, struct out_file *to, const char *file, int64_t *offset,
		       struct err *err)
{
	CLEANUP(json_decref_at) json_t *out = NULL;
	CLEANUP(json_decref_at) json_t *in = NULL;
	CLEANUP(buf_done) struct buf bytes;
	const json_t *data;
	int r;

	buf_init(&bytes, 8u << 20);
	in = json_pack("{s:s,s:s,s:I}", "id", f->id, "file", file, "offset",
		       (json_int_t)*offset);
	if (!in)
		return err_nomem(err);
	r = cli_line_call(f->line, "evidence.read", in, &out, err);
	if (r < 0)
		return r;
	data = json_object_get(out, "data");
	if (!json_is_string(data) ||
	    !enc_unbase64(&bytes, str_n(json_string_value(data), json_string_length(data))) ||
	    bytes.fault)
		return err_set(err, ERR_PROTOCOL, "leaverd serve answered without the file");
	if (!bytes.len)
		return 1;
	*offset += (int64_t)bytes.len;
	return out_file_write(to, buf_str(&bytes), err);
}

static int fetch_file(struct fetch *f, const char *file, struct err *err)
{
	CLEANUP(out_file_done) struct out_file to = { .fd = -1 };
	CLEANUP(buf_done) struct buf path;
	const char *slash = strrchr(file, '/');
	int64_t offset = 0;
	int r;

	buf_init(&to.temp, 4096);
	buf_init(&path, 8192);
	if (!pack_name_ok(str_of(file)))
		return err_set(err, ERR_PROTOCOL,
			       "leaverd serve named a file that no pack has");
	if (slash) {
		buf_addf(&path, "%s/%.*s", f->folder.p, (int)(slash - file), file);
		if (!path.fault && mkdir(path.p, 0700) < 0 && errno != EEXIST)
			return err_errno(err, ERR_IO, errno, "%s", path.p);
		buf_clear(&path);
	}
	buf_addf(&path, "%s/%s", f->folder.p, file);
	r = buf_fault(&path, err, "the path of a file");
	if (r == 0)
		r = out_file_open(&to, path.p, err);
	while (r == 0) {
		if (verb_cancelled(NULL))
			return err_set(err, ERR_CANCELLED, "the evidence was interrupted");
		r = write_piece(f, &to, file, &offset, err);
	}
	return r < 0 ? r : out_file_keep(&to, err);
}

static int fetch_all(struct fetch *f, struct err *err)
{
	const json_t *name;
	size_t i;
	int r = 0;

	json_array_foreach (json_object_get(f->made, "files"), i, name) {
		if (r == 0)
			r = fetch_file(f, json_string_value(name), err);
	}
	if (r == 0)
		r = fetch_file(f, PACK_MANIFEST, err);
	return r < 0 ? r : fetch_file(f, PACK_SIGNATURE, err);
}

static int make(struct fetch *f, const json_t *request, struct err *err)
{
	CLEANUP(json_decref_at) json_t *in = json_copy((json_t *)(uintptr_t)request);
	const char *token = cli_local(f->cli, "token-file");
	int r = in ? 0 : err_nomem(err);

	if (r == 0 && token)
		r = export_read_token(token, in, err);
	if (r == 0)
		r = cli_line_call(f->line, "evidence.make", in, &f->made, err);
	if (r < 0)
		return r;
	f->id = jx_get_text(f->made, "id");
	if (!f->id || !jx_get_text(f->made, "name"))
		return err_set(err, ERR_PROTOCOL,
			       "leaverd serve answered without the evidence");
	return 0;
}

static int make_folder(struct fetch *f, struct err *err)
{
	const char *output = cli_local(f->cli, "output");
	int r;

	buf_addf(&f->folder, "%s", output ? output : jx_get_text(f->made, "name"));
	while (f->folder.len > 1 && f->folder.p[f->folder.len - 1] == '/')
		buf_cut(&f->folder, f->folder.len - 1);
	r = buf_fault(&f->folder, err, "the folder");
	if (r < 0)
		return r;
	if (mkdir(f->folder.p, 0700) < 0)
		return err_errno(err, errno == EEXIST ? ERR_CONFLICT : ERR_IO, errno,
				 "%s: the folder of the evidence must be a new one",
				 f->folder.p);
	return 0;
}

/* The folder's own name is that of the folder in the tar, too. */
static int make_tar(struct fetch *f, struct err *err)
{
	CLEANUP(out_file_done) struct out_file to = { .fd = -1 };
	const char *slash = strrchr(f->folder.p, '/');
	int r;

	buf_init(&to.temp, 4096);
	buf_addf(&f->tar, "%s.tar", f->folder.p);
	r = buf_fault(&f->tar, err, "the path of the tar");
	if (r == 0)
		r = out_file_open(&to, f->tar.p, err);
	if (r == 0)
		r = pack_tar_write(f->folder.p, slash ? slash + 1 : f->folder.p, to.fd, err);
	return r < 0 ? r : out_file_keep(&to, err);
}

/* What was written is held against the key at once. */
static int check(struct fetch *f, struct pack_verdict *v, struct err *err)
{
	CLEANUP(json_decref_at) json_t *out = NULL;
	CLEANUP(json_decref_at) json_t *in = json_object();
	unsigned char key[DIGEST_PUB_BYTES];
	int r = in ? 0 : err_nomem(err);

	if (r == 0)
		r = cli_line_call(f->line, "evidence.key", in, &out, err);
	if (r == 0 && !enc_unhex(str_of(jx_get_text(out, "key")), key, sizeof(key)))
		r = err_set(err, ERR_PROTOCOL, "leaverd serve answered without the key");
	return r < 0 ? r : pack_verify(f->tar.len ? f->tar.p : f->folder.p, key, NULL, v, err);
}

static int stamps_json(json_t *doc, const struct pack_verdict *v, bool vouched, struct err *err)
{
	char first[STAMP_TEXT_BYTES], last[STAMP_TEXT_BYTES];

	stamp_text(v->stamps_first_ms, first);
	stamp_text(v->stamps_last_ms, last);
	return jx_set(doc, "stamps",
		      v->stamps ? json_pack("{s:I,s:I,s:s,s:s,s:s,s:b}", "fit",
					    (json_int_t)v->stamps, "of_entries_here",
					    (json_int_t)v->stamps_held, "first", first, "last",
					    last, "authority", v->authority, "vouched", vouched)
				: json_null(),
		      err);
}

static int verdict_json(struct cli *cli, const char *path, const struct pack_verdict *v,
			bool vouched, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	json_t *faults = json_array();
	int r = faults ? 0 : err_nomem(err);

	for (size_t i = 0; r == 0 && i < v->faults.n; i++)
		r = jx_add(faults,
			   json_pack("{s:s,s:s}", "file", v->faults.v[i].name, "text",
				     v->faults.v[i].text),
			   err);
	doc = json_pack("{s:s,s:s?,s:s?,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "path", path,
			"instance", v->manifest.instance, "about", v->manifest.about, "files",
			(json_int_t)v->files, "bytes", (json_int_t)v->bytes, "plans",
			(json_int_t)v->plans, "audit_entries", (json_int_t)v->audit_entries,
			"audit_withheld", (json_int_t)v->audit_withheld, "audit_forgotten",
			(json_int_t)v->audit_forgotten, "values", (json_int_t)v->values,
			"erased", (json_int_t)v->erased, "faults", faults);
	if (r < 0 || !doc)
		return r < 0 ? r : err_nomem(err);
	r = stamps_json(doc, v, vouched, err);
	if (r == 0)
		r = jx_text(doc, &cli->out, err);
	buf_add_char(&cli->out, '\n');
	return r;
}

static void tell_stamps(struct cli *cli, const struct pack_verdict *v, bool vouched)
{
	char first[STAMP_TEXT_BYTES], last[STAMP_TEXT_BYTES];

	if (!v->stamps)
		return;
	stamp_text(v->stamps_first_ms, first);
	stamp_text(v->stamps_last_ms, last);
	render_line(cli,
		    "Time stamps: %" PRId64 " from %s to %s by %s, %" PRId64
		    " of entries that are here.%s",
		    v->stamps, first, last, v->authority, v->stamps_held,
		    vouched ? "" : " Nobody vouched for the authority: give --stamp-ca.");
}

static int tell_verdict(struct cli *cli, const char *path, const struct pack_verdict *v,
			bool vouched, struct err *err)
{
	if (cli->json)
		return verdict_json(cli, path, v, vouched, err);
	for (size_t i = 0; i < v->faults.n; i++)
		render_line(cli, "%s: %s", v->faults.v[i].name, v->faults.v[i].text);
	if (v->faults.n)
		return 0;
	render_line(cli,
		    "%s is as instance %s signed it: %s, %" PRId64 " files, %" PRId64 " plans.",
		    path, v->manifest.instance, v->manifest.about, v->files, v->plans);
	render_line(cli,
		    "Audit chain: %" PRId64 " entries without a gap; what %" PRId64
		    " say is withheld, %" PRId64 " were forgotten. Of %" PRId64
		    " actions who they are about is told, of %" PRId64 " it was erased.",
		    v->audit_entries, v->audit_withheld, v->audit_forgotten, v->values,
		    v->erased);
	tell_stamps(cli, v, vouched);
	return 0;
}

int local_evidence(struct cli *cli, const json_t *request, struct err *err)
{
	CLEANUP(pack_verdict_done) struct pack_verdict verdict = { 0 };
	CLEANUP(fetch_done) struct fetch f = { .cli = cli };
	int r;

	buf_init(&f.folder, 4096);
	buf_init(&f.tar, 4096);
	r = cli_line_open(cli, &f.line, err);
	if (r < 0)
		return r;
	cli_interrupts();
	cli_progress(cli, "evidence ...");
	r = make(&f, request, err);
	if (r == 0)
		r = make_folder(&f, err);
	if (r == 0)
		r = fetch_all(&f, err);
	if (r == 0 && cli_switch(cli, "tar"))
		r = make_tar(&f, err);
	if (r == 0)
		r = check(&f, &verdict, err);
	cli_progress(cli, "%s", "");
	return r < 0 ? r
		     : tell_verdict(cli, f.tar.len ? f.tar.p : f.folder.p, &verdict, false,
				    err);
}

static int read_key(const char *path, unsigned char ret[DIGEST_PUB_BYTES], struct err *err)
{
	CLEANUP(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[KEY_FILE_MOST];
	ssize_t n;
	int r;

	if (fd < 0)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
				 "--key %s", path);
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return err_errno(err, ERR_IO, errno, "--key %s", path);
	r = pack_key_read(str_n(text, (size_t)n), ret, err);
	return r < 0 ? err_context(err, r, "--key %s", path) : 0;
}

int local_evidence_verify(struct cli *cli, const json_t *request, struct err *err)
{
	CLEANUP(pack_verdict_done) struct pack_verdict verdict = { 0 };
	const char *path = jx_get_text(request, "path"),
		   *key_path = jx_get_text(request, "key"),
		   *stamp_ca = jx_get_text(request, "stamp_ca");
	unsigned char key[DIGEST_PUB_BYTES];
	struct err later;
	int r = read_key(key_path, key, err);

	if (r < 0)
		return r;
	r = pack_verify(path, key, stamp_ca, &verdict, err);
	if (r == 0)
		return tell_verdict(cli, path, &verdict, stamp_ca != NULL, err);
	/* what could not be looked at has no verdict, good or bad */
	if (verdict.faults.n)
		(void)!tell_verdict(cli, path, &verdict, stamp_ca != NULL, &later);
	return r;
}
