"""Time stamps (RFC 3161) of the audit chain's anchors, by a real authority on this machine."""
import hashlib
import json
import os
import shutil
import subprocess
import time

import pytest

from daemon import CommandFault
from tsa import OTHER_POLICY, POLICY, Tsa
from world import HOUR, World

DAMAGED, USAGE = 8, 2


def until(what, says, within_s=60):
    end = time.monotonic() + within_s
    while not (found := what()):
        assert time.monotonic() < end, says
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def tsa(tmp_path_factory):
    t = Tsa(tmp_path_factory.mktemp("tsa"))
    yield t
    t.stop()


def stamped(w, tsa, more=""):
    """The instance again, with anchors in a file and stamps of them."""
    w.daemon.stop()
    w.daemon.write_config(w.plain + "anchors:\n  file: %s\n  stamps:\n    url: %s\n    ca_file: %s\n%s" %
                          (w.kept, tsa.url, tsa.ca, more))
    w.daemon.start()


@pytest.fixture(scope="module")
def world(build, tmp_path_factory, tsa):
    """Two leavers were suspended by one run while the authority was away."""
    folder = tmp_path_factory.mktemp("stamps")
    with World(build, folder, people=30, orphans=0) as w:
        w.kept = folder / "kept.anchors"
        w.stamps = folder / "kept.anchors.stamps"
        w.plain = w.daemon.config.read_text()
        tsa.mode = 503
        stamped(w, tsa)
        w.push(ends={p["uid"]: "2026-11-20" for p in w.ordinary[:2]})
        w.ready()
        w.rounds()
        w.arm()
        plan = w.plan()
        w.approve(plan)
        w.apply(plan)
        begun = [json.loads(x) for x in w.command("audit", "export").splitlines() if '"run.begin"' in x]
        w.run = int(begun[0]["target"].split()[1])
        yield w


def newest(w):
    return max(w.stamps.glob("*.tsr"), default=None)


def doctor(w):
    try:
        out = w.command("doctor", "--json")
    except CommandFault as fault:
        out = fault.out
    return next(c for c in json.loads(out)["checks"] if c["check"] == "anchors" and c["target"] == "stamp")


def test_an_authority_that_is_away_holds_nothing_up_and_is_asked_again(world, tsa):
    w = world
    until(lambda: tsa.asked, "nobody asked for a stamp")
    until(lambda: [x for x in w.daemon.log if "anchor.stamp" in x and "503" in x], "it does not say that it got none")
    assert not w.stamps.exists() and doctor(w)["verdict"] == "warn"
    tsa.mode = None
    w.clock.advance(HOUR)
    answer = until(lambda: newest(w), "no stamp after the authority was back")
    text = answer.with_suffix(".anchor")
    assert text.read_text() in w.kept.read_text()
    assert tsa.verify(text, answer), "openssl does not take it"
    assert set(tsa.types) == {"application/timestamp-query"}
    assert (os.stat(answer).st_mode & 0o777, os.stat(w.stamps).st_mode & 0o777) == (0o600, 0o700)
    until(lambda: doctor(w)["verdict"] == "ok", "doctor does not see it")


def test_who_asks_for_an_anchor_gets_its_stamp(world, tsa):
    w = world
    w.command("token", "new", "one-more", "--role", "viewer")
    said = w.json("audit", "anchor")
    assert said["stamp"]["authority"] == "CN=Quiet Hours" and said["stamp"]["policy"] == POLICY
    seq = int(said["anchor"].split(" seq=")[1].split()[0])
    assert said["stamp"]["entry"] == seq and newest(w).name.startswith("%010d-" % seq)
    assert w.command("audit", "anchor").count("\n") == 1, "the line alone goes to stdout"
    found = w.json("audit", "verify", "--head", "--stamps", "--anchors", str(w.kept))
    assert found["stamps"]["fit"] == len(list(w.stamps.glob("*.tsr"))) >= 2
    assert found["stamps"]["entry"] >= seq and found["stamps"]["authority"] == "CN=Quiet Hours"
    assert found["anchors"] == found["stamps"]["fit"] + len(w.kept.read_text().splitlines())


@pytest.mark.parametrize("mode, says", [
    ("replay", "of something else"), ("other", "of something else"), ("garbage", "no answer with a time stamp"),
    (404, "answers 404")])
def test_an_answer_that_does_not_fit_is_not_kept(world, tsa, mode, says):
    w = world
    until(lambda: w.json("audit", "anchor")["stamp"], "no stamp of what is asked for")
    before = len(list(w.stamps.glob("*")))
    w.command("token", "new", "by-%s" % mode, "--role", "viewer")
    tsa.mode = mode
    try:
        said = w.json("audit", "anchor")
        assert said["stamp"] is None and says in said["notes"][0], said
        assert len(list(w.stamps.glob("*"))) == before
    finally:
        tsa.mode = None
    until(lambda: w.json("audit", "anchor")["stamp"], "no stamp once it answers again")


def test_a_stamp_of_a_stranger_or_of_another_policy_is_not_kept(world, tsa, tmp_path):
    w = world
    stranger = Tsa(tmp_path / "stranger", name="Stranger")
    try:
        w.daemon.stop()
        for url, more, says in ((stranger.url, "", "signature"), (tsa.url, "    policy: 1.2.3.4\n", "no time stamp: rejected")):
            w.daemon.write_config(w.plain + "anchors:\n  file: %s\n  stamps:\n    url: %s\n    ca_file: %s\n%s" %
                                  (w.kept, url, tsa.ca, more))
            said = w.json("audit", "anchor")  # without a daemon
            assert said["stamp"] is None and says in said["notes"][0], said
        stamped(w, tsa, "    policy: %s\n" % OTHER_POLICY)
        said = until(lambda: w.json("audit", "anchor")["stamp"], "no stamp of the policy that was asked for")
        assert said["policy"] == OTHER_POLICY
        assert w.json("audit", "verify", "--stamps")["stamps"]["policy"] == OTHER_POLICY
    finally:
        stamped(w, tsa)
        stranger.stop()


def test_a_stamp_that_was_changed_or_is_of_another_chain_is_told(world, tsa, tmp_path):
    w = world
    copy = tmp_path / "copy"
    shutil.copytree(w.stamps, copy)
    w.command("audit", "verify", "--stamps=%s" % copy)
    answer = newest(w)
    whole = answer.read_bytes()
    mine = copy / answer.name
    digest = hashlib.sha256(answer.with_suffix(".anchor").read_bytes()).digest()
    # of what is said, of when, of who vouches for it: bits outside of these the pack's checksums find
    for at in (whole.index(digest) + 7, whole.index(b"Z", whole.index(digest)) - 1, len(whole) - 1):
        mine.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        with pytest.raises(CommandFault) as fault:
            w.command("audit", "verify", "--stamps=%s" % copy)
        assert fault.value.status != 0 and answer.stem in fault.value.err
    mine.write_bytes(whole)
    text = mine.with_suffix(".anchor")
    line = text.read_text()
    text.write_text(line.replace(" ms=", " ms=1"))
    with pytest.raises(CommandFault) as fault:
        w.command("audit", "verify", "--stamps=%s" % copy)
    assert fault.value.status == DAMAGED and "something else" in fault.value.err
    text.unlink()
    with pytest.raises(CommandFault) as fault:
        w.command("audit", "verify", "--stamps=%s" % copy)
    assert fault.value.status == DAMAGED and str(text) in fault.value.err
    with pytest.raises(CommandFault) as fault:
        w.command("audit", "verify", "--stamps=%s" % (tmp_path / "nowhere"))
    assert "nowhere" in fault.value.err
    with pytest.raises(CommandFault) as fault:
        w.command("audit", "verify", "--stamp-ca", str(tsa.ca))
    assert fault.value.status == USAGE


def pack_verify(w, pack, *more):
    done = subprocess.run([w.daemon.binary, "evidence", "verify", str(pack), "--key", str(w.key), "--json", *map(str, more)],
                          env=dict(w.daemon.env, LEAVERD_CONFIG="/nowhere/leaverd.yaml"), capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def test_evidence_holds_the_stamps_and_every_byte_of_them_counts(world, tsa, tmp_path):
    w = world
    w.key = tmp_path / "acme.key"
    w.key.write_text(w.command("evidence", "key"))
    pack = tmp_path / "pack"
    w.command("evidence", "--from", "2026-11-01", "--to", "2026-12-01", "--output", str(pack), "--tar")
    tokens = sorted((pack / "stamps").glob("*.tsr"))
    assert tokens and all(tsa.verify(t.with_suffix(".anchor"), t) for t in tokens)
    status, said, _ = pack_verify(w, pack.with_suffix(".tar"), "--stamp-ca", tsa.ca)
    assert status == 0 and said["stamps"]["fit"] == len(tokens)
    assert said["stamps"]["of_entries_here"] == len(tokens) and said["stamps"]["vouched"] is True
    assert pack_verify(w, pack)[1]["stamps"]["vouched"] is False
    told = subprocess.run([w.daemon.binary, "evidence", "verify", str(pack), "--key", str(w.key)],
                          env=w.daemon.env, capture_output=True, text=True)
    assert "by CN=Quiet Hours" in told.stdout and "--stamp-ca" in told.stdout
    stranger = Tsa(tmp_path / "stranger")
    stranger.stop()
    status, said, err = pack_verify(w, pack, "--stamp-ca", stranger.ca)
    assert status == DAMAGED and {f["file"] for f in said["faults"]} == {"stamps/" + t.name for t in tokens}
    status, said, err = pack_verify(w, pack, "--stamp-ca", tmp_path / "no.pem")
    assert status not in (0, DAMAGED) and "no.pem" in err
    # each byte of the smallest token
    token = min(tokens, key=lambda t: t.stat().st_size)
    whole = token.read_bytes()
    for at in range(0, len(whole), 71):
        token.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1:])
        status, said, err = pack_verify(w, pack)
        assert status == DAMAGED and {f["file"] for f in said["faults"]} == {"stamps/" + token.name}, at
    token.write_bytes(whole)
    assert pack_verify(w, pack)[0] == 0


def test_a_chain_that_was_rewritten_does_not_fit_its_stamps(world, tsa):
    """What root with the master key can do, on a machine where the stamps were kept elsewhere."""
    import sqlite3
    w = world
    seq = int(newest(w).name.split("-")[0])
    w.daemon.stop()
    state = w.daemon.folder / "state"
    with sqlite3.connect(state / "leaverd.db") as db:
        db.execute("DELETE FROM audit WHERE seq >= ?", (seq - 3,))
    (state / "audit.head").unlink()
    for i in range(12):
        w.command("token", "new", "anew-%d" % i, "--role", "viewer")
    w.command("audit", "verify", "--head")
    with pytest.raises(CommandFault) as fault:
        w.command("audit", "verify", "--head", "--stamps")
    assert fault.value.status == DAMAGED and "time-stamped anchor" in fault.value.err
    w.daemon.start()
