"""The processes that serve sockets, as they report themselves."""

from datetime import datetime

from sqlalchemy import BigInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Identified


class HubNode(Identified, Base):
    """One running process; its row is written anew every few seconds, and is gone when the process has ended in order.

    ``name`` is ``<host>:<pid>``, ``users`` those with a signed-in socket. The rates are those of the last interval.
    """

    __tablename__ = "hub_nodes"

    name: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    sockets: Mapped[int]
    event_streams: Mapped[int]
    users: Mapped[int]
    channels: Mapped[int]
    deliveries: Mapped[int] = mapped_column(BigInteger)
    deliveries_per_second: Mapped[float]
    bytes_per_second: Mapped[float]
    is_connected: Mapped[bool]
    is_draining: Mapped[bool]
