"""Writes about the hub's nodes."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert

from core.unit_of_work import UnitOfWork
from domain.audit.actions import write_entry
from domain.audit.rules import AuditAction
from domain.identity.actions import end_sessions
from domain.identity.queries import get_person
from domain.nodes.policy import check_may_operate
from models import HubNode

_FORGOTTEN_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What a node says of itself; the columns of ``HubNode``."""

    id: UUID
    name: str
    sockets: int
    event_streams: int
    users: int
    channels: int
    deliveries: int
    deliveries_per_second: float
    bytes_per_second: float
    is_connected: bool
    is_draining: bool


async def report_node(unit: UnitOfWork, report: NodeReport) -> None:
    """Keep what a node says of itself, and forget those that have been silent for an hour."""
    values = asdict(report)
    await unit.session.execute(
        insert(HubNode)
        .values(values)
        .on_conflict_do_update(index_elements=[HubNode.id], set_={**values, "seen_at": func.now()})
    )
    await unit.session.execute(delete(HubNode).where(HubNode.seen_at < func.now() - _FORGOTTEN_AFTER))


async def retire_node(unit: UnitOfWork, node_id: UUID) -> None:
    """A node has ended."""
    await unit.session.execute(delete(HubNode).where(HubNode.id == node_id))


async def disconnect_user(unit: UnitOfWork, user_id: UUID) -> None:
    """End all that signs that user in, keys included; every node then closes their sockets within two seconds.

    A socket that was merely closed would come back at once. Raises ``Authorization``, ``UserNotFound``.
    """
    check_may_operate(unit.actor)
    await get_person(unit.session, user_id)
    await end_sessions(unit, user_id, "disconnected")
    write_entry(unit, AuditAction.USER_DISCONNECTED, f"user:{user_id}")
