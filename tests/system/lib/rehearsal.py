"""Starts, asks and steers the rehearsal organisation (tests/rehearsal) from tests.

    with Rehearsal(binary, workdir, users=200, orphans=5) as org:
        org.advance(14 * DAY)
        org.fault("status", path="*/suspend", status=429, count=2)
        assert org.account("someone@example.com")["status"] == "suspended"

Only the standard library. Every call fails loudly: an answer of the control endpoints that is
not 200 is an exception with its text.
"""
import http.client
import json
import os
import struct
import subprocess
import threading
import time
import urllib.parse

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

KEY = "rehearsal-key"


def build_file(name):
    """A program of the build folder under test ($LEAVERD_BUILD)."""
    return os.path.join(os.environ.get("LEAVERD_BUILD", "build/asan-clock"), name)


class Clock:
    """The file of base/stamp.h: a little-endian int64, milliseconds added to the wall clock."""

    def __init__(self, path):
        self.path = str(path)
        if not os.path.exists(self.path):
            self.write(0)

    def read(self):
        with open(self.path, "rb") as f:
            return struct.unpack("<q", f.read(8))[0]

    def write(self, offset_ms):
        # in place: the programs under test have the file mapped
        mode = "r+b" if os.path.exists(self.path) else "wb"
        with open(self.path, mode) as f:
            f.write(struct.pack("<q", offset_ms))

    def advance(self, ms):
        self.write(self.read() + ms)

    def now_ms(self):
        return int(time.time() * 1000) + self.read()

    def set_now(self, ms):
        """Puts the clock at a time; back in time only before anything was started."""
        self.write(ms - int(time.time() * 1000))


class Answer:
    """An HTTP answer: status, headers (lower-case names), body (parsed if it is JSON)."""

    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw
        try:
            self.body = json.loads(raw) if raw else None
        except ValueError:
            self.body = None

    def __repr__(self):
        return "<%d %s>" % (self.status, self.raw[:300])


class Refused(Exception):
    """A control call that was not answered with 200."""


class Rehearsal:
    """A running rehearsal organisation.

    people   a list of dicts (see people.h) or the path of a file of JSON lines
    clock    a Clock or a path shared with leaverd; made in workdir if not given
    args     further options of the binary
    record   the file for the contract tests; not given: in the folder LEAVERD_RECORD, if there is one;
             False: none, where the test has the organisation break the documents
    """

    def __init__(self, binary, workdir, people=None, users=None, orphans=0, seed=1, clock=None,
                 key=KEY, record=None, lag=0, args=(), env=None):
        self.workdir = str(workdir)
        self.key = key
        if record is None and os.environ.get("LEAVERD_RECORD"):
            name = os.path.relpath(self.workdir, "/").replace("/", "-")
            record = os.path.join(os.environ["LEAVERD_RECORD"], name + ".jsonl")
        self.record = record
        self.clock = clock if isinstance(clock, Clock) else Clock(
            clock or os.path.join(self.workdir, "clock"))
        argv = [str(binary), "--seed", str(seed), "--key", key, "--orphans", str(orphans),
                "--lag", str(lag)]
        if people is not None:
            argv += ["--people", self._people_file(people)]
        if users is not None:
            argv += ["--users", str(users)]
        if record:
            argv += ["--record", str(record)]
        argv += [str(a) for a in args]
        self.errors = open(os.path.join(self.workdir, "rehearsal.err"), "ab+")
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=self.errors,
            env=dict(os.environ, LEAVERD_CLOCK=self.clock.path, **(env or {})))
        try:
            self.url = self._first_line()
        except Exception:
            self.stop(check=False)
            raise
        self.host = urllib.parse.urlsplit(self.url).netloc
        self.org = self.brief()["org"]

    def _people_file(self, people):
        if isinstance(people, (str, os.PathLike)):
            return str(people)
        path = os.path.join(self.workdir, "people.jsonl")
        with open(path, "w", encoding="utf-8") as f:
            for person in people:
                f.write(json.dumps(person, ensure_ascii=False) + "\n")
        return path

    def _first_line(self):
        killer = threading.Timer(120, self.process.kill)
        killer.start()
        line = self.process.stdout.readline().decode()
        killer.cancel()
        if "listening on " not in line:
            raise RuntimeError("the rehearsal did not start: " + self.stderr())
        return line.split("listening on ", 1)[1].strip()

    def stderr(self):
        self.errors.flush()
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.stop(check=kind is None)

    def stop(self, check=True):
        """Ends it by SIGTERM. With check, an exit status or a sanitizer's report is a failure."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process.stdout.close()
        text = self.stderr() if not self.errors.closed else ""
        self.errors.close()
        if check and (code != 0 or "Sanitizer" in text or "runtime error" in text):
            raise AssertionError("the rehearsal ended with %s\n%s" % (code, text))
        return code

    # --- as a client of the organisation ---

    def request(self, method, path, body=None, key=None, headers=None, raw=None, timeout=60):
        """One request, as leaverd would send it. key: None is ours, "" sends none."""
        sent = {"Authorization": "Bearer " + (self.key if key is None else key)}
        if key == "":
            del sent["Authorization"]
        if body is not None:
            raw = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        connection = http.client.HTTPConnection(self.host, timeout=timeout)
        try:
            connection.request(method, path, body=raw, headers=sent)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()},
                          answer.read())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.request("POST", path, {} if body is None else body, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    @property
    def directory(self):
        return self.brief()["directories"][0]

    def v1(self, rest):
        return "/admin/v1/orgs/%s/%s" % (self.org, rest)

    def v2(self, rest, directory=None):
        return "/admin/v2/orgs/%s/directories/%s/%s" % (self.org, directory or self.directory,
                                                        rest)

    def walk(self, path, body=None):
        """All rows of a v2 search, over all its pages."""
        rows, asked = [], dict(body or {})
        while True:
            answer = self.post(path, asked)
            if answer.status != 200:
                raise Refused("%s: %r" % (path, answer))
            rows += answer.body["data"]
            cursor = answer.body["links"].get("next")
            if not cursor:
                return rows
            asked = dict(body or {}, cursor=cursor)

    # --- as the test that steers it ---

    def control(self, method, what, body=None):
        answer = self.request(method, "/_rehearsal/" + what, body, key="", timeout=300)
        if answer.status != 200:
            raise Refused("%s %s: %r" % (method, what, answer))
        return answer.body

    def state(self):
        """Everything: accounts (list), groups and seats (by name)."""
        return self.control("GET", "state")

    def brief(self):
        """Totals and seats without accounts."""
        return self.control("GET", "state?brief=1")

    def account(self, who):
        """One account by id or address."""
        return self.control("GET", "state?account=" + urllib.parse.quote(who, safe=""))

    def accounts(self, case=None):
        """Accounts of the organisation by case ("orphan", "three-paths", ...)."""
        return [a for a in self.state()["accounts"] if case in (None, a["case"])]

    def seats(self):
        """{"jira@acme": seats in use, ...}"""
        return {k: v["used"] for k, v in self.brief()["seats"].items()}

    def log(self, last=None):
        """Requests, effects and counts so far."""
        return self.control("GET", "log" + ("" if last is None else "?last=%d" % last))

    def numbers(self):
        """How many requests and effects there were so far: cheap."""
        return self.control("GET", "log?brief=1")

    def clear_log(self):
        self.control("DELETE", "log")

    def effects(self, op=None, account=None):
        """Writes the organisation carried out, in order."""
        return [e for e in self.log(0)["effects"]
                if op in (None, e["op"]) and account in (None, e["account"])]

    def twice(self):
        """The effects that were carried out more than once: {"op account detail": calls}."""
        return {k: v["calls"] for k, v in self.log(0)["effectCounts"].items()
                if v["calls"] > 1}

    def fault(self, kind, **more):
        """Arms a fault (mischief.h); its id."""
        return self.control("POST", "faults", dict(more, kind=kind))["id"]

    def faults(self):
        return self.control("GET", "faults")["faults"]

    def clear_faults(self):
        self.control("DELETE", "faults")

    def advance(self, ms):
        """Moves the virtual clock forward, for everybody who shares it."""
        return self.control("POST", "clock", {"advance_ms": int(ms)})["now_ms"]

    def advance_to(self, text):
        return self.control("POST", "clock", {"to": text})["now_ms"]

    def now_ms(self):
        return self.control("GET", "clock")["now_ms"]

    def set(self, **what):
        """set(account="a@b", status="suspended"), set(person={...}), set(org={...}) ..."""
        self.control("POST", "set", what)

    def rate(self, limit, window_ms=1000):
        self.control("POST", "rate", {"limit": limit, "window_ms": window_ms})
