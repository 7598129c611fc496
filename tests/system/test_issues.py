"""Issues in Jira about plans and actions: opened once, whatever crashes and servers do, and closed
when what they are about is over."""
import json
import re
import signal
import sqlite3
import time

import pytest

from daemon import CommandFault
from rehearsal import HOUR, MINUTE
from sites import HOST, NAMES, SiteWorld, actions

OPS = {"projects": [{"site": "acme", "id": "100", "key": "OPS", "name": "Operations", "lead": "max@example.com"}],
       "issues": []}
LEAVING = {"lea": "2026-11-20", "tom": "2026-11-20"}
ISSUES = """notices:
  issues:
    - name: plans
      site: %s
      project: OPS
      labels: [access]
      done: Done
      per_minute: 600
%s"""


def until(look, what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(what)


def tell(world, more=""):
    text = re.sub(r"notices:\n(  .*\n)+", ISSUES % (HOST, more), world.daemon.config.read_text())
    world.daemon.stop()
    world.daemon.write_config(text)
    world.daemon.start()


def outbox(world):
    with sqlite3.connect("file:%s?mode=ro" % (world.daemon.folder / "state/leaverd.db"), uri=True) as db:
        db.row_factory = sqlite3.Row
        return [dict(r) for r in db.execute("SELECT * FROM outbox WHERE kind = 'issue' ORDER BY id")]


def issues(world):
    return world.works()["issues"]


def words(document):
    """What a reader sees of a document."""
    if document.get("type") == "hardBreak":
        return "\n"
    return document.get("text", "") + "".join(words(c) for c in document.get("content", [])) + \
        ("\n" if document.get("type") == "paragraph" else "")


def comments(issue):
    return [words(c["body"]) for c in issue["comments"]]


def of(world, plan, kind="suspend"):
    """The issues about a plan, or about its actions of a kind."""
    said = ["plan %d of" % p["plan"] for p in plan["plans"]] + [kind + " of account"]
    return [i for i in issues(world) if any(w in i["summary"] for w in said)]


def settle(world, plan, count, status="To Do"):
    """A minute passes; so many issues are there about it, each of its own, and nothing waits."""
    world.clock.advance(MINUTE + 1000)
    until(lambda: [i["status"] for i in of(world, plan)] == [status] * count and
          all(r["state"] >= 3 for r in outbox(world)), "%d issues %s were expected" % (count, status))
    labels = [i["labels"][0] for i in issues(world)]
    assert len(set(labels)) == len(labels), "one was opened twice"
    return of(world, plan)


@pytest.fixture()
def world(build, tmp_path, request):
    with SiteWorld(build, tmp_path) as w:
        w.works(OPS)
        tell(w, getattr(request, "param", ""))
        w.push(LEAVING)
        w.arm()
        yield w


def test_an_issue_is_opened_once_and_closed_once_through_crash_and_fault(world):
    # killed after Jira made the issue and before we heard of it
    world.rehearsal.fault("hang", path="*/rest/api/3/issue", count=1, ms=60000)
    plan = world.plan()
    assert actions(plan, kind="suspend") and issues(world) == []
    world.clock.advance(MINUTE + 1000)
    until(lambda: [r for r in outbox(world) if r["state"] == 2], "the issue is not on its way")
    until(lambda: issues(world), "Jira did not make it")
    world.daemon.stop(signal.SIGKILL)
    lost = issues(world)[0]["labels"]
    world.daemon.start()
    # search may not show it yet: no second one is made before it must
    until(lambda: any("search" in r["says"] for r in outbox(world)), "the search was not asked")
    assert [i["labels"] for i in issues(world)].count(lost) == 1
    world.clock.advance(6 * MINUTE)
    made = settle(world, plan, 1)
    assert made[0]["labels"][0].startswith("leaverd-") and made[0]["labels"][1:] == ["access"]
    shown = made[0]["summary"] + words(made[0]["description"])
    assert "waits for approval" in shown and "leaverd approve" in shown
    assert not any(n in re.findall(r"\w+", shown.lower()) for n in NAMES), "somebody is named"
    listed = world.json("notices", "--all")["notices"]
    assert {(n["state"], n["says"]) for n in listed if n["kind"] == "issue"} == \
        {("sent", i["key"]) for i in issues(world)}

    # the connection breaks after the comment arrived: it is not made again
    world.rehearsal.fault("reset", path="*/comment", method="POST", count=1)
    world.approve(plan)
    world.apply(plan)
    world.clock.advance(MINUTE + 1000)
    until(lambda: of(world, plan)[0]["comments"], "no comment came")
    for _ in range(3):
        world.clock.advance(2 * MINUTE)
        time.sleep(0.2)
    closed = settle(world, plan, 1, "Done")[0]
    assert len(comments(closed)) == 1 and \
        "was applied: %d actions done" % len(actions(plan)) in comments(closed)[0], comments(closed)


def test_an_issue_that_never_arrived_is_opened_after_the_search_must_show_it(world):
    world.rehearsal.fault("reset", path="*/rest/api/3/issue", method="POST", count=1, effect=False)
    plan = world.plan()
    world.clock.advance(MINUTE + 1000)
    until(lambda: any(r["tries"] and r["state"] == 0 for r in outbox(world)), "it was not put off")
    world.clock.advance(2 * MINUTE)
    until(lambda: any("search" in r["says"] for r in outbox(world)), "the search was not asked")
    lost = [r["key"] for r in outbox(world) if "search" in r["says"]]
    assert len(issues(world)) == len(outbox(world)) - len(lost) == len(outbox(world)) - 1
    world.clock.advance(6 * MINUTE)
    settle(world, plan, 1)


def rights(world):
    """What doctor says of the channel."""
    out = world.json("doctor", status=(0, 1, 2, 3, 4, 5, 6))["checks"]
    return [(c["verdict"], c["text"]) for c in out if (c["check"], c["target"]) == ("issues", "plans")]


def test_doctor_asks_for_the_projects_rights_and_a_test_opens_an_issue_and_closes_it(world):
    (verdict, text), = rights(world)
    assert verdict == "ok" and "opened and commented and moved in project OPS" in text
    world.works({"issues": []})  # and nothing else
    (verdict, text), = rights(world)
    assert verdict == "warn" and "sees no project OPS: no issue is opened" in text
    world.works({**OPS, "denied": ["CREATE_ISSUES", "TRANSITION_ISSUES"]})
    said = rights(world)
    assert [v for v, _ in said] == ["warn", "warn"]
    assert "no issue is opened" in said[0][1] and "CREATE_ISSUES in project OPS" in said[0][1]
    assert "not moved" in said[1][1] and "TRANSITION_ISSUES" in said[1][1]
    assert issues(world) == [] and not [r for r in world.rehearsal.log()["log"]
                                        if "/issue" in r["path"] and r["method"] != "GET"]
    world.works(OPS)
    for name, more in (("plans", []), ("issues:plans", ["--json"])):
        assert "was opened and commented, and moved to Done" in world.command("notices", "test", name, *more)
    made = issues(world)
    assert [(i["summary"], i["status"], len(i["comments"])) for i in made] == [("A test of leaverd", "Done", 1)] * 2
    assert made[0]["labels"][0] != made[1]["labels"][0] and made[0]["labels"][1:] == ["access"]
    kept = [json.loads(line) for line in world.command("audit", "export").splitlines()]
    told = [json.loads(e["body"])["result"] for e in kept if e["what"] == "notices.test"]
    assert [t.split()[0] for t in told] == [i["key"] for i in made]
    # a comment that is refused leaves an issue, and that is said and kept
    world.rehearsal.fault("status", path="*/comment", method="POST", status=403, count=1)
    with pytest.raises(CommandFault) as fault:
        world.command("notices", "test", "plans")
    assert issues(world)[2]["key"] + " was opened: " in fault.value.err
    with pytest.raises(CommandFault) as fault:
        world.command("notices", "test", "nowhere")
    assert "a channel of issues" in fault.value.err
    tell(world, "  folder: %s\n" % world.daemon.folder)
    with pytest.raises(CommandFault) as fault:
        world.command("notices", "test", "plans")
    assert "notices.folder" in fault.value.err and len(issues(world)) == 3


def test_what_the_project_refuses_waits_and_is_told_and_a_refused_plan_closes_its_issue(world):
    world.rehearsal.fault("status", path="*/rest/api/3/issue", method="POST", status=400, count=1,
                          body=json.dumps({"errorMessages": [], "errors": {"customfield_1": "Cost centre is required."}}))
    plan = world.plan()
    world.clock.advance(MINUTE + 1000)
    told = until(lambda: [r["says"] for r in outbox(world) if r["says"]], "the refusal is not told")
    assert "400" in told[0] and "Cost centre is required" in told[0]
    world.clock.advance(2 * MINUTE)
    settle(world, plan, 1)
    for p in plan["plans"]:
        world.command("reject", str(p["plan"]), "--reason", "not these")
    assert "was refused" in comments(settle(world, plan, 1, "Done")[0])[0]


@pytest.mark.parametrize("world", ["      per: action\n"], indirect=True)
def test_an_action_keeps_its_issue_through_the_plans_of_the_next_rounds(world):
    first = world.plan()
    assert len(actions(first)) == 2
    settle(world, first, 2)
    # a joiner of the list, and the same two: one more issue, and none is closed
    world.hr.patch("Users/" + world.ids["wes"], [
        {"op": "add", "path": "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment:lastWorkingDay",
         "value": "2026-11-20"}])
    world.clock.advance(HOUR)
    world.command("collect")
    second = world.plan()
    assert len(actions(second)) == 3 and second["plans"][0]["plan"] != first["plans"][0]["plan"]
    made = settle(world, second, 3)
    assert not any(i["comments"] for i in made)
    world.approve(second)
    world.apply(second)
    closed = settle(world, second, 3, "Done")
    assert all(len(comments(i)) == 1 and "was done" in comments(i)[0] for i in closed)


def test_a_site_or_project_that_cannot_be_is_refused_with_its_line(world):
    text = re.sub(r"notices:\n(  .*\n)+", ISSUES % ("other.example.com", ""),
                  world.daemon.config.read_text()).replace("project: OPS", "project: ops 1")
    other = world.daemon.config.with_name("other.yaml")
    other.write_text(text)
    world.daemon.env["LEAVERD_CONFIG"] = str(other)
    faults = json.dumps(world.json("config", "check", status=3)["faults"])
    assert "other.example.com" in faults and "ops 1" in faults, faults
