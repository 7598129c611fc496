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


def checks(world, *argv):
    """What doctor says of the site: verdict and text by check."""
    out = world.json("doctor", *argv, status=(0, 1, 2, 3, 4, 5, 6))["checks"]
    return {c["check"]: (c["verdict"], c["text"]) for c in out if c["target"] == HOST}


def test_doctor_tells_what_the_sites_token_may_do_and_changes_nothing(world):
    said = checks(world)
    assert said["site credential"][0] == "ok" and "acts as account" in said["site credential"][1], said
    for right in ("administer Jira", "browse users and groups", "change issues in bulk", "read seats",
                  "list filters of others", "list dashboards", "read service desks", "read groups of Confluence",
                  "read spaces", "read automation rules"):
        assert said[right] == ("ok", "allowed"), (right, said[right])
    assert "--expires" in said["site token"][1], "its end is not known"
    assert all("@" not in text for _, text in said.values()), said
    posted = [r for r in world.rehearsal.log()["log"] if "/ex/" in r["path"] and r["method"] != "GET"]
    assert posted == [] and world.rehearsal.effects() == []


def test_doctor_names_each_right_that_is_missing_and_what_will_not_work(world):
    world.works({"denied": ["BULK_CHANGE", "ADMINISTER"]})
    for path, status in (("*/filter/search", 403), ("*/wiki/rest/api/group", 401), ("*/servicedesk", 404)):
        world.rehearsal.fault("status", path=path, status=status, count=-1)
    said = checks(world)
    verdict, text = said["change issues in bulk"]
    assert verdict == "warn" and "issues are not given over" in text and "BULK_CHANGE" in text
    assert said["administer Jira"][0] == "warn" and "seats" in said["administer Jira"][1]
    assert said["browse users and groups"][0] == "ok"
    assert said["list filters of others"][0] == "warn" and "403" in said["list filters of others"][1]
    assert said["read groups of Confluence"][0] == "warn"
    assert said["read service desks"] == ("note", "the site has none")
    assert said["read spaces"][0] == "ok"


def test_doctor_says_of_a_refused_site_token_which_secret_it_is_and_when_one_ends(world):
    world.command("secret", "set", "acme-site", "--expires", "20d", stdin="a-token-that-was-never-one")
    said = checks(world)
    assert said["site credential"][0] == "bad" and "acme-site" in said["site credential"][1], said
    assert "administer Jira" not in said, "nothing more is asked with it"
    out = world.json("doctor", status=(0, 1, 2, 3, 4, 5, 6))["checks"]
    ends = [c for c in out if c["check"] == "secret" and c["target"] == "acme-site"]
    assert [c["verdict"] for c in ends] == ["warn"] and "ends on" in ends[0]["text"], ends
