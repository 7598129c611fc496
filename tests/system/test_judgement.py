"""Judging: what changed since the plan one saw, waves, renewal, lists held against accounts."""
import pytest

from world import DAY, HOUR, World, actions

EMPLOYMENT = "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment"


@pytest.fixture
def world(build, tmp_path):
    with World(build, tmp_path, people=60, orphans=3) as w:
        w.push(ends={w.ordinary[4]["uid"]: "2026-11-23", w.ordinary[5]["uid"]: "2026-11-23"})
        w.ready()
        w.rounds()
        w.arm()
        yield w


def last_day(world, person, day):
    world.hr.patch("Users/" + world.hr_ids[person["uid"]], [
        {"op": "replace", "path": EMPLOYMENT + ":lastWorkingDay", "value": day}])


def urgent(plan):
    return next(p for p in plan["plans"] if p["urgency"] == "urgent")


# --- since ---------------------------------------------------------------------------------------

def test_a_new_plan_leads_with_what_changed_since_the_one_that_was_seen(world):
    world.clock.advance(18 * HOUR)
    world.command("sync")
    world.command("collect")
    first = urgent(world.plan())
    assert first["since"]["plan"] < first["plan"] and first["since"]["seen"]

    fourth, fifth, sixth = world.ordinary[4], world.ordinary[5], world.ordinary[6]
    world.command("protect", "add", fourth["mail"], "--owner", "legal", "--reason", "asked to wait")
    last_day(world, fifth, "2027-06-30")  # stays after all
    last_day(world, sixth, "2026-11-23")  # and somebody else goes
    second = urgent(world.plan())
    since = second["since"]
    assert second["plan"] > first["plan"] and since["plan"] == first["plan"] and since["seen"]
    told = {(r["change"], r["email"], r["kind"]): r for r in since["rows"]}
    assert ("new", sixth["mail"], "suspend") in told
    assert told["gone", fifth["mail"], "suspend"]["how"] == "nothing asks for it any more"
    assert "held by nothing before" in told["changed", fourth["mail"], "suspend"]["how"]
    for change in ("new", "gone", "changed"):
        assert since[change] == sum(r["change"] == change for r in since["rows"]) > 0
    order = [r["change"] for r in since["rows"]]
    assert order == sorted(order, key=["new", "gone", "changed"].index)

    # shown again it says the same again, before anything else
    text = world.command("show", str(second["plan"]))
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("Since plan %d, which you saw last: %d new, %d gone"
                                                                   % (first["plan"], since["new"], since["gone"])))
    assert at < next(i for i, line in enumerate(lines) if line.startswith("RULE"))
    assert world.json("show", str(second["plan"]))["since"]["rows"] == since["rows"]
    # the one before stays what it was: held against what it superseded itself
    again = world.json("show", str(first["plan"]))["since"]
    assert not again["seen"] and again["plan"] == first["since"]["plan"] and again["rows"] == first["since"]["rows"]
