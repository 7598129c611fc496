"""Every endpoint of a site once: Jira, service desks, Confluence, automation; refusals too."""
from urllib.parse import quote

TOKEN = "rehearsal-site-token"


def site_works(a, b):
    """Two accounts and what the first of them owns."""
    return {
        "projects": [{"site": "acme", "id": "100", "key": "OPS", "name": "Operations", "lead": a}],
        "components": [{"site": "acme", "id": "200", "name": "Printers", "project": "OPS", "lead": a}],
        "issues": [{"site": "acme", "id": str(1000 + i), "key": "OPS-%d" % i, "summary": "Issue %d" % i,
                    "project": "OPS", "assignee": a, "reporter": b, "open": True} for i in range(5)],
        "filters": [{"site": "acme", "id": "300", "name": "Mine", "owner": a}],
        "dashboards": [{"site": "acme", "id": "400", "name": "Morning", "owner": a}],
        "rules": [{"site": "acme", "uuid": "0192e5ac-0e25-71de-ba7b-d972e6a2049a", "name": "Rule", "author": a,
                   "actor": b}],
        "spaces": [{"site": "acme", "id": str(500 + i), "key": "S%d" % i, "name": "Space", "owner": a}
                   for i in range(3)],
        "customers": [{"site": "acme", "desk": "1", "account": b}],
    }


class Sites:
    def __init__(self, drive, want):
        self.org, self.want = drive.org, want
        a, b = (x for x in drive.org.accounts("ordinary")[:2])
        self.a, self.b = a["id"], b["id"]
        self.org.control("POST", "works", site_works(a["email"], b["email"]))
        answer = self.org.post("/admin/v2/orgs/%s/workspaces" % self.org.org, {"limit": 100})
        self.cloud = [w["id"] for w in answer.body["data"] if w["id"].startswith("ari:cloud:jira::")][0].rsplit("/")[-1]

    def ask(self, method, path, status, body=None, key=TOKEN):
        return self.want(self.org.request(method, path, body, key=key), status).body

    def jira(self, method, path, status=200, body=None, **more):
        return self.ask(method, "/ex/jira/%s/rest/api/3/%s" % (self.cloud, path), status, body, **more)

    def reading(self):
        self.jira("GET", "applicationrole", key="wrong", status=401)
        roles = self.jira("GET", "applicationrole")
        self.jira("GET", "instance/license")
        group = roles[0]["groupDetails"][0]["groupId"]
        self.jira("GET", "group/bulk?applicationKey=jira-software&maxResults=1&startAt=0")
        self.jira("GET", "group/member?groupId=%s&startAt=0&maxResults=2" % group)
        self.jira("GET", "group/member?groupId=none", 404)
        self.jira("GET", "user?accountId=" + quote(self.a))
        self.jira("GET", "user?accountId=none", 404)
        self.jira("GET", "myself")
        self.jira("GET", "mypermissions?permissions=ADMINISTER")
        project = self.jira("GET", "project/search?startAt=0&maxResults=1")["values"][0]["key"]
        self.jira("GET", "mypermissions?permissions=CREATE_ISSUES&projectKey=" + project)
        self.jira("GET", "mypermissions?permissions=CREATE_ISSUES&projectKey=NONE", 404)
        desks = "/ex/jira/%s/rest/servicedeskapi/servicedesk" % self.cloud
        self.ask("GET", desks + "?start=0&limit=50", 200)
        self.ask("GET", desks + "/1/customer?start=0&limit=50", 200)
        wiki = "/ex/confluence/%s/wiki/" % self.cloud
        groups = self.ask("GET", wiki + "rest/api/group?accessType=user&start=0&limit=1", 200)
        self.ask("GET", wiki + "rest/api/group/%s/membersByGroupId?start=0&limit=1" % groups["results"][0]["id"], 200)
        self.ask("GET", wiki + "api/v2/spaces?limit=2", 200)
        self.ask("GET", wiki + "api/v2/spaces?limit=2&cursor=2", 200)
        self.ask("GET", "/automation/public/jira/%s/rest/v1/rule/summary?limit=100" % self.cloud, 200)

    def owned(self):
        jql = {"jql": 'assignee = "%s" AND resolution = EMPTY ORDER BY created' % self.a,
               "fields": ["summary", "project"], "maxResults": 2}
        page = self.jira("POST", "search/jql", body=jql)
        self.jira("POST", "search/jql", body=dict(jql, nextPageToken=page["nextPageToken"]))
        self.jira("POST", "search/jql", 400, body={"jql": "else"})
        self.jira("POST", "issue/bulkfetch", body={"issueIdsOrKeys": ["1000", "7"], "fields": ["assignee", "project"]})
        self.jira("GET", "project/search?expand=lead&startAt=0&maxResults=100")
        self.jira("GET", "project/100/component?startAt=0&maxResults=50")
        self.jira("GET", "filter/search?accountId=%s&overrideSharePermissions=true&expand=owner&startAt=0&maxResults=50"
                  % quote(self.a))
        self.jira("GET", "dashboard/search?accountId=%s&status=active&startAt=0&maxResults=50" % quote(self.a))
        for kind, n in (("project", 100), ("component", 200), ("filter", 300), ("dashboard", 400)):
            self.jira("GET", "%s/%d" % (kind, n))
            self.jira("GET", "%s/999" % kind, 400 if kind == "filter" else 404)
        self.jira("GET", "user/assignable/multiProjectSearch?projectKeys=OPS&accountId=%s&maxResults=10" % quote(self.b))

    def told(self):
        text = {"type": "doc", "version": 1, "content": [
            {"type": "paragraph", "content": [{"type": "text", "text": "It waits."}, {"type": "hardBreak"},
                                              {"type": "text", "text": "leaverd show 1"}]}]}
        fields = {"project": {"key": "OPS"}, "issuetype": {"name": "Task"}, "summary": "plan 1 waits",
                  "description": text, "labels": ["leaverd-1", "access"]}
        for field, wrong in (("project", {"key": "NO"}), ("issuetype", {"name": "No"}), ("summary", ""),
                             ("labels", ["a b"])):
            self.jira("POST", "issue", 400, body={"fields": dict(fields, **{field: wrong})})
        issue = "issue/" + self.jira("POST", "issue", 201, body={"fields": fields})["key"]
        self.jira("POST", "search/jql", body={
            "jql": 'project = "OPS" AND labels = "leaverd-1" ORDER BY created', "fields": ["summary"], "maxResults": 2})
        self.jira("GET", issue + "?fields=status")
        self.jira("GET", "issue/OPS-1999", 404)
        self.jira("POST", issue + "/comment", 201, body={"body": text})
        self.jira("POST", issue + "/comment", 400, body={"body": {"type": "doc", "version": 1}})
        self.jira("GET", issue + "/comment?orderBy=-created&maxResults=100")
        way = self.jira("GET", issue + "/transitions")["transitions"][-1]
        self.jira("POST", issue + "/transitions", 204, body={"transition": {"id": way["id"]}})
        self.jira("POST", issue + "/transitions", 400, body={"transition": {"id": way["id"]}})

    def giving(self):
        task = self.jira("POST", "bulk/issues/fields", 201, body={
            "selectedIssueIdsOrKeys": ["1000", "1001"], "selectedActions": ["assignee"],
            "editedFieldsInput": {"singleSelectClearableUserPickerFields": [
                {"fieldId": "assignee", "user": {"accountId": self.b}}]}, "sendBulkNotification": False})
        self.jira("GET", "bulk/queue/" + task["taskId"])
        self.jira("GET", "bulk/queue/0", 400)
        self.jira("PUT", "project/100", body={"leadAccountId": self.b})
        self.jira("PUT", "project/100", 400, body={"leadAccountId": "none"})
        self.jira("PUT", "component/200", body={"leadAccountId": self.b})
        self.jira("PUT", "filter/300/owner", 204, body={"accountId": self.b})
        self.jira("PUT", "filter/300/owner", 400, body={"accountId": "none"})
        self.jira("PUT", "dashboard/bulk/edit", body={
            "action": "changeOwner", "entityIds": [400, 999],
            "changeOwnerDetails": {"newOwner": self.b, "autofixName": True}, "extendAdminPermissions": True})


def sites(drive, want):
    each = Sites(drive, want)
    each.reading()
    each.owned()
    each.told()
    each.giving()
