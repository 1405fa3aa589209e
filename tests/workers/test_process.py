"""One loop and one runtime a worker process, for all of its tasks."""

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from sqlalchemy import text

from core.settings import Settings
from workers.process import WorkerProcess


@pytest.fixture
def process(settings: Settings) -> Iterator[WorkerProcess]:
    """As in a worker after the fork."""
    made = WorkerProcess(settings)
    yield made
    made.close()


async def _backend(process: WorkerProcess) -> tuple[int, int]:
    async with process.runtime.database.session() as session:
        backend = await session.scalar(text("SELECT pg_backend_pid()"))
    return id(asyncio.get_running_loop()), backend or 0


def test_tasks_share_a_loop_and_a_connection(process: WorkerProcess) -> None:
    assert len({process.run(_backend(process)) for _ in range(3)}) == 1


def test_what_a_task_raises_is_raised(process: WorkerProcess) -> None:
    async def fail() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        process.run(fail())


def test_the_soft_time_limit_ends_a_task_and_not_the_loop(process: WorkerProcess) -> None:
    """Celery sends the process SIGUSR1, whose handler raises in the main thread."""
    begun, cancelled = threading.Event(), threading.Event()

    async def never_end() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    def interrupt() -> None:
        assert begun.wait(10)
        # The limit comes while the task is waited for; a moment earlier `run` would not have its future yet.
        main = threading.main_thread().ident
        while sys._current_frames()[main or 0].f_code.co_name != "wait":
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGUSR1)

    def limit(*_: object) -> None:
        raise SoftTimeLimitExceeded

    before = signal.signal(signal.SIGUSR1, limit)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(SoftTimeLimitExceeded):
            process.run(never_end())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert cancelled.wait(10)
    assert process.run(_backend(process))[1] > 0
