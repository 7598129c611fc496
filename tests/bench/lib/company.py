"""An instance with many people pushed, an organisation with an account of each, rounds made."""
import atexit
import json
import subprocess

from bench import BUILD, CONFIG, instance, note, serving
from rehearsal import Rehearsal

# What a round reads of the store.
TABLES = ("record record_address record_link person account_link address progress account seat "
          "org_group org_grant org_member org_role product").split()

POLICY = """\
policy:
  change_hours:
    on: false
"""


class Company:
    def __init__(self, folder, people, role="idp", policy=""):
        listing = folder / "people.jsonl"
        with listing.open("w") as out:
            for n in range(people):
                out.write(json.dumps({"email": "user%d@example.test" % n,
                                      "name": "Given%d Family%d" % (n, n)}) + "\n")
        self.organisation = Rehearsal(BUILD / "rehearsal", folder, people=listing,
                                      args=("--rate", 0, "--plain"))
        atexit.register(self.organisation.process.terminate)
        config = CONFIG.replace("00000000-0000-4000-8000-000000000000", self.organisation.org)
        config = config.replace("base_url: http://127.0.0.1:1", "base_url: %s\n"
                                "      per_second: 1000\n      at_once: 16" % self.organisation.url)
        config = config.replace("role: idp", "role: " + role)
        self.daemon = instance(folder / "instance", config + POLICY + policy)
        subprocess.run([str(BUILD / "tests/bench/load_users"),
                        str(folder / "instance/state/leaverd.db"), "idp", str(people), "0", "0"],
                       check=True, stdout=subprocess.DEVNULL)
        serving(self.daemon)
        self.command("secret", "set", "acme-key", stdin=self.organisation.key)
        self.command("source", "ready", "idp", "--reason", "everybody was stored")
        self.command("collect")
        note("an organisation of %d accounts was collected" % people)

    def command(self, *argv, **options):
        return self.daemon.command(*argv, timeout=3600, **options)

    def arm(self, folder, mode="propose"):
        """Until commands may act: three complete rounds, a sample, a backup."""
        self.command("plan", "--sample", "2")
        self.command("match", "approve", "email")
        for _ in range(2):
            self.command("collect")
            self.command("plan", "--sample", "2")
        self.command("backup", str(folder / (mode + ".db")))
        self.command("arm", mode, "--org", "acme", "--reason", "bench")

    def close(self):
        self.daemon.stop()
        self.organisation.stop()
