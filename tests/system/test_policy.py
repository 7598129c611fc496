"""leaverd policy check, test and diff: what a policy says, would do, and would do otherwise."""
import json

import pytest

from world import DAY, POLICY, World

LEAVER, AHEAD = 1, 4

EMPLOYMENT = "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment"

CASES = """\
cases:
  - name: the last day
    at: 2026-11-24T09:00:00Z
    zone: Europe/Berlin
    people:
      - name: ada
        hr: { employment.lastWorkingDay: 2026-11-23 }
      - name: bob
        hr: { status: active }
        seats: [ jira last 2026-01-01 added 2025-01-01 ]
    must: [ suspend ada by leaver-hr, warn bob/jira by inactive-jira ]
    must_not: [ suspend bob ]
"""


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    with World(build, tmp_path_factory.mktemp("policy"), people=50, orphans=1) as w:
        w.push(ends={w.ordinary[LEAVER]["uid"]: "2026-11-23"})
        w.ready()
        w.rounds()
        w.command("match", "approve", "email")
        w.clock.advance(DAY)
        w.command("sync")
        w.command("collect")
        yield w


def changed(world, policy, name="new.yaml"):
    """The world's configuration with another policy."""
    text = world.daemon.config.read_text(encoding="utf-8")
    assert POLICY in text
    file = world.daemon.config.with_name(name)
    file.write_text(text.replace(POLICY, policy), encoding="utf-8")
    return str(file)


def test_the_policy_in_force_is_looked_at(world):
    told = world.command("policy", "check")
    # this world allows more than is shipped
    assert "limits: leavers_day: max(10, 5 %)" in told, told
    assert "things are worth a second look" in told, told
    warnings = world.json("policy", "check")["warnings"]
    assert {w["key"] for w in warnings} >= {"leavers_day", "leavers_week", "orphans_week"}, warnings
    assert all(w["line"] > 0 and w["file"] for w in warnings), warnings
    world.command("policy", "check", "--strict", status=3)


def test_every_fault_of_a_policy_is_told_first(world):
    file = changed(world, "  rules:\n    - name: a\n      for: person\n      class: leaver\n"
                          "      when: nobody eq\n      then: fly\n    - name: b\n", "wrong.yaml")
    told = world.command("policy", "check", "--config", file, status=3)
    assert "a: " in told and "b: " in told, told
    assert "found fly, expected suspend, deactivate, revoke-tokens, hand-over, tag NAME" in told, told


def test_cases_beside_the_policy_are_judged(world):
    beside = world.daemon.config.with_name("leaverd-cases.yaml")
    beside.write_text(CASES, encoding="utf-8")
    told = world.command("policy", "test")
    assert "3 expectations, 3 as expected." in told, told
    # the same cases under a policy that does not do it any more
    file = changed(world, "  rules:\n    - name: leaver-hr\n      off: true\n", "off.yaml")
    told = world.command("policy", "test", "--config", file, str(beside), status=3)
    assert "FAIL  must suspend ada by leaver-hr" in told, told
    answer = world.json("policy", "test", "--config", file, str(beside), status=3)
    wrong = [e for e in answer["expectations"] if not e["ok"]]
    assert [e["expected"] for e in wrong] == ["must suspend ada by leaver-hr"], answer
    assert "nothing of the kind" in wrong[0]["why"], wrong


def test_the_same_policy_does_nothing_otherwise(world):
    answer = world.json("policy", "diff", str(world.daemon.config), "--exit-code")
    assert answer["all"] == 0 and answer["differences"] == [], answer
    assert "Nothing would be done otherwise today." in world.command("policy", "diff",
                                                                     str(world.daemon.config))


def test_another_policy_is_told_by_rule_and_person(world):
    mail = world.ordinary[LEAVER]["mail"]
    before = len(world.json("plans", "--all")["plans"])
    file = changed(world, POLICY + "  rules:\n    - name: leaver-hr\n      off: true\n"
                                   "    - name: all-of-them\n      for: person\n      class: absence\n"
                                   "      when: userName pr\n      then: suspend\n")
    answer = world.json("policy", "diff", file)
    new = [d for d in answer["differences"] if d["change"] == "new"]
    assert {d["rule"] for d in new} == {"all-of-them"} and len(new) > 20, answer
    assert all(d["reason"] for d in answer["differences"])
    # the leaver is still suspended, by another rule
    other = [d for d in answer["differences"] if d["change"] == "changed"]
    assert [(d["email"], d["rule"], d["kind"]) for d in other] == [(mail, "all-of-them", "suspend")], other
    assert "by rule leaver-hr before" in other[0]["how"], other
    held = {p["urgency"]: p["is"]["held_by"] for p in answer["organisations"][0]["plans"]}
    assert "limit-absence-day" in held["routine"], answer
    told = world.command("policy", "diff", file)
    assert "Rule all-of-them at acme" in told and mail in told, told
    world.command("policy", "diff", file, "--exit-code", status=4)
    # nothing of it was kept
    assert len(world.json("plans", "--all")["plans"]) == before


def test_an_approved_match_rule_that_vanishes_is_named(world):
    file = changed(world, POLICY + "  match:\n    - name: only-mail\n      on: email\n", "match.yaml")
    names = world.json("policy", "diff", file)["names"]
    assert [n["text"].split(",")[0] for n in names] == ["match rule email was approved"], names


def test_a_policy_does_not_ask_out_whose_end_lies_ahead(world, tmp_path):
    mail = world.ordinary[AHEAD]["mail"]
    world.hr.patch("Users/" + world.hr_ids[world.ordinary[AHEAD]["uid"]], [
        {"op": "replace", "value": {EMPLOYMENT: {"lastWorkingDay": "2026-11-24"}}}])
    world.plan()
    token = tmp_path / "token"
    token.write_text(world.json("token", "new", "people", "--role", "hr-confidential")["token"] + "\n", encoding="ascii")
    off = "  rules:\n    - name: leaver-hr\n      off: true\n"
    rule = off + "    - name: asks\n      for: person\n      class: absence\n      when: %s\n      then: suspend\n"
    for when in ("leaveDate gt now", "not (leaveDate gt now)", "employment.lastWorkingDay pr"):
        file = changed(world, POLICY + rule % when, "asks.yaml")
        answer = world.json("policy", "diff", file)
        assert answer["all"] == answer["sealed"] == len(answer["differences"]) > 0, (when, answer)
        assert all(d["sealed"] and d["email"] is d["person"] is d["account"] is d["reason"] is None
                   for d in answer["differences"])
        assert "@" not in json.dumps(answer["differences"])
        assert "sealed" in world.command("policy", "diff", file) and mail not in world.command("policy", "diff", file)
        told = world.json("policy", "diff", file, "--token-file", str(token))
        assert told["sealed"] == 0 and all(d["person"] for d in told["differences"])
        assert mail in {d["email"] for d in told["differences"]}
    # what is in force may be turned off: who stands in it is sealed as in the plan, others are told
    file = changed(world, POLICY + off, "less.yaml")
    gone = world.json("policy", "diff", file)
    assert 0 < gone["sealed"] < gone["all"] and mail not in json.dumps(gone), gone
    assert mail in json.dumps(world.json("policy", "diff", file, "--token-file", str(token)))
