"""API keys over HTTP and on sockets."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from core.actor import Role
from core.clock import now
from core.runtime import Runtime
from core.settings import Settings
from models import Session
from tests.api.test_identity import refusal
from tests.builders import Clinic, create_clinic
from tests.people import Person, create_person
from tests.support.web import WebProcess, open_socket, web_process

KEYS, ME = "/api/v1/api-keys", "/api/v1/users/me"
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


async def make_key(client: httpx.AsyncClient, person: Person, *scopes: str) -> tuple[str, str]:
    """Id and key."""
    made = await client.post(KEYS, json={"name": "Lab printer", "scopes": scopes}, headers=person.bearer)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    return made.json()["id"], made.json()["key"]


async def test_a_key_does_what_its_scopes_say_and_nothing_else(
    client: httpx.AsyncClient, clinic: Clinic, staff: Person
) -> None:
    _, key = await make_key(client, staff, "queues:read")
    queue = {"queue_id": str(clinic.queue_id)}
    assert (await client.get("/api/v1/queue/current", params=queue, headers=bearer(key))).status_code == 200
    assert (await client.get(ME, headers=bearer(key))).json()["id"] == str(staff.id)
    for method, path in (
        ("POST", "/api/v1/queue/tickets"),
        ("GET", "/api/v1/clinics"),
        ("GET", "/api/v1/auth/sessions"),
        ("POST", "/api/v1/auth/ws-ticket"),
        ("POST", KEYS),
        ("PATCH", ME),
        ("GET", "/api/v1/users"),
    ):
        refused = await client.request(method, path, json=queue, headers=bearer(key))
        assert refusal(refused) == (403, "INSUFFICIENT_SCOPE"), path
    _, writing = await make_key(client, staff, "queues:write")
    assert (await client.post("/api/v1/queue/tickets", json=queue, headers=bearer(writing))).status_code == 201


async def test_a_key_is_never_more_than_its_owner(client: httpx.AsyncClient, runtime: Runtime, staff: Person) -> None:
    elsewhere = await create_clinic(runtime)
    _, key = await make_key(client, staff, "queues:read")
    queue = {"queue_id": str(elsewhere.queue_id)}
    refused = await client.get("/api/v1/queue/current", params=queue, headers=bearer(key))
    assert refusal(refused) == (403, "AUTHORIZATION")


async def test_keys_are_shown_once_listed_and_revoked(
    client: httpx.AsyncClient, runtime: Runtime, staff: Person
) -> None:
    key_id, key = await make_key(client, staff, "queues:read", "clinics:read")
    async with runtime.transactions.begin() as unit:
        row = await unit.session.get(Session, UUID(key_id))
        assert row is not None
        assert key.encode() not in (row.key_digest or b"")
        row.last_used_at = now() - timedelta(hours=1)
    assert (await client.get(ME, headers=bearer(key))).status_code == 200
    listed = (await client.get(KEYS, headers=staff.bearer)).json()
    assert key not in str(listed)
    item = listed["items"][0]
    assert (item["id"], item["hint"], item["scopes"]) == (key_id, key[-4:], ["clinics:read", "queues:read"])
    assert item["last_used_at"] > item["created_at"]
    stranger = await create_person(runtime, Role.DOCTOR)
    assert refusal(await client.delete(f"{KEYS}/{key_id}", headers=stranger.bearer)) == (404, "RESOURCE_NOT_FOUND")
    assert (await client.delete(f"{KEYS}/{key_id}", headers=staff.bearer)).status_code == 204
    assert refusal(await client.get(ME, headers=bearer(key))) == (401, "AUTHENTICATION")
    assert (await client.get(KEYS, headers=staff.bearer)).json()["total"] == 0
    assert refusal(await client.get(ME, headers=bearer("cbk_nonsense"))) == (401, "AUTHENTICATION")


async def test_keys_are_for_those_who_work_here(client: httpx.AsyncClient, runtime: Runtime, staff: Person) -> None:
    patient = await create_person(runtime)
    body = {"name": "mine", "scopes": ["queues:read"]}
    assert refusal(await client.post(KEYS, json=body, headers=patient.bearer)) == (403, "AUTHORIZATION")
    for scopes in ([], ["users:write"], ["board:1"], ["second-factor"], ["queues:read\x00"]):
        refused = await client.post(KEYS, json=body | {"scopes": scopes}, headers=staff.bearer)
        assert refused.status_code == 422


async def test_a_deactivated_owner_takes_the_keys_along(
    client: httpx.AsyncClient, runtime: Runtime, staff: Person
) -> None:
    _, key = await make_key(client, staff, "queues:read")
    admin = await create_person(runtime, Role.ADMIN)
    await client.delete(f"/api/v1/users/{staff.id}", headers=admin.bearer)
    assert (await client.get(ME, headers=bearer(key))).status_code == 401


@pytest.fixture(scope="module")
async def web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    """A process with sockets."""
    async with web_process(settings, tmp_path_factory.mktemp("keys")) as running:
        yield running


async def test_a_key_on_a_socket_follows_what_its_scopes_say_until_it_is_revoked(
    client: httpx.AsyncClient, web: WebProcess, clinic: Clinic, staff: Person
) -> None:
    key_id, key = await make_key(client, staff, "queues:read")
    async with open_socket(web.url, key) as socket:
        assert (await socket.subscribe(f"board:{clinic.queue_id}"))["type"] == "subscribed"
        refused = await socket.subscribe(f"user:{staff.id}")
        assert refused["error_code"] == "INSUFFICIENT_SCOPE"
        sent = await socket.ask(type="send", channel=f"thread:{uuid4()}", key="1", body="x")
        assert sent["error_code"] == "INSUFFICIENT_SCOPE"
        assert (await client.delete(f"{KEYS}/{key_id}", headers=staff.bearer)).status_code == 204
        assert await socket.close_code() == REVOKED


async def test_a_deactivated_users_socket_closes(client: httpx.AsyncClient, runtime: Runtime, web: WebProcess) -> None:
    person, admin = await create_person(runtime), await create_person(runtime, Role.ADMIN)
    async with open_socket(web.url, person.access_token) as socket:
        assert (await client.delete(f"/api/v1/users/{person.id}", headers=admin.bearer)).status_code == 204
        assert await socket.close_code() == REVOKED
