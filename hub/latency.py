"""How long events take from their change to the sockets, kept as a histogram."""

from bisect import bisect_left
from datetime import datetime
from typing import Final

from core.clock import now

BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds in seconds; what takes longer is counted after the last."""

_AT: Final = b'"at":"'
_TIME_LENGTH: Final = len("2026-11-21T08:00:00.000Z")


class Latency:
    """One a node. Looked at once per event, however many sockets get it."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        """Nothing was measured yet."""
        self.counts = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0

    def observe(self, frame: bytes) -> None:
        """An ``event`` frame (``core.streams.Entry.frame``) was given to its sockets just now.

        Its ``at`` is when the transaction began, on the clock of whoever wrote it; where that clock is ahead of ours
        the event took no time.
        """
        start = frame.index(_AT) + len(_AT)
        at = datetime.fromisoformat(frame[start : start + _TIME_LENGTH].decode())
        seconds = max(0.0, (now() - at).total_seconds())
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds
