"""Following a channel from a position: live, resume or snapshot, with no event lost between state and stream."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec

from core import streams
from core.database import Database
from core.errors import Unavailable
from core.streams import Entry, Position
from hub.catalog import Kind
from hub.channels import UNSEEN, Channel, Member, Seat
from hub.frames import EventRecord, Subscribed, encode
from hub.relay import Relay
from hub.wire import text_frame

_RESUME_AT_MOST: Final = 500
_SNAPSHOT_MAY_LAG: Final = 16
# Long enough for a crowd that comes back at once. Names of people and queues change without an event of the channel.
_SNAPSHOT_MAY_AGE_SECONDS: Final = 5.0
_ATTEMPTS: Final = 5

_event = msgspec.json.Decoder(EventRecord)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a channel at a position, encoded once for all who ask."""

    position: Position
    state: msgspec.Raw
    read_at: float

    def is_fresh(self) -> bool:
        """Whether it may still be shown to whoever comes, with the events since."""
        return time.monotonic() - self.read_at <= _SNAPSHOT_MAY_AGE_SECONDS


class Subscriptions:
    """One a node. Snapshots are read once for all sockets that ask at the same time."""

    def __init__(self, database: Database, relay: Relay) -> None:
        """Reads from the database, follows through the relay."""
        self._database = database
        self._relay = relay
        self._reading: dict[str, asyncio.Task[Snapshot]] = {}
        self._resuming: dict[tuple[str, int], asyncio.Task[list[Entry]]] = {}
        # Gone with its channel: a node does not keep the words of every thread that somebody once looked at.
        self._latest: WeakKeyDictionary[Channel, Snapshot] = WeakKeyDictionary()
        self.by_mode: Counter[str] = Counter()

    def serves(self, name: str) -> bool:
        """True while this node follows that channel."""
        return self._relay.has(name)

    async def follow(
        self,
        member: Member,
        name: str,
        kind: Kind,
        subject: UUID,
        position: Position | None,
        reply: dict[str, Any],
        seat: Seat = UNSEEN,
    ) -> Channel:
        """Send ``subscribed`` to that member and make it one of the channel. The caller has authorised it.

        ``reply`` holds the ``id`` of the command, where there is one; ``seat`` says how it counts. Raises what the
        database raises, and ``Unavailable`` when the channel changes faster than it can be read.
        """
        channel = await self._relay.open(name)
        if position is not None and await self._resume(channel, member, position, reply, seat):
            return channel
        for _ in range(_ATTEMPTS):
            snapshot = await self._snapshot(channel, kind, subject)
            later = channel.since(snapshot.position.seq)
            if later is None or (channel.seq and snapshot.position.epoch != channel.epoch):
                self.forget(channel)
                continue
            at = snapshot.position
            answer = Subscribed(
                channel=name, epoch=at.epoch, seq=at.seq, mode="snapshot", state=snapshot.state, **reply
            )
            self.by_mode[answer.mode] += 1
            self._join(channel, member, answer, later, seat)
            return channel
        raise Unavailable

    async def _resume(self, channel: Channel, member: Member, at: Position, reply: dict[str, Any], seat: Seat) -> bool:
        """Go on from where the client is, if nothing in between is out of reach. Partly is not at all."""
        if at.epoch != channel.epoch:
            return False
        events = channel.since(at.seq)
        if at.seq > channel.seq:
            if not await self._is_written(channel.name, at):
                return False
            events = []
        if events is None:
            events = await self._read_after(channel, at.seq)
        if events is None:
            return False
        seq = max(at.seq, channel.seq)
        records = [_event.decode(payload) for payload in events]
        mode: Any = "resume" if records else "live"
        answer = Subscribed(
            channel=channel.name, epoch=at.epoch, seq=seq, mode=mode, events=records or msgspec.UNSET, **reply
        )
        self.by_mode[mode] += 1
        self._join(channel, member, answer, [], seat)
        return True

    async def _is_written(self, name: str, at: Position) -> bool:
        """A client may know more than this node, when it comes from another; but not more than Postgres."""
        async with self._database.reads() as session:
            head = await streams.position(session, name)
        return head.epoch == at.epoch and head.seq >= at.seq

    async def _read_after(self, channel: Channel, seq: int) -> list[bytes] | None:
        entries = await self._entries_after(channel.name, seq)
        # One by one: pruning goes by time, which is not quite the order of sequences, and may leave a hole inside.
        if not entries or any(entry.seq != at for at, entry in enumerate(entries, seq + 1)):
            return None
        # The channel has gone on while Postgres was read; whatever it has delivered meanwhile is in its ring.
        rest = channel.since(entries[-1].seq)
        if rest is None:
            return None
        known = [entry.frame() for entry in entries if entry.seq <= channel.seq]
        return known + rest

    async def _entries_after(self, name: str, seq: int) -> list[Entry]:
        """Read once for all who stopped at the same place: after a node's death that is everybody on its boards."""
        key = (name, seq)
        reading = self._resuming.get(key)
        if reading is None:
            reading = self._resuming[key] = asyncio.create_task(self._read_entries(name, seq))
            reading.add_done_callback(lambda _: self._resuming.pop(key, None))
        return await asyncio.shield(reading)

    async def _read_entries(self, name: str, seq: int) -> list[Entry]:
        async with self._database.reads() as session:
            return (await streams.read(session, {name: seq}, _RESUME_AT_MOST))[name]

    async def _snapshot(self, channel: Channel, kind: Kind, subject: UUID) -> Snapshot:
        latest = self._latest.get(channel)
        if latest is not None and latest.position.epoch == channel.epoch and latest.is_fresh():
            later = channel.since(latest.position.seq)
            if later is not None and len(later) <= _SNAPSHOT_MAY_LAG:
                return latest
        reading = self._reading.get(channel.name)
        if reading is None:
            reading = asyncio.create_task(self._read_snapshot(channel, kind, subject))
            self._reading[channel.name] = reading
            reading.add_done_callback(lambda _: self._reading.pop(channel.name, None))
        return await asyncio.shield(reading)

    async def _read_snapshot(self, channel: Channel, kind: Kind, subject: UUID) -> Snapshot:
        read_at = time.monotonic()
        async with self._database.snapshot() as session:
            position = await streams.position(session, channel.name)
            state = await kind.snapshot(session, subject)
        snapshot = Snapshot(position, msgspec.Raw(msgspec.json.encode(state)), read_at)
        self._latest[channel] = snapshot
        return snapshot

    def forget(self, channel: Channel) -> None:
        """Read the state anew for whoever asks next."""
        self._latest.pop(channel, None)

    @staticmethod
    def _join(channel: Channel, member: Member, answer: Subscribed, later: list[bytes], seat: Seat) -> None:
        """All in one turn of the loop: no event can come between the answer and the membership."""
        channel.join(member, [text_frame(payload) for payload in (encode(answer), *later)], seat)
