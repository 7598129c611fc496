"""Seats and what keeps them: every path is named, and each change is read back."""
import time

import pytest

from world import DAY, HOUR, World, actions

JIRA = "jira@acme"


@pytest.fixture
def world(build, tmp_path):
    with World(build, tmp_path, people=50, orphans=1) as w:
        w.push()
        w.ready()
        yield w


def groups_that_grant(world):
    """{"plain": [...], "synced": [...], "default": [...]}: groups by what may be done to them."""
    found = {"plain": [], "synced": [], "default": []}
    for name, g in world.rehearsal.state()["groups"].items():
        if JIRA in g["grants"] and name not in ("org-admins", "atlassian-addons-admin"):
            kind = "synced" if g["synced"] else "default" if JIRA in g["defaults"] else "plain"
            found[kind].append(name)
    return found


def arm_with(world, mail, groups, idle_days=200):
    world.rehearsal.set(account=mail, groups=groups, directRoles={JIRA: ["atlassian/user"]},
                        lastActive={"jira": idle_days, "confluence": 1, "jira-servicedesk": 1})
    world.rounds()
    world.arm()


def seat_of(world, mail):
    rows = [s for s in world.json("seats", "--limit", "0")["seats"]
            if s["email"] == mail and s["product"] == "jira"]
    return rows[0] if rows else None


def warn_and_come_back(world, plan):
    """Warns, and looks again when the warning is over; the new plan."""
    world.approve(plan)
    world.apply(plan)
    world.clock.advance(14 * DAY + HOUR)
    world.command("sync")
    world.command("collect")
    return world.plan()


def of(rows, mail):
    return [a for a in rows if a["email"] == mail and a["product"] == "jira"]


def test_every_path_is_named_and_the_seat_is_freed_or_the_holding_path_is_named(world):
    by = groups_that_grant(world)
    assert all(by.values()), by
    mail = world.ordinary[2]["mail"]
    three = [by["plain"][0], by["synced"][0], by["default"][0]]
    arm_with(world, mail, three)
    # the report: three groups and the direct role, each with what may be done to it
    paths = seat_of(world, mail)["paths"]
    for name in three:
        assert any(name in path for path in paths), (name, paths)
    assert any("direct" in path or "role" in path for path in paths), paths
    assert len(paths) == 4, paths
    why = world.command("why", mail)
    for name in three:
        assert name in why, (name, why)
    # nothing is half done: the action is held and names what would keep the seat
    plan = world.plan()
    held = of(actions(plan, held=True), mail)
    assert held and not of(actions(plan), mail), plan["actions"]
    kept = " ".join(k if isinstance(k, str) else str(k) for k in held[0]["kept"])
    assert by["synced"][0] in kept and by["default"][0] in kept, held[0]
    assert by["plain"][0] not in kept
    assert JIRA in world.rehearsal.account(mail)["seats"]
    assert world.rehearsal.effects(account=world.rehearsal.account(mail)["id"]) == []


def test_a_seat_of_several_paths_is_freed_when_all_of_them_go(world):
    # a group that gives another product too would be kept for that one
    groups = world.rehearsal.state()["groups"]
    plain = [name for name in groups_that_grant(world)["plain"] if groups[name]["grants"] == [JIRA]]
    mail = world.ordinary[2]["mail"]
    arm_with(world, mail, plain)
    assert plain and len(seat_of(world, mail)["paths"]) == len(plain) + 1
    plan = warn_and_come_back(world, world.plan())
    asked = of(actions(plan, kind="free-seat"), mail)
    assert asked and {s["op"] for s in asked[0]["steps"]} == {"remove-group", "revoke-role"}
    world.approve(plan)
    done = of([a for answer in world.apply(plan) for a in answer["actions"]], mail)
    assert [a["state"] for a in done] == ["done"], done
    assert JIRA not in world.rehearsal.account(mail)["seats"]
    world.command("collect")
    assert seat_of(world, mail) is None


# --- success without effect ----------------------------------------------------------------------

def test_a_change_that_was_accepted_and_not_made_is_reported_as_not_done(build, tmp_path):
    with World(build, tmp_path, people=50, orphans=1) as w:
        leaver = w.ordinary[1]
        w.push(ends={leaver["uid"]: "2026-11-23"})
        w.ready()
        w.rounds()
        w.arm()
        w.clock.advance(18 * HOUR)
        w.command("sync")
        w.command("collect")
        plan = w.plan()
        assert leaver["mail"] in {a["email"] for a in actions(plan, kind="suspend")}
        w.rehearsal.fault("status", path="*/suspend", status=204, count=-1)
        w.approve(plan)
        urgent = next(p for p in plan["plans"] if p["urgency"] == "urgent")
        story = None
        for _ in range(200):
            shown = w.json("show", str(urgent["plan"]))
            rows = [a for p in shown.get("plans", [shown]) for a in p["actions"]]
            story = next(a for a in rows if a["email"] == leaver["mail"] and a["kind"] == "suspend")
            if story["state"] not in ("planned", "started"):
                break
            w.clock.advance(60 * 1000)
            time.sleep(0.05)  # the applier looks at its plans each 50 ms
        assert story["state"] not in ("done", "already"), story
        assert story["result"], story
        assert w.rehearsal.account(leaver["mail"])["status"] == "active"
