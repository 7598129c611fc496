"""Retention, and what `leaverd privacy` tells of what is held."""
import json
import sqlite3
import time

import pytest

from daemon import CommandFault
from world import DAY, World

RETENTION = """\
retention:
  audit: 120d
  journal: 90d
  reads: 7d
  tombstones: 30d
"""


def until(what, says, within_s=120):
    end = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < end, says
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    """A leaver was suspended by a plan; nothing goes yet."""
    folder = tmp_path_factory.mktemp("privacy")
    with World(build, folder, people=30, orphans=0) as w:
        w.leaver = w.ordinary[0]
        w.push(ends={w.leaver["uid"]: "2026-11-20"})
        w.ready()
        w.rounds()
        w.arm()
        plan = w.plan()
        w.approve(plan)
        w.apply(plan)
        yield w


def held(world):
    return {row["kind"]: row for row in world.json("privacy")["held"]}


def scalar(world, sql, *args):
    with sqlite3.connect("file:%s?mode=ro" % (world.daemon.folder / "state/leaverd.db"), uri=True) as db:
        return db.execute(sql, args).fetchone()[0]


def test_what_is_held_is_counted_with_how_long_it_stays(world):
    before = held(world)
    assert before["people"]["count"] >= 80 and before["people"]["keep_ms"] is None and before["people"]["key"] is None
    assert before["accounts"]["count"] >= 30 and before["plan-values"]["count"] >= 1
    assert before["journal"]["count"] >= 2 and before["journal"]["key"] == "retention.journal"
    assert before["notices"]["keep_ms"] == 30 * DAY and before["audit"]["oldest_ms"] > 0
    assert world.json("privacy")["due"] == []
    text = world.command("privacy")
    assert "retention.journal" in text and "Who read people's data" in text
    assert world.leaver["mail"] not in text


def test_who_read_the_activity_of_people_is_told(world):
    def times(kind):
        return sum(r["times"] for r in world.json("privacy")["readers"] if r["what"] == kind)

    before = times("people.read seats"), times("person.read")
    world.command("seats", "--limit", "5")
    world.command("seats", "--limit", "5")
    world.command("why", world.leaver["mail"])
    assert (times("people.read seats"), times("person.read")) == (before[0] + 2, before[1] + 1)
    # a plan says who does not use what: where it has such a row, whoever looks at it has read that
    before, idle = times("people.read plans"), []
    for number in [p["plan"] for p in world.json("plans", "--all")["plans"]]:
        idle += [number] * any(a["class"] == "inactive" for a in world.json("show", str(number))["actions"])
    assert idle and times("people.read plans") == before + len(idle)
    assert world.json("show", str(idle[0]), "--filter", 'class eq "leaver"')["actions"] is not None
    assert times("people.read plans") == before + len(idle)
    told = any(a["class"] == "inactive" for a in world.json("plan", status=(0, 4))["actions"])
    assert times("people.read plans") == before + len(idle) + told
    seen = times("people.read renewal")
    world.json("plan", "--free", "1", "--product", "jira", "--by", "60d", status=(0, 4))
    assert times("people.read renewal") == seen + 1


def test_what_is_older_goes_and_the_chain_stays_provable(world):
    w, kept = world, world.folder / "kept.anchors"
    w.clock.advance(8 * DAY)  # what could still start of the plan lapses
    until(lambda: scalar(w, "SELECT count(*) FROM plan WHERE standing < 3") == 0, "a plan does not end")
    w.daemon.stop()
    w.daemon.write_config(w.daemon.config.read_text() + RETENTION + "anchors:\n  file: %s\n  every: 0s\n" % kept)
    archive = w.folder / "archive.jsonl"
    archive.write_text(w.command("audit", "export"))
    old = json.loads(archive.read_text().splitlines()[-1])["seq"]
    w.clock.advance(100 * DAY)
    w.daemon.start()
    until(lambda: scalar(w, "SELECT count(*) FROM journal") == 0, "the journal of old plans stays")
    assert scalar(w, "SELECT count(*) FROM plan_value WHERE json <> ''") == 0
    assert scalar(w, "SELECT min(seq) FROM audit") == 1, "the chain was cut too early"
    w.command("audit", "verify", "--head", "--anchors", str(archive))
    w.command("token", "new", "later", "--role", "viewer")
    w.clock.advance(25 * DAY)
    until(lambda: scalar(w, "SELECT min(seq) FROM audit") == old + 1, "the chain was not cut where it should")
    answer = w.json("audit", "verify", "--head", "--anchors", str(archive))
    assert answer["cut"] == old and answer["anchors"] == 1 and answer["anchors_beyond"] == old - 1
    assert "about=cut-%d" % old in kept.read_text()
    assert w.json("audit", "verify", "--anchors", str(kept))["anchors"] >= 1
    cut = [json.loads(x) for x in w.command("audit", "export").splitlines() if '"audit.cut"' in x]
    assert len(cut) == 1 and json.loads(cut[0]["body"])["seq"] == old and cut[0]["who"] == "retention"


def test_a_time_that_is_too_short_is_refused(world):
    text = world.daemon.config.read_text()
    other = world.folder / "short.yaml"
    other.write_text(text.replace("  audit: 120d", "  audit: 89d"))
    with pytest.raises(CommandFault) as fault:
        world.daemon.command("config", "check", "--config", str(other))
    assert fault.value.status == 3 and "at least 90 days" in fault.value.out + fault.value.err
