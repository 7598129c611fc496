/*
 * A million persons, a million accounts, eight million memberships: how long the judgement
 * alone takes, and how much memory, beside coreutils' sort and join of the same keys.
 *
 * usage: bench_plan_million BUILD full|small
 *
 * Nobody is linked yet, so that every account has to find its person by its address, which is
 * what join does with the two files. One in a hundred left, one seat in twenty lies idle.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/zone.h"
#include "reconcile/reconcile.h"

enum { GROUPS = 2000, MEMBERSHIPS_EACH = 8, PRODUCTS = 2 };

static struct err err;

static void must(int r)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "bench_plan_million: %s\n", err.text);
	exit(1);
}

/* Keys in no order: a fixed permutation of 0 .. n - 1 for odd multipliers prime to n. */
static uint32_t spread(uint32_t i, uint32_t n, uint32_t salt)
{
	return (uint32_t)(((uint64_t)i * 2654435761u + salt) % n);
}

/* --- the world ------------------------------------------------------------------------------
 */

static struct str address(char text[64], uint32_t i)
{
	return str_n(text, (size_t)snprintf(text, 64, "person.%07u@company.example", i));
}

static void person_add(struct facts *f, const struct policy *p, uint32_t i, int64_t now_ms)
{
	char key[64], mail[64];
	struct facts_record row = { .person = i % 10 ? i + 1 : 0, .state = RECORD_ACTIVE };
	struct str value = address(mail, i);
	uint32_t record;

	row.key = str_n(key, (size_t)snprintf(key, sizeof(key), "%08x-0000-4000-8000-%012x",
					      i * 2654435761u, i));
	must(facts_add_record(f, &row, &record, &err));
	for (uint32_t c = 0; c < f->columns.n; c++)
		must(facts_set_absent(f, record, c, &err));
	must(facts_set_text(f, record, p->fixed[COL_USER_NAME], value, &err));
	must(facts_set_list(f, record, p->fixed[COL_EMAIL], &value, 1, &err));
	if (i % 100 == 0)
		must(facts_set_number(f, record, p->fixed[COL_LAST_WORKING_DAY],
				      now_ms - now_ms % STAMP_DAY_MS - 2 * STAMP_DAY_MS, &err));
	if (row.person) {
		struct facts_person person = { .number = row.person };

		must(facts_add_person(f, &person, &err));
	}
}

static void account_add(struct facts *f, uint32_t i, uint32_t n, int64_t now_ms)
{
	char id[64], mail[64];
	struct facts_account row = { .number = i + 1,
				     .directory = STR("d"),
				     .status = ACCOUNT_ACTIVE,
				     .type = ACCOUNT_PERSON,
				     .managed = TRI_YES,
				     .synced = TRI_NO,
				     .accepted = TRI_YES,
				     .admin = TRI_NO,
				     .org_admin = TRI_NO,
				     .paths_known = TRI_YES,
				     .added_ms = now_ms - 400 * STAMP_DAY_MS,
				     .token_active_ms = FACT_ABSENT,
				     .tokens = TRI_NO };
	struct facts_seat seat = { .last_active_ms = now_ms - (i % 20 ? 3 : 200) * STAMP_DAY_MS,
				   .added_ms = now_ms - 400 * STAMP_DAY_MS,
				   .product = i % PRODUCTS };

	row.id = str_n(id, (size_t)snprintf(id, sizeof(id), "712020:%08x-0000-4000-8000-%012x",
					    i * 40503u, i));
	row.email = address(mail, spread(i, n, 0));
	must(facts_add_account(f, &row, &seat.account, &err));
	must(facts_add_seat(f, &seat, NULL, &err));
}

static void groups_add(struct facts *f)
{
	for (uint32_t i = 0; i < PRODUCTS; i++) {
		struct facts_product row = { .site = STR("site"), .resource = STR("ari") };

		row.key = i ? STR("confluence") : STR("jira");
		must(facts_add_product(f, &row, NULL, &err));
	}
	for (uint32_t i = 0; i < GROUPS; i++) {
		char id[64];
		struct facts_group row = { .synced = TRI_NO, .modifiable = TRI_YES };
		struct facts_grant grant = { .group = i,
					     .product = i % PRODUCTS,
					     .role = STR("atlassian/user"),
					     .is_default = TRI_NO,
					     .billable = TRI_YES };

		row.id = row.name =
			str_n(id, (size_t)snprintf(id, sizeof(id), "group-%04u", i));
		must(facts_add_group(f, &row, NULL, &err));
		if (i % 10 == 0)
			must(facts_add_grant(f, &grant, &err));
	}
}

static struct facts *world(const struct policy *p, uint32_t n)
{
	struct facts_round round = { .org = STR("acme"),
				     .now_ms = 1772442000000,
				     .mode = ORG_PROPOSE,
				     .next_person = n + 1,
				     .org_complete = true,
				     .org_plausible = true,
				     .org_identity_same = true };
	struct facts_source source = { .name = STR("hr"), .ready = true, .accepted = true };
	struct facts *f;

	must(facts_new(&p->columns, &round, &f, &err));
	must(facts_add_source(f, &source, NULL, &err));
	must(facts_add_match_approved(f, STR("email"), &err));
	groups_add(f);
	for (uint32_t i = 0; i < n; i++)
		person_add(f, p, i, round.now_ms);
	for (uint32_t i = 0; i < n; i++)
		account_add(f, i, n, round.now_ms);
	for (uint32_t k = 0; k < MEMBERSHIPS_EACH; k++)
		for (uint32_t i = 0; i < n; i++)
			must(facts_add_membership(f, spread(i, n, k * 7919),
						  (i * MEMBERSHIPS_EACH + k) % GROUPS, &err));
	return f;
}

/* --- the limit: the same keys through sort and join ------------------------------------------
 */

static void run(const char *const argv[], const char *out)
{
	pid_t pid = fork();
	int status, fd;

	if (pid == 0) {
		fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (fd < 0 || dup2(fd, 1) < 0 || setenv("LC_ALL", "C", 1) < 0)
			_exit(127);
		(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0) {
		(void)fprintf(stderr, "bench_plan_million: %s failed\n", argv[0]);
		exit(1);
	}
}

static FILE *create(const char *name)
{
	FILE *f = fopen(name, "w");

	if (f)
		return f;
	perror(name);
	exit(1);
}

static void keys_write(uint32_t n)
{
	FILE *people = create("people"), *accounts = create("accounts");
	FILE *members = create("members");
	char mail[64];

	for (uint32_t i = 0; i < n; i++) {
		(void)address(mail, i);
		(void)fprintf(people, "%s %u\n", mail, i);
		(void)address(mail, spread(i, n, 0));
		(void)fprintf(accounts, "%s a%07u\n", mail, i);
	}
	for (uint32_t k = 0; k < MEMBERSHIPS_EACH; k++)
		for (uint32_t i = 0; i < n; i++)
			(void)fprintf(members, "a%07u group-%04u\n", spread(i, n, k * 7919),
				      (i * MEMBERSHIPS_EACH + k) % GROUPS);
	if (fclose(people) || fclose(accounts) || fclose(members)) {
		perror("writing keys");
		exit(1);
	}
}

/* People to accounts by address, the result to memberships by account. */
static int64_t sort_and_join(void)
{
	static const char *const sort_people[] = { "sort", "-k1,1", "people", NULL };
	static const char *const sort_accounts[] = { "sort", "-k1,1", "accounts", NULL };
	static const char *const join_people[] = { "join",     "-o",         "2.2,1.2",
						   "people.s", "accounts.s", NULL };
	static const char *const sort_linked[] = { "sort", "-k1,1", "linked", NULL };
	static const char *const sort_members[] = { "sort", "-k1,1", "members", NULL };
	static const char *const join_members[] = { "join", "linked.s", "members.s", NULL };
	int64_t began = stamp_mono_ms();

	run(sort_people, "people.s");
	run(sort_accounts, "accounts.s");
	run(join_people, "linked");
	run(sort_linked, "linked.s");
	run(sort_members, "members.s");
	run(join_members, "joined");
	return stamp_mono_ms() - began;
}

static void keys_remove(const char *folder)
{
	static const char *const names[] = { "people",   "accounts",   "members",
					     "people.s", "accounts.s", "linked",
					     "linked.s", "members.s",  "joined" };

	for (size_t i = 0; i < COUNT_OF(names); i++)
		(void)unlink(names[i]);
	if (chdir("/") == 0)
		(void)rmdir(folder);
}

/* --- the row ---------------------------------------------------------------------------------
 */

static const char *aim(bool met)
{
	return met ? "ok" : "short";
}

int main(int argc, char **argv)
{
	CLEANUP(policy_free_at) struct policy *p = NULL;
	CLEANUP(reconcile_result_free_at) struct reconcile_result *result = NULL;
	uint32_t n = argc > 2 && strcmp(argv[2], "small") == 0 ? 50021 : 1000003;
	const char *tmp = getenv("TMPDIR");
	int64_t filled, sealed, judged, limit, began;
	struct buf bytes;
	struct rusage use;
	struct facts *f;
	char folder[256];
	double ratio;

	must(policy_bind(NULL, NULL, &p, &err));
	began = stamp_mono_ms();
	f = world(p, n);
	filled = stamp_mono_ms();
	must(facts_seal(f, &err));
	sealed = stamp_mono_ms();
	must(reconcile(f, p, &result, &err));
	buf_init(&bytes, PLAN_MAX_BYTES);
	for (int i = 0; i < PLAN_URGENCY_COUNT; i++)
		if (result->plans[i])
			must(plan_write(result->plans[i], &bytes, &err));
	judged = stamp_mono_ms();
	(void)getrusage(RUSAGE_SELF, &use);

	(void)snprintf(folder, sizeof(folder), "%s/leaverd-bench-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(folder) || chdir(folder) < 0) {
		perror(folder);
		return 1;
	}
	keys_write(n);
	limit = sort_and_join();
	keys_remove(folder);

	ratio = (double)(judged - filled) / (double)(limit ? limit : 1);
	(void)printf("bench plan-million.reconcile persons=%u memberships=%u actions=%zu "
		     "linked=%llu "
		     "fill_ms=%lld seal_ms=%lld judge_ms=%lld sort_join_ms=%lld ratio=%.2f "
		     "aim=<=0.5 %s\n",
		     n, n * MEMBERSHIPS_EACH,
		     (result->plans[0] ? result->plans[0]->actions.n : 0) +
			     (result->plans[1] ? result->plans[1]->actions.n : 0),
		     (unsigned long long)result->counts.linked, (long long)(filled - began),
		     (long long)(sealed - filled), (long long)(judged - sealed),
		     (long long)limit, ratio, aim(ratio <= 0.5));
	(void)printf("bench plan-million.memory facts_mib=%zu plan_mib=%zu rss_mib=%ld "
		     "ratio=%ldMiB aim=<=1024MiB %s\n",
		     facts_bytes(f) >> 20, bytes.len >> 20, use.ru_maxrss / 1024,
		     use.ru_maxrss / 1024, aim(use.ru_maxrss <= 1024 * 1024));
	buf_done(&bytes);
	facts_free(f);
	zone_done();
	return 0;
}
