"""Writes of identity: accounts, sessions, and the tickets that open sockets."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from core.actor import Actor, Role
from core.ids import new_id, new_token
from core.settings import Settings
from core.unit_of_work import UnitOfWork
from domain.identity import queries
from domain.identity.errors import (
    EmailAlreadyRegistered,
    InvalidCredentials,
    InvalidToken,
    NotForRole,
    SessionEnded,
    SessionNotFound,
)
from domain.identity.events import SessionRevoked, SignedIn, UserRegistered
from domain.identity.passwords import USUAL_COST, check_password, hash_password
from domain.identity.policy import check_may_create_user, user_of
from domain.identity.rules import (
    SOCKET_TICKET_LIFETIME,
    RefreshClaims,
    digest_of,
    email_key,
    normalise_email,
    write_access_token,
    write_refresh_token,
)
from domain.identity.scopes import ENROL
from domain.identity.second_factor import needs_enrolment, scopes_after_sign_in
from models import Patient, RefreshToken, Session, SocketTicket, User

_SWEPT_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class SignIn:
    """A user with fresh tokens."""

    user: User
    access_token: str
    refresh_token: str


async def create_user(
    unit: UnitOfWork,
    *,
    email: str,
    password: str,
    name: str,
    role: Role = Role.PATIENT,
    phone: str | None = None,
    specialization: str | None = None,
    department: str | None = None,
    password_min_length: int = 8,
    password_cost: int = USUAL_COST,
) -> User:
    """Make an account, and for a patient the patient's record; ``phone`` in E.164.

    Raises ``Authorization`` for a role that the actor cannot give, ``InvalidEmail``, ``UnfitPassword``,
    ``NotForRole``, and ``EmailAlreadyRegistered``, also when two register the same address at once.
    """
    check_may_create_user(unit.actor, role)
    if (specialization and role != Role.DOCTOR) or (department and role != Role.STAFF):
        raise NotForRole
    address = normalise_email(email)
    check_password(password, password_min_length)
    # Before the first query: hashing takes a quarter of a second, in which no connection should be held.
    password_hash = await hash_password(password, password_cost)
    user = await add_account(unit, email=address, password_hash=password_hash, name=name, role=role, phone=phone)
    user.specialization, user.department = specialization, department
    return user


async def add_account(
    unit: UnitOfWork, *, email: str, password_hash: str, name: str, role: Role, phone: str | None
) -> User:
    """The rows of an account. The caller has checked that it may be made. Raises ``EmailAlreadyRegistered``."""
    user: User | None = await unit.session.scalar(
        insert(User)
        .values(
            id=new_id(),
            email=email,
            email_key=email_key(email),
            name=name,
            role=role,
            password_hash=password_hash,
            phone=phone,
        )
        .on_conflict_do_nothing(index_elements=[User.email_key])
        .returning(User)
    )
    if user is None:
        raise EmailAlreadyRegistered
    if role == Role.PATIENT:
        unit.session.add(Patient(user_id=user.id, name=name, phone=phone))
    unit.emit(UserRegistered(user_id=user.id, role=role))
    return user


async def open_session(
    unit: UnitOfWork, user_id: UUID, settings: Settings, user_agent: str = "", otp: str | None = None
) -> SignIn:
    """Sign that user in on one device. The caller has checked the password; ``otp`` is checked here.

    Raises ``InvalidCredentials`` when the account was deactivated in the meantime, ``SecondFactorRequired``,
    ``InvalidSecondFactor``.
    """
    user = await queries.find_active_user(unit.session, user_id)
    if user is None:
        raise InvalidCredentials
    scopes = await scopes_after_sign_in(unit, user, settings, otp)
    session = Session(
        id=new_id(),
        user_id=user.id,
        created_at=unit.at,
        last_used_at=unit.at,
        expires_at=unit.at + timedelta(days=settings.refresh_token_days),
        user_agent=user_agent,
        scopes=scopes,
    )
    unit.session.add(session)
    await unit.session.flush()
    unit.emit(SignedIn(session_id=session.id, user_id=user.id))
    return await _issue_tokens(unit, user, session, settings)


async def renew_session(unit: UnitOfWork, claims: RefreshClaims, settings: Settings) -> SignIn | None:
    """Trade a refresh token for fresh tokens; it works once.

    Whoever shows it again within the leeway, while its successor is unused, is given that same successor: the answer
    may have been lost on its way. A session never has two lines of tokens (docs/decisions/0019-refresh-leeway.md).

    ``None`` when it was used before that: then it is in two hands, and the session is revoked, which the caller must
    commit before refusing. Raises ``SessionEnded`` or ``InvalidToken``.
    """
    # The session's row lock makes rotations of one session wait for each other: of ten at once, one finds it unused.
    found = await queries.lock_living_session(unit.session, claims.session_id, unit.at)
    if found is None:
        raise SessionEnded
    session, user = found
    token = await unit.session.scalar(
        select(RefreshToken).where(RefreshToken.id == claims.token_id, RefreshToken.session_id == session.id)
    )
    if token is None:
        raise InvalidToken
    successor = None
    if token.used_at is None:
        token.used_at = unit.at
    else:
        leeway = timedelta(seconds=settings.refresh_reuse_leeway_seconds)
        successor = await queries.find_unused_successor(unit.session, token, unit.at - leeway)
        if successor is None:
            await revoke_session(unit, session.id, "refresh_token_reused")
            return None
    if session.scopes is None and await needs_enrolment(unit, user, settings):
        session.scopes = [ENROL]
    session.last_used_at = unit.at
    session.expires_at = unit.at + timedelta(days=settings.refresh_token_days)
    return await _issue_tokens(unit, user, session, settings, successor)


async def _issue_tokens(
    unit: UnitOfWork, user: User, session: Session, settings: Settings, refresh: RefreshToken | None = None
) -> SignIn:
    secret = settings.secret_key.get_secret_value()
    if refresh is None:
        refresh = RefreshToken(id=new_id(), session_id=session.id, created_at=unit.at)
        unit.session.add(refresh)
    access_lifetime = timedelta(minutes=settings.access_token_minutes)
    refresh_lifetime = timedelta(days=settings.refresh_token_days)
    return SignIn(
        user=user,
        access_token=write_access_token(user.id, user.email, user.role, session.id, secret, unit.at, access_lifetime),
        refresh_token=write_refresh_token(user.id, session.id, refresh.id, secret, unit.at, refresh_lifetime),
    )


async def revoke_session(unit: UnitOfWork, session_id: UUID, reason: str = "signed_out") -> None:
    """End a session: its tokens are refused from now on, and its sockets close. Ending it twice changes nothing."""
    user_id = await unit.session.scalar(
        update(Session)
        .where(Session.id == session_id, Session.revoked_at.is_(None))
        .values(revoked_at=unit.at)
        .returning(Session.user_id)
    )
    if user_id is not None:
        unit.emit(SessionRevoked(session_id=session_id, user_id=user_id, reason=reason))


async def revoke_own_session(unit: UnitOfWork, session_id: UUID) -> None:
    """End one of the actor's sign-ins. Raises ``Authentication``, ``SessionNotFound``."""
    owner = user_of(unit.actor)
    if await queries.find_living_session(unit.session, session_id, "sign_in", unit.at, owner) is None:
        raise SessionNotFound
    await revoke_session(unit, session_id, "revoked")


async def end_sessions(unit: UnitOfWork, user_id: UUID, reason: str, *, only_sign_ins: bool = False) -> None:
    """End all that signs that user in, on every device; with ``only_sign_ins`` their API keys go on working."""
    ending = update(Session).where(Session.user_id == user_id, Session.revoked_at.is_(None))
    if only_sign_ins:
        ending = ending.where(Session.kind == "sign_in")
    ended = await unit.session.scalars(
        ending.values(revoked_at=unit.at).returning(Session.id).execution_options(synchronize_session=False)
    )
    for session_id in ended:
        unit.emit(SessionRevoked(session_id=session_id, user_id=user_id, reason=reason))


async def open_socket_ticket(unit: UnitOfWork) -> str:
    """A ticket that signs one socket in to the actor's session within 30 s. Raises ``SessionEnded`` without one."""
    if unit.actor.session_id is None:
        raise SessionEnded
    expired = (
        select(SocketTicket.digest)
        .where(SocketTicket.expires_at <= func.now())
        .limit(_SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    # Whoever takes a ticket clears away some that nobody came for: the table stays small without a sweep.
    await unit.session.execute(delete(SocketTicket).where(SocketTicket.digest.in_(expired)))
    ticket = new_token()
    unit.session.add(
        SocketTicket(
            digest=digest_of(ticket),
            session_id=unit.actor.session_id,
            # By Postgres, the one clock of all nodes: who redeems it is often not who gave it.
            expires_at=func.now() + SOCKET_TICKET_LIFETIME,
        )
    )
    return ticket


async def redeem_socket_ticket(unit: UnitOfWork, ticket: str) -> Actor:
    """Whom that ticket signs in. It works once, whoever is faster.

    Raises ``InvalidToken`` for one that is unknown, used or expired, ``SessionEnded`` when its session has ended.
    """
    session_id = await unit.session.scalar(
        delete(SocketTicket)
        .where(SocketTicket.digest == digest_of(ticket), SocketTicket.expires_at > func.now())
        .returning(SocketTicket.session_id)
    )
    if session_id is None:
        raise InvalidToken
    actor = await queries.find_actor(unit.session, session_id, unit.at)
    if actor is None:
        raise SessionEnded
    return actor
