/*
 * Fills a new instance's database with people, an account of each, groups and seats, all known
 * to each other, by the store's own functions: what years of rounds would have left behind.
 *
 * usage: load_company DATABASE SOURCE ORG COUNT
 *
 * One in a hundred left two days ago; one seat in twenty was last used 200 days ago; each
 * account is in eight of 2000 groups. Prints "people N memberships N".
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/stamp.h"
#include "model/snapshot.h"
#include "store/accounts.h"
#include "store/persons.h"
#include "store/records.h"
#include "store/sources.h"
#include "store/store.h"

enum {
	BATCH = 10000,
	ACCOUNTS_AT_ONCE = 200,
	GROUPS = 2000,
	MEMBERSHIPS_EACH = 8,
	PRODUCTS = 2
};

static struct err err;

static void must(int r)
{
	if (r >= 0)
		return;
	(void)fprintf(stderr, "load_company: %s\n", err.text);
	exit(1);
}

struct company {
	struct store *store;
	int64_t source, org, now_ms;
	uint32_t count;
	int64_t *accounts; /* the store's numbers */
	struct org_run *run;
	int64_t products[PRODUCTS], groups[GROUPS];
};

/* Accounts come in another order than people: a fixed permutation. */
static uint32_t spread(uint32_t i, uint32_t n, uint32_t salt)
{
	return (uint32_t)(((uint64_t)i * 2654435761u + salt) % n);
}

static void doc_of(struct buf *b, const char *id, uint32_t i, int64_t now_ms)
{
	char day[STAMP_TEXT_BYTES];

	buf_clear(b);
	buf_addf(b,
		 "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\","
		 "\"urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment\"],"
		 "\"id\":\"%s\",\"externalId\":\"e%u\",\"userName\":\"person.%u@example.test\","
		 "\"displayName\":\"Given%u Family%u\",\"emails\":[{\"value\":"
		 "\"person.%u@example.test\",\"type\":\"work\",\"primary\":true}],\"active\":"
		 "true,",
		 id, i, i, i, i, i);
	stamp_date_text(now_ms - 2 * STAMP_DAY_MS, day);
	buf_addf(b, "\"urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment\":{"
		    "\"status\":\"active\"");
	if (i % 100 == 0)
		buf_addf(b, ",\"lastWorkingDay\":\"%.10s\"", day);
	buf_addf(b, "}}");
}

static void person_put(struct company *c, struct db *db, uint32_t i, struct buf *b)
{
	struct record_put put = { .now_ms = c->now_ms };
	int64_t record, person;
	char id[48];

	(void)snprintf(id, sizeof(id), "%08x-0000-4000-8000-%012x", i * 2654435761u, i);
	doc_of(b, id, i, c->now_ms);
	put.key = str_of(id);
	put.doc = buf_str(b);
	must(records_create(db, c->source, &put, &record, &err));
	must(persons_create(db, c->now_ms, &person, &err));
	must(persons_link_record(db, record, person, "first-seen", "", c->now_ms, &err));
}

static void accounts_put_some(struct company *c, struct db *db, uint32_t first, uint32_t n)
{
	static char text[ACCOUNTS_AT_ONCE][4][64];
	struct account_row rows[ACCOUNTS_AT_ONCE];
	struct seat_row seats[ACCOUNTS_AT_ONCE];

	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = first + k, who = spread(i, c->count, 0);

		(void)snprintf(text[k][0], 64, "712020:%08x-0000-4000-8000-%012x", i * 40503u,
			       i);
		(void)snprintf(text[k][1], 64, "person.%u@example.test", who);
		(void)snprintf(text[k][2], 64, "Given%u Family%u", who, who);
		rows[k] = (struct account_row){
			.account_id = str_of(text[k][0]),
			.directory = STR("directory"),
			.email = str_of(text[k][1]),
			.name = str_of(text[k][2]),
			.status = ACCOUNT_ACTIVE,
			.type = ACCOUNT_PERSON,
			.managed = TRI_YES,
			.synced = TRI_NO,
			.can_disable = TRI_YES,
			.accepted = TRI_YES,
			.admin = TRI_NO,
			.org_admin = TRI_NO,
			.paths_known = TRI_YES,
			.tokens = TRI_NO,
			.added_ms = c->now_ms - 400 * STAMP_DAY_MS,
			.token_active_ms = FACT_ABSENT,
			.last_active_ms = c->now_ms - 3 * STAMP_DAY_MS,
		};
	}
	must(accounts_put(db, c->run, rows, n, c->now_ms, c->accounts + first, &err));
	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = first + k;

		seats[k] = (struct seat_row){
			.account = c->accounts[i],
			.product = c->products[i % PRODUCTS],
			.last_active_ms = c->now_ms - (i % 20 ? 3 : 200) * STAMP_DAY_MS,
			.added_ms = c->now_ms - 400 * STAMP_DAY_MS,
		};
	}
	must(accounts_put_seats(db, c->run, seats, n, &err));
}

static void products_put(struct company *c, struct db *db)
{
	const struct product_row rows[PRODUCTS] = {
		{ .key = STR("jira"), .site = STR("bench"), .resource = STR("ari-jira") },
		{ .key = STR("confluence"), .site = STR("bench"), .resource = STR("ari-wiki") },
	};

	must(accounts_put_products(db, c->run, rows, PRODUCTS, c->products, &err));
	for (uint32_t i = 0; i < GROUPS; i++) {
		char id[64];
		struct org_group_row group = { .directory = STR("directory"),
					       .synced = TRI_NO,
					       .modifiable = TRI_YES,
					       .admin = TRI_NO };
		struct grant_row grant = { .product = c->products[i % PRODUCTS],
					   .role = STR("atlassian/user"),
					   .is_default = TRI_NO,
					   .billable = TRI_YES };

		(void)snprintf(id, sizeof(id), "group-%04u", i);
		group.group_id = group.name = str_of(id);
		must(accounts_put_groups(db, c->run, &group, 1, &c->groups[i], &err));
		grant.group = c->groups[i];
		if (i % 10 == 0)
			must(accounts_put_grants(db, c->run, &grant, 1, &err));
	}
}

/* Account i is in the eight groups from 8i on: of one group, every 250th account. */
static void members_put(struct company *c, struct db *db, uint32_t group, uint32_t *members)
{
	uint32_t n = 0, stride = GROUPS / MEMBERSHIPS_EACH;

	for (uint32_t i = group / MEMBERSHIPS_EACH; i < c->count; i += stride)
		members[n++] = (uint32_t)c->accounts[i];
	must(accounts_put_members(db, c->run, c->groups[group], members, n, true, &err));
}

static struct db *begin(struct company *c)
{
	struct db *db;

	must(store_write_begin(c->store, &db, &err));
	return db;
}

static void people_load(struct company *c, const char *source, const char *org)
{
	struct db *db = begin(c);
	struct buf b;

	buf_init(&b, 65536);
	must(sources_declare(db, source, "scim", "hr", 0, c->now_ms, &c->source, &err));
	must(accounts_org_declare(db, org, c->now_ms, &c->org, &err));
	must(store_write_end(db, 0, &err));
	for (uint32_t i = 0; i < c->count;) {
		db = begin(c);
		for (uint32_t end = i + BATCH; i < c->count && i < end; i++)
			person_put(c, db, i, &b);
		must(store_write_end(db, 0, &err));
	}
	buf_done(&b);
}

static void organisation_load(struct company *c)
{
	uint32_t *members = calloc(c->count, sizeof(*members)), i;
	struct db *db = begin(c);

	if (!members)
		must(err_nomem(&err));
	must(accounts_begin(db, c->org, c->now_ms, &c->run, &err));
	products_put(c, db);
	must(store_write_end(db, 0, &err));
	for (i = 0; i < c->count;) {
		db = begin(c);
		for (uint32_t end = i + BATCH; i < c->count && i < end;) {
			uint32_t n = c->count - i < ACCOUNTS_AT_ONCE ? c->count - i
								     : ACCOUNTS_AT_ONCE;

			accounts_put_some(c, db, i, n);
			i += n;
		}
		must(store_write_end(db, 0, &err));
	}
	for (i = 0; i < GROUPS;) {
		db = begin(c);
		for (uint32_t end = i + 50; i < end && i < GROUPS; i++)
			members_put(c, db, i, members);
		must(store_write_end(db, 0, &err));
	}
	db = begin(c);
	must(accounts_end(db, c->run, ORG_PART_ALL, true, NULL, c->now_ms, &err));
	must(store_write_end(db, 0, &err));
	org_run_free(c->run);
	free(members);
}

/* Persons are numbered from 1 in the order in which they were made. */
static void accounts_link(struct company *c)
{
	for (uint32_t i = 0; i < c->count;) {
		struct db *db = begin(c);

		for (uint32_t end = i + BATCH; i < c->count && i < end; i++)
			must(persons_link_account(db, c->accounts[i],
						  1 + (int64_t)spread(i, c->count, 0), "email",
						  "", c->now_ms, &err));
		must(store_write_end(db, 0, &err));
	}
}

int main(int argc, char **argv)
{
	struct company c = { .now_ms = stamp_now_ms() };
	struct store_options o = { .write = true };

	if (argc != 5) {
		(void)fprintf(stderr, "usage: load_company DATABASE SOURCE ORG COUNT\n");
		return 2;
	}
	o.path = argv[1];
	c.count = (uint32_t)strtoul(argv[4], NULL, 10);
	c.accounts = calloc(c.count, sizeof(*c.accounts));
	if (!c.accounts)
		must(err_nomem(&err));
	must(store_open(&o, &c.store, &err));
	people_load(&c, argv[2], argv[3]);
	organisation_load(&c);
	accounts_link(&c);
	store_close(c.store);
	free(c.accounts);
	(void)printf("people %u memberships %u\n", c.count, c.count * MEMBERSHIPS_EACH);
	return 0;
}
