"""Queues, counters, tickets and everything that ever happened to a ticket."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identified, Timestamped

LIVE_STATUSES = "('waiting', 'called', 'serving', 'on_hold')"


class Queue(Identified, Timestamped, Base):
    """A line of people in a clinic; ``prefix`` begins its ticket codes ("A" gives "A-042")."""

    __tablename__ = "queues"

    clinic_id: Mapped[UUID] = mapped_column(ForeignKey("clinics.id"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    is_open: Mapped[bool] = mapped_column(server_default="true", default=True)
    average_service_seconds: Mapped[int] = mapped_column(server_default="300", default=300)


class Counter(Identified, Timestamped, Base):
    """A desk or room to which tickets are called."""

    __tablename__ = "counters"
    __table_args__ = (UniqueConstraint("clinic_id", "name"),)

    clinic_id: Mapped[UUID] = mapped_column(ForeignKey("clinics.id"))
    name: Mapped[str]


class TicketNumber(Base):
    """The last number given in a queue on a clinic-local day; its row lock keeps numbers unique."""

    __tablename__ = "ticket_numbers"

    queue_id: Mapped[UUID] = mapped_column(ForeignKey("queues.id"), primary_key=True)
    service_date: Mapped[date] = mapped_column(primary_key=True)
    last: Mapped[int]


class Ticket(Identified, Timestamped, Base):
    """A place in a queue. ``link`` is the unguessable word of its public address; ``version`` grows by change."""

    __tablename__ = "tickets"
    __table_args__ = (
        UniqueConstraint("queue_id", "service_date", "number"),
        CheckConstraint(
            "status IN ('waiting', 'called', 'serving', 'on_hold', 'no_show', 'completed', 'cancelled', 'left',"
            " 'transferred')",
            name="status",
        ),
        # One live ticket a patient in a queue.
        Index(
            "uq_tickets_live_patient",
            "queue_id",
            "patient_id",
            unique=True,
            postgresql_where=text(f"patient_id IS NOT NULL AND status IN {LIVE_STATUSES}"),
        ),
        # Call next and the board read the live tickets of a queue in this order.
        Index(
            "ix_tickets_live",
            "queue_id",
            "status",
            text("priority DESC"),
            "arrived_at",
            "number",
            postgresql_where=text(f"status IN {LIVE_STATUSES}"),
        ),
    )

    queue_id: Mapped[UUID] = mapped_column(ForeignKey("queues.id"))
    service_date: Mapped[date]
    number: Mapped[int]
    code: Mapped[str]
    link: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str]
    priority: Mapped[int] = mapped_column(SmallInteger, server_default="0", default=0)
    channel: Mapped[str]
    patient_id: Mapped[UUID | None] = mapped_column(ForeignKey("patients.id"), index=True)
    phone: Mapped[str | None]
    counter_id: Mapped[UUID | None] = mapped_column(ForeignKey("counters.id"))
    arrived_at: Mapped[datetime]
    called_at: Mapped[datetime | None]
    served_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    recalls: Mapped[int] = mapped_column(server_default="0", default=0)
    version: Mapped[int] = mapped_column(server_default="1", default=1)


class TicketTransition(Identified, Base):
    """One change of a ticket: who, when, from what to what, and why. Never changed, never deleted."""

    __tablename__ = "ticket_transitions"

    ticket_id: Mapped[UUID] = mapped_column(ForeignKey("tickets.id"), index=True)
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    counter_id: Mapped[UUID | None] = mapped_column(ForeignKey("counters.id"))
    actor: Mapped[str]
    reason: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
