"""Sign-ins that ended long ago are forgotten; what was done in them stays in the audit."""

from datetime import datetime

from sqlalchemy import delete, func, select

from core.unit_of_work import UnitOfWork
from models import RefreshToken, Session


async def prune_refresh_tokens(unit: UnitOfWork, before: datetime, limit: int) -> int:
    """Forget at most ``limit`` tokens that were traded before that time, or whose sign-in ended then.

    A traded token that comes again tells of a thief: ``before`` must be further back than such a token is valid.
    """
    ended = func.least(Session.revoked_at, Session.expires_at) < before
    old = (
        select(RefreshToken.id)
        .join(Session, Session.id == RefreshToken.session_id)
        .where((RefreshToken.used_at < before) | ended)
        .limit(limit)
    )
    pruned = await unit.session.scalars(
        delete(RefreshToken)
        .where(RefreshToken.id.in_(old))
        .returning(RefreshToken.id)
        .execution_options(synchronize_session=False)
    )
    return len(pruned.all())


async def prune_sessions(unit: UnitOfWork, before: datetime, limit: int) -> int:
    """Forget at most ``limit`` sign-ins that ended before that time and have no tokens left.

    API keys and screens are few, and stay: what they are called is shown after they have ended.
    """
    old = (
        select(Session.id)
        .where(
            Session.kind == "sign_in",
            func.least(Session.revoked_at, Session.expires_at) < before,
            ~select(RefreshToken.id).where(RefreshToken.session_id == Session.id).exists(),
        )
        .limit(limit)
    )
    pruned = await unit.session.scalars(
        delete(Session).where(Session.id.in_(old)).returning(Session.id).execution_options(synchronize_session=False)
    )
    return len(pruned.all())
