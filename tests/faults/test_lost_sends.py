"""A web process is killed while messages are written: what it acknowledged is there, and people are told of it."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, update
from websockets.exceptions import ConnectionClosed

from core.actor import Role
from core.runtime import Runtime
from core.settings import Settings
from domain.chat import actions as chat
from domain.chat.events import thread_channel
from models import Message, Notification, Stream, StreamEvent, Thread
from tests.people import create_person
from tests.support.web import TestSocket, WebProcess, open_socket, web_process
from workers.jobs import sweep_threads

_PER_SOCKET = 100
_KILLED_AFTER = 60


class _Writer:
    """A patient who writes without waiting for answers, and remembers those that came."""

    def __init__(self, thread: Thread, socket: TestSocket) -> None:
        self.thread = thread
        self.acknowledged: dict[str, int] = {}
        self._socket = socket
        self._channel = thread_channel(thread.id)

    async def write(self) -> None:
        """In bursts of ten, as long as there is somebody to write to."""
        for number in range(_PER_SOCKET):
            await self._socket.send(type="send", id=f"{number}", channel=self._channel, key=f"{number}", body="Hello")
            if number % 10 == 9:
                await asyncio.sleep(0.01)

    async def listen(self, web: WebProcess, writers: list["_Writer"]) -> None:
        """Until the process is gone, which is killed in the middle of it all."""
        while True:
            ack = await self._socket.until(type="ack")
            self.acknowledged[ack["message"]["key"]] = ack["seq"]
            if sum(len(writer.acknowledged) for writer in writers) == _KILLED_AFTER:
                web.kill()


async def _write_until_killed(runtime: Runtime, settings: Settings, tmp_path: Path) -> list[_Writer]:
    writers: list[_Writer] = []
    async with AsyncExitStack() as stack:
        web = await stack.enter_async_context(web_process(settings, tmp_path, hub_max_commands_per_second=100_000))
        for _ in range(4):
            patient, doctor = await create_person(runtime, Role.PATIENT), await create_person(runtime, Role.DOCTOR)
            async with runtime.transactions.begin(patient.actor) as unit:
                thread = await chat.open_thread(unit, doctor_id=doctor.id)
            socket = await stack.enter_async_context(open_socket(web.url, patient.access_token))
            writers.append(_Writer(thread, socket))
        work = [act for writer in writers for act in (writer.write(), writer.listen(web, writers))]
        ends = await asyncio.gather(*work, return_exceptions=True)
        assert {type(end) for end in ends if end is not None} <= {ConnectionClosed, *ConnectionClosed.__subclasses__()}
    return writers


async def _written(runtime: Runtime, thread: Thread) -> dict[str, int]:
    """What is in Postgres, by key. Asserts that messages and stream are the same and have no gap."""
    async with runtime.database.session() as session:
        rows = await session.execute(select(Message.key, Message.seq).where(Message.thread_id == thread.id))
        written: dict[str, int] = {row.key: row.seq for row in rows}
        events = await session.scalars(
            select(StreamEvent.seq)
            .join(Stream, Stream.id == StreamEvent.stream_id)
            .where(Stream.channel == thread_channel(thread.id))
        )
        assert sorted(events) == sorted(written.values()) == list(range(1, len(written) + 1))
    return written


async def _tell_all(runtime: Runtime, thread: Thread) -> list[int]:
    """What the sweep makes of it ten seconds later: the counts of the notifications about that thread."""
    async with runtime.database.session() as session:
        old = Message.created_at - timedelta(seconds=10)
        await session.execute(update(Message).where(Message.thread_id == thread.id).values(created_at=old))
        await session.commit()
    while await sweep_threads(runtime):
        pass
    async with runtime.database.session() as session:
        about = select(Notification.count).where(Notification.subject_key == thread_channel(thread.id))
        return list(await session.scalars(about))


async def test_what_a_killed_process_acknowledged_is_there_and_told_once(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    writers = await _write_until_killed(runtime, settings, tmp_path)
    assert sum(len(writer.acknowledged) for writer in writers) >= _KILLED_AFTER
    for writer in writers:
        written = await _written(runtime, writer.thread)
        assert writer.acknowledged.items() <= written.items()
        assert sorted(written, key=int) == sorted(written, key=lambda key: written[key])
        assert await _tell_all(runtime, writer.thread) == ([len(written)] if written else [])
