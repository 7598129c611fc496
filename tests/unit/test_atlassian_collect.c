/* Reading an organisation whole, and what of it is missing when a read goes wrong. */
#include "tests/unit/fake_org.h"

#include "atlassian/collect.h"

/* --- a sink that writes down what comes --------------------------------------------------- */

static struct buf noted;

static const char *tri_text(enum tri t)
{
	static const char *const texts[] = { "?", "no", "yes" };

	return texts[t];
}

static const char *when(int64_t ms)
{
	static char text[2][STAMP_TEXT_BYTES];
	static unsigned n;

	n ^= 1;
	if (ms == ATL_ABSENT)
		return "never";
	if (ms == ATL_UNKNOWN_MS)
		return "?";
	stamp_text(ms, text[n]);
	return text[n];
}

static int on_org(void *ctx, const struct atl_org *row, struct err *err)
{
	(void)ctx;
	(void)err;
	buf_addf(&noted, "org " STR_FMT " " STR_FMT "\n", STR_ARG(row->id), STR_ARG(row->name));
	return 0;
}

static int on_domain(void *ctx, const struct atl_domain *row, struct err *err)
{
	(void)ctx;
	(void)err;
	buf_addf(&noted, "domain " STR_FMT " %d\n", STR_ARG(row->name), row->verified);
	return 0;
}

static int on_directory(void *ctx, const struct atl_directory *row, struct err *err)
{
	(void)ctx;
	(void)err;
	buf_addf(&noted, "directory " STR_FMT "\n", STR_ARG(row->id));
	return 0;
}

static int on_resource(void *ctx, const struct atl_resource *row, struct err *err)
{
	(void)ctx;
	(void)err;
	buf_addf(&noted, "resource " STR_FMT " " STR_FMT "@" STR_FMT " %lld %d\n",
		 STR_ARG(row->id), STR_ARG(row->key), STR_ARG(row->site),
		 (long long)row->capacity, row->counted);
	return 0;
}

static int on_group(void *ctx, const struct atl_group *row, struct err *err)
{
	(void)ctx;
	(void)err;
	buf_addf(&noted,
		 "group " STR_FMT " " STR_FMT " in " STR_FMT
		 " synced=%s modifiable=%s admin=%s\n",
		 STR_ARG(row->id), STR_ARG(row->name), STR_ARG(row->directory),
		 tri_text(row->synced), tri_text(row->modifiable), tri_text(row->admin));
	return 0;
}

static int on_grant(void *ctx, const struct atl_grant *row, struct err *err)
{
	(void)ctx;
	(void)err;
	buf_addf(&noted, "grant " STR_FMT " " STR_FMT " " STR_FMT " default=%s billable=%s\n",
		 STR_ARG(row->group), STR_ARG(row->resource), STR_ARG(row->role),
		 tri_text(row->is_default), tri_text(row->billable));
	return 0;
}

static int on_account(void *ctx, const struct atl_account *row, struct err *err)
{
	(void)ctx;
	(void)err;
	buf_addf(&noted, "account " STR_FMT " in " STR_FMT " %s managed=%s synced=%s",
		 STR_ARG(row->id), STR_ARG(row->directory), account_status_word(row->status),
		 tri_text(row->managed), tri_text(row->synced));
	buf_addf(&noted, " admin=%s org=%s paths=%s tokens=%s own=%d last=%s",
		 tri_text(row->admin), tri_text(row->org_admin), tri_text(row->paths_known),
		 tri_text(row->tokens), row->own, when(row->last_active_ms));
	buf_addf(&noted, " token=%s roles=" STR_FMT "\n", when(row->token_active_ms),
		 STR_ARG(row->roles));
	return 0;
}

static int on_also_in(void *ctx, struct str account, struct str directory, struct err *err)
{
	(void)ctx;
	(void)err;
	buf_addf(&noted, "also " STR_FMT " in " STR_FMT "\n", STR_ARG(account),
		 STR_ARG(directory));
	return 0;
}

static int on_member(void *ctx, struct str account, struct str group, struct err *err)
{
	(void)ctx;
	(void)err;
	buf_addf(&noted, "member " STR_FMT " " STR_FMT "\n", STR_ARG(account), STR_ARG(group));
	return 0;
}

static int on_seat(void *ctx, const struct atl_seat *row, struct err *err)
{
	(void)ctx;
	(void)err;
	buf_addf(&noted, "seat " STR_FMT " " STR_FMT " last=%s\n", STR_ARG(row->account),
		 STR_ARG(row->resource), when(row->last_active_ms));
	return 0;
}

static int on_role(void *ctx, const struct atl_role *row, struct err *err)
{
	(void)ctx;
	(void)err;
	buf_addf(&noted, "role " STR_FMT " " STR_FMT " " STR_FMT " %s\n", STR_ARG(row->account),
		 STR_ARG(row->resource), STR_ARG(row->role),
		 row->inferred ? "inferred" : "direct");
	return 0;
}

static const struct atl_sink sink = {
	.org = on_org,
	.domain = on_domain,
	.directory = on_directory,
	.resource = on_resource,
	.group = on_group,
	.grant = on_grant,
	.account = on_account,
	.also_in = on_also_in,
	.member = on_member,
	.seat = on_seat,
	.role = on_role,
};

static struct fake fake;

static int collect(struct atl_result *result, struct err *err)
{
	buf_done(&noted);
	buf_init(&noted, 1 << 20);
	return atl_collect(fake.client, &sink, FAKE_NOW, result, err);
}

static void says(const char *text)
{
	if (!strstr(noted.p ? noted.p : "", text))
		fail_msg("\"%s\" is not among:\n%s", text, noted.p ? noted.p : "");
}

static void says_not(const char *text)
{
	if (strstr(noted.p ? noted.p : "", text))
		fail_msg("\"%s\" is among:\n%s", text, noted.p);
}

static unsigned asked(const char *part)
{
	unsigned n = 0;

	for (unsigned i = 0; i < scripted_asked(&fake.srv); i++)
		n += strstr(scripted_request(&fake.srv, i + 1), part) != NULL;
	return n;
}

/* --- reading ------------------------------------------------------------------------------ */

static void answer_well(struct scripted *s, unsigned nth, struct http_req *req,
			struct http_reply *reply)
{
	(void)s;
	(void)nth;
	if (!fake_read(req, reply))
		fake_unknown(reply);
}

static void test_everything_that_it_holds_comes_once_and_complete(void **state)
{
	static const char *const wanted[] = {
		"org o-1 Acme\n",
		"domain example.com 1\n",
		"directory d-1\n",
		"resource " JIRA " jira@acme.atlassian.net 10 1\n",
		"resource " WIKI " confluence@acme.atlassian.net -1 1\n",
		"group g-jira jira-users in d-1 synced=no modifiable=yes admin=no\n",
		"group g-wiki wiki-users in d-1 synced=yes modifiable=no admin=no\n",
		"group g-admins admins in d-1 synced=no modifiable=yes admin=yes\n",
		"group g-talk talk in d-1 synced=no modifiable=yes admin=no\n",
		"grant g-jira " JIRA " atlassian/user default=yes billable=yes\n",
		"grant g-wiki " WIKI " atlassian/user default=no billable=yes\n",
		"grant g-wiki " WIKI " atlassian/guest default=no billable=no\n",
		"account a-ada in d-1 active managed=yes synced=no admin=no org=no paths=? "
		"tokens=no own=0 last=2026-11-21T10:00:00.123Z token=never roles=\n",
		"account a:bob|1 in d-1 active managed=yes synced=no admin=no org=no paths=yes "
		"tokens=yes own=1 last=never token=2026-11-01T00:00:00Z roles=\n",
		"account a-cyd in d-1 active managed=yes synced=no admin=no org=no paths=yes",
		"account a-dan in d-1 active managed=yes synced=no admin=yes org=yes paths=yes "
		"tokens=no own=0 last=2026-11-21T10:00:00Z token=never "
		"roles=atlassian/org-admin atlassian/site-admin\n",
		"account a-eve in d-1 suspended managed=yes",
		"account a-fay in d-1 deactivated managed=yes synced=yes",
		"account a-gus in d-1 active managed=no synced=no admin=no org=no paths=yes "
		"tokens=? ",
		"account a-hal in  not_invited managed=yes",
		"member a-ada g-jira\nmember a-ada g-wiki\n",
		"seat a-ada " JIRA " last=2026-11-21T10:00:00.123Z\n",
		"seat a-ada " WIKI " last=2026-11-20T10:00:00Z\n",
		"seat a:bob|1 " JIRA " last=never\n",
		/* by a direct role, which no group explains */
		"seat a-cyd " WIKI " last=2026-11-21T10:00:00Z\n",
		"role a-cyd " JIRA " atlassian/user direct\n",
		"role a-cyd " WIKI " atlassian/user direct\n",
		/* the administrator's seat, which nobody gave */
		"seat a-dan " JIRA " last=",
		"role a-dan " JIRA " atlassian/admin inferred\n",
		"member a-eve g-jira\n",
	};
	struct conf_list own = { 0 };
	struct atl_result result;
	struct err err;

	(void)state;
	fake_start(&fake, answer_well, NULL);
	assert_int_equal(conf_list_add(&own, (char *)(uintptr_t) "A:BOB|1@example.com"), 0);
	fake.o.own = own;
	assert_ok(collect(&result, &err), &err);
	assert_string_equal(result.why, "");
	assert_true(result.complete);
	for (size_t i = 0; i < COUNT_OF(wanted); i++)
		says(wanted[i]);
	says_not("seat a-eve"); /* suspended: takes no licence */
	says_not("platform::org");
	assert_int_equal(result.accounts, 8);
	assert_int_equal(result.groups, 4);
	assert_int_equal(result.grants, 3);
	assert_int_equal(result.members, 7);
	assert_int_equal(result.seats, 7);
	assert_int_equal(result.roles, 3);
	assert_int_equal(result.repeated, 0);
	assert_int_equal(result.not_read, 4); /* ada, eve, fay, hal */
	assert_int_equal(result.calls, scripted_asked(&fake.srv));
	/* Roles only where they may matter; the account's id is one segment of the path. */
	assert_int_equal(asked("/users/a-ada/role-assignments"), 0);
	assert_int_equal(asked("/users/a%3Abob%7C1/role-assignments"), 1);
	assert_int_equal(asked("/groups/g-talk/role-assignments"), 0);
	/* With the cursor comes what the first page asked for. */
	assert_int_equal(asked("\"cursor\":\"c3\""), 2);
	assert_int_equal(asked("|Bearer k3y|"), (int)scripted_asked(&fake.srv));
	conf_list_done(&own);
	fake_stop(&fake);
}

static uint64_t told_accounts[64];
static int64_t told_of[64];
static unsigned told;

static void on_progress(void *ctx, uint64_t accounts, int64_t of)
{
	(void)ctx;
	if (told < COUNT_OF(told_of)) {
		told_accounts[told] = accounts;
		told_of[told++] = of;
	}
}

static void test_progress_is_told_against_what_atlassian_counts(void **state)
{
	struct atl_sink counting = { .progress = on_progress };
	struct atl_result result;
	struct err err;

	(void)state;
	told = 0;
	fake_start(&fake, answer_well, NULL);
	assert_ok(atl_collect(fake.client, &counting, FAKE_NOW, &result, &err), &err);
	assert_true(told >= 4 && told < COUNT_OF(told_of));
	/* before users are counted nothing is promised */
	assert_int_equal(told_of[0], -1);
	for (unsigned i = 0; i < told; i++) {
		assert_true(told_of[i] == -1 || told_of[i] == 7); /* those of the directory */
		assert_true(i == 0 || told_accounts[i] >= told_accounts[i - 1]);
		assert_true(told_accounts[i] <= result.accounts);
	}
	assert_int_equal(told_of[told - 1], 7);
	fake_stop(&fake);
}

static void test_roles_of_all_are_read_when_told_so(void **state)
{
	struct atl_result result;
	struct err err;

	(void)state;
	fake_start(&fake, answer_well, NULL);
	fake.o.roles = ATL_ROLES_ALL;
	fake.o.tokens = false;
	assert_ok(collect(&result, &err), &err);
	assert_true(result.complete);
	assert_int_equal(asked("/users/a-ada/role-assignments"), 1);
	assert_int_equal(asked("api-tokens"), 0);
	says("account a-ada in d-1 active managed=yes synced=no admin=no org=no paths=yes "
	     "tokens=? own=0 last=2026-11-21T10:00:00.123Z token=never");
	fake_stop(&fake);
}

static void test_other_sites_give_no_seats(void **state)
{
	struct conf_list sites = { 0 };
	struct atl_result result;
	struct err err;

	(void)state;
	fake_start(&fake, answer_well, NULL);
	assert_int_equal(conf_list_add(&sites, (char *)(uintptr_t) "other.atlassian.net"), 0);
	fake.o.sites = sites;
	assert_ok(collect(&result, &err), &err);
	assert_true(result.complete);
	says("resource " JIRA " jira@acme.atlassian.net 10 0\n");
	says_not("seat ");
	conf_list_done(&sites);
	fake_stop(&fake);
}

/* --- one answer goes wrong ---------------------------------------------------------------- */

enum wrong {
	STATUS_500,
	STATUS_429,
	RESET,
	CLOSE,
	TRUNCATED,
	NOT_JSON,
	OTHER_JSON,
	SILENT,
	WRONGS
};

struct once {
	unsigned at; /* which request */
	enum wrong how;
};

static void spoil(struct scripted *s, struct http_req *req, struct http_reply *reply,
		  enum wrong how)
{
	struct err err;

	switch (how) {
	case STATUS_500:
	case STATUS_429:
		reply->status = how == STATUS_500 ? 500 : 429;
		buf_clear(&reply->body);
		fake_add(&reply->body, "{'code':429,'message':'slower please'}");
		assert_ok(http_reply_header(req, "Retry-After", "0", &err), &err);
		break;
	case RESET:
	case CLOSE:
		http_req_abort(req, how == RESET ? 3 : 0, how == RESET);
		break;
	case TRUNCATED:
		buf_cut(&reply->body, reply->body.len / 2);
		break;
	case NOT_JSON:
	case OTHER_JSON:
		buf_clear(&reply->body);
		fake_add(&reply->body, how == NOT_JSON ? "<html>busy</html>" : "{'data':7}");
		break;
	default:
		s->park = true;
	}
}

static void answer_wrong_once(struct scripted *s, unsigned nth, struct http_req *req,
			      struct http_reply *reply)
{
	const struct once *once = s->ctx;

	if (!fake_read(req, reply))
		fake_unknown(reply);
	if (nth == once->at)
		spoil(s, req, reply, once->how);
	/* A kept connection that was closed is asked again by curl, unheard: so once more. */
	else if (once->how == CLOSE && nth > once->at && nth <= SCRIPTED_LOG &&
		 !strcmp(s->log[nth - 1], s->log[once->at - 1]))
		spoil(s, req, reply, CLOSE);
}

/* What no part of the collection rests on. */
static bool beside_the_point(const char *request)
{
	return strstr(request, "/domains") || strstr(request, "/api-tokens");
}

static void check_wrong(const struct once *once, const char *request, int r,
			const struct atl_result *result, const struct err *err)
{
	if (once->at == 1) { /* the organisation itself */
		if (r >= 0)
			fail_msg("%d at the first request: no fault", once->how);
		return;
	}
	if (r < 0)
		fail_msg("%d at %u (%s): %s", once->how, once->at, request, err->text);
	if (result->complete != beside_the_point(request))
		fail_msg("%d at %u (%s): complete=%d %s", once->how, once->at, request,
			 result->complete, result->why);
	if (!result->complete && !result->why[0])
		fail_msg("%d at %u (%s): nothing said", once->how, once->at, request);
}

static void test_no_answer_can_go_wrong_unnoticed(void **state)
{
	struct once once = { 0 };
	struct atl_result result;
	struct err err;
	unsigned calls;

	(void)state;
	fake_start(&fake, answer_wrong_once, &once);
	assert_ok(collect(&result, &err), &err);
	assert_true(result.complete);
	calls = scripted_asked(&fake.srv);
	fake_stop(&fake);
	for (once.how = STATUS_500; once.how < WRONGS; once.how++) {
		for (once.at = 1; once.at <= calls; once.at++) {
			int r;

			/* silence costs its time: a few places must do */
			if (once.how == SILENT && once.at % 7 != 2)
				continue;
			fake_start(&fake, answer_wrong_once, &once);
			if (once.how == SILENT)
				fake.o.timeout_ms = fake.o.deadline_ms = 60;
			r = collect(&result, &err);
			check_wrong(&once, scripted_request(&fake.srv, once.at), r, &result,
				    &err);
			fake_stop(&fake);
		}
	}
}

static void test_what_passes_is_tried_again_and_the_whole_comes(void **state)
{
	struct once once = { .at = 9, .how = STATUS_429 };
	struct atl_result result;
	struct err err;

	(void)state;
	for (once.at = 1; once.at < 20; once.at += 6) {
		fake_start(&fake, answer_wrong_once, &once);
		fake.o.tries = 2;
		assert_ok(collect(&result, &err), &err);
		assert_true(result.complete);
		assert_int_equal(result.accounts, 8);
		fake_stop(&fake);
	}
}

/* --- lists that lie ----------------------------------------------------------------------- */

enum lie {
	CIRCLE,
	EARLY_END,
	LOST_ROWS,
	REPEATED_ROWS,
	ENDLESS_EMPTY,
	NO_GROUPS,
	NO_ROLES,
	STRANGE_STATUS,
	NO_ID,
	STRANGE_GROUP,
	STRANGE_PRODUCT,
	ONE_MORE,
	LOST_PRODUCT,
	LOST_ROLE
};

static void replace(struct buf *b, const char *what, const char *with)
{
	struct buf out;
	const char *at;

	buf_init(&out, 1 << 20);
	buf_add_char(b, '\0');
	for (const char *p = b->p; *p; p = at + strlen(what)) {
		at = strstr(p, what);
		if (!at) {
			buf_add_text(&out, p);
			break;
		}
		buf_add(&out, p, (size_t)(at - p));
		buf_add_text(&out, with);
	}
	buf_clear(b);
	buf_add_str(b, buf_str(&out));
	buf_done(&out);
}

static void answer_lie(struct scripted *s, unsigned nth, struct http_req *req,
		       struct http_reply *reply)
{
	enum lie lie = *(const enum lie *)s->ctx;
	struct str path = http_req_path(req);
	bool users = str_ends(path, STR("/d-1/users/search"));
	bool outside = fake_has(http_req_body(req), "no_membership");
	bool second = fake_cursor(req) == 3;
	struct buf *b = &reply->body;

	(void)nth;
	if (!fake_read(req, reply))
		fake_unknown(reply);
	if (lie == ONE_MORE && str_ends(path, STR("/d-1/users/count"))) {
		replace(b, "7", "8");
		return;
	}
	if (lie == LOST_PRODUCT && str_ends(path, STR("/workspaces"))) {
		replace(b, "\"total\":2", "\"total\":3");
		return;
	}
	if (lie == LOST_ROLE && str_ends(path, STR("1/role-assignments"))) {
		replace(b, JIRA, "ari:cloud:platform::org/o-1");
		return;
	}
	if (lie == STRANGE_PRODUCT && str_ends(path, STR("/users/a-cyd/role-assignments"))) {
		replace(b, WIKI, "ari:cloud:trello::site/9");
		return;
	}
	if (!users || outside)
		return;
	if (lie == CIRCLE && second)
		replace(b, "\"c6\"", "\"c3\"");
	else if (lie == EARLY_END && second)
		replace(b, "\"next\":\"c6\"", "");
	else if (lie == LOST_ROWS && second)
		replace(b, "a-eve", "a-dan");
	else if (lie == REPEATED_ROWS && second)
		replace(b, "{\"data\":[", "{\"data\":[{\"accountId\":\"a-ada\"},");
	else if (lie == ENDLESS_EMPTY && fake_cursor(req) >= 3) {
		buf_clear(b);
		buf_addf(b, "{\"data\":[],\"links\":{\"next\":\"c%zu\"}}",
			 fake_cursor(req) + 1);
	} else if (lie == NO_GROUPS)
		replace(b, "\"groups\"", "\"grops\"");
	else if (lie == NO_ROLES)
		replace(b, "\"platformRoles\"", "\"platfromRoles\"");
	else if (lie == STRANGE_STATUS)
		replace(b, "\"suspended\",\"claim", "\"hovering\",\"claim");
	else if (lie == NO_ID && second)
		replace(b, "\"accountId\":\"a-eve\"", "\"accountId\":null");
	else if (lie == STRANGE_GROUP)
		replace(b, "group/g-wiki", "group/g-new");
}

static const struct {
	enum lie lie;
	unsigned lost; /* parts */
	const char *says;
} lies[] = {
	{ CIRCLE, ATL_PART_ACCOUNTS, "page 3 of users of directory d-1: the same cursor" },
	{ EARLY_END, ATL_PART_ACCOUNTS, "6 rows came, Atlassian counts 7" },
	{ LOST_ROWS, ATL_PART_ACCOUNTS, "6 rows came, Atlassian counts 7" },
	{ ENDLESS_EMPTY, ATL_PART_ACCOUNTS, "10 empty pages" },
	{ NO_GROUPS, ATL_PART_MEMBERS, "did not tell the groups" },
	{ NO_ROLES, ATL_PART_ROLES, "did not tell the platform roles" },
	{ STRANGE_STATUS, ATL_PART_ACCOUNTS, "did not tell the status" },
	{ NO_ID, ATL_PART_ACCOUNTS, "no \"accountId\"" },
	{ STRANGE_GROUP, ATL_PART_GROUPS, "a group that the list of groups did not have" },
	{ STRANGE_PRODUCT, ATL_PART_ROLES, "that the list of products did not" },
	{ ONE_MORE, ATL_PART_ACCOUNTS, "7 rows came, Atlassian counts 8" },
	{ LOST_PRODUCT, ATL_PART_GRANTS, "products: 2 rows came, Atlassian counts 3" },
};

static void test_lists_that_are_not_what_they_say_are_incomplete(void **state)
{
	struct atl_result result;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		enum lie lie = lies[i].lie;

		fake_start(&fake, answer_lie, &lie);
		assert_ok(collect(&result, &err), &err);
		if (result.complete || (result.whole & lies[i].lost) ||
		    !strstr(result.why, lies[i].says))
			fail_msg("lie %d: whole=%x: %s", lie, result.whole, result.why);
		fake_stop(&fake);
	}
}

static void test_rows_that_come_twice_count_once(void **state)
{
	enum lie lie = REPEATED_ROWS;
	struct atl_result result;
	struct err err;

	(void)state;
	fake_start(&fake, answer_lie, &lie);
	assert_ok(collect(&result, &err), &err);
	assert_true(result.complete);
	assert_int_equal(result.repeated, 1);
	assert_int_equal(result.accounts, 8);
	fake_stop(&fake);
}

static void test_roles_that_lack_what_groups_grant_are_not_known(void **state)
{
	enum lie lie = LOST_ROLE;
	struct atl_result result;
	struct err err;

	(void)state;
	fake_start(&fake, answer_lie, &lie);
	assert_ok(collect(&result, &err), &err);
	assert_true(
		result.complete); /* changes show up to 30 s later: no reason to distrust all */
	says("account a:bob|1 in d-1 active managed=yes synced=no admin=no org=no paths=no");
	says("seat a:bob|1 " JIRA " last=never\n");
	fake_stop(&fake);
}

#define MANY 60

/* Sixty idle accounts, and nobody answers about roles. */
static void answer_no_roles(struct scripted *s, unsigned nth, struct http_req *req,
			    struct http_reply *reply)
{
	struct str path = http_req_path(req);
	struct buf *b = &reply->body;

	(void)s;
	(void)nth;
	if (!fake_read(req, reply))
		fake_unknown(reply);
	if (str_ends(path, STR("/d-1/users/count"))) {
		buf_clear(b);
		buf_addf(b, "{\"count\":%d}", MANY);
	} else if (str_ends(path, STR("/d-1/users/search"))) {
		buf_clear(b);
		fake_add(b, "{'data':[");
		for (int i = 0; i < MANY; i++) {
			buf_addf(b, "%s{\"accountId\":\"u-%d\",", i ? "," : "", i);
			fake_add(b,
				 "'accountType':'atlassian','accountStatus':'active','status':"
				 "'active','platformRoles':[],'groups':[{'id':'g-jira'}],"
				 "'productAccess':[]}");
		}
		fake_add(b, "],'links':{}}");
	} else if (fake_has(path, "/users/u-")) {
		reply->status = 500;
		buf_clear(b);
	}
}

static void test_what_fails_again_and_again_is_not_asked_for_ever(void **state)
{
	struct atl_result result;
	struct err err;

	(void)state;
	fake_start(&fake, answer_no_roles, NULL);
	assert_ok(collect(&result, &err), &err);
	assert_false(result.complete);
	assert_int_equal(result.whole, ATL_PART_ALL & ~ATL_PART_ROLES);
	assert_int_equal(result.accounts, MANY + 1);
	assert_int_equal(result.seats, MANY);
	assert_in_range(asked("/users/u-"), 10, 10 + (unsigned)fake.o.at_once);
	fake_stop(&fake);
}

/* --- other organisations ------------------------------------------------------------------ */

/* Two directories; ada is in both, with other groups in the second. */
static void answer_two(struct scripted *s, unsigned nth, struct http_req *req,
		       struct http_reply *reply)
{
	struct str path = http_req_path(req);
	struct buf *b = &reply->body;

	(void)s;
	(void)nth;
	if (!fake_read(req, reply))
		fake_unknown(reply);
	if (str_ends(path, STR("/directories")))
		replace(b, "{\"directoryId\":\"d-1\"",
			"{\"directoryId\":\"d-2\",\"name\":\"B\"},"
			"{\"directoryId\":\"d-1\"");
	if (str_ends(path, STR("/d-2/users/search"))) {
		buf_clear(b);
		fake_add(b,
			 "{'data':[{" CORE("a-ada", "active", "active", "active", "managed",
					   "null") ",'platformRoles':[],'groups':[{'id':'" G
						   "g-b'}],'productAccess':[]}],'links':{}}");
	} else if (str_ends(path, STR("/d-2/groups/search"))) {
		buf_clear(b);
		fake_add(b, "{'data':[{'id':'g-b','name':'b','directoryId':'d-2','counts':{"
			    "'resources':0}}],'links':{}}");
	} else if (str_ends(path, STR("/d-2/users/count")) ||
		   str_ends(path, STR("/d-2/groups/count"))) {
		buf_clear(b);
		fake_add(b, "{'count':1}");
	}
}

static void test_an_account_of_two_directories_is_one_account(void **state)
{
	struct conf_list only = { 0 };
	struct atl_result result;
	struct err err;

	(void)state;
	fake_start(&fake, answer_two, NULL);
	assert_ok(collect(&result, &err), &err);
	assert_string_equal(result.why, "");
	assert_int_equal(result.accounts, 8);
	says("account a-ada in d-2");
	says("also a-ada in d-1\n");
	says("member a-ada g-b\n");
	says("member a-ada g-jira\n");
	/* Only one of them is ours: the other's groups and accounts are not asked for. */
	assert_int_equal(conf_list_add(&only, (char *)(uintptr_t) "d-1"), 0);
	fake.o.directories = only;
	assert_ok(collect(&result, &err), &err);
	assert_true(result.complete);
	says_not("g-b");
	says_not("directory d-2");
	conf_list_done(&only);
	assert_int_equal(conf_list_add(&only, (char *)(uintptr_t) "d-9"), 0);
	fake.o.directories = only;
	assert_ok(collect(&result, &err), &err);
	assert_int_equal(result.whole, 0);
	assert_non_null(strstr(result.why, "d-9"));
	conf_list_done(&only);
	fake_stop(&fake);
}

static void test_roles_of_another_directory_rest_on_its_own_list_of_users(void **state)
{
	struct atl_result result;
	struct err err;

	(void)state;
	fake_start(&fake, answer_two, NULL);
	fake.o.roles = ATL_ROLES_ALL;
	assert_ok(collect(&result, &err), &err);
	assert_true(result.complete);
	/* ada comes first with d-2, where no group gives what she has in d-1 */
	says("account a-ada in d-2 active managed=yes synced=no admin=no org=no paths=yes");
	says("seat a-ada " JIRA);
	/* one directory alone: a group of it must explain what a group of it gives */
	says("account a-gus in d-1 active managed=no synced=no admin=no org=no paths=yes");
	fake_stop(&fake);
}

/* --- tokens ------------------------------------------------------------------------------- */

#define TOKEN_PAGES 25

/* ada's token stands on the last page of tokens, long after her row was read. */
static void answer_many_tokens(struct scripted *s, unsigned nth, struct http_req *req,
			       struct http_reply *reply)
{
	const unsigned *broken_from = s->ctx;
	struct buf *b = &reply->body;
	size_t page = fake_cursor(req);

	(void)nth;
	if (!str_ends(http_req_path(req), STR("/api-tokens"))) {
		if (!fake_read(req, reply))
			fake_unknown(reply);
		return;
	}
	if (page >= *broken_from) {
		reply->status = 403;
		return;
	}
	if (page + 1 < TOKEN_PAGES)
		buf_addf(b,
			 "{\"data\":[{\"id\":\"t%zu\",\"user\":{\"id\":\"a-cyd\"}}],"
			 "\"links\":{\"next\":\"c%zu\"}}",
			 page, page + 1);
	else
		fake_add(b, "{'data':[{'id':'last','user':{'id':'a-ada'},'lastActiveAt':"
			    "'2026-11-02T00:00:00Z'}],'links':{}}");
}

static void test_accounts_wait_for_the_end_of_the_list_of_tokens(void **state)
{
	unsigned broken_from = TOKEN_PAGES;
	struct atl_result result;
	struct err err;

	(void)state;
	fake_start(&fake, answer_many_tokens, &broken_from);
	assert_ok(collect(&result, &err), &err);
	assert_string_equal(result.why, "");
	assert_true(result.complete);
	assert_int_equal(result.accounts, 8);
	assert_int_equal(asked("/api-tokens"), TOKEN_PAGES);
	says("account a-ada in d-1 active managed=yes synced=no admin=no org=no paths=? "
	     "tokens=yes");
	says("token=2026-11-02T00:00:00");
	says("account a-eve in d-1 suspended");
	says("member a-ada g-jira\n");
	says("role a-cyd " WIKI " atlassian/user direct\n");
	fake_stop(&fake);

	/* a list that breaks off tells nothing about anybody, and nobody waits for ever */
	broken_from = TOKEN_PAGES - 1;
	fake_start(&fake, answer_many_tokens, &broken_from);
	assert_ok(collect(&result, &err), &err);
	assert_true(result.complete);
	assert_int_equal(result.accounts, 8);
	says_not("tokens=yes");
	says_not("tokens=no");
	fake_stop(&fake);
}

/* The older kind: no search over everything; workspaces by bare ids; no last activity inline.
 */
static void answer_old(struct scripted *s, unsigned nth, struct http_req *req,
		       struct http_reply *reply)
{
	struct str path = http_req_path(req);
	struct buf *b = &reply->body;

	(void)s;
	(void)nth;
	if (str_ends(path, STR("/-/users/count")) || str_ends(path, STR("/-/users/search"))) {
		reply->status = 400;
		fake_add(b, "{'errors':[{'status':'400','code':'ADMIN-400-4','title':'x'}]}");
	} else if (str_eq(path, STR("/admin/v1/orgs/o-1/users"))) {
		fake_add(b, "{'data':[{'account_id':'a-ada','account_type':'atlassian',"
			    "'account_status':'active','name':'n'},{'account_id':'a-old',"
			    "'account_type':'atlassian','account_status':'inactive','name':'o',"
			    "'email':'old@example.com','last_active':'2020-01-01T00:00:00Z'}],"
			    "'meta':{'total':2},'links':{}}");
	} else if (str_ends(path, STR("/a-cyd/last-active-dates"))) {
		fake_add(b, "{'data':{'product_access':[{'id':'" JIRA "','key':'jira-software',"
			    "'last_active':'2026-11-01','last_active_timestamp':"
			    "'2026-11-01T08:00:00Z'}]},'links':{}}");
	} else if (str_ends(path, STR("/last-active-dates"))) {
		fake_add(b, "{'data':{'product_access':[]},'links':{}}");
	} else if (!fake_read(req, reply)) {
		fake_unknown(reply);
	}
	if (str_ends(path, STR("/workspaces")))
		replace(b, "\"id\":\"" JIRA "\"", "\"id\":\"s-1\"");
	if (str_ends(path, STR("/d-1/users/search")))
		replace(b, "\"productAccess\"", "\"none\"");
}

static void test_organisations_of_the_older_kind_are_read_by_their_own_calls(void **state)
{
	struct atl_result result;
	struct err err;

	(void)state;
	fake_start(&fake, answer_old, NULL);
	assert_ok(collect(&result, &err), &err);
	assert_string_equal(result.why, "");
	says("account a-old in  deactivated managed=yes");
	says("resource " JIRA " jira@acme.atlassian.net 10 1\n"); /* the grants' ARI */
	says("seat a-cyd " JIRA " last=2026-11-01T08:00:00Z\n");
	says("seat a:bob|1 " JIRA " last=never\n");
	assert_int_equal(result.accounts, 8);
	fake_stop(&fake);
}

static void answer_foreign(struct scripted *s, unsigned nth, struct http_req *req,
			   struct http_reply *reply)
{
	(void)s;
	(void)nth;
	if (!fake_read(req, reply))
		fake_unknown(reply);
	replace(&reply->body, "\"id\":\"o-1\"", "\"id\":\"o-2\"");
}

static void test_another_organisation_is_not_read(void **state)
{
	struct atl_result result;
	struct err err;

	(void)state;
	fake_start(&fake, answer_foreign, NULL);
	assert_fault(collect(&result, &err), ERR_FOREIGN, &err, "o-2");
	assert_int_equal(scripted_asked(&fake.srv), 1);
	fake_stop(&fake);
}

/* --- the caller's side -------------------------------------------------------------------- */

static int sink_full(void *ctx, const struct atl_account *row, struct err *err)
{
	(void)ctx;
	(void)row;
	return err_set(err, ERR_FULL, "no room");
}

static bool stop_now(void *ctx)
{
	return ++*(int *)ctx > 3;
}

static void test_a_fault_of_the_sink_and_a_stop_end_it(void **state)
{
	struct atl_sink full = { .account = sink_full };
	int calls = 0;
	struct atl_sink stopped = { .ctx = &calls, .stop = stop_now };
	struct atl_result result;
	struct err err;

	(void)state;
	fake_start(&fake, answer_well, NULL);
	assert_fault(atl_collect(fake.client, &full, FAKE_NOW, &result, &err), ERR_FULL, &err,
		     "no room");
	assert_fault(atl_collect(fake.client, &stopped, FAKE_NOW, &result, &err), ERR_CANCELLED,
		     &err, "acme");
	httpc_stop(fake.http);
	assert_fault(atl_collect(fake.client, &sink, FAKE_NOW, &result, &err), ERR_CANCELLED,
		     &err, NULL);
	fake_stop(&fake);
}

/* Two accounts and one group: enough for every kind of row, and quick. */
static void answer_tiny(struct scripted *s, unsigned nth, struct http_req *req,
			struct http_reply *reply)
{
	struct str path = http_req_path(req);
	bool outside = fake_has(http_req_query_raw(req), "no_membership");
	struct buf *b = &reply->body;

	(void)s;
	(void)nth;
	if (!fake_read(req, reply))
		fake_unknown(reply);
	if (str_ends(path, STR("/users/search")) && fake_has(buf_str(b), "a-ada")) {
		buf_clear(b);
		fake_add(b, "{'data':[");
		fake_add(b, fake_users[2].json); /* cyd: a direct role */
		fake_add(b, "],'links':{}}");
	} else if (str_ends(path, STR("/groups/search"))) {
		buf_clear(b);
		fake_add(b, "{'data':[");
		fake_add(b, fake_groups[0].json);
		fake_add(b, "],'links':{}}");
	} else if (str_ends(path, STR("/count")) && !outside) {
		buf_clear(b);
		fake_add(b, "{'count':1}");
	}
}

static void test_collecting_survives_each_lost_allocation(void **state)
{
	struct atl_sink none = { 0 };
	struct atl_result result;
	struct err err;
	int nth = 0, r;

	(void)state;
	jx_memory(fake_jansson_memory, free);
	fake_start(&fake, answer_tiny, NULL);
	do {
		bool fired;

		fault_at(++nth);
		r = atl_collect(fake.client, &none, FAKE_NOW, &result, &err);
		fired = fault_fired();
		if (fired && r != -ERR_NOMEM)
			fail_msg("allocation %d: %d, complete=%d: %s", nth, r, result.complete,
				 r < 0 ? err.text : result.why);
		if (!fired)
			break;
	} while (nth < 20000);
	assert_ok(r, &err);
	assert_true(result.complete);
	assert_true(nth > 200);
	fake_stop(&fake);
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
		cmocka_unit_test(test_everything_that_it_holds_comes_once_and_complete),
		cmocka_unit_test(test_progress_is_told_against_what_atlassian_counts),
		cmocka_unit_test(test_roles_of_all_are_read_when_told_so),
		cmocka_unit_test(test_other_sites_give_no_seats),
		cmocka_unit_test(test_no_answer_can_go_wrong_unnoticed),
		cmocka_unit_test(test_what_passes_is_tried_again_and_the_whole_comes),
		cmocka_unit_test(test_lists_that_are_not_what_they_say_are_incomplete),
		cmocka_unit_test(test_rows_that_come_twice_count_once),
		cmocka_unit_test(test_roles_that_lack_what_groups_grant_are_not_known),
		cmocka_unit_test(test_what_fails_again_and_again_is_not_asked_for_ever),
		cmocka_unit_test(test_an_account_of_two_directories_is_one_account),
		cmocka_unit_test(test_roles_of_another_directory_rest_on_its_own_list_of_users),
		cmocka_unit_test(test_accounts_wait_for_the_end_of_the_list_of_tokens),
		cmocka_unit_test(
			test_organisations_of_the_older_kind_are_read_by_their_own_calls),
		cmocka_unit_test(test_another_organisation_is_not_read),
		cmocka_unit_test(test_a_fault_of_the_sink_and_a_stop_end_it),
		cmocka_unit_test(test_collecting_survives_each_lost_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
