/* One signed call: what is sent, what is refused, and what each kind of answer is called. */
#include "tests/unit/fake_org.h"

#include "atlassian/org.h"
#include "atlassian/page.h"
#include "atlassian/row.h"
#include "atlassian/users.h"

static struct fake fake;

/* --- error bodies ------------------------------------------------------------------------- */

static const struct {
	int status;
	const char *body;
	const char *code, *key, *text;
} bodies[] = {
	/* organisations API: status is a text there */
	{ 403,
	  "{'errors':[{'id':'x','status':'403','code':'ADMIN-403-3','title':'Forbidden',"
	  "'detail':'You may not manage this organisation'}]}",
	  "ADMIN-403-3", "", "Forbidden: You may not manage this organisation" },
	{ 409, "{'errors':[{'code':'ADMIN-409-28','title':'Conflict'}]}", "ADMIN-409-28", "",
	  "Conflict" },
	/* its gateway */
	{ 401, "{'code':401,'message':'Unauthorized; scope does not match'}", "401", "",
	  "Unauthorized; scope does not match" },
	{ 403,
	  "{'timestamp':'t','status':403,'error':'Forbidden','message':'No','path':'/x',"
	  "'requestId':'r'}",
	  "", "", "No" },
	{ 403, "{'status':403,'error':'Forbidden','message':''}", "", "", "Forbidden" },
	/* user management */
	{ 403,
	  "{'key':'forbidden.action','context':{'allowed':false,'reason':{'key':"
	  "'externalDirectory.scim'}},'errorKey':'forbidden.action','errorDetail':'d'}",
	  "forbidden.action", "externalDirectory.scim", "d" },
	{ 404, "{'key':'notFound'}", "notFound", "", "" },
	/* SCIM, RFC 7644 section 3.12 */
	{ 409,
	  "{'schemas':['urn:ietf:params:scim:api:messages:2.0:Error'],'status':'409',"
	  "'scimType':'uniqueness','detail':'taken'}",
	  "uniqueness", "", "taken" },
	/* Jira, and Jira Service Management */
	{ 400, "{'errorMessages':['first','second'],'errors':{}}", "", "", "first" },
	{ 400, "{'errorMessages':[],'errors':{'name':'is wrong'}}", "", "", "is wrong" },
	{ 400, "{'errorMessage':'desk','i18nErrorMessage':{'i18nKey':'k','parameters':[]}}", "",
	  "", "desk" },
	/* Confluence */
	{ 404, "{'statusCode':404,'data':{},'message':'no page','reason':'Not Found'}", "", "",
	  "no page" },
	/* none of these */
	{ 502, "<html><head><title>502 Bad Gateway</title></head><body>\n<h1>Bad</h1></body>",
	  "", "", "502 Bad Gateway Bad" },
	{ 500, "", "", "", "" },
	{ 500, "plain words", "", "", "plain words" },
	{ 500, "'a text'", "", "", "a text" },
	{ 500, "[]", "", "", "" },
	{ 500, "{}", "", "", "" },
	{ 500, "null", "", "", "" },
	{ 500, "{'errors':{}}", "", "", "" },
	{ 500, "{'errors':[7],'message':7,'key':7}", "", "", "" },
	{ 500, "{'message':'a\\n\\tb\\u0007  c\\u00e9 '}", "", "", "a b c\u00e9" },
	{ 500, "\xff\xfe raw \x01", "", "", "raw" },
};

static void test_every_kind_of_error_body_is_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		struct atl_problem p;
		struct buf body;

		buf_init(&body, 65536);
		fake_add(&body, bodies[i].body);
		atl_problem_read(&p, bodies[i].status, buf_str(&body));
		buf_done(&body);
		if (p.status != bodies[i].status || strcmp(p.code, bodies[i].code) ||
		    strcmp(p.key, bodies[i].key) || strcmp(p.text, bodies[i].text))
			fail_msg("row %zu: code=%s key=%s text=%s", i, p.code, p.key, p.text);
	}
}

static void test_long_words_are_cut_at_a_character(void **state)
{
	struct atl_problem p;
	struct buf body;

	(void)state;
	buf_init(&body, 65536);
	buf_add_text(&body, "{\"message\":\"");
	for (int i = 0; i < 2000; i++)
		buf_add_text(&body, "\xc3\xa9");
	buf_add_text(&body, "\"}");
	atl_problem_read(&p, 500, buf_str(&body));
	assert_true(strlen(p.text) > 300 && strlen(p.text) < sizeof(p.text));
	assert_true(str_utf8(str_of(p.text), NULL));
	buf_done(&body);
}

/* --- answers ------------------------------------------------------------------------------ */

struct canned {
	int status;
	const char *body;
};

static void answer_canned(struct scripted *s, unsigned nth, struct http_req *req,
			  struct http_reply *reply)
{
	const struct canned *c = s->ctx;

	(void)nth;
	(void)req;
	reply->status = c->status;
	fake_add(&reply->body, c->body);
}

static const struct {
	struct canned answer;
	int fault; /* 0: success */
	const char *says;
} outcomes[] = {
	{ { 200, "{'a':1}" }, 0, NULL },
	{ { 201, "{}" }, 0, NULL },
	{ { 202, "{}" }, 0, NULL },
	{ { 204, "" }, 0, NULL },
	{ { 206, "{}" }, 0, NULL },
	{ { 200, "" }, ERR_PROTOCOL, "the answer is empty" },
	{ { 200, "{'a':" }, ERR_PROTOCOL, "not whole JSON" },
	{ { 200, "<html>" }, ERR_PROTOCOL, "not whole JSON" },
	{ { 301, "" }, ERR_REMOTE, "301" },
	{ { 400, "{'errors':[{'code':'ADMIN-400-24','title':'Bad body'}]}" },
	  ERR_REMOTE,
	  "400 ADMIN-400-24: Bad body" },
	/* the words of 401 and 403 come through as they are, and a way out with them */
	{ { 401, "{'code':401,'message':'Unauthorized; scope does not match'}" },
	  ERR_UNAUTHORIZED,
	  "401: Unauthorized; scope does not match (the API key is wrong" },
	{ { 403, "{'errors':[{'code':'ADMIN-403-3','title':'Not you'}]}" },
	  ERR_FORBIDDEN,
	  "403 ADMIN-403-3: Not you (the API key may lack the right" },
	{ { 403, "{'key':'forbidden.action','context':{'reason':{'key':'administrative'}}}" },
	  ERR_FORBIDDEN,
	  "403 forbidden.action (administrative)" },
	{ { 404, "{'errors':[{'code':'ADMIN-404-8','title':'User'}]}" },
	  ERR_NOT_FOUND,
	  "404 ADMIN-404-8: User" },
	{ { 409, "" }, ERR_CONFLICT, "409" },
	{ { 415, "" }, ERR_REMOTE, "415" },
	{ { 429, "{'code':429,'message':'slow'}" }, ERR_RATE_LIMIT, "rate limit" },
	{ { 500, "" }, ERR_UNAVAILABLE, "500" },
	{ { 503, "<h1>down</h1>" }, ERR_UNAVAILABLE, "503: down" },
};

static void test_each_answer_has_its_fault_and_its_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(outcomes); i++) {
		const struct atl_request q = { .method = "GET",
					       .path = "/admin/v1/orgs/o-1?x=secret" };
		CLEANUP(json_decref_at) json_t *j = NULL;
		struct canned canned = outcomes[i].answer;
		struct atl_problem p;
		struct err err;
		int r;

		fake_start(&fake, answer_canned, &canned);
		r = atl_call(fake.client, &q, &j, &p, &err);
		assert_int_equal(p.status, canned.status);
		if (!outcomes[i].fault) {
			assert_ok(r, &err);
			assert_true(!j == !*canned.body);
		} else {
			assert_fault(r, outcomes[i].fault, &err, outcomes[i].says);
			assert_non_null(strstr(err.text, "GET /admin/v1/orgs/o-1: "));
			assert_null(strstr(err.text, "secret"));
			assert_null(strstr(err.text, "k3y"));
		}
		fake_stop(&fake);
	}
}

/* --- answers that were cut ---------------------------------------------------------------- */

struct cuts {
	unsigned count; /* of the first answers */
	const char *body;
};

static void answer_cut(struct scripted *s, unsigned nth, struct http_req *req,
		       struct http_reply *reply)
{
	const struct cuts *cuts = s->ctx;

	(void)req;
	reply->status = 200;
	fake_add(&reply->body, nth <= cuts->count ? cuts->body : "{'data':[]}");
}

static void test_a_read_whose_answer_was_cut_is_asked_again(void **state)
{
	static const struct {
		struct cuts cuts;
		unsigned asked;
		const char *fault; /* NULL: success */
	} rows[] = {
		{ { 0, "" }, 1, NULL },
		{ { 1, "{'data':[" }, 2, NULL },
		{ { 2, "" }, 3, NULL },
		{ { 3, "{'da" }, 3, "GET /x: the answer is not whole JSON" },
		{ { 9, "" }, 3, "GET /x: the answer is empty" },
	};
	const struct atl_request q = { .method = "GET", .path = "/x?a=1" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(json_decref_at) json_t *j = NULL;
		struct cuts cuts = rows[i].cuts;
		struct atl_problem p;
		struct err err;
		int r;

		fake_start(&fake, answer_cut, &cuts);
		fake.o.tries = 3;
		r = atl_call(fake.client, &q, &j, &p, &err);
		if (rows[i].fault)
			assert_fault(r, ERR_PROTOCOL, &err, rows[i].fault);
		else
			assert_ok(r, &err);
		assert_int_equal(p.status, 200);
		assert_true(!j == (rows[i].fault != NULL));
		assert_int_equal(scripted_asked(&fake.srv), rows[i].asked);
		for (unsigned n = 1; n <= rows[i].asked; n++)
			assert_string_equal(scripted_request(&fake.srv, n),
					    "GET /x?a=1|Bearer k3y||");
		fake_stop(&fake);
	}
}

static void test_a_change_whose_answer_was_cut_is_not_made_again(void **state)
{
	const struct atl_request q = {
		.method = "POST", .path = "/x", .write = true, .body = { "{\"a\":1}", 7 }
	};
	CLEANUP(json_decref_at) json_t *j = NULL;
	struct cuts cuts = { 9, "{'data':[" };
	struct err err;

	(void)state;
	fake_start(&fake, answer_cut, &cuts);
	fake.o.tries = 3;
	atl_client_writes(fake.client, true);
	assert_fault(atl_call(fake.client, &q, &j, NULL, &err), ERR_PROTOCOL, &err,
		     "not whole JSON");
	assert_int_equal(scripted_asked(&fake.srv), 1);
	/* and where nobody wants the answer, its 2xx is enough */
	assert_ok(atl_call(fake.client, &q, NULL, NULL, &err), &err);
	assert_int_equal(scripted_asked(&fake.srv), 2);
	fake_stop(&fake);
}

/* --- sending ------------------------------------------------------------------------------ */

static void test_what_is_sent_is_signed_json(void **state)
{
	static const struct {
		struct atl_request q;
		const char *line;
	} rows[] = {
		{ { .method = "GET", .path = "/x" }, "GET /x|Bearer k3y||" },
		{ { .method = "POST", .path = "/x" },
		  "POST /x|Bearer k3y|application/json|{}" },
		{ { .method = "POST", .path = "/x", .body = { "{\"a\":1}", 7 } },
		  "POST /x|Bearer k3y|application/json|{\"a\":1}" },
		{ { .method = "DELETE", .path = "/x" }, "DELETE /x|Bearer k3y||" },
		{ { .method = "PUT", .path = "/x" }, "PUT /x|Bearer k3y|application/json|{}" },
	};
	struct canned canned = { 204, "" };
	struct err err;

	(void)state;
	fake_start(&fake, answer_canned, &canned);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_ok(atl_call(fake.client, &rows[i].q, NULL, NULL, &err), &err);
		assert_string_equal(scripted_request(&fake.srv, (unsigned)i + 1), rows[i].line);
	}
	assert_int_equal(atl_client_calls(fake.client), COUNT_OF(rows));
	fake_stop(&fake);
}

static void test_in_observe_nothing_that_changes_is_sent(void **state)
{
	struct atl_request q = { .method = "POST", .path = "/suspend", .write = true };
	struct canned canned = { 204, "" };
	struct err err;

	(void)state;
	fake_start(&fake, answer_canned, &canned);
	assert_fault(atl_call(fake.client, &q, NULL, NULL, &err), ERR_REFUSED, &err,
		     "organisation acme is in mode observe: POST /suspend is not sent");
	assert_fault(atl_org_suspend(fake.client, STR("d"), STR("a"), &err), ERR_REFUSED, &err,
		     "observe");
	assert_fault(atl_org_join(fake.client, STR("d"), STR("g"), STR("a"), &err), ERR_REFUSED,
		     &err, "observe");
	assert_fault(atl_org_leave(fake.client, STR("d"), STR("g"), STR("a"), &err),
		     ERR_REFUSED, &err, "observe");
	assert_fault(atl_org_assign(fake.client, STR("a"), STR("r"), STR("x/y"), &err),
		     ERR_REFUSED, &err, "observe");
	assert_fault(atl_users_disable(fake.client, STR("a"), STR(""), &err), ERR_REFUSED, &err,
		     "observe");
	assert_fault(atl_users_token_revoke(fake.client, STR("a"), STR("t"), &err), ERR_REFUSED,
		     &err, "observe");
	assert_int_equal(scripted_asked(&fake.srv), 0);
	atl_client_writes(fake.client, true);
	assert_ok(atl_call(fake.client, &q, NULL, NULL, &err), &err);
	atl_client_writes(fake.client, false);
	assert_fault(atl_call(fake.client, &q, NULL, NULL, &err), ERR_REFUSED, &err, NULL);
	assert_int_equal(scripted_asked(&fake.srv), 1);
	fake_stop(&fake);
}

static void test_a_url_of_an_answer_leads_nowhere_else(void **state)
{
	static const char *const elsewhere[] = {
		"https://evil.example.com/admin/v1/orgs/o-1",
		"http://127.0.0.1:1/x",
		"http://127.0.0.1",
		"x",
		"",
		"//evil.example.com/x",
	};
	struct canned canned = { 200, "{}" };
	struct atl_request q = { .method = "GET" };
	char url[128];
	struct err err;

	(void)state;
	fake_start(&fake, answer_canned, &canned);
	for (size_t i = 0; i + 1 < COUNT_OF(elsewhere); i++) {
		q.path = elsewhere[i];
		assert_fault(atl_call(fake.client, &q, NULL, NULL, &err), ERR_PROTOCOL, &err,
			     "not followed");
	}
	/* The same host with more behind it is another host. */
	snprintf(url, sizeof(url), "%s0/x", fake.base);
	q.path = url;
	assert_fault(atl_call(fake.client, &q, NULL, NULL, &err), ERR_PROTOCOL, &err, NULL);
	assert_int_equal(scripted_asked(&fake.srv), 0);
	snprintf(url, sizeof(url), "%s/x?cursor=1", fake.base);
	assert_ok(atl_call(fake.client, &q, NULL, NULL, &err), &err);
	/* A path that looks like a host stays on ours. */
	q.path = elsewhere[COUNT_OF(elsewhere) - 1];
	assert_ok(atl_call(fake.client, &q, NULL, NULL, &err), &err);
	assert_non_null(strstr(scripted_request(&fake.srv, 2), "//evil.example.com/x|"));
	fake_stop(&fake);
}

static void test_paths_are_made_of_whole_parts_only(void **state)
{
	const struct str fine[] = { STR("o-1"), STR("557057:4f9a|b/c?d") };
	const struct str empty[] = { STR("a"), STR("") };
	const struct str dots[] = { STR(".."), STR("b") };
	struct err err;
	struct buf b;

	(void)state;
	buf_init(&b, 256);
	assert_ok(atl_path(&b, "/orgs/{}/users/{}/x", fine, 2, &err), &err);
	assert_true(str_eq(buf_str(&b), STR("/orgs/o-1/users/557057%3A4f9a%7Cb%2Fc%3Fd/x")));
	buf_clear(&b);
	assert_fault(atl_path(&b, "/users/{}/manage/api-tokens/{}", empty, 2, &err),
		     ERR_INTERNAL, &err, "part 2 is empty");
	assert_fault(atl_path(&b, "/{}/{}/{}", fine, 2, &err), ERR_INTERNAL, &err, "part 3");
	assert_fault(atl_path(&b, "/{}/{}", dots, 2, &err), ERR_INTERNAL, &err, "dots");
	buf_done(&b);
}

static void test_a_token_without_an_id_is_never_revoked(void **state)
{
	struct canned canned = { 204, "" };
	struct err err;

	(void)state;
	fake_start(&fake, answer_canned, &canned);
	atl_client_writes(fake.client, true);
	assert_fault(atl_users_token_revoke(fake.client, STR("a"), (struct str){ 0 }, &err),
		     ERR_INTERNAL, &err, "nothing is sent");
	assert_int_equal(scripted_asked(&fake.srv), 0);
	fake_stop(&fake);
}

static void test_a_key_is_needed_and_must_be_one_line(void **state)
{
	CLEANUP(secret_done) struct secret two = { 0 };
	struct secret none = { 0 };
	struct atl_client *c;
	struct err err;

	(void)state;
	fake_start(&fake, answer_canned, NULL);
	assert_ok(secret_set(&two, "a\nb", 3, &err), &err);
	assert_fault(atl_client_new(&c, &fake.o, &none, NULL, fake.http, &err), ERR_SECRET,
		     &err, "organisation acme has no API key");
	assert_fault(atl_client_new(&c, &fake.o, &two, NULL, fake.http, &err), ERR_SECRET, &err,
		     "line break");
	fake_stop(&fake);
}

/* --- pages -------------------------------------------------------------------------------- */

static void answer_pages(struct scripted *s, unsigned nth, struct http_req *req,
			 struct http_reply *reply)
{
	const char *const *pages = s->ctx;
	struct buf *b = &reply->body;
	const char *page = pages[nth - 1];

	(void)req;
	if (*page == '@') { /* a URL below ours */
		fake_add(b, "{'data':[1],'links':{'next':'");
		buf_addf(b, "http://127.0.0.1:%u%s", httpd_port(s->h), page + 1);
		fake_add(b, "'}}");
	} else {
		fake_add(b, page);
	}
}

static int read_pages(enum atl_dialect dialect, json_t *body, unsigned *count, struct err *err)
{
	CLEANUP(atl_pages_done) struct atl_pages p = { 0 };
	int r = atl_pages_init(&p, fake.client, dialect, ATL_ORG_READ, STR("/list"), "limit=7",
			       body, "things", err);

	*count = 0;
	while (r == 0) {
		CLEANUP(json_decref_at) json_t *page = NULL;
		json_t *rows;

		r = atl_pages_next(&p, &page, &rows, err);
		if (r == 0)
			*count += (unsigned)json_array_size(rows);
	}
	return r;
}

static void test_lists_go_on_in_every_dialect(void **state)
{
	static const char *const pages[] = { "{'data':[1,2],'links':{'next':'a b&c'}}",
					     "@/list?cursor=zz",
					     "{'data':[],'links':{'next':'c3'}}",
					     "{'data':[4],'links':{'next':null}}" };
	static const struct {
		enum atl_dialect dialect;
		const char *lines[4];
	} rows[] = {
		{ ATL_PAGES_QUERY,
		  { "GET /list?limit=7|", "GET /list?cursor=a%20b%26c|", "GET /list?cursor=zz|",
		    "GET /list?cursor=c3|" } },
		{ ATL_PAGES_BODY,
		  { "POST /list|Bearer k3y|application/json|{\"x\":1}",
		    "{\"x\":1,\"cursor\":\"a b&c\"}", "POST /list?cursor=zz|",
		    "{\"x\":1,\"cursor\":\"c3\"}" } },
		{ ATL_PAGES_BODY_ALONE,
		  { "POST /list|Bearer k3y|application/json|{\"x\":1}",
		    "{\"cursor\":\"a b&c\"}",
		    "POST /list?cursor=zz|Bearer k3y|application/json|{}",
		    "|{\"cursor\":\"c3\"}" } },
	};
	unsigned count;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		fake_start(&fake, answer_pages, (void *)(uintptr_t)pages);
		assert_int_equal(
			read_pages(rows[i].dialect, json_pack("{s:i}", "x", 1), &count, &err),
			ATL_END);
		assert_int_equal(count, 4);
		for (unsigned k = 0; k < 4; k++)
			if (!strstr(scripted_request(&fake.srv, k + 1), rows[i].lines[k]))
				fail_msg("dialect %zu: %s", i,
					 scripted_request(&fake.srv, k + 1));
		fake_stop(&fake);
	}
}

static void test_lists_that_do_not_go_on_as_they_should_are_faults(void **state)
{
	static const struct {
		const char *pages[3];
		int fault;
		const char *says;
	} rows[] = {
		{ { "{'data':[1],'links':{'next':'c'}}", "{'data':[1],'links':{'next':'c'}}" },
		  ERR_INCOMPLETE,
		  "page 3 of things: the same cursor came twice" },
		{ { "{'links':{}}" },
		  ERR_INCOMPLETE,
		  "page 1 of things: the answer has no list" },
		{ { "{'data':{},'links':{}}" }, ERR_INCOMPLETE, "no list" },
		{ { "[]" }, ERR_INCOMPLETE, "no list" },
		{ { "" }, ERR_PROTOCOL, "the answer is empty" },
		{ { "{'data':[],'links':{'next':7}}" }, ERR_INCOMPLETE, "neither a text" },
		{ { "{'data':[1],'links':{'next':'https://evil.example.com/x'}}" },
		  ERR_PROTOCOL,
		  "not followed" },
		{ { "{'data':[1],'links':{'next':'c'}}", "{'data':[1" },
		  ERR_PROTOCOL,
		  "page 2 of things: " },
	};
	unsigned count;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		fake_start(&fake, answer_pages, (void *)(uintptr_t)rows[i].pages);
		assert_fault(read_pages(ATL_PAGES_QUERY, NULL, &count, &err), rows[i].fault,
			     &err, rows[i].says);
		fake_stop(&fake);
	}
}

static void test_only_the_end_of_a_list_says_that_it_has_no_row(void **state)
{
	static const struct {
		const char *pages[3];
		bool any;
		int fault;
	} rows[] = {
		{ { "{'data':[1],'links':{}}" }, true, 0 },
		{ { "{'data':[],'links':{}}" }, false, 0 },
		{ { "{'data':[],'links':{'next':'c'}}", "{'data':[1],'links':{}}" }, true, 0 },
		{ { "{'data':[],'links':{'next':'c'}}", "{'data':[],'links':{}}" }, false, 0 },
		{ { "{'data':[],'links':{'next':'c'}}", "{'links':{}}" },
		  false,
		  ERR_INCOMPLETE },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEANUP(atl_pages_done) struct atl_pages p = { 0 };
		bool any = !rows[i].any;
		int r;

		fake_start(&fake, answer_pages, (void *)(uintptr_t)rows[i].pages);
		assert_ok(atl_pages_init(&p, fake.client, ATL_PAGES_QUERY, ATL_ORG_READ,
					 STR("/list"), NULL, NULL, "things", &err),
			  &err);
		r = atl_pages_any(&p, &any, &err);
		if (r != -rows[i].fault || (!r && any != rows[i].any))
			fail_msg("row %zu: %d, %d", i, r, any);
		atl_pages_done(&p);
		fake_stop(&fake);
	}
}

static void test_texts_are_seen_once(void **state)
{
	CLEANUP(atl_seen_free_at) struct atl_seen *s = NULL;
	struct err err;
	char text[32];

	(void)state;
	assert_ok(atl_seen_new(&s, &err), &err);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 20000; i++) {
			snprintf(text, sizeof(text), "id-%d", i);
			assert_int_equal(atl_seen_add(s, str_of(text), &err),
					 round ? ATL_SEEN : 0);
		}
	}
	assert_int_equal(atl_seen_count(s), 20000);
}

/* --- writes with two meanings ------------------------------------------------------------- */

static void test_a_conflict_on_joining_is_told_apart_by_its_words(void **state)
{
	static const struct {
		struct canned answer;
		int r;
	} rows[] = {
		{ { 204, "" }, 0 },
		{ { 200, "{}" }, 0 },
		{ { 409, "{'errors':[{'code':'ADMIN-409-28','title':'User is Already in'}]}" },
		  0 },
		{ { 409, "{'errors':[{'code':'ADMIN-409-3','title':'Limit exceeded'}]}" },
		  ATL_LIMIT_REACHED },
		{ { 409, "" }, ATL_LIMIT_REACHED },
		{ { 403, "" }, -ERR_FORBIDDEN },
		{ { 404, "" }, -ERR_NOT_FOUND },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct canned canned = rows[i].answer;

		fake_start(&fake, answer_canned, &canned);
		atl_client_writes(fake.client, true);
		assert_int_equal(
			atl_org_join(fake.client, STR("d-1"), STR("g"), STR("a"), &err),
			rows[i].r);
		assert_string_equal(scripted_request(&fake.srv, 1),
				    "POST /admin/v2/orgs/o-1/directories/d-1/groups/g/"
				    "memberships|Bearer k3y|application/json|{\"accountId\":"
				    "\"a\"}");
		fake_stop(&fake);
	}
}

/* DELETE answers 404; whether bob is in g-jira is told by searching. */
static void answer_left(struct scripted *s, unsigned nth, struct http_req *req,
			struct http_reply *reply)
{
	bool member = *(bool *)s->ctx;

	(void)nth;
	if (http_req_method(req) == HTTP_DELETE)
		fake_unknown(reply);
	else if (!member)
		fake_add(&reply->body, "{'data':[],'links':{}}");
	else
		fake_read(req, reply);
}

static void test_leaving_where_nobody_is_counts_only_when_reading_agrees(void **state)
{
	struct err err;

	(void)state;
	for (int i = 0; i < 2; i++) {
		bool member = i;

		fake_start(&fake, answer_left, &member);
		atl_client_writes(fake.client, true);
		assert_int_equal(atl_org_leave(fake.client, STR("d-1"), STR("g-jira"),
					       STR("a:bob|1"), &err),
				 member ? -ERR_NOT_FOUND : 0);
		assert_non_null(strstr(scripted_request(&fake.srv, 1),
				       "DELETE /admin/v2/orgs/o-1/directories/d-1/groups/"
				       "g-jira/memberships/a%3Abob%7C1|Bearer k3y||"));
		fake_stop(&fake);
	}
}

/* Knows resources by their bare ids alone. */
static void answer_bare(struct scripted *s, unsigned nth, struct http_req *req,
			struct http_reply *reply)
{
	(void)s;
	(void)nth;
	reply->status = 204;
	if (fake_has(http_req_body(req), "ari:cloud"))
		reply->status = 400;
	if (fake_has(http_req_body(req), "full"))
		reply->status = 409;
}

static void test_a_role_is_given_under_whichever_name_the_resource_has(void **state)
{
	struct err err;

	(void)state;
	fake_start(&fake, answer_bare, NULL);
	atl_client_writes(fake.client, true);
	assert_ok(atl_org_revoke(fake.client, STR("a"), STR("atlassian/user"), STR(JIRA), &err),
		  &err);
	assert_non_null(strstr(scripted_request(&fake.srv, 1), "roles/revoke|"));
	assert_non_null(strstr(scripted_request(&fake.srv, 1), "\"resource\":\"" JIRA "\""));
	assert_non_null(strstr(scripted_request(&fake.srv, 2), "\"resource\":\"s-1\""));
	assert_int_equal(
		atl_org_assign(fake.client, STR("a"), STR("atlassian/user"), STR("full"), &err),
		ATL_LIMIT_REACHED);
	/* A role on the organisation has its own call. */
	assert_ok(atl_org_revoke(fake.client, STR("a"), STR("atlassian/org-admin"), STR(""),
				 &err),
		  &err);
	assert_non_null(strstr(scripted_request(&fake.srv, 4),
			       "/users/a/role-assignments/revoke|Bearer k3y|application/json|"
			       "{\"role\":\"atlassian/org-admin\"}"));
	fake_stop(&fake);
}

/* --- words -------------------------------------------------------------------------------- */

static void test_words_are_brought_to_one_spelling(void **state)
{
	static const struct {
		const char *told, *key;
	} keys[] = {
		{ "jira", "jira" },
		{ "jira-software", "jira" },
		{ "jira-service-desk", "jira-servicedesk" },
		{ "jira-servicedesk", "jira-servicedesk" },
		{ "confluence", "confluence" },
		{ "something-new", "something-new" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		assert_true(str_eq(atl_product_key(str_of(keys[i].told)), str_of(keys[i].key)));
	assert_true(str_eq(atl_group_id(STR(G "x-1")), STR("x-1")));
	assert_true(str_eq(atl_group_id(STR("x-1")), STR("x-1")));
	assert_int_equal(atl_role_billable(STR("atlassian/user")), TRI_YES);
	assert_int_equal(atl_role_billable(STR("atlassian/customer")), TRI_NO);
	assert_int_equal(atl_role_billable(STR("atlassian/unheard-of")), TRI_UNKNOWN);
	assert_true(atl_role_admin(STR("atlassian/site-admin")));
	assert_false(atl_role_admin(STR("atlassian/ai-access")));
}

static void test_a_row_tells_only_what_it_holds(void **state)
{
	CLEANUP(json_decref_at)
	json_t *j = json_pack("{s:s, s:[{s:s, s:s}, {s:s}]}", "accountId", "a", "productAccess",
			      "id", "p", "lastActiveTimestamp", "yesterday", "id", "q");
	struct atl_user u;
	char why[100];

	(void)state;
	assert_true(atl_user_read(j, &u, why, sizeof(why)));
	assert_int_equal(u.row.status, ACCOUNT_UNKNOWN);
	assert_int_equal(u.row.type, ACCOUNT_TYPE_UNKNOWN);
	assert_int_equal(u.row.managed, TRI_UNKNOWN);
	assert_int_equal(u.row.synced, TRI_UNKNOWN);
	assert_int_equal(u.row.accepted, TRI_UNKNOWN);
	assert_int_equal(u.row.added_ms, ATL_UNKNOWN_MS);
	assert_null(u.groups);
	assert_int_equal(u.resources, -1);
	/* a time that is no time is unknown, not "never" */
	assert_int_equal(atl_user_last(&u, STR("p")), ATL_UNKNOWN_MS);
	assert_int_equal(atl_user_last(&u, STR("q")), ATL_ABSENT);
	assert_int_equal(atl_user_last(&u, STR("r")), ATL_ABSENT);
	assert_int_equal(u.row.last_active_ms, ATL_UNKNOWN_MS);
	json_object_del(j, "productAccess");
	assert_true(atl_user_read(j, &u, why, sizeof(why)));
	assert_int_equal(atl_user_last(&u, STR("p")), ATL_UNKNOWN_MS);
	json_object_set_new(j, "accountId", json_string(""));
	assert_false(atl_user_read(j, &u, why, sizeof(why)));
	assert_false(atl_user_read(json_null(), &u, why, sizeof(why)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_of_error_body_is_understood),
		cmocka_unit_test(test_long_words_are_cut_at_a_character),
		cmocka_unit_test(test_each_answer_has_its_fault_and_its_sentence),
		cmocka_unit_test(test_a_read_whose_answer_was_cut_is_asked_again),
		cmocka_unit_test(test_a_change_whose_answer_was_cut_is_not_made_again),
		cmocka_unit_test(test_what_is_sent_is_signed_json),
		cmocka_unit_test(test_in_observe_nothing_that_changes_is_sent),
		cmocka_unit_test(test_a_url_of_an_answer_leads_nowhere_else),
		cmocka_unit_test(test_paths_are_made_of_whole_parts_only),
		cmocka_unit_test(test_a_token_without_an_id_is_never_revoked),
		cmocka_unit_test(test_a_key_is_needed_and_must_be_one_line),
		cmocka_unit_test(test_lists_go_on_in_every_dialect),
		cmocka_unit_test(test_lists_that_do_not_go_on_as_they_should_are_faults),
		cmocka_unit_test(test_only_the_end_of_a_list_says_that_it_has_no_row),
		cmocka_unit_test(test_texts_are_seen_once),
		cmocka_unit_test(test_a_conflict_on_joining_is_told_apart_by_its_words),
		cmocka_unit_test(test_leaving_where_nobody_is_counts_only_when_reading_agrees),
		cmocka_unit_test(test_a_role_is_given_under_whichever_name_the_resource_has),
		cmocka_unit_test(test_words_are_brought_to_one_spelling),
		cmocka_unit_test(test_a_row_tells_only_what_it_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
