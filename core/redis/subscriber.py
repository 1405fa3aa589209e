"""What a node hears: one link to Redis, or one to each shard of a cluster, and the channels spread over them."""

import asyncio
import contextlib
from collections.abc import Callable
from itertools import count
from typing import Final

from core.ids import new_id
from core.logging import get_logger
from core.redis.client import FAULTS, PREFIX, TIMEOUT_SECONDS
from core.redis.link import Hearing, Link
from core.redis.publisher import Publisher
from core.redis.topology import topology_of

log = get_logger(__name__)

_PAUSE_SECONDS: Final = 0.2


class Subscriber:
    """Comes back by itself, from wherever the channels have gone, and subscribes again to all that is wanted."""

    def __init__(
        self,
        url: str,
        publisher: Publisher,
        on_message: Callable[[str, bytes], None],
        on_state: Callable[[bool], None],
        probe_seconds: float,
    ) -> None:
        """``on_message(channel, payload)`` and ``on_state(is_connected)`` are called in the loop: do not block.

        Connected means all links are, and is said again after each that came back. ``publisher`` sends each link an
        echo every ``probe_seconds``; two misses rebuild it.
        """
        self._topology = topology_of(url)
        self._publisher = publisher
        self._on_state = on_state
        self._probe_seconds = probe_seconds
        self._hearing = Hearing(on_message, self._confirm, self._report, self._look_again)
        self._links: dict[str, Link] = {}
        self._wanted: set[str] = set()
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        self._is_stale = asyncio.Event()
        self._echo = f"node:{new_id()}"
        self._probes: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin listening; call inside the running loop."""
        self._tasks = [
            asyncio.create_task(self._follow(), name="redis-topology"),
            asyncio.create_task(self._send_echoes(), name="redis-probe"),
        ]

    def subscribe(self, channel: str) -> asyncio.Future[None]:
        """Want that channel.

        The future is done when Redis has confirmed it, which may be never while Redis is down.
        """
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            confirmed = self._confirmed[channel] = asyncio.get_running_loop().create_future()
            self._wanted.add(channel)
            link = self._link_of(channel)
            if link is None:
                self._is_stale.set()
            else:
                link.want(channel)
        return confirmed

    def unsubscribe(self, channel: str) -> None:
        """Want that channel no longer."""
        self._wanted.discard(channel)
        link = self._link_of(channel)
        if link is not None:
            link.drop(channel)
        future = self._confirmed.pop(channel, None)
        if future is not None:
            future.cancel()

    async def close(self) -> None:
        """Stop listening and disconnect."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*self._closing, *(link.close() for link in self._links.values()))
        with contextlib.suppress(*FAULTS):
            await self._topology.close()

    def _link_of(self, channel: str) -> Link | None:
        server = self._topology.server_of(PREFIX + channel)
        return None if server is None else self._links.get(server)

    def _confirm(self, channel: str) -> None:
        future = self._confirmed.get(channel)
        if future is not None and not future.done():
            future.set_result(None)

    def _report(self) -> None:
        is_connected = bool(self._links) and all(link.is_up for link in self._links.values())
        if not is_connected:
            self._look_again()
        self._on_state(is_connected)

    def _look_again(self) -> None:
        self._is_stale.set()

    async def _follow(self) -> None:
        """Have a link to every server that carries channels, as often as there is reason to look."""
        while True:
            self._is_stale.clear()
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await self._topology.refresh()
            except FAULTS as fault:
                log.warning("redis_topology_unknown", fault=type(fault).__name__)
                self._on_state(False)
                self._is_stale.set()
            else:
                self._arrange()
            await asyncio.sleep(_PAUSE_SECONDS)
            await self._is_stale.wait()

    def _arrange(self) -> None:
        """Links to the servers there are, each with its channels."""
        servers = set(self._topology.servers())
        gone = [self._links.pop(server) for server in set(self._links) - servers]
        for link in gone:
            closing = asyncio.create_task(link.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        channels: dict[str, list[str]] = {server: [] for server in servers}
        for channel in self._wanted:
            server = self._topology.server_of(PREFIX + channel)
            if server is None:
                self._is_stale.set()
            else:
                channels[server].append(channel)
        for server in servers:
            link = self._links.get(server) or Link(
                self._topology.client(server), self._hearing, is_sharded=self._topology.is_sharded
            )
            link.assign(channels[server], self._probe_of(server))
            if server not in self._links:
                self._links[server] = link
                link.start()
        if gone:
            self._report()

    def _probe_of(self, server: str) -> str:
        """A channel of our own that this server carries."""
        if server not in self._probes or self._topology.server_of(PREFIX + self._probes[server]) != server:
            names = (f"{self._echo}:{number}" for number in count())
            self._probes[server] = next(name for name in names if self._topology.server_of(PREFIX + name) == server)
        return self._probes[server]

    async def _send_echoes(self) -> None:
        while True:
            await asyncio.sleep(self._probe_seconds)
            for link in self._links.values():
                if not link.is_up:
                    continue
                channel = link.probe()
                if channel is None:
                    self._publisher.doubt()
                else:
                    self._publisher.publish(channel, b"echo")
