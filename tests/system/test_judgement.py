"""Judging: what changed since the plan one saw, waves, renewal, lists held against accounts."""
import json

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


# --- waves, renewal -------------------------------------------------------------------------------

NARROW = """\
  limits:
    leavers_day: { count: 1, share: 0 % }
    leavers_week: { count: 9, share: 6 % }
    inactive_week: { count: 5, share: 80 % }
    orphans_week: { count: 25, share: 1 % }
"""


@pytest.fixture
def narrow(build, tmp_path):
    with World(build, tmp_path, people=60, orphans=3, policy=NARROW) as w:
        w.push(ends={w.ordinary[4]["uid"]: "2026-11-20", w.ordinary[5]["uid"]: "2026-11-10"})
        w.ready()
        w.rounds()
        w.arm()
        yield w


def test_a_backlog_runs_in_waves_and_a_renewal_says_what_cannot_make_it(narrow):
    whole = urgent(narrow.plan())
    # two by HR, and two whom only the directory switched off
    assert whole["held"] and len({a["email"] for a in whole["actions"]}) == 4

    wave = narrow.json("plan", "--wave", "9")
    told = next(w for w in wave["rounds"][0]["waves"] if w["urgency"] == "urgent")
    assert (told["taken"], told["left"], told["no_room"], told["waves_left"]) == (1, 3, 3, 3)
    first = urgent(wave)
    # the one who left longest ago, and nothing holds the plan
    assert not first["held"] and {a["email"] for a in first["actions"]} == {narrow.ordinary[5]["mail"]}
    assert "since" not in first
    # a round neither supersedes it nor is superseded by it
    narrow.plan()
    assert narrow.json("show", str(first["plan"]))["state"] == "open"
    assert narrow.json("show", str(whole["plan"]))["state"] == "open"
    # asked again it is the same plan
    assert urgent(narrow.json("plan", "--wave", "9"))["plan"] == first["plan"]
    narrow.command("approve", str(first["plan"]), "--reason", "the first of the backlog")
    narrow.json("apply", str(first["plan"]), "--wait")
    assert narrow.rehearsal.account(narrow.ordinary[5]["mail"])["status"] == "suspended"
    assert narrow.rehearsal.account(narrow.ordinary[4]["mail"])["status"] == "active"
    # his story: who he is, what will happen, by which rule, what happened, who decided
    story = narrow.command("why", narrow.ordinary[5]["mail"])
    parts = ["Who this is", "Where we know it from", "At Atlassian", "What they hold", "What will happen",
             "What the rules say", "What happened, and who decided"]
    assert sorted(parts, key=story.index) == parts
    assert "(approved: the first of the backlog): plan %d" % first["plan"] in story.split(parts[-1])[1]
    # the day's limit is used up; a day later the other goes
    narrow.command("collect")
    text = narrow.command("plan", "--wave", "9")
    assert "No urgent wave: the limits leave no room for any of 3 subjects now." in text
    narrow.clock.advance(25 * HOUR)
    narrow.command("sync")
    narrow.command("collect")
    assert urgent(narrow.plan())["held"]
    second = urgent(narrow.json("plan", "--wave", "9"))
    assert {a["email"] for a in second["actions"]} == {narrow.ordinary[4]["mail"]}

    renewal = narrow.json("plan", "--free", "20", "--product", "jira", "--by", "30d")["rounds"][0]["renewal"]
    ranks = ["orphan", "never used", "idle"]
    order = [ranks.index(r["sort"]) for r in renewal["rows"]]
    assert order == sorted(order) and renewal["seats"] >= len(renewal["rows"]) > 0
    assert renewal["makes"] == sum(r["makes"] for r in renewal["rows"])
    for row in renewal["rows"]:
        assert row["makes"] == (row["why"] is None)
        if row["makes"]:
            assert row["rule"] and row["free_at"] <= renewal["by"]
    planned = {r["account"] for r in renewal["rows"] if r["state"] == "planned"}
    acted = {a["account"] for p in renewal["plans"] for a in narrow.json("show", str(p))["actions"]}
    assert acted == planned
    narrow.command("plan", "--free", "20", "--product", "jira", status=2)
    narrow.command("plan", "--free", "20", "--wave", "2", status=2)


# --- lists held against accounts, adoption in bulk -----------------------------------------------

def test_a_file_is_held_against_the_accounts_and_adopted_after_a_look(world, tmp_path):
    accounts = world.json("accounts", "--limit", "0")["accounts"]
    linked = [a for a in accounts if a["email"] in {p["mail"] for p in world.ordinary[:3]}]
    assert len(linked) == 3
    listed = tmp_path / "theirs.csv"
    listed.write_text("Name;E-Mail;account_id\n"
                      + "One;%s;\n" % linked[0]["email"].upper()
                      + "Two;;%s\n" % linked[1]["account_id"]
                      + "Three;\"%s\";\n" % linked[2]["email"]
                      + "Else;somebody.else@example.test;\n"
                      + "Twice;%s;\n" % linked[0]["email"]
                      + "Bad;no address at all;\n", encoding="utf-8")
    told = world.json("compare", str(listed), "--limit", "0")
    assert (told["both"], told["yours"], told["mine"]) == (3, 1, len(accounts) - 3)
    assert [r["email"] for r in told["rows"] if r["side"] == "yours"] == ["somebody.else@example.test"]
    assert {r["account_id"] for r in told["rows"] if r["side"] == "both"} == {a["account_id"] for a in linked}
    assert {(f["line"], f["text"]) for f in told["faults"]} == {
        (6, "the same as line 2"), (7, "that is no mail address")}
    only = world.json("compare", str(listed), "--only", "yours")
    assert [r["line"] for r in only["rows"]] == [5] and only["both"] == 3
    (tmp_path / "other.csv").write_text("who\nada\n", encoding="utf-8")
    world.command("compare", str(tmp_path / "other.csv"), status=2)

    dry = world.json("adopt", "--file", str(listed), "--reason", "the list of IT")
    rows = {a.get("email"): a for a in dry["accounts"]}
    assert dry["dry"] and dry["ready"] == 3 and dry["refused"] == 1
    assert "linked by" in rows[linked[0]["email"]]["text"]
    assert not any(a["adopted"] for a in world.json("accounts", "--limit", "0")["accounts"])
    world.command("adopt", "--file", str(listed), "--count", "2", "--reason", "miscounted", status=4)
    done = world.json("adopt", "--file", str(listed), "--count", "3", "--reason", "the list of IT")
    assert sum(a["result"] == "adopted" for a in done["accounts"]) == 3
    assert sum(a["adopted"] for a in world.json("accounts", "--limit", "0")["accounts"]) == 3

    filtered = world.json("adopt", "--filter", 'email eq "%s"' % linked[0]["email"], "--reason", "again")
    assert [a["result"] for a in filtered["accounts"]] == ["unchanged"]
    orphans = world.json("orphans")["accounts"]
    assert orphans and all("suspect" in a for a in orphans)


# --- ends that lie ahead -------------------------------------------------------------------------

def test_an_end_that_lies_ahead_is_told_to_its_role_alone(world, tmp_path):
    mail = world.ordinary[4]["mail"]  # leaves tonight
    token = tmp_path / "token"
    token.write_text(world.json("token", "new", "people", "--role", "hr-confidential")["token"] + "\n", encoding="ascii")
    open_plan, sealed = world.json("plan", "--token-file", str(token)), world.json("plan")
    number = urgent(sealed)["plan"]
    assert mail in {a["email"] for a in urgent(open_plan)["actions"]}
    assert mail not in json.dumps(sealed) and urgent(sealed)["sealed"] >= 2
    hidden = [a for a in urgent(sealed)["actions"] if a.get("sealed")]
    assert all(a["email"] is None and a["person"] is None and a["reason"] is None and a["kind"] for a in hidden)
    assert mail not in world.command("show", str(number))
    assert mail in world.command("show", str(number), "--token-file", str(token))
    # a filter does not ask it out either
    assert not world.json("show", str(number), "--filter", 'email eq "%s"' % mail)["actions"]

    # nor do what is approved, applied, or searched for
    assert "nothing to approve" in pytest.raises(Exception, world.command, "approve", str(number), "--person", mail,
                                                 "--reason", "curious").value.err
    assert mail not in json.dumps(world.json("apply", str(number)))
    assert mail in json.dumps(world.json("apply", str(number), "--token-file", str(token)))
    ahead = "%s:lastWorkingDay pr" % EMPLOYMENT
    assert "hr-confidential" in pytest.raises(Exception, world.command, "users", "--filter", ahead).value.err
    assert world.json("users", "--filter", ahead, "--token-file", str(token))["matched"] >= 2
    # the table by rule counts the whole plan, however few actions are shown
    whole, few = (world.json("show", str(number), *more) for more in ((), ("--limit", "1")))
    assert few["rules"] == whole["rules"] and len(few["actions"]) == 1 < len(whole["actions"])
    assert sum(v for r in few["rules"] for k, v in r.items() if k != "rule") == len(whole["actions"])

    told, kept = world.command("why", mail, "--token-file", str(token)), world.command("why", mail)
    assert "the last engagement ends at" in told and "suspend at" in told
    assert "2026-11-2" not in kept.split("What the rules say")[1] and "suspend at" not in kept
    assert "hr-confidential" in kept and "hr-confidential" not in told
    # once the day is over it is no secret
    world.clock.advance(40 * HOUR)
    world.command("sync")
    world.command("collect")
    assert mail in {a["email"] for a in urgent(world.plan())["actions"]}
    assert "the last engagement ends at" in world.command("why", mail)
    other = tmp_path / "other"
    other.write_text(world.json("token", "new", "looks", "--role", "viewer")["token"] + "\n", encoding="ascii")
    assert "hr-confidential" in pytest.raises(Exception, world.command, "why", mail, "--token-file", str(other)).value.err
