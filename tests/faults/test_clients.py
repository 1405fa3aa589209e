"""Clients that vanish, or are cut off in the middle of a frame: others notice nothing."""

from pathlib import Path

from core.runtime import Runtime
from core.settings import Settings
from tests.faults.scenes import PATIENCE_SECONDS, Traffic, create_board, create_talk, hub, settle
from tests.support.fleet import Ending, fleet
from tests.support.tcp_proxy import Direction, tcp_proxy
from tests.support.web import eventually


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
