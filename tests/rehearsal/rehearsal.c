/*
 * The rehearsal organisation: a look-alike of the Atlassian Cloud endpoints that leaverd calls,
 * for rehearsing policies and for tests. Written from Atlassian's published documents; it is no
 * proof of their API.
 */
#include "tests/rehearsal/rehearsal.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>

#include "tests/rehearsal/people.h"
#include "tests/rehearsal/scenario.h"

struct settings {
	const char *listen, *org, *key, *scoped, *site_token, *scim_directory, *scim_key,
		*record, *scenario;
	unsigned directories, sites, threads;
	int64_t lag_ms, latency_ms, rate, rate_window_ms, page_v1;
	bool apps_in_search;
	struct people_options people;
};

static const char usage[] =
	"usage: rehearsal [--people FILE | --users N] [options]\n"
	"\n"
	"  --listen ADDRESS     where to listen (127.0.0.1:0: a free port)\n"
	"  --people FILE        make accounts of these people, a JSON object a line\n"
	"  --users N            or of N invented ones (100)\n"
	"  --seed S             another seed, another population (1)\n"
	"  --orphans K          accounts of the verified domain that no person explains (0)\n"
	"  --domain NAME        the verified domain (the most frequent of the people)\n"
	"  --mix CASE=N,...     share of a case in 1000 people, for example never-active=50\n"
	"  --scenario NAME      synced-groups, last-admin, hidden-mail, guard-lapsed or flaky\n"
	"                       over them\n"
	"  --plain              only people: no externals, guests, customers, apps\n"
	"  --org ID             id of the organisation\n"
	"  --key VALUE          the organisation key expected (rehearsal-key)\n"
	"  --scoped-key VALUE   a key with read scopes, which user management refuses\n"
	"  --site-token VALUE   the API token that sites expect (rehearsal-site-token)\n"
	"  --scim-directory ID  the provisioning directory "
	"(00000000-0000-4000-8000-00005c130001)\n"
	"  --scim-key VALUE     its key (rehearsal-scim-key)\n"
	"  --sites N            sites, 1 to 4 (2); each has all three products\n"
	"  --directories N      directories, 1 to 4 (1)\n"
	"  --lag MS             how long role and group changes stay unseen (0)\n"
	"  --latency MS         how late each answer comes (0)\n"
	"  --rate N             requests in a window (1000; 0: no limit, no headers)\n"
	"  --rate-window MS     the window (1000)\n"
	"  --page-v1 N          accounts on a page of v1 lists (100)\n"
	"  --apps-in-search     show apps and customers in users/search too\n"
	"  --record FILE        write each request and answer, a JSON object a line\n"
	"  --threads N          of the server (4)\n";

enum {
	OPT_LISTEN = 256,
	OPT_PEOPLE,
	OPT_USERS,
	OPT_SEED,
	OPT_ORPHANS,
	OPT_DOMAIN,
	OPT_MIX,
	OPT_PLAIN,
	OPT_SCENARIO,
	OPT_ORG,
	OPT_KEY,
	OPT_SCOPED,
	OPT_SITE_TOKEN,
	OPT_SCIM_DIRECTORY,
	OPT_SCIM_KEY,
	OPT_SITES,
	OPT_DIRECTORIES,
	OPT_LAG,
	OPT_LATENCY,
	OPT_RATE,
	OPT_RATE_WINDOW,
	OPT_PAGE_V1,
	OPT_APPS,
	OPT_RECORD,
	OPT_THREADS,
	OPT_HELP
};

static const struct option options[] = {
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "people", required_argument, NULL, OPT_PEOPLE },
	{ "users", required_argument, NULL, OPT_USERS },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "orphans", required_argument, NULL, OPT_ORPHANS },
	{ "domain", required_argument, NULL, OPT_DOMAIN },
	{ "mix", required_argument, NULL, OPT_MIX },
	{ "scenario", required_argument, NULL, OPT_SCENARIO },
	{ "plain", no_argument, NULL, OPT_PLAIN },
	{ "org", required_argument, NULL, OPT_ORG },
	{ "key", required_argument, NULL, OPT_KEY },
	{ "scoped-key", required_argument, NULL, OPT_SCOPED },
	{ "site-token", required_argument, NULL, OPT_SITE_TOKEN },
	{ "scim-directory", required_argument, NULL, OPT_SCIM_DIRECTORY },
	{ "scim-key", required_argument, NULL, OPT_SCIM_KEY },
	{ "sites", required_argument, NULL, OPT_SITES },
	{ "directories", required_argument, NULL, OPT_DIRECTORIES },
	{ "lag", required_argument, NULL, OPT_LAG },
	{ "latency", required_argument, NULL, OPT_LATENCY },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "rate-window", required_argument, NULL, OPT_RATE_WINDOW },
	{ "page-v1", required_argument, NULL, OPT_PAGE_V1 },
	{ "apps-in-search", no_argument, NULL, OPT_APPS },
	{ "record", required_argument, NULL, OPT_RECORD },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static bool number(const char *name, const char *text, uint64_t least, uint64_t most,
		   uint64_t *ret)
{
	if (str_uint64(str_of(text), ret) && *ret >= least && *ret <= most)
		return true;
	fprintf(stderr, "rehearsal: --%s %s: a number from %" PRIu64 " to %" PRIu64 "\n", name,
		text, least, most);
	return false;
}

static bool number_option(struct settings *s, int option, const char *name, const char *text)
{
	uint64_t n;

	switch (option) {
	case OPT_USERS:
		return number(name, text, 0, 2000000, &s->people.users);
	case OPT_SEED:
		return number(name, text, 0, UINT64_MAX, &s->people.seed);
	case OPT_ORPHANS:
		return number(name, text, 0, 1000000, &s->people.orphans);
	case OPT_SITES:
		if (!number(name, text, 1, ORG_SITES, &n))
			return false;
		s->sites = (unsigned)n;
		return true;
	case OPT_DIRECTORIES:
		if (!number(name, text, 1, ORG_DIRECTORIES, &n))
			return false;
		s->directories = (unsigned)n;
		return true;
	case OPT_THREADS:
		if (!number(name, text, 1, 64, &n))
			return false;
		s->threads = (unsigned)n;
		return true;
	default:
		break;
	}
	if (!number(name, text, option == OPT_RATE_WINDOW || option == OPT_PAGE_V1, 1000000000,
		    &n))
		return false;
	*(option == OPT_LAG           ? &s->lag_ms
	  : option == OPT_LATENCY     ? &s->latency_ms
	  : option == OPT_RATE        ? &s->rate
	  : option == OPT_RATE_WINDOW ? &s->rate_window_ms
				      : &s->page_v1) = (int64_t)n;
	return true;
}

/* 0 go on, 1 end well, 2 wrong usage. */
static int settings_read(struct settings *s, int argc, char **argv)
{
	int option, at = 0;

	while ((option = getopt_long(argc, argv, "", options, &at)) != -1) {
		const char **text = option == OPT_LISTEN           ? &s->listen
				    : option == OPT_SCENARIO       ? &s->scenario
				    : option == OPT_PEOPLE         ? &s->people.file
				    : option == OPT_DOMAIN         ? &s->people.domain
				    : option == OPT_MIX            ? &s->people.mix
				    : option == OPT_ORG            ? &s->org
				    : option == OPT_KEY            ? &s->key
				    : option == OPT_SCOPED         ? &s->scoped
				    : option == OPT_SITE_TOKEN     ? &s->site_token
				    : option == OPT_SCIM_DIRECTORY ? &s->scim_directory
				    : option == OPT_SCIM_KEY       ? &s->scim_key
				    : option == OPT_RECORD         ? &s->record
								   : NULL;

		if (text)
			*text = optarg;
		else if (option == OPT_PLAIN)
			s->people.plain = true;
		else if (option == OPT_APPS)
			s->apps_in_search = true;
		else if (option == OPT_HELP)
			return fputs(usage, stdout) >= 0 ? 1 : 2;
		else if (option == '?' || !number_option(s, option, options[at].name, optarg))
			return 2;
	}
	if (optind < argc) {
		fprintf(stderr, "rehearsal: what is \"%s\"?\n%s", argv[optind], usage);
		return 2;
	}
	if (s->sites < s->directories)
		s->sites = s->directories;
	return 0;
}

static int rehearsal_open(struct rehearsal *re, const struct settings *s, struct err *err)
{
	int r;

	pthread_mutex_init(&re->lock, NULL);
	re->key = s->key;
	re->scoped = s->scoped;
	re->site_token = s->site_token;
	re->scim_directory = s->scim_directory;
	re->scim_key = s->scim_key;
	re->scim = json_pack("{s:[],s:[]}", "users", "groups");
	if (!re->scim)
		return err_nomem(err);
	re->latency_ms = s->latency_ms;
	re->page_v1 = s->page_v1;
	re->apps_in_search = s->apps_in_search;
	re->rate = (struct rate){ .limit = s->rate,
				  .window_ms = s->rate_window_ms,
				  .began_mono_ms = stamp_mono_ms() };
	org_init(&re->org, s->org, s->directories, s->sites, s->people.seed);
	re->org.lag_ms = s->lag_ms;
	r = ledger_init(&re->ledger, err);
	if (r == 0)
		r = people_make(&re->org, &s->people, stamp_now_ms(), err);
	if (r == 0)
		r = scenario_apply(re, s->scenario, (int64_t)(s->people.seed & INT32_MAX),
				   stamp_now_ms(), err);
	if (r == 0 && s->record) {
		re->record = fopen(s->record, "we");
		if (!re->record)
			r = err_errno(err, ERR_IO, errno, "record %s", s->record);
	}
	return r;
}

static void rehearsal_close(struct rehearsal *re)
{
	if (re->record)
		fclose(re->record);
	vec_parked_done(&re->parked);
	json_decref(re->works);
	json_decref(re->scim);
	json_decref(re->task);
	mischief_done(&re->mischief);
	ledger_done(&re->ledger);
	org_done(&re->org);
	pthread_mutex_destroy(&re->lock);
}

/* How much of "host:port" is the host. */
static int host_chars(const char *listen)
{
	const char *colon = strrchr(listen, ':');

	return colon ? (int)(colon - listen) : (int)strlen(listen);
}

/* Serves until SIGINT or SIGTERM. */
static int serve(struct rehearsal *re, const struct settings *s, const sigset_t *signals,
		 struct err *err)
{
	struct httpd_options o = { .name = "rehearsal",
				   .listen = s->listen,
				   .threads = s->threads,
				   .connections = 1000,
				   .max_body_bytes = 8 << 20,
				   .timeout_ms = 120000,
				   .ctx = re,
				   .any = dispatch };
	struct httpd *h;
	int sig, r;

	r = worker_start(&re->waiter, "late", dispatch_waiter, re, err);
	if (r < 0)
		return r;
	r = httpd_start(&h, &o, err);
	if (r < 0) {
		worker_join(re->waiter);
		return r;
	}
	pthread_mutex_lock(&re->lock);
	snprintf(re->base, sizeof(re->base), "http://%.*s:%u", host_chars(s->listen), s->listen,
		 httpd_port(h));
	pthread_mutex_unlock(&re->lock);
	printf("rehearsal: listening on %s\n", re->base);
	fflush(stdout);
	sigwait(signals, &sig);
	httpd_quiesce(h);
	dispatch_stop(re);
	worker_join(re->waiter);
	httpd_stop(h);
	return 0;
}

int main(int argc, char **argv)
{
	struct settings s = { .listen = "127.0.0.1:0",
			      .key = "rehearsal-key",
			      .site_token = "rehearsal-site-token",
			      .scim_directory = "00000000-0000-4000-8000-00005c130001",
			      .scim_key = "rehearsal-scim-key",
			      .sites = 2,
			      .directories = 1,
			      .threads = 4,
			      .rate = 1000,
			      .rate_window_ms = 1000,
			      .page_v1 = 100,
			      .people = { .users = 100, .seed = 1 } };
	struct rehearsal re = { 0 };
	struct err err;
	sigset_t signals;
	int r = settings_read(&s, argc, argv);

	if (r)
		return r == 1 ? 0 : r;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	map_seed();
	r = rehearsal_open(&re, &s, &err);
	if (r == 0)
		r = serve(&re, &s, &signals, &err);
	if (r < 0)
		fprintf(stderr, "rehearsal: %s\n", err.text);
	rehearsal_close(&re);
	return r < 0;
}
