"""What others change at Atlassian: read from its audit events by cursor, told, and held against our journal."""
import urllib.parse

import pytest

from world import DAY, HOUR, World, actions


@pytest.fixture
def world(build, tmp_path):
    with World(build, tmp_path, people=60, orphans=0) as w:
        w.leaver = w.ordinary[0]
        w.push(ends={w.leaver["uid"]: "2026-11-22"})
        w.ready()
        w.rounds()
        w.arm()
        yield w


def collected(world, status=(0, 5)):
    world.clock.advance(HOUR)
    return world.json("collect", status=status)["organisations"][0]["events"]


def held_by(plan):
    return {g["name"] for g in plan["guards"] if g["verdict"] == "hold-plan"}


def account(world, n):
    return world.rehearsal.account(world.ordinary[n]["mail"])


def by_hand(world, action, who, actor, **more):
    """group=, key= (an empty one: Atlassian does not tell its id)."""
    body = {"action": action, "actor": actor["id"], **more}
    world.rehearsal.control("POST", "events", dict(body, **({"account": who["id"]} if who else {})))


def keys(world):
    return {k["key"]: k["standing"] for k in world.json("events", "acme")["organisations"][0]["keys"]}


def under_our_key(world, who):
    """Somebody else who has our key suspends an account."""
    path = world.rehearsal.v2("users/%s/suspend" % urllib.parse.quote(who["id"], safe=""))
    assert world.rehearsal.post(path, {}).status == 204


def act(world):
    """One block of ours, so that our key is known by what was done under it."""
    world.approve(world.plan())
    done = world.apply(world.plan())
    assert world.rehearsal.account(world.leaver["mail"])["status"] == "suspended", done


def test_why_tells_who_changed_somebody_at_atlassian(world):
    bob, boss = account(world, 2), account(world, 3)
    by_hand(world, "user_added_to_group", bob, boss, group="jira-users-acme")
    by_hand(world, "user_suspended", bob, bob)
    by_hand(world, "data_policy_applied", bob, boss)  # a kind that came after this was written
    read = collected(world)
    assert (read["kept"], read["foreign"], read["end"], read["why"]) == (3, 0, True, None), read
    assert read["unknown_kinds"] == 1, read
    story = world.json("why", bob["email"])["stories"][0]
    past = [r for r in story["rows"] if r["section"] == "past" and r["label"] == "user_added_to_group"]
    assert len(past) == 1 and boss["email"] in past[0]["text"], story["rows"]
    assert "jira-users-acme" in past[0]["text"] and past[0]["state"] == "by others"
    # nothing comes twice, and nothing is asked for twice
    assert collected(world)["kept"] == 0
    rows = world.json("events", "acme")["events"]
    assert sorted((r["action"], r["account"], r["actor"]) for r in rows) == [
        ("data_policy_applied", bob["email"], boss["email"]),
        ("user_added_to_group", bob["email"], boss["email"]),
        ("user_suspended", bob["email"], bob["email"])], rows


def test_a_write_under_our_key_that_our_journal_does_not_know_holds_every_plan(world):
    act(world)
    read = collected(world)
    assert read["read"] > 0 and (read["kept"], read["foreign"]) == (0, 0), "what we did is in the journal"
    assert world.json("events", "acme")["organisations"][0]["key_known"] and keys(world) == {"key-1": "proved"}
    under_our_key(world, account(world, 2))
    assert collected(world)["foreign"] == 1
    assert "foreign-write" in held_by(world.plan())
    assert "foreign-write" in world.command("events", "acme"), "the table says what holds, and what to do"
    assert [r["by"] for r in world.json("events", "acme", "--foreign")["events"]] == ["our key"]
    world.command("events", "explain", "acme", status=2)  # only with a reason
    world.command("events", "explain", "acme", "--reason", "script of IT, CHG-7")
    assert "foreign-write" not in held_by(world.plan())
    assert world.command("audit", "verify")
    with pytest.raises(Exception, match="does not know"):
        world.command("events", "explain", "acme", "--reason", "again")


def test_before_our_key_is_known_its_writes_are_judged_when_it_is(world):
    under_our_key(world, account(world, 2))
    read = collected(world)
    assert (read["kept"], read["foreign"]) == (1, 0), read
    assert "foreign-write" not in held_by(world.plan())
    act(world)
    assert collected(world)["foreign"] == 1, "the older one too"
    assert "foreign-write" in held_by(world.plan())


def test_a_cursor_that_atlassian_refuses_loses_nothing_and_is_said(world):
    by_hand(world, "user_suspended", account(world, 2), account(world, 3))
    assert collected(world)["kept"] == 1
    by_hand(world, "user_restored", account(world, 2), account(world, 3))
    world.rehearsal.fault("status", path="*/events-stream", status=400, count=1)
    read = collected(world)
    assert (read["kept"], read["end"]) == (1, True), read
    assert "read again from" in read["why"] and "none is lost" in read["why"], read


def test_what_was_lost_for_good_is_shown_as_a_gap(world):
    assert collected(world)["end"]
    by_hand(world, "user_suspended", account(world, 2), account(world, 3))
    assert collected(world)["kept"] == 1
    world.clock.advance(200 * DAY)
    world.rehearsal.fault("status", path="*/events-stream", status=400, count=1)
    read = world.json("collect", status=(0, 5))["organisations"][0]["events"]
    assert "are lost" in read["why"], read
    at = world.json("events", "acme")["organisations"][0]
    assert at["gap_from_ms"] < at["gap_to_ms"] <= world.clock.now_ms() - 180 * DAY, at


def test_a_refusal_is_said_and_the_collection_counts(world):
    world.rehearsal.fault("status", path="*/events-stream", status=403, count=-1)
    answer = world.json("collect", status=(0, 5))["organisations"][0]
    assert answer["complete"] and not answer["events"]["end"] and "403" in answer["events"]["why"], answer
    assert "403" in world.json("events")["organisations"][0]["why"]
    checks = world.json("doctor", status=(0, 1, 2, 3, 4, 5, 6))["checks"]
    assert [c["verdict"] for c in checks if c["check"] == "read audit events"] == ["warn"], checks
    world.rehearsal.clear_faults()
    by_hand(world, "user_suspended", account(world, 2), account(world, 3))
    assert collected(world)["kept"] == 1


def test_forgetting_a_person_takes_their_events_and_their_name_as_actor(world):
    bob, boss = account(world, 2), account(world, 3)
    by_hand(world, "user_suspended", bob, boss)
    by_hand(world, "user_suspended", account(world, 4), boss)
    assert collected(world)["kept"] == 2
    world.command("forget", boss["email"], "--reason", "asked to be forgotten")
    rows = world.json("events")["events"]
    assert len(rows) == 2 and {r["actor"] for r in rows} == {""}, rows
    world.command("forget", bob["email"], "--reason", "asked to be forgotten")
    assert len(world.json("events")["events"]) == 1
    assert actions(world.plan()) is not None


def test_near_a_deed_of_ours_only_what_is_the_same_deed_is_ours(world):
    """Another account, another kind, another group, and nobody in particular: within the minute, under our key."""
    act(world)
    ada, boss, leaver = account(world, 2), account(world, 3), world.rehearsal.account(world.leaver["mail"])
    by_hand(world, "user_removed_from_group", leaver, boss, key="key-1")
    by_hand(world, "user_suspended", ada, boss, key="key-1")
    by_hand(world, "group_deleted", None, boss, group="jira-users-acme", key="key-1")
    by_hand(world, "group_created", None, boss, key="key-1")
    read = collected(world)
    assert read["foreign"] == 4, world.json("events", "acme")
    why = {(r["action"], r["account"] if r.get("account") else r["group"]): r["why"]
           for r in world.json("events", "acme", "--foreign")["events"]}
    assert why[("user_removed_from_group", leaver["email"])] == "our journal has a change then, but not of this kind"
    assert why[("user_suspended", ada["email"])] == "our journal has nothing of it"
    assert why[("group_deleted", "jira-users-acme")] == "our journal has nothing of it"
    assert why[("group_created", "")] == "it names no account and no group that we know", why
    assert "foreign-write" in held_by(world.plan())


def test_a_key_that_came_near_a_deed_of_ours_is_not_ours(world):
    """Somebody else's script, with a key of its own, suspends whom we suspend, in the same minute, and others."""
    ada, boss = account(world, 2), account(world, 3)
    world.approve(world.plan())
    world.apply(world.plan())
    by_hand(world, "user_suspended", world.rehearsal.account(world.leaver["mail"]), boss, key="key-9")
    by_hand(world, "user_suspended", ada, boss, key="key-9")
    read = collected(world)
    assert read["foreign"] == 0, read
    shown = world.json("events", "acme")
    assert keys(world)["key-9"] == "disputed", shown
    mine = [r for r in shown["events"] if r["key"] == "key-9" and r["account"] == world.leaver["mail"]]
    assert [(r["by"], r["why"]) for r in mine] == [
        ("a key not known", "our journal has it, but nothing proves its key to be ours")], shown
    # ours is proved by what it alone did, and theirs never
    under_our_key(world, account(world, 4))
    world.command("block", account(world, 5)["email"], "--reason", "left")
    assert collected(world)["foreign"] == 1
    assert keys(world) == {"key-1": "proved", "key-9": "disputed"}


def test_a_standby_key_is_ours_as_well_and_one_without_an_id_is_called_by_its_owner(world):
    """Our own events, as Atlassian tells them under a second key, and under one whose id it does not tell."""
    boss = account(world, 3)
    act(world)
    collected(world)
    assert keys(world) == {"key-1": "proved"}
    for n, key in ((5, "key-2"), (6, "")):
        who = world.ordinary[n]["mail"]
        world.command("block", who, "--reason", "left")
        assert world.rehearsal.account(who)["status"] == "suspended"
        world.rehearsal.clear_log()  # as if Atlassian had told it under that key only
        by_hand(world, "user_suspended", world.rehearsal.account(who), boss, key=key)
        by_hand(world, "user_suspended", account(world, n + 2), boss, key=key)
        read = collected(world)
        assert read["foreign"] == 1, (key, world.json("events", "acme"))
        world.command("events", "explain", "acme", "--reason", "the standby key's test")
    assert keys(world) == {"key-1": "proved", "key-2": "proved", "actor:" + boss["id"]: "proved"}


def test_the_configuration_has_the_last_word_on_whose_key_it_is(world):
    config = (world.folder / "instance" / "leaverd.yaml").read_text()
    world.daemon.stop()
    world.daemon.write_config(config.replace("      key: acme-key\n", "      key: acme-key\n      key_ids: [key-7]\n"))
    world.daemon.start()
    # whose writes hold every plan is not for a file alone to say
    world.command("config", "approve", "--reason", "as admin.atlassian.com calls it")
    world.daemon.stop()
    world.daemon.start()
    ada, boss = account(world, 2), account(world, 3)
    by_hand(world, "user_suspended", ada, boss, key="key-7")
    collected(world)
    by_hand(world, "user_suspended", ada, boss, key="key-7")
    assert collected(world)["foreign"] == 1, "known at once, before anything was done under it"
    world.command("events", "explain", "acme", "--reason", "IT's own")
    act(world)
    collected(world)
    assert keys(world) == {"key-7": "configured", "key-1": "not configured"}
    under = {r["key"]: r["by"] for r in world.json("events", "acme")["events"]}
    assert under == {"key-7": "our key, explained", "key-1": "a key not known"}, under
