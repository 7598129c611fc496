"""Bad input over SCIM, for the daemon, and in place of the database."""
import contextlib
import http.client
import json
import os
import pty
import re
import socket
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from daemon import USER, Daemon
from spoil import (  # noqa: F401
    BUSY, DAMAGED, ERROR, OK, UNREACHABLE, fault, scim_serves, settled, world)
from world import World, actions


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
    with contextlib.ExitStack() as stack:
        for data in (b"\x16\x03\x01\x02\x00" + b"\xff" * 500, b"GET " + b"/" * 70000, b"\0" * 4096,
                     b"POST /scim/v2/idp/Users HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                     b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20000 + b"\r\n"):
            s = stack.enter_context(socket.create_connection(("127.0.0.1", world.daemon.scim_port), timeout=2))
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:  # cut off, or kept while more may come: for others nothing changes
                pass
        scim_serves(world)
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
