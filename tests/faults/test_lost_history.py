"""History that is gone: pruned by the retention, or taken back by a restore. Clients start anew from a whole state."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
from pydantic import SecretStr
from sqlalchemy import text

from core.clock import now
from core.runtime import Runtime
from core.settings import Settings
from core.tasks import NoTasks
from tests.builders import create_clinic, take_ticket
from tests.conftest import Servers, migrate, running
from tests.faults.scenes import PATIENCE_SECONDS, create_board, create_talk, hub, say_here, settle
from tests.support.fleet import fleet
from tests.support.web import ROOT, environment_of, eventually, open_socket
from workers.jobs import prune_events


async def _age_events(runtime: Runtime, channel: str, *, keep: int = 0) -> None:
    """Make all events of that channel but the last few older than the retention, and let the worker's job prune."""
    age = timedelta(days=runtime.settings.event_retention_days + 1)
    async with runtime.transactions.begin() as unit:
        await unit.session.execute(
            text(
                "UPDATE events SET at = :at FROM streams WHERE streams.id = events.stream_id"
                " AND streams.channel = :channel AND events.seq <= streams.head - :keep"
            ),
            {"at": now() - age, "channel": channel, "keep": keep},
        )
    assert await prune_events(runtime) > 0


async def test_a_resume_from_before_the_retention_gets_a_snapshot(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    talk, board = await create_talk(runtime), await create_board(runtime)
    async with hub(settings, tmp_path) as one, hub(settings, tmp_path) as other, fleet(one.port) as clients:
        channels = [talk.channel, f"board:{board.queue_id}"]
        clients.follow(channels[0], talk.doctor.access_token)
        clients.follow(channels[1])
        await eventually(lambda: clients.standing_at(one.port) == 2, PATIENCE_SECONDS)
        # Nobody serves while this happens: the other node knows the events from Postgres alone.
        clients.ports.clear()
        clients.ports.append(1)
        one.kill()
        for number in range(6):
            await say_here(runtime, talk, f"missed {number}")
            await take_ticket(runtime, board.queue_id)
        for channel in channels:
            await _age_events(runtime, channel, keep=3)
        clients.ports[:] = [other.port]
        await eventually(lambda: clients.standing_at(other.port) == 2, PATIENCE_SECONDS)
        await settle(runtime, clients)
        assert [follower.modes for follower in clients.followers] == [["snapshot", "snapshot"]] * 2


async def test_a_node_that_was_behind_the_retention_tells_its_clients_to_start_anew(
    runtime: Runtime, settings: Settings, tmp_path: Path
) -> None:
    talk = await create_talk(runtime)
    unheard = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
    async with (
        hub(settings, tmp_path, hub_heads_seconds=2) as web,
        fleet(web.port) as clients,
        running(unheard) as elsewhere,
    ):
        reader = clients.follow(talk.channel, talk.doctor.access_token)
        await eventually(lambda: clients.standing_at(web.port) == 1, PATIENCE_SECONDS)
        await say_here(elsewhere, talk, "pruned")
        async with runtime.transactions.begin() as unit:
            await unit.session.execute(
                text("DELETE FROM events USING streams WHERE streams.id = stream_id AND channel = :channel"),
                {"channel": talk.channel},
            )
        await settle(runtime, clients)
        await say_here(runtime, talk, "and on it goes")
        await settle(runtime, clients)
        assert reader.endings == []


@asynccontextmanager
async def _database_of_its_own(servers: Servers) -> AsyncIterator[tuple[str, str, str]]:
    """URL of a maintenance database, URL of a fresh migrated one, and its name; both copies go at the end."""
    name = f"restore_{uuid4().hex[:12]}"
    url = servers.database_url.rsplit("/", 1)[0] + f"/{name}"
    await _run(servers.database_url, f"CREATE DATABASE {name}")
    try:
        await asyncio.to_thread(migrate, url)
        yield servers.database_url, url, name
    finally:
        await _run(servers.database_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await _run(servers.database_url, f"DROP DATABASE IF EXISTS {name}_saved WITH (FORCE)")


async def _run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _new_epoch(settings: Settings) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ops", "new-epoch", env=environment_of(settings), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    assert b"New epochs" in said


async def test_a_database_restored_to_an_earlier_state(servers: Servers, settings: Settings, tmp_path: Path) -> None:
    """Under the eyes of the clients, who know more than the database does afterwards."""
    async with _database_of_its_own(servers) as (maintenance, url, name):
        own = settings.model_copy(update={"database_url": SecretStr(url)})
        async with running(own) as runtime:
            talk, board, young = await create_talk(runtime), await create_board(runtime), await create_clinic(runtime)
        await _run(maintenance, f"CREATE DATABASE {name}_saved TEMPLATE {name}")
        runtime = Runtime(own, NoTasks())
        runtime.start()
        async with hub(own, tmp_path) as web, fleet(web.port) as clients:
            await take_ticket(runtime, young.queue_id)
            clients.follow(talk.channel, talk.doctor.access_token)
            screens = [clients.follow(f"board:{clinic.queue_id}") for clinic in (board, young)]
            await eventually(lambda: clients.standing_at(web.port) == 3, PATIENCE_SECONDS)
            for number in range(5):
                await say_here(runtime, talk, f"of the lost future {number}")
                await take_ticket(runtime, board.queue_id)
            await settle(runtime, clients)
            await _run(maintenance, f"DROP DATABASE {name} WITH (FORCE)")
            await eventually(lambda: "heads_unreadable" in web.log.read_text(), PATIENCE_SECONDS)
            await _run(maintenance, f"ALTER DATABASE {name}_saved RENAME TO {name}")
            # Places that were given before are given again, to other events.
            for number in range(5):
                await say_here(runtime, talk, f"of the new future {number}")
            await _new_epoch(own)
            await settle(runtime, clients)
            assert screens[1].state["tickets"] == []
            await say_here(runtime, talk, "after all that")
            await take_ticket(runtime, young.queue_id)
            await take_ticket(runtime, board.queue_id)
            await settle(runtime, clients)
            assert [follower.endings for follower in clients.followers] == [[], [], []]
        await runtime.close()


async def test_without_a_new_epoch_a_client_would_mix_two_histories(
    servers: Servers, settings: Settings, tmp_path: Path
) -> None:
    """The negative control of the command: a position of the lost future looks like one of the new."""
    async with _database_of_its_own(servers) as (maintenance, url, name):
        own = settings.model_copy(update={"database_url": SecretStr(url)})
        async with running(own) as runtime:
            board = await create_board(runtime)
        await _run(maintenance, f"CREATE DATABASE {name}_saved TEMPLATE {name}")
        channel = f"board:{board.queue_id}"
        async with running(own) as runtime, hub(own, tmp_path) as web, open_socket(web.url) as screen:
            await take_ticket(runtime, board.queue_id)
            lost = await screen.subscribe(channel)
        position = {"epoch": lost["epoch"], "seq": lost["seq"]}
        await _run(maintenance, f"DROP DATABASE {name} WITH (FORCE)")
        await _run(maintenance, f"ALTER DATABASE {name}_saved RENAME TO {name}")
        async with running(own) as runtime, hub(own, tmp_path) as web, open_socket(web.url) as screen:
            for _ in range(2):
                await take_ticket(runtime, board.queue_id)
            assert (await screen.subscribe(channel, **position))["mode"] == "resume"
            await _new_epoch(own)
            await screen.until(type="resync", channel=channel)
            assert (await screen.subscribe(channel, **position))["mode"] == "snapshot"
