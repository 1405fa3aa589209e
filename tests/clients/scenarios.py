"""What every client must survive, whatever language it is written in.

Each scenario breaks something between the client and the real server while both sides write. The oracle is the same
each time: what the client shows equals a fresh snapshot, and every send that was acknowledged is in Postgres once, in
the order in which it was sent.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from core.clock import now
from core.runtime import Runtime
from core.settings import Settings
from domain.chat.queries import SNAPSHOT_MESSAGES
from domain.identity.actions import open_session
from domain.identity.rules import write_access_token
from hub.close_codes import CloseCode
from tests.clients.world import World, world
from tests.faults.scenes import proxy_to, through
from tests.line.fold_board import comparable as comparable_board
from tests.support.web import eventually, open_socket

MINE = 20
LIFETIME = timedelta(seconds=50)
"""Less than the minute before its end at which the hub warns."""


@dataclass(frozen=True)
class Picture:
    """What a client shows of a channel: the state it has made of snapshot and events, and how far it believes it."""

    status: str
    seq: int
    state: dict[str, Any]
    seqs: list[int]
    """Of the events since the last snapshot, as the application received them."""


class ClientUnderTest(Protocol):
    """A client of any language, connected to the proxy."""

    async def follow(self, channel: str) -> None:
        """Subscribe, and fold what comes."""

    async def send(self, channel: str, body: str) -> int:
        """The sequence of the acknowledged message."""

    async def picture(self, channel: str) -> Picture | None:
        """None before the first snapshot."""

    async def tokens_asked(self) -> int:
        """How often it has asked for an access token."""


Make = Callable[[str, list[str]], AbstractAsyncContextManager[ClientUnderTest]]
"""Connect to that address; the first access token first, then the next, and the last one from then on."""


Fault = Callable[[World, ClientUnderTest], Coroutine[Any, Any, None]]


async def cut_in_a_frame_from_the_hub(here: World, _: ClientUnderTest) -> None:
    """The connection ends within a frame, three times, at different places of it."""
    for count in (301, 777, 1205):
        before = here.proxy.connections
        here.proxy.cut_after("to_client", count)
        await here.reconnected(before)


async def cut_in_a_frame_to_the_hub(here: World, _: ClientUnderTest) -> None:
    """A send gets no further than its head, twice: the hub must not have half a message, nor the client lose it."""
    for count in (40, 90):
        before = here.proxy.connections
        here.proxy.cut_after("to_server", count)
        await here.reconnected(before)


async def cut_before_the_ack(here: World, _: ClientUnderTest) -> None:
    """Messages are stored and their acknowledgements lost: a repeat must not be a second message."""
    for _attempt in range(3):
        before = here.proxy.connections
        here.proxy.cut_after("to_client", 1)
        await here.reconnected(before)


async def hold(here: World, client: ClientUnderTest) -> None:
    """Packets vanish and no connection breaks: the client must say that it is stale, and come back."""
    here.proxy.hold()

    async def is_stale() -> bool:
        pictures = [await client.picture(channel) for channel in (here.thread, here.board)]
        return all(picture is not None and picture.status == "stale" for picture in pictures)

    await eventually(is_stale)
    here.proxy.release()


async def kill_the_server(here: World, _: ClientUnderTest) -> None:
    """SIGKILL; another process takes over a moment later."""
    here.web.kill()
    await here.web.process.wait()
    await here.replace_server()


async def restart_the_server(here: World, _: ClientUnderTest) -> None:
    """SIGTERM: sockets hear goodbye, and find another process where the first one was."""
    here.web.process.terminate()
    await here.web.process.wait()
    await here.replace_server()


async def no_fault(_: World, __: ClientUnderTest) -> None:
    """The control: the oracle holds where nothing breaks."""


FAULTS: list[Fault] = [
    no_fault,
    cut_in_a_frame_from_the_hub,
    cut_in_a_frame_to_the_hub,
    cut_before_the_ack,
    hold,
    kill_the_server,
    restart_the_server,
]


async def survives(make: Make, here: World, fault: Fault) -> None:
    """Write from both sides, break something meanwhile, and compare with Postgres."""
    # A channel without events has no epoch to resume in: who comes back to it gets everything, healing or not.
    await here.others_act(1)
    async with make(here.url, [here.patient.access_token]) as client:
        await client.follow(here.thread)
        await client.follow(here.board)
        await eventually(lambda: _shows(client, here, here.board))
        sent: list[tuple[int, str]] = []
        async with asyncio.TaskGroup() as group:
            breaking = group.create_task(fault(here, client))
            group.create_task(_keep_sending(client, here, sent, breaking))
            group.create_task(here.others_act())
        for channel in (here.thread, here.board):
            await eventually(functools.partial(_shows, client, here, channel))
            await _assert_true(client, here, channel)
    assert len(sent) >= MINE
    assert await here.stored() == sent


async def is_found_out(make: Make, here: World) -> None:
    """The negative control: a client that takes what comes as it comes, and heals nothing, does not survive."""
    with pytest.raises(AssertionError):
        await survives(make, here, kill_the_server)


async def _keep_sending(
    client: ClientUnderTest, here: World, sent: list[tuple[int, str]], breaking: asyncio.Task[None]
) -> None:
    while len(sent) < MINE or not breaking.done():
        body = f"line {len(sent)}"
        sent.append((await client.send(here.thread, body), body))
        await asyncio.sleep(0.02)


async def _shows(client: ClientUnderTest, here: World, channel: str) -> bool:
    """Live, and at the head."""
    picture = await client.picture(channel)
    seq, _ = await here.truth(channel)
    return picture is not None and picture.status == "live" and picture.seq == seq


async def _assert_true(client: ClientUnderTest, here: World, channel: str) -> None:
    """No event twice or out of turn, and the state that they made is the one in Postgres."""
    picture = await client.picture(channel)
    assert picture is not None
    seq, state = await here.truth(channel)
    assert picture.seqs == list(range(seq - len(picture.seqs) + 1, seq + 1))
    assert _comparable(picture.state) == _comparable(state)


def _comparable(state: dict[str, Any]) -> dict[str, Any]:
    """The order of tickets is the screen's business, and a client may keep more messages than a snapshot brings."""
    if "tickets" in state:
        return comparable_board(state)
    return {**state, "messages": state["messages"][-SNAPSHOT_MESSAGES:]}


async def renews_in_place(make: Make, here: World) -> None:
    """A sign-in that ends soon is renewed on the living socket, which outlives the session that it began with."""
    person, secret = here.patient, here.settings.secret_key.get_secret_value()
    soon = write_access_token(person.id, person.email, "patient", person.session_id, secret, now(), LIFETIME)
    async with here.runtime.transactions.begin() as unit:
        other = await open_session(unit, person.id, here.settings)
    async with make(here.url, [soon, other.access_token]) as client, open_socket(here.web.url, soon) as control:
        await client.follow(here.thread)
        await eventually(lambda: _has_asked_twice(client))
        assert await client.send(here.thread, "Still here") == 1
        async with httpx.AsyncClient(base_url=here.web.url, headers=person.bearer) as api:
            assert (await api.post("/api/v1/auth/logout")).status_code == 200
        assert await control.close_code() == CloseCode.SESSION_REVOKED
        assert await client.send(here.thread, "And still") == 2
        assert here.proxy.connections == 1


async def _has_asked_twice(client: ClientUnderTest) -> bool:
    return await client.tokens_asked() == 2


async def is_forgiven_haste(make: Make, here: World) -> None:
    """More messages than the hub takes a second: each is repeated until it is acknowledged, in order."""
    async with make(here.url, [here.patient.access_token]) as client:
        sent = await asyncio.gather(*(client.send(here.thread, f"line {number}") for number in range(MINE)))
        assert sent == list(range(1, MINE + 1))
        assert await here.stored() == [(seq, f"line {seq - 1}") for seq in sent]


async def says_when_the_hub_is_degraded(make: Make, runtime: Runtime, settings: Settings, folder: Path) -> None:
    """Nothing of the client's own is broken, but the hub hears no news: what is shown may be late, and must say so."""
    async with (
        proxy_to(settings.redis_url) as news,
        world(runtime, settings, folder, redis_url=through(settings.redis_url, news), hub_probe_seconds=0.3) as here,
        make(here.url, [here.patient.access_token]) as client,
    ):
        await client.follow(here.board)
        await eventually(lambda: _shows(client, here, here.board))
        news.hold()
        await eventually(lambda: _has_status(client, here, "stale"))
        await news.cut()
        news.release()
        await eventually(lambda: _has_status(client, here, "live"))
        assert here.proxy.connections == 1


async def _has_status(client: ClientUnderTest, here: World, status: str) -> bool:
    picture = await client.picture(here.board)
    return picture is not None and picture.status == status
