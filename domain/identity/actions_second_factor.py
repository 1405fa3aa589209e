"""Setting up, renewing and removing a second factor."""

import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import delete, update

from core.settings import Settings
from core.unit_of_work import UnitOfWork
from domain.identity import queries
from domain.identity.actions import end_sessions
from domain.identity.errors import (
    NoSecondFactor,
    SecondFactorExists,
    SecondFactorNeeded,
    SessionEnded,
    WrongCode,
)
from domain.identity.events import SecondFactorChanged
from domain.identity.passwords import matches
from domain.identity.policy import check_may_manage_users, user_of
from domain.identity.second_factor import accept_app_code, accept_code, is_required
from domain.identity.totp import new_recovery_codes, provisioning_uri, recovery_digest, shared_secret
from models import RecoveryCode, SecondFactor, Session, User

_SEED_BYTES: Final = 20


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app needs: the secret in base32, and the same as an ``otpauth://`` address."""

    secret: str
    uri: str


async def begin_second_factor(unit: UnitOfWork, password: str, settings: Settings) -> Enrolment:
    """Start setting up an authenticator app; it counts from the first code on. Starting again replaces the secret.

    Asks for the password: a session left open must not be enough to lock its user out.
    Raises ``SecondFactorExists``, ``WrongCode`` for a wrong password.
    """
    user = await _own_account(unit)
    if not await matches(password, user.password_hash, settings.bcrypt_cost):
        raise WrongCode("This is not your password.")
    await queries.lock_person(unit.session, user.id)
    factor = await queries.lock_second_factor(unit.session, user.id)
    if factor is not None and factor.confirmed_at is not None:
        raise SecondFactorExists
    if factor is None:
        factor = SecondFactor(user_id=user.id)
        unit.session.add(factor)
    factor.seed, factor.last_step = secrets.token_bytes(_SEED_BYTES), 0
    secret = shared_secret(factor.seed, settings.secret_key.get_secret_value())
    return Enrolment(secret, provisioning_uri(secret, user.email))


async def confirm_second_factor(unit: UnitOfWork, code: str, settings: Settings) -> list[str]:
    """The first code of the app puts the factor in force; returns the recovery codes, which are shown once.

    A session that could only do this may do everything from now on. Raises ``NoSecondFactor``,
    ``SecondFactorExists``, ``WrongCode``.
    """
    user_id = user_of(unit.actor)
    factor = await queries.lock_second_factor(unit.session, user_id)
    if factor is None:
        raise NoSecondFactor
    if factor.confirmed_at is not None:
        raise SecondFactorExists
    if not accept_app_code(unit, factor, code, settings):
        raise WrongCode
    factor.confirmed_at = unit.at
    await unit.session.execute(
        update(Session)
        .where(Session.id == unit.actor.session_id, Session.kind == "sign_in")
        .values(scopes=None)
        .execution_options(synchronize_session=False)
    )
    unit.emit(SecondFactorChanged(user_id=user_id, is_enabled=True))
    return await _replace_recovery_codes(unit, user_id)


async def renew_recovery_codes(unit: UnitOfWork, code: str, settings: Settings) -> list[str]:
    """New recovery codes for a code; the old ones are void. Raises ``NoSecondFactor``, ``WrongCode``."""
    factor = await _confirmed_factor(unit, user_of(unit.actor))
    if not await accept_code(unit, factor, code, settings):
        raise WrongCode
    return await _replace_recovery_codes(unit, factor.user_id)


async def remove_second_factor(unit: UnitOfWork, code: str, settings: Settings) -> None:
    """Do without, for a code. Raises ``SecondFactorNeeded``, ``NoSecondFactor``, ``WrongCode``."""
    user = await _own_account(unit)
    factor = await _confirmed_factor(unit, user.id)
    if not await accept_code(unit, factor, code, settings):
        raise WrongCode
    if is_required(user, settings):
        raise SecondFactorNeeded
    await _remove(unit, factor)


async def reset_second_factor(unit: UnitOfWork, user_id: UUID) -> None:
    """An administrator removes the factor of somebody who has lost it; their sessions end.

    Raises ``Authorization``, ``UserNotFound``, ``NoSecondFactor``.
    """
    check_may_manage_users(unit.actor)
    await queries.lock_person(unit.session, user_id)
    await _remove(unit, await _confirmed_factor(unit, user_id))
    await end_sessions(unit, user_id, "second_factor_reset")


async def _own_account(unit: UnitOfWork) -> User:
    user = await queries.find_active_user(unit.session, user_of(unit.actor))
    if user is None:
        raise SessionEnded
    return user


async def _confirmed_factor(unit: UnitOfWork, user_id: UUID) -> SecondFactor:
    factor = await queries.lock_second_factor(unit.session, user_id)
    if factor is None or factor.confirmed_at is None:
        raise NoSecondFactor
    return factor


async def _remove(unit: UnitOfWork, factor: SecondFactor) -> None:
    await unit.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == factor.user_id))
    await unit.session.delete(factor)
    unit.emit(SecondFactorChanged(user_id=factor.user_id, is_enabled=False))


async def _replace_recovery_codes(unit: UnitOfWork, user_id: UUID) -> list[str]:
    await unit.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = new_recovery_codes()
    unit.session.add_all(RecoveryCode(user_id=user_id, digest=recovery_digest(code)) for code in codes)
    return codes
