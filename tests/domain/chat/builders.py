"""People and threads for the tests of the chat."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from core import streams
from core.actor import Actor, Role
from core.ids import new_id
from core.runtime import Runtime
from core.streams import Entry
from domain.chat import actions
from domain.chat.events import ChatMessage, thread_channel
from domain.chat.rules import ThreadKind
from models import Thread, ThreadParticipant, User


async def add_user(session: AsyncSession, role: Role, name: str = "") -> Actor:
    """A user of that role in the caller's transaction, as the actor that they are."""
    user_id = new_id()
    email = f"{user_id}@example.org"
    name = name or f"{role.value.title()} {str(user_id)[-4:]}"
    session.add(User(id=user_id, email=email, email_key=email, name=name, role=role, password_hash="unused"))
    await session.flush()
    return Actor(user_id=user_id, role=role, name=name)


async def create_user(runtime: Runtime, role: Role, name: str = "") -> Actor:
    """A user of that role."""
    async with runtime.transactions.begin() as unit:
        return await add_user(unit.session, role, name)


def id_of(actor: Actor) -> UUID:
    """The user id of a person."""
    assert actor.user_id is not None
    return actor.user_id


@dataclass(frozen=True)
class Talk:
    """A thread and the two people in it."""

    id: UUID
    patient: Actor
    other: Actor

    @property
    def channel(self) -> str:
        """Its channel."""
        return thread_channel(self.id)


async def create_talk(
    runtime: Runtime, kind: ThreadKind = ThreadKind.SUPPORT, patient: Actor | None = None, other: Actor | None = None
) -> Talk:
    """An open thread between a patient and an advisor (or a doctor, for a care thread)."""
    patient = patient or await create_user(runtime, Role.PATIENT)
    other = other or await create_user(runtime, Role.ADVISOR if kind == ThreadKind.SUPPORT else Role.DOCTOR)
    thread_id = new_id()
    async with runtime.transactions.begin() as unit:
        unit.session.add(Thread(id=thread_id, kind=kind, created_by=id_of(patient)))
        await unit.session.flush()
        for person in (patient, other):
            unit.session.add(ThreadParticipant(thread_id=thread_id, user_id=id_of(person)))
    return Talk(thread_id, patient, other)


async def say(runtime: Runtime, talk: Talk, actor: Actor, body: str, key: str | None = None) -> ChatMessage:
    """One committed message."""
    async with runtime.transactions.begin(actor) as unit:
        return (await actions.send_message(unit, talk.id, key or str(uuid4()), body)).message


async def read(runtime: Runtime, talk: Talk, actor: Actor, seq: int) -> int:
    """Move a read pointer, committed."""
    async with runtime.transactions.begin(actor) as unit:
        return await actions.mark_read(unit, talk.id, seq)


async def events_of(runtime: Runtime, talk: Talk) -> list[Entry]:
    """All that the thread's subscribers were told."""
    async with runtime.database.session() as session:
        return (await streams.read(session, {talk.channel: 0}, 10_000))[talk.channel]
