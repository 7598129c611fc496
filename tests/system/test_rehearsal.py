"""The rehearsal organisation behaves as reference and documents say, and as tests rely on."""
import json
import subprocess
import threading
import time
import urllib.parse

import pytest

from rehearsal import DAY, SECOND, Refused, Rehearsal, build_file

BINARY = build_file("rehearsal")
ORG_ADMIN = "atlassian/org-admin"


@pytest.fixture
def start(tmp_path):
    """Starts rehearsals that end with the test, and fail it if they end badly."""
    running = []

    def go(**options):
        folder = tmp_path / str(len(running))
        folder.mkdir()
        running.append(Rehearsal(BINARY, folder, **{"record": False, **options}))
        return running[-1]

    yield go
    for one in running:
        one.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One organisation for the tests that only read."""
    with Rehearsal(BINARY, tmp_path_factory.mktemp("org"), users=600, orphans=7, seed=5, record=False) as org:
        yield org


def quote(account):
    return urllib.parse.quote(account, safe="")


def of(org, case, n=0):
    found = org.accounts(case)
    assert len(found) > n, "no account of case " + case
    return found[n]


def roles(org, account):
    """{resource: {role: methods}} as role-assignments says it."""
    rows = org.get(org.v2("users/%s/role-assignments?limit=100" % quote(account))).body["data"]
    return {r["resourceId"]: {a["role"]: a["roleAssignmentMethods"]
                              for a in r["roleAssignments"]} for r in rows}


def resource(org, label):
    return org.brief()["seats"][label]["resource"]


def group_id(org, name):
    return org.state()["groups"][name]["id"]


# --- population ------------------------------------------------------------------------------

def test_the_same_seed_makes_the_same_population(start):
    def plain(org):
        return [{k: v for k, v in a.items() if k not in ("added", "lastActive")}
                for a in org.accounts()]

    one, two = start(users=300, seed=9, orphans=3), start(users=300, seed=9, orphans=3)
    other = start(users=300, seed=10, orphans=3)
    assert one.org == two.org
    assert plain(one) == plain(two)
    assert plain(one) != plain(other)


def test_every_case_is_there(shared):
    cases = {a["case"] for a in shared.accounts()}
    assert cases >= {
        "ordinary", "never-active", "new-joiner", "long-inactive", "idle-jira",
        "idle-confluence", "idle-several", "synced-inactive", "invited", "new-invite",
        "suspended", "deactivated", "for-deletion", "outside", "several-groups", "suite",
        "synced", "three-paths", "direct", "agent", "orphan", "org-admin", "site-admin",
        "product-admin", "external", "external-idle", "guest", "help-seeker", "customer", "app",
        "service"}


def test_orphans_are_managed_accounts_with_seats_that_no_person_explains(start):
    people = [{"email": "p%d@corp.example" % i, "name": "Person %d" % i} for i in range(80)]
    org = start(people=people, orphans=20)
    known = {p["email"] for p in people}
    managed = [a for a in org.accounts() if a["managed"] and a["type"] == "atlassian"]
    strangers = [a for a in managed if a["email"] not in known]
    assert len(strangers) == 20
    assert {a["case"] for a in strangers} == {"orphan"}
    assert all(a["seats"] and a["status"] == "active" for a in strangers)


def test_a_file_of_people_decides_what_it_names(start):
    org = start(people=[
        {"email": "Ann@Corp.example", "displayName": "Ann Ekberg", "admin": "org"},
        {"email": "bo@corp.example", "name": "Bo", "case": "long-inactive"},
        {"email": "cy@corp.example", "name": "Cy", "account": False},
        {"mail": "di@corp.example", "cn": "Di", "groups": ["product-suite-acme"],
         "lastActive": {"jira": 100, "confluence": None}},
        {"email": "ed@corp.example", "name": "Ed", "status": "suspended"},
        {"name": "No Address"},
        {"email": "bo@corp.example", "name": "Bo again"},
        {"email": "fi@elsewhere.example", "name": "Fi", "tokens": 2},
    ], args=["--plain"])
    assert [a["email"] for a in org.accounts()] == [
        "ann@corp.example", "bo@corp.example", "di@corp.example", "ed@corp.example",
        "fi@elsewhere.example"]
    assert org.account("ann@corp.example")["platformRoles"] == [ORG_ADMIN]
    assert org.account("bo@corp.example")["case"] == "long-inactive"
    di = org.account("di@corp.example")
    assert di["groups"] == ["product-suite-acme"]
    assert sorted(di["seats"]) == ["confluence@acme", "jira@acme"]
    assert list(di["lastActive"]) == ["jira@acme"]
    assert org.account("ed@corp.example")["status"] == "suspended"
    fi = org.account("fi@elsewhere.example")
    assert (fi["managed"], fi["tokens"]) == (False, 2)


@pytest.mark.parametrize("line, says", [
    ('{"email": ', "line 1"),
    ('{"email": "a@b.example", "case": "no-such"}', 'no case "no-such"'),
    ('{"email": "a@b.example", "groups": ["nobody-knows"]}', "no group named nobody-knows"),
])
def test_a_broken_file_of_people_is_refused_with_a_sentence(tmp_path, line, says):
    path = tmp_path / "people"
    path.write_text(line + "\n")
    done = subprocess.run([BINARY, "--people", str(path)], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 1
    assert says in done.stderr


@pytest.mark.parametrize("args", [["--sites", "5"], ["--users", "x"], ["--lag"], ["--what"],
                                  ["surplus"], ["--mix", "ordinary"]])
def test_wrong_options_are_refused(args):
    done = subprocess.run([BINARY] + args, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert done.stderr


def test_the_mix_can_be_ordered(start):
    org = start(users=500, args=["--mix", "never-active=200,suspended=0"])
    assert 90 <= len(org.accounts("never-active")) <= 100
    assert not org.accounts("suspended")


# --- reading ---------------------------------------------------------------------------------

def test_pages_hold_everybody_once(shared):
    rows = shared.walk(shared.v2("users/search"), {"limit": 37})
    ids = [r["accountId"] for r in rows]
    members = [a["id"] for a in shared.accounts()
               if a["membership"] != "no_membership" and a["type"] == "atlassian"]
    assert ids == members
    assert shared.get(shared.v2("users/count")).body["count"] == len(members)


def test_all_directories_add_managed_accounts_without_one(shared):
    rows = shared.walk(shared.v2("users/search", "-"), {"limit": 100})
    outside = {a["id"] for a in shared.accounts("outside")}
    assert outside <= {r["accountId"] for r in rows}
    assert {r["status"] for r in rows if r["accountId"] in outside} == {"not_invited"}


def test_a_cursor_carries_its_filters(shared):
    path = shared.v2("users/search")
    first = shared.post(path, {"limit": 3, "status": ["suspended"]}).body
    second = shared.post(path, {"cursor": first["links"]["next"]}).body
    assert {r["status"] for r in first["data"] + second["data"]} == {"suspended"}
    assert not ({r["accountId"] for r in first["data"]} &
                {r["accountId"] for r in second["data"]})


@pytest.mark.parametrize("cursor", ["nonsense", "", "00000000e30", "0" * 5000])
def test_a_made_up_cursor_is_refused(shared, cursor):
    answer = shared.post(shared.v2("users/search"), {"cursor": cursor})
    assert answer.status == 400
    assert answer.body["errors"][0]["code"] == "ADMIN-400-1"


@pytest.mark.parametrize("body", [
    {"limit": 0}, {"limit": 101}, {"limit": "5"}, {"emails": []}, {"emails": [1]},
    {"accountIds": ["x"] * 11}, {"status": ["well"]}, {"claimStatus": "mine"},
    {"emails": ["a@b.c"], "searchTerm": "a"}, {"expand": ["all"]}, {"mfaEnabled": "yes"},
    {"sortBy": [{"field": "age", "direction": "asc"}]}, {"directoryIds": ["none"]},
])
def test_a_search_out_of_bounds_is_refused(shared, body):
    assert shared.post(shared.v2("users/search"), body).status == 400


def test_search_filters_agree_with_the_state(shared):
    everyone = {a["id"]: a for a in shared.accounts()
                if a["membership"] != "no_membership" and a["type"] == "atlassian"}
    jira = resource(shared, "jira@acme")

    def found(body):
        return {r["accountId"] for r in shared.walk(shared.v2("users/search"),
                                                    dict(body, limit=100))}

    def those(test):
        return {i for i, a in everyone.items() if test(a)}

    assert found({"claimStatus": "unmanaged"}) == those(lambda a: not a["managed"])
    assert found({"accountStatus": ["inactive"]}) == \
        those(lambda a: a["accountStatus"] == "inactive")
    assert found({"status": ["for_deletion"]}) == those(lambda a: a["status"] == "for_deletion")
    assert found({"emailDomains": ["partner.example.net"]}) == \
        those(lambda a: a["email"].endswith("@partner.example.net"))
    assert found({"groupIds": [group_id(shared, "product-suite-acme")]}) == \
        those(lambda a: "product-suite-acme" in a["groups"])
    assert found({"roleIds": [ORG_ADMIN]}) == those(lambda a: ORG_ADMIN in a["platformRoles"])
    holders = found({"resourceIds": [jira], "roleIds": ["atlassian/user", "atlassian/admin"]})
    assert those(lambda a: "jira@acme" in a["seats"]) <= holders
    some = sorted(everyone)[:5]
    assert found({"accountIds": some}) == set(some)
    assert found({"emails": [everyone[i]["email"].upper() for i in some]}) == set(some)


def test_extras_come_only_when_asked_for(shared):
    row = shared.post(shared.v2("users/search"), {"limit": 1}).body["data"][0]
    extra = {"platformRoles", "groups", "productAccess", "counts"}
    assert not extra & set(row)
    row = shared.post(shared.v2("users/search"), {"limit": 1, "expand": [
        "platformRoles", "groups", "productAccess", "counts.resources"]}).body["data"][0]
    assert extra <= set(row)


def test_never_active_people_have_no_activity_anywhere(shared):
    who = of(shared, "never-active")["id"]
    row = shared.post(shared.v2("users/search"), {"accountIds": [who], "expand": [
        "productAccess"]}).body["data"][0]
    assert row["productAccess"] == []
    dates = shared.get(shared.v1("directory/users/%s/last-active-dates" % quote(who))).body
    assert dates["data"]["product_access"] == []
    assert dates["data"]["added_to_org"]


def test_v1_lists_managed_accounts_apps_and_customers_by_url(shared):
    rows, path = [], shared.v1("users")
    while path:
        answer = shared.get(path).body
        rows += answer["data"]
        following = answer["links"].get("next")
        assert following is None or following.startswith(shared.url + "/admin/")
        path = following and following[len(shared.url):]
    wanted = {a["id"] for a in shared.accounts() if a["managed"] or a["type"] != "atlassian"}
    assert {r["account_id"] for r in rows} == wanted
    assert answer["meta"]["total"] == len(wanted)
    assert {r["account_type"] for r in rows} == {"atlassian", "app", "customer"}


def test_apps_are_not_in_the_search_unless_ordered(start):
    org = start(users=60, args=["--apps-in-search"])
    rows = org.walk(org.v2("users/search"), {"limit": 100})
    assert "app" in {r["accountType"] for r in rows}


def test_a_seat_says_how_it_is_held(shared):
    jira = resource(shared, "jira@acme")
    for person in shared.accounts("three-paths"):
        if "jira-users-acme" in person["groups"]:
            assert roles(shared, person["id"])[jira]["atlassian/user"] == ["direct",
                                                                          "group_direct"]
    site_admin = of(shared, "site-admin")
    assert roles(shared, site_admin["id"])[jira]["atlassian/user"] == ["inferred"]
    assert "jira@acme" in site_admin["seats"]
    admin = of(shared, "org-admin")
    assert "org-admins" in admin["groups"]
    assert "group_direct" in roles(shared, admin["id"])[jira]["atlassian/user"]
    platform = shared.get(shared.v2("users/%s/role-assignments" % quote(admin["id"]))).body
    row = [r for r in platform["data"] if r["resourceOwner"] == "platform"][0]
    assert (row["directoryId"], row["userDirectoryStatus"]) == (None, None)


def test_groups_are_found_by_what_they_grant(shared):
    jira, confluence = resource(shared, "jira@acme"), resource(shared, "confluence@acme")
    path = shared.v2("groups/search")
    granting = {g["name"] for g in shared.walk(path, {
        "resourceIds": [jira], "roleIds": ["atlassian/user"], "limit": 100})}
    assert granting == {"jira-users-acme", "jira-contractors-acme", "product-suite-acme",
                        "idp-employees-acme", "idp-engineering-acme", "org-admins"}
    suite = group_id(shared, "product-suite-acme")
    rows = shared.get(shared.v2("groups/%s/role-assignments" % suite)).body["data"]
    assert {r["resourceId"] for r in rows} == {jira, confluence}
    assert {r["defaultRole"] for r in rows} == {None}
    users = group_id(shared, "jira-users-acme")
    rows = shared.get(shared.v2("groups/%s/role-assignments" % users)).body["data"]
    assert rows[0]["defaultRole"] == "atlassian/user"


def test_synced_groups_say_so(shared):
    rows = shared.walk(shared.v2("groups/search"), {"groupNames": ["IDP-Employees-ACME"],
                                                    "expand": ["counts.users"]})
    assert len(rows) == 1
    assert rows[0]["externalSynced"] and rows[0]["managedBy"] == "external"
    assert not rows[0]["managementAccess"]["modifiable"]
    assert rows[0]["counts"]["users"] > 0


def test_groups_in_the_user_search_carry_aris(shared):
    person = of(shared, "suite")
    row = shared.post(shared.v2("users/search"), {"accountIds": [person["id"]],
                                                  "expand": ["groups"]}).body["data"][0]
    suite = [g for g in row["groups"] if g["name"] == "product-suite-acme"][0]
    assert suite["id"] == "ari:cloud:identity::group/" + group_id(shared, "product-suite-acme")


def test_workspaces_are_listed_and_filtered(shared):
    path = "/admin/v2/orgs/%s/workspaces" % shared.org
    everything = shared.post(path, {}).body
    assert everything["meta"]["total"] == len(everything["data"]) == 6
    some = shared.post(path, {"query": {"and": [
        {"field": {"name": "attributes.type", "values": ["confluence"]}},
        {"searchWorkspaces": "labs"}]}}).body["data"]
    assert [w["id"] for w in some] == [resource(shared, "confluence@acme-labs")]
    first = shared.post(path, {"limit": 4}).body
    rest = shared.post(first["links"]["next"][len(shared.url):], {}).body
    assert len(first["data"]) == 4 and len(rest["data"]) == 2
    assert shared.post(path, {"cursor": "x", "limit": 1}).status == 400


# --- keys ------------------------------------------------------------------------------------

def test_without_a_key_nothing_is_told(shared):
    answer = shared.get(shared.v1("users"), key="")
    assert (answer.status, answer.body["code"]) == (401, 401)
    person = quote(of(shared, "ordinary")["id"])
    answer = shared.get("/users/%s/manage" % person, key="wrong")
    assert (answer.status, answer.body["key"]) == (401, "unauthorized")


def test_a_scoped_key_reads_but_user_management_refuses_it(start):
    org = start(users=30, args=["--scoped-key", "scoped"])
    person = of(org, "ordinary")["id"]
    assert org.post(org.v2("users/search"), {}, key="scoped").status == 200
    answer = org.get("/users/%s/manage" % quote(person), key="scoped")
    assert answer.status == 403 and "manage:org" in answer.body["errorDetail"]
    suspend = org.v2("users/%s/suspend" % quote(person))
    assert org.post(suspend, {}, key="scoped").status == 401
    assert org.account(person)["status"] == "active"


def test_the_list_of_organisations_is_empty_for_an_organisation_key(shared):
    assert shared.get("/admin/v1/orgs").body["data"] == []
    assert shared.get("/admin/v1/orgs/" + shared.org).body["data"]["id"] == shared.org
    other = "11111111-2222-4333-8444-555555555555"
    assert shared.get("/admin/v1/orgs/" + other).body["errors"][0]["code"] == "ADMIN-404-2"


# --- seats and writes ------------------------------------------------------------------------

def test_suspending_frees_seats_and_restoring_takes_them_again(start):
    org = start(users=100)
    person = of(org, "several-groups")
    before = org.seats()
    path = org.v2("users/%s/" % quote(person["id"]))
    assert org.post(path + "suspend", {}).status == 204
    after = org.account(person["id"])
    assert (after["status"], after["seats"]) == ("suspended", [])
    assert after["groups"] == person["groups"]
    assert {k: before[k] - v for k, v in org.seats().items() if before[k] != v} == \
        {s: 1 for s in person["seats"]}
    assert org.post(path + "restore", {}).status == 204
    assert org.account(person["id"])["seats"] == person["seats"]
    assert org.seats() == before


@pytest.mark.parametrize("headers, raw", [
    ({}, b""), ({"Content-Type": "application/json"}, b""), ({"Content-Type": "text/plain"},
                                                            b"{}")])
def test_suspending_without_a_json_body_is_415(start, headers, raw):
    org = start(users=30)
    person = of(org, "ordinary")["id"]
    answer = org.request("POST", org.v2("users/%s/suspend" % quote(person)), raw=raw,
                         headers=headers)
    assert answer.status == 415
    assert org.account(person)["status"] == "active"


def test_a_seat_is_freed_only_when_its_last_path_is_gone(start):
    org = start(users=100, args=("--mix", "three-paths=100"))
    person = [p for p in org.accounts("three-paths")][0]["id"]
    jira = resource(org, "jira@acme")
    label = "jira@acme"
    org.set(account=person, groups=["jira-users-acme", "product-suite-acme"],
            directRoles={label: ["atlassian/user"]})

    def leave(group):
        return org.delete(org.v2("groups/%s/memberships/%s" % (group_id(org, group),
                                                               quote(person)))).status

    def held():
        return label in org.account(person)["seats"]

    revoke = org.v1("users/%s/roles/revoke" % quote(person))
    assert leave("jira-users-acme") == 204 and held()
    assert org.post(revoke, {"role": "atlassian/user", "resource": jira}).status == 204 and held()
    assert leave("product-suite-acme") == 204 and not held()
    assert leave("product-suite-acme") == 404
    assert org.post(revoke, {"role": "atlassian/user", "resource": jira}).status == 204


def test_revoking_a_role_does_not_touch_what_groups_give(start):
    org = start(users=100)
    person = of(org, "ordinary")["id"]
    org.set(account=person, groups=["jira-users-acme"], directRoles={"jira@acme": []})
    answer = org.post(org.v1("users/%s/roles/revoke" % quote(person)),
                      {"role": "atlassian/user", "resource": resource(org, "jira@acme")})
    assert answer.status == 204
    assert "jira@acme" in org.account(person)["seats"]
    assert [e["changed"] for e in org.effects("revoke-role")] == [False]


@pytest.mark.parametrize("group", ["idp-employees-acme", "org-admins"])
def test_groups_that_are_not_ours_are_read_only(start, group):
    org = start(users=100)
    person = of(org, "ordinary")["id"]
    members = org.v2("groups/%s/memberships" % group_id(org, group))
    answer = org.post(members, {"accountId": person})
    assert (answer.status, answer.body["errors"][0]["code"]) == (403, "ADMIN-403-5")
    inside = [a["id"] for a in org.accounts() if group in a["groups"]][0]
    assert org.delete(members + "/" + quote(inside)).status == 403
    assert group in org.account(inside)["groups"]


def test_memberships_say_conflict_and_not_found(start):
    org = start(users=100)
    person = of(org, "suite")["id"]
    members = org.v2("groups/%s/memberships" % group_id(org, "product-suite-acme"))
    answer = org.post(members, {"accountId": person})
    assert answer.status == 409 and "already" in answer.body["errors"][0]["detail"]
    assert org.post(members, {"accountId": "nobody"}).status == 404
    assert org.post(members, {}).status == 400
    assert org.post(org.v2("groups/none/memberships"), {"accountId": person}).status == 404


def test_a_full_licence_refuses_members_roles_and_restores(start):
    org = start(users=100)
    free = of(org, "agent")["id"]
    org.set(account=free, groups=["project-01"], directRoles={"jira@acme": []})
    jira = resource(org, "jira@acme")
    sleeper = of(org, "suspended")
    assert org.seats()["jira@acme"] > 0
    org.set(account=sleeper["id"], groups=["jira-users-acme"], status="suspended")
    org.set(org={"capacity": {"jira@acme": org.seats()["jira@acme"]}})
    answer = org.post(org.v2("groups/%s/memberships" % group_id(org, "jira-users-acme")),
                      {"accountId": free})
    assert (answer.status, answer.body["errors"][0]["code"]) == (409, "ADMIN-409-3")
    answer = org.post(org.v1("users/%s/roles/assign" % quote(free)),
                      {"role": "atlassian/user", "resource": jira})
    assert (answer.status, answer.body["errors"][0]["code"]) == (409, "ADMIN-UAM-409-3")
    answer = org.post(org.v2("users/%s/restore" % quote(sleeper["id"])), {})
    assert (answer.status, answer.body["errors"][0]["code"]) == (400, "ADMIN-400-32")
    org.set(org={"capacity": {"jira@acme": 0}})
    assert org.post(org.v2("users/%s/restore" % quote(sleeper["id"])), {}).status == 204


def test_deactivating_frees_seats_and_keeps_groups(start):
    org = start(users=100)
    person = of(org, "ordinary")
    manage = "/users/%s/manage" % quote(person["id"])
    assert org.get(manage + "?privileges=lifecycle.enablement").body == {
        "lifecycle.enablement": {"allowed": True}}
    assert org.post(manage + "/lifecycle/disable", {"message": "left"}).status == 204
    after = org.account(person["id"])
    assert (after["status"], after["seats"]) == ("deactivated", [])
    assert after["groups"] == person["groups"]
    shown = org.get(org.v2("users/" + quote(person["id"]))).body["data"]
    assert shown["accountStatus"] == "inactive" and shown["deactivatedOn"]
    assert shown["name"].endswith("(Deactivated)")
    assert org.post(manage + "/lifecycle/disable", {}).status == 204
    assert [e["changed"] for e in org.effects("disable")] == [True, False]
    assert org.post(manage + "/lifecycle/enable").status == 204
    assert org.account(person["id"])["seats"] == person["seats"]


def test_synced_unmanaged_and_unknown_accounts_cannot_be_deactivated(start):
    org = start(users=100)
    synced, outsider = of(org, "synced")["id"], of(org, "external")["id"]
    answer = org.get("/users/%s/manage?privileges=lifecycle.enablement&privileges=profile.read"
                     % quote(synced))
    assert answer.body == {
        "lifecycle.enablement": {"allowed": False, "reason": {"key": "externalDirectory.scim"}},
        "profile.read": {"allowed": True}}
    answer = org.post("/users/%s/manage/lifecycle/disable" % quote(synced), {})
    assert (answer.status, answer.body["key"]) == (403, "forbidden.action")
    assert answer.body["context"]["reason"]["key"] == "externalDirectory.scim"
    answer = org.post("/users/%s/manage/lifecycle/disable" % quote(outsider), {})
    assert (answer.status, answer.body["key"]) == (403, "forbidden")
    answer = org.get("/users/nobody/manage")
    assert (answer.status, answer.body["key"]) == (404, "accountNotFound")
    assert not org.effects("disable")


def test_an_unmanaged_account_can_be_suspended(start):
    org = start(users=60)
    outsider = of(org, "external")["id"]
    assert org.post(org.v2("users/%s/suspend" % quote(outsider)), {}).status == 204
    assert org.account(outsider)["status"] == "suspended"


def test_the_last_admin_stays(start):
    org = start(users=60)
    mine, other = org.brief()["keyOwner"], None
    for admin in org.accounts("org-admin"):
        if admin["id"] != mine:
            other = admin["id"]
    level = org.v1("users/%s/role-assignments/revoke")
    assert org.post(level % quote(mine), {"role": ORG_ADMIN}).status == 403
    manage = "/users/%s/manage?privileges=lifecycle.enablement"
    reason = org.get(manage % quote(mine)).body["lifecycle.enablement"]["reason"]["key"]
    assert reason == "administrative.notMyself"
    assert org.post(level % quote(other), {"role": ORG_ADMIN}).status == 204
    assert org.account(other)["platformRoles"] == []
    assert "org-admins" not in org.account(other)["groups"]
    assert org.post(org.v2("users/%s/suspend" % quote(mine)), {}).status == 403
    assert org.delete(org.v2("users/" + quote(mine))).status == 403
    assert org.post(org.v1("users/%s/role-assignments/assign" % quote(other)),
                    {"role": ORG_ADMIN}).status == 204
    assert org.account(other)["platformRoles"] == [ORG_ADMIN]


def test_deletion_has_a_grace_of_14_days(start):
    org = start(users=60)
    person = of(org, "ordinary")["id"]
    cycle = "/users/%s/manage/lifecycle/" % quote(person)
    assert org.post(cycle + "delete").body["message"]
    assert org.account(person)["status"] == "for_deletion"
    assert org.post(cycle + "enable").status == 409
    assert org.post(cycle + "cancel-delete").status == 200
    assert org.account(person)["status"] == "active"
    org.post(cycle + "delete")
    org.advance(14 * DAY + SECOND)
    assert org.post(cycle + "cancel-delete").status == 404
    found = org.post(org.v2("users/search"), {"accountIds": [person]}).body["data"]
    assert found == []


def test_removal_takes_groups_and_roles_and_needs_a_new_invite(start):
    org = start(users=60)
    person = of(org, "several-groups")
    path = org.v2("users/" + quote(person["id"]))
    assert org.delete(path).status == 204
    after = org.account(person["id"])
    assert (after["status"], after["groups"], after["seats"]) == ("not_invited", [], [])
    assert org.delete(path).status == 404
    invite = "/admin/v2/orgs/%s/users/invite" % org.org
    answer = org.post(invite, {"emails": [person["email"]], "permissionRules": [
        {"resource": resource(org, "jira@acme"), "role": "atlassian/user"}]})
    assert answer.status == 200
    assert org.account(person["id"])["groups"] == ["jira-users-acme"]


def test_an_invite_that_fails_in_part_is_206(start):
    org = start(users=60)
    rules = [{"resource": resource(org, "jira@acme"), "role": "atlassian/user"},
             {"resource": "ari:cloud:trello::site/1", "role": "atlassian/user"}]
    answer = org.post("/admin/v2/orgs/%s/users/invite" % org.org, {
        "emails": ["new@example.com"], "permissionRules": rules})
    assert answer.status == 206
    results = answer.body["data"][0]["results"][0]["roleAssignmentResult"]
    assert [r["status"] for r in results] == ["INVITED", "ERROR"]
    assert org.account("new@example.com")["emailVerified"] is False
    org.set(org={"unpaid": True})
    assert org.post("/admin/v2/orgs/%s/users/invite" % org.org,
                    {"emails": ["x@example.com"]}).status == 402


def test_tokens_are_listed_and_revoked(start):
    org = start(users=60)
    person = of(org, "ordinary")["id"]
    org.set(account=person, tokens=2)
    path = "/users/%s/manage/api-tokens" % quote(person)
    tokens = org.get(path).body
    assert len(tokens) == org.account(person)["tokens"] >= 2
    assert org.delete(path + "/" + tokens[0]["id"]).status == 204
    assert org.delete(path + "/" + tokens[0]["id"]).status == 404
    assert len(org.get(path).body) == len(tokens) - 1
    listed = org.get("/admin/api-access/v1/orgs/%s/api-tokens" % org.org).body["data"]
    assert tokens[1]["id"] in {t["id"] for t in listed}
    assert tokens[0]["id"] not in {t["id"] for t in listed}


def test_groups_are_made_and_deleted(start):
    org = start(users=60)
    groups = org.v2("groups")
    made = org.post(groups, {"name": "a-new-one", "description": "for a test"})
    assert (made.status, made.raw) == (201, b"")
    assert org.post(groups, {"name": "A-New-One"}).status == 409
    group = group_id(org, "a-new-one")
    jira = resource(org, "jira@acme-labs")
    person = of(org, "agent")["id"]
    members = org.v2("groups/%s/memberships" % group)
    assert org.post(members, {"accountId": person}).status == 204
    body = {"resourceId": jira, "roleId": "atlassian/user"}
    before = org.seats()["jira@acme-labs"]
    assert org.post(org.v2("groups/%s/role-assignments/assign" % group), body).status == 200
    assert org.seats()["jira@acme-labs"] == before + 1
    assert org.post(org.v2("groups/%s/role-assignments/revoke" % group), body).status == 204
    assert org.seats()["jira@acme-labs"] == before
    assert org.delete(org.v2("groups/" + group)).status == 204
    assert "a-new-one" not in org.account(person)["groups"]
    refused = org.delete(org.v2("groups/" + group_id(org, "jira-users-acme")))
    assert (refused.status, refused.body["errors"][0]["code"]) == (403, "ADMIN-403-6")


def test_several_directories_suspend_one_by_one(start):
    org = start(users=60, args=["--directories", "2"])
    first, second = org.brief()["directories"]
    person = of(org, "ordinary")["id"]
    org.set(account=person, groups=["jira-users-acme", "jira-users-acme-labs"])
    assert org.account(person)["seats"] == ["jira@acme", "jira@acme-labs"]
    assert org.post(org.v2("users/%s/suspend" % quote(person), first), {}).status == 204
    after = org.account(person)
    assert (after["status"], after["seats"]) == ("active", ["jira@acme-labs"])
    assert org.post(org.v2("users/%s/suspend" % quote(person), second), {}).status == 204
    assert org.account(person)["status"] == "suspended"
    rows = org.walk(org.v2("users/search", second), {"expand": ["groups"], "limit": 100})
    mine = [r for r in rows if r["accountId"] == person][0]
    assert [g["name"] for g in mine["groups"]] == ["jira-users-acme-labs"]


# --- lag and clock ---------------------------------------------------------------------------

def test_readers_see_role_changes_after_the_lag_on_the_virtual_clock(start):
    org = start(users=60, lag=30000)
    person = of(org, "suite")["id"]
    group, jira = group_id(org, "product-suite-acme"), resource(org, "jira@acme")
    org.set(account=person, groups=["product-suite-acme"], directRoles={"jira@acme": []})

    def shown():
        rows = org.post(org.v2("users/search"), {"accountIds": [person],
                                                 "expand": ["groups"]}).body["data"]
        return [g["name"] for g in rows[0]["groups"]], jira in roles(org, person)

    assert shown() == (["product-suite-acme"], True)
    path = org.v2("groups/%s/memberships/%s" % (group, quote(person)))
    assert org.delete(path).status == 204
    assert org.account(person)["seats"] == []
    assert shown() == (["product-suite-acme"], True)
    assert org.delete(path).status == 404  # writes meet the truth
    org.advance(31 * SECOND)
    assert shown() == ([], False)
    assert org.account(person)["lagging"] == 0


def test_undone_changes_are_shown_in_their_order(start):
    org = start(users=60, lag=30000)
    person = of(org, "ordinary")["id"]
    org.set(account=person, groups=[], directRoles={"jira@acme": []})
    jira = resource(org, "jira@acme")
    body = {"role": "atlassian/user", "resource": jira}
    assert org.post(org.v1("users/%s/roles/assign" % quote(person)), body).status == 204
    org.advance(20 * SECOND)
    assert org.post(org.v1("users/%s/roles/revoke" % quote(person)), body).status == 204
    assert jira not in roles(org, person)
    org.advance(11 * SECOND)
    assert jira in roles(org, person)
    org.advance(20 * SECOND)
    assert jira not in roles(org, person)


def test_the_clock_goes_forward_for_all_who_share_it(start):
    org = start(users=30)
    before = org.now_ms()
    assert org.advance(90 * DAY) - before >= 90 * DAY
    assert abs(org.clock.now_ms() - org.now_ms()) < 60 * SECOND
    with pytest.raises(Refused):
        org.advance(-5)


# --- the log ---------------------------------------------------------------------------------

def test_the_log_counts_every_effect(start):
    org = start(users=60)
    person = of(org, "ordinary")["id"]
    path = org.v2("users/%s/suspend" % quote(person))
    org.clear_log()
    assert org.twice() == {}
    org.post(path, {})
    assert org.twice() == {}
    org.post(path, {})
    assert org.twice() == {"suspend %s" % person: 2}
    log = org.log()
    assert log["effectCounts"]["suspend " + person] == {"calls": 2, "changes": 1}
    assert log["requests"] == 2 and log["statuses"] == {"204": 2}
    assert [r["path"] for r in log["log"]] == [path, path]


def test_refused_writes_are_no_effects(start):
    org = start(users=60)
    org.post(org.v2("users/nobody/suspend"), {})
    assert org.effects() == []
    endpoint = "POST /admin/v2/orgs/{org}/directories/{dir}/users/{account}/suspend"
    assert org.log()["endpoints"][endpoint] == {"requests": 1, "failed": 1}


def test_the_event_stream_tells_what_was_done_and_goes_on(start):
    org = start(users=60)
    one, two = of(org, "ordinary")["id"], of(org, "ordinary", 1)["id"]
    stream = org.v1("events-stream")
    org.post(org.v2("users/%s/suspend" % quote(one)), {})
    page = org.get(stream + "?limit=10").body
    assert [e["attributes"]["action"] for e in page["data"]] == ["user_suspended"]
    assert page["data"][0]["attributes"]["context"][0]["id"] == one
    assert page["data"][0]["attributes"]["actor"]["auth"]["tokenLabel"]
    cursor = page["meta"]["next"]
    assert org.get(stream + "?cursor=" + cursor).body["data"] == []
    org.post(org.v2("users/%s/suspend" % quote(two)), {})
    later = org.get(stream + "?cursor=" + cursor).body["data"]
    assert [e["attributes"]["context"][0]["id"] for e in later] == [two]
    down = org.get(stream + "?sortOrder=desc").body["data"]
    assert [e["attributes"]["context"][0]["id"] for e in down] == [two, one]
    future = org.now_ms() + DAY
    assert org.get(stream + "?from=%d" % future).body["data"] == []
    assert org.get(stream + "?from=soon").status == 400


def test_the_record_holds_requests_and_answers(start, tmp_path):
    record = tmp_path / "record.jsonl"
    org = start(users=30, record=record)
    org.post(org.v2("users/search"), {"limit": 1})
    org.get(org.v1("users"), key="wrong")
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [(line["method"], line["status"]) for line in lines] == [("POST", 200), ("GET", 401)]
    assert lines[0]["requestBody"] == {"limit": 1}
    assert len(lines[0]["responseBody"]["data"]) == 1
    assert "rehearsal-key" not in record.read_text()


# --- faults ----------------------------------------------------------------------------------

def test_a_fault_meets_its_requests_and_no_others(start):
    org = start(users=30)
    search, count = org.v2("users/search"), org.v2("users/count")
    org.fault("status", method="POST", path="*/users/search", status=503, skip=1, count=2)
    statuses = [org.post(search, {}).status for _ in range(5)]
    assert statuses == [200, 503, 503, 200, 200]
    assert org.get(count).status == 200
    assert org.faults()[0]["hits"] == 2
    org.fault("status", status=500, count=-1)
    assert [org.get(count).status for _ in range(3)] == [500] * 3
    org.clear_faults()
    assert org.get(count).status == 200
    with pytest.raises(Refused):
        org.fault("earthquake")


def test_a_429_says_when_to_come_again(start):
    org = start(users=30)
    org.fault("status", status=429, headers={"Retry-After": "7"})
    answer = org.get(org.v2("users/count"))
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")


def test_a_write_may_be_carried_out_though_its_answer_fails(start):
    org = start(users=60)
    one, two = of(org, "ordinary")["id"], of(org, "ordinary", 1)["id"]
    org.fault("status", path="*/suspend", status=502)
    assert org.post(org.v2("users/%s/suspend" % quote(one)), {}).status == 502
    assert org.account(one)["status"] == "active"
    org.fault("status", path="*/suspend", status=502, effect=True)
    assert org.post(org.v2("users/%s/suspend" % quote(one)), {}).status == 502
    assert org.account(one)["status"] == "suspended"
    org.fault("reset", path="*/suspend")
    with pytest.raises(OSError):
        org.post(org.v2("users/%s/suspend" % quote(two)), {})
    assert org.account(two)["status"] == "suspended"
    assert [e["account"] for e in org.effects("suspend")] == [one, two]
    org.fault("reset", path="*/restore", effect=False)
    with pytest.raises(OSError):
        org.post(org.v2("users/%s/restore" % quote(two)), {})
    assert org.account(two)["status"] == "suspended"


def test_answers_can_be_broken_in_every_way(start):
    org = start(users=60)
    path = org.v2("users/search")
    org.fault("truncate")
    answer = org.post(path, {})
    assert answer.status == 200 and answer.body is None and answer.raw
    org.fault("garbage")
    answer = org.post(path, {})
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/html")
    org.fault("cut")
    with pytest.raises(Exception):
        org.post(path, {})
    org.fault("hang", ms=200)
    with pytest.raises(Exception):
        org.post(path, {})
    org.fault("latency", ms=300)
    began = time.monotonic()
    assert org.post(path, {}).status == 200
    assert time.monotonic() - began >= 0.3


def test_pages_can_lie(start):
    org = start(users=90)
    path = org.v2("users/search")
    whole = [r["accountId"] for r in org.walk(path, {"limit": 20})]

    def page(body):
        answer = org.post(path, body).body
        return [r["accountId"] for r in answer["data"]], answer["links"].get("next")

    org.fault("short-page")
    rows, following = page({"limit": 20})
    assert rows == whole[:10]
    assert page({"cursor": following})[0] == whole[10:30]
    org.fault("empty-page")
    rows, following = page({"limit": 20})
    assert rows == [] and page({"cursor": following})[0] == whole[:20]
    org.fault("early-end")
    assert page({"limit": 20}) == (whole[:20], None)
    org.fault("lost-items")
    rows, following = page({"limit": 20})
    assert rows == [] and page({"cursor": following})[0] == whole[20:40]
    following = page({"limit": 20})[1]
    org.fault("repeat-page")
    assert page({"cursor": following})[1] == following


def test_the_rate_is_limited_and_told(start):
    org = start(users=30)
    path = org.v2("users/count")
    assert org.get(path).headers["x-ratelimit-limit"] == "1000"
    org.rate(0)
    assert "x-ratelimit-limit" not in org.get(path).headers
    org.rate(2, 60000)
    first, second, third = org.get(path), org.get(path), org.get(path)
    assert [a.status for a in (first, second, third)] == [200, 200, 429]
    assert [a.headers["x-ratelimit-remaining"] for a in (first, second)] == ["1", "0"]
    assert first.headers["x-ratelimit-limit"] == "2"
    assert 0 < int(third.headers["retry-after"]) <= 60
    assert third.headers["x-ratelimit-reset"].endswith("Z")
    org.get(path)
    assert org.log()["longest429"] == 2


def test_a_hanging_answer_does_not_hinder_the_end(start):
    org = start(users=30)
    org.fault("hang", count=-1)
    with pytest.raises(OSError):
        org.get(org.v2("users/count"), timeout=0.3)
    began = time.monotonic()
    assert org.stop() == 0
    assert time.monotonic() - began < 30


def test_unknown_paths_methods_and_bodies_are_refused(shared):
    assert shared.get("/admin/v3/orgs").status == 404
    assert shared.post("/admin/v1/orgs/%s/directory/users/x/suspend-access" % shared.org,
                       {}).status == 404
    assert shared.request("PUT", shared.v2("users/count")).status == 405
    answer = shared.request("POST", shared.v2("users/search"), raw=b"[1]",
                            headers={"Content-Type": "application/json"})
    assert answer.status == 400
    answer = shared.request("POST", shared.v2("users/search"), raw=b"{",
                            headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert shared.get("/" + "/".join("x" * 20)).status == 400
    assert shared.get("/%zz").status == 400
    assert shared.request("GET", "/_rehearsal/nothing", key="").status == 404


def test_many_clients_at_once_each_get_their_own_answer(start):
    org = start(users=200, args=["--latency", "5"])
    path, directory = org.v2("users/search"), org.v2("users/%s/suspend")
    people = [a["id"] for a in org.accounts("ordinary")][:40]
    wrong = []

    def client(mine):
        for person in mine:
            row = org.post(path, {"accountIds": [person]}).body["data"]
            if [r["accountId"] for r in row] != [person] or \
                    org.post(directory % quote(person), {}).status != 204:
                wrong.append(person)

    threads = [threading.Thread(target=client, args=(people[n::8],)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == [] and org.twice() == {}
    assert len(org.effects("suspend")) == 40


# --- set -------------------------------------------------------------------------------------

def test_tests_can_change_accounts_people_and_groups(start):
    org = start(users=60)
    org.set(person={"email": "fresh@example.com", "name": "Fresh", "groups": [
        "jira-users-acme"], "lastActive": {"jira": 1}})
    fresh = org.account("fresh@example.com")
    assert (fresh["status"], fresh["seats"]) == ("active", ["jira@acme"])
    org.set(account="fresh@example.com", email="renamed@example.com", name="Renamed",
            lastActive={"jira": None}, synced=True, status="suspended")
    renamed = org.account("renamed@example.com")
    assert renamed["id"] == fresh["id"] and renamed["lastActive"] == {} and renamed["synced"]
    assert renamed["seats"] == []
    with pytest.raises(Refused):
        org.account("fresh@example.com")
    org.set(account="renamed@example.com", gone=True)
    assert org.get(org.v2("users/" + quote(fresh["id"]))).status == 404
    org.set(group="jira-users-acme", synced=True)
    assert org.state()["groups"]["jira-users-acme"]["synced"]
    org.set(org={"id": "99999999-2222-4333-8444-555555555555"})
    assert org.get("/admin/v1/orgs/" + org.org).status == 404
    with pytest.raises(Refused):
        org.set(account="nobody@example.com", status="suspended")


# --- scenarios -------------------------------------------------------------------------------

def test_scenarios_are_put_over_the_population_by_name(start):
    synced = start(users=100, args=("--scenario", "synced-groups")).state()["groups"].values()
    assert [g for g in synced if g["grants"]]
    assert all(g["synced"] and not g["modifiable"] for g in synced if g["grants"])
    admins = [a for a in start(users=100).accounts() if ORG_ADMIN in a["platformRoles"]]
    last = [a for a in start(users=100, args=("--scenario", "last-admin")).accounts()
            if ORG_ADMIN in a["platformRoles"]]
    assert len(admins) > 1 and [a["id"] for a in last] == [admins[0]["id"]]


def test_a_hidden_address_is_found_and_not_shown(start):
    org = start(users=30, args=("--scenario", "hidden-mail"))
    rows = {a["accountId"]: a for a in org.walk(org.v2("users/search"), {"limit": 100})}
    known = {a["id"]: a for a in org.accounts()}
    hidden = [i for i, a in rows.items() if "email" not in a]
    assert hidden and len(hidden) < len(rows)
    for account in hidden:
        found = org.post(org.v2("users/search"), {"emails": [known[account]["email"]]}).body["data"]
        assert [a["accountId"] for a in found] == [account] and "email" not in found[0]


def test_without_guard_nobody_lists_all_tokens(start):
    org = start(users=10, args=("--scenario", "guard-lapsed"))
    assert org.get("/admin/api-access/v1/orgs/%s/api-tokens" % org.org).status == 403
    assert org.get("/admin/v1/orgs/%s" % org.org).status == 200


def test_a_flaky_organisation_fails_by_chance_of_its_seed(start):
    def troubles(org):
        seen = []
        for _ in range(120):
            try:
                seen.append(org.get("/admin/v1/orgs/" + org.org).status)
            except OSError:
                seen.append("reset")
        return [f["hits"] for f in org.faults()], seen.count("reset")

    one, two, other = (start(users=20, seed=seed, args=("--scenario", "flaky")) for seed in (3, 3, 4))
    hits, resets = troubles(one)
    assert 5 < sum(hits) < 40 and resets > 0
    assert troubles(two) == (hits, resets) and troubles(other)[0] != hits


def test_an_unknown_scenario_is_refused_with_those_that_there_are(start):
    with pytest.raises(RuntimeError, match="flaky"):
        start(users=5, args=("--scenario", "sunshine"))


# --- size ------------------------------------------------------------------------------------

def test_a_hundred_thousand_accounts_are_held_and_walked(start):
    org = start(users=100000, orphans=20)
    assert org.brief()["count"] > 100000
    path = org.v2("users/search")
    asked = {"limit": 100, "expand": ["productAccess", "groups", "platformRoles"]}
    first = org.post(path, asked).body
    assert len(first["data"]) == 100
    count = org.get(org.v2("users/count?membershipStatus=suspended")).body["count"]
    assert len(org.walk(path, {"limit": 100, "membershipStatus": ["suspended"]})) == count
    with open("/proc/%d/status" % org.process.pid) as f:
        peak = [int(line.split()[1]) for line in f if line.startswith("VmHWM")][0]
    print("peak memory %d MiB" % (peak // 1024))
