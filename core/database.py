"""One engine a process. Sessions are short: a request, a socket command, a task, a snapshot."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import msgspec
from asyncpg import InterfaceError, PostgresError, Record
from sqlalchemy import NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from core.connections import ANSWER_SECONDS, SERVER_SETTINGS, Connections
from core.settings import Settings

T = TypeVar("T")

# Serialization failure and deadlock: the transaction was rolled back, and may well go through when it is repeated.
_TRANSIENT: Final = frozenset({"40001", "40P01"})
# What Postgres says when a statement takes too long, it is only just starting, or has too many connections.
_AWAY: Final = frozenset({"57014", "57P03", "53300"})
_CONNECTIONS: Final = "connections"


def is_transient(fault: Exception) -> bool:
    """Whether Postgres rolled a transaction back because of another one at the same time."""
    return isinstance(fault, DBAPIError) and getattr(fault.orig, "sqlstate", None) in _TRANSIENT


def is_away(fault: Exception) -> bool:
    """Whether Postgres could not be asked, or did not get round to it; anything else is our mistake."""
    return isinstance(fault, PoolTimeout | OSError) or (
        isinstance(fault, DBAPIError)
        and (fault.connection_invalidated or getattr(fault.orig, "sqlstate", None) in _AWAY)
    )


async def fetch_in(session: AsyncSession, statement: str, *values: Any) -> Sequence[Any]:
    """The rows of one statement in the transaction of that session, with ``$1`` for the first value.

    As ``Database.fetch``, and after what the session has still to write. For what every message asks. Columns are had
    by their names, as ``row["id"]``.
    """
    if session.new or session.dirty or session.deleted:
        await session.flush()
    connection = await session.connection()
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    if not driver.is_in_transaction():
        # Nobody but SQLAlchemy may send BEGIN, and it does so before the first statement that goes through it.
        result = await connection.exec_driver_sql(statement, values)
        return result.mappings().all() if result.returns_rows else []
    return await _fetch(session.info[_CONNECTIONS], connection, statement, values)


async def _fetch(
    connections: Connections, connection: AsyncConnection, statement: str, values: Sequence[Any]
) -> list[Record]:
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    try:
        with connections.asking(connection):
            rows: list[Record] = await driver.fetch(statement, *values)
    except (PostgresError, InterfaceError) as fault:
        raise DBAPIError(statement, None, fault, connection_invalidated=driver.is_closed()) from fault
    return rows


def _dump(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _make_engine(settings: Settings, **pool: Any) -> AsyncEngine:
    return create_async_engine(
        settings.sqlalchemy_url,
        # Wherever an error is written out, a statement's values are not beside it.
        hide_parameters=True,
        json_serializer=_dump,
        json_deserializer=msgspec.json.decode,
        connect_args={
            "timeout": 5,
            "command_timeout": ANSWER_SECONDS,
            "server_settings": {"application_name": "carebell", "timezone": "UTC", **SERVER_SETTINGS},
        },
        **pool,
    )


class Database:
    """The connection pool of this process, and the sessions made from it."""

    def __init__(self, settings: Settings) -> None:
        """Make the pool; nothing is connected before it is needed."""
        size = settings.database_pool_size
        self.engine = _make_engine(settings, pool_size=size, max_overflow=size, pool_timeout=10)
        self._connections = Connections(_make_engine(settings, poolclass=NullPool))
        self._connections.watch(self.engine)
        # Rows stay readable after COMMIT: responses and acks are made from them.
        info = {_CONNECTIONS: self._connections}
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, info=info)
        at_once = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._reads = async_sessionmaker(at_once, expire_on_commit=False, info=info)

    def start(self) -> None:
        """Begin to watch connections; call inside the running loop. Works without, and waits longer for dead ones."""
        self._connections.start()

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
            return await _fetch(self._connections, connection, statement, values)

    async def ask(self, query: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """What one query answers that only reads; asked again when the connection turns out to be dead."""
        try:
            async with self._reads() as session:
                return await query(session)
        except DBAPIError as fault:
            if not fault.connection_invalidated:
                raise
        async with self._reads() as session:
            return await query(session)

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
        await self._connections.close()
        await self.engine.dispose()
