"""The system suite runs the real binaries of $LEAVERD_BUILD; a missing server is a failure."""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "lib"))


@pytest.fixture(scope="session")
def build():
    folder = Path(os.environ.get("LEAVERD_BUILD", "build/asan-clock")).resolve()
    for name in ("leaverd", "rehearsal"):
        assert (folder / name).exists(), "%s/%s is missing: run make check" % (folder, name)
    return folder
