#include "bridge/config_notices.h"

#include <ctype.h>

#include "bridge/config.h"
#include "bridge/notices_text.h"
#include "net/mail.h"

static const char *const tls_words[] = { "starttls", "tls", "none", NULL };
static const char *const copy_words[] = { "none", "manager", "sponsor", "both", NULL };
static const char *const approve_words[] = { "person", "rule", NULL };
static const char *const per_words[] = { "plan", "action", NULL };
static const char *const form_words[] = { "json", "slack", "teams", NULL };
const char *const config_tells_words[] = { "warn",    "held",  "source", "keys",
					   "overdue", "tiers", "digest", NULL };

/* clang-format off */
#define ROW(n, t, st, f, ...) { .name = n, .type = t, .offset = offsetof(struct st, f), __VA_ARGS__ }
#define WITHIN(l, m) .least = (l), .most = (m)
#define SECONDS(n) ((n) * 1000LL)
#define DAYS(n) ((n) * 86400000LL)

static const struct conf_key mail_keys[] = {
	ROW("server", CONF_TEXT, config_mail, server,
	    .help = "host and port of the mail server, such as smtp.example.com:587; left out: no mail"),
	ROW("tls", CONF_ENUM, config_mail, tls, .preset = "starttls", .words = tls_words,
	    .help = "starttls, tls (port 465), or none, which only a server on this machine may have"),
	ROW("ca_file", CONF_PATH, config_mail, ca_file,
	    .help = "PEM file of a private certificate authority, beside the system's"),
	ROW("login", CONF_TEXT, config_mail, login, .help = "who logs in there; left out: nobody"),
	ROW("password", CONF_SECRET, config_mail, password,
	    .help = "name of the secret that holds the login's password"),
	ROW("from", CONF_TEXT, config_mail, from, .help = "the sender's address"),
	ROW("from_name", CONF_TEXT, config_mail, from_name, .help = "the sender's name"),
	ROW("reply_to", CONF_TEXT, config_mail, reply_to, .help = "where answers go; left out: to the sender"),
	ROW("per_minute", CONF_INT, config_mail, per_minute, .preset = "60", WITHIN(1, 6000),
	    .help = "letters a minute, at most"),
	ROW("timeout", CONF_MS, config_mail, timeout_ms, .preset = "60s", WITHIN(SECONDS(1), SECONDS(600)),
	    .help = "for one letter"),
	{ 0 }
};

static const struct conf_key hook_keys[] = {
	ROW("name", CONF_TEXT, config_hook, name, .preset = "!", .help = "stands in `leaverd notices`"),
	ROW("form", CONF_ENUM, config_hook, form, .preset = "json", .words = form_words,
	    .help = "json: signed events; slack, teams: messages for an incoming webhook"),
	ROW("url", CONF_TEXT, config_hook, url,
	    .help = "where it is; http:// only on loopback addresses"),
	ROW("url_secret", CONF_SECRET, config_hook, url_secret,
	    .help = "instead of url: name of the secret that holds it, for URLs that are secrets themselves"),
	ROW("key", CONF_SECRET, config_hook, key,
	    .help = "name of the secret that json is signed with (HMAC-SHA256)"),
	ROW("tells", CONF_LIST, config_hook, tells, .preset = "held, source, keys, overdue, tiers, digest", WITHIN(1, 8),
	    .help = "what it is told: warn (with names), held, source, keys, overdue, tiers, digest"),
	ROW("ca_file", CONF_PATH, config_hook, ca_file,
	    .help = "PEM file of a private certificate authority, beside the system's"),
	ROW("proxy", CONF_TEXT, config_hook, proxy, .help = "HTTP proxy on the way there"),
	ROW("per_minute", CONF_INT, config_hook, per_minute, .preset = "30", WITHIN(1, 6000),
	    .help = "messages a minute, at most"),
	{ 0 }
};

static const struct conf_key issues_keys[] = {
	ROW("name", CONF_TEXT, config_issues, name, .preset = "!", .help = "stands in `leaverd notices`"),
	ROW("site", CONF_TEXT, config_issues, site, .preset = "!",
	    .help = "host of one of an organisation's sites: issues are about its plans, made with the site's token"),
	ROW("project", CONF_TEXT, config_issues, project, .preset = "!",
	    .help = "key of the Jira project, such as OPS"),
	ROW("type", CONF_TEXT, config_issues, type, .preset = "Task", .least = 1, .most = 60,
	    .help = "name of the issue type"),
	ROW("labels", CONF_LIST, config_issues, labels, WITHIN(0, 8),
	    .help = "labels beside leaverd's own, which each issue has to be found by"),
	ROW("per", CONF_ENUM, config_issues, per, .preset = "plan", .words = per_words,
	    .help = "plan: one issue for each plan; action: one for each thing that is planned"),
	ROW("most", CONF_INT, config_issues, most, .preset = "20", WITHIN(1, 200),
	    .help = "of per: action: a plan with more actions than that has one issue"),
	ROW("done", CONF_TEXT, config_issues, done, .least = 1, .most = 60,
	    .help = "status to which what is over is moved, such as Done; left out: it is only commented"),
	ROW("per_minute", CONF_INT, config_issues, per_minute, .preset = "10", WITHIN(1, 600),
	    .help = "issues opened and closed a minute, at most"),
	{ 0 }
};

const struct conf_key config_notices_keys[] = {
	ROW("folder", CONF_PATH, config_notices, folder,
	    .help = "dry mode: every notice is written here as a file, and nothing is sent"),
	ROW("templates", CONF_PATH, config_notices, templates,
	    .help = "folder of your own texts, KIND.LANGUAGE.txt and .html: leaverd-notices(7)"),
	ROW("language", CONF_TEXT, config_notices, language, .preset = "en",
	    .help = "of admins, and of people whose record names none that there are texts in"),
	ROW("contact", CONF_TEXT, config_notices, contact,
	    .help = "whom people may ask: a sentence, address or link at the end of notices"),
	ROW("copy", CONF_ENUM, config_notices, copy, .preset = "none", .words = copy_words,
	    .help = "who is told too that somebody was warned: none, manager, sponsor, both"),
	ROW("admins", CONF_LIST, config_notices, admins, WITHIN(0, 32),
	    .help = "addresses that get the digest, and are told what waits for a person"),
	ROW("digest", CONF_TEXT, config_notices, digest, .preset = "08:00",
	    .help = "when the daily digest is sent, in the instance's zone; off: never"),
	ROW("retention", CONF_MS, config_notices, retention_ms, .preset = "30d", WITHIN(0, DAYS(400)),
	    .help = "so long receivers are kept after a notice was sent; then only that it was"),
	ROW("give_up", CONF_MS, config_notices, give_up_ms, .preset = "3d", WITHIN(SECONDS(60), DAYS(31)),
	    .help = "a notice that could not be sent for so long fails; a warning then does not count"),
	ROW("mail", CONF_SECTION, config_notices, mail, .sub = mail_keys, .sub_size = sizeof(struct config_mail),
	    .help = "mail over SMTP"),
	ROW("hooks", CONF_ITEMS, config_notices, hooks, .sub = hook_keys, .sub_size = sizeof(struct config_hook),
	    WITHIN(0, CONFIG_HOOKS_MAX), .help = "webhooks"),
	ROW("issues", CONF_ITEMS, config_notices, issues, .sub = issues_keys,
	    .sub_size = sizeof(struct config_issues), WITHIN(0, CONFIG_ISSUES_MAX),
	    .help = "issues in Jira about plans or actions"),
	{ 0 }
};

const struct conf_key config_keep_keys[] = {
	ROW("url", CONF_TEXT, config_keep, url,
	    .help = "how people reach the page, such as https://leaverd.example.com; left out: no links"),
	ROW("listen", CONF_TEXT, config_keep, listen,
	    .help = "an address and port of its own for the page; left out: the SCIM server's"),
	ROW("tls_cert", CONF_PATH, config_keep, tls_cert, .help = "PEM file: certificate of listen, and its chain"),
	ROW("tls_key", CONF_PATH, config_keep, tls_key, .help = "PEM file: the certificate's key"),
	ROW("for", CONF_MS, config_keep, for_ms, .preset = "90d", WITHIN(DAYS(1), DAYS(3650)),
	    .help = "so long a seat that was kept is left alone"),
	{ 0 }
};

const struct conf_key config_again_keys[] = {
	ROW("domains", CONF_LIST, config_again, domains, WITHIN(0, 64),
	    .help = "who may ask by a link: whose account has an address of these domains"),
	ROW("groups", CONF_LIST, config_again, groups, WITHIN(0, 64),
	    .help = "and who is in a group of that name in a source"),
	ROW("approve", CONF_ENUM, config_again, approve, .preset = "person", .words = approve_words,
	    .help = "person: somebody grants each request; rule: the plan that gives it back is made at once"),
	ROW("for", CONF_MS, config_again, for_ms, .preset = "30d", WITHIN(DAYS(1), DAYS(365)),
	    .help = "so long the link is good"),
	{ 0 }
};
/* clang-format on */

const struct config_hook *config_hook_at(const struct config_notices *n, size_t i)
{
	return i < n->hooks.n ? (const struct config_hook *)n->hooks.v + i : NULL;
}

const struct config_issues *config_issues_at(const struct config_notices *n, size_t i)
{
	return i < n->issues.n ? (const struct config_issues *)n->issues.v + i : NULL;
}

bool config_hook_tells(const struct config_hook *h, const char *what)
{
	for (size_t i = 0; i < h->tells.n; i++)
		if (!strcmp(h->tells.v[i], what))
			return true;
	return false;
}

/* --- what rows cannot say ------------------------------------------------------------------
 */

static bool url_ok(const char *url)
{
	struct str s = str_of(url);
	bool secure = str_istarts(s, STR("https://"));
	bool local = str_istarts(s, STR("http://127.")) ||
		     str_istarts(s, STR("http://[::1]")) ||
		     str_istarts(s, STR("http://localhost"));

	return (secure || local) && s.len <= 512 && str_find_any(s, " \t\"'<>\\?#") == s.len;
}

static void check_address(struct conf_faults *faults, const struct conf_mark *mark,
			  const char *key, const char *address)
{
	if (address && !mail_address_ok(str_of(address)))
		conf_fault(faults, mark, key,
			   "\"%s\" is no mail address: expected one such as it@example.com",
			   address);
}

static bool is_local(const char *server)
{
	struct str s = str_of(server);

	return str_starts(s, STR("127.")) || str_starts(s, STR("[::1]")) ||
	       str_eq(s, STR("localhost")) || str_starts(s, STR("localhost:"));
}

static void check_mail(const struct config_mail *m, struct conf_faults *faults)
{
	if (!m->server)
		return;
	if (str_find_any(str_of(m->server), "/@ \t\r\n?#") != strlen(m->server))
		conf_fault(faults, &m->mark, "server",
			   "\"%s\": expected a host and port, such as smtp.example.com:587",
			   m->server);
	if (m->tls == MAIL_PLAIN && !is_local(m->server))
		conf_fault(
			faults, &m->mark, "tls",
			"none would carry names and warnings in the clear: expected starttls "
			"or tls, or a server on this machine");
	if (!m->from)
		conf_fault(faults, &m->mark, "from", "left out: expected the sender's address");
	check_address(faults, &m->mark, "from", m->from);
	check_address(faults, &m->mark, "reply_to", m->reply_to);
	if (!m->login != !m->password)
		conf_fault(faults, &m->mark, m->login ? "login" : "password",
			   "given alone: expected login and password together");
}

static bool hook_name_ok(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++)
		if (!islower((unsigned char)name[n]) && !isdigit((unsigned char)name[n]) &&
		    (n == 0 || (name[n] != '-' && name[n] != '_')))
			return false;
	return n > 0 && n <= 63;
}

static void check_tells(const struct config_hook *h, struct conf_faults *faults)
{
	for (size_t i = 0; i < h->tells.n; i++) {
		bool known = false;

		for (size_t k = 0; config_tells_words[k] && !known; k++)
			known = !strcmp(h->tells.v[i], config_tells_words[k]);
		if (!known)
			conf_fault(faults, &h->mark, "tells",
				   "\"%s\": expected warn, held, source, keys, overdue, tiers "
				   "or digest",
				   h->tells.v[i]);
	}
	if (h->form != CONFIG_HOOK_JSON && config_hook_tells(h, "warn"))
		conf_fault(faults, &h->mark, "tells",
			   "warn names people, and a channel is read by many: expected it for "
			   "form "
			   "json only");
}

static void check_hook(const struct config_notices *n, const struct config_hook *h,
		       struct conf_faults *faults)
{
	if (!hook_name_ok(h->name))
		conf_fault(faults, &h->mark, "name",
			   "\"%s\" is no name: expected small letters, digits, - and _",
			   h->name);
	for (const struct config_hook *o = n->hooks.v; o < h; o++)
		if (!strcmp(o->name, h->name))
			conf_fault(faults, &h->mark, "name", "%s is named twice", h->name);
	if (!h->url == !h->url_secret)
		conf_fault(faults, &h->mark, "url", "expected exactly one of url, url_secret");
	if (h->url && !url_ok(h->url))
		conf_fault(
			faults, &h->mark, "url",
			"\"%s\": expected https://, or http:// on a loopback address; with a "
			"query it is a secret: url_secret",
			h->url);
	if (h->form == CONFIG_HOOK_JSON && !h->key)
		conf_fault(faults, &h->mark, "key",
			   "left out: expected the name of the secret that events are signed "
			   "with");
	if (h->form != CONFIG_HOOK_JSON && h->key)
		conf_fault(faults, &h->mark, "key", "only form json is signed");
	check_tells(h, faults);
}

static bool has_site(const struct config *c, const char *host)
{
	for (size_t i = 0; i < c->organisations.n; i++) {
		const struct atl_site_options *site = config_site(config_org_at(c, i), host);

		if (site && site->jira)
			return true;
	}
	return false;
}

/* "OPS": as Jira has it, so that it can stand in a search. */
static bool project_ok(const char *key)
{
	size_t n = 0;

	for (; key[n]; n++)
		if (!isupper((unsigned char)key[n]) &&
		    (n == 0 || (!isdigit((unsigned char)key[n]) && key[n] != '_')))
			return false;
	return n > 1 && n <= 60;
}

static void check_issues(const struct config *c, const struct config_issues *s,
			 struct conf_faults *faults)
{
	if (!hook_name_ok(s->name))
		conf_fault(faults, &s->mark, "name",
			   "\"%s\" is no name: expected small letters, digits, - and _",
			   s->name);
	for (const struct config_issues *o = c->notices.issues.v; o < s; o++)
		if (!strcmp(o->name, s->name))
			conf_fault(faults, &s->mark, "name", "%s is named twice", s->name);
	if (!has_site(c, s->site))
		conf_fault(faults, &s->mark, "site",
			   "\"%s\": expected the host of one of an organisation's sites that "
			   "has Jira",
			   s->site);
	if (!project_ok(s->project))
		conf_fault(faults, &s->mark, "project",
			   "\"%s\": expected the key of a project, such as OPS", s->project);
	for (size_t i = 0; i < s->labels.n; i++)
		if (strchr(s->labels.v[i], ' ') ||
		    str_starts(str_of(s->labels.v[i]), STR("leaverd-")))
			conf_fault(faults, &s->mark, "labels",
				   "\"%s\": expected a label without blanks that does not "
				   "begin with leaverd-",
				   s->labels.v[i]);
}

/* "08:00" */
static void check_digest(struct config_notices *n, struct conf_faults *faults)
{
	const char *d = n->digest ? n->digest : "off";
	struct str hour, minute;
	int64_t h, m;

	n->digest_minute = -1;
	if (!strcmp(d, "off"))
		return;
	if (str_cut(str_of(d), ':', &hour, &minute) && hour.len == 2 && minute.len == 2 &&
	    str_int64(hour, &h) && str_int64(minute, &m) && h >= 0 && h < 24 && m >= 0 &&
	    m < 60) {
		n->digest_minute = (int)(h * 60 + m);
		return;
	}
	conf_fault(faults, &n->mark, "digest", "\"%s\": expected a time such as 08:00, or off",
		   d);
}

static void check_keep(const struct config *c, struct conf_faults *faults)
{
	const struct config_keep *k = &c->keep;

	if (k->url && !url_ok(k->url))
		conf_fault(faults, &k->mark, "url",
			   "\"%s\": expected https://, without a query, such as "
			   "https://leaverd.example.com",
			   k->url);
	if (k->url && !k->listen && !c->scim.listen)
		conf_fault(faults, &k->mark, "url",
			   "nothing listens: expected keep.listen, or scim.listen");
	if (!k->tls_cert != !k->tls_key)
		conf_fault(faults, &k->mark, k->tls_cert ? "tls_cert" : "tls_key",
			   "given alone: expected tls_cert and tls_key together");
	if (k->listen && !k->tls_cert && !is_local(k->listen))
		conf_fault(faults, &k->mark, "listen",
			   "%s without TLS would carry links in the clear: give tls_cert and "
			   "tls_key, or listen on 127.0.0.1 behind a proxy that has them",
			   k->listen);
}

static void check_again(const struct config *c, struct conf_faults *faults)
{
	const struct config_again *a = &c->again;

	for (size_t i = 0; i < a->domains.n; i++)
		if (str_find_any(str_of(a->domains.v[i]), "@ \t/*") !=
			    strlen(a->domains.v[i]) ||
		    !strchr(a->domains.v[i], '.'))
			conf_fault(faults, &a->mark, "domains",
				   "\"%s\" is no domain: expected one such as example.com",
				   a->domains.v[i]);
	if ((a->domains.n || a->groups.n) && !c->keep.url)
		conf_fault(faults, &a->mark, a->domains.n ? "domains" : "groups",
			   "there is no page to ask on: expected keep.url");
	if ((a->domains.n || a->groups.n) && !c->notices.mail.server && !c->notices.folder)
		conf_fault(faults, &a->mark, a->domains.n ? "domains" : "groups",
			   "nobody can be sent the link: expected notices.mail");
}

struct text_faults {
	struct conf_faults *faults;
	const struct conf_mark *mark;
};

static void text_fault(void *ctx, const char *text)
{
	const struct text_faults *f = ctx;

	conf_fault(f->faults, f->mark, "templates", "%s", text);
}

void config_notices_check(struct config *c, struct conf_faults *faults,
			  struct notice_texts **ret)
{
	struct config_notices *n = &c->notices;
	struct text_faults into = { faults, &n->mark };
	struct err err;

	check_mail(&n->mail, faults);
	for (size_t i = 0; i < n->hooks.n; i++)
		check_hook(n, config_hook_at(n, i), faults);
	for (size_t i = 0; i < n->issues.n; i++)
		check_issues(c, config_issues_at(n, i), faults);
	for (size_t i = 0; i < n->admins.n; i++)
		check_address(faults, &n->mark, "admins", n->admins.v[i]);
	if (n->admins.n && !n->mail.server && !n->folder)
		conf_fault(faults, &n->mark, "admins",
			   "nothing can be sent to them: expected notices.mail");
	check_digest(n, faults);
	check_keep(c, faults);
	check_again(c, faults);
	if (notice_texts_new(ret, n->templates, n->language, text_fault, &into, &err) == 0 &&
	    n->language && !notice_has_language(*ret, n->language))
		conf_fault(
			faults, &n->mark, "language",
			"there are no texts in \"%s\": expected en, de, or one that the folder "
			"of notices.templates has",
			n->language);
}
