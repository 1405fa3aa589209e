"""Every way to begin: by the session cookie and its origin, by an address that names a channel, and by positions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from core.actor import Role
from core.runtime import Runtime
from core.settings import Settings
from domain.chat import actions as chat
from tests.builders import create_clinic, take_ticket
from tests.people import Person, create_person
from tests.support.web import TestSocket, WebProcess, open_socket, web_process


@pytest.fixture(scope="module")
async def web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    async with web_process(settings, tmp_path_factory.mktemp("web")) as running:
        yield running


@asynccontextmanager
async def _as_a_browser(web: WebProcess, cookie: str, origin: str) -> AsyncIterator[TestSocket]:
    headers = {"Cookie": f"access_token={cookie}", "Origin": origin}
    async with connect(web.url.replace("http", "ws", 1) + "/api/v1/ws", additional_headers=headers) as connection:
        yield TestSocket(connection)


async def test_a_cookie_signs_in_from_our_own_pages(runtime: Runtime, settings: Settings, web: WebProcess) -> None:
    person = await create_person(runtime)
    for origin in (settings.public_url, web.url):
        async with _as_a_browser(web, person.access_token, origin) as socket:
            assert (await socket.until(type="welcome"))["user"] == str(person.id)


async def test_a_cookie_from_the_page_of_another_site_is_refused(runtime: Runtime, web: WebProcess) -> None:
    person = await create_person(runtime)
    for origin in ("https://elsewhere.example", "null", "http://localhost:8000.elsewhere.example"):
        with pytest.raises(InvalidStatus) as refused:
            async with _as_a_browser(web, person.access_token, origin):
                pass
        response = refused.value.response
        assert response.status_code == 403
        assert msgspec.json.decode(response.body or b"")["error_code"] == "FORBIDDEN_ORIGIN"


async def test_a_cookie_that_is_no_longer_valid_is_nobody(settings: Settings, web: WebProcess) -> None:
    """A browser sends it whether the page wants it or not, and boards are for everybody."""
    async with _as_a_browser(web, "a.b.c", settings.public_url) as socket:
        await socket.send(type="hello")
        assert (await socket.until(type="welcome"))["user"] is None


async def _care_thread(runtime: Runtime) -> tuple[Person, str]:
    patient, doctor = await create_person(runtime, Role.PATIENT), await create_person(runtime, Role.DOCTOR)
    async with runtime.transactions.begin(patient.actor) as unit:
        thread = await chat.open_thread(unit, doctor_id=doctor.id)
    return patient, str(thread.id)


async def test_an_address_that_names_a_channel_follows_it_at_once(runtime: Runtime, web: WebProcess) -> None:
    patient, thread = await _care_thread(runtime)
    queue = (await create_clinic(runtime)).queue_id
    for path, channel in (
        (f"/api/v1/chat/ws/chat/{thread}", f"thread:{thread}"),
        ("/api/v1/notifications/ws", f"user:{patient.id}"),
        (f"/api/v1/queue/ws/{queue}", f"board:{queue}"),
    ):
        async with open_socket(web.url, patient.access_token, path) as socket:
            subscribed = await socket.until(type="subscribed")
            assert (subscribed["id"], subscribed["channel"], subscribed["mode"]) == ("preset", channel, "snapshot")
    async with open_socket(web.url, path=f"/api/v1/queue/ws/{queue}") as visitor:
        assert (await visitor.until(type="subscribed"))["channel"] == f"board:{queue}"


async def test_an_address_gives_no_right_that_its_channel_does_not(runtime: Runtime, web: WebProcess) -> None:
    _, thread = await _care_thread(runtime)
    stranger = await create_person(runtime)
    for token in (stranger.access_token, None):
        async with open_socket(web.url, token, f"/api/v1/chat/ws/chat/{thread}") as socket:
            refused = await socket.until(type="error")
            assert refused["id"] == "preset"
            assert refused["error_code"] in {"RESOURCE_NOT_FOUND", "AUTHENTICATION"}


async def test_hello_resumes_all_channels_that_it_names(runtime: Runtime, web: WebProcess) -> None:
    queues = [(await create_clinic(runtime)).queue_id for _ in range(2)]
    for queue in queues:
        await take_ticket(runtime, queue)
    async with open_socket(web.url) as socket:
        seen = [await socket.subscribe(f"board:{queue}") for queue in queues]
    async with open_socket(web.url) as witness:
        for queue in queues:
            await witness.subscribe(f"board:{queue}")
        await take_ticket(runtime, queues[0])
        await witness.until(type="event")
        async with open_socket(web.url, hello=False) as socket:
            places = {one["channel"]: {"epoch": one["epoch"], "seq": one["seq"]} for one in seen}
            await socket.send(type="hello", id="1", resume=places)
            assert (await socket.until(type="ack"))["id"] == "1"
            answers = [await socket.until(type="subscribed") for _ in places]
    assert [(answer["mode"], answer["seq"]) for answer in answers] == [("resume", 2), ("live", 1)]


async def test_there_is_no_socket_elsewhere(web: WebProcess) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(web.url, path="/api/v1/ws/other"):
            pass
    assert refused.value.response.status_code == 404
