"""Reads of clinics."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.errors import ResourceNotFound
from domain.clinics.policy import sees_own_clinics_only
from models import Clinic


async def get_clinic(session: AsyncSession, clinic_id: UUID) -> Clinic:
    """That clinic. Raises ``ResourceNotFound``."""
    clinic = await session.get(Clinic, clinic_id)
    if clinic is None or not clinic.is_active:
        raise ResourceNotFound("There is no such clinic.")
    return clinic


async def list_clinics(session: AsyncSession, actor: Actor, page: int, limit: int) -> tuple[list[Clinic], int]:
    """A page of clinics by name, and how many there are.

    Doctors and staff see those they work in; everybody else sees all, as a directory.
    """
    wanted = select(Clinic).where(Clinic.is_active)
    if sees_own_clinics_only(actor):
        wanted = wanted.where(Clinic.id.in_(actor.clinic_ids))
    total = await session.scalar(select(func.count()).select_from(wanted.subquery()))
    rows = await session.scalars(wanted.order_by(Clinic.name, Clinic.id).offset((page - 1) * limit).limit(limit))
    return list(rows), total or 0
