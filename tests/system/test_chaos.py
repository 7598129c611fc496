"""A whole round while Atlassian's side fails at random: the same end, or less, and nothing twice.

LEAVERD_CHAOS_SEEDS: how many seeds (3), or from which to which ("11-20"; `make check-long` takes
50, some side by side, for they wait more than they work).
"""
import json
import os
import re
import time

import pytest

from daemon import CommandFault
from world import HOUR, Hasten, World, actions

FIRST, _, LAST = os.environ.get("LEAVERD_CHAOS_SEEDS", "3").rpartition("-")
SEEDS = range(int(FIRST or 1), int(LAST) + 1)
PEOPLE, ORPHANS = 40, 3
UNREACHABLE = 6

# What meets a request at random; "effect": the change was made although its answer failed.
TROUBLE = (
    dict(kind="status", status=503, share=0.025, effect=False),
    dict(kind="status", status=500, share=0.025, effect=True),
    dict(kind="reset", share=0.025, effect=True),
    dict(kind="reset", share=0.025, effect=False),
    dict(kind="truncate", share=0.02),
    dict(kind="status", status=429, share=0.03, effect=False, headers={"Retry-After": "1"}),
    dict(kind="latency", ms=3000, share=0.01),
)


def make_world(build, folder):
    world = World(build, folder, people=PEOPLE, orphans=ORPHANS)
    try:
        # fewer requests of one kind: a trouble costs seconds of waiting
        world.daemon.write_config(world.daemon.config.read_text().replace("roles: all", "roles: needed"))
        world.daemon.stop()
        world.daemon.start()
        world.push(ends={world.ordinary[i]["uid"]: "2026-11-23" for i in (1, 2, 3)})
        world.ready()
        world.rounds()
        world.arm()
        world.clock.advance(18 * HOUR)
        world.command("sync")
    except BaseException:
        world.close()
        raise
    return world


def state(world):
    """What a round may change, by address."""
    return {a["email"]: (a["status"], tuple(sorted(a["groups"])), tuple(sorted(a["seats"])))
            for a in world.rehearsal.state()["accounts"]}


def plan_of(world):
    """A plan, asked for again where Atlassian's answer kept it from being made."""
    for tries in range(5):
        try:
            return world.plan()
        except CommandFault as fault:
            if fault.status != UNREACHABLE or tries == 4:
                raise


def round_of(world):
    """Reads, plans, approves all that passes, and applies it; what the collection said, and the
    plan."""
    answer = world.json("collect", status=(0, 5, 6, 7))
    plan = plan_of(world)
    for p in plan["plans"]:  # refused where every action is held
        world.command("approve", str(p["plan"]), "--reason", "looked at", status=(0, 4))
    with Hasten(world.clock):
        for p in plan["plans"]:
            world.json("apply", str(p["plan"]), "--wait", status=tuple(range(0, 12)))
    return answer, plan


def changed_twice(world):
    return {k: v for k, v in world.rehearsal.log(0)["effectCounts"].items() if v["changes"] > 1}


@pytest.fixture(scope="module")
def calm(build, tmp_path_factory):
    """The end of an undisturbed round."""
    with make_world(build, tmp_path_factory.mktemp("calm")) as w:
        before = state(w)
        _, plan = round_of(w)
        after = state(w)
        gone = {a["email"] for a in actions(plan, kind="suspend")}
        assert len(gone) >= 3 + ORPHANS, plan["actions"]
        assert {mail for mail in before if before[mail] != after[mail]} == gone
        return before, after


@pytest.mark.parametrize("seed", SEEDS)
def test_a_round_ends_the_same_or_says_what_it_lacks(build, tmp_path, calm, seed):
    before, wanted = calm
    with make_world(build, tmp_path) as w:
        assert state(w) == before
        w.rehearsal.clear_log()
        for trouble in TROUBLE:
            w.rehearsal.fault(seed=seed, count=-1, **trouble)
        answer, plan = round_of(w)
        met = sum(f["hits"] for f in w.rehearsal.faults())
        w.rehearsal.clear_faults()
        after = state(w)
        assert met > 0
        # whoever was touched was to be touched, in that way, and once
        for mail, now in after.items():
            assert now in (before[mail], wanted[mail]), (mail, now)
        assert changed_twice(w) == {}
        # whoever was not, is either still to be done or told
        missed = {mail for mail in after if after[mail] != wanted[mail]}
        if not plan["complete"]:
            assert not answer["organisations"][0]["complete"]
        # nobody who was left alone was said to be done
        shown = [json.loads(w.command("show", str(p["plan"]), "--json")) for p in plan["plans"]]
        said = {a["email"] for s in shown for a in s["actions"]
                if a["kind"] == "suspend" and a["state"] in ("done", "already")}
        assert not said & missed
        # in quiet the rest is done, and nothing again
        deadline = time.monotonic() + 60
        while state(w) != wanted and time.monotonic() < deadline:
            round_of(w)
        assert state(w) == wanted
        assert changed_twice(w) == {}
        w.command("audit", "verify", "--head")


# --- lists that lie ------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def listed(build, tmp_path_factory):
    """A world whose lists have several pages."""
    world = World(build, tmp_path_factory.mktemp("listed"), people=PEOPLE, orphans=ORPHANS)
    with world as w:
        w.daemon.write_config(w.daemon.config.read_text().replace(
            "per_second: 500", "per_second: 500\n      page_size: 20"))
        w.daemon.stop()
        w.daemon.start()
        w.push()
        w.ready()
        w.rounds()
        w.arm()
        yield w


@pytest.mark.parametrize("kind, whole, says", [
    ("repeat-page", False, "same cursor|rows came"),  # two cursors alike
    ("early-end", False, "rows came"),
    ("lost-items", False, "rows came"),
    ("short-page", True, None),
    ("empty-page", True, None),
])
def test_a_list_that_lies_is_not_whole_and_one_that_is_slow_is(listed, kind, whole, says):
    w = listed
    w.rehearsal.clear_faults()
    w.rehearsal.fault(kind, method="POST", path="*/users/search*", count=1 if whole else -1)
    answer = w.json("collect", status=tuple(range(0, 12)))["organisations"][0]
    assert answer["complete"] == whole, answer
    if not whole:
        assert re.search(says, answer["why"]), answer["why"]
        plan = w.plan()
        assert not plan["complete"]
        assert not [a for a in actions(plan, "orphan") + actions(plan, kind="free-seat")]
    assert w.rehearsal.effects() == []
    w.rehearsal.clear_faults()
    again = w.json("collect")["organisations"][0]
    assert again["complete"] and again["accounts"] == answer["accounts"] if whole else again["complete"]
