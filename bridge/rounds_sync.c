#include "bridge/rounds.h"

#include "base/log.h"
#include "base/stamp.h"
#include "bridge/feed.h"
#include "ldap/source.h"
#include "ldap/tls.h"
#include "model/snapshot.h"
#include "store/accounts.h"
#include "store/cursors.h"
#include "store/sources.h"
#include "store/vault.h"
#include "store/writer.h"

#define SYNC_LOOKUP_PAGE 200

int rounds_secret(struct app *app, const char *name, struct secret *ret, struct err *err)
{
	int r;

	if (!name)
		return 0;
	r = vault_fetch(app->vault, name, ret, err);
	if (r > 0)
		return err_set(err, ERR_SECRET,
			       "there is no secret %s in the vault: set it with "
			       "`leaverd secret set %s`",
			       name, name);
	return r;
}

int rounds_directory_secrets(struct app *app, const struct dir_options *o,
			     struct secret *ret_password, struct err *err)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	int r = o->cert_key ? rounds_secret(app, o->cert_key, &key, err) : 0;

	if (r == 0 && o->cert_key)
		r = dir_tls_key(o->cert_key, &key, err);
	return r == 0 ? rounds_secret(app, o->bind_password, ret_password, err) : r;
}

/* --- declaring -----------------------------------------------------------------------------
 */

static int declare_all(void *ctx, struct db *db, struct err *err)
{
	struct app *app = ctx;
	int64_t now_ms = stamp_now_ms(), id;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < app->config.sources.n; i++) {
		const struct config_source *s = config_source_at(&app->config, i);

		r = sources_declare(db, s->name, config_kind_word(s->kind),
				    config_role_word(s->role), (int)i, now_ms, &id, err);
	}
	for (size_t i = 0; r >= 0 && i < app->config.organisations.n; i++)
		r = accounts_org_declare(db, config_org_at(&app->config, i)->name, now_ms, &id,
					 err);
	return r < 0 ? r : 0;
}

int rounds_declare(struct app *app, struct err *err)
{
	return writer_call(app->writer, declare_all, app, err);
}

struct remembered *rounds_remembered(struct app *app, const struct config_source *source)
{
	size_t i = 0;

	while (config_source_at(&app->config, i) != source)
		i++;
	return &app->remembered[i];
}

/* --- one read of a directory ---------------------------------------------------------------
 */

struct sync {
	struct app *app;
	const struct config_source *source;
	const atomic_bool *cancel;
	bool dry_run;
	struct source_row row;
	struct read_run *run;
	struct feed *feed; /* NULL: nothing is stored */
	struct remembered *remembered;
	int64_t remembered_newest; /* its newest, when this round began */
	/* SCIM paths that this whole read must treat as unknown: found hidden by the read
	 * before. */
	struct dir_paths hidden;
	struct dir_verdict verdict;
	struct dir_judgement judgement;
	struct read_counts counts;
	unsigned doubts;
	char reason[ERR_TEXT_BYTES];
	bool accepted;
	char *mark; /* where a delta after this read starts */
};

static int begin_write(void *ctx, struct db *db, struct err *err)
{
	struct sync *s = ctx;

	int r;

	read_run_free(TAKE(s->run));
	r = sources_read_begin(db, s->row.id, READ_FULL, stamp_now_ms(), &s->run, err);
	/* somebody else wrote since: every entry is held against what stands */
	if (r == 0 && read_run_newest(s->run) != s->remembered_newest)
		dir_memory_clear(s->remembered->memory);
	return r;
}

static int sync_begin(void *ctx, const struct dir_begin *begin, struct err *err)
{
	struct sync *s = ctx;

	int r;

	(void)begin;
	if (!s->feed)
		return 0;
	/* A later attempt starts over: what the one before brought was only staged. */
	feed_quiet(s->feed);
	r = writer_call(s->app->writer, begin_write, s, err);
	if (r >= 0)
		feed_into(s->feed, s->run);
	return r;
}

static bool path_named(const struct dir_person *p, const char *path)
{
	for (size_t i = 0; i < p->unknown_n; i++)
		if (str_ieq(str_of(p->unknown[i]), str_of(path)))
			return true;
	return false;
}

static int sync_person(void *ctx, const struct dir_person *person, struct err *err)
{
	struct sync *s = ctx;
	CLEANUP(buf_done) struct buf unknown;
	int r;

	buf_init(&unknown, 65536);
	if (!s->feed)
		return 0;
	for (size_t i = 0; i < person->unknown_n; i++)
		buf_addf(&unknown, "%s%s", unknown.len ? " " : "", person->unknown[i]);
	for (size_t i = 0; i < s->hidden.n; i++)
		if (!path_named(person, s->hidden.v[i]))
			buf_addf(&unknown, "%s%s", unknown.len ? " " : "", s->hidden.v[i]);
	r = buf_fault(&unknown, err, "the unknown attributes of an entry");
	if (r < 0)
		return r;
	return feed_entry(s->feed, str_of(person->key), facts_name(str_of(person->dn)),
			  person->doc, unknown.len ? buf_str(&unknown) : STR(""), err);
}

static int sync_same(void *ctx, uint32_t mark, struct err *err)
{
	struct sync *s = ctx;

	return feed_same(s->feed, mark, err);
}

static int sync_end(void *ctx, const struct dir_verdict *verdict, struct err *err)
{
	struct sync *s = ctx;

	(void)verdict;
	return s->feed ? feed_end(s->feed, err) : 0;
}

/* --- judging -------------------------------------------------------------------------------
 */

/* Which doubt of the store a reason of the directory room is. */
static unsigned doubt_of(enum dir_reason_kind kind)
{
	switch (kind) {
	case DIR_REASON_CANARY:
		return DOUBT_CANARY;
	case DIR_REASON_SCHEMA:
	case DIR_REASON_HIDDEN:
		return DOUBT_SCHEMA;
	case DIR_REASON_IDENTITY:
		return DOUBT_IDENTITY;
	case DIR_REASON_INCOMPLETE:
		return DOUBT_INCOMPLETE;
	default:
		return DOUBT_IMPLAUSIBLE;
	}
}

static int baseline_read(struct sync *s, struct dir_verdict *ret, bool *found, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	CLEANUP(free_at) char *text = NULL;
	CLEANUP(json_decref_at) json_t *doc = NULL;
	int r;

	*found = false;
	r = store_read_begin(s->app->store, &db, err);
	if (r < 0)
		return r;
	r = cursors_get(db, s->source->name, "verdict", &text, NULL, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = jx_parse(str_of(text), JX_LENIENT, &doc, err);
	if (r == 0)
		r = dir_verdict_from_json(doc, ret, err);
	if (r < 0)
		return err_context(err, r, "source %s: its last accepted read",
				   s->source->name);
	*found = true;
	return 0;
}

static void reason_add(struct sync *s, const char *text)
{
	size_t at = strlen(s->reason);

	snprintf(s->reason + at, sizeof(s->reason) - at, "%s%s", at ? "; " : "", text);
}

static int sync_judge(struct sync *s, struct err *err)
{
	CLEANUP(dir_verdict_done) struct dir_verdict before = { 0 };
	bool found;
	int r;

	r = baseline_read(s, &before, &found, err);
	if (r < 0)
		return r;
	r = dir_plausible(&s->verdict, found ? &before : NULL, &s->source->ldap, stamp_now_ms(),
			  &s->judgement, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->judgement.reasons.n; i++) {
		const struct dir_reason *reason = &s->judgement.reasons.v[i];

		if (dir_reason_traits[reason->kind].refuses)
			s->doubts |= doubt_of(reason->kind);
		reason_add(s, reason->text);
	}
	return 0;
}

/* The paths of attributes whose share collapsed in a read that otherwise stands. */
static int hidden_paths(struct sync *s, struct dir_paths *ret, struct err *err)
{
	for (size_t i = 0; i < s->verdict.attrs.n; i++) {
		const struct dir_attr_stat *a = &s->verdict.attrs.v[i];

		for (size_t k = 0; a->unknown && k < a->paths.n; k++) {
			char *copy = str_dup(str_of(a->paths.v[k]));

			if (!copy)
				return err_nomem(err);
			if (dir_paths_add(ret, copy) < 0) {
				free(copy);
				return err_nomem(err);
			}
		}
	}
	return 0;
}

static void paths_free(struct dir_paths *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->v[i]);
	dir_paths_done(p);
}

/* An incomplete read adds what it saw: not when it saw another directory. */
static int sync_identity(struct sync *s, struct err *err)
{
	CLEANUP(dir_verdict_done) struct dir_verdict before = { 0 };
	bool found;
	int r = baseline_read(s, &before, &found, err);

	if (r == 0 && found && before.base_id && s->verdict.base_id &&
	    strcmp(before.base_id, s->verdict.base_id) != 0) {
		s->doubts |= DOUBT_IDENTITY;
		reason_add(s,
			   "and another directory answers than the one that was read before");
	}
	return r;
}

/* It did not reach its end: why, and what to do about it. */
static int sync_broken(struct sync *s, struct err *err)
{
	char secret[128];

	reason_add(s, s->verdict.why);
	if (s->verdict.code == ERR_UNAUTHORIZED && s->source->ldap.bind_password) {
		snprintf(secret, sizeof(secret), "`leaverd secret rotate %.80s`",
			 s->source->ldap.bind_password);
		reason_add(s, secret);
	}
	return sync_identity(s, err);
}

static int sync_read(struct sync *s, const struct secret *password, struct err *err)
{
	const struct dir_sink sink = { s, sync_begin, sync_person, s->feed ? sync_same : NULL,
				       sync_end };
	int r;

	dir_verdict_done(&s->verdict);
	dir_judgement_done(&s->judgement);
	s->verdict = (struct dir_verdict){ 0 };
	s->judgement = (struct dir_judgement){ 0 };
	s->doubts = 0;
	s->reason[0] = '\0';
	r = dir_read(&s->source->ldap, password, &sink, s->feed ? s->remembered->memory : NULL,
		     s->cancel, &s->verdict, err);
	if (r < 0)
		return r;
	if (!s->verdict.complete)
		return sync_broken(s, err);
	return sync_judge(s, err);
}

/* --- the end of a read ---------------------------------------------------------------------
 */

/* name: "verdict", what the next read is held against; "aside", of a read that a person may yet
 * accept. */
static int keep_baseline(struct sync *s, struct db *db, const char *name, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	CLEANUP(buf_done) struct buf text;
	int r;

	buf_init(&text, 16 * 1024 * 1024);
	r = dir_verdict_json(&s->verdict, &doc, err);
	if (r == 0)
		r = jx_canonical(doc, &text, err);
	if (r == 0)
		r = buf_fault(&text, err, "a read's verdict");
	if (r == 0)
		r = cursors_set(db, s->source->name, name, text.p, stamp_now_ms(), err);
	return r < 0 ? r : 0;
}

static int end_write(void *ctx, struct db *db, struct err *err)
{
	struct sync *s = ctx;
	const struct dir_options *o = &s->source->ldap;
	/* How many were disabled at once is no doubt about the read: the limits judge that. */
	struct read_bounds bounds = {
		.minimum = o->minimum,
		.drop_most = o->drop_count,
		.drop_permille = (int64_t)(o->drop_share * 1000 + 0.5),
		.disabled_most = -1,
		.unknown_permille = -1,
	};
	struct read_verdict verdict = { .now_ms = stamp_now_ms() };
	char why[ERR_TEXT_BYTES] = "";
	int r;

	if (!s->run) /* it ended before its first entry: nothing but the verdict is kept */
		r = sources_read_begin(db, s->row.id, READ_FULL, verdict.now_ms, &s->run, err);
	else
		r = 0;
	if (r == 0)
		r = sources_read_weigh(db, s->run, &s->counts, err);
	if (r < 0)
		return r;
	if (s->verdict.complete) {
		unsigned more = sources_read_judge(&s->counts, &bounds, why, sizeof(why));

		if (more & ~s->doubts)
			reason_add(s, why);
		s->doubts |= more;
	}
	/* The first read after a change of question or server adds what it saw; that it lacks
	 * somebody is no evidence, so it does not count as one that reached its end. One that
	 * is doubted adds nothing by itself: a person may accept it, another directory's too.
	 */
	verdict.complete = s->verdict.complete && (s->judgement.absences_count || s->doubts);
	verdict.doubts = s->doubts;
	verdict.reason = s->reason[0] ? s->reason : NULL;
	r = sources_read_end(db, s->run, &verdict, &s->accepted, err);
	if (r < 0)
		return r;
	if (s->accepted)
		r = rounds_mark_keep(db, s->source, s->mark, err);
	if (s->accepted && s->hidden.n == 0)
		s->remembered->newest = read_run_newest(s->run);
	if (r < 0)
		return r;
	if (s->accepted || (s->verdict.complete && !s->doubts))
		return keep_baseline(s, db, "verdict", err);
	return s->verdict.complete ? keep_baseline(s, db, "aside", err) : 0;
}

/* --- who has been absent long enough -------------------------------------------------------
 */

struct absentees {
	struct dir_lookup *people;
	int64_t *records;
	size_t n;
	int64_t last;
};

static int absent_add(void *ctx, const struct absent_row *row, struct err *err)
{
	struct absentees *a = ctx;
	char *key = str_dup(row->key);

	if (!key)
		return err_nomem(err);
	a->people[a->n].key = key;
	a->records[a->n++] = row->record;
	a->last = row->record;
	return 0;
}

static int gone_write(void *ctx, struct db *db, struct err *err)
{
	struct absentees *a = ctx;
	int64_t now_ms = stamp_now_ms();
	int r = 0;

	for (size_t i = 0; r >= 0 && i < a->n; i++) {
		if (a->people[i].where == DIR_GONE)
			r = sources_gone(db, a->records[i], now_ms, err);
		else if (a->people[i].where == DIR_HERE)
			r = sources_not_gone(db, a->records[i], err);
	}
	return r < 0 ? r : 0;
}

static int lookup_page(struct sync *s, struct absentees *a, const struct secret *password,
		       int64_t *counts, struct err *err)
{
	struct err quiet;
	int r;

	r = dir_lookup(&s->source->ldap, password, s->verdict.base_id, a->people, a->n,
		       s->cancel, &quiet);
	if (r < 0)
		return err_set(err, -r, "%s", quiet.text);
	for (size_t i = 0; i < a->n; i++)
		counts[a->people[i].where]++;
	return writer_call(s->app->writer, gone_write, a, err);
}

static int sync_gone(struct sync *s, const struct secret *password, int64_t *counts,
		     struct err *err)
{
	struct dir_lookup people[SYNC_LOOKUP_PAGE];
	int64_t records[SYNC_LOOKUP_PAGE], after = 0;
	int r;

	do {
		struct absentees a = { people, records, 0, after };
		struct db *db = NULL;

		memset(people, 0, sizeof(people));
		r = store_read_begin(s->app->store, &db, err);
		if (r == 0)
			r = sources_gone_candidates(db, s->row.id, s->source->gone_reads,
						    stamp_now_ms() - s->source->gone_after_ms,
						    after, SYNC_LOOKUP_PAGE, absent_add, &a,
						    err);
		store_read_end(db);
		if (r == 0 && a.n)
			r = lookup_page(s, &a, password, counts, err);
		after = a.last;
		for (size_t i = 0; i < a.n; i++)
			free((char *)people[i].key);
		if (a.n < SYNC_LOOKUP_PAGE)
			break;
	} while (r == 0);
	return r < 0 ? r : 0;
}

/* --- the answer ----------------------------------------------------------------------------
 */

static int sync_out(struct sync *s, const int64_t *where, json_t *out, struct err *err)
{
	const struct {
		const char *name;
		json_t *value;
	} members[] = {
		{ "source", json_string(s->source->name) },
		{ "read", json_integer(s->run ? read_run_no(s->run) : 0) },
		{ "complete", json_boolean(s->verdict.complete) },
		{ "plausible", json_boolean(s->verdict.complete && !s->doubts) },
		{ "accepted", json_boolean(s->accepted) },
		{ "why", s->reason[0] ? json_string(s->reason) : json_null() },
		{ "server", json_string(s->verdict.vendor ? s->verdict.vendor : "") },
		{ "entries", json_integer((json_int_t)s->verdict.entries) },
		{ "pages", json_integer((json_int_t)s->verdict.pages) },
		{ "fresh", json_integer(s->counts.fresh) },
		{ "changed", json_integer(s->counts.changed) },
		{ "unchanged", json_integer(s->counts.unchanged) },
		{ "missing", json_integer(s->counts.missing) },
		{ "disabled", json_integer(s->counts.disabled) },
		{ "gone", json_integer(where[DIR_GONE]) },
		{ "moved", json_integer(where[DIR_ELSEWHERE] + where[DIR_NOT_MATCHING]) },
		{ "ms", json_integer(s->verdict.duration_ms) },
	};
	int r = 0;

	for (size_t i = 0; i < COUNT_OF(members); i++) {
		int set = jx_set(out, members[i].name, members[i].value, err);

		r = r < 0 ? r : set;
	}
	if (r == 0 && s->judgement.reasons.n) {
		json_t *reasons = NULL;

		r = dir_judgement_json(&s->judgement, &reasons, err);
		if (r == 0)
			r = jx_set(out, "reasons", reasons, err);
	}
	return r;
}

static void sync_log(const struct sync *s)
{
	if (s->accepted)
		log_info("sync.done", LOG_T("source", s->source->name),
			 LOG_U("entries", s->verdict.entries),
			 LOG_I("changed", s->counts.changed),
			 LOG_I("missing", s->counts.missing),
			 LOG_I("ms", s->verdict.duration_ms));
	else
		log_warn("sync.not_accepted", LOG_T("source", s->source->name),
			 LOG_B("complete", s->verdict.complete), LOG_T("text", s->reason));
}

/* Nothing is remembered until the read has been accepted. */
static int sync_prepare(struct sync *s, struct err *err)
{
	struct remembered *m = rounds_remembered(s->app, s->source);
	int r = 0;

	if (s->dry_run)
		return 0;
	if (!m->memory)
		r = dir_memory_new(&m->memory, err);
	s->remembered = m;
	s->remembered_newest = m->newest;
	m->newest = -1;
	return r < 0 ? r : feed_new(&s->feed, s->app->writer, m->memory, err);
}

static int sync_run(struct sync *s, json_t *out, struct err *err)
{
	CLEANUP(secret_done) struct secret password = { 0 };
	int64_t where[DIR_WHEREABOUTS_COUNT] = { 0 };
	int r;

	r = sync_prepare(s, err);
	if (r == 0)
		r = rounds_directory_secrets(s->app, &s->source->ldap, &password, err);
	if (r == 0 && !s->dry_run)
		r = rounds_mark(s->app, s->source, &password, s->cancel, &s->mark, err);
	if (r == ROUNDS_REFUSED) { /* once more would only be counted once more */
		s->verdict.started_ms = stamp_now_ms();
		s->verdict.code = ERR_UNAUTHORIZED;
		memcpy(s->verdict.why, err->text, sizeof(s->verdict.why));
		r = sync_broken(s, err);
	} else if (r == 0) {
		r = sync_read(s, &password, err);
	}
	/* An attribute that became unreadable is known only at the end: read once more, with
	 * its paths unknown for everybody, so that nobody seems re-enabled by what we cannot
	 * see. */
	if (r == 0 && s->verdict.complete)
		r = hidden_paths(s, &s->hidden, err);
	if (r == 0 && s->hidden.n) {
		if (s->feed) /* the same bytes mean less now */
			dir_memory_clear(s->remembered->memory);
		r = sync_read(s, &password, err);
	}
	if (r == 0 && !s->dry_run) {
		r = writer_call(s->app->writer, end_write, s, err);
		if (r < 0) /* not committed: what is remembered was never stored */
			s->remembered->newest = -1;
	}
	if (r == 0 && s->accepted)
		r = sync_gone(s, &password, where, err);
	if (r == 0 && (s->accepted || (s->dry_run && s->verdict.complete)))
		r = rounds_groups(s->app, s->source, s->row.id, s->dry_run, &password,
				  s->cancel, out, err);
	if (r < 0)
		return r;
	sync_log(s);
	return sync_out(s, where, out, err);
}

int rounds_sync(struct app *app, const struct config_source *source, bool dry_run,
		const atomic_bool *cancel, json_t *out, struct err *err)
{
	struct sync *s = calloc(1, sizeof(*s));
	struct db *db = NULL;
	int r;

	if (!s)
		return err_nomem(err);
	*s = (struct sync){
		.app = app, .source = source, .cancel = cancel, .dry_run = dry_run
	};
	r = store_read_begin(app->store, &db, err);
	if (r == 0)
		r = sources_get(db, source->name, &s->row, err);
	store_read_end(db);
	if (r > 0)
		r = err_set(err, ERR_INTERNAL, "source %s was not declared", source->name);
	if (r == 0)
		r = sync_run(s, out, err);
	feed_free(s->feed);
	read_run_free(s->run);
	paths_free(&s->hidden);
	dir_verdict_done(&s->verdict);
	dir_judgement_done(&s->judgement);
	source_row_done(&s->row);
	free(s->mark);
	free(s);
	if (r < 0)
		return err_context(err, r, "source %s", source->name);
	return 0;
}
