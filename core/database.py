"""One engine a process. Sessions are short: a request, a socket command, a task, a snapshot."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from asyncpg import InterfaceError, PostgresError, Record
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from core.settings import Settings

ANSWER_SECONDS: Final = 5.0
"""Longer than this no statement of ours takes: the connection is dead, and whoever waits is told so."""

# Serialization failure and deadlock: the transaction was rolled back, and may well go through when it is repeated.
_TRANSIENT: Final = frozenset({"40001", "40P01"})


def is_transient(fault: Exception) -> bool:
    """Whether Postgres rolled a transaction back because of another one at the same time."""
    return isinstance(fault, DBAPIError) and getattr(fault.orig, "sqlstate", None) in _TRANSIENT


def _dump(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """A connection that Postgres closed while it lay in the pool is replaced before anybody uses it.

    The driver has seen its end: to look costs nothing, where SQLAlchemy's own pre-ping makes three round trips each
    time. One that is dead without an end (packets vanish) shows at its first statement, after ``ANSWER_SECONDS``.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


class Database:
    """The connection pool of this process, and the sessions made from it."""

    def __init__(self, settings: Settings) -> None:
        """Make the pool; nothing is connected before it is needed."""
        self.engine: AsyncEngine = create_async_engine(
            settings.sqlalchemy_url,
            pool_size=settings.database_pool_size,
            max_overflow=settings.database_pool_size,
            pool_timeout=10,
            json_serializer=_dump,
            json_deserializer=msgspec.json.decode,
            connect_args={
                "timeout": 5,
                "command_timeout": ANSWER_SECONDS,
                "server_settings": {"application_name": "carebell", "timezone": "UTC"},
            },
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        # Rows stay readable after COMMIT: responses and acks are made from them.
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        at_once = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._reads = async_sessionmaker(at_once, expire_on_commit=False)

    def session(self) -> AsyncSession:
        """A new session with a transaction; its owner closes it."""
        return self._sessions()

    def reads(self) -> AsyncSession:
        """A session for a query or two, each for itself: BEGIN and ROLLBACK, two of three round trips, fall away."""
        return self._reads()

    async def fetch(self, statement: str, *values: Any) -> list[Record]:
        """The rows of one statement in Postgres' own words, with ``$1`` for the first value.

        By the driver itself, which prepares it once a connection: a third of what a session of a single query costs,
        an eighth where that query is put together each time. For what every request asks. Raises like a session.
        """
        async with self.engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            try:
                rows: list[Record] = await driver.fetch(statement, *values)
            except (PostgresError, InterfaceError) as fault:
                raise DBAPIError(statement, None, fault, connection_invalidated=driver.is_closed()) from fault
        return rows

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """A read-only session in which every query sees the same moment.

        Used where a state and its stream position must belong together.
        """
        async with self._sessions() as session:
            await session.connection(
                execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            )
            yield session

    async def ping(self) -> None:
        """Ask Postgres for a sign of life; raises what the driver raises."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every pooled connection."""
        await self.engine.dispose()
