"""Brings events to the channels of this node: from Redis as they happen, from Postgres whatever Redis has lost.

Postgres is the log. Once a second (``hub_heads_seconds``) the heads of the channels that this node serves are compared
with it, so a crash between COMMIT and PUBLISH, a Redis restart and a dropped message all heal in the same way.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from typing import Final, Protocol

from sqlalchemy.exc import SQLAlchemyError

from core import streams
from core.database import Database
from core.logging import get_logger
from core.redis import Publisher, Subscriber
from core.settings import Settings
from core.streams import UNBORN, Position
from hub.channels import Attendance, Channel
from hub.joined_writes import joined_writes
from hub.latency import Latency

log = get_logger(__name__)

SIGNAL: Final = b"!"
"""First word of a Redis payload that is a signal: fleeting, without a place in a stream."""
PRESENCE: Final = b"@"
"""The same for what one node tells the others of who is there; sockets are not sent it."""

_READ_AT_ONCE: Final = 500
_LINGER_SECONDS: Final = 10.0
_CONFIRM_SECONDS: Final = 1.0
_DATABASE_FAULTS: Final = (SQLAlchemyError, OSError, asyncio.TimeoutError)


class Listener(Attendance, Protocol):
    """Who keeps count of members, and is told what other nodes say of theirs."""

    def heard(self, name: str, payload: bytes) -> None:
        """What came in that channel, without its first word."""


class Relay:
    """One a node."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        publisher: Publisher,
        on_health: Callable[[bool], None],
        on_restart: Callable[[Channel], None],
        presence: Listener | None = None,
    ) -> None:
        """``on_health(is_healthy)`` on change; ``on_restart`` when a channel could only go on from its head."""
        self._settings = settings
        self._database = database
        self._on_health = on_health
        self._on_restart = on_restart
        self._presence = presence
        self._subscriber = Subscriber(
            settings.redis_url.get_secret_value(),
            publisher,
            self._on_message,
            self._on_connected,
            settings.hub_probe_seconds,
        )
        self._channels: dict[str, Channel] = {}
        self._opening: dict[str, asyncio.Task[Channel]] = {}
        self._gaps: dict[str, str] = {}
        self._gap_found = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.is_healthy = False
        self.latency = Latency()
        self.events = 0
        self.healed_events = 0
        self.healed_gaps: Counter[str] = Counter()
        self.restarts = 0
        self._past_deliveries = 0

    def start(self) -> None:
        """Begin; call inside the running loop."""
        self._subscriber.start()
        for loop in (self._compare_heads, self._heal_gaps):
            self._tasks.append(asyncio.create_task(loop(), name=f"relay-{loop.__name__}"))

    async def close(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._subscriber.close()

    @property
    def channels(self) -> Collection[Channel]:
        """All channels that this node serves."""
        return self._channels.values()

    @property
    def deliveries(self) -> int:
        """Frames given to sockets by channels, those of channels that are gone included."""
        return self._past_deliveries + sum(channel.deliveries for channel in self._channels.values())

    def has(self, name: str) -> bool:
        """True when that channel is served and its position known."""
        channel = self._channels.get(name)
        return channel is not None and channel.is_placed

    async def open(self, name: str) -> Channel:
        """The channel of that name, listening and at a known position. Raises what the database raises."""
        channel = self._channels.get(name)
        if channel is not None and channel.is_placed:
            # Whoever asked joins in a moment: not dropped under their hands for having been idle before.
            channel.idle_since = time.monotonic()
            return channel
        opening = self._opening.get(name)
        if opening is None:
            opening = self._opening[name] = asyncio.create_task(self._open(name))
            opening.add_done_callback(lambda _: self._opening.pop(name, None))
        # Shielded: one socket that goes away must not take the channel from the others that wait for it.
        return await asyncio.shield(opening)

    async def _open(self, name: str) -> Channel:
        channel = self._channels[name] = Channel(
            name, self._settings.hub_ring_size, self._note_gap, joined_writes(), self._presence
        )
        channel.idle_since = time.monotonic()
        confirmed = self._subscriber.subscribe(name)
        # Listen first, then read the position: what is committed in between arrives early and is kept. A Redis that
        # does not answer is no reason to wait for it: heads are compared all the same.
        await asyncio.wait([confirmed], timeout=_CONFIRM_SECONDS if self.is_healthy else 0)
        try:
            position = await self._database.ask(partial(streams.position, channel=name))
        except BaseException:
            self._forget(channel)
            raise
        channel.place(position.epoch, position.seq)
        return channel

    def _forget(self, channel: Channel) -> None:
        if self._channels.get(channel.name) is channel:
            del self._channels[channel.name]
            self._past_deliveries += channel.deliveries
            self._subscriber.unsubscribe(channel.name)

    def _on_message(self, name: str, payload: bytes) -> None:
        channel = self._channels.get(name)
        if channel is None:
            return
        head, _, rest = payload.partition(b" ")
        if head == SIGNAL:
            channel.signal(rest)
            return
        if head == PRESENCE:
            if self._presence is not None:
                self._presence.heard(name, rest)
            return
        seq, _, event = rest.partition(b" ")
        self._deliver(channel, head.decode(), int(seq), event)

    def _deliver(self, channel: Channel, epoch: str, seq: int, event: bytes) -> bool:
        is_next = channel.offer(epoch, seq, event)
        self.events += is_next
        if is_next and channel.members:
            self.latency.observe(event)
        return is_next

    def _on_connected(self, is_connected: bool) -> None:
        if is_connected:
            # What was published while nobody listened is missing: look now instead of at the next turn. The node is
            # healthy again when that look is over, so that ``recovered`` is said after what was missed.
            self._tasks.append(asyncio.create_task(self._recover(), name="relay-recover"))
        else:
            self._set_health(False)

    async def _recover(self) -> None:
        await self._look_at_heads("reconnect")
        self._set_health(True)
        self._tasks = [task for task in self._tasks if not task.done()]

    def _set_health(self, is_healthy: bool) -> None:
        if self.is_healthy != is_healthy:
            self.is_healthy = is_healthy
            self._on_health(is_healthy)

    def _note_gap(self, channel: Channel, cause: str = "message") -> None:
        """``cause`` is what told of it: a later ``message``, the ``heads``, or the look at them after a reconnect."""
        self._gaps.setdefault(channel.name, cause)
        self._gap_found.set()

    async def _compare_heads(self) -> None:
        while True:
            await asyncio.sleep(self._settings.hub_heads_seconds)
            self._drop_idle()
            await self._look_at_heads()

    async def _look_at_heads(self, cause: str = "heads") -> None:
        placed = {name: channel.seq for name, channel in self._channels.items() if channel.is_placed}
        if not placed:
            return
        try:
            heads = await self._database.ask(partial(streams.positions, channels=placed))
        except _DATABASE_FAULTS as fault:
            log.warning("heads_unreadable", fault=type(fault).__name__)
            return
        for name, seq in placed.items():
            channel, head = self._channels.get(name), heads.get(name, UNBORN)
            if channel is None:
                continue
            # Below where we stood before we asked: the database was restored to an earlier state.
            is_ahead = head.seq > 0 and (head.epoch != channel.epoch or head.seq > channel.seq)
            if is_ahead or head.seq < seq:
                self._note_gap(channel, cause)
        if self._gaps:
            await self._heal_now()

    async def _heal_gaps(self) -> None:
        while True:
            await self._gap_found.wait()
            self._gap_found.clear()
            while self._gaps:
                if not await self._heal_now():
                    await asyncio.sleep(0.1)

    async def _heal_now(self) -> bool:
        """Read what is missing, once for all sockets of this node. False when Postgres cannot be asked."""
        causes, self._gaps = self._gaps, {}
        behind = {name: channel for name in causes if (channel := self._channels.get(name)) and channel.is_placed}
        if not behind:
            return True
        try:
            after = {name: channel.seq for name, channel in behind.items()}
            async with self._database.snapshot() as session:
                heads = await streams.positions(session, list(behind))
                missing = await streams.read(session, after, _READ_AT_ONCE)
        except _DATABASE_FAULTS as fault:
            log.warning("gap_unreadable", channels=len(behind), fault=type(fault).__name__)
            self._gaps = causes | self._gaps
            return False
        for name, channel in behind.items():
            head = heads.get(name, UNBORN)
            if after[name] and (head.epoch != channel.epoch or head.seq < after[name]):
                self._restart(channel, head)
            else:
                self._fill(channel, missing[name], head, causes[name])
        return True

    def _fill(self, channel: Channel, missing: list[streams.Entry], head: Position, cause: str) -> None:
        healed = 0
        if channel.seq < head.seq and (not missing or missing[0].seq > channel.seq + 1):
            # Pruned by the retention: this node cannot tell what was in between.
            self._restart(channel, head)
            return
        for entry in missing:
            is_next = self._deliver(channel, entry.epoch, entry.seq, entry.frame())
            healed += is_next
            self.healed_events += is_next
        if channel.seq < head.seq:
            self._note_gap(channel, cause)
        elif healed:
            self.healed_gaps[cause] += 1

    def _restart(self, channel: Channel, head: Position) -> None:
        log.warning("channel_restarted", channel=channel.name, epoch=head.epoch, seq=head.seq)
        self.restarts += 1
        channel.place(head.epoch, head.seq)
        self._on_restart(channel)

    def _drop_idle(self) -> None:
        """Channels without sockets stay a little: whoever reconnects finds the ring."""
        for channel in list(self._channels.values()):
            if not channel.is_idle or not channel.is_placed:
                channel.idle_since = time.monotonic()
            elif time.monotonic() - channel.idle_since > _LINGER_SECONDS:
                self._forget(channel)
