"""Redis that forgets, throws nodes out, or loses a message: nodes heal from Postgres, and sockets live on."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.redis import PREFIX, connect
from core.runtime import Runtime
from core.settings import Settings
from ops.embedded import EmbeddedRedis
from tests.builders import take_ticket
from tests.conftest import running
from tests.faults.scenes import (
    PATIENCE_SECONDS,
    Traffic,
    create_board,
    create_talk,
    hub,
    proxy_to,
    settle,
    through,
)
from tests.support.fleet import fleet
from tests.support.web import TestSocket, eventually, open_socket

SCREENS = 20


@asynccontextmanager
async def _redis_of_its_own(settings: Settings, folder: Path) -> AsyncIterator[Settings]:
    """Settings with a Redis that nobody else uses: what is done to it strikes everybody."""
    redis = EmbeddedRedis(folder / "redis", persistent=False)
    url = await asyncio.to_thread(redis.start)
    try:
        yield settings.model_copy(update={"redis_url": SecretStr(url)})
    finally:
        await asyncio.to_thread(redis.stop)


@pytest.mark.parametrize(
    ("fault", "word_for_it"), [("FLUSHALL", ""), ("CLIENT KILL TYPE pubsub", "redis_subscriber_lost")]
)
async def test_redis_flushed_and_subscribers_thrown_out_under_traffic(
    settings: Settings, tmp_path: Path, fault: str, word_for_it: str
) -> None:
    async with (
        _redis_of_its_own(settings, tmp_path) as own,
        running(own) as runtime,
        hub(own, tmp_path) as web,
        fleet(web.port) as clients,
    ):
        boards, talk = [await create_board(runtime) for _ in range(2)], await create_talk(runtime)
        for number in range(SCREENS):
            clients.follow(f"board:{boards[number % 2].queue_id}")
        speaker = clients.follow(talk.channel, talk.patient.access_token)
        clients.follow(talk.channel, talk.doctor.access_token)
        await eventually(lambda: clients.standing_at(web.port) == SCREENS + 2, PATIENCE_SECONDS)
        traffic, redis = Traffic(runtime), connect(own.redis_url.get_secret_value())
        traffic.move(*boards)
        traffic.talk(speaker)
        for _ in range(3):
            await traffic.another(5)
            await traffic.another(5, speaker)
            await redis.execute_command(*fault.split())
        await traffic.another(10)
        await traffic.stop()
        await settle(runtime, clients)
        await redis.aclose()
        assert {tuple(follower.endings) for follower in clients.followers} == {()}
        assert not speaker.failures
        assert word_for_it in web.log.read_text()


def _loses(channel: str, most: int = 1) -> Callable[[bytes], bytes]:
    """What Redis sends, without its first messages on that channel (RESP 2: an array of three bulk strings)."""
    name = (PREFIX + channel).encode()
    head = re.compile(rb"\*3\r\n\$7\r\nmessage\r\n\$%d\r\n%s\r\n\$(\d+)\r\n" % (len(name), re.escape(name)))
    lost = 0

    def without(chunk: bytes) -> bytes:
        nonlocal lost
        found = head.search(chunk)
        if lost == most or found is None:
            return chunk
        lost += 1
        return chunk[: found.start()] + chunk[found.end() + int(found[1]) + 2 :]

    return without


@asynccontextmanager
async def _screen_that_misses_one(
    runtime: Runtime, settings: Settings, tmp_path: Path, heads_seconds: float
) -> AsyncIterator[tuple[TestSocket, Callable[[], Awaitable[object]]]]:
    """A screen whose node was not told of the last ticket, and what makes another one."""
    board = await create_board(runtime)
    changed = {"hub_heads_seconds": heads_seconds, "hub_heartbeat_seconds": 0.2}
    async with (
        proxy_to(settings.redis_url) as proxy,
        hub(settings, tmp_path, redis_url=through(settings.redis_url, proxy), **changed) as web,
        open_socket(web.url) as screen,
    ):
        channel = f"board:{board.queue_id}"
        assert (await screen.subscribe(channel))["seq"] == 1
        proxy.change_of_answers = _loses(channel)
        await take_ticket(runtime, board.queue_id)
        yield screen, lambda: take_ticket(runtime, board.queue_id)


async def test_a_lost_message_is_found_by_comparing_heads(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    async with _screen_that_misses_one(runtime, settings, tmp_path, 0.3) as (screen, _):
        assert (await screen.until(type="event"))["seq"] == 2


async def test_a_lost_message_is_found_by_the_next_one(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    """The negative control is in the first half: without the comparison of heads the event does not come by itself."""
    async with _screen_that_misses_one(runtime, settings, tmp_path, 60) as (screen, another):
        for _ in range(10):
            frame = await screen.receive()
            assert frame["type"] == "heartbeat"
            assert list(frame["heads"].values()) == [1]
        await another()
        events = [await screen.until(type="event") for _ in range(2)]
        assert [event["seq"] for event in events] == [2, 3]
