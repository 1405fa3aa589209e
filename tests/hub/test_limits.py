"""Every limit of a socket: what is within it works, what is beyond it has its documented answer."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from core.actor import Role
from core.runtime import Runtime
from core.settings import Settings
from domain.chat import actions as chat
from hub.close_codes import CloseCode
from hub.error_codes import ERROR_CODES
from tests.builders import create_clinic
from tests.people import create_person
from tests.support.web import ROOT, WAIT_SECONDS, WebProcess, eventually, open_socket, web_process

FRAME_BYTES = 2_000
CHANNELS = 2


@pytest.fixture(scope="module")
async def web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    limits = {"hub_max_frame_bytes": FRAME_BYTES, "hub_max_channels": CHANNELS}
    async with web_process(settings, tmp_path_factory.mktemp("web"), **limits) as running:
        yield running


def test_every_limit_is_explained_with_what_lies_beyond_it() -> None:
    """Next to the setting in .env.example, and in docs/protocol.md: a close code or the word of an error."""
    answers = {str(int(code)) for code in CloseCode} | {code.word for code in ERROR_CODES} | {"resync"}
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    page = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
    limits = [name.upper() for name in Settings.model_fields if name.startswith("hub_max_")]
    assert len(limits) >= 6
    for name in [*limits, "HUB_SLOW_READER_SECONDS"]:
        comment = re.search(rf"((?:^#.*\n)+)(?:^[A-Z_]+=.*\n)*^{name}=", example, re.MULTILINE)
        (row,) = (line for line in page.splitlines() if line.startswith("|") and f"`{name}`" in line)
        for text in (comment[1] if comment else "", row):
            assert answers & set(re.findall(r"\w+", text)), (name, text)


async def test_welcome_names_the_limits(web: WebProcess) -> None:
    async with open_socket(web.url) as socket:
        assert socket.seen[0]["limits"] == {
            "frame_bytes": FRAME_BYTES, "channels": CHANNELS, "commands_per_second": 20,
        }  # fmt: skip


@pytest.mark.parametrize(("size", "is_allowed"), [(FRAME_BYTES, True), (FRAME_BYTES + 1, False)])
async def test_a_message_of_so_many_bytes(web: WebProcess, size: int, is_allowed: bool) -> None:
    async with open_socket(web.url) as socket:
        await socket.connection.send("x" * size)
        if is_allowed:
            assert (await socket.until(type="error"))["error_code"] == "INVALID_JSON"
        else:
            assert await socket.close_code() == 1009


async def test_channels_of_a_socket(runtime: Runtime, web: WebProcess) -> None:
    """To ask again for one that it follows takes no place, and to leave one gives a place back."""
    first, second, third = [f"board:{(await create_clinic(runtime)).queue_id}" for _ in range(3)]
    async with open_socket(web.url) as socket:
        for channel in (first, second, first):
            assert (await socket.subscribe(channel))["type"] == "subscribed"
        assert (await socket.subscribe(third))["error_code"] == "TOO_MANY_CHANNELS"
        await socket.ask(type="unsubscribe", channel=first)
        assert (await socket.subscribe(third))["type"] == "subscribed"


async def test_a_frame_of_2_mb_closes_the_socket_with_1009(web: WebProcess) -> None:
    async with open_socket(web.url) as socket:
        await socket.connection.send("x" * 2_000_000)
        assert await socket.close_code() == 1009
    async with open_socket(web.url) as other:
        assert other.seen[0]["type"] == "welcome"


async def test_the_socket_too_many_is_refused(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    person = await create_person(runtime)
    limits = {"hub_max_sockets_per_user": 2, "hub_max_sockets_per_address": 4}
    async with contextlib.AsyncExitStack() as stack:
        web = await stack.enter_async_context(web_process(settings, tmp_path, **limits))
        for _ in range(2):
            await stack.enter_async_context(open_socket(web.url, person.access_token))
        third = await stack.enter_async_context(open_socket(web.url, person.access_token, hello=False))
        assert await third.close_code() == 4102
        for _ in range(2):
            await stack.enter_async_context(open_socket(web.url))
        with pytest.raises(InvalidStatus) as refused:
            await stack.enter_async_context(open_socket(web.url))
        assert refused.value.response.status_code == 429


async def test_event_streams_count_with_the_sockets(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    person, clinic = await create_person(runtime), await create_clinic(runtime)
    path = f"/api/v1/queues/{clinic.queue_id}/board/events"
    limits = {"hub_max_sockets_per_user": 2, "hub_max_sockets_per_address": 4}
    async with contextlib.AsyncExitStack() as stack:
        web = await stack.enter_async_context(web_process(settings, tmp_path, **limits))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=web.url))

        async def opened(headers: dict[str, str], into: contextlib.AsyncExitStack = stack) -> httpx.Response:
            return await into.enter_async_context(client.stream("GET", path, headers=headers))

        await stack.enter_async_context(open_socket(web.url, person.access_token))
        assert (await opened(person.bearer)).status_code == 200
        assert (await opened(person.bearer)).status_code == 429
        assert (await opened({})).status_code == 200
        async with contextlib.AsyncExitStack() as soon:
            assert (await opened({}, soon)).status_code == 200
            refused = await opened({}, soon)
            await refused.aread()
            assert (refused.status_code, refused.json()["error_code"]) == (429, "TOO_MANY_CONNECTIONS")
            assert int(refused.headers["retry-after"]) > 0
            with pytest.raises(InvalidStatus):
                await soon.enter_async_context(open_socket(web.url))

        async def is_free() -> bool:
            async with contextlib.AsyncExitStack() as again:
                return (await opened({}, again)).status_code == 200

        await eventually(is_free)


async def test_a_flood_of_commands_is_answered_and_then_closed(web: WebProcess) -> None:
    async with open_socket(web.url) as socket:
        with contextlib.suppress(ConnectionClosed):
            for number in range(400):
                await socket.send(type="unsubscribe", id=str(number), channel="board:x")
        assert await socket.close_code() == 4100
        refusals = [frame for frame in socket.seen if frame.get("error_code") == "RATE_LIMITED"]
    assert refusals
    assert refusals[0]["retry_after"] > 0
    assert refusals[0]["id"].isdecimal(), "each command has its one answer"


@pytest.mark.parametrize("is_pong", [False, True], ids=["ping", "pong"])
async def test_a_flood_of_pings_is_answered_and_then_closed(web: WebProcess, is_pong: bool) -> None:
    """They cost what a command costs to read, and have no end."""
    async with open_socket(web.url) as socket:
        send = socket.connection.pong if is_pong else socket.connection.ping
        with contextlib.suppress(ConnectionClosed):
            for number in range(400):
                await send(b"%d" % number)
        assert await socket.close_code() == 4100
        refusals = [frame for frame in socket.seen if frame.get("error_code") == "RATE_LIMITED"]
    assert refusals
    assert "id" not in refusals[0]


async def test_a_client_that_pings_now_and_then_lives(web: WebProcess) -> None:
    async with open_socket(web.url) as socket:
        for _ in range(30):
            await asyncio.wait_for(await socket.connection.ping(), WAIT_SECONDS)
        assert (await socket.ask(type="unsubscribe", channel="board:x"))["type"] == "ack"
        assert [frame for frame in socket.seen if frame["type"] == "error"] == []


async def test_attachments_are_refused_by_name_at_both_doors(runtime: Runtime, web: WebProcess) -> None:
    """Rather than passed over: a message must not seem to have been sent with its file."""
    patient, doctor = await create_person(runtime, Role.PATIENT), await create_person(runtime, Role.DOCTOR)
    async with runtime.transactions.begin(patient.actor) as unit:
        thread = await chat.open_thread(unit, doctor_id=doctor.id)
    message = {"key": uuid4().hex, "body": "See the picture", "attachments": ["a1"]}
    async with open_socket(web.url, patient.access_token) as socket:
        refused = await socket.ask(type="send", channel=f"thread:{thread.id}", **message)
        assert refused["error_code"] == "ATTACHMENTS_UNSUPPORTED"
        message["attachments"] = []
        assert (await socket.ask(type="send", channel=f"thread:{thread.id}", **message))["seq"] == 1
    async with httpx.AsyncClient(base_url=f"{web.url}/api/v1/chat", headers=patient.bearer) as client:
        address = f"/threads/{thread.id}/messages"
        answer = await client.post(address, json={"body": "Again", "attachments": ["a1"]})
        assert (answer.status_code, answer.json()["error_code"]) == (422, "ATTACHMENTS_UNSUPPORTED")
        assert len((await client.get(address)).json()["items"]) == 1
