#include "bridge/tickets.h"

#include <stdio.h>

#include "atlassian/ticket.h"
#include "base/digest.h"
#include "base/enc.h"
#include "base/stamp.h"
#include "bridge/notices.h"
#include "bridge/rounds.h"
#include "store/issues.h"
#include "store/outbox.h"
#include "store/store.h"
#include "store/writer.h"

#define LABEL_BYTES 48
#define CHANNEL_BYTES 80
#define KEY_BYTES 240
#define UNNAMED_MS                                                                             \
	(2 * STAMP_MINUTE_MS) /* until it is looked again whether it has its name              \
			       */
#define CALL_MS 40000

/* An issue on its way, with a client of its own: it writes whatever the mode of collecting and
 * applying is, and asks for the token as it is now. */
struct sending {
	struct app *app;
	const struct tickets_job *job;
	const struct config_org *org;
	struct atl_options options; /* the organisation's, with one try */
	struct secret token, proxy_login;
	struct atl_site *site;
	struct issue_row row; /* channel, about and made_ms */
	char channel[CHANNEL_BYTES], label[LABEL_BYTES], name[ATL_TICKET_NAME_BYTES];
	bool ended, closes;
	struct atl_ticket ticket;
	struct atl_problem problem;
	int64_t wait_ms;
	char *says;
};

static void sending_done(struct sending *s)
{
	atl_site_free(s->site);
	secret_done(&s->token);
	secret_done(&s->proxy_login);
}

static void label_of(struct sending *s)
{
	const char *instance = s->app->config.instance.name;
	struct digest_run run;
	struct digest digest;
	char hex[DIGEST_HEX_BYTES];

	digest_begin(&run, NULL);
	digest_add(&run, instance, strlen(instance) + 1);
	digest_add(&run, s->channel, strlen(s->channel) + 1);
	digest_add(&run, s->row.about.p, s->row.about.len);
	digest_add(&run, &s->row.made_ms, sizeof(s->row.made_ms));
	digest_end(&run, &digest);
	digest_hex(&digest, hex);
	(void)snprintf(s->label, sizeof(s->label), "leaverd-%.32s", hex);
}

static int row_look(void *ctx, const struct issue_row *row, struct err *err)
{
	struct sending *s = ctx;

	(void)err;
	s->ended = row->ended_ms != 0;
	(void)snprintf(s->name, sizeof(s->name), STR_FMT, STR_ARG(row->name));
	return 0;
}

/* Whether its opening is still to come. */
static int opening_look(struct sending *s, struct db *db, bool *ret, struct err *err)
{
	enum outbox_state state = OUTBOX_FAILED;
	char key[KEY_BYTES];
	int r;

	(void)snprintf(key, sizeof(key), "%s/" STR_FMT "/%lld/open", s->channel,
		       STR_ARG(s->row.about), (long long)s->row.made_ms);
	r = outbox_standing(db, str_of(key), &state, err);
	*ret = r == 0 && state < OUTBOX_SENT;
	return r < 0 ? r : 0;
}

/* What we know of it, and whether we may write there. */
static int sending_read(struct sending *s, bool *opens, bool *may, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	enum store_mode mode = STORE_OBSERVE;
	int r = store_read_begin(s->app->store, &db, err);

	if (r == 0)
		r = store_mode_get(db, s->org->name, &mode, err);
	if (r >= 0)
		r = issues_get(db, &s->row, row_look, s, err);
	if (r == 0)
		r = opening_look(s, db, opens, err);
	*may = mode != STORE_OBSERVE;
	return r;
}

static int site_make(struct sending *s, struct err *err)
{
	const struct atl_site_options *site = config_site(s->org, s->job->to->site);
	int r = rounds_secret(s->app, site->token, &s->token, err);

	if (r == 0)
		r = rounds_secret(s->app, s->org->cloud.proxy_login, &s->proxy_login, err);
	s->options = s->org->cloud;
	s->options.tries = 1;
	s->options.deadline_ms = CALL_MS;
	if (r == 0)
		r = atl_site_new(&s->site, site, &s->options, &s->token,
				 s->org->cloud.proxy_login ? &s->proxy_login : NULL,
				 s->app->http, err);
	if (r == 0)
		atl_site_writes(s->site, true);
	return r;
}

/* --- what a fault means --------------------------------------------------------------------
 */

static enum tickets_end says(struct sending *s, enum tickets_end end, const char *text)
{
	(void)snprintf(s->says, ERR_TEXT_BYTES, "%s", text);
	return end;
}

/* The settings, the token or its rights are wrong: nobody's issue fares better. gone: what a
 * 404 of an issue means. */
static enum tickets_end faulted(struct sending *s, int r, bool gone, const struct err *err)
{
	int status = s->problem.status;
	bool ours = r == -ERR_SECRET || r == -ERR_CONFIG || r == -ERR_TLS;

	if (gone && (status == 404 || status == 400 || status == 413))
		return says(s, TICKETS_REFUSED, err->text);
	if (ours || status == 400 || status == 401 || status == 403 || status == 404 ||
	    status == 422)
		return says(s, TICKETS_AWAY, err->text);
	return says(s, TICKETS_LATER, err->text);
}

static enum tickets_end not_begun(struct sending *s)
{
	return says(s, TICKETS_LATER, "the notice was not begun");
}

/* --- opening -------------------------------------------------------------------------------
 */

static int name_run(void *ctx, struct db *db, struct err *err)
{
	const struct sending *s = ctx;

	return issues_name(db, &s->row, str_of(s->name), err);
}

static enum tickets_end named(struct sending *s, struct err *err)
{
	int r = writer_call(s->app->writer, name_run, s, err);

	return r < 0 ? says(s, TICKETS_LATER, err->text) : says(s, TICKETS_DONE, s->name);
}

static enum tickets_end open_first(struct sending *s, struct err *err)
{
	int r;

	if (!s->job->begin(s->job->ctx))
		return not_begun(s);
	r = atl_ticket_open(s->site, &s->ticket, s->name, &s->problem, err);
	return r < 0 ? faulted(s, r, false, err) : named(s, err);
}

/* A try may have arrived: what search shows is it; and until search must show it, wait. */
static enum tickets_end open_again(struct sending *s, struct err *err)
{
	int r = atl_ticket_find(s->site, &s->ticket, s->name, &s->problem, err);

	if (r == 0)
		return named(s, err);
	if (r == ATL_TICKET_NONE && s->job->quiet_ms < ATL_TICKET_LAG_MS) {
		s->wait_ms = ATL_TICKET_LAG_MS;
		return says(s, TICKETS_LATER,
			    "it may have been opened: Jira's search is asked again before "
			    "another try");
	}
	return r < 0 ? faulted(s, r, false, err) : open_first(s, err);
}

static enum tickets_end open_one(struct sending *s, struct err *err)
{
	if (s->name[0])
		return says(s, TICKETS_DONE, s->name);
	if (s->job->again)
		return open_again(s, err);
	return s->ended ? says(s, TICKETS_DONE, "not opened: it was over before")
			: open_first(s, err);
}

/* --- closing -------------------------------------------------------------------------------
 */

/* The comment, with the label as the mark by which it is known again. */
static int comment(struct sending *s, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	int r = ATL_TICKET_NONE;

	buf_init(&text, 2 * NOTICE_TEXT_MAX);
	if (s->job->again)
		r = atl_ticket_said(s->site, s->name, s->label, &s->problem, err);
	if (r != ATL_TICKET_NONE)
		return r;
	buf_add_str(&text, s->ticket.text);
	buf_addf(&text, "\n\n%s\n", s->label);
	r = buf_fault(&text, err, "a comment");
	return r == 0 ? atl_ticket_say(s->site, s->name, buf_str(&text), &s->problem, err) : r;
}

static enum tickets_end close_one(struct sending *s, bool opens, struct err *err)
{
	const char *done = s->job->to->done;
	char text[300];
	int r;

	if (!s->name[0] && opens) {
		s->wait_ms = UNNAMED_MS;
		return says(s, TICKETS_LATER, "it waits for the issue to be opened");
	}
	if (!s->name[0])
		return says(s, TICKETS_DONE, "no issue was opened");
	if (!s->job->begin(s->job->ctx))
		return not_begun(s);
	r = comment(s, err);
	if (r == 0 && done)
		r = atl_ticket_move(s->site, s->name, done, &s->problem, err);
	if (r < 0)
		return faulted(s, r, true, err);
	(void)snprintf(text, sizeof(text), "%s%s%s", s->name,
		       r == ATL_TICKET_NONE ? ": commented alone, no transition leads to " : "",
		       r == ATL_TICKET_NONE ? done : "");
	return says(s, TICKETS_DONE, text);
}

/* --- one notice ----------------------------------------------------------------------------
 */

static int letter_read(struct sending *s, struct err *err)
{
	const json_t *letter = s->job->letter, *event = json_object_get(letter, "event");
	const struct config_issues *to = s->job->to;
	const char *op = jx_get_text(event, "op"), *about = jx_get_text(event, "about");
	const json_t *made = json_object_get(event, "made_ms");

	(void)snprintf(s->channel, sizeof(s->channel), NOTICES_ISSUES "%s", to->name);
	if (!op || !about || !json_is_integer(made))
		return err_set(err, ERR_DAMAGED, "the notice says nothing of an issue");
	s->closes = !strcmp(op, "close");
	s->row = (struct issue_row){ .channel = str_of(s->channel),
				     .about = str_of(about),
				     .made_ms = json_integer_value(made) };
	label_of(s);
	s->ticket = (struct atl_ticket){
		.project = to->project,
		.type = to->type,
		.label = s->label,
		.labels = (const char *const *)to->labels.v,
		.label_count = to->labels.n,
		.summary = str_of(jx_get_text(letter, "subject")),
		.text = str_of(jx_get_text(letter, "text")),
	};
	return 0;
}

enum tickets_end tickets_send(struct app *app, const struct tickets_job *job, int64_t *wait_ms,
			      char text[ERR_TEXT_BYTES])
{
	CLEANUP(sending_done)
	struct sending s = {
		.app = app, .job = job, .org = tickets_org(app, job->to), .says = text
	};
	bool opens = false, may = false;
	struct err err = { 0 };
	enum tickets_end end;
	int r;

	*wait_ms = 0;
	text[0] = '\0';
	if (!s.org)
		return says(&s, TICKETS_REFUSED, "no organisation has the site any more");
	r = letter_read(&s, &err);
	if (r < 0)
		return says(&s, TICKETS_REFUSED, err.text);
	r = sending_read(&s, &opens, &may, &err);
	if (r > 0)
		return says(&s, TICKETS_REFUSED, "it is not known what the issue is about");
	if (r == 0 && !may)
		return says(&s, TICKETS_AWAY,
			    "the organisation is in mode observe: nothing is written there");
	if (r == 0)
		r = site_make(&s, &err);
	if (r < 0)
		return faulted(&s, r, false, &err);
	end = s.closes ? close_one(&s, opens, &err) : open_one(&s, &err);
	*wait_ms = s.wait_ms;
	return end;
}

/* --- a test --------------------------------------------------------------------------------
 */

/* What is done with the issue once it is there. */
static int test_close(struct sending *s, struct err *err)
{
	const char *done = s->job->to->done;
	int r = atl_ticket_say(s->site, s->name, STR("The test is over."), &s->problem, err);

	if (r == 0 && done)
		r = atl_ticket_move(s->site, s->name, done, &s->problem, err);
	if (r < 0)
		return err_context(err, r, "%s was opened", s->name);
	(void)snprintf(s->says, ERR_TEXT_BYTES, "%s was opened and commented%s%s", s->name,
		       !done    ? ""
		       : r == 0 ? ", and moved to "
				: "; no transition leads to ",
		       done ? done : "");
	return 0;
}

static int test_may(const struct sending *s, struct err *err)
{
	CLEANUP(store_read_end_at) struct db *db = NULL;
	enum store_mode mode = STORE_OBSERVE;
	int r;

	if (s->app->config.notices.folder)
		return err_set(
			err, ERR_HELD,
			"notices.folder is set: notices are files, and nothing is opened "
			"at Jira");
	r = store_read_begin(s->app->store, &db, err);
	if (r == 0)
		r = store_mode_get(db, s->org->name, &mode, err);
	if (r >= 0 && mode == STORE_OBSERVE)
		return err_set(err, ERR_HELD,
			       "organisation %s is in mode observe: nothing is written there",
			       s->org->name);
	return r < 0 ? r : 0;
}

int tickets_test(struct app *app, const struct config_issues *to, char text[ERR_TEXT_BYTES],
		 struct err *err)
{
	const struct tickets_job job = { .to = to };
	CLEANUP(sending_done)
	struct sending s = {
		.app = app, .job = &job, .org = tickets_org(app, to), .says = text
	};
	char uuid[ENC_UUID_CHARS + 1];
	int r;

	text[0] = '\0';
	if (!s.org)
		return err_set(err, ERR_CONFIG, "no organisation has the site %s", to->site);
	enc_uuid_new(uuid);
	(void)snprintf(s.label, sizeof(s.label), "leaverd-%s", uuid);
	s.ticket = (struct atl_ticket){
		.project = to->project,
		.type = to->type,
		.label = s.label,
		.labels = (const char *const *)to->labels.v,
		.label_count = to->labels.n,
		.summary = STR("A test of leaverd"),
		.text = STR("`leaverd notices test` opened this issue. Nothing is to be done."),
	};
	r = test_may(&s, err);
	if (r == 0)
		r = site_make(&s, err);
	if (r == 0)
		r = atl_ticket_open(s.site, &s.ticket, s.name, &s.problem, err);
	if (r < 0)
		return r;
	(void)snprintf(text, ERR_TEXT_BYTES, "%s was opened", s.name);
	return test_close(&s, err);
}
