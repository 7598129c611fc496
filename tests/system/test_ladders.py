"""Ladders of rules: a tag, a group that is left, a warning of the account, a deletion; each planned, done, read back and
undone where it can be."""
import pytest

from daemon import EMPLOYMENT
from rehearsal import DAY, HOUR
from sites import SiteWorld
from test_approvals import enrol, refused, signed
from world import POLICY, World, actions

EMPLOYMENT = "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment"

LADDERS = POLICY + """\
  rules:
    - name: leaver-hr
      then: [suspend, tag Gone, remove-group Choir, deactivate after 7d, delete after 40d]
    - name: idle-account
      for: account
      when: name eq "Idle Person" and status eq "active" and lastActive lt now-100d
      anchor: lastActive + 100d
      class: inactive
      then: [warn, suspend after 14d]
"""


@pytest.fixture
def world(build, tmp_path):
    with World(build, tmp_path, people=60, orphans=3, policy=LADDERS) as w:
        w.push(ends={w.ordinary[4]["uid"]: "2026-11-23"})
        w.ready()
        w.rounds()
        w.arm()
        rows = w.folder / "groups.csv"
        rows.write_text("group\nGone\nChoir\n", encoding="utf-8")
        carried_out(w, w.json("bulk", str(rows), "--do", "create-group", "--reason", "for ladders"))
        collected(w)
        join(w, w.ordinary[4]["mail"], "Choir")
        collected(w)
        yield w


def join(world, who, name):
    """As an administrator does by hand."""
    groups = world.rehearsal.account(who)["groups"]
    world.rehearsal.control("POST", "set", {"account": who, "groups": groups + [name]})


def collected(world):
    world.clock.advance(60_000)
    world.command("collect")


def carried_out(world, answer):
    done = []
    for p in answer["plans"]:
        world.command("approve", str(p["plan"]), "--reason", "looked at")
        done += world.json("apply", str(p["plan"]), "--wait")["actions"]
    return done


def urgent(answer):
    return {"plans": [p for p in answer["plans"] if p["urgency"] == "urgent"]}


def days(world, n, hours=1):
    world.clock.advance(n * DAY + hours * HOUR)
    world.command("sync")
    world.command("collect")


def states(done, email):
    return {(a["kind"], a["state"]) for a in done if a["email"] == email}


def test_a_leaver_is_marked_leaves_a_group_and_gets_both_back(world):
    who = world.ordinary[4]["mail"]
    assert "Choir" in world.rehearsal.account(who)["groups"]
    days(world, 1)
    plan = world.plan()
    mine = {a["kind"]: a for p in plan["plans"] for a in world.json("show", str(p["plan"]))["actions"]
            if a["email"] == who}
    assert set(mine) == {"suspend", "add-groups", "remove-groups"} and not any(a["held_by"] for a in mine.values())
    done = carried_out(world, plan)
    assert states(done, who) == {("suspend", "done"), ("add-groups", "done"), ("remove-groups", "done")}
    groups = world.rehearsal.account(who)["groups"]
    assert "Gone" in groups and "Choir" not in groups
    assert world.rehearsal.twice() == {}
    # done is done: nothing is planned for them until they are deactivated
    collected(world)
    assert not [a for a in actions(world.plan(), rule="leaver-hr") if a["email"] == who]

    back = world.json("undo", who, "--reason", "stays after all")
    assert sorted(a["kind"] for p in back["plans"] for a in p["actions"]) == ["add-groups", "remove-groups", "restore"]
    assert {a["state"] for a in carried_out(world, back)} == {"done"}
    groups = world.rehearsal.account(who)["groups"]
    assert "Gone" not in groups and "Choir" in groups and world.rehearsal.account(who)["status"] == "active"


def test_who_is_hired_again_is_on_again_and_in_their_groups(world):
    p = world.ordinary[4]
    who = p["mail"]
    for wait in (1, 8):
        days(world, wait)
        carried_out(world, world.plan())
    account = world.rehearsal.account(who)
    assert account["status"] == "deactivated" and "Choir" not in account["groups"]
    # hired again, from the day after tomorrow on, where she lives
    world.hr.patch("Users/" + world.hr_ids[p["uid"]], [
        {"op": "remove", "path": EMPLOYMENT + ":lastWorkingDay"},
        {"op": "replace", "value": {EMPLOYMENT: {"startDate": "2026-12-04", "timeZone": "UTC"}}}])
    days(world, 0)
    plan = world.plan()
    back = {a["kind"]: a for a in actions(plan, rule="rehired") if a["email"] == who}
    assert set(back) == {"enable", "add-groups"}, plan["actions"]
    assert not any(a["automatic"] for a in back.values())
    assert [s["op"] for s in back["enable"]["steps"]] == ["enable", "restore"]
    assert {a["due"] for a in back.values()} == {"2026-12-04T00:00:00Z"}, back
    days(world, 2)
    told = world.command("why", who)
    assert "rehired" in told, told
    done = carried_out(world, urgent(world.plan()))
    assert states(done, who) == {("enable", "done"), ("add-groups", "done")}, done
    account = world.rehearsal.account(who)
    assert account["status"] == "active" and "Choir" in account["groups"]
    collected(world)
    assert not [a for a in actions(world.plan()) if a["email"] == who], "given back once"
    assert world.rehearsal.twice() == {}


def test_a_deletion_is_planned_after_its_time_held_by_what_is_owned_and_for_two(world):
    who = world.ordinary[4]["mail"]
    days(world, 1)
    carried_out(world, world.plan())
    days(world, 8)
    assert states(carried_out(world, world.plan()), who) == {("deactivate", "done")}
    days(world, 20)
    assert not [a for a in actions(world.plan(), rule="leaver-hr") if a["email"] == who]
    days(world, 14)
    held = [a for a in actions(world.plan(), rule="leaver-hr", held=True) if a["email"] == who]
    assert [(a["kind"], a["held_by"]) for a in held] == [("delete", ["owns"])], held
    assert held[0]["needs"] == 2 and not held[0]["automatic"]
    assert "no site is configured" in held[0]["says"][0]


def test_an_idle_account_is_warned_and_suspended_only_after_its_wait(world):
    who = world.ordinary[8]["mail"]
    last = {label: 200 for label in world.rehearsal.account(who)["lastActive"]}
    world.rehearsal.control("POST", "set", {"account": who, "lastActive": last, "name": "Idle Person"})
    days(world, 0)
    done = carried_out(world, world.plan())
    assert ("warn-account", "done") in states(done, who)
    letters = [p.read_text(encoding="utf-8") for p in world.notices.rglob("*") if p.is_file()]
    mine = [t for t in letters if who in t and "you have not used your Atlassian account of acme" in t]
    assert len(mine) == 1, letters
    days(world, 10)
    assert not [a for a in actions(world.plan(), rule="idle-account") if a["email"] == who]
    days(world, 5)
    assert ("suspend", "done") in states(carried_out(world, world.plan()), who)
    assert world.rehearsal.account(who)["status"] == "suspended"


DELETES = """\
    - name: leaver-hr
      then: [suspend, revoke-tokens, hand-over, deactivate after 7d, delete after 40d]
"""


def test_a_rule_deletes_past_every_hold_by_two_people_and_within_the_grace_it_comes_back(build, tmp_path):
    """The ladder to its end: blocked, handed over, off, and then gone, but not while anything holds it."""
    with SiteWorld(build, tmp_path, policy=DELETES) as w:
        w.works({"filters": [{"site": "acme", "id": "300", "name": "Mine", "owner": "lea@example.com"}]})
        w.push(leaving={"lea": "2026-11-23"})
        w.arm()
        enrol(w)
        for wait in (1, 8):
            days_of(w, wait)
            plan = w.plan()
            w.approve(plan)
            w.apply(plan)
        lea = w.account("lea")
        assert lea["status"] == "deactivated"
        assert w.works()["filters"][0]["owner"] == w.account("mia")["id"]
        days_of(w, 25)
        assert not actions(w.plan()), "forty days are not over"

        # due, and under a hold of HR's: nobody can let it go
        hold(w, True)
        days_of(w, 10)
        plan = w.plan()
        held = actions(plan, kind="delete", held=True)
        assert [(a["email"], a["held_by"]) for a in held] == [("lea@example.com", ["legal-hold"])], held
        told = refused(w, "approve", str(plan["plans"][0]["plan"]), "--reason", "x", "--release", "legal-hold")
        assert "legal-hold" in told, told

        # the hold is over: two people, each with a key of their own
        hold(w, False)
        w.command("sync")
        plan = w.plan()
        (delete,) = actions(plan, kind="delete")
        assert delete["needs"] == 2 and not delete["automatic"], delete
        number = str(plan["plans"][0]["plan"])
        signed(w, "ada", "approve", number, "--reason", "forty days are over")
        w.json("apply", number, status=(0, 4))
        assert w.account("lea")["status"] == "deactivated", "one person is not two"
        signed(w, "bob", "approve", number, "--reason", "looked at it too")
        done = w.json("apply", number, "--wait")["actions"]
        assert [(a["kind"], a["state"]) for a in done] == [("delete", "done")], done
        assert w.account("lea")["status"] == "for_deletion"
        assert len(w.rehearsal.effects("delete", lea["id"])) == 1 and w.rehearsal.twice() == {}
        days_of(w, 1)
        assert not actions(w.plan()), "what is being deleted is left alone"

        # within the fourteen days of grace it can be had back
        days_of(w, 10)
        back = w.json("undo", "lea@example.com", "--reason", "a court asks for it")
        assert "cancel-delete" in [a["kind"] for p in back["plans"] for a in p["actions"]], back
        for p in back["plans"]:
            w.command("approve", str(p["plan"]), "--reason", "asked by a court")
            w.json("apply", str(p["plan"]), "--wait")
        assert w.account("lea")["status"] != "for_deletion"
        w.command("audit", "verify")


def days_of(world, n):
    world.clock.advance(n * DAY + HOUR)
    world.command("collect")


def hold(world, on):
    world.hr.patch("Users/" + world.ids["lea"], [{"op": "replace", "path": EMPLOYMENT + ":legalHold", "value": on}])
