"""Ladders of rules: a tag, a group that is left, a warning of the account, a deletion; each planned, done, read back and
undone where it can be."""
import pytest

from rehearsal import DAY, HOUR
from world import POLICY, World, actions

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
