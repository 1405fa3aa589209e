"""Changes of clinics. The door commits."""

from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from core.actor import Role
from core.errors import ResourceNotFound, Validation
from core.unit_of_work import UnitOfWork
from domain.audit.actions import write_entry
from domain.audit.rules import AuditAction
from domain.clinics.policy import check_may_manage_clinics
from models import Clinic, ClinicMember, User


async def create_clinic(unit: UnitOfWork, name: str, time_zone: str, city: str = "") -> Clinic:
    """A new clinic. Raises ``Authorization`` unless an administrator or the product itself asks."""
    check_may_manage_clinics(unit.actor)
    clinic = Clinic(name=name, time_zone=time_zone, city=city)
    unit.session.add(clinic)
    await unit.session.flush()
    return clinic


async def add_member(unit: UnitOfWork, clinic_id: UUID, user_id: UUID) -> None:
    """Let a doctor or staff member work in a clinic. Raises ``Authorization``, ``Validation``, ``ResourceNotFound``."""
    check_may_manage_clinics(unit.actor)
    user = await unit.session.get(User, user_id)
    if user is None or user.role not in {Role.DOCTOR, Role.STAFF}:
        raise Validation("Only doctors and staff work in clinics.")
    if await unit.session.get(Clinic, clinic_id) is None:
        raise ResourceNotFound("There is no such clinic.")
    await let_in(unit, clinic_id, user_id)
    write_entry(unit, AuditAction.MEMBER_ADDED, f"user:{user_id}", {"clinic_id": str(clinic_id)})


async def let_in(unit: UnitOfWork, clinic_id: UUID, user_id: UUID) -> None:
    """The row of a membership; letting somebody in twice changes nothing. The caller has checked that they may."""
    membership = insert(ClinicMember).values(clinic_id=clinic_id, user_id=user_id)
    await unit.session.execute(membership.on_conflict_do_nothing())


async def remove_member(unit: UnitOfWork, clinic_id: UUID, user_id: UUID) -> None:
    """Somebody works in that clinic no longer. Raises ``Authorization``, ``ResourceNotFound``."""
    check_may_manage_clinics(unit.actor)
    removed = await unit.session.scalar(
        delete(ClinicMember)
        .where(ClinicMember.clinic_id == clinic_id, ClinicMember.user_id == user_id)
        .returning(ClinicMember.user_id)
    )
    if removed is None:
        raise ResourceNotFound("This person does not work in this clinic.")
    write_entry(unit, AuditAction.MEMBER_REMOVED, f"user:{user_id}", {"clinic_id": str(clinic_id)})
