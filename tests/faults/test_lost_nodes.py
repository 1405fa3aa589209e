"""Nodes that die and nodes that are replaced, with a thousand sockets each and traffic all the while."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.runtime import Runtime
from core.settings import Settings
from hub.close_codes import CloseCode
from tests.faults.scenes import PATIENCE_SECONDS, Traffic, create_board, create_talk, hub, proxy_to, settle, through
from tests.support.fleet import Ending, Fleet, fleet
from tests.support.web import WebProcess, eventually

SOCKETS = 1000
BOARDS = 8
TALKS = 10


@asynccontextmanager
async def _crowd(runtime: Runtime, web: WebProcess) -> AsyncIterator[tuple[Fleet, Traffic]]:
    """A thousand sockets at that node and traffic on all that they follow; at the end they are compared."""
    boards = [await create_board(runtime) for _ in range(BOARDS)]
    talks = [await create_talk(runtime) for _ in range(TALKS)]
    traffic = Traffic(runtime)
    async with fleet(web.port) as crowd:
        speakers = [crowd.follow(talk.channel, talk.patient.access_token) for talk in talks]
        for talk in talks:
            crowd.follow(talk.channel, talk.doctor.access_token)
        while len(crowd.followers) < SOCKETS:
            crowd.follow(f"board:{boards[len(crowd.followers) % BOARDS].queue_id}")
        await eventually(lambda: crowd.standing_at(web.port) == SOCKETS, PATIENCE_SECONDS)
        traffic.move(*boards)
        traffic.talk(*speakers)
        await traffic.another(5, *speakers)
        yield crowd, traffic
        await traffic.another(5, *speakers)
        await traffic.stop()
        await settle(runtime, crowd)


async def test_a_node_killed_with_a_thousand_sockets(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    async with (
        hub(settings, tmp_path) as victim,
        hub(settings, tmp_path) as heir,
        _crowd(runtime, victim) as (crowd, _),
    ):
        crowd.ports.append(heir.port)
        victim.kill()
        assert await victim.process.wait() == -signal.SIGKILL
        await eventually(lambda: crowd.standing_at(heir.port) == SOCKETS, PATIENCE_SECONDS)
    assert {tuple(follower.endings) for follower in crowd.followers} == {(Ending(was_told=False, code=None),)}
    # Everybody knew where they were: nobody had to be shown everything again.
    assert sum(follower.modes.count("snapshot") for follower in crowd.followers) == SOCKETS


async def test_a_deploy_under_traffic(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    async with (
        hub(settings, tmp_path, hub_drain_seconds=3) as old,
        hub(settings, tmp_path) as new,
        _crowd(runtime, old) as (crowd, traffic),
    ):
        crowd.ports[:] = [new.port]
        old.process.send_signal(signal.SIGTERM)
        await traffic.another(20)
        await eventually(lambda: crowd.standing_at(new.port) == SOCKETS, PATIENCE_SECONDS)
        await asyncio.wait_for(old.process.wait(), PATIENCE_SECONDS)
        assert "Finished server process" in old.log.read_text()
    told = Ending(was_told=True, code=CloseCode.GOODBYE)
    assert {tuple(follower.endings) for follower in crowd.followers} == {(told,)}
    assert sum(follower.modes.count("snapshot") for follower in crowd.followers) == SOCKETS


async def test_a_handshake_under_way_when_the_node_leaves_is_refused(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    """A socket that opened after the others were asked to leave would be closed without a goodbye."""
    talk, board = await create_talk(runtime), await create_board(runtime)
    async with (
        proxy_to(settings.database_url) as proxy,
        hub(settings, tmp_path, database_url=through(settings.database_url, proxy), hub_drain_seconds=4) as old,
        fleet(old.port) as crowd,
        fleet(old.port) as late,
    ):
        for _ in range(100):
            crowd.follow(f"board:{board.queue_id}")
        await eventually(lambda: crowd.standing_at(old.port) == 100, PATIENCE_SECONDS)
        proxy.hold()
        newcomer = late.follow(talk.channel, talk.doctor.access_token)
        await eventually(lambda: newcomer.is_shaking_hands, PATIENCE_SECONDS)
        old.process.send_signal(signal.SIGTERM)
        await eventually(lambda: any(follower.endings for follower in crowd.followers), PATIENCE_SECONDS)
        proxy.release()
        await eventually(lambda: newcomer.refusals or newcomer.port, PATIENCE_SECONDS)
        assert (newcomer.refusals > 0, newcomer.port) == (True, None)
        await asyncio.wait_for(old.process.wait(), PATIENCE_SECONDS)
        assert newcomer.endings == []
