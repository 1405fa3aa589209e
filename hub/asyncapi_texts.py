"""What the AsyncAPI document says in words: the sockets, the ways to sign in, and what every client needs to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hub.close_codes import CloseCode
from hub.error_codes import error_table

_PROMISE: Final = """\
One socket carries many channels. Each channel is a log in Postgres: its events have a sequence number without gaps, in
the order of their commits, and whoever follows it stands at a position (`epoch`, `seq`).

Per channel: events in commit order, at least once on the wire, exactly once to the application by sequence number.
There is never a partial recovery, and a loss anywhere between COMMIT and the socket is found and healed within 2 s
while Postgres is reachable, with nobody reconnecting. What was acknowledged is in Postgres.

## Keeping up

Apply an event when its `seq` is your position + 1, drop a lower one, and on a higher one subscribe again with your
position. A head in `heartbeat` above your position tells of a loss in the same way. `subscribed` in mode `live` means
that nothing was missed; `resume` brings all that was; `snapshot` replaces everything. Silence for two heartbeats is a
loss of the connection. A command with an `id` gets exactly one answer; a `send` repeated under its `key` is stored
once. Fields and events that you do not know are to be passed over.
"""

_PRESENCE: Final = """\
## Who is there

The signal `presence` says who is there: the participants who follow a thread, or how many screens show a board, which
only staff of the clinic and administrators are told. It comes within a second after `subscribed` and with every change,
and always holds all of it. Whoever subscribes with `present: false` is not counted.
"""

_SIGNING_IN: Final = """\
## Signing in

In one of five ways: the header `Authorization: Bearer`, the session cookie (browsers; the origin is checked), a
single-use `?ticket=`, an access token as `?token=`, or as the first frame `hello` with a `token`. `hello` without one
lets a visitor in, who may follow boards. A socket that does none of this within a few seconds is closed with 4001.
Before a sign-in ends the socket hears `expiring`; `auth` with a fresh token, or a socket ticket, lets it live on.
"""

_REFUSING: Final = """\
## Error codes

A command that is refused, and a message that cannot be read, is answered with `error`, whose `error_code` is one of
these.
"""

_CLOSING: Final = """\
## Close codes

40xx: stop. 41xx: come back more slowly. 42xx: come back now. Any other: come back with the usual delay, which grows
from try to try and is drawn at random.
"""

SECURITY_SCHEMES: Final[Mapping[str, Mapping[str, Any]]] = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "An access token."},
    "cookie": {
        "type": "httpApiKey",
        "in": "cookie",
        "name": "access_token",
        "description": "The session of a browser; the `Origin` of the handshake must be one of ours.",
    },
    "ticket": {
        "type": "httpApiKey",
        "in": "query",
        "name": "ticket",
        "description": "A single-use ticket from `POST /api/v1/auth/ws-ticket`.",
    },
    "token": {
        "type": "httpApiKey",
        "in": "query",
        "name": "token",
        "description": "An access token, for clients that can set no header; it is kept out of every log.",
    },
    "hello": {
        "type": "apiKey",
        "in": "password",
        "description": "An access token as `token` of the first frame, `hello`; without one, a visitor.",
    },
}


@dataclass(frozen=True, slots=True)
class Socket:
    """An address where a socket is served; ``topic`` is the kind of channel that it follows by itself."""

    address: str
    title: str
    description: str
    topic: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


SOCKETS: Final[Mapping[str, Socket]] = {
    "socket": Socket("/api/v1/ws", "One socket, many channels", "Follows nothing until it is told to."),
    "board": Socket(
        "/api/v1/queue/ws/{queue_id}",
        "A board",
        "The same protocol; it follows `board:{queue_id}` by itself, under the command id `preset`.",
        "board",
        {"queue_id": "Id of the queue."},
    ),
    "thread": Socket(
        "/api/v1/chat/ws/chat/{thread_id}",
        "A conversation",
        "The same protocol; it follows `thread:{thread_id}` by itself, under the command id `preset`.",
        "thread",
        {"thread_id": "Id of the thread."},
    ),
    "notifications": Socket(
        "/api/v1/notifications/ws",
        "A person's notifications",
        "The same protocol; it follows `user:{user_id}` of whoever signed in, under the command id `preset`.",
        "user",
    ),
}


def description() -> str:
    """The words at the head of the document, in Markdown."""
    rows = [f"| {code.value} | {code.name} | {code.meaning} | {code.advice} |" for code in CloseCode]
    table = "\n".join(["| code | name | meaning | what to do |", "|---|---|---|---|", *rows])
    return "\n".join([_PROMISE, _PRESENCE, _SIGNING_IN, _REFUSING, error_table(), "", _CLOSING, table])
