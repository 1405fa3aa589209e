"""Who did what, kept for ever: a trigger of the database refuses to change or delete a row."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, desc, func
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identified


class AuditEntry(Identified, Base):
    """One thing that somebody did, or was refused. ``facts`` holds ids and words of ours, never data of a patient.

    No foreign keys: an entry outlives whatever it is about.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_actor_id_id", "actor_id", desc("id")),
        Index("ix_audit_entries_action_id", "action", desc("id")),
        Index("ix_audit_entries_at", "at"),
    )

    at: Mapped[datetime] = mapped_column(server_default=func.now())
    action: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_role: Mapped[str | None]
    subject: Mapped[str | None]
    facts: Mapped[dict[str, Any]] = mapped_column(server_default="{}", default=dict)
