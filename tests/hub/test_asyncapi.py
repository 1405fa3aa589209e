"""The published protocol: valid, complete, and true of what the sockets really say."""

import functools
import json
import pkgutil
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from typing import Any, get_args
from uuid import uuid4

import httpx
import jsonschema
import pytest

import domain
from core.actor import Role
from core.events import Event
from core.runtime import Runtime
from core.settings import Settings
from domain.chat import actions as chat
from hub import catalog, node
from hub.asyncapi import asyncapi_document
from hub.asyncapi_texts import SOCKETS
from hub.close_codes import CloseCode
from hub.error_codes import ERROR_CODES
from hub.frames import ClientFrame, ServerFrame
from hub.topics import TOPICS
from ops.build_web import WebBuilder
from tests.builders import create_clinic, take_ticket
from tests.people import create_person
from tests.support.web import ROOT, WebProcess, open_socket, web_process

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    return asyncapi_document("https://carebell.example")


@pytest.fixture(scope="module")
def schema() -> Document:
    """The schema that the AsyncAPI project publishes, from the locked packages of the pages' tests."""
    WebBuilder().install(with_tests=True)
    text = (ROOT / "web/node_modules/@asyncapi/specs/schemas/3.0.0.json").read_text(encoding="utf-8")
    loaded: Document = json.loads(text)
    return loaded


@pytest.fixture(scope="module")
async def web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    async with web_process(settings, tmp_path_factory.mktemp("web")) as running:
        yield running


def _problems(schema: Document, document: Document) -> list[str]:
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(document)]


def test_it_is_valid_asyncapi(schema: Document, document: Document) -> None:
    assert _problems(schema, document) == []


def test_the_schema_would_find_a_mistake(schema: Document, document: Document) -> None:
    """The negative control."""
    operations = {**document["operations"], "subscribe": {"action": "listen", "channel": {}}}
    assert _problems(schema, {**document, "operations": operations})
    assert _problems(schema, {key: value for key, value in document.items() if key != "info"})


def test_every_reference_leads_somewhere(document: Document) -> None:
    references = list(_references(document))
    assert len(references) > 100
    for reference in references:
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in found, reference
            found = found[step]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def test_every_frame_is_in_it(document: Document) -> None:
    client, server = ({cls.__struct_config__.tag for cls in get_args(union)} for union in (ClientFrame, ServerFrame))
    for tag in client | server:
        assert tag in document["components"]["messages"]
    actions = {key: operation["action"] for key, operation in document["operations"].items()}
    assert {key for key, action in actions.items() if action == "receive" and "." not in key} == client
    assert {key for key, action in actions.items() if action == "send" and "." not in key} == server


def test_every_event_that_a_room_knows_is_in_it(document: Document) -> None:
    """Of the rooms that have a channel; the facts of others, as identity, only ever go to other rooms."""
    modules = [import_module(m.name) for m in pkgutil.walk_packages(domain.__path__, "domain.") if "events" in m.name]
    publishing = {module.__name__ for module in modules if any(name.endswith("_channel") for name in vars(module))}
    assert len(publishing) == len(TOPICS)
    names = {cls.name for cls in _subclasses(Event) if cls.__module__ in publishing and cls.name}
    assert {event.name for topic in TOPICS.values() for event in topic.events} == names
    assert names <= set(document["components"]["messages"])


def _subclasses(cls: type[Event]) -> Iterator[type[Event]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)


def test_every_kind_of_channel_and_close_code_is_in_it(document: Document) -> None:
    assert set(document["x-topics"]) == set(catalog.KINDS)
    assert {row["code"] for row in document["x-close-codes"]} == {code.value for code in CloseCode}
    for code in CloseCode:
        assert f"| {code.value} | {code.name} |" in document["info"]["description"]


def test_every_error_code_is_in_it_with_what_becomes_of_the_socket(document: Document) -> None:
    rows = {row["error_code"]: row for row in document["x-error-codes"]}
    assert set(rows) == {code.word for code in ERROR_CODES}
    for word, row in rows.items():
        assert f"| `{word}` | {row['meaning']} |" in document["info"]["description"]
        assert all(row[field].endswith(".") for field in ("meaning", "when", "socket"))


def test_every_address_of_a_socket_is_in_it() -> None:
    one = str(uuid4())
    addresses = [socket.address.format(queue_id=one, thread_id=one) for socket in SOCKETS.values()]
    for pattern, kind in node._PATHS:
        matching = [address for address in addresses if pattern.fullmatch(address)]
        assert len(matching) == 1
        (socket,) = (socket for socket in SOCKETS.values() if pattern.fullmatch(socket.address.format_map(_Ids(one))))
        assert socket.topic == kind


class _Ids(dict[str, str]):
    """The same id for whatever is asked."""

    def __init__(self, one: str) -> None:
        super().__init__()
        self._one = one

    def __missing__(self, _: str) -> str:
        return self._one


async def test_the_sockets_say_only_what_it_allows(runtime: Runtime, web: WebProcess, document: Document) -> None:
    """A board, a thread and a person's notifications on the real server, each frame checked, with nothing unknown."""
    clinic = await create_clinic(runtime)
    patient, doctor = await create_person(runtime, Role.PATIENT), await create_person(runtime, Role.DOCTOR)
    async with runtime.transactions.begin(patient.actor) as unit:
        thread = await chat.open_thread(unit, doctor_id=doctor.id)
    channel = f"thread:{thread.id}"
    async with open_socket(web.url, patient.access_token) as one, open_socket(web.url, doctor.access_token) as two:
        await one.ask(type="send", channel=channel, key=uuid4().hex, body="Good morning")
        for name in (channel, f"user:{doctor.id}", f"board:{clinic.queue_id}", f"user:{patient.id}"):
            await two.subscribe(name)
        await one.subscribe(channel)
        await one.send(type="typing", channel=channel, on=True)
        await two.until(type="signal")
        ack = await one.ask(type="send", channel=channel, key=uuid4().hex, body="Is anybody there?")
        await two.until(type="event", name="message.sent")
        await two.ask(type="read", channel=channel, seq=ack["seq"])
        await one.until(type="event", name="receipt.updated")
        await take_ticket(runtime, clinic.queue_id)
        await two.until(type="event", name="ticket.upserted")
        await two.until(type="heartbeat")
        seen = one.seen + two.seen
        assert {"welcome", "subscribed", "event", "signal", "ack", "error", "heartbeat"} <= {f["type"] for f in seen}
        for frame in seen:
            _check(document, frame)


async def test_a_snapshot_with_a_field_too_many_would_be_found(
    runtime: Runtime, web: WebProcess, document: Document
) -> None:
    """The negative control of the test above."""
    clinic = await create_clinic(runtime)
    async with open_socket(web.url) as screen:
        snapshot = await screen.subscribe(f"board:{clinic.queue_id}")
    _check(document, snapshot)
    snapshot["state"]["queue"]["mood"] = "calm"
    with pytest.raises(jsonschema.ValidationError):
        _check(document, snapshot)


def _check(document: Document, frame: Document) -> None:
    """Against the message that fits best: the frame's own, and what is known of its event, signal or snapshot."""
    keys = [frame["type"]]
    kind = frame.get("channel", "").partition(":")[0]
    if frame["type"] == "event":
        keys.append(frame["name"])
    elif frame["type"] == "signal":
        keys.append(f"signal.{kind}.{frame['name']}")
    elif frame.get("mode") == "snapshot":
        keys.append(f"{kind}.snapshot")
    for key in keys:
        payload = document["components"]["messages"][key]["payload"]
        closed = {**payload, "components": {"schemas": _closed(document["components"]["schemas"])}}
        jsonschema.Draft202012Validator(closed).validate(frame)


def _closed(schemas: Document) -> Document:
    """No field that the schemas do not name."""
    return {
        name: {**schema, "additionalProperties": False} if "properties" in schema else schema
        for name, schema in schemas.items()
    }


async def test_it_is_served(web: WebProcess, settings: Settings) -> None:
    async with httpx.AsyncClient(base_url=web.url) as client:
        answer = await client.get("/asyncapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == asyncapi_document(settings.public_url)


async def _stream(client: httpx.AsyncClient, address: str, last: str, change: Callable[[], Any]) -> list[Document]:
    """The events of a stream up to its first heartbeat; the board changes once it was told."""
    events: list[Document] = []
    async with client.stream("GET", address, headers={"Last-Event-ID": last}) as response:
        fields: Document = {}
        async for line in response.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields |= {name: value} if name != "retry" else {}
                continue
            events.append(fields)
            if fields["event"] == "heartbeat":
                break
            if fields["event"] in {"snapshot", "live"}:
                await change()
            fields = {}
    return events


async def test_the_streams_say_only_what_it_allows(runtime: Runtime, web: WebProcess, document: Document) -> None:
    """A board as Server-Sent Events, from nothing and from a position."""
    clinic = await create_clinic(runtime)
    address = document["channels"]["board_events"]["address"].format(queue_id=clinic.queue_id)
    async with httpx.AsyncClient(base_url=web.url) as client:
        take = functools.partial(take_ticket, runtime, clinic.queue_id)
        anew = await _stream(client, address, "unknown", take)
        await take()
        resumed = await _stream(client, address, anew[2]["id"], take)
    names = ["ticket.upserted", "live", "ticket.upserted", "heartbeat"]
    assert [event["event"] for event in anew] == ["welcome", "snapshot", *names[2:]]
    assert [event["event"] for event in resumed] == ["welcome", *names]
    schemas = {"schemas": _closed(document["components"]["schemas"])}
    for event in anew + resumed:
        message = document["components"]["messages"][f"stream.{event['event']}"]
        data = json.loads(event.pop("data"))
        for schema, part in ((message["headers"], event), (message["payload"], data)):
            jsonschema.Draft202012Validator({**schema, "components": schemas}).validate(part)
