"""Why a socket was closed, and what its client does next (RFC 6455, section 7.4, and codes of our own).

The hundreds tell the client all it must know: 40xx stop, 41xx come back more slowly, 42xx come back now; after any
other code it comes back with the usual delay, which grows from try to try and is drawn at random.
"""

from enum import IntEnum


class CloseCode(IntEnum):
    """A close code with its ``meaning`` and the ``advice`` to the client, one line each."""

    meaning: str
    advice: str

    def __new__(cls, code: int, meaning: str, advice: str) -> "CloseCode":
        """An integer that carries its documentation."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.advice = advice
        return member

    NORMAL = 1000, "The socket did what it was for.", "Nothing."
    GOING_AWAY = 1001, "The other side leaves: a page was closed.", "Come back with the usual delay."
    PROTOCOL_ERROR = 1002, "Bytes that are not WebSocket frames as RFC 6455 has them.", "Mend the client."
    UNSUPPORTED_DATA = 1003, "A binary message; frames are JSON text.", "Mend the client."
    INVALID_DATA = 1007, "A text message that is not UTF-8.", "Mend the client."
    MESSAGE_TOO_BIG = 1009, "A message larger than `limits.frame_bytes`.", "Send less at once."
    INTERNAL_ERROR = 1011, "The server failed; it has been noted.", "Come back with the usual delay."
    SERVICE_RESTART = 1012, "The process ends.", "Come back with the usual delay."

    UNAUTHENTICATED = 4001, "Not signed in in time, or not with something valid.", "Stop; sign in, then connect."
    SESSION_REVOKED = 4002, "Signed out, by the user or an administrator.", "Stop; sign in, then connect."
    FORBIDDEN = 4003, "Not allowed to have what the address names.", "Stop."
    POLICY_VIOLATION = 4008, "Abuse: limits were ignored again and again.", "Stop."

    RATE_LIMITED = (
        4100,
        "More frames than `limits.commands_per_second`, for too long.",
        "Come back more slowly.",
    )
    SLOW_READER = 4101, "Nothing was read for too long while frames were waiting.", "Come back more slowly."
    TOO_MANY_CONNECTIONS = 4102, "The user or the address has too many sockets.", "Close others; come back slowly."
    UNAVAILABLE = 4103, "A part that signing in needs is away.", "Come back more slowly."

    GOODBYE = 4200, "This process is being replaced, as `goodbye` said.", "Come back now; another takes over."
    RESYNC = 4201, "The socket lost its place and starts anew.", "Come back now, and resume."
    PING_TIMEOUT = 4202, "No sign of life after a ping.", "Come back now, and resume."
    TOKEN_EXPIRED = 4203, "The sign-in ran out and no fresh token came.", "Come back now, with a fresh token."
