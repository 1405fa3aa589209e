"""Redis, spoken here and nowhere else. It only wakes hub nodes up: what it loses is healed from Postgres.

``Publisher`` sends what was committed, without making a request wait. ``Subscriber`` is a node's one pub/sub
connection.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from core.logging import get_logger

log = get_logger(__name__)

PREFIX: Final = "carebell:"
_QUEUE_LIMIT: Final = 10_000
_BATCH: Final = 512
_TIMEOUT_SECONDS: Final = 2.0
_BACKOFF_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0)

_FAULTS: Final = (RedisError, OSError, asyncio.TimeoutError)


def connect(url: str) -> "Redis":
    """A client with short time-outs: a Redis that hangs must not hang us."""
    return Redis.from_url(
        url,
        protocol=2,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        socket_keepalive=True,
    )


class Publisher:
    """Sends to channels in order, in the background, best effort.

    A request must not wait for Redis, so ``publish`` only queues. What cannot be sent is dropped: subscribers find
    the gap by comparing heads with Postgres.
    """

    def __init__(self, url: str) -> None:
        """``url`` as redis-py takes it."""
        self._client = connect(url)
        self._queue: deque[tuple[str, bytes]] = deque(maxlen=_QUEUE_LIMIT)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        self.is_healthy = True

    def start(self) -> None:
        """Begin sending; call inside the running loop."""
        self._task = asyncio.create_task(self._run(), name="redis-publisher")

    def publish(self, channel: str, payload: bytes) -> None:
        """Queue one message. Over 10,000 waiting, the oldest are dropped."""
        self._queue.append((PREFIX + channel, payload))
        self._wake.set()

    @property
    def waiting(self) -> list[tuple[str, bytes]]:
        """What is queued and not sent yet, oldest first."""
        return list(self._queue)

    async def ping(self) -> None:
        """Ask Redis for a sign of life; raises what redis-py raises."""
        await self._client.ping()

    async def close(self) -> None:
        """Send what is queued, at most one time-out long, and disconnect."""
        if self._task is not None:
            self._is_closing = True
            self._wake.set()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._task, _TIMEOUT_SECONDS)
        await self._client.aclose()

    async def _run(self) -> None:
        while not self._is_closing:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._send_batch()

    async def _send_batch(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
        pipeline = self._client.pipeline(transaction=False)
        for channel, payload in batch:
            pipeline.publish(channel, payload)
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await pipeline.execute()
        except _FAULTS as fault:
            if self.is_healthy:
                log.warning("redis_publish_failed", dropped=len(batch), fault=type(fault).__name__)
            self.is_healthy = False
        else:
            if not self.is_healthy:
                log.info("redis_publish_recovered")
            self.is_healthy = True


class Subscriber:
    """One pub/sub connection that comes back by itself and subscribes again to all that is wanted."""

    def __init__(
        self,
        url: str,
        on_message: Callable[[str, bytes], None],
        on_state: Callable[[bool], None],
    ) -> None:
        """``on_message(channel, payload)`` and ``on_state(is_connected)`` are called in the loop: do not block."""
        self._client = connect(url)
        self._on_message = on_message
        self._on_state = on_state
        self._wanted: set[str] = set()
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._sent: set[str] = set()
        self._changed = asyncio.Event()

    def start(self, *channels: str) -> None:
        """Begin listening; at least one channel keeps the connection in subscriber mode."""
        self._wanted.update(channels)
        self._task = asyncio.create_task(self._run(), name="redis-subscriber")

    def subscribe(self, channel: str) -> asyncio.Future[None]:
        """Want that channel.

        The future is done when Redis has confirmed it, which may be never while Redis is down.
        """
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            confirmed = self._confirmed[channel] = asyncio.get_running_loop().create_future()
            self._wanted.add(channel)
            self._changed.set()
        return confirmed

    def unsubscribe(self, channel: str) -> None:
        """Want that channel no longer."""
        self._wanted.discard(channel)
        self._changed.set()
        future = self._confirmed.pop(channel, None)
        if future is not None:
            future.cancel()

    def rebuild(self) -> None:
        """Give the connection up and make a new one: it is silent where it should speak (half-open)."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
        self._task = asyncio.create_task(self._run(), name="redis-subscriber")

    async def close(self) -> None:
        """Stop listening and disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._client.aclose()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                async with self._opened() as pubsub:
                    failures = 0
                    self._on_state(True)
                    await self._listen(pubsub)
            except _FAULTS as fault:
                self._on_state(False)
                log.warning("redis_subscriber_lost", fault=type(fault).__name__)
            pause = _BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)]
            failures += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[PubSub]:
        """A connection that has asked for all that is wanted; closed on the way out, however that is."""
        pubsub = self._client.pubsub()
        try:
            self._sent = set(self._wanted)
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await pubsub.subscribe(*(PREFIX + channel for channel in self._sent))
            yield pubsub
        finally:
            with contextlib.suppress(*_FAULTS):
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _listen(self, pubsub: PubSub) -> None:
        """Read until the connection breaks, sending subscriptions in between from a task of their own."""
        sender = asyncio.create_task(self._send_changes(pubsub), name="redis-subscribe")
        try:
            while True:
                message = await pubsub.get_message(timeout=None)
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
                    await pubsub.subscribe(*(PREFIX + channel for channel in fresh))
                if stale:
                    await pubsub.unsubscribe(*(PREFIX + channel for channel in stale))
            except _FAULTS as fault:
                # The reader sees the same broken connection, rebuilds it and asks for all that is wanted.
                log.warning("redis_subscribe_failed", fault=type(fault).__name__)
                return

    def _handle(self, kind: str, raw_channel: bytes, data: bytes) -> None:
        channel = raw_channel.decode()[len(PREFIX) :]
        if kind == "message":
            self._on_message(channel, data)
        elif kind == "subscribe":
            future = self._confirmed.get(channel)
            if future is not None and not future.done():
                future.set_result(None)
