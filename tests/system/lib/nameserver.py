"""A scripted nameserver: SRV records (RFC 2782) over UDP and TCP, in the test's own process."""
import socket
import struct
import threading

SRV, IN = 33, 1
NXDOMAIN, REFUSED = 3, 5


def name_bytes(name):
    return b"".join(bytes((len(label),)) + label.encode() for label in name.split(".") if label) + b"\0"


def question_of(packet):
    """The name that is asked, in lower case, and the question's bytes."""
    at, labels = 12, []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
        at += 1 + packet[at]
    return ".".join(labels), packet[12:at + 5]


class Nameserver:
    """records: {name: [(priority, weight, port, target)]}. mode: "" | "silent" | "refuse" | "garbage" |
    "truncate" (all of it over TCP only). asked: the names, in order."""

    def __init__(self, records):
        self.records, self.mode, self.asked, self.over_tcp = dict(records), "", [], 0
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(self.tcp.getsockname())
        self.address = "127.0.0.1:%d" % self.tcp.getsockname()[1]
        threading.Thread(target=self._udp, daemon=True).start()
        threading.Thread(target=self._tcp, daemon=True).start()

    def stop(self):
        self.tcp.close()
        self.udp.close()

    def _answer(self, packet, tcp):
        name, question = question_of(packet)
        if self.mode == "silent":
            return None
        rows = self.records.get(name, [])
        code = REFUSED if self.mode == "refuse" else 0 if rows else NXDOMAIN
        cut = self.mode == "truncate" and not tcp
        if code or cut:
            rows = []
        answers = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", SRV, IN, 60, len(data)) + data for data in (
            struct.pack(">HHH", *row[:3]) + name_bytes(row[3]) for row in rows))
        head = packet[:2] + struct.pack(">HHHHH", 0x8580 | code | (0x0200 if cut else 0), 1, len(rows), 0, 0)
        if self.mode == "garbage":
            return head + question + b"\xc0\x0c" + struct.pack(">HHIH", SRV, IN, 60, 500) + b"\xff" * 9
        return head + question + answers

    def _udp(self):
        while True:
            try:
                packet, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            self.asked.append(question_of(packet)[0])
            data = self._answer(packet, False)
            if data:
                self.udp.sendto(data, peer)

    def _tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                head = stream.read(2)
                packet = stream.read(struct.unpack(">H", head)[0]) if len(head) == 2 else b""
                self.over_tcp += 1
                data = self._answer(packet, True) if packet else None
                if data:
                    connection.sendall(struct.pack(">H", len(data)) + data)
