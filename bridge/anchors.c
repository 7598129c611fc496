#include "bridge/anchors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stamp.h"
#include "bridge/notices.h"
#include "bridge/outbox.h"
#include "bridge/stamps.h"
#include "net/syslog.h"
#include "store/anchor.h"
#include "store/cursors.h"
#include "store/writer.h"

#define OWNER "anchor"

bool anchors_wanted(const struct config *c)
{
	return c->anchors.file || c->anchors.syslog || c->anchors.mail.n ||
	       c->anchors.stamps.url;
}

/* --- the places ------------------------------------------------------------------------------
 */

struct kept {
	struct app *app;
	struct str line;
	int64_t seq, now_ms;
};

/* A file that was just made is there after a crash only when its folder says so. */
static int folder_sync(const char *path, struct err *err)
{
	CLEANUP(free_at) char *copy = str_dup(str_of(path));
	CLEANUP(fd_close_at) int fd = -1;

	char *slash = copy ? strrchr(copy, '/') : NULL;

	if (!copy)
		return err_nomem(err);
	if (slash)
		slash[slash == copy] = '\0';
	fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && fsync(fd) == 0
		       ? 0
		       : err_errno(err, ERR_IO, errno, "the folder of the anchors %s", path);
}

/* Whether what stands at the end is half a line: of a machine that went down, or of somebody
 * else. What cannot be read is taken for whole. */
static bool ends_within(const char *path, off_t size)
{
	CLEANUP(fd_close_at)
	int fd = size > 0 ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	char last = '\n';

	return fd >= 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

/* All of it or nothing: half an anchor would be read as one that somebody changed. */
static int add_whole(int fd, off_t before, struct str text)
{
	size_t at = 0;

	while (at < text.len) {
		ssize_t n = write(fd, text.p + at, text.len - at);
		int why = errno;

		if (n > 0) {
			at += (size_t)n;
		} else if (n == 0 || why != EINTR) {
			if (at && ftruncate(fd, before) < 0)
				log_warn("anchor.half", LOG_I("bytes", (int64_t)at));
			return n == 0 ? EIO : why;
		}
	}
	return fsync(fd) == 0 ? 0 : errno;
}

int anchors_append(const char *path, struct str line, struct err *err)
{
	CLEANUP(fd_close_at) int fd = -1;
	CLEANUP(buf_done) struct buf text;
	struct stat st;
	int r;

	buf_init(&text, ANCHOR_LINE_BYTES + 2);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, ERR_IO, errno, "the anchors %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_IO, "the anchors %s: it is no file", path);
	if (ends_within(path, st.st_size))
		buf_add_char(&text, '\n');
	buf_add_str(&text, line);
	buf_add_char(&text, '\n');
	r = buf_fault(&text, err, "an anchor");
	if (r < 0)
		return r;
	r = add_whole(fd, st.st_size, buf_str(&text));
	if (r != 0)
		return err_errno(err, ERR_IO, r, "appending to the anchors %s", path);
	return st.st_size ? 0 : folder_sync(path, err);
}

static int to_file(struct kept *k, struct err *err)
{
	return anchors_append(k->app->config.anchors.file, k->line, err);
}

static int to_syslog(struct kept *k, struct err *err)
{
	const struct config *c = &k->app->config;
	CLEANUP(buf_done) struct buf text;
	char host[256] = "";
	const struct syslog_message m = {
		.severity = SYSLOG_NOTICE,
		.ms = k->now_ms,
		.host = gethostname(host, sizeof(host) - 1) == 0 ? host : NULL,
		.process = c->instance.name,
		.id = "audit.anchor",
		.text = k->line,
	};
	int r;

	buf_init(&text, SYSLOG_MESSAGE_MAX + 1024);
	r = syslog_compose(&m, &text, err);
	return r < 0 ? r : syslog_local(c->anchors.syslog, buf_str(&text), err);
}

static int to_mail(struct kept *k, struct err *err)
{
	const struct conf_list *to = &k->app->config.anchors.mail;
	char key[40], title[80];
	const struct notices_bulletin b = {
		.key = key,
		.tells = "digest",
		.kind = NOTICE_ALERT,
		.title = title,
		.items = k->line,
	};
	int r = 0;

	(void)snprintf(key, sizeof(key), "anchor/%lld", (long long)k->seq);
	(void)snprintf(title, sizeof(title), "audit anchor of entry %lld: keep this letter",
		       (long long)k->seq);
	for (size_t i = 0; r == 0 && i < to->n; i++)
		r = notices_tell_one(k->app, &b, to->v[i], err);
	outbox_wake(k->app->outbox);
	return r;
}

static int write_waits(void *ctx, struct db *db, struct err *err)
{
	const struct kept *k = ctx;

	return stamps_wait(db, k->line, k->now_ms, err);
}

static int to_stamp(struct kept *k, struct err *err)
{
	return writer_call(k->app->writer, write_waits, k, err);
}

struct place {
	const char *name;
	bool (*wanted)(const struct config_anchors *a);
	int (*keep)(struct kept *k, struct err *err);
	bool later; /* it is there only when somebody else says so: bridge/stamps.h */
};

static bool has_file(const struct config_anchors *a)
{
	return a->file != NULL;
}

static bool has_syslog(const struct config_anchors *a)
{
	return a->syslog != NULL;
}

static bool has_mail(const struct config_anchors *a)
{
	return a->mail.n > 0;
}

static bool has_stamps(const struct config_anchors *a)
{
	return a->stamps.url != NULL;
}

static const struct place places[] = {
	{ "file", has_file, to_file, false },
	{ "syslog", has_syslog, to_syslog, false },
	{ "mail", has_mail, to_mail, false },
	{ "stamp", has_stamps, to_stamp, true },
};

/* --- keeping ---------------------------------------------------------------------------------
 */

struct standing {
	const char *place;
	int64_t seq, now_ms;
};

static int write_standing(void *ctx, struct db *db, struct err *err)
{
	struct standing *s = ctx;
	char text[24];
	int r;

	(void)snprintf(text, sizeof(text), "%lld", (long long)s->seq);
	r = cursors_set(db, OWNER, s->place, text, s->now_ms, err);
	return r < 0 ? r : 0;
}

static int keep_at(struct kept *k, const struct place *p, struct err *err)
{
	struct standing s = { p->name, k->seq, k->now_ms };
	int r = p->keep(k, err);

	return r < 0 || p->later ? r : writer_call(k->app->writer, write_standing, &s, err);
}

/* In the places of the mask (1 << of places[]) that the configuration names. */
static int keep(struct app *app, const char *about, unsigned mask, struct buf *line,
		struct err *err)
{
	struct kept k = { .app = app, .now_ms = stamp_now_ms() };
	CLEANUP(buf_done) struct buf text;
	struct err other;
	int r, first = 0;

	buf_init(&text, ANCHOR_LINE_BYTES);
	r = anchor_line(app->store, app->config.instance.name, about, k.now_ms, &text, &k.seq,
			err);
	if (r != 0)
		return r;
	k.line = buf_str(&text);
	if (line)
		buf_add_str(line, k.line);
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		if (!(mask & 1u << i) || !places[i].wanted(&app->config.anchors))
			continue;
		r = keep_at(&k, &places[i], first ? &other : err);
		if (r < 0 && !first)
			first = r;
	}
	return first;
}

int anchors_keep(struct app *app, const char *about, struct buf *line, struct err *err)
{
	return keep(app, about, ~0u, line, err);
}

void anchors_keep_after(struct app *app, const char *about)
{
	struct err err;

	if (anchors_wanted(&app->config) && anchors_keep(app, about, NULL, &err) < 0)
		log_error("anchor.fault", LOG_T("about", about), LOG_E(&err));
}

/* --- the time that has passed ----------------------------------------------------------------
 */

int anchors_standing(struct app *app, const char *place, int64_t *ret_seq, int64_t *ret_ms,
		     struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(free_at) char *text = NULL;
	int r = store_read_begin(app->store, &db, err);

	if (r == 0)
		r = cursors_get(db, OWNER, place, &text, ret_ms, err);
	if (r == 0 && !str_int64(str_of(text), ret_seq))
		return err_set(err, ERR_DAMAGED, "where the anchors of %s stand is no number",
			       place);
	return r;
}

static int newest(struct app *app, int64_t *ret, struct err *err)
{
	CLEANUP(buf_done) struct buf text;

	buf_init(&text, ANCHOR_LINE_BYTES);
	return anchor_line(app->store, app->config.instance.name, "look", 0, &text, ret, err);
}

int anchors_look(struct app *app, int64_t now_ms, struct err *err)
{
	const struct config_anchors *a = &app->config.anchors;
	int64_t last = 0;
	unsigned due = 0;
	int r = 0;

	if (!a->every_ms || !anchors_wanted(&app->config))
		return 0;
	r = newest(app, &last, err);
	for (size_t i = 0; r == 0 && i < COUNT_OF(places); i++) {
		int64_t seq = 0, ms = 0, since = 0;

		if (!places[i].wanted(a))
			continue;
		r = anchors_standing(app, places[i].name, &seq, &ms, err);
		/* one that waits has its place already: it stands in the others, too */
		if (r >= 0 && places[i].later)
			r = stamps_waits_since(app, &since, err);
		if (since > ms)
			ms = since;
		if (r >= 0 && seq < last && now_ms - ms >= a->every_ms)
			due |= 1u << i;
		r = r < 0 ? r : 0;
	}
	if (r == 0 && due)
		r = keep(app, "time", due, NULL, err);
	return r < 0 ? r : 0;
}
