"""Random bytes for a minute never take the process down, and whoever behaves notices nothing.

A minute is counted in connections, as many as a machine with two cores serves in one: ``make fuzz`` sends them all,
``make test`` a tenth. FUZZ_SEED sends others; the same seed sends the same.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

from core.runtime import Runtime
from core.settings import Settings
from tests.faults.scenes import PATIENCE_SECONDS, Traffic, create_board, create_talk, hub, metric, settle
from tests.fuzz.rubbish import rubbish
from tests.support.fleet import fleet
from tests.support.web import WebProcess, eventually

CONNECTIONS: Final = int(os.environ.get("FUZZ_CONNECTIONS", "2400"))
SEED: Final = int(os.environ.get("FUZZ_SEED", "20260"))
AT_ONCE: Final = 50
MAY_GROW_BY: Final = 32 * 2**20


async def _connect_and_send(port: int, number: int) -> None:
    """One connection. Two of three say that nothing more comes, which the server has to end; the others vanish."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(rubbish(SEED, number))
        if number % 3:
            writer.write_eof()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await reader.read()
    except ConnectionError:
        # It was closed while we were still sending.
        return
    finally:
        writer.transport.abort()


async def _send_all(port: int, numbers: range) -> None:
    """Many at once."""
    waiting = iter(numbers)

    async def work() -> None:
        for number in waiting:
            await _connect_and_send(port, number)

    async with asyncio.TaskGroup() as workers:
        for _ in range(AT_ONCE):
            workers.create_task(work())


def _memory(web: WebProcess) -> int:
    """Bytes that the process has in memory."""
    pages = int(Path(f"/proc/{web.process.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_random_bytes_never_take_the_process_down(runtime: Runtime, settings: Settings, tmp_path: Path) -> None:
    print(f"FUZZ_SEED={SEED} FUZZ_CONNECTIONS={CONNECTIONS}")
    talk, board = await create_talk(runtime), await create_board(runtime)
    async with hub(settings, tmp_path) as web, fleet(web.port) as clients:
        speaker = clients.follow(talk.channel, talk.patient.access_token)
        clients.follow(talk.channel, talk.doctor.access_token)
        clients.follow(f"board:{board.queue_id}")
        await eventually(lambda: clients.standing_at(web.port) == 3, PATIENCE_SECONDS)
        traffic = Traffic(runtime)
        traffic.talk(speaker, patience=PATIENCE_SECONDS)
        traffic.move(board)
        first = CONNECTIONS // 3
        await _send_all(web.port, range(first))
        before = _memory(web)
        await _send_all(web.port, range(first, CONNECTIONS))
        after = _memory(web)
        await traffic.another(3, speaker)
        await traffic.stop()
        await settle(runtime, clients)
        assert web.process.returncode is None
        assert [follower.endings for follower in clients.followers] == [[], [], []]
        assert not speaker.failures
        await eventually(lambda: _has_only(web, 3), PATIENCE_SECONDS)
        assert after < before + MAY_GROW_BY
        said = web.log.read_text(encoding="utf-8")
        assert "Traceback" not in said
        assert "socket_application_failed" not in said


async def _has_only(web: WebProcess, sockets: int) -> bool:
    return await metric(web, "carebell_sockets{") == sockets
