"""Numbered lists of traps: each has a test that is there, or a line of the manual why it cannot."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def index(path):
    """{number: the places of its tests, or "-" and why none}."""
    rows = {}
    for line in (ROOT / path).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            number, rest = line.split(None, 1)
            assert int(number) not in rows, number
            rows[int(number)] = rest.strip()
    return rows


def there(place):
    """Whether a test, or a golden plan, is in the tree."""
    path, _, name = place.partition("::")
    file = ROOT / path
    if not name:
        return (file / "expect.txt").exists() and (file / "plan.json").exists()
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    if path.endswith(".py"):
        return bool(re.search(r"^def %s\(" % re.escape(name), text, re.M))
    return ("static void %s(" % name) in text and ("cmocka_unit_test(%s)" % name) in re.sub(r"\(\s+", "(", text)


def hold(rows, count, manual):
    """No number is missing, in the list or in the manual; every test is there."""
    assert sorted(rows) == list(range(1, count + 1))
    text = (ROOT / manual).read_text(encoding="utf-8")
    told = {int(n) for item in re.findall(r"^\.It ([0-9, ]+)$", text, re.M) for n in item.split(",")}
    for number, rest in rows.items():
        if rest.startswith("-"):
            assert len(rest) > 10, number
            assert number in told, "%d is not in the manual" % number
        else:
            for place in rest.split():
                assert there(place), "trap %d: %s is not there" % (number, place)
    return told
