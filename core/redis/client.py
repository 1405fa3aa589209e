"""Clients of redis-py, of the kind that the URL asks for."""

import asyncio
from typing import Any, Final

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.redis_address import RedisAddress

PREFIX: Final = "carebell:"
TIMEOUT_SECONDS: Final = 2.0
FAULTS: Final = (RedisError, OSError, asyncio.TimeoutError)
"""What is the matter when Redis is."""

Client = Redis | RedisCluster

_TIMEOUTS: Final[dict[str, Any]] = {
    "socket_timeout": TIMEOUT_SECONDS,
    "socket_connect_timeout": TIMEOUT_SECONDS,
    "socket_keepalive": True,
}
_CONNECTION: Final[dict[str, Any]] = {"protocol": 2, **_TIMEOUTS}


def connect(url: str) -> Client:
    """A client with short time-outs: a Redis that hangs must not hang us.

    It connects with the first command. What a command with several keys, or a script, touches must share a hash tag
    (``{…}``): a cluster refuses it otherwise.
    """
    address = RedisAddress.parse(url)
    if address.mode == "cluster":
        return RedisCluster(**cluster_options(address))
    if address.mode == "sentinel":
        return _master(address)
    return Redis.from_url(url, **_CONNECTION)


def connect_to(address: RedisAddress, host: str, port: int) -> "Redis":
    """A client of one node of a cluster."""
    return Redis(host=host, port=port, ssl=address.is_tls, retry=_no_retry(), **{**_CONNECTION, **address.options})


def cluster_options(address: RedisAddress) -> dict[str, Any]:
    """What ``RedisCluster`` takes for that address."""
    return {
        **_CONNECTION,
        "startup_nodes": [ClusterNode(host, port) for host, port in address.nodes],
        "ssl": address.is_tls,
        # A shard that is away is no reason not to speak to the others.
        "require_full_coverage": False,
        # Once more after a fault, with the map of the cluster read anew: without it a pipeline would go on asking a
        # primary that was replaced.
        "retry": Retry(NoBackoff(), 1),
        **address.options,
    }


async def ping(client: Client) -> None:
    """Ask Redis for a sign of life, each shard of a cluster; raises what redis-py raises."""
    if isinstance(client, RedisCluster):
        await client.ping(target_nodes=RedisCluster.PRIMARIES)
    else:
        await client.ping()


async def disconnect(client: Client) -> None:
    """End every connection. A command that follows connects anew, to who is in charge then."""
    await client.aclose()
    manager = None if isinstance(client, RedisCluster) else getattr(client.connection_pool, "sentinel_manager", None)
    if manager is not None:
        await manager.aclose()


def _master(address: RedisAddress) -> "Redis":
    common = {**_CONNECTION, "ssl": address.is_tls}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        address.nodes,
        sentinel_kwargs={**common, "retry": _no_retry(), **(address.sentinel_options or {})},
        **{**common, **address.options},
    )
    master: Redis = sentinel.master_for(address.master)
    return master


def _no_retry() -> Retry:
    return Retry(NoBackoff(), 0)
