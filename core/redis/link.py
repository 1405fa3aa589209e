"""One pub/sub connection that comes back by itself and asks again for all that is wanted on it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ResponseError

from core.logging import get_logger
from core.redis.client import FAULTS, PREFIX, TIMEOUT_SECONDS, disconnect

log = get_logger(__name__)

_BACKOFF_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
_MISSED_PROBES: Final = 2


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who is told of what a link hears; called in the loop: do not block."""

    on_message: Callable[[str, bytes], None]
    """Channel and payload."""
    on_confirmed: Callable[[str], None]
    """That channel is subscribed."""
    on_state: Callable[[], None]
    """``is_up`` was set, perhaps to what it was."""
    on_moved: Callable[[], None]
    """The server does not serve a channel that was asked of it, or serves it no more."""


class Link:
    """To a server, or to the primary of one shard (``is_sharded``: SSUBSCRIBE instead of SUBSCRIBE)."""

    def __init__(self, client: "Redis", hearing: Hearing, *, is_sharded: bool) -> None:
        """``client`` is closed with the link. Nothing runs before ``start``."""
        self._client = client
        self._hearing = hearing
        self._is_sharded = is_sharded
        self._wanted: set[str] = set()
        self._sent: set[str] = set()
        self._unconfirmed: set[str] = set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._probe = ""
        self._probes_unanswered = 0
        self.is_up = False

    def start(self) -> None:
        """Begin listening; what is wanted keeps the connection in subscriber mode."""
        self._task = asyncio.create_task(self._run(), name="redis-subscriber")

    def want(self, channel: str) -> None:
        """One channel more."""
        self._wanted.add(channel)
        self._changed.set()

    def drop(self, channel: str) -> None:
        """One channel less."""
        self._wanted.discard(channel)
        self._changed.set()

    def assign(self, channels: Collection[str], probe: str) -> None:
        """Exactly these, and the channel on which its echo comes."""
        self._wanted = {*channels, probe}
        self._probe = probe
        self._changed.set()

    def probe(self) -> str | None:
        """The channel to send the next echo to; ``None`` where it was silent too often and connects anew.

        A connection can be open and yet dead (packets vanish).
        """
        if self._probes_unanswered >= _MISSED_PROBES:
            log.warning("redis_silent", probes=self._probes_unanswered)
            self._set_up(False)
            if self._task is not None:
                self._task.cancel()
            self.start()
            return None
        self._probes_unanswered += 1
        return self._probe

    async def close(self) -> None:
        """Stop listening and disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await disconnect(self._client)

    def _set_up(self, is_up: bool) -> None:
        self._probes_unanswered = 0
        self.is_up = is_up
        self._hearing.on_state()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                async with self._opened() as pubsub:
                    failures = 0
                    self._set_up(True)
                    await self._listen(pubsub)
            except FAULTS as fault:
                log.warning("redis_subscriber_lost", fault=type(fault).__name__)
                self._set_up(False)
            pause = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
            failures += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[PubSub]:
        """A connection that has asked for all that is wanted; closed on the way out, however that is."""
        pubsub = self._client.pubsub()
        try:
            self._sent = set(self._wanted)
            self._unconfirmed.clear()
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._subscribe(pubsub, self._sent)
            yield pubsub
        finally:
            with contextlib.suppress(*FAULTS):
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _subscribe(self, pubsub: PubSub, channels: Collection[str]) -> None:
        if self._is_sharded:
            # Channels of different slots cannot share a command. Nothing waits for answers in between.
            self._unconfirmed.update(channels)
            for channel in channels:
                await pubsub.execute_command("SSUBSCRIBE", PREFIX + channel)
        else:
            await pubsub.subscribe(*(PREFIX + channel for channel in channels))

    async def _unsubscribe(self, pubsub: PubSub, channels: Collection[str]) -> None:
        if self._is_sharded:
            for channel in channels:
                await pubsub.execute_command("SUNSUBSCRIBE", PREFIX + channel)
        else:
            await pubsub.unsubscribe(*(PREFIX + channel for channel in channels))

    async def _listen(self, pubsub: PubSub) -> None:
        """Read until the connection breaks, sending subscriptions in between from a task of their own."""
        sender = asyncio.create_task(self._send_changes(pubsub), name="redis-subscribe")
        try:
            while True:
                try:
                    message = await pubsub.get_message(timeout=None)
                except ResponseError as refusal:
                    # MOVED, or CLUSTERDOWN: which channel it was is not said. Those without an answer are asked for
                    # again, here or elsewhere, as soon as the map of the cluster was read anew.
                    if not self._is_sharded:
                        raise
                    log.info("redis_subscribe_refused", fault=type(refusal).__name__)
                    self._ask_again(set(self._unconfirmed))
                    continue
                if message is not None:
                    self._handle(message["type"], message["channel"], message["data"])
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def _send_changes(self, pubsub: PubSub) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            fresh, stale = self._wanted - self._sent, self._sent - self._wanted
            self._sent = set(self._wanted)
            try:
                if fresh:
                    await self._subscribe(pubsub, fresh)
                if stale:
                    await self._unsubscribe(pubsub, stale)
            except FAULTS as fault:
                # The reader sees the same broken connection, rebuilds it and asks for all that is wanted.
                log.warning("redis_subscribe_failed", fault=type(fault).__name__)
                return

    def _handle(self, kind: str, raw_channel: bytes, data: bytes) -> None:
        channel = raw_channel.decode()[len(PREFIX) :]
        if kind in ("message", "smessage"):
            if channel == self._probe:
                self._probes_unanswered = 0
            else:
                self._hearing.on_message(channel, data)
        elif kind in ("subscribe", "ssubscribe"):
            self._unconfirmed.discard(channel)
            self._hearing.on_confirmed(channel)
        elif kind == "sunsubscribe" and channel in self._wanted and channel in self._sent:
            # We have not asked for that: its slot has moved to another shard.
            self._ask_again({channel})

    def _ask_again(self, channels: set[str]) -> None:
        self._sent -= channels
        self._unconfirmed -= channels
        self._hearing.on_moved()
