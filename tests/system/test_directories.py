"""The same stories on real slapd, 389 DS and Samba AD: after each the store holds what the
directory's own tools say."""
import os

import pytest

from directories import KINDS
from rehearsal import DAY
from stories import Story

PEOPLE = int(os.environ.get("LEAVERD_STORY_PEOPLE", "200"))  # more: make check-long

@pytest.fixture(scope="module", params=sorted(KINDS))
def story(request, build, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    directory = KINDS[request.param](folder / "server")
    directory.start()
    try:
        directory.seed(PEOPLE)
        yield Story(build, folder, directory)
    finally:
        directory.stop()


def test_the_first_load_is_what_the_directory_says(story):
    done = story.sync()
    assert done["accepted"] and done["entries"] == len(story.directory.truth()[0])
    assert done["groups"]["complete"] and done["groups"]["known"], done["groups"]
    story.agrees()


def test_nothing_changed_writes_nothing(story):
    before = story.rows("SELECT max(change) FROM record"), story.rows("SELECT max(change) FROM usergroup")
    done = story.sync()
    assert (done["fresh"], done["changed"], done["missing"]) == (0, 0, 0), done
    assert (done["groups"]["added"], done["groups"]["removed"]) == (0, 0)
    assert before == (story.rows("SELECT max(change) FROM record"), story.rows("SELECT max(change) FROM usergroup"))


def test_a_delta_without_changes_brings_nobody(story):
    story.delta()  # 389 DS writes each bind: the first one may name us
    got = story.delta(fresh=0, changed=0, full=None)
    assert got["strategy"] == story.directory.strategy, got


def test_ten_changes_come_by_delta(story):
    for n in range(40, 50):
        story.directory.set("u%06d" % n, "title", "Changed %d" % n)
    assert story.delta(full=None)["changed"] == 10


def test_a_rename_and_a_move_keep_the_person(story):
    d = story.directory
    before = {uid: key for key, (uid, _, _) in d.truth()[0].items()}
    d.rename("u000050", "cn=Renamed Person" if d.uid != "uid" else "cn=renamed")
    story.delta(full=None)
    branch = d.branch("moved")
    d.rename("u000051", d.dn("u000051").split(",")[0], branch)
    story.delta(full=None)
    after = {uid: key for key, (uid, _, _) in d.truth()[0].items()}
    assert before["u000050"] == after["u000050"] and before["u000051"] == after["u000051"]


def test_who_is_disabled_is_seen_and_who_is_enabled_again(story):
    story.directory.disable("u000052")
    assert story.delta(full=None)["changed"] == 1
    story.directory.enable("u000052")
    assert story.delta(full=None)["changed"] == 1


def test_who_is_deleted_is_missed_by_a_full_read_and_not_gone_yet(story):
    d = story.directory
    d.delete(d.dn("u000053"))
    got = story.delta()
    assert got["full"] == "somebody is not there any more" and got["missing"] == 1, got
    absent = story.rows("SELECT absent_reads, gone FROM record WHERE absent_reads > 0")
    assert absent == [(1, 0)]
    story.delta(full=None)  # and no full read for the same absence again
    assert story.rows("SELECT absent_reads, gone FROM record WHERE absent_reads > 0") == [(1, 0)]


def test_who_is_made_anew_under_the_same_name_is_somebody_else(story):
    d = story.directory
    dn = d.add("new-twin")
    assert story.delta(full=None)["fresh"] == 1
    first = {uid: key for key, (uid, _, _) in d.truth()[0].items()}["new-twin"]
    d.delete(dn)
    d.add("new-twin")
    story.delta()
    second = {uid: key for key, (uid, _, _) in d.truth()[0].items()}["new-twin"]
    assert first != second
    assert (first, 0) in story.rows("SELECT key, gone FROM record WHERE absent_reads > 0")


def test_a_member_more_shows_though_no_person_changed(story):
    d = story.directory
    group = "cn=dept-Legal,%s" % d.groups_dn
    d.modify("dn: %s\nchangetype: modify\nadd: member\nmember: %s\n" % (group, d.dn("u000060")))
    before = story.rows("SELECT count(*) FROM member")[0][0]
    story.delta()
    assert story.rows("SELECT count(*) FROM member")[0][0] in (before, before + 1)


def test_after_three_reads_and_a_day_the_deleted_are_gone(story):
    for _ in range(2):
        story.clock.advance(DAY)
        story.sync()
    gone = story.rows("SELECT count(*) FROM record WHERE gone = 1")[0][0]
    assert gone == 2
    story.agrees()


def test_a_server_that_was_restarted_is_read_on(story):
    story.directory.restart()
    story.directory.set("u000061", "title", "After the restart")
    story.delta()
    story.agrees()


def test_doctor_names_the_server_the_way_and_why(story):
    text = story.daemon.command("doctor", status=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10))
    titles = {"slapd": "OpenLDAP", "389ds": "389 Directory Server", "samba": "Samba AD"}
    ways = {"slapd": "RFC 4533", "389ds": "entryusn", "samba": "DirSync"}
    line = " ".join(text.split())
    assert titles[story.directory.name] in line and ways[story.directory.name] in line, text
