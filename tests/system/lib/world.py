"""A whole world around one leaverd: clock, slapd, rehearsal organisation, instance, pushes."""
import base64
import datetime
import json
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from daemon import Daemon, ScimClient, scim_user
from rehearsal import DAY, HOUR, Clock, Rehearsal
from slapd import Slapd

MONDAY = datetime.datetime(2026, 11, 23, 9, tzinfo=datetime.timezone.utc)

CONFIG = """\
instance:
  name: rehearsal
  zone: Europe/Berlin
  state_dir: state
log:
  level: {level}
master_key:
  file: master.key
scim:
  listen: 127.0.0.1:0
  public_url: http://127.0.0.1
sources:                      # in order of trust
  - name: hr
    kind: scim
    role: hr
    max_age: 31d
  - name: corp
    kind: ldap
    role: directory
    ldap:
      uris: {ldap_uri}
      ca_file: {ca}
      bind_dn: cn=bridge,ou=services,dc=example,dc=test
      bind_password: corp-ldap
      base: ou=people,dc=example,dc=test
      canaries: uid=u000000 has mail
      minimum: 20
      attempts: 1
      {ldap_extra}
  - name: idp
    kind: scim
    role: idp
    max_age: 31d
organisations:
  - name: acme
    cloud:
      org_id: {org}
      key: acme-key
      base_url: {url}
      per_second: 500
      backoff: 100ms
      at_once: 8
      roles: all
      idle_after: 60d
schedule:                     # each round is asked for
  sync_every: 0s
  collect_every: 0s
  plan_every: 0s
notices:
  folder: {notices}
policy:
{policy}
"""

# A rehearsal has more idle seats and orphans than a company should have.
POLICY = """\
  limits:
    leavers_day: { count: 10, share: 5 % }
    leavers_week: { count: 12, share: 6 % }
    inactive_week: { count: 5, share: 80 % }
    orphans_week: { count: 25, share: 1 % }
"""


def people_of(ldif):
    """The people of an LDIF, as far as pushing them over SCIM needs them; those without mail are
    left out."""
    entries, entry, lines = [], {}, []
    for line in Path(ldif).read_text(encoding="utf-8").split("\n"):
        if line.startswith(" ") and lines:
            lines[-1] += line[1:]
        else:
            lines.append(line)
    for line in lines + [""]:
        if not line:
            if "uid" in entry and "mail" in entry:
                entries.append(entry)
            entry = {}
            continue
        name, _, value = line.partition(":")
        if value.startswith(":"):
            try:
                value = base64.b64decode(value[1:].strip()).decode("utf-8")
            except UnicodeDecodeError:
                continue
        entry.setdefault(name, value.strip())
    return entries


class World:
    """Everything up, everybody pushed, the directory read once: mode observe."""

    def __init__(self, build, folder, people=60, orphans=3, policy=POLICY, seed=7, disabled=0.0,
                 level="info", lag=0, rehearsal_args=(), record=None, ldap_extra=""):
        self.build, self.folder = Path(build), Path(folder)
        self.children = []
        self.clock = Clock(self.folder / "clock")
        self.clock.set_now(int(MONDAY.timestamp() * 1000))
        try:
            self._directory(people, seed, disabled)
            self._organisation(orphans, lag, rehearsal_args, record)
            self._instance(policy, level, ldap_extra)
        except BaseException:
            self.close()
            raise

    def _directory(self, people, seed, disabled):
        self.slapd = Slapd(self.folder / "slapd")
        self.slapd.seed(people, "--disabled", str(disabled), "--seed", str(seed))  # before it runs: one start
        self.slapd.start()
        self.children.append(self.slapd)
        self.people = people_of(self.slapd.ldif())
        self.staff = [p for p in self.people if p["uid"].startswith("u0")]

    def _organisation(self, orphans, lag, args, record):
        listing = self.folder / "people.jsonl"
        with listing.open("w", encoding="utf-8") as out:
            for p in self.people:
                out.write(json.dumps({"email": p["mail"], "name": p.get("cn", p["uid"])}) + "\n")
        self.rehearsal = Rehearsal(self.build / "rehearsal", self.folder, people=listing,
                                   orphans=orphans, lag=lag, clock=self.clock, record=record,
                                   args=args)
        self.children.append(self.rehearsal)
        # staff whose accounts have nothing special about them: no admin, not synced, in use
        plain = {a["email"] for a in self.rehearsal.accounts("ordinary")}
        self.ordinary = [p for p in self.staff if p["mail"] in plain]

    def _instance(self, policy, level, ldap_extra):
        self.notices = self.folder / "notices"
        self.notices.mkdir()
        self.daemon = Daemon(self.build / "leaverd", self.folder / "instance", clock=self.clock)
        self.daemon.make_instance(CONFIG.format(
            level=level, ldap_uri=self.slapd.ldaps_uri, ca=self.slapd.ca, org=self.rehearsal.org,
            url=self.rehearsal.url, notices=self.notices, policy=policy, ldap_extra=ldap_extra))
        self.daemon.start()
        self.children.append(self.daemon)
        self.command("secret", "set", "corp-ldap", stdin="bridge-secret")
        self.command("secret", "set", "acme-key", stdin=self.rehearsal.key)

    def close(self):
        """Ends all children, newest first; the first that did not end well is raised."""
        first = None
        while self.children:
            try:
                self.children.pop().stop()
            except Exception as fault:  # the others must end too
                first = first or fault
        if first:
            raise first

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.close()
        except Exception:
            if kind is None:
                raise

    # --- asking --------------------------------------------------------------------------------

    def command(self, *argv, **options):
        return self.daemon.command(*argv, **options)

    def json(self, *argv, **options):
        return self.daemon.json(*argv, **options)

    def now(self):
        at = datetime.datetime.fromtimestamp(self.clock.now_ms() / 1000, datetime.timezone.utc)
        return at.strftime("%A %Y-%m-%d %H:%MZ")

    # --- people come in ------------------------------------------------------------------------

    def client(self, source):
        token = self.json("token", "new", source + "-token", "--source", source)["token"]
        return ScimClient("127.0.0.1", self.daemon.scim_port, source, token)

    def push(self, ends=None, hr_without=(), idp_without=(), threads=8, hr=True):
        """Pushes everybody of the directory from HR (which may do otherwise) and from the identity
        provider. ends: last working days by uid. without: uids that a source does not know."""
        ends = ends or {}
        # two people with one address: an identity provider can send only one of them
        first = {unicodedata.normalize("NFKC", p["mail"]).casefold(): p["uid"]
                 for p in reversed(self.people)}
        people = [p for p in self.people if p["uid"] in first.values()]
        self.hr, self.idp = self.client("hr") if hr else None, self.client("idp")
        known = [p for p in people if p["uid"] not in hr_without] if hr else []
        idp = [p for p in people if p["uid"] not in idp_without]

        def to_hr(p):
            return p["uid"], self.hr.create(scim_user(p, employment={
                "status": "active", "lastWorkingDay": ends.get(p["uid"]),
                "timeZone": "Europe/Berlin"}))["id"]

        def to_idp(p):
            return p["uid"], self.idp.create(scim_user(p))["id"]

        with ThreadPoolExecutor(threads) as pool:
            self.hr_ids = dict(pool.map(to_hr, known))
            self.idp_ids = dict(pool.map(to_idp, idp))

    def ready(self):
        for source in ("hr", "idp"):
            self.command("source", "ready", source, "--reason", "everybody was sent")

    def rounds(self, hours=(0, 1, 1)):
        """Reads directory and organisation, so many hours after each other."""
        for h in hours:
            self.clock.advance(h * HOUR)
            self.command("sync")
            self.command("collect")

    def arm(self, mode="propose"):
        self.json("plan", "--sample", "3")
        self.command("match", "approve", "email")
        self.command("backup", str(self.folder / ("backup-%s.db" % mode)))
        self.command("arm", mode, "--org", "acme", "--reason", "the sample was looked at")

    def plan(self):
        return self.json("plan")

    def approve(self, plan, **more):
        for p in plan["plans"]:
            self.command("approve", str(p["plan"]), "--reason", "looked at", **more)

    def apply(self, plan):
        return [self.json("apply", str(p["plan"]), "--wait") for p in plan["plans"]]


class Hasten:
    """The clock goes forward quickly, so that waits of minutes pass."""

    def __init__(self, clock):
        self.clock, self.over = clock, threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.over.wait(0.05):
            self.clock.advance(1000)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *what):
        self.over.set()
        self.thread.join()


def actions(plan, rule=None, kind=None, held=False):
    """Actions of a plan's answer: those that pass (or with held those that do not)."""
    return [a for a in plan["actions"]
            if rule in (None, a["rule"]) and kind in (None, a["kind"]) and
            (a.get("verdict") == "held") == held]


__all__ = ["DAY", "HOUR", "MONDAY", "POLICY", "World", "actions", "people_of"]
