"""The same stories on real slapd, 389 DS and Samba AD: after each the store holds what the
directory's own tools say."""
import sqlite3

import pytest

from daemon import Daemon
from directories import KINDS
from rehearsal import DAY, Clock

PEOPLE = 200
NO, YES = 1, 2  # as the store keeps them

CONFIG = """\
instance:
  name: stories
  zone: UTC
  state_dir: state
master_key:
  file: master.key
sources:
  - name: corp
    kind: ldap
    role: directory
    ldap:
      uris: {uri}
      ca_file: {ca}
      bind_dn: {bind}
      bind_password: corp-ldap
      base: {people}
      groups_base: {groups}
      minimum: 20
      attempts: 1
      {extra}
organisations:
  - name: acme
    cloud:
      org_id: 00000000-0000-4000-8000-000000000000
      key: acme-key
schedule:
  sync_every: 0s
  collect_every: 0s
  plan_every: 0s
"""


class Story:
    """One directory and one leaverd that reads it."""

    def __init__(self, build, folder, directory):
        self.directory, self.folder = directory, folder
        self.clock = Clock(folder / "clock")
        self.daemon = Daemon(build / "leaverd", folder / "instance", self.clock)
        self.daemon.make_instance(self.config())
        self.daemon.command("secret", "set", "corp-ldap", stdin=directory.password + "\n")

    def config(self, extra=""):
        d = self.directory
        return CONFIG.format(uri=d.uri, ca=d.ca, bind=d.bind, people=d.people_dn, groups=d.groups_dn, extra=extra)

    def sync(self, *argv, status=0):
        return self.daemon.json("sync", "corp", *argv, status=status)["sources"][0]

    def rows(self, sql):
        with sqlite3.connect("file:%s?mode=ro" % (self.folder / "instance" / "state" / "leaverd.db"), uri=True) as db:
            return db.execute(sql).fetchall()

    def stored(self):
        """As Directory.truth() tells it."""
        people = {key: (user, active, set(mails.split("\n")) - {""}) for key, user, active, mails in self.rows(
            "SELECT key, user_fold, active, (SELECT coalesce(group_concat(fold, char(10)), '') FROM record_address a"
            " WHERE a.record = r.id) FROM record r WHERE deleted = 0 AND gone = 0 AND absent_reads = 0")}
        groups = {key: (name, set()) for key, name in self.rows("SELECT key, display FROM usergroup WHERE deleted = 0")}
        for group, member in self.rows(
                "SELECT g.key, coalesce(r.key, u.key) FROM member m JOIN usergroup g ON g.id = m.grp AND g.deleted = 0"
                " LEFT JOIN record r ON m.kind = 1 AND r.id = m.member"
                " LEFT JOIN usergroup u ON m.kind = 2 AND u.id = m.member"):
            groups[group][1].add(member)
        return people, groups

    def agrees(self):
        """The store equals the directory: everybody, who is disabled, addresses, who is in what."""
        truth, true_groups = self.directory.truth()
        people, groups = self.stored()
        assert set(people) == set(truth)
        for key, (uid, disabled, mails) in truth.items():
            user, active, addresses = people[key]
            if not uid.startswith("u0") and not uid.startswith("new"):
                continue  # the generator's odd ones: what they mean is tested one by one elsewhere
            assert user.split("@")[0] == uid.casefold() or self.directory.uid != "uid", uid
            assert active == (NO if disabled else YES), (uid, disabled, active)
            assert mails <= addresses, uid
        here = set(truth) | set(true_groups)
        assert {k: n for k, (n, _) in groups.items()} == {k: n for k, (n, _) in true_groups.items()}
        for key, (name, members) in true_groups.items():
            # a person who left the view keeps the memberships until he is gone for good
            assert groups[key][1] & here == members, name


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
