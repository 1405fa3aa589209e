"""The chat by REST, as documents 000 and 001 use it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from core.actor import Role
from core.ids import new_id
from core.runtime import Runtime
from domain.chat.rules import ThreadKind
from models import Patient
from tests.domain.chat.builders import create_talk
from tests.people import Person, create_person

BASE = "/api/v1/chat"

Call = Callable[..., Awaitable[httpx.Response]]


@dataclass(frozen=True)
class Scene:
    """A support thread between two people, and somebody who has no part in it."""

    thread_id: str
    patient: Person
    advisor: Person
    stranger: Person


@pytest.fixture(scope="module")
async def people(runtime: Runtime) -> tuple[Person, Person, Person]:
    """A patient, an advisor, and an administrator."""
    roles = (Role.PATIENT, Role.ADVISOR, Role.ADMIN)
    patient, advisor, admin = [await create_person(runtime, role) for role in roles]
    return patient, advisor, admin


@pytest.fixture
async def scene(runtime: Runtime, people: tuple[Person, Person, Person]) -> Scene:
    """A fresh thread."""
    patient, advisor, stranger = people
    talk = await create_talk(runtime, ThreadKind.SUPPORT, patient.actor, advisor.actor)
    return Scene(str(talk.id), patient, advisor, stranger)


@pytest.fixture
def call(client: httpx.AsyncClient) -> Call:
    """``await call(person, method, path, **what httpx takes)``."""

    def request(person: Person | None, method: str, path: str, **more: Any) -> Awaitable[httpx.Response]:
        headers = {**(person.bearer if person else {}), **more.pop("headers", {})}
        return client.request(method, BASE + path, headers=headers, **more)

    return request


async def _send(call: Call, scene: Scene, person: Person, body: str, key: str | None = None) -> dict[str, Any]:
    json = {"body": body, "key": key or str(uuid4())}
    response = await call(person, "POST", f"/threads/{scene.thread_id}/messages", json=json)
    assert response.status_code == 201, response.text
    sent: dict[str, Any] = response.json()
    return sent


def _refused(response: httpx.Response, status: int, error_code: str) -> None:
    assert (response.status_code, response.json()["error_code"]) == (status, error_code), response.text
    assert response.headers["content-type"].startswith("application/problem+json")


async def test_a_message_is_sent_listed_and_read(call: Call, scene: Scene) -> None:
    message = await _send(call, scene, scene.patient, "Hello", key="first-word-" + scene.thread_id[-12:])
    assert message.keys() == {"id", "thread_id", "seq", "sender_id", "key", "body", "created_at"}
    assert (message["seq"], message["body"], message["sender_id"]) == (1, "Hello", str(scene.patient.id))
    assert message["created_at"].endswith("Z")

    listed = await call(scene.advisor, "GET", f"/threads/{scene.thread_id}/messages")
    assert listed.json() == {"items": [message], "next_cursor": None}
    thread = (await call(scene.advisor, "GET", f"/threads/{scene.thread_id}")).json()
    assert (thread["unread_count"], thread["last_message"], thread["archived"]) == (1, message, False)
    before = (await call(scene.advisor, "GET", "/threads/unread-count")).json()["unread_count"]

    read = await call(scene.advisor, "PATCH", f"/messages/{message['id']}/read")
    assert (read.status_code, read.json()) == (200, {"thread_id": scene.thread_id, "read_seq": 1})
    assert (await call(scene.advisor, "GET", "/threads/unread-count")).json() == {"unread_count": before - 1}
    thread = (await call(scene.patient, "GET", f"/threads/{scene.thread_id}")).json()
    assert [person["read_seq"] for person in thread["participants"]] == [1, 1]


async def test_a_repeat_is_200_with_the_first_message(call: Call, scene: Scene) -> None:
    key = str(uuid4())
    first = await _send(call, scene, scene.patient, "Hello", key)
    path = f"/threads/{scene.thread_id}/messages"
    again = await call(scene.patient, "POST", path, json={"body": " Hello", "key": key})
    by_header = await call(scene.patient, "POST", path, json={"body": "Hello"}, headers={"Idempotency-Key": key})
    assert (again.status_code, again.json()) == (by_header.status_code, by_header.json()) == (200, first)
    other = await call(scene.patient, "POST", path, json={"body": "Goodbye", "key": key})
    _refused(other, 422, "IDEMPOTENCY_KEY_REUSED")


async def test_repeats_at_once_are_one_message(call: Call, scene: Scene) -> None:
    json = {"body": "Hello", "key": str(uuid4())}
    path = f"/threads/{scene.thread_id}/messages"
    answers = await asyncio.gather(*(call(scene.patient, "POST", path, json=json) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_without_a_key_every_request_is_a_new_message(call: Call, scene: Scene) -> None:
    path = f"/threads/{scene.thread_id}/messages"
    answers = [await call(scene.patient, "POST", path, json={"body": "Hello"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert [answer.json()["seq"] for answer in answers] == [1, 2]


@pytest.mark.parametrize(
    "content",
    [
        b'{"body": ""}',
        b'{"body": "  "}',
        b'{"body": "a\\u0000b"}',
        b'{"body": "\\ud800"}',
        b'{"body": "\\udc00 x"}',
        b'{"body": 5}',
        b'{"body": "x", "key": ""}',
        b'{"body": "x", "key": "\\u0000"}',
        b'{"body": "x", "key": "\\ud800"}',
        b'{"body": "' + b"x" * 4_001 + b'"}',
        b'{"body": "x", "key": "' + b"k" * 65 + b'"}',
        b"{",
        b"[]",
        b"",
    ],
    ids=lambda content: content[:24].decode(),
)
async def test_what_cannot_be_a_message_is_422(call: Call, scene: Scene, content: bytes) -> None:
    path = f"/threads/{scene.thread_id}/messages"
    headers = {"content-type": "application/json"}
    _refused(await call(scene.patient, "POST", path, content=content, headers=headers), 422, "VALIDATION")
    assert (await call(scene.patient, "GET", path)).json()["items"] == []


async def test_the_thread_of_others_is_not_told_from_one_that_is_not_there(call: Call, scene: Scene) -> None:
    message = await _send(call, scene, scene.patient, "Hello")
    requests = [
        ("GET", "/threads/{}", None),
        ("PATCH", "/threads/{}/status", {"status": "closed"}),
        ("PATCH", "/threads/{}/status", {"status": "archived"}),
        ("GET", "/threads/{}/messages", None),
        ("POST", "/threads/{}/messages", {"body": "Hello"}),
        ("GET", "/threads/{}/messages/search?query=Hello", None),
    ]
    for method, path, json in requests:
        answers = [
            await call(scene.stranger, method, path.format(thread_id), json=json)
            for thread_id in (scene.thread_id, uuid4())
        ]
        for answer in answers:
            _refused(answer, 404, "RESOURCE_NOT_FOUND")
        assert answers[0].json()["detail"] == answers[1].json()["detail"]
    for message_id in (message["id"], uuid4()):
        _refused(await call(scene.stranger, "PATCH", f"/messages/{message_id}/read"), 404, "RESOURCE_NOT_FOUND")
    assert (await call(scene.stranger, "GET", "/threads")).json()["total"] == 0


async def test_nobody_gets_anything_without_signing_in(call: Call, scene: Scene) -> None:
    requests = [
        ("GET", "/threads"),
        ("POST", "/threads"),
        ("POST", "/initiate"),
        ("GET", "/threads/unread-count"),
        ("GET", f"/threads/{scene.thread_id}"),
        ("PATCH", f"/threads/{scene.thread_id}/status"),
        ("GET", f"/threads/{scene.thread_id}/messages"),
        ("POST", f"/threads/{scene.thread_id}/messages"),
        ("GET", f"/threads/{scene.thread_id}/messages/search?query=x"),
        ("PATCH", "/messages/00000000-0000-7000-8000-000000000000/read"),
    ]
    for method, path in requests:
        _refused(await call(None, method, path, json={} if method != "GET" else None), 401, "AUTHENTICATION")


async def test_ones_own_message_cannot_be_marked_read(call: Call, scene: Scene) -> None:
    message = await _send(call, scene, scene.patient, "Hello")
    _refused(await call(scene.patient, "PATCH", f"/messages/{message['id']}/read"), 409, "OWN_MESSAGE")


async def test_a_thread_is_closed_for_both_and_archived_for_one(call: Call, scene: Scene) -> None:
    path = f"/threads/{scene.thread_id}/status"
    closed = await call(scene.advisor, "PATCH", path, json={"status": "closed"})
    assert (closed.status_code, closed.json()["status"]) == (200, "closed")
    archived = await call(scene.advisor, "PATCH", path, json={"status": "archived"})
    assert (archived.json()["status"], archived.json()["archived"]) == ("closed", True)
    _refused(await call(scene.advisor, "PATCH", path, json={"status": "gone"}), 422, "VALIDATION")

    async def ids(person: Person, **params: Any) -> list[str]:
        listed = await call(person, "GET", "/threads", params={"limit": 100, **params})
        return [thread["id"] for thread in listed.json()["items"]]

    assert scene.thread_id in await ids(scene.advisor, status="closed")
    assert scene.thread_id not in await ids(scene.advisor, include_archived=False)
    assert scene.thread_id in await ids(scene.patient, include_archived=False, status="closed", sort="recent")
    await _send(call, scene, scene.patient, "One more thing")
    assert scene.thread_id in await ids(scene.patient, status="open")


async def test_a_closed_care_thread_refuses_by_name(call: Call, runtime: Runtime, scene: Scene) -> None:
    doctor = await create_person(runtime, Role.DOCTOR)
    talk = await create_talk(runtime, ThreadKind.CARE, scene.patient.actor, doctor.actor)
    await call(doctor, "PATCH", f"/threads/{talk.id}/status", json={"status": "closed"})
    answer = await call(scene.patient, "POST", f"/threads/{talk.id}/messages", json={"body": "Hello"})
    _refused(answer, 409, "THREAD_CLOSED")


async def test_messages_are_searched_and_paged(call: Call, scene: Scene) -> None:
    for number in range(5):
        await _send(call, scene, scene.patient, f"Flight {number}")
    path = f"/threads/{scene.thread_id}/messages"
    first = (await call(scene.advisor, "GET", path, params={"limit": 2})).json()
    rest = (await call(scene.advisor, "GET", path, params={"before": first["next_cursor"]})).json()
    assert [message["seq"] for message in first["items"] + rest["items"]] == [5, 4, 3, 2, 1]
    assert rest["next_cursor"] is None
    found = (await call(scene.advisor, "GET", f"{path}/search", params={"query": "flight 3"})).json()
    assert [message["body"] for message in found["items"]] == ["Flight 3"]
    listed = (await call(scene.advisor, "GET", "/threads", params={"search": "flight 4", "sort": "recent"})).json()
    assert listed["total"] == 1
    assert listed["items"][0]["id"] == scene.thread_id


@pytest.mark.parametrize(
    "path",
    [
        "/threads?limit=0",
        "/threads?limit=101",
        "/threads?page=0",
        "/threads?page=99999999999999999999",
        "/threads?search=%00",
        "/threads?search=%ED%A0%80%00",
        "/threads?sort=no",
        "/threads?status=archived",
        "/threads/not-an-id",
        "/threads/{}/messages?before=-1",
        "/threads/{}/messages?before=9223372036854775808",
        "/threads/{}/messages?before=x",
        "/threads/{}/messages?limit=1000",
        "/threads/{}/messages/search",
        "/threads/{}/messages/search?query=",
        "/threads/{}/messages/search?query=%00",
    ],
)
async def test_bad_parameters_are_422(call: Call, scene: Scene, path: str) -> None:
    _refused(await call(scene.patient, "GET", path.format(scene.thread_id)), 422, "VALIDATION")


async def test_a_patient_initiates_a_chat_with_an_advisor(call: Call, runtime: Runtime, scene: Scene) -> None:
    patient = await create_person(runtime, Role.PATIENT)
    first = await call(patient, "POST", "/initiate", json={"user_id": str(patient.id)})
    assert (first.status_code, first.json()["messages"]) == (201, [])
    chat_id = first.json()["chat_id"]
    message = await call(patient, "POST", f"/threads/{chat_id}/messages", json={"body": "Hello"})
    again = await call(patient, "POST", "/initiate")
    assert (again.status_code, again.json()) == (200, {"chat_id": chat_id, "messages": [message.json()]})
    roles = {person["role"] for person in (await call(patient, "GET", f"/threads/{chat_id}")).json()["participants"]}
    assert roles == {"patient", "advisor"}
    _refused(await call(patient, "POST", "/initiate", json={"user_id": str(uuid4())}), 403, "AUTHORIZATION")
    _refused(await call(scene.advisor, "POST", "/initiate", json={}), 403, "AUTHORIZATION")


async def test_a_patient_and_a_doctor_open_a_thread(call: Call, runtime: Runtime) -> None:
    patient, doctor = await create_person(runtime, Role.PATIENT), await create_person(runtime, Role.DOCTOR)
    opened = await call(patient, "POST", "/threads", json={"doctor_id": str(doctor.id), "subject": "Knee"})
    assert opened.status_code == 201, opened.text
    thread = opened.json()
    assert (thread["kind"], thread["subject"], thread["status"]) == ("care", "Knee", "open")
    assert {person["user_id"] for person in thread["participants"]} == {str(patient.id), str(doctor.id)}
    listed = (await call(doctor, "GET", "/threads")).json()
    assert ([item["id"] for item in listed["items"]], listed["total"]) == ([thread["id"]], 1)

    without_account = new_id()
    async with runtime.transactions.begin() as unit:
        unit.session.add(Patient(id=without_account, name="Ada"))
    refusals = [
        (patient, {}, "VALIDATION"),
        (patient, {"doctor_id": str(patient.id)}, "DOCTOR_NOT_FOUND"),
        (doctor, {"patient_id": str(uuid4())}, "PATIENT_NOT_FOUND"),
        (doctor, {"patient_id": str(without_account)}, "PATIENT_NOT_FOUND"),
        (patient, {"doctor_id": str(doctor.id), "subject": "a\0"}, "VALIDATION"),
    ]
    for person, json, error_code in refusals:
        _refused(await call(person, "POST", "/threads", json=json), 422, error_code)
