"""HR as a folder of exports: CSV files that are dropped whole."""
import os

# The HR source of every world, as an export instead of a push.
HR = """\
  - name: hr
    kind: file
    role: hr
    max_age: 31d
    file:
      kind: full
      folder: drops
      pattern: "people-*.csv"
      settle: 0
      key: Personnel No
      map:
        userName: Mail
        emails[type eq "work"].value: Mail
        name.familyName: '"Last name"'
        active: 'State {{ Active: true, Left: false }}'
        employment.lastWorkingDay: '"Last day"'
      dates: {{ Last day: dd.mm.yyyy }}
      time_zone: Europe/Berlin
      canaries: ["1"]
      minimum: 20
"""

# The same source as it stands in a world's configuration, pushed.
PUSHED = """\
  - name: hr
    kind: scim
    role: hr
    max_age: 31d
"""


class Drops:
    """What has a folder of drops as its HR source; staff, clock and json() are of the others."""

    def drops_in(self, folder):
        self.drops = folder / "drops"
        self.drops.mkdir(parents=True)
        self.number = 0

    def rows(self, ends=None, without=(), state=None):
        """Header and rows of an export; ends: last days by uid."""
        lines = ["Personnel No;Last name;Mail;State;Last day;Exported"]
        for n, p in enumerate(self.staff):
            if p["uid"] in without:
                continue
            name = '"%s"' % p.get("sn", "").replace('"', '""')
            lines.append(";".join([str(n + 1), name, p["mail"], (state or {}).get(p["uid"], "Active"),
                                   (ends or {}).get(p["uid"], ""), str(self.number)]))
        return lines

    def drop(self, text, age=0):
        """Puts a whole file there by renaming it."""
        self.number += 1
        at = self.clock.now_ms() / 1000 - age / 1000
        path = self.drops / ("people-%04d.csv" % self.number)
        part = path.with_suffix(".csv.part")
        part.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.utime(part, (at, at))
        part.rename(path)
        return path

    def export(self, age=0, **more):
        return self.drop("\n".join(self.rows(**more)) + "\n", age)

    def sync(self, status=0):
        """The answer about the HR source."""
        return self.json("sync", "hr", status=status)["sources"][0]

    def known(self):
        """What is stored about everybody of HR."""
        return sorted((u["id"], u["userName"], u["active"], u["version"])
                      for u in self.json("users", "--source", "hr", "--limit", "0")["users"])
