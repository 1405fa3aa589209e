"""``python -m tests.hub.desks web``: a process of ours with one more kind of channel, which is for members of a clinic.

Rooms to come have such channels; what holds for them is tested before they do.
"""

import sys
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from domain.clinics.policy import check_works_in
from domain.queueing.policy import WORKERS
from domain.queueing.queries import board_snapshot, get_queue
from hub.catalog import KINDS, Kind
from ops.__main__ import main


async def _workers_only(session: AsyncSession, actor: Actor, queue_id: UUID) -> None:
    _, clinic = await get_queue(session, queue_id)
    check_works_in(actor, clinic.id)


if __name__ == "__main__":
    KINDS["desk"] = Kind(WORKERS, _workers_only, board_snapshot)
    sys.exit(main(sys.argv[1:]))
