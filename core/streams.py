"""The log: a numbered stream of events per channel, written in the business transaction.

A stream row holds ``epoch`` and ``head``; an event row holds one change. The row lock of the stream makes its
sequence free of gaps and ordered by commit. After COMMIT the same events go to Redis, best effort.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import msgspec
from sqlalchemy import CursorResult, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from core.clock import rfc3339
from core.database import fetch_in
from core.events import Event


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reader of a stream is: all events up to ``seq`` of that ``epoch`` are known."""

    epoch: str
    seq: int


UNBORN = Position("0", 0)
"""Of a channel whose first event is still to come; its epoch is not known before."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event on one channel, with its place in the stream once it has one."""

    channel: str
    epoch: str
    seq: int
    name: str
    at: datetime
    data: bytes

    def payload(self) -> bytes:
        """What travels over Redis: ``<epoch> <seq> <frame>``; the frame goes to sockets as it is."""
        return b"%s %d %s" % (self.epoch.encode(), self.seq, self.frame())

    def frame(self) -> bytes:
        """The ``event`` frame of the wire protocol, encoded once for every socket."""
        return b'{"type":"event","channel":"%s","seq":%d,"name":"%s","at":"%s","data":%s}' % (
            self.channel.encode(),
            self.seq,
            self.name.encode(),
            rfc3339(self.at).encode(),
            self.data,
        )

    def record(self) -> dict[str, Any]:
        """The event inside a ``subscribed`` frame, where the channel is already named."""
        return {
            "seq": self.seq,
            "name": self.name,
            "at": rfc3339(self.at),
            "data": msgspec.Raw(self.data),
        }


# Rows are locked in the order of their names, so that two transactions with several streams cannot deadlock.
_ADVANCE: Final = """
    INSERT INTO streams (channel, head)
    SELECT channel, count
    FROM unnest($1::text[], $2::bigint[]) AS wanted (channel, count)
    ORDER BY channel
    ON CONFLICT (channel) DO UPDATE SET head = streams.head + excluded.head
    RETURNING id, channel, epoch, head
"""
_INSERT: Final = """
    INSERT INTO events (stream_id, seq, name, data, at, actor)
    SELECT stream_id, seq, name, CAST(data AS jsonb), $6::timestamptz, actor
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[])
        AS fresh (stream_id, seq, name, data, actor)
"""
_POSITIONS = text("SELECT channel, epoch, head FROM streams WHERE channel = ANY(:channels)")
# The lock keeps writers out: row by row, against transactions that hold several streams, this could deadlock.
_LOCK_STREAMS = text("LOCK TABLE streams IN SHARE ROW EXCLUSIVE MODE")
_RENEW_EPOCHS = text("UPDATE streams SET epoch = DEFAULT")
_PRUNE = text(
    """
    DELETE FROM events WHERE (stream_id, seq) IN (
        SELECT stream_id, seq FROM events WHERE at < :before LIMIT :most FOR UPDATE SKIP LOCKED
    )
    """
)
_READ = text(
    """
    SELECT s.channel, s.epoch, e.seq, e.name, e.at, CAST(e.data AS text)
    FROM unnest(CAST(:channels AS text[]), CAST(:after AS bigint[])) AS wanted (channel, after)
    JOIN streams s ON s.channel = wanted.channel
    CROSS JOIN LATERAL (
        SELECT seq, name, at, data FROM events
        WHERE stream_id = s.id AND seq > wanted.after ORDER BY seq LIMIT :most
    ) AS e
    ORDER BY s.channel, e.seq
    """
)


@dataclass(frozen=True, slots=True)
class Advanced:
    """A stream whose row this transaction holds: its own are the last ``count`` sequence numbers up to ``head``."""

    stream_id: int
    epoch: str
    head: int
    count: int


@dataclass(frozen=True, slots=True)
class Emitted:
    """An event for a channel, and the label of whoever caused it; its place is still to come."""

    channel: str
    event: Event
    actor: str


async def advance(session: AsyncSession, counts: Mapping[str, int]) -> dict[str, Advanced]:
    """Take the next ``count`` sequence numbers of each channel and hold its row until COMMIT."""
    channels = sorted(counts)
    rows = await fetch_in(session, _ADVANCE, channels, [counts[channel] for channel in channels])
    return {row["channel"]: Advanced(row["id"], row["epoch"], row["head"], counts[row["channel"]]) for row in rows}


async def append(
    session: AsyncSession, emitted: Sequence[Emitted], held: dict[str, Advanced], at: datetime
) -> list[Entry]:
    """Write the events, in the order given, and return them with their places.

    ``held`` are streams advanced before by this transaction, once for each event that it emits there.
    """
    counts = Counter(one.channel for one in emitted)
    if any(counts[channel] != advanced.count for channel, advanced in held.items()):
        raise RuntimeError("a stream was advanced for an event that was not emitted, or the other way round")
    fresh = {channel: count for channel, count in counts.items() if channel not in held}
    taken = {**held, **(await advance(session, fresh) if fresh else {})}
    next_seq = {channel: advanced.head - advanced.count + 1 for channel, advanced in taken.items()}
    entries: list[Entry] = []
    for one in emitted:
        seq, next_seq[one.channel] = next_seq[one.channel], next_seq[one.channel] + 1
        data = msgspec.json.encode(one.event)
        entries.append(Entry(one.channel, taken[one.channel].epoch, seq, one.event.name, at, data))
    await fetch_in(
        session,
        _INSERT,
        [taken[entry.channel].stream_id for entry in entries],
        [entry.seq for entry in entries],
        [entry.name for entry in entries],
        [entry.data.decode() for entry in entries],
        [one.actor for one in emitted],
        at,
    )
    return entries


async def position(session: AsyncSession, channel: str) -> Position:
    """Where that channel's stream is now; ``UNBORN`` for a channel without events yet."""
    found = await positions(session, [channel])
    return found.get(channel, UNBORN)


async def positions(session: AsyncSession | AsyncConnection, channels: Iterable[str]) -> dict[str, Position]:
    """The heads of those channels that have a stream."""
    rows = await session.execute(_POSITIONS, {"channels": list(channels)})
    return {row.channel: Position(row.epoch, row.head) for row in rows}


async def read(session: AsyncSession | AsyncConnection, after: dict[str, int], most: int) -> dict[str, list[Entry]]:
    """At most ``most`` events per channel after the given sequence, in order."""
    rows = await session.execute(_READ, {"channels": list(after), "after": list(after.values()), "most": most})
    found: dict[str, list[Entry]] = {channel: [] for channel in after}
    for channel, epoch, seq, name, at, data in rows:
        found[channel].append(Entry(channel, epoch, seq, name, at, data.encode()))
    return found


async def renew_epochs(session: AsyncSession) -> int:
    """Give every stream a new epoch, which makes all positions from before worthless. Returns how many there are."""
    await session.execute(_LOCK_STREAMS)
    result = await session.execute(_RENEW_EPOCHS)
    return cast("CursorResult[Any]", result).rowcount


async def prune(session: AsyncSession, before: datetime, most: int) -> int:
    """Delete at most ``most`` events from before that time; who is behind them gets a snapshot. Returns how many."""
    result = await session.execute(_PRUNE, {"before": before, "most": most})
    return cast("CursorResult[Any]", result).rowcount
