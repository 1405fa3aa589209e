"""Administrators see every node from any process, and send a user off all of them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from core.actor import Role
from core.runtime import Runtime
from core.settings import Settings
from tests.api.test_identity import refusal
from tests.builders import create_clinic, take_ticket
from tests.people import create_person
from tests.support.web import WebProcess, eventually, open_socket, web_process

REVOKED = 4002
REPORT_SECONDS = 0.3


@pytest.fixture(scope="module")
async def web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    """A process that reports often."""
    folder = tmp_path_factory.mktemp("nodes")
    async with web_process(settings, folder, hub_report_seconds=REPORT_SECONDS) as running:
        yield running


@pytest.fixture(scope="module")
async def other_web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    """Another one."""
    folder = tmp_path_factory.mktemp("nodes")
    async with web_process(settings, folder, hub_report_seconds=REPORT_SECONDS) as running:
        yield running


@pytest.fixture
async def admin(runtime: Runtime, web: WebProcess) -> AsyncIterator[httpx.AsyncClient]:
    """An administrator's client at the first process."""
    person = await create_person(runtime, Role.ADMIN)
    async with httpx.AsyncClient(base_url=f"{web.url}/api/v1", headers=person.bearer) as client:
        yield client


async def node_of(admin: httpx.AsyncClient, web: WebProcess) -> dict[str, Any] | None:
    """What is known of that process; None when it is not listed."""
    nodes = (await admin.get("/hub/nodes")).raise_for_status().json()["items"]
    return next((node for node in nodes if node["name"].endswith(f":{web.process.pid}")), None)


async def test_a_node_is_seen_from_another_with_its_sockets_channels_and_rates(
    runtime: Runtime, admin: httpx.AsyncClient, other_web: WebProcess
) -> None:
    clinic = await create_clinic(runtime)
    patient = await create_person(runtime)
    busiest = {"deliveries_per_second": 0.0, "bytes_per_second": 0.0}

    async def is_seen() -> bool:
        await take_ticket(runtime, clinic.queue_id)
        node = await node_of(admin, other_web)
        if node is None:
            return False
        busiest.update({name: max(rate, node[name]) for name, rate in busiest.items()})
        counted = {name: node[name] for name in ("sockets", "users", "channels", "event_streams")}
        return min(busiest.values()) > 0 and counted == {"sockets": 2, "users": 1, "channels": 1, "event_streams": 0}

    async with open_socket(other_web.url) as screen, open_socket(other_web.url, patient.access_token):
        await screen.subscribe(f"board:{clinic.queue_id}")
        await eventually(is_seen)
        node = await node_of(admin, other_web)
    assert node is not None
    assert (node["is_connected"], node["is_draining"]) == (True, False)


async def test_a_killed_node_is_listed_no_more(
    settings: Settings, admin: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    async with web_process(settings, folder, hub_report_seconds=REPORT_SECONDS) as doomed:

        async def is_listed() -> bool:
            return await node_of(admin, doomed) is not None

        async def is_gone() -> bool:
            return not await is_listed()

        await eventually(is_listed)
        doomed.kill()
        await eventually(is_gone)


async def test_a_user_is_disconnected_from_every_node_within_two_seconds(
    runtime: Runtime, admin: httpx.AsyncClient, web: WebProcess, other_web: WebProcess
) -> None:
    person, other = await create_person(runtime, Role.STAFF), await create_person(runtime)
    wanted = {"name": "Robot", "scopes": ["queues:read"]}
    async with httpx.AsyncClient(base_url=f"{web.url}/api/v1", headers=person.bearer) as client:
        key = await client.post("/api-keys", json=wanted)
    async with (
        open_socket(web.url, person.access_token) as here,
        open_socket(other_web.url, person.access_token) as there,
        open_socket(other_web.url, key.json()["key"]) as robot,
        open_socket(web.url, other.access_token) as stays,
    ):
        answer = await admin.post("/hub/disconnect", json={"user_id": str(person.id)})
        assert answer.status_code == 204, answer.text
        codes = await asyncio.gather(*(socket.close_code() for socket in (here, there, robot)))
        assert codes == [REVOKED] * 3
        assert (await stays.ask(type="hello"))["type"] == "ack"
    async with httpx.AsyncClient(base_url=web.url, headers=person.bearer) as client:
        assert refusal(await client.get("/api/v1/users/me")) == (401, "AUTHENTICATION")
    entries = (await admin.get("/audit", params={"action": "user.disconnected"})).json()["items"]
    assert entries[0]["subject"] == f"user:{person.id}"
    assert entries[0]["actor_role"] == "admin"


async def test_only_somebody_who_is_there_can_be_disconnected(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/hub/disconnect", json={"user_id": str(uuid4())})
    assert refusal(answer) == (404, "RESOURCE_NOT_FOUND")
