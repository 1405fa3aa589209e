"""Who is there, on two processes that behave as one: who comes and goes, who is told, and who is not."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import httpx
import pytest

from core.actor import SYSTEM, Role
from core.redis import PREFIX, connect
from core.runtime import Runtime
from core.settings import Settings
from domain.clinics import actions as clinics
from hub.presence import COLLECT_SECONDS
from hub.relay import PRESENCE
from tests.builders import Clinic, create_clinic
from tests.faults.scenes import Talk, create_talk
from tests.people import Person, create_person
from tests.support.fleet import fleet
from tests.support.presence import told, until_told
from tests.support.web import TestSocket, WebProcess, eventually, open_socket, web_process

REVOKED: Final = 4002


@pytest.fixture(scope="module")
async def web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    async with web_process(settings, tmp_path_factory.mktemp("web"), hub_presence_grace_seconds=0.3) as running:
        yield running


@pytest.fixture(scope="module")
async def other_web(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebProcess]:
    async with web_process(settings, tmp_path_factory.mktemp("web"), hub_presence_grace_seconds=0.3) as running:
        yield running


@pytest.fixture
async def talk(runtime: Runtime) -> Talk:
    """Two people and their thread."""
    return await create_talk(runtime)


@pytest.fixture
async def clinic(runtime: Runtime) -> Clinic:
    """A queue whose board nobody shows yet."""
    return await create_clinic(runtime)


async def a_heartbeat_later(socket: TestSocket) -> None:
    """All that was sent to the socket before has been read."""
    await socket.until(type="heartbeat")
    await socket.until(type="heartbeat")


# --- threads ---


async def test_both_sides_see_who_comes_and_goes(talk: Talk, web: WebProcess, other_web: WebProcess) -> None:
    alone, both = {str(talk.patient.id)}, {str(talk.patient.id), str(talk.doctor.id)}
    async with open_socket(web.url, talk.patient.access_token) as one:
        assert (await one.subscribe(talk.channel))["mode"] == "snapshot"
        await until_told(one, talk.channel, alone)
        async with open_socket(other_web.url, talk.doctor.access_token) as two:
            await two.subscribe(talk.channel)
            await until_told(two, talk.channel, both)
            assert told(two, talk.channel) == [both], "the first word is the whole truth"
            await until_told(one, talk.channel, both)
            assert (await two.ask(type="unsubscribe", channel=talk.channel))["type"] == "ack"
            await until_told(one, talk.channel, alone)


async def test_somebody_in_two_tabs_and_on_two_nodes_is_one_person(
    talk: Talk, web: WebProcess, other_web: WebProcess
) -> None:
    alone, both = {str(talk.patient.id)}, {str(talk.patient.id), str(talk.doctor.id)}
    async with open_socket(web.url, talk.patient.access_token) as watcher, AsyncExitStack() as tabs:
        await watcher.subscribe(talk.channel)
        for process in (web, web, other_web):
            tab = await tabs.enter_async_context(open_socket(process.url, talk.doctor.access_token))
            await tab.subscribe(talk.channel)
            await until_told(tab, talk.channel, both)
        # One after the other, with time to be noticed in between: the last is still there.
        for process in (web, other_web):
            async with open_socket(process.url, talk.doctor.access_token) as tab:
                await tab.subscribe(talk.channel)
                await until_told(tab, talk.channel, both)
        await a_heartbeat_later(watcher)
        await tabs.aclose()
        await until_told(watcher, talk.channel, alone)
    assert [step for step in told(watcher, talk.channel) if step != alone] == [both]


async def test_who_is_back_within_the_grace_time_was_not_away(
    talk: Talk, settings: Settings, web: WebProcess, tmp_path: Path
) -> None:
    """A node that is left in a deploy: its people come back to another one, and nobody sees them go."""
    both = {str(talk.patient.id), str(talk.doctor.id)}
    async with (
        web_process(settings, tmp_path, hub_presence_grace_seconds=60) as old,
        open_socket(web.url, talk.patient.access_token) as watcher,
    ):
        await watcher.subscribe(talk.channel)
        async with open_socket(old.url, talk.doctor.access_token) as before:
            await before.subscribe(talk.channel)
            await until_told(watcher, talk.channel, both)
        seen_before = len(told(watcher, talk.channel))
        # Long enough for the others to be told of somebody who left for good.
        for _ in range(2):
            await a_heartbeat_later(watcher)
        async with open_socket(web.url, talk.doctor.access_token) as after:
            await after.subscribe(talk.channel)
            await until_told(after, talk.channel, both)
            await a_heartbeat_later(watcher)
            assert len(told(watcher, talk.channel)) == seen_before


async def test_who_follows_without_being_counted_sees_and_is_not_seen(talk: Talk, web: WebProcess) -> None:
    async with (
        open_socket(web.url, talk.patient.access_token) as hidden,
        open_socket(web.url, talk.doctor.access_token) as seen,
    ):
        await hidden.subscribe(talk.channel, present=False)
        await until_told(hidden, talk.channel, set())
        await seen.subscribe(talk.channel)
        await until_told(hidden, talk.channel, {str(talk.doctor.id)})
        await until_told(seen, talk.channel, {str(talk.doctor.id)})


async def test_who_is_signed_out_disappears_and_hears_nothing_more(
    talk: Talk, web: WebProcess, other_web: WebProcess
) -> None:
    alone, both = {str(talk.patient.id)}, {str(talk.patient.id), str(talk.doctor.id)}
    async with (
        open_socket(web.url, talk.patient.access_token) as one,
        open_socket(other_web.url, talk.doctor.access_token) as two,
        httpx.AsyncClient(base_url=web.url, headers=talk.doctor.bearer) as client,
    ):
        await one.subscribe(talk.channel)
        await two.subscribe(talk.channel)
        await until_told(two, talk.channel, both)
        await until_told(one, talk.channel, both)
        assert (await client.post("/api/v1/auth/logout")).status_code == 200
        assert await two.close_code() == REVOKED
        await until_told(one, talk.channel, alone)
        assert told(two, talk.channel)[-1] == both


async def test_a_stranger_is_neither_told_nor_counted(runtime: Runtime, talk: Talk, web: WebProcess) -> None:
    stranger = await create_person(runtime)
    async with (
        open_socket(web.url, stranger.access_token) as outside,
        open_socket(web.url) as visitor,
        open_socket(web.url, talk.patient.access_token) as inside,
    ):
        for socket in (outside, visitor):
            assert (await socket.subscribe(talk.channel))["type"] == "error"
        await inside.subscribe(talk.channel)
        await until_told(inside, talk.channel, {str(talk.patient.id)})
        for socket in (outside, visitor):
            await a_heartbeat_later(socket)
            assert not [frame for frame in socket.seen if frame["type"] == "signal"]


async def test_after_a_random_walk_everybody_is_told_the_truth(
    talk: Talk, web: WebProcess, other_web: WebProcess
) -> None:
    """Sockets of two people come and go at two nodes, faster than anybody is told of it."""
    walk = random.Random(4)
    people = (talk.patient, talk.doctor)
    async with (
        open_socket(web.url, talk.patient.access_token) as one,
        open_socket(other_web.url, talk.patient.access_token) as two,
    ):
        for watcher in (one, two):
            await watcher.subscribe(talk.channel, present=False)
        sockets: list[tuple[Person, AsyncExitStack]] = []
        for _ in range(60):
            if len(sockets) > 1 and walk.random() < 0.5:
                _, gone = sockets.pop(walk.randrange(len(sockets)))
                await gone.aclose()
            else:
                person, process = walk.choice(people), walk.choice((web, other_web))
                stack = AsyncExitStack()
                socket = await stack.enter_async_context(open_socket(process.url, person.access_token))
                await socket.subscribe(talk.channel)
                sockets.append((person, stack))
        while len(sockets) > 1:
            await sockets.pop()[1].aclose()
        [(left, stack)] = sockets
        async with stack:
            for watcher in (one, two):
                await until_told(watcher, talk.channel, {str(left.id)})
                await a_heartbeat_later(watcher)
                assert told(watcher, talk.channel)[-1] == {str(left.id)}


# --- boards ---


@pytest.fixture
async def staff(runtime: Runtime, clinic: Clinic) -> Person:
    """Somebody at the desk."""
    return await create_person(runtime, Role.STAFF, clinic_ids=(clinic.clinic_id,))


async def test_the_desk_knows_how_many_screens_show_its_board(
    clinic: Clinic, staff: Person, web: WebProcess, other_web: WebProcess
) -> None:
    channel, streamed = f"board:{clinic.queue_id}", f"/api/v1/queues/{clinic.queue_id}/board/events"
    async with (
        open_socket(web.url, staff.access_token) as desk,
        open_socket(web.url) as one,
        open_socket(other_web.url) as two,
        httpx.AsyncClient(base_url=other_web.url) as client,
    ):
        await desk.subscribe(channel, present=False)
        await until_told(desk, channel, 0)
        for screen in (one, two):
            await screen.subscribe(channel)
        await until_told(desk, channel, 2)
        async with client.stream("GET", streamed) as stream:
            assert stream.status_code == 200
            lines = stream.aiter_lines()
            await anext(lines)
            await until_told(desk, channel, 3)
            shown = await client.get(f"/api/v1/queues/{clinic.queue_id}/screens", headers=staff.bearer)
            assert shown.json() == {"queue_id": str(clinic.queue_id), "screens": 3}
        await until_told(desk, channel, 2)
        await two.connection.close()
        await until_told(desk, channel, 1)
        await a_heartbeat_later(one)
        assert told(one, channel) == [], "how many look on is nobody's business but the clinic's"


async def test_administrators_see_the_boards_of_all_clinics(
    runtime: Runtime, clinic: Clinic, staff: Person, web: WebProcess, other_web: WebProcess
) -> None:
    admin = await create_person(runtime, Role.ADMIN)
    channel = f"board:{clinic.queue_id}"
    async with (
        open_socket(other_web.url) as screen,
        httpx.AsyncClient(base_url=web.url, headers=admin.bearer) as client,
    ):
        await screen.subscribe(channel)

        async def is_listed() -> bool:
            boards = (await client.get("/api/v1/hub/boards")).raise_for_status().json()["items"]
            mine = [board for board in boards if board["queue_id"] == str(clinic.queue_id)]
            return [(board["queue_name"], board["screens"]) for board in mine] == [("General", 1)]

        await eventually(is_listed)
        refused = await client.get("/api/v1/hub/boards", headers=staff.bearer)
        assert refused.status_code == 403


async def test_only_who_works_in_the_clinic_is_told(
    runtime: Runtime, clinic: Clinic, staff: Person, web: WebProcess
) -> None:
    elsewhere = await create_clinic(runtime)
    others = [
        await create_person(runtime, Role.STAFF, clinic_ids=(elsewhere.clinic_id,)),
        await create_person(runtime, Role.PATIENT),
        await create_person(runtime, Role.ADVISOR),
        await create_person(runtime, Role.DEVICE),
    ]
    admin = await create_person(runtime, Role.ADMIN)
    channel = f"board:{clinic.queue_id}"
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(open_socket(web.url, one.access_token)) for one in others]
        desk = await stack.enter_async_context(open_socket(web.url, staff.access_token))
        office = await stack.enter_async_context(open_socket(web.url, admin.access_token))
        for socket in (*sockets, desk, office):
            await socket.subscribe(channel)
        for socket in (desk, office):
            await until_told(socket, channel, 6)
        # Whoever stops working there is told nothing from that moment, without coming back.
        async with runtime.transactions.begin(SYSTEM) as unit:
            await clinics.remove_member(unit, clinic.clinic_id, staff.id)
        screen = await stack.enter_async_context(open_socket(web.url))
        await screen.subscribe(channel)
        await until_told(office, channel, 7)
        for socket in (*sockets, desk):
            await a_heartbeat_later(socket)
        assert [told(socket, channel) for socket in sockets] == [[]] * len(sockets)
        assert 7 not in told(desk, channel)


async def test_a_crowd_that_comes_is_a_handful_of_messages(
    clinic: Clinic, staff: Person, settings: Settings, web: WebProcess
) -> None:
    channel, crowd = f"board:{clinic.queue_id}", 300
    redis = connect(settings.redis_url.get_secret_value())
    listener = redis.pubsub()
    await listener.subscribe(PREFIX + channel)
    async with open_socket(web.url, staff.access_token) as desk, fleet(web.port) as screens:
        await desk.subscribe(channel, present=False)
        begun = asyncio.get_running_loop().time()
        for _ in range(crowd):
            screens.follow(channel)
        await until_told(desk, channel, crowd)
        turns = 2 + (asyncio.get_running_loop().time() - begun) / COLLECT_SECONDS
        published = 0
        while message := await listener.get_message(timeout=0.2):
            published += message["type"] == "message" and message["data"].startswith(PRESENCE)
    await listener.aclose()  # type: ignore[no-untyped-call]
    await redis.aclose()
    assert 1 <= published <= turns
    assert len(told(desk, channel)) <= turns
