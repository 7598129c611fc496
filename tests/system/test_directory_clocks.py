"""Clocks that differ and are set back: a delta by stamps (`delta: stamp`) leaves nobody out, and where
it cannot know, a full read follows. The directory is a scripted one, whose clock a test can set."""
import json

import pytest

from directories import Directory
from peer import GROUPS, PEOPLE, Peer, generalized, person
from rehearsal import DAY, HOUR, MINUTE, SECOND
from stories import Story

MANY = 30
TITLES = ("First", "Second", "Third")


class Skewed(Directory):
    """Its clock is `apart` ms ahead of leaverd's; tells: whether the root DSE says what time it has."""

    password, bind, ca = "secret", "CN=bridge,DC=corp,DC=example,DC=test", "/dev/null"
    people_dn, groups_dn = PEOPLE.decode(), GROUPS.decode()

    def __init__(self):
        self.apart, self.ours = 0, lambda: 0
        self.peer = Peer()
        self.uri = self.peer.uri

    def now(self):
        return generalized(self.ours() + self.apart)

    def title(self, n, title):
        """A change now, by this server's clock."""
        dn, values = self.peer.people[n]
        self.peer.people[n] = dn, {**values, b"title": [title.encode()], b"whenChanged": [self.now()]}
        self.peer.encoded.clear()


@pytest.fixture(params=["the server tells its time", "it does not"])
def story(request, build, tmp_path):
    directory = Skewed()
    one = Story(build, tmp_path, directory)
    directory.ours = one.clock.now_ms
    if request.param.startswith("the server"):
        directory.peer.clock = directory.now
    long_ago = generalized(one.clock.now_ms() - 40 * DAY)
    directory.peer.people += [person(n, whenChanged=[long_ago]) for n in range(MANY)]
    one.configure("tls: off\n      delta: stamp")
    yield one
    directory.peer.stop()


def delta(story, n, title):
    """Somebody is changed, and the next delta brings it. Its answer."""
    story.directory.title(n, title)
    done = story.sync("--delta")
    kept = json.loads(story.rows("SELECT doc FROM record WHERE user_fold = 'u%06d@example.test'" % n)[0][0])
    assert kept.get("title") == title, (done, kept)
    return done


def begin(story, apart):
    """Read in full, and a first delta, with a server so far ahead."""
    story.directory.apart = apart
    assert story.sync()["accepted"]
    story.clock.advance(5 * MINUTE)
    assert delta(story, 1, TITLES[0])["delta"]["full"] is None
    story.clock.advance(5 * MINUTE)


# what the differences are before and after: a clock is corrected, or put wrong
@pytest.mark.parametrize("before, after", [
    (HOUR, HOUR), (-HOUR, -HOUR), (3 * DAY, 0), (-HOUR, 0), (4 * MINUTE, -4 * MINUTE), (20 * MINUTE, 5 * MINUTE)], ids=lambda ms: "%+d min" % (ms // MINUTE))
def test_a_server_whose_clock_is_wrong_or_corrected_loses_no_change(story, before, after):
    begin(story, before)
    story.directory.apart = after
    story.clock.advance(MINUTE)
    assert delta(story, 2, TITLES[1])["delta"]["full"] is None
    story.clock.advance(25 * MINUTE)
    assert delta(story, 3, TITLES[2])["delta"]["full"] is None


def test_a_server_whose_clock_is_set_back_is_found_out_where_it_tells_and_by_a_full_read_otherwise(story):
    begin(story, 0)
    story.directory.apart = -2 * HOUR
    if story.directory.peer.clock:
        assert delta(story, 2, TITLES[1])["delta"]["full"] is None
    else:
        story.directory.title(2, TITLES[1])
        story.sync("--delta")
        assert story.sync()["changed"] == 1
    checks = story.daemon.json("doctor", status=tuple(range(16)))["checks"]
    said = any("s behind this machine's: set both by NTP" in c["text"] for c in checks)
    assert said == bool(story.directory.peer.clock), checks


def test_our_own_clock_set_back_ends_in_a_full_read(story):
    begin(story, 0)
    story.spoil_cursor(str(story.clock.now_ms() + 90 * SECOND).encode())
    done = delta(story, 2, TITLES[1])
    assert "ahead of this machine's clock: a clock was set back" in done["delta"]["full"], done
    assert delta(story, 3, TITLES[2])["delta"]["full"] is None


def test_one_entry_stamped_in_the_future_does_not_hide_the_others(story):
    begin(story, 0)
    story.directory.apart = 300 * DAY
    tells, story.directory.peer.clock = story.directory.peer.clock, None
    delta(story, 4, TITLES[0])
    story.directory.apart, story.directory.peer.clock = 0, tells
    story.clock.advance(HOUR)
    assert delta(story, 2, TITLES[1])["delta"]["full"] is None
