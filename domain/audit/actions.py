"""The one way into the audit."""

from collections.abc import Mapping
from uuid import UUID

from core.unit_of_work import UnitOfWork
from domain.audit.rules import AuditAction
from models import AuditEntry


def write_entry(
    unit: UnitOfWork,
    action: AuditAction,
    subject: str,
    facts: Mapping[str, str] | None = None,
    *,
    actor_id: UUID | None = None,
) -> None:
    """Write down what the actor does, in the transaction that does it: both are there, or neither.

    ``subject`` is what it is about (``user:<id>``, ``record:<id>``), ``facts`` are ids and words of ours: never a name,
    an address or anything about somebody's health. ``actor_id`` where the actor becomes known by the thing itself.
    """
    unit.session.add(
        AuditEntry(
            at=unit.at,
            action=action,
            actor_id=actor_id or unit.actor.user_id,
            actor_role=unit.actor.role,
            subject=subject,
            facts=dict(facts or {}),
        )
    )
