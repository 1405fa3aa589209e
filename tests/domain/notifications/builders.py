"""People, news and deliveries for the tests of notifications."""

from datetime import timedelta
from itertools import count
from uuid import UUID

from sqlalchemy import select, update

from core import streams
from core.actor import SYSTEM, Actor, Role
from core.clock import now
from core.ids import new_id
from core.runtime import Runtime
from core.streams import Entry
from domain.notifications import actions, deliveries, queries, rules
from domain.notifications.actions import News, Sms
from domain.notifications.events import user_channel
from domain.notifications.rules import NotificationType
from domain.queueing import actions as queueing
from domain.queueing.rules import TicketStatus
from models import Delivery, Notification, Patient, Ticket, User
from tests.builders import create_clinic
from tests.domain.chat.builders import id_of

_numbers = count(100)


def new_phone() -> str:
    """A number that no other test uses."""
    return f"+1415555{next(_numbers):04}"


async def create_patient(runtime: Runtime, *, phone: str | None = None) -> tuple[Actor, UUID]:
    """A patient, as the actor that they are, and the id of the patient record, which holds the phone."""
    user_id, patient_id, name = new_id(), new_id(), "Pat Doe"
    email = f"{user_id}@example.org"
    async with runtime.transactions.begin() as unit:
        unit.session.add(
            User(id=user_id, email=email, email_key=email, name=name, role=Role.PATIENT, password_hash="unused")
        )
        await unit.session.flush()
        unit.session.add(Patient(id=patient_id, user_id=user_id, name=name, phone=phone))
    return Actor(user_id=user_id, role=Role.PATIENT, name=name), patient_id


async def call_ticket(runtime: Runtime, patient_id: UUID | None = None, *, phone: str | None = None) -> Ticket:
    """A ticket of a clinic of its own, called to "Desk 1"."""
    clinic = await create_clinic(runtime)
    async with runtime.transactions.begin(SYSTEM) as unit:
        await queueing.take_ticket(unit, clinic.queue_id, channel="walk_in", patient_id=patient_id, phone=phone)
    async with runtime.transactions.begin(SYSTEM) as unit:
        return await queueing.call_next(unit, clinic.queue_id, clinic.counter_ids[0])


async def recall(runtime: Runtime, ticket: Ticket) -> Ticket:
    """Call it once more."""
    async with runtime.transactions.begin(SYSTEM) as unit:
        return await queueing.change_status(unit, ticket.id, TicketStatus.CALLED)


async def tell(
    runtime: Runtime, user_id: UUID | None, *, subject: str | None = None, seq: int = 1, phone: str | None = None
) -> Notification:
    """One committed piece of news, about a chat message or (without ``subject``) of its own."""
    news = News(
        type=NotificationType.MESSAGE_RECEIVED,
        text=rules.Text("Message from Ada", "Open it.", f"You have a new message ({new_id()})"),
        data={"thread_id": "none", "seq": seq},
        subject_key=subject,
    )
    async with runtime.transactions.begin() as unit:
        return await actions.notify(unit, user_id, news, Sms("US", phone))


async def events_of(runtime: Runtime, user_id: UUID, after: int = 0) -> list[Entry]:
    """All that the person's own channel carried."""
    channel = user_channel(user_id)
    async with runtime.database.session() as session:
        return (await streams.read(session, {channel: after}, 10_000))[channel]


async def deliveries_to(runtime: Runtime, phone: str) -> list[Delivery]:
    """All deliveries to that number, oldest first."""
    async with runtime.database.session() as session:
        return list(await session.scalars(select(Delivery).where(Delivery.address == phone).order_by(Delivery.id)))


async def plan_sms(runtime: Runtime, phone: str | None = None) -> Delivery:
    """A pending text message to a number of its own, due now."""
    phone = phone or new_phone()
    await tell(runtime, None, phone=phone)
    return (await deliveries_to(runtime, phone))[-1]


async def make_due(runtime: Runtime, delivery_id: UUID) -> None:
    """As if the time of its next attempt had come, and the lease of the last one were over."""
    past = now() - timedelta(seconds=1)
    async with runtime.database.session() as session:
        await session.execute(update(Delivery).where(Delivery.id == delivery_id).values(due_at=past))
        await session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id, Delivery.lease_until.is_not(None))
            .values(lease_until=past)
        )
        await session.commit()


async def reload(runtime: Runtime, delivery_id: UUID) -> Delivery:
    """The delivery as it is now."""
    async with runtime.database.session() as session:
        return await session.get_one(Delivery, delivery_id)


async def inbox(runtime: Runtime, actor: Actor) -> list[Notification]:
    """What that person's list shows, all of it."""
    async with runtime.database.session() as session:
        return (await queries.list_notifications(session, id_of(actor), limit=100)).items


async def is_claimed(runtime: Runtime, delivery: Delivery) -> bool:
    """Whether a worker would send it, were it due now."""
    await make_due(runtime, delivery.id)
    async with runtime.transactions.begin() as unit:
        return await deliveries.claim_delivery(unit, delivery.id, timedelta(seconds=30)) is not None
