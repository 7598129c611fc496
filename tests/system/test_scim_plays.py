"""Every exchange of tests/data/scim/play once more, over HTTP, against the daemon and its store.

The unit tests play them over a backend in memory; here the same cases meet the real one. See
tests/unit/test_scim_service.c for what a step holds."""
import http.client
import json
import re
from pathlib import Path

import pytest
from daemon import CommandFault, Daemon
from rehearsal import Clock

PLAYS = Path(__file__).parent.parent / "data/scim/play"
PROFILES = ("generic", "entra", "okta", "keycloak", "onelogin", "ping", "jumpcloud", "google", "sailpoint",
            "authentik")

CONFIG = """\
instance:
  name: plays
  zone: UTC
  state_dir: state
log:
  level: info
master_key:
  file: master.key
scim:
  listen: 127.0.0.1:0
  public_url: https://leaverd.example.com
sources:
"""

SOURCE = """\
  - name: {name}
    kind: scim
    role: idp
    scim:
      profile: {profile}
"""


def cases():
    """Each case but those of a token that may only read, and of an option that is off here."""
    for file in sorted(PLAYS.glob("*.json")):
        for case in json.loads(file.read_text(encoding="utf-8")):
            text = json.dumps(case)
            if "Bearer reader" in text or case.get("open_config"):
                continue
            yield pytest.param(case, id="%s-%s" % (file.stem, case["case"]))


class Stage:
    def __init__(self, build, folder):
        self.clock = Clock(folder / "clock")
        self.daemon = Daemon(build / "leaverd", folder / "instance", clock=self.clock)
        self.daemon.make_instance(CONFIG + "".join(SOURCE.format(name=p, profile=p) for p in PROFILES) +
                                  SOURCE.format(name="elsewhere", profile="generic"))
        self.daemon.start()
        self.tokens = {name: self.daemon.json("token", "new", name + "-token", "--source", name)["token"]
                       for name in PROFILES + ("elsewhere",)}
        self.connection = http.client.HTTPConnection("127.0.0.1", self.daemon.scim_port, timeout=60)

    def ask(self, method, target, body, headers):
        """(status, headers by small names, text)."""
        try:
            self.connection.request(method, "/scim" + target, body, headers)
            answer = self.connection.getresponse()
        except (http.client.HTTPException, ConnectionError):
            self.connection.close()
            self.connection.request(method, "/scim" + target, body, headers)
            answer = self.connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode("utf-8")

    def clear(self, source):
        """Nobody is there; what was deleted is seen by no later case."""
        headers = {"Authorization": "Bearer " + self.tokens[source]}
        for kind in ("Groups", "Users"):
            while True:
                _, _, text = self.ask("GET", "/v2/%s/%s?attributes=id&count=200" % (source, kind), None, headers)
                found = json.loads(text)["Resources"]
                for one in found:
                    self.ask("DELETE", "/v2/%s/%s/%s" % (source, kind, one["id"]), None, headers)
                if not found:
                    break


@pytest.fixture(scope="module")
def stage(build, tmp_path_factory):
    stage = Stage(build, tmp_path_factory.mktemp("plays"))
    yield stage
    stage.connection.close()
    stage.daemon.stop()


def differs(want, have, at=""):
    """The first place where have does not hold what want names; None. Times are the unit tests'."""
    if isinstance(want, str) and want.startswith("2027-01-15T08:"):
        return None if isinstance(have, str) else at
    if want == "*":
        return None if isinstance(have, str) else at
    if isinstance(want, dict) and isinstance(have, dict):
        for name, value in want.items():
            if value is None and name not in have:
                continue
            inner = differs(value, have.get(name), "%s/%s" % (at, name))
            if inner is not None:
                return inner
        return None
    if isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for i, value in enumerate(want):
            inner = differs(value, have[i], "%s/%d" % (at, i))
            if inner is not None:
                return inner
        return None
    return None if type(want) is type(have) and want == have else at


@pytest.mark.parametrize("case", cases())
def test_an_exchange_plays_against_the_store(stage, case):
    source = case.get("profile") or "generic"
    kept = {}
    stage.clear(source)
    stage.clear("elsewhere")

    def fill(text, json_text=False):
        def value(m):
            return json.dumps(kept[m.group(1)])[1:-1] if json_text else kept[m.group(1)]

        return re.sub(r"\{\{(\w+)\}\}", value, text.replace("/idp", "/" + source))

    for number, step in enumerate(case["steps"]):
        stage.clock.advance(1000)  # no two steps at one time
        method, target = step["do"].split(" ", 1)
        target = fill(target[1:] if target.startswith("!") else "/v2/idp" + target)
        given = step.get("with", {})
        headers = {"Authorization": given.get("authorization", "Bearer good")}
        headers["Authorization"] = headers["Authorization"].replace("good", stage.tokens[source]).replace(
            "other", stage.tokens["elsewhere"])
        for name, header in (("type", "Content-Type"), ("accept", "Accept"), ("if-match", "If-Match"),
                             ("if-none-match", "If-None-Match")):
            if name in given:
                headers[header] = fill(given[name])
        body = None
        if "text" in step:
            body = fill(step["text"]).encode("utf-8")
        elif "send" in step:
            body = fill(json.dumps(step["send"]), True).encode("utf-8")
        status, answered, text = stage.ask(method, target, body, headers)
        where = "step %d: %s: %d %s" % (number, step["do"], status, text[:2000])
        assert status == step["status"], where
        if status in (204, 304) or method == "HEAD":
            assert text == "", where
        document = json.loads(text) if text else None
        if "answer" in step and method != "HEAD":
            want = json.loads(fill(json.dumps(step["answer"]), True))
            assert differs(want, document) is None, "%s: not %s" % (where, want)
        assert step.get("says", "") in ((document or {}).get("detail") or ""), where
        for name, value in step.get("head", {}).items():
            have = answered.get("content-type" if name == "type" else name)
            assert have and (value == "*" or have == fill(value)), "%s: %s is %s" % (where, name, have)
        for name, member in step.get("keep", {}).items():
            kept[name] = document
            for part in member.split("/"):
                kept[name] = kept[name][part]


def test_a_cursor_outlives_the_daemon(build, tmp_path):
    """It is signed with a key of the vault; its age is what ends it, and then it says so."""
    stage = Stage(build, tmp_path)
    headers = {"Authorization": "Bearer " + stage.tokens["generic"], "Content-Type": "application/scim+json"}
    for i in range(5):
        stage.ask("POST", "/v2/generic/Users", json.dumps({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "u%d" % i}), headers)

    def page(cursor):
        status, _, text = stage.ask("GET", "/v2/generic/Users?sortBy=userName&count=2&cursor=" + cursor, None, headers)
        return status, json.loads(text)

    def restart():
        stage.connection.close()
        stage.daemon.stop()
        stage.daemon.start()
        stage.connection = http.client.HTTPConnection("127.0.0.1", stage.daemon.scim_port, timeout=60)

    status, first = page("")
    assert status == 200 and first["totalResults"] == 5
    restart()
    status, second = page(first["nextCursor"])
    assert status == 200 and [u["userName"] for u in second["Resources"]] == ["u2", "u3"]
    stage.clock.advance(3601 * 1000)
    restart()
    status, late = page(second["nextCursor"])
    assert status == 400 and late["scimType"] == "expiredCursor"
    status, forged = page(first["nextCursor"][:-1] + ("A" if first["nextCursor"][-1] != "A" else "B"))
    assert status == 400 and forged["scimType"] == "invalidCursor"
    stage.connection.close()
    stage.daemon.stop()


def test_me_is_the_user_whom_the_token_was_made_for(stage):
    stage.clear("generic")
    good = {"Authorization": "Bearer " + stage.tokens["generic"], "Content-Type": "application/scim+json"}
    user = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "Self@example.com"}
    _, made, _ = stage.ask("POST", "/v2/generic/Users", json.dumps(user), good)
    with pytest.raises(CommandFault, match="no user with the userName or id nobody"):
        stage.daemon.command("token", "new", "nobody", "--source", "generic", "--user", "nobody")
    stage.daemon.json("token", "revoke", "generic-token", "--reason", "room for two")
    stage.tokens["generic"] = stage.daemon.json("token", "new", "generic-2", "--source", "generic")["token"]
    mine = stage.daemon.json("token", "new", "mine", "--source", "generic", "--user", "self@EXAMPLE.com")
    me = {"Authorization": "Bearer " + mine["token"], "Content-Type": "application/scim+json"}
    assert made["location"].endswith("/Users/" + mine["user"])
    for method, body in (("GET", None), ("PUT", json.dumps(dict(user, title="Dr")))):
        status, head, text = stage.ask(method, "/v2/generic/Me", body, me)
        assert status == 200, text
        assert head["location"] == head["content-location"] == made["location"]
        assert json.loads(text)["id"] == mine["user"]
    assert json.loads(text)["title"] == "Dr"
    assert stage.ask("DELETE", "/v2/generic/Me", None, me)[0] == 204
    assert stage.ask("GET", "/v2/generic/Me", None, me)[0] == 404
    stage.daemon.json("token", "revoke", "mine", "--reason", "tried")


def test_a_thousand_members_come_and_go_at_once(stage):
    """As Entra adds and removes them: one message each; then Okta's full list by PUT."""
    headers = {"Authorization": "Bearer " + stage.tokens["entra"], "Content-Type": "application/scim+json"}
    patch = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
    stage.clear("entra")

    def send(method, path, document, status):
        answer = stage.ask(method, "/v2/entra/" + path, json.dumps(document).encode() if document else None, headers)
        assert answer[0] == status, "%s %s: %s" % (method, path, answer)
        return json.loads(answer[2]) if answer[2] else None

    ids = [send("POST", "Users", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                                  "userName": "user%d@example.com" % i}, 201)["id"] for i in range(1000)]
    group = send("POST", "Groups", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                                    "displayName": "everybody"}, 201)["id"]
    everybody = [{"$ref": None, "value": i} for i in ids]
    send("PATCH", "Groups/" + group, {"schemas": [patch], "Operations": [
        {"op": "Add", "path": "members", "value": everybody}]}, 204)
    assert {m["value"] for m in send("GET", "Groups/" + group, None, 200)["members"]} == set(ids)
    send("PATCH", "Groups/" + group, {"schemas": [patch], "Operations": [
        {"op": "Remove", "path": "members", "value": everybody[:999]}]}, 204)
    assert [m["value"] for m in send("GET", "Groups/" + group, None, 200)["members"]] == ids[999:]
    send("PUT", "Groups/" + group, {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                                    "displayName": "everybody", "members": everybody}, 200)
    found = send("GET", "Groups?attributes=id&filter=members%20eq%20%22" + ids[500] + "%22", None, 200)
    assert [g["id"] for g in found["Resources"]] == [group]
