"""The hub end to end on a real web process: channels, chat, bad input, and two processes that behave as one."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from core.actor import Role
from core.clock import now
from core.runtime import Runtime
from core.settings import Settings
from domain.chat import actions as chat
from domain.identity.rules import write_access_token
from tests.builders import create_clinic, take_ticket
from tests.people import Person, create_person
from tests.support.web import WebProcess, open_socket, web_process


@pytest.fixture(scope="module")
async def web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    async with web_process(settings, tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture(scope="module")
async def other_web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    async with web_process(settings, tmp_path_factory.mktemp("web")) as running:
        yield running


async def _support_thread(runtime: Runtime) -> tuple[Person, Person, str]:
    """A patient, the advisor they were given, and the channel of their thread."""
    advisor = await create_person(runtime, Role.ADVISOR)
    patient = await create_person(runtime, Role.PATIENT)
    doctor = await create_person(runtime, Role.DOCTOR)
    async with runtime.transactions.begin(patient.actor) as unit:
        thread = await chat.open_thread(unit, doctor_id=doctor.id)
    assert advisor.id != doctor.id
    return patient, doctor, f"thread:{thread.id}"


async def test_a_call_by_rest_reaches_the_screens_of_both_processes(
    runtime: Runtime, web: WebProcess, other_web: WebProcess
) -> None:
    clinic = await create_clinic(runtime)
    await take_ticket(runtime, clinic.queue_id)
    staff = await create_person(runtime, Role.STAFF, clinic_ids=(clinic.clinic_id,))
    channel = f"board:{clinic.queue_id}"
    async with open_socket(web.url) as here, open_socket(other_web.url) as there:
        for screen in (here, there):
            subscribed = await screen.subscribe(channel)
            assert subscribed["mode"] == "snapshot"
            assert subscribed["seq"] == 1
            assert [ticket["code"] for ticket in subscribed["state"]["tickets"]] == ["A-001"]
        async with httpx.AsyncClient(base_url=web.url, headers=staff.bearer) as client:
            body = {"queue_id": str(clinic.queue_id), "counter_id": str(clinic.counter_ids[0])}
            response = await client.post("/api/v1/queue/call-next", json=body)
        assert response.status_code == 200, response.text
        for screen in (here, there):
            event = await screen.until(type="event", channel=channel)
            assert event["seq"] == 2
            assert event["name"] == "ticket.upserted"
            assert event["data"]["ticket"]["status"] == "called"
            assert event["data"]["ticket"]["counter"]["name"] == "Desk 1"


async def test_resume_brings_exactly_what_was_missed(runtime: Runtime, web: WebProcess, other_web: WebProcess) -> None:
    clinic = await create_clinic(runtime)
    await take_ticket(runtime, clinic.queue_id)
    channel = f"board:{clinic.queue_id}"
    async with open_socket(web.url) as here, open_socket(other_web.url) as there:
        first = await here.subscribe(channel)
        await there.subscribe(channel)
        for _ in range(3):
            await take_ticket(runtime, clinic.queue_id)
        for witness in (here, there):
            await witness.until(type="event", seq=4)
    position = {"epoch": first["epoch"], "seq": first["seq"]}
    for process in (web, other_web):
        async with open_socket(process.url) as screen:
            missed = await screen.subscribe(channel, **position)
            assert missed["mode"] == "resume"
            assert [event["seq"] for event in missed["events"]] == [2, 3, 4]
            current = await screen.subscribe(channel, epoch=missed["epoch"], seq=missed["seq"])
            assert current["mode"] == "live"
            assert "events" not in current
            assert (await screen.subscribe(channel, epoch="other", seq=4))["mode"] == "snapshot"
            assert (await screen.subscribe(channel, epoch=missed["epoch"], seq=999))["mode"] == "snapshot"


async def test_a_second_hello_does_not_make_a_socket_somebody_elses(runtime: Runtime, web: WebProcess) -> None:
    patient, doctor, channel = await _support_thread(runtime)
    stranger = await create_person(runtime)
    async with open_socket(web.url, patient.access_token) as socket:
        assert (await socket.subscribe(channel))["type"] == "subscribed"
        refused = await socket.ask(type="hello", token=stranger.access_token)
        assert refused["error_code"] == "AUTHENTICATION"
        assert (await socket.ask(type="hello", token=patient.access_token))["type"] == "ack"
        sent = await socket.ask(type="send", channel=channel, key=uuid4().hex, body="still me")
        assert sent["message"]["sender_id"] == str(patient.id)
    async with open_socket(web.url) as visitor:
        assert (await visitor.ask(type="hello", token=doctor.access_token))["type"] == "ack"
        assert (await visitor.subscribe(channel))["type"] == "subscribed"


async def test_chat_between_two_processes(runtime: Runtime, web: WebProcess, other_web: WebProcess) -> None:
    patient, doctor, channel = await _support_thread(runtime)
    async with (
        open_socket(web.url, patient.access_token) as one,
        open_socket(other_web.url, doctor.access_token) as two,
    ):
        await one.subscribe(channel)
        await two.subscribe(channel)
        await one.send(type="typing", channel=channel, on=True)
        signal = await two.until(type="signal", name="typing")
        assert signal["data"] == {"user_id": str(patient.id), "on": True}
        key = uuid4().hex
        ack = await one.ask(type="send", channel=channel, key=key, body="Does it hurt? ☂")
        assert ack["type"] == "ack"
        event = await two.until(type="event", name="message.sent")
        assert event["seq"] == ack["seq"]
        assert event["data"]["message"]["body"] == "Does it hurt? ☂"
        again = await one.ask(type="send", channel=channel, key=key, body="Does it hurt? ☂")
        assert again["seq"] == ack["seq"]
        await two.ask(type="read", channel=channel, seq=event["seq"])
        receipt = await one.until(type="event", name="receipt.updated")
        assert receipt["data"] == {"user_id": str(doctor.id), "read_seq": event["seq"]}


async def test_what_was_sent_is_there_after_a_reload(runtime: Runtime, web: WebProcess) -> None:
    patient, _, channel = await _support_thread(runtime)
    async with open_socket(web.url, patient.access_token) as socket:
        await socket.subscribe(channel)
        for number in range(3):
            await socket.ask(type="send", channel=channel, key=f"{channel}-{number}", body=f"line {number}")
    async with open_socket(web.url, patient.access_token) as socket:
        state = (await socket.subscribe(channel))["state"]
    assert [message["body"] for message in state["messages"]] == ["line 0", "line 1", "line 2"]


BAD_FRAMES: list[tuple[str, str]] = [
    ("this is not JSON", "INVALID_JSON"),
    ("[1, 2]", "VALIDATION"),
    ('{"type": "dance", "id": "1"}', "UNKNOWN_TYPE"),
    ('{"type": "subscribe", "id": "1"}', "VALIDATION"),
    ('{"type": "subscribe", "id": "1", "channel": "nowhere:1"}', "UNKNOWN_CHANNEL"),
    ('{"type": "subscribe", "id": "1", "channel": "board:not-a-uuid"}', "UNKNOWN_CHANNEL"),
    ('{"type": "subscribe", "id": "1", "channel": "board:00000000-0000-7000-8000-000000000000"}', "RESOURCE_NOT_FOUND"),
    ('{"type": "send", "id": "1", "channel": "board:x", "key": "k", "body": "hi"}', "UNKNOWN_CHANNEL"),
    ("[" * 1000, "INVALID_JSON"),
]


@pytest.mark.parametrize(("text", "error_code"), BAD_FRAMES, ids=[text[:60] for text, _ in BAD_FRAMES])
async def test_a_bad_frame_is_answered_by_name_and_the_socket_lives(
    runtime: Runtime, web: WebProcess, text: str, error_code: str
) -> None:
    person = await create_person(runtime)
    async with open_socket(web.url, person.access_token) as socket:
        await socket.connection.send(text)
        error = await socket.until(type="error")
        assert error["error_code"] == error_code
        assert error["detail"]
        assert (await socket.subscribe(f"user:{person.id}"))["mode"] == "snapshot"


async def test_nobody_follows_what_is_not_theirs(runtime: Runtime, web: WebProcess) -> None:
    patient, _, channel = await _support_thread(runtime)
    stranger = await create_person(runtime)
    async with open_socket(web.url, stranger.access_token) as socket:
        assert (await socket.subscribe(channel))["error_code"] == "RESOURCE_NOT_FOUND"
        assert (await socket.subscribe(f"user:{patient.id}"))["error_code"] == "AUTHORIZATION"
        refused = await socket.ask(type="send", channel=channel, key="k", body="let me in")
        assert refused["error_code"] == "RESOURCE_NOT_FOUND"
        assert (await socket.ask(type="typing", channel=channel, on=True))["error_code"] == "NOT_SUBSCRIBED"
    async with open_socket(web.url) as visitor:
        assert (await visitor.subscribe(channel))["type"] == "error"
        assert (await visitor.ask(type="send", channel=channel, key="k", body="hi"))["error_code"] == "AUTHENTICATION"


async def test_sign_in_by_ticket_token_and_hello(runtime: Runtime, web: WebProcess) -> None:
    person = await create_person(runtime)
    async with httpx.AsyncClient(base_url=web.url, headers=person.bearer) as client:
        ticket = (await client.post("/api/v1/auth/ws-ticket")).json()["ticket"]
    async with open_socket(web.url, path=f"/api/v1/ws?ticket={ticket}", hello=False) as socket:
        assert (await socket.until(type="welcome"))["user"] == str(person.id)
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(web.url, path=f"/api/v1/ws?ticket={ticket}", hello=False):
            pass
    assert refused.value.response.status_code == 401
    async with open_socket(
        web.url, path=f"/api/v1/notifications/ws?token={person.access_token}", hello=False
    ) as socket:
        assert (await socket.until(type="subscribed"))["channel"] == f"user:{person.id}"
    async with open_socket(web.url, hello=False) as socket:
        await socket.send(type="hello", token=person.access_token)
        assert (await socket.until(type="welcome"))["user"] == str(person.id)
    assert person.access_token not in web.log.read_text()
    assert ticket not in web.log.read_text()


async def test_signing_out_closes_the_sockets_of_that_session(
    runtime: Runtime, web: WebProcess, other_web: WebProcess
) -> None:
    person = await create_person(runtime)
    async with open_socket(other_web.url, person.access_token) as socket:
        async with httpx.AsyncClient(base_url=web.url, headers=person.bearer) as client:
            assert (await client.post("/api/v1/auth/logout")).status_code == 200
        assert await socket.close_code() == 4002


async def test_a_socket_that_never_says_hello_is_closed(settings: Settings, tmp_path: Path) -> None:
    async with (
        web_process(settings, tmp_path, hub_sign_in_seconds=0.2) as web,
        open_socket(web.url, hello=False) as socket,
    ):
        assert await socket.close_code() == 4001


async def test_a_sign_in_that_ends_is_warned_of_and_renewed_in_place(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    person = await create_person(runtime)
    secret = settings.secret_key.get_secret_value()
    short = write_access_token(
        person.id, person.email, "patient", person.session_id, secret, now(), timedelta(seconds=50)
    )
    async with web_process(settings, tmp_path) as web, open_socket(web.url, short) as socket:
        warning = await socket.until(type="expiring")
        assert 0 < warning["expires_in_s"] <= 50
        stranger = await create_person(runtime)
        refused = await socket.ask(type="auth", token=stranger.access_token)
        assert refused["error_code"] == "AUTHENTICATION"
        assert (await socket.ask(type="auth", token=person.access_token))["type"] == "ack"
        async with httpx.AsyncClient(base_url=web.url, headers=person.bearer) as client:
            ticket = (await client.post("/api/v1/auth/ws-ticket")).json()["ticket"]
        assert (await socket.ask(type="auth", token=ticket))["type"] == "ack"
        assert (await socket.ask(type="auth", token=ticket))["error_code"] == "AUTHENTICATION"


async def test_a_sign_in_that_nobody_renews_is_closed_after_the_grace(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    person = await create_person(runtime)
    secret = settings.secret_key.get_secret_value()
    async with web_process(settings, tmp_path, hub_expiry_grace_seconds=0.5) as web:
        ending = write_access_token(
            person.id, person.email, "patient", person.session_id, secret, now(), timedelta(seconds=6)
        )
        async with open_socket(web.url, ending) as socket:
            await socket.until(type="expiring")
            assert await socket.close_code() == 4203
