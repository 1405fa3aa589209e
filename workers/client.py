"""Hands tasks to the workers without making anybody wait for Redis."""

import queue
import threading
from typing import Final

from core.logging import get_logger
from core.settings import Settings
from workers.app import create_celery

log = get_logger(__name__)

_QUEUE_LIMIT: Final = 10_000
_CLOSE_SECONDS: Final = 5.0


class CeleryTasks:
    """A ``core.tasks.TaskSender`` with a thread of its own. What cannot be sent is dropped: the sweep finds the row."""

    def __init__(self, settings: Settings) -> None:
        """Connects to nothing yet."""
        self._celery = create_celery(settings)
        self._queue: queue.Queue[tuple[str, tuple[str, ...]]] = queue.Queue(_QUEUE_LIMIT)
        self._thread: threading.Thread | None = None
        self._is_closing = threading.Event()
        self._wake = threading.Event()
        self.is_healthy = True

    def start(self) -> None:
        """Begin sending."""
        # A daemon: a Redis that hangs must not keep a process from ending.
        self._thread = threading.Thread(target=self._run, name="task-sender", daemon=True)
        self._thread.start()

    def send(self, name: str, *args: str) -> None:
        """Queue a task; returns at once and never raises. Over 10,000 waiting, it is dropped."""
        try:
            self._queue.put_nowait((name, args))
        except queue.Full:
            self._note_failure("QueueFull")
            return
        self._wake.set()

    def close(self) -> None:
        """Send what is queued, at most 5 s long, and disconnect. Blocks: call it off the event loop."""
        self._is_closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)
        self._celery.close()

    def _run(self) -> None:
        while not self._is_closing.is_set():
            self._wake.wait()
            self._wake.clear()
            self._send_all()

    def _send_all(self) -> None:
        while True:
            try:
                name, args = self._queue.get_nowait()
            except queue.Empty:
                return
            try:
                self._celery.send_task(name, args=args, retry=False)
            except Exception as fault:  # noqa: BLE001 - whatever the broker's matter is, the sweep finds the row
                self._note_failure(type(fault).__name__)
            else:
                self._note_success()

    def _note_failure(self, fault: str) -> None:
        if self.is_healthy:
            log.warning("task_not_sent", fault=fault)
        self.is_healthy = False

    def _note_success(self) -> None:
        if not self.is_healthy:
            log.info("tasks_sent_again")
        self.is_healthy = True
