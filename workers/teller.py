"""Tells people of messages from within the process that wrote them: at once, and with many messages at a time."""

import asyncio
import contextlib
from typing import Final
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from core.logging import get_logger
from core.runtime import Runtime
from core.tasks import TELL_THREAD, TaskSender
from domain.notifications.telling import TELL_AT_MOST
from workers import jobs

log = get_logger(__name__)

_PAUSE_SECONDS: Final = 0.25


class Teller:
    """A ``core.tasks.TaskSender`` that keeps ``TELL_THREAD`` for itself and passes other tasks on.

    The first message is told of at once; who is written to all the time is told four times a second at most. What a
    killed process or a fault leaves behind is found by the sweep.
    """

    def __init__(self, others: TaskSender) -> None:
        """``others`` takes the other tasks."""
        self._others = others
        self._untold: set[UUID] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, runtime: Runtime) -> None:
        """Begin telling; call inside the running loop."""
        self._task = asyncio.create_task(self._run(runtime), name="teller")

    def send(self, name: str, *args: str) -> None:
        """Note a thread to tell, or pass the task on; returns at once and never raises."""
        if name == TELL_THREAD:
            self._untold.update(map(UUID, args))
            self._wake.set()
        else:
            self._others.send(name, *args)

    async def close(self) -> None:
        """Stop. What is not told yet is left to the sweep."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, runtime: Runtime) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            noted, self._untold = sorted(self._untold), set()
            for start in range(0, len(noted), TELL_AT_MOST):
                try:
                    await jobs.tell_threads(runtime, noted[start : start + TELL_AT_MOST])
                except (SQLAlchemyError, OSError) as fault:
                    log.warning("threads_not_told", fault=type(fault).__name__)
                except Exception:
                    log.exception("telling_failed")
            await asyncio.sleep(_PAUSE_SECONDS)
