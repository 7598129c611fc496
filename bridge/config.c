#include "bridge/config.h"

#include <ctype.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/zone.h"
#include "bridge/notices_text.h"
#include "reconcile/policy.h"
#include "scim/profile.h"

/*
 * The policy section stands beside struct config, not in it, so that whoever needs a setting
 * need not know the reconciler's nouns. It lives on the heap as long as the config does.
 */
struct config_whole {
	struct config c; /* first: offsets in it are offsets in the whole */
	struct policy_conf policy;
};

#define CONFIG_HERE "leaverd.yaml"
#define CONFIG_SYSTEM "/etc/leaverd/leaverd.yaml"
#define CONFIG_NAME_MAX 63
#define CONFIG_URL_MAX 256

static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const log_forms[] = { "logfmt", "json", NULL };
static const char *const tls_client_words[] = { "ask", "require", NULL };
static const char *const passphrase_words[] = { "no", "ask", NULL };
static const char *const kinds[] = { "scim", "ldap", "file", NULL };
static const char *const roles[] = { "hr", "directory", "idp", NULL };
static const char *const signed_words[] = { "where-two-are-needed", "always", NULL };
static const char *const put_members[] = { "profile", "keep", "clear", NULL };

const char *config_kind_word(int kind)
{
	return kind >= 0 && kind < (int)COUNT_OF(kinds) - 1 ? kinds[kind] : "?";
}

const char *config_role_word(int role)
{
	return role >= 0 && role < (int)COUNT_OF(roles) - 1 ? roles[role] : "?";
}

unsigned config_push_profile(const struct config_push *push)
{
	unsigned bits = 0;

	(void)scim_profile(str_of(scim_profile_names[push->profile]), &bits);
	if (push->put_members == CONFIG_PUT_KEEP)
		bits |= SCIM_KEEP_MEMBERS;
	if (push->put_members == CONFIG_PUT_CLEAR)
		bits &= ~(unsigned)SCIM_KEEP_MEMBERS;
	return bits;
}

/* --- the rows --------------------------------------------------------------------------------
 */

/* clang-format off */
#define ROW(n, t, st, f, ...) { .name = n, .type = t, .offset = offsetof(struct st, f), __VA_ARGS__ }
#define WITHIN(l, m) .least = (l), .most = (m)
#define DAYS(n) ((n) * 86400000LL)

static const struct conf_key instance_keys[] = {
	ROW("name", CONF_TEXT, config_instance, name, .preset = "!", WITHIN(1, CONFIG_NAME_MAX),
	    .help = "the legal entity whose people these are: small letters, digits, - and _"),
	ROW("zone", CONF_TEXT, config_instance, zone, .preset = "UTC",
	    .help = "time zone of people who have none, such as Europe/Berlin"),
	ROW("state_dir", CONF_PATH, config_instance, state_dir, .preset = "/var/lib/leaverd",
	    .help = "folder of database, audit head and control socket, mode 0700"),
	{ 0 }
};

static const struct conf_key log_keys[] = {
	ROW("level", CONF_ENUM, config_log, level, .preset = "info", .words = log_levels, .reload = true,
	    .help = "error: an operator now; warn: soon; info: nobody; debug: developers"),
	ROW("form", CONF_ENUM, config_log, form, .preset = "logfmt", .words = log_forms,
	    .help = "logfmt for people, json for programs"),
	{ 0 }
};

static const struct conf_key master_key_keys[] = {
	ROW("file", CONF_PATH, config_master_key, file,
	    .help = "file of 32 random bytes in hex, mode 0600 or 0400"),
	ROW("credential", CONF_TEXT, config_master_key, credential,
	    .help = "name of a systemd credential (LoadCredential=) that holds the same"),
	ROW("passphrase", CONF_ENUM, config_master_key, passphrase, .preset = "no", .words = passphrase_words,
	    .help = "ask: on the terminal, or from --passphrase-fd"),
	{ 0 }
};

static const struct conf_key control_keys[] = {
	ROW("socket", CONF_PATH, config_control, socket,
	    .help = "Unix socket of serve; default: control in state_dir"),
	ROW("mode", CONF_TEXT, config_control, mode, .preset = "0600",
	    .help = "its mode, octal; 0660 together with group"),
	ROW("group", CONF_TEXT, config_control, group,
	    .help = "group whose members may give commands, besides root and the daemon's user"),
	{ 0 }
};

static const struct conf_key scim_keys[] = {
	ROW("listen", CONF_TEXT, config_scim, listen,
	    .help = "address and port of the SCIM server, such as 127.0.0.1:8443; left out: none"),
	ROW("tls_cert", CONF_PATH, config_scim, tls_cert,
	    .help = "PEM file: certificate and the chain above it"),
	ROW("tls_key", CONF_PATH, config_scim, tls_key,
	    .help = "PEM file: the certificate's key"),
	ROW("tls_client_ca", CONF_PATH, config_scim, tls_client_ca,
	    .help = "PEM file: clients are asked for a certificate of this CA"),
	ROW("tls_client", CONF_ENUM, config_scim, tls_client, .preset = "ask", .words = tls_client_words,
	    .help = "ask: a source may want one; require: nobody is answered without"),
	ROW("public_url", CONF_TEXT, config_scim, public_url,
	    .help = "how identity providers reach the server, such as https://scim.example.com; default: "
		    "its address"),
	ROW("docs_url", CONF_TEXT, config_scim, docs_url,
	    .help = "page for administrators of identity providers, shown in ServiceProviderConfig"),
	ROW("open_config", CONF_BOOL, config_scim, open_config, .preset = "false",
	    .help = "ServiceProviderConfig is served without a token"),
	ROW("trusted_proxies", CONF_LIST, config_scim, trusted_proxies, WITHIN(0, 64),
	    .help = "addresses or CIDRs whose X-Forwarded-For is believed"),
	ROW("max_body", CONF_BYTES, config_scim, max_body_bytes, .preset = "1MiB",
	    WITHIN(16 << 10, 64 << 20), .help = "longer request bodies are refused with 413"),
	ROW("bulk_body", CONF_BYTES, config_scim, bulk_body_bytes, .preset = "1MiB",
	    WITHIN(16 << 10, 1 << 30),
	    .help = "longer bulk requests are refused with 413 (maxPayloadSize); they are kept in state_dir, "
		    "not in memory, and each operation may be as long as max_body"),
	ROW("bulk_operations", CONF_INT, config_scim, bulk_operations, .preset = "1000", WITHIN(1, 10000),
	    .help = "operations in one bulk request (maxOperations)"),
	ROW("map", CONF_BYTES, config_scim, map_bytes, .preset = "2047MiB", WITHIN(0, 2047LL << 20),
	    .help = "how much of the database its look-ups map into memory; 0: none"),
	ROW("cache", CONF_BYTES, config_scim, cache_bytes, .preset = "64MiB", WITHIN(0, 64LL << 30),
	    .help = "memory for answers that are kept to be sent again; 0: none"),
	ROW("connections", CONF_INT, config_scim, connections, .preset = "1024", WITHIN(1, 65536),
	    .help = "open connections in all"),
	ROW("connections_per_address", CONF_INT, config_scim, connections_per_address, .preset = "0",
	    WITHIN(0, 65536), .help = "open connections from one address; 0: no limit of its own"),
	ROW("threads", CONF_INT, config_scim, threads, .preset = "2", WITHIN(1, 64),
	    .help = "threads that answer requests"),
	ROW("timeout", CONF_MS, config_scim, timeout_ms, .preset = "30s", WITHIN(1000, 600000),
	    .help = "for a whole request, and for an idle connection"),
	{ 0 }
};

static const struct conf_key jwt_keys[] = {
	ROW("issuer", CONF_TEXT, config_jwt, issuer,
	    .help = "what stands in iss of its tokens; left out: no JWT opens the source"),
	ROW("audience", CONF_LIST, config_jwt, audience, WITHIN(0, 16),
	    .help = "one of these stands in aud"),
	ROW("jwks_url", CONF_TEXT, config_jwt, jwks_url,
	    .help = "where the issuer's public keys are"),
	ROW("jwks_file", CONF_PATH, config_jwt, jwks_file,
	    .help = "the same as a file, read again each minute"),
	ROW("ca_file", CONF_PATH, config_jwt, ca_file,
	    .help = "PEM file of a private CA for jwks_url, beside the system's"),
	ROW("proxy", CONF_TEXT, config_jwt, proxy,
	    .help = "HTTP proxy on the way to jwks_url, such as http://proxy:3128"),
	ROW("algorithms", CONF_LIST, config_jwt, algorithms, .preset = "RS256,ES256", WITHIN(1, 9),
	    .help = "signatures that count: RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384, PS512"),
	ROW("claims", CONF_LIST, config_jwt, claims, WITHIN(0, 16),
	    .help = "NAME=VALUE: each must hold, such as azp=8adf8e6e-67b2-4cf2-a259-e3dc5476c621"),
	ROW("scopes", CONF_LIST, config_jwt, scopes, WITHIN(0, 16),
	    .help = "each must stand in scope, scp or roles"),
	ROW("me", CONF_TEXT, config_jwt, me,
	    .help = "CLAIM=ATTRIBUTE, such as sub=externalId: which user a token is itself, for /Me"),
	ROW("skew", CONF_MS, config_jwt, skew_ms, .preset = "60s", WITHIN(0, 600000),
	    .help = "how far the issuer's clock may be from ours"),
	ROW("keep", CONF_MS, config_jwt, keep_ms, .preset = "24h", WITHIN(600000, DAYS(7)),
	    .help = "how long keys stay good while newer ones cannot be read"),
	{ 0 }
};

static const struct conf_key push_keys[] = {
	ROW("profile", CONF_ENUM, config_push, profile, .preset = "generic", .words = scim_profile_names,
	    .help = "whose habits the client has"),
	ROW("put_members", CONF_ENUM, config_push, put_members, .preset = "profile", .words = put_members,
	    .help = "a PUT of a group that leaves out members: keeps them, clears them, or as the profile does"),
	ROW("issuer_for", CONF_LIST, config_push, issuer_for, WITHIN(0, CONFIG_ORGS_MAX),
	    .help = "organisations whose externalIds come from this identity provider"),
	ROW("rights", CONF_LIST, config_push, rights, .preset = "read,write,delete", WITHIN(0, 3),
	    .help = "what its tokens may: read, write, delete"),
	ROW("client_cert", CONF_LIST, config_push, client_cert, WITHIN(0, 16),
	    .help = "certificates one of which is wanted beside a token: sha256:HEX, dns:NAME, subject:DN"),
	ROW("jwt", CONF_SECTION, config_push, jwt, .sub = jwt_keys,
	    .sub_size = sizeof(struct config_jwt), .help = "JSON Web Tokens of an issuer, beside leaverd's own tokens"),
	{ 0 }
};

static const struct conf_key source_keys[] = {
	ROW("name", CONF_TEXT, config_source, name, .preset = "!", WITHIN(1, CONFIG_NAME_MAX),
	    .help = "stands in plans, in the log and in /scim/v2/NAME"),
	ROW("kind", CONF_ENUM, config_source, kind, .preset = "!", .words = kinds,
	    .help = "scim: pushed to us; ldap: read by us; file: an HR export"),
	ROW("role", CONF_ENUM, config_source, role, .preset = "!", .words = roles,
	    .help = "hr: says who is employed; directory: who may log in; idp: who is sent to us"),
	ROW("every", CONF_MS, config_source, every_ms, .preset = "0", WITHIN(0, DAYS(31)),
	    .help = "how often it is read; 0: schedule.sync_every"),
	ROW("at", CONF_TEXT, config_source, at,
	    .help = "times at which it is read, as those of schedule; in place of every"),
	ROW("max_age", CONF_MS, config_source, max_age_ms, .preset = "36h", WITHIN(60000, DAYS(31)),
	    .help = "older accepted reads hold what rests on them"),
	ROW("gone_reads", CONF_INT, config_source, gone_reads, .preset = "3", WITHIN(2, 100),
	    .help = "complete and plausible reads in a row that must lack somebody"),
	ROW("gone_after", CONF_MS, config_source, gone_after_ms, .preset = "24h", WITHIN(0, DAYS(366)),
	    .help = "the time that these reads must span"),
	ROW("ldap", CONF_SECTION, config_source, ldap, .sub = dir_option_keys,
	    .sub_size = sizeof(struct dir_options), .if_given = true, .help = "the directory, for kind ldap"),
	ROW("scim", CONF_SECTION, config_source, scim, .sub = push_keys,
	    .sub_size = sizeof(struct config_push), .if_given = true, .help = "the client, for kind scim"),
	ROW("file", CONF_SECTION, config_source, file, .sub = hr_option_keys,
	    .sub_size = sizeof(struct hr_options), .if_given = true, .help = "the HR export, for kind file"),
	{ 0 }
};

static const struct conf_key org_keys[] = {
	ROW("name", CONF_TEXT, config_org, name, .preset = "!", WITHIN(1, CONFIG_NAME_MAX),
	    .help = "stands in plans and on the command line"),
	ROW("sources", CONF_LIST, config_org, sources, WITHIN(0, CONFIG_SOURCES_MAX),
	    .help = "sources whose people this organisation has; left out: all"),
	ROW("every", CONF_MS, config_org, every_ms, .preset = "0", WITHIN(0, DAYS(31)),
	    .help = "how often it is read; 0: schedule.collect_every"),
	ROW("at", CONF_TEXT, config_org, at,
	    .help = "times at which it is read, as those of schedule; in place of every"),
	ROW("plan_at", CONF_TEXT, config_org, plan_at,
	    .help = "times at which plans are made for it; left out: schedule.plan_at"),
	ROW("max_age", CONF_MS, config_org, max_age_ms, .preset = "12h", WITHIN(60000, DAYS(31)),
	    .help = "an older picture of the organisation is read again before a plan is made"),
	ROW("hold_after", CONF_MS, config_org, hold_after_ms, .preset = "36h", WITHIN(60000, DAYS(366)),
	    .help = "an older picture of the organisation holds what rests on it"),
	ROW("cloud", CONF_SECTION, config_org, cloud, .sub = atl_option_keys,
	    .sub_size = sizeof(struct atl_options), .preset = "!", .help = "the Atlassian Cloud organisation"),
	ROW("provisioning", CONF_SECTION, config_org, provision, .sub = config_provision_keys,
	    .sub_size = sizeof(struct config_provision), .help = "its SCIM directory, if leaverd is its identity provider"),
	ROW("billing", CONF_ITEMS, config_org, billing, .sub = config_billing_keys,
	    .sub_size = sizeof(struct config_billing), WITHIN(0, 64),
	    .help = "what seats cost, and when what is freed pays: for leaverd ledger"),
	ROW("sites", CONF_ITEMS, config_org, sites, .sub = atl_site_keys,
	    .sub_size = sizeof(struct atl_site_options), WITHIN(0, CONFIG_SITES_MAX),
	    .help = "sites whose products are asked themselves, and on which leavers hand over what they own"),
	{ 0 }
};

static const struct conf_key schedule_keys[] = {
	ROW("sync_every", CONF_MS, config_schedule, sync_every_ms, .preset = "1h", WITHIN(0, DAYS(31)),
	    .reload = true, .help = "how often pulled sources are read; 0: only when asked"),
	ROW("collect_every", CONF_MS, config_schedule, collect_every_ms, .preset = "6h",
	    WITHIN(0, DAYS(31)), .reload = true, .help = "how often organisations are read; 0: only when asked"),
	ROW("plan_every", CONF_MS, config_schedule, plan_every_ms, .preset = "1h", WITHIN(0, DAYS(31)),
	    .reload = true, .help = "how often plans are made; 0: only when asked"),
	ROW("sync_at", CONF_TEXT, config_schedule, sync_at,
	    .help = "times of cron in the instance's zone, such as \"0 6 * * mon-fri\"; in place of sync_every"),
	ROW("collect_at", CONF_TEXT, config_schedule, collect_at, .help = "the same in place of collect_every"),
	ROW("plan_at", CONF_TEXT, config_schedule, plan_at, .help = "the same in place of plan_every"),
	ROW("jitter", CONF_MS, config_schedule, jitter_ms, .preset = "2min", WITHIN(0, DAYS(1)),
	    .help = "each source and organisation comes later than these times, by a fixed part of this"),
	{ 0 }
};

static const struct conf_key approvals_keys[] = {
	ROW("signed", CONF_ENUM, config_approvals, is_signed, .preset = "where-two-are-needed",
	    .words = signed_words,
	    .help = "which approvals are signed with an approver's key: where-two-are-needed, or always"),
	ROW("single_admin", CONF_BOOL, config_approvals, single_admin, .preset = "false",
	    .help = "true: there is one administrator; where two people are needed a typed count, a delay and "
		    "a notice stand for the second"),
	ROW("single_delay", CONF_MS, config_approvals, single_delay_ms, .preset = "4h", WITHIN(600000, DAYS(7)),
	    .help = "how long after such an approval nothing of it starts"),
	ROW("second_address", CONF_TEXT, config_approvals, second_address,
	    .help = "who is told of such an approval; required with single_admin"),
	{ 0 }
};

const struct conf_key config_keys[] = {
	ROW("instance", CONF_SECTION, config, instance, .sub = instance_keys,
	    .sub_size = sizeof(struct config_instance), .preset = "!", .help = "whose leaverd this is"),
	ROW("log", CONF_SECTION, config, log, .sub = log_keys, .sub_size = sizeof(struct config_log),
	    .help = "events on stderr, one a line"),
	ROW("master_key", CONF_SECTION, config, master_key, .sub = master_key_keys,
	    .sub_size = sizeof(struct config_master_key), .preset = "!", .help = "what opens the vault: one of three"),
	ROW("control", CONF_SECTION, config, control, .sub = control_keys,
	    .sub_size = sizeof(struct config_control), .help = "where commands reach serve"),
	ROW("scim", CONF_SECTION, config, scim, .sub = scim_keys, .sub_size = sizeof(struct config_scim),
	    .help = "the SCIM 2.0 server"),
	ROW("sources", CONF_ITEMS, config, sources, .sub = source_keys,
	    .sub_size = sizeof(struct config_source), WITHIN(0, CONFIG_SOURCES_MAX),
	    .help = "where people come from, most trusted first"),
	ROW("organisations", CONF_ITEMS, config, organisations, .sub = org_keys,
	    .sub_size = sizeof(struct config_org), WITHIN(0, CONFIG_ORGS_MAX),
	    .help = "Atlassian's side"),
	ROW("policy", CONF_SECTION, config_whole, policy, .sub = policy_keys,
	    .sub_size = sizeof(struct policy_conf),
	    .help = "rules, limits, protections: leaverd-policy(5)"),
	ROW("schedule", CONF_SECTION, config, schedule, .sub = schedule_keys,
	    .sub_size = sizeof(struct config_schedule), .help = "when serve does what"),
	ROW("notices", CONF_SECTION, config, notices, .sub = config_notices_keys,
	    .sub_size = sizeof(struct config_notices), .help = "what people and systems are told, and how"),
	ROW("keep", CONF_SECTION, config, keep, .sub = config_keep_keys,
	    .sub_size = sizeof(struct config_keep), .help = "the page on which a warned person keeps a seat"),
	ROW("again", CONF_SECTION, config, again, .sub = config_again_keys,
	    .sub_size = sizeof(struct config_again), .help = "who may ask for a seat again that was taken"),
	ROW("approvals", CONF_SECTION, config, approvals, .sub = approvals_keys,
	    .sub_size = sizeof(struct config_approvals), .help = "whose word counts"),
	ROW("audit", CONF_SECTION, config, audit, .sub = config_audit_keys,
	    .sub_size = sizeof(struct config_audit), .help = "where the audit chain is sent as it grows"),
	ROW("anchors", CONF_SECTION, config, anchors, .sub = config_anchors_keys,
	    .sub_size = sizeof(struct config_anchors), .help = "where what proves the audit chain is kept outside"),
	ROW("retention", CONF_SECTION, config, retention, .sub = config_retention_keys,
	    .sub_size = sizeof(struct config_retention), .help = "how long data of each kind stays"),
	{ 0 }
};
/* clang-format on */

/* --- what rows cannot say --------------------------------------------------------------------
 */

/* Names stand in URLs, file names and log lines. */
static bool name_is_good(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++)
		if (!islower((unsigned char)name[n]) && !isdigit((unsigned char)name[n]) &&
		    (n == 0 || (name[n] != '-' && name[n] != '_')))
			return false;
	return n > 0 && n <= CONFIG_NAME_MAX;
}

static void check_name(struct conf_faults *faults, const struct conf_mark *mark,
		       const char *name)
{
	if (name && !name_is_good(name))
		conf_fault(
			faults, mark, "name",
			"\"%s\" is no name: expected small letters, digits, - and _, beginning "
			"with a letter or digit, at most %d of them",
			name, CONFIG_NAME_MAX);
}

static void check_zone(struct conf_faults *faults, const struct conf_mark *mark,
		       const char *zone)
{
	const struct zone *found;
	struct err err;

	if (zone && zone_get(str_of(zone), &found, &err) < 0)
		conf_fault(faults, mark, "zone", "%s", err.text);
}

static void check_instance(struct config *c, struct conf_faults *faults)
{
	check_name(faults, &c->instance.mark, c->instance.name);
	check_zone(faults, &c->instance.mark, c->instance.zone);
}

static void check_master_key(struct config *c, struct conf_faults *faults)
{
	const struct config_master_key *m = &c->master_key;
	int given = !!m->file + !!m->credential + (m->passphrase != CONFIG_PASSPHRASE_NO);

	if (given != 1)
		conf_fault(faults, &m->mark, "master_key",
			   "%s: expected exactly one of file, credential, passphrase: ask",
			   given ? "several ways are given" : "nothing is given");
}

static void check_approvals(struct config *c, struct conf_faults *faults)
{
	const struct config_approvals *a = &c->approvals;

	if (a->single_admin && !a->second_address)
		conf_fault(faults, &a->mark, "second_address",
			   "nothing: expected the address of somebody who is told when one "
			   "administrator decides for two");
	if (a->single_admin && !c->notices.folder && !c->notices.mail.server)
		conf_fault(faults, &a->mark, "single_admin",
			   "true: expected notices.mail (or notices.folder) too, so that the "
			   "second address can be told");
}

/* "0660" */
static bool mode_read(const char *text, mode_t *ret)
{
	mode_t mode = 0;
	size_t n;

	for (n = 0; text[n] >= '0' && text[n] <= '7' && n < 4; n++)
		mode = mode << 3 | (mode_t)(text[n] - '0');
	if (!n || text[n] || mode > 0777)
		return false;
	*ret = mode;
	return true;
}

static void check_control(struct config *c, struct conf_faults *faults)
{
	struct config_control *k = &c->control;
	struct sockaddr_un address;

	if (!mode_read(k->mode ? k->mode : "", &k->mode_bits) || k->mode_bits & 07)
		conf_fault(faults, &k->mark, "mode",
			   "\"%s\": expected an octal mode without rights for others, such as "
			   "0600 "
			   "or 0660",
			   k->mode ? k->mode : "");
	if (k->socket && strlen(k->socket) >= sizeof(address.sun_path))
		conf_fault(faults, &k->mark, "socket",
			   "%s is longer than the %zu characters that a Unix socket's path may "
			   "have: "
			   "give a shorter one",
			   k->socket, sizeof(address.sun_path) - 1);
}

static bool is_loopback(const char *listen)
{
	struct str s = str_of(listen);

	return str_starts(s, STR("127.")) || str_starts(s, STR("[::1]:")) ||
	       str_starts(s, STR("localhost:")) || str_starts(s, STR("unix:"));
}

/* It begins every meta.location, so it must be as plain as a URL can be. */
static bool url_is_good(const char *url)
{
	struct str s = str_of(url);

	return (str_istarts(s, STR("https://")) || str_istarts(s, STR("http://"))) &&
	       s.len <= CONFIG_URL_MAX && str_find_any(s, " \t\"'<>\\") == s.len;
}

static void bad_url(struct conf_faults *faults, const struct config_scim *s, const char *key,
		    const char *url)
{
	conf_fault(
		faults, &s->mark, key,
		"\"%s\": expected a URL that begins with https://, of at most %d characters, "
		"without quotes and blanks",
		url, CONFIG_URL_MAX);
}

static void check_scim(struct config *c, struct conf_faults *faults)
{
	const struct config_scim *s = &c->scim;

	if (!s->tls_cert != !s->tls_key)
		conf_fault(faults, &s->mark, s->tls_cert ? "tls_cert" : "tls_key",
			   "given alone: expected tls_cert and tls_key together");
	if (s->tls_client_ca && !s->tls_cert)
		conf_fault(faults, &s->mark, "tls_client_ca",
			   "without tls_cert nobody shows a certificate: give tls_cert and "
			   "tls_key; a proxy in front has to ask for certificates itself");
	if (s->tls_client == CONFIG_TLS_CLIENT_REQUIRE && !s->tls_client_ca)
		conf_fault(faults, &s->mark, "tls_client",
			   "require: expected tls_client_ca, whose certificates count");
	if (s->listen && !s->tls_cert && !is_loopback(s->listen))
		conf_fault(faults, &s->mark, "listen",
			   "%s without TLS would carry tokens in the clear: give tls_cert and "
			   "tls_key, or listen on 127.0.0.1 behind a proxy that has them",
			   s->listen);
	if (s->public_url && !url_is_good(s->public_url))
		bad_url(faults, s, "public_url", s->public_url);
	if (s->docs_url && !url_is_good(s->docs_url))
		bad_url(faults, s, "docs_url", s->docs_url);
}

/* Names of a list that no source (no organisation) has. */
static void check_list(struct config *c, struct conf_faults *faults,
		       const struct conf_mark *mark, const char *key,
		       const struct conf_list *list, bool of_orgs)
{
	for (size_t i = 0; i < list->n; i++) {
		const char *name = list->v[i];
		bool known =
			of_orgs ? config_org(c, name) != NULL : config_source(c, name) != NULL;

		if (!known)
			conf_fault(faults, mark, key,
				   "\"%s\" is no %s: expected a name from %s", name,
				   of_orgs ? "organisation" : "source",
				   of_orgs ? "organisations" : "sources");
	}
}

static void check_times(struct conf_faults *faults, const struct conf_mark *mark,
			const char *key, const char *text, struct cron *ret)
{
	struct err err;

	if (text && cron_read(str_of(text), ret, &err) < 0)
		conf_fault(faults, mark, key, "%s", err.text);
}

static void check_schedule(struct config *c, struct conf_faults *faults)
{
	struct config_schedule *s = &c->schedule;

	check_times(faults, &s->mark, "sync_at", s->sync_at, &s->sync_times);
	check_times(faults, &s->mark, "collect_at", s->collect_at, &s->collect_times);
	check_times(faults, &s->mark, "plan_at", s->plan_at, &s->plan_times);
}

/*
 * A section of another kind does nothing, whichever of its keys is given, and looks as if it
 * did.
 */
static void check_sections(const struct config_source *s, struct conf_faults *faults)
{
	const struct conf_mark *const marks[] = {
		[CONFIG_SCIM] = &s->scim.mark,
		[CONFIG_LDAP] = &s->ldap.mark,
		[CONFIG_FILE] = &s->file.mark,
	};

	for (int kind = 0; kind < (int)COUNT_OF(marks); kind++)
		if (kind != s->kind && !conf_left_out(marks[kind], &s->mark))
			conf_fault(faults, marks[kind], kinds[kind],
				   "the source is of kind %s: expected kind: %s, or no section "
				   "%s",
				   config_kind_word(s->kind), kinds[kind], kinds[kind]);
}

static void check_source(struct config *c, struct config_source *s, struct conf_faults *faults)
{
	struct err err;

	check_name(faults, &s->mark, s->name);
	check_times(faults, &s->mark, "at", s->at, &s->at_times);
	if ((s->at || s->every_ms) && s->kind == CONFIG_SCIM)
		conf_fault(faults, &s->mark, s->at ? "at" : "every",
			   "the source is pushed, nobody reads it: expected no times");
	check_sections(s, faults);
	s->ldap.name = s->name;
	if (s->kind == CONFIG_LDAP)
		(void)!dir_options_check(&s->ldap, faults, &err);
	s->file.name = s->name;
	s->file.zone = s->file.time_zone ? s->file.time_zone : c->instance.zone;
	if (s->kind == CONFIG_FILE)
		(void)!hr_options_check(&s->file, faults, &err);
	check_list(c, faults, &s->mark, "issuer_for", &s->scim.issuer_for, true);
	config_push_check(c, s, faults);
	if (s->kind == CONFIG_SCIM && !c->scim.listen)
		conf_fault(faults, &s->mark, "kind",
			   "the source is pushed over SCIM, but scim.listen is not set: nobody "
			   "could "
			   "reach it");
}

static void check_sources(struct config *c, struct conf_faults *faults)
{
	struct config_source *v = c->sources.v;

	for (size_t i = 0; i < c->sources.n; i++)
		check_source(c, &v[i], faults);
}

static void check_orgs(struct config *c, struct conf_faults *faults)
{
	struct config_org *v = c->organisations.v;
	struct err err;

	for (size_t i = 0; i < c->organisations.n; i++) {
		check_name(faults, &v[i].mark, v[i].name);
		check_times(faults, &v[i].mark, "at", v[i].at, &v[i].at_times);
		check_times(faults, &v[i].mark, "plan_at", v[i].plan_at, &v[i].plan_times);
		check_list(c, faults, &v[i].mark, "sources", &v[i].sources, false);
		v[i].cloud.name = v[i].name;
		(void)!atl_options_check(&v[i].cloud, faults, &err);
		config_provision_check(c, &v[i], faults);
		config_billing_check(&v[i], faults);
	}
}

static void check_sites(struct config *c, struct conf_faults *faults)
{
	for (size_t i = 0; i < c->organisations.n; i++) {
		const struct config_org *org = config_org_at(c, i);

		for (size_t k = 0; k < org->sites.n; k++) {
			const struct atl_site_options *s = config_site_at(org, k);

			atl_site_check(s, faults);
			if (s->host && config_site(org, s->host) != s)
				conf_fault(faults, &s->mark, "host",
					   "%s is named twice: expected one item for each site",
					   s->host);
		}
	}
}

static void check_policy(struct config *c, struct conf_faults *faults)
{
	struct policy_provision_conf *provision = NULL;
	struct err err;

	/* lost memory: config_read() finds no policy */
	if (config_provision_policy(c, &c->whole->policy, &provision, &err) == 0)
		(void)!policy_bind(&c->whole->policy, faults, &c->policy, &err);
	c->whole->policy.provision = NULL;
	c->whole->policy.provision_count = 0;
	free(provision);
}

static void check_notices(struct config *c, struct conf_faults *faults)
{
	/* lost memory: config_read() finds no texts */
	config_notices_check(c, faults, &c->texts);
}

static void check_audit(struct config *c, struct conf_faults *faults)
{
	config_audit_check(c, faults);
}

static void (*const checks[])(struct config *, struct conf_faults *) = {
	check_instance, check_approvals, check_master_key, check_control,
	check_scim,     check_sources,   check_orgs,       check_sites,
	check_policy,   check_schedule,  check_notices,    check_audit,
};

/* --- reading ---------------------------------------------------------------------------------
 */

static char *joined(const char *folder, const char *name)
{
	struct buf b;
	char *text;

	buf_init(&b, 8192);
	buf_addf(&b, "%s/%s", folder, name);
	text = buf_take(&b, NULL);
	buf_done(&b);
	return text;
}

/* Without a name of its own the server is called by its address. */
static int derive_url(struct config_scim *s, struct err *err)
{
	CLEANUP(buf_done) struct buf b;
	bool local = s->listen && str_starts(str_of(s->listen), STR("unix:"));

	buf_init(&b, CONFIG_URL_MAX);
	if (!s->listen || s->public_url)
		return 0;
	buf_addf(&b, "%s://%s", s->tls_cert ? "https" : "http",
		 local ? "localhost" : s->listen);
	s->public_url = buf_take(&b, NULL);
	return s->public_url ? 0 : err_nomem(err);
}

static int derive(struct config *c, const char *file, struct err *err)
{
	c->file = str_dup(str_of(file));
	c->db_file = joined(c->instance.state_dir, "leaverd.db");
	c->head_file = joined(c->instance.state_dir, "audit.head");
	if (!c->control.socket)
		c->control.socket = joined(c->instance.state_dir, "control");
	if (!c->file || !c->db_file || !c->head_file || !c->control.socket)
		return err_nomem(err);
	return derive_url(&c->scim, err);
}

/* The first fault, and how many there are. */
static int first_fault(const char *file, const struct conf_faults *faults, struct err *err)
{
	if (faults->n == 1)
		return err_set(err, ERR_CONFIG, "%s", faults->v[0]);
	return err_set(err, ERR_CONFIG, "%s (and %zu more in %s: see 'leaverd config check')",
		       faults->v[0], faults->n - 1, file);
}

/* From text; NULL text: from the file. */
static int read_whole(const char *file, const struct str *text, struct config *ret,
		      struct conf_faults *all, struct err *err)
{
	struct config_whole *whole = calloc(1, sizeof(*whole));
	struct config *c;
	int r;

	if (!whole)
		return err_nomem(err);
	c = &whole->c;
	c->whole = whole;
	r = text ? conf_read_text(file, *text, config_keys, whole, all, err)
		 : conf_read(file, config_keys, whole, all, err);
	c->whole = whole;
	if (r == 0)
		r = derive(c, file, err);
	for (size_t i = 0; r == 0 && i < COUNT_OF(checks); i++)
		checks[i](c, all);
	if (r == 0 && all->n)
		r = first_fault(file, all, err);
	if (r == 0 && (!c->policy || !c->texts))
		r = err_nomem(err);
	if (r < 0) {
		config_free(c);
		return r;
	}
	*ret = *c;
	return 0;
}

int config_read(const char *file, struct config *ret, struct conf_faults *faults,
		struct err *err)
{
	CLEANUP(conf_faults_free) struct conf_faults own = { 0 };

	return read_whole(file, NULL, ret, faults ? faults : &own, err);
}

int config_read_text(const char *name, struct str text, struct config *ret, struct err *err)
{
	CLEANUP(conf_faults_free) struct conf_faults own = { 0 };

	return read_whole(name, &text, ret, &own, err);
}

void config_free(struct config *c)
{
	struct config_whole *whole = c->whole;

	if (!whole || c != &whole->c)
		*c = (struct config){ 0 };
	if (!whole)
		return;
	policy_free(whole->c.policy);
	notice_texts_free(whole->c.texts);
	free(whole->c.file);
	free(whole->c.db_file);
	free(whole->c.head_file);
	conf_free(config_keys, whole);
	free(whole);
}

const char *config_find(const char *given)
{
	const char *named = getenv("LEAVERD_CONFIG");

	if (given)
		return given;
	if (named && *named)
		return named;
	return access(CONFIG_HERE, F_OK) == 0 ? CONFIG_HERE : CONFIG_SYSTEM;
}

/* --- asking ----------------------------------------------------------------------------------
 */

const struct config_source *config_source_at(const struct config *c, size_t i)
{
	return i < c->sources.n ? (const struct config_source *)c->sources.v + i : NULL;
}

const struct atl_site_options *config_site_at(const struct config_org *org, size_t i)
{
	const struct atl_site_options *v = org->sites.v;

	return i < org->sites.n ? &v[i] : NULL;
}

const struct atl_site_options *config_site(const struct config_org *org, const char *host)
{
	for (size_t i = 0; i < org->sites.n; i++) {
		const struct atl_site_options *s = config_site_at(org, i);

		if (s->host && str_ieq(str_of(s->host), str_of(host)))
			return s;
	}
	return NULL;
}

const struct config_org *config_org_at(const struct config *c, size_t i)
{
	return i < c->organisations.n ? (const struct config_org *)c->organisations.v + i
				      : NULL;
}

const struct config_source *config_source(const struct config *c, const char *name)
{
	for (size_t i = 0; name && i < c->sources.n; i++) {
		const struct config_source *s = config_source_at(c, i);

		if (s->name && !strcmp(s->name, name))
			return s;
	}
	return NULL;
}

const struct config_org *config_org(const struct config *c, const char *name)
{
	for (size_t i = 0; name && i < c->organisations.n; i++) {
		const struct config_org *o = config_org_at(c, i);

		if (o->name && !strcmp(o->name, name))
			return o;
	}
	return NULL;
}

int64_t config_day(const struct config *c, int64_t at_ms)
{
	const struct zone *z = NULL;
	struct err err;

	/* checked when it was read; a zone that vanished since is UTC */
	if (zone_get(str_of(c->instance.zone), &z, &err) == 0)
		at_ms += zone_offset_s(z, at_ms) * STAMP_SECOND_MS;
	return at_ms / STAMP_DAY_MS;
}

const struct policy_conf *config_policy_conf(const struct config *c)
{
	return &c->whole->policy;
}

int config_show(const struct config *c, struct buf *into, struct err *err)
{
	return conf_show(config_keys, c->whole, into, err);
}
