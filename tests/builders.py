"""Makes what tests need, through the same actions that the product uses."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from core.actor import SYSTEM
from core.runtime import Runtime
from domain.clinics import actions as clinics
from domain.queueing import actions as queueing


@dataclass(frozen=True)
class Clinic:
    """A clinic with one queue and two counters."""

    clinic_id: UUID
    queue_id: UUID
    counter_ids: tuple[UUID, UUID]


async def create_clinic(runtime: Runtime, *, time_zone: str = "Europe/Berlin") -> Clinic:
    """A clinic of its own for a test."""
    async with runtime.transactions.begin(SYSTEM) as unit:
        clinic = await clinics.create_clinic(unit, f"Clinic {uuid4().hex[:6]}", time_zone)
        queue = await queueing.create_queue(unit, clinic.id, "General", "A")
        desks = [await queueing.create_counter(unit, clinic.id, f"Desk {number}") for number in (1, 2)]
    return Clinic(clinic.id, queue.id, (desks[0].id, desks[1].id))


async def take_ticket(runtime: Runtime, queue_id: UUID, *, priority: int = 0) -> UUID:
    """A walk-in's ticket; its id."""
    async with runtime.transactions.begin(SYSTEM) as unit:
        ticket = await queueing.take_ticket(unit, queue_id, channel="walk_in", priority=priority)
    return ticket.id
