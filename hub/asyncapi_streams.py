"""Boards as Server-Sent Events, in the AsyncAPI document: one address, one message for each kind of event.

Here ``payload`` is the ``data`` of an event, and ``headers`` are its other fields (WHATWG HTML, section 9.2).
"""

from collections.abc import Iterable
from typing import Any, Final

from hub.states import BoardState
from hub.topics import TOPICS

Document = dict[str, Any]

SERVER: Final = "streams"
CHANNEL: Final = "board_events"

_POSITION: Final = {"type": "string", "description": "`epoch:seq`; an `EventSource` sends it back as `Last-Event-ID`."}
_NOTHING: Final = {"type": "object", "maxProperties": 0}
_ABOUT: Final = """\
The same board as Server-Sent Events, for networks that block WebSockets; for everybody. After `welcome` comes
`snapshot`, or, with the `Last-Event-ID` of a position that is still known, all events that were missed and `live`.
A stream that ends is opened again from the last `id`.
"""


def stream_server(host: str, *, is_secure: bool) -> Document:
    """Where it is served."""
    return {
        "host": host,
        "protocol": "https" if is_secure else "http",
        "description": "Server-Sent Events (`text/event-stream`); no sign-in.",
    }


def stream_channel() -> Document:
    """Its address, with all that is said there."""
    return {
        "address": "/api/v1/queues/{queue_id}/board/events",
        "title": "A board without a WebSocket",
        "description": " ".join(_ABOUT.split()),
        "servers": [{"$ref": f"#/servers/{SERVER}"}],
        "parameters": {"queue_id": {"description": "Id of the queue."}},
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key, _ in stream_messages()},
    }


def stream_messages() -> Iterable[tuple[str, Document]]:
    """What is asked, and each kind of event, by the key of its message."""
    schemas = "#/components/schemas/"
    yield (
        "stream.open",
        {
            "name": "open",
            "title": "Open",
            "summary": "A GET request. With `Last-Event-ID` it goes on from there.",
            "headers": {"type": "object", "properties": {"Last-Event-ID": _POSITION}},
        },
    )
    beat = {"type": "object", "properties": {"heartbeat_s": {"type": "number"}}, "required": ["heartbeat_s"]}
    yield _event("welcome", "The first: seconds between heartbeats. Silence for two of them is a loss.", beat)
    yield _event("snapshot", "The whole board.", {"$ref": schemas + BoardState.__name__}, is_placed=True)
    yield _event("live", "All that was missed has been told.", _NOTHING, is_placed=True)
    for event in TOPICS["board"].events:
        text = (event.__doc__ or "").partition("\n\n")[0]
        yield _event(event.name, text, {"$ref": schemas + event.__name__}, is_placed=True)
    heads = {"type": "object", "additionalProperties": {"type": "integer"}}
    yield _event("heartbeat", "It is quiet. The head of the channel.", heads)
    yield _event("degraded", "What is shown may be late.", _NOTHING)
    yield _event("recovered", "The end of `degraded`.", _NOTHING)


def stream_operations() -> Iterable[tuple[str, Document]]:
    """To open it, and what comes."""
    said = [key for key, _ in stream_messages()]
    binding = {"http": {"method": "GET", "bindingVersion": "0.3.0"}}
    yield f"{CHANNEL}.receive", {**_operation("receive", said[:1]), "bindings": binding}
    yield f"{CHANNEL}.send", _operation("send", said[1:])


def _event(name: str, summary: str, data: Document, *, is_placed: bool = False) -> tuple[str, Document]:
    fields = {"event": {"const": name}} | ({"id": _POSITION} if is_placed else {})
    return f"stream.{name}", {
        "name": name,
        "title": f"Server-sent {name}",
        "summary": summary,
        "contentType": "application/json",
        "headers": {"type": "object", "properties": fields, "required": list(fields)},
        "payload": data,
    }


def _operation(action: str, keys: list[str]) -> Document:
    channel = f"#/channels/{CHANNEL}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{key}"} for key in keys],
    }
