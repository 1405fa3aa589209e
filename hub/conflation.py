"""Channels of which a slow reader gets the newest state instead of every step that led there.

While a follower's socket is full, nothing is written to it; what happens meanwhile is kept once for all such followers
of the channel, the newest event of each thing only. Each gets from that what lies after its own position.
docs/decisions/0021-slow-readers.md says why.
"""

from typing import Any, Final

import msgspec

_KEPT_BYTES: Final = 1_048_576


class _Event(msgspec.Struct):
    seq: int
    name: str
    data: dict[str, Any]


_event: Final = msgspec.json.Decoder(_Event)


def subject(payload: bytes) -> str:
    """What an ``event`` frame is about: a later event about the same thing makes it worthless.

    ``ticket.upserted`` has ``{ticket: {id}}`` and ``ticket.removed`` has ``{id}``; an event without an id is about
    nothing but itself.
    """
    event = _event.decode(payload)
    about = event.data if "id" in event.data else next(iter(event.data.values()), None)
    identifier = about.get("id") if isinstance(about, dict) else None
    return f"{event.name.partition('.')[0]} {identifier or event.seq}"


class Conflation:
    """The newest event of each thing since the first follower fell behind."""

    __slots__ = ("_bytes", "_floor", "_latest", "_most")

    def __init__(self, seq: int, most: int = _KEPT_BYTES) -> None:
        """Complete from ``seq`` on. At most ``most`` bytes are kept: who needs older ones needs the whole state."""
        self._latest: dict[str, tuple[int, bytes]] = {}
        self._bytes = 0
        self._floor = seq
        self._most = most

    def add(self, seq: int, payload: bytes) -> None:
        """The next event of the channel."""
        key = subject(payload)
        self._drop(key)
        self._latest[key] = (seq, payload)
        self._bytes += len(payload)
        while self._bytes > self._most:
            oldest = next(iter(self._latest))
            self._floor = self._latest[oldest][0]
            self._drop(oldest)

    def after(self, seq: int) -> list[bytes] | None:
        """What takes a reader from there to now, oldest first; None when it is no longer all there."""
        if seq < self._floor:
            return None
        return [payload for at, payload in self._latest.values() if at > seq]

    def _drop(self, key: str) -> None:
        if key in self._latest:
            self._bytes -= len(self._latest.pop(key)[1])
