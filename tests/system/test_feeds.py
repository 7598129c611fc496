"""HR exports: drops become leavers; what is broken, old or half changes nothing."""
import os
import time
import unicodedata

import pytest

import world as worlds
from daemon import Daemon
from drops import HR, PUSHED, Drops
from rehearsal import Clock
from world import DAY, HOUR, World, actions

ALONE = """\
instance: { name: alone, zone: Europe/Berlin, state_dir: state }
master_key: { file: master.key }
schedule: { sync_every: 0s }
sources:
"""


class FeedWorld(Drops, World):
    """With a directory, an identity provider and an organisation."""

    def __init__(self, build, folder, **more):
        self.drops_in(folder / "instance")
        super().__init__(build, folder, **more)


class FeedAlone(Drops, Daemon):
    """Nothing but the HR source."""

    def __init__(self, build, folder):
        self.drops_in(folder / "instance")
        self.clock = Clock(folder / "clock")
        self.clock.set_now(int(worlds.MONDAY.timestamp() * 1000))
        self.staff = [{"uid": "u%02d" % n, "sn": "Müller-%d" % n, "mail": "u%02d@example.test" % n}
                      for n in range(60)]
        super().__init__(build / "leaverd", folder / "instance", clock=self.clock)
        self.make_instance(ALONE + HR.format())

    def restart(self, *changes):
        """With other settings: pairs of texts."""
        text = self.config.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self.stop()
        self.write_config(text)
        self.start()


@pytest.fixture
def alone(build, tmp_path):
    daemon = FeedAlone(build, tmp_path)
    daemon.start()
    try:
        daemon.export()
        assert daemon.sync()["accepted"]
        yield daemon
    finally:
        daemon.stop()


@pytest.fixture
def config(monkeypatch):
    assert PUSHED in worlds.CONFIG
    monkeypatch.setattr(worlds, "CONFIG", worlds.CONFIG.replace(PUSHED, HR))


@pytest.fixture
def world(build, tmp_path, config):
    with FeedWorld(build, tmp_path, people=60, orphans=2) as w:
        w.idp = w.client("idp")
        # two people with one address: an identity provider can send only one of them
        for p in {unicodedata.normalize("NFKC", p["mail"]).casefold(): p for p in w.people}.values():
            w.idp.create(worlds.scim_user(p))
        w.command("source", "ready", "idp", "--reason", "everybody was sent")
        for hours in (0, 1, 1):  # three rounds, each with an export of its own
            w.clock.advance(hours * HOUR)
            w.export()
            w.command("sync")
            w.command("collect")
        w.arm()
        yield w


def test_a_last_day_in_a_drop_becomes_a_suspended_account(world):
    leaver, stays = world.ordinary[4], world.ordinary[5]
    world.export(ends={leaver["uid"]: "23.11.2026", stays["uid"]: "31.12.2026"})
    answer = world.sync()
    assert answer["accepted"] and answer["changed"] == 2  # what is not mapped is no change
    world.clock.advance(18 * HOUR)  # the day has ended in Berlin
    world.command("sync", "corp")
    world.command("collect")
    plan = world.plan()
    assert {a["email"] for a in actions(plan, "leaver-hr")} == {leaver["mail"]}
    world.approve(plan)
    world.apply(plan)
    assert world.rehearsal.account(leaver["mail"])["status"] == "suspended"
    assert world.rehearsal.account(stays["mail"])["status"] == "active"
    assert "leaver-hr" in world.command("why", leaver["mail"])


def broken(world):
    """Exports that say that everybody left, and cannot be believed."""
    whole = "\n".join(world.rows(ends={p["uid"]: "01.11.2026" for p in world.staff})) + "\n"
    lines = whole.split("\n")
    half = "\n".join(lines[:len(lines) // 2]) + "\n"
    return {
        "empty": ("", "line 1, column 1: the file is empty"),
        "half": (half, "at most"),
        "cut within a row": (whole[:-17], "values where the header has 6"),
        "header only": (lines[0] + "\n", "at least 20 expected"),
        "dates by another order": (whole.replace("01.11.2026", "11/01/2026"), "(Last day): no day"),
        "a column less": ("\n".join(";".join(l.split(";")[:4]) for l in lines[:-1]) + "\n",
                          'the column "Last day" is missing'),
        "another encoding": (whole.replace("Active", "Äctive", 1).encode("latin1", "replace"), "is no UTF-8"),
        "twice the same": (whole + lines[1] + "\n", "the same Personnel No stands in line 2"),
        "everybody at once": (whole, "people changed at once"),
        "without the canary": ("\n".join(lines[:1] + lines[2:]), "canaries are not in the export"),
    }


def test_an_export_that_cannot_be_believed_changes_nothing(world):
    before = world.known()
    for name, (text, says) in broken(world).items():
        world.clock.advance(HOUR // 4)
        path = world.drop(text)
        answer = world.sync(status=5)
        assert says in answer["why"], name
        assert not answer["accepted"], name
        assert world.known() == before, name
        path.unlink()
    world.clock.advance(18 * HOUR)
    world.command("sync", "corp")
    world.command("collect")
    assert not actions(world.plan(), "leaver-hr")
    # and the next good one counts again
    world.export()
    assert world.sync()["accepted"]


def test_yesterdays_file_changes_nothing(alone):
    before = alone.known()
    alone.clock.advance(HOUR)
    alone.export(age=DAY, ends={alone.staff[4]["uid"]: "01.11.2026"})
    newest = alone.sync()
    assert newest["same"] and newest["accepted"]  # the newest drop is still the one of before
    (alone.drops / "people-0001.csv").unlink()
    answer = alone.sync(status=5)
    assert "an old file was put back" in answer["why"]
    assert alone.known() == before


def test_a_drop_that_is_being_written_is_passed_over(alone):
    before = alone.known()
    rows = "\n".join(alone.rows(ends={alone.staff[4]["uid"]: "01.11.2026"})) + "\n"
    (alone.drops / "people-0099.csv.part").write_text(rows)
    (alone.drops / ".people-0098.csv").write_text(rows)
    answer = alone.sync()
    assert answer["same"] and answer["waiting"] == 2
    assert alone.known() == before
    # without any export what was accepted before stands, and that is what is said
    for drop in alone.drops.glob("*.csv"):
        drop.unlink()
    answer = alone.sync()
    assert answer["stands"] and "what was accepted before stands" in answer["why"]
    said = alone.command("sync")
    assert "as before" in said and alone.known() == before


def test_only_different_exports_count_somebody_as_absent_and_a_person_confirms(alone):
    gone = alone.staff[10]
    number = str(alone.staff.index(gone) + 1)
    path = alone.export(without=[gone["uid"]])
    assert alone.sync()["missing"] == 1
    same = path.read_bytes()
    for _ in range(4):  # the same bytes under newer dates are no other export
        alone.clock.advance(13 * HOUR)
        alone.drop(same)
        answer = alone.sync()
        assert answer["same"] and answer["accepted"] and answer["absent_long"] == 0
    for _ in range(2):
        alone.clock.advance(13 * HOUR)
        alone.export(without=[gone["uid"]])
        answer = alone.sync()
        assert answer["accepted"]
    assert answer["absent_long"] == 1
    listed = alone.json("source", "gone", "hr")["absent"]
    assert [a["key"] for a in listed] == [number] and listed[0]["reads"] == 3
    alone.command("source", "gone", "hr", "1", "--reason", "not absent at all", status=10)
    alone.command("source", "gone", "hr", number, status=2)  # without a reason
    alone.command("source", "gone", "hr", number, "--reason", "HR-812")
    assert alone.json("source", "gone", "hr")["absent"] == []
    assert number not in [k[0] for k in alone.known()]
    alone.command("audit", "verify")


def test_a_person_accepts_what_is_implausible(alone):
    alone.export(ends={p["uid"]: "31.12.2027" for p in alone.staff})
    assert "people changed at once" in alone.sync(status=5)["why"]
    alone.command("source", "accept", "hr", "--reason", "contracts of all run to next year, HR-77")
    assert alone.sync()["same"]
    alone.export(ends={p["uid"]: "31.12.2027" for p in alone.staff})
    assert alone.sync()["accepted"]  # held against the accepted one from now on


def test_the_same_bytes_by_other_settings_are_read_again_and_count_nobody_once_more(alone):
    gone, left = alone.staff[10], alone.staff[11]
    alone.export(without=[gone["uid"]], state={left["uid"]: "Left"})
    assert alone.sync()["missing"] == 1
    alone.restart(("Left: false", "Left: true"))
    for changed in (1, 0):
        answer = alone.sync()
        assert answer["same"] and answer["accepted"] and (answer["changed"], answer["missing"]) == (changed, 0)


def test_a_dry_run_shows_what_the_map_makes_of_a_row_and_keeps_nothing(alone):
    before, reads = alone.known(), alone.json("source", "status", "hr")["sources"][0]["read"]
    alone.export(ends={alone.staff[0]["uid"]: "24.12.2026"})
    answer = alone.json("sync", "hr", "--dry-run")["sources"][0]
    first = answer["sample"][0]
    assert answer["plausible"] and not answer["accepted"]
    assert answer["file"]["delimiter"] == "semicolon" and answer["file"]["encoding"] == "utf-8"
    assert {c["column"]: c["read"] for c in first["cells"]}["Last day"] == "2026-12-24"
    assert first["document"]["userName"] == alone.staff[0]["mail"]
    assert alone.known() == before
    assert alone.json("source", "status", "hr")["sources"][0]["read"] == reads
    assert "24.12.2026" in alone.command("sync", "hr", "--dry-run")
    shown = alone.json("sync", "hr", "--dry-run", "--show", "40")["sources"][0]["sample"]
    assert [r["key"] for r in shown] == ["40"] and shown[0]["line"] == 41


def test_an_export_on_stdin_and_one_of_changes_only(alone):
    alone.restart(("      folder: drops\n      pattern: \"people-*.csv\"\n", ""), ("kind: full", "kind: delta"),
                  ("      canaries: [\"1\"]\n      minimum: 20\n", ""))
    before = alone.known()
    row = "Personnel No;Last name;Mail;State;Last day\n5;Changed;%s;Left;\n" % alone.staff[4]["mail"]
    answer = alone.json("sync", "hr", stdin=row)["sources"][0]
    assert answer["accepted"] and (answer["changed"], answer["missing"]) == (1, 0)
    now = alone.known()
    assert len(now) == len(before)
    assert [k for k in now if k not in before] == [("5", alone.staff[4]["mail"], False, 2)]
    spool = alone.folder / "state" / "spool"
    assert list(spool.iterdir()) == []


def test_of_changes_each_drop_is_read_once_in_order_and_a_refused_one_keeps_those_behind_it(alone):
    """Between two readings several came: each may tell of a leaver."""
    def change(number, last_day, age, odd=""):
        who = alone.staff[number - 1]
        return alone.drop("Personnel No;Last name;Mail;State;Last day\n%d;%s;%s;Active;%s%s\n"
                          % (number, who["sn"], who["mail"], last_day, odd), age)

    for drop in alone.drops.glob("*.csv"):
        drop.unlink()
    alone.restart(("kind: full", "kind: delta"), ("      canaries: [\"1\"]\n      minimum: 20\n", "      max_age: 2h\n"))
    alone.clock.advance(10 * HOUR)
    change(4, "24.11.2026", 9 * HOUR)  # older than max_age: newer news wait behind it
    change(5, "25.11.2026", 3 * HOUR)
    change(4, "26.11.2026", HOUR)      # and it counts, not what was said of the same person before
    shown = alone.json("sync", "hr", "--dry-run")["sources"][0]
    assert (shown["sample"][0]["key"], shown["behind"]) == ("4", 2)
    answer = alone.sync()
    assert (answer["accepted"], answer["earlier"], answer["behind"], answer["changed"]) == (True, 2, 0, 3)
    ends = {u["id"]: u["version"] for u in alone.json("users", "--source", "hr", "--limit", "0")["users"]}
    assert (ends["4"], ends["5"], ends["6"]) == (3, 2, 1)
    assert alone.sync()["same"]
    # one that cannot be read keeps the next, until it was mended or taken away
    broken = change(6, "27.11.2026", HOUR // 2, odd=";more")
    change(7, "28.11.2026", HOUR // 4)
    before = alone.known()
    for _ in range(2):
        answer = alone.sync(status=5)
        assert "line 2" in answer["why"] and "1 that come after it in the folder wait" in answer["why"]
        assert alone.known() == before
    broken.unlink()
    answer = alone.sync()
    assert (answer["accepted"], answer["earlier"], answer["changed"]) == (True, 0, 1)
    # whoever archives what was read takes nothing away, and what is older than it is not read again
    (alone.drops / "people-0006.csv").unlink()
    before = alone.known()
    answer = alone.sync()
    assert answer["stands"] and "comes after the one that was read last" in answer["why"]
    assert alone.known() == before
    checks = {c["check"]: c["verdict"] for c in alone.json("doctor", status=(0, 1, 5))["checks"]}
    assert checks["export"] == "note"
    change(8, "30.11.2026", 0)
    answer = alone.sync()
    assert (answer["earlier"], answer["changed"]) == (0, 1)
    alone.command("audit", "verify")


def test_serve_reads_a_drop_by_itself(alone):
    alone.restart(("    role: hr\n    max_age: 31d\n", "    role: hr\n    max_age: 31d\n    every: 1h\n"))
    alone.export(ends={alone.staff[4]["uid"]: "31.12.2026"})
    alone.clock.advance(2 * HOUR)
    until = time.monotonic() + 90
    while not any(k[3] == 2 for k in alone.known()):
        assert time.monotonic() < until, "the drop was not read"
        time.sleep(0.1)
