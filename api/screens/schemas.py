"""Shapes of screens."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schema_types import Name
from domain.screens.rules import POLL_SECONDS

Secret = Annotated[str, Field(min_length=1, max_length=200)]


class PairingOut(BaseModel):
    """For the screen: show ``code``, keep ``secret``, and ask every ``interval`` seconds whether it was confirmed."""

    code: Annotated[str, Field(examples=["BCDF-GHJK"])]
    secret: str
    expires_at: datetime
    interval: int = POLL_SECONDS


class Poll(BaseModel):
    """The screen that shows the code proves that it does."""

    secret: Secret


class Confirmation(BaseModel):
    """Which board the screen shows, and what people call it."""

    queue_id: UUID
    name: Name


class ScreenOut(BaseModel):
    """A paired screen."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    clinic_id: UUID
    queue_id: UUID
    name: str
    created_at: datetime


class ScreenListed(ScreenOut):
    """With its last use."""

    last_used_at: datetime


class ScreenPage(BaseModel):
    """All screens of a clinic by name."""

    items: list[ScreenListed]
    total: int
    page: int = 1
    limit: int


class PollOut(BaseModel):
    """``pending`` until staff have confirmed the code; then the token for that board, and which it is."""

    status: Literal["pending", "paired"]
    token: str | None = None
    screen: ScreenOut | None = None
