"""Reports: one answer in four forms; the page in a real browser."""
import csv
import datetime
import io
import json
import re
import sqlite3
import subprocess

import pytest

from daemon import EMPLOYMENT, CommandFault
from world import DAY, World, actions

USAGE = 2
NAMES = ["seats", "paths", "savings", "inactive", "departments", "managers", "leavers", "orphans", "doubtful", "deprovisioning",
         "auditor", "exemptions", "reviews", "feeds", "keys", "activity", "trend"]
BILLING = """\
  - name: acme
    billing:
      - product: jira
        price: 9.05
        renews: 2026-10-15
"""


@pytest.fixture(scope="module")
def world(build, tmp_path_factory):
    """Two leavers blocked by an applied plan; prices for Jira alone."""
    folder = tmp_path_factory.mktemp("reports")
    with World(build, folder, people=50, orphans=3) as w:
        w.daemon.stop()
        w.daemon.write_config(w.daemon.config.read_text().replace("  - name: acme\n", BILLING))
        w.daemon.start()
        w.leavers = [p["mail"] for p in w.ordinary[:2]]
        w.push(ends=dict({p["uid"]: "2026-11-20" for p in w.ordinary[:2]}, **{w.ordinary[2]["uid"]: "2026-12-31"}))
        w.ready()
        w.rounds()
        w.arm()
        plan = w.plan()
        w.clock.advance(60 * 1000)
        w.approve(plan)
        w.apply(plan)
        w.command("collect")
        w.command("protect", "add", w.ordinary[3]["mail"], "--owner", "HR <Lyon>", "--until", "90d", "--reason", "long illness")
        w.sample = folder / "sample.csv"
        w.sample.write_text("address,left\n%s,2026-11-20\n%s\nnobody@nowhere.test,2026-11-01\n%s\n" % (
            w.leavers[0], w.leavers[1], w.ordinary[4]["mail"]))
        yield w


def report(world, name, *argv):
    """Rows as dicts, and the whole answer."""
    if name == "auditor":
        argv += ("--sample", str(world.sample))
    answer = world.json("report", name, *argv)
    columns = [c["name"] for c in answer["columns"]]
    return [dict(zip(columns, row)) for row in answer["rows"]], answer


def test_every_report_has_the_same_rows_in_all_forms(world):
    assert [r["name"] for r in world.json("report")["reports"]] == NAMES
    for name in NAMES:
        rows, answer = report(world, name)
        extra = ("--sample", str(world.sample)) if name == "auditor" else ()
        text = world.command("report", name, "--format", "csv", *extra)
        table = list(csv.reader(io.StringIO(text, newline="")))
        assert table[0] == [c["name"] for c in answer["columns"]] and len(table) == len(rows) + 1, name
        shown = world.command("report", name, *extra)
        for note in answer["notes"]:
            assert note.split()[0] in shown
        page = world.command("report", name, "--format", "html", *extra)
        assert page.count("<tr>") == len(rows) + 1 + ("<tfoot>" in page), name
        assert not re.search(r"(https?:)?//(?!www\.w3\.org)|<script|<link|<img|@import|url\(", page), name
        for i, column in enumerate(answer["columns"]):
            if column["total"]:
                assert answer["totals"][i] == sum(r[i] or 0 for r in answer["rows"]), (name, column)
    with pytest.raises(CommandFault) as caught:
        world.command("report", "nonsense")
    assert caught.value.status == USAGE


def test_seats_are_counted_once_and_add_up(world):
    rows, _ = report(world, "seats")
    listed = world.json("seats", "--limit", "0")["seats"]
    told = [r for r in rows if r["seats"] >= 5]
    for row in rows:
        of = [s for s in listed if (s["product"], s["site"]) == (row["product"], row["site"])]
        assert row["seats"] == len(of)
        if row not in told:  # each of so few would be seen
            assert [row[c] for c in ("used", "inactive", "neverUsed", "unknown", "protected")] == [None] * 5
            continue
        assert row["seats"] == row["used"] + row["inactive"] + row["neverUsed"] + row["unknown"]
        assert row["neverUsed"] == sum(s["never_used"] for s in of)
    assert 0 < len(told) < len(rows)
    seen = {(r["product"], r["site"]) for r in told}
    inactive = [r for r in report(world, "inactive")[0] if (r["product"], r["site"]) in seen]
    assert len(inactive) == sum(r["inactive"] + r["neverUsed"] for r in told) > 0
    assert sum(r["inactive"] for r in report(world, "seats", "--days", "9999")[0] if r["seats"] >= 5) == 0
    guarded = [s for s in listed if s["email"] == world.ordinary[3]["mail"] and (s["product"], s["site"]) in seen]
    assert sum(r["protected"] for r in told) == len(guarded)
    paths, _ = report(world, "paths")
    for row in rows:
        of = [p for p in paths if (p["product"], p["site"]) == (row["product"], row["site"])]
        assert sum(p["seats"] for p in of) == sum(
            len(s["paths"]) for s in listed if (s["product"], s["site"]) == (row["product"], row["site"]))
        assert sum(p["alone"] for p in of) == sum(
            len(s["paths"]) == 1 for s in listed if (s["product"], s["site"]) == (row["product"], row["site"]))


def test_money_comes_from_configured_prices_with_its_date_and_is_marked_as_a_forecast(world):
    rows, answer = report(world, "savings")
    seats = {(r["product"], r["site"]): r for r in report(world, "seats")[0]}
    assert {r["product"] for r in rows} == {"jira"}
    idle = [r for r in rows if r["what"] == "inactive"]
    assert idle
    for row in idle:
        assert row["seats"] == seats["jira", row["site"]]["inactive"] and row["price"] == 905
        assert row["perMonth"] == 905 * row["seats"] and row["currency"] == "USD" and row["forecast"] is True
        assert row["paysFrom"] == "2026-12-15"  # the period of 15 November has begun
    for product, site in seats:
        if product != "jira" and seats[product, site]["seats"]:
            assert any(n.startswith("%s on %s has no price" % (product, site)) for n in answer["notes"]), product


def test_the_auditor_gets_an_answer_to_every_row(world):
    rows, answer = report(world, "auditor")
    by = {}
    for row in rows:
        by.setdefault(row["asked"], []).append(row)
    assert set(by) == {world.leavers[0], world.leavers[1], "nobody@nowhere.test", world.ordinary[4]["mail"]}
    removed = by[world.leavers[0]][0]
    assert removed["answer"] == "removed" and removed["status"] in ("suspended", "deactivated"), removed
    assert removed["effective"] == "2026-11-20" and removed["plan"] > 0
    assert removed["removedAt"] >= removed["knownAt"] > 0 and removed["hoursFromEffective"] > 48
    assert by[world.leavers[1]][0]["effective"] == "2026-11-20"  # of the source: it is past
    assert by["nobody@nowhere.test"][0]["answer"] == "unmatched"
    assert by[world.ordinary[4]["mail"]][0]["answer"] == "still active"
    assert any(n.startswith("Asked: 4 rows. Answers: %d " % len(rows)) for n in answer["notes"])
    bad = world.folder / "bad.csv"
    bad.write_text("a@example.com,2026-13-40\n")
    with pytest.raises(CommandFault) as caught:
        world.command("report", "auditor", "--sample", str(bad))
    assert "line 1" in caught.value.err


def iso(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_auditors_sample_is_answered_as_of_a_past_date(world):
    """Before anything was read, while the plan waited, and after it was applied."""
    now = {r["asked"]: r for r in report(world, "auditor")[0]}
    removed = now[world.leavers[0]]
    known, done = removed["knownAt"], removed["removedAt"]

    def as_of(ms):
        rows, answer = report(world, "auditor", "--as-of", iso(ms))
        assert any(n.startswith("As of ") for n in answer["notes"])
        return {r["asked"]: r for r in rows}

    before = as_of(known - 24 * 3600 * 1000)
    assert before[world.leavers[0]]["answer"] in ("not known", "never had an account"), before
    early = as_of(known + 1000)  # a round had planned it, before anybody approved the match rule
    assert early[world.leavers[0]]["answer"] == "not covered", early
    between = as_of(done - 30 * 1000)  # a minute passed before the plan was approved
    assert between[world.leavers[0]]["answer"] == "pending" and between[world.leavers[0]]["removedAt"] is None
    assert between[world.leavers[0]]["status"] == "" and between[world.leavers[0]]["knownAt"] == known
    assert between[world.ordinary[4]["mail"]]["answer"] == now[world.ordinary[4]["mail"]]["answer"]
    after = as_of(world.clock.now_ms() - 1000)
    assert {a: r["answer"] for a, r in after.items()} == {a: r["answer"] for a, r in now.items()}
    with pytest.raises(CommandFault) as caught:
        world.command("report", "auditor", "--sample", str(world.sample), "--as-of", "30d")
    assert caught.value.status == USAGE and "lies ahead" in caught.value.err


def test_time_to_deprovision_is_told_by_clock_and_business_days(world):
    rows, answer = report(world, "deprovisioning")
    assert len(rows) >= 2 and len({r["person"] for r in rows}) == len(rows)
    by_hr = [r for r in rows if r["rule"] == "leaver-hr"]
    assert len(by_hr) == 2
    for row in by_hr:
        # ended with Friday in Berlin, done on Monday after nine: a weekend lies between
        assert row["hours"] > 48 * 100 and row["businessHours"] < 20 * 100 and row["breach"] is True, row
    assert not any(r["breach"] for r in report(world, "deprovisioning", "--within", "30d")[0])
    assert any("50 %" in n and "on working days" in n for n in answer["notes"])
    days, _ = report(world, "trend")
    assert sum(d["done"] + d["notDone"] for d in days) >= len(rows)


def test_the_trend_of_use_is_told_by_day_in_totals(world):
    rows, answer = report(world, "activity")
    seats = {(r["product"], r["site"]): r for r in report(world, "seats")[0]}
    newest = max(r["day"] for r in rows)
    today = {(r["product"], r["site"]): r for r in rows if r["day"] == newest}
    assert set(today) == set(seats) and newest == "2026-11-23"
    for place, row in today.items():
        assert row["seats"] == seats[place]["seats"]
        if row["seats"] < 5:
            assert row["usedOrUnknown"] is row["idle"] is row["neverUsed"] is None
        else:
            assert row["usedOrUnknown"] + row["idle"] + row["neverUsed"] == row["seats"]
            assert row["neverUsed"] == seats[place]["neverUsed"] and row["idle"] >= seats[place]["inactive"]


def departments(world):
    """By name; and that nothing is left between them and what other reports tell of the organisation."""
    rows = {r["department"]: r for r in report(world, "departments")[0]}
    seats = report(world, "seats")[0]
    assert rows and all(r["people"] >= 5 for r in rows.values()), rows
    assert sum(r["seats"] for r in rows.values()) == sum(r["seats"] for r in seats)
    assert sum(r["inactive"] for r in rows.values()) == sum(
        r["inactive"] + r["neverUsed"] for r in seats if r["seats"] >= 5)
    return rows


def test_small_groups_keys_feeds_and_exemptions_say_what_they_are(world):
    by = departments(world)
    managers = {r["manager"]: r for r in report(world, "managers")[0]}
    assert managers and all(r["people"] >= 5 for r in managers.values()), managers
    assert sum(r["seats"] for r in managers.values()) == sum(r["seats"] for r in by.values())
    feeds = {f["source"]: f for f in report(world, "feeds")[0]}
    assert {n: f["health"] for n, f in feeds.items()} == {"hr": "good", "corp": "good", "idp": "good"}
    keys, _ = report(world, "keys")
    assert {"corp-ldap", "acme-key", "hr-token", "idp-token"} <= {k["name"] for k in keys}
    exempt, _ = report(world, "exemptions")
    assert [(e["owner"], e["daysLeft"]) for e in exempt] == [("HR <Lyon>", 90)]
    page = world.command("report", "exemptions", "--format", "html")
    assert "HR &lt;Lyon&gt;" in page and "<Lyon>" not in page


def test_orphans_stand_beside_who_is_not_linked_and_who_has_no_account(world):
    rows, answer = report(world, "orphans")
    by = {k: [r for r in rows if r["kind"] == k] for k in ("orphan", "unlinked", "no account")}
    assert all(by.values()) and sum(map(len, by.values())) == len(rows)
    orphans = {a["account_id"] for a in world.json("orphans", "--limit", "0")["accounts"]}
    assert orphans and {r["accountId"] for r in by["orphan"]} == orphans
    accounts = world.json("accounts", "--limit", "0")["accounts"]
    strangers = {a["account_id"] for a in accounts if not a["person"] and not a["managed"] and a["type"] == "atlassian"}
    assert {r["accountId"] for r in by["unlinked"]} == strangers
    linked = {a["person"] for a in accounts if a["person"]}
    assert all(r["person"] and r["person"] not in linked and not r["accountId"] for r in by["no account"])
    assert "%d orphans, %d unlinked accounts, %d people without an account." % tuple(
        len(by[k]) for k in ("orphan", "unlinked", "no account")) in answer["notes"]
    assert len(report(world, "orphans", "--org", "acme")[0]) == len(rows)


def test_days_are_bounded(world):
    for argv in (("report", "trend"), ("report", "seats"), ("undo", world.leavers[0], "--reason", "x")):
        with pytest.raises(CommandFault) as caught:
            world.command(*argv, "--days", "9223372036854775807")
        assert caught.value.status == USAGE and "36500" in caught.value.err


# --- in a browser ------------------------------------------------------------------------------

CHECK = """
const luminance = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => { v /= 255;
  return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); }); return .2126 * r + .7152 * g + .0722 * b; };
const ratio = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
  if (!/, 0\\)$/.test(c) && c !== 'transparent') return c; } return 'rgb(255, 255, 255)'; };
const low = [], shapes = [];
for (const e of document.querySelectorAll('h1,h2,p,li,caption,th,td,time,span,svg text')) {
  if (!e.textContent.trim()) continue;
  const s = getComputedStyle(e), c = e instanceof SVGElement ? s.fill : s.color;
  if (ratio(c, behind(e)) < 4.5) low.push([e.tagName, c, behind(e)]);
}
for (const e of document.querySelectorAll('svg rect')) {
  const c = getComputedStyle(e).fill; if (ratio(c, behind(e)) < 3) shapes.push([c, behind(e)]);
}
const svg = document.querySelector('svg'), ragged = [];
for (const e of document.querySelectorAll('tbody td')) {
  if (/^-?[\\d.,]+$/.test(e.textContent.trim()) && e.className === 'n' && getComputedStyle(e).textAlign !== 'right') ragged.push(e.textContent);
}
return { ragged, low, shapes, lang: document.documentElement.lang, title: document.title,
  h1: document.querySelectorAll('h1').length, heads: [...document.querySelectorAll('thead th')].every(t => t.scope === 'col'),
  caption: !!document.querySelector('table caption'), main: !!document.querySelector('main'),
  svg: svg && { role: svg.getAttribute('role'), named: (svg.getAttribute('aria-labelledby') || '').split(' ')
    .every(i => document.getElementById(i) && document.getElementById(i).textContent.trim()), bars: svg.querySelectorAll('rect').length },
  region: [...document.querySelectorAll('[role=region]')].every(r => r.tabIndex === 0 && document.getElementById(r.getAttribute('aria-labelledby'))),
  wide: document.documentElement.scrollWidth > innerWidth,
  loaded: performance.getEntriesByType('resource').map(r => r.name) };
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,1600",
                     "--user-data-dir=%s" % tmp_path_factory.mktemp("chromium")):
        options.add_argument(argument)
    options.binary_location = "/usr/bin/chromium"
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(world, tmp_path_factory):
    """Each report as a page."""
    folder = tmp_path_factory.mktemp("pages")
    for name in NAMES:
        more = ("--sample", str(world.sample)) if name == "auditor" else ()
        world.command("report", name, "--format", "html", "--output", str(folder / (name + ".html")), *more)
    return {name: folder / (name + ".html") for name in NAMES}


def seen(browser, page, scheme):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    browser.get(page.as_uri())
    return browser.execute_script(CHECK)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_page_is_readable_labelled_and_alone(world, browser, pages, scheme):
    for name, page in pages.items():
        said = seen(browser, page, scheme)
        assert said["low"] == [] and said["shapes"] == [], (name, said)
        assert said["lang"] == "en" and said["title"] and said["h1"] == 1 and said["caption"] and said["main"], name
        assert said["heads"] and said["region"] and not said["wide"] and said["loaded"] == [], (name, said)
        assert said["ragged"] == [], (name, "numbers that do not stand to the right")
        if said["svg"]:
            assert said["svg"]["role"] == "img" and said["svg"]["named"] and said["svg"]["bars"] >= 1, name
        if name == "seats":
            assert said["svg"]["bars"] > 1
        if name == "departments":  # a bar is the seats, not the seats and once more those of them that are idle
            rows, _ = report(world, name)
            drawn = browser.execute_script("return [...document.querySelectorAll('svg text:not([text-anchor])')].map(t => t.textContent)")
            assert drawn[:len(rows)] == [str(r["seats"]) for r in rows], drawn
        shot = page.with_suffix("." + scheme + ".png")
        assert browser.save_screenshot(str(shot)) and shot.stat().st_size > 5000
        assert browser.get_log("browser") == [], name


def test_each_page_is_printed_with_margins_and_black_on_white(world, browser, pages):
    for name in ("seats", "departments", "auditor", "trend"):
        page = pages[name]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": [
            {"name": "prefers-color-scheme", "value": "dark"}]})
        browser.get(page.as_uri())
        said = browser.execute_script(CHECK)
        paper = browser.execute_script("return [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
        assert said["low"] == [] and paper[0] in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)") and paper[1] == "rgb(0, 0, 0)", (name, paper)
        assert len(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"]) > 5000
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def test_the_auditor_does_not_tell_whose_end_lies_ahead(world, tmp_path):
    """Last: it makes one person more leave, tomorrow."""
    soon = world.ordinary[5]
    world.hr.patch("Users/" + world.hr_ids[soon["uid"]], [
        {"op": "replace", "path": EMPLOYMENT + ":lastWorkingDay", "value": "2026-11-24"}])
    token = tmp_path / "token"
    token.write_text(world.json("token", "new", "hr-sees", "--role", "hr-confidential")["token"] + "\n")
    plan = world.json("plan", "--token-file", str(token))
    assert [a["kind"] for a in actions(plan, rule="leaver-hr") if a["email"] == soon["mail"]]
    sample = tmp_path / "sample.csv"
    sample.write_text(soon["mail"] + "\n")

    def answer(*argv):
        told = world.json("report", "auditor", "--sample", str(sample), *argv)
        row, = [dict(zip([c["name"] for c in told["columns"]], row)) for row in told["rows"]]
        return row["answer"], row["effective"], row["knownAt"] is None

    assert answer() == ("still active", "", True)
    assert answer("--token-file", str(token)) == ("pending", "2026-11-24", False)


def test_one_small_department_is_not_what_the_others_leave(world):
    """Everybody is of a large department but three: with the smallest of the large ones they are told."""
    users = [json.loads(x) for x in world.command("export", "users", "--format", "jsonl").splitlines()]
    department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
    small = [u for u in users if u["source"] == "hr" and u["department"] not in ("IT", "Marketing")]
    seated = {json.loads(x)["person"] for x in world.command("export", "seats", "--format", "jsonl").splitlines()}
    tiny = [u["id"] for u in small if u["person"] in seated][:3]
    for user in small:
        world.hr.patch("Users/" + user["id"], [
            {"op": "replace", "path": department, "value": "Tiny" if user["id"] in tiny else "Pool"}])
    rows = departments(world)
    assert len(tiny) == 3 and not {"Tiny", "Marketing"} & set(rows), rows
    assert set(rows) >= {"IT", "Pool", "(departments under 5 people, and Marketing)"}, rows


def linked(world, account, person):
    """Links the account to that person, in the store of a daemon that rests; who it was before."""
    world.daemon.stop()
    with sqlite3.connect(world.folder / "instance" / "state" / "leaverd.db") as db:
        before, = db.execute("SELECT person FROM account_link WHERE account = ?", (account,)).fetchone()
        db.execute("UPDATE account_link SET person = ? WHERE account = ?", (person, account))
    world.daemon.start()
    return before


def test_somebody_with_two_accounts_is_one_of_the_department(world):
    def seats():
        return [json.loads(x) for x in world.command("export", "seats", "--format", "jsonl").splitlines()]

    def people():
        return sum(r["people"] for r in report(world, "departments")[0])

    one, other = list({s["account"]: s for s in seats() if s["person"]}.values())[:2]
    before = linked(world, other["account"], one["person"])
    told = seats()
    assert len({s["account"] for s in told if s["person"] == one["person"]}) == 2
    assert people() == len({s["person"] or s["accountId"] for s in told})
    assert linked(world, other["account"], before) == one["person"]


def test_who_was_blocked_before_the_days_of_the_report_is_no_breach(world):
    """Last: the second step of the ladder is taken a week later; and somebody's end has passed meanwhile."""
    before = {r["person"] for r in report(world, "deprovisioning")[0]}
    world.clock.advance(8 * DAY)
    world.rounds()
    plan = world.plan()
    rows, answer = report(world, "deprovisioning")
    waiting = [r for r in rows if r["doneAt"] is None]
    assert {r["rule"] for r in waiting} == {"leaver-hr"} and not {r["person"] for r in waiting} & before
    assert all(r["breach"] and r["kind"] == "suspend" and r["hours"] > 6 * 24 * 100 for r in waiting), waiting
    assert any(n.startswith("%d whose end has passed are not blocked yet" % len(waiting)) for n in answer["notes"])
    assert [d for d in sorted({r["day"] for r in report(world, "activity")[0]})][-1] == "2026-12-01"
    world.approve(plan)
    world.apply(plan)
    after = report(world, "deprovisioning")[0]
    assert all(r["doneAt"] for r in after) and {r["person"] for r in after} == before | {r["person"] for r in waiting}
    assert {r["person"]: r["knownAt"] for r in after if r["person"] not in before} == {
        r["person"]: r["knownAt"] for r in waiting}
    done = [a for a in map(json.loads, world.command("export", "actions", "--format", "jsonl").splitlines())
            if a["kind"] == "deactivate" and a["state"] == "done"]
    assert {a["email"] for a in done} >= set(world.leavers)
    assert not {r["person"] for r in report(world, "deprovisioning", "--days", "3")[0]} & before
    assert {r["person"] for r in report(world, "deprovisioning")[0]} >= before
