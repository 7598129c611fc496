"""What a person may accept, and what nobody may: reads that broke a bound, another directory."""
import json

import pytest

from daemon import CommandFault
from slapd import Slapd
from world import HOUR, World


@pytest.fixture
def world(build, tmp_path):
    with World(build, tmp_path, people=60, orphans=0) as w:
        w.push()
        w.ready()
        w.rounds()
        w.arm()
        yield w


def reconfigure(world, before, after):
    text = world.daemon.config.read_text(encoding="utf-8")
    assert before in text
    world.daemon.stop()
    world.daemon.write_config(text.replace(before, after))
    world.daemon.start()


def chain(world, what):
    lines = world.command("audit", "export").splitlines()
    return [e for e in map(json.loads, lines) if e["what"] == what]


def held_by(plan):
    return {g["name"] for g in plan["guards"] if g["verdict"] == "hold-plan"}


def test_a_small_organisation_counts_only_when_a_person_accepts_it(world):
    with pytest.raises(CommandFault) as fault:  # it was plausible: there is nothing to accept
        world.command("collect", "accept", "acme", "--reason", "r")
    assert "no read that could be accepted" in str(fault.value)
    reconfigure(world, "at_once: 8", "at_once: 8\n      minimum: 5000")
    world.clock.advance(HOUR)
    read = world.json("collect", status=5)["organisations"][0]
    assert not read["complete"] and "expects 5000 at least" in read["why"], read
    assert "leaverd collect accept acme" in read["why"]
    assert "org-implausible" in held_by(world.plan())
    world.command("collect", "accept", "acme", status=2)  # only with a reason
    assert chain(world, "collect.accept") == []
    read = world.json("collect", "accept", "acme", "--reason", "CHG-77")["organisations"][0]
    assert read["complete"], read
    entry = chain(world, "collect.accept")[0]
    assert entry["target"] == "organisation acme" and "CHG-77" in json.dumps(entry)
    assert "org-implausible" not in held_by(world.plan())
    # it was for one read: the next is judged anew
    world.clock.advance(HOUR)
    assert not world.json("collect", status=5)["organisations"][0]["complete"]


def test_another_directory_is_accepted_by_name_and_with_a_reason(world, tmp_path):
    other = Slapd(tmp_path / "other-slapd")
    other.start()
    world.children.append(other)
    other.seed(60, "--disabled", "0.0", "--seed", "7")
    reconfigure(world, world.slapd.ldaps_uri, other.ldaps_uri)
    reconfigure(world, str(world.slapd.ca), str(other.ca))
    world.clock.advance(HOUR)
    read = world.json("sync", status=5)["sources"][0]
    assert "another" in read["why"] and not read["accepted"], read
    assert "identity-changed" in held_by(world.plan())
    world.command("source", "accept", "corp", status=2)  # only with a reason
    said = world.command("source", "accept", "corp", "--reason", "new machine, CHG-12")
    assert "is replaced by" in said and other.ldaps_uri in said, said
    why = json.dumps(chain(world, "source.accept")[0])
    assert "CHG-12" in why and "is replaced by" in why, why
    assert "identity-changed" not in held_by(world.plan())
    world.clock.advance(HOUR)
    read = world.json("sync", status=(0, 5))["sources"][0]
    assert read["accepted"], read
