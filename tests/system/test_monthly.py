"""The month's end as an administrator runs it, with 5,000 people: HR's export in, the directory and Atlassian
read, a plan, a signed approval, the plan applied, a week later the same once more, reports out, evidence
handed over. A real slapd, the rehearsal organisation, the shipped policy; days pass on the virtual clock.

Each step proves that its people are those of the step before: whom HR ended, whom the plan names, who is
out at Atlassian, whom reports and exports tell of, and whom the evidence shows. Two of HR's list are not
removed, and every step says why: one is protected, one never had an account."""
import collections
import csv
import json
import os
import subprocess
import time

import pytest

import world as worlds
from daemon import CommandFault
from drops import HR, PUSHED, Drops
from world import DAY, HOUR, World, actions

PEOPLE = 5000
LEAVERS = 48  # of the shipped limit for one day, 2 % of 5,000, which counts everybody who is to go
LAST_DAY = "30.11.2026"


class Month(Drops, World):
    """HR drops exports; the directory is a slapd; every approval is signed. Nobody pushes."""

    config = worlds.CONFIG.replace(PUSHED, HR)
    config = config.replace(config[config.index("  - name: idp\n"):config.index("organisations:")], "")
    config = config[:config.index("policy:\n")].replace("per_second: 500", "per_second: 1000").replace("      roles: all\n", "") + "approvals:\n  signed: always\n"

    def __init__(self, build, folder, **more):
        self.drops_in(folder / "instance")
        self.began = self.last = time.monotonic()
        super().__init__(build, folder, **more)
        self.key, self.secret = folder / "ada.key", "ada's own"
        self.command("key", "new", str(self.key), "--name", "ada", "--key-passphrase-fd", "0", stdin=self.secret)
        self.command("approver", "enrol", "ada", "--key", "%s.pub" % self.key)

    def rows(self, ends=None, **more):
        """And somebody whom HR took on, and who never came: in no directory, without an account."""
        left = (ends or {}).get("never-came", "")
        return super().rows(ends=ends, **more) + ["90001;Nobody;never-came@example.test;Active;%s;%d" % (left, self.number)]

    def read(self):
        """HR's newest drop, the directory, Atlassian."""
        sources = self.json("sync")["sources"]
        assert [s["accepted"] for s in sources] == [True, True], sources
        assert self.json("collect")["organisations"][0]["complete"]

    def carry_out(self, plan, urgency, *which):
        """Approved with a signature, which alone counts, and applied; the plan's number and what was done by outcome."""
        number, = [str(p["plan"]) for p in plan["plans"] if p["urgency"] == urgency]
        approve = ("approve", number, "--reason", "month's end", *which)
        with pytest.raises(CommandFault) as refused:
            self.command(*approve)
        assert "every approval signed" in refused.value.err
        self.command(*approve, "--sign", str(self.key), "--key-passphrase-fd", "0", stdin=self.secret)
        outcomes = self.json("apply", number, "--wait")["outcomes"]
        assert not outcomes["failed"] + outcomes["skipped"] + outcomes["unverifiable"], outcomes
        return int(number), outcomes["done"]

    def table(self, name, *argv):
        """A report's rows as dicts."""
        answer = self.json("report", name, *argv)
        return [dict(zip([c["name"] for c in answer["columns"]], row)) for row in answer["rows"]]

    def out(self, status):
        """Who is out so, in the organisation itself."""
        return {a["email"] for a in self.rehearsal.state()["accounts"] if a["status"] == status}

    def say(self, step, what):
        """A line a step, for the log."""
        now = time.monotonic()
        print("%5.1f s  %-10s %s" % (now - self.last, step, what))
        self.last = now


@pytest.fixture
def month(build, tmp_path, monkeypatch):
    monkeypatch.setattr(worlds, "CONFIG", Month.config)
    with Month(build, tmp_path, people=PEOPLE, orphans=3) as m:
        yield m


def people_of(plan, kind):
    return {a["email"] for a in actions(plan, rule="leaver-hr", kind=kind)}


def test_a_month_of_5000_people_ties_out_from_the_feed_to_the_evidence(month, tmp_path):
    m = month
    m.say("set up", "%d people in the directory" % len(m.staff))

    # --- once: three rounds, a sample that was looked at, a backup, mode propose
    for hours in (0, 1, 1):
        m.clock.advance(hours * HOUR)
        m.export()
        m.read()
    m.arm()
    m.say("arm", "three complete rounds, mode propose")

    # --- the month's end: HR ends 50, for the day that is over
    leavers = m.ordinary[:LEAVERS]
    kept = m.ordinary[LEAVERS]
    ends = {p["uid"]: LAST_DAY for p in leavers + [kept]}
    ends["never-came"] = LAST_DAY
    wanted = {p["mail"] for p in leavers}
    m.command("protect", "add", kept["mail"], "--owner", "ida", "--reason", "runs the payroll")
    before = m.out("suspended") | m.out("deactivated")
    m.clock.advance(8 * DAY)
    m.export(ends=ends)
    m.read()
    assert len(m.json("users", "--source", "hr", "--limit", "0")["users"]) == len(m.staff) + 1
    m.say("feed", "HR ended %d" % len(ends))

    # --- the plan names exactly them; nothing is done yet
    plan = m.plan()
    assert people_of(plan, "suspend") == wanted
    held = actions(plan, rule="leaver-hr", held=True)
    assert {a["email"] for a in held} == {kept["mail"]} and {g for a in held for g in a["held_by"]} == {"exemption"}
    open_rows = m.table("leavers")
    assert {r["email"] for r in open_rows if r["rule"] == "leaver-hr"} == wanted | {kept["mail"]}
    # the directory has switched off two more; they are blocked on its word
    switched_off = {a["email"] for a in actions(plan, rule="leaver-directory", kind="suspend")}
    assert switched_off == {"state-disabled@example.test", "state-shadow-expired@example.test"}
    assert {r["email"] for r in open_rows} == wanted | {kept["mail"]} | switched_off
    assert (m.out("suspended") | m.out("deactivated")) == before
    m.say("plan", "%d leavers, %d held" % (len(wanted), len(held)))

    # --- signed, applied: access is blocked, of them and of nobody else
    first, done = m.carry_out(plan, "urgent")
    assert done == len(actions(plan, rule="leaver-hr")) + len(actions(plan, rule="leaver-directory"))
    assert m.out("suspended") - before == wanted | switched_off
    m.say("suspend", "plan %d: %d are out" % (first, len(wanted)))

    # --- a week later: deactivated
    m.clock.advance(7 * DAY)
    m.export(ends=ends)
    m.read()
    plan = m.plan()
    assert people_of(plan, "deactivate") == wanted
    second, done = m.carry_out(plan, "routine", "--rule", "leaver-hr")
    assert done == LEAVERS
    assert m.out("deactivated") - before == wanted
    assert m.rehearsal.twice() == {}
    m.read()
    m.say("deactivate", "plan %d: %d are deactivated" % (second, len(wanted)))

    # --- reports: every row of HR's list has its answer, and the numbers are the same
    sample = tmp_path / "hr.csv"
    mails = {p["uid"]: p["mail"] for p in m.staff}
    sample.write_text("".join("%s,2026-11-30\n" % mails.get(uid, "never-came@example.test") for uid in ends))
    answers = m.table("auditor", "--sample", str(sample))
    assert collections.Counter(r["answer"] for r in answers) == {
        "removed": LEAVERS, "held": 1, "never had an account": 1}
    assert {r["asked"] for r in answers if r["answer"] == "removed"} == wanted
    rows = [r for r in m.table("deprovisioning") if r["rule"] == "leaver-hr"]
    done = [r for r in rows if r["doneAt"]]
    assert len(done) == LEAVERS and not any(r["breach"] for r in done)
    assert len(rows) == LEAVERS + 1  # who is held is told too, with the time that passes
    assert {r["email"] for r in m.table("leavers")} == {kept["mail"]}
    actions_csv = tmp_path / "actions.csv"
    m.command("export", "actions", "--output", str(actions_csv))
    with actions_csv.open(newline="", encoding="utf-8") as f:
        exported = [r for r in csv.DictReader(f) if r["rule"] == "leaver-hr" and r["state"] == "done"]
    for kind in ("suspend", "deactivate"):
        assert {r["email"] for r in exported if r["kind"] == kind} == wanted, kind
    for name in ("seats", "deprovisioning", "leavers", "feeds", "trend"):
        m.command("report", name, "--format", "html", "--output", str(tmp_path / (name + ".html")))
    m.say("reports", "%d removed, 1 held, 1 never had an account" % LEAVERS)

    # --- evidence: the same people, and nothing but the pack and a public key says so
    pack, key = tmp_path / "pack", tmp_path / "acme.key"
    m.command("evidence", "--from", "2026-11-30", "--to", "2026-12-31", "--output", str(pack), "--tar")
    key.write_text(m.command("evidence", "key"))
    elsewhere = {k: v for k, v in os.environ.items() if not k.startswith("LEAVERD")}
    for what in (pack, tmp_path / "pack.tar"):
        subprocess.run([m.daemon.binary, "evidence", "verify", str(what), "--key", str(key)], env=elsewhere, cwd=tmp_path,
                       check=True, capture_output=True)
    with (pack / ("plan-%d" % second) / "before-after.csv").open(newline="", encoding="utf-8") as f:
        shown = [r for r in csv.DictReader(f) if r["kind"] == "deactivate" and r["state"] == "done"]
    assert {r["email"] for r in shown} == wanted
    signed = [json.loads(line) for line in (pack / ("plan-%d" % second) / "decisions.jsonl").read_text().splitlines()]
    assert [d["who"] for d in signed] == ["approver:ada"]
    assert m.json("audit", "verify", "--head")["entries"] > 2 * LEAVERS
    m.say("evidence", "verified; %.1f s in all" % (time.monotonic() - m.began))
