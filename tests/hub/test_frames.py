"""The wire: what is a frame, what is refused by which name, and that nothing else ever comes out."""

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub import frames
from hub.fields import MAX_SEQ
from hub.frames import FrameError, decode_client, encode, event_frame

# A busy machine is not a failure.
no_clock = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SEND = {"type": "send", "id": "7", "channel": "thread:1", "key": "k1", "body": "Good morning"}


def test_every_client_frame_is_read_as_its_class() -> None:
    """One example of each type, with every field set."""
    position = {"epoch": "e1", "seq": 4}
    examples: list[dict[str, Any]] = [
        {"type": "hello", "id": "1", "token": "t", "resume": {"board:1": position}},
        {"type": "subscribe", "id": "2", "channel": "board:1", **position},
        {"type": "unsubscribe", "id": "3", "channel": "board:1"},
        {**SEND, "attachments": ["a1"]},
        {"type": "read", "id": "4", "channel": "thread:1", "seq": 9},
        {"type": "typing", "id": "5", "channel": "thread:1", "on": False},
        {"type": "auth", "id": "6", "token": "t"},
    ]
    for example in examples:
        frame = decode_client(json.dumps(example).encode())
        assert type(frame).__name__ == example["type"].capitalize()
        assert json.loads(msgspec.json.encode(frame)) == example
    assert {example["type"] for example in examples} == {
        kind.__struct_config__.tag for kind in get_args(frames.ClientFrame)
    }


def test_unknown_fields_are_passed_over() -> None:
    """A newer client may say more than this server understands."""
    frame = decode_client(json.dumps({**SEND, "mood": {"deep": [1, {}]}}).encode())
    assert isinstance(frame, frames.Send)
    assert frame.body == "Good morning"


@pytest.mark.parametrize(
    ("payload", "error_code", "command"),
    [
        (b"", "INVALID_JSON", None),
        (b"hello", "INVALID_JSON", None),
        (b'{"type":"auth","id":"7","token":', "INVALID_JSON", None),
        (b'{"type":"auth","id":"7","token":"t"} {}', "INVALID_JSON", None),
        (b"\xef\xbb\xbf" + json.dumps(SEND).encode(), "INVALID_JSON", None),
        (b'{"type":"send","id":"7","body":"\x00"}', "INVALID_JSON", None),
        (b'{"type":"send","id":"7","body":"\xff"}', "INVALID_JSON", None),
        (b'{"type":"send","id":"7","body":"\xed\xa0\x80"}', "INVALID_JSON", None),
        (json.dumps({**SEND, "body": "cut \ud83d"}).encode(), "INVALID_JSON", "7"),
        (json.dumps({**SEND, "body": "\udc00 first"}).encode(), "INVALID_JSON", "7"),
        (b'{"type":"send","id":"7","x":' + b"[" * 1000 + b"]" * 1000 + b"}", "INVALID_JSON", None),
        (b"[" * 60_000, "INVALID_JSON", None),
        (b'{"a":' * 10_000, "INVALID_JSON", None),
        (b"[]", "VALIDATION", None),
        (b"null", "VALIDATION", None),
        (b"17", "VALIDATION", None),
        (b"{}", "VALIDATION", None),
        (b'{"type":null,"id":"7"}', "VALIDATION", "7"),
        (b'{"type":"shout","id":"7"}', "UNKNOWN_TYPE", "7"),
        (b'{"type":"welcome","id":"7"}', "UNKNOWN_TYPE", "7"),
        (b'{"type":"subscribe","id":"7"}', "VALIDATION", "7"),
        (b'{"type":"subscribe","id":7,"channel":"c"}', "VALIDATION", None),
        (b'{"type":"subscribe","id":"","channel":"c"}', "VALIDATION", None),
        (json.dumps({**SEND, "id": "i" * 65}).encode(), "VALIDATION", None),
        (json.dumps({**SEND, "body": ""}).encode(), "VALIDATION", "7"),
        (json.dumps({**SEND, "body": "b" * 10_001}).encode(), "VALIDATION", "7"),
        (json.dumps({**SEND, "body": "a\0b"}).encode(), "VALIDATION", "7"),
        (json.dumps({**SEND, "key": "k" * 65}).encode(), "VALIDATION", "7"),
        (json.dumps({**SEND, "channel": "c" * 201}).encode(), "VALIDATION", "7"),
        (json.dumps({**SEND, "attachments": ["a"] * 11}).encode(), "VALIDATION", "7"),
        (b'{"type":"read","id":"7","channel":"c","seq":-1}', "VALIDATION", "7"),
        (b'{"type":"read","id":"7","channel":"c","seq":1.5}', "VALIDATION", "7"),
        (b'{"type":"read","id":"7","channel":"c","seq":1e400}', "VALIDATION", "7"),
        (b'{"type":"read","id":"7","channel":"c","seq":9007199254740992}', "VALIDATION", "7"),
        (b'{"type":"read","id":"7","channel":"c","seq":' + b"9" * 20_000 + b"}", "VALIDATION", "7"),
        (b'{"type":"hello","resume":{"board:1":{"epoch":"e"}}}', "VALIDATION", None),
    ],
)
def test_a_bad_message_is_refused_by_name_and_keeps_its_id(
    payload: bytes, error_code: str, command: str | None
) -> None:
    """Each kind of bad message has its code, and its answer finds the command where that could be read."""
    with pytest.raises(FrameError) as caught:
        decode_client(payload)
    assert (caught.value.error_code, caught.value.id) == (error_code, command)
    answer = json.loads(encode(caught.value.frame()))
    assert answer["type"] == "error"
    assert answer.get("id") == command
    assert answer["detail"].endswith(".")


@no_clock
@given(st.binary(max_size=400))
def test_any_bytes_are_a_frame_or_a_frame_error(payload: bytes) -> None:
    """No other exception comes out, whatever came in."""
    with pytest.raises(FrameError):
        decode_client(payload)


def json_with(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Small values of all kinds."""
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | texts,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=3,
    )


JSON = json_with(st.text(st.characters(), max_size=8))  # half characters as well
OUR_JSON = json_with(st.text(max_size=8))
KINDS = st.sampled_from(["hello", "subscribe", "unsubscribe", "send", "read", "typing", "auth", "shout"])
FIELDS = st.sampled_from(["id", "channel", "key", "body", "seq", "epoch", "token", "on", "resume", "attachments"])


def is_command_id(value: object) -> bool:
    """1 to 64 characters that can be written as UTF-8, and no NUL."""
    return (
        isinstance(value, str)
        and 1 <= len(value.encode(errors="ignore").decode()) == len(value) <= 64
        and "\0" not in value
    )


@no_clock
@given(KINDS, st.dictionaries(FIELDS, JSON | st.text(min_size=1, max_size=5), max_size=4))
def test_any_fields_are_a_frame_or_a_frame_error_with_the_id(kind: str, fields: dict[str, Any]) -> None:
    """A command that was refused is answered under its own id, so that the client does not wait for ever."""
    command = fields.get("id")
    try:
        frame = decode_client(json.dumps({**fields, "type": kind}).encode())
    except FrameError as error:
        answer = json.loads(encode(error.frame()))
    else:
        answer = json.loads(msgspec.json.encode(frame))
        assert answer["type"] == kind
    assert answer.get("id") == (command if is_command_id(command) else None)


def test_a_frame_shows_nothing_of_its_fields_in_a_log() -> None:
    """Tokens and what people write are not for logs."""
    assert repr(decode_client(b'{"type":"auth","id":"1","token":"s3cret"}')) == "<Auth>"


def test_what_has_no_value_is_left_out() -> None:
    """Frames stay small; an empty list of events is a value."""
    live = frames.Subscribed(channel="c", epoch="e", seq=0, mode="live")
    assert json.loads(encode(live)) == {"type": "subscribed", "channel": "c", "epoch": "e", "seq": 0, "mode": "live"}
    resumed = frames.Subscribed(id="1", channel="c", epoch="e", seq=3, mode="resume", events=[])
    assert json.loads(encode(resumed))["events"] == []
    assert encode(frames.Degraded()) == b'{"type":"degraded"}'
    limits = frames.Limits(frame_bytes=65_536, channels=100, commands_per_second=20)
    welcome = frames.Welcome(connection="c1", user=None, heartbeat_s=10, limits=limits)
    assert json.loads(encode(welcome))["user"] is None


@no_clock
@given(st.text(), st.integers(0, MAX_SEQ), st.text(), OUR_JSON)
def test_an_event_spliced_is_an_event_encoded(channel: str, seq: int, name: str, data: Any) -> None:
    """The fast path writes the very bytes of the slow one."""
    data_json = msgspec.json.encode(data)
    event = frames.Event(channel=channel, seq=seq, name=name, at="2026-01-02T03:04:05Z", data=msgspec.Raw(data_json))
    assert event_frame(channel, seq, name, "2026-01-02T03:04:05Z", data_json) == encode(event)
