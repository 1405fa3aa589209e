"""Redis as a cluster, or with sentinels: two web processes are one, and what dies or moves there loses nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from redis.crc import key_slot

from core.actor import Role
from core.redis import PREFIX
from core.runtime import Runtime
from core.settings import Settings
from ops.embedded.place import throwaway_folder
from tests.builders import Clinic, take_ticket
from tests.conftest import running
from tests.faults.scenes import PATIENCE_SECONDS, Traffic, create_board, create_talk, hub, settle
from tests.people import PASSWORD, create_person
from tests.support.fleet import Fleet, fleet
from tests.support.redis_servers import SLOTS, Cluster, Server, Watched, redis_cluster, redis_sentinels
from tests.support.web import TestSocket, WebProcess, eventually, open_socket

SCREENS = 12
# Nothing heals by itself within a test: what arrives has come through Redis.
NEVER = {"hub_heads_seconds": 60, "hub_probe_seconds": 60}


@pytest.fixture(scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    """Three shards and a replica."""
    with throwaway_folder() as folder:
        async with redis_cluster(folder) as made:
            yield made


@pytest.fixture(scope="module")
async def watched() -> AsyncIterator[Watched]:
    """A master, a replica, three sentinels."""
    with throwaway_folder() as folder:
        async with redis_sentinels(folder) as made:
            yield made


@pytest.fixture(scope="module")
def of_cluster(settings: Settings, cluster: Cluster) -> Settings:
    """Settings of processes on the cluster."""
    urls = {"redis_url": SecretStr(cluster.url), "task_broker_url": settings.redis_url}
    return settings.model_copy(update={**urls, "hub_probe_seconds": 0.5})


@pytest.fixture(scope="module")
def of_watched(settings: Settings, watched: Watched) -> Settings:
    """Settings of processes with sentinels."""
    return settings.model_copy(update={"redis_url": SecretStr(watched.url), "hub_probe_seconds": 0.5})


@pytest.fixture(params=["cluster", "sentinel"])
def mode(request: pytest.FixtureRequest) -> str:
    """Each of both."""
    return str(request.param)


@pytest.fixture
def own(mode: str, request: pytest.FixtureRequest) -> Settings:
    """Settings for that mode."""
    made: Settings = request.getfixturevalue("of_cluster" if mode == "cluster" else "of_watched")
    return made


async def _boards_on(cluster: Cluster, runtime: Runtime) -> dict[Server, Clinic]:
    """A board on each primary, by where its channel is carried."""
    boards: dict[Server, Clinic] = {}
    while len(boards) < len(cluster.primaries):
        board = await create_board(runtime)
        boards.setdefault(cluster.primaries[_slot(board) * len(cluster.primaries) // SLOTS], board)
    return boards


def _slot(board: Clinic) -> int:
    return int(key_slot(f"{PREFIX}board:{board.queue_id}".encode()))


async def _degraded(web: WebProcess) -> dict[str, str]:
    """The parts of that process that are not well."""
    async with httpx.AsyncClient(base_url=web.url) as client:
        parts = (await client.get("/readyz")).json()["parts"]
    return {name: state for name, state in parts.items() if state != "ok"}


async def _are_well(*webs: WebProcess) -> bool:
    return not any([await _degraded(web) for web in webs])


@asynccontextmanager
async def _under_traffic(runtime: Runtime, one: WebProcess, two: WebProcess) -> AsyncIterator[tuple[Fleet, Traffic]]:
    """Screens and a conversation at two processes; at the end Postgres judges, and nobody has lost a socket."""
    async with fleet(one.port) as here, fleet(two.port) as there:
        boards, talk = [await create_board(runtime) for _ in range(3)], await create_talk(runtime)
        for number in range(SCREENS):
            (here, there)[number % 2].follow(f"board:{boards[number % 3].queue_id}")
        speaker = here.follow(talk.channel, talk.patient.access_token)
        there.follow(talk.channel, talk.doctor.access_token)
        await eventually(lambda: here.standing_at(one.port) + there.standing_at(two.port) == SCREENS + 2)
        traffic = Traffic(runtime)
        traffic.move(*boards)
        traffic.talk(speaker)
        await traffic.another(5)
        await traffic.another(5, speaker)
        both = Fleet([])
        both.followers = here.followers + there.followers
        yield both, traffic
        await traffic.another(5)
        await traffic.stop()
        await settle(runtime, both)
        assert {tuple(follower.endings) for follower in both.followers} == {()}
        assert not speaker.failures


async def test_two_processes_are_one(own: Settings, mode: str, tmp_path: Path) -> None:
    async with running(own) as runtime, hub(own, tmp_path, **NEVER) as one, hub(own, tmp_path, **NEVER) as two:
        boards, talk = [await create_board(runtime) for _ in range(6)], await create_talk(runtime)
        admin, guessed = await create_person(runtime, Role.ADMIN), await create_person(runtime)
        async with (
            open_socket(one.url, talk.patient.access_token) as patient,
            open_socket(two.url, talk.doctor.access_token) as doctor,
            httpx.AsyncClient(base_url=one.url, timeout=20) as here,
            httpx.AsyncClient(base_url=two.url, timeout=20) as there,
        ):
            await eventually(lambda: _are_well(one, two))
            for socket in (patient, doctor):
                assert (await socket.subscribe(talk.channel))["type"] == "subscribed"
            for board in boards:
                await doctor.subscribe(f"board:{board.queue_id}")
            # Signals are in no log: they come by Redis or not at all.
            await patient.send(type="typing", channel=talk.channel, on=True)
            await doctor.until(type="signal")
            for board in boards:
                await take_ticket(runtime, board.queue_id)
                event = await doctor.until(type="event")
                assert (event["channel"], event["seq"]) == (f"board:{board.queue_id}", 2)
            right = {"email": admin.email, "password": PASSWORD}
            assert (await here.post("/api/v1/auth/login", json=right)).status_code == 200
            wrong = {"email": guessed.email, "password": "not the password"}
            answers = [await client.post("/api/v1/auth/login", json=wrong) for client in [here, there] * 3]
            assert [answer.status_code for answer in answers] == [401] * 5 + [429]
            assert (await here.get("/readyz")).json()["redis_mode"] == mode
            assert f'mode="{mode}"' in (await there.get("/metrics")).text
            nodes = await there.get("/api/v1/hub/nodes", headers=admin.bearer)
            assert nodes.json()["redis_mode"] == mode


async def _hears(runtime: Runtime, screen: TestSocket, board: Clinic) -> None:
    """Tickets are taken until one of them is heard of: what is said while a slot moves may be lost with it."""
    hearing = asyncio.create_task(screen.until(type="event"))

    async def is_heard() -> bool:
        await take_ticket(runtime, board.queue_id)
        await asyncio.wait([hearing], timeout=0.1)
        return hearing.done()

    await eventually(is_heard, PATIENCE_SECONDS)
    await hearing


async def test_a_slot_moves_with_its_channel(of_cluster: Settings, cluster: Cluster, tmp_path: Path) -> None:
    async with (
        running(of_cluster) as runtime,
        hub(of_cluster, tmp_path, **NEVER) as web,
        open_socket(web.url) as screen,
    ):
        source, target = cluster.primaries[1:]
        board = (await _boards_on(cluster, runtime))[source]
        await eventually(lambda: _are_well(web))
        await screen.subscribe(f"board:{board.queue_id}")
        await _hears(runtime, screen, board)
        await cluster.move_slot(_slot(board), source, target)
        await eventually(lambda: _is_subscribed(target, board), PATIENCE_SECONDS)
        await _hears(runtime, screen, board)
        await cluster.move_slot(_slot(board), target, source)
        await eventually(lambda: _is_subscribed(source, board), PATIENCE_SECONDS)
        await _hears(runtime, screen, board)
        assert not {"degraded", "resync"} & {frame["type"] for frame in screen.seen}
        assert "redis_subscriber_lost" not in web.log.read_text()


async def _is_subscribed(server: Server, board: Clinic) -> bool:
    return f"{PREFIX}board:{board.queue_id}" in await server.ask("PUBSUB", "SHARDCHANNELS")


async def test_a_shard_that_hangs_is_noticed_and_keeps_no_other_waiting(
    of_cluster: Settings, cluster: Cluster, tmp_path: Path
) -> None:
    async with (
        running(of_cluster) as runtime,
        hub(of_cluster, tmp_path) as web,
        open_socket(web.url) as screen,
    ):
        hanging, other = cluster.primaries[1:]
        boards = await _boards_on(cluster, runtime)
        await eventually(lambda: _are_well(web))
        for board in boards.values():
            await screen.subscribe(f"board:{board.queue_id}")
        assert hanging.pid is not None
        os.kill(hanging.pid, signal.SIGSTOP)
        try:
            for server in (hanging, other):
                await take_ticket(runtime, boards[server].queue_id)
                event = await screen.until(type="event")
                assert (event["channel"], event["seq"]) == (f"board:{boards[server].queue_id}", 2)
            await eventually(lambda: "redis_silent" in web.log.read_text(), PATIENCE_SECONDS)
            await eventually(lambda: _is_degraded(web), PATIENCE_SECONDS)
        finally:
            os.kill(hanging.pid, signal.SIGCONT)
        await eventually(lambda: _are_well(web), PATIENCE_SECONDS)
        await _hears(runtime, screen, boards[hanging])
        kinds = [frame["type"] for frame in screen.seen]
        assert "degraded" in kinds
        assert "recovered" in kinds


async def _is_degraded(web: WebProcess) -> bool:
    return "relay" in await _degraded(web)


async def test_shards_are_flushed_throw_subscribers_out_and_lose_a_primary(
    of_cluster: Settings, cluster: Cluster, tmp_path: Path
) -> None:
    async with (
        running(of_cluster) as runtime,
        hub(of_cluster, tmp_path) as one,
        hub(of_cluster, tmp_path) as two,
        _under_traffic(runtime, one, two) as (_, traffic),
    ):
        for fault in ("FLUSHALL", "CLIENT KILL TYPE pubsub"):
            for server in cluster.primaries[1:]:
                await server.ask(*fault.split())
                await traffic.another(3)
        assert "redis_subscriber_lost" in one.log.read_text()
        cluster.primaries[0].kill()

        async def has_taken_over() -> bool:
            return str((await cluster.replica.ask("ROLE"))[0]) == "master"

        await eventually(has_taken_over, PATIENCE_SECONDS)
        await eventually(lambda: _are_well(one, two), PATIENCE_SECONDS)
        await traffic.another(10)
        # The echoes of both, if nothing else.
        assert len(await cluster.replica.ask("PUBSUB", "SHARDCHANNELS")) >= 2


async def test_a_master_is_killed_and_its_replica_takes_over(
    of_watched: Settings, watched: Watched, tmp_path: Path
) -> None:
    async with (
        running(of_watched) as runtime,
        hub(of_watched, tmp_path) as one,
        hub(of_watched, tmp_path) as two,
        _under_traffic(runtime, one, two) as (clients, traffic),
    ):
        watched.master.kill()
        (speaker, _) = [follower for follower in clients.followers if follower.channel.startswith("thread:")]
        # Before anybody has taken over: sends commit and are acknowledged.
        await traffic.another(5, speaker)
        await traffic.another(5)

        async def has_taken_over() -> bool:
            return str((await watched.replica.ask("ROLE"))[0]) == "master"

        await eventually(has_taken_over, PATIENCE_SECONDS)
        await eventually(lambda: _are_well(one, two), PATIENCE_SECONDS)
        await traffic.another(10)
        await traffic.another(5, speaker)
