"""The traps of Atlassian's APIs, by number: each has a test, or a line saying why it cannot."""
import re

import pytest

from traps import hold, index, there
from world import HOUR, World, actions

COUNT = 46


def test_each_trap_has_its_test_or_says_why_it_cannot():
    hold(index("tests/data/atlassian/traps.txt"), COUNT, "doc/leaverd-atlassian.7")


def test_a_trap_without_its_test_would_be_found():
    assert not there("tests/unit/test_atlassian_act.c::test_that_nobody_wrote")
    assert not there("tests/system/test_nowhere.py::test_x")
    assert not there("tests/data/plans/none-such")


# --- what is asked for at all --------------------------------------------------------------------

# Everything that leaverd may ask of Atlassian. Not among them: what ended in June 2026 (v1 directory)
# or ends in June 2027 (GET lists of v2), what sees no suspended people or counts late (Jira,
# Confluence), what is limited to ten a minute (events; their stream is not), whole-organisation revocation of tokens,
# the list of organisations, SCIM, Data Center, Crowd.
LIVING = [re.compile(pattern + "$") for pattern in (
    r"GET /admin/v1/orgs/[^/]+",
    r"GET /admin/v1/orgs/[^/]+/(users|domains|events-stream)",
    r"GET /admin/v1/orgs/[^/]+/directory/users/[^/]+/last-active-dates",
    r"POST /admin/v1/orgs/[^/]+/users/[^/]+/(roles|role-assignments)/(assign|revoke)",
    r"GET /admin/v2/orgs/[^/]+/directories",
    r"POST /admin/v2/orgs/[^/]+/workspaces",
    r"POST /admin/v2/orgs/[^/]+/directories/[^/]+/(users|groups)/search",
    r"GET /admin/v2/orgs/[^/]+/directories/[^/]+/(users|groups)/count",
    r"GET /admin/v2/orgs/[^/]+/directories/[^/]+/(users|groups)/[^/]+/role-assignments",
    r"POST /admin/v2/orgs/[^/]+/directories/[^/]+/users/[^/]+/(suspend|restore)",
    r"(POST|DELETE) /admin/v2/orgs/[^/]+/directories/[^/]+/groups/[^/]+/memberships(/[^/]+)?",
    r"GET /admin/api-access/v1/orgs/[^/]+/api-tokens",
    r"GET /users/[^/]+/manage(/api-tokens)?",
    r"POST /users/[^/]+/manage/lifecycle/(disable|enable)",
    r"DELETE /users/[^/]+/manage/api-tokens/[^/]+",
)]


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    with World(build, tmp_path_factory.mktemp("traps"), people=50, orphans=2) as w:
        w.push(ends={w.ordinary[1]["uid"]: "2026-11-23"})
        w.ready()
        w.rounds()
        w.arm()
        w.clock.advance(18 * HOUR)
        w.command("sync")
        w.command("collect")
        yield w


def test_only_endpoints_that_live_and_harm_nobody_are_asked(world):
    plan = world.plan()
    world.approve(plan)
    world.apply(plan)
    world.command("doctor")
    log = world.rehearsal.log(60000)
    asked = {"%s %s" % (r["method"], r["path"].partition("?")[0]) for r in log["log"]
             if not r["path"].startswith("/_rehearsal")}
    assert len(asked) > 20
    strange = {one for one in asked if not any(p.match(one) for p in LIVING)}
    assert strange == set()


# --- who is nobody's subject ---------------------------------------------------------------------

def test_apps_and_customers_are_nobodys_subjects(build, tmp_path):
    with World(build, tmp_path, people=40, orphans=2, rehearsal_args=["--apps-in-search"],
               record=False) as w:
        w.push()
        w.ready()
        w.rounds()
        apart = {a["id"] for a in w.rehearsal.state()["accounts"] if a["type"] in ("app", "customer")}
        assert apart
        shown = w.json("accounts", "--limit", "0")["accounts"]
        assert apart & {a["account_id"] for a in shown}
        assert not apart & {a["account_id"] for a in w.json("orphans")["accounts"]}
        assert not apart & {a["account_id"] for a in w.plan()["actions"]}


def test_a_hidden_address_matches_nobody_by_name(build, tmp_path):
    with World(build, tmp_path, people=40, orphans=2) as w:
        w.push(ends={w.ordinary[1]["uid"]: "2026-11-23"})
        w.ready()
        mail = w.ordinary[1]["mail"]
        hidden = w.rehearsal.account(mail)["id"]
        w.rehearsal.set(account=mail, email="")
        w.rounds()
        w.clock.advance(18 * HOUR)
        w.command("sync")
        w.command("collect")
        row = next(a for a in w.json("accounts", "--limit", "0")["accounts"] if a["account_id"] == hidden)
        assert row["person"] is None
        assert hidden not in {a["account_id"] for a in actions(w.plan(), kind="suspend")
                              if a["rule"] != "orphan"}


# --- our own key ---------------------------------------------------------------------------------

def checks(world, **more):
    return world.json("doctor", **more)["checks"]


def test_doctor_warns_of_a_key_30_days_before_its_end(world):
    for days, warned in ((31, False), (29, True)):
        world.command("secret", "set", "acme-key", "--expires", "%dd" % days, stdin=world.rehearsal.key)
        told = [c for c in checks(world) if c["check"] == "secret" and c["target"] == "acme-key" and
                c["verdict"] == "warn"]
        assert bool(told) == warned, (days, told)


def test_whoever_made_the_key_is_protected_without_being_told(build, tmp_path):
    with World(build, tmp_path, people=50, orphans=2) as w:
        owner = w.ordinary[1]
        w.push(ends={owner["uid"]: "2026-11-23", w.ordinary[2]["uid"]: "2026-11-23"})
        w.ready()
        w.command("secret", "set", "acme-key", "--owner", owner["mail"], stdin=w.rehearsal.key)
        w.rounds()
        w.arm()
        w.clock.advance(18 * HOUR)
        w.command("sync")
        w.command("collect")
        plan = w.plan()
        held = [a for a in actions(plan, kind="suspend", held=True) if a["email"] == owner["mail"]]
        assert held and "own-credential" in held[0]["held_by"]
        assert w.ordinary[2]["mail"] in {a["email"] for a in actions(plan, kind="suspend")}
        w.approve(plan)
        w.apply(plan)
        assert w.rehearsal.account(owner["mail"])["status"] == "active"
        blocked = w.json("block", owner["mail"], "--reason", "device lost")["plans"][0]["actions"]
        assert [a["held_by"] for a in blocked] == [["own-credential"]]
        assert w.rehearsal.account(owner["mail"])["status"] == "active"


def test_a_standby_key_takes_over_when_the_first_is_refused(build, tmp_path):
    with World(build, tmp_path, people=30, orphans=1) as w:
        w.push()
        w.ready()
        w.daemon.write_config(w.daemon.config.read_text().replace(
            "key: acme-key", "key: acme-key\n      standby_key: acme-spare"))
        w.command("secret", "set", "acme-spare", stdin=w.rehearsal.key)
        w.command("secret", "set", "acme-key", stdin="ended")
        w.daemon.stop()
        w.daemon.start()
        w.rounds()
        told = checks(w)
        assert [c for c in told if c["verdict"] == "warn" and "standby" in c["text"]], told


def test_doctor_names_what_a_key_with_scopes_cannot_do(build, tmp_path):
    with World(build, tmp_path, people=30, orphans=1, rehearsal_args=["--scoped-key", "scoped"]) as w:
        w.push()
        w.ready()
        w.rounds()
        w.command("secret", "set", "acme-key", stdin="scoped")
        told = {c["check"]: c for c in checks(w, status=tuple(range(0, 12)))}
        assert told["read users"]["verdict"] == "ok"
        assert told["manage accounts"]["verdict"] == "bad"
        assert "deactivat" in told["manage accounts"]["text"]
        assert told["change access"]["verdict"] == "note"
