"""A request under a key of its user has its effect once; a repeat is answered with what was answered first.

The key is claimed and the answer kept in the transaction of the effect: after a crash there are both, or neither. Who
repeats a request that still runs waits for the end of that transaction, as long as for any statement.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import IdempotencyKeyReused
from core.unit_of_work import UnitOfWork
from models import IdempotencyKey

RETENTION: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: the HTTP status and the JSON body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that belongs to a transaction, which must not end without an answer."""

    unit: UnitOfWork
    user_id: UUID
    key: str


def fingerprint(secret_key: str, *parts: bytes) -> bytes:
    """What tells requests apart. Keyed: a body may hold a password, which a bare hash would give away to guessing."""
    digest = hmac.new(secret_key.encode(), b"carebell:request", hashlib.sha256)
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.digest()


async def claim(unit: UnitOfWork, user_id: UUID, key: str, request: bytes) -> Claim | Answer:
    """Claim the key for a request (its fingerprint), or find the answer that was given under it.

    Call it first: whoever waits here holds nothing yet that others wait for. Raises ``IdempotencyKeyReused``.
    """
    row = {"user_id": user_id, "key": key, "fingerprint": request, "created_at": unit.at}
    claimed = insert(IdempotencyKey).values(row).on_conflict_do_nothing().returning(IdempotencyKey.key)
    if await unit.session.scalar(claimed) is not None:
        return Claim(unit, user_id, key)
    first = await unit.session.get_one(IdempotencyKey, (user_id, key))
    if first.fingerprint != request:
        raise IdempotencyKeyReused
    assert first.status is not None
    assert first.body is not None
    return Answer(first.status, first.body)


async def keep(claim: Claim, answer: Answer) -> None:
    """Write down what is answered once this transaction is committed."""
    await claim.unit.session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.user_id == claim.user_id, IdempotencyKey.key == claim.key)
        .values(status=answer.status, body=answer.body)
    )


async def prune(session: AsyncSession, before: datetime, limit: int) -> int:
    """Forget at most ``limit`` keys older than that. Returns how many."""
    name = tuple_(IdempotencyKey.user_id, IdempotencyKey.key)
    old = select(IdempotencyKey.user_id, IdempotencyKey.key).where(IdempotencyKey.created_at < before).limit(limit)
    pruned = await session.scalars(delete(IdempotencyKey).where(name.in_(old)).returning(IdempotencyKey.key))
    return len(pruned.all())
