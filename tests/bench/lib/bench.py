"""What the rows of the bench share: instances, servers, wrk, the printed line.

A row is called with BUILD and full|small. Every figure is measured in this run; nothing asserts a
time. A row whose requests were refused or broken fails, for its figures would mean nothing.
"""
import atexit
import http.client
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIB = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(LIB.parents[1] / "system" / "lib"))

from daemon import Daemon  # noqa: E402

BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else "build/plain").resolve()
QUICK = len(sys.argv) > 2 and sys.argv[2] == "small"
THREADS = 2  # of the servers: the default of scim.threads
TICKS = os.sysconf("SC_CLK_TCK")


def size(full, small):
    return small if QUICK else full


# --- the line ------------------------------------------------------------------------------------

def _number(value):
    if isinstance(value, float):
        return "%.3g" % value if abs(value) < 100 else "%.0f" % value
    return str(value)


def line(name, ratio, aim, unit="", **figures):
    """bench NAME key=value ... ratio=R aim=A ok|short. aim: ">=0.60", "<=1.3"."""
    sign, bound = aim[:2], float(aim[2:])
    ok = ratio >= bound if sign == ">=" else ratio <= bound
    print("bench %s %s ratio=%s%s aim=%s%s %s" % (
        name, " ".join("%s=%s" % (k, _number(v)) for k, v in figures.items()),
        ("%.3f" % ratio) if not unit else _number(float(ratio)), unit, aim, unit,
        "ok" if ok else "short"), flush=True)


# --- processes -----------------------------------------------------------------------------------

def work_folder():
    """A folder of this run that goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="leaverd-bench-"))
    atexit.register(shutil.rmtree, folder, True)
    return folder


def cpu_seconds(pid):
    """utime + stime of a process, all its threads."""
    fields = Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def child_seconds():
    """The same of all processes that were started and have ended."""
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return use.ru_utime + use.ru_stime


def load():
    """What else the machine does: the load average of the last minute."""
    return os.getloadavg()[0]


def rss_mib(pid, peak=False):
    text = Path("/proc/%d/status" % pid).read_text()
    return int(re.search(r"%s:\s+(\d+)" % ("VmHWM" if peak else "VmRSS"), text).group(1)) / 1024


def own_mib(pid):
    """Without pages of files that are mapped: those are the system's to take back."""
    text = Path("/proc/%d/status" % pid).read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", text).group(1)) / 1024


def peak_reset(pid):
    Path("/proc/%d/clear_refs" % pid).write_text("5")


class Bare:
    """A server of tests/bench/bare_*.c."""

    def __init__(self, name, *args):
        self.process = subprocess.Popen([str(BUILD / "tests/bench" / name), *map(str, args)],
                                        stdout=subprocess.PIPE, text=True)
        first = self.process.stdout.readline()
        if not first.startswith("port "):
            raise RuntimeError("%s did not start" % name)
        self.port, self.pid = int(first.split()[1]), self.process.pid
        atexit.register(self.stop)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        return self.process.stdout.read() if not self.process.stdout.closed else ""


CONFIG = """\
instance:
  name: bench
  zone: UTC
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


def instance(folder, config=CONFIG):
    """A new instance; not started."""
    daemon = Daemon(BUILD / "leaverd", folder)
    daemon.make_instance(config)
    return daemon


def serving(daemon):
    daemon.start()
    daemon.pid = daemon.process.pid
    atexit.register(daemon.stop)
    return daemon


def token(daemon, source="idp"):
    """A token of that source, made once for an instance."""
    kept = daemon.folder / "token"
    if not kept.exists():
        text = daemon.json("token", "new", "bench", "--source", source)["token"]
        kept.touch(mode=0o600)
        kept.write_text(text)
    return kept.read_text()


# --- stored people -------------------------------------------------------------------------------

GROUP_BIT = 1 << 47


def user_id(n):
    """As id_of() of load_users.c."""
    x = n * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    return "%08x-%04x-4%03x-8%03x-%012x" % (x >> 32, x >> 16 & 0xFFFF, x & 0xFFF, n & 0xFFF, n)


def group_id(n):
    """0: the group "big"; from 1: the small ones."""
    return user_id(n | GROUP_BIT)


# The store that the SCIM rows share: made once in a run of `make bench`, which names the folder.
USERS, BIG, SMALL = size(1000000, 120000), size(100000, 5000), size(20000, 500)
SMALL_MEMBERS = 10  # as load_users.c
KEPT = Path(os.environ["LEAVERD_BENCH"]) if "LEAVERD_BENCH" in os.environ else work_folder()


def stored(users=USERS, big=BIG, small=SMALL):
    """An instance with people in it, for reading only: rows that write take copied()."""
    folder = KEPT / ("stored-%d-%d-%d" % (users, big, small))
    if (folder / "ready").exists():
        return Daemon(BUILD / "leaverd", folder)
    daemon = instance(folder)
    began = time.monotonic()
    subprocess.run([str(BUILD / "tests/bench/load_users"), str(folder / "state/leaverd.db"), "idp",
                    str(users), str(big), str(small)], check=True, stdout=subprocess.DEVNULL)
    note("%d users and %d groups stored in %.0f s" % (users, small + (big > 0),
                                                      time.monotonic() - began))
    (folder / "ready").touch()
    return daemon


def copied(daemon, folder):
    """A copy of a stored instance, to write into."""
    shutil.copytree(daemon.folder, folder)
    os.sync()  # or the first commits wait for gigabytes that the copy left to be written
    return Daemon(BUILD / "leaverd", folder)


def nobody():
    """A user who is in no group."""
    return max(BIG, (SMALL + 1) * SMALL_MEMBERS)


def note(text):
    print("# " + text, file=sys.stderr, flush=True)


# --- http ----------------------------------------------------------------------------------------

class Load:
    """What one run of wrk did to one server, and what that cost the server."""

    def __init__(self, requests=0, seconds=0.0, cpu=0.0, p50=0, p99=0):
        self.requests, self.seconds, self.cpu = requests, seconds, cpu
        self.p50, self.p99 = p50, p99

    def __add__(self, other):
        return Load(self.requests + other.requests, self.seconds + other.seconds,
                    self.cpu + other.cpu, max(self.p50, other.p50), max(self.p99, other.p99))

    @property
    def per_cpu(self):
        return self.requests / self.cpu

    @property
    def per_second(self):
        return self.requests / self.seconds


def wrk(port, pid, connections, seconds, script, *args):
    """One load. A reply may take 20 s before it counts as broken: a disk that stalls shows in p99."""
    before = cpu_seconds(pid)
    done = subprocess.run(
        ["wrk", "-t", str(min(2, connections)), "-c", str(connections), "-d", "%ds" % seconds,
         "--timeout", "20s", "--latency", "-s", str(LIB / script), "http://127.0.0.1:%d/" % port, "--",
         *map(str, args)], capture_output=True, text=True)
    cpu = cpu_seconds(pid) - before
    last = done.stdout.strip().rsplit("\n", 1)[-1]
    if done.returncode or not last.startswith("{"):
        raise RuntimeError("wrk: " + done.stdout + done.stderr)
    f = json.loads(last)
    if f["refused"] or f["broken"]:
        raise RuntimeError("%d requests refused, %d broken" % (f["refused"], f["broken"]))
    return Load(f["requests"], f["us"] / 1e6, cpu, f["p50"], f["p99"])


def capture(daemon, path, into):
    """Asks once and writes the answer as bare_http wants it: the same bytes for the other side."""
    c = http.client.HTTPConnection("127.0.0.1", daemon.scim_port)
    c.request("GET", path, headers={"Authorization": "Bearer " + token(daemon),
                                    "Accept": "application/scim+json"})
    answer = c.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError("GET %s: %d %s" % (path, answer.status, body))
    # the server adds these itself
    own = ("date", "connection", "content-length")
    with open(into, "wb") as f:
        for name, value in answer.getheaders():
            if name.lower() not in own:
                f.write(("%s: %s\n" % (name, value)).encode())
        f.write(b"\n" + body)
    return json.loads(body), len(body)


def turns(ours, theirs):
    """Both sides by turns, twice: what the machine does beside falls on both."""
    sums = Load(), Load()
    for turn in range(size(2, 1)):
        sums = sums[0] + ours(turn), sums[1] + theirs(turn)
    return sums


def beside_line(name, ours, theirs, aim, **figures):
    """The ratio of requests per second of server CPU."""
    line(name, ours.per_cpu / theirs.per_cpu, aim, rps=ours.per_second,
         bare_rps=theirs.per_second, cpu_us=1e6 / ours.per_cpu, bare_cpu_us=1e6 / theirs.per_cpu,
         p50_us=ours.p50, p99_us=ours.p99, bare_p50_us=theirs.p50, bare_p99_us=theirs.p99,
         **figures)


def part(name, connections, usual):
    """scim-get for the design's own number of connections, scim-get.c1 for another."""
    return name if connections == usual else "%s.c%d" % (name, connections)


def read_row(name, aim, path_of):
    """A row of reads over users: ours and the bare server take turns, a line for each number of
    connections. Some of the users are in groups; the bare server's are not.

    Asked for are people drawn by chance, again and again as an identity provider does; in the line
    .cold so many of them that next to none is asked for twice, and what is kept helps nobody."""
    folder = work_folder()
    daemon = serving(stored())
    chance = random.Random(1)

    def drawn(name, count):
        paths = folder / name
        paths.write_text("".join(path_of(chance.randrange(USERS)) + "\n" for _ in range(count)))
        return paths

    some, many = drawn("some", size(50000, 5000)), drawn("many", size(400000, 100000))
    document, length = capture(daemon, path_of(nobody()), folder / "answer")
    found = document["Resources"][0] if "Resources" in document else document
    if found["id"] != user_id(nobody()) or "groups" in found:
        raise RuntimeError("%s answered somebody else" % path_of(nobody()))
    bare = Bare("bare_http", THREADS, folder / "answer")

    def run(server, port, connections, paths):
        return wrk(port, server.pid, connections, size(5, 2), "requests.lua", paths,
                   token(daemon))

    def measure(label, connections, paths):
        ours, theirs = turns(lambda _: run(daemon, daemon.scim_port, connections, paths),
                             lambda _: run(bare, bare.port, connections, paths))
        beside_line(label, ours, theirs, aim, users=USERS, connections=connections, bytes=length,
                    rss_mib=rss_mib(daemon.pid), own_mib=own_mib(daemon.pid))

    run(daemon, daemon.scim_port, 32, many)  # pages are mapped when they are first touched
    run(daemon, daemon.scim_port, 32, some)
    for c in (32, 1, 16, 64):
        measure(part(name, c, 32), c, some)
    measure(name + ".cold", 32, many)
    bare.stop()
    daemon.stop()
