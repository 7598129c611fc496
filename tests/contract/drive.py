#!/usr/bin/python3
"""Asks every endpoint of the rehearsal organisation, for its success and its failures.

usage: drive.py --build DIR | --rehearsal BINARY   --record FILE

So that its answers can be held against Atlassian's documents without leaverd (check.py
--refused-ok). Every endpoint of its table must be answered once with success; what was left out
is an error.
"""
import argparse
import os
import sys
import tempfile
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system",
                                "lib"))

from drive_scim import scim, scim_read  # noqa: E402
from drive_sites import sites  # noqa: E402
from rehearsal import Rehearsal  # noqa: E402

EXPAND = ["platformRoles", "counts.resources", "productAccess", "groups"]
NO_ORG = "00000000-0000-4000-8000-000000000000"


def quote(text):
    return urllib.parse.quote(text, safe="")


def want(answer, *statuses):
    if answer.status not in statuses:
        raise AssertionError("expected %s: %r" % (statuses, answer))
    return answer


class Drive:
    def __init__(self, org):
        self.org = org
        self.accounts = org.accounts()
        state = org.state()
        self.resources = {k: v["resource"] for k, v in state["seats"].items()}
        self.groups = {k: v["id"] for k, v in state["groups"].items()}
        self.jira = self.resources["jira@acme"]

    def of(self, case, n=0):
        return [a for a in self.accounts if a["case"] == case][n]

    def pages(self, path, body=None):
        """A list by URL or cursor, to its end."""
        answer = want(self.org.get(path) if body is None else self.org.post(path, body), 200)
        for _ in range(200):
            following = answer.body.get("links", {}).get("next")
            if not following:
                return
            if following.startswith("http"):
                path = following[len(self.org.url):]
                answer = want(self.org.get(path) if body is None else self.org.post(path, {}),
                              200)
            elif body is None:
                joint = "&" if "?" in path else "?"
                answer = want(self.org.get(path + joint + "cursor=" + following), 200)
            else:
                answer = want(self.org.post(path, dict(body, cursor=following)), 200)

    def organisation(self):
        org = self.org
        want(org.get("/admin/v1/orgs"), 200)
        want(org.get("/admin/v1/orgs/" + org.org), 200)
        want(org.get("/admin/v1/orgs/" + NO_ORG), 404)
        want(org.get("/admin/v1/orgs/" + org.org, key="wrong"), 401)
        self.pages(org.v1("domains"))
        want(org.get(org.v1("domains?cursor=broken")), 400)
        domain = org.get(org.v1("domains")).body["data"][0]["id"]
        want(org.get(org.v1("domains/" + domain)), 200)
        want(org.get(org.v1("domains/none")), 404)
        want(org.get("/admin/v1/orgs/%s/domains" % NO_ORG), 404)
        directories = "/admin/v2/orgs/%s/directories" % org.org
        self.pages(directories + "?limit=1")
        want(org.get(directories + "?accountId=" + quote(self.of("ordinary")["id"])), 200)
        want(org.get(directories + "?directoryIds=none"), 200)
        want(org.get(directories + "?limit=0"), 400)
        want(org.get("/admin/v2/orgs/%s/directories" % NO_ORG), 404)
        want(org.get(directories, key=""), 401)
        workspaces = "/admin/v2/orgs/%s/workspaces" % org.org
        self.pages(workspaces, {"limit": 2})
        want(org.post(workspaces, {"query": {"field": {"name": "attributes.type",
                                                       "values": ["jira"]}}}), 200)
        want(org.post(workspaces, {"cursor": "broken"}), 400)
        want(org.post(workspaces, {}, key="wrong"), 401)

    def reading(self):
        org, search = self.org, self.org.v2("users/search")
        self.pages(org.v1("users"))
        want(org.get(org.v1("users?cursor=broken")), 400)
        want(org.get("/admin/v1/orgs/%s/users" % NO_ORG), 404)
        self.pages(search, {"limit": 50, "expand": EXPAND})
        self.pages(org.v2("users/search", "-"), {"limit": 100})
        for body in ({"emails": [a["email"] for a in self.accounts[:3]]},
                     {"accountIds": [a["id"] for a in self.accounts[:3]]},
                     {"searchTerm": "a", "limit": 5}, {"claimStatus": "unmanaged"},
                     {"status": ["suspended", "for_deletion"]}, {"accountStatus": ["inactive"]},
                     {"membershipStatus": ["active"], "limit": 1}, {"mfaEnabled": True},
                     {"resourceIds": [self.jira], "roleIds": ["atlassian/admin"]},
                     {"groupIds": [self.groups["product-suite-acme"]]},
                     {"emailDomains": ["example.com"], "limit": 2},
                     {"directoryIds": [org.directory], "limit": 2},
                     {"sortBy": [{"field": "nick_name", "direction": "desc"}], "limit": 3}):
            want(org.post(search, body), 200)
        want(org.request("POST", search), 200)
        want(org.post(search, {"limit": 500}), 400)
        want(org.post(search, {"cursor": "broken"}), 400)
        want(org.post(org.v2("users/search", "none"), {}), 404)
        want(org.post(search, {}, key="wrong"), 401)
        want(org.get(org.v2("users/count?claimStatus=managed&status=active&status=suspended")),
             200)
        want(org.get(org.v2("users/count?claimStatus=mine")), 400)
        want(org.get(org.v2("users/count", "none")), 404)
        want(org.get(org.v2("users/stats")), 200)
        want(org.get(org.v2("users/stats", "none")), 404)
        for case in ("ordinary", "deactivated", "suspended", "external", "org-admin",
                     "site-admin", "three-paths", "outside", "invited", "guest", "for-deletion",
                     "synced", "never-active"):
            who = quote(self.of(case)["id"])
            want(org.get(org.v2("users/" + who, "-")), 200)
            want(org.get(org.v2("users/%s/role-assignments?limit=2" % who, "-")), 200)
            self.pages(org.v2("users/%s/role-assignments?limit=1" % who, "-"))
            want(org.get(org.v1("directory/users/%s/last-active-dates" % who)), 200)
        want(org.get(org.v2("users/nobody")), 404)
        want(org.get(org.v2("users/nobody/role-assignments")), 404)
        want(org.get(org.v2("users/%s/role-assignments?limit=0" % who)), 400)
        want(org.get(org.v1("directory/users/nobody/last-active-dates")), 404)

    def groups_reading(self):
        org, search = self.org, self.org.v2("groups/search")
        self.pages(search, {"limit": 7, "expand": ["counts.users", "counts.resources"]})
        person = self.of("suite")["id"]
        for body in ({"groupNames": ["org-admins", "JIRA-USERS-ACME"]}, {"searchTerm": "idp"},
                     {"groupIds": [self.groups["project-01"]]}, {"accountIds": [person]},
                     {"resourceIds": [self.jira], "roleIds": ["atlassian/user"]},
                     {"resourceOwners": ["confluence"]}, {"directoryIds": [org.directory]},
                     {"sortBy": [{"field": "name", "direction": "asc"}]}):
            want(org.post(search, body), 200)
        want(org.post(search, {"groupNames": ["a"], "searchTerm": "a"}), 400)
        want(org.post(org.v2("groups/search", "none"), {}), 404)
        want(org.get(org.v2("groups/count?roleIds=atlassian/user")), 200)
        want(org.get(org.v2("groups/count")), 200)
        want(org.get(org.v2("groups/count", "none")), 404)
        want(org.get(org.v2("groups/stats")), 200)
        for name in ("org-admins", "product-suite-acme", "idp-engineering-acme", "team-Sales",
                     "jira-users-acme"):
            want(org.get(org.v2("groups/" + self.groups[name])), 200)
            self.pages(org.v2("groups/%s/role-assignments?limit=1" % self.groups[name]))
        want(org.get(org.v2("groups/none")), 404)
        want(org.get(org.v2("groups/none/role-assignments")), 404)

    def groups_writing(self):
        org, groups = self.org, self.org.v2("groups")
        want(org.post(groups, {"name": "driven", "description": "made to be deleted"}), 201)
        want(org.post(groups, {"name": "driven"}), 409)
        want(org.post(groups, {}), 400)
        want(org.post(org.v2("groups", "none"), {"name": "x"}), 404)
        group = org.state()["groups"]["driven"]["id"]
        person = self.of("ordinary")["id"]
        members = org.v2("groups/%s/memberships" % group)
        want(org.post(members, {"accountId": person}), 204)
        want(org.post(members, {"accountId": person}), 409)
        want(org.post(members, {"accountId": "nobody"}), 404)
        want(org.post(members, {}), 400)
        want(org.post(members, {"accountId": person}, key="wrong"), 401)
        want(org.post(org.v2("groups/%s/memberships" % self.groups["idp-employees-acme"]),
                      {"accountId": person}), 403)
        roles = org.v2("groups/%s/role-assignments/" % group)
        body = {"resourceId": self.resources["confluence@acme-labs"],
                "roleId": "atlassian/user"}
        want(org.post(roles + "assign", body), 200)
        want(org.post(roles + "assign", {"resourceId": "ari:cloud:jira::site/none",
                                         "roleId": "atlassian/user"}), 404)
        want(org.post(roles + "assign", {}), 400)
        want(org.post(roles + "revoke", body), 204)
        want(org.post(roles + "revoke", {}), 400)
        seats = org.seats()["jira-servicedesk@acme-labs"]
        org.set(org={"capacity": {"jira-servicedesk@acme-labs": max(1, seats)}})
        want(org.post(roles + "assign", {
            "resourceId": self.resources["jira-servicedesk@acme-labs"],
            "roleId": "atlassian/user"}), 409 if seats else 200)
        want(org.delete(members + "/" + quote(person)), 204)
        want(org.delete(members + "/" + quote(person)), 404)
        want(org.delete(org.v2("groups/" + self.groups["jira-users-acme"])), 403)
        want(org.delete(org.v2("groups/" + group)), 204)
        want(org.delete(org.v2("groups/" + group)), 404)

    def users_writing(self):
        org = self.org
        person, other = self.of("ordinary", 1)["id"], self.of("ordinary", 2)["id"]
        path = org.v2("users/%s/" % quote(person))
        want(org.post(path + "suspend", {}), 204)
        want(org.request("POST", path + "suspend"), 415)
        want(org.post(org.v2("users/nobody/suspend"), {}), 404)
        want(org.post(path + "restore", {}), 204)
        want(org.request("POST", path + "restore"), 415)
        sleeper = self.of("suspended")["id"]
        org.set(account=sleeper, groups=["jira-users-acme"], status="suspended")
        org.set(org={"capacity": {"jira@acme": org.seats()["jira@acme"]}})
        want(org.post(org.v2("users/%s/restore" % quote(sleeper)), {}), 400)
        role = {"role": "atlassian/user", "resource": self.jira}
        empty = self.of("agent")["id"]
        org.set(account=empty, groups=["project-01"], directRoles={"jira@acme": []})
        org.set(org={"capacity": {"jira@acme": org.seats()["jira@acme"]}})
        assign = org.v1("users/%s/roles/assign" % quote(empty))
        want(org.post(assign, role), 409)
        org.set(org={"capacity": {"jira@acme": 0}})
        want(org.post(assign, role), 204)
        want(org.post(assign, {"role": "atlassian/king"}), 400)
        want(org.post(assign, {"role": "atlassian/site-admin", "resource": self.jira}), 400)
        want(org.post(org.v1("users/nobody/roles/assign"), role), 404)
        revoke = org.v1("users/%s/roles/revoke" % quote(empty))
        want(org.post(revoke, role), 204)
        want(org.post(revoke, {"role": "atlassian/user"}), 400)
        level = {"role": "atlassian/org-admin"}
        want(org.post(org.v1("users/%s/role-assignments/assign" % quote(other)), level), 204)
        want(org.post(org.v1("users/%s/role-assignments/revoke" % quote(other)), level), 204)
        mine = org.brief()["keyOwner"]
        want(org.post(org.v1("users/%s/role-assignments/revoke" % quote(mine)), level), 403)
        want(org.post(org.v1("users/nobody/role-assignments/assign"), level), 404)
        want(org.post(org.v1("users/%s/role-assignments/assign" % quote(other)),
                      {"role": "x"}), 400)
        want(org.delete(org.v2("users/" + quote(mine))), 403)
        want(org.delete(org.v2("users/" + quote(other))), 204)
        want(org.delete(org.v2("users/" + quote(other))), 404)

    def invites(self):
        org = self.org
        path = "/admin/v2/orgs/%s/users/invite" % org.org
        rule = {"resource": self.jira, "role": "atlassian/user"}
        want(org.post(path, {"emails": ["one@example.com"], "permissionRules": [rule],
                             "additionalGroups": [self.groups["project-02"]],
                             "sendNotification": False}), 200)
        want(org.post(path, {"emails": ["two@example.com", "broken"],
                             "permissionRules": [rule],
                             "additionalGroups": ["none"]}), 206)
        want(org.post(path, {"emails": []}), 400)
        org.set(org={"capacity": {"jira@acme": org.seats()["jira@acme"]}})
        want(org.post(path, {"emails": ["three@example.com"], "permissionRules": [rule]}), 409)
        org.set(org={"capacity": {"jira@acme": 0}, "unpaid": True})
        want(org.post(path, {"emails": ["three@example.com"]}), 402)
        org.set(org={"unpaid": False})

    def managing(self):
        org = self.org
        person = quote(self.of("several-groups")["id"])
        for case in ("ordinary", "synced", "org-admin", "deactivated", "for-deletion"):
            who = quote(self.of(case)["id"])
            want(org.get("/users/%s/manage" % who), 200)
            want(org.get("/users/%s/manage/profile" % who), 200)
        want(org.get("/users/%s/manage?privileges=lifecycle.enablement&privileges=apiToken.read"
                     % who), 200)
        outsider = quote(self.of("external")["id"])
        unverified = quote(self.of("invited")["id"])
        want(org.get("/users/%s/manage" % outsider), 403)
        want(org.get("/users/%s/manage/profile" % unverified), 403)
        want(org.get("/users/nobody/manage"), 404)
        want(org.get("/users/%s/manage" % person, key="wrong"), 401)
        want(org.get("/users/%s/manage" % person, key="scoped"), 403)
        profile, email = "/users/%s/manage/profile", "/users/%s/manage/email"
        want(org.request("PATCH", profile % person, {"name": "Another Name"}), 200)
        want(org.request("PATCH", profile % unverified, {"name": "Another Name"}), 403)
        want(org.request("PUT", email % person, {"email": "another.name@example.com"}), 204)
        want(org.request("PUT", email % person, {"email": "another.name@elsewhere.test"}), 400)
        want(org.request("PUT", email % unverified, {"email": "another.name@example.com"}), 403)
        cycle = "/users/%s/manage/lifecycle/" % person
        want(org.post(cycle + "disable", {"message": "has left"}), 204)
        want(org.request("POST", cycle + "disable"), 415)
        want(org.post(cycle + "enable", {}), 204)
        want(org.request("POST", cycle + "delete"), 200)
        want(org.request("POST", cycle + "enable"), 409)
        want(org.request("POST", cycle + "cancel-delete"), 200)
        synced = "/users/%s/manage/lifecycle/" % quote(self.of("synced")["id"])
        for step in ("enable", "delete", "cancel-delete"):
            want(org.request("POST", synced + step), 403)
            want(org.request("POST", "/users/nobody/manage/lifecycle/" + step), 404)
        want(org.post(synced + "disable", {}), 403)
        org.set(account=self.of("several-groups")["id"], tokens=1)
        tokens = "/users/%s/manage/api-tokens" % person
        token = want(org.get(tokens), 200).body[0]["id"]
        want(org.get("/users/nobody/manage/api-tokens"), 404)
        want(org.delete(tokens + "/" + token), 204)
        want(org.delete(tokens + "/" + token), 404)

    def tokens(self):
        org = self.org
        path = "/admin/api-access/v1/orgs/%s/api-tokens"
        self.pages(path % org.org)
        want(org.get(path % NO_ORG), 404)
        want(org.get(path % org.org, key="wrong"), 401)
        want(org.delete(path % org.org), 204)
        want(org.delete(path % NO_ORG), 404)

    def events(self):
        org, stream = self.org, self.org.v1("events-stream")
        want(org.get(org.v1("event-actions")), 200)
        want(org.get("/admin/v1/orgs/%s/event-actions" % NO_ORG), 404)
        page = want(org.get(stream + "?limit=5&sortOrder=asc"), 200).body
        want(org.get(stream + "?cursor=" + page["meta"]["next"]), 200)
        want(org.get(stream + "?from=0&to=%d" % org.now_ms()), 200)
        want(org.get(stream + "?from=soon"), 400)
        want(org.get(stream + "?cursor=broken"), 400)

    def limits(self):
        """429, in every family."""
        org = self.org
        paths = [org.v1("users"), org.v2("users/count"),
                 "/users/%s/manage/api-tokens" % quote(self.of("ordinary", 3)["id"]),
                 "/users/%s/manage" % quote(self.of("ordinary", 3)["id"])]
        org.rate(1, 3600000)
        want(org.get("/admin/v1/orgs/" + org.org), 200)
        for path in paths:
            want(org.get(path), 429)
        want(org.post("/admin/v2/orgs/%s/workspaces" % org.org, {}), 429)
        want(org.post(org.v2("users/%s/suspend" % quote(self.of("ordinary", 3)["id"])), {}), 429)
        for kind in ("Users", "Groups"):
            want(scim_read(org, kind), 429)
        org.rate(0)

    def everything(self):
        self.organisation()
        self.reading()
        self.groups_reading()
        self.groups_writing()
        self.users_writing()
        self.invites()
        self.managing()
        self.tokens()
        self.events()
        sites(self, want)
        scim(self, want)
        self.limits()


def left_out(org):
    """Endpoints that were never answered with success."""
    asked = org.log(0)["endpoints"]
    return ["%s %s" % (e["method"], e["path"]) for e in org.control("GET", "endpoints")["endpoints"]
            if e["method"] + " " + e["path"] not in asked or
            asked[e["method"] + " " + e["path"]]["requests"] <=
            asked[e["method"] + " " + e["path"]]["failed"]]


def drive(binary, workdir, record):
    """Everything, on a fresh organisation; the endpoints left out."""
    with Rehearsal(binary, workdir, users=300, orphans=3, record=record,
                   args=["--scoped-key", "scoped", "--page-v1", "50"]) as org:
        Drive(org).everything()
        return left_out(org)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--build")
    where.add_argument("--rehearsal")
    parser.add_argument("--record", required=True)
    options = parser.parse_args()
    binary = options.rehearsal or os.path.join(options.build, "rehearsal")
    with tempfile.TemporaryDirectory() as workdir:
        missing = drive(binary, workdir, options.record)
    for m in missing:
        print("never asked with success: " + m)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
