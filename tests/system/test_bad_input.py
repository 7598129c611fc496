"""Bad input from every side: a sentence that names the thing and the way out, the exit status of
leaverd(8), nothing lost and nothing half done."""
import http.client
import json
import os
import pty
import re
import socket
import sqlite3
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

from daemon import USER, CommandFault, Daemon, ScimClient, scim_user
from slapd import SERVERS, free_pair
from world import HOUR, World, actions

OK, FAULT, USAGE, CONFIG, HELD, INCOMPLETE, UNREACHABLE, BUSY, DAMAGED, SECRET, NOT_FOUND = range(11)
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LDAP_LIMITS = "connect_timeout: 2s\n      answer_timeout: 3s\n      read_timeout: 10s"


@pytest.fixture(scope="module")
def settled(build, tmp_path_factory):
    """A world in mode propose that was read three times; each test spoils one thing of it."""
    with World(build, tmp_path_factory.mktemp("bad"), people=60, orphans=2, ldap_extra=LDAP_LIMITS) as w:
        config = w.daemon.config.read_text()
        w.daemon.write_config(config.replace("      per_second: 500\n", "      per_second: 500\n      tries: 2\n"
                                             "      timeout: 3s\n      deadline: 20s\n"))
        w.daemon.stop()
        w.daemon.start()
        w.push()
        w.ready()
        w.rounds()
        w.arm()
        w.disabled = {a["email"] for a in actions(w.plan(), "leaver-directory")}
        yield w


@pytest.fixture
def world(settled):
    """The settled world; what a test spoiled in its config or at Atlassian is put back."""
    config = settled.daemon.config.read_text()
    yield settled
    settled.rehearsal.clear_faults()
    if settled.daemon.config.read_text() != config:
        restart(settled, config)


def restart(world, config):
    world.daemon.write_config(config)
    try:
        world.daemon.stop()
    finally:  # a daemon that ended badly is one test's failure, not that of all behind it
        world.daemon.start()
        for client in (world.hr, world.idp):
            client.port, client.local = world.daemon.scim_port, threading.local()


def restart_with(world, old, new):
    config = world.daemon.config.read_text()
    assert old in config
    restart(world, config.replace(old, new))


def fault(daemon, status, *argv, **options):
    """stderr of a command that must end with that status."""
    with pytest.raises(CommandFault) as caught:
        daemon.command(*argv, **options)
    assert caught.value.status == status, caught.value
    return caught.value.err


def scim_serves(world):
    """A push and a look at it: the SCIM side goes on."""
    world.idp.local = threading.local()  # an idle connection may have been closed meanwhile
    number = time.monotonic_ns()
    person = dict(world.ordinary[0], mail="guest%d@example.com" % number, uid="g%d" % number)
    made = world.idp.create(scim_user(person))
    assert world.idp.get("Users/" + made["id"])["userName"] == person["mail"]
    world.idp.delete("Users/" + made["id"])


# --- directories -------------------------------------------------------------------------------


class Server:
    """A TCP server on loopback that does one thing with each connection."""

    def __init__(self, do):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.kept = self.socket.getsockname()[1], []
        threading.Thread(target=self._serve, args=(do,), daemon=True).start()

    def _serve(self, do):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.kept.append(connection)
            try:
                do(connection)
            except OSError:
                pass

    def stop(self):
        self.socket.close()
        for connection in self.kept:
            connection.close()


def garbage(connection):
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<html>no</html>" * 20)
    connection.close()


def silence(connection):
    pass


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def directory_fails(world, *says):
    """A sync that cannot read: it is told, within bounds; what was known stays; the rest goes on."""
    before = world.json("users", "--source", "corp", "--limit", "1")["matched"]
    began = time.monotonic()
    with pytest.raises(CommandFault) as caught:
        world.command("sync", "--json")
    assert time.monotonic() - began < 30
    assert caught.value.status in (INCOMPLETE, UNREACHABLE), caught.value
    read = json.loads(caught.value.out)["sources"][0]
    assert not read["complete"] and not read["accepted"]
    for word in says:
        assert re.search(word, read["why"]), (word, read["why"])
    assert "bridge-secret" not in read["why"]
    # Another read may break at another byte, so only the start of the sentence is the same.
    shown = world.command("sync", status=(INCOMPLETE, UNREACHABLE))
    assert read["why"].split()[0] in shown, shown
    assert world.json("users", "--source", "corp", "--limit", "1")["matched"] >= before
    assert world.json("source", "status", "corp")["sources"][0]["state"] == "ready"
    scim_serves(world)
    world.command("collect")
    plan = world.plan()
    assert not actions(plan, "leaver-gone")
    assert {a["email"] for a in actions(plan, "leaver-directory")} <= world.disabled


@pytest.mark.parametrize("do", [None, garbage, reset, silence])
def test_a_directory_that_cannot_be_spoken_to_is_told_and_the_rest_goes_on(world, do):
    server = Server(do) if do else None
    uri = "ldaps://127.0.0.1:%d" % (server.port if server else free_pair())
    restart_with(world, world.slapd.ldaps_uri, uri)
    try:
        directory_fails(world, re.escape(uri))
        checks = world.json("doctor", status=UNREACHABLE)["checks"]
        assert [c for c in checks if c["check"] == "directory" and c["verdict"] == "bad"]
    finally:
        if server:
            server.stop()


@pytest.mark.parametrize("lie, says", [
    ("not-ldap", "page"), ("hang", "page 2"), ("trickle", "page 2"), ("wrong-type", "page"),
    ("endless", "page"), ("huge", "page"), ("same-cookie", "page"), ("no-control", "page"), ("nobody", "nobody|who"),
])
def test_a_directory_that_answers_nonsense_is_read_no_further(world, lie, says, tmp_path):
    honest = world.daemon.config.read_text()
    port = free_pair()  # of which the first is used
    ready = tmp_path / "ready"
    child = subprocess.Popen(["/usr/bin/python3", str(SERVERS / "lyingldap.py"), str(port), lie, "--entries", "60",
                              "--ready", str(ready)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        uri = "ldap://127.0.0.1:%d" % port
        restart_with(world, "uris: %s\n" % world.slapd.ldaps_uri, "uris: %s\n      tls: off\n      page_size: 20\n" % uri)
        directory_fails(world, says)
    finally:
        child.terminate()
        child.wait(30)
        restart(world, honest)
    # whom the liar showed before it failed is missing in the honest read: a person decides
    world.command("sync", status=(OK, INCOMPLETE))
    if world.json("source", "status", "corp")["sources"][0].get("why"):
        world.command("source", "accept", "corp", "--reason", "the others were never ours")
    assert world.json("sync")["sources"][0]["accepted"]


@pytest.mark.parametrize("certificate, says", [
    ("wrongname", "certificate|name"), ("expired", "certificate|expired"), ("wrong CA", "certificate|issuer"),
])
def test_a_directory_whose_certificate_does_not_verify_gets_no_password(world, certificate, says, monkeypatch):
    if certificate == "wrong CA":
        other = world.slapd.folder / "tls" / "other-ca.pem"
        restart_with(world, "ca_file: %s\n" % world.slapd.ca, "ca_file: %s\n" % other)
        directory_fails(world, says)
        return
    port = world.slapd.port
    try:
        monkeypatch.setenv("CERT", certificate)
        world.slapd.ctl("stop")
        world.slapd.ctl("start", port)
        directory_fails(world, says)
    finally:
        monkeypatch.delenv("CERT")
        world.slapd.ctl("stop")
        world.slapd.ctl("start", port)


def test_a_wrong_bind_password_is_told_with_its_secret(world):
    world.command("secret", "set", "corp-ldap", stdin="not-the-password")
    try:
        directory_fails(world, "invalidCredentials", "secret rotate corp-ldap")
    finally:
        world.command("secret", "set", "corp-ldap", stdin="bridge-secret")
    assert world.json("sync")["sources"][0]["accepted"]


# --- Atlassian ---------------------------------------------------------------------------------


def seats_and_accounts(world):
    return (world.json("seats", "--limit", "0")["seats"], world.json("accounts", "--limit", "0")["accounts"])


def collect_fails(world, before, *says, status=(INCOMPLETE, UNREACHABLE)):
    """A collect that cannot read all: what it says; what was known is still known."""
    with pytest.raises(CommandFault) as caught:
        world.command("collect", "--json")
    assert caught.value.status in status, caught.value
    document = json.loads(caught.value.out)
    sentence = " ".join(filter(None, [o.get("why") for o in document["organisations"]] + [document["fault"]["text"]]))
    for word in says:
        assert re.search(word, sentence), (word, sentence)
    seats, accounts = seats_and_accounts(world)
    assert len(seats) == len(before[0]) and len(accounts) == len(before[1])
    assert {a["account_id"] for a in accounts} == {a["account_id"] for a in before[1]}
    scim_serves(world)
    return sentence


KINDS = [
    ("garbage", dict()), ("truncate", dict()), ("cut", dict()), ("reset", dict()), ("hang", dict(ms=60000)),
    ("status", dict(status=500)), ("status", dict(status=429)),
]


@pytest.mark.parametrize("kind, more", KINDS, ids=[k + str(m.get("status", "")) for k, m in KINDS])
@pytest.mark.parametrize("path, page", [("*/users*", "users"), ("*/groups*", "groups"), ("*/directories", "directories")])
def test_what_atlassian_does_not_say_in_order_is_not_known(world, kind, more, path, page):
    world.rehearsal.clear_faults()
    world.command("collect")
    before = seats_and_accounts(world)
    world.rehearsal.fault(kind, path=path, count=-1, **more)
    collect_fails(world, before, page)
    plan = world.plan()
    assert not plan["complete"]
    assert not [a for a in actions(plan, "orphan") + actions(plan, kind="free-seat")]
    assert world.rehearsal.effects() == []
    world.rehearsal.clear_faults()
    world.command("collect")
    assert world.plan()["complete"]


def test_a_key_that_is_wrong_or_expired_is_named_and_asked_for(world):
    world.command("collect")
    before = seats_and_accounts(world)
    world.command("secret", "set", "acme-key", stdin="not-the-key")
    try:
        collect_fails(world, before, "wrong, expired", "leaverd secret rotate acme-key", status=(HELD,))
        assert "acme-key" in fault(world.daemon, HELD, "doctor")
    finally:
        world.command("secret", "set", "acme-key", stdin=world.rehearsal.key)
    world.command("collect")


def test_a_missing_key_is_named_with_the_command_that_sets_it(world):
    before = seats_and_accounts(world)
    world.command("secret", "remove", "acme-key")
    try:
        text = fault(world.daemon, SECRET, "collect")
        assert "secret set acme-key" in text
        world.clock.advance(13 * HOUR)  # too old to plan upon, and nobody can look
        with pytest.raises(CommandFault) as caught:
            world.command("plan")
        assert caught.value.status == SECRET and "Nothing is to be done" not in caught.value.out
    finally:
        world.command("secret", "set", "acme-key", stdin=world.rehearsal.key)
    assert seats_and_accounts(world) == before


def test_one_system_that_fails_does_not_keep_the_others_from_being_read(world):
    config = world.daemon.config.read_text()
    first = config.index("  - name: corp")
    corp = config[first:config.index("  - name: idp")]
    acme = config[config.index("  - name: acme"):config.index("schedule:")]
    without = corp.replace("name: corp", "name: lost").replace("corp-ldap", "no-such-secret")
    beta = acme.replace("name: acme", "name: beta").replace("acme-key", "no-such-key")
    restart(world, config.replace(corp, without + corp).replace(acme, beta + acme))
    with pytest.raises(CommandFault) as caught:
        world.command("sync", "--json")
    assert caught.value.status == SECRET
    lost, corp = json.loads(caught.value.out)["sources"]
    assert not lost["accepted"] and "leaverd secret set no-such-secret" in lost["why"]
    assert corp["accepted"]
    with pytest.raises(CommandFault) as caught:
        world.command("collect", "--json")
    assert caught.value.status == SECRET
    beta, acme = json.loads(caught.value.out)["organisations"]
    assert not beta["complete"] and "leaverd secret set no-such-key" in beta["why"]
    assert acme["complete"]
    shown = world.command("collect", status=SECRET)
    assert "no-such-key" in shown and "acme" in shown


def test_a_scoped_key_is_told_which_right_it_lacks(build, tmp_path):
    with World(build, tmp_path, people=30, orphans=1, rehearsal_args=["--scoped-key", "scoped"]) as w:
        w.push()
        w.ready()
        w.rounds()
        w.command("secret", "set", "acme-key", stdin="scoped")
        checks = w.json("doctor", status=HELD)["checks"]
        assert [c for c in checks if c["verdict"] == "bad" and re.search("scope|right", c["text"])], checks
        w.rehearsal.clear_log()
        try:
            out = w.json("collect")
        except CommandFault as refused:
            assert refused.status in (HELD, INCOMPLETE, UNREACHABLE), refused
            out = json.loads(refused.out)
            assert re.search("scope|right|key", out["organisations"][0]["why"]), out
        assert w.rehearsal.effects() == []
        assert w.json("accounts", "--limit", "1")["matched"] > 0


# --- SCIM --------------------------------------------------------------------------------------


def raw(world, method, path, body=None, headers=None, source="idp", token=None):
    connection = http.client.HTTPConnection("127.0.0.1", world.daemon.scim_port, timeout=60)
    sent = {"Authorization": "Bearer " + (token or world.idp.token), "Content-Type": "application/scim+json"}
    sent.update(headers or {})
    sent = {k: v for k, v in sent.items() if v is not None}
    try:
        connection.request(method, "/scim/v2/%s/%s" % (source, path) if not path.startswith("/") else path, body, sent,
                           encode_chunked="Transfer-Encoding" in sent)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def is_error(answer, status, says="", scim_type=None):
    got, headers, body = answer
    assert got == status, (got, body)
    assert headers["content-type"].startswith("application/scim+json"), headers
    document = json.loads(body)
    assert document["schemas"] == [ERROR] and document["status"] == str(status), document
    assert document["detail"] and re.search(says, document["detail"]), document
    if scim_type:
        assert document["scimType"] == scim_type, document
    return headers


def user_text(name, **more):
    return json.dumps({"schemas": [USER], "userName": name, **more})


MALFORMED = {
    "not JSON": (b"userName=ada", "byte|JSON", "invalidSyntax"),
    "empty": (b"", "body|JSON|empty", "invalidSyntax"),
    "cut": (b'{"schemas": ["' + USER.encode() + b'"], "userName": "ada', "", "invalidSyntax"),
    "an array": (b"[]", "object", "invalidSyntax"),
    "wrong schemas": (b'{"schemas": ["urn:nothing"], "userName": "ada"}', "schemas|urn:nothing", None),
    "no userName": (b'{"schemas": ["' + USER.encode() + b'"]}', "userName", "invalidValue"),
    "a million deep": (b"[" * 1000000, "deep|depth|level", "invalidSyntax"),
    "a million deep, within": (user_text("ada").encode()[:-1] + b', "x": ' + b"[" * 400000 + b"]" * 400000 + b"}",
                               "deep|depth|level", "invalidSyntax"),
    "invalid UTF-8": (b'{"schemas": ["' + USER.encode() + b'"], "userName": "\xff\xfe"}', "byte 73", "invalidSyntax"),
    "surrogate": (b'{"schemas": ["' + USER.encode() + b'"], "userName": "\\ud800"}', "", "invalidSyntax"),
    "duplicate members": (b'{"schemas": ["' + USER.encode() + b'"], "userName": "a", "userName": "b"}', "duplicate",
                          "invalidSyntax"),
    "a list as name": (user_text(["ada"]).encode(), "userName", "invalidValue"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_scim_is_refused_and_keeps_nothing(world, what):
    body, says, scim_type = MALFORMED[what]
    before = world.json("users", "--source", "idp", "--limit", "1")["matched"]
    is_error(raw(world, "POST", "Users", body), 400, says, scim_type)
    assert world.json("users", "--source", "idp", "--limit", "1")["matched"] == before
    scim_serves(world)


def test_an_oversized_body_is_refused_with_the_limit(world):
    body = user_text("ada", displayName="x" * (1 << 20)).encode()
    # announced: refused before it is sent
    is_error(raw(world, "POST", "Users", None, {"Content-Length": str(len(body))}), 413, "1048576")

    def chunks():
        for at in range(0, len(body), 4096):
            yield body[at:at + 4096]

    is_error(raw(world, "POST", "Users", chunks(), {"Transfer-Encoding": "chunked"}), 413, "1048576")
    scim_serves(world)


def test_who_is_not_known_is_told_nothing(world):
    for token in ("lvd_" + "A" * 43, "nonsense", "\x7f", "x" * 5000):
        headers = is_error(raw(world, "GET", "Users", token=token), 401)
        assert headers["www-authenticate"].startswith("Bearer")
    for headers in ({"Authorization": None}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        assert "www-authenticate" in is_error(raw(world, "GET", "Users", headers=headers), 401)
    # a token of another source opens nothing here
    is_error(raw(world, "GET", "Users", source="hr"), 404)
    scim_serves(world)


def test_wrong_methods_and_paths_are_told_so(world):
    user = world.idp_ids[world.ordinary[0]["uid"]]
    for method, path, allowed in (("PUT", "Users", {"GET", "POST"}), ("DELETE", "Groups", {"GET", "POST"}),
                                  ("POST", "Users/" + user, {"GET", "PUT", "PATCH", "DELETE"}),
                                  ("POST", "Schemas", {"GET"}), ("DELETE", "ServiceProviderConfig", {"GET"})):
        headers = is_error(raw(world, method, path, b"{}" if method != "DELETE" else None), 405)
        assert allowed <= set(re.split(r", *", headers["allow"])), (method, path, headers["allow"])
    assert raw(world, "GET", "/")[0] == 404
    for path in ("Nothing", "Users/none", "Users/" + "x" * 3000, "/scim/v2", "/scim/v2/idp/Users/%00",
                 "/scim/v2/idp/../../etc/passwd"):
        got = raw(world, "GET", path)
        assert got[0] in (400, 404), (path, got)
        is_error(got, got[0])
    is_error(raw(world, "GET", "Users", source="nobody"), 404)
    scim_serves(world)


def test_a_wrong_media_type_a_bad_filter_and_a_bad_patch_are_told(world):
    user = "Users/" + world.idp_ids[world.ordinary[0]["uid"]]
    before = world.idp.get(user)
    is_error(raw(world, "POST", "Users", user_text("ada"), {"Content-Type": "text/plain"}), 415)
    is_error(raw(world, "GET", "Users?filter=userName%20eq"), 400, "byte", "invalidFilter")
    is_error(raw(world, "GET", "Users?filter=" + "(" * 5000), 400, "", "invalidFilter")
    patch = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}
    for operations, scim_type in (
            ([{"op": "replace", "path": "active", "value": False}, {"op": "replace", "path": "emails[", "value": 1}],
             "invalidFilter"),
            ([{"op": "replace", "path": "active", "value": False}, {"op": "remove"}], "noTarget"),
            ([{"op": "replace", "path": "active", "value": False}, {"op": "replace", "path": "id", "value": "x"}],
             "mutability"),
            ([{"op": "burn"}], "invalidSyntax")):
        answer = raw(world, "PATCH", user, json.dumps(dict(patch, Operations=operations)))
        is_error(answer, 400, "", scim_type)
    after = world.idp.get(user)
    assert after == before  # the first operation of a patch that fails is not kept


def test_bytes_that_are_no_http_cost_one_connection(world):
    for data in (b"\x16\x03\x01\x02\x00" + b"\xff" * 500, b"GET " + b"/" * 70000, b"\0" * 4096,
                 b"POST /scim/v2/idp/Users HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20000 + b"\r\n"):
        with socket.create_connection(("127.0.0.1", world.daemon.scim_port), timeout=60) as s:
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:
                pass
    scim_serves(world)


# --- the daemon --------------------------------------------------------------------------------


def test_sigterm_while_applying_ends_between_two_actions_and_goes_on_after(build, tmp_path):
    with World(build, tmp_path, people=60, orphans=6) as w:
        w.push()
        w.ready()
        w.rounds()
        w.arm()
        plan = w.plan()
        wanted = {a["account_id"] for a in actions(plan, kind="suspend")}
        assert len(wanted) >= 6
        w.rehearsal.fault("latency", path="*/suspend", ms=200, count=100000)
        w.approve(plan)
        deadline = time.monotonic() + 60
        while not w.rehearsal.effects("suspend") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert w.daemon.stop() == OK
        done = len(w.rehearsal.effects("suspend"))
        assert 0 < done < len(wanted)
        w.command("audit", "verify", "--head")
        w.daemon.start()
        w.apply(plan)
        assert {e["account"] for e in w.rehearsal.effects("suspend")} == wanted
        assert w.rehearsal.twice() == {}


def test_a_second_serve_on_one_instance_is_refused_and_the_first_serves_on(world):
    second = Daemon(world.daemon.binary, world.daemon.folder, clock=world.clock)
    text = fault(second, BUSY, "serve")
    assert str(world.daemon.folder) in text or "lease" in text or "serve" in text
    scim_serves(world)


def test_serve_says_who_sits_on_its_port(world):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = world.daemon.config.read_text()
        world.daemon.stop()
        world.daemon.write_config(config.replace("listen: 127.0.0.1:0", "listen: 127.0.0.1:%d" % port))
        text = fault(world.daemon, UNREACHABLE, "serve")
        assert "127.0.0.1:%d" % port in text and "in use" in text
        world.daemon.write_config(config)
        world.command("audit", "verify", "--head")
    world.daemon.start()
    for client in (world.hr, world.idp):
        client.port, client.local = world.daemon.scim_port, threading.local()


def test_init_asks_again_where_an_answer_cannot_be_right(build, tmp_path):
    folder = tmp_path / "new"
    answers = ["acme", "Europe/Berln", "Europe/Berlin", "", "post", "scim", "idp", "", "", "",
               "00000000-0000-4000-8000-000000000000"]
    child, terminal = pty.fork()
    if child == 0:
        os.execv(str(build / "leaverd"), ["leaverd", "init", str(folder)])
    said = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        said += data
        if said.endswith(b": ") and answers:
            os.write(terminal, answers.pop(0).encode() + b"\n")
            said += b"|"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == OK, said
    text = said.decode()
    assert answers == [] and "no such time zone" in text and "one of: scim ldap" in text, text
    assert 'zone: "Europe/Berlin"' in (folder / "leaverd.yaml").read_text()


# --- the database ------------------------------------------------------------------------------


def newer(path):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 9999")
    db.close()


def another_programs(path):
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
    db.close()


def truncated(path):
    data = path.read_bytes()
    assert len(data) > 65536
    path.write_bytes(data[:len(data) // 2 // 4096 * 4096 + 100])


def overwritten(path):
    data = bytearray(path.read_bytes())
    data[0:4096] = os.urandom(4096)
    path.write_bytes(data)


@pytest.mark.parametrize("spoil, says", [
    (newer, "newer"), (another_programs, "leaverd.db"), (truncated, "leaverd.db"), (overwritten, "leaverd.db"),
])
@pytest.mark.parametrize("command", [["serve"], ["secret", "list"], ["sync"]], ids=lambda c: c[0])
def test_a_database_that_is_not_ours_is_refused_and_left_as_it_is(build, tmp_path, spoil, says, command):
    daemon = Daemon(build / "leaverd", tmp_path / "i")
    daemon.make_instance("")
    daemon.write_config("instance:\n  name: acme\n  state_dir: state\nmaster_key:\n  file: master.key\n"
                        "scim:\n  listen: 127.0.0.1:0\n  public_url: http://127.0.0.1\n")
    daemon.command("secret", "set", "a", stdin="x")
    path = daemon.folder / "state" / "leaverd.db"
    for side in ("-wal", "-shm"):
        Path(str(path) + side).unlink(missing_ok=True)
    spoil(path)
    for side in ("-wal", "-shm"):
        Path(str(path) + side).unlink(missing_ok=True)
    before = path.read_bytes()
    text = fault(daemon, DAMAGED, *command)
    assert "leaverd.db" in text and says in text, text
    assert re.search("restore|newer|another path|move|backup", text), text
    assert path.read_bytes() == before
