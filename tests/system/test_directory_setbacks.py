"""What befalls a directory or the way to it, on real slapd, 389 DS and Samba AD: afterwards the
store holds what the directory's own tools say, or the read is told to be incomplete or not
plausible, and nobody is nearer to being gone."""
import base64
import urllib.parse

import pytest

from daemon import CommandFault
from directories import KINDS
from pagecut import PageCut
from stories import INCOMPLETE, OK, UNREACHABLE, Story

PEOPLE, NOT_FOUND = 120, 10
OLD = "20260101000000Z"  # else all who were loaded just now are in the overlap of the stamps


@pytest.fixture(scope="module", params=sorted(KINDS))
def story(request, build, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    directory = KINDS[request.param](folder / "server")
    directory.start()
    try:
        directory.seed(PEOPLE, "--modified", OLD)
        directory.prepare_half()
        one = Story(build, folder, directory)
        assert one.sync()["accepted"]
        one.agrees()
        yield one
    finally:
        directory.stop()


def test_nested_and_cyclic_groups_are_kept_as_they_are_and_end(story):
    d = story.directory
    a = d.add_group("round-a", [d.dn("u000001")])
    b = d.add_group("round-b", [d.dn("u000002"), a])
    c = d.add_group("round-c", [b])
    d.add_member(a, c)
    story.delta()
    groups = {name: members for name, members in story.stored()[1].values()}
    assert len(groups["round-a"]) == 2 and len(groups["round-b"]) == 2 and len(groups["round-c"]) == 1
    first = next(k for k, (uid, _, _) in d.truth()[0].items() if uid == "u000001")
    number = story.rows("SELECT id FROM record WHERE key = '%s'" % first)[0][0]
    above = story.rows("WITH RECURSIVE up(kind, id) AS (SELECT 1, %d UNION SELECT 2, m.grp FROM member m JOIN up"
                       " ON m.kind = up.kind AND m.member = up.id) SELECT g.display FROM up JOIN usergroup g"
                       " ON up.kind = 2 AND g.id = up.id" % number)
    assert {"round-a", "round-b", "round-c"} <= {name for name, in above}


def test_the_other_way_to_ask_sees_the_same_changes(story):
    d = story.directory
    d.set("u000009", "title", "The newest")  # stamps are counted back from here
    story.configure("delta: %s" % d.second)
    try:
        assert story.sync()["accepted"]
        got = story.delta()
        assert got["strategy"] == d.second and got["full"] is None, got
        for n in range(10, 20):
            d.set("u%06d" % n, "title", "Seen by %s" % d.second)
        assert story.delta(full=None)["changed"] == 10
        d.rename("u000020", "cn=Another Name" if d.uid != "uid" else "cn=another-name")
        d.rename("u000021", d.dn("u000021").split(",")[0], d.branch("elsewhere"))
        d.disable("u000022")
        d.add("new-second")
        assert story.delta(full=None)["fresh"] == 1
        d.enable("u000022")
        assert story.delta(full=None)["changed"] == 1
        d.delete(d.dn("new-second"))
        got = story.delta(full="somebody is not there any more")
        assert got["missing"] == 1 and got["strategy"] == d.second
        assert story.delta(full=None, fresh=0, changed=0)
    finally:
        story.configure()
    assert story.sync()["accepted"]


@pytest.mark.parametrize("how", ["lost", "torn", "of another time"])
def test_a_cookie_that_is_lost_or_spoilt_ends_in_a_full_read_and_is_told(story, how):
    d = story.directory
    story.delta()
    kept = base64.b64decode(story.cursor()["at"])
    at = {"lost": None, "torn": kept[:len(kept) // 2], "of another time": b"\xff" * len(kept)}[how]
    story.spoil_cursor(at)
    d.set("u000030", "title", "Changed while the cookie was %s" % how)
    got = story.delta()  # agrees with the directory
    # half a number is a lower number: more is named, and nothing lost
    assert got["full"] or (how == "torn" and got["named"] > 0), got
    assert story.delta(fresh=0, changed=0)["full"] is None


def test_a_base_that_was_renamed_is_another_place_and_never_nobody(story):
    d = story.directory
    story.delta()
    missed = story.absent()  # whom earlier stories deleted: no read of this one may count
    name, parent = d.people_dn.split(",", 1)
    rename = "dn: %s,%s\nchangetype: modrdn\nnewrdn: %s\ndeleteoldrdn: 1\n"
    d.modify(rename % (name, parent, "ou=folk"))
    try:
        for argv in (["--delta"], []):
            with pytest.raises(CommandFault) as caught:
                story.sync(*argv)
            assert caught.value.status in (INCOMPLETE, UNREACHABLE, NOT_FOUND), caught.value
            assert d.people_dn.lower() in (caught.value.out + caught.value.err).lower(), caught.value
        assert story.absent() == missed
    finally:
        d.modify(rename % ("ou=folk", parent, name))
    story.delta()


# What an import, or a backup that is put back in order, does to the marks of each way.
ANEW = {"slapd": {"syncrepl": None, "stamp": None},  # its exports keep the numbers
        "389ds": {"entryusn": "its data were imported"},
        "samba": {"dirsync": "another server answers", "usn": "another server answers"}}


def test_an_import_begins_the_numbers_anew_and_is_not_silence(story):
    d = story.directory
    for way, says in ANEW[d.name].items():
        story.configure("delta: %s" % way)
        try:
            assert story.sync()["accepted"]
            story.delta()
            d.disable("u000033")
            d.ctl("reimport")
            done = story.sync("--delta", status=(OK, INCOMPLETE))
            assert done["delta"]["strategy"] == way
            assert says in done["delta"]["full"] if says else done["delta"]["changed"] == 1, done
            story.put_back(done)
            d.enable("u000033")
            assert story.delta(full=None)["changed"] == 1
        finally:
            story.configure()
    assert story.sync()["accepted"]


def test_rights_taken_from_half_of_the_tree_make_nobody_absent(story):
    d = story.directory
    before = story.stored()[0]
    d.hide_half()
    try:
        seen = story.doubted()
        assert seen["complete"] and seen["entries"] < len(before), seen
        assert "fewer" in seen["why"] or "nobody is left" in seen["why"], seen
        assert "own count" in seen["why"] or d.name != "389ds", seen  # it tells one
        again = story.sync("--delta", status=(OK, 4, INCOMPLETE))
        assert not again["accepted"] or again["delta"]["full"] is None
        assert story.stored()[0].keys() == before.keys()
    finally:
        d.show_all()
    done = story.sync()
    assert done["accepted"], done
    story.agrees()


def test_a_server_put_back_from_a_backup_is_not_believed_about_who_is_missing(story):
    d = story.directory
    story.delta()
    d.backup()
    d.add("new-after-backup")
    for n in range(60, 70):
        d.set("u%06d" % n, "title", "After the backup")
    d.disable("u000071")
    story.delta()
    late = {uid: key for key, (uid, _, _) in d.truth()[0].items()}["new-after-backup"]
    d.restore()
    done = story.sync("--delta", status=(OK, INCOMPLETE))
    assert done["delta"]["full"], done  # no delta says what a backup took back
    if not done["accepted"]:
        assert late not in [key for key, _, _ in story.absent()]
    story.put_back(done)
    assert [0] == [gone for key, _, gone in story.absent() if key == late]
    d.set("u000072", "title", "After it was put back")
    assert story.delta(full=None)["changed"] == 1


def test_a_connection_cut_after_each_page_makes_nobody_absent(story):
    d = story.directory
    url = urllib.parse.urlparse(d.plain_uri)
    cut = PageCut(url.hostname, url.port or 389)
    for n in range(20):
        d.add_group("more-%d" % n, [d.dn("u%06d" % (n + 70))])
    try:
        story.configure("tls: off\n      page_size: 20\n      delta: full\n      connect_timeout: 2s", cut.uri)
        story.sync(status=(OK, INCOMPLETE))  # another address: what it lacks is no evidence yet
        assert story.sync()["accepted"]
        cut.arm(None)
        assert story.sync()["accepted"]
        pages, near, members = cut.done, [key for key, _, gone in story.absent()], story.members()
        assert pages > 12
        there = d.groups_dn.lower()
        assert sum(a == b == there for a, b in zip(cut.bases, cut.bases[1:])) > 1, cut.bases  # pages of groups
        d.add_group("late", [d.dn("u000080")])  # what no torn reading of them may bring
        incomplete = torn = 0
        for n in range(1, pages):
            cut.arm(n)
            done = story.sync(status=(OK, INCOMPLETE, UNREACHABLE))
            assert [key for key, _, gone in story.absent() if not gone] == near, (n, done)
            assert story.members() == members, (n, done)
            assert not done["accepted"] or not done["groups"]["complete"], (n, done)
            assert done["why"] if not done["accepted"] else done["groups"]["why"], (n, done)
            incomplete += not done["accepted"]
            torn += done["accepted"]
        assert incomplete > 4 and torn > 4
        cut.arm(None)
        assert story.sync()["accepted"]
        story.agrees()
    finally:
        cut.stop()
        story.configure()
