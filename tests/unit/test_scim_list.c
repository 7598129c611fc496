/* Lists by cursor (RFC 9865): every page forwards and backwards, whatever is written meanwhile.
 */
#include "tests/lib/test.h"

#include "base/enc.h"
#include "base/jx.h"
#include "base/stamp.h"
#include "scim/codec.h"
#include "scim/cursor.h"
#include "scim/service.h"
#include "tests/lib/scim/memory.h"

#include "tests/lib/scim/memory.c" /* see there why */

#define BODY_BYTES (1 << 20)

struct stage {
	struct memory *memory;
	struct scim_service *service;
	const char *token;
	json_t *answer;
	int status;
};

static void ask(struct stage *s, enum http_method method, const char *path, const char *query,
		const char *body)
{
	struct buf out;
	struct scim_request req = { .method = method,
				    .path = str_of(path),
				    .query = str_of(query),
				    .body = str_of(body),
				    .authorization = s->token,
				    .id = "r-1",
				    .peer = "192.0.2.1" };
	struct scim_response res = { .body = &out };

	buf_init(&out, BODY_BYTES);
	res.resume = NULL;
	assert_true(scim_service_answer(s->service, &req, &res) >= 0);
	json_decref(s->answer);
	s->answer = out.p ? json_loads(out.p, 0, NULL) : NULL;
	s->status = res.status;
	buf_done(&out);
}

static void resumed(struct scim_response *res)
{
	(void)res;
}

static void create(struct stage *s, const char *user)
{
	char body[300];
	struct buf out;
	struct scim_request req = { .method = HTTP_POST,
				    .path = STR("/v2/idp/Users"),
				    .authorization = "Bearer good" };
	struct scim_response res = { .body = &out, .resume = resumed };

	snprintf(body, sizeof(body),
		 "{\"schemas\":[\"" SCHEMA_USER "\"],\"userName\":\"%s\",\"title\":\"%c\"}",
		 user, user[0]);
	req.body = str_of(body);
	buf_init(&out, BODY_BYTES);
	assert_int_equal(scim_service_answer(s->service, &req, &res), HTTP_PARKED);
	assert_int_equal(res.status, 201);
	buf_done(&out);
}

static void stage_begin(struct stage *s, unsigned users)
{
	const struct scim_options options = { .public_url = "https://leaverd.example.com",
					      .max_results = 50 };
	struct err err;

	*s = (struct stage){ .memory = memory_new(), .token = "Bearer good" };
	memory_token(s->memory, "good", "idp", SCIM_MAY_ALL, 0);
	memory_token(s->memory, "reader", "idp", SCIM_MAY_READ, 0);
	memory_token(s->memory, "other", "elsewhere", SCIM_MAY_ALL, 0);
	assert_ok(scim_service_new(&s->service, memory_backend(s->memory), &options, &err),
		  &err);
	for (unsigned i = 0; i < users; i++) {
		char name[20];

		snprintf(name, sizeof(name), "%c%02u", 'a' + (int)(i * 7 % 3), i);
		create(s, name);
	}
}

static void stage_end(struct stage *s)
{
	scim_service_free(s->service);
	memory_free(s->memory);
	json_decref(s->answer);
}

static size_t rows_of(const struct stage *s)
{
	return json_array_size(json_object_get(s->answer, "Resources"));
}

static const char *name_of(const struct stage *s, size_t i)
{
	return jx_get_text(json_array_get(json_object_get(s->answer, "Resources"), i),
			   "userName");
}

static int64_t number(const struct stage *s, const char *name)
{
	const json_t *n = json_object_get(s->answer, name);

	return n ? json_integer_value(n) : -1;
}

/* A page, by the cursor of the last answer ("" for the first). */
static void page(struct stage *s, const char *query, const char *cursor)
{
	char text[8000];

	snprintf(text, sizeof(text), "%s&cursor=%s", query, cursor);
	ask(s, HTTP_GET, "/v2/idp/Users", text, "");
}

static char *cursor_of(const struct stage *s, const char *name)
{
	const char *text = jx_get_text(s->answer, name);

	return text ? strdup(text) : NULL;
}

static void must_fail(const struct stage *s, const char *scim_type)
{
	if (s->status != 400 || strcmp(jx_get_text(s->answer, "scimType"), scim_type) != 0)
		fail_msg("not %s: %s", scim_type, json_dumps(s->answer, JSON_COMPACT));
}

#define WALK_MOST 60

/* All names, page by page; how many. What is met is appended to names. */
static size_t walk(struct stage *s, const char *query, size_t count, bool back,
		   char names[][20], char *from)
{
	const char *on = back ? "previousCursor" : "nextCursor";
	char *cursor = from ? from : strdup("");
	size_t n = 0;

	while (cursor) {
		page(s, query, cursor);
		assert_int_equal(s->status, 200);
		assert_int_equal(number(s, "startIndex"), -1);
		assert_int_equal(number(s, "itemsPerPage"), rows_of(s));
		assert_true(rows_of(s) <= count);
		for (size_t i = 0; i < rows_of(s); i++) {
			assert_true(n < WALK_MOST);
			/* backwards each page is in its order, too: the last row first */
			snprintf(names[n++], 20, "%s",
				 name_of(s, back ? rows_of(s) - 1 - i : i));
		}
		free(cursor);
		cursor = cursor_of(s, on);
		for (const char *p = cursor; p && *p; p++) /* RFC 3986: unreserved */
			assert_true(
				strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-._~",
				       *p) != NULL);
	}
	return n;
}

/* clang-format off */
static const struct { const char *query; size_t total; } questions[] = {
	{ "count=4", 23 },
	{ "count=23", 23 },
	{ "count=22", 23 },
	{ "count=1", 23 },
	{ "count=4&sortBy=userName", 23 },
	{ "count=3&sortBy=title&sortOrder=descending", 23 },
	{ "count=5&sortBy=nickName", 23 }, /* nobody has one */
	{ "count=3&filter=userName%20sw%20%22a%22", 8 },
	{ "count=3&filter=userName%20sw%20%22a%22&sortBy=userName&sortOrder=descending", 8 },
	{ "count=3&filter=userName%20sw%20%22x%22", 0 },
};
/* clang-format on */

static void test_a_walk_shows_each_row_once_and_back_again(void **state)
{
	static char there[WALK_MOST][20], back[WALK_MOST][20];

	(void)state;
	for (size_t q = 0; q < COUNT_OF(questions); q++) {
		const char *query = questions[q].query;
		size_t total = questions[q].total, count = strtoul(query + 6, NULL, 10), n, m;
		struct stage s;
		char *last;

		stage_begin(&s, 23);
		page(&s, query, "");
		assert_null(json_object_get(s.answer, "previousCursor"));
		n = walk(&s, query, count, false, there, NULL);
		assert_int_equal(n, total);
		assert_int_equal(number(&s, "totalResults"), total);
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < i; k++)
				assert_string_not_equal(there[i], there[k]);
		last = cursor_of(&s, "previousCursor");
		assert_int_equal(last != NULL, total > count);
		if (last) {
			size_t shown = rows_of(&s);

			m = walk(&s, query, count, true, back, last);
			assert_int_equal(m + shown, n);
			for (size_t i = 0; i < m; i++)
				assert_string_equal(back[i], there[m - 1 - i]);
			assert_non_null(json_object_get(s.answer, "nextCursor"));
		}
		stage_end(&s);
	}
}

static void test_writes_between_pages_lose_and_repeat_nobody(void **state)
{
	static char names[WALK_MOST][20];
	struct stage s;
	char *cursor;
	size_t n = 0;

	(void)state;
	stage_begin(&s, 20);
	page(&s, "count=5&sortBy=userName", "");
	for (cursor = cursor_of(&s, "nextCursor"); cursor;
	     cursor = cursor_of(&s, "nextCursor")) {
		for (size_t i = 0; i < rows_of(&s); i++)
			snprintf(names[n++], 20, "%s", name_of(&s, i));
		/* all that was seen goes, and somebody comes in front of it: where an index
		 * would count */
		for (size_t i = 0; i < s.memory->resources.n; i++)
			if (!strcmp(s.memory->resources.v[i].name, names[n - 1]))
				s.memory->resources.v[i].deleted = true;
		char name[20];

		snprintf(name, sizeof(name), "a%zu", n + 100);
		create(&s, name);
		page(&s, "count=5&sortBy=userName", cursor);
		free(cursor);
	}
	for (size_t i = 0; i < rows_of(&s); i++)
		snprintf(names[n++], 20, "%s", name_of(&s, i));
	assert_int_equal(n, 20);
	for (size_t i = 1; i < n; i++)
		assert_true(strcmp(names[i - 1], names[i]) < 0);
	stage_end(&s);
}

static void test_cursors_are_kept_to_what_they_were_made_for(void **state)
{
	struct stage s;
	char *next, *wrong, query[4000];

	(void)state;
	stage_begin(&s, 20);
	page(&s, "count=5&filter=userName%20pr", "");
	next = cursor_of(&s, "nextCursor");
	assert_non_null(next);
	page(&s, "count=5&filter=userName%20pr", next);
	assert_int_equal(s.status, 200);
	page(&s, "filter=userName%20pr", next); /* not said again: as before */
	assert_int_equal(rows_of(&s), 5);
	page(&s, "count=6&filter=userName%20pr", next);
	must_fail(&s, "invalidCount");
	page(&s, "count=5&filter=title%20pr", next);
	must_fail(&s, "invalidCursor");
	page(&s, "count=5", next);
	must_fail(&s, "invalidCursor");
	page(&s, "count=5&filter=userName%20pr&sortBy=title", next);
	must_fail(&s, "invalidCursor");
	page(&s, "count=5&filter=userName%20pr&sortOrder=descending", next);
	must_fail(&s, "invalidCursor");
	s.token = "Bearer reader"; /* other rights */
	page(&s, "count=5&filter=userName%20pr", next);
	must_fail(&s, "invalidCursor");
	s.token = "Bearer other"; /* another source */
	snprintf(query, sizeof(query), "count=5&filter=userName%%20pr&cursor=%s", next);
	ask(&s, HTTP_GET, "/v2/elsewhere/Users", query, "");
	must_fail(&s, "invalidCursor");
	s.token = "Bearer good";
	ask(&s, HTTP_GET, "/v2/idp/Groups", "count=5&filter=displayName%20pr&cursor=eHg", "");
	must_fail(&s, "invalidCursor");
	/* each character changed, and each end */
	for (size_t i = 0; next[i]; i++) {
		wrong = strdup(next);
		wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
		page(&s, "count=5&filter=userName%20pr", wrong);
		if (s.status == 200) /* the last character has bits that mean nothing */
			assert_true(next[i + 1] == '\0');
		else
			must_fail(&s, "invalidCursor");
		wrong[i] = '\0';
		if (i > 0) {
			page(&s, "count=5&filter=userName%20pr", wrong);
			must_fail(&s, "invalidCursor");
		}
		free(wrong);
	}
	free(next);
	stage_end(&s);
}

static void test_counts_are_strict_by_cursor_and_lenient_by_index(void **state)
{
	static const struct {
		const char *query, *fails;
		int64_t rows;
	} rows[] = {
		{ "cursor=&count=0", NULL, 0 },
		{ "cursor=&count=50", NULL, 20 },
		{ "cursor", NULL, 20 },
		{ "cursor=&count=51", "invalidCount", 0 },
		{ "cursor=&count=-1", "invalidCount", 0 },
		{ "count=x&cursor=", "invalidCount", 0 },
		{ "count=51", NULL, 20 },
		{ "count=-1", NULL, 0 },
		{ "count=x", "invalidValue", 0 },
		{ "cursor=&startIndex=7", NULL, 20 },
		{ "cursor=%00", "invalidSyntax", 0 },
		{ "cursor==", "invalidCursor", 0 },
	};
	struct stage s;

	(void)state;
	stage_begin(&s, 20);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ask(&s, HTTP_GET, "/v2/idp/Users", rows[i].query, "");
		if (rows[i].fails) {
			must_fail(&s, rows[i].fails);
			continue;
		}
		assert_int_equal(s.status, 200);
		assert_int_equal(rows_of(&s), rows[i].rows);
		assert_int_equal(number(&s, "totalResults"), 20);
		assert_null(json_object_get(s.answer, "nextCursor"));
	}
	stage_end(&s);
}

static void test_a_search_takes_its_cursor_in_the_body(void **state)
{
	char body[4000], *next;
	struct stage s;
	size_t n = 0;

	(void)state;
	stage_begin(&s, 20);
	next = strdup("");
	while (next) {
		snprintf(body, sizeof(body),
			 "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:"
			 "SearchRequest\"],"
			 "\"attributes\":[\"userName\"],\"count\":7,\"cursor\":\"%s\"}",
			 next);
		ask(&s, HTTP_POST, "/v2/idp/.search", "", body);
		assert_int_equal(s.status, 200);
		n += rows_of(&s);
		assert_true(n <= 20);
		free(next);
		next = cursor_of(&s, "nextCursor");
	}
	assert_int_equal(n, 20);
	ask(&s, HTTP_POST, "/v2/idp/.search", "",
	    "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:SearchRequest\"],"
	    "\"cursor\":7}");
	must_fail(&s, "invalidValue");
	stage_end(&s);
}

static void test_a_cursor_dies_of_age_and_of_another_key(void **state)
{
	struct scim_client client = { .source = "idp", .rights = SCIM_MAY_ALL };
	const struct cursor_question q = { .client = &client, .types = SCIM_USER };
	int64_t now = 1000, late = now + CURSOR_TIMEOUT_S * STAMP_SECOND_MS;
	struct secret key = { 0 }, other = { 0 };
	struct cursor c = { 0 };
	struct buf text;
	struct err err;

	(void)state;
	assert_ok(secret_random(&key, SECRET_KEY_BYTES, &err), &err);
	assert_ok(secret_random(&other, SECRET_KEY_BYTES, &err), &err);
	buf_init(&text, 1000);
	cursor_add(&text, &key, &q, STR("mark"), true, 7, now);
	assert_int_equal(text.fault, 0);
	assert_ok(cursor_read(&c, buf_str(&text), &key, &q, late, &err), &err);
	assert_true(str_eq(buf_str(&c.mark), STR("mark")) && c.backwards && c.count == 7);
	cursor_done(&c);
	assert_fault(cursor_read(&c, buf_str(&text), &key, &q, late + 1, &err),
		     ERR_EXPIRED_CURSOR, &err, "3600 s");
	cursor_done(&c);
	assert_fault(cursor_read(&c, buf_str(&text), &other, &q, now, &err), ERR_INVALID_CURSOR,
		     &err, "begin again");
	cursor_done(&c);
	buf_done(&text);
	secret_done(&key);
	secret_done(&other);
}

static void test_each_lost_allocation_of_a_cursor_is_told(void **state)
{
	struct scim_client client = { .source = "idp" };
	const struct cursor_question q = { .client = &client };
	struct secret key = { 0 };
	struct err err;
	int nth = 0, r;

	(void)state;
	assert_ok(secret_random(&key, SECRET_KEY_BYTES, &err), &err);
	do {
		CLEANUP(cursor_done) struct cursor c = { 0 };
		CLEANUP(buf_done) struct buf text;

		buf_init(&text, 1000);
		fault_at(++nth);
		cursor_add(&text, &key, &q, STR("mark"), true, 7, 1);
		r = buf_fault(&text, &err, "a cursor");
		if (r == 0)
			r = cursor_read(&c, buf_str(&text), &key, &q, 1, &err);
		assert_true(!fault_fired() ? r == 0 : r == -ERR_NOMEM);
	} while (r != 0);
	assert_true(nth > 3);
	secret_done(&key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_walk_shows_each_row_once_and_back_again),
		cmocka_unit_test(test_writes_between_pages_lose_and_repeat_nobody),
		cmocka_unit_test(test_cursors_are_kept_to_what_they_were_made_for),
		cmocka_unit_test(test_counts_are_strict_by_cursor_and_lenient_by_index),
		cmocka_unit_test(test_a_search_takes_its_cursor_in_the_body),
		cmocka_unit_test(test_a_cursor_dies_of_age_and_of_another_key),
		cmocka_unit_test(test_each_lost_allocation_of_a_cursor_is_told),
	};

	fault_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
