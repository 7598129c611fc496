#include "atlassian/options.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/stamp.h"

#define AT(field) offsetof(struct atl_options, field)

static const char *const role_words[] = { "needed", "all", NULL };

/* clang-format off */
const struct conf_key atl_option_keys[] = {
	{ .name = "org_id", .type = CONF_TEXT, .offset = AT(org_id), .preset = "!", .least = 1, .most = 64,
	  .help = "id of the organisation, from admin.atlassian.com" },
	{ .name = "key", .type = CONF_SECRET, .offset = AT(key), .preset = "!", .least = 1, .most = 128, .reload = true,
	  .help = "name of the secret that holds the organisation's API key (made without scopes)" },
	{ .name = "standby_key", .type = CONF_SECRET, .offset = AT(standby_key), .least = 1, .most = 128, .reload = true,
	  .help = "name of a second API key's secret: taken when Atlassian answers 401 to the first" },
	{ .name = "base_url", .type = CONF_TEXT, .offset = AT(base_url), .preset = "https://api.atlassian.com",
	  .least = 1, .most = 256, .help = "where the API is; http:// only on loopback addresses" },
	{ .name = "directories", .type = CONF_LIST, .offset = AT(directories), .least = 0, .most = 50, .reload = true,
	  .help = "ids of the directories to look after; all that the key may manage unless given" },
	{ .name = "sites", .type = CONF_LIST, .offset = AT(sites), .least = 0, .most = 200, .reload = true,
	  .help = "hosts of the sites whose seats count, such as acme.atlassian.net; all unless given" },
	{ .name = "own", .type = CONF_LIST, .offset = AT(own), .least = 0, .most = 100, .reload = true,
	  .help = "account ids or addresses of whoever made the key: leaverd never acts on them" },
	{ .name = "roles", .type = CONF_ENUM, .offset = AT(roles), .preset = "needed", .words = role_words, .reload = true,
	  .help = "needed: direct roles are read where access is not explained by groups, of administrators and "
		  "of idle seats; all: of every account, one request each" },
	{ .name = "idle_after", .type = CONF_MS, .offset = AT(idle_after_ms), .preset = "30d",
	  .least = 0, .most = 3650 * STAMP_DAY_MS, .reload = true,
	  .help = "a seat unused for so long is idle: its paths are read while collecting" },
	{ .name = "tokens", .type = CONF_BOOL, .offset = AT(tokens), .preset = "true", .reload = true,
	  .help = "read when API tokens were last used: activity that no page view shows" },
	{ .name = "events", .type = CONF_BOOL, .offset = AT(events), .preset = "true", .reload = true,
	  .help = "read the audit events: who else changes accounts, and what is done under our key" },
	{ .name = "key_ids", .type = CONF_LIST, .offset = AT(key_ids), .least = 0, .most = 20, .reload = true,
	  .help = "ids of our API keys as audit events name them; found out by what was done under them unless given" },
	{ .name = "events_keep", .type = CONF_MS, .offset = AT(events_keep_ms), .preset = "90d",
	  .least = STAMP_DAY_MS, .most = 400 * STAMP_DAY_MS, .reload = true,
	  .help = "what others changed is kept for so long" },
	{ .name = "resume_within", .type = CONF_MS, .offset = AT(resume_within_ms), .preset = "1h",
	  .least = 0, .most = STAMP_DAY_MS, .reload = true,
	  .help = "a read that was stopped goes on where it was if it began not longer ago; 0: never" },
	{ .name = "page_size", .type = CONF_INT, .offset = AT(page_size), .preset = "100", .least = 1, .most = 100,
	  .reload = true, .help = "rows a page; Atlassian gives at most 100" },
	{ .name = "per_second", .type = CONF_INT, .offset = AT(per_second), .preset = "3", .least = 1, .most = 1000,
	  .help = "requests a second until Atlassian's headers say otherwise" },
	{ .name = "at_once", .type = CONF_INT, .offset = AT(at_once), .preset = "4", .least = 1, .most = 32,
	  .help = "requests of one kind under way together" },
	{ .name = "message", .type = CONF_TEXT, .offset = AT(message), .least = 1, .most = 500, .reload = true,
	  .help = "shown to people whose account is deactivated, instead of Atlassian's own words" },
	{ .name = "proxy", .type = CONF_TEXT, .offset = AT(proxy), .least = 1, .most = 256,
	  .help = "HTTP proxy, such as http://proxy.example:3128; the environment's is not used" },
	{ .name = "proxy_login", .type = CONF_SECRET, .offset = AT(proxy_login), .least = 1, .most = 128,
	  .help = "name of the secret that holds the proxy's user:password" },
	{ .name = "ca_file", .type = CONF_PATH, .offset = AT(ca_file), .least = 1, .most = 4096,
	  .help = "PEM file of a private certificate authority, beside the system's" },
	{ .name = "tries", .type = CONF_INT, .offset = AT(tries), .preset = "4", .least = 1, .most = 10, .reload = true,
	  .help = "of one request, when Atlassian is busy or the network fails" },
	{ .name = "backoff", .type = CONF_MS, .offset = AT(backoff_ms), .preset = "2s",
	  .least = 1, .most = 60000, .reload = true,
	  .help = "before the second try, twice as long before each further one; where Atlassian says when, then" },
	{ .name = "timeout", .type = CONF_MS, .offset = AT(timeout_ms), .preset = "30s",
	  .least = 1000, .most = 600000, .reload = true, .help = "for one try of one request" },
	{ .name = "deadline", .type = CONF_MS, .offset = AT(deadline_ms), .preset = "5min",
	  .least = 1000, .most = 3600000, .reload = true,
	  .help = "for one request with all its tries, waiting for the rate limit included" },
	{ .name = "minimum", .type = CONF_INT, .offset = AT(minimum), .preset = "1", .least = 0, .most = 10000000,
	  .reload = true, .help = "fewer accounts make a collection implausible" },
	{ .name = "drop_count", .type = CONF_INT, .offset = AT(drop_count), .preset = "3", .least = 0, .most = 10000000,
	  .reload = true, .help = "a collection may lack so many accounts of the one before, or drop_share if more" },
	{ .name = "drop_share", .type = CONF_SHARE, .offset = AT(drop_share), .preset = "2 %", .reload = true,
	  .help = "see drop_count" },
	{ 0 },
};
/* clang-format on */

/* What may stand in a URL path as it is. */
static bool plain_id(const char *text)
{
	if (!*text)
		return false;
	for (const char *p = text; *p; p++)
		if (!((*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') ||
		      *p == '-' || *p == '_'))
			return false;
	return true;
}

static bool host_name(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > 253 || !strchr(text, '.') || text[0] == '.' || text[len - 1] == '.')
		return false;
	for (const char *p = text; *p; p++)
		if (!((*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') ||
		      *p == '-' || *p == '.'))
			return false;
	return true;
}

static bool base_url_fine(const char *url)
{
	struct str s = str_of(url), host, port;
	size_t skip = 0;

	if (str_starts(s, STR("https://")))
		skip = 8;
	else if (str_starts(s, STR("http://")))
		skip = 7;
	if (!skip || s.len == skip || s.p[s.len - 1] == '/' || str_find_any(s, "?# @") != s.len)
		return false;
	if (skip == 8)
		return true;
	host = str_n(s.p + 7, str_find(str_n(s.p + 7, s.len - 7), '/'));
	if (str_starts(host, STR("[::1]")))
		return true;
	str_cut(host, ':', &host, &port);
	return str_eq(host, STR("localhost")) || str_starts(host, STR("127."));
}

/* Gathers faults and remembers the first. */
struct check {
	const struct atl_options *o;
	struct conf_faults *faults;
	struct err *err;
	int r;
};

static void found(struct check *c, const char *key, const char *value, const char *expected)
{
	int r;

	if (c->r == 0)
		c->r = err_set(c->err, ERR_CONFIG, "%s: found \"%.80s\", expected %s", key,
			       value, expected);
	if (!c->faults)
		return;
	r = conf_fault(c->faults, &c->o->mark, key, "found \"%.80s\", expected %s", value,
		       expected);
	if (r == -ERR_NOMEM)
		c->r = err_nomem(c->err);
}

int atl_options_check(const struct atl_options *o, struct conf_faults *faults, struct err *err)
{
	struct check c = { o, faults, err, 0 };

	if (!o->org_id || !plain_id(o->org_id))
		found(&c, "org_id", o->org_id ? o->org_id : "",
		      "letters, digits and hyphens: the id that admin.atlassian.com shows");
	if (!o->base_url || !base_url_fine(o->base_url))
		found(&c, "base_url",
		      !o->base_url               ? ""
		      : strchr(o->base_url, '@') ? "(a URL with a login)"
						 : o->base_url,
		      "https://HOST without a slash at the end; http:// only on a loopback "
		      "address");
	for (size_t i = 0; i < o->directories.n; i++)
		if (!plain_id(o->directories.v[i]))
			found(&c, "directories", o->directories.v[i],
			      "letters, digits and hyphens: a directory's id");
	for (size_t i = 0; i < o->sites.n; i++)
		if (!host_name(o->sites.v[i]))
			found(&c, "sites", o->sites.v[i],
			      "a host name such as acme.atlassian.net");
	for (size_t i = 0; i < o->key_ids.n; i++)
		if (!*o->key_ids.v[i] || strlen(o->key_ids.v[i]) > 150)
			found(&c, "key_ids", o->key_ids.v[i],
			      "the id of a key, of 150 characters at most");
	if (o->proxy_login && !o->proxy)
		found(&c, "proxy_login", o->proxy_login, "proxy beside it");
	if (o->proxy && !strstr(o->proxy, "://"))
		found(&c, "proxy", o->proxy, "a URL such as http://proxy.example:3128");
	if (o->proxy && strchr(o->proxy, '@'))
		found(&c, "proxy", "(a URL with a login)",
		      "a URL without a login: the login belongs into a secret, proxy_login");
	return c.r;
}
