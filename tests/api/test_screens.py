"""Screens: paired over HTTP, followed on sockets, taken down."""

import asyncio
import re
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from core.actor import Role
from core.clock import now
from core.runtime import Runtime
from core.settings import Settings
from domain.screens.rules import new_code, normal_code
from models import Pairing
from tests.api.test_identity import refusal
from tests.builders import Clinic, create_clinic
from tests.people import Person, create_person
from tests.support.web import WebProcess, open_socket, web_process

ME, SCREENS = "/api/v1/users/me", "/api/v1/screens"
REVOKED = 4002


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
async def clinic(runtime: Runtime) -> Clinic:
    """A clinic of its own."""
    return await create_clinic(runtime)


@pytest.fixture
async def staff(runtime: Runtime, clinic: Clinic) -> Person:
    """Who works there."""
    return await create_person(runtime, Role.STAFF, clinic_ids=(clinic.clinic_id,))


def test_codes_are_read_as_people_type_them() -> None:
    code = new_code()
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", code)
    assert normal_code(f" {code.lower().replace('-', ' ')}\x00") == code


async def pair(client: httpx.AsyncClient, person: Person, queue_id: UUID) -> tuple[str, str]:
    """A screen's id and token."""
    begun = (await client.post(f"{SCREENS}/pairings")).json()
    body = {"queue_id": str(queue_id), "name": "Entrance"}
    made = await client.post(f"{SCREENS}/pairings/{begun['code']}/confirm", json=body, headers=person.bearer)
    assert made.status_code == 201
    polled = await client.post(f"{SCREENS}/pairings/{begun['code']}/poll", json={"secret": begun["secret"]})
    return made.json()["id"], polled.json()["token"]


async def test_pairing_a_screen(client: httpx.AsyncClient, clinic: Clinic, staff: Person) -> None:
    begun = await client.post(f"{SCREENS}/pairings")
    assert begun.status_code == 201
    code, secret = begun.json()["code"], begun.json()["secret"]
    pairing = f"{SCREENS}/pairings/{code.lower().replace('-', '')}"
    assert (await client.post(f"{pairing}/poll", json={"secret": secret})).json()["status"] == "pending"
    assert refusal(await client.get(ME, headers=bearer(secret))) == (401, "AUTHENTICATION")
    wrong = await client.post(f"{pairing}/poll", json={"secret": "cbs_nonsense"})
    assert refusal(wrong) == (404, "RESOURCE_NOT_FOUND")
    body = {"queue_id": str(clinic.queue_id), "name": "Entrance"}
    made = await client.post(f"{pairing}/confirm", json=body, headers=staff.bearer)
    assert made.status_code == 201
    for _ in range(2):
        polled = (await client.post(f"{pairing}/poll", json={"secret": secret})).json()
        assert (polled["status"], polled["token"], polled["screen"]) == ("paired", secret, made.json())
    me = await client.get(ME, headers=bearer(secret))
    assert (me.json()["role"], me.json()["name"]) == ("device", "Entrance")
    board = await client.get(f"/api/v1/queues/{clinic.queue_id}/board", headers=bearer(secret))
    assert board.status_code == 200
    listed = await client.get(SCREENS, params={"clinic_id": str(clinic.clinic_id)}, headers=staff.bearer)
    assert [item["name"] for item in listed.json()["items"]] == ["Entrance"]


async def test_a_screen_opens_its_board_alone(client: httpx.AsyncClient, clinic: Clinic, staff: Person) -> None:
    """And what everybody may see: a board by REST asks nobody who they are."""
    _, token = await pair(client, staff, clinic.queue_id)
    for path in (
        f"/api/v1/queue/current?queue_id={clinic.queue_id}",
        "/api/v1/clinics",
        SCREENS,
        "/api/v1/auth/sessions",
        "/api/v1/auth/second-factor",
    ):
        assert refusal(await client.get(path, headers=bearer(token))) == (403, "INSUFFICIENT_SCOPE"), path


async def test_of_confirmations_at_once_one_wins(client: httpx.AsyncClient, clinic: Clinic, staff: Person) -> None:
    code = (await client.post(f"{SCREENS}/pairings")).json()["code"]
    body = {"queue_id": str(clinic.queue_id), "name": "Entrance"}
    confirm = f"{SCREENS}/pairings/{code}/confirm"
    answers = await asyncio.gather(*(client.post(confirm, json=body, headers=staff.bearer) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 404, 404, 404]


async def test_who_may_pair_and_take_down(
    client: httpx.AsyncClient, runtime: Runtime, clinic: Clinic, staff: Person
) -> None:
    elsewhere = await create_clinic(runtime)
    strangers = [
        await create_person(runtime),
        await create_person(runtime, Role.ADVISOR),
        await create_person(runtime, Role.STAFF, clinic_ids=(elsewhere.clinic_id,)),
    ]
    screen_id, _ = await pair(client, staff, clinic.queue_id)
    code = (await client.post(f"{SCREENS}/pairings")).json()["code"]
    confirm, body = f"{SCREENS}/pairings/{code}/confirm", {"queue_id": str(clinic.queue_id), "name": "X"}
    for stranger in strangers:
        asked = (
            await client.post(confirm, json=body, headers=stranger.bearer),
            await client.get(SCREENS, params={"clinic_id": str(clinic.clinic_id)}, headers=stranger.bearer),
            await client.delete(f"{SCREENS}/{screen_id}", headers=stranger.bearer),
        )
        assert [refusal(answer) for answer in asked] == [(403, "AUTHORIZATION")] * 3
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(update(Pairing).where(Pairing.code == code).values(expires_at=now()))
    late = await client.post(confirm, json=body, headers=staff.bearer)
    assert refusal(late) == (404, "RESOURCE_NOT_FOUND")
    assert (await client.delete(f"{SCREENS}/{screen_id}", headers=staff.bearer)).status_code == 204
    assert refusal(await client.delete(f"{SCREENS}/{screen_id}", headers=staff.bearer))[0] == 404


@pytest.fixture(scope="module")
async def web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    """A process with sockets."""
    async with web_process(settings, tmp_path_factory.mktemp("keys")) as running:
        yield running


async def test_a_screens_socket_follows_its_board_alone_until_it_is_taken_down(
    client: httpx.AsyncClient, runtime: Runtime, web: WebProcess, clinic: Clinic, staff: Person
) -> None:
    other = await create_clinic(runtime)
    screen_id, token = await pair(client, staff, clinic.queue_id)
    async with open_socket(web.url, hello=False) as socket:
        await socket.send(type="hello", token=token)
        await socket.until(type="welcome")
        assert (await socket.subscribe(f"board:{clinic.queue_id}"))["type"] == "subscribed"
        assert (await socket.subscribe(f"board:{other.queue_id}"))["error_code"] == "INSUFFICIENT_SCOPE"
        assert (await client.delete(f"{SCREENS}/{screen_id}", headers=staff.bearer)).status_code == 204
        assert await socket.close_code() == REVOKED
