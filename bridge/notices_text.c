#include "bridge/notices_text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/stamp.h"
#include "base/template.h"
#include "base/vec.h"

#define LANGUAGE_BYTES 36 /* RFC 5646 4.4.1: 35 characters hold every tag in use */

const char *const notice_kind_words[] = {
	[NOTICE_WARN] = "warn",       [NOTICE_COPY] = "copy",     [NOTICE_TAKEN] = "taken",
	[NOTICE_DIGEST] = "digest",   [NOTICE_ALERT] = "alert",   [NOTICE_TEST] = "test",
	[NOTICE_ACCOUNT] = "account", [NOTICE_KIND_COUNT] = NULL,
};

const char *const notice_value_names[] = {
	[SAY_FIRST_NAME] = "first_name",
	[SAY_NAME] = "name",
	[SAY_EMAIL] = "email",
	[SAY_PRODUCT] = "product",
	[SAY_SITE] = "site",
	[SAY_ORGANISATION] = "organisation",
	[SAY_INSTANCE] = "instance",
	[SAY_UNTIL] = "until",
	[SAY_DAYS] = "days",
	[SAY_KEEP_LINK] = "keep_link",
	[SAY_AGAIN_LINK] = "again_link",
	[SAY_CONTACT] = "contact",
	[SAY_RULE] = "rule",
	[SAY_PLAN] = "plan",
	[SAY_DATE] = "date",
	[SAY_COUNT] = "count",
	[SAY_ITEMS] = "items",
	[SAY_COUNT_ALL] = NULL,
};

/* --- our own words -------------------------------------------------------------------------
 */

static const struct {
	enum notice_kind kind;
	const char *language, *text;
} own[] = {
	{ NOTICE_WARN, "en",
	  "Subject: {{#until}}Your {{product}} licence on {{site}} ends after {{until}}"
	  "{{/until}}{{^until}}You have not used {{product}} on {{site}} for a "
	  "while{{/until}}\n"
	  "\n"
	  "Hello{{#first_name}} {{first_name}}{{/first_name}},\n"
	  "\n"
	  "you have not used {{product}} on {{site}} for a while. Licences are limited: one "
	  "that "
	  "is not used goes to somebody who needs it.\n"
	  "{{#until}}\n"
	  "\n"
	  "Do you still need it? Then just use {{product}} until {{until}}. That is enough; "
	  "there is nothing else to do.\n"
	  "{{/until}}\n"
	  "{{#keep_link}}\n"
	  "\n"
	  "You can also keep it without signing in:\n"
	  "\n"
	  "[Keep my licence]({{keep_link}})\n"
	  "{{/keep_link}}\n"
	  "{{#until}}\n"
	  "\n"
	  "If you do not need it, you need not do anything. Your licence then ends after "
	  "{{until}}. Nothing that you made is deleted, and your account stays.\n"
	  "{{/until}}\n"
	  "{{#contact}}\n"
	  "\n"
	  "Questions? {{contact}}\n"
	  "{{/contact}}\n" },
	{ NOTICE_WARN, "de",
	  "Subject: {{#until}}Ihre Lizenz für {{product}} auf {{site}} endet nach dem {{until}}"
	  "{{/until}}{{^until}}Sie haben {{product}} auf {{site}} länger nicht genutzt"
	  "{{/until}}\n"
	  "\n"
	  "Guten Tag{{#name}} {{name}}{{/name}},\n"
	  "\n"
	  "Sie haben {{product}} auf {{site}} seit längerer Zeit nicht genutzt. Lizenzen sind "
	  "begrenzt: Eine ungenutzte geht an jemanden, der sie braucht.\n"
	  "{{#until}}\n"
	  "\n"
	  "Brauchen Sie sie noch? Dann nutzen Sie {{product}} einfach bis zum {{until}}. Das "
	  "genügt, mehr ist nicht zu tun.\n"
	  "{{/until}}\n"
	  "{{#keep_link}}\n"
	  "\n"
	  "Sie können die Lizenz auch ohne Anmeldung behalten:\n"
	  "\n"
	  "[Lizenz behalten]({{keep_link}})\n"
	  "{{/keep_link}}\n"
	  "{{#until}}\n"
	  "\n"
	  "Brauchen Sie sie nicht mehr, so müssen Sie nichts tun. Die Lizenz endet dann nach "
	  "dem {{until}}. Nichts von dem, was Sie angelegt haben, wird gelöscht, und Ihr Konto "
	  "bleibt bestehen.\n"
	  "{{/until}}\n"
	  "{{#contact}}\n"
	  "\n"
	  "Fragen? {{contact}}\n"
	  "{{/contact}}\n" },
	{ NOTICE_ACCOUNT, "en",
	  "Subject: {{#until}}Your access to {{organisation}} ends after {{until}}{{/until}}"
	  "{{^until}}You have not used {{organisation}} for a while{{/until}}\n"
	  "\n"
	  "Hello{{#first_name}} {{first_name}}{{/first_name}},\n"
	  "\n"
	  "you have not used your Atlassian account of {{organisation}} for a while.\n"
	  "{{#until}}\n"
	  "\n"
	  "Do you still need it? Then just sign in and use it until {{until}}. That is "
	  "enough; there is nothing else to do.\n"
	  "\n"
	  "If you do not need it, you need not do anything. Your access then ends after "
	  "{{until}}. Nothing that you made is deleted.\n"
	  "{{/until}}\n"
	  "{{#contact}}\n"
	  "\n"
	  "Questions? {{contact}}\n"
	  "{{/contact}}\n" },
	{ NOTICE_ACCOUNT, "de",
	  "Subject: {{#until}}Ihr Zugang zu {{organisation}} endet nach dem {{until}}{{/until}}"
	  "{{^until}}Sie haben {{organisation}} länger nicht genutzt{{/until}}\n"
	  "\n"
	  "Guten Tag{{#name}} {{name}}{{/name}},\n"
	  "\n"
	  "Sie haben Ihr Atlassian-Konto von {{organisation}} seit längerer Zeit nicht "
	  "genutzt.\n"
	  "{{#until}}\n"
	  "\n"
	  "Brauchen Sie es noch? Dann melden Sie sich bis zum {{until}} einmal an und nutzen "
	  "es. Das genügt, mehr ist nicht zu tun.\n"
	  "\n"
	  "Brauchen Sie es nicht mehr, so müssen Sie nichts tun. Der Zugang endet dann nach "
	  "dem {{until}}. Nichts von dem, was Sie angelegt haben, wird gelöscht.\n"
	  "{{/until}}\n"
	  "{{#contact}}\n"
	  "\n"
	  "Fragen? {{contact}}\n"
	  "{{/contact}}\n" },
	{ NOTICE_COPY, "en",
	  "Subject: {{name}} was told that {{#product}}a {{product}} licence{{/product}}"
	  "{{^product}}an account{{/product}} is unused\n"
	  "\n"
	  "Hello,\n"
	  "\n"
	  "{{name}} has not used {{#product}}{{product}} on {{site}}{{/product}}{{^product}}"
	  "their account of {{organisation}}{{/product}} for a while and was told so today."
	  "{{#until}} If that stays so, {{#product}}the licence{{/product}}{{^product}}its "
	  "access{{/product}} ends after {{until}}; nothing is deleted{{#product}}, and the "
	  "account stays{{/product}}.{{/until}}\n"
	  "\n"
	  "You receive this because you are named as manager or sponsor. There is nothing that "
	  "you must do. If {{name}} still needs {{#product}}{{product}}{{/product}}{{^product}}"
	  "it{{/product}}, a reminder to use it helps.\n"
	  "{{#contact}}\n"
	  "\n"
	  "Questions? {{contact}}\n"
	  "{{/contact}}\n" },
	{ NOTICE_COPY, "de",
	  "Subject: Hinweis an {{name}}: {{#product}}ungenutzte Lizenz für {{product}}"
	  "{{/product}}{{^product}}ungenutztes Konto{{/product}}\n"
	  "\n"
	  "Guten Tag,\n"
	  "\n"
	  "{{name}} hat {{#product}}{{product}} auf {{site}}{{/product}}{{^product}}das Konto "
	  "von {{organisation}}{{/product}} seit längerer Zeit nicht genutzt und wurde "
	  "heute darauf hingewiesen.{{#until}} Bleibt es dabei, endet {{#product}}die Lizenz"
	  "{{/product}}{{^product}}der Zugang{{/product}} nach dem "
	  "{{until}}. Gelöscht wird nichts{{#product}}, und das Konto bleibt bestehen"
	  "{{/product}}.{{/until}}\n"
	  "\n"
	  "Sie erhalten diese Nachricht, weil Sie als Führungskraft oder Ansprechperson "
	  "eingetragen sind. Sie müssen nichts tun. Wird {{#product}}{{product}}{{/product}}"
	  "{{^product}}es{{/product}} noch gebraucht, hilft ein "
	  "kurzer Hinweis.\n"
	  "{{#contact}}\n"
	  "\n"
	  "Fragen? {{contact}}\n"
	  "{{/contact}}\n" },
	{ NOTICE_TAKEN, "en",
	  "Subject: Your {{product}} licence on {{site}} has ended\n"
	  "\n"
	  "Hello{{#first_name}} {{first_name}}{{/first_name}},\n"
	  "\n"
	  "your {{product}} licence on {{site}} has ended because it was not used. Nothing "
	  "that "
	  "you made was deleted, and your account stays.\n"
	  "\n"
	  "Do you need it again? Then ask for it until {{until}}:\n"
	  "\n"
	  "[Ask for my licence]({{again_link}})\n"
	  "{{#contact}}\n"
	  "\n"
	  "Questions? {{contact}}\n"
	  "{{/contact}}\n" },
	{ NOTICE_TAKEN, "de",
	  "Subject: Ihre Lizenz für {{product}} auf {{site}} ist beendet\n"
	  "\n"
	  "Guten Tag{{#name}} {{name}}{{/name}},\n"
	  "\n"
	  "Ihre Lizenz für {{product}} auf {{site}} ist beendet, weil sie nicht genutzt wurde. "
	  "Nichts von dem, was Sie angelegt haben, wurde gelöscht, und Ihr Konto bleibt "
	  "bestehen.\n"
	  "\n"
	  "Brauchen Sie sie wieder? Dann bitten Sie bis zum {{until}} darum:\n"
	  "\n"
	  "[Um die Lizenz bitten]({{again_link}})\n"
	  "{{#contact}}\n"
	  "\n"
	  "Fragen? {{contact}}\n"
	  "{{/contact}}\n" },
	{ NOTICE_DIGEST, "en",
	  "Subject: leaverd {{instance}}: {{#count}}{{count}} to look at{{/count}}{{^count}}"
	  "nothing waits for you{{/count}} ({{date}})\n"
	  "\n"
	  "{{#items}}\n"
	  "{{items}}\n"
	  "{{/items}}\n"
	  "{{^items}}\n"
	  "Nothing waits for a person today.\n"
	  "{{/items}}\n" },
	{ NOTICE_DIGEST, "de",
	  "Subject: leaverd {{instance}}: {{#count}}{{count}} offen{{/count}}{{^count}}nichts "
	  "offen{{/count}} ({{date}})\n"
	  "\n"
	  "{{#items}}\n"
	  "{{items}}\n"
	  "{{/items}}\n"
	  "{{^items}}\n"
	  "Heute wartet nichts auf eine Entscheidung.\n"
	  "{{/items}}\n" },
	{ NOTICE_ALERT, "en",
	  "Subject: leaverd {{instance}}: {{organisation}}\n"
	  "\n"
	  "{{items}}\n" },
	{ NOTICE_ALERT, "de",
	  "Subject: leaverd {{instance}}: {{organisation}}\n"
	  "\n"
	  "{{items}}\n" },
	{ NOTICE_TEST, "en",
	  "Subject: leaverd {{instance}}: a test\n"
	  "\n"
	  "This is a test. leaverd can reach you on this way. Umlauts: äöüß.\n" },
	{ NOTICE_TEST, "de",
	  "Subject: leaverd {{instance}}: ein Test\n"
	  "\n"
	  "Dies ist ein Test. leaverd erreicht Sie auf diesem Weg. Umlaute: äöüß.\n" },
};

/* --- the table -----------------------------------------------------------------------------
 */

struct words {
	enum notice_kind kind;
	char language[LANGUAGE_BYTES];
	struct template *subject, *text, *html; /* html NULL: made of the text */
};
VEC(vec_words, struct words);

struct notice_texts {
	struct vec_words v; /* later ones take the place of earlier ones */
	char fallback[LANGUAGE_BYTES];
	void (*fault)(void *ctx, const char *text);
	void *ctx;
};

void notice_texts_free(struct notice_texts *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->v.n; i++) {
		template_free(t->v.v[i].subject);
		template_free(t->v.v[i].text);
		template_free(t->v.v[i].html);
	}
	vec_words_done(&t->v);
	free(t);
}

static struct words *words_of(const struct notice_texts *t, enum notice_kind kind,
			      struct str language)
{
	for (size_t i = 0; i < t->v.n; i++)
		if (t->v.v[i].kind == kind && str_ieq(str_of(t->v.v[i].language), language))
			return &t->v.v[i];
	return NULL;
}

static int words_make(struct notice_texts *t, enum notice_kind kind, const char *language,
		      struct words **ret, struct err *err)
{
	struct words fresh = { .kind = kind };

	*ret = words_of(t, kind, str_of(language));
	if (*ret)
		return 0;
	(void)snprintf(fresh.language, sizeof(fresh.language), "%s", language);
	if (vec_words_add(&t->v, fresh) < 0)
		return err_nomem(err);
	*ret = &t->v.v[t->v.n - 1];
	return 0;
}

static void tell(const struct notice_texts *t, const char *file, size_t line, size_t column,
		 const char *text)
{
	char says[ERR_TEXT_BYTES];

	(void)snprintf(says, sizeof(says), "%s:%zu:%zu: %s", file, line, column, text);
	if (t->fault)
		t->fault(t->ctx, says);
}

/* One template at an offset of a file, its faults counted from the file's beginning. */
static int piece(struct notice_texts *t, const char *file, struct str all, size_t from,
		 size_t to, struct template **ret, struct err *err)
{
	struct template *fresh = NULL;
	struct template_place at = { 0 };
	struct err why = { 0 };
	size_t lines = 0, column = 0;
	const char *says;
	int r = template_parse(&fresh, str_n(all.p + from, to - from), notice_value_names, &at,
			       &why);

	if (r == 0) {
		template_free(*ret);
		*ret = fresh;
		return 0;
	}
	if (r == -ERR_NOMEM)
		return err_nomem(err);
	for (size_t i = 0; i < from; i++) {
		lines += all.p[i] == '\n';
		column = all.p[i] == '\n' ? 0 : column + 1;
	}
	says = r == -ERR_INVALID_SYNTAX ? strstr(why.text, ": ") : NULL;
	tell(t, file, lines + (at.line ? at.line : 1),
	     (at.line <= 1 ? column : 0) + (at.column ? at.column : 1),
	     says ? says + 2 : why.text);
	return 0;
}

/* "Subject: ..." in the first line, an empty one, the text. */
static int text_file(struct notice_texts *t, const char *file, struct words *w, struct str all,
		     struct err *err)
{
	static const char head[] = "Subject:";
	size_t line = str_find(all, '\n'), body = line + 1, from = sizeof(head) - 1;
	int r;

	if (!str_istarts(all, str_of(head))) {
		tell(t, file, 1, 1, "the first line is to begin with \"Subject:\"");
		return 0;
	}
	if (line < all.len && body < all.len && all.p[body] == '\r')
		body++;
	if (line == all.len || body >= all.len || all.p[body] != '\n') {
		tell(t, file, 2, 1, "an empty line is to stand between subject and text");
		return 0;
	}
	while (from < line && all.p[from] == ' ')
		from++;
	r = piece(t, file, all, from, line, &w->subject, err);
	return r == 0 ? piece(t, file, all, body + 1, all.len, &w->text, err) : r;
}

static int own_add(struct notice_texts *t, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < COUNT_OF(own); i++) {
		struct words *w = NULL;

		r = words_make(t, own[i].kind, own[i].language, &w, err);
		if (r == 0)
			r = text_file(t, "built in", w, str_of(own[i].text), err);
	}
	return r;
}

/* --- a folder of one's own -----------------------------------------------------------------
 */

static bool kind_of(struct str word, enum notice_kind *ret)
{
	for (int i = 0; notice_kind_words[i]; i++)
		if (str_eq(word, str_of(notice_kind_words[i]))) {
			*ret = (enum notice_kind)i;
			return true;
		}
	return false;
}

static bool language_ok(struct str s)
{
	if (s.len < 2 || s.len >= LANGUAGE_BYTES)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!((s.p[i] | 32) >= 'a' && (s.p[i] | 32) <= 'z') && s.p[i] != '-' &&
		    !(s.p[i] >= '0' && s.p[i] <= '9'))
			return false;
	return true;
}

static int file_read(const char *path, struct buf *into, struct err *err)
{
	CLEANUP(fd_close_at) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char piece[4096];
	ssize_t n;

	if (fd < 0)
		return err_errno(err, ERR_IO, errno, "opening it");
	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buf_add(into, piece, (size_t)n);
	if (n < 0)
		return err_errno(err, ERR_IO, errno, "reading it");
	return buf_fault(into, err, "a template");
}

/* KIND.LANGUAGE.txt or .html; other files are none of ours. */
static int folder_file(struct notice_texts *t, const char *folder, const char *name,
		       struct err *err)
{
	struct str rest = str_of(name), kind_word, language, form;
	char path[4096], tag[LANGUAGE_BYTES];
	CLEANUP(buf_done) struct buf all;
	struct words *w = NULL;
	enum notice_kind kind;
	struct err why = { 0 };
	int r;

	buf_init(&all, TEMPLATE_MAX_BYTES);
	if (!str_cut(rest, '.', &kind_word, &rest) || !str_cut(rest, '.', &language, &form) ||
	    (!str_eq(form, STR("txt")) && !str_eq(form, STR("html"))))
		return 0;
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (!kind_of(kind_word, &kind) || !language_ok(language)) {
		tell(t, path, 1, 1,
		     "a template is called KIND.LANGUAGE.txt or .html, with a kind of warn, "
		     "copy, digest, alert, test and a language such as de");
		return 0;
	}
	r = file_read(path, &all, &why);
	if (r < 0) {
		tell(t, path, 1, 1, why.text);
		return r == -ERR_NOMEM ? err_nomem(err) : 0;
	}
	(void)snprintf(tag, sizeof(tag), STR_FMT, STR_ARG(language));
	r = words_make(t, kind, tag, &w, err);
	if (r < 0)
		return r;
	if (str_eq(form, STR("txt")))
		return text_file(t, path, w, buf_str(&all), err);
	return piece(t, path, buf_str(&all), 0, all.len, &w->html, err);
}

static int folder_add(struct notice_texts *t, const char *folder, struct err *err)
{
	struct dirent *e;
	DIR *d = opendir(folder);
	int r = 0;

	if (!d) {
		tell(t, folder, 1, 1, strerror(errno));
		return 0;
	}
	while (r == 0 && (e = readdir(d)))
		r = folder_file(t, folder, e->d_name, err);
	closedir(d);
	return r;
}

/* HTML alone is half a letter; without any text there is nothing to fall back on. */
static void check_whole(const struct notice_texts *t, const char *folder)
{
	for (size_t i = 0; i < t->v.n; i++) {
		const struct words *w = &t->v.v[i];
		char says[120];

		if (w->text && w->subject)
			continue;
		(void)snprintf(says, sizeof(says), "%s.%s.txt is missing or wrong",
			       notice_kind_words[w->kind], w->language);
		tell(t, folder ? folder : "built in", 1, 1, says);
	}
}

int notice_texts_new(struct notice_texts **ret, const char *folder, const char *fallback,
		     void (*fault)(void *ctx, const char *text), void *ctx, struct err *err)
{
	CLEANUP(notice_texts_free_at) struct notice_texts *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return err_nomem(err);
	t->fault = fault;
	t->ctx = ctx;
	(void)snprintf(t->fallback, sizeof(t->fallback), "%s", fallback ? fallback : "en");
	r = own_add(t, err);
	if (r == 0 && folder)
		r = folder_add(t, folder, err);
	if (r < 0)
		return r;
	check_whole(t, folder);
	t->fault = NULL;
	*ret = TAKE(t);
	return 0;
}

/* --- choosing and filling ------------------------------------------------------------------
 */

bool notice_has_language(const struct notice_texts *t, const char *language)
{
	for (size_t i = 0; i < t->v.n; i++)
		if (str_ieq(str_of(t->v.v[i].language), str_of(language)))
			return true;
	return false;
}

/* RFC 4647 3.4: the tag, then shorter and shorter. "de_DE" and "de-DE;q=0.8" are seen too. */
const char *notice_language(const struct notice_texts *t, enum notice_kind kind,
			    const char *tag)
{
	char known[LANGUAGE_BYTES];
	struct str s = str_trim(str_of(tag));
	const struct words *w = NULL;

	s.len = str_find_any(s, ",;. ");
	(void)snprintf(known, sizeof(known), STR_FMT, STR_ARG(s));
	for (char *p = known; *p; p++)
		if (*p == '_')
			*p = '-';
	for (size_t n = strlen(known); n > 0 && !w; n--)
		if (known[n] == '\0' || known[n] == '-')
			w = words_of(t, kind, str_n(known, n));
	if (!w)
		w = words_of(t, kind, str_of(t->fallback));
	return w ? w->language : "en";
}

/* "[words](address)" alone on a line. */
static bool is_button(struct str line, struct str *words, struct str *address)
{
	struct str rest;

	line = str_trim(line);
	if (line.len < 5 || line.p[0] != '[' || line.p[line.len - 1] != ')')
		return false;
	if (!str_cut(str_n(line.p + 1, line.len - 2), ']', words, &rest) || rest.len < 2 ||
	    rest.p[0] != '(')
		return false;
	*address = str_n(rest.p + 1, rest.len - 1);
	return str_starts(*address, STR("https://")) || str_starts(*address, STR("http://"));
}

/* The text as it is sent: buttons are addresses, no three line ends in a row. */
static void plain_of(struct str filled, struct buf *into)
{
	struct str line, words, address;
	unsigned empty = 2;

	while (filled.len) {
		struct str rest = { 0 };

		(void)str_cut(filled, '\n', &line, &rest);
		filled = rest;
		if (str_trim(line).len == 0) {
			empty++;
			continue;
		}
		if (empty && into->len)
			buf_add_char(into, '\n');
		empty = 0;
		buf_add_str(into, is_button(line, &words, &address) ? address : line);
		buf_add_char(into, '\n');
	}
}

static void html_line(struct str line, bool first, struct buf *into)
{
	struct str words, address;

	if (!first)
		buf_add_text(into, "<br>\n");
	if (!is_button(line, &words, &address)) {
		template_escape(into, line);
		return;
	}
	buf_add_text(into, "<a href=\"");
	template_escape(into, address);
	buf_add_text(into,
		     "\" style=\"display:inline-block;padding:12px 20px;background:#0747a6;"
		     "color:#ffffff;text-decoration:none;border-radius:4px\">");
	template_escape(into, words);
	buf_add_text(into, "</a>");
}

static void html_of(struct str filled, const char *language, struct buf *into)
{
	struct str line;
	bool open = false;

	buf_addf(into,
		 "<!DOCTYPE html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\"><meta "
		 "name=\"viewport\" content=\"width=device-width\"></head>\n<body "
		 "style=\"font-family:sans-serif;font-size:16px;line-height:1.5;color:#172b4d;"
		 "max-width:36em;margin:1.5em\">\n",
		 language);
	while (filled.len) {
		struct str rest = { 0 };

		(void)str_cut(filled, '\n', &line, &rest);
		filled = rest;
		if (str_trim(line).len == 0) {
			buf_add_text(into, open ? "</p>\n" : "");
			open = false;
			continue;
		}
		buf_add_text(into, open ? "" : "<p>");
		html_line(line, !open, into);
		open = true;
	}
	buf_add_text(into, open ? "</p>\n</body></html>\n" : "</body></html>\n");
}

/* Characters that make a reader see a text in another order than it has (U+202A to U+202E,
 * U+2066 to U+2069): how many bytes, or 0. */
static size_t turns(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	if (s.len < 3 || p[0] != 0xe2)
		return 0;
	return (p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
			       (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)
		       ? 3
		       : 0;
}

/*
 * A value is somebody's text: it ends no line but where it is lines, and makes no link, neither
 * a button of ours nor one of a chat's own (Teams reads "[words](address)").
 */
static void value_tidy(struct str s, bool lines, struct buf *into)
{
	for (size_t i = 0; i < s.len; i++) {
		size_t skip = turns(str_n(s.p + i, s.len - i));

		if (skip) {
			i += skip - 1;
			continue;
		}
		buf_add_char(into, s.p[i] == '\n' && !lines ? ' ' : s.p[i]);
		if (s.p[i] == ']' && i + 1 < s.len && s.p[i + 1] == '(')
			buf_add_char(into, ' ');
	}
}

static int values_tidy(const struct notice_values *values, struct buf *hold,
		       struct notice_values *ret, struct err *err)
{
	size_t at[SAY_COUNT_ALL + 1] = { 1 };
	int r;

	buf_add_char(hold, ' '); /* so that there is something to point to */
	for (int i = 0; i < SAY_COUNT_ALL; i++) {
		value_tidy(values->v[i], i == SAY_ITEMS, hold);
		at[i + 1] = hold->len;
	}
	r = buf_fault(hold, err, "what a notice says");
	for (int i = 0; r == 0 && i < SAY_COUNT_ALL; i++)
		ret->v[i] = str_n(hold->p + at[i], at[i + 1] - at[i]);
	return r;
}

int notice_fill(const struct notice_texts *t, enum notice_kind kind, const char *language,
		const struct notice_values *values, struct buf *subject, struct buf *text,
		struct buf *html, struct err *err)
{
	const struct words *w = words_of(t, kind, str_of(language));
	CLEANUP(buf_done) struct buf filled, hold;
	struct notice_values tidy = { 0 };
	int r;

	buf_init(&filled, NOTICE_TEXT_MAX);
	buf_init(&hold, NOTICE_TEXT_MAX);
	if (!w || !w->text || !w->subject)
		return err_set(err, ERR_CONFIG, "there is no template %s in language %s",
			       notice_kind_words[kind], language);
	r = values_tidy(values, &hold, &tidy, err);
	if (r < 0)
		return r;
	template_fill(w->subject, tidy.v, TEMPLATE_PLAIN, subject);
	template_fill(w->text, tidy.v, TEMPLATE_PLAIN, &filled);
	plain_of(buf_str(&filled), text);
	if (w->html)
		template_fill(w->html, tidy.v, TEMPLATE_HTML, html);
	else
		html_of(buf_str(&filled), w->language, html);
	r = buf_fault(&filled, err, "a notice");
	if (r == 0)
		r = buf_fault(subject, err, "a notice's subject");
	if (r == 0)
		r = buf_fault(text, err, "a notice's text");
	return r == 0 ? buf_fault(html, err, "a notice's HTML") : r;
}

void notice_date(int64_t ms, int offset_s, const char *language, char ret[64])
{
	static const char *const days[] = { "Thursday", "Friday",  "Saturday", "Sunday",
					    "Monday",   "Tuesday", "Wednesday" };
	static const char *const months[2][12] = {
		{ "January", "February", "March", "April", "May", "June", "July", "August",
		  "September", "October", "November", "December" },
		{ "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August",
		  "September", "Oktober", "November", "Dezember" },
	};
	int64_t local = ms + offset_s * STAMP_SECOND_MS;
	bool german = str_istarts(str_of(language), STR("de"));
	bool english = str_istarts(str_of(language), STR("en"));
	int year, month, day;

	stamp_civil(local, &year, &month, &day);
	if (german)
		(void)snprintf(ret, 64, "%d. %s %d", day, months[1][month - 1], year);
	else if (english)
		(void)snprintf(ret, 64, "%s, %d %s %d", days[local / STAMP_DAY_MS % 7], day,
			       months[0][month - 1], year);
	else
		(void)snprintf(ret, 64, "%04d-%02d-%02d", year, month, day);
}
