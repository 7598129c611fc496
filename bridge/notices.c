#include "bridge/notices.h"

#include <stdio.h>

#include "base/digest.h"
#include "base/enc.h"
#include "base/jx.h"
#include "base/stamp.h"
#include "base/zone.h"
#include "bridge/addressee.h"
#include "bridge/again.h"
#include "bridge/keep.h"
#include "bridge/outbox.h"
#include "net/mail.h"
#include "reconcile/policy.h"
#include "store/outbox.h"
#include "store/store.h"
#include "store/writer.h"

#define KEY_BYTES 400
#define CHANNEL_BYTES 80
#define SUBJECT_BYTES 1000
#define SEEN_LATE_MS (2 * STAMP_DAY_MS) /* the day itself, and Atlassian's lag */

/* A notice on its way to the writer. */
struct parcel {
	char key[KEY_BYTES], channel[CHANNEL_BYTES], to[ADDRESSEE_BYTES];
	const char *kind;
	struct buf letter;
	bool ladder, repeats;
};
VEC(vec_parcel, struct parcel);

/* What was asked for, as far as it is the same for all receivers. */
struct telling {
	struct app *app;
	const char *step; /* journal key, or NULL */
	const struct action *action;
	const struct config_org *org;
	uint64_t plan;
	int64_t now_ms;
	bool first;
	struct vec_parcel parcels;
	int64_t id; /* of the last that was put in */
};

static void telling_done(struct telling *t)
{
	for (size_t i = 0; i < t->parcels.n; i++)
		buf_done(&t->parcels.v[i].letter);
	vec_parcel_done(&t->parcels);
}

/* --- letters -------------------------------------------------------------------------------
 */

struct words {
	struct buf subject, text, html;
	const char *language;
};

static void words_done(struct words *w)
{
	buf_done(&w->subject);
	buf_done(&w->text);
	buf_done(&w->html);
}

static int words_fill(const struct telling *t, enum notice_kind kind, const char *tag,
		      const struct notice_values *values, struct words *ret, struct err *err)
{
	const struct notice_texts *texts = t->app->config.texts;

	buf_init(&ret->subject, SUBJECT_BYTES);
	buf_init(&ret->text, NOTICE_TEXT_MAX);
	buf_init(&ret->html, 2 * NOTICE_TEXT_MAX);
	ret->language = notice_language(texts, kind, tag);
	return notice_fill(texts, kind, ret->language, values, &ret->subject, &ret->text,
			   &ret->html, err);
}

/* What all receivers are given: the letter, and for programs what it is about. */
static int letter_out(const struct telling *t, const char *kind, const char *name,
		      const struct words *w, json_t *event, struct buf *into, struct err *err)
{
	CLEANUP(json_decref_at) json_t *doc = NULL;
	char at[STAMP_TEXT_BYTES];

	stamp_text(t->now_ms, at);
	if (event &&
	    (jx_set(event, "kind", json_string(kind), err) < 0 ||
	     jx_set(event, "instance", json_string(t->app->config.instance.name), err) < 0 ||
	     jx_set(event, "at", json_string(at), err) < 0 ||
	     jx_set(event, "language", json_string(w->language), err) < 0)) {
		json_decref(event);
		return -err->code;
	}
	doc = json_pack("{s:s%, s:s%, s:s%, s:s, s:s, s:o*}", "subject", w->subject.p,
			w->subject.len, "text", w->text.p, w->text.len, "html", w->html.p,
			w->html.len, "language", w->language, "name", name ? name : "", "event",
			event);
	return doc ? jx_text(doc, into, err) : err_nomem(err);
}

static int parcel_add(struct telling *t, const char *key, const char *channel, const char *to,
		      const char *kind, bool ladder, const struct buf *letter, struct err *err)
{
	struct parcel p = { .kind = kind, .ladder = ladder };
	int r;

	if (strlen(key) >= KEY_BYTES || strlen(channel) >= CHANNEL_BYTES ||
	    strlen(to) >= ADDRESSEE_BYTES)
		return err_set(err, ERR_LIMIT, "the key or receiver of a notice is too long");
	(void)snprintf(p.key, sizeof(p.key), "%s", key);
	(void)snprintf(p.channel, sizeof(p.channel), "%s", channel);
	(void)snprintf(p.to, sizeof(p.to), "%s", to);
	/* a file of the same name is the same file; events carry their key */
	p.repeats = strcmp(channel, NOTICES_MAIL) != 0;
	if (str_starts(str_of(channel), STR(NOTICES_HOOK)))
		for (size_t i = 0; i < t->app->config.notices.hooks.n; i++) {
			const struct config_hook *h =
				config_hook_at(&t->app->config.notices, i);

			if (!strcmp(h->name, channel + sizeof(NOTICES_HOOK) - 1))
				p.repeats = h->form == CONFIG_HOOK_JSON;
		}
	buf_init(&p.letter, OUTBOX_LETTER_MAX);
	buf_add_str(&p.letter, buf_str(letter));
	r = buf_fault(&p.letter, err, "a notice");
	if (r == 0 && vec_parcel_add(&t->parcels, p) < 0)
		r = err_nomem(err);
	if (r < 0)
		buf_done(&p.letter);
	return r;
}

static int parcels_put(void *ctx, struct db *db, struct err *err)
{
	struct telling *t = ctx;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < t->parcels.n; i++) {
		const struct parcel *p = &t->parcels.v[i];
		const struct action *a = t->action;
		const struct outbox_new in = {
			.key = str_of(p->key),
			.step = str_of(t->step),
			.channel = str_of(p->channel),
			.kind = str_of(p->kind),
			.to = str_of(p->to),
			.letter = buf_str(&p->letter),
			.repeats = p->repeats,
			.person = a ? (int64_t)a->person : 0,
			.account = a ? (int64_t)a->account : 0,
			.product = str_of(a ? a->product : NULL),
			.site = str_of(a ? a->site : NULL),
			.rule = str_of(a ? a->rule : NULL),
			.ladder = p->ladder,
			.first = t->first,
			.expires_ms = t->now_ms + t->app->config.notices.give_up_ms,
			.now_ms = t->now_ms,
		};

		r = outbox_put(db, &in, &t->id, err);
	}
	return r < 0 ? r : 0;
}

static int telling_put(struct telling *t, struct err *err)
{
	int r = t->parcels.n ? writer_call(t->app->writer, parcels_put, t, err) : 0;

	if (r == 0)
		outbox_wake(t->app->outbox);
	return r;
}

/* --- warnings ------------------------------------------------------------------------------
 */

struct warned {
	struct telling t;
	const struct notices_warning *w;
	struct addressee who;
	int64_t wait_ms; /* to the step that takes the seat; 0: none follows */
	struct keep_row keep;
	bool taken; /* it went: link asks for it again, until its end wait_ms from now */
	char product[NOTICES_PRODUCT_BYTES], until[64], days[24], link[900];
};

static const char *product_of(struct str key)
{
	static const struct {
		const char *key, *name;
	} known[] = {
		{ "jira", "Jira" },
		{ "jira-software", "Jira" },
		{ "jira-core", "Jira" },
		{ "jsm", "Jira Service Management" },
		{ "jira-servicedesk", "Jira Service Management" },
		{ "jira-service-desk", "Jira Service Management" },
		{ "jira-product-discovery", "Jira Product Discovery" },
		{ "confluence", "Confluence" },
		{ "bitbucket", "Bitbucket" },
		{ "trello", "Trello" },
	};

	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (str_eq(key, str_of(known[i].key)))
			return known[i].name;
	return NULL;
}

void notices_product_say(struct str key, char ret[NOTICES_PRODUCT_BYTES])
{
	const char *name = product_of(key);

	if (name || !key.len)
		(void)snprintf(ret, NOTICES_PRODUCT_BYTES, "%s", name ? name : "Atlassian");
	else
		(void)snprintf(ret, NOTICES_PRODUCT_BYTES, STR_FMT, STR_ARG(key));
}

static bool is_warning(enum action_kind kind)
{
	return kind == ACTION_WARN || kind == ACTION_WARN_ACCOUNT;
}

static bool takes_access(enum action_kind kind)
{
	return kind == ACTION_FREE_SEAT || kind == ACTION_SUSPEND ||
	       kind == ACTION_DEACTIVATE || kind == ACTION_REMOVE_GROUPS;
}

/* From the warning to the step that takes the seat, or the access. */
static int64_t wait_of(const struct policy *p, const char *rule)
{
	for (size_t i = 0; i < p->rule_count; i++) {
		const struct rule *r = &p->rules[i];
		int64_t warned = -1;

		if (strcmp(r->name, rule) != 0)
			continue;
		for (size_t k = 0; k < r->step_count; k++) {
			if (is_warning(r->steps[k].kind) && warned < 0)
				warned = r->steps[k].after_ms;
			else if (takes_access(r->steps[k].kind) && warned >= 0)
				return r->steps[k].after_ms - warned;
		}
	}
	return 0;
}

static int offset_of(const struct app *app, const struct addressee *who, int64_t at_ms)
{
	const struct zone *zone = NULL;

	if ((who && who->zone[0] && zone_get(str_of(who->zone), &zone, NULL) == 0) ||
	    zone_get(str_of(app->config.instance.zone), &zone, NULL) == 0)
		return zone_offset_s(zone, at_ms);
	return 0;
}

static int keep_write(void *ctx, struct db *db, struct err *err)
{
	struct warned *w = ctx;
	int r = keep_put(db, str_of(w->t.step), &w->keep, &w->keep.id, err);

	return r < 0 ? r : 0;
}

/* The link, where there is a page and something to keep. The same step has the same link. */
static int link_make(struct warned *w, struct err *err)
{
	const struct action *a = w->t.action;
	int r;

	if (!w->t.app->config.keep.url || !w->wait_ms || !a->product)
		return 0;
	w->keep = (struct keep_row){
		.person = (int64_t)a->person,
		.account = (int64_t)a->account,
		.org = str_of(w->t.org->name),
		.product = str_of(a->product),
		.site = str_of(a->site),
		.rule = str_of(a->rule),
		.made_ms = w->t.now_ms,
		.end_ms = w->t.now_ms + w->wait_ms,
	};
	r = writer_call(w->t.app->writer, keep_write, w, err);
	return r == 0 ? keep_link(w->t.app, w->keep.id, w->link, sizeof(w->link), err) : r;
}

static struct notice_values values_of(const struct warned *w)
{
	const struct action *a = w->t.action;
	const struct config *c = &w->t.app->config;
	struct notice_values v = { 0 };

	v.v[SAY_FIRST_NAME] = str_of(w->who.first_name);
	v.v[SAY_NAME] = str_of(w->w->name);
	v.v[SAY_EMAIL] = str_of(w->w->email);
	v.v[SAY_PRODUCT] = str_of(w->product);
	v.v[SAY_SITE] = str_of(a->site ? a->site : w->t.org->name);
	v.v[SAY_ORGANISATION] = str_of(w->t.org->name);
	v.v[SAY_INSTANCE] = str_of(c->instance.name);
	v.v[SAY_UNTIL] = str_of(w->until);
	v.v[SAY_DAYS] = str_of(w->days);
	v.v[SAY_KEEP_LINK] = str_of(w->taken ? "" : w->link);
	v.v[SAY_AGAIN_LINK] = str_of(w->taken ? w->link : "");
	v.v[SAY_CONTACT] = str_of(c->notices.contact);
	v.v[SAY_RULE] = str_of(a->rule);
	return v;
}

/*
 * The last day on which use is sure to be seen: Atlassian may tell of it a day late, and the
 * step is judged on what was read after its time. Of a link its last whole day. In the zone of
 * whom it is about.
 */
static void until_say(struct warned *w, const char *language)
{
	int64_t early_ms = w->taken ? STAMP_DAY_MS : SEEN_LATE_MS;
	int64_t day_ms = w->t.now_ms + w->wait_ms - early_ms;

	w->until[0] = w->days[0] = '\0';
	if (w->wait_ms <= early_ms)
		return;
	notice_date(day_ms, offset_of(w->t.app, &w->who, day_ms), language, w->until);
	(void)snprintf(w->days, sizeof(w->days), "%lld",
		       (long long)(w->wait_ms / STAMP_DAY_MS));
}

static json_t *event_of(const struct warned *w)
{
	const struct action *a = w->t.action;
	char end[STAMP_TEXT_BYTES];

	stamp_text(w->t.now_ms + w->wait_ms, end);
	return json_pack(
		"{s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:o, s:{s:s, s:s, s:s}, s:o, s:o}",
		"organisation", w->t.org->name, "plan", (json_int_t)w->t.plan, "action",
		(json_int_t)a->n, "person", (json_int_t)a->person, "product",
		a->product ? a->product : "", "site", a->site ? a->site : "", "rule", a->rule,
		"ends", w->wait_ms ? json_string(end) : json_null(), "to", "email", w->w->email,
		"name", w->w->name, "first_name", w->who.first_name, "keep_link",
		w->link[0] && !w->taken ? json_string(w->link) : json_null(), "again_link",
		w->taken ? json_string(w->link) : json_null());
}

/* One receiver of the warning or of a copy of it. */
static int warn_one(struct warned *w, enum notice_kind kind, const char *suffix,
		    const char *channel, const char *to, const char *tag, bool ladder,
		    struct err *err)
{
	CLEANUP(words_done) struct words words = { 0 };
	CLEANUP(buf_done) struct buf letter;
	const struct notice_texts *texts = w->t.app->config.texts;
	struct notice_values values;
	char key[KEY_BYTES];
	json_t *event = NULL;
	int r;

	buf_init(&letter, OUTBOX_LETTER_MAX);
	until_say(w, notice_language(texts, kind, tag));
	values = values_of(w);
	if (kind == NOTICE_COPY)
		values.v[SAY_KEEP_LINK] = STR(""); /* the person's alone */
	r = words_fill(&w->t, kind, tag, &values, &words, err);
	if (r == 0 && kind != NOTICE_COPY && !(event = event_of(w)))
		r = err_nomem(err);
	if (r == 0)
		r = letter_out(&w->t, notice_kind_words[kind],
			       kind != NOTICE_COPY ? w->w->name : NULL, &words, event, &letter,
			       err);
	(void)snprintf(key, sizeof(key), "%s/%s", w->t.step, suffix);
	return r < 0 ? r
		     : parcel_add(&w->t, key, channel, to, notice_kind_words[kind], ladder,
				  &letter, err);
}

static enum notice_kind kind_of(const struct warned *w)
{
	if (w->taken)
		return NOTICE_TAKEN;
	return w->t.action->product ? NOTICE_WARN : NOTICE_ACCOUNT;
}

static int warn_hooks(struct warned *w, bool ladder, struct err *err)
{
	const struct config_notices *n = &w->t.app->config.notices;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n->hooks.n; i++) {
		const struct config_hook *h = config_hook_at(n, i);
		char channel[CHANNEL_BYTES];

		if (!config_hook_tells(h, "warn"))
			continue;
		(void)snprintf(channel, sizeof(channel), NOTICES_HOOK "%s", h->name);
		r = warn_one(w, kind_of(w), channel, channel, h->name, w->who.language, ladder,
			     err);
		ladder = false;
	}
	if (r == 0 && !w->t.parcels.n)
		return err_set(
			err, ERR_CONFIG,
			"nobody can be warned: of notices neither mail nor a hook that "
			"tells warnings is set, and notices.folder is not set; set one, or "
			"take the warning out of rule %s",
			w->t.action->rule);
	return r;
}

static int warn_copies(struct warned *w, const char *channel, struct err *err)
{
	int copy = w->t.app->config.notices.copy, r = 0;
	const struct {
		bool wanted;
		const char *suffix, *to;
	} copies[] = {
		{ copy == CONFIG_COPY_MANAGER || copy == CONFIG_COPY_BOTH, "copy-manager",
		  w->who.manager },
		{ copy == CONFIG_COPY_SPONSOR || copy == CONFIG_COPY_BOTH, "copy-sponsor",
		  w->who.sponsor },
	};

	for (size_t i = 0; r == 0 && i < COUNT_OF(copies); i++) {
		bool twice =
			i == 1 && !strcmp(w->who.manager, w->who.sponsor) && copies[0].wanted;

		if (copies[i].wanted && copies[i].to[0] && !twice &&
		    !str_ieq(str_of(copies[i].to), str_of(w->w->email)))
			r = warn_one(w, NOTICE_COPY, copies[i].suffix, channel, copies[i].to,
				     NULL, false, err);
	}
	return r;
}

static int warn_all(struct warned *w, struct err *err)
{
	const struct config_notices *n = &w->t.app->config.notices;
	bool mail = n->mail.server != NULL;
	const char *channel = n->folder ? NOTICES_FOLDER : NOTICES_MAIL;
	int r;

	if (n->folder || mail) {
		if (!mail_address_ok(str_of(w->w->email)))
			return err_set(
				err, ERR_INVALID_VALUE,
				"account %llu has no mail address that can be written to: "
				"nobody was warned",
				(unsigned long long)w->t.action->account);
		r = warn_one(w, kind_of(w), channel, channel, w->w->email, w->who.language,
			     !w->taken, err);
		if (r == 0 && !w->taken)
			r = warn_copies(w, channel, err);
		if (r < 0 || n->folder)
			return r;
	}
	return warn_hooks(w, !mail && !w->taken, err);
}

static int addressee_read(struct warned *w, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	int r = store_read_begin(w->t.app->store, &db, err);

	return r == 0 ? addressee_find(db, (int64_t)w->t.action->person, &w->who, err) : r;
}

int notices_warn(struct app *app, const struct notices_warning *in, struct err *err)
{
	struct warned w = { .t = { .app = app,
				   .step = in->step,
				   .action = in->action,
				   .org = in->org,
				   .plan = in->plan,
				   .now_ms = stamp_now_ms() },
			    .w = in };
	int r;

	if (in->action->class != PLAN_INACTIVE)
		return err_set(
			err, ERR_POLICY,
			"rule %s is not about what is unused: who leaves is never warned",
			in->action->rule);
	if (in->action->product)
		notices_product_say(str_of(in->action->product), w.product);
	w.wait_ms = wait_of(app_acting(app)->policy, in->action->rule);
	r = addressee_read(&w, err);
	if (r == 0)
		r = link_make(&w, err);
	if (r == 0)
		r = warn_all(&w, err);
	if (r == 0)
		r = telling_put(&w.t, err);
	telling_done(&w.t);
	return r;
}

int notices_taken(struct app *app, const struct notices_warning *in, struct err *err)
{
	const struct again_seat seat = { .org = in->org,
					 .plan = in->plan,
					 .action = in->action,
					 .step = in->step,
					 .email = in->email };
	struct warned w = { .t = { .app = app,
				   .step = in->step,
				   .action = in->action,
				   .org = in->org,
				   .plan = in->plan,
				   .now_ms = stamp_now_ms() },
			    .w = in,
			    .taken = true,
			    .wait_ms = app->config.again.for_ms };
	int r = again_link(app, &seat, w.link, sizeof(w.link), err);

	if (r < 0 || !w.link[0])
		return r;
	notices_product_say(str_of(in->action->product), w.product);
	r = addressee_read(&w, err);
	if (r == 0)
		r = warn_all(&w, err);
	if (r == 0)
		r = telling_put(&w.t, err);
	telling_done(&w.t);
	return r;
}

/* --- bulletins -----------------------------------------------------------------------------
 */

/* event is stolen. */
static int bulletin_letter(const struct telling *t, const struct notices_bulletin *b,
			   json_t *event, struct buf *into, struct err *err)
{
	const struct config *c = &t->app->config;
	CLEANUP(words_done) struct words words = { 0 };
	struct notice_values v = { 0 };
	char count[24] = "", date[64];
	int r;

	notice_date(t->now_ms, offset_of(t->app, NULL, t->now_ms),
		    notice_language(c->texts, b->kind, c->notices.language), date);
	if (b->count)
		(void)snprintf(count, sizeof(count), "%lld", (long long)b->count);
	v.v[SAY_INSTANCE] = str_of(c->instance.name);
	v.v[SAY_ORGANISATION] = str_of(b->title);
	v.v[SAY_CONTACT] = str_of(c->notices.contact);
	v.v[SAY_DATE] = str_of(date);
	v.v[SAY_COUNT] = str_of(count);
	v.v[SAY_ITEMS] = b->items;
	r = event ? words_fill(t, b->kind, c->notices.language, &v, &words, err)
		  : err_nomem(err);
	if (r < 0) {
		json_decref(event);
		return r;
	}
	return letter_out(t, notice_kind_words[b->kind], NULL, &words, event, into, err);
}

int notices_letter(struct app *app, const struct notices_bulletin *b, json_t *event,
		   int64_t now_ms, struct buf *into, struct err *err)
{
	const struct telling t = { .app = app, .now_ms = now_ms };

	return bulletin_letter(&t, b, event, into, err);
}

/* Who it is for, in a key that stays when they are forgotten: no address, and none can be tried
 * out without our key. */
static void receiver_mark(const struct app *app, const char *to, char ret[17])
{
	const struct store_keys *keys = store_keys(app->store);
	struct digest_run run;
	struct digest digest;
	char hex[DIGEST_HEX_BYTES];

	digest_begin(&run, keys ? &keys->token : NULL);
	digest_add(&run, "leaverd: receivers of notices", 30);
	digest_add(&run, to, strlen(to));
	digest_end(&run, &digest);
	digest_hex(&digest, hex);
	(void)snprintf(ret, 17, "%.16s", hex);
}

static int bulletin_to(struct telling *t, const struct notices_bulletin *b, const char *channel,
		       const char *to, struct err *err)
{
	CLEANUP(buf_done) struct buf letter;
	char key[KEY_BYTES], mark[17];
	int r;

	receiver_mark(t->app, to, mark);
	buf_init(&letter, OUTBOX_LETTER_MAX);
	r = bulletin_letter(t, b,
			    json_pack("{s:s, s:s, s:I}", "tells", b->tells, "title",
				      b->title ? b->title : "", "count", (json_int_t)b->count),
			    &letter, err);
	(void)snprintf(key, sizeof(key), "%s/%s/%s", b->key, channel, mark);
	return r < 0 ? r
		     : parcel_add(t, key, channel, to, notice_kind_words[b->kind], false,
				  &letter, err);
}

int notices_tell(struct app *app, const struct notices_bulletin *b, struct err *err)
{
	const struct config_notices *n = &app->config.notices;
	struct telling t = { .app = app, .now_ms = stamp_now_ms() };
	int r = 0;

	for (size_t i = 0; r == 0 && i < n->admins.n; i++)
		r = bulletin_to(&t, b, n->folder ? NOTICES_FOLDER : NOTICES_MAIL,
				n->admins.v[i], err);
	for (size_t i = 0; r == 0 && i < n->hooks.n; i++) {
		const struct config_hook *h = config_hook_at(n, i);
		char channel[CHANNEL_BYTES];

		(void)snprintf(channel, sizeof(channel), NOTICES_HOOK "%s", h->name);
		if (config_hook_tells(h, b->tells))
			r = bulletin_to(&t, b, n->folder ? NOTICES_FOLDER : channel, h->name,
					err);
	}
	if (r == 0)
		r = telling_put(&t, err);
	telling_done(&t);
	return r;
}

struct notices_held {
	struct telling t;
};

int notices_hold_one(struct app *app, const struct notices_bulletin *b, const char *to,
		     struct notices_held **ret, struct err *err)
{
	CLEANUP(notices_held_free_at) struct notices_held *h = calloc(1, sizeof(*h));
	const struct config_notices *n = &app->config.notices;
	int r;

	if (!h)
		return err_nomem(err);
	if (!n->folder && !n->mail.server)
		return err_set(err, ERR_CONFIG,
			       "neither notices.mail nor notices.folder is set");
	h->t.app = app;
	h->t.now_ms = stamp_now_ms();
	r = bulletin_to(&h->t, b, n->folder ? NOTICES_FOLDER : NOTICES_MAIL, to, err);
	if (r == 0)
		*ret = TAKE(h);
	return r;
}

int notices_held_put(struct notices_held *h, struct db *db, struct err *err)
{
	return h ? parcels_put(&h->t, db, err) : 0;
}

void notices_held_free(struct notices_held *h)
{
	if (!h)
		return;
	telling_done(&h->t);
	free(h);
}

int notices_tell_one(struct app *app, const struct notices_bulletin *b, const char *to,
		     struct err *err)
{
	CLEANUP(notices_held_free_at) struct notices_held *h = NULL;
	int r = notices_hold_one(app, b, to, &h, err);

	return r == 0 ? telling_put(&h->t, err) : r;
}

int notices_test(struct app *app, const char *to, int64_t *ret_id, struct err *err)
{
	const struct config_notices *n = &app->config.notices;
	struct telling t = { .app = app, .now_ms = stamp_now_ms(), .first = true };
	char key[64], uuid[ENC_UUID_CHARS + 1], channel[CHANNEL_BYTES] = NOTICES_MAIL;
	struct notices_bulletin b = { .key = key, .tells = "digest", .kind = NOTICE_TEST };
	bool hook = false;
	int r;

	for (size_t i = 0; i < n->hooks.n; i++)
		hook = hook || !strcmp(config_hook_at(n, i)->name, to);
	if (!hook && !mail_address_ok(str_of(to)))
		return err_set(
			err, ERR_NOT_FOUND,
			"\"%s\" is neither a mail address nor the name of a hook or of a "
			"channel of issues",
			to);
	if (!hook && !n->mail.server && !n->folder)
		return err_set(err, ERR_CONFIG, "notices.mail is not set: no mail can be sent");
	if (hook)
		(void)snprintf(channel, sizeof(channel), NOTICES_HOOK "%s", to);
	enc_uuid_new(uuid);
	(void)snprintf(key, sizeof(key), "test/%s", uuid);
	r = bulletin_to(&t, &b, n->folder ? NOTICES_FOLDER : channel, to, err);
	if (r == 0)
		r = telling_put(&t, err);
	if (r == 0)
		*ret_id = t.id;
	outbox_hurry(app->outbox);
	telling_done(&t);
	return r;
}
