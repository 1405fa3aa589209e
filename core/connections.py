"""Connections that go silent: packets vanish, nothing says so, and whoever asks would wait for an answer for ever.

- Postgres ends statements, and transactions without a next statement (``SERVER_SETTINGS``). A process that vanishes
  in the middle of a transaction must not keep the rows that it has locked.
- ``Connections`` knows who has waited long for an answer. It asks Postgres, on a new connection, whether
  it still works on that one, and ends those of which it knows nothing.
- A statement without an answer after ``ANSWER_SECONDS`` was sent on a dead connection, whatever Postgres says.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import event, text
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.logging import get_logger

log = get_logger(__name__)

ANSWER_SECONDS: Final = 5.0
"""Longer than this no statement of ours takes: the connection is dead, and whoever waits is told so."""

SERVER_SETTINGS: Final = {
    # Before we stop waiting: then it is a refusal, and the connection is as good as before.
    "statement_timeout": "4s",
    # Hashing passwords takes its time on a busy machine, and happens in between.
    "idle_in_transaction_session_timeout": "15s",
    # A question of which the rest is missing is neither a statement nor idle (Postgres 17 or newer).
    "transaction_timeout": "60s",
    # Postgres would keep a process for each dead connection, for hours.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25s",
}

_DOUBT_SECONDS: Final = 0.3
_LOOK_SECONDS: Final = 0.1
_IDLE_SECONDS: Final = 0.2
_WATCHED: Final = "watched"

# Where Postgres waits for us although we wait for it, the answer got lost, or the rest of the question did.
_ARE_SILENT = """
    pid = ANY(:pids) AND datname = current_database() AND usename = current_user
    AND (state LIKE 'idle%' OR wait_event = 'ClientRead')
    AND state_change < clock_timestamp() - make_interval(secs => :seconds)
"""
_ALIVE = text(f"SELECT pid FROM pg_stat_activity WHERE pid = ANY(:pids) AND NOT ({_ARE_SILENT})")  # noqa: S608 - ours
_END = text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_ARE_SILENT}")  # noqa: S608 - ours


@dataclass(eq=False, slots=True)
class _Watched:
    """A connection of the driver, when it was made, and since when somebody waits for an answer on it."""

    driver: Any
    made_at: float
    waiting_since: float | None = None

    def has_waited(self, seconds: float) -> bool:
        return self.waiting_since is not None and time.monotonic() - self.waiting_since > seconds


class Connections:
    """All of this process. What Postgres is asked about them goes through an engine that keeps no connection."""

    def __init__(self, engine: AsyncEngine) -> None:
        """None yet; nothing is looked at before ``start``."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._watched: set[_Watched] = set()
        self._trusted_since = 0.0
        self._task: asyncio.Task[None] | None = None

    def watch(self, engine: AsyncEngine) -> None:
        """Take care of those that this engine makes."""
        hooks: dict[str, Callable[..., None]] = {
            "connect": self._made,
            "checkout": self._taken,
            "checkin": self._returned,
            "before_cursor_execute": _asks,
            "commit": _asks,
            "rollback": _asks,
            "after_cursor_execute": _is_answered,
            "handle_error": self._failed,
        }
        for name, hook in hooks.items():
            event.listen(engine.sync_engine, name, hook)

    @contextlib.contextmanager
    def asking(self, connection: AsyncConnection) -> Iterator[None]:
        """Somebody waits in here for an answer of the driver itself, of which the engine sees nothing."""
        assert connection.sync_connection is not None
        watched: _Watched = connection.sync_connection.info[_WATCHED]
        watched.waiting_since = time.monotonic()
        try:
            yield
        except TimeoutError:
            self._give_up(watched)
            raise
        finally:
            watched.waiting_since = None

    def start(self) -> None:
        """Begin to look at who waits; call inside the running loop."""
        self._task = asyncio.create_task(self._look(), name="connections")

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._engine.dispose()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._in_doubt():
                try:
                    await self._clear_up()
                except (SQLAlchemyError, OSError) as fault:
                    # Those who wait are told when their time is over.
                    log.warning("connections_in_doubt", fault=type(fault).__name__)

    def _in_doubt(self) -> dict[int, _Watched]:
        """Those on which somebody has waited for long, by the numbers of their processes at the server."""
        self._watched = {one for one in self._watched if not one.driver.is_closed()}
        return {one.driver.get_server_pid(): one for one in self._watched if one.has_waited(_DOUBT_SECONDS)}

    async def _clear_up(self) -> None:
        began = time.monotonic()
        async with self._engine.connect() as connection:
            while in_doubt := self._in_doubt():
                if ended := await self._end_silent(connection, in_doubt):
                    # The others of their age are most likely as dead, and cheaper to replace than to try.
                    self._distrust(began)
                    log.warning("connections_silent", ended=ended)
                # Those that wait for a lock may get it now, and their answers will get lost as well.
                await asyncio.sleep(_DOUBT_SECONDS)

    @staticmethod
    async def _end_silent(connection: AsyncConnection, in_doubt: dict[int, _Watched]) -> int:
        """End the dead ones on both sides: who waits on them hears of it, and their locks are free."""
        parameters = {"pids": list(in_doubt), "seconds": _IDLE_SECONDS}
        alive = set(await connection.scalars(_ALIVE, parameters))
        # Meanwhile an answer may have come.
        dead = {pid: one for pid, one in in_doubt.items() if pid not in alive and one.has_waited(_DOUBT_SECONDS)}
        for one in dead.values():
            one.driver.terminate()
        if dead:
            await connection.execute(_END, parameters | {"pids": list(dead)})
        return len(dead)

    def _distrust(self, before: float) -> None:
        """Use none again that was made before that moment."""
        self._trusted_since = max(self._trusted_since, before)

    def _made(self, connection: Any, record: Any) -> None:
        watched = record.info[_WATCHED] = _Watched(connection.driver_connection, time.monotonic())
        self._watched.add(watched)

    def _taken(self, _connection: Any, record: Any, _proxy: Any) -> None:
        """One that was closed while it lay in the pool, or is not trusted, is replaced before anybody uses it.

        The driver has seen its end: to look costs nothing, where SQLAlchemy's own pre-ping makes three round trips
        each time.
        """
        watched: _Watched = record.info[_WATCHED]
        if watched.made_at < self._trusted_since:
            # Without a goodbye, which would wait for an answer.
            watched.driver.terminate()
        if watched.driver.is_closed():
            raise DisconnectionError

    @staticmethod
    def _returned(_connection: Any, record: Any) -> None:
        if watched := record.info.get(_WATCHED):
            watched.waiting_since = None

    def _failed(self, context: ExceptionContext) -> None:
        # The others are looked at when they are taken; SQLAlchemy would say goodbye to each, and wait.
        context.invalidate_pool_on_disconnect = False
        watched = _watched(context.connection) if context.connection else None
        if watched is None:
            return
        watched.waiting_since = None
        if isinstance(context.original_exception, TimeoutError):
            self._give_up(watched)
            context.is_disconnect = True

    def _give_up(self, watched: _Watched) -> None:
        """Nothing has come within ``ANSWER_SECONDS``."""
        watched.driver.terminate()
        self._distrust(time.monotonic() - ANSWER_SECONDS)
        log.warning("connection_silent")


def _watched(connection: Connection) -> _Watched | None:
    """None for a connection that has lost its place in the pool, of which only the end is still to come."""
    return None if connection.invalidated else connection.info[_WATCHED]


def _asks(connection: Connection, *_: Any) -> None:
    if watched := _watched(connection):
        watched.waiting_since = time.monotonic()


def _is_answered(connection: Connection, *_: Any) -> None:
    if watched := _watched(connection):
        watched.waiting_since = None
