"""Clients that do not read, vanish, are cut off in the middle of a frame, or send rubbish: others notice nothing."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path

from core.runtime import Runtime
from core.settings import Settings
from domain.chat.queries import SNAPSHOT_MESSAGES
from hub.close_codes import CloseCode
from tests.faults.scenes import PATIENCE_SECONDS, Traffic, create_board, create_talk, flood, hub, metric, settle
from tests.support.fleet import Ending, fleet, masked
from tests.support.tcp_proxy import Direction, tcp_proxy
from tests.support.web import WebProcess, eventually

LIMIT_BYTES = 65_536
WINDOW_BYTES = 8_192
LONG = "x" * 4_000
AT_ONCE = 50


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
        assert await _queue_high_water(web) < LIMIT_BYTES + 2 * AT_ONCE * len(LONG)
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
        # Each answer is the whole state of 200 KB.
        for number in range(240):
            greedy.write(type="subscribe", id=f"{number}", channel=talk.channel)
        await eventually(lambda: "slow_reader_closed" in web.log.read_text(), PATIENCE_SECONDS)
        assert await _queue_high_water(web) < LIMIT_BYTES + 2 * SNAPSHOT_MESSAGES * len(LONG)
        await flood(runtime, talk, SNAPSHOT_MESSAGES, 3, LONG)
        greedy.is_reading.set()
        await eventually(lambda: greedy.endings, PATIENCE_SECONDS)
        await settle(runtime, clients)
        assert greedy.endings == [Ending(was_told=False, code=CloseCode.SLOW_READER)]
        assert quick.endings == []


async def _newcomer_gets_in(runtime: Runtime, settings: Settings, tmp_path: Path, ping_seconds: float) -> bool:
    """One socket an address may be open; its client vanishes without a word. Whether another one gets in.

    It does not when it was refused ten times.
    """
    channel = f"board:{(await create_board(runtime)).queue_id}"
    changed = {"hub_max_sockets_per_address": 1, "hub_ping_seconds": ping_seconds, "hub_ping_timeout_seconds": 0.2}
    async with (
        hub(settings, tmp_path, **changed) as web,
        tcp_proxy("127.0.0.1", web.port) as proxy,
        fleet(proxy.port) as before,
        fleet(web.port) as after,
    ):
        vanished = before.follow(channel)
        await eventually(lambda: before.standing_at(proxy.port) == 1, PATIENCE_SECONDS)
        proxy.hold()
        newcomer = after.follow(channel)
        await eventually(lambda: newcomer.port or newcomer.refusals >= 10, PATIENCE_SECONDS)
        assert vanished.endings == []
        return newcomer.port == web.port


async def test_a_client_that_vanishes_without_a_word_is_found_by_pings(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    assert await _newcomer_gets_in(runtime, settings, tmp_path, ping_seconds=0.2)


async def test_without_pings_a_client_that_vanished_keeps_its_place(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    """The negative control of the test above."""
    assert not await _newcomer_gets_in(runtime, settings, tmp_path, ping_seconds=600)


async def test_connections_cut_in_the_middle_of_a_frame(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    talk = await create_talk(runtime)
    cuts: list[tuple[Direction, int]] = [
        (way, count) for count in (1, 3, 60, 700) for way in ("to_client", "to_server")
    ]
    async with (
        hub(settings, tmp_path) as web,
        tcp_proxy("127.0.0.1", web.port) as proxy,
        fleet(proxy.port) as behind,
        fleet(web.port) as direct,
    ):
        speaker = behind.follow(talk.channel, talk.patient.access_token)
        reader = direct.follow(talk.channel, talk.doctor.access_token)
        await eventually(lambda: direct.standing_at(web.port) + behind.standing_at(proxy.port) == 2, PATIENCE_SECONDS)
        traffic = Traffic(runtime)
        traffic.talk(speaker)
        for cut in cuts:
            await traffic.another(3, speaker)
            proxy.cut_after(*cut)
            await eventually(lambda: not proxy.is_armed, PATIENCE_SECONDS)
        await traffic.another(3, speaker)
        await traffic.stop()
        for clients in (behind, direct):
            await settle(runtime, clients)
        assert speaker.endings == [Ending(was_told=False, code=None)] * len(cuts)
        assert speaker.modes.count("snapshot") == 1
        assert reader.endings == []


async def _send_rubbish(port: int, dice: random.Random) -> None:
    """One connection: rubbish at once, in place of frames, or inside of frames whose heads are right."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    kind = dice.randrange(3)
    rubbish = dice.randbytes(dice.randrange(1, 4_000))
    if kind:
        writer.write(
            b"GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
    if kind == 2:
        rubbish = masked(0x1, b'{"type":"hello"}') + masked(dice.choice((0x0, 0x1, 0x2, 0x8, 0x9, 0xA)), rubbish)
    writer.write(rubbish)
    if dice.random() < 0.5:
        writer.write_eof()
    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await reader.read()
    writer.transport.abort()


async def test_random_bytes_never_take_the_process_down(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    talk = await create_talk(runtime)
    async with hub(settings, tmp_path) as web, fleet(web.port) as clients:
        speaker = clients.follow(talk.channel, talk.patient.access_token)
        clients.follow(talk.channel, talk.doctor.access_token)
        await eventually(lambda: clients.standing_at(web.port) == 2, PATIENCE_SECONDS)
        traffic, dice = Traffic(runtime), random.Random(20_260)
        traffic.talk(speaker)
        for _ in range(30):
            attempts = (_send_rubbish(web.port, dice) for _ in range(20))
            outcomes = await asyncio.gather(*attempts, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} <= {type(None), ConnectionResetError, BrokenPipeError}
        await traffic.another(3, speaker)
        await traffic.stop()
        await settle(runtime, clients)
        assert web.process.returncode is None
        assert [follower.endings for follower in clients.followers] == [[], []]
        assert not speaker.failures
        assert "Traceback" not in web.log.read_text()
