"""Whoever is signed out, deactivated or no longer a member is so on every node within two seconds.

Seconds are counted by the heartbeats of the node itself: on a machine that is busy both go slowly.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final
from uuid import UUID

import httpx
import pytest

from core.actor import Role
from core.runtime import Runtime
from core.settings import Settings
from hub.sign_ins import CHECKED_EVERY_SECONDS
from tests.api.test_screens import pair
from tests.builders import create_clinic, take_ticket
from tests.domain.identity.test_sessions import let_the_leeway_pass
from tests.people import Person, create_person
from tests.support.web import WAIT_SECONDS, TestSocket, WebProcess, eventually, open_socket, web_process_of

REVOKED: Final = 4002
BEAT_SECONDS: Final = 0.5
# Two seconds, and one more for the beat that tells of the end.
BEATS_AT_MOST: Final = 2 / BEAT_SECONDS + 1

Ending = Callable[[httpx.AsyncClient, Runtime, Person], Awaitable[None]]


def test_the_check_is_made_at_least_once_a_second() -> None:
    assert CHECKED_EVERY_SECONDS <= 1


@pytest.fixture(scope="module")
async def nodes(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[WebProcess]]:
    """Two processes; what happens at the first is to be felt at the second."""
    folder = tmp_path_factory.mktemp("sign-ins")
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                web_process_of("tests.hub.desks", settings, folder, hub_heartbeat_seconds=BEAT_SECONDS)
            )
            for _ in range(2)
        ]


async def sign_out(client: httpx.AsyncClient, _: Runtime, person: Person) -> None:
    (await client.post("/api/v1/auth/logout", headers=person.bearer)).raise_for_status()


async def sign_out_everywhere(client: httpx.AsyncClient, _: Runtime, person: Person) -> None:
    (await client.post("/api/v1/auth/logout-all", headers=person.bearer)).raise_for_status()


async def revoke_one(client: httpx.AsyncClient, _: Runtime, person: Person) -> None:
    (await client.delete(f"/api/v1/auth/sessions/{person.session_id}", headers=person.bearer)).raise_for_status()


async def deactivate(client: httpx.AsyncClient, runtime: Runtime, person: Person) -> None:
    admin = await create_person(runtime, Role.ADMIN)
    (await client.delete(f"/api/v1/users/{person.id}", headers=admin.bearer)).raise_for_status()


async def reuse_a_refresh_token(client: httpx.AsyncClient, runtime: Runtime, person: Person) -> None:
    body = {"refresh_token": person.refresh_token}
    (await client.post("/api/v1/auth/refresh", json=body)).raise_for_status()
    await let_the_leeway_pass(runtime, person.session_id)
    assert (await client.post("/api/v1/auth/refresh", json=body)).status_code == 401


@asynccontextmanager
async def stream(web: WebProcess, queue_id: UUID, token: str) -> AsyncIterator[asyncio.Task[None]]:
    """A board as Server-Sent Events, read until its end; the task is done then."""
    is_open = asyncio.Event()
    address = f"{web.url}/api/v1/queues/{queue_id}/board/events"

    async def read() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient() as client, client.stream("GET", address, headers=headers) as answer:
            answer.raise_for_status()
            async for _ in answer.aiter_bytes():
                is_open.set()

    reading = asyncio.create_task(read())
    try:
        await eventually(lambda: is_open.is_set() or reading.done())
        yield reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _beats_until(witness: TestSocket, ending: Iterable[asyncio.Task[Any]]) -> int:
    """How often that node's heart beats until all of those have ended."""
    waiting, beats = list(ending), 0
    while not all(one.done() for one in waiting):
        await witness.until(type="heartbeat")
        beats += 1
    return beats


@pytest.mark.parametrize("end", [sign_out, sign_out_everywhere, revoke_one, deactivate, reuse_a_refresh_token])
async def test_sockets_and_streams_end_on_both_nodes(runtime: Runtime, nodes: list[WebProcess], end: Ending) -> None:
    person, bystander, clinic = await create_person(runtime), await create_person(runtime), await create_clinic(runtime)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        client = await enter(httpx.AsyncClient(base_url=nodes[0].url))
        sockets = [await enter(open_socket(node.url, person.access_token)) for node in nodes]
        streams = [await enter(stream(node, clinic.queue_id, person.access_token)) for node in nodes]
        witnesses = [await enter(open_socket(node.url, bystander.access_token)) for node in nodes]
        await end(client, runtime, person)
        closing = [asyncio.create_task(socket.close_code()) for socket in sockets]
        beats = await asyncio.gather(*map(_beats_until, witnesses, zip(closing, streams, strict=True)))
        assert [await code for code in closing] == [REVOKED] * 2
        assert [reading.exception() for reading in streams] == [None] * 2
        assert max(beats) <= BEATS_AT_MOST
        # Nobody else was.
        assert [(await witness.ask(type="hello"))["type"] for witness in witnesses] == ["ack"] * 2


async def test_a_screens_stream_ends_when_it_is_taken_down(runtime: Runtime, nodes: list[WebProcess]) -> None:
    clinic = await create_clinic(runtime)
    staff = await create_person(runtime, Role.STAFF, clinic_ids=(clinic.clinic_id,))
    async with httpx.AsyncClient(base_url=nodes[0].url) as client:
        screen_id, key = await pair(client, staff, clinic.queue_id)
        async with stream(nodes[1], clinic.queue_id, key) as reading:
            (await client.delete(f"/api/v1/screens/{screen_id}", headers=staff.bearer)).raise_for_status()
            await asyncio.wait_for(reading, WAIT_SECONDS)
        bearer = {"Authorization": f"Bearer {key}"}
        board = f"/api/v1/queues/{clinic.queue_id}/board/events"
        assert (await client.get(board, headers=bearer)).status_code == 401


async def test_a_screens_key_opens_no_other_stream(runtime: Runtime, nodes: list[WebProcess]) -> None:
    clinic, other = await create_clinic(runtime), await create_clinic(runtime)
    staff = await create_person(runtime, Role.STAFF, clinic_ids=(clinic.clinic_id,))
    async with httpx.AsyncClient(base_url=nodes[0].url) as client:
        _, key = await pair(client, staff, clinic.queue_id)
        refused = await client.get(
            f"/api/v1/queues/{other.queue_id}/board/events", headers={"Authorization": f"Bearer {key}"}
        )
    assert (refused.status_code, refused.json()["error_code"]) == (403, "INSUFFICIENT_SCOPE")


async def test_a_living_socket_loses_with_the_membership_what_came_from_it(
    runtime: Runtime, nodes: list[WebProcess]
) -> None:
    clinic, elsewhere = await create_clinic(runtime), await create_clinic(runtime)
    clinic_ids = (clinic.clinic_id, elsewhere.clinic_id)
    staff, colleague = [await create_person(runtime, Role.STAFF, clinic_ids=clinic_ids) for _ in range(2)]
    admin = await create_person(runtime, Role.ADMIN)
    desk, other_desk, board = f"desk:{clinic.queue_id}", f"desk:{elsewhere.queue_id}", f"board:{clinic.queue_id}"
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=nodes[0].url, headers=admin.bearer))
        sockets = [
            await stack.enter_async_context(open_socket(node.url, person.access_token))
            for node in nodes
            for person in (staff, colleague)
        ]
        for socket in sockets:
            for channel in (desk, other_desk, board):
                answer = await socket.subscribe(channel)
                assert answer["type"] == "subscribed", answer
        (await client.delete(f"/api/v1/clinics/{clinic.clinic_id}/members/{staff.id}")).raise_for_status()
        # The client is told to ask again, and is refused by name; the rest of the socket lives on.
        for socket in sockets[::2]:
            seen = len(socket.seen)
            await socket.until(type="resync", channel=desk)
            beats = [frame for frame in socket.seen[seen:] if frame["type"] == "heartbeat"]
            assert len(beats) <= BEATS_AT_MOST
            assert (await socket.subscribe(desk))["error_code"] == "AUTHORIZATION"
            assert (await socket.subscribe(other_desk))["type"] == "subscribed"
        await take_ticket(runtime, clinic.queue_id)
        for socket in sockets:
            await socket.until(type="event", channel=board)
            assert [frame for frame in socket.seen[-20:] if frame["type"] == "resync"] == [] or socket in sockets[::2]
        (await client.put(f"/api/v1/clinics/{clinic.clinic_id}/members/{staff.id}")).raise_for_status()
        await eventually(lambda: _is_let_in(sockets[0], desk))


async def _is_let_in(socket: TestSocket, channel: str) -> bool:
    return bool((await socket.subscribe(channel))["type"] == "subscribed")
