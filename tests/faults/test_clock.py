"""A node whose wall clock steps an hour ahead, and two hours back: no socket is lost, and nothing is late or lost."""

from datetime import datetime
from pathlib import Path

import httpx
from pydantic import SecretStr

from core.runtime import Runtime
from core.settings import Settings
from tests.builders import take_ticket
from tests.conftest import running
from tests.faults.scenes import PATIENCE_SECONDS, Talk, Traffic, create_board, create_talk, hub, settle
from tests.support.fleet import fleet
from tests.support.web import WebProcess, eventually, open_socket, web_process_of

HOUR = 3600
SCREENS = 10
PROGRAM = "tests.support.ops_with_clock"


async def _moment(web: WebProcess) -> float:
    """What that process takes for the time, in seconds."""
    async with httpx.AsyncClient(base_url=web.url) as client:
        answer = await client.get("/api/v1/nowhere")
    return datetime.fromisoformat(answer.json()["timestamp"]).timestamp()


async def _can_come_with_a_ticket(talk: Talk, giver: WebProcess, taker: WebProcess) -> None:
    """The clocks of the two nodes differ by an hour."""
    async with httpx.AsyncClient(base_url=giver.url, headers=talk.doctor.bearer) as client:
        answer = await client.post("/api/v1/auth/ws-ticket")
    ticket = answer.raise_for_status().json()["ticket"]
    async with open_socket(taker.url, path=f"/api/v1/ws?ticket={ticket}", hello=False) as socket:
        assert (await socket.until(type="welcome"))["user"] == str(talk.doctor.id)


async def test_sockets_live_through_steps_of_the_clock(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    talk, other = await create_talk(runtime), await create_talk(runtime)
    board, quiet = await create_board(runtime), await create_board(runtime)
    unheard = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
    changes = {"hub_expiry_grace_seconds": 0.2, "hub_ping_seconds": 0.5, "hub_max_commands_per_second": 1000}
    async with (
        web_process_of(PROGRAM, settings, tmp_path, **changes) as web,
        hub(settings, tmp_path) as elsewhere,
        fleet(web.port) as clients,
        fleet(elsewhere.port) as witnesses,
        running(unheard) as unpublished,
    ):
        speakers = [clients.follow(one.channel, one.patient.access_token) for one in (talk, other)]
        clients.follow(talk.channel, talk.doctor.access_token)
        for _ in range(SCREENS):
            clients.follow(f"board:{board.queue_id}")
        unaware = clients.follow(f"board:{quiet.queue_id}")
        witnesses.follow(talk.channel, talk.doctor.access_token)
        witnesses.follow(f"board:{board.queue_id}")
        await eventually(lambda: clients.standing_at(web.port) == SCREENS + 4, PATIENCE_SECONDS)
        await eventually(lambda: witnesses.standing_at(elsewhere.port) == 2, PATIENCE_SECONDS)
        traffic = Traffic(runtime)
        traffic.move(board)
        traffic.talk(*speakers)
        await traffic.another(5, *speakers)
        true = await _moment(web)
        for step in (HOUR, -HOUR, 0):
            (tmp_path / "clock").write_text(str(step), encoding="ascii")
            assert abs(await _moment(web) - true - step) < HOUR / 2
            beats = [follower.kinds["heartbeat"] for follower in clients.followers]
            await traffic.another(5, *speakers)
            # Every timer goes around: heartbeats, the look at sign-ins, pings, and the comparison of heads.
            await eventually(
                lambda: all(
                    follower.kinds["heartbeat"] >= before + 3
                    for follower, before in zip(clients.followers, beats, strict=True)  # noqa: B023
                ),
                PATIENCE_SECONDS,
            )
            seq = unaware.seq
            await take_ticket(unpublished, quiet.queue_id)
            await eventually(lambda: unaware.seq == seq + 1, PATIENCE_SECONDS)  # noqa: B023 - awaited here
            # A node that is ahead takes no access token of the others any more, but their tickets.
            await _can_come_with_a_ticket(talk, *((elsewhere, web) if step > 0 else (web, elsewhere)))
        await traffic.stop()
        for followers in (clients, witnesses):
            await settle(runtime, followers)
        assert [follower.endings for follower in clients.followers] == [[]] * (SCREENS + 4)
        assert {follower.kinds["expiring"] for follower in clients.followers} == {0}
        assert not any(speaker.failures for speaker in speakers)
