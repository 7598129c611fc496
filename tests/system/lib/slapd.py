"""A private slapd for tests and the quickstart, over tests/servers/slapd/ctl."""
import json
import os
import random
import socket
import subprocess
import time
from pathlib import Path

SERVERS = Path(__file__).resolve().parents[2] / "servers"
BASE = "dc=example,dc=test"
ADMIN, PASSWORD = "cn=admin," + BASE, "admin-secret"


def free_pair():
    """Two free ports in a row: ctl takes PORT and PORT+1. Below those that the kernel gives to
    connections, which come and go beside us."""
    while True:
        port = random.randrange(15000, 32000)
        with socket.socket() as a, socket.socket() as b:
            try:
                a.bind(("127.0.0.1", port))
                b.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def run(*argv, stdin=None):
    """Runs a tool to its end; what it prints. A bad status is an exception with its words."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("LDAP")}
    done = subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, text=True, env=env)
    if done.returncode != 0:
        raise RuntimeError("%s: status %d: %s%s" % (Path(str(argv[0])).name, done.returncode, done.stdout, done.stderr))
    return done.stdout


class Cut:
    """A relay before slapd that cuts each connection after so many bytes from the server."""

    def __init__(self, process, port, uri):
        self.process, self.port, self.uri = process, port, uri

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)


class Slapd:
    """start() and seed() first. uri is plain LDAP on loopback, ldaps_uri TLS under ca."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.cuts = []

    def ctl(self, verb, *argv):
        return run(SERVERS / "slapd" / "ctl", verb, self.folder, *argv)

    def start(self):
        # another process may take a free port between the look and the bind
        for attempt in range(5):
            self.port = free_pair()
            try:
                self.ctl("start", self.port)
                break
            except RuntimeError:
                if attempt == 4:
                    raise
        self.uri = "ldap://127.0.0.1:%d" % self.port
        self.ldaps_uri = "ldaps://127.0.0.1:%d" % (self.port + 1)
        self.ca = self.folder / "tls" / "ca.pem"

    def stop(self):
        for cut in self.cuts:
            cut.stop()
        self.ctl("stop")

    def seed(self, people, *options):
        """Replaces everything by so many generated people (and the odd ones beside them)."""
        self.ctl("seed", people, *options)

    def manifest(self):
        """What the generator says it wrote."""
        return json.loads((self.folder / "seed.json").read_text(encoding="utf-8"))

    def ldif(self):
        return self.folder / "seed.ldif"

    def modify(self, ldif, who=ADMIN, password=PASSWORD):
        run("ldapmodify", "-x", "-H", self.uri, "-D", who, "-w", password, stdin=ldif)

    def delete(self, dn):
        run("ldapdelete", "-x", "-H", self.uri, "-D", ADMIN, "-w", PASSWORD, dn)

    def search(self, filter_text, *attributes, base=BASE, who=ADMIN, password=PASSWORD):
        return run("ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", self.uri, "-D", who, "-w", password,
                   "-b", base, filter_text, *attributes)

    def config_acl(self, *rules):
        """Puts access rules before the others of the data; they last until the next start."""
        databases = run("ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", self.uri, "-D", "cn=config", "-w",
                        PASSWORD, "-b", "cn=config", "(olcSuffix=%s)" % BASE, "dn")
        dn = [line[4:] for line in databases.splitlines() if line.startswith("dn: ")][0]
        changes = "".join("add: olcAccess\nolcAccess: {%d}%s\n-\n" % (i, rule) for i, rule in enumerate(rules))
        self.modify("dn: %s\nchangetype: modify\n%s\n" % (dn, changes), "cn=config")

    def cut_after(self, answer_bytes, do="cut", port=None):
        """A relay in front of the TLS port that spoils every connection."""
        port = port or free_pair()
        ready = self.folder / ("cut-%d-%d" % (port, answer_bytes))
        process = subprocess.Popen(["/usr/bin/python3", str(SERVERS / "cutproxy.py"), str(port), str(self.port + 1),
                                    "--after", str(answer_bytes), "--do", do, "--times", "1000000",
                                    "--ready", str(ready)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 90
        while not ready.exists():
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("the relay did not start")
            time.sleep(0.02)
        cut = Cut(process, port, "ldaps://127.0.0.1:%d" % port)
        self.cuts.append(cut)
        return cut
