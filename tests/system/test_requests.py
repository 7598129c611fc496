"""Asking for a seat again: who may is sent a link with the letter, its button makes a request, once; an
approver turns that into a plan, which is approved and applied like any."""
import re

import pytest

from daemon import CommandFault, ScimClient
from test_notices import WIDE, Page, days, idle, jira, until, warn, with_jira
from world import DAY, HOUR, World, actions

SECTIONS = """\
notices:
  folder: %s
keep:
  url: http://127.0.0.1:1
  for: 60d
again:
%s  for: 30d
"""


def configure(world, folder, again):
    """Those sections in place of notices: and whatever of them is there; the daemon starts anew."""
    text = re.sub(r"(notices|keep|again):\n(  .*\n)+", "", world.daemon.config.read_text())
    world.daemon.stop()
    world.daemon.write_config(text + SECTIONS % (folder, again))
    world.daemon.start()


def letters(folder, kind="taken"):
    """Texts of letters that tell of a seat that went, by receiver."""
    texts = [p.read_text() for p in sorted(folder.glob("*.txt"))]
    return {re.search(r"To: .*?<?([^<> ]+@[^<> \n]+)>?\n", t).group(1): t for t in texts
            if ("has ended" in t.split("\n\n")[0]) == (kind == "taken") and t.startswith("To: ")}


def link(world, letter, page="again"):
    """The page behind the link of a letter, where the daemon really listens."""
    path = re.search(r"http://127.0.0.1:1(/%s/\S+)" % page, letter).group(1)
    return "http://127.0.0.1:%d%s" % (world.daemon.scim_port, path)


def take(world, mails):
    """Warns them, waits, and takes their seats."""
    idle(world, mails)
    assert {a["email"] for a in warn(world)} >= set(mails)
    days(world, 14, hours=26)
    plan = world.plan()
    assert {a["email"] for a in actions(plan, kind="free-seat")} >= set(mails)
    world.approve(plan)
    world.apply(plan)
    assert not any(jira(world.rehearsal.account(m)) and "jira" in str(world.rehearsal.account(m)["seats"]) for m in mails)


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    with World(build, tmp_path_factory.mktemp("requests"), people=100, orphans=1, policy=WIDE) as w:
        w.people_of_jira = with_jira(w, 7)
        w.leaver = next(p for p in w.ordinary if p["mail"] not in w.people_of_jira)
        w.push(ends={w.leaver["uid"]: "2026-11-20"})
        w.ready()
        member = next(p["uid"] for p in w.staff if p["mail"] == w.people_of_jira[4])
        w.idp.create({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Jira-Keepers",
                      "members": [{"value": w.idp_ids[member]}]}, "Groups")
        w.rounds()
        w.arm()
        yield w


def test_by_group_and_by_rule_the_plan_is_made_at_once_and_still_waits_for_its_approval(world, tmp_path):
    folder = tmp_path / "notices"
    folder.mkdir()
    member, stranger = world.people_of_jira[4:6]
    configure(world, folder, "  groups: [jira-keepers]\n  approve: rule\n")
    take(world, [member, stranger])
    told = letters(folder)
    assert member in told and stranger not in told
    before = {p["plan"] for p in world.json("plans", "--all")["plans"]}
    # who may is asked again when the button is pressed
    form = Page(link(world, told[member])).form
    configure(world, folder, "  groups: [others]\n  approve: rule\n")
    at = link(world, told[member])
    assert Page(at).status == 403 and Page(at, form).status == 403
    configure(world, folder, "  groups: [jira-keepers]\n  approve: rule\n")
    at = link(world, told[member])
    assert Page(at, Page(at).form).status == 200
    until(lambda: "A plan" in Page(at).text, "no plan was made")
    made = [p for p in world.json("plans", "--all")["plans"] if p["plan"] not in before]
    assert [p["state"] for p in made] == ["open"]
    assert {a["email"] for a in world.json("show", str(made[0]["plan"]))["actions"]} == {member}


def test_who_may_ask_does_so_once_and_an_approver_gives_the_seat_back(world, tmp_path):
    folder = tmp_path / "notices"
    folder.mkdir()
    granted, refused, late, outside = world.people_of_jira[:4]
    warned = world.people_of_jira[6]
    domain = granted.split("@")[1]
    configure(world, folder, "  domains: [%s]\n" % domain.upper())
    world.rehearsal.control("POST", "set", {"account": outside, "email": "away@elsewhere.example"})
    outside = "away@elsewhere.example"
    take(world, [granted, refused, late, outside, warned])
    told = letters(folder)
    assert {granted, refused, late, warned} <= set(told) and outside not in told
    assert all("@%s" % domain in m for m in told)
    # who left is told nothing, and could ask for nothing
    assert world.rehearsal.account(world.leaver["mail"])["status"] != "active"
    assert world.leaver["mail"] not in str(letters(folder)) + str(letters(folder, "warn"))
    before = {r["request"] for r in world.json("requests", "--all")["requests"] if r["state"] != "offered"}
    assert world.json("requests")["requests"] == []

    # to look changes nothing
    at = {m: link(world, told[m]) for m in (granted, refused, late)}
    for _ in range(3):
        page = Page(at[granted])
        assert page.status == 200 and page.form and "Do you need Jira again?" in page.text
    assert granted not in page.text and page.headers["Cache-Control"] == "no-store"
    ticket = at[granted].rsplit("/", 1)[1]
    forged = at[granted][:-1] + ("A" if ticket[-1] != "A" else "B")
    for url, form, status in ((at[granted], "", 400), (at[granted], Page(at[refused]).form, 400), (forged, page.form, 404),
                              (at[granted].replace("/again/", "/keep/"), page.form, 404)):
        assert Page(url, form).status == status, url
    assert world.json("requests")["requests"] == []

    # once
    for mail in (granted, refused):
        form = Page(at[mail]).form
        assert "was noted" in Page(at[mail], form).text
        assert Page(at[mail], form).status == 200 and "was noted" in Page(at[mail]).text
    asked = {r["email"]: r for r in world.json("requests")["requests"]}
    assert set(asked) == {granted, refused} and {r["state"] for r in asked.values()} == {"asked"}
    assert granted in world.command("requests") and world.command("audit", "export").count('"seat.ask"') == 2 + len(before)

    # the link of the warning is over: its page offers the same, and says the same to everybody
    warnings = letters(folder, "warn")
    pages = {m: link(world, warnings[m], "keep") for m in (warned, granted, outside)}
    assert all(Page(at).status == 410 and Page(at).form for at in pages.values())
    assert Page(pages[warned], "").status == 400 and Page(pages[warned], Page(pages[granted]).form).status == 400
    answers = {m: Page(at, Page(at).form) for m, at in list(pages.items()) * 2}
    assert {a.status for a in answers.values()} == {200} and len({re.sub('nonce[-="0-9a-f]+', "", str(a.headers["Content-Type"]) +
           re.sub(r'nonce="[0-9a-f]+"', "", a.text)) for a in answers.values()}) == 1
    assert {r["email"] for r in world.json("requests")["requests"]} == {granted, refused, warned}
    assert len(world.json("requests")["requests"]) == 3
    number = next(str(r["request"]) for r in world.json("requests")["requests"] if r["email"] == warned)
    world.command("requests", "refuse", number, "--reason", "enough licences elsewhere")

    # an approver answers; the plan goes the way of every plan
    number = str(asked[granted]["request"])
    plan = world.json("requests", "grant", number, "--reason", "back on the project")["plan"]
    world.command("requests", "refuse", str(asked[refused]["request"]), "--reason", "left the project")
    with pytest.raises(CommandFault) as fault:
        world.command("requests", "grant", number)
    assert "was granted before" in fault.value.err
    shown = world.json("show", str(plan))
    assert {a["email"] for a in shown["actions"]} == {granted} and shown["state"] == "open"
    assert "jira" not in str(world.rehearsal.account(granted)["seats"])
    world.command("approve", str(plan), "--reason", "looked at")
    world.json("apply", str(plan), "--wait")
    assert "jira" in str(world.rehearsal.account(granted)["seats"])
    assert "A plan" in Page(at[granted]).text and "not granted" in Page(at[refused]).text
    assert world.json("requests")["requests"] == []
    # and no rule takes it again tomorrow
    days(world, 1)
    assert granted not in {a["email"] for a in actions(world.plan()) if a["product"].startswith("jira")}

    # who has left since is asked nothing: the letter stays in a mailbox
    ident = "Users/" + next(world.idp_ids[p["uid"]] for p in world.people if p["mail"] == late)
    form = Page(at[late]).form
    idp = ScimClient("127.0.0.1", world.daemon.scim_port, "idp", world.idp.token)  # it was started anew
    idp.patch(ident, [{"op": "replace", "path": "active", "value": False}])
    assert Page(at[late]).status == 403 and Page(at[late], form).status == 403
    assert world.json("requests")["requests"] == []
    idp.patch(ident, [{"op": "replace", "path": "active", "value": True}])

    # a link that was not used ends
    days(world, 30)
    assert Page(at[late], Page(at[granted]).form).status == 410 and Page(at[late]).status == 410
    assert world.json("requests")["requests"] == []
    world.command("audit", "verify")
