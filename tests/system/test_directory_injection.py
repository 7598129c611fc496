"""Values that want to be more than values: those of the settings reach a directory as they are and
as nothing else; those of a directory reach the terminal, the log, the store and the next question
as text."""
import re
import sqlite3

import pytest

from daemon import CommandFault, Daemon
from peer import GROUPS, PEOPLE, Peer, group, person
from lyingldap import message, result, split
from rehearsal import Clock

INCOMPLETE = 5

CONFIG = """\
instance:
  name: injection
  zone: UTC
  state_dir: state
master_key:
  file: master.key
sources:
  - name: corp
    kind: ldap
    role: directory
    ldap:
      uris: {uri}
      tls: off
      bind_dn: CN=bridge,DC=corp,DC=example,DC=test
      bind_password: corp-ldap
      base: {base}
      groups_base: {groups}
      attempts: 1
      delta_every: 0s
      {extra}
organisations:
  - name: acme
    cloud:
      org_id: 00000000-0000-4000-8000-000000000000
      key: acme-key
schedule:
  sync_every: 0s
  collect_every: 0s
  plan_every: 0s
"""

HOSTILE = {
    "escape sequence": b"\x1b[2J\x1b[31mgone\x1b]0;title\x07",
    "two lines": b"Ada\n2026-01-01T00:00:00.000Z info sync.done source=corp",
    "carriage return": b"real\rfake",
    "C1 control": "Ada\x9b31m".encode(),
    "change of direction": "Ada \u202egnp.exe".encode(),
    "half a character": b"half \xc3",
    "NUL": b"Ada\0Lovelace",
    "formula": b'=HYPERLINK("http://127.0.0.1/","x")',
    "SQL": b"x'); DROP TABLE record; --",
    "filter": b"*)(objectClass=*",
    "JSON": b'"},"active":false,{"',
    "path": b"../../../etc/passwd",
    "format": b"%s%s%n%x",
    "64 KiB": b"A" * 65536,
}
NAMES = sorted(HOSTILE)
# what would steer a terminal or begin a line of its own
STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def hostile(n, value):
    """Somebody all of whose texts are that."""
    return person(n, displayName=[value], givenName=[value], sn=[value], mail=[value], title=[value],
                  department=[value], userPrincipalName=[value + b"%d" % n])


@pytest.fixture(scope="module")
def peer():
    honest = [person(n) for n in range(1000, 1020)]
    awkward = [person(2000, rdn=b"*)(objectClass=\\2A\\,\\+\\\"\\\\\\0A"), person(2001, rdn=b"#04024869"),
               person(2002, rdn=b"a" * 3000)]
    shown = [hostile(n, HOSTILE[name]) for n, name in enumerate(NAMES)]
    peer = Peer(honest + awkward + shown,
                [group(value[:200], [honest[n][0]], rdn=b"hostile %d" % n)
                 for n, value in enumerate(HOSTILE[name] for name in NAMES)] +
                [group(b"empty", [], rdn=b"*)(|(memberOf=*))\\,\\5C")])
    peer.shown = shown
    yield peer
    peer.stop()


@pytest.fixture(scope="module")
def daemon(build, peer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("injection")
    daemon = Daemon(build / "leaverd", folder / "instance", Clock(folder / "clock"))
    daemon.make_instance(config(peer))
    daemon.command("secret", "set", "corp-ldap", stdin="secret\n")
    return daemon


def config(peer, base=PEOPLE.decode(), extra=""):
    return CONFIG.format(uri=peer.uri, base=base, groups=GROUPS.decode(), extra=extra)


def values_of(element):
    """Every value of a filter as it came: (attribute, value) of equality matches; other kinds by tag."""
    tag, body = element
    if tag in (0xA0, 0xA1, 0xA2):
        return [v for part in split(body) for v in values_of(part)]
    if tag == 0xA3:
        return [tuple(v for _, v in split(body))]
    return [(tag, body)]


# --- what a directory says ---------------------------------------------------------------------------

def test_hostile_values_are_kept_as_text_or_not_at_all(daemon, peer):
    done = daemon.json("sync", "corp")["sources"][0]
    assert done["accepted"] and done["entries"] == len(peer.people), done
    with sqlite3.connect("file:%s?mode=ro" % (daemon.folder / "state" / "leaverd.db"), uri=True) as db:
        assert db.execute("SELECT count(*) FROM record WHERE deleted = 0").fetchone()[0] == len(peer.people)
        assert db.execute("SELECT count(*) FROM record WHERE active = 1").fetchone()[0] == 0
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    users = {u["userName"]: u for u in daemon.json("users", "--limit", "0")["users"] if u.get("userName")}
    assert len(users) >= 20


@pytest.mark.parametrize("argv", [
    ["users", "--limit", "0"], ["groups", "--limit", "0"], ["sync", "corp"], ["source", "status", "corp"], ["doctor"],
    ["plan"], ["match"]], ids=lambda argv: argv[0])
def test_no_command_lets_them_steer_the_terminal(daemon, argv):
    status = tuple(range(11))
    out = daemon.command(*argv, status=status)
    steering = STEERS.search(out)
    assert not steering, (argv, out[max(0, steering.start() - 80):steering.end() + 80])
    assert "\n2026-01-01T00:00:00.000Z" not in out


@pytest.mark.parametrize("n", range(len(NAMES)), ids=NAMES)
def test_showing_an_entry_does_not_let_it_steer_the_terminal(daemon, peer, n):
    out = daemon.command("sync", "corp", "--dry-run", "--show", peer.shown[n][0].decode())
    assert "displayName" in out
    steering = STEERS.search(out)
    assert not steering, out[max(0, steering.start() - 80):steering.end() + 80]
    assert not any(line.startswith("2026-01-01T00:00:00.000Z") for line in out.splitlines())


def test_what_is_text_is_shown_and_what_steers_is_a_mark_in_its_place(daemon):
    out = daemon.command("users", "--limit", "0")
    assert "=HYPERLINK(" in out and "DROP TABLE" in out and "%s%s%n%x" in out
    assert "Ada \ufffdgnp.exe" in out and "\ufffd2026-01-01T00" in out


def test_one_of_them_does_not_hide_or_change_the_others(daemon, peer):
    people = daemon.json("users", "--limit", "0")["users"]
    assert len(people) == len(peer.people)
    honest = [u for u in people if (u.get("userName") or "").startswith("u001")]
    assert len(honest) == 20


def test_a_name_that_wants_to_be_a_filter_is_looked_for_as_it_is(peer, daemon):
    peer.heal()
    daemon.command("sync", "corp")
    name = next(dn for dn, values in peer.groups if values[b"cn"] == [b"empty"])
    asked = [value for _, match, _ in peer.seen for attribute, value in values_of(match) if attribute == b"memberOf"]
    assert asked == [name]
    tags = {attribute for _, match, _ in peer.seen for attribute, _ in values_of(match) if isinstance(attribute, int)}
    assert tags <= {0x87}  # present; no substrings, nothing extensible


def test_what_a_server_says_of_an_error_stays_within_its_line(daemon, peer):
    peer.on_page = lambda session, mid, number, part, last: session.say(message(
        mid, result(0x65, 80, b"\x1b[2J\nforged=line\r\x9b" + b"\xe2\x80\xae" + b"x" * 100000))) or True
    try:
        done = daemon.json("sync", "corp", status=INCOMPLETE)["sources"][0]
        assert "forged" in done["why"] and len(done["why"]) < 2000
        with pytest.raises(CommandFault) as caught:
            daemon.command("sync", "corp")
        assert caught.value.status == INCOMPLETE and "sync.not_accepted" in caught.value.err
        for text in (caught.value.out, caught.value.err):
            assert "forged" in text and not STEERS.search(text), text
            assert not any(line.startswith("forged") for line in text.splitlines())
    finally:
        peer.heal()


# --- what the settings say ---------------------------------------------------------------------------

@pytest.mark.parametrize("value", ["*", "*)(objectClass=*", "a\\2a", "(&)", "Zoë*", "x)(|(a=b"])
def test_a_canarys_value_is_looked_for_as_it_is(daemon, peer, value):
    peer.heal()
    daemon.write_config(config(peer, extra="canaries: ['sAMAccountName=%s']" % value))
    try:
        done = daemon.json("sync", "corp", status=INCOMPLETE)["sources"][0]
        assert "canary number 1" in done["why"], done["why"]
        asked = [v for _, match, _ in peer.seen for a, v in values_of(match) if a == b"sAMAccountName"]
        assert asked == [value.encode()]
    finally:
        daemon.write_config(config(peer))


@pytest.mark.parametrize("base", [
    'OU=a\\,b,DC=corp,DC=example,DC=test', 'OU=*)(x,DC=corp,DC=example,DC=test', 'OU=\\20\\2A\\0A,DC=corp,DC=example,DC=test'])
def test_a_base_with_escapes_is_sent_as_it_is_written(daemon, peer, base):
    peer.heal()
    daemon.write_config(config(peer, base="'%s'" % base))
    try:
        done = daemon.json("sync", "corp", status=INCOMPLETE)["sources"][0]
        assert base in done["why"] and not done["complete"]
        assert {b for b, _, _ in peer.seen} <= {b"", base.encode(), GROUPS}
        assert base.encode() in {b for b, _, _ in peer.seen}
    finally:
        daemon.write_config(config(peer))


@pytest.mark.parametrize("extra, says", [
    ("filter: '(a=b)(c=d)'", "filter"), ("filter: '(a=*'", "filter"), ("filter: 'a=b'", "filter"),
    ("base: 'OU=\\0,DC=test'", "base"), ("key: 'uid)(x'", "key"), ("map: { userName: 'uid)(x' }", "map"), ("canaries: ['a)(b=c']", "canar"),
    ("status: { 'a)(b': 'x=active' }", "status"), ("ignore_referrals: ['x']", "ignore_referrals"),
])
def test_a_setting_that_is_more_than_a_value_is_refused(daemon, peer, extra, says):
    peer.heal()
    if extra.startswith("base: "):
        daemon.write_config(config(peer, base=extra[6:]))
    else:
        daemon.write_config(config(peer, extra=extra))
    try:
        with pytest.raises(CommandFault) as caught:
            daemon.command("sync", "corp")
        assert caught.value.status == 3 and says in caught.value.err, caught.value
        assert not peer.seen
    finally:
        daemon.write_config(config(peer))
