"""Which server carries which channel: one carries all, or each shard of a cluster those of its slots."""

from collections.abc import Collection
from typing import Final, Protocol

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import SlotNotCoveredError

from core.redis.client import cluster_options, connect, connect_to
from core.redis_address import RedisAddress

_ONLY: Final = "only"


class Topology(Protocol):
    """Servers by a name that stays while they do."""

    is_sharded: bool

    async def refresh(self) -> None:
        """Ask who is in charge now; raises what redis-py raises."""

    def servers(self) -> Collection[str]:
        """Those that carry channels."""

    def server_of(self, channel: str) -> str | None:
        """Who carries that channel, named in full; ``None`` while nobody does."""

    def client(self, server: str) -> "Redis":
        """A new client of that server."""

    async def close(self) -> None:
        """Disconnect."""


class OneServer:
    """A single server, or whoever Sentinel says is the master: each new connection asks for it."""

    is_sharded = False

    def __init__(self, url: str) -> None:
        """``url`` of a single server, or of sentinels."""
        self._url = url

    async def refresh(self) -> None:
        """Nothing to ask."""

    def servers(self) -> Collection[str]:
        """The only one."""
        return (_ONLY,)

    def server_of(self, _: str) -> str:
        """The only one."""
        return _ONLY

    def client(self, _: str) -> "Redis":
        """To the only one."""
        client = connect(self._url)
        assert isinstance(client, Redis)
        return client

    async def close(self) -> None:
        """Nothing is open."""


class Shards:
    """The primaries of a cluster, by ``host:port``."""

    is_sharded = True

    def __init__(self, address: RedisAddress) -> None:
        """Connects to nothing yet."""
        self._address = address
        self._cluster = RedisCluster(**cluster_options(address))

    async def refresh(self) -> None:
        """Read the map of the slots anew, from any node that answers."""
        # Not ``initialize`` of the client: that also asks the first primary something, which may be the one that died.
        await self._cluster.nodes_manager.initialize()

    def servers(self) -> Collection[str]:
        """Primaries with slots."""
        return {nodes[0].name for nodes in self._cluster.nodes_manager.slots_cache.values()}

    def server_of(self, channel: str) -> str | None:
        """The primary of its slot."""
        try:
            node = self._cluster.get_node_from_key(channel)
        except SlotNotCoveredError:
            return None
        return None if node is None else node.name

    def client(self, server: str) -> "Redis":
        """To that primary alone: it follows no redirection."""
        node = self._cluster.get_node(node_name=server)
        assert node is not None
        return connect_to(self._address, node.host, int(node.port))

    async def close(self) -> None:
        """Disconnect."""
        for nodes in ("nodes_cache", "startup_nodes"):
            await self._cluster.nodes_manager.aclose(nodes)


def topology_of(url: str) -> Topology:
    """The one for that URL."""
    address = RedisAddress.parse(url)
    return Shards(address) if address.mode == "cluster" else OneServer(url)
