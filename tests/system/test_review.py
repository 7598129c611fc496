"""Access reviews: lists to managers, answers back, a plan of what is to go, evidence of all of it."""
import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from daemon import CommandFault, scim_user
from world import World, actions

USAGE, NOT_FOUND = 2, 10
BOSS = "boss@example.test"


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    """Everybody has one manager, and seats."""
    folder = tmp_path_factory.mktemp("review")
    with World(build, folder, people=30, orphans=0) as w:
        w.push()
        ext = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
        for p in w.ordinary[:6]:
            user = scim_user(p, employment={"status": "active"})
            user.setdefault(ext, {})["manager"] = {"value": "m1", "displayName": "Boss"}
            if ext not in user["schemas"]:
                user["schemas"].append(ext)
            assert w.hr.request("PUT", "Users/" + w.hr_ids[p["uid"]], user)[0] == 200
        boss = scim_user({"uid": "m1", "mail": BOSS, "cn": "Boss"}, employment={"status": "active"})
        w.hr.create(boss)
        w.ready()
        w.rounds()
        w.arm()
        yield w


def listed(world, number, *argv):
    return list(csv.DictReader(io.StringIO(world.command("review", "list", str(number), "--csv", *argv))))


def write(world, rows, *names):
    path = world.folder / "answers.csv"
    with path.open("w", newline="") as out:
        w = csv.DictWriter(out, names or ("item", "answer", "reason", "by"), extrasaction="ignore")
        w.writeheader()
        w.writerows(rows)
    return str(path)


def refused(world, status, *argv):
    with pytest.raises(CommandFault) as fault:
        world.command(*argv)
    assert fault.value.status == status, fault.value
    return fault.value.err


def test_a_review_goes_from_list_to_plan_and_evidence(world):
    w = world
    began = w.json("review", "start", "--org", "acme", "--filter", 'product eq "jira"', "--reason", "quarter")
    number, rows = began["review"], listed(w, began["review"])
    assert len(rows) == began["items"] >= 10 and {r["product"] for r in rows} == {"jira"}
    assert {r["answer"] for r in rows} == {""}
    mine = {a["mail"] for a in w.ordinary}
    plain = [r for r in rows if r["email"] in mine]
    go, keep, changed = plain[0], plain[1], plain[2]

    # nothing of a faulty file is taken
    bad = write(w, [dict(go, answer="remove", reason="left the team", by=BOSS), dict(keep, answer="perhaps", by=BOSS)])
    with pytest.raises(CommandFault) as fault:
        w.command("review", "answer", str(number), bad)
    assert "line 3" in fault.value.err
    assert w.json("review", "list", str(number))["reviews"][0]["unanswered"] == len(rows)
    for row, says in ((dict(go, answer="remove", reason="", by=BOSS), "needs a reason"),
                      (dict(go, answer="keep", by=""), "nobody is named")):
        with pytest.raises(CommandFault) as fault:
            w.command("review", "answer", str(number), write(w, [row]))
        assert says in fault.value.err
    with pytest.raises(CommandFault) as fault:
        w.command("review", "answer", str(number), write(w, [{"item": "99999", "answer": "keep", "by": BOSS}]))
    assert fault.value.status == NOT_FOUND and "no item 99999" in fault.value.err

    good = write(w, [dict(go, answer="remove", reason='"=cmd" left, the team', by=BOSS), dict(keep, answer="KEEP"),
                     dict(changed, answer="remove", reason="wrong one")], "item", "answer", "reason", "by")
    assert w.json("review", "answer", str(number), good, "--by", BOSS)["changed"] == 3
    assert w.json("review", "answer", str(number), good, "--by", BOSS)["changed"] == 0
    w.command("review", "answer", str(number), write(w, [dict(changed, answer="keep", reason="after all", by=BOSS)]))
    by = {r["item"]: r for r in listed(w, number)}
    assert by[go["item"]]["answer"] == "remove" and by[go["item"]]["by"] == BOSS
    assert by[changed["item"]]["answer"] == "keep" and by[changed["item"]]["reason"] == "after all"

    # by several at once: one closes it, and there is one plan of it
    def close(_):
        try:
            return w.json("review", "close", str(number), "--reason", "answers are in")
        except CommandFault as fault:
            return fault
    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(close, range(4)))
    (closed,) = [e for e in ends if isinstance(e, dict)]
    assert all("clos" in e.err for e in ends if not isinstance(e, dict))
    review = closed["reviews"][0]
    assert (review["keep"], review["remove"], review["unanswered"]) == (2, 1, len(rows) - 3)
    (plan,) = [p["plan"] for p in closed["plans"]]
    assert json.loads(review["plans"]) == [plan]
    assert [p["plan"] for p in w.json("plans", "--all")["plans"]][0] == plan  # none was made beside it
    shown = w.json("show", str(plan))
    acts = actions(shown) + actions(shown, held=True)
    assert [(a["kind"], a["product"]) for a in acts] == [("free-seat", "jira")]
    with pytest.raises(CommandFault) as fault:
        w.command("review", "answer", str(number), good)
    assert "is closed" in fault.value.err
    with pytest.raises(CommandFault):
        w.command("review", "close", str(number), "--reason", "again")
    entry = [json.loads(x) for x in w.command("audit", "export").splitlines() if '"review.close"' in x][-1]
    assert json.loads(entry["body"])["unanswered"] == len(rows) - 3 and BOSS not in entry["body"]

    told = w.json("report", "reviews")
    mine = [dict(zip([c["name"] for c in told["columns"]], r)) for r in told["rows"] if r[0] == number]
    assert {r["manager"] for r in mine} == {r["manager"] for r in rows} and all(r["closedAt"] for r in mine)
    assert [sum(r[k] for r in mine) for k in ("seats", "keep", "remove", "unanswered")] == [len(rows), 2, 1, len(rows) - 3]

    pack = w.folder / "pack"
    w.command("evidence", "--from", "2026-11-01", "--to", "2027-01-01", "--output", str(pack))
    lines = [json.loads(x) for x in (pack / "reviews" / ("%d.jsonl" % number)).read_text().splitlines()]
    assert lines[0]["unanswered"] == len(rows) - 3 and len(lines) == 1 + len(rows)
    assert {x["answer"] for x in lines[1:]} == {"keep", "remove", "unanswered"}
    key = w.folder / "key"
    key.write_text(w.command("evidence", "key"))
    w.command("evidence", "verify", str(pack), "--key", str(key))


def test_each_manager_has_a_list_and_is_told_without_names(world):
    w = world
    began = w.json("review", "start", "--org", "acme", "--until", "30d", "--reason", "again")
    rows = listed(w, began["review"])
    managed = [r for r in rows if r["manager"] == BOSS]
    assert managed and began["managers"] >= 1 and began["without_manager"] == len([r for r in rows if not r["manager"]])
    assert listed(w, began["review"], "--manager", BOSS.upper()) == managed
    assert began["told"] == began["managers"]
    letters = [p.read_text(errors="replace") for p in w.notices.rglob("*") if p.is_file()]
    letters = [t for t in letters if "access review %d" % began["review"] in t]
    assert letters and not any(r["email"] in t for r in managed for t in letters)
    assert len(w.json("review", "list", str(began["review"]), "--open", "--limit", "0")["items"]) == len(rows)
    read = [r for r in w.json("privacy")["readers"] if r["what"] == "people.read review"]
    assert read and read[0]["times"] >= 2


def test_what_is_said_about_somebody_is_forgotten_with_them(world):
    w = world
    began = w.json("review", "start", "--org", "acme", "--filter", 'product eq "jira"', "--reason", "third")
    rows = listed(w, began["review"])
    row = next(r for r in rows if r["email"] == w.ordinary[9]["mail"])
    w.command("review", "answer", str(began["review"]), write(w, [dict(row, answer="remove", reason="is ill", by=BOSS)]))
    w.command("forget", row["email"], "--reason", "asked")
    after = {r["item"]: r for r in listed(w, began["review"])}[row["item"]]
    assert (after["email"], after["name"], after["reason"], after["answer"]) == ("", "", "", "remove")
    w.command("forget", BOSS, "--reason", "asked")
    assert BOSS not in w.command("review", "list", str(began["review"]), "--csv")


def test_wrong_asking_is_refused(world):
    refused(world, USAGE, "review", "start", "--org", "acme", "--until", "2020-01-01", "--reason", "x")
    refused(world, NOT_FOUND, "review", "list", "4711")
    refused(world, NOT_FOUND, "review", "close", "4711", "--reason", "x")
