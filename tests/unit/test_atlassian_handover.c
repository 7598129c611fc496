/* A site's credential and lists, and gifts: what is asked first, what is sent, what is left. */
#include "tests/unit/fake_org.h"

#include "atlassian/handover.h"
#include "atlassian/inventory.h"
#include "atlassian/site.h"

/* One answer by the beginning of "METHOD path"; JSON stands here with ' for ". */
struct scene {
	const char *begins;
	int status;
	const char *json;
};

struct stage_of_site {
	struct fake f;
	struct atl_site_options o;
	struct atl_site *site;
	const struct scene *scenes;
};

static struct stage_of_site st;

static void answer(struct scripted *s, unsigned nth, struct http_req *req,
		   struct http_reply *reply)
{
	char line[512];

	(void)nth;
	snprintf(line, sizeof(line), "%s " STR_FMT "%s" STR_FMT, http_req_method_text(req),
		 STR_ARG(http_req_target(req)), http_req_query_raw(req).len ? "?" : "",
		 STR_ARG(http_req_query_raw(req)));
	(void)s;
	reply->status = 500;
	for (const struct scene *c = st.scenes; c->begins; c++) {
		if (strncmp(line, c->begins, strlen(c->begins)) != 0)
			continue;
		reply->status = c->status;
		for (const char *p = c->json; *p; p++)
			buf_add_char(&reply->body, *p == '\'' ? '"' : *p);
		return;
	}
}

static void site_start(const struct scene *scenes, const char *login)
{
	CLEANUP(secret_done) struct secret token = { 0 };
	struct err err;

	st.scenes = scenes;
	fake_start(&st.f, answer, NULL);
	st.o = (struct atl_site_options){ .host = (char *)(uintptr_t) "acme.atlassian.net",
					  .login = (char *)(uintptr_t)login,
					  .token = (char *)(uintptr_t) "acme-site",
					  .jira_url = st.f.base,
					  .confluence_url = st.f.base,
					  .jira = true,
					  .per_second = 100000,
					  .most = 1000,
					  .within_ms = 60000 };
	assert_ok(secret_set(&token, "t0ken", 5, &err), &err);
	assert_ok(atl_site_new(&st.site, &st.o, &st.f.o, &token, NULL, st.f.http, &err), &err);
	atl_site_writes(st.site, true);
}

static void site_stop(void)
{
	atl_site_free(st.site);
	fake_stop(&st.f);
}

static int count_row(void *ctx, const json_t *row, struct err *err)
{
	(void)row;
	(void)err;
	++*(unsigned *)ctx;
	return 0;
}

/* --- credential and lists ----------------------------------------------------------------- */

static void test_a_login_makes_basic_and_none_makes_bearer(void **state)
{
	static const struct scene scenes[] = { { "GET /x", 200, "{}" }, { NULL, 0, NULL } };
	static const struct {
		const char *login, *sent;
	} rows[] = {
		{ "a@example.com", "|Basic YUBleGFtcGxlLmNvbTp0MGtlbg==|" },
		{ NULL, "|Bearer t0ken|" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct atl_ask ask = atl_get(ATL_API_JIRA, "/x", NULL, 0);
		CLEANUP(json_decref_at) json_t *j = NULL;
		struct err err;

		site_start(scenes, rows[i].login);
		assert_ok(atl_site_ask(st.site, &ask, &j, NULL, &err), &err);
		assert_non_null(strstr(scripted_request(&st.f.srv, 1), rows[i].sent));
		site_stop();
	}
}

static void test_lists_go_on_by_their_own_rules_and_circles_end_them(void **state)
{
	static const struct {
		enum atl_site_list list;
		struct scene scenes[4];
		int r;
		unsigned rows;
	} cases[] = {
		{ ATL_LIST_VALUES,
		  { { "GET /l?startAt=0&maxResults=2", 200,
		      "{'values':[{},{}],'isLast':false}" },
		    { "GET /l?startAt=2&maxResults=2", 200, "{'values':[{}],'isLast':true}" } },
		  0,
		  3 },
		{ ATL_LIST_DESK,
		  { { "GET /l?start=0&limit=2", 200, "{'values':[{}],'isLastPage':true}" } },
		  0,
		  1 },
		{ ATL_LIST_RESULTS,
		  { { "GET /l?start=0", 200, "{'results':[{},{}],'_links':{'next':'/x'}}" },
		    { "GET /l?start=2", 200, "{'results':[],'_links':{}}" } },
		  0,
		  2 },
		{ ATL_LIST_LINK,
		  { { "GET /l?limit=2", 200, "{'data':[{}],'links':{'next':'?cursor=b'}}" },
		    { "GET /l?cursor=b", 200, "{'data':[{}],'links':{}}" } },
		  0,
		  2 },
		/* an empty page that is not the last, and a link to itself, would turn for ever
		 */
		{ ATL_LIST_VALUES,
		  { { "GET /l", 200, "{'values':[],'isLast':false}" } },
		  -ERR_PROTOCOL,
		  0 },
		{ ATL_LIST_LINK,
		  { { "GET /l?limit=2", 200, "{'data':[{}],'links':{'next':'?cursor=b'}}" },
		    { "GET /l?cursor=b", 200, "{'data':[{}],'links':{'next':'?cursor=b'}}" } },
		  -ERR_PROTOCOL,
		  2 },
		/* a link elsewhere would carry the token there */
		{ ATL_LIST_LINK,
		  { { "GET /l?limit=2", 200,
		      "{'data':[],'links':{'next':'https://evil.example/l'}}" } },
		  -ERR_PROTOCOL,
		  0 },
		{ ATL_LIST_VALUES, { { "GET /l", 200, "{'rows':[]}" } }, -ERR_PROTOCOL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct atl_ask ask = atl_get(ATL_API_JIRA, "/l", NULL, 0);
		unsigned rows = 0;
		struct err err;
		int r;

		site_start(cases[i].scenes, NULL);
		r = atl_site_each(st.site, cases[i].list, &ask, 2, NULL, count_row, &rows,
				  &err);
		if (r != cases[i].r || rows != cases[i].rows)
			fail_msg("case %zu: %d, %u rows: %s", i, r, rows,
				 r < 0 ? err.text : "");
		site_stop();
	}
}

static void test_a_bound_cuts_a_list_and_says_so(void **state)
{
	static const struct scene scenes[] = {
		{ "GET /l", 200, "{'values':[{},{}],'isLast':false}" }, { NULL, 0, NULL }
	};
	const struct atl_ask ask = atl_get(ATL_API_JIRA, "/l", NULL, 0);
	struct atl_bound bound = { .rows = 3 };
	unsigned rows = 0;
	struct err err;

	(void)state;
	site_start(scenes, NULL);
	assert_ok(atl_site_each(st.site, ATL_LIST_VALUES, &ask, 2, &bound, count_row, &rows,
				&err),
		  &err);
	assert_true(bound.cut);
	assert_int_equal(rows, 3);
	site_stop();
}

static void test_an_id_that_could_break_out_of_a_search_is_refused(void **state)
{
	(void)state;
	assert_true(atl_jql_account(STR("712020:0192e5ac-0e25|x_Y")));
	assert_false(atl_jql_account(STR("a\" OR project = X")));
	assert_false(atl_jql_account(STR("a b")));
	assert_false(atl_jql_account(STR("")));
}

/* --- gifts -------------------------------------------------------------------------------- */

static const char *const issue_ids[] = { "1", "2", "3" };
static const struct action_step issues_step = {
	.op = STEP_GIVE_ISSUES, .items = issue_ids, .item_count = 3, .from = 4, .to = 5
};

#define FETCH                                                                                  \
	"{'issues':[{'id':'1','fields':{'assignee':{'accountId':'lea'},'project':{'key':"      \
	"'OPS'}}},{'id':'2','fields':{'assignee':{'accountId':'rob'},'project':{'key':"        \
	"'WEB'}}}],'issueErrors':[{'id':'3','errorMessage':'gone'}]}"
#define MIA "{'accountId':'mia','accountType':'atlassian','active':true}"

static struct atl_left left;

static int give(const struct scene *scenes, const struct action_step *step, struct err *err)
{
	const struct atl_gift gift = { step, STR("lea"), STR("mia") };

	site_start(scenes, NULL);
	return atl_give(st.site, &gift, &left, err);
}

static void stop(void)
{
	atl_left_done(&left);
	site_stop();
}

/* Ids of a list, a blank after each. */
static void ids_are(const json_t *list, const char *expected)
{
	CLEANUP(buf_done) struct buf b;
	const json_t *one;
	size_t i;

	buf_init(&b, 4096);
	json_array_foreach ((json_t *)(uintptr_t)list, i, one)
		buf_addf(&b, "%s ", json_string_value(one));
	buf_add_char(&b, '\0');
	assert_string_equal(b.p, expected);
}

static void test_only_what_is_still_the_givers_is_given_and_no_mail_is_asked_for(void **state)
{
	static const struct scene scenes[] = {
		{ "POST /rest/api/3/issue/bulkfetch", 200, FETCH },
		{ "GET /rest/api/3/user?accountId=mia", 200, MIA },
		/* WEB is not asked for: its issue is somebody else's by now */
		{ "GET /rest/api/3/user/assignable/multiProjectSearch?projectKeys=OPS&", 200,
		  "[" MIA "]" },
		{ "POST /rest/api/3/bulk/issues/fields", 201, "{'taskId':'9'}" },
		{ "GET /rest/api/3/bulk/queue/9", 200, "{'status':'RUNNING'}" },
		{ NULL, 0, NULL }
	};
	const char *sent;
	struct err err;

	(void)state;
	/* of the third nothing is known: it is not shown to us */
	assert_int_equal(give(scenes, &issues_step, &err), ATL_IMPOSSIBLE);
	assert_non_null(strstr(err.text, "1 of 3 not seen: gone, or hidden from our token"));
	ids_are(left.refused, "");
	ids_are(left.unseen, "3 ");
	sent = scripted_request(&st.f.srv, 4);
	assert_non_null(strstr(sent, "\"sendBulkNotification\":false"));
	assert_non_null(strstr(sent, "\"selectedIssueIdsOrKeys\":[\"1\"]"));
	assert_non_null(strstr(sent, "\"accountId\":\"mia\""));
	assert_int_equal(scripted_asked(&st.f.srv), 5);
	stop();
}

static void test_who_may_not_receive_gets_nothing(void **state)
{
	static const struct {
		struct scene scenes[6];
		const char *says;
		unsigned asked;
	} cases[] = {
		{ { { "POST /rest/api/3/issue/bulkfetch", 200, FETCH },
		    { "GET /rest/api/3/user?", 200, "{'accountId':'mia','active':false}" } },
		  "not active",
		  2 },
		{ { { "POST /rest/api/3/issue/bulkfetch", 200, FETCH },
		    { "GET /rest/api/3/user?", 200, MIA },
		    { "GET /rest/api/3/user/assignable/", 200, "[]" } },
		  "may not be assigned issues of OPS",
		  3 },
		{ { { "POST /rest/api/3/issue/bulkfetch", 200, FETCH },
		    { "GET /rest/api/3/user?", 200, MIA },
		    { "GET /rest/api/3/user/assignable/", 200, "[" MIA "]" },
		    { "POST /rest/api/3/bulk/issues/fields", 201, "{'taskId':'9'}" },
		    { "GET /rest/api/3/bulk/queue/9", 200,
		      "{'status':'COMPLETE','failedAccessibleIssues':{'1':['no']}}" } },
		  "bulk change left them",
		  5 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err err;

		assert_int_equal(give(cases[i].scenes, &issues_step, &err), ATL_IMPOSSIBLE);
		if (!strstr(err.text, cases[i].says))
			fail_msg("case %zu says %s", i, err.text);
		ids_are(left.refused, "1 ");
		ids_are(left.unseen, "3 ");
		assert_int_equal(scripted_asked(&st.f.srv), cases[i].asked);
		stop();
	}
}

static void test_a_filter_that_is_refused_does_not_stop_the_others(void **state)
{
	static const char *const ids[] = { "1", "2", "3" };
	static const struct action_step step = {
		.op = STEP_GIVE_FILTERS, .items = ids, .item_count = 3, .from = 4, .to = 5
	};
	static const struct scene scenes[] = {
		{ "GET /rest/api/3/filter/1", 200, "{'owner':{'accountId':'lea'}}" },
		{ "GET /rest/api/3/filter/2", 200, "{'owner':{'accountId':'lea'}}" },
		{ "GET /rest/api/3/filter/3", 400, "{'errorMessages':['gone'],'errors':{}}" },
		{ "GET /rest/api/3/user?", 200, MIA },
		{ "PUT /rest/api/3/filter/1/owner", 400,
		  "{'errorMessages':['a filter of that name'],'errors':{}}" },
		{ "PUT /rest/api/3/filter/2/owner", 204, "" },
		{ "GET /rest/api/3/mypermissions?permissions=ADMINISTER", 200,
		  "{'permissions':{'ADMINISTER':{'havePermission':true}}}" },
		{ NULL, 0, NULL }
	};
	struct err err;

	(void)state;
	assert_int_equal(give(scenes, &step, &err), ATL_IMPOSSIBLE);
	assert_non_null(strstr(err.text, "1 of 3 could not be given: 1:"));
	assert_non_null(strstr(err.text, "1 not seen"));
	ids_are(left.refused, "1 ");
	ids_are(left.unseen, "3 ");
	assert_int_equal(scripted_asked(&st.f.srv), 7);
	stop();
}

static void test_in_observe_nothing_is_sent_and_verifying_asks_each_object(void **state)
{
	static const struct scene scenes[] = {
		{ "POST /rest/api/3/issue/bulkfetch", 200, FETCH }, { NULL, 0, NULL }
	};
	const struct atl_gift away = { &issues_step, STR("lea"), STR("mia") };
	const struct atl_gift back = { &issues_step, STR("mia"), STR("lea") };
	enum atl_verified seen;
	struct err err;

	(void)state;
	site_start(scenes, NULL);
	atl_site_writes(st.site, false);
	assert_int_equal(atl_give(st.site, &away, &left, &err), -ERR_REFUSED);
	assert_int_equal(scripted_asked(&st.f.srv), 0);
	assert_ok(atl_give_verify(st.site, &away, &left, &seen, &err), &err);
	assert_int_equal(seen, ATL_VERIFY_NOT_DONE);
	atl_left_done(&left);
	assert_ok(atl_give_verify(st.site, &back, &left, &seen, &err), &err);
	assert_int_equal(seen, ATL_VERIFY_DONE);
	ids_are(left.unseen, "3 ");
	stop();
}

static void test_a_read_that_fails_is_a_fault_and_no_gift(void **state)
{
	static const struct scene scenes[] = { { "POST /rest/api/3/issue/bulkfetch", 200,
						 "{'issueErrors':[]}" },
					       { NULL, 0, NULL } };
	struct err err;

	(void)state;
	assert_int_equal(give(scenes, &issues_step, &err), -ERR_PROTOCOL);
	assert_int_equal(scripted_asked(&st.f.srv), 1);
	stop();
}

/* One project is closed to the receiver, or Atlassian says 403 to one project lead: the others
 * are given, and which were not is told. */
static void test_what_one_project_refuses_is_left_and_the_rest_is_given(void **state)
{
	static const char both[] =
		"{'issues':[{'id':'1','fields':{'assignee':{'accountId':'lea'},'project':{'key'"
		":"
		"'OPS'}}},{'id':'2','fields':{'assignee':{'accountId':'lea'},'project':{'key':"
		"'WEB'}}},{'id':'3','fields':{'assignee':{'accountId':'rob'},'project':{'key':"
		"'WEB'}}}]}";
	static const char *const ids[] = { "20", "21" };
	static const struct action_step leads = {
		.op = STEP_GIVE_PROJECTS, .items = ids, .item_count = 2, .from = 4, .to = 5
	};
	static const struct scene issues[] = {
		{ "POST /rest/api/3/issue/bulkfetch", 200, both },
		{ "GET /rest/api/3/user?accountId=mia", 200, MIA },
		{ "GET /rest/api/3/user/assignable/multiProjectSearch?projectKeys=OPS%2CWEB&",
		  200, "[]" },
		{ "GET /rest/api/3/user/assignable/multiProjectSearch?projectKeys=OPS&", 200,
		  "[]" },
		{ "GET /rest/api/3/user/assignable/multiProjectSearch?projectKeys=WEB&", 200,
		  "[" MIA "]" },
		{ "POST /rest/api/3/bulk/issues/fields", 201, "{'taskId':'9'}" },
		{ "GET /rest/api/3/bulk/queue/9", 200, "{'status':'COMPLETE'}" },
		{ NULL, 0, NULL }
	};
	static const struct scene projects[] = {
		{ "GET /rest/api/3/project/20", 200,
		  "{'key':'OPS','lead':{'accountId':'lea'}}" },
		{ "GET /rest/api/3/project/21", 200,
		  "{'key':'WEB','lead':{'accountId':'lea'}}" },
		{ "GET /rest/api/3/user?", 200, MIA },
		{ "PUT /rest/api/3/project/20", 403, "{'errorMessages':['no'],'errors':{}}" },
		{ "PUT /rest/api/3/project/21", 200, "{}" },
		{ "GET /rest/api/3/mypermissions?permissions=ADMINISTER_PROJECTS&", 200,
		  "{'permissions':{'ADMINISTER_PROJECTS':{'havePermission':true}}}" },
		{ NULL, 0, NULL }
	};
	struct err err;

	(void)state;
	assert_int_equal(give(issues, &issues_step, &err), ATL_IMPOSSIBLE);
	assert_non_null(strstr(err.text, "1 of 3 could not be given: they may not be assigned "
					 "issues of OPS"));
	ids_are(left.refused, "1 ");
	ids_are(left.unseen, "");
	assert_non_null(
		strstr(scripted_request(&st.f.srv, 6), "\"selectedIssueIdsOrKeys\":[\"2\"]"));
	stop();
	assert_int_equal(give(projects, &leads, &err), ATL_IMPOSSIBLE);
	ids_are(left.refused, "20 ");
	assert_int_equal(scripted_asked(&st.f.srv), 7); /* our right in both, once */
	stop();
}

#define NO_RIGHT(key) "{'permissions':{'" key "':{'havePermission':false}}}"
#define A_RIGHT(key) "{'permissions':{'" key "':{'havePermission':true}}}"

/* Jira answers 403 to whom the right is missing, too: then it is not the receiver's doing. */
static void test_a_right_that_we_lack_is_named_once_and_nothing_more_is_tried(void **state)
{
	static const char *const ids[] = { "30", "31", "32" };
	static const struct action_step filters = {
		.op = STEP_GIVE_FILTERS, .items = ids, .item_count = 3, .from = 4, .to = 5
	};
	static const struct action_step components = {
		.op = STEP_GIVE_COMPONENTS, .items = ids, .item_count = 3, .from = 4, .to = 5
	};
	static const struct scene no_admin[] = {
		{ "GET /rest/api/3/filter/", 200, "{'owner':{'accountId':'lea'}}" },
		{ "GET /rest/api/3/user?", 200, MIA },
		{ "PUT /rest/api/3/filter/", 403, "{'errorMessages':['no'],'errors':{}}" },
		{ "GET /rest/api/3/mypermissions?permissions=ADMINISTER", 200,
		  NO_RIGHT("ADMINISTER") },
		{ NULL, 0, NULL }
	};
	static const struct scene not_told[] = {
		{ "GET /rest/api/3/filter/", 200, "{'owner':{'accountId':'lea'}}" },
		{ "GET /rest/api/3/user?", 200, MIA },
		{ "PUT /rest/api/3/filter/", 403, "{'errorMessages':['no'],'errors':{}}" },
		{ "GET /rest/api/3/mypermissions", 404, "{}" },
		{ NULL, 0, NULL }
	};
	static const struct scene no_edit[] = {
		{ "POST /rest/api/3/issue/bulkfetch", 200,
		  "{'issues':[{'id':'1','fields':{'assignee':{'accountId':'lea'},'project':{"
		  "'key':'OPS'}}}]}" },
		{ "GET /rest/api/3/user?", 200, MIA },
		{ "GET /rest/api/3/user/assignable/multiProjectSearch?", 200, "[" MIA "]" },
		{ "POST /rest/api/3/bulk/issues/fields", 400, "{'errors':[]}" },
		{ "GET /rest/api/3/mypermissions?permissions=BULK_CHANGE", 200,
		  A_RIGHT("BULK_CHANGE") },
		{ "GET /rest/api/3/mypermissions?permissions=EDIT_ISSUES&projectKey=OPS", 200,
		  NO_RIGHT("EDIT_ISSUES") },
		{ NULL, 0, NULL }
	};
	static const struct scene an_admin[] = {
		{ "GET /rest/api/3/component/", 200,
		  "{'project':'WEB','lead':{'accountId':'lea'}}" },
		{ "GET /rest/api/3/user?", 200, MIA },
		{ "PUT /rest/api/3/component/", 403, "{'errorMessages':['no'],'errors':{}}" },
		{ "GET "
		  "/rest/api/3/mypermissions?permissions=ADMINISTER_PROJECTS&projectKey=WEB",
		  200, NO_RIGHT("ADMINISTER_PROJECTS") },
		{ "GET /rest/api/3/mypermissions?permissions=ADMINISTER", 200,
		  A_RIGHT("ADMINISTER") },
		{ NULL, 0, NULL }
	};
	struct err err;

	(void)state;
	assert_fault(give(no_admin, &filters, &err), ERR_FORBIDDEN, &err,
		     "our token for acme.atlassian.net lacks the permission "
		     "\"Administer Jira\" (ADMINISTER)");
	ids_are(left.refused, ""); /* the receiver is not passed over for it */
	assert_int_equal(scripted_asked(&st.f.srv), 3 + 1 + 1 + 1); /* one try, one question */
	stop();
	assert_fault(give(no_edit, &issues_step, &err), ERR_FORBIDDEN, &err,
		     "\"Edit issues\" (EDIT_ISSUES) in project OPS");
	stop();
	/* where Jira does not tell, or we may by another right, the receiver is the reason */
	assert_int_equal(give(not_told, &filters, &err), ATL_IMPOSSIBLE);
	ids_are(left.refused, "30 31 32 ");
	stop();
	assert_int_equal(give(an_admin, &components, &err), ATL_IMPOSSIBLE);
	ids_are(left.refused, "30 31 32 ");
	stop();
}

static int count_owned(void *ctx, const struct atl_owned *row, struct err *err)
{
	(void)row;
	(void)err;
	++*(unsigned *)ctx;
	return 0;
}

static void test_what_was_refused_once_is_whole_for_no_later_account(void **state)
{
	static const struct scene scenes[] = {
		{ "GET /rest/api/3/project/search", 401, "{}" },
		{ "POST /rest/api/3/search/jql", 200, "{'issues':[],'isLast':true}" },
		{ "GET /rest/api/3/", 200, "{'values':[],'total':0,'isLast':true}" },
		{ NULL, 0, NULL },
	};
	struct atl_inventory *v = NULL;
	struct atl_inventory_result result;
	unsigned n = 0;
	struct err err;

	(void)state;
	site_start(scenes, NULL);
	assert_ok(atl_inventory_new(&v, st.site, &err), &err);
	assert_int_equal(atl_inventory_read(v, STR("lea"), count_owned, &n, &result, &err),
			 -ERR_UNAUTHORIZED);
	assert_ok(atl_inventory_read(v, STR("mia"), count_owned, &n, &result, &err), &err);
	assert_false(result.whole);
	assert_true(result.why[0] != '\0');
	atl_inventory_free(v);
	site_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_login_makes_basic_and_none_makes_bearer),
		cmocka_unit_test(test_lists_go_on_by_their_own_rules_and_circles_end_them),
		cmocka_unit_test(test_a_bound_cuts_a_list_and_says_so),
		cmocka_unit_test(test_an_id_that_could_break_out_of_a_search_is_refused),
		cmocka_unit_test(
			test_only_what_is_still_the_givers_is_given_and_no_mail_is_asked_for),
		cmocka_unit_test(test_who_may_not_receive_gets_nothing),
		cmocka_unit_test(test_a_filter_that_is_refused_does_not_stop_the_others),
		cmocka_unit_test(test_what_one_project_refuses_is_left_and_the_rest_is_given),
		cmocka_unit_test(
			test_a_right_that_we_lack_is_named_once_and_nothing_more_is_tried),
		cmocka_unit_test(
			test_in_observe_nothing_is_sent_and_verifying_asks_each_object),
		cmocka_unit_test(test_a_read_that_fails_is_a_fault_and_no_gift),
		cmocka_unit_test(test_what_was_refused_once_is_whole_for_no_later_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
