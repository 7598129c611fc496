"""Evidence packs: what stands in them, and that no byte can change unseen."""
import hashlib
import json
import os
import random
import shutil
import subprocess
import tarfile

import pytest

from daemon import EMPLOYMENT, CommandFault
from world import World

DAMAGED, HELD, USAGE, NOT_FOUND = 8, 4, 2, 10


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    """A world in which two leavers were suspended by one applied plan."""
    folder = tmp_path_factory.mktemp("evidence")
    with World(build, folder, people=40, orphans=1) as w:
        gone = [p["uid"] for p in w.ordinary[:2]]
        w.leavers = [p["mail"] for p in w.ordinary[:2]]
        w.push(ends={uid: "2026-11-20" for uid in gone})
        w.ready()
        w.rounds()
        w.arm()
        plan = w.plan()
        w.approve(plan)
        w.apply(plan)
        begun = [json.loads(x) for x in w.command("audit", "export").splitlines() if '"run.begin"' in x]
        w.run = int(begun[0]["target"].split()[1])
        w.key = folder / "acme.key"
        w.key.write_text(w.command("evidence", "key"))
        w.first = folder / "first"
        w.command("evidence", "--from", "2026-11-01", "--to", "2026-12-01", "--output", str(w.first), "--tar")
        yield w


def verify(world, pack, key=None):
    """(status, what it says) of `evidence verify`, which gets no configuration."""
    env = {k: v for k, v in world.daemon.env.items() if k != "LEAVERD_CONFIG"}
    env["LEAVERD_CONFIG"] = "/nowhere/leaverd.yaml"
    done = subprocess.run([world.daemon.binary, "evidence", "verify", str(pack), "--key", str(key or world.key), "--json"],
                          env=env, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_pack_tells_what_was_decided_and_done_about_whom(world):
    assert verify(world, world.first)[0] == 0 and verify(world, world.first.with_suffix(".tar"))[0] == 0
    plans = sorted(world.first.glob("plan-*"))
    whole = {p.name: json.loads((p / "about.json").read_text()) for p in plans}
    applied = [p for p in plans if (p / "journal.jsonl").read_text()]
    assert applied and len(plans) == len(whole)
    for p in plans:
        digest = hashlib.blake2b((p / "plan.json").read_bytes(), digest_size=32).hexdigest()
        assert digest == whole[p.name]["digest"]
        assert all(d["digest"] == digest and d["why"] == "looked at" for d in lines(p / "decisions.jsonl"))
        actions = json.loads((p / "plan.json").read_text())["actions"]
        assert len(lines(p / "values.jsonl")) == len(actions)
    table = "\n".join((p / "before-after.csv").read_text() for p in applied)
    for mail in world.leavers:
        row = next(r for r in table.splitlines() if mail in r and ",suspend," in r)
        assert '""status"":""active""' in row and '""status"":""suspended""' in row and ",done," in row
    kinds = {line["kind"] for p in applied for line in lines(p / "journal.jsonl")}
    assert kinds == {"begin", "intent", "outcome", "end"}
    chain = lines(world.first / "audit.jsonl")
    assert [e["seq"] for e in chain] == list(range(chain[0]["seq"], chain[-1]["seq"] + 1))
    text = (world.first / "configuration.yaml").read_text()
    assert "leavers_day" in text and "rehearsal-key" not in text
    last = [json.loads(x) for x in world.command("audit", "export").splitlines() if '"evidence.make"' in x][-1]
    assert json.loads(last["body"])["manifest"] == hashlib.blake2b(
        (world.first / "MANIFEST").read_bytes(), digest_size=32).hexdigest()
    assert not list((world.folder / "instance" / "state").glob("evidence.*"))


def test_others_can_check_the_sums_and_unpack_the_tar(world, tmp_path):
    for tool, sums in (("sha256sum", "SHA256SUMS"), ("b2sum", "B2SUMS")):
        subprocess.run([tool, "--quiet", "-c", sums], cwd=world.first, check=True)
    with tarfile.open(world.first.with_suffix(".tar")) as tar:
        tar.extractall(tmp_path)
    assert verify(world, tmp_path / "first")[0] == 0
    same = subprocess.run(["diff", "-r", str(tmp_path / "first"), str(world.first)])
    assert same.returncode == 0


def flip(path, at, bit=0):
    with path.open("r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ (1 << bit)]))


def test_one_flipped_bit_in_any_file_is_found_and_named(world, tmp_path):
    copy = tmp_path / "pack"
    shutil.copytree(world.first, copy)
    chance = random.Random(7)
    files = [p for p in sorted(copy.rglob("*")) if p.is_file()]
    assert len(files) > 12
    tried = 0
    for path in files:
        size, name = path.stat().st_size, str(path.relative_to(copy))
        for at in sorted({chance.randrange(size), size - 1} if size else ()):
            bit = chance.randrange(8)
            flip(path, at, bit)
            status, said, err = verify(world, copy)
            assert status == DAMAGED, (name, at, bit)
            # a manifest and its signature accuse each other: it is one of the two
            named = {f["file"] for f in said["faults"]}
            assert name in named or (name == "MANIFEST" and named == {"MANIFEST.sig"}), (name, said)
            flip(path, at, bit)
            tried += 1
    assert tried > 20 and verify(world, copy)[0] == 0


def test_one_flipped_bit_anywhere_in_the_tar_is_found(world, tmp_path):
    copy = tmp_path / "pack.tar"
    shutil.copyfile(world.first.with_suffix(".tar"), copy)
    size, chance = copy.stat().st_size, random.Random(11)
    # every byte of the first header's fields, its padding, the end, and places by chance
    places = list(range(0, 512, 37)) + [size - 1, size - 513, size - 1025] + [chance.randrange(size) for _ in range(40)]
    for at in places:
        bit = chance.randrange(8)
        flip(copy, at, bit)
        status, said, err = verify(world, copy)
        assert status == DAMAGED and said["faults"], (at, bit)
        flip(copy, at, bit)
    assert verify(world, copy)[0] == 0
    for cut in (1, 512, 1024, size // 2):
        (tmp_path / "cut.tar").write_bytes(copy.read_bytes()[:-cut])
        assert verify(world, tmp_path / "cut.tar")[0] == DAMAGED
    (tmp_path / "long.tar").write_bytes(copy.read_bytes() + b"\0")
    assert verify(world, tmp_path / "long.tar")[0] == DAMAGED


def headers(data):
    """Where the headers of a tar begin."""
    at = 0
    while data[at]:
        yield at
        size = int(data[at + 124:at + 135], 8)
        at += 512 + (size + 511) // 512 * 512


def with_headers(data, change):
    """The same tar with something else in each of its headers, whose sums fit."""
    data = bytearray(data)
    for at in list(headers(data)):
        change(data, at)
        data[at + 148:at + 156] = b" " * 8
        data[at + 148:at + 156] = b"%06o\0 " % sum(data[at:at + 512])
    return bytes(data)


def test_a_tar_says_nothing_that_is_not_signed_and_leaves_no_folder(world, tmp_path):
    whole = world.first.with_suffix(".tar").read_bytes()

    def named(top):
        def change(data, at):
            data[at + 345:at + 345 + 155] = top.ljust(155, b"\0")
        return change

    def later(data, at):
        data[at + 136:at + 147] = b"%011o" % (int(data[at + 136:at + 147], 8) + 3600)

    copy = tmp_path / "copy.tar"
    copy.write_bytes(with_headers(whole, lambda data, at: None))
    assert copy.read_bytes() == whole and verify(world, copy)[0] == 0
    for change in (later, named(b"../first"), named(b"/first"), named(b".."), named(b"a/b"), named(b"")):
        copy.write_bytes(with_headers(whole, change))
        assert verify(world, copy)[0] == DAMAGED


def test_what_somebody_put_in_is_named_whatever_it_is_called(world, tmp_path):
    copy = tmp_path / "pack"
    shutil.copytree(world.first, copy)
    odd = os.fsencode(copy) + b"/a\xff\x1b[31m\n"
    with open(odd, "w") as f:
        f.write("x")
    (copy / "drawer").mkdir()
    (copy / "plan-1.json").symlink_to("/etc/passwd")
    os.mkfifo(copy / "pipe")
    status, said, err = verify(world, copy)
    assert status == DAMAGED and {(f["file"], f["text"]) for f in said["faults"]} == {
        ("a\\xff\\x1b[31m\\x0a", "is not one of the pack's files"), ("drawer", "is an empty folder, which no pack has"),
        ("plan-1.json", "is not a plain file"), ("pipe", "is not a plain file")}


def test_what_is_missing_added_or_of_another_key_is_named(world, tmp_path):
    copy = tmp_path / "pack"
    shutil.copytree(world.first, copy)
    (copy / "audit.jsonl").unlink()
    (copy / "extra.txt").write_text("x")
    status, said, err = verify(world, copy)
    assert status == DAMAGED
    assert {(f["file"], f["text"]) for f in said["faults"]} >= {
        ("audit.jsonl", "is missing"), ("extra.txt", "is not one of the pack's files")}
    other = tmp_path / "other.key"
    other.write_text(world.key.read_text().replace("key ", "key 00", 1)[:-3] + "\n")
    assert verify(world, world.first, other)[0] != 0
    key = bytearray.fromhex(world.key.read_text().split()[-1])
    key[0] ^= 1
    other.write_text("leaverd-evidence-key 1\ninstance x\nkey %s\n" % key.hex())
    status, said, err = verify(world, world.first, other)
    assert status == DAMAGED and "another key" in err
    status, said, err = verify(world, tmp_path / "nowhere")
    assert (status, said) == (NOT_FOUND, None)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.tar").write_bytes(b"")
    for nothing in ("empty", "empty.tar"):
        status, said, err = verify(world, tmp_path / nothing)
        assert status == DAMAGED and said["faults"], nothing
        done = subprocess.run([world.daemon.binary, "evidence", "verify", str(tmp_path / nothing), "--key", str(world.key)],
                              env=world.daemon.env, capture_output=True, text=True)
        assert "signed it" not in done.stdout
    done = subprocess.run([world.daemon.binary, "evidence", "verify", str(tmp_path / "nowhere"), "--key", str(world.key)],
                          env=world.daemon.env, capture_output=True, text=True)
    assert done.stdout == "" and "nowhere" in done.stderr


def test_forgotten_people_stay_erased_and_the_pack_verifies(world, tmp_path):
    mail = world.leavers[0]
    assert mail in "".join(p.read_text() for p in world.first.rglob("*.csv"))
    world.command("forget", mail, "--reason", "asked for it")
    after = tmp_path / "after"
    world.command("evidence", "--from", "2026-11-01", "--to", "2026-12-01", "--output", str(after))
    for path in after.rglob("*"):
        if path.is_file():
            assert mail not in path.read_text(), path
    status, said, err = verify(world, after)
    assert status == 0 and said["erased"] >= 1 and said["values"] >= 1, said
    assert said["audit_forgotten"] >= 1
    # what was handed out before is as it was
    assert verify(world, world.first)[0] == 0


def test_a_pack_of_one_run_holds_that_run_alone(world, tmp_path):
    pack = tmp_path / "run"
    assert "run %d" % world.run in world.command("evidence", str(world.run), "--output", str(pack))
    plan, = pack.glob("plan-*")
    assert {r["run"] for r in lines(plan / "runs.jsonl")} == {r["run"] for r in lines(plan / "journal.jsonl")} == {world.run}


def test_a_plan_with_a_leaver_who_lies_ahead_is_for_whoever_has_the_role(world, tmp_path):
    soon = world.ordinary[4]
    world.hr.patch("Users/" + world.hr_ids[soon["uid"]], [
        {"op": "replace", "value": {EMPLOYMENT: {"lastWorkingDay": "2026-11-24"}}}])
    world.rounds()
    world.plan()
    span = ("--from", "2026-11-01", "--to", "2026-12-01")
    with pytest.raises(CommandFault) as caught:
        world.command("evidence", *span, "--output", str(tmp_path / "no"))
    assert caught.value.status == HELD and "lie ahead" in caught.value.err and soon["mail"] not in caught.value.err
    assert not list(tmp_path.iterdir()) and not list((world.folder / "instance" / "state").glob("evidence.*"))
    token = tmp_path / "token"
    token.write_text(world.json("token", "new", "hr-proves", "--role", "hr-confidential")["token"] + "\n")
    world.command("evidence", *span, "--output", str(tmp_path / "yes"), "--token-file", str(token))
    assert soon["mail"] in "".join(p.read_text() for p in (tmp_path / "yes").rglob("before-after.csv"))
    # what was carried out already is told to everybody
    world.command("evidence", str(world.run), "--output", str(tmp_path / "run"))


def test_no_pack_is_made_of_nothing_or_over_something(world, tmp_path):
    for argv, status in ((("evidence",), USAGE), (("evidence", "4711"), NOT_FOUND),
                         (("evidence", "--from", "2026-12-01", "--to", "2026-11-01"), USAGE),
                         (("evidence", str(world.run), "--output", str(world.first)), HELD)):
        with pytest.raises(CommandFault) as caught:
            world.command(*argv)
        assert caught.value.status == status, caught.value
