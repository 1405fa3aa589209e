"""Postgres that restarts, hangs, or leaves connections half-open: sends are refused by name, nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from pydantic import SecretStr
from sqlalchemy import select, text

from core.runtime import Runtime
from core.settings import Settings
from models import Thread
from ops.embedded import EmbeddedPostgres, throwaway_folder
from tests.conftest import migrate, running
from tests.faults.scenes import (
    PATIENCE_SECONDS,
    Talk,
    Traffic,
    create_talk,
    hub,
    proxy_to,
    say_here,
    settle,
    through,
)
from tests.support.fleet import Fleet, Follower, fleet
from tests.support.web import WebProcess, eventually

REFUSED_BY_NAME = {"UNAVAILABLE", "TIMEOUT"}
AWAY_SECONDS = 10


@asynccontextmanager
async def _conversation(web: WebProcess, talk: Talk) -> AsyncIterator[tuple[Fleet, Follower]]:
    """Both people of a thread at that node, and the one who speaks."""
    async with fleet(web.port) as both:
        speaker = both.follow(talk.channel, talk.patient.access_token)
        both.follow(talk.channel, talk.doctor.access_token)
        await eventually(lambda: both.standing_at(web.port) == 2, PATIENCE_SECONDS)
        yield both, speaker


async def _database_part(web: WebProcess) -> tuple[int, str]:
    async with httpx.AsyncClient(base_url=web.url, timeout=PATIENCE_SECONDS) as client:
        answer = await client.get("/readyz")
    return answer.status_code, answer.json()["parts"]["database"]


async def _is_away(web: WebProcess) -> bool:
    status, database = await _database_part(web)
    return status == 503 and database.startswith("not reachable")


async def _is_back(web: WebProcess) -> bool:
    return await _database_part(web) == (200, "ok")


@asynccontextmanager
async def _unheard(settings: Settings) -> AsyncIterator[Runtime]:
    """A process that commits and whose Redis is away: only the comparison of heads finds what it did."""
    async with running(settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})) as runtime:
        yield runtime


async def test_postgres_restarted_under_load(settings: Settings, tmp_path: Path) -> None:
    with throwaway_folder() as folder:
        postgres = EmbeddedPostgres(folder / "postgres", durable=False)
        url = await asyncio.to_thread(postgres.start)
        try:
            await asyncio.to_thread(migrate, url)
            await _restart(settings.model_copy(update={"database_url": SecretStr(url)}), postgres, tmp_path)
        finally:
            await asyncio.to_thread(postgres.stop)


async def _restart(settings: Settings, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    async with running(settings) as runtime, hub(settings, tmp_path) as web:
        talk, traffic = await create_talk(runtime), Traffic(runtime)
        async with _conversation(web, talk) as (both, speaker):
            traffic.talk(speaker)
            await traffic.another(10, speaker)
            await asyncio.to_thread(postgres.stop)
            await eventually(lambda: speaker.failures["UNAVAILABLE"] >= 3, PATIENCE_SECONDS)
            await eventually(lambda: _is_away(web), PATIENCE_SECONDS)
            await asyncio.to_thread(postgres.start)
            await traffic.another(10, speaker)
            await traffic.stop()
            assert await _is_back(web)
            async with _unheard(settings) as unheard:
                await say_here(unheard, talk, "unheard")
            await settle(runtime, both)
            _check_that_sockets_lived(both, speaker)


def _check_that_sockets_lived(both: Fleet, speaker: Follower) -> None:
    assert set(speaker.failures) <= REFUSED_BY_NAME
    assert speaker.failures
    assert [follower.endings for follower in both.followers] == [[], []]
    assert [follower.modes[0] for follower in both.followers] == ["snapshot", "snapshot"]


async def test_postgres_away_for_10_seconds(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    """Packets vanish and come again: what was under way may have been committed, and must not be there twice."""
    talk, traffic = await create_talk(runtime), Traffic(runtime)
    async with (
        proxy_to(settings.database_url) as proxy,
        hub(settings, tmp_path, database_url=through(settings.database_url, proxy)) as web,
        _conversation(web, talk) as (both, speaker),
    ):
        traffic.talk(speaker, patience=1.0)
        await traffic.another(10, speaker)
        proxy.hold()
        await eventually(lambda: speaker.failures.total() >= AWAY_SECONDS, PATIENCE_SECONDS)
        assert await _is_away(web)
        proxy.release()
        await traffic.another(10, speaker)
        await traffic.stop()
        await eventually(lambda: _is_back(web), PATIENCE_SECONDS)
        await settle(runtime, both)
        _check_that_sockets_lived(both, speaker)


async def test_connections_to_postgres_that_go_silent_for_good(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    """Half-open: a node must not wait for an answer that never comes, neither with sends nor with heads."""
    talk, traffic = await create_talk(runtime), Traffic(runtime)
    async with (
        proxy_to(settings.database_url) as proxy,
        hub(settings, tmp_path, database_url=through(settings.database_url, proxy)) as web,
        _conversation(web, talk) as (both, speaker),
        _unheard(settings) as unheard,
    ):
        traffic.talk(speaker)
        await traffic.another(10, speaker)
        proxy.strand()
        await traffic.another(10, speaker)
        await traffic.stop()
        await say_here(unheard, talk, "unheard")
        await settle(runtime, both)
        _check_that_sockets_lived(both, speaker)


async def test_a_transaction_whose_connection_goes_silent_lets_go_of_its_locks(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    """Postgres waits for the next statement of a node that will never send one, and others wait for the thread."""
    talk, traffic = await create_talk(runtime), Traffic(runtime)
    async with (
        proxy_to(settings.database_url) as proxy,
        hub(settings, tmp_path, database_url=through(settings.database_url, proxy)) as web,
        _conversation(web, talk) as (both, speaker),
    ):
        async with runtime.database.session() as session:
            await session.execute(select(Thread).where(Thread.id == talk.thread_id).with_for_update())
            traffic.talk(speaker)
            await eventually(lambda: _waits_for_a_lock(runtime), PATIENCE_SECONDS)
            proxy.strand()
        # The answer never arrives: the transaction has the thread now, and nobody to go on with it.
        await traffic.another(10, speaker)
        await traffic.stop()
        await settle(runtime, both)
        _check_that_sockets_lived(both, speaker)


async def _waits_for_a_lock(runtime: Runtime) -> bool:
    async with runtime.database.session() as session:
        waiting = text(
            "SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(await session.scalar(waiting))
