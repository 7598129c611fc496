"""Commands on one instance: what each leaves behind, and what wrong input gets."""
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from daemon import USER, CommandFault, Daemon, ScimClient

OK, FAULT, USAGE, CONFIG, HELD, INCOMPLETE, UNREACHABLE, BUSY, DAMAGED, SECRET, NOT_FOUND = range(11)

INIT = ["--name", "acme", "--zone", "Europe/Berlin", "--kind", "scim", "--source", "idp", "--address",
        "127.0.0.1:0", "--profile", "generic", "--org-id", "00000000-0000-4000-8000-000000000000"]
VALUE = "correct-horse-battery-staple"


@pytest.fixture
def instance(build, tmp_path):
    """A fresh instance whose organisation is a closed port on this machine."""
    daemon = Daemon(build / "leaverd", tmp_path / "i")
    daemon.command("init", str(daemon.folder), "--key", "file", *INIT)
    text = daemon.config.read_text()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    daemon.write_config(text.replace("      key: atlassian",
                                     "      base_url: http://127.0.0.1:%d\n      tries: 1\n"
                                     "      key: atlassian" % port))
    yield daemon
    daemon.stop()


def fault(daemon, status, *argv, **options):
    """stderr of a command that must end with that status."""
    with pytest.raises(CommandFault) as caught:
        daemon.command(*argv, **options)
    assert caught.value.status == status, caught.value
    return caught.value.err


def entries(daemon):
    return [json.loads(line) for line in daemon.command("audit", "export").splitlines()]


# --- init --------------------------------------------------------------------------------------


def test_init_makes_what_only_its_owner_can_read(instance):
    assert oct((instance.folder / "state").stat().st_mode & 0o777) == "0o700"
    for name in ("leaverd.yaml", "master.key", "state/leaverd.db", "state/audit.head"):
        assert (instance.folder / name).stat().st_mode & 0o077 == 0, name
    assert 25 <= len(instance.config.read_text().splitlines()) <= 45
    assert "in order" in instance.command("config", "check")
    assert instance.json("audit", "verify", "--head")["entries"] >= 2


def test_init_never_overwrites_and_takes_back_what_it_made(instance, build, tmp_path):
    before = instance.config.read_text(), (instance.folder / "master.key").read_text()
    assert "never overwrites" in fault(instance, HELD, "init", str(instance.folder), *INIT)
    assert before == (instance.config.read_text(), (instance.folder / "master.key").read_text())

    other = Daemon(build / "leaverd", tmp_path / "other")
    wrong = [a if a != "Europe/Berlin" else "Europe/Atlantis" for a in INIT]
    assert "Europe/Atlantis" in fault(other, CONFIG, "init", str(other.folder), *wrong)
    assert not other.folder.exists()


def test_init_reads_answers_from_a_file_and_says_which_is_missing(build, tmp_path):
    daemon = Daemon(build / "leaverd", tmp_path / "dir")
    answers = tmp_path / "answers.yaml"
    answers.write_text("name: acme\nkind: ldap\nsource: corp\naddress: ldaps://ldap.example.com\n"
                       "org_id: 0a1b\n")
    assert "'base' has no answer" in fault(daemon, USAGE, "init", str(daemon.folder), "--answers", str(answers))
    assert not daemon.folder.exists()
    daemon.command("init", str(daemon.folder), "--answers", str(answers), "--base", "ou=people,dc=x")
    text = daemon.config.read_text()
    assert "ou=people,dc=x" in text and "bind_password: ldap-bind" in text
    assert "secret set ldap-bind" not in text.splitlines()[0]


def test_init_for_an_export_of_hr_reads_the_first_one_as_it_is(build, tmp_path):
    daemon = Daemon(build / "leaverd", tmp_path / "dir")
    answers = ("init", str(daemon.folder), "--name", "acme", "--zone", "Europe/Berlin", "--kind", "file", "--source", "hr",
               "--org-id", "0a1b")
    assert "columns may be three names" in fault(daemon, USAGE, *answers, "--columns", "No, Mail")
    assert not daemon.folder.exists()
    said = daemon.command(*answers, "--columns", "No., E-mail 'work', Last day")
    assert "sync hr --dry-run" in said
    assert 25 <= len(daemon.config.read_text().splitlines()) <= 45
    assert "in order" in daemon.command("config", "check")
    # an export as a spreadsheet writes it, days in two forms
    (daemon.folder / "hr" / "people.csv").write_text(
        "No.;Name;E-mail 'work';Last day\n1;Ada;ada@x.example;\n2;Bo;bo@x.example;31.12.2099\n3;Cy;cy@x.example;2099-12-31\n")
    os.utime(daemon.folder / "hr" / "people.csv", (time.time() - 60, time.time() - 60))
    assert daemon.json("sync", "hr", "--dry-run")["sources"][0]["plausible"]
    assert daemon.json("sync", "hr")["sources"][0]["accepted"]
    users = daemon.json("users")["users"]
    assert sorted((u["id"], u["userName"]) for u in users) == [
        ("1", "ada@x.example"), ("2", "bo@x.example"), ("3", "cy@x.example")]
    # 03/04 is never guessed
    (daemon.folder / "hr" / "people-2.csv").write_text("No.;E-mail 'work';Last day\n1;ada@x.example;03/04/2026\n")
    os.utime(daemon.folder / "hr" / "people-2.csv", (time.time() - 50, time.time() - 50))
    assert "line 2, column 17 (Last day)" in daemon.json("sync", "hr", status=5)["sources"][0]["why"]


# --- secrets, tokens ---------------------------------------------------------------------------


def test_secrets_come_from_stdin_and_are_in_no_file_and_no_output(instance):
    instance.command("secret", "set", "atlassian", "--owner", "it", "--expires", "90d", stdin=VALUE)
    listed = instance.json("secret", "list")["secrets"]
    assert [(s["name"], s["version"], s["owner"]) for s in listed] == [("atlassian", 1, "it")]
    instance.command("secret", "rotate", "atlassian", stdin=VALUE + "2")
    assert instance.json("secret", "list")["secrets"][0]["version"] == 2
    assert "no secret other" in fault(instance, NOT_FOUND, "secret", "rotate", "other", stdin="x")
    said = instance.command("secret", "list") + instance.command("audit", "export")
    assert VALUE not in said
    for path in instance.folder.rglob("*"):
        if path.is_file():
            assert VALUE.encode() not in path.read_bytes(), path
    instance.command("secret", "remove", "atlassian")
    assert instance.json("secret", "list")["secrets"] == []
    assert "empty" in fault(instance, SECRET, "secret", "set", "nothing", stdin="").lower()
    assert "leaverd's own" in fault(instance, USAGE, "secret", "set", ".token-key", stdin="x")


def test_rekey_keeps_every_secret_readable_and_the_old_key_opens_nothing(instance):
    instance.command("secret", "set", "one", stdin="1")
    instance.command("secret", "rekey")
    new = instance.folder / "new.key"
    assert "master_key.file" in instance.command("secret", "rekey", "--key-file", str(new))
    assert new.stat().st_mode & 0o077 == 0
    assert "key" in fault(instance, SECRET, "secret", "list")
    instance.write_config(instance.config.read_text().replace("file: master.key", "file: new.key"))
    assert instance.json("secret", "list")["secrets"][0]["name"] == "one"
    instance.command("audit", "verify", "--head")


def test_a_vault_with_a_passphrase_is_sealed_anew_under_another(build, tmp_path):
    daemon = Daemon(build / "leaverd", tmp_path / "p")
    assert with_passphrase(daemon, "one", "init", str(daemon.folder), "--key", "passphrase", *INIT).returncode == OK
    assert with_passphrase(daemon, "one", "secret", "set", "a", stdin="x").returncode == OK
    done = with_passphrase(daemon, "one", "secret", "rekey", "--new-passphrase", stdin="two")
    assert done.returncode == OK, done.stderr
    assert with_passphrase(daemon, "one", "secret", "list").returncode == SECRET
    assert "a " in with_passphrase(daemon, "two", "secret", "list").stdout


def test_tokens_are_shown_once_and_two_of_a_source_may_live(instance):
    first = instance.command("token", "new", "a", "--source", "idp").strip()
    assert re.fullmatch(r"lvd_[A-Za-z0-9_-]{43}", first)
    instance.command("token", "new", "b", "--source", "idp", "--expires", "30d")
    fault(instance, (FAULT), "token", "new", "c", "--source", "idp")
    instance.command("token", "revoke", "a", "--reason", "rotated")
    instance.command("token", "new", "c", "--source", "idp")
    states = {t["name"]: t["state"] for t in instance.json("token", "list")["tokens"]}
    assert states == {"a": "revoked", "b": "live", "c": "live"}
    assert "one source (--source) or one role" in fault(instance, USAGE, "token", "new", "d")
    assert "there is: idp" in fault(instance, NOT_FOUND, "token", "new", "d", "--source", "none")
    assert first not in instance.command("token", "list") + instance.command("audit", "export")


# --- the audit chain ---------------------------------------------------------------------------


def test_every_change_stands_in_the_chain_with_whoever_made_it(instance):
    instance.command("secret", "set", "one", stdin="1")
    instance.command("token", "new", "a", "--source", "idp")
    instance.command("source", "ready", "idp", "--reason", "all 3 were sent")
    found = entries(instance)
    assert [e["seq"] for e in found] == list(range(1, len(found) + 1))
    whats = [e["what"] for e in found]
    for what in ("instance.init", "secret.set", "token.new", "source.state"):
        assert what in whats
    last = found[-1]
    assert last["who"].startswith("uid:") and "all 3 were sent" in last["body"]
    assert len(instance.command("audit", "export", "--after", str(len(found) - 1)).splitlines()) == 1
    assert len(instance.command("audit", "export", "--limit", "2").splitlines()) == 2


@pytest.mark.parametrize("damage, says", [
    ("UPDATE audit SET who = 'uid:nobody' WHERE seq = 3", "3"),
    ("UPDATE audit SET body = '{}' WHERE seq = 3", "3"),
    ("DELETE FROM audit WHERE seq = 2", "2"),
])
def test_verify_names_the_damaged_entry(instance, damage, says):
    for name in ("a", "b", "c"):
        instance.command("secret", "set", name, stdin="x")
    with sqlite3.connect(instance.folder / "state" / "leaverd.db") as db:
        db.execute("DROP TRIGGER IF EXISTS audit_is_append_only")
        db.execute(damage)
    text = fault(instance, DAMAGED, "audit", "verify")
    assert "entry " + says in text


def test_the_head_shows_a_tail_that_was_cut_and_copies_of_it_serve_too(instance, tmp_path):
    instance.command("secret", "set", "a", stdin="x")
    copy = tmp_path / "audit.head"
    copy.write_bytes((instance.folder / "state" / "audit.head").read_bytes())
    instance.command("audit", "verify", "--head=" + str(copy))
    with sqlite3.connect(instance.folder / "state" / "leaverd.db") as db:
        db.execute("DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)")
    instance.command("audit", "verify")
    assert "tail" in fault(instance, DAMAGED, "audit", "verify", "--head=" + str(copy))
    fault(instance, DAMAGED, "audit", "verify", "--head")


# --- backup, restore ---------------------------------------------------------------------------


def test_a_backup_brings_everything_back_in_mode_observe(instance, tmp_path):
    backup = tmp_path / "b.db"
    instance.command("secret", "set", "kept", stdin="1")
    assert "audit entry" in " ".join(instance.command("backup", str(backup)).split())
    assert backup.stat().st_mode & 0o077 == 0
    assert fault(instance, HELD, "backup", str(backup))
    instance.command("secret", "set", "lost", stdin="2")
    assert "observe" in instance.command("restore", str(backup))
    assert [s["name"] for s in instance.json("secret", "list")["secrets"]] == ["kept"]
    assert entries(instance)[-1]["what"] == "restore"
    instance.command("audit", "verify")


def test_restore_refuses_what_is_no_backup_and_while_serve_runs(instance, tmp_path):
    odd = tmp_path / "odd.db"
    odd.write_text("this is no database")
    before = (instance.folder / "state" / "leaverd.db").read_bytes()
    fault(instance, DAMAGED, "restore", str(odd))
    assert (instance.folder / "state" / "leaverd.db").read_bytes() == before
    backup = tmp_path / "b.db"
    instance.command("backup", str(backup))
    instance.start()
    assert "stop it" in fault(instance, BUSY, "restore", str(backup))


# --- wrong input -------------------------------------------------------------------------------


def test_a_bad_configuration_tells_all_its_faults_with_line_and_column(instance):
    instance.write_config("instance:\n  name: acme\n  colour: red\nmaster_key:\n  file: master.key\n"
                          "scim:\n  threads: many\n")
    with pytest.raises(CommandFault) as caught:
        instance.command("config", "check")
    assert caught.value.status == CONFIG
    lines = caught.value.out.splitlines()
    assert len(lines) == 2
    assert re.search(r"leaverd\.yaml:3:\d+: instance\.colour", lines[0])
    assert re.search(r"leaverd\.yaml:7:\d+: scim\.threads", lines[1])
    assert len(instance.json("config", "check", status=CONFIG)["faults"]) == 2
    assert "colour" in fault(instance, CONFIG, "secret", "list")
    assert "no-such.yaml" in fault(instance, CONFIG, "--config", "/no-such.yaml", "plans")


def test_a_key_file_that_others_may_read_is_refused_with_the_way_out(instance):
    key = instance.folder / "master.key"
    key.chmod(0o644)
    text = fault(instance, SECRET, "secret", "list")
    assert "master.key" in text and "0644" in text and "chmod" in text
    key.chmod(0o600)
    instance.command("secret", "list")
    key.write_text("0" * 64 + "\n")
    assert fault(instance, SECRET, "secret", "list")
    key.unlink()
    assert "master.key" in fault(instance, SECRET, "secret", "list")


def test_a_state_folder_that_others_may_enter_is_refused(instance):
    (instance.folder / "state").chmod(0o755)
    assert "chmod 0700" in fault(instance, CONFIG, "secret", "list")


def with_passphrase(daemon, passphrase, *argv, stdin=""):
    read, write = os.pipe()
    os.write(write, passphrase.encode())
    os.close(write)
    try:
        done = subprocess.run([daemon.binary, *argv, "--passphrase-fd", str(read)], env=daemon.env, input=stdin,
                              capture_output=True, text=True, pass_fds=[read], timeout=120)
    finally:
        os.close(read)
    return done


def test_a_passphrase_opens_the_vault_and_a_wrong_one_does_not(build, tmp_path):
    daemon = Daemon(build / "leaverd", tmp_path / "p")
    made = with_passphrase(daemon, "blue lobster", "init", str(daemon.folder), "--key", "passphrase", *INIT)
    assert made.returncode == OK, made.stderr
    assert not (daemon.folder / "master.key").exists()
    assert with_passphrase(daemon, "blue lobster", "secret", "set", "a", stdin="x").returncode == OK
    wrong = with_passphrase(daemon, "red lobster", "secret", "list")
    assert wrong.returncode == SECRET
    assert "passphrase" in wrong.stderr and "lobster" not in wrong.stderr
    for path in daemon.folder.rglob("*"):
        if path.is_file():
            assert b"lobster" not in path.read_bytes(), path


@pytest.mark.parametrize("content, says", [
    (b"x" * 8192, "leaverd.db"),
    (b"SQLite format 3\0" + b"\0" * 4000, "leaverd.db"),
])
def test_a_damaged_or_foreign_database_is_refused_and_left_alone(instance, content, says):
    path = instance.folder / "state" / "leaverd.db"
    path.write_bytes(content)
    for name in ("leaverd.db-wal", "leaverd.db-shm"):
        (instance.folder / "state" / name).unlink(missing_ok=True)
    assert says in fault(instance, DAMAGED, "secret", "list")
    assert path.read_bytes() == content


def test_a_newer_database_is_refused(instance):
    with sqlite3.connect(instance.folder / "state" / "leaverd.db") as db:
        db.execute("PRAGMA user_version = 9999")
    assert "newer" in fault(instance, DAMAGED, "secret", "list").lower()


def test_wrong_command_lines_end_with_status_2_and_the_way_to_help(instance):
    for argv in (["frobnicate"], ["plan", "--frob"], ["secret"], ["secret", "set"], ["reject", "7"],
                 ["users", "--filter", "userName eq"], ["accounts", "--filter", "((("]):
        text = fault(instance, USAGE, *argv)
        assert "help" in text or "byte" in text, argv
    assert "Exit statuses" in instance.command("help", "exit")
    assert "Examples" in instance.command("help", "secret", "set")
    assert instance.command("version").startswith("leaverd ")


def test_json_says_faults_as_documents(instance):
    document = instance.json("secret", "rotate", "none", stdin="x", status=NOT_FOUND)
    assert document["fault"]["word"] == "not-found" and document["fault"]["status"] == NOT_FOUND


def test_what_is_not_there_has_its_own_status(instance):
    fault(instance, NOT_FOUND, "forget", "nobody@example.com", "--reason", "x")
    fault(instance, NOT_FOUND, "source", "ready", "none", "--reason", "x")
    fault(instance, NOT_FOUND, "match", "confirm", "7", "--reason", "x")
    fault(instance, NOT_FOUND, "protect", "remove", "7", "--reason", "x")
    fault(instance, NOT_FOUND, "protect", "add", "--account", "none", "--owner", "o", "--reason", "x")
    fault(instance, NOT_FOUND, "bars", "add", "nobody", "--reason", "x")


def test_doctor_says_what_cannot_be_reached(instance):
    instance.command("secret", "set", "atlassian", stdin="x")
    document = instance.json("doctor", status=UNREACHABLE)
    checks = {(c["check"], c["verdict"]) for c in document["checks"]}
    assert ("audit chain", "ok") in checks and ("organisation", "bad") in checks
    assert ("backup", "warn") in checks and document["bad"] == 1


# --- what was pushed ---------------------------------------------------------------------------


def test_pushed_people_are_listed_by_scim_filters(instance):
    token = instance.command("token", "new", "t", "--source", "idp").strip()
    instance.start()
    client = ScimClient("127.0.0.1", instance.scim_port, "idp", token)
    ids = [client.create({"schemas": [USER], "userName": "u%d@example.com" % n, "active": n != 2,
                          "displayName": "Zo\u00eb %d" % n,
                          "emails": [{"value": "u%d@example.com" % n, "primary": True}]})["id"] for n in range(5)]
    client.create({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "jira-users",
                   "members": [{"value": i} for i in ids]}, "Groups")
    users = instance.json("users")
    assert users["matched"] == 5 and {u["id"] for u in users["users"]} == set(ids)
    inactive = instance.json("users", "--filter", "active eq false")["users"]
    assert [u["userName"] for u in inactive] == ["u2@example.com"]
    cut = instance.json("users", "--limit", "2")
    assert len(cut["users"]) == 2 and cut["truncated"] and cut["matched"] == 5
    assert "2 of 5" in instance.command("users", "--limit", "2")
    assert [g["displayName"] for g in instance.json("groups")["groups"]] == ["jira-users"]
    assert instance.json("groups", "--filter", 'displayName eq "other"')["groups"] == []
    status = instance.json("source", "status", "idp")["sources"][0]
    assert (status["state"], status["users"], status["active"], status["groups"]) == ("filling", 5, 4, 1)
    assert "now ready" in instance.command("source", "ready", "idp", "--reason", "all sent")
    assert "already ready" in instance.command("source", "ready", "idp", "--reason", "again")
    assert instance.json("source", "status")["sources"][0]["state"] == "ready"
    assert "no read" in fault(instance, NOT_FOUND, "source", "accept", "idp", "--reason", "x")
    read = [e for e in entries(instance) if e["what"] == "people.read"]
    assert read and all("example.com" not in e["body"] for e in read)


# --- the daemon and commands -------------------------------------------------------------------


def test_commands_are_thin_clients_while_serve_runs(instance):
    instance.command("secret", "set", "before", stdin="1")
    instance.start()
    assert (instance.folder / "state" / "control").stat().st_mode & 0o777 == 0o600
    instance.command("secret", "set", "during", stdin=VALUE)
    names = [s["name"] for s in instance.json("secret", "list")["secrets"]]
    assert names == ["before", "during"]
    instance.command("audit", "verify", "--head")
    assert instance.stop() == OK
    assert not (instance.folder / "state" / "control").exists()
    assert len(instance.json("secret", "list")["secrets"]) == 2
    assert VALUE not in "\n".join(instance.log)


def memory_holds(pid, needle):
    """Whether a process's writable memory holds these bytes; what a core would show."""
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            begin, end = (int(x, 16) for x in span.split("-"))
            if not rights.startswith("rw") or end - begin > 1 << 30:
                continue
            try:
                memory.seek(begin)
                if needle in memory.read(end - begin):
                    return True
            except (OSError, ValueError, OverflowError):
                continue  # [vvar] and the like cannot be read by anybody
    return False


def test_an_idle_daemon_holds_no_secret_in_its_memory(instance):
    instance.start()
    marker = "unmistakable-%d" % instance.process.pid
    instance.command("secret", "set", marker, stdin=VALUE)
    instance.command("secret", "rotate", marker, stdin=VALUE)
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):  # not even its own user may look
            memory_holds(instance.process.pid, b"x")
        return
    deadline = time.monotonic() + 90  # until the last connection is closed
    while memory_holds(instance.process.pid, VALUE.encode()) and time.monotonic() < deadline:
        pass
    assert not memory_holds(instance.process.pid, VALUE.encode())
    assert memory_holds(instance.process.pid, b"serve.ready") or memory_holds(instance.process.pid, b"leaverd")


def test_a_second_daemon_is_refused(instance):
    instance.start()
    other = Daemon(instance.binary, instance.folder)
    assert fault(other, BUSY, "serve")


def test_twenty_commands_at_once_find_the_daemon_and_no_lock(instance):
    instance.start()

    def one(number):
        instance.command("secret", "set", "s%02d" % number, stdin=str(number))
        return len(instance.json("secret", "list")["secrets"])

    with ThreadPoolExecutor(20) as pool:
        counts = list(pool.map(one, range(20)))
    assert max(counts) == 20
    assert sum(e["what"] == "secret.set" for e in entries(instance)) == 20
    assert not [line for line in instance.log if "locked" in line]
    instance.command("audit", "verify", "--head")


def test_twenty_commands_at_once_without_a_daemon_take_turns(instance):
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda n: instance.command("secret", "set", "s%02d" % n, stdin="x", status=(OK, BUSY)),
                      range(20)))
    names = {s["name"] for s in instance.json("secret", "list")["secrets"]}
    assert names and all(re.fullmatch(r"s\d\d", n) for n in names)
    assert sum(e["what"] == "secret.set" for e in entries(instance)) == len(names)
    instance.command("audit", "verify", "--head")


def test_a_killed_daemon_leaves_a_store_that_the_next_command_opens(instance):
    instance.start()
    instance.command("secret", "set", "a", stdin="1")
    instance.stop(signal.SIGKILL)
    assert [s["name"] for s in instance.json("secret", "list")["secrets"]] == ["a"]
    instance.command("audit", "verify", "--head")


def test_protections_and_tables_fit_the_terminal(instance):
    instance.env["COLUMNS"] = "60"
    for argv in (["secret", "list"], ["token", "list"], ["plans"], ["users"], ["seats"], ["match"],
                 ["protect", "list"], ["bars", "list"], ["source", "status"]):
        text = instance.command(*argv)
        assert text and all(len(line) <= 60 for line in text.splitlines()), argv


@pytest.mark.parametrize("shell", ["bash"])
def test_completion_offers_commands_and_their_options(instance, shell):
    script = instance.command("completion", shell)
    ask = script + "\nCOMP_WORDS=(%s); COMP_CWORD=%d; _leaverd; echo \"${COMPREPLY[@]}\"\n"

    def offered(*words):
        done = subprocess.run(["bash", "-c", ask % (" ".join(map(repr, words)), len(words) - 1)], text=True,
                              capture_output=True, check=True)
        return done.stdout.split()

    assert "sync" in offered("leaverd", "sy") and "plan" not in offered("leaverd", "sy")
    assert set(offered("leaverd", "secret", "")) >= {"set", "list", "rotate", "rekey"}
    assert "--owner" in offered("leaverd", "secret", "set", "--")
    assert "observe" in offered("leaverd", "arm", "ob")
