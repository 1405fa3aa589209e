"""The quick way to Postgres fails as the other one does."""

import pytest
from sqlalchemy.exc import DBAPIError

from core.runtime import Runtime


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
