"""What every provider of text messages can do, and what can go wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol
from uuid import UUID

from domain.notifications.rules import DeliveryStatus


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that the provider has: its id there, and how far it has come."""

    provider_id: str
    status: DeliveryStatus
    error_code: str | None = None


class ProviderFault(Exception):
    """The provider did not take the message. ``error_code`` is its own word, for people who look it up."""

    def __init__(self, error_code: str, reason: str = "") -> None:
        """``reason`` holds no message and no number."""
        super().__init__(reason or error_code)
        self.error_code = error_code


class Refused(ProviderFault):
    """It will never take this message: the number cannot be reached."""


class TryLater(ProviderFault):
    """It did not take the message now, and may do so later."""


class Misconfigured(ProviderFault):
    """It takes no message of ours before a person changes the configuration."""


class NoAnswer(ProviderFault):
    """Whether it took the message is not known."""


class SmsProvider(Protocol):
    """Sends text messages. All methods may raise a ``ProviderFault``."""

    name: ClassVar[str]

    async def send(self, to: str, body: str, delivery_id: UUID) -> Sent:
        """Hand a message over; ``to`` in E.164."""
        ...

    async def find(self, to: str, body: str, since: datetime) -> Sequence[Sent]:
        """Messages with that body to that number which it took since then, newest first."""
        ...
