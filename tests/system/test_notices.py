"""Notices: each step tells each of its receivers once, whatever servers and crashes do; a warning
that did not arrive takes nobody's seat; a link keeps a seat, once."""
import json
import re
import signal
import sqlite3
import time
import urllib.error
import urllib.request

import pytest

from daemon import CommandFault
from hook import Hook
from smtp import Smtp
from world import DAY, HOUR, POLICY, World, actions

MINUTE = HOUR // 60
KEY = "k" * 32
WIDE = POLICY.replace("count: 5, share: 80 %", "count: 60, share: 80 %")

def until(look, what, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(what)


def reconfigure(world, notices, keep=""):
    """Another section notices; the daemon starts anew with it."""
    text = world.daemon.config.read_text()
    text = re.sub(r"notices:\n(  .*\n)+(keep:\n(  .*\n)+)?", "notices:\n%s%s" % (notices, keep), text)
    world.daemon.stop()
    world.daemon.write_config(text)
    world.daemon.start()


def rows(world):
    """The outbox as it stands, by receiver."""
    with sqlite3.connect("file:%s?mode=ro" % (world.daemon.folder / "state/leaverd.db"), uri=True) as db:
        db.row_factory = sqlite3.Row
        return [dict(r) for r in db.execute("SELECT * FROM outbox ORDER BY id")]


def states(world, kind="warn"):
    words = ("queued", "sending", "given", "sent", "maybe", "failed")
    return {r["receiver"]: words[r["state"]] for r in rows(world) if r["kind"] == kind}


def settled(world):
    return until(lambda: all(s in ("sent", "maybe", "failed") for s in states(world).values()) and states(world),
                 "notices are still on their way")


def warn(world):
    """Plans, approves and applies the warnings; who was to be warned."""
    plan = world.plan()
    warned = actions(plan, kind="warn")
    assert warned
    world.approve(plan)
    world.apply(plan)
    return warned


def jira(account):
    """When each of its Jira seats was used last."""
    return {label: t for label, t in account["lastActive"].items() if label.startswith("jira@")}


def with_jira(world, n):
    """Plain people with one Jira seat that is in use, by a group that can be taken away, and no
    API token that is in use, too."""
    found = []
    for a in world.rehearsal.accounts("ordinary"):
        if not a["tokens"] and len(jira(a)) == 1 and min(jira(a).values()) > "2026-09-25" and \
                {g.split("-acme")[0] for g in a["groups"] if "acme" in g} <= {"jira-users", "confluence-users"} \
                and len(found) < n:
            groups = [g.replace("jira-users-", "jira-contractors-") for g in a["groups"]]
            world.rehearsal.control("POST", "set", {"account": a["email"], "groups": groups})
            found.append(a["email"])
    assert len(found) == n
    return found


def idle(world, mails, since=200, **more):
    """Their Jira was not used for so many days."""
    for mail in mails:
        labels = {label: since for label in jira(world.rehearsal.account(mail))}
        world.rehearsal.control("POST", "set", dict({"account": mail, "lastActive": labels}, **more))
    world.command("collect")


def days(world, n, hours=1):
    world.clock.advance(n * DAY + hours * HOUR)
    world.command("sync")
    world.command("collect")


@pytest.fixture(scope="module")
def base(build, tmp_path_factory):
    with World(build, tmp_path_factory.mktemp("notices"), people=100, orphans=1, policy=WIDE) as w:
        w.push()
        w.ready()
        w.rounds()
        w.arm()
        yield w


MAIL = """\
  contact: it@x.example
  copy: manager
  mail:
    server: 127.0.0.1:%d
    ca_file: %s
    login: leaverd
    password: mail-password
    from: leaverd@x.example
    from_name: Zoë of IT
    per_minute: 6000
    timeout: 5s
"""


def test_mail_is_sent_once_for_each_step_under_faults_crash_and_retry(base, tmp_path):
    world = base
    server = Smtp(tmp_path, login=("leaverd", "s3cret"))
    port = server.port
    try:
        server.stop()  # nobody listens yet
        world.command("secret", "set", "mail-password", stdin="s3cret")
        reconfigure(world, MAIL % (port, server.cert))
        wanted = with_jira(world, 8)
        idle(world, wanted)
        idle(world, wanted[7:8], name="Ada\r\nBcc: evil@x.example")
        mails = [a["email"] for a in warn(world)]
        assert set(mails) >= set(wanted)
        mails = wanted + [m for m in mails if m not in wanted]
        until(lambda: "queued" in states(world).values() and
              any("cannot be used" in r["says"] for r in rows(world)), "the server was not missed")
        assert set(states(world).values()) == {"queued"}
        # nothing follows from a warning that was not sent
        plan = world.plan()
        assert not actions(plan, kind="free-seat") and not actions(plan, kind="warn")

        server = Smtp(tmp_path, login=("leaverd", "s3cret"), port=port)
        later, twice, refused, no, drop, lose, hold = mails[:7]
        server.how = {later: ["later"], twice: ["later-data", "later"], refused: ["refuse"],
                      no: ["refuse-data"], drop: ["drop"], lose: ["lose"], hold: ["hold"]}
        world.clock.advance(HOUR // 2 + MINUTE)
        assert server.held.wait(120), "the letter that is held did not come"
        world.daemon.stop(signal.SIGKILL)  # between the last byte and its answer
        server.go.set()
        world.daemon.start()
        for _ in range(30):  # each try that was put off, however slow the machine is to begin it
            until(lambda: not {"sending", "given"} & set(states(world).values()), "one is stuck")
            if "queued" not in states(world).values():
                break
            world.clock.advance(HOUR + HOUR // 2)
            time.sleep(0.3)
        end = settled(world)
        assert end[hold] == "maybe" and end[drop] == "maybe"
        assert end[refused] == "failed" and end[no] == "failed"
        # where a connection broke in the middle curl may have written all of it: then nobody knows
        assert end[lose] in ("sent", "maybe")
        assert {m for m, s in end.items() if s == "sent"} | {lose} == set(mails) - {hold, drop, refused, no}
        for mail in set(mails):
            ids = {str(m["Message-ID"]) for m in server.seen(mail)}
            wanted = mails.count(mail)
            assert len(ids) == (0 if mail == refused or end[mail] == "maybe" and mail == lose else wanted), (mail, ids)
            assert len(server.to(mail)) <= wanted
        assert len(server.seen(hold)) == 1 and len(server.seen(drop)) == 1  # never again
        assert server.sessions < len(mails)  # connections are kept

        letter = server.to(later)[0]
        assert str(letter["From"]) == "Zoë of IT <leaverd@x.example>"
        assert letter["Auto-Submitted"] == "auto-generated"
        text = letter.get_body(("plain",)).get_content()
        html = letter.get_body(("html",)).get_content()
        assert "until " in text and "Questions? it@x.example" in text
        assert "<html lang=\"en\">" in html and "{{" not in text + html

        listed = world.json("notices")
        assert {n["to"]: n["state"] for n in listed["notices"] if n["kind"] == "warn"} == \
            {m: {"maybe": "maybe sent"}.get(s, s) for m, s in end.items() if s != "sent"}
        log = "\n".join(world.daemon.log)
        assert not any(m in log for m in mails), "an address stands in the log"

        # whoever may not have been warned is warned anew; the others are not
        plan = world.plan()
        assert {a["email"] for a in actions(plan, kind="warn")} >= {hold, drop, refused, no}
        assert not {a["email"] for a in actions(plan, kind="warn")} & {later, twice}
        days(world, 14)
        freed = {a["email"] for a in actions(world.plan(), kind="free-seat")}
        assert later in freed and not freed & {hold, drop, refused, no}
    finally:
        server.stop()


def test_a_letter_is_never_sent_in_the_clear_or_to_a_stranger(base, tmp_path):
    world = base
    plain, other = Smtp(tmp_path, tls=False), Smtp(tmp_path)
    (tmp_path / "o").mkdir()
    stranger = Smtp(tmp_path / "o")
    try:
        for server, ca, says in ((plain, plain.cert, "cannot be used"), (stranger, other.cert, "cannot be used")):
            reconfigure(world, "  mail:\n    server: 127.0.0.1:%d\n    ca_file: %s\n    from: a@x.example\n"
                        % (server.port, ca))
            with pytest.raises(CommandFault) as fault:
                world.command("notices", "test", "ada@x.example")
            assert says in fault.value.err
            assert server.bodies == []
        reconfigure(world, "  mail:\n    server: 127.0.0.1:%d\n    ca_file: %s\n    from: a@x.example\n"
                    % (other.port, other.cert))
        assert "It was sent" in world.command("notices", "test", "zoë@x.example")
        until(lambda: other.to("zoë@x.example"), "the test did not come")
    finally:
        for server in (plain, other, stranger):
            server.stop()


HOOKS = """\
  hooks:
    - name: bot
      url: http://127.0.0.1:%d/bot
      key: hook-key
      tells: [warn, held, digest]
      per_minute: 6000
    - name: chat
      form: slack
      url_secret: chat-url
      tells: [held, digest]
      per_minute: 6000
    - name: team
      form: teams
      url: http://127.0.0.1:%d/team
      tells: [digest]
  digest: 10:00
"""


def test_hooks_are_signed_and_told_once_and_again_only_where_they_know_the_key(base):
    world, hook = base, Hook()
    try:
        world.command("secret", "set", "hook-key", stdin=KEY)
        world.command("secret", "set", "chat-url", stdin="http://127.0.0.1:%d/chat?token=x" % hook.port)
        hook.about, hook.statuses = b'"kind":"warn"', [503, 0]  # busy, then it takes one without saying so
        reconfigure(world, HOOKS % (hook.port, hook.port))
        wanted = with_jira(world, 1)
        idle(world, wanted)
        mails = [a["email"] for a in warn(world)]
        assert set(wanted) <= set(mails)
        for _ in range(3):
            world.clock.advance(2 * MINUTE)
            time.sleep(0.3)
        settled(world)
        told = [c for c in hook.of("/bot") if Hook.json(c)["kind"] == "warn"]
        assert all(Hook.signed(c, KEY) for c in told) and not Hook.signed(told[0], "x" * 32)
        keys = {}
        for c in told:
            assert c[1]["Idempotency-Key"] == Hook.json(c)["key"]
            keys.setdefault(Hook.json(c)["key"], []).append(c[3])
        assert len(keys) == len(mails) and [s[-1] for s in keys.values()] == [200] * len(mails)
        assert sorted(len(s) for s in keys.values())[-2:] in ([2, 2], [1, 3])  # the two that were put off
        assert {Hook.json(c)["to"]["email"] for c in told} == set(mails)

        # the plans that wait, and the digest: to those who are told of them; no names
        world.plan()
        world.clock.advance(3 * HOUR)
        until(lambda: hook.of("/chat?token=x") and hook.of("/team"), "nobody was told what waits")
        until(lambda: [c for c in hook.of("/bot") if Hook.json(c).get("tells") == "digest"], "no digest")
        time.sleep(0.3)
        for path in ("/chat?token=x", "/team"):
            for c in hook.of(path):
                text = c[2].decode()
                assert "X-Leaverd-Signature" not in c[1] and "waits for approval" in text
                assert not any(p["mail"] in text or p.get("sn", "?") + "," in text for p in world.people)
        card = Hook.json(hook.of("/team")[0])["attachments"][0]["content"]
        assert card["type"] == "AdaptiveCard" and card["body"][0]["text"].startswith("leaverd rehearsal")
        digests = [c for c in hook.of("/bot") if Hook.json(c).get("tells") == "digest"]
        assert len(digests) == 1
        assert "token=x" not in world.command("notices", "--all") + "\n".join(world.daemon.log)

        # one that cannot tell repeats apart is never given one twice
        hook.about, hook.statuses = b"a test", [0]
        before = len(hook.of("/team"))
        assert "may have been sent" in fault_of(world, "notices", "test", "team")
        world.clock.advance(2 * HOUR)
        time.sleep(0.3)
        assert len([c for c in hook.of("/team")[before:] if b"a test" in c[2]]) == 1
    finally:
        hook.stop()


def test_a_hook_hears_a_step_again_by_the_same_key_when_a_kill_ate_its_answer(base):
    world, hook = base, Hook()
    try:
        world.command("secret", "set", "hook-key", stdin=KEY)
        world.command("secret", "set", "chat-url", stdin="http://127.0.0.1:%d/chat" % hook.port)
        reconfigure(world, HOOKS % (hook.port, hook.port))
        wanted = with_jira(world, 2)
        hook.hold = wanted[0].encode()
        idle(world, wanted)
        before = {r["id"] for r in rows(world)}
        mails = [a["email"] for a in warn(world)]
        assert set(wanted) <= set(mails)
        assert hook.held.wait(120), "the call that is held did not come"
        world.daemon.stop(signal.SIGKILL)  # it was received; our record does not say so
        hook.go.set()
        world.daemon.start()
        for _ in range(3):
            world.clock.advance(2 * MINUTE)
            time.sleep(0.3)
        new = until(lambda: all(r["state"] == 3 for r in rows(world) if r["id"] not in before and r["kind"] == "warn")
                    and [r for r in rows(world) if r["id"] not in before and r["kind"] == "warn"], "not all are sent")
        assert len(new) == len(mails)
        keys = {}
        for c in hook.of("/bot"):
            if Hook.json(c)["kind"] == "warn":
                assert Hook.signed(c, KEY) and c[1]["Idempotency-Key"] == Hook.json(c)["key"]
                keys.setdefault(Hook.json(c)["key"], []).append(Hook.json(c)["to"]["email"])
        # a key of its own for each step; the one whose answer was lost came again, as the same
        assert len(keys) == len(mails) and all(len(set(to)) == 1 for to in keys.values()), keys
        assert {to[0] for to in keys.values()} == set(mails)
        assert [len(to) for to in keys.values() if to[0] == wanted[0]] == [2], keys
    finally:
        hook.go.set()
        hook.stop()


def fault_of(world, *argv):
    with pytest.raises(CommandFault) as fault:
        world.command(*argv)
    return fault.value.err


# --- the link that keeps a seat ------------------------------------------------------------------

class Page:
    def __init__(self, url, form=None, method=None, headers=None):
        data = form.encode() if form is not None else None
        request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
        try:
            answer = urllib.request.urlopen(request, timeout=10)
        except urllib.error.HTTPError as fault:
            answer = fault
        self.status, self.headers, self.text = answer.status, answer.headers, answer.read().decode()
        found = re.search(r'name="form" value="([^"]+)"', self.text)
        self.form = "form=" + found.group(1) if found else None


def bars(world):
    with sqlite3.connect("file:%s?mode=ro" % (world.daemon.folder / "state/leaverd.db"), uri=True) as db:
        return db.execute("SELECT account, product, site, rule, who FROM bar WHERE who = 'keep-link'").fetchall()


def links(world, folder):
    """The links that stand in the notices of a folder, by receiver."""
    found = {}
    for path in sorted(folder.glob("*-warn.txt")) or sorted(folder.glob("*.txt")):
        text = path.read_text()
        link = re.search(r"http://\S+/keep/\S+", text)
        if link:
            found[re.search(r"To: .*?<?([^<> ]+@[^<> \n]+)>?\n", text).group(1)] = link.group(0)
    return found


def test_a_link_keeps_a_seat_once_and_only_when_its_button_is_pressed(base, tmp_path):
    world = base
    folder = tmp_path / "notices"
    folder.mkdir()
    reconfigure(world, "  folder: %s\n" % folder, "keep:\n  url: http://127.0.0.1:1/base/\n  for: 30d\n")
    kept, user, late, other = wanted = with_jira(world, 4)
    idle(world, wanted)
    warn(world)
    until(lambda: len(links(world, folder)) >= 4, "no links were written")
    at = "http://127.0.0.1:%d/keep/" % world.daemon.scim_port
    found = {m: at + link.rsplit("/", 1)[1] for m, link in links(world, folder).items()}
    assert all("127.0.0.1:1/base/keep/" in link for link in links(world, folder).values())

    # to look changes nothing, however often; and what is shown is nobody's business
    for _ in range(5):
        page = Page(found[kept])
        assert page.status == 200 and page.form and "Jira" in page.text
    assert Page(found[kept], method="HEAD").status == 200
    assert not bars(world)
    assert kept not in page.text and page.headers["Cache-Control"] == "no-store"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "http" not in re.sub(r"<form.*?</form>", "", page.text) and "<script" not in page.text
    assert '<html lang="en">' in page.text and "<title>" in page.text and "viewport" in page.text

    # nothing but its own button does
    token = found[kept].rsplit("/", 1)[1]
    forged = at + token[:-1] + ("A" if token[-1] != "A" else "B")
    for url, form, status in ((found[kept], "", 400), (found[kept], "form=1-00", 400),
                              (found[kept], Page(found[other]).form, 400), (forged, page.form, 404),
                              (at + "x", page.form, 404), (found[kept], "form=" + "x" * 2000, 413)):
        assert Page(url, form).status == status, (url, form)
    for method in ("PUT", "DELETE", "PATCH"):
        assert Page(found[kept], page.form, method=method).status == 405
    stale = Page(found[late]).form
    world.clock.advance(HOUR)
    assert Page(found[late], stale).status == 400  # a page that was open for an hour
    assert not bars(world)

    # once
    form = Page(found[kept]).form
    done = Page(found[kept], form)
    assert done.status == 200 and "You keep your Jira licence" in done.text
    assert Page(found[kept], form).status == 409 and Page(found[kept]).status == 200
    assert [(b[1], b[3], b[4]) for b in bars(world)] == [("jira", "", "keep-link")]
    assert "seat.keep" in world.command("audit", "export")
    assert "keep" in world.command("why", kept)

    # using the product is enough, too; and who did neither loses the seat
    days(world, 14, hours=26)
    idle(world, [user], since=0.2)
    assert Page(found[late], Page(found[other]).form).status == 410 and Page(found[other]).status == 410
    plan = world.plan()
    freed = {a["email"] for a in actions(plan, kind="free-seat") if a["product"].startswith("jira")}
    assert {late, other} <= freed and not {kept, user} & freed
    held = [a for a in actions(plan, held=True) if a["email"] == kept and a["product"].startswith("jira")]
    assert held and all("bar" in a["held_by"] for a in held)
    world.approve(plan)
    world.apply(plan)
    assert jira(world.rehearsal.account(kept)) and "jira" in str(world.rehearsal.account(kept)["seats"])
    assert "jira" not in str(world.rehearsal.account(other)["seats"])
    # when its time is over the person is warned anew, not taken by surprise
    days(world, 31)
    plan = world.plan()
    assert kept in {a["email"] for a in actions(plan, kind="warn")}
    assert kept not in {a["email"] for a in actions(plan, kind="free-seat") if a["product"].startswith("jira")}
    world.command("audit", "verify")


def test_who_guesses_links_is_slowed(base, tmp_path):
    world = base
    reconfigure(world, "  folder: %s\n" % tmp_path, "keep:\n  url: http://127.0.0.1:1\n  listen: 127.0.0.1:0\n")
    port = int(re.search(r"keep.ready.*port=(\d+)", "\n".join(world.daemon.log)).group(1))
    at = "http://127.0.0.1:%d/keep/" % port
    assert Page("http://127.0.0.1:%d/keep/x" % world.daemon.scim_port).status == 404
    seen = [Page(at + "A" * 108).status for _ in range(25)]
    assert seen[:15] == [404] * 15 and seen[-1] == 429


# --- texts ---------------------------------------------------------------------------------------

def test_templates_of_ones_own_are_checked_and_used_by_language(base, tmp_path):
    world = base
    words, folder = tmp_path / "words", tmp_path / "out"
    words.mkdir()
    folder.mkdir()
    (words / "test.fr.txt").write_text("Subject: Un essai de {{instance}}\n\nBonjour {{nmae}}\n", encoding="utf-8")
    (words / "warn.fr.txt").write_text("Sujet: x\n")
    (words / "hello.txt").write_text("x")
    text = world.daemon.config.read_text()
    section = "notices:\n  folder: %s\n  templates: %s\n  language: fr\n" % (folder, words)
    world.daemon.write_config(re.sub(r"notices:\n(  .*\n)+(keep:\n(  .*\n)+)?", section, text))
    out = world.command("config", "check", status=3)
    assert "test.fr.txt:3:9: there is no variable \"nmae\"" in out
    assert "warn.fr.txt:1:1: the first line is to begin with \"Subject:\"" in out
    world.daemon.write_config(text)
    (words / "test.fr.txt").write_text("Subject: Un essai de {{instance}}\n\nÇa marche.\n", encoding="utf-8")
    (words / "test.fr.html").write_text("<p lang=fr>{{instance}}</p>\n", encoding="utf-8")
    (words / "warn.fr.txt").unlink()
    reconfigure(world, section.split("\n", 1)[1])
    world.command("notices", "test", "ada@x.example")
    written = {p.suffix: p.read_text(encoding="utf-8") for p in folder.iterdir()}
    assert "Subject: Un essai de rehearsal\n\nÇa marche." in written[".txt"]
    assert written[".html"] == "<p lang=fr>rehearsal</p>\n"
