"""Each site asked itself: seats, licences, groups, members, customers; held against the organisation."""
import pytest

from sites import HOST, SiteWorld


@pytest.fixture
def world(build, tmp_path):
    with SiteWorld(build, tmp_path) as w:
        w.push()
        yield w


def site_of(world):
    sites = collected(world)["sites"]
    assert [s["site"] for s in sites] == [HOST], sites
    return sites[0]


def collected(world):
    return world.json("collect", status=(0, 5))["organisations"][0]


def product(site, key):
    return next(p for p in site["products"] if p["product"] == key)


def test_a_site_tells_seats_plans_and_members_and_agrees_with_the_organisation(world):
    site = site_of(world)
    assert site["whole"] and site["findings"] == [], site
    jira = product(site, "jira")
    seats = world.rehearsal.brief()["seats"]["jira@acme"]
    assert (jira["plan"], jira["used"], jira["seats"]) == ("PAID", seats["used"], seats["capacity"]), (jira, seats)
    assert jira["left"] == seats["capacity"] - seats["used"], jira
    assert jira["members"] > 0 and product(site, "confluence")["members"] > 0
    assert product(site, "confluence")["used"] is None, "Confluence tells no seats"


def test_agents_and_customers_are_told_apart(world):
    agents = [a["email"] for a in world.rehearsal.state()["accounts"]
              if "jira-servicedesk@acme" in a["seats"]]
    assert agents
    other = next(n for n in ("wes", "zoe", "vic", "una") if n + "@example.com" not in agents)
    world.works({"customers": [{"site": "acme", "desk": "1", "account": agents[0]},
                               {"site": "acme", "desk": "1", "account": other + "@example.com"},
                               {"site": "acme", "desk": "2", "account": other + "@example.com"}]})
    desk = product(site_of(world), "jira-servicedesk")
    assert desk["customers"] == 1 and desk["members"] == len(agents), desk


def test_a_difference_between_the_two_views_is_a_finding(world):
    # between the organisation's answer and the site's, somebody got a seat that nobody told us of
    world.rehearsal.fault("garbage", path="*/groups/*/role-assignments", count=-1)
    site = site_of(world)
    assert {"group-not-known"} <= {f["kind"] for f in site["findings"]}, site
    assert any(f["product"] == "jira" for f in site["findings"]), site
    assert not any("@" in f["text"] for f in site["findings"]), site


def test_without_the_right_to_administer_jira_groups_are_told_all_the_same(world):
    world.rehearsal.fault("status", path="*/applicationrole", status=403, count=1)
    site = site_of(world)
    assert not site["whole"] and "403" in site["why"], site
    assert product(site, "jira")["members"] > 0 and product(site, "jira")["used"] is None, site


def test_a_refused_credential_is_told_and_the_organisation_is_read_all_the_same(world):
    world.command("secret", "set", "acme-site", stdin="a-token-that-was-never-one")
    answer = collected(world)
    assert answer["complete"] is True
    site = answer["sites"][0]
    assert not site["whole"] and "401" in site["why"] and "acme-site" in site["why"], site
    assert "never-one" not in site["why"] + "\n".join(world.daemon.log), site
