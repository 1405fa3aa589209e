"""Pure decisions: texts, statuses, retries."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import rfc3339
from domain.notifications import rules
from domain.notifications.rules import DeliveryStatus, NotificationType, Outcome, QuietHours

AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
URL = "https://bell.example.org/"


def test_a_call_says_code_and_counter_and_gives_the_link() -> None:
    text = rules.ticket_called("A-042", "Counter 3", 0, "w0rd", URL)
    assert text.sms == "A-042: please come to Counter 3. https://bell.example.org/ticket/w0rd"
    assert text.body == "A-042: please come to Counter 3."


def test_a_recall_differs_from_the_call() -> None:
    assert rules.ticket_called("A-042", "Counter 3", 1, "w0rd", URL).body == "A-042, call 2: please come to Counter 3."


def test_the_sms_of_a_message_names_nobody() -> None:
    text = rules.message_received("Dr. Ada Lovelace", URL)
    assert text.sms == "You have a new message at Carebell: https://bell.example.org/chat"
    assert text.title == "Message from Dr. Ada Lovelace"


@given(st.lists(st.sampled_from(DeliveryStatus), min_size=2, max_size=12))
def test_no_way_leads_back_from_the_end(wanted: list[DeliveryStatus]) -> None:
    final = {"delivered", "undeliverable", "suppressed", "cancelled"}
    current, path = DeliveryStatus.PENDING, [DeliveryStatus.PENDING]
    for status in wanted:
        if rules.may_become(current, status):
            current = status
            path.append(status)
    for before, after in pairwise(path):
        assert before not in final
        assert after != DeliveryStatus.PENDING
        assert before != DeliveryStatus.SENT or after in {"delivered", "undeliverable"}


@given(st.integers(1, 100), st.floats(0, 1))
def test_retries_wait_longer_each_time_but_never_very_long(attempts: int, jitter: float) -> None:
    delay = rules.retry_delay(attempts, jitter)
    assert timedelta(seconds=1) <= delay <= timedelta(minutes=7.5)
    assert rules.retry_delay(attempts + 1, jitter) >= delay


def test_a_failure_is_tried_again_until_it_is_given_up() -> None:
    failed = Outcome(DeliveryStatus.FAILED, "twilio")
    status, due_at = rules.conclude(failed, 1, 0.5, AT)
    assert (status, due_at) == (DeliveryStatus.FAILED, AT + timedelta(seconds=2))
    assert rules.conclude(failed, rules.MAX_ATTEMPTS, 0.5, AT) == (DeliveryStatus.UNDELIVERABLE, None)


def test_an_unknown_outcome_is_given_time_to_show_itself_and_is_never_called_undeliverable() -> None:
    unknown = Outcome(DeliveryStatus.UNKNOWN, "twilio")
    assert rules.conclude(unknown, 1, 0.0, AT) == (DeliveryStatus.UNKNOWN, AT + timedelta(seconds=10))
    assert rules.conclude(unknown, rules.MAX_ATTEMPTS, 0.0, AT) == (DeliveryStatus.UNKNOWN, None)


@pytest.mark.parametrize(
    ("ticket", "is_wanted"),
    [
        (("called", AT), True),
        (("called", AT + timedelta(seconds=1)), False),
        (("called", None), False),
        (("serving", AT), False),
        (("no_show", AT), False),
        (None, False),
    ],
)
def test_a_call_is_sent_only_while_it_is_the_last_one(
    ticket: tuple[str, datetime | None] | None, is_wanted: bool
) -> None:
    kind, data = NotificationType.TICKET_CALLED, {"called_at": rfc3339(AT)}
    assert rules.is_still_wanted(kind, data, is_read=False, ticket=ticket) is is_wanted
    assert not rules.is_still_wanted(kind, data, is_read=True, ticket=ticket)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("+14155550101", "+14155550101"),
        ("(415) 555-0101", "+14155550101"),
        ("+49 30 901820", "+4930901820"),
        ("12", None),
        ("call me", None),
        ("", None),
        ("+999999999999999999", None),
    ],
)
def test_numbers_are_read_as_e164(address: str, expected: str | None) -> None:
    assert rules.phone_in_e164(address, "US") == expected


NIGHT = QuietHours(time(22), time(7), "Europe/Berlin")
NOON = QuietHours(time(12), time(13, 30), "Europe/Berlin")
LATE = QuietHours(time(22), time(2, 30), "Europe/Berlin")


@pytest.mark.parametrize(
    ("hours", "at", "until"),
    [
        # Berlin is an hour ahead of UTC in winter.
        (NIGHT, "2026-11-21T20:59:59", None),
        (NIGHT, "2026-11-21T21:00:00", "2026-11-22T06:00:00"),
        (NIGHT, "2026-11-22T05:59:59", "2026-11-22T06:00:00"),
        (NIGHT, "2026-11-22T06:00:00", None),
        (NOON, "2026-11-21T11:00:00", "2026-11-21T12:30:00"),
        (NOON, "2026-11-21T12:30:00", None),
        # Clocks go forward at 01:00 UTC on 29 March: the night ends an hour earlier.
        (NIGHT, "2026-03-28T22:00:00", "2026-03-29T05:00:00"),
        # They go back at 01:00 UTC on 25 October: half past two comes twice.
        (LATE, "2026-10-25T00:10:00", "2026-10-25T00:30:00"),
        (LATE, "2026-10-25T01:10:00", "2026-10-25T01:30:00"),
    ],
)
def test_quiet_hours_are_by_the_clock_of_their_zone(hours: QuietHours, at: str, until: str | None) -> None:
    moment = datetime.fromisoformat(f"{at}+00:00")
    expected = datetime.fromisoformat(f"{until}+00:00") if until else None
    assert rules.quiet_until(hours, NotificationType.MESSAGE_RECEIVED, moment) == expected
    assert rules.quiet_until(hours, NotificationType.TICKET_CALLED, moment) is None, "a call does not wait"
    assert rules.quiet_until(None, NotificationType.MESSAGE_RECEIVED, moment) is None
