"""What admins are told of by themselves about money and settings: tiers, and a configuration that waits."""
import re

import pytest

from test_notices import jira, until, with_jira
from world import DAY, HOUR, World, actions

BILLING = """\
  - name: acme
    billing:
      - product: jira
        currency: EUR
        term: annual
        renews: 2026-01-14
        tiers: { %d: 900, %d: 1200, %d: 2400 }
"""


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    with World(build, tmp_path_factory.mktemp("bulletins"), people=50, orphans=1) as w:
        w.few = with_jira(w, 3)
        w.push()
        w.ready()
        w.rounds()
        yield w


def configure(world, text):
    world.daemon.stop()
    world.daemon.write_config(text)
    world.daemon.start()


def told(world, words):
    """Titles of alerts that say that; and their texts."""
    texts = [p.read_text() for p in sorted(world.notices.glob("*.txt"))]
    return [t for t in texts if re.search(r"^Subject: .*%s" % words, t, re.M)]


def held(world):
    """Jira seats of the site that most people are on."""
    row = max((r for r in world.json("ledger", "--days", "400")["ledger"] if r["product"] == "jira"), key=lambda r: r["held"])
    return row["held"], row["site"]


def test_a_tier_is_told_of_before_it_is_crossed_and_when_it_pays_to_have_fallen(world):
    count, site = held(world)
    text = world.daemon.config.read_text().replace("  - name: acme\n", BILLING % (count - 2, count + 1, count + 100))
    text = text.replace("notices:\n", "notices:\n  admins: [it@x.example]\n")
    configure(world, text)
    near, = until(lambda: told(world, "Jira on %s is 1 seats? before the next tier" % re.escape(site)), "no tier was told")
    assert "holds %d seats; up to %d cost 1200.00 EUR a year" % (count, count + 1) in near
    assert "renews on 2027-01-14" in near and "2400.00 EUR a year" in near
    assert not told(world, "fell below")

    # three seats go: below the lower boundary, and so many less from the renewal on
    for mail in world.few:
        groups = [g for g in world.rehearsal.account(mail)["groups"] if not g.startswith("jira")]
        world.rehearsal.control("POST", "set", {"account": mail, "groups": groups})
    world.clock.advance(DAY)
    world.command("sync")
    world.command("collect")
    assert held(world)[0] == count - 3
    world.clock.advance(2 * HOUR)
    below, = until(lambda: told(world, "fell below %d seats" % (count - 1)), "nobody was told that it fell")
    assert "a year costs 300.00 EUR less, from 2027-01-14 on" in below
    # once, however often it is looked at; and each day in the digest
    world.clock.advance(DAY)
    until(lambda: "fell" in str(told(world, "to look at")) or "300.00 EUR less" in "".join(told(world, "to look at")), "no digest")
    assert len(told(world, "fell below")) == 1 and len(told(world, "1 seats? before")) <= 2
    assert not any(p["mail"] in t for p in world.people for t in told(world, "tier|fell"))


def test_a_changed_configuration_that_waits_is_told_once(world):
    world.arm()
    text = world.daemon.config.read_text()
    configure(world, text + "  limits:\n    leavers_day: { count: 500 }\n" if text.rstrip().endswith("policy:")
              else re.sub(r"leavers_day: \{ count: \d+", "leavers_day: { count: 500", text))
    waits, = until(lambda: told(world, "a changed configuration waits"), "nobody was told")
    number = re.search(r"leaverd config approve (\d+)", waits).group(1)
    world.clock.advance(3 * HOUR)
    world.command("config", "approve", number, "--reason", "many leave in December")
    assert len(told(world, "a changed configuration waits")) == 1


def test_who_answers_for_an_account_that_a_program_uses_is_asked_once(world):
    text = world.daemon.config.read_text()
    if "admins:" not in text:
        configure(world, text.replace("notices:\n", "notices:\n  admins: [it@x.example]\n"))
    robot = world.rehearsal.accounts("orphan")[0]
    world.rehearsal.control("POST", "set", {"account": robot["id"], "groups": [], "tokens": 1, "tokensUsedDays": 2})
    world.command("collect")
    held = actions(world.plan(), rule="orphan", held=True)
    assert [a["held_by"] for a in held if a["email"] == robot["email"]] == [["service-account"]], held
    world.clock.advance(2 * HOUR)
    asked = until(lambda: told(world, "who answers for this account"), "nobody was asked")
    assert len(asked) == 1 and robot["email"] in asked[0] and "API tokens are in use" in asked[0] and "it@x.example" in asked[0]
    assert until(lambda: told(world, "may be a program"), "admins were not told")
    world.command("collect")
    world.plan()
    world.clock.advance(DAY)
    until(lambda: "may be a program" in "".join(told(world, "to look at")), "no digest")
    assert len(told(world, "who answers for this account")) == 1
    # whoever answers for it says so: it is a protection of theirs
    world.command("protect", "add", "--account", robot["id"], "--kind", "service-account", "--owner", "IT",
                  "--reason", "builds at night")
