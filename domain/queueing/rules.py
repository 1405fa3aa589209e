"""Pure decisions of the queue: which changes are legal, how codes look, how long a wait may be."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class TicketStatus(StrEnum):
    """The states of a ticket."""

    WAITING = "waiting"
    CALLED = "called"
    SERVING = "serving"
    ON_HOLD = "on_hold"
    NO_SHOW = "no_show"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    LEFT = "left"
    TRANSFERRED = "transferred"


_S = TicketStatus

TRANSITIONS: Final[dict[TicketStatus, frozenset[TicketStatus]]] = {
    _S.WAITING: frozenset({_S.CALLED, _S.ON_HOLD, _S.TRANSFERRED, _S.CANCELLED, _S.LEFT}),
    _S.CALLED: frozenset({_S.CALLED, _S.SERVING, _S.NO_SHOW, _S.WAITING, _S.TRANSFERRED}),
    _S.SERVING: frozenset({_S.COMPLETED, _S.ON_HOLD, _S.WAITING, _S.TRANSFERRED}),
    _S.ON_HOLD: frozenset({_S.WAITING, _S.CALLED, _S.CANCELLED, _S.LEFT}),
    _S.NO_SHOW: frozenset({_S.WAITING}),
    _S.COMPLETED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.LEFT: frozenset(),
    _S.TRANSFERRED: frozenset(),
}

ON_BOARD: Final = frozenset({_S.WAITING, _S.CALLED, _S.SERVING})
NO_SHOW_GRACE: Final = timedelta(minutes=30)


def allowed_from(status: TicketStatus, called_at: datetime | None, at: datetime) -> frozenset[TicketStatus]:
    """What may follow; a no-show may come back only within the grace time after the call."""
    if status == _S.NO_SHOW and (called_at is None or at - called_at > NO_SHOW_GRACE):
        return frozenset()
    return TRANSITIONS[status]


def ticket_code(prefix: str, number: int) -> str:
    """``A-042``: at least three digits, so that codes of a day have one length on the board."""
    return f"{prefix}-{number:03d}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A range of minutes: half of all waits end before ``low_minutes``, nine in ten before ``high_minutes``."""

    low_minutes: int
    high_minutes: int


def estimate_wait(ahead: int, staffed_counters: int, average_service_seconds: int) -> Estimate | None:
    """The wait of somebody with ``ahead`` people in front, or None where nobody is serving.

    Each counter serves one at a time with roughly exponential service times, so the wait is a sum of ``ahead + 1``
    of them divided among the counters: mean n·s/c, standard deviation √n·s/c. P90 is 1.28 deviations above the mean.
    Rounded outwards to steps that people can use.
    """
    if staffed_counters < 1:
        return None
    served = ahead + 1
    per_person = average_service_seconds / 60 / staffed_counters
    middle = served * per_person
    late = middle + 1.28 * math.sqrt(served) * per_person
    return Estimate(
        low_minutes=max(1, math.floor(middle / _step(middle)) * _step(middle)),
        high_minutes=max(1, math.ceil(late / _step(late)) * _step(late)),
    )


def _step(minutes: float) -> int:
    """People think in minutes when it is soon and in fives when it is not."""
    return 1 if minutes < 10 else 5
