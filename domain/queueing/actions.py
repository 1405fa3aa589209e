"""What people do with tickets. Each function checks, changes and emits; the door commits."""

from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from core.errors import Validation
from core.ids import new_token
from core.unit_of_work import UnitOfWork
from domain.queueing import policy, queries, rules
from domain.queueing.errors import (
    IllegalTransition,
    PhoneForStaffOnly,
    QueueClosed,
    QueueEmpty,
    TicketExists,
    VersionConflict,
)
from domain.queueing.events import TicketCalled, TicketRemoved, TicketUpserted, board_channel
from domain.queueing.rules import TicketStatus
from models import Counter, Patient, Queue, Ticket, TicketNumber, TicketTransition


async def take_ticket(
    unit: UnitOfWork,
    queue_id: UUID,
    *,
    channel: str,
    priority: int = 0,
    patient_id: UUID | None = None,
    phone: str | None = None,
) -> Ticket:
    """Give the next number of the clinic's day. Its holder is told at ``phone``, or else at the patient's own number.

    Raises ``QueueNotFound``, ``Authorization``, ``PhoneForStaffOnly``, ``QueueClosed``, ``TicketExists`` (one live
    ticket a patient).
    """
    queue, clinic = await queries.get_queue(unit.session, queue_id)
    policy.check_may_take_ticket(unit.actor, clinic.id)
    if policy.takes_own_ticket(unit.actor):
        if phone is not None:
            raise PhoneForStaffOnly
        patient_id = await _own_patient_id(unit)
        priority = 0
    elif patient_id is not None and await unit.session.get(Patient, patient_id) is None:
        raise Validation("There is no such patient.")
    if not queue.is_open:
        raise QueueClosed
    service_date = unit.at.astimezone(ZoneInfo(clinic.time_zone)).date()
    number = await _next_number(unit, queue_id, service_date)
    ticket = Ticket(
        queue_id=queue_id,
        service_date=service_date,
        number=number,
        code=rules.ticket_code(queue.prefix, number),
        link=new_token(16),
        status=TicketStatus.WAITING,
        priority=priority,
        channel=channel,
        patient_id=patient_id,
        phone=phone,
        arrived_at=unit.at,
        recalls=0,
        version=1,
    )
    unit.session.add(ticket)
    try:
        await unit.session.flush()
    except IntegrityError as error:
        if "uq_tickets_live_patient" in str(error.orig):
            raise TicketExists from error
        raise
    _record(unit, ticket, None, None)
    unit.emit(TicketUpserted(ticket=queries.board_ticket(ticket, None)), board_channel(queue_id))
    return ticket


async def call_next(unit: UnitOfWork, queue_id: UUID, counter_id: UUID) -> Ticket:
    """Call the ticket whose turn it is to a counter.

    Raises ``QueueNotFound``, ``Authorization``, ``CounterNotFound``, ``QueueEmpty``.
    """
    queue, clinic = await queries.get_queue(unit.session, queue_id)
    policy.check_may_run(unit.actor, clinic.id)
    counter = await queries.get_counter(unit.session, counter_id, clinic.id)
    ticket = await queries.lock_next_ticket(unit.session, queue.id)
    if ticket is None:
        raise QueueEmpty
    await _move(unit, ticket, TicketStatus.CALLED, counter, None)
    return ticket


async def change_status(
    unit: UnitOfWork,
    ticket_id: UUID,
    status: TicketStatus,
    *,
    reason: str | None = None,
    counter_id: UUID | None = None,
    version: int | None = None,
) -> Ticket:
    """Any legal change of a ticket. ``version`` refuses a change made from an old view of it.

    Raises ``TicketNotFound``, ``Authorization``, ``IllegalTransition``, ``VersionConflict``, ``CounterNotFound``.
    """
    ticket = await queries.lock_ticket(unit.session, ticket_id)
    _, clinic = await queries.get_queue(unit.session, ticket.queue_id)
    policy.check_may_run(unit.actor, clinic.id)
    if version is not None and version != ticket.version:
        raise VersionConflict(
            f"Somebody else changed ticket {ticket.code} in the meantime: it is now {ticket.status},"
            f" version {ticket.version}."
        )
    counter_id = counter_id or (None if status == TicketStatus.WAITING else ticket.counter_id)
    if status in {TicketStatus.CALLED, TicketStatus.SERVING} and counter_id is None:
        raise Validation("Say to which counter the ticket is called (counter_id).")
    counter = await queries.get_counter(unit.session, counter_id, clinic.id) if counter_id else None
    await _move(unit, ticket, status, counter, reason)
    return ticket


async def _move(
    unit: UnitOfWork, ticket: Ticket, wanted: TicketStatus, counter: Counter | None, reason: str | None
) -> None:
    """The one place where a ticket's state changes; the caller holds its row lock."""
    current = TicketStatus(ticket.status)
    allowed = rules.allowed_from(current, ticket.called_at, unit.at)
    if wanted not in allowed:
        possible = ", ".join(sorted(allowed)) or "nothing any more"
        raise IllegalTransition(f"Ticket {ticket.code} is {current}; from there it can become: {possible}.")
    if current == wanted == TicketStatus.CALLED:
        ticket.recalls += 1
    ticket.status = wanted
    ticket.counter_id = counter.id if counter else None
    ticket.version += 1
    _stamp(unit, ticket)
    _record(unit, ticket, current, reason)
    if wanted in rules.ON_BOARD:
        unit.emit(TicketUpserted(ticket=queries.board_ticket(ticket, counter)), board_channel(ticket.queue_id))
    elif current in rules.ON_BOARD:
        unit.emit(TicketRemoved(id=ticket.id), board_channel(ticket.queue_id))
    if wanted == TicketStatus.CALLED and counter is not None:
        await _announce_call(unit, ticket, counter)


def _stamp(unit: UnitOfWork, ticket: Ticket) -> None:
    match ticket.status:
        case TicketStatus.WAITING:
            ticket.called_at = ticket.served_at = None
        case TicketStatus.CALLED:
            ticket.called_at = unit.at
        case TicketStatus.SERVING:
            ticket.served_at = unit.at
        case TicketStatus.COMPLETED:
            ticket.completed_at = unit.at


def _record(unit: UnitOfWork, ticket: Ticket, previous: TicketStatus | None, reason: str | None) -> None:
    unit.session.add(
        TicketTransition(
            ticket_id=ticket.id,
            from_status=previous,
            to_status=ticket.status,
            counter_id=ticket.counter_id,
            actor=unit.actor.label,
            reason=reason,
            at=unit.at,
        )
    )


async def _announce_call(unit: UnitOfWork, ticket: Ticket, counter: Counter) -> None:
    patient = await unit.session.get(Patient, ticket.patient_id) if ticket.patient_id else None
    unit.emit(
        TicketCalled(
            ticket_id=ticket.id,
            queue_id=ticket.queue_id,
            code=ticket.code,
            counter_name=counter.name,
            link=ticket.link,
            user_id=patient.user_id if patient else None,
            phone=ticket.phone or (patient.phone if patient else None),
            recalls=ticket.recalls,
            called_at=unit.at,
        )
    )


async def _own_patient_id(unit: UnitOfWork) -> UUID:
    patient_id = await unit.session.scalar(select(Patient.id).where(Patient.user_id == unit.actor.user_id))
    if patient_id is None:
        raise Validation("There is no patient record for this account.")
    return patient_id


async def _next_number(unit: UnitOfWork, queue_id: UUID, service_date: date) -> int:
    """The row lock of the counter row makes numbers unique; a rollback may leave a gap."""
    statement = insert(TicketNumber).values(queue_id=queue_id, service_date=service_date, last=1)
    number: int | None = await unit.session.scalar(
        statement.on_conflict_do_update(
            index_elements=[TicketNumber.queue_id, TicketNumber.service_date],
            set_={"last": TicketNumber.last + 1},
        ).returning(TicketNumber.last)
    )
    assert number is not None
    return number


async def create_queue(
    unit: UnitOfWork, clinic_id: UUID, name: str, prefix: str, *, average_service_seconds: int = 300
) -> Queue:
    """A new queue of a clinic. Raises ``Authorization``."""
    policy.check_may_run(unit.actor, clinic_id)
    queue = Queue(clinic_id=clinic_id, name=name, prefix=prefix, average_service_seconds=average_service_seconds)
    unit.session.add(queue)
    await unit.session.flush()
    return queue


async def create_counter(unit: UnitOfWork, clinic_id: UUID, name: str) -> Counter:
    """A new counter of a clinic. Raises ``Authorization``."""
    policy.check_may_run(unit.actor, clinic_id)
    counter = Counter(clinic_id=clinic_id, name=name)
    unit.session.add(counter)
    await unit.session.flush()
    return counter
