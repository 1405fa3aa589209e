"""One transaction per request, socket command or task, owned by the door.

Actions change rows and ``emit`` events; they never commit. The door commits: reactions run, streams are advanced
as late as possible, COMMIT, and only then do events go to Redis and tasks to the workers.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from core import streams
from core.actor import SYSTEM, Actor
from core.clock import now
from core.database import Database
from core.events import Event, reactions_to
from core.redis import Publisher
from core.streams import Advanced, Emitted, Entry
from core.tasks import TaskSender

_REACTION_ROUNDS = 16


class UnitOfWork:
    """A transaction with the events and tasks that leave after it."""

    def __init__(self, session: AsyncSession, actor: Actor) -> None:
        """Made by ``Transactions.begin``, never by hand."""
        self.session = session
        self.actor = actor
        self.at = now()
        self.entries: list[Entry] = []
        self.tasks: list[tuple[str, tuple[str, ...]]] = []
        self._unreacted: list[Event] = []
        self._emitted: list[Emitted] = []
        self._held: dict[str, Advanced] = {}

    def emit(self, event: Event, *channels: str, actor: Actor | None = None) -> None:
        """State a fact: rooms registered for it react, and the channels named carry it to their subscribers.

        ``actor`` is whoever caused it, where one unit does the work of several.
        """
        self._unreacted.append(event)
        label = (actor or self.actor).label
        self._emitted.extend(Emitted(channel, event, label) for channel in channels)

    def enqueue(self, task: str, *args: str) -> None:
        """Ask for a background task after COMMIT."""
        self.tasks.append((task, args))

    async def advance(self, counts: Mapping[str, int]) -> dict[str, int]:
        """The first of the next ``count`` sequence numbers of each channel, for that many events emitted there later.

        For rows that carry their own sequence. The streams are locked from here to COMMIT: call it last. Streams
        advanced at commit must sort after them, which keeps the lock order of all transactions the same.
        """
        advanced = await streams.advance(self.session, counts)
        for channel, fresh in advanced.items():
            before = self._held.get(channel)
            self._held[channel] = replace(fresh, count=before.count + fresh.count) if before else fresh
        return {channel: fresh.head - fresh.count + 1 for channel, fresh in advanced.items()}

    async def prepare(self) -> None:
        """Let rooms react and write the events; the last step before COMMIT."""
        for _ in range(_REACTION_ROUNDS):
            if not self._unreacted:
                break
            news, self._unreacted = self._unreacted, []
            for event in news:
                for reaction in reactions_to(event):
                    await reaction(self, event)
        else:
            raise RuntimeError("reactions go round in circles")
        if not self._emitted:
            return
        highest = max(self._held, default="")
        if any(one.channel not in self._held and one.channel < highest for one in self._emitted):
            raise RuntimeError("a stream that sorts before an advanced one would be locked out of order")
        await self.session.flush()
        emitted, self._emitted = self._emitted, []
        self.entries += await streams.append(self.session, emitted, self._held, self.at)


class Transactions:
    """Where every door gets its units of work. One a process."""

    def __init__(self, database: Database, publisher: Publisher, tasks: TaskSender) -> None:
        """Everything that a transaction needs and that leaves after it."""
        self.database = database
        self.publisher = publisher
        self.tasks = tasks

    @asynccontextmanager
    async def begin(self, actor: Actor = SYSTEM) -> AsyncIterator[UnitOfWork]:
        """Commit on the way out, roll back on any exception; nothing leaves before COMMIT has returned."""
        async with self.database.session() as session:
            unit = UnitOfWork(session, actor)
            yield unit
            await unit.prepare()
            await session.commit()
        for entry in unit.entries:
            self.publisher.publish(entry.channel, entry.payload())
        for name, args in unit.tasks:
            self.tasks.send(name, *args)
