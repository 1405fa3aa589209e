"""Reads of accounts and sessions."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor, Role
from core.clock import now
from core.database import Database
from core.errors import Validation
from domain.identity.errors import UserNotFound
from models import ClinicMember, Invitation, RecoveryCode, RefreshToken, SecondFactor, Session, User


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a sign-in is checked against."""

    user_id: UUID
    password_hash: str


def _is_alive(at: datetime) -> ColumnElement[bool]:
    """The session was not revoked, has not expired, and its user may sign in. Needs ``users`` joined."""
    return Session.revoked_at.is_(None) & (Session.expires_at > at) & User.is_active


# As ``find_actor`` asks it, for every request and every socket.
_READ_ACTOR: Final = """
SELECT u.id, u.role, u.name, s.id, s.scopes, s.expires_at, ARRAY(
    SELECT m.clinic_id FROM clinic_members m WHERE m.user_id = u.id AND u.role IN ('doctor', 'staff')
)
FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2 AND u.is_active
"""


async def read_actor(database: Database, session_id: UUID, at: datetime) -> Actor | None:
    """Who that session belongs to, as ``find_actor``, without a session of the database's."""
    rows = await database.fetch(_READ_ACTOR, session_id, at)
    return _actor(*rows[0])[0] if rows else None


async def find_actor(session: AsyncSession, session_id: UUID, at: datetime) -> Actor | None:
    """Who that session belongs to, with the clinics of a doctor or staff member; ``None`` once it has ended."""
    found = await _find_actor(session, Session.id == session_id, at)
    return found[0] if found else None


async def find_actor_of_key(session: AsyncSession, digest: bytes, at: datetime) -> tuple[Actor, datetime] | None:
    """The same for the key with that SHA-256, and until when the key is valid."""
    return await _find_actor(session, Session.key_digest == digest, at)


async def _find_actor(session: AsyncSession, which: ColumnElement[bool], at: datetime) -> tuple[Actor, datetime] | None:
    clinic_ids = func.array(
        select(ClinicMember.clinic_id)
        .where(ClinicMember.user_id == User.id, User.role.in_([Role.DOCTOR, Role.STAFF]))
        .scalar_subquery()
    )
    row = (
        await session.execute(
            select(User.id, User.role, User.name, Session.id, Session.scopes, Session.expires_at, clinic_ids)
            .join(Session, Session.user_id == User.id)
            .where(which, _is_alive(at))
        )
    ).one_or_none()
    return None if row is None else _actor(*row)


def _actor(
    user_id: UUID,
    role: str,
    name: str,
    session_id: UUID,
    scopes: Collection[str] | None,
    expires_at: datetime,
    clinics: Collection[UUID],
) -> tuple[Actor, datetime]:
    actor = Actor(
        user_id=user_id,
        role=Role(role),
        name=name,
        session_id=session_id,
        clinic_ids=frozenset(clinics),
        scopes=None if scopes is None else frozenset(scopes),
    )
    return actor, expires_at


async def revoked_sessions(session: AsyncSession, ids: Collection[UUID]) -> set[UUID]:
    """Those of the given sessions that have ended: revoked, expired, unknown, or of a deactivated user.

    One query for all sockets of a hub node.
    """
    if not ids:
        return set()
    alive = await session.scalars(
        select(Session.id)
        .join(User, User.id == Session.user_id)
        .where(Session.id == any_(literal(list(ids), ARRAY(Uuid()))), _is_alive(now()))
    )
    return set(ids).difference(alive)


async def memberships(session: AsyncSession, user_ids: Collection[UUID]) -> dict[UUID, frozenset[UUID]]:
    """The clinics in which those users work; who works in none is not in it. One query for all of a hub node."""
    if not user_ids:
        return {}
    rows = await session.execute(
        select(ClinicMember.user_id, func.array_agg(ClinicMember.clinic_id))
        .where(ClinicMember.user_id == any_(literal(list(user_ids), ARRAY(Uuid()))))
        .group_by(ClinicMember.user_id)
    )
    return {user_id: frozenset(clinic_ids) for user_id, clinic_ids in rows}


async def find_credentials(session: AsyncSession, email_key: str) -> Credentials | None:
    """The active account of that address."""
    row = (
        await session.execute(select(User.id, User.password_hash).where(User.email_key == email_key, User.is_active))
    ).one_or_none()
    return Credentials(*row) if row else None


async def find_active_user(session: AsyncSession, user_id: UUID) -> User | None:
    """That user, unless deactivated."""
    return await session.scalar(select(User).where(User.id == user_id, User.is_active))


async def lock_living_session(session: AsyncSession, session_id: UUID, at: datetime) -> tuple[Session, User] | None:
    """That session, its row locked to the end of the transaction, and its user; ``None`` once it has ended."""
    row = (
        await session.execute(
            select(Session, User)
            .join(User, User.id == Session.user_id)
            .where(Session.id == session_id, _is_alive(at))
            .with_for_update(of=Session)
        )
    ).one_or_none()
    return (row[0], row[1]) if row else None


async def find_unused_successor(session: AsyncSession, used: RefreshToken, since: datetime) -> RefreshToken | None:
    """The token for which that one was traded after ``since``; ``None`` where it was earlier, or has been traded on.

    Both bear the time of the transaction that traded them. The caller holds the session's row lock.
    """
    if used.used_at is None or used.used_at <= since:
        return None
    found: RefreshToken | None = await session.scalar(
        select(RefreshToken).where(
            RefreshToken.session_id == used.session_id,
            RefreshToken.created_at == used.used_at,
            RefreshToken.used_at.is_(None),
        )
    )
    return found


async def living_sessions(session: AsyncSession, user_id: UUID, kind: str, at: datetime) -> list[Session]:
    """A user's sessions of that kind that have not ended, the last used one first."""
    rows = await session.scalars(
        select(Session)
        .where(Session.user_id == user_id, Session.kind == kind, Session.revoked_at.is_(None), Session.expires_at > at)
        .order_by(Session.last_used_at.desc(), Session.id)
    )
    return list(rows)


async def find_living_session(
    session: AsyncSession, session_id: UUID, kind: str, at: datetime, owner: UUID | None
) -> Session | None:
    """That session of that kind, of that owner where one is named; ``None`` once it has ended."""
    wanted = select(Session).where(
        Session.id == session_id, Session.kind == kind, Session.revoked_at.is_(None), Session.expires_at > at
    )
    if owner is not None:
        wanted = wanted.where(Session.user_id == owner)
    found: Session | None = await session.scalar(wanted)
    return found


async def get_person(session: AsyncSession, user_id: UUID) -> User:
    """That account, active or not; a screen is none. Raises ``UserNotFound``."""
    user: User | None = await session.scalar(select(User).where(User.id == user_id, User.role != Role.DEVICE))
    if user is None:
        raise UserNotFound
    return user


async def lock_person(session: AsyncSession, user_id: UUID) -> User:
    """The same, its row locked to the end of the transaction; foreign keys to it are left alone."""
    user: User | None = await session.scalar(
        select(User)
        .where(User.id == user_id, User.role != Role.DEVICE)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if user is None:
        raise UserNotFound
    return user


@dataclass(frozen=True, slots=True)
class UserPage:
    """Accounts by name, how many there are, and the cursor of the next page: None on the last one."""

    items: list[User]
    total: int
    next_cursor: UUID | None


async def list_users(
    session: AsyncSession,
    *,
    role: Role | None,
    search: str,
    is_active: bool | None,
    limit: int,
    page: int = 1,
    cursor: UUID | None = None,
) -> UserPage:
    """A page of accounts by name; ``search`` is a part of a name or an address.

    ``cursor`` is the last account of the page before, and stands in place of ``page``: nobody is listed twice or left
    out because of who came or went meanwhile. Raises ``Validation`` for one that is no account.
    """
    wanted = select(User).where(User.role != Role.DEVICE)
    if role is not None:
        wanted = wanted.where(User.role == role)
    if is_active is not None:
        wanted = wanted.where(User.is_active == is_active)
    if search:
        wanted = wanted.where(
            User.name.icontains(search, autoescape=True) | User.email_key.icontains(search, autoescape=True)
        )
    total = await session.scalar(select(func.count()).select_from(wanted.subquery()))
    by_name = wanted.order_by(User.name, User.id)
    if cursor is None:
        by_name = by_name.offset((page - 1) * limit)
    else:
        by_name = by_name.where(tuple_(User.name, User.id) > await _place_of(session, cursor))
    # One more than asked for tells whether there is a next page.
    found = list(await session.scalars(by_name.limit(limit + 1)))
    return UserPage(found[:limit], total or 0, found[limit - 1].id if len(found) > limit else None)


async def _place_of(session: AsyncSession, user_id: UUID) -> tuple[str, UUID]:
    user = await session.get(User, user_id)
    if user is None:
        raise Validation("The cursor is not one that a page of this list ended with.")
    return user.name, user.id


async def clinics_of(session: AsyncSession, user_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """The clinics that each of them works in; who works in none is left out."""
    rows = await session.execute(
        select(ClinicMember.user_id, ClinicMember.clinic_id)
        .join(User, User.id == ClinicMember.user_id)
        .where(ClinicMember.user_id.in_(user_ids), User.role.in_([Role.DOCTOR, Role.STAFF]))
        .order_by(ClinicMember.clinic_id)
    )
    clinics: dict[UUID, list[UUID]] = {}
    for user_id, clinic_id in rows:
        clinics.setdefault(user_id, []).append(clinic_id)
    return clinics


async def lock_administrators(session: AsyncSession) -> set[UUID]:
    """The active administrators, their rows locked, so that the last two cannot remove each other at once."""
    rows = await session.scalars(
        select(User.id).where(User.role == Role.ADMIN, User.is_active).order_by(User.id).with_for_update(key_share=True)
    )
    return set(rows)


async def lock_second_factor(session: AsyncSession, user_id: UUID) -> SecondFactor | None:
    """A user's second factor, confirmed or not, its row locked: no code is accepted twice."""
    found: SecondFactor | None = await session.scalar(
        select(SecondFactor)
        .where(SecondFactor.user_id == user_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found


async def find_second_factor(session: AsyncSession, user_id: UUID) -> SecondFactor | None:
    """A user's second factor, confirmed or not."""
    return await session.get(SecondFactor, user_id)


async def count_recovery_codes(session: AsyncSession, user_id: UUID) -> int:
    """How many of a user's recovery codes are left."""
    return await session.scalar(select(func.count()).where(RecoveryCode.user_id == user_id)) or 0


async def list_invitations(session: AsyncSession, page: int, limit: int) -> tuple[list[Invitation], int]:
    """A page of invitations, the newest first, and how many there are."""
    total = await session.scalar(select(func.count()).select_from(Invitation))
    rows = await session.scalars(
        select(Invitation).order_by(Invitation.id.desc()).offset((page - 1) * limit).limit(limit)
    )
    return list(rows), total or 0
