"""Reads of who can be written to."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Role
from domain.chat.rules import ThreadKind, ThreadStatus
from models import Patient, Thread, ThreadParticipant, User


async def find_open_support_thread(session: AsyncSession, patient_user_id: UUID) -> Thread | None:
    """The support thread that this patient has open, the most recent where there are several."""
    return await session.scalar(
        select(Thread)
        .join(ThreadParticipant, ThreadParticipant.thread_id == Thread.id)
        .where(
            ThreadParticipant.user_id == patient_user_id,
            Thread.kind == ThreadKind.SUPPORT,
            Thread.status == ThreadStatus.OPEN,
        )
        .order_by(Thread.last_message_at.desc(), Thread.id.desc())
        .limit(1)
    )


async def least_busy_advisor(session: AsyncSession) -> UUID | None:
    """The active advisor with the fewest open support threads; among equals whoever got one longest ago."""
    load = (
        select(
            ThreadParticipant.user_id,
            func.count().filter(Thread.status == ThreadStatus.OPEN).label("open"),
            func.max(ThreadParticipant.joined_at).label("latest"),
        )
        .join(Thread, Thread.id == ThreadParticipant.thread_id)
        .where(Thread.kind == ThreadKind.SUPPORT)
        .group_by(ThreadParticipant.user_id)
        .subquery()
    )
    return await session.scalar(
        select(User.id)
        .outerjoin(load, load.c.user_id == User.id)
        .where(User.role == Role.ADVISOR, User.is_active)
        .order_by(func.coalesce(load.c.open, 0), load.c.latest.asc().nulls_first(), User.id)
        .limit(1)
    )


async def find_doctor(session: AsyncSession, user_id: UUID) -> UUID | None:
    """That user's id, when it is an active doctor's."""
    return await session.scalar(select(User.id).where(User.id == user_id, User.role == Role.DOCTOR, User.is_active))


async def find_patient_user(session: AsyncSession, patient_id: UUID) -> UUID | None:
    """The id of the active account of that patient."""
    return await session.scalar(
        select(User.id)
        .join(Patient, Patient.user_id == User.id)
        .where(Patient.id == patient_id, Patient.is_active, User.is_active)
    )
