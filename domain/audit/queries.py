"""Reads of the audit."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.audit.rules import AuditAction
from models import AuditEntry


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries, newest first; ``next_cursor`` leads to the next page, None on the last one."""

    items: list[AuditEntry]
    next_cursor: UUID | None


async def list_entries(
    session: AsyncSession,
    *,
    limit: int,
    cursor: UUID | None = None,
    actor_id: UUID | None = None,
    action: AuditAction | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> AuditPage:
    """At most ``limit`` entries from ``since`` on and before ``until``, those before ``cursor``. Ids grow with time."""
    wanted = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit + 1)
    if cursor is not None:
        wanted = wanted.where(AuditEntry.id < cursor)
    if actor_id is not None:
        wanted = wanted.where(AuditEntry.actor_id == actor_id)
    if action is not None:
        wanted = wanted.where(AuditEntry.action == action)
    if since is not None:
        wanted = wanted.where(AuditEntry.at >= since)
    if until is not None:
        wanted = wanted.where(AuditEntry.at < until)
    found = list(await session.scalars(wanted))
    return AuditPage(found[:limit], found[limit - 1].id if len(found) > limit else None)
