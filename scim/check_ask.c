/* Scim/check: one request, from a template to an answer. */
#include "scim/check_run.h"

#include "base/enc.h"
#include "base/stamp.h"

#define TARGET_MAX 16384
#define BODY_MAX (2 * 1024 * 1024)
#define HEADERS_MOST 8

/* --- templates ------------------------------------------------------------------------------
 */

int check_var(struct check *c, bool local, const char *name, const char *value, struct err *err)
{
	return jx_set(local ? c->locals : c->vars, name, json_string(value), err);
}

/* A variable's text; p NULL: there is none. Borrowed. */
static struct str var_get(const struct check *c, const char *name)
{
	struct str header;
	const char *text;

	if (!strncmp(name, "header:", 7))
		return httpc_header(&c->answer, name + 7, &header) ? header : (struct str){ 0 };
	text = jx_get_text(c->locals, name);
	return str_of(text ? text : jx_get_text(c->vars, name));
}

static void add_var(struct buf *into, enum check_form form, struct str value, bool raw)
{
	size_t at = into->len;

	if (form == FORM_TARGET) {
		enc_percent(into, value);
	} else if (form == FORM_BODY && !raw) {
		buf_add_json(into, value); /* without its quotes */
		if (into->fault)
			return;
		memmove(into->p + at, into->p + at + 1, into->len - at - 1);
		buf_cut(into, into->len - 2);
	} else {
		buf_add_str(into, value);
	}
}

static void add_char(struct buf *into, enum check_form form, char ch)
{
	static const char plain[] = "/?&=+%:,$!-._~()*";

	if (form == FORM_BODY && ch == '\'')
		buf_add_char(into, '"');
	else if (form != FORM_TARGET || (ch >= '0' && ch <= '9') ||
		 ((ch | 32) >= 'a' && (ch | 32) <= 'z') || strchr(plain, ch))
		buf_add_char(into, ch);
	else
		enc_percent(into, str_n(&ch, 1));
}

/* "<name>" at p: its length with the brackets, the name in room; 0: no variable. */
static size_t var_at(const char *p, char *room, size_t most)
{
	size_t n = strcspn(p, "> '\"{}");

	if (*p != '<' || p[n] != '>' || n < 2 || n >= most)
		return 0;
	memcpy(room, p + 1, n - 1);
	room[n - 1] = '\0';
	return n + 1;
}

int check_expand(struct check *c, const char *text, enum check_form form, struct buf *into,
		 struct err *err)
{
	char name[64];

	while (*text) {
		size_t n = var_at(text, name, sizeof(name));
		bool raw = n && name[0] == '@';
		struct str value;

		if (!n) {
			add_char(into, form, *text++);
			continue;
		}
		value = var_get(c, name + raw);
		if (!value.p)
			return err_set(err, ERR_NOT_FOUND, "there is no %s to go on with",
				       name + raw);
		add_var(into, form, value, raw);
		text += n;
	}
	return buf_fault(into, err, "a request");
}

/* --- what is shown --------------------------------------------------------------------------
 */

static void show_char(struct buf *into, enum check_form form, char ch)
{
	if (ch == '\n')
		buf_add_text(into, ", ");
	else
		buf_add_char(into, form == FORM_BODY && ch == '\'' ? '"' : ch);
}

/* A sample's own values are named, not shown. */
static void show_template(struct check *c, const char *text, enum check_form form)
{
	CLEANUP(buf_done) struct buf one;
	char name[64];

	buf_init(&one, BODY_MAX);
	while (*text) {
		size_t n = var_at(text, name, sizeof(name));

		if (!n) {
			show_char(&c->sent, form, *text++);
			continue;
		}
		buf_clear(&one);
		if (c->foreign && (!strcasecmp(name, "name") || !strcmp(name, "id")))
			buf_addf(&one, "<%s of a user>", name);
		else
			add_var(&one, form == FORM_TARGET ? FORM_PLAIN : form,
				var_get(c, name + (name[0] == '@')), name[0] == '@');
		check_show_text(c, buf_str(&one), 300, &c->sent);
		text += n;
	}
}

static void show_sent(struct check *c, const struct check_step *step)
{
	buf_clear(&c->sent);
	show_template(c, step->send, FORM_TARGET);
	if (step->flags & STEP_NO_TOKEN)
		buf_add_text(&c->sent, " (without a token)");
	if (step->flags & STEP_BAD_TOKEN)
		buf_add_text(&c->sent, " (with a token that is none)");
	if (step->with) {
		buf_add_text(&c->sent, " [");
		show_template(c, step->with, FORM_PLAIN);
		buf_add_char(&c->sent, ']');
	}
	if (step->body) {
		buf_add_char(&c->sent, ' ');
		show_template(c, step->body, FORM_BODY);
	}
}

/* --- sending --------------------------------------------------------------------------------
 */

void check_answer_done(struct check *c)
{
	httpc_answer_done(&c->answer);
	c->answer = (struct httpc_answer){ 0 };
	json_decref(c->doc);
	c->doc = NULL;
}

struct asked {
	char method[8];
	struct buf url, body, headers;              /* headers: NUL between names and values */
	struct httpc_header rows[HEADERS_MOST + 2]; /* ours, Accept, the end */
	const char *content_type;
	struct str target; /* into url */
};

static void asked_done(struct asked *a)
{
	buf_done(&a->url);
	buf_done(&a->body);
	buf_done(&a->headers);
}

static int asked_target(struct check *c, const char *send, struct asked *a, struct err *err)
{
	const char *blank = strchr(send, ' ');
	size_t n = blank ? (size_t)(blank - send) : sizeof(a->method), base;

	if (n >= sizeof(a->method))
		return err_set(err, ERR_INTERNAL, "a step without a method: %s", send);
	memcpy(a->method, send, n);
	buf_init(&a->url, TARGET_MAX);
	buf_addf(&a->url, "%s/", c->url);
	base = a->url.len;
	if (check_expand(c, blank + 1, FORM_TARGET, &a->url, err) < 0)
		return -err->code;
	a->target = str_n(a->url.p + base, a->url.len - base);
	return 0;
}

/* Where each header begins in a->headers. */
static int asked_headers(struct check *c, const char *with, struct asked *a, struct err *err)
{
	CLEANUP(buf_done) struct buf text;
	size_t starts[2 * HEADERS_MOST + 2], n = 0;
	struct str rest, line, name, value;
	bool accept = false, type = false;

	buf_init(&text, HTTPC_HEADERS_MAX);
	buf_init(&a->headers, HTTPC_HEADERS_MAX);
	if (with && check_expand(c, with, FORM_PLAIN, &text, err) < 0)
		return -err->code;
	rest = buf_str(&text);
	while (rest.len && n < (size_t)2 * HEADERS_MOST) {
		struct str next;

		str_cut(rest, '\n', &line, &next);
		str_cut(line, ':', &name, &value);
		accept |= str_ieq(name, STR("Accept"));
		type |= str_ieq(name, STR("Content-Type"));
		starts[n++] = a->headers.len;
		buf_add_str(&a->headers, name);
		buf_add_char(&a->headers, '\0');
		starts[n++] = a->headers.len;
		buf_add_str(&a->headers, str_trim(value));
		buf_add_char(&a->headers, '\0');
		rest = next;
	}
	if (!accept) {
		starts[n++] = a->headers.len;
		buf_add(&a->headers, "Accept", 7);
		starts[n++] = a->headers.len;
		buf_add(&a->headers, "application/scim+json", 22);
	}
	if (buf_fault(&a->headers, err, "the headers") < 0)
		return -err->code;
	a->content_type = a->body.len && !type ? "application/scim+json" : NULL;
	for (size_t i = 0, row = 0; i < n; i += 2) {
		const char *key = a->headers.p + starts[i], *val = a->headers.p + starts[i + 1];

		if (!strcasecmp(key, "Content-Type"))
			a->content_type = val;
		else
			a->rows[row++] = (struct httpc_header){ key, val };
	}
	return 0;
}

static int asked_make(struct check *c, const struct check_step *step, struct asked *a,
		      struct err *err)
{
	int r;

	buf_init(&a->body, BODY_MAX);
	r = asked_target(c, step->send, a, err);
	if (r == 0 && step->body)
		r = check_expand(c, step->body, FORM_BODY, &a->body, err);
	if (r == 0)
		r = asked_headers(c, step->with, a, err);
	return r;
}

static int bearer(struct check *c, unsigned flags, struct secret *ret, struct err *err)
{
	CLEANUP(buf_done) struct buf text;

	buf_init_secret(&text, SECRET_MAX_BYTES);
	buf_add_text(&text, "Bearer ");
	if (flags & STEP_BAD_TOKEN)
		buf_add_text(&text, "leaverd-check-not-a-token");
	else
		buf_add(&text, c->o->token->p, c->o->token->len);
	if (buf_fault(&text, err, "the token") < 0)
		return -err->code;
	return secret_set(ret, text.p, text.len, err);
}

static int exchange(struct check *c, const struct check_step *step, const struct asked *a,
		    struct err *err)
{
	CLEANUP(secret_done) struct secret authorization = { 0 };
	int64_t timeout = c->o->timeout_ms ? c->o->timeout_ms : CHECK_TIMEOUT_MS;
	struct httpc_request q = { .method = a->method,
				   .url = a->url.p,
				   .headers = a->rows,
				   .body = buf_str(&a->body),
				   .content_type = a->content_type,
				   .via = { .ca_file = c->o->ca_file, .allow_http = true },
				   .retry = RETRY_IF_NOT_SENT,
				   .tries = 3,
				   .deadline_ms = 3 * timeout,
				   .try_timeout_ms = timeout,
				   .max_body_bytes = CHECK_ANSWER_MAX };
	int r;

	if (!(step->flags & STEP_NO_TOKEN)) {
		r = bearer(c, step->flags, &authorization, err);
		if (r < 0)
			return r;
		q.authorization = &authorization;
	}
	c->requests++;
	return httpc_do(c->http, &q, &c->answer, err);
}

static bool ours(int r)
{
	return r == -ERR_NOMEM || r == -ERR_CANCELLED || r == -ERR_INTERNAL;
}

static int may_ask(const struct check *c, struct err *err)
{
	if (!c->cleaning && c->o->cancel && atomic_load(c->o->cancel))
		return err_set(err, ERR_CANCELLED, "interrupted");
	if (c->requests >= CHECK_REQUESTS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d requests", CHECK_REQUESTS_MAX);
	if (stamp_mono_ms() > c->until_ms)
		return err_set(err, ERR_TIMEOUT, "the time for the whole check is over");
	return 0;
}

static int answer_read(struct check *c, struct err *err)
{
	c->doc_fault = (struct err){ 0 };
	if (!c->answer.body.len)
		return 0;
	if (jx_parse(buf_str(&c->answer.body), JX_LENIENT, &c->doc, &c->doc_fault) ==
	    -ERR_NOMEM)
		return err_nomem(err);
	return 0;
}

/* No answer: a finding about the server, unless it is about us. */
static int no_answer(struct check *c, int r, struct err *err)
{
	if (ours(r))
		return r;
	c->faults_in_row++;
	if (c->faults_in_row >= CHECK_FAULTS_MAX && !c->stopped.code)
		c->stopped = *err;
	return CHECK_NO_ANSWER;
}

int check_send(struct check *c, const struct check_step *step, struct err *err)
{
	CLEANUP(asked_done) struct asked a = { 0 };
	size_t mark;
	int r;

	r = may_ask(c, err);
	if (r == -ERR_LIMIT || r == -ERR_TIMEOUT)
		c->stopped = *err;
	if (r < 0)
		return r == -ERR_CANCELLED ? r : CHECK_NO_ANSWER;
	show_sent(c, step);
	r = asked_make(c, step, &a, err);
	check_answer_done(c); /* templates may name the answer before */
	if (r == 0 && !check_own_may(c, a.method, a.target))
		r = err_set(
			err, ERR_REFUSED,
			"not sent: it would change a resource that this check did not make");
	if (r < 0)
		return ours(r) ? r : CHECK_NO_ANSWER;
	r = check_own_expect(c, a.method, a.target, a.body.p, &mark, err);
	if (r < 0)
		return r;
	r = exchange(c, step, &a, err);
	if (r < 0) {
		struct err unused;

		(void)!check_own_learn(c, mark, false, &unused);
		return no_answer(c, r, err);
	}
	c->faults_in_row = 0;
	r = answer_read(c, err);
	return r < 0 ? r : check_own_learn(c, mark, true, err);
}
