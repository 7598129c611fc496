#include "bridge/signing.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/fd.h"
#include "base/stamp.h"
#include "bridge/export_file.h"
#include "bridge/render.h"
#include "model/signkey.h"

#define FILE_BYTES (STATEMENT_MAX_BYTES + 1)

/* --- the daemon's side ----------------------------------------------------------------------
 */

int signing_offer(struct app *app, const struct signing_offer *offer, json_t *out,
		  struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	struct str field[STATEMENT_FIELDS] = { { 0 } };
	char authority[2 * DIGEST_PUB_BYTES + 1], digest[DIGEST_HEX_BYTES],
		nonce[2 * STATEMENT_NONCE_BYTES + 1], expires[STAMP_TEXT_BYTES];
	unsigned char random[STATEMENT_NONCE_BYTES];
	int64_t end_ms = stamp_now_ms() + STATEMENT_FRESH_MS;
	int r;

	buf_init(&text, FILE_BYTES + 1024);
	r = approvers_authority(app->store, authority, err);
	if (r < 0)
		return r;
	if (offer->until_ms && offer->until_ms < end_ms)
		end_ms = offer->until_ms;
	secret_random_bytes(random, sizeof(random));
	enc_hex(random, sizeof(random), nonce);
	stamp_text(end_ms, expires);
	field[STATEMENT_INSTANCE] = str_of(app->config.instance.name);
	field[STATEMENT_AUTHORITY] = str_of(authority);
	field[STATEMENT_ABOUT] = str_of(offer->about);
	field[STATEMENT_DECISION] = str_of(offer->decision);
	field[STATEMENT_ORG] = str_of(offer->org);
	field[STATEMENT_TARGET] = str_of(offer->target);
	field[STATEMENT_ACTIONS] = offer->actions;
	field[STATEMENT_GUARDS] = offer->guards;
	field[STATEMENT_DETAIL] = offer->detail;
	field[STATEMENT_REASON] = str_of(offer->reason);
	field[STATEMENT_NONCE] = str_of(nonce);
	field[STATEMENT_EXPIRES] = str_of(expires);
	if (offer->digest) {
		digest_hex(offer->digest, digest);
		field[STATEMENT_DIGEST] = str_of(digest);
	}
	r = statement_write(field, &text, err);
	return r < 0 ? r : jx_set(out, "statement", json_stringn(text.p, text.len), err);
}

int signing_given(const json_t *in, struct statement *ret, bool *given, struct err *err)
{
	const json_t *text = json_object_get(in, "signature");

	*given = json_is_string(text);
	if (!*given)
		return 0;
	return statement_parse(str_n(json_string_value(text), json_string_length(text)), ret,
			       err);
}

void signing_want(struct app *app, const struct who *who, const char *about,
		  const char *decision, const char *target, struct statement_want *ret)
{
	*ret = (struct statement_want){ .instance = app->config.instance.name,
					.about = about,
					.decision = decision,
					.target = target,
					.by = who->name,
					.now_ms = stamp_now_ms() };
}

/* --- files of an approver -------------------------------------------------------------------
 */

static int read_fd(int fd, const char *name, struct buf *into, struct err *err)
{
	char piece[16384];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(into, piece, (size_t)n);
	if (n < 0)
		return err_errno(err, ERR_IO, errno, "reading %s", name);
	return buf_fault(into, err, name);
}

/* "-" is stdin. */
static int read_text(const char *path, struct buf *into, struct err *err)
{
	CLEANUP(fd_close_at) int fd = -1;

	if (strcmp(path, "-") == 0)
		return read_fd(STDIN_FILENO, "stdin", into, err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s",
				 path);
	return read_fd(fd, path, into, err);
}

/* Never over another: a key that is lost is lost. */
static int write_new(const char *path, mode_t mode, struct str text, struct err *err)
{
	CLEANUP(fd_close_at)
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	int why;

	if (fd < 0)
		return err_errno(err, errno == EEXIST ? ERR_CONFLICT : ERR_IO, errno,
				 "%s cannot be made", path);
	why = fchmod(fd, mode) < 0 ? errno : fd_write_whole(fd, text);
	if (!why && fsync(fd) < 0)
		why = errno;
	return why ? err_errno(err, ERR_IO, why, "writing %s", path) : 0;
}

/* The key's passphrase: from --key-passphrase-fd, else asked for. */
static int ask_passphrase(struct cli *cli, const char *prompt, bool twice, struct secret *ret,
			  struct err *err)
{
	const char *text = cli_local(cli, "key-passphrase-fd");
	int64_t fd;

	if (!text)
		return secret_prompt(ret, prompt, twice, err);
	if (!str_int64(str_of(text), &fd) || fd < 0 || fd > 1023)
		return err_set(err, ERR_USAGE, "--key-passphrase-fd: \"%s\" is no descriptor",
			       text);
	return secret_read_fd(ret, (int)fd, err);
}

int local_key_new(struct cli *cli, const json_t *request, struct err *err)
{
	CLEANUP(secret_done) struct secret passphrase = { 0 };
	CLEANUP(buf_done) struct buf sealed, open_part, path;
	const char *file = jx_get_text(request, "file"), *name = jx_get_text(request, "name");
	int r;

	buf_init(&sealed, SIGNKEY_MAX_BYTES);
	buf_init(&open_part, SIGNKEY_MAX_BYTES);
	buf_init(&path, 4096);
	buf_addf(&path, "%s.pub", file);
	r = buf_fault(&path, err, "the path of the key");
	if (r == 0 && (access(file, F_OK) == 0 || access(path.p, F_OK) == 0))
		r = err_set(err, ERR_CONFLICT,
			    "%s or %s exists: a key is never written over another", file,
			    path.p);
	if (r == 0)
		r = secret_start(err);
	if (r == 0)
		r = ask_passphrase(cli, "Passphrase to seal the key under: ", true, &passphrase,
				   err);
	if (r == 0)
		r = signkey_make(str_of(name), &passphrase, &sealed, &open_part, err);
	if (r == 0)
		r = write_new(file, 0600, buf_str(&sealed), err);
	if (r == 0)
		r = write_new(path.p, 0644, buf_str(&open_part), err);
	if (r < 0)
		return r;
	if (!cli->quiet)
		render_para(
			cli, 0,
			"%s is the key of %s: it stays on this machine, and nobody can "
			"open it without its passphrase. %s is its public part: an approver "
			"enrols it with `leaverd approver enrol %s --key %s`.",
			file, name, path.p, name, path.p);
	return 0;
}

/* --- signing --------------------------------------------------------------------------------
 */

static int sign_text(struct cli *cli, const char *key_file, struct str text, struct buf *into,
		     struct err *err)
{
	CLEANUP(secret_done) struct secret passphrase = { 0 }, seed = { 0 };
	CLEANUP(buf_done) struct buf file;
	char prompt[STATEMENT_NAME_MOST + 64];
	struct statement s;
	struct signkey key;
	int r;

	buf_init(&file, SIGNKEY_MAX_BYTES);
	r = statement_parse(text, &s, err);
	if (r == 0)
		r = read_text(key_file, &file, err);
	if (r == 0)
		r = signkey_parse(buf_str(&file), &key, err);
	if (r < 0)
		return err_context(err, r, "signing");
	/* read before it is signed; whoever pipes it somewhere has seen it before */
	if (isatty(STDERR_FILENO) && !cli->quiet)
		fprintf(stderr, STR_FMT "\n", STR_ARG(text));
	snprintf(prompt, sizeof(prompt),
		 "Passphrase of " STR_FMT "'s key: ", STR_ARG(key.name));
	r = ask_passphrase(cli, prompt, false, &passphrase, err);
	if (r == 0)
		r = signkey_open(&key, &passphrase, &seed, err);
	return r < 0 ? r : statement_sign(&s, key.name, &seed, stamp_now_ms(), into, err);
}

int local_sign(struct cli *cli, const json_t *request, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	const char *file = jx_get_text(request, "file");
	int r = secret_start(err);

	buf_init(&text, FILE_BYTES);
	if (r == 0)
		r = read_text(file ? file : "-", &text, err);
	return r < 0 ? r
		     : sign_text(cli, jx_get_text(request, "key"), buf_str(&text), &cli->out,
				 err);
}

/* In place of all that was chosen: a statement says itself what it decides. */
static int put_signature(json_t *request, struct str text, struct err *err)
{
	static const char *const kept[] = { "plan", "name", "number" };
	json_t *only = json_object();
	int r = only ? jx_set(only, "signature", json_stringn(text.p, text.len), err)
		     : err_nomem(err);

	for (size_t i = 0; r == 0 && i < COUNT_OF(kept); i++) {
		json_t *v = json_object_get(request, kept[i]);

		if (v)
			r = jx_set(only, kept[i], json_incref(v), err);
	}
	if (r == 0 && (json_object_clear(request) < 0 || json_object_update(request, only) < 0))
		r = err_nomem(err);
	json_decref(only);
	return r;
}

static int sign_request(struct cli *cli, json_t *request, const char *key_file, struct err *err)
{
	CLEANUP(json_decref_at) json_t *out = NULL;
	CLEANUP(buf_done) struct buf text;
	const json_t *statement;
	int r;

	buf_init(&text, FILE_BYTES);
	r = secret_start(err);
	if (r == 0)
		r = jx_set(request, "statement", json_true(), err);
	if (r == 0)
		r = cli_call(cli, cli->command->verb, request, &out, err);
	if (r < 0)
		return r;
	statement = json_object_get(out, "statement");
	if (!json_is_string(statement))
		return err_set(err, ERR_PROTOCOL, "the daemon gave no statement to sign");
	r = sign_text(cli, key_file,
		      str_n(json_string_value(statement), json_string_length(statement)), &text,
		      err);
	return r < 0 ? r : put_signature(request, buf_str(&text), err);
}

int prepare_signature(struct cli *cli, json_t *request, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	const char *key = cli_local(cli, "sign"), *file = cli_local(cli, "signature");
	bool statement = json_is_true(json_object_get(request, "statement"));
	int r;

	buf_init(&text, FILE_BYTES);
	r = prepare_token(cli, request, err);
	if (r < 0)
		return r;
	if (!!key + !!file + statement > 1)
		return err_set(err, ERR_USAGE,
			       "--statement, --sign and --signature exclude each other");
	if (key)
		return sign_request(cli, request, key, err);
	if (!file)
		return 0;
	r = read_text(file, &text, err);
	return r < 0 ? r : put_signature(request, buf_str(&text), err);
}

int prepare_reasoned(struct cli *cli, json_t *request, struct err *err)
{
	const char *name = cli->command->name;

	if (!cli_local(cli, "signature") && !jx_get_text(request, "reason"))
		return err_set(err, ERR_USAGE,
			       "%s needs --reason TEXT, or the --signature of a statement that "
			       "has one; `leaverd help %s` explains it",
			       name, name);
	return prepare_signature(cli, request, err);
}

int prepare_enrol(struct cli *cli, json_t *request, struct err *err)
{
	CLEANUP(buf_done) struct buf file;
	const char *path = cli_local(cli, "key");
	struct signkey key;
	char hex[2 * DIGEST_PUB_BYTES + 1];
	int r = 0;

	buf_init(&file, SIGNKEY_MAX_BYTES);
	if (path)
		r = read_text(path, &file, err);
	if (r == 0 && path)
		r = signkey_parse(buf_str(&file), &key, err);
	if (r < 0)
		return err_context(err, r, "%s", path);
	if (path && !str_eq(key.name, str_of(jx_get_text(request, "name"))))
		return err_set(err, ERR_CONFLICT,
			       "%s is the key of " STR_FMT
			       ", not of %s: enrol it under its own "
			       "name",
			       path, STR_ARG(key.name), jx_get_text(request, "name"));
	if (path) {
		enc_hex(key.public_key, sizeof(key.public_key), hex);
		r = jx_set(request, "public", json_string(hex), err);
	}
	return r < 0 ? r : prepare_signature(cli, request, err);
}

/* --- announced leavers ----------------------------------------------------------------------
 */

int prepare_expect(struct cli *cli, json_t *request, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	const char *file = cli_local(cli, "file");
	json_t *who = json_object_get(request, "who");
	struct str line, rest;
	int r = 0;

	buf_init(&text, 1u << 20);
	if (!who)
		r = jx_set(request, "who", who = json_array(), err);
	if (r == 0 && file)
		r = read_text(file, &text, err);
	rest = buf_str(&text);
	while (r == 0 && rest.len) {
		str_cut(rest, '\n', &line, &rest);
		line = str_trim(line);
		if (line.len && line.p[0] != '#')
			r = jx_add(who, json_stringn(line.p, line.len), err);
	}
	return r;
}

/* --- showing --------------------------------------------------------------------------------
 */

int render_signing(struct cli *cli, const json_t *out)
{
	const json_t *text = json_object_get(out, "statement");

	if (!json_is_string(text))
		return jx_get_text(out, "decision") ? render_decision(cli, out)
						    : render_simple(cli, out);
	/* as it is, byte for byte */
	buf_add(&cli->out, json_string_value(text), json_string_length(text));
	return 0;
}

static enum render_style state_style(const char *state)
{
	return strcmp(state, "counts") == 0 ? RENDER_GOOD : RENDER_DIM;
}

int render_approvers(struct cli *cli, const json_t *out)
{
	static const struct render_column columns[] = {
		{ .head = "Approver", .member = "name", .firm = true },
		{ .head = "State", .member = "state", .style = state_style },
		{ .head = "Login", .member = "login", .if_any = true },
		{ .head = "Enrolled", .member = "enrolled", .as = RENDER_AS_DATE },
		{ .head = "By", .member = "by" },
		{ .head = "Counts from",
		  .member = "from",
		  .as = RENDER_AS_TIME,
		  .if_any = true },
		{ .head = "Until", .member = "expires", .as = RENDER_AS_DATE },
		{ .head = "Key", .member = "key" },
		{ 0 }
	};

	render_table(cli, columns, json_object_get(out, "approvers"),
		     "Nobody is enrolled: `leaverd key new FILE --name NAME` makes a key, "
		     "`leaverd approver enrol NAME --key FILE.pub` enrols it.");
	return 0;
}

int render_lists(struct cli *cli, const json_t *out)
{
	static const struct render_column columns[] = {
		{ .head = "List", .member = "number", .as = RENDER_AS_COUNT },
		{ .head = "State", .member = "state", .firm = true },
		{ .head = "People", .member = "persons", .as = RENDER_AS_COUNT },
		{ .head = "From", .member = "from", .as = RENDER_AS_DATE },
		{ .head = "Until", .member = "until", .as = RENDER_AS_DATE },
		{ .head = "By", .member = "who" },
		{ .head = "Why", .member = "why" },
		{ 0 }
	};

	render_table(cli, columns, json_object_get(out, "lists"), "Nobody was announced.");
	return 0;
}

int render_configs(struct cli *cli, const json_t *out)
{
	static const struct render_column columns[] = {
		{ .head = "Configuration", .member = "number", .as = RENDER_AS_COUNT },
		{ .head = "State", .member = "state", .firm = true },
		{ .head = "Loaded", .member = "loaded", .as = RENDER_AS_TIME },
		{ .head = "Author", .member = "author", .if_any = true },
		{ .head = "Digest", .member = "digest" },
		{ .head = "What lets more happen", .member = "wider" },
		{ 0 }
	};

	render_table(cli, columns, json_object_get(out, "configurations"), "None was loaded.");
	return 0;
}
