"""The second step of a sign-in, checked under the lock of the factor's row."""

from sqlalchemy import delete

from core.actor import Actor
from core.settings import Settings
from core.unit_of_work import UnitOfWork
from domain.identity import queries
from domain.identity.errors import InvalidSecondFactor, SecondFactorRequired
from domain.identity.scopes import ENROL
from domain.identity.totp import matching_step, recovery_digest, shared_secret
from models import RecoveryCode, SecondFactor, User


def is_required(user: User | Actor, settings: Settings) -> bool:
    """True when that user's role cannot do without."""
    return user.role in settings.second_factor_roles


async def scopes_after_sign_in(unit: UnitOfWork, user: User, settings: Settings, otp: str | None) -> list[str] | None:
    """Check the code of a user who has a second factor; the scopes that the session begins with.

    ``None`` is everything that the role may; one whose role needs a factor and who has none may set it up.
    Raises ``SecondFactorRequired`` without a code, ``InvalidSecondFactor``.
    """
    factor = await queries.lock_second_factor(unit.session, user.id)
    if factor is None or factor.confirmed_at is None:
        return [ENROL] if is_required(user, settings) else None
    if not otp:
        raise SecondFactorRequired
    if not await accept_code(unit, factor, otp, settings):
        raise InvalidSecondFactor
    return None


async def needs_enrolment(unit: UnitOfWork, user: User, settings: Settings) -> bool:
    """True for a user whose role has come to need a second factor that is not set up yet."""
    if not is_required(user, settings):
        return False
    factor = await unit.session.get(SecondFactor, user.id)
    return factor is None or factor.confirmed_at is None


async def accept_code(unit: UnitOfWork, factor: SecondFactor, code: str, settings: Settings) -> bool:
    """Use up a code of the app, or a recovery code; false when it is none, or was used before.

    The caller holds the factor's row lock.
    """
    if accept_app_code(unit, factor, code, settings):
        return True
    used = await unit.session.scalar(
        delete(RecoveryCode)
        .where(RecoveryCode.user_id == factor.user_id, RecoveryCode.digest == recovery_digest(code))
        .returning(RecoveryCode.user_id)
    )
    return used is not None


def accept_app_code(unit: UnitOfWork, factor: SecondFactor, code: str, settings: Settings) -> bool:
    """Use up a code of the app; false when it is not one, or not any more."""
    secret = shared_secret(factor.seed, settings.secret_key.get_secret_value())
    step = matching_step(secret, code, unit.at, factor.last_step)
    if step is None:
        return False
    factor.last_step = step
    return True
