"""Redis as several servers: a cluster of shards, or a master with a replica and sentinels."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ops.embedded.processes import HOST, free_port
from ops.embedded.programs import redis_program
from ops.embedded.redis import EmbeddedRedis
from tests.support.web import eventually

PASSWORD: Final = "one-for-all"
MASTER: Final = "carebell"
SLOTS: Final = 16_384
_PATIENCE_SECONDS: Final = 60.0


class Server(EmbeddedRedis):
    """One of several, with the password of all and more lines of configuration."""

    def __init__(self, directory: Path, *lines: str) -> None:
        super().__init__(directory, persistent=False)
        self._lines = lines

    @property
    def password(self) -> str:
        return PASSWORD

    def _input(self) -> bytes:
        return super()._input() + "\n".join([f"masterauth {PASSWORD}", *self._lines, ""]).encode()

    async def ask(self, *words: Any) -> Any:
        """One command, on a connection of its own."""
        assert self.port is not None
        async with Redis(host=HOST, port=self.port, password=PASSWORD, protocol=2, decode_responses=True) as client:
            return await client.execute_command(*words)  # type: ignore[no-untyped-call]

    async def is_asked(self, *words: Any) -> Any:
        """The same; ``None`` where it does not answer, or refuses."""
        try:
            return await self.ask(*words)
        except (RedisError, OSError):
            return None

    def kill(self) -> None:
        """SIGKILL, as when the machine goes."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGKILL)


class Sentinel(Server):
    """Keeps what it learns in its configuration, which is a file therefore."""

    title: ClassVar[str] = "Sentinel"

    def _prepare(self) -> None:
        super()._prepare()
        configuration = self.data / "sentinel.conf"
        lines = (f"bind {HOST}", f"requirepass {PASSWORD}", f"sentinel sentinel-pass {PASSWORD}", *self._lines, "")
        configuration.write_text("\n".join(lines))
        self.place.give(configuration)

    def _command(self, port: int) -> list[str]:
        program = str(redis_program(self.place.account))
        configuration = str(self.data / "sentinel.conf")
        return [program, configuration, "--sentinel", "--port", str(port), "--set-proc-title", "no"]

    def _input(self) -> bytes:
        return b""


@asynccontextmanager
async def _running(servers: Sequence[Server]) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for server in servers:
            stack.push_async_callback(asyncio.to_thread, server.stop)
        # One after another: each takes a port that is free, and then it is not.
        for server in servers:
            await asyncio.to_thread(server.start)
        yield


class Cluster:
    """Primaries with a third of the slots each, and a replica of the first."""

    def __init__(self, servers: list[Server]) -> None:
        """Made by ``redis_cluster``."""
        *self.primaries, self.replica = servers
        self.ids: dict[Server, str] = {}

    @property
    def url(self) -> str:
        """By two of its nodes: the others are found."""
        return f"redis+cluster://:{PASSWORD}@{HOST}:{self.primaries[1].port},{HOST}:{self.primaries[2].port}"

    async def begin(self) -> None:
        """Let them meet, share the slots out, and wait until each knows all."""
        everybody = [*self.primaries, self.replica]
        for server in everybody:
            self.ids[server] = await server.ask("CLUSTER", "MYID")
        for server in everybody[1:]:
            await server.ask("CLUSTER", "MEET", HOST, self.primaries[0].port, await self._bus_port(self.primaries[0]))
        bounds = [SLOTS * number // len(self.primaries) for number in range(len(self.primaries) + 1)]
        for server, first, end in zip(self.primaries, bounds, bounds[1:], strict=False):
            await server.ask("CLUSTER", "ADDSLOTSRANGE", first, end - 1)

        async def all_have_met() -> bool:
            known = [await server.ask("CLUSTER", "INFO") for server in everybody]
            return all(f"cluster_known_nodes:{len(everybody)}" in text and "cluster_state:ok" in text for text in known)

        await eventually(all_have_met, _PATIENCE_SECONDS)
        await self.replica.ask("CLUSTER", "REPLICATE", self.ids[self.primaries[0]])
        await eventually(lambda: _is_replicating(self.replica), _PATIENCE_SECONDS)

    async def move_slot(self, slot: int, source: Server, target: Server) -> None:
        """Give an empty slot to another shard, as the tools for that do."""
        await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", self.ids[source])
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", self.ids[target])
        for server in (target, source):
            await server.ask("CLUSTER", "SETSLOT", slot, "NODE", self.ids[target])

    @staticmethod
    async def _bus_port(server: Server) -> int:
        return int((await server.ask("CONFIG", "GET", "cluster-port"))[1])


class Watched:
    """A master, a replica, and sentinels that put the one in the place of the other."""

    def __init__(self, master: Server, replica: Server, sentinels: list[Sentinel]) -> None:
        """Made by ``redis_sentinels``."""
        self.master, self.replica, self.sentinels = master, replica, sentinels

    @property
    def url(self) -> str:
        """By all sentinels."""
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://:{PASSWORD}@{hosts}/{MASTER}/0?sentinel_password={PASSWORD}"


async def _is_replicating(replica: Server) -> bool:
    answer = await replica.is_asked("INFO", "replication")
    return bool(answer) and answer["role"] == "slave" and answer["master_link_status"] == "up"


@asynccontextmanager
async def redis_cluster(folder: Path) -> AsyncIterator[Cluster]:
    """Three shards, the first with a replica; a dead primary is replaced within some two seconds."""
    lines = ("cluster-enabled yes", "cluster-node-timeout 1000", "cluster-require-full-coverage no")
    servers = [Server(folder / f"node-{number}", *lines, f"cluster-port {free_port()}") for number in range(4)]
    async with _running(servers):
        cluster = Cluster(servers)
        await cluster.begin()
        yield cluster


@asynccontextmanager
async def redis_sentinels(folder: Path) -> AsyncIterator[Watched]:
    """A master that is given up after half a second of silence; two of three sentinels decide."""
    master = Server(folder / "master", "repl-diskless-sync-delay 0")
    async with _running([master]):
        replica = Server(folder / "replica", f"replicaof {HOST} {master.port}", "repl-diskless-sync-delay 0")
        lines = (
            f"sentinel monitor {MASTER} {HOST} {master.port} 2",
            f"sentinel auth-pass {MASTER} {PASSWORD}",
            f"sentinel down-after-milliseconds {MASTER} 500",
            f"sentinel failover-timeout {MASTER} 3000",
        )
        sentinels = [Sentinel(folder / f"sentinel-{number}", *lines) for number in range(3)]
        async with _running([replica, *sentinels]):
            await eventually(lambda: _is_replicating(replica), _PATIENCE_SECONDS)

            async def all_are_known() -> bool:
                answers = [await sentinel.ask("SENTINEL", "MASTER", MASTER) for sentinel in sentinels]
                facts = [dict(zip(answer[::2], answer[1::2], strict=True)) for answer in answers]
                return all((one["num-other-sentinels"], one["num-slaves"]) == ("2", "1") for one in facts)

            await eventually(all_are_known, _PATIENCE_SECONDS)
            yield Watched(master, replica, sentinels)
