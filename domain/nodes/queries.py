"""Reads of the hub's nodes."""

from datetime import timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from models import HubNode

_MISSED_REPORTS: Final = 3


async def living_nodes(session: AsyncSession, report_seconds: float) -> list[HubNode]:
    """Those that have reported lately, the oldest first; ``report_seconds`` is how often they do.

    By the database's clock, on both sides.
    """
    patience = timedelta(seconds=_MISSED_REPORTS * report_seconds)
    rows = await session.scalars(
        select(HubNode).where(HubNode.seen_at > func.now() - patience).order_by(HubNode.started_at, HubNode.id)
    )
    return list(rows)
