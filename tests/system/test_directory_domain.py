"""`domain:`: servers are found by DNS SRV records, in their order, within bounded time; who forges the
DNS cannot lead leaverd to another server."""
import re
import subprocess
import time

import pytest

from directories import KINDS
from nameserver import Nameserver
from slapd import free_pair
from stories import Story

ANY = tuple(range(16))  # what a command ends with is told by its answer here
TLS, PLAIN = "_ldaps._tcp.localhost", "_ldap._tcp.localhost"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    one = KINDS["slapd"](tmp_path_factory.mktemp("server"))
    one.start()
    one.seed(30)
    yield one
    one.stop()


@pytest.fixture()
def story(build, tmp_path, directory):
    one = Story(build, tmp_path, directory)
    one.dns = Nameserver({})

    def find(*more, domain="localhost"):
        one.daemon.write_config(re.sub(r"      uris: .*\n", "".join("      %s\n" % row for row in (
            "domain: " + domain, 'nameservers: ["%s"]' % one.dns.address, "connect_timeout: 6s") + more), one.config()))

    one.find = find
    find()
    yield one
    one.dns.stop()


def test_the_server_of_a_domain_is_found_with_tls_at_once(story, directory):
    story.dns.records[TLS] = [(0, 0, directory.port + 1, "localhost.")]
    assert story.sync()["accepted"]
    assert story.dns.asked[0] == TLS and PLAIN not in story.dns.asked
    story.agrees()


def test_without_ldaps_records_tls_is_started(story, directory):
    story.dns.records[PLAIN] = [(0, 0, directory.port, "localhost")]
    assert story.sync()["accepted"]
    checks = [c for c in story.daemon.json("doctor", status=ANY)["checks"] if c["check"] == "directory"]
    assert "StartTLS" in checks[0]["text"]


def test_servers_that_are_away_are_passed_over_in_their_order(story, directory):
    away = free_pair()
    story.dns.records[TLS] = [(30, 1, directory.port + 1, "localhost"), (10, 100, away, "localhost"),
                              (20, 5, away + 1, "localhost")]
    assert story.sync()["accepted"]
    story.dns.records[TLS] = story.dns.records[TLS][1:]
    why = story.sync(status=ANY)["why"]
    assert re.search("localhost:%d.*localhost:%d" % (away, away + 1), why)


def test_servers_of_the_site_come_first_and_others_after_them(story, directory):
    away = free_pair()
    story.find("site: Berlin")
    story.dns.records["_ldaps._tcp.berlin._sites.localhost"] = [(0, 1, away, "localhost")]
    story.dns.records[TLS] = [(0, 1, directory.port + 1, "localhost")]
    assert story.sync()["accepted"]
    assert story.dns.asked[:2] == ["_ldaps._tcp.berlin._sites.localhost", TLS]
    del story.dns.records[TLS]
    assert "localhost:%d" % away in story.sync(status=ANY)["why"]


def test_a_server_that_does_not_stand_below_the_domain_is_not_trusted(story, directory):
    story.dns.records[TLS] = [(0, 0, directory.port + 1, "localhost.example.test"), (1, 0, directory.port + 1, "127.0.0.1")]
    why = story.sync(status=ANY)["why"]
    assert "none of them stands below localhost" in why
    # beside one that does, it is left out
    story.dns.records[TLS].append((9, 0, directory.port + 1, "localhost"))
    assert story.sync()["accepted"]


def test_a_domain_without_records_and_nameservers_that_fail_are_told(story):
    assert "neither _ldaps._tcp.localhost nor _ldap._tcp.localhost" in story.sync(status=ANY)["why"]
    story.dns.records[TLS] = [(0, 0, 0, ".")]
    assert "says that there is none" in story.sync(status=ANY)["why"]
    for mode in ("refuse", "garbage"):
        story.dns.mode = mode
        assert "the nameservers did not say what _ldaps._tcp.localhost is" in story.sync(status=ANY)["why"]


def test_a_silent_nameserver_is_given_up_in_time(story):
    story.dns.mode = "silent"
    began = time.monotonic()
    result = story.sync("--dry-run", status=ANY)
    assert not result["complete"] and "nameserver" in result["why"]
    assert time.monotonic() - began < 25


def test_an_answer_too_long_for_one_packet_is_read(story, directory):
    story.dns.mode = "truncate"
    story.dns.records[TLS] = [(0, 0, directory.port + 1, "localhost")] + [
        (9, n, 636, "server-with-a-long-name-%02d.localhost" % n) for n in range(40)]
    assert story.sync()["accepted"]
    assert story.dns.over_tcp > 0


# --- a domain's own DNS ------------------------------------------------------------------------------

DOMAIN, DC = "corp.example.test", "dc1.corp.example.test"


@pytest.fixture(scope="module")
def domain(tmp_path_factory):
    """Samba with its own nameserver, which keeps the SRV records of the domain itself."""
    one = KINDS["samba"](tmp_path_factory.mktemp("domain"))
    one.start()
    one.env.update(SERVICES="dns", DNS="SAMBA_INTERNAL")
    one.seed(30)
    yield one
    one.stop()


def of_domain(build, folder, domain, *more, binary=None):
    story = Story(build, folder, domain)
    if binary:
        story.daemon.binary = str(binary)
    story.daemon.write_config(re.sub(r"      uris: .*\n", "".join("      %s\n" % row for row in (
        "domain: " + DOMAIN, "nameservers: %s" % domain.env["ADDR"], "connect_timeout: 10s") + more), story.config()))
    return story


def test_the_dns_of_a_samba_domain_names_its_controller(build, tmp_path, domain):
    """Found by the domain's own records; where this machine cannot tell the controller's address, that is said."""
    why = of_domain(build, tmp_path, domain, "site: Default-First-Site-Name").sync(status=ANY)["why"]
    assert "ldap://%s:389" % DC in why, why


@pytest.mark.skipif(subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0,
                    reason="the name of the controller cannot be given to one process alone here")
def test_a_samba_domain_is_read_by_its_name_alone(build, tmp_path, domain):
    hosts, here = tmp_path / "hosts", tmp_path / "leaverd"
    hosts.write_text("127.0.0.1 localhost\n%s %s\n" % (domain.env["ADDR"], DC))
    here.write_text("#!/bin/sh\nexec unshare -m sh -c 'mount --bind %s /etc/hosts && exec \"$0\" \"$@\"' %s \"$@\"\n" % (
        hosts, build / "leaverd"))
    here.chmod(0o755)
    story = of_domain(build, tmp_path, domain, binary=here)
    assert story.sync()["accepted"]
    story.agrees()
    checks = [c for c in story.daemon.json("doctor", status=ANY)["checks"] if c["check"] == "directory"]
    assert "ldap://%s:389" % DC in checks[0]["text"] and "StartTLS" in checks[0]["text"], checks
