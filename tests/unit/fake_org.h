/*
 * A small organisation behind a scripted server: the answers of Atlassian's organisations API,
 * as its documents show them, for nine accounts. Pages are short, so that lists have several.
 * JSON stands here with ' for ".
 *
 *   ada    groups jira-users, wiki-users (synced); used both yesterday
 *   bob    group jira-users; never used it; two API tokens
 *   cyd    group jira-users, and a direct role on confluence
 *   dan    org admin: inferred admin of jira, in group admins
 *   eve    suspended      fay    deactivated, synced
 *   gus    unmanaged, in jira-users, idle for a year
 *   app    an app          hal    managed, in no directory
 */
#ifndef TESTS_UNIT_FAKE_ORG_H
#define TESTS_UNIT_FAKE_ORG_H

#include "atlassian/client.h"
#include "tests/unit/scripted.h"

#define FAKE_NOW 1795341600000LL /* 2026-11-22T10:00:00Z */
#define JIRA "ari:cloud:jira::site/s-1"
#define WIKI "ari:cloud:confluence::site/s-1"
#define G "ari:cloud:identity::group/"
#define CORE(id, life, member, status, claim, source)                                          \
	"'accountId':'" id "','accountType':'atlassian','accountStatus':'" life                \
	"','membershipStatus':'" member "','status':'" status "','claimStatus':'" claim        \
	"','managementSource':" source ",'name':'" id " person','email':'" id                  \
	"@example.com','emailVerified':true,'addedToOrg':'2024-01-01T00:00:00.000Z'"

struct fake_row {
	const char *id, *directory, *json;
};

static const struct fake_row fake_users[] = {
	{ "a-ada", "d-1",
	  "{" CORE("a-ada", "active", "active", "active", "managed",
		   "'invited'") ",'platformRoles':[],'counts':{'resources':2},'groups':[{'id':"
				"'" G "g-jira'},{'id':'" G
				"g-wiki','name':null}],'productAccess':[{'id':'" JIRA
				"','key':'jira','lastActiveTimestamp':'2026-11-21T10:00:00."
				"123456789Z'},{'id':'" WIKI
				"','key':'confluence','lastActiveTimestamp':'2026-11-20T10:00:"
				"00Z'}]}" },
	{ "a:bob|1", "d-1",
	  "{" CORE("a:bob|1", "active", "active", "active", "managed",
		   "null") ",'platformRoles':[],'counts':{'resources':1},'groups':[{'id':'" G
			   "g-jira'}],'productAccess':[]}" },
	{ "a-cyd", "d-1",
	  "{" CORE("a-cyd", "active", "active", "active", "managed",
		   "'invited'") ",'platformRoles':[],'counts':{'resources':2},'groups':[{'id':"
				"'" G "g-jira'}],'productAccess':[{'id':'" JIRA
				"','key':'jira','lastActiveTimestamp':'2026-11-21T10:00:00Z'},{"
				"'id':'" WIKI "','key':'confluence','lastActiveTimestamp':'"
				"2026-11-21T10:00:00Z'}]}" },
	{ "a-dan", "d-1",
	  "{" CORE("a-dan", "active", "active", "active", "managed",
		   "'invited'") ",'platformRoles':['atlassian/site-admin','atlassian/"
				"org-admin'],'counts':{"
				"'resources':1},'groups':[{'id':'" G
				"g-admins'}],'productAccess':[{'id':'" JIRA
				"','key':'jira','lastActiveTimestamp':'2026-11-21T10:00:00Z'}]"
				"}" },
	{ "a-eve", "d-1",
	  "{" CORE("a-eve", "active", "suspended", "suspended", "managed",
		   "'invited'") ",'platformRoles':[],'counts':{'resources':1},'groups':[{'id':"
				"'" G "g-jira'}],'productAccess':[]}" },
	{ "a-fay", "d-1",
	  "{" CORE("a-fay", "inactive", "active", "deactivated", "managed",
		   "'synced'") ",'platformRoles':[],'counts':{'resources':0},'groups':[],'"
			       "productAccess':[]}" },
	{ "a-gus", "d-1",
	  "{" CORE("a-gus", "active", "active", "active", "unmanaged",
		   "null") ",'platformRoles':[],'counts':{'resources':1},'groups':[{'id':'" G
			   "g-jira'}],'productAccess':[{'id':'" JIRA
			   "','key':'jira','lastActiveTimestamp':'2025-11-21T10:00:00Z'}]}" },
	{ "a-hal", "",
	  "{" CORE("a-hal", "active", "no_membership", "not_invited", "managed",
		   "null") ",'platformRoles':[],'counts':{'resources':0},'groups':[],'"
			   "productAccess':[]}" },
};

static const struct fake_row fake_groups[] = {
	{ "g-jira", "d-1",
	  "{'id':'g-jira','name':'jira-users','directoryId':'d-1','externalSynced':false,"
	  "'managedBy':'admins','managementAccess':{'readable':true,'modifiable':true},"
	  "'counts':{'resources':1}}" },
	{ "g-wiki", "d-1",
	  "{'id':'g-wiki','name':'wiki-users','directoryId':'d-1','externalSynced':true,"
	  "'managedBy':'external','managementAccess':{'readable':true,'modifiable':false},"
	  "'counts':{'resources':1}}" },
	{ "g-admins", "d-1",
	  "{'id':'g-admins','name':'admins','directoryId':'d-1','externalSynced':false,"
	  "'managedBy':'admins','managementAccess':{'readable':true,'modifiable':true},"
	  "'counts':{'resources':1}}" },
	{ "g-talk", "d-1",
	  "{'id':'g-talk','name':'talk','directoryId':'d-1','externalSynced':false,"
	  "'managedBy':'open','managementAccess':{'readable':true,'modifiable':true},"
	  "'counts':{'resources':0}}" },
};

/* What GET .../X/role-assignments answers for a group or an account. */
static const struct {
	const char *id, *rows;
} fake_roles[] = {
	{ "g-jira",
	  "{'resourceId':'" JIRA "','resourceOwner':'jira','roles':['atlassian/user'],"
	  "'defaultRole':'atlassian/user'}" },
	{ "g-wiki", "{'resourceId':'" WIKI "','resourceOwner':'confluence','roles':["
		    "'atlassian/user','atlassian/guest'],'defaultRole':null}" },
	{ "g-admins", "{'resourceId':'ari:cloud:platform::org/o-1','resourceOwner':'platform',"
		      "'roles':['atlassian/org-admin'],'defaultRole':null}" },
	{ "a-ada",
	  "{'resourceId':'" JIRA "','directoryId':'d-1','userDirectoryStatus':'active',"
	  "'roleAssignments':[{'role':'atlassian/user','roleAssignmentMethods':["
	  "'group_direct']}]},{'resourceId':'" WIKI
	  "','directoryId':'d-1','userDirectoryStatus':'active','roleAssignments':["
	  "{'role':'atlassian/user','roleAssignmentMethods':['group_direct']}]}" },
	{ "a:bob|1", "{'resourceId':'" JIRA
		     "','directoryId':'d-1','userDirectoryStatus':'active','roleAssignments':["
		     "{'role':'atlassian/user','roleAssignmentMethods':['group_direct']}]}" },
	{ "a-cyd",
	  "{'resourceId':'" JIRA
	  "','directoryId':'d-1','userDirectoryStatus':'active','roleAssignments':["
	  "{'role':'atlassian/user','roleAssignmentMethods':['group_direct','direct']}]"
	  "},{'resourceId':'" WIKI
	  "','directoryId':'d-1','userDirectoryStatus':'active','roleAssignments':["
	  "{'role':'atlassian/user','roleAssignmentMethods':['direct']}]}" },
	{ "a-dan", "{'resourceId':'" JIRA
		   "','directoryId':'d-1','userDirectoryStatus':'active','roleAssignments':["
		   "{'role':'atlassian/admin','roleAssignmentMethods':['inferred']}]},"
		   "{'resourceId':'ari:cloud:platform::org/o-1','directoryId':null,"
		   "'userDirectoryStatus':'active','roleAssignments':[{'role':"
		   "'atlassian/org-admin','roleAssignmentMethods':['direct']}]}" },
	{ "a-gus", "{'resourceId':'" JIRA
		   "','directoryId':'d-1','userDirectoryStatus':'active','roleAssignments':["
		   "{'role':'atlassian/user','roleAssignmentMethods':['group_direct']}]}" },
};

/* Adds text with " for '. */
static inline void fake_add(struct buf *b, const char *text)
{
	for (; *text; text++)
		buf_add_char(b, *text == '\'' ? '"' : *text);
}

static inline bool fake_has(struct str body, const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i + len <= body.len; i++)
		if (!memcmp(body.p + i, text, len))
			return true;
	return false;
}

/* Where a page begins: the number behind "cursor":"c or ?cursor=c. */
static inline size_t fake_cursor(struct http_req *req)
{
	struct str body = http_req_body(req), cursor = { 0 };
	const char *at = body.len ? memmem(body.p, body.len, "\"cursor\":\"c", 11) : NULL;

	if (at)
		return strtoul(at + 11, NULL, 10);
	if (http_req_query(req, "cursor", &cursor) && cursor.len > 1)
		return strtoul(cursor.p + 1, NULL, 10);
	return 0;
}

/* One page of count rows that wanted() lets through, limit long. */
static inline void fake_page(struct http_req *req, struct http_reply *reply,
			     const struct fake_row *rows, size_t count, size_t limit,
			     bool (*wanted)(const struct fake_row *row, struct http_req *req))
{
	size_t from = fake_cursor(req), sent = 0, i;

	fake_add(&reply->body, "{'data':[");
	for (i = from; i < count && sent < limit; i++) {
		if (!wanted(&rows[i], req))
			continue;
		fake_add(&reply->body, sent++ ? "," : "");
		fake_add(&reply->body, rows[i].json);
	}
	while (i < count && !wanted(&rows[i], req))
		i++;
	fake_add(&reply->body, "],'links':{");
	if (i < count)
		buf_addf(&reply->body, "\"next\":\"c%zu\"", i);
	fake_add(&reply->body, "}}");
}

static inline bool fake_user_wanted(const struct fake_row *row, struct http_req *req)
{
	struct str body = http_req_body(req), query = http_req_query_raw(req);
	char id[40];

	if (fake_has(body, "\"accountIds\"")) {
		snprintf(id, sizeof(id), "\"%s\"", row->id);
		if (!fake_has(body, id))
			return false;
		return !fake_has(body, "\"groupIds\"") ||
		       (fake_has(body, "g-jira") && strstr(row->json, "g-jira"));
	}
	if (fake_has(body, "no_membership") || fake_has(query, "no_membership"))
		return !*row->directory;
	return *row->directory;
}

static inline bool fake_group_wanted(const struct fake_row *row, struct http_req *req)
{
	struct str body = http_req_body(req);

	/* The groups of an account that give a product: here jira by g-jira, wiki by g-wiki. */
	if (fake_has(body, "\"accountIds\""))
		return fake_has(body, strcmp(row->id, "g-wiki") ? JIRA : WIKI) &&
		       (!strcmp(row->id, "g-jira") || !strcmp(row->id, "g-wiki"));
	return true;
}

static inline void fake_count(struct http_req *req, struct http_reply *reply,
			      const struct fake_row *rows, size_t count,
			      bool (*wanted)(const struct fake_row *row, struct http_req *req))
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += wanted(&rows[i], req);
	buf_addf(&reply->body, "{\"count\":%zu}", n);
}

static inline void fake_role_rows(struct http_req *req, struct http_reply *reply)
{
	struct str path = http_req_path(req), only = { 0 };

	http_req_query(req, "resourceIds", &only);
	fake_add(&reply->body, "{'data':[");
	for (size_t i = 0; i < COUNT_OF(fake_roles); i++) {
		char part[60];

		snprintf(part, sizeof(part), "/%s/role-assignments", fake_roles[i].id);
		if (str_ends(path, str_of(part)))
			fake_add(&reply->body, fake_roles[i].rows);
	}
	fake_add(&reply->body, "],'links':{'next':null}}");
}

/* Reads; false for what is no read of this organisation. */
static inline bool fake_read(struct http_req *req, struct http_reply *reply)
{
	struct str path = http_req_path(req);
	struct buf *b = &reply->body;

	if (str_eq(path, STR("/admin/v1/orgs/o-1")))
		fake_add(b, "{'data':{'id':'o-1','type':'orgs','attributes':{'name':'Acme'}}}");
	else if (str_ends(path, STR("/domains")))
		fake_add(b, "{'data':[{'id':'1','attributes':{'name':'example.com','claim':{"
			    "'type':'dns','status':'verified'}}}],'links':{}}");
	else if (str_ends(path, STR("/directories")))
		fake_add(b, "{'data':[{'directoryId':'d-1','name':'Primary'}],'links':{}}");
	else if (str_ends(path, STR("/workspaces")))
		fake_add(b,
			 "{'data':[{'id':'" JIRA "','attributes':{'typeKey':'jira-software',"
			 "'hostUrl':'https://acme.atlassian.net','capacity':10}},{'id':'" WIKI
			 "','attributes':{'typeKey':'confluence','hostUrl':"
			 "'https://acme.atlassian.net/"
			 "wiki','capacity':null}}],'links':{},'meta':{'total':2}}");
	else if (str_ends(path, STR("/api-access/v1/orgs/o-1/api-tokens")))
		fake_add(b, "{'data':[{'id':'t-1','user':{'id':'a:bob|1'},'lastActiveAt':"
			    "'2026-11-01T00:00:00Z'},{'id':'t-2','user':{'id':'a:bob|1'}}],"
			    "'links':{}}");
	else if (str_ends(path, STR("/users/search")))
		fake_page(req, reply, fake_users, COUNT_OF(fake_users), 3, fake_user_wanted);
	else if (str_ends(path, STR("/users/count")))
		fake_count(req, reply, fake_users, COUNT_OF(fake_users), fake_user_wanted);
	else if (str_ends(path, STR("/groups/search")))
		fake_page(req, reply, fake_groups, COUNT_OF(fake_groups), 3, fake_group_wanted);
	else if (str_ends(path, STR("/groups/count")))
		fake_count(req, reply, fake_groups, COUNT_OF(fake_groups), fake_group_wanted);
	else if (str_ends(path, STR("/role-assignments")))
		fake_role_rows(req, reply);
	else
		return false;
	return true;
}

static inline void fake_unknown(struct http_reply *reply)
{
	reply->status = 404;
	fake_add(&reply->body, "{'errors':[{'id':'1','status':'404','code':'ADMIN-404-1',"
			       "'title':'Not found','detail':'no such thing'}]}");
}

void *__real_malloc(size_t size);

/*
 * jansson's memory, lost like all other but for the growth of its scanner's text (powers of two
 * from 32): there version 2.14 goes on without the byte that it could not store, and may run
 * over its end where that was the closing quote. Nobody outside of it can survive that.
 */
static inline void *fake_jansson_memory(size_t size)
{
	return size >= 32 && (size & (size - 1)) == 0 ? __real_malloc(size) : malloc(size);
}

/* --- a client of it ----------------------------------------------------------------------- */

struct fake {
	struct scripted srv;
	struct atl_options o;
	struct httpc *http;
	struct atl_client *client;
	char base[64], org[8];
};

static inline void fake_start(struct fake *f, scripted_fn answer, void *ctx)
{
	const struct httpc_options http = { .backoff_ms = 1 };
	CLEANUP(secret_done) struct secret key = { 0 };
	struct err err;

	memset(f, 0, sizeof(*f));
	scripted_start(&f->srv, answer, ctx, NULL, NULL);
	snprintf(f->base, sizeof(f->base), "%s", f->srv.url);
	snprintf(f->org, sizeof(f->org), "o-1");
	f->o = (struct atl_options){
		.name = "acme",
		.org_id = f->org,
		.base_url = f->base,
		.tokens = true,
		.idle_after_ms = 30 * 86400000LL,
		.page_size = 100,
		.per_second = 100000,
		.at_once = 4,
		.tries = 1,
		.timeout_ms = 5000,
		.deadline_ms = 5000,
	};
	assert_ok(httpc_new(&f->http, &http, &err), &err);
	assert_ok(secret_set(&key, "k3y", 3, &err), &err);
	assert_ok(atl_client_new(&f->client, &f->o, &key, NULL, f->http, &err), &err);
}

static inline void fake_stop(struct fake *f)
{
	atl_client_free(f->client);
	httpc_free(f->http);
	scripted_stop(&f->srv);
}

#endif
