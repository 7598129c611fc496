#include "bridge/rounds.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "atlassian/collect.h"
#include "atlassian/kept.h"
#include "base/digest.h"
#include "base/enc.h"
#include "base/log.h"
#include "base/stamp.h"
#include "bridge/clients.h"
#include "bridge/intake.h"
#include "bridge/progress.h"
#include "store/accounts.h"
#include "store/audit.h"
#include "store/ledger.h"
#include "store/writer.h"

#define KEPT_FRONT "collect-"
#define KEPT_BACK ".pages"

struct collect {
	struct app *app;
	const struct config_org *org;
	const atomic_bool *cancel;
	int64_t org_id;
	struct atl_kept *kept; /* NULL: none */
	struct intake *in;
	struct atl_result result;
	struct org_counts counts;
	int64_t accepted; /* accounts of an implausible read that a person accepted; -1: none */
	bool plausible;
	char reason[ERR_TEXT_BYTES];
};

/* Settings of the organisation, as numbers. */
static const char setting_aside[] = "collect_aside";       /* accounts of the newest read, where
							      it was implausible */
static const char setting_accepted[] = "collect_accepted"; /* the same, accepted by a person */

/* Accounts that may be missing of so many. */
static int64_t drop_allowed(const struct collect *c, int64_t before)
{
	const struct atl_options *o = &c->org->cloud;
	int64_t allowed = (int64_t)((double)before * o->drop_share);

	return allowed < o->drop_count ? o->drop_count : allowed;
}

/*
 * Absent is not unknown for the organisation too: a read that shrank too far changes nothing,
 * unless a person looked at one and accepted it: then the next one that is as large counts.
 */
static void judge(struct collect *c)
{
	const struct atl_options *o = &c->org->cloud;
	int64_t allowed = drop_allowed(c, c->counts.accounts_before);

	c->plausible = true;
	if (c->accepted >= 0 &&
	    c->counts.accounts + drop_allowed(c, c->accepted) >= c->accepted)
		return;
	if (c->counts.accounts < o->minimum) {
		c->plausible = false;
		snprintf(c->reason, sizeof(c->reason),
			 "%lld accounts were read, the configuration expects %lld at least; if "
			 "that is right, say so with `leaverd collect accept %.80s`",
			 (long long)c->counts.accounts, (long long)o->minimum, c->org->name);
	} else if (c->result.complete && c->counts.accounts_missing > allowed) {
		c->plausible = false;
		snprintf(c->reason, sizeof(c->reason),
			 "%lld of %lld accounts are missing since the last read, more than the "
			 "%lld allowed; if that is right, say so with `leaverd collect accept "
			 "%.80s`",
			 (long long)c->counts.accounts_missing,
			 (long long)c->counts.accounts_before, (long long)allowed,
			 c->org->name);
	}
}

static int setting_number(struct db *db, const char *org, const char *key, int64_t *ret,
			  struct err *err)
{
	CLEANUP(free_at) char *text = NULL;
	int r = store_setting_get(db, org, key, &text, err);

	*ret = -1;
	if (r == 0 && !str_int64(str_of(text), ret))
		return err_set(err, ERR_DAMAGED, "organisation %s: setting %s is no number",
			       org, key);
	return r < 0 ? r : 0;
}

/* What a person may accept; an acceptance is used up by the next complete read. */
static int keep_aside(struct collect *c, struct db *db, bool other, struct err *err)
{
	char text[24];
	int r;

	if (!c->result.complete || other)
		return 0;
	snprintf(text, sizeof(text), "%lld", (long long)c->counts.accounts);
	r = store_setting_set(db, c->org->name, setting_aside, c->plausible ? NULL : text, err);
	if (r >= 0)
		r = store_setting_set(db, c->org->name, setting_accepted, NULL, err);
	return r < 0 ? r : 0;
}

/* What was read whole is what the day's seats were. */
static int ledger_today(const struct collect *c, struct db *db, struct err *err)
{
	int64_t now_ms = stamp_now_ms();

	return ledger_note(db, c->org_id, config_day(&c->app->config, now_ms),
			   now_ms - LEDGER_IDLE_DAYS * STAMP_DAY_MS, err);
}

static int end_write(void *ctx, struct db *db, struct err *err)
{
	struct collect *c = ctx;
	bool other;
	int r;

	r = accounts_weigh(db, intake_run(c->in), &c->counts, err);
	if (r == 0)
		r = setting_number(db, c->org->name, setting_accepted, &c->accepted, err);
	if (r < 0)
		return r;
	judge(c);
	r = accounts_org_identity(db, c->org_id, intake_identity(c->in), false, err);
	other = r == STORE_STALE;
	if (other) {
		c->plausible = false;
		snprintf(c->reason, sizeof(c->reason),
			 "another organisation answers under this key and id than before");
	}
	if (r < 0)
		return r;
	/* what could not be read is why too little was: that is what an operator can mend */
	if (!c->result.complete && c->result.why[0] && !other)
		snprintf(c->reason, sizeof(c->reason), "%s", c->result.why);
	r = keep_aside(c, db, other, err);
	if (r == 0)
		r = accounts_end(db, intake_run(c->in), c->result.whole, c->plausible,
				 c->reason[0] ? c->reason : NULL, stamp_now_ms(), err);
	if (r == 0 && c->result.complete && c->plausible)
		r = ledger_today(c, db, err);
	return r;
}

/* --- one collection ------------------------------------------------------------------------
 */

static int collect_read(struct collect *c, struct atl_client *client, struct err *err)
{
	struct atl_sink sink;
	int r;

	r = intake_new(&c->in, c->app, c->org_id, c->org->name, c->kept, c->cancel, err);
	if (r < 0)
		return r;
	sink = intake_sink(c->in);
	r = atl_collect(client, &sink, stamp_now_ms(), &c->result, err);
	if (r == 0)
		r = intake_end(c->in, c->result.whole, err);
	return r == 0 ? writer_call(c->app->writer, end_write, c, err) : r;
}

static int collect_out(struct collect *c, int64_t ms, json_t *out, struct err *err)
{
	const struct {
		const char *name;
		json_t *value;
	} members[] = {
		{ "org", json_string(c->org->name) },
		{ "generation", json_integer(org_run_generation(intake_run(c->in))) },
		{ "complete", json_boolean(c->result.complete && c->plausible) },
		{ "why", c->reason[0] ? json_string(c->reason) : json_null() },
		{ "accounts", json_integer(c->counts.accounts) },
		{ "accounts_changed", json_integer(c->counts.accounts_changed) },
		{ "accounts_missing", json_integer(c->counts.accounts_missing) },
		{ "groups", json_integer(c->counts.groups) },
		{ "members", json_integer(c->counts.members) },
		{ "seats", json_integer(c->counts.seats) },
		{ "seats_changed", json_integer(c->counts.seats_changed) },
		{ "requests", json_integer((json_int_t)c->result.calls) },
		{ "resumed", json_integer((json_int_t)c->result.kept) },
		{ "ms", json_integer(ms) },
	};
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(members); i++) {
		int set = jx_set(out, members[i].name, members[i].value, err);

		r = r < 0 ? r : set;
	}
	return r;
}

static void collect_done(struct collect *c)
{
	intake_free(c->in); /* which uses what was kept */
	atl_kept_free(c->kept);
	free(c);
}

static void kept_path(const struct config *config, const struct config_org *org,
		      struct buf *into)
{
	struct digest d;
	char hex[17];

	digest_of(&d, NULL, str_of(org->name)); /* names may hold what no file's may */
	enc_hex(d.b, 8, hex);
	buf_addf(into, "%s/" KEPT_FRONT "%s" KEPT_BACK, config->instance.state_dir, hex);
}

/* Pages of a read of this organisation that was stopped; it is read from its beginning where
 * they cannot be kept. */
static void kept_open(struct collect *c)
{
	CLEANUP(buf_done) struct buf path;
	struct err why;
	int r;

	buf_init(&path, 8192);
	if (!c->org->cloud.resume_within_ms)
		return;
	kept_path(&c->app->config, c->org, &path);
	r = buf_fault(&path, &why, "a path");
	if (r == 0)
		r = atl_kept_open(&c->kept, path.p, stamp_now_ms(),
				  c->org->cloud.resume_within_ms, &why);
	if (r < 0)
		log_warn("collect.unkept", LOG_T("org", c->org->name), LOG_T("text", why.text));
	else if (atl_kept_found(c->kept))
		log_info("collect.resumed", LOG_T("org", c->org->name),
			 LOG_U("pages", atl_kept_found(c->kept)));
}

static int collect_run(struct collect *c, json_t *out, struct err *err)
{
	struct atl_client *client = NULL;
	CLEANUP(org_row_done) struct org_row row = { 0 };
	int64_t begun = stamp_mono_ms();
	struct db *db = NULL;
	int r;

	r = store_read_begin(c->app->store, &db, err);
	if (r == 0)
		r = accounts_org_get(db, c->org->name, &row, err);
	store_read_end(db);
	if (r > 0)
		return err_set(err, ERR_INTERNAL, "it was not declared");
	c->org_id = row.id;
	if (r == 0)
		r = clients_get(c->app, c->org, &client, err);
	kept_open(c);
	if (r == 0)
		r = collect_read(c, client, err);
	if (r != 0)
		return r;
	if (c->result.complete && c->plausible)
		log_info("collect.done", LOG_T("org", c->org->name),
			 LOG_I("accounts", c->counts.accounts), LOG_I("seats", c->counts.seats),
			 LOG_U("requests", c->result.calls),
			 LOG_I("ms", stamp_mono_ms() - begun));
	else
		log_warn("collect.incomplete", LOG_T("org", c->org->name),
			 LOG_T("text", c->reason));
	r = rounds_sites(c->app, c->org, c->cancel, out, err);
	if (r == 0)
		r = rounds_provision(c->app, c->org, c->cancel, out, err);
	if (r == 0)
		r = rounds_events(c->app, c->org, c->cancel, out, err);
	return r < 0 ? r : collect_out(c, stamp_mono_ms() - begun, out, err);
}

static int collect_once(struct app *app, const struct config_org *org,
			const atomic_bool *cancel, json_t *out, struct err *err)
{
	struct collect *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_nomem(err);
	c->app = app;
	c->org = org;
	c->cancel = cancel;
	progress_begin("collect", org->name);
	r = collect_run(c, out, err);
	progress_end("collect", org->name);
	collect_done(c);
	return r;
}

int rounds_collect(struct app *app, const struct config_org *org, const atomic_bool *cancel,
		   json_t *out, struct err *err)
{
	struct err said;
	int r = collect_once(app, org, cancel, out, err);

	if (r == ATL_AGAIN) {
		log_warn("collect.anew", LOG_T("org", org->name), LOG_T("text", err->text));
		r = collect_once(app, org, cancel, out, err);
	}
	if (r == ATL_AGAIN) /* nothing was kept by then */
		return err_set(err, ERR_INTERNAL,
			       "organisation %s: a list that is new went on "
			       "from an old one",
			       org->name);
	if (r == -ERR_UNAUTHORIZED) {
		said = *err;
		return err_set(err, ERR_UNAUTHORIZED,
			       "organisation %s: %.340s with `leaverd secret rotate %.80s`",
			       org->name, said.text, org->cloud.key);
	}
	if (r < 0)
		return err_context(err, r, "organisation %s", org->name);
	return 0;
}

int rounds_forget_kept(struct app *app, struct err *err)
{
	CLEANUP(buf_done) struct buf path;
	const char *folder = app->config.instance.state_dir;
	struct dirent *entry;
	DIR *dir = opendir(folder);
	int r = 0;

	buf_init(&path, 8192);
	if (!dir)
		return err_errno(err, ERR_IO, errno, "%s cannot be read", folder);
	while (r == 0 && (entry = readdir(dir))) {
		struct str name = str_of(entry->d_name);

		if (!str_starts(name, STR(KEPT_FRONT)) || !str_ends(name, STR(KEPT_BACK)))
			continue;
		buf_clear(&path);
		buf_addf(&path, "%s/%s", folder, entry->d_name);
		r = buf_fault(&path, err, "a path");
		if (r == 0 && unlink(path.p) < 0 && errno != ENOENT)
			r = err_errno(err, ERR_IO, errno, "%s cannot be removed", path.p);
	}
	closedir(dir);
	return r;
}

/* --- a person accepts -----------------------------------------------------------------------
 */

struct accept_write {
	const char *org, *who, *why;
	int64_t accounts;
};

static int accept_audit(const struct accept_write *w, struct db *db, struct err *err)
{
	CLEANUP(buf_done) struct buf body;
	char target[200];
	struct audit_new entry = {
		.who = w->who,
		.what = "collect.accept",
		.target = target,
		.now_ms = stamp_now_ms(),
	};
	int r;

	buf_init(&body, 65536);
	snprintf(target, sizeof(target), "organisation %.180s", w->org);
	buf_addf(&body, "{\"accounts\":%lld,\"why\":", (long long)w->accounts);
	buf_add_json(&body, str_of(w->why));
	buf_add_char(&body, '}');
	r = buf_fault(&body, err, "the audit entry");
	entry.body = buf_str(&body);
	return r < 0 ? r : audit_add(db, &entry, NULL, err);
}

static int accept_run(void *ctx, struct db *db, struct err *err)
{
	CLEANUP(org_row_done) struct org_row row = { 0 };
	struct accept_write *w = ctx;
	char text[24];
	int r = accounts_org_get(db, w->org, &row, err);

	if (r == 0)
		r = setting_number(db, w->org, setting_aside, &w->accounts, err);
	if (r < 0)
		return r;
	if (r > 0 || !row.generation || !row.complete || row.plausible || row.other ||
	    w->accounts < 0)
		return err_set(err, ERR_NOT_FOUND,
			       "organisation %s has no read that could be accepted: only the "
			       "newest, complete one that was judged implausible can%s%.240s",
			       w->org,
			       r == 0 && row.reason && *row.reason ? "; of that one: " : "",
			       r == 0 && row.reason ? row.reason : "");
	snprintf(text, sizeof(text), "%lld", (long long)w->accounts);
	r = store_setting_set(db, w->org, setting_accepted, text, err);
	return r < 0 ? r : accept_audit(w, db, err);
}

int rounds_collect_accept(struct app *app, const struct config_org *org, const char *who,
			  const char *why, int64_t *ret_accounts, struct err *err)
{
	struct accept_write w = { org->name, who, why, 0 };
	int r = writer_call(app->writer, accept_run, &w, err);

	if (r == 0)
		*ret_accounts = w.accounts;
	return r;
}
