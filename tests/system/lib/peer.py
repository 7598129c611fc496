"""A scripted directory, in the test's own process: Active Directory as Windows has it (pages of at
most 1000, lists of members in ranges of 1500, tombstones apart), which does one thing wrong when a
test says so. BER as tests/servers/lyingldap.py writes it."""
import socket
import struct
import sys
import threading
import time
import uuid

from slapd import SERVERS

sys.path.insert(0, str(SERVERS))
from lyingldap import entry, message, octets, page_control, read_message, result, split, tlv  # noqa: E402

BASE = b"DC=corp,DC=example,DC=test"
PEOPLE, GROUPS = b"OU=People," + BASE, b"OU=Groups," + BASE
PAGED = b"1.2.840.113556.1.4.319"
NOTIFY, PERSIST = b"1.2.840.113556.1.4.528", b"2.16.840.1.113730.3.4.3"
NTDS = b"CN=NTDS Settings,CN=DC1,CN=Servers,CN=Site,CN=Sites,CN=Configuration," + BASE
NS = uuid.UUID("0e1f1c6e-37a2-4ff5-9f7e-6f2f0f0b7a11")
MOVED = octets(b"ldap://127.0.0.1:1/OU=far," + BASE)
NOTICE = tlv(0x78, tlv(10, b"\x34"), octets(b""), octets(b"going down"), octets(b"1.3.6.1.4.1.1466.20036", 0x8A))

BIND, UNBIND, SEARCH, EXTENDED = 0x60, 0x42, 0x63, 0x77


class Gone(Exception):
    """The script has said all that it says on this connection."""


def guid(name):
    return uuid.uuid5(NS, name.decode("utf-8", "replace")).bytes_le


def generalized(ms):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(ms // 1000)).encode()


def person(n, **more):
    uid = b"u%06d" % n
    rdn = more.pop("rdn", b"Person " + uid)
    values = {b"objectClass": [b"top", b"person", b"organizationalPerson", b"user"], b"cn": [b"Person " + uid],
              b"objectCategory": [b"person"], b"objectGUID": [guid(uid)], b"sAMAccountName": [uid],
              b"userPrincipalName": [uid + b"@example.test"], b"mail": [uid + b"@example.test"],
              b"givenName": [b"Person"], b"sn": [uid], b"displayName": [b"Person " + uid],
              b"userAccountControl": [b"512"], b"primaryGroupID": [b"513"]}
    values.update({k.encode(): v for k, v in more.items()})
    return b"CN=" + rdn + b"," + PEOPLE, values


def group(name, members, rdn=None):
    return b"CN=" + (rdn or name) + b"," + GROUPS, {
        b"objectClass": [b"top", b"group"], b"cn": [name], b"objectGUID": [guid(b"group " + name)],
        b"objectSid": [bytes.fromhex("010500000000000515000000") + struct.pack("<IIII", 1, 2, 3, 9000 + len(name))],
        b"member": members}


def matches(filter_element, values):
    """Whether a filter as BER ((tag, content)) matches an entry's attributes."""
    tag, body = filter_element
    if tag in (0xA0, 0xA1):
        return (all if tag == 0xA0 else any)(matches(part, values) for part in split(body))
    if tag == 0xA2:
        return not matches(split(body)[0], values)
    name = (body if tag == 0x87 else split(body)[0][1]).lower()
    held = next((v for k, v in values.items() if k.lower() == name), [])
    if tag == 0x87:
        return bool(held)
    wanted = split(body)[1][1].lower()
    if tag == 0xA5:  # >=
        return any(v.lower() >= wanted for v in held)
    return any(v == split(body)[1][1] or v.lower() == wanted for v in held) if tag == 0xA3 else False


class Peer:
    """people, groups: [(dn, {name: [values]})]. on_page(session, mid, number, entries, last) takes the
    place of an ordinary page of people where it returns True; on_range(session, dn, first) gives the
    (first, last, members) of a piece of a list, and says after it. seen: every search's base, filter
    and attributes."""

    def __init__(self, people=(), groups=(), page=1000, ranges=1500):
        self.people, self.groups = list(people), list(groups)
        self.page_most, self.range_most = page, ranges
        self.encoded = {}
        self.watch = None  # or the control by which it tells of changes: on_watch(session, mid) does
        self.clock = None  # or what says as which time the root DSE tells: GeneralizedTime
        self.heal()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.uri = "ldap://127.0.0.1:%d" % self.port
        self.kept = []
        threading.Thread(target=self._accept, daemon=True).start()

    def heal(self):
        """Nothing is wrong any more."""
        self.on_accept = self.on_page = self.on_range = None
        self.on_watch = lambda session, mid: session.silence()
        self.seen, self.asked = [], threading.Event()

    def stop(self):
        self.socket.close()
        for s in self.kept:
            s.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.kept.append(connection)
            threading.Thread(target=Session(self, connection).run, daemon=True).start()

    def entry_of(self, dn, values, wanted):
        """The protocol operation of one entry, with the attributes that were asked for."""
        key = dn, wanted
        if key not in self.encoded:
            self.encoded[key] = entry(dn, [(k, v) for k, v in values.items()
                                           if not wanted or k.lower() in wanted or b"*" in wanted])
        return self.encoded[key]


class Session:
    def __init__(self, peer, connection):
        self.peer, self.socket = peer, connection
        self.out = bytearray()

    # --- what scripts say ---

    def say(self, data):
        self.out += data
        if len(self.out) > 1 << 16:
            self.flush()

    def flush(self):
        data, self.out = bytes(self.out), bytearray()
        self.socket.sendall(data)

    def slowly(self, data, pause=1.0):
        self.flush()
        for b in data:
            self.socket.sendall(bytes((b,)))
            time.sleep(pause)

    def silence(self):
        """Says nothing, until the other side goes."""
        self.flush()
        while self.socket.recv(65536):
            pass
        raise Gone

    def leave(self):
        self.flush()
        raise Gone

    # --- what a domain controller says ---

    def run(self):
        try:
            with self.socket, self.socket.makefile("rb") as stream:
                if self.peer.on_accept:
                    self.peer.on_accept(self)
                while (request := read_message(stream)):
                    self._answer(*request)
                    self.flush()
        except (OSError, Gone, ValueError):
            pass

    def _answer(self, mid, operation, controls):
        tag, body = operation
        if tag == UNBIND:
            raise Gone
        if tag == BIND:
            return self.say(message(mid, result(0x61)))
        if tag != SEARCH:
            return self.say(message(mid, result(0x78, 2)))
        fields = split(body)
        base, scope, match = fields[0][1], fields[1][1][-1], fields[6]
        attributes = [a for _, a in split(fields[7][1])]
        self.peer.seen.append((base, match, attributes))
        if self.peer.watch and any(split(c)[0][1] == self.peer.watch for _, c in controls):
            return self.peer.on_watch(self, mid)
        page = next((split(split(c)[-1][1])[0][1] for _, c in controls if split(c)[0][1] == PAGED), None)
        return self._search(mid, base, scope, match, attributes, split(page) if page else None)

    def _search(self, mid, base, scope, match, attributes, page):
        if base == b"":
            told = {b"currentTime": [self.peer.clock()]} if self.peer.clock else {}
            self.peer.encoded.pop((b"", frozenset(a.lower() for a in attributes)), None)
            return self._one(mid, b"", {
                **told, b"namingContexts": [BASE], b"supportedCapabilities": [b"1.2.840.113556.1.4.800"],
                b"supportedControl": [PAGED, b"1.2.840.113556.1.4.1339", b"1.2.840.113556.1.4.417"] + (
                    [self.peer.watch] if self.peer.watch else []),
                b"dsServiceName": [NTDS], b"highestCommittedUSN": [b"90000"]}, attributes)
        if scope == 0:
            return self._base(mid, base, match, attributes)
        below = [e for e in self.peer.people + self.peer.groups if e[0].endswith(base) and matches(match, e[1])]
        if page is None:
            return self._list(mid, below, attributes, b"")
        size, cookie = int.from_bytes(page[0][1], "big"), page[1][1]
        start = struct.unpack(">I", cookie[:4])[0] if cookie else 0
        size = min(size, self.peer.page_most)
        part, rest = below[start:start + size], struct.pack(">I", start + size) + b"\0\xff" * 30
        last = start + size >= len(below)
        if base == PEOPLE and self.peer.on_page:
            self.peer.asked.set()
            if self.peer.on_page(self, mid, start // size + 1, part, last):
                return None
        return self._list(mid, part, attributes, page_control(b"" if last else rest))

    def _one(self, mid, dn, values, attributes):
        wanted = frozenset(a.lower() for a in attributes)
        self.say(message(mid, self.peer.entry_of(dn, values, wanted)))
        self.say(message(mid, result(0x65)))

    def _base(self, mid, base, match, attributes):
        places = {BASE: {b"objectGUID": [guid(b"domain")]}, PEOPLE: {b"objectGUID": [guid(b"people")]},
                  GROUPS: {b"objectGUID": [guid(b"groups")]}, NTDS: {b"invocationId": [guid(b"invocation")]}}
        places.update(self.peer.people)
        places.update(self.peer.groups)
        if base not in places:
            return self.say(message(mid, result(0x65, 34 if b"\\00" in base else 32)))  # as Windows says it
        if not matches(match, dict(places[base], objectClass=[b"top"])) and match != (0x87, b"objectClass"):
            return self.say(message(mid, result(0x65)))
        self._entry(mid, base, places[base], attributes)
        return self.say(message(mid, result(0x65)))

    def _list(self, mid, entries, attributes, control):
        for dn, values in entries:
            self._entry(mid, dn, values, attributes)
        self.say(message(mid, result(0x65), control))

    def _entry(self, mid, dn, values, attributes):
        """Long lists in pieces, as asked for: member;range=FIRST-*, and a plain member beside is empty."""
        wanted = frozenset(a.lower() for a in attributes)
        ranged = [a for a in wanted if a.startswith(b"member;range=")]
        if not ranged or not values.get(b"member"):
            return self.say(message(mid, self.peer.entry_of(dn, values, wanted)))
        first, members = int(ranged[0][13:].split(b"-")[0]), values[b"member"]
        last = min(first + self.peer.range_most, len(members)) - 1
        piece = (first, b"*" if last == len(members) - 1 else b"%d" % last, members[first:last + 1])
        if self.peer.on_range:
            self.peer.asked.set()
            piece = self.peer.on_range(self, mid, first, piece)
        shown = [(k, v) for k, v in values.items() if k.lower() in wanted]
        if piece:
            shown += [(b"member", []), (b"member;range=%d-%s" % piece[:2], piece[2])]
        return self.say(message(mid, entry(dn, shown)))
