"""A read of an organisation that was stopped goes on where it was, and gives what an undisturbed one gives."""
import json
import sqlite3
import subprocess
import threading
import time

import pytest

from daemon import Daemon
from rehearsal import HOUR, MINUTE, Rehearsal

CONFIG = """\
instance:
  name: resume
  zone: UTC
  state_dir: state
master_key:
  file: master.key
scim:
  listen: 127.0.0.1:0
  public_url: http://127.0.0.1
sources:
  - name: idp
    kind: scim
    role: idp
organisations:
  - name: acme
    cloud:
      org_id: {org}
      key: acme-key
      base_url: {url}
      page_size: 3
      per_second: 500
      backoff: 100ms
      at_once: 8
      tries: 2
      events: false
schedule:
  sync_every: 0s
  collect_every: 0s
  plan_every: 0s
"""
USERS = 320
SEARCH = "POST /admin/v2/orgs/{org}/directories/{dir}/users/search"


class Reading:
    def __init__(self, build, folder):
        self.rehearsal = Rehearsal(build / "rehearsal", folder, users=USERS, args=("--latency", 5))
        self.daemon = Daemon(build / "leaverd", folder / "instance", clock=self.rehearsal.clock)
        self.daemon.make_instance(CONFIG.format(org=self.rehearsal.org, url=self.rehearsal.url))
        self.daemon.start()
        self.daemon.command("secret", "set", "acme-key", stdin=self.rehearsal.key)
        self.rehearsal.clear_log()

    def stop(self):
        self.daemon.stop()
        self.rehearsal.stop()

    def searches(self):
        return self.rehearsal.log(0)["endpoints"].get(SEARCH, {"requests": 0})["requests"]

    def collect(self, status=(0, 5)):
        return self.daemon.json("collect", status=status)["organisations"][0]

    def kept(self):
        return list((self.daemon.folder / "state").glob("collect-*.pages"))

    def holds(self):
        """What is known of all accounts and seats, without our own numbers, what hangs on the hour, and since when
        we know a seat: one that a first read left out was added when the second saw it."""
        rows = [self.daemon.json(what, "--limit", "0")[what] for what in ("accounts", "seats")]
        return [sorted(json.dumps({k: v for k, v in r.items() if k not in ("account", "added") and not k.endswith("_ms")},
                                  sort_keys=True) for r in part) for part in rows]

    def kill_in_the_middle(self, pages=45):
        """kill -9 once so many pages of users were answered."""
        asked = threading.Thread(target=self._ask)
        asked.start()
        end = time.monotonic() + 60
        while self.searches() < pages:
            assert time.monotonic() < end, "the read did not come so far"
            time.sleep(0.01)
        self.daemon.process.kill()
        self.daemon.process.wait()
        asked.join()

    def _ask(self):
        try:
            self.daemon.command("collect")
        except Exception:  # it was killed
            pass

    def begun(self):
        """When the newest read began, by the store."""
        with sqlite3.connect(self.daemon.folder / "state" / "leaverd.db") as db:
            return db.execute("SELECT begun_ms FROM org_read ORDER BY generation DESC LIMIT 1").fetchone()[0]

    def again(self):
        """The daemon is started after it was killed."""
        self.daemon.process = None
        self.daemon.start()


@pytest.fixture
def reading(build, tmp_path):
    r = Reading(build, tmp_path)
    yield r
    r.stop()


@pytest.fixture(scope="module")
def undisturbed(build, tmp_path_factory):
    r = Reading(build, tmp_path_factory.mktemp("undisturbed"))
    try:
        assert r.collect(0)["complete"]
        yield r.holds(), r.searches()
        assert r.kept() == [], "a read that ended leaves no pages"
    finally:
        r.stop()


def test_after_kill_9_only_the_rest_is_asked_for_and_the_rows_are_the_same(reading, undisturbed):
    holds, searches = undisturbed
    assert searches > 100
    reading.kill_in_the_middle()
    before = reading.searches()
    assert 45 <= before < 100 and len(reading.kept()) == 1
    assert reading.kept()[0].stat().st_mode & 0o777 == 0o600
    reading.rehearsal.clear_log()
    reading.again()
    stands = reading.daemon.json("collect", "status")["organisations"][0]
    assert (stands["generation"], stands["complete"]) == (0, False), "nothing rests on half a read"
    read = reading.collect(0)
    assert read["complete"] and read["resumed"] >= 40, read
    assert reading.searches() <= searches - before + 2, (searches, before, reading.searches())
    assert reading.holds() == holds
    assert reading.kept() == []
    reading.rehearsal.clear_log()
    assert reading.collect(0)["resumed"] == 0 and reading.searches() == searches, "the next one is a new one"


def test_a_read_that_is_too_old_begins_anew(reading, undisturbed):
    reading.kill_in_the_middle()
    reading.rehearsal.clear_log()
    reading.rehearsal.clock.advance(HOUR + MINUTE)
    reading.again()
    read = reading.collect(0)
    assert read["complete"] and read["resumed"] == 0 and reading.searches() == undisturbed[1], read


def test_atlassian_away_in_the_middle_goes_on_where_it_was(reading, undisturbed):
    reading.rehearsal.fault("status", path="*/users/search", status=503, skip=50, count=-1)
    read = reading.collect(5)
    assert not read["complete"] and "503" in read["why"], read
    reading.rehearsal.clear_faults()
    reading.rehearsal.clear_log()
    read = reading.collect(0)
    assert read["complete"] and read["resumed"] >= 50 and reading.holds() == undisturbed[0], read
    assert reading.searches() <= undisturbed[1] - 49


def test_what_rests_on_kept_pages_is_as_old_as_they_are(reading):
    reading.rehearsal.fault("status", path="*/users/search", status=503, skip=50, count=-1)
    assert not reading.collect(5)["complete"]
    begun = reading.begun()
    reading.rehearsal.clear_faults()
    reading.rehearsal.clock.advance(30 * MINUTE)
    read = reading.collect(0)
    assert read["complete"] and read["resumed"] >= 50, read
    assert abs(reading.begun() - begun) < MINUTE, "a seat that came due meanwhile would go on old activity"
    reading.rehearsal.clock.advance(30 * MINUTE)
    assert reading.collect(0)["resumed"] == 0 and reading.begun() - begun >= HOUR, "the next one is as young as it is"


def test_a_cursor_that_is_not_taken_any_more_begins_the_read_anew_at_once(reading, undisturbed):
    reading.kill_in_the_middle()
    reading.rehearsal.clear_log()
    reading.rehearsal.fault("status", path="*/users/search", status=400, count=1)
    reading.again()
    read = reading.collect(0)
    assert read["complete"] and read["resumed"] == 0 and reading.holds() == undisturbed[0], read
    assert reading.searches() == undisturbed[1] + 1


def test_somebody_who_came_meanwhile_makes_it_incomplete_and_the_next_one_begins_anew(reading):
    reading.kill_in_the_middle()
    gone = reading.rehearsal.accounts()[3]  # in a page that was read
    reading.rehearsal.set(account=gone["id"], gone=True)
    reading.again()
    read = reading.collect(5)
    assert not read["complete"] and "Atlassian counts" in read["why"], read
    assert reading.kept() == []
    read = reading.collect(0)
    assert read["complete"] and read["resumed"] == 0, read


def test_forget_removes_what_was_kept_and_a_damaged_file_is_no_trouble(reading, undisturbed):
    reading.kill_in_the_middle()
    reading.again()
    kept = reading.kept()[0]
    whole = kept.read_bytes()
    kept.write_bytes(whole[:len(whole) // 2] + b"\0" * 100 + whole[len(whole) // 2 + 100:-7])
    read = reading.collect(0)
    assert read["complete"] and reading.holds() == undisturbed[0], read
    with pytest.raises((Exception, subprocess.CalledProcessError)):
        reading.daemon.command("forget", "nobody@example.com", "--reason", "r")
