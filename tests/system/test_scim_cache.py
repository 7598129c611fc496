"""Answers that are kept to be sent again: never older than the last answered write."""
import os
import signal
import threading
import time

import pytest

from daemon import Daemon, ScimClient

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
CONFIG = """\
instance:
  name: cache
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


@pytest.fixture
def daemon(build, tmp_path):
    d = Daemon(build / "leaverd", tmp_path)
    d.make_instance(CONFIG)
    d.start()
    d.token = d.json("token", "new", "cache", "--source", "idp")["token"]
    yield d
    d.stop()


def client(daemon):
    return ScimClient("127.0.0.1", daemon.scim_port, "idp", daemon.token)


def by_name(name):
    return "Users?filter=userName%%20eq%%20%%22%s%%22" % name


def see(clients, path):
    """What every connection is answered, several times over: all the same."""
    seen = [c.request("GET", path) for _ in range(3) for c in clients]
    assert all((s[0], s[2]) == (seen[0][0], seen[0][2]) for s in seen)
    return seen[0]


def put(operation, path, value=None):
    return [dict({"op": operation, "path": path}, **({} if value is None else {"value": value}))]


def test_each_answered_write_is_seen_by_every_connection(daemon):
    one, two = client(daemon), client(daemon)
    both = [one, two]
    assert see(both, by_name("ada"))[2]["totalResults"] == 0  # kept too: that nobody has the name
    ada = one.create({"schemas": [USER], "userName": "Ada", "title": "Countess"})
    path = "Users/" + ada["id"]
    assert see(both, by_name("ada"))[2]["Resources"][0]["id"] == ada["id"]
    for n in range(20):  # the same over and over: a write, then reads of what may be kept
        two.patch(path, put("replace", "title", "Title %d" % n))
        assert see(both, path)[2]["title"] == "Title %d" % n
        found = see(both, by_name("ADA"))[2]
        assert (found["totalResults"], found["Resources"][0]["title"]) == (1, "Title %d" % n)
        assert see(both, path + "?attributes=title")[2]["title"] == "Title %d" % n

    tag = see(both, path)[1]["ETag"]
    assert one.request("GET", path, headers={"If-None-Match": tag})[0] == 304
    assert two.request("HEAD", path)[0] == 200
    one.patch(path, put("replace", "title", "Lady"))
    status, headers, body = one.request("GET", path, headers={"If-None-Match": tag})
    assert (status, body["title"]) == (200, "Lady") and headers["ETag"] != tag

    # the name passes to another
    one.patch(path, put("replace", "userName", "lovelace"))
    assert see(both, by_name("ada"))[2]["totalResults"] == 0
    other = two.create({"schemas": [USER], "userName": "ada"})
    assert see(both, by_name("ada"))[2]["Resources"][0]["id"] == other["id"]
    one.delete(path)
    assert see(both, path)[0] == 404
    assert see(both, by_name("lovelace"))[2]["totalResults"] == 0


def test_groups_of_a_user_are_those_of_now(daemon):
    one, two = client(daemon), client(daemon)
    both = [one, two]
    ada = one.create({"schemas": [USER], "userName": "ada"})
    path = "Users/" + ada["id"]

    def groups():
        direct = see(both, path)[2].get("groups", [])
        listed = see(both, by_name("ada"))[2]["Resources"][0].get("groups", [])
        assert direct == listed
        return sorted(g["display"] for g in direct)

    assert groups() == []
    crew = one.create({"schemas": [GROUP], "displayName": "Crew", "members": [{"value": ada["id"]}]}, "Groups")
    assert groups() == ["Crew"]
    club = one.create({"schemas": [GROUP], "displayName": "Club"}, "Groups")
    assert groups() == ["Crew"]
    two.patch("Groups/" + club["id"], put("add", "members", [{"value": ada["id"]}]))
    assert groups() == ["Club", "Crew"]
    two.patch("Groups/" + club["id"], put("replace", "displayName", "Society"))
    assert groups() == ["Crew", "Society"]
    two.patch("Groups/" + crew["id"], put("remove", 'members[value eq "%s"]' % ada["id"]))
    assert groups() == ["Society"]
    one.delete("Groups/" + club["id"])
    assert groups() == []


def test_a_revoked_token_opens_nothing_that_is_kept(daemon):
    c = client(daemon)
    path = "Users/" + c.create({"schemas": [USER], "userName": "ada"})["id"]
    assert see([c], path)[0] == 200
    daemon.command("token", "revoke", "cache", "--reason", "left lying about")
    assert see([c], path)[0] == 401
    assert see([client(daemon)], by_name("ada"))[0] == 401


def test_readers_beside_a_writer_never_go_back(daemon):
    """Many readers, one writer who counts: a reader who asks after an answer sees at least it."""
    writer = client(daemon)
    path = "Users/" + writer.create({"schemas": [USER], "userName": "ada", "title": "0"})["id"]
    answered, faults, done = [0], [], threading.Event()

    def read(ask):
        c, last = client(daemon), 0
        while not done.is_set():
            least = answered[0]
            body = c.get(ask)
            seen = int(body.get("Resources", [body])[0]["title"])
            if seen < least or seen < last:
                faults.append((ask, least, last, seen))
            last = seen

    readers = [threading.Thread(target=read, args=(ask,)) for ask in (path, by_name("ada")) * 3]
    for r in readers:
        r.start()
    for n in range(1, 201):
        writer.patch(path, put("replace", "title", str(n)))
        answered[0] = n
    done.set()
    for r in readers:
        r.join()
    assert faults == []


@pytest.mark.parametrize("keys", ["  cache: 0\n", "  map: 0\n", "  cache: 0\n  map: 0\n"])
def test_without_them_it_answers_the_same(daemon, keys):
    daemon.stop()
    daemon.write_config(CONFIG.replace("  listen:", keys + "  listen:"))
    daemon.start()
    c = client(daemon)
    ada = c.create({"schemas": [USER], "userName": "ada", "title": "Countess"})
    assert see([c], "Users/" + ada["id"])[2] == ada
    assert see([c], by_name("ada"))[2]["Resources"] == [ada]
    mapped = any("leaverd.db" in line and not line.rstrip().endswith(("-shm", "-wal", ".lock"))
                 for line in open("/proc/%d/maps" % daemon.process.pid))
    assert mapped == ("map" not in keys)


def test_a_file_that_was_cut_short_ends_it_with_a_sentence(daemon):
    c = client(daemon)
    people = [c.create({"schemas": [USER], "userName": "u%d" % n, "title": "x" * 500}) for n in range(200)]
    daemon.stop()  # folds all into the one file
    daemon.start()
    c = client(daemon)
    c.get("Users/" + people[0]["id"])
    os.truncate(daemon.folder / "state/leaverd.db", 8192)
    with pytest.raises(Exception):
        for p in people:
            c.request("GET", "Users/" + p["id"])
    status = daemon.process.wait(60)
    time.sleep(0.2)
    daemon.process = None
    assert status in (-signal.SIGBUS, 99)  # 99: told by a sanitizer
    assert any("could not be read where it is mapped" in line and "map: 0" in line for line in daemon.log)
