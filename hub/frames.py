"""The wire, version 1: every frame of the subprotocol ``carebell.v1`` as a typed class.

A frame is one JSON object in one WebSocket text message, told apart by ``type``. Fields that are not known are
passed over, so that either side may be newer. The classes, their limits and their descriptions are also the source
of the AsyncAPI document. Times are RFC 3339 in UTC, ids are strings, ``seq`` is a place in a channel's log.
"""

import json
import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from hub.fields import AttachmentId, Body, ChannelName, CommandId, Epoch, Key, Seq, Time, Token

SUBPROTOCOL = "carebell.v1"


class Position(Struct, kw_only=True):
    """All events up to ``seq`` of that ``epoch`` are known."""

    epoch: Epoch
    seq: Seq


class _Client(Struct, kw_only=True, tag_field="type", tag=str.lower, omit_defaults=True):
    """What all frames to the hub have in common."""

    def __repr__(self) -> str:
        """Name the frame only: its fields may be a token or a patient's words, and a repr ends up in logs."""
        return f"<{type(self).__name__}>"


class Hello(_Client, kw_only=True):
    """Sign in, where the handshake did not, and say where to resume."""

    id: CommandId | None = None
    token: Token | None = None
    resume: Annotated[
        dict[ChannelName, Position],
        Meta(max_length=1000, description="Channels to subscribe to, each with its position."),
    ] = {}


class Subscribe(_Client, kw_only=True):
    """Follow a channel, from a position where there is one. Answered by ``subscribed`` or ``error``."""

    id: CommandId
    channel: ChannelName
    epoch: Epoch | None = None
    seq: Seq | None = None
    present: Annotated[bool, Meta(description="False: follow without being counted among those who are there.")] = True


class Unsubscribe(_Client, kw_only=True):
    """Follow a channel no longer."""

    id: CommandId
    channel: ChannelName


class Send(_Client, kw_only=True):
    """Write a message to a thread. A repeat under the same ``key`` is answered with the first result."""

    id: CommandId
    channel: ChannelName
    key: Key
    body: Body
    attachments: Annotated[
        list[AttachmentId], Meta(max_length=10, description="Reserved: refused with `ATTACHMENTS_UNSUPPORTED`.")
    ] = []


class Read(_Client, kw_only=True):
    """Everything up to ``seq`` was read. Only ever moves forward."""

    id: CommandId | None = None
    channel: ChannelName
    seq: Seq


class Typing(_Client, kw_only=True):
    """The user types, or stopped."""

    id: CommandId | None = None
    channel: ChannelName
    on: Annotated[bool, Meta(description="False when the user stopped.")]


class Auth(_Client, kw_only=True):
    """A fresh token for a living socket, before the old one expires.

    A socket ticket does as well: a page whose session is a cookie cannot read a token.
    """

    id: CommandId
    token: Token


ClientFrame = Hello | Subscribe | Unsubscribe | Send | Read | Typing | Auth


class _Server(Struct, kw_only=True, tag_field="type", tag=str.lower, omit_defaults=True):
    """What all frames from the hub have in common. A field that has no value is left out."""


class Limits(Struct, kw_only=True):
    """What one socket may do."""

    frame_bytes: Annotated[int, Meta(description="Largest message to the hub, in bytes.")]
    channels: Annotated[int, Meta(description="Channels followed at once.")]
    commands_per_second: Annotated[float, Meta(description="Commands a second, sustained.")]


class Welcome(_Server, kw_only=True):
    """Signed in; commands may follow."""

    connection: Annotated[str, Meta(description="Id of this connection, for support and logs.")]
    user: Annotated[str | None, Meta(description="Id of the user; null for a screen or a visitor.")]
    heartbeat_s: Annotated[float, Meta(description="Seconds between heartbeats; silence for two of them is a loss.")]
    limits: Limits


class EventRecord(Struct, kw_only=True):
    """One event inside ``subscribed``, where the channel is already named."""

    seq: Seq
    name: Annotated[str, Meta(description="What happened, such as `ticket.upserted`.")]
    at: Time
    data: Annotated[Raw, Meta(description="The fact, as its event describes it.")]


class Subscribed(_Server, kw_only=True):
    """The answer to ``subscribe``; the client now stands at ``epoch`` and ``seq``.

    ``live``: nothing was missed. ``resume``: ``events`` are all that was missed. ``snapshot``: ``state`` replaces
    everything before it.
    """

    id: CommandId | UnsetType = UNSET
    channel: ChannelName
    epoch: Epoch
    seq: Seq
    mode: Literal["live", "resume", "snapshot"]
    events: Annotated[list[EventRecord], Meta(description="All events after the position asked for.")] | UnsetType = (
        UNSET
    )
    state: Annotated[Any, Meta(description="The whole state of the channel at `seq`.")] = UNSET


class Event(_Server, kw_only=True):
    """One change on a durable channel. Apply it when ``seq`` is position + 1, drop lower, resume on higher."""

    channel: ChannelName
    seq: Seq
    name: Annotated[str, Meta(description="What happened, such as `message.sent`.")]
    at: Time
    data: Annotated[Raw, Meta(description="The fact, as its event describes it.")]


class Signal(_Server, kw_only=True):
    """Something fleeting (typing, presence): no sequence, never repeated, may be dropped."""

    channel: ChannelName
    name: Annotated[str, Meta(description="Such as `typing`.")]
    data: Annotated[Any, Meta(description="As the signal describes it.")]


class Ack(_Server, kw_only=True):
    """The command ``id`` was carried out; what it wrote is in the database."""

    id: CommandId
    seq: Annotated[int, Meta(description="Place that the written event has in its channel's log.")] | UnsetType = UNSET
    message: Annotated[Any, Meta(description="The message as it was stored, for `send`.")] = UNSET


class Error(_Server, kw_only=True):
    """A command was refused, or a frame could not be read. The socket lives."""

    id: CommandId | UnsetType = UNSET
    error_code: Annotated[str, Meta(description="Stable word for machines, such as `VALIDATION`.")]
    detail: Annotated[str, Meta(description="A sentence for people.")]
    retry_after: Annotated[float, Meta(description="Seconds after which a repeat may succeed.")] | UnsetType = UNSET


class Heartbeat(_Server, kw_only=True):
    """Sent on a quiet socket. A head above the client's position tells it of a loss."""

    heads: Annotated[dict[str, Seq], Meta(description="Head of each channel that this socket follows.")]


class Conflated(_Server, kw_only=True):
    """All that happened after ``after`` up to ``seq``, for a socket that reads slowly: the newest event of each thing.

    Apply those above your position, in their order, and stand at ``seq``. With a position below ``after``, subscribe
    again.
    """

    channel: ChannelName
    after: Seq
    seq: Seq
    events: Annotated[list[EventRecord], Meta(description="The last has the number `seq`; others may be missing.")]


class Resync(_Server, kw_only=True):
    """Events for a channel were dropped because this socket reads too slowly: subscribe again from the position."""

    channel: ChannelName


class Expiring(_Server, kw_only=True):
    """The sign-in of this socket ends soon: send ``auth`` with a fresh token, and it lives on."""

    expires_in_s: Annotated[float, Meta(description="Seconds left; a grace time follows before the socket is closed.")]


class Degraded(_Server, kw_only=True):
    """News between processes is interrupted: what is shown may be late. Commands still work."""


class Recovered(_Server, kw_only=True):
    """The end of ``degraded``; everything missed was delivered."""


class Goodbye(_Server, kw_only=True):
    """This process goes away: come back after the delay, which differs from socket to socket."""

    code: Annotated[int, Meta(description="The close code that will follow.")]
    reconnect_after_ms: Annotated[int, Meta(ge=0, description="When to come back, in milliseconds.")]


ServerFrame = (
    Welcome
    | Subscribed
    | Event
    | Conflated
    | Signal
    | Ack
    | Error
    | Heartbeat
    | Resync
    | Expiring
    | Degraded
    | Recovered
    | Goodbye
)


class FrameError(Exception):
    """A message is not a frame. ``id`` is the command's, where it could still be read.

    ``error_code``: ``INVALID_JSON``, ``UNKNOWN_TYPE`` or ``VALIDATION``; ``detail`` is fit for the client to read.
    """

    def __init__(self, error_code: str, detail: str, id: str | None = None) -> None:  # noqa: A002 - the wire's name
        """Every field of the ``error`` frame that answers it."""
        super().__init__(error_code, detail)
        self.error_code = error_code
        self.detail = detail
        self.id = id

    def frame(self) -> Error:
        """The one ``error`` that answers the message."""
        return Error(id=self.id or UNSET, error_code=self.error_code, detail=self.detail)


_ID = re.compile("[^\\0\\ud800-\\udfff]{1,64}")
_encoder = msgspec.json.Encoder()
_client: msgspec.json.Decoder[ClientFrame] = msgspec.json.Decoder(ClientFrame)
_TYPES = {frame.__struct_config__.tag for frame in ClientFrame.__args__}
# Deep nesting ends in RecursionError, bytes that are not UTF-8 in UnicodeDecodeError; all others are msgspec's own.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_client(payload: bytes) -> ClientFrame:
    """Read one message from a client.

    Raises:
        FrameError: for whatever is not a valid frame; no other exception, whatever the bytes are.

    """
    try:
        return _client.decode(payload)
    except _UNREADABLE as error:
        raise _explain(payload, error) from None


def _explain(payload: bytes, error: Exception) -> FrameError:
    """Say what is wrong with a message, with the command's id where that much can be read."""
    try:
        # The reader of the standard library is more lenient: half a surrogate pair, which a browser sends when it
        # cuts an emoji in two, must not cost the command its answer.
        seen = json.loads(payload.decode(), parse_int=_zero, parse_float=_zero)
    except (ValueError, RecursionError):
        return FrameError("INVALID_JSON", "The message is not JSON, or nested too deeply.")
    if not isinstance(seen, dict):
        return FrameError("VALIDATION", "A frame is a JSON object.")
    command, kind = seen.get("id"), seen.get("type")
    if not (isinstance(command, str) and _ID.fullmatch(command)):
        command = None
    if not isinstance(error, msgspec.ValidationError):
        return FrameError("INVALID_JSON", "The message is not valid JSON in Unicode.", command)
    if isinstance(kind, str) and kind not in _TYPES:
        return FrameError("UNKNOWN_TYPE", "There is no frame of this type.", command)
    return FrameError("VALIDATION", f"{error}.", command)


def _zero(_: str) -> int:
    """Stand in for a number whose value does not matter, and which may have thousands of digits."""
    return 0


def encode(frame: ServerFrame) -> bytes:
    """The JSON of one frame, to be sent as one text message."""
    return _encoder.encode(frame)


def event_frame(channel: str, seq: int, name: str, at: str, data_json: bytes) -> bytes:
    """The same bytes as ``encode(Event(...))``, around data that is JSON already."""
    return b'{"type":"event","channel":%s,"seq":%d,"name":%s,"at":%s,"data":%s}' % (
        _encoder.encode(channel),
        seq,
        _encoder.encode(name),
        _encoder.encode(at),
        data_json,
    )
