"""A mail server that does what it is told: takes letters over STARTTLS, puts them off, refuses
them, hangs up after the last byte, or is slow to answer."""
import email
import email.policy
import socket
import ssl
import subprocess
import threading
from pathlib import Path


def certificate(folder):
    """A key and a certificate of 127.0.0.1 that is its own authority: (cert, key)."""
    cert, key = Path(folder) / "smtp.crt", Path(folder) / "smtp.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "30000", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
                   check=True, capture_output=True)
    return cert, key


class Smtp:
    """how: by receiver, what is done with the next letters to them, one word a letter:
    later (451 at RCPT), later-data (451 after the body), refuse (550 at RCPT), refuse-data (554),
    drop (closes after the body, keeping it), lose (closes in the middle of the body),
    hold (answers only when .go is set)."""

    def __init__(self, folder, tls=True, login=None, port=0):
        self.tls, self.login = tls, login
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.cert, key = certificate(folder)
        self.context.load_cert_chain(self.cert, key)
        self.how, self.letters, self.bodies, self.sessions = {}, [], [], 0
        self.go, self.held = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.open = False
        self.go.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def to(self, address):
        """Letters that were taken for somebody."""
        with self.lock:
            return [m for who, m in self.letters if who == address]

    def seen(self, address):
        """Bodies that came whole for somebody, whatever was answered then."""
        with self.lock:
            return [m for who, m in self.bodies if who == address]

    def _accept(self):
        while self.open:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._session, args=(connection,), daemon=True).start()

    def _word(self, who):
        with self.lock:
            words = self.how.get(who) or []
            return words.pop(0) if words else "take"

    def _session(self, connection):
        self.sessions += 1
        try:
            connection.settimeout(60)
            self._talk(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def _talk(self, connection):
        stream = connection.makefile("rb")

        def say(text):
            connection.sendall(text.encode() + b"\r\n")

        say("220 test")
        secure, known, who, word = False, not self.login, None, "take"
        while True:
            line = stream.readline()
            if not line:
                return
            verb = line.split(b" ")[0].strip().upper()
            if verb == b"EHLO":
                say("250-test\r\n250-SMTPUTF8" +
                    ("\r\n250-STARTTLS" if self.tls and not secure else "") +
                    ("\r\n250-AUTH PLAIN" if self.login and secure else "") + "\r\n250 8BITMIME")
            elif verb == b"STARTTLS":
                say("220 go")
                connection = self.context.wrap_socket(connection, server_side=True)
                stream, secure = connection.makefile("rb"), True
            elif verb == b"AUTH":
                if line.split(b" ")[1].strip().upper() == b"PLAIN" and len(line.split(b" ")) == 2:
                    say("334 ")
                    answer = stream.readline().strip()
                else:
                    answer = line.split(b" ")[-1].strip()
                import base64
                known = base64.b64decode(answer).split(b"\0")[1:] == [x.encode() for x in self.login]
                say("235 in" if known else "535 wrong")
            elif verb == b"MAIL":
                say("250 ok" if known and (secure or not self.tls) else "530 first TLS and a login")
            elif verb == b"RCPT":
                who = line[line.index(b"<") + 1:line.index(b">")].decode()
                word = self._word(who)
                say({"later": "451 not now", "refuse": "550 nobody of that name"}.get(word, "250 ok"))
            elif verb == b"DATA":
                say("354 go")
                body = b""
                while not body.endswith(b"\r\n.\r\n"):
                    if word == "lose":
                        connection.close()
                        return
                    piece = stream.readline()
                    if not piece:
                        return
                    body += piece
                message = email.message_from_bytes(body[:-3].replace(b"\r\n..", b"\r\n."),
                                                   policy=email.policy.default)
                with self.lock:
                    self.bodies.append((who, message))
                if word == "drop":
                    return
                if word == "hold":
                    self.held.set()
                    self.go.wait(60)
                if word in ("later-data", "refuse-data"):
                    say("451 busy" if word == "later-data" else "554 no")
                    continue
                with self.lock:
                    self.letters.append((who, message))
                say("250 taken")
            elif verb == b"QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")
