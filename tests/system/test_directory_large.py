"""A group of ten thousand on real slapd, 389 DS and Samba AD: everybody in it, nobody twice, and
one who joins or leaves it is one change. Making so many takes Samba minutes: make check-long."""
import base64
import os

import pytest

from directories import KINDS
from stories import Story

MANY = 10000
WHERE = ["389ds", "slapd"] + ["samba"] * ("LEAVERD_LARGE_SAMBA" in os.environ)


@pytest.fixture(scope="module", params=WHERE)
def story(request, build, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    directory = KINDS[request.param](folder / "server")
    directory.start()
    try:
        # not as many people as members: at exactly 10,000 servers stop, so that would be doubted
        directory.seed(MANY + 3, "--big", str(MANY), "--no-edge", "--groups", "0")
        yield Story(build, folder, directory)
    finally:
        directory.stop()


def members(story):
    return story.rows("SELECT count(*) FROM member m JOIN usergroup g ON g.id = m.grp"
                      " WHERE g.display = 'big-%d' AND m.kind = 1" % MANY)[0][0]


def test_a_group_of_ten_thousand_is_read_whole(story):
    done = story.sync()
    assert done["accepted"] and done["groups"]["complete"] and done["groups"]["known"], done
    assert members(story) == MANY
    story.agrees()


def test_who_leaves_and_who_joins_it_are_two_changes(story):
    d = story.directory
    group = "cn=big-%d,%s" % (MANY, d.groups_dn)
    d.modify("dn: %s\nchangetype: modify\ndelete: member\nmember:: %s\n" % (
        group, base64.b64encode(d.dn("u000007").encode()).decode()))
    got = story.sync("--delta")
    assert got["delta"]["full"] is None and (got["groups"]["added"], got["groups"]["removed"]) == (0, 1), got
    assert members(story) == MANY - 1
    d.add_member(group, d.dn("u000007"))
    got = story.sync("--delta")
    assert (got["groups"]["added"], got["groups"]["removed"]) == (1, 0), got
    story.agrees()
