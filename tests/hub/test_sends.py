"""Messages by socket: several on their way at once, answered in their order."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.actor import Role
from core.runtime import Runtime
from core.settings import Settings
from domain.chat import actions as chat
from tests.people import Person, create_person
from tests.support.web import WebProcess, open_socket, web_process

COUNT = 30


@pytest.fixture(scope="module")
async def web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    path: Path = tmp_path_factory.mktemp("web")
    async with web_process(settings, path, hub_max_commands_per_second=1_000) as running:
        yield running


async def _care_thread(runtime: Runtime) -> tuple[Person, str, Person]:
    patient, doctor = await create_person(runtime, Role.PATIENT), await create_person(runtime, Role.DOCTOR)
    async with runtime.transactions.begin(patient.actor) as unit:
        thread = await chat.open_thread(unit, doctor_id=doctor.id)
    return patient, f"thread:{thread.id}", doctor


async def test_sends_of_one_socket_are_written_and_answered_in_their_order(runtime: Runtime, web: WebProcess) -> None:
    patient, channel, _ = await _care_thread(runtime)
    async with open_socket(web.url, patient.access_token) as socket:
        for number in range(COUNT):
            await socket.send(type="send", id=f"{number}", channel=channel, key=f"{number}", body=f"Message {number}")
        acks = [await socket.until(type="ack") for _ in range(COUNT)]
    assert [(ack["id"], ack["seq"], ack["message"]["body"]) for ack in acks] == [
        (f"{number}", number + 1, f"Message {number}") for number in range(COUNT)
    ]


async def test_each_send_is_refused_on_its_own_and_other_commands_keep_their_place(
    runtime: Runtime, web: WebProcess
) -> None:
    patient, channel, _ = await _care_thread(runtime)
    _, foreign, _ = await _care_thread(runtime)
    sends = [(channel, "a", "one"), (foreign, "b", "two"), (channel, "a", "other"), ("board:x", "c", "three")]
    async with open_socket(web.url, patient.access_token) as socket:
        for number, (where, key, body) in enumerate([*sends, (channel, "a", "one"), (channel, "d", "four")]):
            await socket.send(type="send", id=f"{number}", channel=where, key=key, body=body)
        await socket.send(type="read", id="read", channel=channel, seq=2)
        await socket.send(type="send", id="last", channel=channel, key="e", body="five")
        answers = [await socket.receive() for _ in range(8)]
    assert [answer["id"] for answer in answers] == ["0", "1", "2", "3", "4", "5", "read", "last"]
    assert [answer.get("error_code") or answer.get("seq") for answer in answers] == [
        1, "RESOURCE_NOT_FOUND", "IDEMPOTENCY_KEY_REUSED", "UNKNOWN_CHANNEL", 1, 2, None, 3,
    ]  # fmt: skip


async def test_before_hello_nobody_sends(runtime: Runtime, web: WebProcess) -> None:
    _, channel, _ = await _care_thread(runtime)
    async with open_socket(web.url, hello=False) as socket:
        refusal = await socket.ask(type="send", channel=channel, key="a", body="Hello")
        assert refusal["error_code"] == "AUTHENTICATION"


async def test_who_is_written_to_is_told_once_for_many_messages(runtime: Runtime, web: WebProcess) -> None:
    patient, channel, doctor = await _care_thread(runtime)
    async with (
        open_socket(web.url, patient.access_token) as socket,
        open_socket(web.url, doctor.access_token) as recipient,
    ):
        await recipient.subscribe(f"user:{doctor.id}")
        for number in range(COUNT):
            await socket.send(type="send", id=f"{number}", channel=channel, key=f"{number}", body="Hello")
        told: list[dict[str, Any]] = []
        while not told or told[-1]["notification"]["count"] < COUNT:
            told.append((await recipient.until(type="event", name="notification.upserted"))["data"])
    assert {one["notification"]["id"] for one in told} == {told[0]["notification"]["id"]}
    assert (told[-1]["notification"]["count"], told[-1]["unread"]) == (COUNT, 1)
    assert len(told) < COUNT
