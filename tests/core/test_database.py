"""The quick way to Postgres fails as the other one does."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from core.database import fetch_in, is_transient
from core.runtime import Runtime
from models import Stream

_TRANSACTION = "SELECT pg_current_xact_id()::text AS id"
_BEGIN_STREAM = "INSERT INTO streams (channel) VALUES ($1)"


async def test_a_statement_of_the_driver(runtime: Runtime) -> None:
    rows = await runtime.database.fetch("SELECT $1::int + 1 AS sum", 41)
    assert [row["sum"] for row in rows] == [42]


async def test_what_postgres_refuses_is_a_fault_of_the_database(runtime: Runtime) -> None:
    """Doors answer faults of one kind; the connection goes back and is sound."""
    for _ in range(50):
        with pytest.raises(DBAPIError) as caught:
            await runtime.database.fetch("SELECT 1 / $1::int", 0)
        assert not caught.value.connection_invalidated
    assert await runtime.database.fetch("SELECT 1")


async def test_a_connection_that_postgres_ends_is_a_fault_and_not_used_again(runtime: Runtime) -> None:
    with pytest.raises(DBAPIError) as caught:
        await runtime.database.fetch("SELECT pg_terminate_backend(pg_backend_pid())")
    assert caught.value.connection_invalidated
    assert await runtime.database.fetch("SELECT 1")


async def test_statements_of_the_driver_are_in_the_transaction_of_their_session(runtime: Runtime) -> None:
    """Whoever speaks first, and whatever the session has not written yet."""
    async with runtime.database.session() as session:
        [first] = await fetch_in(session, _TRANSACTION)
        assert await session.scalar(text(_TRANSACTION)) == first["id"]
        [third] = await fetch_in(session, _TRANSACTION)
        assert third["id"] == first["id"]
        channel = f"test:{uuid4()}"
        session.add(Stream(channel=channel))
        assert await fetch_in(session, "SELECT id FROM streams WHERE channel = $1", channel)


async def test_statements_of_the_driver_are_undone_with_their_session(runtime: Runtime) -> None:
    left, kept = ([f"test:{uuid4()}" for _ in range(2)] for _ in range(2))
    async with runtime.database.session() as session:
        for channel in left:
            assert not await fetch_in(session, _BEGIN_STREAM, channel)
    async with runtime.database.session() as session:
        for channel in kept:
            assert not await fetch_in(session, _BEGIN_STREAM, channel)
        await session.commit()
    async with runtime.database.session() as session:
        counted = select(func.count()).select_from(Stream)
        assert await session.scalar(counted.where(Stream.channel.in_(left))) == 0
        assert await session.scalar(counted.where(Stream.channel.in_(kept))) == 2


@pytest.mark.parametrize("earlier", [0, 1])
async def test_a_fault_inside_a_transaction_leaves_a_sound_connection(runtime: Runtime, earlier: int) -> None:
    for _ in range(50):
        with pytest.raises(DBAPIError) as caught:
            async with runtime.database.session() as session:
                for _ in range(earlier):
                    await fetch_in(session, "SELECT 1")
                await fetch_in(session, "DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")
        assert is_transient(caught.value)
        assert not caught.value.connection_invalidated
    assert await runtime.database.fetch("SELECT 1")


@pytest.mark.parametrize("earlier", [0, 1])
async def test_a_connection_that_ends_inside_a_transaction_is_not_used_again(runtime: Runtime, earlier: int) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with runtime.database.session() as session:
            for _ in range(earlier):
                await fetch_in(session, "SELECT 1")
            await fetch_in(session, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert caught.value.connection_invalidated
    assert await runtime.database.fetch("SELECT 1")


async def test_who_stops_waiting_leaves_no_lock_and_no_answer_behind(runtime: Runtime) -> None:
    channel = f"test:{uuid4()}"
    asked = asyncio.Event()

    async def wait_in_transaction() -> None:
        async with runtime.database.session() as session:
            await fetch_in(session, _BEGIN_STREAM, channel)
            asked.set()
            await fetch_in(session, "SELECT pg_sleep(3)")

    task = asyncio.create_task(wait_in_transaction())
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # Would wait for the other one, if that still held the name.
    async with runtime.database.session() as session:
        assert not await fetch_in(session, _BEGIN_STREAM, channel)
        [row] = await fetch_in(session, "SELECT 42 AS answer")
        assert row["answer"] == 42
