"""How often something may happen: counted in Redis for all processes, and in this one alone while Redis is away.

The counting is done by the asynchronous storages of ``limits``: a Redis that hangs keeps no other request, and no
socket of this process, waiting. docs/decisions/0003-rate-limits.md says why slowapi does not stand in front of them.
"""

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Any, Final, cast

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisClusterStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError

from core.logging import get_logger
from core.redis import FAULTS, PREFIX, Client, RedisAddress, cluster_options, connect, disconnect, ping

log = get_logger(__name__)

# A healthy Redis answers in a millisecond. Who waits longer for a number than for the work it guards is served badly.
_PATIENCE_SECONDS: Final = 0.25
_PROBE_SECONDS: Final = 1.0
_FAULTS: Final = (StorageError, *FAULTS)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``amount`` times in ``seconds``, counted from the first time; ``name`` keeps its counters apart."""

    name: str
    amount: int
    seconds: int

    @property
    def item(self) -> RateLimitItem:
        """As ``limits`` has it."""
        return RateLimitItemPerSecond(self.amount, self.seconds, namespace=self.name)


class RateLimits:
    """The counters of this process. While Redis is away each process counts for itself, from nought."""

    def __init__(self, url: str) -> None:
        """``url`` as ``RedisAddress`` reads it; connects to nothing yet."""
        storage, self._client = _storage(url)
        self._shared = FixedWindowRateLimiter(storage)
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._probing: asyncio.Task[None] | None = None
        self.is_shared = True

    async def hit(self, limit: RateLimit, key: str) -> int | None:
        """Count once more for ``key``.

        ``None`` within the limit; over it, the seconds (at least 1) until counting begins anew. Never raises.
        """
        if self.is_shared:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    return await _hit(self._shared, limit.item, key)
            except _FAULTS as fault:
                self._count_alone(fault)
        return await _hit(self._own, limit.item, key)

    async def forget(self, limit: RateLimit, key: str) -> None:
        """Begin anew for ``key``."""
        await self._own.clear(limit.item, key)
        if self.is_shared:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._shared.clear(limit.item, key)
            except _FAULTS as fault:
                self._count_alone(fault)

    async def close(self) -> None:
        """Disconnect."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        await disconnect(self._client)

    def _count_alone(self, fault: Exception) -> None:
        """All requests at once learn that Redis is away; one of them says so and has it watched."""
        if not self.is_shared:
            return
        self.is_shared = False
        log.warning("rate_limits_in_process", fault=type(fault).__name__)
        self._probing = asyncio.create_task(self._probe(), name="rate-limits-probe")

    async def _probe(self) -> None:
        while not self.is_shared:
            await asyncio.sleep(_PROBE_SECONDS)
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    # Connected anew, to who is in charge now.
                    await disconnect(self._client)
                    await ping(self._client)
            except _FAULTS:
                continue
            self.is_shared = True
        log.info("rate_limits_shared_again")


async def _hit(limiter: FixedWindowRateLimiter, item: RateLimitItem, key: str) -> int | None:
    if await limiter.hit(item, key):
        return None
    ends_at = (await limiter.get_window_stats(item, key)).reset_time
    return max(1, math.ceil(ends_at - time.time()))


def _storage(url: str) -> tuple[RedisStorage, Client]:
    """The counters, and the client that they use. Each is one key, so that a cluster finds it on one shard."""
    address = RedisAddress.parse(url)
    how: dict[str, Any] = {"wrap_exceptions": True, "implementation": "redispy", "key_prefix": f"{PREFIX}limits"}
    if address.mode == "cluster":
        cluster = RedisClusterStorage("async+redis+cluster://", **how, **cluster_options(address))
        return cluster, cast("Any", cluster.bridge).get_connection()
    client: Any = connect(url)
    return RedisStorage("async+redis://", **how, connection_pool=client.connection_pool), client
