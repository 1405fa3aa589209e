"""The protocol as an AsyncAPI 3.0 document, made from the classes that the hub itself uses.

Source: https://www.asyncapi.com/docs/reference/specification/v3.0.0. ``receive`` and ``send`` are seen from the server,
as the specification wants it. Fields of our own begin with ``x-``: ``x-topics`` are the kinds of channels inside the
socket, ``x-close-codes`` what a client does after each close, ``x-error-codes`` why something was refused.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args
from urllib.parse import urlsplit

import msgspec

from hub.access import socket_policies
from hub.asyncapi_streams import CHANNEL, SERVER, stream_channel, stream_messages, stream_operations, stream_server
from hub.asyncapi_texts import SECURITY_SCHEMES, SOCKETS, Socket, description
from hub.catalog import KINDS
from hub.close_codes import CloseCode
from hub.error_codes import ERROR_CODES
from hub.frames import SUBPROTOCOL, ClientFrame, ServerFrame
from hub.topics import TOPICS, Topic

Document = dict[str, Any]

_VERSION: Final = "1.0.0"
_SCHEMAS: Final = "#/components/schemas/"
_CLIENT: Final[tuple[type[msgspec.Struct], ...]] = get_args(ClientFrame)
_SERVER: Final[tuple[type[msgspec.Struct], ...]] = get_args(ServerFrame)
_ANSWERS: Final[Mapping[str, tuple[str, ...]]] = {
    "hello": ("welcome", "ack", "error"),
    "subscribe": ("subscribed", "error"),
}
"""What answers a command, where that is not ``ack`` or ``error``."""


def asyncapi_document(public_url: str) -> Document:
    """The whole document; ``public_url`` is where the product is reached by HTTP."""
    address = urlsplit(public_url)
    messages = _messages()
    return {
        "asyncapi": "3.0.0",
        "id": "urn:carebell:realtime",
        "info": {
            "title": "Carebell realtime",
            "version": _VERSION,
            "description": description(),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "web": {
                "host": address.netloc,
                "protocol": "wss" if address.scheme == "https" else "ws",
                "protocolVersion": "13",
                "description": f"RFC 6455, subprotocol `{SUBPROTOCOL}`, one JSON object in each text message.",
                "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in SECURITY_SCHEMES],
            },
            SERVER: stream_server(address.netloc, is_secure=address.scheme == "https"),
        },
        "channels": {name: _channel(socket) for name, socket in SOCKETS.items()} | {CHANNEL: stream_channel()},
        "operations": {
            **{key: value for name in SOCKETS for key, value in _operations(name, messages)},
            **dict(stream_operations()),
        },
        "components": {"messages": messages, "schemas": _schemas(), "securitySchemes": dict(SECURITY_SCHEMES)},
        "x-topics": {kind: _topic(kind, topic) for kind, topic in TOPICS.items()},
        "x-close-codes": [
            {"code": code.value, "name": code.name, "meaning": code.meaning, "advice": code.advice}
            for code in CloseCode
        ],
        "x-error-codes": [
            {"error_code": code.word, "meaning": code.meaning, "when": code.when, "socket": code.socket}
            for code in ERROR_CODES
        ],
    }


def _schemas() -> Document:
    """Every frame, every event's data and every state, by the name of its class."""
    data = [cls for topic in TOPICS.values() for cls in (topic.state, *topic.events, *topic.signals.values())]
    _, schemas = msgspec.json.schema_components([*_CLIENT, *_SERVER, *data], ref_template=_SCHEMAS + "{name}")
    readable: Document = _markdown(schemas)
    return readable


def _messages() -> Document:
    messages = {_tag(cls): _frame_message(cls) for cls in (*_CLIENT, *_SERVER)}
    for kind, topic in TOPICS.items():
        messages |= dict(_topic_messages(kind, topic))
    return messages | dict(stream_messages())


def _frame_message(cls: type[msgspec.Struct]) -> Document:
    message = {"name": _tag(cls), "title": cls.__name__, **_summary(cls), "payload": _schema_of(cls)}
    if "id" in cls.__struct_fields__:
        location = {"location": "$message.payload#/id", "description": "The answer carries the id of its command."}
        message["correlationId"] = location
    return message


def _topic_messages(kind: str, topic: Topic) -> Iterable[tuple[str, Document]]:
    """Frames whose data is known: one message a snapshot, an event and a signal."""
    yield (
        _snapshot_key(kind),
        _narrowed("Subscribed", topic.state, kind, mode={"const": "snapshot"}, state=_schema_of(topic.state)),
    )
    for event in topic.events:
        yield event.name, _narrowed("Event", event, kind, name={"const": event.name}, data=_schema_of(event))
    for name, data in topic.signals.items():
        yield _signal_key(kind, name), _narrowed("Signal", data, kind, name={"const": name}, data=_schema_of(data))


def _narrowed(frame: str, about: type[msgspec.Struct], kind: str, **known: Document) -> Document:
    """A frame in a channel of that kind, with some of its fields known better."""
    properties = {"channel": {"type": "string", "pattern": f"^{kind}:"}, **known}
    return {
        "name": frame.lower(),
        "title": about.__name__,
        **_summary(about),
        "tags": [{"name": kind}],
        "payload": {
            "allOf": [
                {"$ref": _SCHEMAS + frame},
                {"type": "object", "properties": properties, "required": sorted(properties)},
            ]
        },
    }


def _channel(socket: Socket) -> Document:
    channel = {
        "address": socket.address,
        "title": socket.title,
        "description": socket.description,
        "servers": [{"$ref": "#/servers/web"}],
        "messages": {key: {"$ref": f"#/components/messages/{key}"} for key in _message_keys(socket)},
        "bindings": {"ws": {"method": "GET", "query": _QUERY, "bindingVersion": "0.1.0"}},
    }
    if socket.parameters:
        channel["parameters"] = {name: {"description": text} for name, text in socket.parameters.items()}
    return channel


_QUERY: Final = {
    "type": "object",
    "description": "At most one of them, and only where neither a header nor a cookie signs in.",
    "properties": {
        "ticket": {"type": "string", "description": "From `POST /api/v1/auth/ws-ticket`; good once."},
        "token": {"type": "string", "description": "An access token."},
    },
}


def _message_keys(socket: Socket) -> list[str]:
    """All frames, and what is known of the topics that this socket carries."""
    topics = {kind: topic for kind, topic in TOPICS.items() if socket.topic in {None, kind}}
    known = [key for kind, topic in topics.items() for key, _ in _topic_messages(kind, topic)]
    return [_tag(cls) for cls in (*_CLIENT, *_SERVER)] + known


def _operations(name: str, messages: Document) -> Iterable[tuple[str, Document]]:
    """One a frame on the general socket; the others are the same protocol, and have one a direction."""
    socket = SOCKETS[name]
    received = [_tag(cls) for cls in _CLIENT]
    sent = [key for key in _message_keys(socket) if key not in received]
    if socket.topic is not None:
        yield f"{name}.receive", _operation("receive", name, received)
        yield f"{name}.send", _operation("send", name, sent)
        return
    for cls in _CLIENT:
        yield _tag(cls), _command(name, cls)
    for cls in _SERVER:
        tag = _tag(cls)
        yield tag, {**_operation("send", name, [key for key in sent if messages[key]["name"] == tag]), **_summary(cls)}


def _command(name: str, cls: type[msgspec.Struct]) -> Document:
    answers = _ANSWERS.get(_tag(cls), ("ack", "error"))
    reply = {"channel": {"$ref": f"#/channels/{name}"}, "messages": _references(name, answers)}
    operation = {**_operation("receive", name, [_tag(cls)]), **_summary(cls), "reply": reply}
    policy = socket_policies().get(_tag(cls))
    return operation | (policy.label if policy is not None else {})


def _operation(action: str, name: str, keys: Iterable[str]) -> Document:
    return {"action": action, "channel": {"$ref": f"#/channels/{name}"}, "messages": _references(name, keys)}


def _references(name: str, keys: Iterable[str]) -> list[Document]:
    return [{"$ref": f"#/channels/{name}/messages/{key}"} for key in keys]


def _topic(kind: str, topic: Topic) -> Document:
    message = "#/components/messages/"
    return {
        "channel": topic.name,
        "description": topic.about,
        "followers": KINDS[kind].policy.sentence,
        "snapshot": {"$ref": message + _snapshot_key(kind)},
        "events": [{"$ref": message + event.name} for event in topic.events],
        "signals": [{"$ref": message + _signal_key(kind, name)} for name in topic.signals],
    }


def _snapshot_key(kind: str) -> str:
    return f"{kind}.snapshot"


def _signal_key(kind: str, name: str) -> str:
    return f"signal.{kind}.{name}"


def _tag(cls: type[msgspec.Struct]) -> str:
    return str(cls.__struct_config__.tag)


def _schema_of(cls: type[msgspec.Struct]) -> Document:
    return {"$ref": _SCHEMAS + cls.__name__}


def _summary(cls: type[msgspec.Struct]) -> Document:
    """The first sentences of a class's docstring, and the rest of it."""
    first, _, rest = re.sub(r"``(.*?)``", r"`\1`", cls.__doc__ or "").partition("\n\n")
    described = {"summary": first.strip()}
    return described | ({"description": " ".join(rest.split())} if rest.strip() else {})


def _markdown(value: Any) -> Any:
    """Docstrings are reStructuredText, descriptions Markdown: code has one backtick, and lines are not indented."""
    if isinstance(value, dict):
        return {key: _text(inner) if key == "description" else _markdown(inner) for key, inner in value.items()}
    return [_markdown(inner) for inner in value] if isinstance(value, list) else value


def _text(value: Any) -> Any:
    return " ".join(re.sub(r"``(.*?)``", r"`\1`", value).split()) if isinstance(value, str) else _markdown(value)
