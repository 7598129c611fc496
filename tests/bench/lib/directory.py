"""A slapd with many people, an instance that reads it, and the bare loop that only counts."""
import atexit
import os
import re
import sqlite3
import subprocess
import time
from pathlib import Path

from bench import BUILD, LIB, instance, note, serving, size

CTL = LIB.parents[1] / "servers/slapd/ctl"
BASE = "ou=people,dc=example,dc=test"
BIND = "cn=bridge,ou=services,dc=example,dc=test"
PASSWORD = "bridge-secret"
ADMIN = "cn=admin,dc=example,dc=test"
ADMIN_PASSWORD = "admin-secret"
PAGE = 500  # as leaverd's own
ATTRIBUTES = ("uid cn sn givenName displayName mail employeeNumber departmentNumber title "
              "employeeType manager entryUUID").split()

CONFIG = """\
instance:
  name: bench
  zone: UTC
  state_dir: state
master_key:
  file: master.key
sources:
  - name: corp
    kind: ldap
    role: directory
    ldap:
      uris: %(uri)s
      ca_file: %(ca)s
      bind_dn: %(bind)s
      bind_password: corp-ldap
      base: %(base)s
      canaries: uid=u000000 has mail
      page_size: %(page)d
      attempts: 1
organisations:
  - name: acme
    cloud:
      org_id: 00000000-0000-4000-8000-000000000000
      key: acme-key
      base_url: http://127.0.0.1:1
schedule:
  sync_every: 0s
  collect_every: 0s
  plan_every: 0s
"""


def people(full=100000, small=10000):
    """How many: PEOPLE=500000 in the environment asks for another number."""
    return int(os.environ.get("PEOPLE") or size(full, small))


class Directory:
    """slapd with so many people; its data is kept in the build folder."""

    def __init__(self, people):
        self.folder = BUILD / "bench" / ("slapd-%d" % people)
        seeded = self.folder / "seeded"
        if not seeded.exists():
            began = time.monotonic()
            self._ctl("seed", str(people))
            note("%d people seeded in %.0f s" % (people, time.monotonic() - began))
            seeded.touch()
        for port in range(13890, 14890, 10):
            if subprocess.run([str(CTL), "start", str(self.folder), str(port)],
                              capture_output=True).returncode == 0:
                break
        else:
            raise RuntimeError("slapd did not start on any port")
        atexit.register(self.stop)
        self.pid = int((self.folder / "run/slapd.pid").read_text())
        self.uri = "ldaps://127.0.0.1:%d" % (port + 1)
        self.plain = "ldap://127.0.0.1:%d" % port
        self.ca = self.folder / "tls/ca.pem"

    def _ctl(self, verb, *args):
        done = subprocess.run([str(CTL), verb, str(self.folder), *args], capture_output=True,
                              text=True)
        if done.returncode:
            raise RuntimeError("slapd %s: %s" % (verb, done.stderr))

    def stop(self):
        subprocess.run([str(CTL), "stop", str(self.folder)], capture_output=True)

    def bare(self):
        """One run of the loop that only counts: (seconds, entries)."""
        began = time.perf_counter()
        done = subprocess.run(
            [str(BUILD / "tests/bench/bare_ldap"), self.uri, str(self.ca), BIND, BASE,
             "(objectClass=inetOrgPerson)", str(PAGE), *ATTRIBUTES],
            env=dict(os.environ, BARE_PASSWORD=PASSWORD), capture_output=True, text=True)
        took = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(done.stderr)
        return took, int(re.match(r"entries (\d+)", done.stdout).group(1))

    def bare_delta(self, cookie):
        """Asks what changed since cookie: (seconds, named, the next cookie)."""
        began = time.perf_counter()
        done = subprocess.run(
            [str(BUILD / "tests/bench/bare_ldap_delta"), self.uri, str(self.ca), BIND, BASE,
             "(objectClass=inetOrgPerson)", cookie, *ATTRIBUTES],
            env=dict(os.environ, BARE_PASSWORD=PASSWORD), capture_output=True, text=True)
        took = time.perf_counter() - began
        found = re.match(r"named (\d+) entries (\d+) values \d+ cookie (\S+)", done.stdout)
        if done.returncode or not found:
            raise RuntimeError(done.stdout + done.stderr)
        return took, int(found.group(1)), found.group(3)

    def change(self, first, count, title):
        """Gives so many people another title."""
        ldif = "".join("dn: uid=u%06d,%s\nchangetype: modify\nreplace: title\ntitle: %s\n\n"
                       % (n, BASE, title) for n in range(first, first + count))
        subprocess.run(["ldapmodify", "-x", "-H", self.plain, "-D", ADMIN, "-w", ADMIN_PASSWORD],
                       input=ldif, text=True, check=True, capture_output=True)

    def reader(self, folder):
        """A serving instance that has not read yet."""
        daemon = serving(instance(folder, CONFIG % {
            "uri": self.uri, "ca": self.ca, "bind": BIND, "base": BASE, "page": PAGE}))
        daemon.command("secret", "set", "corp-ldap", stdin=PASSWORD)
        return daemon


def sync(daemon, *options):
    """One read, as a person asks for it: how long it took."""
    began = time.perf_counter()
    daemon.command("sync", "corp", *options)
    return time.perf_counter() - began


def look(daemon, question):
    """Asks the database itself: what the daemon says is not what is measured."""
    db = sqlite3.connect("file:%s?mode=ro" % (Path(daemon.folder) / "state/leaverd.db"), uri=True)
    try:
        return db.execute(question).fetchone()[0]
    finally:
        db.close()


def must_have_read(daemon, entries):
    """The newest read was accepted and saw what the bare loop saw."""
    seen = look(daemon, "SELECT seen FROM source_read WHERE accepted = 1 ORDER BY no DESC LIMIT 1")
    if seen != entries:
        raise RuntimeError("leaverd saw %s entries, the bare loop %d" % (seen, entries))
