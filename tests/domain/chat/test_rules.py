"""Pure decisions of the chat."""

import pytest

from core.actor import Role
from core.errors import Validation
from domain.chat.errors import ThreadClosed
from domain.chat.rules import ThreadKind, ThreadStatus, clean_body, read_up_to, status_after_message


@pytest.mark.parametrize("body", ["", " \n\t", "x" * 4_001, "a\0b", "lone \ud800", "\udfff"])
def test_a_body_that_cannot_be_a_message_is_refused(body: str) -> None:
    with pytest.raises(Validation):
        clean_body(body)


@pytest.mark.parametrize("body", ["x", "x" * 4_000, "🩺" * 4_000, "two\nlines", "مرحبا"])
def test_a_body_is_kept_as_it_is(body: str) -> None:
    assert clean_body(body) == body


def test_white_space_around_a_body_is_not_part_of_it() -> None:
    assert clean_body(f" \n{'x' * 4_000} ") == "x" * 4_000


def test_a_patients_message_reopens_a_closed_support_thread_and_an_advisors_does_not() -> None:
    closed = (ThreadKind.SUPPORT, ThreadStatus.CLOSED)
    assert status_after_message(*closed, Role.PATIENT) == ThreadStatus.OPEN
    assert status_after_message(*closed, Role.ADVISOR) == ThreadStatus.CLOSED
    assert status_after_message(ThreadKind.SUPPORT, ThreadStatus.OPEN, Role.ADVISOR) == ThreadStatus.OPEN


@pytest.mark.parametrize("role", [Role.PATIENT, Role.DOCTOR])
def test_a_closed_care_thread_takes_no_message(role: Role) -> None:
    with pytest.raises(ThreadClosed):
        status_after_message(ThreadKind.CARE, ThreadStatus.CLOSED, role)


@pytest.mark.parametrize(
    ("read_seq", "wanted", "last", "expected"),
    [(0, 3, 5, 3), (3, 2, 5, 3), (3, 9, 5, 5), (0, 1, 0, 0), (5, -1, 5, 5)],
)
def test_a_read_pointer_only_grows_and_stops_at_the_last_message(
    read_seq: int, wanted: int, last: int, expected: int
) -> None:
    assert read_up_to(read_seq, wanted, last) == expected
