#include "bridge/init.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/stamp.h"
#include "base/zone.h"
#include "bridge/config.h"
#include "bridge/control.h"
#include "bridge/render.h"
#include "bridge/unlock.h"
#include "hr/options.h"
#include "store/audit.h"
#include "store/store.h"

#define INIT_ANSWER_MAX 512
#define INIT_TEXT_MAX 65536
#define COLUMNS 3 /* of an HR export: personnel number, mail address, last working day */

struct answers {
	char *name, *zone, *key, *kind, *source, *address, *base, *profile, *columns, *org_id;
};

#define AT(f) offsetof(struct answers, f)

/* A question: where its answer goes, what it asks, what a bare Enter means. */
struct question {
	const char *name, *text, *preset, *words;
	size_t offset;
	const char *only_kind; /* asked for this kind of source; NULL: always */
};

static const struct question questions[] = {
	{ "name", "Name of the legal entity whose people these are", NULL, NULL, AT(name),
	  NULL },
	{ "zone", "Time zone of people who have none", "UTC", NULL, AT(zone), NULL },
	{ "key", "What opens the vault: file, passphrase or credential", "file",
	  "file passphrase credential", AT(key), NULL },
	{ "kind",
	  "How people come: scim (pushed to us), ldap (read by us) or file (HR's export)",
	  "scim", "scim ldap file", AT(kind), NULL },
	{ "source", "Name of that source", NULL, NULL, AT(source), NULL },
	{ "address", "Address to listen on", "127.0.0.1:8443", NULL, AT(address), "scim" },
	{ "profile", "Who pushes: generic, or a name from leaverd-scim(7)", "generic",
	  "generic entra okta keycloak onelogin ping jumpcloud google sailpoint authentik",
	  AT(profile), "scim" },
	{ "address", "URL of the directory, such as ldaps://ldap.example.com", NULL, NULL,
	  AT(address), "ldap" },
	{ "base", "Where people stand in it, such as ou=people,dc=example,dc=com", NULL, NULL,
	  AT(base), "ldap" },
	{ "address", "Folder that HR puts its exports into, or one file", "hr", NULL,
	  AT(address), "file" },
	{ "columns", "Their columns of personnel number, mail address and last working day",
	  "Personnel No, Mail, Last day", NULL, AT(columns), "file" },
	{ "org_id", "Atlassian's id of the organisation (admin.atlassian.com)", NULL, NULL,
	  AT(org_id), NULL },
};

/* The answers file knows all of them. */
static const struct conf_key answer_keys[] = {
	{ .name = "name", .type = CONF_TEXT, .offset = AT(name) },
	{ .name = "zone", .type = CONF_TEXT, .offset = AT(zone) },
	{ .name = "key", .type = CONF_TEXT, .offset = AT(key) },
	{ .name = "kind", .type = CONF_TEXT, .offset = AT(kind) },
	{ .name = "source", .type = CONF_TEXT, .offset = AT(source) },
	{ .name = "address", .type = CONF_TEXT, .offset = AT(address) },
	{ .name = "base", .type = CONF_TEXT, .offset = AT(base) },
	{ .name = "profile", .type = CONF_TEXT, .offset = AT(profile) },
	{ .name = "columns", .type = CONF_TEXT, .offset = AT(columns) },
	{ .name = "org_id", .type = CONF_TEXT, .offset = AT(org_id) },
	{ 0 },
};

static void answers_done(struct answers *a)
{
	conf_free(answer_keys, a);
}

static char **answer_at(struct answers *a, const struct question *q)
{
	return (char **)((char *)a + q->offset);
}

/* --- asking ----------------------------------------------------------------------------------
 */

static int from_file(struct answers *a, const char *file, struct err *err)
{
	CLEANUP(conf_faults_free) struct conf_faults faults = { 0 };
	int r = conf_read(file, answer_keys, a, &faults, err);

	for (size_t i = 0; r < 0 && i < faults.n; i++)
		fprintf(stderr, "%s\n", faults.v[i]);
	return r;
}

static int from_options(struct answers *a, const json_t *request, struct err *err)
{
	for (const struct conf_key *k = answer_keys; k->name; k++) {
		const char *given = jx_get_text(request, k->name);
		char **at = (char **)((char *)a + k->offset);

		if (!given)
			continue;
		free(*at);
		*at = str_dup(str_of(given));
		if (!*at)
			return err_nomem(err);
	}
	return 0;
}

static bool word_ok(const struct question *q, const char *answer)
{
	struct str rest = str_of(q->words), word;

	if (!q->words)
		return true;
	while (rest.len) {
		str_cut(rest, ' ', &word, &rest);
		if (str_eq(word, str_of(answer)))
			return true;
	}
	return false;
}

static int ask(const struct question *q, unsigned number, char **ret, struct err *err)
{
	char line[INIT_ANSWER_MAX];
	const struct zone *zone;
	struct err wrong;
	struct str s;

	for (;;) {
		fprintf(stderr, "%u. %s%s%s%s: ", number, q->text, q->preset ? " [" : "",
			q->preset ? q->preset : "", q->preset ? "]" : "");
		fflush(stderr);
		if (!fgets(line, sizeof(line), stdin))
			return err_set(err, ERR_CANCELLED, "init: no answer to '%s'", q->name);
		s = str_trim(str_of(line));
		if (!s.len && q->preset)
			s = str_of(q->preset);
		if (!s.len)
			continue;
		*ret = str_dup(s);
		if (!*ret)
			return err_nomem(err);
		if (q->offset == AT(zone) && zone_get(str_of(*ret), &zone, &wrong) < 0)
			fprintf(stderr, "   %s\n", wrong.text);
		else if (word_ok(q, *ret))
			return 0;
		else
			fprintf(stderr, "   one of: %s\n", q->words);
		free(TAKE(*ret));
	}
}

/* The three columns, in the order of the question; empty from the first that is missing. */
static size_t columns_of(const struct answers *a, struct str ret[COLUMNS])
{
	struct str rest = str_of(a->columns);
	size_t n = 0;

	while (n < COLUMNS && rest.len) {
		str_cut(rest, ',', &ret[n], &rest);
		ret[n] = str_trim(ret[n]);
		if (!hr_column_ok(ret[n]))
			break;
		n++;
	}
	return rest.len ? COLUMNS + 1 : n;
}

static int complete(struct answers *a, struct err *err)
{
	bool person = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	struct str column[COLUMNS] = { 0 };
	unsigned number = 0;

	for (size_t i = 0; i < COUNT_OF(questions); i++) {
		const struct question *q = &questions[i];
		char **at = answer_at(a, q);
		int r;

		if (q->only_kind && a->kind && strcmp(q->only_kind, a->kind) != 0)
			continue;
		number++;
		if (!*at && person) {
			r = ask(q, number, at, err);
			if (r < 0)
				return r;
		}
		if (!*at && q->preset) {
			*at = str_dup(str_of(q->preset));
			if (!*at)
				return err_nomem(err);
		}
		if (!*at)
			return err_set(
				err, ERR_USAGE,
				"init: '%s' has no answer (%s): give it as an option or in "
				"--answers",
				q->name, q->text);
		if (!word_ok(q, *at))
			return err_set(err, ERR_USAGE, "init: %s may be one of: %s; not '%s'",
				       q->name, q->words, *at);
	}
	if (!strcmp(a->kind, "file") && columns_of(a, column) != COLUMNS)
		return err_set(
			err, ERR_USAGE,
			"init: columns may be three names with commas between (personnel "
			"number, mail address, last working day); not '%s'",
			a->columns);
	return 0;
}

/* --- the configuration -----------------------------------------------------------------------
 */

/* A YAML scalar that is certainly a text: JSON's quotes are YAML's. */
static void add_quoted(struct buf *b, const char *text)
{
	buf_add_json(b, str_of(text));
}

static void add_line(struct buf *b, const char *before, const char *value, const char *note)
{
	buf_add_text(b, before);
	add_quoted(b, value);
	if (note)
		buf_addf(b, "  # %s", note);
	buf_add_char(b, '\n');
}

static void add_key(struct buf *b, const struct answers *a)
{
	buf_add_text(
		b,
		"\nmaster_key:                    # opens the vault; keep a copy elsewhere\n");
	if (!strcmp(a->key, "file"))
		buf_add_text(b, "  file: master.key\n");
	else if (!strcmp(a->key, "credential"))
		buf_add_text(b,
			     "  credential: leaverd-master   # LoadCredential= of the unit\n");
	else
		buf_add_text(b, "  passphrase: ask\n");
}

static void add_scim_source(struct buf *b, const struct answers *a)
{
	add_line(b, "\nscim:                          # the SCIM 2.0 server\n  listen: ",
		 a->address, "with tls_cert and tls_key: any address");
	buf_add_text(b, "\nsources:                       # most trusted first\n");
	add_line(b, "  - name: ", a->source, "its URL ends in /scim/v2/NAME");
	buf_add_text(b,
		     "    kind: scim\n    role: idp                  # hr, directory or idp\n");
	add_line(b, "    scim:\n      profile: ", a->profile, NULL);
}

static void add_ldap_source(struct buf *b, const struct answers *a)
{
	bool local = str_istarts(str_of(a->address), STR("ldapi:"));

	buf_add_text(b, "\nsources:                       # most trusted first\n");
	add_line(b, "  - name: ", a->source, NULL);
	buf_add_text(b,
		     "    kind: ldap\n    role: directory            # hr, directory or idp\n"
		     "    ldap:\n");
	buf_add_text(b, "      uris: [");
	add_quoted(b, a->address);
	buf_add_text(b, "]\n");
	add_line(b, "      base: ", a->base, NULL);
	if (local) {
		buf_add_text(b, "      auth: external           # we are who our uid is\n");
	} else {
		buf_add_text(b, "      bind_dn: \"cn=leaverd,");
		for (const char *c = a->base; *c; c++)
			buf_addf(b, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
		buf_add_text(b,
			     "\"  # an account that may read, not write\n"
			     "      bind_password: ldap-bind # leaverd secret set ldap-bind\n");
	}
	buf_add_text(
		b,
		"      canaries: []             # \"uid=ada\": people that every honest read "
		"shows\n");
}

/* A column as the map's expressions name it, as a YAML scalar. */
static void add_column(struct buf *b, const char *before, struct str name)
{
	buf_addf(b, "        %s: '\"", before);
	for (size_t i = 0; i < name.len; i++) {
		if (name.p[i] == '"' || name.p[i] == '\'')
			buf_add_char(b, name.p[i]);
		buf_add_char(b, name.p[i]);
	}
	buf_add_text(b, "\"'\n");
}

static bool is_file(const char *address)
{
	struct str s = str_of(address);

	return str_ends(s, STR(".csv")) || str_ends(s, STR(".CSV")) || str_ends(s, STR(".txt"));
}

static void add_file_source(struct buf *b, const struct answers *a)
{
	struct str column[COLUMNS] = { 0 };

	(void)columns_of(a, column);
	buf_add_text(b, "\nsources:                       # most trusted first\n");
	add_line(b, "  - name: ", a->source, NULL);
	buf_add_text(
		b, "    kind: file\n    role: hr\n    file:\n"
		   "      kind: full               # everybody stands in it: leaverd-hr(7)\n");
	if (is_file(a->address)) {
		add_line(b, "      path: ", a->address, NULL);
	} else {
		add_line(b, "      folder: ", a->address,
			 "the newest whole drop in it is read");
		buf_add_text(b, "      pattern: \"*.csv\"\n");
	}
	buf_add_text(b, "      key: ");
	buf_add_json(b, column[0]);
	buf_add_text(b, "\n      map:\n");
	add_column(b, "userName", column[1]);
	add_column(b, "emails[type eq \"work\"].value", column[1]);
	add_column(b, "employment.lastWorkingDay", column[2]);
	buf_add_text(
		b,
		"      dates:                   # which of 03/04 is the month is not guessed\n"
		"        ");
	buf_add_json(b, column[2]);
	buf_add_text(
		b,
		": yyyy-mm-dd | dd.mm.yyyy\n"
		"      canaries: []             # \"10001\": people whom every export shows\n");
}

static void add_config(struct buf *b, const struct answers *a)
{
	buf_add_text(b,
		     "# leaverd: see leaverd.yaml(5); every key is in the annotated sample.\n"
		     "instance:\n");
	add_line(b, "  name: ", a->name, NULL);
	add_line(b, "  zone: ", a->zone, "of people who have none of their own");
	buf_add_text(b,
		     "  state_dir: state             # database, audit head, control socket\n");
	add_key(b, a);
	if (!strcmp(a->kind, "scim"))
		add_scim_source(b, a);
	else if (!strcmp(a->kind, "ldap"))
		add_ldap_source(b, a);
	else
		add_file_source(b, a);
	buf_add_text(b, "\norganisations:\n");
	add_line(b, "  - name: ", a->name, "our name for Atlassian's side");
	add_line(b, "    cloud:\n      org_id: ", a->org_id, NULL);
	buf_add_text(b, "      key: atlassian           # leaverd secret set atlassian\n"
			"\nschedule:\n  sync_every: 1h\n  collect_every: 6h\n  plan_every: 1h\n"
			"\n# policy: without this section the shipped rules hold: "
			"leaverd-policy(5).\n");
}

/* --- making ----------------------------------------------------------------------------------
 */

/* What was made, to be taken away again when a later step fails; newest first. */
struct made {
	char *paths[12];
	bool folder[12];
	size_t n;
};

static int made_note(struct made *m, const char *path, bool folder, struct err *err)
{
	char *copy = str_dup(str_of(path));

	if (!copy || m->n == COUNT_OF(m->paths)) {
		free(copy);
		return err_nomem(err);
	}
	m->folder[m->n] = folder;
	m->paths[m->n++] = copy;
	return 0;
}

static void made_undo(struct made *m)
{
	while (m->n) {
		m->n--;
		(void)!(m->folder[m->n] ? rmdir(m->paths[m->n]) : unlink(m->paths[m->n]));
		free(m->paths[m->n]);
	}
}

static void made_keep(struct made *m)
{
	while (m->n)
		free(m->paths[--m->n]);
}

static char *in_dir(const char *dir, const char *name)
{
	struct buf b;
	char *path;

	buf_init(&b, 4096);
	buf_addf(&b, "%s/%s", dir, name);
	path = buf_take(&b, NULL);
	buf_done(&b);
	return path;
}

/* A folder that is there may be ours to fill; the state folder must be new or empty of a store.
 */
static int make_folder(struct made *m, const char *path, struct err *err)
{
	if (mkdir(path, 0700) == 0)
		return made_note(m, path, true, err);
	if (errno == EEXIST)
		return 0;
	return err_errno(err, ERR_IO, errno, "init: folder %s", path);
}

static int write_all(int fd, struct str text)
{
	while (text.len) {
		ssize_t n = write(fd, text.p, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text.p += n;
		text.len -= (size_t)n;
	}
	return fsync(fd);
}

static int write_config(struct made *m, const char *path, const struct answers *a,
			struct err *err)
{
	CLEANUP(fd_close_at) int fd = -1;
	CLEANUP(buf_done) struct buf text;
	int r;

	buf_init(&text, INIT_TEXT_MAX);
	add_config(&text, a);
	r = buf_fault(&text, err, "the configuration");
	if (r < 0)
		return r;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(
			err, errno == EEXIST ? ERR_CONFLICT : ERR_IO, errno, "init: %s%s", path,
			errno == EEXIST ? " is there already, and init never overwrites" : "");
	r = made_note(m, path, false, err);
	if (r < 0)
		return r;
	if (write_all(fd, buf_str(&text)) < 0)
		return err_errno(err, ERR_IO, errno, "init: %s", path);
	return 0;
}

static int first_entry(void *ctx, struct db *db, struct err *err)
{
	struct who who;
	const struct audit_new entry = {
		.who = who.name,
		.what = "instance.init",
		.target = ctx,
		.body = STR("{}"),
		.now_ms = stamp_now_ms(),
	};

	control_who_self(&who);
	return audit_add(db, &entry, NULL, err);
}

static int vault_new(struct store *store, const struct config *c, struct err *err)
{
	CLEANUP(vault_close_at) struct vault *vault = NULL;
	CLEANUP(unlock_done) struct unlock unlock = { 0 };
	struct db *db;
	int r;

	r = unlock_prepare(c, true, &unlock, err);
	if (r == 0)
		r = vault_open(store, &unlock.source, true, &vault, err);
	if (r == 0)
		r = store_write_begin(store, &db, err);
	if (r < 0)
		return r;
	r = store_write_end(db, first_entry(c->instance.name, db, err), err);
	if (r < 0)
		return r;
	r = store_read_begin(store, &db, err);
	if (r < 0)
		return r;
	r = audit_head_write(db, err);
	store_read_end(db);
	return r < 0 ? r : 0;
}

static const char *const store_files[] = { "leaverd.db", "leaverd.db-wal", "leaverd.db-shm",
					   "leaverd.db.lock", "audit.head" };

static int store_new(struct made *m, const struct config *c, struct err *err)
{
	CLEANUP(store_close_at) struct store *store = NULL;
	const struct store_options options = {
		.path = c->db_file, .write = true, .create = true, .head_path = c->head_file
	};
	int r;

	if (access(c->db_file, F_OK) == 0)
		return err_set(err, ERR_CONFLICT,
			       "init: %s is there already, and init never overwrites",
			       c->db_file);
	/* Before they exist: whatever step fails, they go again. */
	for (size_t i = 0; i < COUNT_OF(store_files); i++) {
		CLEANUP(free_at) char *path = in_dir(c->instance.state_dir, store_files[i]);

		r = path ? made_note(m, path, false, err) : err_nomem(err);
		if (r < 0)
			return r;
	}
	r = store_open(&options, &store, err);
	return r < 0 ? r : vault_new(store, c, err);
}

static int make_key(struct made *m, const char *dir, const struct answers *a, struct err *err)
{
	CLEANUP(free_at) char *path = NULL;
	int r;

	if (strcmp(a->key, "file") != 0)
		return 0;
	path = in_dir(dir, "master.key");
	if (!path)
		return err_nomem(err);
	r = vault_make_key_file(path, err);
	return r < 0 ? r : made_note(m, path, false, err);
}

/* Where HR's exports come: it may be there, and may be somebody else's. */
static int make_drops(struct made *m, const struct config *c, struct err *err)
{
	const struct config_source *source = config_source_at(c, 0);

	if (!source || source->kind != CONFIG_FILE || !source->file.folder)
		return 0;
	return make_folder(m, source->file.folder, err);
}

static int make_all(struct made *m, const char *dir, const char *file, const struct answers *a,
		    struct err *err)
{
	CLEANUP(config_free) struct config config = { 0 };
	CLEANUP(free_at) char *state = in_dir(dir, "state");
	int r;

	if (!state)
		return err_nomem(err);
	r = make_folder(m, dir, err);
	if (r == 0)
		r = write_config(m, file, a, err);
	if (r == 0)
		r = config_read(file, &config, NULL, err);
	if (r == 0)
		r = make_folder(m, state, err);
	if (r == 0)
		r = make_drops(m, &config, err);
	if (r == 0)
		r = make_key(m, dir, a, err);
	return r < 0 ? r : store_new(m, &config, err);
}

static void say_next(struct cli *cli, const char *file, const struct answers *a)
{
	if (cli->quiet)
		return;
	render_line(cli, "%s is written; every organisation is in mode observe.", file);
	render_head(cli, "Next");
	render_line(cli, "  leaverd --config %s secret set atlassian", file);
	if (!strcmp(a->kind, "scim"))
		render_line(cli, "  leaverd --config %s token new %s-1 --source %s", file,
			    a->source, a->source);
	else if (!strcmp(a->kind, "file"))
		render_line(cli,
			    "  leaverd --config %s sync %s --dry-run   # with an export in %s",
			    file, a->source, a->address);
	else if (!str_istarts(str_of(a->address), STR("ldapi:")))
		render_line(cli, "  leaverd --config %s secret set ldap-bind", file);
	render_line(cli, "  leaverd --config %s doctor", file);
	render_line(cli, "  leaverd --config %s serve", file);
}

int init_run(struct cli *cli, const json_t *request, struct err *err)
{
	CLEANUP(answers_done) struct answers a = { 0 };
	CLEANUP(made_undo) struct made made = { 0 };
	CLEANUP(free_at) char *file = NULL;
	const char *dir = jx_get_text(request, "dir"), *from = jx_get_text(request, "answers");
	int r;

	dir = dir ? dir : ".";
	file = in_dir(dir, "leaverd.yaml");
	if (!file)
		return err_nomem(err);
	if (access(file, F_OK) == 0)
		return err_set(err, ERR_CONFLICT,
			       "init: %s is there already, and init never overwrites", file);
	r = from ? from_file(&a, from, err) : 0;
	if (r == 0)
		r = from_options(&a, request, err);
	if (r == 0)
		r = complete(&a, err);
	if (r == 0)
		r = make_all(&made, dir, file, &a, err);
	if (r < 0)
		return r;
	made_keep(&made);
	say_next(cli, file, &a);
	return 0;
}
