"""A plan of many actions while Atlassian's side fails at random and the daemon is killed thrice: each effect
once, whoever is urgent goes first, and the books are whole.

LEAVERD_MANY: how many actions (300; `make check-long` takes 10,000).
"""
import json
import os
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

from daemon import Daemon, ScimClient, scim_user
from rehearsal import HOUR, Clock, Rehearsal
from world import MONDAY

MANY = int(os.environ.get("LEAVERD_MANY", "300"))
KILLS = 3
NEXT = 1  # actions that the applier may have chosen, but not begun, when an urgent plan is there

CONFIG = """\
instance:
  name: many
  zone: Europe/Berlin
  state_dir: state
master_key:
  file: master.key
scim:
  listen: 127.0.0.1:0
  public_url: http://127.0.0.1
sources:
  - name: idp
    kind: scim
    role: idp
    max_age: 31d
organisations:
  - name: acme
    cloud:
      org_id: %s
      key: acme-key
      base_url: %s
      per_second: 1000
      backoff: 100ms
      at_once: 16
      roles: needed
schedule:
  sync_every: 0s
  collect_every: 0s
  plan_every: 0s
policy:
  change_hours:
    on: false
  limits:
    asked_day: { count: 20000, share: 100 %% }
    run_time: 0  # the clock is hastened
"""

# What meets a request at random; "effect": the change was made although its answer failed.
TROUBLE = (
    dict(kind="status", status=503, share=0.01, effect=False),
    dict(kind="status", status=500, share=0.01, effect=True),
    dict(kind="reset", share=0.01, effect=True),
    dict(kind="truncate", share=0.01),
    dict(kind="status", status=429, share=0.01, effect=False, headers={"Retry-After": "1"}),
)


def address(n):
    return "person%05d@example.test" % n


class Many:
    """People pushed, an account of each at the organisation, mode propose."""

    def __init__(self, build, folder, people):
        self.folder, self.clock = folder, Clock(folder / "clock")
        self.clock.set_now(int(MONDAY.timestamp() * 1000))
        listing = folder / "people.jsonl"
        listing.write_text("".join(json.dumps({"email": address(n), "name": "Person %d" % n}) + "\n"
                                   for n in range(people)))
        self.rehearsal = Rehearsal(build / "rehearsal", folder, people=listing, clock=self.clock,
                                   args=("--rate", 0, "--plain"))
        try:
            self.daemon = Daemon(build / "leaverd", folder / "instance", clock=self.clock)
            self.daemon.make_instance(CONFIG % (self.rehearsal.org, self.rehearsal.url))
            self.daemon.start()
            self.begin(people)
        except BaseException:
            self.close()
            raise

    def begin(self, people):
        self.command("secret", "set", "acme-key", stdin=self.rehearsal.key)
        token = self.json("token", "new", "idp-token", "--source", "idp")["token"]
        idp = ScimClient("127.0.0.1", self.daemon.scim_port, "idp", token)
        with ThreadPoolExecutor(8) as pool:
            for _ in pool.map(lambda n: idp.create(scim_user({"mail": address(n), "uid": "p%05d" % n})),
                              range(people)):
                pass
        self.command("source", "ready", "idp", "--reason", "everybody was sent")
        for hours in (0, 1, 1):
            self.clock.advance(hours * HOUR)
            self.command("collect")
        self.json("plan", "--sample", "2")
        self.command("match", "approve", "email")
        self.command("backup", str(self.folder / "backup.db"))
        self.command("arm", "propose", "--org", "acme", "--reason", "the sample was looked at")

    def command(self, *argv, **options):
        return self.daemon.command(*argv, timeout=600, **options)

    def json(self, *argv, **options):
        return self.daemon.json(*argv, timeout=600, **options)

    def ask(self, chosen):
        """A plan that suspends these people, approved; its number, None where nothing is left to do."""
        rows = self.folder / "rows.csv"
        rows.write_text("who\n" + "".join(who + "\n" for who in chosen))
        answer = self.json("bulk", str(rows), "--do", "suspend", "--reason", "asked for in CHG-1")
        if not answer["plans"]:
            return None
        plan = answer["plans"][0]["plan"]
        self.command("approve", str(plan), "--reason", "looked at")
        return plan

    def apply_to_its_end(self, plan):
        """Until nothing of it is left to start: a command gives up after some minutes, the daemon does not."""
        deadline = time.monotonic() + 3600
        while self.json("show", str(plan), "--limit", "1")["state"] != "done":
            assert time.monotonic() < deadline
            self.json("apply", str(plan), "--wait", status=tuple(range(0, 12)))

    def effects(self):
        return self.rehearsal.numbers()["effectsDone"]

    def until(self, done, seconds):
        """Waits until that is so, while the clock goes on; whether it became so."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if done():
                return True
            time.sleep(0.05)
        return False

    def close(self):
        try:
            if hasattr(self, "daemon"):
                self.daemon.stop()
        finally:
            self.rehearsal.stop()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()


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


class Block:
    """Somebody who is not in the plan, blocked while it runs."""

    def __init__(self, w, who):
        self.account = w.rehearsal.account(who)["id"]
        before = w.rehearsal.numbers()["requests"]
        self.plan = w.json("block", who, "--reason", "left at once")["plans"][0]["plan"]
        self.approved = w.rehearsal.numbers()["requests"]  # at the latest
        assert w.until(lambda: w.rehearsal.effects("suspend", self.account), 600)
        log = w.rehearsal.log()
        about = [r for r in log["log"] if r["n"] > before and self.account in unquote(r["path"])]
        self.done = next(e["request"] for e in log["effects"]
                         if e["op"] == "suspend" and e["account"] == self.account)
        self.taken = about[0]["n"]
        self.troubled = [r for r in about if r.get("fault") and r["n"] <= self.done]

    def overtaken(self, effects):
        """Changes to others after it was approved and before it was taken up, and before it was done, in the order
        in which the organisation was asked."""
        others = [e["request"] for e in effects if e["account"] != self.account]
        return (len([n for n in others if self.approved < n < self.taken]),
                len([n for n in others if self.approved < n < self.done]))

    def behind(self, books, plan):
        """Changes of the plan that were begun between this approval and this beginning, as the chain has them."""
        approved, begun = (books.execute(
            "SELECT min(seq) FROM audit WHERE what = ? AND target LIKE ?", row).fetchone()[0]
            for row in (("plan.approve", "plan %d" % self.plan), ("action.begin", "plan %d action %%" % self.plan)))
        assert approved < begun
        return books.execute(
            "SELECT count(*) FROM audit WHERE what = 'action.intent' AND target LIKE ? AND seq > ? AND seq < ?",
            ("plan %d action %%" % plan, approved, begun)).fetchone()[0]


def trouble(w):
    for kind in TROUBLE:
        w.rehearsal.fault(seed=11, count=-1, **kind)


def calm(w):
    """Nothing fails any more; how often something did."""
    met = sum(f["hits"] for f in w.rehearsal.faults())
    w.rehearsal.clear_faults()
    return met


def test_many_actions_are_each_done_once_through_trouble_and_kills(build, tmp_path):
    with Many(build, tmp_path, MANY * 8 // 5 + 80) as w:
        # nobody with something special about them: no admin, not synced
        *chosen, urgent, other = [a["email"] for a in w.rehearsal.accounts("ordinary")][:MANY + 2]
        assert len(chosen) == MANY
        w.rehearsal.clear_log()
        plan = w.ask(chosen)
        trouble(w)
        began, met = time.monotonic(), 0
        with Hasten(w.clock):
            for kill in range(KILLS):  # the applier starts by itself, and again after each
                assert w.until(lambda: w.effects() > MANY * (kill + 1) // (KILLS + 2), 3600)
                w.daemon.stop(signal.SIGKILL)
                w.daemon.start()
                if kill == 1:
                    met += calm(w)
                    blocks = [Block(w, other)]
                    trouble(w)
                    blocks.append(Block(w, urgent))
            w.apply_to_its_end(plan)
        seconds = time.monotonic() - began
        met += calm(w)
        # what the trouble kept from being done was said, and is done when asked again
        shown = w.json("show", str(plan))
        told = {a["email"] for a in shown["actions"] if a["state"] not in ("done", "already")}
        assert len(shown["actions"]) == MANY
        untouched = {a["email"] for a in w.rehearsal.state()["accounts"] if a["status"] == "active"}
        assert untouched.intersection(chosen) <= told
        with Hasten(w.clock):
            w.clock.advance(2 * 60 * 1000)
            w.command("collect")
            again = w.ask(chosen)
            if again:
                w.apply_to_its_end(again)
        effects = w.rehearsal.effects()
        overtaken = [b.overtaken(effects) for b in blocks]
        print("actions=%d troubles=%d kills=%d left_to_ask_again=%d overtaken=%s seconds=%.1f" %
              (MANY, met, KILLS, len(told), overtaken, seconds))
        assert met > MANY // 50
        # whoever is urgent is next, and done next where nothing fails
        assert [n for n, _ in overtaken if n > NEXT] == []
        assert [n for b, (_, n) in zip(blocks, overtaken) if not b.troubled and n > NEXT] == []
        assert not blocks[0].troubled
        assert len([e for e in effects if e["request"] > blocks[0].done]) > MANY // 20, "nobody was overtaken"
        # each once, as the organisation counts: a call whose answer was lost may come again, and changes nothing
        counts = w.rehearsal.log(0)["effectCounts"]
        assert len([what for what in counts if what.startswith("suspend ")]) == MANY + 2
        # of whom was blocked the tokens are revoked, too; nothing else happened to anybody
        blocked = {b.account for b in blocks}
        assert not [what for what in counts if not what.startswith("suspend ") and what.split()[1] not in blocked]
        assert {what: n for what, n in counts.items() if n["changes"] != 1} == {}
        # and the books are whole
        w.command("audit", "verify", "--head")
        w.daemon.stop()
        books = sqlite3.connect("file:%s?mode=ro" % (w.folder / "instance/state/leaverd.db"), uri=True)
        begun, ended, still = books.execute(
            "SELECT count(DISTINCT n) FILTER (WHERE kind = 0), count(DISTINCT n) FILTER (WHERE kind = 3),"
            " count(*) FILTER (WHERE open = 1) FROM journal WHERE plan = ?", (plan,)).fetchone()
        behind = [b.behind(books, plan) for b in blocks]
        books.close()
        assert [n for n in behind if n > NEXT] == []
        assert (begun, ended, still) == (MANY, MANY, 0)
