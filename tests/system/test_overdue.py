"""What should have been done and was not: with its cause and clock, and recognised when somebody did it."""
import time

import pytest

from daemon import EMPLOYMENT
from world import DAY, HOUR, World

LEAVER, BY_HAND, OWNER, STAYS = 1, 2, 3, 4


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    with World(build, tmp_path_factory.mktemp("overdue"), people=50, orphans=1) as w:
        w.push(ends={w.ordinary[LEAVER]["uid"]: "2026-11-23", w.ordinary[BY_HAND]["uid"]: "2026-11-23",
                     w.ordinary[OWNER]["uid"]: "2026-12-12"})
        w.ready()
        w.rounds()
        w.arm()
        w.clock.advance(18 * HOUR)
        w.command("sync")
        w.command("collect")
        yield w


def mail(world, who):
    return world.ordinary[who]["mail"]


def late(world):
    return {(a["email"], a["kind"]): a for a in world.json("overdue")["overdue"]}


def test_what_nobody_approved_is_overdue_with_its_clock(world):
    before = late(world)[mail(world, LEAVER), "suspend"]["late_ms"]
    world.plan()
    world.clock.advance(5 * HOUR)
    action = late(world)[mail(world, LEAVER), "suspend"]
    # the last day ended at midnight in Berlin
    assert 0 < before < 8 * HOUR and 0 <= action["late_ms"] - before - 5 * HOUR < HOUR, (before, action)
    assert (mail(world, STAYS), "suspend") not in late(world)
    assert "nobody approved plan %d" % action["plan"] in action["cause"], action
    assert mail(world, LEAVER) in world.command("overdue", "acme")
    # who leaves comes first, and their own story tells the same
    leavers = [a["leaver"] for a in world.json("overdue")["overdue"]]
    assert leavers == sorted(leavers, reverse=True) and leavers[0]
    told = world.command("why", mail(world, LEAVER))
    assert "plan %d, action" % action["plan"] in told and "nobody approved it" in told, told
    assert "overdue by" in told


def test_an_organisation_that_cannot_be_seen_is_said_first(world):
    world.rehearsal.fault("status", path="*/users/search", status=403, count=-1)
    world.json("collect", status=5)
    told = world.json("overdue")["organisations"][0]
    assert "403" in told["blind"], told
    assert "acme cannot be seen" in world.command("overdue")
    world.rehearsal.clear_faults()


def test_what_somebody_did_by_hand_is_recognised_as_done(world):
    # meanwhile an administrator did one of them in the console
    world.rehearsal.set(account=mail(world, BY_HAND), status="suspended")
    assert (mail(world, BY_HAND), "suspend") in late(world)
    world.command("collect")
    world.plan()
    answer = world.json("overdue")
    assert answer["organisations"][0]["blind"] is None
    assert (mail(world, BY_HAND), "suspend") not in late(world)
    assert (mail(world, LEAVER), "suspend") in late(world)
    done = {d["email"]: d for d in answer["done"]}
    assert set(done) == {mail(world, BY_HAND)} and done[mail(world, BY_HAND)]["plan"] is None, done
    assert done[mail(world, BY_HAND)]["seen_ms"] > done[mail(world, BY_HAND)]["due_ms"]


def test_what_a_plan_did_late_is_no_longer_overdue(world):
    plan = world.plan()
    for p in plan["plans"]:  # refused where every action is held
        world.command("approve", str(p["plan"]), "--reason", "looked at", status=(0, 4))
        world.json("apply", str(p["plan"]), "--wait", status=(0, 4))
    assert world.rehearsal.account(mail(world, LEAVER))["status"] == "suspended"
    assert (mail(world, LEAVER), "suspend") not in late(world)


def test_who_a_plan_did_not_reach_before_it_was_over_stays_overdue(world):
    who = world.ordinary[STAYS]
    world.hr.patch("Users/" + world.hr_ids[who["uid"]], [{
        "op": "replace", "value": "2026-11-23",
        "path": "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment:lastWorkingDay"}])
    world.plan()
    assert "nobody approved" in late(world)[who["mail"], "suspend"]["cause"]
    # nobody approves it, and but for the one about this change no round is made
    until, row = time.monotonic() + 60, {"cause": ""}
    while "is over (expired)" not in row["cause"]:
        assert time.monotonic() < until, row
        world.clock.advance(DAY)
        row = late(world)[who["mail"], "suspend"]
    assert row["late_ms"] > 3 * DAY, row
    # the next round plans for them again
    world.command("sync")
    world.command("collect")
    world.plan()
    assert "nobody approved" in late(world)[who["mail"], "suspend"]["cause"]


def test_a_secret_whose_owner_leaves_is_rotated_first(world):
    owner = mail(world, OWNER)
    world.command("secret", "rotate", "acme-key", "--owner", owner, stdin=world.rehearsal.key)

    token = world.folder / "hr.token"
    token.write_text(world.json("token", "new", "people", "--role", "hr-confidential")["token"] + "\n")

    def tasks(*argv):
        return {t["secret"]: t for t in world.json("overdue", *argv)["tasks"]}

    def warned():
        return [c for c in world.json("doctor", status=tuple(range(12)))["checks"] if "owner leaves" in c["text"]]

    assert tasks() == {} and warned() == []
    world.clock.advance(5 * DAY)  # 2026-11-29: fourteen days ahead
    known = tasks("--token-file", str(token))
    assert known["acme-key"]["owner"] == owner and "secret rotate acme-key" in known["acme-key"]["todo"]
    # who is to leave is told to that role alone: to others that there is something
    assert list(tasks()) == [None] and "hr-confidential" in tasks()[None]["todo"]
    assert "acme-key" not in world.command("overdue").split("owner leaves")[1]
    assert [(c["verdict"], c["target"]) for c in warned()] == [("warn", "all")]
    world.clock.advance(16 * DAY)  # the day is over everywhere: no secret any more
    assert tasks()["acme-key"]["owner"] == owner, world.json("overdue")
    assert [(c["verdict"], c["target"]) for c in warned()] == [("warn", "acme-key")]
    world.command("secret", "rotate", "acme-key", "--owner", mail(world, 5), stdin=world.rehearsal.key)
    assert tasks() == {} and warned() == []


def test_an_administrator_who_left_has_keys_to_be_rotated(world):
    people = {p["mail"]: p for p in world.people if p["uid"] in world.hr_ids}
    admins = [a for a in world.json("accounts", "--limit", "0")["accounts"] if a["org_admin"] and a["email"] in people]
    assert admins and not world.json("overdue")["keys"]
    who = people[admins[0]["email"]]
    world.hr.patch("Users/" + world.hr_ids[who["uid"]], [
        {"op": "replace", "path": EMPLOYMENT + ":lastWorkingDay", "value": "2026-12-20"}])
    assert not world.json("overdue")["keys"]  # an end that lies ahead is not for everybody
    world.clock.advance(30 * DAY)
    keys = world.json("overdue")["keys"]
    assert [k["email"] for k in keys] == [who["mail"]] and "API keys" in keys[0]["todo"], keys
    assert who["mail"] in world.command("overdue").split("keys they made")[1]
    warned = [c for c in world.json("doctor", status=tuple(range(12)))["checks"] if c["check"] == "keys"]
    assert len(warned) == 1 and warned[0]["verdict"] == "warn" and who["mail"] in warned[0]["text"]
    world.clock.advance(90 * DAY)
    assert not world.json("overdue")["keys"]
