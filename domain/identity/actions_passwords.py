"""Passwords that were forgotten, and hashes that have become too cheap."""

from uuid import UUID

from sqlalchemy import delete, select, update

from core.errors import Validation
from core.ids import new_id
from core.settings import Settings
from core.tasks import SEND_EMAIL
from core.unit_of_work import UnitOfWork
from domain.identity import queries
from domain.identity.actions import end_sessions
from domain.identity.errors import LinkNotValid, UserNotFound
from domain.identity.events import PasswordReset as PasswordWasReset
from domain.identity.passwords import check_password, hash_password
from domain.identity.rules import digest_of, email_key
from models import Email, PasswordReset, User


async def ask_for_reset(unit: UnitOfWork, email: str) -> None:
    """Have a link mailed to that address, if it has an account.

    Whether it has is looked up by the worker: the same statements run here for every address, in the same time.
    """
    try:
        key = email_key(email)
    except Validation:
        return
    letter = Email(id=new_id(), kind="password_reset", to_key=key)
    unit.session.add(letter)
    unit.enqueue(SEND_EMAIL, str(letter.id))


async def reset_password(unit: UnitOfWork, token: str, password: str, settings: Settings) -> None:
    """Set a new password by way of a mailed token. It works once; all sessions and keys of the account end.

    Raises ``UnfitPassword``, ``LinkNotValid``.
    """
    check_password(password, settings.password_min_length)
    # Before the first query: hashing takes a quarter of a second, in which no connection should be held.
    password_hash = await hash_password(password, settings.bcrypt_cost)
    user = await _lock_owner(unit, digest_of(token))
    used = await unit.session.scalar(
        delete(PasswordReset)
        .where(PasswordReset.digest == digest_of(token), PasswordReset.expires_at > unit.at)
        .returning(PasswordReset.user_id)
    )
    if used is None or not user.is_active:
        raise LinkNotValid
    await unit.session.execute(delete(PasswordReset).where(PasswordReset.user_id == user.id))
    user.password_hash = password_hash
    await end_sessions(unit, user.id, "password_reset")
    unit.emit(PasswordWasReset(user_id=user.id))


async def _lock_owner(unit: UnitOfWork, digest: bytes) -> User:
    """The account first, its tokens after: two tokens of one account that are used at once wait for each other."""
    user_id = await unit.session.scalar(select(PasswordReset.user_id).where(PasswordReset.digest == digest))
    if user_id is None:
        raise LinkNotValid
    try:
        return await queries.lock_person(unit.session, user_id)
    except UserNotFound as gone:
        raise LinkNotValid from gone


async def replace_hash(unit: UnitOfWork, user_id: UUID, before: str, after: str) -> None:
    """Keep the same password under another cost, unless it has been changed meanwhile."""
    await unit.session.execute(
        update(User)
        .where(User.id == user_id, User.password_hash == before)
        .values(password_hash=after)
        .execution_options(synchronize_session=False)
    )
