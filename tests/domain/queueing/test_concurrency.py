"""The queue's invariants, on real Postgres, with everybody at once."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import func, select

from core.actor import SYSTEM, Role
from core.runtime import Runtime
from domain.queueing import actions
from domain.queueing.errors import IllegalTransition, QueueEmpty, TicketExists, VersionConflict
from domain.queueing.rules import TicketStatus
from models import Patient, Stream, StreamEvent, Ticket, TicketTransition
from tests.builders import create_clinic, take_ticket
from tests.people import create_person


async def test_forty_at_once_get_forty_numbers(runtime: Runtime) -> None:
    clinic = await create_clinic(runtime)
    ids = await asyncio.gather(*(take_ticket(runtime, clinic.queue_id) for _ in range(40)))
    async with runtime.database.session() as session:
        numbers = list(await session.scalars(select(Ticket.number).where(Ticket.id.in_(ids)).order_by(Ticket.number)))
    assert numbers == list(range(1, 41))


async def test_counters_that_call_at_once_never_get_the_same_ticket(runtime: Runtime) -> None:
    clinic = await create_clinic(runtime)
    waiting = {await take_ticket(runtime, clinic.queue_id) for _ in range(12)}

    async def call(counter: int) -> UUID | None:
        async with runtime.transactions.begin(SYSTEM) as unit:
            try:
                return (await actions.call_next(unit, clinic.queue_id, clinic.counter_ids[counter % 2])).id
            except QueueEmpty:
                return None

    called = await asyncio.gather(*(call(number) for number in range(20)))
    found = [ticket for ticket in called if ticket is not None]
    assert len(found) == len(set(found)), "one ticket was called to two counters"
    # SKIP LOCKED may skip a ticket that another transaction is just calling; nobody is lost by that.
    async with runtime.database.session() as session:
        left = set(
            await session.scalars(
                select(Ticket.id).where(Ticket.queue_id == clinic.queue_id, Ticket.status == "waiting")
            )
        )
    assert left | set(found) == waiting
    assert not left & set(found)


async def test_calling_follows_priority_then_arrival(runtime: Runtime) -> None:
    clinic = await create_clinic(runtime)
    first = await take_ticket(runtime, clinic.queue_id)
    second = await take_ticket(runtime, clinic.queue_id)
    urgent = await take_ticket(runtime, clinic.queue_id, priority=5)
    order = []
    for _ in range(3):
        async with runtime.transactions.begin(SYSTEM) as unit:
            order.append((await actions.call_next(unit, clinic.queue_id, clinic.counter_ids[0])).id)
    assert order == [urgent, first, second]


async def test_a_patient_has_one_live_ticket_a_queue(runtime: Runtime) -> None:
    clinic = await create_clinic(runtime)
    person = await create_person(runtime, Role.PATIENT)
    async with runtime.database.session() as session:
        patient_id = await session.scalar(select(Patient.id).where(Patient.user_id == person.id))

    async def take() -> bool:
        try:
            async with runtime.transactions.begin(SYSTEM) as unit:
                await actions.take_ticket(unit, clinic.queue_id, channel="qr", patient_id=patient_id)
        except TicketExists:
            return False
        return True

    outcomes = await asyncio.gather(*(take() for _ in range(8)))
    assert sum(outcomes) == 1


async def test_two_changes_from_the_same_view_are_one_change(runtime: Runtime) -> None:
    clinic = await create_clinic(runtime)
    ticket_id = await take_ticket(runtime, clinic.queue_id)

    async def cancel() -> bool:
        try:
            async with runtime.transactions.begin(SYSTEM) as unit:
                await actions.change_status(unit, ticket_id, TicketStatus.ON_HOLD, version=1)
        except VersionConflict:
            return False
        return True

    assert sum(await asyncio.gather(*(cancel() for _ in range(6)))) == 1


async def test_a_refused_change_leaves_no_trace(runtime: Runtime) -> None:
    clinic = await create_clinic(runtime)
    ticket_id = await take_ticket(runtime, clinic.queue_id)
    with pytest.raises(IllegalTransition, match="waiting; from there it can become: called, cancelled"):
        async with runtime.transactions.begin(SYSTEM) as unit:
            await actions.change_status(unit, ticket_id, TicketStatus.COMPLETED)
    async with runtime.database.session() as session:
        transitions = await session.scalar(
            select(func.count()).select_from(TicketTransition).where(TicketTransition.ticket_id == ticket_id)
        )
        stream = await session.scalar(select(Stream).where(Stream.channel == f"board:{clinic.queue_id}"))
    assert transitions == 1
    assert stream is not None
    assert stream.head == 1


async def test_the_stream_of_a_busy_board_has_no_gap(runtime: Runtime) -> None:
    clinic = await create_clinic(runtime)

    async def visit() -> None:
        await take_ticket(runtime, clinic.queue_id)
        async with runtime.transactions.begin(SYSTEM) as unit:
            try:
                await actions.call_next(unit, clinic.queue_id, clinic.counter_ids[0])
            except QueueEmpty:
                return

    await asyncio.gather(*(visit() for _ in range(25)))
    async with runtime.database.session() as session:
        stream = await session.scalar(select(Stream).where(Stream.channel == f"board:{clinic.queue_id}"))
        assert stream is not None
        seqs = list(
            await session.scalars(
                select(StreamEvent.seq).where(StreamEvent.stream_id == stream.id).order_by(StreamEvent.seq)
            )
        )
    assert seqs == list(range(1, stream.head + 1))
    assert stream.head >= 25
