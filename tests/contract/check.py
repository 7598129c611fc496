#!/usr/bin/python3
"""Holds recorded requests and answers against Atlassian's documents.

usage: check.py --specs DIR --record FILE [--refused-ok] [--quiet]

FILE is what the rehearsal organisation writes with --record: a JSON object a line. Of each, the
request (path, parameters, body) and the answer (status, body: required members, types, enums,
formats, nothing undocumented) are checked. Answers that a test had broken on purpose are not.
With --each N only the first N of those are checked that are alike: same endpoint, status, names
of parameters and members, types, and short words (enums); what a suite of thousands of requests
repeats is one thing said often. With --refused-ok a request may break the documents if it was refused with 400, 401, 404 or 415:
that is how the failures of the rehearsal itself are driven.

Closes with "N passed, N failed"; status 0 only if nothing failed and something was checked.
"""
import argparse
import collections
import json
import re
import sys
from urllib.parse import parse_qsl

from documents import Contract

BROKEN_ON_PURPOSE = ("status", "truncate", "cut", "garbage", "reset", "hang")
REFUSED = (400, 401, 404, 415)


def check_record(contract, record, refused_ok):
    wrong = contract.check_request(record)
    if wrong and refused_ok and record["status"] in REFUSED:
        wrong = []
    wrong = ["request: " + w for w in wrong]
    if record.get("fault") not in BROKEN_ON_PURPOSE:
        wrong += ["answer: " + w for w in contract.check_answer(record)]
    return wrong


def records(path):
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            try:
                yield number, json.loads(line)
            except ValueError as e:
                raise SystemExit("contract: %s line %d is no record: %s" % (path, number, e))


WORD = re.compile(r"[A-Za-z][A-Za-z_./-]{0,23}$")  # an enum's value, most likely; no name, id or time


def shape(value):
    """What two bodies have in common that a schema treats alike."""
    if isinstance(value, dict):
        return tuple(sorted((k, shape(v)) for k, v in value.items()))
    if isinstance(value, list):
        return ("list",) + tuple(sorted({repr(shape(v)) for v in value}))
    if isinstance(value, str):
        return value if WORD.match(value) else "text"
    return value if isinstance(value, bool) else type(value).__name__


def kind(record):
    return (record["method"], record["endpoint"], record["status"], record["requestType"],
            tuple(sorted({k for k, _ in parse_qsl(record["query"], keep_blank_values=True)})),
            repr(shape(record["requestBody"])), repr(shape(record["responseBody"])),
            record.get("fault"))


def check_file(contract, path, refused_ok=False, say=print, each=0):
    """(passed, failed) of a file of records."""
    passed = failed = 0
    seen = collections.Counter()
    for number, record in records(path):
        if each:
            alike = hash(kind(record))
            seen[alike] += 1
            if seen[alike] > each:
                continue
        wrong = check_record(contract, record, refused_ok)
        passed, failed = passed + (not wrong), failed + bool(wrong)
        for w in wrong[:20]:
            say("line %d: %s %s -> %d: %s" % (number, record["method"], record["path"],
                                             record["status"], w))
        if len(wrong) > 20:
            say("line %d: and %d more" % (number, len(wrong) - 20))
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--specs", required=True)
    parser.add_argument("--record", required=True)
    parser.add_argument("--refused-ok", action="store_true")
    parser.add_argument("--each", type=int, default=0, metavar="N")
    parser.add_argument("--quiet", action="store_true", help="no table of exceptions")
    options = parser.parse_args()
    contract = Contract(options.specs)
    passed, failed = check_file(contract, options.record, options.refused_ok,
                                each=options.each)
    if not options.quiet:
        print("documented elsewhere (exceptions.json):")
        for row in contract.exceptions.rows:
            print("  %-30s %6d  %s" % (row["id"], contract.exceptions.used[row["id"]],
                                       row["source"]))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
