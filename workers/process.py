"""What a worker process holds once: an event loop that always runs, and the runtime made inside it.

The loop has a thread of its own. The publisher goes on sending between two tasks, and Celery's soft time limit, which
interrupts the main thread, ends a task in order instead of breaking into the loop.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from celery.signals import worker_process_init, worker_process_shutdown

import domain.wiring  # noqa: F401 - rooms react to each other's events
from core.runtime import Runtime
from core.settings import Settings, get_settings
from workers.client import CeleryTasks
from workers.providers import create_provider
from workers.providers.base import SmsProvider
from workers.providers.mail import Mailer, create_mailer

T = TypeVar("T")

_CLOSE_SECONDS: Final = 10.0


class WorkerProcess:
    """One a process, made after the fork: connections and threads do not survive one."""

    def __init__(self, settings: Settings) -> None:
        """Starts the loop and everything in it."""
        self.tasks = CeleryTasks(settings)
        self.runtime = Runtime(settings, self.tasks)
        self.provider: SmsProvider = create_provider(settings, self.runtime.database)
        self.mailer: Mailer = create_mailer(settings, self.runtime.database)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="worker-loop", daemon=True)
        self._thread.start()
        self.tasks.start()
        self._loop.call_soon_threadsafe(self.runtime.start)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it in the loop and wait for it; whatever interrupts the waiting cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def close(self) -> None:
        """Send what is queued, disconnect, and end the loop."""
        asyncio.run_coroutine_threadsafe(self.runtime.close(), self._loop).result(_CLOSE_SECONDS)
        self.tasks.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_SECONDS)
        self._loop.close()


_current: list[WorkerProcess] = []


def current() -> WorkerProcess:
    """This process's; there is one in every process that runs tasks."""
    return _current[0]


@worker_process_init.connect
def _start(**_: Any) -> None:
    _current.append(WorkerProcess(get_settings()))


@worker_process_shutdown.connect
def _stop(**_: Any) -> None:
    while _current:
        _current.pop().close()
