"""The teller of a web process: tells what was committed, passes other tasks on, and outlives faults."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from core.database import Database
from core.runtime import Runtime
from core.settings import Settings
from core.tasks import SEND_SMS, TELL_THREAD
from domain.notifications.telling import TELL_AT_MOST
from models import Notification
from tests.domain.chat.builders import Talk, create_talk, say
from tests.support.web import WAIT_SECONDS, eventually
from workers.teller import Teller


class _Noting:
    """A task sender that only notes what it was given."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, tuple[str, ...]]] = []

    def send(self, name: str, *args: str) -> None:
        self.tasks.append((name, args))


@pytest.fixture
async def others() -> _Noting:
    return _Noting()


@pytest.fixture
async def writing(settings: Settings, others: _Noting) -> AsyncIterator[tuple[Runtime, Teller]]:
    """A runtime whose commits go to a teller that was not started yet."""
    teller = Teller(others)
    runtime = Runtime(settings, teller)
    runtime.start()
    yield runtime, teller
    await teller.close()
    await runtime.close()


async def _is_told(runtime: Runtime, talk: Talk, count: int) -> bool:
    async with runtime.database.session() as session:
        told = select(Notification.count).where(Notification.user_id == talk.other.user_id)
        return await session.scalar(told) == count


async def test_what_was_committed_is_told_and_other_tasks_go_on(
    writing: tuple[Runtime, Teller], others: _Noting
) -> None:
    runtime, teller = writing
    talks = [await create_talk(runtime) for _ in range(TELL_AT_MOST + 2)]
    for talk in talks:
        await say(runtime, talk, talk.patient, "one")
    teller.start(runtime)
    for talk in talks:
        await eventually(partial(_is_told, runtime, talk, 1))
    await say(runtime, talks[0], talks[0].patient, "two")
    await eventually(partial(_is_told, runtime, talks[0], 2))
    teller.send(SEND_SMS, "id")
    assert others.tasks == [(SEND_SMS, ("id",))]


async def test_a_fault_does_not_end_it(writing: tuple[Runtime, Teller], settings: Settings) -> None:
    """A Postgres that hangs up on everybody."""
    runtime, teller = writing
    talk = await create_talk(runtime)
    met = asyncio.Event()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set()
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        url = f"postgresql://a:b@127.0.0.1:{server.sockets[0].getsockname()[1]}/c"
        away = Database(settings.model_copy(update={"database_url": SecretStr(url)}))
        here, runtime.transactions.database = runtime.database, away
        teller.start(runtime)
        teller.send(TELL_THREAD, str(talk.id))
        await asyncio.wait_for(met.wait(), WAIT_SECONDS)
        runtime.transactions.database = here
    await say(runtime, talk, talk.patient, "one")
    await eventually(partial(_is_told, runtime, talk, 1))
    await away.close()
