"""Pure decisions: what a notification says, how a delivery moves on, and when it is tried again."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

import phonenumbers

from core.clock import rfc3339

MAX_ATTEMPTS: Final = 8

_FIRST_RETRY: Final = timedelta(seconds=2)
_LAST_RETRY: Final = timedelta(minutes=5)
# A message that the provider has taken may need a moment to appear in its list.
_LOOK_UP_AFTER: Final = timedelta(seconds=10)


class NotificationType(StrEnum):
    """What kind of news."""

    TICKET_CALLED = "ticket.called"
    MESSAGE_RECEIVED = "message.received"


class DeliveryStatus(StrEnum):
    """Where one channel of a notification is."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNDELIVERABLE = "undeliverable"
    SUPPRESSED = "suppressed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


_S = DeliveryStatus
_CONCLUSIONS: Final = frozenset({_S.SENT, _S.DELIVERED, _S.UNDELIVERABLE, _S.CANCELLED})

_NEXT: Final[dict[DeliveryStatus, frozenset[DeliveryStatus]]] = {
    _S.PENDING: frozenset({_S.SENDING, _S.SUPPRESSED, _S.CANCELLED}),
    _S.SENDING: _CONCLUSIONS | {_S.SENDING, _S.FAILED, _S.UNKNOWN},
    # Leaving these two for a conclusion is news of a worker that was thought dead.
    _S.FAILED: _CONCLUSIONS | {_S.SENDING},
    _S.UNKNOWN: _CONCLUSIONS | {_S.SENDING},
    _S.SENT: frozenset({_S.DELIVERED, _S.UNDELIVERABLE}),
    _S.DELIVERED: frozenset(),
    _S.UNDELIVERABLE: frozenset(),
    _S.SUPPRESSED: frozenset(),
    _S.CANCELLED: frozenset(),
}

UNCERTAIN: Final = frozenset({_S.SENDING, _S.UNKNOWN})
"""From these the provider may have the message already: it is looked up before it is sent again."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a notification says in the product (``title``, ``body``) and by ``sms``."""

    title: str
    body: str
    sms: str


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From ``start`` until before ``end`` by the clock of ``time_zone`` (an IANA name), over midnight as well."""

    start: time
    end: time
    time_zone: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. ``retry_after`` is the least time to wait, where the provider or the fault asks for one."""

    status: DeliveryStatus
    provider: str
    provider_id: str | None = None
    error_code: str | None = None
    retry_after: timedelta = timedelta()


def may_become(current: DeliveryStatus, wanted: DeliveryStatus) -> bool:
    """Whether a delivery can go from one status to the other; never backwards."""
    return wanted in _NEXT[current]


def retry_delay(attempts: int, jitter: float) -> timedelta:
    """How long to wait after that many attempts: doubling from 2 s up to 5 min.

    ``jitter`` from 0 to 1 spreads it over half to one and a half of that, so that what failed together does not come
    back together.
    """
    doubled = min(_FIRST_RETRY * (1 << min(attempts - 1, 16)), _LAST_RETRY)
    return doubled * (0.5 + jitter)


def conclude(outcome: Outcome, attempts: int, jitter: float, at: datetime) -> tuple[DeliveryStatus, datetime | None]:
    """The status after that attempt and, where there is another one, when.

    ``failed`` gives up as ``undeliverable`` after ``MAX_ATTEMPTS``; ``unknown`` stays what it is.
    """
    if outcome.status not in {_S.FAILED, _S.UNKNOWN}:
        return outcome.status, None
    if attempts >= MAX_ATTEMPTS:
        return (_S.UNDELIVERABLE if outcome.status == _S.FAILED else _S.UNKNOWN), None
    least = _LOOK_UP_AFTER if outcome.status == _S.UNKNOWN else timedelta()
    return outcome.status, at + max(retry_delay(attempts, jitter), least, outcome.retry_after)


def ticket_called(code: str, counter_name: str, recalls: int, link: str, public_url: str) -> Text:
    """To whom a ticket was called. Codes and counters only: no name, no specialty, no reason.

    A recall says so, which also tells its SMS from the one before.
    """
    call = f"{code}, call {recalls + 1}" if recalls else code
    sentence = f"{call}: please come to {counter_name}."
    return Text(
        title=f"Ticket {code} is called",
        body=sentence,
        sms=f"{sentence} {public_url.rstrip('/')}/ticket/{link}",
    )


def message_received(sender_name: str, public_url: str) -> Text:
    """To whom a chat message was sent. The SMS says neither what nor from whom."""
    return Text(
        title=f"Message from {sender_name}",
        body="Open the conversation to read it.",
        sms=f"You have a new message at Carebell: {public_url.rstrip('/')}/chat",
    )


def is_still_wanted(
    notification_type: NotificationType,
    data: dict[str, Any],
    *,
    is_read: bool,
    ticket: tuple[str, datetime | None] | None,
) -> bool:
    """Whether an SMS still has a reason when it is sent.

    Not once it was read; and a call only while the ticket is called and was not called again since, perhaps to another
    counter: ``ticket`` is its present status and when it was called last.
    """
    if is_read:
        return False
    if notification_type == NotificationType.TICKET_CALLED:
        status, called_at = ticket or (None, None)
        return status == "called" and called_at is not None and rfc3339(called_at) == data.get("called_at")
    return True


def quiet_until(hours: QuietHours | None, notification_type: NotificationType, at: datetime) -> datetime | None:
    """When quiet hours end in which an SMS of that type has to wait; None when it may be sent now.

    A call does not wait: it is for somebody who sits in the waiting room.
    """
    if hours is None or notification_type == NotificationType.TICKET_CALLED:
        return None
    zone = ZoneInfo(hours.time_zone)
    local = at.astimezone(zone)
    clock = local.time()
    is_over_midnight = hours.end < hours.start
    if is_over_midnight and not (clock >= hours.start or clock < hours.end):
        return None
    if not is_over_midnight and not hours.start <= clock < hours.end:
        return None
    day = local.date() if clock < hours.end else local.date() + timedelta(days=1)
    end = datetime.combine(day, hours.end, zone)
    # In the night in which clocks go back that time comes twice, and the first one may be over.
    return next((one for one in (end.astimezone(UTC), end.replace(fold=1).astimezone(UTC)) if one > at), None)


def phone_in_e164(address: str, region: str) -> str | None:
    """The number in E.164, or None when there can be no such number. ``region`` reads numbers without country code."""
    try:
        number = phonenumbers.parse(address, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
