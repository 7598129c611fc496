"""Rounds by the clock: each comes at its time in the instance's zone, and what was missed is made up."""
import time

import pytest

import world as worlds
from daemon import CommandFault
from test_feeds import FeedAlone
from world import HOUR, World

MINUTE = HOUR // 60
# Monday 09:00 UTC is 10:00 in Berlin
TO_0530 = 19 * HOUR + 30 * MINUTE


def until(what, seconds=90):
    """Waits for a thread of the daemon to look at its clock."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def test_a_source_is_read_at_its_time_and_what_was_missed_at_the_start(build, tmp_path):
    daemon = FeedAlone(build, tmp_path)
    daemon.write_config(daemon.config.read_text().replace(
        "sync_every: 0s", 'sync_at: "30 5 * * *", jitter: 0s'))
    daemon.export()

    def reads():
        return daemon.json("source", "status")["sources"][0]["read"]

    daemon.start()
    try:
        until(lambda: reads() == 1)  # never read: at once
        daemon.clock.advance(TO_0530 - MINUTE)
        daemon.export()
        due = daemon.clock.now_ms() + MINUTE
        daemon.clock.advance(MINUTE)
        until(lambda: reads() == 2)
        at = daemon.json("source", "status")["sources"][0]["accepted_ms"]
        assert due - MINUTE // 2 < at < due + MINUTE  # the clock was put there by hand
        daemon.stop()
        daemon.clock.advance(2 * 24 * HOUR)  # two were missed: one is made up
        daemon.export()
        daemon.start()
        until(lambda: reads() == 3)
        assert any("schedule.next what=sync name=hr at=2026-11-27T04:30:00Z" in line
                   for line in daemon.log)
    finally:
        daemon.stop()


def test_an_organisation_is_read_and_planned_for_at_its_times(build, tmp_path, monkeypatch):
    monkeypatch.setattr(worlds, "CONFIG", worlds.CONFIG.replace(
        "      idle_after: 60d\n", "      idle_after: 60d\n    at: 0 6 * * mon-fri\n"
        "    plan_at: 30 6 * * tue\n").replace("collect_every: 0s", "collect_every: 0s\n  jitter: 0s"))
    with World(build, tmp_path, people=30, orphans=2) as w:
        w.command("collect")

        def collected():
            return w.json("collect", "status")["organisations"][0]["ended_ms"]

        def plans():
            return len(w.json("plans")["plans"])

        first, planned = collected(), plans()
        w.clock.advance(20 * HOUR - MINUTE)  # Tuesday 05:59 in Berlin
        due = w.clock.now_ms() + MINUTE
        w.clock.advance(MINUTE)
        until(lambda: collected() > first)
        assert due - MINUTE // 2 < collected() < due + MINUTE and plans() == planned
        w.clock.advance(30 * MINUTE)
        until(lambda: any(" plan.made " in line or "plan.none" in line for line in w.daemon.log))


@pytest.mark.parametrize("what, says", [
    ("sync_at: 0 6 * *", 'sync_at: "0 6 * *": expected five fields'),
    ("plan_at: 0 25 * * *", 'plan_at: "0 25 * * *": the hour "25" is none: expected 0 to 23'),
])
def test_what_is_no_time_is_refused_with_its_line(build, tmp_path, what, says):
    daemon = FeedAlone(build, tmp_path)
    text = daemon.config.read_text().replace("{ sync_every: 0s }", '{ %s: "%s" }' % tuple(what.split(": ")))
    daemon.write_config(text)
    with pytest.raises(CommandFault) as told:
        daemon.command("config", "check")
    assert "leaverd.yaml:3:" in str(told.value) and says in str(told.value)
