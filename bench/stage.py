"""The stage of every benchmark: real Postgres and Redis, a seeded database, and our web process on top of them."""

import asyncio
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from annotated_types import Le
from pydantic import SecretStr
from sqlalchemy import insert, update

import domain.wiring  # noqa: F401 - rooms react to each other's events
from bench.processes import BenchError, Process, free_port, server
from core.clock import now
from core.ids import new_id
from core.runtime import Runtime
from core.settings import Settings
from core.streams import Position, position
from core.tasks import NoTasks
from domain.clinics import actions as clinics
from domain.identity.rules import write_access_token
from domain.queueing import actions as queueing
from models import Session, Stream, Thread, ThreadParticipant, User
from ops.checkout import ROOT
from ops.embedded import EmbeddedPostgres, EmbeddedRedis, throwaway_folder

SECRET: Final = "bench-secret-bench-secret-bench-secret-bench"  # noqa: S105 - of a database that lives for minutes
HEAD: Final = 10_000_000
"""Where the stream of a fan-out board stands in Postgres: all numbers after it have eight digits."""

_BOARDS: Final = 4
_THREADS: Final = 200


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    user_id: UUID
    token: str


@dataclass(frozen=True)
class Conversation:
    """A thread of two."""

    thread_id: UUID
    patient: Person
    advisor: Person


@dataclass
class Stage:
    """Addresses of the servers, and who and what is in the database."""

    folder: Path
    postgres: EmbeddedPostgres
    redis: EmbeddedRedis
    boards: list[UUID] = field(default_factory=list)
    epochs: list[str] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)
    clinic_id: UUID | None = None

    @property
    def redis_port(self) -> int:
        """Where Redis listens."""
        port = urlsplit(self.redis.url).port
        assert port
        return port

    @property
    def redis_password(self) -> str:
        """What Redis asks for."""
        return urlsplit(self.redis.url).password or ""

    @property
    def settings(self) -> Settings:
        """Of our processes here; the limit on requests is raised, for all load comes from one address."""
        return Settings(
            _env_file=None,
            environment="test",
            secret_key=SecretStr(SECRET),
            database_url=SecretStr(self.postgres.url),
            redis_url=SecretStr(self.redis.url),
            requests_per_minute=1_000_000,
        )

    def environment(self, **changes: str) -> dict[str, str]:
        """The environment of a process of ours."""
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        return {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "ENVIRONMENT": "test",
            "SECRET_KEY": SECRET,
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "LOG_LEVEL": "WARNING",
            "REQUESTS_PER_MINUTE": "1000000",
            "HUB_MAX_COMMANDS_PER_SECOND": "100000",
            "HUB_DRAIN_SECONDS": "0",
            # What is published straight to Redis is not in Postgres: a look at the heads would take it for a restore.
            # What that look costs is in the idle node of ``growth``.
            "HUB_HEADS_SECONDS": "60",
            **_unlimited(),
            **changes,
        }

    def web(self, **changes: str) -> AbstractContextManager[Process]:
        """Our web process: REST and sockets, the whole protocol on, as ``make run`` has it."""
        port = free_port()
        command = [sys.executable, "-m", "ops", "web", "--port", str(port)]
        return server(
            "Carebell", command, port, self.folder / "log" / f"web-{port}.log",
            environment=self.environment(**changes), is_ready=lambda: _is_serving(port),
        )  # fmt: skip

    @asynccontextmanager
    async def runtime(self) -> AsyncIterator[Runtime]:
        """Transactions as our processes make them, in this process."""
        runtime = Runtime(self.settings, NoTasks())
        runtime.start()
        try:
            yield runtime
        finally:
            await runtime.close()

    def position(self, channel: str) -> Position:
        """Where a channel stands in Postgres."""

        async def ask() -> Position:
            async with self.runtime() as runtime, runtime.database.session() as session:
                return await position(session, channel)

        return asyncio.run(ask())

    def add_boards(self, count: int) -> None:
        """Until there are that many; the new ones are empty."""

        async def add() -> None:
            assert self.clinic_id
            async with self.runtime() as runtime, runtime.transactions.begin() as unit:
                for number in range(len(self.boards), count):
                    queue = await queueing.create_queue(unit, self.clinic_id, f"Queue {number}", "Z")
                    self.boards.append(queue.id)

        asyncio.run(add())

    def take_tickets(self, board: int, count: int) -> None:
        """That many people draw a ticket: one committed event each on the board."""

        async def take() -> None:
            async with self.runtime() as runtime:
                for _ in range(count):
                    async with runtime.transactions.begin() as unit:
                        await queueing.take_ticket(unit, self.boards[board], channel="walk_in")

        asyncio.run(take())


@contextmanager
def stage() -> Iterator[Stage]:
    """Servers up and the database seeded; all of it goes at the end."""
    with (
        throwaway_folder() as folder,
        EmbeddedPostgres(folder / "postgres") as postgres,
        EmbeddedRedis(folder / "redis", persistent=False) as redis,
    ):
        made = Stage(folder, postgres, redis)
        command = [sys.executable, "-m", "ops", "migrate"]
        result = subprocess.run(command, cwd=folder, env=made.environment(), capture_output=True, check=False)
        if result.returncode:
            raise BenchError(f"the database could not be migrated: {result.stderr.decode()[-1000:]}")
        asyncio.run(_seed(made))
        yield made


async def _seed(made: Stage) -> None:
    async with made.runtime() as runtime:
        async with runtime.transactions.begin() as unit:
            clinic = await clinics.create_clinic(unit, "Bench Clinic", "Europe/Vienna", "Vienna")
            made.clinic_id = clinic.id
            for number in range(_BOARDS):
                queue = await queueing.create_queue(unit, clinic.id, f"Queue {number}", chr(ord("A") + number))
                made.boards.append(queue.id)
                for _ in range(20):
                    await queueing.take_ticket(unit, queue.id, channel="walk_in")
        async with runtime.transactions.begin() as unit:
            for board in made.boards:
                channel = f"board:{board}"
                made.epochs.append((await position(unit.session, channel)).epoch)
            # Boards 0 and 1 are for fan-out: their numbers go on in Redis alone, and have eight digits.
            seeded = [f"board:{board}" for board in made.boards[:2]]
            await unit.session.execute(update(Stream).where(Stream.channel.in_(seeded)).values(head=HEAD))
            made.conversations = [await _converse(unit.session, number) for number in range(_THREADS)]


async def _converse(session: Any, number: int) -> Conversation:
    patient, advisor = await _person(session, f"p{number}", "patient"), await _person(session, f"a{number}", "advisor")
    thread = {"id": new_id(), "kind": "support", "created_by": patient.user_id}
    await session.execute(insert(Thread).values(thread))
    parts = [{"thread_id": thread["id"], "user_id": person.user_id} for person in (patient, advisor)]
    await session.execute(insert(ThreadParticipant).values(parts))
    return Conversation(UUID(str(thread["id"])), patient, advisor)


async def _person(session: Any, name: str, role: str) -> Person:
    """With a password that fits nothing: a hash of a quarter of a second each would take a minute."""
    user_id, session_id, email = new_id(), new_id(), f"{name}@bench.example"
    row = {"id": user_id, "email": email, "email_key": email, "name": name, "role": role, "password_hash": "!"}
    await session.execute(insert(User).values(row))
    lasting = timedelta(days=1)
    await session.execute(insert(Session).values(id=session_id, user_id=user_id, expires_at=now() + lasting))
    return Person(user_id, write_access_token(user_id, email, role, session_id, SECRET, now(), lasting))


def _unlimited() -> dict[str, str]:
    """Every limit on the number of sockets, as high as its setting goes."""
    raised: dict[str, str] = {}
    for name, info in Settings.model_fields.items():
        if "sockets" in name:
            most = next((limit.le for limit in info.metadata if isinstance(limit, Le)), 1_000_000)
            raised[name.upper()] = str(most)
    return raised


def _is_serving(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
