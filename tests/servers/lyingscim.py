#!/usr/bin/env python3
"""A SCIM 2.0 server on loopback that lies on purpose (Python 3.7+, stdlib only).

  lyingscim.py LIE [--token TOKEN] [--users N] [--ready FILE] [--log FILE]

It keeps users and groups in memory, and begins with N people who are nobody's but its own.
Honest it does all that `leaverd scim check` asks for; LIE says what is wrong. --ready receives
the port, --log one JSON line a request that changed something. GET /_state shows what is there.
"""
import argparse
import base64
import copy
import json
import os
import re
import threading
import time
import urllib.parse
import uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CORE = "urn:ietf:params:scim:schemas:core:2.0:"
USER, GROUP = CORE + "User", CORE + "Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MESSAGE = "urn:ietf:params:scim:api:messages:2.0:"
URNS = {u.lower(): u for u in (USER, GROUP, ENTERPRISE)}

LIES = {
    "honest": "nothing",
    # what it says of itself
    "array": "ServiceProviderConfig is a list",
    "claims-short": "bulk has no maxOperations",
    "keywords": "Schemas say ReadWrite",
    "open": "anybody may read without a token",
    "no-challenge": "401 without WWW-Authenticate",
    "modest": "it claims no sorting, bulk, cursors, ETags",
    # reading
    "ignores-filters": "a filter matches everybody",
    "missing-200": "what is not there is 200",
    "total-wrong": "totalResults is the number on the page",
    "text-booleans": "active is \"True\"",
    "case-matters": "userName is compared with case",
    "or-first": "or binds tighter than and",
    "count-ignored": "a page holds everybody",
    "status-number": "status in errors is a number",
    "plain-errors": "errors are text/plain",
    "nulls": "what is not there is null",
    "unsteady": "each page is in another order",
    "media-type-case": "media types must be written in lower case",
    "endless-cursor": "there is always a next cursor",
    "tag-of-body": "the ETag is one of what is sent",
    # writing
    "delete-keeps": "DELETE is 204 and does nothing",
    "delete-again": "a second DELETE is 204",
    "half-patch": "PATCH keeps what was done before the error",
    "stale-wins": "If-Match is not looked at",
    "duplicates": "a userName may be there twice",
    "client-id": "the client's id is taken",
    "tells-password": "the password is returned",
    "put-makes": "PUT of what is not there makes it",
    "two-primary": "several values stay primary",
    "remove-empties": "remove of members with values removes all",
    "text-only-false": "\"False\" is true",
    "bulk-numbers": "status in bulk results is a number",
    "bulk-goes-on": "failOnErrors is not looked at",
    "foreign": "POST answers with a person who was there before",
    "echo": "errors repeat the Authorization header, with control characters",
    # no answer, or no answer that can be read
    "not-json": "answers to POST are HTML",
    "huge": "one list is 64 MiB",
    "hang": "one list never comes",
    "trickle": "one list comes a byte at a time",
    "cut-answer": "each POST is done, and its answer cut off",
    "down": "after 60 requests it answers nobody any more",
}

LIE = "honest"
TOKEN = "token"


def lie(name):
    return LIE == name


class Fault(Exception):
    def __init__(self, status, kind=None, detail="no"):
        super().__init__(detail)
        self.status, self.kind = status, kind


# --- filters -----------------------------------------------------------------------------------

WORD = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[()\[\]]|[^\s()\[\]"]+)')


def words(text):
    out, at = [], 0
    text = text.strip()
    while at < len(text):
        m = WORD.match(text, at)
        if not m:
            raise Fault(400, "invalidFilter")
        out.append(m.group(1))
        at = m.end()
    return out


class Filter:
    """or(and(not(attr op value))), as functions of a resource."""

    OPS = ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le")

    def __init__(self, text):
        self.words, self.at = words(text), 0
        self.run = self.any()
        if self.at < len(self.words):
            raise Fault(400, "invalidFilter")

    def peek(self):
        return self.words[self.at] if self.at < len(self.words) else None

    def next(self):
        word = self.peek()
        if word is None:
            raise Fault(400, "invalidFilter")
        self.at += 1
        return word

    def chain(self, word, below, join):
        parts = [below()]
        while (self.peek() or "").lower() == word:
            self.next()
            parts.append(below())
        return lambda r: join(p(r) for p in parts)

    def any(self):
        if lie("or-first"):
            return self.chain("and", lambda: self.chain("or", self.term, any), all)
        return self.chain("or", lambda: self.chain("and", self.term, all), any)

    def term(self):
        word = self.next()
        if word.lower() == "not":
            if self.next() != "(":
                raise Fault(400, "invalidFilter")
            inner = self.any()
            self.close(")")
            return lambda r: not inner(r)
        if word == "(":
            inner = self.any()
            self.close(")")
            return inner
        if self.peek() == "[":
            self.next()
            inner = self.any()
            self.close("]")
            return lambda r: any(inner(e) for e in many(value(r, word)))
        return self.test(word)

    def close(self, sign):
        if self.next() != sign:
            raise Fault(400, "invalidFilter")

    def test(self, path):
        op = self.next().lower()
        if op == "pr":
            return lambda r: any(v not in (None, "", [], {}) for v in many(value(r, path)))
        if op not in self.OPS:
            raise Fault(400, "invalidFilter", "unknown operator")
        text = self.next()
        try:
            want = json.loads(text)
        except ValueError:
            raise Fault(400, "invalidFilter")
        if isinstance(want, bool) and op not in ("eq", "ne"):
            raise Fault(400, "invalidFilter")
        exact = path.lower().split(":")[-1] in ("id", "externalid") or (
            lie("case-matters") and path.lower().endswith("username"))

        def fold(v):
            if isinstance(v, dict):
                v = v.get("value")
            if path.lower().startswith("meta.") and isinstance(v, str):
                return datetime.fromisoformat(v.replace("Z", "+00:00"))
            return v if exact or not isinstance(v, str) else v.lower()

        try:
            wanted = fold(want)
        except ValueError:
            raise Fault(400, "invalidFilter")

        def one(v):
            v = fold(v)
            if v is None or type(v) is not type(wanted):
                return op == "ne"
            return {"eq": v == wanted, "ne": v != wanted, "co": isinstance(v, str) and wanted in v,
                    "sw": isinstance(v, str) and v.startswith(wanted), "ew": isinstance(v, str) and v.endswith(wanted),
                    "gt": v > wanted, "ge": v >= wanted, "lt": v < wanted, "le": v <= wanted}[op]
        return lambda r: any(one(v) for v in many(value(r, path)) or [None])


def many(v):
    return v if isinstance(v, list) else [] if v is None else [v]


def key_of(resource, name):
    for k in resource:
        if k.lower() == name.lower():
            return k
    return None


def steps(path):
    """The members that a path without brackets goes down by."""
    low = path.lower()
    for urn in sorted(URNS, key=len, reverse=True):
        if low == urn:
            return [URNS[urn]] if urn == ENTERPRISE.lower() else []
        if low.startswith(urn + ":"):
            rest = path[len(urn) + 1:].split(".")
            return ([ENTERPRISE] if urn == ENTERPRISE.lower() else []) + rest
    if low == "manager" or low.startswith("manager."):
        return [ENTERPRISE] + path.split(".")
    return path.split(".")


def value(resource, path):
    at = resource
    for step in steps(path):
        if isinstance(at, list):
            at = [e.get(key_of(e, step)) for e in at if isinstance(e, dict) and key_of(e, step)]
            continue
        if not isinstance(at, dict) or not key_of(at, step):
            return None
        at = at[key_of(at, step)]
    return at


# --- the store ---------------------------------------------------------------------------------


def stamp():
    now = datetime.now(timezone.utc)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (now.microsecond // 1000)


class Store:
    def __init__(self, people):
        self.lock = threading.RLock()
        self.all = {"Users": {}, "Groups": {}}
        self.gone = set()
        self.base = ""
        for i in range(people):
            self.add("Users", {"schemas": [USER], "userName": "person%d@example.org" % i, "active": True,
                               "name": {"givenName": "P", "familyName": str(i)}})

    def add(self, kind, body):
        body = clean(kind, body)
        self.unique(kind, body, None)
        rid = body.pop("id", None) if lie("client-id") else None
        body.pop("id", None)
        rid = rid or str(uuid.uuid4())
        when = stamp()
        body["id"] = rid
        body["meta"] = {"resourceType": kind[:-1], "created": when, "lastModified": when, "version": 1}
        self.all[kind][rid] = body
        return body

    def unique(self, kind, body, own):
        if kind != "Users" or lie("duplicates"):
            return
        for rid, other in self.all[kind].items():
            if rid != own and other["userName"].lower() == body["userName"].lower():
                raise Fault(409, "uniqueness", "userName is taken")

    def get(self, kind, rid):
        if rid not in self.all[kind]:
            raise Fault(404, None, "no such resource")
        return self.all[kind][rid]

    def put(self, kind, rid, body):
        """A new state of a resource; nothing happens when it is the same."""
        old = self.get(kind, rid)
        body = clean(kind, body)
        self.unique(kind, body, rid)
        body["id"] = rid
        if {k: v for k, v in body.items() if k != "meta"} == {k: v for k, v in old.items() if k != "meta"}:
            body["meta"] = old["meta"]
        else:
            body["meta"] = dict(old["meta"], lastModified=stamp(), version=old["meta"]["version"] + 1)
        self.all[kind][rid] = body
        return body

    def delete(self, kind, rid):
        if lie("delete-again") and rid in self.gone:
            return
        self.get(kind, rid)
        if lie("delete-keeps"):
            return
        del self.all[kind][rid]
        self.gone.add(rid)
        for group in self.all["Groups"].values():
            group["members"] = [m for m in group.get("members", []) if m["value"] != rid]

    def shown(self, kind, resource):
        out = copy.deepcopy(resource)
        version = out["meta"]["version"]
        out["meta"]["version"] = 'W/"%d"' % version
        out["meta"]["location"] = "%s/%s/%s" % (self.base, kind, out["id"])
        if kind == "Users":
            groups = [{"value": g["id"], "display": g["displayName"]} for g in self.all["Groups"].values()
                      if any(m["value"] == out["id"] for m in g.get("members", []))]
            if groups:
                out["groups"] = groups
            if lie("text-booleans") and "active" in out:
                out["active"] = str(out["active"])
            if lie("nulls"):
                out.setdefault("nickName", None)
        else:
            for m in out.get("members", []):
                m["type"] = "User" if m["value"] in self.all["Users"] else "Group"
                m["$ref"] = "%s/%ss/%s" % (self.base, m["type"], m["value"])
        if not out.get("members", True):
            del out["members"]
        return out


NAMES = {n.lower(): n for n in (
    "schemas id externalId meta userName name displayName title active emails phoneNumbers groups members password "
    "nickName").split()}


def clean(kind, body):
    """As it is kept: known names in their spelling, nothing that has no value, required present."""
    if not isinstance(body, dict):
        raise Fault(400, "invalidSyntax", "an object is needed")
    out = {}
    for name, v in body.items():
        name = URNS.get(name.lower(), NAMES.get(name.lower()))
        if not name or v in (None, [], {}) or name in ("meta", "groups") or (name == "id" and not lie("client-id")):
            continue
        if name == "password" and not lie("tells-password"):
            continue
        out[name] = copy.deepcopy(v)
    schemas = out.get("schemas")
    want = USER if kind == "Users" else GROUP
    if not schemas or want.lower() not in [s.lower() for s in schemas]:
        raise Fault(400, "invalidSyntax", "schemas must hold " + want)
    out["schemas"] = [want] + ([ENTERPRISE] if ENTERPRISE in out else [])
    need = "userName" if kind == "Users" else "displayName"
    if not isinstance(out.get(need), str) or not out[need].strip():
        raise Fault(400, "invalidValue", need + " is required")
    if isinstance(out.get("active"), str):
        out["active"] = True if lie("text-only-false") else out["active"].lower() == "true"
    if kind == "Users":
        out.setdefault("active", True)
    if kind == "Groups":
        seen, members = set(), []
        for m in many(out.get("members")):
            if m.get("value") not in seen:
                seen.add(m.get("value"))
                members.append({"value": m.get("value")})
        out["members"] = members
    return out


# --- PATCH -------------------------------------------------------------------------------------

BRACKET = re.compile(r"^([^\[\]]+)\[(.*)\](?:\.([A-Za-z$]+))?$")
PATH = re.compile(r"^(urn:[A-Za-z0-9:._-]+|[A-Za-z$][A-Za-z0-9$_-]*(\.[A-Za-z$]+)?)$")


def patch(body, request, kind):
    if MESSAGE + "PatchOp" not in many(request.get("schemas")):
        raise Fault(400, "invalidSyntax", "not a PatchOp")
    ops = request.get("Operations")
    if not isinstance(ops, list) or not ops:
        raise Fault(400, "invalidSyntax", "no Operations")
    for op in ops:
        verb = str(op.get("op", "")).lower()
        if verb not in ("add", "replace", "remove"):
            raise Fault(400, "invalidSyntax", "unknown op")
        path, given = op.get("path"), op.get("value")
        if path is None:
            if verb == "remove":
                raise Fault(400, "noTarget", "remove needs a path")
            for name, v in given.items():
                if name == "id" and v == body["id"]:
                    continue
                if name.lower() == ENTERPRISE.lower():
                    for k, inner in v.items():
                        apply(body, verb, name + ":" + k, inner, kind)
                else:
                    apply(body, verb, name, v, kind)
        else:
            apply(body, verb, path, given, kind)


def apply(body, verb, path, given, kind):
    if path.lower() in ("id", "meta", "groups"):
        raise Fault(400, "mutability", path + " is readOnly")
    bracket = BRACKET.match(path)
    if bracket:
        return apply_many(body, verb, bracket, given)
    if not PATH.match(path):
        raise Fault(400, "invalidPath", "not a path")
    if verb == "remove" and path.lower() in ("username", "displayname" if kind == "Groups" else ""):
        raise Fault(400, "mutability", path + " is required")
    way = steps(path)
    at = body
    for step in way[:-1]:
        name = key_of(at, step) or step
        at = at.setdefault(name, {})
    name = key_of(at, way[-1]) or NAMES.get(way[-1].lower(), way[-1])
    if verb == "remove":
        if name == "members" and given and not lie("remove-empties"):
            out = [m["value"] for m in many(given)]
            at[name] = [m for m in at.get(name, []) if m["value"] not in out]
        else:
            at.pop(name, None)
        if len(way) > 1 and not at:
            body.pop(key_of(body, way[0]), None)
        return
    if name in ("emails", "members", "phoneNumbers"):
        at[name] = merge_list(at.get(name, []), many(given), verb)
    elif isinstance(at.get(name), dict) and isinstance(given, dict):
        at[name].update(given)
    else:
        at[name] = given


def merge_list(old, new, verb):
    if verb == "replace":
        return copy.deepcopy(new)
    out = [dict(e) for e in old]
    for e in new:
        if any(all(o.get(k) == v for k, v in e.items() if k != "$ref") for o in out):
            continue
        if e.get("primary") and not lie("two-primary"):
            for o in out:
                o.pop("primary", None)
        out.append(dict(e))
    return out


def apply_many(body, verb, bracket, given):
    name, text, sub = bracket.groups()
    test = Filter(text)
    name = key_of(body, name) or name
    old = many(body.get(name))
    hit = [e for e in old if test.run(e)]
    if verb == "remove":
        if sub:
            for e in hit:
                e.pop(sub, None)
        else:
            body[name] = [e for e in old if e not in hit]
        return
    if not hit:
        made = dict(re.findall(r'(\w+) eq "([^"]*)"', text))
        if verb == "replace":
            raise Fault(400, "noTarget", "nothing matches")
        body[name] = old + [dict(made, **({sub: given} if sub else given))]
        return
    for e in hit:
        e.update({sub: given} if sub else given)


# --- discovery ---------------------------------------------------------------------------------


def config():
    rich = not lie("modest")
    bulk = {"supported": rich, "maxOperations": 20 if rich else 0, "maxPayloadSize": 1048576 if rich else 0}
    if lie("claims-short"):
        del bulk["maxOperations"]
    out = {
        "schemas": [CORE + "ServiceProviderConfig"], "patch": {"supported": True}, "bulk": bulk,
        "filter": {"supported": True, "maxResults": 100}, "changePassword": {"supported": False},
        "sort": {"supported": rich}, "etag": {"supported": rich},
        "authenticationSchemes": [{"type": "oauthbearertoken", "name": "Bearer", "description": "A token."}],
    }
    if rich:
        out["pagination"] = {"cursor": True, "index": True, "defaultPaginationMethod": "index"}
    return [out] if lie("array") else out


def types():
    def one(name, urn, more):
        return dict({"schemas": [CORE + "ResourceType"], "id": name, "name": name, "endpoint": "/%ss" % name,
                     "schema": urn}, **more)
    return [one("User", USER, {"schemaExtensions": [{"schema": ENTERPRISE, "required": False}]}),
            one("Group", GROUP, {})]


def schemas():
    def attr(name, kind="string", multi=False, sub=None, **more):
        out = {"name": name, "type": kind, "multiValued": multi, "description": name, "required": False,
               "mutability": "ReadWrite" if lie("keywords") else "readWrite", "returned": "default"}
        if kind == "string":
            out.update({"caseExact": False, "uniqueness": "none"})
        if sub:
            out["subAttributes"] = sub
        out.update(more)
        return out
    parts = [attr("value"), attr("type"), attr("primary", "boolean")]
    user = [attr("userName", required=True, uniqueness="server"),
            attr("name", "complex", sub=[attr("givenName"), attr("familyName")]), attr("displayName"), attr("title"),
            attr("nickName"), attr("active", "boolean"), attr("emails", "complex", True, parts),
            attr("phoneNumbers", "complex", True, parts),
            attr("groups", "complex", True, [attr("value"), attr("display")], mutability="readOnly")]
    group = [attr("displayName", required=True),
             attr("members", "complex", True, [attr("value"), attr("type"), attr("$ref", "reference")])]
    enterprise = [attr("employeeNumber"), attr("department"), attr("manager", "complex", sub=[attr("value")])]
    return [{"schemas": [CORE + "Schema"], "id": urn, "name": name, "description": name, "attributes": attributes}
            for urn, name, attributes in
            ((USER, "User", user), (GROUP, "Group", group), (ENTERPRISE, "EnterpriseUser", enterprise))]


# --- HTTP --------------------------------------------------------------------------------------


def listing(items, **more):
    return dict({"schemas": [MESSAGE + "ListResponse"], "totalResults": len(items), "startIndex": 1,
                 "itemsPerPage": len(items), "Resources": items}, **more)


def project(resource, query):
    keep = [a.strip().lower() for a in query.get("attributes", "").split(",") if a.strip()]
    drop = [a.strip().lower() for a in query.get("excludedAttributes", "").split(",") if a.strip()]
    always = ("schemas", "id")
    if keep:
        return {k: v for k, v in resource.items() if k.lower() in keep or k in always}
    return {k: v for k, v in resource.items() if k.lower() not in drop or k in always}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    store = None
    log_file = None
    count = 0
    turn = 0

    def log_message(self, *ignored):
        pass

    # --- answers ---

    def send(self, status, body=None, headers=None, kind="application/scim+json"):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if lie("not-json") and self.command == "POST" and status < 300:
            data, kind = b"<html><body>It works!</body></html>", "text/html"
        if lie("cut-answer") and self.command == "POST" and status < 300:
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Type: application/scim+json\r\n"
                             b"Content-Length: 5000\r\n\r\n" + data[:10])
            return
        self.send_response(status)
        for name, v in (headers or {}).items():
            self.send_header(name, v)
        if data:
            self.send_header("Content-Type", kind)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if lie("trickle") and self.path.endswith("startIndex=0&count=1"):
            for i in range(len(data)):
                self.wfile.write(data[i:i + 1])
                self.wfile.flush()
                time.sleep(0.2)
            return
        self.wfile.write(data)

    def fail(self, fault):
        detail = str(fault)
        if lie("echo"):
            detail += " \x1b[2J" + self.headers.get("Authorization", "")
        if lie("plain-errors"):
            return self.send(fault.status, detail.encode(), self.challenge(fault), "text/plain")
        body = {"schemas": [MESSAGE + "Error"], "status": fault.status if lie("status-number") else str(fault.status),
                "detail": detail}
        if fault.kind:
            body["scimType"] = fault.kind
        return self.send(fault.status, body, self.challenge(fault))

    def challenge(self, fault):
        return {"WWW-Authenticate": "Bearer"} if fault.status == 401 and not lie("no-challenge") else {}

    def resource(self, kind, resource, status=200, location=False):
        shown = self.store.shown(kind, resource)
        body = project(shown, self.query)
        tag = shown["meta"]["version"]
        if lie("tag-of-body"):
            tag = 'W/"%d"' % (sum(json.dumps(body).encode()) % 99991)
        headers = {} if lie("modest") else {"ETag": tag}
        if location:
            headers["Location"] = shown["meta"]["location"]
        if status == 200 and self.command == "GET" and self.headers.get("If-None-Match") == tag:
            return self.send(304, None, headers)
        return self.send(status, body, headers)

    # --- requests ---

    def body(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "").split(";")[0].strip()
        if data and (kind if lie("media-type-case") else kind.lower()) not in ("application/scim+json",
                                                                               "application/json"):
            raise Fault(415, None, "the media type is not taken")
        if self.command in ("GET", "DELETE"):
            return None
        try:
            out = json.loads(data.decode("utf-8"))
        except ValueError:
            raise Fault(400, "invalidSyntax", "not JSON")
        if not isinstance(out, dict):
            raise Fault(400, "invalidSyntax", "not an object")
        return out

    def handle_one(self):
        Handler.count += 1
        if lie("down") and Handler.count > 60:
            self.close_connection = True
            return None
        parts = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        path = [urllib.parse.unquote(p) for p in parts.path.split("/") if p]
        try:
            if path == ["_state"]:
                return self.send(200, {k: list(v.values()) for k, v in self.store.all.items()})
            body = self.body()
            if self.headers.get("Authorization") != "Bearer " + TOKEN and not lie("open"):
                raise Fault(401, None, "who are you?")
            if lie("media-type-case") and self.headers.get("Accept", "").lower() != self.headers.get("Accept", ""):
                raise Fault(406, None, "no such type")
            if lie("hang") and self.path.endswith("Users?startIndex=0&count=1"):
                time.sleep(30)
            with self.store.lock:
                return self.route(path[1:], body)
        except Fault as fault:
            if lie("missing-200") and fault.status == 404:
                return self.send(200, {"schemas": [USER]})
            return self.fail(fault)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

    def note(self, what):
        if self.log_file:
            with open(self.log_file, "a", encoding="utf-8") as f:
                f.write(json.dumps(what) + "\n")

    def route(self, path, body):
        name, rest = (path + [""])[0], path[1:]
        fixed = {"ServiceProviderConfig": None, "ResourceTypes": types, "Schemas": schemas}
        if name in fixed:
            return self.discovery(name, fixed[name], rest)
        if name == "Bulk" and self.command == "POST" and not lie("modest"):
            return self.send(200, self.bulk(body))
        if name == "Me":
            raise Fault(501, None, "there is no me")
        if name not in ("Users", "Groups"):
            raise Fault(404, None, "no such endpoint")
        if rest == [".search"]:
            if MESSAGE + "SearchRequest" not in many(body.get("schemas")):
                raise Fault(400, "invalidSyntax", "not a SearchRequest")
            self.query = {k: str(v) for k, v in body.items() if k != "schemas"}
            return self.send(200, self.listed(name))
        if not rest:
            return self.collection(name, body)
        return self.item(name, rest[0], body)

    def discovery(self, name, make, rest):
        if self.command != "GET":
            raise Fault(405, None, "only GET")
        if not make:
            return self.send(200, config())
        if not rest:
            if "filter" in self.query:
                raise Fault(403, None, "no filters here")
            return self.send(200, listing(make()))
        for each in make():
            if each["id"].lower() == rest[0].lower():
                return self.send(200, each)
        raise Fault(404, None, "no such " + name)

    def collection(self, kind, body):
        if self.command == "GET":
            return self.send(200, self.listed(kind))
        if self.command != "POST":
            raise Fault(405, None, "no")
        made = self.store.add(kind, body)
        self.note({"method": "POST", "kind": kind, "id": made["id"], "name": made.get("userName", made.get("displayName"))})
        if lie("foreign") and kind == "Users":
            made = next(iter(self.store.all["Users"].values()))
        return self.resource(kind, made, 201, True)

    def item(self, kind, rid, body):
        if self.command == "PUT" and lie("put-makes") and rid not in self.store.all[kind]:
            made = self.store.add(kind, body)
            return self.resource(kind, made, 200)
        if self.command == "DELETE" and lie("delete-again") and rid in self.store.gone:
            return self.send(204)
        old = self.store.get(kind, rid)
        if self.command == "GET":
            return self.resource(kind, old)
        wanted = self.headers.get("If-Match")
        if wanted and wanted != "*" and not lie("stale-wins") and wanted != 'W/"%d"' % old["meta"]["version"]:
            raise Fault(412, None, "it was changed meanwhile")
        self.note({"method": self.command, "kind": kind, "id": rid,
                   "name": old.get("userName", old.get("displayName"))})
        if self.command == "DELETE":
            self.store.delete(kind, rid)
            return self.send(204)
        if self.command == "PUT":
            body = dict(body)
            body.setdefault("active", old.get("active"))
            return self.resource(kind, self.store.put(kind, rid, body))
        new = copy.deepcopy(old)
        try:
            patch(new, body, kind)
        except Fault:
            if lie("half-patch"):
                self.store.put(kind, rid, new)
            raise
        return self.resource(kind, self.store.put(kind, rid, new))

    # --- lists ---

    def number(self, name, least):
        if name not in self.query:
            return None
        try:
            return max(int(self.query[name]), least)
        except ValueError:
            raise Fault(400, "invalidValue", name + " is no number")

    def found(self, kind):
        items = [self.store.shown(kind, r) for r in self.store.all[kind].values()]
        text = self.query.get("filter")
        if text is not None:
            test = Filter(text)
            if not lie("ignores-filters"):
                items = [r for r in items if test.run(r)]
        items.sort(key=lambda r: r["id"])
        if "sortBy" in self.query:
            items.sort(key=lambda r: str(value(r, self.query["sortBy"])).lower(),
                       reverse=self.query.get("sortOrder") == "descending")
        if lie("unsteady"):
            Handler.turn += 1
            items = items[::-1] if Handler.turn % 2 else items
        return items

    def listed(self, kind):
        if self.path.endswith("count=100000") and lie("huge"):
            return b'{"x":"' + b"x" * (64 * 1024 * 1024) + b'"}'
        items = self.found(kind)
        count, start = self.number("count", 0), self.number("startIndex", 1) or 1
        if "cursor" in self.query and not lie("modest"):
            return self.cursor(items, count)
        page = items[start - 1:]
        page = page[:min(100, 100 if count is None else count)]
        if lie("count-ignored"):
            page = items
        return listing([project(r, self.query) for r in page],
                       totalResults=len(page) if lie("total-wrong") else len(items), startIndex=start)

    def cursor(self, items, count):
        at, text = 0, self.query["cursor"]
        if text:
            try:
                at = int(base64.urlsafe_b64decode(text + "=="))
            except ValueError:
                raise Fault(400, "invalidCursor", "not a cursor of ours")
        end = at + (100 if count is None else count)
        out = listing([project(r, self.query) for r in items[at:end]], totalResults=len(items))
        if end < len(items) or lie("endless-cursor"):
            out["nextCursor"] = base64.urlsafe_b64encode(str(end).encode()).decode().rstrip("=")
        return out

    # --- bulk ---

    def bulk(self, body):
        if MESSAGE + "BulkRequest" not in many(body.get("schemas")):
            raise Fault(400, "invalidSyntax", "not a BulkRequest")
        ops = body.get("Operations", [])
        if len(ops) > 20:
            raise Fault(413, None, "more than maxOperations 20")
        results, ids, failed = [], {}, 0
        for op in ops:
            out = {"method": op["method"]}
            if "bulkId" in op:
                out["bulkId"] = op["bulkId"]
            kind, _, rid = op["path"].strip("/").partition("/")
            text = re.sub(r"bulkId:(\w+)", lambda m: ids.get(m.group(1), m.group(0)), json.dumps(op.get("data")))
            try:
                if op["method"] == "POST":
                    made = self.store.add(kind, json.loads(text))
                    ids[op["bulkId"]] = made["id"]
                    status, rid = 201, made["id"]
                else:
                    self.store.delete(kind, rid)
                    status = 204
                out["location"] = "%s/%s/%s" % (self.store.base, kind, rid)
            except Fault as fault:
                status, failed = fault.status, failed + 1
                out["response"] = {"schemas": [MESSAGE + "Error"], "status": str(status), "detail": str(fault)}
            out["status"] = status if lie("bulk-numbers") else str(status)
            results.append(out)
            if body.get("failOnErrors") and failed >= body["failOnErrors"] and not lie("bulk-goes-on"):
                break
        return {"schemas": [MESSAGE + "BulkResponse"], "Operations": results}


def main():
    global LIE, TOKEN
    lies = "\n".join("  %-16s %s" % row for row in LIES.items())
    parser = argparse.ArgumentParser(description=__doc__ + "\n" + lies,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lie", choices=sorted(LIES), metavar="LIE")
    parser.add_argument("--token", default="token")
    parser.add_argument("--users", type=int, default=3)
    parser.add_argument("--ready")
    parser.add_argument("--log")
    args = parser.parse_args()
    LIE, TOKEN = args.lie, args.token
    Handler.store, Handler.log_file = Store(args.users), args.log
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.store.base = "http://127.0.0.1:%d/scim" % server.server_port
    if args.ready:
        with open(args.ready + ".new", "w", encoding="utf-8") as f:
            f.write(str(server.server_port))
        os.rename(args.ready + ".new", args.ready)
    server.serve_forever()


if __name__ == "__main__":
    main()
