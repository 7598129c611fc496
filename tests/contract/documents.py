"""Atlassian's OpenAPI documents, made ready to validate requests and answers against.

OpenAPI 3.0 is not JSON Schema: nullable, bounds and references differ. Objects that name their
properties are closed here, so that a field nobody documented is seen; what the documents get
wrong, or say elsewhere, stands in exceptions.json with its source.
"""
import json
import os
import re
import urllib.parse

import jsonschema

HERE = os.path.dirname(os.path.abspath(__file__))

# file, base path of its server
# (of a site: as a scoped token asks it, below its cloud id; the paths behind are the same)
DOCUMENTS = (("admin-organization.2026-08-21.json", "/admin"),
             ("admin-user-management.2026-08-15.json", ""),
             ("admin-user-provisioning.2022-08-29.json", ""),
             ("jira-cloud-platform-v3.2026-07-22.json", "/ex/jira/{cloudId}"),
             ("jsm-cloud.2025-09-17.json", "/ex/jira/{cloudId}"),
             ("confluence-cloud-v1.2026-07-12.json", "/ex/confluence/{cloudId}"),
             ("confluence-cloud-v2.2026-08-14.json", "/ex/confluence/{cloudId}/wiki/api/v2"))

FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time")
def is_date_time(value):
    return not isinstance(value, str) or re.fullmatch(
        r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?"
        r"(Z|[+-]\d\d:\d\d)", value) is not None


@FORMATS.checks("date")
def is_date(value):
    return not isinstance(value, str) or re.fullmatch(
        r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", value) is not None


@FORMATS.checks("uuid")
def is_uuid(value):
    return not isinstance(value, str) or re.fullmatch(
        r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value) is not None


@FORMATS.checks("int32")
def is_int32(value):
    return not isinstance(value, int) or -2**31 <= value < 2**31


class Exceptions:
    """What is documented elsewhere (exceptions.json), and how often it was needed."""

    def __init__(self, path=os.path.join(HERE, "exceptions.json")):
        with open(path, encoding="utf-8") as f:
            self.rows = json.load(f)["exceptions"]
        self.used = {row["id"]: 0 for row in self.rows}

    def find(self, kind, method, path, status=None):
        """The first row of that kind that covers this, counted."""
        for row in self.rows:
            if row["kind"] == kind and \
                    row.get("method") in (None, method) and \
                    re.fullmatch(row.get("path", ".*"), path) and \
                    (status is None or (row.get("status") in (None, status) and
                                        row.get("least_status", 0) <= status)):
                self.used[row["id"]] += 1
                return row
        return None


class Converter:
    """One document's schemas as JSON Schema (2020-12)."""

    def __init__(self, document):
        self.document = document
        self.done = {}

    def target(self, reference):
        node = self.document
        for step in reference[2:].split("/"):
            node = node[step]
        return node

    def resolve(self, node):
        while "$ref" in node:
            node = self.target(node["$ref"])
        return node

    def convert(self, schema, closed=True):
        if "$ref" in schema:
            return self.reference(schema, closed)
        out = {}
        for key in ("enum", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength",
                    "minimum", "maximum", "minProperties", "required", "format"):
            if key in schema:
                out[key] = schema[key]
        if isinstance(schema.get("type"), str) and schema["type"] in (
                "string", "integer", "number", "boolean", "array", "object"):
            out["type"] = schema["type"]
        if "pattern" in schema:
            # the published patterns end in a line break that no value has
            out["pattern"] = "^(?:" + schema["pattern"].rstrip("\n") + ")$"
        if "items" in schema:
            out["items"] = self.convert(schema["items"])
        for key in ("oneOf", "anyOf"):
            if key in schema:
                out[key] = [self.convert(s) for s in schema[key]]
        if "allOf" in schema:
            out["allOf"] = [self.convert(s, closed=False) for s in schema["allOf"]]
        self.members(schema, out, closed)
        if schema.get("nullable"):
            return {"anyOf": [{"type": "null"}, out]}
        return out

    def members(self, schema, out, closed):
        if "properties" in schema:
            out["properties"] = {k: self.convert(v) for k, v in schema["properties"].items()}
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            out["additionalProperties"] = self.convert(extra)
        elif extra is not None:
            out["additionalProperties"] = extra
        elif closed and "allOf" in schema:
            out["unevaluatedProperties"] = False
        elif closed and "properties" in schema:
            out["additionalProperties"] = False

    def reference(self, schema, closed):
        """References stay references, or a schema that holds itself would never end."""
        name = re.sub(r"[^A-Za-z0-9]", "_", schema["$ref"]) + ("" if closed else "_open")
        if name not in self.done:
            self.done[name] = None
            self.done[name] = self.convert(self.target(schema["$ref"]), closed)
        out = {"$ref": "#/$defs/" + name}
        if schema.get("nullable"):  # beside a reference, where OpenAPI 3.0 ignores it
            return {"anyOf": [{"type": "null"}, out]}
        return out

    def validator(self, schema):
        converted = self.convert(schema)
        return jsonschema.Draft202012Validator(
            {"$defs": self.done, "allOf": [converted]}, format_checker=FORMATS)


class Operation:
    def __init__(self, document, method, path, base, item, spec):
        self.document, self.method, self.path = document, method, path
        self.template = base + path
        self.spec = spec
        names = re.findall(r"{([^}]+)}", self.template)
        self.names = names
        self.pattern = re.compile(re.sub(r"\\{[^}]+\\}", "([^/]+)", re.escape(self.template)))
        self.parameters = [document.resolve(p)
                           for p in item.get("parameters", []) + spec.get("parameters", [])]
        self.validators = {}

    def literal(self):
        """How many characters of the path are fixed: the more, the better the match."""
        return len(re.sub(r"{[^}]+}", "", self.template))

    def validator(self, key, schema):
        if key not in self.validators:
            self.validators[key] = self.document.validator(schema)
        return self.validators[key]


def json_content(node):
    """The schema of application/json in a body or response; None if there is none."""
    return node.get("content", {}).get("application/json", {}).get("schema")


def values_read(text):
    pairs = {}
    for name, value in urllib.parse.parse_qsl(text, keep_blank_values=True):
        pairs.setdefault(name, []).append(value)
    return pairs


def typed(value, schema):
    """A parameter's text as the type its schema wants, if it looks like one."""
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if schema.get("type") == "boolean" and value in ("true", "false"):
        return value == "true"
    return value


class Contract:
    """All operations of all documents, and what is known beside them."""

    def __init__(self, folder, exceptions=None):
        self.exceptions = exceptions or Exceptions()
        self.operations = []
        for name, base in DOCUMENTS:
            path = os.path.join(folder, name)
            try:
                with open(path, encoding="utf-8") as f:
                    raw = json.load(f)
            except OSError as e:
                raise SystemExit("contract: %s: %s; give the folder of Atlassian's documents"
                                 % (path, e.strerror))
            document = Converter(raw)
            for template, item in raw["paths"].items():
                for method in ("get", "post", "put", "patch", "delete"):
                    if method in item:
                        self.operations.append(Operation(document, method.upper(), template,
                                                         base, item, item[method]))

    def find(self, method, path):
        found = [o for o in self.operations
                 if o.method == method and o.pattern.fullmatch(path)]
        return max(found, key=Operation.literal) if found else None

    # --- requests ---

    def check_request(self, record):
        """Sentences on what the documents do not allow in this request."""
        method, path = record["method"], record["path"]
        operation = self.find(method, path)
        if operation is None:
            if self.exceptions.find("endpoint", method, path):
                return []
            return ["no document knows %s %s" % (method, path)]
        wrong = self.check_path(operation, record) + self.check_query(operation, record)
        return wrong + self.check_body(operation, record)

    def check_path(self, operation, record):
        wrong = []
        texts = operation.pattern.fullmatch(record["path"]).groups()
        schemas = {p["name"]: p["schema"] for p in operation.parameters if p["in"] == "path"}
        for name, text in zip(operation.names, texts):
            value = urllib.parse.unquote(text)
            if name == "cloudId":  # of the address, not of the operation
                continue
            schema = schemas.get(name)
            if schema is None and self.exceptions.find("path-parameter", record["method"],
                                                       record["path"]):
                continue
            if schema is None:
                wrong.append("path parameter %s is not documented" % name)
                continue
            value = typed(value, schema)
            for e in operation.validator("path " + name, schema).iter_errors(value):
                if not self.exceptions.find("path-parameter", record["method"], record["path"]):
                    wrong.append("path parameter %s: %s" % (name, e.message))
        return wrong

    def check_query(self, operation, record):
        wrong = []
        known = {p["name"]: p for p in operation.parameters if p["in"] == "query"}
        sent = values_read(record["query"])
        for name, values in sent.items():
            if name not in known:
                if not self.exceptions.find("query-parameter " + name, record["method"],
                                            record["path"]):
                    wrong.append("query parameter %s is not documented" % name)
                continue
            schema = operation.document.resolve(known[name]["schema"])
            if schema.get("type") == "array":
                if known[name].get("explode") is False:
                    values = values[0].split(",")
                value = [typed(v, schema["items"]) for v in values]
            elif len(values) > 1:
                wrong.append("query parameter %s is sent %d times" % (name, len(values)))
                continue
            else:
                value = typed(values[0], schema)
            for e in operation.validator("query " + name, schema).iter_errors(value):
                wrong.append("query parameter %s: %s" % (name, e.message))
        wrong += ["query parameter %s is missing" % n for n, p in known.items()
                  if p.get("required") and n not in sent]
        return wrong

    def check_body(self, operation, record):
        body, kind = record["requestBody"], record["requestType"]
        asked = operation.document.resolve(operation.spec.get("requestBody", {}))
        schema = json_content(asked)
        if body == "":
            if asked.get("required") and record["status"] != 415:
                return ["a request body is required"]
            return []
        wrong = []
        if not (kind or "").startswith("application/json"):
            wrong.append("content type %s instead of application/json" % kind)
        if schema is None:
            if body == {} and self.exceptions.find("empty-object", record["method"],
                                                   record["path"]):
                return wrong
            return wrong + ["no request body is documented"]
        row = self.exceptions.find("request-body", record["method"], record["path"])
        validator = operation.validator("body", schema) if row is None else \
            jsonschema.Draft202012Validator(row["schema"], format_checker=FORMATS)
        for e in validator.iter_errors(body):
            wrong.append("request body %s: %s" % (where(e), e.message))
        return wrong

    # --- answers ---

    def check_answer(self, record):
        """Sentences on what in this answer differs from the documents."""
        method, path, status = record["method"], record["path"], record["status"]
        body = record["responseBody"]
        operation = self.find(method, path)
        if operation is None:
            row = self.exceptions.find("endpoint", method, path)
            return self.check_elsewhere(row, record) if row else []
        documented = operation.spec["responses"].get(str(status))
        if documented is None:
            row = self.exceptions.find("status", method, path, status)
            if row is None:
                return ["status %d is not documented" % status]
            return self.check_elsewhere(row, record)
        schema = json_content(operation.document.resolve(documented))
        if schema is None:
            if body == "":
                return []
            row = self.exceptions.find("error-body", method, path, status)
            if row is None:
                return ["a body where none is documented"]
            return self.check_elsewhere(row, record)
        if body == "" and status == 204:  # which has none, whatever a document lists
            return []
        if body == "":
            return ["no body where one is documented"]
        validator = operation.validator("status %d" % status, schema)
        if validator.is_valid(body):
            return []
        row = self.exceptions.find("alternative", method, path, status)
        if row:
            return self.check_elsewhere(row, record)
        row = self.exceptions.find("extra-members", method, path, status)
        if row and isinstance(body, dict):
            body = {k: v for k, v in body.items() if k not in row["members"]}
        return ["answer %s: %s" % (where(e), e.message) for e in validator.iter_errors(body)]

    def check_elsewhere(self, row, record):
        """An answer against the schema that the row of exceptions gives."""
        schema = row.get("schemas", {}).get(str(record["status"]), row.get("schema"))
        if schema is None:
            return [] if record["responseBody"] == "" else \
                ["a body where exceptions.json (%s) has none" % row["id"]]
        if isinstance(schema, str):
            for operation in self.operations:
                named = operation.document.document["components"]["schemas"].get(schema)
                if named:
                    validator = operation.document.validator(
                        {"$ref": "#/components/schemas/" + schema})
                    break
        else:
            validator = jsonschema.Draft202012Validator(schema, format_checker=FORMATS)
        return ["answer %s: %s (exceptions.json, %s)" % (where(e), e.message, row["id"])
                for e in validator.iter_errors(record["responseBody"])]


def where(error):
    return "/" + "/".join(str(p) for p in error.absolute_path)
