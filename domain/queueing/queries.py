"""Reads and row locks of the queue."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import Row, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Role
from core.clock import now
from domain.queueing.errors import CounterNotFound, QueueNotFound, TicketNotFound
from domain.queueing.events import BoardCounter, BoardTicket
from domain.queueing.rules import NO_SHOW_GRACE, ON_BOARD, Estimate, TicketStatus, estimate_wait
from models import Clinic, ClinicMember, Counter, Patient, Queue, Ticket, User

LiveTickets: TypeAlias = Sequence[Row[Ticket, Counter | None, Patient | None]]

_STAFFED_WITHIN: Final = timedelta(minutes=30)
_LIVE: Final = (TicketStatus.WAITING, TicketStatus.CALLED, TicketStatus.SERVING, TicketStatus.ON_HOLD)


async def get_queue(session: AsyncSession, queue_id: UUID) -> tuple[Queue, Clinic]:
    """The queue and its clinic. Raises ``QueueNotFound``."""
    found = (
        await session.execute(
            select(Queue, Clinic).join(Clinic, Clinic.id == Queue.clinic_id).where(Queue.id == queue_id)
        )
    ).one_or_none()
    if found is None:
        raise QueueNotFound
    return found[0], found[1]


async def overseers(session: AsyncSession, queue_id: UUID, user_ids: Collection[UUID]) -> set[UUID]:
    """Those of the users who work in that queue's clinic now, and administrators."""
    works_there = (
        select(ClinicMember.user_id)
        .join(Queue, Queue.clinic_id == ClinicMember.clinic_id)
        .where(Queue.id == queue_id, ClinicMember.user_id == User.id)
        .exists()
    )
    found = await session.scalars(
        select(User.id).where(User.id.in_(user_ids), User.is_active, or_(User.role == Role.ADMIN, works_there))
    )
    return set(found)


async def list_all_queues(session: AsyncSession) -> list[tuple[UUID, str, str]]:
    """Every queue with its name and that of its clinic, by clinic."""
    rows = await session.execute(
        select(Queue.id, Queue.name, Clinic.name)
        .join(Clinic, Clinic.id == Queue.clinic_id)
        .order_by(Clinic.name, Queue.name, Queue.id)
    )
    return [(queue_id, name, clinic_name) for queue_id, name, clinic_name in rows]


async def get_counter(session: AsyncSession, counter_id: UUID, clinic_id: UUID) -> Counter:
    """A counter of that clinic. Raises ``CounterNotFound``."""
    counter = await session.get(Counter, counter_id)
    if counter is None or counter.clinic_id != clinic_id:
        raise CounterNotFound
    return counter


async def lock_ticket(session: AsyncSession, ticket_id: UUID) -> Ticket:
    """The ticket, locked until COMMIT: its state is checked and changed under one lock. Raises ``TicketNotFound``."""
    ticket = await session.scalar(
        select(Ticket).where(Ticket.id == ticket_id).with_for_update().execution_options(populate_existing=True)
    )
    if ticket is None:
        raise TicketNotFound
    return ticket


async def lock_next_ticket(session: AsyncSession, queue_id: UUID) -> Ticket | None:
    """The ticket whose turn it is, locked. SKIP LOCKED: two counters that call at once get two tickets."""
    return await session.scalar(
        select(Ticket)
        .where(Ticket.queue_id == queue_id, Ticket.status == TicketStatus.WAITING)
        .order_by(Ticket.priority.desc(), Ticket.arrived_at, Ticket.number)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


async def get_ticket_by_link(session: AsyncSession, link: str) -> Ticket:
    """The ticket with that public link. Raises ``TicketNotFound``."""
    ticket = await session.scalar(select(Ticket).where(Ticket.link == link))
    if ticket is None:
        raise TicketNotFound
    return ticket


async def list_queues(session: AsyncSession, clinic_id: UUID) -> tuple[list[Queue], list[Counter]]:
    """The queues and the counters of a clinic, by name."""
    queues = await session.scalars(select(Queue).where(Queue.clinic_id == clinic_id).order_by(Queue.name))
    counters = await session.scalars(select(Counter).where(Counter.clinic_id == clinic_id).order_by(Counter.name))
    return list(queues), list(counters)


async def live_tickets(session: AsyncSession, queue_ids: Sequence[UUID]) -> LiveTickets:
    """The live tickets of those queues, and those missed a little while ago who may come back, in calling order.

    With counter and patient: for staff.
    """
    may_come_back = and_(Ticket.status == TicketStatus.NO_SHOW, Ticket.called_at > now() - NO_SHOW_GRACE)
    found = await session.execute(
        select(Ticket, Counter, Patient)
        .outerjoin(Counter, Counter.id == Ticket.counter_id)
        .outerjoin(Patient, Patient.id == Ticket.patient_id)
        .where(Ticket.queue_id.in_(queue_ids), or_(Ticket.status.in_(_LIVE), may_come_back))
        .order_by(Ticket.priority.desc(), Ticket.arrived_at, Ticket.number)
    )
    return found.all()


def board_ticket(ticket: Ticket, counter: Counter | None) -> BoardTicket:
    """The public face of a ticket."""
    return BoardTicket(
        id=ticket.id,
        code=ticket.code,
        status=ticket.status,
        priority=ticket.priority,
        arrived_at=ticket.arrived_at,
        counter=BoardCounter(counter.id, counter.name) if counter else None,
        called_at=ticket.called_at,
        recalls=ticket.recalls,
    )


async def board_snapshot(session: AsyncSession, queue_id: UUID) -> dict[str, Any]:
    """The whole board: what a screen shows, and what the stream's events change. Raises ``QueueNotFound``."""
    queue, clinic = await get_queue(session, queue_id)
    rows = await session.execute(
        select(Ticket, Counter)
        .outerjoin(Counter, Counter.id == Ticket.counter_id)
        .where(Ticket.queue_id == queue_id, Ticket.status.in_(ON_BOARD))
        .order_by(Ticket.priority.desc(), Ticket.arrived_at, Ticket.number)
    )
    return {
        "queue": {
            "id": queue.id,
            "name": queue.name,
            "prefix": queue.prefix,
            "clinic_name": clinic.name,
            "time_zone": clinic.time_zone,
        },
        "tickets": [board_ticket(ticket, counter) for ticket, counter in rows],
        "announcements": [],
    }


async def waiting_ahead(session: AsyncSession, ticket: Ticket) -> int:
    """How many waiting tickets will be called before this one."""
    is_before = or_(
        Ticket.priority > ticket.priority,
        and_(Ticket.priority == ticket.priority, Ticket.arrived_at < ticket.arrived_at),
        and_(
            Ticket.priority == ticket.priority,
            Ticket.arrived_at == ticket.arrived_at,
            Ticket.number < ticket.number,
        ),
    )
    count = await session.scalar(
        select(func.count()).where(Ticket.queue_id == ticket.queue_id, Ticket.status == TicketStatus.WAITING, is_before)
    )
    return count or 0


async def estimate_for(session: AsyncSession, queue: Queue, ahead: int) -> Estimate | None:
    """The wait with that many people ahead; None when no counter has called anybody for half an hour."""
    staffed = await session.scalar(
        select(func.count(func.distinct(Ticket.counter_id))).where(
            Ticket.queue_id == queue.id,
            Ticket.counter_id.is_not(None),
            Ticket.called_at > now() - _STAFFED_WITHIN,
        )
    )
    return estimate_wait(ahead, staffed or 0, queue.average_service_seconds)
