"""A log server: messages of RFC 5424 with counted octets over TLS, as they came."""
import re
import socket
import ssl
import threading
import time

SD = re.compile(r'^<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) (.*)$', re.S)


class LogServer:
    def __init__(self, pair, port=0, client_ca=None, deaf=False):
        """deaf: its machine takes what comes, and its program never reads it."""
        self.deaf = threading.Event()
        if not deaf:
            self.deaf.set()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*map(str, pair))
        if client_ca:
            self.context.load_verify_locations(str(client_ca))
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.messages, self.faults, self.open = [], [], []
        self.lock = threading.Lock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(8)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def stop(self):
        """Ends at once, as a machine that goes down: what is open is cut."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in list(self.open):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.deaf.set()
        self.thread.join(10)

    def _accept(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._session, args=(raw,), daemon=True).start()

    def _session(self, raw):
        self.open.append(raw)
        try:
            with self.context.wrap_socket(raw, server_side=True) as s:
                self.open.append(s)
                self.deaf.wait()
                stream = s.makefile("rb")
                while True:
                    count = b""
                    while (c := stream.read(1)) and c != b" ":
                        assert c.isdigit(), "%r is no count of octets" % c
                        count += c
                    if not count:
                        return
                    body = stream.read(int(count))
                    assert len(body) == int(count), "a message was cut"
                    with self.lock:
                        self.messages.append(body.decode("utf-8"))
        except (OSError, ssl.SSLError, AssertionError) as fault:
            self.faults.append(fault)

    def wait(self, what, within_s=120):
        until = time.monotonic() + within_s
        while True:
            with self.lock:
                found = what(list(self.messages))
            if found:
                return found
            assert time.monotonic() < until, "it did not come; %d messages, faults %r" % (len(self.messages), self.faults)
            time.sleep(0.02)


def structured(message):
    """The header's words and the values of its one element of structured data, unescaped."""
    pri, at, host, app, process, kind, rest = SD.match(message).groups()
    assert rest[0] == "[", message
    values, i = {}, rest.index(" ") + 1
    name = rest[1:i - 1]
    while rest[i - 1] != "]":
        key, i = rest[i:rest.index("=", i)], rest.index("=", i) + 2
        value = ""
        while rest[i] != '"':
            i += rest[i] == "\\"
            value += rest[i]
            i += 1
        values[key] = value
        i += 2
    return {"pri": int(pri), "at": at, "app": app, "process": process, "id": kind, "name": name,
            "text": rest[i:].lstrip(" ").lstrip("\ufeff"), **{"v": values}}


def cef(message):
    """The header's fields and the extension of the CEF in a message, unescaped."""
    text = message[message.index("CEF:"):]
    fields, now, i = [], "", 0
    while len(fields) < 7:
        if text[i] == "\\":
            i += 1
            now += text[i]
        elif text[i] == "|":
            fields.append(now)
            now = ""
        else:
            now += text[i]
        i += 1
    found = {}
    for m in re.finditer(r"(\w+)=((?:\\.|[^=\\])*?)(?= \w+=|$)", text[i:], re.S):
        found[m.group(1)] = re.sub(r"\\(.)", lambda e: {"n": "\n", "r": "\r"}.get(e.group(1), e.group(1)), m.group(2))
    return fields, found
