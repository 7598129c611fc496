#!/usr/bin/env python3
"""An LDAP server on loopback that lies on purpose (Python 3.7+, stdlib only).

  lyingldap.py PORT LIE [--entries N] [--ready FILE]

It lets everybody in, shows a root DSE that offers paging, a base entry, and below it as many
people as asked for. LIE says what is wrong with that:

  honest        nothing
  same-cookie   every page has the same cookie, and there is always one more
  same-page     cookies differ, and every page holds the same people
  no-control    results come without the paged results control
  endless       one page that never ends
  huge          an entry of 40 MiB
  twice         the last page begins with the last person of the one before
  changed       the same, and that person has changed
  nobody        Who am I? says: nobody
  other         Who am I? says: somebody else
  no-id         people without entryUUID
  no-base       the base entry is not shown, with success
  not-ldap      bytes that are no LDAP, in the middle of a page
  wrong-type    a bind response in the middle of a page
  reference     a search result reference in the middle of a page
  trickle       the second page comes one byte every tenth of a second
  hang          the second page never comes
  notice        a notice of disconnection instead of the second page
  present       content synchronisation names three million people who are still there
  changed-all   and here 300,000 who changed
"""
import argparse
import os
import socket
import threading
import time
import uuid

PAGED = b"1.2.840.113556.1.4.319"
SYNC, SYNC_DONE, SYNC_INFO = (b"1.3.6.1.4.1.4203.1.9.1.%d" % n for n in (1, 3, 4))
WHOAMI = b"1.3.6.1.4.1.4203.1.11.3"
BASE = b"ou=people,dc=example,dc=test"
NS = uuid.UUID("5f0c2f6e-6c39-4b0e-9d77-0a8f1a5c0de1")


def tlv(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    if n < 128:
        return bytes((tag, n)) + body
    size = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes((tag, 128 | len(size))) + size + body


def integer(n, tag=2):
    return tlv(tag, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def octets(b, tag=4):
    return tlv(tag, b)


def split(b):
    """The elements in b: [(tag, content)]."""
    out, i = [], 0
    while i < len(b):
        tag, n, i = b[i], b[i + 1], i + 2
        if n & 128:
            k = n & 127
            n, i = int.from_bytes(b[i:i + k], "big"), i + k
        out.append((tag, b[i:i + n]))
        i += n
    return out


def message(mid, op, controls=b""):
    return tlv(0x30, integer(mid), op, tlv(0xA0, controls) if controls else b"")


def result(tag, code=0, text=b"", extra=b""):
    return tlv(tag, integer(code, 10), octets(b""), octets(text), extra)


def entry(dn, attrs):
    return tlv(0x64, octets(dn), tlv(0x30, *(
        tlv(0x30, octets(name), tlv(0x31, *(octets(v) for v in values))) for name, values in attrs)))


def page_control(cookie):
    value = tlv(0x30, integer(0), octets(cookie))
    return tlv(0x30, octets(PAGED), octets(value))


def read_message(f):
    head = f.read(2)
    if len(head) < 2:
        return None
    n = head[1]
    if n & 128:
        n = int.from_bytes(f.read(n & 127), "big")
    parts = split(f.read(n))
    mid = int.from_bytes(parts[0][1], "big")
    controls = split(parts[2][1]) if len(parts) > 2 else []
    return mid, parts[1], controls


class Session:
    def __init__(self, sock, a):
        self.sock, self.a = sock, a
        self.out = sock.makefile("wb")

    def person(self, i, name=None):
        uid = b"u%06d" % i
        attrs = [(b"objectClass", [b"person"]), (b"uid", [uid]), (b"cn", [name or b"Person " + uid]),
                 (b"mail", [uid + b"@example.test"])]
        if self.a.lie != "no-id":
            attrs.append((b"entryUUID", [str(uuid.uuid5(NS, uid.decode())).encode()]))
        return entry(b"uid=" + uid + b"," + BASE, attrs)

    def send(self, data, slow=False):
        if not slow:
            self.out.write(data)
            return
        self.out.flush()
        for b in data:
            self.sock.sendall(bytes((b,)))
            time.sleep(0.1)

    def root_dse(self, mid):
        self.send(message(mid, entry(b"", [
            (b"objectClass", [b"top", b"OpenLDAProotDSE"]), (b"namingContexts", [b"dc=example,dc=test"]),
            (b"supportedControl", [PAGED, SYNC]), (b"supportedExtension", [WHOAMI])])))
        self.send(message(mid, result(0x65)))

    def base_entry(self, mid):
        if self.a.lie != "no-base":
            self.send(message(mid, entry(BASE, [
                (b"entryUUID", [str(uuid.uuid5(NS, "base")).encode()])])))
        self.send(message(mid, result(0x65)))

    def middle(self, mid, first):
        """What comes after the first person of the second page; True: and nothing more."""
        lie = self.a.lie
        if lie == "not-ldap":
            self.send(b"HTTP/1.1 200 OK\r\n\r\n")
        elif lie == "wrong-type":
            self.send(message(mid, result(0x61)))
        elif lie == "reference":
            self.send(message(mid, tlv(0x73, octets(b"ldap://127.0.0.1:1/ou=far,dc=example,dc=test"))))
        elif lie == "huge":
            self.send(message(mid, entry(b"uid=huge," + BASE, [(b"cn", [b"x" * (40 << 20)])])))
        elif lie == "endless":
            i = first
            while True:
                i += 1
                self.send(message(mid, self.person(i)))

    def changes(self, mid, scope):
        """RFC 4533: a cookie for who asks about the base alone, else one or the other lie."""
        if scope == 0:
            value = tlv(0x30, octets(b"csn=20260101000000.000000Z#000000#000#000000"), b"\x01\x01\xff")
            return self.send(message(mid, result(0x65), tlv(0x30, octets(SYNC_DONE), octets(value))))
        ids = b"".join(octets(uuid.uuid5(NS, str(i)).bytes) for i in range(10000))
        gone = b"\x01\x01\xff" if self.a.lie == "changed-all" else b""
        told = message(mid, tlv(0x79, octets(SYNC_INFO, 0x80), octets(tlv(0xA3, gone, tlv(0x31, ids)), 0x81)))
        for _ in range({"present": 300, "changed-all": 30}.get(self.a.lie, 0)):
            self.send(told)
        return self.send(message(mid, result(0x65, 4096)))

    def people(self, mid, size, cookie):
        lie, start = self.a.lie, int(cookie or b"0")
        slow = lie == "trickle" and start > 0
        if start > 0 and lie == "hang":
            self.out.flush()
            time.sleep(3600)
        if start > 0 and lie == "notice":
            self.send(message(0, tlv(0x78, integer(52, 10), octets(b""), octets(b"going down"),
                                     octets(b"1.3.6.1.4.1.1466.20036", 0x8A))))
            return False
        end = min(start + size, self.a.entries)
        if lie in ("twice", "changed") and end == self.a.entries and start > 0:
            self.send(message(mid, self.person(start - 1, b"Another Name" if lie == "changed" else None)))
        shown = range(0, size) if lie == "same-page" else range(start, end)
        for i in shown:
            self.send(message(mid, self.person(i)), slow)
            if i == start and start > 0:
                self.middle(mid, end)
        again = b"%d" % end if end < self.a.entries else b""
        if lie == "same-cookie":
            again = b"7"
        if lie == "same-page":
            again = b"%d" % (start + 1)
        self.send(message(mid, result(0x65), b"" if lie == "no-control" else page_control(again)), slow)
        return True

    def search(self, mid, op, controls):
        parts = split(op)
        base, scope, filt = parts[0][1], parts[1][1][-1], parts[6][1]
        if base == b"":
            return self.root_dse(mid)
        if any(split(control)[0][1] == SYNC for _, control in controls):
            return self.changes(mid, scope)
        if scope == 0:
            return self.base_entry(mid)
        for _, control in controls:
            fields = split(control)
            if fields[0][1] == PAGED:
                size, cookie = split(split(fields[-1][1])[0][1])
                return self.people(mid, int.from_bytes(size[1], "big"), cookie[1])
        return self.send(message(mid, result(0x65)))

    def whoami(self, mid):
        who = {"nobody": b"", "other": b"dn:cn=other,dc=example,dc=test"}.get(
            self.a.lie, b"dn:" + self.who)
        self.send(message(mid, result(0x78, extra=octets(who, 0x8B))))

    def serve(self):
        f = self.sock.makefile("rb")
        while True:
            m = read_message(f)
            if m is None or m[1][0] == 0x42:
                return
            mid, (tag, op), controls = m
            if tag == 0x60:
                self.who = split(op)[1][1]
                self.send(message(mid, result(0x61)))
            elif tag == 0x63:
                if self.search(mid, op, controls) is False:
                    self.out.flush()
                    return
            elif tag == 0x77:
                self.whoami(mid)
            else:
                self.send(message(mid, result(tag + 1 if tag < 0x70 else 0x78, 2)))
            self.out.flush()


def serve(sock, a):
    try:
        with sock:
            Session(sock, a).serve()
    except OSError:
        pass


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("port", type=int)
    ap.add_argument("lie")
    ap.add_argument("--entries", type=int, default=50)
    ap.add_argument("--ready", help="write our pid here once listening")
    a = ap.parse_args()
    ls = socket.socket()
    ls.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ls.bind(("127.0.0.1", a.port))
    ls.listen(64)
    if a.ready:
        with open(a.ready + ".tmp", "w") as f:
            f.write("%d\n" % os.getpid())
        os.rename(a.ready + ".tmp", a.ready)
    while True:
        c, _ = ls.accept()
        threading.Thread(target=serve, args=(c, a), daemon=True).start()


if __name__ == "__main__":
    main()
