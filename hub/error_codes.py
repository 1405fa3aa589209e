"""The words of ``error_code``, as readers of the protocol get them; a test compares them with what the hub can refuse.

Each names its meaning, when it comes, and what becomes of the socket.
"""

from dataclasses import dataclass
from typing import Final

LIVES: Final = "The socket lives."
NO_SOCKET: Final = "No socket is opened; the answer to the handshake is a problem document with this code."


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """``word`` on the wire, ``meaning`` for people, ``when`` it comes, and what becomes of the ``socket``."""

    word: str
    meaning: str
    when: str
    socket: str = LIVES


ERROR_CODES: Final = (
    ErrorCode("INVALID_JSON", "The message is not JSON in Unicode, or nested too deeply.", "On any message."),
    ErrorCode("UNKNOWN_TYPE", "There is no frame of this type.", "On any message."),
    ErrorCode("VALIDATION", "The fields are not those of the frame, or not within its limits.", "On any message."),
    ErrorCode("AUTHENTICATION", "Nobody is signed in, or what was shown is not valid.", "On any command."),
    ErrorCode("AUTHORIZATION", "Signed in, but not allowed.", "On any command."),
    ErrorCode("INSUFFICIENT_SCOPE", "The key is genuine, but not for this.", "On any command, with an API key."),
    ErrorCode("SECOND_FACTOR_SETUP_REQUIRED", "This role needs a second factor, and has none yet.", "On any command."),
    ErrorCode(
        "RATE_LIMITED",
        "More frames than `limits.commands_per_second` (commands, pings, pongs, empty fragments); see `retry_after`.",
        "On any frame.",
        "The socket lives; who goes on regardless is closed with 4100.",
    ),
    ErrorCode("UNKNOWN_CHANNEL", "There is no channel of this name, or none for this command.", "On any channel."),
    ErrorCode("RESOURCE_NOT_FOUND", "There is no such thing, or not for this user.", "On any channel."),
    ErrorCode("TOO_MANY_CHANNELS", "The socket follows `limits.channels` already.", "On `subscribe` and `hello`."),
    ErrorCode("NOT_SUBSCRIBED", "Signals go to channels that one follows.", "On `typing`."),
    ErrorCode("THREAD_CLOSED", "A closed care thread takes no messages.", "On `send`."),
    ErrorCode("IDEMPOTENCY_KEY_REUSED", "The key belongs to another message of the same sender.", "On `send`."),
    ErrorCode("ATTACHMENTS_UNSUPPORTED", "There are no attachments yet.", "On `send`."),
    ErrorCode("UNAVAILABLE", "A part is away, nothing was changed; see `retry_after`.", "On any command."),
    ErrorCode("INTERNAL", "The server failed; it has been noted.", "On any command."),
    ErrorCode("FORBIDDEN_ORIGIN", "A page of another site used the browser's cookie.", "Handshake, 403.", NO_SOCKET),
    ErrorCode(
        "TOO_MANY_CONNECTIONS",
        "The address has too many sockets. A user's socket too many is opened, and closed with 4102.",
        "Handshake, 429.",
        NO_SOCKET,
    ),
    ErrorCode(
        "REQUEST_HEADER_FIELDS_TOO_LARGE", "The head of the request cannot be read.", "Handshake, 431.", NO_SOCKET
    ),
    ErrorCode("BAD_REQUEST", "This is not a valid WebSocket handshake.", "Handshake, 400.", NO_SOCKET),
)


def error_table() -> str:
    """In Markdown."""
    rows = [f"| `{code.word}` | {code.meaning} | {code.when} | {code.socket} |" for code in ERROR_CODES]
    return "\n".join(["| `error_code` | meaning | when | the socket |", "|---|---|---|---|", *rows])
