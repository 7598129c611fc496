"""Whose word counts: signed statements, two people where two are needed, refusals that are
remembered, and the shop with one administrator."""
import json
import os
import signal
import time

import pytest
import time

from daemon import CommandFault
from world import DAY, HOUR, World, actions


LIMIT = "leavers_day: { count: 10, share: 5 %"


@pytest.fixture
def world(build, tmp_path):
    with World(build, tmp_path, people=40, orphans=3) as w:
        # two whose last working day is the Monday of the clock; one of them is protected
        w.kept, w.other = w.ordinary[0], w.ordinary[5]
        w.push(ends={p["uid"]: "2026-11-23" for p in (w.kept, w.other)})
        w.ready()
        w.rounds()
        w.arm()
        w.command("protect", "add", w.kept["mail"], "--owner", "ida", "--reason", "runs the payroll")
        w.clock.advance(18 * HOUR)
        w.command("sync")
        w.command("collect")
        yield w


def key(world, name):
    """Of that name, and its file: made once."""
    path = str(world.folder / (name + ".key"))
    if not os.path.exists(path):
        world.command("key", "new", path, "--name", name, "--key-passphrase-fd", "0", stdin=name + "'s own")
        assert os.stat(path).st_mode & 0o777 == 0o600
    return path


def signing(world, name):
    return ["--sign", key(world, name), "--key-passphrase-fd", "0"], {"stdin": name + "'s own"}


def signed(world, name, *argv, **options):
    more, stdin = signing(world, name)
    return world.json(*argv, *more, **stdin, **options)


def enrol(world, first="ada", second="bob"):
    world.command("approver", "enrol", first, "--key", key(world, first) + ".pub")
    more, stdin = signing(world, first)
    world.command("approver", "enrol", second, "--key", key(world, second) + ".pub", *more, **stdin)


def refused(world, *argv, **options):
    with pytest.raises(CommandFault) as fault:
        world.command(*argv, **options)
    return fault.value.err


def of(plan, person, kind="suspend"):
    return next(a for a in plan["actions"] if a["email"] == person["mail"] and a["kind"] == kind)


def urgent(world):
    return next(p for p in world.plan()["plans"] if p["urgency"] == "urgent")


def changed(world, config):
    world.daemon.stop()
    world.daemon.write_config(config)
    world.daemon.start()


def status(world, person):
    return world.rehearsal.account(person["mail"])["status"]


def test_a_protected_leaver_goes_when_two_people_signed_and_not_before(world):
    plan = urgent(world)
    number = str(plan["plan"])
    action = of(world.json("show", number), world.kept)
    assert action["needs"] == 2 and action["held_by"] == ["exemption"]
    deed = ["approve", number, "--action", str(action["n"]), "--release", "exemption", "--reason", "left"]
    # one unsigned word is enough for the other, and nobody's for this one
    assert "two have signed" not in world.command("approve", number, "--reason", "looked at")
    assert "starts once two have signed" in world.command(*deed)
    world.json("apply", number, "--wait")
    assert status(world, world.other) == "suspended" and status(world, world.kept) == "active"
    assert "two people must approve it" in action["missing"] and "0 of 2" in action["missing"]
    # nobody is enrolled whom somebody did not sign for, but the first
    world.command("approver", "enrol", "ada", "--key", key(world, "ada") + ".pub")
    assert "one of them signs" in refused(world, "approver", "enrol", "bob", "--key",
                                          key(world, "bob") + ".pub")
    more, stdin = signing(world, "ada")
    world.command("approver", "enrol", "bob", "--key", key(world, "bob") + ".pub", *more, **stdin)
    # the same person twice is one
    assert signed(world, "ada", *deed)["who"] == "approver:ada"
    signed(world, "ada", *deed)
    world.json("apply", number, "--wait")
    assert status(world, world.kept) == "active"
    assert "1 of 2" in of(world.json("show", number), world.kept)["missing"]
    assert signed(world, "ada", *deed)["two"] is True
    # bob signs on a machine of his own
    statement = world.command(*deed, "--statement")
    assert "instance rehearsal\n" in statement and "target %s\n" % number in statement
    text = world.folder / "statement"
    text.write_text(statement)
    away = dict(world.daemon.env, LEAVERD_CONFIG="/nonexistent")
    env, world.daemon.env = world.daemon.env, away
    answer = world.command("sign", str(text), "--key", key(world, "bob"), "--key-passphrase-fd", "0",
                           stdin="bob's own")
    assert "does not open" in refused(world, "sign", str(text), "--key", key(world, "bob"),
                                      "--key-passphrase-fd", "0", stdin="ada's own")
    world.daemon.env = env
    forged = answer.replace("actions %d\n" % action["n"], "actions %d,%d\n" % (action["n"], action["n"] + 1))
    assert forged != answer
    said = refused(world, "approve", number, "--signature", "-", stdin=forged)
    assert "changed after it was signed" in said
    assert "What was asked for" in refused(world, "reject", number, "--signature", "-", stdin=answer)
    world.command("approve", number, "--signature", "-", stdin=answer)
    assert "counts once" in refused(world, "approve", number, "--signature", "-", stdin=answer)
    world.json("apply", number, "--wait")
    assert status(world, world.kept) == "suspended"
    proof = world.json("audit", "verify", "--head")
    assert proof["signed"] == 5 and "each signature fits" in proof["notes"][0]
    assert world.rehearsal.twice() == {}


def test_who_retired_has_approved_nothing_that_has_not_begun(world):
    enrol(world)
    number = str(urgent(world)["plan"])
    action = of(world.json("show", number), world.kept)
    deed = ["approve", number, "--action", str(action["n"]), "--release", "exemption", "--reason", "left"]
    signed(world, "ada", *deed)
    world.command("approver", "retire", "ada", "--reason", "her laptop is gone")
    signed(world, "bob", *deed)
    world.json("apply", number, "--wait")
    assert status(world, world.kept) == "active"
    more, stdin = signing(world, "ada")
    assert "was retired" in refused(world, *deed, *more, **stdin)
    assert "is no name" in refused(world, "key", "new", str(world.folder / "x"), "--name", "Ada L",
                                   "--key-passphrase-fd", "0", stdin="secret")
    more, stdin = signing(world, "bob")
    world.command("approver", "enrol", "carl", "--key", key(world, "carl") + ".pub", *more, **stdin)
    signed(world, "carl", *deed)
    world.json("apply", number, "--wait")
    assert status(world, world.kept) == "suspended"
    states = {a["name"]: a["state"] for a in world.json("approver", "list")["approvers"]}
    assert states == {"ada": "retired", "bob": "counts", "carl": "counts"}
    # what is signed may be a refusal, too
    signed(world, "carl", "reject", str(urgent(world)["plan"]), "--reason", "next week")
    world.command("audit", "verify", "--head")


def test_what_was_refused_is_not_planned_again_until_then(world):
    plan = urgent(world)
    number, action = str(plan["plan"]), of(world.json("show", str(plan["plan"])), world.other)
    part = ["reject", number, "--person", world.other["mail"]]
    assert "needs --reason, and --until" in refused(world, *part, "--reason", "no")
    assert "1 action refused by uid:" in world.command(*part, "--until", "3d", "--reason",
                                                       "stays until Thursday")
    world.command("approve", number, "--reason", "the rest", status=(0, 4))
    world.json("apply", number, "--wait")
    assert status(world, world.other) == "active"
    shown = of(world.json("show", number), world.other)
    assert shown["state"] == "skipped" and "refused it until" in shown["result"]
    # nor is it said to be approved when nothing can come of that
    assert "0 are held and 1 are over" in refused(world, "approve", number, "--person", world.other["mail"])
    again = world.plan()
    mine = [a for p in again["plans"] for a in world.json("show", str(p["plan"]))["actions"]
            if a["email"] == world.other["mail"] and a["rule"] == action["rule"]]
    assert all(a["held_by"] == ["bar"] for a in mine if a["kind"] == "suspend")
    assert "stays until Thursday" in world.command("why", world.other["mail"])
    world.clock.advance(3 * DAY + HOUR)
    world.command("sync")
    world.command("collect")
    again = of(world.json("show", str(urgent(world)["plan"])), world.other)
    assert again["verdict"] == "pass"


def test_one_administrator_types_the_count_waits_and_somebody_is_told(world):
    config = world.daemon.config.read_text()
    changed(world, config + "approvals:\n  signed: always\n  single_admin: true\n"
            "  single_delay: 4h\n  second_address: audit@example.com\n")
    # that lets more happen, so it waits for a person
    waits = world.json("config", "list")["configurations"][0]
    assert waits["state"] == "waits" and any("single_admin" in w for w in waits["wider"])
    assert "lets more happen" in str([c for c in world.json("doctor", status=(0, 1, 6))["checks"]
                                      if c["check"] == "configuration"])
    assert world.plan()["rounds"][0]["config_waits"] == waits["number"]
    assert "two people sign" in refused(world, "approve", str(urgent(world)["plan"]), "--count", "1",
                                        "--reason", "not yet")
    world.command("config", "approve", "--reason", "agreed with audit")
    world.daemon.stop()
    world.daemon.start()
    assert "config_waits" not in world.plan()["rounds"][0]
    number = str(urgent(world)["plan"])
    action = of(world.json("show", number), world.kept)
    deed = ["approve", number, "--action", str(action["n"]), "--release", "exemption", "--reason", "left"]
    assert "wants every approval signed" in refused(world, *deed, "--count", "1")
    world.command("approver", "enrol", "ada", "--key", key(world, "ada") + ".pub")
    assert "--count says 2" in refused(world, *deed, "--count", "2", *signing(world, "ada")[0],
                                       **signing(world, "ada")[1])
    # where one is enough the count is looked at, and nothing waits
    one = ["approve", number, "--person", world.other["mail"], "--reason", "left"]
    more, stdin = signing(world, "ada")
    assert "--count says 3" in refused(world, *one, "--count", "3", *more, **stdin)
    assert "alone" not in signed(world, "ada", *one, "--count", "1")
    answer = signed(world, "ada", *deed, "--count", "1")
    assert abs(answer["alone"] - world.clock.now_ms() - 4 * HOUR) < HOUR / 60
    letters, end = [], time.monotonic() + 90
    while not letters and time.monotonic() < end:  # the outbox has a thread of its own
        letters = [n.read_text() for n in world.notices.glob("single-admin-*.txt")]
    assert len(letters) == 1 and "To: audit@example.com" in letters[0] and "approver:ada" in letters[0]
    world.json("apply", number, "--wait")
    assert status(world, world.kept) == "active"
    world.clock.advance(4 * HOUR)
    world.json("apply", number, "--wait")
    assert status(world, world.kept) == "suspended"
    # a list of leavers is signed, too: the count stands for the second, never for both
    listed = str(world.json("expect", world.other["mail"], "--until", "30d", "--reason", "Lyon")["number"])
    bare = ["expect", "approve", listed, "--count", "1", "--reason", "Lyon closes"]
    assert "wants every approval signed" in refused(world, *bare)
    assert len(list(world.notices.glob("single-admin-expect-*.txt"))) == 0
    signed(world, "ada", "expect", "approve", listed, "--reason", "Lyon closes")
    assert world.json("expect", "list")["lists"][0]["state"] == "waits"
    world.command(*bare)
    assert world.json("expect", "list")["lists"][0]["state"] == "stands"
    world.command("audit", "verify", "--head")
    # who blocks cannot wait for a key
    world.command("block", world.ordinary[9]["mail"], "--reason", "device stolen")
    assert status(world, world.ordinary[9]) == "suspended"


def acting(world):
    return next(c["text"] for c in world.json("doctor", status=tuple(range(12)))["checks"]
                if c["check"] == "configuration" and c["target"] == "instance")


def test_a_configuration_that_lets_more_happen_waits_and_one_that_lets_less_does_not(world):
    config = world.daemon.config.read_text()
    changed(world, config.replace(LIMIT, "leavers_day: { count: 1, share: 0 %"))
    assert [c["state"] for c in world.json("config", "list")["configurations"]][:1] == ["stands"]
    held = urgent(world)
    assert held["held"] and "limit-leavers-day" in str(held["guards"])
    # read again by SIGHUP: told and kept, and nothing acts by it
    world.daemon.write_config(config.replace(LIMIT, "leavers_day: { count: 50, share: 0 %"))
    world.daemon.process.send_signal(signal.SIGHUP)
    for _ in range(200):
        newest = world.json("config", "list")["configurations"][0]
        if newest["state"] == "waits":
            break
        time.sleep(0.05)
    assert newest["wider"] == ["policy.limits.leavers_day.count: 1 -> 50"]
    changed(world, world.daemon.config.read_text())
    assert urgent(world)["held"] and "waits for a person" in world.command("plan")
    enrol(world)
    told = signed(world, "ada", "config", "approve", "--reason", "merger")
    # from the next round, without a restart
    assert "act from the next round" in str(told) and "restart" not in str(told)
    assert not urgent(world)["held"] and "waits for a person" not in world.command("plan")
    newest = world.json("config", "list")["configurations"][0]
    assert newest["state"] == "stands" and len(newest["digest"]) == 64
    assert newest["digest"] in world.command("config", "list")
    # one that was read again by SIGHUP, and what is about sources, is not in its hands yet
    world.daemon.write_config(world.daemon.config.read_text().replace("count: 50", "count: 60")
                              .replace("minimum: 20", "minimum: 2"))
    world.daemon.process.send_signal(signal.SIGHUP)
    for _ in range(200):
        if world.json("config", "list")["configurations"][0]["state"] == "waits":
            break
        time.sleep(0.05)
    assert "restart serve" in str(signed(world, "ada", "config", "approve", "--reason", "more"))
    # what needs a restart stays said until it comes: setting by setting
    rests = acting(world)
    assert "restart it" in rests and "minimum: 20 -> 2" in rests and "leavers_day.count: 50 -> 60" in rests
    changed(world, world.daemon.config.read_text().replace("minimum: 2\n", "minimum: 1\n").replace("count: 60", "count: 61"))
    assert "next start of serve" in str(signed(world, "ada", "config", "approve", "--reason", "less"))
    rests = acting(world)
    assert "restart it" in rests and "minimum: 2 -> 1" in rests and "leavers_day" not in rests
    changed(world, world.daemon.config.read_text())
    assert acting(world) == "what is loaded acts"
    # the whole of each stands in the chain, with what differs
    loads = [json.loads(json.loads(line)["body"]) for line in
             world.command("audit", "export").splitlines() if '"config.load"' in line]
    assert "leavers_day" in loads[-1]["text"] and loads[-1]["differs"]
    world.command("audit", "verify", "--head")


def test_announced_leavers_pass_the_limits_once_two_people_signed(world):
    config = world.daemon.config.read_text()
    changed(world, config.replace(LIMIT, "leavers_day: { count: 2, share: 0 %"))
    assert "4 leavers within 24 hours" in str(urgent(world)["guards"]) and urgent(world)["held"]
    listing = world.folder / "leavers"
    listing.write_text("# Lyon\n%s\n%s\n" % (world.kept["mail"], world.other["mail"]))
    made = world.json("expect", "--file", str(listing), "--until", "30d", "--reason", "Lyon closes")
    number = str(made["number"])
    enrol(world)
    assert "two people sign" in refused(world, "expect", "approve", number, "--reason", "yes")
    signed(world, "ada", "expect", "approve", number, "--reason", "CHG-1")
    signed(world, "ada", "expect", "approve", number, "--reason", "CHG-1")
    assert world.json("expect", "list")["lists"][0]["state"] == "waits" and urgent(world)["held"]
    signed(world, "bob", "expect", "approve", number, "--reason", "CHG-1")
    assert world.json("expect", "list")["lists"][0]["state"] == "stands"
    plan = urgent(world)  # exactly these: two others are counted
    assert not plan["held"] and "2 leavers within 24 hours" in str(plan["guards"])
    world.command("expect", "withdraw", number, "--reason", "Lyon stays")
    assert urgent(world)["held"]
    world.command("audit", "verify", "--head")


def test_a_protection_and_a_bar_are_given_and_lifted_by_a_signed_word(world):
    config = world.daemon.config.read_text()
    who = world.ordinary[7]["mail"]
    enrol(world)
    made = signed(world, "ada", "protect", "add", who, "--owner", "HR Lyon", "--until", "90d", "--reason", "long illness")
    row = next(p for p in world.json("protect", "list")["protections"] if p["number"] == made["number"])
    assert (row["who"], row["owner"], row["reason"]) == ("approver:ada", "HR Lyon", "long illness")
    assert row["person"] and row["until_ms"]
    bar = signed(world, "bob", "bars", "add", who, "--rule", "leaver-hr", "--reason", "case 12")
    row = next(b for b in world.json("bars", "list")["bars"] if b["number"] == bar["number"])
    assert (row["who"], row["rule"], row["reason"]) == ("approver:bob", "leaver-hr", "case 12")
    # signed elsewhere, and brought: once, and for that alone
    text = world.command("bars", "lift", str(bar["number"]), "--reason", "over", "--statement")
    assert "about bar" in text and "decision lift" in text
    more, stdin = signing(world, "ada")
    paper = world.folder / "lift"
    paper.write_text(text, encoding="utf-8")
    answer = world.command("sign", str(paper), "--key", key(world, "ada"), *more[2:], **stdin)
    assert "What was asked for" in refused(world, "protect", "remove", str(made["number"]), "--signature", "-", stdin=answer)
    # where all is signed, what takes a guard away is signed, too; what gives one need not be
    changed(world, config + "approvals:\n  signed: always\n")
    assert "lets more happen" in refused(world, "bars", "lift", str(bar["number"]), "--reason", "over")
    assert "lets more happen" in refused(world, "protect", "remove", str(made["number"]), "--reason", "over")
    world.command("bars", "lift", str(bar["number"]), "--signature", "-", stdin=answer)
    assert bar["number"] not in [b["number"] for b in world.json("bars", "list")["bars"]]
    signed(world, "bob", "protect", "remove", str(made["number"]), "--reason", "back at work")
    assert made["number"] not in [p["number"] for p in world.json("protect", "list")["protections"]]
    assert "approver:bob" in world.command("audit", "export")
    world.command("protect", "add", who, "--owner", "HR Lyon", "--reason", "ill again")
    world.command("audit", "verify", "--head")
