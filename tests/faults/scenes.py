"""What the fault tests look at: boards and conversations under traffic, and Postgres as the judge of every client."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import httpx
import msgspec
from pydantic import SecretStr
from sqlalchemy import select

from core import streams
from core.actor import SYSTEM, Role
from core.runtime import Runtime
from core.settings import Settings
from core.streams import UNBORN, Position
from domain.chat import actions as chat
from domain.chat.queries import thread_snapshot
from domain.queueing import actions as queueing
from domain.queueing.queries import board_snapshot
from models import Message
from tests.builders import Clinic, create_clinic, take_ticket
from tests.line.fold_board import comparable
from tests.people import Person, create_person
from tests.support.fleet import Fleet, Follower
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.web import WebProcess, eventually, web_process

PATIENCE_SECONDS = 40.0
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Talk:
    """A patient and a doctor in a thread of their own, which has its first message."""

    thread_id: UUID
    patient: Person
    doctor: Person

    @property
    def channel(self) -> str:
        """Where it is followed."""
        return f"thread:{self.thread_id}"


async def create_talk(runtime: Runtime) -> Talk:
    """Two people who have begun to talk."""
    patient = await create_person(runtime, Role.PATIENT)
    doctor = await create_person(runtime, Role.DOCTOR)
    async with runtime.transactions.begin(patient.actor) as unit:
        thread = await chat.open_thread(unit, doctor_id=doctor.id)
    talk = Talk(thread.id, patient, doctor)
    await say_here(runtime, talk, "first")
    return talk


async def say_here(runtime: Runtime, talk: Talk, key: str, body: str = "Hello") -> None:
    """A message of the patient, committed by this process."""
    async with runtime.transactions.begin(talk.patient.actor) as unit:
        await chat.send_message(unit, talk.thread_id, f"{talk.thread_id}:{key}", body)


async def flood(runtime: Runtime, talk: Talk, first: int, count: int, body: str) -> None:
    """So many messages in one transaction."""
    async with runtime.transactions.begin(talk.patient.actor) as unit:
        for number in range(first, first + count):
            await chat.send_message(unit, talk.thread_id, f"{talk.thread_id}:{number}", body)


async def metric(web: WebProcess, name: str) -> float:
    """What that process has counted under that name."""
    async with httpx.AsyncClient(base_url=web.url, timeout=PATIENCE_SECONDS) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    (value,) = (float(line.split()[-1]) for line in answer.text.splitlines() if line.startswith(name))
    return value


async def create_board(runtime: Runtime) -> Clinic:
    """A clinic whose queue has its first ticket."""
    clinic = await create_clinic(runtime)
    await take_ticket(runtime, clinic.queue_id)
    return clinic


def through(url: SecretStr, proxy: TcpProxy) -> SecretStr:
    """The same address, by way of the proxy."""
    parts = urlsplit(url.get_secret_value())
    credentials, at, _ = parts.netloc.rpartition("@")
    return SecretStr(urlunsplit(parts._replace(netloc=f"{credentials}{at}127.0.0.1:{proxy.port}")))


@asynccontextmanager
async def proxy_to(url: SecretStr) -> AsyncIterator[TcpProxy]:
    """A proxy in front of the server at that URL."""
    parts = urlsplit(url.get_secret_value())
    assert parts.hostname is not None
    assert parts.port is not None
    async with tcp_proxy(parts.hostname, parts.port) as proxy:
        yield proxy


@asynccontextmanager
async def hub(settings: Settings, folder: Path, **changes: object) -> AsyncIterator[WebProcess]:
    """A web process whose sockets may send as fast as a test likes."""
    async with web_process(settings, folder, hub_max_commands_per_second=1000, metrics_public=True, **changes) as web:
        yield web


class Traffic:
    """Tickets on boards and messages in threads, one after another, until it is stopped."""

    def __init__(self, runtime: Runtime) -> None:
        """Tickets are taken by this process; nothing moves yet."""
        self.commits = 0
        self._runtime = runtime
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []

    def move(self, *boards: Clinic) -> None:
        """Patients arrive on one board after another, and every third is called."""
        self._tasks.append(asyncio.create_task(self._move(boards)))

    def talk(self, *speakers: Follower, patience: float = 5.0) -> None:
        """Each says one thing after another through its socket."""
        self._tasks += [asyncio.create_task(self._talk(speaker, patience)) for speaker in speakers]

    async def stop(self) -> None:
        """After what is under way. Raises what went wrong."""
        self._is_over = True
        await asyncio.gather(*self._tasks)

    async def _move(self, boards: Sequence[Clinic]) -> None:
        while not self._is_over:
            board = boards[self.commits % len(boards)]
            await take_ticket(self._runtime, board.queue_id)
            if self.commits % 3 == 0:
                async with self._runtime.transactions.begin(SYSTEM) as unit:
                    await queueing.call_next(unit, board.queue_id, board.counter_ids[0])
            self.commits += 1
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _talk(self, speaker: Follower, patience: float) -> None:
        while not self._is_over:
            number = len(speaker.acknowledged)
            await speaker.say(f"{speaker.channel}:{number}", f"line {number}", patience)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def another(self, count: int, *speakers: Follower) -> None:
        """Wait until so much more has happened: commits of boards, or acknowledged sends of each speaker."""
        so_far = [self.commits] if not speakers else [len(speaker.acknowledged) for speaker in speakers]

        def has_happened() -> bool:
            for task in self._tasks:
                if task.done():
                    task.result()
            now = [self.commits] if not speakers else [len(speaker.acknowledged) for speaker in speakers]
            return all(after >= before + count for before, after in zip(so_far, now, strict=True))

        await eventually(has_happened, PATIENCE_SECONDS)


async def truth(runtime: Runtime, channel: str) -> tuple[Position, dict[str, Any]]:
    """Where that channel is, and its state, as Postgres has it at one moment; as JSON like on the wire."""
    kind, _, subject = channel.partition(":")
    read = board_snapshot if kind == "board" else thread_snapshot
    async with runtime.database.snapshot() as session:
        position = await streams.position(session, channel)
        state = await read(session, UUID(subject))
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(state))
    return position, decoded


async def settle(runtime: Runtime, fleet: Fleet) -> None:
    """Wait until every client stands where Postgres does; then it must show what Postgres has.

    Call it when the traffic is over.
    """
    channels = {follower.channel for follower in fleet.followers}

    async def are_there() -> bool:
        async with runtime.database.session() as session:
            heads = await streams.positions(session, channels)
        positions = [(heads.get(follower.channel, UNBORN), follower) for follower in fleet.followers]
        # Who was there before the first event knows no epoch yet, and gets a snapshot should it come back.
        return all(
            head.seq == follower.seq and follower.epoch in {head.epoch, UNBORN.epoch} for head, follower in positions
        )

    await eventually(are_there, PATIENCE_SECONDS)
    truths = {channel: (await truth(runtime, channel))[1] for channel in channels}
    for follower in fleet.followers:
        expected = truths[follower.channel]
        if follower.channel.startswith("board:"):
            assert comparable(follower.state) == comparable(expected)
        else:
            assert follower.state == expected
            await _check_messages(runtime, follower)


async def _check_messages(runtime: Runtime, follower: Follower) -> None:
    """What was acknowledged is there exactly once, and this client has seen all of it in the order of the commits."""
    thread_id = UUID(follower.channel.partition(":")[2])
    async with runtime.database.session() as session:
        rows = await session.execute(
            select(Message.seq, Message.key).where(Message.thread_id == thread_id).order_by(Message.seq)
        )
        written = [(row.seq, row.key) for row in rows]
    assert set(follower.acknowledged.items()) <= {(key, seq) for seq, key in written}
    assert len({key for _, key in written}) == len(written)
    # Nobody here says more than once under a key, so whatever a client has seen is a whole end of what was written.
    assert follower.messages == written[len(written) - len(follower.messages) :]
    assert follower.messages
