/* What one site says of its products, what its credential may do, and what accounts own there:
 * whole, with each answer gone wrong, and without memory. */
#include "tests/unit/fake_org.h"

#include "atlassian/inventory.h"
#include "atlassian/site_read.h"
#include "atlassian/site_rights.h"

/* One answer by what stands in "METHOD path?query"; JSON stands here with ' for ". */
static const struct scene {
	const char *has, *json;
} scenes[] = {
	{ "/instance/license", "{'applications':[{'id':'jira-software','plan':'PAID'}]}" },
	{ "/applicationrole", "[{'key':'jira-software','numberOfSeats':10,'remainingSeats':7,'"
			      "userCount':3,'groupDetails':["
			      "{'groupId':'g-1','name':'users'}],'defaultGroupsDetails':[{'"
			      "groupId':'g-1','name':'users'}]},"
			      "{'key':'jira-servicedesk','hasUnlimitedSeats':true,'"
			      "groupDetails':[{'groupId':'g-2','name':"
			      "'agents'}],'defaultGroupsDetails':[]}]" },
	{ "group/bulk?applicationKey=jira-software",
	  "{'values':[{'groupId':'g-1','name':'users'}],'isLast':true}" },
	{ "group/bulk?", "{'values':[],'isLast':true}" },
	{ "group/member?groupId=g-1", "{'values':[{'accountId':'a','accountType':'atlassian','"
				      "active':true},{'accountId':'app',"
				      "'accountType':'app','active':true},{'accountId':'off','"
				      "accountType':'atlassian','active':false}],"
				      "'isLast':true}" },
	{ "group/member?", "{'values':[],'isLast':true}" },
	{ "servicedesk/7/customer",
	  "{'values':[{'accountId':'c'},{'displayName':'nobody'}],'isLastPage':true}" },
	{ "/servicedesk?", "{'values':[{'id':'7'}],'isLastPage':true}" },
	{ "/membersByGroupId", "{'results':[{'accountId':'a'}],'_links':{}}" },
	{ "/wiki/rest/api/group?",
	  "{'results':[{'id':'w-1','name':'wiki','managedBy':'EXTERNAL'}],'_links':{}}" },
	{ "/wiki/api/v2/spaces", "{'results':[{'id':'500','key':'HOW','name':'How','"
				 "spaceOwnerId':'a'}],'_links':{}}" },
	{ "/project/search", "{'values':[{'id':'100','key':'OPS','name':'Operations','lead':{'"
			     "accountId':'b'}}],'isLast':true}" },
	{ "/component", "{'values':[{'id':'200','name':'Printers','lead':{'accountId':'a'}}],'"
			"isLast':true}" },
	{ "/rule/summary",
	  "{'data':[{'uuid':'u-1','name':'Rule','authorAccountId':'b','actorAccountId':'a'}],"
	  "'links':{}}" },
	{ "/search/jql", "{'issues':[{'id':'1','key':'OPS-1','fields':{'summary':'S','project':"
			 "{'key':'OPS'}}}],"
			 "'isLast':true}" },
	{ "/filter/search", "{'values':[{'id':'300','name':'Mine'}],'isLast':true}" },
	{ "/dashboard/search", "{'values':[{'id':'400','name':'Morning'}],'isLast':true}" },
	{ "/myself", "{'accountId':'a-self','active':true}" },
	{ "permissions=BULK_CHANGE",
	  "{'permissions':{'BULK_CHANGE':{'havePermission':false}}}" },
	{ "permissions=USER_PICKER", "{'permissions':{}}" },
	{ "permissions=ADMINISTER", "{'permissions':{'ADMINISTER':{'havePermission':true}}}" },
};

static struct fake fake;
static struct atl_site_options options;
static struct atl_site *site;
static struct buf noted;
/* Requests that have this get that answer: its status, and what stands behind it. */
static const char *wrong_has, *wrong;

static void answer(struct scripted *s, unsigned nth, struct http_req *req,
		   struct http_reply *reply)
{
	struct str query = http_req_query_raw(req);
	char line[512];

	(void)s;
	(void)nth;
	snprintf(line, sizeof(line), STR_FMT "?" STR_FMT, STR_ARG(http_req_path(req)),
		 STR_ARG(query));
	if (wrong_has && strstr(line, wrong_has)) {
		reply->status = (int)strtol(wrong, NULL, 10);
		fake_add(&reply->body, wrong + 4);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(scenes); i++)
		if (strstr(line, scenes[i].has)) {
			fake_add(&reply->body, scenes[i].json);
			return;
		}
	reply->status = 404;
}

static void begin(const char *has, const char *how)
{
	CLEANUP(secret_done) struct secret token = { 0 };
	struct err err;

	wrong_has = has;
	wrong = how;
	buf_done(&noted);
	buf_init(&noted, 1 << 20);
	fake_start(&fake, answer, NULL);
	options = (struct atl_site_options){ .host = (char *)(uintptr_t) "acme.atlassian.net",
					     .token = (char *)(uintptr_t) "acme-site",
					     .cloud_id = (char *)(uintptr_t) "s-1",
					     .jira_url = fake.base,
					     .confluence_url = fake.base,
					     .automation_url = fake.base,
					     .jira = true,
					     .confluence = true,
					     .members = true,
					     .per_second = 100000,
					     .most = 1000,
					     .within_ms = 60000 };
	assert_ok(secret_set(&token, "t0ken", 5, &err), &err);
	assert_ok(atl_site_new(&site, &options, &fake.o, &token, NULL, fake.http, &err), &err);
}

static void end(void)
{
	atl_site_free(site);
	fake_stop(&fake);
}

static int on_product(void *ctx, const struct atl_site_product *row, struct err *err)
{
	(void)ctx;
	buf_addf(&noted, "product " STR_FMT " %lld/%lld/%lld " STR_FMT "\n", STR_ARG(row->key),
		 (long long)row->seats, (long long)row->left, (long long)row->used,
		 STR_ARG(row->plan));
	return buf_fault(&noted, err, "the notes");
}

static int on_group(void *ctx, const struct atl_site_group *row, struct err *err)
{
	(void)ctx;
	buf_addf(&noted, "group " STR_FMT " " STR_FMT " %d %d\n", STR_ARG(row->product),
		 STR_ARG(row->id), row->is_default, (int)row->synced);
	return buf_fault(&noted, err, "the notes");
}

static int on_member(void *ctx, struct str product, struct str account, struct err *err)
{
	(void)ctx;
	buf_addf(&noted, "member " STR_FMT " " STR_FMT "\n", STR_ARG(product),
		 STR_ARG(account));
	return buf_fault(&noted, err, "the notes");
}

static int on_customer(void *ctx, struct str account, struct err *err)
{
	(void)ctx;
	buf_addf(&noted, "customer " STR_FMT "\n", STR_ARG(account));
	return buf_fault(&noted, err, "the notes");
}

static const struct atl_site_sink sink = {
	.product = on_product, .group = on_group, .member = on_member, .customer = on_customer
};

static const char *said(void)
{
	buf_add_char(&noted, '\0');
	return noted.p;
}

static void test_seats_groups_members_and_customers_come_as_they_are(void **state)
{
	struct atl_site_result result;
	struct err err;

	(void)state;
	begin(NULL, NULL);
	assert_ok(atl_site_read(site, &sink, &result, &err), &err);
	assert_true(result.whole && !result.why[0]);
	assert_string_equal(said(), "product jira 10/7/3 PAID\n"
				    "group jira g-1 1 0\n"
				    "product jira-servicedesk -1/-1/-2 \n"
				    "group jira-servicedesk g-2 0 0\n"
				    "customer c\n"
				    "product confluence -2/-2/-2 \n"
				    "group confluence w-1 0 2\n"
				    "member jira a\n"
				    "member confluence a\n");
	end();
}

static void test_what_a_site_refuses_is_said_and_the_rest_comes(void **state)
{
	static const struct {
		const char *has, *wrong, *why, *still;
	} rows[] = {
		{ "/applicationrole", "403 {'errorMessages':['no']}", "403", "member jira a" },
		{ "/applicationrole", "200 {'a':1}", "no list", "member confluence a" },
		{ "/applicationrole", "200 [{'name':'x'}]", "no key", "member confluence a" },
		{ "/instance/license", "500 x", "500", "product jira 10/7/3 \n" },
		{ "servicedesk/7/customer", "403 {}", "403", "member jira a" },
		{ "/servicedesk?", "200 {'values':[{}],'isLastPage':true}", "no id",
		  "member jira a" },
		{ "/wiki/rest/api/group?", "404 {}", "404", "member jira a" },
		{ "group/member?groupId=g-1", "503 {}", "503", "member confluence a" },
		{ "/membersByGroupId", "200 {'results':7}", "", "member jira a" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct atl_site_result result;
		struct err err;

		begin(rows[i].has, rows[i].wrong);
		assert_ok(atl_site_read(site, &sink, &result, &err), &err);
		if (result.whole || !result.why[0] || !strstr(result.why, rows[i].why) ||
		    !strstr(said(), rows[i].still))
			fail_msg("row %zu: %d %s\n%s", i, result.whole, result.why, noted.p);
		end();
	}
	begin("/", "401 {}");
	{
		struct atl_site_result result;
		struct err err;

		assert_fault(atl_site_read(site, &sink, &result, &err), ERR_UNAUTHORIZED, &err,
			     "401");
	}
	end();
}

static int on_owned(void *ctx, const struct atl_owned *row, struct err *err)
{
	(void)ctx;
	buf_addf(&noted, "%s " STR_FMT " " STR_FMT " " STR_FMT "\n",
		 owned_kinds[row->kind].word, STR_ARG(row->id), STR_ARG(row->title),
		 STR_ARG(row->lead));
	return buf_fault(&noted, err, "the notes");
}

static void test_what_an_account_owns_is_listed_with_its_projects_lead(void **state)
{
	CLEANUP(atl_inventory_free_at) struct atl_inventory *v = NULL;
	struct atl_inventory_result result;
	struct err err;

	(void)state;
	begin(NULL, NULL);
	assert_ok(atl_inventory_new(&v, site, &err), &err);
	assert_ok(atl_inventory_read(v, STR("a"), on_owned, NULL, &result, &err), &err);
	assert_true(result.whole);
	for (const char *const *line =
		     (const char *const[]){ "issue 1 S b\n", "filter 300 Mine \n",
					    "dashboard 400 Morning \n",
					    "component 200 Printers b\n", "rule u-1 Rule \n",
					    "space 500 How \n", NULL };
	     *line; line++)
		if (!strstr(said(), *line))
			fail_msg("%s not in\n%s", *line, noted.p);
	assert_null(strstr(noted.p, "project "));
	end();
}

static void test_an_inventory_that_lacks_a_list_says_which(void **state)
{
	static const char *const lists[] = { "/project/search",  "/component",
					     "/rule/summary",    "/wiki/api/v2/spaces",
					     "/search/jql",      "/filter/search",
					     "/dashboard/search" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		CLEANUP(atl_inventory_free_at) struct atl_inventory *v = NULL;
		struct atl_inventory_result result;
		struct err err;

		begin(lists[i], "403 {}");
		assert_ok(atl_inventory_new(&v, site, &err), &err);
		assert_ok(atl_inventory_read(v, STR("a"), on_owned, NULL, &result, &err), &err);
		if (result.whole || !strstr(result.why, "403"))
			fail_msg("%s: %d %s", lists[i], result.whole, result.why);
		end();
	}
}

static void test_each_right_is_told_from_what_is_refused_and_from_what_is_not_told(void **state)
{
	struct atl_site_self self;
	struct err err;

	(void)state;
	begin("/filter/search", "403 {}");
	assert_ok(atl_site_self(site, &self, &err), &err);
	assert_string_equal(self.account, "a-self");
	assert_true(self.active);
	for (const struct atl_site_right *right = atl_site_rights; right->name; right++) {
		int r = atl_site_right_ask(site, right, &err), expected = 0;

		if (right->permission && !strcmp(right->permission, "BULK_CHANGE"))
			expected = ATL_RIGHT_NO;
		if (right->permission && !strcmp(right->permission, "USER_PICKER"))
			expected = -ERR_INCOMPLETE; /* not told is not refused */
		if (right->path && strstr(right->path, "/filter/search"))
			expected = ATL_RIGHT_NO;
		if (r != expected)
			fail_msg("%s: %d", right->name, r);
		assert_true(*right->without);
	}
	end();
	begin("/servicedesk", "404 {}");
	for (const struct atl_site_right *right = atl_site_rights; right->name; right++)
		if (right->maybe)
			assert_int_equal(atl_site_right_ask(site, right, &err), ATL_RIGHT_NONE);
	end();
}

/* Everything that reads a site once, in one go. */
static int everything(struct err *err)
{
	CLEANUP(atl_inventory_free_at) struct atl_inventory *v = NULL;
	struct atl_inventory_result owned;
	struct atl_site_result result;
	struct atl_site_self self;
	int r = atl_site_read(site, &sink, &result, err);

	if (r == 0)
		r = atl_inventory_new(&v, site, err);
	if (r == 0)
		r = atl_inventory_read(v, STR("a"), on_owned, NULL, &owned, err);
	if (r == 0)
		r = atl_site_self(site, &self, err);
	if (r == 0)
		r = atl_site_right_ask(site, &atl_site_rights[0], err);
	return r;
}

static void test_reading_a_site_survives_each_lost_allocation(void **state)
{
	struct err err;
	int nth = 0, r;
	bool fired;

	(void)state;
	jx_memory(fake_jansson_memory, free);
	begin(NULL, NULL);
	do {
		buf_done(&noted);
		buf_init(&noted, 1 << 20);
		fault_at(++nth);
		r = everything(&err);
		fired = fault_fired();
		fault_at(0);
		if (fired && r != -ERR_NOMEM)
			fail_msg("allocation %d: %d %s", nth, r, err.text);
	} while (fired && nth < 20000);
	assert_ok(r, &err);
	assert_true(nth > 100);
	end();
}

static int finish(void **state)
{
	(void)state;
	buf_done(&noted);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seats_groups_members_and_customers_come_as_they_are),
		cmocka_unit_test(test_what_a_site_refuses_is_said_and_the_rest_comes),
		cmocka_unit_test(test_what_an_account_owns_is_listed_with_its_projects_lead),
		cmocka_unit_test(test_an_inventory_that_lacks_a_list_says_which),
		cmocka_unit_test(
			test_each_right_is_told_from_what_is_refused_and_from_what_is_not_told),
		cmocka_unit_test(test_reading_a_site_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
