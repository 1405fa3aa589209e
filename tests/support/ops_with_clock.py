"""``python -m ops`` whose wall clock is wrong by so many seconds as the file ``clock`` in its folder says.

Stands in front of the two places from which our code and its libraries read the time of day: ``core.clock.now`` and
``time.time``. tests/core/test_clock.py looks that there is no third. Monotonic clocks go on as they are.
"""

import runpy
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import core.clock

CLOCK = Path("clock")
_true_time = time.time


def _offset() -> float:
    return float(CLOCK.read_text(encoding="ascii") or 0) if CLOCK.exists() else 0.0


def _wrong_now() -> datetime:
    return datetime.fromtimestamp(_true_time(), UTC) + timedelta(seconds=_offset())


def _wrong_time() -> float:
    return _true_time() + _offset()


if __name__ == "__main__":
    core.clock.now = _wrong_now
    time.time = _wrong_time
    runpy.run_module("ops", run_name="__main__", alter_sys=True)
