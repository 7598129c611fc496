"""A time-stamping authority (RFC 3161): `openssl ts` behind a small HTTP server."""
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

POLICY, OTHER_POLICY = "1.3.6.1.4.1.32473.1.1", "1.3.6.1.4.1.32473.1.2"

CONFIG = """\
[tsa]
default_tsa = here
[here]
dir = {folder}
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
certs = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = {policy}
other_policies = {other}
digests = sha256
accuracy = secs:1, millisecs:500
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def openssl(*argv):
    done = subprocess.run(["openssl", *map(str, argv)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


class Tsa:
    """Answers POSTs at .url. .mode: None as it should; a number: that status; "garbage"; "replay": the answer
    that it gave before; "other": of something else."""

    def __init__(self, folder, name="Quiet Hours", usage="critical,timeStamping"):
        self.folder, self.mode, self.before = Path(folder), None, None
        self.asked, self.types = [], []
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca = self.folder / "ca.pem"
        self._certificates(name, usage)
        (self.folder / "serial").write_text("01\n")
        self.config = self.folder / "tsa.cnf"
        self.config.write_text(CONFIG.format(folder=self.folder, policy=POLICY, other=OTHER_POLICY))
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                query = self.rfile.read(int(self.headers["Content-Length"]))
                outer.types.append(self.headers["Content-Type"])
                status, answer = outer.answer(query)
                self.send_response(status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/tsr" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _certificates(self, name, usage):
        f = self.folder
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "20000",
                "-subj", "/CN=%s Root" % name, "-keyout", f / "ca.key", "-out", self.ca,
                "-addext", "basicConstraints=critical,CA:TRUE")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=%s" % name,
                "-keyout", f / "tsa.key", "-out", f / "tsa.csr")
        (f / "ext").write_text("basicConstraints=CA:FALSE\nextendedKeyUsage=%s\n" % usage)
        openssl("x509", "-req", "-in", f / "tsa.csr", "-CA", self.ca, "-CAkey", f / "ca.key", "-CAcreateserial",
                "-days", "20000", "-extfile", f / "ext", "-out", f / "tsa.pem")

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def stamp(self, query):
        (self.folder / "query.tsq").write_bytes(query)
        out = self.folder / "answer.tsr"
        out.unlink(missing_ok=True)
        openssl("ts", "-reply", "-config", self.config, "-queryfile", self.folder / "query.tsq", "-out", out)
        return out.read_bytes()

    def answer(self, query):
        with self.lock:
            self.asked.append(query)
            if isinstance(self.mode, int):
                return self.mode, b"away"
            if self.mode == "garbage":
                return 200, b"<html>nothing here</html>"
            if self.mode == "replay":
                return 200, self.before
            if self.mode == "other":
                other = self.folder / "other"
                other.write_text("something else")
                openssl("ts", "-query", "-data", other, "-sha256", "-cert", "-out", self.folder / "other.tsq")
                return 200, self.stamp((self.folder / "other.tsq").read_bytes())
            self.before = self.stamp(query)
            return 200, self.before

    def verify(self, text, answer):
        """What a stranger's tool says."""
        done = subprocess.run(["openssl", "ts", "-verify", "-data", str(text), "-in", str(answer), "-CAfile", str(self.ca)],
                              capture_output=True, text=True)
        return "Verification: OK" in done.stdout + done.stderr
