"""Shapes of the audit."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from domain.audit.rules import AuditAction


class AuditEntryOut(BaseModel):
    """Who did what, when, to what. ``facts`` are ids and words, never data of a patient."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    at: datetime
    action: AuditAction
    actor_id: UUID | None
    actor_role: str | None
    subject: str | None
    facts: dict[str, str]


class AuditFeed(BaseModel):
    """Entries, newest first; ``next_cursor`` is the ``cursor`` of the next page."""

    items: list[AuditEntryOut]
    next_cursor: UUID | None
