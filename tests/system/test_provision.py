"""User provisioning: leaverd as the identity provider of an organisation with Guard."""
import datetime
import json

import pytest

from daemon import scim_user
from world import DAY, HOUR, World, actions

DIRECTORY = "00000000-0000-4000-8000-00005c130001"
KEY = "rehearsal-scim-key"
SECTION = """\
    provisioning:
      directory: %s
      key: acme-scim
      issuer: idp
      scope: 'userName sw "joiner-"'
      groups:
        - { name: sales-team, when: 'enterprise.department eq "Sales"' }
schedule:"""


class Directory:
    """The SCIM directory at Atlassian, asked as somebody beside leaverd would."""

    def __init__(self, world):
        self.rehearsal = world.rehearsal
        self.base = "/scim/directory/%s/" % DIRECTORY

    def all(self, kind):
        return self.rehearsal.get(self.base + kind, key=KEY).body["Resources"]

    def user(self, mail):
        found = [u for u in self.all("Users") if u["userName"] == mail]
        return found[0] if found else None

    def members(self, name):
        groups = [g for g in self.all("Groups") if g["displayName"] == name]
        return {m["display"] for g in groups for m in g["members"]}

    def change(self, user, path, value):
        answer = self.rehearsal.request("PATCH", self.base + "Users/" + user["id"], key=KEY, body={
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": path, "value": value}]})
        assert answer.status == 200, answer


def person(world, n, department="Sales"):
    mail = "joiner-%s@%s" % (n, world.ordinary[0]["mail"].split("@")[1])
    return {"mail": mail, "uid": "j%s" % n, "cn": "Joan %s" % n.title(), "givenName": "Joan",
            "sn": n.title(), "employeeNumber": "9%s" % n, "ou": department}


def send(world, p, **employment):
    """HR and the identity provider send a person; the ids of its records."""
    hr = world.hr.create(scim_user(p, employment=dict({"status": "active"}, **employment)))
    return hr["id"], world.idp.create(scim_user(p))["id"]


def look(world):
    world.command("sync")
    return world.json("collect")


def do(world, plan):
    world.approve(plan, status=(0, 4))  # 4: a plan of which everything is held
    return [a for answer in world.apply(plan) for a in answer["actions"]]


def restart(w):
    w.daemon.stop()
    w.daemon.start()
    w.hr.port = w.idp.port = w.daemon.scim_port
    w.hr.local.connection = w.idp.local.connection = None


@pytest.fixture
def world(build, tmp_path, request):
    with World(build, tmp_path, people=40, orphans=0) as w:
        w.push()
        w.ready()
        text = w.daemon.config.read_text()
        section = getattr(request, "param", SECTION)
        w.daemon.write_config(text.replace("schedule:", section % DIRECTORY, 1))
        restart(w)
        w.command("secret", "set", "acme-scim", stdin=KEY)
        w.rounds()
        w.arm()
        # the accounts of records that carry an externalId of ours are ours
        w.command("match", "approve", "scim-id")
        w.there = Directory(w)
        yield w
        # never: a record is switched off, not deleted
        assert not [e for e in w.rehearsal.effects() if e["op"] == "scim-delete"]


def kinds(plan, held=False):
    return sorted(a["kind"] for a in actions(plan, held=held) if a["class"] == "provision")


def test_a_person_joins_drifts_leaves_and_comes_back(world):
    p = person(world, "ada")
    hr, _ = send(world, p)
    look(world)
    # joins
    plan = world.plan()
    assert kinds(plan) == ["provision"], plan["actions"]
    joiner = actions(plan, kind="provision")[0]
    assert [s["op"] for s in joiner["steps"]] == ["scim-create", "scim-make-group", "scim-join"]
    assert world.there.user(p["mail"]) is None, "planned is not done"
    assert {a["state"] for a in do(world, plan) if a["class"] == "provision"} == {"done"}
    user = world.there.user(p["mail"])
    assert user["externalId"] == p["uid"] and user["active"]
    assert user["name"] == {"givenName": "Joan", "familyName": "Ada"}
    assert world.there.members("sales-team") == {p["mail"]}
    account = world.rehearsal.account(p["mail"])
    assert account["status"] == "active"
    look(world)
    assert kinds(world.plan()) == [], "what was done is not planned again"
    # drifts: somebody changes the record, and HR the department
    world.there.change(user, "displayName", "Somebody Else")
    world.hr.patch("Users/" + hr, [{"op": "replace", "value": {
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Legal"}}}])
    world.clock.advance(HOUR)
    look(world)
    plan = world.plan()
    assert kinds(plan) == ["leave-groups", "update-profile"], plan["actions"]
    update = actions(plan, kind="update-profile")[0]
    assert "displayName" in update["reason"] and "Somebody" not in update["reason"]
    assert "displayName" in world.command("why", p["mail"])
    world.clock.advance(HOUR)
    do(world, plan)
    user = world.there.user(p["mail"])
    assert user["displayName"] == p["cn"]
    assert world.there.members("sales-team") == set()
    # leaves: active:false through the directory, since only it may switch a synced account off
    world.hr.patch("Users/" + hr, [{"op": "replace", "value": {
        "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment": {
            "lastWorkingDay": "2026-11-23", "timeZone": "UTC"}}}])
    world.clock.advance(15 * HOUR)
    look(world)
    do(world, world.plan())
    assert world.rehearsal.account(p["mail"])["status"] == "suspended"
    assert world.there.user(p["mail"])["active"], "suspended first, by the ladder"
    world.clock.advance(7 * DAY)
    look(world)
    plan = world.plan()
    off = [a for a in actions(plan, kind="deactivate") if a["email"] == p["mail"]]
    assert [s["op"] for a in off for s in a["steps"]] == ["scim-deactivate"], plan["actions"]
    do(world, plan)
    assert world.there.user(p["mail"])["active"] is False
    assert world.rehearsal.account(p["mail"])["status"] == "deactivated"
    # comes back: only after a person approved it
    world.hr.patch("Users/" + hr, [{"op": "remove", "path":
        "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment:lastWorkingDay"}])
    look(world)
    plan = world.plan()
    assert "reprovision" in kinds(plan), plan["actions"]
    assert not actions(plan, kind="reprovision")[0]["automatic"]
    assert world.there.user(p["mail"])["active"] is False
    back = actions(plan, kind="reprovision")[0]
    assert [s["op"] for s in back["steps"]] == ["scim-activate", "restore"], back
    assert (back["before"]["status"], back["after"]["status"]) == ("deactivated", "active")
    assert "restored with it" in world.command("why", p["mail"])
    assert not [a for a in actions(plan) if a["kind"] in ("restore", "enable")], plan["actions"]
    assert world.there.user(p["mail"])["active"] is False
    assert [a["state"] for a in do(world, plan) if a["kind"] == "reprovision"] == ["done"]
    assert world.there.user(p["mail"])["active"] is True
    assert world.rehearsal.account(p["mail"])["status"] == "active"
    look(world)
    assert not [a for a in actions(world.plan()) if a["email"] == p["mail"]]
    assert world.rehearsal.twice() == {}


def test_what_the_directory_switched_off_is_switched_on_again_by_undo(world):
    p = person(world, "eve")
    hr, _ = send(world, p)
    look(world)
    do(world, world.plan())
    world.hr.patch("Users/" + hr, [{"op": "replace", "value": {
        "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment": {
            "lastWorkingDay": "2026-11-23", "timeZone": "UTC"}}}])
    for wait in (15 * HOUR, 7 * DAY):
        world.clock.advance(wait)
        look(world)
        do(world, world.plan())
    assert world.there.user(p["mail"])["active"] is False
    row = world.json("undo", p["mail"], "--reason", "the date was a mistake")["plans"][0]
    back = [a for a in row["actions"] if a["rule"] == "undo"]
    assert [[s["op"] for s in a["steps"]] for a in back] == [["scim-activate", "restore"]], row
    world.command("approve", str(row["plan"]), "--reason", "checked with HR")
    done = world.json("apply", str(row["plan"]), "--wait")["actions"]
    assert [a["state"] for a in done] == ["done"], done
    assert world.there.user(p["mail"])["active"] is True
    assert world.rehearsal.account(p["mail"])["status"] == "active"


def test_nobody_is_told_of_before_the_first_day(world):
    send(world, person(world, "bea"), startDate="2026-12-08", timeZone="Europe/Berlin")
    look(world)
    assert kinds(world.plan()) == []
    world.clock.advance(13 * DAY)
    look(world)
    plan = world.plan()
    assert kinds(plan) == ["provision"], plan["actions"]
    assert actions(plan, kind="provision")[0]["due"].startswith("2026-12-07T23:00:00")


LATER_AND_EARLIER = SECTION.replace("'enterprise.department eq \"Sales\"'",
                                    "'enterprise.department eq \"Sales\"', overlap: 14d"
                                    ).replace("issuer:", "preboard: 3d\n      issuer:")


@pytest.mark.parametrize("world", [LATER_AND_EARLIER], indirect=True, ids=["overlap"])
def test_a_mover_keeps_a_group_for_its_overlap_and_a_joiner_comes_days_before(world):
    p = person(world, "ada")
    hr, _ = send(world, p)
    look(world)
    do(world, world.plan())
    assert world.there.members("sales-team") == {p["mail"]}

    def move(department):
        world.hr.patch("Users/" + hr, [{"op": "replace", "value": {
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                {"department": department}}}])
        world.clock.advance(HOUR)
        look(world)
        plan = world.plan()
        assert kinds(plan) == ["update-profile"], plan["actions"]
        do(world, plan)
        return plan

    assert "provision-overlap" in json.dumps(move("Legal"))
    told = world.command("why", p["mail"])
    assert "stays in group sales-team until 2026-12-07T" in told, told
    # in between serve ends, and begins again
    restart(world)
    world.clock.advance(7 * DAY)
    look(world)
    assert kinds(world.plan()) == []
    assert "stays in group sales-team until 2026-12-07T" in world.command("why", p["mail"])
    # back, and away again: the overlap begins anew
    assert "provision-overlap" not in json.dumps(move("Sales"))
    assert "stays in group" not in world.command("why", p["mail"])
    move("Legal")
    assert "stays in group sales-team until 2026-12-14T" in world.command("why", p["mail"])
    world.clock.advance(13 * DAY)
    look(world)
    plan = world.plan()
    assert kinds(plan) == ["leave-groups"], plan["actions"]
    assert actions(plan, kind="leave-groups")[0]["due"].startswith("2026-12-14T")
    assert world.there.members("sales-team") == {p["mail"]}
    world.clock.advance(DAY)
    look(world)
    do(world, world.plan())
    assert world.there.members("sales-team") == set()
    assert "stays in group" not in world.command("why", p["mail"])
    # somebody who begins in Berlin in five days is told of in two, from midnight there
    today = datetime.datetime.fromtimestamp(world.clock.now_ms() / 1000, datetime.timezone.utc)
    begins = today.date() + datetime.timedelta(days=5)
    send(world, person(world, "bea"), startDate=str(begins), timeZone="Europe/Berlin")
    look(world)
    due = [a["due"] for a in actions(world.plan(), kind="provision")]
    assert due == ["%sT23:00:00Z" % (begins - datetime.timedelta(days=4))], due


def test_a_directory_that_was_not_read_changes_nothing(world):
    send(world, person(world, "cid"))
    world.rehearsal.fault("status", path="/scim/directory/*/Groups", status=403, count=-1)
    told = look(world)
    assert "provisioning" in str(told) and "403" in str(told), told
    plan = world.plan()
    assert kinds(plan) == [] and kinds(plan, held=True) == []
    assert "provision-unread" in json.dumps(plan), plan


def test_an_answer_that_was_lost_makes_no_second_record(world):
    p = person(world, "dot")
    send(world, p)
    look(world)
    plan = world.plan()
    # the record is made, and the answer never comes
    world.rehearsal.fault("reset", path="/scim/directory/*/Users", method="POST", count=1,
                          effect=True)
    do(world, plan)
    assert len([u for u in world.there.all("Users") if u["userName"] == p["mail"]]) == 1
    assert len(world.rehearsal.effects("scim-create")) == 1


def test_an_address_that_is_taken_is_held_or_refused_in_words(world):
    p = person(world, "eve")
    send(world, p)
    look(world)
    plan = world.plan()
    taken = dict(p, uid="other", sn="Other", givenName="An", employeeNumber=None)
    answer = world.rehearsal.post(world.there.base + "Users", key=KEY, body=scim_user(taken))
    assert answer.status == 201, answer
    done = do(world, plan)
    assert {a["state"] for a in done} & {"skipped", "failed"}, done
    assert "record" in str(done), done
    assert world.there.user(p["mail"])["externalId"] == "other"


def test_doctor_looks_at_the_directory(world):
    told = world.json("doctor", status=(0, 1, 2, 3, 4))
    rows = [c for c in told["checks"] if c["check"] == "provisioning"]
    assert [c["verdict"] for c in rows] == ["ok"], told["checks"]
    world.command("secret", "set", "acme-scim", stdin="another")
    rows = [c for c in world.json("doctor", status=(0, 1, 2, 3, 4))["checks"]
            if c["check"] == "provisioning"]
    assert [c["verdict"] for c in rows] == ["bad"], rows
