"""Changes of accounts: by their owners, and by administrators."""

from typing import Any, Final, TypedDict
from uuid import UUID

from sqlalchemy import update

from core.actor import Role
from core.unit_of_work import UnitOfWork
from domain.identity import queries
from domain.identity.actions import end_sessions
from domain.identity.errors import LastAdministrator, NotForRole
from domain.identity.events import UserChanged
from domain.identity.policy import check_may_manage_users, user_of
from models import Patient, User

_ONLY_FOR: Final = {"specialization": Role.DOCTOR, "department": Role.STAFF}


class Profile(TypedDict, total=False):
    """What a user says of themselves; what is not named is left as it is. ``phone`` in E.164."""

    name: str
    phone: str | None
    specialization: str | None
    department: str | None


class AccountChange(Profile, total=False):
    """What an administrator can change besides."""

    role: Role
    is_active: bool


async def change_own_profile(unit: UnitOfWork, changes: Profile) -> User:
    """Change one's own account. Raises ``Authentication``, ``NotForRole``."""
    user = await queries.lock_person(unit.session, user_of(unit.actor))
    await _change_profile(unit, user, changes)
    return user


async def change_user(unit: UnitOfWork, user_id: UUID, changes: AccountChange) -> User:
    """An administrator changes an account. Another role, and deactivation, end its sessions and keys.

    Raises ``Authorization``, ``UserNotFound``, ``NotForRole``, ``LastAdministrator``.
    """
    check_may_manage_users(unit.actor)
    # All administrators before this one user: two of them who change each other wait, and do not deadlock.
    administrators = await queries.lock_administrators(unit.session)
    user = await queries.lock_person(unit.session, user_id)
    before, was_active = user.role, user.is_active
    user.role, user.is_active = changes.get("role", Role(user.role)), changes.get("is_active", user.is_active)
    is_administrator = user.role == Role.ADMIN and user.is_active
    if administrators == {user.id} and not is_administrator:
        raise LastAdministrator
    await _change_profile(unit, user, changes)
    if (user.role, user.is_active) != (before, was_active):
        unit.emit(
            UserChanged(
                user_id=user.id,
                role=user.role,
                role_before=before,
                is_active=user.is_active,
                was_active=was_active,
            )
        )
        await end_sessions(unit, user.id, "account_changed")
    return user


async def deactivate_user(unit: UnitOfWork, user_id: UUID) -> None:
    """The account can no longer be used; what it did stays. Raises like ``change_user``."""
    await change_user(unit, user_id, {"is_active": False})


async def _change_profile(unit: UnitOfWork, user: User, changes: Profile | AccountChange) -> None:
    wanted: dict[str, Any] = {name: value for name, value in changes.items() if name in Profile.__annotations__}
    for name, value in wanted.items():
        if value is not None and user.role != _ONLY_FOR.get(name, user.role):
            raise NotForRole
        setattr(user, name, value)
    for name, role in _ONLY_FOR.items():
        if user.role != role:
            setattr(user, name, None)
    # The patient's record says the same of the same person.
    told = {name: value for name, value in wanted.items() if name in {"name", "phone"}}
    if told:
        await unit.session.execute(
            update(Patient)
            .where(Patient.user_id == user.id)
            .values(**told)
            .execution_options(synchronize_session=False)
        )
    await unit.session.flush()
