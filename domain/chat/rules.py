"""Pure decisions of the chat: what a text may be, and what a message does to a closed thread."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from core.actor import Role
from core.errors import Validation
from domain.chat.errors import AttachmentsUnsupported, ThreadClosed

MAX_BODY: Final = 4_000
MAX_KEY: Final = 64
MAX_SUBJECT: Final = 200
MAX_QUERY: Final = 200


class ThreadKind(StrEnum):
    """``support`` is between a patient and advisors, ``care`` between a patient and a doctor."""

    SUPPORT = "support"
    CARE = "care"


class ThreadStatus(StrEnum):
    """The states of a thread, the same for everybody in it."""

    OPEN = "open"
    CLOSED = "closed"


class StatusChange(StrEnum):
    """What a participant can ask for: the first two change the thread, the others only their own list."""

    OPEN = "open"
    CLOSED = "closed"
    ARCHIVED = "archived"
    UNARCHIVED = "unarchived"


def check_text(text: str, name: str, most: int, *, least: int = 1) -> None:
    """Raises ``Validation`` for what is too short, too long (in characters), or what PostgreSQL cannot store."""
    if not least <= len(text) <= most:
        raise Validation(f"{name} must have {least} to {most:,} characters.")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise Validation(f"{name} holds a character that is not valid text.")


def clean_body(body: str) -> str:
    """What is said, without white space around it: 1 to 4,000 characters. Raises ``Validation``.

    Every door comes through here, so that a repeat by another one has the same body.
    """
    cleaned = body.strip()
    check_text(cleaned, "The message", MAX_BODY)
    return cleaned


def check_attachments(attachments: Sequence[str]) -> None:
    """Raises ``AttachmentsUnsupported`` for any: the field is reserved."""
    if attachments:
        raise AttachmentsUnsupported


def status_after_message(kind: ThreadKind, status: ThreadStatus, sender: Role | None) -> ThreadStatus:
    """The thread's state once that sender's message is in it.

    A patient's message reopens a closed support thread; an advisor's last word leaves it closed. Raises
    ``ThreadClosed`` where a closed thread takes none.
    """
    if status == ThreadStatus.CLOSED and kind == ThreadKind.CARE:
        raise ThreadClosed
    return ThreadStatus.OPEN if sender == Role.PATIENT else status


def read_up_to(read_seq: int, wanted: int, last_seq: int) -> int:
    """Where a read pointer stands after reading up to ``wanted``: never back, never past the last message."""
    return max(read_seq, min(wanted, last_seq))
