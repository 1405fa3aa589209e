"""Sign-ins that ended long ago are forgotten, and nothing that is still needed."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from core.clock import now
from core.runtime import Runtime
from models import RefreshToken, Session
from tests.people import create_person
from workers import jobs


async def _session(runtime: Runtime, **changes: object) -> UUID:
    """Of a new person, with one token; ``changes`` to the session."""
    person = await create_person(runtime)
    async with runtime.transactions.begin() as unit:
        [made] = await unit.session.scalars(select(Session.id).where(Session.user_id == person.id))
        if changes:
            await unit.session.execute(update(Session).where(Session.id == made).values(**changes))
    return made


async def _tokens(runtime: Runtime, session_id: UUID) -> int | None:
    """How many a session has; None when the session is gone."""
    async with runtime.database.reads() as session:
        if await session.get(Session, session_id) is None:
            return None
        return await session.scalar(
            select(func.count()).select_from(RefreshToken).where(RefreshToken.session_id == session_id)
        )


async def _trade(runtime: Runtime, session_id: UUID, days_ago: float) -> None:
    """A token that was traded so long ago, besides those that there are."""
    at = now() - timedelta(days=days_ago)
    async with runtime.transactions.begin() as unit:
        unit.session.add(RefreshToken(session_id=session_id, created_at=at, used_at=at))


async def test_what_ended_before_the_retention_goes_and_all_else_stays(runtime: Runtime) -> None:
    days = runtime.settings.session_retention_days
    long_ago, lately = now() - timedelta(days=days, hours=1), now() - timedelta(days=days - 1)
    living = await _session(runtime)
    gone = [await _session(runtime, revoked_at=long_ago), await _session(runtime, expires_at=long_ago)]
    ended_lately = await _session(runtime, revoked_at=lately)
    api_key = await _session(runtime, revoked_at=long_ago, kind="api_key", scopes=[])
    await _trade(runtime, living, days + 1)
    await _trade(runtime, living, days - 1)
    assert await _tokens(runtime, living) == 3
    assert await jobs.prune_sessions(runtime) >= 5
    assert [await _tokens(runtime, one) for one in gone] == [None, None]
    # The token in use and the one whose repetition would tell of a thief.
    assert await _tokens(runtime, living) == 2
    assert await _tokens(runtime, ended_lately) == 1
    assert await _tokens(runtime, api_key) is not None


async def test_more_than_one_transaction_may_delete_goes_as_well(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_PRUNE_BATCH", 2)
    long_ago = now() - timedelta(days=runtime.settings.session_retention_days, hours=1)
    gone = [await _session(runtime, revoked_at=long_ago) for _ in range(5)]
    assert await jobs.prune_sessions(runtime) >= 10
    assert [await _tokens(runtime, one) for one in gone] == [None] * 5
