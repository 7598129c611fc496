/* The conformance cases: their rows, their language, and our own server under all of them. */
#include "tests/lib/test.h"

#include "base/worker.h"
#include "scim/check_run.h"
#include "scim/service.h"
#include "tests/lib/scim/memory.h"

#include "tests/lib/scim/memory.c" /* see there why */

#define TOKEN "a-token-of-the-unit-test"

static const struct check_case *const tables[] = {
	check_cases_discovery, check_cases_read,   check_cases_filter, check_cases_users,
	check_cases_patch,     check_cases_groups, check_cases_more,
};

/* --- the rows -------------------------------------------------------------------------------
 */

static void test_every_case_says_what_it_wants_by_which_section_and_who_is_hurt(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t t = 0; t < COUNT_OF(tables); t++)
		for (const struct check_case *k = tables[t]; k->name; k++, n++) {
			assert_non_null(strchr(k->name, '.'));
			assert_true(strlen(k->wants) > 10 && strlen(k->hurts) > 4);
			assert_true(!strncmp(k->section, "RFC ", 4) ==
					    (k->level != CHECK_CLIENT) ||
				    !strncmp(k->section, "RFC ", 4));
			assert_non_null(k->steps[0].send);
		}
	assert_true(n >= 70);
	assert_int_equal(check_count(NULL), n);
}

static void test_every_case_is_in_a_group_and_its_name_is_its_own(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t g = 0; check_groups[g]; g++) {
		assert_true(check_count(check_groups[g]) > 0);
		n += check_count(check_groups[g]);
	}
	assert_int_equal(n, check_count(NULL));
	for (size_t t = 0; t < COUNT_OF(tables); t++)
		for (const struct check_case *k = tables[t]; k->name; k++)
			for (size_t u = t; u < COUNT_OF(tables); u++)
				for (const struct check_case *o = u == t ? k + 1 : tables[u];
				     o->name; o++)
					assert_string_not_equal(k->name, o->name);
}

/* Nobody's server is written to unless --write was given. */
static void test_a_case_that_does_not_need_write_sends_GET_alone(void **state)
{
	(void)state;
	for (size_t t = 0; t < COUNT_OF(tables); t++)
		for (const struct check_case *k = tables[t]; k->name; k++)
			for (const struct check_step *s = k->steps; s->send; s++)
				if (strncmp(s->send, "GET ", 4) && !(k->needs & NEED_WRITE))
					fail_msg("%s sends %s", k->name, s->send);
}

/* --- the language ---------------------------------------------------------------------------
 */

static void check_begin(struct check *c, struct check_options *o, const char *doc)
{
	struct err err;

	*o = (struct check_options){ .url = "https://x", .write = true };
	*c = (struct check){ .o = o, .vars = json_object(), .locals = json_object() };
	snprintf(c->run, sizeof(c->run), CHECK_PREFIX "0a1b2c3d");
	buf_init(&c->sent, 4096);
	buf_init(&c->came, 4096);
	assert_ok(check_var(c, false, "run", c->run, &err), &err);
	assert_ok(check_var(c, false, "nobody", "11111111-2222", &err), &err);
	assert_ok(check_var(c, false, "odd", "a \"b\"&c/d+\\", &err), &err);
	if (doc)
		assert_ok(jx_parse(str_of(doc), JX_LENIENT, &c->doc, &err), &err);
}

static void check_end(struct check *c)
{
	check_own_done(c);
	json_decref(c->doc);
	json_decref(c->vars);
	json_decref(c->locals);
	buf_done(&c->sent);
	buf_done(&c->came);
}

static const struct {
	const char *clause;
	bool holds;
} clauses[] = {
	{ "n = 3", true },
	{ "n = '3'", false }, /* a text is no number */
	{ "status = '404'", true },
	{ "status = 404", false },
	{ "yes = true", true },
	{ "no = true", false },
	{ "word != 'true'", false },
	{ "NAME/GivenName = Zoë", true }, /* names have no case */
	{ "name/givenName ~ zoë", true },
	{ "emails/# = 2", true },
	{ "emails/type=home/value = h@x", true },
	{ "emails/type=other/value is absent", true },
	{ "emails/1/type = home", true },
	{ "emails/7/type is absent", true },
	{ "schemas has URN:A", true },
	{ "schemas has urn:c", false },
	{ "none is empty", true },
	{ "none is absent", false },
	{ "missing is empty", true },
	{ "list is empty", true },
	{ "list is array", true },
	{ "name is object", true },
	{ "n is integer; yes is boolean", true },
	{ "n is integer; yes is string", false },
	{ "n least 3; n most 3", true },
	{ "n least 4", false },
	{ "word begins tr", true },
	{ ". is object", true },
	{ "word = <missing>", false }, /* what was not kept equals nothing */
	{ "n is nonsense", false },
};

static void test_clauses_hold_what_they_say_against_an_answer(void **state)
{
	static const char doc[] =
		"{\"n\":3,\"status\":\"404\",\"yes\":true,\"no\":false,\"word\":\"true\","
		"\"name\":{\"givenName\":\"Zoë\"},\"schemas\":[\"urn:a\",\"urn:b\"],"
		"\"none\":null,\"list\":[],\"emails\":[{\"type\":\"work\",\"value\":\"w@x\"},"
		"{\"type\":\"home\",\"value\":\"h@x\"}]}";
	struct check_options o;
	struct check c;
	struct err err;

	(void)state;
	check_begin(&c, &o, doc);
	for (size_t i = 0; i < COUNT_OF(clauses); i++) {
		CLEANUP(buf_done) struct buf why;
		int r;

		buf_init(&why, 4096);
		r = check_expect(&c, clauses[i].clause, &why, &err);
		if (r < 0 || (r == 0) != clauses[i].holds)
			fail_msg("%s: %d %s", clauses[i].clause, r, why.p ? why.p : "");
		assert_true(r == 0 || why.len > 0);
	}
	check_end(&c);
}

static const struct {
	enum check_form form;
	const char *text, *want;
} expansions[] = {
	{ FORM_TARGET, "Users?filter=userName eq \"<nobody>\"&count=1",
	  "Users?filter=userName%20eq%20%2211111111-2222%22&count=1" },
	{ FORM_TARGET, "Users/<odd>", "Users/a%20%22b%22%26c%2Fd%2B%5C" },
	{ FORM_TARGET, "Users?filter=a+eq+%22x%22", "Users?filter=a+eq+%22x%22" },
	{ FORM_BODY, "{'a':'<odd>'}", "{\"a\":\"a \\\"b\\\"&c/d+\\\\\"}" },
	{ FORM_BODY, "{'a':<@nobody>}", "{\"a\":11111111-2222}" },
	{ FORM_BODY, "{'a':'1<2'}", "{\"a\":\"1<2\"}" }, /* no variable */
	{ FORM_PLAIN, "If-Match: <odd>", "If-Match: a \"b\"&c/d+\\" },
};

static void test_templates_put_variables_in_as_their_place_wants_them(void **state)
{
	struct check_options o;
	struct check c;
	struct err err;

	(void)state;
	check_begin(&c, &o, NULL);
	for (size_t i = 0; i < COUNT_OF(expansions); i++) {
		CLEANUP(buf_done) struct buf text;

		buf_init(&text, 4096);
		assert_ok(check_expand(&c, expansions[i].text, expansions[i].form, &text, &err),
			  &err);
		assert_string_equal(text.p, expansions[i].want);
	}
	check_end(&c);
}

static void test_templates_and_clauses_survive_each_lost_allocation(void **state)
{
	struct check_options o;
	struct check c;
	struct err err;
	int nth = 0, r;

	(void)state;
	check_begin(&c, &o, "{\"a\":[1,2]}");
	do {
		CLEANUP(buf_done) struct buf text, why;

		buf_init(&text, 4096);
		buf_init(&why, 4096);
		fault_at(++nth);
		r = check_expand(&c, "Users/<odd>", FORM_BODY, &text, &err);
		if (r == 0)
			r = check_expect(&c, "a/# = 2; a/0 = 1", &why, &err);
		/* jansson's integers are lost as if the list were not there: a finding at most
		 */
		assert_true(!fault_fired() || r == -ERR_NOMEM || r == 1);
	} while (r != 0);
	assert_true(nth > 2);
	check_end(&c);
}

/* --- what is shown --------------------------------------------------------------------------
 */

static void
test_what_is_shown_holds_no_control_characters_no_token_no_others_values(void **state)
{
	CLEANUP(secret_done) struct secret token = { 0 };
	CLEANUP(buf_done) struct buf text;
	struct check_options o;
	struct check c;
	struct err err;

	(void)state;
	check_begin(&c, &o,
		    "{\"userName\":\"ada@example.org\",\"active\":\"True\",\"detail\":\"said "
		    "\\u001b[31m" TOKEN "\",\"displayName\":\"" CHECK_PREFIX "0a1b2c3d-1\"}");
	assert_ok(secret_set(&token, TOKEN, strlen(TOKEN), &err), &err);
	o.token = &token;
	buf_init(&text, 4096);
	check_show_json(&c, NULL, c.doc, 2000, &text);
	assert_null(strstr(text.p, "ada@"));
	assert_null(strstr(text.p, TOKEN));
	assert_null(strchr(text.p, '\x1b'));
	assert_non_null(strstr(text.p, "***"));
	assert_non_null(strstr(text.p, "True"));
	assert_non_null(strstr(text.p, CHECK_PREFIX "0a1b2c3d-1"));
	buf_clear(&text);
	check_show_text(&c, STR("a\x1b[2Jb\xc2\x9b\xff" TOKEN "c\xc3\xa9" TOKEN), 100, &text);
	assert_string_equal(text.p, "a [2Jb??"
				    "?***c\xc3\xa9***");
	check_end(&c);
}

/* --- whom it may touch ----------------------------------------------------------------------
 */

static const struct {
	const char *method, *target;
	bool may;
} writes[] = {
	{ "GET", "Users/somebody", true },
	{ "POST", "Users", true },
	{ "DELETE", "Users/ours", true },
	{ "PATCH", "users/ours?attributes=x", true },
	{ "DELETE", "Users/11111111-2222", true }, /* exists nowhere */
	{ "DELETE", "Users/somebody", false },
	{ "DELETE", "Users", false },
	{ "DELETE", "Users/", false },
	{ "PATCH", "Groups/somebody", false },
	{ "PUT", "Me", false },
	{ "DELETE", "Schemas/ours", false },
};

static void test_only_resources_that_it_made_are_written_to(void **state)
{
	struct check_options o;
	struct check c;
	struct err err;
	size_t mark;

	(void)state;
	check_begin(&c, &o, "{\"id\":\"ours\",\"userName\":\"" CHECK_PREFIX "0a1b2c3d-1@x\"}");
	assert_ok(check_own_expect(&c, "POST", STR("Users"),
				   "{\"userName\":\"" CHECK_PREFIX "0a1b2c3d-1@x\"}", &mark,
				   &err),
		  &err);
	c.answer.status = 201;
	assert_ok(check_own_learn(&c, mark, true, &err), &err);
	for (size_t i = 0; i < COUNT_OF(writes); i++)
		if (check_own_may(&c, writes[i].method, str_of(writes[i].target)) !=
		    writes[i].may)
			fail_msg("%s %s", writes[i].method, writes[i].target);
	o.write = false;
	assert_false(check_own_may(&c, "POST", STR("Users")));
	check_end(&c);
}

static void test_an_answer_about_somebody_else_is_not_taken_for_ours(void **state)
{
	struct check_options o;
	struct check c;
	struct err err;
	size_t mark;

	(void)state;
	check_begin(&c, &o, "{\"id\":\"theirs\",\"userName\":\"ada@example.org\"}");
	assert_ok(check_own_expect(&c, "POST", STR("Users"),
				   "{\"userName\":\"" CHECK_PREFIX "0a1b2c3d-1@x\"}", &mark,
				   &err),
		  &err);
	c.answer.status = 201;
	assert_ok(check_own_learn(&c, mark, true, &err), &err);
	assert_false(check_own_may(&c, "DELETE", STR("Users/theirs")));
	check_end(&c);
}

/* --- options --------------------------------------------------------------------------------
 */

static const struct {
	const char *url, *only;
	int64_t timeout_ms;
	const char *says;
} refused[] = {
	{ "ftp://x/scim", NULL, 0, "https://" },
	{ "scim.example.com", NULL, 0, "https://" },
	{ "https://x/scim?aadOptscim062020", NULL, 0, "no query" },
	{ "https://me:pw@x/scim", NULL, 0, "no login" },
	{ "https://x/sc im", NULL, 0, "no blanks" },
	{ "https://x/scim", "everything", 0, "everything" },
	{ "https://x/scim", NULL, 5, "100 ms" },
};

static void test_what_cannot_be_checked_is_refused_before_anything_is_sent(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		const struct check_options o = { .url = refused[i].url,
						 .only = refused[i].only,
						 .timeout_ms = refused[i].timeout_ms };

		assert_fault(check_valid(&o, &err), ERR_USAGE, &err, refused[i].says);
	}
}

/* --- our own server -------------------------------------------------------------------------
 */

struct house {
	struct memory *memory;
	struct scim_service *service;
	struct httpd *httpd;
	struct httpc *http;
	struct worker *writer;
	struct http_route routes[SCIM_ROUTES_MAX + 1];
	struct secret token;
	char url[96];
};

static void write_all(struct worker *self, void *arg)
{
	while (!worker_wait(self, 1))
		memory_run(arg);
	memory_run(arg);
}

static void on_fault(void *ctx, struct http_req *req, struct http_reply *reply,
		     const struct err *err)
{
	(void)ctx;
	if (!scim_service_fault(req, reply, err))
		reply->status = err_class(err->code)->http_status;
}

static int house_build(void **state)
{
	static struct house h;
	const struct scim_options options = { .public_url = "https://leaverd.example.com" };
	struct httpd_options http = { .name = "scim",
				      .listen = "127.0.0.1:0",
				      .threads = 2,
				      .max_body_bytes = 1024 * 1024,
				      .fault = on_fault,
				      .routes = h.routes };
	struct err err;

	h = (struct house){ .memory = memory_new() };
	memory_token(h.memory, TOKEN, "idp", SCIM_MAY_ALL, 0);
	memory_defer(h.memory);
	memory_clock(h.memory, 1800000000000);
	assert_ok(scim_service_new(&h.service, memory_backend(h.memory), &options, &err), &err);
	assert_true(scim_service_routes(h.service, h.routes, SCIM_ROUTES_MAX) > 0);
	assert_ok(worker_start(&h.writer, "writer", write_all, h.memory, &err), &err);
	assert_ok(httpd_start(&h.httpd, &http, &err), &err);
	assert_ok(httpc_new(&h.http, NULL, &err), &err);
	assert_ok(secret_set(&h.token, TOKEN, strlen(TOKEN), &err), &err);
	snprintf(h.url, sizeof(h.url), "http://127.0.0.1:%u/scim/v2/idp/", httpd_port(h.httpd));
	*state = &h;
	return 0;
}

static int house_end(void **state)
{
	struct house *h = *state;

	httpc_free(h->http);
	httpd_quiesce(h->httpd);
	worker_join(h->writer);
	httpd_stop(h->httpd);
	scim_service_free(h->service);
	memory_free(h->memory);
	secret_done(&h->token);
	return 0;
}

static void report_bad(const json_t *out)
{
	const json_t *each;
	size_t i;

	json_array_foreach (json_object_get(out, "cases"), i, each) {
		const char *outcome = jx_get_text(each, "outcome");

		if (!strcmp(outcome, "failed") || !strcmp(outcome, "blocked"))
			print_error("%s %s: %s\n   sent %s\n   came %s\n", outcome,
				    jx_get_text(each, "name"), jx_get_text(each, "why"),
				    jx_get_text(each, "sent"), jx_get_text(each, "came"));
	}
}

static int64_t count(const json_t *out, const char *level, const char *outcome)
{
	return json_integer_value(json_object_get(
		json_object_get(json_object_get(out, "counts"), level), outcome));
}

static void test_our_own_server_passes_every_case_and_is_left_empty(void **state)
{
	struct house *h = *state;
	CLEANUP(json_decref_at) json_t *out = json_object();
	const struct check_options o = { .url = h->url, .token = &h->token, .write = true };
	struct err err = { 0 };
	int r = check_run(h->http, &o, out, &err);
	char *text = json_dumps(out, 0);

	report_bad(out);
	assert_ok(r, &err);
	assert_int_equal(count(out, "should", "failed") + count(out, "client", "failed"), 0);
	assert_true(count(out, "must", "passed") >= 70);
	assert_int_equal(json_array_size(json_object_get(out, "left")), 0);
	assert_int_equal(memory_living(h->memory), 0);
	assert_null(strstr(text, TOKEN));
	free(text);
}

/* What a profile does on purpose has a name, and is no bare failure. */
static void test_a_deviation_on_purpose_is_named(void **state)
{
	struct house *h = *state;
	CLEANUP(json_decref_at) json_t *out = json_object();
	CLEANUP(secret_done) struct secret token = { 0 };
	const struct check_options o = {
		.url = h->url, .token = &token, .write = true, .only = "patch"
	};
	const json_t *each;
	struct err err = { 0 };
	size_t i, named = 0;

	memory_token(h->memory, "entra", "idp", SCIM_MAY_ALL, SCIM_REPLACE_CREATES);
	assert_ok(secret_set(&token, "entra", 5, &err), &err);
	assert_ok(check_run(h->http, &o, out, &err), &err);
	json_array_foreach (json_object_get(out, "cases"), i, each) {
		if (strcmp(jx_get_text(each, "outcome"), "deviates") != 0)
			continue;
		named++;
		assert_string_equal(jx_get_text(each, "name"), "patch.filter-nothing");
		assert_non_null(strstr(jx_get_text(each, "why"), "SCIM_REPLACE_CREATES"));
	}
	assert_int_equal(named, 1);
	assert_int_equal(count(out, "must", "deviates"), 1);
	assert_int_equal(count(out, "must", "failed"), 0);
}

static void test_without_write_nothing_is_applied(void **state)
{
	struct house *h = *state;
	CLEANUP(json_decref_at) json_t *out = json_object();
	const struct check_options o = { .url = h->url, .token = &h->token };
	unsigned before = memory_counts(h->memory).applies;
	struct err err = { 0 };
	int r = check_run(h->http, &o, out, &err);

	report_bad(out);
	assert_ok(r, &err);
	assert_int_equal(memory_counts(h->memory).applies, before);
	assert_true(count(out, "must", "not_run") > 0);
}

static void test_what_was_cancelled_leaves_nothing(void **state)
{
	struct house *h = *state;
	CLEANUP(json_decref_at) json_t *out = json_object();
	atomic_bool cancel = true;
	const struct check_options o = {
		.url = h->url, .token = &h->token, .write = true, .cancel = &cancel
	};
	struct err err;

	assert_fault(check_run(h->http, &o, out, &err), ERR_CANCELLED, &err, "interrupted");
	assert_int_equal(memory_living(h->memory), 0);
}

/* Wherever memory is lost, once: told, or not even noticed, and nothing stays on the server. */
static void test_a_lost_allocation_leaves_nothing_on_the_server(void **state)
{
	struct house *h = *state;
	const struct check_options o = {
		.url = h->url, .token = &h->token, .write = true, .only = "put"
	};
	bool fired = true;
	unsigned runs = 0;

	for (int nth = 1; fired; nth += 1 + nth / 8) {
		CLEANUP(json_decref_at) json_t *out = json_object();
		struct err err = { 0 };
		int r;

		fault_at(nth);
		r = check_run(h->http, &o, out, &err);
		fired = fault_fired();
		if (memory_living(h->memory) != 0 || (r < 0 && !err.text[0]))
			fail_msg("allocation %d: %d %s, %zu left", nth, r, err.text,
				 memory_living(h->memory));
		assert_true(fired || r == 0);
		runs++;
	}
	assert_true(runs > 20);
}

static void test_a_token_that_is_refused_ends_it_with_the_way_out(void **state)
{
	struct house *h = *state;
	CLEANUP(json_decref_at) json_t *out = json_object();
	CLEANUP(secret_done) struct secret wrong = { 0 };
	const struct check_options o = { .url = h->url, .token = &wrong, .write = true };
	struct err err;

	assert_ok(secret_set(&wrong, "wrong", 5, &err), &err);
	assert_fault(check_run(h->http, &o, out, &err), ERR_UNAUTHORIZED, &err, "renew");
	assert_int_equal(json_array_size(json_object_get(out, "cases")), 0);
}

static void test_a_server_that_is_not_there_ends_it_with_a_sentence(void **state)
{
	struct house *h = *state;
	CLEANUP(json_decref_at) json_t *out = json_object();
	const struct check_options o = { .url = "http://127.0.0.1:1/scim",
					 .token = &h->token,
					 .timeout_ms = 200 };
	struct err err;

	assert_fault(check_run(h->http, &o, out, &err), ERR_NETWORK, &err, "127.0.0.1");
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(
			test_every_case_says_what_it_wants_by_which_section_and_who_is_hurt),
		cmocka_unit_test(test_every_case_is_in_a_group_and_its_name_is_its_own),
		cmocka_unit_test(test_a_case_that_does_not_need_write_sends_GET_alone),
		cmocka_unit_test(test_clauses_hold_what_they_say_against_an_answer),
		cmocka_unit_test(test_templates_put_variables_in_as_their_place_wants_them),
		cmocka_unit_test(test_templates_and_clauses_survive_each_lost_allocation),
		cmocka_unit_test(
			test_what_is_shown_holds_no_control_characters_no_token_no_others_values),
		cmocka_unit_test(test_only_resources_that_it_made_are_written_to),
		cmocka_unit_test(test_an_answer_about_somebody_else_is_not_taken_for_ours),
		cmocka_unit_test(
			test_what_cannot_be_checked_is_refused_before_anything_is_sent),
	};
	const struct CMUnitTest served[] = {
		cmocka_unit_test(test_our_own_server_passes_every_case_and_is_left_empty),
		cmocka_unit_test(test_a_deviation_on_purpose_is_named),
		cmocka_unit_test(test_without_write_nothing_is_applied),
		cmocka_unit_test(test_what_was_cancelled_leaves_nothing),
		cmocka_unit_test(test_a_lost_allocation_leaves_nothing_on_the_server),
		cmocka_unit_test(test_a_token_that_is_refused_ends_it_with_the_way_out),
		cmocka_unit_test(test_a_server_that_is_not_there_ends_it_with_a_sentence),
	};
	struct err err;
	int bad;

	if (secret_start(&err) < 0)
		return 1;
	bad = cmocka_run_group_tests_name("check: rows", rows, NULL, NULL);
	return bad + cmocka_run_group_tests_name("check: our own server", served, house_build,
						 house_end);
}
