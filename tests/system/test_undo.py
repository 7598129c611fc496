"""leaverd undo: what was taken is given back, is not taken again tonight, and what somebody else
changed since stays as it is."""
import json

import pytest

from daemon import CommandFault
from world import DAY, HOUR, World, actions


@pytest.fixture
def world(build, tmp_path):
    with World(build, tmp_path, people=60, orphans=3) as w:
        # two whose last working day is the Monday of the clock; the first has API tokens
        w.tokens = {a["email"] for a in w.rehearsal.accounts("ordinary") if a["tokens"]}
        w.ordinary.sort(key=lambda p: p["mail"] not in w.tokens)
        w.mistaken, w.other = w.ordinary[0], w.ordinary[5]
        w.push(ends={p["uid"]: "2026-11-23" for p in (w.mistaken, w.other)})
        w.ready()
        w.rounds()
        w.arm()
        yield w


def morning(world, days=0, hours=18):
    world.clock.advance(days * DAY + hours * HOUR)
    world.command("sync")
    world.command("collect")


def carried_out(world):
    plan = world.plan()
    world.approve(plan)
    return world.apply(plan)


def undone(world, *what):
    answer = world.json("undo", *what, "--reason", "the end date was a mistake")
    return answer["plans"][0]


def given_back(world, row):
    world.command("approve", str(row["plan"]), "--reason", "checked with HR")
    return world.json("apply", str(row["plan"]), "--wait")["actions"]


def test_a_leaver_who_was_none_is_restored_and_not_suspended_again_tonight(world):
    morning(world)
    mistaken, other = world.mistaken["mail"], world.other["mail"]
    carried_out(world)
    assert world.rehearsal.account(mistaken)["status"] == "suspended"
    row = undone(world, mistaken)
    assert [(a["kind"], a["class"], a["rule"], a["email"]) for a in row["actions"]] == \
        [("restore", "restore", "undo", mistaken)]
    assert row["actions"][0]["verdict"] == "pass" and not row["held"]
    assert "leaver-hr" in row["actions"][0]["reason"] and "a mistake" in row["actions"][0]["reason"]
    assert [b["rule"] for b in row["bars"]] == ["leaver-hr"]
    assert mistaken not in world.tokens or "revoked tokens do not come back" in json.dumps(row["left"])
    assert world.rehearsal.account(mistaken)["status"] == "suspended"  # nobody approved it yet
    assert [a["state"] for a in given_back(world, row)] == ["done"]
    assert world.rehearsal.account(mistaken)["status"] == "active"
    assert world.rehearsal.account(other)["status"] == "suspended"
    morning(world)
    again = world.plan()
    assert not [a for a in actions(again) if a["email"] == mistaken]
    held = [a for a in actions(again, held=True) if a["email"] == mistaken]
    assert held and all(a["held_by"] == ["bar"] for a in held)
    assert world.rehearsal.twice() == {}
    world.command("audit", "verify")


def test_what_deactivated_after_suspending_comes_back_in_one_action(world):
    morning(world)
    carried_out(world)
    morning(world, days=7)
    mistaken = world.mistaken["mail"]
    carried_out(world)
    assert world.rehearsal.account(mistaken)["status"] == "deactivated"
    row = undone(world, mistaken)
    back = [a for a in row["actions"] if a["kind"] == "enable"]
    assert [a["kind"] for a in row["actions"]] == ["enable"]
    assert back[0]["before"] == {"status": "deactivated"} and back[0]["after"] == {"status": "active"}
    assert [a["state"] for a in given_back(world, row)] == ["done"]
    assert world.rehearsal.account(mistaken)["status"] == "active"


def test_a_freed_seat_comes_back_by_the_same_path(world):
    carried_out(world)
    morning(world, days=14)
    plan = world.plan()
    world.approve(plan)
    freed = [a for answer in world.apply(plan) for a in answer["actions"]
             if a["kind"] == "free-seat" and a["state"] == "done"]
    assert freed
    seats = world.rehearsal.seats()
    had = set(world.rehearsal.account(freed[0]["account_id"])["seats"])
    row = undone(world, freed[0]["email"])
    mine = [a for a in row["actions"] if a["product"] == freed[0]["product"]]
    assert [(a["kind"], a["class"]) for a in mine] == [("free-seat", "restore")]
    assert {a["state"] for a in given_back(world, row)} <= {"done", "already"}
    assert set(world.rehearsal.account(freed[0]["account_id"])["seats"]) > had
    assert sum(world.rehearsal.seats().values()) > sum(seats.values())
    morning(world)
    again = world.plan()
    assert not [a for a in actions(again, kind="free-seat") if a["email"] == freed[0]["email"]]


def test_a_whole_plan_is_undone_and_a_second_time_nothing_is_left(world):
    morning(world)
    plan = world.plan()
    number = next(p["plan"] for p in plan["plans"] if p["urgency"] == "urgent")
    world.approve(plan)
    world.apply(plan)
    row = undone(world, "--plan", str(number))
    gone = {a["email"] for a in world.json("show", str(number))["actions"] if a["kind"] == "suspend"}
    assert gone >= {world.mistaken["mail"], world.other["mail"]}
    assert {a["email"] for a in row["actions"]} == gone
    given_back(world, row)
    for mail in gone:
        assert world.rehearsal.account(mail)["status"] == "active"
    # again by person: the restore is known, so nothing is done twice
    second = undone(world, world.mistaken["mail"])
    assert "plan" not in second and "given back already" in json.dumps(second["left"])


def test_what_somebody_changed_since_is_left_alone(world):
    morning(world)
    carried_out(world)
    mistaken = world.mistaken["mail"]
    row = undone(world, mistaken)
    world.rehearsal.control("POST", "set", {"account": mistaken, "status": "deactivated"})
    done = given_back(world, row)
    assert [a["state"] for a in done] == ["skipped"] and "changed since" in done[0]["result"]
    assert world.rehearsal.account(mistaken)["status"] == "deactivated"


def test_a_round_does_not_push_an_undo_aside(world):
    morning(world)
    carried_out(world)
    row = undone(world, world.mistaken["mail"])
    morning(world)
    world.plan()
    standing = {p["plan"]: p["state"] for p in world.json("plans", "--all")["plans"]}
    assert standing[row["plan"]] == "open"


def test_undo_says_what_it_needs(world):
    somebody = world.ordinary[7]["mail"]
    for argv, status, says in (
            ((), 2, "Give WHO, or --plan"),
            ((somebody, "--plan", "1"), 2, "Give WHO, or --plan"),
            ((somebody, "--action", "1"), 2, "names an action of a --plan"),
            ((somebody,), 10, "nothing was done there in that time"),
            (("nobody@x.example",), 10, "nobody here is named"),
            (("--plan", "99"), 10, "nothing that was done by plan 99")):
        with pytest.raises(CommandFault) as caught:
            world.command("undo", *argv, "--reason", "x")
        assert (caught.value.status, says in caught.value.err) == (status, True), caught.value.err
