"""Signing in, in three steps that hold no database connection while bcrypt works."""

from fastapi import Request

from api.deps import runtime_of
from api.identity.login_limit import LoginLimit, email_digest
from core.actor import ANONYMOUS
from core.errors import Refusal, TooManyRequests, Validation
from core.runtime import Runtime
from core.unit_of_work import UnitOfWork
from domain.audit.actions import write_entry
from domain.audit.rules import AuditAction
from domain.identity.actions import SignIn, open_session
from domain.identity.actions_passwords import replace_hash
from domain.identity.errors import InvalidCredentials, InvalidSecondFactor
from domain.identity.passwords import hash_password, matches, needs_rehash
from domain.identity.queries import Credentials, find_credentials, lock_person
from domain.identity.rules import email_key

_USER_AGENT_LENGTH = 200


async def sign_in(request: Request, email: str, password: str, otp: str | None = None) -> SignIn:
    """A new session for who that is; ``otp`` is the code of a second factor.

    Raises ``InvalidCredentials``: the same, and after the same time, for a wrong address and a wrong password;
    ``SecondFactorRequired`` and ``InvalidSecondFactor``, after the right password only; and ``TooManyRequests`` after
    too many of all of those.
    """
    runtime = runtime_of(request)
    login_limit = LoginLimit(runtime, email)
    known = await _find(runtime, email)
    try:
        await login_limit.begin()
    except TooManyRequests as locked:
        await _note_failure(runtime, email, known, locked)
        raise
    cost = runtime.settings.bcrypt_cost
    if not await matches(password, known.password_hash if known else None, cost) or known is None:
        refused = InvalidCredentials()
        await _note_failure(runtime, email, known, refused)
        raise refused
    rehashed = await hash_password(password, cost) if needs_rehash(known.password_hash, cost) else None
    try:
        async with runtime.transactions.begin(ANONYMOUS) as unit:
            await _check_again(unit, known, password, cost)
            signed_in = await open_session(unit, known.user_id, runtime.settings, _user_agent(request), otp)
            if rehashed is not None:
                await replace_hash(unit, known.user_id, known.password_hash, rehashed)
    except (InvalidCredentials, InvalidSecondFactor) as refused:
        await _note_failure(runtime, email, known, refused)
        raise
    await login_limit.succeeded()
    return signed_in


async def _find(runtime: Runtime, email: str) -> Credentials | None:
    try:
        key = email_key(email)
    except Validation:
        return None
    async with runtime.database.reads() as session:
        return await find_credentials(session, key)


async def _check_again(unit: UnitOfWork, known: Credentials, password: str, cost: int) -> None:
    """Since it was read the hash may have been changed, to one of another cost or of another password.

    Under the lock it cannot: a reset ends all sessions, and none may be opened by the old password behind its back.
    """
    user = await lock_person(unit.session, known.user_id)
    if user.password_hash != known.password_hash and not await matches(password, user.password_hash, cost):
        raise InvalidCredentials


async def _note_failure(runtime: Runtime, email: str, known: Credentials | None, refusal: Refusal) -> None:
    """Attempts while the address is locked as well: they say that somebody goes on."""
    subject = f"user:{known.user_id}" if known else f"email:{email_digest(email, runtime.settings)}"
    async with runtime.transactions.begin(ANONYMOUS) as unit:
        write_entry(unit, AuditAction.SIGN_IN_FAILED, subject, {"error_code": refusal.error_code})


def _user_agent(request: Request) -> str:
    """What the client calls itself, for the list of a user's sessions; its words are not trusted to be text."""
    shown = request.headers.get("user-agent", "")[:_USER_AGENT_LENGTH]
    return "".join(character for character in shown if character.isprintable())
