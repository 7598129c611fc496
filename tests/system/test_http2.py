"""The organisation over TLS and HTTP/2, as Atlassian serves it: nghttpx before the rehearsal."""
import subprocess
import urllib.parse

import pytest

from slapd import free_pair
from world import HOUR, World, actions


class Front:
    """Speaks TLS and HTTP/2 to clients and HTTP/1.1 to the rehearsal."""

    def __init__(self, folder, tls, url):
        self.port, self.log = free_pair(), folder / "front.log"
        self.errors = open(folder / "front.err", "ab")
        behind = urllib.parse.urlsplit(url)
        self.process = subprocess.Popen(
            ["nghttpx", "--conf=/dev/null", "--workers=1", "--no-ocsp", "--no-via", "--accesslog-file=%s" % self.log,
             "--accesslog-format=$alpn $tls_protocol $remote_port $status $method $path",
             "--frontend=127.0.0.1,%d" % self.port, "--backend=%s,%d" % (behind.hostname, behind.port),
             str(tls / "server.key"), str(tls / "server.pem")], stdout=self.errors, stderr=self.errors)
        self.url = "https://localhost:%d" % self.port

    def lines(self):
        return [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.errors.close()


@pytest.fixture
def world(build, tmp_path):
    with World(build, tmp_path, people=60, orphans=2) as w:
        front = Front(tmp_path, w.slapd.folder / "tls", w.rehearsal.url)
        try:
            w.front = front
            config = w.daemon.config.read_text()
            w.daemon.write_config(config.replace(
                "base_url: %s\n" % w.rehearsal.url,
                "base_url: %s\n      ca_file: %s\n" % (front.url, w.slapd.ca)))
            w.daemon.stop()
            w.daemon.start()
            yield w
        finally:
            front.stop()


def test_a_whole_round_goes_over_http_2(world):
    world.push(ends={world.ordinary[4]["uid"]: "2026-11-23"})
    world.ready()
    world.rounds()
    world.arm()
    world.clock.advance(18 * HOUR)
    world.command("sync")
    world.command("collect")
    plan = world.plan()
    leaver = world.ordinary[4]["mail"]
    assert {a["email"] for a in actions(plan, "leaver-hr")} == {leaver}
    world.approve(plan)
    world.apply(plan)
    assert world.rehearsal.account(leaver)["status"] == "suspended"
    assert world.rehearsal.twice() == {}
    seen = world.front.lines()
    assert {line[0] for line in seen} == {"h2"}
    assert {line[1] for line in seen} <= {"TLSv1.2", "TLSv1.3"}
    # many requests share few connections: that is what HTTP/2 is for
    assert len({line[2] for line in seen}) * 10 < len(seen)
    assert [line for line in seen if line[4] == "POST" and line[5].endswith("/suspend")]
