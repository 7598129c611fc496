"""Seats over time and what they cost: freed is freed, and saved is saved from the next period."""
import world as worlds
from test_seats import arm_with, of, warn_and_come_back
from world import DAY, World, actions

BILLING = """\
    billing:
      - product: jira
        price: 7.91
        apps: 0.09
        currency: EUR
        renews: 2026-01-14
"""


def line_of(world):
    """Of Jira on the site of most people."""
    rows = [r for r in world.json("ledger", "--days", "400")["ledger"] if r["product"] == "jira"]
    return max(rows, key=lambda r: r["held"])


def test_a_freed_seat_is_counted_and_pays_from_the_next_period(build, tmp_path, monkeypatch):
    config = worlds.CONFIG.replace("      idle_after: 60d\n", "      idle_after: 60d\n" + BILLING)
    assert config != worlds.CONFIG
    monkeypatch.setattr(worlds, "CONFIG", config)
    with World(build, tmp_path, people=50, orphans=1) as w:
        w.push()
        w.ready()
        groups = w.rehearsal.state()["groups"]
        plain = [n for n, g in groups.items() if g["grants"] == ["jira@acme"] and not g["synced"]
                 and "jira@acme" not in g["defaults"] and n not in ("org-admins", "atlassian-addons-admin")]
        mail = w.ordinary[2]["mail"]
        arm_with(w, mail, plain)
        before = line_of(w)
        site = before["site"]

        def seats():
            return len([s for s in w.json("seats", "--limit", "0")["seats"]
                        if (s["product"], s["site"]) == ("jira", site)])

        held = seats()
        assert before["held"] == held and before["freed"] == 0
        assert before["idle"] >= 1 and before["month"] == "%.2f" % (8 * held)
        assert before["saved_month"] == before["later_month"] == "0.00"

        plan = warn_and_come_back(w, w.plan())  # 7 December
        freed = len(actions(plan, kind="free-seat"))
        assert of(actions(plan, kind="free-seat"), mail)
        w.approve(plan)
        w.apply(plan)
        w.command("collect")
        after = line_of(w)
        jira = len([a for a in actions(plan, kind="free-seat") 
                    if (a["product"], a["site"]) == ("jira", site)])
        assert freed >= jira >= 1
        assert (after["freed"], after["again"], after["paying"], after["later"]) == (jira, 0, 0, jira)
        assert after["saved_month"] == "0.00" and after["later_month"] == "%.2f" % (8 * jira)
        # others left meanwhile
        assert after["before"] == held and after["held"] == seats() <= held - jira
        assert after["later_is_forecast"] is True
        told = w.command("ledger", "acme")
        assert "forecast: " + after["later_month"] in " ".join(told.split()), told
        assert "more from 2026-12-14 on, if these seats stay free" in " ".join(told.split()), told

        # somebody gives it back by hand; then the period ends
        w.rehearsal.set(account=mail, groups=plain)
        w.clock.advance(8 * DAY)
        w.command("collect")
        after = line_of(w)
        assert (after["again"], after["paying"], after["later"]) == (1, jira - 1, 0)
        assert after["saved_month"] == "%.2f" % (8 * (jira - 1))


def test_what_has_no_price_is_counted_and_not_valued(build, tmp_path):
    with World(build, tmp_path, people=30, orphans=1) as w:
        w.command("collect")
        line = line_of(w)
        assert line["held"] > 0 and "month" not in line
        assert "counted, and not valued" in w.command("ledger")
