"""Certificates of ours: who we are by one alone, and what doctor says before one ends."""
import re

import pytest

from directories import KINDS
from stories import Story

ANY = tuple(range(16))


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

    def show(name, key=None, uri=None, secret=None):
        tls = directory.folder / "tls"
        one.daemon.write_config(re.sub(r"bind_dn: .*\n +bind_password: .*", "\n      ".join((
            "auth: external", "cert_file: %s/%s.pem" % (tls, name),
            "cert_key: %s" % secret if secret else "key_file: %s/%s.key" % (tls, key or name))), one.config(uri=uri)))

    one.show = show
    return one


def said(story, check):
    return [(c["verdict"], c["text"]) for c in story.daemon.json("doctor", status=ANY)["checks"] if c["check"] == check]


@pytest.mark.parametrize("tls", [True, False])
def test_the_directory_is_read_by_whom_our_certificate_names(story, directory, tls):
    story.show("client", uri=directory.uri if tls else directory.plain_uri)
    assert story.sync()["accepted"]
    story.agrees()
    assert story.sync("--delta")["accepted"]
    assert not said(story, "certificate")


def test_the_key_may_come_from_the_vault_alone(story, directory):
    def key(name):
        story.daemon.command("secret", "set", "corp-key",
                             stdin=(directory.folder / "tls" / (name + ".key")).read_text())
    story.show("client", secret="corp-key")
    assert "leaverd secret set corp-key" in said(story, "directory")[0][1]
    key("client2")
    assert "cert_key corp-key is not the key of the certificate" in said(story, "directory")[0][1]
    key("client")
    assert story.sync()["accepted"]
    story.agrees()
    assert story.sync("--delta")["accepted"]
    for path in story.daemon.folder.rglob("*"):
        assert not path.is_file() or b"PRIVATE KEY" not in path.read_bytes(), path


def test_doctor_warns_before_a_certificate_ends_and_says_that_it_ended(story, directory):
    story.show("client-soon")
    (verdict, text), = said(story, "certificate")
    assert verdict == "warn" and re.match(r"ends on \d{4}-\d\d-\d\d: renew it", text)
    assert story.sync()["accepted"]
    story.show("client-expired")
    assert said(story, "certificate")[0][1] == "ended on 2020-02-01: renew or remove it"
    assert said(story, "directory")[0][0] == "bad" and "put a new one there" in said(story, "directory")[0][1]
    story.show("client", "client2")
    assert "is not the key of the certificate" in said(story, "directory")[0][1]
