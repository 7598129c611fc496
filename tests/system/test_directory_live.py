"""`live:`: a change in the directory is in the store within seconds, without a schedule that asks for
it; also after the directory was away."""
import time

import pytest

from directories import KINDS
from stories import NO, Story

SECONDS = 120  # how long a change may take on a loaded machine; the clock alone would take an hour
WAYS = {"slapd": "refreshAndPersist", "389ds": "a persistent search", "samba": "change notification"}


@pytest.fixture(params=sorted(KINDS))
def story(request, build, tmp_path):
    directory = KINDS[request.param](tmp_path / "server")
    directory.start()
    try:
        directory.seed(30)
        one = Story(build, tmp_path, directory)
        one.configure("live: true\n      delta_every: 1h\n      connect_timeout: 5s")
        one.daemon.write_config((one.daemon.folder / "leaverd.yaml").read_text().replace(
            "sync_every: 0s", "sync_every: 12h"))
        assert one.sync()["accepted"]
        one.daemon.start()
        yield one
    finally:
        one.daemon.stop()
        directory.stop()


def until(condition, what):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def titled(story, title):
    return story.rows("SELECT count(*) FROM record WHERE doc LIKE '%%\"title\":\"%s\"%%'" % title)[0][0]


def says(story, event):
    return sum(event in line for line in story.daemon.log)


def test_a_change_is_stored_within_seconds_and_again_after_the_server_was_away(story):
    d = story.directory
    until(lambda: says(story, "live.on"), "nobody listens")
    assert says(story, WAYS[d.name])
    assert any("changes are told by " + WAYS[d.name] in c["text"]
               for c in story.daemon.json("doctor", status=tuple(range(16)))["checks"])
    d.set("u000003", "title", "Told at once")
    until(lambda: titled(story, "Told at once") == 1, "a change was not noticed")
    d.disable("u000005")
    until(lambda: story.rows("SELECT active FROM record WHERE user_fold LIKE 'u000005%'")[0][0] == NO,
          "somebody who was disabled was not noticed")
    d.delete(d.dn("u000006"))
    until(lambda: story.rows("SELECT count(*) FROM record WHERE absent_reads > 0")[0][0] == 1,
          "somebody who was deleted was not noticed")
    d.restart()
    until(lambda: says(story, "live.lost"), "the loss was not noticed")
    until(lambda: says(story, "live.on") > 1, "nobody listens again")
    d.set("u000004", "title", "Told again")
    until(lambda: titled(story, "Told again") == 1, "a change after the loss was not noticed")
