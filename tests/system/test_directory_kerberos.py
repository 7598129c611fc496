"""`auth: gssapi` against the KDC of a Samba domain: a ticket by keytab or from a cache, bound to TLS,
and what is said when there is none."""
import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

from directories import KINDS
from slapd import SERVERS
from stories import Story

sys.path.insert(0, str(SERVERS))
from lyingldap import integer, tlv  # noqa: E402

ANY = tuple(range(16))
REALM = "CORP.EXAMPLE.TEST"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    one = KINDS["samba"](tmp_path_factory.mktemp("server"))
    one.start()
    one.env["SERVICES"] = "kdc"
    one.seed(30)
    one.keytab = one.folder / "bridge.keytab"
    one.ctl("keytab", "bridge", one.keytab)
    one.realm = one.folder / "bridge.keytab.conf"
    yield one
    one.stop()


@pytest.fixture()
def story(build, tmp_path, directory):
    one = Story(build, tmp_path, directory)
    one.daemon.env["KRB5_CONFIG"] = str(directory.realm)
    one.daemon.env["KRB5CCNAME"] = str(tmp_path / "no-cache")

    def by(*rows, uri=None):
        one.daemon.write_config(re.sub(r"bind_dn: .*\n +bind_password: .*", "\n      ".join(("auth: gssapi",) + rows),
                                       one.config(uri=uri)))

    one.by = by
    by("keytab: %s" % directory.keytab)
    return one


def why(story):
    return next(c for c in story.daemon.json("doctor", status=ANY)["checks"] if c["check"] == "directory")["text"]


def tool(directory, *argv):
    subprocess.run(["samba-tool", *argv, "--configfile=%s/etc/smb.conf" % directory.folder,
                    "-H", "%s/private/sam.ldb" % directory.folder], check=True, capture_output=True)


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
def test_a_keytab_lets_us_read_the_domain_and_no_password_is_asked_for(story, directory, scheme):
    story.by("keytab: %s" % directory.keytab, "principal: bridge@" + REALM,
             uri=directory.uri.replace("ldaps", scheme))
    assert story.sync()["accepted"]
    story.agrees()
    assert story.sync("--delta")["accepted"]


def test_a_cache_that_somebody_else_keeps_will_do(story, directory):
    story.by()
    assert "there is no ticket" in why(story)
    subprocess.run(["kinit", "-k", "-t", directory.keytab, "bridge"], check=True, capture_output=True,
                   env=dict(os.environ, **{k: story.daemon.env[k] for k in ("KRB5_CONFIG", "KRB5CCNAME")}))
    assert story.sync()["accepted"]


def test_who_we_are_is_known_also_where_only_the_keytab_says_so(story, directory):
    """By that name changes that are our own logging in are told from others', and marks are bound to it."""
    assert story.sync()["accepted"]
    story.by("keytab: %s" % directory.keytab, "principal: bridge@" + REALM)
    assert story.sync("--delta")["delta"]["full"] is None  # the same account asks the same question
    tool(directory, "user", "create", "second", "Passw0rd!x")
    directory.ctl("keytab", "second", directory.folder / "second.keytab")
    story.by("keytab: %s" % (directory.folder / "second.keytab"))
    assert "another question" in story.sync("--delta", status=ANY)["delta"]["full"]


def test_what_is_wrong_with_a_keytab_is_said(story, directory, tmp_path):
    story.by("keytab: %s" % (tmp_path / "none"))
    assert "cannot be read" in why(story)
    (tmp_path / "junk").write_bytes(b"junk" * 50)
    (tmp_path / "junk").chmod(0o600)
    story.by("keytab: %s" % (tmp_path / "junk"))
    assert "holds no key of anybody" in why(story)
    story.by("keytab: %s" % directory.keytab, "principal: stranger@" + REALM)
    assert "holds no key of stranger@" + REALM in why(story)


def test_what_is_wrong_with_the_account_is_said(story, directory):
    keytab = directory.folder / "leaver.keytab"
    tool(directory, "user", "create", "leaver", "Passw0rd!x")
    directory.ctl("keytab", "leaver", keytab)
    story.by("keytab: %s" % keytab)
    assert story.sync("--dry-run")["complete"]
    tool(directory, "user", "disable", "leaver")
    assert "disabled, locked or expired" in why(story)
    tool(directory, "user", "enable", "leaver")
    tool(directory, "user", "setpassword", "leaver", "--newpassword=Other0ne!x")
    assert "export it again" in why(story)
    tool(directory, "user", "delete", "leaver")
    assert "the domain has no such account" in why(story)


def test_a_silent_kdc_is_given_up_in_time(story, directory, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(tcp.getsockname())
        quiet = tmp_path / "krb5.conf"
        quiet.write_text(directory.realm.read_text().replace(
            "kdc = %s" % directory.env["ADDR"], "kdc = 127.0.0.1:%d" % tcp.getsockname()[1]))
        story.daemon.env["KRB5_CONFIG"] = str(quiet)
        story.by("keytab: %s" % directory.keytab, "connect_timeout: 2s")
        assert "no KDC gave a ticket in time" in why(story)


# what a KDC answers (RFC 4120 7.5.9), and what an operator reads
REFUSALS = {37: "the clocks of this machine and of the domain differ by more than 5 minutes: set them",
            14: "keytab holds no key of a kind that the domain takes",
            23: "the account's password has expired",
            18: "the account is disabled, locked or expired"}


def refusal(code):
    """A KRB-ERROR (RFC 4120 5.9.1) of a KDC whose clock is ten minutes ahead."""
    def field(n, *body):
        return tlv(0xA0 + n, *body)
    then = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 600)).encode()
    names = tlv(0x30, tlv(0x1B, b"krbtgt"), tlv(0x1B, REALM.encode()))
    return tlv(0x7E, tlv(0x30, field(0, integer(5)), field(1, integer(30)), field(4, tlv(0x18, then)), field(5, integer(0)),
                         field(6, integer(code)), field(9, tlv(0x1B, REALM.encode())),
                         field(10, tlv(0x30, field(0, integer(2)), field(1, names)))))


@pytest.mark.parametrize("code", REFUSALS, ids=lambda code: "KDC says %d" % code)
def test_what_a_kdc_refuses_is_said_and_the_clock_among_it(story, directory, tmp_path, code):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        strict = tmp_path / "krb5.conf"
        strict.write_text(directory.realm.read_text().replace(
            "kdc = %s" % directory.env["ADDR"], "kdc = 127.0.0.1:%d" % udp.getsockname()[1]))

        over = threading.Event()
        udp.settimeout(0.1)

        def serve():
            while not over.is_set():
                try:
                    udp.sendto(refusal(code), udp.recvfrom(65536)[1])
                except socket.timeout:
                    pass
        server = threading.Thread(target=serve)
        server.start()
        try:
            story.daemon.env["KRB5_CONFIG"] = str(strict)
            story.by("keytab: %s" % directory.keytab)
            assert REFUSALS[code] in why(story)
        finally:
            over.set()
            server.join()


def test_what_is_wrong_with_the_realm_is_said(story, directory, tmp_path):
    away = tmp_path / "krb5.conf"
    away.write_text(directory.realm.read_text().replace("kdc = %s" % directory.env["ADDR"], "kdc = 127.0.0.1:1"))
    story.daemon.env["KRB5_CONFIG"] = str(away)
    assert "check network and krb5.conf" in why(story)
    story.daemon.env["KRB5_CONFIG"] = str(directory.realm)
    tool(directory, "spn", "delete", "ldap/" + directory.env["ADDR"])
    try:
        assert "knows no service ldap of that name" in why(story)
    finally:
        tool(directory, "spn", "add", "ldap/" + directory.env["ADDR"], "DC1$")
