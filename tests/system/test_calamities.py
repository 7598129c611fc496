"""What administrators fear, lived through to its end: nobody loses access who should not, whoever
should is late by as little as can be, and it is said why."""
import json
import signal
import sqlite3
import time

import pytest

import world as worlds
from daemon import EMPLOYMENT, scim_user
from test_approvals import enrol, signed
from world import DAY, HOUR, World, actions

# A rehearsal has more idle seats than a company should have; all else is as shipped.
SHIPPED = "  limits: { inactive_week: { count: 5, share: 80 % } }\n"
FRIDAY_EVENING = 4 * DAY + 9 * HOUR  # from Monday 09:00: 18:00 UTC, 19:00 in Berlin


@pytest.fixture
def live(build, tmp_path):
    """A world, pushed and armed, with limits as they are shipped where a story wants them so."""
    made = []

    def begin(people=60, policy=worlds.POLICY, **more):
        w = World(build, tmp_path, people=people, orphans=1, policy=policy, **more)
        made.append(w)
        w.push()
        w.ready()
        w.rounds()
        w.arm()
        return w

    yield begin
    for w in made:
        w.close()


def ends(world, people, day):
    """HR marks their last working day."""
    for p in people:
        world.hr.patch("Users/" + world.hr_ids[p["uid"]], [{
            "op": "replace", "path": "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment:lastWorkingDay",
            "value": day}])


def seen(world, hours):
    world.clock.advance(hours * HOUR)
    world.command("sync")
    world.command("collect")


def statuses(world, people):
    return {world.rehearsal.account(p["mail"])["status"] for p in people}


def carried_out(world):
    """Approves and applies what is not held."""
    plan = world.plan()
    for p in plan["plans"]:
        if not p["held"] and [a for a in p["actions"] if a.get("verdict") != "held"]:
            world.command("approve", str(p["plan"]), "--reason", "looked at")
            world.json("apply", str(p["plan"]), "--wait")
    return plan


def test_a_layoff_of_twelve_percent_waits_for_two_people_who_announce_it(live):
    world = live(policy=SHIPPED)
    gone = world.ordinary[:max(4, len(world.staff) * 12 // 100)]
    ends(world, gone, "2026-11-23")
    seen(world, 18)
    plan = world.plan()
    urgent = next(p for p in plan["plans"] if p["urgency"] == "urgent")
    assert {a["email"] for a in urgent["actions"] if (a["rule"], a["kind"]) == ("leaver-hr", "suspend")} == \
        {p["mail"] for p in gone}
    day = next(g for g in urgent["guards"] if g["name"] == "limit-leavers-day")
    assert urgent["held"] and day["verdict"] == "hold-plan" and day["needs"] == 2
    # one person's word is not enough for so many
    world.command("approve", str(urgent["plan"]), "--reason", "looked at")
    world.command("release", str(urgent["plan"]), "limit-leavers-day", "--reason", "they do leave")
    world.command("release", str(urgent["plan"]), "limit-leavers-week", "--reason", "they do leave")
    world.command("apply", str(urgent["plan"]), "--wait", status=(0, 4, 5))
    assert statuses(world, gone) == {"active"}
    late = {o["email"] for o in world.json("overdue")["overdue"]}
    assert late >= {p["mail"] for p in gone}
    # announced by two: the limit passes for exactly these, in a plan that knows of it
    world.command("reject", str(urgent["plan"]), "--reason", "they are announced instead")
    enrol(world)
    listing = world.folder / "leavers.txt"
    listing.write_text("".join(p["mail"] + "\n" for p in gone))
    number = str(world.json("expect", "--file", str(listing), "--until", "2026-11-30", "--reason",
                            "closing of a branch")["number"])
    signed(world, "ada", "expect", "approve", number, "--reason", "HR says so")
    urgent = next(p for p in world.plan()["plans"] if p["urgency"] == "urgent")
    assert urgent["held"]
    signed(world, "bob", "expect", "approve", number, "--reason", "HR says so")
    extra = world.ordinary[len(gone)]
    plan = world.plan()
    assert {a["email"] for a in actions(plan, "leaver-hr", "suspend")} == {p["mail"] for p in gone}
    world.approve(plan)
    world.apply(plan)
    assert statuses(world, gone) == {"suspended"} and statuses(world, [extra]) == {"active"}
    assert world.rehearsal.twice() == {}


def test_an_identity_provider_that_is_dead_for_a_week_takes_nobody_with_it(live, monkeypatch):
    idp = "  - name: idp\n    kind: scim\n    role: idp\n    max_age: 31d\n"
    assert idp in worlds.CONFIG
    monkeypatch.setattr(worlds, "CONFIG", worlds.CONFIG.replace(idp, idp.replace("31d", "36h")))
    world = live()
    leaver = world.ordinary[0]
    before = {a["email"]: a["status"] for a in world.rehearsal.accounts()}
    for _ in range(7):  # silence
        seen(world, 24)
        assert not [a for a in actions(world.plan()) if a["rule"] in ("leaver-push", "leaver-gone", "leaver-hr-off", "leaver-hr-gone")]
    status = {s["source"]: s for s in world.json("source", "status")["sources"]}
    assert status["idp"]["accepted_ms"] is None and status["idp"]["state"] == "ready"
    # who HR says has left goes all the same
    ends(world, [leaver], "2026-11-30")
    seen(world, 18)
    plan = carried_out(world)
    assert {a["email"] for a in actions(plan, "leaver-hr", "suspend")} == {leaver["mail"]}
    after = {a["email"]: a["status"] for a in world.rehearsal.accounts()}
    # and nobody but those of whom HR or the directory say so themselves, and an orphan
    said = {a["email"] for a in actions(plan, kind="suspend")
            if a["rule"] in ("leaver-hr", "leaver-directory", "orphan")}
    assert leaver["mail"] in said and {m for m in after if after[m] != before[m]} == said


def test_a_key_that_expires_on_friday_evening_makes_leavers_late_and_not_forgotten(live):
    world = live()
    leaver = world.ordinary[0]
    world.command("secret", "rotate", "acme-key", "--expires", "2026-11-27T18:00:00Z",
                  stdin=world.rehearsal.key)
    assert "acme-key" in world.command("doctor", status=(0, 1, 2, 3, 4, 5, 6))
    ends(world, [leaver], "2026-11-27")
    world.clock.advance(FRIDAY_EVENING - (world.clock.now_ms() - int(worlds.MONDAY.timestamp() * 1000)))
    fault = dict(path="/admin/*", status=401, count=-1)
    world.rehearsal.fault("status", **fault)
    world.clock.advance(8 * HOUR)  # Saturday in Berlin
    world.command("sync")
    world.command("collect", status=4)
    late = world.json("overdue")
    assert late["organisations"][0]["blind"], late
    assert statuses(world, [leaver]) == {"active"}
    # Monday: another key; nobody has to remember whom
    world.clock.advance(2 * DAY)
    world.rehearsal.clear_faults()
    world.command("secret", "rotate", "acme-key", stdin=world.rehearsal.key)
    seen(world, 1)
    plan = carried_out(world)
    assert leaver["mail"] in {a["email"] for a in actions(plan, "leaver-hr", "suspend")}
    assert statuses(world, [leaver]) == {"suspended"}


def test_a_recycled_address_gives_nobody_the_account_of_another(live):
    world = live()
    left = world.ordinary[0]
    ends(world, [left], "2026-11-23")
    seen(world, 18)
    carried_out(world)
    account = world.rehearsal.account(left["mail"])
    assert account["status"] == "suspended"
    # months later somebody new is given the address
    for client, ids in ((world.hr, world.hr_ids), (world.idp, world.idp_ids)):
        client.delete("Users/" + ids[left["uid"]])
    seen(world, 24 * 40)
    fresh = dict(left, uid="n000001", cn="Somebody New", sn="New", givenName="Somebody",
                 employeeNumber="990001")
    records = []
    for client in (world.hr, world.idp):
        records.append(client.create(scim_user(fresh, employment={"status": "active", "timeZone": "Europe/Berlin"}
                                if client is world.hr else None))["id"])
    seen(world, 1)
    plan = world.plan()
    assert not [a for a in actions(plan) if a["kind"] in ("restore", "enable")
                and a.get("email") == left["mail"]]
    carried_out(world)
    assert world.rehearsal.account(left["mail"])["status"] == "suspended"
    # whose record is whose is asked; the answer holds, and makes two persons of them
    doubts = [d for d in world.json("match")["doubts"] if left["mail"] in json.dumps(d)]
    assert doubts
    for d in doubts:
        same = d["left"]["displayName"] == d["right"]["displayName"]
        world.command("match", "confirm" if same else "refuse", str(d["doubt"]), "--reason", "looked at both")
    world.plan()
    seen(world, 1)
    world.plan()
    assert not [d for d in world.json("match")["doubts"] if left["mail"] in json.dumps(d)]
    new = {world.json("why", r)["stories"][0]["person"] for r in records}
    old = {world.json("why", account["id"])["stories"][0]["person"]}
    assert len(new) == 1 and not new & old and 0 not in new | old, (new, old)
    assert world.rehearsal.account(left["mail"])["status"] == "suspended"


def test_a_domain_that_was_claimed_overnight_suspends_none_of_its_people(live):
    world = live(policy=SHIPPED)
    strangers = ["acquired.%02d@example.test" % n for n in range(25)]
    world.rehearsal.set(all=[{"person": {"email": m, "name": "Acquired", "managed": True}}
                             for m in strangers])
    seen(world, 24)
    orphans = {o["email"] for o in world.json("orphans", "--limit", "0")["accounts"]}
    assert orphans >= set(strangers)
    plan = carried_out(world)
    routine = next(p for p in plan["plans"] if p["urgency"] == "routine")
    assert next(g for g in routine["guards"] if g["name"] == "limit-orphans-week")["verdict"] == "hold-plan"
    # not even when a person approves the plan, which says nothing of the limit
    world.command("approve", str(routine["plan"]), "--reason", "looked at")
    world.command("apply", str(routine["plan"]), "--wait", status=(0, 4, 5))
    assert {world.rehearsal.account(m)["status"] for m in strangers} == {"active"}


def test_a_mistake_found_after_three_days_is_given_back_and_stays_so(live):
    world = live()
    mistaken, other = world.ordinary[0], world.ordinary[1]
    ends(world, [mistaken, other], "2026-11-23")
    seen(world, 18)
    carried_out(world)
    assert statuses(world, [mistaken, other]) == {"suspended"}
    for _ in range(3):
        seen(world, 24)
        carried_out(world)
    row = world.json("undo", mistaken["mail"], "--reason", "HR marked the wrong person")["plans"][0]
    world.command("approve", str(row["plan"]), "--reason", "checked with HR")
    world.json("apply", str(row["plan"]), "--wait")
    assert statuses(world, [mistaken]) == {"active"} and statuses(world, [other]) == {"suspended"}
    seen(world, 24)  # HR has not mended it yet
    carried_out(world)
    assert statuses(world, [mistaken]) == {"active"}
    assert "HR marked the wrong person" in world.command("why", mistaken["mail"])
    world.command("audit", "verify")


def test_an_end_that_hr_marks_as_at_once_waits_neither_for_the_evening_nor_for_a_burst(live):
    world = live(policy=worlds.POLICY + "  hand_approval: 0s\n")
    world.clock.advance(HOUR)  # what was pushed has settled
    world.command("sync")
    world.command("collect")
    world.arm("act")
    tonight, now = world.ordinary[:2]
    today = time.strftime("%Y-%m-%d", time.gmtime(world.clock.now_ms() / 1000))
    work = EMPLOYMENT + ":"
    ends(world, [tonight], today)
    plans = world.json("plans")["plans"]
    time.sleep(2)  # some forty beats of the daemon
    assert world.json("plans")["plans"] == plans, "what is not at once settles first"
    world.hr.patch("Users/" + world.hr_ids[now["uid"]], [
        {"op": "replace", "path": work + "lastWorkingDay", "value": today},
        {"op": "replace", "path": work + "immediate", "value": True}])
    account = world.rehearsal.account(now["mail"])["id"]
    deadline = time.monotonic() + 90
    while not world.rehearsal.effects("suspend", account) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert world.rehearsal.effects("suspend", account)
    assert statuses(world, [tonight]) == {"active"}


def until(what, seconds=90):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


def test_who_left_while_the_daemon_was_killed_is_planned_for_once_it_is_back(live):
    world = live()
    leaver = world.ordinary[0]
    world.plan()  # everything that was pushed is judged
    ends(world, [leaver], "2026-11-20")
    world.daemon.stop(signal.SIGKILL)  # before the burst has settled
    world.daemon.start()

    def planned():
        return any(a["email"] == leaver["mail"] and a["kind"] == "suspend"
                   for p in world.json("plans")["plans"]
                   for a in world.json("show", str(p["plan"]))["actions"])

    assert not planned()
    world.clock.advance(HOUR // 2)
    until(planned)


def test_what_the_policy_could_not_approve_when_the_daemon_was_killed_it_approves_later(live):
    world = live(policy=worlds.POLICY + "  hand_approval: 0s\n")
    world.plan()
    world.command("pause", "--reason", "wait for the test")
    world.arm("act")
    ends(world, [world.ordinary[0]], "2026-11-20")
    number = next(p["plan"] for p in world.plan()["plans"] if p["urgency"] == "urgent")
    assert world.json("show", str(number))["state"] == "approved"
    # as a kill leaves it between the plan and its approval
    world.daemon.stop(signal.SIGKILL)
    db = sqlite3.connect(world.daemon.folder / "state" / "leaverd.db")
    with db:
        db.execute("DELETE FROM decision WHERE plan = ?", (number,))
        db.execute("UPDATE plan SET standing = 0 WHERE id = ?", (number,))
    db.close()
    world.daemon.start()
    assert world.json("show", str(number))["state"] == "open"
    world.plan()
    assert world.json("show", str(number))["state"] == "approved"
