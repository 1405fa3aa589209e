"""Shapes of the hub's nodes."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from core.redis_address import Mode


class HubNodeOut(BaseModel):
    """A process that serves sockets; ``name`` is ``<host>:<pid>``, the rates are those of the last few seconds.

    ``event_streams`` are boards by Server-Sent Events, ``users`` those with a signed-in socket there. Not
    ``is_connected``: it hears of other processes by way of Postgres only. ``is_draining``: it is about to end.
    """

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    started_at: datetime
    seen_at: datetime
    sockets: int
    event_streams: int
    users: int
    channels: int
    deliveries: int
    deliveries_per_second: float
    bytes_per_second: float
    is_connected: bool
    is_draining: bool


class HubNodes(BaseModel):
    """All that have reported lately, the oldest first; ``redis_mode`` is what the setting REDIS_URL names."""

    items: list[HubNodeOut]
    redis_mode: Mode


class ShownBoardOut(BaseModel):
    """A board that is on at least one screen."""

    queue_id: UUID
    queue_name: str
    clinic_name: str
    screens: int


class ShownBoards(BaseModel):
    """All boards that are shown, by clinic."""

    items: list[ShownBoardOut]


class Disconnection(BaseModel):
    """Whom to send off."""

    user_id: UUID
