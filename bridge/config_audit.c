#include "bridge/config_audit.h"

#include <string.h>

#include "base/stamp.h"
#include "bridge/config.h"
#include "net/mail.h"
#include "net/syslog.h"
#include "net/tsp.h"

/* Shorter than these what is kept would not serve what it is kept for. */
#define AUDIT_LEAST_MS (90 * STAMP_DAY_MS)
#define JOURNAL_LEAST_MS (90 * STAMP_DAY_MS)
#define READS_LEAST_MS (7 * STAMP_DAY_MS)
#define ACTIVITY_LEAST_MS (30 * STAMP_DAY_MS)
#define TOMBSTONES_LEAST_MS (30 * STAMP_DAY_MS)

static const char *const form_words[] = { "syslog", "cef", NULL };

/* clang-format off */
#define ROW(n, t, st, f, ...) { .name = n, .type = t, .offset = offsetof(struct st, f), __VA_ARGS__ }
#define WITHIN(l, m) .least = (l), .most = (m)
#define YEARS(n) ((n) * 366LL * STAMP_DAY_MS)

const struct conf_key config_audit_keys[] = {
	ROW("server", CONF_TEXT, config_audit, server,
	    .help = "log server that gets each entry over TLS, such as logs.example.com:6514; left out: none"),
	ROW("form", CONF_ENUM, config_audit, form, .preset = "syslog", .words = form_words,
	    .help = "syslog: RFC 5424 with structured data; cef: CEF in RFC 5424"),
	ROW("bodies", CONF_BOOL, config_audit, bodies, .preset = "false",
	    .help = "true: with why, before and after, which may be personal and cannot be forgotten there"),
	ROW("enterprise", CONF_INT, config_audit, enterprise, .preset = "32473", WITHIN(1, 4294967295LL),
	    .help = "your private enterprise number, for the name of the structured data"),
	ROW("ca_file", CONF_PATH, config_audit, ca_file,
	    .help = "PEM file of who may vouch for the server; left out: the system's authorities"),
	ROW("cert_file", CONF_PATH, config_audit, cert_file, .help = "PEM file: certificate that we show"),
	ROW("key_file", CONF_PATH, config_audit, key_file, .help = "PEM file: its key"),
	ROW("timeout", CONF_MS, config_audit, timeout_ms, .preset = "10s", WITHIN(1000, 60000),
	    .help = "for each step of talking to it"),
	{ 0 }
};

const struct conf_key config_stamps_keys[] = {
	ROW("url", CONF_TEXT, config_stamps, url,
	    .help = "time-stamping authority (RFC 3161), such as http://tsa.example.com/tsr; left out: none"),
	ROW("ca_file", CONF_PATH, config_stamps, ca_file,
	    .help = "PEM file of who may vouch for its stamps, and for its https:// as well"),
	ROW("policy", CONF_TEXT, config_stamps, policy,
	    .help = "the only policy whose stamps count, such as 1.2.3.4.1; left out: any"),
	ROW("folder", CONF_PATH, config_stamps, folder,
	    .help = "where stamps are kept; left out: beside anchors.file, or in state_dir"),
	ROW("proxy", CONF_TEXT, config_stamps, proxy, .help = "HTTP proxy on the way there"),
	ROW("timeout", CONF_MS, config_stamps, timeout_ms, .preset = "15s", WITHIN(1000, 60000),
	    .help = "for one answer"),
	{ 0 }
};

const struct conf_key config_anchors_keys[] = {
	ROW("file", CONF_PATH, config_anchors, file,
	    .help = "file that each anchor is appended to; on another machine's mount it proves something"),
	ROW("syslog", CONF_PATH, config_anchors, syslog,
	    .help = "datagram socket of this machine's logger, such as /dev/log"),
	ROW("mail", CONF_LIST, config_anchors, mail, WITHIN(0, 8), .help = "addresses that get each anchor"),
	ROW("stamps", CONF_SECTION, config_anchors, stamps, .sub = config_stamps_keys,
	    .sub_size = sizeof(struct config_stamps), .help = "time stamps of the anchors by an authority"),
	ROW("every", CONF_MS, config_anchors, every_ms, .preset = "1d", WITHIN(0, 31 * STAMP_DAY_MS),
	    .help = "also so often, where anything was added; 0: only at the end of each run"),
	{ 0 }
};

#define KEEP(n, f, h) ROW(n, CONF_MS, config_retention, f, .preset = "0", WITHIN(0, YEARS(100)), .help = h)

const struct conf_key config_retention_keys[] = {
	KEEP("audit", audit_ms, "older entries of the audit chain go; 0: never"),
	KEEP("journal", journal_ms, "of plans that ended so long ago, journal and values go, and requests that are over; 0: never"),
	KEEP("reads", reads_ms, "older notes of reads go, and what others changed in organisations; 0: never"),
	KEEP("activity", activity_ms, "last activity of accounts that left so long ago goes; 0: never"),
	KEEP("tombstones", tombstones_ms,
	    "what is known of people who left so long ago, and have no live account, is emptied; 0: never"),
	{ 0 }
};
/* clang-format on */

static void check_least(const struct config_retention *r, const char *key, int64_t ms,
			int64_t least_ms, struct conf_faults *faults)
{
	if (ms && ms < least_ms)
		conf_fault(faults, &r->mark, key, "expected 0, or at least %lld days",
			   (long long)(least_ms / STAMP_DAY_MS));
}

static void check_retention(const struct config_retention *r, struct conf_faults *faults)
{
	check_least(r, "audit", r->audit_ms, AUDIT_LEAST_MS, faults);
	check_least(r, "journal", r->journal_ms, JOURNAL_LEAST_MS, faults);
	check_least(r, "reads", r->reads_ms, READS_LEAST_MS, faults);
	check_least(r, "activity", r->activity_ms, ACTIVITY_LEAST_MS, faults);
	check_least(r, "tombstones", r->tombstones_ms, TOMBSTONES_LEAST_MS, faults);
}

static void check_server(const struct config_audit *a, struct conf_faults *faults)
{
	if (a->server && !syslog_server_ok(a->server))
		conf_fault(faults, &a->mark, "server",
			   "\"%s\": expected a host and port, such as logs.example.com:6514",
			   a->server);
	if (!a->cert_file != !a->key_file)
		conf_fault(faults, &a->mark, a->cert_file ? "cert_file" : "key_file",
			   "given alone: expected cert_file and key_file together");
}

static void check_stamps(const struct config_stamps *s, struct conf_faults *faults)
{
	bool http = s->url && (str_istarts(str_of(s->url), STR("http://")) ||
			       str_istarts(str_of(s->url), STR("https://")));

	if (s->url && !http)
		conf_fault(faults, &s->mark, "url", "\"%s\": expected http:// or https://",
			   s->url);
	if (s->url && !s->ca_file)
		conf_fault(faults, &s->mark, "ca_file",
			   "left out: whose stamps count? Expected a PEM file of the "
			   "authorities that may vouch for them");
	if (s->policy && !tsp_policy_ok(s->policy))
		conf_fault(faults, &s->mark, "policy",
			   "\"%s\": expected an object identifier, such as 1.2.3.4.1",
			   s->policy);
}

void config_audit_check(const struct config *c, struct conf_faults *faults)
{
	const struct config_anchors *n = &c->anchors;

	check_server(&c->audit, faults);
	check_stamps(&n->stamps, faults);
	check_retention(&c->retention, faults);
	for (size_t i = 0; i < n->mail.n; i++)
		if (!mail_address_ok(str_of(n->mail.v[i])))
			conf_fault(faults, &n->mark, "mail",
				   "\"%s\" is no mail address: expected one such as "
				   "it@example.com",
				   n->mail.v[i]);
	if (n->mail.n && !c->notices.mail.server && !c->notices.folder)
		conf_fault(faults, &n->mark, "mail",
			   "nothing can be sent to them: expected notices.mail");
}
