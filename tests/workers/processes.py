"""Real worker processes for tests."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from core.settings import Settings
from tests.support.web import ROOT, WAIT_SECONDS, environment_of, eventually


class CeleryProcess:
    """``celery -A workers.app …`` with all of its children."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        """Made by ``celery``."""
        self.process = process
        self.log = log

    def said(self, words: str) -> bool:
        """Whether its log has these words by now; fails when it has ended."""
        text = self.log.read_text()
        assert self.process.returncode is None, text[-4000:]
        return words in text

    def kill(self) -> None:
        """SIGKILL to all of its processes at once, as when the machine goes."""
        os.killpg(self.process.pid, signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM, which lets it end in order; its exit code."""
        self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), WAIT_SECONDS)


@asynccontextmanager
async def celery(settings: Settings, folder: Path, *arguments: str) -> AsyncIterator[CeleryProcess]:
    """A Celery process with those settings, killed at the end where it still runs."""
    log = folder / f"celery-{uuid4().hex[:6]}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "celery", "--quiet", "-A", "workers.app", *arguments,
            env=environment_of(settings), cwd=ROOT, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    made = CeleryProcess(process, log)
    try:
        yield made
    finally:
        if process.returncode is None:
            made.kill()
            await process.wait()


@asynccontextmanager
async def worker(settings: Settings, folder: Path, *arguments: str) -> AsyncIterator[CeleryProcess]:
    """A worker that is ready for tasks."""
    async with celery(settings, folder, "worker", "--loglevel", "INFO", "--concurrency", "1", *arguments) as made:
        await eventually(lambda: made.said(" ready."))
        yield made
