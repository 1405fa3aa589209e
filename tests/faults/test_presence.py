"""Nodes that are killed and Redis that forgets: who is gone disappears, who is there is found again."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from core.redis import PREFIX, connect
from core.settings import Settings
from hub.peers import LOOKS_PER_TTL
from ops.embedded import EmbeddedRedis
from tests.conftest import running
from tests.faults.scenes import Talk, create_board, create_talk, hub, metric
from tests.support.fleet import fleet
from tests.support.presence import told, until_told
from tests.support.web import WebProcess, eventually, open_socket

# A node that the machine keeps waiting for so long is taken for dead: short where one dies, patient where none may.
SHORT: Final = 2.0
PATIENT: Final = 4.5

SOCKETS: Final = 40
HEARTBEATS: Final = 20


class Place:
    """Two nodes with a Redis that nobody else uses."""

    def __init__(self, settings: Settings, redis: EmbeddedRedis, nodes: tuple[WebProcess, WebProcess]) -> None:
        self.settings = settings
        self.redis = redis
        self.nodes = nodes

    @property
    def url(self) -> str:
        """Of Redis."""
        return self.settings.redis_url.get_secret_value()

    async def command(self, *words: str) -> Any:
        """Say that to Redis."""
        client = connect(self.url)
        try:
            return await client.execute_command(*words)
        finally:
            await client.aclose()

    async def publishes(self) -> int:
        """How often something was published, ever."""
        found = await self.command("INFO", "commandstats")
        return int(found.get("cmdstat_publish", {"calls": 0})["calls"])


@asynccontextmanager
async def _place(settings: Settings, folder: Path, ttl_seconds: float) -> AsyncIterator[Place]:
    redis = EmbeddedRedis(folder / "redis", persistent=False)
    url = await asyncio.to_thread(redis.start)
    own = settings.model_copy(update={"redis_url": SecretStr(url)})
    # No echo probe within a test: what is published is counted.
    changes: dict[str, object] = {
        "hub_presence_ttl_seconds": ttl_seconds,
        "hub_presence_grace_seconds": 0.2,
        "hub_probe_seconds": 60,
        "hub_heartbeat_seconds": 0.1,
    }
    try:
        async with hub(own, folder, **changes) as one, hub(own, folder, **changes) as two:
            yield Place(own, redis, (one, two))
    finally:
        await asyncio.to_thread(redis.stop)


async def _keys(place: Place) -> set[str]:
    return {key.decode() for key in await place.command("KEYS", f"{PREFIX}presence:*")}


async def test_the_people_of_a_killed_node_are_gone_on_the_other(settings: Settings, tmp_path: Path) -> None:
    async with _place(settings, tmp_path, SHORT) as place, running(place.settings) as runtime:
        victim, witness = place.nodes
        talk, board = await create_talk(runtime), await create_board(runtime)
        alone, both = {str(talk.patient.id)}, {str(talk.patient.id), str(talk.doctor.id)}
        channel = f"board:{board.queue_id}"
        async with (
            open_socket(witness.url, talk.patient.access_token) as one,
            open_socket(victim.url, talk.doctor.access_token) as two,
            open_socket(victim.url) as screen,
        ):
            await one.subscribe(talk.channel)
            await two.subscribe(talk.channel)
            await screen.subscribe(channel)
            await until_told(one, talk.channel, both)
            await eventually(lambda: _count(place, channel, 1))
            nodes_before = len(await _keys(place))
            victim.kill()
            assert await victim.process.wait() == -signal.SIGKILL
            await until_told(one, talk.channel, alone)
            await eventually(lambda: _count(place, channel, 0))
            assert await metric(witness, "carebell_presence_nodes") == 1
            # Nothing of it is left behind in Redis, and who is here is not lost on the way.
            await eventually(lambda: _has_keys(place, nodes_before - 1))
            assert told(one, talk.channel)[-1] == alone


async def _count(place: Place, channel: str, expected: int) -> bool:
    async with running(place.settings) as runtime:
        return (await runtime.presence.totals([channel]))[channel].total() == expected


async def _has_keys(place: Place, expected: int) -> bool:
    return len(await _keys(place)) == expected


@asynccontextmanager
async def _both_there(place: Place) -> AsyncIterator[Talk]:
    """Two people at two nodes, each of whom sees both and never saw the other go."""
    one_node, two_node = place.nodes
    async with running(place.settings) as runtime:
        talk = await create_talk(runtime)
    both = {str(talk.patient.id), str(talk.doctor.id)}
    async with (
        open_socket(one_node.url, talk.patient.access_token) as one,
        open_socket(two_node.url, talk.doctor.access_token) as two,
    ):
        await one.subscribe(talk.channel)
        await two.subscribe(talk.channel)
        await until_told(one, talk.channel, both)
        await until_told(two, talk.channel, both)
        seen = len(told(one, talk.channel)), len(told(two, talk.channel))
        yield talk
        await one.until(type="heartbeat")
        await two.until(type="heartbeat")
        assert (len(told(one, talk.channel)), len(told(two, talk.channel))) == seen
        # Not only remembered: it works as before.
        await two.ask(type="unsubscribe", channel=talk.channel)
        await until_told(one, talk.channel, {str(talk.patient.id)})


async def _is_written_again(place: Place, talk: Talk) -> bool:
    async with running(place.settings) as runtime:
        return len((await runtime.presence.totals([talk.channel]))[talk.channel]) == 2


async def test_what_redis_loses_is_written_again_and_nobody_flickers(settings: Settings, tmp_path: Path) -> None:
    """Emptied while it runs, then away for longer than a node may be silent, then back with nothing."""
    async with _place(settings, tmp_path, PATIENT) as place, _both_there(place) as talk:
        await place.command("FLUSHALL")
        await eventually(lambda: _is_written_again(place, talk))
        await asyncio.to_thread(place.redis.stop)
        before = _missed(place)
        await eventually(
            lambda: all(now >= was + LOOKS_PER_TTL for now, was in zip(_missed(place), before, strict=True)), 90
        )
        await asyncio.to_thread(place.redis.start)
        await eventually(lambda: _is_written_again(place, talk), 60)


def _missed(place: Place) -> list[int]:
    """How often each node could not look."""
    return [node.log.read_text().count("presence_unsigned") for node in place.nodes]


async def test_nobody_pays_for_heartbeats(settings: Settings, tmp_path: Path) -> None:
    """Sockets that stay where they are: nothing is published, neither for their heartbeats nor for the node's signs."""
    async with _place(settings, tmp_path, SHORT) as place, running(place.settings) as runtime:
        node, _ = place.nodes
        board, talk = await create_board(runtime), await create_talk(runtime)
        channel = f"board:{board.queue_id}"
        async with fleet(node.port) as crowd, open_socket(node.url, talk.patient.access_token) as one:
            for _ in range(SOCKETS):
                crowd.follow(channel)
            await one.subscribe(talk.channel)
            await until_told(one, talk.channel, {str(talk.patient.id)})
            await eventually(lambda: _count(place, channel, SOCKETS))
            # The creation of both has been published by then, and so has who is there.
            await one.until(type="heartbeat")
            before, beats = await place.publishes(), [follower.kinds["heartbeat"] for follower in crowd.followers]
            for follower, heard in zip(crowd.followers, beats, strict=True):
                await eventually(lambda: follower.kinds["heartbeat"] >= heard + HEARTBEATS)  # noqa: B023
            assert await place.publishes() == before
