#include "tests/lib/store_world.h"

#include "model/filter.h"
#include "store/find.h"
#include "store/query_sql.h"
#include "store/records.h"
#include "store/sources.h"

static int64_t src;

static void user(struct world *w, const char *key, const char *doc, int64_t now)
{
	struct record_put put = { .key = str_of(key), .doc = str_of(doc), .now_ms = now };
	struct err err = { 0 };

	WRITE(w, records_create(db, src, &put, NULL, &err));
}

static int64_t group(struct world *w, const char *key, const char *doc)
{
	struct usergroup_put put = { .key = str_of(key), .doc = str_of(doc), .now_ms = NOW };
	struct err err = { 0 };
	int64_t id = 0;

	WRITE(w, usergroups_create(db, src, &put, &id, &err));
	return id;
}

/* Five people and two groups. */
static void people(struct world *w)
{
	struct err err = { 0 };
	int64_t g, other;

	world_open(w);
	WRITE(w, sources_declare(db, "other", "scim", "idp", 1, NOW, &other, &err));
	WRITE(w, sources_declare(db, "okta", "scim", "idp", 0, NOW, &src, &err));
	user(w, "u1",
	     "{\"id\":\"u1\",\"userName\":\"Ada@Example.org\",\"externalId\":\"E1\","
	     "\"active\":true,\"title\":\"Dr\",\"emails\":[{\"value\":\"ada@work.example\","
	     "\"type\":\"work\"},{\"value\":\"ada@home.example\",\"type\":\"home\","
	     "\"primary\":true}]}",
	     NOW);
	user(w, "u2",
	     "{\"id\":\"u2\",\"userName\":\"bob\",\"externalId\":\"e1\",\"active\":false,"
	     "\"emails\":[{\"value\":\"BOB@work.example\",\"type\":\"work\"},"
	     "{\"value\":\" bob@blank.example\"}]}",
	     NOW + 1000);
	user(w, "u3", "{\"id\":\"u3\",\"userName\":\"carol\",\"title\":\"Prof\"}", NOW + 2000);
	user(w, "u4", "{\"id\":\"u4\",\"userName\":\"Dave\",\"active\":true}", NOW + 3000);
	user(w, "u5", "{\"id\":\"u5\",\"userName\":\"\xc3\x89va\",\"active\":true}",
	     NOW + 4000);
	g = group(w, "g1", "{\"id\":\"g1\",\"displayName\":\"Staff\"}");
	(void)group(w, "g2", "{\"id\":\"g2\",\"displayName\":\"Guests\"}");
	WRITE(w, usergroups_member_add(db, g, STR("u1"), &err));
	WRITE(w, usergroups_member_add(db, g, STR("u3"), &err));
	WRITE(w, records_delete(db, src, STR("u4"), 0, NOW + 5000, &err));
}

static int on_row(void *ctx, const struct find_row *row, struct err *err)
{
	struct buf *b = ctx;

	(void)err;
	buf_addf(b, "%s" STR_FMT, b->len ? " " : "", STR_ARG(row->key));
	return 0;
}

static int ask(struct world *w, const char *filter, const struct find *f, struct buf *b,
	       uint64_t *total, bool *more, struct err *err)
{
	CLEANUP(query_free_at) struct query *q = NULL;
	struct find asked = *f;
	enum path_dialect dialect = f->types == FIND_GROUPS  ? PATH_SCIM_GROUP
				    : f->types == FIND_USERS ? PATH_SCIM_USER
							     : PATH_SCIM_ANY;

	if (filter)
		assert_ok(filter_parse(str_of(filter), dialect, &q, err), err);
	asked.where = q;
	return find_run(w->store, src, &asked, total, more, on_row, b, err);
}

static const struct {
	const char *filter;
	unsigned types;
	const char *want;
} filters[] = {
	{ NULL, FIND_USERS, "u1 u2 u3 u5" },
	{ NULL, FIND_GROUPS, "g1 g2" },
	{ NULL, FIND_BOTH, "u1 u2 u3 u5 g1 g2" },
	{ "userName eq \"ADA@example.ORG\"", FIND_USERS, "u1" },
	{ "userName eq \"nobody\"", FIND_USERS, "" },
	{ "userName eq \"dave\"", FIND_USERS, "" }, /* deleted */
	{ "userName eq \"\xc3\xa9va\"", FIND_USERS, "u5" },
	{ "userName sw \"CA\"", FIND_USERS, "u3" },
	{ "userName sw \"\"", FIND_USERS, "u1 u2 u3 u5" },
	{ "userName co \"o\"", FIND_USERS, "u1 u2 u3" },
	{ "userName ne \"bob\"", FIND_USERS, "u1 u3 u5" },
	{ "userName gt \"bob\"", FIND_USERS, "u3 u5" },
	{ "not (userName eq \"bob\")", FIND_USERS, "u1 u3 u5" },
	{ "externalId eq \"E1\"", FIND_USERS, "u1" }, /* caseExact */
	{ "externalId eq \"e1\"", FIND_USERS, "u2" },
	{ "id eq \"u3\"", FIND_USERS, "u3" },
	{ "id eq \"U3\"", FIND_USERS, "" },
	{ "active eq true", FIND_USERS, "u1 u5" }, /* u3 says nothing */
	{ "active eq false", FIND_USERS, "u2" },
	{ "not (active eq true)", FIND_USERS, "u2 u3" },
	{ "title pr", FIND_USERS, "u1 u3" },
	{ "title pr and userName sw \"c\"", FIND_USERS, "u3" },
	{ "userName eq \"bob\" or userName eq \"carol\"", FIND_USERS, "u2 u3" },
	{ "userName eq \"bob\" or title pr", FIND_USERS, "u1 u2 u3" },
	{ "emails.value eq \"bob@WORK.example\"", FIND_USERS, "u2" },
	{ "emails.value eq \" bob@blank.example\"", FIND_USERS, "u2" }, /* as it stands */
	{ "emails[type eq \"work\" and value eq \"ada@work.example\"]", FIND_USERS, "u1" },
	{ "emails[type eq \"home\" and value eq \"ada@work.example\"]", FIND_USERS, "" },
	{ "emails[type eq \"work\"]", FIND_USERS, "u1 u2" },
	{ "emails[not (value eq \"ada@work.example\")]", FIND_USERS, "u1 u2" },
	{ "meta.lastModified gt \"2026-11-22T09:00:00Z\"", FIND_USERS, "u2 u3 u5" },
	{ "meta.lastModified eq \"2026-11-22T09:00:01Z\"", FIND_USERS, "u2" },
	{ "meta.created le \"2026-11-22T09:00:01Z\"", FIND_USERS, "u1 u2" },
	{ "meta.resourceType eq \"User\"", FIND_USERS, "u1 u2 u3 u5" },
	{ "groups.value eq \"g1\"", FIND_USERS, "u1 u3" },
	{ "groups[display eq \"staff\"]", FIND_USERS, "u1 u3" },
	{ "groups pr", FIND_USERS, "u1 u3" },
	{ "displayName eq \"STAFF\"", FIND_GROUPS, "g1" },
	{ "displayName sw \"g\"", FIND_GROUPS, "g2" },
	{ "members.value eq \"u3\"", FIND_GROUPS, "g1" },
	{ "members.value eq \"U3\"", FIND_GROUPS, "g1" }, /* not caseExact */
	{ "members[value eq \"u2\"]", FIND_GROUPS, "" },
	{ "id eq \"g1\" and members[value eq \"u1\"]", FIND_GROUPS, "g1" },
	{ "not (members pr)", FIND_GROUPS, "g2" },
	{ "displayName eq \"staff\"", FIND_BOTH, "g1" },
	{ "meta.created ge \"2026-11-22T09:00:02Z\"", FIND_BOTH, "u3 u5" },
};

static void test_filters_find_whom_they_name(void **state)
{
	struct find f = { .count = 100, .want_total = true, .now_ms = NOW };
	struct world w = { 0 };
	struct err err = { 0 };
	size_t i;

	(void)state;
	people(&w);
	for (i = 0; i < COUNT_OF(filters); i++) {
		uint64_t total = 99, words = filters[i].want[0] != '\0';
		const char *p;
		struct buf b;

		f.types = filters[i].types;
		buf_init(&b, 1000);
		assert_ok(ask(&w, filters[i].filter, &f, &b, &total, NULL, &err), &err);
		for (p = filters[i].want; *p; p++)
			words += *p == ' ';
		if (strcmp(b.p ? b.p : "", filters[i].want) != 0 || total != words)
			fail_msg("%s: \"%s\", %llu in all",
				 filters[i].filter ? filters[i].filter : "(all)",
				 b.p ? b.p : "", (unsigned long long)total);
		buf_done(&b);
	}
	world_close(&w);
}

static const struct {
	const char *filter;
	uint64_t start, count;
	const char *want;
	uint64_t total;
	bool more;
} pages[] = {
	{ NULL, 0, 2, "u1 u2", 4, true },     { NULL, 2, 2, "u3 u5", 4, false },
	{ NULL, 3, 9, "u5", 4, false },       { NULL, 9, 9, "", 4, false },
	{ NULL, 0, 0, "", 4, true },          { "title pr", 0, 1, "u1", 2, true },
	{ "title pr", 1, 1, "u3", 2, false }, { "title pr", 0, 0, "", 2, true },
};

static void test_pages_skip_count_and_total(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	size_t i;

	(void)state;
	people(&w);
	for (i = 0; i < COUNT_OF(pages); i++) {
		struct find f = { .types = FIND_USERS,
				  .start = pages[i].start,
				  .count = pages[i].count,
				  .want_total = true,
				  .now_ms = NOW };
		uint64_t total = 99;
		bool more = false;
		struct buf b;

		buf_init(&b, 1000);
		assert_ok(ask(&w, pages[i].filter, &f, &b, &total, &more, &err), &err);
		assert_string_equal(b.p ? b.p : "", pages[i].want);
		assert_int_equal(total, pages[i].total);
		if (pages[i].count > 0)
			assert_int_equal(more, pages[i].more);
		buf_done(&b);
	}
	world_close(&w);
}

static void test_keyset_pages_go_on_after_a_number(void **state)
{
	struct find f = { .types = FIND_USERS, .count = 2 };
	struct world w = { 0 };
	struct err err = { 0 };
	bool more = false;
	struct buf b;

	(void)state;
	people(&w);
	buf_init(&b, 1000);
	f.after = world_number(&w, "SELECT id FROM record WHERE key = 'u2'");
	assert_ok(ask(&w, NULL, &f, &b, NULL, &more, &err), &err);
	assert_string_equal(b.p, "u3 u5");
	assert_false(more);
	buf_done(&b);
	world_close(&w);
}

static const struct {
	const char *path;
	bool descending;
	const char *want;
} orders[] = {
	{ "userName", false, "u1 u2 u3 u5" }, /* ada bob carol \u00e9va */
	{ "userName", true, "u5 u3 u2 u1" },
	{ "title", false, "u1 u3 u2 u5" },  /* without one: last */
	{ "title", true, "u5 u2 u3 u1" },   /* first, and all of it from the end */
	{ "emails", false, "u1 u2 u3 u5" }, /* the primary: home before work */
	{ "meta.lastModified", true, "u5 u3 u2 u1" },
	{ "active", false, "u2 u1 u5 u3" },
};

static void test_rows_come_in_the_order_asked_for(void **state)
{
	struct world w = { 0 };
	struct err err = { 0 };
	size_t i;

	(void)state;
	people(&w);
	for (i = 0; i < COUNT_OF(orders); i++) {
		CLEANUP(path_done) struct path path = { 0 };
		struct find f = { .types = FIND_USERS,
				  .count = 100,
				  .want_total = true,
				  .sort_by = &path,
				  .descending = orders[i].descending };
		uint64_t total = 0;
		struct buf b;

		assert_ok(path_parse(str_of(orders[i].path), PATH_SCIM_USER, &path, &err),
			  &err);
		buf_init(&b, 1000);
		assert_ok(ask(&w, NULL, &f, &b, &total, NULL, &err), &err);
		if (strcmp(b.p, orders[i].want) != 0)
			fail_msg("by %s: %s", orders[i].path, b.p);
		assert_int_equal(total, 4);
		buf_clear(&b);
		f.start = 1;
		f.count = 2;
		assert_ok(ask(&w, NULL, &f, &b, &total, NULL, &err), &err);
		assert_int_equal(strncmp(b.p, orders[i].want + 3, 5), 0);
		buf_done(&b);
	}
	world_close(&w);
}

/* What is narrowed by an index must be, or a million users are walked for a userName. */
static const struct {
	const char *filter;
	enum query_sql_of of;
	bool indexed;
	size_t binds;
} narrowed[] = {
	{ "userName eq \"a\"", QUERY_SQL_USER, true, 1 },
	{ "userName eq \"a\" and title pr", QUERY_SQL_USER, true, 1 },
	{ "title pr and userName eq \"a\"", QUERY_SQL_USER, true, 1 },
	{ "userName eq \"a\" or externalId eq \"b\"", QUERY_SQL_USER, true, 2 },
	{ "userName eq \"a\" or title pr", QUERY_SQL_USER, false, 0 },
	{ "userName eq \"a\" or active eq true", QUERY_SQL_USER, false, 1 },
	{ "not (userName eq \"a\")", QUERY_SQL_USER, false, 0 },
	{ "emails[type eq \"work\" and value eq \"x\"]", QUERY_SQL_USER, true, 1 },
	{ "emails.value eq \"x\"", QUERY_SQL_USER, true, 1 },
	{ "emails[not (value eq \"x\")]", QUERY_SQL_USER, false, 0 },
	{ "emails.value co \"x\"", QUERY_SQL_USER, false, 0 },
	{ "meta.lastModified gt \"2026-01-01T00:00:00Z\"", QUERY_SQL_USER, false, 1 },
	{ "displayName eq \"a\"", QUERY_SQL_USER, true, 1 },
	{ "displayName eq \"\"", QUERY_SQL_USER, false, 0 }, /* all that have none */
	{ "members.value eq \"x\"", QUERY_SQL_GROUP, true, 1 },
	{ "displayName eq \"x\"", QUERY_SQL_GROUP, true, 1 },
	{ "name.familyName eq \"x\"", QUERY_SQL_USER, false, 0 },
	{ "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"x\"",
	  QUERY_SQL_USER, false, 0 },
};

static void test_indices_narrow_where_they_may(void **state)
{
	struct err err = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(narrowed); i++) {
		CLEANUP(query_free_at) struct query *q = NULL;
		struct query_sql s;

		assert_ok(filter_parse(str_of(narrowed[i].filter),
				       narrowed[i].of == QUERY_SQL_USER ? PATH_SCIM_USER
									: PATH_SCIM_GROUP,
				       &q, &err),
			  &err);
		assert_ok(query_sql_make(q, narrowed[i].of, 5, &s, &err), &err);
		if (s.indexed != narrowed[i].indexed || s.count != narrowed[i].binds)
			fail_msg("%s: %s", narrowed[i].filter, s.where.p);
		if (s.count == 0)
			assert_string_equal(s.where.p, "1");
		query_sql_done(&s);
	}
}

static void test_a_hundred_terms_are_narrowed_as_far_as_there_is_room(void **state)
{
	CLEANUP(query_free_at) struct query *q = NULL;
	struct err err = { 0 };
	struct query_sql s;
	struct buf text;
	int i;

	(void)state;
	buf_init(&text, 8192);
	for (i = 0; i < 90; i++)
		buf_addf(&text, "%suserName eq \"u%d\"", i ? " or " : "", i);
	assert_ok(filter_parse(buf_str(&text), PATH_SCIM_USER, &q, &err), &err);
	assert_ok(query_sql_make(q, QUERY_SQL_USER, 5, &s, &err), &err);
	assert_true(s.count <= QUERY_SQL_BINDS_MOST);
	assert_string_equal(s.where.p, "1");
	query_sql_done(&s);
	buf_done(&text);
}

/* Of many tests that must all hold, those that the statement has no room for hold as well. */
static void test_what_the_statement_has_no_room_for_holds_too(void **state)
{
	struct find f = { .types = FIND_USERS, .count = 100, .want_total = true };
	struct err err = { 0 };
	struct world w = { 0 };
	struct buf text, got;
	uint64_t total = 0;
	bool more = false;

	(void)state;
	people(&w);
	buf_init(&text, 8192);
	buf_init(&got, 8192);
	for (int i = 0; i < QUERY_SQL_BINDS_MOST; i++)
		buf_add_text(&text, "userName eq \"bob\" and ");
	buf_add_text(&text, "id eq \"u3\"");
	assert_ok(ask(&w, text.p, &f, &got, &total, &more, &err), &err);
	assert_int_equal(got.len, 0);
	assert_int_equal(total, 0);
	buf_done(&text);
	buf_done(&got);
	world_close(&w);
}

static void test_each_lost_allocation_is_told(void **state)
{
	CLEANUP(query_free_at) struct query *q = NULL;
	struct find f = { .types = FIND_BOTH, .count = 100, .want_total = true };
	struct world w = { 0 };
	struct err err = { 0 };
	int nth = 0, r;
	bool fired;

	(void)state;
	fault_install();
	people(&w);
	assert_ok(filter_parse(STR("groups pr or meta.created pr or members pr"), PATH_SCIM_ANY,
			       &q, &err),
		  &err);
	f.where = q;
	do {
		uint64_t total = 0;
		struct buf b;

		buf_init(&b, 1000);
		fault_at(++nth);
		r = find_run(w.store, src, &f, &total, NULL, on_row, &b, &err);
		fired = fault_fired();
		assert_true(!fired || r == -ERR_NOMEM || b.fault == ERR_NOMEM);
		buf_done(&b);
	} while (fired);
	assert_int_equal(r, 0);
	world_close(&w);
}

/* --- from a place on ------------------------------------------------------------------------
 */

struct stop {
	char *text; /* behind mark.text */
	struct find_mark mark;
	struct buf keys;
};

static int on_stop(void *ctx, const struct find_row *row, struct err *err)
{
	struct stop *s = ctx;

	(void)err;
	free(s->text);
	s->text = str_dup(row->mark.text);
	assert_non_null(s->text);
	s->mark = row->mark;
	s->mark.text.p = s->text;
	buf_addf(&s->keys, "%s" STR_FMT, s->keys.len ? " " : "", STR_ARG(row->key));
	return 0;
}

static const struct {
	const char *filter, *sort;
	unsigned types;
	bool descending;
	const char *want; /* all rows, in order */
} walks[] = {
	{ NULL, NULL, FIND_USERS, false, "u1 u2 u3 u5" },
	{ NULL, NULL, FIND_BOTH, false, "u1 u2 u3 u5 g1 g2" },
	{ NULL, NULL, FIND_GROUPS, false, "g1 g2" },
	{ "userName co \"o\"", NULL, FIND_USERS, false, "u1 u2 u3" },
	{ "userName eq \"bob\"", NULL, FIND_USERS, false, "u2" },
	{ "meta.created ge \"2026-11-22T09:00:00Z\"", NULL, FIND_BOTH, false,
	  "u1 u2 u3 u5 g1 g2" },
	{ NULL, "userName", FIND_USERS, false, "u1 u2 u3 u5" },
	{ NULL, "userName", FIND_USERS, true, "u5 u3 u2 u1" },
	{ NULL, "title", FIND_USERS, false, "u1 u3 u2 u5" }, /* without one: last, by number */
	{ NULL, "title", FIND_USERS, true, "u5 u2 u3 u1" },
	{ NULL, "meta.created", FIND_BOTH, true, "u5 u3 u2 g2 g1 u1" },
	{ NULL, "meta.created", FIND_USERS, true, "u5 u3 u2 u1" },
	{ NULL, "meta.lastModified", FIND_GROUPS, true, "g2 g1" },
	{ NULL, "externalId", FIND_USERS, false, "u1 u2 u3 u5" },
	{ NULL, "externalId", FIND_USERS, true, "u5 u3 u2 u1" },
	{ NULL, "displayName", FIND_USERS, false, "u1 u2 u3 u5" }, /* nobody has one */
	{ NULL, "displayName", FIND_GROUPS, false, "g2 g1" },
	{ NULL, "id", FIND_USERS, true, "u5 u3 u2 u1" },
	{ "title pr", "externalId", FIND_USERS, true, "u3 u1" },
	{ "userName eq \"bob\"", "userName", FIND_USERS, true, "u2" },
	{ "userName co \"o\"", "externalId", FIND_USERS, false, "u1 u2 u3" },
};

/* Walks in pages of so many; the keys as they came. */
static void walk(struct world *w, size_t row, uint64_t count, bool backwards, struct buf *ret)
{
	struct stop s = { 0 };
	bool more = true, begun = false;
	struct err err = { 0 };
	enum path_dialect dialect = walks[row].types == FIND_USERS    ? PATH_SCIM_USER
				    : walks[row].types == FIND_GROUPS ? PATH_SCIM_GROUP
								      : PATH_SCIM_ANY;
	struct path sort = { 0 };
	CLEANUP(query_free_at) struct query *q = NULL;
	unsigned turns = 0;

	buf_init(&s.keys, 1000);
	if (walks[row].filter)
		assert_ok(filter_parse(str_of(walks[row].filter), dialect, &q, &err), &err);
	if (walks[row].sort)
		assert_ok(path_parse(str_of(walks[row].sort), dialect, &sort, &err), &err);
	while (more) {
		struct find f = { .types = walks[row].types,
				  .where = q,
				  .sort_by = walks[row].sort ? &sort : NULL,
				  .descending = walks[row].descending,
				  .backwards = backwards,
				  .from = begun ? &s.mark : NULL,
				  .count = count,
				  .now_ms = NOW };

		assert_ok(find_run(w->store, src, &f, NULL, &more, on_stop, &s, &err), &err);
		begun = true;
		assert_true(++turns < 10);
	}
	buf_add_str(ret, buf_str(&s.keys));
	buf_done(&s.keys);
	free(s.text);
	path_done(&sort);
}

static void test_pages_from_a_place_on_join_to_the_whole(void **state)
{
	struct world w = { 0 };

	(void)state;
	people(&w);
	for (size_t i = 0; i < COUNT_OF(walks); i++)
		for (uint64_t count = 1; count < 8; count++) {
			CLEANUP(buf_done) struct buf there, back, turned;
			struct str rest, word;

			buf_init(&there, 1000);
			buf_init(&back, 1000);
			buf_init(&turned, 1000);
			walk(&w, i, count, false, &there);
			if (strcmp(there.p, walks[i].want) != 0)
				fail_msg("row %zu by %d: %s", i, (int)count, there.p);
			walk(&w, i, count, true, &back);
			for (rest = buf_str(&back); rest.len > 0;) {
				CLEANUP(free_at) char *so_far = str_dup(buf_str(&turned));

				str_cut(rest, ' ', &word, &rest);
				buf_clear(&turned);
				buf_addf(&turned, STR_FMT "%s%s", STR_ARG(word),
					 so_far[0] ? " " : "", so_far);
			}
			if (strcmp(turned.p, walks[i].want) != 0)
				fail_msg("row %zu back by %d: %s", i, (int)count, back.p);
		}
	world_close(&w);
}

static void test_a_place_whose_row_is_gone_is_still_a_place(void **state)
{
	static const char *const sorts[] = { NULL, "userName" };
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	people(&w);
	for (size_t i = 0; i < COUNT_OF(sorts); i++) {
		struct stop s = { 0 };
		struct path sort = { 0 };
		struct find f = { .types = FIND_USERS, .count = 2, .now_ms = NOW };

		buf_init(&s.keys, 1000);
		if (sorts[i]) {
			assert_ok(path_parse(str_of(sorts[i]), PATH_SCIM_USER, &sort, &err),
				  &err);
			f.sort_by = &sort;
		}
		assert_ok(find_run(w.store, src, &f, NULL, NULL, on_stop, &s, &err), &err);
		if (i == 0) /* the last one shown goes before the next page */
			WRITE(&w, records_delete(db, src, STR("u2"), 0, NOW + 1, &err));
		else
			WRITE(&w, records_delete(db, src, STR("u3"), 0, NOW + 1, &err));
		f.from = &s.mark;
		assert_ok(find_run(w.store, src, &f, NULL, NULL, on_stop, &s, &err), &err);
		assert_string_equal(s.keys.p, i == 0 ? "u1 u2 u3 u5" : "u1 u3 u5");
		buf_done(&s.keys);
		free(s.text);
		path_done(&sort);
	}
	world_close(&w);
}

/* --- many rows: along indices, and in lists
 * ---------------------------------------------------
 */

#define MANY 1300

/* What user n has to be sorted by; NULL: nothing. Few values, so that many are equal. */
static const char *many_value(const char *sort, int n, char text[32])
{
	static const char *const names[] = { "ada", "bob",        "Bob", "Zoe",
					     NULL,  "\xc3\xa9va", "bo" };

	if (strcmp(sort, "userName") == 0)
		(void)snprintf(text, 32, "user%d", n * 7919 % MANY);
	else if (strcmp(sort, "externalId") == 0)
		(void)snprintf(text, 32, "%c%d", n % 3 ? 'x' : 'X', n % 11);
	else if (strcmp(sort, "meta.created") == 0)
		(void)snprintf(text, 32, "%d", 1000 + n / 400);
	else
		return names[n % (strcmp(sort, "title") == 0 ? 7 : 5)];
	if (strcmp(sort, "externalId") == 0 && n % 5 == 0)
		return NULL;
	return text;
}

static void many(struct world *w)
{
	struct err err = { 0 };
	struct db *begun;
	int r = 0;

	world_open(w);
	WRITE(w, sources_declare(db, "okta", "scim", "idp", 0, NOW, &src, &err));
	begun = world_begin(w, true);
	for (int n = 0; r == 0 && n < MANY; n++) {
		char key[16], doc[300], user[32], ext[32];
		const char *e = many_value("externalId", n, ext),
			   *d = many_value("displayName", n, user),
			   *t = many_value("title", n, user);
		struct record_put put = { .now_ms = NOW + n / 400 * 1000 };

		(void)snprintf(key, sizeof(key), "k%d", n);
		(void)snprintf(
			doc, sizeof(doc),
			"{\"id\":\"%s\",\"userName\":\"%s\",\"active\":%s%s%s%s%s%s%s%s%s%s}",
			key, many_value("userName", n, user), n % 2 ? "true" : "false",
			e ? ",\"externalId\":\"" : "", e ? e : "", e ? "\"" : "",
			d ? ",\"displayName\":\"" : "", d ? d : "", d ? "\"" : "",
			t ? ",\"title\":\"" : "", t ? t : "", t ? "\"" : "");
		put.key = str_of(key);
		put.doc = str_of(doc);
		r = records_create(begun, src, &put, NULL, &err);
	}
	assert_ok(store_write_end(begun, r, &err), &err);
}

static const char *many_sort; /* of the comparison below */

static int many_compare(const void *x, const void *y)
{
	int a = *(const int *)x, b = *(const int *)y, c = 0;
	char ta[32], tb[32], *fa = NULL, *fb = NULL;
	const char *va = many_value(many_sort, a, ta), *vb = many_value(many_sort, b, tb);
	bool exact = strcmp(many_sort, "externalId") == 0;
	struct err err = { 0 };
	size_t la, lb;

	if (va && vb && exact) {
		c = strcmp(va, vb);
	} else if (va && vb) {
		assert_ok(str_fold(str_of(va), &fa, &la, &err), &err);
		assert_ok(str_fold(str_of(vb), &fb, &lb, &err), &err);
		c = strcmp(fa, fb);
	} else {
		c = !va - !vb;
	}
	free(fa);
	free(fb);
	return c ? c : a - b;
}

/* Pages of so many joined into one text; by marks, or by start. */
static void many_pages(struct world *w, struct find *f, uint64_t count, bool marks,
		       struct buf *ret)
{
	struct stop s = { 0 };
	struct err err = { 0 };
	bool more = true, begun = false;
	uint64_t total = 0;

	s.keys = *ret;
	f->count = count;
	for (f->start = 0; more; f->start += marks ? 0 : count) {
		f->from = marks && begun ? &s.mark : NULL;
		f->want_total = true;
		assert_ok(find_run(w->store, src, f, &total, &more, on_stop, &s, &err), &err);
		assert_int_equal(total, f->where ? MANY / 2 : MANY);
		begun = true;
	}
	*ret = s.keys;
	free(s.text);
}

static void many_want(const char *sort, bool filtered, bool down, struct buf *ret)
{
	int order[MANY];

	many_sort = sort;
	for (int n = 0; n < MANY; n++)
		order[n] = n;
	qsort(order, MANY, sizeof(order[0]), many_compare);
	for (int i = 0; i < MANY; i++) {
		int n = order[down ? MANY - 1 - i : i];

		if (!filtered || n % 2)
			buf_addf(ret, "%sk%d", ret->len ? " " : "", n);
	}
}

static void test_many_rows_come_in_order_along_indices_and_in_lists(void **state)
{
	static const char *const sorts[] = { "userName", "externalId", "displayName",
					     "meta.created", "title" };
	CLEANUP(query_free_at) struct query *q = NULL;
	struct find_lists *lists[] = { find_lists_new(0), find_lists_new(3000) };
	struct world w = { 0 };
	struct err err = { 0 };

	(void)state;
	many(&w);
	assert_ok(filter_parse(STR("active eq true"), PATH_SCIM_USER, &q, &err), &err);
	for (unsigned i = 0; i < COUNT_OF(sorts) * 16; i++) {
		const char *sort = sorts[i / 16];
		bool filtered = i & 1, down = i & 2, marks = i & 4;
		CLEANUP(path_done) struct path path = { 0 };
		CLEANUP(buf_done) struct buf want, got;
		struct find f = { .types = FIND_USERS,
				  .where = filtered ? q : NULL,
				  .where_text = filtered ? STR("active eq true") : STR(""),
				  .sort_by = &path,
				  .descending = down,
				  .lists = lists[i >> 3 & 1], /* the second goes to disk */
				  .now_ms = NOW };

		buf_init(&want, 1 << 20);
		buf_init(&got, 1 << 20);
		assert_ok(path_parse(str_of(sort), PATH_SCIM_USER, &path, &err), &err);
		many_want(sort, filtered, down, &want);
		many_pages(&w, &f, 170, marks, &got);
		if (strcmp(got.p, want.p) != 0)
			fail_msg("by %s, case %u:\n%.200s\n%.200s", sort, i, got.p, want.p);
		if (!marks)
			continue;
		buf_clear(&want);
		buf_clear(&got);
		f.backwards = true;
		many_want(sort, filtered, !down, &want);
		many_pages(&w, &f, 999, true, &got);
		if (strcmp(got.p, want.p) != 0)
			fail_msg("back by %s, case %u:\n%.200s", sort, i, got.p);
	}
	find_lists_free(lists[0]);
	find_lists_free(lists[1]);
	world_close(&w);
}

static void test_a_kept_list_is_made_anew_once_the_store_changed(void **state)
{
	struct find_lists *lists = find_lists_new(0);
	CLEANUP(path_done) struct path path = { 0 };
	CLEANUP(buf_done) struct buf got;
	struct world w = { 0 };
	struct err err = { 0 };
	struct find f = { .types = FIND_USERS, .count = 10, .sort_by = &path, .lists = lists };

	(void)state;
	people(&w);
	buf_init(&got, 1000);
	assert_ok(path_parse(STR("title"), PATH_SCIM_USER, &path, &err), &err);
	for (int turn = 0; turn < 2; turn++)
		assert_ok(find_run(w.store, src, &f, NULL, NULL, on_row, &got, &err), &err);
	user(&w, "u6", "{\"id\":\"u6\",\"userName\":\"ed\",\"title\":\"A\"}", NOW);
	assert_ok(find_run(w.store, src, &f, NULL, NULL, on_row, &got, &err), &err);
	assert_string_equal(got.p, "u1 u3 u2 u5 u1 u3 u2 u5 u6 u1 u3 u2 u5");
	/* another filter of the same order is another list */
	f.where_text = STR("title pr");
	assert_ok(filter_parse(f.where_text, PATH_SCIM_USER, (struct query **)&f.where, &err),
		  &err);
	buf_clear(&got);
	assert_ok(find_run(w.store, src, &f, NULL, NULL, on_row, &got, &err), &err);
	assert_string_equal(got.p, "u6 u1 u3");
	query_free((struct query *)f.where);
	find_lists_free(lists);
	world_close(&w);
}

/* Beyond FIND_MARK_BYTES a mark does not hold what it is sorted by: the row itself is asked. */
static void test_names_longer_than_a_mark_are_walked_through(void **state)
{
	CLEANUP(path_done) struct path path = { 0 };
	struct world w = { 0 };
	struct err err = { 0 };
	CLEANUP(buf_done) struct buf doc;
	struct stop s = { 0 };
	struct find f = { .types = FIND_USERS, .count = 1, .sort_by = &path };
	bool more = true;

	(void)state;
	world_open(&w);
	WRITE(&w, sources_declare(db, "okta", "scim", "idp", 0, NOW, &src, &err));
	buf_init(&doc, 1 << 16);
	buf_init(&s.keys, 1000);
	for (int n = 0; n < 4; n++) {
		char key[8];

		(void)snprintf(key, sizeof(key), "k%d", n);
		buf_clear(&doc);
		buf_addf(&doc, "{\"id\":\"%s\",\"userName\":\"%01500d%d\"}", key, 7, 3 - n);
		user(&w, key, doc.p, NOW);
	}
	assert_ok(path_parse(STR("userName"), PATH_SCIM_USER, &path, &err), &err);
	for (int turn = 0; more; turn++) {
		assert_true(turn < 4);
		f.from = turn ? &s.mark : NULL;
		assert_ok(find_run(w.store, src, &f, NULL, &more, on_stop, &s, &err), &err);
	}
	assert_string_equal(s.keys.p, "k3 k2 k1 k0");
	buf_done(&s.keys);
	free(s.text);
	world_close(&w);
}

/* Rows far from each other, so that one transaction does not reach from one to the next. */
static void test_a_walk_that_takes_its_time_pauses_and_goes_on_where_it_was(void **state)
{
	CLEANUP(buf_done) struct buf b;
	struct err err = { 0 };
	struct world w;
	int64_t reached = -1;
	struct find f = { .types = FIND_USERS,
			  .count = 10,
			  .now_ms = NOW,
			  .pause_ms = 1, /* long ago: after each part */
			  .reached = &reached };
	unsigned pauses = 0;
	bool more = true;

	(void)state;
	buf_init(&b, 4096);
	people(&w);
	WRITE(&w, db_exec(db, "UPDATE record SET id = id + 45000 WHERE key = 'u5'", &err));
	while (more) {
		assert_ok(ask(&w, "userName co \"v\"", &f, &b, NULL, &more, &err), &err);
		assert_true(!more || reached > f.after); /* it always gets further */
		assert_true(more == (reached != 0));
		f.after = reached;
		pauses += more;
	}
	assert_string_equal(b.p, "u5");
	assert_int_equal(pauses, 2);
	/* without a pause it is the same in one */
	f.after = f.pause_ms = 0;
	f.reached = NULL;
	buf_clear(&b);
	assert_ok(ask(&w, "userName co \"v\"", &f, &b, NULL, &more, &err), &err);
	assert_string_equal(b.p, "u5");
	assert_false(more);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filters_find_whom_they_name),
		cmocka_unit_test(test_pages_skip_count_and_total),
		cmocka_unit_test(test_keyset_pages_go_on_after_a_number),
		cmocka_unit_test(test_rows_come_in_the_order_asked_for),
		cmocka_unit_test(test_indices_narrow_where_they_may),
		cmocka_unit_test(test_a_hundred_terms_are_narrowed_as_far_as_there_is_room),
		cmocka_unit_test(test_what_the_statement_has_no_room_for_holds_too),
		cmocka_unit_test(test_each_lost_allocation_is_told),
		cmocka_unit_test(test_pages_from_a_place_on_join_to_the_whole),
		cmocka_unit_test(test_a_place_whose_row_is_gone_is_still_a_place),
		cmocka_unit_test(test_many_rows_come_in_order_along_indices_and_in_lists),
		cmocka_unit_test(test_a_kept_list_is_made_anew_once_the_store_changed),
		cmocka_unit_test(test_names_longer_than_a_mark_are_walked_through),
		cmocka_unit_test(
			test_a_walk_that_takes_its_time_pauses_and_goes_on_where_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
