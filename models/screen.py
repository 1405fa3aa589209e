"""Waiting-room screens that were paired with a board."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, func
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identified


class Screen(Identified, Base):
    """A device that shows one board. Its session is its right to; revoking that ends it."""

    __tablename__ = "screens"

    clinic_id: Mapped[UUID] = mapped_column(ForeignKey("clinics.id"), index=True)
    queue_id: Mapped[UUID] = mapped_column(ForeignKey("queues.id"))
    name: Mapped[str]
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id"), unique=True)
    paired_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Pairing(Base):
    """A screen that asks to be paired: ``code`` is what it shows, of its secret the SHA-256 is kept.

    ``screen_id`` is set when staff confirm it, once.
    """

    __tablename__ = "pairings"

    code: Mapped[str] = mapped_column(primary_key=True)
    secret_digest: Mapped[bytes] = mapped_column(LargeBinary)
    screen_id: Mapped[UUID | None] = mapped_column(ForeignKey("screens.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
