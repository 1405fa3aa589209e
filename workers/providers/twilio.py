"""Twilio's Programmable Messaging by its own SDK (https://www.twilio.com/docs/messaging/api/message-resource)."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.exceptions import MaxRetryError, NewConnectionError

from core.settings import Settings
from domain.notifications.rules import DeliveryStatus
from workers.providers.base import Misconfigured, NoAnswer, ProviderFault, Refused, Sent, TryLater

# https://www.twilio.com/docs/messaging/api/message-resource#message-status-values
_STATUSES: Final = {
    "accepted": DeliveryStatus.SENT,
    "scheduled": DeliveryStatus.SENT,
    "queued": DeliveryStatus.SENT,
    "sending": DeliveryStatus.SENT,
    "sent": DeliveryStatus.SENT,
    "partially_delivered": DeliveryStatus.SENT,
    "delivered": DeliveryStatus.DELIVERED,
    "read": DeliveryStatus.DELIVERED,
    "undelivered": DeliveryStatus.UNDELIVERABLE,
    "failed": DeliveryStatus.UNDELIVERABLE,
    "canceled": DeliveryStatus.CANCELLED,
}

# https://www.twilio.com/docs/api/errors: credentials, the account, or a sender that is not ours.
_CONFIGURATION: Final = frozenset({20003, 20005, 20404, 21212, 21603, 21606, 21659, 21660, 30002})

# Of a trial account; it is part of the body that Twilio reports.
_TRIAL_PREFIX: Final = "Sent from your Twilio trial account - "
# Its clock is not ours, and its times are whole seconds.
_CLOCK_SKEW: Final = timedelta(seconds=30)
_LOOK_AT_MOST: Final = 100


class TwilioProvider:
    """Sends from ``TWILIO_FROM``. The SDK blocks, so that every call runs in a thread."""

    name: ClassVar[str] = "twilio"

    def __init__(self, settings: Settings) -> None:
        """Connects to nothing yet."""
        self._from = settings.twilio_from
        self._client = Client(
            settings.twilio_account_sid,
            settings.twilio_auth_token.get_secret_value(),
            http_client=_HttpClient(settings.twilio_base_url, settings.twilio_timeout_seconds),
        )

    async def send(self, to: str, body: str, delivery_id: UUID) -> Sent:
        """Hand a message over. Twilio knows no idempotency key: look a message up before sending it again."""
        return await asyncio.to_thread(self._send, to, body)

    async def find(self, to: str, body: str, since: datetime) -> Sequence[Sent]:
        """Among the newest hundred to that number; by creation, since a queued one has no time of sending yet."""
        return await asyncio.to_thread(self._find, to, body, since - _CLOCK_SKEW)

    def _send(self, to: str, body: str) -> Sent:
        try:
            return _sent(self._client.messages.create(to=to, from_=self._from, body=body))
        except _FAULTS as fault:
            raise _translate(fault) from fault

    def _find(self, to: str, body: str, since: datetime) -> list[Sent]:
        try:
            newest = self._client.messages.list(to=to, limit=_LOOK_AT_MOST)
            bodies = {body, _TRIAL_PREFIX + body}
            return [_sent(found) for found in newest if found.body in bodies and found.date_created >= since]
        except _FAULTS as fault:
            raise _translate(fault) from fault


class _HttpClient:
    """The SDK's own client, with time-outs, and sent elsewhere where ``base_url`` names another scheme and host."""

    is_async: Final = False

    def __init__(self, base_url: str, timeout_seconds: float) -> None:
        self._base = urlsplit(base_url)
        # Each for connecting and for reading; nothing is repeated behind our back.
        self._client = TwilioHttpClient(timeout=timeout_seconds, max_retries=0)

    def request(self, method: str, url: str, **more: Any) -> Any:
        if self._base.netloc:
            url = urlunsplit(urlsplit(url)._replace(scheme=self._base.scheme, netloc=self._base.netloc))
        return self._client.request(method, url, **more)


# ValueError: an answer that is not JSON, as of a proxy between.
_FAULTS: Final = (TwilioException, requests.RequestException, ValueError)


def _sent(message: Any) -> Sent:
    # A status that Twilio adds one day still means that it has the message.
    status = _STATUSES.get(message.status, DeliveryStatus.SENT)
    return Sent(message.sid, status, str(message.error_code) if message.error_code else None)


def _translate(fault: Exception) -> ProviderFault:
    if isinstance(fault, TwilioRestException | TwilioServiceException):
        return _translate_answer(fault.status, int(fault.code or fault.status))
    if isinstance(fault, TwilioException) and isinstance(fault.args[-1], Response):
        # A list that cannot be had: the SDK hands its answer on unread.
        return _translate_answer(fault.args[-1].status_code, fault.args[-1].status_code)
    if isinstance(fault, requests.ConnectTimeout) or _was_not_connected(fault):
        return TryLater("UNREACHABLE", "Twilio cannot be reached")
    return NoAnswer("NO_ANSWER", type(fault).__name__)


def _translate_answer(status: int, code: int) -> ProviderFault:
    """By Twilio's code where it says something, else by the HTTP status."""
    error_code, reason = str(code), f"Twilio says {code} (https://www.twilio.com/docs/api/errors/{code})"
    if code in _CONFIGURATION or status in {401, 403} or status < 400:
        return Misconfigured(error_code, reason)
    if status in {429, 503}:
        return TryLater(error_code, reason)
    if status >= 500:
        # It may have failed after it took the message, and a gateway does not know.
        return NoAnswer(error_code, reason)
    return Refused(error_code, reason)


def _was_not_connected(fault: Exception) -> bool:
    cause = fault.args[0] if isinstance(fault, requests.ConnectionError) and fault.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
