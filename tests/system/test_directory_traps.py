"""The traps of LDAP servers and of libldap, by number: each has a test, or a line saying why it
cannot. Here are also those that belong to no other test."""
import re

import pytest

from daemon import CommandFault, Daemon
from slapd import BASE, Slapd
from stories import CONFIG
from traps import ROOT, hold, index

COUNT, INCOMPLETE, UNREACHABLE = 41, 5, 6


def test_each_trap_has_its_test_or_says_why_it_cannot():
    told = hold(index("tests/data/ldap/traps.txt"), COUNT, "doc/leaverd-ldap.7")
    assert told == set(range(1, COUNT + 1))


def test_the_tests_that_the_manual_names_are_there():
    manual = (ROOT / "doc/leaverd-ldap.7").read_text(encoding="utf-8")
    files = list((ROOT / "tests/unit").glob("*.c")) + list((ROOT / "tests/system").glob("test_*.py"))
    names = {n for f in files for n in re.findall(r"(?:static void|def) test_(\w+)\(", f.read_text(encoding="utf-8"))}
    named = set(re.findall(r"\b[a-z0-9]+(?:_[a-z0-9]+){4,}\b", manual[manual.index(".Sh TRAPS"):]))
    assert named and named <= names, named - names


def test_libldaps_own_synchronisation_is_not_called():
    for file in (ROOT / "ldap").glob("*.c"):
        called = re.findall(r"\bldap_sync_\w+\s*\(", re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.S))
        assert not called, (file.name, called)


@pytest.mark.parametrize("start_tls", [False, True])
def test_a_file_in_the_working_folder_or_the_environment_does_not_end_verification(build, tmp_path, monkeypatch, start_tls):
    slapd = Slapd(tmp_path / "slapd")
    slapd.start()
    try:
        slapd.seed(20, "--no-edge")
        daemon = Daemon(build / "leaverd", tmp_path / "instance")
        text = CONFIG.format(uri=slapd.uri if start_tls else slapd.ldaps_uri, ca=slapd.folder / "tls" / "other-ca.pem",
                             bind="cn=bridge,ou=services," + BASE, people="ou=people," + BASE,
                             groups="ou=groups," + BASE, extra="")
        daemon.make_instance(text)
        daemon.command("secret", "set", "corp-ldap", stdin="bridge-secret\n")
        (tmp_path / "ldaprc").write_text("TLS_REQCERT never\nTLS_CACERT %s\n" % slapd.ca)
        (tmp_path / ".ldaprc").write_text("TLS_REQCERT never\nTLS_CACERT %s\n" % slapd.ca)
        monkeypatch.chdir(tmp_path)
        daemon.env.update(HOME=str(tmp_path), LDAPRC="ldaprc", LDAPCONF=str(tmp_path / "ldaprc"),
                          LDAPTLS_REQCERT="never", LDAPTLS_CACERT=str(slapd.ca))
        with pytest.raises(CommandFault) as caught:
            daemon.command("sync", "corp")
        assert caught.value.status in (INCOMPLETE, UNREACHABLE), caught.value
        assert "TLS failed" in caught.value.out, caught.value.out
        daemon.write_config(text.replace("other-ca.pem", "ca.pem"))
        daemon.command("sync", "corp")
    finally:
        slapd.stop()
