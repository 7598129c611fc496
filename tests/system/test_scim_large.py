"""Groups of 1,000 and 100,000 members through the real server; kill -9 under a load of POSTs."""
import json
import re
import signal
import sqlite3
import threading
from pathlib import Path

import pytest

from daemon import Daemon, ScimClient

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PEOPLE, FIRST, BATCH = 100000, 1000, 10000
CONFIG = """\
instance:
  name: large
  zone: UTC
  state_dir: state
master_key:
  file: master.key
scim:
  listen: 127.0.0.1:0
  public_url: http://127.0.0.1
sources:
  - name: idp
    kind: scim
    role: idp
organisations:
  - name: acme
    cloud:
      org_id: 00000000-0000-4000-8000-000000000000
      key: acme-key
      base_url: http://127.0.0.1:1
schedule:
  sync_every: 0s
  collect_every: 0s
  plan_every: 0s
"""


def instance(build, folder):
    daemon = Daemon(build / "leaverd", folder)
    daemon.make_instance(CONFIG)
    daemon.start()
    daemon.token = daemon.json("token", "new", "large", "--source", "idp")["token"]
    return daemon


def client(daemon):
    return ScimClient("127.0.0.1", daemon.scim_port, "idp", daemon.token)


def user_id(n):
    return "00000000-0000-4000-8000-%012x" % n


def many_people(daemon):
    """What a hundred thousand POSTs leave behind: one, and the same again under other names."""
    client(daemon).create({"schemas": [USER], "userName": "first@example.test"})
    daemon.stop()
    db = sqlite3.connect(daemon.folder / "state/leaverd.db")
    columns = [row[1] for row in db.execute("PRAGMA table_info(record)")]
    made = {"id": "f.id + n", "key": "'00000000-0000-4000-8000-' || printf('%012x', n)",
            "user_name": "'u' || n", "user_fold": "'u' || n",
            "doc": "'{\"schemas\":[\"%s\"],\"id\":\"' || '00000000-0000-4000-8000-' ||"
                   " printf('%%012x', n) || '\",\"userName\":\"u' || n || '\",\"active\":true}'" % USER}
    with db:
        db.execute("INSERT INTO record (%s) WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c"
                   " WHERE n < %d) SELECT %s FROM record f, c" % (
                       ", ".join(columns), PEOPLE, ", ".join(made.get(c, "f." + c) for c in columns)))
        db.execute("UPDATE source SET users = users + ?, active = active + ?", (PEOPLE, PEOPLE))
    db.close()
    daemon.start()


@pytest.fixture(scope="module")
def crowd(build, tmp_path_factory):
    daemon = instance(build, tmp_path_factory.mktemp("large") / "instance")
    many_people(daemon)
    yield daemon
    daemon.stop()


def members(numbers):
    return [{"value": user_id(n)} for n in numbers]


def found(scim, path):
    return scim.get(path)["totalResults"]


def by_member(n):
    return "Groups?excludedAttributes=members&filter=members.value%%20eq%%20%%22%s%%22" % user_id(n)


LARGE = Path(__file__).parent.parent / "data/scim/large"


def large_cases():
    return [pytest.param(case, id="%s-%s" % (file.stem, case["case"]))
            for file in sorted(LARGE.glob("*.json")) for case in json.loads(file.read_text(encoding="utf-8"))]


def holds(want, have):
    """What is named is there; null: it is not. Objects and plain values only."""
    if isinstance(want, dict):
        return isinstance(have, dict) and all(holds(v, have.get(k)) for k, v in want.items())
    return want == have


@pytest.mark.parametrize("case", large_cases())
def test_documented_exchanges_hold_for_groups_of_100000(crowd, case):
    """As tests/data/scim/play, with {{u 7}} for the id of a user and {{members}} for those of a batch
    ("batches": first, last, how many in one message), each in the client's own shape ("member")."""
    crowd.stop()
    crowd.write_config(re.sub("    role: idp\n(    scim: .*\n)?",
                              "    role: idp\n    scim: { profile: %s }\n" % case["profile"],
                              CONFIG.replace("  public_url", "  max_body: 16MiB\n  public_url")))
    crowd.start()
    scim = client(crowd)
    kept = {}

    def fill(text):
        text = re.sub(r"\{\{u (\d+)\}\}", lambda m: user_id(int(m.group(1))), text)
        return re.sub(r"\{\{(\w+)\}\}", lambda m: kept.get(m.group(1), m.group(0)), text)

    for step in case["steps"]:
        method, path = fill(step["do"]).split(" /", 1)
        first, last, size = step.get("batches", (1, 1, 1))
        for begin in range(first, last + 1, size):
            batch = [json.dumps(case["member"]).replace("{{id}}", user_id(n))
                     for n in range(begin, min(begin + size, last + 1))]
            text = fill(json.dumps(step.get("send"))).replace('"{{members}}"', "[%s]" % ",".join(batch))
            status, headers, document = scim.request(method, path, json.loads(text))
            assert status == step["status"], "%s %s: %s" % (method, path, str(document)[:500])
        assert "answer" not in step or holds(step["answer"], document), (step["do"], str(document)[:500])
        assert "members" not in step or len(document.get("members", [])) == step["members"], step["do"]
        assert "short" not in step or int(headers["Content-Length"]) < 1000
        for name, member in step.get("keep", {}).items():
            kept[name] = document[member]


def test_a_group_of_100000_grows_from_1000_and_shrinks_again(crowd):
    scim = client(crowd)
    assert found(scim, "Users?count=0") == PEOPLE + 1
    group = scim.create({"schemas": [GROUP], "displayName": "Everybody",
                         "members": members(range(1, FIRST + 1))}, "Groups")
    path = "Groups/" + group["id"]
    assert len(group["members"]) == FIRST
    assert {m["value"] for m in scim.get(path)["members"]} == {user_id(n) for n in range(1, FIRST + 1)}
    version = group["meta"]["version"]

    for begin in range(FIRST + 1, PEOPLE + 1, BATCH):
        scim.patch(path, [{"op": "add", "path": "members",
                           "value": members(range(begin, min(begin + BATCH, PEOPLE + 1)))}])
    whole = scim.get(path)
    assert len(whole["members"]) == PEOPLE == len({m["value"] for m in whole["members"]})
    assert whole["meta"]["version"] != version

    # without members an answer is short however many there are
    status, headers, short = scim.request("GET", path + "?excludedAttributes=members")
    assert status == 200 and "members" not in short and int(headers["Content-Length"]) < 1000
    listed = scim.get("Groups?excludedAttributes=members&filter=displayName%20eq%20%22everybody%22")
    assert listed["totalResults"] == 1 and "members" not in listed["Resources"][0]

    # each is found by the group, and the group by each
    for n in (1, FIRST, PEOPLE // 2, PEOPLE):
        assert found(scim, by_member(n)) == 1
        assert [g["value"] for g in scim.get("Users/" + user_id(n))["groups"]] == [group["id"]]
    assert found(scim, by_member(PEOPLE + 1)) == 0
    entra = "Groups?attributes=id&filter=id%%20eq%%20%%22%s%%22%%20and%%20members[value%%20eq%%20%%22%s%%22]"
    assert found(scim, entra % (group["id"], user_id(7))) == 1
    assert found(scim, entra % (group["id"], user_id(PEOPLE + 1))) == 0

    # again what is one already: nothing changes
    before = scim.get(path + "?excludedAttributes=members")["meta"]
    scim.patch(path, [{"op": "add", "path": "members", "value": members([5, 6])}])
    assert scim.get(path + "?excludedAttributes=members")["meta"] == before

    scim.patch(path, [{"op": "remove", "path": 'members[value eq "%s"]' % user_id(5)}])
    scim.patch(path, [{"op": "remove", "path": "members", "value": members(range(FIRST + 1, FIRST + BATCH + 1))}])
    assert found(scim, by_member(5)) == 0 and found(scim, by_member(FIRST + 1)) == 0
    assert len(scim.get(path)["members"]) == PEOPLE - 1 - BATCH

    # an unknown member refuses its whole batch
    status, _, fault = scim.request("PATCH", path, {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "add", "path": "members", "value": members([5, PEOPLE + 7])}]})
    assert status == 400 and fault["scimType"] == "invalidValue"
    assert found(scim, by_member(5)) == 0

    # a person who is deleted leaves it; a replaced list is the list
    scim.delete("Users/" + user_id(2))
    assert len(scim.get(path)["members"]) == PEOPLE - 2 - BATCH
    scim._expect((200,), "PUT", path, {"schemas": [GROUP], "displayName": "Everybody", "members": members([1, 3])})
    assert {m["value"] for m in scim.get(path)["members"]} == {user_id(1), user_id(3)}
    assert found(scim, by_member(4)) == 0


def test_every_201_is_there_after_kill_9(build, tmp_path):
    daemon = instance(build, tmp_path / "instance")
    seen, lock = [], threading.Lock()
    for life in range(3):
        enough = threading.Event()

        def push(who, scim, goal):
            for n in range(100000):
                try:
                    status, _, made = scim.request("POST", "Users", {
                        "schemas": [USER], "userName": "k%d-%d-%d@example.test" % (life, who, n)})
                except Exception:  # the server is gone
                    return
                assert status == 201, made
                with lock:
                    seen.append(made["id"])
                    if len(seen) >= goal:
                        enough.set()

        threads = [threading.Thread(target=push, args=(who, client(daemon), 150 * (life + 1)))
                   for who in range(8)]
        for t in threads:
            t.start()
        assert enough.wait(120)
        daemon.stop(signal.SIGKILL)
        for t in threads:
            t.join()
        daemon.start()
        scim = client(daemon)
        there = sum(scim.request("GET", "Users/" + i)[0] == 200 for i in seen)
        assert there == len(seen) >= 150 * (life + 1)
    assert "entries" in json.dumps(daemon.json("audit", "verify", "--head"))
    daemon.stop()
