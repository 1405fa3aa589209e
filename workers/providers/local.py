"""The provider without credentials: messages are kept in ``local_messages``, to be read at ``/dev/outbox``."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from core.database import Database
from core.ids import new_id
from domain.notifications.rules import DeliveryStatus
from models import LocalMessage
from workers.providers.base import Sent


class LocalProvider:
    """Takes everything, each delivery once."""

    name: ClassVar[str] = "local"

    def __init__(self, database: Database) -> None:
        """Where the messages are kept."""
        self._database = database

    async def send(self, to: str, body: str, delivery_id: UUID) -> Sent:
        """Keep the message; a repeat finds the first one."""
        async with self._database.session() as session:
            await session.execute(
                insert(LocalMessage)
                .values(id=new_id(), delivery_id=delivery_id, to=to, body=body)
                .on_conflict_do_nothing(index_elements=[LocalMessage.delivery_id])
            )
            message_id = await session.scalar(select(LocalMessage.id).where(LocalMessage.delivery_id == delivery_id))
            await session.commit()
        return Sent(str(message_id), DeliveryStatus.DELIVERED)

    async def find(self, to: str, body: str, since: datetime) -> Sequence[Sent]:
        """What was kept, newest first."""
        async with self._database.session() as session:
            found = await session.scalars(
                select(LocalMessage.id)
                .where(LocalMessage.to == to, LocalMessage.body == body, LocalMessage.created_at >= since)
                .order_by(LocalMessage.created_at.desc())
            )
            return [Sent(str(message_id), DeliveryStatus.DELIVERED) for message_id in found]
