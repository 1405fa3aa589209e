"""What happened in a queue. ``ticket.*`` is exactly what a board receives: codes and counters, never a person."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from core.events import Event


def board_channel(queue_id: UUID) -> str:
    """The channel of that queue's boards."""
    return f"board:{queue_id}"


class BoardCounter(msgspec.Struct, frozen=True):
    """The desk to which a ticket is called."""

    id: UUID
    name: str


class BoardTicket(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket as everybody in the waiting room may see it."""

    id: UUID
    code: str
    status: str
    priority: int
    arrived_at: datetime
    counter: BoardCounter | None
    called_at: datetime | None
    recalls: int


class TicketUpserted(Event, frozen=True, kw_only=True):
    """A ticket is new on the board, or changed there."""

    name: ClassVar[str] = "ticket.upserted"

    ticket: BoardTicket


class TicketRemoved(Event, frozen=True, kw_only=True):
    """A ticket is no longer shown."""

    name: ClassVar[str] = "ticket.removed"

    id: UUID


class TicketCalled(Event, frozen=True, kw_only=True):
    """A ticket was called, or called again. For other rooms: it names the person and goes on no channel."""

    ticket_id: UUID
    queue_id: UUID
    code: str
    counter_name: str
    link: str
    user_id: UUID | None
    phone: str | None
    recalls: int
    called_at: datetime
