"""Answers of Atlassian that are none, or not whole; keys that open nothing."""
import json
import re

import pytest

from daemon import CommandFault
from spoil import (  # noqa: F401
    HELD, INCOMPLETE, SECRET, UNREACHABLE, fault, restart, restart_with, scim_serves, settled, world)
from world import HOUR, World, actions


def seats_and_accounts(world):
    return (world.json("seats", "--limit", "0")["seats"], world.json("accounts", "--limit", "0")["accounts"])


def collect_fails(world, before, *says, status=(INCOMPLETE, UNREACHABLE)):
    """A collect that cannot read all: what it says; what was known is still known."""
    with pytest.raises(CommandFault) as caught:
        world.command("collect", "--json")
    assert caught.value.status in status, caught.value
    document = json.loads(caught.value.out)
    sentence = " ".join(filter(None, [o.get("why") for o in document["organisations"]] + [document["fault"]["text"]]))
    for word in says:
        assert re.search(word, sentence), (word, sentence)
    seats, accounts = seats_and_accounts(world)
    assert len(seats) == len(before[0]) and len(accounts) == len(before[1])
    assert {a["account_id"] for a in accounts} == {a["account_id"] for a in before[1]}
    scim_serves(world)
    return sentence


KINDS = [
    ("garbage", dict()), ("truncate", dict()), ("cut", dict()), ("reset", dict()), ("hang", dict(ms=60000)),
    ("status", dict(status=500)), ("status", dict(status=429, headers={"Retry-After": "0"})),
]


@pytest.mark.parametrize("kind, more", KINDS, ids=[k + str(m.get("status", "")) for k, m in KINDS])
@pytest.mark.parametrize("path, page", [("*/users*", "users"), ("*/groups*", "groups"), ("*/directories", "directories")])
def test_what_atlassian_does_not_say_in_order_is_not_known(world, kind, more, path, page):
    world.rehearsal.clear_faults()
    world.command("collect")
    before = seats_and_accounts(world)
    if kind == "hang":
        restart_with(world, "deadline: 8s", "deadline: 2s")  # each page is waited for to its deadline
    world.rehearsal.fault(kind, path=path, count=-1, **more)
    collect_fails(world, before, page)
    plan = world.plan()
    assert not plan["complete"]
    assert not [a for a in actions(plan, "orphan") + actions(plan, kind="free-seat")]
    assert world.rehearsal.effects() == []
    world.rehearsal.clear_faults()
    if kind == "hang":
        restart_with(world, "deadline: 2s", "deadline: 8s")
    world.command("collect")
    assert world.plan()["complete"]


def test_a_key_that_is_wrong_or_expired_is_named_and_asked_for(world):
    world.command("collect")
    before = seats_and_accounts(world)
    world.command("secret", "set", "acme-key", stdin="not-the-key")
    try:
        collect_fails(world, before, "wrong, expired", "leaverd secret rotate acme-key", status=(HELD,))
        assert "acme-key" in fault(world.daemon, HELD, "doctor")
    finally:
        world.command("secret", "set", "acme-key", stdin=world.rehearsal.key)
    world.command("collect")


def test_a_missing_key_is_named_with_the_command_that_sets_it(world):
    before = seats_and_accounts(world)
    world.command("secret", "remove", "acme-key")
    try:
        text = fault(world.daemon, SECRET, "collect")
        assert "secret set acme-key" in text
        world.clock.advance(13 * HOUR)  # too old to plan upon, and nobody can look
        with pytest.raises(CommandFault) as caught:
            world.command("plan")
        assert caught.value.status == SECRET and "Nothing is to be done" not in caught.value.out
    finally:
        world.command("secret", "set", "acme-key", stdin=world.rehearsal.key)
    assert seats_and_accounts(world) == before


def test_one_system_that_fails_does_not_keep_the_others_from_being_read(world):
    config = world.daemon.config.read_text()
    first = config.index("  - name: corp")
    corp = config[first:config.index("  - name: idp")]
    acme = config[config.index("  - name: acme"):config.index("schedule:")]
    without = corp.replace("name: corp", "name: lost").replace("corp-ldap", "no-such-secret")
    beta = acme.replace("name: acme", "name: beta").replace("acme-key", "no-such-key")
    restart(world, config.replace(corp, without + corp).replace(acme, beta + acme))
    with pytest.raises(CommandFault) as caught:
        world.command("sync", "--json")
    assert caught.value.status == SECRET
    lost, corp = json.loads(caught.value.out)["sources"]
    assert not lost["accepted"] and "leaverd secret set no-such-secret" in lost["why"]
    assert corp["accepted"]
    with pytest.raises(CommandFault) as caught:
        world.command("collect", "--json")
    assert caught.value.status == SECRET
    beta, acme = json.loads(caught.value.out)["organisations"]
    assert not beta["complete"] and "leaverd secret set no-such-key" in beta["why"]
    assert acme["complete"]
    shown = world.command("collect", status=SECRET)
    assert "no-such-key" in shown and "acme" in shown


def test_a_scoped_key_is_told_which_right_it_lacks(build, tmp_path):
    with World(build, tmp_path, people=30, orphans=1, rehearsal_args=["--scoped-key", "scoped"]) as w:
        w.push()
        w.ready()
        w.rounds()
        w.command("secret", "set", "acme-key", stdin="scoped")
        checks = w.json("doctor", status=HELD)["checks"]
        assert [c for c in checks if c["verdict"] == "bad" and re.search("scope|right", c["text"])], checks
        w.rehearsal.clear_log()
        try:
            out = w.json("collect")
        except CommandFault as refused:
            assert refused.status in (HELD, INCOMPLETE, UNREACHABLE), refused
            out = json.loads(refused.out)
            assert re.search("scope|right|key", out["organisations"][0]["why"]), out
        assert w.rehearsal.effects() == []
        assert w.json("accounts", "--limit", "1")["matched"] > 0
