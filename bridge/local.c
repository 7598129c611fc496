#include "bridge/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/stamp.h"
#include "bridge/app.h"
#include "bridge/commands.h"
#include "bridge/config.h"
#include "bridge/control.h"
#include "bridge/export_file.h"
#include "bridge/init.h"
#include "bridge/render.h"
#include "bridge/rounds_hr.h"
#include "bridge/serve.h"
#include "bridge/unlock.h"
#include "store/backup.h"

int local_init(struct cli *cli, const json_t *request, struct err *err)
{
	unlock_passphrase_from(cli->passphrase_fd);
	return init_run(cli, request, err);
}

int local_serve(struct cli *cli, const json_t *request, struct err *err)
{
	(void)request;
	unlock_passphrase_from(cli->passphrase_fd);
	return serve_main(config_find(cli->config_file), err);
}

/* --- the configuration -----------------------------------------------------------------------
 */

static int faults_json(struct cli *cli, const struct conf_faults *faults, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = json_object();
	json_t *list;
	int r;

	if (!doc)
		return err_nomem(err);
	r = jx_set(doc, "faults", list = json_array(), err);
	for (size_t i = 0; r == 0 && i < faults->n; i++)
		r = jx_add(list, json_string(faults->v[i]), err);
	if (r == 0)
		r = jx_text(doc, &cli->out, err);
	buf_add_char(&cli->out, '\n');
	return r;
}

int local_config_check(struct cli *cli, const json_t *request, struct err *err)
{
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	CLEANUP(config_free) struct config config = { 0 };
	const char *file = config_find(cli->config_file);
	struct err later;
	int r;

	(void)request;
	r = config_read(file, &config, &faults, err);
	if (cli->json && (r == 0 || r == -ERR_CONFIG)) {
		int printed = faults_json(cli, &faults, &later);

		return r < 0 ? r : printed;
	}
	if (r < 0) {
		for (size_t i = 0; i < faults.n; i++)
			render_line(cli, "%s", faults.v[i]);
		return r;
	}
	if (cli_switch(cli, "show"))
		return config_show(&config, &cli->out, err);
	if (!cli->quiet)
		render_line(cli, "%s is in order: %zu sources, %zu organisations.", file,
			    config.sources.n, config.organisations.n);
	return 0;
}

static void add_key(void *ctx, const char *dotted, const struct conf_key *key)
{
	struct cli *cli = ctx;

	if (key->type != CONF_SECTION && key->type != CONF_ITEMS)
		render_line(cli, "%s", dotted);
}

int local_config_keys(struct cli *cli, const json_t *request, struct err *err)
{
	(void)request;
	conf_walk(config_keys, add_key, cli);
	return buf_fault(&cli->out, err, "the list of keys");
}

/* --- audit export ----------------------------------------------------------------------------
 */

/* A page of the chain; above zero: it was the last, or whoever reads has enough. */
static int audit_page(struct cli_line *line, struct out_file *file, int64_t *after,
		      int64_t *left, struct err *err)
{
	CLEANUP(json_decref_at) json_t *out = NULL;
	CLEANUP(json_decref_at) json_t *in = NULL;
	struct str lines, one;
	const json_t *text;
	int r;

	in = json_pack("{s:I,s:I}", "after", (json_int_t)*after, "limit", (json_int_t)*left);
	if (!in)
		return err_nomem(err);
	r = cli_line_call(line, "audit.export", in, &out, err);
	if (r < 0)
		return r;
	text = json_object_get(out, "lines");
	if (!json_is_string(text))
		return err_set(err, ERR_PROTOCOL, "leaverd serve answered without entries");
	*after = json_integer_value(json_object_get(out, "last"));
	lines = str_n(json_string_value(text), json_string_length(text));
	r = lines.len ? out_file_write(file, lines, err) : 1;
	if (r != 0 || !*left)
		return r;
	while (str_cut(lines, '\n', &one, &lines))
		--*left;
	return *left <= 0;
}

/* As it comes: a chain may be longer than memory. */
int local_audit_export(struct cli *cli, const json_t *request, struct err *err)
{
	int64_t after = json_integer_value(json_object_get(request, "after"));
	int64_t left = json_integer_value(json_object_get(request, "limit"));
	CLEANUP(out_file_done) struct out_file file = { .fd = -1 };
	struct cli_line *line = NULL;
	int r;

	buf_init(&file.temp, 4096);
	if (left < 0)
		left = 0;
	r = out_file_open(&file, NULL, err);
	if (r == 0)
		r = cli_line_open(cli, &line, err);
	while (r == 0)
		r = audit_page(line, &file, &after, &left, err);
	cli_line_free(line);
	return r < 0 ? r : 0;
}

/* --- restore ---------------------------------------------------------------------------------
 */

int local_restore(struct cli *cli, const json_t *request, struct err *err)
{
	CLEANUP(config_free) struct config config = { 0 };
	CLEANUP(json_decref_at) json_t *none = json_object(), *out = NULL;
	const char *file = config_find(cli->config_file), *from = jx_get_text(request, "file");
	struct backup_report report = { 0 };
	struct app app = { 0 };
	int r;

	r = none ? config_read(file, &config, NULL, err) : err_nomem(err);
	if (r < 0)
		return r;
	r = control_ask(config.control.socket, "source.status", none, &out, err);
	if (r != CONTROL_NOBODY)
		return err_set(
			err, ERR_LEASE,
			"leaverd serve is running on this instance: stop it, restore, look "
			"with 'leaverd doctor', start it again");
	r = backup_restore(from, config.db_file, stamp_now_ms(), &report, err);
	if (r < 0)
		return r;
	/* Opened once, so that the chain says that it was restored, and a wrong key shows now.
	 */
	unlock_passphrase_from(cli->passphrase_fd);
	r = app_open(&app, file, APP_STORE, err);
	if (r < 0)
		return err_context(err, r, "the backup is in place, but it does not open");
	app_close(&app);
	if (!cli->quiet)
		render_para(cli, 0,
			    "Restored up to audit entry %lld. Every organisation is in mode "
			    "observe, "
			    "push sources are filling, plans that were not done are expired. "
			    "Look with "
			    "'leaverd doctor' and a plan before you arm anything.",
			    (long long)report.audit_last);
	return 0;
}

/* --- help ------------------------------------------------------------------------------------
 */

int local_help(struct cli *cli, const json_t *request, struct err *err)
{
	const json_t *words = json_object_get(request, "topic"), *word;
	char topic[128] = "";
	size_t i, at = 0;

	if (!json_array_size(words))
		return help_overview(cli);
	json_array_foreach (words, i, word) {
		if (at < sizeof(topic))
			at += (size_t)snprintf(topic + at, sizeof(topic) - at, "%s%s",
					       i ? " " : "", json_string_value(word));
	}
	return help_topic(cli, topic, err);
}

int local_version(struct cli *cli, const json_t *request, struct err *err)
{
	(void)request;
	(void)err;
	if (!cli->json)
		return help_version(cli);
	render_line(cli, "{\"version\": \"%s\", \"virtual_clock\": %s}", LEAVERD_VERSION,
		    stamp_is_virtual() ? "true" : "false");
	return 0;
}

int local_completion(struct cli *cli, const json_t *request, struct err *err)
{
	return help_completion(cli, jx_get_text(request, "shell"), err);
}

/* --- added to requests -----------------------------------------------------------------------
 */

static int read_value(const char *name, struct secret *ret, struct err *err)
{
	char prompt[160];

	if (!isatty(STDIN_FILENO))
		return secret_read_fd(ret, STDIN_FILENO, err);
	snprintf(prompt, sizeof(prompt), "Value of %s: ", name);
	return secret_prompt(ret, prompt, true, err);
}

int prepare_secret(struct cli *cli, json_t *request, struct err *err)
{
	CLEANUP(secret_done) struct secret value = { 0 };
	const char *name = jx_get_text(request, "name");
	int r;

	(void)cli;
	r = read_value(name, &value, err);
	if (r < 0)
		return err_context(err, r, "secret %s", name);
	if (!str_utf8(str_n((const char *)value.p, value.len), NULL))
		return err_set(
			err, ERR_INVALID_VALUE,
			"secret %s: its value is not UTF-8 text (encode bytes as base64 first)",
			name);
	return jx_set(request, "value", json_stringn((const char *)value.p, value.len), err);
}

/* The daemon has another working folder: paths go to it whole. */
static int make_absolute(json_t *request, const char *member, struct err *err)
{
	CLEANUP(free_at) char *here = NULL;
	CLEANUP(buf_done) struct buf path;
	const char *given = jx_get_text(request, member);
	int r;

	buf_init(&path, 8192);
	if (!given || given[0] == '/')
		return 0;
	here = getcwd(NULL, 0);
	if (!here)
		return err_errno(err, ERR_IO, errno, "the working folder");
	buf_addf(&path, "%s/%s", here, given);
	r = buf_fault(&path, err, "the path");
	return r < 0 ? r : jx_set(request, member, json_stringn(path.p, path.len), err);
}

/* A vault that opens with a passphrase is sealed anew under one: it is asked for twice. */
static int wants_passphrase(struct cli *cli, const json_t *request, bool *ret, struct err *err)
{
	CLEANUP(config_free) struct config config = { 0 };
	int r;

	*ret = cli_switch(cli, "new-passphrase");
	if (*ret || jx_get_text(request, "key_file"))
		return 0;
	r = config_read(config_find(cli->config_file), &config, NULL, err);
	*ret = r == 0 && config.master_key.passphrase != CONFIG_PASSPHRASE_NO;
	return r;
}

int prepare_rekey(struct cli *cli, json_t *request, struct err *err)
{
	CLEANUP(secret_done) struct secret passphrase = { 0 };
	bool wanted;
	int r;

	r = wants_passphrase(cli, request, &wanted, err);
	if (r < 0)
		return r;
	if (!wanted)
		return make_absolute(request, "key_file", err);
	r = isatty(STDIN_FILENO)
		    ? secret_prompt(&passphrase, "Passphrase to seal it under: ", true, err)
		    : secret_read_fd(&passphrase, STDIN_FILENO, err);
	if (r < 0)
		return r;
	return jx_set(request, "passphrase",
		      json_stringn((const char *)passphrase.p, passphrase.len), err);
}

int prepare_file(struct cli *cli, json_t *request, struct err *err)
{
	(void)cli;
	return make_absolute(request, "file", err);
}

int prepare_policy_diff(struct cli *cli, json_t *request, struct err *err)
{
	int r = make_absolute(request, "file", err);

	return r < 0 ? r : prepare_token(cli, request, err);
}

/* --- an export on stdin ----------------------------------------------------------------------
 */

/* What earlier commands left that never reached their daemon. */
static void spool_sweep(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		char path[4200];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (e->d_name[0] != '.' && lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
		    (int64_t)st.st_mtime * 1000 < stamp_now_ms() - STAMP_DAY_MS)
			(void)unlink(path);
	}
	if (dir)
		closedir(dir);
}

static int spool_copy(int fd, int64_t most, struct err *err)
{
	char piece[65536];
	int64_t bytes = 0;
	ssize_t n;

	while ((n = read(STDIN_FILENO, piece, sizeof(piece))) > 0) {
		for (ssize_t at = 0; at < n;) {
			ssize_t put = write(fd, piece + at, (size_t)(n - at));

			if (put < 0 && errno != EINTR)
				return err_errno(err, ERR_IO, errno,
						 "keeping what came on stdin");
			at += put > 0 ? put : 0;
		}
		bytes += n;
		if (bytes > most)
			return err_set(
				err, ERR_LIMIT,
				"what came on stdin is longer than %lld bytes (max_size)",
				(long long)most);
	}
	return n < 0 ? err_errno(err, ERR_IO, errno, "reading stdin") : 0;
}

/* People's data: whatever becomes of the command, the file does not stay. */
static char spooled[4200];

static void spool_forget(void)
{
	if (spooled[0])
		(void)unlink(spooled);
}

static int spool_stdin(const struct config *c, const struct config_source *s, json_t *request,
		       struct err *err)
{
	CLEANUP(fd_close_at) int fd = -1;
	char folder[4096], path[4200];
	int r;

	(void)snprintf(folder, sizeof(folder), "%s/%s", c->instance.state_dir, ROUNDS_HR_SPOOL);
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return err_errno(err, ERR_IO, errno, "making the folder %s", folder);
	spool_sweep(folder);
	(void)snprintf(path, sizeof(path), "%s/%s-XXXXXX", folder, s->name);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, ERR_IO, errno,
				 "making a file in %s (only the daemon's own user may)",
				 folder);
	memcpy(spooled, path, sizeof(spooled));
	(void)atexit(spool_forget);
	r = spool_copy(fd, s->file.max_bytes, err);
	return r < 0 ? r : jx_set(request, "spool", json_string(strrchr(path, '/') + 1), err);
}

int prepare_sync(struct cli *cli, json_t *request, struct err *err)
{
	CLEANUP(config_free) struct config config = { 0 };
	const char *name = jx_get_text(request, "source");
	const struct config_source *s;
	struct err quiet;

	/* what is wrong with the configuration is told by the command itself */
	if (!name || config_read(config_find(cli->config_file), &config, NULL, &quiet) < 0)
		return 0;
	s = config_source(&config, name);
	if (!s || s->kind != CONFIG_FILE || s->file.path || s->file.folder)
		return 0;
	if (isatty(STDIN_FILENO))
		return err_set(
			err, ERR_USAGE,
			"source %s has neither path nor folder: give its export on stdin, "
			"leaverd sync %s < FILE",
			name, name);
	return spool_stdin(&config, s, request, err);
}

int prepare_ca_file(struct cli *cli, json_t *request, struct err *err)
{
	(void)cli;
	return make_absolute(request, "ca_file", err);
}

int prepare_head(struct cli *cli, json_t *request, struct err *err)
{
	int r = make_absolute(request, "head", err);

	(void)cli;
	if (r == 0)
		r = make_absolute(request, "anchors", err);
	if (r == 0)
		r = make_absolute(request, "stamps", err);
	return r < 0 ? r : make_absolute(request, "stamp_ca", err);
}
