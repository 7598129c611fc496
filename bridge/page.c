#include "bridge/page.h"

#include <stdio.h>

#include "base/enc.h"
#include "base/stamp.h"
#include "base/template.h"
#include "scim/throttle.h"
#include "store/store.h"

#define FORM_MS (30 * STAMP_MINUTE_MS) /* how long a page's button is good */
#define FORM_BYTES (20 + 1 + DIGEST_HEX_BYTES)

struct page_door {
	struct secret key;
	struct throttle *throttle;
};

const struct page_words page_again = {
	400,
	false,
	{ "Please press the button once more", "Bitte drücken Sie noch einmal" },
	{ "This page was open for too long. Nothing was changed yet.",
	  "Diese Seite war zu lange offen. Es wurde noch nichts geändert." },
	{ "Go on", "Weiter" },
};
const struct page_words page_none = {
	404,
	false,
	{ "There is no such link", "Diesen Link gibt es nicht" },
	{ "Open it as it stands in the message, whole. If that does not help, ask your "
	  "administrators.",
	  "Öffnen Sie ihn so, wie er in der Nachricht steht, vollständig. Hilft das nicht, "
	  "wenden Sie sich an Ihre Administratoren." },
	{ NULL, NULL },
};
const struct page_words page_too_often = {
	429,
	false,
	{ "Too often", "Zu oft" },
	{ "Please try again in a minute.",
	  "Bitte versuchen Sie es in einer Minute noch einmal." },
	{ NULL, NULL },
};
const struct page_words page_fault = {
	503,
	false,
	{ "Not now", "Gerade nicht möglich" },
	{ "Nothing was changed. Please try again later.",
	  "Es wurde nichts geändert. Bitte versuchen Sie es später noch einmal." },
	{ NULL, NULL },
};

/* --- the door ------------------------------------------------------------------------------
 */

int page_key(struct app *app, const char *purpose, struct secret *ret, struct err *err)
{
	const struct store_keys *keys = store_keys(app->store);
	struct digest_run run;
	struct digest key;
	int r;

	if (!keys)
		return err_set(err, ERR_SECRET, "the vault is not open");
	digest_begin(&run, &keys->token);
	digest_add(&run, purpose, strlen(purpose) + 1);
	digest_end(&run, &key);
	r = secret_set(ret, key.b, SECRET_KEY_BYTES, err);
	secret_wipe(&key, sizeof(key));
	return r;
}

int page_link(struct app *app, const char *kind, const char *ticket, char *ret, size_t room,
	      struct err *err)
{
	const char *url = app->config.keep.url;
	size_t len = strlen(url);

	while (len && url[len - 1] == '/')
		len--;
	if ((size_t)snprintf(ret, room, "%.*s/%s/%s", (int)len, url, kind, ticket) >= room)
		return err_set(err, ERR_LIMIT, "keep.url is too long");
	return 0;
}

int page_door_new(struct page_door **ret, struct app *app, const char *purpose, struct err *err)
{
	CLEANUP(page_door_free_at) struct page_door *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_nomem(err);
	r = page_key(app, purpose, &d->key, err);
	if (r == 0)
		r = throttle_new(&d->throttle, err);
	if (r < 0)
		return r;
	*ret = TAKE(d);
	return 0;
}

void page_door_free(struct page_door *d)
{
	if (!d)
		return;
	throttle_free(d->throttle);
	secret_done(&d->key);
	free(d);
}

const struct secret *page_door_key(const struct page_door *d)
{
	return &d->key;
}

bool page_slow(struct page_door *d, const struct http_req *req)
{
	return throttle_fail(d->throttle, http_req_peer(req), stamp_mono_ms()) > 0;
}

/* --- the button's token --------------------------------------------------------------------
 */

/* "MS-HEX": when the page was made, and that it was this link's page. */
static void form_make(const struct page_door *d, struct str link, int64_t ms,
		      char ret[FORM_BYTES])
{
	static const char purpose[] = "form";
	char hex[DIGEST_HEX_BYTES];
	struct digest_run run;
	struct digest mac;

	digest_begin(&run, &d->key);
	digest_add(&run, purpose, sizeof(purpose));
	digest_add(&run, &ms, sizeof(ms));
	digest_add(&run, link.p, link.len);
	digest_end(&run, &mac);
	digest_hex(&mac, hex);
	(void)snprintf(ret, FORM_BYTES, "%lld-%s", (long long)ms, hex);
}

/* The field of a form that has no other. */
static struct str form_of(const struct http_req *req)
{
	const char *type = http_req_header(req, "Content-Type");
	struct str body = str_trim(http_req_body(req));

	if (!type || !str_istarts(str_of(type), STR("application/x-www-form-urlencoded")) ||
	    !str_starts(body, STR("form=")))
		return STR("");
	return str_n(body.p + 5, body.len - 5);
}

bool page_pressed(const struct page_door *d, struct str link, const struct http_req *req)
{
	struct str form = form_of(req), ms_text, hex;
	int64_t ms, now_ms = stamp_now_ms();
	char should[FORM_BYTES];

	if (form.len >= FORM_BYTES || !str_cut(form, '-', &ms_text, &hex) ||
	    !str_int64(ms_text, &ms) || ms > now_ms || ms < now_ms - FORM_MS)
		return false;
	form_make(d, link, ms, should);
	return strlen(should) == form.len && secret_memequal(should, form.p, form.len);
}

/* --- a page --------------------------------------------------------------------------------
 */

static const char style[] =
	":root{color-scheme:light dark}body{margin:0;font:1.0625rem/1.5 system-ui,sans-serif;"
	"background:#f4f5f7;color:#172b4d}main{max-width:34rem;margin:8vh auto;padding:1.5rem "
	"2rem;"
	"background:#fff;border-radius:.5rem}h1{font-size:1.5rem;line-height:1.25}button{font:"
	"inherit;"
	"font-weight:600;padding:.75rem 1.5rem;min-height:3rem;border:0;border-radius:.25rem;"
	"background:#0747a6;color:#fff;cursor:pointer}button:hover{background:#05337a}"
	"button:focus-visible{outline:3px solid #ff8b00;outline-offset:3px}"
	"@media(max-width:40rem){main{margin:0;min-height:100vh;border-radius:0;box-sizing:"
	"border-box}"
	"button{width:100%}}@media(prefers-color-scheme:dark){body{background:#161a1d;color:#"
	"dee4ea}"
	"main{background:#22272b}button{background:#579dff;color:#091e42}button:hover{"
	"background:#85b8ff}}";

static void say(const struct page_values *v, const char *text, struct buf *into)
{
	for (const char *p = text; *p; p++) {
		const char *value = NULL;

		if (p[0] == '{' && p[1] && p[2] == '}')
			value = p[1] == 'P' ? v->product : p[1] == 'S' ? v->site : v->date;
		if (!value) {
			template_escape(into, str_n(p, 1));
			continue;
		}
		template_escape(into, str_of(value));
		p += 2;
	}
}

static void button(const struct page_door *d, struct str link, const char *words,
		   struct buf *into)
{
	char form[FORM_BYTES];

	form_make(d, link, stamp_now_ms(), form);
	buf_addf(into,
		 "<form method=\"post\"><input type=\"hidden\" name=\"form\" value=\"%s\">"
		 "<button type=\"submit\">%s</button></form>\n",
		 form, words);
}

static int page_headers(struct http_req *req, const char *nonce, struct err *err)
{
	char csp[300];
	const struct {
		const char *name, *value;
	} headers[] = {
		{ "Content-Security-Policy", csp },      { "Referrer-Policy", "no-referrer" },
		{ "X-Content-Type-Options", "nosniff" }, { "X-Frame-Options", "DENY" },
		{ "X-Robots-Tag", "noindex, nofollow" }, { "Cache-Control", "no-store" },
	};
	int r = 0;

	(void)snprintf(csp, sizeof(csp),
		       "default-src 'none'; style-src 'nonce-%s'; form-action 'self'; base-uri "
		       "'none'; frame-ancestors 'none'",
		       nonce);
	for (size_t i = 0; r == 0 && i < COUNT_OF(headers); i++)
		r = http_reply_header(req, headers[i].name, headers[i].value, err);
	return r;
}

int page_reply(const struct page_door *d, const struct page_words *words,
	       const struct page_values *values, struct str link, struct http_req *req,
	       struct http_reply *reply, struct err *err)
{
	int language = values->german ? 1 : 0;
	struct buf *body = &reply->body;
	unsigned char raw[16];
	char nonce[33];
	int r;

	secret_random_bytes(raw, sizeof(raw));
	enc_hex(raw, sizeof(raw), nonce);
	reply->status = words->status;
	reply->content_type = "text/html; charset=utf-8";
	buf_addf(body,
		 "<!DOCTYPE html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\"><meta "
		 "name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>",
		 values->german ? "de" : "en");
	say(values, words->head[language], body);
	buf_addf(body, "</title><style nonce=\"%s\">%s</style></head>\n<body><main><h1>", nonce,
		 style);
	say(values, words->head[language], body);
	buf_add_text(body, "</h1>\n<p>");
	if (values->first_name[0] && words->greets) {
		buf_add_text(body, values->german ? "Guten Tag " : "Hello ");
		template_escape(body, str_of(values->first_name));
		buf_add_text(body, ".</p>\n<p>");
	}
	say(values, words->text[language], body);
	buf_add_text(body, "</p>\n");
	if (words->button[language])
		button(d, link, words->button[language], body);
	buf_add_text(body, "</main></body></html>\n");
	r = page_headers(req, nonce, err);
	return r == 0 ? buf_fault(body, err, "a page") : r;
}
