"""The real server behind a proxy, with a thread and a board on which others act as well."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import select

from core import streams
from core.actor import Role
from core.runtime import Runtime
from core.settings import Settings
from domain.chat import actions as chat
from domain.chat.queries import thread_snapshot
from domain.queueing.queries import board_snapshot
from models import Message
from tests.builders import create_clinic, take_ticket
from tests.people import Person, create_person
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.web import WebProcess, eventually, web_process

THEIRS, TICKETS = 15, 10


@dataclass
class World:
    """The real server behind the proxy, two people in a thread, and a board."""

    runtime: Runtime
    settings: Settings
    folder: Path
    web: WebProcess
    proxy: TcpProxy
    patient: Person
    doctor: Person
    thread_id: UUID
    queue_id: UUID
    servers: AsyncExitStack

    @property
    def url(self) -> str:
        """Of the socket, through the proxy."""
        return f"ws://127.0.0.1:{self.proxy.port}/api/v1/ws"

    @property
    def thread(self) -> str:
        """The channel of the thread."""
        return f"thread:{self.thread_id}"

    @property
    def board(self) -> str:
        """The channel of the board."""
        return f"board:{self.queue_id}"

    async def truth(self, channel: str) -> tuple[int, dict[str, Any]]:
        """Position and state in Postgres, at one moment, as JSON."""
        async with self.runtime.database.snapshot() as session:
            position = await streams.position(session, channel)
            read = thread_snapshot(session, self.thread_id) if channel == self.thread else None
            state = await (read or board_snapshot(session, self.queue_id))
        decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(state))
        return position.seq, decoded

    async def stored(self) -> list[tuple[int, str]]:
        """The patient's messages: sequence and body, in the order of the thread."""
        async with self.runtime.database.session() as session:
            rows = await session.execute(
                select(Message.seq, Message.body)
                .where(Message.thread_id == self.thread_id, Message.sender_id == self.patient.id)
                .order_by(Message.seq)
            )
            return [(seq, body) for seq, body in rows]

    async def others_act(self, messages: int = THEIRS) -> None:
        """The doctor writes and patients arrive, through another door than the client's."""
        for number in range(messages):
            async with self.runtime.transactions.begin(self.doctor.actor) as unit:
                await chat.send_message(unit, self.thread_id, uuid4().hex, f"answer {number}")
            if number < TICKETS:
                await take_ticket(self.runtime, self.queue_id)
            await asyncio.sleep(0.02)

    async def replace_server(self) -> None:
        """Another process in place of the one that is gone."""
        self.web = await self.servers.enter_async_context(web_process(self.settings, self.folder))
        self.proxy.lead_to(self.web.port)

    async def reconnected(self, before: int) -> None:
        """Until the client has come back to the proxy."""
        await eventually(lambda: self.proxy.connections > before)


@asynccontextmanager
async def world(runtime: Runtime, settings: Settings, folder: Path, **changes: object) -> AsyncIterator[World]:
    """Everything of its own."""
    patient, doctor = await create_person(runtime, Role.PATIENT), await create_person(runtime, Role.DOCTOR)
    async with runtime.transactions.begin(patient.actor) as unit:
        thread = await chat.open_thread(unit, doctor_id=doctor.id)
    clinic = await create_clinic(runtime)
    async with AsyncExitStack() as servers:
        web = await servers.enter_async_context(web_process(settings, folder, **changes))
        proxy = await servers.enter_async_context(tcp_proxy("127.0.0.1", web.port))
        yield World(runtime, settings, folder, web, proxy, patient, doctor, thread.id, clinic.queue_id, servers)
