"""The audit chain outside of the database: anchors, and forwarding to a log server."""
import json
import os
import socket
import sqlite3
import threading
import time

import pytest

from daemon import CommandFault
from door import Authority, Door
from logserver import LogServer, cef, structured
from world import DAY, HOUR, World

DAMAGED = 8


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def until(what, says, within_s=120):
    end = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < end, says
        time.sleep(0.02)
    return found


def export(d):
    return [json.loads(line) for line in d.command("audit", "export").splitlines()]


# --- forwarding --------------------------------------------------------------------------------

def audited(d, port, ca, more="", timeout="5s"):
    d.stop()
    d.write_config(d.text + "audit:\n  server: 127.0.0.1:%d\n  ca_file: %s\n  timeout: %s\n%s" % (port, ca, timeout, more))
    d.start()


def numbers(messages):
    return [int(structured(m)["v"]["seq"]) for m in messages]


def test_each_entry_reaches_the_log_server_also_over_its_death(build, tmp_path, ca):
    pair = ca.issue("logs")
    server = LogServer(pair)
    with Door(build, tmp_path / "i", start=False) as d:
        d.start()
        audited(d, server.port, ca.cert)
        d.command("token", "new", 'quote-1', "--role", "viewer")
        last = export(d)[-1]["seq"]
        first = server.wait(lambda m: last in numbers(m) and m)
        entry = {e["seq"]: e for e in export(d)}
        for m in first:
            at = structured(m)
            e = entry[int(at["v"]["seq"])]
            assert (at["pri"], at["app"], at["process"], at["name"]) == (109, "leaverd", "door", "leaverd@32473")
            assert at["v"]["link"] == e["link"] and at["v"]["digest"] == e["digest"]
            assert (at["v"]["who"], at["v"]["what"], at["v"]["target"]) == (e["who"], e["what"], e["target"])
            assert at["id"] == e["what"][:32] and at["text"] == "" and "why" not in m
        # it dies; entries go on; another comes up where it was
        server.stop()
        for i in range(30):
            d.command("token", "new", "more-%d" % i, "--role", "viewer")
        d.stop()
        d.start()
        again = LogServer(pair, port=server.port)
        last = export(d)[-1]["seq"]
        until(lambda: last in numbers(list(again.messages)), "the log server got nothing after it was back")
        got = numbers(server.messages + again.messages)
        assert set(got) == set(range(1, last + 1)), "entries are missing"
        assert not again.faults
        kept = tmp_path / "received.log"
        kept.write_text("".join(m + "\n" for m in server.messages + again.messages))
        assert d.json("audit", "verify", "--anchors", str(kept))["anchors"] == len(got)
        again.stop()


def test_what_a_log_server_took_and_never_read_is_sent_again_after_a_start(build, tmp_path, ca):
    """Taken by its machine and lost with it; and what was read is not sent twice."""
    pair = ca.issue("logs")
    deaf = LogServer(pair, deaf=True)
    with Door(build, tmp_path / "i") as d:
        audited(d, deaf.port, ca.cert, timeout="1s")
        d.command("token", "new", "lost", "--role", "viewer")
        last = export(d)[-1]["seq"]
        with sqlite3.connect("file:%s?mode=ro" % (d.folder / "state/leaverd.db"), uri=True) as db:
            until(lambda: db.execute("SELECT 1 FROM cursor WHERE owner = 'audit' AND name = 'forward' AND CAST(value AS INT) >= ?",
                                     (last,)).fetchone(), "the log server did not take it")
        d.stop()
        port = deaf.port
        deaf.stop()
        server = LogServer(pair, port=port)
        d.start()
        server.wait(lambda m: set(numbers(m)) >= set(range(1, last + 1)))
        d.stop()  # in order: the server has read all of it, and says so
        before = len(server.messages)
        d.start()
        d.command("token", "new", "later", "--role", "viewer")
        newest = export(d)[-1]["seq"]
        got = numbers(server.wait(lambda m: newest in numbers(m) and m))
        assert got[before:] == list(range(got[before], newest + 1)) and not set(got[:before]) & set(got[before:]), got
        server.stop()


def test_cef_carries_bodies_where_that_is_asked_for(build, tmp_path, ca):
    server = LogServer(ca.issue("logs"), client_ca=ca.cert)
    cert, key = ca.issue("leaverd", usage="clientAuth")
    with Door(build, tmp_path / "i") as d:
        audited(d, server.port, ca.cert, "  form: cef\n  bodies: true\n  cert_file: %s\n  key_file: %s\n" % (cert, key))
        d.command("source", "ready", "idp", "--reason", "a=b | c\\d \"e\" ]")
        entry = next(e for e in reversed(export(d)) if "a=b" in (e["body"] or ""))
        m = server.wait(lambda m: [x for x in m if cef(x)[1]["externalId"] == str(entry["seq"])])[0]
        fields, found = cef(m)
        assert fields[0:3] == ["CEF:0", "leaverd", "leaverd"] and fields[4] == entry["what"] == found["act"]
        assert found["msg"] == entry["body"] and found["link"] == entry["link"] and found["rt"] == str(entry["ms"])
        assert found["suser"] == entry["who"] and found["cs1"] == entry["target"]
        server.stop()


def test_a_log_server_with_another_certificate_gets_nothing(build, tmp_path, ca):
    stranger = Authority(tmp_path / "stranger")
    server = LogServer(stranger.issue("logs"))
    with Door(build, tmp_path / "i") as d:
        audited(d, server.port, ca.cert)
        until(lambda: [x for x in d.log if "audit.forward" in x], "it does not say that it could not send")
        assert not server.messages
        with pytest.raises(CommandFault) as fault:
            d.command("doctor", "--json")
        checks = json.loads(fault.value.out)["checks"]
        said = next(c for c in checks if c["check"] == "log server")
        assert said["verdict"] == "bad" and "certificate" in said["text"].lower()
        server.stop()


# --- anchors -----------------------------------------------------------------------------------

class Logger:
    """This machine's logger: a datagram socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.messages = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while True:
            try:
                self.messages.append(self.socket.recv(65536).decode())
            except OSError:
                return


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    """Two leavers were suspended by one run; anchors are kept in each place."""
    folder = tmp_path_factory.mktemp("anchors")
    with World(build, folder, people=30, orphans=0) as w:
        w.kept, w.logger = folder / "kept.anchors", Logger(folder / "log")
        w.daemon.stop()
        w.daemon.write_config(w.daemon.config.read_text() + "anchors:\n  file: %s\n  syslog: %s\n  mail: [auditor@example.com]\n" %
                              (w.kept, folder / "log"))
        w.daemon.start()
        w.push(ends={p["uid"]: "2026-11-20" for p in w.ordinary[:2]})
        w.ready()
        w.rounds()
        w.arm()
        plan = w.plan()
        w.approve(plan)
        w.apply(plan)
        yield w


def anchors(text, about):
    return [line for line in text.splitlines() if " about=%s" % about in line]


def seq_of(line):
    return int(line.split(" seq=")[1].split()[0])


def test_an_anchor_is_kept_in_each_place_when_a_run_ends(world):
    w = world
    begun = [e for e in export(w) if e["what"] == "run.begin"][0]

    def of_runs():  # runs that end together have one, named after the last
        return w.kept.exists() and [x for x in anchors(w.kept.read_text(), "run-") if seq_of(x) > begun["seq"]]

    line = until(of_runs, "no anchor of the run in the file")[0]
    assert line.startswith("leaverd-anchor 1 instance=")
    assert (os.stat(w.kept).st_mode & 0o777) == 0o600
    said = until(lambda: [m for m in w.logger.messages if line in m], "the logger got none")[0]
    assert said.startswith("<109>1 ") and " audit.anchor " in said
    letters = until(lambda: [p for p in w.notices.rglob("*") if p.is_file() and line in p.read_text(errors="replace")
                             .replace("=\n", "").replace("=3D", "=")], "no letter holds it")
    assert letters
    answer = w.json("audit", "verify", "--head", "--anchors", str(w.kept))
    assert answer["anchors"] >= 1 and answer["anchors_beyond"] == 0


def test_time_keeps_an_anchor_too_and_so_does_who_asks(world):
    w = world
    before, of_time = (len(lines) for lines in (w.kept.read_text().splitlines(), anchors(w.kept.read_text(), "time")))
    w.command("source", "ready", "hr", "--reason", "again")
    w.command("token", "new", "one-more", "--role", "viewer")
    w.clock.advance(DAY + HOUR)
    until(lambda: len(anchors(w.kept.read_text(), "time")) > of_time, "a day passed without an anchor")
    line = w.command("audit", "anchor").strip()
    assert line in w.kept.read_text() and len(w.kept.read_text().splitlines()) >= before + 2
    newest = export(w)[-1]
    assert seq_of(line) == newest["seq"] and newest["link"] in line


def test_a_place_that_fails_is_said_and_the_others_are_kept(world):
    w = world
    kept, aside = w.kept, w.kept.with_suffix(".aside")
    kept.rename(aside)
    kept.mkdir()
    try:
        count = len(w.logger.messages)
        with pytest.raises(CommandFault) as fault:
            w.command("audit", "anchor")
        assert str(kept) in fault.value.err
        until(lambda: len(w.logger.messages) > count, "the logger was kept from its anchor")
    finally:
        kept.rmdir()
        aside.rename(kept)


def test_a_chain_that_was_rewritten_with_the_key_differs_from_its_anchors(world):
    """What root with the master key can do: cut the tail and the head file, and let it grow anew."""
    w = world
    line = anchors(w.kept.read_text(), "run-")[0]
    w.daemon.stop()
    state = w.daemon.folder / "state"
    with sqlite3.connect(state / "leaverd.db") as db:
        db.execute("DELETE FROM audit WHERE seq >= ?", (seq_of(line) - 3,))
    (state / "audit.head").unlink()
    for i in range(40):
        w.command("token", "new", "anew-%d" % i, "--role", "viewer")
    w.command("audit", "verify", "--head")  # the chain is whole, and its head fits
    with pytest.raises(CommandFault) as fault:
        w.command("audit", "verify", "--head", "--anchors", str(w.kept))
    assert fault.value.status == DAMAGED and "audit entry %d" % seq_of(line) in fault.value.err
    assert "the anchor in line" in fault.value.err
    w.daemon.start()
