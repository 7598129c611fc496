"""`live:` with servers that do what no real one does: garbage in what is told, a connection cut within
it, a watch that ends at once, a flood. Each is lost with a sentence, tried again after a pause, and
stops neither the other directories nor the daemon."""
import re
import time

import pytest

from daemon import Daemon
from peer import NOTIFY, PEOPLE, PERSIST, Peer, generalized, person
from lyingldap import message, octets, result, tlv
from rehearsal import DAY, Clock

SECONDS = 120  # how long a change may take on a loaded machine; the clock alone would take an hour
MANY = 20
CHANGE = b"2.16.840.1.113730.3.4.7"  # EntryChangeNotification

CONFIG = """\
instance:
  name: watch
  zone: UTC
  state_dir: state
master_key:
  file: master.key
sources:
{sources}organisations:
  - name: acme
    cloud:
      org_id: 00000000-0000-4000-8000-000000000000
      key: acme-key
schedule:
  sync_every: 12h
  collect_every: 0s
  plan_every: 0s
"""
LDAP = """\
  - name: {name}
    kind: ldap
    role: directory
    ldap:
      uris: {uri}
      tls: off
      bind_dn: CN=bridge,DC=corp,DC=example,DC=test
      bind_password: corp-ldap
      base: {people}
      delta: stamp
      delta_every: 1h
      live: true
      attempts: 1
      answer_timeout: 5s
"""


def told(peer, mid, n, junk=False):
    """That somebody changed, as the server's way has it."""
    dn, values = peer.people[n]
    value = tlv(0x30, tlv(10, b"\x04"))
    controls = tlv(0x30, octets(CHANGE), octets(b"\x30\x7f\xff junk" if junk else value)) if peer.watch == PERSIST else b""
    return message(mid, peer.entry_of(dn, values, frozenset()), controls)


def silent(session, mid):
    session.silence()


def garbage(session, mid):
    """Attributes that are none; behind a length that fits."""
    session.say(message(mid, tlv(0x64, octets(b"CN=x," + PEOPLE), tlv(0x30, b"\x30\x7f\x04\x01x" + b"\xff" * 40))))
    session.say(b"\xde\xad" * 200)
    session.silence()


def cut(session, mid):
    whole = told(session.peer, mid, 3)
    session.say(whole[:len(whole) // 2])
    session.leave()


def ended(session, mid):
    session.say(message(mid, result(0x65)))
    session.silence()


def refused(session, mid):
    session.say(message(mid, result(0x65, 53, b"too many of these")))
    session.silence()


def flood(session, mid):
    session.peer.asked.set()
    one = told(session.peer, mid, 3, junk=True)
    while True:
        session.say(one * 100)


HOW = {"garbage": garbage, "cut": cut, "ended": ended, "refused": refused, "flood": flood, "good": silent}


class Watched:
    """serve with a directory for each way of going wrong, and one that is in order."""

    def __init__(self, build, folder, way):
        self.folder, self.clock = folder, Clock(folder / "clock")
        long_ago = generalized(self.clock.now_ms() - 40 * DAY)
        self.peers = {name: Peer([person(n, whenChanged=[long_ago]) for n in range(MANY)]) for name in HOW}
        self.watches = {name: 0 for name in HOW}
        for name, peer in self.peers.items():
            peer.watch, peer.on_watch = way, self._count(name, HOW[name])
        self.daemon = Daemon(build / "leaverd", folder / "instance", self.clock)
        # else a build under ASan keeps what was freed, and its size says nothing
        self.daemon.env["ASAN_OPTIONS"] = self.daemon.env.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8"
        self.daemon.make_instance(CONFIG.format(sources="".join(
            LDAP.format(name=name, uri=peer.uri, people=PEOPLE.decode()) for name, peer in self.peers.items())))
        self.daemon.command("secret", "set", "corp-ldap", stdin="secret\n")
        for row in self.daemon.json("sync")["sources"]:
            assert row["accepted"], row
        self.daemon.start()

    def _count(self, name, script):
        def on_watch(session, mid):
            self.watches[name] += 1
            script(session, mid)
        return on_watch

    def stop(self):
        try:
            self.daemon.stop()
        finally:
            for peer in self.peers.values():
                peer.stop()

    def title(self, name, n, title):
        peer = self.peers[name]
        dn, values = peer.people[n]
        peer.people[n] = dn, {**values, b"title": [title.encode()], b"whenChanged": [generalized(self.clock.now_ms())]}
        peer.encoded.clear()

    def titled(self, title):
        rows = self.daemon.json("users", "--filter", 'title eq "%s"' % title)
        return len(rows["users"] if isinstance(rows, dict) else rows)

    def lines(self, event, name):
        return [line for line in self.daemon.log if event in line and re.search(r"source=%s\b" % name, line)]

    def deltas(self, name):
        """How often it was asked what changed."""
        return sum(b"whenChanged" in bytes(match[1]) for _, match, _ in list(self.peers[name].seen))


def until(condition, what):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def rss_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


@pytest.mark.parametrize("way", [PERSIST, NOTIFY], ids=["persistent search", "change notification"])
def test_a_watch_that_goes_wrong_is_told_tried_again_and_in_nobodys_way(build, tmp_path, way):
    w = Watched(build, tmp_path, way)
    try:
        for name in ("garbage", "cut", "ended", "refused"):
            until(lambda: w.lines("live.lost", name), "%s was not noticed" % name)
        assert any("stopped telling: success" in line for line in w.lines("live.lost", "ended"))
        assert any("unwillingToPerform" in line for line in w.lines("live.lost", "refused"))
        for line in w.daemon.log:
            assert not re.search(r"[\x00-\x08\x7f\xff]", line)
        # the flood is one hint each second at most, costs no memory and holds nobody up
        assert w.peers["flood"].asked.wait(SECONDS)
        w.title("flood", 3, "In the flood")
        until(lambda: w.titled("In the flood") == 1, "a change in the flood was not noticed")
        before, asked, began = rss_kib(w.daemon.process.pid), w.deltas("flood"), time.monotonic()
        w.title("good", 5, "Meanwhile")
        assert w.daemon.json("sync", "good", "--delta")["sources"][0]["changed"] == 1
        time.sleep(max(0, 3 - (time.monotonic() - began)))
        assert w.deltas("flood") - asked <= (time.monotonic() - began) + 2
        assert rss_kib(w.daemon.process.pid) - before < 128 << 10
        # pauses grow while nothing comes of it: 5 s, 10 s; nobody is asked in a circle
        assert w.watches["ended"] <= 2 + (time.monotonic() - began + 10) / 5
        # and when they are in order again, a change is told
        for name in ("garbage", "cut", "ended", "refused"):
            w.peers[name].on_watch = silent
            w.title(name, 7, "After " + name)
        for name in ("garbage", "cut", "ended", "refused"):
            until(lambda: w.titled("After " + name) == 1, "%s: nobody listens again" % name)
        began = time.monotonic()
    finally:
        w.stop()
    assert time.monotonic() - began < 30, "the flood held up the end"
