"""The checker notices what is wrong, and the rehearsal organisation passes it.

Needs CONTRACT_SPECS, the folder of Atlassian's documents, and LEAVERD_BUILD with the rehearsal.
"""
import copy
import json
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system",
                                "lib"))

from check import check_file, check_record  # noqa: E402
from documents import Contract  # noqa: E402
from drive import drive  # noqa: E402
from rehearsal import build_file  # noqa: E402

ORG = "3684918c-73e8-49ff-9518-68565bef798f"
DIRECTORY = "/admin/v2/orgs/%s/directories/e4f29c24-9c49-4514-8c13-a99637c85717" % ORG
ACCOUNT = "712020:88db27bb-ea9a-476b-a4bf-aa3c02b1185e"

SEARCH = {
    "method": "POST", "path": DIRECTORY + "/users/search", "query": "",
    "requestType": "application/json",
    "requestBody": {"limit": 100, "expand": ["productAccess", "groups"]},
    "status": 200, "fault": None,
    "responseBody": {
        "data": [{
            "accountId": ACCOUNT, "accountType": "atlassian", "accountStatus": "active",
            "membershipStatus": "active", "status": "active", "claimStatus": "managed",
            "managementSource": None, "name": "Ann Ekberg", "email": "ann@example.com",
            "emailVerified": True, "addedToOrg": "2024-01-01T00:00:00Z", "groups": [
                {"id": "ari:cloud:identity::group/1", "name": "x", "description": None}],
            "productAccess": [{"id": "ari:cloud:jira::site/1", "key": "jira",
                               "lastActiveTimestamp": "2025-11-06T23:07:29.936941226Z"}]}],
        "links": {"next": "abc"}},
}
COUNT = {
    "method": "GET", "path": DIRECTORY + "/users/count",
    "query": "status=active&status=suspended&mfaEnabled=true", "requestType": None,
    "requestBody": "", "status": 200, "fault": None, "responseBody": {"count": 3},
}
SUSPEND = {
    "method": "POST", "path": DIRECTORY + "/users/%s/suspend" % ACCOUNT, "query": "",
    "requestType": "application/json", "requestBody": {}, "status": 204, "fault": None,
    "responseBody": "",
}
DISABLE = {
    "method": "POST", "path": "/users/%s/manage/lifecycle/disable" % ACCOUNT, "query": "",
    "requestType": "application/json", "requestBody": {"message": "left"}, "status": 403,
    "fault": None, "responseBody": {"key": "forbidden.action", "context": {
        "allowed": False, "reason": {"key": "externalDirectory.scim"}}},
}
LAST_ACTIVE = {
    "method": "GET", "path": "/admin/v1/orgs/%s/directory/users/%s/last-active-dates"
    % (ORG, ACCOUNT), "query": "", "requestType": None, "requestBody": "", "status": 200,
    "fault": None, "responseBody": {"data": {"product_access": [
        {"id": "ari:cloud:jira::site/1", "key": "jira-software", "last_active": "2026-01-02",
         "last_active_timestamp": "2026-01-02T03:04:05Z"}], "added_to_org": None}, "links": {}},
}
TOKENS = {
    "method": "GET", "path": "/admin/api-access/v1/orgs/%s/api-tokens" % ORG, "query": "",
    "requestType": None, "requestBody": "", "status": 200, "fault": None,
    "responseBody": {"data": [{"id": "1", "label": "x", "status": "ALLOWED"}]},
}
GOOD = {"search": SEARCH, "count": COUNT, "suspend": SUSPEND, "disable": DISABLE,
        "last-active": LAST_ACTIVE, "tokens": TOKENS}


@pytest.fixture(scope="module")
def contract():
    return Contract(os.environ["CONTRACT_SPECS"])


@pytest.mark.parametrize("name", GOOD)
def test_what_follows_the_documents_passes(contract, name):
    assert check_record(contract, GOOD[name], refused_ok=False) == []


# which record, where in it, what is put there (None: it is taken away), what the checker says
GONE = object()
BROKEN = [
    ("search", ["responseBody", "data", 0, "accountStatus"], "asleep", "accountStatus"),
    ("search", ["responseBody", "data", 0, "accountType"], "app", "accountType"),
    ("search", ["responseBody", "data", 0, "emailVerified"], "yes", "emailVerified"),
    ("search", ["responseBody", "data", 0, "email"], None, "email"),
    ("search", ["responseBody", "data", 0, "acountId"], ACCOUNT, "acountId"),
    ("search", ["responseBody", "data", 0, "productAccess", 0, "lastActiveTimestamp"],
     "2025-11-06", "lastActiveTimestamp"),
    ("search", ["responseBody", "data", 0, "productAccess", 0, "lastActiveTimestamp"],
     1762470449, "lastActiveTimestamp"),
    ("search", ["responseBody", "data", 0, "platformRoles"], ["atlassian/user"], "platformRoles"),
    ("search", ["responseBody", "data"], GONE, "'data' is a required property"),
    ("search", ["responseBody", "links", "next"], None, "next"),
    ("search", ["responseBody"], "", "no body"),
    ("search", ["requestBody", "limit"], 101, "limit"),
    ("search", ["requestBody", "expand"], ["everything"], "everything"),
    ("search", ["requestBody", "emails"], [], "emails"),
    ("search", ["requestBody", "email"], ["a@example.com"], "email"),
    ("search", ["requestType"], "text/plain", "content type"),
    ("search", ["status"], 418, "status 418 is not documented"),
    ("search", ["method"], "PUT", "no document knows"),
    ("search", ["path"], "/admin/v1/orgs/x/directory/users/search", "no document knows"),
    ("search", ["query"], "limit=5", "limit is not documented"),
    ("count", ["query"], "status=well", "status"),
    ("count", ["query"], "claimStatus=managed&claimStatus=managed", "2 times"),
    ("count", ["query"], "mfaEnabled=perhaps", "mfaEnabled"),
    ("count", ["query"], "&".join("accountIds=%d" % i for i in range(11)), "accountIds"),
    ("count", ["responseBody", "count"], "3", "count"),
    ("suspend", ["requestBody"], {"reason": "x"}, "no request body"),
    ("suspend", ["responseBody"], {"done": True}, "a body where none is documented"),
    ("disable", ["responseBody", "context", "reason", "key"], "because", "because"),
    ("disable", ["requestBody"], "", "a request body is required"),
    ("disable", ["path"], "/users/a%20b/manage/lifecycle/disable", "path parameter"),
    ("last-active", ["responseBody", "data", "product_access", 0, "key"], "jira", "key"),
    ("last-active", ["responseBody", "data", "product_access", 0, "last_active"], "2026-13-02",
     "last_active"),
    ("last-active", ["responseBody", "data", "product_access", 0, "id"], GONE, "id"),
    ("tokens", ["responseBody", "data", 0, "status"], "MAYBE", "MAYBE"),
]


@pytest.mark.parametrize("name, where, value, says", BROKEN)
def test_what_breaks_the_documents_fails(contract, name, where, value, says):
    record = copy.deepcopy(GOOD[name])
    node = record
    for step in where[:-1]:
        node = node[step]
    if value is GONE:
        del node[where[-1]]
    else:
        node[where[-1]] = value
    wrong = check_record(contract, record, refused_ok=False)
    assert wrong and any(says in w for w in wrong), wrong


def test_a_refused_request_is_fine_only_where_that_is_allowed(contract):
    record = dict(SEARCH, requestBody={"limit": 500}, status=400, responseBody={"errors": []})
    assert check_record(contract, record, refused_ok=False)
    assert not check_record(contract, record, refused_ok=True)
    assert check_record(contract, dict(record, status=200), refused_ok=True)


def test_an_answer_broken_on_purpose_is_not_held_against_the_documents(contract):
    record = dict(SEARCH, responseBody="{\"da", fault="truncate")
    assert not check_record(contract, record, refused_ok=False)
    assert check_record(contract, dict(record, fault="latency"), refused_ok=False)


def test_every_exception_names_its_source(contract):
    for row in contract.exceptions.rows:
        assert len(row["source"]) > 20, row["id"]
    assert len({row["id"] for row in contract.exceptions.rows}) == len(contract.exceptions.rows)


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drive")
    record = folder / "record.jsonl"
    return drive(build_file("rehearsal"), folder, record), record


def test_every_endpoint_of_the_rehearsal_is_driven(driven):
    assert driven[0] == []


def test_the_rehearsal_answers_as_the_documents_say(driven):
    contract, said = Contract(os.environ["CONTRACT_SPECS"]), []
    passed, failed = check_file(contract, driven[1], refused_ok=True, say=said.append)
    assert failed == 0, "\n".join(said[:40])
    assert passed > 200
    unused = [k for k, n in contract.exceptions.used.items() if n == 0]
    assert unused == [], "exceptions that nothing needs"


def test_a_spoilt_record_of_the_rehearsal_is_noticed(driven, tmp_path):
    spoilt = tmp_path / "spoilt.jsonl"
    changed = 0
    with open(driven[1], encoding="utf-8") as f, open(spoilt, "w", encoding="utf-8") as out:
        for line in f:
            record = json.loads(line)
            body = record["responseBody"]
            if not changed and isinstance(body, dict) and record["status"] == 200 and \
                    record["path"].endswith("users/search"):
                body["data"][0]["claimStatus"] = "ours"
                changed += 1
            out.write(json.dumps(record) + "\n")
    assert changed
    contract = Contract(os.environ["CONTRACT_SPECS"])
    assert check_file(contract, spoilt, refused_ok=True, say=lambda w: None)[1] == 1
