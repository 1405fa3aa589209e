"""Keys that stand for a session: of machines (API keys) and, through another room, of screens."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from core.actor import Role
from core.ids import new_id, new_token
from core.unit_of_work import UnitOfWork
from domain.identity import queries
from domain.identity.actions import revoke_session
from domain.identity.errors import KeyNotFound, UnknownScope
from domain.identity.events import ApiKeyMade
from domain.identity.policy import check_may_make_key, manages_all_keys
from domain.identity.rules import API_KEY, digest_of
from domain.identity.scopes import SCOPES
from models import Session, User

_HINT_LENGTH: Final = 4
# A screen hangs on its wall until somebody takes it down.
_SCREEN_LIFETIME: Final = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is shown once, and the session that it stands for."""

    key: str
    session: Session


async def create_api_key(unit: UnitOfWork, name: str, scopes: list[str], lifetime: timedelta) -> NewKey:
    """A key for a machine, with the actor's rights narrowed to those scopes. Only its SHA-256 is kept.

    Raises ``Authorization``, ``UnknownScope``.
    """
    user_id = check_may_make_key(unit.actor)
    if not SCOPES.issuperset(scopes):
        raise UnknownScope(f"Scopes are: {', '.join(sorted(SCOPES))}.")
    key = API_KEY + new_token()
    session = Session(
        id=new_id(),
        user_id=user_id,
        kind="api_key",
        label=name,
        scopes=sorted(set(scopes)),
        key_digest=digest_of(key),
        key_hint=key[-_HINT_LENGTH:],
        created_at=unit.at,
        last_used_at=unit.at,
        expires_at=unit.at + lifetime,
    )
    unit.session.add(session)
    await unit.session.flush()
    unit.emit(ApiKeyMade(session_id=session.id, user_id=user_id, scopes=session.scopes or []))
    return NewKey(key, session)


async def revoke_api_key(unit: UnitOfWork, key_id: UUID) -> None:
    """End a key: the actor's own, or anybody's for administrators. Raises ``Authorization``, ``KeyNotFound``."""
    maker = check_may_make_key(unit.actor)
    owner = None if manages_all_keys(unit.actor) else maker
    if await queries.find_living_session(unit.session, key_id, "api_key", unit.at, owner) is None:
        raise KeyNotFound
    await revoke_session(unit, key_id, "key_revoked")


async def open_device_session(unit: UnitOfWork, name: str, key_digest: bytes, scopes: list[str]) -> Session:
    """The standing sign-in of a screen, under a user of its own with an address that nobody can have.

    The caller has checked that the actor may pair it.
    """
    user_id = new_id()
    address = f"{user_id}@screens.invalid"
    # RFC 2606: no mail reaches .invalid, and registering refuses it. "!" is the hash of nothing.
    unit.session.add(
        User(id=user_id, email=address, email_key=address, name=name, role=Role.DEVICE, password_hash="!")  # noqa: S106 - see above
    )
    await unit.session.flush()
    session = Session(
        id=new_id(),
        user_id=user_id,
        kind="screen",
        label=name,
        scopes=scopes,
        key_digest=key_digest,
        created_at=unit.at,
        last_used_at=unit.at,
        expires_at=unit.at + _SCREEN_LIFETIME,
    )
    unit.session.add(session)
    await unit.session.flush()
    return session
