#include <stddef.h>

#include "atlassian/site.h"
#include "base/stamp.h"

#define AT(field) offsetof(struct atl_site_options, field)

/* clang-format off */
const struct conf_key atl_site_keys[] = {
	{ .name = "host", .type = CONF_TEXT, .offset = AT(host), .preset = "!", .least = 1, .most = 253,
	  .help = "the site, such as acme.atlassian.net" },
	{ .name = "login", .type = CONF_TEXT, .offset = AT(login), .least = 3, .most = 254,
	  .help = "e-mail address of the account whose API token it is; left out: the token is sent as a Bearer "
		  "token (OAuth 2.0)" },
	{ .name = "token", .type = CONF_SECRET, .offset = AT(token), .preset = "!", .least = 1, .most = 128,
	  .help = "name of the secret that holds the site's API token" },
	{ .name = "cloud_id", .type = CONF_TEXT, .offset = AT(cloud_id), .least = 1, .most = 64,
	  .help = "the site's cloud id (https://HOST/_edge/tenant_info): without it automation rules are not read" },
	{ .name = "jira_url", .type = CONF_TEXT, .offset = AT(jira_url), .least = 1, .most = 256,
	  .help = "where Jira is; default: https://HOST. For scoped tokens https://api.atlassian.com/ex/jira/CLOUD_ID" },
	{ .name = "confluence_url", .type = CONF_TEXT, .offset = AT(confluence_url), .least = 1, .most = 256,
	  .help = "where Confluence is, without /wiki; default: https://HOST" },
	{ .name = "automation_url", .type = CONF_TEXT, .offset = AT(automation_url), .least = 1, .most = 256,
	  .help = "where Automation is; default: https://api.atlassian.com/automation/public/jira/CLOUD_ID" },
	{ .name = "jira", .type = CONF_BOOL, .offset = AT(jira), .preset = "true",
	  .help = "Jira and Jira Service Management are read" },
	{ .name = "confluence", .type = CONF_BOOL, .offset = AT(confluence), .preset = "true",
	  .help = "Confluence is read" },
	{ .name = "members", .type = CONF_BOOL, .offset = AT(members), .preset = "true",
	  .help = "members of the groups that give a product are read too: a request for each 50 or 200" },
	{ .name = "queue", .type = CONF_TEXT, .offset = AT(queue), .least = 1, .most = 254,
	  .help = "account id or address that receives what a leaver owned where nobody else can" },
	{ .name = "per_second", .type = CONF_INT, .offset = AT(per_second), .preset = "10", .least = 1, .most = 1000,
	  .help = "requests a second to each API until Atlassian's headers say otherwise" },
	{ .name = "most", .type = CONF_INT, .offset = AT(most), .preset = "5000", .least = 1, .most = 100000,
	  .help = "so much of what one leaver owns is listed" },
	{ .name = "within", .type = CONF_MS, .offset = AT(within_ms), .preset = "2min", .least = 1000,
	  .most = 3600000, .help = "reading what one leaver owns takes no longer" },
	{ 0 },
};
/* clang-format on */

/* As base_url of the organisation: https, or http on a loopback address; no query, no end "/".
 */
static bool url_fine(const char *url)
{
	struct str s = str_of(url);

	if (s.len && (s.p[s.len - 1] == '/' || str_find_any(s, "?# @") != s.len))
		return false;
	return (str_starts(s, STR("https://")) && s.len > 8) ||
	       str_starts(s, STR("http://127.")) || str_starts(s, STR("http://localhost:")) ||
	       str_starts(s, STR("http://[::1]"));
}

static bool host_fine(const char *host)
{
	struct str s = str_of(host);
	const char *bad = " /:?#@\"";

	return str_find_any(s, bad) == s.len && strchr(host, '.') && host[0] != '.';
}

void atl_site_check(const struct atl_site_options *o, struct conf_faults *faults)
{
	const struct {
		const char *key, *url;
	} urls[] = { { "jira_url", o->jira_url },
		     { "confluence_url", o->confluence_url },
		     { "automation_url", o->automation_url } };

	if (o->host && !host_fine(o->host))
		conf_fault(faults, &o->mark, "host",
			   "found \"%.80s\", expected a host such as acme.atlassian.net",
			   o->host);
	if (o->login && !strchr(o->login, '@'))
		conf_fault(faults, &o->mark, "login",
			   "found \"%.80s\", expected the e-mail address that the API token "
			   "is of",
			   o->login);
	for (size_t i = 0; i < COUNT_OF(urls); i++)
		if (urls[i].url && !url_fine(urls[i].url))
			conf_fault(faults, &o->mark, urls[i].key,
				   "found \"%.80s\", expected a URL that begins with https:// "
				   "and ends without /",
				   urls[i].url);
	if (!o->jira && !o->confluence)
		conf_fault(faults, &o->mark, "jira",
			   "neither jira nor confluence is read: take the site out instead");
}
