"""Clients that read slowly or not at all: each kind of news is held back in its own way, and others notice nothing."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from core.actor import SYSTEM
from core.runtime import Runtime
from core.settings import Settings
from domain.chat.queries import SNAPSHOT_MESSAGES
from domain.queueing.events import BoardTicket, TicketUpserted, board_channel
from domain.queueing.queries import board_snapshot
from hub.close_codes import CloseCode
from tests.faults.scenes import PATIENCE_SECONDS, Talk, Traffic, create_board, create_talk, flood, hub, metric, settle
from tests.support.fleet import Ending, Follower, fleet
from tests.support.web import WebProcess, eventually

LIMIT_BYTES = 65_536
WINDOW_BYTES = 8_192
LONG = "🐟" * 4_000
LONG_BYTES = 16_000
ONE_TURN_BYTES = 500 * LONG_BYTES
"""What one turn of the loop may bring at most: as many events as are read from Postgres at once to fill a gap."""
AT_ONCE = 50
A_FEW = 10


async def _queue_high_water(web: WebProcess) -> float:
    return await metric(web, "carebell_socket_queue_high_water_bytes")


async def test_a_slow_reader_is_told_to_resync_and_misses_nothing(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    talk = await create_talk(runtime)
    limits = {"hub_max_queued_bytes": LIMIT_BYTES, "hub_slow_reader_seconds": 60}
    async with hub(settings, tmp_path, **limits) as web, fleet(web.port) as clients:
        slow = clients.follow(talk.channel, talk.doctor.access_token, window=WINDOW_BYTES)
        quick = clients.follow(talk.channel, talk.patient.access_token)
        await eventually(lambda: clients.standing_at(web.port) == 2, PATIENCE_SECONDS)
        slow.is_reading.clear()
        said = 0
        while await _queue_high_water(web) <= LIMIT_BYTES:
            await flood(runtime, talk, said, AT_ONCE, LONG)
            said += AT_ONCE
        await eventually(lambda: len(quick.messages) == said + 1, PATIENCE_SECONDS)
        # What a socket may hold, and what one turn of the loop adds to it.
        assert await _queue_high_water(web) < LIMIT_BYTES + ONE_TURN_BYTES
        slow.is_reading.set()
        await settle(runtime, clients)
        assert slow.kinds["resync"] == 1
        assert quick.kinds["resync"] == 0
        assert (slow.endings, quick.endings) == ([], [])


async def test_who_asks_and_never_reads_is_closed_and_does_not_fill_the_memory(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    talk = await create_talk(runtime)
    await flood(runtime, talk, 0, SNAPSHOT_MESSAGES, LONG)
    limits = {"hub_max_queued_bytes": LIMIT_BYTES, "hub_slow_reader_seconds": 1}
    async with hub(settings, tmp_path, **limits) as web, fleet(web.port) as clients:
        greedy = clients.follow(talk.channel, talk.doctor.access_token, window=WINDOW_BYTES)
        quick = clients.follow(talk.channel, talk.patient.access_token)
        await eventually(lambda: clients.standing_at(web.port) == 2, PATIENCE_SECONDS)
        greedy.is_reading.clear()
        # Each answer is the whole state of 800 KB.
        for number in range(120):
            greedy.write(type="subscribe", id=f"{number}", channel=talk.channel)
        await eventually(lambda: "slow_reader_closed" in web.log.read_text(), PATIENCE_SECONDS)
        assert await _queue_high_water(web) < LIMIT_BYTES + 3 * SNAPSHOT_MESSAGES * LONG_BYTES
        await flood(runtime, talk, SNAPSHOT_MESSAGES, 3, LONG)
        greedy.is_reading.set()
        await eventually(lambda: greedy.endings, PATIENCE_SECONDS)
        await settle(runtime, clients)
        assert greedy.endings == [Ending(was_told=False, code=CloseCode.SLOW_READER)]
        assert quick.endings == []


async def _swell(runtime: Runtime, queue_id: UUID, times: int) -> None:
    """So many changes of the tickets that are there, large ones, in one transaction; in the end all is as before."""
    async with runtime.transactions.begin(SYSTEM) as unit:
        tickets: list[BoardTicket] = (await board_snapshot(unit.session, queue_id))["tickets"]
        for _ in range(times):
            for ticket in tickets:
                unit.emit(TicketUpserted(ticket=replace(ticket, code=LONG)), board_channel(queue_id))
        for ticket in tickets:
            unit.emit(TicketUpserted(ticket=ticket), board_channel(queue_id))


async def _fill(runtime: Runtime, web: WebProcess, queue_id: UUID) -> None:
    """Until the buffers of a socket that reads nothing are full."""
    while not await _queue_high_water(web):
        await _swell(runtime, queue_id, AT_ONCE)


async def test_a_slow_screen_gets_the_newest_state_in_place_of_every_step(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    """However long it reads nothing, little waits for it, and then it shows what any other screen shows."""
    board = await create_board(runtime)
    async with hub(settings, tmp_path, hub_slow_reader_seconds=60) as web, fleet(web.port) as clients:
        slow = clients.follow(board_channel(board.queue_id), window=WINDOW_BYTES)
        quick = clients.follow(board_channel(board.queue_id))
        await eventually(lambda: clients.standing_at(web.port) == 2, PATIENCE_SECONDS)
        slow.is_reading.clear()
        await _fill(runtime, web, board.queue_id)
        traffic = Traffic(runtime)
        traffic.move(board)
        await traffic.another(10)
        for _ in range(3):
            await _swell(runtime, board.queue_id, AT_ONCE)
        await traffic.stop()
        await eventually(lambda: quick.seq > 3 * AT_ONCE * 10, PATIENCE_SECONDS)
        # Of three times as much.
        assert await _queue_high_water(web) < LIMIT_BYTES + ONE_TURN_BYTES
        slow.is_reading.set()
        await settle(runtime, clients)
        assert slow.kinds["conflated"] >= 1
        assert slow.spared > 3 * AT_ONCE * 10
        assert await metric(web, "carebell_events_conflated_total") == slow.spared + quick.spared
        assert (slow.modes, slow.kinds["resync"], slow.endings) == (["snapshot"], 0, [])
        assert (quick.modes, quick.kinds["resync"], quick.endings) == (["snapshot"], 0, [])
        # It goes on from there as if nothing had been.
        traffic = Traffic(runtime)
        traffic.move(board)
        await traffic.another(3)
        await traffic.stop()
        await settle(runtime, clients)
        assert slow.modes == ["snapshot"]


async def test_a_screen_that_reads_nothing_is_closed_though_little_waits_for_it(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    board = await create_board(runtime)
    async with hub(settings, tmp_path, hub_slow_reader_seconds=1) as web, fleet(web.port) as clients:
        dead = clients.follow(board_channel(board.queue_id), window=WINDOW_BYTES)
        await eventually(lambda: clients.standing_at(web.port) == 1, PATIENCE_SECONDS)
        dead.is_reading.clear()
        await _fill(runtime, web, board.queue_id)
        await eventually(lambda: "slow_reader_closed" in web.log.read_text(), PATIENCE_SECONDS)
        dead.is_reading.set()
        await settle(runtime, clients)
        assert [ending.code for ending in dead.endings] == [CloseCode.SLOW_READER]


async def test_who_reads_slowly_is_not_closed(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    """It takes longer for all than a socket may drain nothing at all."""
    talk = await create_talk(runtime)
    await flood(runtime, talk, 0, SNAPSHOT_MESSAGES, LONG)
    limits = {"hub_max_queued_bytes": 2**26, "hub_slow_reader_seconds": 3}
    async with hub(settings, tmp_path, **limits) as web, fleet(web.port) as clients:
        slow = clients.follow(talk.channel, talk.doctor.access_token, window=WINDOW_BYTES)
        await eventually(lambda: clients.standing_at(web.port) == 1, PATIENCE_SECONDS)
        slow.is_reading.clear()
        # Each answer is the whole state of 800 KB.
        for number in range(24):
            slow.write(type="subscribe", id=f"{number}", channel=talk.channel)
        await eventually(lambda: _queue_high_water(web), PATIENCE_SECONDS)
        started = asyncio.get_running_loop().time()
        for share in range(3, 25, 3):
            slow.is_reading.set()
            await eventually(lambda: len(slow.modes) > share, PATIENCE_SECONDS)  # noqa: B023 - awaited here
            slow.is_reading.clear()
            await asyncio.sleep(0.5)
        assert asyncio.get_running_loop().time() - started > 4
        slow.is_reading.set()
        await settle(runtime, clients)
        assert (slow.kinds["resync"], slow.endings) == (0, [])


def _sees_two(follower: Follower) -> bool:
    return bool(follower.signals) and len(follower.signals[-1]["data"]["user_ids"]) == 2


def _typed(follower: Follower) -> list[dict[str, Any]]:
    return [signal for signal in follower.signals if signal["name"] == "typing"]


async def _fill_below_the_limit(runtime: Runtime, web: WebProcess, talk: Talk, quick: Follower) -> int:
    """Until more waits than can be the quick one's, and less than brings a ``resync``; how many messages that took.

    Each lot has arrived before the next: what is under way could go over the limit, and who is over it hears no signal.
    """
    said = 0
    while await _queue_high_water(web) <= 3 * A_FEW * LONG_BYTES:
        await flood(runtime, talk, said, A_FEW, LONG)
        said += A_FEW
        await eventually(lambda: len(quick.messages) == said + 1, PATIENCE_SECONDS)  # noqa: B023
    return said


async def test_of_signals_the_oldest_are_dropped(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    """While messages wait in their order below the limit, and are all delivered."""
    talk = await create_talk(runtime)
    async with hub(settings, tmp_path, hub_slow_reader_seconds=60) as web, fleet(web.port) as clients:
        slow = clients.follow(talk.channel, talk.doctor.access_token, window=WINDOW_BYTES)
        quick = clients.follow(talk.channel, talk.patient.access_token)
        await eventually(lambda: clients.standing_at(web.port) == 2, PATIENCE_SECONDS)
        # The last word on who is there; from now on that does not change.
        await eventually(lambda: all(_sees_two(one) for one in (slow, quick)), PATIENCE_SECONDS)
        slow.is_reading.clear()
        said = await _fill_below_the_limit(runtime, web, talk, quick)
        for number in range(100):
            quick.write(type="typing", channel=talk.channel, on=number >= 68)
        await eventually(lambda: len(_typed(quick)) == 100, PATIENCE_SECONDS)
        await flood(runtime, talk, said, 3, LONG)
        slow.is_reading.set()
        await settle(runtime, clients)
        await eventually(lambda: len(_typed(slow)) >= 32, PATIENCE_SECONDS)
        assert [signal["data"]["on"] for signal in _typed(slow)] == [True] * 32
        assert (slow.kinds["resync"], slow.modes, slow.endings) == (0, ["snapshot"], [])
