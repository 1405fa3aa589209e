"""Sends to channels what was committed."""

import asyncio
import contextlib
import time
from collections import deque
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import SlotNotCoveredError

from core.logging import get_logger
from core.redis.client import FAULTS, PREFIX, TIMEOUT_SECONDS, disconnect
from core.redis.topology import topology_of

log = get_logger(__name__)

_QUEUE_LIMIT: Final = 10_000
_BATCH: Final = 512
_RECONNECT_SECONDS: Final = 0.5


class Publisher:
    """Sends to channels in order, in the background, best effort.

    A request must not wait for Redis, so ``publish`` only queues. What cannot be sent is dropped: subscribers find
    the gap by comparing heads with Postgres. In a cluster each channel belongs to a shard (SPUBLISH), a batch goes to
    all its shards at once, and one that is away does not keep the others from hearing.
    """

    def __init__(self, url: str) -> None:
        """``url`` as ``RedisAddress`` reads it."""
        self._topology = topology_of(url)
        self._clients: dict[str, Redis] = {}
        self._queue: deque[tuple[str, bytes]] = deque(maxlen=_QUEUE_LIMIT)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        self._is_doubted = True
        self._connected_at = 0.0
        self._failing: set[str | None] = set()
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
        if not self._topology.servers():
            await self._topology.refresh()
        await asyncio.gather(*(self._client(server).ping() for server in self._topology.servers()))

    def doubt(self) -> None:
        """Connect anew before the next batch: what we send may go to a server that is in charge no more."""
        self._is_doubted = True

    async def close(self) -> None:
        """Send what is queued, at most one time-out long, and disconnect."""
        if self._task is not None:
            self._is_closing = True
            self._wake.set()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._task, TIMEOUT_SECONDS)
        with contextlib.suppress(*FAULTS):
            await self._disconnect()
            await self._topology.close()

    async def _run(self) -> None:
        while not self._is_closing:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._send_batch()

    async def _send_batch(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                if self._is_doubted:
                    await self._reconnect()
                await self._send(batch)
        except FAULTS as fault:
            if self.is_healthy:
                log.warning("redis_publish_failed", dropped=len(batch), fault=type(fault).__name__)
            self.is_healthy = False
            self._is_doubted = True
        else:
            # Of the shards of a cluster, those that this batch had nothing for may still be away.
            if not self.is_healthy and not self._failing:
                log.info("redis_publish_recovered")
            self.is_healthy = not self._failing

    async def _send(self, batch: list[tuple[str, bytes]]) -> None:
        """To each server its part; raises, when all have been tried, what one of them had to say."""
        if not self._topology.is_sharded:
            for only in self._topology.servers():
                await self._send_to(only, batch)
            return
        parts: dict[str | None, list[tuple[str, bytes]]] = {}
        for message in batch:
            server = self._topology.server_of(message[0])
            parts.setdefault(server, []).append(message)
        outcomes = await asyncio.gather(
            *(self._send_to(server, messages) for server, messages in parts.items()), return_exceptions=True
        )
        faults = {
            server: outcome
            for server, outcome in zip(parts, outcomes, strict=True)
            if isinstance(outcome, BaseException)
        }
        self._failing = (self._failing - set(parts)) | set(faults)
        for fault in faults.values():
            raise fault

    async def _send_to(self, server: str | None, messages: list[tuple[str, bytes]]) -> None:
        if server is None:
            raise SlotNotCoveredError
        command = "SPUBLISH" if self._topology.is_sharded else "PUBLISH"
        pipeline = self._client(server).pipeline(transaction=False)
        for message in messages:
            pipeline.execute_command(command, *message)
        await pipeline.execute()

    def _client(self, server: str) -> "Redis":
        client = self._clients.get(server)
        if client is None:
            client = self._clients[server] = self._topology.client(server)
        return client

    async def _reconnect(self) -> None:
        """Not with each batch that fails: reading the map of a cluster costs more than a batch."""
        if time.monotonic() - self._connected_at >= _RECONNECT_SECONDS:
            self._connected_at = time.monotonic()
            await self._disconnect()
            await self._topology.refresh()
            self._failing &= set(self._topology.servers())
            self._is_doubted = False

    async def _disconnect(self) -> None:
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await disconnect(client)
