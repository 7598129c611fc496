"""Lists, doubts, protections and forgetting, on a world of some hundred people."""
import json

import pytest

from daemon import CommandFault
from world import World

HELD, NOT_FOUND, USAGE = 4, 10, 2


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    with World(build, tmp_path_factory.mktemp("people"), people=60, orphans=3) as w:
        w.push()
        w.ready()
        w.rounds()
        w.plan()  # links accounts to people
        yield w


def refused(world, status, *argv):
    with pytest.raises(CommandFault) as caught:
        world.command(*argv)
    assert caught.value.status == status, caught.value
    return caught.value.err


def test_accounts_are_narrowed_by_the_language_of_policies(world):
    everybody = world.json("accounts", "--limit", "0")
    assert everybody["matched"] == len(everybody["accounts"]) and not everybody["truncated"]
    managed = world.json("accounts", "--limit", "0", "--filter", 'claimStatus eq "managed"')["accounts"]
    rest = world.json("accounts", "--limit", "0", "--filter", 'not (claimStatus eq "managed")')["accounts"]
    assert managed and rest and len(managed) + len(rest) == len(everybody["accounts"])
    assert {a["class"] for a in managed} <= {"managed", "synced"}
    idle = world.json("accounts", "--limit", "0", "--filter", "lastActive lt now-90d")["accounts"]
    assert idle and all(a["last_active_ms"] is not None for a in idle)
    jira = world.json("accounts", "--filter", 'seats[product eq "jira" and lastActive lt now-90d]')
    assert 0 < jira["matched"] <= everybody["matched"]
    assert "byte" in refused(world, USAGE, "accounts", "--filter", "lastActive lt yesterday")
    assert "person" in refused(world, USAGE, "accounts", "--filter", 'person.userName eq "x"')


def test_seats_name_their_paths_and_count_like_the_products(world):
    counts = {(c["product"], c["site"]): c["seats"] for c in world.json("seats", "--count")["counts"]}
    seats = world.json("seats", "--limit", "0")["seats"]
    for (product, site), count in counts.items():
        assert sum((s["product"], s["site"]) == (product, site) for s in seats) == count
    assert any(path.startswith("group ") for s in seats for path in s["paths"])
    one = world.json("seats", "--limit", "0", "--filter", 'product eq "jira" and account.email sw "a"')["seats"]
    assert one and all(s["product"] == "jira" and s["email"].startswith("a") for s in one)


def test_orphans_are_those_that_nobody_explains_and_no_doubt_is_about(world):
    orphans = world.json("orphans")["accounts"]
    assert len(orphans) == 3
    assert all(a["person"] is None and a["class"] == "managed" for a in orphans)
    doubted = {d["right"].get("account_id") for d in world.json("match")["doubts"]}
    assert not doubted & {a["account_id"] for a in orphans}
    assert "orphan" in world.json("adopt", orphans[0]["account_id"], "--reason", "x",
                                  status=HELD)["accounts"][0]["text"]


def test_doubts_are_shown_side_by_side_and_decided_once(world):
    doubts = world.json("match")["doubts"]
    assert doubts and all(d["state"] == "open" for d in doubts)
    for doubt in doubts:
        assert doubt["left"]["email"] and doubt["right"]["email"]
    number = str(doubts[0]["doubt"])
    # whoever asks for one of them is told of the doubt, though nobody is known by that yet
    for side in ("left", "right"):
        told = world.command("why", doubts[0][side].get("key") or doubts[0][side]["account_id"])
        assert "match confirm " + number in told and "nobody" in told, told
    assert "kept apart" in world.command("match", "refuse", number, "--reason", "two mailboxes")
    assert number not in {str(d["doubt"]) for d in world.json("match")["doubts"]}
    assert {d["state"] for d in world.json("match", "--all")["doubts"]} >= {"open", "refused"}
    refused(world, NOT_FOUND, "match", "refuse", number, "--reason", "again")


def test_adoption_is_by_account_and_by_rule(world):
    linked = [a for a in world.json("accounts", "--limit", "0")["accounts"] if a["person"]]
    first, second = linked[0]["account_id"], linked[1]["account_id"]
    done = world.json("adopt", first, second, "--reason", "checked")["accounts"]
    assert {r["result"] for r in done} <= {"adopted", "unchanged"}
    assert world.json("adopt", first, "--undo", "--reason", "mistake")["accounts"][0]["result"] == "disowned"
    assert "ours" in world.command("adopt", "--rule", "email", "--reason", "sample was right")
    assert "no longer" in world.command("match", "approve", "email", "--undo")
    refused(world, NOT_FOUND, "match", "approve", "no-such-rule")


def test_protections_and_bars_have_owner_reason_and_end(world):
    who = next(a["email"] for a in world.json("accounts", "--limit", "0")["accounts"] if a["person"])
    world.command("protect", "add", who, "--owner", "HR", "--until", "30d", "--reason", "long illness")
    row = world.json("protect", "list")["protections"][-1]
    assert (row["kind"], row["owner"], row["reason"]) == ("exemption", "HR", "long illness")
    assert row["until_ms"] - row["set_ms"] > 29 * 86400000
    refused(world, USAGE, "protect", "add", who, "--owner", "HR", "--reason", "x", "--kind", "luck")
    world.command("protect", "remove", str(row["number"]), "--reason", "back")
    assert row["number"] not in {p["number"] for p in world.json("protect", "list")["protections"]}
    world.command("bars", "add", who, "--rule", "inactive-jira", "--reason", "parental leave")
    bar = world.json("bars", "list")["bars"][-1]
    assert bar["rule"] == "inactive-jira"
    refused(world, NOT_FOUND, "bars", "add", who, "--rule", "no-such-rule", "--reason", "x")
    world.command("bars", "lift", str(bar["number"]))
    assert world.json("bars", "list")["bars"] == []
    made = world.json("expect", who, "--until", "30d", "--reason", "office closes")
    row = world.json("expect", "list")["lists"][0]
    assert row["number"] == made["number"] and row["persons"] == 1 and row["state"] == "waits"
    refused(world, NOT_FOUND, "expect", who, "nobody@nowhere", "--until", "30d", "--reason", "x")


def test_doctor_finds_a_whole_world_in_order(world):
    checks = world.json("doctor")["checks"]
    assert not [c for c in checks if c["verdict"] == "bad"], checks
    assert {"directory", "push source", "organisation", "read users", "read groups"} <= {c["check"] for c in checks}


def test_forgetting_empties_what_is_kept_and_the_chain_still_verifies(world):
    account = next(a for a in world.json("accounts", "--limit", "0")["accounts"] if a["person"] and not a["admin"])
    number = str(account["person"])
    world.command("protect", "add", number, "--kind", "legal-hold", "--owner", "legal", "--reason", "case 7")
    assert "hold" in refused(world, HELD, "forget", number, "--reason", "asked")
    held = world.json("protect", "list")["protections"][-1]["number"]
    world.command("protect", "remove", str(held), "--reason", "closed")
    assert world.json("forget", number, "--reason", "asked")["erased"] > 0
    refused(world, NOT_FOUND, "forget", account["email"], "--reason", "again")
    verified = world.json("audit", "verify", "--head")
    assert verified["forgotten"] > 0
    looked = [json.loads(line) for line in world.command("audit", "export").splitlines()]
    assert {"people.read", "forget", "protection.set", "account.adopt"} <= {e["what"] for e in looked}
