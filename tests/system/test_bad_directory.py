"""Directories that lie, break off, or cannot be spoken to."""
import json
import re
import socket
import struct
import subprocess
import threading
import time

import pytest

from daemon import CommandFault
from slapd import SERVERS, free_pair
from spoil import (  # noqa: F401
    INCOMPLETE, OK, UNREACHABLE, restart, restart_with, scim_serves, settled, world)
from world import actions


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
        deadline = time.monotonic() + 90
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
