"""What leaverd exists for, end to end: a real slapd, SCIM pushes, the rehearsal organisation."""
import json
import os
import signal
import sqlite3
import subprocess
import time

import pytest

from world import DAY, HOUR, World, actions


def ledger(world, plan, rule=None):
    return {a["email"] for a in actions(plan, rule)}


def guards(plan, verdict=None):
    return {g["name"]: g for g in plan["guards"] if verdict in (None, g["verdict"])}


def leavers(world):
    """Two whose last working day is the Monday of the clock."""
    return {world.ordinary[4]["uid"]: "2026-11-23", world.ordinary[5]["uid"]: "2026-11-23"}


@pytest.fixture
def world(build, tmp_path):
    with World(build, tmp_path, people=60, orphans=3) as w:
        w.push(ends=leavers(w))
        w.ready()
        w.rounds()
        w.arm()
        yield w


def next_morning(world):
    world.clock.advance(18 * HOUR)
    world.command("sync")
    world.command("collect")


# --- the main job --------------------------------------------------------------------------------

def test_leavers_are_planned_approved_applied_and_read_back(world):
    next_morning(world)
    plan = world.plan()
    gone = {world.ordinary[4]["mail"], world.ordinary[5]["mail"]}
    assert ledger(world, plan, "leaver-hr") == gone
    assert plan["complete"] and not plan["held"]
    for a in actions(plan, "leaver-hr"):
        for member in ("kind", "account_id", "email", "person", "rule", "reason", "before", "after", "due"):
            assert member in a, member
    for mail in gone:
        assert world.rehearsal.account(mail)["status"] == "active"
    world.approve(plan)
    world.apply(plan)
    for mail in gone:
        assert world.rehearsal.account(mail)["status"] == "suspended"
    assert world.rehearsal.twice() == {}
    again = world.plan()
    assert not [a for a in actions(again, "leaver-hr") if a["kind"] == "suspend"]
    story = world.command("why", world.ordinary[4]["mail"])
    assert "leaver-hr" in story


def test_orphans_wait_for_a_person_and_are_then_suspended(world):
    plan = world.plan()
    orphans = actions(plan, "orphan")
    assert {a["email"] for a in orphans} == {a["email"] for a in world.rehearsal.accounts("orphan")}
    world.clock.advance(HOUR)
    time.sleep(0.5)  # the applier looks at its plans each 50 ms: nothing of an open plan starts
    assert world.rehearsal.effects("suspend") == []
    world.approve(plan)
    world.apply(plan)
    for a in orphans:
        assert world.rehearsal.account(a["account_id"])["status"] == "suspended"


def test_a_warned_seat_is_freed_and_the_paths_that_stay_are_named(world):
    plan = world.plan()
    warned = actions(plan, kind="warn")
    assert warned
    world.approve(plan)
    world.apply(plan)
    end = time.monotonic() + 90
    while len(list(world.notices.glob("*.txt"))) < len(warned) and time.monotonic() < end:
        time.sleep(0.02)
    assert len(list(world.notices.glob("*.txt"))) == len(warned)
    before = world.rehearsal.seats()
    world.clock.advance(14 * DAY + HOUR)
    world.command("sync")
    world.command("collect")
    plan = world.plan()
    freed = actions(plan, kind="free-seat")
    assert freed
    world.approve(plan)
    answers = world.apply(plan)
    done = [a for answer in answers for a in answer["actions"]
            if a["kind"] == "free-seat" and a["state"] == "done"]
    assert done
    assert sum(before.values()) - sum(world.rehearsal.seats().values()) >= len(done)
    for answer in answers:
        for a in answer["actions"]:
            if a["kind"] == "free-seat" and a["state"] == "held":
                assert a["result"]


def test_a_warning_that_cannot_be_given_says_so_and_takes_no_seat(world):
    config = world.daemon.config.read_text()
    section = "notices:\n  folder: %s\n" % world.notices
    assert section in config
    world.daemon.write_config(config.replace(section, ""))
    world.daemon.stop()
    world.daemon.start()
    plan = world.plan()
    warned = actions(plan, kind="warn")
    assert warned
    world.approve(plan)
    done = [a for answer in world.apply(plan) for a in answer["actions"] if a["kind"] == "warn" and a.get("result")]
    assert len(done) == len(warned)
    for a in done:
        assert a["state"] != "done" and "notices.folder is not set" in a["result"], a
    world.clock.advance(15 * DAY)
    world.command("sync")
    world.command("collect")
    assert not actions(world.plan(), kind="free-seat")


def test_observe_changes_nothing(build, tmp_path):
    with World(build, tmp_path, people=30, orphans=2) as w:
        w.push(ends=leavers(w))
        w.ready()
        w.rounds()
        w.command("match", "approve", "email")
        next_morning(w)
        plan = w.plan()
        w.approve(plan)
        w.command("apply", str(plan["plans"][0]["plan"]), status=4)
        assert w.rehearsal.effects() == []
        w.command("block", w.ordinary[6]["mail"], "--reason", "device lost", status=4)
        assert w.rehearsal.effects() == []


def test_block_suspends_one_person_within_seconds(world):
    mail = world.ordinary[9]["mail"]
    world.command("block", mail, "--reason", "device stolen")
    assert world.rehearsal.account(mail)["status"] == "suspended"
    assert len(world.rehearsal.effects("suspend")) == 1


# --- directories that lie ------------------------------------------------------------------------

def directory_lies(world, how):
    """Makes the directory answer with less than there is; whom it is silent about."""
    base = "ou=people,dc=example,dc=test"
    if how == "empty success":
        world.slapd.config_acl('to dn.children="%s" by dn.exact="cn=bridge,ou=services,dc=example,dc=test" none '
                               'by * read' % base)
    elif how == "half hidden":
        half = [p["uid"] for p in world.staff[1::2]]
        world.slapd.config_acl(*['to dn.base="uid=%s,%s" by dn.exact="cn=bridge,ou=services,dc=example,dc=test" '
                                 'none by * read' % (uid, base) for uid in half])
    elif how == "lock state hidden":
        world.slapd.config_acl('to attrs=pwdAccountLockedTime by dn.exact="cn=bridge,ou=services,dc=example,dc=test" '
                               'none by * read')


def cut_at_page_3(world):
    """A relay that cuts every connection while the third page is on its way."""
    cut = world.slapd.cut_after(1)
    world.daemon.write_config(world.daemon.config.read_text().replace(world.slapd.ldaps_uri, cut.uri))
    world.daemon.stop()
    world.daemon.start()
    for answer_bytes in range(8000, 120000, 2000):
        cut.stop()
        cut = world.slapd.cut_after(answer_bytes, port=cut.port)
        read = world.json("sync", "--dry-run", status=(0, 5))["sources"][0]
        if not read["complete"] and "page 3" in read["why"]:
            return
    pytest.fail("no cut fell into page 3: %s" % read)


@pytest.mark.parametrize("how,guard", [
    ("empty success", ("source-implausible", "canary", "source-incomplete")),
    ("half hidden", ("source-implausible", "canary")),
    ("lock state hidden", ("source-schema", "unknown")),
    ("cut at page 3", ("source-incomplete",)),
])
def test_nothing_rests_on_a_directory_that_lies(build, tmp_path, how, guard):
    extra = "page_size: 20" if how == "cut at page 3" else ""
    with World(build, tmp_path, people=60, orphans=0, disabled=0.1, ldap_extra=extra) as w:
        w.push(ends=leavers(w))
        w.ready()
        w.rounds()
        w.arm()
        disabled = set(w.slapd.manifest()["disabled_uids"])
        next_morning(w)
        honest = w.plan()
        if how == "cut at page 3":
            cut_at_page_3(w)
        else:
            directory_lies(w, how)
        for _ in range(4):
            w.clock.advance(13 * HOUR)
            w.command("sync", status=(0, 5))
            w.command("collect")
        plan = w.plan()
        # nobody is called gone, and no action rests on the doubted evidence
        assert actions(plan, "leaver-gone") == []
        silent = {p["mail"] for p in w.people if p["uid"] not in disabled}
        assert not ledger(w, plan, "leaver-directory") & silent
        held = {name for a in plan["actions"] for name in a.get("held_by", [])}
        named = set(guards(plan)) | held
        assert named & set(guard), (named, guard)
        # the leavers whom HR names are planned all the same
        assert {w.ordinary[4]["mail"], w.ordinary[5]["mail"]} <= ledger(w, plan, "leaver-hr") | {
            a["email"] for a in actions(honest, "leaver-hr")}


# --- between approval and act --------------------------------------------------------------------

def outcome_of(answers, mail, kind="suspend"):
    return [a for answer in answers for a in answer["actions"]
            if a["email"] == mail and a["kind"] == kind][0]


def test_an_account_that_changed_after_the_approval_is_left_alone(world):
    next_morning(world)
    world.command("pause", "--reason", "wait for the test")
    plan = world.plan()
    world.approve(plan)
    mail = world.ordinary[4]["mail"]
    world.rehearsal.set(account=mail, status="deactivated")
    world.command("resume", "--reason", "go on")
    answers = world.apply(plan)
    action = outcome_of(answers, mail)
    assert action["state"] in ("skipped", "already"), action
    assert action["result"]
    assert world.rehearsal.effects("suspend", world.rehearsal.account(mail)["id"]) == []


def test_a_cause_that_went_away_after_the_approval_skips_the_action(world):
    next_morning(world)
    world.command("pause", "--reason", "wait for the test")
    plan = world.plan()
    world.approve(plan)
    person = world.ordinary[4]
    world.hr.patch("Users/" + world.hr_ids[person["uid"]], [
        {"op": "remove", "path": "urn:ietf:params:scim:schemas:extension:leaverd:2.0:Employment:lastWorkingDay"}])
    world.command("resume", "--reason", "go on")
    action = outcome_of(world.apply(plan), person["mail"])
    assert action["state"] == "skipped" and action["result"], action
    assert world.rehearsal.account(person["mail"])["status"] == "active"


def test_a_protection_given_after_the_approval_skips_the_action(world):
    next_morning(world)
    world.command("pause", "--reason", "wait for the test")
    plan = world.plan()
    world.approve(plan)
    mail = world.ordinary[5]["mail"]
    world.command("protect", "add", mail, "--kind", "exemption", "--owner", "it", "--reason", "still needed")
    world.command("resume", "--reason", "go on")
    action = outcome_of(world.apply(plan), mail)
    assert action["state"] in ("skipped", "held") and action["result"], action
    assert world.rehearsal.account(mail)["status"] == "active"


def test_what_a_protection_holds_is_done_only_when_an_approval_names_it(world):
    first = actions(world.plan(), kind="warn")[0]
    world.command("protect", "add", first["email"], "--kind", "exemption", "--owner", "it", "--reason", "asked for")
    plan = world.plan()
    held = [a for a in actions(plan, kind="warn", held=True) if a["email"] == first["email"]]
    assert held and all(a["held_by"] == ["exemption"] for a in held)
    number = str(next(p["plan"] for p in plan["plans"] if p["urgency"] == "routine"))
    only = ["--person", first["email"], "--reason", "agreed with it"]
    world.command("approve", number, *only, status=4)
    world.command("release", number, "exemption", "--reason", "agreed with it", status=10)
    world.command("approve", number, *only, "--release", "exemption")
    world.command("apply", number, "--wait")
    shown = json.loads(world.command("show", number, "--json"))
    states = {a["n"]: a["state"] for a in shown["actions"]}
    assert {states[a["n"]] for a in held} == {"done"}
    assert {s for n, s in states.items() if n not in {a["n"] for a in held}} <= {"planned"}


def test_one_person_cannot_release_a_protected_leaver(world):
    mail = world.ordinary[4]["mail"]
    world.command("protect", "add", mail, "--kind", "exemption", "--owner", "it", "--reason", "asked for")
    next_morning(world)
    plan = world.plan()
    number = str(next(p["plan"] for p in plan["plans"] if p["urgency"] == "urgent"))
    world.command("approve", number, "--person", mail, "--release", "exemption", "--reason", "he left")
    world.command("apply", number)
    world.command("approve", number, "--person", mail, "--release", "exemption", "--reason", "he left")
    world.command("apply", number)
    assert world.rehearsal.account(mail)["status"] == "active"
    assert world.rehearsal.effects("suspend") == []
    # what is typed on this machine is nobody's in particular; both commands say what is missing, and what to do
    action = next(a for a in world.json("show", number)["actions"] if a["email"] == mail)
    for word in ("two people must approve it", "given so far: 0 of 2", "--sign KEYFILE",
                 "leaverd approve %s --action %d --release exemption" % (number, action["n"])):
        assert word in action["missing"], action["missing"]
    assert "waits for: two people must approve it" in world.command("show", number)
    assert "two people must approve it" in world.command("why", mail)


def test_a_plan_that_expired_or_was_not_approved_starts_nothing(world):
    next_morning(world)
    plan = world.plan()
    world.apply(plan)
    assert world.rehearsal.effects() == []
    world.clock.advance(4 * DAY)
    world.command("approve", str(plan["plans"][0]["plan"]), status=4)
    world.apply(plan)
    assert world.rehearsal.effects() == []


def test_a_plan_whose_bytes_were_edited_starts_nothing(world):
    next_morning(world)
    world.command("pause", "--reason", "wait for the test")
    plan = world.plan()
    world.approve(plan)
    world.daemon.stop()
    db = sqlite3.connect(world.daemon.folder / "state" / "leaverd.db")
    changed = 0
    for table, column in (("plan", "bytes"),):
        for rowid, data in db.execute("SELECT rowid, %s FROM %s" % (column, table)).fetchall():
            raw = data if isinstance(data, bytes) else data.encode()
            edited = raw.replace(b'"suspend"', b'"Suspend"', 1) if b'"suspend"' in raw else None
            if edited:
                db.execute("UPDATE %s SET %s = ? WHERE rowid = ?" % (table, column),
                           (edited if isinstance(data, bytes) else edited.decode(), rowid))
                changed += 1
    db.commit()
    db.close()
    assert changed
    world.daemon.start()
    world.command("resume", "--reason", "go on")
    for p in plan["plans"]:
        world.command("apply", str(p["plan"]), status=(0, 1, 8))
    assert world.rehearsal.effects("suspend") == []


# --- crashes -------------------------------------------------------------------------------------

def test_killed_while_applying_it_goes_on_and_does_nothing_twice(build, tmp_path):
    with World(build, tmp_path, people=60, orphans=6) as w:
        w.push(ends=leavers(w))
        w.ready()
        w.rounds()
        w.arm()
        next_morning(w)
        plan = w.plan()
        wanted = {a["account_id"] for a in actions(plan, kind="suspend")}
        assert len(wanted) >= 6
        w.rehearsal.fault("latency", path="*/suspend", ms=60, count=100000)
        w.approve(plan)  # the daemon's applier starts by itself
        for kills in range(1, 6):
            deadline = time.monotonic() + 60
            while len(w.rehearsal.effects("suspend")) < kills and time.monotonic() < deadline:
                time.sleep(0.01)
            w.daemon.stop(signal.SIGKILL)
            w.daemon.start()
        w.clock.advance(120 * 1000)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if {e["account"] for e in w.rehearsal.effects("suspend")} == wanted:
                break
            w.clock.advance(1000)
            time.sleep(0.05)
        w.apply(plan)
        assert {e["account"] for e in w.rehearsal.effects("suspend")} == wanted
        assert w.rehearsal.twice() == {}
        w.command("audit", "verify", "--head")


# --- secrets -------------------------------------------------------------------------------------

def test_no_secret_is_found_in_any_file_or_in_a_core(world):
    token = world.json("token", "new", "search-me", "--source", "idp")["token"] \
        if False else world.idp.token
    secrets = [b"bridge-secret", world.rehearsal.key.encode(), token.encode()]
    next_morning(world)
    world.plan()
    state = world.daemon.folder
    for path in state.rglob("*"):
        if path.is_file() and path.name not in ("master.key",):
            data = path.read_bytes()
            for secret in secrets:
                assert secret not in data, (path, secret)
    text = "\n".join(world.daemon.log).encode()
    for secret in secrets:
        assert secret not in text


def test_the_audit_chain_and_rekey_hold(world):
    next_morning(world)
    plan = world.plan()
    world.approve(plan)
    world.apply(plan)
    world.command("secret", "rekey")
    world.command("audit", "verify", "--head")
    next_day = world.json("sync")
    assert next_day["sources"][0]["accepted"]
    world.command("collect")


# --- many at once --------------------------------------------------------------------------------

def test_twenty_commands_at_once_beside_the_daemon(world):
    started = [subprocess.Popen([world.daemon.binary, *argv], env=world.daemon.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for argv in [["plan"], ["sync"], ["collect"], ["accounts"], ["seats"]] * 4]
    for process in started:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, (process.args, out, err)
        assert "locked" not in out + err
    entries = [json.loads(line) for line in world.command("audit", "export").splitlines()]
    me = "uid:" + subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
    assert me in {e["who"] for e in entries}
    assert os.path.exists(world.daemon.folder / "state" / "leaverd.db")
