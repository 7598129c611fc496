"""What no directory of ours does, told by a scripted one: limits of Windows, lists in ranges, and
everything that can break in the middle of an answer. The operator reads a sentence that names it,
nobody is nearer to being gone, and other sources, the SCIM server and the end of the daemon do not
wait for it."""
import os
import re
import sqlite3
import threading
import time

import pytest

from daemon import CommandFault, Daemon, ScimClient, scim_user
from peer import GROUPS, MOVED, NOTICE, PEOPLE, Peer, group, person
from lyingldap import entry, message, octets, page_control, result, tlv
from rehearsal import Clock

MANY, OK, INCOMPLETE, UNREACHABLE = 2100, 0, 5, 6
LIST = [person(n)[0] for n in range(MANY)]

CONFIG = """\
instance:
  name: peer
  zone: UTC
  state_dir: state
master_key:
  file: master.key
scim:
  listen: 127.0.0.1:0
  public_url: http://127.0.0.1
sources:
  - name: idp
    kind: scim
    role: idp
{ldap}organisations:
  - name: acme
    cloud:
      org_id: 00000000-0000-4000-8000-000000000000
      key: acme-key
schedule:
  sync_every: 0s
  collect_every: 0s
  plan_every: 0s
"""
LDAP = """\
  - name: {name}
    kind: ldap
    role: directory
    ldap:
      uris: {uri}
      {tls}
      bind_dn: CN=bridge,DC=corp,DC=example,DC=test
      bind_password: corp-ldap
      base: {people}
      groups_base: {groups}
      page_size: 2000
      attempts: 1
      delta_every: 0s
      connect_timeout: 2s
      answer_timeout: 3s
      read_timeout: 40s
"""


class World:
    """serve with two directories, one that never answers a TLS handshake, and an identity provider."""

    def __init__(self, build, folder):
        self.folder = folder
        self.corp = Peer([person(n) for n in range(MANY)], [group(b"everyone", LIST), group(b"some", LIST[:20])])
        self.other = Peer([person(n) for n in range(5000, 5030)])
        self.quiet = Peer()
        self.daemon = Daemon(build / "leaverd", folder / "instance", Clock(folder / "clock"))
        # else a build under ASan keeps what was freed, and its size says nothing
        self.daemon.env["ASAN_OPTIONS"] = self.daemon.env.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8"
        rows = "".join(LDAP.format(name=name, uri=uri, tls=tls, people=PEOPLE.decode(), groups=GROUPS.decode())
                       for name, uri, tls in (("corp", self.corp.uri, "tls: off"), ("other", self.other.uri, "tls: off"),
                                              ("quiet", self.quiet.uri.replace("ldap:", "ldaps:"), "tls: require")))
        self.daemon.make_instance(CONFIG.format(ldap=rows))
        self.daemon.command("secret", "set", "corp-ldap", stdin="secret\n")
        self.start()
        token = self.daemon.json("token", "new", "tests", "--source", "idp")["token"]
        self.idp = ScimClient("127.0.0.1", self.daemon.scim_port, "idp", token)
        for name in ("corp", "other"):
            assert self.sync(name)["accepted"]
        self.people, self.groups = self.kept()

    def start(self):
        self.daemon.start()
        if hasattr(self, "idp"):
            self.idp.port, self.idp.local = self.daemon.scim_port, threading.local()

    def stop(self):
        try:
            self.daemon.stop()
        finally:
            for peer in (self.corp, self.other, self.quiet):
                peer.stop()

    def sync(self, name, *argv):
        return self.daemon.json("sync", name, *argv, status=(OK, INCOMPLETE, UNREACHABLE))["sources"][0]

    def rows(self, sql):
        with sqlite3.connect("file:%s?mode=ro" % (self.folder / "instance" / "state" / "leaverd.db"), uri=True) as db:
            return db.execute(sql).fetchall()

    def kept(self):
        """Everybody and how near to being gone; who is in what."""
        return (self.rows("SELECT r.key, r.absent_reads, r.gone, r.deleted FROM record r JOIN source s ON s.id = r.source"
                          " WHERE s.name <> 'idp' ORDER BY 1"),
                self.rows("SELECT grp, kind, member FROM member ORDER BY 1, 2, 3"))

    def sync_without_daemon(self, name):
        """Where libldap itself loses the memory of a request: nothing else may run in that process."""
        self.daemon.stop()
        kept = self.daemon.env
        self.daemon.env = dict(kept, ASAN_OPTIONS=kept.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
        try:
            return self.sync(name)
        finally:
            self.daemon.env = kept
            self.start()

    def rest_goes_on(self):
        """Another directory is read and a push taken, each in a moment."""
        began = time.monotonic()
        assert self.sync("other")["accepted"]
        number = time.monotonic_ns()
        made = self.idp.create(scim_user({"mail": "p%d@example.com" % number, "uid": "p%d" % number, "sn": "Push"}))
        self.idp.delete("Users/" + made["id"])
        assert time.monotonic() - began < 10


@pytest.fixture(scope="module")
def settled(build, tmp_path_factory):
    world = World(build, tmp_path_factory.mktemp("peer"))
    yield world
    world.stop()


@pytest.fixture
def world(settled):
    yield settled
    settled.corp.heal()


# --- what Windows does in good order -------------------------------------------------------------

def test_pages_that_the_server_makes_smaller_are_read_to_the_end(world):
    world.corp.page_most = 700
    try:
        done = world.sync("corp")
    finally:
        world.corp.page_most = 1000
    assert done["accepted"] and done["entries"] == MANY
    assert world.kept() == (world.people, world.groups)


@pytest.mark.parametrize("steps", [[1500], [5000], [1500, 400, 700], [1, 1500], [1300]])
def test_lists_in_ranges_are_read_whole_also_when_the_pieces_become_smaller(world, steps):
    left = list(steps)

    def piece(session, mid, first, offered):
        members = LIST if offered[2][0] == LIST[first] and len(offered[2]) > 20 or first else LIST[:20]
        size = left.pop(0) if len(left) > 1 else left[0]
        last = min(first + size, len(members)) - 1
        return (first, b"*" if last == len(members) - 1 else b"%d" % last, members[first:last + 1])

    world.corp.on_range = piece
    done = world.sync("corp")
    assert done["accepted"] and done["groups"]["complete"] and done["groups"]["known"], done["groups"]
    assert world.kept() == (world.people, world.groups)


# --- lists that break off --------------------------------------------------------------------------

def nothing(session, mid, first, piece):
    return None if first else piece


def empty(session, mid, first, piece):
    return (first, b"%d" % first, []) if first else piece


def error(session, mid, first, piece):
    if not first:
        return piece
    session.say(message(mid, result(0x65, 1)))
    session.leave()


def away(session, mid, first, piece):
    if not first:
        return piece
    session.say(message(mid, result(0x65, 32)))
    return session.silence()


def hole(session, mid, first, piece):
    return (first + 10, b"*", piece[2][10:]) if first else piece


def again(session, mid, first, piece):
    return (0, b"1499", LIST[:1500]) if first else piece


def cut(session, mid, first, piece):
    return session.leave() if first else piece


def hangs(session, mid, first, piece):
    return session.silence() if first else piece


@pytest.mark.parametrize("how", [nothing, empty, error, away, hole, again, cut, hangs], ids=lambda f: f.__name__)
def test_a_list_that_breaks_off_is_unknown_and_nobody_leaves_the_group(world, how):
    world.corp.on_range = how
    done = world.sync("corp")
    groups = done["groups"]
    assert not (groups["complete"] and groups["known"]), groups
    assert groups["why"], groups
    assert world.kept() == (world.people, world.groups)


# --- reads that break off ---------------------------------------------------------------------------

class At:
    """A page of people that goes well up to half of the third, and then: what."""

    def __init__(self, name, says, what, waits=False, leaks=False):
        self.name, self.says, self.what, self.waits, self.leaks = name, says, what, waits, leaks

    def __call__(self, session, mid, number, part, last):
        if number < 3:
            return False
        for dn, values in part[:len(part) // 2]:
            session.say(message(mid, session.peer.entry_of(dn, values, frozenset())))
        self.what(session, mid)
        return True


def code(number, words=b""):
    return lambda s, mid: s.say(message(mid, result(0x65, number, words)))


def says(data):
    return lambda s, mid: (s.say(data(mid) if callable(data) else data), s.leave())


def stays(data):
    return lambda s, mid: (s.say(data(mid) if callable(data) else data), s.silence())


def endless(session, mid):
    n = 100000
    while True:
        session.say(message(mid, entry(*[person(n)[0], list(person(n)[1].items())])))
        n += 1


def trickle(session, mid):
    session.slowly(message(mid, session.peer.entry_of(*person(9000), frozenset())))


def gibibyte(session, mid):
    """An entry that says it has 1 GiB, and begins to send it."""
    session.say(b"\x30\x84\x40\x00\x00\x00" + tlv(2, b"%c" % mid) + b"\x64\x84\x3f\xff\xff\xf0")
    for _ in range(200):
        session.say(b"x" * (1 << 20))
    session.silence()


class Values:
    """Tombstones of which each has a value of 15 MiB, for as long as the test wants them and 20 at least;
    then an entry that is longer than max_message, and no less real."""

    def __init__(self):
        self.over, self.streamed = threading.Event(), 0

    def __call__(self, session, mid):
        big, n = b"x" * (15 << 20), 20000
        while not self.over.is_set() or self.streamed < 300 << 20:
            dn, values = person(n)
            session.say(message(mid, entry(dn, [(k, v) for k, v in values.items() if k != b"displayName"] + [
                (b"displayName", [big]), (b"isDeleted", [b"TRUE"])])))
            self.streamed, n = self.streamed + len(big), n + 1
            time.sleep(0.05)
        session.say(message(mid, entry(person(n)[0], [(b"displayName", [b"x" * (17 << 20)])])))
        session.silence()


def value(session, mid):
    """A message within bounds, of which a value claims 1 GiB."""
    session.say(message(mid, tlv(0x64, octets(b"CN=x," + PEOPLE), tlv(0x30, tlv(0x30, octets(b"mail"), tlv(
        0x31, b"\x04\x84\x40\x00\x00\x00abc"))))))
    session.say(message(mid, result(0x65, 0, extra=b"")))


def same_cookie(session, mid):
    session.say(message(mid, result(0x65), page_control(b"always this one")))


AT = [
    At("time limit", "timeLimitExceeded|time", code(3)),
    At("size limit", "sizeLimitExceeded|size", code(4)),
    At("admin limit", "adminLimitExceeded|limit", code(11)),
    At("busy", "busy", code(51, b"try again later")),
    At("unavailable", "unavailable", code(52)),
    At("damaged cookie", "unwillingToPerform|unwilling", code(53, b"the cookie is not one of ours")),
    At("operations error", "operationsError|operations", code(1, b"000020EF: SvcErr: DSID-02080490")),
    At("code of nobody", "4711", code(4711)),
    At("referral", "referral", lambda s, mid: (s.say(message(mid, tlv(0x73, MOVED))), s.say(message(mid, result(0x65))))),
    At("referral as a result", "referral", lambda s, mid: s.say(message(mid, tlv(
        0x65, tlv(10, b"\x0a"), octets(b""), octets(b""), tlv(0xA3, MOVED))))),
    At("lost cookie", "more|page|paged", same_cookie),
    At("notice of disconnection", "page 3 of", says(message(0, NOTICE)), leaks=True),
    At("cut", "page 3 of", says(b"")),
    At("cut in a message", "page 3 of", says(b"\x30\x82\x01\x00\x02")),
    At("http", "page 3 of", says(b"HTTP/1.1 200 OK\r\n\r\n" * 50)),
    At("zeros", "page 3 of", says(b"\0" * 4096)),
    At("length without end", "page 3 of", says(b"\x30\x80\x02\x01\x05\x64\x80" * 50)),
    At("length of 127 bytes", "page 3 of", says(b"\x30\xff" + b"\xff" * 127)),
    At("empty message", "page 3 of", says(b"\x30\x00" * 200)),
    At("inner length too long", "page 3 of", says(lambda mid: message(mid, b"\x64\x7f\x04\x01x")), leaks=True),
    At("nested to the ground", "page 3 of", says(lambda mid: message(mid, b"\x64\x82\x40\x00" + b"\x30\x80" * 8192))),
    At("value of 1 GiB in a small message", "page 3 of", value),
    At("message of nobody", "page 3 of", stays(lambda mid: message(mid + 77, result(0x65))), waits=True),
    At("never an answer", "page 3 of", stays(b""), waits=True),
    At("a byte a second", "page 3 of", trickle, waits=True),
    At("1 GiB", "a message of 1073741824 bytes, and max_message", gibibyte, waits=True),
]


@pytest.mark.parametrize("at", AT, ids=lambda at: at.name)
def test_a_read_that_breaks_off_is_told_and_proves_nothing(world, at):
    world.corp.on_page = at
    out = {}
    began = time.monotonic()
    ask = world.sync_without_daemon if at.leaks else world.sync
    reader = threading.Thread(target=lambda: out.update(done=ask("corp")))
    reader.start()
    if at.waits:
        assert world.corp.asked.wait(120)
        world.rest_goes_on()
    reader.join(90)
    done = out["done"]
    assert time.monotonic() - began < 60
    assert not done["complete"] and not done["accepted"], done
    assert re.search(at.says, done["why"]) and PEOPLE.decode() in done["why"], done["why"]
    assert not re.search(r"[\x00-\x1f\x7f]", done["why"])
    assert world.kept() == (world.people, world.groups)


def peak_kib(pid, begin=False):
    """The most memory that a process had, since begin."""
    if begin:
        with open("/proc/%d/clear_refs" % pid, "w") as f:
            f.write("5")
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))


def test_hundreds_of_mebibytes_of_values_take_no_memory_and_end_at_the_bound(world):
    values, out, pid = Values(), {}, world.daemon.process.pid
    before = peak_kib(pid, begin=True)
    world.corp.on_page = At("", "", values)
    reader = threading.Thread(target=lambda: out.update(done=world.sync("corp")))
    reader.start()
    try:
        assert world.corp.asked.wait(30)
        world.rest_goes_on()
    finally:
        values.over.set()
    reader.join(90)
    done = out["done"]
    assert not done["complete"] and "page 3 of" in done["why"], done
    assert re.search(r"a message of 178\d{5} bytes, and max_message is 16777216", done["why"]), done["why"]
    assert values.streamed >= 300 << 20
    assert peak_kib(pid) - before < 100 << 10
    assert world.kept() == (world.people, world.groups)


def test_a_value_of_mebibytes_is_unknown_and_its_person_is_read(world):
    kept = world.corp.people[7]
    world.corp.people[7] = person(7, displayName=[b"x" * (15 << 20)])
    world.corp.encoded.clear()
    try:
        done = world.sync("corp")
        assert done["accepted"] and done["changed"] == 1, done["why"]
        assert done["missing"] == 0 and world.kept() == (world.people, world.groups)
        sizes = world.rows("SELECT length(doc) FROM record WHERE user_fold LIKE 'u000007%'")
        assert len(sizes) == 1 and sizes[0][0] < 4096
    finally:
        world.corp.people[7] = kept
        world.corp.encoded.clear()
    assert world.sync("corp")["changed"] == 1


def test_afterwards_the_directory_is_read_as_if_nothing_had_been(world):
    done = world.sync("corp")
    assert done["accepted"] and done["entries"] == MANY, done
    assert (done["fresh"], done["changed"], done["missing"]) == (0, 0, 0), done
    assert done["groups"]["complete"] and done["groups"]["known"], done["groups"]
    assert world.kept() == (world.people, world.groups)


# --- before the first answer -------------------------------------------------------------------------

def test_names_with_an_escaped_nul_block_nobody_else(world):
    """Windows keeps them, and refuses to look one up: somebody of that name is read like anybody, and a
    member that is nobody is left out with a sentence."""
    kept = world.corp.people[3], world.corp.groups[1]
    odd = person(3, rdn=b"x\\00Y")
    world.corp.people[3] = odd
    world.corp.groups[1] = group(b"some", LIST[:3] + [odd[0].replace(b"x", b"X")] + LIST[4:20] + [
        b"CN=a\\00b," + PEOPLE, b"CN=\\00," + PEOPLE])
    world.corp.groups[0] = group(b"everyone", LIST[:3] + [odd[0]] + LIST[4:])
    world.corp.encoded.clear()
    try:
        read = world.sync("corp")
        assert read["accepted"] and read["groups"]["known"] and read["groups"]["odd"] == 2, read
        assert any("groups.odd" in line and "invalidDNSyntax" in line for line in world.daemon.log)
        assert world.kept() == (world.people, world.groups)
    finally:
        world.corp.people[3], world.corp.groups[1] = kept
        world.corp.groups[0] = group(b"everyone", LIST)
        world.corp.encoded.clear()


def used(pid):
    """Seconds of processor that a process has used."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_peer_silent_in_the_handshake_is_given_up_in_time_and_costs_nothing(world):
    world.quiet.on_accept = lambda session: session.silence()
    pid, out = world.daemon.process.pid, {}
    before, began = used(pid), time.monotonic()
    reader = threading.Thread(target=lambda: out.update(done=world.sync("quiet")))
    reader.start()
    world.rest_goes_on()
    reader.join(30)
    assert time.monotonic() - began < 15
    assert used(pid) - before < 2, "it spun"
    assert "no answer within" in out["done"]["why"], out["done"]["why"]
    assert world.kept()[1] == world.groups


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x30\x84\x7f\xff\xff\xff", b"\x16\x03\x01\xff\xff" + b"\1" * 400],
    ids=["HTTP", "2 GiB", "TLS"])
def test_garbage_before_the_first_answer_is_told(world, data):
    world.corp.on_accept = lambda session: (session.say(data), session.silence())
    done = world.sync("corp")
    assert not done["complete"] and world.corp.uri in done["why"], done["why"]
    assert world.kept() == (world.people, world.groups)


# --- the end ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("what", [stays(b""), trickle, gibibyte, endless],
                         ids=["never an answer", "a byte a second", "1 GiB", "endless"])
def test_the_daemon_ends_while_a_directory_is_like_that(world, what):
    world.corp.on_page = At("", "", what)
    def ask():
        try:
            world.sync("corp")
        except CommandFault:
            pass  # the daemon went away below it
    reader = threading.Thread(target=ask)
    reader.start()
    try:
        assert world.corp.asked.wait(120)
        began = time.monotonic()
        world.daemon.stop()
        assert time.monotonic() - began < 10
    finally:
        reader.join(60)
        world.corp.heal()
        world.start()
    assert world.kept() == (world.people, world.groups)
