"""Two organisations of one legal entity in one configuration: a person who leaves leaves both."""
import json

import pytest

from rehearsal import Rehearsal
from sites import HOST, NAMES, TOKEN, SiteWorld
from world import HOUR, World, actions

OTHER = "11111111-2222-4333-8444-555555555555"
LEAVER, STAYS, ONLY_ACME = 1, 2, 3


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    with World(build, folder, people=50, orphans=1) as w:
        # the second organisation lacks one of those who leave
        gone = w.ordinary[ONLY_ACME]["mail"]
        people = [{"email": p["mail"], "name": p.get("cn", p["uid"]), "case": "ordinary"}
                  for p in w.people if p["mail"] != gone]
        listing = folder / "beta.jsonl"
        listing.write_text("".join(json.dumps(p) + "\n" for p in people), encoding="utf-8")
        (folder / "beta").mkdir()
        w.beta = Rehearsal(build / "rehearsal", folder / "beta", people=listing, seed=2, key="beta-secret",
                           clock=w.clock, args=["--org", OTHER])
        w.children.insert(-1, w.beta)
        config = w.daemon.config.read_text()
        first = config[config.index("  - name: acme"):config.index("schedule:")]
        second = first.replace("name: acme", "name: beta").replace("acme-key", "beta-key").replace(
            w.rehearsal.org, OTHER).replace(w.rehearsal.url, w.beta.url)
        w.daemon.stop()
        w.daemon.write_config(config.replace("schedule:", second + "schedule:"))
        w.daemon.start()
        w.command("secret", "set", "beta-key", stdin=w.beta.key)
        w.push(ends={w.ordinary[i]["uid"]: "2026-11-23" for i in (LEAVER, ONLY_ACME)})
        w.ready()
        w.rounds()
        w.arm()
        w.command("backup", str(folder / "again.db"))
        w.command("arm", "propose", "--org", "beta", "--reason", "the sample was looked at")
        w.clock.advance(18 * HOUR)
        w.command("sync")
        w.command("collect")
        yield w


def mail(world, who):
    return world.ordinary[who]["mail"]


def test_each_organisation_has_plans_of_its_own_and_who_leaves_stands_in_both(world):
    plan = world.plan()
    orgs = {p["plan"]: p["org"] for p in plan["plans"]}
    assert set(orgs.values()) == {"acme", "beta"}
    where = {(a["email"], orgs[a["plan"]]) for a in actions(plan, rule="leaver-hr", kind="suspend")}
    assert where == {(mail(world, LEAVER), "acme"), (mail(world, LEAVER), "beta"),
                     (mail(world, ONLY_ACME), "acme")}
    why = world.command("why", mail(world, LEAVER))
    assert "acme" in why and "beta" in why, why


def test_an_organisation_that_cannot_be_read_holds_up_no_other(world):
    world.beta.fault("status", path="*/users/search", status=403, count=-1)
    read = {o["org"]: o for o in world.json("collect", status=5)["organisations"]}
    assert read["acme"]["complete"] and not read["beta"]["complete"]
    world.beta.clear_faults()
    read = world.json("collect")["organisations"]
    assert {o["org"] for o in read if o["complete"]} == {"acme", "beta"}


def test_who_leaves_is_blocked_in_both(world):
    plan = world.plan()
    world.approve(plan, status=(0, 4))  # refused where every action is held
    for p in plan["plans"]:
        world.json("apply", str(p["plan"]), "--wait", status=(0, 4))
    for org in (world.rehearsal, world.beta):
        assert org.account(mail(world, LEAVER))["status"] == "suspended"
        assert org.account(mail(world, STAYS))["status"] == "active"
        assert org.twice() == {}
    assert world.rehearsal.account(mail(world, ONLY_ACME))["status"] == "suspended"
    # each organisation was asked for its own accounts alone
    theirs = {a["id"] for a in world.beta.accounts()} - {a["id"] for a in world.rehearsal.accounts()}
    assert not {e["account"] for e in world.rehearsal.effects()} & theirs
    world.command("audit", "verify", "--head")


def test_one_order_blocks_a_person_everywhere(world):
    who = world.ordinary[4]["mail"]
    world.command("block", who, "--reason", "lost laptop")
    for _ in range(200):
        states = {org.account(who)["status"] for org in (world.rehearsal, world.beta)}
        if states == {"suspended"}:
            break
        world.clock.advance(10 * 1000)
    assert states == {"suspended"}


def test_a_row_of_bulk_is_about_every_organisation_that_knows_whom_it_names(world):
    both, only = world.ordinary[5]["mail"], mail(world, ONLY_ACME)
    rows, result = world.folder / "rows.csv", world.folder / "answered.csv"
    rows.write_text("email,op\n%s,suspend\n%s,restore\n" % (both, only), encoding="utf-8")
    answer = world.json("bulk", str(rows), "--reason", "CHG-5", "--result", str(result))
    assert sorted((p["org"], p["actions"]) for p in answer["plans"]) == [("acme", 2), ("beta", 1)]
    assert [line.split(",")[2] for line in result.read_text().splitlines()[1:]] == ["planned", "planned"]
    # whom no organisation knows is a fault, and then no organisation gets a plan
    rows.write_text("email,op\n%s,restore\nnobody@example.test,suspend\n" % only, encoding="utf-8")
    answer = world.json("bulk", str(rows), "--reason", "CHG-6", status=2)
    assert not answer["plans"] and [f["line"] for f in answer["faults"]] == [3]
    answer = world.json("bulk", str(rows), "--reason", "CHG-7", "--skip-faulty")
    assert [(p["org"], p["actions"]) for p in answer["plans"]] == [("acme", 1)]


# --- an heir whom only one of them has -----------------------------------------------------------

def works():
    """lea's in an organisation: an issue and a filter."""
    return {"projects": [{"site": "acme", "id": "100", "key": "OPS", "name": "Operations",
                          "lead": "pat@example.com"}],
            "issues": [{"site": "acme", "id": "10001", "key": "OPS-1", "summary": "Move the printer",
                        "project": "OPS", "assignee": "lea@example.com", "reporter": "max@example.com",
                        "open": True}],
            "filters": [{"site": "acme", "id": "300", "name": "My open issues", "owner": "lea@example.com"}]}


@pytest.fixture
def heirs(build, tmp_path):
    """Beside acme an organisation that lacks mia, lea's manager."""
    with SiteWorld(build, tmp_path) as w:
        (tmp_path / "beta").mkdir()
        people = [{"email": n + "@example.com", "name": n.title() + " Example", "case": "ordinary"}
                  for n in NAMES if n != "mia"]
        people += [{"email": "boss%d@example.com" % i, "name": "Boss %d" % i, "admin": "org"} for i in range(2)]
        w.beta = Rehearsal(build / "rehearsal", tmp_path / "beta", people=people, seed=2, key="beta-secret",
                           clock=w.clock, args=["--plain", "--sites", "1", "--domain", "example.com",
                                                "--org", OTHER])
        w.children.insert(-1, w.beta)
        config = w.daemon.config.read_text()
        first = config[config.index("  - name: acme"):config.index("schedule:")]
        second = first.replace("name: acme", "name: beta").replace("acme-key", "beta-key").replace(
            "acme-site", "beta-site").replace(w.rehearsal.org, OTHER).replace(w.rehearsal.url, w.beta.url)
        answer = w.beta.request("POST", "/admin/v2/orgs/%s/workspaces" % OTHER, {"limit": 100})
        jira = [a for a in answer.body["data"] if a["id"].startswith("ari:cloud:jira::")][0]
        second = second.replace(w.cloud, jira["id"].rsplit("/", 1)[1])
        w.daemon.stop()
        w.daemon.write_config(config.replace("schedule:", second + "schedule:"))
        w.daemon.start()
        w.command("secret", "set", "beta-key", stdin=w.beta.key)
        w.command("secret", "set", "beta-site", stdin=TOKEN)
        for org in (w.rehearsal, w.beta):
            org.control("POST", "works", works())
        yield w


def owner(org):
    """Whose lea's issue and filter are in an organisation, by address."""
    now, ids = org.control("GET", "works"), {a["id"]: a["email"].split("@")[0] for a in org.accounts()}
    return {ids[now["issues"][0]["assignee"]], ids[now["filters"][0]["owner"]]}


def test_whoever_receives_in_one_organisation_only_is_passed_over_in_the_other(heirs):
    """lea leaves both at once. Her manager mia is only in acme: there she receives, in beta it is whoever comes
    after her; no organisation waits for the other, and no object of one goes to an account of the other."""
    w = heirs
    assert HOST in w.daemon.config.read_text()
    w.push(leaving={"lea": "2026-11-23"})
    w.arm()
    w.command("arm", "propose", "--org", "beta", "--reason", "the sample was looked at")
    w.command("handover", "lea@example.com", "--to", "mia@example.com", "--reason", "she knows the printers")
    w.clock.advance(18 * HOUR)
    w.command("collect")
    plan = w.plan()
    orgs = {p["plan"]: p["org"] for p in plan["plans"]}
    gifts = {orgs[a["plan"]]: {s["name"] for s in a["steps"]} for a in actions(plan, kind="hand-over")}
    assert gifts == {"acme": {"named"}, "beta": {"manager's manager"}}, gifts
    w.approve(plan)
    done = [a for answer in w.apply(plan) for a in answer["actions"]]
    assert sorted((a["kind"], a["state"]) for a in done) == [("hand-over", "done")] * 2 + [("suspend", "done")] * 2
    assert (owner(w.rehearsal), owner(w.beta)) == ({"mia"}, {"max"})
    for org in (w.rehearsal, w.beta):
        assert org.account("lea@example.com")["status"] == "suspended"
        order = [e["op"] for e in org.effects()]
        assert order.index("suspend") < order.index("assign-issue"), order
        assert org.twice() == {}
    w.command("collect")
    assert not actions(w.plan(), kind="hand-over")
    w.command("audit", "verify", "--head")
