"""An instance that only has push sources, for tests of its door: plain, TLS, hostile clients."""
import base64
import contextlib
import http.client
import json
import os
import socket
import ssl
import subprocess
from pathlib import Path

from daemon import Daemon

CONFIG = """\
instance:
  name: door
  state_dir: state
log:
  level: info
master_key:
  file: master.key
scim:
  listen: {listen}
  public_url: https://scim.example.com
{scim}
sources:
{sources}
schedule:
  sync_every: 0s
  collect_every: 0s
  plan_every: 0s
"""

SOURCE = """\
  - name: {name}
    kind: scim
    role: idp
    scim:
      profile: generic
{extra}
"""


def source(name="idp", extra=""):
    return SOURCE.format(name=name, extra=extra)


class Door(Daemon):
    """serve with a token for each source in .tokens."""

    def __init__(self, build, folder, scim="", sources=None, listen="127.0.0.1:0", start=True):
        # ASan keeps what was freed, 256 MiB of it: nothing could be said about memory.
        asan = os.environ.get("ASAN_OPTIONS", "detect_leaks=1") + ":quarantine_size_mb=4:thread_local_quarantine_size_kb=64"
        super().__init__(Path(build) / "leaverd", folder, env={"ASAN_OPTIONS": asan})
        self.text = CONFIG.format(scim=scim, sources=sources or source(), listen=listen)
        self.make_instance(self.text)
        self.tokens = {}
        if start:
            self.start()

    def token(self, name="idp"):
        if name not in self.tokens:
            self.tokens[name] = self.json("token", "new", name + "-token", "--source", name)["token"]
        return self.tokens[name]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def connect(self, timeout=20):
        return socket.create_connection(("127.0.0.1", self.scim_port), timeout=timeout)

    def ask(self, method="GET", path="/scim/v2/idp/Users?count=1", headers=None, body=None, context=None,
            token=True, timeout=30):
        """One request on a connection of its own: (status, headers, body as bytes)."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.scim_port, timeout=timeout, context=context) \
            if context else http.client.HTTPConnection("127.0.0.1", self.scim_port, timeout=timeout)
        send = {"Authorization": "Bearer " + (token if isinstance(token, str) else self.token())} if token else {}
        send.update(headers or {})
        with contextlib.closing(connection):
            connection.request(method, path, body, send)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

    def rss(self):
        """Resident bytes of the daemon."""
        for line in Path("/proc/%d/status" % self.process.pid).read_text().split("\n"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmRSS")


def openssl(*args, stdin=None):
    done = subprocess.run(["openssl", *map(str, args)], input=stdin, capture_output=True)
    if done.returncode:
        raise RuntimeError("openssl %s: %s" % (args, done.stderr.decode()))
    return done.stdout


class Authority:
    """A CA in a folder, and certificates of it."""

    def __init__(self, folder, name="Test CA"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cert, self.key = self.folder / "ca.crt", self.folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                self.key, "-out", self.cert, "-subj", "/CN=" + name, "-days", "30",
                "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, name, usage="serverAuth", alt="IP:127.0.0.1", days="10"):
        """(certificate file, key file)"""
        cert, key, request, ext = (self.folder / (name + "." + e) for e in ("crt", "key", "csr", "ext"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                "-out", request, "-subj", "/CN=" + name)
        ext.write_text("extendedKeyUsage=%s\nsubjectAltName=%s\n" % (usage, alt))
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-out", cert,
                "-days", days, "-extfile", ext)
        return cert, key

    def trusting(self, client=None):
        """A TLS context of a client that trusts this CA, with a certificate of its own or none."""
        context = ssl.create_default_context(cafile=str(self.cert))
        if client:
            context.load_cert_chain(str(client[0]), str(client[1]))
        return context


def fingerprint(cert):
    der = openssl("x509", "-in", cert, "-outform", "DER")
    return openssl("dgst", "-sha256", "-r", stdin=der).split()[0].decode()


def b64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Issuer:
    """An RSA key of an identity provider: its JWK, and tokens signed by it."""

    def __init__(self, folder, kid):
        self.kid, self.key = kid, Path(folder) / (kid + ".pem")
        openssl("genrsa", "-out", self.key, "2048")
        modulus = openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().strip().split("=")[1]
        self.jwk = {"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "e": "AQAB",
                    "n": b64url(bytes.fromhex(modulus))}

    def sign(self, claims, header=None):
        head = dict({"alg": "RS256", "kid": self.kid, "typ": "JWT"}, **(header or {}))
        text = "%s.%s" % (b64url(json.dumps(head).encode()), b64url(json.dumps(claims).encode()))
        raw = openssl("dgst", "-sha256", "-sign", self.key, stdin=text.encode())
        return text + "." + b64url(raw)
