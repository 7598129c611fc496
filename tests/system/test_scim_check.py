"""`leaverd scim check`: against our own daemon, against a peer that lies in one thing at a time, and
against peers that break off. What it made is gone afterwards; the token is nowhere."""
import http.client
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from daemon import CommandFault, Daemon
from slapd import SERVERS

OK, FAULT, USAGE, CONFIG, HELD, INCOMPLETE, UNREACHABLE, BUSY, DAMAGED, SECRET, NOT_FOUND = range(11)
CANCELLED = 130
TOKEN = "the-token-of-the-peer-3f9a"
INIT = ("--name", "check", "--zone", "UTC", "--key", "file", "--kind", "scim", "--source", "idp", "--address",
        "127.0.0.1:0", "--profile", "generic", "--org-id", "00000000-0000-4000-8000-000000000000")


@pytest.fixture(scope="module")
def alone(build, tmp_path_factory):
    """An instance without a daemon, with the peer's token in its vault."""
    daemon = Daemon(build / "leaverd", tmp_path_factory.mktemp("check") / "i")
    daemon.command("init", str(daemon.folder), *INIT)
    daemon.command("secret", "set", "peer", stdin=TOKEN)
    return daemon


class Peer:
    """tests/servers/lyingscim.py, ended with the block."""

    def __init__(self, folder, lie):
        self.ready, self.log = folder / ("ready-" + lie), folder / ("log-" + lie)
        self.ready.unlink(missing_ok=True)
        self.process = subprocess.Popen(["/usr/bin/python3", str(SERVERS / "lyingscim.py"), lie, "--token", TOKEN,
                                         "--ready", str(self.ready), "--log", str(self.log)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 90
        while not self.ready.exists():
            assert time.monotonic() < deadline and self.process.poll() is None, "the peer did not start"
            time.sleep(0.01)
        self.port = int(self.ready.read_text())
        self.url = "http://127.0.0.1:%d/scim" % self.port

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.process.kill()
        self.process.wait(30)

    def state(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", "/_state")
        out = json.loads(connection.getresponse().read())
        connection.close()
        return out

    def names(self):
        state = self.state()
        return sorted([u["userName"] for u in state["Users"]] + [g["displayName"] for g in state["Groups"]])

    def writes(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


PEOPLE = ["person%d@example.org" % i for i in range(3)]


def check(daemon, url, *argv, name="peer"):
    """(status, report, stderr), with the token searched for in all of it."""
    status, err = 0, ""
    try:
        out = daemon.command("scim", "check", url, "--token-from-vault", name, "--json", *argv)
    except CommandFault as fault:
        status, out, err = fault.status, fault.out, fault.err
    assert "Sanitizer" not in err and "runtime error" not in err, err
    assert TOKEN not in out + err
    return status, json.loads(out) if out else {}, err


def by_outcome(report, *outcomes):
    return {c["name"]: c for c in report["cases"] if c["outcome"] in outcomes}


# --- a peer that is right --------------------------------------------------------------------


def test_an_honest_peer_passes_everything_and_keeps_nothing(alone, tmp_path):
    with Peer(tmp_path, "honest") as peer:
        status, report, err = check(alone, peer.url + "/", "--write")
        assert (status, by_outcome(report, "failed", "blocked", "not_run", "not_claimed")) == (OK, {}), err
        assert len(report["cases"]) >= 70 and report["left"] == []
        assert peer.names() == PEOPLE
        assert all(w["name"].startswith(report["run"]) for w in peer.writes())
        assert len(peer.writes()) > 100


def test_without_write_the_peer_sees_no_write_and_its_people_are_not_shown(alone, tmp_path):
    with Peer(tmp_path, "honest") as peer:
        status, report, _ = check(alone, peer.url)
        assert status == OK and peer.writes() == [] and not report["write"]
        assert len(by_outcome(report, "passed")) >= 50
        assert all("--write" in c["why"] for c in by_outcome(report, "not_run").values())
    with Peer(tmp_path, "case-matters") as peer:
        text = json.dumps(check(alone, peer.url)[1])
        assert "filter.eq-case" in text and "example.org" not in text.lower()


def test_what_the_peer_does_not_claim_is_never_failed(alone, tmp_path):
    with Peer(tmp_path, "modest") as peer:
        status, report, err = check(alone, peer.url, "--write")
        assert (status, by_outcome(report, "failed", "blocked")) == (OK, {}), err
        names = set(by_outcome(report, "not_claimed"))
        assert {"lists.sort", "lists.cursor", "etag.put-stale", "bulk.create"} <= names
        assert not report["claims"]["bulk"] and report["claims"]["patch"]


def test_only_runs_one_group_and_the_table_counts_by_how_binding_it_is(alone, tmp_path):
    with Peer(tmp_path, "honest") as peer:
        report = check(alone, peer.url, "--write", "--only", "patch")[1]
        assert {c["group"] for c in report["cases"]} == {"patch"}
        said = alone.command("scim", "check", peer.url, "-t", "peer", "--only", "errors")
        assert "MUST" in said and "SHOULD" in said and "Nothing was written" in said


# --- a peer that lies ------------------------------------------------------------------------

# lie, the case that finds it, what that says
LIES = [
    ("array", "discovery.config", "schemas is not there"),
    ("claims-short", "discovery.config-members", "bulk.maxOperations"),
    ("keywords", "discovery.schemas-keywords", "mutability"),
    ("open", "errors.no-token", "wanted 401"),
    ("no-challenge", "errors.www-authenticate", "WWW-Authenticate"),
    ("ignores-filters", "filter.eq-unknown", "does not match"),
    ("missing-200", "errors.not-found", "status is 200"),
    ("total-wrong", "lists.total", "totalResults is 1"),
    ("text-booleans", "crud.active-boolean", "True"),
    ("text-booleans", "wire.boolean", "True"),
    ("case-matters", "filter.eq-case", "totalResults is 0"),
    ("or-first", "filter.precedence", "totalResults is 0"),
    ("count-ignored", "lists.count", "Resources/1"),
    ("status-number", "errors.status-text", "404"),
    ("plain-errors", "wire.type-error", "application/scim+json"),
    ("nulls", "wire.no-null", "nickName is null"),
    ("unsteady", "lists.walk", "Resources/0/id"),
    ("media-type-case", "wire.post-type-case", "status is 415"),
    ("media-type-case", "wire.accept-case", "status is 406"),
    ("endless-cursor", "lists.cursor", "nextCursor"),
    ("tag-of-body", "etag.projection", "ETag"),
    ("tag-of-body", "etag.header", "meta/version"),
    ("delete-keeps", "crud.delete-gone", "wanted 404"),
    ("delete-again", "crud.delete-twice", "wanted 404"),
    ("half-patch", "patch.atomic", "title is"),
    ("stale-wins", "etag.put-stale", "wanted 412"),
    ("stale-wins", "etag.patch-stale", "wanted 412"),
    ("stale-wins", "etag.delete-stale", "wanted 412"),
    ("duplicates", "crud.duplicate", "wanted 409"),
    ("client-id", "crud.server-id", "id is"),
    ("tells-password", "crud.password", "password"),
    ("put-makes", "errors.put-unknown", "wanted 404"),
    ("two-primary", "patch.primary", "primary"),
    ("remove-empties", "groups.remove-value", "members/#"),
    ("text-only-false", "patch.text-boolean", "active is true"),
    ("bulk-numbers", "bulk.create", "201"),
    ("bulk-goes-on", "bulk.fail-on-errors", "Operations/#"),
    ("huge", "lists.max-results", "longer than"),
    ("hang", "lists.start-zero", "imed out"),
    ("trickle", "lists.start-zero", "imed out"),
]
SLOW = {"hang", "trickle"}  # what these lists are waited for is the timeout; all else is answered
# What SHOULD and client cases alone find does not make a MUST fail.
SOFT = {"huge", "nulls", "remove-empties", "text-only-false"}
REPORTS = {}


def lied(alone, folder, lie):
    """One run a lie, shared by its rows."""
    if lie not in REPORTS:
        with Peer(folder, lie) as peer:
            status, report, err = check(alone, peer.url, "--write", "--timeout", "3s" if lie in SLOW else "60s")
            REPORTS[lie] = status, report, err, peer.names()
    return REPORTS[lie]


@pytest.mark.parametrize("lie,case,says", LIES, ids=["%s by %s" % row[:2] for row in LIES])
def test_a_lie_is_found_by_its_case(alone, tmp_path, lie, case, says):
    status, report, err, names = lied(alone, tmp_path, lie)
    found = by_outcome(report, "failed").get(case)
    assert found, (case, sorted(by_outcome(report, "failed", "blocked")))
    assert says in found["why"], found["why"]
    assert found["sent"] and found["hurts"] and found["wants"] and found["section"]
    assert status == (INCOMPLETE if lie == "delete-keeps" else OK if lie in SOFT else FAULT), err
    if lie != "delete-keeps":
        assert names == PEOPLE and report["left"] == []


def test_what_cannot_be_removed_is_named_with_its_id(alone, tmp_path):
    status, report, err, names = lied(alone, tmp_path, "delete-keeps")
    assert status == INCOMPLETE and "by hand" in err and report["run"] in err
    assert len(report["left"]) == len([n for n in names if n not in PEOPLE]) > 50
    assert all(row["id"] and "DELETE" in row["why"] for row in report["left"])
    with Peer(tmp_path, "delete-keeps") as peer:
        with pytest.raises(CommandFault) as caught:
            alone.command("scim", "check", peer.url, "-t", "peer", "--write", "--only", "crud")
        assert "Left at" in caught.value.out and "leaverd-check-" in caught.value.out


def test_a_peer_that_answers_with_somebody_else_loses_nobody(alone, tmp_path):
    with Peer(tmp_path, "foreign") as peer:
        status, report, _ = check(alone, peer.url, "--write")
        assert status == FAULT and "crud.create" in by_outcome(report, "failed")
        assert peer.names() == PEOPLE and report["left"] == []
        assert all(w["name"].startswith(report["run"]) for w in peer.writes())


def test_a_peer_that_echoes_the_token_puts_it_into_no_report(alone, tmp_path):
    with Peer(tmp_path, "echo") as peer:
        report = check(alone, peer.url, "--write")[1]  # which looks for the token
    with Peer(tmp_path, "echo") as peer:
        alone.command("secret", "set", "wrong", stdin="another-token-9")
        status, report, err = check(alone, peer.url, name="wrong")
        assert status == HELD and "refuses the token" in err and "another-token-9" not in json.dumps(report) + err


# --- a peer that breaks off --------------------------------------------------------------------


@pytest.mark.parametrize("lie,says", [("cut-answer", "transfer closed"), ("not-json", "not JSON")])
def test_what_was_made_behind_a_lost_answer_is_found_by_its_name_and_removed(alone, tmp_path, lie, says):
    with Peer(tmp_path, lie) as peer:
        status, report, err = check(alone, peer.url, "--write", "--only", "crud")
        bad = by_outcome(report, "failed", "blocked")
        assert status in (FAULT, INCOMPLETE, UNREACHABLE) and err.strip(), status
        assert any(says in c["why"] for c in bad.values()), {n: c["why"] for n, c in bad.items()}
        assert [w for w in peer.writes() if w["method"] == "POST"]
        assert peer.names() == PEOPLE and report["left"] == []


def test_a_peer_that_goes_down_ends_the_check_early_and_what_is_left_is_named(alone, tmp_path):
    with Peer(tmp_path, "down") as peer:
        status, report, err = check(alone, peer.url, "--write", "--only", "crud")
        assert status in (INCOMPLETE, UNREACHABLE) and err.strip()
        gone = {w["id"] for w in peer.writes() if w["method"] == "DELETE"}
        there = {w["id"] for w in peer.writes() if w["method"] == "POST"} - gone
        assert there and there <= {row.get("id") for row in report["left"]}


def test_a_peer_that_is_not_there_and_one_that_is_not_asked(alone):
    status, report, err = check(alone, "http://127.0.0.1:1/scim", "--timeout", "500ms")
    assert status == UNREACHABLE and "127.0.0.1" in err
    for url, says in (("http://192.0.2.1/scim", "https://"), ("https://a:b@127.0.0.1/scim", "no login"),
                      ("https://127.0.0.1/scim?x", "no query")):
        status, _, err = check(alone, url)
        assert status in (USAGE, CONFIG) and says in err


def test_interrupted_it_removes_what_it_made_and_says_so(alone, tmp_path):
    with Peer(tmp_path, "honest") as peer:
        process = subprocess.Popen([alone.binary, "scim", "check", peer.url, "-t", "peer", "--write", "--json"],
                                   env=alone.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while len(peer.writes()) < 20:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == CANCELLED and "interrupted" in err
        report = json.loads(out)
        assert report["left"] == [] and peer.names() == PEOPLE


# --- the vault ---------------------------------------------------------------------------------


def test_secrets_of_other_systems_are_not_sent_and_each_check_is_audited(alone, tmp_path):
    with Peer(tmp_path, "honest") as peer:
        alone.command("secret", "set", "atlassian", stdin="key-of-the-organisation")
        status, _, err = check(alone, peer.url, name="atlassian")
        assert status == HELD and "belongs to" in err
        status, _, err = check(alone, peer.url, name="nothing")
        assert status == NOT_FOUND and "secret set nothing" in err
        check(alone, peer.url, "--only", "errors")
        entry = [json.loads(line) for line in alone.command("audit", "export").splitlines()][-1]
        assert (entry["what"], entry["target"]) == ("scim.check", "peer") and str(peer.port) in json.dumps(entry)


# --- our own server ----------------------------------------------------------------------------


def test_our_own_daemon_passes_every_case(build, tmp_path):
    daemon = Daemon(build / "leaverd", tmp_path / "i")
    daemon.command("init", str(daemon.folder), *INIT)
    daemon.write_config(daemon.config.read_text().replace(
        "      key: atlassian", "      base_url: http://127.0.0.1:1\n      tries: 1\n      key: atlassian"))
    token = daemon.json("token", "new", "own", "--source", "idp")["token"]
    daemon.command("secret", "set", "own", stdin=token)
    daemon.start()
    try:
        url = "http://127.0.0.1:%d/scim/v2/idp" % daemon.scim_port
        status, report, err = check(daemon, url, "--write", name="own")
        bad = by_outcome(report, "failed", "blocked")
        assert not bad, json.dumps(bad, indent=1)
        assert status == OK and report["left"] == [], err
        assert len(by_outcome(report, "passed")) >= 70
        assert token not in json.dumps(report) + "\n".join(daemon.log)
        status, report, _ = check(daemon, url, name="own")
        assert status == OK and not by_outcome(report, "failed", "blocked")
        assert daemon.json("users")["users"] == [] or all(
            not u.get("active") for u in daemon.json("users")["users"])
    finally:
        daemon.stop()


def test_our_own_daemon_behind_a_private_certificate(build, tmp_path):
    subprocess.run([str(SERVERS / "mkca.sh"), str(tmp_path / "tls"), "localhost"], check=True, capture_output=True)
    tls = tmp_path / "tls"
    daemon = Daemon(build / "leaverd", tmp_path / "i")
    daemon.command("init", str(daemon.folder), *INIT)
    names = {Path(p).name for p in os.listdir(tls)}
    assert {"ca.pem", "server.pem", "server.key"} <= names, names
    os.chmod(tls / "server.key", 0o600)
    daemon.write_config(daemon.config.read_text().replace(
        '  listen: "127.0.0.1:0"', '  tls_cert: %s\n  tls_key: %s\n  listen: "127.0.0.1:0"'
        % (tls / "server.pem", tls / "server.key")))
    token = daemon.json("token", "new", "own", "--source", "idp")["token"]
    daemon.command("secret", "set", "own", stdin=token)
    daemon.start()
    try:
        url = "https://localhost:%d/scim/v2/idp" % daemon.scim_port
        status, _, err = check(daemon, url, "--only", "errors", name="own")
        assert status == UNREACHABLE and "certificate" in err
        status, report, err = check(daemon, url, "--only", "errors", "--ca-file", str(tls / "ca.pem"), name="own")
        assert status == OK and by_outcome(report, "passed"), err
    finally:
        daemon.stop()
