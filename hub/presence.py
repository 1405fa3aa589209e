"""Who is there: each node counts its own sockets, and all nodes tell each other what changed.

What a node counts lies in Redis under its name and outlives it by ``hub_presence_ttl_seconds``. One sign of life a
node keeps it there, whatever the number of sockets. Changes are collected for half a second, written, and told to the
other nodes in the channel that they concern; a node that was not listening finds them at the next look. Nothing here
is durable, and nothing waits for it: docs/decisions says why.
"""

import asyncio
import time
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from core.errors import Unavailable
from core.ids import new_id
from core.logging import get_logger
from core.presence import Counts, decode_counts, encode_counts
from core.runtime import Runtime
from hub.catalog import Kind, parse_channel
from hub.channels import Channel, Member, Seat
from hub.frames import Signal, encode
from hub.peers import LOOKS_PER_TTL, Peers
from hub.relay import PRESENCE
from hub.roster import SCREEN, Roster
from hub.wire import text_frame

log = get_logger(__name__)

SIGNAL_NAME: Final = "presence"
COLLECT_SECONDS: Final = 0.5
"""So long changes are collected before they are passed on, as one."""


class _Leaving(NamedTuple):
    until: float
    channel: str
    key: str


class _Room:
    """What this node knows of who is in one channel, and which of its own sockets are to hear of it."""

    def __init__(self, name: str) -> None:
        self.kind: Kind
        self.subject: UUID
        self.kind, self.subject = parse_channel(name)
        self.roster = Roster()
        self.channel: Channel
        self.viewers: dict[Member, UUID] = {}
        self.newcomers: set[Member] = set()
        self.published: Counts = {}
        self.told: bytes | None = None

    def signal(self) -> bytes:
        """Who is there, as a frame for sockets."""
        assert self.kind.present is not None
        data = self.kind.present(self.roster.total())
        return text_frame(encode(Signal(channel=self.channel.name, name=SIGNAL_NAME, data=data)))


class Presence:
    """One a node. Told by channels who comes and goes, by the relay what other nodes say."""

    def __init__(self, runtime: Runtime) -> None:
        """Nothing runs before ``start``."""
        self._runtime = runtime
        self._store = runtime.presence
        self._node = str(new_id())
        self._rooms: dict[str, _Room] = {}
        self._peers = Peers(self._node)
        self._leaving: deque[_Leaving] = deque()
        self._unwritten: set[str] = set()
        self._unread: set[str] = set()
        self._untold: set[str] = set()
        # Heard while a read is under way: what comes back from the read may be older.
        self._heard: set[tuple[str, str]] = set()
        # Two who write at once could leave the older state behind.
        self._writing = asyncio.Lock()
        self._due = asyncio.Event()
        self._is_looking_due = asyncio.Event()
        self._signs = 0
        self._version = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.published = 0

    def start(self) -> None:
        """Begin; call inside the running loop."""
        for loop in (self._keep_up, self._live):
            self._tasks.append(asyncio.create_task(loop(), name=f"presence-{loop.__name__}"))

    async def close(self) -> None:
        """Leave nothing behind. The other nodes keep who was here a little longer: they come back there."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(Unavailable):
            await self._store.drop(self._node)

    @property
    def people(self) -> int:
        """How many are shown as there by this node, once for each thread."""
        return sum(len(room.roster.here) for room in self._rooms.values() if SCREEN not in room.roster.here)

    @property
    def screens(self) -> int:
        """How many of this node's sockets and streams show a board."""
        return sum(room.roster.here.get(SCREEN, 0) for room in self._rooms.values())

    @property
    def nodes(self) -> int:
        """How many nodes this one knows of, itself included."""
        return len(self._peers) + 1

    # --- from channels and the relay ---

    def joined(self, channel: Channel, member: Member, seat: Seat) -> None:
        """A socket of this node follows a channel."""
        name = channel.name
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = _Room(name)
            self._unread.add(name)
        room.channel = channel
        if seat.viewer is not None:
            room.viewers[member] = seat.viewer
            room.newcomers.add(member)
            self._note(name, self._untold)
        if seat.key is not None and room.roster.join(seat.key):
            self._note(name, self._unwritten)

    def left(self, channel: Channel, member: Member, seat: Seat) -> None:
        """It does no longer."""
        name = channel.name
        room = self._rooms[name]
        room.viewers.pop(member, None)
        room.newcomers.discard(member)
        until = time.monotonic() + self._runtime.settings.hub_presence_grace_seconds
        if seat.key is not None and room.roster.leave(seat.key, until):
            self._leaving.append(_Leaving(until, name, seat.key))
        self._note(name, self._untold)

    def heard(self, name: str, payload: bytes) -> None:
        """Another node says whom it has in that channel."""
        sender, _, counts = payload.partition(b" ")
        node, room = sender.decode(), self._rooms.get(name)
        if node == self._node or room is None:
            return
        self._peers.met(node)
        self._heard.add((node, name))
        room.roster.hear(node, decode_counts(counts))
        self._note(name, self._untold)

    def look_again(self) -> None:
        """What the others said may have been missed."""
        self._peers.doubt()
        self._is_looking_due.set()

    # --- what changed ---

    def _note(self, name: str, where: set[str]) -> None:
        where.add(name)
        self._due.set()

    async def _keep_up(self) -> None:
        """Everything that changed within half a second, at once: ten thousand who come are one message."""
        while True:
            await self._something_due()
            await asyncio.sleep(COLLECT_SECONDS)
            self._due.clear()
            try:
                await self._pass_on()
            except (Unavailable, SQLAlchemyError, OSError) as fault:
                # All of it is still noted; the next look, or the next change, tries again.
                log.warning("presence_delayed", fault=type(fault).__name__)
            except Exception:
                log.exception("presence_failed")

    async def _something_due(self) -> None:
        left = self._leaving[0].until - time.monotonic() if self._leaving else None
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await self._due.wait()

    async def _pass_on(self) -> None:
        self._let_go()
        touched = self._unwritten | self._unread | self._untold
        try:
            await self._write()
            await self._read()
        finally:
            # This node's own sockets hear of each other also while Redis is away.
            await self._tell()
        for name in touched:
            room = self._rooms.get(name)
            if room is not None and room.roster.is_empty and not room.viewers and name not in self._unwritten:
                del self._rooms[name]

    def _let_go(self) -> None:
        """Those whose grace time is over."""
        at = time.monotonic()
        while self._leaving and self._leaving[0].until <= at:
            until, name, key = self._leaving.popleft()
            if self._rooms[name].roster.let_go(key, until):
                self._unwritten.add(name)

    async def _write(self) -> None:
        """First for those who will look, then to those who listen: who comes in between finds it either way."""
        if not self._unwritten:
            return
        self._untold |= self._unwritten
        async with self._writing:
            changes = {name: dict(self._rooms[name].roster.here) for name in self._unwritten}
            await self._store.write(self._node, changes)
            self._version += 1
        for name, counts in changes.items():
            room = self._rooms[name]
            if room.roster.here == counts:
                self._unwritten.discard(name)
            if room.published != counts:
                room.published = counts
                self._runtime.publisher.publish(
                    name, b"%s %s %s" % (PRESENCE, self._node.encode(), encode_counts(counts))
                )
                self.published += 1

    async def _write_all(self) -> None:
        """Redis has lost what this node has written. No other node need be told: it is what they have heard."""
        async with self._writing:
            here = {name: dict(room.roster.here) for name, room in self._rooms.items() if room.roster.here}
            if here:
                await self._store.write(self._node, here)
                self._version += 1

    async def _read(self) -> None:
        """What the others have: in channels that are new here, and in all where a node's notes have changed."""
        fresh, self._unread = self._unread, set()
        changed = self._peers.take_changed()
        self._heard.clear()
        try:
            found = await self._store.read(self._peers.names - changed, fresh)
            found |= await self._store.read(changed, set(self._rooms))
        except Unavailable:
            self._unread |= fresh
            self._peers.doubt()
            raise
        for node, by_channel in found.items():
            for name in list(self._rooms) if node in changed else fresh:
                self._take(node, name, by_channel.get(name, {}))

    def _take(self, node: str, name: str, counts: Counts) -> None:
        room = self._rooms.get(name)
        if room is None or (node, name) in self._heard or room.roster.there.get(node, {}) == counts:
            return
        room.roster.hear(node, counts)
        self._untold.add(name)

    # --- what sockets are told ---

    async def _tell(self) -> None:
        names, self._untold = self._untold, set()
        try:
            for name in list(names):
                if name in self._rooms:
                    await self._tell_room(self._rooms[name])
                names.discard(name)
        finally:
            self._untold |= names

    async def _tell_room(self, room: _Room) -> None:
        """Those who have come get who is there; all get it when it is not what they were told last."""
        frame, newcomers = room.signal(), set(room.newcomers)
        wanted = {member: user for member, user in room.viewers.items() if frame != room.told or member in newcomers}
        may_see = await self._viewers(room, set(wanted.values()))
        room.told = frame
        room.newcomers -= newcomers
        for member, user in wanted.items():
            if user in may_see and member in room.viewers:
                room.channel.deliveries += 1
                member.send_signal(frame)

    async def _viewers(self, room: _Room, users: Collection[UUID]) -> Collection[UUID]:
        """Asked each time: who no longer works in a clinic hears nothing more of it."""
        if room.kind.viewers is None or not users:
            return users
        async with self._runtime.database.reads() as session:
            return await room.kind.viewers(session, room.subject, users)

    # --- signs of life ---

    async def _live(self) -> None:
        """One sign a node, three within the time that what it wrote outlives it."""
        interval = self._runtime.settings.hub_presence_ttl_seconds / LOOKS_PER_TTL
        while True:
            try:
                await self._look()
            except Unavailable:
                log.warning("presence_unsigned")
            except Exception:
                log.exception("presence_failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    await self._is_looking_due.wait()
            self._is_looking_due.clear()

    async def _look(self) -> None:
        """Repair what Redis has lost before the sign that brings others here to read it."""
        roll = await self._store.look(self._node)
        if not roll.is_whole:
            await self._write_all()
        self._signs += 1
        await self._store.sign(self._node, f"{self._signs}.{self._version}")
        for node in self._peers.look(roll.marks):
            log.info("presence_node_gone", node_id=node)
            for name, room in self._rooms.items():
                if room.roster.forget(node):
                    self._untold.add(name)
            await self._store.drop(node)
        if self._unwritten or self._unread or self._untold or self._peers.has_news:
            self._due.set()
