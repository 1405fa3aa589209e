"""One transaction: nothing leaves before COMMIT, everything leaves after it, and two can never deadlock."""

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from core import events
from core.database import Database
from core.events import Event, reacts_to
from core.redis import Publisher
from core.runtime import Runtime
from core.settings import Settings
from core.unit_of_work import Transactions, UnitOfWork
from models import Stream, StreamEvent


class Noted(Event, frozen=True, kw_only=True):
    """Something happened."""

    name: ClassVar[str] = "noted"

    number: int


class Echoed(Event, frozen=True, kw_only=True):
    """A reaction happened."""

    name: ClassVar[str] = "echoed"

    number: int


class RecordingTasks:
    """Keeps what was handed to the workers."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, ...]] = []

    def send(self, name: str, *args: str) -> None:
        """Keep it."""
        self.sent.append((name, *args))


@pytest.fixture
async def tasks() -> RecordingTasks:
    return RecordingTasks()


@pytest.fixture
async def transactions(settings: Settings, runtime: Runtime, tasks: RecordingTasks) -> AsyncIterator[Transactions]:
    """Transactions of their own whose publisher does not run: what left is in its queue."""
    database = Database(settings)
    publisher = Publisher(settings.redis_url.get_secret_value())
    yield Transactions(database, publisher, tasks)
    await publisher.close()
    await database.close()


def channel_name() -> str:
    """A channel of its own for a test."""
    return f"test:{uuid4()}"


def left(transactions: Transactions) -> list[str]:
    """The channels for which something waits to be published."""
    return [channel.removeprefix("carebell:") for channel, _ in transactions.publisher.waiting]


async def test_what_is_rolled_back_never_leaves(transactions: Transactions, tasks: RecordingTasks) -> None:
    channel = channel_name()
    with pytest.raises(ZeroDivisionError):
        async with transactions.begin() as unit:
            unit.emit(Noted(number=1), channel)
            unit.enqueue("task", "1")
            raise ZeroDivisionError
    assert left(transactions) == []
    assert tasks.sent == []
    async with transactions.database.session() as session:
        assert await session.scalar(select(Stream).where(Stream.channel == channel)) is None


async def test_a_commit_that_fails_lets_nothing_leave(transactions: Transactions, tasks: RecordingTasks) -> None:
    channel = channel_name()
    with pytest.raises(Exception, match=r"division by zero|current transaction"):
        async with transactions.begin() as unit:
            unit.emit(Noted(number=1), channel)
            unit.enqueue("task", "1")
            await unit.session.execute(text("SELECT 1 / 0"))
    assert left(transactions) == []
    assert tasks.sent == []


async def test_events_and_tasks_leave_after_commit(transactions: Transactions, tasks: RecordingTasks) -> None:
    channel = channel_name()
    async with transactions.begin() as unit:
        unit.emit(Noted(number=1), channel)
        unit.emit(Noted(number=2), channel)
        unit.enqueue("task", "1")
        assert left(transactions) == []
    assert left(transactions) == [channel, channel]
    assert tasks.sent == [("task", "1")]
    assert [entry.seq for entry in unit.entries] == [1, 2]


async def test_a_reaction_runs_in_the_same_transaction(transactions: Transactions) -> None:
    channel = channel_name()

    @reacts_to(Noted)
    async def echo(unit: UnitOfWork, event: Noted) -> None:
        unit.emit(Echoed(number=event.number), channel)

    try:
        async with transactions.begin() as unit:
            unit.emit(Noted(number=7))
    finally:
        events.forget_reaction(Noted, echo)
    assert [(entry.name, entry.data) for entry in unit.entries] == [("echoed", b'{"number":7}')]


async def test_reactions_that_go_round_in_circles_are_refused(transactions: Transactions) -> None:
    @reacts_to(Echoed)
    async def again(unit: UnitOfWork, event: Echoed) -> None:
        unit.emit(Echoed(number=event.number + 1))

    try:
        with pytest.raises(RuntimeError, match="circles"):
            async with transactions.begin() as unit:
                unit.emit(Echoed(number=0))
    finally:
        events.forget_reaction(Echoed, again)


async def test_transactions_with_the_same_streams_in_other_orders_do_not_deadlock(
    transactions: Transactions,
) -> None:
    one, two = channel_name(), channel_name()

    async def write(first: str, second: str) -> None:
        async with transactions.begin() as unit:
            unit.emit(Noted(number=1), first)
            unit.emit(Noted(number=2), second)

    await asyncio.gather(*(write(one, two) if turn % 2 else write(two, one) for turn in range(30)))
    async with transactions.database.session() as session:
        for channel in (one, two):
            stream = await session.scalar(select(Stream).where(Stream.channel == channel))
            assert stream is not None
            seqs = await session.scalars(
                select(StreamEvent.seq).where(StreamEvent.stream_id == stream.id).order_by(StreamEvent.seq)
            )
            assert list(seqs) == list(range(1, 31))
            assert stream.head == 30


async def test_a_sequence_taken_early_belongs_to_the_event(transactions: Transactions) -> None:
    channel = channel_name()
    async with transactions.begin() as unit:
        first = (await unit.advance({channel: 1}))[channel]
        unit.emit(Noted(number=first), channel)
        second = (await unit.advance({channel: 1}))[channel]
        unit.emit(Noted(number=second), channel)
    assert [(entry.seq, entry.data) for entry in unit.entries] == [(1, b'{"number":1}'), (2, b'{"number":2}')]


async def test_a_sequence_without_its_event_is_a_mistake(transactions: Transactions) -> None:
    channel = channel_name()
    with pytest.raises(RuntimeError, match="advanced"):
        async with transactions.begin() as unit:
            await unit.advance({channel: 1})
            unit.emit(Noted(number=1), f"{channel}-other")


async def test_streams_are_never_locked_out_of_order(transactions: Transactions) -> None:
    with pytest.raises(RuntimeError, match="out of order"):
        async with transactions.begin() as unit:
            await unit.advance({"test:z": 1})
            unit.emit(Noted(number=1), "test:z")
            unit.emit(Noted(number=2), "test:a")
