"""A Redis that answers nothing: requests are limited by each process alone, and sockets notice nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import httpx

from core.runtime import Runtime
from core.settings import Settings
from tests.faults.test_lost_wakeups import through
from tests.people import PASSWORD, create_person
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.web import TestSocket, WebProcess, eventually, open_socket, web_process

HEARTBEAT_SECONDS = 0.1
# A request that waits for Redis on the loop would hold it for the client's time-out of 2 s, and the next one again.
STALL_SECONDS = 1.0


@asynccontextmanager
async def behind_proxy(settings: Settings, tmp_path: Path) -> AsyncIterator[tuple[WebProcess, TcpProxy]]:
    """A web process whose Redis can be made to hang."""
    url = settings.redis_url
    host, port = url.get_secret_value().rpartition("@")[2].removeprefix("redis://").partition("/")[0].split(":")
    async with (
        tcp_proxy(host, int(port)) as proxy,
        web_process(
            settings,
            tmp_path,
            redis_url=through(url.get_secret_value(), proxy),
            hub_heartbeat_seconds=HEARTBEAT_SECONDS,
            log_level="INFO",
        ) as web,
    ):
        yield web, proxy


async def _beats_per_second(socket: TestSocket, until: asyncio.Event) -> float:
    beats, began = 0, perf_counter()
    while not until.is_set():
        await socket.until(type="heartbeat")
        beats += 1
    return beats / (perf_counter() - began)


async def test_a_redis_that_hangs_stalls_no_socket_and_no_sign_in(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    person, guessed = await create_person(runtime), await create_person(runtime)
    async with (
        behind_proxy(settings, tmp_path) as (web, proxy),
        open_socket(web.url, person.access_token) as socket,
        httpx.AsyncClient(base_url=web.url) as client,
    ):
        is_over = asyncio.Event()
        watching = asyncio.create_task(_beats_per_second(socket, is_over))
        proxy.hold()
        reads = [client.get("/api/v1/users/me", headers=person.bearer) for _ in range(40)]
        assert {answer.status_code for answer in await asyncio.gather(*reads)} == {200}
        right = {"email": person.email, "password": PASSWORD}
        assert (await client.post("/api/v1/auth/login", json=right)).status_code == 200
        wrong = {"email": guessed.email, "password": "not the password"}
        answers = [await client.post("/api/v1/auth/login", json=wrong) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        is_over.set()
        assert await watching > 1 / STALL_SECONDS
        parts = (await client.get("/readyz")).json()["parts"]
        assert parts["rate_limits"] == "counted by this process alone: Redis is away"
        proxy.release()
        await eventually(lambda: _part_is_ok(client))
    log = web.log.read_text()
    assert log.count("rate_limits_in_process") == 1
    assert log.count("rate_limits_shared_again") == 1


async def _part_is_ok(client: httpx.AsyncClient) -> bool:
    return bool((await client.get("/readyz")).json()["parts"]["rate_limits"] == "ok")


async def test_only_the_first_requests_wait_for_a_redis_that_hangs(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    person = await create_person(runtime)
    async with (
        behind_proxy(settings, tmp_path) as (web, proxy),
        httpx.AsyncClient(base_url=web.url, headers=person.bearer) as client,
    ):
        await client.get("/api/v1/users/me")
        proxy.hold()
        await client.get("/api/v1/users/me")
        # Ten that waited would take 2.5 s each time; a machine that is busy with something else may, for a while.
        took: list[float] = []
        while len(took) < 10 and min(took, default=STALL_SECONDS) >= STALL_SECONDS:
            started = perf_counter()
            for _ in range(10):
                assert (await client.get("/api/v1/users/me")).status_code == 200
            took.append(perf_counter() - started)
        assert min(took) < STALL_SECONDS
        proxy.release()
