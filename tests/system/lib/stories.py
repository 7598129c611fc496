"""One directory, and one leaverd that reads it: what the stories of directories are told with."""
import base64
import json
import sqlite3

from daemon import Daemon
from rehearsal import Clock

OK, HELD, INCOMPLETE, UNREACHABLE = 0, 4, 5, 6
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

    def config(self, extra="", uri=None):
        d = self.directory
        return CONFIG.format(uri=uri or d.uri, ca=d.ca, bind=d.bind, people=d.people_dn, groups=d.groups_dn,
                             extra=extra)

    def configure(self, extra="", uri=None):
        """Other settings from now on: rows below `ldap:`, separated by newline and indent."""
        self.daemon.write_config(self.config(extra, uri))

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

    def absent(self):
        """Who is on the way to being gone, and who is: (key, reads that missed it, gone)."""
        return sorted(self.rows("SELECT key, absent_reads, gone FROM record WHERE deleted = 0 AND"
                                " (absent_reads > 0 OR gone = 1)"))

    def members(self):
        return sorted(self.rows("SELECT grp, kind, member FROM member"))

    def delta(self, **expect):
        """One delta; the store agrees afterwards. expect: members of the answer."""
        done = self.sync("--delta")
        got = dict(done["delta"], gone=done.get("gone"), missing=done.get("missing"))
        for name, value in expect.items():
            assert got[name] == value, (name, got)
        self.agrees()
        return got

    def doubted(self, *argv):
        """A read that is not accepted: nobody is one read nearer to being gone, no membership ends.
        Its answer."""
        absent, members = self.absent(), self.members()
        done = self.sync(*argv, status=(HELD, INCOMPLETE, UNREACHABLE))
        assert not done["accepted"], done
        assert (self.absent(), self.members()) == (absent, members)
        return done

    def put_back(self, done):
        """After a read of a server whose data are, or look, older: it is believed, or doubted with that
        reason and nobody is missed by it until a person says that this is what is true now."""
        if not done["accepted"]:
            assert done["complete"] and "older" in done["why"], done
            self.daemon.command("source", "accept", "corp", "--reason", "the server was put back from a backup")
            assert self.sync()["accepted"]
        self.agrees()

    def cursor(self):
        """Where the next delta starts, as the store keeps it."""
        rows = self.rows("SELECT value FROM cursor WHERE owner = 'corp' AND name = 'delta'")
        return json.loads(rows[0][0]) if rows else None

    def spoil_cursor(self, at=None):
        """Loses it (None), or puts these bytes in the place of the server's."""
        with sqlite3.connect(self.folder / "instance" / "state" / "leaverd.db") as db:
            if at is None:
                db.execute("DELETE FROM cursor WHERE owner = 'corp' AND name = 'delta'")
                return
            kept = dict(self.cursor(), at=base64.b64encode(at).decode())
            db.execute("UPDATE cursor SET value = ? WHERE owner = 'corp' AND name = 'delta'",
                       (json.dumps(kept, sort_keys=True, separators=(",", ":")),))
