"""The time of day is read in one place: whatever must not follow a step of the clock can be seen not to ask there."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.web import ROOT

PACKAGES = ("core", "models", "domain", "api", "hub", "workers")
OF_THE_DAY = {"time": {"time", "time_ns"}, "datetime": {"now", "today", "utcnow"}, "date": {"today"}}
# What the library of rate limits says is a time of its own clock, which is this one.
ALLOWED = {"core/clock.py": 1, "core/rate_limits.py": 1}


def _readings(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in OF_THE_DAY.get(node.value.id, ()):
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (f"time.{name.name}" for name in node.names if name.name in OF_THE_DAY["time"])


def test_the_time_of_day_is_read_in_one_place() -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 100
    found = {str(path.relative_to(ROOT)): len(list(_readings(path.read_text(encoding="utf-8")))) for path in files}
    assert {name: count for name, count in found.items() if count} == ALLOWED


@pytest.mark.parametrize(
    "source", ["import time\ntime.time()", "from datetime import datetime\ndatetime.now()", "from time import time"]
)
def test_a_second_place_would_be_found(source: str) -> None:
    assert list(_readings(source))


def test_the_hub_reads_the_time_of_day_for_what_people_see_alone() -> None:
    """Timers run by the loop's clock. A step of the wall clock is tried in tests/faults/test_clock.py."""
    readers = {
        path.name for path in (ROOT / "hub").glob("*.py") if "core.clock import" in path.read_text(encoding="utf-8")
    }
    assert readers == {
        "handshake.py",  # the date of a refusal
        "latency.py",  # a metric
        "sign_in.py",  # how long a sign-in lasts, once, when it begins
    }
