"""leaverd bulk: what a file or a filter asks for becomes one plan, row by row answered, applied and undone
like any other; and the same file again asks for nothing."""
import csv
import json
import time

import pytest

from daemon import CommandFault
from world import Hasten, World


REASON = ("--reason", "asked for in CHG-1")


def groups(world):
    """All groups by name, as the organisation has them."""
    return {g["name"]: g for g in world.rehearsal.walk(world.rehearsal.v2("groups/search"),
                                                       {"expand": ["counts.resources", "counts.users"]})}


TEAM = "Team of tests"  # gives nothing, and nobody's directory owns it


def join(world, who, name):
    """As an administrator does by hand."""
    answer = world.rehearsal.post(world.rehearsal.v2("groups/%s/memberships" % groups(world)[name]["id"]),
                                  {"accountId": world.rehearsal.account(who)["id"]})
    assert answer.status == 204, answer


def written(world, rows, name="rows.csv"):
    path = world.folder / name
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(rows)
    return path


def collected(world):
    """Read again, once Atlassian shows what was changed."""
    world.clock.advance(60_000)
    world.command("collect")


def read(path):
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def bulk(world, path, *options, status=0):
    result = world.folder / "result.csv"
    answer = world.json("bulk", str(path), "--result", str(result), *REASON, *options, status=status)
    return answer, read(result)


def carried_out(world, answer):
    done = []
    for p in answer["plans"]:
        world.command("approve", str(p["plan"]), "--reason", "looked at")
        done += world.json("apply", str(p["plan"]), "--wait")["actions"]
    return done


def whose(world, *places):
    return [world.ordinary[i]["mail"] for i in places]


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    with World(build, tmp_path_factory.mktemp("bulk"), people=60, orphans=3) as w:
        w.push()
        w.ready()
        w.rounds()
        w.arm()
        answer, _ = bulk(w, written(w, [["group"], [TEAM]]), "--do", "create-group")
        assert [x["state"] for x in carried_out(w, answer)] == ["done"]
        collected(w)
        yield w


def test_a_file_of_several_things_is_planned_applied_and_then_asks_for_nothing(world):
    a, b, c, d = whose(world, 0, 1, 2, 3)
    group = TEAM
    path = written(world, [
        ["E-Mail", "op", "group", "ticket", "new_name"],
        [a, "suspend", "", "T-1", ""],
        [b, "deactivate", "", "T-2", ""],
        [c, "add-group", group, "T-3", ""],
        [d, "change-profile", "", "T,4", "Another Name"],
    ])
    answer, rows = bulk(world, path)
    assert answer["rows"]["planned"] == 4 and not answer["faults"]
    assert [(r["status"], r["ticket"]) for r in rows] == [("planned", t) for t in ("T-1", "T-2", "T-3", "T,4")]
    assert sorted(r["action"] for r in rows) == ["1", "2", "3", "4"]
    shown = world.json("show", str(answer["plans"][0]["plan"]))
    assert {(x["kind"], x["class"], x["rule"], x["email"]) for x in shown["actions"]} == {
        ("suspend", "asked", "bulk", a), ("deactivate", "asked", "bulk", b),
        ("add-groups", "asked", "bulk", c), ("change-profile", "asked", "bulk", d)}
    assert "Another Name" not in str([x["reason"] for x in shown["actions"]])
    assert world.rehearsal.account(a)["status"] == "active"
    # the same again is the same plan
    again, _ = bulk(world, path)
    assert again["plans"][0]["plan"] == answer["plans"][0]["plan"] and again["plans"][0]["unchanged"]
    assert {x["state"] for x in carried_out(world, answer)} == {"done"}
    assert world.rehearsal.account(a)["status"] == "suspended"
    assert world.rehearsal.account(b)["status"] == "deactivated"
    assert group in world.rehearsal.account(c)["groups"]
    assert world.rehearsal.account(d)["name"] == "Another Name"
    assert world.rehearsal.twice() == {}
    # the result is fed back: nothing is left to do
    collected(world)
    done, rows = bulk(world, world.folder / "result.csv")
    assert {r["status"] for r in rows} == {"already"} and not done["plans"]
    assert list(rows[0]) == ["E-Mail", "op", "group", "ticket", "new_name", "status", "plan", "action", "message"]


def test_a_row_that_failed_says_why_when_its_result_is_fed_back_and_is_tried_again(world):
    a, b = whose(world, 18, 19)
    answer, _ = bulk(world, written(world, [["email", "note"], [a, "x"], [b, "y"]]), "--do", "suspend")
    world.rehearsal.fault("status", method="POST", path="*/suspend", status=400, count=1)
    assert sorted(x["state"] for x in carried_out(world, answer)) == ["done", "failed"]
    collected(world)
    again, rows = bulk(world, world.folder / "result.csv", "--do", "suspend")
    rows.sort(key=lambda r: r["status"], reverse=True)
    assert [r["status"] for r in rows] == ["planned", "already"] and {r["note"] for r in rows} == {"x", "y"}
    tried = "plan %d, action " % answer["plans"][0]["plan"]
    assert rows[0]["message"].startswith(tried) and " failed: " in rows[0]["message"] and "400" in rows[0]["message"]
    assert tried not in rows[1]["message"] and int(rows[0]["plan"]) == again["plans"][0]["plan"]
    assert [x["state"] for x in carried_out(world, again)] == ["done"]
    collected(world)
    _, rows = bulk(world, world.folder / "result.csv", "--do", "suspend")
    assert {r["status"] for r in rows} == {"already"}


def test_what_a_spreadsheet_would_reckon_is_escaped_in_the_result_and_read_back_as_it_was(world):
    """A profile's new name may begin with anything; who opens the result must not run it."""
    odd = ["=HYPERLINK(1)", "+1", "-2", "@x", "\ttab", "\rcr", "'=quoted", "''+two", "'quiet", " =blank", "\uff1dwide"]
    mails = whose(world, *range(20, 20 + len(odd)))
    path = written(world, [["who", "op", "new_name", "=note"]] +
                   [[m, "change-profile", "N", text] for m, text in zip(mails, odd)])
    _, rows = bulk(world, path)
    first = (world.folder / "result.csv").read_bytes()
    assert {r["status"] for r in rows} == {"planned"} and "'=note" in rows[0]
    for row, text in zip(rows, odd):
        cell = row["'=note"]
        assert cell in (text, "'" + text)
    assert sum(row["'=note"].startswith("'") for row in rows) == len(odd)
    # fed back it says the same again, with no apostrophe more
    _, again = bulk(world, world.folder / "result.csv")
    assert [r["'=note"] for r in again] == [r["'=note"] for r in rows]
    assert (world.folder / "result.csv").read_bytes() == first
    # what counts is read without the apostrophe that was put before it
    group = "=team " + TEAM
    path = written(world, [["group", "op"], ["'" + group, "create-group"]])
    answer, rows = bulk(world, path)
    assert rows[0]["status"] == "planned" and rows[0]["group"] == "'" + group
    shown = json.dumps(world.json("show", str(answer["plans"][0]["plan"]))["actions"])
    assert group in shown and "'" + group not in shown
    world.command("reject", str(answer["plans"][0]["plan"]), "--reason", "only a try")


def test_what_was_asked_for_is_undone_like_any_plan(world):
    a, b = whose(world, 5, 6)
    group = TEAM
    path = written(world, [["who", "op", "group"], [a, "suspend", ""], [b, "add-group", group]])
    answer, _ = bulk(world, path)
    number = str(answer["plans"][0]["plan"])
    assert {x["state"] for x in carried_out(world, answer)} == {"done"}
    back = world.json("undo", "--plan", number, "--reason", "the wrong file")
    assert sorted(x["kind"] for x in back["plans"][0]["actions"]) == ["remove-groups", "restore"]
    assert back["plans"][0]["bars"] == []  # an order is no rule: nothing does it again by itself
    assert {x["state"] for x in carried_out(world, back)} == {"done"}
    assert world.rehearsal.account(a)["status"] == "active"
    assert group not in world.rehearsal.account(b)["groups"]


def test_faults_are_all_told_by_line_and_column_and_keep_everything_from_being_planned(world):
    good = whose(world, 7)[0]
    path = written(world, [
        ["email", "op", "group"],
        [good, "suspend", ""],
        ["nobody@example.test", "suspend", ""],
        [good, "fly", ""],
        [good, "add-group", "No Such Group"],
        ["two", "values"],
    ])
    with pytest.raises(CommandFault) as fault:
        world.command("bulk", str(path), *REASON)
    assert "4 of 5 rows are faulty" in fault.value.err
    answer, rows = bulk(world, path, status=2)
    assert [(f["line"], f["column"]) for f in answer["faults"]] == [(3, 1), (4, len(good) + 2), (5, len(good) + 12),
                                                                    (6, 5)]
    assert [r["status"] for r in rows] == ["ready", "faulty", "faulty", "faulty", "faulty"]
    assert not answer["plans"] and not rows[0]["plan"]
    answer, rows = bulk(world, path, "--skip-faulty")
    assert [r["status"] for r in rows] == ["planned", "faulty", "faulty", "faulty", "faulty"]
    assert answer["plans"][0]["actions"] == 1
    world.command("reject", str(answer["plans"][0]["plan"]), "--reason", "only a try")


def test_a_file_that_is_no_csv_or_has_no_such_columns_is_refused_with_its_place(world):
    for text, status, says in ((b'a,"b\nc', 2, "line 1"), (b"name\nx\n", 2, "whom"),
                               (b"who\nx\n", 2, "--do"), (b"", 2, "empty"), (b"who,op\n\xff,x\n", 2, "line 2")):
        path = world.folder / "broken.csv"
        path.write_bytes(text)
        with pytest.raises(CommandFault) as fault:
            world.command("bulk", str(path), *REASON)
        assert fault.value.status == status and says in fault.value.err, fault.value.err


def test_a_filter_names_accounts_and_a_limit_holds_what_takes_from_many(world):
    group = TEAM
    answer = world.json("bulk", "--filter", 'claimStatus eq "managed" and status eq "active"', "--do", "suspend",
                        "--dry-run", *REASON)
    assert answer["dry"] and not answer["plans"] and answer["rows"]["ready"] > 30
    answer = world.json("bulk", "--filter", 'claimStatus eq "managed" and status eq "active"', "--do", "suspend",
                        *REASON)
    assert answer["plans"][0]["held"]  # more than 25 within a day
    shown = world.json("show", str(answer["plans"][0]["plan"]))
    assert [g["name"] for g in shown["guards"] if g["verdict"] == "hold-plan"] == ["limit-asked-day"]
    assert all(a["needs"] == 2 for a in shown["actions"] if "admin" in a["held_by"])
    world.command("reject", str(answer["plans"][0]["plan"]), "--reason", "only a try")
    # what gives is not counted
    who = whose(world, 8)[0]
    answer = world.json("bulk", "--filter", 'email eq "%s"' % who, "--do", "add-group", "--group", group, *REASON)
    assert not answer["plans"][0]["held"] and answer["rows"]["planned"] == 1
    world.command("reject", str(answer["plans"][0]["plan"]), "--reason", "only a try")


def test_deletion_waits_for_two_people_and_a_hold_stops_it(world):
    a, b = whose(world, 9, 10)
    world.command("protect", "add", b, "--kind", "legal-hold", "--owner", "law", "--reason", "case 7")
    answer, rows = bulk(world, written(world, [["who"], [a], [b]]), "--do", "delete")
    assert [r["status"] for r in rows] == ["planned", "held"] and "legal-hold" not in rows[0]["message"]
    number = str(answer["plans"][0]["plan"])
    shown = world.json("show", number)
    assert all(x["needs"] == 2 for x in shown["actions"])
    world.command("approve", number, "--reason", "one of us", status=(0, 4))
    world.json("apply", number, "--wait", status=(0, 4))
    assert {world.rehearsal.account(m)["status"] for m in (a, b)} == {"active"}
    world.command("reject", number, "--reason", "only a try", status=(0, 4))


def test_a_joiner_gets_the_groups_of_a_colleague_but_not_the_administrators(world):
    accounts = {a["email"]: a for a in world.rehearsal.state()["accounts"]}
    like, new = [p["mail"] for p in world.ordinary[12:] if accounts[p["mail"]]["status"] == "active"][:2]
    admins = "org-admins"
    world.rehearsal.set(account=like, groups=accounts[like]["groups"] + [TEAM, admins])
    collected(world)
    row = world.json("bulk", "--filter", 'email eq "%s"' % new, "--do", "copy-groups", "--like", like, *REASON)
    action = world.json("show", str(row["plans"][0]["plan"]))["actions"][0]
    assert action["kind"] == "add-groups" and TEAM in [s["name"] for s in action["steps"]], action
    assert "but not %s (" % admins in action["reason"], action["reason"]
    assert [a["state"] for a in carried_out(world, row)] == ["done"]
    now = set(world.rehearsal.account(new)["groups"])
    assert TEAM in now and admins not in now
    collected(world)
    again = world.json("bulk", "--filter", 'email eq "%s"' % new, "--do", "copy-groups", "--like", like, *REASON)
    assert not again["plans"] and again["rows"]["already"] == 1, again


# What Atlassian answers to each change, without making it.
HOLLOW = (("POST", "*/suspend", 204), ("POST", "*/restore", 204), ("POST", "*/lifecycle/disable", 204),
          ("POST", "*/lifecycle/enable", 204), ("DELETE", "*/memberships/*", 204), ("POST", "*/memberships", 204),
          ("POST", "*/roles/revoke", 204), ("DELETE", "*/api-tokens/*", 204), ("PATCH", "*/manage/profile", 200),
          ("POST", "*/groups", 201), ("DELETE", "*/groups/*", 204))


def test_of_each_kind_what_was_accepted_and_not_made_is_reported_as_not_done(world):
    accounts = {a["email"]: a for a in world.rehearsal.state()["accounts"]}
    free = [a for a in (accounts[p["mail"]] for p in world.ordinary[12:]) if a["status"] == "active" and a["seats"]]
    token = next(a for a in free if a["tokens"])
    seat, suspend, restore, off, on, joins, part, name = [a["email"] for a in free if a is not token][:8]
    world.rehearsal.set(account=restore, status="suspended")
    world.rehearsal.set(account=on, status="deactivated")
    world.rehearsal.set(account=seat, groups=[], directRoles={"jira@acme": ["atlassian/user"]})
    world.rehearsal.set(account=part, groups=accounts[part]["groups"] + [TEAM])
    answer, _ = bulk(world, written(world, [["group"], ["Hollow"]]), "--do", "create-group")
    assert [x["state"] for x in carried_out(world, answer)] == ["done"]
    collected(world)
    asked = written(world, [row + [""] * (6 - len(row)) for row in [
        ["email", "op", "group", "product", "site", "new_name"],
        [suspend, "suspend"], [restore, "restore"], [off, "deactivate"], [on, "activate"],
        [joins, "add-group", TEAM], [part, "remove-group", TEAM], [name, "change-profile", "", "", "", "Another Name"],
        [token["email"], "revoke-tokens"],
        [seat, "free-seat", "", "jira", "acme.atlassian.net"]]])
    answer, rows = bulk(world, asked)
    assert {r["status"] for r in rows} == {"planned"}, rows
    made, _ = bulk(world, written(world, [["group"], ["Never made"]], "groups.csv"), "--do", "create-group")
    gone, _ = bulk(world, written(world, [["group"], ["Hollow"]], "gone.csv"), "--do", "drop-group")
    before = world.rehearsal.state()["accounts"]
    for method, path, status in HOLLOW:
        world.rehearsal.fault("status", method=method, path=path, status=status, count=-1)
    plans = [p for a in (answer, made, gone) for p in a["plans"]]
    with Hasten(world.clock):
        for p in plans:
            world.command("approve", str(p["plan"]), "--reason", "looked at")
        done, deadline = [], time.monotonic() + 60
        while not done or any(x["state"] in ("planned", "started") for x in done) and time.monotonic() < deadline:
            done = [x for p in plans for x in world.json("apply", str(p["plan"]), "--wait")["actions"]]
    world.rehearsal.clear_faults()
    kinds = {x["kind"] for x in done}
    assert kinds >= {"suspend", "restore", "deactivate", "enable", "add-groups", "remove-groups", "change-profile",
                     "revoke-tokens", "free-seat", "create-group", "drop-group"}, kinds
    said = [(x["kind"], x["state"], x.get("result")) for x in done]
    assert not [s for s in said if s[1] in ("done", "already", "freed") or not s[2]], said
    assert world.rehearsal.state()["accounts"] == before
    assert "Never made" not in groups(world) and "Hollow" in groups(world)


def test_groups_are_made_filled_and_dropped_only_while_nobody_uses_them(world):
    names = ["Project %d" % i for i in range(5)]
    answer, rows = bulk(world, written(world, [["group"]] + [[n] for n in names]), "--do", "create-group")
    assert {x["state"] for x in carried_out(world, answer)} == {"done"}
    collected(world)
    who = whose(world, 11)[0]
    answer, _ = bulk(world, written(world, [["email"], [who]]), "--do", "add-group", "--group", names[0])
    assert {x["state"] for x in carried_out(world, answer)} == {"done"}
    collected(world)
    # the organisation's groups as a file, which is fed back narrowed
    unused = world.folder / "unused.csv"
    world.command("export", "org-groups", "--filter", "unused eq true", "--output", str(unused))
    assert {r["memberCount"] for r in read(unused)} == {"0"}
    listed = {r["displayName"] for r in read(unused)}
    tried, rows = bulk(world, unused, "--do", "drop-group", "--dry-run")
    assert {r["status"] for r in rows} == {"ready"} and len(rows) == len(listed)
    answer = world.json("bulk", "--unused-groups", *REASON)
    dropped = {x["steps"][0]["name"] for x in world.json("show", str(answer["plans"][0]["plan"]))["actions"]}
    assert set(names[1:]) <= dropped and names[0] not in dropped and listed == dropped
    # somebody comes into one of them before the plan is applied
    join(world, who, names[1])
    done = carried_out(world, answer)
    states = {x["steps"][0]["name"]: x["state"] for x in done}
    assert states[names[1]] == "skipped" and states[names[2]] == "done"
    assert names[1] in groups(world) and names[2] not in groups(world)
    world.command("audit", "verify")
