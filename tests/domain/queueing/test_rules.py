"""The queue's pure decisions."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.queueing.rules import (
    NO_SHOW_GRACE,
    TRANSITIONS,
    TicketStatus,
    allowed_from,
    estimate_wait,
    ticket_code,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_final_states_lead_nowhere() -> None:
    final = {status for status, following in TRANSITIONS.items() if not following}
    assert final == {"completed", "cancelled", "left", "transferred"}


def test_every_state_can_be_reached_from_waiting() -> None:
    reached, frontier = {TicketStatus.WAITING}, [TicketStatus.WAITING]
    while frontier:
        for following in TRANSITIONS[frontier.pop()] - reached:
            reached.add(following)
            frontier.append(following)
    assert reached == set(TicketStatus)


def test_a_no_show_may_come_back_within_the_grace_time_only() -> None:
    called_at = NOON - NO_SHOW_GRACE
    assert allowed_from(TicketStatus.NO_SHOW, called_at, NOON) == {TicketStatus.WAITING}
    assert allowed_from(TicketStatus.NO_SHOW, called_at, NOON + timedelta(seconds=1)) == frozenset()
    assert allowed_from(TicketStatus.NO_SHOW, None, NOON) == frozenset()


def test_codes_have_one_length_up_to_999() -> None:
    assert ticket_code("A", 7) == "A-007"
    assert ticket_code("LAB", 1234) == "LAB-1234"


def test_nothing_is_estimated_where_nobody_serves() -> None:
    assert estimate_wait(3, 0, 300) is None


@given(
    ahead=st.integers(0, 300),
    counters=st.integers(1, 30),
    seconds=st.integers(10, 3600),
)
def test_estimates_are_ranges_that_grow_with_the_line(ahead: int, counters: int, seconds: int) -> None:
    estimate = estimate_wait(ahead, counters, seconds)
    longer = estimate_wait(ahead + 10, counters, seconds)
    assert estimate is not None
    assert longer is not None
    assert 1 <= estimate.low_minutes <= estimate.high_minutes
    assert longer.high_minutes >= estimate.high_minutes
    assert longer.low_minutes >= estimate.low_minutes
