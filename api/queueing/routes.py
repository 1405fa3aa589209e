"""The queue: tickets, calls, and the board."""

from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Path, Request, Response

from api.deps import PublicUnit, SignedIn, Unit, runtime_of
from api.idempotency import REPEATABLE, IdempotentRoute
from api.queueing.schemas import (
    BoardOut,
    BoardScreens,
    CallNext,
    ChangeStatus,
    CounterOut,
    CurrentState,
    EstimateOut,
    QueueOut,
    QueueState,
    TakeTicket,
    TicketOut,
    TicketStatusOut,
    TicketTaken,
)
from api.schema_docs import problems
from core import streams
from core.access import PUBLIC
from core.errors import Validation
from core.unit_of_work import UnitOfWork
from domain.audit.actions import write_entry
from domain.audit.rules import AuditAction
from domain.clinics.policy import DIRECTORY, check_may_look_up
from domain.clinics.queries import get_clinic
from domain.queueing import actions, policy, queries
from domain.queueing.events import board_channel
from domain.queueing.rules import TicketStatus
from models import Counter, Patient, Queue, Ticket

router = APIRouter(prefix="/api/v1", tags=["queue"], route_class=IdempotentRoute)


@router.post(
    "/queue/tickets",
    status_code=201,
    responses=problems(401, 403, 404, 409),
    openapi_extra=policy.TICKET_TAKERS.label,
    dependencies=REPEATABLE,
)
async def take_ticket(unit: Unit, _: SignedIn, body: TakeTicket) -> TicketTaken:
    """Take the next number of a queue."""
    ticket = await actions.take_ticket(
        unit,
        body.queue_id,
        channel=body.channel,
        priority=body.priority,
        patient_id=body.patient_id,
        phone=body.phone,
    )
    queue, _clinic = await queries.get_queue(unit.session, ticket.queue_id)
    ahead = await queries.waiting_ahead(unit.session, ticket)
    fields = {name: getattr(ticket, name) for name in TicketTaken.model_fields if hasattr(ticket, name)}
    return TicketTaken(
        **fields,
        position=ahead + 1,
        estimate=EstimateOut.of(await queries.estimate_for(unit.session, queue, ahead)),
    )


@router.post(
    "/queue/call-next",
    responses=problems(401, 403, 404, 409),
    openapi_extra=policy.WORKERS.label,
    dependencies=REPEATABLE,
)
async def call_next(unit: Unit, _: SignedIn, body: CallNext) -> TicketOut:
    """Call the ticket whose turn it is."""
    return await _ticket_out(unit, await actions.call_next(unit, body.queue_id, body.counter_id))


@router.patch("/queue/{ticket_id}/status", responses=problems(401, 403, 404, 409), openapi_extra=policy.WORKERS.label)
async def change_status(unit: Unit, _: SignedIn, ticket_id: UUID, body: ChangeStatus) -> TicketOut:
    """Any legal change of a ticket; anything else is a 409 that says what is allowed."""
    ticket = await actions.change_status(
        unit,
        ticket_id,
        TicketStatus(body.status),
        reason=body.reason,
        counter_id=body.counter_id,
        version=body.version,
    )
    return await _ticket_out(unit, ticket)


@router.get(
    "/queue/current",
    responses=problems(401, 403, 404),
    openapi_extra=policy.WORKERS.audited(AuditAction.RECORD_READ),
)
async def current_state(
    unit: Unit, actor: SignedIn, queue_id: UUID | None = None, clinic_id: UUID | None = None
) -> CurrentState:
    """The live tickets of one queue, or of all queues of a clinic, with the names of patients.

    For those who work there; each look is written into the audit.
    """
    if (queue_id is None) == (clinic_id is None):
        raise Validation("Name either a queue_id or a clinic_id.")
    if queue_id is not None:
        _queue, clinic = await queries.get_queue(unit.session, queue_id)
        clinic_id = clinic.id
    assert clinic_id is not None
    policy.check_may_run(actor, clinic_id)
    queues, counters = await queries.list_queues(unit.session, clinic_id)
    wanted = [queue for queue in queues if queue_id in {None, queue.id}]
    rows = await queries.live_tickets(unit.session, [queue.id for queue in wanted])
    write_entry(unit, AuditAction.RECORD_READ, f"queue:{queue_id}" if queue_id else f"clinic:{clinic_id}")
    return CurrentState(queues=[_queue_state(queue, counters, rows) for queue in wanted])


@router.get("/queue/tickets/{link}", responses=problems(404), openapi_extra=PUBLIC.label)
async def ticket_by_link(unit: PublicUnit, link: Annotated[str, Path(pattern=r"^[\w-]{1,64}$")]) -> TicketStatusOut:
    """A ticket for whoever holds its link. Public: no name, no reason."""
    ticket = await queries.get_ticket_by_link(unit.session, link)
    counter = await unit.session.get(Counter, ticket.counter_id) if ticket.counter_id else None
    position, estimate = None, None
    if ticket.status == TicketStatus.WAITING:
        queue, _clinic = await queries.get_queue(unit.session, ticket.queue_id)
        ahead = await queries.waiting_ahead(unit.session, ticket)
        position, estimate = ahead + 1, await queries.estimate_for(unit.session, queue, ahead)
    return TicketStatusOut(
        code=ticket.code,
        status=TicketStatus(ticket.status).value,
        position=position,
        estimate=EstimateOut.of(estimate),
        counter=CounterOut(id=counter.id, name=counter.name) if counter else None,
    )


@router.get("/queues/{queue_id}/board", response_model=BoardOut, responses=problems(404), openapi_extra=PUBLIC.label)
async def board(request: Request, queue_id: UUID) -> Response:
    """The board as screens show it, with its place in the stream. Public: codes and counters only."""
    async with runtime_of(request).database.snapshot() as session:
        state = await queries.board_snapshot(session, queue_id)
        position = await streams.position(session, board_channel(queue_id))
    # The same encoder as on the socket: both doors show the same bytes.
    body = msgspec.json.encode({"epoch": position.epoch, "seq": position.seq, "state": state})
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/queues/{queue_id}/screens", responses=problems(401, 403, 404), openapi_extra=policy.WORKERS.label)
async def board_screens(request: Request, unit: Unit, actor: SignedIn, queue_id: UUID) -> BoardScreens:
    """How many screens show the board now, paired or not. The desk hears of changes in the signal ``presence``."""
    queue, clinic = await queries.get_queue(unit.session, queue_id)
    policy.check_may_run(actor, clinic.id)
    name = board_channel(queue.id)
    return BoardScreens(queue_id=queue.id, screens=(await runtime_of(request).presence.totals([name]))[name].total())


@router.get("/clinics/{clinic_id}/queues", responses=problems(401, 403, 404), openapi_extra=DIRECTORY.label)
async def list_queues(unit: Unit, actor: SignedIn, clinic_id: UUID) -> list[QueueOut]:
    """The queues of a clinic and the counters that call from them; to doctors and staff, of one they work in."""
    check_may_look_up(actor, clinic_id)
    await get_clinic(unit.session, clinic_id)
    queues, counters = await queries.list_queues(unit.session, clinic_id)
    return [QueueOut.of(queue, counters) for queue in queues]


def _queue_state(queue: Queue, counters: list[Counter], rows: queries.LiveTickets) -> QueueState:
    tickets = [
        TicketOut.of(ticket, counter, patient) for ticket, counter, patient in rows if ticket.queue_id == queue.id
    ]
    return QueueState(queue=QueueOut.of(queue, counters), tickets=tickets)


async def _ticket_out(unit: UnitOfWork, ticket: Ticket) -> TicketOut:
    counter = await unit.session.get(Counter, ticket.counter_id) if ticket.counter_id else None
    patient = await unit.session.get(Patient, ticket.patient_id) if ticket.patient_id else None
    return TicketOut.of(ticket, counter, patient)
