#include "net/mail.h"

#include <curl/curl.h>

#include "base/enc.h"
#include "base/stamp.h"
#include "net/httpc.h"

#define LINE_MOST 76
#define WORD_BYTES 45 /* of text in one encoded word: 60 characters of base64 */
#define SUBJECT_MOST 300
#define NAME_MOST 200
#define BOUNDARY "=_leaverd_1" /* "=_" never stands in quoted-printable */
#define TIMEOUT_MS 60000
#define CONNECT_MS 20000

/* --- headers ------------------------------------------------------------------------------ */

bool mail_address_ok(struct str s)
{
	size_t at = 0, signs = 0;

	if (s.len < 3 || s.len > MAIL_ADDRESS_MAX || !str_utf8(s, NULL))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c == 0x7f || strchr("<>()[],;:\\\"", c))
			return false;
		if (c == '@') {
			at = i;
			signs++;
		}
	}
	return signs == 1 && at > 0 && at + 1 < s.len && s.p[0] != '-' && s.p[at + 1] != '-';
}

/* A copy without control characters (also those of Unicode's first rows), cut at a character.
 */
static void tidy(struct buf *into, const char *text, size_t most)
{
	struct str s = str_trim(str_of(text));

	for (size_t i = 0; i < s.len && into->len < most; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == 0xc2 && i + 1 < s.len && (unsigned char)s.p[i + 1] < 0xa0) {
			buf_add_char(into, ' ');
			i++;
		} else {
			buf_add_char(into, c < ' ' || c == 0x7f ? ' ' : (char)c);
		}
	}
	while (into->len && !str_utf8(buf_str(into), NULL))
		buf_cut(into, into->len - 1);
}

static bool is_plain(struct str s, const char * not )
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < ' ' || s.p[i] > '~' || strchr(not, s.p[i]))
			return false;
	return true;
}

/* RFC 2047: words of base64, each whole characters. */
static void encoded_words(struct buf *into, struct str s)
{
	for (size_t at = 0; at < s.len;) {
		size_t n = s.len - at < WORD_BYTES ? s.len - at : WORD_BYTES;

		while (at + n < s.len && ((unsigned char)s.p[at + n] & 0xc0) == 0x80)
			n--;
		buf_add_text(into, at ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
		enc_base64(into, s.p + at, n);
		buf_add_text(into, "?=");
		at += n;
	}
}

static void header_text(struct buf *into, const char *name, const char *text)
{
	CLEANUP(buf_done) struct buf tidied;

	buf_init(&tidied, SUBJECT_MOST + 4);
	tidy(&tidied, text, SUBJECT_MOST);
	buf_addf(into, "%s: ", name);
	if (tidied.len <= 900 && is_plain(buf_str(&tidied), "=") && tidied.len <= LINE_MOST)
		buf_add_str(into, buf_str(&tidied));
	else
		encoded_words(into, buf_str(&tidied));
	buf_add_text(into, "\r\n");
	if (tidied.fault)
		into->fault = tidied.fault;
}

static void header_address(struct buf *into, const char *name, const char *who,
			   const char *address)
{
	CLEANUP(buf_done) struct buf tidied;

	buf_init(&tidied, NAME_MOST + 4);
	tidy(&tidied, who, NAME_MOST);
	buf_addf(into, "%s: ", name);
	if (!tidied.len)
		buf_addf(into, "%s\r\n", address);
	else if (is_plain(buf_str(&tidied), "=\"\\") && tidied.len <= 60)
		buf_addf(into, "\"%s\" <%s>\r\n", tidied.p, address);
	else {
		encoded_words(into, buf_str(&tidied));
		buf_addf(into, "\r\n <%s>\r\n", address);
	}
	if (tidied.fault)
		into->fault = tidied.fault;
}

/* RFC 5322 3.3, in UTC. */
static void header_date(struct buf *into, int64_t ms)
{
	static const char *const days[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int64_t day = ms / STAMP_DAY_MS, rest = ms % STAMP_DAY_MS;
	int year, month, mday;

	stamp_civil(ms, &year, &month, &mday);
	buf_addf(into, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[day % 7], mday,
		 months[month - 1], year, (int)(rest / STAMP_HOUR_MS),
		 (int)(rest / STAMP_MINUTE_MS % 60), (int)(rest / STAMP_SECOND_MS % 60));
}

/* --- bodies ------------------------------------------------------------------------------- */

/* Quoted-printable (RFC 2045 6.7), lines ended by CRLF. */
static void quoted(struct buf *into, struct str s)
{
	size_t column = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool last = i + 1 == s.len || s.p[i + 1] == '\n' || s.p[i + 1] == '\r';
		bool bare = (c > ' ' && c <= '~' && c != '=') || (c == ' ' && !last);

		if (c == '\r' && i + 1 < s.len && s.p[i + 1] == '\n')
			continue;
		if (c == '\n') {
			buf_add_text(into, "\r\n");
			column = 0;
			continue;
		}
		if (column + (bare ? 1 : 3) >= LINE_MOST) {
			buf_add_text(into, "=\r\n");
			column = 0;
		}
		if (bare)
			buf_add_char(into, (char)c);
		else
			buf_addf(into, "=%02X", c);
		column += bare ? 1 : 3;
	}
	if (column)
		buf_add_text(into, "\r\n");
}

static void part(struct buf *into, const char *type, struct str body)
{
	buf_addf(into,
		 "--" BOUNDARY "\r\nContent-Type: text/%s; charset=UTF-8\r\n"
		 "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
		 type);
	quoted(into, body);
}

static int check_letter(const struct mail_letter *l, struct err *err)
{
	const struct {
		const char *name, *address;
	} fields[] = { { "from", l->from }, { "to", l->to }, { "reply_to", l->reply_to } };

	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if ((fields[i].address || i < 2) && !mail_address_ok(str_of(fields[i].address)))
			return err_set(err, ERR_INVALID_VALUE,
				       "%s of the letter is no mail address", fields[i].name);
	if (!l->id || !is_plain(str_of(l->id), " <>") || !strchr(l->id, '@'))
		return err_set(err, ERR_INVALID_VALUE, "the letter's id is none");
	if (l->language && !is_plain(str_of(l->language), " <>:"))
		return err_set(err, ERR_INVALID_VALUE, "the letter's language is none");
	return 0;
}

int mail_compose(const struct mail_letter *l, struct buf *into, struct err *err)
{
	int r = check_letter(l, err);

	if (r < 0)
		return r;
	header_address(into, "From", l->from_name, l->from);
	header_address(into, "To", l->to_name, l->to);
	if (l->reply_to)
		header_address(into, "Reply-To", NULL, l->reply_to);
	header_text(into, "Subject", l->subject);
	header_date(into, l->date_ms);
	buf_addf(into, "Message-ID: <%s>\r\n", l->id);
	if (l->language)
		buf_addf(into, "Content-Language: %s\r\n", l->language);
	/* RFC 3834, and what Exchange looks at: nobody's holiday answers us */
	buf_add_text(into, "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n"
			   "MIME-Version: 1.0\r\nContent-Type: multipart/alternative; "
			   "boundary=\"" BOUNDARY "\"\r\n\r\n");
	part(into, "plain", l->text);
	if (l->html.len)
		part(into, "html", l->html);
	buf_add_text(into, "--" BOUNDARY "--\r\n");
	return buf_fault(into, err, "a letter");
}

/* --- sending ------------------------------------------------------------------------------ */

struct mail {
	CURL *easy;
	char *url, *ca_file, *login;
	struct secret password;
	enum mail_tls tls;
	int64_t timeout_ms;
	bool (*stop)(void *ctx);
	void *stop_ctx;
	char says[CURL_ERROR_SIZE];
	char server[300];
};

/* One letter on its way. */
struct sending {
	struct mail *m;
	const struct buf *bytes;
	size_t at;
	bool (*before_body)(void *ctx);
	void *ctx;
	bool begun, held;
};

static bool is_loopback(const char *server)
{
	return str_starts(str_of(server), STR("127.")) ||
	       str_starts(str_of(server), STR("[::1]")) ||
	       str_eq(str_of(server), STR("localhost")) ||
	       str_starts(str_of(server), STR("localhost:"));
}

int mail_new(struct mail **ret, const struct mail_options *o, const struct secret *password,
	     struct err *err)
{
	CLEANUP(mail_free_at) struct mail *m = calloc(1, sizeof(*m));
	CLEANUP(buf_done) struct buf url;
	int r = m ? httpc_start(err) : err_nomem(err);

	buf_init(&url, 1000);
	if (r < 0)
		return r;
	if (o->tls == MAIL_PLAIN && !is_loopback(o->server))
		return err_set(
			err, ERR_CONFIG,
			"mail server %.200s: without TLS only an address of this machine "
			"is spoken to",
			o->server);
	buf_addf(&url, "%s://%s", o->tls == MAIL_TLS ? "smtps" : "smtp", o->server);
	m->tls = o->tls;
	m->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS;
	m->stop = o->stop;
	m->stop_ctx = o->stop_ctx;
	(void)snprintf(m->server, sizeof(m->server), "mail server %.200s", o->server);
	m->url = buf_take(&url, NULL);
	m->ca_file = o->ca_file ? str_dup(str_of(o->ca_file)) : NULL;
	m->login = o->login ? str_dup(str_of(o->login)) : NULL;
	m->easy = curl_easy_init();
	if (!m->url || (o->ca_file && !m->ca_file) || (o->login && !m->login) || !m->easy)
		return err_nomem(err);
	if (password && password->len)
		r = secret_copy(&m->password, password, err);
	if (r < 0)
		return r;
	*ret = TAKE(m);
	return 0;
}

void mail_free(struct mail *m)
{
	if (!m)
		return;
	if (m->easy)
		curl_easy_cleanup(m->easy);
	secret_done(&m->password);
	free(m->url);
	free(m->ca_file);
	free(m->login);
	free(m);
}

/* curl asks for the body's next bytes: the first time the server said 354. */
static size_t on_read(char *into, size_t size, size_t n, void *arg)
{
	struct sending *s = arg;
	size_t room = size * n, left = s->bytes->len - s->at;

	if (!s->begun && s->before_body && !s->before_body(s->ctx)) {
		s->held = true;
		return CURL_READFUNC_ABORT;
	}
	s->begun = true;
	if (left > room)
		left = room;
	memcpy(into, s->bytes->p + s->at, left);
	s->at += left;
	return left;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct sending *s = arg;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return !s->begun && s->m->stop && s->m->stop(s->m->stop_ctx);
}

/* What the server answers is read by nobody but curl. */
static size_t on_write(char *p, size_t size, size_t n, void *arg)
{
	(void)p;
	(void)arg;
	return size * n;
}

#define SET(option, value)                                                                     \
	do {                                                                                   \
		if (rc == CURLE_OK)                                                            \
			rc = curl_easy_setopt(m->easy, option, value);                         \
	} while (0)

static CURLcode set_server(struct mail *m)
{
	CURLcode rc = CURLE_OK;

	curl_easy_reset(m->easy); /* the connection stays */
	SET(CURLOPT_URL, m->url);
	SET(CURLOPT_PROTOCOLS_STR, m->tls == MAIL_TLS ? "smtps" : "smtp");
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_USE_SSL,
	    m->tls == MAIL_PLAIN ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (m->ca_file)
		SET(CURLOPT_CAINFO, m->ca_file);
	if (m->login) {
		SET(CURLOPT_USERNAME, m->login);
		SET(CURLOPT_PASSWORD, secret_text(&m->password));
	}
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	SET(CURLOPT_TIMEOUT_MS, (long)m->timeout_ms);
	SET(CURLOPT_ERRORBUFFER, m->says);
	return rc;
}

static CURLcode set_letter(struct mail *m, const struct mail_letter *l, struct sending *s,
			   const struct curl_slist *to)
{
	CURLcode rc = CURLE_OK;

	SET(CURLOPT_MAIL_FROM, l->from);
	SET(CURLOPT_MAIL_RCPT, to);
	SET(CURLOPT_UPLOAD, 1L);
	SET(CURLOPT_READFUNCTION, on_read);
	SET(CURLOPT_READDATA, s);
	SET(CURLOPT_WRITEFUNCTION, on_write);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, s);
	SET(CURLOPT_NOPROGRESS, 0L);
	return rc;
}

/* What an end without success means for the letter. code: the server's last answer, 0 none. */
static enum mail_answer meaning(const struct sending *s, CURLcode rc, long code)
{
	bool whole = s->begun && s->at == s->bytes->len;

	if (s->held)
		return MAIL_LATER;
	/* 354 was the last word: without its end dot no server may keep a letter (RFC 5321
	 * 4.1.1.4), and where writing failed the dot did not leave */
	if (s->begun && code < 400)
		return whole && rc != CURLE_SEND_ERROR ? MAIL_MAYBE : MAIL_LATER;
	if (rc == CURLE_LOGIN_DENIED || rc == CURLE_USE_SSL_FAILED || code < 400 || code == 421)
		return MAIL_AWAY;
	if (rc != CURLE_SEND_ERROR && !s->begun)
		return MAIL_AWAY; /* refused before anybody was named */
	return code >= 500 ? MAIL_REFUSED : MAIL_LATER;
}

static int tell(const struct sending *s, CURLcode rc, struct err *err)
{
	static const char *const whats[] = {
		[MAIL_AWAY] = "cannot be used",
		[MAIL_LATER] = "puts the letter off",
		[MAIL_REFUSED] = "refuses the letter",
		[MAIL_MAYBE] = "was given the letter and did not say whether it took it",
	};
	struct mail *m = s->m;
	enum mail_answer answer;
	long code = 0;

	curl_easy_getinfo(m->easy, CURLINFO_RESPONSE_CODE, &code);
	answer = meaning(s, rc, code);
	if (s->held)
		(void)err_set(err, ERR_UNAVAILABLE, "%s: the letter was not begun", m->server);
	else
		(void)err_set(err, answer == MAIL_REFUSED ? ERR_REMOTE : ERR_NETWORK,
			      "%s %s: %s", m->server, whats[answer],
			      m->says[0] ? m->says : curl_easy_strerror(rc));
	return answer;
}

static void slist_free(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

int mail_send(struct mail *m, const struct mail_letter *letter, bool (*before_body)(void *ctx),
	      void *ctx, struct err *err)
{
	CLEANUP(slist_free) struct curl_slist *to = NULL;
	CLEANUP(buf_done) struct buf bytes;
	struct sending s = { .m = m, .bytes = &bytes, .before_body = before_body, .ctx = ctx };
	CURLcode rc;
	int r;

	buf_init(&bytes, MAIL_LETTER_MAX);
	r = mail_compose(letter, &bytes, err);
	if (r < 0)
		return r;
	to = curl_slist_append(NULL, letter->to);
	if (!to)
		return err_nomem(err);
	m->says[0] = '\0';
	rc = set_server(m);
	if (rc == CURLE_OK)
		rc = set_letter(m, letter, &s, to);
	if (rc != CURLE_OK)
		return rc == CURLE_OUT_OF_MEMORY ? err_nomem(err)
						 : err_set(err, ERR_INTERNAL, "%s: libcurl: %s",
							   m->server, curl_easy_strerror(rc));
	rc = curl_easy_perform(m->easy);
	if (rc == CURLE_OUT_OF_MEMORY && !s.begun)
		return err_nomem(err);
	return rc == CURLE_OK ? 0 : tell(&s, rc, err);
}
