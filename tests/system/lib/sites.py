"""A small company with one HR source and an organisation of one site: who leaves, who leads, what
they own. People are few, so that a test can name each of them."""
import json
from pathlib import Path

from daemon import ENTERPRISE, Daemon, ScimClient, scim_user
from rehearsal import HOUR, Clock, Rehearsal
from world import MONDAY, actions

HOST = "acme.atlassian.net"
TOKEN = "rehearsal-site-token"

CONFIG = """\
instance:
  name: rehearsal
  zone: UTC
  state_dir: state
master_key:
  file: master.key
scim:
  listen: 127.0.0.1:0
  public_url: http://127.0.0.1
sources:
  - name: hr
    kind: scim
    role: hr
    max_age: 31d
{sources}organisations:
  - name: acme
    cloud:
      org_id: {org}
      key: acme-key
      base_url: {url}
      per_second: 500
      backoff: 100ms
      at_once: 8
      roles: all
    sites:
      - host: {host}
        login: leaverd@example.com
        token: acme-site
        cloud_id: {cloud}
        jira_url: {url}/ex/jira/{cloud}
        confluence_url: {url}/ex/confluence/{cloud}
        automation_url: {url}/automation/public/jira/{cloud}
        per_second: 500
        {extra}
schedule:
  sync_every: 0s
  collect_every: 0s
  plan_every: 0s
notices:
  folder: {notices}
policy:
  limits:
    leavers_day: {{ count: 10, share: 50 % }}
    leavers_week: {{ count: 12, share: 50 % }}
  rules:
    - {{ name: inactive-jira, off: true }}
    - {{ name: inactive-jsm, off: true }}
    - {{ name: inactive-confluence, off: true }}
    - {{ name: never-used, off: true }}
    - {{ name: orphan, off: true }}
{policy}"""

NAMES = ("lea", "mia", "max", "pat", "quin", "rob", "sue", "tom", "una", "vic", "wes", "zoe")


def person(name, manager=None):
    p = {"uid": name, "mail": name + "@example.com", "cn": name.title() + " Example",
         "givenName": name.title(), "sn": "Example", "employeeNumber": str(1000 + NAMES.index(name))}
    return p


class SiteWorld:
    """lea is about to leave; her manager is mia, whose manager is max; pat leads project OPS; quin
    is the queue's user; the others just work there."""

    def __init__(self, build, folder, queue="quin@example.com", record=None, managers=None, sources="", policy=""):
        self.build, self.folder = Path(build), Path(folder)
        self.sources = sources  # more of them, as lines of the configuration
        self.policy = policy  # more rules, the same
        self.children = []
        self.managers = managers if managers is not None else {"lea": "mia", "mia": "max"}
        self.clock = Clock(self.folder / "clock")
        self.clock.set_now(int(MONDAY.timestamp() * 1000))
        try:
            self._organisation(record)
            self._instance(queue)
        except BaseException:
            self.close()
            raise

    def _organisation(self, record):
        people = [{"email": n + "@example.com", "name": n.title() + " Example", "case": "ordinary"}
                  for n in NAMES]
        people += [{"email": "boss%d@example.com" % i, "name": "Boss %d" % i, "admin": "org"}
                   for i in range(2)]
        self.rehearsal = Rehearsal(self.build / "rehearsal", self.folder, people=people,
                                   clock=self.clock, record=record,
                                   args=["--plain", "--sites", "1", "--domain", "example.com"])
        self.children.append(self.rehearsal)
        answer = self.rehearsal.request(
            "POST", "/admin/v2/orgs/%s/workspaces" % self.rehearsal.org, {"limit": 100})
        jira = [w for w in answer.body["data"] if w["id"].startswith("ari:cloud:jira::")][0]
        self.cloud = jira["id"].rsplit("/", 1)[1]
        self.host = jira["attributes"]["hostUrl"].split("//")[1].rstrip("/")

    def _instance(self, queue):
        notices = self.folder / "notices"
        notices.mkdir()
        self.daemon = Daemon(self.build / "leaverd", self.folder / "instance", clock=self.clock)
        self.daemon.make_instance(CONFIG.format(
            org=self.rehearsal.org, url=self.rehearsal.url, cloud=self.cloud, host=HOST,
            notices=notices, sources=self.sources, policy=self.policy, extra="queue: " + queue if queue else "most: 5000"))
        self.daemon.start()
        self.children.append(self.daemon)
        self.command("secret", "set", "acme-key", stdin=self.rehearsal.key)
        self.command("secret", "set", "acme-site", stdin=TOKEN)

    def close(self):
        first = None
        while self.children:
            try:
                self.children.pop().stop()
            except Exception as fault:
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

    def command(self, *argv, **options):
        return self.daemon.command(*argv, **options)

    def json(self, *argv, **options):
        return self.daemon.json(*argv, **options)

    def works(self, document=None):
        """What people made on the site: given, or asked for."""
        if document is None:
            return self.rehearsal.control("GET", "works")
        return self.rehearsal.control("POST", "works", document)

    def push(self, leaving=None):
        """Everybody from HR, managers by the ids that the server gave. leaving: last days."""
        token = self.json("token", "new", "hr-token", "--source", "hr")["token"]
        self.hr = ScimClient("127.0.0.1", self.daemon.scim_port, "hr", token)
        self.ids = {}
        for n in sorted(NAMES, key=lambda n: n in self.managers):
            p = person(n)
            self.ids[n] = self.hr.create(scim_user(p, employment={
                "status": "active", "lastWorkingDay": (leaving or {}).get(n)}))["id"]
        for n, manager in self.managers.items():
            self.hr.patch("Users/" + self.ids[n], [
                {"op": "add", "path": ENTERPRISE + ":manager", "value": {"value": self.ids[manager]}}])
        self.command("source", "ready", "hr", "--reason", "everybody was sent")

    def arm(self, mode="propose"):
        for h in (0, 1, 1):
            self.clock.advance(h * HOUR)
            self.command("collect")
        self.json("plan", "--sample", "3")
        self.command("match", "approve", "email")
        self.command("backup", str(self.folder / ("backup-%s.db" % mode)))
        self.command("arm", mode, "--org", "acme", "--reason", "the sample was looked at")

    def plan(self):
        return self.json("plan")

    def approve(self, plan):
        for p in plan["plans"]:
            self.command("approve", str(p["plan"]), "--reason", "looked at")

    def apply(self, plan):
        return [self.json("apply", str(p["plan"]), "--wait") for p in plan["plans"]]

    def account(self, name):
        return self.rehearsal.account(name + "@example.com")


__all__ = ["HOST", "NAMES", "SiteWorld", "actions", "json"]
