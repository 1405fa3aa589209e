"""Connections to Postgres whose packets vanish: who waits for them is told, and what they had locked is free again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from core import database as database_module
from core.connections import SERVER_SETTINGS
from core.database import Database, is_away
from core.settings import Settings
from tests.faults.scenes import PATIENCE_SECONDS, proxy_to, through
from tests.support.tcp_proxy import TcpProxy

_PARSED = b"1\x00\x00\x00\x04"
"""The server's answer ParseComplete: the driver sends the values, and the word to begin, in a packet of their own."""


@asynccontextmanager
async def _behind_proxy(settings: Settings, *, is_watched: bool = True) -> AsyncIterator[tuple[Database, TcpProxy]]:
    async with proxy_to(settings.database_url) as proxy:
        database = Database(settings.model_copy(update={"database_url": through(settings.database_url, proxy)}))
        if is_watched:
            database.start()
        try:
            yield database, proxy
        finally:
            await database.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver waits for any answer, and Postgres for any question: only the watch is there to end that."""
    monkeypatch.setattr(database_module, "ANSWER_SECONDS", 2 * PATIENCE_SECONDS)
    monkeypatch.setattr(database_module, "SERVER_SETTINGS", {})


async def _take(session: AsyncSession, number: int) -> None:
    await session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


async def _is_free(session: AsyncSession, number: int) -> None:
    """Returns once that lock can be had."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await session.scalar(text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": number}):
            await session.rollback()
            await asyncio.sleep(0.05)
    await session.rollback()


@pytest.mark.usefixtures("patient")
async def test_who_waits_on_a_silent_connection_is_told_and_its_locks_are_free(settings: Settings) -> None:
    async with _behind_proxy(settings) as (database, proxy), database.session() as session:
        await _take(session, 1)
        proxy.strand()
        with pytest.raises(DBAPIError) as told:
            await asyncio.wait_for(session.execute(text("SELECT 1")), PATIENCE_SECONDS)
        assert is_away(told.value)
        async with database.session() as other:
            await _is_free(other, 1)


@pytest.mark.usefixtures("patient")
async def test_half_a_question_holds_no_locks(settings: Settings) -> None:
    async with _behind_proxy(settings) as (database, proxy), database.session() as session:
        await _take(session, 2)

        was_parsed = asyncio.Event()

        def strand(answer: bytes) -> bytes:
            if answer.startswith(_PARSED) and not was_parsed.is_set():
                was_parsed.set()
                proxy.strand()
            return answer

        proxy.change_of_answers = strand
        with pytest.raises(DBAPIError):
            await asyncio.wait_for(session.execute(text("SELECT 'half a question'")), PATIENCE_SECONDS)
        assert was_parsed.is_set()
        async with database.session() as other:
            await _is_free(other, 2)


@pytest.mark.parametrize("limit", ["idle_in_transaction_session_timeout", "transaction_timeout"])
async def test_a_process_that_vanished_holds_no_locks(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Nobody is left to end the connection: Postgres does, for either reason."""
    assert limit in SERVER_SETTINGS
    monkeypatch.setattr(database_module, "SERVER_SETTINGS", {limit: "300ms"})
    async with _behind_proxy(settings, is_watched=False) as (database, proxy), database.session() as session:
        await _take(session, 3)
        proxy.strand()
        async with database.session() as other:
            await _is_free(other, 3)
        raw: Any = await (await session.connection()).get_raw_connection()
        raw.driver_connection.terminate()
        await session.invalidate()


async def test_a_slow_answer_is_waited_for(settings: Settings) -> None:
    async with _behind_proxy(settings) as (database, _), database.session() as session:
        assert await session.scalar(text("SELECT 'slow' FROM pg_sleep(1.5)")) == "slow"


async def test_a_statement_that_takes_too_long_is_refused_by_postgres(settings: Settings) -> None:
    """So that the connection need not be given up."""
    async with _behind_proxy(settings) as (database, proxy), database.session() as session:
        await session.execute(text("SET statement_timeout = '100ms'"))
        with pytest.raises(DBAPIError) as refused:
            await session.execute(text("SELECT pg_sleep(60)"))
        assert is_away(refused.value)
        await session.rollback()
        assert await session.scalar(text("SELECT 1")) == 1
        assert proxy.connections == 1


async def test_a_dead_connection_costs_its_time_only_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others of its age are replaced before anybody tries them."""
    monkeypatch.setattr(database_module, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr("core.connections.ANSWER_SECONDS", 0.0)
    async with _behind_proxy(settings, is_watched=False) as (database, proxy):
        async with database.reads() as one, database.reads() as two, database.reads() as three:
            for session in (one, two, three):
                await session.execute(text("SELECT 1"))
        proxy.strand()
        async with database.reads() as session:
            with pytest.raises(TimeoutError):
                await session.execute(text("SELECT 1"))
        monkeypatch.undo()
        async with database.reads() as one, database.reads() as two, database.reads() as three:
            for session in (one, two, three):
                assert await session.scalar(text("SELECT 1")) == 1


async def test_a_query_is_asked_again_when_its_connection_is_dead(settings: Settings) -> None:
    async with _behind_proxy(settings) as (database, proxy):

        async def one(session: AsyncSession) -> int | None:
            one: int | None = await session.scalar(text("SELECT 1"))
            return one

        assert await database.ask(one) == 1
        proxy.strand()
        assert await database.ask(one) == 1


@pytest.mark.usefixtures("patient")
async def test_who_asks_the_driver_itself_is_told(settings: Settings) -> None:
    async with _behind_proxy(settings) as (database, proxy):
        await database.fetch("SELECT 1")
        proxy.strand()
        with pytest.raises(DBAPIError) as told:
            await asyncio.wait_for(database.fetch("SELECT 1"), PATIENCE_SECONDS)
        assert is_away(told.value)
        assert await database.fetch("SELECT 1")


async def test_the_driver_itself_does_not_wait_for_ever(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves no dead connection in the pool."""
    monkeypatch.setattr(database_module, "ANSWER_SECONDS", 0.5)
    async with _behind_proxy(settings, is_watched=False) as (database, proxy):
        await database.fetch("SELECT 1")
        proxy.strand()
        with pytest.raises(TimeoutError):
            await database.fetch("SELECT 1")
        assert await database.fetch("SELECT 1")


async def test_a_postgres_that_takes_no_more_connections_is_away(settings: Settings) -> None:
    """No mistake of ours: the request is refused with 503, and may be repeated."""
    name = f"full_{uuid4().hex[:12]}"
    async with _behind_proxy(settings) as (maintenance, _), maintenance.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f"CREATE DATABASE {name} CONNECTION LIMIT 0"))
        url = settings.database_url.get_secret_value().rpartition("/")[0] + f"/{name}"
        full = Database(settings.model_copy(update={"database_url": SecretStr(url)}))
        with pytest.raises(DBAPIError) as refused:
            await full.ping()
        await full.close()
        await connection.execute(text(f"DROP DATABASE {name}"))
    assert is_away(refused.value)
