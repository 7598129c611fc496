#include "bridge/loaded.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stamp.h"
#include "bridge/control.h"
#include "bridge/widen.h"
#include "reconcile/policy.h"
#include "store/configs.h"
#include "store/writer.h"

#define TEXT_BYTES (512u << 10) /* a longer configuration does not fit into the audit chain */
#define JSON_BYTES (256u << 10)

struct loading {
	struct app *app;
	const struct config *fresh;
	struct buf text, before, wider, diff; /* before: what stands */
	struct digest digest;
	struct config old; /* read from before */
	bool same, any, waits;
	int64_t id;
};

static void loading_done(struct loading *l)
{
	buf_done(&l->text);
	buf_done(&l->before);
	buf_done(&l->wider);
	buf_done(&l->diff);
	config_free(&l->old);
}

static int standing_row(void *ctx, const struct config_load *row, struct err *err)
{
	struct loading *l = ctx;

	l->any = true;
	l->same = digest_equal(&row->digest, &l->digest);
	buf_add_str(&l->before, row->text);
	return buf_fault(&l->before, err, "the configuration that stands");
}

static int waiting_row(void *ctx, const struct config_load *row, struct err *err)
{
	struct loading *l = ctx;

	(void)err;
	l->waits = digest_equal(&row->digest, &l->digest);
	l->id = row->id;
	return 0;
}

static int armed_row(struct app *app, struct db *db, bool *ret, struct err *err)
{
	int r = 0;

	*ret = false;
	for (size_t i = 0; r == 0 && !*ret && i < app->config.organisations.n; i++) {
		enum store_mode mode;

		r = store_mode_get(db, config_org_at(&app->config, i)->name, &mode, err);
		r = r > 0 ? 0 : r;
		*ret = r == 0 && mode != STORE_OBSERVE;
	}
	return r;
}

/* What stands, what waits, and whether anything could be done at all. */
static int look(struct loading *l, bool *armed, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(l->app->store, &db, err);

	if (r == 0)
		r = configs_newest(db, CONFIG_STANDS, standing_row, l, err);
	if (r >= 0)
		r = configs_newest(db, CONFIG_WAITS, waiting_row, l, err);
	return r < 0 ? r : armed_row(l->app, db, armed, err);
}

/* As this program would print what stood, so that settings that are new to it do not differ. */
static int reread(struct loading *l, struct buf *into, struct err *err)
{
	struct err why;
	int r = config_read_text("the configuration that stood", buf_str(&l->before), &l->old,
				 &why);

	if (r < 0) {
		log_warn("config.before", LOG_E(&why));
		buf_add_str(into, buf_str(&l->before));
		return buf_fault(into, err, "the configuration that stood");
	}
	return config_show(&l->old, into, err);
}

static int compare(struct loading *l, struct err *err)
{
	CLEANUP(json_decref_at) json_t *diff = json_array(), *wider = json_array();
	CLEANUP(buf_done) struct buf before, shipped;
	int r = diff && wider ? 0 : err_nomem(err);

	buf_init(&before, TEXT_BYTES);
	buf_init(&shipped, TEXT_BYTES);
	if (r == 0 && l->any)
		r = reread(l, &before, err);
	if (r == 0)
		r = policy_show_shipped(&shipped, err);
	if (r == 0 && l->any)
		r = widen_compare(buf_str(&before), buf_str(&l->text), buf_str(&shipped), diff,
				  wider, err);
	if (r == 0)
		r = jx_text(diff, &l->diff, err);
	if (r == 0)
		r = jx_text(wider, &l->wider, err);
	if (r == 0)
		r = buf_fault(&l->diff, err, "what differs");
	if (r == 0)
		r = buf_fault(&l->wider, err, "what lets more happen");
	return r;
}

/* Whose the file is, where that says something: root's and our own may be anybody's. */
static void author_of(const struct app *app, char ret[80])
{
	struct stat st;
	struct who who;

	ret[0] = '\0';
	if (!app->config_file || stat(app->config_file, &st) < 0 || st.st_uid == 0 ||
	    st.st_uid == geteuid())
		return;
	control_who_of(st.st_uid, 0, &who);
	snprintf(ret, 80, "%s", who.name);
}

struct put {
	struct config_load_new new;
	int64_t id;
	bool withdraw;
};

static int put_run(void *ctx, struct db *db, struct err *err)
{
	struct put *p = ctx;

	if (p->withdraw)
		return configs_withdraw(db, "daemon", stamp_now_ms(), err);
	return configs_put(db, &p->new, &p->id, err);
}

static int note(struct loading *l, bool armed, struct err *err)
{
	struct put p = { .withdraw = l->same };
	char author[80];
	int r;

	if (l->same && l->id == 0)
		return 0;
	if (l->waits)
		return compare(l, err);
	r = l->same ? 0 : compare(l, err);
	if (r < 0)
		return r;
	author_of(l->app, author);
	l->waits = !l->same && armed && l->wider.len > 2;
	p.new = (struct config_load_new){ .text = buf_str(&l->text),
					  .author = str_of(author),
					  .wider = buf_str(&l->wider),
					  .diff = buf_str(&l->diff),
					  .stands = !l->waits,
					  .who = "daemon",
					  .now_ms = stamp_now_ms() };
	r = writer_call(l->app->writer, put_run, &p, err);
	l->id = p.id;
	if (r == 0 && l->waits)
		log_warn("config.waits", LOG_I("config", l->id),
			 LOG_T("text",
			       "it lets more happen: what stood before acts until somebody "
			       "says `leaverd config approve`"));
	return r;
}

static int loading_run(struct loading *l, struct app *app, const struct config *fresh,
		       struct err *err)
{
	bool armed;
	int r;

	*l = (struct loading){ .app = app, .fresh = fresh };
	buf_init(&l->text, TEXT_BYTES);
	buf_init(&l->before, TEXT_BYTES);
	buf_init(&l->wider, JSON_BYTES);
	buf_init(&l->diff, JSON_BYTES);
	r = config_show(fresh, &l->text, err);
	if (r == 0)
		r = buf_fault(&l->text, err, "the configuration");
	if (r < 0)
		return r;
	digest_of(&l->digest, NULL, buf_str(&l->text));
	r = look(l, &armed, err);
	return r < 0 ? r : note(l, armed, err);
}

/* --- what stood acts on ---------------------------------------------------------------------
 */

#define SWAP(a, b)                                                                             \
	do {                                                                                   \
		__typeof__(a) other = (a);                                                     \
		(a) = (b);                                                                     \
		(b) = other;                                                                   \
	} while (0)

/* What is read is taken for true within the bounds that stood. */
static void ldap_as_before(struct dir_options *o, struct dir_options *was)
{
	o->minimum = was->minimum;
	o->drop_count = was->drop_count;
	o->drop_share = was->drop_share;
	o->attribute_drop = was->attribute_drop;
	SWAP(o->canaries, was->canaries);
}

static void file_as_before(struct hr_options *o, struct hr_options *was)
{
	o->minimum = was->minimum;
	o->drop_count = was->drop_count;
	o->drop_share = was->drop_share;
	o->grow_count = was->grow_count;
	o->grow_share = was->grow_share;
	o->change_count = was->change_count;
	o->change_share = was->change_share;
	o->bad_rows = was->bad_rows;
	o->max_age_ms = was->max_age_ms;
	o->checksum = was->checksum;
	SWAP(o->canaries, was->canaries);
	SWAP(o->signed_by, was->signed_by);
}

/* Lists and texts change places, so that each is freed where it was read. */
static void sources_as_before(struct config *c, struct config *old)
{
	for (size_t i = 0; i < c->sources.n; i++) {
		struct config_source *s = (struct config_source *)c->sources.v + i;
		struct config_source *was = (struct config_source *)config_source(old, s->name);

		if (!was || was->kind != s->kind)
			continue;
		s->role = was->role;
		s->max_age_ms = was->max_age_ms;
		s->gone_reads = was->gone_reads;
		s->gone_after_ms = was->gone_after_ms;
		ldap_as_before(&s->ldap, &was->ldap);
		file_as_before(&s->file, &was->file);
	}
}

/* Whose people they have, and which directory is told of them. */
static void orgs_as_before(struct config *c, struct config *old)
{
	for (size_t i = 0; i < c->organisations.n; i++) {
		struct config_org *o = (struct config_org *)c->organisations.v + i;
		struct config_org *was = (struct config_org *)config_org(old, o->name);

		if (!was)
			continue;
		SWAP(o->sources, was->sources);
		o->hold_after_ms = was->hold_after_ms;
		/* whose writes are ours, and whether others' are looked for */
		SWAP(o->cloud.key_ids, was->cloud.key_ids);
		o->cloud.events = was->cloud.events;
		SWAP(o->provision.scim.directory, was->provision.scim.directory);
		SWAP(o->provision.issuer, was->provision.issuer);
	}
}

int loaded_start(struct app *app, struct err *err)
{
	CLEANUP(loading_done) struct loading l;
	int r = loading_run(&l, app, &app->config, err);

	if (r < 0 || !l.waits)
		return r < 0 ? err_context(err, r, "noting the configuration") : 0;
	if (!l.old.policy && config_read_text("the configuration that stood",
					      buf_str(&l.before), &l.old, err) < 0)
		return err_context(err, -err->code,
				   "the configuration lets more happen and waits for a person; "
				   "what stood before cannot be read any more: put it back, or "
				   "set the organisations to observe with the version before");
	app->aside = l.old;
	l.old = (struct config){ 0 };
	app->before = (struct acting){ app->aside.policy, app->aside.approvals, l.id };
	atomic_store(&app->acting, &app->before);
	sources_as_before(&app->config, &app->aside);
	orgs_as_before(&app->config, &app->aside);
	app->config_waits = l.id;
	return 0;
}

bool loaded_let_act(struct app *app, int64_t number)
{
	const struct acting *was = app_acting(app);

	if (was != &app->before || was->waits != number)
		return false;
	atomic_store(&app->acting, &app->file);
	return true;
}

int loaded_note(struct app *app, const struct config *fresh, struct err *err)
{
	CLEANUP(loading_done) struct loading l;

	return loading_run(&l, app, fresh, err);
}

/* --- telling --------------------------------------------------------------------------------
 */

static int sentence_row(void *ctx, const struct config_load *row, struct err *err)
{
	CLEANUP(json_decref_at) json_t *wider = NULL;
	struct buf *into = ctx;
	json_t *text;
	size_t i;
	int r = jx_parse(row->wider, JX_LENIENT, &wider, err);

	if (r < 0)
		return r;
	buf_addf(into,
		 "configuration %lld lets more happen and waits for a person (leaverd config "
		 "approve %lld); until then what stood before acts: ",
		 (long long)row->id, (long long)row->id);
	json_array_foreach (wider, i, text) {
		if (i < 5)
			buf_addf(into, "%s%s", i ? "; " : "", json_string_value(text));
	}
	if (json_array_size(wider) > 5)
		buf_addf(into, "; and %zu more", json_array_size(wider) - 5);
	return buf_fault(into, err, "what waits");
}

int loaded_sentence(struct app *app, struct buf *into, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(app->store, &db, err);

	if (r == 0)
		r = configs_newest(db, CONFIG_WAITS, sentence_row, into, err);
	return r < 0 ? r : 0;
}

/* Settings that are taken while serve runs (bridge/live.c), policy and approvals once they were
 * approved. */
static bool acts_at_once(const char *text)
{
	static const char *const live[] = { "log.level:", "schedule.sync_every:",
					    "schedule.collect_every:", "schedule.plan_every:" };

	for (size_t i = 0; i < COUNT_OF(live); i++)
		if (strncmp(text, live[i], strlen(live[i])) == 0)
			return true;
	return false;
}

struct standing {
	struct app *app;
	struct buf *into;
	bool any; /* something waits for a person: that is said instead */
};

/* "sources.corp.minimum: 20 -> 2; ...", and how many more. */
static void settings_say(struct buf *into, int64_t id, const json_t *list, bool approved)
{
	size_t i, n = 0;
	json_t *row;

	json_array_foreach (list, i, row) {
		const char *text = json_string_value(row);

		if (!text || acts_at_once(text) ||
		    (approved &&
		     (strncmp(text, "policy", 6) == 0 || strncmp(text, "approvals", 9) == 0)))
			continue;
		if (n++ == 0)
			buf_addf(into,
				 "configuration %lld stands, and of it acts only from the next "
				 "start of serve (restart it): ",
				 (long long)id);
		if (n <= 5)
			buf_addf(into, "%s%.200s", n > 1 ? "; " : "", text);
	}
	if (n > 5)
		buf_addf(into, "; and %zu more", n - 5);
}

static int differing(struct app *app, struct str stands, json_t *diff, struct err *err)
{
	CLEANUP(json_decref_at) json_t *wider = json_array();
	CLEANUP(buf_done) struct buf runs;
	int r = wider ? 0 : err_nomem(err);

	buf_init(&runs, TEXT_BYTES);
	if (r == 0)
		r = config_show(&app->config, &runs, err);
	if (r == 0)
		r = buf_fault(&runs, err, "the configuration that runs");
	return r < 0 ? r : widen_compare(buf_str(&runs), stands, STR(""), diff, wider, err);
}

static int stands_row(void *ctx, const struct config_load *row, struct err *err)
{
	CLEANUP(json_decref_at) json_t *list = NULL;
	struct standing *s = ctx;
	/* it waited when serve began, and a person approved it since */
	bool approved = s->app->config_waits && row->id == s->app->config_waits;
	int r = 0;

	if (approved)
		r = jx_parse(row->wider, JX_LENIENT, &list, err);
	else if (!(list = json_array()))
		r = err_nomem(err);
	else
		r = differing(s->app, row->text, list, err);
	if (r == 0)
		settings_say(s->into, row->id, list, approved);
	return r < 0 ? r : buf_fault(s->into, err, "what needs a restart");
}

static int any_row(void *ctx, const struct config_load *row, struct err *err)
{
	struct standing *s = ctx;

	(void)row;
	(void)err;
	s->any = true;
	return 0;
}

int loaded_restart(struct app *app, struct buf *into, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	struct standing s = { .app = app, .into = into };
	int r = app->serve ? store_read_begin(app->store, &db, err) : 1;

	if (r == 0)
		r = configs_newest(db, CONFIG_WAITS, any_row, &s, err);
	if (r >= 0 && app->serve && !s.any)
		r = configs_newest(db, CONFIG_STANDS, stands_row, &s, err);
	return r < 0 ? r : 0;
}
