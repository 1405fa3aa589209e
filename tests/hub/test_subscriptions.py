"""What a node keeps of channels, and what it takes for complete: on real servers, without sockets."""

import gc
import time
from collections.abc import AsyncIterator

import msgspec
import pytest
from sqlalchemy import text

from core.runtime import Runtime
from core.streams import Position
from domain.queueing.events import board_channel
from hub import relay as relay_module
from hub import subscriptions as subscriptions_module
from hub.catalog import parse_channel
from hub.relay import Relay
from hub.sse import Screen
from hub.subscriptions import Snapshot, Subscriptions
from tests.builders import Clinic, create_clinic, take_ticket
from tests.support.web import eventually


@pytest.fixture
async def relay(runtime: Runtime) -> AsyncIterator[Relay]:
    made = Relay(runtime.settings, runtime.database, runtime.publisher, lambda _: None, lambda _: None)
    made.start()
    yield made
    await made.close()


async def _mode(subscriptions: Subscriptions, clinic: Clinic, at: Position | None = None) -> str:
    """How somebody who stands there is answered, and gone again."""
    screen, name = Screen(), board_channel(clinic.queue_id)
    before = subscriptions.by_mode.copy()
    channel = await subscriptions.follow(screen, name, *parse_channel(name), at, {})
    channel.leave(screen)
    [mode] = subscriptions.by_mode - before
    return mode


async def test_a_hole_that_pruning_left_is_no_resume(runtime: Runtime, relay: Relay) -> None:
    clinic = await create_clinic(runtime)
    for _ in range(4):
        await take_ticket(runtime, clinic.queue_id)
    subscriptions = Subscriptions(runtime.database, relay)
    channel = await relay.open(board_channel(clinic.queue_id))
    assert channel.epoch is not None
    assert await _mode(subscriptions, clinic, Position(channel.epoch, 1)) == "resume"
    # ``at`` is when a transaction began and ``seq`` when it committed: the older of two events may have the later seq.
    async with runtime.transactions.begin() as unit:
        hole = "DELETE FROM events WHERE seq = 3 AND stream_id = (SELECT id FROM streams WHERE channel = :channel)"
        await unit.session.execute(text(hole), {"channel": channel.name})
    assert await _mode(subscriptions, clinic, Position(channel.epoch, 1)) == "snapshot"
    assert await _mode(subscriptions, clinic, Position(channel.epoch, 3)) == "resume"


async def test_of_a_channel_that_is_not_served_any_more_nothing_is_kept(
    runtime: Runtime, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic = await create_clinic(runtime)
    subscriptions = Subscriptions(runtime.database, relay)
    assert await _mode(subscriptions, clinic) == "snapshot"

    def is_kept() -> bool:
        gc.collect()
        states = [bytes(kept.state) for kept in gc.get_objects() if isinstance(kept, Snapshot)]
        return any(str(clinic.queue_id).encode() in state for state in states)

    assert is_kept()
    monkeypatch.setattr(relay_module, "_LINGER_SECONDS", 0)
    await eventually(lambda: not relay.channels)
    assert not is_kept()


async def test_a_new_name_is_shown_without_an_event(
    runtime: Runtime, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic, subscriptions, screen = await create_clinic(runtime), Subscriptions(runtime.database, relay), Screen()
    name = board_channel(clinic.queue_id)

    async def shown() -> str:
        await subscriptions.follow(screen, name, *parse_channel(name), None, {})
        return msgspec.json.decode(await screen.frames.get())["state"]["queue"]["name"]  # type: ignore[no-any-return]

    before = await shown()
    async with runtime.transactions.begin() as unit:
        renamed = {"name": "Renamed", "id": clinic.queue_id}
        await unit.session.execute(text("UPDATE queues SET name = :name WHERE id = :id"), renamed)
    assert await shown() == before  # for a moment: a crowd that comes back is one question
    monkeypatch.setattr(subscriptions_module, "_SNAPSHOT_MAY_AGE_SECONDS", 0)
    assert await shown() == "Renamed"


async def test_a_channel_that_somebody_is_about_to_follow_is_not_dropped(runtime: Runtime, relay: Relay) -> None:
    name = board_channel((await create_clinic(runtime)).queue_id)
    channel = await relay.open(name)
    channel.idle_since = time.monotonic() - 2 * relay_module._LINGER_SECONDS
    assert await relay.open(name) is channel
    relay._drop_idle()
    assert relay.has(name)
