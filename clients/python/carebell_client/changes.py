"""What a subscription yields."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

ChannelState: TypeAlias = Literal["connecting", "live", "stale"]
"""connecting: nothing has come yet. live: what was yielded is what is. stale: it was; nobody knows if it still is."""


@dataclass(frozen=True, slots=True)
class Position:
    """All events up to ``seq`` of that ``epoch`` are known."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole state of the channel at ``seq``; it replaces everything before it."""

    seq: int
    state: Any


@dataclass(frozen=True, slots=True)
class Event:
    """One change. Events come in order, each once; ``at`` is RFC 3339.

    Of a board a slow reader misses those that a later one makes worthless.
    """

    seq: int
    name: str
    at: str
    data: Any


@dataclass(frozen=True, slots=True)
class Signal:
    """Something fleeting, as typing: it may get lost, and is never repeated."""

    name: str
    data: Any


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is there, all of it; it replaces what was told before, and is worth nothing once the state is not live.

    ``user_ids`` are the participants who follow a thread, ``screens`` how many show a board (told to staff only).
    """

    user_ids: frozenset[str] | None = None
    screens: int | None = None


@dataclass(frozen=True, slots=True)
class StateChanged:
    """Whether what was yielded before can be believed now."""

    state: ChannelState


Change: TypeAlias = Snapshot | Event | Signal | Presence | StateChanged
