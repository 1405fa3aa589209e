"""Shapes of the queue."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from api.schema_types import PhoneNumber, Text
from domain.queueing.rules import Estimate
from models import Counter, Patient, Queue, Ticket

Status = Literal["waiting", "called", "serving", "on_hold", "no_show", "completed", "cancelled", "left", "transferred"]


class CounterOut(BaseModel):
    """A desk or room."""

    id: UUID
    name: str


class PatientRef(BaseModel):
    """The person behind a ticket, for staff only."""

    id: UUID
    name: str


class QueueOut(BaseModel):
    """A queue with the counters that can call from it."""

    id: UUID
    clinic_id: UUID
    name: str
    prefix: str
    is_open: bool
    counters: list[CounterOut]

    @classmethod
    def of(cls, queue: Queue, counters: list[Counter]) -> Self:
        """From rows."""
        return cls(
            id=queue.id,
            clinic_id=queue.clinic_id,
            name=queue.name,
            prefix=queue.prefix,
            is_open=queue.is_open,
            counters=[CounterOut(id=counter.id, name=counter.name) for counter in counters],
        )


class BoardScreens(BaseModel):
    """How many screens show the board of a queue just now."""

    queue_id: UUID
    screens: int


class TicketOut(BaseModel):
    """A ticket as staff see it."""

    id: UUID
    queue_id: UUID
    code: str
    number: int
    status: Status
    priority: int
    channel: str
    counter: CounterOut | None
    patient: PatientRef | None
    arrived_at: datetime
    called_at: datetime | None
    served_at: datetime | None
    completed_at: datetime | None
    recalls: int
    version: int
    link: str

    @classmethod
    def of(cls, ticket: Ticket, counter: Counter | None, patient: Patient | None) -> Self:
        """From rows."""
        return cls(
            counter=CounterOut(id=counter.id, name=counter.name) if counter else None,
            patient=PatientRef(id=patient.id, name=patient.name) if patient else None,
            **{name: getattr(ticket, name) for name in cls.model_fields if name not in {"counter", "patient"}},
        )


class EstimateOut(BaseModel):
    """Half of all waits end before ``low_minutes``, nine in ten before ``high_minutes``."""

    low_minutes: int
    high_minutes: int

    @classmethod
    def of(cls, estimate: Estimate | None) -> Self | None:
        """None stays None: nobody is serving, so nothing can be said."""
        if estimate is None:
            return None
        return cls(low_minutes=estimate.low_minutes, high_minutes=estimate.high_minutes)


class TicketTaken(BaseModel):
    """A new ticket for its holder: ``link`` opens it without signing in."""

    id: UUID
    queue_id: UUID
    code: str
    number: int
    status: Status
    priority: int
    arrived_at: datetime
    version: int
    link: str
    position: int
    estimate: EstimateOut | None


class TicketStatusOut(BaseModel):
    """A ticket behind its public link: no person in it. ``position`` 1 is next; None when not waiting."""

    code: str
    status: Status
    position: int | None
    estimate: EstimateOut | None
    counter: CounterOut | None


class TakeTicket(BaseModel):
    """Take a number. ``priority`` and ``patient_id`` are for staff; a patient's ticket is their own.

    ``phone`` is for staff as well, and refused from patients (``PHONE_FOR_STAFF_ONLY``): they are told at the number
    of their own account.
    """

    queue_id: UUID
    channel: Literal["walk_in", "kiosk", "qr"] = "walk_in"
    priority: Annotated[int, Field(ge=0, le=9)] = 0
    patient_id: UUID | None = None
    phone: PhoneNumber | None = None


class CallNext(BaseModel):
    """Call the next ticket of the queue to a counter."""

    queue_id: UUID
    counter_id: UUID


class ChangeStatus(BaseModel):
    """A legal change of a ticket. ``version`` refuses it when somebody else changed the ticket first."""

    status: Literal["waiting", "called", "serving", "on_hold", "no_show", "completed", "cancelled", "left"]
    reason: Annotated[Text, Field(max_length=500)] | None = None
    counter_id: UUID | None = None
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class QueueState(BaseModel):
    """One queue with its live tickets in calling order."""

    queue: QueueOut
    tickets: list[TicketOut]


class CurrentState(BaseModel):
    """What is going on now."""

    queues: list[QueueState]


class BoardOut(BaseModel):
    """A board and its place in the stream, for those who go on with events from there."""

    epoch: str
    seq: int
    state: dict[str, Any]
