/*
 * Fills a new instance's database with people, and with groups of them, by the store's own
 * functions: what a million requests would have left behind, in a minute.
 *
 * usage: load_users DATABASE SOURCE COUNT BIG SMALL
 *   COUNT   users, numbered from 0; their ids and names are functions of the number (below)
 *   BIG     members of one group "big", the first users; 0: none
 *   SMALL   groups "small-N" of ten members each, the first users; 0: none
 *
 * Prints "users N groups N". tests/bench/lib/bench.py knows the same ids: user_id(),
 * group_id().
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/stamp.h"
#include "store/records.h"
#include "store/sources.h"
#include "store/store.h"

#define BATCH 20000
#define SMALL_MEMBERS 10
#define GROUP_BIT (1ull << 47)

static void fail(const struct err *err)
{
	fprintf(stderr, "load_users: %s\n", err->text);
	exit(1);
}

/* Ids of 36 characters that look random, as ours do, so that neighbours lie apart in indices.
 */
static void id_of(uint64_t n, char into[48])
{
	uint64_t x = n * 0x9e3779b97f4a7c15u;

	snprintf(into, 48, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(x >> 32),
		 (unsigned)(x >> 16) & 0xffff, (unsigned)x & 0xfff, (unsigned)(n & 0xfff),
		 (unsigned long long)n);
}

static void user_doc(struct buf *b, uint64_t n, const char *id)
{
	buf_addf(
		b,
		"{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\","
		"\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"],\"id\":\"%s\","
		"\"externalId\":\"e%llu\",\"userName\":\"user%llu@example.test\",",
		id, (unsigned long long)n, (unsigned long long)n);
	buf_addf(b,
		 "\"name\":{\"givenName\":\"Given%llu\",\"familyName\":\"Family%llu\"},"
		 "\"displayName\":\"Given%llu Family%llu\",\"title\":\"Engineer\","
		 "\"emails\":[{\"value\":\"user%llu@example.test\",\"type\":\"work\","
		 "\"primary\":true}],\"active\":true,",
		 (unsigned long long)n, (unsigned long long)n, (unsigned long long)n,
		 (unsigned long long)n, (unsigned long long)n);
	buf_addf(b,
		 "\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\":{"
		 "\"employeeNumber\":\"%llu\",\"department\":\"Department %llu\"}}",
		 (unsigned long long)n, (unsigned long long)(n % 100));
}

static int put_user(struct db *db, int64_t source, uint64_t n, struct buf *b, struct err *err)
{
	struct record_put put = { .now_ms = stamp_now_ms() };
	char id[48];

	id_of(n, id);
	buf_clear(b);
	user_doc(b, n, id);
	put.key = str_of(id);
	put.doc = buf_str(b);
	return records_create(db, source, &put, NULL, err);
}

static int put_group(struct db *db, int64_t source, uint64_t n, uint64_t first,
		     uint64_t members, struct err *err)
{
	struct usergroup_put put = { .now_ms = stamp_now_ms() };
	char id[48], name[32], doc[256];
	int64_t group;
	int r;

	id_of(n | GROUP_BIT, id);
	snprintf(name, sizeof(name), n ? "small-%llu" : "big", (unsigned long long)n);
	snprintf(doc, sizeof(doc),
		 "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Group\"],\"id\":\"%s\","
		 "\"displayName\":\"%s\"}",
		 id, name);
	put.key = str_of(id);
	put.doc = str_of(doc);
	r = usergroups_create(db, source, &put, &group, err);
	for (uint64_t i = 0; r == 0 && i < members; i++) {
		id_of(first + i, id);
		r = usergroups_member_add(db, group, str_of(id), err);
	}
	return r;
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
	CLEANUP(store_close_at) struct store *store = NULL;
	CLEANUP(buf_done) struct buf b;
	struct store_options o = { .write = true };
	uint64_t users, big, small, n = 0;
	struct err err = { 0 };
	struct db *db = NULL;
	int64_t source = 0;
	int r;

	buf_init(&b, 65536);
	if (argc != 6) {
		fprintf(stderr, "usage: load_users DATABASE SOURCE COUNT BIG SMALL\n");
		return 2;
	}
	o.path = argv[1];
	users = number(argv[3]), big = number(argv[4]), small = number(argv[5]);
	if (store_open(&o, &store, &err) < 0)
		fail(&err);
	while (n < users) {
		r = store_write_begin(store, &db, &err);
		if (r < 0)
			fail(&err);
		if (n == 0)
			r = sources_declare(db, argv[2], "scim", "idp", 0, stamp_now_ms(),
					    &source, &err);
		for (uint64_t end = n + BATCH; r >= 0 && n < users && n < end; n++)
			r = put_user(db, source, n, &b, &err);
		if (store_write_end(db, r, &err) < 0)
			fail(&err);
	}
	r = store_write_begin(store, &db, &err);
	if (r < 0)
		fail(&err);
	if (big)
		r = put_group(db, source, 0, 0, big, &err);
	for (n = 1; r == 0 && n <= small; n++)
		r = put_group(db, source, n, (n * SMALL_MEMBERS) % (users - SMALL_MEMBERS),
			      SMALL_MEMBERS, &err);
	if (store_write_end(db, r, &err) < 0)
		fail(&err);
	printf("users %llu groups %llu\n", (unsigned long long)users,
	       (unsigned long long)(small + (big > 0)));
	return 0;
}
