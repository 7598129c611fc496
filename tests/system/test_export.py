"""Exports: every row once, in three forms, whole or not at all."""
import collections
import csv
import http.client
import io
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time

import pytest

from daemon import EMPLOYMENT, CommandFault, Daemon
from world import World

USAGE, HELD, NOT_FOUND = 2, 4, 10
MANY = 20000


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    with World(build, tmp_path_factory.mktemp("export"), people=50, orphans=2) as w:
        w.push(ends={w.staff[0]["uid"]: "2026-11-20", w.staff[1]["uid"]: "2026-12-31"})
        w.ready()
        w.rounds()
        w.plan()
        yield w


def rows(world, what, *argv):
    """The same export as CSV and as JSON Lines; they agree."""
    text = world.command("export", what, *argv)
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    lines = [json.loads(line) for line in world.command("export", what, "--format", "jsonl", *argv).splitlines()]
    assert len(table) == len(lines)
    for a, b in zip(table, lines):
        assert list(a) == list(b)
        for name, value in b.items():
            if isinstance(value, (str, int)) and not isinstance(value, bool):
                assert re.sub(r"^'(?='* *[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])", "", a[name]) == str(value)
            elif value is None:
                assert a[name] == ""
    return lines


def test_exports_hold_every_row_that_the_lists_hold(world):
    accounts = rows(world, "accounts")
    assert sorted(a["accountId"] for a in accounts) == sorted(
        a["account_id"] for a in world.json("accounts", "--limit", "0")["accounts"])
    seats = rows(world, "seats")
    listed = world.json("seats", "--limit", "0")["seats"]
    assert sorted((s["accountId"], s["product"], s["site"], tuple(s["paths"])) for s in seats) == sorted(
        (s["account_id"], s["product"], s["site"], tuple(s["paths"])) for s in listed)
    users = rows(world, "users")
    assert sorted((u["source"], u["id"]) for u in users) == sorted(
        (u["source"], u["id"]) for u in world.json("users", "--limit", "0")["users"])
    people = {u["person"] for u in users if u["email"] == world.staff[3]["mail"]}
    assert len(people) == 1 and people == {a["person"] for a in accounts if a["email"] == world.staff[3]["mail"]}
    plans, actions = rows(world, "plans"), rows(world, "actions")
    assert sum(p["actions"] for p in plans) == len(actions) > 0
    shown = world.json("show", str(plans[0]["plan"]), "--limit", "0")
    assert plans[0]["digest"] == shown["digest"]
    assert [(a["n"], a["kind"], a["rule"]) for a in actions if a["plan"] == plans[0]["plan"]] == [
        (a["n"], a["kind"], a["rule"]) for a in shown["actions"]]
    rows(world, "groups")
    groups = {g["group"]: g for g in rows(world, "org-groups")}
    held = collections.Counter()
    known = {a["accountId"] for a in accounts}  # apps are no accounts of ours
    for account in world.rehearsal.state()["accounts"]:
        held.update(account["groups"] if account["id"] in known else ())
    assert {g["displayName"]: g["memberCount"] for g in groups.values() if g["memberCount"]} == dict(held)
    seat = next(s for s in seats if s["paths"])
    gives = next(g for g in groups.values() if any(g["displayName"] in p for p in seat["paths"]))
    assert "%s@%s" % (seat["product"], seat["site"]) in gives["products"]
    assert rows(world, "org-groups", "--org", "acme", "--limit", "2") == list(groups.values())[:2]
    assert rows(world, "org-groups", "--filter", 'products co "confluence@"') == [
        g for g in groups.values() if any("confluence@" in p for p in g["products"])]


def test_a_filter_means_what_it_means_elsewhere_and_a_limit_is_kept(world):
    jira = rows(world, "seats", "--filter", 'product eq "jira"')
    assert jira and {s["product"] for s in jira} == {"jira"}
    assert len(rows(world, "seats", "--limit", "7")) == 7
    assert len(rows(world, "accounts", "--limit", "7")) == 7
    assert len(rows(world, "users", "--limit", "7", "--source", "corp")) == 7
    kinds = {a["kind"] for a in rows(world, "actions")}
    for kind in kinds:
        assert {a["kind"] for a in rows(world, "actions", "--filter", 'kind eq "%s"' % kind)} == {kind}
    assert rows(world, "plans", "--filter", 'state eq "rejected"') == []
    # every column can be asked for, and no other: a slip would look like an answer
    for what in ("plans", "actions", "org-groups"):
        for row in rows(world, what, "--limit", "3"):
            for name, value in row.items():
                if value is None or isinstance(value, list):
                    continue
                found = rows(world, what, "--filter", "%s eq %s" % (name.upper(), json.dumps(value)))
                assert row in found and {f[name] for f in found} == {value}, (what, name)
        with pytest.raises(CommandFault) as caught:
            world.command("export", what, "--filter", 'memberCnt eq 1')
        assert caught.value.status == USAGE and "byte 0: %s have no such column" % what in caught.value.err
    with pytest.raises(CommandFault) as caught:
        world.command("export", "seats", "--filter", "product eq")
    assert caught.value.status == USAGE


def test_ends_that_lie_ahead_are_for_whoever_has_the_role(world, tmp_path):
    def end_of(uid, *argv):
        mail = next(p["mail"] for p in world.staff if p["uid"] == uid)
        return next(u for u in rows(world, "users", "--source", "hr", *argv) if u["email"] == mail)

    gone, soon = world.staff[0]["uid"], world.staff[1]["uid"]
    assert (end_of(gone)["lastWorkingDay"], end_of(gone)["sealed"]) == ("2026-11-20", False)
    # who has an end ahead looks like who has none
    assert (end_of(soon)["lastWorkingDay"], end_of(soon)["sealed"]) == (None, True)
    stays = end_of(world.staff[2]["uid"])
    assert (stays["lastWorkingDay"], stays["sealed"]) == (None, True)
    ahead = '%s:lastWorkingDay gt "2026-11-24T00:00:00Z"' % EMPLOYMENT
    with pytest.raises(CommandFault) as caught:
        world.command("export", "users", "--filter", ahead)
    assert caught.value.status == HELD and "sealed" in caught.value.err

    token = tmp_path / "token"
    token.write_text(world.json("token", "new", "hr-reads", "--role", "hr-confidential")["token"] + "\n")
    seen = end_of(soon, "--token-file", str(token))
    assert (seen["lastWorkingDay"], seen["sealed"]) == ("2026-12-31", False)
    said = [subprocess.run([world.daemon.binary, "export", "users", "--filter", 'userName eq "%s"' % p["mail"]],
                           env=world.daemon.env, capture_output=True, text=True).stderr
            for p in (world.staff[1], world.staff[2])]
    assert said[0] == said[1] and "not shown" in said[0]
    (tmp_path / "viewer").write_text(world.json("token", "new", "views", "--role", "viewer")["token"])
    (tmp_path / "wrong").write_text("lvd_" + "A" * 43)
    for name, says in (("viewer", "hr-confidential"), ("wrong", "opens nothing")):
        with pytest.raises(CommandFault) as caught:
            world.command("export", "users", "--token-file", str(tmp_path / name))
        assert says in caught.value.err and caught.value.out == ""


def test_a_file_is_whole_private_and_counted_and_the_chain_says_who_made_it(world, tmp_path):
    path = tmp_path / "accounts.csv"
    done = subprocess.run([world.daemon.binary, "export", "accounts", "--bom", "--output", str(path)],
                          env=world.daemon.env, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "", done
    assert path.read_bytes().startswith(b"\xef\xbb\xbforg,account,")
    assert path.stat().st_mode & 0o777 == 0o600
    count = len(list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))) - 1
    assert "%d accounts in %s." % (count, path) in done.stderr and "acme was read 2026-11-23T" in done.stderr
    assert list(tmp_path.iterdir()) == [path]
    last = [json.loads(line) for line in world.command("audit", "export").splitlines()][-2:]
    assert [(e["what"], e["target"]) for e in last] == [("people.read", "export accounts begun"),
                                                       ("people.read", "export accounts")]
    assert json.loads(last[1]["body"])["rows"] == count
    told = subprocess.run([world.daemon.binary, "export", "org-groups"], env=world.daemon.env, capture_output=True,
                          text=True).stderr
    assert "acme was read 2026-11-23T" in told
    # a pipe stays one, and gets the rows
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    world.command("export", "accounts", "--bom", "--output", str(pipe))
    assert reader.communicate(timeout=60)[0] == path.read_bytes() and pipe.is_fifo()
    with pytest.raises(CommandFault) as caught:
        world.command("export", "accounts", "--output", str(tmp_path))
    assert str(tmp_path) in caught.value.err and tmp_path.is_dir()
    with pytest.raises(CommandFault) as caught:
        world.command("export", "accounts", "--output", str(tmp_path / "no" / "x.csv"))
    assert "x.csv" in caught.value.err


def asked(daemon, **request):
    """(status, answer) of the verb, as a program of its own may ask for it."""
    body = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(str(daemon.folder / "state" / "control"))
        s.sendall(b"POST /v1/export HTTP/1.1\r\nHost: leaverd\r\nContent-Type: application/json\r\n"
                  b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        said = http.client.HTTPResponse(s)
        said.begin()
        return said.status, json.loads(said.read())


def test_nobody_reads_rows_from_a_place_of_their_own_making(world):
    """So that the chain knows of each export: it is noted when it begins, with its count at the end."""
    request = {"what": "users", "format": "csv"}
    for place in ([0, 0, 0], [0, 1, 0], [0, 1, 0, ""], [0, 1, 0, "0" * 64], "0", None, {}):
        status, said = asked(world.daemon, place=place, rows=0, **request)
        assert status == 400 and "text" not in said, (place, said)


def many(folder, count):
    """Stores so many users beside those that are there: the rows alone, as a first load leaves them."""
    with sqlite3.connect(folder / "instance" / "state" / "leaverd.db") as db:
        source, = db.execute("SELECT id FROM source WHERE name = 'idp'").fetchone()
        first = (source << 40) + (1 << 30)
        db.executemany(
            "INSERT INTO record (id, source, key, external_id, user_name, user_fold, display, display_fold, active,"
            " version, created_ms, modified_ms, first_seen_ms, change, hash, unknown, doc)"
            " VALUES (?, ?, ?, '', ?, ?, '', '', 2, 1, 1795338000000, 1795338000000, 1795338000000, 1, x'00', '', ?)",
            ((first + i, source, "many-%07d" % i, "m%07d" % i, "m%07d" % i, json.dumps({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "m%07d" % i,
                "displayName": "=cmd|'%d'" % i, "active": True,
                "emails": [{"value": "m%07d@example.com" % i, "primary": True}]})) for i in range(count)))


def test_many_rows_come_in_chunks_and_an_interrupted_export_leaves_nothing(build, tmp_path):
    daemon = Daemon(build / "leaverd", tmp_path / "instance")
    daemon.command("init", str(daemon.folder), "--key", "file", "--name", "many", "--kind", "scim", "--source", "idp",
                   "--address", "127.0.0.1:0", "--profile", "generic", "--org-id", "0" * 8)
    daemon.command("source", "status")
    many(tmp_path, MANY)  # before serve: its readers need not see what others wrote
    daemon.start()
    try:
        path = tmp_path / "users.csv"
        daemon.command("export", "users", "--output", str(path))
        with path.open(newline="", encoding="utf-8") as text:
            got = list(csv.DictReader(text))
        assert [u["userName"] for u in got] == ["m%07d" % i for i in range(MANY)]
        assert got[5]["displayName"] == "'=cmd|'5'"

        # whoever reads has enough: nothing is said, and nothing is wrong
        for what in (["export", "users"], ["export", "users", "--format", "jsonl"], ["audit", "export"]):
            child = subprocess.Popen([daemon.binary, *what], env=daemon.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            assert child.stdout.readline()
            child.stdout.close()
            assert (child.stderr.read(), child.wait()) == (b"", 0), what
            child.stderr.close()

        child = subprocess.Popen([daemon.binary, "export", "users", "--output", str(tmp_path / "cut.csv")],
                                 env=daemon.env, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 90
        while time.monotonic() < until and not any(
                p.stat().st_size for p in tmp_path.glob("cut.csv.*")) and child.poll() is None:
            time.sleep(0.001)
        child.send_signal(signal.SIGINT)
        said = child.communicate()[1]
        assert child.returncode == 130 and "interrupted" in said, said
        assert not list(tmp_path.glob("cut.csv*"))
    finally:
        daemon.stop()
    # with no daemon the same rows, under the lease
    alone = subprocess.run([daemon.binary, "export", "users"], env=daemon.env, capture_output=True, check=True).stdout
    same = alone == path.read_bytes()  # told apart here: a difference of two long texts takes for ever to print
    assert same
