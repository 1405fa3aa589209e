"""What a token or a key shows, turned into an actor: the one way in for REST and sockets."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.clock import now
from core.database import Database
from domain.identity import queries
from domain.identity.errors import InvalidToken, SessionEnded
from domain.identity.rules import digest_of, is_key, read_access_token
from models import Session

# The last use of a key is written at most so often: it is asked with every request.
_USE_NOTED_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Identified:
    """An actor, and until when what was shown is valid. A session that is revoked ends earlier."""

    actor: Actor
    expires_at: datetime


async def identify(database: Database, token: str, secret: str) -> Identified:
    """Who shows that access token, API key or screen's key.

    Raises ``Authentication``: it is not genuine, has expired, or its session has ended.
    """
    at = now()
    if is_key(token):
        async with database.session() as session:
            return await _owner_of_key(session, digest_of(token), at)
    claims = read_access_token(token, secret, at)
    actor = await queries.read_actor(database, claims.session_id, at)
    if actor is None:
        raise SessionEnded
    if actor.user_id != claims.user_id:
        raise InvalidToken
    return Identified(actor, claims.expires_at)


async def _owner_of_key(session: AsyncSession, digest: bytes, at: datetime) -> Identified:
    found = await queries.find_actor_of_key(session, digest, at)
    if found is None:
        raise InvalidToken
    await session.execute(
        update(Session)
        .where(Session.key_digest == digest, Session.last_used_at < at - _USE_NOTED_EVERY)
        .values(last_used_at=at)
        .execution_options(synchronize_session=False)
    )
    await session.commit()
    return Identified(*found)
